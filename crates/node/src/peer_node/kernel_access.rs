//! A market node's connections to kernel nodes: made when needed, remade when broken.
//!
//! Whom there is to connect to changes with every epoch. The follower keeps the last one it has proved, so a node that
//! was online in between finds members that were not there when the network began, also after a restart.
//!
//! Nothing here judges answers; whoever asked does. Only what becomes of a transaction handed in is judged here, because
//! several nodes are asked: it is taken when one node says so, and refused when f + 1 nodes give the same reason.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use byway_crypto::noise::StaticKey;
use byway_driver::disguise::Disguise;
use byway_driver::entropy;
use byway_driver::mesh::{ConnectError, Limits, MeshClient, Prologue, RequestError};
use byway_kernel::follower::Refusal;
use byway_kernel::follower::protocol::{Answer, Request, StageClaim};
use byway_kernel::stamp::{BITS_DEFAULT, Demand};
use byway_primitives::codec::{DecodeError, Encode, decode_exact};
use byway_records::{Genesis, Member, Received, Seat, Seats, TransactionId};
use tokio::sync::Mutex;

use crate::kernel_node::prologue;

/// Longer than a kernel node keeps a follower's question open.
const REPLY_WAIT: Duration = Duration::from_secs(7);
/// A transaction is handed to this many kernel nodes at once, so that one that drops it delays nothing (row K3's b > 1).
const SUBMIT_TO: usize = 2;

/// How many times work is done for one handing in: a node may have become busier meanwhile.
const WORK_TIMES_MAX: u32 = 3;

/// How often, and how many times, the node that took a transaction is asked whether it is included: at first quickly,
/// then ever more slowly, for about ten seconds.
const INCLUDED_LOOK_PERIOD: Duration = Duration::from_millis(50);
const INCLUDED_LOOKS_MAX: u32 = 20;

/// Why a kernel node gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("there is no kernel node in seat {0}")]
    NoSuchMember(u8),
    #[error("kernel node {name} can't be reached: {source}")]
    Connect { name: String, source: ConnectError },
    #[error("kernel node {name} did not answer: {source}")]
    Request { name: String, source: RequestError },
    #[error("kernel node {name} sent a malformed answer: {source}")]
    Malformed { name: String, source: DecodeError },
}

/// Why a transaction was not submitted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitFailed {
    /// With the reason that f + 1 nodes gave, one of them honest.
    #[error("the kernel refused the transaction: {0}")]
    Refused(Refusal),
    /// They ask for more work than is done for a transaction. It may be taken later.
    #[error(
        "the kernel nodes are busy, and the least busy asks for work of {bits} bits where {BITS_DEFAULT} are done for a \
         transaction; it is handed in again later"
    )]
    Busy { bits: u8 },
    /// With the last thing that was said. It may be taken the next time.
    #[error("no kernel node took the transaction, and too few of them agree on why: {0}")]
    Undecided(String),
    #[error("no kernel node can be reached: {0}")]
    Unreachable(AskError),
}

/// Connections to all members of the epoch that its owner knows of. Clones share them.
#[derive(Clone)]
pub struct KernelAccess(Arc<Shared>);

struct Shared {
    prologue: Prologue,
    limits: Limits,
    /// By name, of members that are reached elsewhere than the ledger says.
    elsewhere: BTreeMap<String, String>,
    /// What knows another way to them.
    disguise: Option<Arc<Disguise>>,
    members: RwLock<Arc<Members>>,
}

/// Who can be asked.
struct Members {
    by_seat: BTreeMap<u8, Arc<Known>>,
    /// The seats of those whose snapshots count, which therefore have all there is.
    counting: Vec<u8>,
    /// How many of them may lie.
    faults: usize,
}

/// Where a member is reached, and over what now.
struct Known {
    name: String,
    key: StaticKey,
    address: String,
    client: Mutex<Option<MeshClient>>,
}

impl KernelAccess {
    /// To these members of the network. `elsewhere` has the addresses, by name, of members that are reached elsewhere than
    /// the ledger says. Where there is a `disguise` they are reached as that sees fit.
    pub fn to(
        genesis: &Genesis,
        seats: &Seats,
        elsewhere: &BTreeMap<String, String>,
        disguise: Option<Arc<Disguise>>,
    ) -> Self {
        let members = RwLock::new(Arc::new(Members::of(seats, elsewhere, None)));
        let (prologue, limits) = (prologue(genesis), Limits::default());
        Self(Arc::new(Shared { prologue, limits, elsewhere: elsewhere.clone(), disguise, members }))
    }

    /// Where the members are reached: `host:port` each.
    pub fn addresses(&self) -> Vec<String> {
        self.members().by_seat.values().map(|known| known.address.clone()).collect()
    }

    /// What knows another way to them, and to the relay.
    pub fn disguise(&self) -> Option<&Disguise> {
        self.0.disguise.as_deref()
    }

    /// Goes over to the members of another epoch. Connections to those that stay where they are stay.
    pub fn follow(&self, seats: &Seats) {
        let mut members = self.0.members.write().unwrap_or_else(PoisonError::into_inner);
        *members = Arc::new(Members::of(seats, &self.0.elsewhere, Some(&members)));
    }

    fn members(&self) -> Arc<Members> {
        self.0.members.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The seats of the members that count, beginning with one at random, so that no kernel node is asked by everyone.
    pub fn order(&self) -> Vec<u8> {
        let mut order = self.members().counting.clone();
        let first = entropy::number() as usize % order.len().max(1);
        order.rotate_left(first);
        order
    }

    /// How many of the members that count may lie.
    pub fn faults_tolerated(&self) -> usize {
        self.members().faults
    }

    /// What the member in this seat is called.
    pub fn name(&self, seat: u8) -> Option<String> {
        self.members().by_seat.get(&seat).map(|known| known.name.clone())
    }

    /// Asks one member, over a connection that is there or is made.
    pub async fn ask(&self, member: u8, request: &Request) -> Result<Answer, AskError> {
        let known = self.members().by_seat.get(&member).cloned().ok_or(AskError::NoSuchMember(member))?;
        let client = self.client(&known).await?;
        let reply = client.request(Bytes::from(request.to_bytes()), REPLY_WAIT).await;
        let name = || known.name.clone();
        let reply = match reply {
            Ok(reply) => reply,
            Err(source) => {
                *known.client.lock().await = None;
                return Err(AskError::Request { name: name(), source });
            }
        };
        decode_exact(&reply).map_err(|source| AskError::Malformed { name: name(), source })
    }

    /// Hands a transaction to a few members at random; on failure to all others in turn, until one takes it or f + 1
    /// refuse it for the same reason. Where all are busy it does the work that the least busy one asks for. Gives one that
    /// took it. Handing the same to several costs nothing: it is executed once, and the ledger knows the others for
    /// repetitions.
    pub async fn submit(&self, transaction: Vec<u8>) -> Result<u8, SubmitFailed> {
        let mut request = Request::Submit { transaction, stamp: None };
        let mut refusals = Refusals::new(self.faults_tolerated());
        for group in self.order().chunks(SUBMIT_TO) {
            let asked = group.iter().map(|member| self.ask(*member, &request));
            let answers = futures::future::join_all(asked).await;
            let mut asked = group.iter().zip(&answers);
            if let Some((member, _)) = asked.find(|(_, answer)| matches!(answer, Ok(Answer::Taken))) {
                return Ok(*member);
            }
            group.iter().zip(answers).for_each(|(member, answer)| refusals.note(*member, answer));
            if refusals.believed().is_some() {
                break;
            }
        }
        for _ in 0..WORK_TIMES_MAX {
            let Some((member, demand)) = refusals.least_work(BITS_DEFAULT) else { break };
            request = stamped(request, demand).await;
            match self.ask(member, &request).await {
                Ok(Answer::Taken) => return Ok(member),
                answer => refusals.note(member, answer),
            }
        }
        Err(refusals.conclude())
    }

    /// Waits until `member`, which took a transaction, says that a quorum has built on a snapshot with it, and gives up
    /// when that takes long. Its word is shown and never acted on.
    pub async fn included(&self, member: u8, transaction: TransactionId) -> bool {
        let request = Request::Stage { transaction };
        for look in 0..INCLUDED_LOOKS_MAX {
            tokio::time::sleep(INCLUDED_LOOK_PERIOD * (look + 1)).await;
            match self.ask(member, &request).await {
                Ok(Answer::Stage(StageClaim::Included | StageClaim::Final)) => return true,
                Ok(Answer::Stage(StageClaim::Pooled)) => {}
                // Rejected, forgotten, or not to be reached: the ledger will tell.
                _ => return false,
            }
        }
        false
    }

    async fn client(&self, known: &Known) -> Result<MeshClient, AskError> {
        let mut slot = known.client.lock().await;
        if let Some(client) = &*slot {
            return Ok(client.clone());
        }
        let (seed, shared) = (entropy::seed(), &self.0);
        let failed = |source| AskError::Connect { name: known.name.clone(), source };
        let address = match &shared.disguise {
            Some(disguise) => {
                let port = disguise.kernel(&known.address).await;
                let unreachable = |source| ConnectError::Unreachable { address: known.address.clone(), source };
                port.map_err(|source| failed(unreachable(source)))?.to_string()
            }
            None => known.address.clone(),
        };
        let connected = MeshClient::connect(&address, known.key, &shared.prologue, &seed, &shared.limits).await;
        let (client, mut pushes) = connected.map_err(failed)?;
        // Kernel nodes tell clients nothing unasked; what comes nevertheless is let go of.
        tokio::spawn(async move { while pushes.recv().await.is_some() {} });
        *slot = Some(client.clone());
        Ok(client)
    }
}

impl Members {
    /// Those in `seats`. Whoever was reached likewise `before` keeps the connection.
    fn of(seats: &Seats, elsewhere: &BTreeMap<String, String>, before: Option<&Self>) -> Self {
        let known = |(seat, taken): (u8, &Seat)| {
            let Member { name, mesh, address, .. } = &taken.member;
            let address = elsewhere.get(name).unwrap_or(address);
            let same = before.and_then(|before| before.by_seat.get(&seat));
            let same = same.filter(|known| (known.key, &known.address, &known.name) == (*mesh, address, name));
            let known = same.cloned().unwrap_or_else(|| {
                Arc::new(Known { name: name.clone(), key: *mesh, address: address.clone(), client: Mutex::default() })
            });
            (seat, known)
        };
        Self {
            by_seat: seats.iter().map(known).collect(),
            counting: seats.counting().map(|(seat, _)| seat).collect(),
            faults: seats.faults_tolerated(),
        }
    }
}

/// Does the work that a busy node asks for, on a thread of its own.
async fn stamped(request: Request, demand: Demand) -> Request {
    let Request::Submit { transaction, .. } = request else { return request };
    let worked = tokio::task::spawn_blocking(move || {
        let id = decode_exact::<Received>(&transaction).map(|received| received.id());
        let stamp = id.ok().and_then(|id| demand.work(id));
        Request::Submit { transaction, stamp }
    });
    worked.await.unwrap_or(Request::Submit { transaction: Vec::new(), stamp: None })
}

/// What nodes say that did not take a transaction.
struct Refusals {
    /// How many nodes may lie.
    faults: usize,
    /// How many nodes gave each reason.
    reasons: BTreeMap<Refusal, usize>,
    /// What each busy node asks for.
    busy: BTreeMap<u8, Demand>,
    /// The last thing said that is no reason against the transaction itself.
    passing: Option<String>,
    unreachable: Option<AskError>,
}

impl Refusals {
    fn new(faults: usize) -> Self {
        Self { faults, reasons: BTreeMap::new(), busy: BTreeMap::new(), passing: None, unreachable: None }
    }

    /// Takes down a member's answer other than that the transaction is taken.
    fn note(&mut self, member: u8, answer: Result<Answer, AskError>) {
        self.busy.remove(&member);
        match answer {
            Ok(Answer::Refused(refusal)) if refusal.is_passing() => {
                if let Refusal::Busy(demand) = refusal {
                    self.busy.insert(member, demand);
                }
                self.passing = Some(refusal.to_string());
            }
            Ok(Answer::Refused(refusal)) => *self.reasons.entry(refusal).or_default() += 1,
            Ok(_) => self.passing = Some("a kernel node gave an answer that makes no sense".to_owned()),
            Err(error) => self.unreachable = Some(error),
        }
    }

    /// The busy node that asks for the least work, if that is no more than so many bits.
    fn least_work(&self, bits_max: u8) -> Option<(u8, Demand)> {
        let least = self.busy.iter().min_by_key(|(_, demand)| demand.bits);
        least.map(|(member, demand)| (*member, *demand)).filter(|(_, demand)| demand.bits <= bits_max)
    }

    /// The reason that so many nodes gave that one of them is honest.
    fn believed(&self) -> Option<&Refusal> {
        self.reasons.iter().find(|(_, count)| **count > self.faults).map(|(reason, _)| reason)
    }

    /// What is to be made of it when nobody else is asked.
    fn conclude(self) -> SubmitFailed {
        if let Some(refusal) = self.believed() {
            return SubmitFailed::Refused(refusal.clone());
        }
        if let Some(least) = self.busy.values().map(|demand| demand.bits).min() {
            return SubmitFailed::Busy { bits: least };
        }
        let said = self.passing.or_else(|| self.reasons.into_keys().next_back().map(|reason| reason.to_string()));
        match (said, self.unreachable) {
            (None, Some(error)) => SubmitFailed::Unreachable(error),
            (said, _) => SubmitFailed::Undecided(said.unwrap_or_else(|| "there is no kernel node".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byway_primitives::Hash;
    use byway_records::Reject;

    #[test]
    fn a_refusal_is_believed_when_more_nodes_give_it_than_may_lie() {
        let no = || Some(Refusal::Spent);
        let bad = || Some(Refusal::IllFormed("bad proof".to_owned()));
        let full = || Some(Refusal::Full);
        let busy = |bits| Some(Refusal::Busy(Demand { bits, salt: Hash::ZERO }));
        // `None`: the node is dead.
        let rows = [
            (vec![no(), None], "undecided"),
            (vec![no(), None, full(), None], "undecided"),
            (vec![no(), bad()], "undecided"),
            (vec![no(), bad(), bad()], "refused: bad proof"),
            (vec![bad(), None, None, bad()], "refused: bad proof"),
            (vec![full(), full(), full(), full()], "undecided"),
            (vec![full(), None], "undecided"),
            (vec![None, None, None, None], "unreachable"),
            (vec![], "undecided"),
            (vec![busy(24), full(), busy(23), None], "busy: 23, beyond 22"),
            (vec![busy(24), full(), busy(12), None], "busy: 12, work for node 2"),
            (vec![busy(12), no(), no()], "refused: an input of the transaction is spent already"),
        ];
        for (answers, expected) in rows {
            let mut refusals = Refusals::new(1);
            for (member, answer) in (0..).zip(&answers) {
                refusals.note(
                    member,
                    match answer {
                        Some(refusal) => Ok(Answer::Refused(refusal.clone())),
                        None => Err(AskError::NoSuchMember(9)),
                    },
                );
            }
            let work = refusals.least_work(22);
            let work = work.map_or("beyond 22".to_owned(), |(member, _)| format!("work for node {member}"));
            let found = match refusals.conclude() {
                SubmitFailed::Refused(reason) => format!("refused: {reason}"),
                SubmitFailed::Busy { bits } => format!("busy: {bits}, {work}"),
                SubmitFailed::Undecided(_) => "undecided".to_owned(),
                SubmitFailed::Unreachable(_) => "unreachable".to_owned(),
            };
            assert!(found.starts_with(expected), "{answers:?}: {found}");
        }
    }

    #[test]
    fn what_is_refused_for_the_moment_is_the_nodes_matter() {
        let demand = Demand { bits: 1, salt: Hash::ZERO };
        for refusal in [Refusal::Conflict, Refusal::Full, Refusal::Busy(demand), Refusal::Stopped, Refusal::Failed] {
            assert!(refusal.is_passing(), "{refusal}");
        }
        for refusal in [Refusal::Spent, Refusal::IllFormed(String::new()), Refusal::Rejected(Reject::Unbalanced)] {
            assert!(!refusal.is_passing(), "{refusal}");
        }
    }
}

//! A market node's connections to kernel nodes: made when needed, remade when broken.
//!
//! Nothing here judges answers; whoever asked does. Only what becomes of a transaction handed in is judged here, because
//! several nodes are asked: it is taken when one node says so, and refused when f + 1 nodes give the same reason.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use byway_driver::entropy;
use byway_driver::mesh::{ConnectError, Limits, MeshClient, Prologue, RequestError};
use byway_driver::pool::PoolError;
use byway_kernel::SubmitError;
use byway_kernel::follower::protocol::{Answer, Request, StageClaim};
use byway_primitives::codec::{DecodeError, Encode, decode_exact};
use byway_records::{Genesis, Member, TransactionId};
use tokio::sync::Mutex;

use crate::kernel_node::prologue;

/// Longer than a kernel node keeps a follower's question open.
const REPLY_WAIT: Duration = Duration::from_secs(7);
/// A transaction is handed to this many kernel nodes at once, so that one that drops it delays nothing (row K3's b > 1).
const SUBMIT_TO: usize = 2;

/// How often, and how many times, the node that took a transaction is asked whether it is included: at first quickly,
/// then ever more slowly, for about ten seconds.
const INCLUDED_LOOK_PERIOD: Duration = Duration::from_millis(50);
const INCLUDED_LOOKS_MAX: u32 = 20;

/// Why a kernel node gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("kernel node {0} is not in this network")]
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
    Refused(String),
    /// With the last thing that was said. It may be taken the next time.
    #[error("no kernel node took the transaction, and too few of them agree on why: {0}")]
    Undecided(String),
    #[error("no kernel node can be reached: {0}")]
    Unreachable(AskError),
}

/// Connections to all members. Clones share them.
#[derive(Clone)]
pub struct KernelAccess(Arc<Shared>);

struct Shared {
    genesis: Arc<Genesis>,
    prologue: Prologue,
    limits: Limits,
    /// By member.
    addresses: Vec<String>,
    clients: Vec<Mutex<Option<MeshClient>>>,
}

impl KernelAccess {
    /// `elsewhere` has the addresses, by name, of members that are reached elsewhere than genesis says.
    pub fn new(genesis: Arc<Genesis>, elsewhere: &BTreeMap<String, String>) -> Self {
        let address = |member: &Member| elsewhere.get(&member.name).unwrap_or(&member.address).clone();
        let addresses = genesis.members.iter().map(|(_, member)| address(member)).collect();
        let clients = genesis.members.iter().map(|_| Mutex::default()).collect();
        Self(Arc::new(Shared { prologue: prologue(&genesis), genesis, limits: Limits::default(), addresses, clients }))
    }

    /// Asks one member, over a connection that is there or is made.
    pub async fn ask(&self, member: u8, request: &Request) -> Result<Answer, AskError> {
        let name = self.name(member)?;
        let client = self.client(member).await?;
        let reply = client.request(Bytes::from(request.to_bytes()), REPLY_WAIT).await;
        let reply = match reply {
            Ok(reply) => reply,
            Err(source) => {
                self.forget(member).await;
                return Err(AskError::Request { name, source });
            }
        };
        decode_exact(&reply).map_err(|source| AskError::Malformed { name, source })
    }

    /// Hands a transaction to a few members at random; on failure to all others in turn, until one takes it or f + 1
    /// refuse it for the same reason. Gives one that took it. Handing the same to several costs nothing: it is executed
    /// once, and the ledger knows the others for repetitions.
    pub async fn submit(&self, transaction: Vec<u8>) -> Result<u8, SubmitFailed> {
        let count = self.0.clients.len();
        let first = entropy::number() as usize % count;
        let order: Vec<u8> = (0..count).map(|step| ((first + step) % count) as u8).collect();
        let request = Request::Submit { transaction };
        let mut refusals = Refusals::new(self.0.genesis.members.faults_tolerated());
        for group in order.chunks(SUBMIT_TO) {
            let asked = group.iter().map(|member| self.ask(*member, &request));
            let answers = futures::future::join_all(asked).await;
            let mut asked = group.iter().zip(&answers);
            if let Some((member, _)) = asked.find(|(_, answer)| matches!(answer, Ok(Answer::Taken))) {
                return Ok(*member);
            }
            answers.into_iter().for_each(|answer| refusals.note(answer));
            if refusals.believed().is_some() {
                break;
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

    async fn client(&self, member: u8) -> Result<MeshClient, AskError> {
        let known = self.0.genesis.members.get(member).ok_or(AskError::NoSuchMember(member))?;
        let slot = self.0.clients.get(usize::from(member)).ok_or(AskError::NoSuchMember(member))?;
        let address = self.0.addresses.get(usize::from(member)).ok_or(AskError::NoSuchMember(member))?;
        let mut slot = slot.lock().await;
        if let Some(client) = &*slot {
            return Ok(client.clone());
        }
        let seed = entropy::seed();
        let connected = MeshClient::connect(address, known.mesh, &self.0.prologue, &seed, &self.0.limits).await;
        let (client, mut pushes) =
            connected.map_err(|source| AskError::Connect { name: known.name.clone(), source })?;
        // Kernel nodes tell clients nothing unasked; what comes nevertheless is let go of.
        tokio::spawn(async move { while pushes.recv().await.is_some() {} });
        *slot = Some(client.clone());
        Ok(client)
    }

    async fn forget(&self, member: u8) {
        if let Some(slot) = self.0.clients.get(usize::from(member)) {
            *slot.lock().await = None;
        }
    }

    fn name(&self, member: u8) -> Result<String, AskError> {
        let known = self.0.genesis.members.get(member).ok_or(AskError::NoSuchMember(member))?;
        Ok(known.name.clone())
    }
}

/// What nodes say that did not take a transaction.
struct Refusals {
    /// How many nodes may lie.
    faults: usize,
    /// How many nodes gave each reason.
    reasons: BTreeMap<String, usize>,
    /// The last thing said that is no reason against the transaction itself.
    passing: Option<String>,
    unreachable: Option<AskError>,
}

impl Refusals {
    fn new(faults: usize) -> Self {
        Self { faults, reasons: BTreeMap::new(), passing: None, unreachable: None }
    }

    /// Takes down an answer other than that the transaction is taken.
    fn note(&mut self, answer: Result<Answer, AskError>) {
        match answer {
            Ok(Answer::Refused(reason)) if is_passing(&reason) => self.passing = Some(reason),
            Ok(Answer::Refused(reason)) => *self.reasons.entry(reason).or_default() += 1,
            Ok(_) => self.passing = Some("a kernel node gave an answer that makes no sense".to_owned()),
            Err(error) => self.unreachable = Some(error),
        }
    }

    /// The reason that so many nodes gave that one of them is honest.
    fn believed(&self) -> Option<&str> {
        self.reasons.iter().find(|(_, count)| **count > self.faults).map(|(reason, _)| reason.as_str())
    }

    /// What is to be made of it when nobody else is asked.
    fn conclude(self) -> SubmitFailed {
        if let Some(reason) = self.believed() {
            return SubmitFailed::Refused(reason.to_owned());
        }
        let said = self.passing.or_else(|| self.reasons.into_keys().next_back());
        match (said, self.unreachable) {
            (None, Some(error)) => SubmitFailed::Unreachable(error),
            (said, _) => SubmitFailed::Undecided(said.unwrap_or_else(|| "there is no kernel node".to_owned())),
        }
    }
}

/// Whether a refusal is about the node that says it and not about the transaction: another node is to be asked. A kernel
/// node gives its reasons as text only; one that words them otherwise needs f + 1 of its kind to be believed.
fn is_passing(reason: &str) -> bool {
    let submit = [SubmitError::Full, SubmitError::Stopped].map(|error| error.to_string());
    let pool = [PoolError::ShuttingDown, PoolError::Panicked].map(|error| error.to_string());
    submit.iter().chain(&pool).any(|passing| passing == reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_believed_when_more_nodes_give_it_than_may_lie() {
        let full = SubmitError::Full.to_string();
        let full = full.as_str();
        // `None`: the node is dead.
        let rows: [(&[Option<&str>], &str); 9] = [
            (&[Some("no"), None], "undecided"),
            (&[Some("no"), None, Some(full), None], "undecided"),
            (&[Some("no"), Some("bad proof")], "undecided"),
            (&[Some("no"), Some("bad proof"), Some("bad proof")], "refused: bad proof"),
            (&[Some("bad proof"), None, None, Some("bad proof")], "refused: bad proof"),
            (&[Some(full), Some(full), Some(full), Some(full)], "undecided"),
            (&[Some(full), None], "undecided"),
            (&[None, None, None, None], "unreachable"),
            (&[], "undecided"),
        ];
        for (answers, expected) in rows {
            let mut refusals = Refusals::new(1);
            for answer in answers {
                refusals.note(match answer {
                    Some(reason) => Ok(Answer::Refused((*reason).to_owned())),
                    None => Err(AskError::NoSuchMember(9)),
                });
            }
            let found = match refusals.conclude() {
                SubmitFailed::Refused(reason) => format!("refused: {reason}"),
                SubmitFailed::Undecided(_) => "undecided".to_owned(),
                SubmitFailed::Unreachable(_) => "unreachable".to_owned(),
            };
            assert_eq!(found, expected, "{answers:?}");
        }
    }
}

//! A kernel node as the scheduler sees it: the machine, and the verification that a driver does before it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use byway_kernel::anteroom::{Anteroom, peek_epoch};
use byway_kernel::follower::Refusal;
use byway_kernel::light::Unproven;
use byway_kernel::light::protocol::EpochStep;
use byway_kernel::stamp::Stamp;
use byway_kernel::{Committee, Kernel, MemberIndex, Message, News, SnapshotError, Source, VerifiedSnapshot};
use byway_primitives::hash::Context;
use byway_primitives::{Effect, Encode, Hash, Store, Time};
use byway_records::VerifiedTransaction;
use byway_records::epoch::epoch_of;
use byway_records::verified::verify;

use super::adversary::Adversary;
use super::equivocator::Equivocator;
use crate::world::{Event, Machine};

const CACHE: Context = Context("byway test verification cache");

/// Of what nodes have signed one in so many is verified.
const VERIFIED_ONE_IN: u64 = 16;

/// Remembers what became of verifying some bytes, so that a simulation of seven nodes verifies everything once.
///
/// Most of what a machine signs here is known to verify, as it comes from the same function: verifying all of it would take
/// as long as all the rest of a simulation. Whatever else comes, from adversaries or twisted, is verified.
#[derive(Debug)]
pub struct VerificationCache {
    /// By epoch, as far as any node has got.
    committees: BTreeMap<u32, Committee>,
    outcomes: BTreeMap<Hash, Outcome>,
    /// The same by epoch and address: the bytes are kept, so nothing else comes to lie there.
    by_address: HashMap<(u32, usize), Known>,
    signed: u64,
}

type Outcome = Result<Arc<VerifiedSnapshot>, SnapshotError>;

#[derive(Debug)]
struct Known {
    outcome: Outcome,
    _bytes: Arc<[u8]>,
}

/// The cache, shared by the nodes of one world.
pub type SharedCache = Rc<RefCell<VerificationCache>>;

/// What happens to a simulated kernel node beside messages.
#[derive(Debug, Clone)]
pub enum KernelCommand {
    Submit(Box<Submission>),
    /// Somebody that it has asked shows it later epochs than its own.
    Epochs(Vec<EpochStep>),
}

/// What a client hands to a simulated kernel node.
#[derive(Debug, Clone)]
pub struct Submission {
    pub source: Source,
    pub transaction: VerifiedTransaction,
    pub work: Work,
}

/// What work comes with a transaction.
#[derive(Debug, Clone, Copy)]
pub enum Work {
    /// As much as is asked for, in no time: whoever hands in has all the processors that there are.
    Enough,
    Stamped(Option<Stamp>),
}

/// What a simulated kernel node says.
#[derive(Debug)]
pub enum NodeNews {
    Kernel(News),
    /// A snapshot that `from` sent does not verify.
    Refused {
        from: usize,
        error: SnapshotError,
    },
    /// What it was shown of epochs proves nothing to it.
    Unproven(Unproven),
    /// A client's transaction was not taken.
    NotTaken {
        refusal: Refusal,
    },
}

/// An honest node, or an adversary.
pub struct KernelNode {
    mind: Mind,
    cache: SharedCache,
    /// Nodes that can be reached, members or not.
    reachable: BTreeSet<usize>,
    news: Vec<NodeNews>,
    /// What an adversary says of its own accord.
    extra: Vec<(usize, Message)>,
}

enum Mind {
    Machine { kernel: Box<Kernel>, adversary: Option<Adversary>, anteroom: Anteroom, has_turned: bool },
    Equivocator(Box<Equivocator>),
}

impl VerificationCache {
    pub fn new(committee: Committee) -> Self {
        Self {
            committees: BTreeMap::from([(committee.epoch(), committee)]),
            outcomes: BTreeMap::new(),
            by_address: HashMap::new(),
            signed: 0,
        }
    }

    /// Verifies snapshots of this epoch too from now on.
    pub fn learn(&mut self, committee: Committee) {
        self.committees.insert(committee.epoch(), committee);
    }

    /// The newest epoch's.
    pub fn newest(&self) -> &Committee {
        self.committees.last_key_value().map(|(_, committee)| committee).expect("there is a first")
    }

    /// Verifies by the committee of the epoch that the snapshot says it is of.
    pub fn verify_any(&mut self, bytes: Arc<[u8]>) -> Outcome {
        let epoch = peek_epoch(&bytes);
        let committee = epoch.and_then(|epoch| self.committees.get(&epoch)).unwrap_or(self.newest()).clone();
        self.verify(&committee, bytes)
    }

    pub fn verify(&mut self, committee: &Committee, bytes: Arc<[u8]>) -> Outcome {
        let address = (committee.epoch(), bytes.as_ptr().addr());
        if let Some(known) = self.by_address.get(&address) {
            return known.outcome.clone();
        }
        let verify = || VerifiedSnapshot::verify(committee, bytes.clone()).map(Arc::new);
        let outcome = self.outcomes.entry(key(committee.epoch(), &bytes)).or_insert_with(verify).clone();
        self.by_address.insert(address, Known { outcome: outcome.clone(), _bytes: bytes });
        outcome
    }

    /// A machine has signed this for the epoch that it is in.
    fn note_signed(&mut self, epoch: u32, snapshot: &Arc<VerifiedSnapshot>) {
        self.signed += 1;
        if !self.signed.is_multiple_of(VERIFIED_ONE_IN) {
            self.outcomes.insert(key(epoch, snapshot.bytes()), Ok(snapshot.clone()));
        }
    }
}

fn key(epoch: u32, bytes: &[u8]) -> Hash {
    CACHE.hash(&[&epoch.to_be_bytes(), bytes])
}

impl KernelNode {
    /// An honest machine, twisted by an adversary if there is one.
    pub fn machine(kernel: Kernel, adversary: Option<Adversary>, cache: SharedCache) -> Self {
        let (anteroom, has_turned) = (Anteroom::default(), false);
        Self::of(Mind::Machine { kernel: Box::new(kernel), adversary, anteroom, has_turned }, cache)
    }

    pub fn equivocator(equivocator: Equivocator, cache: SharedCache) -> Self {
        Self::of(Mind::Equivocator(Box::new(equivocator)), cache)
    }

    fn of(mind: Mind, cache: SharedCache) -> Self {
        Self { mind, cache, reachable: BTreeSet::new(), news: Vec::new(), extra: Vec::new() }
    }

    /// Takes a client's transaction. An equivocator says that it does.
    pub fn submit(&mut self, now: Time, submission: Submission, store: &dyn Store) -> Result<(), Refusal> {
        match &mut self.mind {
            Mind::Machine { kernel, .. } => submit(kernel, now, submission, store),
            Mind::Equivocator(equivocator) => {
                equivocator.handle(now, Event::Command(KernelCommand::Submit(Box::new(submission))));
                Ok(())
            }
        }
    }

    /// The machine, which all but equivocators have.
    pub fn kernel(&self) -> Option<&Kernel> {
        match &self.mind {
            Mind::Machine { kernel, .. } => Some(kernel),
            Mind::Equivocator(_) => None,
        }
    }
}

fn member(peer: usize) -> MemberIndex {
    MemberIndex(peer as u8)
}

/// Those of a peer's snapshots that are good; tells of the others.
fn verified(
    now: Time,
    kernel: &mut Kernel,
    cache: &SharedCache,
    from: usize,
    snapshots: Vec<Arc<[u8]>>,
    news: &mut Vec<NodeNews>,
    store: &dyn Store,
) -> Vec<Arc<VerifiedSnapshot>> {
    let mut verified = Vec::with_capacity(snapshots.len());
    for bytes in snapshots {
        let refused = bytes.clone();
        let outcome = cache.borrow_mut().verify(kernel.committee(), bytes);
        match outcome {
            Ok(snapshot) => verified.push(snapshot),
            Err(error) => {
                kernel.handle_refused(now, &refused, error, store);
                news.push(NodeNews::Refused { from, error });
            }
        }
    }
    verified
}

/// What a driver does with a transaction that a client hands in.
fn submit(kernel: &mut Kernel, now: Time, submission: Submission, store: &dyn Store) -> Result<(), Refusal> {
    let Submission { source, transaction, work } = submission;
    if let Work::Stamped(stamp) = work {
        kernel.admission(now, source).check(transaction.id(), stamp).map_err(Refusal::Busy)?;
    }
    Refusal::of(kernel.handle_submit(now, source, transaction, store))
}

impl Machine for KernelNode {
    type Message = Message;
    type News = NodeNews;
    type Command = KernelCommand;

    fn handle(&mut self, now: Time, event: Event<Message, KernelCommand>, store: &dyn Store) {
        match &event {
            Event::PeerUp(peer) => drop(self.reachable.insert(*peer)),
            Event::PeerDown(peer) => drop(self.reachable.remove(peer)),
            _ => {}
        }
        let (kernel, adversary, anteroom) = match &mut self.mind {
            Mind::Machine { kernel, adversary, anteroom, .. } => (kernel, adversary, anteroom),
            Mind::Equivocator(equivocator) => return equivocator.handle(now, event),
        };
        match event {
            Event::Message { from, message } => {
                // Taken from the end, so that what comes first leaves first.
                let answers = adversary.as_ref().map(|adversary| adversary.answer(&message, &self.cache));
                self.extra.extend(answers.into_iter().flatten().rev().map(|answer| (from, answer)));
                match message {
                    Message::Snapshots(snapshots) => {
                        let present = anteroom.sort(kernel.committee().epoch(), member(from), snapshots);
                        let verified = verified(now, kernel, &self.cache, from, present, &mut self.news, store);
                        kernel.handle_snapshots(now, member(from), verified, store);
                    }
                    Message::Transactions(transactions) => {
                        let network = kernel.committee().network();
                        let may = kernel.may_hand_on(now, member(from), transactions.len());
                        for transaction in transactions.into_iter().take(may).filter_map(|tx| verify(network, tx).ok())
                        {
                            // It is the sender's to try again.
                            let _ = kernel.handle_submit(now, Source::Member(member(from)), transaction, store);
                        }
                    }
                    Message::Sync(sync) => kernel.handle_sync(now, member(from), sync, store),
                }
            }
            Event::Wake => kernel.handle_wake(now, store),
            Event::Durable(token) => kernel.handle_durable(now, token, store),
            Event::PeerUp(peer) => kernel.handle_peer_up(now, member(peer), store),
            Event::PeerDown(peer) => kernel.handle_peer_down(now, member(peer), store),
            Event::Command(KernelCommand::Epochs(steps)) => {
                if let Err(unproven) = kernel.handle_epochs(now, steps, store) {
                    self.news.push(NodeNews::Unproven(unproven));
                }
            }
            Event::Command(KernelCommand::Submit(submission)) => {
                if let Err(refusal) = submit(kernel, now, *submission, store) {
                    self.news.push(NodeNews::NotTaken { refusal });
                }
            }
        }
    }

    fn poll(&mut self, now: Time, store: &dyn Store) -> Option<Effect<usize, Message, NodeNews>> {
        if let Some(news) = self.news.pop() {
            return Some(Effect::Notify(news));
        }
        if let Some((to, message)) = self.extra.pop() {
            return Some(Effect::Send { to, message, after: None });
        }
        let (kernel, adversary, anteroom, has_turned) = match &mut self.mind {
            Mind::Machine { kernel, adversary, anteroom, has_turned } => (kernel, adversary, anteroom, has_turned),
            Mind::Equivocator(equivocator) => return equivocator.poll(),
        };
        loop {
            let Some(effect) = kernel.poll_effect() else {
                if !std::mem::take(has_turned) {
                    return None;
                }
                // Connections to new members come about.
                for peer in self.reachable.iter().map(|peer| member(*peer)) {
                    if kernel.knows(peer) && !kernel.is_connected(peer) {
                        kernel.handle_peer_up(now, peer, store);
                    }
                }
                // The store shows the new epoch by now, if it is here: let in who came early.
                for (from, early) in anteroom.open() {
                    let early = anteroom.sort(kernel.committee().epoch(), from, early);
                    let verified =
                        verified(now, kernel, &self.cache, usize::from(from.0), early, &mut self.news, store);
                    kernel.handle_snapshots(now, from, verified, store);
                }
                continue;
            };
            if let Effect::Notify(News::Epoch { epoch, .. }) = &effect {
                let committee = Committee::of_epoch(kernel.committee().network(), epoch);
                self.cache.borrow_mut().learn(committee);
                *has_turned = true;
            }
            if let Effect::Notify(News::Signed(snapshot)) = &effect
                && let Some(epoch) = epoch_of(snapshot.reference().round)
            {
                self.cache.borrow_mut().note_signed(epoch, snapshot);
            }
            *has_turned |= matches!(&effect, Effect::Notify(News::Ahead(_)));
            let effect = effect.map(|peer| usize::from(peer.0), |message| message, NodeNews::Kernel);
            let effect = match adversary {
                None => Some(effect),
                Some(adversary) => adversary.twist(effect, &self.cache),
            };
            if effect.is_some() {
                return effect;
            }
        }
    }

    fn fingerprint(message: &Message) -> Vec<u8> {
        match message {
            // The signature at the end tells snapshots apart.
            Message::Snapshots(snapshots) => {
                let ends = snapshots.iter().flat_map(|bytes| &bytes[bytes.len().saturating_sub(64)..]);
                ends.copied().collect()
            }
            Message::Transactions(_) => message.to_bytes(),
            Message::Sync(sync) => sync.to_bytes(),
        }
    }
}

//! A kernel node as the scheduler sees it: the machine, and the verification that a driver does before it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use byway_kernel::{Committee, Kernel, MemberIndex, Message, News, SnapshotError, SubmitError, VerifiedSnapshot};
use byway_primitives::hash::Context;
use byway_primitives::{Effect, Encode, Hash, Store, Time};
use byway_records::VerifiedTransaction;

use super::adversary::Adversary;
use super::equivocator::Equivocator;
use crate::world::{Event, Machine};

const CACHE: Context = Context("byway test verification cache");

/// Remembers what became of verifying some bytes, so that a simulation of seven nodes verifies everything once.
#[derive(Debug)]
pub struct VerificationCache {
    committee: Committee,
    outcomes: BTreeMap<Hash, Result<Arc<VerifiedSnapshot>, SnapshotError>>,
}

/// The cache, shared by the nodes of one world.
pub type SharedCache = Rc<RefCell<VerificationCache>>;

/// What a simulated kernel node says.
#[derive(Debug)]
pub enum NodeNews {
    Kernel(News),
    /// A snapshot that `from` sent does not verify.
    Refused {
        from: usize,
        error: SnapshotError,
    },
    /// A client's transaction was not taken.
    NotTaken {
        error: SubmitError,
    },
}

/// An honest node, or an adversary.
pub struct KernelNode {
    mind: Mind,
    cache: SharedCache,
    news: Vec<NodeNews>,
    /// What an adversary says of its own accord.
    extra: Vec<(usize, Message)>,
}

enum Mind {
    Machine { kernel: Box<Kernel>, adversary: Option<Adversary> },
    Equivocator(Box<Equivocator>),
}

impl VerificationCache {
    pub fn new(committee: Committee) -> Self {
        Self { committee, outcomes: BTreeMap::new() }
    }

    pub fn verify(&mut self, bytes: Arc<[u8]>) -> Result<Arc<VerifiedSnapshot>, SnapshotError> {
        let outcome = self.outcomes.entry(CACHE.hash(&[&bytes]));
        let verify = || VerifiedSnapshot::verify(&self.committee, bytes).map(Arc::new);
        outcome.or_insert_with(verify).clone()
    }
}

impl KernelNode {
    /// An honest machine, twisted by an adversary if there is one.
    pub fn machine(kernel: Kernel, adversary: Option<Adversary>, cache: SharedCache) -> Self {
        Self::of(Mind::Machine { kernel: Box::new(kernel), adversary }, cache)
    }

    pub fn equivocator(equivocator: Equivocator, cache: SharedCache) -> Self {
        Self::of(Mind::Equivocator(Box::new(equivocator)), cache)
    }

    fn of(mind: Mind, cache: SharedCache) -> Self {
        Self { mind, cache, news: Vec::new(), extra: Vec::new() }
    }

    /// Takes a client's transaction. An equivocator says that it does.
    pub fn submit(
        &mut self,
        now: Time,
        transaction: VerifiedTransaction,
        store: &dyn Store,
    ) -> Result<(), SubmitError> {
        match &mut self.mind {
            Mind::Machine { kernel, .. } => kernel.handle_submit(now, transaction, store),
            Mind::Equivocator(equivocator) => {
                equivocator.handle(now, Event::Command(transaction));
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

impl Machine for KernelNode {
    type Message = Message;
    type News = NodeNews;
    type Command = VerifiedTransaction;

    fn handle(&mut self, now: Time, event: Event<Message, VerifiedTransaction>, store: &dyn Store) {
        let (kernel, adversary) = match &mut self.mind {
            Mind::Machine { kernel, adversary } => (kernel, adversary),
            Mind::Equivocator(equivocator) => return equivocator.handle(now, event),
        };
        let member = |peer: usize| MemberIndex(peer as u8);
        match event {
            Event::Message { from, message } => {
                let answer = adversary.as_ref().and_then(|adversary| adversary.answer(&message));
                self.extra.extend(answer.map(|answer| (from, answer)));
                match message {
                    Message::Snapshots(snapshots) => {
                        let mut cache = self.cache.borrow_mut();
                        let mut verified = Vec::with_capacity(snapshots.len());
                        for bytes in snapshots {
                            match cache.verify(bytes) {
                                Ok(snapshot) => verified.push(snapshot),
                                Err(error) => self.news.push(NodeNews::Refused { from, error }),
                            }
                        }
                        kernel.handle_snapshots(now, member(from), verified, store);
                    }
                    Message::Sync(sync) => kernel.handle_sync(now, member(from), sync, store),
                }
            }
            Event::Wake => kernel.handle_wake(now, store),
            Event::Durable(token) => kernel.handle_durable(now, token, store),
            Event::PeerUp(peer) => kernel.handle_peer_up(now, member(peer), store),
            Event::PeerDown(peer) => kernel.handle_peer_down(now, member(peer), store),
            Event::Command(transaction) => {
                if let Err(error) = kernel.handle_submit(now, transaction, store) {
                    self.news.push(NodeNews::NotTaken { error });
                }
            }
        }
    }

    fn poll(&mut self, _: Time, _: &dyn Store) -> Option<Effect<usize, Message, NodeNews>> {
        if let Some(news) = self.news.pop() {
            return Some(Effect::Notify(news));
        }
        if let Some((to, message)) = self.extra.pop() {
            return Some(Effect::Send { to, message, after: None });
        }
        let (kernel, adversary) = match &mut self.mind {
            Mind::Machine { kernel, adversary } => (kernel, adversary),
            Mind::Equivocator(equivocator) => return equivocator.poll(),
        };
        loop {
            let effect = kernel.poll_effect()?;
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
            Message::Sync(sync) => sync.to_bytes(),
        }
    }
}

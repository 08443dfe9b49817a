//! A node that signs two snapshots for every round, or one with what no machine would say.
//!
//! An honest machine stops when it sees that its key signs elsewhere, so this one is not built on it: it keeps a graph
//! of its own and nothing else. As an equivocator it leads two lives, each with its own chain of snapshots, and shows one to one half of
//! the nodes and the other to the other half; the halves change each round. One life carries the transactions, the
//! other conflicting ones if it has any, and leaves out its reference to the round's leader. To whoever asks by name it
//! shows both.
//!
//! With any other [`Habit`] it leads one life only, and lies in something else.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use byway_crypto::threshold::ShareSecret;
use byway_crypto::{NodeSecret, Purpose};
use byway_kernel::coin::CoinShare;
use byway_kernel::graph::Graph;
use byway_kernel::{Committee, Header, MemberIndex, Message, Reference, SyncMessage, VerifiedSnapshot, Vote};
use byway_primitives::{Effect, Hash, Span, Time};
use byway_records::{Height, VerifiedTransaction};

use super::node::{KernelCommand, NodeNews, SharedCache};
use crate::world::Event;

/// The shortest time between two rounds.
const INTERVAL: Span = Span::millis(10);
/// When what is missing is asked for again.
const RETRY: Span = Span::millis(50);

/// What such a node does.
pub enum Habit {
    /// Signs twice.
    Twice(Names),
    /// Votes for a checkpoint of its own.
    FalseVotes,
    /// Gives shares of the coin that are none.
    FalseShares(ShareSecret),
    /// Shows what it signs only once that is `rounds` snapshots, each with so many of the transactions that it is handed.
    Hoards { rounds: usize, transactions: usize },
    /// Signs for whatever it is handed, and says this in its snapshots, by their round.
    Says(Box<dyn Fn(u64) -> Vec<VerifiedTransaction>>),
}

/// The checkpoint that an equivocator names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// The newest that its references show to be executed.
    Shown,
    Always(Height),
}

/// See the [module](self).
pub struct Equivocator {
    me: MemberIndex,
    habit: Habit,
    secret: NodeSecret,
    committee: Committee,
    cache: SharedCache,
    graph: Graph,
    waiting: BTreeMap<Reference, Arc<VerifiedSnapshot>>,
    asked: BTreeMap<Reference, Time>,
    /// The newest snapshot of either life.
    lives: [Option<Reference>; 2],
    signed_at: Time,
    /// The height that it has voted on last.
    voted: Height,
    transactions: Vec<VerifiedTransaction>,
    /// Signed and shown to nobody.
    hoard: Vec<Arc<[u8]>>,
    effects: VecDeque<Effect<usize, Message, NodeNews>>,
}

impl Equivocator {
    pub fn new(me: MemberIndex, secret: NodeSecret, committee: Committee, cache: SharedCache, habit: Habit) -> Self {
        Self {
            graph: Graph::new(&committee),
            me,
            habit,
            secret,
            committee,
            cache,
            waiting: BTreeMap::new(),
            asked: BTreeMap::new(),
            lives: [None, None],
            signed_at: Time::ZERO,
            voted: Height::GENESIS,
            transactions: Vec::new(),
            hoard: Vec::new(),
            effects: VecDeque::new(),
        }
    }

    pub fn poll(&mut self) -> Option<Effect<usize, Message, NodeNews>> {
        self.effects.pop_front()
    }

    pub fn handle(&mut self, now: Time, event: Event<Message, KernelCommand>) {
        self.turn();
        match event {
            Event::Message { from, message: Message::Snapshots(snapshots) } => {
                for bytes in snapshots {
                    let verified = self.cache.borrow_mut().verify(&self.committee, bytes);
                    if let Ok(snapshot) = verified {
                        self.waiting.insert(snapshot.reference(), snapshot);
                    }
                }
                self.accept(now, from);
            }
            Event::Message { from, message: Message::Sync(SyncMessage::Want(references)) } => {
                let known = references.iter().filter_map(|reference| self.graph.get(reference));
                let known: Vec<_> = known.map(|vertex| vertex.snapshot.bytes().clone()).collect();
                self.send(from, Message::Snapshots(known));
            }
            Event::Command(KernelCommand::Submit(submission)) => self.transactions.push(submission.transaction),
            _ => {}
        }
        self.sign_both(now);
        self.effects.push_back(Effect::WakeAt(now + INTERVAL));
    }

    /// Begins the epoch that others have begun.
    fn turn(&mut self) {
        let newest = self.cache.borrow().newest().clone();
        if newest.epoch() != self.committee.epoch() {
            self.graph = Graph::new(&newest);
            self.committee = newest;
            (self.lives, self.signed_at) = ([None, None], Time::ZERO);
            self.waiting.clear();
        }
    }

    fn accept(&mut self, now: Time, from: usize) {
        // Parents sort before their children, so one pass settles all that can be.
        for (reference, snapshot) in std::mem::take(&mut self.waiting) {
            let missing: Vec<Reference> =
                snapshot.header().parents().filter(|parent| !self.graph.is_settled(parent)).collect();
            if missing.is_empty() {
                self.graph.insert(snapshot);
                continue;
            }
            self.waiting.insert(reference, snapshot);
            let due = |parent: &Reference| self.asked.get(parent).is_none_or(|at| now >= *at + RETRY);
            let wanted: Vec<Reference> = missing.into_iter().filter(due).collect();
            self.asked.extend(wanted.iter().map(|parent| (*parent, now)));
            self.send(from, Message::Sync(SyncMessage::Want(wanted)));
        }
    }

    fn sign_both(&mut self, now: Time) {
        let round = self.graph.quorum_round() + 1;
        let is_new = self.lives[0].is_none_or(|last| round > last.round) && self.committee.counts(self.me);
        if !is_new || now < self.signed_at + INTERVAL {
            return;
        }
        self.signed_at = now;
        let (references, _) = self.graph.cover(round, 0);
        let mut transactions = std::mem::take(&mut self.transactions);
        match &self.habit {
            Habit::Says(says) => transactions.extend(says(round)),
            Habit::Hoards { transactions: count, .. } => {
                self.transactions = transactions.split_off(transactions.len().min(*count));
            }
            _ => {}
        }
        let lives = if let Habit::Twice(_) = self.habit { 2 } else { 1 };
        let other = transactions.iter().rev().take(1).cloned().collect();
        for (life, transactions) in [transactions, other].into_iter().enumerate().take(lives) {
            let snapshot = self.sign(now, round, life, references.clone(), transactions);
            self.lives[life] = Some(snapshot.reference());
            self.graph.insert(snapshot.clone());
            if let Habit::Hoards { rounds, .. } = self.habit {
                self.hoard.push(snapshot.bytes().clone());
                self.show_hoard(rounds);
                continue;
            }
            for peer in 0..self.committee.places() {
                if (peer + round as usize) % lives == life {
                    self.send(peer, Message::Snapshots(vec![snapshot.bytes().clone()]));
                }
            }
        }
    }

    /// Shows everyone what it has signed, as soon as that is enough.
    fn show_hoard(&mut self, rounds: usize) {
        if self.hoard.len() >= rounds {
            let hoard = std::mem::take(&mut self.hoard);
            (0..self.committee.places()).for_each(|peer| self.send(peer, Message::Snapshots(hoard.clone())));
        }
    }

    fn sign(
        &mut self,
        now: Time,
        round: u64,
        life: usize,
        mut references: Vec<(MemberIndex, Hash)>,
        transactions: Vec<VerifiedTransaction>,
    ) -> Arc<VerifiedSnapshot> {
        let previous = self.lives[life];
        let own = references.iter_mut().find(|(author, _)| *author == self.me);
        if let (Some(own), Some(previous)) = (own, previous) {
            own.1 = previous.hash;
        }
        let leader = MemberIndex((round.saturating_sub(1) % self.committee.size() as u64) as u8);
        if life == 1 && leader != self.me && references.len() > self.committee.quorum() {
            references.retain(|(author, _)| *author != leader);
        }
        let mut header = Header {
            author: self.me,
            round,
            previous: previous.map(|previous| (previous.round, previous.hash)),
            references,
            weak_references: Vec::new(),
            checkpoint: Height::GENESIS,
            votes: Vec::new(),
            coin_shares: self.shares(round),
            time: Time(now.0 + life as u64),
        };
        header.checkpoint = match self.habit {
            Habit::Twice(Names::Always(height)) => height,
            _ => self.graph.checkpoint_shown(&header).unwrap_or(Height::GENESIS),
        };
        if matches!(self.habit, Habit::FalseVotes) && header.checkpoint > self.voted {
            self.voted = header.checkpoint;
            header.votes.push(self.false_vote(header.checkpoint));
        }
        Arc::new(VerifiedSnapshot::sign(&self.committee, &self.secret, header, transactions))
    }

    fn false_vote(&self, height: Height) -> Vote {
        let digest = Hash([0xF0; 32]);
        Vote { height, digest, signature: self.secret.sign(Purpose::Checkpoint, self.committee.network(), &digest.0) }
    }

    fn shares(&self, round: u64) -> Vec<CoinShare> {
        let Habit::FalseShares(secret) = &self.habit else { return Vec::new() };
        vec![CoinShare { round, share: secret.sign(Purpose::Coin, self.committee.network(), &round.to_be_bytes()) }]
    }

    fn send(&mut self, to: usize, message: Message) {
        let is_empty = match &message {
            Message::Snapshots(snapshots) => snapshots.is_empty(),
            Message::Sync(SyncMessage::Want(references)) => references.is_empty(),
            Message::Sync(_) | Message::Transactions(_) => false,
        };
        if to != usize::from(self.me.0) && !is_empty {
            self.effects.push_back(Effect::Send { to, message, after: None });
        }
    }
}

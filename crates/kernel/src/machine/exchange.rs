//! Telling peers what they lack, and asking them for what we lack.

use std::sync::Arc;

use byway_primitives::{Span, Store, Time};
use byway_records::epoch::{epoch_of, first_round};

use super::{Kernel, Peer};
use crate::archive;
use crate::committee::MemberIndex;
use crate::message::{CHUNK_BYTES_MAX, CHUNK_SNAPSHOTS_MAX, Message, SyncMessage, WANTED_ROUNDS_MAX};
use crate::snapshot::Reference;

/// Time between two unasked sendings of our newest snapshot to one peer.
const HELP_INTERVAL: Span = Span::millis(200);
/// Bytes served to one peer per second: a third of a 1 Gbit/s link.
const SERVED_BYTES_PER_SECOND: u64 = 40 * 1024 * 1024;
/// Bytes that a peer can be served at once.
const SERVED_BYTES_MAX: u64 = 2 * SERVED_BYTES_PER_SECOND;

/// Rounds of commits that a peer may lack of the end of an epoch, to be shown it unasked.
const END_ROUNDS: u64 = 16;

/// How much a peer may still be served, so that one that asks for everything all the time doesn't take our disk and
/// link away from the others.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: u64,
    at: Time,
}

impl Budget {
    fn new(now: Time) -> Self {
        Self { bytes: SERVED_BYTES_MAX, at: now }
    }

    fn refill(&mut self, now: Time) {
        let earned = now.since(self.at).0.saturating_mul(SERVED_BYTES_PER_SECOND / 1000);
        self.bytes = self.bytes.saturating_add(earned).min(SERVED_BYTES_MAX);
        self.at = now;
    }

    /// Whether a chunk may be sent.
    fn has_chunk(&self) -> bool {
        self.bytes >= CHUNK_BYTES_MAX as u64
    }

    fn spend(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes as u64);
    }
}

impl Kernel {
    pub(super) fn exchange(&mut self, now: Time, from: MemberIndex, message: SyncMessage, store: &dyn Store) {
        match message {
            SyncMessage::Status { round, commits } => self.on_status(now, from, round, commits, store),
            SyncMessage::Want(references) => self.serve(now, from, &references, store),
            SyncMessage::WantRounds { from: first, to } => self.serve_rounds(now, from, first, to, store),
            SyncMessage::RoundsSent { from: first, until } => self.catch_up.answered(from, first, until),
            SyncMessage::Votes(votes) => self.count_past_votes(from, &votes, store),
            SyncMessage::Certificate(certificate) => self.take_certificate(*certificate),
            SyncMessage::AskHighest => self.show_highest(now, from),
            SyncMessage::Highest { epoch, highest } => self.on_highest(from, epoch, highest),
            SyncMessage::WantClosing { from: height } => self.show_closing(now, from, height, store),
            SyncMessage::WantSteps { from: height } => self.serve_steps(now, from, height, store),
            SyncMessage::Steps(steps) => self.take_steps(now, from, *steps, store),
        }
    }

    /// A peer can be reached: tell it where we are, and show our newest snapshot.
    pub(super) fn greet(&mut self, now: Time, member: MemberIndex, store: &dyn Store) {
        self.connected.retain(|peer| peer.member != member);
        self.connected.push(Peer { member, helped_at: None, budget: Budget::new(now) });
        self.connected.sort_by_key(|peer| peer.member);
        self.send(member, self.status_message());
        self.send_newest(member);
        self.send_theirs(member);
        self.ask_highest(member);
        self.greet_with_past(member, store);
    }

    /// Sends the newest snapshot again while its round lacks a quorum: it may have been lost, or those of others.
    pub(super) fn resend(&mut self, now: Time) {
        if self.next_resend().is_none_or(|at| at > now) {
            return;
        }
        self.own.sent_at = now;
        for member in self.members_connected() {
            self.send(member, self.status_message());
            self.send_newest(member);
        }
    }

    pub(super) fn next_resend(&self) -> Option<Time> {
        let lacks_quorum = self.own.last.is_some_and(|last| last.round > self.graph.quorum_round());
        // Whoever signs nothing would never hear that the others have gone on to another epoch.
        let has_to_wait = self.graph.quorum_round() + 1 < self.own.not_before;
        let only_listens = (!self.counts() || self.recovery.is_some() || has_to_wait) && !self.is_stepping();
        let is_due = only_listens || (lacks_quorum && self.own.pending.is_none());
        (is_due && !self.connected.is_empty()).then(|| self.own.sent_at + self.config.resend_after)
    }

    /// Asks for what is missing.
    pub(super) fn request(&mut self, now: Time) {
        if self.wants_steps(now) {
            self.request_steps(now);
        }
        if self.is_stepping() {
            return;
        }
        let connected = self.members_connected();
        let timeout = self.config.request_timeout;
        for (peer, references) in self.waiting.requests(now, timeout, &connected) {
            self.send(peer, Message::Sync(SyncMessage::Want(references)));
        }
        let round = self.graph.quorum_round();
        if let Some((peer, request)) = self.catch_up.request(now, timeout, round, &connected) {
            self.send(peer, Message::Sync(request));
        }
    }

    /// Whether this peer is known to be reachable.
    pub fn is_connected(&self, peer: MemberIndex) -> bool {
        self.connected.iter().any(|connected| connected.member == peer)
    }

    pub(super) fn members_connected(&self) -> Vec<MemberIndex> {
        self.connected.iter().map(|peer| peer.member).collect()
    }

    fn status_message(&self) -> Message {
        let (round, commits) = (self.graph.quorum_round(), self.ledger.commits());
        Message::Sync(SyncMessage::Status { round, commits })
    }

    fn send_newest(&mut self, to: MemberIndex) {
        if let Some(bytes) = self.own.durable.clone() {
            self.send(to, Message::Snapshots(vec![bytes]));
        }
    }

    /// Shows a peer its own newest snapshot, in case that it has forgotten it.
    fn send_theirs(&mut self, to: MemberIndex) {
        let newest = self.graph.newest_of(to).map(|vertex| vertex.snapshot.bytes().clone());
        if let Some(bytes) = newest {
            self.send(to, Message::Snapshots(vec![bytes]));
        }
    }

    fn on_status(&mut self, now: Time, from: MemberIndex, round: u64, commits: u64, store: &dyn Store) {
        self.catch_up.stated(from, round);
        let has_turned = round.saturating_add(1) < self.committee.first_round();
        let is_behind = has_turned || self.own.last.is_some_and(|last| round < last.round);
        // It has signed for later rounds than it knows of, or somebody who has its key.
        let has_forgotten = self.graph.newest_round_of(from) > round.saturating_add(1);
        let Some(peer) = self.connected.iter_mut().find(|peer| peer.member == from) else { return };
        if is_behind && peer.helped_at.is_none_or(|at| now >= at + HELP_INTERVAL) {
            peer.helped_at = Some(now);
            // It may lack what it takes to see that a round of ours is one.
            self.send(from, self.status_message());
            self.send_newest(from);
            if has_forgotten {
                self.send_theirs(from);
            }
            if has_turned {
                self.show_end(now, from, (round, commits), store);
            }
        }
    }

    /// Sends a peer in an earlier epoch what led from its last commit to the next.
    ///
    /// Up to f nodes may have ended the epoch by what all others lack (one of two snapshots that somebody signed for a
    /// round, say), and they sign no more for it. The others would wait for ever and not know what to ask for.
    fn show_end(&mut self, now: Time, to: MemberIndex, (round, commits): (u64, u64), store: &dyn Store) {
        let Some(begins) = epoch_of(round.saturating_add(1)).map(first_round) else { return };
        // Who lacks more than the end catches up in its own way.
        let ended = epoch_of(round.saturating_add(1)).and_then(|number| archive::stored_epoch(store, number + 1));
        let lacks = ended.map_or(u64::MAX, |ended| ended.after_commit.saturating_sub(commits));
        if lacks > END_ROUNDS * self.committee.size() as u64 {
            return;
        }
        // Nothing of its epoch may be committed yet.
        let committed = archive::stored_commit(store, commits).map_or(begins, |commit| commit.leader.round);
        let first = committed.max(begins);
        self.serve_rounds(now, to, first, first + WANTED_ROUNDS_MAX - 1, store);
    }

    /// Whether this own snapshot is of an epoch that ended before it was durable: it is for nobody until it is.
    fn is_abandoned(&self, reference: &Reference) -> bool {
        self.abandoned.iter().any(|(_, abandoned)| abandoned == reference)
    }

    /// Whether a peer may be sent anything more at once.
    pub(super) fn has_room(&mut self, now: Time, to: MemberIndex) -> bool {
        let Some(peer) = self.connected.iter_mut().find(|peer| peer.member == to) else { return false };
        peer.budget.refill(now);
        peer.budget.has_chunk()
    }

    /// Whether a peer may be sent so much more at once; counts it.
    pub(super) fn may_send(&mut self, now: Time, to: MemberIndex, bytes: usize) -> bool {
        let Some(peer) = self.connected.iter_mut().find(|peer| peer.member == to) else { return false };
        peer.budget.refill(now);
        let may = peer.budget.has_chunk();
        if may {
            peer.budget.spend(bytes);
        }
        may
    }

    fn serve(&mut self, now: Time, to: MemberIndex, references: &[Reference], store: &dyn Store) {
        let mut chunk = Chunk::default();
        for reference in references {
            let held = self.graph.get(reference).map(|vertex| &vertex.snapshot).or_else(|| self.waiting.get(reference));
            let held = held.map(|snapshot| snapshot.bytes().clone());
            // Our newest, while it isn't durable, is not for anyone.
            let stored = || match &self.own.pending {
                Some((_, pending)) if pending.reference() == *reference => None,
                _ if self.is_abandoned(reference) => None,
                _ => archive::stored_snapshot(store, reference),
            };
            if let Some(bytes) = held.or_else(stored) {
                chunk.push(bytes);
            }
            if chunk.is_full() && !self.send_chunk(now, to, &mut chunk) {
                return;
            }
        }
        self.send_chunk(now, to, &mut chunk);
    }

    /// Sends whole rounds from `first` on, at least one, until the chunk is full.
    fn serve_rounds(&mut self, now: Time, to: MemberIndex, first: u64, last: u64, store: &dyn Store) {
        self.send_closing_certificate(to, first, store);
        let last = last.min(first.saturating_add(WANTED_ROUNDS_MAX - 1)).min(self.graph.quorum_round());
        let pending = self.own.pending.as_ref().map(|(_, pending)| pending.reference());
        if first < self.kept_from() {
            // Walking over what was deleted would cost more than the answer is worth.
            return self.send(to, Message::Sync(SyncMessage::RoundsSent { from: first, until: first }));
        }
        let (mut chunk, mut sent_bytes, mut until) = (Chunk::default(), 0, first.max(1));
        for (reference, bytes) in archive::stored_from(store, first) {
            if reference.round > last || (reference.round > until && sent_bytes >= CHUNK_BYTES_MAX) {
                break;
            }
            until = reference.round;
            if pending == Some(reference) || self.is_abandoned(&reference) {
                continue;
            }
            sent_bytes += bytes.len();
            chunk.push(bytes);
            if chunk.is_full() && !self.send_chunk(now, to, &mut chunk) {
                return;
            }
        }
        let until = if sent_bytes == 0 { first } else { until + 1 };
        if chunk.is_empty() || self.send_chunk(now, to, &mut chunk) {
            self.send(to, Message::Sync(SyncMessage::RoundsSent { from: first, until }));
        }
    }

    /// Sends a chunk if the peer's budget allows; else the peer will ask someone else, or again.
    fn send_chunk(&mut self, now: Time, to: MemberIndex, chunk: &mut Chunk) -> bool {
        let Some(peer) = self.connected.iter_mut().find(|peer| peer.member == to) else { return false };
        peer.budget.refill(now);
        if chunk.is_empty() || !peer.budget.has_chunk() {
            return false;
        }
        peer.budget.spend(chunk.bytes);
        let snapshots = std::mem::take(chunk).snapshots;
        self.send(to, Message::Snapshots(snapshots));
        true
    }
}

/// Snapshots for one message.
#[derive(Default)]
struct Chunk {
    snapshots: Vec<Arc<[u8]>>,
    bytes: usize,
}

impl Chunk {
    fn push(&mut self, snapshot: Arc<[u8]>) {
        self.bytes += snapshot.len();
        self.snapshots.push(snapshot);
    }

    fn is_empty(&self) -> bool {
        self.snapshots.is_empty()
    }

    fn is_full(&self) -> bool {
        self.bytes >= CHUNK_BYTES_MAX || self.snapshots.len() >= CHUNK_SNAPSHOTS_MAX
    }
}

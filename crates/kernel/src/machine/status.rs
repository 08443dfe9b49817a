//! What can be shown of a running node.

use std::collections::VecDeque;

use byway_primitives::{Hash, Span, Time};
use byway_records::Height;

use super::Kernel;
use crate::committee::MemberIndex;
use crate::news::Fatal;
use crate::snapshot::Reference;
use crate::stamp;

/// Commits and finality samples remembered for display.
const RECENT_MAX: usize = 256;

/// A node at a glance.
#[derive(Debug, Clone)]
pub struct Status {
    /// This node's seat, if it has one.
    pub me: Option<MemberIndex>,
    /// The number of the epoch in force.
    pub epoch: u32,
    /// The digest of the key of the coin that names its leaders; they take turns without one.
    pub coin: Option<Hash>,
    /// Whether this node's snapshots count in it.
    pub counts: bool,
    /// The newest epoch that is proved here: that one, or a later one that this node is on its way to, or has no part in.
    pub newest: NewestEpoch,
    /// By seat, the newest round of each node that has arrived here; zero where there is none.
    pub rounds: Vec<u64>,
    /// The newest round of which a quorum is here.
    pub quorum_round: u64,
    /// The newest round that this node signed for.
    pub own_round: u64,
    /// Where the others are, as far as is known.
    pub target_round: u64,
    /// Whether this node fetches old rounds instead of taking part.
    pub is_behind: bool,
    pub connected: Vec<MemberIndex>,
    pub commits: u64,
    pub time: Time,
    pub checkpoint: Height,
    /// Transactions submitted here without a verdict.
    pub transactions_pending: usize,
    /// Bytes of those that wait for a snapshot.
    pub pool_bytes: usize,
    /// How full the pool is, in percent.
    pub pool_percent: u64,
    /// Sources of which something has no verdict.
    pub pool_sources: usize,
    /// Bits of work that a source is asked for which has nothing here.
    pub stamp_bits: u8,
    /// Snapshots that wait for others.
    pub snapshots_waiting: usize,
    pub fatal: Option<Fatal>,
}

/// The newest epoch that a node knows to have begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewestEpoch {
    pub epoch: u32,
    /// This node's seat there. Without one nobody there listens to it.
    pub seat: Option<MemberIndex>,
    /// Whether its snapshots count there.
    pub counts: bool,
}

/// A commit at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitSummary {
    pub index: u64,
    pub leader: Reference,
    /// The ledger's time.
    pub time: Time,
    /// Our clock when it was executed.
    pub executed_at: Time,
    pub transactions: usize,
}

#[derive(Debug, Default)]
pub(super) struct Recent {
    commits: VecDeque<CommitSummary>,
    finality: VecDeque<Span>,
}

impl Recent {
    pub fn on_commit(&mut self, now: Time, index: u64, time: Time, leader: Reference, transactions: usize) {
        self.commits.push_back(CommitSummary { index, leader, time, executed_at: now, transactions });
        if self.commits.len() > RECENT_MAX {
            self.commits.pop_front();
        }
    }

    pub fn on_own_verdict(&mut self, took: Span) {
        self.finality.push_back(took);
        if self.finality.len() > RECENT_MAX {
            self.finality.pop_front();
        }
    }
}

impl Kernel {
    pub fn status(&self) -> Status {
        let quorum_round = self.graph.quorum_round();
        Status {
            me: self.me,
            epoch: self.committee.epoch(),
            coin: self.ledger.epoch().coin,
            counts: self.counts(),
            newest: self.newest_epoch(),
            rounds: (0..self.committee.places() as u8)
                .map(|place| self.graph.newest_round_of(MemberIndex(place)))
                .collect(),
            quorum_round,
            own_round: self.own.last.map_or(0, |last| last.round),
            target_round: self.catch_up.target(),
            is_behind: self.catch_up.is_behind(quorum_round),
            connected: self.members_connected(),
            commits: self.ledger.commits(),
            time: self.ledger.time(),
            checkpoint: self.votes.executed(),
            transactions_pending: self.pool.pending(),
            pool_bytes: self.pool.waiting_bytes(),
            pool_percent: self.pool.fill_in(100),
            pool_sources: self.pool.sources(),
            stamp_bits: stamp::bits(self.pool.fill_in(stamp::PARTS), 0),
            snapshots_waiting: self.waiting.count(),
            fatal: self.halted,
        }
    }

    /// The round that is decided next, and its leaders once all of them are known: the same at every node.
    pub fn leaders(&self) -> (u64, Option<Vec<MemberIndex>>) {
        self.committer.deciding()
    }

    /// The newest commits, oldest first.
    pub fn recent_commits(&self) -> impl DoubleEndedIterator<Item = &CommitSummary> {
        self.recent.commits.iter()
    }

    /// How long the newest transactions submitted here took to their verdicts.
    pub fn recent_finality(&self) -> impl Iterator<Item = Span> + '_ {
        self.recent.finality.iter().copied()
    }
}

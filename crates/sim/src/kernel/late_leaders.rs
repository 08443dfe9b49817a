//! An adversary that decides when messages arrive, and nothing else.
//!
//! All nodes are honest and no message is lost. The adversary reads everything on the wire and keeps each round's first
//! leader, as the round-robin schedule has it, from f + 1 others until they have signed for the next round: then q(n) − 1
//! nodes have voted for the leader and f + 1 have not, neither of which is a quorum, so that nothing can be decided. It
//! need not know how long nodes wait for leaders, since it sees when they have stopped.
//!
//! It also lets nobody hear of a round before having signed for it, so that nobody leaves one out: in a round of only
//! q(n) snapshots its leader's could be kept from no one who is to go on.
//!
//! Nothing is kept back for good: after [`HELD_MAX_US`] everything arrives.

use byway_kernel::{Message, VerifiedSnapshot};
use byway_records::genesis::faults_tolerated;

/// The longest that a message is kept: many times what a node waits for a leader.
const HELD_MAX_US: u64 = 5_000_000;

/// See the [module](self).
#[derive(Debug, Clone)]
pub struct LateLeaders {
    /// The newest round that each node has signed for.
    signed: Vec<u64>,
    /// Messages are kept from when on.
    from_us: u64,
}

impl LateLeaders {
    pub fn new(nodes: usize, from_us: u64) -> Self {
        Self { signed: vec![0; nodes], from_us }
    }

    /// A node has sent a snapshot of its own.
    pub fn on_signed(&mut self, node: usize, round: u64) {
        self.signed[node] = self.signed[node].max(round);
    }

    /// Whether a snapshot must not reach a node yet.
    pub fn holds(&self, now_us: u64, to: usize, snapshot: &VerifiedSnapshot) -> bool {
        let made_us = snapshot.header().time.0 * 1000;
        let (nodes, round) = (self.signed.len(), snapshot.header().round);
        let leader = (round % nodes as u64) as usize;
        let is_victim = (1..=faults_tolerated(nodes) + 1).contains(&((to + nodes - leader) % nodes));
        let is_leaders = usize::from(snapshot.header().author.0) == leader;
        let shown_from = if is_leaders && is_victim { round + 1 } else { round };
        self.signed[to] < shown_from && (self.from_us..=made_us + HELD_MAX_US).contains(&now_us)
    }

    /// The snapshots that a message carries; it is held as long as one of them is.
    pub fn carried(message: &Message) -> &[std::sync::Arc<[u8]>] {
        match message {
            Message::Snapshots(snapshots) => snapshots,
            Message::Sync(_) | Message::Transactions(_) => &[],
        }
    }
}

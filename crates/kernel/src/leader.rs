//! Who leads which round.

use byway_records::genesis::{LeaderKind, LeaderRule};

use crate::coin::{CoinKey, CoinShare, CommonCoin};
use crate::committee::{Committee, MemberIndex};
use crate::snapshot::Reference;
use crate::verified::VerifiedSnapshot;

/// A leader's place in the order of commits: rounds first, then the leaders of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    pub round: u64,
    /// Which of the round's leaders.
    pub offset: usize,
}

/// Names the leaders. All nodes must get the same answer, though not all at the same time.
pub trait LeaderSchedule: std::fmt::Debug + Send {
    /// At least one; the leaders of a round are all different, or a snapshot would be committed twice.
    fn leaders_per_round(&self) -> usize;

    /// Rounds from a leader to the votes for it. Certificates are one round further, an anchor at least two.
    fn vote_distance(&self) -> u64;

    /// The leader of a slot; `None` while nobody can know it.
    fn leader(&self, slot: Slot) -> Option<MemberIndex>;

    /// The leader of a slot, if it is known early enough to be waited for.
    fn awaited(&self, slot: Slot) -> Option<MemberIndex>;

    /// A snapshot has entered the graph.
    fn observe(&mut self, _: &VerifiedSnapshot) {}

    /// What the own snapshot of `round` has to carry, so that others learn who led.
    fn shares_for(&mut self, _round: u64) -> Vec<CoinShare> {
        Vec::new()
    }

    /// Leaders of rounds below `round` will not be asked for any more.
    fn raise_floor(&mut self, _round: u64) {}

    /// Snapshots whose shares turned out to be false since this was last asked for.
    fn take_evidence(&mut self) -> Vec<Reference> {
        Vec::new()
    }
}

/// Each node in turn. With several leaders per round, the nodes after it too.
#[derive(Debug, Clone)]
pub struct RoundRobin {
    members: Vec<MemberIndex>,
    leaders_per_round: usize,
}

impl RoundRobin {
    /// `leaders_per_round` is at least one; if it is more than there are members, all of them lead.
    pub fn new(members: Vec<MemberIndex>, leaders_per_round: usize) -> Self {
        let leaders_per_round = leaders_per_round.clamp(1, members.len());
        Self { members, leaders_per_round }
    }
}

impl LeaderSchedule for RoundRobin {
    fn leaders_per_round(&self) -> usize {
        self.leaders_per_round
    }

    fn vote_distance(&self) -> u64 {
        1
    }

    fn leader(&self, slot: Slot) -> Option<MemberIndex> {
        let members = self.members.len() as u64;
        Some(self.members[((slot.round % members + slot.offset as u64) % members) as usize])
    }

    fn awaited(&self, slot: Slot) -> Option<MemberIndex> {
        self.leader(slot)
    }
}

/// The schedule of an epoch: what its rule says, or each in turn while there is no coin yet.
pub fn schedule(rule: LeaderRule, committee: &Committee, coin: Option<CoinKey>) -> Box<dyn LeaderSchedule> {
    let (members, leaders) = (committee.members().collect(), usize::from(rule.leaders_per_round));
    match (rule.kind, coin) {
        (LeaderKind::CommonCoin, Some(key)) => Box::new(CommonCoin::new(committee.network(), members, leaders, key)),
        (LeaderKind::CommonCoin, None) | (LeaderKind::RoundRobin, _) => Box::new(RoundRobin::new(members, leaders)),
    }
}

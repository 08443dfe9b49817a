//! Who leads which round.

use byway_records::genesis::LeaderRule;

use crate::committee::MemberIndex;

/// A leader's place in the order of commits: rounds first, then the leaders of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    pub round: u64,
    /// Which of the round's leaders.
    pub offset: usize,
}

/// Names the leaders. All nodes must get the same answer at any time, from the round alone or from what is committed
/// far enough below it.
pub trait LeaderSchedule: std::fmt::Debug + Send {
    fn leaders_per_round(&self) -> usize;

    fn leader(&self, slot: Slot) -> MemberIndex;
}

/// Each node in turn. With several leaders per round, the nodes after it too.
#[derive(Debug, Clone, Copy)]
pub struct RoundRobin {
    members: usize,
    leaders_per_round: usize,
}

impl RoundRobin {
    pub fn new(members: usize, leaders_per_round: usize) -> Self {
        debug_assert!((1..=members).contains(&leaders_per_round), "a round has a leader, and none twice");
        Self { members, leaders_per_round }
    }
}

impl LeaderSchedule for RoundRobin {
    fn leaders_per_round(&self) -> usize {
        self.leaders_per_round
    }

    fn leader(&self, slot: Slot) -> MemberIndex {
        let members = self.members as u64;
        MemberIndex(((slot.round % members + slot.offset as u64) % members) as u8)
    }
}

/// The schedule that a genesis asks for.
pub fn schedule(rule: LeaderRule, members: usize) -> Box<dyn LeaderSchedule> {
    match rule {
        LeaderRule::RoundRobin => Box::new(RoundRobin::new(members, 1)),
    }
}

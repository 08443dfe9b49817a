//! How long to wait for a round's leader.
//!
//! A round goes better when its leader is in it, so one waits a little for it. How long, f nodes must not be able to
//! say: otherwise a leader that is always late would stretch everyone's waits up to the maximum.
//!
//! - The *usual* wait is what q(n) nodes need when they lead: each one's mean delay after its round's quorum and four
//!   deviations (as TCP estimates round trips; Jacobson 1988), of which the q(n)th shortest is taken. Who comes after
//!   the wait is measured too, so the usual wait grows with the network's delay, whatever that becomes.
//! - A wait in vain doubles the next ones for the same leader, twice at most; but the wait after k in vain comes only
//!   after 2ᵏ − 1 turns without. So a useless leader costs less and less, and a stopped one soon next to nothing.

use std::collections::BTreeMap;

use byway_primitives::{Span, Time};

use crate::committee::{Committee, MemberIndex};

/// Rounds of which it is remembered when their quorum was here.
const ROUNDS_REMEMBERED: u64 = 32;
/// The wait before anything is known of the network.
const FIRST_WAIT: Span = Span::millis(100);
/// Added to the estimate: timers and clocks are no finer than this.
const SLACK: Span = Span::millis(4);
/// How often waits in vain double the next one.
const DOUBLINGS_MAX: u32 = 2;
/// Waits in vain after which the time to the next one grows no further.
const IN_VAIN_MAX: u32 = 6;

/// See the [module](self).
#[derive(Debug)]
pub struct Pace {
    wait_max: Span,
    quorum: usize,
    leaders: BTreeMap<MemberIndex, Leader>,
    /// What q(n) leaders need; kept, since it is asked for at every input.
    usual: Span,
    quorum_since: BTreeMap<u64, Time>,
}

/// How one node does as a leader.
#[derive(Debug, Clone, Default)]
struct Leader {
    /// Mean and mean deviation of how late it is, in eighths of a millisecond.
    estimate: Option<(u64, u64)>,
    /// Waits in vain since it was in time.
    in_vain: u32,
    /// It is not waited for in rounds before this.
    not_before: u64,
}

impl Pace {
    pub fn new(committee: &Committee, wait_max: Span) -> Self {
        let leaders = committee.members().map(|member| (member, Leader::default())).collect();
        let (quorum, usual) = (committee.quorum(), FIRST_WAIT.min(wait_max));
        Self { wait_max, quorum, leaders, usual, quorum_since: BTreeMap::new() }
    }

    /// Other nodes count from now on; what is known of those that stay is kept.
    pub fn turn(&mut self, committee: &Committee) {
        let known = std::mem::take(&mut self.leaders);
        let kept =
            |member| Leader { estimate: known.get(&member).and_then(|known| known.estimate), ..Leader::default() };
        self.leaders = committee.members().map(|member| (member, kept(member))).collect();
        self.quorum = committee.quorum();
        self.quorum_since.clear();
        self.usual = self.estimate();
    }

    /// A quorum of `round` is here.
    pub fn on_quorum(&mut self, now: Time, round: u64) {
        self.quorum_since.entry(round).or_insert(now);
        self.quorum_since = self.quorum_since.split_off(&round.saturating_sub(ROUNDS_REMEMBERED));
    }

    /// The snapshot of `leader` for its `round` came, before or after the quorum.
    pub fn on_leader(&mut self, now: Time, leader: MemberIndex, round: u64, newest_quorum: u64) {
        let took = match self.quorum_since.get(&round) {
            Some(since) => now.since(*since),
            None if round > newest_quorum => Span(0),
            None => return,
        };
        let usual = self.usual;
        let Some(leader) = self.leaders.get_mut(&leader) else { return };
        let sample = took.0.min(self.wait_max.0) * 8;
        let (mean, deviation) = leader.estimate.unwrap_or((sample, sample / 2));
        let error = sample.abs_diff(mean);
        leader.estimate = Some(((mean * 7 + sample) / 8, (deviation * 3 + error) / 4));
        if took <= usual {
            leader.in_vain = 0;
            leader.not_before = 0;
        }
        self.usual = self.estimate();
    }

    /// A wait for `leader` in `round` was over before it came.
    pub fn on_timeout(&mut self, leader: MemberIndex, round: u64) {
        let members = self.leaders.len() as u64;
        let Some(leader) = self.leaders.get_mut(&leader) else { return };
        leader.in_vain = (leader.in_vain + 1).min(IN_VAIN_MAX);
        leader.not_before = round + members * ((1 << leader.in_vain) - 1) + 1;
    }

    /// Until when to wait for `leader` in `round`; `None` if not at all.
    pub fn deadline(&self, leader: MemberIndex, round: u64) -> Option<Time> {
        let leader = self.leaders.get(&leader)?;
        let since = self.quorum_since.get(&round)?;
        let wait = Span(self.usual.0 << leader.in_vain.min(DOUBLINGS_MAX)).min(self.wait_max);
        (round >= leader.not_before).then_some(*since + wait)
    }

    fn estimate(&self) -> Span {
        let mut needed: Vec<u64> = self
            .leaders
            .values()
            .map(|leader| {
                leader.estimate.map_or(FIRST_WAIT.0, |(mean, deviation)| (mean + 4 * deviation) / 8 + SLACK.0)
            })
            .collect();
        needed.sort_unstable();
        Span(needed[self.quorum - 1]).min(self.wait_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drawn::committee;

    const MEMBERS: u64 = 7;

    fn leader(round: u64) -> MemberIndex {
        MemberIndex((round % MEMBERS) as u8)
    }

    /// A hundred rounds whose leaders come as late as told.
    fn settled(late: impl Fn(MemberIndex) -> u64) -> Pace {
        let mut pace = Pace::new(&committee(MEMBERS as usize), Span::seconds(1));
        for round in 1..100 {
            let quorum = Time(round * 1000);
            pace.on_quorum(quorum, round);
            pace.on_leader(quorum + Span(late(leader(round))), leader(round), round, round);
        }
        pace
    }

    #[test]
    fn the_wait_follows_the_network() {
        for (late, at_least, at_most) in [(0, 4, 4), (5, 9, 12), (200, 204, 230)] {
            let usual = settled(|_| late).usual;
            assert!((at_least..=at_most).contains(&usual.0), "leaders {late} ms late: {usual:?}");
        }
    }

    #[test]
    fn two_of_seven_can_not_stretch_it() {
        let pace = settled(|leader| if leader.0 < 2 { 900 } else { 3 });
        assert!(pace.usual <= Span::millis(12), "{:?}", pace.usual);
    }

    #[test]
    fn waits_in_vain_get_longer_at_first_and_rarer_for_good() {
        let mut pace = settled(|_| 5);
        let (usual, useless) = (pace.usual, leader(105));
        let (mut waited, mut longest) = (0, 0);
        for turn in 0..256 {
            let round = 105 + turn * MEMBERS;
            pace.on_quorum(Time(round * 1000), round);
            if let Some(deadline) = pace.deadline(useless, round) {
                let wait = deadline.since(Time(round * 1000)).0;
                (waited, longest) = (waited + wait, wait.max(longest));
                pace.on_timeout(useless, round);
            }
        }
        assert_eq!(longest, 4 * usual.0);
        assert!(waited <= 36 * usual.0, "{waited} ms in 256 turns");
        // It comes in time once, and is waited for as usual again.
        let round = 105 + 256 * MEMBERS;
        pace.on_quorum(Time(round * 1000), round);
        pace.on_leader(Time(round * 1000), useless, round, round);
        assert!(pace.deadline(useless, round).expect("waited for") <= Time(round * 1000) + Span(usual.0 + 2));
    }
}

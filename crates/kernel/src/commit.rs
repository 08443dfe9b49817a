//! The commit rule: which leaders' snapshots are committed, in which order, and what each of them commits.
//!
//! See the [crate's doc](crate) for the rule and why it is safe. This module is the rule and nothing else: a function
//! of the graph, which gives the same answers whatever the order in which the graph grew, only sooner or later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use byway_primitives::{Hash, Time};

use crate::committee::{MemberBits, MemberIndex};
use crate::graph::Graph;
use crate::leader::{LeaderSchedule, Slot};
use crate::snapshot::{FIRST_ROUND, Reference};
use crate::verified::VerifiedSnapshot;

/// Rounds from a leader to its certificates' round: votes are in the first after it, certificates in the second, and an
/// anchor can be in the third at the earliest.
pub const WAVE: u64 = 3;

/// What becomes of a leader slot. Once reached, it never changes, and all honest nodes reach the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Commit(Reference),
    Skip,
}

/// Decides leader slots one after the other.
#[derive(Debug)]
pub struct Committer {
    schedule: Box<dyn LeaderSchedule>,
    quorum: usize,
    /// The first slot whose decision has not been handed out.
    next: Slot,
    /// Decisions from `next` on that wait for an earlier slot.
    decided: BTreeMap<Slot, Decision>,
}

impl Committer {
    pub fn new(schedule: Box<dyn LeaderSchedule>, quorum: usize) -> Self {
        Self { schedule, quorum, next: Slot { round: FIRST_ROUND, offset: 0 }, decided: BTreeMap::new() }
    }

    /// Goes on after a leader that was committed before.
    pub fn resume_after(&mut self, leader: &Reference) {
        let offsets = 0..self.schedule.leaders_per_round();
        let mut slots = offsets.map(|offset| Slot { round: leader.round, offset });
        let slot = slots.find(|slot| self.schedule.leader(*slot) == leader.author);
        let slot = slot.expect("what was committed was a leader");
        self.next = self.after(slot);
        self.decided.clear();
    }

    /// The leaders of `round`.
    pub fn leaders(&self, round: u64) -> impl Iterator<Item = MemberIndex> + '_ {
        (0..self.schedule.leaders_per_round()).map(move |offset| self.schedule.leader(Slot { round, offset }))
    }

    /// The leader of the first slot that can be decided now to be committed; call again until there is none. Each
    /// slot's decision is used once, in order.
    pub fn next_leader(&mut self, graph: &Graph) -> Option<Reference> {
        loop {
            if let Decision::Commit(leader) = self.next_decision(graph)? {
                return Some(leader);
            }
        }
    }

    fn next_decision(&mut self, graph: &Graph) -> Option<Decision> {
        if !self.decided.contains_key(&self.next) {
            self.decide(graph);
        }
        let decision = self.decided.remove(&self.next)?;
        self.next = self.after(self.next);
        Some(decision)
    }

    /// Decides what can be decided, from the newest slot down, since an indirect decision needs the later ones.
    fn decide(&mut self, graph: &Graph) {
        let mut round = graph.highest_round().saturating_sub(1);
        while round >= self.next.round {
            for offset in (0..self.schedule.leaders_per_round()).rev() {
                let slot = Slot { round, offset };
                if slot < self.next || self.decided.contains_key(&slot) {
                    continue;
                }
                let decision = self.decide_directly(graph, slot).or_else(|| self.decide_by_anchor(graph, slot));
                if let Some(decision) = decision {
                    self.decided.insert(slot, decision);
                }
            }
            round -= 1;
        }
    }

    /// Commits a snapshot of the slot that q(n) authors certify; skips the slot when, for every snapshot that it has or
    /// may have, q(n) authors have voted without voting for it.
    fn decide_directly(&self, graph: &Graph, slot: Slot) -> Option<Decision> {
        let leader = self.schedule.leader(slot);
        if graph.authors(slot.round + 1).count() < self.quorum {
            return None;
        }
        let candidates = graph.slot(slot.round, leader);
        let mut is_skipped = true;
        for candidate in candidates {
            let candidate = candidate.snapshot.reference();
            let votes = Votes::collect(graph, candidate);
            if votes.certifiers(graph, self.quorum).count() >= self.quorum {
                return Some(Decision::Commit(candidate));
            }
            is_skipped &= votes.against.count() >= self.quorum;
        }
        // Snapshots of the slot that are not here have no vote from anything that is here.
        is_skipped.then_some(Decision::Skip)
    }

    /// Decides by the first later slot, a wave or more away, that is not skipped: if that is undecided, so is this one;
    /// if its leader is committed, whatever that leader knows to be certified is committed, else nothing is.
    fn decide_by_anchor(&self, graph: &Graph, slot: Slot) -> Option<Decision> {
        let anchor_round_min = slot.round + WAVE;
        let highest = graph.highest_round();
        let later = (anchor_round_min..=highest)
            .flat_map(|round| (0..self.schedule.leaders_per_round()).map(move |offset| Slot { round, offset }));
        for anchor in later {
            match self.decided.get(&anchor)? {
                Decision::Skip => continue,
                Decision::Commit(anchor) => return Some(self.decide_under(graph, slot, *anchor)),
            }
        }
        None
    }

    fn decide_under(&self, graph: &Graph, slot: Slot, anchor: Reference) -> Decision {
        let certifying = slot.round + 2;
        let known: Vec<_> = graph
            .history(anchor, certifying)
            .filter(|vertex| vertex.snapshot.header().round == certifying)
            .map(|vertex| &vertex.snapshot)
            .collect();
        let candidates = graph.slot(slot.round, self.schedule.leader(slot));
        let certified = candidates.iter().map(|vertex| vertex.snapshot.reference()).find(|candidate| {
            let votes = Votes::collect(graph, *candidate);
            known.iter().any(|snapshot| votes.are_certified_by(snapshot, self.quorum))
        });
        certified.map_or(Decision::Skip, Decision::Commit)
    }

    fn after(&self, slot: Slot) -> Slot {
        match slot.offset + 1 {
            offset if offset < self.schedule.leaders_per_round() => Slot { offset, ..slot },
            _ => Slot { round: slot.round + 1, offset: 0 },
        }
    }
}

/// The snapshots of the round after a candidate that vote for it, and the authors that have one that doesn't.
struct Votes {
    round: u64,
    /// Votes for it, as they are referenced.
    pro: BTreeSet<(MemberIndex, Hash)>,
    against: MemberBits,
}

impl Votes {
    fn collect(graph: &Graph, candidate: Reference) -> Self {
        let mut votes = Self { round: candidate.round + 1, pro: BTreeSet::new(), against: MemberBits::default() };
        for vertex in graph.round(votes.round) {
            let author = vertex.snapshot.header().author;
            if vertex.snapshot.header().referenced(candidate.author) == Some(candidate.hash) {
                votes.pro.insert((author, vertex.snapshot.hash()));
            } else {
                votes.against.insert(author);
            }
        }
        votes
    }

    /// Whether `snapshot`, of the round after the votes, references q(n) of them. Its references are by distinct
    /// authors, so they can simply be counted.
    fn are_certified_by(&self, snapshot: &VerifiedSnapshot, quorum: usize) -> bool {
        self.pro.len() >= quorum
            && snapshot.header().references.iter().filter(|reference| self.pro.contains(reference)).count() >= quorum
    }

    fn certifiers(&self, graph: &Graph, quorum: usize) -> MemberBits {
        let next = graph.round(self.round + 1).filter(|vertex| self.are_certified_by(&vertex.snapshot, quorum));
        next.map(|vertex| vertex.snapshot.header().author).collect()
    }
}

/// What a committed leader commits: everything that it stands on from round `down_to` upwards and that isn't committed
/// yet, by round, author and hash. Marks it so.
pub fn linearise(graph: &mut Graph, leader: Reference, down_to: u64) -> Vec<Arc<VerifiedSnapshot>> {
    let history = graph.uncommitted_history(leader, down_to);
    let mut snapshots: Vec<_> = history.map(|vertex| vertex.snapshot.clone()).collect();
    snapshots.reverse();
    for snapshot in &snapshots {
        let is_new = graph.mark_committed(&snapshot.reference());
        assert!(is_new, "a snapshot is committed once");
    }
    snapshots
}

/// The time of a commit: the median of what its leader references, so that it lies between the clocks of honest nodes,
/// and never before the commit before. A leader of the first round references nothing; its commit keeps that time.
pub fn commit_time(graph: &Graph, leader: &VerifiedSnapshot, last: Time) -> Time {
    let header = leader.header();
    let referenced = header
        .references
        .iter()
        .filter_map(|(author, hash)| graph.get(&Reference { round: header.round - 1, author: *author, hash: *hash }));
    let mut times: Vec<Time> = referenced.map(|vertex| vertex.snapshot.header().time).collect();
    times.sort_unstable();
    // Of an even number the lower of the middle two: with at most f of q(n) > 2f false, either is between true ones.
    times.get(times.len().saturating_sub(1) / 2).map_or(last, |median| last.max(*median))
}

#[cfg(test)]
mod tests;

//! The commit rule: which leaders' snapshots are committed, in which order, and what each of them commits.
//!
//! See the [crate's doc](crate) for the rule and why it is safe. This module is the rule and nothing else: a function
//! of the graph, which gives the same answers whatever the order in which the graph grew, only sooner or later.

use std::collections::BTreeMap;
use std::sync::Arc;

use byway_primitives::Time;

use crate::coin::CoinShare;
use crate::committee::MemberIndex;
use crate::graph::Graph;
use crate::leader::{LeaderSchedule, Slot};
use crate::snapshot::Reference;
use crate::tally::Tally;
use crate::verified::VerifiedSnapshot;

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
    tally: Tally,
    /// The first slot whose decision has not been handed out.
    next: Slot,
    /// Decisions from `next` on that wait for an earlier slot.
    decided: BTreeMap<Slot, Decision>,
    /// Whether something has arrived since decisions were last looked for.
    has_news: bool,
    /// The last leader committed in an earlier run; what is decided up to it was handed out then.
    resumed_at: Option<Reference>,
}

impl Committer {
    /// Begins with the leaders of `first_round`.
    pub fn new(schedule: Box<dyn LeaderSchedule>, quorum: usize, first_round: u64) -> Self {
        let tally = Tally::new(quorum, schedule.vote_distance());
        let mut committer = Self {
            schedule,
            quorum,
            tally,
            next: Slot { round: first_round, offset: 0 },
            decided: BTreeMap::new(),
            has_news: false,
            resumed_at: None,
        };
        committer.raise_floor(first_round);
        committer
    }

    /// Goes on after a leader that was committed before.
    pub fn resume_after(&mut self, leader: &Reference) {
        // Slots of the same round are decided again, as they were, because the leader's place among them is not known.
        self.next = Slot { round: leader.round, offset: 0 };
        self.raise_floor(leader.round);
        self.decided.clear();
        self.resumed_at = Some(*leader);
    }

    /// The leaders of `round` that are worth waiting for before signing on top of it.
    pub fn awaited(&self, round: u64) -> impl Iterator<Item = MemberIndex> + '_ {
        let offsets = 0..self.schedule.leaders_per_round();
        offsets.filter_map(move |offset| self.schedule.awaited(Slot { round, offset }))
    }

    /// The round that is decided next, and its leaders once all of them are known.
    pub fn deciding(&self) -> (u64, Option<Vec<MemberIndex>>) {
        let round = self.next.round;
        let leaders = (0..self.schedule.leaders_per_round()).map(|offset| self.schedule.leader(Slot { round, offset }));
        (round, leaders.collect())
    }

    /// What the own snapshot of `round` has to carry for the schedule's sake.
    pub fn shares_for(&mut self, round: u64) -> Vec<CoinShare> {
        self.schedule.shares_for(round)
    }

    /// Snapshots with false shares found since this was last asked for.
    pub fn take_evidence(&mut self) -> Vec<Reference> {
        self.schedule.take_evidence()
    }

    /// The leader of the first slot that can be decided now to be committed; call again until there is none. Each
    /// slot's decision is used once, in order.
    pub fn next_leader(&mut self, graph: &mut Graph) -> Option<Reference> {
        loop {
            if let Decision::Commit(leader) = self.next_decision(graph)? {
                return Some(leader);
            }
        }
    }

    fn next_decision(&mut self, graph: &mut Graph) -> Option<Decision> {
        for arrival in graph.take_arrivals() {
            self.tally.add(graph, arrival);
            if let Some(vertex) = graph.get(&arrival) {
                self.schedule.observe(&vertex.snapshot);
            }
            self.has_news = true;
        }
        loop {
            if !self.decided.contains_key(&self.next) && std::mem::take(&mut self.has_news) {
                self.decide(graph);
            }
            let decision = self.decided.remove(&self.next)?;
            self.next = self.after(self.next);
            self.raise_floor(self.next.round);
            match self.resumed_at {
                Some(last) if decision == Decision::Commit(last) => self.resumed_at = None,
                Some(_) => {}
                None => return Some(decision),
            }
        }
    }

    /// Decides what can be decided, from the newest slot down, since an indirect decision needs the later ones.
    fn decide(&mut self, graph: &Graph) {
        let mut round = graph.highest_round().saturating_sub(self.schedule.vote_distance());
        while round >= self.next.round {
            for offset in (0..self.schedule.leaders_per_round()).rev() {
                let slot = Slot { round, offset };
                if slot < self.next || self.decided.contains_key(&slot) {
                    continue;
                }
                let Some(leader) = self.schedule.leader(slot) else { continue };
                let decision = self.decide_directly(graph, slot.round, leader);
                let decision = decision.or_else(|| self.decide_by_anchor(graph, slot.round, leader));
                if let Some(decision) = decision {
                    self.decided.insert(slot, decision);
                }
            }
            round -= 1;
        }
    }

    /// Commits a snapshot of the slot that q(n) authors certify; skips the slot when, for every snapshot that it has or
    /// may have, q(n) authors have voted without voting for it.
    fn decide_directly(&self, graph: &Graph, round: u64, leader: MemberIndex) -> Option<Decision> {
        if graph.authors(round + self.schedule.vote_distance()).count() < self.quorum {
            return None;
        }
        let mut is_skipped = true;
        for (reference, candidate) in self.tally.candidates(round, leader) {
            if candidate.certified_by.count() >= self.quorum {
                return Some(Decision::Commit(reference));
            }
            is_skipped &= candidate.against.count() >= self.quorum;
        }
        // Snapshots of the slot that are not here have no vote from anything that is here.
        is_skipped.then_some(Decision::Skip)
    }

    /// Decides by the first later slot, a wave or more away, that is not skipped: if that is undecided, so is this one;
    /// if its leader is committed, whatever that leader knows to be certified is committed, else nothing is.
    fn decide_by_anchor(&self, graph: &Graph, round: u64, leader: MemberIndex) -> Option<Decision> {
        let anchor_round_min = round + self.schedule.vote_distance() + 2;
        let later = (anchor_round_min..=graph.highest_round())
            .flat_map(|round| (0..self.schedule.leaders_per_round()).map(move |offset| Slot { round, offset }));
        for anchor in later {
            match self.decided.get(&anchor)? {
                Decision::Skip => continue,
                Decision::Commit(anchor) => {
                    let certified = self.tally.certified_under(graph, *anchor, round, leader);
                    return Some(certified.map_or(Decision::Skip, Decision::Commit));
                }
            }
        }
        None
    }

    fn raise_floor(&mut self, round: u64) {
        self.tally.raise_floor(round);
        self.schedule.raise_floor(round);
    }

    fn after(&self, slot: Slot) -> Slot {
        match slot.offset + 1 {
            offset if offset < self.schedule.leaders_per_round() => Slot { offset, ..slot },
            _ => Slot { round: slot.round + 1, offset: 0 },
        }
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

//! The snapshot graph in memory: everything accepted from a floor upwards.
//!
//! A snapshot is inserted only when all its parents at or above the floor are here, so whatever is here has its whole
//! history here, down to the floor. Two snapshots of one author in one round (an equivocation) may both be here; every
//! count that matters is therefore of authors, never of snapshots.
//!
//! The *floor* rises with each commit. Rounds fall along every edge, so a path from a leader down to a snapshot above
//! the floor never leaves the graph: what lies below can't matter to any later commit.
//!
//! The graph also knows which snapshots its owner's own snapshots stand on already (*covered*), so that the others can
//! be given weak references.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use byway_primitives::Hash;
use byway_records::Height;

use crate::committee::{Committee, MemberBits, MemberIndex};
use crate::snapshot::{Header, Reference};
use crate::verified::VerifiedSnapshot;

/// See the [module](self).
#[derive(Debug, Clone)]
pub struct Graph {
    places: usize,
    faults_tolerated: usize,
    quorum: usize,
    floor: u64,
    rounds: BTreeMap<u64, Round>,
    uncovered: BTreeSet<Reference>,
    /// The newest round in which each author has a snapshot here, or had one.
    newest: Vec<u64>,
    /// The newest round in which q(n) authors have snapshots here; the one before the epoch's first at its beginning.
    quorum_round: u64,
    uncommitted_with_content: BTreeSet<Reference>,
    arrivals: Vec<Reference>,
}

/// A snapshot in the graph.
#[derive(Debug, Clone)]
pub struct Vertex {
    pub snapshot: Arc<VerifiedSnapshot>,
    pub is_committed: bool,
    /// Authors whose snapshots reference this one directly.
    pub built_on_by: MemberBits,
}

#[derive(Debug, Clone)]
struct Round {
    /// By author, in the order of arrival.
    slots: Vec<Vec<Vertex>>,
    authors: MemberBits,
}

impl Graph {
    /// The graph of an epoch that begins.
    pub fn new(committee: &Committee) -> Self {
        Self {
            places: committee.places(),
            faults_tolerated: committee.faults_tolerated(),
            quorum: committee.quorum(),
            floor: committee.first_round(),
            rounds: BTreeMap::new(),
            uncovered: BTreeSet::new(),
            newest: vec![0; committee.places()],
            quorum_round: committee.first_round() - 1,
            uncommitted_with_content: BTreeSet::new(),
            arrivals: Vec::new(),
        }
    }

    /// The lowest round that is kept.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// The newest round of which a quorum of authors is here.
    pub fn quorum_round(&self) -> u64 {
        self.quorum_round
    }

    /// The newest round of which anything is here.
    pub fn highest_round(&self) -> u64 {
        self.rounds.last_key_value().map_or(0, |(round, _)| *round)
    }

    /// A snapshot of the highest round.
    pub fn highest(&self) -> Option<&Vertex> {
        let (_, round) = self.rounds.last_key_value()?;
        round.slots.iter().flatten().next()
    }

    /// The newest snapshot of `author`.
    pub fn newest_of(&self, author: MemberIndex) -> Option<&Vertex> {
        self.slot(self.newest_round_of(author), author).first()
    }

    /// The newest round in which `author` has a snapshot; zero if it has none.
    pub fn newest_round_of(&self, author: MemberIndex) -> u64 {
        self.newest.get(usize::from(author.0)).copied().unwrap_or(0)
    }

    pub fn contains(&self, reference: &Reference) -> bool {
        self.get(reference).is_some()
    }

    /// Whether nothing is missing on account of `reference`: it is here, or too old to matter.
    pub fn is_settled(&self, reference: &Reference) -> bool {
        reference.round < self.floor || self.contains(reference)
    }

    pub fn get(&self, reference: &Reference) -> Option<&Vertex> {
        self.slot(reference.round, reference.author).iter().find(|vertex| vertex.snapshot.hash() == reference.hash)
    }

    /// What `author` has in `round`, first come first; more than one if it equivocates.
    pub fn slot(&self, round: u64, author: MemberIndex) -> &[Vertex] {
        self.rounds.get(&round).and_then(|round| round.slots.get(usize::from(author.0))).map_or(&[], Vec::as_slice)
    }

    /// Everything in `round`, by author.
    pub fn round(&self, round: u64) -> impl Iterator<Item = &Vertex> {
        self.rounds.get(&round).into_iter().flat_map(|round| round.slots.iter().flatten())
    }

    /// The authors that have something in `round`.
    pub fn authors(&self, round: u64) -> MemberBits {
        self.rounds.get(&round).map_or(MemberBits::default(), |round| round.authors)
    }

    /// The highest checkpoint that f + 1 of the snapshots of the round before that `header` references name, or go beyond;
    /// `None` where there are none, or where they lie below the floor. See [`crate::outdated`].
    pub fn checkpoint_shown(&self, header: &Header) -> Option<Height> {
        let previous = header.round.checked_sub(1)?;
        let referenced = header
            .references
            .iter()
            .filter_map(|(author, hash)| self.get(&Reference { round: previous, author: *author, hash: *hash }));
        let mut named: Vec<Height> = referenced.map(|vertex| vertex.snapshot.header().checkpoint).collect();
        named.sort_unstable_by(|a, b| b.cmp(a));
        named.get(self.faults_tolerated).copied()
    }

    /// Whether a snapshot with transactions still waits to be committed. Second snapshots of an equivocator don't
    /// count: nobody references them unasked, so they may wait in vain.
    pub fn has_uncommitted_content(&self) -> bool {
        !self.uncommitted_with_content.is_empty()
    }

    /// Adds a snapshot whose parents are all settled. Says whether it is new, and whether it is its author's second in
    /// its round.
    pub fn insert(&mut self, snapshot: Arc<VerifiedSnapshot>) -> Inserted {
        let reference = snapshot.reference();
        if reference.round < self.floor || self.contains(&reference) {
            return Inserted::Known;
        }
        debug_assert!(snapshot.header().parents().all(|parent| self.is_settled(&parent)), "parents come first");
        for parent in snapshot.header().parents() {
            if let Some(vertex) = self.get_mut(&parent) {
                vertex.built_on_by.insert(reference.author);
            }
        }
        let has_content = !snapshot.transactions().is_empty();
        let places = self.places;
        let round = self
            .rounds
            .entry(reference.round)
            .or_insert_with(|| Round { slots: vec![Vec::new(); places], authors: MemberBits::default() });
        let slot = &mut round.slots[usize::from(reference.author.0)];
        let first = slot.first().map(|vertex| vertex.snapshot.clone());
        slot.push(Vertex { snapshot, is_committed: false, built_on_by: MemberBits::default() });
        self.arrivals.push(reference);
        round.authors.insert(reference.author);
        if round.authors.count() >= self.quorum {
            self.quorum_round = self.quorum_round.max(reference.round);
        }
        let newest = &mut self.newest[usize::from(reference.author.0)];
        *newest = reference.round.max(*newest);
        if let Some(first) = first {
            return Inserted::Second { first };
        }
        self.uncovered.insert(reference);
        if has_content {
            self.uncommitted_with_content.insert(reference);
        }
        Inserted::First
    }

    /// What was inserted since this was last asked for, parents before children.
    pub fn take_arrivals(&mut self) -> Vec<Reference> {
        std::mem::take(&mut self.arrivals)
    }

    /// Marks a snapshot as committed; false if it was already.
    pub fn mark_committed(&mut self, reference: &Reference) -> bool {
        self.uncommitted_with_content.remove(reference);
        self.uncovered.remove(reference);
        match self.get_mut(reference) {
            Some(vertex) => !std::mem::replace(&mut vertex.is_committed, true),
            None => false,
        }
    }

    /// Raises the floor and lets go of what is below it. Returns the snapshots of `author` that were never committed.
    pub fn raise_floor(&mut self, floor: u64, author: Option<MemberIndex>) -> Vec<Arc<VerifiedSnapshot>> {
        if floor <= self.floor {
            return Vec::new();
        }
        self.floor = floor;
        let kept = self.rounds.split_off(&floor);
        let dropped = std::mem::replace(&mut self.rounds, kept);
        let lowest = Reference { round: floor, author: MemberIndex(0), hash: Hash::ZERO };
        self.uncovered = self.uncovered.split_off(&lowest);
        self.uncommitted_with_content = self.uncommitted_with_content.split_off(&lowest);
        let Some(author) = author else { return Vec::new() };
        let own = dropped.into_values().flat_map(|mut round| std::mem::take(&mut round.slots[usize::from(author.0)]));
        own.filter(|vertex| !vertex.is_committed).map(|vertex| vertex.snapshot).collect()
    }

    /// The snapshots of `author` that are not committed, oldest first.
    pub fn uncommitted_of(&self, author: MemberIndex) -> impl Iterator<Item = &Arc<VerifiedSnapshot>> {
        let own = self.rounds.values().flat_map(move |round| &round.slots[usize::from(author.0)]);
        own.filter(|vertex| !vertex.is_committed).map(|vertex| &vertex.snapshot)
    }

    /// The references of a new snapshot for `round`: the first of each author in the round before, and weak references
    /// to at most `weak_max` older snapshots that those don't stand on. Covers all of it.
    pub fn cover(&mut self, round: u64, weak_max: usize) -> (Vec<(MemberIndex, Hash)>, Vec<Reference>) {
        let previous = self.rounds.get(&(round - 1));
        let firsts = previous.into_iter().flat_map(|round| round.slots.iter().filter_map(|slot| slot.first()));
        let references: Vec<Reference> = firsts.map(|vertex| vertex.snapshot.reference()).collect();
        references.iter().for_each(|reference| self.cover_history(*reference));
        let mut weak = Vec::new();
        while weak.len() < weak_max {
            let bound = Reference { round: round.saturating_sub(1), author: MemberIndex(0), hash: Hash::ZERO };
            let Some(newest) = self.uncovered.range(..bound).next_back().copied() else { break };
            weak.push(newest);
            self.cover_history(newest);
        }
        weak.sort_unstable();
        (references.into_iter().map(|reference| (reference.author, reference.hash)).collect(), weak)
    }

    /// Marks `reference` and everything that it stands on as covered.
    pub fn cover_history(&mut self, reference: Reference) {
        let mut frontier = vec![reference];
        while let Some(reference) = frontier.pop() {
            if self.uncovered.remove(&reference)
                && let Some(vertex) = self.get(&reference)
            {
                frontier.extend(vertex.snapshot.header().parents());
            }
        }
    }

    /// Everything that `from` stands on, itself included, down to round `down_to`, newest first.
    pub fn history(&self, from: Reference, down_to: u64) -> History<'_> {
        History { graph: self, down_to, frontier: BTreeSet::from([from]), skip_committed: false }
    }

    /// As [`history`](Self::history), without what is committed and what stands only behind that.
    pub fn uncommitted_history(&self, from: Reference, down_to: u64) -> History<'_> {
        History { graph: self, down_to, frontier: BTreeSet::from([from]), skip_committed: true }
    }

    fn get_mut(&mut self, reference: &Reference) -> Option<&mut Vertex> {
        let slot = self.rounds.get_mut(&reference.round)?.slots.get_mut(usize::from(reference.author.0))?;
        slot.iter_mut().find(|vertex| vertex.snapshot.hash() == reference.hash)
    }
}

/// What inserting a snapshot did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    Known,
    First,
    /// The author had signed `first` for the same round.
    Second {
        first: Arc<VerifiedSnapshot>,
    },
}

/// Walks down the graph; see [`Graph::history`].
pub struct History<'a> {
    graph: &'a Graph,
    down_to: u64,
    frontier: BTreeSet<Reference>,
    skip_committed: bool,
}

impl<'a> Iterator for History<'a> {
    type Item = &'a Vertex;

    fn next(&mut self) -> Option<&'a Vertex> {
        loop {
            let reference = self.frontier.pop_last()?;
            // What a snapshot above the floor names below it is not here, and not needed.
            let Some(vertex) = self.graph.get(&reference) else { continue };
            if self.skip_committed && vertex.is_committed {
                continue;
            }
            let parents = vertex.snapshot.header().parents();
            self.frontier.extend(parents.filter(|parent| parent.round >= self.down_to));
            return Some(vertex);
        }
    }
}

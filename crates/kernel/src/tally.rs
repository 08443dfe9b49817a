//! Who votes for whom and who certifies it, kept up as the graph grows.
//!
//! Whether a snapshot votes for another, or certifies it, follows from its history alone, and that is complete when it
//! enters the graph. So each question is answered once, at that moment, and asking what has a quorum is counting bits.
//! With fifty leaders in each round nothing else would do.
//!
//! Within one round a snapshot is named by its author and its *place*: how many of the same author came before it. Places
//! differ from node to node and are never told to anyone. Where nobody equivocates all places are 0, and a set of a
//! round's snapshots is one word.

use std::collections::BTreeMap;

use byway_primitives::Hash;

use crate::committee::{MemberBits, MemberIndex};
use crate::graph::Graph;
use crate::snapshot::Reference;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Tally {
    quorum: usize,
    /// Rounds from a candidate to its votes.
    vote_distance: u64,
    /// What lies below is not asked for any more.
    floor: u64,
    /// By round and author, in the order of arrival; authors up to the highest that has something there.
    slots: BTreeMap<u64, Vec<Vec<Candidate>>>,
    marks: BTreeMap<Reference, Marks>,
}

/// A snapshot that may be voted for.
#[derive(Debug)]
pub(crate) struct Candidate {
    hash: Hash,
    /// Authors of a snapshot in the round of the votes that is none for this one.
    pub against: MemberBits,
    pub certified_by: MemberBits,
}

/// What one snapshot says about those below it.
#[derive(Debug, Default)]
struct Marks {
    /// Its history: the round before it first.
    below: Vec<Places>,
    votes: Places,
    certifies: Places,
}

/// Snapshots of one round: for each place, the authors.
#[derive(Debug, Clone, Default)]
struct Places(Vec<MemberBits>);

impl Tally {
    /// `vote_distance` is the number of rounds from a candidate to its votes; its certificates are one round further.
    pub fn new(quorum: usize, vote_distance: u64) -> Self {
        Self { quorum, vote_distance, floor: 0, slots: BTreeMap::new(), marks: BTreeMap::new() }
    }

    /// Takes note of a snapshot that has entered the graph, after all its parents.
    pub fn add(&mut self, graph: &Graph, reference: Reference) {
        let Some(vertex) = graph.get(&reference).filter(|_| reference.round >= self.floor) else { return };
        let parents: Vec<Reference> = vertex.snapshot.header().parents().collect();
        let mut marks = Marks { below: self.history(&reference, &parents), ..Marks::default() };
        if let Some(candidates) = marks.below.last() {
            marks.votes = candidates.unambiguous();
        }
        self.count_against(&reference, &marks.votes);
        marks.certifies = self.certified(&reference, &parents);
        self.marks.insert(reference, marks);
        // Whoever has voted in this slot already has not seen the newcomer.
        let against = self.authors(reference.round + self.vote_distance);
        let candidate = Candidate { hash: reference.hash, against, certified_by: MemberBits::default() };
        let slots = self.slots.entry(reference.round).or_default();
        let place = usize::from(reference.author.0);
        if slots.len() <= place {
            slots.resize_with(place + 1, Vec::new);
        }
        slots[place].push(candidate);
    }

    /// Lets go of what is below `round`.
    pub fn raise_floor(&mut self, round: u64) {
        if round > self.floor {
            self.floor = round;
            self.slots = self.slots.split_off(&round);
            let lowest = Reference { round, author: MemberIndex(0), hash: Hash::ZERO };
            self.marks = self.marks.split_off(&lowest);
        }
    }

    /// What `author` has in `round`.
    pub fn candidates(&self, round: u64, author: MemberIndex) -> impl Iterator<Item = (Reference, &Candidate)> {
        let slot = self.slots.get(&round).and_then(|slots| slots.get(usize::from(author.0)));
        slot.into_iter().flatten().map(move |candidate| (Reference { round, author, hash: candidate.hash }, candidate))
    }

    /// The snapshot of `author` in `round` of which the history of `anchor` holds a certificate.
    pub fn certified_under(
        &self,
        graph: &Graph,
        anchor: Reference,
        round: u64,
        author: MemberIndex,
    ) -> Option<Reference> {
        let certifying = round + self.vote_distance + 1;
        let known = graph.history(anchor, certifying).map(|vertex| vertex.snapshot.reference());
        let known: Vec<_> =
            known.filter(|known| known.round == certifying).filter_map(|known| self.marks.get(&known)).collect();
        let certified = |place| known.iter().any(|marks| marks.certifies.contains(place, author));
        let mut candidates = self.candidates(round, author).enumerate();
        candidates.find(|(place, _)| certified(*place)).map(|(_, (reference, _))| reference)
    }

    /// The history of a snapshot down to the round that it votes on.
    fn history(&self, of: &Reference, parents: &[Reference]) -> Vec<Places> {
        let mut below = vec![Places::default(); self.vote_distance as usize];
        for parent in parents.iter().filter(|parent| parent.round + self.vote_distance >= of.round) {
            let depth = (of.round - parent.round) as usize;
            let Some(place) = self.place(parent) else { continue };
            below[depth - 1].add(place, parent.author);
            let further = self.marks.get(parent).map_or(&[][..], |marks| &marks.below);
            for (own, further) in below[depth..].iter_mut().zip(further) {
                own.join(further);
            }
        }
        below
    }

    fn count_against(&mut self, voter: &Reference, votes: &Places) {
        let Some(round) = voter.round.checked_sub(self.vote_distance) else { return };
        let Some(slots) = self.slots.get_mut(&round) else { return };
        for (author, slot) in (0..).map(MemberIndex).zip(slots) {
            for (place, candidate) in slot.iter_mut().enumerate() {
                if !votes.contains(place, author) {
                    candidate.against.insert(voter.author);
                }
            }
        }
    }

    /// What a snapshot certifies: that for which its references to the round before are votes by a quorum of authors.
    fn certified(&mut self, by: &Reference, parents: &[Reference]) -> Places {
        let mut certifies = Places::default();
        let Some(round) = by.round.checked_sub(self.vote_distance + 1) else { return certifies };
        let Some(slots) = self.slots.get_mut(&round) else { return certifies };
        // The references to one round are by distinct authors, so they can simply be counted.
        let voters = parents.iter().filter(|parent| parent.round + 1 == by.round);
        let votes: Vec<&Places> = voters.filter_map(|voter| self.marks.get(voter)).map(|marks| &marks.votes).collect();
        for (author, slot) in (0..).map(MemberIndex).zip(slots) {
            for (place, candidate) in slot.iter_mut().enumerate() {
                if votes.iter().filter(|votes| votes.contains(place, author)).count() >= self.quorum {
                    certifies.add(place, author);
                    candidate.certified_by.insert(by.author);
                }
            }
        }
        certifies
    }

    /// Whose snapshots of `round` have been taken note of; the graph may be ahead.
    fn authors(&self, round: u64) -> MemberBits {
        let slots = self.slots.get(&round).into_iter().flatten().zip((0..).map(MemberIndex));
        slots.filter(|(slot, _)| !slot.is_empty()).map(|(_, author)| author).collect()
    }

    fn place(&self, reference: &Reference) -> Option<usize> {
        let slot = self.slots.get(&reference.round)?.get(usize::from(reference.author.0))?;
        slot.iter().position(|candidate| candidate.hash == reference.hash)
    }
}

impl Places {
    fn add(&mut self, place: usize, author: MemberIndex) {
        if self.0.len() <= place {
            self.0.resize(place + 1, MemberBits::default());
        }
        self.0[place].insert(author);
    }

    fn contains(&self, place: usize, author: MemberIndex) -> bool {
        self.0.get(place).is_some_and(|authors| authors.contains(author))
    }

    fn join(&mut self, other: &Places) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), MemberBits::default());
        }
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own = own.union(*other));
    }

    /// Those of whose author there is only one.
    fn unambiguous(&self) -> Places {
        let (mut seen, mut twice) = (MemberBits::default(), MemberBits::default());
        for authors in &self.0 {
            twice = twice.union(seen.intersection(*authors));
            seen = seen.union(*authors);
        }
        Places(self.0.iter().map(|authors| authors.without(twice)).collect())
    }
}

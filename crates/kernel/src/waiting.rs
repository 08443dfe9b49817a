//! Snapshots that can't be accepted yet, and the requests for what they wait for.
//!
//! A snapshot waits while a parent is missing, or while its time is too far ahead of our clock. What is missing is
//! mostly on its way already, so it is given a moment. Then it is asked of whoever sent a child or signed what stands on it
//! from further up (an honest node has everything that its snapshots stand on), soon of the next who did, and after a
//! timeout of everyone in turn; so nobody can withhold what somebody else has, nor hold up those who lack it.
//!
//! Bounds: per author, a number of snapshots and bytes; what is over them is dropped and fetched again when it is
//! needed. Only snapshots in a window of rounds above the newest quorum are offered here at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use byway_primitives::{Hash, Span, Time};

use crate::committee::{MemberBits, MemberIndex};
use crate::message::WANTED_MAX;
use crate::snapshot::Reference;
use crate::verified::VerifiedSnapshot;

/// Snapshots of one author that may wait: three times the window of rounds.
const WAITING_PER_AUTHOR_MAX: usize = 3 * crate::catch_up::WINDOW as usize;
/// Bytes of one author's snapshots that may wait.
const WAITING_BYTES_PER_AUTHOR_MAX: usize = 64 * 1024 * 1024;
/// How long a missing parent may still be on its way from its author before it is asked for.
const GRACE: Span = Span::millis(4);
/// How long the sender of one child has to answer before the sender of another is asked.
const NEXT_HOLDER_AFTER: Span = Span::millis(30);
/// Authors that are known to have what a waiting snapshot stands on, at most: of f + 1 one is honest.
const HOLDERS_MAX: usize = 17;
/// Snapshots asked for and not yet here. More are asked for as these arrive.
const ASKED_MAX: usize = 4 * WANTED_MAX;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Waiting {
    entries: BTreeMap<Reference, Entry>,
    /// Those of them that wait for nothing but their time.
    early: BTreeSet<Reference>,
    /// By parent that is not in the graph.
    children: BTreeMap<Reference, BTreeSet<Reference>>,
    /// Parents that are not here at all.
    missing: BTreeMap<Reference, Missing>,
    /// Nothing has to be asked before this time.
    next_request: Time,
    loads: BTreeMap<MemberIndex, Load>,
}

#[derive(Debug)]
struct Entry {
    snapshot: Arc<VerifiedSnapshot>,
    parents_missing: usize,
    not_before: Time,
    /// Whose snapshots stand on it.
    held_by: MemberBits,
}

#[derive(Debug)]
struct Missing {
    /// Who sent children or stands on it from further up, first come first.
    holders: Vec<MemberIndex>,
    /// How many of them were asked.
    holders_asked: usize,
    /// Requests, to holders and others.
    attempts: usize,
    /// When it has to be asked for, or asked for again.
    due: Time,
}

#[derive(Debug, Clone, Default)]
struct Load {
    count: usize,
    bytes: usize,
}

impl Waiting {
    /// How many snapshots wait.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    pub fn contains(&self, reference: &Reference) -> bool {
        self.entries.contains_key(reference)
    }

    /// A snapshot that waits. It is verified, so it can be passed on.
    pub fn get(&self, reference: &Reference) -> Option<&Arc<VerifiedSnapshot>> {
        self.entries.get(reference).map(|entry| &entry.snapshot)
    }

    /// Whether something that waits needs this snapshot.
    pub fn needs(&self, reference: &Reference) -> bool {
        self.children.contains_key(reference)
    }

    /// Keeps a snapshot until its `missing` parents are settled and `not_before` has come.
    pub fn hold(
        &mut self,
        now: Time,
        from: MemberIndex,
        snapshot: Arc<VerifiedSnapshot>,
        missing: &[Reference],
        not_before: Time,
    ) {
        let reference = snapshot.reference();
        if !self.make_room(now, &reference, snapshot.bytes().len()) {
            return;
        }
        // What stands behind something that had to be asked for will not come by itself either.
        let was_asked_for = self.missing.remove(&reference).is_some_and(|missing| missing.attempts > 0);
        let grace = if was_asked_for { Span(0) } else { GRACE };
        for parent in missing {
            self.children.entry(*parent).or_default().insert(reference);
            if !self.entries.contains_key(parent) {
                self.miss(now, *parent, from, grace);
            }
        }
        if missing.is_empty() {
            self.early.insert(reference);
        }
        let load = self.loads.entry(reference.author).or_default();
        load.count += 1;
        load.bytes += snapshot.bytes().len();
        let held_by = MemberBits::default();
        self.entries.insert(reference, Entry { snapshot, parents_missing: missing.len(), not_before, held_by });
        self.note_holder(now, reference);
    }

    /// Notes that the author of `from_above` has all that is missing below it, also where that stands below what is here.
    fn note_holder(&mut self, now: Time, from_above: Reference) {
        let mut below = vec![from_above];
        while let Some(reference) = below.pop() {
            match self.entries.get_mut(&reference) {
                Some(entry) if entry.held_by.contains(from_above.author) || entry.held_by.count() >= HOLDERS_MAX => {}
                Some(entry) => {
                    entry.held_by.insert(from_above.author);
                    below.extend(entry.snapshot.header().parents());
                }
                None if self.missing.contains_key(&reference) => self.miss(now, reference, from_above.author, GRACE),
                None => {}
            }
        }
    }

    /// A parent is in the graph now, or below its floor. Returns the snapshots that wait for nothing else.
    pub fn settle(&mut self, now: Time, parent: &Reference) -> Vec<Arc<VerifiedSnapshot>> {
        self.missing.remove(parent);
        let mut ready = Vec::new();
        for child in self.children.remove(parent).into_iter().flatten() {
            let Some(entry) = self.entries.get_mut(&child) else { continue };
            entry.parents_missing -= 1;
            match entry.parents_missing {
                0 if entry.not_before <= now => ready.extend(self.release(&child)),
                0 => drop(self.early.insert(child)),
                _ => {}
            }
        }
        ready
    }

    /// Snapshots that waited for nothing but their time, which has come, or which `trusted` authors' snapshots stand on.
    pub fn ripe(&mut self, now: Time, trusted: usize) -> Vec<Arc<VerifiedSnapshot>> {
        let is_ripe = |reference: &&Reference| {
            let is_due = self.entries.get(*reference).is_none_or(|entry| entry.not_before <= now);
            is_due || self.authors_waiting_for(reference) >= trusted
        };
        let ripe: Vec<Reference> = self.early.iter().filter(is_ripe).copied().collect();
        ripe.iter().filter_map(|reference| self.release(reference)).collect()
    }

    /// The authors of snapshots that wait for nothing but their time, and the earliest of those times.
    pub fn early(&self) -> (MemberBits, Option<Time>) {
        let early = self.early.iter().filter_map(|reference| self.entries.get(reference));
        (self.early.iter().map(|reference| reference.author).collect(), early.map(|entry| entry.not_before).min())
    }

    /// A snapshot that was released, or never held, is not accepted as things stand. What stands on it goes on waiting,
    /// and it is asked for again now and then.
    pub fn refused(&mut self, now: Time, reference: &Reference) {
        if self.children.contains_key(reference) {
            self.miss(now, *reference, reference.author, GRACE);
        }
    }

    /// Forgets what is below `floor`, and returns what is free of missing parents thereby.
    pub fn raise_floor(&mut self, now: Time, floor: u64) -> Vec<Arc<VerifiedSnapshot>> {
        let lowest = Reference { round: floor, author: MemberIndex(0), hash: Hash::ZERO };
        let old: Vec<Reference> = self.entries.range(..lowest).map(|(reference, _)| *reference).collect();
        old.iter().for_each(|reference| drop(self.release(reference)));
        let settled: Vec<Reference> = self.children.range(..lowest).map(|(parent, _)| *parent).collect();
        settled.iter().flat_map(|parent| self.settle(now, parent)).collect()
    }

    /// What to ask of whom now. `connected` are the peers that can be asked.
    pub fn requests(
        &mut self,
        now: Time,
        timeout: Span,
        connected: &[MemberIndex],
    ) -> BTreeMap<MemberIndex, Vec<Reference>> {
        let mut requests: BTreeMap<MemberIndex, Vec<Reference>> = BTreeMap::new();
        if connected.is_empty() || now < self.next_request {
            return requests;
        }
        for (reference, missing) in self.missing.iter_mut().take(ASKED_MAX) {
            if now < missing.due {
                continue;
            }
            let holder = missing.holders.get(missing.holders_asked).filter(|holder| connected.contains(holder));
            let turn = usize::from(reference.author.0) + missing.attempts;
            let peer = holder.copied().unwrap_or(connected[turn % connected.len()]);
            let wanted = requests.entry(peer).or_default();
            if wanted.len() < WANTED_MAX {
                wanted.push(*reference);
                missing.attempts += 1;
                missing.holders_asked = missing.holders.len().min(missing.holders_asked + 1);
                let has_other_holder = missing.holders_asked < missing.holders.len();
                missing.due = now + if has_other_holder { NEXT_HOLDER_AFTER } else { timeout };
            }
        }
        let due = self.missing.values().take(ASKED_MAX).map(|missing| missing.due);
        self.next_request = due.min().unwrap_or(Time::ZERO);
        requests
    }

    /// When something has to be asked, or asked again.
    pub fn next_request(&self) -> Option<Time> {
        (!self.missing.is_empty()).then_some(self.next_request)
    }

    /// Notes that `from` has a parent that is not here, as it sent a child or signed what stands on it. The parent's own author is no holder: had it wanted
    /// to show it, it would be here or on its way.
    fn miss(&mut self, now: Time, parent: Reference, from: MemberIndex, grace: Span) {
        let new = || Missing { holders: Vec::new(), holders_asked: 0, attempts: 0, due: now + NEXT_HOLDER_AFTER };
        let missing = self.missing.entry(parent).or_insert_with(new);
        if from != parent.author && !missing.holders.contains(&from) {
            missing.holders.push(from);
            let delay = match (missing.holders_asked, missing.attempts) {
                (0, 0) => grace,
                // Asked for, but of nobody who is known to have it.
                (0, _) => Span(0),
                _ => NEXT_HOLDER_AFTER,
            };
            missing.due = missing.due.min(now + delay);
        }
        self.next_request = self.next_request.min(missing.due);
    }

    fn authors_waiting_for(&self, reference: &Reference) -> usize {
        let children = self.children.get(reference).into_iter().flatten();
        children.map(|child| child.author).collect::<MemberBits>().count()
    }

    fn release(&mut self, reference: &Reference) -> Option<Arc<VerifiedSnapshot>> {
        let entry = self.entries.remove(reference)?;
        self.early.remove(reference);
        let load = self.loads.entry(reference.author).or_default();
        load.count -= 1;
        load.bytes -= entry.snapshot.bytes().len();
        Some(entry.snapshot)
    }

    /// Whether there is room for another snapshot of this author, after one of its newer ones made way for an older.
    fn make_room(&mut self, now: Time, reference: &Reference, bytes: usize) -> bool {
        loop {
            let load = self.loads.entry(reference.author).or_default();
            if load.count < WAITING_PER_AUTHOR_MAX && load.bytes + bytes <= WAITING_BYTES_PER_AUTHOR_MAX {
                return true;
            }
            let newest = self.entries.keys().rev().find(|entry| entry.author == reference.author).copied();
            match newest.filter(|newest| newest > reference) {
                Some(newest) => self.evict(now, newest),
                None => return false,
            }
        }
    }

    /// Drops a snapshot as if it had never come.
    fn evict(&mut self, now: Time, reference: Reference) {
        let Some(snapshot) = self.release(&reference) else { return };
        for parent in snapshot.header().parents() {
            let Some(children) = self.children.get_mut(&parent) else { continue };
            children.remove(&reference);
            if children.is_empty() {
                self.children.remove(&parent);
                self.missing.remove(&parent);
            }
        }
        self.refused(now, &reference);
    }
}

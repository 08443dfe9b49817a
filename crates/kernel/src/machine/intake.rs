//! From a verified snapshot to a vertex of the graph.

use std::sync::Arc;

use byway_primitives::Time;

use super::Kernel;
use crate::archive;
use crate::catch_up::WINDOW;
use crate::committee::MemberIndex;
use crate::graph::Inserted;
use crate::news::{Equivocation, Fatal, News};
use crate::outdated::is_outdated;
use crate::snapshot::Reference;
use crate::verified::VerifiedSnapshot;

impl Kernel {
    /// Accepts a snapshot that a peer sent, or keeps it until it can be.
    pub(super) fn receive(&mut self, now: Time, from: MemberIndex, snapshot: Arc<VerifiedSnapshot>) {
        if self.halted.is_some() {
            return;
        }
        let reference = snapshot.reference();
        if !self.committee.has_round(reference.round) || self.is_stepping() {
            // Verified in time and delivered late: its epoch is over.
            return;
        }
        self.catch_up.reached(reference.author, reference.round.saturating_sub(1));
        self.adopt_pending_if_seen(now, &snapshot);
        let is_known = self.graph.is_settled(&reference) || self.waiting.contains(&reference);
        if is_known || reference.round > self.graph.quorum_round() + WINDOW {
            return;
        }
        if Some(reference.author) == self.me && self.recovery.is_none() && reference.round >= self.own.not_before {
            // Everything that this node signed above the floor is here; this it did not sign, or has forgotten.
            let is_forgotten = !self.own.has_signed && self.own.last.is_none_or(|last| last.round < reference.round);
            if !is_forgotten {
                return self.halt(Fatal::OwnHistory { round: reference.round });
            }
            self.begin_recovery();
        }
        // A third snapshot for a round proves nothing new, and is taken only if something stands on it.
        let is_surplus = self.graph.slot(reference.round, reference.author).len() > 1;
        if is_surplus && !self.waiting.needs(&reference) {
            return;
        }
        let parents = snapshot.header().parents();
        let missing: Vec<Reference> = parents.filter(|parent| !self.graph.is_settled(parent)).collect();
        let not_before = snapshot.header().time - self.config.clock_ahead_max;
        if missing.is_empty() && not_before <= now {
            self.accept(now, snapshot);
        } else {
            self.waiting.hold(now, from, snapshot, &missing, not_before);
            self.report_clock(now);
        }
    }

    /// Puts a snapshot whose parents are settled into the graph, and after it whatever waited for it alone. What is
    /// [outdated](is_outdated) is let go.
    pub(super) fn accept(&mut self, now: Time, snapshot: Arc<VerifiedSnapshot>) {
        let mut ready = vec![snapshot];
        while let Some(snapshot) = ready.pop() {
            if !snapshot.transactions().is_empty() && is_outdated(&self.graph, snapshot.header()) {
                self.waiting.refused(now, &snapshot.reference());
                continue;
            }
            archive::put_snapshot(&snapshot, &mut self.outbox.batch);
            ready.extend(self.insert(now, snapshot));
        }
    }

    /// The own snapshot is durable: it exists from now on.
    pub(super) fn adopt_pending(&mut self, now: Time) {
        let Some((_, snapshot)) = self.own.pending.take() else { return };
        self.own.durable = Some(snapshot.bytes().clone());
        if !snapshot.transactions().is_empty() {
            self.not_included.insert(snapshot.reference());
        }
        let reference = snapshot.reference();
        let ready = self.insert(now, snapshot);
        self.graph.cover_history(reference);
        ready.into_iter().for_each(|snapshot| self.accept(now, snapshot));
    }

    pub(super) fn count_votes(&mut self, now: Time, snapshot: &VerifiedSnapshot) {
        let author = snapshot.header().author;
        let Some(key) = self.committee.key(author) else { return };
        for vote in &snapshot.header().votes {
            let outcome = self.votes.count(author, key, vote, Some(snapshot.reference()));
            self.on_certified(outcome);
        }
        self.accuse_voters(now);
    }

    /// A peer can build on our snapshot only when it was sent, hence durable, even if we hear of that later.
    fn adopt_pending_if_seen(&mut self, now: Time, child: &VerifiedSnapshot) {
        let Some((_, pending)) = &self.own.pending else { return };
        let own = pending.reference();
        if child.reference() == own || child.header().parents().any(|parent| parent == own) {
            self.adopt_pending(now);
        }
    }

    /// Adds a vertex; returns what waited for it alone.
    fn insert(&mut self, now: Time, snapshot: Arc<VerifiedSnapshot>) -> Vec<Arc<VerifiedSnapshot>> {
        let reference = snapshot.reference();
        let quorum_before = self.graph.quorum_round();
        match self.graph.insert(snapshot.clone()) {
            Inserted::Known => return Vec::new(),
            Inserted::First => {}
            Inserted::Second { first } => {
                self.accuse_equivocator(now, &first, &snapshot);
                self.notify(News::Equivocation(Box::new(Equivocation { first, second: snapshot.clone() })));
            }
        }
        if Some(reference.author) == self.me && reference.round < self.own.not_before {
            self.remember_own(&snapshot);
        }
        let quorum_round = self.graph.quorum_round();
        if quorum_round > quorum_before {
            self.pace.on_quorum(now, quorum_round);
        }
        if self.committer.awaited(reference.round).any(|leader| leader == reference.author) {
            self.pace.on_leader(now, reference.author, reference.round, quorum_round);
        }
        self.count_votes(now, &snapshot);
        self.report_included(&snapshot);
        self.waiting.settle(now, &reference)
    }

    fn report_included(&mut self, child: &VerifiedSnapshot) {
        if self.not_included.is_empty() {
            return;
        }
        for parent in child.header().parents() {
            let built_on_by = self.graph.get(&parent).map_or(0, |vertex| vertex.built_on_by.count());
            if built_on_by >= self.committee.quorum() && self.not_included.remove(&parent) {
                let vertex = self.graph.get(&parent).expect("its children were just counted");
                let included = vertex.snapshot.transactions().iter().map(|transaction| transaction.id()).collect();
                self.notify(News::Included(included));
            }
        }
    }

    fn report_clock(&mut self, now: Time) {
        let (authors, earliest) = self.waiting.early();
        let Some(earliest) = earliest.filter(|_| authors.count() > self.committee.faults_tolerated()) else { return };
        if !self.is_clock_reported {
            self.is_clock_reported = true;
            self.notify(News::ClockBehind { seen: earliest + self.config.clock_ahead_max, own: now });
        }
    }
}

#[cfg(test)]
mod tests;

//! From what the store holds back to a machine that goes on.
//!
//! The ledger opens itself. What is in the graph above the floor is read and verified again, what of it was committed is
//! marked so, and own transactions without a verdict are taken up. A node that was [stepping](super::stepping) has no use
//! for the graph of its epoch, and goes on stepping.

use std::collections::BTreeSet;

use byway_primitives::{Store, Time};
use byway_records::Height;

use super::suspecting::Suspecting;
use super::{Kernel, Verify, provable};
use crate::archive;
use crate::news::OpenError;
use crate::snapshot::Reference;

impl Kernel {
    /// Picks up where the store left off.
    pub(super) fn resume(&mut self, now: Time, store: &dyn Store, verify: Verify<'_>) -> Result<(), OpenError> {
        self.begin_pruning(now);
        let own_last = archive::stored_own_last(store)?;
        if (own_last.is_none() && !archive::is_new(store)) || archive::is_restored(store) {
            self.begin_recovery();
        }
        if archive::is_stepping(store) {
            self.resume_stepping();
            if let Some(last) = own_last.filter(|last| self.committee.has_round(last.round)) {
                let committee = self.committee.clone();
                self.resume_undecided(now, &committee, last.round, store, verify)?;
            }
            self.resume_votes(now, store);
            return Ok(());
        }
        let committed = self.resume_commits(store)?;
        for (reference, bytes) in archive::stored_from(store, self.graph.floor()) {
            let snapshot = verify(&self.committee, bytes).map_err(|_| OpenError::Snapshot(reference.round))?;
            if snapshot.reference() != reference {
                return Err(OpenError::Snapshot(reference.round));
            }
            self.graph.insert(snapshot.clone());
            self.catch_up.reached(reference.author, reference.round);
            if committed.contains(&reference) {
                self.graph.mark_committed(&reference);
            }
        }
        self.pace.on_quorum(now, self.graph.quorum_round());
        self.resume_own(now, own_last, store, verify)?;
        self.resume_abandoned(now, store, verify)?;
        self.resume_votes(now, store);
        Ok(())
    }

    /// The commits within the horizon: what they took must not be committed again.
    fn resume_commits(&mut self, store: &dyn Store) -> Result<BTreeSet<Reference>, OpenError> {
        let mut committed = BTreeSet::new();
        let last = self.ledger.commits();
        if last == 0 {
            return Ok(committed);
        }
        if archive::stored_epoch(store, self.committee.epoch()).is_some_and(|record| record.after_commit == last) {
            // It closed the epoch before.
            return Ok(committed);
        }
        let record = archive::stored_commit(store, last).ok_or(OpenError::Commit(last))?;
        self.committer.resume_after(&record.leader);
        let floor = record.leader.round.saturating_sub(self.round_horizon).max(self.graph.floor());
        self.graph.raise_floor(floor, None);
        // What earlier epochs committed is below the floor, and may be deleted.
        let first = archive::stored_epoch(store, self.committee.epoch()).map_or(1, |record| record.after_commit + 1);
        for index in (first..=last).rev() {
            let record = archive::stored_commit(store, index).ok_or(OpenError::Commit(index))?;
            if record.leader.round < floor {
                break;
            }
            committed.extend(record.snapshots);
        }
        Ok(committed)
    }

    fn resume_own(
        &mut self,
        now: Time,
        last: Option<Reference>,
        store: &dyn Store,
        verify: Verify<'_>,
    ) -> Result<(), OpenError> {
        let Some(last) = last.filter(|last| self.committee.has_round(last.round)) else { return Ok(()) };
        let bytes = archive::stored_snapshot(store, &last).ok_or(OpenError::Own)?;
        let snapshot = verify(&self.committee, bytes.clone()).map_err(|_| OpenError::Own)?;
        self.own.last = Some(last);
        self.own.last_time = snapshot.header().time;
        self.own.durable = Some(bytes);
        // Let the others say first where they are.
        self.own.made_at = Some(now);
        self.graph.cover_history(last);
        for round in self.graph.floor()..=last.round {
            for vertex in self.graph.slot(round, last.author).iter().filter(|vertex| !vertex.is_committed) {
                vertex.snapshot.transactions().iter().for_each(|own| self.pool.in_flight(now, own));
            }
        }
        Ok(())
    }

    fn resume_votes(&mut self, now: Time, store: &dyn Store) {
        let executed = self.ledger.last_checkpoint().map_or(Height::GENESIS, |checkpoint| checkpoint.height);
        self.votes.resume(executed);
        self.provable = provable::Provable::resume(executed, self.ledger.provable_state(), store);
        self.named = executed;
        self.suspecting = Suspecting::new(executed.next());
        for height in archive::stored_uncertified(store) {
            if let Some(checkpoint) = byway_ledger::stored_checkpoint(store, height) {
                let outcome = self.votes.execute(checkpoint);
                debug_assert!(matches!(outcome, Ok(None)), "nobody's vote has been counted yet");
            }
        }
        let accepted: Vec<_> = (self.graph.floor()..=self.graph.highest_round())
            .flat_map(|round| self.graph.round(round))
            .filter(|vertex| !vertex.snapshot.header().votes.is_empty())
            .map(|vertex| vertex.snapshot.clone())
            .collect();
        accepted.iter().for_each(|snapshot| self.count_votes(now, snapshot));
    }
}

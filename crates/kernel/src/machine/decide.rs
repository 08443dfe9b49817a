//! Commits and their execution.

use std::sync::Arc;

use byway_ledger::Commit;
use byway_primitives::{Effect, Store, Time};
use byway_records::{Certificate, Height, TransactionId};

use super::Kernel;
use crate::archive::{self, CommitRecord};
use crate::commit::{commit_time, linearise};
use crate::news::{Committed, Fatal, News};
use crate::overlay::Overlay;
use crate::snapshot::Reference;

impl Kernel {
    /// Executes every commit that the graph decides.
    pub(super) fn commit(&mut self, now: Time, store: &dyn Store) {
        // The overlay shows what this input has written; a single commit, which is the usual case, need not copy that.
        let (mut overlay, mut shown) = (self.unwritten(store), None);
        while self.halted.is_none()
            && !self.is_stepping()
            && let Some(leader) = self.committer.next_leader(&mut self.graph)
        {
            let written = self.outbox.batch.writes.len();
            if let Some(shown) = shown.replace(written) {
                overlay.absorb(&self.outbox.batch.writes[shown..]);
            }
            self.execute(now, leader, &overlay);
            if self.committee.has_round(leader.round) {
                self.raise_floor(now, leader.round.saturating_sub(self.round_horizon));
            }
        }
        for reference in self.committer.take_evidence() {
            if let Some(vertex) = self.graph.get(&reference) {
                let snapshot = vertex.snapshot.clone();
                self.accuse_false_sharer(now, &snapshot);
                self.notify(News::FalseCoinShare(snapshot));
            }
        }
    }

    /// The store with what earlier inputs wrote and nobody has carried out yet. Nothing as a rule; but whoever gives the
    /// machine several inputs first must not make it execute a transaction twice, on top of a ledger that lacks it.
    pub(super) fn unwritten<'a>(&self, store: &'a dyn Store) -> Overlay<'a> {
        let mut overlay = Overlay::new(store);
        for effect in &self.outbox.effects {
            if let Effect::Persist { batch, .. } = effect {
                overlay.absorb(&batch.writes);
            }
        }
        overlay
    }

    /// Says that a checkpoint is certified, or stops if it is another than was executed here.
    pub(super) fn on_certified(&mut self, outcome: Result<Option<Certificate>, Fatal>) {
        match outcome {
            Ok(None) => {}
            Ok(Some(certificate)) => {
                archive::put_certificate(&certificate, &mut self.outbox.batch);
                self.provable.certified(&certificate);
                self.notify(News::Certified(Arc::new(certificate)));
            }
            Err(fatal) => self.halt(fatal),
        }
    }

    fn execute(&mut self, now: Time, leader: Reference, store: &dyn Store) {
        let vertex = self.graph.get(&leader).expect("a committed leader is in the graph");
        let snapshot = vertex.snapshot.clone();
        let time = commit_time(&self.graph, &snapshot, self.ledger.time());
        let snapshots = linearise(&mut self.graph, leader, leader.round.saturating_sub(self.round_horizon));
        let index = self.ledger.commits() + 1;
        let transactions = snapshots.iter().flat_map(|snapshot| snapshot.transactions()).collect();
        let executed = self.ledger.execute(&Commit { index, time, transactions }, store);
        self.outbox.batch.append(executed.batch);
        let next = self.ledger.last_checkpoint().map_or(Height::GENESIS, |last| last.height).next();
        let height = executed.checkpoint.as_ref().map_or(next, |new| new.checkpoint.height);
        self.suspect(now, &snapshots, &executed.verdicts, height, store);
        let references: Vec<Reference> = snapshots.iter().map(|snapshot| snapshot.reference()).collect();
        for reference in &references {
            self.not_included.remove(reference);
        }
        for (id, _) in &executed.verdicts {
            self.on_verdict(now, id);
        }
        self.recent.on_commit(now, index, time, leader, executed.verdicts.len());
        let record = CommitRecord { leader, time, snapshots: references };
        archive::put_commit(index, &record, &mut self.outbox.batch);
        let snapshots = record.snapshots;
        self.notify(News::Committed(Committed { index, time, leader, snapshots, verdicts: executed.verdicts }));
        if let Some(new) = executed.checkpoint {
            let (height, epoch) = (new.checkpoint.height, new.epoch.clone());
            archive::put_uncertified(height, &mut self.outbox.batch);
            self.provable.executed(height, self.ledger.provable_state());
            let outcome = self.votes.execute(new.checkpoint);
            self.notify(News::Checkpoint(Box::new(new)));
            self.on_certified(outcome);
            if let Some(epoch) = epoch {
                return self.turn(now, epoch, height);
            }
        }
        self.recovery_is_over(leader.round);
    }

    /// A transaction has its verdict.
    pub(super) fn on_verdict(&mut self, now: Time, id: &TransactionId) {
        self.heard_verdict(id);
        if let Some(took) = self.pool.decided(now, id) {
            self.recent.on_own_verdict(took);
        }
    }

    /// Lets go of what can't be committed any more; own transactions in it get another snapshot.
    fn raise_floor(&mut self, now: Time, floor: u64) {
        for snapshot in self.graph.raise_floor(floor, self.me) {
            self.not_included.remove(&snapshot.reference());
            self.pool.restore(snapshot.transactions());
        }
        for snapshot in self.waiting.raise_floor(now, floor) {
            self.accept(now, snapshot);
        }
    }
}

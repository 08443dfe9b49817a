//! Commits and their execution.

use std::sync::Arc;

use byway_ledger::{Commit, NewCheckpoint};
use byway_primitives::{Effect, Store, Time};
use byway_records::{Certificate, Height, TransactionId};

use super::Kernel;
use crate::archive::{self, CommitRecord};
use crate::commit::{commit_time, linearise};
use crate::news::{Committed, Fatal, News};
use crate::overlay::Overlay;
use crate::snapshot::Reference;
use crate::verified::VerifiedSnapshot;

/// What a leader commits and is not executed yet.
struct Rest {
    leader: Reference,
    time: Time,
    /// All of it, in the order of execution.
    snapshots: Vec<Arc<VerifiedSnapshot>>,
    /// Transactions executed.
    done: usize,
}

/// A transaction's snapshot and its position there.
pub(super) type Place<'a> = (&'a Arc<VerifiedSnapshot>, usize);

impl Kernel {
    /// Executes everything that the graph decides.
    pub(super) fn commit(&mut self, now: Time, store: &dyn Store) {
        // The overlay shows what this input has written; a single commit, which is the usual case, need not copy that.
        let (mut overlay, mut shown) = (self.unwritten(store), None);
        while self.halted.is_none()
            && !self.is_stepping()
            && let Some(leader) = self.committer.next_leader(&mut self.graph)
        {
            let mut rest = Some(self.committed_by(leader));
            while let Some(part) = rest.take() {
                let written = self.outbox.batch.writes.len();
                if let Some(shown) = shown.replace(written) {
                    overlay.absorb(&self.outbox.batch.writes[shown..]);
                }
                rest = self.execute(now, part, &overlay);
            }
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

    /// All that a leader commits.
    fn committed_by(&mut self, leader: Reference) -> Rest {
        let vertex = self.graph.get(&leader).expect("a committed leader is in the graph");
        let snapshot = vertex.snapshot.clone();
        let time = commit_time(&self.graph, &snapshot, self.ledger.time());
        let snapshots = linearise(&mut self.graph, leader, leader.round.saturating_sub(self.round_horizon));
        Rest { leader, time, snapshots, done: 0 }
    }

    /// Executes the next commit of what a leader commits: all that is left, as a rule, or as much as a checkpoint has room
    /// for. Gives what is left then.
    fn execute(&mut self, now: Time, mut part: Rest, store: &dyn Store) -> Option<Rest> {
        let (leader, time, index) = (part.leader, part.time, self.ledger.commits() + 1);
        let places: Vec<_> = part.places().skip(part.done).collect();
        let transactions = places.iter().map(|(snapshot, position)| &snapshot.transactions()[*position]).collect();
        let executed = self.ledger.execute(&Commit { index, time, transactions }, store);
        self.outbox.batch.append(executed.batch);
        let next = self.ledger.last_checkpoint().map_or(Height::GENESIS, |last| last.height).next();
        let height = executed.checkpoint.as_ref().map_or(next, |new| new.checkpoint.height);
        self.suspect(now, &places, &executed.verdicts, height, store);
        let is_last = executed.verdicts.len() == places.len();
        let references = part.take(executed.verdicts.len(), is_last);
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
        let has_turned = executed.checkpoint.is_some_and(|new| self.on_checkpoint(now, new));
        if is_last && !has_turned {
            self.recovery_is_over(leader.round);
        }
        (!is_last && self.halted.is_none()).then_some(part)
    }

    /// A checkpoint was made here. Whether it ends the epoch.
    fn on_checkpoint(&mut self, now: Time, new: NewCheckpoint) -> bool {
        let (height, epoch) = (new.checkpoint.height, new.epoch.clone());
        archive::put_uncertified(height, &mut self.outbox.batch);
        self.provable.executed(height, self.ledger.provable_state());
        let outcome = self.votes.execute(new.checkpoint);
        self.notify(News::Checkpoint(Box::new(new)));
        self.on_certified(outcome);
        let has_turned = epoch.is_some();
        if let Some(epoch) = epoch {
            self.turn(now, epoch, height);
        }
        has_turned
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

impl Rest {
    /// Where the transactions are, executed or not, in order.
    fn places(&self) -> impl Iterator<Item = Place<'_>> {
        let positions = |snapshot: &VerifiedSnapshot| 0..snapshot.transactions().len();
        self.snapshots.iter().flat_map(move |snapshot| positions(snapshot).map(move |position| (snapshot, position)))
    }

    /// Notes that the next `count` transactions are executed, and gives the snapshots that they are from.
    fn take(&mut self, count: usize, is_last: bool) -> Vec<Reference> {
        let (from, until) = (self.done, self.done + count);
        self.done = until;
        let counts = self.snapshots.iter().map(|snapshot| snapshot.transactions().len());
        let places = holding(counts, from, if is_last { None } else { Some(until) });
        places.into_iter().map(|place| self.snapshots[place].reference()).collect()
    }
}

/// Which of the snapshots with so many transactions each hold those from number `from` on: until number `until`, or all
/// that are left. One that is cut belongs to both sides; one without any goes with what comes after it.
fn holding(counts: impl Iterator<Item = usize>, from: usize, until: Option<usize>) -> Vec<usize> {
    let mut end = 0;
    let places = counts.enumerate().filter(|(_, count)| {
        let begin = end;
        end += count;
        (begin >= from || end > from) && until.is_none_or(|until| begin < until)
    });
    places.map(|(place, _)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::holding;

    /// The snapshots of each part, as the cuts come after so many transactions.
    fn parts(counts: &[usize], cuts: &[usize]) -> Vec<Vec<usize>> {
        let begins = [0].iter().chain(cuts).copied();
        let ends = cuts.iter().copied().map(Some).chain([None]);
        begins.zip(ends).map(|(from, until)| holding(counts.iter().copied(), from, until)).collect()
    }

    #[test]
    fn every_snapshot_is_in_a_part_and_one_that_is_cut_in_two() {
        for (counts, cuts, expected) in [
            (&[3, 0, 2][..], &[][..], vec![vec![0, 1, 2]]),
            (&[], &[], vec![vec![]]),
            (&[0, 0], &[], vec![vec![0, 1]]),
            (&[3, 0, 2], &[2], vec![vec![0], vec![0, 1, 2]]),
            (&[3, 0, 2], &[3], vec![vec![0], vec![1, 2]]),
            (&[0, 3, 0, 2, 0], &[4], vec![vec![0, 1, 2, 3], vec![3, 4]]),
            (&[5], &[1, 4], vec![vec![0], vec![0], vec![0]]),
            (&[1, 1, 1], &[1, 2], vec![vec![0], vec![1], vec![2]]),
        ] {
            assert_eq!(parts(counts, cuts), expected, "{counts:?} cut after {cuts:?}");
        }
    }
}

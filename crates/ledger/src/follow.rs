//! Moving on to a certified checkpoint without executing what led there.
//!
//! A kernel node that was away while others let go of old snapshots can't execute them any more. What every node keeps
//! is what followers are given: per checkpoint its scan data, and what changed in the programs. That is enough. The scan
//! data holds every output made and spent, and every verdict in the order of execution; so a ledger moved on by it and
//! one that executed the commits hold the same outputs, the same range, the same state, and give the same verdicts from
//! then on. They differ in one thing that no rule depends on: which commit a transaction was decided in is known only to
//! who executed it, and here it is the checkpoint's last.
//!
//! **Nothing is believed.** The caller has seen q(n) signatures on the checkpoint. Scan data and changes are what it was
//! certified for or they are refused; outputs, range and state that come of them are compared with it as well, which
//! finds damage to this ledger rather than lies.
//!
//! **In the middle.** A ledger that executed some commits since its last checkpoint holds a part of the next one. That
//! part is a prefix of its scan data, which is skipped, and the programs go back to their last checkpoint first.

use byway_crypto::multiset::MultisetHash;
use byway_primitives::{Batch, Encode, Hash, Store};
use byway_records::scan::{ScanData, ScanTransaction};
use byway_records::{Checkpoint, Epoch, Height, OutputId, Reject, TransactionId};

use crate::difference::{DifferenceError, ProgramDifference};
use crate::execute::put_outputs_sum;
use crate::kept::Kept;
use crate::ledger::{Ledger, NewCheckpoint, Verdict};
use crate::programs::system;
use crate::range::TransactionRange;
use crate::stored::{CHANGES, CHECKPOINTS, Outcome, SCAN, TransactionRecord, height_key, scan_key};

/// What moving on gives.
#[derive(Debug, Clone)]
pub struct Followed {
    /// Every verdict that the checkpoint adds to what was executed here: finals first, each in the order of execution.
    pub verdicts: Vec<(TransactionId, Verdict)>,
    /// Everything that the ledger needs to reopen at the checkpoint.
    pub batch: Batch,
    pub checkpoint: NewCheckpoint,
}

/// Why a ledger can't move on so. It is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    #[error("the checkpoint is not the next one after {0}")]
    Next(Height),
    #[error("the scan data is not the certified one")]
    Scan,
    #[error("the programs' changes don't lead to the certified state: {0}")]
    State(#[from] DifferenceError),
    #[error("what this ledger holds does not lead to checkpoint {0}: it is damaged, or executed something else")]
    Divergence(Height),
}

/// Scan data that this ledger has not got yet.
struct Rest<'a> {
    finals: &'a [ScanTransaction],
    rejected: &'a [(TransactionId, Reject)],
}

impl Ledger {
    /// Moves on to the next checkpoint, which is certified.
    ///
    /// `store` must show the batches of all that was done before, `differences` be those of all programs in order.
    ///
    /// # Errors
    /// The ledger is then as it was. [`FollowError::Scan`] and [`FollowError::State`] are the fault of who gave the step,
    /// or damage to this ledger's state.
    pub fn follow(
        &mut self,
        checkpoint: &Checkpoint,
        differences: &[ProgramDifference],
        scan: ScanData,
        store: &dyn Store,
    ) -> Result<Followed, FollowError> {
        let last = self.last_checkpoint().map_or(Height::GENESIS, |last| last.height);
        let is_next = checkpoint.height == last.next()
            && checkpoint.previous == self.last_digest()
            && checkpoint.commits > self.commits()
            && checkpoint.time >= self.time();
        if !is_next {
            return Err(FollowError::Next(last));
        }
        if scan.root() != checkpoint.scan_root {
            return Err(FollowError::Scan);
        }
        let rest = self.rest(&scan).ok_or(FollowError::Divergence(checkpoint.height))?;
        let mut batch = Batch::new();
        let (outputs, range) =
            self.replay(checkpoint, &rest, store, &mut batch).ok_or(FollowError::Divergence(checkpoint.height))?;
        self.programs.follow(differences, checkpoint.state_root)?;
        let verdicts = verdicts(&rest);
        put_scan(checkpoint, &rest, &mut batch);
        let epoch = self.take_up(checkpoint, outputs, range, &mut batch);
        let changes = self.programs.take_changes(&mut batch);
        batch.put(CHECKPOINTS, height_key(checkpoint.height), checkpoint.to_bytes());
        batch.put(CHANGES, height_key(checkpoint.height), changes.to_bytes());
        self.head().write(&mut batch);
        Ok(Followed { verdicts, batch, checkpoint: NewCheckpoint { checkpoint: *checkpoint, scan, changes, epoch } })
    }

    /// The part of a checkpoint's scan data that was not executed here; `None` if something else was.
    fn rest<'a>(&self, scan: &'a ScanData) -> Option<Rest<'a>> {
        Some(Rest {
            finals: scan.finals.strip_prefix(self.pending.finals.as_slice())?,
            rejected: scan.rejected.strip_prefix(self.pending.rejected.as_slice())?,
        })
    }

    /// Makes and spends outputs as the scan data says; `None` where that does not give the certified set and range.
    fn replay(
        &self,
        checkpoint: &Checkpoint,
        rest: &Rest<'_>,
        store: &dyn Store,
        batch: &mut Batch,
    ) -> Option<(MultisetHash, TransactionRange)> {
        let (mut kept, mut range, mut outputs) = (Kept::new(store), self.range.clone(), self.outputs.clone());
        let record = |outcome| TransactionRecord { outcome, commit: checkpoint.commits, height: checkpoint.height };
        for transaction in rest.finals {
            if kept.has_verdict(transaction.id) {
                return None;
            }
            for spent in &transaction.spent {
                kept.look_up(*spent);
                kept.unspent(*spent)?;
                kept.spend(*spent);
            }
            for (index, output) in (0u32..).zip(&transaction.outputs) {
                kept.make(OutputId { transaction: transaction.id, index }, output);
            }
            let position = range.append(transaction.id, batch);
            kept.decide(transaction.id, record(Outcome::Final { position }));
        }
        for (id, reject) in rest.rejected {
            if kept.has_verdict(*id) {
                return None;
            }
            kept.decide(*id, record(Outcome::Rejected(*reject)));
        }
        range.write(&rest.finals.iter().map(|transaction| transaction.id).collect::<Vec<_>>(), batch);
        if kept.finish(&mut outputs, batch) {
            put_outputs_sum(&outputs, batch);
        }
        let is_certified = outputs.digest() == checkpoint.outputs_digest
            && (range.count(), range.root()) == (checkpoint.transactions, checkpoint.transactions_root);
        is_certified.then_some((outputs, range))
    }

    /// Stands at the checkpoint from now on. Gives the epoch that it begins, if it does.
    fn take_up(
        &mut self,
        checkpoint: &Checkpoint,
        outputs: MultisetHash,
        range: TransactionRange,
        batch: &mut Batch,
    ) -> Option<Epoch> {
        self.state_root = self.programs.finish_commit(batch);
        (self.outputs, self.outputs_digest, self.range) = (outputs, checkpoint.outputs_digest, range);
        (self.commits, self.time) = (checkpoint.commits, checkpoint.time);
        (self.content_since, self.pending_digest) = (None, Hash::ZERO);
        (self.pending, self.pending_bytes) = (ScanData::default(), 0);
        self.last = Some(*checkpoint);
        let epoch = system::epoch(&self.programs.view()).expect("the certified state holds one");
        let has_turned = epoch != self.epoch;
        self.epoch = epoch.clone();
        has_turned.then_some(epoch)
    }
}

fn verdicts(rest: &Rest<'_>) -> Vec<(TransactionId, Verdict)> {
    let finals = rest.finals.iter().map(|transaction| (transaction.id, Verdict::Final));
    finals.chain(rest.rejected.iter().map(|(id, reject)| (*id, Verdict::Rejected(*reject)))).collect()
}

/// Scan data is kept by commit; all of this goes under the checkpoint's last.
fn put_scan(checkpoint: &Checkpoint, rest: &Rest<'_>, batch: &mut Batch) {
    if rest.finals.is_empty() && rest.rejected.is_empty() {
        return;
    }
    let part = ScanData { time: checkpoint.time, finals: rest.finals.to_vec(), rejected: rest.rejected.to_vec() };
    batch.put(SCAN, scan_key(checkpoint.height, checkpoint.commits), part.to_bytes());
}

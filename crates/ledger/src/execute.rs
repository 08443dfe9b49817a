//! Executing a commit, and ending it with a checkpoint where one is due.

use byway_crypto::multiset::MultisetHash;
use byway_primitives::{Batch, Encode, Hash, Store};
use byway_records::scan::{ScanData, ScanTransaction};
use byway_records::{Checkpoint, Epoch, Height, OutputId, Reject, TransactionId, VerifiedTransaction};

use crate::content;
use crate::judge::{Refused, judge};
use crate::kept::Kept;
use crate::ledger::{Commit, Executed, Ledger, NewCheckpoint, Verdict};
use crate::programs::{Moment, channels, holders, kernel_nodes, names, offers, system};
use crate::range::TransactionRange;
use crate::state::Programs;
use crate::stored::{
    CHANGES, CHECKPOINTS, Head, LEDGER, OUTPUTS_SUM_KEY, Outcome, SCAN, TransactionRecord, chain_pending, height_key,
    scan_key,
};

/// A commit being executed: the parts of the ledger that transactions change, and what they have changed so far.
struct Execution<'a, 'l> {
    programs: &'l mut Programs,
    range: &'l mut TransactionRange,
    kept: Kept<'a>,
    now: Moment<'l>,
    height: Height,
    /// Final transactions of this commit, in order; the range has them already, the batch not yet.
    finals: Vec<TransactionId>,
    scan: ScanData,
    /// Of this commit's scan data and of those before it since the last checkpoint.
    scan_bytes: u64,
    batch: Batch,
}

impl Ledger {
    /// Executes the next commit, as far as the checkpoint has [room](crate::content) for it: one that is full ends the commit
    /// at once, and the transactions after that are the next commit's.
    ///
    /// `store` must show the batches of all commits before this one. The same commits give the same verdicts, batches
    /// and checkpoints on every node.
    ///
    /// # Panics
    /// If the commit is not the next one or lies before the last in time: the kernel orders commits so.
    pub fn execute(&mut self, commit: &Commit<'_>, store: &dyn Store) -> Executed {
        assert_eq!(commit.index, self.commits + 1, "commits are executed one after the other");
        assert!(commit.time >= self.time, "the ledger's time never goes back");
        (self.commits, self.time) = (commit.index, commit.time);
        let height = self.next_height();
        let now = Moment {
            time: commit.time,
            commit: commit.index,
            height,
            network: self.network,
            parameters: &self.parameters,
            members_min: self.members_min,
            forced_gas: 0,
        };
        let room = self.parameters.checkpoint_bytes;
        let mut execution = Execution {
            programs: &mut self.programs,
            range: &mut self.range,
            kept: Kept::new(store),
            now,
            height,
            finals: Vec::new(),
            scan: ScanData::default(),
            scan_bytes: self.pending_bytes,
            batch: Batch::new(),
        };
        offers::expire(execution.programs, execution.now);
        holders::expire(execution.programs, execution.now);
        names::expire(execution.programs, execution.now);
        kernel_nodes::convictions::expire(execution.programs, execution.now);
        let mut verdicts = Vec::with_capacity(commit.transactions.len());
        for transaction in &commit.transactions {
            verdicts.push((transaction.id(), execution.transaction(transaction)));
            if execution.content_bytes() >= room {
                break;
            }
        }
        let Execution { kept, finals, scan, scan_bytes, mut batch, .. } = execution;
        self.pending_bytes = scan_bytes;
        self.range.write(&finals, &mut batch);
        self.finish_kept(kept, &mut batch);
        self.finish_scan(scan, &mut batch);
        let checkpoint = self.finish_state(verdicts.len() == commit.transactions.len(), &mut batch);
        Executed { verdicts, batch, checkpoint }
    }

    /// Where and when this commit is executed.
    fn moment(&self) -> Moment<'_> {
        Moment {
            time: self.time,
            commit: self.commits,
            height: self.next_height(),
            network: self.network,
            parameters: &self.parameters,
            members_min: self.members_min,
            forced_gas: 0,
        }
    }

    fn next_height(&self) -> Height {
        self.last_checkpoint().map_or(Height::GENESIS, |checkpoint| checkpoint.height).next()
    }

    fn finish_kept(&mut self, kept: Kept<'_>, batch: &mut Batch) {
        if kept.finish(&mut self.outputs, batch) {
            self.outputs_digest = self.outputs.digest();
            put_outputs_sum(&self.outputs, batch);
        }
    }

    fn finish_scan(&mut self, mut scan: ScanData, batch: &mut Batch) {
        if scan.finals.is_empty() && scan.rejected.is_empty() {
            return;
        }
        self.content_since.get_or_insert(self.time);
        scan.time = self.time;
        let bytes = scan.to_bytes();
        self.pending_digest = chain_pending(self.pending_digest, &bytes);
        batch.put(SCAN, scan_key(self.next_height(), self.commits), bytes);
        self.pending.finals.append(&mut scan.finals);
        self.pending.rejected.append(&mut scan.rejected);
    }

    /// Ends the commit. An epoch ends only with one that `is_whole`: all that the kernel commits at once is of one epoch.
    fn finish_state(&mut self, is_whole: bool, batch: &mut Batch) -> Option<NewCheckpoint> {
        let is_due = self.checkpoint_is_due();
        let epoch = if is_due && is_whole { self.turn_epoch() } else { None };
        self.state_root = self.programs.finish_commit(batch);
        let checkpoint = is_due.then(|| self.make_checkpoint(epoch, batch));
        if checkpoint.is_none() {
            self.programs.write_undo(batch);
        }
        self.head().write(batch);
        checkpoint
    }

    /// A checkpoint ends the first commit, without which nobody could follow; a commit after so many others, or long after
    /// the last checkpoint; the one by which content has waited long enough; and the one by which there is enough of it.
    fn checkpoint_is_due(&self) -> bool {
        let is_last_old = self.last_checkpoint().is_none_or(|last| {
            self.commits - last.commits >= self.parameters.checkpoint_commits
                || self.time >= last.time + self.parameters.checkpoint_idle
        });
        let is_full = self.pending_bytes + self.programs.changed_bytes() >= self.parameters.checkpoint_bytes;
        is_last_old || is_full || self.checkpoint_due_at().is_some_and(|due| self.time >= due)
    }

    /// Begins the epoch that is prepared, if one is.
    fn turn_epoch(&mut self) -> Option<Epoch> {
        let mut view = self.programs.view();
        kernel_nodes::upgrades::begin(&mut view, self.next_height());
        kernel_nodes::dealing::prepare(&mut view);
        let now = self.moment();
        let next = system::take_epoch_next(&mut view, now)?;
        kernel_nodes::turn(&mut view, now, &next);
        let writes = view.into_writes();
        self.programs.apply(writes);
        self.epoch = next.clone();
        Some(next)
    }

    fn make_checkpoint(&mut self, epoch: Option<Epoch>, batch: &mut Batch) -> NewCheckpoint {
        let bytes = std::mem::take(&mut self.pending_bytes) + self.programs.changed_bytes();
        assert!(bytes <= self.parameters.checkpoint_bytes + content::EXCESS_BYTES_MAX, "every step fits");
        let scan = ScanData { time: self.time, ..std::mem::take(&mut self.pending) };
        let changes = self.programs.take_changes(batch);
        let checkpoint = Checkpoint {
            height: self.next_height(),
            commits: self.commits,
            time: self.time,
            previous: self.last_digest(),
            transactions: self.range.count(),
            transactions_root: self.range.root(),
            state_root: self.state_root,
            outputs_digest: self.outputs_digest,
            scan_root: scan.root(),
            epoch_next: self.epoch.digest(),
        };
        let key = height_key(checkpoint.height);
        batch.put(CHECKPOINTS, key, checkpoint.to_bytes());
        batch.put(CHANGES, key, changes.to_bytes());
        self.last = Some(checkpoint);
        (self.content_since, self.pending_digest) = (None, Hash::ZERO);
        NewCheckpoint { checkpoint, scan, changes, epoch }
    }

    pub(crate) fn head(&self) -> Head {
        Head {
            network: self.network,
            commits: self.commits,
            time: self.time,
            transactions: self.range.count(),
            transactions_root: self.range.root(),
            state_root: self.state_root,
            outputs_digest: self.outputs_digest,
            height: self.last_checkpoint().map_or(Height::GENESIS, |checkpoint| checkpoint.height),
            checkpoint: self.last_digest(),
            content_since: self.content_since,
            pending: self.pending_digest,
        }
    }

    /// Digest of the last checkpoint; of the genesis before the first.
    pub(crate) fn last_digest(&self) -> Hash {
        self.last_checkpoint().map_or(self.network.0, Checkpoint::digest)
    }
}

/// Writes the homomorphic sum of unspent outputs.
pub(crate) fn put_outputs_sum(sum: &MultisetHash, batch: &mut Batch) {
    batch.put(LEDGER, OUTPUTS_SUM_KEY, sum.to_bytes());
}

impl<'a> Execution<'a, '_> {
    /// What followers are given of all since the last checkpoint.
    fn content_bytes(&self) -> u64 {
        self.scan_bytes + self.programs.changed_bytes()
    }

    fn transaction(&mut self, transaction: &'a VerifiedTransaction) -> Verdict {
        let id = transaction.id();
        if self.kept.has_verdict(id) {
            return Verdict::Repeated;
        }
        match judge(transaction, self.now, &mut self.kept, self.programs) {
            Ok(writes) => {
                self.programs.apply(writes);
                self.now.forced_gas += channels::forced_gas(transaction);
                self.finalise(transaction);
                Verdict::Final
            }
            Err(Refused { reject, kept }) => {
                self.programs.apply(kept);
                self.reject(id, reject);
                Verdict::Rejected(reject)
            }
        }
    }

    fn finalise(&mut self, transaction: &'a VerifiedTransaction) {
        let (id, body) = (transaction.id(), &transaction.transaction().body);
        for input in &body.inputs {
            self.kept.spend(input.spent);
        }
        for (index, output) in (0u32..).zip(&body.outputs) {
            self.kept.make(OutputId { transaction: id, index }, output);
        }
        let position = self.range.append(id, &mut self.batch);
        self.finals.push(id);
        self.record(id, Outcome::Final { position });
        let transaction = ScanTransaction {
            id,
            ghost: body.ghost,
            outputs: body.outputs.clone(),
            spent: body.inputs.iter().map(|input| input.spent).collect(),
        };
        self.scan_bytes += content::of_final(&transaction);
        self.scan.finals.push(transaction);
    }

    fn reject(&mut self, id: TransactionId, reject: Reject) {
        self.record(id, Outcome::Rejected(reject));
        self.scan_bytes += content::REJECTED_BYTES;
        self.scan.rejected.push((id, reject));
    }

    fn record(&mut self, id: TransactionId, outcome: Outcome) {
        let record = TransactionRecord { outcome, commit: self.now.commit, height: self.height };
        self.kept.decide(id, record);
    }
}

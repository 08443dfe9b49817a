//! Letting go of old snapshots.
//!
//! Snapshots and the records of commits are most of what a kernel node writes, and nobody needs those of epochs that are
//! over: who is behind [steps](super::stepping) from checkpoint to checkpoint. So they are deleted epoch by epoch, all
//! but those of the epoch in force and of as many before it as the operator [keeps](crate::Config::epochs_kept). What
//! followers are given stays: certificates, scan data, changes, and every verdict.
//!
//! A little is deleted at a time, so that no round waits for it.

use byway_primitives::{Span, Store, Time};
use byway_records::epoch::first_round;

use super::Kernel;
use crate::archive::{self, PruneCursor};

/// Time between two deletions.
const INTERVAL: Span = Span::millis(10);

/// What is to be deleted. See the [module](self).
#[derive(Debug)]
pub(super) struct Pruning {
    /// Everything of epochs before this one.
    before: u32,
    cursor: PruneCursor,
    next_at: Time,
}

impl Kernel {
    /// An epoch has begun, or the node was opened in it: one of those before may be old enough now.
    pub(super) fn begin_pruning(&mut self, now: Time) {
        // The one before is needed after a restart: what its end abandoned goes into snapshots of the next.
        let kept = self.config.epochs_kept.map(|kept| kept.max(1));
        let before = kept.and_then(|kept| self.committee.epoch().checked_sub(kept)).filter(|before| *before > 0);
        self.pruning = before.map(|before| Pruning { before, cursor: PruneCursor::default(), next_at: now });
    }

    /// Deletes the next of what is old, if it is time.
    pub(super) fn prune(&mut self, now: Time, store: &dyn Store) {
        let Some(pruning) = self.pruning.as_mut().filter(|pruning| pruning.next_at <= now) else { return };
        pruning.next_at = now + INTERVAL;
        // Without its record nobody can say which commits were whose; a later epoch will take this one's along.
        let is_done = archive::stored_epoch(store, pruning.before).is_none_or(|record| {
            let (round, commit) = (first_round(pruning.before), record.after_commit);
            archive::prune(store, round, commit, &mut pruning.cursor, &mut self.outbox.batch)
        });
        if is_done {
            self.pruning = None;
        }
    }

    pub(super) fn next_pruning(&self) -> Option<Time> {
        self.pruning.as_ref().map(|pruning| pruning.next_at)
    }
}

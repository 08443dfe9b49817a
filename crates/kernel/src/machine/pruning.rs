//! Letting go of old snapshots.
//!
//! Snapshots and the records of commits are most of what a kernel node writes, and nobody needs those of epochs that are
//! over: who is behind [steps](super::stepping) from checkpoint to checkpoint. So they are deleted epoch by epoch, all
//! but those of the epoch in force and of as many before it as the operator [keeps](crate::Config::epochs_kept). What
//! followers are given stays: certificates, scan data, changes, and every verdict.
//!
//! Nothing is deleted of epochs whose checkpoints are not all certified: f nodes that never vote, and as many that are away,
//! can keep them from it, and who can't step has to execute.
//!
//! A little is deleted at a time, so that no round waits for it.

use byway_primitives::{Span, Store, Time};
use byway_records::epoch::first_round;

use super::Kernel;
use crate::archive::{self, PruneCursor};

/// Time between two deletions.
const INTERVAL: Span = Span::millis(10);
/// Time between two looks whether what stands in the way is certified.
const UNCERTIFIED_WAIT: Span = Span::seconds(1);

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Pruning {
    due: Option<Due>,
    /// Snapshots of rounds before this one are deleted, as far as is known since the start.
    kept_from: u64,
}

/// What is to be deleted.
#[derive(Debug)]
struct Due {
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
        if let Some(before) = before {
            let cursor = self.pruning.due.take().map(|due| due.cursor).unwrap_or_default();
            self.pruning.due = Some(Due { before, cursor, next_at: now });
        }
    }

    /// Deletes the next of what is old, if it is time.
    pub(super) fn prune(&mut self, now: Time, store: &dyn Store) {
        let Some(due) = self.pruning.due.as_mut().filter(|due| due.next_at <= now) else { return };
        due.next_at = now + INTERVAL;
        // Without its record nobody can say which commits were whose; a later epoch will take this one's along.
        let Some(record) = archive::stored_epoch(store, due.before) else { return };
        if archive::lowest_uncertified(store).is_some_and(|open| open <= record.after) {
            // Nobody can step over that, so snapshots are the only way there is.
            due.next_at = now + UNCERTIFIED_WAIT;
            return;
        }
        let (round, commit) = (first_round(due.before), record.after_commit);
        let is_done = archive::prune(store, round, commit, &mut due.cursor, &mut self.outbox.batch);
        self.pruning.kept_from = if is_done { round } else { due.cursor.round().max(self.pruning.kept_from) };
        if is_done {
            self.pruning.due = None;
        }
    }

    /// The first round of which this node has not let go.
    pub(super) fn kept_from(&self) -> u64 {
        self.pruning.kept_from
    }

    pub(super) fn next_pruning(&self) -> Option<Time> {
        self.pruning.due.as_ref().map(|due| due.next_at)
    }
}

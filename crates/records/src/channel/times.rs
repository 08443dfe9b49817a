//! How long the periods of a channel may be that the ledger waits for.

use byway_primitives::Span;

use crate::genesis::Wait;

/// The shortest lock period: a moment in which an answer can still arrive.
pub const LOCK_MIN: Wait = Wait { millis: Span::seconds(1), commits: 1 };
/// The longest: whoever is left alone waits no longer for its money.
pub const LOCK_MAX: Wait = Wait { millis: Span::days(90), commits: 10_000_000 };

/// Whether a lock period is neither too short nor too long.
pub fn is_lock(lock: Wait) -> bool {
    is_between(lock, LOCK_MIN)
}

/// Whether a dispute takes at least a lock period, and no longer than the longest.
pub fn is_dispute(dispute: Wait, lock: Wait) -> bool {
    is_between(dispute, lock)
}

fn is_between(wait: Wait, least: Wait) -> bool {
    (least.millis..=LOCK_MAX.millis).contains(&wait.millis)
        && (least.commits..=LOCK_MAX.commits).contains(&wait.commits)
}

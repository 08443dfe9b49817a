//! A kernel node's side of following: from what the ledger and the kernel stored to answers.

use byway_ledger::{stored_changes, stored_scan};
use byway_primitives::{Encode, Store};
use byway_records::ProgramId;
use byway_records::checkpoint::{Certificate, Height};

use super::protocol::{STEPS_MAX, Step};

/// Bytes after which an answer is cut: well below a mesh frame, well above one busy checkpoint.
pub const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Certified steps from `from` on: as many as fit one answer, none if `from` is not certified yet. None either if
/// `programs` are not in rising order, so that nobody can ask for the same one many times.
pub fn steps(
    store: &dyn Store,
    certificate: impl Fn(&dyn Store, Height) -> Option<Certificate>,
    from: Height,
    programs: &[ProgramId],
) -> Vec<Step> {
    let mut steps = Vec::new();
    if !programs.is_sorted_by(|a, b| a < b) {
        return steps;
    }
    let mut bytes = 0;
    let mut height = from;
    while steps.len() < STEPS_MAX {
        let Some(step) = step(store, &certificate, height, programs) else { break };
        bytes += step.to_bytes().len();
        if bytes > ANSWER_BYTES_MAX && !steps.is_empty() {
            break;
        }
        steps.push(step);
        height = height.next();
    }
    steps
}

fn step(
    store: &dyn Store,
    certificate: impl Fn(&dyn Store, Height) -> Option<Certificate>,
    height: Height,
    programs: &[ProgramId],
) -> Option<Step> {
    let certificate = certificate(store, height)?;
    let changes = stored_changes(store, height)?;
    let scan = stored_scan(store, height)?;
    let differences = programs.iter().map(|program| changes.difference(*program)).collect::<Option<_>>()?;
    Some(Step { certificate, differences, scan })
}

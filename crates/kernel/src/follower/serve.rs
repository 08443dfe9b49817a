//! A kernel node's side of following: from what the ledger and the kernel stored to answers.

use byway_ledger::stored::Outcome;
use byway_ledger::{TransactionRange, stored_changes, stored_scan, stored_transaction};
use byway_primitives::{Encode, Reader, Store};
use byway_records::checkpoint::{Certificate, Height};
use byway_records::{ProgramId, TransactionId};

use super::explore::{CERTIFICATES_MAX, FinalProof, SNAPSHOTS_MAX, SnapshotSummary};
use super::protocol::{STEP_BYTES_MAX, STEPS_MAX, Step};
use crate::archive;
use crate::snapshot::{Header, Reference};

/// Bytes after which an answer is cut: well below a mesh frame, well above one busy checkpoint.
pub const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Bytes of snapshots read for one answer: what one look may cost a busy node.
const SUMMARIES_READ_MAX: usize = 16 << 20;

/// Certified steps from `from` on: as many as fit so many bytes, but one if there is any; none if `from` is not certified
/// yet. None either if `programs` are not in rising order, so that nobody can ask for the same one many times.
pub fn steps(
    store: &dyn Store,
    certificate: impl Fn(&dyn Store, Height) -> Option<Certificate>,
    from: Height,
    programs: &[ProgramId],
    bytes_max: usize,
) -> Vec<Step> {
    let mut steps = Vec::new();
    if !programs.is_sorted_by(|a, b| a < b) {
        return steps;
    }
    let mut bytes = 0;
    let mut height = from;
    while steps.len() < STEPS_MAX {
        let Some(step) = step(store, &certificate, height, programs) else { break };
        let step_bytes = step.to_bytes().len();
        debug_assert!(step_bytes <= STEP_BYTES_MAX, "the ledger bounds what a checkpoint gives");
        bytes += step_bytes;
        if bytes > bytes_max && !steps.is_empty() {
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

/// Certificates from `from` on: as many as fit one answer, none if `from` is not certified yet.
pub fn certificates(store: &dyn Store, from: Height) -> Vec<Certificate> {
    let heights = (from.0.max(1)..).take(CERTIFICATES_MAX).map(Height);
    heights.map_while(|height| archive::stored_certificate(store, height)).collect()
}

/// Proves that a transaction is final; nothing where it isn't, or no certificate covers it yet.
pub fn prove(store: &dyn Store, id: TransactionId) -> Option<FinalProof> {
    let record = stored_transaction(store, id)?;
    let Outcome::Final { position } = record.outcome else { return None };
    let certificate = archive::stored_certificate(store, record.height)?;
    let range = TransactionRange::load(certificate.checkpoint.transactions, store)?;
    Some(FinalProof { range: range.prove(position, store)?, certificate })
}

/// Accepted snapshots from a round on, by rising round and author.
pub fn snapshots(store: &dyn Store, from: u64, count: u32) -> Vec<SnapshotSummary> {
    let mut read = 0;
    let stored = archive::stored_from(store, from).take((count as usize).min(SNAPSHOTS_MAX));
    let stored = stored.take_while(|(_, bytes)| {
        let fits = read < SUMMARIES_READ_MAX;
        read += bytes.len();
        fits
    });
    stored.filter_map(|(reference, bytes)| summary(reference, &bytes)).collect()
}

/// Header and number of transactions, without reading those.
fn summary(reference: Reference, bytes: &[u8]) -> Option<SnapshotSummary> {
    let mut input = Reader::new(bytes);
    let header: Header = input.value().ok()?;
    Some(SnapshotSummary {
        reference,
        time: header.time,
        previous: header.previous,
        references: header.references,
        weak_references: header.weak_references,
        checkpoint: header.checkpoint,
        transactions: input.u32().ok()?,
        bytes: bytes.len() as u32,
    })
}

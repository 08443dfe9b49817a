//! A kernel node's side: from what is stored to replies. Entries alone come out of the machine's memory
//! ([`Kernel::prove_entry`](crate::Kernel::prove_entry)).

use byway_ledger::stored::{Head, Outcome, STATE, entry_key};
use byway_ledger::{TransactionRange, stored_transaction};
use byway_primitives::{Decode, Encode, Reader, Store};
use byway_records::received::Received;
use byway_records::snapshot::{Header, SNAPSHOT_TRANSACTIONS_MAX};
use byway_records::state::epoch_key;
use byway_records::{Certificate, Epoch, Height, ProgramId, TransactionId};

use super::protocol::{Beginning, EPOCHS_MAX, EpochStep};
use crate::archive::{self, EpochRecord, stored_certificate, stored_epoch};
use crate::follower::explore::FinalProof;
use crate::follower::serve::ANSWER_BYTES_MAX;

/// Heights looked at, from the newest executed down, for one that is certified: votes need a round or two.
const UNCERTIFIED_MAX: u64 = 1024;
/// Bytes of snapshots read for the body of one transaction: those of a commit, at the most what a busy round holds.
const BODY_READ_MAX: usize = 16 << 20;

/// The epochs from number `from` on, each with the certificate that proves it: as many as fit one answer.
pub fn epochs(store: &dyn Store, from: u32) -> Vec<EpochStep> {
    let mut bytes = 0;
    // Epoch 0 is the genesis', and nothing proves it.
    let steps = (from.max(1)..).take(EPOCHS_MAX).map_while(|number| epoch_step(store, number));
    let fitting = steps.take_while(|step| {
        let is_first = bytes == 0;
        bytes += step.to_bytes().len();
        is_first || bytes <= ANSWER_BYTES_MAX
    });
    fitting.collect()
}

fn epoch_step(store: &dyn Store, number: u32) -> Option<EpochStep> {
    let EpochRecord { epoch, after, .. } = stored_epoch(store, number)?;
    Some(EpochStep { certificate: stored_certificate(store, after)?, epoch })
}

/// The newest certificate that a light client can get to by [`epochs`].
pub fn newest(store: &dyn Store) -> Option<Certificate> {
    let executed = Head::load(store).ok()??.height;
    let newest = walkable(store, executed)?;
    let heights = (1..=newest.0).rev().take(UNCERTIFIED_MAX as usize);
    heights.map(Height).find_map(|height| stored_certificate(store, height))
}

/// Whether a light client gets by [`epochs`] to the epoch that certified this height.
pub fn is_walkable(store: &dyn Store, height: Height) -> bool {
    walkable(store, height) == Some(height)
}

/// `height`, or the highest below it that a light client gets to who is shown the epochs here. The certificate that
/// closes an epoch can come later than the first of the next.
fn walkable(store: &dyn Store, height: Height) -> Option<Height> {
    let Some(EpochRecord { after, .. }) = stored_epoch(store, present(store)?) else { return Some(height) };
    let is_closed = stored_certificate(store, after).is_some();
    Some(if is_closed { height } else { height.min(Height(after.0.saturating_sub(1))) })
}

/// The number of the epoch in force.
fn present(store: &dyn Store) -> Option<u32> {
    let bytes = store.load(STATE, &entry_key(ProgramId::SYSTEM, &epoch_key()))?;
    Epoch::from_bytes(&bytes).ok().map(|epoch| epoch.number)
}

/// The checkpoint of a height and the epoch in force after it.
pub fn beginning(store: &dyn Store, height: Height) -> Option<Beginning> {
    let checkpoint = stored_certificate(store, height)?.checkpoint;
    let (mut begun, mut later) = (0, present(store)? + 1);
    // The newest epoch that began after `height` or a checkpoint before it.
    while begun + 1 < later {
        let middle = begun + (later - begun) / 2;
        match stored_epoch(store, middle) {
            Some(record) if record.after > height => later = middle,
            // One that is not stored is older than all that are.
            _ => begun = middle,
        }
    }
    match begun {
        0 => Some(Beginning { checkpoint, epoch: None }),
        _ => Some(Beginning { checkpoint, epoch: Some(stored_epoch(store, begun)?.epoch) }),
    }
}

/// Proves under the newest certificate that a transaction is final; nothing where it isn't, or isn't covered yet.
pub fn prove(store: &dyn Store, id: TransactionId) -> Option<FinalProof> {
    let Outcome::Final { position } = stored_transaction(store, id)?.outcome else { return None };
    let certificate = newest(store)?;
    let range = TransactionRange::load(certificate.checkpoint.transactions, store)?;
    Some(FinalProof { range: range.prove(position, store)?, certificate })
}

/// The body of a final transaction, out of the snapshots of the commit that decided it.
pub fn body(store: &dyn Store, id: TransactionId) -> Option<Vec<u8>> {
    let record = stored_transaction(store, id)?;
    let Outcome::Final { .. } = record.outcome else { return None };
    let mut read = 0;
    let snapshots = archive::stored_commit(store, record.commit)?.snapshots;
    let snapshots = snapshots.iter().filter_map(|reference| archive::stored_snapshot(store, reference));
    let mut within = snapshots.take_while(|bytes| {
        read += bytes.len();
        read <= BODY_READ_MAX
    });
    within.find_map(|bytes| body_in(&bytes, id))
}

/// The body of a transaction in an encoded snapshot.
fn body_in(snapshot: &[u8], id: TransactionId) -> Option<Vec<u8>> {
    let mut input = Reader::new(snapshot);
    input.value::<Header>().ok()?;
    let count = input.u64().ok()?.min(SNAPSHOT_TRANSACTIONS_MAX as u64);
    let mut transactions = (0..count).map_while(|_| input.value::<Received>().ok());
    let found = transactions.find(|received| received.id() == id)?;
    Some(found.transaction().body.to_bytes())
}

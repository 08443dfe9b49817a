//! How much a checkpoint gives to followers, and the bound of it.
//!
//! Followers, wallets and nodes that were away move from checkpoint to checkpoint by its *step*: scan data and changes of
//! the programs. A step goes over the wire in one frame, so it must not be larger. Load alone doesn't make it so; a
//! member does that withholds full snapshots and shows them all at once, of which one commit then takes hundreds.
//!
//! So a checkpoint is *full* when its content comes to [`checkpoint_bytes`](byway_records::Parameters::checkpoint_bytes),
//! a parameter of the network. Content is counted after each transaction, a full checkpoint is made at once, and what is
//! left of the kernel's commit goes into the next. Beyond the bound is what one transaction adds, what a commit lets
//! expire before it, and the end of an epoch: [`EXCESS_BYTES_MAX`] together, which is asserted with each checkpoint.
//!
//! What is counted is what is encoded, or a little more, of entries as they are now: it depends on nothing but what was
//! executed since the last checkpoint, so that a ledger that reopens counts alike.

use byway_primitives::Encode;
use byway_records::scan::{ScanData, ScanTransaction};

/// By how much a checkpoint's content may be more than its bound. One transaction adds its own size and some entries of up
/// to 32 KiB; a commit lets a few hundred offers, names and the like expire, of which the keys are told; the end of an epoch writes the new one, a
/// roll, and removes what its members have dealt.
pub const EXCESS_BYTES_MAX: u64 = 1 << 20;

/// Scan data's part of a rejected transaction: its id and the reason.
pub(crate) const REJECTED_BYTES: u64 = 32 + 1;

/// Lengths of key and value, and whether there is a value.
const CHANGE_FRAMING_BYTES: u64 = 2 + 1 + 3;

/// Scan data's part of a final transaction.
pub(crate) fn of_final(transaction: &ScanTransaction) -> u64 {
    transaction.to_bytes().len() as u64
}

/// Scan data without what there is once of it.
pub(crate) fn of_scan(scan: &ScanData) -> u64 {
    scan.finals.iter().map(of_final).sum::<u64>() + scan.rejected.len() as u64 * REJECTED_BYTES
}

/// An entry with its new value, or its removal.
pub(crate) fn of_change(key: &[u8], value: Option<&[u8]>) -> u64 {
    CHANGE_FRAMING_BYTES + (key.len() + value.map_or(0, <[u8]>::len)) as u64
}

//! What the ledger keeps in its store, and how it is laid out there.
//!
//! | space          | key                       | value                                                              |
//! | -------------- | ------------------------- | ------------------------------------------------------------------ |
//! | `ledger`       | `head`                    | [`Head`]: where the ledger stands, and the digests of all the rest |
//! | `ledger`       | `outputs`                 | the homomorphic sum of all unspent outputs                         |
//! | `state`        | program, entry key        | an entry of a program                                              |
//! | `undo`         | program, entry key        | what that entry was at the last checkpoint, if it changed since    |
//! | `transactions` | transaction id, group     | its verdict and unspent outputs (see [`kept`](crate::kept))        |
//! | `range`        | level, index              | the range of final transactions (see [`range`](crate::range))      |
//! | `scan`         | height, commit            | scan data of one commit, under the checkpoint that covers it       |
//! | `changes`      | height                    | [`StateChanges`] of a checkpoint                                   |
//! | `checkpoints`  | height                    | the checkpoint                                                     |
//!
//! Numbers in keys are big-endian, so that keys sort as the numbers do. One batch per commit; after any prefix of the
//! batches the ledger reopens at a commit.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Batch, Hash, NetworkId, Space, Store, Time};
use byway_records::scan::ScanData;
use byway_records::{Checkpoint, Height, ProgramId, Reject};

use crate::difference::StateChanges;
use crate::ledger::Verdict;

pub const LEDGER: Space = Space("ledger");
pub const STATE: Space = Space("state");
pub const UNDO: Space = Space("undo");
pub const TRANSACTIONS: Space = Space("transactions");
pub const RANGE: Space = Space("range");
pub const SCAN: Space = Space("scan");
pub const CHANGES: Space = Space("changes");
pub const CHECKPOINTS: Space = Space("checkpoints");

/// Every space that the ledger writes.
pub const SPACES: [Space; 8] = [LEDGER, STATE, UNDO, TRANSACTIONS, RANGE, SCAN, CHANGES, CHECKPOINTS];

const HEAD: Context = Context("byway 1 ledger head");
const PENDING: Context = Context("byway 1 ledger: pending scan data");
const HEAD_KEY: &[u8] = b"head";
pub(crate) const OUTPUTS_SUM_KEY: &[u8] = b"outputs";

const HEAD_VERSION: u8 = 1;

/// Where the ledger stands after a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub network: NetworkId,
    pub commits: u64,
    pub time: Time,
    /// Final transactions.
    pub transactions: u64,
    pub transactions_root: Hash,
    pub state_root: Hash,
    pub outputs_digest: Hash,
    /// Of the last checkpoint.
    pub height: Height,
    /// Its digest; the network's before the first.
    pub checkpoint: Hash,
    /// Time of the first commit whose content no checkpoint covers.
    pub content_since: Option<Time>,
    /// Chained digest of the scan data since the last checkpoint; zero where there is none.
    pub pending: Hash,
}

/// What the ledger remembers of a transaction, for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionRecord {
    pub outcome: Outcome,
    /// The commit that decided it.
    pub commit: u64,
    /// The checkpoint that covers that commit.
    pub height: Height,
}

/// A transaction's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Final, at this position of the range of final transactions.
    Final {
        position: u64,
    },
    Rejected(Reject),
}

impl Head {
    /// The head record, with a digest of its own, so that damage to it is not taken for damage to what it digests.
    pub(crate) fn write(&self, batch: &mut Batch) {
        let bytes = self.to_bytes();
        batch.put(LEDGER, HEAD_KEY, [HEAD.hash(&[&bytes]).0.as_slice(), &bytes].concat());
    }

    /// The stored head; `None` where nothing is stored, an error where it is damaged.
    pub fn load(store: &dyn Store) -> Result<Option<Self>, DecodeError> {
        let Some(bytes) = store.load(LEDGER, HEAD_KEY) else { return Ok(None) };
        let (digest, bytes) = bytes.split_first_chunk::<32>().ok_or(DecodeError::Truncated)?;
        if HEAD.hash(&[bytes]).0 != *digest {
            return Err(DecodeError::Invalid("digest of the ledger head"));
        }
        Self::from_bytes(bytes).map(Some)
    }
}

impl TransactionRecord {
    pub fn verdict(&self) -> Verdict {
        match self.outcome {
            Outcome::Final { .. } => Verdict::Final,
            Outcome::Rejected(reject) => Verdict::Rejected(reject),
        }
    }
}

/// The checkpoint of this height, if the ledger has made it.
pub fn stored_checkpoint(store: &dyn Store, height: Height) -> Option<Checkpoint> {
    Checkpoint::from_bytes(&store.load(CHECKPOINTS, &height_key(height))?).ok()
}

/// The scan data of this height: put together from that of its commits.
pub fn stored_scan(store: &dyn Store, height: Height) -> Option<ScanData> {
    let checkpoint = stored_checkpoint(store, height)?;
    let (scan, _) = pending_scan(store, height)?;
    Some(ScanData { time: checkpoint.time, ..scan })
}

/// The state changes of this height.
pub fn stored_changes(store: &dyn Store, height: Height) -> Option<StateChanges> {
    StateChanges::from_bytes(&store.load(CHANGES, &height_key(height))?).ok()
}

/// What is stored of the scan data of a height that may not have its checkpoint yet, and its chained digest.
pub(crate) fn pending_scan(store: &dyn Store, height: Height) -> Option<(ScanData, Hash)> {
    let (mut all, mut digest) = (ScanData::default(), Hash::ZERO);
    for (_, part) in store.scan_prefix(SCAN, &height_key(height)) {
        digest = chain_pending(digest, &part);
        let mut part = ScanData::from_bytes(&part).ok()?;
        all.finals.append(&mut part.finals);
        all.rejected.append(&mut part.rejected);
    }
    Some((all, digest))
}

/// Adds the encoded scan data of one commit to the digest of those before it.
pub(crate) fn chain_pending(before: Hash, part: &[u8]) -> Hash {
    PENDING.hash(&[&before.0, part])
}

pub(crate) fn height_key(height: Height) -> [u8; 8] {
    height.0.to_be_bytes()
}

pub(crate) fn scan_key(height: Height, commit: u64) -> Vec<u8> {
    [height.0.to_be_bytes(), commit.to_be_bytes()].concat()
}

/// Where an entry of a program stands in [`STATE`].
pub fn entry_key(program: ProgramId, key: &[u8]) -> Vec<u8> {
    [&program.0.to_be_bytes()[..], key].concat()
}

/// The inverse of [`entry_key`].
pub(crate) fn split_entry_key(key: &[u8]) -> Option<(ProgramId, &[u8])> {
    let (program, key) = key.split_first_chunk::<2>()?;
    Some((ProgramId(u16::from_be_bytes(*program)), key))
}

/// Calls `each` with every entry of a space, a page at a time, so that large spaces never stand in memory; stops at the
/// first error.
pub(crate) fn stream<E>(
    store: &dyn Store,
    space: Space,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    /// Entries per page: enough to make a page cheap, few enough to hold.
    const PAGE: usize = 1024;
    let mut from = Vec::new();
    loop {
        let page = store.scan(space, &from, PAGE);
        for (key, value) in &page {
            each(key, value)?;
        }
        match page.last() {
            Some((last, _)) if page.len() == PAGE => from = [last, &[0][..]].concat(),
            _ => return Ok(()),
        }
    }
}

impl Encode for Head {
    fn encode(&self, out: &mut Writer) {
        out.byte(HEAD_VERSION);
        out.value(&self.network);
        out.varint(self.commits);
        out.value(&self.time);
        out.varint(self.transactions);
        out.value(&self.transactions_root);
        out.value(&self.state_root);
        out.value(&self.outputs_digest);
        out.value(&self.height);
        out.value(&self.checkpoint);
        out.option(self.content_since.as_ref());
        out.value(&self.pending);
    }
}

impl Decode for Head {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            HEAD_VERSION => {}
            other => return Err(DecodeError::UnknownVariant { kind: "ledger head version", value: other.into() }),
        }
        Ok(Self {
            network: input.value()?,
            commits: input.u64()?,
            time: input.value()?,
            transactions: input.u64()?,
            transactions_root: input.value()?,
            state_root: input.value()?,
            outputs_digest: input.value()?,
            height: input.value()?,
            checkpoint: input.value()?,
            content_since: input.option()?,
            pending: input.value()?,
        })
    }
}

/// One byte 0 and the position, or the code of the rejection; then commit and height.
impl Encode for TransactionRecord {
    fn encode(&self, out: &mut Writer) {
        match self.outcome {
            Outcome::Final { position } => {
                out.byte(0);
                out.varint(position);
            }
            Outcome::Rejected(reject) => out.value(&reject),
        }
        out.varint(self.commit);
        out.value(&self.height);
    }
}

impl Decode for TransactionRecord {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut ahead = input.clone();
        let outcome = if ahead.byte()? == 0 {
            *input = ahead;
            Outcome::Final { position: input.u64()? }
        } else {
            Outcome::Rejected(input.value()?)
        };
        Ok(Self { outcome, commit: input.u64()?, height: input.value()? })
    }
}

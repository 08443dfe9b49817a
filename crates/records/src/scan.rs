//! Scan data: what wallets and followers read of each checkpoint.
//!
//! It holds every output made and spent since the checkpoint before, and the verdict on every transaction, so that a
//! wallet finds its payments and its owner learns of rejections, all proved by the checkpoint's `scan_root`.

use byway_crypto::GhostKey;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Hash, Time};

use crate::reject::Reject;
use crate::transaction::{INPUTS_MAX, OUTPUTS_MAX, Output, OutputId, TransactionId};

const SCAN: Context = Context("byway 1 scan data");

/// Transactions in the scan data of one checkpoint: more than a kernel at its limit commits in `checkpoint_commits`.
pub const SCAN_TRANSACTIONS_MAX: usize = 1 << 20;

/// A final transaction as a wallet sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanTransaction {
    pub id: TransactionId,
    pub ghost: Option<GhostKey>,
    pub outputs: Vec<Output>,
    pub spent: Vec<OutputId>,
}

/// Everything since the checkpoint before, in the order of execution.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScanData {
    pub time: Time,
    pub finals: Vec<ScanTransaction>,
    pub rejected: Vec<(TransactionId, Reject)>,
}

impl ScanData {
    pub fn root(&self) -> Hash {
        SCAN.hash_value(self)
    }
}

impl Encode for ScanTransaction {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.id);
        out.list(&self.outputs);
        if let Some(ghost) = &self.ghost {
            out.value(ghost);
        }
        out.list(&self.spent);
    }
}

impl Decode for ScanTransaction {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let id = input.value()?;
        let outputs: Vec<Output> = input.list(OUTPUTS_MAX)?;
        let ghost = if outputs.is_empty() { None } else { Some(input.value()?) };
        Ok(Self { id, ghost, outputs, spent: input.list(INPUTS_MAX)? })
    }
}

struct Rejected(TransactionId, Reject);

impl Decode for Rejected {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.value()?, input.value()?))
    }
}

impl Encode for ScanData {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.time);
        out.list(&self.finals);
        out.varint(self.rejected.len() as u64);
        for (id, reject) in &self.rejected {
            out.value(id);
            out.value(reject);
        }
    }
}

impl Decode for ScanData {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (time, finals) = (input.value()?, input.list(SCAN_TRANSACTIONS_MAX)?);
        let rejected: Vec<Rejected> = input.list(SCAN_TRANSACTIONS_MAX)?;
        Ok(Self { time, finals, rejected: rejected.into_iter().map(|Rejected(id, why)| (id, why)).collect() })
    }
}

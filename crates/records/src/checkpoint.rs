//! Checkpoints: what q(n) kernel nodes certify about the ledger.
//!
//! A checkpoint commits to everything a follower, a light client or a court needs: all final transactions (an
//! append-only range), all programs' state, the set of unspent outputs, the scan data since the last checkpoint, and
//! who signs the next one. Each names its predecessor, so a chain of certificates leads from genesis to now.

use byway_crypto::node::NodeSignature;
use byway_crypto::{BatchVerifier, NodeKey, Purpose};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Hash, NetworkId, Time};
use serde::{Deserialize, Serialize};

use crate::epoch::Seats;

const CHECKPOINT: Context = Context("byway 1 checkpoint");

/// The version that this code writes and reads.
pub const VERSION: u8 = 1;
/// Kernel nodes there can be (row K3).
pub const MEMBERS_MAX: usize = 50;

/// A checkpoint's number; genesis is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Height(pub u64);

impl Height {
    pub const GENESIS: Height = Height(0);

    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl std::fmt::Display for Height {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The state of the ledger after a number of commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub height: Height,
    /// How many commits it covers.
    pub commits: u64,
    /// The ledger's time at the last of them.
    pub time: Time,
    /// Digest of the checkpoint before; of the genesis for height 1.
    pub previous: Hash,
    /// How many transactions are final.
    pub transactions: u64,
    /// Root of the append-only range of them.
    pub transactions_root: Hash,
    /// Root over the roots of all programs' trees.
    pub state_root: Hash,
    /// Digest of the homomorphic hash of all unspent outputs.
    pub outputs_digest: Hash,
    /// Digest of the scan data since the checkpoint before.
    pub scan_root: Hash,
    /// Digest of the [`Epoch`](crate::epoch::Epoch) whose members sign the next checkpoint.
    pub epoch_next: Hash,
}

/// A checkpoint and the signatures that certify it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    pub checkpoint: Checkpoint,
    /// By member number, rising.
    pub signatures: Vec<(u8, NodeSignature)>,
}

/// Why a certificate proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("{have} signatures, {need} are needed")]
    TooFew { have: usize, need: usize },
    #[error("signers are not in rising order, or not members")]
    Signers,
    #[error("a signature is wrong")]
    Signature,
}

impl Checkpoint {
    pub fn digest(&self) -> Hash {
        CHECKPOINT.hash_value(self)
    }
}

impl Certificate {
    /// Whether q(n) of the counting members of the epoch in force signed the checkpoint for `network`.
    pub fn verify(&self, network: NetworkId, seats: &Seats) -> Result<(), CertificateError> {
        let counting = |seat| seats.get(seat).filter(|seat| seat.standing.counts()).map(|seat| seat.member.key);
        self.verify_by(network, seats.quorum(), counting)
    }

    /// Whether `need` members signed the checkpoint for `network`; `key` says who the members are.
    pub fn verify_by(
        &self,
        network: NetworkId,
        need: usize,
        key: impl Fn(u8) -> Option<NodeKey>,
    ) -> Result<(), CertificateError> {
        if self.signatures.len() < need {
            return Err(CertificateError::TooFew { have: self.signatures.len(), need });
        }
        if !self.signatures.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(CertificateError::Signers);
        }
        let digest = self.checkpoint.digest();
        let mut batch = BatchVerifier::new();
        for (index, signature) in &self.signatures {
            let key = key(*index).ok_or(CertificateError::Signers)?;
            batch.push(key.signed(Purpose::Checkpoint, network, &digest.0, *signature));
        }
        if batch.all_verify() { Ok(()) } else { Err(CertificateError::Signature) }
    }
}

impl Encode for Height {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.0);
    }
}

impl Decode for Height {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.u64().map(Self)
    }
}

impl Encode for Checkpoint {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.height);
        out.varint(self.commits);
        out.value(&self.time);
        out.value(&self.previous);
        out.varint(self.transactions);
        out.value(&self.transactions_root);
        out.value(&self.state_root);
        out.value(&self.outputs_digest);
        out.value(&self.scan_root);
        out.value(&self.epoch_next);
    }
}

impl Decode for Checkpoint {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            VERSION => {}
            other => return Err(DecodeError::UnknownVariant { kind: "checkpoint version", value: other.into() }),
        }
        Ok(Self {
            height: input.value()?,
            commits: input.u64()?,
            time: input.value()?,
            previous: input.value()?,
            transactions: input.u64()?,
            transactions_root: input.value()?,
            state_root: input.value()?,
            outputs_digest: input.value()?,
            scan_root: input.value()?,
            epoch_next: input.value()?,
        })
    }
}

impl Encode for Certificate {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.checkpoint);
        out.varint(self.signatures.len() as u64);
        for (index, signature) in &self.signatures {
            out.byte(*index);
            out.value(signature);
        }
    }
}

impl Decode for Certificate {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let checkpoint = input.value()?;
        let count = input.u64()?;
        if count > MEMBERS_MAX as u64 {
            return Err(DecodeError::TooLong { length: count, limit: MEMBERS_MAX as u64 });
        }
        let signatures = (0..count).map(|_| Ok((input.byte()?, input.value()?))).collect::<Result<_, DecodeError>>()?;
        Ok(Self { checkpoint, signatures })
    }
}

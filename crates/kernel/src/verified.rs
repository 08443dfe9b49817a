//! Snapshots whose form and signatures have been checked.
//!
//! The machine takes [`VerifiedSnapshot`]s only. They can be made in two ways: from bytes, by checking everything that
//! can be judged from the snapshot alone (form, author's signature, transactions, votes; all ed25519 signatures in one
//! batch), or by signing one's own. The first is the costly part of the kernel's work, needs nothing of the machine's
//! state, and is therefore done by the driver on all cores; the simulator remembers the outcome per distinct bytes.
//!
//! A snapshot in which *anything* is ill-formed or ill-signed is refused as a whole: its author signed for all of it, so
//! the refused bytes are evidence against the author and against nobody else (row K4).

use std::sync::Arc;

use byway_crypto::node::NodeSignature;
use byway_crypto::{NodeSecret, Purpose, Signed};
use byway_primitives::{Decode, DecodeError, Hash, Reader, Writer};
use byway_records::reject::IllFormed;
use byway_records::verified::{Culprit, verify_all_with};
use byway_records::{Transaction, VerifiedTransaction};

use crate::committee::Committee;
use crate::snapshot::{
    Header, Reference, SIGNATURE_LENGTH, SNAPSHOT_BYTES_MAX, SNAPSHOT_TRANSACTIONS_MAX, SnapshotForm, snapshot_hash,
};

/// A snapshot with good form and signatures, as its author signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSnapshot {
    hash: Hash,
    bytes: Arc<[u8]>,
    header: Header,
    transactions: Vec<VerifiedTransaction>,
}

/// Why bytes are not a snapshot. But for bytes that were garbled on the way, its author is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    #[error("the snapshot is longer than 1 MiB")]
    TooLong,
    #[error("the snapshot is malformed: {0}")]
    Encoding(#[from] DecodeError),
    #[error("the snapshot is ill-formed: {0}")]
    Form(#[from] SnapshotForm),
    #[error("the author's signature is wrong")]
    Signature,
    #[error("the signature of vote {0} is wrong")]
    Vote(usize),
    #[error("transaction {position} is bad: {reason}")]
    Transaction { position: usize, reason: IllFormed },
}

impl VerifiedSnapshot {
    /// Checks everything about an encoded snapshot that can be judged without the graph.
    pub fn verify(committee: &Committee, bytes: Arc<[u8]>) -> Result<Self, SnapshotError> {
        let (header, transactions, signature) = parse(&bytes)?;
        header.check(committee)?;
        let hash = snapshot_hash(&bytes[..bytes.len() - SIGNATURE_LENGTH]);
        let network = committee.network();
        let key = committee.key(header.author).ok_or(SnapshotForm::NotAMember)?;
        let mut signatures: Vec<Signed> = Vec::with_capacity(1 + header.votes.len());
        signatures.push(key.signed(Purpose::Snapshot, network, &hash.0, signature));
        let votes = header.votes.iter();
        signatures.extend(votes.map(|vote| key.signed(Purpose::Checkpoint, network, &vote.digest.0, vote.signature)));
        let transactions = verify_all_with(network, transactions, &signatures).map_err(|culprit| match culprit {
            Culprit::Transaction(position, reason) => SnapshotError::Transaction { position, reason },
            Culprit::Other(0) => SnapshotError::Signature,
            Culprit::Other(position) => SnapshotError::Vote(position - 1),
        })?;
        Ok(Self { hash, bytes, header, transactions })
    }

    /// Signs a snapshot of one's own. The caller keeps the header's form and the limits on size.
    pub fn sign(
        committee: &Committee,
        secret: &NodeSecret,
        header: Header,
        transactions: Vec<VerifiedTransaction>,
    ) -> Self {
        let mut out = Writer::new();
        out.value(&header);
        out.varint(transactions.len() as u64);
        transactions.iter().for_each(|transaction| out.value(transaction.transaction()));
        let mut bytes = out.into_bytes();
        let hash = snapshot_hash(&bytes);
        bytes.extend_from_slice(&secret.sign(Purpose::Snapshot, committee.network(), &hash.0).0);
        Self { hash, bytes: bytes.into(), header, transactions }
    }

    pub fn hash(&self) -> Hash {
        self.hash
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    pub fn reference(&self) -> Reference {
        Reference { round: self.header.round, author: self.header.author, hash: self.hash }
    }

    pub fn transactions(&self) -> &[VerifiedTransaction] {
        &self.transactions
    }

    /// The encoding, as it travels and rests.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }
}

fn parse(bytes: &[u8]) -> Result<(Header, Vec<Transaction>, NodeSignature), SnapshotError> {
    if bytes.len() > SNAPSHOT_BYTES_MAX {
        return Err(SnapshotError::TooLong);
    }
    let mut input = Reader::new(bytes);
    let header: Header = input.value()?;
    let transactions = input.list(SNAPSHOT_TRANSACTIONS_MAX)?;
    let signature = NodeSignature::decode(&mut input)?;
    input.finish()?;
    Ok((header, transactions, signature))
}

//! What people who look into the kernel ask: snapshots by round, certificates, outputs, proofs, evidence.
//!
//! Nobody's ledger depends on these. A certificate and a [`FinalProof`] prove themselves, like a step; snapshots,
//! outputs and evidence are one node's word, to be shown as such.

use byway_ledger::RangeProof;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Hash, NetworkId, Time};
use byway_records::TransactionId;
use byway_records::checkpoint::{Certificate, CertificateError, Height, MEMBERS_MAX};
use byway_records::epoch::Seats;
use byway_records::transaction::{Output, OutputId};

use super::membership::Membership;
use crate::committee::MemberIndex;
use crate::snapshot::{Reference, WEAK_REFERENCES_MAX};

/// Certificates in one answer.
pub const CERTIFICATES_MAX: usize = 64;
/// Snapshots in one answer: some rounds of the largest kernel.
pub const SNAPSHOTS_MAX: usize = 200;
/// Outputs that may be asked for at once.
pub const OUTPUTS_MAX: usize = 256;
/// Equivocations that a node remembers for showing.
pub const EVIDENCE_MAX: usize = 64;

/// A look into the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// Certificates from this height on.
    Certificates { from: Height },
    /// The proof that a transaction is final.
    Prove { transaction: TransactionId },
    /// Accepted snapshots from this round on, at most `count`, by rising round and author.
    Snapshots { from: u64, count: u32 },
    /// Which of these outputs are unspent, and what is in them.
    Outputs { ids: Vec<OutputId> },
    /// Equivocations that this node saw.
    Evidence,
    /// Who the kernel nodes are, with pledges and convictions, as of this node's newest commit.
    Members,
}

/// The answer to a [`Query`], of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Certificates(Vec<Certificate>),
    /// Nothing where the transaction is not final, or no certificate covers it yet.
    Proof(Option<Box<FinalProof>>),
    Snapshots(Vec<SnapshotSummary>),
    /// In the order asked for; nothing for one that is spent or was never made.
    Outputs(Vec<Option<Output>>),
    Evidence(Vec<SignedTwice>),
    Members(Box<Membership>),
}

/// Shows to anyone who knows the members that a transaction is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalProof {
    /// Of a checkpoint that covers the transaction.
    pub certificate: Certificate,
    /// Where it stands in the range of all final transactions.
    pub range: RangeProof,
}

/// Why a [`FinalProof`] proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FinalProofError {
    #[error("its certificate is not valid: {0}")]
    Certificate(#[from] CertificateError),
    #[error("the certified range of final transactions doesn't hold it at that place")]
    Range,
}

/// A snapshot without what makes it large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotSummary {
    pub reference: Reference,
    /// The author's clock.
    pub time: Time,
    pub previous: Option<(u64, Hash)>,
    /// Of the round before, by rising author.
    pub references: Vec<(MemberIndex, Hash)>,
    pub weak_references: Vec<Reference>,
    /// The newest checkpoint that its author had executed.
    pub checkpoint: Height,
    /// How many transactions it carries.
    pub transactions: u32,
    pub bytes: u32,
}

/// Two snapshots of one author for one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedTwice {
    pub author: MemberIndex,
    pub round: u64,
    pub first: Hash,
    pub second: Hash,
    /// When this node saw the second, by its own clock.
    pub seen: Time,
}

impl FinalProof {
    /// Whether q(n) of the members in `seats` certify that `id` is final.
    pub fn verify(&self, id: TransactionId, network: NetworkId, seats: &Seats) -> Result<(), FinalProofError> {
        self.certificate.verify(network, seats)?;
        let checkpoint = &self.certificate.checkpoint;
        match self.range.verify(id, checkpoint.transactions, checkpoint.transactions_root) {
            true => Ok(()),
            false => Err(FinalProofError::Range),
        }
    }
}

impl Encode for Query {
    fn encode(&self, out: &mut Writer) {
        match self {
            Query::Certificates { from } => {
                out.byte(0);
                out.value(from);
            }
            Query::Prove { transaction } => {
                out.byte(1);
                out.value(transaction);
            }
            Query::Snapshots { from, count } => {
                out.byte(2);
                out.varint(*from);
                out.varint(*count);
            }
            Query::Outputs { ids } => {
                out.byte(3);
                out.list(ids);
            }
            Query::Evidence => out.byte(4),
            Query::Members => out.byte(5),
        }
    }
}

impl Decode for Query {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Query::Certificates { from: input.value()? }),
            1 => Ok(Query::Prove { transaction: input.value()? }),
            2 => Ok(Query::Snapshots { from: input.u64()?, count: input.u32()? }),
            3 => Ok(Query::Outputs { ids: input.list(OUTPUTS_MAX)? }),
            4 => Ok(Query::Evidence),
            5 => Ok(Query::Members),
            other => Err(DecodeError::UnknownVariant { kind: "query", value: other.into() }),
        }
    }
}

impl Encode for Found {
    fn encode(&self, out: &mut Writer) {
        match self {
            Found::Certificates(certificates) => {
                out.byte(0);
                out.list(certificates);
            }
            Found::Proof(proof) => {
                out.byte(1);
                out.option(proof.as_deref());
            }
            Found::Snapshots(snapshots) => {
                out.byte(2);
                out.list(snapshots);
            }
            Found::Outputs(outputs) => {
                out.byte(3);
                out.varint(outputs.len() as u64);
                outputs.iter().for_each(|output| out.option(output.as_ref()));
            }
            Found::Evidence(evidence) => {
                out.byte(4);
                out.list(evidence);
            }
            Found::Members(membership) => {
                out.byte(5);
                out.value(membership.as_ref());
            }
        }
    }
}

impl Decode for Found {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Found::Certificates(input.list(CERTIFICATES_MAX)?)),
            1 => Ok(Found::Proof(input.option::<FinalProof>()?.map(Box::new))),
            2 => Ok(Found::Snapshots(input.list(SNAPSHOTS_MAX)?)),
            3 => {
                let count = input.u64()?;
                if count > OUTPUTS_MAX as u64 {
                    return Err(DecodeError::TooLong { length: count, limit: OUTPUTS_MAX as u64 });
                }
                Ok(Found::Outputs((0..count).map(|_| input.option()).collect::<Result<_, _>>()?))
            }
            4 => Ok(Found::Evidence(input.list(EVIDENCE_MAX)?)),
            5 => Ok(Found::Members(Box::new(input.value()?))),
            other => Err(DecodeError::UnknownVariant { kind: "finding", value: other.into() }),
        }
    }
}

impl Encode for FinalProof {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.certificate);
        out.value(&self.range);
    }
}

impl Decode for FinalProof {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { certificate: input.value()?, range: input.value()? })
    }
}

impl Encode for SnapshotSummary {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.reference);
        out.value(&self.time);
        out.flag(self.previous.is_some());
        if let Some((round, hash)) = &self.previous {
            out.varint(*round);
            out.value(hash);
        }
        out.varint(self.references.len() as u64);
        for (author, hash) in &self.references {
            out.value(author);
            out.value(hash);
        }
        out.list(&self.weak_references);
        out.value(&self.checkpoint);
        out.varint(self.transactions);
        out.varint(self.bytes);
    }
}

impl Decode for SnapshotSummary {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (reference, time) = (input.value()?, input.value()?);
        let previous = if input.flag()? { Some((input.u64()?, input.value()?)) } else { None };
        let count = input.u64()?;
        if count > MEMBERS_MAX as u64 {
            return Err(DecodeError::TooLong { length: count, limit: MEMBERS_MAX as u64 });
        }
        Ok(Self {
            reference,
            time,
            previous,
            references: (0..count).map(|_| Ok((input.value()?, input.value()?))).collect::<Result<_, DecodeError>>()?,
            weak_references: input.list(WEAK_REFERENCES_MAX)?,
            checkpoint: input.value()?,
            transactions: input.u32()?,
            bytes: input.u32()?,
        })
    }
}

impl Encode for SignedTwice {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.author);
        out.varint(self.round);
        out.value(&self.first);
        out.value(&self.second);
        out.value(&self.seen);
    }
}

impl Decode for SignedTwice {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            author: input.value()?,
            round: input.u64()?,
            first: input.value()?,
            second: input.value()?,
            seen: input.value()?,
        })
    }
}

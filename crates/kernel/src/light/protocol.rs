//! What light clients ask kernel nodes, and what those answer. All of it proves itself (see [`super`]).

use byway_ledger::EntryProof;
use byway_ledger::difference::ENTRY_KEY_BYTES_MAX;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_records::transaction::TRANSACTION_BYTES_MAX;
use byway_records::{Certificate, Checkpoint, Epoch, Height, ProgramId, TransactionId};

use crate::follower::explore::FinalProof;

/// Epochs in one answer.
pub const EPOCHS_MAX: usize = 32;

/// A light client's question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The epochs from this number on.
    Epochs { from: u32 },
    /// The newest certificate.
    Newest,
    /// The checkpoint of this height, and the epoch in force after it: to begin there.
    Beginning { height: Height },
    /// The proof under the newest certificate that a transaction is final.
    Transaction { id: TransactionId },
    /// The body of a final transaction.
    Body { id: TransactionId },
    /// An entry of a program under the newest certificate, or that there is none.
    Entry { program: ProgramId, key: Vec<u8> },
}

/// The answer to a [`Question`], of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// In order, without gaps, from the number asked for on; none where that has not begun.
    Epochs(Vec<EpochStep>),
    /// Nothing before the first.
    Newest(Option<Box<Certificate>>),
    /// Nothing where it is not certified.
    Beginning(Option<Box<Beginning>>),
    /// Nothing where it is not final, or the newest certificate does not cover it yet.
    Transaction(Option<Box<FinalProof>>),
    /// Nothing where it is not final, or not kept any more.
    Body(Option<Vec<u8>>),
    /// Nothing where there is no such program, or no certificate of what can be proved just now.
    Entry(Option<Box<CertifiedEntry>>),
}

/// A change of the members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochStep {
    /// Of the checkpoint that closed the epoch before, by that epoch's members.
    pub certificate: Certificate,
    /// The epoch that it names.
    pub epoch: Epoch,
}

/// Where a client can begin that trusts a checkpoint. Its digest proves both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    pub checkpoint: Checkpoint,
    /// In force after it; nothing for the one that the network was founded with.
    pub epoch: Option<Epoch>,
}

/// An entry, or that there is none, under a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedEntry {
    pub certificate: Certificate,
    pub proof: EntryProof,
}

impl Encode for Question {
    fn encode(&self, out: &mut Writer) {
        match self {
            Question::Epochs { from } => {
                out.byte(0);
                out.varint(*from);
            }
            Question::Newest => out.byte(1),
            Question::Beginning { height } => {
                out.byte(2);
                out.value(height);
            }
            Question::Transaction { id } => {
                out.byte(3);
                out.value(id);
            }
            Question::Body { id } => {
                out.byte(4);
                out.value(id);
            }
            Question::Entry { program, key } => {
                out.byte(5);
                out.value(program);
                out.bytes(key);
            }
        }
    }
}

impl Decode for Question {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Question::Epochs { from: input.u32()? }),
            1 => Ok(Question::Newest),
            2 => Ok(Question::Beginning { height: input.value()? }),
            3 => Ok(Question::Transaction { id: input.value()? }),
            4 => Ok(Question::Body { id: input.value()? }),
            5 => Ok(Question::Entry { program: input.value()?, key: input.bytes(ENTRY_KEY_BYTES_MAX)?.to_vec() }),
            other => Err(DecodeError::UnknownVariant { kind: "light client's question", value: other.into() }),
        }
    }
}

impl Encode for Reply {
    fn encode(&self, out: &mut Writer) {
        match self {
            Reply::Epochs(steps) => {
                out.byte(0);
                out.list(steps);
            }
            Reply::Newest(certificate) => {
                out.byte(1);
                out.option(certificate.as_deref());
            }
            Reply::Beginning(beginning) => {
                out.byte(2);
                out.option(beginning.as_deref());
            }
            Reply::Transaction(proof) => {
                out.byte(3);
                out.option(proof.as_deref());
            }
            Reply::Body(body) => {
                out.byte(4);
                out.flag(body.is_some());
                body.iter().for_each(|body| out.bytes(body));
            }
            Reply::Entry(entry) => {
                out.byte(5);
                out.option(entry.as_deref());
            }
        }
    }
}

impl Decode for Reply {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Reply::Epochs(input.list(EPOCHS_MAX)?)),
            1 => Ok(Reply::Newest(input.option()?.map(Box::new))),
            2 => Ok(Reply::Beginning(input.option()?.map(Box::new))),
            3 => Ok(Reply::Transaction(input.option()?.map(Box::new))),
            4 => {
                let is_there = input.flag()?;
                let body = is_there.then(|| input.bytes(TRANSACTION_BYTES_MAX).map(<[u8]>::to_vec));
                Ok(Reply::Body(body.transpose()?))
            }
            5 => Ok(Reply::Entry(input.option()?.map(Box::new))),
            other => Err(DecodeError::UnknownVariant { kind: "reply to a light client", value: other.into() }),
        }
    }
}

impl Encode for EpochStep {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.certificate);
        out.value(&self.epoch);
    }
}

impl Decode for EpochStep {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { certificate: input.value()?, epoch: input.value()? })
    }
}

impl Encode for Beginning {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.checkpoint);
        out.option(self.epoch.as_ref());
    }
}

impl Decode for Beginning {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { checkpoint: input.value()?, epoch: input.option()? })
    }
}

impl Encode for CertifiedEntry {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.certificate);
        out.value(&self.proof);
    }
}

impl Decode for CertifiedEntry {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { certificate: input.value()?, proof: input.value()? })
    }
}

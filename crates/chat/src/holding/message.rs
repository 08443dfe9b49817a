//! What clients, senders and holders say to each other. Bytes: docs/formats/holding.md.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, IdentityId, Time};

use super::batch::{Cursor, HeldBatch};
use super::envelope::EnvelopeId;
use super::receipt::Receipt;
use crate::delivery::letter::PART_MAX;

/// Receipts in one message.
pub const RECEIPTS_MAX: usize = 256;
/// Envelopes that are announced in one message, and without an answer at a time.
pub const ANNOUNCED_MAX: usize = 128;

/// One message, of any of the three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldMessage {
    /// A client wants to be held for, and spends so much on it in all.
    Use { spent: Amount },
    /// A client wants to be held for no more; what is held goes.
    Leave,
    /// A client wants what is held from there on.
    Fetch { from: Cursor },
    /// A client has these.
    Had { receipts: Vec<Receipt> },
    /// A sender has these for a client.
    Announce { client: IdentityId, envelopes: Vec<Announced> },
    /// A piece of an envelope that is wanted. They come in order, and every piece but the last has [`PART_MAX`] bytes.
    Part { client: IdentityId, envelope: EnvelopeId, index: u16, bytes: Vec<u8> },
    /// To a client: it is held for.
    Serving { bill: Bill },
    /// To a client: it is not held for, or nothing new is taken.
    Refused { refusal: HoldRefusal, bill: Bill },
    /// To a client: nothing is held for it any more.
    Left,
    /// To a client: what it fetches.
    Batch(HeldBatch),
    /// To a sender: what becomes of an envelope.
    Word { client: IdentityId, envelope: EnvelopeId, word: Word },
}

/// An envelope that is brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    pub envelope: EnvelopeId,
    pub until: Time,
    /// Of the sealed parcel, in bytes.
    pub length: u32,
}

/// What a holder says of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The parts from this one on may come.
    Wanted {
        next: u16,
    },
    /// It is on disk.
    Held,
    /// Whom it is for has it.
    Had(Receipt),
    Refused(HoldRefusal),
}

/// Where a client stands with its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bill {
    /// What it has used in all, also if it has forgotten that.
    pub used: Amount,
    /// Of 10^6 bytes for one day.
    pub price: Amount,
    /// Envelopes that are held for it, and their bytes.
    pub count: u64,
    pub bytes: u64,
    /// How many bytes may be held for it.
    pub bytes_max: u64,
}

/// Why something is not held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HoldRefusal {
    #[error("it does not hold for others")]
    Unwilling,
    #[error("it does not hold for that identity")]
    NotClient,
    #[error("it was not paid")]
    Unpaid,
    #[error("it has no room on its disk")]
    DiskFull,
    #[error("it holds as much for that identity as it may")]
    ClientFull,
    #[error("it holds as much from this sender for that identity as it may")]
    SenderFull,
    #[error("it is longer than what is held")]
    TooLarge,
    #[error("it is to be held for longer than it may be, or its time is over")]
    Time,
    #[error("too much is on its way already")]
    Busy,
    /// The parts did not make what was announced.
    #[error("it came damaged")]
    Damaged,
}

const REFUSALS: [HoldRefusal; 10] = [
    HoldRefusal::Unwilling,
    HoldRefusal::NotClient,
    HoldRefusal::Unpaid,
    HoldRefusal::DiskFull,
    HoldRefusal::ClientFull,
    HoldRefusal::SenderFull,
    HoldRefusal::TooLarge,
    HoldRefusal::Time,
    HoldRefusal::Busy,
    HoldRefusal::Damaged,
];

impl Encode for HoldRefusal {
    fn encode(&self, out: &mut Writer) {
        let number = REFUSALS.iter().position(|known| known == self).expect("all are listed");
        out.byte(u8::try_from(number).expect("there are few"));
    }
}

impl Decode for HoldRefusal {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let number = input.byte()?;
        let unknown = DecodeError::UnknownVariant { kind: "refusal of holding", value: number.into() };
        REFUSALS.get(usize::from(number)).copied().ok_or(unknown)
    }
}

impl Encode for Announced {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.envelope);
        out.value(&self.until);
        out.varint(self.length);
    }
}

impl Decode for Announced {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { envelope: input.value()?, until: input.value()?, length: input.u32()? })
    }
}

impl Encode for Word {
    fn encode(&self, out: &mut Writer) {
        match self {
            Word::Wanted { next } => {
                out.byte(0);
                out.varint(*next);
            }
            Word::Held => out.byte(1),
            Word::Had(receipt) => {
                out.byte(2);
                out.value(receipt);
            }
            Word::Refused(refusal) => {
                out.byte(3);
                out.value(refusal);
            }
        }
    }
}

impl Decode for Word {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => Word::Wanted { next: input.u16()? },
            1 => Word::Held,
            2 => Word::Had(input.value()?),
            3 => Word::Refused(input.value()?),
            other => return Err(DecodeError::UnknownVariant { kind: "word of a holder", value: other.into() }),
        })
    }
}

impl Encode for Bill {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.used);
        out.value(&self.price);
        out.varint(self.count);
        out.varint(self.bytes);
        out.varint(self.bytes_max);
    }
}

impl Decode for Bill {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (used, price) = (input.value()?, input.value()?);
        Ok(Self { used, price, count: input.u64()?, bytes: input.u64()?, bytes_max: input.u64()? })
    }
}

impl Encode for HoldMessage {
    fn encode(&self, out: &mut Writer) {
        match self {
            HoldMessage::Use { spent } => {
                out.byte(0);
                out.value(spent);
            }
            HoldMessage::Leave => out.byte(1),
            HoldMessage::Fetch { from } => {
                out.byte(2);
                out.value(from);
            }
            HoldMessage::Had { receipts } => {
                out.byte(3);
                out.list(receipts);
            }
            HoldMessage::Announce { client, envelopes } => {
                out.byte(4);
                out.value(client);
                out.list(envelopes);
            }
            HoldMessage::Part { client, envelope, index, bytes } => {
                out.byte(5);
                out.value(client);
                out.value(envelope);
                out.varint(*index);
                out.bytes(bytes);
            }
            HoldMessage::Serving { bill } => {
                out.byte(6);
                out.value(bill);
            }
            HoldMessage::Refused { refusal, bill } => {
                out.byte(7);
                out.value(refusal);
                out.value(bill);
            }
            HoldMessage::Left => out.byte(8),
            HoldMessage::Batch(batch) => {
                out.byte(9);
                out.value(batch);
            }
            HoldMessage::Word { client, envelope, word } => {
                out.byte(10);
                out.value(client);
                out.value(envelope);
                out.value(word);
            }
        }
    }
}

impl Decode for HoldMessage {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => HoldMessage::Use { spent: input.value()? },
            1 => HoldMessage::Leave,
            2 => HoldMessage::Fetch { from: input.value()? },
            3 => HoldMessage::Had { receipts: input.list(RECEIPTS_MAX)? },
            4 => HoldMessage::Announce { client: input.value()?, envelopes: input.list(ANNOUNCED_MAX)? },
            5 => HoldMessage::Part {
                client: input.value()?,
                envelope: input.value()?,
                index: input.u16()?,
                bytes: input.bytes(PART_MAX)?.to_vec(),
            },
            6 => HoldMessage::Serving { bill: input.value()? },
            7 => HoldMessage::Refused { refusal: input.value()?, bill: input.value()? },
            8 => HoldMessage::Left,
            9 => HoldMessage::Batch(input.value()?),
            10 => HoldMessage::Word { client: input.value()?, envelope: input.value()?, word: input.value()? },
            other => return Err(DecodeError::UnknownVariant { kind: "hold message", value: other.into() }),
        })
    }
}

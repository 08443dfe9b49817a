//! What travels on a link: frames outside, records inside.
//!
//! ```text
//! frame   = 1 ‖ first Noise message                          opening
//!         | 2 ‖ tag ‖ second Noise message                   its answer
//!         | 3 ‖ tag ‖ number (8, little-endian) ‖ sealed     everything else
//! sealed  = Noise transport message of record ‖ record ‖ …
//! record  = 1 positions credential      Live: the initiator proves that it is there, now
//!         | 2 positions proof           Ready: the responder has taken the link into use
//!         | 3 received confirmed ranges Acknowledgement
//!         | 4 number more bytes         Segment of a message
//!         | 5 goodbye                   Close
//!         | 6                           Ask: please acknowledge
//!         | 7 protocol bytes            Early: a message that goes along with Live, at most once
//! ```
//!
//! The tag (8 bytes, a digest of the first Noise message) says which handshake a frame belongs to, so that an old and a
//! new one can share a link. Nothing else is in the clear. Every length is bounded, and a frame that does not decode is
//! an error with a reason, never a panic.

use byway_primitives::hash::Context;
use byway_primitives::{Decode, DecodeError, Encode, Hash, Reader, Writer};

use crate::config::{EARLY_MAX, RANGES_MAX, RECORDS_MAX};
use crate::handshake::{DialogueSecret, Incarnation};
use crate::link::FRAME_MAX;
use crate::message::ProtocolId;
use crate::news::Goodbye;

const TAG: Context = Context("byway 1 dialogue tag");
/// Bytes that a sealed frame takes beside its records: kind, tag, number, and the cipher's tag.
pub(crate) const SEALED_OVERHEAD: usize = 1 + 8 + 8 + 16;
/// Bytes that a segment takes beside its content, at most: kind, number, flag, length.
pub(crate) const SEGMENT_OVERHEAD: usize = 1 + 10 + 1 + 3;

/// What is wrong with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("the frame has {0} bytes, over the limit of {FRAME_MAX}")]
    TooLong(usize),
    #[error("the frame can't be read: {0}")]
    Decode(#[from] DecodeError),
    #[error("the handshake failed: another network, link or version, a wrong key, or garbage")]
    Handshake,
    #[error("the frame does not open under the keys of its handshake")]
    Sealed,
    #[error("a segment is outside the window that was granted")]
    Window,
    #[error("an acknowledgement is of something that was never sent")]
    Acknowledgement,
    #[error("a message is longer than allowed, or its parts do not fit together")]
    Message,
}

/// Names a handshake: the same on both sides, different for every first Noise message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tag(pub [u8; 8]);

/// A frame, as far as it can be read without keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    Hello(Vec<u8>),
    Welcome { tag: Tag, message: Vec<u8> },
    Sealed { tag: Tag, number: u64, sealed: Vec<u8> },
}

/// How far one side's receiving has come: what it has confirmed for good, and the last fleeting message it was handed by
/// this incarnation of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Positions {
    pub durable: u64,
    pub incarnation: Incarnation,
    pub volatile: u64,
}

/// By what right the initiator opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// A new dialogue with this secret.
    New(DialogueSecret),
    /// A dialogue that both know: the proof that we hold its secret, bound to this handshake.
    Resume(Hash),
}

/// Segments from `first` on, `count` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub first: u64,
    pub count: u64,
}

/// Which segments arrived. `received` and `ranges` spare the sender resending; only `confirmed` lets it forget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acknowledgement {
    /// All through this one arrived.
    pub received: u64,
    /// All through this one belong to messages whose effects are durable (or that are volatile and handed over).
    pub confirmed: u64,
    /// Further ones that arrived, ascending, not touching.
    pub ranges: Vec<Range>,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub number: u64,
    pub more: bool,
    pub bytes: Vec<u8>,
}

/// What a sealed frame consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    Live { positions: Positions, credential: Credential },
    Ready { positions: Positions, proof: Hash },
    Acknowledgement(Acknowledgement),
    Segment(Segment),
    Close(Goodbye),
    Ask,
    Early(Early),
}

/// A message that does not wait for Ready. It has no place among the others, and may be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Early {
    pub protocol: ProtocolId,
    pub bytes: Vec<u8>,
}

impl Tag {
    pub fn of(first_message: &[u8]) -> Self {
        let mut tag = [0; 8];
        TAG.expand(&[first_message], &mut tag);
        Self(tag)
    }
}

impl Frame {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        match self {
            Self::Hello(message) => {
                out.byte(1);
                out.raw(message);
            }
            Self::Welcome { tag, message } => {
                out.byte(2);
                out.raw(&tag.0);
                out.raw(message);
            }
            Self::Sealed { tag, number, sealed } => {
                out.byte(3);
                out.raw(&tag.0);
                out.raw(&number.to_le_bytes());
                out.raw(sealed);
            }
        }
        out.into_bytes()
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrameError> {
        if bytes.len() > FRAME_MAX {
            return Err(FrameError::TooLong(bytes.len()));
        }
        let mut input = Reader::new(bytes);
        let rest = |input: &mut Reader<'_>| input.raw(input.remaining()).map(<[u8]>::to_vec);
        Ok(match input.byte()? {
            1 => Self::Hello(rest(&mut input)?),
            2 => Self::Welcome { tag: Tag(input.array()?), message: rest(&mut input)? },
            3 => {
                let (tag, number) = (Tag(input.array()?), u64::from_le_bytes(input.array()?));
                Self::Sealed { tag, number, sealed: rest(&mut input)? }
            }
            value => return Err(DecodeError::UnknownVariant { kind: "frame", value: value.into() }.into()),
        })
    }
}

/// The records of an opened frame.
pub(crate) fn decode_records(bytes: &[u8]) -> Result<Vec<Record>, FrameError> {
    let mut input = Reader::new(bytes);
    let mut records = Vec::new();
    while input.remaining() > 0 {
        if records.len() == RECORDS_MAX {
            let limit = RECORDS_MAX as u64;
            return Err(DecodeError::TooLong { length: limit + 1, limit }.into());
        }
        records.push(Record::decode(&mut input)?);
    }
    Ok(records)
}

impl Encode for Positions {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.durable);
        out.raw(&self.incarnation.0);
        out.varint(self.volatile);
    }
}

impl Decode for Positions {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { durable: input.u64()?, incarnation: Incarnation(input.array()?), volatile: input.u64()? })
    }
}

impl Encode for Credential {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::New(secret) => {
                out.byte(0);
                out.raw(secret.as_bytes());
            }
            Self::Resume(proof) => {
                out.byte(1);
                out.value(proof);
            }
        }
    }
}

impl Decode for Credential {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Self::New(DialogueSecret::from_bytes(input.array()?))),
            1 => Ok(Self::Resume(input.value()?)),
            value => Err(DecodeError::UnknownVariant { kind: "credential", value: value.into() }),
        }
    }
}

impl Range {
    pub fn last(&self) -> u64 {
        self.first + (self.count - 1)
    }
}

impl Encode for Acknowledgement {
    /// Each range is told as the distance from the end of what came before, less the one missing segment that there
    /// must be between, so that only ascending, apart ranges can be written at all.
    fn encode(&self, out: &mut Writer) {
        out.varint(self.received);
        out.varint(self.confirmed);
        out.varint(self.ranges.len() as u64);
        let mut end = self.received;
        for range in &self.ranges {
            out.varint(range.first - end - 2);
            out.varint(range.count - 1);
            end = range.last();
        }
    }
}

impl Decode for Acknowledgement {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (received, confirmed) = (input.u64()?, input.u64()?);
        let count = input.u64()?;
        if count > RANGES_MAX as u64 {
            return Err(DecodeError::TooLong { length: count, limit: RANGES_MAX as u64 });
        }
        if confirmed > received {
            return Err(DecodeError::Invalid("acknowledgement: confirmed before received"));
        }
        let mut end = received;
        let mut ranges = Vec::new();
        for _ in 0..count {
            let first = input.u64()?.checked_add(2).and_then(|gap| gap.checked_add(end));
            let first = first.ok_or(DecodeError::OutOfRange)?;
            let more = input.u64()?;
            end = first.checked_add(more).ok_or(DecodeError::OutOfRange)?;
            ranges.push(Range { first, count: more.checked_add(1).ok_or(DecodeError::OutOfRange)? });
        }
        Ok(Self { received, confirmed, ranges })
    }
}

impl Encode for Segment {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.number);
        out.flag(self.more);
        out.bytes(&self.bytes);
    }
}

impl Decode for Segment {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (number, more) = (input.u64()?, input.flag()?);
        let bytes = input.bytes(FRAME_MAX)?.to_vec();
        match bytes.is_empty() || number == 0 {
            true => Err(DecodeError::Invalid("segment: empty, or without a number")),
            false => Ok(Self { number, more, bytes }),
        }
    }
}

impl Encode for Early {
    fn encode(&self, out: &mut Writer) {
        out.varint(u64::from(self.protocol.0));
        out.bytes(&self.bytes);
    }
}

impl Decode for Early {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let protocol = u16::try_from(input.u64()?).map_err(|_| DecodeError::OutOfRange)?;
        Ok(Self { protocol: ProtocolId(protocol), bytes: input.bytes(EARLY_MAX)?.to_vec() })
    }
}

impl Encode for Record {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Live { positions, credential } => {
                out.byte(1);
                out.value(positions);
                out.value(credential);
            }
            Self::Ready { positions, proof } => {
                out.byte(2);
                out.value(positions);
                out.value(proof);
            }
            Self::Acknowledgement(acknowledgement) => {
                out.byte(3);
                out.value(acknowledgement);
            }
            Self::Segment(segment) => {
                out.byte(4);
                out.value(segment);
            }
            Self::Close(goodbye) => {
                out.byte(5);
                out.value(goodbye);
            }
            Self::Ask => out.byte(6),
            Self::Early(early) => {
                out.byte(7);
                out.value(early);
            }
        }
    }
}

impl Decode for Record {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            1 => Self::Live { positions: input.value()?, credential: input.value()? },
            2 => Self::Ready { positions: input.value()?, proof: input.value()? },
            3 => Self::Acknowledgement(input.value()?),
            4 => Self::Segment(input.value()?),
            5 => Self::Close(input.value()?),
            6 => Self::Ask,
            7 => Self::Early(input.value()?),
            value => return Err(DecodeError::UnknownVariant { kind: "record", value: value.into() }),
        })
    }
}

#[cfg(test)]
mod tests;

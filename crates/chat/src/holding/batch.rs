//! How a holder hands over: in pieces of what it holds, always as many bytes.

use byway_primitives::Time;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

use super::envelope::{ENVELOPE_MAX, EnvelopeId};

/// Bytes of every batch, whatever is in it: a quarter of a dialogue's longest message. Nobody on the way sees how much there was.
pub const BATCH_BYTES: usize = 16 * 1024;
/// Bytes that a piece takes beside its own, at most.
const PIECE_OVERHEAD: usize = 1 + 10 + 32 + 10 + 4 + 4 + 3;
/// Bytes before the pieces: whether there is more.
const HEAD: usize = 1;
/// What ends the pieces.
const END: u8 = 0;
const PIECE: u8 = 1;

/// From where on is fetched: a byte of what has that number at the holder, or of what comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cursor {
    pub number: u64,
    pub offset: u32,
}

/// Some bytes of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub at: Cursor,
    pub envelope: EnvelopeId,
    pub until: Time,
    /// Of the whole.
    pub length: u32,
    pub bytes: Vec<u8>,
}

/// Pieces, in order, filled up with zeros.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeldBatch {
    /// Whether more is held behind what is here.
    pub has_more: bool,
    pieces: Vec<Piece>,
}

impl HeldBatch {
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    pub fn into_pieces(self) -> Vec<Piece> {
        self.pieces
    }

    /// Adds as much of an envelope as there is room for, from `at` on, and gives back how much that is.
    pub fn add(&mut self, at: Cursor, (envelope, until): (EnvelopeId, Time), whole: &[u8]) -> usize {
        let room = self.room().saturating_sub(PIECE_OVERHEAD);
        let from = (at.offset as usize).min(whole.len());
        let count = room.min(whole.len() - from);
        if count > 0 {
            let length = u32::try_from(whole.len()).expect("an envelope is far shorter");
            self.pieces.push(Piece { at, envelope, until, length, bytes: whole[from..from + count].to_vec() });
        }
        count
    }

    fn room(&self) -> usize {
        let taken: usize = self.pieces.iter().map(|piece| PIECE_OVERHEAD + piece.bytes.len()).sum();
        (BATCH_BYTES - HEAD).saturating_sub(taken)
    }
}

impl Encode for Cursor {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.number);
        out.varint(self.offset);
    }
}

impl Decode for Cursor {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { number: input.u64()?, offset: input.u32()? })
    }
}

impl Encode for Piece {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.at);
        out.value(&self.envelope);
        out.value(&self.until);
        out.varint(self.length);
        out.bytes(&self.bytes);
    }
}

impl Decode for Piece {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (at, envelope, until): (Cursor, _, _) = (input.value()?, input.value()?, input.value()?);
        let (length, bytes) = (input.u32()?, input.bytes(BATCH_BYTES)?.to_vec());
        let end = (at.offset as usize).saturating_add(bytes.len());
        if bytes.is_empty() || length as usize > ENVELOPE_MAX || end > length as usize {
            return Err(DecodeError::Invalid("piece of an envelope"));
        }
        Ok(Self { at, envelope, until, length, bytes })
    }
}

impl Encode for HeldBatch {
    fn encode(&self, out: &mut Writer) {
        let mut inner = Writer::new();
        inner.flag(self.has_more);
        for piece in &self.pieces {
            inner.byte(PIECE);
            inner.value(piece);
        }
        let mut bytes = inner.into_bytes();
        assert!(bytes.len() <= BATCH_BYTES, "what is added is bounded by the room that is left");
        bytes.resize(BATCH_BYTES, END);
        out.raw(&bytes);
    }
}

impl Decode for HeldBatch {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut inner = Reader::new(input.raw(BATCH_BYTES)?);
        let has_more = inner.flag()?;
        let mut batch = Self { has_more, pieces: Vec::new() };
        while inner.remaining() > 0 {
            match inner.byte()? {
                PIECE => batch.pieces.push(inner.value()?),
                END => break,
                other => return Err(DecodeError::UnknownVariant { kind: "piece of a batch", value: other.into() }),
            }
        }
        let padding = inner.raw(inner.remaining())?;
        // Compared whole, since a batch that holds nothing is all padding.
        if padding != &[END; BATCH_BYTES][..padding.len()] {
            return Err(DecodeError::Invalid("padding of a batch"));
        }
        Ok(batch)
    }
}

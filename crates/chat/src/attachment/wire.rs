//! What is said on a stream that brings a file: whoever wants it opens one with a [`FileHeader`]; the other side answers with one byte,
//! a [`FileReply`], and where that is [`Follows`](FileReply::Follows) with the values of all groups and then the groups from the one
//! that was asked for to the end. Who asks is who the dialogue on that link is with.

use byway_primitives::Hash;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

use super::tree::GROUPS_MAX;

/// The first byte of a header, which those of other streams don't begin with.
const FILE_STREAM: u8 = 0x42;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHeader {
    /// The sealed file's name.
    pub root: Hash,
    /// The first group that is wanted, by its number: those before it are there.
    pub from: u32,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileReply {
    Follows,
    /// It is not here, or not for whoever asks: that is one and the same to them.
    NotHere,
    /// Too much is being fetched at this moment.
    Busy,
}

impl FileReply {
    pub fn byte(self) -> u8 {
        match self {
            Self::Follows => 0,
            Self::NotHere => 1,
            Self::Busy => 2,
        }
    }

    pub fn from_byte(byte: u8) -> Option<Self> {
        [Self::Follows, Self::NotHere, Self::Busy].into_iter().find(|reply| reply.byte() == byte)
    }
}

impl Encode for FileHeader {
    fn encode(&self, out: &mut Writer) {
        out.byte(FILE_STREAM);
        out.value(&self.root);
        out.varint(self.from);
    }
}

impl Decode for FileHeader {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            FILE_STREAM => {}
            other => return Err(DecodeError::UnknownVariant { kind: "file stream", value: other.into() }),
        }
        let (root, from) = (input.value()?, input.u32()?);
        if from as usize >= GROUPS_MAX {
            return Err(DecodeError::OutOfRange);
        }
        Ok(Self { root, from })
    }
}

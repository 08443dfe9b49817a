//! What devices of a conversation send each other, and how it is bounded.
//!
//! A [`Frame`] is an MLS message with what it takes to find the epoch that it belongs to, which MLS itself says by a number alone:
//! where lines of epochs part, a number names several.
//!
//! Content is padded to a few sizes before it is encrypted, so that its length says little of what it is.

use byway_primitives::{Decode, DecodeError, Encode, Reader, Writer};

use super::{EpochTag, LEAVES_MAX, RoomId};

const VERSION: u8 = 1;

/// The sizes that content is padded to, with its length in front: with what MLS adds (lengths, a signature, a tag) they come to 256,
/// 1,024, 4,096, 16,384 and 65,536 bytes.
pub const PADDED_SIZES: [usize; 5] = [172, 940, 4012, 16_300, 65_450];

/// The longest content, in bytes.
pub const CONTENT_MAX: usize = PADDED_SIZES[4] - LENGTH_BYTES;

/// The bytes of the length in front of content.
const LENGTH_BYTES: usize = 4;

/// What MLS pads requests to leave to, in bytes: they come to one size.
pub(crate) const PADDING: usize = 256;

/// What MLS pads commits to, in bytes: to a multiple of the first of these in which what it does has room. In the first all have it that add
/// up to four devices or remove as many as will, in a room of a thousand.
pub(crate) const COMMIT_SIZES: [usize; 4] = [4 * 1024, 16 * 1024, 64 * 1024, 256 * 1024];

/// The longest message with content, as MLS makes it.
pub const CONTENT_BYTES_MAX: usize = 66 * 1024;

/// The longest commit: it adds 256 devices, or removes as many, in the largest room.
pub const COMMIT_BYTES_MAX: usize = 1024 * 1024;

/// The longest request to be removed.
pub const LEAVE_BYTES_MAX: usize = 4 * 1024;

/// The longest Welcome.
pub const WELCOME_BYTES_MAX: usize = 256 * 1024;

/// The longest tree of keys.
pub const TREE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The longest package of keys with which a device can be added.
pub const PACKAGE_BYTES_MAX: usize = 4 * 1024;

/// The longest frame of any kind.
pub const FRAME_BYTES_MAX: usize = COMMIT_BYTES_MAX + LEAVES_MAX * (LEAVE_BYTES_MAX + 4) + 128;

/// One thing that a device sends to all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub room: RoomId,
    /// The number of the epoch that this is of, and which one of that number.
    pub epoch: u64,
    pub tag: EpochTag,
    pub body: Body,
}

/// What a frame carries; each is an MLS message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    Content(Vec<u8>),
    /// A commit, and the requests to leave that it grants: who has not seen one of those could not follow.
    Commit {
        leaves: Vec<Vec<u8>>,
        commit: Vec<u8>,
    },
    /// A device asks to be removed.
    Leave(Vec<u8>),
    /// The commit with which a device enters anew.
    Entry(Vec<u8>),
}

/// What a device is sent that is added, or enters anew: of which epoch it is, and the MLS message. The tree is beside it, for all alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    pub room: RoomId,
    pub epoch: u64,
    pub tag: EpochTag,
    pub message: Vec<u8>,
}

impl Frame {
    /// Which room a frame is of, without reading the rest.
    ///
    /// # Errors
    /// If it is none.
    pub fn room_of(bytes: &[u8]) -> Result<RoomId, DecodeError> {
        let mut input = Reader::new(bytes);
        version(&mut input)?;
        input.value()
    }
}

/// Content with its length in front and zeros behind, to the next of [`PADDED_SIZES`]. `None` if it is too long.
pub(crate) fn pad(content: &[u8]) -> Option<Vec<u8>> {
    let needed = content.len() + LENGTH_BYTES;
    let size = PADDED_SIZES.into_iter().find(|size| *size >= needed)?;
    let mut padded = Vec::with_capacity(size);
    padded.extend_from_slice(&(content.len() as u32).to_be_bytes());
    padded.extend_from_slice(content);
    padded.resize(size, 0);
    Some(padded)
}

pub(crate) fn unpad(padded: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut input = Reader::new(padded);
    let length = u32::from_be_bytes(input.array()?) as usize;
    let content = input.raw(length)?;
    match pad(content) {
        Some(again) if again == padded => Ok(content.to_vec()),
        _ => Err(DecodeError::Invalid("padding of a content")),
    }
}

fn version(input: &mut Reader<'_>) -> Result<(), DecodeError> {
    match input.byte()? {
        VERSION => Ok(()),
        other => Err(DecodeError::UnknownVariant { kind: "conversation frame version", value: other.into() }),
    }
}

/// A message on its own, for lists.
struct Message(Vec<u8>);

impl Decode for Message {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.bytes(LEAVE_BYTES_MAX).map(|bytes| Self(bytes.to_vec()))
    }
}

impl Encode for Frame {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.room);
        out.varint(self.epoch);
        out.value(&self.tag);
        match &self.body {
            Body::Content(message) => {
                out.byte(0);
                out.bytes(message);
            }
            Body::Commit { leaves, commit } => {
                out.byte(1);
                out.varint(leaves.len() as u64);
                leaves.iter().for_each(|leave| out.bytes(leave));
                out.bytes(commit);
            }
            Body::Leave(message) => {
                out.byte(2);
                out.bytes(message);
            }
            Body::Entry(message) => {
                out.byte(3);
                out.bytes(message);
            }
        }
    }
}

impl Decode for Frame {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(input)?;
        let (room, epoch, tag) = (input.value()?, input.u64()?, input.value()?);
        let body = match input.byte()? {
            0 => Body::Content(input.bytes(CONTENT_BYTES_MAX)?.to_vec()),
            1 => {
                let leaves = input.list::<Message>(LEAVES_MAX)?.into_iter().map(|message| message.0).collect();
                Body::Commit { leaves, commit: input.bytes(COMMIT_BYTES_MAX)?.to_vec() }
            }
            2 => Body::Leave(input.bytes(LEAVE_BYTES_MAX)?.to_vec()),
            3 => Body::Entry(input.bytes(COMMIT_BYTES_MAX)?.to_vec()),
            other => return Err(DecodeError::UnknownVariant { kind: "conversation frame", value: other.into() }),
        };
        Ok(Self { room, epoch, tag, body })
    }
}

impl Encode for Invitation {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.room);
        out.varint(self.epoch);
        out.value(&self.tag);
        out.bytes(&self.message);
    }
}

impl Decode for Invitation {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(input)?;
        Ok(Self {
            room: input.value()?,
            epoch: input.u64()?,
            tag: input.value()?,
            message: input.bytes(WELCOME_BYTES_MAX)?.to_vec(),
        })
    }
}

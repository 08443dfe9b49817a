//! What every content has, whatever it says: its id, when it was sent, what it answers, and its kind.
//!
//! A reader of this version meets three things that are newer than it. A *kind* that it does not know is kept as bytes
//! ([`Kind::Future`]). *Fields* that were added at the end of a kind, or of the envelope, are kept in [`Later`]. All of that encodes
//! to the bytes that came, so that it passes on unchanged and a later version of the program finds it whole.

use std::fmt;
use std::str::FromStr;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{IdentityId, Time};

use super::bounded::{TooMuch, fields};
use super::kind::Kind;
use super::limits::{CONTENT_BYTES_MAX, LAMPORT_MAX};

/// The version of the envelope. A reader refuses others: what must not be read as it stands gets a new one.
const VERSION: u8 = 1;

const DIGEST: Context = Context("byway 1 chat content");

/// What names a content among those of its author: 16 random bytes, drawn by the sender.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub [u8; 16]);

/// A message of a conversation. It has its author in it, so that nobody can take an id that somebody else has drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageRef {
    pub author: IdentityId,
    pub id: MessageId,
}

/// Who has sealed a content: known from its seal, and never from what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Author {
    pub identity: IdentityId,
    /// Which of the identity's devices, by its number.
    pub device: u32,
}

/// The place of a content in the one order that all who have it agree on: of two, the later one has the last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// One more than the highest that its sender had seen in the conversation (Lamport, 1978).
    pub lamport: u64,
    pub author: Author,
    /// The first bytes of the content's digest: tells apart what a faulty device has stamped alike, so that equal stamps are of equal
    /// contents.
    pub digest: [u8; 16],
}

/// One content, before it is sealed and after it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub id: MessageId,
    /// By its sender's clock, which may be wrong or lie: [`Content::shown_at`].
    pub sent: Time,
    /// At most [`LAMPORT_MAX`].
    pub lamport: u64,
    /// The message that the thread began with, of which this is a part.
    pub thread: Option<MessageRef>,
    /// The message that this answers.
    pub reply: Option<MessageRef>,
    pub kind: Kind,
    pub later: Later,
}

/// Fields that this version does not know, as they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Later {
    pub of_kind: Vec<u8>,
    pub of_envelope: Vec<u8>,
}

impl Content {
    /// A content that stands by itself: in no thread, an answer to nothing.
    pub fn new(id: MessageId, sent: Time, lamport: u64, kind: Kind) -> Self {
        Self { id, sent, lamport, thread: None, reply: None, kind, later: Later::default() }
    }

    /// The encoding, if it is not too long to be sent.
    ///
    /// # Errors
    /// [`TooMuch`] above [`CONTENT_BYTES_MAX`], which a few large thumbnails come to.
    pub fn pack(&self) -> Result<Vec<u8>, TooMuch> {
        let bytes = self.to_bytes();
        if bytes.len() > CONTENT_BYTES_MAX {
            return Err(TooMuch { length: bytes.len(), limit: CONTENT_BYTES_MAX, unit: "bytes" });
        }
        Ok(bytes)
    }

    pub fn stamp(&self, author: Author) -> Stamp {
        let mut digest = [0; 16];
        DIGEST.expand(&[&self.to_bytes()], &mut digest);
        Stamp { lamport: self.lamport, author, digest }
    }

    /// When it is shown as sent to whoever has received it at `received`: nothing is from the future.
    pub fn shown_at(&self, received: Time) -> Time {
        self.sent.min(received)
    }
}

/// 32 hex digits.
impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", hex::encode(&self.0[..4]))
    }
}

impl FromStr for MessageId {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| DecodeError::Invalid("message id: 32 hex digits are needed"))?;
        Ok(Self(bytes))
    }
}

impl Encode for MessageId {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for MessageId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array().map(Self)
    }
}

fields! {
    MessageRef { author: value, id: value }
    Author { identity: value, device: value }
    Stamp { lamport: value, author: value, digest: value }
}

impl Encode for Content {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.id);
        out.value(&self.sent);
        out.varint(self.lamport);
        out.option(self.thread.as_ref());
        out.option(self.reply.as_ref());
        out.byte(self.kind.number());
        let mut body = Writer::new();
        self.kind.put_body(&mut body);
        body.raw(&self.later.of_kind);
        out.bytes(&body.into_bytes());
        out.raw(&self.later.of_envelope);
    }
}

/// Reads to the end, since fields of later versions have no other.
impl Decode for Content {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if input.remaining() > CONTENT_BYTES_MAX {
            return Err(DecodeError::TooLong { length: input.remaining() as u64, limit: CONTENT_BYTES_MAX as u64 });
        }
        match input.byte()? {
            VERSION => {}
            other => return Err(DecodeError::UnknownVariant { kind: "version of a content", value: other.into() }),
        }
        let (id, sent, lamport) = (input.value()?, input.value()?, input.u64()?);
        if lamport > LAMPORT_MAX {
            return Err(DecodeError::OutOfRange);
        }
        let (thread, reply) = (input.option()?, input.option()?);
        let number = input.byte()?;
        let mut body = Reader::new(input.bytes(CONTENT_BYTES_MAX)?);
        let kind = Kind::from_body(number, &mut body)?;
        let later = Later {
            of_kind: body.raw(body.remaining())?.to_vec(),
            of_envelope: input.raw(input.remaining())?.to_vec(),
        };
        Ok(Self { id, sent, lamport, thread, reply, kind, later })
    }
}

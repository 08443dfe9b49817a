//! What the layer above is told.

use byway_primitives::{Decode, DecodeError, Encode, IdentityId, Reader, Writer};

use crate::certificate::CertificateError;
use crate::handshake::DialogueId;
use crate::link::{LinkEnd, LinkId};
use crate::message::{Delivery, ProtocolId};

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A new dialogue. Messages can be sent from now on.
    Opened { peer: IdentityId, dialogue: DialogueId, link: LinkId },
    /// The dialogue is on this link now: after it had none, or moved from another. Its sessions go on.
    Resumed { peer: IdentityId, dialogue: DialogueId, link: LinkId },
    /// The dialogue is on no link. It waits for one, until the silence has been too long.
    Detached { peer: IdentityId, dialogue: DialogueId },
    /// A message; to be confirmed (see [`Commit`](crate::Commit)) in the order of arrival.
    Message(Delivery),
    /// The peer said this along with its opening, before it knew that the dialogue is on ([`Dialogues::say_early`]). It comes
    /// at most once, right after [`Opened`](Self::Opened) or [`Resumed`](Self::Resumed), and is said by the live peer itself;
    /// but it may never come, so whoever says it says it again among the messages if it matters.
    ///
    /// [`Dialogues::say_early`]: crate::Dialogues::say_early
    Early { peer: IdentityId, protocol: ProtocolId, bytes: Vec<u8> },
    /// After a send was refused as full: half of the queue is free again.
    Drained { peer: IdentityId },
    /// The dialogue is over, with all its sessions; what was queued and not confirmed is gone. `link` is free.
    Closed { peer: IdentityId, dialogue: DialogueId, reason: ClosedBecause, link: Option<LinkId> },
    /// Our attempt to open towards `peer` came to nothing. A dialogue that exists is untouched.
    Refused { peer: IdentityId, link: LinkId, reason: RefusedBecause },
    /// End this link; the machine has forgotten it.
    LinkEnded { link: LinkId, reason: LinkEnd },
}

/// Why a dialogue is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClosedBecause {
    #[error("we closed it ({0})")]
    Here(Goodbye),
    #[error("the other side closed it ({0})")]
    There(Goodbye),
    #[error("the other side was silent for too long")]
    Silence,
    #[error("the other side began a new dialogue")]
    Replaced,
    #[error("the other side no longer knows it")]
    Forgotten,
    #[error("we ignore the other side")]
    Ignored,
    #[error("the two sides disagree on what was delivered; one of them has lost data or was restored from a copy")]
    Disagreement,
}

/// What a side says when it closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Goodbye {
    #[error("nothing left to do")]
    Done,
    #[error("shutting down")]
    ShuttingDown,
    #[error("positions disagree")]
    Disagreement,
    /// A reason of a protocol above.
    #[error("reason {0}")]
    Application(u16),
}

/// Why an attempt to open came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedBecause {
    #[error("the other side's certificate is not good: {0}")]
    Certificate(CertificateError),
    #[error("the other side refused: {0}")]
    There(Refusal),
    #[error("no answer in time")]
    NoAnswer,
    #[error("the link broke")]
    LinkLost,
    #[error("the other side's own attempt won, or ours was replaced by a newer one")]
    Overtaken,
    #[error("the dialogue that was to move ended meanwhile")]
    Over,
    #[error("the other side could not prove that it knows the dialogue")]
    Proof,
}

/// What a responder says when it refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Both open at once and the other's id is lower: its attempt wins. The attempt is repeated until the other's
    /// succeeded.
    #[error("its own attempt to open goes first")]
    Glare,
    #[error("it has as many dialogues as it can hold; try later")]
    Full,
    #[error("our certificate is not good; renew it and check the clock")]
    Certificate,
}

const APPLICATION: u64 = 16;

impl Encode for Goodbye {
    fn encode(&self, out: &mut Writer) {
        out.varint(match self {
            Self::Done => 0,
            Self::ShuttingDown => 1,
            Self::Disagreement => 2,
            Self::Application(code) => APPLICATION + u64::from(*code),
        });
    }
}

impl Decode for Goodbye {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.u64()? {
            0 => Self::Done,
            1 => Self::ShuttingDown,
            2 => Self::Disagreement,
            value @ APPLICATION.. => {
                Self::Application((value - APPLICATION).try_into().map_err(|_| DecodeError::OutOfRange)?)
            }
            value => return Err(DecodeError::UnknownVariant { kind: "goodbye", value }),
        })
    }
}

impl Encode for Refusal {
    fn encode(&self, out: &mut Writer) {
        out.byte(match self {
            Self::Glare => 0,
            Self::Full => 1,
            Self::Certificate => 2,
        });
    }
}

impl Decode for Refusal {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Self::Glare),
            1 => Ok(Self::Full),
            2 => Ok(Self::Certificate),
            value => Err(DecodeError::UnknownVariant { kind: "refusal", value: value.into() }),
        }
    }
}

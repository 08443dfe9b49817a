//! Why an operation on a conversation came to nothing.

use byway_primitives::DecodeError;

use crate::device::CertificateError;
use crate::mls::member::LeafError;
use crate::mls::policy::Forbidden;
use crate::mls::wire::CONTENT_MAX;
use crate::mls::{ADDS_MAX, EpochTag, RoomId};

/// What is on disk is not a room. A local fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokenRoom {
    #[error("what is kept of {room:?} is unreadable: {cause}")]
    Unreadable { room: RoomId, cause: DecodeError },
    #[error("the keys that are kept of {room:?} are unreadable: {cause}")]
    State { room: RoomId, cause: String },
    #[error("the epochs that are kept of {room:?} don't belong together")]
    Apart { room: RoomId },
}

/// Why content can't be sealed, or a secret not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("this device is not in the conversation any more")]
    NotMember,
    #[error("a message has at most {CONTENT_MAX} bytes, and this one has {length}")]
    TooLong { length: usize },
    #[error("this device keeps no keys of that epoch")]
    UnknownEpoch,
    #[error(transparent)]
    Broken(#[from] BrokenRoom),
    #[error("the message can't be encrypted: {0}")]
    Mls(String),
}

/// Why a change can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    #[error("this device is not in the conversation any more")]
    NotMember,
    #[error("this device has asked to leave; others have to remove it")]
    Leaving,
    #[error("one change adds at most {ADDS_MAX} devices")]
    TooMany,
    #[error("that device is not in the conversation")]
    UnknownDevice,
    #[error("a device that is to be added sent keys that can't be used: {0}")]
    Package(String),
    #[error("the new certificate: {0}")]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    #[error(transparent)]
    Broken(#[from] BrokenRoom),
    #[error("the change can't be made: {0}")]
    Mls(String),
}

/// Why a device can't come into a room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnterError {
    #[error("the invitation is unreadable: {0}")]
    Malformed(#[from] DecodeError),
    #[error("the invitation is for none of the keys that this device keeps")]
    NoPackage,
    #[error("the invitation is not of the conversation, or epoch, that it says")]
    Mismatch,
    #[error("the conversation can't be as the invitation shows it: {0}")]
    Forbidden(#[from] Forbidden),
    #[error("this device was not in the conversation: it has to be added")]
    Stranger,
    #[error("this device's own certificate: {0}")]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Broken(#[from] BrokenRoom),
    #[error("the invitation does not hold: {0}")]
    Mls(String),
}

/// Why a frame was refused. Trying again later won't help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the frame is unreadable: {0}")]
    Malformed(#[from] DecodeError),
    #[error("the frame is of another conversation")]
    OtherRoom,
    #[error("the frame is of epoch {epoch}, of which nothing is kept any more")]
    Forgotten { epoch: u64 },
    #[error("the frame is of an epoch {epoch} that was never part of the conversation here: it has forked")]
    Forked { epoch: u64, tag: EpochTag },
    #[error("too many later messages of its sender were read before")]
    TooLate,
    #[error("too many earlier messages of its sender are missing")]
    TooFarAhead,
    #[error("this device was not in the conversation by then")]
    NotMember,
    #[error("the frame is not from a device in the conversation, or was changed on its way")]
    Undecryptable,
    #[error("the commit refers to a request that it doesn't bring along")]
    MissingProposal,
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    #[error("this device made the commit, and has gone back behind it since: what it keeps is older than what it had")]
    OldState,
    #[error(transparent)]
    Broken(#[from] BrokenRoom),
    #[error("the frame does not hold: {0}")]
    Mls(String),
}

impl SealError {
    pub(super) fn mls(cause: impl std::fmt::Display) -> Self {
        Self::Mls(cause.to_string())
    }
}

impl ChangeError {
    pub(super) fn mls(cause: impl std::fmt::Display) -> Self {
        Self::Mls(cause.to_string())
    }
}

impl EnterError {
    pub(super) fn mls(cause: impl std::fmt::Display) -> Self {
        Self::Mls(cause.to_string())
    }
}

impl Refused {
    pub(super) fn mls(cause: impl std::fmt::Display) -> Self {
        Self::Mls(cause.to_string())
    }
}

impl From<LeafError> for ChangeError {
    fn from(error: LeafError) -> Self {
        Forbidden::from(error).into()
    }
}

impl From<LeafError> for EnterError {
    fn from(error: LeafError) -> Self {
        Forbidden::from(error).into()
    }
}

impl From<LeafError> for Refused {
    fn from(error: LeafError) -> Self {
        Forbidden::from(error).into()
    }
}

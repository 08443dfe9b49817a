//! What is said beside messages: that they came and were read, who is there, what people and the conversation are called.

use byway_primitives::Span;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

use super::bounded::{BoundedBytes, BoundedList, BoundedText, fields};
use super::envelope::MessageRef;
use super::limits::{NAME_BYTES_MAX, RECEIPTS_MAX, THUMBNAIL_BYTES_MAX};

/// How long typing is shown of somebody who says no more: two times the span in which it is said again.
pub const TYPING_SHOWN: Span = Span::seconds(10);
/// How long presence is believed of somebody who says no more.
pub const PRESENCE_SHOWN: Span = Span::minutes(5);

/// Messages that its sender's device has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub messages: BoundedList<MessageRef, RECEIPTS_MAX>,
}

/// Messages that its sender has looked at. Each is named: a message that comes late is not read because a later one was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadMark {
    pub messages: BoundedList<MessageRef, RECEIPTS_MAX>,
}

/// Somebody is writing, in the thread that the envelope names; or has stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typing {
    pub is_typing: bool,
}

/// Whether somebody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Away,
    Here,
    /// Here, and not to be disturbed.
    Busy,
}

/// What somebody wants to be called, and looks like, in this conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    pub nickname: BoundedText<NAME_BYTES_MAX>,
    /// A picture, as its bytes.
    pub picture: Option<BoundedBytes<THUMBNAIL_BYTES_MAX>>,
}

/// What is so of a conversation for all in it. What is not named stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    pub title: Option<BoundedText<NAME_BYTES_MAX>>,
    /// How long after it was sent a message disappears; [`Span::ZERO`]: never.
    pub disappearing: Option<Span>,
}

impl Encode for Presence {
    fn encode(&self, out: &mut Writer) {
        out.byte(match self {
            Self::Away => 0,
            Self::Here => 1,
            Self::Busy => 2,
        });
    }
}

impl Decode for Presence {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Self::Away),
            1 => Ok(Self::Here),
            2 => Ok(Self::Busy),
            other => Err(DecodeError::UnknownVariant { kind: "presence", value: other.into() }),
        }
    }
}

fields! {
    Receipt { messages: value }
    ReadMark { messages: value }
    Typing { is_typing: flag }
    Profile { nickname: value, picture: option }
    Settings { title: option, disappearing: option }
}

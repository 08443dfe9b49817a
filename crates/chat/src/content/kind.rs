//! The kinds of content. Numbers and fields: docs/formats/chat.md.

use byway_primitives::IdentityId;
use byway_primitives::codec::{DecodeError, Reader, Writer};

use super::book::BookChanges;
use super::envelope::MessageRef;
use super::lists::{List, ListChanges};
use super::poll::{Poll, PollClose, Vote};
use super::post::{Deletion, Edit, Memo, Post, Reaction, Voice};
use super::signs::{Presence, Profile, ReadMark, Receipt, Settings, Typing};

/// Kinds from this number on are volatile, those too that are not known here.
const VOLATILE: u8 = 128;

/// A kind that this version does not know. Only bytes that came make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FutureKind {
    number: u8,
    body: Vec<u8>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $number:literal $name:ident($type:ty) $text:literal,)*) => {
        /// What a content says.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $name($type),)*
            /// Of a newer version: kept and passed on as it came, and shown as what it is.
            Future(FutureKind),
        }

        impl Kind {
            /// Its number in the encoding.
            pub fn number(&self) -> u8 {
                match self {
                    $(Self::$name(_) => $number,)*
                    Self::Future(future) => future.number,
                }
            }

            /// What it is called, for people who look at what is said.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $text,)*
                    Self::Future(_) => "a message of a newer kind",
                }
            }

            pub(super) fn put_body(&self, out: &mut Writer) {
                match self {
                    $(Self::$name(value) => out.value(value),)*
                    Self::Future(future) => out.raw(&future.body),
                }
            }

            /// The kind of that number; fields that it does not have are left in `input`.
            pub(super) fn from_body(number: u8, input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(match number {
                    $($number => Self::$name(input.value()?),)*
                    _ => Self::Future(FutureKind { number, body: input.raw(input.remaining())?.to_vec() }),
                })
            }
        }
    };
}

kinds! {
    1 Post(Post) "text",
    2 Edit(Edit) "edit",
    3 Deletion(Deletion) "deletion",
    4 Reaction(Reaction) "reaction",
    5 Receipt(Receipt) "receipt",
    6 ReadMark(ReadMark) "read mark",
    7 Voice(Voice) "voice note",
    8 Poll(Poll) "poll",
    9 Vote(Vote) "vote",
    10 PollClose(PollClose) "close of a poll",
    11 List(List) "list",
    12 ListChanges(ListChanges) "changes of a list",
    13 Memo(Memo) "memo",
    14 Profile(Profile) "profile",
    15 Settings(Settings) "settings",
    16 Book(BookChanges) "changes of the address book",
    128 Typing(Typing) "typing",
    129 Presence(Presence) "presence",
}

impl Kind {
    /// Never stored and never held for somebody who is away: true for a moment only.
    pub fn is_volatile(&self) -> bool {
        self.number() >= VOLATILE
    }

    /// Whether it is a message of its own, which stands in the conversation. What is not volatile and of a newer kind is taken for one.
    pub fn is_message(&self) -> bool {
        match self {
            Self::Post(_) | Self::Voice(_) | Self::Poll(_) | Self::List(_) | Self::Memo(_) => true,
            Self::Future(_) => !self.is_volatile(),
            _ => false,
        }
    }

    /// The messages that it changes something about.
    pub fn about(&self) -> &[MessageRef] {
        match self {
            Self::Edit(Edit { of, .. }) | Self::Deletion(Deletion { of }) | Self::Reaction(Reaction { of, .. }) => {
                std::slice::from_ref(of)
            }
            Self::Vote(Vote { poll, .. }) | Self::PollClose(PollClose { poll }) => std::slice::from_ref(poll),
            Self::ListChanges(ListChanges { list, .. }) => std::slice::from_ref(list),
            Self::Receipt(Receipt { messages }) | Self::ReadMark(ReadMark { messages }) => messages,
            _ => &[],
        }
    }

    /// Who is called by name in it.
    pub fn mentions(&self) -> &[IdentityId] {
        match self {
            Self::Post(Post { text, .. }) | Self::Edit(Edit { text, .. }) | Self::Memo(Memo { text, .. }) => {
                &text.mentions
            }
            _ => &[],
        }
    }
}

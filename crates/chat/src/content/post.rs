//! What people write: text with files, changes to it, memos, voice notes, reactions.

use std::fmt;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Hash, IdentityId, Span, Time};
use unicode_segmentation::UnicodeSegmentation;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::bounded::{BoundedBytes, BoundedList, BoundedText, TooMuch, fields};
use super::envelope::MessageRef;
use super::limits::*;

/// What somebody wrote. How it reads is [`markdown`](super::markdown)'s.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// Markdown, as it was typed.
    pub source: BoundedText<TEXT_BYTES_MAX>,
    /// Who is told that they were called by name.
    pub mentions: BoundedList<IdentityId, MENTIONS_MAX>,
}

/// A message as most are: text, files, or both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Post {
    pub text: Text,
    pub attachments: BoundedList<Attachment, ATTACHMENTS_MAX>,
}

/// What is to stand instead of a message's text. Its files stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub of: MessageRef,
    pub text: Text,
}

/// A message is gone, for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    pub of: MessageRef,
}

/// A note to oneself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memo {
    pub text: Text,
    /// When one wants to be reminded of it.
    pub remind: Option<Time>,
}

/// A recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    /// Says its duration.
    pub recording: Attachment,
    /// How loud it is from its beginning to its end, 0 to 255 each, for a picture of it.
    pub levels: BoundedBytes<LEVELS_MAX>,
}

/// A person's reaction to a message, put there or taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    pub of: MessageRef,
    pub emoji: Emoji,
    pub is_there: bool,
}

/// What stands for a reaction: one thing to the eye.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Emoji(BoundedText<EMOJI_BYTES_MAX>);

/// Why a text does not stand for a reaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnEmoji {
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    #[error("a reaction is one emoji or one character; choose one")]
    NotOne,
}

impl Emoji {
    /// # Errors
    /// Unless it is one grapheme (Unicode Standard Annex 29) that can be seen.
    pub fn new(text: &str) -> Result<Self, NotAnEmoji> {
        let emoji = Self(BoundedText::new(text)?);
        if emoji.is_one() { Ok(emoji) } else { Err(NotAnEmoji::NotOne) }
    }

    /// Whether it is one thing that can be seen, in the Unicode of this build. Not asked where bytes are decoded: a later Unicode
    /// joins more into one, and a reaction that is not shown is no malformed message.
    pub fn is_one(&self) -> bool {
        let mut graphemes = self.0.graphemes(true);
        let (first, rest) = (graphemes.next(), graphemes.next());
        let marks = self.0.chars().filter(|c| unicode_normalization::char::is_combining_mark(*c)).count();
        // A keycap and its variation selector make two.
        rest.is_none() && marks <= 2 && first.and_then(|one| one.chars().next()).is_some_and(is_seen)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_seen(c: char) -> bool {
    !(c.is_control()
        || c.is_whitespace()
        || super::display::is_hidden(c)
        || unicode_normalization::char::is_combining_mark(c))
}

/// A file beside a message: what it is, as its sender says, and how it is fetched, checked and opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// For [`FileName`](super::files::FileName), never for a file system.
    pub name: BoundedText<FILE_NAME_BYTES_MAX>,
    /// The sender's word on it; [`files::sniff`](super::files::sniff) has the last one.
    pub media_type: BoundedText<MEDIA_TYPE_BYTES_MAX>,
    /// Bytes of the encrypted file.
    pub size: u64,
    /// BLAKE3 of the encrypted file: each piece is checked against it as it comes.
    pub root: Hash,
    pub key: AttachmentKey,
    pub shape: Option<Shape>,
    pub duration: Option<Span>,
    /// A small picture of it.
    pub thumbnail: Option<BoundedBytes<THUMBNAIL_BYTES_MAX>>,
}

/// What opens an attachment. Whoever has it can read the file.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct AttachmentKey(pub [u8; 32]);

impl fmt::Debug for AttachmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttachmentKey(…)")
    }
}

/// Of a picture or video, in pixels: room is kept for it before it is there. 1 to [`SIDE_PIXELS_MAX`] each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub width: u32,
    pub height: u32,
}

impl Encode for AttachmentKey {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for AttachmentKey {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array().map(Self)
    }
}

impl Encode for Emoji {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.0);
    }
}

impl Decode for Emoji {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.value().map(Self)
    }
}

impl Encode for Shape {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.width);
        out.varint(self.height);
    }
}

impl Decode for Shape {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (width, height) = (input.u32()?, input.u32()?);
        if [width, height].iter().any(|side| !(1..=SIDE_PIXELS_MAX).contains(side)) {
            return Err(DecodeError::Invalid("side of a picture"));
        }
        Ok(Self { width, height })
    }
}

fields! {
    Text { source: value, mentions: value }
    Post { text: value, attachments: value }
    Edit { of: value, text: value }
    Deletion { of: value }
    Memo { text: value, remind: option }
    Voice { recording: value, levels: value }
    Reaction { of: value, emoji: value, is_there: flag }
    Attachment {
        name: value, media_type: value, size: value, root: value, key: value,
        shape: option, duration: option, thumbnail: option,
    }
}

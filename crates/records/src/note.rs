//! What a payment is for, in its payee's words.
//!
//! It is shown beside an amount to somebody who is about to pay, so it must not look like what it isn't: printable ASCII only, in
//! which no two characters of a word look alike in another script, nothing is invisible and nothing runs from right to left; no
//! space at its ends and no two in a row. It is nobody's proof of anything, and it isn't put on the ledger.

use std::fmt;
use std::str::FromStr;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

/// Characters of a note.
pub const NOTE_MAX: usize = 80;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note(String);

/// A note that can't be shown safely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a note is 1 to {NOTE_MAX} printable ASCII characters without spaces at its ends or two in a row: others could be taken \
     for what they are not"
)]
pub struct NoteError;

impl Note {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Note {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let is_shown = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        let is_plain = text.trim() == text && !text.contains("  ") && (1..=NOTE_MAX).contains(&text.len());
        if is_shown && is_plain { Ok(Self(text.to_owned())) } else { Err(NoteError) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Encode for Note {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.0);
    }
}

impl Decode for Note {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.text(NOTE_MAX)?.parse().map_err(|NoteError| DecodeError::Invalid("note"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_looks_like_what_it_is() {
        for (text, fits) in [
            ("Invoice 271", true),
            ("Inv\u{43e}ice", false),
            ("pay\u{202e}yap", false),
            ("zero\u{200b}width", false),
            (" lead", false),
            ("two  spaces", false),
            ("line\nbreak", false),
            ("", false),
            (&"x".repeat(NOTE_MAX), true),
            (&"x".repeat(NOTE_MAX + 1), false),
        ] {
            assert_eq!(text.parse::<Note>().is_ok(), fits, "{text:?}");
        }
    }
}

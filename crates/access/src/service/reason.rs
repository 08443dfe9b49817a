//! What a service that plugs in says when it refuses: its own words, bounded, and harmless wherever they are shown.

use std::fmt;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

/// Characters of a reason.
pub const REASON_MAX: usize = 96;

/// Up to [`REASON_MAX`] printable ASCII characters, so that no terminal and no page is told anything else by a stranger.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReasonText {
    characters: [u8; REASON_MAX],
    length: u8,
}

fn is_harmless(character: u8) -> bool {
    character == b' ' || character.is_ascii_graphic()
}

impl ReasonText {
    /// The text without what is too much of it, and with `?` for what can't be shown.
    pub fn of(text: &str) -> Self {
        let mut characters = [0; REASON_MAX];
        let shown = text.chars().map(|c| u8::try_from(c).ok().filter(|c| is_harmless(*c)).unwrap_or(b'?'));
        let mut length = 0;
        for (place, character) in characters.iter_mut().zip(shown) {
            *place = character;
            length += 1;
        }
        Self { characters, length }
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.characters[..usize::from(self.length)]).expect("all of it is ASCII")
    }
}

impl fmt::Display for ReasonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for ReasonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Encode for ReasonText {
    fn encode(&self, out: &mut Writer) {
        out.text(self.as_str());
    }
}

impl Decode for ReasonText {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let text = input.text(REASON_MAX)?;
        match text.bytes().all(is_harmless) {
            true => Ok(Self::of(&text)),
            false => Err(DecodeError::Invalid("a reason: printable ASCII")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_short_and_harmless() {
        let long = "x".repeat(REASON_MAX + 1);
        for (text, expected) in
            [("no such host", "no such host"), ("a\u{1b}[2Jb\u{e9}", "a?[2Jb?"), (&long, &long[1..])]
        {
            let reason = ReasonText::of(text);
            assert_eq!(reason.as_str(), expected);
            assert_eq!(ReasonText::from_bytes(&reason.to_bytes()), Ok(reason));
        }
        for bytes in [&[1, 0x1b][..], &[97; 98], &[2, b'a']] {
            assert!(ReasonText::from_bytes(bytes).is_err(), "{bytes:?}");
        }
    }
}

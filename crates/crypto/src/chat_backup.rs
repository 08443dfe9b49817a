//! A backup of conversations: a long file that only its seed phrase opens, sealed in parts so that neither side holds more than one of them.
//!
//! Each part is as an [export](crate::export): a header (magic, version, name of the key, the part's [place](PartPlace), nonce), a ciphertext
//! that authenticates the header (XChaCha20-Poly1305), and a plain checksum. The place says of which file a part is, which part it is and
//! whether it is the last, so parts that are missing, repeated, out of order or of another file are noticed. Nonces are drawn for each part:
//! whoever asks for a part twice may get two that differ.
//!
//! What a file shows to whoever lacks the phrase: its size, that of its parts, and that two files are of one phrase.

use byway_primitives::codec::DecodeError;
use byway_primitives::hash::Context;
use zeroize::Zeroizing;

use crate::sealed_file::{self, Kind, TAG_BYTES, Unreadable};

const KIND: Kind = Kind { magic: b"bywaycht", version: 1, checksum: Context("byway 1 chat backup checksum") };
const KEY_NAME: Context = Context("byway 1 chat backup key name");
/// The most that one part holds, in bytes: the longest list that people share fits.
pub const PART_CONTENT_BYTES_MAX: usize = 4 << 20;
/// The most that one part has, in bytes: header, ciphertext with its tag, checksum.
pub const PART_FILE_BYTES_MAX: usize = PART_CONTENT_BYTES_MAX + 256;

/// Seals and opens the backups of one seed phrase.
#[derive(Clone)]
pub struct ChatBackupKey(Zeroizing<[u8; 32]>);

/// Which part of which file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartPlace {
    /// Drawn for each file.
    pub file: [u8; 16],
    /// From 0 on.
    pub number: u64,
    pub is_last: bool,
}

/// Why a part does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    #[error("this is no backup of conversations")]
    NotABackup,
    #[error("it was written by another version ({0}) of Byway")]
    Version(u8),
    #[error("it is damaged; use another copy of it")]
    Damaged,
    #[error("it was made under another seed phrase")]
    OtherPhrase,
}

impl From<Unreadable> for PartError {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::OtherKind => Self::NotABackup,
            Unreadable::Newer(version) => Self::Version(version),
            Unreadable::Damaged => Self::Damaged,
        }
    }
}

/// What is to be sealed is longer than [`PART_CONTENT_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes are more than the {PART_CONTENT_BYTES_MAX} that a part of a backup holds")]
pub struct PartTooLong(pub usize);

impl ChatBackupKey {
    pub(crate) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// Seals one part. `nonce` is fresh randomness.
    ///
    /// # Errors
    /// [`PartTooLong`].
    pub fn seal(&self, place: PartPlace, content: &[u8], nonce: [u8; 24]) -> Result<Vec<u8>, PartTooLong> {
        if content.len() > PART_CONTENT_BYTES_MAX {
            return Err(PartTooLong(content.len()));
        }
        let mut header = KIND.header();
        header.raw(&self.name());
        header.raw(&place.file);
        header.varint(place.number);
        header.flag(place.is_last);
        header.raw(&nonce);
        Ok(KIND.seal(header, &self.0, &nonce, content))
    }

    /// Opens what [`seal`](Self::seal) made.
    ///
    /// # Errors
    /// [`PartError`].
    pub fn open(&self, bytes: &[u8]) -> Result<(PartPlace, Zeroizing<Vec<u8>>), PartError> {
        let parts = Parts::read(KIND.body(bytes)?).map_err(|_| PartError::Damaged)?;
        if parts.key_name != self.name() {
            return Err(PartError::OtherPhrase);
        }
        let content = sealed_file::open(&self.0, &parts.nonce, parts.header, parts.sealed);
        Ok((parts.place, content.ok_or(PartError::Damaged)?))
    }

    fn name(&self) -> [u8; 16] {
        let digest = KEY_NAME.hash(&[&*self.0]).0;
        *digest.first_chunk().expect("a digest is longer than a name")
    }
}

impl std::fmt::Debug for ChatBackupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChatBackupKey")
    }
}

struct Parts<'a> {
    header: &'a [u8],
    key_name: [u8; 16],
    place: PartPlace,
    nonce: [u8; 24],
    sealed: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut input = KIND.own(body)?;
        let key_name = input.array()?;
        let place = PartPlace { file: input.array()?, number: input.u64()?, is_last: input.flag()? };
        let nonce = input.array()?;
        let header = &body[..body.len() - input.remaining()];
        let sealed = input.bytes(PART_CONTENT_BYTES_MAX + TAG_BYTES)?;
        input.finish()?;
        Ok(Self { header, key_name, place, nonce, sealed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLACE: PartPlace = PartPlace { file: [7; 16], number: 300, is_last: true };

    fn key(byte: u8) -> ChatBackupKey {
        ChatBackupKey::new(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn only_its_phrase_opens_it_and_what_is_wrong_is_told() {
        let sealed = key(1).seal(PLACE, b"hello", [2; 24]).unwrap();
        let cases = [
            ("as it is", sealed.clone(), 1, Ok((PLACE, Zeroizing::new(b"hello".to_vec())))),
            ("another phrase", sealed.clone(), 3, Err(PartError::OtherPhrase)),
            ("a text", b"hello".to_vec(), 1, Err(PartError::NotABackup)),
            ("the beginning alone", sealed[..20].to_vec(), 1, Err(PartError::Damaged)),
            ("cut", sealed[..sealed.len() - 1].to_vec(), 1, Err(PartError::Damaged)),
        ];
        for (what, file, opener, expected) in cases {
            assert_eq!(key(opener).open(&file), expected, "{what}");
        }
        let most = PART_CONTENT_BYTES_MAX + 1;
        assert_eq!(key(1).seal(PLACE, &vec![0; most], [0; 24]), Err(PartTooLong(most)));
    }

    #[test]
    fn a_place_that_was_changed_with_its_checksum_does_not_open() {
        let sealed = key(1).seal(PLACE, b"hello", [2; 24]).unwrap();
        let mut body = sealed[..sealed.len() - 32].to_vec();
        // The last byte of the name of the file.
        body[8 + 1 + 16 + 15] ^= 1;
        let checksum = KIND.checksum.hash(&[&body]);
        body.extend_from_slice(&checksum.0);
        assert_eq!(key(1).open(&body), Err(PartError::Damaged));
    }

    proptest! {
        #[test]
        fn any_damage_is_found(position in 8usize..160, bit in 0u8..8) {
            let mut sealed = key(1).seal(PLACE, b"hello", [2; 24]).unwrap();
            let position = 8 + position % (sealed.len() - 8);
            sealed[position] ^= 1 << bit;
            prop_assert_eq!(key(1).open(&sealed).err(), Some(PartError::Damaged));
        }
    }
}

//! What leaves a node as a file that only its seed phrase opens: XChaCha20-Poly1305 under a key of its own (row I1).
//!
//! An export is a short header (magic, version, name of the key, nonce), a ciphertext that authenticates the header, and a
//! plain checksum. So three mishaps are told apart, and each has another remedy: damage shows in the checksum before any
//! key is tried; the name of the key, a digest of it, shows another phrase, and commits the file to the one key; what then
//! does not open was changed on purpose. No passphrase is stretched here: the key has the strength of the phrase.
//!
//! What a file shows to whoever lacks the phrase: its size, and that two files are of one phrase.

use byway_primitives::codec::DecodeError;
use byway_primitives::hash::Context;
use zeroize::Zeroizing;

use crate::sealed_file::{self, Kind, TAG_BYTES, Unreadable};

const KIND: Kind = Kind { magic: b"bywayexp", version: 1, checksum: Context("byway 1 export checksum") };
const KEY_NAME: Context = Context("byway 1 export key name");
/// The most that is sealed, in bytes: books with tens of thousands of peers fit.
pub const CONTENT_BYTES_MAX: usize = 16 << 20;
/// The most that a file has, in bytes: header, ciphertext with its tag, checksum.
pub const FILE_BYTES_MAX: usize = CONTENT_BYTES_MAX + 256;

/// Seals and opens the exports of one seed phrase.
#[derive(Clone)]
pub struct ExportKey(Zeroizing<[u8; 32]>);

/// Why an export does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("this is no export of Byway's")]
    NotAnExport,
    #[error("it was written by a newer version ({0}) of Byway; update this one")]
    Newer(u8),
    #[error("it is damaged; use another copy of it")]
    Damaged,
    #[error("it was made under another seed phrase; restore that phrase's keystore first")]
    OtherPhrase,
}

impl From<Unreadable> for OpenError {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::OtherKind => Self::NotAnExport,
            Unreadable::Newer(version) => Self::Newer(version),
            Unreadable::Damaged => Self::Damaged,
        }
    }
}

/// What is to be sealed is longer than [`CONTENT_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes are more than the {CONTENT_BYTES_MAX} that an export holds")]
pub struct TooLong(pub usize);

impl ExportKey {
    pub(crate) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// Seals `content`. `nonce` is fresh randomness.
    pub fn seal(&self, content: &[u8], nonce: [u8; 24]) -> Result<Vec<u8>, TooLong> {
        if content.len() > CONTENT_BYTES_MAX {
            return Err(TooLong(content.len()));
        }
        let mut header = KIND.header();
        header.raw(&self.name());
        header.raw(&nonce);
        Ok(KIND.seal(header, &self.0, &nonce, content))
    }

    /// Opens what [`seal`](Self::seal) made.
    pub fn open(&self, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let parts = Parts::read(KIND.body(bytes)?).map_err(|_| OpenError::Damaged)?;
        if parts.key_name != self.name() {
            return Err(OpenError::OtherPhrase);
        }
        sealed_file::open(&self.0, &parts.nonce, parts.header, parts.sealed).ok_or(OpenError::Damaged)
    }

    fn name(&self) -> [u8; 16] {
        let digest = KEY_NAME.hash(&[&*self.0]).0;
        *digest.first_chunk().expect("a digest is longer than a name")
    }
}

impl std::fmt::Debug for ExportKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExportKey")
    }
}

struct Parts<'a> {
    header: &'a [u8],
    key_name: [u8; 16],
    nonce: [u8; 24],
    sealed: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut input = KIND.own(body)?;
        let (key_name, nonce) = (input.array()?, input.array()?);
        let header = &body[..body.len() - input.remaining()];
        let sealed = input.bytes(CONTENT_BYTES_MAX + TAG_BYTES)?;
        input.finish()?;
        Ok(Self { header, key_name, nonce, sealed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(byte: u8) -> ExportKey {
        ExportKey::new(Zeroizing::new([byte; 32]))
    }

    /// As whoever knows the format and not the key could.
    fn with_checksum(mut body: Vec<u8>) -> Vec<u8> {
        let checksum = KIND.checksum.hash(&[&body]);
        body.extend_from_slice(&checksum.0);
        body
    }

    #[test]
    fn only_its_phrase_opens_it_and_what_is_wrong_is_told() {
        let sealed = key(1).seal(b"books", [2; 24]).unwrap();
        let body = &sealed[..sealed.len() - 32];
        let changed = |at: usize| {
            let mut body = body.to_vec();
            body[at] ^= 1;
            with_checksum(body)
        };
        for (what, file, opener, expected) in [
            ("as it is", sealed.clone(), 1, Ok(&b"books"[..])),
            ("another phrase", sealed.clone(), 3, Err(OpenError::OtherPhrase)),
            ("a text", b"hello".to_vec(), 1, Err(OpenError::NotAnExport)),
            ("the beginning alone", sealed[..20].to_vec(), 1, Err(OpenError::Damaged)),
            ("cut", sealed[..sealed.len() - 1].to_vec(), 1, Err(OpenError::Damaged)),
            ("a newer version", changed(8), 1, Err(OpenError::Newer(0))),
            ("a changed nonce", changed(30), 1, Err(OpenError::Damaged)),
            ("a changed ciphertext", changed(body.len() - 1), 1, Err(OpenError::Damaged)),
        ] {
            let opened = key(opener).open(&file);
            assert_eq!(opened.as_ref().map(|content| content.as_slice()).map_err(|error| *error), expected, "{what}");
        }
        assert_eq!(key(1).seal(&vec![0; CONTENT_BYTES_MAX + 1], [0; 24]), Err(TooLong(CONTENT_BYTES_MAX + 1)));
    }

    proptest! {
        #[test]
        fn any_damage_is_found(position in 8usize..120, bit in 0u8..8) {
            let mut sealed = key(1).seal(b"books", [2; 24]).unwrap();
            let position = 8 + position % (sealed.len() - 8);
            sealed[position] ^= 1 << bit;
            prop_assert_eq!(key(1).open(&sealed).err(), Some(OpenError::Damaged));
        }
    }
}

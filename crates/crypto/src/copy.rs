//! What a node keeps of its channels in a second place: sealed under the seed phrase, in files whose names say nothing (row C2).
//!
//! As [exports](crate::export), with a key of their own: XChaCha20-Poly1305 over a header of magic, version and nonce, and a plain checksum at the
//! end. A file is named by a digest under the key, so who sees the folder learns how many channels there are, how large, and when each changes,
//! and not with whom.

use byway_primitives::codec::DecodeError;
use byway_primitives::hash::Context;
use zeroize::Zeroizing;

use crate::sealed_file::{self, Kind, TAG_BYTES, Unreadable};

const KIND: Kind = Kind { magic: b"bywaycpy", version: 1, checksum: Context("byway 1 channel copy checksum") };
const NAME: Context = Context("byway 1 channel copy name");
/// The most that is sealed, in bytes: contracts that have stored some hundred thousand entries fit.
pub const COPY_BYTES_MAX: usize = 32 << 20;
/// The most that a file has, in bytes: header, ciphertext with its tag, checksum.
pub const COPY_FILE_BYTES_MAX: usize = COPY_BYTES_MAX + 256;

/// Seals and opens the copies of one seed phrase.
#[derive(Clone)]
pub struct CopyKey(Zeroizing<[u8; 32]>);

/// Why a copy is not sealed, or does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CopySealError {
    #[error("{0} bytes are more than the {COPY_BYTES_MAX} that a copy holds")]
    TooLong(usize),
    #[error("this is no copy of a channel")]
    NotACopy,
    #[error("it was written by another version ({0}) of Byway")]
    Version(u8),
    #[error("it is damaged, or of another seed phrase")]
    Damaged,
}

impl From<Unreadable> for CopySealError {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::OtherKind => Self::NotACopy,
            Unreadable::Newer(version) => Self::Version(version),
            Unreadable::Damaged => Self::Damaged,
        }
    }
}

impl CopyKey {
    pub(crate) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// What the file of something is named: 32 hex digits that tell nobody what it is.
    pub fn name(&self, what: &[u8]) -> String {
        let digest = NAME.hash(&[&*self.0, what]);
        digest.to_string().chars().take(32).collect()
    }

    /// Seals `content`. `nonce` is fresh randomness.
    ///
    /// # Errors
    /// If it is longer than [`COPY_BYTES_MAX`].
    pub fn seal(&self, content: &[u8], nonce: [u8; 24]) -> Result<Vec<u8>, CopySealError> {
        if content.len() > COPY_BYTES_MAX {
            return Err(CopySealError::TooLong(content.len()));
        }
        let mut header = KIND.header();
        header.raw(&nonce);
        Ok(KIND.seal(header, &self.0, &nonce, content))
    }

    /// Opens what [`seal`](Self::seal) made.
    ///
    /// # Errors
    /// If nobody who has the phrase made it, or it was changed.
    pub fn open(&self, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, CopySealError> {
        let body = KIND.body(bytes)?;
        let Parts { header, nonce, sealed } = Parts::of(body).map_err(|_| CopySealError::Damaged)?;
        sealed_file::open(&self.0, &nonce, header, sealed).ok_or(CopySealError::Damaged)
    }
}

impl std::fmt::Debug for CopyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CopyKey")
    }
}

/// The header, the nonce in it, and the ciphertext.
struct Parts<'a> {
    header: &'a [u8],
    nonce: [u8; 24],
    sealed: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut input = KIND.own(body)?;
        let nonce = input.array()?;
        let header = &body[..body.len() - input.remaining()];
        let sealed = input.bytes(COPY_BYTES_MAX + TAG_BYTES)?;
        input.finish()?;
        Ok(Self { header, nonce, sealed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(byte: u8) -> CopyKey {
        CopyKey::new(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn only_its_phrase_opens_it_and_names_it() {
        let sealed = key(1).seal(b"purses", [2; 24]).unwrap();
        assert_eq!(key(1).open(&sealed).unwrap().as_slice(), b"purses");
        assert_eq!(key(2).open(&sealed), Err(CopySealError::Damaged));
        assert_eq!(key(1).open(b"hello"), Err(CopySealError::NotACopy));
        assert_eq!(key(1).open(&sealed[..20]), Err(CopySealError::Damaged));
        let names = [key(1).name(b"one"), key(1).name(b"two"), key(2).name(b"one")];
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
        assert_eq!(names[0].len(), 32);
        assert_eq!(key(1).seal(&vec![0; COPY_BYTES_MAX + 1], [0; 24]), Err(CopySealError::TooLong(COPY_BYTES_MAX + 1)));
    }

    proptest! {
        #[test]
        fn any_damage_is_found(position in 8usize..120, bit in 0u8..8) {
            let mut sealed = key(1).seal(b"purses", [2; 24]).unwrap();
            let position = 8 + position % (sealed.len() - 8);
            sealed[position] ^= 1 << bit;
            prop_assert_eq!(key(1).open(&sealed).err(), Some(CopySealError::Damaged));
        }
    }
}

//! Digests under named contexts.
//!
//! Every digest in Byway is BLAKE3 in key-derivation mode under a [`Context`], a text that says what is digested. Two
//! different contexts are two different functions, so a leaf can't pass for a node, nor a promise for a transaction.
//!
//! Most of what is digested is a few dozen bytes long, and deriving the key from the context's text would be half of the
//! work, so each thread keeps the keys that it derived last.

use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;

use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};

/// Keys that a thread keeps; there are some seventy contexts, and a busy one uses a dozen.
const KEYS_KEPT: usize = 128;

// tidy-allow: purity because what is kept is a function of the text alone, and nobody can tell whether it was kept
thread_local! {
    /// By the address of the context's text. Another context with the same place in the table takes it over.
    static KEYS: RefCell<[Option<(&'static str, ContextKey)>; KEYS_KEPT]> = const { RefCell::new([None; KEYS_KEPT]) };
}

/// A 32-byte BLAKE3 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

/// What a digest is of. The text is fixed for good: changing it changes every digest made under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context(pub &'static str);

impl Context {
    /// The digest of `parts`, one after the other. Callers make sure that the boundary between parts is unambiguous
    /// (fixed sizes, or the canonical codec).
    pub fn hash(self, parts: &[&[u8]]) -> Hash {
        Hash(*self.hasher(parts).finalize().as_bytes())
    }

    /// The digest of a value's canonical encoding.
    pub fn hash_value(self, value: &impl Encode) -> Hash {
        self.hash(&[&value.to_bytes()])
    }

    /// The 64-byte extended digest, for reduction to a scalar without bias.
    pub fn hash_wide(self, parts: &[&[u8]]) -> [u8; 64] {
        let mut wide = [0; 64];
        self.expand(parts, &mut wide);
        wide
    }

    /// Fills `out` with the extended digest of `parts`.
    pub fn expand(self, parts: &[&[u8]], out: &mut [u8]) {
        self.hasher(parts).finalize_xof().fill(out);
    }

    fn hasher(self, parts: &[&[u8]]) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_from_context_key(&self.key());
        for part in parts {
            hasher.update(part);
        }
        hasher
    }

    fn key(self) -> ContextKey {
        KEYS.with_borrow_mut(|keys| {
            let place = &mut keys[(self.0.as_ptr() as usize / 8) % KEYS_KEPT];
            match place {
                Some((text, key)) if std::ptr::eq(*text, self.0) => *key,
                _ => {
                    let key = hash_derive_key_context(self.0);
                    *place = Some((self.0, key));
                    key
                }
            }
        })
    }
}

impl Hash {
    pub const ZERO: Hash = Hash([0; 32]);

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

/// The first four bytes: enough to tell digests apart in a log.
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", hex::encode(&self.0[..4]))
    }
}

impl FromStr for Hash {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| DecodeError::Invalid("hash: 64 hex digits are needed"))?;
        Ok(Self(bytes))
    }
}

impl Encode for Hash {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for Hash {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array().map(Self)
    }
}

crate::serde_as_text!(Hash);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_different_functions() {
        let (a, b) = (Context("byway test a"), Context("byway test b"));
        assert_ne!(a.hash(&[b"x"]), b.hash(&[b"x"]));
        assert_eq!(a.hash(&[b"xy"]), a.hash(&[b"x", b"y"]));
    }

    #[test]
    fn a_kept_key_is_the_derived_one() {
        const TEXTS: &str =
            "byway test: many contexts, one after the other, whatever place each of them has in the table of keys";
        for _ in 0..2 {
            for end in 1..TEXTS.len() {
                for text in [&TEXTS[..end], &TEXTS[end..]] {
                    assert_eq!(Context(text).hash(&[b"x"]).0, blake3::derive_key(text, b"x"), "{text}");
                }
            }
        }
    }

    #[test]
    fn text_comes_back() {
        let hash = Context("byway test a").hash(&[b"x"]);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert!("abc".parse::<Hash>().is_err());
    }
}

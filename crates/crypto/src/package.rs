//! All or nothing: a package of which no part can be read without the whole (row A12).
//!
//! **Problem.** A ciphertext that is cut into pieces is still a ciphertext, piece by piece: whoever comes by the key later,
//! by theft or because a key exchange is broken one day, reads the piece that it kept.
//!
//! **Idea** (Rivest, *All-or-nothing encryption and the package transform*, 1997; as Resch and Plank have it in AONT-RS, *Dispersed
//! storage*, 2011). The content is encrypted under a key that is drawn for this package alone and is told to nobody. The
//! key is appended, masked by the digest of the whole ciphertext:
//!
//! ```text
//! package = c ‖ key ⊕ H(c)      where c = ChaCha20-Poly1305(key, content)
//! ```
//!
//! Who has all of it computes H(c), then the key. Who misses bytes of it knows H(c) no better than by guessing them, and
//! without it the key is masked by what looks random. There is no other key that one could steal.
//!
//! **What it rests on.** It is an argument about computing, not about information: BLAKE3 as a random oracle, and ChaCha20. What is
//! missing must be too much to guess; who cuts the package sees to it ([`MISSING_MIN`]).
//!
//! It says nothing about who made the package: [`MacKey`] says that, part by part.

use byway_primitives::hash::Context;
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

const MASK: Context = Context("byway 1 package mask");
const PART: Context = Context("byway 1 package part");

const KEY_BYTES: usize = 32;
/// Bytes by which a package is longer than its content: the cipher's tag, and the masked key.
pub const OVERHEAD: usize = 16 + KEY_BYTES;
/// Bytes of a package that whoever is not to read it has to miss at least: as hard to guess as a key.
pub const MISSING_MIN: usize = 32;
/// Bytes of a part's authenticator.
pub const MAC_BYTES: usize = 16;

/// These bytes are no package, or not all of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the package is incomplete or was changed")]
pub struct Incomplete;

/// Makes a package of `content`, in place. The key must be drawn at random for it, and be used for nothing else.
pub fn wrap(key: Zeroizing<[u8; 32]>, content: &mut Vec<u8>) {
    let cipher = ChaCha20Poly1305::new((&*key).into());
    // A key encrypts once, so that the nonce says nothing.
    let nonce = [0; 12];
    cipher.encrypt_in_place((&nonce).into(), &[], content).expect("a packet is far below the cipher's limit");
    let mask = MASK.hash(&[content]);
    content.extend(key.iter().zip(mask.0).map(|(key, mask)| key ^ mask));
}

/// Makes the content of a package, in place.
pub fn unwrap(package: &mut Vec<u8>) -> Result<(), Incomplete> {
    let ciphertext = package.len().checked_sub(KEY_BYTES).ok_or(Incomplete)?;
    let mask = MASK.hash(&[&package[..ciphertext]]);
    let mut key = Zeroizing::new(mask.0);
    key.iter_mut().zip(&package[ciphertext..]).for_each(|(key, masked)| *key ^= masked);
    package.truncate(ciphertext);
    let cipher = ChaCha20Poly1305::new((&*key).into());
    cipher.decrypt_in_place((&[0; 12]).into(), &[], package).map_err(|_| Incomplete)
}

/// A key that two ends share, by which they know each other's parts.
#[derive(Clone, Zeroize)]
#[zeroize(drop)]
pub struct MacKey([u8; 32]);

impl MacKey {
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The authenticator of a part: of its header, whose length is always the same, and its content.
    pub fn mac(&self, header: &[u8], content: &[u8]) -> [u8; MAC_BYTES] {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = PART.hash(&[&self.0, header, content]).0;
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// Whether the other end made this part.
    pub fn is_of(&self, mac: &[u8; MAC_BYTES], header: &[u8], content: &[u8]) -> bool {
        self.mac(header, content).ct_eq(mac).into()
    }
}

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MacKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_part_is_known_by_all_of_it() {
        let key = MacKey::new([1; 32]);
        let mac = key.mac(b"header", b"content");
        assert!(key.is_of(&mac, b"header", b"content"));
        let other = MacKey::new([2; 32]);
        assert!(!other.is_of(&mac, b"header", b"content"));
        assert!(!key.is_of(&mac, b"HEADER", b"content") && !key.is_of(&mac, b"header", b"CONTENT"));
        assert!(!key.is_of(&[0; MAC_BYTES], b"header", b"content"));
    }

    proptest! {
        #[test]
        fn a_package_gives_its_content_and_a_changed_one_nothing(
            key: [u8; 32], content in proptest::collection::vec(any::<u8>(), 0..200), at: proptest::sample::Index, bit in 0u8..8
        ) {
            let mut package = content.clone();
            wrap(Zeroizing::new(key), &mut package);
            prop_assert_eq!(package.len(), content.len() + OVERHEAD);
            let mut changed = package.clone();
            changed[at.index(package.len())] ^= 1 << bit;
            prop_assert_eq!(unwrap(&mut changed), Err(Incomplete));
            let mut cut = package[..at.index(package.len())].to_vec();
            prop_assert_eq!(unwrap(&mut cut), Err(Incomplete));
            prop_assert_eq!(unwrap(&mut package), Ok(()));
            prop_assert_eq!(package, content);
        }

        #[test]
        fn one_content_has_as_many_packages_as_there_are_keys(a: [u8; 32], b: [u8; 32]) {
            let [mut first, mut second] = [vec![7; 100], vec![7; 100]];
            wrap(Zeroizing::new(a), &mut first);
            wrap(Zeroizing::new(b), &mut second);
            prop_assert_eq!(a == b, first == second);
        }
    }
}

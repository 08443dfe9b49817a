//! Keys at rest: Argon2id and XChaCha20-Poly1305.
//!
//! A sealed keystore is a short header (magic, version, Argon2 cost, salt, nonce) and a ciphertext; the header is
//! authenticated with it. A wrong passphrase and a damaged file are told apart: the file ends with a plain BLAKE3
//! checksum, so damage shows before the passphrase is tried.

use argon2::{Algorithm, Argon2, Params, Version};
use byway_primitives::codec::DecodeError;
use byway_primitives::hash::Context;
use zeroize::Zeroizing;

use crate::sealed_file::{self, Kind, TAG_BYTES, Unreadable};

const KIND: Kind = Kind { magic: b"bywaykey", version: 1, checksum: Context("byway 1 keystore checksum") };
/// The most a sealed keystore may hold; a phrase, a few settings and labels need far less.
const CONTENT_MAX: usize = 1 << 20;
/// Bounds on the cost that a file may ask of whoever opens it: 1 GiB, 64 passes.
const MEMORY_KIB_MAX: u32 = 1 << 20;
const PASSES_MAX: u32 = 64;

/// What deriving the key costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    pub memory_kib: u32,
    pub passes: u32,
}

impl Cost {
    /// RFC 9106's second recommendation: 64 MiB, 3 passes.
    pub const STRONG: Cost = Cost { memory_kib: 64 * 1024, passes: 3 };
    /// For tests, and for a random passphrase that lies beside the keystore and needs no stretching.
    pub const CHEAP: Cost = Cost { memory_kib: 64, passes: 1 };
}

/// Fresh randomness for one sealing.
#[derive(Clone, Copy)]
pub struct SealSeed {
    pub salt: [u8; 16],
    pub nonce: [u8; 24],
}

/// Why a keystore does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("this is not a Byway keystore")]
    NotAKeystore,
    #[error("the keystore was written by a newer version ({0}) of Byway")]
    Newer(u8),
    #[error("the keystore is damaged (checksum mismatch); restore it from a backup or from the seed phrase")]
    Damaged,
    #[error("wrong passphrase")]
    WrongPassphrase,
}

impl From<Unreadable> for OpenError {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::OtherKind => Self::NotAKeystore,
            Unreadable::Newer(version) => Self::Newer(version),
            Unreadable::Damaged => Self::Damaged,
        }
    }
}

/// Seals `content` under `passphrase`.
pub fn seal(content: &[u8], passphrase: &str, cost: Cost, seed: SealSeed) -> Vec<u8> {
    let mut header = KIND.header();
    header.varint(cost.memory_kib);
    header.varint(cost.passes);
    header.raw(&seed.salt);
    header.raw(&seed.nonce);
    let key = derive(passphrase, cost, &seed.salt).expect("the costs above are valid for Argon2");
    KIND.seal(header, &key, &seed.nonce, content)
}

/// Opens what [`seal`] made.
pub fn open(bytes: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let parts = Parts::read(KIND.body(bytes)?).map_err(|_| OpenError::Damaged)?;
    let key = derive(passphrase, parts.cost, &parts.salt).ok_or(OpenError::Damaged)?;
    sealed_file::open(&key, &parts.nonce, parts.header, parts.sealed).ok_or(OpenError::WrongPassphrase)
}

struct Parts<'a> {
    header: &'a [u8],
    cost: Cost,
    salt: [u8; 16],
    nonce: [u8; 24],
    sealed: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut input = KIND.own(body)?;
        let cost = Cost { memory_kib: input.u32()?, passes: input.u32()? };
        if cost.memory_kib > MEMORY_KIB_MAX || cost.passes > PASSES_MAX {
            return Err(DecodeError::OutOfRange);
        }
        let (salt, nonce) = (input.array()?, input.array()?);
        let header = &body[..body.len() - input.remaining()];
        let sealed = input.bytes(CONTENT_MAX + TAG_BYTES)?;
        input.finish()?;
        Ok(Self { header, cost, salt, nonce, sealed })
    }
}

fn derive(passphrase: &str, cost: Cost, salt: &[u8; 16]) -> Option<Zeroizing<[u8; 32]>> {
    let params = Params::new(cost.memory_kib, cost.passes, 1, Some(32)).ok()?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, &mut *key)
        .ok()?;
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEED: SealSeed = SealSeed { salt: [1; 16], nonce: [2; 24] };

    #[test]
    fn only_the_passphrase_opens() {
        let sealed = seal(b"secret", "correct horse", Cost::CHEAP, SEED);
        assert_eq!(open(&sealed, "correct horse").expect("opens").as_slice(), b"secret");
        assert_eq!(open(&sealed, "wrong").err(), Some(OpenError::WrongPassphrase));
        assert_eq!(open(b"hello", "x").err(), Some(OpenError::NotAKeystore));
        assert_eq!(open(&sealed[..40], "x").err(), Some(OpenError::Damaged));
    }

    proptest! {
        #[test]
        fn any_damage_is_found_before_the_passphrase_is_tried(position in 8usize..100, bit in 0u8..8) {
            let mut sealed = seal(b"secret", "p", Cost::CHEAP, SEED);
            let position = position % sealed.len();
            sealed[position.max(8)] ^= 1 << bit;
            prop_assert_eq!(open(&sealed, "p").err(), Some(OpenError::Damaged));
        }
    }
}

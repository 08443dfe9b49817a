//! What is kept in a journal, sealed: whoever has the folder and not the key reads no value of it.
//!
//! Each value is sealed with XChaCha20-Poly1305 under a nonce drawn for it, bound to its journal, space and key, so that none can be
//! put in another's place. Keys and the sizes of values stay as they are, because they are what is looked up and sorted by: they show
//! which rooms and peers there are. A value that was replaced can be put back by whoever writes to the folder, as can the whole folder.
//!
//! A value of its own, the *check*, is written first, to a journal beside, so that a wrong key is told from damage when a journal is
//! opened. Where it is gone, a journal that has anything in it is opened by no key.

use std::path::Path;

use byway_primitives::hash::Context;
use byway_primitives::store::Entry;
use byway_primitives::{Batch, Space};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use zeroize::Zeroizing;

use super::DiskError;
use crate::entropy;

const JOURNAL: Context = Context("byway 1 derive: sealed journal");
pub(super) const CHECK: Space = Space("sealed");
pub(super) const CHECK_KEY: &[u8] = b"check";
const CHECK_VALUE: &[u8] = b"byway sealed journal 1";
const NONCE_BYTES: usize = 24;

/// By what journals are sealed. Each journal has a key of its own, derived from this.
#[derive(Clone)]
pub struct SealKey(Zeroizing<[u8; 32]>);

impl SealKey {
    /// `secret` must come from a derivation that nothing else uses.
    pub fn new(secret: [u8; 32]) -> Self {
        Self(Zeroizing::new(secret))
    }
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey")
    }
}

pub(super) struct Seal {
    cipher: XChaCha20Poly1305,
    /// For errors.
    place: String,
}

impl Seal {
    pub fn new(key: &SealKey, journal: &str, directory: &Path) -> Self {
        let own = Zeroizing::new(JOURNAL.hash(&[&*key.0, journal.as_bytes()]).0);
        let cipher = XChaCha20Poly1305::new((&*own).into());
        Self { cipher, place: format!("{} ({journal})", directory.display()) }
    }

    pub fn batch(&self, mut batch: Batch) -> Batch {
        for write in &mut batch.writes {
            if let Some(value) = &mut write.value {
                *value = self.seal(write.space, &write.key, value);
            }
        }
        batch
    }

    /// What is kept beside the journal, for [`verify`](Self::verify).
    pub fn check(&self) -> Batch {
        let mut batch = Batch::new();
        batch.put(CHECK, CHECK_KEY, CHECK_VALUE);
        self.batch(batch)
    }

    /// Whether the journal is sealed with this key; `found` is its check.
    pub fn verify(&self, found: &[u8]) -> Result<(), DiskError> {
        match self.open(CHECK, CHECK_KEY, found) {
            Ok(value) if value == CHECK_VALUE => Ok(()),
            _ => Err(DiskError::WrongKey { place: self.place.clone() }),
        }
    }

    pub fn open(&self, space: Space, key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, DiskError> {
        let broken = || DiskError::Damaged {
            place: self.place.clone(),
            reason: format!("a value of \"{}\" is not as it was sealed", space.0),
        };
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or_else(broken)?;
        let payload = Payload { msg: sealed, aad: &bound_to(space, key) };
        self.cipher.decrypt(nonce.into(), payload).map_err(|_| broken())
    }

    pub fn open_all(&self, space: Space, entries: Vec<Entry>) -> Result<Vec<Entry>, DiskError> {
        let open = |(key, sealed): Entry| {
            let value = self.open(space, &key, &sealed)?;
            Ok((key, value))
        };
        entries.into_iter().map(open).collect()
    }

    fn seal(&self, space: Space, key: &[u8], value: &[u8]) -> Vec<u8> {
        let seed = entropy::seed();
        let nonce: &[u8; NONCE_BYTES] = seed.first_chunk().expect("a seed is longer");
        let payload = Payload { msg: value, aad: &bound_to(space, key) };
        let sealed = self.cipher.encrypt(nonce.into(), payload).expect("far below the cipher's limit");
        [nonce.as_slice(), &sealed].concat()
    }
}

/// The space's length comes first, so that no two pairs read alike.
fn bound_to(space: Space, key: &[u8]) -> Vec<u8> {
    let length = (space.0.len() as u64).to_be_bytes();
    [&length, space.0.as_bytes(), key].concat()
}

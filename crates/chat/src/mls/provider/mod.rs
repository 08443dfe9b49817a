//! What `openmls` is given to work with: primitives, randomness and a place for its state, for the length of one operation.
//!
//! All three follow from the operation's seed and the state before it, so an operation has one result. `openmls` encrypts to many
//! in parallel (`rayon`), in whatever order; [`crypto`] needs no order.

mod crypto;
mod storage;

use std::cell::RefCell;

use byway_primitives::hash::Context;
use openmls_traits::OpenMlsProvider;
use openmls_traits::random::OpenMlsRand;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

pub use crypto::Crypto;
pub use storage::{Changes, Entries, Overlay, StorageError};
pub(crate) use storage::{decoded, encoded, is_tree, tree_key, without_decryption_keys};

const RANDOM: Context = Context("byway 1 derive: randomness of an operation on a conversation");
const HEDGE: Context = Context("byway 1 derive: encapsulations of an operation on a conversation");

/// For one operation, on the state that `entries` hold.
pub struct Provider<'a> {
    crypto: Crypto,
    random: Random,
    storage: Overlay<'a>,
}

/// A stream of bytes that follows from the seed.
pub struct Random(RefCell<ChaCha20Rng>);

/// There is none: the stream does not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoError {}

impl<'a> Provider<'a> {
    /// `seed` is secret, and new for each operation.
    pub fn new(seed: &[u8; 32], entries: &'a Entries) -> Self {
        let stream = Zeroizing::new(RANDOM.hash(&[seed]).0);
        Self {
            crypto: Crypto::new(HEDGE.hash(&[seed]).0),
            random: Random(RefCell::new(ChaCha20Rng::from_seed(*stream))),
            storage: Overlay::new(entries),
        }
    }

    /// What the operation has changed.
    pub fn into_changes(self) -> Changes {
        self.storage.into_changes()
    }
}

impl<'a> OpenMlsProvider for Provider<'a> {
    type CryptoProvider = Crypto;
    type RandProvider = Random;
    type StorageProvider = Overlay<'a>;

    fn storage(&self) -> &Overlay<'a> {
        &self.storage
    }

    fn crypto(&self) -> &Crypto {
        &self.crypto
    }

    fn rand(&self) -> &Random {
        &self.random
    }
}

impl OpenMlsRand for Random {
    type Error = NoError;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], NoError> {
        let mut bytes = [0; N];
        self.0.borrow_mut().fill_bytes(&mut bytes);
        Ok(bytes)
    }

    fn random_vec(&self, len: usize) -> Result<Vec<u8>, NoError> {
        let mut bytes = vec![0; len];
        self.0.borrow_mut().fill_bytes(&mut bytes);
        Ok(bytes)
    }
}

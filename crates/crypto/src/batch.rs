//! Many ed25519 signatures checked at once.
//!
//! Under ZIP-215 rules a batch passes exactly when each signature in it would pass alone, so nodes that verify in
//! different batches can't disagree. The batch's random coefficients must be unpredictable to whoever made the
//! signatures; they are drawn from a generator seeded with a digest of the whole batch, which fixes the signatures
//! before the coefficients are known (Fiat–Shamir).

use byway_primitives::Hash;
use byway_primitives::hash::Context;
use ed25519_zebra::{Signature, VerificationKey, VerificationKeyBytes, batch};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const COEFFICIENTS: Context = Context("byway 1 batch coefficients");

/// One signature to check: that the holder of `key` signed `digest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    pub key: [u8; 32],
    pub digest: Hash,
    pub signature: [u8; 64],
}

impl Signed {
    /// Checks this one alone.
    pub fn verifies(&self) -> bool {
        let Ok(key) = VerificationKey::try_from(self.key) else { return false };
        key.verify(&Signature::from(self.signature), &self.digest.0).is_ok()
    }
}

/// Collects signatures and checks them together.
#[derive(Debug, Default)]
pub struct BatchVerifier {
    items: Vec<Signed>,
}

impl BatchVerifier {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&mut self, item: Signed) {
        self.items.push(item);
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether every signature is good.
    pub fn all_verify(&self) -> bool {
        match self.items.as_slice() {
            [] => true,
            [one] => one.verifies(),
            many => verify_together(many),
        }
    }
}

impl Extend<Signed> for BatchVerifier {
    fn extend<T: IntoIterator<Item = Signed>>(&mut self, items: T) {
        self.items.extend(items);
    }
}

fn verify_together(items: &[Signed]) -> bool {
    let mut transcript = Vec::with_capacity(items.len() * 128);
    let mut batch = batch::Verifier::new();
    for item in items {
        transcript.extend_from_slice(&item.key);
        transcript.extend_from_slice(&item.digest.0);
        transcript.extend_from_slice(&item.signature);
        batch.queue((VerificationKeyBytes::from(item.key), Signature::from(item.signature), &item.digest.0));
    }
    let seed = COEFFICIENTS.hash(&[&transcript]);
    batch.verify(ChaCha20Rng::from_seed(seed.0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NodeSecret, Purpose};
    use byway_primitives::NetworkId;

    const NETWORK: NetworkId = NetworkId(Hash([7; 32]));

    fn signed(seed: u8, message: &[u8]) -> Signed {
        let secret = NodeSecret::from_seed(&[seed; 32]);
        let signature = secret.sign(Purpose::Snapshot, NETWORK, message);
        secret.public().signed(Purpose::Snapshot, NETWORK, message, signature)
    }

    #[test]
    fn one_bad_signature_spoils_the_batch() {
        for size in [0usize, 1, 2, 33] {
            let mut batch = BatchVerifier::new();
            batch.extend((0..size).map(|i| signed(i as u8, &[i as u8])));
            assert!(batch.all_verify(), "{size}");
            for spoiled in 0..size {
                let mut items = batch.items.clone();
                items[spoiled].signature[3] ^= 1;
                assert!(!BatchVerifier { items }.all_verify(), "{spoiled} of {size}");
            }
        }
    }

    /// The small-order keys and signatures on which other ed25519 rules disagree with themselves: all of them are valid
    /// under ZIP-215 (its own test vector, with s = 0 and A, R of small order), alone and in a batch.
    #[test]
    fn single_and_batch_agree_on_small_order_points() {
        let small_order = [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        ];
        for a in small_order {
            for r in small_order {
                let mut key = [0; 32];
                let mut signature = [0; 64];
                hex::decode_to_slice(a, &mut key).expect("hex");
                hex::decode_to_slice(r, &mut signature[..32]).expect("hex");
                let odd = Signed { key, digest: Hash([9; 32]), signature };
                let batch = BatchVerifier { items: vec![odd, signed(1, b"x")] };
                assert!(odd.verifies());
                assert!(batch.all_verify());
            }
        }
    }
}

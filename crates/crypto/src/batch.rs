//! Many ed25519 signatures checked at once.
//!
//! Under ZIP-215 rules a batch passes exactly when each signature in it would pass alone, so nodes that verify in
//! different batches can't disagree. The batch's random coefficients must be unpredictable to whoever made the
//! signatures; they are drawn from a generator seeded with a digest of the whole batch, which fixes the signatures
//! before the coefficients are known (Fiat–Shamir).
//!
//! What is signed is a digest of 32 bytes with a zero byte before it. The library puts the name of an application there,
//! behind its length; ours is in the digest already ([`Purpose`](crate::Purpose)).

use byway_primitives::Hash;
use byway_primitives::hash::Context;
use commonware_codec::{Copying, DecodeExt};
use commonware_cryptography::{BatchEntry, BatchVerifier as _};
use commonware_cryptography_curve25519::signing::{Signature, VerifyingKey};
use commonware_parallel::Sequential;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// The name in front of a digest, of which only the length is left.
const NO_NAME: &[u8] = &[];
/// So few signatures cost less one by one: a batch works on eight keys at a time, whether there are so many or not.
const FEW: usize = 4;

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
        let (key, signature) = self.parts();
        key.verify(NO_NAME, &self.digest.0, &signature)
    }

    fn parts(&self) -> (VerifyingKey, Signature) {
        let key = VerifyingKey::decode(Copying(&self.key)).expect("any 32 bytes are taken, and looked at later");
        let signature = Signature::decode(Copying(&self.signature)).expect("so are any 64");
        (key, signature)
    }
}

/// The message that is signed for this digest.
pub(crate) fn message_of(digest: &Hash) -> [u8; 33] {
    let mut message = [0; 33];
    message[1..].copy_from_slice(&digest.0);
    message
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
        if self.items.len() <= FEW { self.items.iter().all(Signed::verifies) } else { verify_together(&self.items) }
    }
}

impl Extend<Signed> for BatchVerifier {
    fn extend<T: IntoIterator<Item = Signed>>(&mut self, items: T) {
        self.items.extend(items);
    }
}

fn verify_together(items: &[Signed]) -> bool {
    let mut transcript = Vec::with_capacity(items.len() * 128);
    for item in items {
        transcript.extend_from_slice(&item.key);
        transcript.extend_from_slice(&item.digest.0);
        transcript.extend_from_slice(&item.signature);
    }
    let mut coefficients = ChaCha20Rng::from_seed(COEFFICIENTS.hash(&[&transcript]).0);
    let parts: Vec<_> = items.iter().map(|item| (item.parts(), item.digest)).collect();
    VerifyingKey::verify_batch(
        &mut coefficients,
        &parts,
        |_, ((public_key, signature), digest)| BatchEntry {
            namespace: NO_NAME,
            message: &digest.0,
            public_key,
            signature,
        },
        &Sequential,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NodeSecret, Purpose};
    use byway_primitives::NetworkId;
    use proptest::prelude::*;

    const NETWORK: NetworkId = NetworkId(Hash([7; 32]));

    fn signed(seed: u8, message: &[u8]) -> Signed {
        let secret = NodeSecret::from_seed(&[seed; 32]);
        let signature = secret.sign(Purpose::Snapshot, NETWORK, message);
        secret.public().signed(Purpose::Snapshot, NETWORK, message, signature)
    }

    #[test]
    fn one_bad_signature_spoils_the_batch() {
        for size in [0usize, 1, 2, FEW, FEW + 1, 33] {
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

    /// Encodings on which ed25519 rules disagree: points of small order, some of them with y above p or a sign for x = 0,
    /// and what is no point.
    const ODD_POINTS: [&str; 7] = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "0200000000000000000000000000000000000000000000000000000000000000",
    ];

    fn point(hex: &str) -> [u8; 32] {
        hex::decode(hex).expect("hex").try_into().expect("32 bytes")
    }

    /// By an implementation that shares nothing with the one in use.
    fn verifies_elsewhere(item: &Signed) -> bool {
        let Ok(key) = ed25519_zebra::VerificationKey::try_from(item.key) else { return false };
        key.verify(&ed25519_zebra::Signature::from(item.signature), &message_of(&item.digest)).is_ok()
    }

    /// Alone, in a batch, and by the other implementation, with the same outcome, which it gives.
    fn outcome(item: Signed) -> bool {
        let alone = item.verifies();
        let others = (1..=2 * FEW).map(|seed| signed(seed as u8, b"x"));
        let batch = BatchVerifier { items: [item].into_iter().chain(others).collect() };
        assert_eq!(batch.all_verify(), alone, "in a batch: {item:?}");
        assert_eq!(verifies_elsewhere(&item), alone, "elsewhere: {item:?}");
        alone
    }

    #[test]
    fn all_agree_on_odd_points() {
        let (mut good, mut bad) = (0, 0);
        for key in ODD_POINTS.map(point) {
            for r in ODD_POINTS.map(point) {
                let mut signature = [0; 64];
                signature[..32].copy_from_slice(&r);
                *if outcome(Signed { key, digest: Hash([9; 32]), signature }) { &mut good } else { &mut bad } += 1;
            }
        }
        assert_eq!((good, bad), (36, 13), "six of the seven are points of small order, and good with s = 0");
    }

    #[test]
    fn all_refuse_an_s_that_is_not_reduced() {
        let order = point("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        let mut item = signed(3, b"x");
        assert!(outcome(item));
        let mut carry = 0;
        for (byte, add) in item.signature[32..].iter_mut().zip(order) {
            carry += u16::from(*byte) + u16::from(add);
            (*byte, carry) = (carry as u8, carry >> 8);
        }
        assert!(!outcome(item));
    }

    proptest! {
        #[test]
        fn all_agree_on_what_is_spoiled(
            seed: u8,
            place in 0usize..128,
            flip in 0u8..=255,
            key in prop::option::weighted(0.2, 0..ODD_POINTS.len()),
            r in prop::option::weighted(0.2, 0..ODD_POINTS.len()),
        ) {
            let mut item = signed(seed, b"message");
            item.key = key.map_or(item.key, |odd| point(ODD_POINTS[odd]));
            if let Some(odd) = r {
                item.signature[..32].copy_from_slice(&point(ODD_POINTS[odd]));
            }
            match place {
                0..64 => item.signature[place] ^= flip,
                64..96 => item.key[place - 64] ^= flip,
                _ => item.digest.0[place - 96] ^= flip,
            }
            let is_whole = flip == 0 && key.is_none() && r.is_none();
            let is_good = outcome(item);
            prop_assert!(is_good || !is_whole);
        }
    }
}

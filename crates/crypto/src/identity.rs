//! Identities: secp256k1 keys with recoverable ECDSA (row I1).
//!
//! The id is the last 20 bytes of keccak256 of the uncompressed public key, as on Ethereum, but what is signed is a
//! [`Purpose`] digest, so no Byway signature means anything there. A signature carries its recovery number, so that the
//! signer's public key, and with it the id, comes out of the signature itself.

use std::fmt;

use byway_primitives::hash::Context;
use byway_primitives::{Decode, DecodeError, Encode, Hash, IdentityId, NetworkId, Reader, Writer};
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, PublicKey, SecretKey};
use sha3::{Digest, Keccak256};
use zeroize::Zeroizing;

use crate::purpose::Purpose;

/// The secret key of an identity. Zeroised on drop, never printed.
#[derive(Clone)]
pub struct IdentitySecret {
    bytes: Zeroizing<[u8; 32]>,
    public: IdentityPublic,
}

/// The public key of an identity, compressed (33 bytes on the wire).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdentityPublic(PublicKey);

/// A recoverable ECDSA signature: r, s (low) and the recovery number, 65 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentitySignature(pub [u8; 65]);

/// The bytes are not the signature that they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the signature is malformed")]
    Malformed,
    #[error("the signature is not by {expected}")]
    WrongSigner { expected: IdentityId },
}

impl IdentitySecret {
    /// From 32 secret bytes. `None` for the few values that are no key (zero, or not below the group order).
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let secret = SecretKey::from_secret_bytes(*bytes).ok()?;
        let public = IdentityPublic(PublicKey::from_secret_key(&secret));
        Some(Self { bytes: Zeroizing::new(*bytes), public })
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    pub fn public(&self) -> IdentityPublic {
        self.public
    }

    pub fn id(&self) -> IdentityId {
        self.public.id()
    }

    /// Signs `message` for `purpose` on `network` (RFC 6979, deterministic).
    pub fn sign(&self, purpose: Purpose, network: NetworkId, message: &[u8]) -> IdentitySignature {
        self.sign_digest(purpose.digest(network, message))
    }

    /// Bytes that follow from the secret and these parts, each of a fixed length, and say nothing of it.
    pub fn derive(&self, context: Context, parts: &[&[u8]]) -> Hash {
        let parts: Vec<&[u8]> = [&self.bytes[..]].into_iter().chain(parts.iter().copied()).collect();
        context.hash(&parts)
    }

    fn sign_digest(&self, digest: Hash) -> IdentitySignature {
        let secret = SecretKey::from_secret_bytes(*self.bytes).expect("checked when it was made");
        let signature = RecoverableSignature::sign_ecdsa_recoverable(Message::from_digest(digest.0), &secret);
        let (recovery, compact) = signature.serialize_compact();
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&compact);
        bytes[64] = recovery.to_u8();
        IdentitySignature(bytes)
    }
}

impl IdentityPublic {
    /// The last 20 bytes of keccak256 of the uncompressed key without its leading 4.
    pub fn id(&self) -> IdentityId {
        let digest = Keccak256::digest(&self.0.serialize_uncompressed()[1..]);
        let mut id = [0; 20];
        id.copy_from_slice(&digest[12..]);
        IdentityId(id)
    }

    pub fn to_compressed(&self) -> [u8; 33] {
        self.0.serialize()
    }
}

impl IdentitySignature {
    /// The signer's public key.
    ///
    /// # Errors
    /// [`SignatureError::Malformed`] where no key can be recovered, or `s` is not in its low form (so that every
    /// signature has one encoding).
    pub fn recover(
        &self,
        purpose: Purpose,
        network: NetworkId,
        message: &[u8],
    ) -> Result<IdentityPublic, SignatureError> {
        let number = RecoveryId::from_u8_masked(self.0[64]);
        if number.to_u8() != self.0[64] {
            return Err(SignatureError::Malformed);
        }
        let signature =
            RecoverableSignature::from_compact(&self.0[..64], number).map_err(|_| SignatureError::Malformed)?;
        let mut normal = signature.to_standard();
        normal.normalize_s();
        if normal != signature.to_standard() {
            return Err(SignatureError::Malformed);
        }
        let digest = Message::from_digest(purpose.digest(network, message).0);
        signature.recover(digest).map(IdentityPublic).map_err(|_| SignatureError::Malformed)
    }

    /// Checks that `signer` made this signature.
    pub fn verify(
        &self,
        signer: IdentityId,
        purpose: Purpose,
        network: NetworkId,
        message: &[u8],
    ) -> Result<(), SignatureError> {
        let recovered = self.recover(purpose, network, message)?.id();
        if recovered == signer { Ok(()) } else { Err(SignatureError::WrongSigner { expected: signer }) }
    }
}

impl fmt::Debug for IdentitySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentitySecret(of {:?})", self.id())
    }
}

impl fmt::Debug for IdentityPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityPublic({:?})", self.id())
    }
}

impl fmt::Debug for IdentitySignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentitySignature({}…)", hex::encode(&self.0[..4]))
    }
}

impl Encode for IdentityPublic {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.to_compressed());
    }
}

impl Decode for IdentityPublic {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = input.array::<33>()?;
        PublicKey::from_slice(&bytes).map(Self).map_err(|_| DecodeError::Invalid("secp256k1 public key"))
    }
}

impl Encode for IdentitySignature {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for IdentitySignature {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NETWORK: NetworkId = NetworkId(Hash([7; 32]));

    fn secret(byte: u8) -> IdentitySecret {
        IdentitySecret::from_bytes(&[byte; 32]).expect("a key")
    }

    #[test]
    fn the_id_is_the_ethereum_address_of_the_key() {
        // The widely published first account of the "test test … junk" phrase.
        let bytes: [u8; 32] = hex::decode("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
            .expect("hex")
            .try_into()
            .expect("32 bytes");
        let secret = IdentitySecret::from_bytes(&bytes).expect("a key");
        assert_eq!(secret.id().to_string(), "f39fd6e51aad88f6f4ce6ab8827279cfffb92266");
    }

    #[test]
    fn a_signature_is_good_for_one_purpose_network_message_and_signer() {
        let (alice, bob) = (secret(1), secret(2));
        let signature = alice.sign(Purpose::Promise, NETWORK, b"pay");
        let check = |signer, purpose, network, message: &[u8]| signature.verify(signer, purpose, network, message);
        assert_eq!(check(alice.id(), Purpose::Promise, NETWORK, b"pay"), Ok(()));
        assert!(check(bob.id(), Purpose::Promise, NETWORK, b"pay").is_err());
        assert!(check(alice.id(), Purpose::Settle, NETWORK, b"pay").is_err());
        assert!(check(alice.id(), Purpose::Promise, NetworkId(Hash([8; 32])), b"pay").is_err());
        assert!(check(alice.id(), Purpose::Promise, NETWORK, b"pax").is_err());
    }

    #[test]
    fn the_high_form_of_s_is_refused() {
        let alice = secret(1);
        let signature = alice.sign(Purpose::Promise, NETWORK, b"pay");
        let order = hex::decode("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141").expect("hex");
        let mut high = signature.0;
        let mut borrow = 0i16;
        for i in (0..32).rev() {
            let digit = i16::from(order[i]) - i16::from(signature.0[32 + i]) - borrow;
            borrow = i16::from(digit < 0);
            high[32 + i] = digit.rem_euclid(256) as u8;
        }
        high[64] ^= 1;
        let twin = IdentitySignature(high);
        assert_eq!(twin.verify(alice.id(), Purpose::Promise, NETWORK, b"pay"), Err(SignatureError::Malformed));
    }

    proptest! {
        #[test]
        fn damaged_signatures_never_verify(position in 0usize..65, bit in 0u8..8) {
            let alice = secret(1);
            let mut signature = alice.sign(Purpose::Offer, NETWORK, b"offer");
            signature.0[position] ^= 1 << bit;
            prop_assert!(signature.verify(alice.id(), Purpose::Offer, NETWORK, b"offer").is_err());
        }
    }
}

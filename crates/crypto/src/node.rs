//! Keys of kernel nodes: ed25519 under ZIP-215 rules.

use std::fmt;

use byway_primitives::hash::Context;
use byway_primitives::{Decode, DecodeError, Encode, NetworkId, Reader, Writer};
use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::{Signer, SigningKey};
use zeroize::Zeroizing;

use crate::batch::{Signed, message_of};
use crate::purpose::Purpose;
use crate::threshold::dealing::DealingSecret;

const DEALING: Context = Context("byway 1 derive: dealings for a kernel node");

/// The hot signing key of a kernel node.
#[derive(Clone)]
pub struct NodeSecret {
    seed: Zeroizing<[u8; 32]>,
    signing: SigningKey,
}

/// The public key of a kernel node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey(pub [u8; 32]);

/// An ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeSignature(pub [u8; 64]);

impl NodeSecret {
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self { seed: Zeroizing::new(*seed), signing: SigningKey::from_bytes(seed) }
    }

    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    pub fn public(&self) -> NodeKey {
        NodeKey(self.signing.verifying_key().to_bytes())
    }

    /// What this node opens its shares of the coin's key with, and deals from: nothing else needs to be kept for it.
    pub fn dealing(&self) -> DealingSecret {
        DealingSecret::from_seed(&Zeroizing::new(DEALING.hash(&[&self.seed[..]]).0))
    }

    pub fn sign(&self, purpose: Purpose, network: NetworkId, message: &[u8]) -> NodeSignature {
        NodeSignature(self.signing.sign(&message_of(&purpose.digest(network, message))).to_bytes())
    }
}

impl NodeKey {
    /// Whether `signature` is by this key (ZIP-215, as in [`batch`](crate::batch)).
    pub fn verifies(&self, purpose: Purpose, network: NetworkId, message: &[u8], signature: &NodeSignature) -> bool {
        self.signed(purpose, network, message, *signature).verifies()
    }

    /// The check as data, to be done in a batch.
    pub fn signed(&self, purpose: Purpose, network: NetworkId, message: &[u8], signature: NodeSignature) -> Signed {
        Signed { key: self.0, digest: purpose.digest(network, message), signature: signature.0 }
    }

    /// Whether the bytes are a point of the curve, so that they can be a key at all.
    pub fn is_valid(&self) -> bool {
        CompressedEdwardsY(self.0).decompress().is_some()
    }
}

impl fmt::Debug for NodeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeSecret(of {:?})", self.public())
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey({}…)", hex::encode(&self.0[..4]))
    }
}

impl fmt::Debug for NodeSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeSignature({}…)", hex::encode(&self.0[..4]))
    }
}

impl Encode for NodeKey {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for NodeKey {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array().map(Self)
    }
}

impl Encode for NodeSignature {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for NodeSignature {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array().map(Self)
    }
}

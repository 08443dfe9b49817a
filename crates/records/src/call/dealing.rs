//! What kernel nodes say to deal the coin's key among themselves (row K3).
//!
//! The key is made by a [ceremony](byway_crypto::threshold::ceremony) whose state is the ledger's. A member contributes its
//! dealing, its complaints and its confirmation, each signed by its hot key; anyone may hand them in. The signature covers
//! the ceremony's occasion, so that nothing of one ceremony can be held against the member in another.
//!
//! Sizes: with fifty members a dealing has seventeen coefficients of 96 bytes and fifty shares of 32, 3.4 KB in all; a
//! complaint has 112 bytes.

use byway_crypto::node::NodeSignature;
use byway_crypto::threshold::dealing::{Complaint, Dealing};
use byway_crypto::{NodeKey, NodeSecret, Purpose};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Hash, NetworkId};

const OCCASION: Context = Context("byway 1 ceremony");

/// What a member says in a ceremony.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contribution {
    /// Its dealing.
    Deal(Box<Dealing>),
    /// The share that `dealer` dealt it is false.
    Complain { dealer: u8, complaint: Complaint },
    /// It holds good shares of all dealings that are left.
    Confirm,
}

/// Names the ceremony that begins with an epoch among all ceremonies of all networks.
pub fn occasion(network: NetworkId, epoch: u32) -> Hash {
    OCCASION.hash(&[&network.0.0, &epoch.to_le_bytes()])
}

impl Contribution {
    /// Signs it as the member in `seat`.
    pub fn sign(&self, secret: &NodeSecret, network: NetworkId, occasion: Hash, seat: u8) -> NodeSignature {
        secret.sign(Purpose::Ceremony, network, &self.message(occasion, seat))
    }

    /// Whether the holder of `key` has signed it as the member in `seat`.
    pub fn is_signed_by(
        &self,
        key: NodeKey,
        network: NetworkId,
        occasion: Hash,
        seat: u8,
        signature: &NodeSignature,
    ) -> bool {
        key.verifies(Purpose::Ceremony, network, &self.message(occasion, seat), signature)
    }

    fn message(&self, occasion: Hash, seat: u8) -> Vec<u8> {
        [&occasion.0[..], &[seat], &self.to_bytes()].concat()
    }
}

impl Encode for Contribution {
    fn encode(&self, out: &mut Writer) {
        match self {
            Contribution::Deal(dealing) => {
                out.byte(0);
                out.value(dealing.as_ref());
            }
            Contribution::Complain { dealer, complaint } => {
                out.byte(1);
                out.byte(*dealer);
                out.value(complaint);
            }
            Contribution::Confirm => out.byte(2),
        }
    }
}

impl Decode for Contribution {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Contribution::Deal(Box::new(input.value()?))),
            1 => Ok(Contribution::Complain { dealer: input.byte()?, complaint: input.value()? }),
            2 => Ok(Contribution::Confirm),
            other => Err(DecodeError::UnknownVariant { kind: "contribution", value: other.into() }),
        }
    }
}

//! What a hub is to do with a lock, sealed for it alone: it learns who comes next, and nothing of who else is on the way.
//!
//! An order is sealed as the first message of a Noise handshake (`IK`) by a key that is used once, with the payment's hash in the
//! prologue: none can be opened with another payment.

use byway_crypto::noise::{Handshake, StaticKey};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Amount, IdentityId, Time};

use super::conduit::PaymentHash;
use super::message::ORDER_BYTES_MAX;

const KEY: Context = Context("byway 1 routing order key");
const SEED: Context = Context("byway 1 routing order seed");
/// What is sealed is padded to a multiple of this, so that its length says little of how many come after.
const PADDING: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Lock so much for `next`, until that time, and hand it the rest.
    Forward { next: IdentityId, amount: Amount, until: Time, rest: Vec<u8> },
    /// It is for whoever opens this: all that was asked for, or one of the parts that come to that together.
    Receive { parts: Option<PartsId> },
}

/// Names the parts of one payment that belong together; only its payer and its payee know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartsId(pub [u8; 16]);

impl Order {
    /// `entropy` is fresh randomness of the payment, `number` is another for each of its orders.
    pub fn seal(&self, to: StaticKey, hash: PaymentHash, entropy: &[u8; 32], number: u32) -> Option<Vec<u8>> {
        let (key, seed) = (KEY.hash(&[entropy, &number.to_be_bytes()]), SEED.hash(&[entropy, &number.to_be_bytes()]));
        let mut plain = Writer::new();
        plain.bytes(&self.to_bytes());
        let mut plain = plain.into_bytes();
        plain.resize(plain.len().next_multiple_of(PADDING), 0);
        let sealed = Handshake::initiator(&key.0, to, &hash.0, &seed.0).and_then(|mut box_| box_.write(&plain)).ok()?;
        (sealed.len() <= ORDER_BYTES_MAX).then_some(sealed)
    }

    pub fn open(sealed: &[u8], secret: &[u8; 32], hash: PaymentHash) -> Option<Self> {
        let plain = Handshake::responder(secret, &hash.0, &[0; 32]).and_then(|mut box_| box_.read(sealed)).ok()?;
        let mut input = Reader::new(&plain);
        let order = Self::from_bytes(input.bytes(ORDER_BYTES_MAX).ok()?).ok()?;
        Some(order)
    }
}

impl Encode for PartsId {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for PartsId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.array()?))
    }
}

impl Encode for Order {
    fn encode(&self, out: &mut Writer) {
        match self {
            Order::Forward { next, amount, until, rest } => {
                out.byte(0);
                out.value(next);
                out.value(amount);
                out.value(until);
                out.bytes(rest);
            }
            Order::Receive { parts: None } => out.byte(1),
            Order::Receive { parts: Some(parts) } => {
                out.byte(2);
                out.value(parts);
            }
        }
    }
}

impl Decode for Order {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Order::Forward {
                next: input.value()?,
                amount: input.value()?,
                until: input.value()?,
                rest: input.bytes(ORDER_BYTES_MAX)?.to_vec(),
            }),
            1 => Ok(Order::Receive { parts: None }),
            2 => Ok(Order::Receive { parts: Some(input.value()?) }),
            other => Err(DecodeError::UnknownVariant { kind: "order", value: other.into() }),
        }
    }
}

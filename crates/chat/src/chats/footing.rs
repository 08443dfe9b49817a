//! On what footing somebody asks, and what became of our own asking: kept beside where they stand ([`Standing`](crate::people::Standing)).

use std::collections::BTreeMap;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Batch, IdentityId, Space, Store, Time};

use super::ChatsDamaged;
use crate::delivery::letter::PAYMENT_MAX;
use crate::delivery::refusal::AskRefusal;
use crate::mls::RoomId;

/// Key is the person.
const FOOTINGS: Space = Space("chat-footing");

/// Beside where somebody stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Footing {
    /// They ask, and it costs them this, or they were introduced by this group.
    Asks { payment: Vec<u8>, group: Option<RoomId> },
    /// They asked and were blocked: what they paid with is to be collected.
    Collect { payment: Vec<u8> },
    /// They do not hear us, since that time.
    Refused { refusal: AskRefusal, at: Time },
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Footings(BTreeMap<IdentityId, Footing>);

impl Footings {
    pub fn load(store: &impl Store) -> Result<Self, ChatsDamaged> {
        let read = |(key, value): (Vec<u8>, Vec<u8>)| {
            let peer = IdentityId::from_bytes(&key).map_err(ChatsDamaged::Footing)?;
            Ok((peer, Footing::from_bytes(&value).map_err(ChatsDamaged::Footing)?))
        };
        store.scan_prefix(FOOTINGS, &[]).into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    pub fn get(&self, peer: IdentityId) -> Option<&Footing> {
        self.0.get(&peer)
    }

    pub fn iter(&self) -> impl Iterator<Item = (IdentityId, &Footing)> {
        self.0.iter().map(|(peer, footing)| (*peer, footing))
    }

    pub fn put(&mut self, peer: IdentityId, footing: Footing, batch: &mut Batch) {
        batch.put(FOOTINGS, peer.to_bytes(), footing.to_bytes());
        self.0.insert(peer, footing);
    }

    pub fn remove(&mut self, peer: IdentityId, batch: &mut Batch) -> Option<Footing> {
        let known = self.0.remove(&peer)?;
        batch.delete(FOOTINGS, peer.to_bytes());
        Some(known)
    }
}

impl Encode for Footing {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Asks { payment, group } => {
                out.byte(0);
                out.bytes(payment);
                out.option(group.as_ref());
            }
            Self::Collect { payment } => {
                out.byte(1);
                out.bytes(payment);
            }
            Self::Refused { refusal, at } => {
                out.byte(2);
                out.value(refusal);
                out.value(at);
            }
        }
    }
}

impl Decode for Footing {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => Self::Asks { payment: input.bytes(PAYMENT_MAX)?.to_vec(), group: input.option()? },
            1 => Self::Collect { payment: input.bytes(PAYMENT_MAX)?.to_vec() },
            2 => Self::Refused { refusal: input.value()?, at: input.value()? },
            other => return Err(DecodeError::UnknownVariant { kind: "footing", value: other.into() }),
        })
    }
}

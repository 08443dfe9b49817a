//! What is kept of the terms of a virtual channel.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{IdentityId, Time};
use byway_records::channel::Environment;
use byway_records::genesis::Wait;

/// What the terms of a virtual channel say beside those of any. Both sign these terms in place of a transaction, and the channel is dead at its
/// time unless it is guaranteed by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backing {
    pub hub: IdentityId,
    pub dispute: Wait,
    pub ends: Time,
    pub environment: Environment,
    pub nonce: u64,
}

impl Encode for Backing {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.hub);
        out.value(&self.dispute);
        out.value(&self.ends);
        out.value(&self.environment);
        out.varint(self.nonce);
    }
}

impl Decode for Backing {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            hub: input.value()?,
            dispute: input.value()?,
            ends: input.value()?,
            environment: input.value()?,
            nonce: input.u64()?,
        })
    }
}

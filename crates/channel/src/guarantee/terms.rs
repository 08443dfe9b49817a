//! On what terms a node guarantees channels of others.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Span};

/// Guarantees that may stand in one channel at a time: a side acts four times in a row in a channel that is closing, of which it takes one to
/// close it or to answer, and each of the others pays one out.
pub const GUARANTEES_MAX: usize = 3;
/// How long an offer stands before it can be taken back.
pub const OFFER_TIME: Span = Span::minutes(30);
/// How long before that a hub accepts nothing any more: time to have it accepted by force in both channels.
pub const ACCEPT_BEFORE: Span = Span::minutes(15);
/// How much longer than a dispute, and the virtual channel's own lock period, the lock period of the channels must be that it is
/// guaranteed in: time to begin the dispute, and to have what comes out of it paid by force.
pub const MARGIN: Span = Span::minutes(10);

/// What a hub takes for a guarantee, and its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuaranteeTerms {
    /// From each of the two …
    pub fee_base: Amount,
    /// … and of what the hub puts in on that side.
    pub fee_per_million: u64,
    /// How long a channel may go on.
    pub time_max: Span,
    /// What the hub puts in at the most: in the channels with one peer …
    pub per_peer: Amount,
    /// … and in all.
    pub in_all: Amount,
}

impl GuaranteeTerms {
    /// What one of the two pays where the hub puts so much in on its side; `None` if that is too much to count.
    pub fn fee(&self, hub_part: Amount) -> Option<Amount> {
        let share = hub_part.mul_div_ceil(self.fee_per_million.into(), 1_000_000)?;
        self.fee_base.checked_add(share)
    }
}

impl Encode for GuaranteeTerms {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.fee_base);
        out.varint(self.fee_per_million);
        out.varint(self.time_max.0);
        out.value(&self.per_peer);
        out.value(&self.in_all);
    }
}

impl Decode for GuaranteeTerms {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            fee_base: input.value()?,
            fee_per_million: input.u64()?,
            time_max: Span(input.u64()?),
            per_peer: input.value()?,
            in_all: input.value()?,
        })
    }
}

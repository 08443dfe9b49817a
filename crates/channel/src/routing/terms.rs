//! On what terms a node is a hub.

use byway_primitives::{Amount, Span};

use super::conduit::RESOLVED_MAX;

/// How much longer the incoming lock stands than the outgoing one, unless the hub says otherwise: time to take the one back by force, or to
/// learn the preimage, and to open the other by force.
pub const DELTA_DEFAULT: Span = Span::minutes(10);

/// Calls that are sure to be forced in a channel: a side forces four in a row in one that is closing, of which one is left for a guarantee.
pub(super) const CALLS_MAX: usize = 3;
/// More payments with one peer could not all be resolved by force: each call is for so many locks in one contract of a channel.
pub const PEER_PAYMENTS_MAX: usize = CALLS_MAX * RESOLVED_MAX;
/// No hub of a way may ask for more.
pub const DELTA_MAX: Span = Span::minutes(60);

/// What is on its way at the same time at the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exposure {
    pub amount: Amount,
    pub payments: usize,
}

/// A hub's fee and its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HubTerms {
    pub fee_base: Amount,
    /// Of the amount that is sent on.
    pub fee_per_million: u64,
    /// Less is not sent on.
    pub amount_min: Amount,
    pub delta: Span,
    /// With one peer: so much in each direction, so many in both together.
    pub per_peer: Exposure,
    pub in_all: Exposure,
}

impl HubTerms {
    /// What is to come in so that `amount` goes out; `None` if that is too little, or too much to count.
    pub fn with_fee(&self, amount: Amount) -> Option<Amount> {
        if amount < self.amount_min {
            return None;
        }
        let share = amount.mul_div_ceil(self.fee_per_million.into(), 1_000_000)?;
        amount.checked_add(self.fee_base)?.checked_add(share)
    }
}

//! On what terms a node guarantees channels of others.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Span};
use byway_records::channel::{Environment, VirtualTerms, is_dispute, is_lock};
use byway_records::genesis::Wait;

/// Guarantees that may stand in one channel at a time: a side forces four calls in a row in a channel that is closing, of which one may have to
/// accept another, and each of the others pays one out.
pub const GUARANTEES_MAX: usize = 3;
/// How long an offer stands before it can be taken back.
pub const OFFER_TIME: Span = Span::minutes(30);
/// How long before that a hub accepts nothing any more: time to have it accepted by force in both channels.
pub const ACCEPT_BEFORE: Span = Span::minutes(15);
/// How much longer than a dispute, and the virtual channel's own lock period, the lock period of the channels must be that it is
/// guaranteed in: time to begin the dispute, and to have what comes out of it paid by force.
pub const MARGIN: Span = Span::minutes(10);

/// The same in commits: what begins the dispute, what settles it and what pays by force each takes one.
pub const MARGIN_COMMITS: u64 = 3;
/// The shortest lock period of a virtual channel that a hub guarantees, unless it says otherwise: what a hub has signed of it has to reach the ledger before another end of it
/// counts, also where the hub has not seen all of the ledger yet.
pub const VIRTUAL_LOCK_MIN: Span = Span::minutes(10);
/// How far the ends of the two offers may be apart.
pub const OFFERS_APART_MAX: Span = Span::minutes(15);

/// Whether the ledger could register a virtual channel.
pub(crate) fn is_possible(virtual_terms: &VirtualTerms) -> bool {
    let VirtualTerms { terms, hub, dispute, .. } = *virtual_terms;
    let [one, other] = terms.parties;
    let is_three = one != other && ![one, other].contains(&hub);
    let leaves_reserve = terms.deposits.iter().all(|deposit| *deposit >= terms.reserve);
    let is_timed = is_lock(terms.lock) && is_dispute(dispute, terms.lock);
    is_three && leaves_reserve && is_timed && virtual_terms.total().is_some()
}

/// Whether a dispute is over early enough before a channel with this lock period pays out.
pub(crate) fn is_over_within(virtual_terms: &VirtualTerms, lock: Wait) -> bool {
    let parts = [virtual_terms.dispute, virtual_terms.terms.lock, Wait { millis: MARGIN, commits: MARGIN_COMMITS }];
    let millis = parts.iter().fold(0u64, |sum, part| sum.saturating_add(part.millis.0));
    let commits = parts.iter().fold(0u64, |sum, part| sum.saturating_add(part.commits));
    lock.millis.0 >= millis && lock.commits >= commits
}

/// Whether contracts would see at first what the ledger has not reached: it registers no such channel.
pub(crate) fn is_ahead(virtual_terms: &VirtualTerms, now: Environment) -> bool {
    virtual_terms.environment.time > now.time || virtual_terms.environment.height > now.height
}

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

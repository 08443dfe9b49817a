//! Discovery: which offers fit, the best first: by price, quality or both (row A2).
//!
//! Every node follows the ledger and keeps its own copy of the `offers` program, so a query is answered at home: nobody
//! learns what is looked for, and nobody can leave an offer out. [`Index::apply`] takes the proven changes of that
//! program's state as they are followed; [`Index::candidates`] answers a query.
//!
//! Prices in different units can't be compared, so a query names one unit and one asset and sees only prices in them.
//! The order is total and depends on nothing but the offers, the query and what providers are rated at: preferred providers
//! first, then price or what else is sorted by ([`Sort`]), then bandwidth, then id; sorted by price, two nodes with the same
//! ledger see the same list.
//!
//! # How a market of a hundred thousand offers is searched
//!
//! Offers stand on *shelves*, one for everything that is sold for one unit and asset under one service, and one for each place
//! of those; on a shelf they are ranked by the lowest price that they have for anyone. A query walks along the narrowest shelf
//! that holds all that fits, and gives what it finds as soon as nothing further on can be cheaper. So it costs what
//! it looks at, and whoever takes the first few looks at a few.
//!
//! Few providers are ever rated ([`Index::rate`]) beside all there are, and whoever isn't stands in the middle. So the offers of rated ones stand
//! on shelves of their own, too, ranked by quality and by both; and a query that sorts so walks along two shelves at once:
//! the one of all, by price, on which it passes the rated ones by, and the one of the rated.

mod candidates;
mod index;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use byway_primitives::{Amount, AssetId, IdentityId};
use byway_records::OfferId;
use byway_records::offer::{Country, Location, REPUTATION_MAX, Service, SignedOffer, Unit};
use byway_records::state::PublishedOffer;

use crate::quality::Sort;

pub use byway_records::state::LedgerClock;
pub use candidates::Candidates;
pub use index::Index;

/// What is looked for. `None` is any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub service: Service,
    pub unit: Unit,
    pub asset: AssetId,
    pub price_max: Option<Amount>,
    pub bandwidth_min_bps: u64,
    pub provider: Place,
    pub exit: Place,
    /// Only offers with a contact of this protocol.
    pub contact: Option<&'static str>,
    /// The asker's reputation: some prices are for known clients only.
    pub reputation: u16,
    /// What comes first.
    pub sort: Sort,
    /// These providers come first, whatever they cost.
    pub preferred: BTreeSet<IdentityId>,
    /// Never these, such as ourselves, or who failed a moment ago.
    pub excluded: BTreeSet<IdentityId>,
}

/// A rough place. `None` is any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    pub country: Option<Country>,
    pub asn: Option<u32>,
}

/// An offer that fits, and what it costs the asker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub id: OfferId,
    pub offer: SignedOffer,
    /// Per `unit`, in the asset of the query.
    pub price: Amount,
    /// That of the query.
    pub unit: Unit,
}

impl Query {
    /// Any offer of `service` by the megabyte, paid in the network's own coin, for a newcomer.
    pub fn by_megabyte(service: Service) -> Self {
        Self {
            service,
            unit: Unit::Mb,
            asset: AssetId::WAY,
            price_max: None,
            bandwidth_min_bps: 0,
            provider: Place::default(),
            exit: Place::default(),
            contact: None,
            reputation: REPUTATION_MAX / 2,
            sort: Sort::Price,
            preferred: BTreeSet::new(),
            excluded: BTreeSet::new(),
        }
    }

    /// The price of `published` to the asker, where it fits.
    fn price(&self, published: &PublishedOffer, clock: LedgerClock) -> Option<Amount> {
        let offer = &published.offer.offer;
        let fits = !published.expires.passed(clock.time, clock.commits)
            && offer.service == self.service
            && offer.bandwidth_bps >= self.bandwidth_min_bps
            && self.provider.contains(offer.location)
            && self.exit.contains(offer.exit)
            && !self.excluded.contains(&offer.provider)
            && self.contact.is_none_or(|wanted| offer.contacts.iter().any(|contact| contact.protocol == wanted));
        let price = offer.price(self.unit, self.asset, self.reputation)?;
        let affordable = self.price_max.is_none_or(|most| price <= most);
        (fits && affordable).then_some(price)
    }
}

impl Place {
    fn contains(self, location: Location) -> bool {
        self.country.is_none_or(|country| country == location.country) && self.asn.is_none_or(|asn| asn == location.asn)
    }
}

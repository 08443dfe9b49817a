//! The offers on the ledger, on their shelves.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::codec::DecodeError;
use byway_primitives::{Amount, AssetId, Decode, IdentityId};
use byway_records::OfferId;
use byway_records::offer::{Country, Offer, Service, Unit};
use byway_records::state::PublishedOffer;

use super::{Candidates, LedgerClock, Query};

/// The first byte of the keys under which offers stand; see
/// [`offer_key`](byway_records::state::offer_key). Other entries of the program are of no use here.
const OFFER_ENTRY: u8 = 0;

/// See the [module](super).
#[derive(Debug, Clone, Default)]
pub struct Index {
    offers: BTreeMap<OfferId, PublishedOffer>,
    by_key: BTreeMap<Vec<u8>, OfferId>,
    by_service: BTreeMap<Service, BTreeSet<OfferId>>,
    by_provider: BTreeMap<IdentityId, BTreeSet<OfferId>>,
    shelves: BTreeMap<Shelf, BTreeSet<Rank>>,
}

/// What offers are ranked among.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shelf {
    service: Service,
    unit: Unit,
    asset: AssetId,
    at: At,
}

/// Of which place a shelf is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    Anywhere,
    Country(Country),
    Asn(u32),
    ExitCountry(Country),
    ExitAsn(u32),
}

/// A place on a shelf: no price of the offer is lower, for anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub price: Amount,
    /// Falls with the bandwidth.
    pub slowness: u64,
    pub id: OfferId,
}

impl Shelf {
    /// The narrowest shelf that holds all that fits.
    fn of_query(query: &Query) -> Self {
        let at = [
            query.exit.asn.map(At::ExitAsn),
            query.provider.asn.map(At::Asn),
            query.exit.country.map(At::ExitCountry),
            query.provider.country.map(At::Country),
        ];
        let at = at.into_iter().flatten().next().unwrap_or(At::Anywhere);
        Self { service: query.service, unit: query.unit, asset: query.asset, at }
    }
}

impl Rank {
    pub fn new(price: Amount, offer: &Offer, id: OfferId) -> Self {
        Self { price, slowness: u64::MAX - offer.bandwidth_bps, id }
    }
}

/// Where an offer stands.
fn places(offer: &Offer, id: OfferId) -> Vec<(Shelf, Rank)> {
    let mut lowest: BTreeMap<(Unit, AssetId), Amount> = BTreeMap::new();
    for price in &offer.prices {
        let known = lowest.entry((price.unit, price.asset)).or_insert(price.amount);
        *known = (*known).min(price.amount);
    }
    let at = [
        At::Anywhere,
        At::Country(offer.location.country),
        At::Asn(offer.location.asn),
        At::ExitCountry(offer.exit.country),
        At::ExitAsn(offer.exit.asn),
    ];
    let on_all = |((unit, asset), price): ((Unit, AssetId), Amount)| {
        let rank = Rank::new(price, offer, id);
        at.map(|at| (Shelf { service: offer.service, unit, asset, at }, rank))
    };
    lowest.into_iter().flat_map(on_all).collect()
}

/// Takes `value` out of the set under `key`, and the set with its last.
fn take_out<K: Ord, V: Ord>(sets: &mut BTreeMap<K, BTreeSet<V>>, key: K, value: &V) {
    if let Some(set) = sets.get_mut(&key) {
        set.remove(value);
        if set.is_empty() {
            sets.remove(&key);
        }
    }
}

impl Index {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn len(&self) -> usize {
        self.offers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.offers.is_empty()
    }

    /// Takes over one changed entry of the `offers` program: its new value, or `None` where it is gone.
    ///
    /// # Errors
    /// The entry does not decode: it was written by a newer version of the ledger. The index is left without it.
    pub fn apply(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), DecodeError> {
        if key.first() != Some(&OFFER_ENTRY) {
            return Ok(());
        }
        if let Some(id) = self.by_key.remove(key) {
            self.remove(id);
        }
        if let Some(value) = value {
            let published = PublishedOffer::from_bytes(value)?;
            let id = published.id();
            self.by_key.insert(key.to_vec(), id);
            self.insert(id, published);
        }
        Ok(())
    }

    /// An offer by its id, expired or not.
    pub fn offer(&self, id: OfferId) -> Option<&PublishedOffer> {
        self.offers.get(&id)
    }

    /// An offer by its id, unless it has expired.
    pub fn valid_offer(&self, id: OfferId, clock: LedgerClock) -> Option<&PublishedOffer> {
        self.offers.get(&id).filter(|offer| !offer.expires.passed(clock.time, clock.commits))
    }

    /// Every offer of one service, in order of id.
    pub fn of_service(&self, service: Service) -> impl Iterator<Item = &PublishedOffer> {
        self.by_service.get(&service).into_iter().flatten().filter_map(|id| self.offers.get(id))
    }

    /// Every offer of one provider, in order of id.
    pub fn of_provider(&self, provider: IdentityId) -> impl Iterator<Item = &PublishedOffer> {
        self.by_provider.get(&provider).into_iter().flatten().filter_map(|id| self.offers.get(id))
    }

    /// The offers that fit `query`, best first. Each is looked for when it is asked for.
    pub fn candidates(&self, query: Query, clock: LedgerClock) -> Candidates<'_> {
        let shelf = self.shelves.get(&Shelf::of_query(&query));
        Candidates::new(self, query, clock, shelf)
    }

    #[cfg(test)]
    pub(super) fn is_bare(&self) -> bool {
        self.is_empty() && self.by_service.is_empty() && self.by_provider.is_empty() && self.shelves.is_empty()
    }

    fn insert(&mut self, id: OfferId, published: PublishedOffer) {
        let offer = &published.offer.offer;
        self.by_service.entry(offer.service).or_default().insert(id);
        self.by_provider.entry(offer.provider).or_default().insert(id);
        for (shelf, rank) in places(offer, id) {
            self.shelves.entry(shelf).or_default().insert(rank);
        }
        self.offers.insert(id, published);
    }

    fn remove(&mut self, id: OfferId) {
        let Some(published) = self.offers.remove(&id) else { return };
        let offer = &published.offer.offer;
        take_out(&mut self.by_service, offer.service, &id);
        take_out(&mut self.by_provider, offer.provider, &id);
        for (shelf, rank) in places(offer, id) {
            take_out(&mut self.shelves, shelf, &rank);
        }
    }
}

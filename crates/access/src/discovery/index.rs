//! The offers on the ledger, on their shelves.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::codec::DecodeError;
use byway_primitives::{Amount, AssetId, Decode, IdentityId};
use byway_records::OfferId;
use byway_records::offer::{Country, Offer, Service, Unit};
use byway_records::state::PublishedOffer;

use super::{Candidates, LedgerClock, Query};
use crate::quality::{MIDDLE, Sort};

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
    /// All offers, by price.
    shelves: BTreeMap<Shelf, BTreeSet<Rank>>,
    /// Those of rated providers, in each other order.
    rated: BTreeMap<(Sort, Shelf), BTreeSet<Rank>>,
    ratings: BTreeMap<(IdentityId, Service), u16>,
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

/// A place on a shelf: by no price of the offer, for anyone, would it be further ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// See [`Sort::place`].
    pub place: (u16, Amount),
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
    /// Of an offer at `price`, from a provider of this quality.
    pub fn new(sort: Sort, price: Amount, quality: u16, offer: &Offer, id: OfferId) -> Self {
        Self { place: sort.place(price, quality), slowness: u64::MAX - offer.bandwidth_bps, id }
    }
}

/// Where an offer stands.
fn places(sort: Sort, quality: u16, offer: &Offer, id: OfferId) -> Vec<(Shelf, Rank)> {
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
        let rank = Rank::new(sort, price, quality, offer, id);
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
        let shelf = Shelf::of_query(&query);
        let rated = self.rated.get(&(query.sort, shelf));
        Candidates::new(self, query, clock, self.shelves.get(&shelf), rated)
    }

    /// Takes note of how good a provider's service is, 0 to [`QUALITY_MAX`](crate::quality::QUALITY_MAX); `None`: that nothing is known any more.
    pub fn rate(&mut self, provider: IdentityId, service: Service, quality: Option<u16>) {
        let of = (provider, service);
        let before = self.ratings.get(&of).copied();
        if before == quality {
            return;
        }
        let offers: Vec<OfferId> = self.by_provider.get(&provider).into_iter().flatten().copied().collect();
        offers.iter().for_each(|id| self.take_off_rated(*id));
        match quality {
            Some(quality) => self.ratings.insert(of, quality),
            None => self.ratings.remove(&of),
        };
        offers.iter().for_each(|id| self.put_on_rated(*id));
    }

    /// How good a provider's service is, if anything is known.
    pub fn rating(&self, provider: IdentityId, service: Service) -> Option<u16> {
        self.ratings.get(&(provider, service)).copied()
    }

    pub(super) fn quality(&self, offer: &Offer) -> u16 {
        self.rating(offer.provider, offer.service).unwrap_or(MIDDLE)
    }

    #[cfg(test)]
    pub(super) fn is_bare(&self) -> bool {
        let places = self.shelves.is_empty() && self.rated.is_empty();
        self.is_empty() && self.by_service.is_empty() && self.by_provider.is_empty() && places
    }

    fn insert(&mut self, id: OfferId, published: PublishedOffer) {
        let offer = &published.offer.offer;
        self.by_service.entry(offer.service).or_default().insert(id);
        self.by_provider.entry(offer.provider).or_default().insert(id);
        for (shelf, rank) in places(Sort::Price, MIDDLE, offer, id) {
            self.shelves.entry(shelf).or_default().insert(rank);
        }
        self.offers.insert(id, published);
        self.put_on_rated(id);
    }

    fn remove(&mut self, id: OfferId) {
        self.take_off_rated(id);
        let Some(published) = self.offers.remove(&id) else { return };
        let offer = &published.offer.offer;
        take_out(&mut self.by_service, offer.service, &id);
        take_out(&mut self.by_provider, offer.provider, &id);
        for (shelf, rank) in places(Sort::Price, MIDDLE, offer, id) {
            take_out(&mut self.shelves, shelf, &rank);
        }
    }

    /// Where an offer stands because its provider is rated.
    fn rated_places(&self, id: OfferId) -> Vec<((Sort, Shelf), Rank)> {
        let Some(offer) = self.offers.get(&id).map(|published| &published.offer.offer) else { return Vec::new() };
        let Some(quality) = self.rating(offer.provider, offer.service) else { return Vec::new() };
        let by = |sort| places(sort, quality, offer, id).into_iter().map(move |(shelf, rank)| ((sort, shelf), rank));
        [Sort::Quality, Sort::Both].into_iter().flat_map(by).collect()
    }

    fn put_on_rated(&mut self, id: OfferId) {
        for (shelf, rank) in self.rated_places(id) {
            self.rated.entry(shelf).or_default().insert(rank);
        }
    }

    fn take_off_rated(&mut self, id: OfferId) {
        for (shelf, rank) in self.rated_places(id) {
            take_out(&mut self.rated, shelf, &rank);
        }
    }
}

//! Discovery: which offers fit, cheapest first (row A2).
//!
//! Every node follows the ledger and keeps its own copy of the `offers` program, so a query is answered at home: nobody
//! learns what is looked for, and nobody can leave an offer out. [`Index::apply`] takes the proven changes of that
//! program's state as they are followed; [`Index::candidates`] answers a query.
//!
//! Prices in different units can't be compared, so a query names one unit and one asset and sees only prices in them.
//! The order is total and depends on nothing but the offers and the query: preferred providers first, then price, then
//! bandwidth, then id; two nodes with the same ledger see the same list.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::codec::DecodeError;
use byway_primitives::{Amount, AssetId, Decode, IdentityId, Time};
use byway_records::OfferId;
use byway_records::offer::{Country, Location, REPUTATION_MAX, Service, SignedOffer, Unit};
use byway_records::state::PublishedOffer;

/// The first byte of the keys under which offers stand; see
/// [`offer_key`](byway_records::state::offer_key). Other entries of the program are of no use here.
const OFFER_ENTRY: u8 = 0;

/// Where ledger time and the count of commits stand; an offer expires when both have passed its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerClock {
    pub time: Time,
    pub commits: u64,
}

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
    /// The asker's reputation: some prices are for known clients only.
    pub reputation: u16,
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
    /// Per unit of the query, in its asset.
    pub price: Amount,
}

/// The offers that fit, best first. Take the next when a dialogue with one fails.
#[derive(Debug, Clone)]
pub struct Candidates(std::vec::IntoIter<Candidate>);

/// The offers on the ledger.
#[derive(Debug, Clone, Default)]
pub struct Index {
    offers: BTreeMap<OfferId, PublishedOffer>,
    by_key: BTreeMap<Vec<u8>, OfferId>,
    by_service: BTreeMap<Service, BTreeSet<OfferId>>,
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
            reputation: REPUTATION_MAX / 2,
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
            && !self.excluded.contains(&offer.provider);
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
            self.by_service.entry(published.offer.offer.service).or_default().insert(id);
            self.offers.insert(id, published);
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

    /// The offers of a provider.
    pub fn of_provider(&self, provider: IdentityId) -> impl Iterator<Item = &PublishedOffer> {
        self.offers.values().filter(move |published| published.offer.offer.provider == provider)
    }

    /// The offers that fit `query`, best first.
    pub fn candidates(&self, query: &Query, clock: LedgerClock) -> Candidates {
        let fitting = self.of_service(query.service).filter_map(|published| {
            let price = query.price(published, clock)?;
            Some(Candidate { id: published.id(), offer: published.offer.clone(), price })
        });
        let mut found: Vec<Candidate> = fitting.collect();
        found.sort_by_key(|candidate| {
            let offer = &candidate.offer.offer;
            let preferred = query.preferred.contains(&offer.provider);
            (!preferred, candidate.price, u64::MAX - offer.bandwidth_bps, candidate.id)
        });
        Candidates(found.into_iter())
    }

    fn remove(&mut self, id: OfferId) {
        let Some(published) = self.offers.remove(&id) else { return };
        let service = published.offer.offer.service;
        if let Some(ids) = self.by_service.get_mut(&service) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_service.remove(&service);
            }
        }
    }
}

impl Candidates {
    /// Those that are left, best first.
    pub fn as_slice(&self) -> &[Candidate] {
        self.0.as_slice()
    }
}

impl Iterator for Candidates {
    type Item = Candidate;

    fn next(&mut self) -> Option<Candidate> {
        self.0.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byway_crypto::IdentitySecret;
    use byway_primitives::{Encode, Hash, NetworkId};
    use byway_records::Offer;
    use byway_records::offer::Price;
    use byway_records::state::{Deadline, offer_key};
    use proptest::prelude::*;

    const CLOCK: LedgerClock = LedgerClock { time: Time(1000), commits: 10 };
    const OTHER: AssetId = AssetId(Hash([5; 32]));

    fn place(country: &str, asn: u32) -> Location {
        Location { country: country.parse().expect("a country"), asn }
    }

    fn price(unit: Unit, units: u128) -> Price {
        Price { unit, amount: Amount::from_units(units), asset: AssetId::WAY, reputation_min: 0 }
    }

    fn published(provider: u8, serial: u64, change: impl FnOnce(&mut Offer)) -> PublishedOffer {
        let secret = IdentitySecret::from_bytes(&[provider; 32]).expect("a key");
        let mut offer = Offer {
            provider: secret.id(),
            serial,
            service: Service::SOCKS,
            location: place("DE", 1),
            exit: place("DE", 1),
            bandwidth_bps: 1000,
            prices: vec![price(Unit::Mb, 100)],
            exit_policy: Vec::new(),
            contacts: Vec::new(),
        };
        change(&mut offer);
        let expires = Deadline { time: Time(2000), commits: 20 };
        PublishedOffer { offer: offer.sign(&secret, NetworkId(Hash([7; 32]))), published: Time(0), expires }
    }

    fn put(index: &mut Index, published: &PublishedOffer) {
        let offer = &published.offer.offer;
        index.apply(&offer_key(offer.provider, offer.serial), Some(&published.to_bytes())).expect("decodes");
    }

    fn market() -> Index {
        let mut index = Index::new();
        for published in [
            published(1, 1, |_| {}),
            published(2, 1, |o| (o.exit, o.prices) = (place("NL", 2), vec![price(Unit::Mb, 50)])),
            published(3, 1, |o| (o.location, o.bandwidth_bps) = (place("FR", 3), 9000)),
            published(4, 1, |o| o.service = Service::TUNNEL),
            published(5, 1, |o| o.prices = vec![price(Unit::Second, 1)]),
            published(6, 1, |o| o.prices = vec![Price { asset: OTHER, ..price(Unit::Mb, 1) }]),
            published(7, 1, |o| {
                o.prices = vec![price(Unit::Mb, 400), Price { reputation_min: 800, ..price(Unit::Mb, 10) }]
            }),
        ] {
            put(&mut index, &published);
        }
        index
    }

    fn check(change: impl FnOnce(&mut Query), expected: &[u8]) {
        let mut query = Query::by_megabyte(Service::SOCKS);
        change(&mut query);
        let name = |candidate: Candidate| {
            (1..=7).find(|byte| id(*byte) == candidate.offer.offer.provider).expect("one of the market")
        };
        let found: Vec<u8> = market().candidates(&query, CLOCK).map(name).collect();
        assert_eq!(found, expected, "{query:?}");
    }

    fn id(byte: u8) -> IdentityId {
        IdentitySecret::from_bytes(&[byte; 32]).expect("a key").id()
    }

    #[test]
    fn a_query_finds_what_fits_cheapest_first() {
        check(|_| {}, &[2, 3, 1, 7]);
        check(|q| q.exit.country = "nl".parse().ok(), &[2]);
        check(|q| q.exit.asn = Some(1), &[3, 1, 7]);
        check(|q| q.provider.country = "FR".parse().ok(), &[3]);
        check(|q| q.provider.asn = Some(9), &[]);
        check(|q| q.price_max = Some(Amount::from_units(100)), &[2, 3, 1]);
        check(|q| q.bandwidth_min_bps = 2000, &[3]);
        check(|q| q.service = Service::TUNNEL, &[4]);
        check(|q| q.unit = Unit::Second, &[5]);
        check(|q| q.asset = OTHER, &[6]);
        check(|q| q.reputation = 900, &[7, 2, 3, 1]);
        check(|q| q.excluded = [id(2), id(3)].into(), &[1, 7]);
        check(|q| q.preferred = [id(7)].into(), &[7, 2, 3, 1]);
        check(|q| (q.preferred, q.price_max) = ([id(7)].into(), Some(Amount::from_units(100))), &[2, 3, 1]);
    }

    #[test]
    fn an_offer_expires_when_both_time_and_commits_have_passed() {
        let index = market();
        let query = Query::by_megabyte(Service::SOCKS);
        for (time, commits, valid) in [(1999, 99, true), (9999, 19, true), (2000, 20, false)] {
            let clock = LedgerClock { time: Time(time), commits };
            assert_eq!(index.candidates(&query, clock).count() > 0, valid, "{clock:?}");
            let offer = OfferId::of(id(1), 1);
            assert_eq!(index.valid_offer(offer, clock).is_some(), valid);
        }
    }

    #[test]
    fn the_index_follows_changes() {
        let mut index = market();
        let cheaper = published(1, 1, |o| o.prices = vec![price(Unit::Mb, 1)]);
        put(&mut index, &cheaper);
        assert_eq!(index.len(), 7);
        let query = Query::by_megabyte(Service::SOCKS);
        assert_eq!(index.candidates(&query, CLOCK).next().map(|c| c.price), Some(Amount::from_units(1)));
        let moved = published(1, 1, |o| o.service = Service::RELAY);
        put(&mut index, &moved);
        assert_eq!(index.candidates(&query, CLOCK).count(), 3, "under its old service no more");
        index.apply(&offer_key(id(1), 1), None).expect("no value to decode");
        assert_eq!(index.offer(OfferId::of(id(1), 1)), None);
        assert!(index.apply(&offer_key(id(2), 1), Some(&[1, 2, 3])).is_err());
        assert_eq!(index.offer(OfferId::of(id(2), 1)), None, "what does not decode is not offered");
        index.apply(&[1, 2, 3], Some(&[9])).expect("entries of other kinds are passed over");
    }

    proptest! {
        #[test]
        fn the_order_does_not_depend_on_the_order_of_arrival(order in Just((1u8..30).collect::<Vec<_>>()).prop_shuffle()) {
            let make = |byte: u8| published(byte, 1, |o| o.prices = vec![price(Unit::Mb, u128::from(byte % 3))]);
            let ids = |bytes: &[u8]| {
                let mut index = Index::new();
                for byte in bytes {
                    put(&mut index, &make(*byte));
                }
                index.candidates(&Query::by_megabyte(Service::SOCKS), CLOCK).map(|c| c.id).collect::<Vec<_>>()
            };
            let sorted: Vec<u8> = (1..30).collect();
            prop_assert_eq!(ids(&order), ids(&sorted));
        }
    }
}

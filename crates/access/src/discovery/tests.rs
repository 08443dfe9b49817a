use super::*;
use byway_crypto::IdentitySecret;
use byway_primitives::{Encode, Hash, NetworkId, Time};
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
    let found: Vec<u8> = market().candidates(query.clone(), CLOCK).map(name).collect();
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
fn who_serves_well_comes_first_and_newcomers_before_who_serves_badly() {
    let found = |sort: Sort, ratings: &[(u8, u16)]| {
        let mut index = market();
        ratings.iter().for_each(|(byte, quality)| index.rate(id(*byte), Service::SOCKS, Some(*quality)));
        let query = Query { sort, ..Query::by_megabyte(Service::SOCKS) };
        let name = |candidate: Candidate| (1..=7u8).find(|byte| id(*byte) == candidate.offer.offer.provider);
        index.candidates(query, CLOCK).filter_map(name).collect::<Vec<_>>()
    };
    // Their prices: 2 takes 50, 3 and 1 take 100, 7 takes 400.
    let ratings = [(7, 1000), (2, 0), (1, 501)];
    assert_eq!(found(Sort::Price, &ratings), [2, 3, 1, 7]);
    assert_eq!(found(Sort::Quality, &ratings), [7, 1, 3, 2]);
    assert_eq!(found(Sort::Both, &ratings), [1, 3, 2, 7]);
    assert_eq!(found(Sort::Both, &[(2, 200)]), [2, 3, 1, 7]);
    assert_eq!(found(Sort::Both, &[(2, 50)]), [3, 1, 2, 7]);
    assert_eq!(found(Sort::Quality, &[]), [2, 3, 1, 7]);
}

#[test]
fn an_offer_expires_when_both_time_and_commits_have_passed() {
    let index = market();
    let query = Query::by_megabyte(Service::SOCKS);
    for (time, commits, valid) in [(1999, 99, true), (9999, 19, true), (2000, 20, false)] {
        let clock = LedgerClock { time: Time(time), commits };
        assert_eq!(index.candidates(query.clone(), clock).count() > 0, valid, "{clock:?}");
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
    assert_eq!(index.candidates(query.clone(), CLOCK).next().map(|c| c.price), Some(Amount::from_units(1)));
    let moved = published(1, 1, |o| o.service = Service::RELAY);
    put(&mut index, &moved);
    assert_eq!(index.candidates(query.clone(), CLOCK).count(), 3, "under its old service no more");
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
            index.candidates(Query::by_megabyte(Service::SOCKS), CLOCK).map(|c| c.id).collect::<Vec<_>>()
        };
        let sorted: Vec<u8> = (1..30).collect();
        prop_assert_eq!(ids(&order), ids(&sorted));
    }

    /// The walk along shelves gives what looking at every offer and sorting would.
    #[test]
    fn the_answer_is_that_of_looking_at_all(
        offers in proptest::collection::vec((0u8..4, 0u8..3, 0u32..3, 1u128..6, 1u128..6, 0u64..3), 0..40),
        (country, asn, most, bandwidth, reputation) in
            (proptest::option::of(0u8..3), proptest::option::of(0u32..3), proptest::option::of(1u128..6), 0u64..3, 0u16..2),
        preferred in proptest::collection::btree_set(1u8..5, 0..3),
        ratings in proptest::collection::vec((1u8..5, proptest::option::of(0u16..=1000)), 0..6),
        (rated_early, sort) in (0usize..6, proptest::sample::select(&[Sort::Price, Sort::Quality, Sort::Both][..])),
    ) {
        let countries = ["DE", "NL", "FR"];
        let mut index = Index::new();
        let mut all = Vec::new();
        let (early, late) = ratings.split_at(rated_early.min(ratings.len()));
        early.iter().for_each(|(provider, quality)| index.rate(id(*provider), Service::SOCKS, *quality));
        for (serial, (provider, country, asn, high, low, bandwidth)) in (1..).zip(offers) {
            let offer = published(provider + 1, serial, |offer| {
                offer.exit = place(countries[usize::from(country)], asn);
                offer.bandwidth_bps = bandwidth;
                offer.prices = vec![price(Unit::Mb, high), Price { reputation_min: 600, ..price(Unit::Mb, low) }];
            });
            put(&mut index, &offer);
            all.push(offer);
        }
        late.iter().for_each(|(provider, quality)| index.rate(id(*provider), Service::SOCKS, *quality));
        let rated: std::collections::BTreeMap<_, _> = ratings.into_iter().collect();
        let quality = |provider| (1..5).find(|byte| id(*byte) == provider).and_then(|byte| rated.get(&byte).copied().flatten());
        let query = Query {
            sort,
            exit: Place { country: country.and_then(|c| countries[usize::from(c)].parse().ok()), asn },
            price_max: most.map(Amount::from_units),
            bandwidth_min_bps: bandwidth,
            reputation: 500 + 200 * reputation,
            preferred: preferred.into_iter().map(id).collect(),
            ..Query::by_megabyte(Service::SOCKS)
        };
        let mut expected: Vec<_> = all
            .iter()
            .filter_map(|published| {
                let (offer, price) = (&published.offer.offer, query.price(published, CLOCK)?);
                let place = sort.place(price, quality(offer.provider).unwrap_or(500));
                Some((!query.preferred.contains(&offer.provider), place, u64::MAX - offer.bandwidth_bps, offer.id()))
            })
            .collect();
        expected.sort();
        let found: Vec<_> = index.candidates(query, CLOCK).map(|candidate| candidate.id).collect();
        prop_assert_eq!(found, expected.into_iter().map(|(_, _, _, id)| id).collect::<Vec<_>>());
        for published in &all {
            let offer = &published.offer.offer;
            index.apply(&offer_key(offer.provider, offer.serial), None).expect("no value to decode");
        }
        prop_assert!(index.is_bare(), "nothing is left on any shelf");
    }
}

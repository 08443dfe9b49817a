//! `byway bench discovery`: a market of many offers, taken up from the ledger's entries and searched (row A2).
//!
//! Offers are spread over fifty countries and two hundred autonomous systems, each by a provider of its own. Taking one up means what a
//! node does that trusts nobody: decoding it, verifying its provider's signature, and indexing it. A query asks as people
//! do, by country, by system, by price and bandwidth, or for the cheapest of all, sorted by price, quality or both, and reads
//! what fits on a page. As many providers are rated as a node ever measures, or a tenth of a smaller market's.

use std::time::Instant;

use anyhow::Context;
use byway_access::discovery::{Index, LedgerClock, Place, Query};
use byway_access::quality::measurement::MEASURED_MAX;
use byway_access::quality::{QUALITY_MAX, Sort};
use byway_crypto::IdentitySecret;
use byway_primitives::{Amount, AssetId, Encode, Hash, NetworkId, Time};
use byway_records::Offer;
use byway_records::offer::{Country, Location, Price, Service, SignedOffer, Unit};
use byway_records::state::{Deadline, PublishedOffer, offer_key};
use serde::Serialize;

use super::network::seed;
use super::percentile;

const COUNTRIES: u64 = 50;
const SYSTEMS: u64 = 200;
const QUERIES: u64 = 10_000;
/// Read of each answer.
const PAGE: usize = 20;
const NETWORK: NetworkId = NetworkId(Hash([7; 32]));
const CLOCK: LedgerClock = LedgerClock { time: Time(1), commits: 1 };

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub offers: u64,
    /// Whose providers are rated.
    pub rated: u64,
    /// Decoding, verifying and indexing all of them, one after the other on one core.
    pub replay_s: f64,
    pub query_p50_us: f64,
    pub query_p99_us: f64,
}

/// An entry of the offers program.
type Stored = (Vec<u8>, Vec<u8>);

pub fn run(offers: u64) -> anyhow::Result<Report> {
    let stored: Vec<Stored> = (0..offers).map(published).collect::<anyhow::Result<_>>()?;
    let began = Instant::now();
    let mut index = Index::new();
    for (key, value) in &stored {
        index.apply(key, Some(value))?;
    }
    index.of_service(Service::SOCKS).try_for_each(|published| published.offer.verify(NETWORK))?;
    let replay_s = began.elapsed().as_secs_f64();
    anyhow::ensure!(index.len() as u64 == offers, "{} offers of {offers} were taken up", index.len());
    let rated = rate(&mut index, offers)?;
    let mut took: Vec<f64> = (0..QUERIES).map(|number| ask(&index, number)).collect::<anyhow::Result<_>>()?;
    took.sort_by(f64::total_cmp);
    Ok(Report { offers, rated, replay_s, query_p50_us: percentile(&took, 50), query_p99_us: percentile(&took, 99) })
}

/// Rates some providers, all over the scale.
fn rate(index: &mut Index, offers: u64) -> anyhow::Result<u64> {
    let rated = (offers / 10).min(MEASURED_MAX as u64);
    for number in 0..rated {
        let quality = drawn(b"quality", number, u64::from(QUALITY_MAX) + 1) as u16;
        index.rate(provider(number)?.id(), Service::SOCKS, Some(quality));
    }
    Ok(rated)
}

fn provider(number: u64) -> anyhow::Result<IdentitySecret> {
    IdentitySecret::from_bytes(&seed(&[b"provider", &number.to_le_bytes()])).context("not a key")
}

/// A number below `bound`, the same each time.
fn drawn(what: &[u8], number: u64, bound: u64) -> u64 {
    let [a, b, c, d, ..] = seed(&[what, &number.to_le_bytes()]);
    u64::from(u32::from_le_bytes([a, b, c, d])) % bound
}

fn country(number: u64) -> anyhow::Result<Country> {
    let letters = [b'A' + (number / 26) as u8, b'A' + (number % 26) as u8];
    Ok(std::str::from_utf8(&letters)?.parse()?)
}

fn place(number: u64) -> anyhow::Result<Location> {
    let asn = 64_512 + drawn(b"system", number, SYSTEMS) as u32;
    Ok(Location { country: country(drawn(b"country", number, COUNTRIES))?, asn })
}

fn published(number: u64) -> anyhow::Result<Stored> {
    let secret = provider(number)?;
    let units = 1 + drawn(b"price", number, 1_000_000);
    let price = |units: u64, reputation_min| Price {
        unit: Unit::Mb,
        amount: Amount::from_units(units.into()),
        asset: AssetId::WAY,
        reputation_min,
    };
    let offer = Offer {
        provider: secret.id(),
        serial: 0,
        service: Service::SOCKS,
        location: place(number)?,
        exit: place(number + 1_000_000_000)?,
        bandwidth_bps: 1_000_000 * (1 + drawn(b"bandwidth", number, 1_000)),
        prices: vec![price(units, 0), price(units / 2, 800)],
        exit_policy: Vec::new(),
        contacts: Vec::new(),
    };
    let offer: SignedOffer = offer.sign(&secret, NETWORK);
    let key = offer_key(offer.offer.provider, offer.offer.serial);
    let published = PublishedOffer { offer, published: Time(0), expires: Deadline { time: Time(1000), commits: 1000 } };
    Ok((key, published.to_bytes()))
}

/// Asks once; how long it took, in microseconds.
fn ask(index: &Index, number: u64) -> anyhow::Result<f64> {
    let sort = [Sort::Price, Sort::Quality, Sort::Both][(number / 5 % 3) as usize];
    let mut query = Query { sort, ..Query::by_megabyte(Service::SOCKS) };
    let country = Some(country(drawn(b"wanted country", number, COUNTRIES))?);
    match number % 5 {
        0 => query.exit = Place { country, asn: None },
        1 => query.exit = Place { country: None, asn: Some(64_512 + drawn(b"wanted system", number, SYSTEMS) as u32) },
        2 => {
            query.exit = Place { country, asn: None };
            query.bandwidth_min_bps = 500_000_000;
        }
        3 => {
            query.price_max = Some(Amount::from_units(10_000));
            query.bandwidth_min_bps = 900_000_000;
        }
        _ => query.reputation = 900,
    }
    let began = Instant::now();
    let found = index.candidates(query, CLOCK).take(PAGE).count();
    let took = began.elapsed().as_secs_f64() * 1e6;
    // Looked at, so that no compiler may leave the work out.
    std::hint::black_box(found);
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_offers_are_taken_up() {
        assert_eq!(run(300).unwrap().offers, 300);
    }
}

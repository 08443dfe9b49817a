//! What the first connection through the proxy asks the market for (`[buying]`).

use byway_access::Sort;
use byway_primitives::Amount;
use byway_records::offer::Country;
use serde::Deserialize;

use super::{Problem, problem};
use crate::api::{HopWish, Pay, SoldBy, chain_problem};

/// What the first connection through the proxy asks the market for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BuyingConfig {
    pub country: Option<Country>,
    pub asn: Option<u32>,
    /// What is paid for: `mb`, which is the default, or `second`.
    pub per: Option<SoldBy>,
    /// Where it is paid for by the MB.
    pub max_price_per_mb: Option<Amount>,
    /// Where it is paid for by the second.
    pub max_price_per_second: Option<Amount>,
    pub min_bandwidth_bps: Option<u64>,
    /// What comes first: `price`, `quality` or `both`, which is the default.
    pub sort: Option<Sort>,
    /// Hops before the exit, the first one first: `best`, a country, or a provider's id.
    pub via: Vec<HopWish>,
    /// Out of what sessions are paid: `account`, `channel`, or `auto`, which is the default: a channel where there is one.
    pub pay: Option<Pay>,
}

impl BuyingConfig {
    /// The most for what is paid for.
    pub fn max_price(&self) -> Option<Amount> {
        match self.per.unwrap_or_default() {
            SoldBy::Mb => self.max_price_per_mb,
            SoldBy::Second => self.max_price_per_second,
        }
    }

    pub(super) fn check_via(&self) -> Result<(), Problem> {
        let via: Vec<String> = self.via.iter().map(HopWish::to_string).collect();
        if chain_problem(&self.via).is_none() {
            return Ok(());
        }
        let why = "a chain has three hops at most, and nobody is two of them";
        Err(problem("buying.via", via.join(", "), why, "name one to three different hops, or none"))
    }

    /// A limit that limits nothing is a mistake that costs money.
    pub(super) fn check_prices(&self) -> Result<(), Problem> {
        let per = self.per.unwrap_or_default();
        let idle = match per {
            SoldBy::Mb => self.max_price_per_second.map(|price| ("buying.max_price_per_second", price)),
            SoldBy::Second => self.max_price_per_mb.map(|price| ("buying.max_price_per_mb", price)),
        };
        let Some((key, price)) = idle else { return Ok(()) };
        let remedy = "name the limit for what `per` says, or change `per`";
        Err(problem(key, price, "that is not what is paid for", remedy))
    }
}

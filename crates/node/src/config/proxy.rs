//! The proxies that programs on this machine browse through: `[proxy]`, and `[[proxy.port]]` for those that lead elsewhere.

use std::net::SocketAddr;

use byway_access::Sort;
use byway_primitives::Amount;
use byway_records::offer::Country;
use serde::Deserialize;

use crate::api::{Pay, ProxyPortOpen, ProxyWish};

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProxyConfig {
    pub enabled: bool,
    pub listen: SocketAddr,
    #[serde(rename = "port")]
    pub ports: Vec<ProxyPortConfig>,
}

/// A proxy beside the main one, which leads to exits of one country or whatever else is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyPortConfig {
    pub listen: SocketAddr,
    pub country: Option<Country>,
    pub asn: Option<u32>,
    pub max_price_per_mb: Option<Amount>,
    pub min_bandwidth_bps: Option<u64>,
    /// `price`, `quality` or `both`.
    pub sort: Option<Sort>,
    /// `auto`, `account` or `channel`.
    pub pay: Option<Pay>,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self { enabled: true, listen: SocketAddr::from(([127, 0, 0, 1], 1080)), ports: Vec::new() }
    }
}

impl ProxyPortConfig {
    pub fn port(&self) -> ProxyPortOpen {
        let Self { listen, country, asn, max_price_per_mb, min_bandwidth_bps, sort, pay } = *self;
        let (max_price, pay) = (max_price_per_mb, pay.unwrap_or_default());
        let wish = ProxyWish { country, asn, max_price, min_bandwidth_bps, sort, pay };
        ProxyPortOpen { listen: Some(listen), wish }
    }
}

//! Proxy ports beside the main one, as calls ask for and answer them (row A2).

use std::net::SocketAddr;

use byway_access::Sort;
use byway_primitives::Amount;
use byway_records::offer::Country;
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::market::Pay;
use super::params::Params;
use super::requests::{OfferFilter, Request};
use super::values::{Connection, Reason};

/// Where a proxy port leads: to the best exit that has all of this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProxyWish {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    /// Per MB; what the node is configured to pay when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_price: Option<Amount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_bandwidth_bps: Option<u64>,
    /// What comes first; as the node is configured when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
    /// Out of what its sessions are paid.
    #[serde(default, skip_serializing_if = "Pay::is_auto")]
    pub pay: Pay,
}

impl ProxyWish {
    /// What the market is asked for; nobody pays more by a port than is configured for the whole node.
    pub fn filter(&self, configured: &OfferFilter) -> OfferFilter {
        OfferFilter {
            country: self.country,
            asn: self.asn,
            max_price: self.max_price.into_iter().chain(configured.max_price_per_mb()).min(),
            min_bandwidth_bps: self.min_bandwidth_bps,
            sort: self.sort,
            ..OfferFilter::default()
        }
    }
}

/// A SOCKS5 proxy on this machine that leads where it is meant to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyPort {
    pub listen: SocketAddr,
    #[serde(flatten)]
    pub wish: ProxyWish,
    /// Whether it is from the configuration file, which alone can take it away.
    pub configured: bool,
    /// Missing where the port can't be listened at, for `reason`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Connection>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ProxyPortOpen {
    /// On loopback; a free port when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    #[serde(flatten)]
    pub wish: ProxyWish,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ProxyPortClose {
    pub listen: SocketAddr,
}

/// Where programs on this machine, and nobody else, may be served at this node's cost.
///
/// # Errors
/// It is not on loopback.
pub(super) fn listen_locally(params: &mut Params) -> Result<Option<SocketAddr>, ApiError> {
    let listen: Option<SocketAddr> = params.optional("listen")?;
    if listen.is_some_and(|listen| !listen.ip().is_loopback()) {
        let why = "whoever reaches it can spend this node's money, so that it must be on loopback, such as 127.0.0.1:0";
        return Err(ApiError::invalid_params("listen", why));
    }
    Ok(listen)
}

impl Request for ProxyPortOpen {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let wish = ProxyWish {
            country: params.optional("country")?,
            asn: params.optional("asn")?,
            max_price: params.amount("max_price")?,
            min_bandwidth_bps: params.optional("min_bandwidth_bps")?,
            sort: params.optional("sort")?,
            pay: params.optional("pay")?.unwrap_or_default(),
        };
        Ok(Self { listen: listen_locally(params)?, wish })
    }
}

impl Request for ProxyPortClose {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { listen: params.required("listen")? })
    }
}

//! What stays outside this machine's tunnel, as calls answer and change it (row A11).

use std::net::IpAddr;

use byway_driver::host_network::{DOMAINS_MAX, LIST_MAX, NETWORKS_MAX};
use byway_records::Domain;
use byway_records::offer::Network;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::params::Params;
use super::requests::Request;
use crate::config::{ASKS_ITSELF, ProgramsInside, TunnelConfig};

/// Most networks of one side that a call may name; the rest of a plan's are for the local network.
pub const SIDE_MAX: usize = NETWORKS_MAX / 16;

/// What the machine's network is closed around, and what stays open beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelSettings {
    /// The kill switch is on, now or in a moment.
    pub closed: bool,
    pub local_network: bool,
    pub outside: Vec<Network>,
    pub outside_domains: Vec<Domain>,
    pub inside: Vec<Network>,
    pub inside_domains: Vec<Domain>,
    /// Who is asked for names outside, where domains decide; the machine's own where there are none.
    pub name_servers: Vec<IpAddr>,
    pub programs: ProgramsInside,
    /// The rest of the machine is outside.
    pub partial: bool,
    /// What it goes over; none: straight to the exit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slices: Option<Slices>,
}

/// A tunnel over relays (row A12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slices {
    pub relays: usize,
    /// Slices that give a packet.
    pub needed: usize,
}

impl TunnelSettings {
    pub fn new(closed: bool, config: TunnelConfig) -> Self {
        let partial = config.is_partial();
        // It was checked when it was read or set.
        let shape = config.shape().ok().flatten();
        let slices = shape.map(|shape| Slices { relays: shape.paths(), needed: shape.needed() });
        let TunnelConfig { local_network, outside, outside_domains, inside, inside_domains, .. } = config;
        let TunnelConfig { name_servers, programs, .. } = config;
        Self {
            closed,
            local_network,
            outside,
            outside_domains,
            inside,
            inside_domains,
            name_servers,
            programs,
            partial,
            slices,
        }
    }
}

/// What is left out stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct TunnelSettingsSet {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_network: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outside: Option<Vec<Network>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outside_domains: Option<Vec<Domain>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside: Option<Vec<Network>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside_domains: Option<Vec<Domain>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_servers: Option<Vec<IpAddr>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programs: Option<ProgramsInside>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relays: Option<u8>,
    /// All but one when only `relays` is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<u8>,
}

impl TunnelSettingsSet {
    /// `before`, but for what is named here.
    ///
    /// # Errors
    /// Something would be on both sides, this machine would ask itself for names, or packets can't be cut so.
    pub fn applied_to(self, before: &TunnelConfig) -> Result<TunnelConfig, ApiError> {
        let config = TunnelConfig {
            local_network: self.local_network.unwrap_or(before.local_network),
            outside: self.outside.unwrap_or_else(|| before.outside.clone()),
            outside_domains: self.outside_domains.unwrap_or_else(|| before.outside_domains.clone()),
            inside: self.inside.unwrap_or_else(|| before.inside.clone()),
            inside_domains: self.inside_domains.unwrap_or_else(|| before.inside_domains.clone()),
            name_servers: self.name_servers.unwrap_or_else(|| before.name_servers.clone()),
            programs: self.programs.unwrap_or(before.programs),
            relays: self.relays.unwrap_or(before.relays),
            needed: self.needed.or(before.needed.filter(|_| self.relays.is_none())),
        };
        if let Err(wrong) = config.shape() {
            return Err(ApiError::invalid_params("relays", wrong));
        }
        if let Some(own) = config.own_name_server() {
            return Err(ApiError::invalid_params("name_servers", format_args!("{own}: {ASKS_ITSELF}")));
        }
        match config.contradiction() {
            Some(why) => Err(ApiError::invalid_params("inside", why)),
            None => Ok(config),
        }
    }
}

impl Request for TunnelSettingsSet {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            local_network: params.optional("local_network")?,
            outside: list(params, "outside", SIDE_MAX)?,
            outside_domains: list(params, "outside_domains", DOMAINS_MAX)?,
            inside: list(params, "inside", SIDE_MAX)?,
            inside_domains: list(params, "inside_domains", DOMAINS_MAX)?,
            name_servers: list(params, "name_servers", LIST_MAX)?,
            programs: params.optional("programs")?,
            relays: params.optional("relays")?,
            needed: params.optional("needed")?,
        })
    }
}

fn list<T: DeserializeOwned>(params: &mut Params, name: &'static str, max: usize) -> Result<Option<Vec<T>>, ApiError> {
    match params.optional::<Vec<T>>(name)? {
        Some(list) if list.len() > max => {
            Err(ApiError::invalid_params(name, format_args!("it may name {max} at most")))
        }
        list => Ok(list),
    }
}

//! What stays outside this machine's tunnel, as calls answer and change it (row A11).

use byway_driver::host_network::NETWORKS_MAX;
use byway_records::offer::Network;
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::params::Params;
use super::requests::Request;
use crate::config::{ProgramsInside, TunnelConfig};

/// Most networks outside that a call may name; the rest of a plan's are for the local network.
pub const OUTSIDE_MAX: usize = NETWORKS_MAX / 16;

/// What the machine's network is closed around, and what stays open beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelSettings {
    /// The kill switch is on, now or in a moment.
    pub closed: bool,
    pub local_network: bool,
    pub outside: Vec<Network>,
    pub programs: ProgramsInside,
}

impl TunnelSettings {
    pub fn new(closed: bool, config: TunnelConfig) -> Self {
        let TunnelConfig { local_network, outside, programs, .. } = config;
        Self { closed, local_network, outside, programs }
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
    pub programs: Option<ProgramsInside>,
}

impl TunnelSettingsSet {
    /// `before`, but for what is named here.
    pub fn applied_to(self, before: &TunnelConfig) -> TunnelConfig {
        TunnelConfig {
            local_network: self.local_network.unwrap_or(before.local_network),
            outside: self.outside.unwrap_or_else(|| before.outside.clone()),
            programs: self.programs.unwrap_or(before.programs),
            ..before.clone()
        }
    }
}

impl Request for TunnelSettingsSet {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let outside: Option<Vec<Network>> = params.optional("outside")?;
        if outside.as_ref().is_some_and(|networks| networks.len() > OUTSIDE_MAX) {
            return Err(ApiError::invalid_params(
                "outside",
                format_args!("it may name {OUTSIDE_MAX} networks at most"),
            ));
        }
        Ok(Self { local_network: params.optional("local_network")?, outside, programs: params.optional("programs")? })
    }
}

//! What a client's tunnel is to hold (`[tunnel]`).

use std::net::SocketAddr;

use byway_access::slices::{NoShape, Shape};
use byway_driver::host_network::{ClientPlan, Lan, Programs};
use byway_records::offer::Network;
use serde::{Deserialize, Serialize};

/// What stays outside the tunnel while the machine is closed around it (row A11).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TunnelConfig {
    /// Printers, file servers and screens of the local network are reached.
    pub local_network: bool,
    /// Networks that every program reaches past the tunnel.
    pub outside: Vec<Network>,
    pub programs: ProgramsInside,
    /// Relays that the tunnel goes over, in slices; 0: none, straight to the provider (row A12).
    pub relays: u8,
    /// Slices that give a packet; all but one of them when left out.
    pub needed: Option<u8>,
}

/// Which programs the tunnel is for; they are told by `byway exec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProgramsInside {
    #[default]
    All,
    AllButOutside,
    OnlyInside,
}

impl TunnelConfig {
    /// How packets are cut over relays, if they are.
    pub fn shape(&self) -> Result<Option<Shape>, NoShape> {
        match (self.relays, self.needed) {
            (0, _) => Ok(None),
            (relays, needed) => Shape::new(needed.unwrap_or(relays.saturating_sub(1).max(1)), relays).map(Some),
        }
    }

    /// The plan of a machine that is closed but for this.
    pub fn plan(&self) -> ClientPlan {
        ClientPlan {
            lan: if self.local_network { Lan::Open } else { Lan::Closed },
            outside: self.outside.clone(),
            programs: match self.programs {
                ProgramsInside::All => Programs::All,
                ProgramsInside::AllButOutside => Programs::AllButOutside,
                ProgramsInside::OnlyInside => Programs::OnlyInside,
            },
            ..ClientPlan::default()
        }
    }
}

pub(super) fn tunnel_listen() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 51_820))
}

pub(super) fn slices_listen() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 51_821))
}

pub(super) fn relay_listen() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 51_822))
}

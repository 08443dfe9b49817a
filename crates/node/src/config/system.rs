//! What a configuration asks for that not every operating system has.

use byway_driver::{host_network, program_socket};
use byway_records::offer::Service;

use super::{Config, Problem, problem};

/// What the system that a configuration is read on has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct System {
    /// A firewall that the node can work, for tunnels.
    pub has_firewall: bool,
    /// Sockets for services that plug in.
    pub has_program_sockets: bool,
}

impl System {
    /// This one.
    pub const HERE: Self =
        Self { has_firewall: host_network::IS_SUPPORTED, has_program_sockets: program_socket::IS_SUPPORTED };
}

impl Config {
    pub(super) fn check_system(&self, system: System) -> Result<(), Problem> {
        let Some(provider) = &self.provider else { return Ok(()) };
        if provider.services.contains(&Service::TUNNEL) && !system.has_firewall {
            let remedy = "leave it out; \"socks\" and \"relay\" can be sold here";
            return Err(problem("provider.services", Service::TUNNEL, "the tunnel needs Linux for now", remedy));
        }
        if let Some(plugged) = provider.plugged.first().filter(|_| !system.has_program_sockets) {
            let why = "services that plug in need Unix sockets, which this operating system has not";
            return Err(problem("provider.plugged.service", &plugged.service, why, "sell it from Linux or macOS"));
        }
        Ok(())
    }
}

//! What a client's tunnel is to hold (`[tunnel]`).

use std::net::{IpAddr, SocketAddr};

use byway_access::slices::{NoShape, Shape};
use byway_driver::host_network::{ClientPlan, DOMAINS_MAX, Lan, Programs};
use byway_records::Domain;
use byway_records::offer::Network;
use serde::{Deserialize, Serialize};

use super::{Problem, problem};

/// Why no name server is this machine itself.
pub const ASKS_ITSELF: &str = "what this machine asks in turn would come back to it";

/// What stays outside the tunnel while the machine is closed around it, or what alone is inside (row A11).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TunnelConfig {
    /// Printers, file servers and screens of the local network are reached.
    pub local_network: bool,
    /// Networks that every program reaches past the tunnel.
    pub outside: Vec<Network>,
    /// Names, with all below them, that every program reaches past the tunnel.
    pub outside_domains: Vec<Domain>,
    /// Networks that every program reaches through the tunnel alone. Where one is named, or a domain, nothing else is inside.
    pub inside: Vec<Network>,
    pub inside_domains: Vec<Domain>,
    /// Who is asked for names outside, where domains decide; the machine's name servers when left out.
    pub name_servers: Vec<IpAddr>,
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

    /// Whether the rest of the machine is outside.
    pub fn is_partial(&self) -> bool {
        self.programs == ProgramsInside::OnlyInside || self.names_what_is_inside()
    }

    fn names_what_is_inside(&self) -> bool {
        !self.inside.is_empty() || !self.inside_domains.is_empty()
    }

    /// Whether it says of everything on which side it is.
    pub fn contradiction(&self) -> Option<&'static str> {
        let names_what_is_outside = !self.outside.is_empty() || !self.outside_domains.is_empty();
        if self.names_what_is_inside() && self.programs == ProgramsInside::AllButOutside {
            return Some("programs are all inside but some, and networks or domains outside but some");
        }
        (self.is_partial() && names_what_is_outside)
            .then_some("what is inside is named, and so is what is outside; one side is all the rest")
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        if let Some(why) = self.contradiction() {
            let value = "inside and outside";
            let remedy = "name what is outside, or what is inside: outside, outside_domains and programs = \
                          \"all-but-outside\" are one side, inside, inside_domains and programs = \"only-inside\" the other";
            return Err(problem("tunnel", value, why, remedy));
        }
        let domains = self.outside_domains.len().max(self.inside_domains.len());
        if domains > DOMAINS_MAX {
            return Err(problem(
                "tunnel",
                format_args!("{domains} domains"),
                "that is more than can be told apart",
                "name fewer",
            ));
        }
        if let Some(own) = self.own_name_server() {
            return Err(problem("tunnel.name_servers", own, ASKS_ITSELF, "name the network's name servers"));
        }
        Ok(())
    }

    /// A name server that is this machine itself.
    pub fn own_name_server(&self) -> Option<IpAddr> {
        self.name_servers.iter().copied().find(|server| server.is_loopback() || server.is_unspecified())
    }

    /// The plan of a machine that is closed but for this.
    pub fn plan(&self) -> ClientPlan {
        let is_partial = self.is_partial();
        ClientPlan {
            lan: if self.local_network { Lan::Open } else { Lan::Closed },
            outside: self.outside.clone(),
            inside: self.inside.clone(),
            domains: if is_partial { &self.inside_domains } else { &self.outside_domains }.clone(),
            name_servers: self.name_servers.clone(),
            programs: match self.programs {
                _ if is_partial => Programs::OnlyInside,
                ProgramsInside::AllButOutside => Programs::AllButOutside,
                ProgramsInside::All | ProgramsInside::OnlyInside => Programs::All,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> TunnelConfig {
        toml::from_str(text).expect("a section")
    }

    #[test]
    fn one_side_is_named_and_the_other_is_the_rest() {
        let plan = config("outside_domains = [\"*.Bücher.example\"]").plan();
        assert_eq!((plan.programs, plan.domains[0].as_str()), (Programs::All, "xn--bcher-kva.example"));
        let plan = config("inside_domains = [\"a.example\"]\ninside = [\"10.0.0.0/8\"]").plan();
        assert_eq!((plan.programs, plan.domains.len(), plan.inside.len()), (Programs::OnlyInside, 1, 1));
        let plan = config("programs = \"all-but-outside\"\noutside_domains = [\"a.example\"]").plan();
        assert_eq!((plan.programs, plan.domains.len()), (Programs::AllButOutside, 1));
        for text in ["", "programs = \"only-inside\"\ninside = [\"10.0.0.0/8\"]", "outside = [\"10.0.0.0/8\"]"] {
            assert!(config(text).check().is_ok(), "{text}");
        }
        for text in [
            "inside = [\"10.0.0.0/8\"]\noutside_domains = [\"a.example\"]",
            "inside_domains = [\"a.example\"]\nprograms = \"all-but-outside\"",
            "programs = \"only-inside\"\noutside = [\"10.0.0.0/8\"]",
            "name_servers = [\"127.0.0.53\"]",
        ] {
            assert!(config(text).check().is_err(), "{text}");
        }
    }
}

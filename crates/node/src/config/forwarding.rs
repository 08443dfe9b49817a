//! Ports of a provider's machine that clients may have (`[provider.forwarding]`).

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use byway_driver::forwarding::{FLOW_IDLE, ForwardLimits};
use serde::Deserialize;

use super::{Problem, problem};
use crate::peer_node::Forwarding;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardingConfig {
    /// Such as `40000-40999`.
    pub ports: PortRange,
    /// Where they are listened at; all IPv4 addresses when left out.
    #[serde(default = "everywhere")]
    pub listen: IpAddr,
    /// What clients are told that this machine is called; what the node knows of it when left out.
    pub public: Option<IpAddr>,
    /// Ports of one client at one time; two when left out.
    #[serde(default = "two")]
    pub per_client: usize,
    /// How long nothing may come of a visitor by UDP; two minutes when left out.
    #[serde(default = "idle")]
    pub udp_idle_seconds: u64,
}

/// `FIRST-LAST`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PortRange(RangeInclusive<u16>);

impl FromStr for PortRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port =
            |text: &str| text.trim().parse().map_err(|_| "write the first and the last port, such as 40000-40999");
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last): (u16, u16) = (port(first)?, port(last)?);
        // What is below is for the system's own services.
        if first < 1024 || last < first {
            return Err("ports from 1024 on, the lower one first, such as 40000-40999");
        }
        Ok(Self(first..=last))
    }
}

impl TryFrom<String> for PortRange {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl ForwardingConfig {
    pub fn settings(&self) -> Forwarding {
        let Self { ports, listen, public, per_client, udp_idle_seconds } = self;
        let (ports, flow_idle_max) = (ports.0.clone(), Duration::from_secs(*udp_idle_seconds));
        let limits = ForwardLimits { listen: *listen, ports, per_client: *per_client, flow_idle_max };
        Forwarding { limits, public: *public }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.per_client == 0 {
            let remedy = "remove the section, or write 1 or more";
            return Err(problem("provider.forwarding.per_client", 0, "nobody would be given a port", remedy));
        }
        if self.udp_idle_seconds == 0 {
            let remedy = "write 1 or more, or leave it out";
            return Err(problem("provider.forwarding.udp_idle_seconds", 0, "no answer would find its way", remedy));
        }
        if self.public.is_some_and(|public| public.is_unspecified()) {
            let why = "clients are told that visitors come in there";
            return Err(problem("provider.forwarding.public", "0.0.0.0", why, "write the address, or leave it out"));
        }
        Ok(())
    }
}

fn everywhere() -> IpAddr {
    Ipv4Addr::UNSPECIFIED.into()
}

fn two() -> usize {
    2
}

fn idle() -> u64 {
    FLOW_IDLE.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_ports_is_written_with_a_hyphen() {
        assert_eq!("40000-40999".parse(), Ok(PortRange(40_000..=40_999)));
        assert_eq!("40000".parse(), Ok(PortRange(40_000..=40_000)));
        for wrong in ["", "80-90", "40999-40000", "40000-70000", "a-b", "40000-"] {
            assert!(wrong.parse::<PortRange>().is_err(), "{wrong}");
        }
    }
}

//! What is asked of the machine's network: plans, and what they are made of. Holding one changes nothing.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use byway_records::Domain;
use byway_records::offer::Network;

use super::{NameError, PlanError};

/// Endpoints of the node's own packets in one plan: providers, relays, kernel nodes, with room for roaming.
pub const ALLOWED_MAX: usize = 128;
/// Networks in one list of a plan. What the standard exit policy denies is about 40.
pub const NETWORKS_MAX: usize = 1024;
/// Domains in one plan.
pub const DOMAINS_MAX: usize = 256;
/// Addresses, uplinks and ports in one list of a plan.
pub const LIST_MAX: usize = 64;

/// The mark that the node's own sockets carry (`SO_MARK`, which only root can set). Marked packets take the main routing
/// table, and may leave for the plan's endpoints. The letters are `bywa`.
pub const NODE_MARK: u32 = 0x6279_7761;
/// The mark that the firewall puts on packets of programs outside the tunnel.
pub const OUTSIDE_MARK: u32 = 0x6279_7762;
/// The mark that the firewall puts on packets of chosen programs when only those are inside.
pub const INSIDE_MARK: u32 = 0x6279_7763;

/// Name of a network interface: 1 to 15 of the characters that need no quoting anywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName(String);

/// Packets of the node itself that may leave outside the tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    pub transport: Transport,
    pub to: SocketAddr,
    pub sender: Sender,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
}

/// What tells the node's packets from those of other programs, who might want to talk to the same endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The socket carries [`NODE_MARK`]: WireGuard's.
    Marked,
    /// The socket is bound to this port, which no other user's program can share: the QUIC endpoint's.
    Port(u16),
    /// Nothing: TCP to a relay or kernel node from a library that can't mark. Whoever is at that endpoint could be
    /// contacted past the tunnel by any program of the machine, so only for endpoints that know the machine anyway.
    Anyone,
}

/// The tunnel as the machine sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    pub interface: InterfaceName,
    /// Inner addresses of this machine, with the prefix of the inner network.
    pub addresses: Vec<Network>,
    /// Name servers that are reached through the tunnel. None: the resolver is left as it is, and since DNS leaves only
    /// through the tunnel, names resolve where that resolver can be reached from the exit.
    pub resolvers: Vec<IpAddr>,
}

/// Whether printers, file servers and screens of the local network are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lan {
    #[default]
    Closed,
    /// Private, link-local and multicast addresses, except for DNS.
    Open,
}

/// Which programs the plan is for, told by their control group (see `byway exec`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Programs {
    /// All.
    #[default]
    All,
    /// All but those in the group for outside. Their names are still resolved inside.
    AllButOutside,
    /// Only those in the group for inside, and what else the plan names; the rest of the machine is not protected at all.
    OnlyInside,
}

/// Everything that may leave a client's machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientPlan {
    /// `None` while there is no way out: everything is closed but for the node's own packets.
    pub tunnel: Option<Tunnel>,
    pub allowed: Vec<Allowed>,
    pub lan: Lan,
    /// Networks that are reached past the tunnel by every program (split tunnelling by address), except for DNS.
    pub outside: Vec<Network>,
    /// Networks that every program reaches through the tunnel or not at all. For [`Programs::OnlyInside`], as all else is
    /// inside anyway.
    pub inside: Vec<Network>,
    /// Domains whose addresses are outside, too; for [`Programs::OnlyInside`], inside (split tunnelling by domain). All names of
    /// the machine are then asked of this process.
    pub domains: Vec<Domain>,
    /// Who is asked for names outside; the machine's own name servers where there are none.
    pub name_servers: Vec<IpAddr>,
    pub programs: Programs,
}

/// Packets to a network, at some ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matched {
    /// Any where there is none.
    pub network: Option<Network>,
    /// The first and the last, of TCP and UDP; whatever it is where there are none.
    pub ports: Option<(u16, u16)>,
}

/// How a provider lets clients out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharingPlan {
    /// The interface that clients' packets come from.
    pub interface: InterfaceName,
    /// The inner networks; a packet with another source is dropped.
    pub inner: Vec<Network>,
    /// Where packets may leave: the interfaces towards the internet.
    pub uplinks: Vec<InterfaceName>,
    /// What clients may not reach: the standard exit policy's networks, and the provider's own.
    pub denied: Vec<Network>,
    /// What clients may reach although it is in `denied`.
    pub allowed: Vec<Matched>,
    /// What else they may not reach.
    pub refused: Vec<Matched>,
    /// The same, whatever is allowed; nothing comes from there to them, either.
    pub blocked: Vec<Matched>,
    /// TCP and UDP ports that clients may not reach; 25 is always among them.
    pub denied_ports: Vec<u16>,
    /// Inner addresses of this machine at which clients may ask for names (port 53).
    pub resolvers: Vec<IpAddr>,
}

/// What is in force on the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    pub is_closed: bool,
    /// Which programs the plan in force is for, as far as this node's folder says.
    pub programs: Option<Programs>,
    /// Domains outside, or inside where only some programs are, as far as this node's folder says.
    pub domains: Vec<Domain>,
    /// The addresses that those have had in answers, as the firewall has them.
    pub named: Vec<IpAddr>,
    pub is_sharing: bool,
    /// The node's folder notes a plan that isn't in force: the machine was started anew, or somebody emptied the rules.
    pub is_lost: bool,
    /// Somebody has written the resolver file since, while names decide: the machine is in another network.
    pub is_outdated: bool,
    /// Routing rules of ours that exist.
    pub rules: usize,
    /// Routes of ours that exist.
    pub routes: usize,
    pub resolver: ResolverStatus,
    /// What this node's folder says of the plans in force.
    pub noted: Vec<String>,
}

/// Whose resolver file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResolverStatus {
    /// Not written by Byway.
    #[default]
    Own,
    /// Written by Byway, and what was there before is known.
    Inside,
    /// Written by Byway, and nobody knows what was there before.
    Orphaned,
}

/// One thing that was undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    KillSwitch,
    Sharing,
    Rules(usize),
    Routes(usize),
    Address(Network, InterfaceName),
    /// The resolver file is again what it was.
    Resolver,
    /// Somebody else has written the resolver file since, so it was left alone.
    ResolverLeft,
    /// Nothing: the resolver file is Byway's, and what was before it isn't noted in this folder.
    ResolverOrphaned,
    Setting(String),
}

impl InterfaceName {
    pub fn new(text: &str) -> Result<Self, NameError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let is_name = (1..=15).contains(&text.len()) && text.bytes().all(is_plain) && text != "." && text != "..";
        if is_name { Ok(Self(text.to_owned())) } else { Err(NameError(text.to_owned())) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InterfaceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Transport {
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

impl ClientPlan {
    /// Whether every list is within its bound.
    pub fn check(&self) -> Result<(), PlanError> {
        bounded("endpoints", self.allowed.len(), ALLOWED_MAX)?;
        bounded("networks outside", self.outside.len(), NETWORKS_MAX)?;
        bounded("networks inside", self.inside.len(), NETWORKS_MAX)?;
        bounded("domains", self.domains.len(), DOMAINS_MAX)?;
        bounded("name servers", self.name_servers.len(), LIST_MAX)?;
        match &self.tunnel {
            Some(tunnel) => {
                bounded("inner addresses", tunnel.addresses.len(), LIST_MAX)?;
                bounded("resolvers", tunnel.resolvers.len(), LIST_MAX)
            }
            None => Ok(()),
        }
    }
}

impl SharingPlan {
    /// Whether every list is within its bound.
    pub fn check(&self) -> Result<(), PlanError> {
        bounded("inner networks", self.inner.len(), LIST_MAX)?;
        bounded("uplinks", self.uplinks.len(), LIST_MAX)?;
        bounded("denied networks", self.denied.len(), NETWORKS_MAX)?;
        bounded("allowed destinations", self.allowed.len(), NETWORKS_MAX)?;
        bounded("refused destinations", self.refused.len(), NETWORKS_MAX)?;
        bounded("blocked destinations", self.blocked.len(), NETWORKS_MAX)?;
        bounded("denied ports", self.denied_ports.len(), LIST_MAX)?;
        bounded("resolvers", self.resolvers.len(), LIST_MAX)
    }
}

fn bounded(what: &'static str, count: usize, max: usize) -> Result<(), PlanError> {
    if count > max { Err(PlanError::TooMany { what, count, max }) } else { Ok(()) }
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillSwitch => f.write_str("the kill switch"),
            Self::Sharing => f.write_str("the address translation for clients"),
            Self::Rules(count) => write!(f, "routing rules: {count}"),
            Self::Routes(count) => write!(f, "routes: {count}"),
            Self::Address(address, interface) => write!(f, "the address {address} of {interface}"),
            Self::Resolver => f.write_str("the resolver inside the tunnel; the one before is back"),
            Self::ResolverLeft => f.write_str("nothing of the resolver file: somebody else has written it since"),
            Self::ResolverOrphaned => f.write_str(
                "nothing of the resolver file, which is still Byway's: this directory doesn't say what was there \
                 before; name the node's with --dir, or write /etc/resolv.conf by hand",
            ),
            Self::Setting(setting) => write!(f, "the kernel setting {setting}; it is what it was"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_need_quoting_are_refused() {
        for (text, is_name) in [
            ("tun0", true),
            ("wlp3s0", true),
            ("eth0.100", true),
            ("br-1_x", true),
            ("", false),
            (".", false),
            ("..", false),
            ("a/b", false),
            ("a b", false),
            ("a\"", false),
            ("eth0;", false),
            ("tün0", false),
            ("sixteen-letters-", false),
        ] {
            assert_eq!(InterfaceName::new(text).is_ok(), is_name, "{text:?}");
        }
    }

    #[test]
    fn a_plan_is_bounded() {
        let outside = vec![Network { address: IpAddr::from([10, 0, 0, 0]), prefix: 8 }; NETWORKS_MAX + 1];
        let plan = ClientPlan { outside, ..ClientPlan::default() };
        let error = plan.check().expect_err("refused");
        assert_eq!(error.to_string(), "1025 networks outside are more than the 1024 that are allowed");
        assert_eq!(ClientPlan::default().check(), Ok(()));
    }
}

//! The exit policy: where a client's traffic may come out (row A11).
//!
//! # The problem
//!
//! An exit connects to whatever a stranger names, from the provider's own machine. Without a policy that machine's
//! private network, its administration pages, the credentials at its cloud's metadata address, and the reputation of its
//! address are the stranger's.
//!
//! # What does not work
//!
//! - *Refusing names.* Whoever owns a name decides what it resolves to, and may change it between check and use. So the
//!   policy judges **addresses, after resolution**, and [`ExitPolicy::choose`] returns the very addresses to connect to;
//!   they must not be resolved again.
//! - *A list of bad IPv4 ranges.* An IPv6 address can carry an IPv4 one: mapped, compatible, translated, 6to4, Teredo,
//!   NAT64, ISATAP. For IPv6 the rule is turned round: only global unicast space is allowed, less what is reserved in it,
//!   and forms that carry an IPv4 address are judged by that address or refused outright.
//! - *Public means harmless.* A firewall in front of the exit does not stand between the exit and itself, nor between it
//!   and its neighbours on the same link. So its own addresses and networks are denied, public or not.
//!
//! # The order of judgement
//!
//! 1. What the operator allows ([`ExitPolicy::operator_allows`]) is allowed: for tests, and for exits into a network of
//!    one's own.
//! 2. The exit's own networks, then the standard denials of addresses. An offer can't lift them.
//! 3. The offer's rules, first match decides ([`Rule`]).
//! 4. Mail ports are denied, unless the offer's rules have allowed them.
//! 5. Everything else is allowed.
//!
//! An address that reaches an IPv4 host (mapped, NAT64) is that host in every step. A block that allows IPv6 at large says
//! nothing about IPv4 addresses carried in it: only a block within the mechanism's own space names those. A rule that
//! denies is taken at its word in either form.
//!
//! What an operator adds by address, port and name is [`ExitLists`], asked before all of this.

mod blocks;
mod lists;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use byway_records::offer::{Action, Network, Rule};

pub use lists::{Destination, ExitLists, Hosts};

/// Ports on which mail is handed in. Spam sent from an exit gets its address listed within hours.
pub const MAIL_PORTS: [u16; 3] = [25, 465, 587];

/// The shortest prefix that is taken for a link in IPv4, in bits. Tunnels that carry all traffic are set up with a prefix
/// of 0 or 1, which says nothing about neighbours; nobody has a link wider than a class A network.
pub const LINK_PREFIX_MIN_V4: u8 = 8;
/// The same in IPv6. Registries give out nothing wider than this to a single network.
pub const LINK_PREFIX_MIN_V6: u8 = 16;

/// Where traffic may come out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExitPolicy {
    /// Blocks that the operator allows, before anything else is asked.
    pub operator_allows: Vec<Network>,
    /// The exit's own addresses, each with the prefix of its link: what listens there trusts its own machine, and its
    /// neighbours may. An address without a link, such as one that others see it by, has the longest prefix. A block too
    /// wide for a link (below [`LINK_PREFIX_MIN_V4`], [`LINK_PREFIX_MIN_V6`]) stands for its address alone.
    pub own_networks: Vec<Network>,
    /// The rules of the offer.
    pub rules: Vec<Rule>,
}

/// Why an address is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("the name has no address")]
    NoAddress,
    #[error("port 0 is no port")]
    NoPort,
    #[error("the address is unspecified or in this host's own network")]
    Unspecified,
    #[error("the address is the exit's own")]
    OwnHost,
    #[error("the address is in the exit's own network")]
    OwnNetwork,
    #[error("the address is of a loopback interface")]
    Loopback,
    #[error("the address is private")]
    Private,
    #[error("the address is link-local")]
    LinkLocal,
    #[error("the address is shared between subscribers of a provider (carrier-grade NAT)")]
    CarrierNat,
    #[error("the address is where clouds keep their machines' credentials")]
    Metadata,
    #[error("the address is multicast")]
    Multicast,
    #[error("the address is a broadcast address")]
    Broadcast,
    #[error("the address is reserved or for documentation")]
    Reserved,
    #[error("the address carries an IPv4 address through a transition mechanism")]
    Transition,
    #[error("sending mail is not allowed through this exit")]
    Mail,
    #[error("the offer's rules deny this address or port")]
    Rule,
    #[error("this exit does not go there")]
    Operator,
    #[error("this destination is blocked after a complaint")]
    Blocked,
}

/// Reply codes of SOCKS5 (RFC 1928, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SocksReply {
    Succeeded = 0,
    GeneralFailure = 1,
    NotAllowed = 2,
    NetworkUnreachable = 3,
    HostUnreachable = 4,
    ConnectionRefused = 5,
    TtlExpired = 6,
    CommandNotSupported = 7,
    AddressTypeNotSupported = 8,
}

impl Denied {
    /// What a SOCKS client is told.
    pub fn socks_reply(self) -> SocksReply {
        match self {
            Denied::NoAddress => SocksReply::HostUnreachable,
            _ => SocksReply::NotAllowed,
        }
    }
}

impl SocksReply {
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl ExitPolicy {
    /// Which of the addresses that a name was resolved to may be connected to, in their order.
    ///
    /// # Errors
    /// The reason of the first, where none may.
    pub fn choose(&self, resolved: &[IpAddr], port: u16) -> Result<Vec<SocketAddr>, Denied> {
        let mut first = None;
        let mut allowed = Vec::new();
        for address in resolved {
            match self.check(SocketAddr::new(*address, port)) {
                Ok(()) => allowed.push(SocketAddr::new(*address, port)),
                Err(denied) => first = first.or(Some(denied)),
            }
        }
        if allowed.is_empty() { Err(first.unwrap_or(Denied::NoAddress)) } else { Ok(allowed) }
    }

    /// Whether `target` may be connected to.
    pub fn check(&self, target: SocketAddr) -> Result<(), Denied> {
        let (address, port) = (target.ip(), target.port());
        if port == 0 {
            return Err(Denied::NoPort);
        }
        let written = address.to_canonical();
        let host = host_reached(written);
        if self.operator_allows.iter().any(|network| names(network, host, written)) {
            return Ok(());
        }
        self.check_own(host)?;
        match host {
            IpAddr::V4(host) => standard_v4(host)?,
            IpAddr::V6(host) => standard_v6(host)?,
        }
        let matches = |rule: &&Rule| {
            let denied = rule.action == Action::Deny && rule.network.contains(written);
            (denied || names(&rule.network, host, written)) && (rule.port_first..=rule.port_last).contains(&port)
        };
        match self.rules.iter().find(matches).map(|rule| rule.action) {
            Some(Action::Allow) => Ok(()),
            Some(Action::Deny) => Err(Denied::Rule),
            None if MAIL_PORTS.contains(&port) => Err(Denied::Mail),
            None => Ok(()),
        }
    }

    fn check_own(&self, host: IpAddr) -> Result<(), Denied> {
        if self.own_networks.iter().any(|own| own.address.to_canonical() == host) {
            return Err(Denied::OwnHost);
        }
        let neighbour = |own: &Network| {
            let least = if own.address.is_ipv4() { LINK_PREFIX_MIN_V4 } else { LINK_PREFIX_MIN_V6 };
            own.prefix >= least && own.contains(host)
        };
        if self.own_networks.iter().any(neighbour) { Err(Denied::OwnNetwork) } else { Ok(()) }
    }
}

/// The host that a connection to `address` ends at: NAT64 is how an exit without IPv4 reaches IPv4 at all, so there it is
/// the address inside.
fn host_reached(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) if in_v6(NAT64, address) => last_four(address).into(),
        other => other,
    }
}

/// Whether `network` speaks of the address that reaches `host` and was written as `written`.
fn names(network: &Network, host: IpAddr, written: IpAddr) -> bool {
    (host.is_ipv4() && network.contains(host))
        || (network.contains(written) && u32::from(network.prefix) >= prefix_least(written))
}

/// How long the prefix of a block must be, in bits, to name an address that carries an IPv4 one: that of the mechanism's
/// own space. 0 for all others.
fn prefix_least(address: IpAddr) -> u32 {
    let IpAddr::V6(address) = address else { return 0 };
    if in_v6(NAT64, address) {
        return NAT64.1;
    }
    match V6_DENIED.iter().find(|(block, _)| in_v6(*block, address)) {
        Some((block, Denied::Transition)) => block.1,
        None if is_isatap(address) => ISATAP_PREFIX,
        _ => 0,
    }
}

fn standard_v6(address: Ipv6Addr) -> Result<(), Denied> {
    if let Some(denied) = first_match(V6_DENIED, |block| in_v6(block, address)) {
        return Err(denied);
    }
    if is_isatap(address) {
        return Err(Denied::Transition);
    }
    if in_v6(GLOBAL_UNICAST, address) { Ok(()) } else { Err(Denied::Reserved) }
}

/// The interface identifier of ISATAP (RFC 5214) hides an IPv4 address in any prefix.
fn is_isatap(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    matches!(segments[4], 0x0000 | 0x0200) && segments[5] == 0x5efe
}

type BlockV4 = ([u8; 4], u32);
type BlockV6 = ([u16; 8], u32);

/// Denied in IPv4: the registry of special-purpose addresses (RFC 6890 and its updates), and metadata addresses. The
/// first match names the reason.
const V4_DENIED: &[(BlockV4, Denied)] = &[
    (([169, 254, 169, 254], 32), Denied::Metadata),
    // Alibaba, Oracle, Azure.
    (([100, 100, 100, 200], 32), Denied::Metadata),
    (([192, 0, 0, 192], 32), Denied::Metadata),
    (([168, 63, 129, 16], 32), Denied::Metadata),
    (([0, 0, 0, 0], 8), Denied::Unspecified),
    (([10, 0, 0, 0], 8), Denied::Private),
    (([100, 64, 0, 0], 10), Denied::CarrierNat),
    (([127, 0, 0, 0], 8), Denied::Loopback),
    (([169, 254, 0, 0], 16), Denied::LinkLocal),
    (([172, 16, 0, 0], 12), Denied::Private),
    (([192, 0, 0, 0], 24), Denied::Reserved),
    (([192, 0, 2, 0], 24), Denied::Reserved),
    (([192, 88, 99, 0], 24), Denied::Transition),
    (([192, 168, 0, 0], 16), Denied::Private),
    (([198, 18, 0, 0], 15), Denied::Reserved),
    (([198, 51, 100, 0], 24), Denied::Reserved),
    (([203, 0, 113, 0], 24), Denied::Reserved),
    (([224, 0, 0, 0], 4), Denied::Multicast),
    (([255, 255, 255, 255], 32), Denied::Broadcast),
    (([240, 0, 0, 0], 4), Denied::Reserved),
];

/// Denied in IPv6, before the rule that only global unicast is allowed. The first match names the reason.
const V6_DENIED: &[(BlockV6, Denied)] = &[
    // Amazon, Google.
    (([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128), Denied::Metadata),
    (([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), Denied::Metadata),
    (([0, 0, 0, 0, 0, 0, 0, 0], 128), Denied::Unspecified),
    (([0, 0, 0, 0, 0, 0, 0, 1], 128), Denied::Loopback),
    // IPv4-compatible, and IPv4-translated (SIIT).
    (([0, 0, 0, 0, 0, 0, 0, 0], 96), Denied::Transition),
    (([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), Denied::Transition),
    // NAT64 with a prefix of one's own.
    (([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), Denied::Transition),
    // Teredo, then the rest of the block for protocols.
    (([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), Denied::Transition),
    (([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), Denied::Reserved),
    (([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), Denied::Reserved),
    (([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), Denied::Transition),
    (([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), Denied::Reserved),
    (([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), Denied::Private),
    (([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), Denied::LinkLocal),
    (([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), Denied::Private),
    (([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), Denied::Multicast),
];

const GLOBAL_UNICAST: BlockV6 = ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
const NAT64: BlockV6 = ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
/// What comes before the IPv4 address in ISATAP, in bits.
const ISATAP_PREFIX: u32 = 96;

fn first_match<B: Copy>(table: &[(B, Denied)], inside: impl Fn(B) -> bool) -> Option<Denied> {
    table.iter().find(|(block, _)| inside(*block)).map(|(_, denied)| *denied)
}

fn standard_v4(address: Ipv4Addr) -> Result<(), Denied> {
    let inside = |(base, prefix): BlockV4| {
        let mask = u32::MAX << (32 - prefix);
        (u32::from_be_bytes(base) ^ u32::from(address)) & mask == 0
    };
    first_match(V4_DENIED, inside).map_or(Ok(()), Err)
}

fn in_v6((base, prefix): BlockV6, address: Ipv6Addr) -> bool {
    let mask = u128::MAX << (128 - prefix);
    (u128::from(Ipv6Addr::from(base)) ^ u128::from(address)) & mask == 0
}

fn last_four(address: Ipv6Addr) -> Ipv4Addr {
    let octets = address.octets();
    Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15])
}

#[cfg(test)]
mod tests;

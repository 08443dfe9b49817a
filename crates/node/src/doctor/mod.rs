//! What keeps others from reaching a peer, in words and with a remedy: `byway doctor` (row A7).
//!
//! [`examine`](examine::examine) gathers [`Findings`]: what the machine says, what kernel nodes and the relay see
//! ([`byway_driver::mirror`]), and what the running node has published, if one runs. [`verdicts`] judges them and is pure, so that
//! every judgement is a row of a table. Nobody but the network's own nodes is asked.

mod channels;
mod examine;
mod phones;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use byway_primitives::{Span, Time};
use serde::Serialize;

pub use channels::{ChannelFindings, ChannelTrouble};
pub use examine::{Subject, examine};

use crate::api::PhoneStatus;

/// This much by a clock that is right, with what an answer takes and how old a checkpoint's time may be.
const CLOCK_BEHIND_MAX: Span = Span::seconds(30);
/// An idle kernel's newest checkpoint may be as old as that.
const CLOCK_AHEAD_MAX: Span = Span::minutes(5);
/// Less than this is nearly full.
const DISK_FREE_MIN_BYTES: u64 = 500_000_000;

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Findings {
    /// UDP socket of links, as configured or as bound.
    pub listen: Option<SocketAddr>,
    pub port: PortState,
    /// Addresses that this machine speaks from.
    pub local: Vec<IpAddr>,
    pub kernel: KernelFindings,
    /// How one UDP socket of this machine looks to others.
    pub seen: Vec<Sight>,
    /// The local port of that socket.
    pub seen_from: u16,
    /// Whether somebody outside got an answer.
    pub knock: Knock,
    /// At this port: that of links, or what link.public says is forwarded to it.
    pub knocked: u16,
    /// What the offer on the ledger names, where the node runs and has one.
    pub offer: Option<OfferFindings>,
    pub relay: Option<RelayFindings>,
    pub sells: bool,
    /// Links go in disguise alone, so nobody was asked.
    pub is_disguised: bool,
    /// What an IP tunnel lacks here, where one is sold.
    pub tunnel_lacks: Vec<TunnelLack>,
    pub disk_free_bytes: Option<u64>,
    /// Channels with which something is the matter, where the node runs.
    pub channels: Vec<ChannelFindings>,
    /// Where phones open the node and which there are, where it runs.
    pub phones: Option<PhoneStatus>,
}

/// Who has the port of links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PortState {
    /// The node of this directory runs and has it.
    Node,
    /// Nobody had it; it was listened at for the examination.
    #[default]
    Free,
    Taken,
    /// No address of this machine's.
    NotHere,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct KernelFindings {
    pub asked: usize,
    pub answered: usize,
    /// Kernel nodes and relays that were asked for a look.
    pub mirrors_asked: usize,
    /// By what this machine's clock differs from the ledger's, where known: a negative number if it is behind.
    pub clock_off_ms: Option<i64>,
    /// Of one that could not be reached.
    pub error: Option<String>,
}

/// An address as somebody sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sight {
    pub by: String,
    pub address: SocketAddr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Knock {
    Answered,
    Silent,
    /// Nobody could be asked to.
    #[default]
    NotTried,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfferFindings {
    pub addresses: Vec<SocketAddr>,
    pub has_relay: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RelayFindings {
    pub url: String,
    /// Unknown while the node doesn't run.
    pub is_reached: Option<bool>,
}

/// What an IP tunnel needs and this machine lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TunnelLack {
    Root,
    Tun,
    Nft,
    System,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// As it should be.
    Good,
    /// Nothing is wrong, and it is good to know.
    Note,
    /// Something doesn't work.
    Wrong,
}

/// One judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// A stable word for programs.
    pub code: &'static str,
    pub weight: Weight,
    /// What was found: a whole sentence.
    pub finding: String,
    /// What to do: a whole sentence; empty where there is nothing to do.
    pub remedy: String,
}

/// What kind of address somebody may be reached at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Loopback,
    /// Of a network of one's own (RFC 1918, RFC 4193, link-local).
    Private,
    /// Of an access provider that has more customers than addresses (RFC 6598).
    Shared,
    Public,
}

fn kind(ip: IpAddr) -> Kind {
    let shared = |v4: Ipv4Addr| v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
    match ip.to_canonical() {
        IpAddr::V4(v4) if v4.is_loopback() => Kind::Loopback,
        IpAddr::V4(v4) if shared(v4) => Kind::Shared,
        IpAddr::V4(v4) if v4.is_private() || v4.is_link_local() => Kind::Private,
        IpAddr::V6(v6) if v6.is_loopback() => Kind::Loopback,
        IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => Kind::Private,
        _ => Kind::Public,
    }
}

fn good(code: &'static str, finding: impl Into<String>) -> Verdict {
    Verdict { code, weight: Weight::Good, finding: finding.into(), remedy: String::new() }
}

fn wrong(code: &'static str, finding: impl Into<String>, remedy: impl Into<String>) -> Verdict {
    Verdict { code, weight: Weight::Wrong, finding: finding.into(), remedy: remedy.into() }
}

fn note(code: &'static str, finding: impl Into<String>, remedy: impl Into<String>) -> Verdict {
    Verdict { code, weight: Weight::Note, finding: finding.into(), remedy: remedy.into() }
}

/// What is to be said of it, in the order in which one would look.
pub fn verdicts(findings: &Findings) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    match findings.is_disguised {
        true => verdicts.push(note(
            "in_disguise",
            "Links go in disguise alone (link.disguise = \"always\"), so nothing was asked in the open.",
            "",
        )),
        false => verdicts.push(kernel(findings)),
    }
    verdicts.extend(clock(findings));
    verdicts.extend(port(findings));
    if findings.kernel.answered > 0 {
        verdicts.extend(outside(findings));
    }
    verdicts.extend(offer(findings));
    verdicts.extend(relay(findings));
    verdicts.extend(machine(findings));
    verdicts.extend(findings.channels.iter().map(channels::channel));
    verdicts.extend(findings.phones.as_ref().and_then(phones::phones));
    verdicts
}

fn kernel(findings: &Findings) -> Verdict {
    let KernelFindings { asked, answered, error, .. } = &findings.kernel;
    if *answered > 0 {
        return good("kernel_reached", format!("{answered} of {asked} kernel nodes that were asked answer."));
    }
    let why = error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
    wrong(
        "kernel_unreachable",
        format!("None of the {asked} kernel nodes that were asked answers{why}."),
        "Check that this machine is online and lets TCP out to them; where a network blocks them set link.relay to an address with \
         a front (docs/guide/blocked.md).",
    )
}

fn clock(findings: &Findings) -> Option<Verdict> {
    let off = findings.kernel.clock_off_ms?;
    let seconds = off.unsigned_abs() / 1000;
    if off < -(CLOCK_BEHIND_MAX.0 as i64) {
        return Some(wrong(
            "clock_behind",
            format!("This machine's clock is {seconds} s behind the ledger's."),
            "Set it, and let it be set over the network (timedatectl set-ntp true).",
        ));
    }
    (off > CLOCK_AHEAD_MAX.0 as i64).then(|| {
        wrong(
            "clock_ahead",
            format!("This machine's clock is {seconds} s ahead of the ledger's newest checkpoint."),
            "Set the clock; if it is right, the kernel stands still (`byway kernel status`).",
        )
    })
}

fn port(findings: &Findings) -> Option<Verdict> {
    let listen = findings.listen?;
    match findings.port {
        PortState::Taken => Some(wrong(
            "port_taken",
            format!("UDP {listen} is used by another program."),
            "Stop that program (`ss -ulpn` names it), or set link.listen to another port.",
        )),
        PortState::NotHere => Some(wrong(
            "address_not_here",
            format!("{} is no address of this machine.", listen.ip()),
            "Set link.listen to 0.0.0.0 or [::] and the port.",
        )),
        _ if kind(listen.ip()) == Kind::Loopback => Some(wrong(
            "loopback_only",
            format!("Links are listened for at {listen}, which only this machine reaches."),
            "Set link.listen to 0.0.0.0 and the port.",
        )),
        _ => None,
    }
}

/// What others see.
fn outside(findings: &Findings) -> Vec<Verdict> {
    let Some(first) = findings.seen.first() else {
        let asked = findings.kernel.mirrors_asked;
        let remedy = "Let UDP out and its answers in, on this machine and on the router. Where that can't be done set link.relay: \
                      a relay is reached over TCP.";
        let finding = format!(
            "Kernel nodes answer over TCP, and none of {asked} that were asked over UDP does: a firewall swallows UDP."
        );
        return vec![if asked == 0 {
            note("not_seen", "Nobody could be asked how this machine looks from outside.", "")
        } else {
            wrong("udp_blocked", finding, remedy)
        }];
    };
    let is_local = |address: SocketAddr| findings.local.contains(&address.ip());
    let mut verdicts = Vec::new();
    let others = |sight: &&Sight| sight.address != first.address && sight.address.is_ipv4() == first.address.is_ipv4();
    let differently = findings.seen.iter().find(others);
    if let Some(other) = differently {
        verdicts.push(wrong_if(
            findings.knock != Knock::Answered,
            "symmetric_nat",
            format!(
                "{} sees this machine at {}, {} sees it at {}: the router gives every destination another port (symmetric NAT).",
                first.by, first.address, other.by, other.address
            ),
            "Others can't find the port out by themselves. Forward the port of links on the router and name it in link.public, or \
             set link.relay.",
        ));
    } else if !is_local(first.address) {
        verdicts.push(translated(findings, first));
    } else {
        verdicts.push(good(
            "public_address",
            format!("Others see this machine at its own address {}.", first.address.ip()),
        ));
    }
    if findings.local.iter().any(|ip| kind(*ip) == Kind::Shared) || kind(first.address.ip()) == Kind::Shared {
        verdicts.push(note(
            "carrier_nat",
            "An address in 100.64.0.0/10 is in use: the access provider translates addresses for many customers, and a router \
             of one's own can't forward a port through that.",
            "Ask the access provider for a public address, use IPv6, or set link.relay.",
        ));
    }
    verdicts.push(reached(findings, first));
    verdicts
}

fn wrong_if(is_wrong: bool, code: &'static str, finding: String, remedy: &str) -> Verdict {
    if is_wrong { wrong(code, finding, remedy) } else { note(code, finding, "") }
}

/// Of a router with one mapping for all destinations.
fn translated(findings: &Findings, seen: &Sight) -> Verdict {
    let own = findings.local.first().map(ToString::to_string).unwrap_or_default();
    let ports = match findings.seen_from {
        port if port == seen.address.port() => "and keeps its ports".to_owned(),
        port => format!("and its ports: {port} is seen as {}", seen.address.port()),
    };
    note(
        "behind_nat",
        format!("A router translates this machine's address {own} into {} {ports}.", seen.address.ip()),
        "",
    )
}

/// Whether others get in.
fn reached(findings: &Findings, seen: &Sight) -> Verdict {
    let (listen, port, outside) =
        (findings.listen.map_or(0, |listen| listen.port()), findings.knocked, seen.address.ip());
    match findings.knock {
        Knock::Answered => good("reachable", format!("Others reach UDP {outside}:{port} unasked.")),
        Knock::NotTried => note("not_knocked", "Nobody could be asked to try from outside.", ""),
        Knock::Silent => {
            let is_local = findings.local.contains(&outside);
            let what =
                if is_local { "A firewall, here or on the way, lets nobody in" } else { "The router lets nobody in" };
            let how = if is_local {
                format!("Allow UDP {port} in the firewall")
            } else if port != listen {
                format!("Have the router forward UDP {port}, which link.public names, to UDP {listen} of this machine")
            } else {
                format!("Forward UDP {port} on the router to this machine and set link.public to \"{outside}:{port}\"")
            };
            let finding = format!("{what}: nothing answers at UDP {outside}:{port}.");
            let remedy = format!("{how}, or set link.relay.");
            match (findings.sells, &findings.relay) {
                // Who only buys opens links itself.
                (false, _) => note("not_reachable", finding, "Who only browses needs nothing more."),
                (true, Some(relay)) if relay.is_reached != Some(false) => {
                    let finding = format!("{finding} Clients come over the relay.");
                    note("not_reachable", finding, format!("For more speed: {}.", how.to_lowercase()))
                }
                (true, _) => wrong("not_reachable", finding, remedy),
            }
        }
    }
}

fn offer(findings: &Findings) -> Option<Verdict> {
    let offer = findings.offer.as_ref()?;
    let outside: Vec<IpAddr> = findings.seen.iter().map(|sight| sight.address.ip()).collect();
    let is_right = |address: &&SocketAddr| outside.contains(&address.ip());
    let named = offer.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if offer.addresses.iter().any(|address| is_right(&address)) {
        return Some(good(
            "offer_fits",
            format!("The offer on the ledger names {named}, where others see this machine."),
        ));
    }
    if outside.is_empty() {
        return None;
    }
    let finding = match offer.addresses.is_empty() {
        true => "The offer on the ledger names no address.".to_owned(),
        false => format!("The offer on the ledger names {named}, and others see this machine at {}.", outside[0]),
    };
    Some(if offer.has_relay {
        note("offer_elsewhere", format!("{finding} It names a relay, over which clients come."), "")
    } else {
        wrong(
            "offer_elsewhere",
            format!("{finding} Nobody outside reaches it there."),
            format!(
                "Set link.public to \"{}:PORT\" with the port that the router forwards, or set link.relay; the offer is renewed by \
                 itself.",
                outside[0]
            ),
        )
    })
}

fn relay(findings: &Findings) -> Option<Verdict> {
    let RelayFindings { url, is_reached } = findings.relay.as_ref()?;
    match is_reached {
        Some(true) => Some(good("relay_reached", format!("The relay {url} has let this node in."))),
        Some(false) => Some(wrong(
            "relay_unreachable",
            format!("The relay {url} is not reached."),
            "Check its address with whoever runs it, and that this machine lets TCP out to it.",
        )),
        None => None,
    }
}

fn machine(findings: &Findings) -> Vec<Verdict> {
    let lacks = findings.tunnel_lacks.iter().map(|lack| match lack {
        TunnelLack::Root => wrong(
            "tunnel_needs_root",
            "Tunnels are sold, and this user is not root.",
            "Run the node as root, or take \"tunnel\" out of provider.services.",
        ),
        TunnelLack::Tun => wrong(
            "tunnel_needs_tun",
            "Tunnels are sold, and there is no /dev/net/tun.",
            "Load the module (modprobe tun), or give the container the device.",
        ),
        TunnelLack::Nft => wrong("tunnel_needs_nft", "Tunnels are sold, and `nft` is not found.", "Install nftables."),
        TunnelLack::System => wrong(
            "tunnel_needs_linux",
            "Tunnels are sold, which only Linux can.",
            "Take \"tunnel\" out of provider.services.",
        ),
    });
    let disk = findings.disk_free_bytes.filter(|free| *free < DISK_FREE_MIN_BYTES).map(|free| {
        wrong(
            "disk_nearly_full",
            format!("The disk of the node's directory has {} MB left.", free / 1_000_000),
            "Make room; a node that can't write stops.",
        )
    });
    lacks.chain(disk).collect()
}

/// The distance of this machine's clock from the ledger's.
fn clock_off(now: Time, ledger: Time) -> i64 {
    let (now, ledger) = (i128::from(now.0), i128::from(ledger.0));
    (now - ledger).clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

#[cfg(test)]
mod tests;

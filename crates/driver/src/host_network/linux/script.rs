//! Firewall rules as text for `nft`.
//!
//! Every value that gets into the text is of a type whose text can't contain anything but itself: addresses, networks,
//! ports, numbers, [`InterfaceName`](super::super::InterfaceName)s, names of control groups that are ours. So there is
//! nothing to escape.

use std::fmt::{Display, Write};
use std::net::IpAddr;

use byway_records::offer::Network;

use crate::host_network::merged;

/// The table of a client's kill switch. Nothing else of ours, and nobody else, uses it.
pub const CLIENT_TABLE: &str = "byway";
/// The table of a provider's address translation.
pub const SHARING_TABLE: &str = "byway_exit";

/// A transaction that replaces one table as a whole. `add` first, since a table that isn't there can't be deleted.
pub(super) struct Script {
    text: String,
    is_in_chain: bool,
}

impl Script {
    pub(super) fn replacing(table: &'static str) -> Self {
        Self {
            text: format!("add table inet {table}\ndelete table inet {table}\ntable inet {table} {{\n"),
            is_in_chain: false,
        }
    }

    /// A set of addresses of one family, which rules name by `@name` and which changes without them. Before all chains.
    pub(super) fn address_set(&mut self, name: &str, kind: AddressKind, elements: &[IpAddr]) {
        let kind = kind.text();
        let elements =
            if elements.is_empty() { String::new() } else { format!(" elements = {};", set(elements.iter())) };
        let _ = writeln!(self.text, " set {name} {{ type {kind};{elements} }}");
    }

    /// Begins a chain at `hook`; the rules that follow are its.
    pub(super) fn chain(&mut self, name: &str, kind: &str, hook: &str, priority: i32, policy: Policy) {
        self.close_chain();
        let policy = policy.text();
        let _ =
            writeln!(self.text, " chain {name} {{\n  type {kind} hook {hook} priority {priority}; policy {policy};");
    }

    pub(super) fn rule(&mut self, rule: impl Display) {
        let _ = writeln!(self.text, "  {rule}");
    }

    /// One rule for the IPv4 networks and one for the IPv6 networks of `networks`, where there are any.
    pub(super) fn rule_for_networks(&mut self, before: &str, field: Field, networks: &[Network], after: &str) {
        let networks = merged(networks);
        for (family, is_v4) in [("ip", true), ("ip6", false)] {
            let of_family: Vec<_> = networks.iter().filter(|network| network.address.is_ipv4() == is_v4).collect();
            if !of_family.is_empty() {
                let field = field.text();
                self.rule(format_args!("{before}{family} {field} {} {after}", set(of_family)));
            }
        }
    }

    pub(super) fn finish(mut self) -> String {
        self.close_chain();
        self.text.push_str("}\n");
        self.text
    }

    fn close_chain(&mut self) {
        if self.is_in_chain {
            self.text.push_str(" }\n");
        }
        self.is_in_chain = true;
    }
}

/// What a set holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AddressKind {
    V4,
    V6,
}

impl AddressKind {
    fn text(self) -> &'static str {
        match self {
            Self::V4 => "ipv4_addr",
            Self::V6 => "ipv6_addr",
        }
    }
}

/// What becomes of a packet that no rule of a chain decides about.
#[derive(Clone, Copy)]
pub(super) enum Policy {
    Accept,
    Drop,
}

impl Policy {
    fn text(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Drop => "drop",
        }
    }
}

/// Which address of a packet.
#[derive(Clone, Copy)]
pub(super) enum Field {
    Source,
    Destination,
}

impl Field {
    fn text(self) -> &'static str {
        match self {
            Self::Source => "saddr",
            Self::Destination => "daddr",
        }
    }
}

/// `{ a, b }`; of no items it would be no set, so callers leave the rule out.
pub(super) fn set(items: impl IntoIterator<Item = impl Display>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    format!("{{ {} }}", items.join(", "))
}

/// `ip` or `ip6`.
pub(super) fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "ip" } else { "ip6" }
}

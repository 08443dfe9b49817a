//! The client's firewall table: the kill switch, and the marks of split tunnelling.
//!
//! What is asked in which chain:
//!
//! - `inner_addresses`, `prerouting`: a packet for an inner address that doesn't come out of the tunnel is an attempt to find that address
//!   (CVE-2019-14899), and dropped. Answers to marked packets get the mark back, so that the reverse-path filter looks
//!   where the question went.
//! - `marking`: packets of programs outside get a mark and with it another route. DNS is left unmarked: it stays inside.
//! - `output`, `input`, `forward`: drop, but for what the plan names. Nothing is accepted for being part of an old
//!   connection, except where it came in through the tunnel or was the node's own. A dropped packet isn't answered:
//!   programs then wait through an outage instead of losing their connections.
//! - `translate`: the source address of a marked packet was chosen for the route that it didn't take.
//!
//! - `names`: where names decide which way packets go, questions for them are turned to the node, from whomever and to
//!   whomever; but for what the node asks itself, and programs that are alone inside.
//!
//! - `translated`: what goes one way with a source address of the other is dropped.
//!
//! - `leaving`: the same as `output`, asked again after the last routing. Within `output` the interface is the one of the
//!   first routing; whoever marks packets in between (this table, or another firewall) may have sent them elsewhere.

use byway_records::offer::Network;

use super::cgroup::GroupPath;
use super::names::Named;
use super::script::{AddressKind, CLIENT_TABLE, Field, Policy, Script, family, set};
use crate::host_network::{
    Allowed, ClientPlan, INSIDE_MARK, InterfaceName, Lan, NODE_MARK, OUTSIDE_MARK, Sender, Tunnel,
};

// Priorities of netfilter's hooks (`NF_IP_PRI_*`).
const RAW: i32 = -300;
const MANGLE: i32 = -150;
const TRANSLATE_DESTINATION: i32 = -100;
const FILTER: i32 = 0;
const TRANSLATE_SOURCE: i32 = 100;
const TRANSLATED: i32 = 150;

const DNS: &str = "meta l4proto { tcp, udp } th dport { 53, 853 }";
/// What keeps a link working in IPv6. The hop limit says that the packet was made on the link and won't leave it.
const NEIGHBOURS_OUT: &str =
    "ip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept";
const NEIGHBOURS_IN: &str =
    "ip6 hoplimit 255 icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept";
/// Asking for an address: by broadcast, or a server of the local network. Port 68 is root's.
const LEASES_OUT: [&str; 2] = [
    "udp sport 68 udp dport 67 ip daddr { 255.255.255.255, 10.0.0.0/8, 100.64.0.0/10, 169.254.0.0/16, 172.16.0.0/12, \
     192.168.0.0/16 } accept",
    "udp sport 546 udp dport 547 ip6 saddr fe80::/10 ip6 daddr { ff02::1:2, ff05::1:3 } accept",
];
const LEASES_IN: [&str; 2] =
    ["udp sport 67 udp dport 68 accept", "udp sport 547 udp dport 546 ip6 saddr fe80::/10 accept"];

/// What is the local network when the plan opens it.
const LAN: [([u8; 4], u8); 7] = [
    ([10, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 168, 0, 0], 16),
    ([224, 0, 0, 0], 24),
    ([239, 0, 0, 0], 8),
    ([255, 255, 255, 255], 32),
];
const LAN_V6: [([u16; 8], u8); 4] = [
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    ([0xff02, 0, 0, 0, 0, 0, 0, 0], 16),
    ([0xff05, 0, 0, 0, 0, 0, 0, 0], 16),
];

/// The networks of [`Lan::Open`].
pub(super) fn lan_networks() -> Vec<Network> {
    let v4 = LAN.iter().map(|(address, prefix)| Network { address: (*address).into(), prefix: *prefix });
    let v6 = LAN_V6.iter().map(|(address, prefix)| Network { address: (*address).into(), prefix: *prefix });
    v4.chain(v6).collect()
}

/// The table for a machine that is inside, but for the programs of `outside` and the addresses of names.
pub(super) fn machine(plan: &ClientPlan, outside: Option<&GroupPath>, named: Option<&Named<'_>>) -> String {
    let mut script = Script::replacing(CLIENT_TABLE);
    let tunnel = plan.tunnel.as_ref();
    sets(&mut script, named);
    prerouting(&mut script, tunnel, &[NODE_MARK, OUTSIDE_MARK]);
    let is_split = outside.is_some() || named.is_some();
    let marked = format!("meta mark {OUTSIDE_MARK}");
    let inner = hosts(tunnel.map(|tunnel| tunnel.addresses.as_slice()).unwrap_or_default());
    if is_split {
        let set_mark = format!("meta mark set {OUTSIDE_MARK} ct mark set {OUTSIDE_MARK}");
        script.chain("marking", "route", "output", MANGLE, Policy::Accept);
        script.rule(format_args!("{DNS} return"));
        outside.iter().for_each(|group| script.rule(format_args!("{} {set_mark}", group.matching())));
        // A connection stays on the side where it began, whatever its address comes to be given for.
        in_sets(named).for_each(|condition| script.rule(format_args!("ct state new {condition} {set_mark}")));
        if named.is_some() {
            script.rule(format_args!("ct mark {OUTSIDE_MARK} meta mark set {OUTSIDE_MARK}"));
            turn_names(&mut script, None, named);
        }
        script.chain("translate", "nat", "postrouting", TRANSLATE_SOURCE, Policy::Accept);
        script.rule_for_networks(&format!("{marked} oifname != \"lo\" "), Field::Source, &inner, "masquerade");
    }
    script.chain("output", "filter", "output", FILTER, Policy::Drop);
    // They stay on the machine, and at this hook still have the interface to where they were going.
    for server in named.iter().flat_map(|named| &named.servers) {
        script.rule(format_args!("{} daddr {} accept", family(server.ip()), server.ip()));
    }
    let of_group = outside.map(GroupPath::matching);
    let are_outside: Vec<String> = of_group.into_iter().chain(named.map(|_| marked.clone())).collect();
    leave(&mut script, plan, &are_outside);
    script.chain("leaving", "filter", "postrouting", FILTER, Policy::Drop);
    if let Some(Tunnel { interface, .. }) = tunnel {
        // Where the main table has no way, a marked packet would take the tunnel's.
        script.rule(format_args!("meta mark {{ {NODE_MARK}, {OUTSIDE_MARK} }} oifname \"{interface}\" drop"));
    }
    leave(&mut script, plan, if is_split { std::slice::from_ref(&marked) } else { &[] });
    if let Some(Tunnel { interface, .. }) = tunnel {
        // A connection that began inside isn't translated any more when something sends it outside.
        script.chain("translated", "filter", "postrouting", TRANSLATED, Policy::Accept);
        let before = format!("oifname != {{ \"lo\", \"{interface}\" }} ");
        script.rule_for_networks(&before, Field::Source, &inner, "drop");
    }
    input(&mut script, plan);
    script.chain("forward", "filter", "forward", FILTER, Policy::Drop);
    if let Some(Tunnel { interface, .. }) = tunnel {
        script.rule(format_args!("oifname \"{interface}\" accept"));
        script.rule(format_args!("iifname \"{interface}\" ct state established,related accept"));
    }
    script.finish()
}

/// The table for a machine that is outside, but for the programs of `inside`, and the networks and addresses of names that the
/// plan has inside.
pub(super) fn programs(plan: &ClientPlan, inside: Option<&GroupPath>, named: Option<&Named<'_>>) -> String {
    let mut script = Script::replacing(CLIENT_TABLE);
    let tunnel = plan.tunnel.as_ref();
    sets(&mut script, named);
    prerouting(&mut script, tunnel, &[NODE_MARK, INSIDE_MARK]);
    script.chain("marking", "route", "output", MANGLE, Policy::Accept);
    let set_mark = format!("meta mark set {INSIDE_MARK} ct mark set {INSIDE_MARK}");
    if let Some(group) = inside {
        script.rule(format_args!("{} {set_mark}", group.matching()));
    }
    // The tunnel itself can't go through it, wherever its other end is.
    script.rule(format_args!("meta mark {NODE_MARK} return"));
    for allowed in &plan.allowed {
        script.rule(format_args!("{} return", sent_to(allowed)));
    }
    if named.is_some() {
        // Turned to the node, also where the server's address is inside.
        script.rule(format_args!("{DNS} return"));
    }
    script.rule_for_networks("", Field::Destination, &plan.inside, &set_mark);
    in_sets(named).for_each(|condition| script.rule(format_args!("{condition} {set_mark}")));
    // What the kernel answers for a program has no socket; the connection still knows.
    script.rule(format_args!("ct mark {INSIDE_MARK} meta mark set {INSIDE_MARK}"));
    turn_names(&mut script, tunnel, named);
    if let Some(named) = named {
        // Questions that weren't turned: of connections from before, and those that nobody could read.
        script.chain("output", "filter", "output", FILTER, Policy::Accept);
        script.rule("oifname \"lo\" accept");
        for server in &named.servers {
            script.rule(format_args!("{} daddr {} accept", family(server.ip()), server.ip()));
        }
        script.rule(format_args!("meta mark != {{ {NODE_MARK}, {INSIDE_MARK} }} {DNS} drop"));
    }
    script.chain("leaving", "filter", "postrouting", FILTER, Policy::Accept);
    let interfaces = tunnel.map(|tunnel| format!("\"lo\", \"{}\"", tunnel.interface));
    let interfaces = interfaces.unwrap_or_else(|| "\"lo\"".to_owned());
    script.rule(format_args!("meta mark {INSIDE_MARK} oifname != {{ {interfaces} }} drop"));
    script.chain("translate", "nat", "postrouting", TRANSLATE_SOURCE, Policy::Accept);
    if let Some(Tunnel { interface, .. }) = tunnel {
        script.rule(format_args!("meta mark {INSIDE_MARK} oifname \"{interface}\" masquerade"));
    }
    script.chain("forward", "filter", "forward", FILTER, Policy::Accept);
    // What is forwarded for others can't be inside, and mustn't be outside.
    script.rule_for_networks("", Field::Destination, &plan.inside, "drop");
    in_sets(named).for_each(|condition| script.rule(format_args!("{condition} drop")));
    if let Some(Tunnel { interface, addresses, .. }) = tunnel {
        script.rule(format_args!("iifname \"{interface}\" ct state established,related accept"));
        script.rule(format_args!("iifname \"{interface}\" drop"));
        script.chain("input", "filter", "input", FILTER, Policy::Accept);
        script.rule(format_args!("iifname \"{interface}\" ct state established,related accept"));
        script.rule(format_args!("iifname \"{interface}\" drop"));
        // A connection that began outside isn't translated any more when its address comes to be inside.
        script.chain("translated", "filter", "postrouting", TRANSLATED, Policy::Accept);
        for address in hosts(addresses) {
            let (family, address) = (family(address.address), address.address);
            script.rule(format_args!("oifname \"{interface}\" {family} saddr != {address} drop"));
        }
    }
    script.finish()
}

/// The sets of the addresses that names have.
fn sets(script: &mut Script, named: Option<&Named<'_>>) {
    let Some(named) = named else { return };
    let kinds = [AddressKind::V4, AddressKind::V6];
    for (name, kind) in named.side.sets().into_iter().zip(kinds) {
        script.address_set(name, kind, &named.elements(kind == AddressKind::V4));
    }
    // No rule asks these: they are there for a process that comes after this one.
    for (name, kind) in named.side.records().into_iter().flatten().zip(kinds) {
        script.address_set(name, kind, &named.others(kind == AddressKind::V4));
    }
}

/// Whether a packet goes to one of those addresses, as conditions of rules.
fn in_sets(named: Option<&Named<'_>>) -> impl Iterator<Item = String> {
    let sets = named.into_iter().flat_map(|named| named.side.sets().into_iter().zip(["ip", "ip6"]));
    sets.map(|(set, family)| format!("{family} daddr @{set}"))
}

/// Questions for names of programs inside go to the tunnel's resolvers, those of others to the node where names decide.
fn turn_names(script: &mut Script, tunnel: Option<&Tunnel>, named: Option<&Named<'_>>) {
    script.chain("names", "nat", "output", TRANSLATE_DESTINATION, Policy::Accept);
    for resolver in tunnel.iter().flat_map(|tunnel| &tunnel.resolvers) {
        let family = family(*resolver);
        for transport in ["udp", "tcp"] {
            script.rule(format_args!("meta mark {INSIDE_MARK} {transport} dport 53 dnat {family} to {resolver}"));
        }
    }
    let Some(named) = named else { return };
    script.rule(format_args!("meta mark {{ {NODE_MARK}, {INSIDE_MARK} }} return"));
    for server in &named.servers {
        let family = family(server.ip());
        for transport in ["udp", "tcp"] {
            script.rule(format_args!("{transport} dport 53 dnat {family} to {server}"));
        }
    }
}

fn prerouting(script: &mut Script, tunnel: Option<&Tunnel>, marks: &[u32]) {
    if let Some(Tunnel { interface, addresses, .. }) = tunnel {
        script.chain("inner_addresses", "filter", "prerouting", RAW, Policy::Accept);
        let before = format!("iifname != {} ", set(["\"lo\"".to_owned(), format!("\"{interface}\"")]));
        script.rule_for_networks(&before, Field::Destination, &hosts(addresses), "drop");
    }
    script.chain("prerouting", "filter", "prerouting", MANGLE, Policy::Accept);
    for mark in marks {
        script.rule(format_args!("ct mark {mark} meta mark set {mark}"));
    }
}

/// What may leave, asked at two hooks.
fn leave(script: &mut Script, plan: &ClientPlan, are_outside: &[String]) {
    script.rule("oifname \"lo\" accept");
    for allowed in &plan.allowed {
        script.rule(allowed_out(allowed));
    }
    let tunnel = plan.tunnel.as_ref().map(|tunnel| &tunnel.interface);
    script.rule(dns_elsewhere(tunnel));
    if let Some(interface) = tunnel {
        script.rule(format_args!("oifname \"{interface}\" accept"));
    }
    for condition in are_outside {
        script.rule(format_args!("{condition} accept"));
    }
    script.rule(NEIGHBOURS_OUT);
    LEASES_OUT.iter().for_each(|rule| script.rule(rule));
    script.rule_for_networks("", Field::Destination, &plan.outside, "accept");
    if plan.lan == Lan::Open {
        script.rule_for_networks("", Field::Destination, &lan_networks(), "accept");
    }
}

fn dns_elsewhere(tunnel: Option<&InterfaceName>) -> String {
    tunnel.map_or_else(|| format!("{DNS} drop"), |interface| format!("oifname != \"{interface}\" {DNS} drop"))
}

fn allowed_out(allowed: &Allowed) -> String {
    match allowed.sender {
        Sender::Marked => format!("{} ct mark set {NODE_MARK} accept", sent_to(allowed)),
        Sender::Port(_) | Sender::Anyone => format!("{} accept", sent_to(allowed)),
    }
}

/// The condition of being from the node to this endpoint.
fn sent_to(allowed: &Allowed) -> String {
    let (address, transport) = (allowed.to.ip().to_canonical(), allowed.transport.name());
    let to = format!("{} daddr {address} {transport} dport {}", family(address), allowed.to.port());
    match allowed.sender {
        Sender::Marked => format!("meta mark {NODE_MARK} {to}"),
        Sender::Port(port) => format!("{transport} sport {port} {to}"),
        Sender::Anyone => to,
    }
}

fn input(script: &mut Script, plan: &ClientPlan) {
    script.chain("input", "filter", "input", FILTER, Policy::Drop);
    script.rule("iifname \"lo\" accept");
    if let Some(Tunnel { interface, .. }) = &plan.tunnel {
        script.rule(format_args!("iifname \"{interface}\" ct state established,related accept"));
        script.rule(format_args!("iifname \"{interface}\" drop"));
    }
    for allowed in &plan.allowed {
        let (address, transport) = (allowed.to.ip().to_canonical(), allowed.transport.name());
        let from = format!("{} saddr {address} {transport} sport {}", family(address), allowed.to.port());
        match allowed.sender {
            Sender::Port(port) => script.rule(format_args!("{from} {transport} dport {port} accept")),
            Sender::Marked | Sender::Anyone => script.rule(format_args!("{from} ct state established accept")),
        }
    }
    // Routers on the way that say that a packet was too long.
    script.rule("meta l4proto { icmp, ipv6-icmp } ct state related accept");
    script.rule(format_args!("ct mark {OUTSIDE_MARK} ct state established accept"));
    script.rule(NEIGHBOURS_IN);
    LEASES_IN.iter().for_each(|rule| script.rule(rule));
    script.rule_for_networks("ct state established ", Field::Source, &plan.outside, "accept");
    if plan.lan == Lan::Open {
        script.rule_for_networks("", Field::Source, &lan_networks(), "accept");
    }
}

/// The addresses themselves, without the networks around them.
fn hosts(addresses: &[Network]) -> Vec<Network> {
    let host = |network: &Network| Network {
        address: network.address,
        prefix: if network.address.is_ipv4() { 32 } else { 128 },
    };
    addresses.iter().map(host).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_network::Transport;

    fn lines(script: &str) -> Vec<&str> {
        script.lines().map(str::trim).collect()
    }

    #[test]
    fn a_plan_without_a_tunnel_lets_nothing_out_but_the_node() {
        let allowed = Allowed {
            transport: Transport::Udp,
            to: "[::ffff:192.0.2.1]:51820".parse().expect("an address"),
            sender: Sender::Marked,
        };
        let script = machine(&ClientPlan { allowed: vec![allowed], ..ClientPlan::default() }, None, None);
        let lines = lines(&script);
        let out = lines.iter().position(|line| line.contains("hook output")).expect("an output chain");
        let accepted: Vec<_> =
            lines[out..].iter().take_while(|line| **line != "}").filter(|l| l.ends_with("accept")).collect();
        assert_eq!(accepted.len(), 2 + 1 + LEASES_OUT.len(), "{script}");
        let mark = NODE_MARK;
        let expected = format!("meta mark {mark} ip daddr 192.0.2.1 udp dport 51820 ct mark set {mark} accept");
        assert!(accepted.iter().any(|line| **line == expected), "{script}");
        assert!(lines.contains(&"meta l4proto { tcp, udp } th dport { 53, 853 } drop"), "{script}");
    }

    #[test]
    fn the_table_is_replaced_in_one_transaction() {
        let script = machine(&ClientPlan::default(), None, None);
        assert_eq!(lines(&script)[..3], ["add table inet byway", "delete table inet byway", "table inet byway {"]);
        assert_eq!(script.matches('{').count(), script.matches('}').count());
    }
}

//! The provider's firewall table: address translation for clients, and what they are kept from.
//!
//! - `inner_addresses`: packets for inner addresses that come from elsewhere than the tunnel are dropped before connections are
//!   looked up, so that no neighbour reaches clients by making this machine its router; so are packets out of the tunnel
//!   whose source isn't inner.
//! - `forward`: what clients begin may leave by an uplink; what they didn't ask for may not reach them. What is denied is
//!   asked before anything else, also for connections that exist, so that a longer list takes effect at once: what is blocked
//!   first, in both directions; then what is allowed, and what is denied after that.
//! - `input`: nothing of the machine itself answers clients, but the resolver.
//! - `translate`: clients come out with the uplink's address.
//!
//! Traffic that has nothing to do with the tunnel is left alone.

use std::collections::BTreeSet;

use super::script::{Field, Policy, SHARING_TABLE, Script, family, set};
use crate::host_network::{Matched, SharingPlan};

const RAW: i32 = -300;
const FILTER: i32 = 0;
const TRANSLATE_SOURCE: i32 = 100;

/// Mail between servers: what spam goes through.
const SMTP: u16 = 25;

pub(super) fn table(plan: &SharingPlan) -> String {
    let tunnel = &plan.interface;
    let from_tunnel = format!("iifname \"{tunnel}\" ");
    let mut script = Script::replacing(SHARING_TABLE);

    script.chain("inner_addresses", "filter", "prerouting", RAW, Policy::Accept);
    let elsewhere = format!("iifname != {} ", set(["\"lo\"".to_owned(), format!("\"{tunnel}\"")]));
    script.rule_for_networks(&elsewhere, Field::Destination, &plan.inner, "drop");
    script.rule_for_networks(&from_tunnel, Field::Source, &plan.inner, "accept");
    script.rule(format_args!("{from_tunnel}drop"));

    script.chain("forward", "filter", "forward", FILTER, Policy::Accept);
    for blocked in &plan.blocked {
        script.rule(format_args!("{from_tunnel}{}drop", matching(blocked, Field::Destination)));
        script.rule(format_args!("oifname \"{tunnel}\" {}drop", matching(blocked, Field::Source)));
    }
    // Between clients, too: what leaves by the tunnel without being an answer is dropped.
    script.rule(format_args!("oifname \"{tunnel}\" iifname != \"{tunnel}\" ct state established,related accept"));
    script.rule(format_args!("oifname \"{tunnel}\" drop"));
    let uplinks = (!plan.uplinks.is_empty()).then(|| set(plan.uplinks.iter().map(|name| format!("\"{name}\""))));
    if let Some(uplinks) = &uplinks {
        for allowed in &plan.allowed {
            let matching = matching(allowed, Field::Destination);
            script.rule(format_args!("{from_tunnel}oifname {uplinks} {matching}accept"));
        }
    }
    for refused in &plan.refused {
        script.rule(format_args!("{from_tunnel}{}drop", matching(refused, Field::Destination)));
    }
    script.rule_for_networks(&from_tunnel, Field::Destination, &plan.denied, "drop");
    let ports: BTreeSet<u16> = plan.denied_ports.iter().copied().chain([SMTP]).collect();
    script.rule(format_args!("{from_tunnel}meta l4proto {{ tcp, udp }} th dport {} drop", set(ports)));
    if let Some(uplinks) = &uplinks {
        script.rule(format_args!("{from_tunnel}oifname {uplinks} accept"));
    }
    script.rule(format_args!("{from_tunnel}drop"));

    script.chain("input", "filter", "input", FILTER, Policy::Accept);
    for resolver in &plan.resolvers {
        let family = family(*resolver);
        script.rule(format_args!(
            "{from_tunnel}{family} daddr {resolver} meta l4proto {{ tcp, udp }} th dport 53 accept"
        ));
    }
    script.rule(format_args!("{from_tunnel}drop"));

    script.chain("translate", "nat", "postrouting", TRANSLATE_SOURCE, Policy::Accept);
    if let Some(uplinks) = &uplinks {
        script.rule_for_networks(&format!("oifname {uplinks} "), Field::Source, &plan.inner, "masquerade");
    }
    script.finish()
}

/// The packets whose other end is there.
fn matching(matched: &Matched, other_end: Field) -> String {
    let (address, port) = match other_end {
        Field::Source => ("saddr", "sport"),
        Field::Destination => ("daddr", "dport"),
    };
    let network = matched.network.map(|network| format!("{} {address} {network} ", family(network.address)));
    let ports = matched.ports.map(|(first, last)| format!("meta l4proto {{ tcp, udp }} th {port} {first}-{last} "));
    network.unwrap_or_default() + &ports.unwrap_or_default()
}

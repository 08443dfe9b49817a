//! Sets of networks without overlap, as firewalls want them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use byway_records::offer::Network;

/// `networks` without host bits, sorted, and without those that lie in another.
pub fn merged(networks: &[Network]) -> Vec<Network> {
    let mut plain: Vec<Network> = networks.iter().map(masked).collect();
    plain.sort_by_key(|network| (network.address, network.prefix));
    let mut kept: Vec<Network> = Vec::new();
    for network in plain {
        // Sorted like this, whatever contains a network comes before it, and nothing that doesn't comes between.
        if !kept.last().is_some_and(|last| contains(last, &network)) {
            kept.push(network);
        }
    }
    kept
}

/// The same network with the bits behind its prefix zero.
fn masked(network: &Network) -> Network {
    let address = match network.address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(network.prefix.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(network.prefix.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    Network { address, prefix: network.prefix.min(longest) }
}

fn contains(outer: &Network, inner: &Network) -> bool {
    outer.prefix <= inner.prefix && outer.contains(inner.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps_are_merged_and_host_bits_cleared() {
        for (given, expected) in [
            ("10.1.2.3/8 10.2.0.0/16 11.0.0.0/8", "10.0.0.0/8 11.0.0.0/8"),
            ("10.2.0.0/16 10.0.0.0/8 10.2.3.0/24", "10.0.0.0/8"),
            ("10.0.0.1/32 10.0.0.1/32 10.0.0.2/32", "10.0.0.1/32 10.0.0.2/32"),
            ("::/0 fe80::/10 0.0.0.0/0 1.2.3.4/32", "0.0.0.0/0 ::/0"),
            ("fe80::1/10 fd00::/8 10.0.0.0/32", "10.0.0.0/32 fd00::/8 fe80::/10"),
            ("", ""),
        ] {
            let given: Vec<Network> = given.split_whitespace().map(|text| text.parse().expect("a network")).collect();
            let found: Vec<String> = merged(&given).iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), expected);
        }
    }
}

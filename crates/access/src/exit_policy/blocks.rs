//! The policy of addresses as a list of blocks, for a firewall that judges packets without asking (row A11).
//!
//! It denies whatever [`ExitPolicy::check`] does of addresses, and more where a block can't say it: NAT64 as a whole, since a packet
//! to it would be translated behind the firewall. What it can't deny are ISATAP's addresses, which are told by their second
//! half; a machine reaches them only where somebody has set ISATAP up on it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use byway_records::offer::Network;

use super::{ExitPolicy, LINK_PREFIX_MIN_V4, LINK_PREFIX_MIN_V6, V4_DENIED, V6_DENIED};

/// All of IPv6 that is not global unicast.
const V6_NOT_GLOBAL: [([u16; 8], u8); 3] =
    [([0; 8], 3), ([0x4000, 0, 0, 0, 0, 0, 0, 0], 2), ([0x8000, 0, 0, 0, 0, 0, 0, 0], 1)];

impl ExitPolicy {
    /// The blocks that clients are kept from, without those that the operator allows. Rules of the offer and mail ports are
    /// not in it.
    pub fn denied_blocks(&self) -> Vec<Network> {
        let v4 = V4_DENIED.iter().map(|((base, prefix), _)| block(Ipv4Addr::from(*base).into(), *prefix as u8));
        let v6 = V6_DENIED.iter().map(|((base, prefix), _)| block(Ipv6Addr::from(*base).into(), *prefix as u8));
        let rest = V6_NOT_GLOBAL.iter().map(|(base, prefix)| block(Ipv6Addr::from(*base).into(), *prefix));
        let own = self.own_networks.iter().flat_map(|own| [host(own.address), of_link(own)]);
        let denied: Vec<Network> = v4.chain(v6).chain(rest).chain(own).collect();
        let without = |blocks: Vec<Network>, allowed: &Network| -> Vec<Network> {
            blocks.iter().flat_map(|block| subtract(*block, allowed)).collect()
        };
        self.operator_allows.iter().fold(denied, without)
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn host(address: IpAddr) -> Network {
    let address = address.to_canonical();
    block(address, bits(address))
}

/// The neighbours of an own address; itself where its block is too wide for a link.
fn of_link(own: &Network) -> Network {
    let address = own.address.to_canonical();
    let least = if address.is_ipv4() { LINK_PREFIX_MIN_V4 } else { LINK_PREFIX_MIN_V6 };
    if own.prefix >= least && own.prefix <= bits(address) { block(address, own.prefix) } else { host(address) }
}

/// The block of `prefix` bits that holds `address`, named by its first.
fn block(address: IpAddr, prefix: u8) -> Network {
    let address = match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            Ipv4Addr::from(u32::from(v4) & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            Ipv6Addr::from(u128::from(v6) & mask).into()
        }
    };
    Network { address, prefix }
}

/// What is left of `from` without `hole`: nothing, all of it, or its halves less the hole, at most one block for each bit.
fn subtract(from: Network, hole: &Network) -> Vec<Network> {
    let (address, least) = (hole.address.to_canonical(), from.prefix.min(hole.prefix));
    if address.is_ipv4() != from.address.is_ipv4() || block(from.address, least) != block(address, least) {
        return vec![from];
    }
    let mut left = Vec::new();
    let mut around = from;
    while around.prefix < hole.prefix {
        let prefix = around.prefix + 1;
        let with_hole = block(address, prefix);
        left.push(sibling(with_hole));
        around = with_hole;
    }
    left
}

/// The other half of the block that is one bit wider.
fn sibling(of: Network) -> Network {
    let address = match of.address {
        IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4) ^ (1 << (32 - u32::from(of.prefix)))).into(),
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) ^ (1 << (128 - u32::from(of.prefix)))).into(),
    };
    Network { address, prefix: of.prefix }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::*;

    fn networks(blocks: &[&str]) -> Vec<Network> {
        blocks.iter().map(|block| block.parse().expect("a network")).collect()
    }

    fn is_denied(blocks: &[Network], address: IpAddr) -> bool {
        blocks.iter().any(|block| block.contains(address))
    }

    /// Any address, many of them near the edges of blocks.
    fn addresses() -> impl Strategy<Value = IpAddr> {
        let v4 = V4_DENIED.iter().map(|((base, _), _)| u32::from_be_bytes(*base)).collect::<Vec<_>>();
        let v6 = V6_DENIED.iter().map(|((base, _), _)| u128::from(Ipv6Addr::from(*base))).collect::<Vec<_>>();
        prop_oneof![
            any::<u32>().prop_map(|bits| Ipv4Addr::from(bits).into()),
            any::<u128>().prop_map(|bits| Ipv6Addr::from(bits).into()),
            (any::<u128>(), Just(0x2000u128 << 112)).prop_map(|(bits, base)| Ipv6Addr::from(bits >> 3 | base).into()),
            (prop::sample::select(v4), -2i32..3)
                .prop_map(|(base, by)| Ipv4Addr::from(base.wrapping_add_signed(by)).into()),
            (prop::sample::select(v6), -2i128..3)
                .prop_map(|(base, by)| Ipv6Addr::from(base.wrapping_add_signed(by)).into()),
        ]
    }

    proptest! {
        #[test]
        fn what_the_policy_denies_is_in_a_block(address in addresses(), allows in any::<bool>()) {
            let policy = ExitPolicy {
                operator_allows: if allows { networks(&["10.1.0.0/16", "fd00:1::/32", "127.0.0.1/32"]) } else { Vec::new() },
                own_networks: networks(&["5.6.7.8/24", "2a00:1::8/64", "9.9.9.9/0"]),
                rules: Vec::new(),
            };
            let is_named_by_half = matches!(address, IpAddr::V6(address) if super::super::is_isatap(address));
            let judged = policy.check(SocketAddr::new(address, 443));
            // Mapped addresses are no packets on any wire, and NAT64 is denied here as a whole.
            if judged.is_err() && !is_named_by_half && address == address.to_canonical() {
                prop_assert!(is_denied(&policy.denied_blocks(), address), "{} {:?}", address, judged);
            }
            let is_global = !matches!(address, IpAddr::V6(v6) if v6.segments()[0] & 0xe000 != 0x2000);
            if judged.is_ok() && is_global {
                prop_assert!(!is_denied(&policy.denied_blocks(), address), "{}", address);
            }
        }

        #[test]
        fn what_is_left_of_a_block_is_it_without_the_hole(
            from in (any::<u32>(), 0u8..=32), hole in (any::<u32>(), 0u8..=32), inside in any::<bool>(), probe in any::<u32>(),
        ) {
            let from = block(Ipv4Addr::from(from.0).into(), from.1);
            let base = if inside { from.address } else { Ipv4Addr::from(hole.0).into() };
            let hole = block(base, hole.1);
            let left = subtract(from, &hole);
            let IpAddr::V4(first) = from.address else { unreachable!("made of one") };
            let within = u32::from(first) | (probe & u32::MAX.checked_shr(from.prefix.into()).unwrap_or(0));
            for probe in [Ipv4Addr::from(probe), Ipv4Addr::from(within)].map(IpAddr::from) {
                let expected = from.contains(probe) && !hole.contains(probe);
                prop_assert_eq!(is_denied(&left, probe), expected, "{} of {:?} without {:?}", probe, from, hole);
            }
        }
    }

    #[test]
    fn an_allowed_block_is_cut_out() {
        let policy = ExitPolicy { operator_allows: networks(&["10.1.0.0/16"]), ..ExitPolicy::default() };
        let blocks = policy.denied_blocks();
        for (address, denied) in [("10.1.2.3", false), ("10.0.2.3", true), ("10.2.0.0", true), ("8.8.8.8", false)] {
            assert_eq!(is_denied(&blocks, address.parse().expect("an address")), denied, "{address}");
        }
        assert!(blocks.len() < 100, "{}", blocks.len());
    }
}

//! Where the door may be: addresses that only the local network reaches.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// Where the door is unless the configuration names another port.
pub const PORT: u16 = 7072;

/// Whether only this machine or its local network reaches it: RFC 1918, link-local, unique local (RFC 4193), loopback. Addresses that
/// a provider shares out among its customers (RFC 6598) are none: neighbours are strangers there.
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

/// The address at which a phone finds this machine: the one it speaks from, if that is private, else the first one that is.
pub async fn chosen() -> Option<IpAddr> {
    let own = byway_driver::exit::own::read().await;
    choose(spoken_from(), own.into_iter().map(|network| network.address))
}

/// IPv4 alone: an IPv6 address of a local network is nothing that a person would read off.
fn choose(spoken_from: Option<IpAddr>, own: impl Iterator<Item = IpAddr>) -> Option<IpAddr> {
    let may_be = |address: &IpAddr| match address {
        IpAddr::V4(v4) => v4.is_private(),
        IpAddr::V6(_) => false,
    };
    spoken_from.filter(may_be).or_else(|| own.into_iter().find(may_be))
}

/// The address from which this machine would send. Nothing is sent: connecting a UDP socket only looks up the way.
fn spoken_from() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // TEST-NET-1 (RFC 5737): nobody's, so it is reached by the way to everybody.
    socket.connect(SocketAddr::from(([192, 0, 2, 1], 9))).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_private() {
        for (address, private) in [
            ("192.168.1.20", true),
            ("10.0.0.1", true),
            ("172.31.255.255", true),
            ("169.254.3.4", true),
            ("127.0.0.1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("::ffff:192.168.1.20", true),
            ("172.32.0.1", false),
            ("100.64.0.1", false),
            ("203.0.113.5", false),
            ("::ffff:203.0.113.5", false),
            ("2001:db8::1", false),
            ("0.0.0.0", false),
            ("::", false),
        ] {
            assert_eq!(is_private(address.parse().unwrap()), private, "{address}");
        }
    }

    #[test]
    fn a_private_address_is_chosen_or_none() {
        let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
        for (spoken_from, own, chosen) in [
            (Some("192.168.1.20"), vec!["10.8.0.2", "192.168.1.20"], Some("192.168.1.20")),
            (Some("203.0.113.5"), vec!["127.0.0.1", "203.0.113.5", "10.0.0.9"], Some("10.0.0.9")),
            (None, vec!["127.0.0.1", "169.254.1.1", "fd00::1"], None),
            (Some("203.0.113.5"), vec!["203.0.113.5"], None),
        ] {
            let found = choose(spoken_from.map(ip), own.iter().map(|text| ip(text)));
            assert_eq!(found, chosen.map(ip), "{own:?}");
        }
    }
}

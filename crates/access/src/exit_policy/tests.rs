use super::*;
use proptest::prelude::*;

fn check(policy: &ExitPolicy, address: &str, port: u16, expected: Result<(), Denied>) {
    let address: IpAddr = address.parse().expect("an address");
    assert_eq!(policy.check(SocketAddr::new(address, port)), expected, "{address} port {port}");
}

fn networks(blocks: &[&str]) -> Vec<Network> {
    blocks.iter().map(|block| block.parse().expect("a network")).collect()
}

#[test]
fn by_default_only_public_hosts_are_reached() {
    let policy = ExitPolicy::default();
    for (address, expected) in [
        ("1.1.1.1", Ok(())),
        ("9.255.255.255", Ok(())),
        ("100.63.255.255", Ok(())),
        ("100.128.0.1", Ok(())),
        ("172.15.255.255", Ok(())),
        ("172.32.0.1", Ok(())),
        ("223.255.255.255", Ok(())),
        ("2606:4700:4700::1111", Ok(())),
        ("2001:4860:4860::8888", Ok(())),
        ("2a00::1", Ok(())),
        ("0.0.0.0", Err(Denied::Unspecified)),
        ("0.1.2.3", Err(Denied::Unspecified)),
        ("10.0.0.1", Err(Denied::Private)),
        ("100.64.0.1", Err(Denied::CarrierNat)),
        ("100.127.255.254", Err(Denied::CarrierNat)),
        ("100.100.100.200", Err(Denied::Metadata)),
        ("127.0.0.1", Err(Denied::Loopback)),
        ("127.255.1.2", Err(Denied::Loopback)),
        ("169.254.0.1", Err(Denied::LinkLocal)),
        ("169.254.169.254", Err(Denied::Metadata)),
        ("168.63.129.16", Err(Denied::Metadata)),
        ("172.16.0.1", Err(Denied::Private)),
        ("172.31.255.255", Err(Denied::Private)),
        ("192.0.0.8", Err(Denied::Reserved)),
        ("192.0.0.192", Err(Denied::Metadata)),
        ("192.0.2.1", Err(Denied::Reserved)),
        ("192.88.99.1", Err(Denied::Transition)),
        ("192.168.1.1", Err(Denied::Private)),
        ("198.18.0.1", Err(Denied::Reserved)),
        ("198.19.255.255", Err(Denied::Reserved)),
        ("198.51.100.1", Err(Denied::Reserved)),
        ("203.0.113.1", Err(Denied::Reserved)),
        ("224.0.0.1", Err(Denied::Multicast)),
        ("239.255.255.255", Err(Denied::Multicast)),
        ("240.0.0.1", Err(Denied::Reserved)),
        ("255.255.255.255", Err(Denied::Broadcast)),
        ("::", Err(Denied::Unspecified)),
        ("::1", Err(Denied::Loopback)),
        ("fc00::1", Err(Denied::Private)),
        ("fdff::1", Err(Denied::Private)),
        ("fd00:ec2::254", Err(Denied::Metadata)),
        ("fd20:ce::254", Err(Denied::Metadata)),
        ("fe80::1", Err(Denied::LinkLocal)),
        ("febf::1", Err(Denied::LinkLocal)),
        ("fec0::1", Err(Denied::Private)),
        ("ff02::1", Err(Denied::Multicast)),
        ("2001:db8::1", Err(Denied::Reserved)),
        ("3fff::1", Err(Denied::Reserved)),
        ("100::1", Err(Denied::Reserved)),
        ("5f00::1", Err(Denied::Reserved)),
        ("4000::1", Err(Denied::Reserved)),
        ("2001:2::1", Err(Denied::Reserved)),
        ("2001:20::1", Err(Denied::Reserved)),
    ] {
        check(&policy, address, 443, expected);
    }
}

#[test]
fn an_ipv4_address_inside_an_ipv6_one_gains_nothing() {
    let policy = ExitPolicy::default();
    for (address, expected) in [
        ("::ffff:127.0.0.1", Err(Denied::Loopback)),
        ("::ffff:10.0.0.1", Err(Denied::Private)),
        ("::ffff:169.254.169.254", Err(Denied::Metadata)),
        ("::ffff:a9fe:a9fe", Err(Denied::Metadata)),
        ("::ffff:1.1.1.1", Ok(())),
        ("::127.0.0.1", Err(Denied::Transition)),
        ("::1.1.1.1", Err(Denied::Transition)),
        ("::ffff:0:127.0.0.1", Err(Denied::Transition)),
        ("2002:7f00:1::1", Err(Denied::Transition)),
        ("2002:101:101::1", Err(Denied::Transition)),
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", Err(Denied::Transition)),
        ("64:ff9b::127.0.0.1", Err(Denied::Loopback)),
        ("64:ff9b::192.168.0.1", Err(Denied::Private)),
        ("64:ff9b::169.254.169.254", Err(Denied::Metadata)),
        ("64:ff9b::1.1.1.1", Ok(())),
        ("64:ff9b:1::10.0.0.1", Err(Denied::Transition)),
        ("2a00::5efe:10.0.0.1", Err(Denied::Transition)),
        ("2a00::200:5efe:10.0.0.1", Err(Denied::Transition)),
    ] {
        check(&policy, address, 443, expected);
    }
}

#[test]
fn mail_is_denied_unless_the_offer_allows_it() {
    let rule = |action, network: &str, port_first, port_last| Rule {
        action,
        network: network.parse().expect("a network"),
        port_first,
        port_last,
    };
    for port in MAIL_PORTS {
        check(&ExitPolicy::default(), "1.1.1.1", port, Err(Denied::Mail));
        check(&ExitPolicy::default(), "::ffff:1.1.1.1", port, Err(Denied::Mail));
    }
    let policy = ExitPolicy {
        rules: vec![
            rule(Action::Deny, "1.1.1.0/24", 80, 80),
            rule(Action::Allow, "1.1.0.0/16", 1, 100),
            rule(Action::Allow, "0.0.0.0/0", 465, 465),
            rule(Action::Allow, "10.0.0.0/8", 1, 65535),
            rule(Action::Deny, "::/0", 6667, 6669),
        ],
        ..ExitPolicy::default()
    };
    for (address, port, expected) in [
        ("1.1.1.1", 80, Err(Denied::Rule)),
        ("1.1.2.1", 80, Ok(())),
        ("1.1.1.1", 25, Ok(())),
        ("8.8.8.8", 25, Err(Denied::Mail)),
        ("8.8.8.8", 465, Ok(())),
        ("10.0.0.1", 80, Err(Denied::Private)),
        ("2a00::1", 6668, Err(Denied::Rule)),
        ("2a00::1", 6670, Ok(())),
    ] {
        check(&policy, address, port, expected);
    }
}

#[test]
fn the_operator_may_allow_what_is_denied_otherwise() {
    let policy =
        ExitPolicy { operator_allows: vec!["127.0.0.0/8".parse().expect("a network")], ..ExitPolicy::default() };
    check(&policy, "127.0.0.1", 8080, Ok(()));
    check(&policy, "::ffff:127.0.0.1", 8080, Ok(()));
    check(&policy, "127.0.0.1", 0, Err(Denied::NoPort));
    check(&policy, "::1", 8080, Err(Denied::Loopback));
    check(&policy, "10.0.0.1", 8080, Err(Denied::Private));
}

#[test]
fn the_exits_own_address_is_denied_in_every_form() {
    let policy = ExitPolicy { own_networks: networks(&["5.6.7.8", "2a00::1"]), ..ExitPolicy::default() };
    for address in ["5.6.7.8", "::ffff:5.6.7.8", "64:ff9b::5.6.7.8", "2a00::1"] {
        check(&policy, address, 22, Err(Denied::OwnHost));
    }
    check(&policy, "5.6.7.9", 22, Ok(()));
    check(&policy, "2a00::2", 22, Ok(()));
}

#[test]
fn the_neighbours_on_the_exits_links_are_denied() {
    let links = ["5.6.7.8/22", "2a00:1:2:3::8/64", "9.9.9.9/0", "9.9.9.8/1", "2a01::9/3"];
    let own_networks = networks(&links);
    let policy = ExitPolicy { own_networks, ..ExitPolicy::default() };
    for (address, expected) in [
        ("5.6.7.8", Err(Denied::OwnHost)),
        ("5.6.4.0", Err(Denied::OwnNetwork)),
        ("5.6.7.255", Err(Denied::OwnNetwork)),
        ("::ffff:5.6.5.1", Err(Denied::OwnNetwork)),
        ("64:ff9b::5.6.5.1", Err(Denied::OwnNetwork)),
        ("5.6.3.255", Ok(())),
        ("5.6.8.0", Ok(())),
        ("2a00:1:2:3::8", Err(Denied::OwnHost)),
        ("2a00:1:2:3:ffff::", Err(Denied::OwnNetwork)),
        ("2a00:1:2:4::", Ok(())),
        // Too wide for a link.
        ("9.9.9.9", Err(Denied::OwnHost)),
        ("9.9.9.7", Ok(())),
        ("2a01::9", Err(Denied::OwnHost)),
        ("2a01::8", Ok(())),
    ] {
        check(&policy, address, 22, expected);
    }
    let policy = ExitPolicy { operator_allows: networks(&["5.6.7.0/24"]), ..policy };
    for (address, expected) in
        [("5.6.7.8", Ok(())), ("64:ff9b::5.6.7.8", Ok(())), ("5.6.7.9", Ok(())), ("5.6.6.9", Err(Denied::OwnNetwork))]
    {
        check(&policy, address, 22, expected);
    }
}

#[test]
fn rules_see_the_ipv4_host_behind_nat64() {
    let rule = |action, network: &str| Rule {
        action,
        network: network.parse().expect("a network"),
        port_first: 1,
        port_last: 65535,
    };
    let policy = ExitPolicy {
        rules: vec![
            rule(Action::Allow, "2a00::/16"),
            rule(Action::Allow, "::/0"),
            rule(Action::Deny, "1.1.1.0/24"),
            rule(Action::Allow, "8.8.8.8/32"),
            rule(Action::Allow, "64:ff9b::8.8.4.0/120"),
        ],
        ..ExitPolicy::default()
    };
    for (address, port, expected) in [
        ("1.1.1.1", 80, Err(Denied::Rule)),
        ("64:ff9b::1.1.1.1", 80, Err(Denied::Rule)),
        ("64:ff9b::1.1.2.1", 80, Ok(())),
        ("64:ff9b::1.1.2.1", 25, Err(Denied::Mail)),
        ("64:ff9b::8.8.8.8", 25, Ok(())),
        ("64:ff9b::8.8.4.4", 25, Ok(())),
        ("2a00::1", 25, Ok(())),
    ] {
        check(&policy, address, port, expected);
    }
    for denied in ["::/0", "64:ff9b::/96", "0.0.0.0/0"] {
        let policy = ExitPolicy { rules: vec![rule(Action::Deny, denied)], ..ExitPolicy::default() };
        check(&policy, "64:ff9b::1.1.1.1", 80, Err(Denied::Rule));
    }
}

#[test]
fn an_operator_who_allows_ipv6_has_not_allowed_the_ipv4_in_it() {
    let allowing = |blocks: &[&str]| ExitPolicy { operator_allows: networks(blocks), ..ExitPolicy::default() };
    let wide = allowing(&["::/0"]);
    for (address, expected) in [
        ("fd00::1", Ok(())),
        ("::1", Ok(())),
        ("64:ff9b::10.0.0.1", Err(Denied::Private)),
        ("64:ff9b::1.1.1.1", Ok(())),
        ("::ffff:10.0.0.1", Err(Denied::Private)),
        ("::10.0.0.1", Err(Denied::Transition)),
        ("::ffff:0:10.0.0.1", Err(Denied::Transition)),
        ("64:ff9b:1::10.0.0.1", Err(Denied::Transition)),
        ("2002:a00:1::1", Err(Denied::Transition)),
        ("2001:0:4136:e378:8000:63bf:f5ff:fffe", Err(Denied::Transition)),
        ("2a00::5efe:10.0.0.1", Err(Denied::Transition)),
    ] {
        check(&wide, address, 80, expected);
    }
    for (block, address) in [
        ("10.0.0.0/8", "64:ff9b::10.0.0.1"),
        ("64:ff9b::10.0.0.0/104", "64:ff9b::10.0.0.1"),
        ("64:ff9b:1::/48", "64:ff9b:1::10.0.0.1"),
        ("2002::/16", "2002:a00:1::1"),
    ] {
        check(&allowing(&[block]), address, 80, Ok(()));
    }
    check(&allowing(&["64:ff9b::/96"]), "10.0.0.1", 80, Err(Denied::Private));
}

#[test]
fn a_name_is_judged_by_all_it_resolves_to() {
    let policy = ExitPolicy::default();
    let addresses = |list: &[&str]| list.iter().map(|a| a.parse().expect("an address")).collect::<Vec<IpAddr>>();
    let public = SocketAddr::new("1.1.1.1".parse().expect("an address"), 80);
    for (resolved, expected) in [
        (&["1.1.1.1"][..], Ok(vec![public])),
        (&["127.0.0.1", "1.1.1.1", "::1"], Ok(vec![public])),
        (&["127.0.0.1", "10.0.0.1"], Err(Denied::Loopback)),
        (&[], Err(Denied::NoAddress)),
    ] {
        assert_eq!(policy.choose(&addresses(resolved), 80), expected, "{resolved:?}");
    }
}

#[test]
fn a_socks_client_hears_the_right_code() {
    assert_eq!(Denied::Loopback.socks_reply().code(), 2);
    assert_eq!(Denied::Mail.socks_reply().code(), 2);
    assert_eq!(Denied::NoAddress.socks_reply().code(), 4);
}

proptest! {
    /// However an IPv4 address is wrapped, it is never allowed where the address itself is not.
    #[test]
    fn no_wrapping_opens_a_closed_address(bits: u32, host: u64) {
        let policy = ExitPolicy::default();
        let bare = Ipv4Addr::from(bits);
        let allowed = |address: IpAddr| policy.check(SocketAddr::new(address, 80)).is_ok();
        let low = u128::from(bits);
        let wrappings = [
            bare.to_ipv6_mapped(),
            bare.to_ipv6_compatible(),
            Ipv6Addr::from(0xffff << 48 | low),
            Ipv6Addr::from(0x0064_ff9b << 96 | low),
            Ipv6Addr::from(0x2002 << 112 | low << 80 | u128::from(host)),
            Ipv6Addr::from(0x2001 << 112 | u128::from(!bits)),
        ];
        if !allowed(bare.into()) {
            for wrapped in wrappings {
                prop_assert!(!allowed(wrapped.into()), "{wrapped} carries {bare}");
            }
        }
    }
}

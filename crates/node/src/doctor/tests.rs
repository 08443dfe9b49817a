//! Every judgement, and what a machine shows that is judged so.

use super::*;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A provider at a public address that everybody reaches.
fn well() -> Findings {
    let sight = |by: &str| Sight { by: by.to_owned(), address: address("198.51.100.7:7300") };
    Findings {
        listen: Some(address("0.0.0.0:7300")),
        local: vec!["198.51.100.7".parse().unwrap()],
        kernel: KernelFindings { asked: 7, answered: 7, mirrors_asked: 2, clock_off_ms: Some(40), error: None },
        seen: vec![sight("kernel node k1"), sight("kernel node k2")],
        seen_from: 7300,
        knock: Knock::Answered,
        knocked: 7300,
        sells: true,
        ..Findings::default()
    }
}

/// The same behind a router that lets nobody in.
fn behind() -> Findings {
    Findings { local: vec!["192.168.1.5".parse().unwrap()], knock: Knock::Silent, ..well() }
}

fn seen(at: [&str; 2]) -> Vec<Sight> {
    let sights = at.iter().zip(["k1", "k2"]);
    sights.map(|(at, by)| Sight { by: by.to_owned(), address: address(at) }).collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn every_finding_has_its_words_and_its_remedy() {
    let kernel = |kernel: KernelFindings| Findings { kernel, ..well() };
    let offer = |named: &[&str], has_relay| {
        let addresses = named.iter().map(|text| address(text)).collect();
        Some(OfferFindings { addresses, has_relay })
    };
    let channel = |trouble| {
        let left_ms = Some(Span::days(300));
        ChannelFindings { channel: "3f2a".to_owned(), trouble, left_ms }
    };
    let relay = |is_reached| Some(RelayFindings { url: "https://relay.example/".to_owned(), is_reached });
    for (findings, expected) in [
        (well(), &["kernel_reached", "public_address", "reachable"][..]),
        (
            behind(),
            &[
                "kernel_reached",
                "behind_nat",
                "!not_reachable: Forward UDP 7300 … link.public to \"198.51.100.7:7300\"",
            ],
        ),
        (
            Findings { seen: seen(["198.51.100.7:41000", "198.51.100.7:41000"]), ..behind() },
            &["kernel_reached", "behind_nat: 7300 is seen as 41000", "!not_reachable"],
        ),
        (Findings { knock: Knock::Answered, ..behind() }, &["kernel_reached", "behind_nat", "reachable"]),
        (
            Findings { knock: Knock::Answered, knocked: 9000, ..behind() },
            &["kernel_reached", "behind_nat", "reachable: 198.51.100.7:9000"],
        ),
        (
            Findings { knocked: 9000, ..behind() },
            &["kernel_reached", "behind_nat", "!not_reachable: forward UDP 9000 … to UDP 7300 of this machine"],
        ),
        (
            Findings { seen: seen(["198.51.100.7:41000", "198.51.100.7:52000"]), ..behind() },
            &["kernel_reached", "!symmetric_nat: link.relay", "!not_reachable"],
        ),
        (
            Findings { local: vec!["100.72.0.9".parse().unwrap()], ..behind() },
            &["kernel_reached", "behind_nat", "carrier_nat: link.relay", "!not_reachable"],
        ),
        (
            Findings { channels: vec![channel(ChannelTrouble::Frozen), channel(ChannelTrouble::Recovering)], ..well() },
            &[
                "kernel_reached",
                "public_address",
                "reachable",
                "!channel_frozen: 3f2a … channel close 3f2a --alone",
                "channel_recovering: 3f2a",
            ],
        ),
        (
            Findings {
                channels: [ChannelTrouble::Unreadable, ChannelTrouble::Dispute, ChannelTrouble::ClocksApart]
                    .map(channel)
                    .to_vec(),
                ..well()
            },
            &[
                "kernel_reached",
                "public_address",
                "reachable",
                "!channel_unreadable: channel restore 3f2a",
                "channel_dispute: Leave the node running",
                "!channel_clocks_apart: 3f2a … Set this machine's clock … tell the peer's user",
            ],
        ),
        (
            Findings {
                channels: [ChannelTrouble::PursesAwaited, ChannelTrouble::NotCopied, ChannelTrouble::CopyFails]
                    .map(channel)
                    .to_vec(),
                ..well()
            },
            &[
                "kernel_reached",
                "public_address",
                "reachable",
                "!channel_assets_awaited: 300 days … channel close 3f2a --split",
                "channel_not_copied: `copies`",
                "!channel_copy_fails: channels.copies",
            ],
        ),
        (Findings { sells: false, ..behind() }, &["kernel_reached", "behind_nat", "not_reachable: only browses"]),
        (
            Findings { relay: relay(Some(true)), ..behind() },
            &["kernel_reached", "behind_nat", "not_reachable: over the relay", "relay_reached"],
        ),
        (
            Findings { relay: relay(Some(false)), ..behind() },
            &["kernel_reached", "behind_nat", "!not_reachable", "!relay_unreachable"],
        ),
        (
            Findings { knock: Knock::Silent, ..well() },
            &["kernel_reached", "public_address", "!not_reachable: in the firewall"],
        ),
        (Findings { knock: Knock::NotTried, ..well() }, &["kernel_reached", "public_address", "not_knocked"]),
        (Findings { seen: Vec::new(), ..well() }, &["kernel_reached", "!udp_blocked: link.relay"]),
        (
            kernel(KernelFindings { asked: 7, error: Some("refused".to_owned()), ..Default::default() }),
            &["!kernel_unreachable: refused … TCP"],
        ),
        (
            kernel(KernelFindings { clock_off_ms: Some(-31_000), ..well().kernel }),
            &["kernel_reached", "!clock_behind: 31 s", "public_address", "reachable"],
        ),
        (
            kernel(KernelFindings { clock_off_ms: Some(301_000), ..well().kernel }),
            &["kernel_reached", "!clock_ahead: kernel stands still", "public_address", "reachable"],
        ),
        (
            Findings { port: PortState::Taken, knock: Knock::Silent, ..well() },
            &["kernel_reached", "!port_taken: 0.0.0.0:7300 … ss -ulpn", "public_address", "!not_reachable"],
        ),
        (
            Findings { port: PortState::NotHere, listen: Some(address("192.0.2.9:7300")), ..well() },
            &["kernel_reached", "!address_not_here: 192.0.2.9", "public_address", "reachable"],
        ),
        (
            Findings { listen: Some(address("127.0.0.1:7300")), ..well() },
            &["kernel_reached", "!loopback_only", "public_address", "reachable"],
        ),
        (
            Findings { offer: offer(&["198.51.100.7:7300", "10.0.0.1:7300"], false), ..well() },
            &["kernel_reached", "public_address", "reachable", "offer_fits"],
        ),
        (
            Findings { offer: offer(&["192.168.1.5:7300"], false), ..behind() },
            &["kernel_reached", "behind_nat", "!not_reachable", "!offer_elsewhere: link.public … 198.51.100.7"],
        ),
        (
            Findings { offer: offer(&["192.168.1.5:7300"], true), ..behind() },
            &["kernel_reached", "behind_nat", "!not_reachable", "offer_elsewhere: relay"],
        ),
        (
            Findings { tunnel_lacks: vec![TunnelLack::Root, TunnelLack::Tun, TunnelLack::Nft], ..well() },
            &[
                "kernel_reached",
                "public_address",
                "reachable",
                "!tunnel_needs_root",
                "!tunnel_needs_tun: modprobe",
                "!tunnel_needs_nft: nftables",
            ],
        ),
        (
            Findings { disk_free_bytes: Some(3_000_000), ..well() },
            &["kernel_reached", "public_address", "reachable", "!disk_nearly_full: 3 MB"],
        ),
        (Findings { is_disguised: true, kernel: Default::default(), ..well() }, &["in_disguise: nothing was asked"]),
    ] {
        check(&findings, expected);
    }
}

/// `code`, with `!` before one that is wrong, and behind `:` what its words hold, parts apart by `…`.
fn check(findings: &Findings, expected: &[&str]) {
    let verdicts = verdicts(findings);
    let codes: Vec<_> = verdicts.iter().map(|verdict| verdict.code).collect();
    let wanted = expected.iter().map(|text| text.trim_start_matches('!').split(':').next().unwrap());
    assert_eq!(codes, wanted.collect::<Vec<_>>(), "{findings:?}");
    for (verdict, text) in verdicts.iter().zip(expected) {
        assert_eq!(verdict.weight == Weight::Wrong, text.starts_with('!'), "{verdict:?}");
        assert!(verdict.weight != Weight::Wrong || !verdict.remedy.is_empty(), "{verdict:?} has no remedy");
        let words = format!("{} {}", verdict.finding, verdict.remedy);
        for part in text.split_once(": ").map_or("", |(_, parts)| parts).split(" … ") {
            assert!(words.contains(part), "{part:?} is missing in: {words}");
        }
    }
}

#[test]
fn addresses_are_of_a_kind() {
    for (text, expected) in [
        ("127.0.0.1", Kind::Loopback),
        ("::1", Kind::Loopback),
        ("::ffff:10.0.0.1", Kind::Private),
        ("10.1.2.3", Kind::Private),
        ("169.254.1.1", Kind::Private),
        ("fe80::1", Kind::Private),
        ("fd00::1", Kind::Private),
        ("100.64.0.0", Kind::Shared),
        ("100.127.255.255", Kind::Shared),
        ("100.128.0.0", Kind::Public),
        ("100.63.255.255", Kind::Public),
        ("198.51.100.1", Kind::Public),
        ("2001:db8::1", Kind::Public),
    ] {
        assert_eq!(kind(text.parse().unwrap()), expected, "{text}");
    }
}

#[test]
fn the_clocks_distance_is_exact_and_never_overflows() {
    for (now, ledger, expected) in [(5, 3, 2), (3, 5, -2), (u64::MAX, 0, i64::MAX), (0, u64::MAX, i64::MIN)] {
        assert_eq!(clock_off(Time(now), Time(ledger)), expected);
    }
}

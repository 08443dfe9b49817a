//! A tunnel between two machines, and the client's machine closed around it.

use super::harness::byway::{Node, amount};
use super::harness::network::Network;
use super::harness::spaces::{self, Capture, NAME, Spaces};
use super::harness::{PATIENCE, SOON, Story, eventually, eventually_or, turn_in_spaces};

/// More than a first credit window, so that it takes promises.
const LENGTH: u64 = 20_000_000;
/// What may leave the client's machine while it is closed: WireGuard's and QUIC's datagrams to the provider, and connections to
/// kernel nodes; and what finds neighbours and routers of the line, which goes no further.
const ALLOWED: &str = "(udp and host 11.1.0.2 and host 11.2.0.2) or (tcp and host 11.9.9.9) or arp or (icmp6 and \
                       (ip6[40] == 133 or ip6[40] == 135 or ip6[40] == 136))";

/// Namespaces with servers, a network that `make` makes in them, and a client that can pay.
pub fn begin(title: &'static str, make: impl FnOnce(&Spaces) -> Network) -> (Story, Spaces, Network) {
    let story = Story::begin(title);
    let mut spaces = Spaces::make();
    spaces.serve();
    let mut network = make(&spaces);
    network.start();
    network.prepare_client("5");
    (story, spaces, network)
}

#[test]
fn a_tunnel_carries_everything_and_nothing_leaves_beside_it() {
    let _turn = turn_in_spaces();
    let (story, spaces, mut network) = begin("tunnel", Network::make_in);
    let client = network.client_node.clone();
    let asked = |host: &str, bytes| spaces.ask(&spaces.client, host, bytes);
    assert_eq!(asked(spaces::WEB, 10), Ok((spaces::CLIENT.to_owned(), 10)), "before, it is seen where it is");
    client.sees_offers("tunnel", 1);
    story.tell("all processes are ready, and a tunnel is on the market");

    let session = client.json(&["connect", "--service", "tunnel"]);
    assert_eq!(session["service"], "tunnel");
    story.tell("connected");
    let leaks = Capture::of_client(&spaces, &format!("not ({ALLOWED})"));
    assert_eq!(asked(spaces::WEB, LENGTH), Ok((spaces::PROVIDER.to_owned(), LENGTH)), "now it is the provider");
    assert_eq!(asked(NAME, 10), Ok((spaces::PROVIDER.to_owned(), 10)), "names are resolved inside");
    assert!(asked("11.2.0.1", 0).is_err(), "the provider's own network is closed");
    story.tell("data flows");
    let list = ["session", "list"];
    client.until("the session has cost what it carried", SOON, &list, |sessions| {
        let of_tunnel = sessions.as_array().unwrap().iter().find(|one| one["id"] == session["id"])?;
        let carried = of_tunnel["bytes_down"].as_u64().unwrap();
        (carried > LENGTH && !amount(&of_tunnel["cost"]).is_zero()).then_some(())
    });

    spaces.sh(&spaces.client, "nft flush ruleset");
    eventually("the kill switch is put back after another program threw it away", SOON, || {
        spaces.sh(&spaces.client, "nft list ruleset").contains("table inet byway").then_some(())
    });

    network.client.kill();
    assert!(asked(spaces::WEB, 10).is_err(), "nothing leaves while the node is dead");
    network.client.start_ready();
    eventually_or("the tunnel is back after a crash of the client", PATIENCE, || asked(spaces::WEB, 10));
    story.tell("the client was killed and started again");

    network.provider.kill();
    assert!(asked(spaces::WEB, 10).is_err(), "nothing leaves while the provider is dead");
    network.provider.start_ready();
    let seen = eventually_or("the tunnel is back after a crash of the provider", PATIENCE, || asked(NAME, 10));
    assert_eq!(seen.0, spaces::PROVIDER);
    story.tell("the provider was killed and started again");
    assert_eq!(leaks.end(), Vec::<String>::new(), "packets beside the tunnel");

    client.json(&["disconnect"]);
    let seen = eventually_or("the machine is open again", SOON, || {
        let seen = asked(spaces::WEB, 10)?;
        if seen.0 == spaces::CLIENT { Ok(seen) } else { Err(seen.0) }
    });
    assert_eq!(seen, (spaces::CLIENT.to_owned(), 10));
    assert_eq!(spaces.sh(&spaces.client, "nft list ruleset; cat /etc/resolv.conf"), "nameserver 11.8.8.8\n");
    network.stop();
    assert_eq!(spaces.sh(&spaces.provider, "nft list ruleset"), "", "the provider takes its rules with it");
    story.tell("disconnected; nothing is left");
}

#[test]
fn a_domain_goes_past_the_tunnel_and_all_else_through_it_or_the_other_way_round() {
    let _turn = turn_in_spaces();
    let (story, spaces, mut network) = begin("split", Network::make_in);
    let client = network.client_node.clone();
    let seen = |host: &str| eventually_or("it answers", PATIENCE, || spaces.ask(&spaces.client, host, 10)).0;
    client.sees_offers("tunnel", 1);

    client.json(&["tunnel", "set", "--outside-domains", "web.example", "--local-network", "off"]);
    let told = String::from_utf8(client.run(&["tunnel", "show"]).stdout).unwrap();
    assert_eq!(told, "The tunnel is for everything but\n  domains web.example\n");
    client.json(&["connect", "--service", "tunnel"]);
    assert_eq!(seen(spaces::WEB), spaces::PROVIDER, "nobody has asked for it by its name");
    assert_eq!(seen(NAME), spaces::CLIENT, "past the tunnel");
    assert_eq!(seen(spaces::OTHER_NAME), spaces::PROVIDER, "and all else through it");
    story.tell("a domain goes past the tunnel");
    network.client.kill();
    assert!(spaces.ask(&spaces.client, spaces::OTHER, 10).is_err(), "nothing leaves while the node is dead");
    network.client.start_ready();
    assert_eq!(seen(NAME), spaces::CLIENT);
    assert_eq!(seen(spaces::OTHER_NAME), spaces::PROVIDER);
    story.tell("also after a crash");
    client.json(&["disconnect"]);

    let refused = client.failure(&["tunnel", "set", "--inside-domains", "web.example"]);
    assert!(refused.contains("one side is all the rest"), "{refused}");
    client.json(&["tunnel", "set", "--outside-domains", "none", "--inside-domains", "web.example"]);
    client.json(&["connect", "--service", "tunnel"]);
    assert_eq!(seen(NAME), spaces::PROVIDER);
    assert_eq!(seen(spaces::OTHER_NAME), spaces::CLIENT, "the rest is outside");
    story.tell("only the domain goes through it");
    client.json(&["disconnect"]);
    eventually("the machine is open again", SOON, || {
        spaces.sh(&spaces.client, "nft list ruleset; cat /etc/resolv.conf").eq("nameserver 11.8.8.8\n").then_some(())
    });
    assert_eq!(seen(NAME), spaces::CLIENT);
    network.stop();
}

/// What the network between the two lets through of what goes from one to the other directly: nothing, or all.
fn wall(spaces: &Spaces, is_up: bool) {
    let rules = "nft add table ip wall; nft 'add chain ip wall ways { type filter hook forward priority 0; }'; \
                 nft 'add rule ip wall ways ip saddr { 11.1.0.2, 11.2.0.2 } ip daddr { 11.1.0.2, 11.2.0.2 } drop'";
    spaces.sh(&spaces.internet, if is_up { rules } else { "nft delete table ip wall" });
}

#[test]
fn a_tunnel_goes_over_the_relay_where_there_is_no_direct_way() {
    let _turn = turn_in_spaces();
    let (story, spaces, mut network) = begin("detour", |spaces| {
        wall(spaces, true);
        Network::make_in(spaces)
    });
    let client = network.client_node.clone();
    let asked = |host: &str, bytes| spaces.ask(&spaces.client, host, bytes);
    let goes = |expected: &str| {
        client.until(&format!("the tunnel is {expected}"), PATIENCE, &["status"], |status| {
            (status["connection"]["path"] == expected).then_some(())
        });
    };
    client.sees_offers("tunnel", 1);
    client.json(&["connect", "--service", "tunnel"]);
    goes("relayed");
    story.tell("connected over the relay");
    let leaks = Capture::of_client(&spaces, &format!("not ({ALLOWED})"));
    assert_eq!(asked(spaces::WEB, LENGTH / 4), Ok((spaces::PROVIDER.to_owned(), LENGTH / 4)));
    assert_eq!(asked(NAME, 10), Ok((spaces::PROVIDER.to_owned(), 10)), "names are resolved inside");

    wall(&spaces, false);
    goes("direct");
    assert_eq!(asked(spaces::WEB, LENGTH / 4), Ok((spaces::PROVIDER.to_owned(), LENGTH / 4)));
    story.tell("the direct way was found while it ran");
    wall(&spaces, true);
    let seen = eventually_or("the relay takes over again", PATIENCE, || asked(spaces::WEB, 10));
    assert_eq!(seen.0, spaces::PROVIDER);
    goes("relayed");
    assert_eq!(leaks.end(), Vec::<String>::new(), "packets beside the tunnel");
    story.tell("and lost again");
    client.json(&["disconnect"]);
    network.stop();
}

/// Sends datagrams of 1,000 bytes to every port that a translated flow may have, and to the client's inner address by way of
/// the provider, from an address that the client never spoke to; prints how many bytes that was.
const FLOOD: &str = r#"
import socket
flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
flood.bind(('11.9.9.9', 0))
sent = 0
for port in range(1024, 65536, 4):
    for host in ('11.2.0.2', '10.86.0.2'):
        for shift in range(2):
            sent += flood.sendto(bytes(1000), (host, port + 2 * shift))
print(sent)
"#;

#[test]
fn a_flood_costs_the_client_nothing_and_a_blocked_destination_is_closed_at_once() {
    let _turn = turn_in_spaces();
    let (story, spaces, mut network) = begin("flood", |spaces| {
        spaces.sh(&spaces.internet, "ip route add 10.86.0.0/16 via 11.2.0.2");
        Network::make_in(spaces)
    });
    let (client, provider) = (network.client_node.clone(), network.provider_node.clone());
    client.sees_offers("tunnel", 1);
    let session = client.json(&["connect", "--service", "tunnel"]);
    let asked = |host: &str| spaces.ask(&spaces.client, host, 100_000);
    let through = Ok((spaces::PROVIDER.to_owned(), 100_000));
    let billed = |least: u64| {
        client.until("what was carried is acknowledged", SOON, &["session", "list"], |sessions| {
            let of_tunnel = sessions.as_array().unwrap().iter().find(|one| one["id"] == session["id"])?;
            of_tunnel["bytes_down"].as_u64().filter(|bytes| *bytes >= least)
        })
    };
    assert_eq!(asked(NAME), through);
    let before = billed(100_000);
    story.tell("connected");

    let sent: u64 = spaces.sh(&spaces.internet, &format!("python3 -c \"{FLOOD}\"")).trim().parse().unwrap();
    assert!(sent > 60_000_000, "{sent}");
    // What goes through afterwards is acknowledged after whatever of the flood did.
    assert_eq!(asked(NAME), through);
    let more = billed(before + 100_000) - before;
    assert!(more < 110_000 + sent / 1000, "of {sent} bytes that nobody asked for, {more} were billed");
    story.tell(format!("{sent} bytes of flood, and {more} more were billed, 100000 of them asked for"));

    provider.json(&["provider", "block", spaces::WEB]);
    assert!(asked(spaces::WEB).is_err(), "the destination is blocked");
    provider.json(&["provider", "unblock", spaces::WEB]);
    let seen = eventually_or("the destination is open again", SOON, || asked(spaces::WEB));
    assert_eq!(Ok(seen), through);
    client.json(&["disconnect"]);
    network.stop();
    story.tell("a destination was blocked and opened again");
}

#[test]
fn a_tunnel_in_slices_goes_on_while_a_relay_dies() {
    let _turn = turn_in_spaces();
    let (story, spaces, mut network) = begin("slices", Network::make_with_relays);
    let client = network.client_node.clone();
    for (service, count) in [("tunnel", 1), ("relay", 3)] {
        client.sees_offers(service, count);
    }
    story.tell("all processes are ready, and three relays and a tunnel are on the market");

    // The tunnel's own ports; the link to the provider's node is another.
    let past_relays = Capture::of_client(&spaces, "udp and host 11.2.0.2 and portrange 51820-51829");
    client.json(&["tunnel", "set", "--relays", "3", "--needed", "2"]);
    let session = client.json(&["connect", "--service", "tunnel"]);
    assert_eq!(session["service"], "tunnel");
    let asked = |bytes| spaces.ask(&spaces.client, spaces::WEB, bytes);
    assert_eq!(asked(LENGTH), Ok((spaces::PROVIDER.to_owned(), LENGTH)), "it is seen as the provider");
    story.tell("connected; data flows over three relays");
    let list = ["session", "list"];
    client.until("each relay's session has cost what it carried", SOON, &list, |sessions| {
        let relaying = sessions.as_array().unwrap().iter().filter(|one| one["service"] == "relay");
        let carried = |one: &&serde_json::Value| {
            one["bytes_down"].as_u64().unwrap() > LENGTH / 4 && !amount(&one["cost"]).is_zero()
        };
        (relaying.filter(carried).count() == 3).then_some(())
    });

    std::thread::scope(|scope| {
        let download = scope.spawn(|| asked(3 * LENGTH));
        client.until("the download is on its way", SOON, &list, |sessions| {
            let tunnel = sessions.as_array().unwrap().iter().find(|one| one["id"] == session["id"])?;
            (tunnel["bytes_down"].as_u64().unwrap() > LENGTH + LENGTH / 4).then_some(())
        });
        network.relaying.remove(0).kill();
        story.tell("a relay was killed");
        assert_eq!(download.join().unwrap(), Ok((spaces::PROVIDER.to_owned(), 3 * LENGTH)), "it ends well");
    });
    assert_eq!(asked(10), Ok((spaces::PROVIDER.to_owned(), 10)), "two of three are enough");
    assert_eq!(past_relays.end(), Vec::<String>::new(), "nothing of the tunnel goes past the relays");
    limited_by_relays(&client, &asked);
    story.tell("what a limit leaves is too little for relays, or was used up by them, and the user was asked");
    client.json(&["disconnect"]);
    network.stop();
    story.tell("disconnected; nothing is left");
}

/// Relays cost more than the exit: a limit that is too low for one of them, or that one reaches, stops the way, and the relays
/// are named.
fn limited_by_relays(client: &Node, asked: &dyn Fn(u64) -> Result<(String, u64), String>) {
    let stopped = || {
        client.until("it asks, and says why", SOON, &["status"], |status| {
            let asks = status["spending"]["asks"].as_array()?;
            let reason = status["connection"]["reason"]["message"].as_str()?;
            (asks.len() == 1 && reason.contains("by a relay of the tunnel")).then_some(())
        });
    };
    let no_limit_any_more = || {
        client.json(&["limit", "set", "--session", "none"]);
        client.until("it goes on", SOON, &["status"], |status| {
            (status["connection"]["state"] == "connected").then_some(())
        });
    };
    client.json(&["disconnect"]);
    // More than a packet at the exit, and less than one at a relay.
    client.json(&["limit", "set", "--session", "0.000004"]);
    let refused = client.failure(&["connect", "--service", "tunnel"]);
    assert!(refused.contains("the tunnel's relays") && refused.contains("byway limit set"), "{refused}");
    stopped();
    no_limit_any_more();
    // A megabyte at a relay, when the exit has carried two.
    client.json(&["limit", "set", "--session", "0.003"]);
    assert!(asked(LENGTH / 2).is_err(), "the limit cuts it off");
    stopped();
    no_limit_any_more();
    assert_eq!(asked(10), Ok((spaces::PROVIDER.to_owned(), 10)));
}

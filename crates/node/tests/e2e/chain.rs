//! An exit behind chosen hops, on machines of their own: nothing passes between it and the client.

use super::harness::byway::{Node, amount};
use super::harness::network::Network;
use super::harness::spaces::{self, Capture, Spaces};
use super::harness::{PATIENCE, SOON, eventually_or, turn_in_spaces};
use super::tunnel::begin;

/// More than a first credit window, so that it takes promises at each.
const LENGTH: u64 = 10_000_000;
/// What may leave the client's machine while it is closed: QUIC to the first hop and connections to kernel nodes, both there; and
/// what finds neighbours and routers of the line.
const ALLOWED: &str = "host 11.9.9.9 or arp or (icmp6 and (ip6[40] == 133 or ip6[40] == 135 or ip6[40] == 136))";

/// Packets between the client and its exit, in either direction.
struct Between([Capture; 2]);

impl Between {
    fn watch(spaces: &Spaces) -> Self {
        let to = Capture::of_client(spaces, &format!("host {}", spaces::PROVIDER));
        Self([to, Capture::of_provider(spaces, &format!("host {}", spaces::CLIENT))])
    }

    fn end(self) -> Vec<String> {
        self.0.into_iter().flat_map(Capture::end).collect()
    }
}

/// Waits until each session of these, by country, has cost what it carried.
fn are_paid(client: &Node, countries: &[&str], least: u64) {
    client.until("each has been paid", SOON, &["session", "list"], |sessions| {
        let is_paid = |country: &&str| {
            let mut all = sessions.as_array().unwrap().iter().filter(|one| one["country"] == *country);
            all.any(|one| one["bytes_down"].as_u64().unwrap() >= least && !amount(&one["cost"]).is_zero())
        };
        countries.iter().all(is_paid).then_some(())
    });
}

#[test]
fn over_two_hops_no_packet_passes_between_client_and_exit_though_a_hop_dies() {
    let _turn = turn_in_spaces();
    let (story, spaces, mut network) = begin("chain", Network::make_with_hops);
    let client = network.client_node.clone();
    for (service, count) in [("tunnel", 1), ("socks", 4)] {
        client.sees_offers(service, count);
    }
    let between = Between::watch(&spaces);
    story.tell("all processes are ready, and an exit and three others are on the market");

    client.json(&["connect", "DE", "--via", "SE,FR"]);
    let file = network.path("fetched").display().to_string();
    let url = format!("http://{}/{LENGTH}", spaces::WEB);
    assert_eq!(client.json(&["fetch", &url, "--output", &file])["bytes"], LENGTH);
    are_paid(&client, &["DE", "SE", "FR"], LENGTH);
    let shown = String::from_utf8(client.run(&["status"]).stdout).unwrap();
    let hops: Vec<&str> = shown.lines().filter(|line| line.starts_with("Over")).collect();
    assert!(hops.len() == 2 && hops.iter().all(|hop| hop.contains("cost 0.")), "{shown}");
    story.tell("a program's bytes went over two hops, each of which was paid");

    let leaks = Capture::of_client(&spaces, &format!("not ({ALLOWED})"));
    let asked = |bytes| spaces.ask(&spaces.client, spaces::WEB, bytes);
    client.json(&["connect", "--service", "tunnel", "--via", "SE,FR"]);
    assert_eq!(client.json(&["status"])["connection"]["path"], "nested");
    assert_eq!(asked(LENGTH), Ok((spaces::PROVIDER.to_owned(), LENGTH)), "it is seen as the exit");
    story.tell("and so did the machine's packets, in a tunnel");

    network.relaying.remove(1).kill();
    client.until("there is no way out", PATIENCE, &["status"], |status| {
        (status["connection"]["state"] != "connected").then_some(())
    });
    assert!(asked(10).is_err(), "nothing goes past a hop that is gone");
    let refused = client.failure(&["connect", "--service", "tunnel", "--via", "SE,FR"]);
    assert!(refused.contains("Hop 2 of the chain (FR)"), "{refused}");
    story.tell("a hop was killed: the way is closed");
    client.json(&["connect", "--service", "tunnel", "--via", "SE,CH"]);
    let seen = eventually_or("the other hop carries", PATIENCE, || asked(LENGTH));
    assert_eq!(seen, (spaces::PROVIDER.to_owned(), LENGTH));
    network.client.kill();
    network.client.start_ready();
    let seen = eventually_or("and does so after a crash of the client", PATIENCE, || asked(10));
    assert_eq!(seen, (spaces::PROVIDER.to_owned(), 10));
    story.tell("another hop took its place, also after a crash");
    assert_eq!(leaks.end(), Vec::<String>::new(), "packets past the first hop");
    assert_eq!(between.end(), Vec::<String>::new(), "packets between the client and its exit");
    client.json(&["disconnect"]);
    network.stop();
}

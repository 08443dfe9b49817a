//! Split tunnelling by domain, both ways round.
//!
//! ```text
//!   :world  10.9.0.1    knows site.example = 198.51.100.1, and that the others are at .66, which is false
//!   :inside 10.77.0.1   knows site.example = 198.51.100.3, other.example = 198.51.100.2, shared.example = 198.51.100.1
//! ```

use std::fs;

use super::actor::{Actor, resolver_file};
use super::client::Scene;
use super::namespace::{packets, take_turn};

/// What a server outside says to whoever reaches it past the tunnel: where the question came from.
const SITE: &str = "ask 198.51.100.1:8080";
const TRY_SITE: &str = "try 198.51.100.1:8080";

struct Named {
    scene: Scene,
    _servers: [Actor; 2],
}

impl Named {
    fn new() -> Self {
        let scene = Scene::new();
        // Two ends of a cable without a protocol for finding each other, as of a TUN device.
        let link = scene.client.ip("link show dev tun0");
        let ether = link.split_once("link/ether ").and_then(|(_, rest)| rest.split(' ').next()).expect("an address");
        scene.inside.ip(&format!("link set t0 address {ether} arp off"));
        scene.inside.ip("address add 10.77.0.1/24 dev t0");
        let known = "site.example=198.51.100.1 late.site.example=198.51.100.4 other.example=198.51.100.66";
        let outside = Actor::names(&scene.world, "10.9.0.1:53", known);
        let known = "site.example=198.51.100.3 other.example=198.51.100.2 shared.example=198.51.100.1 \
                     ns.site.example=10.9.0.1 ns2.site.example=198.51.100.53";
        let inside = Actor::names(&scene.inside, "10.77.0.1:53", known);
        Self { scene, _servers: [outside, inside] }
    }
}

/// Waits until the firewall has put down that a name inside has this address, in the end for as long as a test may take.
fn put_down(scene: &Scene, address: &str) {
    while !scene.client.run("nft", "list set inet byway others_v4").contains(address) {
        std::thread::yield_now();
    }
}

#[test]
fn domains_outside_are_reached_past_the_tunnel_and_nothing_else_is() {
    let _turn = take_turn();
    let Named { scene, _servers } = Named::new();
    let mut program = Actor::program(&scene.client);
    let mut network = scene.network();
    network.act("protect domains");
    assert!(network.act("status").contains(&"resolver inside".to_owned()), "it has no domains to be searched");
    let left = scene.leaving(&mut program, &["send 0.0.0.0:0 198.51.100.1:9000"]);
    assert_eq!(left.len(), 1, "nobody has asked for it by its name: {left:#?}");

    let cable = scene.world.capture("w0");
    assert_eq!(program.act("resolve other.example 10.9.0.1:53"), ["198.51.100.2"], "asked inside, whoever was meant");
    assert_eq!(program.act("resolve deep.other.example 10.9.0.1:53 once"), ["nothing"], "nobody inside knows it");
    assert_eq!(program.act("resolve site.example 10.9.0.1:53"), ["198.51.100.1"]);
    assert_eq!(program.act("resolve site.example [2001:db8:1::1]:53"), ["198.51.100.1"], "over IPv6, too");
    program.act("send 10.9.0.2:51820 198.51.100.9:51820");
    let seen = cable.until("> 198.51.100.9.51820");
    assert!(seen.iter().any(|line| line.contains("A? site.example.")), "{seen:#?}");
    assert!(!seen.iter().any(|line| line.contains("other.example")), "{seen:#?}");

    assert_eq!(program.act(SITE), ["10.9.0.2"], "past the tunnel, and the answer comes back");
    assert_eq!(program.act("ask-tcp 198.51.100.1:8080"), ["10.9.0.2"]);
    let tries = ["send 0.0.0.0:0 198.51.100.2:9000", "send 0.0.0.0:0 198.51.100.3:9000", "tcp 198.51.100.1:53"];
    let left = scene.leaving(&mut program, &tries);
    assert_eq!(left.len(), 1, "not what is beside it, and no names: {left:#?}");

    // Another exit, no exit, and one again.
    network.act("protect domains-other");
    assert_eq!(program.act(SITE), ["10.9.0.2"]);
    network.act("protect domains-closed");
    scene.client.ip("link set tun0 down");
    assert_eq!(program.act(SITE), ["10.9.0.2"]);
    network.act("protect domains");
    assert_eq!(program.act(SITE), ["10.9.0.2"]);
    // A connection that began inside stays there, and never shows its inner address outside.
    let mut old = Actor::program(&scene.client);
    old.act("hold 198.51.100.4:9000");
    let left = scene.leaving(&mut old, &["held"]);
    assert_eq!(left.len(), 1, "{left:#?}");
    assert_eq!(program.act("resolve late.site.example 10.9.0.1:53"), ["198.51.100.4"]);
    let left = scene.leaving(&mut old, &["held"]);
    assert!(!left.iter().any(|line| line.contains("10.77.0.2")), "{left:#?}");
    // In doubt inside: a name inside has the same address.
    assert_eq!(program.act("resolve shared.example 10.9.0.1:53"), ["198.51.100.1"]);
    let left = scene.leaving(&mut program, &["send 0.0.0.0:0 198.51.100.1:9000", TRY_SITE]);
    assert_eq!(left.len(), 1, "{left:#?}");
    assert_eq!(program.act("resolve site.example 10.9.0.1:53"), ["198.51.100.1"]);
    assert_eq!(program.act(TRY_SITE), ["nothing"], "it stays inside");
    let told = network.act("status");
    for line in ["domain site.example", "named 198.51.100.4"] {
        assert!(told.contains(&line.to_owned()), "{told:?}");
    }
    assert!(!told.contains(&"named 198.51.100.1".to_owned()), "{told:?}");

    // Killed: names are not answered, and what is outside stays so and nothing else.
    put_down(&scene, "198.51.100.1");
    drop(network);
    assert_eq!(program.act("resolve site.example 10.9.0.1:53 once"), ["nothing"]);
    let tries = ["send 0.0.0.0:0 10.9.0.1:53", "send 0.0.0.0:0 198.51.100.1:9000", "send 0.0.0.0:0 198.51.100.4:9001"];
    let left = scene.leaving(&mut program, &tries);
    assert_eq!(left.len(), 2, "{left:#?}");
    assert!(left.iter().any(|line| line.contains("198.51.100.4.9001")), "{left:#?}");
    let mut network = scene.network();
    network.act("protect domains");
    // Before it was killed a name inside had the one address, and nobody else can have it outside now.
    assert_eq!(program.act("resolve late.site.example 10.9.0.1:53"), ["198.51.100.4"]);
    assert_eq!(program.act("resolve site.example 10.9.0.1:53"), ["198.51.100.1"]);
    let tries = ["send 0.0.0.0:0 198.51.100.1:9000", TRY_SITE, "send 0.0.0.0:0 198.51.100.4:9002"];
    let left = scene.leaving(&mut program, &tries);
    assert_eq!(left.len(), 2, "{left:#?}");
    assert!(left.iter().any(|line| line.contains("198.51.100.4.9002")), "{left:#?}");
    // Where domains no longer say that it is outside, it isn't.
    network.act("protect domains-changed");
    let left = scene.leaving(&mut program, &["send 0.0.0.0:0 198.51.100.4:9003"]);
    assert_eq!(left.len(), 1, "{left:#?}");
    network.act("release");
    scene.check_as_before();
}

#[test]
fn a_plan_with_domains_takes_the_place_of_one_without_and_follows_the_network() {
    let _turn = take_turn();
    let Named { scene, _servers } = Named::new();
    let mut program = Actor::program(&scene.client);
    let mut network = scene.network();
    network.act("protect tunnel");
    network.act("protect domains");
    let file = resolver_file(scene.folder.path());
    let asked = |network: &mut Actor| network.act("status").contains(&"resolver inside".to_owned());
    assert!(
        asked(&mut network) && fs::read_to_string(&file).expect("reads").ends_with("\nnameserver 127.98.121.119\n")
    );
    assert_eq!(program.act("resolve site.example 127.98.121.119:53"), ["198.51.100.1"]);
    assert_eq!(program.act("resolve site.example 10.9.0.1:53"), ["198.51.100.1"], "turned, whoever was meant");

    // Another network, as a DHCP client would say.
    assert!(!network.act("status").contains(&"outdated".to_owned()));
    fs::write(&file, "nameserver 198.51.100.53\n").expect("writes");
    assert!(network.act("status").contains(&"outdated".to_owned()));
    let _there = Actor::names(&scene.world, "198.51.100.53:53", "site.example=198.51.100.4");
    network.act("protect domains");
    assert!(!network.act("status").contains(&"outdated".to_owned()));
    assert_eq!(program.act("resolve site.example 10.9.0.1:53"), ["198.51.100.4"]);
    // One without a way to its name servers: not by way of the tunnel, whose end would learn the address of this machine.
    fs::write(&file, "nameserver 192.0.2.53\n").expect("writes");
    network.act("protect domains");
    scene.client.ip("route del default");
    let inside = scene.inside.capture("t0");
    assert_eq!(program.act("resolve site.example 10.9.0.1:53 once"), ["nothing"]);
    program.act("send 0.0.0.0:0 198.51.100.99:9000");
    let seen = inside.until("> 198.51.100.99.9000");
    assert!(!seen.iter().any(|line| line.contains("192.0.2.53")), "{seen:#?}");
    scene.client.ip("route add default via 10.9.0.1");
    fs::write(&file, "nameserver 198.51.100.53\n").expect("writes");

    network.act("protect tunnel");
    assert!(network.act("status").contains(&"resolver inside".to_owned()));
    assert_eq!(program.act("resolve site.example 10.77.0.1:53"), ["198.51.100.3"]);
    network.act("release");
    assert_eq!(fs::read_to_string(&file).expect("reads"), "nameserver 198.51.100.53\n");
}

#[test]
fn domains_and_networks_inside_are_inside_and_nothing_else_is() {
    let _turn = take_turn();
    let Named { scene, _servers } = Named::new();
    let mut program = Actor::program(&scene.client);
    let mut network = scene.network();
    network.act("protect domains-inside");
    assert_eq!(program.act(SITE), ["10.9.0.2"], "nobody has asked for it");
    assert_eq!(program.act("resolve other.example 10.9.0.1:53"), ["198.51.100.66"], "asked outside");
    assert_eq!(program.act("resolve site.example 10.9.0.1:53"), ["198.51.100.3"], "asked inside");

    let tries = ["send 0.0.0.0:0 198.51.100.3:9000", "send 0.0.0.0:0 198.51.100.65:9000", "tcp 198.51.100.3:8080"];
    let check = |scene: &Scene, program: &mut Actor, when: &str| {
        let capture = scene.world.capture("w0");
        tries.iter().for_each(|what| drop(program.act(what)));
        program.act("send 10.9.0.2:0 198.51.100.2:7000");
        let left = packets(capture.until("> 198.51.100.2.7000"));
        assert_eq!(left.len(), 1, "{when}: {left:#?}");
    };
    let mut seen = scene.inside.capture("t0");
    check(&scene, &mut program, "with a tunnel");
    for part in ["IP 10.77.0.2", "> 198.51.100.3.9000", "> 198.51.100.65.9000", "> 198.51.100.3.8080"] {
        seen.wait_for(part);
    }
    // Whoever answers for a domain inside can't have the machine's name server inside, and with it all names.
    assert_eq!(program.act("resolve ns.site.example 10.9.0.1:53"), ["10.9.0.1"]);
    assert_eq!(program.act("resolve other.example 10.9.0.1:53"), ["198.51.100.66"], "still asked outside");
    assert_eq!(program.act("resolve ns2.site.example 10.9.0.1:53"), ["198.51.100.53"]);
    assert_eq!(program.act("resolve other.example 198.51.100.53:53"), ["198.51.100.66"], "still asked outside");
    // Killed, and started anew: what was learnt is in the firewall.
    drop(network);
    check(&scene, &mut program, "without a node");
    let mut network = scene.network();
    network.act("protect domains-inside-closed");
    check(&scene, &mut program, "without a tunnel");
    assert_eq!(program.act("resolve site.example 10.9.0.1:53 once"), ["nothing"]);
    assert_eq!(program.act("resolve other.example 10.9.0.1:53"), ["198.51.100.66"]);
    network.act("protect domains-inside");
    check(&scene, &mut program, "with the next tunnel");
    network.act("release");
    assert_eq!(program.act("resolve site.example 10.9.0.1:53"), ["198.51.100.1"]);
    scene.check_as_before();
}

//! A provider's address translation.
//!
//! ```text
//!   client: c0 10.77.0.2 ── tun1 10.77.0.1 :provider: up0 45.0.0.2 ─────── w0 45.0.0.1 :world
//!                                                     lan0 192.168.7.1 ─── l0          :lan, and 169.254.169.254
//! ```

use byway_driver::host_network::SharingPlan;

use super::actor::Actor;
use super::namespace::{Namespace, packets, take_turn};

pub fn plan() -> SharingPlan {
    let networks = |text: &str| text.split(' ').map(|one| one.parse().expect("a network")).collect();
    SharingPlan {
        interface: "tun1".parse().expect("a name"),
        inner: networks("10.77.0.0/24 fd77::/64"),
        uplinks: vec!["up0".parse().expect("a name")],
        denied: networks(
            "10.0.0.0/8 169.254.0.0/16 192.168.0.0/16 127.0.0.0/8 45.0.0.2/32 ::ffff:0:0/96 fc00::/7 fe80::/10",
        ),
        allowed: Vec::new(),
        refused: Vec::new(),
        blocked: Vec::new(),
        denied_ports: vec![465],
        resolvers: vec!["10.77.0.1".parse().expect("an address")],
    }
}

struct Scene {
    client: Namespace,
    provider: Namespace,
    world: Namespace,
    lan: Namespace,
    folder: tempfile::TempDir,
    _servers: Vec<Actor>,
}

impl Scene {
    fn new() -> Self {
        let [client, provider, world, lan] = ["client", "provider", "world", "lan"].map(Namespace::new);
        provider.cable("tun1", &client, "c0");
        provider.cable("up0", &world, "w0");
        provider.cable("lan0", &lan, "l0");
        client.raise("c0", &["10.77.0.2/24", "fd77::2/64"]);
        provider.raise("tun1", &["10.77.0.1/24", "fd77::1/64"]);
        provider.raise("up0", &["45.0.0.2/24", "2600:45::2/64"]);
        provider.raise("lan0", &["192.168.7.1/24", "fd00:7::1/64"]);
        world.raise("w0", &["45.0.0.1/24", "2600:45::1/64"]);
        lan.raise("l0", &["192.168.7.2/24", "fd00:7::2/64"]);
        lan.raise("lo", &["169.254.169.254/32"]);
        client.ip("route add default via 10.77.0.1");
        client.ip("-6 route add default via fd77::1");
        provider.ip("route add 169.254.169.254 via 192.168.7.2");
        // Neighbours that send to inner addresses by way of the provider, and get their answers.
        for (namespace, v4, v6) in [(&world, "45.0.0.2", "2600:45::2"), (&lan, "192.168.7.1", "fd00:7::1")] {
            namespace.ip(&format!("route add default via {v4}"));
            namespace.ip(&format!("-6 route add default via {v6}"));
        }
        let servers = [&client, &provider, &world, &lan]
            .map(|namespace| Actor::server(namespace, "[::]:8080 [::]:25 [::]:465 [::]:53"));
        // Private networks behind the uplink, as where the provider itself is behind a router.
        world.raise("lo", &["10.44.0.9/32", "fd44::9/128"]);
        provider.ip("route add default via 45.0.0.1");
        provider.ip("-6 route add default via 2600:45::1");
        provider.settle(&["tun1", "up0", "lan0"]);
        let folder = tempfile::tempdir().expect("a folder");
        Self { client, provider, world, lan, folder, _servers: servers.into() }
    }
}

/// What a client must not reach, by IPv4 and IPv6.
const DENIED: [&str; 14] = [
    "ask 192.168.7.2:8080",
    "ask-tcp 192.168.7.2:8080",
    "ask 192.168.7.1:8080",
    "ask 169.254.169.254:8080",
    "ask-tcp 169.254.169.254:8080",
    "ask 45.0.0.2:8080",
    "ask-tcp 10.77.0.1:8080",
    "ask [::ffff:192.168.7.2]:8080",
    "ask [fd00:7::2]:8080",
    "ask-tcp 10.44.0.9:8080",
    "ask-tcp [fd44::9]:8080",
    "ask-tcp [fd00:7::1]:8080",
    "ask-tcp 45.0.0.1:25",
    "ask-tcp 45.0.0.1:465",
];

#[test]
fn clients_reach_the_internet_and_nothing_of_the_provider() {
    let _turn = take_turn();
    let scene = Scene::new();
    let before = scene.provider.snapshot();
    let mut client = Actor::program(&scene.client);
    let mut provider = Actor::program(&scene.provider);
    let mut network = Actor::network(&scene.provider, scene.folder.path());

    // Without the rules but with forwarding nearly all of it is reached, so that a refusal means something.
    scene.provider.run("sysctl", "-w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    for what in DENIED {
        assert_ne!(client.act(what), ["nothing"], "{what} without rules");
    }
    scene.provider.run("sysctl", "-w net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
    assert_eq!(client.act("try 45.0.0.1:8080"), ["nothing"]);

    network.act("share");
    assert_eq!(client.act("ask 45.0.0.1:8080"), ["::ffff:45.0.0.2"]);
    assert_eq!(client.act("ask-tcp 45.0.0.1:8080"), ["::ffff:45.0.0.2"]);
    assert_eq!(client.act("ask-tcp [2600:45::1]:8080"), ["2600:45::2"]);
    assert_eq!(client.act("ask 10.77.0.1:53"), ["::ffff:10.77.0.2"], "the resolver answers");
    for what in DENIED {
        let lan = scene.lan.capture("l0");
        let world = scene.world.capture("w0");
        assert_eq!(client.act(&what.replace("ask", "try")), ["nothing"], "{what}");
        provider.act("send 0.0.0.0:0 192.168.7.2:7000");
        provider.act("send 0.0.0.0:0 45.0.0.1:7000");
        assert_eq!(packets(lan.until("7000")).len() + packets(world.until("7000")).len(), 2, "{what} sent something");
    }

    let removed = network.act("unshare");
    assert_eq!(removed.len(), 4, "{removed:?}");
    assert_eq!(scene.provider.snapshot(), before);
}

#[test]
fn nobody_reaches_a_client_unasked() {
    let _turn = take_turn();
    let scene = Scene::new();
    let mut network = Actor::network(&scene.provider, scene.folder.path());
    network.act("share");
    let (mut client, mut provider) = (Actor::program(&scene.client), Actor::program(&scene.provider));
    let mut capture = scene.client.capture("c0");
    // A connection that exists is no way in for others.
    assert_eq!(client.act("ask-tcp 45.0.0.1:8080"), ["::ffff:45.0.0.2"]);
    capture.wait_for("45.0.0.1.8080 > 10.77.0.2");
    drop(capture);

    let capture = scene.client.capture("c0");
    for namespace in [&scene.world, &scene.lan] {
        let mut stranger = Actor::program(namespace);
        for what in
            ["try 10.77.0.2:8080", "try-tcp 10.77.0.2:8080", "try [fd77::2]:8080", "ping 10.77.0.2", "ping -6 fd77::2"]
        {
            stranger.act(what);
        }
    }
    let mut world = Actor::program(&scene.world);
    world.act("try 45.0.0.2:8081");
    provider.act("send 0.0.0.0:0 10.77.0.2:7000");
    let seen = packets(capture.until("> 10.77.0.2.7000"));
    assert_eq!(seen.len(), 1, "these reached the tunnel: {seen:#?}");
}

#[test]
fn a_client_can_not_send_from_an_address_that_is_not_inner() {
    let _turn = take_turn();
    let scene = Scene::new();
    scene.client.ip("address add 10.88.0.9/32 dev c0");
    scene.client.ip("address add 2600:88::9/128 dev c0 nodad");
    let mut network = Actor::network(&scene.provider, scene.folder.path());
    network.act("share");
    let mut client = Actor::program(&scene.client);
    let capture = scene.world.capture("w0");
    client.act("send 10.88.0.9:0 45.0.0.1:9000");
    client.act("send [2600:88::9]:0 [2600:45::1]:9000");
    client.act("send 10.77.0.2:0 45.0.0.1:7000");
    let seen = packets(capture.until("45.0.0.2"));
    assert_eq!(seen.len(), 1, "{seen:#?}");
}

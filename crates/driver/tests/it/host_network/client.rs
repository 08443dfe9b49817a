//! The kill switch: nothing leaves but what the plan names, whatever happens.
//!
//! ```text
//!   client: up0 10.9.0.2 ───── w0 10.9.0.1 :world     198.51.100.0/24, 2001:db8:1::/64 are addresses of it
//!           tun0 10.77.0.2 ─── t0          :inside    where the tunnel would lead
//! ```

use std::fs;

use byway_driver::host_network::{Allowed, ClientPlan, Lan, NODE_MARK, Programs, Sender, Transport, Tunnel};

use byway_records::Domain;

use super::actor::{Actor, resolver_file};
use super::namespace::{Namespace, take_turn};

/// WireGuard's socket, which carries the mark, to the provider.
const NODE: &str = "10.9.0.2:51820";
const ENDPOINT: &str = "198.51.100.9:51820";
/// The QUIC endpoint's socket, which can't be marked, to a relay.
const QUIC: &str = "0.0.0.0:51821";
const RELAY: &str = "198.51.100.8:443";
/// How the two are seen in a capture.
const NODE_SEEN: &str = "IP 10.9.0.2.51820 > 198.51.100.9.51820";
const QUIC_SEEN: &str = "IP 10.9.0.2.51821 > 198.51.100.8.443";

/// Everything that programs try, each with what a capture shows of it on an open machine.
const TRIES: [(&str, &str); 20] = [
    ("send 0.0.0.0:0 198.51.100.1:9000", "> 198.51.100.1.9000: UDP"),
    ("send 10.9.0.2:0 198.51.100.2:9000", "> 198.51.100.2.9000: UDP"),
    ("send [::]:0 [2001:db8:1::1]:9000", "> 2001:db8:1::1.9000: UDP"),
    ("send [fd09::2]:0 [2001:db8:1::2]:9000", "> 2001:db8:1::2.9000: UDP"),
    ("send 0.0.0.0:0 198.51.100.53:53", "> 198.51.100.53.53:"),
    ("send 0.0.0.0:0 10.9.0.1:53", "> 10.9.0.1.53:"),
    ("send 0.0.0.0:0 198.51.100.53:853", "> 198.51.100.53.853:"),
    ("tcp 198.51.100.53:53", "> 198.51.100.53.53: Flags [S]"),
    ("tcp 198.51.100.1:8081", "> 198.51.100.1.8081: Flags [S]"),
    ("tcp [2001:db8:1::1]:8081", "> 2001:db8:1::1.8081: Flags [S]"),
    ("send 0.0.0.0:0 10.9.0.1:9000", "> 10.9.0.1.9000: UDP"),
    ("send 10.9.0.2:0 255.255.255.255:9000", "> 255.255.255.255.9000: UDP"),
    ("send 10.9.0.2:0 224.0.0.251:5353", "> 224.0.0.251.5353:"),
    ("ping 198.51.100.1", "> 198.51.100.1: ICMP echo request"),
    ("ping -I up0 198.51.100.3", "> 198.51.100.3: ICMP echo request"),
    ("ping -6 2001:db8:1::1", "> 2001:db8:1::1: ICMP6, echo request"),
    ("ping -6 -I up0 ff02::1", "> ff02::1: ICMP6, echo request"),
    // The endpoint's address and port from another program's socket, and its other ports.
    ("send 0.0.0.0:0 198.51.100.9:51820", "> 198.51.100.9.51820: UDP"),
    ("send 0.0.0.0:0 198.51.100.9:80", "> 198.51.100.9.80: UDP"),
    // What another firewall gives the node's mark, after the way into the tunnel was chosen.
    ("send 0.0.0.0:0 198.51.100.1:9007", "> 198.51.100.1.9007: UDP"),
];

fn allowed(to: &str, sender: Sender) -> Allowed {
    Allowed { transport: Transport::Udp, to: to.parse().expect("an address"), sender }
}

fn site() -> Domain {
    "site.example".parse().expect("a name")
}

/// The plans that actors know by name.
pub fn plan(name: &str) -> ClientPlan {
    let tunnel = Tunnel {
        interface: "tun0".parse().expect("a name"),
        addresses: ["10.77.0.2/24", "fd77::2/64"].map(|text| text.parse().expect("a network")).to_vec(),
        resolvers: vec!["10.77.0.1".parse().expect("an address")],
    };
    let plan = ClientPlan { allowed: vec![allowed(ENDPOINT, Sender::Marked)], ..ClientPlan::default() };
    let quic = Sender::Port(51821);
    let open = ClientPlan {
        tunnel: Some(tunnel),
        allowed: vec![allowed(ENDPOINT, Sender::Marked), allowed(RELAY, quic)],
        ..plan.clone()
    };
    match name {
        "closed" => plan,
        "tunnel" => open,
        "other" => {
            ClientPlan { allowed: vec![allowed("198.51.100.19:51820", Sender::Marked), allowed(RELAY, quic)], ..open }
        }
        "lan" => ClientPlan { lan: Lan::Open, ..open },
        "network" => ClientPlan { outside: vec!["198.51.100.0/30".parse().expect("a network")], ..open },
        "outside" => ClientPlan { programs: Programs::AllButOutside, ..open },
        "inside" => ClientPlan { programs: Programs::OnlyInside, ..open },
        "domains" => ClientPlan { domains: vec![site()], ..open },
        "domains-other" => ClientPlan { domains: vec![site()], ..self::plan("other") },
        "domains-closed" => ClientPlan { domains: vec![site()], ..self::plan("closed") },
        "domains-changed" => {
            ClientPlan { domains: vec![site(), "more.example".parse().expect("a name")], ..self::plan("tunnel") }
        }
        "domains-inside" => ClientPlan {
            domains: vec![site()],
            inside: vec!["198.51.100.64/30".parse().expect("a network")],
            programs: Programs::OnlyInside,
            ..open
        },
        "domains-inside-closed" => ClientPlan { tunnel: None, ..self::plan("domains-inside") },
        "inside-closed" => ClientPlan { programs: Programs::OnlyInside, tunnel: None, ..open },
        _ => panic!("no such plan: {name}"),
    }
}

pub struct Scene {
    pub client: Namespace,
    pub world: Namespace,
    pub inside: Namespace,
    pub folder: tempfile::TempDir,
    before: String,
    _server: Actor,
}

impl Scene {
    pub fn new() -> Self {
        let (client, world, inside) = (Namespace::new("client"), Namespace::new("world"), Namespace::new("inside"));
        client.cable("up0", &world, "w0");
        client.cable("tun0", &inside, "t0");
        world.raise("w0", &["10.9.0.1/24", "fd09::1/64"]);
        let hosts = ["198.51.100.1/24", "2001:db8:1::1/64"];
        world.raise("lo", &hosts);
        world.run("sysctl", "-w net.ipv6.ip_nonlocal_bind=1");
        for local in ["local 198.51.100.0/24 dev lo", "-6 local 2001:db8:1::/64 dev lo"] {
            let (family, route) = if local.starts_with('-') { local.split_at(3) } else { ("", local) };
            world.ip(&format!("{family} route replace {route}"));
        }
        inside.raise("t0", &[]);
        // A TUN device has no neighbours to ask for; a cable has, unless told so.
        client.ip("link set tun0 arp off");
        client.raise("up0", &["10.9.0.2/24", "fd09::2/64"]);
        client.ip("route add default via 10.9.0.1");
        client.ip("-6 route add default via fd09::1");
        // Stands for `SO_MARK`, which the socket of a test can't set; and for another firewall that marks what it likes.
        let rules = format!(
            "udp sport 51820 ip saddr 10.9.0.2 meta mark set {NODE_MARK}\nudp dport 9007 meta mark set {NODE_MARK}"
        );
        client.nft(&format!(
            "table inet test {{\nchain marking {{\ntype route hook output priority -160;\n{rules}\n}}\n}}\n"
        ));
        client.run("sysctl", "-w net.ipv4.ip_local_reserved_ports=51820-51821");
        client.settle(&["up0"]);
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(resolver_file(folder.path()), "nameserver 10.9.0.1\n").expect("writes");
        let server =
            Actor::server(&world, "198.51.100.1:8080 [2001:db8:1::1]:8080 198.51.100.9:51820 198.51.100.8:443");
        let before = client.snapshot();
        Self { client, world, inside, folder, before, _server: server }
    }

    pub fn network(&self) -> Actor {
        Actor::network(&self.client, self.folder.path())
    }

    /// What leaves while `program` does all of `tries`, up to a packet of the node.
    pub fn leaving(&self, program: &mut Actor, tries: &[&str]) -> Vec<String> {
        let capture = self.world.capture("w0");
        for what in tries {
            program.act(what);
        }
        program.act(&format!("send {NODE} {ENDPOINT}"));
        capture.until(NODE_SEEN)
    }

    /// All tries and an old connection are made; nothing but the node's packet leaves.
    fn check_closed(&self, program: &mut Actor, when: &str) {
        let mut tries: Vec<&str> = TRIES.map(|(what, _)| what).to_vec();
        tries.push("old");
        let left = self.leaving(program, &tries);
        assert_eq!(left.len(), 1, "{when}, these left: {left:#?}");
    }

    fn check_open(&self, program: &mut Actor) {
        let tries = TRIES.map(|(what, _)| what);
        let left = self.leaving(program, &tries);
        for (what, seen) in TRIES {
            assert!(left.iter().any(|line| line.contains(seen)), "`{what}` was not seen: {left:#?}");
        }
    }

    pub fn check_as_before(&self) {
        assert_eq!(self.client.snapshot(), self.before);
        let resolver = fs::read_to_string(resolver_file(self.folder.path())).expect("reads");
        assert_eq!(resolver, "nameserver 10.9.0.1\n");
        assert_eq!(fs::read_dir(self.folder.path()).expect("lists").count(), 1, "no state is left");
    }
}

#[test]
fn nothing_leaves_but_what_the_plan_names() {
    let _turn = take_turn();
    let scene = Scene::new();
    let mut program = Actor::program(&scene.client);
    program.act("connect 198.51.100.1:8080");
    scene.check_open(&mut program);

    let mut network = scene.network();
    network.act("protect closed");
    scene.check_closed(&mut program, "without a tunnel");
    network.act("protect tunnel");
    scene.check_closed(&mut program, "with a tunnel");

    // What didn't leave went into the tunnel, and the socket that can't be marked has its way.
    let mut inside = scene.inside.capture("t0");
    let mut outside = scene.world.capture("w0");
    for (what, _) in TRIES {
        program.act(what);
    }
    for seen in ["198.51.100.1.9000: UDP", "2001:db8:1::1.9000: UDP", "10.77.0.2", "198.51.100.53.53", "10.9.0.1.9000"]
    {
        inside.wait_for(seen);
    }
    program.act(&format!("send {QUIC} {RELAY}"));
    outside.wait_for(QUIC_SEEN);
    let resolver = fs::read_to_string(resolver_file(scene.folder.path())).expect("reads");
    assert!(resolver.ends_with("\nnameserver 10.77.0.1\n"), "{resolver}");

    // Again the same is the same.
    let protected = scene.client.snapshot();
    network.act("protect tunnel");
    assert_eq!(scene.client.snapshot(), protected);

    network.act("release");
    scene.check_as_before();
    scene.check_open(&mut program);
}

#[test]
fn nothing_leaves_while_the_endpoint_changes() {
    const CHANGES_UNDER_FLOOD: usize = 60;
    let _turn = take_turn();
    let scene = Scene::new();
    let mut network = scene.network();
    network.act("protect tunnel");
    let mut program = Actor::program(&scene.client);
    let capture = scene.world.capture("w0");
    program.act(
        "flood 198.51.100.1:9000 198.51.100.53:53 10.9.0.1:9000 224.0.0.251:5353 198.51.100.9:51820 [2001:db8:1::1]:9000",
    );
    let sent = |program: &mut Actor| program.act("sent")[0].parse::<u64>().expect("a number");
    let before = sent(&mut program);
    network.act(&format!("swap {CHANGES_UNDER_FLOOD}"));
    let after = sent(&mut program);
    program.act("stop");
    // The last plan is the first one again, with the endpoint that is waited for.
    program.act(&format!("send {NODE} {ENDPOINT}"));
    let left = capture.until(NODE_SEEN);
    assert_eq!(left.len(), 1, "these left: {left:#?}");
    assert!(after - before > CHANGES_UNDER_FLOOD as u64, "more than one try for each change: {before} to {after}");
    println!("{} tries while the rules were replaced {CHANGES_UNDER_FLOOD} times", after - before);
}

#[test]
fn a_killed_process_leaves_the_machine_closed() {
    let _turn = take_turn();
    let scene = Scene::new();
    let mut program = Actor::program(&scene.client);
    program.act("connect 198.51.100.1:8080");
    let mut network = scene.network();
    network.act("protect tunnel");
    drop(network);
    scene.check_closed(&mut program, "after kill -9");

    // A new process finds it, and goes on with it.
    let mut network = scene.network();
    let status = network.act("status");
    assert_eq!(status[..4], ["closed", "rules 5", "routes 2", "resolver inside"], "{status:?}");
    network.act("protect other");
    drop(network);
    // And another cleans up.
    let removed = scene.network().act("reset");
    for part in ["the kill switch", "routing rules: 5", "routes: 2", "10.77.0.2/24 of tun0", "resolver", "source-mark"]
    {
        assert!(removed.iter().any(|line| line.contains(part)), "{part}: {removed:?}");
    }
    scene.check_as_before();
    scene.check_open(&mut program);
}

#[test]
fn a_tunnel_that_vanishes_leaves_the_machine_closed() {
    let _turn = take_turn();
    let scene = Scene::new();
    let mut program = Actor::program(&scene.client);
    program.act("connect 198.51.100.1:8080");
    let mut network = scene.network();
    network.act("protect tunnel");
    scene.client.ip("link delete tun0");
    scene.check_closed(&mut program, "without its interface");
    network.act("protect closed");
    scene.check_closed(&mut program, "without a way out");
    // What was noted of the interface is no reason to fail.
    network.act("release");
    assert!(!scene.client.run("nft", "list tables").contains("byway"));
    scene.check_open(&mut program);
}

#[test]
fn the_network_around_can_not_draw_traffic_out() {
    let _turn = take_turn();
    let scene = Scene::new();
    let mut program = Actor::program(&scene.client);
    program.act("connect 198.51.100.1:8080");
    scene.network().act("protect tunnel");
    // As by DHCP's option 121, and by router advertisements (TunnelVision).
    scene.client.ip("route add 198.51.100.0/25 via 10.9.0.1 dev up0");
    scene.client.ip("-6 route add 2001:db8:1::/65 via fd09::1 dev up0");
    scene.check_closed(&mut program, "with more specific routes");
    let mut inside = scene.inside.capture("t0");
    program.act("send 0.0.0.0:0 198.51.100.1:9000");
    inside.wait_for("198.51.100.1.9000: UDP");
}

#[test]
fn the_local_network_is_open_only_if_wanted_and_not_for_names() {
    let _turn = take_turn();
    let scene = Scene::new();
    let mut program = Actor::program(&scene.client);
    scene.network().act("protect lan");
    let left = scene.leaving(&mut program, &TRIES.map(|(what, _)| what));
    let seen = |part: &str| left.iter().any(|line| line.contains(part));
    for part in ["> 10.9.0.1.9000", "> 224.0.0.251.5353", "> ff02::1: ICMP6, echo request"] {
        assert!(seen(part), "{part}: {left:#?}");
    }
    for part in ["> 10.9.0.1.53", "> 198.51.100.1", "> 198.51.100.53", "> 2001:db8:1::1", "> 198.51.100.9.80"] {
        assert!(!seen(part), "{part}: {left:#?}");
    }
}

#[test]
fn the_node_is_answered_under_a_strict_reverse_path_filter() {
    let _turn = take_turn();
    let scene = Scene::new();
    scene.client.run("sysctl", "-w net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.up0.rp_filter=1");
    scene.network().act("protect tunnel");
    let mut program = Actor::program(&scene.client);
    for (from, to) in [(NODE, ENDPOINT), (QUIC, RELAY)] {
        assert_eq!(program.act(&format!("ask-from {from} {to}")), ["10.9.0.2"], "{to}");
    }
}

#[test]
fn what_is_forwarded_for_others_stays_inside() {
    let _turn = take_turn();
    let scene = Scene::new();
    let guest = Namespace::new("guest");
    scene.client.cable("guest0", &guest, "g0");
    scene.client.raise("guest0", &["10.8.0.1/24"]);
    guest.raise("g0", &["10.8.0.2/24"]);
    guest.ip("route add default via 10.8.0.1");
    scene.client.run("sysctl", "-w net.ipv4.ip_forward=1");
    let (mut program, mut container) = (Actor::program(&scene.client), Actor::program(&guest));
    let try_all = |program: &mut Actor, container: &mut Actor| {
        let capture = scene.world.capture("w0");
        container.act("send 0.0.0.0:0 198.51.100.1:9000");
        container.act("send 0.0.0.0:0 198.51.100.9:51820");
        program.act(&format!("send {NODE} {ENDPOINT}"));
        capture.until(NODE_SEEN)
    };
    let left = try_all(&mut program, &mut container);
    assert_eq!(left.len(), 3, "{left:#?}");
    scene.network().act("protect tunnel");
    let mut inside = scene.inside.capture("t0");
    let left = try_all(&mut program, &mut container);
    assert_eq!(left.len(), 1, "{left:#?}");
    inside.wait_for("IP 10.8.0.2");
}

#[test]
fn nobody_around_is_answered() {
    let _turn = take_turn();
    let scene = Scene::new();
    scene.client.raise("tun0", &["10.77.0.2/24"]);
    scene.world.ip("route add 10.77.0.2/32 via 10.9.0.2");
    let _server = Actor::server(&scene.client, "0.0.0.0:9100 [::]:9101");
    let mut neighbour = Actor::program(&scene.world);
    // The last is the inner address, which a machine would answer on any interface.
    let all = ["10.9.0.2:9100", "[fd09::2]:9101", "10.77.0.2:9100"];
    for to in all {
        assert_ne!(neighbour.act(&format!("ask {to}")), ["nothing"], "{to} on an open machine");
        assert_ne!(neighbour.act(&format!("ask-tcp {to}")), ["nothing"], "{to} on an open machine");
    }
    let mut network = scene.network();
    for plan in ["closed", "tunnel"] {
        network.act(&format!("protect {plan}"));
        for to in all {
            assert_eq!(neighbour.act(&format!("try {to}")), ["nothing"], "{to} under {plan}");
            assert_eq!(neighbour.act(&format!("try-tcp {to}")), ["nothing"], "{to} under {plan}");
        }
    }
    network.act("protect lan");
    assert_eq!(neighbour.act("try 10.77.0.2:9100"), ["nothing"], "an open local network has no inner addresses");
    assert_ne!(neighbour.act("ask 10.9.0.2:9100"), ["nothing"]);
}

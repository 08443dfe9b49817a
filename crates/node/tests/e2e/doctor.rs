//! What `byway doctor` says in networks of every kind, in network namespaces (as root).

use serde_json::Value;

use super::harness::byway::Node;
use super::harness::network::Network;
use super::harness::process::write;
use super::harness::spaces::{CLIENT, Home, KERNEL, PROVIDER, Spaces};
use super::harness::{SOON, Story, turn_in_spaces};

const PORT: u16 = 7_300;

#[test]
fn the_doctor_tells_one_network_from_another() {
    let _turn = turn_in_spaces();
    let story = Story::begin("doctor");
    let spaces = Spaces::make();
    let mut network = Network::make_in(&spaces);
    network.start();
    let home = Home::make(&spaces);
    story.tell("a network, a machine on the open net and one behind a router");

    let config = network.path("provider.toml").display().to_string();
    let provider = Patient { node: network.provider_node.clone(), config };
    let well = ["kernel_reached", "public_address", "reachable", "offer_fits", "relay_reached"];
    provider.is_told(&well, &[PROVIDER, "has let this node in"]);
    network.relay.kill();
    let well = ["kernel_reached", "public_address", "reachable", "offer_fits", "!relay_unreachable"];
    provider.is_told(&well, &["is not reached"]);
    network.relay.start_ready();
    story.tell("a provider that runs: well, and without its relay");

    let open = Patient::new(&network, "open", &spaces.client);
    open.is_told(&["kernel_reached", "public_address", "reachable"], &[CLIENT]);
    spaces.sh(&spaces.client, "nft -f - <<'E'\ntable inet t { chain i { type filter hook input priority 0; ct state established,related accept; ip protocol udp drop; }; }\nE");
    open.is_told(&["kernel_reached", "public_address", "!not_reachable"], &["Allow UDP 7300 in the firewall"]);
    spaces.sh(&spaces.client, "nft flush ruleset; nft -f - <<'E'\ntable inet t { chain o { type filter hook output priority 0; ip protocol udp drop; }; }\nE");
    open.is_told(&["kernel_reached", "!udp_blocked"], &["a firewall swallows UDP", "link.relay"]);
    spaces.sh(&spaces.client, &format!("nft flush ruleset; ip route add unreachable {KERNEL}"));
    open.is_told(&["!kernel_unreachable"], &["Check that this machine is online"]);
    spaces.sh(&spaces.client, &format!("ip route del unreachable {KERNEL}"));
    story.tell("on the open net: reachable, closed, without UDP, offline");

    let inside = Patient::new(&network, "inside", &home.inside);
    home.translate(&spaces, "masquerade", "");
    let remedy =
        format!("Forward UDP {PORT} on the router to this machine and set link.public to \"{}:{PORT}\"", Home::OUTSIDE);
    inside.is_told(&["kernel_reached", "behind_nat", "!not_reachable"], &[Home::INSIDE, &remedy]);
    home.translate(&spaces, "masquerade to :50000-50999", "");
    inside.is_told(&["kernel_reached", "behind_nat", "!not_reachable"], &["is seen as 50"]);
    home.translate(&spaces, "masquerade", &format!("udp dport {PORT} dnat to {}:{PORT}", Home::INSIDE));
    inside.is_told(&["kernel_reached", "behind_nat", "reachable"], &[Home::OUTSIDE]);
    home.translate(&spaces, "masquerade fully-random", "");
    inside.is_told(&["kernel_reached", "!symmetric_nat", "!not_reachable"], &["symmetric NAT", "link.relay"]);
    story.tell("behind a router: closed, with other ports, with a port forwarded, with a port for each destination");
    network.stop();
}

/// Whose configuration is examined; unless said otherwise a provider's that does not run.
struct Patient {
    node: Node,
    config: String,
}

impl Patient {
    fn new(network: &Network, name: &str, space: &str) -> Self {
        let config = network.path(&format!("{name}.toml"));
        let text = format!(
            "role = \"peer\"\nnetwork = \"network.json\"\ndir = \"{name}\"\n[link]\nlisten = \"0.0.0.0:{PORT}\"\n\
             [provider]\ncountry = \"DE\"\nasn = 1\nprice_per_mb = \"1\"\nbandwidth_bps = 1\n"
        );
        write(&config, &text);
        let mut node = Node::new(network.path(name), None);
        node.space = Some(space.to_owned());
        Self { node, config: config.display().to_string() }
    }

    /// Waits for these verdicts, `!` before those that are wrong, and `words` in what is said.
    fn is_told(&self, expected: &[&str], words: &[&str]) {
        let codes = |report: &Value| -> Vec<String> {
            let verdicts = report["verdicts"].as_array().unwrap().iter();
            let marked = verdicts.map(|verdict| {
                let mark = if verdict["weight"] == "wrong" { "!" } else { "" };
                format!("{mark}{}", verdict["code"].as_str().unwrap())
            });
            marked.collect()
        };
        let arguments = ["doctor", "--config", &self.config, "--json"];
        super::harness::eventually_or(&format!("the doctor says {expected:?}"), SOON, || {
            let output = self.node.run(&arguments);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let wrong = String::from_utf8_lossy(&output.stderr).into_owned();
            let report: Value = serde_json::from_str(&said).map_err(|_| wrong)?;
            let is_wrong = expected.iter().any(|code| code.starts_with('!'));
            assert_eq!(output.status.code(), Some(if report["well"] == true { 0 } else { 1 }));
            let fits = codes(&report) == expected && words.iter().all(|word| text_of(&report).contains(word));
            (fits && (report["well"] == false) == is_wrong).then_some(()).ok_or(said)
        });
    }
}

/// All that a person is told.
fn text_of(report: &Value) -> String {
    let verdicts = report["verdicts"].as_array().unwrap().iter();
    let said = verdicts
        .map(|verdict| format!("{} {}\n", verdict["finding"].as_str().unwrap(), verdict["remedy"].as_str().unwrap()));
    said.collect()
}

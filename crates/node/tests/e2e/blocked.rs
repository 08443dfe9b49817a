//! A network that lets nothing through but names and one web site.

use super::harness::network::Network;
use super::harness::spaces::{self, Capture, NAME, Recording, Spaces};
use super::harness::{SOON, Story, eventually_or, turn_in_spaces};

/// More than a first credit window, so that it takes promises.
const LENGTH: u64 = 5_000_000;
/// Of what client and provider send, the internet takes: questions for names, and connections to the web site on port 443;
/// of the provider also those of its clients to port 80, which is what they ask of it.
const WALL: &str = r#"nft -f - <<'END'
table inet wall {
    chain input {
        type filter hook input priority 0; policy accept;
        iifname { "c", "p" } ip daddr 11.8.8.8 udp dport 53 accept
        iifname { "c", "p" } ip daddr 11.8.8.8 tcp dport 443 accept
        iifname "p" ip daddr 11.8.8.8 tcp dport 80 accept
        iifname { "c", "p" } drop
    }
    chain forward {
        type filter hook forward priority 0; policy drop;
    }
}
END"#;

/// What the provider, which is always in disguise, may send: the same, and what its machine says to its neighbours.
const OF_PROVIDER: &str = "(host 11.8.8.8 and (udp port 53 or tcp port 443 or tcp port 80)) or arp or icmp6 or \
                           (dst net ff02::/16 and not udp)";

/// Asks the web site for its page, and shows status and page.
const PROBE: &str = r#"python3 -c '
import ssl, urllib.request
context = ssl._create_unverified_context()
with urllib.request.urlopen("https://web.example/", timeout=10, context=context) as answer:
    print(answer.status, answer.read().decode())
'"#;

#[test]
fn behind_a_wall_that_lets_only_a_web_site_through_everything_works_and_looks_like_one() {
    let _turn = turn_in_spaces();
    let story = Story::begin("blocked");
    let mut spaces = Spaces::make();
    spaces.serve();
    let mut network = Network::make_in(&spaces);
    network.put_behind_front(NAME, spaces::WEB);
    spaces.sh(&spaces.internet, WALL);
    let beside = Capture::of_provider(&spaces, &format!("not ({OF_PROVIDER})"));
    let recording = Recording::of_client(&spaces, "tcp");
    network.start();
    story.tell("all processes are ready");
    let client = network.client_node.clone();
    for (who, node) in [("client", &client), ("provider", &network.provider_node)] {
        node.until(&format!("the {who} is at the relay in disguise"), SOON, &["status"], |status| {
            (status["relay"]["way"] == "disguised").then_some(())
        });
    }
    story.tell("both are at the relay in disguise");
    network.prepare_client("5");
    story.tell("the client follows the ledger and its transactions are final");
    let session = client.json(&["connect", "--service", "socks"]);
    assert_eq!(session["service"], "socks");
    let file = network.path("download");
    let url = format!("http://{NAME}/{LENGTH}");
    eventually_or("a download comes through", SOON, || {
        let output = client.run(&["fetch", &url, "--output", file.to_str().unwrap()]);
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    });
    assert_eq!(std::fs::metadata(&file).unwrap().len(), LENGTH);
    story.tell("downloaded through the provider");
    let page = spaces.sh(&spaces.client, PROBE);
    assert!(page.starts_with("200 ") && page.contains("Welcome"), "a prober finds a web site: {page}");

    assert_eq!(
        beside.end(),
        Vec::<String>::new(),
        "the provider goes nowhere but to the web site, and where it is sent"
    );
    let flows = recording.end_as_seen_by_ndpi();
    let of_front: Vec<&String> = flows.iter().filter(|flow| flow.contains("11.8.8.8:443")).collect();
    assert!(!of_front.is_empty(), "the disguised connections were recorded: {flows:#?}");
    for flow in of_front {
        assert!(flow.contains("[proto: 91/TLS]"), "nDPI takes it for something else: {flow}");
    }
    network.stop();
    story.tell("nDPI calls all of it TLS");
}

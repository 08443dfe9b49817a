//! Somebody is sent a link, and has nothing else.

use std::net::SocketAddr;

use byway_primitives::Amount;
use serde_json::Value;

use super::harness::byway::{Node, amount};
use super::harness::download::Download;
use super::harness::network::Network;
use super::harness::process::{Process, write};
use super::harness::web::{ContentHash, WebServer};
use super::harness::{PATIENCE, SOON, Story, turn};

/// What a newcomer downloads with its first coins.
const LENGTH: u64 = 3_000_000;
/// The coins of an invite, beside the pledge.
const COINS: &str = "5";

/// A node that joined, and its process.
struct Newcomer {
    node: Node,
    process: Process,
}

impl Newcomer {
    /// A folder of its own, and nothing that the network has.
    fn new(network: &Network, name: &str) -> Self {
        let (folder, passphrase) = (network.path(name), network.path("newcomers-passphrase"));
        write(&passphrase, "correct horse battery staple");
        let (dir, file) = (folder.display().to_string(), passphrase.display().to_string());
        let arguments = ["--dir", &dir, "--passphrase-file", &file, "run", "--ports", "auto"];
        let process = Process::new(name, network.path(&format!("{name}.log")), &arguments);
        Self { node: Node::new(&folder, Some(&passphrase)), process }
    }

    fn join(network: &Network, name: &str, link: &str) -> Self {
        let newcomer = Self::new(network, name);
        newcomer.node.json(&["join", link]);
        newcomer
    }

    /// Waits until the accepted invite is at one of these stages; gives what is said of it.
    fn until_invite(&self, stages: &[&str]) -> Value {
        self.node.until(&format!("the invite is {stages:?}"), PATIENCE, &["invite", "list"], |list| {
            let accepted = &list["accepted"][0];
            stages.contains(&accepted["stage"].as_str()?).then(|| accepted.clone())
        })
    }

    /// What it has: in the wallet, and in the account.
    fn balance(&self) -> (Amount, Amount) {
        let balance = self.node.json(&["wallet", "balance"]);
        (amount(&balance["wallet"]), amount(&balance["account"]))
    }

    fn proxy(&self) -> SocketAddr {
        let run: Value = serde_json::from_slice(&std::fs::read(self.node.dir.join("run.json")).unwrap()).unwrap();
        run["proxy"].as_str().unwrap().parse().unwrap()
    }
}

#[test]
fn a_link_is_all_that_a_newcomer_needs() {
    let _turn = turn();
    let story = Story::begin("joining");
    let mut network = Network::make();
    network.start();
    let link = network.client_node.json(&["network", "link"])["link"].as_str().unwrap().to_owned();
    story.tell(format!("the network runs, and its link has {} characters", link.len()));

    let mut newcomer = Newcomer::join(&network, "newcomer", &link);
    newcomer.process.start_ready();
    let wanted = network.client_node.json(&["status"])["network"].clone();
    newcomer.node.until("the newcomer follows the ledger", SOON, &["status"], |status| {
        (status["network"] == wanted && status["ledger"]["height"].as_u64()? > 0).then_some(())
    });
    newcomer.node.sees_offers("socks", 1);
    story.tell("the newcomer follows the ledger and sees what is for sale");
    assert!(newcomer.process.interrupt().success());

    invites(&story, &mut network);
    network.stop();
}

fn invites(story: &Story, network: &mut Network) {
    let link = new_invite(network);
    story.tell(format!("an invite is paid for, and its link has {} characters", link.len()));
    let mut first = Newcomer::join(network, "first", &link);
    let again = first.node.json(&["join", &link]);
    assert_eq!(again["invite"]["accepted"], "before", "joining can be repeated");
    // Accepted while it was open, and too late all the same.
    let mut late = Newcomer::join(network, "late", &link);

    claim_whatever_is_killed(story, network, &mut first);
    let web = WebServer::start();
    let hash = Download::start(first.proxy(), web.address(), LENGTH).finish();
    assert_eq!(hash, ContentHash::expected(LENGTH));
    first.node.json(&["disconnect"]);
    let sessions = first.node.json(&["session", "list"]);
    assert!(!amount(&sessions[0]["cost"]).is_zero(), "{sessions}");
    story.tell("the newcomer has bought traffic with it");

    late.process.start_ready();
    let lost = late.until_invite(&["lost"]);
    assert!(lost["reason"].as_str().unwrap().contains("somebody else took it"), "{lost}");
    assert_eq!(late.balance(), (Amount::ZERO, Amount::ZERO));
    assert!(late.process.interrupt().success());
    let refused = Newcomer::new(network, "later").node.failure(&["join", &link]);
    assert!(refused.contains("taken already") && refused.contains("ready all the same"), "{refused}");
    story.tell("whoever came second was refused");

    take_back(story, network);
    assert_eq!(first.node.json(&["ledger", "audit"])["balanced"], true);
    assert!(first.process.interrupt().success());
}

fn new_invite(network: &Network) -> String {
    let made = network.client_node.json(&["invite", "new", "--coins", COINS]);
    assert_eq!(made["invite"]["stage"], "open", "{made}");
    made["link"].as_str().unwrap().to_owned()
}

/// The first node is killed while the kernel can decide nothing, so with its claim on the way; and again when the coins are
/// there or just deposited.
fn claim_whatever_is_killed(story: &Story, network: &mut Network, first: &mut Newcomer) {
    const STOPPED: [usize; 3] = [0, 1, 2];
    STOPPED.iter().for_each(|index| network.kernel[*index].kill());
    first.process.start_ready();
    first.until_invite(&["claiming"]);
    first.process.kill();
    STOPPED.iter().for_each(|index| network.kernel[*index].start());
    STOPPED.iter().for_each(|index| network.kernel[*index].wait_ready());
    first.process.start_ready();
    first.until_invite(&["depositing", "done"]);
    first.process.kill();
    first.process.start_ready();
    first.until_invite(&["done"]);
    story.tell("the newcomer was killed while it claimed, and while it deposited");

    let coins: Amount = COINS.parse().unwrap();
    first.node.until("the coins are in the account", SOON, &["status"], |status| {
        (status["identity"]["registered"] == true && amount(&status["balance"]["account"]) == coins).then_some(())
    });
    assert_eq!(first.balance(), (Amount::ZERO, coins), "all coins once");
    let list = network.client_node.until("the inviter sees that", SOON, &["invite", "list"], |list| {
        (list["given"][0]["stage"] == "taken").then(|| list.clone())
    });
    assert_eq!(list["given"][0]["pledge"], "1");
    let refused = network.client_node.failure(&["invite", "take-back", "1"]);
    assert!(refused.contains("was taken"), "{refused}");
    network.kernel_catches_up();
    story.tell("the newcomer is registered and has the coins, once");
}

fn take_back(story: &Story, network: &Network) {
    let client = &network.client_node;
    let before = amount(&client.json(&["wallet", "balance"])["wallet"]);
    let link = new_invite(network);
    let taken = client.json(&["invite", "take-back", "2", "--wait"]);
    assert_eq!(taken["stage"], "final");
    let list = client.json(&["invite", "list"]);
    assert_eq!(list["given"][1]["stage"], "taken_back");
    assert_eq!(amount(&client.json(&["wallet", "balance"])["wallet"]), before, "all of it is back");
    assert!(client.failure(&["invite", "show", "2"]).contains("taken back"));
    let refused = Newcomer::new(network, "too-late").node.failure(&["join", &link]);
    assert!(refused.contains("drawn back"), "{refused}");
    story.tell("an invite was drawn back");
}

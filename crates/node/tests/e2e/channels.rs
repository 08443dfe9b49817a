//! A game of two in a channel, played at the command line: one player's machine is killed at some moment and the ledger
//! finishes the game; the other's is killed as well and comes back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use byway_primitives::Amount;
use serde_json::Value;

use super::harness::byway::{Node, amount};
use super::harness::network::Network;
use super::harness::process::write;
use super::harness::{PATIENCE, SOON, Story, eventually, turn};

const SALT: &str = "0x0707070707070707070707070707070707070707070707070707070707070707";
/// Rock, and scissors: the client wins.
const MOVES: [&str; 2] = ["1", "3"];
/// What the two are charged for what the ledger does, at the most.
const CHARGED_MAX: &str = "0.02";
/// The longest that the other player lives once the client opens its move, in milliseconds: longer than signing takes.
const LIVES_MAX: u64 = 40;

fn contract_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/contracts/compiled/HiddenMoves.json")
}

/// A channel at one side, and the game in it.
struct Game<'a> {
    node: &'a Node,
    channel: String,
    contract: String,
}

impl Game<'_> {
    fn contract(&self, what: &str, call: &[&str]) -> Result<Value, String> {
        self.node.ask(&[&["channel", "contract", what, &self.channel, &self.contract], call].concat())
    }

    fn commit(&self, its_move: &str) {
        let asked = ["commitment(address,uint8,bytes32)(bytes32)", "me", its_move, SALT];
        let hash = self.contract("look", &asked).unwrap();
        let hash = hash["output"].as_str().unwrap();
        self.contract("call", &["commit(bytes32)", hash, "--value", "0.5"]).unwrap();
    }

    fn is_opened(&self) -> bool {
        // It is refused by the contract once it has been done.
        self.contract("look", &["open(uint8,bytes32)", MOVES[0], SALT]).is_err()
    }

    fn force(&self, call: &[&str]) -> Result<Value, String> {
        self.node.ask(&[&["channel", "force", &self.channel, &self.contract], call].concat())
    }

    fn show(&self) -> Value {
        self.node.json(&["channel", "show", &self.channel])
    }
}

fn is_about(value: &Value, due: &str) -> Option<()> {
    let (has, due, charged): (_, Amount, Amount) = (amount(value), due.parse().unwrap(), CHARGED_MAX.parse().unwrap());
    (has <= due && has.checked_add(charged).unwrap() >= due).then_some(())
}

fn deposit(node: &Node, wanted: &str) {
    node.json(&["wallet", "deposit", wanted]);
    node.until("the deposit is in the account", SOON, &["wallet", "balance"], |balance| {
        (amount(&balance["account"]) == wanted.parse().unwrap()).then_some(())
    });
}

/// A network whose client has a channel with its provider: 2 and 1, and three seconds to answer. Gives the channel's name.
fn with_a_channel() -> (Network, String) {
    let mut network = Network::make();
    let file = network.path("provider.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    write(&file, &format!("{config}[channels]\naccept_max = \"1\"\n"));
    network.start();
    network.prepare_client("5");
    deposit(&network.provider_node, "5");
    let status = network.provider_node.json(&["status"]);
    let provider = status["identity"]["id"].as_str().unwrap();
    let opened = network.client_node.json(&["channel", "open", provider, "2", "--theirs", "1", "--lock", "3"]);
    assert_eq!(opened["state"], "open", "{opened}");
    let channel = opened["channel"].as_str().unwrap().to_owned();
    for node in [&network.client_node, &network.provider_node] {
        node.until("both talk", SOON, &["channel", "list"], |channels| {
            (channels[0]["connected"] == true).then_some(())
        });
    }
    (network, channel)
}

#[test]
fn a_game_is_finished_by_the_ledger_whenever_the_other_player_is_killed() {
    let _turn = turn();
    let story = Story::begin("channels");
    let (mut network, channel) = with_a_channel();
    story.tell("a channel is open");

    let file = contract_file().display().to_string();
    let stake = "500000000000000000";
    let made = network.client_node.json(&["channel", "contract", "deploy", &channel, &file, "me", "peer", stake, "2"]);
    let contract = made["contract"].as_str().unwrap().to_owned();
    let at = |node| Game { node, channel: channel.clone(), contract: contract.clone() };
    let (client, other) = (network.client_node.clone(), network.provider_node.clone());
    let (client, other) = (at(&client), at(&other));
    client.commit(MOVES[0]);
    other.commit(MOVES[1]);
    assert_eq!(client.show()["contracts"], "1", "both stakes are in the contract");
    story.tell("both have made a move that nobody sees");

    let lives = Duration::from_millis(byway_driver::entropy::number() % LIVES_MAX);
    std::thread::scope(|scope| {
        let provider = &mut network.provider;
        scope.spawn(move || {
            std::thread::sleep(lives);
            provider.kill();
        });
        // It is signed, or not: that depends on the moment.
        let _ = client.contract("call", &["open(uint8,bytes32)", MOVES[0], SALT]);
    });
    story.tell(format!("the other player was killed {} ms after the client began to open its move", lives.as_millis()));
    if !client.is_opened() {
        eventually("the opening is forced", PATIENCE, || client.force(&["open(uint8,bytes32)", MOVES[0], SALT]).ok());
        story.tell("the ledger has opened the client's move");
    }
    network.client.kill();
    network.client.start_ready();
    assert!(client.is_opened(), "what the ledger did, or both signed, outlives a crash");
    // Whoever comes back waits for a peer that may know of a newer state, but may have the ledger execute a call.
    let won = eventually("the claim is forced", PATIENCE, || client.force(&["claim()"]).ok());
    assert_eq!((&won["contracts"], &won["ours"]), (&Value::from("0"), &Value::from("2.5")), "{won}");
    story.tell("the client was killed, came back, and has won the game on the ledger");

    network.provider.start_ready();
    client.node.until("both talk again", PATIENCE, &["channel", "list"], |channels| {
        (channels[0]["connected"] == true).then_some(())
    });
    // Where the other had signed the opening before it died, that beats what was forced, and it signs the claim as well.
    if client.show()["contracts"] != "0" {
        client.contract("call", &["claim()"]).unwrap();
        story.tell("the other had signed the opening; the claim was made once more");
    }
    other.node.until("the other sees what it has lost", SOON, &["channel", "list"], |channels| {
        (channels[0]["ours"] == "0.5").then_some(())
    });
    client.node.json(&["channel", "pay", &channel, "0.25"]);
    story.tell("the other player came back, knows what happened, and both go on");
    client.node.json(&["channel", "close", &channel]);
    client.node.until("the client is paid out", PATIENCE, &["wallet", "balance"], |balance| {
        is_about(&balance["account"], "5.25")
    });
    other.node.until("the other is paid out", PATIENCE, &["wallet", "balance"], |balance| {
        is_about(&balance["account"], "4.75")
    });
    let audit = client.node.json(&["ledger", "audit"]);
    assert_eq!(audit["balanced"], true, "{audit}");
    network.stop();
    story.tell("all coins are where they should be");
}

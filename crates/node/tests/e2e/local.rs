//! `byway up`: twice on one directory, with something bought in between.

use std::net::TcpListener;
use std::path::Path;

use byway_primitives::Amount;
use serde_json::Value;

use super::harness::byway::{Node, amount, sum};
use super::harness::process::Process;
use super::harness::web::{ContentHash, WebServer};
use super::harness::{SOON, Story, turn};

const LENGTH: u64 = 5_000_000;

/// `byway up` in a directory.
pub fn up(folder: &Path, more: &[&str]) -> Process {
    let dir = folder.join("network").display().to_string();
    let arguments = [&["--dir", &dir, "up", "--ports", "auto", "--providers", "1"], more].concat();
    Process::new("up", folder.join("up.log"), &arguments)
}

#[test]
fn a_local_network_goes_on_where_it_was() {
    let _turn = turn();
    let story = Story::begin("local");
    let folder = tempfile::tempdir().unwrap();
    let node = Node::new(folder.path().join("network"), None);
    let web = WebServer::start();
    let mut up = up(folder.path(), &["--exit-allow", "127.0.0.0/8"]);
    up.start_ready();
    story.tell("ready");
    fetch(&node, &web, folder.path());
    story.tell("fetched and paid");

    node.json(&["chat", "send", "Guide", "What about money?"]);
    node.until("the guide answers", SOON, &["chat", "read", "Guide"], |said| {
        said.as_array().unwrap().iter().any(|item| item["text"].as_str().unwrap().contains("promises")).then_some(())
    });
    node.json(&["chat", "send", "Robin", "Are you there?"]);
    let robin = Node::new(node.dir.join("robin"), None);
    robin.until("Robin hears", SOON, &["chat", "read", "Alex"], |said| {
        said.as_array().unwrap().iter().any(|item| item["text"] == "Are you there?").then_some(())
    });
    story.tell("talked with both");

    let refusal = node.failure(&["up", "--ports", "auto"]);
    assert!(refusal.contains("another node runs") && refusal.contains("--dir"), "{refusal}");

    let published = || node.json(&["offer", "list"])[0]["published_ms"].clone();
    let (before, published_before) = (Standing::of(&node), published());
    let run_file = std::fs::read(node.dir.join("run.json")).unwrap();
    let status = up.interrupt();
    assert!(status.success(), "Ctrl-C: {status}");
    assert!(!node.dir.join("run.json").exists());
    story.tell("stopped");

    up.start_ready();
    story.tell("ready again");
    let after = Standing::of(&node);
    after.check_follows(&before);
    let addresses = |text: &[u8]| {
        let run: Value = serde_json::from_slice(text).unwrap();
        [run["proxy"].clone(), run["web"].clone(), run["rpc"].clone()]
    };
    let again = std::fs::read(node.dir.join("run.json")).unwrap();
    assert_eq!(addresses(&run_file), addresses(&again), "chosen ports are remembered");
    fetch(&node, &web, folder.path());
    assert_eq!(published(), published_before, "the provider is where it was, so its offer stays as it is");
    assert_eq!(node.json(&["ledger", "audit"])["balanced"], true);
    story.tell("fetched again, and the audit is balanced");
    assert!(up.interrupt().success());
}

#[test]
fn a_taken_port_is_named_with_its_remedy() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    // If this fails, somebody else has it.
    let _held = TcpListener::bind("127.0.0.1:1080");
    let refusal = Node::new(folder.path(), None).failure(&["up"]);
    assert!(refusal.contains("1080") && refusal.contains("--ports auto"), "{refusal}");
}

fn fetch(node: &Node, web: &WebServer, folder: &Path) {
    let (file, url) = (folder.join("fetched"), format!("http://{}/bytes/{LENGTH}", web.address()));
    let receipt = node.json(&["fetch", &url, "-o", file.to_str().unwrap()]);
    assert_eq!(receipt["bytes"], LENGTH);
    assert!(!amount(&receipt["cost"]).is_zero(), "{receipt}");
    let mut hash = ContentHash::new();
    hash.take(&std::fs::read(&file).unwrap());
    assert_eq!(hash.finish(), ContentHash::expected(LENGTH));
}

/// What must be the same after a restart, but for what settles meanwhile.
#[derive(Debug)]
struct Standing {
    identity: Value,
    network: Value,
    money: Amount,
    settled: Amount,
    sessions: usize,
}

impl Standing {
    /// At a moment at which nothing settles between two looks.
    fn of(node: &Node) -> Self {
        let settled = || {
            let promises = node.json(&["promise", "list"]);
            let given = promises.as_array().unwrap().iter().filter(|promise| promise["direction"] == "out");
            sum(given.map(|promise| amount(&promise["settled"])))
        };
        node.until("the node stands still", SOON, &["status"], |_| {
            let before = settled();
            let status = node.json(&["status"]);
            let sessions = node.json(&["session", "list"]).as_array().unwrap().len();
            let balance = &status["balance"];
            let money = ["wallet", "account", "pending"].map(|part| amount(&balance[part]));
            (settled() == before).then(|| Self {
                identity: status["identity"]["id"].clone(),
                network: status["network"].clone(),
                money: sum(money),
                settled: before,
                sessions,
            })
        })
    }

    fn check_follows(&self, before: &Self) {
        assert_eq!((&self.identity, &self.network), (&before.identity, &before.network));
        assert!(self.sessions >= before.sessions, "sessions are remembered: {before:?}, {self:?}");
        let spent = self.settled.checked_sub(before.settled).unwrap();
        assert_eq!(self.money, before.money.checked_sub(spent).unwrap(), "only what was promised has gone");
    }
}

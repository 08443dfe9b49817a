//! Disks that are lost: a provider and a client come back from phrase and export, however old that is, and nobody is out of
//! pocket for it.

use std::path::Path;

use byway_primitives::Amount;
use serde_json::Value;

use super::harness::byway::{Node, amount, sum};
use super::harness::download::Download;
use super::harness::network::Network;
use super::harness::process::write;
use super::harness::web::{ContentHash, WebServer};
use super::harness::{SOON, Story, turn};

const LENGTH: u64 = 3_000_000;
const DEPOSITED: &str = "5";
/// Serials count up from one, or from a time in milliseconds where a journal was lost.
const A_TIME: u64 = 1_600_000_000_000;

#[test]
fn what_was_promised_outlives_the_disks_of_both() {
    let _turn = turn();
    let story = Story::begin("recovery");
    let mut network = Network::make();
    network.start();
    network.prepare_client(DEPOSITED);
    let web = WebServer::start();
    browse(&network, &web);
    let file = network.path("books.byway");
    let exported = network.provider_node.json(&["backup", "export", text(&file)]);
    let owed = amount(&exported["unsettled"]);
    assert_eq!(owed, unsettled(&network.provider_node), "the export holds what is not settled");
    assert!(!owed.is_zero());
    story.tell(format!("the provider is owed {owed} and has exported that"));

    browse(&network, &web);
    assert!(unsettled(&network.provider_node) > owed, "the export is stale");
    let phrase = phrase(&network.provider_node);
    network.client.kill();
    network.provider.kill();
    std::fs::remove_dir_all(&network.provider_node.dir).unwrap();
    come_back(&network, &network.provider_node, &phrase);
    story.tell("the provider's disk is lost, and its keystore restored");

    keep_the_file(&mut network, &file);
    story.tell("a provider without its books leaves the file alone");
    refused(&network, &file, "provider");
    put_back(&network, &network.provider_node, "provider", &file);
    network.provider.start_ready();
    let busy = network.provider_node.failure(&restore(&file, &network.path("provider.toml")));
    assert!(busy.contains("another node runs in"), "{busy}");
    let paid = owed.checked_sub(per_mille(owed)).unwrap();
    network.provider_node.until("the promise is settled without its payer", SOON, &["wallet", "balance"], |balance| {
        (amount(&balance["account"]) == paid).then_some(())
    });
    story.tell("what the export held is on the provider's account, although the client is gone");

    network.client.start_ready();
    browse(&network, &web);
    settle(&network);
    story.tell("the client came back, and what was promised after the export was settled, too");

    let stale = network.path("client-books.byway");
    network.client_node.json(&["backup", "export", text(&stale)]);
    browse(&network, &web);
    let phrase = self::phrase(&network.client_node);
    network.client.kill();
    std::fs::remove_dir_all(&network.client_node.dir).unwrap();
    come_back(&network, &network.client_node, &phrase);
    put_back(&network, &network.client_node, "client", &stale);
    network.client.start_ready();
    // What the provider still serves for is used up first.
    let newest = (0..5).find_map(|_| {
        browse(&network, &web);
        let promises = network.client_node.json(&["promise", "list"]);
        promises.as_array().unwrap().iter().map(serial).max().filter(|serial| *serial > A_TIME)
    });
    let newest = newest.expect("the client promises again, under a serial that it never used");
    story.tell(format!("the client lost its disk, too, and promises under serial {newest}, which it never used"));
    settle(&network);

    let status = network.provider.interrupt();
    assert!(status.success());
    let shown = network.provider_node.json(&["backup", "show", text(&file)]);
    assert_eq!(amount(&shown["unsettled"]), Amount::ZERO, "the file follows the books: {shown}");
    network.provider.start_ready();
    network.stop();
    story.tell("everything is paid, and the provider's file says so");
}

/// A session with a download through the proxy.
fn browse(network: &Network, web: &WebServer) {
    // Whoever was just restored has the ledger to read first.
    network.client_node.until("the client has an exit", SOON, &["connect"], |_| Some(()));
    let download = Download::start(network.proxy, web.address(), LENGTH);
    assert_eq!(download.finish(), ContentHash::expected(LENGTH));
    network.client_node.json(&["disconnect"]);
    network.client_node.until("the session has ended", SOON, &["session", "list"], |sessions| {
        sessions.as_array()?.iter().all(|session| session["ended_ms"].is_u64()).then_some(())
    });
}

/// Settles all; the provider then has what the client's account lost, but for the fee.
fn settle(network: &Network) {
    let (client, provider) = (&network.client_node, &network.provider_node);
    provider.until("nothing is open at the provider", SOON, &["promise", "settle"], |_| {
        unsettled(provider).is_zero().then_some(())
    });
    let account = |node: &Node| amount(&node.json(&["wallet", "balance"])["account"]);
    client.until("both see the same", SOON, &["promise", "list"], |promises| {
        let settled = sum(promises.as_array()?.iter().map(|promise| amount(&promise["settled"])));
        let paid = DEPOSITED.parse::<Amount>().unwrap().checked_sub(account(client))?;
        let received = account(provider);
        let least = paid.checked_sub(per_mille(paid))?;
        // The fee is rounded down at each settlement.
        let most = least.checked_add(Amount::from_units(100))?;
        (settled <= paid && !paid.is_zero() && least <= received && received <= most).then_some(())
    });
}

/// The node's folder is empty but for the keystore.
fn come_back(network: &Network, node: &Node, phrase: &str) {
    let words = network.path("phrase.txt");
    write(&words, phrase);
    node.json(&["identity", "restore", "--phrase-file", text(&words)]);
}

/// A provider that begins anew and exports by itself does not write over what it should have been given.
fn keep_the_file(network: &mut Network, file: &Path) {
    let config = network.path("provider.toml");
    let before = std::fs::read_to_string(&config).unwrap();
    write(&config, &format!("{before}[backup]\nfile = \"books.byway\"\nevery = \"1m\"\n"));
    let content = std::fs::read(file).unwrap();
    network.provider.start_ready();
    let problem = network.provider_node.until("the export is refused", SOON, &["status"], |status| {
        Some(status["backup"]["problem"].as_str()?.to_owned())
    });
    assert!(problem.contains("promises with 1 peers that this node does not know"), "{problem}");
    assert!(network.provider.interrupt().success());
    assert_eq!(std::fs::read(file).unwrap(), content, "not at the end either");
}

fn refused(network: &Network, file: &Path, name: &str) {
    let config = network.path(&format!("{name}.toml"));
    let damaged = network.path("damaged.byway");
    let mut content = std::fs::read(file).unwrap();
    content[100] ^= 1;
    std::fs::write(&damaged, content).unwrap();
    let (genesis, elsewhere) = (network.path("network.json"), network.path("elsewhere.json"));
    let other = std::fs::read_to_string(genesis).unwrap().replacen("\"e2e\"", "\"other\"", 1);
    write(&elsewhere, &other);
    let other_config = network.path("elsewhere.toml");
    let text_of = std::fs::read_to_string(&config).unwrap().replacen("network.json", "elsewhere.json", 1);
    write(&other_config, &text_of);
    let (provider, client) = (&network.provider_node, &network.client_node);
    for (node, file, config, expected) in [
        (client, file, &config, "another seed phrase"),
        (provider, &damaged, &config, "damaged"),
        (provider, &network.path("network.json"), &config, "no export"),
        (provider, &network.path("nothing"), &config, "can't be read"),
        (provider, file, &other_config, "of the network"),
        (provider, file, &network.path("client.toml"), "of the identity"),
        (provider, file, &network.path("k0.toml"), "kernel restore"),
    ] {
        let said = node.failure(&restore(file, config));
        assert!(said.contains(expected), "{expected:?} is missing in: {said}");
    }
}

fn put_back(network: &Network, node: &Node, name: &str, file: &Path) {
    let config = network.path(&format!("{name}.toml"));
    node.json(&restore(file, &config));
    let again = node.failure(&restore(file, &config));
    assert!(again.contains("older than what is in"), "{again}");
}

fn restore<'a>(file: &'a Path, config: &'a Path) -> [&'a str; 5] {
    ["backup", "restore", text(file), "--config", text(config)]
}

fn phrase(node: &Node) -> String {
    node.json(&["identity", "export"])["phrase"].as_str().unwrap().to_owned()
}

fn unsettled(node: &Node) -> Amount {
    let promises = node.json(&["promise", "list"]);
    let incoming = promises.as_array().unwrap().iter().filter(|promise| promise["direction"] == "in");
    sum(incoming.map(|promise| amount(&promise["amount"]).checked_sub(amount(&promise["settled"])).unwrap()))
}

fn serial(promise: &Value) -> u64 {
    promise["serial"].as_str().unwrap().parse().unwrap()
}

fn per_mille(amount: Amount) -> Amount {
    Amount::from_units(amount.units() / 1000)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

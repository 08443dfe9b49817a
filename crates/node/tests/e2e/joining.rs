//! Somebody is sent a link, and has nothing else.

use super::harness::byway::Node;
use super::harness::network::Network;
use super::harness::process::{Process, write};
use super::harness::{SOON, Story, turn};

/// A node that joined, and its process.
struct Newcomer {
    node: Node,
    process: Process,
}

impl Newcomer {
    /// Joins with a link in a folder of its own, and nothing else that the network has.
    fn join(network: &Network, name: &str, link: &str) -> Self {
        let (folder, passphrase) = (network.path(name), network.path("newcomers-passphrase"));
        write(&passphrase, "correct horse battery staple");
        let node = Node::new(&folder, Some(&passphrase));
        node.json(&["join", link]);
        let (dir, passphrase) = (folder.display().to_string(), passphrase.display().to_string());
        let arguments = ["--dir", &dir, "--passphrase-file", &passphrase, "run", "--ports", "auto"];
        Self { node, process: Process::new(name, network.path(&format!("{name}.log")), &arguments) }
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
    network.stop();
}

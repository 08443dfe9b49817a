//! Into a network with a link alone: what kernel nodes give is believed if it is the link's network, and a folder is made
//! ready, once.

use std::path::Path;
use std::process::{Command, Output};

use byway_kernel::follower::protocol::{Answer as KernelAnswer, Request};
use byway_node::api::*;
use byway_node::config::Config;
use byway_node::joining::{self, AskError, FetchError};
use byway_node::{directory::Directory, genesis};
use byway_peer::link::{KernelPeer, NetworkLink};
use byway_records::{Genesis, MemberSet};
use serde_json::Value;

use super::network::Network;

/// A link that names these kernel nodes alone.
fn link_to(network: &Network, members: &[u8]) -> NetworkLink {
    let peer = |index: &u8| {
        let member = network.genesis.members.get(*index).unwrap();
        KernelPeer { key: member.mesh, address: member.address.clone() }
    };
    NetworkLink::new(network.genesis.network(), members.iter().map(peer).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_genesis_is_fetched_and_another_one_is_not_believed() {
    let mut network = Network::start(&[], &[3]).await;
    let (fetched, from) = joining::fetch(&link_to(&network, &[0])).await.unwrap();
    assert_eq!((&fetched, &from), (&*network.genesis, &network.genesis.members.get(0).unwrap().address));

    let other = Genesis { name: "other".to_owned(), ..Genesis::clone(&network.genesis) };
    let forged = other.clone();
    network.play(3, move |request| {
        Some(match request {
            Request::Genesis => KernelAnswer::Genesis(Box::new(forged.clone())),
            _ => KernelAnswer::Taken,
        })
    });
    let refused = joining::fetch(&link_to(&network, &[3])).await.unwrap_err();
    let FetchError::Nobody(failed) = &refused else { panic!("{refused}") };
    let [(_, AskError::OtherNetwork(given))] = &failed[..] else { panic!("{refused}") };
    assert_eq!(*given, other.network());
    // Whoever is asked first, the truth is found.
    let (fetched, _) = joining::fetch(&link_to(&network, &[3, 0])).await.unwrap();
    assert_eq!(fetched, *network.genesis);

    // One that has the id and makes no network: whoever made the link is at fault.
    let none = Genesis { members: MemberSet::new(Vec::new()), ..Genesis::clone(&network.genesis) };
    let link = NetworkLink { network: none.network(), ..link_to(&network, &[0]) };
    let refused = joining::fetch(&link).await.unwrap_err().to_string();
    assert!(refused.contains("network connection") && refused.contains("other network"), "{refused}");
}

fn byway(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_byway"));
    command.arg("--dir").arg(directory).args(arguments);
    command.env("BYWAY_PASSPHRASE", "correct horse").env_remove("BYWAY_DIR");
    command.output().unwrap()
}

fn json(directory: &Path, arguments: &[&str]) -> Value {
    let output = byway(directory, &[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn failure(directory: &Path, arguments: &[&str]) -> String {
    let output = byway(directory, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_made_ready_once_and_belongs_to_one_network() {
    let network = Network::start(&[], &[]).await;
    let user = network.node("user", "").await;
    let shown = user.api.network_link(NetworkLinkShow::default()).await.unwrap();
    assert_eq!((shown.network, &shown.name), (network.genesis.network(), &network.genesis.name));
    let folder = network.directory("newcomer").root().to_owned();
    let directory = Directory::new(&folder);

    // In capitals, as out of a code that was scanned.
    let capitals = shown.link.to_uppercase();
    let joined = json(&folder, &["join", &capitals]);
    assert_eq!(joined["network"], network.genesis.network().to_string());
    assert_eq!(joined["made"], serde_json::json!({"network": true, "config": true, "keystore": true}));
    assert_eq!(joined["phrase"].as_str().unwrap().split(' ').count(), 24);
    assert_eq!(genesis::load(&directory.network_file()).unwrap(), *network.genesis);
    let config = Config::load(&directory.config_file()).unwrap();
    assert_eq!(genesis::load(&config.network.unwrap()).unwrap().network(), network.genesis.network());

    // Once more, with the file.
    let keystore = std::fs::read(directory.keystore_file()).unwrap();
    let file = directory.network_file().display().to_string();
    let again = json(&folder, &["join", &file]);
    assert_eq!(again["made"], serde_json::json!({"network": false, "config": false, "keystore": false}));
    assert_eq!(again.get("phrase"), None, "it is shown when it is made, and by `identity export`");
    assert_eq!(std::fs::read(directory.keystore_file()).unwrap(), keystore);

    // The link of a file is one to the same network.
    let of_file = json(&folder, &["network", "link", &file, "--relay", "http://relay.example.org:7200"]);
    let link: NetworkLink = of_file["link"].as_str().unwrap().parse().unwrap();
    assert_eq!((link.network, link.kernel.len()), (network.genesis.network(), 3));
    assert_eq!(link.relay.unwrap().as_str(), "http://relay.example.org:7200");

    let other = Genesis { name: "other".to_owned(), ..Genesis::clone(&network.genesis) };
    let other_file = folder.join("other.json");
    genesis::save(&other, &other_file).unwrap();
    for (arguments, expected) in [
        (vec!["join", other_file.to_str().unwrap()], "another --dir"),
        (vec!["join", "nowhere.json"], "genesis file nowhere.json"),
        (vec!["join", &shown.link[..shown.link.len() - 1]], "cut or mistyped"),
        (vec!["join", "byway:pay?network=1"], "wallet pay"),
        (vec!["network", "link", &file, "--relay", "nonsense"], "--relay"),
    ] {
        let said = failure(&folder, &arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let said = failure(&folder.join("empty"), &["run"]);
    assert!(said.contains("byway join"), "{said}");
}

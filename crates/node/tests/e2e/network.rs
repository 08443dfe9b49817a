//! Seven kernel nodes, a relay, a provider and a client as separate processes, killed one after the other while data
//! flows.

use byway_primitives::Amount;
use serde_json::Value;

use super::harness::byway::amount;
use super::harness::download::Download;
use super::harness::network::{BANDWIDTH_BPS, Network, PRICE, Reach};
use super::harness::web::{ContentHash, WebServer};
use super::harness::{PATIENCE, SOON, Story, turn};

/// What is downloaded.
const LENGTH: u64 = 210_000_000;
/// Speed while processes are killed, so that the download outlasts it.
const SLOW: u64 = 6_000_000;
/// Data flows when this much more has come.
const FLOW: u64 = 3_000_000;
const MB: u64 = 1_000_000;

#[test]
fn a_download_is_paid_for_whatever_is_killed() {
    let _turn = turn();
    let story = Story::begin("network");
    let mut network = Network::make();
    story.tell("keys, genesis and configurations are made");
    network.start();
    story.tell("all processes are ready");
    network.prepare_client("5");
    story.tell("the client is registered and has paid into its account; there is an offer");

    let web = WebServer::start();
    web.set_rate(SLOW);
    let download = Download::start(network.proxy, web.address(), LENGTH);
    download.flows(FLOW, "at the start");
    story.tell("data flows");

    kill_kernel_nodes(&story, &mut network, &download);
    assert_eq!(download.cuts(), 0, "kernel nodes that stop don't interrupt a session: {}", download.last_error());

    network.provider.kill();
    network.provider.start_ready();
    download.flows(FLOW, "after the provider was killed");
    story.tell("the provider was killed and started again, data flows");

    network.client.kill();
    network.client.start_ready();
    download.flows(FLOW, "after the client was killed");
    story.tell("the client was killed and started again, data flows");

    network.provider.kill();
    network.configure_provider(Reach::RelayOnly);
    network.provider.start_ready();
    download.flows(FLOW, "over the relay");
    story.tell("the provider was killed and is now reached over the relay only, data flows");

    network.relay.kill();
    network.relay.start_ready();
    download.flows(FLOW, "after the relay was killed");
    story.tell("the relay was killed and started again, data flows");

    web.set_rate(u64::MAX);
    let (cuts, shared) = (download.cuts(), download.carried());
    let carried = || shared;
    story.tell(format!("{cuts} cuts so far, {} bytes", carried()));
    finish(&story, &network, &web, download);
}

/// One kernel node, then two at once, which is as many as may be down.
fn kill_kernel_nodes(story: &Story, network: &mut Network, download: &Download) {
    for killed in [&[3][..], &[1, 5]] {
        killed.iter().for_each(|index| network.kernel[*index].kill());
        download.flows(FLOW, "with kernel nodes down");
        let before = amount(&network.client_node.json(&["wallet", "balance"])["account"]);
        network.client_node.json(&["wallet", "deposit", "1"]);
        network.client_node.until(
            "the ledger goes on with kernel nodes down",
            SOON,
            &["wallet", "balance"],
            |balance| (amount(&balance["account"]) > before).then_some(()),
        );
        killed.iter().for_each(|index| network.kernel[*index].start());
        killed.iter().for_each(|index| network.kernel[*index].wait_ready());
        story.tell(format!("kernel nodes {killed:?} were killed and started again, data flows"));
    }
    network.client_node.until("all kernel nodes have caught up", PATIENCE, &["status"], |status| {
        let nodes = status["ledger"]["kernel_nodes"].as_array().unwrap();
        let rounds: Vec<u64> = nodes.iter().filter_map(|node| node["round"].as_u64()).collect();
        let newest = rounds.iter().max()?;
        (nodes.iter().all(|node| node["reachable"] == true) && rounds.iter().all(|round| round + 20 >= *newest))
            .then_some(())
    });
    story.tell("all kernel nodes have caught up");
}

fn finish(story: &Story, network: &Network, web: &WebServer, download: Download) {
    let carried = download.carried();
    let hash = download.finish();
    assert_eq!(hash, ContentHash::expected(LENGTH), "what arrived is what was sent");
    assert!(web.ranged() > 0, "cut downloads were taken up by Range");
    story.tell("the download is complete and its hash is right");

    network.client_node.json(&["disconnect"]);
    let sessions = network.client_node.until("all sessions have ended", SOON, &["session", "list"], |sessions| {
        let sessions = sessions.as_array().unwrap();
        sessions.iter().all(|session| session["ended_ms"].is_u64()).then(|| sessions.clone())
    });
    for session in &sessions {
        story.tell(format!("session {}", session));
    }
    let settled = settle(story, network);
    let _ = (carried, settled, BANDWIDTH_BPS, PRICE, MB);
}

/// Settles what is open; gives what the provider was paid in all.
fn settle(story: &Story, network: &Network) -> Amount {
    let open = |promises: &Value| promises.as_array().unwrap().iter().any(|p| p["amount"] != p["settled"]);
    let provider = &network.provider_node;
    let promises = provider.json(&["promise", "list"]);
    story.tell(format!("promises {promises}"));
    provider.json(&["promise", "settle"]);
    let promises = provider.until("the promises are settled", SOON, &["promise", "list"], |promises| {
        (!open(promises)).then(|| promises.clone())
    });
    story.tell(format!("settled {promises}"));
    amount(&promises[0]["settled"])
}

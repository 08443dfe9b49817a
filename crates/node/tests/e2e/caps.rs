//! A provider that carries no more than so much in a month: it says so, and whoever it served goes on elsewhere.

use serde_json::Value;

use super::harness::download::Download;
use super::harness::network::{Network, PRICE};
use super::harness::process::write;
use super::harness::web::{ContentHash, WebServer};
use super::harness::{SOON, Story, eventually, turn};

const LENGTH: u64 = 14_000_000;
const MONTH_MAX: u64 = 6_000_000;
/// Of the credit window at these offers' bandwidth: what is on its way when the month is over, and is not billed.
const ON_THE_WAY_MAX: u64 = 3_000_000;

#[test]
fn a_month_that_is_spent_sends_clients_to_the_next_exit() {
    let _turn = turn();
    let story = Story::begin("caps");
    let mut network = Network::make_with_second_exit();
    edit(&network, "provider.toml", "[provider]\n", &format!("[provider]\nmonth_max_bytes = {MONTH_MAX}\n"));
    edit(&network, "relaying0.toml", &format!("price_per_mb = \"{PRICE}\""), "price_per_mb = \"0.002\"");
    network.start();
    network.prepare_client("5");
    let (client, provider) = (network.client_node.clone(), network.provider_node.clone());
    client.sees_offers("socks", 2);
    client.json(&["connect", "--sort", "price"]);
    let web = WebServer::start();
    let download = Download::start(network.proxy, web.address(), LENGTH);
    assert_eq!(download.finish(), ContentHash::expected(LENGTH));
    let (first, _) = client.until("it goes on elsewhere", SOON, &["session", "list"], |sessions| {
        let of = |country: &str| sessions.as_array()?.iter().find(|session| session["country"] == country).cloned();
        let (first, second) = (of("DE")?, of("SE")?);
        // What came last by the first was not acknowledged any more, so that nobody is billed for it.
        (bytes(&second) >= LENGTH - MONTH_MAX - ON_THE_WAY_MAX).then_some((first, second))
    });
    assert_eq!(first["reason"]["code"], "month_spent", "{first}");
    let carried = bytes(&first);
    assert!((MONTH_MAX - ON_THE_WAY_MAX..=MONTH_MAX + ON_THE_WAY_MAX).contains(&carried), "{first}");
    story.tell("the cheaper exit carried its month's bytes, and the dearer one the rest");

    let usage = &provider.json(&["provider", "earnings"])["usage"];
    assert_eq!(usage["month_max_bytes"], MONTH_MAX);
    assert!(usage["month_bytes"].as_u64() >= Some(MONTH_MAX), "{usage}");
    let refused = client.failure(&["connect", "DE"]);
    assert!(refused.contains("this month"), "{refused}");
    network.provider.kill();
    network.provider.start_ready();
    // Who was told that the month is spent is told so after a crash too: it was durable before anybody was. The link of before the
    // crash is missed first; a session would fail the test.
    eventually("a crash begins no other month", SOON, || {
        client.failure(&["connect", "DE"]).contains("this month").then_some(())
    });
    network.stop();
    story.tell("it refuses new sessions, before and after a crash");
}

fn edit(network: &Network, name: &str, from: &str, to: &str) {
    let file = network.path(name);
    let config = std::fs::read_to_string(&file).unwrap();
    assert!(config.contains(from), "{config}");
    write(&file, &config.replace(from, to));
}

fn bytes(session: &Value) -> u64 {
    session["bytes_up"].as_u64().unwrap() + session["bytes_down"].as_u64().unwrap()
}

//! Proxy ports that lead to one country each, in use at the same time as the main one.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};

use super::harness::byway::{Node, amount, sum};
use super::harness::download::{Download, refusal};
use super::harness::network::{Network, PRICE};
use super::harness::process::write;
use super::harness::web::{ContentHash, WebServer};
use super::harness::{SOON, Story, free_ports, local, turn};

const LENGTH: u64 = 3_000_000;
/// As the proxy says it: network unreachable.
const NO_WAY_OUT: u8 = 3;

#[test]
fn each_port_leads_where_it_is_meant_to() {
    let _turn = turn();
    let story = Story::begin("ports");
    let mut network = Network::make_with_second_exit();
    let [to_germany, to_sweden, to_nowhere] = free_ports::<3>().map(local);
    configure(&network, &[(to_germany, "DE"), (to_nowhere, "FR")]);
    network.start();
    network.prepare_client("5");
    let client = network.client_node.clone();
    client.sees_offers("socks", 2);
    story.tell("two exits are on the market");

    let opened = client.json(&["proxy", "open", "SE", "--listen", &to_sweden.to_string()]);
    assert_eq!((&opened["country"], &opened["configured"]), (&json!("SE"), &json!(false)));
    let taken = client.failure(&["proxy", "open", "FR", "--listen", &to_sweden.to_string()]);
    assert!(taken.contains("can't listen at"), "{taken}");
    let exposed = client.failure(&["proxy", "open", "FR", "--listen", "0.0.0.0:0"]);
    assert!(exposed.contains("loopback"), "{exposed}");
    let web = WebServer::start();
    // The main one leads to Germany too, and nobody has talked to anyone yet.
    let downloads = [network.proxy, to_germany, to_sweden].map(|proxy| Download::start(proxy, web.address(), LENGTH));
    for download in downloads {
        assert_eq!(download.finish(), ContentHash::expected(LENGTH));
    }
    let used = client.until("all three are billed", SOON, &["session", "list"], |sessions| {
        let open = open_sessions(sessions);
        open.iter().all(|session| session["bytes_down"].as_u64() >= Some(LENGTH)).then_some(open)
    });
    let mut countries: Vec<&str> = used.iter().map(|session| session["country"].as_str().unwrap()).collect();
    countries.sort_unstable();
    assert_eq!(countries, ["DE", "DE", "SE"], "a session for each, two of them with one provider");
    let again = Download::start(to_germany, web.address(), LENGTH);
    assert_eq!(
        again.finish(),
        ContentHash::expected(LENGTH),
        "the main one's session stands idle with the same provider"
    );
    assert_eq!(refusal(to_nowhere, "127.0.0.1", web.address().port()), NO_WAY_OUT);
    assert_eq!(states(&client), [(to_germany, "connected"), (to_sweden, "connected"), (to_nowhere, "failed")].into());
    story.tell("three programs were at two exits at once");

    after_a_crash(&mut network, &client, &web, to_sweden);
    story.tell("the port is there again after a crash of its node");
    closed_and_disconnected(&client, &web, [to_germany, to_sweden]);
    story.tell("ports were closed, disconnected and connected, and what was used is paid for");
    limited_for_the_day(&client, &web, network.proxy, to_germany);
    story.tell("a limit for the day held for all ways together, and the user's word went beyond it");
    limited_for_a_session(&client, &web, network.proxy);
    network.stop();
    story.tell("a session stood still at its limit until the user said more");
}

/// The port is where it was, and every way goes on with its own session.
fn after_a_crash(network: &mut Network, client: &Node, web: &WebServer, to_sweden: SocketAddr) {
    network.client.kill();
    network.client.start_ready();
    let main = client.until("the main one's session goes on", SOON, &["status"], |status| {
        let connection = &status["connection"];
        (connection["state"] == "connected").then(|| connection["country"].clone())
    });
    assert_eq!(main, "DE", "it comes out where the user wanted");
    let again = Download::start(to_sweden, web.address(), LENGTH);
    assert_eq!(again.finish(), ContentHash::expected(LENGTH));
    let ports = client.json(&["proxy", "list"]);
    let sweden = port(&ports, to_sweden);
    assert_eq!((&sweden["connection"]["country"], &sweden["country"]), (&json!("SE"), &json!("SE")));
}

fn closed_and_disconnected(client: &Node, web: &WebServer, [to_germany, to_sweden]: [SocketAddr; 2]) {
    let configured = client.failure(&["proxy", "close", &to_germany.to_string()]);
    assert!(configured.contains("[[proxy.port]]"), "{configured}");
    client.json(&["proxy", "close", &to_sweden.to_string()]);
    assert!(TcpStream::connect(to_sweden).is_err(), "closed");
    client.until("its session is over", SOON, &["session", "list"], |sessions| {
        open_sessions(sessions).iter().all(|session| session["country"] != "SE").then_some(())
    });
    client.json(&["disconnect"]);
    assert_eq!(refusal(to_germany, "127.0.0.1", web.address().port()), 2, "not allowed, by the user's own word");
    client.json(&["connect", "SE"]);
    let download = Download::start(to_germany, web.address(), LENGTH);
    assert_eq!(download.finish(), ContentHash::expected(LENGTH), "and allowed again");
    client.json(&["disconnect"]);
    client.until("every session is over", SOON, &["session", "list"], |sessions| {
        open_sessions(sessions).is_empty().then_some(())
    });
    let cost = client.until("all is counted", SOON, &["session", "list"], |sessions| {
        let sessions = sessions.as_array()?;
        Some(sum(sessions.iter().map(|session| amount(&session["cost"]))))
    });
    let promised = client.json(&["promise", "list"]);
    let promised = promised.as_array().unwrap().iter().map(|promise| amount(&promise["amount"]));
    assert!(sum(promised) >= cost, "what was used is promised");
}

/// One megabyte more today, for two programs that want three each; then by the user's word more.
fn limited_for_the_day(client: &Node, web: &WebServer, main: SocketAddr, to_germany: SocketAddr) {
    let spent = || amount(&client.json(&["status"])["spending"]["day_spent"]);
    let limit = spent().checked_add(PRICE.parse().unwrap()).unwrap();
    client.json(&["limit", "set", "--day", &limit.to_string()]);
    client.json(&["connect", "SE"]);
    let downloads = [main, to_germany].map(|proxy| Download::start(proxy, web.address(), LENGTH));
    let asks = client.until("both ask", SOON, &["limit", "show"], |spending| {
        let asks = spending["asks"].as_array()?.clone();
        (asks.len() == 2).then_some(asks)
    });
    assert!(asks.iter().all(|ask| ask["which"] == "day" && amount(&ask["limit"]) == limit), "{asks:?}");
    assert_eq!(asks.iter().filter(|ask| ask["proxy"] == to_germany.to_string()).count(), 1, "{asks:?}");
    assert!(spent() <= limit, "{} of {limit}", spent());
    let refused = client.failure(&["connect", "DE"]);
    assert!(refused.contains("byway limit allow"), "{refused}");
    let spending = client.json(&["limit", "allow"]);
    assert_eq!(amount(&spending["day_allowed"]), limit, "as much again");
    for download in downloads {
        assert_eq!(download.finish(), ContentHash::expected(LENGTH), "and the programs that waited go on");
    }
    let nothing = client.failure(&["limit", "allow"]);
    assert!(nothing.contains("No limit has stopped anything"), "{nothing}");
    client.json(&["limit", "set", "--day", "none"]);
}

/// A megabyte per session, for a program that wants three.
fn limited_for_a_session(client: &Node, web: &WebServer, main: SocketAddr) {
    client.json(&["disconnect"]);
    client.json(&["limit", "set", "--session", PRICE]);
    client.json(&["connect", "SE"]);
    let download = Download::start(main, web.address(), LENGTH);
    let ask = |spending: &Value| spending["asks"].as_array()?.first().cloned();
    let asked = client.until("it asks", SOON, &["limit", "show"], ask);
    assert_eq!((&asked["which"], &asked["limit"]), (&json!("session"), &json!(PRICE)));
    let received = download.received();
    assert!(received < LENGTH / 2, "{received}");
    client.json(&["limit", "allow"]);
    client.until("it asks again, a megabyte on", SOON, &["limit", "show"], |spending| {
        ask(spending).filter(|_| download.received() > received + 500_000)
    });
    client.json(&["limit", "set", "--session", "none"]);
    assert_eq!(download.finish(), ContentHash::expected(LENGTH), "and goes on by itself without a limit");
}

/// Adds ports to the client's configuration; the main one leads to `DE`.
fn configure(network: &Network, ports: &[(SocketAddr, &str)]) {
    let file = network.path("client.toml");
    let mut config = std::fs::read_to_string(&file).unwrap() + "[buying]\ncountry = \"DE\"\n";
    for (listen, country) in ports {
        write!(config, "[[proxy.port]]\nlisten = \"{listen}\"\ncountry = \"{country}\"\n").unwrap();
    }
    write(&file, &config);
}

fn open_sessions(sessions: &Value) -> Vec<Value> {
    let sessions = sessions.as_array().unwrap();
    sessions.iter().filter(|session| session["ended_ms"].is_null()).cloned().collect()
}

fn port(ports: &Value, listen: SocketAddr) -> &Value {
    let listen = listen.to_string();
    ports.as_array().unwrap().iter().find(|port| port["listen"] == listen).unwrap()
}

/// Where each port stands.
fn states(client: &Node) -> std::collections::BTreeMap<SocketAddr, &'static str> {
    let ports = client.json(&["proxy", "list"]);
    let state = |port: &Value| match port["connection"]["state"].as_str() {
        Some("connected") => "connected",
        Some("failed") => "failed",
        other => panic!("{other:?} of {port}"),
    };
    let ports = ports.as_array().unwrap();
    ports.iter().map(|port| (port["listen"].as_str().unwrap().parse().unwrap(), state(port))).collect()
}

//! A service in a program of its own: sold, used, paid for by the megabyte, and killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;

use byway_primitives::Amount;
use byway_records::offer::Service;
use serde_json::{Value, json};

use super::harness::byway::{Node, amount, call_as};
use super::harness::network::Network;
use super::harness::process::write;
use super::harness::web::{ContentHash, WebServer};
use super::harness::{SOON, Story, turn};

const LENGTH: u64 = 3_000_000;
/// WAY per MB, another than that of the proxy.
const PRICE: &str = "0.002";
const SERVICE: &str = "http-fetch";

#[test]
fn a_service_of_ones_own_is_sold_and_paid_for() {
    let _turn = turn();
    let story = Story::begin("plugged");
    let mut network = Network::make();
    plug_in(&network);
    network.start();
    let client = network.client_node.clone();
    prepare(&client);
    story.tell("the service is on the market");

    let web = WebServer::start();
    let refusal = client.failure(&["service", "open", SERVICE, "--data", "nonsense"]);
    assert!(refusal.contains("the data must be empty"), "the program's own words: {refusal}");
    let opened = client.json(&["service", "open", SERVICE, "--data", "{\"version\":1}"]);
    let listen = opened["access"]["listen"].as_str().unwrap().to_owned();
    let session = opened["session"]["id"].clone();
    let (head, content) = fetch(&listen, &json!({"url": format!("http://{}/bytes/{LENGTH}", web.address())}));
    assert_eq!(head["status"], 200, "{head}");
    let mut hash = ContentHash::new();
    hash.take(&content);
    assert_eq!(hash.finish(), ContentHash::expected(LENGTH));
    story.tell("a page came through the service");

    let (head, content) = fetch(&listen, &json!({"url": "http://169.254.169.254/latest/"}));
    assert!(head["error"].as_str().unwrap().contains("no address that may be connected to"), "{head}");
    assert!(content.is_empty());
    assert_eq!(of_proxy(&network), Some(3), "no exit is on the market, and the service is none");

    let cost = client.until("the fetch is billed", SOON, &["session", "list"], |sessions| {
        let used = find(sessions, &session)?;
        (used["bytes_down"].as_u64()? >= LENGTH).then(|| amount(&used["cost"]))
    });
    let exact: Amount = PRICE.parse().unwrap();
    let least = Amount::from_units(exact.units() * u128::from(LENGTH) / 1_000_000);
    let most = Amount::from_units(exact.units() * u128::from(LENGTH + 100_000) / 1_000_000);
    assert!(least <= cost && cost <= most, "{cost} for {LENGTH} bytes");
    story.tell("it was billed by the megabyte");

    killed(&network, &client, &session);
    story.tell("the program was killed, and its session ended with a reason of its own");
    let again = client.until("the service is back", SOON, &["service", "open", SERVICE], |opened| {
        Some(opened["access"]["listen"].as_str()?.to_owned())
    });
    let (head, _) = fetch(&again, &json!({"url": format!("http://{}/bytes/10", web.address())}));
    assert_eq!(head["status"], 200, "{head}");
    client.json(&["service", "close", &again]);
    assert!(TcpStream::connect(&again).is_err(), "closed");
    client.json(&["disconnect"]);
    story.tell("it was started again, and serves");

    links(&client, &network.provider_node);
    story.tell("a link was paid, once");
    resold(&network, &client, &web);
    story.tell("a sub-account spent its budget, and no more");
    figures(&network);
    network.provider_node.json(&["promise", "settle"]);
    client.until("all promises are settled", SOON, &["promise", "list"], |promises| {
        let promises = promises.as_array()?;
        promises.iter().all(|promise| promise["amount"] == promise["settled"]).then_some(())
    });
    assert_eq!(client.json(&["ledger", "audit"])["balanced"], true);
    let program = program(&network);
    network.stop();
    assert!(!Path::new(&format!("/proc/{program}")).exists(), "it ended with its node");
    story.tell("all is settled and everything stopped");
}

/// Has the client registered, with money, and sees the service on the market.
fn prepare(client: &Node) {
    client.json(&["identity", "register"]);
    client.until("the client is registered", SOON, &["status"], |status| {
        (status["identity"]["registered"] == true).then_some(())
    });
    client.json(&["wallet", "deposit", "5"]);
    client.until("the deposit is in the account", SOON, &["wallet", "balance"], |balance| {
        (!amount(&balance["account"]).is_zero()).then_some(())
    });
    client.until("the service is on the market", SOON, &["offer", "list", "--service", SERVICE], |offers| {
        let [offer] = &offers.as_array()?[..] else { return None };
        assert_eq!(offer["service_name"], SERVICE);
        assert_eq!(offer["service"], Service::of_name(SERVICE).unwrap().to_string());
        assert_eq!(offer["prices"][0]["amount"], PRICE);
        Some(())
    });
}

/// Adds the example to what the provider sells, and takes everything else away.
fn plug_in(network: &Network) {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/http-fetch/http_fetch.py");
    let file = network.path("provider.toml");
    let config = std::fs::read_to_string(&file).unwrap().replace("services = [\"socks\"]", "services = []");
    let command = json!(["python3", example, "--allow", "127.0.0.0/8", "--port", "0"]);
    let section = format!(
        "[[provider.plugged]]\nservice = \"{SERVICE}\"\nprice_per_mb = \"{PRICE}\"\ncommand = {command}\n\
         environment = {{ NOTE = \"from the configuration\" }}\n\
         [metrics]\nlisten = \"127.0.0.1:0\"\n"
    );
    write(&file, &(config + &section));
}

/// Asks the service for something, as any program would.
fn fetch(listen: &str, request: &Value) -> (Value, Vec<u8>) {
    let mut stream = TcpStream::connect(listen).unwrap();
    stream.write_all(format!("{request}\n").as_bytes()).unwrap();
    let (mut reader, mut head, mut content) = (BufReader::new(stream), String::new(), Vec::new());
    reader.read_line(&mut head).unwrap();
    // What is cut ends with an error, and what came before it is kept.
    let _ = reader.read_to_end(&mut content);
    (serde_json::from_str(&head).unwrap_or_else(|error| panic!("{head:?}: {error}")), content)
}

/// A payment request of the provider's, paid by the client.
fn links(client: &Node, provider: &Node) {
    let asked = provider.json(&["wallet", "request", "0.25", "--note", "Invoice 271", "--within", "1h"]);
    let link = asked["link"].as_str().unwrap();
    assert_eq!(client.json(&["wallet", "pay", link, "--show"])["note"], "Invoice 271");
    let cut = client.failure(&["wallet", "pay", &link[..link.len() - 3]]);
    assert!(cut.contains("cut or mistyped"), "{cut}");
    let pay = ["wallet", "pay", link, "--wait", "--idempotency-key", "invoice-271"];
    let paid = client.json(&pay);
    assert_eq!((&paid["stage"], &paid["amount"]), (&json!("final"), &json!("0.25")));
    assert_eq!(client.json(&pay)["transaction_id"], paid["transaction_id"], "once");
    let refusal = client.failure(&["wallet", "request", "1", "--note", "Inv\u{43e}ice"]);
    assert!(refusal.contains("printable ASCII"), "{refusal}");
}

/// Somebody has the token of a sub-account, and what is in its budget is all they get.
fn resold(network: &Network, client: &Node, web: &WebServer) {
    const BUDGET: &str = "0.004";
    let created = client.json(&["account", "create", "shop", "--limit", BUDGET, "--per", "never"]);
    let token = created["token"].as_str().unwrap();
    let ask = |method: &str, params: Value| call_as(client, token, method, &params);
    assert!(ask("wallet_balance", json!({})).unwrap_err().contains("not_allowed"));
    let opened = ask("service_open", json!({"service": SERVICE})).unwrap();
    let listen = opened["access"]["listen"].as_str().unwrap();
    // More than the budget pays for: 2 MB, and what is paid ahead of them.
    let url = format!("http://{}/bytes/20000000", web.address());
    let (_, content) = fetch(listen, &json!({ "url": url }));
    assert!(content.len() < 20_000_000, "{} bytes came", content.len());
    let spent = client.until("the budget is used up", SOON, &["account", "list"], |accounts| {
        let spent = amount(&accounts[0]["spent"]);
        let nearly: Amount = "0.0039".parse().unwrap();
        (spent >= nearly).then_some(spent)
    });
    assert!(spent <= amount(&json!(BUDGET)), "{spent}");
    assert_eq!(ask("session_list", json!({})).unwrap().as_array().unwrap().len(), 1, "its own alone");
    assert_eq!(network.provider_node.json(&["account", "list"]), json!([]));
    client.json(&["account", "revoke", "shop"]);
    assert!(ask("sub_account_show", json!({})).unwrap_err().contains("bad_token"));
}

/// What a scraper is told.
fn figures(network: &Network) {
    let text = std::fs::read_to_string(network.path("provider.log")).unwrap();
    let at = text.lines().find_map(|line| line.split_once("metrics http://")).expect("it says where").1;
    let mut stream = TcpStream::connect(at.trim().trim_end_matches("/metrics")).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    for line in ["byway_service_failures{service=\"http-fetch\"} 1", "byway_service_running{service=\"http-fetch\"} 1"]
    {
        assert!(answer.contains(line), "{line} is missing in {answer}");
    }
    let served = answer.lines().find_map(|line| line.strip_prefix("byway_session_cost_microway{side=\"served\"} "));
    assert!(served.expect("it is there").parse::<u64>().unwrap() >= 6_000, "{answer}");
}

/// What the proxy answers meanwhile.
fn of_proxy(network: &Network) -> Option<u8> {
    let mut stream = TcpStream::connect(network.proxy).unwrap();
    stream.write_all(&[5, 1, 0]).unwrap();
    stream.read_exact(&mut [0; 2]).unwrap();
    stream.write_all(&[5, 1, 0, 1, 127, 0, 0, 1, 0, 80]).unwrap();
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).ok().map(|()| answer[1])
}

fn find<'a>(sessions: &'a Value, id: &Value) -> Option<&'a Value> {
    sessions.as_array()?.iter().find(|session| session["id"] == *id)
}

/// The program's process id: the only one that has the service's socket in its environment.
fn program(network: &Network) -> u32 {
    let mark = format!("BYWAY_SOCKET={}", network.path("provider").display());
    let processes =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut found = processes.filter(|process: &u32| {
        let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry.starts_with(mark.as_bytes()))
    });
    found.next().expect("it runs")
}

/// Kills the program under its session, and looks how that ends and what its environment was.
fn killed(network: &Network, client: &Node, session: &Value) {
    let process = program(network);
    let environment = std::fs::read_to_string(format!("/proc/{process}/environ")).unwrap();
    let mut names: Vec<&str> = environment.split('\0').filter_map(|entry| Some(entry.split_once('=')?.0)).collect();
    names.sort_unstable();
    assert_eq!(names, ["BYWAY_SERVICE", "BYWAY_SOCKET", "HOME", "LANG", "NOTE", "PATH"], "nothing of the node's");
    let status = std::process::Command::new("kill").args(["-KILL", &process.to_string()]).status().unwrap();
    assert!(status.success());
    let reason = client.until("the session has ended", SOON, &["session", "list"], |sessions| {
        let ended = find(sessions, session)?;
        ended["ended_ms"].is_u64().then(|| ended["reason"]["code"].clone())
    });
    assert_eq!(reason, "service_failed");
    network.provider_node.until("the program is back", SOON, &["service", "list"], |list| {
        let program = &list["sold"][0];
        (program["state"] == "running" && program["restarts"] == 1).then_some(())
    });
}

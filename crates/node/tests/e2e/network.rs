//! Seven kernel nodes, a relay, a provider and a client as separate processes, killed one after the other while data
//! flows.

use std::io::Write;
use std::net::{TcpStream, UdpSocket};

use byway_primitives::Amount;
use serde_json::Value;

use super::harness::byway::{Node, amount, sum};
use super::harness::download::Download;
use super::harness::network::{BANDWIDTH_BPS, Network, PRICE, Reach};
use super::harness::web::{ContentHash, WebServer};
use super::harness::{SOON, Story, turn};

/// What is downloaded.
const LENGTH: u64 = 210_000_000;
/// Speed while processes are killed, so that the download outlasts it.
const SLOW: u64 = 6_000_000;
/// Data flows when this much more has come.
const FLOW: u64 = 3_000_000;
/// What the client pays into its account, in three parts.
const DEPOSITED: &str = "7";
/// The widest credit window of these offers: `2 × rate × (round trip + commits)` with the 100 ms and 20 ms that both sides
/// assume. The ceiling in coin is wider.
const WINDOW_BYTES: u64 = 2 * (BANDWIDTH_BPS / 8) * 120 / 1000;
const GARBAGE: [&[u8]; 3] = [b"GET / HTTP/1.1\r\n\r\n", &[0; 64], &[0xff; 1500]];

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

    send_garbage(&network);
    download.flows(FLOW, "after garbage on every socket");
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
    download.stalls("while the relay is down");
    network.relay.start_ready();
    download.flows(FLOW, "after the relay was killed");
    story.tell("the relay was killed and started again, data flows");

    web.set_rate(u64::MAX);
    let carried = finish(&story, &network, &web, download);
    let books = Books::close(&story, &network, carried);
    books.check(&network);
    network.stop();
    story.tell("the books are right and everything stopped");
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
    network.kernel_catches_up();
    story.tell("all kernel nodes have caught up");
}

/// Bytes that mean nothing, on every socket that strangers can reach.
fn send_garbage(network: &Network) {
    for port in network.strangers_tcp_ports() {
        for garbage in GARBAGE {
            let mut stream = TcpStream::connect(port).unwrap();
            // The other side may end it at any byte.
            let _ = stream.write_all(garbage);
        }
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for port in network.link_ports() {
        for garbage in GARBAGE {
            socket.send_to(garbage, port).unwrap();
        }
    }
}

/// Waits for the end of the download and ends the session; gives the bytes that the program sent and got.
fn finish(story: &Story, network: &Network, web: &WebServer, download: Download) -> u64 {
    let cuts = download.cuts();
    let counters = download.counters();
    let hash = download.finish();
    assert_eq!(hash, ContentHash::expected(LENGTH), "what arrived is what was sent");
    assert!(cuts > 0 && web.ranged() > 0, "cut downloads were taken up by Range");
    story.tell(format!("the download is complete after {cuts} cuts and its hash is right"));
    network.client_node.json(&["disconnect"]);
    counters.carried()
}

/// What everybody says in the end.
#[derive(Debug)]
struct Books {
    /// Bytes that the program behind the client's proxy sent and got, of every attempt.
    carried: u64,
    /// Bytes that the client has acknowledged, and what they cost by its own reckoning.
    acknowledged: u64,
    cost: Amount,
    /// What the provider's final bills come to.
    billed: Amount,
    /// What the ledger took from the client's account, and gave to the provider's.
    paid: Amount,
    received: Amount,
}

impl Books {
    fn close(story: &Story, network: &Network, carried: u64) -> Self {
        let (client, provider) = (&network.client_node, &network.provider_node);
        let sessions = client.until("all sessions have ended", SOON, &["session", "list"], |sessions| {
            let sessions = sessions.as_array().unwrap();
            sessions.iter().all(|session| session["ended_ms"].is_u64()).then(|| sessions.clone())
        });
        provider.json(&["promise", "settle"]);
        let promised = client.until("all promises are settled", SOON, &["promise", "list"], |promises| {
            let promises = promises.as_array().unwrap();
            assert_eq!(promises.len(), 1, "one provider, one serial");
            (promises[0]["amount"] == promises[0]["settled"]).then(|| amount(&promises[0]["amount"]))
        });
        let account = |node: &Node| amount(&node.json(&["wallet", "balance"])["account"]);
        let paid = DEPOSITED.parse::<Amount>().unwrap().checked_sub(account(client)).unwrap();
        assert_eq!(paid, promised, "what is settled is what was promised");
        let received = provider.until("the provider sees what it was paid", SOON, &["wallet", "balance"], |balance| {
            Some(amount(&balance["account"])).filter(|account| !account.is_zero())
        });
        let price: Amount = PRICE.parse().unwrap();
        let bytes = |session: &Value| session["bytes_up"].as_u64().unwrap() + session["bytes_down"].as_u64().unwrap();
        for session in &sessions {
            let cost = Amount::cost_of_bytes(price, bytes(session)).unwrap();
            assert_eq!(amount(&session["cost"]), cost, "acknowledged bytes times the price: {session}");
        }
        let books = Self {
            carried,
            acknowledged: sessions.iter().map(bytes).sum(),
            cost: sum(sessions.iter().map(|session| amount(&session["cost"]))),
            billed: sum(sessions.iter().map(|session| final_bill(network, session))),
            paid,
            received,
        };
        story.tell(format!("{} sessions, settled; {books:?}", sessions.len()));
        books
    }

    fn check(&self, network: &Network) {
        let price: Amount = PRICE.parse().unwrap();
        let cost_of = |bytes| Amount::cost_of_bytes(price, bytes).unwrap();
        let plus = |a: Amount, b: Amount| a.checked_add(b).unwrap();
        let window = cost_of(WINDOW_BYTES);

        // Billed within 0.1 % of what was acknowledged, and never more.
        assert!(self.billed <= self.cost, "over-billed");
        assert!(plus(self.billed, per_mille(self.cost)) >= self.cost, "billed too little");

        // What the client paid and did not get: what it was ahead when the last session ended, which stays its credit.
        assert!(self.cost <= self.paid && self.paid <= plus(self.cost, window), "the client's loss");
        // What the program got and the provider was not paid for.
        assert!(cost_of(self.carried) <= plus(self.paid, window), "the provider's loss");
        // What got lost between the client's acknowledgement and the program, or the other way round.
        assert!(self.carried.abs_diff(self.acknowledged) <= WINDOW_BYTES, "lost around crashes");

        // The ledger gave the provider what it took from the client, but for the fee, rounded down at each settlement.
        let least = self.paid.saturating_sub(per_mille(self.paid));
        let settlements_max = Amount::from_units(100);
        assert!(least <= self.received && self.received <= plus(least, settlements_max), "the settlement fee is 0.1 %");
        for node in [&network.client_node, &network.provider_node] {
            assert_eq!(node.json(&["ledger", "audit"])["balanced"], true);
        }
        for process in [&network.client, &network.provider] {
            let log = process.log_text();
            let accusation = log.lines().find(|line| ACCUSATIONS.iter().any(|words| line.contains(words)));
            assert_eq!(accusation, None, "among the honest nobody accuses anyone ({})", process.name);
        }
    }
}

/// What would be said of somebody who cheats, or of damage.
const ACCUSATIONS: [&str; 6] =
    ["lied", "bill is wrong", "breaks the rules", "bounced", "malformed message", "is damaged"];

/// The cost in the provider's last word on a session, from its log.
fn final_bill(network: &Network, session: &Value) -> Amount {
    let log = network.provider.log_text();
    let id = format!("session={}", session["id"].as_str().unwrap());
    let line = log.lines().rfind(|line| line.contains("session ended") && line.contains(&id));
    let line = line.unwrap_or_else(|| panic!("the provider has not ended {id}"));
    line.rsplit_once("cost=").unwrap().1.trim().parse().unwrap()
}

fn per_mille(amount: Amount) -> Amount {
    Amount::from_units(amount.units() / 1000)
}

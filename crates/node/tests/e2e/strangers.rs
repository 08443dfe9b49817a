//! Peers that keep to no rules, and a host whose clock was set back: each is told what was wrong or harms nobody, nothing
//! is lost, and among the honest everything goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use byway_access::service::SocksAnswer;
use byway_access::session::{Accepted, Metering, ResponseId, SessionId, Sides, StopReason, Tariff, Traffic, Usage};
use byway_access::{ServiceKind, SessionMessage, Socks};
use byway_crypto::IdentitySecret;
use byway_dialogue::payment::{Advice, BackingKind, PaymentMessage, Refusal, Terms};
use byway_dialogue::{ClosedBecause, ProtocolId};
use byway_driver::clock::Clock;
use byway_driver::socks::{Host, Target};
use byway_node::peer_node::PeerNode;
use byway_primitives::{Amount, AssetId, Encode, Hash, IdentityId, NetworkId, Span, Time};
use byway_records::{OfferId, Promise, SignedPromise};

use super::harness::byway::{Node, amount};
use super::harness::download::Download;
use super::harness::network::{BANDWIDTH_BPS, Network, PRICE};
use super::harness::stranger::{Heard, Stranger, settings_of};
use super::harness::web::{ContentHash, WebServer};
use super::harness::{SOON, Story, local, turn};

/// What an honest program downloads each time.
const LENGTH: u64 = 5_000_000;
/// The widest credit window of these offers: `2 × rate × (round trip + commits)`.
const WINDOW_BYTES: u64 = 2 * (BANDWIDTH_BPS / 8) * 120 / 1000;
/// How often a user tries to connect before giving up.
const CONNECTS_MAX: usize = 20;
/// More than a year: certificates made under such a clock were over long ago.
const SET_BACK: Span = Span::days(400);

#[test]
fn who_keeps_to_no_rules_is_told_and_harms_nobody() {
    let _turn = turn();
    let story = Story::begin("strangers");
    let mut network = Network::make();
    network.start();
    network.prepare_client("5");
    let web = WebServer::start();
    download(&network, &web);
    story.tell("an honest client has downloaded and promised");

    let offer = network.client_node.json(&["offer", "list"])[0]["offer_id"].as_str().unwrap().parse().unwrap();
    network.client_node.json(&["disconnect"]);
    assert!(network.client.interrupt().success());
    hostile_client(&story, &network, &web, offer);
    network.client.start_ready();
    download(&network, &web);
    story.tell("the honest client goes on under the same identity");

    network.client_node.json(&["disconnect"]);
    assert!(network.provider.interrupt().success());
    hostile_provider(&story, &network);
    network.provider.start_ready();
    download(&network, &web);
    story.tell("the honest provider goes on under the same identity");

    network.client_node.json(&["disconnect"]);
    assert!(network.client.interrupt().success());
    clock_set_back(&story, &network, &web);
    network.client.start_ready();

    network.provider_node.json(&["promise", "settle"]);
    let settled = network.client_node.until("all promises are settled", SOON, &["promise", "list"], |promises| {
        let [promise] = &promises.as_array()?[..] else { return None };
        (promise["amount"] == promise["settled"]).then(|| amount(&promise["amount"]))
    });
    let sessions = network.client_node.json(&["session", "list"]);
    let used = sessions.as_array().unwrap().iter().map(|session| amount(&session["cost"]));
    let used = Amount::checked_sum(used).unwrap();
    let window = cost(WINDOW_BYTES);
    assert!(used <= settled && settled <= used.checked_add(window).unwrap(), "{settled} paid for {used}");
    for node in [&network.client_node, &network.provider_node] {
        assert_eq!(node.json(&["ledger", "audit"])["balanced"], true);
    }
    network.stop();
    story.tell("the books are right and everything stopped");
}

/// Somebody has the client's keys and another program.
fn hostile_client(story: &Story, network: &Network, web: &WebServer, offer: OfferId) {
    let [provider_at, client_at] = network.link_ports();
    let provider = settings_of(network, "provider");
    let mut stranger = Stranger::listen(settings_of(network, "client"), client_at, provider.identity.id());
    stranger.reach(&provider, provider_at);
    let (copy, remainder) = stranger.until("advice with a copy", |heard| match said_of_payment(heard)? {
        PaymentMessage::Advice(Advice { copy: Some(copy), remainder, .. }) => Some((*copy, *remainder)),
        _ => None,
    });
    let before = promised_to(&network.provider_node);
    assert_eq!(before, copy.promise.amount);

    let session = open_session(&mut stranger, offer);
    refused_promises(&mut stranger, copy, &provider.identity.id());
    assert_eq!(promised_to(&network.provider_node), before, "nothing of it counts");
    story.tell("six bad promises were refused, each with its reason");

    // It goes on without a word of what it received, until what was paid before is used up.
    let read = use_up(&stranger, session, web);
    stranger.until("the session is paused", |heard| {
        matches!(heard, Heard::Session(SessionMessage::Pause { .. })).then_some(())
    });
    let most = remainder.bytes_bought(PRICE.parse().unwrap()) + WINDOW_BYTES;
    assert!(read.load(Ordering::SeqCst) <= most, "no more than was paid for, and a window");
    stranger.say(ProtocolId::PAYMENT, vec![0xff; 100]);
    // The link goes with the dialogue, perhaps before the word of it.
    stranger.until("the dialogue is closed", |heard| match heard {
        Heard::Closed(ClosedBecause::There(_)) | Heard::LinkDown => Some(()),
        Heard::Closed(reason) => panic!("closed because {reason}"),
        _ => None,
    });
    assert!(read.load(Ordering::SeqCst) <= most);
    stranger.leave();
    network.provider_node.until("the session has ended", SOON, &["session", "list"], |sessions| {
        sessions.as_array()?.iter().all(|session| session["ended_ms"].is_u64()).then_some(())
    });
    story.tell("a client that did not pay was paused, one that talked nonsense was left");
}

fn open_session(stranger: &mut Stranger, offer: OfferId) -> SessionId {
    let (response, data) = (ResponseId(7), Socks { connections_max: 8 }.request_data(ResponseId(7)));
    let tariff = Tariff::per_mb(PRICE.parse().unwrap());
    stranger.say_of_session(&SessionMessage::Open { offer, response, tariff, data });
    let session = stranger.until("a session", |heard| match heard {
        Heard::Session(SessionMessage::Accepted(accepted)) => Some(accepted.session),
        _ => None,
    });
    stranger.say_of_session(&SessionMessage::ChannelUp { session });
    session
}

fn refused_promises(stranger: &mut Stranger, copy: SignedPromise, provider: &IdentityId) {
    let secret = stranger.settings.identity.clone();
    let last = copy.promise;
    let somebody = IdentitySecret::from_bytes(&[9; 32]).unwrap();
    let more = last.amount.checked_add(Amount::from_units(1)).unwrap();
    let less = last.amount.checked_sub(Amount::from_units(1)).unwrap();
    assert_eq!(last.series.payee, *provider);
    let raised = Promise { amount: more, ..last };
    let old = Promise { serial: last.serial - 1, ..raised };
    let elsewhere = Promise { network: NetworkId(Hash([1; 32])), ..raised };
    let mut to_another = raised;
    to_another.series.payee = somebody.id();
    for (label, promise, expected) in [
        ("signed by another", raised.sign(&somebody), Refusal::Signature),
        ("signature of a lower amount", SignedPromise { promise: raised, ..copy }, Refusal::Signature),
        ("lower", Promise { amount: less, ..last }.sign(&secret), Refusal::NotHigher { last: last.amount }),
        ("old serial", old.sign(&secret), Refusal::SerialOld { last: last.serial }),
        ("another network", elsewhere.sign(&secret), Refusal::WrongNetwork),
        ("another payee", to_another.sign(&secret), Refusal::WrongParties),
    ] {
        stranger.pay(&PaymentMessage::Offer(promise));
        let reason = stranger.until(label, |heard| match said_of_payment(heard)? {
            PaymentMessage::Refused { reason, .. } => Some(*reason),
            PaymentMessage::Accepted { .. } => panic!("{label} was accepted"),
            _ => None,
        });
        assert_eq!(reason, expected, "{label}");
    }
}

/// Downloads without acknowledging; gives the counter of what came.
fn use_up(stranger: &Stranger, session: SessionId, web: &WebServer) -> Arc<AtomicU64> {
    let target = Target::new(Host::Ip(web.address().ip()), web.address().port());
    let (mut send, mut recv) = stranger.stream(session, target);
    let read = Arc::new(AtomicU64::new(0));
    let count = read.clone();
    stranger.spawn(async move {
        send.write_all(b"GET /bytes/100000000 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut buffer = vec![0; 65536];
        while let Ok(Some(length)) = recv.read(&mut buffer).await {
            count.fetch_add(length as u64, Ordering::SeqCst);
        }
        drop(send);
    });
    read
}

/// Somebody has the provider's keys and bills what was never used.
fn hostile_provider(story: &Story, network: &Network) {
    let [provider_at, _] = network.link_ports();
    let client = settings_of(network, "client").identity.id();
    let mut stranger = Stranger::listen(settings_of(network, "provider"), provider_at, client);
    let before = promised_to(&network.client_node);
    let sides = Sides { client, provider: stranger.settings.identity.id() };
    let (user, is_over) = (network.client_node.clone(), AtomicBool::new(false));
    let mut forgotten = None;
    let (session, reason) = std::thread::scope(|scope| {
        // A user who asks again when it fails: the first time may show only that the old dialogue is gone.
        scope.spawn(|| {
            for _ in 0..CONNECTS_MAX {
                if !is_over.load(Ordering::SeqCst) {
                    let _ = user.run(&["connect"]);
                }
            }
        });
        let left = stranger
            .until_answered("the client leaves", |stranger, heard| answer(stranger, sides, &mut forgotten, heard));
        is_over.store(true, Ordering::SeqCst);
        // Nobody answers any more, so that the last attempt comes to an end.
        stranger.leave();
        left
    });
    assert_eq!(reason, StopReason::OverBilled);
    network.client_node.until("the client says why", SOON, &["session", "list"], |sessions| {
        let of_stranger = sessions.as_array()?.iter().find(|listed| listed["id"] == session.to_string().as_str())?;
        (of_stranger["reason"]["code"] == "over_billed").then_some(())
    });
    // One that the provider has forgotten is over with its word, and was there all the same.
    let forgotten = forgotten.expect("the first one was").to_string();
    let sessions = network.client_node.json(&["session", "list"]);
    let listed = sessions.as_array().unwrap().iter().find(|listed| listed["id"] == forgotten.as_str());
    assert_eq!(listed.unwrap_or_else(|| panic!("{sessions}"))["reason"]["code"], "unknown_session");
    let after = promised_to(&network.client_node);
    assert!(after <= before.checked_add(cost(WINDOW_BYTES)).unwrap(), "{after} promised after {before}");
    story.tell("a provider that over-bills was left with a window at most");
}

/// What a provider answers that forgets the first session, and over-bills those after it; the session that the client leaves,
/// and its reason.
fn answer(
    stranger: &mut Stranger,
    sides: Sides,
    forgotten: &mut Option<SessionId>,
    heard: &Heard,
) -> Option<(SessionId, StopReason)> {
    match heard {
        Heard::Talking => {
            let terms = Terms {
                asset: AssetId::WAY,
                amount_min: Amount::ZERO,
                backing: BackingKind::Account,
                update: true,
                room: Amount::from_coins(1),
            };
            let advice = Advice { remainder: Amount::ZERO, terms, copy: None, settling: None };
            stranger.pay(&PaymentMessage::Advice(advice));
        }
        Heard::Payment(message) => {
            if let PaymentMessage::Offer(SignedPromise { promise, .. }) = **message {
                stranger.pay(&PaymentMessage::Accepted { serial: promise.serial, amount: promise.amount });
            }
        }
        Heard::Session(SessionMessage::Open { response, .. }) => {
            let data = SocksAnswer { connections_max: 8 }.to_bytes();
            let (response, asked) = (*response, Time(1));
            let session = SessionId::of(sides, response, asked);
            let accepted = Accepted { response, session, asked, free: 0, data };
            stranger.say_of_session(&SessionMessage::Accepted(accepted));
        }
        Heard::Session(SessionMessage::ChannelUp { session }) if forgotten.is_none() => {
            *forgotten = Some(*session);
            let reason = StopReason::UnknownSession;
            stranger.say_of_session(&SessionMessage::Stop { session: *session, reason });
        }
        Heard::Session(SessionMessage::ChannelUp { session }) => {
            let session = *session;
            let (billed, duration) = (Usage::from(Traffic::new(0, 1_000_000)), Span::seconds(1));
            let bill = Metering { session, cost: cost(1_000_000), billed, received_up: 0, duration };
            stranger.say_of_session(&SessionMessage::Metering(bill));
        }
        Heard::Session(SessionMessage::Stop { session, reason }) if Some(*session) != *forgotten => {
            return Some((*session, *reason));
        }
        _ => {}
    }
    None
}

/// The client's host loses more than a year while the node is down, and an hour more while it runs.
fn clock_set_back(story: &Story, network: &Network, web: &WebServer) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let behind = Arc::new(AtomicU64::new(SET_BACK.0));
    let wall = behind.clone();
    let clock = Clock::over(Time::ZERO, move || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        Time(now.saturating_sub(wall.load(Ordering::SeqCst)))
    });
    let settings = settings_of(network, "client");
    let (node, proxy) = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(local(0)).await.unwrap();
        let proxy = listener.local_addr().unwrap();
        (PeerNode::start_at(settings, Some(listener), clock).await.unwrap(), proxy)
    });
    let before = promised_to(&network.provider_node);
    for set_back in [Span::ZERO, Span(3_600_000)] {
        behind.fetch_add(set_back.0, Ordering::SeqCst);
        let hash = Download::start(proxy, web.address(), LENGTH).finish();
        assert_eq!(hash, ContentHash::expected(LENGTH));
    }
    runtime.block_on(node.stop());
    assert!(promised_to(&network.provider_node) >= before.checked_add(cost(LENGTH)).unwrap(), "it was paid for");
    story.tell("a node on a host whose clock was set back browses and pays");
}

fn download(network: &Network, web: &WebServer) {
    network.client_node.until("there is a way out", SOON, &["connect"], |_| Some(()));
    let hash = Download::start(network.proxy, web.address(), LENGTH).finish();
    assert_eq!(hash, ContentHash::expected(LENGTH));
}

fn said_of_payment(heard: &Heard) -> Option<&PaymentMessage> {
    match heard {
        Heard::Payment(message) => Some(message),
        _ => None,
    }
}

/// What stands in the one promise that a node knows of.
fn promised_to(node: &Node) -> Amount {
    let promises = node.json(&["promise", "list"]);
    let [promise] = &promises.as_array().unwrap()[..] else { panic!("one promise: {promises}") };
    amount(&promise["amount"])
}

fn cost(bytes: u64) -> Amount {
    Amount::cost_of_bytes(PRICE.parse().unwrap(), bytes).unwrap()
}

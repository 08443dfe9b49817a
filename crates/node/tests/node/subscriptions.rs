//! Subscriptions: state first, then changes, thinned out; a reader that stalls holds nobody up.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use byway_node::api::event::{EVENTS_BUFFERED, WalletChange};
use byway_node::api::*;
use byway_node::rpc::outbox::Outbox;
use byway_node::rpc::surface::Interest;
use byway_primitives::{Amount, Hash, Time};
use byway_records::TransactionId;
use serde_json::{Value, json};

use super::fake::{Fake, session, status};
use super::wire::Socket;

async fn subscribe(socket: &mut Socket, topics: &[&str]) -> Value {
    let params = json!({"topics": topics});
    socket.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "subscribe", "params": params}).to_string()).await;
    socket.next_text().await
}

/// Reads events until one satisfies `wanted`.
async fn until(socket: &mut Socket, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let message = socket.next_text().await;
        assert_eq!(message["method"], "event", "{message}");
        if wanted(&message["params"]) {
            return message["params"].clone();
        }
    }
}

#[tokio::test]
async fn the_state_as_of_now_comes_first_and_then_what_changes() {
    let served = Fake::new().serve().await;
    let mut socket = Socket::authorised(served.port).await;
    let all = ["status", "session", "offers", "wallet", "promise", "pulse"];
    let answer = subscribe(&mut socket, &all).await;
    let subscription = answer["result"].as_str().unwrap().to_owned();
    let mut seen = BTreeSet::new();
    while seen.len() < all.len() {
        let event = until(&mut socket, |_| true).await;
        assert_eq!(event["subscription"], subscription);
        if event["topic"] == "session" {
            assert_eq!(event["data"]["id"], "a1", "only open sessions");
        }
        seen.insert(event["topic"].as_str().unwrap().to_owned());
    }
    served.fake.publish(Event::Session(session("a1", SessionState::Closed, 6)));
    let event = until(&mut socket, |event| event["data"]["state"] == "closed").await;
    assert_eq!(event["topic"], "session");

    let params = json!({"subscription": subscription});
    socket.send(&json!({"jsonrpc": "2.0", "id": 2, "method": "unsubscribe", "params": params}).to_string()).await;
    loop {
        let message = socket.next_text().await;
        if message["id"] == 2 {
            assert_eq!(message["result"], json!({}));
            break;
        }
    }
    served.fake.publish(Event::Session(session("a2", SessionState::Active, 6)));
    socket.send(r#"{"jsonrpc":"2.0","id":3,"method":"wallet_address"}"#).await;
    assert_eq!(socket.next_text().await["id"], 3, "no event after unsubscribe");
}

#[tokio::test]
async fn subscriptions_are_checked_and_bounded() {
    let served = Fake::new().serve().await;
    let mut socket = Socket::authorised(served.port).await;
    for (params, field) in [
        (json!({}), "topics"),
        (json!({"topics": []}), "topics"),
        (json!({"topics": ["weather"]}), "topics"),
        (json!({"topics": ["pulse"], "x": 1}), "x"),
    ] {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "subscribe", "params": params});
        socket.send(&body.to_string()).await;
        assert_eq!(socket.next_text().await["error"]["data"], json!({"code": "invalid_params", "field": field}));
    }
    socket.send(r#"{"jsonrpc":"2.0","id":1,"method":"unsubscribe","params":{"subscription":"9"}}"#).await;
    assert_eq!(socket.next_text().await["error"]["data"]["field"], "subscription");
    let mut answers = Vec::new();
    for _ in 0..9 {
        socket.send(r#"{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"topics":["pulse"]}}"#).await;
    }
    while answers.len() < 9 {
        let message = socket.next_text().await;
        answers.extend((message["id"] == 1).then_some(message));
    }
    assert_eq!(answers[8]["error"]["data"]["code"], "busy");
}

/// A reader that stalls while far more happens than any buffer holds learns the newest state in the end.
#[tokio::test]
async fn a_slow_reader_loses_only_steps_in_between() {
    let served = Fake::new().serve().await;
    let mut socket = Socket::authorised(served.port).await;
    subscribe(&mut socket, &["session"]).await;
    for step in 0..EVENTS_BUFFERED as u64 * 4 {
        served.fake.publish(Event::Session(session("s", SessionState::Active, step)));
    }
    served.fake.publish(Event::Session(session("s", SessionState::Closed, 9_999)));
    let last = until(&mut socket, |event| event["data"]["id"] == "s" && event["data"]["state"] == "closed").await;
    assert_eq!(last["data"]["bytes_down"], 9_999);
}

fn outbox() -> Outbox {
    let mut outbox = Outbox::new(everything());
    outbox.prime([]);
    outbox
}

fn push(outbox: &mut Outbox, event: Event) {
    outbox.push(Arc::new(event));
}

/// What leaves at `now`, as JSON.
fn leaving(outbox: &mut Outbox, now: Instant) -> Vec<Value> {
    std::iter::from_fn(|| outbox.pop(now)).map(|event| json!(*event)).collect()
}

#[test]
fn the_newest_of_each_leaves_at_the_topics_pace_and_a_change_of_state_at_once() {
    let (mut outbox, start) = (outbox(), Instant::now());
    let later = |millis| start + Duration::from_millis(millis);
    push(&mut outbox, Event::Session(session("a", SessionState::Active, 1)));
    push(&mut outbox, Event::Session(session("a", SessionState::Active, 2)));
    push(&mut outbox, Event::Session(session("b", SessionState::Active, 3)));
    let first: Vec<_> = leaving(&mut outbox, start).iter().map(|event| event["bytes_down"].clone()).collect();
    assert_eq!(first, [json!(2), json!(3)]);

    push(&mut outbox, Event::Session(session("a", SessionState::Active, 4)));
    assert_eq!((leaving(&mut outbox, later(999)).len(), outbox.wake_at(later(999))), (0, Some(later(1000))));
    assert_eq!(leaving(&mut outbox, later(1000)).len(), 1);
    push(&mut outbox, Event::Session(session("a", SessionState::Paused, 5)));
    assert_eq!(leaving(&mut outbox, later(1001)).len(), 1);

    push(&mut outbox, Event::Status(Box::new(status(ConnectionState::Idle))));
    assert_eq!(leaving(&mut outbox, later(1001)).len(), 1);
    push(&mut outbox, Event::Status(Box::new(status(ConnectionState::Idle))));
    assert_eq!(leaving(&mut outbox, later(1002)).len(), 0);
    push(&mut outbox, Event::Status(Box::new(status(ConnectionState::Connecting))));
    assert_eq!(leaving(&mut outbox, later(1003)).len(), 1);
    assert_eq!(outbox.wake_at(later(1003)), None);
}

#[test]
fn nothing_leaves_before_the_state_as_of_now_is_known() {
    let (mut outbox, now) = (Outbox::new(everything()), Instant::now());
    push(&mut outbox, Event::Session(session("a", SessionState::Closed, 2)));
    assert_eq!((leaving(&mut outbox, now).len(), outbox.wake_at(now)), (0, None));
    outbox.prime([Event::Session(session("a", SessionState::Active, 1))]);
    let left = leaving(&mut outbox, now);
    assert_eq!((left.len(), &left[0]["state"]), (1, &json!("closed")), "the event is at least as new");
}

#[test]
fn wallet_events_are_joined() {
    let (mut outbox, now) = (outbox(), Instant::now());
    let entry = |byte: u8, stage| Entry {
        transaction_id: TransactionId(Hash([byte; 32])),
        time_ms: Time(1),
        kind: EntryKind::Send,
        amount: Amount::from_coins(1),
        asset: None,
        fee: Amount::ZERO,
        counterparty: None,
        stage,
        reason: None,
    };
    let change = |coins, entries| {
        Event::Wallet(WalletChange {
            balance: Balance { wallet: Amount::from_coins(coins), ..Balance::default() },
            entries,
        })
    };
    push(&mut outbox, change(3, vec![entry(1, Stage::Sent), entry(2, Stage::Sent)]));
    push(&mut outbox, change(2, vec![entry(1, Stage::Final)]));
    let left = leaving(&mut outbox, now);
    assert_eq!((left.len(), &left[0]["balance"]["wallet"]), (1, &json!("2")));
    let stages: Vec<_> = left[0]["entries"].as_array().unwrap().iter().map(|entry| entry["stage"].clone()).collect();
    assert_eq!(stages, [json!("final"), json!("sent")]);
}

pub fn everything() -> Interest {
    Interest { topics: Topic::ALL.into(), ..Interest::default() }
}

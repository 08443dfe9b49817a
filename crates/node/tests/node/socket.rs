//! The WebSocket: who gets in, how it ends, what it does with what it should not be sent.

use serde_json::json;
use tokio::sync::Notify;

use super::fake::{Fake, TOKEN};
use super::wire::{Frame, Socket};

fn call(id: u64, method: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method}).to_string()
}

#[tokio::test]
async fn who_gets_in() {
    let served = Fake::new().serve().await;
    let port = served.port;
    let good = format!("byway.v1, byway.token.{TOKEN}");
    for (protocols, headers, expected) in [
        (good.clone(), vec![], Ok(None)),
        (format!("byway.token.{TOKEN},byway.v1"), vec!["Origin: http://localhost:7070"], Ok(None)),
        ("byway.v1".to_owned(), vec![], Ok(Some(Frame::Close(4401)))),
        ("byway.v1, byway.token.00".to_owned(), vec![], Ok(Some(Frame::Close(4401)))),
        (format!("byway.v1, byway.token.{}", TOKEN.replace('0', "1")), vec![], Ok(Some(Frame::Close(4401)))),
        (format!("byway.token.{TOKEN}"), vec![], Err(400)),
        (good.clone(), vec!["Origin: https://evil.example"], Err(403)),
        (good.clone(), vec!["Host: evil.example"], Err(403)),
        (good, vec!["Origin: null"], Err(403)),
    ] {
        let opened = Socket::open(port, &protocols, &headers).await;
        match (opened, expected) {
            (Ok(mut socket), Ok(close)) => {
                if close.is_none() {
                    socket.send(&call(7, "wallet_address")).await;
                    assert_eq!(socket.next_text().await["result"]["address"], "way00");
                } else {
                    assert_eq!(socket.next().await, close, "{protocols}");
                }
            }
            (Err(status), Err(expected)) => assert_eq!(status, expected, "{headers:?}"),
            (opened, expected) => panic!("{protocols} {headers:?}: {:?} is not {expected:?}", opened.err()),
        }
    }
}

#[tokio::test]
async fn what_should_not_be_sent_ends_it_or_is_answered() {
    let served = Fake::new().serve().await;
    let port = served.port;
    let mut socket = Socket::authorised(port).await;
    for (text, number) in [("{", -32700), ("[]", -32600), ("7", -32600)] {
        socket.send(text).await;
        assert_eq!(socket.next_text().await["error"]["code"], number);
    }
    socket.send_frame(2, b"binary").await.unwrap();
    assert_eq!(socket.next().await, Some(Frame::Close(1003)));

    let mut socket = Socket::authorised(port).await;
    // Its length alone is too much, so that none of it need be sent.
    socket.send_raw(&[&[0x81, 0xff][..], &((1u64 << 20) + 1).to_be_bytes(), &[0; 4]].concat()).await;
    assert_eq!(socket.next().await, Some(Frame::Close(1009)));

    // Not frames at all: a reserved opcode, and an unmasked frame.
    for garbage in [&[0x8f, 0x80, 0, 0, 0, 0][..], &[0x81, 0x01, b'x']] {
        let mut socket = Socket::authorised(port).await;
        socket.send_raw(garbage).await;
        assert!(!matches!(socket.next().await, Some(Frame::Text(_))));
    }
    // And whoever behaves is still served.
    let mut socket = Socket::authorised(port).await;
    socket.send(&call(1, "wallet_address")).await;
    assert_eq!(socket.next_text().await["id"], 1);
}

#[tokio::test]
async fn connections_are_bounded_and_a_freed_place_is_given_again() {
    let served = Fake::new().serve().await;
    let port = served.port;
    let mut sockets = Vec::new();
    for number in 0..16 {
        let mut socket = Socket::authorised(port).await;
        socket.send(&call(number, "wallet_address")).await;
        socket.next_text().await;
        sockets.push(socket);
    }
    assert_eq!(Socket::authorised(port).await.next().await, Some(Frame::Close(4429)));
    let mut freed = sockets.pop().unwrap();
    freed.send_frame(8, &1000u16.to_be_bytes()).await.unwrap();
    while freed.next().await.is_some() {}
    // The place comes free a moment after the stream's end is seen, so ask until it is there.
    loop {
        let mut socket = Socket::authorised(port).await;
        socket.send(&call(1, "wallet_address")).await;
        if matches!(socket.next().await, Some(Frame::Text(_))) {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn calls_in_flight_are_bounded_and_others_overtake_them() {
    let served = Fake { gate: Some(Notify::new()), ..Fake::new() }.serve().await;
    let mut socket = Socket::authorised(served.port).await;
    for number in 0..33 {
        let params = json!({"amount": "1", "idempotency_key": format!("k{number}")});
        socket
            .send(&json!({"jsonrpc": "2.0", "id": number, "method": "wallet_deposit", "params": params}).to_string())
            .await;
    }
    let refused = socket.next_text().await;
    assert_eq!((refused["id"].clone(), refused["error"]["code"].clone()), (json!(32), json!(1002)));
    for _ in 0..32 {
        served.fake.gate.as_ref().unwrap().notify_one();
        assert_eq!(socket.next_text().await["result"]["kind"], "deposit");
    }
}

#[tokio::test]
async fn a_stopping_node_says_so() {
    let served = Fake::new().serve().await;
    let mut socket = Socket::authorised(served.port).await;
    socket.send(&call(1, "wallet_address")).await;
    socket.next_text().await;
    served.stop.send(true).unwrap();
    assert_eq!(socket.next().await, Some(Frame::Close(1001)));
}

//! Clients: those who ask.

use std::time::Duration;

use bytes::Bytes;
use byway_driver::mesh::{
    ClientId, ClientLimits, CloseReason, ConnectError, Limits, MeshClient, MeshEvent, Payload, Prologue, RequestError,
    SendError,
};
use byway_primitives::{Hash, NetworkId};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::raw::{CLIENT, PUSH, REPLY, Raw};
use super::{Node, PROLOGUE, STUCK, bytes, key, mesh};

async fn connect_as(node: &Node, prologue: &Prologue) -> Result<(MeshClient, mpsc::Receiver<Bytes>), ConnectError> {
    let address = node.handle.local_address().to_string();
    MeshClient::connect(&address, key(0), prologue, &[9; 32], &Limits::default()).await
}

async fn one(limits: Limits) -> Node {
    mesh(1, limits).await.0.remove(0)
}

impl Node {
    pub(super) async fn asked(&mut self) -> (ClientId, u64, Payload) {
        self.until(|event| match event {
            MeshEvent::ClientFrame { client, request_id, bytes, .. } => Some((client, request_id, bytes)),
            _ => None,
        })
        .await
    }

    async fn client_down(&mut self) -> ClientId {
        self.until(|event| match event {
            MeshEvent::ClientDown(client) => Some(client),
            _ => None,
        })
        .await
    }
}

#[tokio::test]
async fn requests_are_answered_each_with_its_own_reply() {
    let mut node = one(Limits::default()).await;
    let (client, _pushes) = connect_as(&node, &PROLOGUE).await.expect("connects");
    let ask = |text: &'static str| {
        let client = client.clone();
        tokio::spawn(async move { client.request(bytes(text), STUCK).await })
    };
    let (first, second) = (ask("first"), ask("second"));
    let (a, b) = (node.asked().await, node.asked().await);
    // In the other order.
    for (id, request_id, asked) in [b, a] {
        let reply = Bytes::from([b"re: ", &asked[..]].concat());
        node.handle.reply(id, request_id, reply.clone()).expect("it waits");
        assert_eq!(node.handle.reply(id, request_id, reply), Err(SendError::NotAsked));
    }
    assert_eq!(first.await.expect("no panic"), Ok(bytes("re: first")));
    assert_eq!(second.await.expect("no panic"), Ok(bytes("re: second")));
    let too_long = client.request(Bytes::from(vec![0; 9 << 20]), STUCK).await;
    assert!(matches!(too_long, Err(RequestError::TooLong { .. })), "{too_long:?}");
    let unanswered = client.request(bytes("third"), Duration::from_millis(1)).await;
    assert_eq!(unanswered, Err(RequestError::TimedOut));
}

#[tokio::test]
async fn a_client_is_told_things_until_it_goes() {
    let mut node = one(Limits::default()).await;
    let (client, mut pushes) = connect_as(&node, &PROLOGUE).await.expect("connects");
    let asking = client.clone();
    let request = tokio::spawn(async move { asking.request(bytes("subscribe"), STUCK).await });
    let (id, request_id, _) = node.asked().await;
    for i in 0..100u8 {
        node.handle.push(id, Bytes::from(vec![i])).expect("connected");
    }
    node.handle.reply(id, request_id, bytes("done")).expect("it waits");
    for i in 0..100u8 {
        assert_eq!(pushes.recv().await, Some(Bytes::from(vec![i])));
    }
    assert_eq!(request.await.expect("no panic"), Ok(bytes("done")));
    drop(client);
    assert_eq!(node.client_down().await, id);
    assert_eq!(node.handle.push(id, bytes("late")), Err(SendError::NotConnected));
    assert_eq!(pushes.recv().await, None);
}

#[tokio::test]
async fn a_client_that_is_closed_knows() {
    let mut node = one(Limits::default()).await;
    let (client, _pushes) = connect_as(&node, &PROLOGUE).await.expect("connects");
    let asking = client.clone();
    let request = tokio::spawn(async move { asking.request(bytes("hello"), STUCK).await });
    let (id, ..) = node.asked().await;
    node.handle.close_client(id);
    assert_eq!(request.await.expect("no panic"), Err(RequestError::Closed(CloseReason::Ended)));
    assert_eq!(client.closed().await, CloseReason::Ended);
    assert_eq!(client.request(bytes("again"), STUCK).await, Err(RequestError::Closed(CloseReason::Ended)));
    assert_eq!(node.client_down().await, id);
}

#[tokio::test]
async fn a_node_that_stops_ends_its_clients() {
    let mut node = one(Limits::default()).await;
    let (client, _pushes) = connect_as(&node, &PROLOGUE).await.expect("connects");
    node.handle.shutdown();
    while node.events.recv().await.is_some() {}
    assert_eq!(client.closed().await, CloseReason::Ended);
}

#[tokio::test]
async fn who_disagrees_is_told_about_what() {
    let node = one(Limits::default()).await;
    let other_network = Prologue { network: NetworkId(Hash([6; 32])), ..PROLOGUE };
    let error = connect_as(&node, &other_network).await.expect_err("another network");
    assert!(matches!(error, ConnectError::OtherNetwork), "{error}");
    let other_protocol = Prologue { protocol: "other", ..PROLOGUE };
    let error = connect_as(&node, &other_protocol).await.expect_err("another protocol");
    assert!(matches!(error, ConnectError::OtherNetwork), "{error}");
    let newer = Prologue { version: 4, ..PROLOGUE };
    let error = connect_as(&node, &newer).await.expect_err("another version");
    assert!(matches!(error, ConnectError::OtherVersion { ours: 4, theirs: 3 }), "{error}");

    let address = node.handle.local_address().to_string();
    let connect = |address: String, server| async move {
        MeshClient::connect(&address, server, &PROLOGUE, &[9; 32], &Limits::default()).await.expect_err("no node")
    };
    let error = connect(address, key(3)).await;
    assert!(matches!(error, ConnectError::OtherKey), "{error}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let elsewhere = listener.local_addr().expect("an address").to_string();
    let garbage = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("writes");
        super::raw::until_closed(&mut stream).await;
        listener
    });
    let error = connect(elsewhere.clone(), key(0)).await;
    assert!(matches!(error, ConnectError::NotByway), "{error}");
    drop(garbage.await.expect("no panic"));
    let error = connect(elsewhere.clone(), key(0)).await;
    assert!(matches!(&error, ConnectError::Unreachable { address, .. } if *address == elsewhere), "{error}");

    let counters = node.handle.counters();
    let refused = (counters.refused_other_network, counters.refused_other_version, counters.refused_other_key);
    assert_eq!(refused, (2, 1, 1));
}

#[tokio::test]
async fn there_is_room_for_so_many_clients() {
    for (count_max, per_address_max) in [(2, 9), (9, 2)] {
        let clients = ClientLimits { count_max, per_address_max, ..ClientLimits::default() };
        let mut node = one(Limits { clients, ..Limits::default() }).await;
        let address = node.handle.local_address().to_string();
        let connect = |seed: u8| {
            let address = address.clone();
            async move { MeshClient::connect(&address, key(0), &PROLOGUE, &[seed; 32], &Limits::default()).await }
        };
        let (first, _a) = connect(1).await.expect("room");
        let (_second, _b) = connect(2).await.expect("room");
        let error = connect(3).await.expect_err("no room");
        assert!(matches!(error, ConnectError::Full), "{error}");
        assert_eq!(node.handle.counters().refused_full, 1);
        // One that goes makes room.
        let asking = first.clone();
        let asked = tokio::spawn(async move { asking.request(bytes("x"), STUCK).await });
        let (id, request_id, _) = node.asked().await;
        node.handle.reply(id, request_id, bytes("y")).expect("it waits");
        asked.await.expect("no panic").expect("a reply");
        drop(first);
        assert_eq!(node.client_down().await, id);
        connect(4).await.expect("room again");
    }
}

#[tokio::test]
async fn a_client_has_so_many_requests_open() {
    let clients = ClientLimits { in_flight_max: 2, ..ClientLimits::default() };
    let mut node = one(Limits { clients, ..Limits::default() }).await;
    let address = node.handle.local_address().to_string();
    let mut raw = Raw::connect(&address, &[99; 32], key(0), CLIENT).await;
    for id in 0..20 {
        raw.request(id, b"x").await;
    }
    let mut open = vec![node.asked().await, node.asked().await];
    for id in 0..20 {
        assert!(node.events.try_recv().is_err(), "a third open request");
        let (client, request_id, _) = open.remove(0);
        assert_eq!(request_id, id);
        node.handle.push(client, bytes("news")).expect("connected");
        node.handle.reply(client, request_id, bytes("y")).expect("it waits");
        assert_eq!(raw.next().await, Some((PUSH, b"news".to_vec())));
        assert_eq!(raw.next().await, Some((REPLY, [&id.to_be_bytes()[..], b"y"].concat())));
        if id + 2 < 20 {
            open.push(node.asked().await);
        }
    }
}

#[tokio::test]
async fn a_client_that_asks_fast_is_slowed_down_and_served() {
    let clients = ClientLimits { rate_max: 1000, burst_max: 2, in_flight_max: 1000, ..ClientLimits::default() };
    let mut node = one(Limits { clients, ..Limits::default() }).await;
    let address = node.handle.local_address().to_string();
    let mut raw = Raw::connect(&address, &[99; 32], key(0), CLIENT).await;
    for id in 0..50 {
        raw.request(id, b"x").await;
    }
    for id in 0..50 {
        assert_eq!(node.asked().await.1, id);
    }
}

#[tokio::test]
async fn a_client_that_does_not_take_what_it_is_told_is_let_go() {
    let mut node = one(Limits { outgoing_bytes_max: 1 << 20, ..Limits::default() }).await;
    let address = node.handle.local_address().to_string();
    let mut raw = Raw::connect(&address, &[99; 32], key(0), CLIENT).await;
    raw.request(1, b"subscribe").await;
    let (id, ..) = node.asked().await;
    let news = Bytes::from(vec![1; 100_000]);
    let error = loop {
        if let Err(error) = node.handle.push(id, news.clone()) {
            break error;
        }
        // The socket takes some megabytes before it is full.
        tokio::task::yield_now().await;
    };
    assert_eq!(error, SendError::TooSlow);
    assert_eq!(node.client_down().await, id);
    assert_eq!(node.handle.counters().closed_slow, 1);
    raw.closed().await;
}

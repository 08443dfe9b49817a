//! Those who send nonsense, too much, too little, or nothing at all. Each is closed and counted, and the others don't
//! notice.

use std::time::Duration;

use bytes::Bytes;
use byway_driver::mesh::{CloseReason, FRAME_MAX, Limits, Member, MeshClient, MeshCounters, MeshEvent, SendError};
use byway_primitives::hash::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::raw::{self, CLIENT, CONFIRM, DATA, KEEP_ALIVE, MEMBER, PUSH, REQUEST, Raw, until_closed};
use super::{Node, PROLOGUE, STUCK, bytes, key, secret, sockets};

/// Member 0 runs; member 1 is played by the test, which keeps the socket so that member 0 can dial without meeting
/// anyone.
async fn target(limits: Limits) -> (Node, Vec<Member>, tokio::net::TcpListener) {
    let (mut listeners, mut members) = sockets(2).await;
    let own = listeners.remove(0);
    // An address where nobody answers at all would make member 0 wait for its own attempt.
    members[1].address = "127.0.0.1:1".to_owned();
    (Node::spawn(0, &members, limits, own), members, listeners.remove(0))
}

async fn down(node: &mut Node) -> CloseReason {
    node.until(|event| match event {
        MeshEvent::PeerDown { peer: 1, reason } => Some(reason),
        MeshEvent::PeerDown { .. } | MeshEvent::PeerUp(_) => None,
        other => panic!("{other:?} should not have come through"),
    })
    .await
}

/// An honest client still gets through.
async fn check_alive(node: &mut Node) {
    let address = node.handle.local_address().to_string();
    let limits = Limits::default();
    let (client, _pushes) =
        MeshClient::connect(&address, key(0), &PROLOGUE, &[8; 32], &limits).await.expect("connects");
    let request = tokio::spawn(async move { client.request(bytes("alive?"), STUCK).await });
    let (id, request_id) = node
        .until(|event| match event {
            MeshEvent::ClientFrame { client, request_id, bytes, .. } if bytes[..] == *b"alive?" => {
                Some((client, request_id))
            }
            _ => None,
        })
        .await;
    node.handle.reply(id, request_id, bytes("yes")).expect("it waits");
    assert_eq!(request.await.expect("no panic"), Ok(bytes("yes")));
}

#[tokio::test]
async fn a_member_that_sends_nonsense_is_disconnected() {
    const LONG: [u8; 5] = [0xff, 0xff, 0xff, 0xff, DATA];
    let malformed = |reason| CloseReason::Malformed(reason);
    let oversized = CloseReason::Oversized { length: u32::MAX as usize, limit: FRAME_MAX - 5 };
    let (mut node, members, _socket) = target(Limits::default()).await;
    for (plain, expected) in [
        (&[0, 0, 0, 0, DATA][..], malformed("an empty frame")),
        (&[0, 0, 0, 1, 99], malformed("a frame of an unknown kind")),
        (&[0, 0, 0, 1, CONFIRM], malformed("a frame that is not for members")),
        (&[0, 0, 0, 1, raw::REFUSE], malformed("a frame that is not for members")),
        (&[0, 0, 0, 9, REQUEST, 0, 0, 0, 0, 0, 0, 0, 1], malformed("a frame that is not for members")),
        (&LONG, oversized),
    ] {
        let mut raw = Raw::connect(&members[0].address, &secret(1), key(0), MEMBER).await;
        raw.send(plain).await;
        assert_eq!(down(&mut node).await, expected);
        raw.closed().await;
    }
    let counters = node.handle.counters();
    assert_eq!((counters.closed_malformed, counters.closed_oversized), (5, 1));
    check_alive(&mut node).await;
}

#[tokio::test]
async fn a_message_that_was_tampered_with_ends_the_connection() {
    let (mut node, members, _socket) = target(Limits::default()).await;
    let mut raw = Raw::connect(&members[0].address, &secret(1), key(0), MEMBER).await;
    raw.stream.write_all(&[&20u16.to_be_bytes()[..], &[7; 20]].concat()).await.expect("writes");
    assert_eq!(down(&mut node).await, CloseReason::Malformed("a message that doesn't decrypt"));
}

#[tokio::test]
async fn a_client_that_sends_nonsense_is_disconnected() {
    let (mut node, members, _socket) = target(Limits::default()).await;
    let id = 5u64.to_be_bytes();
    let twice = [&[0, 0, 0, 9, REQUEST][..], &id, &[0, 0, 0, 9, REQUEST], &id].concat();
    let long = (Limits::default().clients.request_max as u32 + 8 + 2).to_be_bytes();
    for plain in [&[0, 0, 0, 1, DATA][..], &[0, 0, 0, 1, PUSH], &[0, 0, 0, 3, REQUEST, 1, 2], &twice] {
        let mut raw = Raw::connect(&members[0].address, &[99; 32], key(0), CLIENT).await;
        raw.send(plain).await;
        raw.closed().await;
    }
    let mut raw = Raw::connect(&members[0].address, &[99; 32], key(0), CLIENT).await;
    raw.send(&[&long[..], &[REQUEST]].concat()).await;
    raw.closed().await;
    check_alive(&mut node).await;
    let counters = node.handle.counters();
    assert_eq!((counters.closed_malformed, counters.closed_oversized), (4, 1));
}

#[tokio::test]
async fn a_member_that_does_not_read_is_let_go() {
    let (mut node, members, _socket) = target(Limits { outgoing_bytes_max: 1 << 20, ..Limits::default() }).await;
    let raw = Raw::connect(&members[0].address, &secret(1), key(0), MEMBER).await;
    node.until_up(1).await;
    let frame = Bytes::from(vec![1; 100_000]);
    let error = loop {
        if let Err(error) = node.handle.send(1, frame.clone()) {
            break error;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(error, SendError::TooSlow);
    assert_eq!(down(&mut node).await, CloseReason::Slow);
    assert_eq!(node.handle.send(1, frame), Err(SendError::NotConnected));
    raw.closed().await;
}

#[tokio::test]
async fn a_member_that_falls_silent_is_taken_for_dead() {
    let limits = Limits { silence_max: Duration::from_millis(200), ..Limits::default() };
    let (mut node, members, _socket) = target(limits).await;
    let raw = Raw::connect(&members[0].address, &secret(1), key(0), MEMBER).await;
    assert_eq!(down(&mut node).await, CloseReason::Silent);
    assert_eq!(node.handle.counters().closed_silent, 1);
    raw.closed().await;
}

#[tokio::test]
async fn a_frame_must_come_to_an_end() {
    let limits = Limits { frame_time_max: Duration::from_millis(200), ..Limits::default() };
    let (mut node, members, _socket) = target(limits).await;
    let mut raw = Raw::connect(&members[0].address, &secret(1), key(0), MEMBER).await;
    raw.send(&[0, 0, 1, 0, DATA, 1, 2, 3]).await;
    // It never stops sending, but always too little.
    let trickle = async {
        loop {
            raw.send(&[4]).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        reason = down(&mut node) => assert_eq!(reason, CloseReason::Trickling),
        () = trickle => {}
    }
}

#[tokio::test]
async fn keep_alives_keep_alive() {
    let limits =
        Limits { silence_max: Duration::from_secs(60), keep_alive: Duration::from_millis(5), ..Limits::default() };
    let (mut node, members, _socket) = target(limits).await;
    let mut raw = Raw::connect(&members[0].address, &secret(1), key(0), MEMBER).await;
    node.until_up(1).await;
    // Some of them without a word from us, then one frame that shows that nothing was lost between.
    for _ in 0..5 {
        let length = raw.stream.read_u16().await.expect("a keep-alive");
        raw.stream.read_exact(&mut vec![0; length.into()]).await.expect("a keep-alive");
    }
    raw.frame(KEEP_ALIVE, &[]).await;
    raw.frame(DATA, b"still here").await;
    assert_eq!(node.frame(1).await, bytes("still here"));
}

#[tokio::test]
async fn a_replayed_opening_changes_nothing() {
    let limits = Limits { handshake_max: Duration::from_millis(300), ..Limits::default() };
    let (mut node, members, _socket) = target(limits).await;
    let mut honest = Raw::connect(&members[0].address, &secret(1), key(0), MEMBER).await;
    node.until_up(1).await;
    // Whoever recorded the first packet can send it again, but not go on.
    let (_, hello) = raw::hello(&secret(1), key(0));
    let mut replay = TcpStream::connect(&members[0].address).await.expect("connects");
    replay.write_all(&hello).await.expect("writes");
    assert!(!until_closed(&mut replay).await.is_empty(), "it is answered, and closed in time");
    assert_eq!(node.handle.counters().handshakes_timed_out, 1);
    honest.frame(DATA, b"as before").await;
    match node.next().await {
        MeshEvent::Frame { from: 1, bytes } => assert_eq!(bytes[..], *b"as before"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_does_not_say_as_what_it_comes_is_turned_away() {
    let (mut node, members, _socket) = target(Limits::default()).await;
    for role in [&[][..], &[2], &[MEMBER, MEMBER], &[255]] {
        let mut raw = Raw::half_open(&members[0].address, &secret(1), key(0)).await;
        raw.frame(CONFIRM, role).await;
        raw.closed().await;
    }
    check_alive(&mut node).await;
    let counters = node.handle.counters();
    assert_eq!((counters.handshakes_malformed, counters.peers_up, counters.clients_up), (4, 0, 1));
}

#[tokio::test]
async fn a_peer_with_a_new_process_takes_the_place_of_its_old_one() {
    let (mut node, members, _socket) = target(Limits::default()).await;
    let old = Raw::connect(&members[0].address, &secret(1), key(0), MEMBER).await;
    node.until_up(1).await;
    let mut new = Raw::connect(&members[0].address, &secret(1), key(0), MEMBER).await;
    assert_eq!(down(&mut node).await, CloseReason::Replaced);
    node.until_up(1).await;
    old.closed().await;
    new.frame(DATA, b"hello").await;
    assert_eq!(node.frame(1).await, bytes("hello"));
}

#[tokio::test]
async fn slow_openings_cannot_keep_others_out() {
    let limits = Limits { handshakes_max: 4, handshake_max: STUCK * 10, ..Limits::default() };
    let (mut node, members, _socket) = target(limits).await;
    let mut slow = Vec::new();
    for _ in 0..12 {
        let mut stream = TcpStream::connect(&members[0].address).await.expect("connects");
        stream.write_all(b"B").await.expect("writes");
        slow.push(stream);
    }
    check_alive(&mut node).await;
    // The oldest had to go, all but the three that are left beside the honest one's place.
    for stream in &mut slow[..8] {
        until_closed(stream).await;
    }
    assert!(node.handle.counters().handshakes_timed_out >= 8);
}

#[tokio::test]
async fn an_opening_takes_only_so_long() {
    let (mut node, members, _socket) =
        target(Limits { handshake_max: Duration::from_millis(200), ..Limits::default() }).await;
    let mut silent = TcpStream::connect(&members[0].address).await.expect("connects");
    assert!(until_closed(&mut silent).await.is_empty());
    let half = Raw::half_open(&members[0].address, &secret(1), key(0)).await;
    half.closed().await;
    assert_eq!(node.handle.counters().handshakes_timed_out, 2);
    assert!(node.events.try_recv().is_err(), "nobody was let in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_bytes_at_the_door_are_turned_away() {
    const NOISE: Context = Context("byway 1 test: random bytes");
    let (mut node, members, _socket) =
        target(Limits { handshake_max: Duration::from_millis(500), ..Limits::default() }).await;
    let (_, hello) = raw::hello(&[42; 32], key(0));
    for round in 0..96u32 {
        // Random from the start, or the beginning of something sound that then goes wrong.
        let sound = hello.len() * (round as usize % 8) / 7;
        let mut bytes = vec![0; 1 + round as usize * 41 % 3000];
        NOISE.expand(&[&round.to_be_bytes()], &mut bytes);
        let mut stream = TcpStream::connect(&members[0].address).await.expect("connects");
        let _ = stream.write_all(&[&hello[..sound], &bytes].concat()).await;
        let _ = stream.shutdown().await;
        until_closed(&mut stream).await;
    }
    check_alive(&mut node).await;
    let counters = node.handle.counters();
    assert_eq!((counters.accepted, counters.clients_up), (97, 1));
    assert_eq!(counters.peers_up, 0);
    assert_ne!(counters, MeshCounters::default());
}

//! Members among themselves.

use std::time::Duration;

use bytes::Bytes;
use byway_driver::mesh::{CloseReason, FRAME_MAX, Limits, MeshEvent, SendError};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::{Node, STUCK, bytes, listen, mesh, sockets, undisturbed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_members_meet_and_hear_each_other_in_order() {
    let (mut nodes, _) = mesh(4, Limits::default()).await;
    // Whoever is up is told so once; connections that lose to another of the same pair may come and go before.
    for a in 0..nodes.len() {
        for b in 0..nodes.len() {
            while a != b && !nodes[a].handle.connected().contains(&(b as u16)) {
                nodes[a].next().await;
            }
        }
    }
    for (index, node) in nodes.iter().enumerate() {
        assert_eq!(node.handle.send(index as u16, bytes("to myself")), Err(SendError::NotConnected));
    }
    // Connections settle: say hello until everyone has heard everyone.
    for from in 0..nodes.len() {
        for to in 0..nodes.len() {
            if from != to {
                converse(&mut nodes, from, to).await;
            }
        }
    }
    for i in 0..500u32 {
        assert_eq!(nodes[0].handle.broadcast(&Bytes::copy_from_slice(&i.to_be_bytes())), 3);
    }
    for node in &mut nodes[1..] {
        for i in 0..500u32 {
            assert_eq!(node.frame(0).await[..], i.to_be_bytes());
        }
    }
}

/// Gets one marked frame across between nodes that sit where their place in `nodes` says.
async fn converse(nodes: &mut [Node], from: usize, to: usize) {
    let [sender, receiver] = nodes.get_disjoint_mut([from, to]).expect("two of them");
    super::converse((sender, from as u16), (receiver, to as u16)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_both_dial_at_once_one_connection_stays() {
    for _ in 0..10 {
        let (mut nodes, _) = mesh(2, Limits::default()).await;
        converse(&mut nodes, 0, 1).await;
        converse(&mut nodes, 1, 0).await;
        // Now both use the same connection, so it stays: frames both ways, and nothing else happens.
        let [a, b] = nodes.get_disjoint_mut([0, 1]).expect("two of them");
        undisturbed((a, 0), (b, 1)).await;
        for node in &nodes {
            let counters = node.handle.counters();
            assert_eq!(counters.peers_up, counters.peers_down + 1, "{counters:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_up_to_the_limit_pass_whole() {
    let (mut nodes, _) = mesh(2, Limits::default()).await;
    converse(&mut nodes, 0, 1).await;
    let longest = FRAME_MAX - 5;
    for length in [0, 1, 65_514, 65_519, 65_520, 200_000, longest] {
        let frame: Bytes = (0..length).map(|i| (i * 7 + i / 251) as u8).collect();
        nodes[0].handle.send(1, frame.clone()).expect("connected");
        assert!(nodes[1].frame(0).await == frame, "{length} bytes");
    }
    let error = nodes[0].handle.send(1, Bytes::from(vec![0; longest + 1])).expect_err("too long");
    assert_eq!(error, SendError::TooLong { length: longest + 1, limit: longest });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_restarts_is_met_again() {
    let (mut listeners, members) = sockets(2).await;
    let second = listeners.pop().expect("two");
    let first = listeners.pop().expect("two");
    let a = Node::spawn(0, &members, Limits::default(), first);
    let b = Node::spawn(1, &members, Limits::default(), second);
    let mut nodes = vec![a, b];
    for round in 0..3 {
        converse(&mut nodes, 0, 1).await;
        let old = nodes.pop().expect("two");
        old.handle.shutdown();
        let mut events = old.events;
        while events.recv().await.is_some() {}
        assert!(old.handle.connected().is_empty(), "round {round}");
        let reason = nodes[0]
            .until(|event| match event {
                MeshEvent::PeerDown { peer: 1, reason } => Some(reason),
                _ => None,
            })
            .await;
        assert_eq!(reason, CloseReason::Ended);
        let listener = listen_again(&members[1].address).await;
        nodes.push(Node::spawn(1, &members, Limits::default(), listener));
    }
    converse(&mut nodes, 1, 0).await;
}

/// Listens where a node has listened before, as soon as nobody has that port: another test may have been given it meanwhile.
async fn listen_again(address: &str) -> TcpListener {
    let address = address.parse().expect("an address");
    let listening = async {
        loop {
            match listen(address).await {
                Ok(listener) => return listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    timeout(STUCK, listening).await.expect("the port is free again")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_sends_more_than_is_consumed_has_to_wait() {
    let (mut nodes, _) = mesh(2, Limits { incoming_bytes_max: FRAME_MAX, ..Limits::default() }).await;
    converse(&mut nodes, 0, 1).await;
    let frame = Bytes::from(vec![7; FRAME_MAX * 3 / 4]);
    for _ in 0..3 {
        nodes[0].handle.send(1, frame.clone()).expect("connected");
    }
    for _ in 0..3 {
        let kept = nodes[1]
            .until(|event| match event {
                MeshEvent::Frame { bytes, .. } => Some(bytes),
                _ => None,
            })
            .await;
        assert!(nodes[1].events.try_recv().is_err(), "a second one while the first is held");
        assert!(kept[..] == frame[..]);
    }
}

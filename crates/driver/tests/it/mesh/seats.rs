//! Member lists that change while the mesh runs.

use std::collections::BTreeMap;

use bytes::Bytes;
use byway_driver::mesh::{
    CloseReason, Limits, Member, MembersError, Mesh, MeshConfig, MeshError, MeshEvent, PeerIndex, SEATS_MAX, SendError,
};

use super::raw::{CLIENT, DATA, MEMBER, PUSH, REPLY, Raw};
use super::{Node, PROLOGUE, bytes, converse, key, listen, seats, secret, sockets, undisturbed};

/// The same member, where nobody answers.
fn unreachable(member: &Member) -> Option<Member> {
    Some(Member { address: "127.0.0.1:1".to_owned(), ..member.clone() })
}

impl Node {
    fn set(&self, members: Vec<Option<Member>>) {
        self.handle.set_members(members).expect("a sound list");
    }

    /// Waits until these are gone, in any order; gives why.
    async fn until_down<const N: usize>(&mut self, peers: [PeerIndex; N]) -> [CloseReason; N] {
        let mut reasons = BTreeMap::new();
        while !peers.iter().all(|peer| reasons.contains_key(peer)) {
            let down = self.until(|event| match event {
                MeshEvent::PeerDown { peer, reason } => Some((peer, reason)),
                _ => None,
            });
            reasons.extend([down.await]);
        }
        peers.map(|peer| reasons[&peer].clone())
    }
}

/// Two nodes that have met and settled, in seats 0 and 1, and a third socket and member.
async fn pair() -> ([Node; 2], Vec<Member>, tokio::net::TcpListener) {
    let (mut listeners, members) = sockets(3).await;
    let third = listeners.pop().expect("three");
    let mut spawn = |index| Node::spawn(index, &members[..2], Limits::default(), listeners.remove(0));
    let mut nodes = [spawn(0), spawn(1)];
    let [a, b] = &mut nodes;
    meet((a, 0), (b, 1)).await;
    (nodes, members, third)
}

/// Until both use the same connection, so that it stays.
async fn meet((a, seat_a): (&mut Node, PeerIndex), (b, seat_b): (&mut Node, PeerIndex)) {
    converse((a, seat_a), (b, seat_b)).await;
    converse((b, seat_b), (a, seat_a)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_joins_is_met_by_those_who_know_it() {
    let ([mut a, mut b], members, listener) = pair().await;
    let mut joining = Node::with_seats(2, seats(&members[..2]), Limits::default(), listener);
    Raw::refused(&members[0].address, &secret(2), key(0)).await;
    assert!(joining.handle.connected().is_empty());

    a.set(seats(&members));
    meet((&mut a, 0), (&mut joining, 2)).await;
    Raw::refused(&members[1].address, &secret(2), key(1)).await;
    assert_eq!(joining.handle.connected(), [0]);
    b.set(seats(&members));
    meet((&mut b, 1), (&mut joining, 2)).await;

    // That it has a seat itself now is nothing to anyone's connection.
    joining.set(seats(&members));
    undisturbed((&mut a, 0), (&mut joining, 2)).await;
    undisturbed((&mut b, 1), (&mut joining, 2)).await;
    undisturbed((&mut a, 0), (&mut b, 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_leaves_is_let_go_and_the_others_stay() {
    let ([mut a, mut b], members, listener) = pair().await;
    a.set(seats(&members));
    b.set(seats(&members));
    let mut leaving = Node::spawn(2, &members, Limits::default(), listener);
    meet((&mut a, 0), (&mut leaving, 2)).await;
    meet((&mut b, 1), (&mut leaving, 2)).await;

    // A shorter list and a hole are the same.
    a.set(seats(&members[..2]));
    b.set([seats(&members[..2]), vec![None]].concat());
    assert_eq!(a.until_down([2]).await, [CloseReason::NoMember]);
    assert_eq!(b.until_down([2]).await, [CloseReason::NoMember]);
    assert_eq!(leaving.until_down([0, 1]).await, [CloseReason::Ended, CloseReason::Ended]);
    Raw::refused(&members[0].address, &secret(2), key(0)).await;
    assert_eq!(a.handle.send(2, bytes("too late")), Err(SendError::NotConnected));
    undisturbed((&mut a, 0), (&mut b, 1)).await;
    assert!(leaving.handle.connected().is_empty());

    // It may come back, also without knowing of its seat.
    leaving.set(seats(&members[..2]));
    a.set(seats(&members));
    meet((&mut a, 0), (&mut leaving, 2)).await;
    undisturbed((&mut a, 0), (&mut b, 1)).await;
}

#[tokio::test]
async fn a_seat_with_another_key_is_another_node() {
    let ([mut a, mut old], members, listener) = pair().await;
    let (with_old, with_new) = (seats(&members[..2]), vec![Some(members[0].clone()), Some(members[2].clone())]);
    let mut new = Node::with_seats(2, with_new.clone(), Limits::default(), listener);
    a.set(with_new);
    // From this moment on, and whatever was queued or connected.
    assert_eq!(a.handle.send(1, bytes("for the new one")), Err(SendError::NotConnected));
    assert_eq!(a.until_down([1]).await, [CloseReason::NoMember]);
    meet((&mut a, 0), (&mut new, 1)).await;
    assert_eq!(old.until_down([0]).await, [CloseReason::Ended]);
    Raw::refused(&members[0].address, &secret(1), key(0)).await;
    undisturbed((&mut a, 0), (&mut new, 1)).await;

    a.set(with_old);
    assert_eq!(a.until_down([1]).await, [CloseReason::NoMember]);
    meet((&mut a, 0), (&mut old, 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_with_another_address_is_dialled_there() {
    let (mut listeners, members) = sockets(2).await;
    let (here, gone) = (seats(&members), vec![Some(members[0].clone()), unreachable(&members[1])]);
    let mut a = Node::with_seats(0, gone.clone(), Limits::default(), listeners.remove(0));
    // This one can't dial either, so whatever comes about was dialled by the first.
    let elsewhere = vec![unreachable(&members[0]), Some(members[1].clone())];
    let mut b = Node::with_seats(1, elsewhere, Limits::default(), listeners.remove(0));
    for _ in 0..2 {
        a.set(here.clone());
        meet((&mut a, 0), (&mut b, 1)).await;
        a.set(gone.clone());
        assert_eq!(a.until_down([1]).await, [CloseReason::NoMember]);
        assert_eq!(b.until_down([0]).await, [CloseReason::Ended]);
        assert!(a.handle.connected().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_own_seat_may_move_come_and_go() {
    let ([mut a, mut b], members, listener) = pair().await;
    let moved = vec![Some(members[2].clone()), Some(members[1].clone()), Some(members[0].clone())];
    let mut third = Node::with_seats(2, moved.clone(), Limits::default(), listener);
    // Where the own seat was is somebody else now, as with a key that was changed elsewhere.
    a.set(moved.clone());
    meet((&mut a, 2), (&mut third, 0)).await;
    a.set(moved[..2].to_vec());
    a.set(vec![moved[0].clone(), moved[1].clone(), None, unreachable(&members[0])]);
    undisturbed((&mut a, 2), (&mut third, 0)).await;
    undisturbed((&mut a, 0), (&mut b, 1)).await;
    // And where a peer sat is the own seat.
    a.set(vec![moved[0].clone(), Some(members[0].clone())]);
    assert_eq!(a.until_down([1]).await, [CloseReason::NoMember]);
    assert_eq!(b.until_down([0]).await, [CloseReason::Ended]);
    undisturbed((&mut a, 2), (&mut third, 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hole_is_nobody() {
    let (mut listeners, members) = sockets(2).await;
    let list = vec![Some(members[0].clone()), None, Some(members[1].clone())];
    let mut a = Node::with_seats(0, list.clone(), Limits::default(), listeners.remove(0));
    let mut b = Node::with_seats(1, list, Limits::default(), listeners.remove(0));
    meet((&mut a, 0), (&mut b, 2)).await;
    for nobody in [0, 1, 3, SEATS_MAX as PeerIndex, PeerIndex::MAX] {
        assert_eq!(a.handle.send(nobody, bytes("anyone?")), Err(SendError::NotConnected), "seat {nobody}");
    }
    assert_eq!(a.handle.connected(), [2]);
    assert_eq!(a.handle.broadcast(&bytes("all")), 1);
    assert_eq!(b.frame(0).await, bytes("all"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_both_dial_without_a_seat_of_their_own_one_connection_stays() {
    for _ in 0..10 {
        let (mut listeners, members) = sockets(2).await;
        let last = SEATS_MAX as PeerIndex - 1;
        let only_a = [vec![None; SEATS_MAX - 1], vec![Some(members[0].clone())]].concat();
        let only_b = vec![Some(members[1].clone())];
        let mut a = Node::with_seats(0, only_b, Limits::default(), listeners.remove(0));
        let mut b = Node::with_seats(1, only_a, Limits::default(), listeners.remove(0));
        meet((&mut a, last), (&mut b, 0)).await;
        undisturbed((&mut a, last), (&mut b, 0)).await;
        for node in [&a, &b] {
            let counters = node.handle.counters();
            assert_eq!(counters.peers_up, counters.peers_down + 1, "{counters:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_stay_in_order_while_other_seats_change() {
    const ROUNDS: u32 = 50;
    const FRAMES: u32 = 20;
    let ([mut a, mut b], members, listener) = pair().await;
    let _third = Node::spawn(2, &members, Limits::default(), listener);
    let two = seats(&members[..2]);
    let far = unreachable(&Member { key: key(7), ..members[2].clone() });
    let lists = [
        seats(&members),
        two.clone(),
        [two.clone(), vec![None, Some(members[2].clone())]].concat(),
        [two.clone(), vec![None, None, far]].concat(),
        [two, vec![None; SEATS_MAX - 2]].concat(),
    ];
    let send = |nodes: [(&Node, PeerIndex); 2], number: u32| {
        for (node, peer) in nodes {
            let frame = Bytes::copy_from_slice(&number.to_be_bytes());
            node.handle.send(peer, frame).expect("connected all the time");
        }
    };
    for i in 0..ROUNDS {
        // Some are on their way when the lists change.
        (0..FRAMES / 2).for_each(|k| send([(&a, 1), (&b, 0)], i * FRAMES + k));
        let list = &lists[i as usize % lists.len()];
        a.set(list.clone());
        b.set(list.clone());
        (FRAMES / 2..FRAMES).for_each(|k| send([(&a, 1), (&b, 0)], i * FRAMES + k));
        for (node, peer) in [(&mut a, 1), (&mut b, 0)] {
            for k in 0..FRAMES {
                assert_eq!(untouched_frame(node, peer).await[..], (i * FRAMES + k).to_be_bytes());
            }
        }
    }
}

/// The next frame from `peer`, which neither comes nor goes before.
async fn untouched_frame(node: &mut Node, peer: PeerIndex) -> Bytes {
    let frame = node.until(|event| match event {
        MeshEvent::Frame { from, bytes } if from == peer => Some(bytes.into_bytes()),
        MeshEvent::PeerUp(who) | MeshEvent::PeerDown { peer: who, .. } => {
            assert_ne!(who, peer, "it was touched");
            None
        }
        _ => None,
    });
    frame.await
}

#[tokio::test]
async fn a_client_that_becomes_a_member_is_both() {
    let (mut listeners, members) = sockets(2).await;
    let mut node = Node::spawn(0, &members[..1], Limits::default(), listeners.remove(0));
    let address = &members[0].address;
    let mut client = Raw::connect(address, &secret(1), key(0), CLIENT).await;
    client.request(1, b"news?").await;
    let (id, request_id, _) = node.asked().await;
    Raw::refused(address, &secret(1), key(0)).await;

    node.set(vec![Some(members[0].clone()), unreachable(&members[1])]);
    let mut peer = Raw::connect(address, &secret(1), key(0), MEMBER).await;
    node.until_up(1).await;
    node.handle.push(id, bytes("news")).expect("still a client");
    assert_eq!(client.next().await, Some((PUSH, b"news".to_vec())));
    peer.frame(DATA, b"to a peer").await;
    assert_eq!(node.frame(1).await, bytes("to a peer"));
    node.handle.send(1, bytes("from a peer")).expect("a member as well");
    assert_eq!(peer.next().await, Some((DATA, b"from a peer".to_vec())));

    node.set(seats(&members[..1]));
    assert_eq!(node.until_down([1]).await, [CloseReason::NoMember]);
    peer.closed().await;
    node.handle.reply(id, request_id, bytes("done")).expect("still a client");
    assert_eq!(client.next().await, Some((REPLY, [&1u64.to_be_bytes()[..], b"done"].concat())));
    assert_eq!(node.handle.counters().clients_down, 0);
}

#[tokio::test]
async fn a_seat_that_is_given_away_and_back_is_met_anew() {
    let ([mut a, mut b], members, _listener) = pair().await;
    a.set(seats(&members[..1]));
    a.set(seats(&members[..2]));
    assert_eq!(a.handle.send(1, bytes("too soon")), Err(SendError::NotConnected));
    assert_eq!(a.until_down([1]).await, [CloseReason::NoMember]);
    meet((&mut a, 0), (&mut b, 1)).await;
}

#[tokio::test]
async fn a_list_that_cannot_be_changes_nothing() {
    let ([mut a, mut b], members, listener) = pair().await;
    let too_long = vec![None; SEATS_MAX + 1];
    let twice = vec![None, Some(members[2].clone()), unreachable(&members[2])];
    for (list, expected) in [
        (too_long.clone(), MembersError::TooManySeats(SEATS_MAX + 1)),
        (twice, MembersError::SameKey { first: 1, second: 2 }),
    ] {
        assert_eq!(a.handle.set_members(list), Err(expected));
        undisturbed((&mut a, 0), (&mut b, 1)).await;
    }
    let config = MeshConfig { members: too_long, secret: secret(2), prologue: PROLOGUE, limits: Limits::default() };
    let error = Mesh::spawn(config, listener).expect_err("too long to begin with");
    assert!(matches!(error, MeshError::Members(MembersError::TooManySeats(_))), "{error}");
    let error = listen(members[1].address.parse().expect("an address")).await.expect_err("the port is taken");
    assert!(error.to_string().contains(&members[1].address), "{error}");
}

//! The mesh over real sockets: members, clients, and those who mean harm.

mod clients;
mod hostile;
mod members;
mod raw;
mod seats;

use std::time::Duration;

use bytes::Bytes;
use byway_crypto::noise::StaticKey;
use byway_driver::mesh::{Limits, Member, Mesh, MeshConfig, MeshEvent, MeshHandle, PeerIndex, Prologue, listen};
use byway_primitives::{Hash, NetworkId};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

const PROLOGUE: Prologue = Prologue { protocol: "test", version: 3, network: NetworkId(Hash([5; 32])) };

/// Ends a test that waits for what doesn't come; nothing is expected to take nearly as long.
const STUCK: Duration = Duration::from_secs(60);

fn secret(index: usize) -> [u8; 32] {
    [index as u8 + 1; 32]
}

fn key(index: usize) -> StaticKey {
    StaticKey::of(&secret(index))
}

/// Sockets for `count` members, and the member list.
async fn sockets(count: usize) -> (Vec<TcpListener>, Vec<Member>) {
    let mut listeners = Vec::new();
    let mut members = Vec::new();
    for index in 0..count {
        let listener = listen(([127, 0, 0, 1], 0).into()).await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        members.push(Member { key: key(index), address });
        listeners.push(listener);
    }
    (listeners, members)
}

/// A list without holes.
fn seats(members: &[Member]) -> Vec<Option<Member>> {
    members.iter().cloned().map(Some).collect()
}

struct Node {
    handle: MeshHandle,
    events: mpsc::Receiver<MeshEvent>,
}

impl Node {
    fn spawn(index: usize, members: &[Member], limits: Limits, listener: TcpListener) -> Self {
        Self::with_seats(index, seats(members), limits, listener)
    }

    /// The index says only which secret it has.
    fn with_seats(index: usize, members: Vec<Option<Member>>, limits: Limits, listener: TcpListener) -> Self {
        let config = MeshConfig { members, secret: secret(index), prologue: PROLOGUE, limits };
        let (handle, events) = Mesh::spawn(config, listener).expect("a mesh");
        Self { handle, events }
    }

    async fn next(&mut self) -> MeshEvent {
        timeout(STUCK, self.events.recv()).await.expect("an event comes").expect("the mesh runs")
    }

    /// Waits for an event that `pick` takes; others are skipped.
    async fn until<T>(&mut self, mut pick: impl FnMut(MeshEvent) -> Option<T>) -> T {
        loop {
            if let Some(found) = pick(self.next().await) {
                return found;
            }
        }
    }

    async fn until_up(&mut self, peer: PeerIndex) {
        self.until(|event| matches!(event, MeshEvent::PeerUp(p) if p == peer).then_some(())).await;
    }

    /// The next frame from `peer`, past whatever else happens.
    async fn frame(&mut self, peer: PeerIndex) -> Bytes {
        self.until(|event| match event {
            MeshEvent::Frame { from, bytes } if from == peer => Some(bytes.into_bytes()),
            _ => None,
        })
        .await
    }
}

/// A whole mesh of `count`.
async fn mesh(count: usize, limits: Limits) -> (Vec<Node>, Vec<Member>) {
    let (listeners, members) = sockets(count).await;
    let nodes = listeners
        .into_iter()
        .enumerate()
        .map(|(index, listener)| Node::spawn(index, &members, limits.clone(), listener))
        .collect();
    (nodes, members)
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Gets one marked frame across, over whichever connection stays in the end. Each of the two comes with the seat that it
/// has in the eyes of the other.
async fn converse((sender, from): (&mut Node, PeerIndex), (receiver, to): (&mut Node, PeerIndex)) {
    let mark = bytes(&format!("{from} to {to}"));
    loop {
        if sender.handle.send(to, mark.clone()).is_err() {
            sender.until_up(to).await;
            continue;
        }
        let heard = receiver.until(|event| match event {
            MeshEvent::Frame { from: peer, bytes } if peer == from => Some(bytes[..] == mark[..]),
            MeshEvent::PeerDown { peer, .. } if peer == from => Some(false),
            _ => None,
        });
        if heard.await {
            return;
        }
    }
}

/// Frames both ways between two that have settled, and nothing else happens.
async fn undisturbed((a, seat_a): (&mut Node, PeerIndex), (b, seat_b): (&mut Node, PeerIndex)) {
    for round in 0..20 {
        let text = bytes(&format!("round {round}"));
        pass((a, seat_a), (b, seat_b), &text).await;
        pass((b, seat_b), (a, seat_a), &text).await;
    }
}

async fn pass((sender, from): (&Node, PeerIndex), (receiver, to): (&mut Node, PeerIndex), text: &Bytes) {
    sender.handle.send(to, text.clone()).expect("connected");
    match receiver.next().await {
        MeshEvent::Frame { from: peer, bytes } => assert_eq!((peer, &bytes[..]), (from, &text[..])),
        other => panic!("{other:?} instead of {text:?}"),
    }
}

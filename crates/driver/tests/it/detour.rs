//! Datagrams of a tunnel over links, direct and through a relay.

// What the tests share panics like the tests themselves.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;

use byway_driver::link::{Link, Path};
use byway_driver::tunnel::detour::{Detour, Detours};
use tokio::net::UdpSocket;

use crate::link::{config, connect, guarded, noise, open, relayed};
use crate::relay::relay;

const SESSION: [u8; 16] = [3; 16];

/// One node's end: a socket in the place of WireGuard's, and the detours beside it.
struct Side {
    wireguard: UdpSocket,
    detours: Arc<Detours>,
}

impl Side {
    async fn on(link: &Link) -> Self {
        let side = Self { wireguard: UdpSocket::bind("127.0.0.1:0").await.unwrap(), detours: Arc::default() };
        side.listen(link);
        side
    }

    fn address(&self) -> SocketAddr {
        self.wireguard.local_addr().unwrap()
    }

    fn listen(&self, link: &Link) {
        tokio::spawn(self.detours.clone().listen(link.clone()));
    }

    async fn send(&self, to: SocketAddr, datagram: &[u8]) {
        self.wireguard.send_to(datagram, to).await.unwrap();
    }

    async fn receive(&self) -> (Vec<u8>, SocketAddr) {
        let mut datagram = vec![0; 2_048];
        let (length, from) = self.wireguard.recv_from(&mut datagram).await.unwrap();
        datagram.truncate(length);
        (datagram, from)
    }
}

/// What the client sends to its detour comes to the provider, and what the provider answers comes from the detour,
/// whatever its length.
async fn check(client: &Side, detour: &Detour, provider: &Side) {
    for (number, length) in [1, 148, 1_200, 1_452, 1_500].into_iter().enumerate() {
        let mut sent = vec![0; length];
        noise(number as u64).fill(&mut sent);
        client.send(detour.address(), &sent).await;
        let (received, from) = provider.receive().await;
        assert!(received == sent, "{length} bytes there");
        provider.send(from, &sent).await;
        let (received, from) = client.receive().await;
        assert!(received == sent && from == detour.address(), "{length} bytes back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_of_any_length_go_over_a_relay_and_then_over_another_link() {
    guarded(async {
        let (relay, access) = relay().await;
        let (mut alice, mut bob) = (open(relayed(1, access.clone())).await, open(relayed(2, access)).await);
        bob.links.online().await;
        let (to_bob, to_alice) = connect(&mut alice, &mut bob).await;
        assert_eq!(to_bob.profile().path, Path::Relayed);
        let (client, provider) = (Side::on(&to_bob).await, Side::on(&to_alice).await);
        let detour = client.detours.open(SESSION, client.address(), to_bob).unwrap();
        provider.detours.admit(SESSION, provider.address());
        check(&client, &detour, &provider).await;

        let (mut carol, mut dave) = (open(config(3)).await, open(config(4)).await);
        let (direct, direct_back) = connect(&mut carol, &mut dave).await;
        client.listen(&direct);
        provider.listen(&direct_back);
        detour.move_to(direct);
        check(&client, &detour, &provider).await;
        relay.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_not_served_gets_nothing() {
    guarded(async {
        let (mut alice, mut bob) = (open(config(1)).await, open(config(2)).await);
        let (to_bob, to_alice) = connect(&mut alice, &mut bob).await;
        let (client, provider) = (Side::on(&to_bob).await, Side::on(&to_alice).await);
        let other = client.detours.open([4; 16], client.address(), to_bob.clone()).unwrap();
        let detour = client.detours.open(SESSION, client.address(), to_bob).unwrap();
        provider.detours.admit(SESSION, provider.address());
        // Both go the same way, so what is let through came after what isn't.
        client.send(other.address(), b"of a session that nobody knows").await;
        client.send(other.address(), b"and again").await;
        check(&client, &detour, &provider).await;
        provider.detours.remove(&SESSION);
        client.send(detour.address(), b"it is over").await;
        provider.detours.admit([4; 16], provider.address());
        check(&client, &other, &provider).await;
    })
    .await;
}

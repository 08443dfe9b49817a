//! Links that go only through a relay of one's own.

// What the tests share panics like the tests themselves.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use byway_driver::link::{Config, DownReason, Limits, Path, RelayAccess, TlsRoots};
use byway_driver::relay::{self, Relay, RelayError};

use crate::link::{connect, guarded, noise, open, relayed};

pub async fn relay() -> (Relay, RelayAccess) {
    let config = relay::Config { bind: "127.0.0.1:0".parse().unwrap(), client_bytes_per_second: None };
    let relay = Relay::spawn(config).await.expect("the relay starts");
    let access = RelayAccess { url: relay.url(), roots: TlsRoots::Public, through: None };
    (relay, access)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_endpoints_without_sockets_meet_at_the_relay() {
    guarded(async {
        let (relay, access) = relay().await;
        let (mut alice, mut bob) = (open(relayed(1, access.clone())).await, open(relayed(2, access)).await);
        bob.links.online().await;
        assert!(bob.contact().addresses().is_empty());
        let (to_bob, to_alice) = connect(&mut alice, &mut bob).await;
        assert_eq!((to_bob.profile().path, to_alice.profile().path), (Path::Relayed, Path::Relayed));
        assert_eq!(to_bob.binding(), to_alice.binding());
        to_bob.send_frame(b"hello".to_vec()).await.unwrap();
        assert_eq!(bob.frame(to_alice.id()).await, b"hello");
        let mut sent = vec![0; 2_000_000];
        noise(3).fill(&mut sent);
        let (mut send, _recv) = to_bob.open_stream(b"bulk").await.unwrap();
        let (_, _their_send, their_recv) = bob.stream().await;
        let (written, received) = tokio::join!(
            async {
                send.write_all(&sent).await.unwrap();
                send.finish();
            },
            their_recv.read_to_end(4_000_000)
        );
        let () = written;
        assert!(received.unwrap() == sent, "what went through the relay came out as it was");
        alice.links.close().await;
        bob.links.close().await;
        relay.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_relay_dies_both_sides_notice_by_the_silence() {
    guarded(async {
        let (relay, access) = relay().await;
        let limits =
            Limits { idle_max: Duration::from_secs(1), keep_alive: Duration::from_millis(200), ..Limits::default() };
        let quick = |config: Config| Config { limits, ..config };
        let mut alice = open(quick(relayed(1, access.clone()))).await;
        let mut bob = open(quick(relayed(2, access))).await;
        bob.links.online().await;
        connect(&mut alice, &mut bob).await;
        relay.shutdown().await.unwrap();
        assert_eq!((alice.down().await, bob.down().await), (DownReason::Silent, DownReason::Silent));
    })
    .await;
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = relay::Config { bind: taken.local_addr().unwrap(), client_bytes_per_second: None };
    match Relay::spawn(config).await {
        Err(RelayError::Listen { address, .. }) => assert_eq!(address, config.bind),
        other => panic!("the port is taken: {other:?}"),
    }
}

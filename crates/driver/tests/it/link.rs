//! Links between two endpoints of one process, over loopback.

// What the tests share panics like the tests themselves.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use byway_crypto::noise::StaticKey;
use byway_driver::link::{
    BindError, Config, ConnectError, Direction, DownReason, EVENTS_QUEUED_MAX, Event, FRAME_BYTES_MAX,
    FRAMES_QUEUED_MAX, HEADER_BYTES_MAX, Limits, Link, LinkContact, LinkId, Links, Path, RelayAccess,
    STREAM_WINDOW_BYTES_MAX, SendError, StreamError, StreamRecv, StreamSend,
};
use iroh::endpoint::{Connection, presets};
use iroh::{Endpoint, EndpointAddr, RelayMode, SecretKey, TransportAddr};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

/// One side of a link.
pub struct End {
    pub links: Links,
    pub events: Receiver<Event>,
}

/// Fails a test that hangs. Nothing is measured by it.
pub async fn guarded<T>(test: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(120), test).await.expect("the test hangs")
}

pub fn config(seed: u8) -> Config {
    Config { bind: vec!["127.0.0.1:0".parse().unwrap()], relay: None, seed: [seed; 32], limits: Limits::default() }
}

pub fn relayed(seed: u8, relay: RelayAccess) -> Config {
    Config { bind: Vec::new(), relay: Some(relay), seed: [seed; 32], limits: Limits::default() }
}

pub async fn open(config: Config) -> End {
    let (links, events) = Links::bind(config).await.expect("binds");
    End { links, events }
}

impl End {
    pub fn contact(&self) -> LinkContact {
        self.links.contact(StaticKey([7; 32])).expect("reachable")
    }

    pub async fn up(&mut self) -> Link {
        match self.events.recv().await {
            Some(Event::Up(link)) => link,
            other => panic!("a link should be up: {other:?}"),
        }
    }

    pub async fn frame(&mut self, of: LinkId) -> Vec<u8> {
        match self.events.recv().await {
            Some(Event::Frame { link, frame }) if link == of => frame,
            other => panic!("a frame should come: {other:?}"),
        }
    }

    pub async fn stream(&mut self) -> (Vec<u8>, StreamSend, StreamRecv) {
        match self.events.recv().await {
            Some(Event::Stream { header, send, recv, .. }) => (header, send, recv),
            other => panic!("a stream should come: {other:?}"),
        }
    }

    pub async fn down(&mut self) -> DownReason {
        match self.events.recv().await {
            Some(Event::Down { reason, .. }) => reason,
            other => panic!("the link should be down: {other:?}"),
        }
    }
}

/// Opens a link from the first end to the second.
pub async fn connect(from: &mut End, to: &mut End) -> (Link, Link) {
    let opened = from.links.connect(&to.contact()).await.expect("connects");
    assert_eq!(from.up().await.id(), opened.id());
    (opened, to.up().await)
}

pub async fn pair() -> (End, Link, End, Link) {
    let (mut alice, mut bob) = (open(config(1)).await, open(config(2)).await);
    let (to_bob, to_alice) = connect(&mut alice, &mut bob).await;
    (alice, to_bob, bob, to_alice)
}

/// Bytes that look random and are the same for the same seed; any part can be made without the rest.
pub fn noise(seed: u64) -> blake3::OutputReader {
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof()
}

/// A peer that speaks the link's transport and then does as it likes.
async fn stranger(to: &LinkContact) -> (Endpoint, Connection) {
    let builder = Endpoint::builder(presets::Minimal).relay_mode(RelayMode::Disabled).clear_ip_transports();
    let endpoint = builder.secret_key(SecretKey::from_bytes(&[66; 32])).bind_addr("127.0.0.1:0").unwrap();
    let endpoint = endpoint.bind().await.unwrap();
    let address = EndpointAddr::from_parts(to.endpoint, to.addresses().iter().copied().map(TransportAddr::Ip));
    let connection = endpoint.connect(address, b"byway-link/1").await.unwrap();
    (endpoint, connection)
}

#[tokio::test]
async fn frames_go_both_ways_in_order() {
    guarded(async {
        let (mut alice, to_bob, mut bob, to_alice) = pair().await;
        for length in [1, 2, 1000, FRAME_BYTES_MAX] {
            to_bob.send_frame(vec![length as u8; length]).await.unwrap();
            to_alice.send_frame(vec![!length as u8; length]).await.unwrap();
        }
        for length in [1, 2, 1000, FRAME_BYTES_MAX] {
            assert_eq!(bob.frame(to_alice.id()).await, vec![length as u8; length]);
            assert_eq!(alice.frame(to_bob.id()).await, vec![!length as u8; length]);
        }
        for length in [0, FRAME_BYTES_MAX + 1] {
            let refused = to_bob.try_send_frame(vec![0; length]);
            assert_eq!(refused, Err(SendError::TooLong { length, limit: FRAME_BYTES_MAX }));
        }
    })
    .await;
}

#[tokio::test]
async fn both_ends_see_the_same_link() {
    guarded(async {
        let (mut alice, to_bob, mut bob, to_alice) = pair().await;
        assert_eq!(to_bob.remote(), bob.links.id());
        assert_eq!(to_alice.remote(), alice.links.id());
        assert_eq!((to_bob.direction(), to_alice.direction()), (Direction::Opened, Direction::Accepted));
        assert_eq!((to_bob.profile().path, to_alice.profile().path), (Path::Direct, Path::Direct));
        assert_eq!(to_bob.binding(), to_alice.binding());
        let (again, _) = connect(&mut alice, &mut bob).await;
        assert_ne!(again.binding(), to_bob.binding(), "each connection has a binding of its own");
    })
    .await;
}

#[tokio::test]
async fn a_large_stream_arrives_whole() {
    const LENGTH: usize = 200_000_000;
    guarded(async {
        let (_alice, to_bob, mut bob, _to_alice) = pair().await;
        let sending = tokio::spawn(async move {
            let (mut send, recv) = to_bob.open_stream(b"take this").await.unwrap();
            let (mut sent, mut left) = (blake3::Hasher::new(), LENGTH);
            let (mut chunk, mut source) = (vec![0; 1 << 20], noise(1));
            while left > 0 {
                let now = left.min(chunk.len());
                source.fill(&mut chunk[..now]);
                sent.update(&chunk[..now]);
                send.write_all(&chunk[..now]).await.unwrap();
                left -= now;
            }
            send.finish();
            assert_eq!(recv.read_to_end(100).await.unwrap(), b"thanks");
            sent.finalize()
        });
        let (header, mut send, mut recv) = bob.stream().await;
        assert_eq!(header, b"take this");
        let (mut received, mut total, mut chunk) = (blake3::Hasher::new(), 0, vec![0; 1 << 20]);
        while let Some(count) = recv.read(&mut chunk).await.unwrap() {
            received.update(&chunk[..count]);
            total += count;
        }
        send.write_all(b"thanks").await.unwrap();
        send.finish();
        assert_eq!(total, LENGTH);
        assert_eq!(received.finalize(), sending.await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_half_that_is_dropped_is_a_cut_and_not_an_end() {
    guarded(async {
        let (_alice, to_bob, mut bob, _to_alice) = pair().await;
        let (mut send, recv) = to_bob.open_stream(&[5; HEADER_BYTES_MAX]).await.unwrap();
        send.write_all(b"half of i").await.unwrap();
        let (_, their_send, mut their_recv) = bob.stream().await;
        let mut got = [0; 9];
        assert_eq!(their_recv.read(&mut got).await, Ok(Some(9)));
        drop(send);
        assert_eq!(their_recv.read(&mut got).await, Err(StreamError::Cut));
        drop(recv);
        assert_eq!(their_send.cut().await, StreamError::Cut);
        let long = to_bob.open_stream(&[0; HEADER_BYTES_MAX + 1]).await;
        assert_eq!(long.unwrap_err(), StreamError::Header);
    })
    .await;
}

#[tokio::test]
async fn closing_delivers_what_was_queued_and_tells_the_other_side() {
    guarded(async {
        let (mut alice, to_bob, mut bob, to_alice) = pair().await;
        for number in 0..=u8::MAX {
            to_bob.send_frame(vec![number; 1000]).await.unwrap();
        }
        to_bob.close();
        for number in 0..=u8::MAX {
            assert_eq!(bob.frame(to_alice.id()).await, vec![number; 1000]);
        }
        assert_eq!(bob.down().await, DownReason::ClosedThere);
        assert_eq!(alice.down().await, DownReason::ClosedHere);
        to_alice.closed().await;
        assert_eq!(to_alice.send_frame(vec![1]).await, Err(SendError::Down));
        assert_eq!(to_alice.open_stream(b"").await.unwrap_err(), StreamError::Down);
        assert_eq!(to_alice.datagram().await, None);
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_that_closes_takes_its_links_down() {
    guarded(async {
        let (mut alice, to_bob, mut bob, _to_alice) = pair().await;
        let (_send, mut recv) = to_bob.open_stream(b"").await.unwrap();
        let _theirs = bob.stream().await;
        bob.links.close().await;
        assert_eq!(recv.read(&mut [0; 1]).await, Err(StreamError::Down));
        assert_eq!(alice.down().await, DownReason::ClosedThere);
        assert_eq!(bob.down().await, DownReason::ClosedHere);
    })
    .await;
}

#[tokio::test]
async fn datagrams_arrive_and_are_checked_against_the_limit_of_the_moment() {
    guarded(async {
        let (_alice, to_bob, _bob, to_alice) = pair().await;
        let limit = to_bob.profile().mtu.expect("datagrams are on");
        to_bob.send_datagram(vec![3; limit].into()).unwrap();
        assert_eq!(to_alice.datagram().await.unwrap(), vec![3; limit]);
        let length = 1 << 20;
        let refused = to_bob.send_datagram(vec![3; length].into());
        assert!(matches!(refused, Err(SendError::TooLong { length: got, .. }) if got == length));
    })
    .await;
}

#[tokio::test]
async fn who_takes_no_events_holds_the_sender_back() {
    // What fits between the two: the queue, the stream's window, the events, one frame in each hand.
    let window = Limits::default().stream_window_bytes as usize / FRAME_BYTES_MAX;
    let room = FRAMES_QUEUED_MAX + window + EVENTS_QUEUED_MAX + 3;
    guarded(async {
        let (_alice, to_bob, mut bob, to_alice) = pair().await;
        let mut sent = 0u64;
        loop {
            let mut frame = vec![0; FRAME_BYTES_MAX];
            frame[..8].copy_from_slice(&sent.to_le_bytes());
            // On a slow machine this may give up too early, which makes the test weaker and never wrong.
            match timeout(Duration::from_millis(500), to_bob.send_frame(frame)).await {
                Ok(queued) => queued.unwrap(),
                Err(_) => break,
            }
            sent += 1;
            assert!(sent as usize <= room, "{sent} frames were taken");
        }
        assert_eq!(to_bob.try_send_frame(vec![1]), Err(SendError::Full));
        for number in 0..sent {
            assert_eq!(bob.frame(to_alice.id()).await[..8], number.to_le_bytes());
        }
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_breaks_the_protocol_loses_its_link_only() {
    guarded(async {
        let (_alice, to_bob, mut bob, to_alice) = pair().await;
        for bytes in [&u32::MAX.to_le_bytes()[..], &[0; 4], &((FRAME_BYTES_MAX + 1) as u32).to_le_bytes()] {
            let (endpoint, connection) = stranger(&bob.contact()).await;
            let (mut send, _recv) = connection.open_bi().await.unwrap();
            send.write_all(&[0; 4]).await.unwrap();
            let link = bob.up().await;
            send.write_all(bytes).await.unwrap();
            assert!(matches!(bob.down().await, DownReason::Fault(_)), "{bytes:?}");
            link.closed().await;
            endpoint.close().await;
        }
        // One that doesn't begin as it should is never announced.
        let (endpoint, connection) = stranger(&bob.contact()).await;
        let (mut send, _recv) = connection.open_bi().await.unwrap();
        send.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        connection.closed().await;
        endpoint.close().await;
        // And a data stream with an overlong header is cut without a word.
        let (_endpoint, connection) = stranger(&bob.contact()).await;
        let (mut control, _keep) = connection.open_bi().await.unwrap();
        control.write_all(&[0; 4]).await.unwrap();
        bob.up().await;
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        send.write_all(&u16::MAX.to_le_bytes()).await.unwrap();
        assert!(recv.read(&mut [0; 1]).await.is_err());
        to_bob.send_frame(b"still here".to_vec()).await.unwrap();
        assert_eq!(bob.frame(to_alice.id()).await, b"still here");
    })
    .await;
}

#[tokio::test]
async fn a_stream_window_that_the_transport_cannot_keep_is_refused() {
    let asked = STREAM_WINDOW_BYTES_MAX + 1;
    let limits = Limits { stream_window_bytes: asked, ..Limits::default() };
    let refused = Links::bind(Config { limits, ..config(1) }).await.map(|_| ());
    assert!(matches!(refused, Err(BindError::StreamWindow { asked: told }) if told == asked), "{refused:?}");
}

#[tokio::test]
async fn no_more_links_than_there_is_room_for() {
    guarded(async {
        let (mut alice, mut bob) = (open(config(1)).await, open(config(2)).await);
        let one = Limits { links_max: 1, ..Limits::default() };
        let mut carol = open(Config { limits: one, ..config(3) }).await;
        let (to_carol, _) = connect(&mut alice, &mut carol).await;
        assert_eq!(carol.links.connect(&bob.contact()).await.unwrap_err(), ConnectError::Full);
        assert!(matches!(bob.links.connect(&carol.contact()).await, Err(ConnectError::Unreachable(_))));
        to_carol.close();
        assert_eq!(carol.down().await, DownReason::ClosedThere);
        connect(&mut bob, &mut carol).await;
    })
    .await;
}

#[tokio::test]
async fn someone_else_at_the_address_is_not_the_peer() {
    guarded(async {
        let (alice, bob) = (open(config(1)).await, open(config(2)).await);
        let key = SecretKey::from_bytes(&[99; 32]).public();
        let address = bob.contact().addresses().to_vec();
        let contact = LinkContact::new(key, StaticKey([7; 32]), address, None).unwrap();
        assert!(alice.links.connect(&contact).await.is_err());
    })
    .await;
}

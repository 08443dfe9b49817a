use super::*;
use crate::gate::{CloseReason, Gate};
use crate::meter::{Meter, Metered};
use crate::pace::{Pace, SharedLine};
use crate::tunnel::Terms;
use crate::tunnel::ip::tests::packet;
use crate::tunnel::prefix::Prefix;
use bytes::BytesMut;
use std::net::IpAddr;

const MTU: usize = 1420;
const HOST: &str = "1.2.3.4";

/// One end of a tunnel, and what the session with the other end has counted.
struct End {
    carrier: Carrier,
    address: SocketAddr,
    gate: Arc<Gate>,
    meter: Arc<Meter>,
    /// Inner packets that came out here.
    arrived: Vec<Vec<u8>>,
    outbox: Outbox,
}

/// A provider and clients with the inner addresses 10.0.0.1, 10.0.0.2 and so on. The network is a loop in
/// [`Rig::settle`].
struct Rig {
    provider: End,
    clients: Vec<End>,
    /// Of each client at the provider.
    accounts: Vec<(Arc<Gate>, Arc<Meter>)>,
}

fn secret(number: u8) -> Secret {
    Secret::from_bytes(&[number + 1; 32])
}

fn inner(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, number])
}

fn outer(number: u8) -> SocketAddr {
    ([192, 0, 2, number], 51_820).into()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn as_packet(bytes: &[u8]) -> Packet {
    Packet::from_bytes(BytesMut::from(bytes))
}

impl End {
    fn new(number: u8, side: Side) -> Self {
        Self {
            carrier: Carrier::new(secret(number), side, MTU),
            address: outer(number),
            gate: Arc::new(Gate::new(1_000_000)),
            meter: Arc::new(Meter::new()),
            arrived: Vec::new(),
            outbox: Outbox::default(),
        }
    }

    fn send(&mut self, packets: &[Vec<u8>]) {
        self.carrier.outgoing(packets.iter().map(|packet| as_packet(packet)), &mut self.outbox);
    }

    /// Takes datagrams from the network.
    fn receive(&mut self, datagrams: Vec<(Vec<u8>, SocketAddr)>) {
        let datagrams = datagrams.iter().map(|(bytes, from)| (as_packet(bytes), *from));
        self.carrier.incoming(datagrams, |packet| self.arrived.push(packet.to_vec()), &mut self.outbox);
    }

    /// Datagrams for the network, each with its destination.
    fn posted(&mut self) -> Vec<(Vec<u8>, SocketAddr)> {
        let posted = self.outbox.pieces(1).map(|(run, bytes)| (bytes.to_vec(), run.to)).collect();
        self.outbox.clear();
        posted
    }

    fn lost(&self, reason: Loss) -> u64 {
        self.carrier.losses.read().of(reason)
    }
}

impl Rig {
    /// With sessions between the provider and each client.
    fn new(clients: u8) -> Self {
        let mut rig = Self::without_sessions(clients);
        for number in 1..=clients {
            let client = &mut rig.clients[usize::from(number) - 1];
            let provider = Peer {
                key: secret(0).public(),
                preshared: None,
                endpoint: Some(outer(0)),
                addresses: vec![Prefix::ALL_V4, Prefix::ALL_V6],
                terms: Terms::Paid { gate: client.gate.clone(), meter: client.meter.clone() },
                keepalive: None,
            };
            client.carrier.add(provider, &mut client.outbox).unwrap();
        }
        rig.settle();
        rig
    }

    /// The clients don't know the provider yet.
    fn without_sessions(clients: u8) -> Self {
        let mut rig = Self { provider: End::new(0, Side::Provider), clients: Vec::new(), accounts: Vec::new() };
        for number in 1..=clients {
            let (gate, meter) = (Arc::new(Gate::new(1_000_000)), Arc::new(Meter::new()));
            let client = Peer {
                key: secret(number).public(),
                preshared: None,
                endpoint: None,
                addresses: vec![Prefix::host(inner(number))],
                terms: Terms::Paid { gate: gate.clone(), meter: meter.clone() },
                keepalive: None,
            };
            rig.provider.carrier.add(client, &mut rig.provider.outbox).unwrap();
            rig.clients.push(End::new(number, Side::Client));
            rig.accounts.push((gate, meter));
        }
        rig
    }

    /// Delivers datagrams until there are none.
    fn settle(&mut self) {
        loop {
            let (from_provider, provider) = (self.provider.posted(), self.provider.address);
            let mut moved = !from_provider.is_empty();
            for client in &mut self.clients {
                let mine = from_provider.iter().filter(|(_, to)| *to == client.address);
                client.receive(mine.map(|(bytes, _)| (bytes.clone(), provider)).collect());
                let posted = client.posted();
                moved |= !posted.is_empty();
                let address = client.address;
                self.provider.receive(posted.into_iter().map(|(bytes, _)| (bytes, address)).collect());
            }
            if !moved {
                return;
            }
        }
    }
}

#[test]
fn both_sides_count_what_went_through() {
    let mut rig = Rig::new(2);
    let up = [packet(inner(1), ip(HOST), 1400), packet(inner(1), ip(HOST), 1), packet(inner(1), inner(2), 60)];
    let down = [packet(ip(HOST), inner(1), 1400), packet(ip(HOST), inner(1), 1395), packet(ip(HOST), inner(1), 0)];
    rig.clients[0].send(&up);
    rig.provider.send(&down);
    rig.settle();
    assert_eq!(rig.provider.arrived, up, "without padding, in order");
    assert_eq!(rig.clients[0].arrived, down);
    let expected = Metered { up: 1420 + 21 + 80, down: 1420 + 1415 + 20 };
    let (gate, meter) = &rig.accounts[0];
    assert_eq!((rig.clients[0].meter.read(), meter.read()), (expected, expected));
    assert_eq!((rig.clients[0].gate.used(), gate.used()), (expected.total(), expected.total()));
    assert_eq!(rig.accounts[1].1.read(), Metered::default(), "nobody else's count changed");
    assert_eq!((rig.provider.carrier.losses.read().total(), rig.clients[0].carrier.losses.read().total()), (0, 0));
}

#[test]
fn what_is_lost_on_the_way_counts_for_its_sender_only() {
    let mut rig = Rig::new(1);
    rig.provider.send(&[packet(ip(HOST), inner(1), 980)]);
    rig.provider.posted();
    assert_eq!(rig.accounts[0].1.read(), Metered { up: 0, down: 1000 });
    assert_eq!(rig.clients[0].meter.read(), Metered::default());
}

#[test]
fn packets_wait_for_the_first_handshake_and_count_once_they_go() {
    let mut rig = Rig::new(1);
    let key = secret(0).public();
    assert!(rig.clients[0].carrier.remove(&key) && !rig.clients[0].carrier.remove(&key));
    let client = &mut rig.clients[0];
    let provider = Peer {
        key,
        preshared: None,
        endpoint: Some(outer(0)),
        addresses: vec![Prefix::ALL_V4],
        terms: Terms::Paid { gate: client.gate.clone(), meter: client.meter.clone() },
        keepalive: None,
    };
    client.carrier.add(provider, &mut client.outbox).unwrap();
    let sent: Vec<_> = (0..70).map(|payload| packet(inner(1), ip(HOST), payload)).collect();
    client.send(&sent);
    assert_eq!((client.meter.read(), client.gate.used()), (Metered::default(), 0), "nothing went out yet");
    assert_eq!(client.lost(Loss::Unreachable), 6, "the oldest make room");
    rig.settle();
    assert_eq!(rig.provider.arrived, sent[6..]);
    assert_eq!(rig.clients[0].meter.read().up, rig.accounts[0].1.read().up);
}

#[test]
fn nothing_passes_beyond_the_allowance_and_nothing_a_closed_gate() {
    let mut rig = Rig::new(1);
    let gate = Arc::new(Gate::new(100));
    let meter = Arc::new(Meter::new());
    let peer = |endpoint| Peer {
        key: secret(1).public(),
        preshared: None,
        endpoint,
        addresses: vec![Prefix::host(inner(1))],
        terms: Terms::Paid { gate: gate.clone(), meter: meter.clone() },
        keepalive: None,
    };
    assert!(rig.provider.carrier.remove(&secret(1).public()));
    rig.provider.carrier.add(peer(Some(outer(1))), &mut rig.provider.outbox).unwrap();
    rig.settle();
    rig.clients[0].send(&[packet(inner(1), ip(HOST), 40), packet(inner(1), ip(HOST), 21)]);
    rig.settle();
    rig.provider.send(&[packet(ip(HOST), inner(1), 21), packet(ip(HOST), inner(1), 20)]);
    rig.settle();
    assert_eq!((rig.provider.arrived.len(), rig.clients[0].arrived.len()), (1, 1));
    assert_eq!((meter.read(), gate.used()), (Metered { up: 60, down: 40 }, 100));
    assert_eq!(rig.provider.lost(Loss::Unpaid), 2);
    gate.allow(1000);
    rig.clients[0].send(&[packet(inner(1), ip(HOST), 40)]);
    rig.settle();
    assert_eq!(rig.provider.arrived.len(), 2, "it goes on once more is allowed");
    gate.close(CloseReason::Ended);
    rig.clients[0].send(&[packet(inner(1), ip(HOST), 0)]);
    rig.provider.send(&[packet(ip(HOST), inner(1), 0)]);
    rig.settle();
    assert_eq!((rig.provider.arrived.len(), rig.clients[0].arrived.len()), (2, 1));
    assert_eq!(meter.read().total(), 160);
}

#[test]
fn a_client_sends_from_its_own_address_only() {
    let mut rig = Rig::new(2);
    let multicast = packet(inner(1), ip("224.0.0.22"), 10);
    rig.clients[0].send(&[multicast]);
    assert_eq!((rig.clients[0].lost(Loss::Unrouted), rig.clients[0].meter.read().total()), (1, 0));
    let spoofed = [packet(inner(2), ip(HOST), 10), packet(ip(HOST), inner(2), 10), packet(ip("::1"), ip("::2"), 10)];
    rig.clients[0].send(&spoofed);
    rig.settle();
    assert_eq!((rig.provider.arrived.len(), rig.provider.lost(Loss::Spoofed)), (0, 3));
    for (gate, meter) in &rig.accounts {
        assert_eq!((meter.read(), gate.used()), (Metered::default(), 0), "nobody pays for it");
    }
}

#[test]
fn what_belongs_to_nobody_or_is_no_packet_is_dropped() {
    let mut rig = Rig::new(1);
    let mut truncated = packet(ip(HOST), inner(1), 100);
    truncated.truncate(60);
    rig.provider.send(&[packet(ip(HOST), inner(9), 1), truncated, vec![0x45], vec![], vec![0; 1420]]);
    assert_eq!((rig.provider.lost(Loss::Unrouted), rig.provider.lost(Loss::Malformed)), (1, 4));
    assert!(rig.provider.posted().is_empty());
    let noise = (0..300usize).map(|length| (vec![length as u8; length], outer(7))).collect();
    rig.provider.receive(noise);
    assert!(rig.provider.posted().is_empty() && rig.provider.arrived.is_empty());
    let lost = rig.provider.carrier.losses.read();
    assert_eq!(lost.of(Loss::Malformed) + lost.of(Loss::Unauthentic), 304);
    // A peer may encrypt what is no packet.
    let peer = rig.clients[0].carrier.peer(&secret(0).public()).unwrap();
    let message = peer.contact().wireguard.encapsulate_with_session(as_packet(&[0x45; 19]));
    let message: Packet = message.expect("there is a session").into();
    rig.provider.receive(vec![(message.as_ref().to_vec(), outer(1))]);
    assert_eq!((rig.provider.arrived.len(), rig.provider.lost(Loss::Malformed)), (0, lost.of(Loss::Malformed) + 1));
}

#[test]
fn replays_and_forgeries_are_dropped_and_don_t_move_a_peer() {
    let mut rig = Rig::new(1);
    rig.clients[0].send(&[packet(inner(1), ip(HOST), 500)]);
    let (genuine, _) = rig.clients[0].posted().remove(0);
    let mut forged = genuine.clone();
    *forged.last_mut().unwrap() ^= 1;
    rig.provider.receive(vec![(forged, outer(66)), (genuine.clone(), outer(1)), (genuine, outer(66))]);
    assert_eq!((rig.provider.arrived.len(), rig.provider.lost(Loss::Unauthentic)), (1, 2));
    assert_eq!(rig.accounts[0].1.read().up, 520);
    assert_eq!(rig.provider.carrier.stats(&secret(1).public()).unwrap().endpoint, Some(outer(1)));
}

#[test]
fn a_session_goes_on_where_its_peer_is_now() {
    let mut rig = Rig::new(1);
    rig.clients[0].address = outer(77);
    rig.provider.send(&[packet(ip(HOST), inner(1), 1)]);
    rig.settle();
    assert!(rig.clients[0].arrived.is_empty(), "the provider doesn't know yet");
    rig.clients[0].send(&[packet(inner(1), ip(HOST), 1)]);
    rig.settle();
    rig.provider.send(&[packet(ip(HOST), inner(1), 1)]);
    rig.settle();
    assert_eq!(rig.clients[0].arrived.len(), 1);
}

#[tokio::test]
async fn packets_beyond_their_pace_wait_in_order_and_what_finds_no_room_is_dropped() {
    let mut rig = Rig::new(1);
    let pace = Pace::on(&SharedLine::new(None), Some(4_000_000)).expect("it has a limit");
    rig.accounts[0].0.set_pace(Arc::new(pace));
    let down: Vec<Vec<u8>> = (0..300).map(|number| packet(ip(HOST), inner(1), 700 + number)).collect();
    rig.provider.send(&down);
    rig.settle();
    let (at_once, dropped) = (rig.clients[0].arrived.len(), rig.provider.lost(Loss::Crowded) as usize);
    assert!(at_once < 300 && dropped > 0, "{at_once} passed, {dropped} were dropped");
    loop {
        let End { carrier, outbox, .. } = &mut rig.provider;
        let next = carrier.release(|_| panic!("nothing comes out here"), outbox);
        rig.settle();
        match next {
            Some(at) => tokio::time::sleep_until(at).await,
            None => break,
        }
    }
    assert!(rig.clients[0].arrived == down[..300 - dropped], "those that waited, behind those that didn't");
    let bytes = rig.clients[0].arrived.iter().map(|packet| packet.len() as u64).sum();
    assert_eq!(
        (rig.accounts[0].1.read().down, rig.accounts[0].0.used()),
        (bytes, bytes),
        "what is dropped costs nothing"
    );

    let up: Vec<Vec<u8>> = (0..300).map(|number| packet(inner(1), ip(HOST), 700 + number)).collect();
    rig.clients[0].send(&up);
    rig.settle();
    let mut arrived = std::mem::take(&mut rig.provider.arrived);
    while let Some(at) = rig.provider.carrier.release(|packet| arrived.push(packet.to_vec()), &mut rig.provider.outbox)
    {
        tokio::time::sleep_until(at).await;
    }
    assert!(arrived == up[..arrived.len()] && arrived.len() < 300, "the other way too: {} of 300", arrived.len());
}

#[test]
fn a_peer_is_where_it_answers_a_greeting() {
    let mut rig = Rig::new(1);
    let End { carrier, outbox, .. } = &mut rig.clients[0];
    assert!(!carrier.greet(&secret(9).public(), &[outer(99)], outbox), "nobody knows it");
    assert!(carrier.greet(&secret(0).public(), &[outer(98), outer(99)], outbox));
    assert_eq!(carrier.stats(&secret(0).public()).unwrap().endpoint, Some(outer(0)), "as long as nobody answers");
    let greeted: Vec<SocketAddr> = rig.clients[0].posted().into_iter().map(|(_, to)| to).collect();
    assert_eq!(greeted, [outer(98), outer(99)]);
    rig.provider.address = outer(99);
    let End { carrier, outbox, .. } = &mut rig.clients[0];
    assert!(carrier.greet(&secret(0).public(), &[outer(98), outer(99)], outbox));
    rig.settle();
    assert_eq!(rig.clients[0].carrier.stats(&secret(0).public()).unwrap().endpoint, Some(outer(99)));
    rig.clients[0].send(&[packet(inner(1), ip(HOST), 1)]);
    rig.settle();
    assert_eq!(rig.provider.arrived.len(), 1);
}

#[test]
fn addresses_and_keys_have_one_owner() {
    let mut rig = Rig::new(2);
    let peer = |number: u8, address: IpAddr| Peer {
        key: secret(number).public(),
        preshared: None,
        endpoint: None,
        addresses: vec![Prefix::host(address)],
        terms: Terms::Free,
        keepalive: None,
    };
    let carrier = &rig.provider.carrier;
    let taken = carrier.add(peer(3, inner(2)), &mut rig.provider.outbox);
    assert!(matches!(taken, Err(TunnelError::AddressTaken(prefix)) if prefix == Prefix::host(inner(2))));
    assert!(matches!(carrier.add(peer(2, inner(3)), &mut rig.provider.outbox), Err(TunnelError::KeyTaken)));
    assert!(carrier.remove(&secret(2).public()));
    carrier.add(peer(3, inner(2)), &mut rig.provider.outbox).unwrap();
    rig.clients[1].send(&[packet(inner(2), ip(HOST), 1)]);
    rig.settle();
    assert!(rig.provider.arrived.is_empty(), "who was removed gets nothing through");
}

#[test]
fn a_preshared_key_must_be_the_same() {
    for (theirs, passes) in [(5, true), (6, false)] {
        let (mut provider, mut client) = (End::new(0, Side::Provider), End::new(1, Side::Client));
        let peer = |number: u8, key, endpoint, prefix| Peer {
            key: secret(number).public(),
            preshared: Some(crate::tunnel::PresharedKey([key; 32])),
            endpoint,
            addresses: vec![prefix],
            terms: Terms::Free,
            keepalive: None,
        };
        provider.carrier.add(peer(1, 5, None, Prefix::host(inner(1))), &mut provider.outbox).unwrap();
        client.carrier.add(peer(0, theirs, Some(outer(0)), Prefix::ALL_V4), &mut client.outbox).unwrap();
        client.send(&[packet(inner(1), ip(HOST), 1)]);
        let mut rig = Rig { provider, clients: vec![client], accounts: Vec::new() };
        rig.settle();
        assert_eq!(!rig.provider.arrived.is_empty(), passes, "{theirs}");
    }
}

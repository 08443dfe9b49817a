//! Against the system's own interfaces, so these take root's rights.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use super::super::MTU;
use super::*;

const PAYLOAD: &[u8] = b"one packet of a program";

/// What a program sends comes out of the interface, and what is written into it comes to the program.
async fn check(name: &str, network: u8, calls: Calls) {
    let [own, other] = [1, 2].map(|host| Ipv4Addr::new(198, 18, network, host));
    let interface = Interface::build(name, &[(own.into(), 24)], MTU, calls).expect("it takes root's rights");
    let program = UdpSocket::bind((own, 0)).unwrap();
    let beyond = SocketAddr::from((other, 4000));
    program.send_to(PAYLOAD, beyond).unwrap();
    let (mut buffer, mut packets) = (interface.buffer(), Vec::new());
    // The system sends of its own too, such as announcements.
    let sent = loop {
        interface.read(&mut buffer, &mut packets).await.unwrap();
        if let Some(packet) = packets.drain(..).find(|packet| packet.ends_with(PAYLOAD)) {
            break packet;
        }
    };
    let mut answer = sent.to_vec();
    assert_eq!(answer[16..20], other.octets());
    // There and back: both addresses and ports are exchanged, so the checksums stay right.
    let (from, to) = (answer[12..16].to_vec(), answer[16..20].to_vec());
    answer[12..16].copy_from_slice(&to);
    answer[16..20].copy_from_slice(&from);
    let (from, to) = (answer[20..22].to_vec(), answer[22..24].to_vec());
    answer[20..22].copy_from_slice(&to);
    answer[22..24].copy_from_slice(&from);
    let (losses, mut written) = (LossCounters::default(), interface.joined());
    written.push(&answer);
    interface.write(&mut written, &losses).await;
    let mut received = [0; 100];
    let (length, from) = program.recv_from(&mut received).unwrap();
    assert_eq!((&received[..length], from), (PAYLOAD, beyond));
    assert_eq!(losses.read().total(), 0);
}

#[tokio::test]
async fn packets_pass_both_ways_with_a_call_for_each() {
    check("byway-single", 201, Calls::Single).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn packets_pass_both_ways_with_a_call_for_many() {
    check("byway-many", 202, Calls::Many).await;
}

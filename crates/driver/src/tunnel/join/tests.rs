use super::*;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A packet of TCP as a sender makes it.
#[derive(Debug, Clone)]
struct Tcp {
    is_v6: bool,
    port: u16,
    sequence: u32,
    acknowledged: u32,
    flags: u8,
    stamp: u8,
    payload: Vec<u8>,
}

fn tcp(sequence: u32, payload: usize) -> Tcp {
    let payload = (0..payload).map(|at| (sequence as usize + at) as u8).collect();
    Tcp { is_v6: false, port: 443, sequence, acknowledged: 9, flags: ACK, stamp: 1, payload }
}

impl Tcp {
    fn packet(&self) -> Vec<u8> {
        let mut header = vec![0; 32];
        header[..2].copy_from_slice(&self.port.to_be_bytes());
        header[4..8].copy_from_slice(&self.sequence.to_be_bytes());
        header[8..12].copy_from_slice(&self.acknowledged.to_be_bytes());
        header[12] = 8 << 4;
        header[13] = self.flags;
        header[14..16].copy_from_slice(&[1, 0]);
        header[20..32].copy_from_slice(&[1, 1, 8, 10, 0, 0, 0, self.stamp, 0, 0, 0, 2]);
        let length = header.len() + self.payload.len();
        let ip = if self.is_v6 {
            let mut ip = vec![0x60, 0, 0, 0, 0, 0, TCP, 64];
            ip[4..6].copy_from_slice(&(length as u16).to_be_bytes());
            [ip, Ipv6Addr::LOCALHOST.octets().to_vec(), Ipv6Addr::UNSPECIFIED.octets().to_vec()].concat()
        } else {
            let mut ip = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, TCP, 0, 0];
            ip[2..4].copy_from_slice(&((20 + length) as u16).to_be_bytes());
            let mut ip = [ip, Ipv4Addr::LOCALHOST.octets().to_vec(), vec![10, 0, 0, 1]].concat();
            let checksum = !fold(sum(&ip, 0));
            ip[10..12].copy_from_slice(&checksum.to_be_bytes());
            ip
        };
        let ip_bytes = ip.len();
        let mut packet = [ip, header, self.payload.clone()].concat();
        let segment = Segment::read(&packet).unwrap();
        let checksum = !fold(sum(&packet[ip_bytes..], segment.pseudo_header(&packet)));
        packet[ip_bytes + CHECKSUM_AT..][..2].copy_from_slice(&checksum.to_be_bytes());
        packet
    }
}

/// Cuts a packet as the system does, from the interface's header alone.
fn cut(written: &[u8]) -> Vec<Vec<u8>> {
    let (header, packet) = written.split_at(HEADER_BYTES);
    if header == [0; HEADER_BYTES] {
        return vec![packet.to_vec()];
    }
    let size = |at: usize| usize::from(u16::from_ne_bytes([header[at], header[at + 1]]));
    let (header_bytes, segment_bytes, ip_bytes) = (size(2), size(4), size(6));
    assert_eq!((header[0], size(8)), (NEEDS_CHECKSUM, CHECKSUM_AT));
    assert_eq!(header[1], if packet[0] >> 4 == 6 { CUT_TCP_V6 } else { CUT_TCP_V4 });
    let payload = &packet[header_bytes..];
    let count = payload.len().div_ceil(segment_bytes);
    let first = u32::from_be_bytes(packet[ip_bytes + 4..][..4].try_into().unwrap());
    let piece = |(index, payload): (usize, &[u8])| {
        let mut piece = [&packet[..header_bytes], payload].concat();
        if index + 1 < count {
            piece[ip_bytes + 13] &= !PSH;
        }
        let sequence = first.wrapping_add((index * segment_bytes) as u32);
        piece[ip_bytes + 4..][..4].copy_from_slice(&sequence.to_be_bytes());
        let segment = Segment::read(&piece).unwrap();
        segment.write_joined(&mut piece);
        let checksum = !fold(sum(&piece[ip_bytes..], 0));
        piece[ip_bytes + CHECKSUM_AT..][..2].copy_from_slice(&checksum.to_be_bytes());
        piece
    };
    payload.chunks(segment_bytes).enumerate().map(piece).collect()
}

/// Pushes packets; what is written is as many packets as `expected`, and cut again they are those that were pushed.
fn check(pushed: &[Tcp], expected: usize, what: &str) {
    let mut joined = Joined::many();
    for tcp in pushed {
        joined.push(&tcp.packet());
    }
    let written: Vec<Vec<u8>> = joined.take().map(<[u8]>::to_vec).collect();
    assert_eq!(written.len(), expected, "{what}");
    let mut cut: Vec<_> = written.iter().flat_map(|written| cut(written)).collect();
    let mut whole: Vec<_> = pushed.iter().map(Tcp::packet).collect();
    cut.sort_unstable();
    whole.sort_unstable();
    assert!(cut == whole, "{what}");
    assert_eq!(joined.take().count(), 0);
}

#[test]
fn a_stretch_of_a_stream_is_one_packet() {
    for is_v6 in [false, true] {
        let stretch = |lengths: &[usize]| -> Vec<Tcp> {
            let mut next = u32::MAX - 5;
            let mut make = |length: &usize| {
                let segment = Tcp { is_v6, ..tcp(next, *length) };
                next = next.wrapping_add(*length as u32);
                segment
            };
            lengths.iter().map(&mut make).collect()
        };
        check(&stretch(&[1368; 40]), 1, "as many as fit");
        check(&stretch(&[1368; 50]), 2, "more than fit");
        check(&stretch(&[100, 100, 7]), 1, "a shorter last one");
        check(&stretch(&[100, 7, 100]), 2, "a shorter one in the middle");
        check(&stretch(&[7, 100]), 2, "a longer one behind");
        let mut pushed = stretch(&[100; 4]);
        pushed[2].flags |= PSH;
        check(&pushed, 2, "what is to be delivered at once ends a group");
    }
}

#[test]
fn what_is_not_the_same_stays_apart() {
    let second = || tcp(100, 100);
    for (what, second) in [
        ("a gap", tcp(101, 100)),
        ("a repetition", tcp(0, 100)),
        ("another flow", Tcp { port: 80, ..second() }),
        ("another acknowledgement", Tcp { acknowledged: 10, ..second() }),
        ("other options", Tcp { stamp: 2, ..second() }),
        ("a last one", Tcp { flags: ACK | 1, ..second() }),
        ("no payload", Tcp { payload: Vec::new(), ..second() }),
        ("another IP", Tcp { is_v6: true, ..second() }),
    ] {
        check(&[tcp(0, 100), second], 2, what);
    }
}

#[test]
fn flows_are_joined_side_by_side_and_stay_in_order() {
    let other = |sequence| Tcp { port: 80, ..tcp(sequence, 50) };
    check(&[tcp(0, 100), other(0), tcp(100, 100), other(50), tcp(200, 100)], 2, "two flows");
    let end = Tcp { flags: ACK | 1, payload: Vec::new(), ..tcp(100, 0) };
    check(&[tcp(0, 100), end, tcp(100, 100)], 3, "nothing overtakes what came between");
}

#[test]
fn a_wrong_checksum_is_not_made_right() {
    for wrong in 0..2 {
        let mut packets = [tcp(0, 100).packet(), tcp(100, 100).packet()];
        packets[wrong][60] ^= 1;
        let mut joined = Joined::many();
        packets.iter().for_each(|packet| joined.push(packet));
        let written: Vec<_> = joined.take().map(|written| written[HEADER_BYTES..].to_vec()).collect();
        assert_eq!(written, packets);
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_changed_or_a_panic(
        packets in prop::collection::vec((0u32..4, 0u16..2, 0usize..3, 0u8..20, any::<bool>()), 0..60),
    ) {
        let make = |(sequence, port, payload, flags, is_v6): &(u32, u16, usize, u8, bool)| {
            let flags = if *flags < 16 { ACK } else { *flags };
            Tcp { port: *port, flags, is_v6: *is_v6, ..tcp(sequence * 10, payload * 10) }.packet()
        };
        let mut pushed: Vec<_> = packets.iter().map(make).collect();
        let mut joined = Joined::many();
        pushed.iter().for_each(|packet| joined.push(packet));
        let mut cut: Vec<_> = joined.take().flat_map(cut).collect();
        cut.sort_unstable();
        pushed.sort_unstable();
        prop_assert_eq!(cut, pushed);
    }

    #[test]
    fn any_bytes_are_passed_on(packet in prop::collection::vec(any::<u8>(), 1..100)) {
        let mut joined = Joined::many();
        joined.push(&packet);
        joined.push(&packet);
        prop_assert_eq!(joined.take().map(|written| written[HEADER_BYTES..].to_vec()).collect::<Vec<_>>(), [&packet[..], &packet[..]]);
    }
}

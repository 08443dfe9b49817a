//! What a tunnel reads of an IP packet: where from, where to, and how long it says it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const V4_BYTES_MIN: usize = 20;
const V6_BYTES_MIN: usize = 40;

/// Of a packet whose length was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// Bytes of the whole packet; not more than there are. What follows is padding.
    pub length: usize,
}

impl Header {
    /// `None` if this is no whole packet of IPv4 or IPv6. Checksums are the receiver's matter.
    pub fn read(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => Self::read_v4(packet),
            6 => Self::read_v6(packet),
            _ => None,
        }
    }

    /// Whether it is for the neighbours on one wire, of which a tunnel has none: multicast, broadcast and addresses that
    /// are valid there only. Systems send such packets into every interface by themselves.
    pub fn is_within_link(&self) -> bool {
        let is_local = |address: IpAddr| match address {
            IpAddr::V4(address) => address.is_link_local() || address.is_multicast() || address.is_broadcast(),
            IpAddr::V6(address) => address.is_unicast_link_local() || address.is_multicast(),
        };
        is_local(self.source) || is_local(self.destination)
    }

    fn read_v4(packet: &[u8]) -> Option<Self> {
        let header = packet.first_chunk::<V4_BYTES_MIN>()?;
        let header_bytes = usize::from(header[0] & 0x0f) * 4;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let is_whole = header_bytes >= V4_BYTES_MIN && length >= header_bytes && length <= packet.len();
        is_whole.then(|| Self {
            source: Ipv4Addr::new(header[12], header[13], header[14], header[15]).into(),
            destination: Ipv4Addr::new(header[16], header[17], header[18], header[19]).into(),
            length,
        })
    }

    fn read_v6(packet: &[u8]) -> Option<Self> {
        let header = packet.first_chunk::<V6_BYTES_MIN>()?;
        let length = V6_BYTES_MIN + usize::from(u16::from_be_bytes([header[4], header[5]]));
        let address = |at: usize| header[at..].first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).into());
        (length <= packet.len()).then_some(Self { source: address(8)?, destination: address(24)?, length })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A packet between two addresses of one family that carries `payload` bytes of nothing.
    pub fn packet(source: IpAddr, destination: IpAddr, payload: usize) -> Vec<u8> {
        let mut packet = match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let mut header = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0];
                header[2..4].copy_from_slice(&((V4_BYTES_MIN + payload) as u16).to_be_bytes());
                [header, source.octets().to_vec(), destination.octets().to_vec()].concat()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let mut header = vec![0x60, 0, 0, 0, 0, 0, 17, 64];
                header[4..6].copy_from_slice(&(payload as u16).to_be_bytes());
                [header, source.octets().to_vec(), destination.octets().to_vec()].concat()
            }
            _ => panic!("one family"),
        };
        packet.resize(packet.len() + payload, 7);
        packet
    }

    #[test]
    fn whole_packets_are_read() {
        for (source, destination, payload) in
            [("10.0.0.1", "1.2.3.4", 0), ("10.0.0.1", "1.2.3.4", 1400), ("fd00::1", "2001:db8::2", 0)]
        {
            let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
            let mut packet = packet(source, destination, payload);
            let expected = Header { source, destination, length: packet.len() };
            assert_eq!(Header::read(&packet), Some(expected));
            packet.extend([0; 15]);
            assert_eq!(Header::read(&packet), Some(expected), "padding doesn't count");
        }
    }

    #[test]
    fn what_is_for_the_neighbours_is_known() {
        for (source, destination, expected) in [
            ("10.0.0.1", "1.2.3.4", false),
            ("10.0.0.1", "224.0.0.22", true),
            ("10.0.0.1", "255.255.255.255", true),
            ("169.254.0.1", "1.2.3.4", true),
            ("10.0.0.1", "169.254.169.254", true),
            ("fd00::1", "2001:db8::2", false),
            ("fe80::1", "2001:db8::2", true),
            ("fd00::1", "ff02::16", true),
        ] {
            let packet = packet(source.parse().unwrap(), destination.parse().unwrap(), 8);
            let header = Header::read(&packet).unwrap();
            assert_eq!(header.is_within_link(), expected, "{source} to {destination}");
        }
    }

    #[test]
    fn nothing_else_is() {
        let v4 = packet("10.0.0.1".parse().unwrap(), "1.2.3.4".parse().unwrap(), 8);
        let v6 = packet("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap(), 8);
        for whole in [&v4, &v6] {
            for length in 0..whole.len() {
                assert_eq!(Header::read(&whole[..length]), None, "cut to {length} bytes");
            }
        }
        let spoilt = |at: usize, byte: u8| {
            let mut packet = v4.clone();
            packet[at] = byte;
            Header::read(&packet)
        };
        assert_eq!(spoilt(0, 0x55), None, "version 5");
        assert_eq!(spoilt(0, 0x44), None, "a header shorter than any");
        assert_eq!(spoilt(0, 0x4f), None, "a header longer than the packet");
        assert_eq!(spoilt(3, 19), None, "shorter than its header");
    }
}

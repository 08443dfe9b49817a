//! Datagrams of a program: as it sends them to the proxy (RFC 1928, section 7), and as they go over a data stream.
//!
//! **Over a stream.** The link has datagrams of its own, which may be lost. Then a provider would have delivered what the
//! client never acknowledged, and the credit window of a whole session would shrink by that until the two had settled it.
//! Over a stream nothing that was counted is lost; a datagram is only lost before it is counted, where a socket or the
//! stream takes no more, as it would be on a full line. The price is that one which is sent again holds up those behind.
//!
//! A frame is the length of its rest in two bytes (big endian), the target (or, from the exit, the source) as a data
//! stream's header has it, and the payload. Only the payload is metered.

use std::net::SocketAddr;

use byway_primitives::{Decode, DecodeError, Encode, Reader, Writer};

use super::stream_header::{Host, Target};
use crate::link::{StreamError, StreamRecv};

/// Bytes of a payload: what UDP can carry, less a name and a header.
pub const PAYLOAD_BYTES_MAX: usize = 65_000;
/// Bytes of a frame at most: the longest name needs less than 300.
pub const FRAME_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 300;
const _: () = assert!(FRAME_BYTES_MAX <= u16::MAX as usize);

const V4: u8 = 1;
const NAME: u8 = 3;
const V6: u8 = 4;

/// Where a datagram goes or comes from, and what it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    pub target: Target,
    pub payload: Vec<u8>,
}

impl Datagram {
    pub fn from(source: SocketAddr, payload: &[u8]) -> Self {
        Self { target: Target::new(Host::Ip(source.ip().to_canonical()), source.port()), payload: payload.to_vec() }
    }

    /// As a program sent it. `None` of what is malformed, in fragments (which nobody has to support) or too long.
    pub fn read_socks(bytes: &[u8]) -> Option<Self> {
        let ([_, _, fragment, kind], rest) = bytes.split_first_chunk()?;
        let (host, rest) = match *kind {
            V4 => rest.split_first_chunk::<4>().map(|(ip, rest)| (Host::Ip((*ip).into()), rest))?,
            V6 => rest.split_first_chunk::<16>().map(|(ip, rest)| (Host::Ip((*ip).into()), rest))?,
            NAME => {
                let (length, rest) = rest.split_first()?;
                let (name, rest) = rest.split_at_checked(usize::from(*length))?;
                (std::str::from_utf8(name).ok()?.parse().ok()?, rest)
            }
            _ => return None,
        };
        let (port, payload) = rest.split_first_chunk()?;
        let is_ours = *fragment == 0 && payload.len() <= PAYLOAD_BYTES_MAX;
        is_ours.then(|| Self { target: Target::new(host, u16::from_be_bytes(*port)), payload: payload.to_vec() })
    }

    /// As a program is sent it.
    pub fn to_socks(&self) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0];
        match &self.target.host {
            Host::Ip(std::net::IpAddr::V4(ip)) => {
                bytes.push(V4);
                bytes.extend(ip.octets());
            }
            Host::Ip(std::net::IpAddr::V6(ip)) => {
                bytes.push(V6);
                bytes.extend(ip.octets());
            }
            Host::Name(name) => {
                bytes.extend([NAME, name.as_str().len() as u8]);
                bytes.extend(name.as_str().as_bytes());
            }
        }
        bytes.extend(self.target.port.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// With its length, for the stream. The payload must not be over [`PAYLOAD_BYTES_MAX`].
    pub fn to_frame(&self) -> Vec<u8> {
        let body = self.to_bytes();
        [&(body.len() as u16).to_be_bytes()[..], &body].concat()
    }
}

impl Encode for Datagram {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.target);
        out.raw(&self.payload);
    }
}

impl Decode for Datagram {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let target = input.value()?;
        let length = input.remaining();
        if length > PAYLOAD_BYTES_MAX {
            return Err(DecodeError::TooLong { length: length as u64, limit: PAYLOAD_BYTES_MAX as u64 });
        }
        Ok(Self { target, payload: input.raw(length)?.to_vec() })
    }
}

/// Reads frames from a stream, one after the other.
pub(crate) struct Frames {
    buffer: Vec<u8>,
    filled: usize,
}

impl Frames {
    pub fn new() -> Self {
        Self { buffer: vec![0; 2 + FRAME_BYTES_MAX], filled: 0 }
    }

    /// The next one; `None` at the end of the stream. A frame that makes no sense cuts the stream. Cancel-safe.
    pub async fn next(&mut self, stream: &mut StreamRecv) -> Result<Option<Datagram>, StreamError> {
        loop {
            let whole = match self.buffer[..self.filled] {
                [high, low, ..] => 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => 2,
            };
            if whole > self.buffer.len() {
                return Err(StreamError::Cut);
            }
            if whole > 2 && self.filled >= whole {
                let datagram = Datagram::from_bytes(&self.buffer[2..whole]).map_err(|_| StreamError::Cut)?;
                self.buffer.copy_within(whole..self.filled, 0);
                self.filled -= whole;
                return Ok(Some(datagram));
            }
            if whole == 2 && self.filled >= 2 {
                return Err(StreamError::Cut);
            }
            match stream.read(&mut self.buffer[self.filled..]).await? {
                Some(count) => self.filled += count,
                None if self.filled == 0 => return Ok(None),
                None => return Err(StreamError::Cut),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn datagram(host: &str, payload: &[u8]) -> Datagram {
        Datagram { target: Target::new(host.parse().expect("a host"), 53), payload: payload.to_vec() }
    }

    #[test]
    fn both_forms_come_back() {
        for host in ["192.0.2.1", "2001:db8::1", "example.org"] {
            let datagram = datagram(host, b"question");
            assert_eq!(Datagram::read_socks(&datagram.to_socks()).as_ref(), Some(&datagram));
            assert_eq!(Datagram::from_bytes(&datagram.to_frame()[2..]).as_ref(), Ok(&datagram));
        }
        let longest = datagram(&"a".repeat(253), &vec![1; PAYLOAD_BYTES_MAX]);
        assert!(longest.to_frame().len() <= 2 + FRAME_BYTES_MAX);
        assert_eq!(Datagram::from_bytes(&longest.to_frame()[2..]).as_ref(), Ok(&longest));
    }

    #[test]
    fn what_a_program_may_not_send_is_dropped() {
        let good = datagram("192.0.2.1", b"x").to_socks();
        for (at, byte, why) in [(2, 1, "a fragment"), (3, 9, "a kind of address that nobody knows")] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(Datagram::read_socks(&bad), None, "{why}");
        }
        for length in 0..10 {
            assert_eq!(Datagram::read_socks(&good[..length]), None, "{length} bytes");
        }
        assert_eq!(Datagram::read_socks(&[&good[..], &vec![0; PAYLOAD_BYTES_MAX]].concat()), None, "too long");
        assert_eq!(Datagram::read_socks(&[0, 0, 0, 3, 2, b'a', b' ', 0, 53]), None, "no name");
    }

    proptest! {
        #[test]
        fn any_bytes_are_one_thing_or_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(datagram) = Datagram::from_bytes(&bytes) {
                prop_assert_eq!(datagram.to_bytes(), bytes.clone());
            }
            if let Some(datagram) = Datagram::read_socks(&bytes) {
                prop_assert_eq!(Datagram::read_socks(&datagram.to_socks()), Some(datagram));
            }
        }
    }
}

//! Ports at the exit that lead to the client (row A11): whoever connects or sends to one reaches a program of the client's, through the
//! session, and paid for like everything else in it.
//!
//! ```text
//! visitor ── TCP ──▶ exit, a port of its own ── data stream of a link ──▶ client ── TCP ──▶ program
//!            or UDP                                                               or UDP
//!                    splice                                               splice
//!                    meter, gate                                          meter, gate
//! ```
//!
//! All streams are opened by the client, as all streams of a session are. One of them asks for a port; it is answered with 19
//! bytes ([`PortAnswer`]), and the port is there for as long as that stream is. On it the exit announces each visitor
//! ([`Visitor`], 26 bytes), and the client either fetches it by a stream of its own, which is answered with one
//! [`Reply`](crate::socks::Reply) and carries the visitor's bytes, or says no by the visitor's number in 8 bytes. Nothing of
//! this is metered but the bytes of visitors that were fetched: nobody can make a client pay by knocking at a port for TCP.
//!
//! **UDP.** A port may be one for UDP. Then a visitor is whoever sends from one address: its first datagram announces it, those that come
//! until it is fetched wait with it, [`FLOW_QUEUE`] of them at most, and its stream carries datagrams in
//! [frames](crate::socks::datagram) both ways. At the client each visitor has a socket of its own, so that the program's answers find their
//! way. The exit answers each from the address that it wrote to. A visitor is gone when nothing came from it for as long as the operator says, and a port has at most [`FLOWS_MAX`] of
//! them, for whom [`QUEUED_BYTES_MAX`] bytes wait at most. Whoever sends may do so in the name of another: nobody is a visitor to whom
//! the exit's policy would let no client connect, and an address that has answered nothing gets little ([`flow`]).
//!
//! **What visitors can do.** Knock. Each port has at most [`VISITORS_WAITING_MAX`] of them waiting, each for at most
//! [`VISITOR_WAIT`]; further ones wait in the system's own queue. An exit's port and what waits there belongs to an owner, and
//! no other client's stream gets it.
//!
//! **A port stays.** A client whose stream broke gets its port again for [`KEPT_FOR`]; one that ended its stream has given it
//! back.

mod datagrams;
mod flow;
mod guest;
mod host;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use byway_primitives::{Decode, DecodeError, Encode, Reader, Writer};

pub use guest::{Forward, HoldEnded, Told, hold};
pub use host::{CloseError, ForwardHost, ForwardLimits, GivenPort, Owner, refuse_port};

use crate::link::{StreamError, StreamRecv};
use crate::socks::SessionTag;

/// The first byte of a header, which no other stream's begins with.
const FORWARD_STREAM: u8 = 0x41;
/// Visitors of one port that may wait to be fetched.
pub const VISITORS_WAITING_MAX: usize = 32;
/// How long a visitor waits to be fetched.
pub const VISITOR_WAIT: Duration = Duration::from_secs(10);
/// How long a port is kept for a client whose stream broke: longer than a change of network, or a restart.
pub const KEPT_FOR: Duration = Duration::from_secs(300);

/// Visitors of one port for UDP at one time; what further ones send is dropped.
pub const FLOWS_MAX: usize = 128;
/// Datagrams of one visitor that wait for its stream; more are dropped.
pub const FLOW_QUEUE: usize = 16;
/// Bytes of datagrams that wait at one port, of all its visitors together.
pub const QUEUED_BYTES_MAX: usize = 256 * 1024;
/// How long nothing may come of a visitor by UDP where an operator says nothing else: longer than routers keep a translation.
pub const FLOW_IDLE: Duration = Duration::from_secs(120);
/// For how long a client gets no port whose port the operator closed.
pub const SHUT_OUT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
}

/// Names a visitor within one exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VisitorNumber(pub u64);

/// What the client writes at the head of such a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForwardHeader {
    pub session: SessionTag,
    pub wanted: Wanted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A port, this one if it is free.
    Port(Protocol, Option<NonZeroU16>),
    /// The bytes of a visitor that was announced.
    Visitor(VisitorNumber),
}

/// Why there is no port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PortRefusal {
    #[error("this exit forwards no ports; connect to one that does")]
    NotOffered,
    #[error("this exit does not give that port; leave it out to be given another")]
    Unavailable,
    #[error("this exit gives no more ports to one client; close one first")]
    TooMany,
    #[error("all ports of this exit are given away; try another exit")]
    NoneLeft,
    #[error("the exit could not open a port; try again later")]
    Failed,
    #[error("the exit's operator closed a port of this node, and gives it none for now; try another exit")]
    ShutOut,
}

const REFUSALS: [PortRefusal; 6] = [
    PortRefusal::NotOffered,
    PortRefusal::Unavailable,
    PortRefusal::TooMany,
    PortRefusal::NoneLeft,
    PortRefusal::Failed,
    PortRefusal::ShutOut,
];

/// Where the port is, as far as the exit knows its own address; or why there is none.
pub type PortAnswer = Result<SocketAddr, PortRefusal>;

/// Somebody has connected to the port, or sent the first datagram to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visitor {
    pub number: VisitorNumber,
    pub from: SocketAddr,
}

const ADDRESS_BYTES: usize = 18;
const ANSWER_BYTES: usize = 1 + ADDRESS_BYTES;
const VISITOR_BYTES: usize = 8 + ADDRESS_BYTES;
const REFUSAL_BYTES: usize = 8;

impl Encode for ForwardHeader {
    fn encode(&self, out: &mut Writer) {
        out.byte(FORWARD_STREAM);
        out.raw(&self.session);
        match self.wanted {
            Wanted::Port(protocol, port) => {
                out.byte(if protocol == Protocol::Tcp { 0 } else { 2 });
                out.varint(port.map_or(0, NonZeroU16::get));
            }
            Wanted::Visitor(number) => {
                out.byte(1);
                out.varint(number.0);
            }
        }
    }
}

impl Decode for ForwardHeader {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            FORWARD_STREAM => {}
            other => return Err(DecodeError::UnknownVariant { kind: "forwarding stream", value: other.into() }),
        }
        let session = input.array()?;
        let wanted = match input.byte()? {
            0 => Wanted::Port(Protocol::Tcp, NonZeroU16::new(input.u16()?)),
            2 => Wanted::Port(Protocol::Udp, NonZeroU16::new(input.u16()?)),
            1 => Wanted::Visitor(VisitorNumber(input.u64()?)),
            other => {
                return Err(DecodeError::UnknownVariant { kind: "wish of a forwarding stream", value: other.into() });
            }
        };
        Ok(Self { session, wanted })
    }
}

/// Sixteen bytes of address, an IPv4 one mapped into IPv6, and two of port, big endian.
fn put_address(out: &mut Writer, address: SocketAddr) {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    out.raw(&ip.octets());
    out.raw(&address.port().to_be_bytes());
}

fn take_address(input: &mut Reader<'_>) -> Result<SocketAddr, DecodeError> {
    let ip = Ipv6Addr::from(input.array::<16>()?).to_canonical();
    Ok(SocketAddr::new(ip, u16::from_be_bytes(input.array()?)))
}

fn answer_bytes(answer: PortAnswer) -> Vec<u8> {
    let mut out = Writer::new();
    match answer {
        Ok(address) => {
            out.byte(0);
            put_address(&mut out, address);
        }
        Err(refusal) => {
            let at = REFUSALS.iter().position(|listed| *listed == refusal).expect("the list has every variant");
            out.byte(at as u8 + 1);
            out.raw(&[0; ADDRESS_BYTES]);
        }
    }
    out.into_bytes()
}

fn answer_of(bytes: &[u8; ANSWER_BYTES]) -> Result<PortAnswer, DecodeError> {
    let mut input = Reader::new(bytes);
    let kind = input.byte()?;
    let address = take_address(&mut input)?;
    let Some(at) = usize::from(kind).checked_sub(1) else { return Ok(Ok(address)) };
    let refusal = REFUSALS.get(at).copied();
    refusal.map(Err).ok_or(DecodeError::UnknownVariant { kind: "refusal of a port", value: kind.into() })
}

impl Visitor {
    fn to_bytes(self) -> Vec<u8> {
        let mut out = Writer::new();
        out.raw(&self.number.0.to_be_bytes());
        put_address(&mut out, self.from);
        out.into_bytes()
    }

    fn of(bytes: &[u8; VISITOR_BYTES]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let number = VisitorNumber(u64::from_be_bytes(input.array()?));
        Ok(Self { number, from: take_address(&mut input)? })
    }
}

/// Frames of `N` bytes each, as they come out of a stream.
struct Frames<const N: usize> {
    bytes: [u8; N],
    filled: usize,
}

impl<const N: usize> Frames<N> {
    fn new() -> Self {
        Self { bytes: [0; N], filled: 0 }
    }

    /// The next frame; `None` at the end of the stream. Cancel-safe: what was read of a frame is kept.
    async fn next(&mut self, stream: &mut StreamRecv) -> Result<Option<[u8; N]>, StreamError> {
        while self.filled < N {
            match stream.read(&mut self.bytes[self.filled..]).await? {
                Some(count) => self.filled += count,
                None if self.filled == 0 => return Ok(None),
                None => return Err(StreamError::Cut),
            }
        }
        self.filled = 0;
        Ok(Some(self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ServiceHeader;
    use crate::socks::StreamHeader;

    #[test]
    fn a_header_comes_back_and_is_taken_for_nothing_else() {
        for wanted in [
            Wanted::Port(Protocol::Tcp, None),
            Wanted::Port(Protocol::Tcp, NonZeroU16::new(40_000)),
            Wanted::Port(Protocol::Udp, NonZeroU16::new(40_000)),
            Wanted::Visitor(VisitorNumber(u64::MAX)),
        ] {
            let header = ForwardHeader { session: [7; 16], wanted };
            let bytes = header.to_bytes();
            assert_eq!(ForwardHeader::from_bytes(&bytes), Ok(header));
            assert!(StreamHeader::from_bytes(&bytes).is_err() && ServiceHeader::from_bytes(&bytes).is_err());
            assert!(ForwardHeader::from_bytes(&bytes[..bytes.len() - 1]).is_err());
            assert!(ForwardHeader::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        }
    }

    #[test]
    fn answers_and_visitors_come_back() {
        let addresses: [SocketAddr; 2] = ["192.0.2.1:80".parse().unwrap(), "[2001:db8::1]:65535".parse().unwrap()];
        for answer in addresses.into_iter().map(Ok).chain(REFUSALS.into_iter().map(Err)) {
            let bytes = answer_bytes(answer).try_into().unwrap();
            assert_eq!(answer_of(&bytes), Ok(answer));
        }
        assert!(answer_of(&[9; ANSWER_BYTES]).is_err());
        for from in addresses {
            let visitor = Visitor { number: VisitorNumber(3), from };
            assert_eq!(Visitor::of(&visitor.to_bytes().try_into().unwrap()), Ok(visitor));
        }
    }
}

//! The head of a data stream: which session it belongs to and where it should go.
//!
//! The client opens a data stream with a [`StreamHeader`]; the exit answers with one byte, a [`Reply`](super::Reply),
//! and after `Succeeded` raw bytes follow both ways, or [datagrams](super::datagram) in frames. Neither header nor reply
//! is metered.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use byway_primitives::{Decode, DecodeError, Encode, Reader, Writer};

use crate::link::HEADER_BYTES_MAX;

/// The format version that this code writes and reads.
const VERSION: u8 = 1;
/// In the place of a host's tag.
const DATAGRAMS: u8 = 1;
/// Bytes of a host name in text (RFC 1035: 255 on the wire, less the first length and the root).
pub const NAME_BYTES_MAX: usize = 253;

// Version, session, tag, name with its length, port.
const _: () = assert!(1 + 16 + 1 + 2 + NAME_BYTES_MAX + 3 <= HEADER_BYTES_MAX);

/// Names a session to the provider, as agreed in the dialogue.
pub type SessionTag = [u8; 16];

/// A host as the program named it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    Name(Name),
    Ip(IpAddr),
}

/// A host name: letters, digits, hyphens, underscores and dots, and not an address in disguise. It is resolved as it
/// stands, without any search domain of the exit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Where a connection should go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    pub host: Host,
    pub port: u16,
}

/// What a program wants of the exit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// TCP to a host.
    Connection(Target),
    /// UDP to any hosts, each datagram with its own target, and back from those.
    Datagrams,
}

/// What the client writes at the head of a data stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamHeader {
    pub session: SessionTag,
    pub wanted: Wanted,
}

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Host {
    /// `None` where it was given as an address.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name.as_str()),
            Self::Ip(_) => None,
        }
    }
}

impl Target {
    pub fn new(host: Host, port: u16) -> Self {
        Self { host, port }
    }
}

impl FromStr for Host {
    type Err = DecodeError;

    /// An address literal (IPv6 also in brackets) or a host name.
    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(ip) = bare.parse() {
            return Ok(Self::Ip(ip));
        }
        let proper = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let fits = (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(proper);
        let fits = fits && !text.starts_with('.') && !text.contains("..");
        if fits { Ok(Self::Name(Name(text.to_owned()))) } else { Err(DecodeError::Invalid("host name")) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.pad(name.as_str()),
            Self::Ip(ip) => fmt::Display::fmt(ip, f),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            _ => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Encode for Host {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Name(name) => {
                out.byte(0);
                out.text(name.as_str());
            }
            Self::Ip(IpAddr::V4(ip)) => {
                out.byte(4);
                out.raw(&ip.octets());
            }
            Self::Ip(IpAddr::V6(ip)) => {
                out.byte(6);
                out.raw(&ip.octets());
            }
        }
    }
}

impl Host {
    fn decode_tagged(tag: u8, input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match tag {
            0 => match input.text(NAME_BYTES_MAX)?.parse()? {
                Self::Ip(_) => Err(DecodeError::Invalid("host name: it is an address")),
                name => Ok(name),
            },
            4 => Ok(Self::Ip(input.array::<4>()?.into())),
            6 => Ok(Self::Ip(input.array::<16>()?.into())),
            other => Err(DecodeError::UnknownVariant { kind: "host", value: other.into() }),
        }
    }
}

impl Decode for Host {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let tag = input.byte()?;
        Self::decode_tagged(tag, input)
    }
}

impl Encode for Target {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.host);
        out.varint(self.port);
    }
}

impl Decode for Target {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { host: input.value()?, port: input.u16()? })
    }
}

impl Encode for StreamHeader {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.raw(&self.session);
        match &self.wanted {
            Wanted::Connection(target) => out.value(target),
            Wanted::Datagrams => out.byte(DATAGRAMS),
        }
    }
}

impl Decode for StreamHeader {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            VERSION => {}
            other => return Err(DecodeError::UnknownVariant { kind: "stream header version", value: other.into() }),
        }
        let session = input.array()?;
        let wanted = match input.byte()? {
            DATAGRAMS => Wanted::Datagrams,
            tag => Wanted::Connection(Target::new(Host::decode_tagged(tag, input)?, input.u16()?)),
        };
        Ok(Self { session, wanted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_host() -> impl Strategy<Value = Host> {
        let name = "[a-z0-9_-]{1,20}(\\.[a-z0-9-]{1,20}){0,4}";
        prop_oneof![any::<IpAddr>().prop_map(Host::Ip), name.prop_map(|name| name.parse().expect("a name"))]
    }

    proptest! {
        #[test]
        fn a_header_comes_back(session: [u8; 16], host in proptest::option::of(any_host()), port: u16) {
            let wanted = host.map_or(Wanted::Datagrams, |host| Wanted::Connection(Target::new(host, port)));
            let header = StreamHeader { session, wanted };
            let bytes = header.to_bytes();
            prop_assert!(bytes.len() <= HEADER_BYTES_MAX);
            prop_assert_eq!(StreamHeader::from_bytes(&bytes), Ok(header));
        }

        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let bytes = [&[VERSION][..], &[0; 16], &bytes].concat();
            if let Ok(header) = StreamHeader::from_bytes(&bytes) {
                prop_assert_eq!(header.to_bytes(), bytes);
            }
        }

        #[test]
        fn a_host_in_text_comes_back(host in any_host()) {
            prop_assert_eq!(host.to_string().parse::<Host>(), Ok(host));
        }
    }

    #[test]
    fn hosts_in_text() {
        let long = "a".repeat(NAME_BYTES_MAX + 1);
        for (text, expected) in [
            ("example.org", Some("example.org")),
            ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
            ("_sip.example.org.", Some("_sip.example.org.")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("", None),
            (".", None),
            ("example.org..", None),
            ("example..org", None),
            ("a b", None),
            ("a\0b", None),
            ("bücher.example", None),
            ("user@example.org", None),
            (&long, None),
        ] {
            assert_eq!(text.parse::<Host>().ok().map(|host| host.to_string()), expected.map(str::to_owned), "{text}");
        }
        assert!(matches!("192.0.2.1".parse(), Ok(Host::Ip(_))));
    }

    #[test]
    fn an_address_is_never_encoded_as_a_name() {
        let mut out = Writer::new();
        out.byte(0);
        out.text("127.0.0.1");
        assert!(Host::from_bytes(&out.into_bytes()).is_err());
    }
}

//! Relaying: a provider passes datagrams on between a client and one exit that the client names (row A12).
//!
//! What it passes on is encrypted for the exit, and in slices besides; a relay knows who its client is and which exit that
//! uses, and nothing of what for. It takes the client's datagrams at a port that all clients share, and knows them by the address
//! from which the client has shown the token of its session.
//!
//! Where a relay sends is subject to the exit policy, as connections of an exit are.

use std::net::{IpAddr, SocketAddr};

use byway_primitives::codec::{DecodeError, Encode, Reader, Writer};

use super::ServiceDataError;

const VERSION: u8 = 1;
/// Bytes of a token.
pub const TOKEN_BYTES: usize = 16;

/// What a client asks a relay for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayRequest {
    /// Where datagrams are to go, and where answers come from.
    pub exit: SocketAddr,
}

/// What a relay answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RelayAnswer {
    /// Where it hears, at the address under which its link is reached.
    pub port: u16,
    /// What the client shows there before anything else.
    pub token: [u8; TOKEN_BYTES],
}

impl std::fmt::Debug for RelayAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayAnswer").field("port", &self.port).finish_non_exhaustive()
    }
}

fn version(input: &mut Reader<'_>) -> Result<(), ServiceDataError> {
    match input.byte()? {
        VERSION => Ok(()),
        found => Err(ServiceDataError::Version { found, spoken: VERSION }),
    }
}

fn port(input: &mut Reader<'_>) -> Result<u16, DecodeError> {
    match input.u16()? {
        0 => Err(DecodeError::Invalid("a port: 1 to 65535")),
        port => Ok(port),
    }
}

impl RelayRequest {
    pub fn open(data: &[u8]) -> Result<Self, ServiceDataError> {
        let mut input = Reader::new(data);
        version(&mut input)?;
        let address: IpAddr = if input.flag()? {
            let address: [u8; 16] = input.array()?;
            IpAddr::from(address)
        } else {
            let address: [u8; 4] = input.array()?;
            IpAddr::from(address)
        };
        if address != address.to_canonical() {
            return Err(DecodeError::Invalid("an address: an IPv4 one is written as such").into());
        }
        let exit = SocketAddr::new(address, port(&mut input)?);
        input.finish()?;
        Ok(Self { exit })
    }
}

impl RelayAnswer {
    pub fn open(data: &[u8]) -> Result<Self, ServiceDataError> {
        let mut input = Reader::new(data);
        version(&mut input)?;
        let (port, token) = (port(&mut input)?, input.array()?);
        input.finish()?;
        Ok(Self { port, token })
    }
}

impl Encode for RelayRequest {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        match self.exit.ip().to_canonical() {
            IpAddr::V4(address) => {
                out.flag(false);
                out.raw(&address.octets());
            }
            IpAddr::V6(address) => {
                out.flag(true);
                out.raw(&address.octets());
            }
        }
        out.varint(self.exit.port());
    }
}

impl Encode for RelayAnswer {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.varint(self.port);
        out.raw(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_sides_data_come_back_and_what_makes_no_sense_is_refused() {
        for exit in ["11.2.0.2:51821", "[2a00::1]:1"] {
            let asked = RelayRequest { exit: exit.parse().expect("an address") };
            assert_eq!(RelayRequest::open(&asked.to_bytes()), Ok(asked));
            assert!(RelayRequest::open(&[&asked.to_bytes()[..], &[0]].concat()).is_err());
        }
        let mapped = RelayRequest { exit: "[::ffff:11.2.0.2]:1".parse().expect("an address") };
        let plain = RelayRequest { exit: "11.2.0.2:1".parse().expect("an address") };
        assert_eq!(RelayRequest::open(&mapped.to_bytes()), Ok(plain));
        let none = RelayRequest { exit: "11.2.0.2:0".parse().expect("an address") };
        assert!(RelayRequest::open(&none.to_bytes()).is_err());
        let answered = RelayAnswer { port: 51_822, token: [7; TOKEN_BYTES] };
        assert_eq!(RelayAnswer::open(&answered.to_bytes()), Ok(answered));
        assert_eq!(RelayAnswer::open(&[2]), Err(ServiceDataError::Version { found: 2, spoken: 1 }));
    }

    proptest! {
        #[test]
        fn whatever_opens_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(answer) = RelayAnswer::open(&bytes) {
                prop_assert_eq!(answer.to_bytes(), bytes.clone());
            }
            if let Ok(request) = RelayRequest::open(&bytes) {
                prop_assert_eq!(request.to_bytes(), bytes);
            }
        }
    }
}

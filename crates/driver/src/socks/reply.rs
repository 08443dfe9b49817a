//! The answer to a request, in the numbers of SOCKS5 (RFC 1928, section 6).

use std::io;

use byway_primitives::DecodeError;

use crate::gate::Gate;
use crate::link::StreamSend;
use crate::socks::splice::Outcome;

/// Whether a client took a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Heard,
    /// Its stream or its session is over.
    Gone,
}

/// Answers a data stream. A client that doesn't read keeps nothing beyond its session.
pub(crate) async fn say(send: &mut StreamSend, reply: Reply, gate: &Gate) -> Said {
    let byte = [reply.byte()];
    tokio::select! {
        said = send.write_all(&byte) => if said.is_ok() { Said::Heard } else { Said::Gone },
        _ = gate.closed() => Said::Gone,
    }
}

/// Answers a data stream that leads nowhere, and ends it.
pub(crate) async fn refuse(mut send: StreamSend, reply: Reply, gate: &Gate) -> Outcome {
    if say(&mut send, reply, gate).await == Said::Gone {
        return Outcome::Gone;
    }
    send.finish();
    Outcome::Refused(reply)
}

/// How a request to connect ended. The exit answers with these numbers too, so that the program at the client's side
/// learns the real reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Reply {
    #[error("connected")]
    Succeeded = 0,
    #[error("general failure")]
    GeneralFailure = 1,
    #[error("the exit's rules don't allow this address")]
    NotAllowed = 2,
    #[error("the network can't be reached")]
    NetworkUnreachable = 3,
    #[error("the host can't be reached, or its name is unknown")]
    HostUnreachable = 4,
    #[error("the host refused the connection")]
    Refused = 5,
    #[error("the host didn't answer in time")]
    TtlExpired = 6,
    #[error("only CONNECT and UDP ASSOCIATE are supported")]
    CommandNotSupported = 7,
    #[error("this type of address is not supported")]
    AddressNotSupported = 8,
}

impl Reply {
    const ALL: [Reply; 9] = [
        Self::Succeeded,
        Self::GeneralFailure,
        Self::NotAllowed,
        Self::NetworkUnreachable,
        Self::HostUnreachable,
        Self::Refused,
        Self::TtlExpired,
        Self::CommandNotSupported,
        Self::AddressNotSupported,
    ];

    pub fn byte(self) -> u8 {
        self as u8
    }

    pub fn from_byte(byte: u8) -> Result<Self, DecodeError> {
        let known = Self::ALL.get(usize::from(byte)).copied();
        known.ok_or(DecodeError::UnknownVariant { kind: "reply", value: byte.into() })
    }

    /// What a failed attempt to connect means.
    pub fn of_connect(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Self::Refused,
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => Self::NetworkUnreachable,
            io::ErrorKind::HostUnreachable | io::ErrorKind::AddrNotAvailable => Self::HostUnreachable,
            io::ErrorKind::TimedOut => Self::TtlExpired,
            // The operating system's own firewall.
            io::ErrorKind::PermissionDenied => Self::NotAllowed,
            _ => Self::GeneralFailure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_standard() {
        for byte in 0..=u8::MAX {
            match Reply::from_byte(byte) {
                Ok(reply) => assert_eq!(reply.byte(), byte),
                Err(_) => assert!(byte > 8),
            }
        }
        assert_eq!(Reply::Refused.byte(), 5);
    }
}

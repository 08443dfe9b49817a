//! Streams of a service that plugs in (row A11): from a program of the client to a program of the provider, metered and gated
//! like those of the proxy.
//!
//! ```text
//! program ── TCP, loopback ──▶ carry ── data stream of a link ──▶ serve ── Unix socket ──▶ the service's program
//!                              splice                            splice
//!                              meter, gate                       meter, gate
//! ```
//!
//! The client opens a data stream with a [`ServiceHeader`], which names a session and nothing else; the provider answers with
//! one byte, a [`Reply`]. The program at the end is told in one line of text which session the stream belongs to, and after
//! that everything is the two programs' own. Neither header, reply nor line is metered.

use std::path::Path;
use std::time::Duration;

use byway_primitives::{Decode, DecodeError, Encode, Reader, Writer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::gate::Gate;
use crate::link::{Link, StreamRecv, StreamSend};
use crate::meter::{Meter, Side};
use crate::program_socket::ProgramSocket;
use crate::socks::stream_header::SessionTag;
use crate::socks::{Outcome, Reply, Said, ask, refuse, say, splice};

/// The first byte of a header, which those of the proxy don't begin with.
const SERVICE_STREAM: u8 = 0x40;
/// How long the provider's program may take to accept a connection …
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// … and the provider to say so.
const REPLY_WAIT: Duration = Duration::from_secs(15);

/// What the client writes at the head of a service's data stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceHeader {
    pub session: SessionTag,
}

impl Encode for ServiceHeader {
    fn encode(&self, out: &mut Writer) {
        out.byte(SERVICE_STREAM);
        out.raw(&self.session);
    }
}

impl Decode for ServiceHeader {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            SERVICE_STREAM => Ok(Self { session: input.array()? }),
            other => Err(DecodeError::UnknownVariant { kind: "service stream", value: other.into() }),
        }
    }
}

/// The client's side: takes a program's connection through `link`, as part of `session`.
pub async fn carry(socket: TcpStream, link: &Link, session: SessionTag, gate: &Gate, meter: &Meter) -> Outcome {
    let header = ServiceHeader { session };
    let asked = tokio::select! {
        asked = timeout(REPLY_WAIT, ask(link, &header)) => asked.unwrap_or(Err(Reply::TtlExpired)),
        _ = gate.closed() => Err(Reply::GeneralFailure),
    };
    match asked {
        Ok((send, recv)) => Outcome::Spliced(splice(socket, send, recv, Side::Client, gate, meter).await),
        Err(reply) => Outcome::Refused(reply),
    }
}

/// The provider's side: joins a data stream to the program that listens at `program`, which is told `line` first.
pub async fn serve(
    program: &Path,
    line: &str,
    mut send: StreamSend,
    recv: StreamRecv,
    gate: &Gate,
    meter: &Meter,
) -> Outcome {
    let connecting = async {
        let mut socket = ProgramSocket::connect(program).await?;
        socket.write_all(line.as_bytes()).await?;
        std::io::Result::Ok(socket)
    };
    let connected = tokio::select! {
        connected = timeout(CONNECT_WAIT, connecting) => connected,
        _ = gate.closed() => return Outcome::Gone,
    };
    let socket = match connected {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => {
            tracing::warn!(%error, "a service's program takes no connection");
            return refuse(send, Reply::Refused, gate).await;
        }
        Err(_) => return refuse(send, Reply::TtlExpired, gate).await,
    };
    if say(&mut send, Reply::Succeeded, gate).await == Said::Gone {
        return Outcome::Gone;
    }
    Outcome::Spliced(splice(socket, send, recv, Side::Provider, gate, meter).await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socks::StreamHeader;

    #[test]
    fn a_header_is_taken_for_nothing_else() {
        let header = ServiceHeader { session: [7; 16] };
        let bytes = header.to_bytes();
        assert_eq!(ServiceHeader::from_bytes(&bytes), Ok(header));
        assert!(StreamHeader::from_bytes(&bytes).is_err());
        for wrong in [&bytes[..16], &[&bytes[..], &[0]].concat(), &[&[1], &bytes[1..]].concat()] {
            assert!(ServiceHeader::from_bytes(wrong).is_err(), "{wrong:?}");
        }
    }
}

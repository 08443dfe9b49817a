//! The client's side of a connection: from an accepted request to a data stream towards the exit.

use std::time::Duration;

use byway_primitives::Encode;
use tokio::time::timeout;

use super::associate::associate;
use super::reply::Reply;
use super::server::SocksRequest;
use super::splice::{Outcome, splice};
use super::stream_header::{SessionTag, StreamHeader, Wanted};
use crate::gate::Gate;
use crate::link::{Link, StreamError, StreamRecv, StreamSend};
use crate::meter::{Meter, Side};

/// How long the exit may take to resolve and connect. It gives up before that by itself.
const REPLY_WAIT: Duration = Duration::from_secs(30);

/// Carries one request out through `link`, as part of `session`: asks the exit, passes its answer on to the program, and
/// moves bytes until the end.
pub async fn carry(request: SocksRequest, link: &Link, session: SessionTag, gate: &Gate, meter: &Meter) -> Outcome {
    let header = StreamHeader { session, wanted: request.wanted.clone() };
    let asked = tokio::select! {
        asked = timeout(REPLY_WAIT, ask(link, &header)) => asked,
        _ = gate.closed() => Ok(Err(Reply::GeneralFailure)),
    };
    match asked.unwrap_or(Err(Reply::TtlExpired)) {
        Ok((send, recv)) => match request.wanted {
            Wanted::Connection(_) => match request.accept().await {
                Ok(socket) => Outcome::Spliced(splice(socket, send, recv, Side::Client, gate, meter).await),
                Err(_) => Outcome::Gone,
            },
            Wanted::Datagrams => match request.accept_datagrams().await {
                Ok(program) => Outcome::Spliced(associate(program, (send, recv), gate, meter).await),
                Err(_) => Outcome::Gone,
            },
        },
        Err(reply) => {
            request.refuse(reply).await;
            Outcome::Refused(reply)
        }
    }
}

/// A stream with this header, on which the other side said that it is connected.
pub(crate) async fn ask(link: &Link, header: &impl Encode) -> Result<(StreamSend, StreamRecv), Reply> {
    let failed = |_: StreamError| Reply::GeneralFailure;
    let (send, mut recv) = link.open_stream(&header.to_bytes()).await.map_err(failed)?;
    let byte = recv.read_byte().await.map_err(failed)?.ok_or(Reply::GeneralFailure)?;
    match Reply::from_byte(byte) {
        Ok(Reply::Succeeded) => Ok((send, recv)),
        Ok(reply) => Err(reply),
        Err(_) => Err(Reply::GeneralFailure),
    }
}

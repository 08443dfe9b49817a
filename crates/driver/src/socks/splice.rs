//! Joins a socket and a data stream: two copy loops, metered and gated (rows A10, A11).
//!
//! Each direction reads into a buffer of its own, asks the session's [`Gate`] for leave, and counts what passes in the
//! session's [`Meter`]. Nothing is counted before the gate let it pass, so the counters never exceed the allowance. While
//! the gate holds, a direction simply doesn't read on, and the sender at the far end is held back by flow control.
//!
//! An end of one direction is passed on as an end (half-close), and the other goes on. Anything else ends both at once
//! and is passed on as a *cut*: the stream is reset and the socket sends a reset, so that neither side takes a part for
//! the whole.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::gate::{CloseReason, Gate};
use super::meter::{Meter, Way};
use super::reply::Reply;
use crate::link::{StreamError, StreamRecv, StreamSend};

/// Bytes of the buffer of each direction: measured to be where larger ones no longer help.
pub const BUFFER_BYTES: usize = 256 * 1024;

/// Which end of the data stream this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The socket leads to the program that wants to go out.
    Client,
    /// The socket leads to the host that it wants to reach.
    Provider,
}

/// How a splice ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    #[error("both directions ended")]
    Finished,
    #[error("the socket failed: {0}")]
    Socket(io::ErrorKind),
    #[error("the stream failed: {0}")]
    Stream(#[from] StreamError),
    #[error("{0}")]
    Closed(#[from] CloseReason),
}

/// What became of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There was no connection, and the one who asked for it was told this.
    Refused(Reply),
    /// The one who asked was gone, or the session over, before there was a connection.
    Gone,
    /// Bytes went both ways until this.
    Spliced(Ended),
}

/// Moves bytes both ways until both directions have ended, or one of socket, stream and gate ends it.
pub async fn splice(
    mut socket: TcpStream,
    mut send: StreamSend,
    mut recv: StreamRecv,
    side: Side,
    gate: &Gate,
    meter: &Meter,
) -> Ended {
    let cut = send.cut();
    let (read, write) = socket.split();
    let both = async {
        tokio::try_join!(
            to_stream(read, &mut send, gate, meter, side.way_to_stream()),
            from_stream(&mut recv, write, gate, meter, side.way_from_stream()),
        )
    };
    let ended = tokio::select! {
        moved = both => moved.map_or_else(|ended| ended, |_| Ended::Finished),
        error = cut => Ended::Stream(error),
        reason = gate.closed() => Ended::Closed(reason),
    };
    if ended != Ended::Finished {
        // The stream is reset when its halves are dropped. If the socket can't be, it is closed in the ordinary way.
        let _ = socket.set_zero_linger();
    }
    ended
}

impl Side {
    fn way_to_stream(self) -> Way {
        match self {
            Self::Client => Way::Up,
            Self::Provider => Way::Down,
        }
    }

    fn way_from_stream(self) -> Way {
        match self {
            Self::Client => Way::Down,
            Self::Provider => Way::Up,
        }
    }
}

async fn to_stream(
    mut socket: ReadHalf<'_>,
    stream: &mut StreamSend,
    gate: &Gate,
    meter: &Meter,
    way: Way,
) -> Result<(), Ended> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = socket.read(&mut buffer).await.map_err(|error| Ended::Socket(error.kind()))?;
        if count == 0 {
            stream.finish();
            return Ok(());
        }
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            let mut grant = gate.acquire(rest.len() as u64).await?;
            while grant.left() > 0 {
                let allowed = rest.len().min(grant.left() as usize);
                let written = stream.write(&rest[..allowed]).await?;
                grant.spend(written as u64);
                meter.count(way, written as u64);
                rest = &rest[written..];
            }
        }
    }
}

async fn from_stream(
    stream: &mut StreamRecv,
    mut socket: WriteHalf<'_>,
    gate: &Gate,
    meter: &Meter,
    way: Way,
) -> Result<(), Ended> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let failed = |error: io::Error| Ended::Socket(error.kind());
    while let Some(count) = stream.read(&mut buffer).await? {
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            let mut grant = gate.acquire(rest.len() as u64).await?;
            let granted = rest.len().min(grant.left() as usize);
            // They have arrived and are acknowledged by that, whether or not the socket still takes them.
            grant.spend(granted as u64);
            meter.count(way, granted as u64);
            socket.write_all(&rest[..granted]).await.map_err(failed)?;
            rest = &rest[granted..];
        }
    }
    socket.shutdown().await.map_err(failed)
}

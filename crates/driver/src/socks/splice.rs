//! Joins a socket and a data stream: two copy loops, metered and gated (rows A10, A11).
//!
//! Each direction reads into a buffer of its own, asks the session's [`Gate`] for leave, and counts what passes in the
//! session's [`Meter`]. Nothing is counted before the gate let it pass, so the counters never exceed the allowance. While
//! the gate holds, a direction simply doesn't read on, and the sender at the far end is held back by flow control.
//!
//! **A program that stops reading** must not use up the session's credit for the programs beside it. What was written for
//! it and it did not read counts against the allowance, and the transport alone would let a whole stream window of it
//! (2 MiB) pile up, which is more than a young session's credit window. So a stream may hold unread at most
//! [`HELD_PARTS`] times what is free in the session's allowance at that moment, and always [`HELD_BYTES_MIN`] bytes: a
//! stream that is alone gets three quarters of the window, which is more than a full path needs; however many have
//! stopped, what they leave to the others shrinks in steps and is never nothing until each of them holds its minimum.
//!
//! An end of one direction is passed on as an end (half-close), and the other goes on. Anything else ends both at once
//! and is passed on as a *cut*: the stream is reset and the socket sends a reset, so that neither side takes a part for
//! the whole.

use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::reply::Reply;
use crate::gate::{CloseReason, Gate};
use crate::link::{StreamError, StreamRecv, StreamSend};
use crate::meter::{Meter, Side, Way};
use crate::program_socket::ProgramSocket;

/// Bytes of the buffer of each direction: measured to be where larger ones no longer help.
pub const BUFFER_BYTES: usize = 256 * 1024;

/// Room that a read from the socket finds at least: what takes less work than a new block.
const READ_BYTES_MIN: usize = 64 * 1024;

/// Bytes that any stream may hold unread, however little is free: a small page and its headers go out at once.
pub const HELD_BYTES_MIN: u64 = 16 * 1024;
/// Beyond that a stream may hold unread this many times what is free: three, so that one stream alone can use three
/// quarters of a credit window, which is twice what the path needs.
pub const HELD_PARTS: u64 = 3;

/// A socket at the outer end of a splice.
pub trait Socket: Send {
    fn halves(&mut self) -> (impl AsyncRead + Unpin + Send, impl AsyncWrite + Unpin + Send);

    /// Makes closing it say that not everything came; where that can't be said, it is closed in the ordinary way.
    fn cut(&self);
}

impl Socket for TcpStream {
    fn halves(&mut self) -> (impl AsyncRead + Unpin + Send, impl AsyncWrite + Unpin + Send) {
        self.split()
    }

    fn cut(&self) {
        // If it can't be reset, it is closed in the ordinary way.
        let _ = self.set_zero_linger();
    }
}

impl Socket for ProgramSocket {
    fn halves(&mut self) -> (impl AsyncRead + Unpin + Send, impl AsyncWrite + Unpin + Send) {
        self.split()
    }

    /// There is no reset between programs of one machine; whoever is at the other end hears of the session's end otherwise.
    fn cut(&self) {}
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
    #[error("the exit goes there no more")]
    Withdrawn,
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
    mut socket: impl Socket,
    mut send: StreamSend,
    mut recv: StreamRecv,
    side: Side,
    gate: &Gate,
    meter: &Meter,
) -> Ended {
    let cut = send.cut();
    let (read, write) = socket.halves();
    let both = async {
        tokio::try_join!(
            to_stream(read, &mut send, gate, meter, side.way_in()),
            from_stream(&mut recv, write, gate, meter, side.way_out()),
        )
    };
    let ended = tokio::select! {
        moved = both => moved.map_or_else(|ended| ended, |_| Ended::Finished),
        error = cut => Ended::Stream(error),
        reason = gate.closed() => Ended::Closed(reason),
    };
    if ended != Ended::Finished {
        // The stream is reset when its halves are dropped.
        socket.cut();
    }
    ended
}

async fn to_stream(
    mut socket: impl AsyncRead + Unpin,
    stream: &mut StreamSend,
    gate: &Gate,
    meter: &Meter,
    way: Way,
) -> Result<(), Ended> {
    // What was read is given to the stream without a copy; reads share a block for as long as there is room in it.
    let mut block = BytesMut::new();
    loop {
        if block.capacity() < READ_BYTES_MIN {
            block.reserve(BUFFER_BYTES);
        }
        let count = socket.read_buf(&mut block).await.map_err(|error| Ended::Socket(error.kind()))?;
        if count == 0 {
            stream.finish();
            return Ok(());
        }
        let mut rest = block.split().freeze();
        while !rest.is_empty() {
            let room = room(stream, gate).await;
            let mut grant = gate.acquire_in_time(way, room.min(rest.len() as u64)).await?;
            while grant.left() > 0 {
                let allowed = rest.len().min(grant.left() as usize);
                let written = stream.write_shared(rest.slice(..allowed)).await?;
                grant.spend(written as u64);
                meter.count(way, written as u64);
                rest.advance(written);
            }
        }
    }
}

/// Waits until the stream may hold more, and says how many bytes; never none.
async fn room(stream: &StreamSend, gate: &Gate) -> u64 {
    loop {
        let (mut read_on, mut freed) = (std::pin::pin!(stream.read_on()), std::pin::pin!(gate.freed()));
        // Both listen before the look, so that nothing that happens after it is missed.
        let woken = futures::poll!(&mut read_on).is_ready() || futures::poll!(&mut freed).is_ready();
        match room_now(stream.unread(), gate.free()) {
            0 if woken => {}
            0 => {
                tokio::select! {
                    () = read_on => {}
                    () = freed => {}
                }
            }
            room => return room,
        }
    }
}

/// How many bytes more a stream may hold that holds `unread`. Each of them also makes one less free.
fn room_now(unread: u64, free: u64) -> u64 {
    let share = free.saturating_mul(HELD_PARTS).saturating_sub(unread) / (HELD_PARTS + 1);
    share.max(HELD_BYTES_MIN.saturating_sub(unread))
}

async fn from_stream(
    stream: &mut StreamRecv,
    mut socket: impl AsyncWrite + Unpin,
    gate: &Gate,
    meter: &Meter,
    way: Way,
) -> Result<(), Ended> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let failed = |error: io::Error| Ended::Socket(error.kind());
    while let Some(count) = stream.read(&mut buffer).await? {
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            let mut grant = gate.acquire_in_time(way, rest.len() as u64).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_may_hold_three_times_what_it_leaves_free() {
        const WINDOW: u64 = 128 * 1024;
        for (unread, free, expected) in [
            (0, WINDOW, 3 * WINDOW / 4),
            (3 * WINDOW / 4, WINDOW / 4, 0),
            (WINDOW / 4, WINDOW / 4, WINDOW / 8),
            // Others have used up everything: the minimum may be asked for, and waits at the gate.
            (0, 0, HELD_BYTES_MIN),
            (HELD_BYTES_MIN - 1, 0, 1),
            (HELD_BYTES_MIN, 0, 0),
            // A gate that holds nothing back.
            (2 << 20, u64::MAX, (u64::MAX - (2 << 20)) / 4),
        ] {
            assert_eq!(room_now(unread, free), expected, "{unread} unread, {free} free");
        }
    }
}

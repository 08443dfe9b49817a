//! A program's UDP through an exit (RFC 1928, UDP ASSOCIATE), on the client's side.
//!
//! The program sends to a socket of ours, and only the program may: the first who does, from the address of its
//! connection, is the one. It lasts as long as that connection.

use std::io;
use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpStream, UdpSocket};

use super::datagram::{Datagram, Frames};
use super::splice::Ended;
use crate::gate::Gate;
use crate::link::{StreamRecv, StreamSend};
use crate::meter::{Meter, Side};

/// A datagram of UDP at most.
pub(crate) const UDP_BYTES_MAX: usize = 65_535;

/// Carries datagrams both ways until the program's connection, the stream or the session ends.
pub(super) async fn associate(
    (socket, mut connection): (UdpSocket, TcpStream),
    (mut send, mut recv): (StreamSend, StreamRecv),
    gate: &Gate,
    meter: &Meter,
) -> Ended {
    let Ok(program) = connection.peer_addr() else { return Ended::Finished };
    // Where the program sends from, once it has.
    let known = std::sync::OnceLock::new();
    let cut = send.cut();
    let ended = tokio::select! {
        ended = out(&socket, program, &known, &mut send, gate, meter) => ended,
        ended = back(&socket, &known, &mut recv, gate, meter) => ended,
        ended = over(&mut connection) => ended,
        error = cut => Ended::Stream(error),
        reason = gate.closed() => Ended::Closed(reason),
    };
    if ended == Ended::Finished {
        send.finish();
    }
    ended
}

/// Resolves when the program has closed its connection, or broken it.
async fn over(connection: &mut TcpStream) -> Ended {
    let mut scrap = [0; 256];
    loop {
        match connection.read(&mut scrap).await {
            Ok(0) | Err(_) => return Ended::Finished,
            // Nothing is expected there.
            Ok(_) => {}
        }
    }
}

async fn out(
    socket: &UdpSocket,
    program: SocketAddr,
    known: &std::sync::OnceLock<SocketAddr>,
    send: &mut StreamSend,
    gate: &Gate,
    meter: &Meter,
) -> Ended {
    let mut bytes = vec![0; UDP_BYTES_MAX];
    loop {
        let (length, from) = match socket.recv_from(&mut bytes).await {
            Ok(received) => received,
            Err(error) if passes(&error) => continue,
            Err(error) => return Ended::Socket(error.kind()),
        };
        if from.ip() != program.ip() || *known.get_or_init(|| from) != from {
            continue;
        }
        let Some(datagram) = Datagram::read_socks(&bytes[..length]) else { continue };
        if let Err(ended) = enter(&datagram, send, gate, meter, Side::Client).await {
            return ended;
        }
    }
}

async fn back(
    socket: &UdpSocket,
    known: &std::sync::OnceLock<SocketAddr>,
    recv: &mut StreamRecv,
    gate: &Gate,
    meter: &Meter,
) -> Ended {
    let mut frames = Frames::new();
    loop {
        let datagram = match frames.next(recv).await {
            Ok(Some(datagram)) => datagram,
            Ok(None) => return Ended::Finished,
            Err(error) => return Ended::Stream(error),
        };
        if let Err(ended) = leave(&datagram, gate, meter, Side::Client).await {
            return ended;
        }
        if let Some(program) = known.get() {
            // A program that doesn't take it loses it.
            let _ = socket.send_to(&datagram.to_socks(), program).await;
        }
    }
}

/// What a datagram counts: its payload, and a byte where that is empty, since the name it is for says something too.
fn counted(datagram: &Datagram) -> u64 {
    datagram.payload.len().max(1) as u64
}

/// Puts a datagram into the stream and counts it; drops it if the session's gate or pace lets it not pass now.
pub(crate) async fn enter(
    datagram: &Datagram,
    send: &mut StreamSend,
    gate: &Gate,
    meter: &Meter,
    side: Side,
) -> Result<(), Ended> {
    let bytes = counted(datagram);
    let Some(mut grant) = gate.try_grant(bytes) else { return Ok(()) };
    if gate.pace().is_some_and(|pace| pace.try_pass(side.way_in(), bytes).is_err()) {
        return Ok(());
    }
    send.write_all(&datagram.to_frame()).await?;
    grant.spend(bytes);
    meter.count(side.way_in(), bytes);
    Ok(())
}

/// Counts a datagram that has come out of the stream.
pub(crate) async fn leave(datagram: &Datagram, gate: &Gate, meter: &Meter, side: Side) -> Result<(), Ended> {
    let mut left = counted(datagram);
    while left > 0 {
        let mut grant = gate.acquire_in_time(side.way_out(), left).await?;
        let granted = grant.left();
        grant.spend(granted);
        meter.count(side.way_out(), granted);
        left -= granted;
    }
    Ok(())
}

/// What a socket says of a datagram that was sent before: nobody heard it.
pub(crate) fn passes(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset)
}

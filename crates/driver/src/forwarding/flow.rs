//! One visitor's UDP: datagrams from one address, over a stream of its own.
//!
//! At both ends one place takes what arrives and another one gets what comes out of the stream. The payload is counted, at the same
//! places as that of programs' own datagrams ([`socks::associate`](crate::socks)).

use std::net::SocketAddr;
use std::sync::Weak;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::gate::Gate;
use crate::link::{StreamError, StreamRecv, StreamSend};
use crate::meter::{Meter, Side};
use crate::socks::Ended;
use crate::socks::associate::{UDP_BYTES_MAX, enter, leave, passes};
use crate::socks::datagram::{Datagram, Frames, PAYLOAD_BYTES_MAX};

/// Where the datagrams of one visitor come from and go to, at one end of its stream.
pub(super) enum FlowEnd {
    /// At the exit: sorted out by who reads the port's socket. It ends when nothing came for a while.
    Visitor { arrived: mpsc::Receiver<Vec<u8>>, port: Weak<UdpSocket>, at: SocketAddr, idle_max: Duration },
    /// At the client: a socket that is connected to the program, so that its answers find their way.
    Program { socket: UdpSocket, buffer: Vec<u8> },
}

/// What a flow meets.
enum Met {
    Arrived(Vec<u8>),
    Out(Datagram),
    /// Too long for a frame.
    Nothing,
    Over(Ended),
}

impl FlowEnd {
    pub fn program(socket: UdpSocket) -> Self {
        Self::Program { socket, buffer: vec![0; UDP_BYTES_MAX] }
    }

    fn side(&self) -> Side {
        match self {
            Self::Visitor { .. } => Side::Provider,
            Self::Program { .. } => Side::Client,
        }
    }

    /// For ever where whoever is at the other end watches over that.
    fn idle_max(&self) -> Option<Duration> {
        match self {
            Self::Visitor { idle_max, .. } => Some(*idle_max),
            Self::Program { .. } => None,
        }
    }

    async fn next(&mut self) -> Met {
        match self {
            Self::Visitor { arrived, .. } => arrived.recv().await.map_or(Met::Over(Ended::Finished), Met::Arrived),
            Self::Program { socket, buffer } => match socket.recv(buffer).await {
                Ok(length) if length <= PAYLOAD_BYTES_MAX => Met::Arrived(buffer[..length].to_vec()),
                Ok(_) => Met::Nothing,
                Err(error) => Met::Over(Ended::Socket(error.kind())),
            },
        }
    }

    /// What the system does not take is lost, as on any way.
    async fn put(&self, payload: &[u8]) -> Result<(), Ended> {
        match self {
            Self::Visitor { port, at, .. } => {
                let port = port.upgrade().ok_or(Ended::Finished)?;
                let _ = port.send_to(payload, *at).await;
            }
            Self::Program { socket, .. } => match socket.send(payload).await {
                // Nobody heard one that was sent before.
                Err(error) if passes(&error) => return Err(Ended::Socket(error.kind())),
                _ => {}
            },
        }
        Ok(())
    }
}

/// Carries a visitor's datagrams both ways until one of the ends, the stream or the session is over.
pub(super) async fn carry(
    mut end: FlowEnd,
    visitor: SocketAddr,
    (mut send, mut recv): (StreamSend, StreamRecv),
    gate: &Gate,
    meter: &Meter,
) -> Ended {
    let (side, idle_max) = (end.side(), end.idle_max());
    let (mut frames, mut heard) = (Frames::new(), Instant::now());
    let cut = send.cut();
    tokio::pin!(cut);
    loop {
        let met = tokio::select! {
            met = end.next() => met,
            frame = frames.next(&mut recv) => match frame {
                Ok(Some(datagram)) => Met::Out(datagram),
                Ok(None) => Met::Over(Ended::Finished),
                Err(error) => Met::Over(Ended::Stream(error)),
            },
            () = idle(heard, idle_max) => Met::Over(Ended::Finished),
            error = &mut cut => Met::Over(cut_by(error)),
            reason = gate.closed() => Met::Over(Ended::Closed(reason)),
        };
        let moved = async {
            match met {
                Met::Arrived(payload) => enter(&Datagram::from(visitor, &payload), &mut send, gate, meter, side).await,
                Met::Out(datagram) => {
                    leave(&datagram, gate, meter, side).await?;
                    end.put(&datagram.payload).await
                }
                Met::Nothing => Ok(()),
                Met::Over(ended) => Err(ended),
            }
        };
        let moved = tokio::select! {
            moved = moved => moved,
            error = &mut cut => Err(cut_by(error)),
            reason = gate.closed() => Err(Ended::Closed(reason)),
        };
        if let Err(ended) = moved {
            if ended == Ended::Finished {
                send.finish();
            }
            return ended;
        }
        heard = Instant::now();
    }
}

async fn idle(since: Instant, max: Option<Duration>) {
    match max {
        Some(max) => sleep(max.saturating_sub(since.elapsed())).await,
        None => std::future::pending().await,
    }
}

/// Datagrams have no last one that could be missing.
fn cut_by(error: StreamError) -> Ended {
    if error == StreamError::Cut { Ended::Finished } else { Ended::Stream(error) }
}

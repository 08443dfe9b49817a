//! One visitor's UDP: datagrams from one address, over a stream of its own.
//!
//! At both ends one place takes what arrives and another one gets what comes out of the stream. The payload is counted, at the same
//! places as that of programs' own datagrams ([`socks::associate`](crate::socks)).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep};

use super::datagrams::{Place, PortDatagrams};
use crate::gate::Gate;
use crate::link::{StreamError, StreamRecv, StreamSend};
use crate::meter::{Meter, Side};
use crate::socks::Ended;
use crate::socks::associate::{UDP_BYTES_MAX, enter, leave, passes};
use crate::socks::datagram::{Datagram, Frames, PAYLOAD_BYTES_MAX};

/// How many times what a visitor has sent goes back to it until it has sent something again: an address that somebody else wrote
/// into a datagram answers nothing (as in QUIC, RFC 9000, section 8.1).
const UNPROVEN_TIMES: u64 = 3;

/// Where the datagrams of one visitor come from and go to, at one end of its stream.
pub(super) enum FlowEnd {
    /// At the exit: sorted out by who reads the port's socket. It ends when nothing came for a while.
    Visitor { arrived: mpsc::Receiver<Queued>, port: Weak<PortDatagrams>, at: Place, idle_max: Duration },
    /// At the client: a socket that is connected to the program, so that its answers find their way.
    Program(UdpSocket),
}

/// A datagram that waits, and its part of what may.
pub(super) struct Queued {
    pub payload: Vec<u8>,
    pub _room: OwnedSemaphorePermit,
}

/// The half that gives what arrives.
enum Source {
    Visitor(mpsc::Receiver<Queued>),
    Program { socket: Arc<UdpSocket>, buffer: Vec<u8> },
}

/// The half that takes what comes out of the stream.
enum Sink {
    Visitor { port: Weak<PortDatagrams>, at: Place },
    Program(Arc<UdpSocket>),
}

/// What both directions know of the visitor.
struct Heard {
    /// Unset where whoever is at the other end watches over that.
    idle_max: Option<Duration>,
    last: Mutex<Instant>,
    /// Bytes from the visitor, and to it.
    came: AtomicU64,
    went: AtomicU64,
    /// It has sent something after it was sent something.
    is_proven: AtomicBool,
}

impl Heard {
    fn of(end: &FlowEnd) -> Self {
        let (idle_max, is_proven) = match end {
            FlowEnd::Visitor { idle_max, .. } => (Some(*idle_max), false),
            FlowEnd::Program(_) => (None, true),
        };
        let (came, went) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { idle_max, last: Mutex::new(Instant::now()), came, went, is_proven: is_proven.into() }
    }

    fn came(&self, bytes: usize) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.came.fetch_add(bytes as u64, Ordering::Relaxed);
        if self.went.load(Ordering::Relaxed) > 0 {
            self.is_proven.store(true, Ordering::Relaxed);
        }
    }

    /// Whether so much may go to it.
    fn may_go(&self, bytes: usize) -> bool {
        let (bytes, came) = (bytes as u64, self.came.load(Ordering::Relaxed));
        let may = self.is_proven.load(Ordering::Relaxed)
            || self.went.load(Ordering::Relaxed) + bytes <= came.saturating_mul(UNPROVEN_TIMES);
        if may {
            self.went.fetch_add(bytes, Ordering::Relaxed);
        }
        may
    }

    /// Resolves when nothing has come for too long.
    async fn idle(&self) {
        let Some(max) = self.idle_max else { return std::future::pending().await };
        loop {
            let since = self.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
            if since >= max {
                return;
            }
            sleep(max - since).await;
        }
    }
}

impl FlowEnd {
    fn side(&self) -> Side {
        match self {
            Self::Visitor { .. } => Side::Provider,
            Self::Program(_) => Side::Client,
        }
    }

    fn split(self) -> (Source, Sink) {
        match self {
            Self::Visitor { arrived, port, at, .. } => (Source::Visitor(arrived), Sink::Visitor { port, at }),
            Self::Program(socket) => {
                let socket = Arc::new(socket);
                (Source::Program { socket: socket.clone(), buffer: vec![0; UDP_BYTES_MAX] }, Sink::Program(socket))
            }
        }
    }
}

impl Source {
    async fn next(&mut self) -> Result<Vec<u8>, Ended> {
        match self {
            Self::Visitor(arrived) => arrived.recv().await.map(|queued| queued.payload).ok_or(Ended::Finished),
            Self::Program { socket, buffer } => loop {
                // What is too long for a frame is lost, as on any way.
                match socket.recv(buffer).await {
                    Ok(length) if length <= PAYLOAD_BYTES_MAX => return Ok(buffer[..length].to_vec()),
                    Ok(_) => {}
                    Err(error) => return Err(Ended::Socket(error.kind())),
                }
            },
        }
    }
}

impl Sink {
    /// What the system does not take is lost, as on any way.
    async fn put(&self, payload: &[u8]) -> Result<(), Ended> {
        match self {
            Self::Visitor { port, at } => {
                let port = port.upgrade().ok_or(Ended::Finished)?;
                let _ = port.send(payload, *at).await;
            }
            Self::Program(socket) => match socket.send(payload).await {
                // Nobody heard one that was sent before.
                Err(error) if passes(&error) => return Err(Ended::Socket(error.kind())),
                _ => {}
            },
        }
        Ok(())
    }
}

/// Carries a visitor's datagrams both ways until one of the ends, the stream or the session is over. Each way goes on while
/// the other waits.
pub(super) async fn carry(
    end: FlowEnd,
    visitor: SocketAddr,
    (mut send, mut recv): (StreamSend, StreamRecv),
    gate: &Gate,
    meter: &Meter,
) -> Ended {
    let (side, heard, cut) = (end.side(), Heard::of(&end), send.cut());
    let (mut source, sink) = end.split();
    // Whether what was written ends with a datagram.
    let is_whole = AtomicBool::new(true);
    let inward = async {
        loop {
            let payload = source.next().await?;
            heard.came(payload.len());
            is_whole.store(false, Ordering::Relaxed);
            enter(&Datagram::from(visitor, &payload), &mut send, gate, meter, side).await?;
            is_whole.store(true, Ordering::Relaxed);
        }
    };
    let outward = async {
        let mut frames = Frames::new();
        while let Some(datagram) = frames.next(&mut recv).await? {
            if heard.may_go(datagram.payload.len()) {
                leave(&datagram, gate, meter, side).await?;
                sink.put(&datagram.payload).await?;
            }
        }
        Err(Ended::Finished)
    };
    let ended = tokio::select! {
        ended = inward => ended,
        ended = outward => ended,
        () = heard.idle() => Err(Ended::Finished),
        error = cut => Err(cut_by(error)),
        reason = gate.closed() => Err(Ended::Closed(reason)),
    };
    let Err(ended): Result<Infallible, Ended> = ended;
    if ended == Ended::Finished && is_whole.into_inner() {
        send.finish();
    }
    ended
}

/// Datagrams have no last one that could be missing.
fn cut_by(error: StreamError) -> Ended {
    if error == StreamError::Cut { Ended::Finished } else { Ended::Stream(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_has_proved_nothing_is_sent_little() {
        let (_, arrived) = mpsc::channel(1);
        let at = Place { visitor: ([192, 0, 2, 1], 9).into(), here: None };
        let heard = Heard::of(&FlowEnd::Visitor { arrived, port: Weak::new(), at, idle_max: Duration::MAX });
        assert!(!heard.may_go(1), "it has sent nothing");
        heard.came(100);
        heard.came(100);
        assert!(heard.may_go(600) && !heard.may_go(1), "three times as much, whatever it sent before that");
        heard.came(1);
        assert!(heard.may_go(1_000_000), "it has answered");
    }
}

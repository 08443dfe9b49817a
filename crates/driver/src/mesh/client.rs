//! The client's side: ask a kernel node and be told things by it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use byway_crypto::noise::StaticKey;
use byway_primitives::hash::Context;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::frame::{FrameReader, HEADER, Kind};
use super::outbox::{Outbox, Outgoing};
use super::wire::{self, Own, Role, Secured};
use super::{CloseReason, ConnectError, FRAME_MAX, Limits, Prologue, SendError, connection};

/// Pushes that wait to be taken; a caller that lets more pile up is disconnected, because waiting for it would hold up
/// replies, and dropping some would leave gaps it can't see.
const PUSHES_MAX: usize = 1024;

const STATIC: Context = Context("byway 1 mesh client: static");
const EPHEMERAL: Context = Context("byway 1 mesh client: ephemeral");
const INSTANCE: Context = Context("byway 1 mesh client: instance");

/// A connection to a kernel node, in the client's role. Clones share it; it closes with the last. It doesn't reconnect:
/// the caller knows best to which node.
#[derive(Clone)]
pub struct MeshClient(Arc<Inner>);

/// Why a request has no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("the node did not reply in time")]
    TimedOut,
    #[error("the connection to the node ended: {0}")]
    Closed(CloseReason),
    #[error("a request of {length} bytes is too long, {limit} are allowed")]
    TooLong { length: usize, limit: usize },
}

struct Inner {
    outbox: Arc<Outbox>,
    waiting: Arc<Mutex<Waiting>>,
    next: AtomicU64,
}

/// Requests by id, each with where its reply goes.
type Waiting = BTreeMap<u64, oneshot::Sender<Bytes>>;

impl MeshClient {
    /// Connects to the node at `address` (`host:port`), which must have the key `server`. Everything random comes from
    /// `seed`, the own key too, so a fresh seed makes a client that can't be linked to an earlier one.
    ///
    /// Gives what the node tells unasked, too; take it, or the connection ends once 1,024 have piled up.
    pub async fn connect(
        address: &str,
        server: StaticKey,
        prologue: &Prologue,
        seed: &[u8; 32],
        limits: &Limits,
    ) -> Result<(Self, mpsc::Receiver<Bytes>), ConnectError> {
        let unreachable = |source| ConnectError::Unreachable { address: address.to_owned(), source };
        let connected = timeout(limits.connect_max, TcpStream::connect(address)).await;
        let stream = connected.map_err(|_| ConnectError::TimedOut)?.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let mut instance = [0; 8];
        INSTANCE.expand(&[seed], &mut instance);
        let own = Own { secret: STATIC.hash(&[seed]).0, instance: u64::from_be_bytes(instance), prologue: *prologue };
        let ephemeral = EPHEMERAL.hash(&[seed]).0;
        let handshake = wire::initiate(stream, &own, Role::Client, server, &ephemeral);
        let secured = timeout(limits.handshake_max, handshake).await.map_err(|_| ConnectError::TimedOut)??;

        let outbox = Arc::new(Outbox::new(limits.outgoing_bytes_max));
        let waiting = Arc::new(Mutex::default());
        let (push, pushes) = mpsc::channel(PUSHES_MAX);
        tokio::spawn(run(secured, outbox.clone(), waiting.clone(), push, limits.clone()));
        Ok((Self(Arc::new(Inner { outbox, waiting, next: AtomicU64::new(1) })), pushes))
    }

    /// Asks, and waits for the reply for at most `reply_max`.
    pub async fn request(&self, bytes: Bytes, reply_max: Duration) -> Result<Bytes, RequestError> {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        lock(&self.0.waiting).insert(id, answer);
        // Also when the caller gives up.
        let _forget = Forget { waiting: &self.0.waiting, id };
        match self.0.outbox.push(Outgoing { kind: Kind::Request, id: Some(id), body: bytes }) {
            Ok(()) => {}
            Err(SendError::TooLong { length, limit }) => return Err(RequestError::TooLong { length, limit }),
            Err(_) => return Err(RequestError::Closed(self.0.outbox.closed().await)),
        }
        tokio::select! {
            biased;
            reply = answered => match reply {
                Ok(reply) => Ok(reply),
                Err(_) => Err(RequestError::Closed(self.0.outbox.closed().await)),
            },
            reason = self.0.outbox.closed() => Err(RequestError::Closed(reason)),
            () = tokio::time::sleep(reply_max) => Err(RequestError::TimedOut),
        }
    }

    /// Waits until the connection has ended.
    pub async fn closed(&self) -> CloseReason {
        self.0.outbox.closed().await
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.outbox.close(CloseReason::ClosedHere);
    }
}

struct Forget<'a> {
    waiting: &'a Mutex<Waiting>,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        lock(self.waiting).remove(&self.id);
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run(
    secured: Secured,
    outbox: Arc<Outbox>,
    waiting: Arc<Mutex<Waiting>>,
    push: mpsc::Sender<Bytes>,
    limits: Limits,
) {
    let reading = read(secured.reader, &waiting, push, &limits);
    let reason = connection::run(outbox, secured.writer, &limits, reading).await;
    tracing::debug!(%reason, "the connection to the node ended");
}

async fn read(
    mut reader: FrameReader,
    waiting: &Mutex<Waiting>,
    push: mpsc::Sender<Bytes>,
    limits: &Limits,
) -> CloseReason {
    reader.body_max = FRAME_MAX - HEADER;
    reader.silence_max = limits.silence_max;
    reader.frame_time_max = limits.frame_time_max;
    loop {
        let frame = match reader.next().await {
            Ok(frame) => frame,
            Err(reason) => return reason,
        };
        match frame.kind {
            Kind::Reply => match frame.split_id() {
                // A reply that comes too late has nobody waiting for it.
                Ok((id, bytes)) => {
                    if let Some(answer) = lock(waiting).remove(&id) {
                        let _ = answer.send(bytes);
                    }
                }
                Err(reason) => return reason,
            },
            Kind::Push => match push.try_send(frame.body) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
                Err(mpsc::error::TrySendError::Full(_)) => return CloseReason::ClosedHere,
            },
            _ => return CloseReason::Malformed("a frame that is not for clients"),
        }
    }
}

impl fmt::Debug for MeshClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MeshClient")
    }
}

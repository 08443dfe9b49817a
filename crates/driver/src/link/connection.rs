//! One link: its handle, and the task that moves its frames and streams.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use iroh::endpoint::{Connection, ConnectionError, RecvStream, SendDatagramError, SendStream, Side, VarInt};
use iroh::{EndpointId, TransportAddr};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::timeout;

use super::frame::{FRAME_BYTES_MAX, FrameError, read_frame, read_hello, write_frame};
use super::progress::Progress;
use super::stream::{StreamError, StreamRecv, StreamSend, read_header, write_header};
use super::{DownReason, Event};

/// Outgoing frames of one link that may wait to be written. Twice as many as a dialogue sends before it hears from the other side, so
/// that what it says all at once, once it is durable, fits with its answers to what came meanwhile; the dialogue's window bounds their
/// bytes, all together, far below that.
pub const FRAMES_QUEUED_MAX: usize = 2048;
/// How long the peer may take to begin the control stream, or to send the header of a stream that it opened.
const HEADER_WAIT: Duration = Duration::from_secs(10);
/// How long a closing link waits for the peer to have read the last frames.
const FLUSH_WAIT: Duration = Duration::from_secs(2);
/// The label under which both sides derive the binding from their TLS session (RFC 5705).
const BINDING_LABEL: &[u8] = b"EXPORTER-byway-link-1";

const CODE_CLOSED: VarInt = VarInt::from_u32(0);
const CODE_FAULT: VarInt = VarInt::from_u32(1);

/// Names a link within this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Which side opened the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Opened,
    Accepted,
}

/// How a link reaches the peer at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    Direct,
    Relayed,
    /// Inside a session with somebody else.
    Nested,
}

/// What can be expected of a link at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    pub path: Path,
    /// The longest datagram, in bytes; `None` if the peer takes none. It changes with the path.
    pub mtu: Option<usize>,
    /// The round trip as estimated from acknowledgements.
    pub rtt: Duration,
}

/// A handle of one link. Clones name the same link; dropping all of them doesn't close it.
#[derive(Clone)]
pub struct Link(Arc<Shared>);

struct Shared {
    id: LinkId,
    binding: [u8; 32],
    connection: Connection,
    frames: mpsc::Sender<Vec<u8>>,
    closing: watch::Sender<bool>,
    progress: Arc<Progress>,
}

/// Why something wasn't sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error("the link is down")]
    Down,
    #[error("{length} bytes are over the limit of {limit}")]
    TooLong { length: usize, limit: usize },
    /// The peer doesn't read fast enough. Try again later.
    #[error("too many frames are waiting to be sent")]
    Full,
    #[error("the other side takes no datagrams")]
    NoDatagrams,
}

/// A link that is established but not yet served.
pub(super) struct Established {
    pub(super) link: Link,
    control: (SendStream, RecvStream),
    frames: mpsc::Receiver<Vec<u8>>,
    closing: watch::Receiver<bool>,
}

impl Link {
    pub fn id(&self) -> LinkId {
        self.0.id
    }

    /// The key that the peer's endpoint has proved to hold.
    pub fn remote(&self) -> EndpointId {
        self.0.connection.remote_id()
    }

    pub fn direction(&self) -> Direction {
        match self.0.connection.side() {
            Side::Client => Direction::Opened,
            Side::Server => Direction::Accepted,
        }
    }

    /// Bytes that only the two ends of this very connection can derive, the same on both. For the handshake's prologue.
    pub fn binding(&self) -> &[u8; 32] {
        &self.0.binding
    }

    pub fn profile(&self) -> Profile {
        let paths = self.0.connection.paths();
        let path = paths.iter().find(|path| path.is_selected()).or_else(|| paths.iter().next());
        let nested = |path: &iroh::endpoint::Path<'_>| matches!(path.remote_addr(), TransportAddr::Custom(_));
        Profile {
            path: match &path {
                Some(path) if path.is_relay() => Path::Relayed,
                Some(path) if nested(path) => Path::Nested,
                _ => Path::Direct,
            },
            mtu: self.0.connection.max_datagram_size(),
            rtt: path.map(|path| path.rtt()).unwrap_or_default(),
        }
    }

    /// Bytes of the datagrams that the link has taken so far, both ways together, with all that the transport puts around them but the
    /// headers of UDP and IP.
    pub fn datagram_bytes(&self) -> u64 {
        let carried = self.0.connection.stats();
        carried.udp_tx.bytes.saturating_add(carried.udp_rx.bytes)
    }

    /// Queues a control frame; waits while [`FRAMES_QUEUED_MAX`] are queued. Frames arrive in the order of these calls.
    pub async fn send_frame(&self, frame: Vec<u8>) -> Result<(), SendError> {
        check_frame(&frame)?;
        self.0.frames.send(frame).await.map_err(|_| SendError::Down)
    }

    /// Queues a control frame, or says at once that the queue is full.
    pub fn try_send_frame(&self, frame: Vec<u8>) -> Result<(), SendError> {
        check_frame(&frame)?;
        self.0.frames.try_send(frame).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Down,
        })
    }

    /// Opens a data stream; waits while the peer allows no further one.
    pub async fn open_stream(&self, header: &[u8]) -> Result<(StreamSend, StreamRecv), StreamError> {
        let (mut send, recv) = self.0.connection.open_bi().await.map_err(|_| StreamError::Down)?;
        write_header(&mut send, header).await?;
        let reading = self.0.progress.reading(recv.id().into());
        Ok((StreamSend::new(send, None), StreamRecv::new(recv, Some(reading))))
    }

    /// Sends a datagram, which may be lost; older ones are dropped first when the path can't keep up. The limit is that
    /// of this moment: over a relay it was seen to shrink while in use.
    pub fn send_datagram(&self, bytes: Bytes) -> Result<(), SendError> {
        let limit = self.0.connection.max_datagram_size().ok_or(SendError::NoDatagrams)?;
        let length = bytes.len();
        if length > limit {
            return Err(SendError::TooLong { length, limit });
        }
        self.0.connection.send_datagram(bytes).map_err(|error| match error {
            SendDatagramError::TooLarge => SendError::TooLong { length, limit },
            SendDatagramError::ConnectionLost(_) => SendError::Down,
            SendDatagramError::UnsupportedByPeer | SendDatagramError::Disabled => SendError::NoDatagrams,
        })
    }

    /// The next datagram, or `None` once the link is down. Unread ones are dropped, oldest first, beyond a fixed buffer.
    pub async fn datagram(&self) -> Option<Bytes> {
        self.0.connection.read_datagram().await.ok()
    }

    /// Closes the link after the frames queued so far were delivered, or after a short while if they can't be.
    pub fn close(&self) {
        self.0.closing.send_replace(true);
    }

    /// Resolves once the link is down.
    pub async fn closed(&self) {
        self.0.connection.closed().await;
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Link").field(&self.0.id.0).finish()
    }
}

fn check_frame(frame: &[u8]) -> Result<(), SendError> {
    match frame.len() {
        1..=FRAME_BYTES_MAX => Ok(()),
        length => Err(SendError::TooLong { length, limit: FRAME_BYTES_MAX }),
    }
}

/// Agrees with the peer on the control stream: the side that opened the link opens it and begins with an empty frame.
/// It is the first stream, so the other side can't mistake a data stream for it.
pub(super) async fn establish(id: LinkId, connection: Connection) -> Result<Established, DownReason> {
    let begun = timeout(HEADER_WAIT, begin(&connection)).await;
    let control = match begun {
        Ok(Ok(control)) => control,
        Ok(Err(error)) => return Err(fail(&connection, error.to_string())),
        Err(_) => return Err(fail(&connection, "it didn't begin the control stream in time".to_owned())),
    };
    let mut binding = [0; 32];
    let derived = connection.export_keying_material(&mut binding, BINDING_LABEL, b"");
    derived.map_err(|_| fail(&connection, "the TLS session gives no binding".to_owned()))?;
    let (frames, frames_waiting) = mpsc::channel(FRAMES_QUEUED_MAX);
    let (closing, close_wish) = watch::channel(false);
    let link = Link(Arc::new(Shared { id, binding, connection, frames, closing, progress: Arc::default() }));
    Ok(Established { link, control, frames: frames_waiting, closing: close_wish })
}

async fn begin(connection: &Connection) -> Result<(SendStream, RecvStream), FrameError> {
    match connection.side() {
        Side::Client => {
            let (mut send, recv) = connection.open_bi().await.map_err(|_| FrameError::Cut)?;
            write_frame(&mut send, &[]).await.map_err(|_| FrameError::Cut)?;
            Ok((send, recv))
        }
        Side::Server => {
            let (send, mut recv) = connection.accept_bi().await.map_err(|_| FrameError::Cut)?;
            read_hello(&mut recv).await?;
            Ok((send, recv))
        }
    }
}

fn fail(connection: &Connection, fault: String) -> DownReason {
    let reason = connection.close_reason().map_or(DownReason::Fault(fault), |error| reason_of(&error));
    connection.close(CODE_FAULT, b"no control stream");
    reason
}

/// Serves the link until it is down. The permit is one of the endpoint's links and is given back at the end.
pub(super) async fn serve(established: Established, events: mpsc::Sender<Event>, permit: OwnedSemaphorePermit) {
    let Established { link, control: (send, recv), frames, closing } = established;
    let id = link.id();
    let connection = link.0.connection.clone();
    if events.send(Event::Up(link.clone())).await.is_err() {
        return connection.close(CODE_CLOSED, b"");
    }
    let ended = tokio::select! {
        reason = read_frames(id, recv, &events) => reason,
        reason = write_frames(send, frames, closing, &connection) => reason,
        reason = accept_streams(&link, &events) => reason,
        error = link.0.progress.tell(&connection) => reason_of(&error),
        error = link.0.progress.listen(&connection) => reason_of(&error),
        error = connection.closed() => reason_of(&error),
    };
    // What was noticed first may only be a consequence of the connection's end.
    let reason = match connection.close_reason() {
        _ if *link.0.closing.borrow() => DownReason::ClosedHere,
        Some(error) => reason_of(&error),
        None => ended,
    };
    let code = if matches!(reason, DownReason::Fault(_)) { CODE_FAULT } else { CODE_CLOSED };
    connection.close(code, b"");
    drop(permit);
    tracing::debug!(link = id.0, %reason, "link down");
    // Nobody takes events any more when the endpoint is being closed.
    let _ = events.send(Event::Down { link: id, reason }).await;
}

async fn read_frames(link: LinkId, mut stream: RecvStream, events: &mpsc::Sender<Event>) -> DownReason {
    loop {
        match read_frame(&mut stream).await {
            Ok(Some(frame)) => {
                if events.send(Event::Frame { link, frame }).await.is_err() {
                    return DownReason::ClosedHere;
                }
            }
            Ok(None) => return DownReason::ClosedThere,
            Err(error) => return DownReason::Fault(error.to_string()),
        }
    }
}

async fn write_frames(
    mut stream: SendStream,
    mut frames: mpsc::Receiver<Vec<u8>>,
    mut closing: watch::Receiver<bool>,
    connection: &Connection,
) -> DownReason {
    loop {
        // Frames go first, so that those queued before the wish to close are still written.
        let frame = tokio::select! {
            biased;
            frame = frames.recv() => frame,
            _ = closing.wait_for(|wish| *wish) => None,
        };
        let Some(frame) = frame else { break };
        if write_frame(&mut stream, &frame).await.is_err() {
            return DownReason::ClosedThere;
        }
    }
    // An error means that the stream is closed, and then the peer is already leaving.
    let _ = stream.finish();
    // The peer closes the connection once it has read the end of the control stream; closing earlier would throw away
    // what it hasn't read yet.
    let _ = timeout(FLUSH_WAIT, connection.closed()).await;
    DownReason::ClosedHere
}

async fn accept_streams(link: &Link, events: &mpsc::Sender<Event>) -> DownReason {
    let Shared { connection, progress, .. } = &*link.0;
    // At most as many as the peer may have open streams, which the transport bounds.
    let mut opening = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = connection.accept_bi() => match accepted {
                Ok((send, recv)) => {
                    let reader = progress.reader(send.id().into());
                    opening.push(announce(link.id(), StreamSend::new(send, Some(reader)), recv, events));
                }
                Err(error) => return reason_of(&error),
            },
            Some(()) = opening.next() => {}
        }
    }
}

/// Reads the header and passes the stream on; a stream without a proper header in time is cut.
async fn announce(link: LinkId, send: StreamSend, mut recv: RecvStream, events: &mpsc::Sender<Event>) {
    let Ok(Ok(header)) = timeout(HEADER_WAIT, read_header(&mut recv)).await else { return };
    // Without a receiver the link is about to end, and the stream with it.
    let _ = events.send(Event::Stream { link, header, send, recv: StreamRecv::new(recv, None) }).await;
}

fn reason_of(error: &ConnectionError) -> DownReason {
    match error {
        ConnectionError::LocallyClosed => DownReason::ClosedHere,
        ConnectionError::ApplicationClosed(_) => DownReason::ClosedThere,
        ConnectionError::TimedOut => DownReason::Silent,
        other => DownReason::Failed(other.to_string()),
    }
}

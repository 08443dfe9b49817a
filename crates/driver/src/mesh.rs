//! Authenticated connections between kernel nodes, and of their clients, over TCP and Noise.
//!
//! **What.** Each member of the kernel keeps one live connection to every other. Whoever else connects is a *client*:
//! it asks and is answered, and may be told things unasked (a follower of checkpoints, a wallet that submits). All of
//! it is bytes; what they mean is the kernel's business.
//!
//! **Who is who.** Members are known by their static keys, from genesis. A connection is a member's when its handshake
//! proved that member's key, and a client's otherwise ([`wire`]).
//!
//! **One connection.** Both sides of a pair dial, so that it works as long as one can reach the other. When both
//! succeed, the one dialled by the lower index stays, on both sides; a newer connection from the same side, or from a
//! peer that has restarted meanwhile, replaces the older ([`peers`]).
//!
//! **Bounds.** Nothing a peer does makes memory grow without limit. Outgoing: a bounded queue for each connection, and
//! a peer that doesn't keep up is disconnected ([`MeshEvent::PeerDown`]) and left to catch up later; there is no other
//! loss, so between up and down frames arrive all and in order. Incoming: what was received and not yet consumed is
//! bounded for each peer, and beyond it the peer isn't read from. Strangers have bounds of their own ([`Limits`]).
//!
//! **What not.** No retransmission across connections, no routing, no knowledge of quorums.

mod accept;
mod client;
mod clients;
mod connection;
mod counters;
mod frame;
mod limits;
mod outbox;
mod peers;
mod wire;

use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use byway_crypto::noise::StaticKey;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::JoinSet;

use crate::entropy;
use clients::Clients;
use counters::Counting;
use outbox::{Outbox, Outgoing};
use wire::Own;

pub use client::{MeshClient, RequestError};
pub use counters::MeshCounters;
pub use limits::{ClientLimits, FRAME_MAX, Limits};
pub use wire::Prologue;

/// A member's place in the member list.
pub type PeerIndex = u16;

/// A member of the kernel, as genesis and the ledger have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub key: StaticKey,
    /// `host:port`.
    pub address: String,
}

/// What a mesh needs to know.
#[derive(Clone)]
pub struct MeshConfig {
    /// All members, oneself included; the place in the list is the index.
    pub members: Vec<Member>,
    /// The secret of one of the members' keys.
    pub secret: [u8; 32],
    pub prologue: Prologue,
    pub limits: Limits,
}

/// Why a mesh can't start.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    #[error("can't listen on {address}: {source}; stop what uses the port, or choose another")]
    Listen { address: String, source: std::io::Error },
    #[error("the own key is not among the members; check that the key file belongs to this network")]
    NotAMember,
    #[error("{0} members are too many")]
    TooManyMembers(usize),
}

/// A client's connection, for as long as it lasts; never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// What happens on a mesh. For one peer: `PeerUp`, then its frames in order, then `PeerDown`.
#[derive(Debug)]
pub enum MeshEvent {
    PeerUp(PeerIndex),
    /// What was sent and not yet received may be lost.
    PeerDown {
        peer: PeerIndex,
        reason: CloseReason,
    },
    Frame {
        from: PeerIndex,
        bytes: Payload,
    },
    /// A client asks; answer with [`MeshHandle::reply`].
    ClientFrame {
        client: ClientId,
        request_id: u64,
        bytes: Payload,
    },
    /// A client that has asked something is gone.
    ClientDown(ClientId),
}

/// Received bytes. They count against their sender's bound until dropped.
pub struct Payload {
    bytes: Bytes,
    _bound: OwnedSemaphorePermit,
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    #[error("the other side ended it, or the network did")]
    Ended,
    #[error("the other side sent {0}")]
    Malformed(&'static str),
    #[error("the other side announced a frame of {length} bytes, {limit} are allowed")]
    Oversized { length: usize, limit: usize },
    #[error("nothing was heard from the other side for too long")]
    Silent,
    #[error("the other side took too long over one frame")]
    Trickling,
    #[error("the other side doesn't take what is sent to it fast enough")]
    Slow,
    #[error("a newer connection takes its place")]
    Replaced,
    #[error("it was closed here")]
    ClosedHere,
}

/// Why no connection came about, on the side that dialled.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("{address} can't be reached: {source}")]
    Unreachable { address: String, source: std::io::Error },
    #[error("the other side did not answer in time")]
    TimedOut,
    #[error("the other side speaks version {theirs} of the protocol, this program version {ours}; update the older")]
    OtherVersion { ours: u16, theirs: u16 },
    #[error("the other side belongs to another network")]
    OtherNetwork,
    #[error("the other side has another key than expected")]
    OtherKey,
    #[error("the other side has no room for more clients; try another node, or later")]
    Full,
    #[error("the other side keeps another connection to this node")]
    Duplicate,
    #[error("the other side closed the connection")]
    Closed,
    #[error("what answers there is not a node of this kind")]
    NotByway,
}

/// Why something was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error("there is no connection")]
    NotConnected,
    #[error("a frame of {length} bytes is too long, {limit} are allowed")]
    TooLong { length: usize, limit: usize },
    #[error("the other side is too slow and is disconnected")]
    TooSlow,
    #[error("the client is not waiting for a reply to this request")]
    NotAsked,
}

/// Binds the port of a mesh.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, MeshError> {
    TcpListener::bind(address).await.map_err(|source| MeshError::Listen { address: address.to_string(), source })
}

/// A running mesh.
pub struct Mesh;

/// Sends on a mesh. The mesh ends when the last clone is dropped, or the receiver of its events.
#[derive(Clone)]
pub struct MeshHandle {
    shared: Arc<Shared>,
    local_address: SocketAddr,
    stop: watch::Sender<bool>,
}

impl Mesh {
    /// Starts to listen on `listener` and to dial all other members. Needs a tokio runtime.
    pub fn spawn(
        config: MeshConfig,
        listener: TcpListener,
    ) -> Result<(MeshHandle, mpsc::Receiver<MeshEvent>), MeshError> {
        let count = config.members.len();
        if count > usize::from(PeerIndex::MAX) {
            return Err(MeshError::TooManyMembers(count));
        }
        let own_key = StaticKey::of(&config.secret);
        let own_index = config.members.iter().position(|member| member.key == own_key).ok_or(MeshError::NotAMember)?;
        let local_address = listener
            .local_addr()
            .map_err(|source| MeshError::Listen { address: "the given socket".to_owned(), source })?;
        let shared = Arc::new(Shared {
            own: Own { secret: config.secret, instance: entropy::number(), prologue: config.prologue },
            own_index: own_index as PeerIndex,
            peers: config.members.iter().map(|_| Mutex::default()).collect(),
            members: config.members,
            clients: Clients::new(&config.limits.clients),
            counting: Counting::default(),
            limits: config.limits,
        });
        let (events, received) = mpsc::channel(shared.limits.events_max);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(run(shared.clone(), listener, events, stopped));
        Ok((MeshHandle { shared, local_address, stop }, received))
    }
}

impl MeshHandle {
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    pub fn own_index(&self) -> PeerIndex {
        self.shared.own_index
    }

    /// Queues a frame for a peer.
    pub fn send(&self, peer: PeerIndex, bytes: Bytes) -> Result<(), SendError> {
        let outbox = self.shared.outbox(peer).ok_or(SendError::NotConnected)?;
        outbox.push(Outgoing::data(bytes))
    }

    /// Queues a frame for every connected peer, sharing the bytes. Gives the number of peers.
    pub fn broadcast(&self, bytes: &Bytes) -> usize {
        let peers = 0..self.shared.peers.len() as PeerIndex;
        peers.filter(|peer| self.send(*peer, bytes.clone()).is_ok()).count()
    }

    /// The peers that are connected now.
    pub fn connected(&self) -> Vec<PeerIndex> {
        let peers = 0..self.shared.peers.len() as PeerIndex;
        peers.filter(|peer| self.shared.outbox(*peer).is_some()).collect()
    }

    /// Answers a client's request, once.
    pub fn reply(&self, client: ClientId, request_id: u64, bytes: Bytes) -> Result<(), SendError> {
        self.shared.clients.reply(client, request_id, bytes)
    }

    /// Tells a client something unasked.
    pub fn push(&self, client: ClientId, bytes: Bytes) -> Result<(), SendError> {
        self.shared.clients.push(client, bytes)
    }

    /// Disconnects a client, if it is still there.
    pub fn close_client(&self, client: ClientId) {
        self.shared.clients.close(client);
    }

    pub fn counters(&self) -> MeshCounters {
        self.shared.counting.so_far()
    }

    /// Ends the mesh: all connections close, and the events end.
    pub fn shutdown(&self) {
        self.stop.send_replace(true);
    }
}

/// What the tasks of a mesh share.
struct Shared {
    own: Own,
    own_index: PeerIndex,
    members: Vec<Member>,
    /// By index; set while the peer is up.
    peers: Vec<Mutex<Option<Arc<Outbox>>>>,
    clients: Clients,
    counting: Counting,
    limits: Limits,
}

impl Shared {
    fn outbox(&self, peer: PeerIndex) -> Option<Arc<Outbox>> {
        let slot = self.peers.get(usize::from(peer))?;
        slot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_outbox(&self, peer: PeerIndex, outbox: Option<Arc<Outbox>>) {
        if let Some(slot) = self.peers.get(usize::from(peer)) {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = outbox;
        }
    }
}

/// Everything runs inside this task's set, so that dropping it ends everything.
async fn run(
    shared: Arc<Shared>,
    listener: TcpListener,
    events: mpsc::Sender<MeshEvent>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut tasks = JoinSet::new();
    let mut arrivals = Vec::new();
    for index in 0..shared.members.len() as PeerIndex {
        let (arrive, arriving) = mpsc::channel(peers::ARRIVALS_MAX);
        arrivals.push(arrive);
        if index != shared.own_index {
            tasks.spawn(peers::run(shared.clone(), index, arriving, events.clone()));
        }
    }
    tasks.spawn(accept::run(shared.clone(), listener, arrivals, events.clone()));
    tokio::select! {
        _ = stopped.wait_for(|stop| *stop) => {}
        () = events.closed() => {}
        // They run for ever; one that ends has panicked, and a mesh that lacks a part must not look alive.
        _ = tasks.join_next() => tracing::error!("a task of the mesh ended: the mesh stops"),
    }
    tasks.shutdown().await;
    shared.clients.close_all();
    for index in 0..shared.members.len() as PeerIndex {
        shared.set_outbox(index, None);
    }
}

impl Payload {
    fn new(bytes: Bytes, bound: OwnedSemaphorePermit) -> Self {
        Self { bytes, _bound: bound }
    }

    /// The bytes, no longer counted against their sender.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.bytes.len())
    }
}

impl fmt::Debug for MeshHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MeshHandle({} at {})", self.shared.own_index, self.local_address)
    }
}

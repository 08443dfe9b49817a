//! Authenticated connections between kernel nodes, and of their clients, over TCP and Noise.
//!
//! **What.** Each member of the kernel keeps one live connection to every other. Whoever else connects is a *client*:
//! it asks and is answered, and may be told things unasked (a follower of checkpoints, a wallet that submits). All of
//! it is bytes; what they mean is the kernel's business.
//!
//! **Who is who.** Members are known by their static keys, which the ledger names. Whoever opens a connection says as
//! what: as a client, which anybody may be, or as a member, which takes a key on the member list ([`wire`]).
//!
//! **Seats.** The list gives each member a seat, the number that it is known by here, and can be changed while the mesh
//! runs ([`MeshHandle::set_members`]): who stays keeps the connection, who is gone is disconnected, who is new is
//! dialled ([`seats`]). Nodes change their lists one after the other, so one may know another that doesn't know it yet,
//! or not any more, and a node needs no seat of its own: about to join, or having left, it dials the members all the
//! same, and whoever has it on the list takes it for one.
//!
//! **One connection.** Both sides of a pair dial, so that it works as long as one can reach the other. When both
//! succeed, the one dialled by the lower static key stays, on both sides, whatever seats they know; a newer connection
//! from the same side, or from a peer that has restarted meanwhile, replaces the older ([`peers`]).
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
mod seats;
mod wire;

use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use byway_crypto::noise::StaticKey;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::entropy;
use clients::Clients;
use counters::Counting;
use outbox::Outgoing;
use seats::Seats;
use wire::{Own, Refusal, Secured};

pub use client::{MeshClient, RequestError};
pub use counters::MeshCounters;
pub use limits::{ClientLimits, FRAME_MAX, Limits};
pub use seats::{MembersError, SEATS_MAX};
pub use wire::Prologue;

/// A member's seat: its place in the member list, below [`SEATS_MAX`].
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
    /// The members by seat, as [`MeshHandle::set_members`] takes them.
    pub members: Vec<Option<Member>>,
    /// The own secret. Its key may be a member's or not.
    pub secret: [u8; 32],
    pub prologue: Prologue,
    pub limits: Limits,
}

/// Why a mesh can't start.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    #[error("can't listen on {address}: {source}; stop what uses the port, or choose another")]
    Listen { address: String, source: std::io::Error },
    #[error(transparent)]
    Members(#[from] MembersError),
}

/// A client's connection, for as long as it lasts; never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// What happens on a mesh. For one seat: `PeerUp`, then its peer's frames in order, then `PeerDown`.
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
        origin: Origin,
        request_id: u64,
        bytes: Payload,
    },
    /// A client that has asked something is gone.
    ClientDown(ClientId),
}

/// From where a client connects, as far as one holder of addresses can't vary it: an IPv4 address, or the /64 of an IPv6
/// address. Connections from the same machine, whose addresses are all alike, are each an origin of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(pub u64);

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
    #[error("the member list has someone else in its seat now, or nobody, or another address")]
    NoMember,
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
    #[error("the other side doesn't have this node on its list of members; if it is about to join, it will soon")]
    NotAMember,
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
        let own_key = StaticKey::of(&config.secret);
        let seats = Seats::new(own_key, config.members)?;
        let local_address = listener
            .local_addr()
            .map_err(|source| MeshError::Listen { address: "the given socket".to_owned(), source })?;
        let shared = Arc::new(Shared {
            own: Own { secret: config.secret, instance: entropy::number(), prologue: config.prologue },
            own_key,
            seats,
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

    /// Puts another member list in force: the members by seat, holes allowed, oneself among them or not.
    ///
    /// A seat whose member is the same, with key and address, isn't touched. The peer of any other is disconnected
    /// ([`CloseReason::NoMember`]), and whoever sits there now is dialled. From the return on nothing is queued for a
    /// peer that is gone; events that it caused may still come, up to its `PeerDown`.
    ///
    /// A list that is refused changes nothing.
    pub fn set_members(&self, members: Vec<Option<Member>>) -> Result<(), MembersError> {
        self.shared.seats.set(members)
    }

    /// Queues a frame for a peer.
    pub fn send(&self, peer: PeerIndex, bytes: Bytes) -> Result<(), SendError> {
        let outbox = self.shared.seats.outbox(peer).ok_or(SendError::NotConnected)?;
        outbox.push(Outgoing::data(bytes))
    }

    /// Queues a frame for every connected peer, sharing the bytes. Gives the number of peers.
    pub fn broadcast(&self, bytes: &Bytes) -> usize {
        let connected = self.shared.seats.connected().into_iter();
        connected.filter(|(_, outbox)| outbox.push(Outgoing::data(bytes.clone())).is_ok()).count()
    }

    /// The peers that are connected now.
    pub fn connected(&self) -> Vec<PeerIndex> {
        self.shared.seats.connected().into_iter().map(|(peer, _)| peer).collect()
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
    own_key: StaticKey,
    seats: Seats,
    clients: Clients,
    counting: Counting,
    limits: Limits,
}

impl Shared {
    /// Tells whoever opened a connection why it isn't taken into use, if that works in the time of a handshake.
    async fn turn_away(&self, secured: Secured, refusal: Refusal) {
        self.counting.refused(refusal);
        let _ = timeout(self.limits.handshake_max, secured.refuse(refusal)).await;
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
    for peer in 0..SEATS_MAX as PeerIndex {
        let (arrive, arriving) = mpsc::channel(peers::ARRIVALS_MAX);
        arrivals.push(arrive);
        tasks.spawn(peers::run(shared.clone(), peer, arriving, events.clone()));
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
    shared.seats.close_all();
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
        write!(f, "MeshHandle({})", self.local_address)
    }
}

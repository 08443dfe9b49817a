//! A kernel node as it runs: the pure machine, its disk, its mesh and its clients.
//!
//! One task ([`task`]) owns the machine and feeds it whatever happens, one thing at a time; what needs a processor for long
//! (signatures, reading old checkpoints) happens on a pool beside it. The task carries out effects as
//! `byway_primitives::effect` demands: writes go to the journal at once, and a message that waits for a write leaves
//! when the journal says that it is durable.
//!
//! [`desk`] is how this process asks the node; [`clients`] answers followers and wallets, [`pulse`] remembers what was seen lately for drawing, [`stages`] how far
//! transactions came that have no verdict yet, [`seeking`] finds the members there are now, [`service`] answers the calls `kernel_*`, and
//! [`figures`] are for monitoring.

mod clients;
mod desk;
mod figures;
mod intake;
mod pulse;
mod seeking;
mod service;
mod stages;
mod task;
mod verifying;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use byway_crypto::NodeSecret;
use byway_crypto::noise::StaticKey;
use byway_driver::clock::Clock;
use byway_driver::disk::{Disk, DiskError};
use byway_driver::mesh::{FRAME_MAX, Limits, Member, Mesh, MeshConfig, MeshError, MeshHandle, Prologue};
use byway_driver::pool::Pool;
use byway_kernel::follower::serve;
use byway_kernel::message::MESSAGE_BYTES_MAX;
use byway_kernel::{Committee, Config, Fatal, Kernel, OpenError, Status, VerifiedSnapshot};
use byway_peer::link::KernelPeer;
use byway_primitives::{Batch, NetworkId, Time, Token};
use byway_records::genesis::Genesis;
use byway_records::{Seats, TransactionId, VerifiedTransaction};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use zeroize::Zeroizing;

use desk::Command;
pub use desk::KernelDesk;
use figures::Figures;
use seeking::Seeking;
pub use service::KernelService;
use task::{Parts, Task};

/// The protocol that kernel nodes speak on their mesh ports.
pub const MESH_PROTOCOL: &str = "byway-kernel";
/// Its version.
pub const MESH_VERSION: u16 = 1;
// Whatever kernel nodes say to each other or to clients fits a frame.
const _: () = assert!(MESSAGE_BYTES_MAX < FRAME_MAX && serve::ANSWER_BYTES_MAX < FRAME_MAX);
/// What its journal is called on the disk.
pub const JOURNAL: &str = "kernel";
/// Commands from this process that may wait.
const COMMANDS_QUEUE: usize = 256;
/// News that a slow listener may lag behind.
const NEWS_QUEUE: usize = 4096;

/// What a kernel node needs to run.
pub struct KernelNodeConfig {
    pub genesis: Arc<Genesis>,
    pub secret: NodeSecret,
    pub mesh_secret: Zeroizing<[u8; 32]>,
    /// Where its state is kept.
    pub directory: PathBuf,
    /// Of how many past epochs it keeps the snapshots; of all if absent.
    pub epochs_kept: Option<u32>,
    /// Nodes that may be asked who the members are, beside those that it knows.
    pub peers: Vec<KernelPeer>,
}

/// Makes the store of a kernel node whose key was made just now, with a note that nothing was ever signed with it. Without
/// that note a node asks the others before it signs: its store might have been lost.
pub fn found(directory: &Path) -> Result<(), DiskError> {
    let disk = Disk::open(directory)?;
    let journal = disk.journal(JOURNAL)?;
    let mut batch = Batch::new();
    byway_kernel::mark_new(&mut batch);
    journal.write(batch, Token(0))?;
    journal.flush()
}

/// Why a kernel node can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Mesh(#[from] MeshError),
    #[error(transparent)]
    Kernel(#[from] OpenError),
}

/// Why a kernel node ended by itself.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Ended {
    #[error(transparent)]
    Fatal(#[from] Fatal),
    #[error("storage has stopped: {0}")]
    Disk(#[from] DiskError),
    #[error("the mesh has stopped")]
    Mesh,
}

/// What listeners in this process hear.
#[derive(Debug, Clone)]
pub enum Heard {
    /// A commit with these verdicts.
    Verdicts(Arc<Vec<(TransactionId, byway_ledger::Verdict)>>),
    Certified(Arc<byway_records::Certificate>),
}

/// A running kernel node. It ends when this is dropped or [`stop`](Self::stop) is called.
pub struct KernelNode {
    commands: mpsc::Sender<Command>,
    heard: broadcast::Sender<Heard>,
    mesh: MeshHandle,
    ended: watch::Receiver<Option<Result<(), Ended>>>,
    sent_bytes: Arc<AtomicU64>,
    figures: Arc<Figures>,
}

impl KernelNode {
    /// Opens the node's state and starts it on `listener`.
    pub async fn start(config: KernelNodeConfig, listener: TcpListener, pool: Pool) -> Result<Self, StartError> {
        let disk = Disk::open(&config.directory)?;
        let journal = Arc::new(disk.journal(JOURNAL)?);
        let clock = Clock::starting(Time::ZERO);
        let epochs_kept = config.epochs_kept;
        let settings = Config { epochs_kept, ..Config::new(config.secret) };
        let mut verify = |committee: &Committee, bytes| VerifiedSnapshot::verify(committee, bytes).map(Arc::new);
        let kernel = Kernel::open(settings, &config.genesis, clock.now(), &*journal, &mut verify)?;
        let (mesh, events) =
            Mesh::spawn(mesh_config(&config.genesis, &kernel.ledger().epoch().seats, &config.mesh_secret), listener)?;
        let (commands, received) = mpsc::channel(COMMANDS_QUEUE);
        let (heard, _) = broadcast::channel(NEWS_QUEUE);
        let (end, ended) = watch::channel(None);
        let figures = Arc::new(Figures::new(&config.genesis, &config.directory));
        figures.follow(&kernel.ledger().epoch().seats);
        let seeking = Seeking::new(&config.genesis, StaticKey::of(&config.mesh_secret), config.peers);
        let parts = Parts {
            genesis: config.genesis,
            kernel,
            epochs_kept,
            journal,
            disk,
            clock,
            mesh: mesh.clone(),
            pool,
            figures: figures.clone(),
            seeking,
        };
        let task = Task::new(parts, heard.clone());
        let sent_bytes = task.sent_bytes.clone();
        tokio::spawn(async move {
            let result = task.run(events, received).await;
            if let Err(reason) = &result {
                tracing::error!(%reason, "the kernel node stopped");
            }
            end.send_replace(Some(result));
        });
        Ok(Self { commands, heard, mesh, ended, sent_bytes, figures })
    }

    /// Hands in verified transactions; gives how many were taken.
    pub async fn submit(&self, transactions: Vec<VerifiedTransaction>) -> usize {
        let (answer, answered) = oneshot::channel();
        if self.commands.send(Command::Submit(transactions, answer)).await.is_err() {
            return 0;
        }
        answered.await.unwrap_or(0)
    }

    /// How the node is; `None` once it has ended.
    pub async fn status(&self) -> Option<Status> {
        self.desk().status().await
    }

    /// Listens to verdicts and certificates from now on.
    pub fn listen(&self) -> broadcast::Receiver<Heard> {
        self.heard.subscribe()
    }

    /// For whoever in this process wants to ask; it keeps no node running.
    pub fn desk(&self) -> KernelDesk {
        let (commands, heard) = (self.commands.downgrade(), self.heard.downgrade());
        KernelDesk { commands, heard, figures: self.figures.clone() }
    }

    /// Bytes of messages handed to the mesh for other kernel nodes, without the mesh's own framing (22 bytes and 18 more
    /// per 64 KiB).
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::Relaxed)
    }

    pub fn mesh(&self) -> &MeshHandle {
        &self.mesh
    }

    /// Waits until the node has ended, by itself or because it was told to.
    pub async fn ended(&self) -> Result<(), Ended> {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(result) => result.clone().unwrap_or(Ok(())),
            Err(_) => Ok(()),
        }
    }

    /// Ends the node with everything written.
    pub async fn stop(&self) {
        // If the task is gone already there is nobody to tell, and nothing to wait for.
        let _ = self.commands.send(Command::Stop).await;
        let _ = self.ended().await;
    }
}

/// What the members' mesh of a network is called on the wire.
pub fn prologue(genesis: &Genesis) -> Prologue {
    prologue_of(genesis.network())
}

/// Likewise, where no more than the network's id is known.
pub fn prologue_of(network: NetworkId) -> Prologue {
    Prologue { protocol: MESH_PROTOCOL, version: MESH_VERSION, network }
}

/// The members' ports, by seat. Those of a later epoch, if there is one, come first: members of the present one are
/// reached only in seats that are empty there.
fn mesh_members(seats: &Seats, later: Option<&Seats>) -> Vec<Option<Member>> {
    let port = |seats: &Seats, seat: u8| {
        let member = &seats.get(seat)?.member;
        Some(Member { key: member.mesh, address: member.address.clone() })
    };
    let places = seats.places().max(later.map_or(0, Seats::places)) as u8;
    let mut ports: Vec<_> = (0..places).map(|seat| port(later.unwrap_or(seats), seat)).collect();
    for (seat, taken) in seats.iter() {
        let is_known = ports.iter().flatten().any(|member| member.key == taken.member.mesh);
        if !is_known && ports[usize::from(seat)].is_none() {
            ports[usize::from(seat)] = port(seats, seat);
        }
    }
    ports
}

fn mesh_config(genesis: &Genesis, seats: &Seats, secret: &[u8; 32]) -> MeshConfig {
    MeshConfig {
        members: mesh_members(seats, None),
        secret: *secret,
        prologue: prologue(genesis),
        limits: Limits::default(),
    }
}

/// How long a follower's question may stay open before it is answered with "nothing new".
pub const FOLLOW_WAIT: Duration = Duration::from_secs(4);

//! The IP tunnel's data plane (rows A10, A11): whole IP packets between a client and a provider, inside WireGuard,
//! metered and gated at the same place on both sides.
//!
//! ```text
//! programs ─ routes ─▶ interface ─▶ outgoing ─▶ UDP ····▶ UDP ─▶ incoming ─▶ interface ─ routes ─▶ internet
//!                      (TUN)        encrypt                      decrypt     (TUN)
//!                                   gate, meter                  gate, meter
//! ```
//!
//! **Problem.** What a packet costs is not its encryption (15 Gbit/s a core) but its way: a call into the system, queues
//! between tasks and locks, each per packet.
//!
//! **Idea.** Carry many at once. The system hands a whole stretch of a TCP stream (64 KiB) to the interface's reader,
//! which cuts it into packets; they are encrypted one behind the other into one buffer, and one call sends that as a run
//! of datagrams. At the other end one call receives the run, and what was decrypted from it is joined again before it goes
//! to the system. One task for each direction does all that for a batch without handing it on.
//!
//! - [`Tunnel`] is one UDP socket and one [`Interface`] with any number of [`Peer`]s: a client has one peer to whom all
//!   addresses belong, a provider one for each client.
//! - `carrier` is what is between the two, without either: the peers, WireGuard, meter and gate.
//! - [`Losses`] says what was not carried, and why. Nothing is queued beyond one batch for each direction, a few packets for
//!   each peer while there is no session yet, and a tenth of a second where a session has a pace (`delayed`).
//!
//! **MTU.** Inside WireGuard a packet is 32 bytes longer, and UDP and IPv6 put 48 before it, so the usual 1,500 bytes of
//! the path outside carry 1,420 ([`MTU`]). Datagrams are never fragmented on the way. A larger packet never comes here:
//! the system fragments it, or answers that it is too big, before it enters the interface, and TCP learns its segment size
//! from the interface's MTU. Where the path is narrower the caller creates the interface with less, down to 1,280.
//!
//! **Where a peer is** is learnt from whatever arrives from it authentically, so addresses may change while a session
//! runs; [`Tunnel::greet`] asks for an answer from other places, and the tunnel moves there when it comes. A path that is
//! not UDP (the nodes' link, perhaps over a relay) is a socket on this machine that passes datagrams on ([`detour`]).
//!
//! What is not here: routes, address translation and firewall, and what is paid.

mod carrier;
mod delayed;
pub mod detour;
mod interface;
mod ip;
mod join;
mod keys;
mod losses;
mod outbox;
mod paths;
mod peer;
mod prefix;
mod running;
mod udp;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

pub use interface::Interface;
pub use keys::{PresharedKey, PublicKey, Secret};
pub use losses::{Loss, Losses};
pub use paths::Places;
pub use peer::{Peer, PeerStats, Terms};
pub use prefix::Prefix;

use crate::meter::Side;
use carrier::Carrier;
use outbox::Outbox;
use udp::Udp;

/// Bytes of the largest inner packet, where the path outside carries the usual 1,500.
pub const MTU: u16 = 1420;
/// IPv6 asks for this of every link.
pub const MTU_MIN: u16 = 1280;
/// What [`BUFFER_BYTES`] has room for.
pub const MTU_MAX: u16 = 1920;

/// A packet's buffer, for the largest packet and what WireGuard puts around it.
const BUFFER_BYTES: usize = 2048;
/// Buffers kept for the next packets, by each reader.
const POOL_PACKETS_MAX: usize = 256;

/// A tunnel that runs. It ends when this is closed or dropped.
pub struct Tunnel {
    carrier: Arc<Carrier>,
    udp: Arc<Udp>,
    failed: watch::Receiver<Option<io::ErrorKind>>,
    tasks: JoinSet<()>,
}

/// Why a tunnel can't be had, or is no more.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    #[error("the tunnel's interface can't be made (it takes root's rights): {0}")]
    Interface(#[source] io::Error),
    #[error("an MTU of {0} bytes is not possible; it is from {MTU_MIN} to {MTU_MAX}")]
    Mtu(u16),
    #[error("the tunnel's UDP socket can't be used: {0}")]
    Udp(#[source] io::Error),
    #[error("there is a peer with this key already")]
    KeyTaken,
    #[error("{0} belongs to another peer already")]
    AddressTaken(Prefix),
}

impl Tunnel {
    /// Starts a tunnel between a bound socket and an interface. Must be called within the runtime.
    pub fn open(
        secret: Secret,
        side: Side,
        socket: std::net::UdpSocket,
        interface: Interface,
    ) -> Result<Self, TunnelError> {
        let udp = Arc::new(Udp::new(socket).map_err(TunnelError::Udp)?);
        let carrier = Arc::new(Carrier::new(secret, side, interface.mtu().into()));
        let (failed, failed_seen) = watch::channel(None);
        let mut tasks = JoinSet::new();
        running::start(&carrier, &udp, &Arc::new(interface), &Arc::new(failed), &mut tasks);
        Ok(Self { carrier, udp, failed: failed_seen, tasks })
    }

    /// Where the outer socket is bound.
    pub fn local_address(&self) -> SocketAddr {
        self.udp.local_address()
    }

    /// Carries packets for a peer from now on, and greets it if it is known where it is.
    pub fn add(&self, peer: Peer) -> Result<(), TunnelError> {
        let mut outbox = Outbox::default();
        self.carrier.add(peer, &mut outbox)?;
        // A greeting that gets lost is repeated.
        self.udp.send_now(&mut outbox, &self.carrier.losses);
        Ok(())
    }

    /// Carries nothing more for a peer; false if there is none of this key.
    pub fn remove(&self, key: &PublicKey) -> bool {
        self.carrier.remove(key)
    }

    /// Begins a handshake with a peer at these places. Where it hears it first it answers, and is from then on; what there
    /// is of a session goes on meanwhile. False if there is no peer of this key.
    pub fn greet(&self, key: &PublicKey, places: &[SocketAddr]) -> bool {
        let mut outbox = Outbox::default();
        let is_known = self.carrier.greet(key, places, &mut outbox);
        self.udp.send_now(&mut outbox, &self.carrier.losses);
        is_known
    }

    /// Changes to another way to a peer from now on where the present one fails, and back where that can be.
    pub fn keep_way(&mut self, key: PublicKey, places: Places) {
        self.tasks.spawn(paths::keep(self.carrier.clone(), self.udp.clone(), key, places));
    }

    /// `None` if there is no such peer.
    pub fn stats(&self, key: &PublicKey) -> Option<PeerStats> {
        self.carrier.stats(key)
    }

    pub fn losses(&self) -> Losses {
        self.carrier.losses.read()
    }

    /// Resolves when the tunnel carries nothing any more, because its interface or socket is gone or it was closed.
    pub fn failed(&self) -> impl Future<Output = io::ErrorKind> + Send + 'static {
        let mut failed = self.failed.clone();
        async move {
            match failed.wait_for(Option::is_some).await.map(|kind| *kind) {
                Ok(Some(kind)) => kind,
                // The tasks are gone without having said why.
                Ok(None) | Err(_) => io::ErrorKind::BrokenPipe,
            }
        }
    }

    /// Ends the tunnel and takes its interface down.
    pub async fn close(mut self) {
        self.tasks.shutdown().await;
    }
}

//! A tunnel's datagrams over the link of the two nodes, where no path of their own leads from one to the other (rows A7,
//! A11): the provider is behind address translation, its port is closed, or the network on the way lets no unknown UDP pass.
//!
//! **Problem.** WireGuard wants a UDP address to send to. A link has none: it is QUIC, directly or through a relay, and
//! may change from one to the other at any moment. Its datagrams may also be shorter than WireGuard's.
//!
//! **Idea.** On each side a socket on this machine stands for the other side. What WireGuard sends there is cut into as many
//! pieces as the link needs, and what comes over the link is put together and sent to WireGuard from there. So WireGuard
//! changes between this path and others as it changes between addresses, by where authentic packets come from. Nothing is
//! sent again: what is lost on the link is lost as on any path.
//!
//! ```text
//! WireGuard ─ UDP ─ 127.0.0.1:… ─ cut ─▶ link ▶ relay ▶ link ─ join ─ 127.0.0.1:… ─ UDP ─ WireGuard
//! ```
//!
//! A piece on the link: the session (16 bytes), the datagram's number (2), how many pieces it has (high four bits) and
//! which of them this is (low four), and its bytes. A client believes those on the link that its session is on. A provider
//! takes them from any link, and answers there: the session's id is a secret of both, and what they make up WireGuard
//! checks as it checks all that arrives.

mod pieces;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout};

use super::BUFFER_BYTES;
use crate::link::{Link, SendError};
pub use pieces::{Piece, Pieces, SESSION_BYTES, cut};

/// A session's id, as the link's datagrams name it.
pub type SessionKey = [u8; SESSION_BYTES];

/// After an error of the socket the next try comes no sooner.
const ERROR_PAUSE: Duration = Duration::from_millis(10);
/// How often a way on which nothing is sent looks whether its session is over.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// All detours of a node, by session.
#[derive(Debug, Default)]
pub struct Detours(Mutex<HashMap<SessionKey, Entry>>);

#[derive(Debug)]
enum Entry {
    /// A client may come; its WireGuard peer is at this address of ours.
    Admitted(SocketAddr),
    Open(Arc<Way>),
}

/// A client's detour, while this lives.
#[derive(Debug)]
pub struct Detour {
    all: Arc<Detours>,
    session: SessionKey,
    way: Arc<Way>,
}

#[derive(Debug)]
struct Way {
    /// Connected to WireGuard's.
    socket: UdpSocket,
    address: SocketAddr,
    /// A provider's goes where the client is; nobody but the client knows the session's name.
    follows: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    link: Link,
    pieces: Pieces,
    /// Of the last datagram to the link.
    number: u16,
}

impl Detours {
    /// A client's detour between the link and WireGuard's socket on this machine. Within the runtime.
    pub fn open(self: &Arc<Self>, session: SessionKey, wireguard: SocketAddr, link: Link) -> io::Result<Detour> {
        let way = Way::open(session, wireguard, link, false)?;
        self.entries().insert(session, Entry::Open(way.clone()));
        Ok(Detour { all: self.clone(), session, way })
    }

    /// A provider's: the client of this session may come by any link, to WireGuard's socket on this machine.
    pub fn admit(&self, session: SessionKey, wireguard: SocketAddr) {
        self.entries().insert(session, Entry::Admitted(wireguard));
    }

    /// The session is over.
    pub fn remove(&self, session: &SessionKey) {
        self.entries().remove(session);
    }

    /// Passes on what arrives on a link, until the link is down.
    pub async fn listen(self: Arc<Self>, link: Link) {
        while let Some(datagram) = link.datagram().await {
            if let Some((session, piece)) = Piece::read(&datagram)
                && let Some(way) = self.way(&session, &link)
            {
                way.arrived(&link, piece).await;
            }
        }
    }

    /// Opens the way to a client that comes for the first time.
    fn way(&self, session: &SessionKey, link: &Link) -> Option<Arc<Way>> {
        let mut entries = self.entries();
        let entry = entries.get_mut(session)?;
        if let Entry::Admitted(wireguard) = *entry {
            match Way::open(*session, wireguard, link.clone(), true) {
                Ok(way) => *entry = Entry::Open(way),
                Err(error) => {
                    tracing::warn!(%error, "a client can't come over its link");
                    return None;
                }
            }
        }
        match entry {
            Entry::Open(way) => Some(way.clone()),
            Entry::Admitted(_) => None,
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<SessionKey, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Detour {
    /// Where WireGuard reaches the other side by this detour.
    pub fn address(&self) -> SocketAddr {
        self.way.address
    }

    /// The session goes on over another link.
    pub fn move_to(&self, link: Link) {
        self.way.state().move_to(link);
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        let mut entries = self.all.entries();
        if matches!(entries.get(&self.session), Some(Entry::Open(way)) if Arc::ptr_eq(way, &self.way)) {
            entries.remove(&self.session);
        }
    }
}

impl State {
    fn move_to(&mut self, link: Link) {
        // What has come of a datagram on the link before is of no use.
        self.pieces = Pieces::default();
        self.link = link;
    }
}

impl Way {
    fn open(session: SessionKey, wireguard: SocketAddr, link: Link, follows: bool) -> io::Result<Arc<Self>> {
        let any: IpAddr = if wireguard.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = std::net::UdpSocket::bind((any, 0))?;
        socket.connect(on_this_machine(wireguard))?;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket)?;
        let (address, state) = (socket.local_addr()?, State { link, pieces: Pieces::default(), number: 0 });
        let way = Arc::new(Self { socket, address, follows, state: Mutex::new(state) });
        tokio::spawn(Self::outgoing(Arc::downgrade(&way), session));
        Ok(way)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn arrived(&self, link: &Link, piece: Piece<'_>) {
        if let Some(datagram) = self.join(link, piece) {
            // What the system refuses is lost, as on any path.
            let _ = self.socket.send(&datagram).await;
        }
    }

    fn join(&self, link: &Link, piece: Piece<'_>) -> Option<Vec<u8>> {
        let mut state = self.state();
        if state.link.id() != link.id() {
            if !self.follows {
                return None;
            }
            state.move_to(link.clone());
        }
        state.pieces.join(piece)
    }

    /// From WireGuard to the link, until nobody has this any more.
    async fn outgoing(way: Weak<Self>, session: SessionKey) {
        let mut datagram = vec![0; BUFFER_BYTES];
        while let Some(way) = way.upgrade() {
            // Now and then it is looked whether it is still wanted.
            let Ok(received) = timeout(LOOK_EVERY, way.socket.recv(&mut datagram)).await else { continue };
            match received {
                Ok(length) => way.leave(&session, &datagram[..length]),
                // Nobody hears at WireGuard's port: the tunnel is about to end, and this with it.
                Err(_) => sleep(ERROR_PAUSE).await,
            }
        }
    }

    /// Sends a datagram over the link, in pieces where it has to be.
    fn leave(&self, session: &SessionKey, datagram: &[u8]) {
        let (link, number) = {
            let mut state = self.state();
            state.number = state.number.wrapping_add(1);
            (state.link.clone(), state.number)
        };
        let Some(mut limit) = link.profile().mtu else { return };
        // The limit may shrink at any moment.
        for _ in 0..2 {
            match send(&link, session, number, datagram, limit) {
                Err(SendError::TooLong { limit: now, .. }) => limit = now,
                _ => return,
            }
        }
    }
}

fn send(link: &Link, session: &SessionKey, number: u16, datagram: &[u8], limit: usize) -> Result<(), SendError> {
    for piece in cut(session, number, datagram, limit) {
        link.send_datagram(Bytes::from(piece))?;
    }
    Ok(())
}

/// Where a socket that is bound like this is reached from the same machine.
fn on_this_machine(bound: SocketAddr) -> SocketAddr {
    let address = match bound.ip() {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    SocketAddr::new(address, bound.port())
}

//! The exit's end: between relays and the tunnel that it serves.
//!
//! All sessions' parts come to one port. Each session has a socket on this machine towards the tunnel, which so takes it for
//! one peer at one place. Where a path's parts go is where its newest came from: a relay may be replaced while all goes on.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::{Cut, DATAGRAM_BYTES_MAX, Join, beside, bound, for_socket, lock, receive};
use crate::entropy;

/// Joins what arrives for the sessions of one tunnel, and cuts what it answers, until it is dropped.
pub struct Hub {
    shared: Arc<Shared>,
    /// Where the tunnel's socket is bound.
    tunnel: SocketAddr,
    _task: JoinSet<()>,
}

struct Shared {
    socket: UdpSocket,
    local: SocketAddr,
    /// For whom a part says that it is.
    label_of: fn(&[u8]) -> Option<u32>,
    sessions: Mutex<HashMap<u32, Running>>,
}

struct Session {
    tunnel: UdpSocket,
    join: Mutex<Box<dyn Join>>,
    paths: Mutex<Vec<Option<SocketAddr>>>,
}

/// A session, and what cuts its tunnel's packets.
struct Running {
    session: Arc<Session>,
    _task: JoinSet<()>,
}

impl Hub {
    /// Hears at `listen` for the tunnel whose socket is bound to `tunnel` on this machine. Must be called within the runtime.
    pub fn open(listen: SocketAddr, tunnel: SocketAddr, label_of: fn(&[u8]) -> Option<u32>) -> io::Result<Self> {
        let socket = bound(listen)?;
        let local = socket.local_addr()?;
        let shared = Arc::new(Shared { socket, local, label_of, sessions: Mutex::default() });
        let mut task = JoinSet::new();
        task.spawn(from_relays(shared.clone()));
        Ok(Self { shared, tunnel, _task: task })
    }

    pub fn local_address(&self) -> SocketAddr {
        self.shared.local
    }

    /// Takes a session on, under a label that no other has.
    pub fn add(&self, label: u32, paths: usize, cut: Box<dyn Cut>, join: Box<dyn Join>) -> io::Result<()> {
        let (tunnel, join, paths) = (beside(self.tunnel)?, Mutex::new(join), Mutex::new(vec![None; paths]));
        let session = Arc::new(Session { tunnel, join, paths });
        let mut task = JoinSet::new();
        task.spawn(from_tunnel(self.shared.clone(), session.clone(), cut));
        lock(&self.shared.sessions).insert(label, Running { session, _task: task });
        Ok(())
    }

    pub fn remove(&self, label: u32) {
        lock(&self.shared.sessions).remove(&label);
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // The tasks of sessions hold what they are in.
        lock(&self.shared.sessions).clear();
    }
}

impl Shared {
    fn take(&self, part: &[u8], from: SocketAddr) {
        let Some(label) = (self.label_of)(part) else { return };
        let Some(session) = lock(&self.sessions).get(&label).map(|running| running.session.clone()) else { return };
        let Some(joined) = lock(&session.join).join(part) else { return };
        if let Some(path) = lock(&session.paths).get_mut(joined.path)
            && (joined.is_newest || path.is_none())
        {
            *path = Some(from);
        }
        if let Some(packet) = joined.packet {
            // What the tunnel's socket has no room for is lost.
            let _ = session.tunnel.try_send(&packet);
        }
    }
}

async fn from_relays(shared: Arc<Shared>) {
    let mut buffer = [0; DATAGRAM_BYTES_MAX];
    loop {
        receive(&shared.socket, &mut buffer, |part, from| shared.take(part, from)).await;
    }
}

async fn from_tunnel(shared: Arc<Shared>, session: Arc<Session>, mut cut: Box<dyn Cut>) {
    let mut buffer = [0; DATAGRAM_BYTES_MAX];
    loop {
        receive(&session.tunnel, &mut buffer, |packet, _| {
            let paths = lock(&session.paths);
            cut.cut(packet, entropy::seed(), &mut |number, part| {
                if let Some(Some(to)) = paths.get(number) {
                    // What the socket has no room for is lost.
                    let _ = shared.socket.try_send_to(part, for_socket(*to, shared.local));
                }
            });
        })
        .await;
    }
}

//! The client's end: between a tunnel on this machine and relays.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Cut, DATAGRAM_BYTES_MAX, Join, TOKEN_BYTES, Token, beside, lock, receive, send_metered, unconnected};
use crate::entropy;
use crate::gate::Gate;
use crate::meter::{Meter, Way};

/// A token is shown so often until the relay has answered …
const GREET_EVERY: Duration = Duration::from_millis(250);
/// … and then so often, which also keeps routers on the way from forgetting the path, and finds it again when this machine's
/// address has changed.
const REMIND_EVERY: Duration = Duration::from_secs(10);

/// A relay to send over.
#[derive(Debug, Clone)]
pub struct Relay {
    pub address: SocketAddr,
    pub token: Token,
    /// Of the session with it.
    pub gate: Arc<Gate>,
    pub meter: Arc<Meter>,
}

/// Cuts what one tunnel sends and joins what it gets, until it is dropped.
pub struct Slicer {
    shared: Arc<Shared>,
    endpoint: SocketAddr,
    _task: JoinSet<()>,
}

struct Shared {
    tunnel: UdpSocket,
    paths: Mutex<Vec<Option<Running>>>,
    join: Mutex<Box<dyn Join>>,
    carried: Vec<AtomicU64>,
}

/// One relay in use.
struct Path {
    relay: Relay,
    socket: UdpSocket,
    has_answered: AtomicBool,
}

/// A path and its tasks.
struct Running {
    path: Arc<Path>,
    _tasks: JoinSet<()>,
}

impl Slicer {
    /// For a tunnel whose socket is bound to `tunnel` on this machine, over as many paths. There are none yet. Must be called
    /// within the runtime.
    pub fn open(tunnel: SocketAddr, paths: usize, cut: Box<dyn Cut>, join: Box<dyn Join>) -> io::Result<Self> {
        let tunnel = beside(tunnel)?;
        let endpoint = tunnel.local_addr()?;
        let carried = (0..paths).map(|_| AtomicU64::new(0)).collect();
        let paths = Mutex::new((0..paths).map(|_| None).collect());
        let shared = Arc::new(Shared { tunnel, paths, join: Mutex::new(join), carried });
        let mut task = JoinSet::new();
        task.spawn(from_tunnel(shared.clone(), cut));
        Ok(Self { shared, endpoint, _task: task })
    }

    /// Where the tunnel is to send.
    pub fn endpoint(&self) -> SocketAddr {
        self.endpoint
    }

    /// Sends over this relay from now on; the port that it sends from.
    pub fn set_path(&self, path: usize, relay: Relay) -> io::Result<u16> {
        // Not connected: its way out, and so its own address, follow this machine's routes as they change.
        let socket = unconnected(relay.address)?;
        let port = socket.local_addr()?.port();
        let state = Arc::new(Path { relay, socket, has_answered: AtomicBool::new(false) });
        let mut tasks = JoinSet::new();
        tasks.spawn(from_relay(self.shared.clone(), state.clone()));
        tasks.spawn(greet(state.clone()));
        if let Some(place) = self.shared.paths().get_mut(path) {
            *place = Some(Running { path: state, _tasks: tasks });
        }
        Ok(port)
    }

    /// Sends nothing over this path any more.
    pub fn clear_path(&self, path: usize) {
        if let Some(place) = self.shared.paths().get_mut(path) {
            *place = None;
        }
    }

    /// The paths whose relays have answered, as far as that is known.
    pub fn answered(&self) -> usize {
        let paths = self.shared.paths();
        paths.iter().flatten().filter(|running| running.path.has_answered.load(Ordering::Relaxed)).count()
    }

    /// Good parts that came over each path so far.
    pub fn carried(&self) -> Vec<u64> {
        self.shared.carried.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }
}

impl Drop for Slicer {
    fn drop(&mut self) {
        // The tasks of paths hold what they share.
        self.shared.paths().clear();
    }
}

impl Shared {
    fn paths(&self) -> MutexGuard<'_, Vec<Option<Running>>> {
        lock(&self.paths)
    }

    fn take(&self, path: &Path, datagram: &[u8]) {
        if let Ok(answer) = <[u8; TOKEN_BYTES]>::try_from(datagram) {
            return path.hear(answer);
        }
        // What can't be paid for must not count as having come: other relays' parts may stand in for it.
        let Some(mut grant) = path.relay.gate.try_grant(datagram.len() as u64) else { return };
        let Some(joined) = lock(&self.join).join(datagram) else { return };
        grant.spend(datagram.len() as u64);
        path.relay.meter.count(Way::Down, datagram.len() as u64);
        if let Some(count) = self.carried.get(joined.path) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(packet) = joined.packet {
            // What the tunnel's socket has no room for is lost.
            let _ = self.tunnel.try_send(&packet);
        }
    }
}

impl Path {
    /// The relay has answered: with the token, once it knows that we hear here, or with a cookie that it wants back.
    fn hear(&self, answer: [u8; TOKEN_BYTES]) {
        let Relay { address, token, .. } = &self.relay;
        if answer == token.0 {
            return self.has_answered.store(true, Ordering::Relaxed);
        }
        // What isn't sent or doesn't arrive is asked for again.
        let _ = self.socket.try_send_to(&[token.0, answer].concat(), *address);
    }
}

async fn from_tunnel(shared: Arc<Shared>, mut cut: Box<dyn Cut>) {
    let mut buffer = [0; DATAGRAM_BYTES_MAX];
    loop {
        receive(&shared.tunnel, &mut buffer, |packet, _| {
            let paths = shared.paths();
            cut.cut(packet, entropy::seed(), &mut |number, part| {
                let Some(Some(Running { path, .. })) = paths.get(number) else { return };
                let Relay { gate, meter, .. } = &path.relay;
                send_metered(gate, meter, Way::Up, part.len(), || path.socket.try_send_to(part, path.relay.address));
            });
        })
        .await;
    }
}

async fn from_relay(shared: Arc<Shared>, path: Arc<Path>) {
    let mut buffer = [0; DATAGRAM_BYTES_MAX];
    loop {
        receive(&path.socket, &mut buffer, |datagram, from| {
            if from == path.relay.address {
                shared.take(&path, datagram);
            }
        })
        .await;
    }
}

async fn greet(path: Arc<Path>) {
    loop {
        // What isn't sent or doesn't arrive is sent again.
        let _ = path.socket.try_send_to(&path.relay.token.0, path.relay.address);
        let has_answered = path.has_answered.load(Ordering::Relaxed);
        sleep(if has_answered { REMIND_EVERY } else { GREET_EVERY }).await;
    }
}

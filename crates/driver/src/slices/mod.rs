//! Datagrams over several relays: what stands between a tunnel's UDP socket and the ways to its exit (row A12).
//!
//! ```text
//!          client's machine                        relays                         exit's machine
//!   tunnel ◄─loopback─► Slicer ─┬─ UDP ─► Forwarder ─ UDP ─┬─► Hub ◄─loopback─► tunnel
//!                      cut, join└─ UDP ─► Forwarder ─ UDP ─┘  cut, join
//! ```
//!
//! - [`Slicer`] takes what the client's tunnel sends, has it cut, and sends each part to a relay; and the reverse.
//! - [`Forwarder`] is a relay: it passes datagrams on between a client that has shown its token and one exit.
//! - [`Hub`] is the exit's end: parts that arrive, from wherever, to the tunnel; and the reverse.
//!
//! How packets are cut is the caller's: [`Cut`] and [`Join`]. The tunnel knows nothing of it, and sees an endpoint on this machine.
//!
//! **Nobody is flooded.** A relay answers an address with no more than it got until that has shown a token, which only the
//! session's client was told, and has proved that it hears there; an exit sends only to where authentic parts came from.
//!
//! **What is counted.** A relay's session is metered and gated as others are, by whole datagrams as they are between client and
//! relay, without UDP's header. A client acknowledges only parts that the exit made, each once.
//!
//! Nothing waits: what a socket has no room for is lost, as on any line, and the code makes up for it.

mod forwarder;
mod hub;
mod slicer;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::UdpSocket;

pub use forwarder::{ForwardError, Forwarder};
pub use hub::Hub;
pub use slicer::{Relay, Slicer};

use crate::gate::Gate;
use crate::meter::{Meter, Way};

/// Bytes of a token, by which a relay knows its client's datagrams; no part of a packet is as short.
pub const TOKEN_BYTES: usize = 16;
/// Bytes of a cookie, by which a client proves that it hears where its token came from. No part is as short as both together.
const COOKIE_BYTES: usize = 16;
/// Bytes of the largest datagram: no line has larger ones. A longer one is dropped.
const DATAGRAM_BYTES_MAX: usize = 2048;
/// What a socket may hold in each direction, as far as the system allows it: what is lost in one that is too small was counted
/// by its sender, and nobody acknowledges it.
const SOCKET_BYTES: usize = 4 * 1024 * 1024;
/// Datagrams taken in a row before other tasks have their turn.
const BATCH: usize = 64;
/// After an error of a socket, such as that nobody hears at the other end, the next try comes no sooner.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// What a client shows a relay.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(pub [u8; TOKEN_BYTES]);

/// What a relay answers to a token from where its client is not.
struct Cookie([u8; COOKIE_BYTES]);

/// Cuts packets.
pub trait Cut: Send + 'static {
    /// Gives the parts of a packet, each with the number of its path; `random` is this packet's own.
    fn cut(&mut self, packet: &[u8], random: [u8; 32], give: &mut dyn FnMut(usize, &[u8]));
}

/// Puts packets together.
pub trait Join: Send + 'static {
    /// `None` if the other end did not make this part, or it was there before.
    fn join(&mut self, part: &[u8]) -> Option<Joined>;
}

/// What a part was good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    pub path: usize,
    /// Nothing newer came over that path.
    pub is_newest: bool,
    /// The packet, if that was what it still needed.
    pub packet: Option<Vec<u8>>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// Sends one datagram if the gate and its pace let it pass and the socket has room, and counts it then.
fn send_metered(gate: &Gate, meter: &Meter, way: Way, length: usize, send: impl FnOnce() -> io::Result<usize>) {
    let length = length as u64;
    let Some(mut grant) = gate.try_grant(length) else { return };
    if gate.pace().is_some_and(|pace| pace.try_pass(way, length).is_err()) {
        return;
    }
    if send().is_ok() {
        grant.spend(length);
        meter.count(way, length);
    }
}

/// Waits for datagrams and hands over what is there, each with where it is from. Errors pass: at the other end of a connected
/// socket there may be nobody for a while.
async fn receive(socket: &UdpSocket, buffer: &mut [u8; DATAGRAM_BYTES_MAX], mut take: impl FnMut(&[u8], SocketAddr)) {
    if socket.readable().await.is_err() {
        return tokio::time::sleep(ERROR_PAUSE).await;
    }
    for _ in 0..BATCH {
        match socket.try_recv_from(buffer) {
            // One that fills the buffer may have been longer.
            Ok((length, from)) if length < DATAGRAM_BYTES_MAX => take(&buffer[..length], plain(from)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => return tokio::time::sleep(ERROR_PAUSE).await,
        }
    }
    tokio::task::yield_now().await;
}

/// A socket that hears at one place.
fn bound(at: SocketAddr) -> io::Result<UdpSocket> {
    ready(std::net::UdpSocket::bind(at)?)
}

fn ready(socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
    let buffers = SockRef::from(&socket);
    // Smaller ones lose more and are no reason to have no socket.
    let _ = buffers.set_recv_buffer_size(SOCKET_BYTES);
    let _ = buffers.set_send_buffer_size(SOCKET_BYTES);
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// A socket to one place.
fn connected(from: IpAddr, to: SocketAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind((from, 0))?;
    socket.connect(to)?;
    ready(socket)
}

/// A socket that can send to a place.
fn unconnected(to: SocketAddr) -> io::Result<UdpSocket> {
    bound(if to.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() })
}

/// A socket to one place elsewhere.
fn outward(to: SocketAddr) -> io::Result<UdpSocket> {
    let any = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    connected(any, to)
}

/// A socket on this machine to the one that is bound to `other`.
fn beside(other: SocketAddr) -> io::Result<UdpSocket> {
    let own = match other.ip() {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    connected(own, SocketAddr::new(own, other.port()))
}

/// Each change behind these locks is whole before anything can fail.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An IPv4 address that a socket of both families shows as one of IPv6, in its plain form.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// An address as a socket that is bound to `local` takes it.
fn for_socket(address: SocketAddr, local: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(v4) if local.is_ipv6() => (v4.to_ipv6_mapped(), address.port()).into(),
        _ => address,
    }
}

//! A relay: datagrams between clients and the exits that they have named.
//!
//! All clients come to one port, so that a firewall in front of the relay needs one hole; towards its exit each has a socket of
//! its own, so that an exit's answers name their client.
//!
//! A client's address is the one that it proved last. A token alone proves none, since whoever bought one can send it in
//! another's name and would have an exit flood that address: it is answered with a *cookie*, as many bytes as came, which is a
//! digest of the address that nobody else can make and that nothing is kept of. Who sends the cookie back hears at the address.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::{fmt, io};

use byway_primitives::hash::Context;
use subtle::ConstantTimeEq;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use super::{
    COOKIE_BYTES, Cookie, DATAGRAM_BYTES_MAX, TOKEN_BYTES, Token, bound, for_socket, lock, outward, receive,
    send_metered,
};
use crate::entropy;
use crate::gate::Gate;
use crate::meter::{Meter, Way};

/// Clients at one time: each has a socket.
const CLIENTS_MAX: usize = 4096;
/// What cookies are digests under.
const COOKIE: Context = Context("byway 1 relay cookie");

/// Passes datagrams on until it is dropped.
#[derive(Debug)]
pub struct Forwarder {
    listening: Arc<Listening>,
    _task: JoinSet<()>,
}

#[derive(Debug)]
struct Listening {
    socket: UdpSocket,
    local: SocketAddr,
    clients: Mutex<Clients>,
    cookies: Cookies,
}

/// Makes cookies; another key with each start.
struct Cookies(Zeroizing<[u8; 32]>);

#[derive(Debug, Default)]
struct Clients {
    by_token: HashMap<Token, Served>,
    by_address: HashMap<SocketAddr, Arc<Client>>,
}

#[derive(Debug)]
struct Client {
    exit: UdpSocket,
    gate: Arc<Gate>,
    meter: Arc<Meter>,
    /// Where it has shown its token from.
    address: Mutex<Option<SocketAddr>>,
}

/// A client, and what brings it the exit's datagrams.
#[derive(Debug)]
struct Served {
    client: Arc<Client>,
    _task: JoinSet<()>,
}

/// Why nothing is passed on for a client.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    #[error("no socket towards the exit can be opened: {0}")]
    Socket(#[from] io::Error),
    #[error("datagrams are passed on for as many clients as there is room for")]
    Full,
}

impl Forwarder {
    /// Hears at `listen`. Must be called within the runtime.
    pub fn open(listen: SocketAddr) -> io::Result<Self> {
        let socket = bound(listen)?;
        let local = socket.local_addr()?;
        let cookies = Cookies(Zeroizing::new(entropy::seed()));
        let listening = Arc::new(Listening { socket, local, clients: Mutex::default(), cookies });
        let mut task = JoinSet::new();
        task.spawn(from_clients(listening.clone()));
        Ok(Self { listening, _task: task })
    }

    pub fn local_address(&self) -> SocketAddr {
        self.listening.local
    }

    /// Passes on between whoever shows this token and one exit, as far as the gate lets it. A client with this token before
    /// is forgotten.
    pub fn add(&self, token: Token, exit: SocketAddr, gate: Arc<Gate>, meter: Arc<Meter>) -> Result<(), ForwardError> {
        let (exit, address) = (outward(exit)?, Mutex::default());
        let client = Arc::new(Client { exit, gate, meter, address });
        self.remove(&token);
        let mut clients = self.listening.clients();
        if clients.by_token.len() >= CLIENTS_MAX {
            return Err(ForwardError::Full);
        }
        let mut task = JoinSet::new();
        task.spawn(from_exit(self.listening.clone(), client.clone()));
        clients.by_token.insert(token, Served { client, _task: task });
        Ok(())
    }

    pub fn remove(&self, token: &Token) {
        let mut clients = self.listening.clients();
        if let Some(Served { client, .. }) = clients.by_token.remove(token) {
            clients.by_address.retain(|_, other| !Arc::ptr_eq(other, &client));
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        // The tasks of clients hold what they are in.
        *self.listening.clients() = Clients::default();
    }
}

impl Listening {
    fn clients(&self) -> MutexGuard<'_, Clients> {
        lock(&self.clients)
    }

    fn take(&self, datagram: &[u8], from: SocketAddr) {
        if let Some(answer) = self.answer(datagram, from) {
            // No more than it got. A lost answer is asked for again.
            let _ = self.socket.try_send_to(&answer, for_socket(from, self.local));
            return;
        }
        let Some(client) = self.clients().by_address.get(&from).cloned() else { return };
        send_metered(&client.gate, &client.meter, Way::Up, datagram.len(), || client.exit.try_send(datagram));
    }

    /// What is answered to a token, with a cookie or without; nothing to any other datagram.
    fn answer(&self, datagram: &[u8], from: SocketAddr) -> Option<[u8; TOKEN_BYTES]> {
        let (token, cookie) = datagram.split_first_chunk().map(|(token, rest)| (Token(*token), rest))?;
        let expected = self.cookies.of(token, from);
        if cookie.is_empty() {
            return Some(if self.is_at(token, from)? { token.0 } else { expected.0 });
        }
        (bool::from(cookie.ct_eq(&expected.0)) && self.greet(token, from)).then_some(token.0)
    }

    /// Whether that is where the token's client is; nothing if it is nobody's token.
    fn is_at(&self, token: Token, from: SocketAddr) -> Option<bool> {
        let clients = self.clients();
        let client = &clients.by_token.get(&token)?.client;
        Some(clients.by_address.get(&from).is_some_and(|there| Arc::ptr_eq(there, client)))
    }

    /// Whose token this is, is here from now on; false if it is nobody's.
    fn greet(&self, token: Token, from: SocketAddr) -> bool {
        let mut clients = self.clients();
        let Some(client) = clients.by_token.get(&token).map(|served| served.client.clone()) else { return false };
        let is_own = |other: Option<&Arc<Client>>| other.is_some_and(|other| Arc::ptr_eq(other, &client));
        let before = lock(&client.address).replace(from).filter(|before| *before != from);
        if let Some(before) = before
            && is_own(clients.by_address.get(&before))
        {
            clients.by_address.remove(&before);
        }
        // Another may have been there, or said that it was.
        if !is_own(clients.by_address.get(&from)) {
            clients.by_address.insert(from, client);
        }
        true
    }
}

impl Cookies {
    fn of(&self, token: Token, address: SocketAddr) -> Cookie {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let mut cookie = Cookie([0; COOKIE_BYTES]);
        COOKIE.expand(&[&self.0[..], &token.0, &ip.octets(), &address.port().to_be_bytes()], &mut cookie.0);
        cookie
    }
}

impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookies")
    }
}

async fn from_clients(listening: Arc<Listening>) {
    let mut buffer = [0; DATAGRAM_BYTES_MAX];
    loop {
        receive(&listening.socket, &mut buffer, |datagram, from| listening.take(datagram, from)).await;
    }
}

async fn from_exit(listening: Arc<Listening>, client: Arc<Client>) {
    let mut buffer = [0; DATAGRAM_BYTES_MAX];
    loop {
        receive(&client.exit, &mut buffer, |datagram, _| {
            let Some(to) = *lock(&client.address) else { return };
            let send = || listening.socket.try_send_to(datagram, for_socket(to, listening.local));
            send_metered(&client.gate, &client.meter, Way::Down, datagram.len(), send);
        })
        .await;
    }
}

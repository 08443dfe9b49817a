//! Which ports there are, whose they are, and who waits there.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::super::Protocol;
use super::super::datagrams::PortDatagrams;
use super::super::flow::FlowEnd;
use super::Owner;
use crate::meter::Meter;
use crate::socks::SessionTag;

/// A port, and what it is for: one number is given for TCP and for UDP.
pub(super) type PortKey = (Protocol, u16);

#[derive(Default)]
pub(super) struct Table {
    pub ports: BTreeMap<PortKey, Port>,
    pub visitors: HashMap<u64, Waiting>,
    /// Of the visitor that came last.
    pub number: u64,
    /// Of the hold that was taken last; never given twice.
    pub turns: u64,
    /// Clients whose port the operator closed, and until when they get none.
    pub shut_out: HashMap<Owner, Instant>,
}

pub(super) struct Port {
    pub owner: Owner,
    /// Of the stream that took it last.
    pub session: SessionTag,
    pub since: Instant,
    /// Gone while the port is only kept.
    pub socket: Option<PortSocket>,
    /// Which hold has the port; whoever had it sees by that that another has taken over.
    pub turn: watch::Sender<u64>,
    pub kept_until: Option<Instant>,
    pub visits: Visits,
}

/// What visitors of one port have in common.
#[derive(Clone)]
pub(super) struct Visits {
    /// What they all have carried.
    pub meter: Arc<Meter>,
    /// Whether the operator closed the port.
    pub shut: Arc<watch::Sender<bool>>,
    /// Told when one that waited was fetched.
    pub fetched: Arc<Notify>,
}

#[derive(Clone)]
pub(super) enum PortSocket {
    Listener(Arc<TcpListener>),
    Datagrams(Arc<PortDatagrams>),
}

/// A visitor that is not fetched yet.
pub(super) struct Waiting {
    pub owner: Owner,
    pub from: SocketAddr,
    pub caller: Caller,
    pub visits: Visits,
}

pub(super) enum Caller {
    Connection(TcpStream),
    Flow(FlowEnd),
}

impl Port {
    pub fn new(owner: Owner, session: SessionTag) -> Self {
        let shut = Arc::new(watch::Sender::new(false));
        let visits = Visits { meter: Arc::default(), shut, fetched: Arc::default() };
        let (since, turn) = (Instant::now(), watch::Sender::new(0));
        Self { owner, session, since, socket: None, turn, kept_until: None, visits }
    }
}

impl Visits {
    /// Resolves when the operator has closed the port.
    pub async fn shut(&self) {
        let mut shut = self.shut.subscribe();
        // It is held here, so it doesn't go.
        let _ = shut.wait_for(|is_shut| *is_shut).await;
    }
}

impl PortSocket {
    pub fn open(protocol: Protocol, address: SocketAddr) -> std::io::Result<Self> {
        match protocol {
            Protocol::Tcp => {
                let listener = std::net::TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Ok(Self::Listener(Arc::new(TcpListener::from_std(listener)?)))
            }
            Protocol::Udp => Ok(Self::Datagrams(Arc::new(PortDatagrams::new(std::net::UdpSocket::bind(address)?)?))),
        }
    }
}

pub(super) fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

//! One peer of a tunnel: what the caller says of it, and its state.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gotatun::noise::Tunn;
use gotatun::packet::{Packet, WgKind};

use super::delayed::Delayed;
use super::keys::{PresharedKey, PublicKey};
use super::losses::Loss;
use super::outbox::Outbox;
use super::prefix::Prefix;
use crate::gate::Gate;
use crate::meter::{Meter, Side, Way};
use crate::pace::Pace;

/// Packets that wait for a peer's answer to a first handshake; of more the oldest are dropped. A second of a call.
const WAITING_MAX: usize = 64;

/// Somebody at the other end of a tunnel.
#[derive(Debug, Clone)]
pub struct Peer {
    pub key: PublicKey,
    pub preshared: Option<PresharedKey>,
    /// Where it is. Without, it must speak first. Whatever arrives from it authentically tells where it is now.
    pub endpoint: Option<SocketAddr>,
    /// Inner addresses that are its own: what it may send from, and what is sent to it.
    pub addresses: Vec<Prefix>,
    pub terms: Terms,
    /// Says something at least so often, so that a router on the way keeps the path open; in whole seconds.
    pub keepalive: Option<Duration>,
}

/// What a peer's packets are subject to.
#[derive(Debug, Clone)]
pub enum Terms {
    /// Of a session: counted by its meter, and dropped where its gate lets nothing pass.
    Paid { gate: Arc<Gate>, meter: Arc<Meter> },
    /// Nothing, as between nodes of one owner.
    Free,
}

/// What a tunnel knows of a peer at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerStats {
    /// Since the last handshake; `None` if there is no session.
    pub handshake_age: Option<Duration>,
    pub endpoint: Option<SocketAddr>,
    /// Since the first packet was sent to it after which nothing came from it.
    pub unanswered: Option<Duration>,
}

pub(super) struct PeerState {
    pub key: PublicKey,
    pub addresses: Vec<Prefix>,
    terms: Terms,
    contact: Mutex<Contact>,
}

/// What changes with each packet.
pub(super) struct Contact {
    pub wireguard: Tunn,
    pub endpoint: Option<SocketAddr>,
    /// When the first packet was sent after which nothing came.
    pub unanswered_since: Option<Instant>,
    /// Packets without session yet, neither metered nor encrypted.
    pub waiting: VecDeque<Packet>,
    /// Packets that wait for their pace.
    pub delayed: Delayed,
}

impl Terms {
    pub(super) fn pace(&self) -> Option<&Pace> {
        match self {
            Self::Free => None,
            Self::Paid { gate, .. } => gate.pace(),
        }
    }

    /// Lets `length` bytes of one packet pass and counts them, or doesn't.
    pub(super) fn pass(&self, way: Way, length: usize) -> bool {
        match self {
            Self::Free => true,
            Self::Paid { gate, meter } => {
                let passes = gate.try_take(length as u64);
                if passes {
                    meter.count(way, length as u64);
                }
                passes
            }
        }
    }
}

impl Contact {
    /// Something authentic came from it there.
    pub fn heard_from(&mut self, place: SocketAddr) {
        self.endpoint = Some(place);
        self.unanswered_since = None;
    }
}

impl PeerState {
    pub fn new(peer: Peer, wireguard: Tunn) -> Self {
        let (endpoint, waiting, delayed) = (peer.endpoint, VecDeque::new(), Delayed::default());
        let contact = Contact { wireguard, endpoint, unanswered_since: None, waiting, delayed };
        Self { key: peer.key, addresses: peer.addresses, terms: peer.terms, contact: Mutex::new(contact) }
    }

    pub fn contact(&self) -> MutexGuard<'_, Contact> {
        // What is behind the lock stays sound if somebody panics: WireGuard's state is changed by single steps.
        self.contact.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    pub fn stats(&self) -> PeerStats {
        let contact = self.contact();
        PeerStats {
            handshake_age: contact.wireguard.time_since_last_handshake(),
            endpoint: contact.endpoint,
            unanswered: contact.unanswered_since.map(|since| since.elapsed()),
        }
    }

    /// Encrypts one inner packet of `length` bytes, which counts once that has happened. If there is no session yet it
    /// waits, and a handshake is what comes back to be sent.
    pub fn send(
        &self,
        contact: &mut Contact,
        mut packet: Packet,
        length: usize,
        mtu: usize,
        side: Side,
        outbox: &mut Outbox,
    ) -> Result<Option<WgKind>, Loss> {
        let to = contact.endpoint.ok_or(Loss::Unreachable)?;
        let grant = match &self.terms {
            Terms::Free => None,
            Terms::Paid { gate, meter } => Some((gate.try_grant(length as u64).ok_or(Loss::Unpaid)?, meter)),
        };
        contact.unanswered_since.get_or_insert_with(Instant::now);
        // The length is hidden up to 16 bytes, but a full packet doesn't outgrow the path for it.
        let padded = length.next_multiple_of(16).min(mtu).max(length);
        packet.buf_mut().resize(padded, 0);
        match contact.wireguard.encapsulate_with_session(packet) {
            Ok(message) => {
                outbox.push(Packet::<[u8]>::from(message).as_ref(), to);
                if let Some((mut grant, meter)) = grant {
                    grant.spend(length as u64);
                    meter.count(side.way_in(), length as u64);
                }
                Ok(None)
            }
            Err(mut packet) => {
                packet.truncate(length);
                contact.waiting.push_back(packet);
                let handshake = contact.wireguard.format_handshake_initiation(false).map(WgKind::from);
                if contact.waiting.len() > WAITING_MAX {
                    contact.waiting.pop_front();
                    return handshake.map(Some).ok_or(Loss::Unreachable);
                }
                Ok(handshake)
            }
        }
    }
}

impl fmt::Debug for PeerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerState").field("key", &self.key).finish_non_exhaustive()
    }
}

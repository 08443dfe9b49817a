//! Inner packets to datagrams and back: who gets what, who may send it, and what it counts. No socket and no waiting.
//!
//! WireGuard's machine for one peer is `gotatun`'s [`Tunn`]. The device around it is ours, because that of the library
//! hands each packet through three queues and several locks: here a whole batch is carried in one go, by whoever read it.
//!
//! ```text
//! outgoing: inner packet ─ whose is its destination? ─ pace ─ gate ─ encrypt ─ meter ─▶ outbox
//! incoming: datagram ─ whose is it? ─ decrypt ─ is its source that peer's? ─ pace ─ gate ─ meter ─▶ inner packet
//! ```
//!
//! Meter and gate are asked at the same place on both sides, inside the encryption, about the same number: what the
//! packet's own header gives as its length. Padding, keepalives, handshakes, replays and forgeries count nothing. What the
//! network loses was counted by its sender and not by its receiver.
//!
//! Locks: the table of peers is read for a batch; each packet takes its own peer's lock, then perhaps that of the indices.
//! Nobody takes a second peer's.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use gotatun::noise::handshake::parse_handshake_anon;
use gotatun::noise::index_table::IndexTable;
use gotatun::noise::rate_limiter::RateLimiter;
use gotatun::noise::{Tunn, TunnResult};
use gotatun::packet::{Packet, WgKind};
use gotatun::x25519;

use super::TunnelError;
use super::delayed::{self, Waiting};
use super::ip::Header;
use super::keys::{PublicKey, Secret};
use super::losses::{Loss, LossCounters};
use super::outbox::Outbox;
use super::peer::{Contact, Peer, PeerState, PeerStats};
use super::prefix::Routes;
use crate::meter::Side;

/// Handshakes per second that one address may begin; beyond that it must show that it gets our answers (cookies).
const HANDSHAKES_PER_SECOND_MAX: u64 = 100;

/// The keys and peers of one tunnel.
pub(super) struct Carrier {
    secret: Secret,
    public: x25519::PublicKey,
    pub(super) side: Side,
    /// Bytes of the largest inner packet.
    mtu: usize,
    limiter: Arc<RateLimiter>,
    index_table: IndexTable,
    peers: RwLock<Peers>,
    /// Which peer a message is for. Written by handshakes only.
    indices: Mutex<HashMap<u32, Arc<PeerState>>>,
    pub losses: LossCounters,
    pub(super) waiting: Waiting,
}

struct Peers {
    by_key: HashMap<PublicKey, Arc<PeerState>>,
    by_address: Routes<Arc<PeerState>>,
}

impl Carrier {
    pub fn new(secret: Secret, side: Side, mtu: usize) -> Self {
        let public = x25519::PublicKey::from(&secret.0);
        Self {
            limiter: Arc::new(RateLimiter::new(&public, HANDSHAKES_PER_SECOND_MAX)),
            public,
            secret,
            side,
            mtu,
            index_table: IndexTable::from_os_rng(),
            peers: RwLock::new(Peers { by_key: HashMap::new(), by_address: Routes::new() }),
            indices: Mutex::default(),
            losses: LossCounters::default(),
            waiting: Waiting::default(),
        }
    }

    /// Adds a peer, and the beginning of a handshake with it if it is known where it is.
    pub fn add(&self, peer: Peer, outbox: &mut Outbox) -> Result<(), TunnelError> {
        let keepalive = peer.keepalive.map(|span| span.as_secs().clamp(1, u16::MAX.into()) as u16);
        let wireguard = Tunn::new(
            self.secret.0.clone(),
            peer.key.0.into(),
            peer.preshared.map(|key| key.0),
            keepalive,
            self.index_table.clone(),
            self.limiter.clone(),
        );
        let peer = Arc::new(PeerState::new(peer, wireguard));
        {
            let mut peers = self.peers.write().unwrap_or_else(PoisonError::into_inner);
            if peers.by_key.contains_key(&peer.key) {
                return Err(TunnelError::KeyTaken);
            }
            if let Some(taken) = peer.addresses.iter().find(|prefix| peers.by_address.exact(prefix).is_some()) {
                return Err(TunnelError::AddressTaken(*taken));
            }
            for prefix in &peer.addresses {
                peers.by_address.insert(*prefix, peer.clone());
            }
            peers.by_key.insert(peer.key, peer.clone());
        }
        let mut contact = peer.contact();
        if let Some(to) = contact.endpoint
            && let Some(handshake) = contact.wireguard.format_handshake_initiation(false)
        {
            self.post(&peer, handshake.into(), to, outbox);
        }
        Ok(())
    }

    /// Forgets a peer, its session and what waits for it; false if there is none.
    pub fn remove(&self, key: &PublicKey) -> bool {
        let mut peers = self.peers.write().unwrap_or_else(PoisonError::into_inner);
        let Some(removed) = peers.by_key.remove(key) else { return false };
        peers.by_address.retain(|peer| !Arc::ptr_eq(peer, &removed));
        self.indices().retain(|_, peer| !Arc::ptr_eq(peer, &removed));
        true
    }

    /// Begins one handshake with a peer at all of these places; false if there is no such peer.
    pub fn greet(&self, key: &PublicKey, places: &[SocketAddr], outbox: &mut Outbox) -> bool {
        let Some(peer) = self.peer(key) else { return false };
        let Some(handshake) = peer.contact().wireguard.format_handshake_initiation(true) else { return true };
        self.indices().insert(handshake.sender_idx.get(), peer);
        let handshake = Packet::<[u8]>::from(WgKind::from(handshake));
        for place in places {
            outbox.push(handshake.as_ref(), *place);
        }
        true
    }

    pub fn stats(&self, key: &PublicKey) -> Option<PeerStats> {
        Some(self.peer(key)?.stats())
    }

    fn peer(&self, key: &PublicKey) -> Option<Arc<PeerState>> {
        self.peers.read().unwrap_or_else(PoisonError::into_inner).by_key.get(key).cloned()
    }

    fn indices(&self) -> MutexGuard<'_, HashMap<u32, Arc<PeerState>>> {
        self.indices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Encrypts inner packets for the peers to whose addresses they go.
    pub fn outgoing(&self, packets: impl Iterator<Item = Packet>, outbox: &mut Outbox) {
        let peers = self.peers.read().unwrap_or_else(PoisonError::into_inner);
        for packet in packets {
            if let Err(loss) = self.outgoing_one(&peers, packet, outbox) {
                self.losses.count(loss);
            }
        }
    }

    fn outgoing_one(&self, peers: &Peers, packet: Packet, outbox: &mut Outbox) -> Result<(), Loss> {
        let header = Header::read(packet.as_ref()).ok_or(Loss::Malformed)?;
        if header.is_within_link() {
            return Err(Loss::Unrouted);
        }
        let peer = peers.by_address.find(header.destination).ok_or(Loss::Unrouted)?;
        let mut contact = peer.contact();
        let way = self.side.way_in();
        if let Some(pace) = peer.terms().pace()
            && delayed::must_wait(&mut contact, pace, way, header.length)
        {
            return self.delay(peer, &mut contact, (pace, way), (packet, header.length));
        }
        self.send_to(peer, &mut contact, packet, header.length, outbox)
    }

    /// Encrypts one inner packet of `length` bytes for a peer.
    pub(super) fn send_to(
        &self,
        peer: &Arc<PeerState>,
        contact: &mut Contact,
        packet: Packet,
        length: usize,
        outbox: &mut Outbox,
    ) -> Result<(), Loss> {
        let handshake = peer.send(contact, packet, length, self.mtu, self.side, outbox)?;
        if let (Some(handshake), Some(to)) = (handshake, contact.endpoint) {
            self.post(peer, handshake, to, outbox);
        }
        Ok(())
    }

    /// Decrypts datagrams to inner packets, which are handed to `deliver`, and answers what asks for an answer.
    pub fn incoming(
        &self,
        datagrams: impl Iterator<Item = (Packet, SocketAddr)>,
        mut deliver: impl FnMut(&[u8]),
        outbox: &mut Outbox,
    ) {
        let peers = self.peers.read().unwrap_or_else(PoisonError::into_inner);
        for (datagram, from) in datagrams {
            if let Err(loss) = self.incoming_one(&peers, datagram, from, &mut deliver, outbox) {
                self.losses.count(loss);
            }
        }
    }

    fn incoming_one(
        &self,
        peers: &Peers,
        datagram: Packet,
        from: SocketAddr,
        deliver: &mut impl FnMut(&[u8]),
        outbox: &mut Outbox,
    ) -> Result<(), Loss> {
        let message = match self.limiter.verify_packet(from, datagram) {
            Ok(message) => message,
            Err(TunnResult::WriteToNetwork(cookie)) => {
                outbox.push(Packet::<[u8]>::from(cookie).as_ref(), from);
                return Ok(());
            }
            Err(_) => return Err(Loss::Malformed),
        };
        let peer = self.sender(peers, &message).ok_or(Loss::Unauthentic)?;
        let mut contact = peer.contact();
        match contact.wireguard.handle_incoming_packet(message) {
            TunnResult::Done => Ok(()),
            TunnResult::Err(_) => Err(Loss::Unauthentic),
            TunnResult::WriteToNetwork(answer) => {
                contact.heard_from(from);
                self.post(&peer, answer, from, outbox);
                self.send_waiting(&peer, &mut contact, outbox);
                Ok(())
            }
            TunnResult::WriteToTunnel(packet) => {
                contact.heard_from(from);
                self.send_waiting(&peer, &mut contact, outbox);
                drop(contact);
                if packet.is_empty() {
                    // A keepalive.
                    return Ok(());
                }
                let header = Header::read(packet.as_ref()).ok_or(Loss::Malformed)?;
                let is_own = peers.by_address.find(header.source).is_some_and(|owner| Arc::ptr_eq(owner, &peer));
                if !is_own {
                    return Err(Loss::Spoofed);
                }
                let way = self.side.way_out();
                if let Some(pace) = peer.terms().pace() {
                    let mut contact = peer.contact();
                    if delayed::must_wait(&mut contact, pace, way, header.length) {
                        return self.delay(&peer, &mut contact, (pace, way), (packet, header.length));
                    }
                }
                if !peer.terms().pass(way, header.length) {
                    return Err(Loss::Unpaid);
                }
                deliver(&packet.as_ref()[..header.length]);
                Ok(())
            }
        }
    }

    /// Whose message this says it is.
    fn sender(&self, peers: &Peers, message: &WgKind) -> Option<Arc<PeerState>> {
        let index = match message {
            WgKind::HandshakeInit(handshake) => {
                let begun = parse_handshake_anon(&self.secret.0, &self.public, handshake).ok()?;
                return peers.by_key.get(&PublicKey(begun.peer_static_public)).cloned();
            }
            WgKind::HandshakeResp(message) => message.receiver_idx.get(),
            WgKind::CookieReply(message) => message.receiver_idx.get(),
            WgKind::Data(message) => message.header.receiver_idx.get(),
        };
        self.indices().get(&index).cloned()
    }

    /// What waited for a session, now that there may be one.
    fn send_waiting(&self, peer: &PeerState, contact: &mut Contact, outbox: &mut Outbox) {
        for _ in 0..contact.waiting.len() {
            let Some(packet) = contact.waiting.pop_front() else { return };
            let length = packet.len();
            if let Err(loss) = peer.send(contact, packet, length, self.mtu, self.side, outbox) {
                self.losses.count(loss);
            }
        }
    }

    /// Repeats handshakes, renews sessions and keeps paths open. To be called about four times a second.
    pub fn tick(&self, outbox: &mut Outbox) {
        self.limiter.try_reset_count();
        self.indices().retain(|index, _| self.index_table.in_use(*index));
        let peers = self.peers.read().unwrap_or_else(PoisonError::into_inner);
        for peer in peers.by_key.values() {
            let mut contact = peer.contact();
            let Some(to) = contact.endpoint else { continue };
            // The only error is that the peer didn't answer for long; a packet for it begins anew.
            if let Ok(Some(message)) = contact.wireguard.update_timers() {
                self.post(peer, message, to, outbox);
            }
        }
    }

    /// Puts a message of WireGuard's own into the outbox. If an answer to it will come, its index is for this peer.
    fn post(&self, peer: &Arc<PeerState>, message: WgKind, to: SocketAddr, outbox: &mut Outbox) {
        let index = match &message {
            WgKind::HandshakeInit(handshake) => Some(handshake.sender_idx.get()),
            WgKind::HandshakeResp(handshake) => Some(handshake.sender_idx.get()),
            WgKind::CookieReply(_) | WgKind::Data(_) => None,
        };
        if let Some(index) = index {
            self.indices().insert(index, peer.clone());
        }
        outbox.push(Packet::<[u8]>::from(message).as_ref(), to);
    }
}

#[cfg(test)]
mod tests;

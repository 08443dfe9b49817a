//! A hub: what a payment over it takes of its processor, and whether channels in which nothing happens make it more.
//!
//! The hub is the production router over the production machines, with a disk, group commit, and messages encoded and decoded. Its
//! peers are the same without a disk; what they do is not measured. Half of those that are active pay the other half, many at a
//! time. A payment takes six updates of the hub at the least: in each of its two channels a lock is made, opened and cleared away.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use byway_channel::routing::{Exposure, HubTerms, PaymentStatus, Preimage, Router, RoutingMessage, RoutingNews};
use byway_channel::{AddressedMessage, ChannelHandle, ChannelMachine, ChannelNews, Channels, Life};
use byway_crypto::IdentitySecret;
use byway_driver::disk::{Disk, Journal};
use byway_primitives::hash::Context as HashContext;
use byway_primitives::{Amount, Batch, Decode, Effect, Encode, IdentityId, MemoryStore, Span, Time, Token};
use byway_records::Channel;
use byway_records::channel::{ChannelTerms, Environment, Remainder};
use byway_records::genesis::Wait;
use byway_records::promise::ChannelId;

use super::pairs::{DEPOSIT, NETWORK, NOW, RESERVE, opened, secret};
use super::processor;

/// Updates of the hub's for a payment.
pub const UPDATES_PER_PAYMENT: f64 = 6.0;
/// Pairs of peers of which one pays the other, all at the same time.
const PAYING: usize = 50;
/// Channels of the hub that has no idle ones.
pub const FEW: usize = 2 * PAYING;
/// Channels that are opened at a time.
const OPENED_AT_ONCE: usize = 32;
const AMOUNT: Amount = Amount::from_units(10_000);
/// As nodes propose it: locks must fit in.
const LOCK: Wait = Wait { millis: Span::minutes(60), commits: 100 };
const STEP: Span = Span::millis(20);
/// Until payments that are through are cleared away; more steps mean that they stand still.
const STEPS_MAX: usize = 10_000;
const DRAW: HashContext = HashContext("byway 1 bench: hub");

/// Payments per second of one core of the hub's.
pub struct Rates {
    pub payments: f64,
    /// With no more channels than pay.
    pub payments_with_few: f64,
}

enum Packet {
    Channel(Vec<u8>),
    Routing(Vec<u8>),
}

struct Node {
    secret: IdentitySecret,
    channels: Channels<IdentitySecret>,
    router: Router,
    outgoing: Vec<(IdentityId, Packet)>,
    batches: Vec<Batch>,
    forwarded: usize,
}

struct Rig {
    hub: Node,
    peers: Vec<Node>,
    numbers: BTreeMap<IdentityId, usize>,
    journal: Journal,
    newest: u64,
    _disk: Disk,
    now: Time,
    /// Processor time of the hub.
    spent: Duration,
    drawn: u64,
}

/// Payments over a hub with so many channels, and over one with few, each with its disk in `directory`.
pub async fn measure(channels: usize, each: Duration, directory: &Path) -> anyhow::Result<Rates> {
    let mut many = Rig::open(channels.max(FEW), &directory.join("many")).await?;
    let payments = many.rate(each).await?;
    drop(many);
    let mut few = Rig::open(FEW, &directory.join("few")).await?;
    Ok(Rates { payments, payments_with_few: few.rate(each).await? })
}

fn terms() -> HubTerms {
    let all = Amount::from_units(u128::from(u64::MAX));
    HubTerms {
        fee_base: Amount::from_units(10),
        fee_per_million: 1_000,
        amount_min: Amount::from_units(1_000),
        delta: Span::minutes(10),
        per_peer: Exposure { amount: all, payments: 8 },
        in_all: Exposure { amount: all, payments: 2 * PAYING },
    }
}

impl Node {
    fn new(number: usize, terms: Option<HubTerms>) -> anyhow::Result<Self> {
        let (secret, nothing) = (secret(number), MemoryStore::new());
        let channels = Channels::load(secret.clone(), NETWORK, &nothing)?;
        let sealed_for = DRAW.hash(&[&number.to_be_bytes()]).0;
        let mut router = Router::load(secret.id(), NETWORK, sealed_for, terms, &nothing)?;
        router.set_ready(true);
        Ok(Self { secret, channels, router, outgoing: Vec::new(), batches: Vec::new(), forwarded: 0 })
    }

    fn receive(&mut self, now: Time, from: IdentityId, packet: &Packet) -> anyhow::Result<()> {
        match packet {
            Packet::Channel(bytes) => {
                self.channels.handle_message(now, from, AddressedMessage::from_bytes(bytes)?)?;
            }
            Packet::Routing(bytes) => {
                self.router.handle_message(now, &self.channels, from, RoutingMessage::from_bytes(bytes)?);
            }
        }
        self.collect(now);
        Ok(())
    }

    fn wake(&mut self, now: Time) {
        self.channels.handle_time(now);
        self.channels.handle_wake(now);
        self.collect(now);
        self.router.handle_wake(now, &self.channels);
        self.collect(now);
    }

    /// Does what channels and router want done, until they want nothing more.
    fn collect(&mut self, now: Time) {
        loop {
            let (of_channels, mut touched) = (self.channels.poll(), Vec::new());
            for (key, effect) in of_channels {
                touched.extend(self.channels.get(key).and_then(ChannelMachine::id));
                match effect {
                    Effect::Persist { batch, .. } => self.batches.push(batch),
                    Effect::Send { to, message, .. } => self.outgoing.push((to, Packet::Channel(message.to_bytes()))),
                    Effect::Notify((key, ChannelNews::Proposed)) => {
                        self.channels.with(key, |machine| machine.agree(now));
                    }
                    Effect::WakeAt(_) | Effect::Notify(_) => {}
                }
            }
            touched.dedup();
            touched.into_iter().for_each(|id| self.router.handle_channel(now, &self.channels, id));
            let of_router = self.router.poll();
            if of_router.is_empty() {
                return;
            }
            for effect in of_router {
                match effect {
                    Effect::Persist { batch, .. } => self.batches.push(batch),
                    Effect::Send { to, message, .. } => self.outgoing.push((to, Packet::Routing(message.to_bytes()))),
                    Effect::Notify(RoutingNews::Propose { channel, change }) => {
                        if let Some(key) = self.channels.key_of(channel) {
                            // What can't be proposed now is wished for again.
                            let _ = self.channels.with(key, |machine| machine.propose(now, change));
                        }
                    }
                    Effect::Notify(RoutingNews::Forwarded { .. }) => self.forwarded += 1,
                    Effect::WakeAt(_) | Effect::Notify(_) => {}
                }
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.router.on_their_way().next().is_none()
    }

    fn see(&mut self, now: Time, entries: &BTreeMap<ChannelId, Channel>) {
        let environment = Environment { time: now, height: 7 };
        self.channels.handle_ledger(now, environment, 1, |_| true, |id| entries.get(&id).cloned());
        self.collect(now);
    }
}

impl Rig {
    /// A hub with so many open channels, each with a peer of its own.
    async fn open(count: usize, directory: &Path) -> anyhow::Result<Self> {
        let disk = Disk::open(directory)?;
        let mut rig = Self {
            hub: Node::new(0, Some(terms()))?,
            peers: Vec::with_capacity(count),
            numbers: BTreeMap::new(),
            journal: disk.journal("channels")?,
            newest: 0,
            _disk: disk,
            now: NOW,
            spent: Duration::ZERO,
            drawn: 0,
        };
        while rig.peers.len() < count {
            let some = OPENED_AT_ONCE.min(count - rig.peers.len());
            rig.open_some(some).await?;
        }
        let open = rig.hub.channels.iter().filter(|(_, machine)| machine.life() == Life::Open).count();
        ensure!(open == count, "{open} of the hub's {count} channels are open");
        Ok(rig)
    }

    async fn open_some(&mut self, count: usize) -> anyhow::Result<()> {
        let (now, hub, first) = (self.now, self.hub.secret.id(), self.peers.len());
        for number in first..first + count {
            let mut peer = Node::new(number + 1, None)?;
            let id = peer.secret.id();
            let terms = ChannelTerms {
                parties: [id, hub],
                deposits: [Amount::from_units(DEPOSIT); 2],
                reserve: Amount::from_units(RESERVE),
                lock: LOCK,
                remainder: Remainder::Halves,
                secrets: Default::default(),
                assets: Default::default(),
            };
            let digest = DRAW.hash(&[&number.to_be_bytes(), b"handle"]).0;
            let handle = ChannelHandle(std::array::from_fn(|index| digest[index]));
            peer.channels.initiate(now, handle, terms)?;
            peer.channels.handle_connected(now, hub);
            self.hub.channels.handle_connected(now, id);
            peer.collect(now);
            self.numbers.insert(id, number);
            self.peers.push(peer);
        }
        self.exchange().await?;
        let keys: Vec<_> = self.peers[first..].iter().map(|peer| peer.secret.id()).collect();
        let machines = keys.into_iter().flat_map(|id| self.hub.channels.with_peer(id));
        let entries = machines.filter_map(|(_, machine)| Some((machine.id()?, opened(machine.terms()))));
        let entries: BTreeMap<_, _> = entries.collect();
        ensure!(entries.len() == count, "a channel was not agreed on");
        // The others rest, and are where they were.
        let environment = Environment { time: now, height: 7 };
        let is_changed = |id| entries.contains_key(&id);
        self.hub.channels.handle_ledger(now, environment, 1, is_changed, |id| entries.get(&id).cloned());
        self.hub.collect(now);
        self.peers[first..].iter_mut().for_each(|peer| peer.see(now, &entries));
        self.exchange().await
    }

    /// Until nobody has anything to say at once.
    async fn exchange(&mut self) -> anyhow::Result<()> {
        let hub = self.hub.secret.id();
        loop {
            let waiting = self.peers.iter_mut().map(|peer| (peer.secret.id(), std::mem::take(&mut peer.outgoing)));
            let incoming: Vec<_> = waiting.filter(|(_, packets)| !packets.is_empty()).collect();
            let begun = processor()?;
            for (from, packets) in &incoming {
                packets.iter().try_for_each(|(_, packet)| self.hub.receive(self.now, *from, packet))?;
            }
            self.write().await?;
            self.spent += processor()? - begun;
            let outgoing = std::mem::take(&mut self.hub.outgoing);
            if incoming.is_empty() && outgoing.is_empty() {
                return Ok(());
            }
            for (to, packet) in outgoing {
                let number = self.numbers.get(&to).context("the hub talks to a stranger")?;
                self.peers[*number].receive(self.now, hub, &packet)?;
            }
        }
    }

    /// Makes durable what the hub has written, all together.
    async fn write(&mut self) -> anyhow::Result<()> {
        let batches = std::mem::take(&mut self.hub.batches);
        if batches.is_empty() {
            return Ok(());
        }
        for batch in batches {
            self.newest += 1;
            self.journal.write_lazily(batch, Token(self.newest))?;
        }
        Ok(self.journal.wait(Token(self.newest)).await?)
    }

    async fn rate(&mut self, each: Duration) -> anyhow::Result<f64> {
        // The contract that keeps locks is put into each channel by its first payment.
        self.pay().await?;
        let (before, begun) = (self.hub.forwarded, self.spent);
        while self.spent - begun < each {
            self.pay().await?;
        }
        Ok((self.hub.forwarded - before) as f64 / (self.spent - begun).as_secs_f64())
    }

    /// Each pair makes a payment, in turns either way, until nothing of it is left.
    async fn pay(&mut self) -> anyhow::Result<()> {
        let (stride, hub) = (self.peers.len() / FEW, self.hub.secret.id());
        let is_back = self.drawn % 2 == 1;
        let mut hashes = Vec::with_capacity(PAYING);
        for pair in 0..PAYING {
            let (one, other) = (2 * pair * stride, (2 * pair + 1) * stride);
            let (payer, payee) = if is_back { (other, one) } else { (one, other) };
            let draw = |what: &[u8]| DRAW.hash(&[what, &self.drawn.to_be_bytes(), &pair.to_be_bytes()]).0;
            let (preimage, entropy) = (Preimage(draw(b"preimage")), draw(b"entropy"));
            let (expires, peer) = (self.now + Span::minutes(60), &mut self.peers[payee]);
            let invoice = peer.router.invoice(&peer.secret, preimage, AMOUNT, expires, vec![hub], None);
            peer.collect(self.now);
            let peer = &mut self.peers[payer];
            peer.router.pay(self.now, &peer.channels, &invoice, AMOUNT, entropy)?;
            peer.collect(self.now);
            hashes.push((payer, preimage.hash()));
        }
        self.drawn += 1;
        for _ in 0..STEPS_MAX {
            self.exchange().await?;
            let active = (0..FEW).map(|number| number * stride);
            if self.hub.is_idle() && active.clone().all(|number| self.peers[number].is_idle()) {
                let is_paid = |(payer, hash): &(usize, _)| {
                    matches!(self.peers[*payer].router.payment(*hash), Some(PaymentStatus::Paid { .. }))
                };
                ensure!(hashes.iter().all(is_paid), "a payment was not made");
                return Ok(());
            }
            self.now = self.now + STEP;
            let begun = processor()?;
            self.hub.wake(self.now);
            self.spent += processor()? - begun;
            active.for_each(|number| self.peers[number].wake(self.now));
        }
        anyhow::bail!("payments over the hub stand still")
    }
}

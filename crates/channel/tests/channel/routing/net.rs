//! Several nodes, each with its channels, its router and its disk; wires between them, and one ledger.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use byway_channel::routing::{
    Exposure, HubTerms, Invoice, PaymentHash, PaymentStatus, Preimage, Router, RoutingMessage, RoutingNews, conduit,
};
use byway_channel::{AddressedMessage, ChannelHandle, ChannelKey, ChannelMachine, ChannelNews, Channels, Life};
use byway_crypto::{IdentitySecret, WalletSecret};
use byway_ledger::Verdict;
use byway_primitives::{Amount, Batch, Decode, Effect, Encode, IdentityId, MemoryStore, NetworkId, Span, Time};
use byway_records::call::ChannelsCall;
use byway_records::channel::entry::channel_key;
use byway_records::channel::{ChannelAssets, ChannelTerms, Environment, Remainder};
use byway_records::genesis::Wait;
use byway_records::promise::ChannelId;
use byway_records::{Call, ProgramId, Reject, Transaction, verified};

use crate::scene::times_until;
use crate::strict::{Ever, StrictSigner};
use crate::world::{ALICE, CAROL, Draft, Person, World, units};

pub const LOCK: Wait = Wait { millis: Span::minutes(60), commits: 5 };
pub const RESERVE: u128 = 500_000;
/// What pays for any call that can be forced.
const CALL_FEE: u128 = 4_000_000;
pub const DEPOSIT: u128 = 5_000_000;
pub const FEE_BASE: u128 = 100;
/// What a hub asks for to send on so much.
pub fn fee(amount: u128) -> u128 {
    FEE_BASE + amount.div_ceil(1_000)
}

/// What is done in this order, each once all before is done; a crash forgets the rest.
#[allow(clippy::large_enum_variant, reason = "few at a time")]
enum Step {
    Write(Batch),
    Send(usize, Packet),
    Fund(Transaction),
    Submit(ChannelsCall),
}

enum Packet {
    Channel(Vec<u8>),
    Routing(Vec<u8>),
}

pub struct Node {
    secret: IdentitySecret,
    pub channels: Channels<StrictSigner>,
    /// Whatever it has signed, in all its lives.
    ever: Ever,
    pub router: Router,
    pub disk: MemoryStore,
    steps: VecDeque<Step>,
    pub news: Vec<RoutingNews>,
    terms: Option<HubTerms>,
    /// Whether it does anything.
    pub is_up: bool,
}

pub struct Net {
    pub world: World,
    pub nodes: Vec<Node>,
    wires: BTreeMap<(usize, usize), VecDeque<Packet>>,
    edges: Vec<(usize, usize)>,
    apart: BTreeSet<(usize, usize)>,
    names: BTreeMap<ChannelKey, ChannelId>,
    pub now: Time,
    /// Calls about channels that the ledger took, and those that it refused.
    pub calls: Vec<ChannelsCall>,
    pub refused: Vec<Reject>,
    invoices: u8,
    first: Vec<u128>,
}

pub fn hub_terms() -> HubTerms {
    HubTerms {
        fee_base: units(FEE_BASE),
        fee_per_million: 1_000,
        amount_min: units(1_000),
        delta: Span::minutes(10),
        per_peer: Exposure { amount: units(3_000_000), payments: 8 },
        in_all: Exposure { amount: units(6_000_000), payments: 12 },
    }
}

fn secret(node: usize) -> IdentitySecret {
    IdentitySecret::from_bytes(&[node as u8 + 1; 32]).unwrap()
}

impl Node {
    fn new(network: NetworkId, number: usize, terms: Option<HubTerms>, disk: MemoryStore, ever: Ever) -> Self {
        let secret = secret(number);
        let channels = Channels::load(StrictSigner::new(secret.clone(), &ever), network, &disk).unwrap();
        let mut router = Router::load(secret.id(), network, [number as u8 + 100; 32], terms, &disk).unwrap();
        router.set_ready(true);
        let (steps, news) = (VecDeque::new(), Vec::new());
        Self { secret, channels, ever, router, disk, steps, news, terms, is_up: true }
    }
}

impl Net {
    /// Nodes with channels between these; all but the first and the last are hubs.
    pub fn new(count: usize, edges: &[(usize, usize)]) -> Self {
        let mut world = World::new();
        for number in world.people.len()..count {
            let wallet = WalletSecret::from_seed(&[number as u8 + 1; 32]);
            world.people.push(Person { wallet, identity: secret(number) });
        }
        for number in 0..count {
            world.must(&world.deposit(world.coin(ALICE), number, 5 * DEPOSIT));
        }
        let code = Call::Channels(ChannelsCall::RegisterCode { code: conduit::code().to_vec() });
        let draft = Draft { call: Some(code), fee: units(3_000_000), ..Draft::default() };
        world.must(&world.funded(world.coin(CAROL), draft));
        let terms = |number| (number > 0 && number + 1 < count).then(hub_terms);
        let node = |number| Node::new(world.network, number, terms(number), MemoryStore::new(), Ever::default());
        let nodes = (0..count).map(node);
        let mut net = Self {
            nodes: nodes.collect(),
            now: world.time,
            world,
            wires: BTreeMap::new(),
            edges: edges.to_vec(),
            apart: BTreeSet::new(),
            names: BTreeMap::new(),
            calls: Vec::new(),
            refused: Vec::new(),
            invoices: 0,
            first: Vec::new(),
        };
        for (number, (one, other)) in edges.iter().enumerate() {
            net.open(number as u8, *one, *other);
        }
        assert_eq!(net.open_channels(), edges.len());
        net.calls.clear();
        net.first = (0..count).map(|number| net.wealth(number)).collect();
        net
    }

    fn open(&mut self, number: u8, one: usize, other: usize) {
        let terms = ChannelTerms {
            parties: [self.id(one), self.id(other)],
            deposits: [units(DEPOSIT); 2],
            reserve: units(RESERVE),
            lock: LOCK,
            remainder: Remainder::Halves,
            secrets: [byway_primitives::Hash::default(); 2],
            assets: ChannelAssets::NONE,
        };
        let now = self.now;
        self.nodes[one].channels.initiate(now, ChannelHandle([number; 16]), terms).unwrap();
        self.nodes[one].channels.handle_connected(now, secret(other).id());
        self.nodes[other].channels.handle_connected(now, secret(one).id());
        self.collect(one);
        for _ in 0..3 {
            self.run();
            self.tick(Span::millis(10));
        }
        self.run();
    }

    pub fn id(&self, node: usize) -> IdentityId {
        self.nodes[node].secret.id()
    }

    fn number(&self, id: IdentityId) -> usize {
        self.nodes.iter().position(|node| node.secret.id() == id).unwrap()
    }

    fn is_connected(&self, one: usize, other: usize) -> bool {
        !self.apart.contains(&(one.min(other), one.max(other)))
    }

    /// Takes what a node wants done, until it wants nothing more at once.
    pub fn collect(&mut self, number: usize) {
        loop {
            let (now, node) = (self.now, &mut self.nodes[number]);
            let mut touched = BTreeSet::new();
            let effects = node.channels.poll();
            let mut steps = Vec::new();
            for (key, effect) in effects {
                if let Some(id) = node.channels.get(key).and_then(ChannelMachine::id) {
                    self.names.insert(key, id);
                }
                touched.extend(self.names.get(&key));
                match effect {
                    Effect::Persist { batch, .. } => steps.push(Step::Write(batch)),
                    Effect::Send { to, message, .. } => {
                        steps.push(send(&self.edges, to, Packet::Channel(message.to_bytes())))
                    }
                    Effect::WakeAt(_) => {}
                    Effect::Notify((key, ChannelNews::Proposed)) => {
                        node.channels.with(key, |machine| machine.agree(now));
                    }
                    Effect::Notify((_, ChannelNews::Fund(transaction))) => steps.push(Step::Fund(transaction)),
                    Effect::Notify((_, ChannelNews::Submit(call))) => steps.push(Step::Submit(call)),
                    Effect::Notify(_) => {}
                }
            }
            touched.into_iter().for_each(|id| node.router.handle_channel(now, &node.channels, id));
            let asked = node.router.poll();
            let is_done = steps.is_empty() && asked.is_empty();
            node.steps.extend(steps);
            for effect in asked {
                match effect {
                    Effect::Persist { batch, .. } => node.steps.push_back(Step::Write(batch)),
                    Effect::Send { to, message, .. } => {
                        node.steps.push_back(send(&self.edges, to, Packet::Routing(message.to_bytes())));
                    }
                    Effect::WakeAt(_) => {}
                    Effect::Notify(news) => node.carry_out(now, news),
                }
            }
            if is_done {
                return;
            }
        }
    }

    /// The oldest step of a node is done.
    pub fn step(&mut self, number: usize) -> bool {
        if !self.nodes[number].is_up {
            return false;
        }
        let Some(step) = self.nodes[number].steps.pop_front() else { return false };
        match step {
            Step::Write(batch) => self.nodes[number].disk.apply(&batch),
            Step::Send(to, packet) => {
                if self.is_connected(number, to) {
                    self.wires.entry((number, to)).or_default().push_back(packet);
                }
            }
            Step::Fund(transaction) => {
                let transaction = verified::verify(self.world.network, transaction).unwrap();
                self.world.commit(&[transaction]);
            }
            Step::Submit(call) => self.submit(number, call),
        }
        true
    }

    pub fn submit(&mut self, number: usize, call: ChannelsCall) {
        // What is too long to be read does nothing.
        if ChannelsCall::from_bytes(&call.to_bytes()).is_err() {
            return;
        }
        let draft = Draft { call: Some(Call::Channels(call.clone())), signers: vec![number], ..Draft::default() };
        let mut verdict = self.world.run(&draft);
        if verdict == Verdict::Rejected(Reject::ChannelFee) {
            // The reserve is used up: a node's wallet pays then, here somebody's.
            let draft = Draft { fee: units(CALL_FEE), ..draft };
            verdict = self.world.run(&self.world.funded(self.world.coin(CAROL), draft));
        }
        match verdict {
            Verdict::Rejected(reason) => self.refused.push(reason),
            _ => self.calls.push(call),
        }
        self.now = self.now.max(self.world.time);
    }

    /// The oldest message from one to the other arrives.
    pub fn deliver(&mut self, from: usize, to: usize) -> bool {
        if !self.nodes[to].is_up {
            return false;
        }
        let Some(packet) = self.wires.get_mut(&(from, to)).and_then(VecDeque::pop_front) else { return false };
        let (now, peer, node) = (self.now, self.id(from), &mut self.nodes[to]);
        match packet {
            Packet::Channel(bytes) => {
                let message = AddressedMessage::from_bytes(&bytes).unwrap();
                node.channels.handle_message(now, peer, message).expect("all are honest");
            }
            Packet::Routing(bytes) => {
                let message = RoutingMessage::from_bytes(&bytes).unwrap();
                node.router.handle_message(now, &node.channels, peer, message);
            }
        }
        self.collect(to);
        true
    }

    /// Writes and delivers until nothing is left to do.
    pub fn run(&mut self) {
        for _ in 0..100_000 {
            let mut is_done = true;
            for number in 0..self.nodes.len() {
                is_done &= !self.step(number);
            }
            for (one, other) in self.edges.clone() {
                is_done &= !(self.deliver(one, other) | self.deliver(other, one));
            }
            if is_done {
                return;
            }
        }
        panic!("they talk without end");
    }

    /// Time passes, and those that are up see the ledger and their timers.
    pub fn tick(&mut self, span: Span) {
        for time in times_until(self.now, self.world.time.max(self.now) + span) {
            let up = self.nodes.iter_mut().filter(|node| node.is_up);
            up.for_each(|node| node.channels.handle_time(time));
        }
        self.world.time = self.world.time.max(self.now) + span;
        self.world.commit(&[]);
        self.now = self.world.time;
        for number in 0..self.nodes.len() {
            self.show(number);
        }
    }

    fn show(&mut self, number: usize) {
        if !self.nodes[number].is_up {
            return;
        }
        let (now, commits) = (self.now, self.world.ledger.commits());
        let environment = Environment { time: self.world.time, height: self.world.checkpoints.len() as u64 };
        let (ledger, node) = (&self.world.ledger, &mut self.nodes[number]);
        let entry = |id| ledger.tree(ProgramId::CHANNELS)?.read(&channel_key(id));
        node.channels.handle_ledger(now, environment, commits, |_| true, entry);
        node.channels.handle_wake(now);
        self.collect(number);
        let node = &mut self.nodes[number];
        node.router.handle_wake(now, &node.channels);
        self.collect(number);
    }

    /// So much time passes in small steps, and all that can be done is.
    pub fn pass(&mut self, span: Span) {
        let end = self.now + span;
        while self.now < end {
            self.tick(Span::seconds(5));
            self.run();
        }
    }

    pub fn disconnect(&mut self, one: usize, other: usize) {
        if !self.apart.insert((one.min(other), one.max(other))) {
            return;
        }
        for (from, to) in [(one, other), (other, one)] {
            self.wires.remove(&(from, to));
            let peer = self.id(to);
            self.nodes[from].steps.retain(|step| !matches!(step, Step::Send(other, _) if *other == to));
            self.nodes[from].channels.handle_disconnected(peer);
            self.collect(from);
        }
    }

    pub fn connect(&mut self, one: usize, other: usize) {
        if !self.nodes[one].is_up || !self.nodes[other].is_up || !self.apart.remove(&(one.min(other), one.max(other))) {
            return;
        }
        for (from, to) in [(one, other), (other, one)] {
            let (now, peer) = (self.now, self.id(to));
            self.nodes[from].channels.handle_connected(now, peer);
            self.collect(from);
        }
    }

    /// It is gone: what was not durable is lost, and so is what was on its way.
    pub fn vanish(&mut self, number: usize) {
        for (one, other) in self.edges.clone() {
            if one == number || other == number {
                self.disconnect(one, other);
            }
        }
        self.nodes[number].is_up = false;
    }

    /// It is there again, with what is on its disk.
    pub fn come_back(&mut self, number: usize) {
        // Nothing dies and starts within one millisecond.
        self.now = self.now + Span::millis(1);
        let node = &mut self.nodes[number];
        let (disk, terms, ever) = (node.disk.clone(), node.terms, node.ever.clone());
        let news = std::mem::take(&mut node.news);
        self.nodes[number] = Node { news, ..Node::new(self.world.network, number, terms, disk, ever) };
        self.show(number);
        for (one, other) in self.edges.clone() {
            if one == number || other == number {
                self.connect(one, other);
            }
        }
    }

    /// It is there again, with what was on its disk before.
    pub fn restore(&mut self, number: usize, disk: MemoryStore) {
        self.vanish(number);
        self.nodes[number].disk = disk;
        self.come_back(number);
    }

    pub fn crash(&mut self, number: usize) {
        self.vanish(number);
        self.come_back(number);
    }

    /// Sets on what terms a node is a hub.
    pub fn set_terms(&mut self, number: usize, terms: Option<HubTerms>) {
        self.nodes[number].terms = terms;
        self.crash(number);
        self.run();
    }

    // Paying.

    pub fn invoice(&mut self, payee: usize, amount: u128) -> Invoice {
        self.invoices += 1;
        let peers = self.edges.iter().filter_map(|(one, other)| match (*one == payee, *other == payee) {
            (true, _) => Some(*other),
            (_, true) => Some(*one),
            _ => None,
        });
        let hubs = peers.map(|peer| self.id(peer)).collect();
        let (expires, preimage) = (self.now + Span::minutes(60), Preimage([self.invoices; 32]));
        let node = &mut self.nodes[payee];
        let invoice = node.router.invoice(&node.secret, preimage, units(amount), expires, hubs, None);
        self.collect(payee);
        invoice.to_string().parse().unwrap()
    }

    pub fn pay(&mut self, payer: usize, invoice: &Invoice) -> PaymentHash {
        let (now, node) = (self.now, &mut self.nodes[payer]);
        let entropy = [payer as u8 + 50; 32];
        node.router.pay(now, &node.channels, invoice, units(50_000), entropy).unwrap();
        self.collect(payer);
        invoice.terms.hash
    }

    pub fn status(&self, payer: usize, hash: PaymentHash) -> PaymentStatus {
        self.nodes[payer].router.payment(hash).unwrap()
    }

    pub fn is_paid(&self, payer: usize, hash: PaymentHash) -> bool {
        matches!(self.status(payer, hash), PaymentStatus::Paid { .. })
    }

    // What there is.

    pub fn channel(&self, one: usize, other: usize) -> ChannelId {
        let (node, peer) = (&self.nodes[one], self.id(other));
        node.channels.iter().find(|(key, _)| key.peer == peer).and_then(|(_, machine)| machine.id()).unwrap()
    }

    pub fn machine(&self, one: usize, channel: ChannelId) -> &ChannelMachine<StrictSigner> {
        let channels = &self.nodes[one].channels;
        channels.get(channels.key_of(channel).unwrap()).unwrap()
    }

    pub fn open_channels(&self) -> usize {
        let all = self.nodes.iter().flat_map(|node| node.channels.iter());
        all.filter(|(_, machine)| machine.life() == Life::Open).count() / 2
    }

    /// What a node has in its account, and in its channels by what it knows.
    pub fn wealth(&self, node: usize) -> u128 {
        let channels = self.nodes[node].channels.iter().map(|(_, machine)| machine.balance().units());
        self.world.balance(node) + channels.sum::<u128>()
    }

    /// How much more it has than at first, or less.
    pub fn gain(&self, node: usize) -> i128 {
        self.wealth(node) as i128 - self.first[node] as i128
    }

    /// Nothing is on its way, nothing is left in the contracts, and all agree.
    pub fn assert_clean(&self) {
        for node in &self.nodes {
            assert_eq!(node.router.on_their_way().collect::<Vec<_>>(), []);
            for (key, machine) in node.channels.iter() {
                assert!(!conduit::holds(machine.state()));
                let peer = &self.nodes[self.number(key.peer)].channels;
                let theirs = peer.get(peer.key_of(machine.id().unwrap()).unwrap()).unwrap();
                assert_eq!(machine.position(), theirs.position());
            }
        }
    }

    pub fn received(&self, payee: usize) -> Amount {
        let received = self.nodes[payee].news.iter().filter_map(|news| match news {
            RoutingNews::Received { amount, .. } => Some(*amount),
            _ => None,
        });
        Amount::checked_sum(received).unwrap()
    }
}

fn send(edges: &[(usize, usize)], to: IdentityId, packet: Packet) -> Step {
    let numbers = edges.iter().flat_map(|(one, other)| [*one, *other]);
    let to = numbers.into_iter().find(|number| secret(*number).id() == to).unwrap();
    Step::Send(to, packet)
}

impl Node {
    fn carry_out(&mut self, now: Time, news: RoutingNews) {
        let key = |channel: &ChannelId| self.channels.key_of(*channel);
        match &news {
            RoutingNews::Propose { channel, change } => {
                if let Some(key) = key(channel) {
                    let _ = self.channels.with(key, |machine| machine.propose(now, change.clone()));
                }
            }
            RoutingNews::Force { channel, call } => {
                if let Some(key) = key(channel) {
                    let _ = self.channels.with(key, |machine| machine.force(now, call));
                }
            }
            RoutingNews::Close { channel } => {
                if let Some(key) = key(channel) {
                    let _ = self.channels.with(key, |machine| machine.close_unasked(now));
                }
            }
            _ => {}
        }
        self.news.push(news);
    }
}

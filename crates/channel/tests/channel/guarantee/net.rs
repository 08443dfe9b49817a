//! Two who have no channel with each other, their hub, and one ledger: each with its channels, its guarantees and its disk.

use std::collections::{BTreeSet, VecDeque};

use byway_channel::guarantee::{GuaranteeMessage, GuaranteeNews, GuaranteeTerms, Guarantees, OFFER_TIME, contract};
use byway_channel::{AddressedMessage, ChannelHandle, ChannelKey, ChannelMachine, ChannelNews, Channels, Life};
use byway_crypto::{IdentitySecret, WalletSecret};
use byway_ledger::Verdict;
use byway_primitives::{Batch, Decode, Effect, Encode, IdentityId, MemoryStore, Span, Time};
use byway_records::call::ChannelsCall;
use byway_records::channel::entry::{channel_key, channel_of_key, channel_prefix};
use byway_records::channel::guaranteed::outcome_key;
use byway_records::channel::{ChannelTerms, Environment, Outcome, Remainder, VirtualTerms};
use byway_records::genesis::Wait;
use byway_records::promise::ChannelId;
use byway_records::{Call, Channel, ProgramId, Reject, Transaction, verified};

use crate::scene::times_until;
use crate::strict::{Ever, StrictSigner};
use crate::world::{ALICE, CAROL, CHANNEL_PRICE, Draft, Person, World, units};

/// The two, and the hub between them.
pub const ONE: usize = 0;
pub const HUB: usize = 1;
pub const OTHER: usize = 2;
/// Who can talk with whom.
const EDGES: [(usize, usize); 3] = [(ONE, HUB), (HUB, OTHER), (ONE, OTHER)];

pub const PARENT_LOCK: Wait = Wait { millis: Span::minutes(60), commits: 20 };
pub const LOCK: Wait = Wait { millis: Span::minutes(10), commits: 5 };
pub const DISPUTE: Wait = Wait { millis: Span::minutes(20), commits: 10 };
pub const RESERVE: u128 = 500_000;
/// What each puts into a channel with the hub.
pub const DEPOSIT: u128 = 5_000_000;
/// What the two put into their virtual one.
pub const PARTS: [u128; 2] = [1_000_000, 800_000];
pub const VIRTUAL_RESERVE: u128 = 1_000;
pub const FEE_BASE: u128 = 100;
pub const LIFE: Span = Span::minutes(120);

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
    Guarantee(Vec<u8>),
}

pub struct Node {
    secret: IdentitySecret,
    pub channels: Channels<StrictSigner>,
    /// Whatever it has signed, in all its lives.
    ever: Ever,
    pub guarantees: Guarantees,
    pub disk: MemoryStore,
    steps: VecDeque<Step>,
    pub news: Vec<GuaranteeNews>,
    pub heard: Vec<ChannelNews>,
    /// Whether it does anything.
    pub is_up: bool,
    /// Whether it leaves unanswered which virtual channels it knows of.
    pub is_hiding: bool,
    /// Whether it carries out what it is told to do in the channels with, or as, the hub, and on the ledger.
    pub is_acting: bool,
}

pub struct Net {
    pub world: World,
    pub nodes: Vec<Node>,
    wires: std::collections::BTreeMap<(usize, usize), VecDeque<Packet>>,
    apart: BTreeSet<(usize, usize)>,
    pub now: Time,
    /// Calls about channels that the ledger took, and those that it refused.
    pub calls: Vec<ChannelsCall>,
    pub refused: Vec<Reject>,
    pub first: Vec<u128>,
    virtuals: u8,
    /// Writes that are still done, of a node that then crashes.
    pub writes_left: Option<(usize, usize)>,
}

pub fn hub_terms() -> GuaranteeTerms {
    GuaranteeTerms {
        fee_base: units(FEE_BASE),
        fee_per_million: 1_000,
        time_max: Span::minutes(24 * 60),
        per_peer: units(3_000_000),
        in_all: units(6_000_000),
    }
}

pub fn secret(node: usize) -> IdentitySecret {
    IdentitySecret::from_bytes(&[node as u8 + 1; 32]).unwrap()
}

fn number(id: IdentityId) -> usize {
    [ONE, HUB, OTHER].into_iter().find(|number| secret(*number).id() == id).unwrap()
}

impl Node {
    fn new(network: byway_primitives::NetworkId, number: usize, disk: MemoryStore, ever: Ever) -> Self {
        let secret = secret(number);
        let channels = Channels::load(StrictSigner::new(secret.clone(), &ever), network, &disk).unwrap();
        let terms = (number == HUB).then(hub_terms);
        let guarantees = Guarantees::load(secret.id(), network, terms, units(10_000), &disk).unwrap();
        Self {
            secret,
            channels,
            ever,
            guarantees,
            disk,
            steps: VecDeque::new(),
            news: Vec::new(),
            heard: Vec::new(),
            is_up: true,
            is_hiding: false,
            is_acting: true,
        }
    }

    fn carry_out(&mut self, now: Time, news: GuaranteeNews) {
        let key = |channel: &ChannelId| self.channels.key_of(*channel);
        match &news {
            _ if !self.is_acting => {}
            GuaranteeNews::Propose { channel, change } => {
                if let Some(key) = key(channel) {
                    let _ = self.channels.with(key, |machine| machine.propose(now, change.clone()));
                }
            }
            GuaranteeNews::Force { channel, call } => {
                if let Some(key) = key(channel) {
                    let _ = self.channels.with(key, |machine| machine.force(now, call));
                }
            }
            GuaranteeNews::Close { channel } => {
                if let Some(key) = key(channel) {
                    let _ = self.channels.with(key, |machine| machine.close_unasked(now));
                }
            }
            GuaranteeNews::CloseAlone { channel } => {
                if let Some(key) = key(channel) {
                    let _ = self.channels.with(key, |machine| machine.close_alone(now));
                }
            }
            GuaranteeNews::Part { channel } => {
                if let Some(key) = key(channel) {
                    let _ = self.channels.with(key, |machine| machine.close(now));
                }
            }
            GuaranteeNews::GiveUp { channel } => {
                if let Some(key) = key(channel) {
                    let _ = self.channels.with(key, ChannelMachine::give_up);
                }
            }
            GuaranteeNews::Find { terms } => drop(self.channels.find_virtual(now, terms)),
            GuaranteeNews::Submit(call) => self.steps.push_back(Step::Submit(call.clone())),
            _ => {}
        }
        self.news.push(news);
    }
}

impl Net {
    /// Two with a channel each with the hub.
    pub fn new() -> Self {
        let mut world = World::new();
        for number in world.people.len()..3 {
            let wallet = WalletSecret::from_seed(&[number as u8 + 1; 32]);
            world.people.push(Person { wallet, identity: secret(number) });
        }
        for number in 0..3 {
            world.must(&world.deposit(world.coin(ALICE), number, 4 * DEPOSIT));
        }
        for code in [contract::code().to_vec(), crate::scene::COUNTER.to_vec()] {
            let draft = Draft {
                call: Some(Call::Channels(ChannelsCall::RegisterCode { code })),
                fee: units(6_000_000),
                ..Draft::default()
            };
            world.must(&world.funded(world.coin(CAROL), draft));
        }
        let nodes = (0..3).map(|number| Node::new(world.network, number, MemoryStore::new(), Ever::default()));
        let mut net = Self {
            nodes: nodes.collect(),
            now: world.time,
            world,
            wires: Default::default(),
            apart: BTreeSet::new(),
            calls: Vec::new(),
            refused: Vec::new(),
            first: Vec::new(),
            virtuals: 0,
            writes_left: None,
        };
        for (one, other) in EDGES {
            let now = net.now;
            net.nodes[one].channels.handle_connected(now, secret(other).id());
            net.nodes[other].channels.handle_connected(now, secret(one).id());
        }
        net.open(1, ONE, HUB);
        net.open(2, HUB, OTHER);
        assert_eq!(net.open_channels(), 2);
        net.calls.clear();
        net.first = (0..3).map(|number| net.wealth(number)).collect();
        net
    }

    fn open(&mut self, handle: u8, one: usize, other: usize) {
        let terms = ChannelTerms {
            parties: [self.id(one), self.id(other)],
            deposits: [units(DEPOSIT); 2],
            reserve: units(RESERVE),
            lock: PARENT_LOCK,
            remainder: Remainder::Halves,
            secrets: [byway_primitives::Hash::default(); 2],
            assets: Default::default(),
        };
        let now = self.now;
        self.nodes[one].channels.initiate(now, ChannelHandle([handle; 16]), terms).unwrap();
        self.collect(one);
        for _ in 0..3 {
            self.run();
            self.tick(Span::millis(10));
        }
        self.run();
    }

    pub fn virtual_terms(&self) -> VirtualTerms {
        let terms = ChannelTerms {
            parties: [self.id(ONE), self.id(OTHER)],
            deposits: PARTS.map(units),
            reserve: units(VIRTUAL_RESERVE),
            lock: LOCK,
            remainder: Remainder::Halves,
            secrets: [byway_primitives::Hash::default(); 2],
            assets: Default::default(),
        };
        VirtualTerms {
            network: self.world.network,
            terms,
            hub: self.id(HUB),
            dispute: DISPUTE,
            ends: self.now + LIFE,
            environment: Environment { time: self.world.time, height: 0 },
            nonce: u64::from(self.virtuals),
        }
    }

    /// Begins to open a virtual channel.
    pub fn propose_virtual(&mut self) -> ChannelKey {
        let terms = self.virtual_terms();
        self.propose_with(terms)
    }

    pub fn propose_with(&mut self, terms: VirtualTerms) -> ChannelKey {
        self.virtuals += 1;
        let now = self.now;
        let handle = ChannelHandle([100 + self.virtuals; 16]);
        let key = self.nodes[ONE].channels.initiate_virtual(now, handle, terms).unwrap();
        self.collect(ONE);
        key
    }

    /// Opens a virtual channel between the two.
    pub fn open_virtual(&mut self) -> ChannelId {
        let key = self.propose_virtual();
        self.pass(Span::seconds(60));
        let machine = self.nodes[ONE].channels.get(key).expect("it is there");
        let id = machine.id().expect("both have signed");
        assert_eq!([self.life(ONE, id), self.life(OTHER, id)], [Some(Life::Open); 2], "{:?}", self.nodes[HUB].news);
        id
    }

    pub fn id(&self, node: usize) -> IdentityId {
        self.nodes[node].secret.id()
    }

    pub fn is_connected(&self, one: usize, other: usize) -> bool {
        !self.apart.contains(&(one.min(other), one.max(other)))
    }

    /// Takes what a node wants done, until it wants nothing more at once.
    pub fn collect(&mut self, number: usize) {
        for _ in 0..100 {
            let (now, node) = (self.now, &mut self.nodes[number]);
            let mut touched = BTreeSet::new();
            let effects = node.channels.poll();
            let mut is_done = effects.is_empty();
            for (key, effect) in effects {
                touched.extend(node.channels.get(key).and_then(ChannelMachine::id));
                match effect {
                    Effect::Persist { batch, .. } => node.steps.push_back(Step::Write(batch)),
                    Effect::Send { to, message, .. } => {
                        node.steps.push_back(Step::Send(self::number(to), Packet::Channel(message.to_bytes())));
                    }
                    Effect::WakeAt(_) => {}
                    Effect::Notify((key, news)) => {
                        match &news {
                            ChannelNews::Proposed => drop(node.channels.with(key, |machine| machine.agree(now))),
                            ChannelNews::Fund(transaction) => node.steps.push_back(Step::Fund(transaction.clone())),
                            ChannelNews::Submit(call) => node.steps.push_back(Step::Submit(call.clone())),
                            ChannelNews::Parted(close) => node.guarantees.handle_close(now, &node.channels, *close),
                            _ => {}
                        }
                        node.heard.push(news);
                    }
                }
            }
            touched.into_iter().for_each(|id| node.guarantees.handle_channel(now, &node.channels, id));
            let asked = node.guarantees.poll();
            node.channels.note_accepting(node.guarantees.accepting());
            is_done &= asked.is_empty();
            for effect in asked {
                match effect {
                    Effect::Persist { batch, .. } => node.steps.push_back(Step::Write(batch)),
                    Effect::Send { to, message, .. } => {
                        let bytes = message.to_bytes();
                        node.steps.push_back(Step::Send(self::number(to), Packet::Guarantee(bytes)));
                    }
                    Effect::WakeAt(_) => {}
                    Effect::Notify(news) => node.carry_out(now, news),
                }
            }
            if is_done {
                return;
            }
        }
        panic!("node {number} wants more and more");
    }

    /// The oldest step of a node is done.
    pub fn step(&mut self, number: usize) -> bool {
        if !self.nodes[number].is_up {
            return false;
        }
        let Some(step) = self.nodes[number].steps.pop_front() else { return false };
        match step {
            Step::Write(batch) => {
                if let Some((whose, left)) = &mut self.writes_left
                    && *whose == number
                {
                    if *left == 0 {
                        self.writes_left = None;
                        self.crash(number);
                        return true;
                    }
                    *left -= 1;
                }
                self.nodes[number].disk.apply(&batch);
            }
            Step::Send(to, packet) => {
                if self.is_connected(number, to) {
                    self.wires.entry((number, to)).or_default().push_back(packet);
                }
            }
            Step::Fund(transaction) => {
                let transaction = verified::verify(self.world.network, transaction).unwrap();
                self.world.commit(&[transaction]);
            }
            Step::Submit(call) => drop(self.submit(number, call)),
        }
        true
    }

    /// What the ledger can have charged for all that it was handed, and for making the two channels with the hub: whoever had a channel made finds
    /// that missing at its end.
    pub fn charged_max(&self) -> i128 {
        let gas = self.calls.iter().map(|call| match call {
            ChannelsCall::ForceProgress(force) => force.gas_taken(),
            _ => 0,
        });
        i128::from(gas.sum::<u64>()) + (CHANNEL_PRICE * (self.calls.len() as u128 + 2)) as i128
    }

    pub fn submit(&mut self, number: usize, call: ChannelsCall) -> Verdict {
        let draft = Draft { call: Some(Call::Channels(call.clone())), signers: vec![number], ..Draft::default() };
        let mut verdict = self.world.run(&draft);
        if verdict == Verdict::Rejected(Reject::ChannelFee) {
            // Nothing in a virtual channel pays for it, so the transaction does.
            let draft = Draft { fee: units(2_000 * CHANNEL_PRICE), ..draft };
            verdict = self.world.run(&self.world.funded(self.world.coin(CAROL), draft));
        }
        match verdict {
            Verdict::Rejected(reason) => self.refused.push(reason),
            _ => self.calls.push(call),
        }
        self.now = self.now.max(self.world.time);
        verdict
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
            Packet::Guarantee(bytes) => {
                let message = GuaranteeMessage::from_bytes(&bytes).unwrap();
                if node.is_hiding && message == GuaranteeMessage::Recall {
                    return true;
                }
                node.guarantees.handle_message(now, &node.channels, peer, message);
            }
        }
        self.collect(to);
        true
    }

    /// A node is told this by a peer, whoever has made it.
    pub fn hear(&mut self, to: usize, from: usize, message: GuaranteeMessage) {
        let (now, peer, node) = (self.now, self.id(from), &mut self.nodes[to]);
        node.guarantees.handle_message(now, &node.channels, peer, message);
        self.collect(to);
    }

    /// Writes and delivers until nothing is left to do.
    pub fn run(&mut self) {
        for _ in 0..100_000 {
            let mut is_done = true;
            for number in 0..self.nodes.len() {
                is_done &= !self.step(number);
            }
            for (one, other) in EDGES {
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

    pub fn show(&mut self, number: usize) {
        if !self.nodes[number].is_up {
            return;
        }
        let (now, commits) = (self.now, self.world.ledger.commits());
        let environment = Environment { time: self.world.time, height: self.world.checkpoints.len() as u64 };
        let (ledger, node) = (&self.world.ledger, &mut self.nodes[number]);
        let entry = |id| ledger.tree(ProgramId::CHANNELS)?.read(&channel_key(id));
        let outcome = |id| ledger.tree(ProgramId::CHANNELS)?.read::<Outcome>(&outcome_key(id)).map(|found| found.paid);
        node.guarantees.handle_ledger(now, &node.channels, commits, entry, outcome);
        node.channels.note_outcomes(node.guarantees.outcomes());
        node.channels.handle_ledger(now, environment, commits, |_| true, entry);
        node.channels.handle_wake(now);
        self.collect(number);
        let node = &mut self.nodes[number];
        node.guarantees.handle_wake(now, &node.channels);
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

    /// Time passes until that is so.
    pub fn pass_until(&mut self, what: &str, is_so: impl Fn(&Net) -> bool) {
        for _ in 0..4_000 {
            if is_so(self) {
                return;
            }
            self.tick(Span::seconds(5));
            self.run();
        }
        panic!("it never comes to this: {what}; refused: {:?}", self.refused);
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
        for (one, other) in EDGES {
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
        let (disk, ever) = (node.disk.clone(), node.ever.clone());
        let (news, heard) = (std::mem::take(&mut node.news), std::mem::take(&mut node.heard));
        self.nodes[number] = Node { news, heard, ..Node::new(self.world.network, number, disk, ever) };
        self.find(number);
        self.show(number);
        for (one, other) in EDGES {
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

    /// Its disk is lost. It takes up what the ledger has of its channels, and is connected to nobody yet.
    pub fn lose_disk(&mut self, number: usize) {
        self.vanish(number);
        self.now = self.now + Span::millis(1);
        let ever = self.nodes[number].ever.clone();
        self.nodes[number] = Node::new(self.world.network, number, MemoryStore::new(), ever);
        self.find(number);
        self.show(number);
    }

    /// What the ledger has of a node's channels is taken up where its disk does not have it.
    fn find(&mut self, number: usize) {
        let (us, now) = (self.id(number), self.now);
        let tree = self.world.ledger.tree(ProgramId::CHANNELS).unwrap();
        let entries = tree.iter_prefix(channel_prefix());
        let entries = entries.filter_map(|(key, _)| Some((channel_of_key(key)?, tree.read::<Channel>(key)?)));
        let ours = entries.filter(|(_, entry)| entry.parties.contains(&us) && entry.guaranteed.is_none());
        for (id, entry) in ours {
            self.nodes[number].channels.find(now, id, &entry);
        }
        self.collect(number);
    }
}

/// What one of the two pays the hub.
pub fn fee(hub_part: u128) -> u128 {
    FEE_BASE + hub_part.div_ceil(1_000)
}

/// How long an offer stands at least until all is over.
pub const OFFER_OVER: Span = Span(OFFER_TIME.0 + 5 * 60_000);

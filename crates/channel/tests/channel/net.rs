//! Several nodes, each with its channels, its router, its guarantees and its disk; wires between them, and one ledger. What is peculiar to
//! payments over hubs, and to virtual channels, stands beside their tests.
//!
//! Long because: whatever a net may do stands in one place, so that both kinds of tests do it alike.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use byway_channel::guarantee::{GuaranteeMessage, GuaranteeNews, GuaranteeTerms, Guarantees};
use byway_channel::routing::{HubTerms, Router, RoutingMessage, RoutingNews};
use byway_channel::{
    AddressedMessage, Change, ChannelHandle, ChannelMachine, ChannelNews, Channels, ContractCall, Life,
};
use byway_crypto::{IdentitySecret, WalletSecret};
use byway_ledger::Verdict;
use byway_primitives::{Batch, Decode, Effect, Encode, Hash, IdentityId, MemoryStore, NetworkId, Span, Time};
use byway_records::call::ChannelsCall;
use byway_records::channel::entry::{channel_key, channel_of_key, channel_prefix};
use byway_records::channel::guaranteed::outcome_key;
use byway_records::channel::{ChannelAssets, ChannelTerms, Environment, Outcome, Remainder};
use byway_records::genesis::Wait;
use byway_records::promise::ChannelId;
use byway_records::{Call, Channel, ProgramId, Reject, Transaction, verified};

use crate::handing_in::charged_at_end;
use crate::scene::times_until;
use crate::strict::{Ever, StrictSigner};
use crate::world::{ALICE, CAROL, Draft, Person, World, units};

const RESERVE: u128 = 500_000;
/// What each puts into a channel.
pub const DEPOSIT: u128 = 5_000_000;
/// What each has in its account before.
const SAVED: u128 = 5 * DEPOSIT;
/// Pays for any call for which nothing in a channel does.
const CALL_FEE: u128 = 4_000_000;
/// Pays for the code of any contract here.
const CODE_FEE: u128 = 6_000_000;

/// On what terms a node is a hub, if it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    pub routing: Option<HubTerms>,
    pub guaranteeing: Option<GuaranteeTerms>,
}

/// What a net is made of.
pub struct Plan<'a> {
    /// Of each node.
    pub terms: &'a [Terms],
    /// Who can talk with whom.
    pub edges: &'a [(usize, usize)],
    /// Who has a channel with whom, by its number.
    pub channels: &'a [(u8, usize, usize)],
    pub lock: Wait,
    /// Contracts that the ledger knows.
    pub codes: &'a [&'a [u8]],
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
    Guarantee(Vec<u8>),
}

pub struct Node {
    pub secret: IdentitySecret,
    pub channels: Channels<StrictSigner>,
    /// Whatever it has signed, in all its lives.
    ever: Ever,
    pub router: Router,
    pub guarantees: Guarantees,
    pub disk: MemoryStore,
    pub terms: Terms,
    steps: VecDeque<Step>,
    pub routing_news: Vec<RoutingNews>,
    pub guarantee_news: Vec<GuaranteeNews>,
    pub heard: Vec<ChannelNews>,
    /// Whether it does anything.
    pub is_up: bool,
    /// Whether it leaves unanswered which virtual channels it knows of.
    pub is_hiding: bool,
    /// Whether it carries out what it is told to do in its channels, and on the ledger.
    pub is_acting: bool,
}

pub struct Net {
    pub world: World,
    pub nodes: Vec<Node>,
    wires: BTreeMap<(usize, usize), VecDeque<Packet>>,
    pub edges: Vec<(usize, usize)>,
    apart: BTreeSet<(usize, usize)>,
    pub now: Time,
    lock: Wait,
    /// Calls about channels that the ledger took, and those that it refused.
    pub calls: Vec<ChannelsCall>,
    pub refused: Vec<Reject>,
    /// What the ledger has charged each in channels that it has paid out.
    charged: BTreeMap<IdentityId, u128>,
    pub first: Vec<u128>,
    /// What was numbered here: invoices, or virtual channels.
    pub numbered: u8,
    /// Writes that are still done, of a node that then crashes.
    pub writes_left: Option<(usize, usize)>,
}

pub fn secret(node: usize) -> IdentitySecret {
    IdentitySecret::from_bytes(&[node as u8 + 1; 32]).unwrap()
}

fn number(id: IdentityId) -> usize {
    (0..usize::from(u8::MAX)).find(|number| secret(*number).id() == id).unwrap()
}

/// What is wanted in one channel.
enum Wanted<'a> {
    Propose(&'a Change),
    Force(&'a ContractCall),
    Close,
    CloseAlone,
    Part,
    GiveUp,
}

impl Node {
    fn new(network: NetworkId, number: usize, terms: Terms, disk: MemoryStore, ever: Ever) -> Self {
        let secret = secret(number);
        let channels = Channels::load(StrictSigner::new(secret.clone(), &ever), network, &disk).unwrap();
        let mut router = Router::load(secret.id(), network, [number as u8 + 100; 32], terms.routing, &disk).unwrap();
        router.set_ready(true);
        let guarantees = Guarantees::load(secret.id(), network, terms.guaranteeing, units(10_000), &disk).unwrap();
        Self {
            secret,
            channels,
            ever,
            router,
            guarantees,
            disk,
            terms,
            steps: VecDeque::new(),
            routing_news: Vec::new(),
            guarantee_news: Vec::new(),
            heard: Vec::new(),
            is_up: true,
            is_hiding: false,
            is_acting: true,
        }
    }

    fn do_in(&mut self, now: Time, channel: ChannelId, wanted: &Wanted<'_>) {
        let Some(key) = self.channels.key_of(channel).filter(|_| self.is_acting) else { return };
        // What can't be done now is wanted again.
        let _ = self.channels.with(key, |machine| match wanted {
            Wanted::Propose(change) => drop(machine.propose(now, (*change).clone())),
            Wanted::Force(call) => drop(machine.force(now, call)),
            Wanted::Close => drop(machine.close_unasked(now)),
            Wanted::CloseAlone => drop(machine.close_alone(now)),
            Wanted::Part => drop(machine.close(now)),
            Wanted::GiveUp => machine.give_up(),
        });
    }

    fn carry_out_routing(&mut self, now: Time, news: RoutingNews) {
        match &news {
            RoutingNews::Propose { channel, change } => self.do_in(now, *channel, &Wanted::Propose(change)),
            RoutingNews::Force { channel, call } => self.do_in(now, *channel, &Wanted::Force(call)),
            RoutingNews::Close { channel } => self.do_in(now, *channel, &Wanted::Close),
            _ => {}
        }
        self.routing_news.push(news);
    }

    fn carry_out_guarantee(&mut self, now: Time, news: GuaranteeNews) {
        match &news {
            GuaranteeNews::Propose { channel, change } => self.do_in(now, *channel, &Wanted::Propose(change)),
            GuaranteeNews::Force { channel, call } => self.do_in(now, *channel, &Wanted::Force(call)),
            GuaranteeNews::Close { channel } => self.do_in(now, *channel, &Wanted::Close),
            GuaranteeNews::CloseAlone { channel } => self.do_in(now, *channel, &Wanted::CloseAlone),
            GuaranteeNews::Part { channel } => self.do_in(now, *channel, &Wanted::Part),
            GuaranteeNews::GiveUp { channel } => self.do_in(now, *channel, &Wanted::GiveUp),
            GuaranteeNews::Find { terms } if self.is_acting => drop(self.channels.find_virtual(now, terms)),
            GuaranteeNews::Submit(call) if self.is_acting => self.steps.push_back(Step::Submit(call.clone())),
            _ => {}
        }
        self.guarantee_news.push(news);
    }

    /// What the channels want done; whether there was anything.
    fn collect_channels(&mut self, now: Time) -> bool {
        let mut touched = BTreeSet::new();
        let effects = self.channels.poll();
        let is_busy = !effects.is_empty();
        for (key, effect) in effects {
            touched.extend(self.channels.get(key).and_then(ChannelMachine::id));
            match effect {
                Effect::Persist { batch, .. } => self.steps.push_back(Step::Write(batch)),
                Effect::Send { to, message, .. } => {
                    self.steps.push_back(Step::Send(number(to), Packet::Channel(message.to_bytes())));
                }
                Effect::WakeAt(_) => {}
                Effect::Notify((key, news)) => {
                    match &news {
                        ChannelNews::Proposed => drop(self.channels.with(key, |machine| machine.agree(now))),
                        ChannelNews::Fund(transaction) => self.steps.push_back(Step::Fund(transaction.clone())),
                        ChannelNews::Submit(call) => self.steps.push_back(Step::Submit(call.clone())),
                        ChannelNews::Parted(close) => self.guarantees.handle_close(now, &self.channels, *close),
                        _ => {}
                    }
                    self.heard.push(news);
                }
            }
        }
        for id in touched {
            self.router.handle_channel(now, &self.channels, id);
            self.guarantees.handle_channel(now, &self.channels, id);
        }
        is_busy
    }

    /// What the router and the guarantees want done; whether there was anything.
    fn collect_asked(&mut self, now: Time) -> bool {
        let (routing, guaranteeing) = (self.router.poll(), self.guarantees.poll());
        self.channels.note_accepting(self.guarantees.accepting());
        let is_busy = !routing.is_empty() || !guaranteeing.is_empty();
        for effect in routing {
            match effect {
                Effect::Persist { batch, .. } => self.steps.push_back(Step::Write(batch)),
                Effect::Send { to, message, .. } => {
                    self.steps.push_back(Step::Send(number(to), Packet::Routing(message.to_bytes())));
                }
                Effect::WakeAt(_) => {}
                Effect::Notify(news) => self.carry_out_routing(now, news),
            }
        }
        for effect in guaranteeing {
            match effect {
                Effect::Persist { batch, .. } => self.steps.push_back(Step::Write(batch)),
                Effect::Send { to, message, .. } => {
                    self.steps.push_back(Step::Send(number(to), Packet::Guarantee(message.to_bytes())));
                }
                Effect::WakeAt(_) => {}
                Effect::Notify(news) => self.carry_out_guarantee(now, news),
            }
        }
        is_busy
    }
}

impl Net {
    pub fn of(plan: &Plan<'_>) -> Self {
        let (mut world, count) = (World::new(), plan.terms.len());
        for number in world.people.len()..count {
            let wallet = WalletSecret::from_seed(&[number as u8 + 1; 32]);
            world.people.push(Person { wallet, identity: secret(number) });
        }
        for number in 0..count {
            world.must(&world.deposit(world.coin(ALICE), number, SAVED));
        }
        for code in plan.codes {
            let call = Some(Call::Channels(ChannelsCall::RegisterCode { code: code.to_vec() }));
            let draft = Draft { call, fee: units(CODE_FEE), ..Draft::default() };
            world.must(&world.funded(world.coin(CAROL), draft));
        }
        let node = |(number, terms): (usize, &Terms)| {
            Node::new(world.network, number, *terms, MemoryStore::new(), Ever::default())
        };
        let mut net = Self {
            nodes: plan.terms.iter().enumerate().map(node).collect(),
            now: world.time,
            world,
            wires: BTreeMap::new(),
            edges: plan.edges.to_vec(),
            apart: BTreeSet::new(),
            lock: plan.lock,
            calls: Vec::new(),
            refused: Vec::new(),
            charged: BTreeMap::new(),
            first: Vec::new(),
            numbered: 0,
            writes_left: None,
        };
        for (one, other) in plan.edges {
            let now = net.now;
            net.nodes[*one].channels.handle_connected(now, secret(*other).id());
            net.nodes[*other].channels.handle_connected(now, secret(*one).id());
        }
        plan.channels.iter().for_each(|(number, one, other)| net.open(*number, *one, *other));
        assert_eq!(net.open_channels(), plan.channels.len());
        net.calls.clear();
        net.first = (0..count).map(|number| net.wealth(number)).collect();
        net
    }

    fn open(&mut self, number: u8, one: usize, other: usize) {
        let terms = ChannelTerms {
            parties: [self.id(one), self.id(other)],
            deposits: [units(DEPOSIT); 2],
            reserve: units(RESERVE),
            lock: self.lock,
            remainder: Remainder::Halves,
            secrets: [Hash::default(); 2],
            assets: ChannelAssets::NONE,
        };
        let now = self.now;
        self.nodes[one].channels.initiate(now, ChannelHandle([number; 16]), terms).unwrap();
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

    pub fn is_connected(&self, one: usize, other: usize) -> bool {
        !self.apart.contains(&(one.min(other), one.max(other)))
    }

    /// Takes what a node wants done, until it wants nothing more at once.
    pub fn collect(&mut self, number: usize) {
        let (now, node) = (self.now, &mut self.nodes[number]);
        for _ in 0..100 {
            if !(node.collect_channels(now) | node.collect_asked(now)) {
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
            // What is too long to be read does nothing.
            Step::Submit(call) if ChannelsCall::from_bytes(&call.to_bytes()).is_err() => {}
            Step::Submit(call) => drop(self.submit(number, call)),
        }
        true
    }

    pub fn submit(&mut self, number: usize, call: ChannelsCall) -> Verdict {
        let before: Vec<_> = self.entries().collect();
        let draft = Draft { call: Some(Call::Channels(call.clone())), signers: vec![number], ..Draft::default() };
        let mut verdict = self.world.run(&draft);
        if verdict == Verdict::Rejected(Reject::ChannelFee) {
            // The reserve is used up, or it is about a virtual channel: a node's wallet pays then, here somebody's.
            let draft = Draft { fee: units(CALL_FEE), ..draft };
            verdict = self.world.run(&self.world.funded(self.world.coin(CAROL), draft));
        }
        match verdict {
            Verdict::Rejected(reason) => self.refused.push(reason),
            _ => {
                self.note_charged(before, &call);
                self.calls.push(call);
            }
        }
        self.now = self.now.max(self.world.time);
        verdict
    }

    /// Of the channels that were there before a call, takes down what was charged in those that are not any more.
    fn note_charged(&mut self, before: Vec<(ChannelId, Channel)>, call: &ChannelsCall) {
        let there: BTreeSet<ChannelId> = self.entries().map(|(id, _)| id).collect();
        let ended = before.into_iter().filter(|(id, entry)| !there.contains(id) && entry.guaranteed.is_none());
        for (_, entry) in ended {
            let at_end = charged_at_end(&entry, call);
            for side in [0, 1] {
                *self.charged.entry(entry.parties[side]).or_default() +=
                    entry.charged[side].units() + at_end[side].units();
            }
        }
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
        node.router.handle_wake(now, &node.channels);
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
        for (one, other) in self.edges.clone() {
            if one == number || other == number {
                self.disconnect(one, other);
            }
        }
        self.nodes[number].is_up = false;
    }

    /// It is there again, with what is on its disk.
    pub fn come_back(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        let (routing_news, guarantee_news) =
            (std::mem::take(&mut node.routing_news), std::mem::take(&mut node.guarantee_news));
        let (heard, disk) = (std::mem::take(&mut node.heard), node.disk.clone());
        self.begin(number, disk);
        let node = &mut self.nodes[number];
        (node.routing_news, node.guarantee_news, node.heard) = (routing_news, guarantee_news, heard);
        self.find(number);
        self.show(number);
        for (one, other) in self.edges.clone() {
            if one == number || other == number {
                self.connect(one, other);
            }
        }
    }

    /// Its next life begins, on that disk.
    fn begin(&mut self, number: usize, disk: MemoryStore) {
        // Nothing dies and starts within one millisecond.
        self.now = self.now + Span::millis(1);
        let node = &self.nodes[number];
        self.nodes[number] = Node::new(self.world.network, number, node.terms, disk, node.ever.clone());
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
        self.begin(number, MemoryStore::new());
        self.find(number);
        self.show(number);
    }

    /// What the ledger has of a node's channels is taken up where its disk does not have it. What that has and can't be read is left alone.
    fn find(&mut self, number: usize) {
        let (us, now) = (self.id(number), self.now);
        let is_ours = |entry: &Channel| entry.parties.contains(&us) && entry.guaranteed.is_none();
        let ours: Vec<_> = self.entries().filter(|(_, entry)| is_ours(entry)).collect();
        for (id, entry) in ours {
            let channels = &mut self.nodes[number].channels;
            if !channels.unreadable().any(|(unreadable, _)| unreadable == id) {
                channels.find(now, id, &entry);
            }
        }
        self.collect(number);
    }

    // What there is.

    /// The channels that the ledger has.
    fn entries(&self) -> impl Iterator<Item = (ChannelId, Channel)> {
        let tree = self.world.ledger.tree(ProgramId::CHANNELS);
        let all = tree.into_iter().flat_map(|tree| tree.iter_prefix(channel_prefix()).map(move |(key, _)| (tree, key)));
        all.filter_map(|(tree, key)| Some((channel_of_key(key)?, tree.read::<Channel>(key)?)))
    }

    pub fn machine(&self, node: usize, channel: ChannelId) -> &ChannelMachine<StrictSigner> {
        let channels = &self.nodes[node].channels;
        channels.get(channels.key_of(channel).unwrap()).unwrap()
    }

    pub fn open_channels(&self) -> usize {
        let all = self.nodes.iter().flat_map(|node| node.channels.iter());
        all.filter(|(_, machine)| machine.life() == Life::Open).count() / 2
    }

    /// What a node has in its account, and in its channels by what it knows. What is in virtual ones is in those with the hub.
    pub fn wealth(&self, node: usize) -> u128 {
        let real = self.nodes[node].channels.iter().filter(|(_, machine)| machine.virtual_terms().is_none());
        self.world.balance(node) + real.map(|(_, machine)| machine.balance().units()).sum::<u128>()
    }

    /// What the ledger has taken of it in channels that are paid out: to open and to close them, and for what it did between. In one that is open
    /// what was charged is still in [`wealth`](Self::wealth).
    pub fn charged(&self, node: usize) -> i128 {
        self.charged.get(&self.id(node)).map_or(0, |charged| *charged as i128)
    }

    /// How much more it has than at first, or less.
    pub fn gain(&self, node: usize) -> i128 {
        self.wealth(node) as i128 - self.first[node] as i128
    }
}

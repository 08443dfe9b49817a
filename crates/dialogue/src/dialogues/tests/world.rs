//! Two nodes under virtual time: links with delay, loss, repetition, reordering and cuts; disks on which a batch becomes
//! durable only after a while; crashes that keep a prefix of what was written. Above each machine runs a small
//! application that must hand over a numbered list of durable messages.

use std::collections::{BTreeMap, VecDeque};

use byway_primitives::{
    Batch, Decode, Effect, Encode, IdentityId, MemoryStore, Space, Span, Store, Time, Timer, Token,
};

use super::pair::{NETWORK, PROTOCOL, START, far, identities, local_of};
use crate::{
    Commit, CommitError, Config, Delivery, Dialogues, Durability, Link, LinkId, LinkKind, LinkProfile, Local, News,
    Outgoing,
};

const APP: Space = Space("app");
const SENT: &[u8] = b"sent";
const GOT: &[u8] = b"got";

/// A small generator with good enough bits.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        seed.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&self.next().to_le_bytes()));
        seed
    }
}

/// What goes wrong, until it stops going wrong.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    pub loss_percent: u64,
    pub repeat_percent: u64,
    pub cut_percent: u64,
    pub crash_percent: u64,
    pub until: Time,
    /// Crash this node at its persist of this number, with or without that batch on disk.
    pub crash_at: Option<(usize, u64, Survives)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survives {
    Batch,
    Nothing,
}

impl Faults {
    pub const NONE: Faults = Faults {
        loss_percent: 0,
        repeat_percent: 0,
        cut_percent: 0,
        crash_percent: 0,
        until: Time::ZERO,
        crash_at: None,
    };
}

enum Event {
    Frame { to: usize, link: LinkId, bytes: Vec<u8> },
    Wake { node: usize, life: u64 },
    Durable { node: usize, life: u64 },
    Cut { node: usize, link: LinkId },
    Dial { node: usize },
    Mischief,
}

struct Node {
    local: Local,
    machine: Dialogues,
    life: u64,
    timer: Timer,
    visible: MemoryStore,
    durable: MemoryStore,
    pending: VecDeque<(Token, Batch)>,
    durable_through: Token,
    /// Frames that wait for the disk.
    held: Vec<(Token, LinkId, Vec<u8>)>,
    persists: u64,
    /// Deliveries that the application has not yet confirmed.
    inbox: VecDeque<Delivery>,
    volatile_seen: Vec<(u64, u64)>,
    crash_due: Option<Survives>,
}

struct Wire {
    kind: LinkKind,
    /// When the last frame in each direction arrives: a stream keeps order.
    arrival: [Time; 2],
    is_cut: bool,
}

pub struct World {
    pub seed: u64,
    now: Time,
    random: Random,
    faults: Faults,
    kinds: Vec<LinkKind>,
    nodes: [Node; 2],
    wires: BTreeMap<LinkId, Wire>,
    events: BTreeMap<(Time, u64), Event>,
    event_last: u64,
    messages: u64,
    volatile_last: u64,
    pub closed: Vec<News>,
    pub crashes: u64,
    /// Links that broke by themselves.
    pub cuts: u64,
}

fn config() -> Config {
    Config {
        keep_alive: Span::millis(800),
        link_silence_max: Span::seconds(3),
        silence_max: Span::minutes(60),
        attempt_max: Span::seconds(4),
        ..Config::new(NETWORK)
    }
}

fn counter(store: &MemoryStore, key: &[u8]) -> u64 {
    store.load(APP, key).map_or(0, |bytes| u64::from_bytes(&bytes).expect("a number"))
}

/// Message number `index`: mostly small, now and then several segments, rarely the largest.
fn payload(index: u64) -> Vec<u8> {
    let length = match index % 23 {
        7 => 5000,
        19 => crate::config::MESSAGE_MAX,
        small => 8 + small as usize * 10,
    };
    let mut bytes = index.to_le_bytes().to_vec();
    bytes.resize(length, index as u8);
    bytes
}

impl World {
    pub fn new(seed: u64, faults: Faults, kinds: &[LinkKind], messages: u64) -> Self {
        let mut random = Random::new(seed);
        let nodes = identities().map(|identity| Node::new(local_of(&identity, far()), random.seed()));
        let mut world = Self {
            seed,
            now: START,
            random,
            faults,
            kinds: kinds.to_vec(),
            nodes,
            wires: BTreeMap::new(),
            events: BTreeMap::new(),
            event_last: 0,
            messages,
            volatile_last: 0,
            closed: Vec::new(),
            crashes: 0,
            cuts: 0,
        };
        world.schedule(Span::millis(1), Event::Dial { node: 0 });
        world.schedule(Span::millis(2), Event::Dial { node: 1 });
        world.schedule(Span::millis(100), Event::Mischief);
        world
    }

    /// Runs until both applications have everything, or time is up. Says whether they have.
    pub fn run(&mut self, span: Span) -> bool {
        let end = self.now + span;
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at > end {
                return false;
            }
            self.now = at;
            self.handle(event);
            if self.is_done() {
                return true;
            }
        }
        false
    }

    pub fn progress(&self) -> [(u64, u64); 2] {
        [0, 1].map(|node: usize| {
            let store = &self.nodes[node].visible;
            (counter(store, SENT), counter(store, GOT))
        })
    }

    fn is_done(&self) -> bool {
        let delivered = |node: &Node| counter(&node.durable, GOT) == self.messages;
        self.nodes.iter().all(delivered)
            && (0..2).all(|node| self.machine(node).dialogue(self.peer(node)).is_some_and(|d| d.queued() == 0))
    }

    fn machine(&self, node: usize) -> &Dialogues {
        &self.nodes[node].machine
    }

    fn peer(&self, node: usize) -> IdentityId {
        self.nodes[1 - node].local.identity()
    }

    fn schedule(&mut self, span: Span, event: Event) {
        self.event_last += 1;
        self.events.insert((self.now + span, self.event_last), event);
    }

    fn is_faulty(&self) -> bool {
        self.now < self.faults.until
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Frame { to, link, bytes } => {
                let seed = self.random.seed();
                self.nodes[to].machine.handle_frame(self.now, link, &bytes, seed);
                self.after(to);
            }
            Event::Wake { node, life } if life == self.nodes[node].life => {
                if self.nodes[node].timer.goes_off(self.now) {
                    self.nodes[node].machine.handle_wake(self.now);
                    self.after(node);
                }
            }
            Event::Durable { node, life } if life == self.nodes[node].life => self.sync(node),
            Event::Wake { .. } | Event::Durable { .. } => {}
            Event::Cut { node, link } => {
                self.nodes[node].machine.detach(self.now, link);
                self.after(node);
            }
            Event::Dial { node } => self.dial(node),
            Event::Mischief => self.mischief(),
        }
    }

    /// Opens a new link where there is none, and sometimes where there is.
    fn dial(&mut self, node: usize) {
        let pause = Span::millis(200 + self.random.below(2000));
        self.schedule(pause, Event::Dial { node });
        let peer = self.peer(node);
        let is_on_link = self.machine(node).dialogue(peer).is_some_and(|dialogue| dialogue.link().is_some());
        if is_on_link && !(self.is_faulty() && self.random.chance(10)) {
            return;
        }
        let id = LinkId(self.wires.len() as u64 + 1);
        let kind = self.kinds[self.random.below(self.kinds.len() as u64) as usize];
        let profile = match kind {
            LinkKind::Stream => LinkProfile::stream(Span::millis(30)),
            LinkKind::Datagram => LinkProfile::datagram(1200, Span::millis(30)),
        };
        self.wires.insert(id, Wire { kind, arrival: [self.now; 2], is_cut: false });
        for node in &mut self.nodes {
            assert!(node.machine.attach(Link { id, profile, binding: [id.0 as u8; 32] }));
        }
        let certificate = *self.nodes[1 - node].local.certificate();
        let seed = self.random.seed();
        self.nodes[node].machine.open(self.now, peer, &certificate, id, seed).expect("can be opened");
        self.after(node);
    }

    fn mischief(&mut self) {
        if !self.is_faulty() {
            return;
        }
        self.schedule(Span::millis(20), Event::Mischief);
        if self.random.chance(self.faults.cut_percent) {
            let live: Vec<_> = self.wires.iter().filter(|(_, wire)| !wire.is_cut).map(|(id, _)| *id).collect();
            if !live.is_empty() {
                let link = live[self.random.below(live.len() as u64) as usize];
                self.cut(link);
                self.cuts += 1;
            }
        }
        if self.random.chance(self.faults.crash_percent) {
            let node = self.random.below(2) as usize;
            let kept = self.random.below(self.nodes[node].pending.len() as u64 + 1);
            self.crash(node, kept as usize);
        }
    }

    fn cut(&mut self, link: LinkId) {
        let wire = self.wires.get_mut(&link).expect("there is such a link");
        wire.is_cut = true;
        // What is on the way arrives all the same, or not.
        if self.random.chance(50) {
            let is_lost = |event: &Event| matches!(event, Event::Frame { link: on, .. } if *on == link);
            self.events.retain(|_, event| !is_lost(event));
        }
        for node in 0..2 {
            let notice = Span::millis(self.random.below(300));
            self.schedule(notice, Event::Cut { node, link });
        }
    }

    /// The node dies with the first `kept` of its pending batches on disk, and starts again from there.
    fn crash(&mut self, node: usize, kept: usize) {
        self.crashes += 1;
        let live: Vec<_> = self.wires.iter().filter(|(_, wire)| !wire.is_cut).map(|(id, _)| *id).collect();
        live.into_iter().for_each(|link| self.cut(link));
        let seed = self.random.seed();
        let dead = &mut self.nodes[node];
        for (_, batch) in dead.pending.drain(..).take(kept) {
            dead.durable.apply(&batch);
        }
        let mut born = Node::with(dead.local.clone(), dead.durable.clone(), self.now, seed);
        born.life = dead.life + 1;
        born.persists = dead.persists;
        *dead = born;
        self.after(node);
    }

    /// Carries out the machine's effects and lets the application act, until neither wants more.
    fn after(&mut self, node: usize) {
        loop {
            while let Some(effect) = self.nodes[node].machine.poll() {
                self.carry_out(node, effect);
            }
            if let Some(survives) = self.nodes[node].crash_due.take() {
                let pending = self.nodes[node].pending.len();
                return self.crash(node, pending - usize::from(survives == Survives::Nothing));
            }
            if !self.application(node) {
                return;
            }
        }
    }

    fn carry_out(&mut self, node: usize, effect: crate::Output) {
        let life = self.nodes[node].life;
        // From the moment of a crash nothing more happens.
        if self.nodes[node].crash_due.is_some() {
            return;
        }
        match effect {
            Effect::Persist { batch, token } => {
                let it = &mut self.nodes[node];
                it.visible.apply(&batch);
                it.pending.push_back((token, batch));
                it.persists += 1;
                if let Some((at, count, survives)) = self.faults.crash_at
                    && (at, count) == (node, it.persists)
                {
                    it.crash_due = Some(survives);
                }
                // Mostly quick, sometimes slower than the link.
                let delay = Span::millis(if self.random.chance(10) { 80 } else { self.random.below(15) });
                self.schedule(delay, Event::Durable { node, life });
            }
            Effect::Send { to, message, after } => match after {
                Some(token) if token > self.nodes[node].durable_through => {
                    self.nodes[node].held.push((token, to, message));
                }
                _ => self.transmit(node, to, message),
            },
            Effect::WakeAt(time) => {
                if self.nodes[node].timer.set(time) {
                    self.schedule(time.since(self.now), Event::Wake { node, life });
                }
            }
            Effect::Notify(News::Message(delivery)) => self.nodes[node].inbox.push_back(delivery),
            Effect::Notify(news @ News::Closed { .. }) => self.closed.push(news),
            Effect::Notify(_) => {}
        }
    }

    fn sync(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        let Some((token, batch)) = it.pending.pop_front() else { return };
        it.durable.apply(&batch);
        it.durable_through = token;
        let (ready, held) = std::mem::take(&mut it.held).into_iter().partition(|(after, _, _)| *after <= token);
        it.held = held;
        for (_, link, frame) in ready {
            self.transmit(node, link, frame);
        }
    }

    fn transmit(&mut self, from: usize, link: LinkId, bytes: Vec<u8>) {
        let is_faulty = self.is_faulty();
        let wire = self.wires.get_mut(&link).expect("machines send only on links that were attached");
        if wire.is_cut {
            return;
        }
        let mut arrivals = vec![self.now + Span::millis(5 + self.random.below(20))];
        match wire.kind {
            LinkKind::Stream => {
                arrivals[0] = arrivals[0].max(wire.arrival[from]);
                wire.arrival[from] = arrivals[0];
            }
            LinkKind::Datagram if is_faulty => {
                if self.random.chance(self.faults.loss_percent) {
                    arrivals.clear();
                }
                if self.random.chance(self.faults.repeat_percent) {
                    arrivals.push(self.now + Span::millis(5 + self.random.below(400)));
                }
            }
            LinkKind::Datagram => {}
        }
        for at in arrivals {
            self.event_last += 1;
            let frame = Event::Frame { to: 1 - from, link, bytes: bytes.clone() };
            self.events.insert((at, self.event_last), frame);
        }
    }

    /// One step of the application; false when there is nothing to do.
    fn application(&mut self, node: usize) -> bool {
        self.take_to_heart(node) || self.hand_over(node)
    }

    /// Confirms the next message, with the count of those had in the same batch. Sometimes lets it lie for a while.
    fn take_to_heart(&mut self, node: usize) -> bool {
        if self.random.chance(20) {
            return false;
        }
        let Some(delivery) = self.nodes[node].inbox.pop_front() else { return false };
        if delivery.receipt.durability == Durability::Volatile {
            self.check_volatile(node, &delivery);
            return true;
        }
        let seed = self.seed;
        let got = counter(&self.nodes[node].visible, GOT);
        let number = u64::from_le_bytes(*delivery.bytes.first_chunk().expect("a payload begins with its number"));
        assert_eq!(number, got, "exactly once and in order, seed {seed}, closed: {:?}", self.closed);
        assert!(delivery.bytes == payload(got), "message {got} was changed, seed {seed}");
        let mut batch = Batch::new();
        batch.put(APP, GOT, (got + 1).to_bytes());
        let confirmed = self.nodes[node].machine.confirm(self.now, delivery.receipt, batch);
        confirmed.unwrap_or_else(|error| panic!("{error}, seed {seed}"));
        true
    }

    /// Volatile messages may be lost, but in one life of the receiver none comes twice or late.
    fn check_volatile(&mut self, node: usize, delivery: &Delivery) {
        let number = u64::from_bytes(&delivery.bytes).expect("a number");
        let it = &mut self.nodes[node];
        let seen = it.volatile_seen.last();
        assert!(seen.is_none_or(|(life, last)| *life < it.life || *last < number), "seed {}", self.seed);
        it.volatile_seen.push((it.life, number));
    }

    /// Sends the next message, with the count of those sent in the same batch.
    fn hand_over(&mut self, node: usize) -> bool {
        let peer = self.peer(node);
        let sent = counter(&self.nodes[node].visible, SENT);
        let queued = self.machine(node).dialogue(peer).map(crate::Dialogue::queued);
        if sent == self.messages || queued.is_none_or(|queued| queued > 12) {
            return false;
        }
        let mut batch = Batch::new();
        batch.put(APP, SENT, (sent + 1).to_bytes());
        let durable = Outgoing { protocol: PROTOCOL, bytes: payload(sent), durability: Durability::Durable };
        let mut sends = vec![(peer, durable)];
        if self.random.chance(30) {
            self.volatile_last += 1;
            let bytes = self.volatile_last.to_bytes();
            sends.push((peer, Outgoing { protocol: PROTOCOL, bytes, durability: Durability::Volatile }));
        }
        match self.nodes[node].machine.commit(self.now, Commit { sends, batch, ..Commit::default() }) {
            Ok(_) => true,
            Err(CommitError::Full { .. }) => false,
            Err(error) => panic!("{error}, seed {}", self.seed),
        }
    }
}

impl Node {
    fn new(local: Local, seed: [u8; 32]) -> Self {
        Self::with(local, MemoryStore::new(), START, seed)
    }

    fn with(local: Local, disk: MemoryStore, now: Time, seed: [u8; 32]) -> Self {
        Self {
            machine: Dialogues::restore(config(), local.clone(), &disk, now, seed).expect("undamaged"),
            local,
            life: 0,
            timer: Timer::default(),
            visible: disk.clone(),
            durable: disk,
            pending: VecDeque::new(),
            durable_through: Token(0),
            held: Vec::new(),
            persists: 0,
            inbox: VecDeque::new(),
            volatile_seen: Vec::new(),
            crash_due: None,
        }
    }
}

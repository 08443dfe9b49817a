//! The scheduler: many machines, one virtual clock, one seed.
//!
//! A [`World`] plays the driver's part for every node, as [`byway_primitives::effect`] prescribes it, and the world's
//! part around them: messages take time and get lost, disks are slow, nodes crash and come back. Everything that
//! happens is an entry in one queue ordered by time; everything that is up to chance is drawn from one generator. So a
//! seed is a run, exactly: [`World::trace`] is a digest of all that happened, and equal seeds give equal traces.
//!
//! It knows no protocol. A [`Machine`] is anything that takes an [`Event`] and gives [`Effect`]s; an [`Observer`] sees
//! what happens and panics when it must not.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::hash::{DefaultHasher, Hasher};

use byway_primitives::{Effect, MemoryStore, Store, Time, Timer, Token};

use crate::disk::Disk;
use crate::network::{Latency, Link, Network};
use crate::random::Random;

/// Something to simulate.
pub trait Machine {
    type Message: Clone;
    type News;
    /// What a scenario may ask of it.
    type Command;

    fn handle(&mut self, now: Time, event: Event<Self::Message, Self::Command>, store: &dyn Store);

    /// The next thing it wants done. `store` shows all that it wanted written before.
    fn poll(&mut self, now: Time, store: &dyn Store) -> Option<Effect<usize, Self::Message, Self::News>>;

    /// Bytes that tell messages apart, for the trace.
    fn fingerprint(message: &Self::Message) -> Vec<u8>;
}

/// What happens to a machine.
#[derive(Debug, Clone)]
pub enum Event<M, C> {
    Message { from: usize, message: M },
    Wake,
    Durable(Token),
    PeerUp(usize),
    PeerDown(usize),
    Command(C),
}

/// Watches a world, and panics when something happened that must not.
pub trait Observer<M: Machine> {
    /// `node` has opened, for the first time or again.
    fn on_open(&mut self, _node: usize, _machine: &M) {}

    /// `node` says something.
    fn on_news(&mut self, _now_us: u64, _node: usize, _news: M::News) {}

    /// A message leaves `node`.
    fn on_send(&mut self, _now_us: u64, _node: usize, _message: &M::Message, _durable: &MemoryStore) {}

    /// Whether a message that would arrive at `to` now is kept back; it is asked again a little later.
    fn is_held(&mut self, _now_us: u64, _to: usize, _message: &M::Message) -> bool {
        false
    }

    /// `node` crashes, perhaps before all effects of an input were carried out.
    fn on_crash(&mut self, _now_us: u64, _node: usize, _machine: &M) {}

    /// All effects of an input are carried out; `timer` is the driver's.
    fn on_settled(&mut self, _now_us: u64, _node: usize, _machine: &M, _timer: Timer, _store: &MemoryStore) {}
}

/// What a scenario does to the world.
#[derive(Debug, Clone)]
pub enum Act<C> {
    Command {
        node: usize,
        command: C,
    },
    /// The node loses what is not durable, and is gone.
    Crash {
        node: usize,
    },
    /// The node opens from its disk.
    Start {
        node: usize,
    },
    /// The nodes named can't be heard by the others, nor hear them; none: heals.
    Partition {
        cut_off: Vec<usize>,
    },
    /// All links become like this.
    Links(Link),
    /// The node's disk becomes this slow.
    DiskLatency {
        node: usize,
        latency: Latency,
    },
}

/// Crash a node in the middle of an input, right at one of its writes.
#[derive(Debug, Clone, Copy)]
pub struct CrashAtPersist {
    pub node: usize,
    /// Counted from 1 over the whole run.
    pub persist: u64,
    /// Whether that write, and all before it, reach the disk.
    pub survives: bool,
    pub down_for_us: u64,
}

/// Opens a node from its disk.
pub type Open<M> = Box<dyn FnMut(usize, Time, &MemoryStore) -> M>;

/// See the [module](self).
pub struct World<M: Machine, O> {
    now_us: u64,
    sequence: u64,
    queue: BinaryHeap<Entry<M>>,
    nodes: Vec<Node<M>>,
    network: Network,
    random: Random,
    open: Open<M>,
    crashes: Vec<CrashAtPersist>,
    trace: DefaultHasher,
    pub observer: O,
}

struct Node<M: Machine> {
    machine: Option<M>,
    disk: Disk,
    disk_latency: Latency,
    /// When the last write that is under way will be durable.
    disk_free_us: u64,
    /// Grows with each crash, so that what was scheduled for an earlier life is dropped.
    life: u64,
    /// Milliseconds that the node's clock is ahead.
    skew_ms: i64,
    /// Messages that wait for a write.
    deferred: BTreeMap<Token, Vec<(usize, M::Message)>>,
    timer: Timer,
}

enum Scheduled<M: Machine> {
    Deliver {
        from: usize,
        to: usize,
        message: M::Message,
    },
    /// The node's timer may go off.
    Wake {
        node: usize,
        life: u64,
    },
    Synced {
        node: usize,
        life: u64,
    },
    PeerUp {
        node: usize,
        peer: usize,
        life: u64,
    },
    PeerDown {
        node: usize,
        peer: usize,
        life: u64,
    },
    Act(Act<M::Command>),
}

/// What happens at some time; the first is the greatest, as heaps have it.
struct Entry<M: Machine> {
    at_us: u64,
    /// What was scheduled first comes first.
    sequence: u64,
    scheduled: Scheduled<M>,
}

impl<M: Machine> Ord for Entry<M> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_us, other.sequence).cmp(&(self.at_us, self.sequence))
    }
}

impl<M: Machine> PartialOrd for Entry<M> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<M: Machine> Eq for Entry<M> {}

impl<M: Machine> PartialEq for Entry<M> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

/// How long a message is kept back before it is asked again whether it still is.
const HELD_US: u64 = 1_000;

/// By how much a timer is late at most: operating systems and runtimes count milliseconds. What happens to the node
/// meanwhile comes before the wake.
const LATE_US_MAX: u64 = 1_000;

/// How long it takes to notice that a peer's process is gone, or there again.
const NOTICE_US: u64 = 2_000;

impl<M: Machine, O: Observer<M>> World<M, O> {
    /// `nodes` nodes, all down until they are started.
    pub fn new(seed: u64, nodes: usize, start: Time, link: Link, disk: Latency, open: Open<M>, observer: O) -> Self {
        let node = || Node {
            machine: None,
            disk: Disk::default(),
            disk_latency: disk,
            disk_free_us: 0,
            life: 0,
            skew_ms: 0,
            deferred: BTreeMap::new(),
            timer: Timer::default(),
        };
        Self {
            now_us: start.0 * 1000,
            sequence: 0,
            queue: BinaryHeap::new(),
            nodes: (0..nodes).map(|_| node()).collect(),
            network: Network::new(nodes, link),
            random: Random::from_seed(seed),
            open,
            crashes: Vec::new(),
            trace: DefaultHasher::new(),
            observer,
        }
    }

    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// A digest of everything that has happened.
    pub fn trace(&self) -> u64 {
        self.trace.finish()
    }

    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    pub fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// The node's machine, if it is up.
    pub fn machine(&self, node: usize) -> Option<&M> {
        self.nodes[node].machine.as_ref()
    }

    pub fn disk(&self, node: usize) -> &Disk {
        &self.nodes[node].disk
    }

    /// Someone puts other contents on the disk of a node that is down.
    pub fn replace_disk(&mut self, node: usize, contents: MemoryStore) {
        assert!(self.nodes[node].machine.is_none(), "only a node that is down lets go of its disk");
        self.nodes[node].disk.replace(contents);
    }

    pub fn set_skew_ms(&mut self, node: usize, skew_ms: i64) {
        self.nodes[node].skew_ms = skew_ms;
        self.plan_wake(node);
    }

    pub fn crash_at(&mut self, crash: CrashAtPersist) {
        self.crashes.push(crash);
    }

    /// Does something `delay_us` from now.
    pub fn act_in(&mut self, delay_us: u64, act: Act<M::Command>) {
        self.schedule(self.now_us + delay_us, Scheduled::Act(act));
    }

    /// Lets everything happen that happens in the next `span_us`.
    pub fn run_for(&mut self, span_us: u64) {
        let end = self.now_us + span_us;
        while self.queue.peek().is_some_and(|next| next.at_us <= end)
            && let Some(Entry { at_us, scheduled, .. }) = self.queue.pop()
        {
            self.now_us = at_us;
            self.happen(scheduled);
        }
        self.now_us = end;
    }

    fn schedule(&mut self, at_us: u64, scheduled: Scheduled<M>) {
        self.sequence += 1;
        self.queue.push(Entry { at_us, sequence: self.sequence, scheduled });
    }

    fn note(&mut self, kind: u8, node: usize, what: &[u8]) {
        self.trace.write_u8(kind);
        self.trace.write_u64(node as u64);
        self.trace.write_u64(self.now_us);
        self.trace.write(what);
    }

    fn happen(&mut self, scheduled: Scheduled<M>) {
        match scheduled {
            Scheduled::Deliver { from, to, message } if self.observer.is_held(self.now_us, to, &message) => {
                self.schedule(self.now_us + HELD_US, Scheduled::Deliver { from, to, message });
            }
            Scheduled::Deliver { from, to, message } => {
                self.note(1, to, &M::fingerprint(&message));
                self.feed(to, Event::Message { from, message });
            }
            Scheduled::Wake { node, life } if self.nodes[node].life == life => {
                let now = self.clock(node);
                if self.nodes[node].timer.goes_off(now) {
                    self.note(2, node, &[]);
                    self.feed(node, Event::Wake);
                }
            }
            Scheduled::Synced { node, life } if self.nodes[node].life == life => self.synced(node),
            Scheduled::PeerUp { node, peer, life } if self.nodes[node].life == life => {
                if self.nodes[peer].machine.is_some() {
                    self.feed(node, Event::PeerUp(peer));
                }
            }
            Scheduled::PeerDown { node, peer, life } if self.nodes[node].life == life => {
                if self.nodes[peer].machine.is_none() {
                    self.feed(node, Event::PeerDown(peer));
                }
            }
            Scheduled::Act(act) => self.act(act),
            // Meant for an earlier life of the node.
            Scheduled::Wake { .. }
            | Scheduled::Synced { .. }
            | Scheduled::PeerUp { .. }
            | Scheduled::PeerDown { .. } => {}
        }
    }

    fn act(&mut self, act: Act<M::Command>) {
        match act {
            Act::Command { node, command } => self.feed(node, Event::Command(command)),
            Act::Crash { node } => {
                if self.nodes[node].machine.is_some() {
                    self.nodes[node].disk.crash_somewhere(&mut self.random);
                    self.go_down(node);
                }
            }
            Act::Start { node } => self.start(node),
            Act::Partition { cut_off } => self.network.partition(&cut_off),
            Act::Links(link) => self.network.set_usual(link),
            Act::DiskLatency { node, latency } => self.nodes[node].disk_latency = latency,
        }
    }

    fn start(&mut self, node: usize) {
        if self.nodes[node].machine.is_some() {
            return;
        }
        self.note(3, node, &[]);
        let now = self.clock(node);
        let machine = (self.open)(node, now, self.nodes[node].disk.visible());
        self.observer.on_open(node, &machine);
        self.nodes[node].machine = Some(machine);
        self.drain(node);
        for peer in 0..self.nodes.len() {
            if peer != node && self.nodes[peer].machine.is_some() {
                let (own, other) = (self.nodes[node].life, self.nodes[peer].life);
                let at = self.now_us + NOTICE_US;
                self.schedule(at, Scheduled::PeerUp { node, peer, life: own });
                self.schedule(at, Scheduled::PeerUp { node: peer, peer: node, life: other });
            }
        }
    }

    fn go_down(&mut self, node: usize) {
        self.note(4, node, &[]);
        if let Some(machine) = self.nodes[node].machine.take() {
            self.observer.on_crash(self.now_us, node, &machine);
        }
        let down = &mut self.nodes[node];
        down.life += 1;
        down.deferred.clear();
        down.timer.stop();
        down.disk_free_us = 0;
        for peer in 0..self.nodes.len() {
            let life = self.nodes[peer].life;
            self.schedule(self.now_us + NOTICE_US, Scheduled::PeerDown { node: peer, peer: node, life });
        }
    }

    fn synced(&mut self, node: usize) {
        let Some(token) = self.nodes[node].disk.sync_one() else { return };
        let ready = self.nodes[node].deferred.remove(&token).unwrap_or_default();
        for (to, message) in ready {
            self.send(node, to, message);
        }
        self.feed(node, Event::Durable(token));
    }

    /// The node's own clock.
    fn clock(&self, node: usize) -> Time {
        Time((self.now_us / 1000).saturating_add_signed(self.nodes[node].skew_ms))
    }

    fn feed(&mut self, node: usize, event: Event<M::Message, M::Command>) {
        let now = self.clock(node);
        let Node { machine: Some(machine), disk, .. } = &mut self.nodes[node] else { return };
        machine.handle(now, event, disk.visible());
        self.drain(node);
    }

    /// Carries out what the node wants done.
    fn drain(&mut self, node: usize) {
        let now = self.clock(node);
        loop {
            let Node { machine: Some(machine), disk, .. } = &mut self.nodes[node] else { return };
            let Some(effect) = machine.poll(now, disk.visible()) else { break };
            match effect {
                Effect::Persist { batch, token } => {
                    if self.persist(node, batch, token) {
                        return;
                    }
                }
                Effect::Send { to, message, after } => {
                    let waits_for = after.filter(|token| self.nodes[node].disk.is_pending(*token));
                    match waits_for {
                        Some(token) => self.nodes[node].deferred.entry(token).or_default().push((to, message)),
                        None => self.send(node, to, message),
                    }
                }
                Effect::WakeAt(time) => {
                    if self.nodes[node].timer.set(time) {
                        self.plan_wake(node);
                    }
                }
                Effect::Notify(news) => self.observer.on_news(self.now_us, node, news),
            }
        }
        let Node { machine: Some(machine), disk, timer, .. } = &self.nodes[node] else { return };
        self.observer.on_settled(self.now_us, node, machine, *timer, disk.visible());
    }

    /// Writes; true if the node crashes over it.
    fn persist(&mut self, node: usize, batch: byway_primitives::Batch, token: Token) -> bool {
        let writing = &mut self.nodes[node];
        writing.disk.write(token, batch);
        let persist = writing.disk.persists();
        let crash = self.crashes.iter().find(|crash| crash.node == node && crash.persist == persist).copied();
        if let Some(crash) = crash {
            writing.disk.crash(if crash.survives { usize::MAX } else { 0 });
            self.go_down(node);
            self.act_in(crash.down_for_us, Act::Start { node });
            return true;
        }
        let latency = writing.disk_latency.least_us + self.random.below(writing.disk_latency.jitter_us + 1);
        writing.disk_free_us = writing.disk_free_us.max(self.now_us) + latency;
        let (at, life) = (writing.disk_free_us, writing.life);
        self.schedule(at, Scheduled::Synced { node, life });
        false
    }

    /// Looks at the node's timer when it goes off by its clock, or a little later.
    fn plan_wake(&mut self, node: usize) {
        let Node { timer, skew_ms, life, .. } = self.nodes[node];
        let Some(time) = timer.at() else { return };
        let due = time.0.saturating_add_signed(-skew_ms).saturating_mul(1000).max(self.now_us);
        let at = due.saturating_add(1 + self.random.below(LATE_US_MAX));
        self.schedule(at, Scheduled::Wake { node, life });
    }

    fn send(&mut self, from: usize, to: usize, message: M::Message) {
        self.observer.on_send(self.now_us, from, &message, self.nodes[from].disk.durable());
        if to != from
            && let Some(latency) = self.network.carry(from, to, &mut self.random)
        {
            self.schedule(self.now_us + latency, Scheduled::Deliver { from, to, message });
        }
    }
}

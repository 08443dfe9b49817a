//! The two sides, the wires between them, and the laws that hold at every moment.

use std::collections::{BTreeMap, VecDeque};

use byway_access::session::{ClientNews, Measure, OpenRequest, ProviderNews, SessionId, SessionView};
use byway_access::{Client, Provider, ResponseId, Tariff, Traffic, Usage};
use byway_primitives::{Amount, Span, Time};
use byway_records::offer::Service;

use crate::node::*;

const START: Time = Time(1_000_000);
pub const STEP: Span = Span::millis(5);
const LATENCY: Span = Span::millis(30);
/// Data that fits on the wire in one step, each way.
const CHUNK: u64 = 16 * 1024;

/// When a node loses its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    pub node: usize,
    /// Counted over the writes of that node, from 1.
    pub at_write: u64,
    pub when: When,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    BeforeDurable,
    AfterDurable,
}

/// What the world does to a message on its way: `None` swallows it. The first argument is who sent it.
pub type Tamper = Box<dyn FnMut(usize, Message) -> Option<Message>>;

/// What really happened to bytes, whatever the machines believe.
#[derive(Debug, Clone, Copy, Default)]
pub struct Truth {
    /// Carried by the provider, both ways.
    pub carried: Traffic,
    /// Arrived at the client, or sent by it and arrived at the provider.
    pub arrived: Traffic,
    /// In which the provider would have carried anything.
    pub open: Span,
    /// In which anything would have arrived, too.
    pub usable: Span,
}

pub struct Pair {
    pub now: Time,
    /// How much faster than the world's each side's clock goes, in millionths.
    pub clocks_ppm: [i64; 2],
    /// What sessions are sold by.
    pub tariff: Tariff,
    pub nodes: [Node; 2],
    wires: [VecDeque<(Time, Message)>; 2],
    data: [VecDeque<(Time, SessionId, u64)>; 2],
    pub crash: Option<Crash>,
    pub tamper: Option<Tamper>,
    pub truth: Truth,
    /// What the client still wants to move: up, down.
    pub wanted: Traffic,
    pub breaks: u64,
    /// One in this many chunks of data is lost on the way; zero for none.
    pub loss_one_in: u64,
    sent_chunks: u64,
    /// Bytes that are carried together or not at all; zero where a byte can be carried alone.
    pub packet: u64,
    link: bool,
    /// The link is dead and neither side knows: what is sent is lost.
    pub void: bool,
}

pub fn request() -> OpenRequest {
    OpenRequest {
        offer: OFFER,
        service: Service::SOCKS,
        tariff: Tariff::per_mb(PRICE),
        price_max: PRICE,
        bandwidth_bps: 16_000_000,
        cost_max: Amount::from_coins(1),
        data: Vec::new(),
    }
}

/// The same by the second.
pub fn request_of_time() -> OpenRequest {
    OpenRequest { tariff: Tariff::per_second(PER_SECOND), price_max: PER_SECOND, ..request() }
}

impl Pair {
    pub fn new() -> Self {
        let now = START;
        let mut pair = Self {
            now,
            clocks_ppm: [0; 2],
            tariff: Tariff::per_mb(PRICE),
            nodes: [Node::new(CLIENT, now), Node::new(PROVIDER, now)],
            wires: Default::default(),
            data: Default::default(),
            crash: None,
            tamper: None,
            truth: Truth::default(),
            wanted: Traffic::default(),
            breaks: 0,
            loss_one_in: 0,
            sent_chunks: 0,
            packet: 0,
            link: true,
            void: false,
        };
        pair.nodes[CLIENT].attach(now);
        pair.nodes[PROVIDER].attach(now);
        pair
    }

    /// With a session asked for and this much to move.
    pub fn browsing(up: u64, down: u64) -> Self {
        let mut pair = Self::new();
        pair.open(ResponseId(1), request());
        pair.wanted = Traffic::new(up, down);
        pair
    }

    /// With a session that is paid by the second.
    pub fn renting(clocks_ppm: [i64; 2]) -> Self {
        let mut pair = Self { clocks_ppm, tariff: Tariff::per_second(PER_SECOND), ..Self::new() };
        pair.open(ResponseId(1), request_of_time());
        pair
    }

    /// What a node's clock shows.
    pub fn clock(&self, who: usize) -> Time {
        let elapsed = i128::from(self.now.since(START).0);
        let shown = elapsed * i128::from(1_000_000 + self.clocks_ppm[who]) / 1_000_000;
        START + Span(shown as u64)
    }

    pub fn open(&mut self, response: ResponseId, request: OpenRequest) {
        let now = self.clock(CLIENT);
        self.nodes[CLIENT].client(now, |client| client.open(now, response, request).unwrap());
    }

    pub fn client(&self) -> &Client {
        match &self.nodes[CLIENT].role {
            Role::Client(client) => client,
            Role::Provider(_) => unreachable!("the first node is the client"),
        }
    }

    pub fn provider(&self) -> &Provider {
        match &self.nodes[PROVIDER].role {
            Role::Provider(provider) => provider,
            Role::Client(_) => unreachable!("the second node is the provider"),
        }
    }

    pub fn sessions(&self) -> Vec<SessionView> {
        self.client().sessions(self.clock(CLIENT))
    }

    pub fn client_said(&self, matches: impl Fn(&ClientNews) -> bool) -> bool {
        self.nodes[CLIENT].client_news.iter().any(matches)
    }

    pub fn provider_said(&self, matches: impl Fn(&ProviderNews) -> bool) -> bool {
        self.nodes[PROVIDER].provider_news.iter().any(matches)
    }

    /// The link breaks, with everything on it, and comes back.
    pub fn break_link(&mut self) {
        self.go_dark();
        self.link = true;
        for who in [CLIENT, PROVIDER] {
            let now = self.clock(who);
            self.nodes[who].attach(now);
        }
    }

    pub fn go_dark(&mut self) {
        self.breaks += 1;
        self.link = false;
        self.void = false;
        self.wires = Default::default();
        self.data = Default::default();
        for who in [CLIENT, PROVIDER] {
            let now = self.clock(who);
            self.nodes[who].detach(now);
        }
    }

    pub fn crash_now(&mut self, who: usize) {
        self.go_dark();
        let now = self.clock(who);
        self.nodes[who].restart(now);
        self.link = true;
        for who in [CLIENT, PROVIDER] {
            let now = self.clock(who);
            self.nodes[who].attach(now);
        }
    }

    /// Makes writes durable one by one and lets the messages behind them go. True where the node crashed.
    fn flush(&mut self, who: usize) -> bool {
        loop {
            for message in self.nodes[who].release() {
                let message = match &mut self.tamper {
                    Some(tamper) => tamper(who, message),
                    None => Some(message),
                };
                if let Some(message) = message {
                    self.wires[1 - who].push_back((self.now + LATENCY, message));
                }
            }
            let now = self.clock(who);
            let node = &mut self.nodes[who];
            let Some((machine, token, batch)) = node.pending.pop_front() else { return false };
            node.writes += 1;
            let crash = self.crash.filter(|crash| crash.node == who && crash.at_write == node.writes);
            if crash.is_none_or(|crash| crash.when == When::AfterDurable) {
                node.disk.apply(&batch);
            }
            if crash.is_some() {
                self.crash_now(who);
                return true;
            }
            if machine == Machine::Payments {
                node.pay(now, |payments, _| payments.handle_durable(token));
            }
        }
    }

    /// Bytes move: from the exit to the client, and the other way, as far as the provider's limits go.
    fn carry(&mut self) {
        if !self.link {
            return;
        }
        let sessions: Vec<SessionId> = self.nodes[CLIENT].planes.keys().copied().collect();
        for session in sessions {
            let up = self.wanted.up.min(CHUNK);
            if up > 0 && self.data[PROVIDER].len() < 8 {
                self.wanted.up -= up;
                self.data[PROVIDER].push_back((self.now + LATENCY, session, up));
                self.nodes[CLIENT].planes.entry(session).and_modify(|plane| plane.counted.up += up);
            }
            let Some(plane) = self.nodes[PROVIDER].planes.get_mut(&session) else { continue };
            let packet = self.packet.max(1);
            let wanted = self.wanted.down.min(CHUNK - CHUNK % packet);
            let mut down = wanted.min(plane.limit.saturating_sub(plane.counted.total()));
            if down < wanted && self.packet > 0 {
                down -= down % packet;
                plane.short_of = Some(plane.limit);
            }
            if down > 0 {
                self.wanted.down -= down;
                plane.counted.down += down;
                self.truth.carried.down += down;
                self.sent_chunks += 1;
                if self.loss_one_in == 0 || !self.sent_chunks.is_multiple_of(self.loss_one_in) {
                    self.data[CLIENT].push_back((self.now + LATENCY, session, down));
                }
            }
        }
        self.arrive();
    }

    fn arrive(&mut self) {
        while let Some((at, session, bytes)) = self.data[CLIENT].front().copied().filter(|(at, ..)| *at <= self.now) {
            let _ = at;
            self.data[CLIENT].pop_front();
            if let Some(plane) = self.nodes[CLIENT].planes.get_mut(&session) {
                plane.counted.down += bytes;
                self.truth.arrived.down += bytes;
            }
        }
        while let Some((at, session, bytes)) = self.data[PROVIDER].front().copied().filter(|(at, ..)| *at <= self.now) {
            let Some(plane) = self.nodes[PROVIDER].planes.get_mut(&session) else { return };
            // What the limit does not cover stays in the socket.
            let taken = bytes.min(plane.limit.saturating_sub(plane.counted.total()));
            plane.counted.up += taken;
            self.truth.carried.up += taken;
            self.truth.arrived.up += taken;
            if taken < bytes {
                self.data[PROVIDER][0] = (at, session, bytes - taken);
                return;
            }
            self.data[PROVIDER].pop_front();
        }
    }

    /// Time goes by: of what use it is to whoever pays for it.
    fn pass_time(&mut self) {
        let is_open = |plane: &Plane| plane.limit > plane.counted.total();
        let is_used = |session| self.nodes[CLIENT].planes.contains_key(session);
        let open = self.nodes[PROVIDER].planes.iter().filter(|(_, plane)| is_open(plane));
        let (mut given, mut usable) = (0, 0);
        for (session, _) in open {
            given += STEP.0;
            usable += if self.link && !self.void && is_used(session) { STEP.0 } else { 0 };
        }
        self.truth.open.0 += given;
        self.truth.usable.0 += usable;
    }

    /// All that was of use.
    pub fn used(&self) -> Usage {
        Usage { traffic: self.truth.arrived, time: self.truth.usable }
    }

    /// One step, and the laws.
    pub fn step(&mut self) {
        self.advance();
        self.check();
    }

    pub fn advance(&mut self) {
        self.now = self.now + STEP;
        self.carry();
        if self.void {
            self.wires = Default::default();
            self.data = Default::default();
        }
        self.pass_time();
        for who in [CLIENT, PROVIDER] {
            let now = self.clock(who);
            self.nodes[who].report(now);
            self.flush(who);
            while self.wires[who].front().is_some_and(|(at, _)| *at <= self.now) {
                let (_, message) = self.wires[who].pop_front().unwrap();
                self.nodes[who].handle(now, message);
                if self.flush(who) {
                    break;
                }
            }
            self.nodes[who].wake(now);
        }
    }

    pub fn run(&mut self, span: Span) {
        let end = self.now + span;
        while self.now < end {
            self.step();
        }
    }

    /// Runs until everything wanted has moved, at most for `span`.
    pub fn run_until_moved(&mut self, span: Span) {
        let end = self.now + span;
        while self.now < end && self.wanted != Traffic::default() {
            self.step();
        }
    }

    pub fn stop_all(&mut self) {
        self.run(Span::seconds(3));
        for session in self.sessions() {
            let now = self.clock(CLIENT);
            self.nodes[CLIENT].report(now);
            self.nodes[CLIENT].client(now, |client| client.stop(now, session.id));
        }
        self.run(Span::seconds(8));
    }

    fn check(&self) {
        let promised = self.nodes[CLIENT].payments.promised();
        let received = self.nodes[PROVIDER].payments.received();
        assert!(received <= promised, "nothing is received that was not promised");
        // Each crash or break may cost another window, never more.
        let windows = Amount::from_units(CEILING.units() * u128::from(self.breaks + 1));
        let used = self.tariff.cost(self.used());
        let client_loss = promised.saturating_sub(used);
        let tolerance = self.tariff.cost_of(self.tolerance());
        let most = windows.checked_add(tolerance).unwrap();
        assert!(client_loss <= most, "the client may lose {client_loss}");
        let given = self.tariff.cost(Usage { traffic: self.truth.carried, time: self.truth.open });
        let provider_loss = given.saturating_sub(received);
        assert!(provider_loss <= windows, "the provider may lose {provider_loss}");
        let billed = self.client().spent();
        let most = used.checked_add(tolerance).unwrap();
        assert!(billed <= most, "billed {billed} of {:?}", self.used());
        let earned = self.provider().earned();
        assert!(earned <= billed, "earned {earned}, acknowledged {billed}");
    }

    /// What may be billed although it was not of use: no byte; and of time what its clock is ahead, and what a word takes to
    /// get there, each time that it begins.
    pub fn tolerance(&self) -> u64 {
        if self.tariff.measure == Measure::Bytes {
            return 0;
        }
        let fast = self.truth.usable.0 * u64::try_from(self.clocks_ppm[CLIENT]).unwrap_or(0) / 1_000_000;
        let begins = |news: &&ClientNews| matches!(news, ClientNews::Paused { .. } | ClientNews::Connect { .. });
        let begun = self.nodes[CLIENT].client_news.iter().filter(begins).count() as u64;
        fast + (self.breaks + begun) * 2 * (LATENCY.0 + 2 * STEP.0)
    }

    /// Who is billed how much, by session, at the end.
    pub fn final_bills(&self) -> BTreeMap<SessionId, (Usage, Amount)> {
        let ended = self.nodes[PROVIDER].provider_news.iter().filter_map(|news| match news {
            ProviderNews::Ended { metering, .. } => Some((metering.session, (metering.billed, metering.cost))),
            _ => None,
        });
        ended.collect()
    }
}

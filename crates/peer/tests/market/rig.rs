//! The rig: virtual time, one link, two disks that lose what is not durable, a ledger that pays.

mod early;
pub mod plane;

use std::collections::{BTreeMap, VecDeque};

use byway_access::service::{Services, Socks};
use byway_access::session::{
    ClientConfig, ClientNews, Limit, Listing, OpenError, OpenRequest, ProviderConfig, ProviderNews, ResponseId,
    SessionId, StopReason, Tariff, Traffic, Usage,
};
use byway_crypto::IdentitySecret;
use byway_crypto::noise::StaticKey;
use byway_dialogue::payment::{BackingKind, GiveConfig, Outcome, PaymentNews, TakeConfig};
use byway_dialogue::{Config, Link, LinkId, LinkProfile, Local, StaticCertificate};
use byway_peer::market::{Market, MarketConfig, MarketNews, Standing};
use byway_primitives::hash::Context;
use byway_primitives::{Amount, Batch, Effect, Hash, IdentityId, MemoryStore, NetworkId, Span, Time, Token};
use byway_records::call::{AccountsCall, Take};
use byway_records::offer::Service;
use byway_records::promise::Series;
use byway_records::state::Settled;
use byway_records::{OfferId, Promise, Reject};

use crate::terms::{Others, Terms};

pub const NETWORK: NetworkId = NetworkId(Hash([7; 32]));
pub const SEEDS: Context = Context("byway test: market rig");
/// One way, in milliseconds.
pub const DELAY: u64 = 10;
/// From a write to its durability.
pub const FSYNC: u64 = 2;
/// How far virtual time may go before a test has failed.
pub const PATIENCE: u64 = 600_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Client,
    Provider,
}

/// How a session ended at the client's.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    pub reason: StopReason,
    pub billed: Usage,
    pub cost: Amount,
}

pub struct Node {
    secret: IdentitySecret,
    static_secret: [u8; 32],
    pub market: Market,
    /// What reads show.
    pub store: MemoryStore,
    /// What a crash leaves.
    pub durable: MemoryStore,
    pub pending: VecDeque<(Time, Token, Batch)>,
    pub durable_to: Option<Token>,
    pub held: VecDeque<(Token, LinkId, Vec<u8>)>,
    pub wake: Option<Time>,
    pub writes: usize,
}

pub struct Rig {
    pub now: Time,
    pub terms: Terms,
    seed: u64,
    drawn: u64,
    client: Node,
    provider: Node,
    link: Option<LinkId>,
    links: u64,
    wire: VecDeque<(Time, Side, LinkId, Vec<u8>)>,
    crash: Option<(Side, usize)>,
    /// The data plane: what it may carry and has carried since the provider was told to serve.
    serving: Option<(SessionId, Limit, u64)>,
    using: Option<(SessionId, u64)>,
    /// Bytes downloaded over all lives of the data plane.
    downloaded: u64,
    credited: Vec<Amount>,
    settled: BTreeMap<Series, Settled>,
    /// Handed to the ledger, and when it answers.
    submitted: VecDeque<(Time, Promise, AccountsCall)>,
    /// The longest time in which a download could not go on, and since when this one can't.
    pub pause_max: Span,
    moved_at: Time,
    /// The most that was promised and not used.
    pub ahead_max: Amount,
    pub stranger: bool,
    /// How often the provider wanted to ask others.
    pub asked_others: usize,
    pub ended: Option<Ended>,
    /// Why the last session was not opened.
    pub refused: Option<OpenError>,
    pub ledger_paid: Amount,
}

fn other(side: Side) -> Side {
    match side {
        Side::Client => Side::Provider,
        Side::Provider => Side::Client,
    }
}

impl Node {
    pub fn new(name: &[u8], seed: u64, now: Time, terms: Terms) -> Self {
        let secret = IdentitySecret::from_bytes(&SEEDS.hash(&[b"identity", name]).0).expect("a key");
        let static_secret = SEEDS.hash(&[b"static", name]).0;
        let store = MemoryStore::new();
        let market = open(&secret, static_secret, &store, now, SEEDS.hash(&[name, &seed.to_le_bytes()]).0, terms);
        Self {
            secret,
            static_secret,
            market,
            durable: store.clone(),
            store,
            pending: VecDeque::new(),
            durable_to: None,
            held: VecDeque::new(),
            wake: None,
            writes: 0,
        }
    }

    pub fn id(&self) -> IdentityId {
        self.secret.id()
    }

    pub fn certificate(&self) -> StaticCertificate {
        StaticCertificate::issue(&self.secret, NETWORK, StaticKey::of(&self.static_secret), Time(u64::MAX))
    }

    /// Everything that is not durable is gone.
    pub fn restart(&mut self, now: Time, seed: [u8; 32], terms: Terms) {
        self.store = self.durable.clone();
        self.pending.clear();
        self.held.clear();
        (self.durable_to, self.wake) = (None, None);
        self.market = open(&self.secret, self.static_secret, &self.store, now, seed, terms);
    }
}

fn open(
    secret: &IdentitySecret,
    static_secret: [u8; 32],
    store: &MemoryStore,
    now: Time,
    seed: [u8; 32],
    terms: Terms,
) -> Market {
    let certificate = StaticCertificate::issue(secret, NETWORK, StaticKey::of(&static_secret), Time(u64::MAX));
    let local = Local::new(certificate, static_secret).expect("the key fits its certificate");
    let config = MarketConfig {
        network: NETWORK,
        identity: secret.clone(),
        dialogue: Config::new(NETWORK),
        give: GiveConfig { day_max: Amount::MAX },
        take: TakeConfig {
            amount_min: Amount::ZERO,
            backing: BackingKind::Account,
            update: true,
            exposure_max: Amount::ZERO,
            settle_at: terms.settle_at,
            risk: Default::default(),
            advice_wait: Span::seconds(2),
        },
        provider: ProviderConfig { ceiling: terms.window_ceiling, ..ProviderConfig::default() },
        client: ClientConfig { ceiling: terms.window_ceiling, ..ClientConfig::default() },
        warnings: (terms.others != Others::NotAsked).then(Default::default),
        services: Services::new([Box::new(Socks { connections_max: 8 }) as Box<dyn byway_access::ServiceKind>]),
    };
    Market::open(config, local, store, now, seed).expect("opens")
}

impl Rig {
    pub fn new(seed: u64) -> Self {
        Self::with_terms(seed, Terms::default())
    }

    pub fn with_terms(seed: u64, terms: Terms) -> Self {
        let now = Time(1_000_000);
        let mut rig = Self {
            now,
            terms,
            seed,
            drawn: 0,
            client: Node::new(b"client", seed, now, terms),
            provider: Node::new(b"provider", seed, now, terms),
            link: None,
            links: 0,
            wire: VecDeque::new(),
            crash: None,
            serving: None,
            using: None,
            downloaded: 0,
            credited: Vec::new(),
            settled: BTreeMap::new(),
            submitted: VecDeque::new(),
            pause_max: Span::ZERO,
            moved_at: now,
            ahead_max: Amount::ZERO,
            stranger: false,
            asked_others: 0,
            ended: None,
            refused: None,
            ledger_paid: Amount::ZERO,
        };
        rig.sell();
        rig
    }

    /// `side` crashes when it has written this often.
    pub fn crash_after(&mut self, side: Side, writes: usize) {
        self.crash = Some((side, writes));
    }

    /// A link, and a dialogue on it.
    pub fn connect(&mut self) {
        self.links += 1;
        let id = LinkId(self.links);
        self.link = Some(id);
        let link = || Link { id, profile: LinkProfile::stream(Span::millis(2 * DELAY)), binding: [9; 32] };
        self.client.market.handle_link_up(link());
        self.provider.market.handle_link_up(link());
        let (peer, certificate, seed) = (self.provider.id(), self.provider.certificate(), self.draw());
        let client = &mut self.client;
        client.market.converse(self.now, peer, &certificate, id, seed, &client.store).expect("opens");
        let (client_id, provider_id) = (self.client.id(), self.provider.id());
        self.pump_until(|rig| {
            rig.client.market.is_talking_to(provider_id) && rig.provider.market.is_talking_to(client_id)
        });
    }

    pub fn break_link(&mut self) {
        let Some(link) = self.link.take() else { return };
        self.wire.clear();
        self.client.market.handle_link_down(self.now, link, &self.client.store);
        self.provider.market.handle_link_down(self.now, link, &self.provider.store);
        self.carry_out();
    }

    pub fn open_session(&mut self) {
        self.ask_for_session(self.seed);
        self.pump_until(|rig| rig.serving.is_some() || rig.stranger);
    }

    /// Asks for a session; `response` names what is asked.
    pub fn ask_for_session(&mut self, response: u64) {
        let provider = self.provider.id();
        let request = OpenRequest {
            offer: offer(provider),
            service: Service::SOCKS,
            tariff: Tariff { measure: self.terms.measure, price: self.terms.expected },
            price_max: self.terms.price,
            bandwidth_bps: 80_000_000,
            cost_max: Amount::MAX,
            data: Vec::new(),
        };
        let client = &mut self.client;
        client.market.open_session(self.now, provider, ResponseId(response), request, &client.store).expect("asks");
    }

    /// The provider ends the session.
    pub fn end_session(&mut self, reason: StopReason) {
        let (session, ..) = self.serving.expect("a session is served");
        let client = self.client.id();
        self.provider.market.stop_serving(self.now, client, session, reason, &self.provider.store);
        self.pump_until(|rig| rig.ended.is_some());
    }

    /// Moves bytes until `total` have been downloaded, as far as payment lets them.
    pub fn download(&mut self, total: u64) {
        let deadline = Time(self.now.0 + PATIENCE);
        self.moved_at = self.now;
        while self.downloaded < total {
            assert!(self.now < deadline, "stuck at {} of {total} bytes (seed {})", self.downloaded, self.seed);
            self.move_bytes(total);
            self.tick();
        }
        self.pump_for(3_000);
    }

    pub fn stop_session(&mut self) {
        let (session, _) = self.using.expect("a session is in use");
        let provider = self.provider.id();
        self.client.market.stop_using(self.now, provider, session, &self.client.store);
        self.pump_until(|rig| rig.ended.is_some());
    }

    pub fn settle(&mut self) {
        let client = self.client.id();
        // Nothing to settle is an answer, too.
        let _ = self.provider.market.settle(self.now, client, Take::Whole, &self.provider.store);
        self.pump_for(5_000);
    }

    pub fn settle_down(&mut self) {
        self.pump_for(5_000);
    }

    pub fn pump_for(&mut self, millis: u64) {
        let end = Time(self.now.0 + millis);
        while self.now < end {
            self.tick();
        }
    }

    pub fn promised_and_received(&self) -> (Amount, Amount) {
        let given = self.client.market.pair(self.provider.id()).and_then(|pair| pair.given);
        let received = self.provider.market.pair(self.client.id()).map(|pair| pair.received);
        (given.map_or(Amount::ZERO, |given| given.promise.amount), received.unwrap_or_default())
    }

    pub fn unsettled(&self) -> Vec<byway_dialogue::payment::TakenPromise> {
        self.provider.market.pair(self.client.id()).map(|pair| pair.taken).unwrap_or_default()
    }

    /// What the bytes that arrived cost.
    pub fn used(&self) -> Amount {
        Amount::cost_of_bytes(self.terms.price, self.downloaded).expect("fits")
    }

    /// What the provider's data plane may carry.
    pub fn provider_limit(&self) -> u64 {
        self.serving.map_or(0, |(_, limit, _)| limit.bytes)
    }

    /// Whether what the provider was credited never went back, over all its lives.
    pub fn credit_only_rose(&self) -> bool {
        self.credited.windows(2).all(|pair| pair[1] >= pair[0])
    }

    fn pump_until(&mut self, done: impl Fn(&Self) -> bool) {
        let deadline = Time(self.now.0 + PATIENCE);
        while !done(self) {
            assert!(self.now < deadline, "stuck (seed {})", self.seed);
            self.tick();
        }
    }

    /// What the data plane does in a millisecond: up to 10 kB, held back by the limit.
    fn move_bytes(&mut self, total: u64) {
        let (Some((session, limit, carried)), Some((_, used))) = (self.serving, self.using) else { return };
        if self.link.is_none() {
            return;
        }
        let bytes = 10_000.min(limit.bytes.saturating_sub(carried)).min(total - self.downloaded);
        if bytes == 0 {
            return;
        }
        self.pause_max = self.pause_max.max(self.now.since(self.moved_at));
        self.moved_at = self.now;
        self.downloaded += bytes;
        self.serving = Some((session, limit, carried + bytes));
        self.using = Some((session, used + bytes));
        let (client, provider) = (self.client.id(), self.provider.id());
        let counters = plane::counters(limit, carried + bytes);
        self.provider.market.handle_served(self.now, client, session, counters, &self.provider.store);
        let traffic = Traffic::new(0, used + bytes);
        self.client.market.handle_used(self.now, provider, session, traffic, &self.client.store);
    }

    fn tick(&mut self) {
        self.now = Time(self.now.0 + 1);
        self.carry_out();
        self.sync();
        self.deliver();
        for side in [Side::Client, Side::Provider] {
            let now = self.now;
            let node = self.node(side);
            if node.wake.is_some_and(|at| at <= now) {
                node.wake = None;
                node.market.handle_wake(now, &node.store);
            }
        }
        self.carry_out();
        self.answer_submissions();
        self.crash_if_due();
        self.ahead_max = self.ahead_max.max(self.promised_and_received().0.saturating_sub(self.used()));
    }

    fn node(&mut self, side: Side) -> &mut Node {
        match side {
            Side::Client => &mut self.client,
            Side::Provider => &mut self.provider,
        }
    }

    /// Makes due writes durable.
    fn sync(&mut self) {
        for side in [Side::Client, Side::Provider] {
            let now = self.now;
            let node = self.node(side);
            while let Some((at, token, batch)) = node.pending.pop_front() {
                if at > now {
                    node.pending.push_front((at, token, batch));
                    break;
                }
                node.durable.apply(&batch);
                node.durable_to = Some(token);
                node.market.handle_durable(now, token, &node.store);
            }
            let mut ready = Vec::new();
            while let Some((token, link, frame)) = node.held.pop_front() {
                if node.durable_to.is_none_or(|to| to < token) {
                    node.held.push_front((token, link, frame));
                    break;
                }
                ready.push((link, frame));
            }
            ready.into_iter().for_each(|(link, frame)| self.transmit(side, link, frame));
        }
    }

    fn transmit(&mut self, from: Side, link: LinkId, frame: Vec<u8>) {
        if Some(link) == self.link {
            self.wire.push_back((Time(self.now.0 + DELAY), other(from), link, frame));
        }
    }

    fn deliver(&mut self) {
        while let Some((at, to, link, frame)) = self.wire.pop_front() {
            if at > self.now {
                self.wire.push_front((at, to, link, frame));
                return;
            }
            let (now, seed) = (self.now, self.draw());
            let node = self.node(to);
            node.market.handle_frame(now, link, &frame, seed, &node.store);
            self.carry_out();
        }
    }

    fn carry_out(&mut self) {
        for side in [Side::Client, Side::Provider] {
            while let Some(output) = self.node(side).market.poll() {
                let now = self.now;
                match output {
                    Effect::Persist { batch, token } => {
                        let node = self.node(side);
                        node.store.apply(&batch);
                        node.pending.push_back((Time(now.0 + FSYNC), token, batch));
                        node.writes += 1;
                    }
                    Effect::Send { to, message, after } => {
                        let node = self.node(side);
                        match after.filter(|token| node.durable_to.is_none_or(|durable| durable < *token)) {
                            Some(token) => node.held.push_back((token, to, message)),
                            None => self.transmit(side, to, message),
                        }
                    }
                    Effect::WakeAt(time) => {
                        let node = self.node(side);
                        node.wake = Some(node.wake.map_or(time, |at| at.min(time)));
                    }
                    Effect::Notify(news) => self.news(side, news),
                }
            }
        }
    }

    fn news(&mut self, side: Side, news: MarketNews) {
        let now = self.now;
        match news {
            MarketNews::Talking { peer, .. } if side == Side::Provider && !self.stranger => {
                let standing = Standing { exposure_max: self.terms.exposure_max, reputation: 500, trial: None };
                self.provider.market.set_standing(self.now, peer, standing, &self.provider.store);
                let settled = self.settled.values().next().copied();
                self.provider.market.note_settled(self.now, peer, settled, None, &self.provider.store);
            }
            MarketNews::Early { peer, bytes } => {
                let node = self.node(side);
                node.market.handle_early(now, peer, &bytes, &node.store);
            }
            MarketNews::Serving { news: ProviderNews::Serve { session, limit, .. }, .. } => {
                self.serving = Some((session, limit, 0));
            }
            MarketNews::Serving { news: ProviderNews::Limit { limit, .. }, .. } => {
                if let Some((session, _, carried)) = self.serving {
                    self.serving = Some((session, limit, carried));
                }
            }
            MarketNews::Serving { news: ProviderNews::Halt { .. }, .. } => self.serving = None,
            MarketNews::Using { news: ClientNews::Connect { session, .. }, .. } => {
                self.using = Some((session, 0));
                let provider = self.provider.id();
                self.client.market.handle_channel(self.now, provider, session, Ok(()), &self.client.store);
            }
            MarketNews::Using { news: ClientNews::OpenFailed { error, .. }, .. } => self.refused = Some(error),
            MarketNews::Using { news: ClientNews::Ended { reason, billed, cost, .. }, .. } => {
                self.ended = Some(Ended { reason, billed, cost });
                self.using = None;
            }
            MarketNews::Payment { news: PaymentNews::Credited { received }, .. } if side == Side::Provider => {
                self.credited.push(received);
            }
            MarketNews::WarningsWanted { issuer } if side == Side::Provider => {
                self.asked_others += 1;
                if self.terms.others == Others::Nobody {
                    self.provider.market.nobody_to_ask(self.now, issuer, &self.provider.store);
                }
            }
            MarketNews::Submit { promise, call, .. } => {
                self.submitted.push_back((self.now + self.terms.settlement, promise, *call));
            }
            _ => {}
        }
    }

    fn answer_submissions(&mut self) {
        while let Some((_, promise, call)) = self.submitted.pop_front_if(|(at, _, _)| *at <= self.now) {
            self.execute(promise, &call);
        }
        self.carry_out();
    }

    /// The ledger pays a promise by its rules for one series.
    fn execute(&mut self, promise: Promise, call: &AccountsCall) {
        let AccountsCall::Settle { promise: signed, payee, take } = call else { panic!("not a settlement") };
        signed.verify().expect("the payer signed");
        signed.verify_countersigned(*take, payee).expect("the payee signed");
        let settled = self.settled.entry(promise.series).or_default();
        if (promise.serial, promise.amount) <= (settled.serial, settled.amount) {
            let outcome = Outcome::Rejected(Reject::PromiseSettled);
            return self.provider.market.handle_settlement(self.now, promise, outcome, &self.provider.store);
        }
        let before = if settled.serial == promise.serial { settled.amount } else { Amount::ZERO };
        let paid = promise.amount.saturating_sub(before);
        self.ledger_paid = self.ledger_paid.checked_add(paid).expect("fits");
        *settled = Settled { serial: promise.serial, amount: promise.amount };
        let outcome = Outcome::Final { given_up: Amount::ZERO };
        self.provider.market.handle_settlement(self.now, promise, outcome, &self.provider.store);
    }

    fn crash_if_due(&mut self) {
        let Some((side, writes)) = self.crash else { return };
        if self.node(side).writes < writes {
            return;
        }
        self.crash = None;
        let (now, seed) = (self.now, self.draw());
        let link = self.link.take();
        self.wire.clear();
        if let Some(link) = link {
            let survivor = self.node(other(side));
            survivor.market.handle_link_down(now, link, &survivor.store);
        }
        match side {
            Side::Client => self.using = None,
            Side::Provider => self.serving = None,
        }
        let terms = self.terms;
        self.node(side).restart(now, seed, terms);
        self.sell();
        self.carry_out();
        self.connect();
        if self.using.is_none() {
            self.pump_for(20_000);
            if self.using.is_none() && self.downloaded == 0 {
                self.open_session();
            }
        }
    }

    fn sell(&mut self) {
        let sale = Listing::flat(Service::SOCKS, Tariff { measure: self.terms.measure, price: self.terms.price });
        let id = offer(self.provider.id());
        self.provider.market.sell(BTreeMap::from([(id, sale)]));
    }

    fn draw(&mut self) -> [u8; 32] {
        self.drawn += 1;
        SEEDS.hash(&[b"draw", &self.seed.to_le_bytes(), &self.drawn.to_le_bytes()]).0
    }
}

pub fn offer(provider: IdentityId) -> OfferId {
    OfferId::of(provider, 1)
}

//! The rig: virtual time, one link, two disks that lose what is not durable, data planes, a ledger that pays.
//!
//! Unless a test says otherwise links, disks and planes take always as long, and both sides hear at once of a crash.

pub mod chance;
pub mod channel;
mod early;
mod faults;
pub mod node;
pub mod plane;

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;

use byway_access::session::{
    ClientNews, Listing, OpenError, OpenRequest, ProviderNews, ResponseId, StopReason, Tariff, Usage,
};
use byway_dialogue::LinkId;
use byway_dialogue::payment::{Outcome, PaymentNews, TakenPromise};
use byway_peer::market::{MarketNews, Standing};
use byway_primitives::hash::Context;
use byway_primitives::{Amount, Effect, Hash, IdentityId, NetworkId, Time};
use byway_records::call::{AccountsCall, Take};
use byway_records::offer::Service;
use byway_records::promise::Series;
use byway_records::state::Settled;
use byway_records::{OfferId, Promise, Reject};

use chance::Chance;
use channel::Arbiter;
pub use node::Side;
use node::{Node, other};
use plane::{Planes, Served};

use crate::terms::{Others, Terms};

pub const NETWORK: NetworkId = NetworkId(Hash([7; 32]));
pub const SEEDS: Context = Context("byway test: market rig");
/// One way, in milliseconds.
pub const DELAY: u64 = 10;
/// From a write to its durability.
pub const FSYNC: u64 = 2;
/// What the client believes that the way carries.
pub const BANDWIDTH_BPS: u64 = 80_000_000;
/// How far virtual time may go before a test has failed.
pub const PATIENCE: u64 = 600_000;

/// How a session ended at the client's.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    pub reason: StopReason,
    pub billed: Usage,
    pub cost: Amount,
}

pub struct Rig {
    pub now: Time,
    pub terms: Terms,
    pub seed: u64,
    drawn: u64,
    pub chance: Chance,
    pub client: Node,
    pub provider: Node,
    /// The link that each side believes in.
    pub links: [Option<LinkId>; 2],
    pub links_made: u64,
    /// How often a session by the second began to run or stood still, as the client heard of it.
    pub begun: u64,
    wire: VecDeque<(Time, Side, LinkId, Vec<u8>)>,
    /// How long a frame is on its way, and a write on its way to the disk, in milliseconds.
    pub delay: RangeInclusive<u64>,
    pub fsync: RangeInclusive<u64>,
    /// What the machines have put out, in all and before this tick.
    outputs: u64,
    outputs_before: u64,
    /// Who is killed at which of its writes.
    doomed: Option<(Side, usize)>,
    /// Whether who is killed is started again at once, and the other side hears of it.
    is_back_at_once: bool,
    /// Who was killed, and is to be started again.
    pub killed: Option<Side>,
    /// Who ended a link by itself.
    ended_links: Vec<(Side, LinkId)>,
    pub planes: Planes,
    /// Whether a session was asked for and there was no answer yet.
    pub is_asking: bool,
    credited: Vec<Amount>,
    /// What the client heard was accepted, at most.
    pub accepted: Amount,
    /// The most that the client has promised, which its disk may not have got, and the window under which it did.
    promised: Amount,
    window_before: Amount,
    pub promised_under: Amount,
    pub settled: BTreeMap<Series, Settled>,
    /// Handed to the ledger, and when it answers.
    submitted: VecDeque<(Time, Promise, AccountsCall)>,
    /// The most that was promised and not used.
    pub ahead_max: Amount,
    pub stranger: bool,
    /// How often the provider wanted to ask others.
    pub asked_others: usize,
    pub ended: Option<Ended>,
    /// Why the last session was not opened.
    pub refused: Option<OpenError>,
    pub ledger_paid: Amount,
    /// What the ledger has of a channel between the two.
    pub arbiter: Arbiter,
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
            chance: Chance::of(seed),
            client: Node::new(b"client", seed, now, terms),
            provider: Node::new(b"provider", seed, now, terms),
            links: [None; 2],
            links_made: 0,
            begun: 0,
            wire: VecDeque::new(),
            delay: DELAY..=DELAY,
            fsync: FSYNC..=FSYNC,
            outputs: 0,
            outputs_before: 0,
            doomed: None,
            is_back_at_once: false,
            killed: None,
            ended_links: Vec::new(),
            planes: Planes::new(now, seed),
            is_asking: false,
            credited: Vec::new(),
            accepted: Amount::ZERO,
            promised: Amount::ZERO,
            window_before: Amount::ZERO,
            promised_under: Amount::ZERO,
            settled: BTreeMap::new(),
            submitted: VecDeque::new(),
            ahead_max: Amount::ZERO,
            stranger: false,
            asked_others: 0,
            ended: None,
            refused: None,
            ledger_paid: Amount::ZERO,
            arbiter: Arbiter::default(),
        };
        rig.sell();
        rig
    }

    pub fn open_session(&mut self) {
        self.ask_for_session(self.seed);
        self.pump_until(|rig| !rig.planes.serving.is_empty() || rig.stranger);
    }

    /// Asks for a session; `response` names what is asked.
    pub fn ask_for_session(&mut self, response: u64) {
        let provider = self.provider.id();
        let request = OpenRequest {
            offer: offer(provider),
            service: Service::SOCKS,
            tariff: Tariff { measure: self.terms.measure, price: self.terms.expected },
            price_max: self.terms.price,
            bandwidth_bps: BANDWIDTH_BPS,
            cost_max: Amount::MAX,
            data: Vec::new(),
        };
        self.is_asking = true;
        let client = &mut self.client;
        client.market.open_session(self.now, provider, ResponseId(response), request, &client.store).expect("asks");
    }

    /// The provider ends the session.
    pub fn end_session(&mut self, reason: StopReason) {
        let session = self.planes.session.expect("a session is served");
        let client = self.client.id();
        self.provider.market.stop_serving(self.now, client, session, reason, &self.provider.store);
        self.pump_until(|rig| rig.ended.is_some());
    }

    /// Moves bytes until `total` have been downloaded, as far as payment lets them.
    pub fn download(&mut self, total: u64) {
        let deadline = Time(self.now.0 + PATIENCE);
        self.planes.moved_at = self.now;
        self.planes.wanted.down = total.saturating_sub(self.planes.downloaded());
        while self.planes.wanted.down > 0 {
            let left = self.planes.wanted.down;
            assert!(self.now < deadline, "stuck with {left} of {total} bytes left (seed {})", self.seed);
            self.tick();
        }
        self.pump_for(3_000);
    }

    pub fn stop_session(&mut self) {
        let session = self.planes.session.expect("a session is in use");
        let provider = self.provider.id();
        self.client.market.stop_using(self.now, provider, session, &self.client.store);
        self.pump_until(|rig| rig.ended.is_some());
    }

    pub fn settle(&mut self) {
        self.ask_to_settle();
        self.pump_for(5_000);
    }

    pub fn ask_to_settle(&mut self) {
        let client = self.client.id();
        // Nothing to settle is an answer, too.
        let _ = self.provider.market.settle(self.now, client, Take::Whole, &self.provider.store);
    }

    /// The client ends all sessions that it uses.
    pub fn stop_all(&mut self) {
        let provider = self.provider.id();
        for (_, session) in self.client.market.used_sessions(self.now) {
            self.client.market.stop_using(self.now, provider, session.id, &self.client.store);
        }
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

    /// Whether no session is left, and everything promised was received and paid by the ledger.
    pub fn is_all_paid(&self) -> bool {
        let (promised, received) = self.promised_and_received();
        let sessions =
            self.client.market.used_sessions(self.now).len() + self.provider.market.served_sessions(self.now).len();
        sessions == 0 && promised == received && received == self.ledger_paid
    }

    pub fn unsettled(&self) -> Vec<TakenPromise> {
        self.provider.market.pair(self.client.id()).map(|pair| pair.taken).unwrap_or_default()
    }

    /// What the bytes that arrived cost.
    pub fn used(&self) -> Amount {
        Amount::cost_of_bytes(self.terms.price, self.planes.downloaded()).expect("fits")
    }

    /// What the provider's data plane may carry.
    pub fn provider_limit(&self) -> u64 {
        self.planes.serving.values().map(|served| served.limit.bytes).sum()
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

    pub fn tick(&mut self) {
        self.now = Time(self.now.0 + 1);
        self.outputs_before = self.outputs;
        self.planes.has_moved = false;
        self.carry();
        self.carry_out();
        self.sync();
        self.deliver();
        for side in [Side::Client, Side::Provider] {
            let now = self.now;
            let node = self.node(side);
            if node.is_up && node.wake.is_some_and(|at| at <= now) {
                node.wake = None;
                node.market.handle_wake(now, &node.store);
            }
        }
        self.carry_out();
        self.answer_submissions();
        self.take_ended_links();
        if self.has_changed() {
            self.note_promise();
            self.ahead_max = self.ahead_max.max(self.promised_and_received().0.saturating_sub(self.used()));
        }
    }

    /// Whether anything was carried or said since the tick began.
    pub fn has_changed(&self) -> bool {
        self.planes.has_moved || self.outputs > self.outputs_before
    }

    pub fn node(&mut self, side: Side) -> &mut Node {
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
            if node.is_up {
                node.sync(now).into_iter().for_each(|(link, frame)| self.transmit(side, link, frame));
            }
        }
    }

    fn transmit(&mut self, from: Side, link: LinkId, frame: Vec<u8>) {
        if Some(link) == self.links[from as usize] && self.planes.is_connected {
            let at = Time(self.now.0 + self.chance.within(self.delay.clone()));
            let at = self.wire.back().map_or(at, |(before, ..)| at.max(*before));
            self.wire.push_back((at, other(from), link, frame));
        }
    }

    fn deliver(&mut self) {
        let now = self.now;
        while let Some((_, to, link, frame)) = self.wire.pop_front_if(|(at, ..)| *at <= now) {
            if self.links[to as usize] != Some(link) || !self.planes.is_connected {
                continue;
            }
            let seed = self.draw();
            let node = self.node(to);
            node.market.handle_frame(now, link, &frame, seed, &node.store);
            self.carry_out();
        }
    }

    fn carry_out(&mut self) {
        for side in [Side::Client, Side::Provider] {
            while self.node(side).is_up
                && let Some(output) = self.node(side).market.poll()
            {
                self.outputs += 1;
                match output {
                    Effect::Persist { batch, token } => {
                        let at = Time(self.now.0 + self.chance.within(self.fsync.clone()));
                        self.node(side).write(at, token, batch);
                        self.kill_if_doomed(side);
                    }
                    Effect::Send { to, message, after } => {
                        if let Some((link, frame)) = self.node(side).send(to, message, after) {
                            self.transmit(side, link, frame);
                        }
                    }
                    Effect::WakeAt(time) => {
                        let node = self.node(side);
                        node.wake = Some(node.wake.map_or(time, |at| at.min(time)));
                    }
                    Effect::Notify(news) => {
                        if let Some(news) = self.node(side).hold(news) {
                            self.news(side, news);
                        }
                    }
                }
            }
            while let Some(news) = self.node(side).next_call() {
                self.news(side, news);
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
            MarketNews::LinkEnded { link, .. }
            | MarketNews::LinkUnwanted(link)
            | MarketNews::Refused { link, .. }
            | MarketNews::Closed { link: Some(link), .. } => self.ended_links.push((side, link)),
            MarketNews::Serving { news, .. } => self.serving_news(news),
            MarketNews::Using { news, .. } => self.using_news(news),
            MarketNews::Payment { news: PaymentNews::Credited { received }, .. } if side == Side::Provider => {
                self.credited.push(received);
            }
            MarketNews::Payment { news: PaymentNews::Accepted { amount, .. }, .. } if side == Side::Client => {
                self.accepted = self.accepted.max(amount);
            }
            MarketNews::Payment { news: PaymentNews::OverLimit(over), .. } => self.arbiter.over.push((side, over)),
            MarketNews::Channel { key, news } => self.channel_news(side, key, *news),
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

    fn serving_news(&mut self, news: ProviderNews) {
        match news {
            ProviderNews::Serve { session, limit, .. } => {
                self.planes.serving.insert(session, Served { limit, ..Served::default() });
            }
            ProviderNews::Limit { session, limit } => {
                if let Some(served) = self.planes.serving.get_mut(&session) {
                    served.limit = limit;
                }
            }
            ProviderNews::Halt { session } => drop(self.planes.serving.remove(&session)),
            ProviderNews::Earned { .. }
            | ProviderNews::Ended { .. }
            | ProviderNews::Judge { .. }
            | ProviderNews::Unjudged { .. } => {}
        }
    }

    fn using_news(&mut self, news: ClientNews) {
        self.begun += u64::from(matches!(news, ClientNews::Connect { .. } | ClientNews::Paused { .. }));
        match news {
            ClientNews::Connect { session, .. } => {
                self.is_asking = false;
                self.planes.connect(session);
                let provider = self.provider.id();
                self.client.market.handle_channel(self.now, provider, session, Ok(()), &self.client.store);
            }
            ClientNews::OpenFailed { error, .. } => (self.is_asking, self.refused) = (false, Some(error)),
            ClientNews::Halt { session } => drop(self.planes.using.remove(&session)),
            ClientNews::Ended { reason, billed, cost, .. } => self.ended = Some(Ended { reason, billed, cost }),
            _ => {}
        }
    }

    /// Under which window the client promised, if it just has.
    pub fn note_promise(&mut self) {
        if self.client.is_up
            && let Some(pair) = self.client.market.pair(self.provider.id())
        {
            // It may be over by now with what it was promised for.
            let window = if pair.window.is_zero() { self.window_before } else { pair.window };
            self.window_before = window;
            if let Some(given) = pair.given.filter(|given| given.promise.amount > self.promised) {
                (self.promised, self.promised_under) = (given.promise.amount, window);
            }
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
            return self.answer(promise, outcome);
        }
        let before = if settled.serial == promise.serial { settled.amount } else { Amount::ZERO };
        let paid = promise.amount.saturating_sub(before);
        self.ledger_paid = self.ledger_paid.checked_add(paid).expect("fits");
        *settled = Settled { serial: promise.serial, amount: promise.amount };
        self.answer(promise, Outcome::Final { given_up: Amount::ZERO });
    }

    fn answer(&mut self, promise: Promise, outcome: Outcome) {
        if self.provider.is_up {
            self.provider.market.handle_settlement(self.now, promise, outcome, &self.provider.store);
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

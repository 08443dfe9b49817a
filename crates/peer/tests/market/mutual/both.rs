//! Two market nodes that each sell to the other, one link, two disks, a ledger that pays, and followers of it.

use std::collections::{BTreeMap, VecDeque};

use byway_access::session::{
    ClientNews, Limit, Listing, OpenRequest, ProviderNews, ResponseId, SessionId, Tariff, Traffic,
};
use byway_dialogue::payment::{Outcome, PaymentNews};
use byway_dialogue::{Link, LinkId, LinkProfile};
use byway_peer::market::{MarketError, MarketNews, PairView, Standing};
use byway_primitives::{Amount, Effect, IdentityId, Span, Time};
use byway_records::call::{AccountsCall, Take};
use byway_records::offer::Service;
use byway_records::promise::Series;
use byway_records::state::Settled;
use byway_records::{Promise, Reject};

use crate::rig::node::Node;
use crate::rig::plane::counters;
use crate::rig::{DELAY, FSYNC, PATIENCE, SEEDS, offer};
use crate::terms::Terms;

/// What each has in its account at first.
pub const BALANCE: Amount = Amount::from_coins(100);
/// Bytes that a data plane moves in a millisecond.
const RATE: u64 = 10_000;

/// The two, by number; what one of them is told of the other is by the other's number.
pub const ONE: usize = 0;
pub const OTHER: usize = 1;

/// One node and what is outside of its machines.
struct Place {
    node: Node,
    /// The session that it serves, what may be carried and what was.
    serving: Option<(SessionId, Limit, u64)>,
    /// The session that it uses, and what came of it.
    using: Option<(SessionId, u64)>,
    /// Bytes that its programs still want.
    wanted: u64,
    balance: Amount,
    /// Nothing that it says arrives, for now.
    is_silent: bool,
    /// It hands nothing in to the ledger.
    withholds: bool,
}

/// A call at the ledger.
pub struct HandedIn {
    pub by: usize,
    at: Time,
    promise: Promise,
    pub call: AccountsCall,
}

pub struct Both {
    now: Time,
    terms: Terms,
    seed: u64,
    drawn: u64,
    places: [Place; 2],
    link: Option<LinkId>,
    links: u64,
    wire: VecDeque<(Time, usize, LinkId, Vec<u8>)>,
    crash: Option<(usize, usize)>,
    submitted: VecDeque<HandedIn>,
    settled: BTreeMap<Series, Settled>,
    /// Each call that the ledger executed: who handed it in, and whether it settled both.
    pub executed: Vec<(usize, bool)>,
    /// What went from one account to the other.
    pub moved: Amount,
}

impl Both {
    pub fn new(seed: u64, terms: Terms) -> Self {
        let now = Time(1_000_000);
        let place = |name: &[u8]| Place {
            node: Node::new(name, seed, now, terms),
            serving: None,
            using: None,
            wanted: 0,
            balance: BALANCE,
            is_silent: false,
            withholds: false,
        };
        let mut both = Self {
            now,
            terms,
            seed,
            drawn: 0,
            places: [place(b"one"), place(b"other")],
            link: None,
            links: 0,
            wire: VecDeque::new(),
            crash: None,
            submitted: VecDeque::new(),
            settled: BTreeMap::new(),
            executed: Vec::new(),
            moved: Amount::ZERO,
        };
        (0..2).for_each(|who| both.sell(who));
        both.connect();
        both
    }

    /// Each has a session with the other and has downloaded this much through it.
    pub fn trade(&mut self, bytes: [u64; 2]) {
        for who in [ONE, OTHER] {
            if self.places[who].using.is_none() {
                self.open_session(who);
            }
            self.places[who].wanted += bytes[who];
        }
        let deadline = Time(self.now.0 + PATIENCE);
        while self.places.iter().any(|place| place.wanted > 0) {
            assert!(self.now < deadline, "stuck (seed {})", self.seed);
            self.tick();
        }
        self.pump_for(1_000);
    }

    /// The same as far as it goes in this time.
    pub fn trade_for(&mut self, bytes: [u64; 2], millis: u64) {
        for who in [ONE, OTHER] {
            if self.places[who].using.is_none() {
                self.ask_for_session(who);
            }
            self.places[who].wanted += bytes[who];
        }
        self.pump_for(millis);
        self.places.iter_mut().for_each(|place| place.wanted = 0);
    }

    pub fn settle(&mut self, who: usize) -> Result<(), MarketError> {
        let (now, peer) = (self.now, self.id(1 - who));
        let node = &mut self.places[who].node;
        let result = node.market.settle(now, peer, Take::Whole, &node.store);
        self.carry_out();
        result
    }

    /// What `who` has with the other.
    pub fn view(&self, who: usize) -> PairView {
        self.places[who].node.market.pair(self.id(1 - who)).expect("they have dealt with each other")
    }

    /// What `who` is owed.
    pub fn open(&self, who: usize) -> Amount {
        Amount::checked_sum(self.view(who).taken.iter().map(|taken| taken.unsettled)).expect("fits")
    }

    pub fn promised(&self, who: usize) -> Amount {
        self.view(who).given.map_or(Amount::ZERO, |given| given.promise.amount)
    }

    pub fn balance(&self, who: usize) -> Amount {
        self.places[who].balance
    }

    /// What one of them says arrives again, or does not.
    pub fn set_silent(&mut self, who: usize, is_silent: bool) {
        self.places[who].is_silent = is_silent;
    }

    pub fn withhold(&mut self, who: usize, withholds: bool) {
        self.places[who].withholds = withholds;
    }

    pub fn crash_after(&mut self, who: usize, writes: usize) {
        self.crash = Some((who, writes));
    }

    pub fn writes(&self, who: usize) -> usize {
        self.places[who].node.writes
    }

    pub fn break_link(&mut self) {
        let Some(link) = self.link.take() else { return };
        self.wire.clear();
        for place in &mut self.places {
            place.node.market.handle_link_down(self.now, link, &place.node.store);
        }
        self.carry_out();
    }

    pub fn connect(&mut self) {
        self.links += 1;
        let id = LinkId(self.links);
        self.link = Some(id);
        for place in &mut self.places {
            let profile = LinkProfile::stream(Span::millis(2 * DELAY));
            place.node.market.handle_link_up(Link { id, profile, binding: [9; 32] });
        }
        let (peer, certificate, seed) = (self.id(OTHER), self.places[OTHER].node.certificate(), self.draw());
        let node = &mut self.places[ONE].node;
        node.market.converse(self.now, peer, &certificate, id, seed, &node.store).expect("opens");
        let deadline = Time(self.now.0 + PATIENCE);
        while !(0..2).all(|who| self.places[who].node.market.is_talking_to(self.id(1 - who))) {
            assert!(self.now < deadline, "no dialogue (seed {})", self.seed);
            self.tick();
        }
    }

    pub fn pump_for(&mut self, millis: u64) {
        let end = Time(self.now.0 + millis);
        while self.now < end {
            self.tick();
        }
    }

    fn id(&self, who: usize) -> IdentityId {
        self.places[who].node.id()
    }

    fn open_session(&mut self, who: usize) {
        self.ask_for_session(who);
        let deadline = Time(self.now.0 + PATIENCE);
        while self.places[who].using.is_none() {
            assert!(self.now < deadline, "no session (seed {})", self.seed);
            self.tick();
        }
    }

    fn ask_for_session(&mut self, who: usize) {
        let provider = self.id(1 - who);
        let request = OpenRequest {
            offer: offer(provider),
            service: Service::SOCKS,
            tariff: Tariff::per_mb(self.terms.expected),
            price_max: self.terms.price,
            bandwidth_bps: 80_000_000,
            cost_max: Amount::MAX,
            data: Vec::new(),
        };
        self.drawn += 1;
        let (now, response) = (self.now, ResponseId(self.drawn));
        let node = &mut self.places[who].node;
        node.market.open_session(now, provider, response, request, &node.store).expect("asks");
        self.carry_out();
    }

    fn sell(&mut self, who: usize) {
        let sale = Listing::flat(Service::SOCKS, Tariff::per_mb(self.terms.price));
        let id = offer(self.id(who));
        self.places[who].node.market.sell(BTreeMap::from([(id, sale)]));
    }

    fn draw(&mut self) -> [u8; 32] {
        self.drawn += 1;
        SEEDS.hash(&[b"both", &self.seed.to_le_bytes(), &self.drawn.to_le_bytes()]).0
    }

    fn tick(&mut self) {
        self.now = Time(self.now.0 + 1);
        for who in [ONE, OTHER] {
            self.move_bytes(who);
        }
        self.carry_out();
        self.sync();
        self.deliver();
        for place in &mut self.places {
            if place.node.wake.is_some_and(|at| at <= self.now) {
                place.node.wake = None;
                place.node.market.handle_wake(self.now, &place.node.store);
            }
        }
        self.carry_out();
        self.answer_submissions();
        self.crash_if_due();
    }

    /// What `who` downloads in a millisecond, as far as the other may carry it.
    fn move_bytes(&mut self, who: usize) {
        let (client, provider) = (self.id(who), self.id(1 - who));
        let (Some((served, limit, carried)), Some((session, used))) =
            (self.places[1 - who].serving, self.places[who].using)
        else {
            return;
        };
        let bytes = RATE.min(limit.bytes.saturating_sub(carried)).min(self.places[who].wanted);
        if bytes == 0 || self.link.is_none() {
            return;
        }
        self.places[who].wanted -= bytes;
        self.places[1 - who].serving = Some((served, limit, carried + bytes));
        self.places[who].using = Some((session, used + bytes));
        let counters = counters(limit, carried + bytes);
        let node = &mut self.places[1 - who].node;
        node.market.handle_served(self.now, client, served, counters, &node.store);
        let node = &mut self.places[who].node;
        node.market.handle_used(self.now, provider, session, Traffic::new(0, used + bytes), &node.store);
    }

    fn sync(&mut self) {
        for who in [ONE, OTHER] {
            let now = self.now;
            let node = &mut self.places[who].node;
            let ready = node.sync(now);
            ready.into_iter().for_each(|(link, frame)| self.transmit(who, link, frame));
        }
    }

    fn transmit(&mut self, from: usize, link: LinkId, frame: Vec<u8>) {
        if Some(link) == self.link {
            self.wire.push_back((Time(self.now.0 + DELAY), 1 - from, link, frame));
        }
    }

    fn deliver(&mut self) {
        let mut kept = VecDeque::new();
        while let Some((at, to, link, frame)) = self.wire.pop_front() {
            if at > self.now || self.places[1 - to].is_silent {
                kept.push_back((at, to, link, frame));
                continue;
            }
            let seed = self.draw();
            let node = &mut self.places[to].node;
            node.market.handle_frame(self.now, link, &frame, seed, &node.store);
        }
        self.wire = kept;
        self.carry_out();
    }

    fn carry_out(&mut self) {
        for who in [ONE, OTHER] {
            while let Some(output) = self.places[who].node.market.poll() {
                let node = &mut self.places[who].node;
                match output {
                    Effect::Persist { batch, token } => node.write(Time(self.now.0 + FSYNC), token, batch),
                    Effect::Send { to, message, after } => {
                        if let Some((link, frame)) = node.send(to, message, after) {
                            self.transmit(who, link, frame);
                        }
                    }
                    Effect::WakeAt(time) => node.wake = Some(node.wake.map_or(time, |at| at.min(time))),
                    Effect::Notify(news) => self.news(who, news),
                }
            }
        }
    }

    fn news(&mut self, who: usize, news: MarketNews) {
        let (now, peer) = (self.now, self.id(1 - who));
        let place = &mut self.places[who];
        match news {
            MarketNews::Talking { .. } => {
                let standing = Standing { exposure_max: self.terms.exposure_max, reputation: 500, trial: None };
                place.node.market.set_balance(place.balance);
                place.node.market.set_standing(now, peer, standing, &place.node.store);
                self.follow(who);
            }
            MarketNews::Serving { news: ProviderNews::Serve { session, limit, .. }, .. } => {
                place.serving = Some((session, limit, 0));
            }
            MarketNews::Serving { news: ProviderNews::Limit { limit, .. }, .. } => {
                place.serving = place.serving.map(|(session, _, carried)| (session, limit, carried));
            }
            MarketNews::Serving { news: ProviderNews::Halt { .. }, .. } => place.serving = None,
            MarketNews::Using { news: ClientNews::Connect { session, .. }, .. } => {
                place.using = Some((session, 0));
                place.node.market.handle_channel(now, peer, session, Ok(()), &place.node.store);
            }
            MarketNews::Using { news: ClientNews::Ended { .. }, .. } => place.using = None,
            MarketNews::Payment { news: PaymentNews::SettlementDue { .. }, .. } => {
                // One that is under way already is as good.
                let _ = place.node.market.settle(now, peer, Take::Whole, &place.node.store);
            }
            MarketNews::Submit { promise, call, .. } if !place.withholds => {
                let at = self.now + self.terms.settlement;
                self.submitted.push_back(HandedIn { by: who, at, promise, call: *call });
            }
            MarketNews::Malformed { error, .. } => panic!("seed {}: malformed: {error}", self.seed),
            _ => {}
        }
    }

    /// `who` hears where the ledger stands.
    fn follow(&mut self, who: usize) {
        let (me, peer) = (self.id(who), self.id(1 - who));
        let of = |payer| self.settled.iter().find(|(series, _)| series.payer == payer).map(|(_, settled)| *settled);
        let (taken, given) = (of(peer), of(me));
        let place = &mut self.places[who];
        place.node.market.set_balance(place.balance);
        place.node.market.note_settled(self.now, peer, taken, given, &place.node.store);
    }

    fn answer_submissions(&mut self) {
        let now = self.now;
        while let Some(HandedIn { by, promise, call, .. }) = self.submitted.pop_front_if(|handed| handed.at <= now) {
            let outcome = self.execute(by, &call);
            let node = &mut self.places[by].node;
            node.market.handle_settlement(now, promise, outcome, &node.store);
            (0..2).for_each(|who| self.follow(who));
        }
        self.carry_out();
    }

    /// The ledger settles one promise, or two, by its rules, without a fee.
    fn execute(&mut self, by: usize, call: &AccountsCall) -> Outcome {
        let promises = match call {
            AccountsCall::Settle { promise, payee, take } => {
                promise.verify().expect("the payer signed");
                promise.verify_countersigned(*take, payee).expect("the payee signed");
                vec![promise.promise]
            }
            AccountsCall::SettlePair(pair) => {
                pair.verify().expect("both signed");
                pair.pair.promises().iter().map(|signed| signed.promise).collect()
            }
            _ => panic!("not a settlement"),
        };
        let mut owed = [Amount::ZERO; 2];
        for promise in &promises {
            let settled = self.settled.get(&promise.series).copied().unwrap_or_default();
            if (promise.serial, promise.amount) <= (settled.serial, settled.amount) {
                return Outcome::Rejected(Reject::PromiseSettled);
            }
            let before = if settled.serial == promise.serial { settled.amount } else { Amount::ZERO };
            let payer = usize::from(promise.series.payer != self.id(ONE));
            owed[payer] = promise.amount.saturating_sub(before);
        }
        let payer = usize::from(owed[OTHER] > owed[ONE]);
        let net = owed[payer].saturating_sub(owed[1 - payer]);
        let Some(left) = self.places[payer].balance.checked_sub(net) else {
            return Outcome::Rejected(Reject::BalanceTooSmall);
        };
        self.places[payer].balance = left;
        self.places[1 - payer].balance = self.places[1 - payer].balance.checked_add(net).expect("fits");
        self.moved = self.moved.checked_add(net).expect("fits");
        for promise in &promises {
            self.settled.insert(promise.series, Settled { serial: promise.serial, amount: promise.amount });
        }
        self.executed.push((by, promises.len() == 2));
        Outcome::Final { given_up: Amount::ZERO }
    }

    fn crash_if_due(&mut self) {
        let Some((who, writes)) = self.crash else { return };
        if self.places[who].node.writes < writes {
            return;
        }
        self.crash = None;
        let seed = self.draw();
        let link = self.link.take();
        self.wire.clear();
        if let Some(link) = link {
            let survivor = &mut self.places[1 - who].node;
            survivor.market.handle_link_down(self.now, link, &survivor.store);
        }
        let place = &mut self.places[who];
        (place.serving, place.using) = (None, None);
        place.node.kill(0);
        place.node.start(self.now, seed, self.terms);
        self.sell(who);
        self.carry_out();
        self.connect();
    }
}

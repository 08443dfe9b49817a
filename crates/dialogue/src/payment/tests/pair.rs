//! The harness: two machines, two disks, one wire each way, one ledger.

use std::collections::{BTreeMap, VecDeque};

use byway_crypto::IdentitySecret;
use byway_primitives::{Amount, AssetId, Batch, Effect, Hash, IdentityId, MemoryStore, NetworkId, Span, Time, Token};
use byway_records::call::{AccountsCall, Take};
use byway_records::promise::Series;
use byway_records::state::Settled;
use byway_records::{Backing, CountersignedPair, Promise, Reject, SignedPromise};

use crate::payment::*;

pub const NETWORK: NetworkId = NetworkId(Hash([7; 32]));
pub const CLIENT: usize = 0;
pub const PROVIDER: usize = 1;
const LATENCY: Span = Span::millis(20);

pub fn amount(units: u128) -> Amount {
    Amount::from_units(units)
}

pub fn secret(byte: u8) -> IdentitySecret {
    IdentitySecret::from_bytes(&[byte; 32]).unwrap()
}

pub fn parties(me: usize) -> Parties {
    let id = |who: usize| secret(who as u8 + 1).id();
    Parties { network: NETWORK, me: id(me), peer: id(1 - me), asset: AssetId::WAY }
}

pub fn give() -> GiveConfig {
    GiveConfig { day_max: amount(1_000_000) }
}

pub fn take() -> TakeConfig {
    TakeConfig {
        amount_min: amount(10),
        backing: BackingKind::Account,
        update: true,
        exposure_max: amount(100_000),
        settle_at: amount(50_000),
        risk: Default::default(),
        advice_wait: Span::seconds(5),
    }
}

pub fn ahead() -> Ahead {
    Ahead { start: amount(100), need: amount(1600), ceiling: amount(5000) }
}

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

pub struct Node {
    pub machine: Payments,
    pub disk: MemoryStore,
    pub news: Vec<PaymentNews>,
    give: GiveConfig,
    take: TakeConfig,
    pending: VecDeque<(Token, Batch)>,
    held: VecDeque<(Option<Token>, PaymentMessage)>,
    pub writes: u64,
}

pub struct Pair {
    pub now: Time,
    pub nodes: [Node; 2],
    wires: [VecDeque<(Time, PaymentMessage)>; 2],
    wakes: [Vec<Time>; 2],
    pub crash: Option<Crash>,
    pub sent: Vec<PaymentMessage>,
    pub ledger: Ledger,
    /// What the client has used, as both sides saw it.
    pub used: Amount,
    /// What the provider has used of what the client gives.
    pub used_back: Amount,
}

/// The accounts program, as far as settlement goes.
#[derive(Default)]
pub struct Ledger {
    pub settled: BTreeMap<Series, Settled>,
    /// The client's.
    pub balance: Amount,
    pub provider_balance: Amount,
    /// What the client's promises were settled for, in coin or against the provider's.
    pub paid: Amount,
    /// What the provider's were.
    pub paid_back: Amount,
    /// What went from one account to the other.
    pub moved: Amount,
    /// Bounces, one for each promise, and the last of each series.
    pub bounces: usize,
    bounced: BTreeMap<Series, (u64, Amount)>,
    /// Promises handed in and not yet executed.
    pub queue: VecDeque<HandedIn>,
    /// Calls that were handed in so far.
    pub handed_in: usize,
}

/// A call on its way to the ledger.
pub struct HandedIn {
    pub by: usize,
    /// The one that pays who handed it in.
    pub promise: Promise,
    pub call: AccountsCall,
}

impl Ledger {
    pub fn execute(&mut self, call: AccountsCall) -> Outcome {
        let (signed, payee, take) = match call {
            AccountsCall::Settle { promise, payee, take } => (promise, payee, take),
            AccountsCall::SettlePair(pair) => return self.execute_pair(*pair),
            _ => panic!("only settlements"),
        };
        let promise = signed.promise;
        signed.verify().unwrap();
        signed.verify_countersigned(take, &payee).unwrap();
        let Some(due) = self.due(&promise) else { return Outcome::Rejected(Reject::PromiseSettled) };
        let paid = due.min(*self.balance_of(promise.series.payer));
        if paid < due && take == Take::Whole {
            return self.bounce(&promise);
        }
        self.settle(&promise, paid);
        self.pay(promise.series.payer, paid);
        Outcome::Final { given_up: due.saturating_sub(paid) }
    }

    fn execute_pair(&mut self, pair: CountersignedPair) -> Outcome {
        pair.verify().unwrap();
        let promises = pair.pair.promises().map(|signed| signed.promise);
        let [Some(one), Some(other)] = promises.map(|promise| self.due(&promise)) else {
            return Outcome::Rejected(Reject::PromiseSettled);
        };
        let (owing, net) = if one >= other { (0, one.saturating_sub(other)) } else { (1, other.saturating_sub(one)) };
        if *self.balance_of(promises[owing].series.payer) < net {
            return self.bounce(&promises[owing]);
        }
        self.settle(&promises[0], one);
        self.settle(&promises[1], other);
        self.pay(promises[owing].series.payer, net);
        Outcome::Final { given_up: Amount::ZERO }
    }

    fn bounce(&mut self, promise: &Promise) -> Outcome {
        let last = self.bounced.entry(promise.series).or_default();
        if (promise.serial, promise.amount) > *last {
            *last = (promise.serial, promise.amount);
            self.bounces += 1;
        }
        Outcome::Rejected(Reject::BalanceTooSmall)
    }

    fn due(&self, promise: &Promise) -> Option<Amount> {
        let settled = self.settled.get(&promise.series).copied().unwrap_or_default();
        let before = if promise.serial == settled.serial { settled.amount } else { Amount::ZERO };
        let is_newer = (promise.serial, promise.amount) > (settled.serial, settled.amount);
        is_newer.then(|| promise.amount.saturating_sub(before))
    }

    fn settle(&mut self, promise: &Promise, for_amount: Amount) {
        self.settled.insert(promise.series, Settled { serial: promise.serial, amount: promise.amount });
        let is_clients = promise.series.payer == parties(CLIENT).me;
        let paid = if is_clients { &mut self.paid } else { &mut self.paid_back };
        *paid = paid.checked_add(for_amount).unwrap();
    }

    fn balance_of(&mut self, who: IdentityId) -> &mut Amount {
        if who == parties(CLIENT).me { &mut self.balance } else { &mut self.provider_balance }
    }

    fn pay(&mut self, from: IdentityId, amount: Amount) {
        let to = if from == parties(CLIENT).me { parties(PROVIDER).me } else { parties(CLIENT).me };
        *self.balance_of(from) = self.balance_of(from).checked_sub(amount).unwrap();
        *self.balance_of(to) = self.balance_of(to).checked_add(amount).unwrap();
        self.moved = self.moved.checked_add(amount).unwrap();
    }
}

fn restore(me: usize, give: GiveConfig, take: TakeConfig, disk: &MemoryStore) -> Payments {
    Payments::restore(parties(me), secret(me as u8 + 1), give, take, disk).unwrap()
}

impl Pair {
    pub fn new(give: GiveConfig, take: TakeConfig) -> Self {
        let node = |me| Node {
            machine: restore(me, give, take, &MemoryStore::new()),
            disk: MemoryStore::new(),
            news: Vec::new(),
            give,
            take,
            pending: VecDeque::new(),
            held: VecDeque::new(),
            writes: 0,
        };
        let mut pair = Self {
            now: Time(1_000_000),
            nodes: [node(CLIENT), node(PROVIDER)],
            wires: Default::default(),
            wakes: Default::default(),
            crash: None,
            sent: Vec::new(),
            ledger: Ledger { balance: amount(1_000_000), ..Ledger::default() },
            used: Amount::ZERO,
            used_back: Amount::ZERO,
        };
        for who in [CLIENT, PROVIDER] {
            pair.start(who);
        }
        pair.attach();
        pair
    }

    pub fn start(&mut self, who: usize) {
        let effects = self.nodes[who].machine.start();
        self.carry_out(who, effects);
    }

    pub fn attach(&mut self) {
        for who in [CLIENT, PROVIDER] {
            let effects = self.nodes[who].machine.attach(self.now);
            self.carry_out(who, effects);
        }
    }

    pub fn detach(&mut self) {
        self.wires = Default::default();
        for node in &mut self.nodes {
            node.machine.detach();
            node.held.clear();
        }
    }

    pub fn act(&mut self, who: usize, act: impl FnOnce(&mut Payments, Time) -> Vec<PaymentEffect>) {
        let effects = act(&mut self.nodes[who].machine, self.now);
        self.carry_out(who, effects);
    }

    fn carry_out(&mut self, who: usize, effects: Vec<PaymentEffect>) {
        for effect in effects {
            let node = &mut self.nodes[who];
            match effect {
                Effect::Persist { batch, token } => node.pending.push_back((token, batch)),
                Effect::Send { message, after, .. } => node.held.push_back((after, message)),
                Effect::WakeAt(time) => self.wakes[who].push(time),
                Effect::Notify(PaymentNews::Submit { promise, call }) => {
                    self.ledger.handed_in += 1;
                    self.ledger.queue.push_back(HandedIn { by: who, promise, call: *call });
                }
                Effect::Notify(news) => node.news.push(news),
            }
        }
    }

    /// Makes writes durable one by one and lets the messages behind them go. True where the node crashed.
    fn flush(&mut self, who: usize) -> bool {
        loop {
            self.release(who, None);
            let Some((token, batch)) = self.nodes[who].pending.pop_front() else { return false };
            self.nodes[who].writes += 1;
            let crash = self.crash.filter(|c| c.node == who && c.at_write == self.nodes[who].writes);
            if crash.is_some_and(|crash| crash.when == When::BeforeDurable) {
                self.crash_now(who);
                return true;
            }
            self.nodes[who].disk.apply(&batch);
            if crash.is_some() {
                self.crash_now(who);
                return true;
            }
            self.release(who, Some(token));
            self.act(who, |machine, _| machine.handle_durable(token));
        }
    }

    fn release(&mut self, who: usize, durable: Option<Token>) {
        while let Some((after, _)) = self.nodes[who].held.front() {
            let first_pending = self.nodes[who].pending.front().map(|(token, _)| *token);
            let free = after.is_none() || *after <= durable || first_pending.is_none_or(|first| *after < Some(first));
            if !free {
                return;
            }
            let (_, message) = self.nodes[who].held.pop_front().unwrap();
            self.sent.push(message.clone());
            self.wires[1 - who].push_back((self.now + LATENCY, message));
        }
    }

    /// Memory, unwritten data and the link are gone; then everything comes back.
    pub fn crash_now(&mut self, who: usize) {
        self.restart(who);
        // Layers above keep their own count and say it again.
        self.tell_used(who);
    }

    fn tell_used(&mut self, who: usize) {
        let (spent, earned) = match who {
            CLIENT => (self.used, self.used_back),
            _ => (self.used_back, self.used),
        };
        self.act(who, |machine, _| machine.earn(Spender::SESSIONS, earned));
        self.act(who, |machine, now| machine.spend(now, Spender::SESSIONS, spent));
    }

    fn restart(&mut self, who: usize) {
        self.detach();
        let node = &mut self.nodes[who];
        node.pending.clear();
        node.machine = restore(who, node.give, node.take, &node.disk);
        self.start(who);
        self.attach();
    }

    /// Loses the whole disk.
    pub fn wipe(&mut self, who: usize) {
        self.nodes[who].disk = MemoryStore::new();
        self.restart(who);
    }

    /// The disk is another one now.
    pub fn restart_from(&mut self, who: usize, disk: MemoryStore) {
        self.nodes[who].disk = disk;
        self.restart(who);
    }

    /// The serials of all promises that were sent.
    pub fn serials(&self) -> Vec<u64> {
        let offers = self.sent.iter().filter_map(|message| match message {
            PaymentMessage::Offer(SignedPromise { promise, .. }) => Some(promise.serial),
            _ => None,
        });
        offers.collect()
    }

    pub fn step(&mut self) {
        self.now = self.now + Span::millis(10);
        for who in [CLIENT, PROVIDER] {
            self.flush(who);
            while let Some((at, _)) = self.wires[who].front() {
                if *at > self.now {
                    break;
                }
                let (_, message) = self.wires[who].pop_front().unwrap();
                // What crosses the wire is bytes.
                let bytes = byway_primitives::Encode::to_bytes(&message);
                let message = byway_primitives::codec::decode_exact(&bytes).unwrap();
                self.act(who, |machine, now| machine.handle_message(now, message));
                if self.flush(who) {
                    break;
                }
            }
            if let Some(index) = self.wakes[who].iter().position(|at| *at <= self.now) {
                self.wakes[who].swap_remove(index);
                self.act(who, |machine, now| machine.handle_wake(now));
            }
        }
        self.check();
    }

    pub fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
        }
    }

    /// The client uses as much as the provider has credit for, at most `most`.
    pub fn use_service(&mut self, most: u128) {
        let left = self.nodes[PROVIDER].machine.received().saturating_sub(self.used);
        self.used = self.used.checked_add(left.min(amount(most))).unwrap();
        let used = self.used;
        self.act(PROVIDER, |machine, _| machine.earn(Spender::SESSIONS, used));
        self.act(CLIENT, |machine, now| machine.spend(now, Spender::SESSIONS, used));
    }

    /// The same the other way.
    pub fn use_back(&mut self, most: u128) {
        let left = self.nodes[CLIENT].machine.received().saturating_sub(self.used_back);
        self.used_back = self.used_back.checked_add(left.min(amount(most))).unwrap();
        self.tell_used(PROVIDER);
        self.tell_used(CLIENT);
    }

    /// The ledger executes what was handed in and whoever handed it in hears of it.
    pub fn execute(&mut self) {
        while let Some(HandedIn { by, promise, call }) = self.ledger.queue.pop_front() {
            let outcome = self.ledger.execute(call);
            self.act(by, |machine, now| machine.handle_settlement(now, promise, outcome));
        }
    }

    /// Both follow the ledger.
    pub fn follow(&mut self) {
        for who in [CLIENT, PROVIDER] {
            let (given, taken) = (parties(who).given(Backing::Account), parties(who).taken(Backing::Account));
            let at = |series| self.ledger.settled.get(&series).copied().unwrap_or_default();
            let (given, taken) = (Some(at(given)), Some(at(taken)));
            self.act(who, |machine, now| machine.note_settled(now, Backing::Account, taken, given));
        }
    }

    pub fn settle(&mut self, reach: Reach, take: Take) -> Result<(), SettleError> {
        self.settle_by(PROVIDER, reach, take)
    }

    pub fn settle_by(&mut self, who: usize, reach: Reach, take: Take) -> Result<(), SettleError> {
        let effects = self.nodes[who].machine.settle(self.now, Backing::Account, reach, take)?;
        self.carry_out(who, effects);
        // What is submitted leaves with the write that says so.
        self.flush(who);
        Ok(())
    }

    /// Laws that hold at every moment.
    fn check(&self) {
        let client = &self.nodes[CLIENT].machine;
        let ahead = client.ahead();
        assert!(ahead <= amount(5000), "the payer is {ahead} ahead, over its ceiling");
        let mut highest: BTreeMap<Series, (u64, Amount)> = BTreeMap::new();
        for message in &self.sent {
            if let PaymentMessage::Offer(SignedPromise { promise, .. }) = message {
                let before = highest.entry(promise.series).or_default();
                let here = (promise.serial, promise.amount);
                assert!(here >= *before, "a promise went from {before:?} to {here:?}");
                *before = here;
            }
        }
    }

    pub fn news(&self, who: usize, matches: impl Fn(&PaymentNews) -> bool) -> bool {
        self.nodes[who].news.iter().any(matches)
    }
}

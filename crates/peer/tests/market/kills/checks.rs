//! What holds at every moment of a story, whoever is killed.
//!
//! What really happened to bytes is known ([`Truth`](crate::rig::plane::Truth)), and what each side knows for certain is read
//! from its disk with the machines themselves, whenever that has changed.

use std::collections::BTreeMap;

use byway_access::session::{SessionId, SessionView, Sides, Traffic, Usage};
use byway_access::{Client, Provider};
use byway_dialogue::payment::{Parties, Path, Payments, WINDOW_START_BYTES};
use byway_primitives::{Amount, AssetId, MemoryStore, Span, Token};

use crate::rig::node::{GIVE, Node, services, take};
use crate::rig::{BANDWIDTH_BPS, NETWORK, Rig, Side};

/// What a client assumes of its path before it has measured it (`ClientConfig`).
const PATH: Path =
    Path { rate_bytes_per_second: BANDWIDTH_BPS / 8, round_trip: Span::millis(100), commits: Span::millis(20) };

/// The worst of one or many stories, and how much there was of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Worst {
    pub kills: u64,
    /// Coin that a client had promised and got nothing for when somebody was killed, in millionths of the window.
    pub client_ppm: u128,
    /// What a provider had carried and the client had not acknowledged for good, likewise; of the larger of both windows.
    pub provider_ppm: u128,
    /// The same in millionths of all that it may be: what is paid ahead, and what the provider takes for lost.
    pub open_ppm: u128,
    /// What was of use and never paid in a story, in millionths of the larger windows in all of its kills.
    pub unpaid_ppm: u128,
    /// The longest time in which nothing came.
    pub pause_max_ms: u64,
}

impl Worst {
    pub fn join(&mut self, other: &Self) {
        *self = Self {
            kills: self.kills + other.kills,
            client_ppm: self.client_ppm.max(other.client_ppm),
            provider_ppm: self.provider_ppm.max(other.provider_ppm),
            open_ppm: self.open_ppm.max(other.open_ppm),
            unpaid_ppm: self.unpaid_ppm.max(other.unpaid_ppm),
            pause_max_ms: self.pause_max_ms.max(other.pause_max_ms),
        };
    }
}

/// What a disk holds.
#[derive(Debug, Clone, Default)]
pub struct Journaled {
    pub promised: Amount,
    pub received: Amount,
    /// Cost of all that was acknowledged, and of what of it the payments know.
    pub spent: Amount,
    pub paid_for: Amount,
    pub sessions: BTreeMap<SessionId, Usage>,
}

pub struct Checks {
    pub worst: Worst,
    client: Journaled,
    provider: Journaled,
    read_at: [Option<Token>; 2],
    /// What each session's client has acknowledged for good, also of those that have ended.
    acknowledged: BTreeMap<SessionId, Traffic>,
    /// What can't be acknowledged any more, since somebody who knew of it was killed.
    forgotten: BTreeMap<SessionId, Traffic>,
    /// What may have been lost in all kills so far.
    at_stake: Amount,
    /// What the client's payments knew to be spent when it was started.
    spent_before: Amount,
    /// What the provider had earned when it was.
    earned_before: Amount,
    settled: Amount,
    /// The most that was of use and not paid, and the windows that were in force in all kills: a kill that costs less leaves
    /// the rest to be lost after another.
    unpaid: Amount,
    windows: Amount,
}

pub fn journaled(node: &Node, rig: &Rig, side: Side, store: &MemoryStore) -> Journaled {
    let (client, provider) = (rig.client.id(), rig.provider.id());
    let (peer, sides) = (if side == Side::Client { provider } else { client }, Sides { client, provider });
    let parties = Parties { network: NETWORK, me: node.id(), peer, asset: AssetId::WAY };
    let payments = Payments::restore(parties, node.secret.clone(), GIVE, take(rig.terms), store).expect("readable");
    let (spent, sessions) = match side {
        Side::Client => {
            let client = Client::restore(sides, Default::default(), services(), rig.now, store).expect("readable");
            (client.spent(), client.sessions(rig.now))
        }
        Side::Provider => {
            let provider = Provider::restore(sides, Default::default(), services(), rig.now, store).expect("readable");
            (provider.earned(), provider.sessions(rig.now))
        }
    };
    let billed = |view: &SessionView| (view.id, view.billed);
    let promised = payments.promised();
    Journaled {
        promised,
        received: payments.received(),
        spent,
        paid_for: promised.saturating_sub(payments.ahead()),
        sessions: sessions.iter().map(billed).collect(),
    }
}

pub fn plus(a: Amount, b: Amount) -> Amount {
    a.checked_add(b).expect("small")
}

fn is_within(a: Traffic, b: Traffic) -> bool {
    a.up <= b.up && a.down <= b.down
}

impl Checks {
    pub fn new(rig: &Rig) -> Self {
        let client = journaled(&rig.client, rig, Side::Client, &rig.client.durable);
        Self {
            worst: Worst::default(),
            provider: client.clone(),
            client,
            read_at: [None; 2],
            acknowledged: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            at_stake: Amount::ZERO,
            spent_before: Amount::ZERO,
            earned_before: Amount::ZERO,
            settled: Amount::ZERO,
            unpaid: Amount::ZERO,
            windows: Amount::ZERO,
        }
    }

    pub fn look(&mut self, rig: &Rig) {
        self.read_client(rig);
        self.read_provider(rig);
        self.look_at_ended(rig);
        self.look_at_ledger(rig);
        self.look_at_risks(rig);
    }

    fn read_client(&mut self, rig: &Rig) {
        if self.read_at[0] == rig.client.durable_to {
            return;
        }
        self.read_at[0] = rig.client.durable_to;
        let before =
            std::mem::replace(&mut self.client, journaled(&rig.client, rig, Side::Client, &rig.client.durable));
        let now = &self.client;
        check(rig, now.promised >= before.promised, || format!("promises went back: {before:?} {now:?}"));
        check(rig, now.spent >= before.spent, || format!("acknowledged cost went back: {before:?} {now:?}"));
        for (session, acknowledged) in &now.sessions {
            let (known, acknowledged) = (self.acknowledged.entry(*session).or_default(), acknowledged.traffic);
            check(rig, is_within(*known, acknowledged), || format!("{session}: {acknowledged:?} after {known:?}"));
            *known = acknowledged;
            let used = rig.planes.truth.get(session).copied().unwrap_or_default().used;
            check(rig, is_within(acknowledged, used), || format!("{session}: {acknowledged:?} of {used:?} used"));
        }
        let used = self.used(rig);
        check(rig, now.spent <= used, || format!("{} billed for {used}", now.spent));
    }

    fn read_provider(&mut self, rig: &Rig) {
        if self.read_at[1] == rig.provider.durable_to {
            return;
        }
        self.read_at[1] = rig.provider.durable_to;
        let disk = &rig.provider.durable;
        let before = std::mem::replace(&mut self.provider, journaled(&rig.provider, rig, Side::Provider, disk));
        let (now, client) = (&self.provider, &self.client);
        check(rig, now.received >= before.received, || format!("received went back: {before:?} {now:?}"));
        check(rig, now.spent >= before.spent, || format!("earnings went back: {before:?} {now:?}"));
        check(rig, now.received <= client.promised, || format!("{now:?} received, the client knows {client:?}"));
        check(rig, now.spent <= client.spent, || format!("{now:?} earned, the client knows {client:?}"));
        for (session, billed) in &now.sessions {
            let known = self.acknowledged.get(session).copied().unwrap_or_default();
            check(rig, is_within(billed.traffic, known), || {
                format!("{session}: {billed:?} billed, {known:?} acknowledged")
            });
        }
    }

    /// Nothing is settled of which either side does not know for certain, and nothing that was accepted is forgotten.
    fn look_at_ledger(&mut self, rig: &Rig) {
        let (promised, received) = (self.client.promised, self.provider.received);
        check(rig, rig.accepted <= received, || format!("{} was accepted, {received} is known", rig.accepted));
        let settled = rig.settled.values().next().map_or(Amount::ZERO, |settled| settled.amount);
        check(rig, settled <= received.min(promised), || format!("{settled} settled of {promised}, {received}"));
        check(rig, settled == rig.ledger_paid, || format!("{settled} settled, {} paid", rig.ledger_paid));
        check(rig, settled >= self.settled, || format!("settled went back to {settled}"));
        self.settled = settled;
    }

    fn look_at_risks(&mut self, rig: &Rig) {
        let window = rig.promised_under;
        let (used, promised) = (self.used(rig), self.promised(rig));
        let risked = promised.saturating_sub(used);
        check(rig, risked <= window, || format!("{promised} promised for {used}, the window is {window}"));
        if let Some(pair) = rig.client.market.pair(rig.provider.id()).filter(|_| rig.client.is_up) {
            let spent = promised.saturating_sub(pair.ahead);
            check(rig, spent <= used, || format!("{spent} taken for used of {used}"));
            let most = self.window_most(rig, spent);
            check(rig, pair.window <= most, || format!("a window of {}, {most} was earned", pair.window));
        }
        let ahead = promised.saturating_sub(self.client.spent);
        let (open, most) = (self.open(rig), plus(ahead, self.forgiven_most(rig)));
        check(rig, open <= most, || format!("{open} not acknowledged, at most {most} were promised or forgiven"));
        let received = self.provider.received;
        let lost = used.saturating_sub(received);
        let unpaid_max = plus(self.windows, self.forgiven_most(rig));
        check(rig, lost <= unpaid_max, || format!("{used} used, {received} paid, windows of {unpaid_max} in kills"));
        self.unpaid = self.unpaid.max(lost);
        let at_stake = plus(self.at_stake_in_kills(rig), self.forgiven_most(rig));
        check(rig, lost <= at_stake, || format!("{used} used, {received} paid, {at_stake} was at stake"));
    }

    /// What may have been lost in all kills so far, with what came too late for a client to know of it.
    fn at_stake_in_kills(&self, rig: &Rig) -> Amount {
        let orphaned = rig.planes.truth.values().map(|truth| truth.orphaned).sum();
        plus(self.at_stake, Traffic::new(orphaned, 0).cost(rig.terms.price))
    }

    /// The most that a provider takes for lost at one time: its own window, which has grown like a client's.
    fn forgiven_most(&self, rig: &Rig) -> Amount {
        let first = Amount::cost_of_bytes(rig.terms.price, WINDOW_START_BYTES).expect("small");
        plus(first, self.client.spent.saturating_sub(self.earned_before)).min(rig.terms.window_ceiling)
    }

    /// The largest that a window can have become: a first one, and as much more as was honoured since the client started; no
    /// more than the path needs, or the ceiling.
    fn window_most(&self, rig: &Rig, spent: Amount) -> Amount {
        let cost = |bytes| Amount::cost_of_bytes(rig.terms.price, bytes).expect("small");
        let millis = PATH.round_trip.0 + PATH.commits.0;
        let needed = cost(2 * PATH.rate_bytes_per_second * millis / 1_000);
        let earned = plus(cost(WINDOW_START_BYTES), spent.saturating_sub(self.spent_before));
        earned.min(needed).min(rig.terms.window_ceiling)
    }

    /// Somebody was killed just now.
    pub fn killed(&mut self, rig: &Rig, side: Side) {
        // What got to the disk in the end counts.
        self.read_at[side as usize] = Some(Token(u64::MAX));
        self.read_client(rig);
        self.read_provider(rig);
        self.read_at[side as usize] = None;
        let (window, open) = (rig.promised_under, self.open(rig));
        let risked = self.promised(rig).saturating_sub(self.used(rig));
        self.worst.kills += 1;
        let part = |amount: Amount, of: Amount| amount.units() * 1_000_000 / of.units().max(1);
        self.worst.client_ppm = self.worst.client_ppm.max(part(risked, window));
        let forgiven = self.forgiven_most(rig);
        self.worst.provider_ppm = self.worst.provider_ppm.max(part(open, window.max(forgiven)));
        self.windows = plus(self.windows, window.max(forgiven));
        let ahead = self.promised(rig).saturating_sub(self.client.spent);
        self.worst.open_ppm = self.worst.open_ppm.max(part(open, plus(ahead, forgiven)));
        self.at_stake = plus(self.at_stake, open);
        for session in rig.planes.truth.keys() {
            self.forget(rig, *session, side == Side::Client);
        }
    }

    /// Nobody who knew of what is not acknowledged by now will say so: of what came up, and of what came `down`.
    fn forget(&mut self, rig: &Rig, session: SessionId, down: bool) {
        let Some(truth) = rig.planes.truth.get(&session) else { return };
        let acknowledged = self.acknowledged.get(&session).copied().unwrap_or_default();
        let forgotten = self.forgotten.entry(session).or_default();
        let up = truth.carried.up.saturating_sub(acknowledged.up + truth.orphaned);
        forgotten.up = forgotten.up.max(up);
        if down {
            forgotten.down = forgotten.down.max(truth.used.down.saturating_sub(acknowledged.down));
        }
    }

    /// What was not acknowledged of a session when it ended is not acknowledged any more.
    fn look_at_ended(&mut self, rig: &Rig) {
        let ended: Vec<SessionId> =
            self.acknowledged.keys().filter(|session| !self.client.sessions.contains_key(session)).copied().collect();
        for session in ended {
            let open = self.open_of(rig, session);
            if !open.is_zero() {
                self.at_stake = plus(self.at_stake, open);
                self.forget(rig, session, true);
            }
        }
    }

    pub fn started(&mut self, rig: &Rig, side: Side) {
        match side {
            Side::Client => self.spent_before = self.client.paid_for,
            Side::Provider => self.earned_before = self.provider.spent,
        }
        check_known(rig, side);
    }

    /// Everything was stopped and settled.
    pub fn ended(&mut self, rig: &Rig) {
        self.worst.unpaid_ppm = self.unpaid.units() * 1_000_000 / self.windows.units().max(1);
        check_paid(rig);
        let (spent, earned) = (self.client.spent, self.provider.spent);
        // A last word that was lost with who said it costs no coin: it was paid for before.
        let unheard = spent.saturating_sub(earned);
        let at_stake = self.at_stake_in_kills(rig);
        check(rig, unheard <= at_stake, || format!("{spent} acknowledged, {earned} earned, {at_stake} was at stake"));
    }

    fn promised(&self, rig: &Rig) -> Amount {
        promised(rig, self.client.promised)
    }

    /// The price of what was of use to the client.
    fn used(&self, rig: &Rig) -> Amount {
        let price = rig.terms.price;
        rig.planes.truth.values().fold(Amount::ZERO, |sum, truth| plus(sum, truth.used.cost(price)))
    }

    /// The price of what the provider has carried and the client may still acknowledge, or may not if it is killed now.
    fn open(&self, rig: &Rig) -> Amount {
        rig.planes.truth.keys().fold(Amount::ZERO, |sum, session| plus(sum, self.open_of(rig, *session)))
    }

    fn open_of(&self, rig: &Rig, session: SessionId) -> Amount {
        let of = |map: &BTreeMap<SessionId, Traffic>| map.get(&session).copied().unwrap_or_default();
        let truth = rig.planes.truth.get(&session).copied().unwrap_or_default();
        let (acknowledged, forgotten) = (of(&self.acknowledged), of(&self.forgotten));
        let up = truth.carried.up.saturating_sub(acknowledged.up + forgotten.up + truth.orphaned);
        let down = truth.carried.down.saturating_sub(acknowledged.down + forgotten.down + truth.lost);
        Traffic::new(up, down).cost(rig.terms.price)
    }
}

/// A provider that is started knows every promise that was accepted before.
pub fn check_known(rig: &Rig, side: Side) {
    let known = rig.provider.market.pair(rig.client.id()).map_or(Amount::ZERO, |pair| pair.received);
    let is_known = side == Side::Client || known >= rig.accepted;
    check(rig, is_known, || format!("{} was accepted, {known} is known", rig.accepted));
}

/// All that was promised was received, and is paid.
pub fn check_paid(rig: &Rig) {
    let (promised, received) = rig.promised_and_received();
    check(rig, rig.is_all_paid(), || format!("{promised} promised, {received} received, {} paid", rig.ledger_paid));
}

/// The client's last promise, or what its disk holds while it is away.
pub fn promised(rig: &Rig, on_disk: Amount) -> Amount {
    if rig.client.is_up { rig.promised_and_received().0 } else { on_disk }
}

pub fn check(rig: &Rig, holds: bool, what: impl FnOnce() -> String) {
    assert!(holds, "seed {}, at {:?}: {}", rig.seed, rig.now, what());
}

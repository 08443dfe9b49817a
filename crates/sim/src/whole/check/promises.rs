//! Promises, bills and settlements against what was promised and what really arrived.

use std::collections::BTreeMap;

use byway_access::session::{ClientNews, ProviderNews, SessionId, Traffic};
use byway_dialogue::payment::{Parties, PaymentNews, Payments};
use byway_ledger::Ledger;
use byway_peer::market::MarketNews;
use byway_primitives::{Amount, AssetId, IdentityId, MemoryStore};
use byway_records::promise::Series;
use byway_records::state::{Settled, settled_key};
use byway_records::{Backing, ProgramId};

use crate::peer::{Keys, PeerNews, PeerNode, SharedScene};

/// A place in a series: a serial, and an amount under it.
type Position = (u64, Amount);

/// Panics when one of these does not hold, for each ordered pair of market nodes:
///
/// - *nothing journaled is lost*: the payer's last promise never falls, over all its lives, below what the payee has
///   received or the ledger settled; what the payee has received never falls, over all its lives, below what it told the
///   payer that it accepted; and each knew it durably before the other could;
/// - *settled ≤ promised*, by the ledger of every honest kernel node;
/// - *billed ≤ arrived*: a bill is the price of its bytes, and of no more bytes than reached the client's programs;
/// - *nobody loses more than the window in force*: what an honest client has promised beyond the price of what arrived is
///   within the largest window that it ever granted; what arrived beyond what an honest provider holds promises for is
///   within one ceiling, and one more for each of its crashes.
pub struct PromiseChecks {
    scene: SharedScene,
    ids: Vec<IdentityId>,
    pairs: BTreeMap<(usize, usize), Marks>,
    /// Times that each node was opened.
    lives: Vec<u32>,
    /// The commits of the ledger that was last looked at.
    commits: u64,
    /// How often a settlement on the ledger was compared with promises.
    pub compared: u64,
}

/// What is known of payments from one node to another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// The payer's last promise, now and as durable when it last sent anything.
    given: Position,
    given_durable: Position,
    /// Promised in all, likewise.
    pub promised: Amount,
    promised_durable: Amount,
    /// Received in all by the payee, and durable there when it last sent anything.
    pub received: Amount,
    received_durable: Amount,
    /// The highest promise that the payer was told is accepted.
    accepted: Position,
    /// What the ledger has settled.
    pub settled: Position,
    /// The largest window that the payer ever granted.
    window_max: Amount,
    /// The most that was ever promised beyond what arrived, and that arrived beyond what was received.
    pub client_risked_most: Amount,
    pub provider_risked_most: Amount,
}

/// What a node's journal says of its payments with a peer.
struct Journaled {
    given: Position,
    promised: Amount,
    received: Amount,
}

impl PromiseChecks {
    pub fn new(scene: SharedScene) -> Self {
        let ids: Vec<IdentityId> = scene.identities().collect();
        let lives = vec![0; ids.len()];
        Self { scene, ids, pairs: BTreeMap::new(), lives, commits: 0, compared: 0 }
    }

    /// What is known of payments from one market node to another.
    pub fn marks(&self, payer: usize, payee: usize) -> Marks {
        self.pairs.get(&(payer, payee)).copied().unwrap_or_default()
    }

    pub fn opened(&mut self, node: usize, machine: &PeerNode) {
        self.lives[node] += 1;
        for other in self.others(node) {
            let Some(pair) = machine.market().pair(self.ids[other]) else { continue };
            let given = pair.given.map(|given| (given.promise.serial, given.promise.amount)).unwrap_or_default();
            let paid = self.marks(node, other);
            let known = paid.settled.max(paid.accepted);
            self.check(0, given >= known, || format!("{node} reopened with {given:?} promised, {known:?} was used"));
            let earned = self.marks(other, node);
            self.check(0, pair.received >= earned.accepted.1, || {
                format!("{node} reopened with {} received, {:?} was accepted", pair.received, earned.accepted)
            });
            // What was not durable when it crashed was acted on by nobody: that is checked where they act.
            let paid = self.marks_mut(node, other);
            (paid.given, paid.promised) = (paid.given_durable, paid.promised_durable);
            let earned = self.marks_mut(other, node);
            earned.received = earned.received_durable;
        }
    }

    /// The last that is seen of a node in this life. What it promised in its last input it promised under this window.
    pub fn crashes(&mut self, node: usize, machine: &PeerNode) {
        for other in self.others(node) {
            if let Some(pair) = machine.market().pair(self.ids[other]) {
                let marks = self.marks_mut(node, other);
                marks.window_max = marks.window_max.max(pair.window);
            }
        }
    }

    pub fn heard(&mut self, now_us: u64, node: usize, news: &PeerNews) {
        let PeerNews::Market(news) = news else { return };
        match &**news {
            MarketNews::Payment { peer, news: PaymentNews::Accepted { serial, amount } } => {
                let Some(payee) = self.number(*peer) else { return };
                let marks = self.marks_mut(node, payee);
                marks.accepted = marks.accepted.max((*serial, *amount));
                let (accepted, durable) = (marks.accepted, marks.received_durable);
                self.check(now_us, accepted.1 <= durable, || {
                    format!("{payee} accepted {accepted:?} of {node} with {durable} durably received")
                });
            }
            MarketNews::Using { news: ClientNews::Ended { session, billed, cost, .. }, .. } => {
                self.bill(now_us, node, *session, billed.traffic, *cost);
            }
            MarketNews::Serving { news: ProviderNews::Ended { metering, .. }, .. } => {
                self.bill(now_us, node, metering.session, metering.billed.traffic, metering.cost);
            }
            _ => {}
        }
    }

    /// An honest node's idea of what a session cost.
    fn bill(&self, now_us: u64, node: usize, session: SessionId, billed: Traffic, cost: Amount) {
        let truth = self.scene.outside.borrow().sessions.get(&session).copied();
        let Some(truth) = truth else { return };
        let arrived = billed.up == 0 && billed.down <= truth.arrived && truth.arrived <= truth.carried;
        self.check(now_us, arrived && cost == billed.cost(truth.price_per_mb), || {
            format!("{node} was billed {cost} for {billed:?} of session {session}, in truth {truth:?}")
        });
    }

    /// `node` says something on a link, with this on its disk for certain.
    pub fn sends(&mut self, node: usize, durable: &MemoryStore) {
        for other in self.others(node) {
            let journaled = self.read(node, other, durable);
            let paid = self.marks_mut(node, other);
            (paid.given_durable, paid.promised_durable) = (journaled.given, journaled.promised);
            self.marks_mut(other, node).received_durable = journaled.received;
        }
    }

    /// An honest ledger, perhaps with commits that no other had before.
    pub fn look_at_ledger(&mut self, now_us: u64, ledger: &Ledger) {
        if ledger.commits() <= self.commits {
            return;
        }
        self.commits = ledger.commits();
        let tree = ledger.tree(ProgramId::ACCOUNTS).expect("the accounts program exists");
        for payer in 0..self.ids.len() {
            for payee in self.others(payer) {
                let (from, to) = (self.ids[payer], self.ids[payee]);
                let series = Series { payer: from, payee: to, asset: AssetId::WAY, backing: Backing::Account };
                let Some(settled) = tree.read::<Settled>(&settled_key(&series)) else { continue };
                let marks = self.marks_mut(payer, payee);
                marks.settled = (settled.serial, settled.amount);
                let (durable, received) = (marks.given_durable, marks.received_durable);
                self.check(now_us, marks_hold(settled, durable, received), || {
                    format!(
                        "{settled:?} of {payer} to {payee} is settled, {durable:?} was promised, {received} received"
                    )
                });
                self.compared += 1;
            }
        }
    }

    /// All that `node` wanted done for now is done, and `store` is what it sees.
    pub fn look(&mut self, now_us: u64, node: usize, machine: &PeerNode, store: &MemoryStore) {
        for other in self.others(node) {
            let Some(pair) = machine.market().pair(self.ids[other]) else { continue };
            let journaled = self.read(node, other, store);
            self.look_as_payer(now_us, (node, other), pair.window, &journaled);
            self.look_as_payee(now_us, (other, node), journaled.received);
        }
    }

    fn look_as_payer(&mut self, now_us: u64, (payer, payee): (usize, usize), window: Amount, journaled: &Journaled) {
        let (_, price) = self.scene.outside.borrow().arrived(self.ids[payer], self.ids[payee]);
        let marks = self.marks_mut(payer, payee);
        let before = std::mem::replace(&mut marks.given, journaled.given);
        marks.promised = journaled.promised;
        marks.window_max = marks.window_max.max(window);
        let risked = marks.promised.saturating_sub(price);
        marks.client_risked_most = marks.client_risked_most.max(risked);
        let marks = *marks;
        self.check(now_us, marks.given >= before, || format!("{payer} went from {before:?} back to {:?}", marks.given));
        self.check(now_us, marks.promised >= marks.received, || {
            format!("{payer} knows of {} promised, {payee} holds {}", marks.promised, marks.received)
        });
        if self.scene.peers[payer].is_honest() {
            self.check(now_us, risked <= marks.window_max, || {
                format!("{payer} promised {}, {price} arrived, the window was {}", marks.promised, marks.window_max)
            });
        }
    }

    fn look_as_payee(&mut self, now_us: u64, (payer, payee): (usize, usize), received: Amount) {
        let (_, price) = self.scene.outside.borrow().arrived(self.ids[payer], self.ids[payee]);
        let lives = u128::from(self.lives[payee]);
        let bound = Amount::from_units(self.scene.ceiling.units() * lives);
        let marks = self.marks_mut(payer, payee);
        let before = std::mem::replace(&mut marks.received, received);
        let risked = price.saturating_sub(received);
        marks.provider_risked_most = marks.provider_risked_most.max(risked);
        let marks = *marks;
        self.check(now_us, received >= before, || format!("{payee} went from {before} back to {received}"));
        self.check(now_us, received <= marks.promised_durable, || {
            format!("{payee} holds {received} of {payer}, who knows durably of {}", marks.promised_durable)
        });
        if self.scene.peers[payee].is_honest() {
            self.check(now_us, risked <= bound, || format!("{payee} got {received} for {price}; it risks {bound}"));
        }
    }

    fn read(&self, node: usize, other: usize, store: &MemoryStore) -> Journaled {
        let config = self.scene.market_config(node);
        let parties =
            Parties { network: config.network, me: self.ids[node], peer: self.ids[other], asset: AssetId::WAY };
        let payments = Payments::restore(parties, Keys::of(node).identity, config.give, config.take, store);
        let payments = payments.unwrap_or_else(|error| panic!("seed {}, market node {node}: {error}", self.scene.seed));
        let given = payments.last_promise().map(|last| (last.promise.serial, last.promise.amount));
        Journaled { given: given.unwrap_or_default(), promised: payments.promised(), received: payments.received() }
    }

    fn others(&self, node: usize) -> impl Iterator<Item = usize> + use<> {
        (0..self.ids.len()).filter(move |other| *other != node)
    }

    fn number(&self, id: IdentityId) -> Option<usize> {
        self.ids.iter().position(|known| *known == id)
    }

    fn marks_mut(&mut self, payer: usize, payee: usize) -> &mut Marks {
        self.pairs.entry((payer, payee)).or_default()
    }

    fn check(&self, now_us: u64, holds: bool, what: impl FnOnce() -> String) {
        assert!(holds, "seed {}, at {} ms, market nodes: {}", self.scene.seed, now_us / 1000, what());
    }
}

/// Whether both sides knew durably of what is settled. A promise's amount is at most what was received in all.
fn marks_hold(settled: Settled, promised: Position, received: Amount) -> bool {
    (settled.serial, settled.amount) <= promised && settled.amount <= received
}

//! The ledger's side of a simulated market node: following, the wallet, transactions and their fate, and what the node
//! tends by itself. The real node's `books`, with registration and deposit as errands of a client too.

use byway_access::CreditPolicy;
use byway_access::discovery::LedgerClock;
use byway_access::score::{History, Weights};
use byway_access::session::Listing;
use byway_dialogue::payment::{Outcome, PaymentNews};
use byway_kernel::follower::protocol::{Answer, Request};
use byway_kernel::follower::{Advance, ClientNews as LedgerNews, Refusal};
use byway_kernel::stamp::BITS_DEFAULT;
use byway_peer::market::Standing;
use byway_peer::wallet::{Found, Grains, Wish};
use byway_primitives::codec::decode_exact;
use byway_primitives::{Amount, AssetId, Batch, Effect, Encode, IdentityId, Span, Token};
use byway_records::call::{AccountsCall, Call, OffersCall, RegistryCall, Take};
use byway_records::offer::{Contact, Location, Price, Service, Unit};
use byway_records::promise::Series;
use byway_records::state::{self, Account, Bounces, PublishedOffer, Registration, Settled};
use byway_records::{Backing, Offer, ProgramId, Promise, TransactionId, Value};

use super::kernel_access::{Asked, Purpose};
use super::plan::{Conduct, Role, Selling};
use super::{At, LEDGER_JOURNAL, PeerNews, PeerNode};

/// How long a transaction is good for.
const TRANSACTION_LIFE: Span = Span::minutes(2);
/// A transaction without a verdict is handed in again after this.
const SUBMIT_AGAIN: Span = Span::seconds(5);
/// A transaction is handed to this many kernel nodes at once.
const SUBMIT_TO: u64 = 2;
/// The name of the contact that holds the dialogue's certificate.
pub(super) const CERTIFICATE_PROTOCOL: &str = "byway-dialogue/1";
/// The name of the contact that holds a node's number in the simulation.
pub(super) const LINK_PROTOCOL: &str = "simulated-link/1";
/// Bits per second that offers promise.
const BANDWIDTH_BPS: u64 = 80_000_000;

/// Something that the node does by itself; at most one of each is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Errand {
    Register,
    Deposit,
    Publish,
}

impl PeerNode {
    /// After opening: what the market must know of the ledger, and what was under way.
    pub(super) fn take_up(&mut self, at: At<'_>) {
        if let Some(tree) = self.ledger.follower().tree(ProgramId::OFFERS) {
            for (key, value) in tree.iter() {
                self.index.apply(key, Some(value)).expect("offers of this version");
            }
        }
        if self.ledger.follower().tip().is_none() {
            let (batch, _) = self.wallet.scan_genesis(&self.scene.genesis);
            self.write_ledger(batch);
        }
        self.note_peers(at);
        self.note_channels(at, None);
        self.sell();
        let pending: Vec<TransactionId> = self.wallet.pending().map(|(id, _)| id).collect();
        pending.into_iter().for_each(|id| self.hand_in(id));
        self.follow(at);
    }

    /// Goes on following, if it is time to.
    pub(super) fn follow(&mut self, at: At<'_>) {
        let news = self.ledger.handle_wake(at.now);
        self.ledger_news(at, news);
    }

    fn write_ledger(&mut self, batch: Batch) -> Token {
        let token = LEDGER_JOURNAL.token(self.ledger_written);
        self.ledger_written += 1;
        self.out.push_back(Effect::Persist { batch, token });
        token
    }

    pub(super) fn ledger_became_durable(&mut self, token: Token) {
        while let Some((waits_for, id)) = self.leaving.front().copied()
            && waits_for <= token
        {
            self.leaving.pop_front();
            self.hand_in(id);
        }
    }

    pub(super) fn answered(&mut self, at: At<'_>, asked: Asked, answer: &[u8]) {
        let answer = decode_exact::<Answer>(answer);
        match (asked.purpose, answer) {
            (Purpose::Follow, Ok(answer)) => {
                let news = self.ledger.handle_answer(at.now, asked.member, answer);
                self.ledger_news(at, news);
            }
            (Purpose::Submit(id), Ok(Answer::Refused(Refusal::Busy(demand)))) if demand.bits <= BITS_DEFAULT => {
                let pending = self.wallet.pending().find(|(pending, _)| *pending == id);
                if let (Some((_, pending)), Some(stamp)) = (pending, demand.work(id)) {
                    let request = Request::Submit { transaction: pending.bytes.clone(), stamp: Some(stamp) };
                    let asked = self.kernel.ask(at.now, asked.member, Purpose::SubmitStamped(id), &request);
                    self.out.extend(asked.into_iter().flatten());
                }
            }
            (Purpose::Submit(id) | Purpose::SubmitStamped(id), Ok(Answer::Refused(refusal))) => {
                self.tell(PeerNews::Refused { id, refusal });
            }
            (Purpose::Submit(_) | Purpose::SubmitStamped(_), Ok(_)) => {}
            (_, Err(_)) => self.unanswered(at, asked),
        }
    }

    pub(super) fn unanswered(&mut self, at: At<'_>, asked: Asked) {
        if asked.purpose == Purpose::Follow {
            let news = self.ledger.handle_failed(at.now, asked.member);
            self.ledger_news(at, news);
        }
    }

    fn ledger_news(&mut self, at: At<'_>, news: Vec<LedgerNews>) {
        for news in news {
            match news {
                LedgerNews::Ask { member, request } => {
                    match self.kernel.ask(at.now, member, Purpose::Follow, &request) {
                        Some(effects) => self.out.extend(effects),
                        None => {
                            let news = self.ledger.handle_failed(at.now, member);
                            self.ledger_news(at, news);
                        }
                    }
                }
                LedgerNews::Advanced(advance) => self.advanced(at, *advance),
                LedgerNews::Caught { member, lie } => self.tell(PeerNews::Caught { member, lie }),
                LedgerNews::Stopped(stop) => panic!("the members' pledges are locked for longer than a run: {stop}"),
                LedgerNews::WakeAt(time) => {
                    self.ledger_timer.set(time);
                    self.wake_at(time);
                }
            }
        }
    }

    fn advanced(&mut self, at: At<'_>, advance: Advance) {
        let Advance { mut batch, checkpoint, changed, scan, .. } = advance;
        let (wallet, found) = self.wallet.scan(checkpoint.height, &scan);
        batch.append(wallet);
        self.write_ledger(batch);
        let offers = changed.iter().filter(|(program, _)| *program == ProgramId::OFFERS);
        let keys: Vec<Vec<u8>> = offers.flat_map(|(_, keys)| keys.clone()).collect();
        for key in &keys {
            let tree = self.ledger.follower().tree(ProgramId::OFFERS);
            let value = tree.and_then(|tree| tree.value(key));
            self.index.apply(key, value).expect("offers of this version");
        }
        if changed.iter().any(|(program, keys)| *program != ProgramId::OFFERS && !keys.is_empty()) {
            self.note_peers(at);
        }
        if !keys.is_empty() {
            self.sell();
        }
        let channels: Vec<Vec<u8>> = changed
            .iter()
            .filter(|(program, _)| *program == ProgramId::CHANNELS)
            .flat_map(|(_, keys)| keys.clone())
            .collect();
        self.note_channels(at, Some(&channels));
        self.tell(PeerNews::Advanced(checkpoint));
        found.into_iter().for_each(|found| self.found(at, found));
        self.tend(at);
    }

    fn found(&mut self, at: At<'_>, found: Found) {
        let (id, outcome) = match &found {
            Found::Received { .. } | Found::Spent { .. } => return self.tell(PeerNews::Found(found)),
            Found::Final(id) => (*id, Outcome::Final { given_up: Amount::ZERO }),
            Found::Rejected(id, reject) => (*id, Outcome::Rejected(*reject)),
            Found::Lapsed(id) => (*id, Outcome::Lost),
        };
        self.submitted_at.remove(&id);
        self.errands.retain(|_, under_way| *under_way != id);
        if let Some(promise) = self.settlements.remove(&id) {
            self.market.handle_settlement(at.now, promise, outcome, &at.store);
        }
        self.tell(PeerNews::Found(found));
    }

    /// Builds, signs and writes down a transaction; it leaves when it is durable.
    pub(super) fn transact(&mut self, mut wish: Wish, authorised: bool) -> Option<TransactionId> {
        wish.expires = self.now + TRANSACTION_LIFE;
        let (network, seed) = (self.scene.genesis.network(), self.draw());
        let output_min = self.scene.genesis.parameters.output_min;
        let grains = Grains { output_min, ..Grains::default() };
        let identity = self.keys.identity.clone();
        let authorise: &[_] = if authorised { &[&identity] } else { &[] };
        let built = self.wallet.build(network, &wish, authorise, &grains, self.now, &seed);
        let (transaction, batch) = built.ok()?;
        let id = transaction.id();
        let token = self.write_ledger(batch);
        self.leaving.push_back((token, id));
        Some(id)
    }

    fn hand_in(&mut self, id: TransactionId) {
        let pending = self.wallet.pending().find(|(pending, _)| *pending == id);
        let Some(transaction) = pending.map(|(_, pending)| pending.bytes.clone()) else { return };
        self.submitted_at.insert(id, self.now);
        let first = self.draw_number();
        let request = Request::Submit { transaction, stamp: None };
        for step in 0..SUBMIT_TO {
            let member = (first.wrapping_add(step) % self.scene.kernels as u64) as u8;
            // One that can't be reached is made up for when the transaction is handed in again.
            self.out.extend(self.kernel.ask(self.now, member, Purpose::Submit(id), &request).into_iter().flatten());
        }
    }

    /// Looks after what nobody reminds the node of.
    pub(super) fn tend(&mut self, at: At<'_>) {
        let overdue = self.submitted_at.iter().filter(|(_, since)| at.now >= **since + SUBMIT_AGAIN);
        let overdue: Vec<TransactionId> = overdue.map(|(id, _)| *id).collect();
        overdue.into_iter().for_each(|id| self.hand_in(id));
        let due = self.settle_later.iter().filter(|(_, due)| at.now >= **due).map(|(peer, _)| *peer);
        for peer in due.collect::<Vec<_>>() {
            self.settle_later.remove(&peer);
            self.settle(at, peer);
        }
        if self.ledger.follower().tip().is_some() {
            self.tend_role();
        }
    }

    /// Settles what is unsettled of a peer's promises. That there is nothing is an answer, too.
    pub(super) fn settle(&mut self, at: At<'_>, peer: IdentityId) {
        let _ = self.market.settle(at.now, peer, Take::Whole, &at.store);
    }

    fn tend_role(&mut self) {
        let role = self.plan().role;
        if let Role::Wallet = role {
            return;
        }
        if !self.is_registered(self.id()) {
            let call = Call::Registry(RegistryCall::Register { key: self.keys.identity.public() });
            let pledge = way(self.scene.genesis.parameters.registration_pledge);
            return self.run_errand(Errand::Register, Wish { call: Some(call), pays: Some(pledge), ..Wish::default() });
        }
        // A deposit of before a restart may be under way.
        if let Some(buying) = role.buying()
            && self.account(self.id()).balance.is_zero()
            && self.wallet.pending().next().is_none()
            && !self.has_paid()
        {
            let call = Call::Accounts(AccountsCall::Deposit { to: self.id() });
            let pays = Some(way(buying.deposit));
            self.run_errand(Errand::Deposit, Wish { call: Some(call), pays, ..Wish::default() });
        }
        if let Some(selling) = role.selling()
            && let Some(offer) = self.offer_to_publish(selling)
        {
            let offer = offer.sign(&self.keys.identity, self.scene.genesis.network());
            let fee = self.scene.genesis.parameters.call_prices.offer_publish;
            let call = Call::Offers(OffersCall::Publish { offer });
            self.run_errand(Errand::Publish, Wish { call: Some(call), fee, ..Wish::default() });
        }
    }

    fn run_errand(&mut self, errand: Errand, wish: Wish) {
        if !self.errands.contains_key(&errand)
            && let Some(id) = self.transact(wish, true)
        {
            self.errands.insert(errand, id);
        }
    }

    fn offer_to_publish(&self, selling: Selling) -> Option<Offer> {
        let tree = self.ledger.follower().tree(ProgramId::OFFERS)?;
        let highest: Option<u64> = tree.read(&state::offer_serial_key(self.id()));
        let offer = self.offer(selling, highest.unwrap_or(0));
        let Some(highest) = highest else { return Some(offer) };
        let published: Option<PublishedOffer> = tree.read(&state::offer_key(self.id(), highest));
        // Expiry is ten days off, further than any simulation.
        if published.is_some_and(|published| published.offer.offer.terms() == offer.terms()) {
            return None;
        }
        Some(self.offer(selling, highest + 1))
    }

    fn offer(&self, selling: Selling, serial: u64) -> Offer {
        let location = Location { country: "DE".parse().expect("a country"), asn: 64_500 };
        let link = Contact { protocol: LINK_PROTOCOL.to_owned(), data: (self.node as u64).to_bytes() };
        let certificate = Contact { protocol: CERTIFICATE_PROTOCOL.to_owned(), data: self.certificate.to_bytes() };
        Offer {
            provider: self.id(),
            serial,
            service: Service::SOCKS,
            location,
            exit: location,
            bandwidth_bps: BANDWIDTH_BPS,
            prices: vec![Price {
                unit: Unit::Mb,
                amount: selling.price_per_mb,
                asset: AssetId::WAY,
                reputation_min: 0,
            }],
            exit_policy: Vec::new(),
            contacts: vec![link, certificate],
        }
    }

    /// Tells the market what this node sells: its offers that are on the ledger.
    fn sell(&mut self) {
        let (me, clock) = (self.id(), self.ledger_clock());
        let own = self.index.of_service(Service::SOCKS).filter(|published| published.offer.offer.provider == me);
        let valid = own.filter(|published| !published.expires.passed(clock.time, clock.commits));
        let is_overcharger = self.plan().conduct == Conduct::Overcharger;
        let listings = valid.map(|published| {
            let mut prices = published.offer.offer.prices.clone();
            if is_overcharger {
                let twice = |amount: Amount| amount.checked_add(amount).expect("prices are small");
                prices.iter_mut().for_each(|price| price.amount = twice(price.amount));
            }
            (published.id(), Listing { service: Service::SOCKS, prices })
        });
        let listings = listings.collect();
        self.market.sell(listings);
    }

    /// Tells the market what the ledger says of everyone it deals with.
    fn note_peers(&mut self, at: At<'_>) {
        self.market.set_balance(self.account(self.id()).balance);
        for peer in self.market.peers() {
            self.note_peer(at, peer);
        }
    }

    pub(super) fn note_peer(&mut self, at: At<'_>, peer: IdentityId) {
        let (history, reputation) = (self.history_of(peer), self.score_of(peer));
        let policy = CreditPolicy::default();
        let exposure_max = policy.exposure(&history, reputation);
        let standing = Standing { exposure_max, reputation, trial: policy.trial(&history) };
        let (taken, given) = (self.settled_of(peer, self.id()), self.settled_of(self.id(), peer));
        self.market.set_standing(at.now, peer, standing, &at.store);
        self.market.note_settled(at.now, peer, taken, given, &at.store);
        self.look_up_warnings(at, peer);
    }

    /// What the followed ledger says of an identity.
    fn history_of(&self, id: IdentityId) -> History {
        let follower = self.ledger.follower();
        let (Some(registry), Some(accounts)) = (follower.tree(ProgramId::REGISTRY), follower.tree(ProgramId::ACCOUNTS))
        else {
            return History::default();
        };
        let registration: Option<Registration> = registry.read(&state::registration_key(id));
        let bounces: Bounces = accounts.read(&state::bounces_key(id)).unwrap_or_default();
        let (settled, bounced) = (state::settled_prefix(id), state::bounced_prefix(id));
        let (settled, bounced) = (accounts.iter_prefix(&settled), accounts.iter_prefix(&bounced));
        let is_registered = |payee| registry.value(&state::registration_key(payee)).is_some();
        History::read(registration, self.account(id), bounces, settled, bounced, is_registered)
    }

    /// How this node judges an identity, itself included.
    pub(super) fn score_of(&self, id: IdentityId) -> u16 {
        let pledge = self.scene.genesis.parameters.registration_pledge;
        self.history_of(id).score(&Weights::default(), pledge, self.ledger_clock().time)
    }

    pub fn is_registered(&self, id: IdentityId) -> bool {
        let tree = self.ledger.follower().tree(ProgramId::REGISTRY);
        tree.is_some_and(|tree| tree.value(&state::registration_key(id)).is_some())
    }

    /// An account as the followed ledger shows it.
    pub fn account(&self, id: IdentityId) -> Account {
        let tree = self.ledger.follower().tree(ProgramId::ACCOUNTS);
        tree.and_then(|tree| tree.read(&state::account_key(id, AssetId::WAY))).unwrap_or_default()
    }

    /// What the followed ledger has settled of promises.
    pub fn settled_of(&self, payer: IdentityId, payee: IdentityId) -> Option<Settled> {
        let series = Series { payer, payee, asset: AssetId::WAY, backing: Backing::Account };
        self.ledger.follower().tree(ProgramId::ACCOUNTS)?.read(&state::settled_key(&series))
    }

    /// Whether anything was ever settled from the own account, so that it is empty because it was spent.
    fn has_paid(&self) -> bool {
        self.scene.identities().any(|payee| self.settled_of(self.id(), payee).is_some())
    }

    pub(super) fn ledger_clock(&self) -> LedgerClock {
        let tip = self.ledger.follower().tip();
        LedgerClock {
            time: tip.map_or(self.scene.genesis.time, |tip| tip.time),
            commits: tip.map_or(0, |tip| tip.commits),
        }
    }

    pub(super) fn submit_settlement(&mut self, peer: IdentityId, promise: Promise, call: AccountsCall) {
        let calls = match self.plan().conduct {
            Conduct::Withholder => return,
            Conduct::Forger => self.forge(&call),
            _ => vec![call],
        };
        let fee = self.scene.genesis.parameters.call_prices.other;
        for call in calls {
            match self.transact(Wish { call: Some(Call::Accounts(call)), fee, ..Wish::default() }, false) {
                Some(id) => {
                    self.settlements.insert(id, promise);
                }
                None => {
                    self.settle_later.insert(peer, self.now + SUBMIT_AGAIN);
                }
            }
        }
    }

    /// Twice what was promised, and then twice what was.
    fn forge(&self, call: &AccountsCall) -> Vec<AccountsCall> {
        let AccountsCall::Settle { promise, take, .. } = call else { return vec![call.clone(), call.clone()] };
        let mut forged = *promise;
        forged.promise.amount = forged.promise.amount.checked_add(forged.promise.amount).expect("promises are small");
        let payee = forged.promise.countersign(*take, &self.keys.identity);
        vec![AccountsCall::Settle { promise: forged, payee, take: *take }, call.clone(), call.clone()]
    }

    pub(super) fn payment_news(&mut self, at: At<'_>, peer: IdentityId, news: &PaymentNews) {
        match news {
            PaymentNews::SettlementDue { .. } => {
                let Some(selling) = self.plan().role.selling() else { return };
                let delay = self.draw_number() % (selling.settle_delay_max.0 + 1);
                let due = at.now + Span::millis(delay);
                self.settle_later.entry(peer).or_insert(due);
            }
            PaymentNews::OverLimit(_) => self.over_limit(at),
            _ => {}
        }
    }
}

/// An amount of the network's coin.
pub(super) fn way(amount: Amount) -> Value {
    Value { asset: AssetId::WAY, amount }
}

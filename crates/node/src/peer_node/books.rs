//! The ledger's side of a market node: following, the wallet, transactions and their fate.
//!
//! A transaction is written down before it is sent and sent again until it has a verdict or its time is over, so a crash
//! or a lost submission loses no payment and makes none twice. What the node tends by itself (its registration where it
//! sells, its offer, an announced withdrawal) is an [`Errand`]: at most one of each is under way.

use byway_access::discovery::LedgerClock;
use byway_access::session::Sale;
use byway_dialogue::payment::credit::exposure_max;
use byway_dialogue::payment::{Outcome, PaymentNews};
use byway_driver::disk::{DiskError, Durability};
use byway_kernel::follower::protocol::{Answer, Request};
use byway_kernel::follower::{Advance, ClientNews as LedgerNews};
use byway_peer::market::Standing;
use byway_peer::wallet::{BuildError, Found, Payee, Wish};
use byway_primitives::{Amount, AssetId, Batch, IdentityId, Space, Span, Store, Token};
use byway_records::call::{AccountsCall, Call, OffersCall, RegistryCall, Take};
use byway_records::offer::{Contact, Location, Price, REPUTATION_MAX, Service, Unit};
use byway_records::promise::Series;
use byway_records::state::{
    self, Account, Bounces, PublishedOffer, Registration, Reservation, Settled, account_key, bounces_key,
    offer_serial_key, registration_key, settled_key,
};
use byway_records::{Backing, Offer, OfferId, ProgramId, Promise, Reject, TransactionId, Value};
use tokio::sync::oneshot;

use super::kernel_access::{AskError, SubmitFailed};
use super::{Actor, Arrival, SellingConfig, serving};
use crate::api::{self as contract, ApiError};
use byway_dialogue::StaticCertificate;
use byway_driver::entropy;
use byway_primitives::{Decode, Encode};

/// How long a transaction of ours is good for: long enough for a kernel that is down for a minute.
const TRANSACTION_LIFE: Span = Span::minutes(2);
/// A transaction without a verdict is handed in again after this.
const SUBMIT_AGAIN: Span = Span::seconds(5);
/// What the user chose over the local API.
const CHOICES: Space = Space("choices");
const CHOICES_KEY: &[u8] = b"latest";
/// Sessions that have ended, as the local API shows them.
const SESSION_LOG: Space = Space("session-log");
/// The name of the contact that holds the dialogue's certificate.
pub(super) const CERTIFICATE_PROTOCOL: &str = "byway-dialogue/1";
/// The reputation of everyone until there are scores: that of a newcomer.
pub(super) const NEWCOMER: u16 = REPUTATION_MAX / 2;

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Final,
    Rejected(Reject),
    Lapsed,
    /// No kernel node took it, with what the last one said.
    Refused(String),
}

/// Something that the node does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Errand {
    Register,
    Publish,
    Withdraw,
}

impl Actor {
    /// After opening: what the market must know of the ledger, and what was under way.
    pub(super) fn take_up(&mut self) {
        if let Some(tree) = self.ledger.follower().tree(ProgramId::OFFERS) {
            for (key, value) in tree.iter() {
                note_offer(&mut self.index, key, Some(value));
            }
        }
        if self.ledger.follower().tip().is_none() {
            let (batch, _) = self.wallet.scan_genesis(&self.config.genesis);
            self.write_ledger(batch);
        }
        self.take_up_sessions();
        self.take_up_choices();
        self.note_served();
        self.note_peers();
        self.sell();
        let pending: Vec<TransactionId> = self.wallet.pending().map(|(id, _)| id).collect();
        pending.into_iter().for_each(|id| self.hand_in(id));
    }

    /// Starts following.
    pub(super) fn follow(&mut self) {
        let news = self.ledger.handle_wake(self.clock.now());
        self.ledger_news(news);
    }

    /// Writes to the ledger's journal; the token says when it is durable.
    pub(super) fn write_ledger(&mut self, batch: Batch) -> Token {
        self.ledger_token = Token(self.ledger_token.0 + 1);
        if let Err(error) = self.ledger_journal.write(batch, self.ledger_token) {
            // Storage that has stopped is also told through `durable`, which ends the node.
            tracing::error!(%error, "the ledger's journal can't be written");
        }
        self.ledger_token
    }

    pub(super) fn ledger_became_durable(&mut self, reached: Durability) -> Result<(), DiskError> {
        if let Some(error) = &reached.failed {
            return Err(error.clone());
        }
        while let Some((token, id)) = self.leaving.front().copied()
            && reached.covers(token)
        {
            self.leaving.pop_front();
            self.hand_in(id);
        }
        Ok(())
    }

    pub(super) fn answered(&mut self, member: u8, answer: Result<Answer, AskError>) -> Result<(), DiskError> {
        let now = self.clock.now();
        let news = match answer {
            Ok(answer) => self.ledger.handle_answer(now, member, answer),
            Err(error) => {
                tracing::debug!(%error, "following");
                self.ledger.handle_failed(now, member)
            }
        };
        self.ledger_news(news);
        Ok(())
    }

    pub(super) fn ledger_news(&mut self, news: Vec<LedgerNews>) {
        for news in news {
            match news {
                LedgerNews::Ask { member, request } => self.ask(member, request),
                LedgerNews::Advanced(advance) => self.advanced(*advance),
                LedgerNews::Caught { member, lie } => {
                    let name = self.config.genesis.members.get(member).map(|member| member.name.clone());
                    tracing::error!(member = name, %lie, "a kernel node lied to this follower; asking another");
                }
                LedgerNews::WakeAt(time) => {
                    self.ledger_wake = Some(self.ledger_wake.map_or(time, |at| at.min(time)));
                }
            }
        }
    }

    fn ask(&self, member: u8, request: Request) {
        let (kernel, arrive) = (self.kernel.clone(), self.arrive.clone());
        tokio::spawn(async move {
            let answer = kernel.ask(member, &request).await;
            // The task is gone only when the node has stopped.
            let _ = arrive.send(Arrival::Answer { member, answer }).await;
        });
    }

    fn advanced(&mut self, advance: Advance) {
        let Advance { mut batch, checkpoint, signers, changed, scan } = advance;
        self.signers = signers;
        let (wallet, found) = self.wallet.scan(checkpoint.height, &scan);
        batch.append(wallet);
        self.write_ledger(batch);
        let offers = changed.iter().filter(|(program, _)| *program == ProgramId::OFFERS);
        let keys: Vec<Vec<u8>> = offers.flat_map(|(_, keys)| keys.clone()).collect();
        for key in &keys {
            let tree = self.ledger.follower().tree(ProgramId::OFFERS);
            note_offer(&mut self.index, key, tree.and_then(|tree| tree.value(key)));
        }
        if changed.iter().any(|(program, keys)| *program != ProgramId::OFFERS && !keys.is_empty()) {
            self.note_peers();
        }
        if !keys.is_empty() {
            self.sell();
            self.follow_contacts();
            self.publish_offers();
        }
        for found in &found {
            self.found(found);
        }
        if !found.is_empty() {
            self.publish_wallet();
        }
        self.tend();
    }

    fn found(&mut self, found: &Found) {
        let (id, fate) = match found {
            Found::Received { .. } => return,
            Found::Final(id) => (*id, Fate::Final),
            Found::Rejected(id, reject) => (*id, Fate::Rejected(*reject)),
            Found::Lapsed(id) => (*id, Fate::Lapsed),
        };
        self.submitted_at.remove(&id);
        if let Some(errand) = self.errands.remove(&id) {
            self.tending.remove(&errand);
            if fate != Fate::Final {
                tracing::warn!(?errand, ?fate, "an errand failed");
            }
        }
        if let Some(promise) = self.settlements.remove(&id) {
            let outcome = match &fate {
                Fate::Final => Outcome::Final { given_up: Amount::ZERO },
                Fate::Rejected(reject) => Outcome::Rejected(*reject),
                Fate::Lapsed | Fate::Refused(_) => Outcome::Lost,
            };
            self.market.handle_settlement(self.clock.now(), promise, outcome, &self.market_journal);
        }
        self.resolve(id, &fate);
    }

    /// Tells whoever waits for this transaction.
    fn resolve(&mut self, id: TransactionId, fate: &Fate) {
        let (theirs, others) = std::mem::take(&mut self.waiting).into_iter().partition(|(waited, _)| *waited == id);
        self.waiting = others;
        let theirs: Vec<(TransactionId, oneshot::Sender<Fate>)> = theirs;
        for (_, answer) in theirs {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(fate.clone());
        }
    }

    /// Builds, signs and writes down a transaction; it leaves when it is durable.
    pub(super) fn transact(&mut self, mut wish: Wish, authorised: bool) -> Result<TransactionId, BuildError> {
        let now = self.clock.now();
        wish.expires = now + TRANSACTION_LIFE;
        let identity = self.config.identity.clone();
        let authorise: &[_] = if authorised { &[&identity] } else { &[] };
        let output_min = self.config.genesis.parameters.output_min;
        let built = self.wallet.build(self.network, &wish, authorise, output_min, now, &entropy::seed());
        let (transaction, batch) = built?;
        let id = transaction.id();
        let token = self.write_ledger(batch);
        self.leaving.push_back((token, id));
        self.publish_wallet();
        Ok(id)
    }

    /// Tells what becomes of a transaction.
    pub(super) fn watch(&mut self, id: TransactionId) -> oneshot::Receiver<Fate> {
        let (answer, answered) = oneshot::channel();
        self.waiting.push((id, answer));
        answered
    }

    fn hand_in(&mut self, id: TransactionId) {
        let pending = self.wallet.pending().find(|(pending, _)| *pending == id);
        let Some(bytes) = pending.map(|(_, pending)| pending.bytes.clone()) else { return };
        self.submitted_at.insert(id, self.clock.now());
        let (kernel, arrive) = (self.kernel.clone(), self.arrive.clone());
        tokio::spawn(async move {
            let result = kernel.submit(bytes).await;
            let _ = arrive.send(Arrival::Submitted { id, result }).await;
        });
    }

    pub(super) fn submitted(&mut self, id: TransactionId, result: Result<(), SubmitFailed>) {
        if let Err(error) = result {
            tracing::warn!(%id, %error, "a transaction was not taken");
            if let SubmitFailed::Refused(reason) = error {
                self.resolve(id, &Fate::Refused(reason));
            }
        }
    }

    /// Asks one kernel node after the other how it is, for showing.
    pub(super) fn look_at_kernel(&mut self) {
        let members = self.config.genesis.members.len() as u8;
        let member = self.kernel_looked_at;
        self.kernel_looked_at = (member + 1) % members.max(1);
        let (kernel, arrive) = (self.kernel.clone(), self.arrive.clone());
        tokio::spawn(async move {
            let seen = match kernel.ask(member, &Request::Status).await {
                Ok(Answer::Status(status)) => Arrival::Status { member, status },
                _ => Arrival::Unreachable { member },
            };
            let _ = arrive.send(seen).await;
        });
    }

    /// Looks at what the kernel does, while somebody watches.
    pub(super) fn look_at_pulse(&self) {
        if self.events.receiver_count() == 0 {
            return;
        }
        let (kernel, arrive, member) = (self.kernel.clone(), self.arrive.clone(), self.pulse_of());
        tokio::spawn(async move {
            if let Ok(Answer::Pulse(pulse)) = kernel.ask(member, &Request::Pulse { since: 0 }).await {
                let _ = arrive.send(Arrival::Pulse(pulse)).await;
            }
        });
    }

    /// Whose pulse is looked at: turn and turn about that of two, because each tells what it heard from the others, so
    /// that only two together show all.
    fn pulse_of(&self) -> u8 {
        let current = self.ledger.current();
        let mut others = self.kernel_view.keys().copied().filter(|member| *member != current);
        if self.kernel_looked_at.is_multiple_of(2) { current } else { others.next().unwrap_or(current) }
    }

    /// Looks after what nobody reminds us of.
    pub(super) fn tend(&mut self) {
        let now = self.clock.now();
        let overdue = self.submitted_at.iter().filter(|(_, at)| now >= **at + SUBMIT_AGAIN).map(|(id, _)| *id);
        let overdue: Vec<TransactionId> = overdue.collect();
        overdue.into_iter().for_each(|id| self.hand_in(id));
        let due: Vec<IdentityId> =
            self.settle_later.iter().filter(|(_, at)| now >= **at).map(|(peer, _)| *peer).collect();
        for peer in due {
            self.settle_later.remove(&peer);
            if let Err(error) = self.market.settle(now, peer, Take::Whole, &self.market_journal) {
                tracing::debug!(%peer, %error, "nothing to settle");
            }
        }
        if self.ledger.follower().tip().is_some() {
            self.tend_withdrawal();
            self.tend_offer();
        }
    }

    fn tend_withdrawal(&mut self) {
        let Some(withdrawal) = self.account(self.me()).withdrawal else { return };
        let clock = self.ledger_clock();
        if withdrawal.amount.is_zero() || !withdrawal.ready.passed(clock.time, clock.commits) {
            return;
        }
        let call = Call::Accounts(AccountsCall::Withdraw { from: self.me() });
        let draws = Some(way(withdrawal.amount));
        self.run_errand(Errand::Withdraw, Wish { call: Some(call), draws, ..Wish::default() });
    }

    /// A provider registers itself and keeps its offer on the market.
    fn tend_offer(&mut self) {
        if self.config.selling.is_none() {
            return;
        }
        if !self.is_registered(self.me()) {
            self.run_errand(Errand::Register, self.registration());
        } else if let Some(wish) = self.publication() {
            self.run_errand(Errand::Publish, wish);
        }
    }

    /// What publishes this node's offer, if it is not on the ledger as it should be.
    pub(super) fn publication(&self) -> Option<Wish> {
        let fee = self.config.genesis.parameters.call_prices.offer_publish;
        let offer = self.offer_to_publish()?.sign(&self.config.identity, self.network);
        Some(Wish { call: Some(Call::Offers(OffersCall::Publish { offer })), fee, ..Wish::default() })
    }

    /// The id of the offer that is or will be published.
    pub(super) fn offer_id_next(&self) -> Option<OfferId> {
        let next = self.offer_to_publish().map(|offer| offer.serial);
        let tree = self.ledger.follower().tree(ProgramId::OFFERS)?;
        let serial = next.or_else(|| tree.read(&offer_serial_key(self.me())))?;
        Some(OfferId::of(self.me(), serial))
    }

    /// Sells under these terms from now on; what is left out stays as it is.
    pub(super) fn sell_under(&mut self, terms: &contract::OfferPublish) -> Result<(), ApiError> {
        if terms.service.is_some_and(|service| service != Service::SOCKS) {
            return Err(ApiError::not_supported("service to sell but socks"));
        }
        let before = self.config.selling.clone();
        let missing = |field: &str| ApiError::invalid_params(field, "it is needed for a first offer");
        let known = before.as_ref();
        let country = terms.country.or(known.map(|s| s.location.country)).ok_or_else(|| missing("country"))?;
        let asn = terms.asn.or(known.map(|s| s.location.asn)).ok_or_else(|| missing("asn"))?;
        let price = terms.price_per_mb.or(known.map(|s| s.price_per_mb)).ok_or_else(|| missing("price_per_mb"))?;
        let bandwidth = terms.bandwidth_bps.or(known.map(|s| s.bandwidth_bps));
        let exit_country = terms.exit_country.or(terms.country).or(known.map(|s| s.exit.country)).unwrap_or(country);
        let selling = SellingConfig {
            location: Location { country, asn },
            exit: Location { country: exit_country, asn },
            bandwidth_bps: bandwidth.ok_or_else(|| missing("bandwidth_bps"))?,
            price_per_mb: price,
            allow: known.map(|s| s.allow.clone()).unwrap_or_default(),
            exposure_max: known.and_then(|s| s.exposure_max),
            settle_at: known.map_or(SellingConfig::SETTLE_AT, |s| s.settle_at),
            settle_delay_max: known.map_or(SellingConfig::SETTLE_DELAY_MAX, |s| s.settle_delay_max),
        };
        if self.exit.is_none() {
            let exit = serving::exit(&selling).map_err(ApiError::storage_failed)?;
            self.exit = Some(exit);
        }
        self.config.selling = Some(selling);
        Ok(())
    }

    fn run_errand(&mut self, errand: Errand, wish: Wish) {
        if !self.tending.insert(errand) {
            return;
        }
        match self.transact(wish, true) {
            Ok(id) => {
                self.errands.insert(id, errand);
            }
            Err(error) => {
                tracing::debug!(?errand, %error, "an errand has to wait");
                self.tending.remove(&errand);
            }
        }
    }

    /// What registers this node's identity.
    pub(super) fn registration(&self) -> Wish {
        let call = Call::Registry(RegistryCall::Register { key: self.config.identity.public() });
        let pledge = self.config.genesis.parameters.registration_pledge;
        Wish { call: Some(call), pays: Some(way(pledge)), ..Wish::default() }
    }

    /// What pays into this node's account.
    pub(super) fn deposit(&self, amount: Amount) -> Wish {
        let call = Call::Accounts(AccountsCall::Deposit { to: self.me() });
        Wish { call: Some(call), pays: Some(way(amount)), ..Wish::default() }
    }

    /// What announces a withdrawal from it.
    pub(super) fn announcement(&self, amount: Amount) -> Wish {
        let call = AccountsCall::AnnounceWithdrawal { from: self.me(), asset: AssetId::WAY, amount };
        Wish { call: Some(Call::Accounts(call)), ..Wish::default() }
    }

    /// The offer that should be on the ledger, if it isn't: with these terms and contacts, and not about to expire.
    fn offer_to_publish(&self) -> Option<Offer> {
        let selling = self.config.selling.as_ref()?;
        let contact = self.links.contact(self.certificate.static_key)?;
        let certificate = Contact { protocol: CERTIFICATE_PROTOCOL.to_owned(), data: self.certificate.to_bytes() };
        let price = Price { unit: Unit::Mb, amount: selling.price_per_mb, asset: AssetId::WAY, reputation_min: 0 };
        let mut offer = Offer {
            provider: self.me(),
            serial: 0,
            service: Service::SOCKS,
            location: selling.location,
            exit: selling.exit,
            bandwidth_bps: selling.bandwidth_bps,
            prices: vec![price],
            exit_policy: Vec::new(),
            contacts: vec![contact.to_offer(), certificate],
        };
        let tree = self.ledger.follower().tree(ProgramId::OFFERS)?;
        let highest: Option<u64> = tree.read(&offer_serial_key(self.me()));
        let Some(highest) = highest else { return Some(offer) };
        offer.serial = highest;
        let published: Option<PublishedOffer> = tree.read(&state::offer_key(self.me(), highest));
        match published {
            Some(published) if published.offer.offer.terms() == offer.terms() => {
                let life = self.config.genesis.parameters.offer_life.millis;
                let half_over = self.ledger_clock().time.0 + life.0 / 2 > published.expires.time.0;
                let moved = !same_contacts(&published.offer.offer.contacts, &offer.contacts);
                (half_over || moved).then_some(offer)
            }
            _ => {
                offer.serial = highest + 1;
                Some(offer)
            }
        }
    }

    /// Tells the market what this node sells: its offers that are on the ledger.
    pub(super) fn sell(&mut self) {
        if self.config.selling.is_none() {
            return;
        }
        let (me, clock) = (self.me(), self.ledger_clock());
        let own = self.index.of_service(Service::SOCKS).filter(|published| published.offer.offer.provider == me);
        let valid = own.filter(|published| !published.expires.passed(clock.time, clock.commits));
        let sales = valid.filter_map(|published| {
            let price = published.offer.offer.price(Unit::Mb, AssetId::WAY, NEWCOMER)?;
            Some((published.id(), Sale { service: Service::SOCKS, price }))
        });
        self.market.sell(sales.collect());
    }

    /// Tells the market what the ledger says of everyone it deals with.
    pub(super) fn note_peers(&mut self) {
        for peer in self.market.peers() {
            self.note_peer(peer);
        }
    }

    pub(super) fn note_peer(&mut self, peer: IdentityId) {
        let now = self.clock.now();
        let Some(tree) = self.ledger.follower().tree(ProgramId::ACCOUNTS) else { return };
        let me = self.config.identity.id();
        let series = |payer, payee| Series { payer, payee, asset: AssetId::WAY, backing: Backing::Account };
        let taken: Option<Settled> = tree.read(&settled_key(&series(peer, me)));
        let given: Option<Settled> = tree.read(&settled_key(&series(me, peer)));
        let standing = Standing { exposure_max: self.exposure_of(peer), reputation: NEWCOMER };
        self.market.set_standing(now, peer, standing, &self.market_journal);
        self.market.note_settled(now, peer, taken, given, &self.market_journal);
        self.note_promises(peer);
    }

    /// How much credit an identity gets: what the operator says or half of what its registration cost it, and no more than its account holds.
    fn exposure_of(&self, peer: IdentityId) -> Amount {
        let Some(registration) = self.registered(peer) else { return Amount::ZERO };
        let chosen = self.config.selling.as_ref().and_then(|selling| selling.exposure_max);
        chosen.unwrap_or_else(|| exposure_max(registration.pledge)).min(self.account(peer).balance)
    }

    pub(super) fn registered(&self, id: IdentityId) -> Option<Registration> {
        self.ledger.follower().tree(ProgramId::REGISTRY)?.read(&registration_key(id))
    }

    pub(super) fn is_registered(&self, id: IdentityId) -> bool {
        self.registered(id).is_some()
    }

    pub(super) fn account(&self, id: IdentityId) -> Account {
        let tree = self.ledger.follower().tree(ProgramId::ACCOUNTS);
        tree.and_then(|tree| tree.read(&account_key(id, AssetId::WAY))).unwrap_or_default()
    }

    pub(super) fn bounces(&self, id: IdentityId) -> Bounces {
        let tree = self.ledger.follower().tree(ProgramId::ACCOUNTS);
        tree.and_then(|tree| tree.read(&bounces_key(id))).unwrap_or_default()
    }

    /// What `id` has set aside in reservations.
    pub(super) fn reserved(&self, id: IdentityId) -> Amount {
        let Some(tree) = self.ledger.follower().tree(ProgramId::ACCOUNTS) else { return Amount::ZERO };
        let entries = tree.iter_prefix(&[3]).filter_map(|(_, value)| Reservation::from_bytes(value).ok());
        let own = entries.filter(|reservation| reservation.payer == id).map(|reservation| reservation.value.amount);
        Amount::checked_sum(own).unwrap_or(Amount::MAX)
    }

    pub(super) fn settled_of(&self, payer: IdentityId, payee: IdentityId) -> Settled {
        let series = Series { payer, payee, asset: AssetId::WAY, backing: Backing::Account };
        let tree = self.ledger.follower().tree(ProgramId::ACCOUNTS);
        tree.and_then(|tree| tree.read(&settled_key(&series))).unwrap_or_default()
    }

    pub(super) fn me(&self) -> IdentityId {
        self.config.identity.id()
    }

    /// Where the ledger stands.
    pub(super) fn ledger_clock(&self) -> LedgerClock {
        let tip = self.ledger.follower().tip();
        LedgerClock {
            time: tip.map_or(self.config.genesis.time, |tip| tip.time),
            commits: tip.map_or(0, |tip| tip.commits),
        }
    }

    pub(super) fn submit_settlement(&mut self, peer: IdentityId, promise: Promise, call: AccountsCall) {
        let fee = self.config.genesis.parameters.call_prices.other;
        let wish = Wish { call: Some(Call::Accounts(call)), fee, ..Wish::default() };
        match self.transact(wish, false) {
            Ok(id) => {
                self.settlements.insert(id, promise);
            }
            Err(error) => {
                tracing::warn!(%peer, %error, "a settlement can't be submitted now");
                self.settle_later.insert(peer, self.clock.now() + SUBMIT_AGAIN);
            }
        }
    }

    pub(super) fn payment_news(&mut self, peer: IdentityId, news: PaymentNews) {
        match &news {
            PaymentNews::SettlementDue { .. } => {
                let delay = self.config.selling.as_ref().map_or(Span::ZERO, |selling| selling.settle_delay_max);
                let at = self.some_time_within(delay);
                self.settle_later.entry(peer).or_insert(at);
            }
            PaymentNews::Fault(fault) => tracing::warn!(%peer, %fault, "a peer breaks the rules of payment"),
            PaymentNews::OverLimit(limit) => self.over_limit(&limit.to_string()),
            PaymentNews::Refused { reason, .. } => tracing::debug!(%peer, %reason, "a promise was refused"),
            PaymentNews::Bounced { .. } => tracing::warn!(%peer, "a settlement bounced"),
            _ => {}
        }
        if matches!(news, PaymentNews::Promised { .. } | PaymentNews::Credited { .. } | PaymentNews::Settled { .. }) {
            self.note_promises(peer);
            self.publish_promises(peer);
        }
    }

    /// A payment to someone's address.
    pub(super) fn payment(payee: Payee) -> Wish {
        Wish { payees: vec![payee], ..Wish::default() }
    }

    /// The certificate under which a provider's offer says that it answers.
    pub(super) fn certificate_of(offer: &Offer) -> Option<StaticCertificate> {
        let contact = offer.contacts.iter().find(|contact| contact.protocol == CERTIFICATE_PROTOCOL)?;
        StaticCertificate::from_bytes(&contact.data).ok()
    }
}

impl Actor {
    /// Keeps an ended session, also across restarts.
    pub(super) fn keep_session(&mut self, session: contract::Session) {
        let key = [&session.started_ms.0.to_be_bytes()[..], session.id.0.as_bytes()].concat();
        match serde_json::to_vec(&session) {
            Ok(value) => {
                let mut batch = Batch::new();
                batch.put(SESSION_LOG, key, value);
                self.write_ledger(batch);
            }
            Err(error) => tracing::error!(%error, "a session can't be written down"),
        }
        self.ended_sessions.push(session);
    }

    /// Keeps what the user chose: limits and preferred providers.
    pub(super) fn keep_choices(&mut self) {
        let choices = (self.limits.session_max, self.limits.day_max, &self.preferred);
        match serde_json::to_vec(&choices) {
            Ok(value) => {
                let mut batch = Batch::new();
                batch.put(CHOICES, CHOICES_KEY, value);
                self.write_ledger(batch);
            }
            Err(error) => tracing::error!(%error, "limits and preferences can't be written down"),
        }
    }

    /// What the user chose last stands above the configuration.
    fn take_up_choices(&mut self) {
        let Some(stored) = self.ledger_journal.load(CHOICES, CHOICES_KEY) else { return };
        let Ok((session_max, day_max, preferred)) = serde_json::from_slice(&stored) else { return };
        (self.limits.session_max, self.limits.day_max, self.preferred) = (session_max, day_max, preferred);
        let (now, day_max) = (self.clock.now(), day_max.unwrap_or(Amount::MAX));
        self.market.set_day_max(now, day_max, &self.market_journal);
    }

    fn take_up_sessions(&mut self) {
        let stored = self.ledger_journal.scan_prefix(SESSION_LOG, &[]);
        self.ended_sessions = stored.iter().filter_map(|(_, value)| serde_json::from_slice(value).ok()).collect();
    }
}

/// An amount of the network's coin.
pub(super) fn way(amount: Amount) -> Value {
    Value { asset: AssetId::WAY, amount }
}

fn note_offer(index: &mut byway_access::Index, key: &[u8], value: Option<&[u8]>) {
    if let Err(error) = index.apply(key, value) {
        tracing::warn!(%error, "an offer on the ledger can't be read; it may be of a newer version");
    }
}

/// Whether two lists of contacts lead to the same place. Certificates differ at every start and are renewed with the
/// offer; a change of key is a change of place.
fn same_contacts(a: &[Contact], b: &[Contact]) -> bool {
    let places = |contacts: &[Contact]| -> Vec<Contact> {
        contacts.iter().filter(|contact| contact.protocol != CERTIFICATE_PROTOCOL).cloned().collect()
    };
    places(a) == places(b)
}

//! Transactions of this node: made, written down, sent, and what became of them.
//!
//! A transaction is written down before it is sent and sent again until it has a verdict or its time is over, so a crash
//! or a lost submission loses no payment and makes none twice. What the node tends by itself (its registration where it
//! sells, its offer, an announced withdrawal) is an [`Errand`]: at most one of each is under way.

use byway_dialogue::payment::{Outcome, OverLimit, PaymentNews, SettleError};
use byway_dialogue::{Local, StaticCertificate};
use byway_driver::disk::{DiskError, Durability};
use byway_driver::entropy;
use byway_peer::market::MarketError;
use byway_peer::wallet::{BuildError, Found, Payee, Wish};
use byway_primitives::{Amount, AssetId, Batch, IdentityId, Span, Time, Token};
use byway_records::call::{AccountsCall, Call, RegistryCall, Take};
use byway_records::{Promise, Reject, Transaction, TransactionId, Value};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::actor::CERTIFICATE_LIFE;
use super::history::Note;
use super::kernel_access::SubmitFailed;
use super::limits::Over;
use super::once::Once;
use super::ways::Way;
use super::{Actor, Arrival};

/// How long a transaction of ours is good for: long enough for a kernel that is down for a minute.
pub(super) const TRANSACTION_LIFE: Span = Span::minutes(2);
/// A transaction without a verdict is handed in again after this.
const SUBMIT_AGAIN: Span = Span::seconds(5);

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Final,
    Rejected(Reject),
    Lapsed,
    /// No kernel node took it, for a reason that f + 1 of them gave.
    Refused(String),
}

/// A settlement of ours that has no verdict yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settlement {
    /// What we are owed by it.
    pub promise: Promise,
    /// It settles what we owe as well, and only the net moves.
    pub is_net: bool,
}

/// A transaction that was handed in and has no verdict.
#[derive(Debug, Clone, Copy)]
pub(super) struct Submitted {
    /// When it was handed in last.
    pub at: Time,
    /// Whether a kernel node says that a quorum has built on a snapshot with it.
    pub is_included: bool,
}

/// A transaction to be made.
pub(super) struct Order {
    pub wish: Wish,
    pub signer: Signer,
    /// What is written down with it.
    pub note: Note,
}

/// Who signs a transaction beside the owners of what it spends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signer {
    Nobody,
    /// The node's identity: its account, registration or offer is touched.
    Identity,
    /// The identity that owns kernel nodes: a pledge or a seat is touched.
    Owner,
}

/// A settlement that somebody waits for: told when its transaction is made.
pub(super) type Settling = oneshot::Sender<(TransactionId, oneshot::Receiver<Fate>)>;

/// Something that the node does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Errand {
    Register,
    Publish,
    Withdraw,
    List,
    NameHolders,
    /// What somebody paid for a first message who was blocked.
    Collect(IdentityId),
    /// What was set aside and not collected.
    TakeBack,
    WithdrawAsset(AssetId),
}

impl Actor {
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
        self.month_became_durable(|token| reached.covers(token));
        Ok(())
    }

    /// Builds, signs and writes down a transaction; it leaves when it is durable.
    pub(super) fn transact(&mut self, order: Order, once: Option<&Once>) -> Result<TransactionId, BuildError> {
        let (transaction, mut batch) = self.prepare(order, &Zeroizing::new(entropy::seed()))?;
        let (id, now) = (transaction.id(), self.clock.now());
        if let Some(once) = once {
            batch.append(self.once.note(once, id, now));
        }
        self.launch(id, batch);
        Ok(id)
    }

    /// Builds and signs a transaction, and gives what is to be written down of it, to which others may add. `seed` must be
    /// fresh randomness.
    pub(super) fn prepare(&mut self, order: Order, seed: &[u8; 32]) -> Result<(Transaction, Batch), BuildError> {
        let Order { mut wish, signer, note } = order;
        let now = self.clock.now();
        wish.expires = now + TRANSACTION_LIFE;
        let (identity, owner) = (&self.config.identity, &self.config.owner);
        let authorise: &[_] = match signer {
            Signer::Nobody => &[],
            Signer::Identity => &[identity],
            Signer::Owner => &[owner],
        };
        let grains = self.grains(&wish);
        let built = self.wallet.build(self.network, &wish, authorise, &grains, now, seed);
        let (transaction, mut batch) = built?;
        batch.append(self.notes.keep(transaction.id(), note));
        Ok((transaction, batch))
    }

    /// Writes down a transaction that the wallet knows, and has it leave when that is durable.
    pub(super) fn launch(&mut self, id: TransactionId, batch: Batch) {
        let token = self.write_ledger(batch);
        self.leaving.push_back((token, id));
        self.publish_wallet();
    }

    /// Tells what becomes of a transaction.
    pub(super) fn watch(&mut self, id: TransactionId) -> oneshot::Receiver<Fate> {
        let (answer, answered) = oneshot::channel();
        self.waiting.push((id, answer));
        answered
    }

    pub(super) fn hand_in(&mut self, id: TransactionId) {
        let pending = self.wallet.pending().find(|(pending, _)| *pending == id);
        let Some(bytes) = pending.map(|(_, pending)| pending.bytes.clone()) else { return };
        let is_included = self.submitted.get(&id).is_some_and(|before| before.is_included);
        self.submitted.insert(id, Submitted { at: self.clock.now(), is_included });
        let (kernel, arrive) = (self.kernel.clone(), self.arrive.clone());
        tokio::spawn(async move {
            let result = kernel.submit(bytes).await;
            let taken_by = result.as_ref().ok().copied();
            // The task is gone only when the node has stopped.
            let _ = arrive.send(Arrival::Submitted { id, result: result.map(drop) }).await;
            if let Some(member) = taken_by
                && kernel.included(member, id).await
            {
                let _ = arrive.send(Arrival::Included(id)).await;
            }
        });
    }

    pub(super) fn submitted(&mut self, id: TransactionId, result: Result<(), SubmitFailed>) {
        if let Err(error) = result {
            tracing::warn!(%id, %error, "a transaction was not taken");
            // Anything else says nothing against the transaction, which is handed in again.
            if let SubmitFailed::Refused(refusal) = error {
                self.claim_refused(id, &refusal);
                self.answer_verdict(id, &Fate::Refused(refusal.to_string()));
                self.resolve(id, &Fate::Refused(refusal.to_string()));
            }
        }
    }

    /// A transaction of ours is in a snapshot that a quorum has built on. It may still be rejected.
    pub(super) fn was_included(&mut self, id: TransactionId) {
        // One that has its verdict is not here any more.
        if let Some(handed) = self.submitted.get_mut(&id)
            && !handed.is_included
        {
            handed.is_included = true;
            self.publish_wallet();
        }
    }

    pub(super) fn found(&mut self, found: &Found) {
        let (id, fate) = match found {
            Found::Received { .. } | Found::Spent { .. } => return,
            Found::Final(id) => (*id, Fate::Final),
            Found::Rejected(id, reject) => (*id, Fate::Rejected(*reject)),
            Found::Lapsed(id) => (*id, Fate::Lapsed),
        };
        self.submitted.remove(&id);
        self.channel_verdict(id, &fate);
        if let Some(errand) = self.errands.remove(&id) {
            self.tending.remove(&errand);
            if fate != Fate::Final {
                tracing::warn!(?errand, ?fate, "an errand failed");
            }
        }
        if let Some(Settlement { promise, .. }) = self.settlements.remove(&id) {
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

    /// Looks after what nobody reminds us of.
    pub(super) fn tend(&mut self) {
        let now = self.clock.now();
        let overdue = self.submitted.iter().filter(|(_, handed)| now >= handed.at + SUBMIT_AGAIN).map(|(id, _)| *id);
        let overdue: Vec<TransactionId> = overdue.collect();
        overdue.into_iter().for_each(|id| self.hand_in(id));
        let due: Vec<IdentityId> =
            self.settle_later.iter().filter(|(_, at)| now >= **at).map(|(peer, _)| *peer).collect();
        for peer in due {
            self.settle_later.remove(&peer);
            if let Err(error) = self.market.settle(now, peer, Take::Whole, &self.market_journal) {
                tracing::debug!(%peer, %error, "nothing to settle");
                self.hand_in_settlement_again(now, peer);
            }
        }
        self.tend_certificate(now);
        self.tend_merges();
        self.tend_claims();
        self.tend_invites();
        if self.ledger.follower().tip().is_some() {
            self.tend_withdrawal();
            self.tend_names();
            self.tend_asset_withdrawals();
            self.tend_put_back();
            self.tend_offer();
        }
    }

    /// A settlement that is under way and not with the ledger could not be handed in when it should have been.
    fn hand_in_settlement_again(&mut self, now: Time, peer: IdentityId) {
        let settling = self.market.pair(peer).and_then(|pair| pair.settling);
        if let Some(promise) =
            settling.filter(|promise| !self.settlements.values().any(|known| known.promise == *promise))
        {
            self.market.handle_settlement(now, promise, Outcome::Lost, &self.market_journal);
        }
    }

    /// Renews the dialogue certificate in time, also when the clock turns out to have been behind.
    fn tend_certificate(&mut self, now: Time) {
        if !is_to_be_renewed(self.certificate.not_after, now) {
            return;
        }
        let (network, key) = (self.network, self.certificate.static_key);
        let certificate = StaticCertificate::issue(&self.config.identity, network, key, now + CERTIFICATE_LIFE);
        match Local::new(certificate, *self.config.dialogue_secret) {
            Ok(local) => {
                self.certificate = certificate;
                self.market.renew(local);
            }
            Err(error) => tracing::error!(%error, "the dialogue certificate can't be renewed"),
        }
    }

    pub(super) fn run_errand(&mut self, errand: Errand, order: Order) {
        if !self.tending.insert(errand) {
            return;
        }
        match self.transact(order, None) {
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
    pub(super) fn registration(&self) -> Order {
        let call = Call::Registry(RegistryCall::Register { key: self.config.identity.public() });
        let pledge = self.config.genesis.parameters.registration_pledge;
        Order::signed(Wish { call: Some(call), pays: Some(way(pledge)), ..Wish::default() })
    }

    /// A payment to someone's address.
    pub(super) fn payment(payee: Payee) -> Order {
        let counterparty = Some(payee.to.to_string());
        let order = Order::unsigned(Wish { payees: vec![payee], ..Wish::default() });
        Order { note: Note { counterparty, ..Note::default() }, ..order }
    }

    pub(super) fn submit_settlement(&mut self, peer: IdentityId, promise: Promise, call: AccountsCall) {
        let fee = self.config.genesis.parameters.call_prices.other;
        let is_net = matches!(call, AccountsCall::SettlePair(_));
        let wish = Wish { call: Some(Call::Accounts(call)), fee, ..Wish::default() };
        match self.transact(Order::unsigned(wish), None) {
            Ok(id) => {
                self.settlements.insert(id, Settlement { promise, is_net });
                let (theirs, others) = std::mem::take(&mut self.settling).into_iter().partition(|(of, _)| *of == peer);
                self.settling = others;
                let theirs: Vec<(IdentityId, Settling)> = theirs;
                for (_, asker) in theirs {
                    // Whoever asked may have stopped waiting.
                    let _ = asker.send((id, self.watch(id)));
                }
            }
            Err(error) => {
                tracing::warn!(%peer, %error, "a settlement can't be submitted now");
                self.settle_later.insert(peer, self.clock.now() + SUBMIT_AGAIN);
            }
        }
    }

    /// Settles what `peer` owes; `asker` hears of the transaction once it is made.
    pub(super) fn settle_now(&mut self, peer: IdentityId, asker: Settling) -> Result<(), MarketError> {
        match self.market.settle(self.clock.now(), peer, Take::Whole, &self.market_journal) {
            Ok(()) | Err(MarketError::Settle(SettleError::UnderWay)) => {}
            Err(error) => return Err(error),
        }
        let under_way =
            self.settlements.iter().find(|(_, known)| known.promise.series.payer == peer).map(|(id, _)| *id);
        match under_way {
            Some(id) => {
                // Whoever asked may have stopped waiting.
                let _ = asker.send((id, self.watch(id)));
            }
            None => {
                self.settling.retain(|(_, asker)| !asker.is_closed());
                self.settling.push((peer, asker));
            }
        }
        Ok(())
    }

    /// Whoever asked to settle with `peer` hears of the settlement that the peer handed in instead.
    fn tell_settled_by_peer(&mut self, peer: IdentityId) {
        let Some(id) = self.promise_log.last_settled_by(peer) else { return };
        let (theirs, others) = std::mem::take(&mut self.settling).into_iter().partition(|(of, _)| *of == peer);
        self.settling = others;
        let theirs: Vec<(IdentityId, Settling)> = theirs;
        for (_, asker) in theirs {
            let (answer, answered) = oneshot::channel();
            // Whoever asked may have stopped waiting.
            let _ = answer.send(Fate::Final);
            let _ = asker.send((id, answered));
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
            PaymentNews::OverLimit(OverLimit::Lane { .. } | OverLimit::LaneUnsigned | OverLimit::NoLane)
                if self.goes_over_to_account(peer) => {}
            PaymentNews::OverLimit(limit) => {
                let leads_there = |way: &Way| way.connection.offer().is_some_and(|offer| offer.provider == peer);
                for way in self.ways.ids(leads_there) {
                    match limit {
                        OverLimit::Day { limit } => self.stop_way(way, Over::day(*limit)),
                        OverLimit::Ceiling { .. } => self.end_of_budget(way, &limit.to_string()),
                        OverLimit::Lane { missing } => self.channel_is_empty(way, peer, Some(*missing)),
                        OverLimit::LaneUnsigned => self.lane_is_unsigned(way, peer),
                        OverLimit::NoLane => self.channel_is_empty(way, peer, None),
                    }
                }
            }
            PaymentNews::Refused { reason, .. } => tracing::debug!(%peer, %reason, "a promise was refused"),
            PaymentNews::Bounced { promise } => {
                tracing::warn!(%peer, "a settlement bounced");
                let settled = self.settled_of(promise.series.payer, promise.series.payee);
                let known = if settled.serial == promise.serial { settled.amount } else { Amount::ZERO };
                self.note_bounced(promise.amount.saturating_sub(known));
            }
            _ => {}
        }
        if matches!(news, PaymentNews::Bounced { .. } | PaymentNews::SettlementRejected { .. }) {
            self.settled_put_back(peer);
        }
        if matches!(news, PaymentNews::Promised { .. } | PaymentNews::Credited { .. } | PaymentNews::Settled { .. }) {
            self.note_promises(peer);
            self.publish_promises(peer);
        }
        if let PaymentNews::Settled { .. } = news {
            self.tell_settled_by_peer(peer);
        }
    }

    pub(super) fn me(&self) -> IdentityId {
        self.config.identity.id()
    }
}

impl Order {
    /// With the signature of the node's identity.
    pub fn signed(wish: Wish) -> Self {
        Self { wish, signer: Signer::Identity, note: Note::default() }
    }

    /// With the signature of the identity that owns kernel nodes.
    pub fn of_owner(wish: Wish) -> Self {
        Self { wish, signer: Signer::Owner, note: Note::default() }
    }

    pub fn unsigned(wish: Wish) -> Self {
        Self { wish, signer: Signer::Nobody, note: Note::default() }
    }
}

/// Whether a certificate that ends then is renewed: when half of its life is over. What is left is longer than an offer
/// lives, so that no offer outlives the certificate in it.
fn is_to_be_renewed(not_after: Time, now: Time) -> bool {
    now + Span(CERTIFICATE_LIFE.0 / 2) > not_after
}

/// An amount of the network's coin.
pub(super) fn way(amount: Amount) -> Value {
    Value { asset: AssetId::WAY, amount }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_outlives_the_offers_that_hold_it() {
        let issued = Time(1_000_000);
        let not_after = issued + CERTIFICATE_LIFE;
        let offer_life = byway_records::genesis::Parameters::standard().offer_life.millis;
        for (days, renewed) in [(0, false), (14, false), (15, false), (16, true), (30, true), (300, true)] {
            let now = issued + Span::days(days);
            assert_eq!(is_to_be_renewed(not_after, now), renewed, "after {days} days");
            assert!(renewed || now + offer_life <= not_after, "an offer of day {days} lives as long as it");
        }
    }
}

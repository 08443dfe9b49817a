//! The payee's half: takes promises, after checking everything itself.
//!
//! A promise is journaled before it counts: credit is given once the write is durable, and acceptance and advice wait
//! behind the same write. Settlement stands in [`settlement`](super::settlement).

use std::collections::{BTreeMap, VecDeque};

use byway_crypto::IdentitySecret;
use byway_primitives::{Amount, Batch, Encode, Store, Time, Token};
use byway_records::state::Settled;
use byway_records::{Backing, Promise, SignedPromise};

use super::credit::{Bounds, net_exposure};
use super::journal::{
    EARLIER_MAX, InFlight, JournalError, PROMISES, Record, SERIES_MAX, SPENDERS_MAX, Spender, Standing, Taken,
    TakenRecord, total,
};
use super::message::{Advice, PaymentMessage, Refusal, Terms};
use super::netting::{Agreement, Given};
use super::news::PaymentNews;
use super::outbox::Outbox;
use super::settlement::{Advising, Due, Reach};
use super::wish::Wish;
use super::{Parties, TakeConfig};

/// The remainder moves by more than a tenth before it is advised again (row A9).
const ADVICE_PARTS: u128 = 10;

pub(super) struct Payee {
    pub(super) parties: Parties,
    pub(super) secret: IdentitySecret,
    pub(super) config: TakeConfig,
    pub(super) record: TakenRecord,
    /// What may be unsettled under each backing that is taken.
    admitted: BTreeMap<Backing, Amount>,
    bounds: Bounds,
    /// What we owe the peer, which counts against what it owes us.
    pub(super) given: Option<Given>,
    /// The most of a net proposed by us that may be ours to pay.
    pub(super) net_max: Amount,
    pub(super) agreement: Agreement,
    /// Received and durable.
    credited: Amount,
    /// Writes under way, and what is received once they are durable.
    pub(super) pending: VecDeque<(Token, Amount)>,
    /// Whether a dialogue is open.
    link: Link,
    /// The series of the last promise.
    pub(super) current: Backing,
    /// The remainder last advised.
    advised: Amount,
    /// The terms last advised on this link.
    terms: Option<Terms>,
    /// The last raise of the peer's. A payer raises when half a window is used up, so a window is about twice this.
    pub(super) raise: Amount,
    pub(super) advising: Option<Advising>,
    /// What was asked to be settled while something stood against it.
    pub(super) wishes: BTreeMap<Backing, Wish>,
    /// Settlements that leave once the journal knows of them.
    pub(super) submitting: VecDeque<(Token, InFlight)>,
    /// Whether it was said that a settlement is due; once is enough until something is settled.
    pub(super) due: Due,
    /// A promise that the ledger turned down for good: it is not handed in again by itself.
    pub(super) turned_down: Option<Promise>,
    /// Since when something is unsettled, as far as is known.
    pub(super) unsettled_since: Option<Time>,
    /// What our own settlements take out of the payer's account: so far its balance falls for a reason.
    pub(super) explained: Amount,
    /// The serial that shall not be raised further.
    closed_serial: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Up,
    Down,
}

impl Payee {
    pub(super) fn restore(
        parties: Parties,
        secret: IdentitySecret,
        config: TakeConfig,
        store: &impl Store,
    ) -> Result<Self, JournalError> {
        let record = TakenRecord::load(store, parties.peer, parties.asset)?;
        let admitted = BTreeMap::from([(Backing::Account, config.exposure_max)]);
        // Only one series is in use at a time; the richest is as good a guess as any until the next promise comes.
        let current = record.series.iter().max_by_key(|(_, taken)| taken.unsettled()).map(|(backing, _)| *backing);
        Ok(Self {
            parties,
            secret,
            config,
            admitted,
            bounds: Bounds::default(),
            given: None,
            net_max: Amount::ZERO,
            agreement: Agreement::None,
            credited: record.received,
            pending: VecDeque::new(),
            link: Link::Down,
            current: current.unwrap_or(Backing::Account),
            advised: Amount::ZERO,
            terms: None,
            unsettled_since: None,
            explained: Amount::ZERO,
            raise: Amount::ZERO,
            advising: None,
            wishes: BTreeMap::new(),
            submitting: VecDeque::new(),
            due: Due::NotYet,
            turned_down: None,
            closed_serial: None,
            record,
        })
    }

    pub(super) fn start(&self, out: &mut Outbox) {
        out.notify(PaymentNews::Credited { received: self.credited });
        self.submit_again(out);
    }

    pub(super) fn credited(&self) -> Amount {
        self.credited
    }

    /// Received and not yet used up.
    pub(super) fn remainder(&self) -> Amount {
        self.record.received.saturating_sub(total(&self.record.spent))
    }

    pub(super) fn series(&self) -> impl Iterator<Item = (&Backing, &Taken)> {
        self.record.series.iter()
    }

    pub(super) fn net_against(&mut self, given: Option<Given>) {
        self.given = given;
    }

    pub(super) fn admit(&mut self, now: Time, backing: Backing, unsettled_max: Amount, out: &mut Outbox) {
        let before = self.admitted.insert(backing, unsettled_max).unwrap_or_default();
        self.advise_terms(out);
        self.try_bounced_again(now, backing, out);
        if self.has_fallen(before.saturating_sub(unsettled_max)) {
            self.settle_at_once(now, backing, out);
        }
        self.settle_if_due(now, backing, out);
    }

    pub(super) fn bound(&mut self, now: Time, bounds: Bounds, out: &mut Outbox) {
        if self.bounds != bounds {
            self.bounds = bounds;
            self.advise_terms(out);
            self.settle_if_due(now, Backing::Account, out);
        }
    }

    /// Whether what may be unsettled fell by more than our own settlements took.
    fn has_fallen(&mut self, fallen: Amount) -> bool {
        let explained = self.explained.min(fallen);
        let settling = self.record.series.values().any(|taken| taken.in_flight.is_some());
        // What was settled and did not make it fall will not any more.
        self.explained =
            if fallen.is_zero() && !settling { Amount::ZERO } else { self.explained.saturating_sub(explained) };
        fallen > explained
    }

    /// What may be unsettled under `backing`; nothing where it is not taken.
    pub(super) fn unsettled_max(&self, backing: Backing) -> Amount {
        self.admitted.get(&backing).copied().unwrap_or_default()
    }

    pub(super) fn attach(&mut self, now: Time, out: &mut Outbox) {
        self.link = Link::Up;
        self.advise_with_copy(out);
        // A crash forgets that a settlement was due, and without room no promise comes to say so again.
        self.settle_if_due(now, self.current, out);
    }

    pub(super) fn detach(&mut self) {
        self.link = Link::Down;
        self.terms = None;
    }

    pub(super) fn ask_new_promise(&mut self, out: &mut Outbox) {
        self.closed_serial = self.last().map(|last| last.promise.serial);
        self.advise(None, out);
    }

    pub(super) fn handle_durable(&mut self, token: Token, out: &mut Outbox) {
        let before = self.credited;
        while let Some((_, received)) = self.pending.pop_front_if(|(pending, _)| *pending <= token) {
            self.credited = self.credited.max(received);
        }
        if self.credited > before {
            out.notify(PaymentNews::Credited { received: self.credited });
        }
        self.submit_durable(token, out);
    }

    /// The peer has used this much of what `spender` gives, in all.
    pub(super) fn earn(&mut self, spender: Spender, used: Amount, out: &mut Outbox) {
        if self.record.spent.len() >= SPENDERS_MAX && !self.record.spent.contains_key(&spender) {
            return;
        }
        let entry = self.record.spent.entry(spender).or_default();
        *entry = used.max(*entry);
        let (now, before) = (self.remainder().units(), self.advised.units());
        let moved = now.abs_diff(before);
        if moved > before / ADVICE_PARTS || (now == 0 && before > 0) {
            self.advise(None, out);
        }
    }

    pub(super) fn handle_offer(&mut self, now: Time, offer: SignedPromise, out: &mut Outbox) {
        let Promise { serial, amount, series, .. } = offer.promise;
        match self.check(&offer) {
            Ok(raise) => {
                self.take(offer, raise, out);
                out.send(PaymentMessage::Accepted { serial, amount });
                self.advise(None, out);
                self.settle_if_due(now, series.backing, out);
            }
            Err(Turned::Known) => out.send(PaymentMessage::Accepted { serial, amount }),
            Err(Turned::Refused(reason)) => {
                out.send(PaymentMessage::Refused { serial, amount, reason });
                // A payer that is behind needs the copy to go on.
                if matches!(reason, Refusal::SerialOld { .. } | Refusal::NotHigher { .. }) {
                    self.advise_with_copy(out);
                }
            }
        }
    }

    /// How much more than before `offer` promises.
    fn check(&self, offer: &SignedPromise) -> Result<Amount, Turned> {
        let Promise { series, serial, amount, .. } = offer.promise;
        self.check_series(&offer.promise).map_err(Turned::Refused)?;
        let (known, last) = match self.record.series.get(&series.backing) {
            Some(taken) => (Some(taken), position(taken)),
            None => (None, (0, Amount::ZERO)),
        };
        if known.is_some_and(|taken| taken.last.as_ref() == Some(offer)) {
            return Err(Turned::Known);
        }
        let refused = |reason| Err(Turned::Refused(reason));
        if serial < last.0 {
            return refused(Refusal::SerialOld { last: last.0 });
        }
        let raise = if serial == last.0 { amount.saturating_sub(last.1) } else { amount };
        if raise.is_zero() {
            return refused(Refusal::NotHigher { last: last.1 });
        }
        if amount < self.config.amount_min {
            return refused(Refusal::BelowMinimum { minimum: self.config.amount_min });
        }
        let earlier = known.map_or(0, |taken| taken.earlier.len());
        if serial > last.0 && earlier >= EARLIER_MAX || known.is_none() && self.record.series.len() >= SERIES_MAX {
            return refused(Refusal::TooManyUnsettled);
        }
        if known.is_some_and(|taken| taken.standing == Standing::Bounced) {
            return refused(Refusal::Bounced);
        }
        let room = self.room(series.backing);
        if raise > room {
            return refused(Refusal::OverExposure { room });
        }
        if self.record.received.checked_add(raise).is_none() {
            return refused(Refusal::OverExposure { room: Amount::ZERO });
        }
        offer.verify().map_err(|_| Turned::Refused(Refusal::Signature))?;
        Ok(raise)
    }

    fn check_series(&self, promise: &Promise) -> Result<(), Refusal> {
        let (series, parties) = (&promise.series, &self.parties);
        if promise.network != parties.network {
            return Err(Refusal::WrongNetwork);
        }
        if (series.payer, series.payee) != (parties.peer, parties.me) {
            return Err(Refusal::WrongParties);
        }
        if series.asset != parties.asset {
            return Err(Refusal::WrongAsset);
        }
        if !self.admitted.contains_key(&series.backing) {
            return Err(Refusal::WrongBacking);
        }
        Ok(())
    }

    /// Journals a promise that was found good. Nothing counts before the write is durable.
    fn take(&mut self, offer: SignedPromise, raise: Amount, out: &mut Outbox) {
        let backing = offer.promise.series.backing;
        let taken = self.record.series.entry(backing).or_default();
        if let Some(last) = taken.last.replace(offer) {
            assert!(position_of(&offer) > position_of(&last), "a journaled promise is only replaced by a higher one");
            if last.promise.serial < offer.promise.serial && !taken.open_amount(&last).is_zero() {
                taken.earlier.push(last);
            }
        }
        self.current = backing;
        self.raise = raise;
        self.record.received = self.record.received.checked_add(raise).expect("checked before");
        let token = self.save(out);
        self.pending.push_back((token, self.record.received));
    }

    /// How much more is taken under `backing` before something is settled.
    pub(super) fn room(&self, backing: Backing) -> Amount {
        let room = self.room_in_the_end(backing);
        match self.bounds.held_to.filter(|_| backing == Backing::Account) {
            Some(held_to) => room.min(held_to.saturating_sub(self.exposed(backing))),
            None => room,
        }
    }

    /// The same, once everything is known of the peer.
    fn room_in_the_end(&self, backing: Backing) -> Amount {
        self.room_beside(backing, self.exposed(backing))
    }

    fn room_beside(&self, backing: Backing, exposed: Amount) -> Amount {
        let Some(unsettled_max) = self.admitted.get(&backing) else { return Amount::ZERO };
        let taken = self.record.series.get(&backing);
        if taken.is_some_and(|taken| taken.standing == Standing::Bounced) {
            return Amount::ZERO;
        }
        let elsewhere = if backing == Backing::Account { self.bounds.elsewhere } else { Amount::ZERO };
        unsettled_max.saturating_sub(elsewhere).saturating_sub(exposed)
    }

    /// The room that there would be if the peer had settled all that we owe it, which it can do alone at any time.
    pub(super) fn room_without_netting(&self, backing: Backing) -> Amount {
        self.room_beside(backing, self.unsettled(backing))
    }

    fn unsettled(&self, backing: Backing) -> Amount {
        self.record.series.get(&backing).map_or(Amount::ZERO, Taken::unsettled)
    }

    /// What is unsettled. Only credit is netted: what stands behind a reservation does not grow because we owe its payer.
    fn exposed(&self, backing: Backing) -> Amount {
        let unsettled = self.unsettled(backing);
        match backing {
            Backing::Account => net_exposure(unsettled, self.given.map_or(Amount::ZERO, |given| given.unsettled)),
            _ => unsettled,
        }
    }

    fn last(&self) -> Option<&SignedPromise> {
        self.record.series.get(&self.current)?.last.as_ref()
    }

    pub(super) fn advise(&mut self, settling: Option<u64>, out: &mut Outbox) {
        if self.link == Link::Up {
            let copy = if self.updates() { self.last().copied() } else { None };
            self.send_advice(copy, settling, out);
        }
    }

    /// Says it where the terms are others than those that were advised.
    fn advise_terms(&mut self, out: &mut Outbox) {
        if self.terms != Some(self.terms_now()) {
            self.advise(None, out);
        }
    }

    fn advise_with_copy(&mut self, out: &mut Outbox) {
        let settling = self.advising.as_ref().and_then(Advising::serial);
        let copy = self.last().copied();
        self.send_advice(copy, settling, out);
    }

    fn send_advice(&mut self, copy: Option<SignedPromise>, settling: Option<u64>, out: &mut Outbox) {
        let terms = self.terms_now();
        self.advised = self.remainder();
        self.terms = Some(terms);
        out.send(PaymentMessage::Advice(Advice { remainder: self.advised, terms, copy, settling }));
    }

    fn terms_now(&self) -> Terms {
        Terms {
            asset: self.parties.asset,
            amount_min: self.config.amount_min,
            backing: self.config.backing,
            update: self.updates(),
            room: self.room(self.current),
        }
    }

    /// Whether the last promise may be raised.
    fn updates(&self) -> bool {
        self.config.update && self.last().is_none_or(|last| self.closed_serial != Some(last.promise.serial))
    }

    /// The ledger stands at `settled` for this series.
    pub(super) fn note_settled(&mut self, now: Time, backing: Backing, settled: Settled, out: &mut Outbox) {
        let known = self.record.series.contains_key(&backing);
        if !known && self.record.series.len() >= SERIES_MAX {
            return;
        }
        let taken = self.record.series.entry(backing).or_default();
        let before = taken.clone();
        taken.note_settled(settled);
        if *taken == before {
            return;
        }
        // What was handed in here is told of with its verdict.
        let is_ours = before.in_flight.is_some_and(|in_flight| position_of(&in_flight.promise) >= settled_at(settled));
        if taken.unsettled() < before.unsettled() && !is_ours {
            let Settled { serial, amount } = settled;
            let (network, series) = (self.parties.network, self.parties.taken(backing));
            let promise = Promise { network, series, serial, amount };
            out.notify(PaymentNews::Settled { promise, given_up: Amount::ZERO });
        }
        self.settled(now, backing, out);
    }

    /// What follows when less is unsettled: it is journaled, and there is room for more.
    pub(super) fn settled(&mut self, now: Time, backing: Backing, out: &mut Outbox) {
        (self.due, self.unsettled_since) = (Due::NotYet, None);
        if backing == Backing::Account && self.agreement == Agreement::Broken {
            self.agreement = Agreement::None;
        }
        self.save(out);
        self.look_again(now, backing, out);
    }

    /// Less is unsettled one way or the other: what stood against settling may be gone, and what is owed the other way
    /// counts no longer.
    pub(super) fn look_again(&mut self, now: Time, backing: Backing, out: &mut Outbox) {
        self.look_at_agreed_pair(out);
        self.advise_terms(out);
        self.settle_wished(now, out);
        self.settle_if_due(now, backing, out);
    }

    /// Whether the payer can be told before something is settled.
    pub(super) fn reach(&self) -> Reach {
        match self.link {
            Link::Up => Reach::Peer,
            Link::Down => Reach::Nobody,
        }
    }

    pub(super) fn save(&mut self, out: &mut Outbox) -> Token {
        let mut batch = Batch::new();
        batch.put(PROMISES, TakenRecord::key(self.parties.peer, self.parties.asset), self.record.to_bytes());
        out.persist(batch)
    }
}

/// Why an offer adds nothing.
enum Turned {
    /// It is the last promise again: a payer that is not sure we have it.
    Known,
    Refused(Refusal),
}

pub(super) fn position_of(promise: &SignedPromise) -> (u64, Amount) {
    (promise.promise.serial, promise.promise.amount)
}

fn settled_at(settled: Settled) -> (u64, Amount) {
    (settled.serial, settled.amount)
}

/// The highest serial and amount known of a series, from the peer or from the ledger.
fn position(taken: &Taken) -> (u64, Amount) {
    let last = taken.last.as_ref().map_or((0, Amount::ZERO), position_of);
    last.max(settled_at(taken.settled))
}

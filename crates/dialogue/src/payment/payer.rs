//! The payer's half: makes promises, never less than before.
//!
//! The one rule: what is signed under (series, serial) only grows, and serials only grow, whatever happens to this
//! machine. So every promise is in the journal before it is sent, and after a loss of the journal the machine goes on
//! only from the copy in the payee's advice, which carries its own signature, or from an [`export`](super::export), under
//! serials that it has never used.

use byway_crypto::IdentitySecret;
use byway_primitives::{Amount, Batch, Encode, Store, Time};
use byway_records::state::Settled;
use byway_records::{Backing, Promise, SignedPromise};

use super::credit::{Ahead, Window};
use super::journal::{
    GivenRecord, JournalError, PROMISES, PayFrom, Record, SERIES_MAX, SPENDERS_MAX, Spender, open_amount, serials_from,
    total,
};
use super::message::{Advice, BackingKind, PaymentMessage, Refusal, Terms};
use super::netting::Given;
use super::news::{OverLimit, PaymentFault, PaymentNews};
use super::outbox::Outbox;
use super::{GiveConfig, Parties};

const DAY_MILLIS: u64 = 86_400_000;

pub(super) struct Payer {
    parties: Parties,
    secret: IdentitySecret,
    config: GiveConfig,
    pub(super) record: GivenRecord,
    /// What was promised under lower serials is not known for certain: nothing more is.
    serials_from: u64,
    backing: Backing,
    /// What to pay from next, once the last promise is known to have arrived.
    wanted_backing: Backing,
    /// How far ahead to stay; `None` while nothing is being used.
    pub(super) window: Option<Window>,
    pub(super) talk: Talk,
    /// Whether the payee has run out of credit, so that whatever was used is promised at once.
    pub(super) credit: Credit,
    delivery: Delivery,
    /// Of what was promised, what the payee is known to have.
    pub(super) accepted: Amount,
    /// What the ledger has settled of the current backing.
    settled: Settled,
    /// What was last said about a limit, so that it is said once.
    pub(super) said: Option<PaymentNews>,
}

/// Where the talk with the payee stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Talk {
    /// No advice yet on this link: nothing is promised.
    Silent,
    /// Promises up to this much in all are welcome.
    Open { terms: Terms, promised_max: Amount },
    /// A promise was refused; wait for the next advice, then send it again if that may help.
    Refused { again: bool },
}

/// Whether the payee has something left to serve for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credit {
    Left,
    RanOut,
}

/// Whether the payee is known to have dealt with our last promise. Until then no new serial begins: only the last
/// promise is kept and sent again, so an earlier one could be lost for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    Sure,
    Unsure,
}

impl Payer {
    pub(super) fn restore(
        parties: Parties,
        secret: IdentitySecret,
        config: GiveConfig,
        store: &impl Store,
    ) -> Result<Self, JournalError> {
        let record = GivenRecord::load(store, parties.peer, parties.asset)?;
        Ok(Self {
            parties,
            secret,
            config,
            accepted: record.promised,
            backing: record.current.unwrap_or(Backing::Account),
            wanted_backing: record.current.unwrap_or(Backing::Account),
            record,
            serials_from: serials_from(store),
            window: None,
            talk: Talk::Silent,
            credit: Credit::Left,
            delivery: Delivery::Unsure,
            settled: Settled::default(),
            said: None,
        })
    }

    pub(super) fn promised(&self) -> Amount {
        self.record.promised
    }

    /// Promised and not yet used.
    pub(super) fn remainder(&self) -> Amount {
        self.record.promised.saturating_sub(total(&self.record.spent))
    }

    pub(super) fn window(&self) -> Amount {
        self.window.map_or(Amount::ZERO, |window| window.in_force())
    }

    pub(super) fn last(&self) -> Option<&SignedPromise> {
        self.record.series.get(&self.backing)
    }

    /// Of the current series, promised and not yet settled.
    pub(super) fn unsettled(&self) -> Amount {
        self.last().map_or(Amount::ZERO, |last| open_amount(&last.promise, self.settled))
    }

    /// The last promise, and what of it is not settled.
    pub(super) fn given(&self) -> Option<Given> {
        self.last().map(|promise| Given { promise: *promise, settled: self.settled, unsettled: self.unsettled() })
    }

    /// The ledger's position of our promises on `backing`, as far as is known.
    pub(super) fn settled_on(&self, backing: Backing) -> Settled {
        if backing == self.backing { self.settled } else { Settled::default() }
    }

    pub(super) fn detach(&mut self) {
        self.talk = Talk::Silent;
    }

    pub(super) fn use_backing(&mut self, now: Time, backing: Backing, out: &mut Outbox) {
        self.wanted_backing = backing;
        self.top_up(now, out);
    }

    pub(super) fn set_day_max(&mut self, now: Time, day_max: Amount, out: &mut Outbox) {
        self.config.day_max = day_max;
        self.top_up(now, out);
    }

    /// Stays this far ahead of what is used; [`Ahead::NOTHING`] to stop.
    pub(super) fn stay_ahead(&mut self, now: Time, ahead: Ahead, out: &mut Outbox) {
        self.window = match self.window {
            _ if ahead == Ahead::NOTHING => None,
            None => Some(Window::new(ahead)),
            Some(mut window) => {
                window.retarget(ahead);
                Some(window)
            }
        };
        self.top_up(now, out);
    }

    /// The payee serves no further: what was used is promised without waiting for half a window. Something that counts
    /// there and was never used here (sent and not read, or lost) may hold more than the other half.
    pub(super) fn note_exhausted(&mut self, now: Time, out: &mut Outbox) {
        self.credit = Credit::RanOut;
        self.top_up(now, out);
    }

    /// `spender` has used this much in all. The record goes to disk with the next promise: it is only a lower bound,
    /// since spenders keep their own.
    pub(super) fn spend(&mut self, now: Time, spender: Spender, used: Amount, out: &mut Outbox) {
        let before = total(&self.record.spent);
        if self.record.spent.len() >= SPENDERS_MAX && !self.record.spent.contains_key(&spender) {
            return;
        }
        let entry = self.record.spent.entry(spender).or_default();
        *entry = used.max(*entry);
        let more = total(&self.record.spent).saturating_sub(before);
        if let Some(window) = &mut self.window {
            window.honour(more);
        }
        self.top_up(now, out);
    }

    /// The ledger's position of the current series. A settled promise was ours, so a payer that lost its journal never
    /// goes below it.
    pub(super) fn note_settled(&mut self, backing: Backing, settled: Settled) {
        if backing == self.backing && (settled.serial, settled.amount) > (self.settled.serial, self.settled.amount) {
            self.settled = settled;
        }
    }

    pub(super) fn handle_advice(&mut self, now: Time, advice: Advice, out: &mut Outbox) {
        let Advice { remainder, terms, copy, settling } = advice;
        if terms.asset != self.parties.asset {
            return out.notify(PaymentNews::Fault(PaymentFault::OtherAsset));
        }
        if let Some(copy) = &copy {
            self.go_on_from(copy, remainder, out);
        }
        if copy.is_some_and(|copy| self.last().map(|last| last.promise) == Some(copy.promise)) {
            self.delivery = Delivery::Sure;
        } else if self.talk == Talk::Silent {
            // The first advice shows what the payee has. If that is not our last promise it has lost it (a backup), or
            // somebody else accepted it under its name: without it the payee would wait for credit and we for use.
            self.delivery = Delivery::Unsure;
        }
        // After silence we don't know whether the payee has our last promise; sending it again does no harm.
        if matches!(self.talk, Talk::Silent | Talk::Refused { again: true })
            && self.delivery == Delivery::Unsure
            && let Some(last) = self.last()
        {
            out.send(PaymentMessage::Offer(*last));
        }
        let promised_max = self.accepted.checked_add(terms.room).unwrap_or(Amount::MAX);
        self.talk = Talk::Open { terms, promised_max };
        if let Some(serial) = settling {
            out.send(PaymentMessage::Noted { serial });
        }
        out.notify(PaymentNews::Advised { remainder, terms });
        self.top_up(now, out);
    }

    pub(super) fn handle_accepted(&mut self, now: Time, serial: u64, amount: Amount, out: &mut Outbox) {
        let Some(SignedPromise { promise, .. }) = self.last().copied() else {
            return out.notify(PaymentNews::Fault(PaymentFault::AcceptedUnknown));
        };
        if (serial, amount) > (promise.serial, promise.amount) {
            return out.notify(PaymentNews::Fault(PaymentFault::AcceptedUnknown));
        }
        if (serial, amount) == (promise.serial, promise.amount) {
            self.delivery = Delivery::Sure;
        }
        if serial == promise.serial {
            let outstanding = promise.amount.saturating_sub(amount);
            self.accepted = self.record.promised.saturating_sub(outstanding);
        }
        out.notify(PaymentNews::Accepted { serial, amount });
        self.top_up(now, out);
    }

    pub(super) fn handle_refused(&mut self, serial: u64, amount: Amount, reason: Refusal, out: &mut Outbox) {
        let again = matches!(reason, Refusal::OverExposure { .. } | Refusal::Bounced | Refusal::TooManyUnsettled);
        self.talk = Talk::Refused { again };
        self.delivery = if again { Delivery::Unsure } else { Delivery::Sure };
        out.notify(PaymentNews::Refused { serial, amount, reason });
    }

    /// The payee holds a later promise with our own signature, so our journal is behind (lost, or restored from a
    /// backup). Goes on from the copy, and believes the payee about the credit that is left: that can cost one window,
    /// while starting below would cost every promise from now on.
    fn go_on_from(&mut self, copy: &SignedPromise, remainder: Amount, out: &mut Outbox) {
        let Promise { network, series, serial, amount } = copy.promise;
        let later = self.record.series.get(&series.backing).is_none_or(|last| {
            let last = &last.promise;
            (serial, amount) > (last.serial, last.amount)
        });
        if !later {
            return;
        }
        let known = self.record.series.contains_key(&series.backing);
        let ours = network == self.parties.network
            && (series.payer, series.payee, series.asset) == (self.parties.me, self.parties.peer, self.parties.asset)
            && (known || self.record.series.len() < SERIES_MAX)
            && copy.verify().is_ok();
        if !ours {
            return out.notify(PaymentNews::Fault(PaymentFault::ForgedCopy));
        }
        self.record.series.insert(series.backing, *copy);
        self.record.promised = total(&self.record.spent).checked_add(remainder).unwrap_or(Amount::MAX);
        self.accepted = self.record.promised;
        self.backing = series.backing;
        self.wanted_backing = series.backing;
        self.record.current = Some(series.backing);
        self.delivery = Delivery::Sure;
        self.save(out);
        out.notify(PaymentNews::Recovered { promise: copy.promise });
    }

    /// Promises more if less than half a window is left, or anything was used and the payee has nothing left.
    pub(super) fn top_up(&mut self, now: Time, out: &mut Outbox) {
        if self.wanted_backing != self.backing && (self.delivery == Delivery::Sure || self.last().is_none()) {
            self.backing = self.wanted_backing;
            self.settled = Settled::default();
            self.delivery = Delivery::Sure;
        }
        if self.record.pay_from == PayFrom::Lane {
            return self.top_up_by_lane(now, out);
        }
        let (Some(mut window), Talk::Open { terms, promised_max }) = (self.window, self.talk) else { return };
        if terms.backing != BackingKind::of(self.backing) {
            return self.say(PaymentNews::BackingWanted(terms.backing), out);
        }
        window.start_at_least(terms.amount_min);
        self.window = Some(window);
        let Some(wanted) = self.wanted(window) else { return };
        let raise = wanted.min(promised_max).saturating_sub(self.record.promised);
        let Some(raise) = self.within_day(now, raise, out) else { return };
        self.promise(raise, terms, out);
    }

    /// What is to be promised in all, where it is time to promise more.
    pub(super) fn wanted(&self, window: Window) -> Option<Amount> {
        let half = Amount::from_units(window.in_force().units() / 2);
        let enough = match self.credit {
            Credit::Left => self.remainder() > half,
            Credit::RanOut => self.remainder() >= window.in_force(),
        };
        if enough || window.in_force().is_zero() {
            return None;
        }
        Some(total(&self.record.spent).checked_add(window.in_force()).unwrap_or(Amount::MAX))
    }

    /// A clock that was set back does not open a second day.
    pub(super) fn turn_day(&mut self, now: Time) {
        let day = now.0 / DAY_MILLIS;
        if day > self.record.day {
            self.record.day = day;
            self.record.day_promised = Amount::ZERO;
        }
    }

    /// What of `raise` the day's limit leaves.
    pub(super) fn within_day(&mut self, now: Time, raise: Amount, out: &mut Outbox) -> Option<Amount> {
        if raise.is_zero() {
            return None;
        }
        self.turn_day(now);
        let left = self.config.day_max.saturating_sub(self.record.day_promised);
        if left.is_zero() {
            self.say(PaymentNews::OverLimit(OverLimit::Day { limit: self.config.day_max }), out);
            return None;
        }
        Some(raise.min(left))
    }

    fn promise(&mut self, raise: Amount, terms: Terms, out: &mut Outbox) {
        let Some((serial, base)) = self.next_serial(terms.update) else { return };
        if self.delivery == Delivery::Unsure && self.last().is_some_and(|last| last.promise.serial != serial) {
            return;
        }
        let Some(amount) = base.checked_add(raise) else { return };
        if amount < terms.amount_min {
            let (minimum, ceiling) = (terms.amount_min, self.window());
            let over = if ceiling < minimum {
                OverLimit::Ceiling { minimum, ceiling }
            } else {
                OverLimit::Day { limit: self.config.day_max }
            };
            return self.say(PaymentNews::OverLimit(over), out);
        }
        let (Some(promised), Some(day_promised)) =
            (self.record.promised.checked_add(raise), self.record.day_promised.checked_add(raise))
        else {
            return;
        };
        if self.last().is_none() && self.record.series.len() >= SERIES_MAX {
            return;
        }
        let promise =
            Promise { network: self.parties.network, series: self.parties.given(self.backing), serial, amount };
        if let Some(last) = self.last() {
            let last = &last.promise;
            assert!((serial, amount) > (last.serial, last.amount), "a promise only grows");
        }
        let signed = promise.sign(&self.secret);
        self.record.series.insert(self.backing, signed);
        self.record.current = Some(self.backing);
        self.record.promised = promised;
        self.record.day_promised = day_promised;
        self.delivery = Delivery::Unsure;
        self.credit = Credit::Left;
        self.said = None;
        self.save(out);
        out.send(PaymentMessage::Offer(signed));
        out.notify(PaymentNews::Promised { promised, promise });
    }

    /// The serial of the next promise, and the amount already promised under it. The ledger's position counts like a
    /// promise of ours, because it was one. A payer that was put back from an export begins above all that it may have
    /// promised meanwhile (see [`export`](super::export)).
    fn next_serial(&self, update: bool) -> Option<(u64, Amount)> {
        let last = self.last().map_or((0, Amount::ZERO), |last| (last.promise.serial, last.promise.amount));
        let (serial, amount) = last.max((self.settled.serial, self.settled.amount));
        if update && serial > 0 && serial >= self.serials_from {
            return Some((serial, amount));
        }
        Some((serial.checked_add(1)?.max(self.serials_from), Amount::ZERO))
    }

    /// Says something once, until something else happens.
    pub(super) fn say(&mut self, news: PaymentNews, out: &mut Outbox) {
        if self.said.as_ref() != Some(&news) {
            out.notify(news.clone());
            self.said = Some(news);
        }
    }

    pub(super) fn save(&self, out: &mut Outbox) {
        let mut batch = Batch::new();
        batch.put(PROMISES, GivenRecord::key(self.parties.peer, self.parties.asset), self.record.to_bytes());
        out.persist(batch);
    }
}

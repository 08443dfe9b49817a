//! Settlement: from a promise in the journal to money in the account (row A5).
//!
//! ```text
//! settle ── peer reachable ──► advising ── noted, or waited long enough ──► in flight ──► settled
//!   └───── peer not reachable ───────────────────────────────────────────►    │      └─► bounced, rejected
//! ```
//!
//! *Lower serials first*, because settling a later one voids the earlier. *Advice first*, so that the payer knows why a
//! promise is about to leave its account; but a payer that does not answer can't put settlement off.
//!
//! *Never twice.* The ledger pays a serial up to an amount once, however often it is submitted. So a settlement in
//! flight is journaled only to be taken up again after a crash, and submitting it again is harmless. It leaves when that
//! write is durable, and so is then every promise that it settles: the ledger never pays what the payee could forget,
//! for which the payer would get nothing. While it is in flight the same serial may be raised; the ledger pays the
//! difference the next time.
//!
//! *What was asked for meanwhile*, and is more than what is under way settles, stands in `wish`.
//!
//! *Both at once* where we owe the payer too: what is proposed instead of the advice, and what comes of it, stands in
//! `netting`.
//!
//! # When to settle
//!
//! Each settlement publishes who paid whom, so it waits as long as it may, and then for a random while on top. Waiting is
//! over when the payer would have to wait, too. All amounts are in the asset's smallest unit, and *room* here is the admitted
//! maximum ([`Payments::admit`](super::Payments::admit)) less all that is unsettled.
//!
//! How much more is *taken* goes by the net (row A6): what we owe the payer counts against what it owes us. When to *settle*
//! does not, since the payer can settle what we owe it alone, at any time, and our whole claim then stands uncovered. So
//! credit that rests on netting is used only while one settlement is under way, and whoever collects its own part and then
//! doesn't pay gains no more than that.
//!
//! | when                                                               | what happens                                  |
//! | ------------------------------------------------------------------ | --------------------------------------------- |
//! | unsettled ≥ `settle_at`                                            | [`PaymentNews::SettlementDue`], once: the shell settles after a random delay of its choice |
//! | room < 1/2 of the maximum ([`TIGHT_PARTS`]), or room < one window  | settled *at once* by the machine itself, whatever the shell waits for |
//! | the same, but unsettled < `settle_at`/64 ([`WORTH_PARTS`])         | nothing: an account that holds next to nothing does not make its payee settle dust |
//! | what may be unsettled fell by more than our own settlements took: money leaves the payer's account, or is about to | settled *at once*, if it is worth it |
//! | it has waited as long as [`Risk`](super::Risk) says, whatever `settle_at` | as at `settle_at`: due, once |
//! | the last settlement bounced                                        | at once and all of it, when the maximum (which follows the account's balance) covers what is unsettled again |
//! | the ledger turned the promise down for another reason              | nothing until it is raised, or someone asks   |
//!
//! The window is the payer's; the payee takes twice the last raise for it (a payer raises when half of its window is used
//! up), and never less than the smallest promise it takes. The rule is looked at whenever anything in it moves: a promise
//! comes, the ledger answers or has settled something either way, the maximum changes, a dialogue opens. So whenever there is no room, a settlement is under
//! way, and **a session stands still no longer than one settlement takes**: a round trip for the advice (at most
//! `advice_wait` with a payer that does not answer), one durable write, and the ledger's finality. With half of the
//! maximum kept free it does not stand still at all, unless it uses up that half in the meantime.
//!
//! # What is settled, and what anyone can lose
//!
//! A settlement moves the *whole* promise: what was used **and the window that is paid ahead**, used or not. What is
//! prepaid stays prepaid; it is counted as received and is served later.
//!
//! - *The payer* can lose what it promised and has not used: at most the window in force, settled or not.
//! - *The payee* carries nothing that it has not received a promise for, beyond what it forgives as lost on the way (at
//!   most one window). What it received it can lose only by a bounce: at most the admitted maximum.

use byway_primitives::{Amount, Time, Token};
use byway_records::call::{AccountsCall, Take};
use byway_records::state::Settled;
use byway_records::{Backing, Promise, PromisePair, Reject, SignedPromise};

use super::journal::{InFlight, Standing, Way};
use super::news::PaymentNews;
use super::outbox::Outbox;
use super::payee::Payee;

/// It is settled at once when less than one part in this many of what may be unsettled is left as room. With a half, a
/// payer goes on with one half while the other is settled, and small sessions of many days still go into one settlement.
pub const TIGHT_PARTS: u128 = 2;
/// What is less than one part in this many of `settle_at` is not worth settling at once.
pub const WORTH_PARTS: u128 = 64;

/// Whether the payer can be told first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A dialogue is open.
    Peer,
    Nobody,
}

/// What became of a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Final; `given_up` of it was not there.
    Final { given_up: Amount },
    /// Final, and turned down.
    Rejected(Reject),
    /// It never reached the ledger (its time was over); submit it again.
    Lost,
}

/// Why nothing is settled now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    #[error("nothing is unsettled under this backing")]
    Nothing,
    #[error("a settlement is already under way; wait for its result")]
    UnderWay,
}

/// The payer was told; its answer is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Advising {
    pub backing: Backing,
    pub take: Take,
    pub asked: Asked,
    /// When to go on without an answer.
    pub until: Time,
}

/// What the payer was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one for each peer: a box would cost more than it saves")]
pub(super) enum Asked {
    /// To note that this serial is about to be settled.
    Note { serial: u64 },
    /// To settle the net.
    Net(PromisePair),
}

/// Whether it was said that a settlement is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    NotYet,
    Said,
}

impl Advising {
    /// The serial of which the advice says that it is about to be settled.
    pub(super) fn serial(&self) -> Option<u64> {
        match self.asked {
            Asked::Note { serial } => Some(serial),
            Asked::Net(_) => None,
        }
    }
}

impl Payee {
    /// Settles at once where the payer would have to wait, and says once when a settlement is due at leisure.
    pub(super) fn settle_if_due(&mut self, now: Time, backing: Backing, out: &mut Outbox) {
        let Some(taken) = self.record.series.get(&backing) else { return };
        let (unsettled, standing) = (taken.unsettled(), taken.standing);
        let Some(next) = self.next_unsettled(backing) else { return };
        if standing == Standing::Bounced || self.turned_down == Some(next.promise) || taken.in_flight.is_some() {
            return;
        }
        let since = *self.unsettled_since.get_or_insert(now);
        if self.is_tight(backing) && self.is_worth_it(unsettled) {
            // One that is under way already is as good.
            let _ = self.settle(now, backing, self.reach(), Take::Whole, out);
        } else if self.due == Due::NotYet {
            let due_at = since + self.config.risk.wait(unsettled, self.unsettled_max(backing));
            if unsettled >= self.config.settle_at || now >= due_at {
                self.due = Due::Said;
                out.notify(PaymentNews::SettlementDue { backing, unsettled });
            } else {
                out.wake_at(due_at);
            }
        }
    }

    /// Money leaves the payer's account: what there is to settle is settled before it has left.
    pub(super) fn settle_at_once(&mut self, now: Time, backing: Backing, out: &mut Outbox) {
        let taken = self.record.series.get(&backing).filter(|taken| taken.standing == Standing::Good);
        if let Some(last) = taken.filter(|taken| self.is_worth_it(taken.unsettled())).and_then(|taken| taken.last) {
            // What is under way already may be less than all.
            self.wish(last, Take::Whole);
            self.settle_wished(now, out);
        }
    }

    fn is_worth_it(&self, unsettled: Amount) -> bool {
        !unsettled.is_zero() && unsettled.units() >= self.config.settle_at.units() / WORTH_PARTS
    }

    /// Whether the payer may soon have no room left.
    fn is_tight(&self, backing: Backing) -> bool {
        let (unsettled_max, room) = (self.unsettled_max(backing), self.room_without_netting(backing));
        let window = self.raise.checked_add(self.raise).unwrap_or(Amount::MAX).max(self.config.amount_min);
        !unsettled_max.is_zero() && (room.units() < unsettled_max.units() / TIGHT_PARTS || room < window)
    }

    /// A payer whose settlement bounced may have put more into its account.
    pub(super) fn try_bounced_again(&mut self, now: Time, backing: Backing, out: &mut Outbox) {
        let bounced = self.record.series.get(&backing).filter(|taken| taken.standing == Standing::Bounced);
        let covered = bounced.filter(|taken| taken.unsettled() <= self.unsettled_max(backing));
        if let Some(last) = covered.and_then(|taken| taken.last) {
            self.wish(last, Take::Whole);
            self.settle_wished(now, out);
        }
    }

    /// Hands out what the journal knows of.
    pub(super) fn submit_durable(&mut self, durable: Token, out: &mut Outbox) {
        while let Some((_, in_flight)) = self.submitting.pop_front_if(|(token, _)| *token <= durable) {
            out.notify(self.submission(&in_flight));
        }
    }

    pub(super) fn settle(
        &mut self,
        now: Time,
        backing: Backing,
        reach: Reach,
        take: Take,
        out: &mut Outbox,
    ) -> Result<(), SettleError> {
        let taken = self.record.series.get(&backing).ok_or(SettleError::Nothing)?;
        if taken.in_flight.is_some() || self.advising.is_some() || self.is_bound(backing, take) {
            return Err(SettleError::UnderWay);
        }
        let promise = self.next_unsettled(backing).ok_or(SettleError::Nothing)?;
        let serial = promise.promise.serial;
        match reach {
            Reach::Peer => {
                let until = now + self.config.advice_wait;
                let asked = self.pair_with(&promise, take).map_or(Asked::Note { serial }, Asked::Net);
                self.advising = Some(Advising { backing, take, asked, until });
                match asked {
                    Asked::Note { serial } => self.advise(Some(serial), out),
                    Asked::Net(pair) => self.propose(pair, out),
                }
                out.wake_at(until);
            }
            Reach::Nobody => self.submit(InFlight { promise, way: Way::Alone(take) }, out),
        }
        Ok(())
    }

    pub(super) fn handle_noted(&mut self, serial: u64, out: &mut Outbox) {
        if self.advising.and_then(|advising| advising.serial()) == Some(serial) {
            self.stop_advising(out);
        }
    }

    pub(super) fn handle_wake(&mut self, now: Time, out: &mut Outbox) {
        self.look_at_agreement(now, out);
        match self.advising {
            Some(advising) if now >= advising.until => self.stop_advising(out),
            Some(advising) => out.wake_at(advising.until),
            None => {
                self.settle_wished(now, out);
                self.settle_if_due(now, self.current, out);
            }
        }
    }

    pub(super) fn handle_settlement(&mut self, now: Time, promise: Promise, outcome: Outcome, out: &mut Outbox) {
        let backing = promise.series.backing;
        let Some(taken) = self.record.series.get_mut(&backing) else { return };
        let Some(in_flight) = taken.in_flight.filter(|in_flight| in_flight.promise.promise == promise) else { return };
        taken.in_flight = None;
        match (outcome, in_flight.way) {
            // The peer has not even the net, and alone it would owe more: that was the bounce.
            (Outcome::Rejected(Reject::BalanceTooSmall), Way::Net(pair)) if self.is_net_theirs(&pair.pair) => {
                self.settled_or_not(now, promise, outcome, out);
            }
            // What was wrong with the two together need not be wrong with the one, also where the ledger never took them.
            (Outcome::Rejected(_) | Outcome::Lost, Way::Net(_)) => self.submit_alone(promise, out),
            (Outcome::Lost, _) => self.submit(in_flight, out),
            (outcome, _) => self.settled_or_not(now, promise, outcome, out),
        }
    }

    /// What the ledger says of a promise, apart from any other.
    fn settled_or_not(&mut self, now: Time, promise: Promise, outcome: Outcome, out: &mut Outbox) {
        let backing = promise.series.backing;
        let Some(taken) = self.record.series.get_mut(&backing) else { return };
        let here = Settled { serial: promise.serial, amount: promise.amount };
        match outcome {
            Outcome::Final { given_up } => {
                taken.standing = Standing::Good;
                taken.note_settled(here);
                self.settled(now, backing, out);
                out.notify(PaymentNews::Settled { promise, given_up });
            }
            // Settled by an earlier submission of which we did not hear.
            Outcome::Rejected(Reject::PromiseSettled) => {
                taken.note_settled(here);
                self.settled(now, backing, out);
                out.notify(PaymentNews::Settled { promise, given_up: Amount::ZERO });
            }
            Outcome::Rejected(Reject::BalanceTooSmall) => {
                taken.standing = Standing::Bounced;
                self.wishes.remove(&backing);
                self.save(out);
                self.advise(None, out);
                out.notify(PaymentNews::Bounced { promise });
            }
            Outcome::Rejected(reject) => {
                (self.turned_down, self.due) = (Some(promise), Due::NotYet);
                self.wishes.remove(&backing);
                self.save(out);
                out.notify(PaymentNews::SettlementRejected { promise, reject });
            }
            Outcome::Lost => {}
        }
    }

    /// After a restart: whatever was handed to the ledger is handed to it again.
    pub(super) fn submit_again(&self, out: &mut Outbox) {
        for (_, taken) in self.series() {
            if let Some(in_flight) = &taken.in_flight {
                out.notify(self.submission(in_flight));
            }
        }
    }

    /// Settles without waiting for an answer any longer, and alone.
    pub(super) fn stop_advising(&mut self, out: &mut Outbox) {
        let Some(Advising { backing, take, .. }) = self.advising.take() else { return };
        // What was raised meanwhile is settled along with it.
        if let Some(promise) = self.next_unsettled(backing) {
            self.submit(InFlight { promise, way: Way::Alone(take) }, out);
        }
    }

    /// After it was turned down together with another one.
    fn submit_alone(&mut self, promise: Promise, out: &mut Outbox) {
        match self.next_unsettled(promise.series.backing) {
            Some(promise) => self.submit(InFlight { promise, way: Way::Alone(Take::Whole) }, out),
            // The peer was faster.
            None => {
                self.save(out);
                out.notify(PaymentNews::Settled { promise, given_up: Amount::ZERO });
            }
        }
    }

    pub(super) fn submit(&mut self, in_flight: InFlight, out: &mut Outbox) {
        let promise = &in_flight.promise;
        let Some(taken) = self.record.series.get_mut(&promise.promise.series.backing) else { return };
        taken.in_flight = Some(in_flight);
        let back = match (&in_flight.way, &self.given) {
            (Way::Net(_), Some(given)) => given.unsettled,
            _ => Amount::ZERO,
        };
        let leaves = taken.open_amount(promise).saturating_sub(back);
        self.explained = self.explained.checked_add(leaves).unwrap_or(Amount::MAX);
        let token = self.save(out);
        self.submitting.push_back((token, in_flight));
    }

    fn submission(&self, InFlight { promise, way }: &InFlight) -> PaymentNews {
        let call = match way {
            Way::Alone(take) => {
                let payee = promise.promise.countersign(*take, &self.secret);
                AccountsCall::Settle { promise: *promise, payee, take: *take }
            }
            Way::Net(pair) => AccountsCall::SettlePair(Box::new(*pair)),
        };
        PaymentNews::Submit { promise: promise.promise, call: Box::new(call) }
    }

    /// The promise of the lowest serial that is not fully settled.
    pub(super) fn next_unsettled(&self, backing: Backing) -> Option<SignedPromise> {
        let taken = self.record.series.get(&backing)?;
        taken.promises().find(|promise| !taken.open_amount(promise).is_zero()).copied()
    }
}

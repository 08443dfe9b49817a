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
//! flight is journaled only to be taken up again after a crash, and submitting it again is harmless. While it is in
//! flight the same serial may be raised; the ledger pays the difference the next time.

use byway_primitives::{Amount, Time};
use byway_records::call::{AccountsCall, Take};
use byway_records::state::Settled;
use byway_records::{Backing, Promise, Reject, SignedPromise};

use super::journal::{InFlight, Standing};
use super::news::PaymentNews;
use super::outbox::Outbox;
use super::payee::Payee;

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

/// The payer was advised; its answer is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Advising {
    pub backing: Backing,
    pub serial: u64,
    pub take: Take,
    /// When to go on without an answer.
    pub until: Time,
}

impl Payee {
    pub(super) fn settle(
        &mut self,
        now: Time,
        backing: Backing,
        reach: Reach,
        take: Take,
        out: &mut Outbox,
    ) -> Result<(), SettleError> {
        let taken = self.record.series.get(&backing).ok_or(SettleError::Nothing)?;
        if taken.in_flight.is_some() || self.advising.is_some() {
            return Err(SettleError::UnderWay);
        }
        let promise = self.next_unsettled(backing).ok_or(SettleError::Nothing)?;
        let serial = promise.promise.serial;
        match reach {
            Reach::Peer => {
                let until = now + self.config.advice_wait;
                self.advising = Some(Advising { backing, serial, take, until });
                self.advise(Some(serial), out);
                out.wake_at(until);
            }
            Reach::Nobody => self.submit(promise, take, out),
        }
        Ok(())
    }

    pub(super) fn handle_noted(&mut self, serial: u64, out: &mut Outbox) {
        if self.advising.is_some_and(|advising| advising.serial == serial) {
            self.stop_advising(out);
        }
    }

    pub(super) fn handle_wake(&mut self, now: Time, out: &mut Outbox) {
        match self.advising {
            Some(advising) if now >= advising.until => self.stop_advising(out),
            Some(advising) => out.wake_at(advising.until),
            None => {}
        }
    }

    pub(super) fn handle_settlement(&mut self, promise: Promise, outcome: Outcome, out: &mut Outbox) {
        let backing = promise.series.backing;
        let Some(taken) = self.record.series.get_mut(&backing) else { return };
        let Some(in_flight) = taken.in_flight.filter(|in_flight| in_flight.promise.promise == promise) else { return };
        taken.in_flight = None;
        let here = Settled { serial: promise.serial, amount: promise.amount };
        match outcome {
            Outcome::Final { given_up } => {
                taken.standing = Standing::Good;
                taken.note_settled(here);
                self.settled(backing, out);
                out.notify(PaymentNews::Settled { promise, given_up });
            }
            // Settled by an earlier submission of which we did not hear.
            Outcome::Rejected(Reject::PromiseSettled) => {
                taken.note_settled(here);
                self.settled(backing, out);
                out.notify(PaymentNews::Settled { promise, given_up: Amount::ZERO });
            }
            Outcome::Rejected(Reject::BalanceTooSmall) => {
                taken.standing = Standing::Bounced;
                self.save(out);
                self.advise(None, out);
                out.notify(PaymentNews::Bounced { promise });
            }
            Outcome::Rejected(reject) => {
                self.save(out);
                out.notify(PaymentNews::SettlementRejected { promise, reject });
            }
            Outcome::Lost => self.submit(in_flight.promise, in_flight.take, out),
        }
    }

    /// After a restart: whatever was handed to the ledger is handed to it again.
    pub(super) fn submit_again(&self, out: &mut Outbox) {
        for (_, taken) in self.series() {
            if let Some(InFlight { promise, take }) = taken.in_flight {
                out.notify(self.submission(promise, take));
            }
        }
    }

    fn stop_advising(&mut self, out: &mut Outbox) {
        let Some(Advising { backing, take, .. }) = self.advising.take() else { return };
        // What was raised meanwhile is settled along with it.
        if let Some(promise) = self.next_unsettled(backing) {
            self.submit(promise, take, out);
        }
    }

    fn submit(&mut self, promise: SignedPromise, take: Take, out: &mut Outbox) {
        let Some(taken) = self.record.series.get_mut(&promise.promise.series.backing) else { return };
        taken.in_flight = Some(InFlight { promise, take });
        self.save(out);
        out.notify(self.submission(promise, take));
    }

    fn submission(&self, promise: SignedPromise, take: Take) -> PaymentNews {
        let payee = promise.promise.countersign(&self.secret);
        PaymentNews::Submit { call: AccountsCall::Settle { promise, payee, take } }
    }

    /// The promise of the lowest serial that is not fully settled.
    fn next_unsettled(&self, backing: Backing) -> Option<SignedPromise> {
        let taken = self.record.series.get(&backing)?;
        taken.promises().find(|promise| !taken.open_amount(promise).is_zero()).copied()
    }
}

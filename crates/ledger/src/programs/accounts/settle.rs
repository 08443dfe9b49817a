//! Settlement of promises (row A5).
//!
//! Both signatures were checked when the transaction was verified. What is due follows from what was settled last in
//! the promise's series:
//!
//! | promise                      | due                                                                       |
//! | ---------------------------- | ------------------------------------------------------------------------- |
//! | an older serial              | refused: a later serial was settled, which voided it                      |
//! | the same serial, not more    | refused: settled already                                                  |
//! | the same serial, more        | the difference, so that an update which crosses a settlement is not lost  |
//! | a later serial               | all of it: a new serial starts at zero; the earlier ones are void now     |
//!
//! Of what is paid, a fee (rounded down) goes to the pool and the rest to the payee's account. The fee is taken in WAY
//! only; settlements in other assets are free.
//!
//! **Too little balance.** With [`Take::WhatIsThere`] and more than nothing there, that is paid and the *whole* promise
//! counts as settled: the payee gives up the rest. Otherwise the call is rejected with
//! [`Reject::BalanceTooSmall`] and nothing moves, so the transaction is not final, its verdict tells the payee why, and
//! the promise stays valid: it can be settled later by another transaction (which differs at least in `expires`).
//!
//! **Bounces.** Such a rejection against an account is recorded in the issuer's state although the call fails: this is
//! the only trace that a rejected transaction leaves. It counts once per promise: only a serial or an amount beyond the
//! last that bounced in the series counts again, so nobody can raise an issuer's count by showing a promise twice.
//! Promises on a reservation don't bounce (what it holds was there to see), and who never had an account has nothing
//! that could be recorded against it.
//!
//! **Two promises at once** ([`settle_pair`]). Two who owe each other settle the net: what is due of each promise follows
//! from the table, as if it were settled alone, and where either would be refused both are. Then the one who owes more pays
//! the difference, the fee is taken on that alone, and both promises are recorded as settled. There is no taking what is
//! there: where the balance is too small for the net nothing moves, both promises stay valid, and the bounce is recorded
//! against the one who owes the net, for its promise, as if that had been settled alone. Where both owe the same nothing
//! moves at all, and no account is needed.

use byway_primitives::{Amount, AssetId};
use byway_records::call::Take;
use byway_records::promise::{Promise, Series};
use byway_records::state::{
    Bounced, Bounces, Reservation, Settled, bounced_key, bounces_key, reservation_key, settled_key,
};
use byway_records::{Backing, ProgramId, PromisePair, Reject, Value};

use super::{account, credit, debit};
use crate::programs::Moment;
use crate::programs::system::pay_pool;
use crate::state::View;

/// The whole, in the parts per million that the settlement fee counts in.
const MILLION: u128 = 1_000_000;

pub(crate) fn settle(view: &mut View<'_>, now: Moment<'_>, promise: &Promise, take: Take) -> Result<(), Reject> {
    let series = &promise.series;
    let reservation = reservation_of(view, series)?;
    let due = newly_due(view, promise)?;
    let there = match &reservation {
        Some(reservation) => reservation.value.amount,
        None => account(view, series.payer, series.asset).ok_or(Reject::NoAccount)?.balance,
    };
    let paid = match take {
        _ if there >= due => due,
        Take::WhatIsThere if !there.is_zero() => there,
        Take::WhatIsThere | Take::Whole => {
            if reservation.is_none() {
                record_bounce(view, now, promise);
            }
            return Err(Reject::BalanceTooSmall);
        }
    };
    collect(view, series, reservation, paid)?;
    distribute(view, now, series, paid);
    record_settled(view, promise);
    Ok(())
}

pub(crate) fn settle_pair(view: &mut View<'_>, now: Moment<'_>, pair: &PromisePair) -> Result<(), Reject> {
    let [one, other] = pair.promises().map(|signed| signed.promise);
    let (of_one, of_other) = (newly_due(view, &one)?, newly_due(view, &other)?);
    let (owing, net) = match of_one.checked_sub(of_other) {
        Some(net) => (&one, net),
        None => (&other, of_other.saturating_sub(of_one)),
    };
    if !net.is_zero() {
        let series = &owing.series;
        if account(view, series.payer, series.asset).ok_or(Reject::NoAccount)?.balance < net {
            record_bounce(view, now, owing);
            return Err(Reject::BalanceTooSmall);
        }
        collect(view, series, None, net)?;
        distribute(view, now, series, net);
    }
    record_settled(view, &one);
    record_settled(view, &other);
    Ok(())
}

/// What is due of a promise by what was settled of its series.
fn newly_due(view: &View<'_>, promise: &Promise) -> Result<Amount, Reject> {
    let settled: Settled = view.load(ProgramId::ACCOUNTS, &settled_key(&promise.series)).unwrap_or_default();
    settled.due(promise).ok_or(Reject::PromiseSettled)
}

/// The reservation that backs a series; `None` for an account.
fn reservation_of(view: &View<'_>, series: &Series) -> Result<Option<Reservation>, Reject> {
    let id = match series.backing {
        Backing::Account => return Ok(None),
        Backing::Channel(_) => return Err(Reject::PromiseBacking),
        Backing::Reservation(id) => id,
    };
    let reservation: Reservation =
        view.load(ProgramId::ACCOUNTS, &reservation_key(id)).ok_or(Reject::ReservationUnknown)?;
    let parties = (reservation.payer, reservation.payee, reservation.value.asset);
    if parties == (series.payer, series.payee, series.asset) {
        Ok(Some(reservation))
    } else {
        Err(Reject::ReservationMismatch)
    }
}

/// Takes `paid` from where the series is backed.
fn collect(view: &mut View<'_>, series: &Series, reservation: Option<Reservation>, paid: Amount) -> Result<(), Reject> {
    let (Backing::Reservation(id), Some(mut reservation)) = (series.backing, reservation) else {
        return debit(view, series.payer, Value { asset: series.asset, amount: paid });
    };
    let rest = reservation.value.amount.checked_sub(paid).ok_or(Reject::BalanceTooSmall)?;
    reservation.value.amount = rest;
    view.store(ProgramId::ACCOUNTS, reservation_key(id), &reservation);
    Ok(())
}

/// Gives the fee to the pool and the rest to the payee.
fn distribute(view: &mut View<'_>, now: Moment<'_>, series: &Series, paid: Amount) {
    let fee = match series.asset {
        AssetId::WAY => fee(paid, now.parameters.settlement_fee_ppm),
        _ => Amount::ZERO,
    };
    pay_pool(view, fee);
    let rest = paid.saturating_sub(fee);
    if !rest.is_zero() {
        credit(view, series.payee, Value { asset: series.asset, amount: rest });
    }
}

/// `floor(amount × ppm ÷ 10^6)`, never more than `amount`; exact without a wider integer, because whole millions and
/// the remainder are multiplied apart.
fn fee(amount: Amount, ppm: u32) -> Amount {
    let ppm = u128::from(ppm).min(MILLION);
    let (millions, rest) = (amount.units() / MILLION, amount.units() % MILLION);
    Amount::from_units(millions * ppm + rest * ppm / MILLION)
}

fn record_settled(view: &mut View<'_>, promise: &Promise) {
    let (series, serial, amount) = (&promise.series, promise.serial, promise.amount);
    view.store(ProgramId::ACCOUNTS, settled_key(series), &Settled { serial, amount });
    // What can't settle again can't bounce again either, so its record is done with.
    let bounced: Option<Bounced> = view.load(ProgramId::ACCOUNTS, &bounced_key(series));
    if bounced.is_some_and(|bounced| (bounced.serial, bounced.amount) <= (serial, amount)) {
        view.remove(ProgramId::ACCOUNTS, bounced_key(series));
    }
}

fn record_bounce(view: &mut View<'_>, now: Moment<'_>, promise: &Promise) {
    let (series, serial, amount) = (&promise.series, promise.serial, promise.amount);
    let last: Option<Bounced> = view.load(ProgramId::ACCOUNTS, &bounced_key(series));
    if last.is_some_and(|last| (last.serial, last.amount) >= (serial, amount)) {
        return;
    }
    let bounces: Bounces = view.load(ProgramId::ACCOUNTS, &bounces_key(series.payer)).unwrap_or_default();
    let bounces = Bounces { count: bounces.count.saturating_add(1), last: now.time };
    view.keep(ProgramId::ACCOUNTS, bounced_key(series), &Bounced { serial, amount });
    view.keep(ProgramId::ACCOUNTS, bounces_key(series.payer), &bounces);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_fee_is_rounded_down() {
        for (amount, ppm, expected) in [
            (0u128, 1_000u32, 0u128),
            (999, 1_000, 0),
            (1_000, 1_000, 1),
            (1_999, 1_000, 1),
            (10_000_001, 999_999, 9_999_990),
            (7, 1_000_000, 7),
            (7, u32::MAX, 7),
            (u128::MAX, 1_000_000, u128::MAX),
        ] {
            assert_eq!(fee(Amount::from_units(amount), ppm).units(), expected, "{amount} at {ppm}");
        }
    }

    proptest! {
        #[test]
        fn the_fee_agrees_with_the_formula(amount in 0u128..1 << 100, ppm in 0u32..=1_000_000) {
            prop_assert_eq!(fee(Amount::from_units(amount), ppm).units(), amount * u128::from(ppm) / 1_000_000);
        }
    }
}

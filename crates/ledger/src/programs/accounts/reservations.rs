//! Part of an account set aside for one payee.
//!
//! The id of a reservation is that of the transaction that made it, so it never comes back. Until its deadline only the
//! payee can give it back, afterwards the payer can too; both a time and, against a stalled kernel, the commits of a
//! withdrawal notice must have passed. As long as nobody releases it, promises on it settle, deadline or not.
//!
//! Releasing removes the reservation and what was settled on it: without a reservation nothing of it can settle again.

use byway_primitives::{IdentityId, Time};
use byway_records::promise::{ReservationId, Series};
use byway_records::state::{Deadline, Reservation, reservation_key, settled_key};
use byway_records::{Backing, ProgramId, Reject, TransactionId, Value, VerifiedTransaction};

use super::{credit, debit};
use crate::programs::Moment;
use crate::state::View;

/// What a payer sets aside.
pub(super) struct Terms {
    pub payer: IdentityId,
    pub payee: IdentityId,
    pub value: Value,
    pub until: Time,
}

pub(super) fn reserve(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: TransactionId,
    terms: Terms,
) -> Result<(), Reject> {
    let Terms { payer, payee, value, until } = terms;
    if until <= now.time {
        return Err(Reject::ReservationTime);
    }
    debit(view, payer, value)?;
    let commits = now.after(now.parameters.withdrawal_notice).commits;
    let reservation = Reservation { payer, payee, value, until: Deadline { time: until, commits } };
    view.store(ProgramId::ACCOUNTS, reservation_key(ReservationId(transaction.0)), &reservation);
    Ok(())
}

pub(super) fn release(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    id: ReservationId,
) -> Result<(), Reject> {
    let entry = reservation_key(id);
    let reservation: Reservation = view.load(ProgramId::ACCOUNTS, &entry).ok_or(Reject::ReservationUnknown)?;
    if !transaction.is_authorised_by(reservation.payee) {
        if !transaction.is_authorised_by(reservation.payer) {
            return Err(Reject::NotAuthorised);
        }
        if !now.passed(reservation.until) {
            return Err(Reject::ReservationActive);
        }
    }
    let Reservation { payer, payee, value, .. } = reservation;
    credit(view, payer, value);
    view.remove(ProgramId::ACCOUNTS, entry);
    let series = Series { payer, payee, asset: value.asset, backing: Backing::Reservation(id) };
    view.remove(ProgramId::ACCOUNTS, settled_key(&series));
    Ok(())
}

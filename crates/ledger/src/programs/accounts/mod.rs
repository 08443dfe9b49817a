//! Payment accounts (row A3), settlement (row A5) and reservations.
//!
//! An account is a balance per identity and asset; anyone may pay into it. It exists from its first deposit on and is
//! kept when it is empty, so that whoever empties it still has bounces recorded.
//!
//! **Withdrawals take notice.** A withdrawal is announced, and drawn only after a time and a number of commits; until
//! it is drawn settlements reach the whole balance. So a withdrawal can't outrun a settlement by a payee who looks at
//! the ledger once per notice period. An announcement is for at most the balance at that time; what was announced may
//! be drawn in parts.

use byway_primitives::{Amount, AssetId, IdentityId};
use byway_records::call::AccountsCall;
use byway_records::state::{Account, Withdrawal, account_key};
use byway_records::{ProgramId, Reject, Value, VerifiedTransaction};

use super::{Moment, authorised, drawn, paid_in};
use crate::state::View;

mod reservations;
pub mod settle;

pub(crate) fn execute(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    call: &AccountsCall,
) -> Result<(), Reject> {
    match call {
        AccountsCall::Deposit { to } => {
            credit(view, *to, paid_in(transaction));
            Ok(())
        }
        AccountsCall::AnnounceWithdrawal { from, asset, amount } => {
            authorised(transaction, *from)?;
            announce(view, now, *from, *asset, *amount)
        }
        AccountsCall::Withdraw { from } => {
            authorised(transaction, *from)?;
            withdraw(view, now, *from, drawn(transaction))
        }
        AccountsCall::Settle { promise, payee: _, take } => settle::settle(view, now, &promise.promise, *take),
        AccountsCall::SettlePair(pair) => settle::settle_pair(view, now, &pair.pair),
        AccountsCall::Reserve { payer, payee, value, until } => {
            authorised(transaction, *payer)?;
            let id = transaction.id();
            reservations::reserve(
                view,
                now,
                id,
                reservations::Terms { payer: *payer, payee: *payee, value: *value, until: *until },
            )
        }
        AccountsCall::Release { reservation } => reservations::release(view, now, transaction, *reservation),
    }
}

fn announce(
    view: &mut View<'_>,
    now: Moment<'_>,
    from: IdentityId,
    asset: AssetId,
    amount: Amount,
) -> Result<(), Reject> {
    let mut account = account(view, from, asset).ok_or(Reject::NoAccount)?;
    if amount > account.balance {
        return Err(Reject::BalanceTooSmall);
    }
    let ready = now.after(now.parameters.withdrawal_notice);
    account.withdrawal = (!amount.is_zero()).then_some(Withdrawal { amount, ready });
    put_account(view, from, asset, &account);
    Ok(())
}

fn withdraw(view: &mut View<'_>, now: Moment<'_>, from: IdentityId, draws: Value) -> Result<(), Reject> {
    let mut account = account(view, from, draws.asset).ok_or(Reject::NoAccount)?;
    let announced = account.withdrawal.ok_or(Reject::WithdrawalNotAnnounced)?;
    let rest = announced.amount.checked_sub(draws.amount).ok_or(Reject::WithdrawalNotAnnounced)?;
    if !now.passed(announced.ready) {
        return Err(Reject::WithdrawalTooEarly);
    }
    account.balance = account.balance.checked_sub(draws.amount).ok_or(Reject::BalanceTooSmall)?;
    account.withdrawal = (!rest.is_zero()).then_some(Withdrawal { amount: rest, ..announced });
    put_account(view, from, draws.asset, &account);
    Ok(())
}

fn account(view: &View<'_>, holder: IdentityId, asset: AssetId) -> Option<Account> {
    view.load(ProgramId::ACCOUNTS, &account_key(holder, asset))
}

fn put_account(view: &mut View<'_>, holder: IdentityId, asset: AssetId, account: &Account) {
    view.store(ProgramId::ACCOUNTS, account_key(holder, asset), account);
}

pub(in crate::programs) fn credit(view: &mut View<'_>, holder: IdentityId, value: Value) {
    let mut account = account(view, holder, value.asset).unwrap_or_default();
    let balance = account.balance.checked_add(value.amount);
    account.balance = balance.expect("an account holds part of a supply that fits");
    put_account(view, holder, value.asset, &account);
}

/// Takes an amount off an account that holds it.
pub(super) fn debit(view: &mut View<'_>, holder: IdentityId, value: Value) -> Result<(), Reject> {
    let mut account = account(view, holder, value.asset).ok_or(Reject::NoAccount)?;
    account.balance = account.balance.checked_sub(value.amount).ok_or(Reject::BalanceTooSmall)?;
    put_account(view, holder, value.asset, &account);
    Ok(())
}

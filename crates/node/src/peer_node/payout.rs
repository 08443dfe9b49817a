//! Taking money out of the account (row A3): announced, and paid out when the notice is over, to this wallet or straight to
//! somebody's address.
//!
//! The ledger knows one withdrawal of an identity, and an announcement replaces the one before. Where the parts of it go is this node's
//! own note, written down with the verdict on the announcement and thrown away with that on the payout. What a settlement took meanwhile
//! is missing from what was announced last. What is announced can be called off: an announcement of nothing replaces it.
//!
//! One transaction pays out all parts, and has room for [`PARTS_MAX`] addresses. What goes to one address is one part.

use byway_peer::wallet::{Found, OUTPUTS_PER_PAYEE, Payee, Recipient, Wish};
use byway_primitives::{Amount, AssetId, Batch, Space, Store};
use byway_records::call::{AccountsCall, Call};
use byway_records::transaction::OUTPUTS_MAX;
use serde::{Deserialize, Serialize};

use super::Actor;
use super::books::{Errand, Order, way};
use super::history::Note;
use crate::api::{ApiError, WalletWithdraw, Withdrawing};

/// Where what is announced goes, in the order in which it was.
const PAYOUTS: Space = Space("payouts");
const PAYOUTS_KEY: &[u8] = b"open";
/// Addresses that one payout has outputs for, beside those for this wallet.
const PARTS_MAX: usize = OUTPUTS_MAX / OUTPUTS_PER_PAYEE - 1;

/// A part of the withdrawal under way that goes elsewhere than to this wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    amount: Amount,
    to: String,
}

/// The parts that an amount is enough for, the first announced first.
fn covered(parts: &[Part], amount: Amount) -> Vec<Part> {
    let mut left = amount;
    let parts = parts.iter().map(|part| {
        let amount = part.amount.min(left);
        left = left.saturating_sub(amount);
        Part { amount, ..part.clone() }
    });
    parts.filter(|part| !part.amount.is_zero()).collect()
}

/// One part more; more of one that is there where it goes to the same address.
fn add(parts: &mut Vec<Part>, more: Part) {
    match parts.iter_mut().find(|part| part.to == more.to) {
        Some(part) => part.amount = part.amount.checked_add(more.amount).unwrap_or(Amount::MAX),
        None => parts.push(more),
    }
}

impl Actor {
    /// What announces that this leaves the account.
    pub(super) fn withdrawal(&self, request: &WalletWithdraw) -> Result<Order, ApiError> {
        let to =
            request.to.as_ref().map(|to| to.parse::<Recipient>().map_err(|why| ApiError::invalid_address("to", why)));
        let to = to.transpose()?;
        if request.amount.is_zero() {
            return Err(ApiError::invalid_params("amount", "it must be more than 0"));
        }
        if self.is_withdrawing() {
            return Err(ApiError::withdrawal_under_way());
        }
        let counterparty = to.map(|to| to.to_string());
        let parts = self.parts();
        let is_new = counterparty.as_ref().is_some_and(|to| parts.iter().all(|part| part.to != *to));
        if is_new && parts.len() >= PARTS_MAX {
            return Err(ApiError::busy("addresses to pay out to"));
        }
        let (account, available) = (self.account(self.me()).balance, self.balance().account);
        // An announcement replaces the one before, so that it has to hold what is leaving already.
        let leaving = account.saturating_sub(available);
        let all = leaving.checked_add(request.amount).filter(|_| request.amount <= available);
        let all = all.ok_or_else(|| ApiError::insufficient_account(request.amount, available))?;
        let order = Order::signed(self.announcing(all));
        let note = Note { amount: Some(request.amount), counterparty, leaves: true, ..Note::default() };
        Ok(Order { note, ..order })
    }

    /// What calls off all that is announced and not paid out.
    pub(super) fn withdrawal_cancelled(&self) -> Result<Order, ApiError> {
        if self.is_withdrawing() {
            return Err(ApiError::withdrawal_under_way());
        }
        let leaving = Amount::checked_sum(self.withdrawing().iter().map(|part| part.amount)).unwrap_or(Amount::MAX);
        if leaving.is_zero() {
            return Err(ApiError::nothing_to_withdraw());
        }
        let order = Order::signed(self.announcing(Amount::ZERO));
        let note = Note { amount: Some(leaving), cancels: true, leaves: true, ..Note::default() };
        Ok(Order { note, ..order })
    }

    /// The announcement that so much leaves the account, in all.
    fn announcing(&self, amount: Amount) -> Wish {
        let call = AccountsCall::AnnounceWithdrawal { from: self.me(), asset: AssetId::WAY, amount };
        Wish { call: Some(Call::Accounts(call)), ..Wish::default() }
    }

    /// Whether an announcement or a payout is on its way to the ledger: what it will leave isn't known yet.
    fn is_withdrawing(&self) -> bool {
        self.wallet.pending().any(|(id, _)| self.notes.of(id).is_some_and(|note| note.leaves))
    }

    fn parts(&self) -> Vec<Part> {
        let stored = self.ledger_journal.load(PAYOUTS, PAYOUTS_KEY);
        stored.and_then(|stored| serde_json::from_slice(&stored).ok()).unwrap_or_default()
    }

    /// What of the account is leaving, and where to.
    pub(super) fn withdrawing(&self) -> Vec<Withdrawing> {
        let withdrawal = self.account(self.me()).withdrawal.filter(|withdrawal| !withdrawal.amount.is_zero());
        let Some(withdrawal) = withdrawal else { return Vec::new() };
        let available_ms = withdrawal.ready.time;
        let parts = covered(&self.parts(), withdrawal.amount);
        let passed_on = Amount::checked_sum(parts.iter().map(|part| part.amount)).unwrap_or(withdrawal.amount);
        let own = Withdrawing { amount: withdrawal.amount.saturating_sub(passed_on), available_ms, to: None };
        let own = Some(own).filter(|own| !own.amount.is_zero());
        let parts = parts.into_iter().map(|Part { amount, to }| Withdrawing { amount, available_ms, to: Some(to) });
        own.into_iter().chain(parts).collect()
    }

    pub(super) fn tend_withdrawal(&mut self) {
        if self.is_withdrawing() {
            return;
        }
        let account = self.account(self.me());
        let Some(withdrawal) = account.withdrawal.filter(|withdrawal| !withdrawal.amount.is_zero()) else {
            return self.forget_parts();
        };
        let clock = self.ledger_clock();
        if !withdrawal.ready.passed(clock.time, clock.commits) {
            return;
        }
        // A settlement may have taken some of it meanwhile; what it took is not to be waited for.
        let amount = withdrawal.amount.min(account.balance);
        let wish = if amount.is_zero() {
            self.announcing(amount)
        } else {
            let payees = covered(&self.parts(), amount).into_iter().filter_map(|Part { amount, to }| {
                // It was read when it was asked for.
                Some(Payee { to: to.parse().ok()?, value: way(amount) })
            });
            let call = Some(Call::Accounts(AccountsCall::Withdraw { from: self.me() }));
            Wish { call, draws: Some(way(amount)), payees: payees.collect(), ..Wish::default() }
        };
        let note = Note { completes: true, leaves: true, ..Note::default() };
        self.run_errand(Errand::Withdraw, Order { note, ..Order::signed(wish) });
    }

    /// Nothing leaves the account any more, whoever drew it: another device of the same phrase may have.
    fn forget_parts(&mut self) {
        if self.ledger_journal.load(PAYOUTS, PAYOUTS_KEY).is_some() {
            let mut batch = Batch::new();
            batch.delete(PAYOUTS, PAYOUTS_KEY);
            self.write_ledger(batch);
        }
    }

    /// What follows of transactions that are final: an announcement whose part goes elsewhere, or the payout of all of them.
    /// To be written together with their verdicts.
    pub(super) fn payouts_of(&self, found: &[Found]) -> Batch {
        let mut batch = Batch::new();
        let mut parts = None;
        for found in found {
            let Found::Final(id) = found else { continue };
            let Some(note) = self.notes.of(*id).filter(|note| note.leaves) else { continue };
            match (note.completes || note.cancels, note.counterparty.clone(), note.amount) {
                (true, ..) => parts = Some(Vec::new()),
                (false, Some(to), Some(amount)) => {
                    add(parts.get_or_insert_with(|| self.parts()), Part { amount, to });
                }
                _ => {}
            }
        }
        match parts {
            Some(parts) if parts.is_empty() => batch.delete(PAYOUTS, PAYOUTS_KEY),
            Some(parts) => {
                let value = serde_json::to_vec(&parts).expect("texts and amounts have a JSON form");
                batch.put(PAYOUTS, PAYOUTS_KEY, value);
            }
            None => {}
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_to_one_address_is_one_part() {
        let part = |units, to: &str| Part { amount: Amount::from_units(units), to: to.to_owned() };
        let mut parts = vec![part(30, "a"), part(20, "b")];
        add(&mut parts, part(5, "a"));
        add(&mut parts, part(1, "c"));
        assert_eq!(parts, [part(35, "a"), part(20, "b"), part(1, "c")]);
    }

    #[test]
    fn what_a_settlement_took_is_missing_from_the_last() {
        let part = |units, to: &str| Part { amount: Amount::from_units(units), to: to.to_owned() };
        let parts = [part(30, "a"), part(20, "b")];
        assert_eq!(covered(&parts, Amount::from_units(60)), parts);
        assert_eq!(covered(&parts, Amount::from_units(40)), [part(30, "a"), part(10, "b")]);
        assert_eq!(covered(&parts, Amount::from_units(30)), [part(30, "a")]);
        assert_eq!(covered(&[], Amount::from_units(30)), []);
    }
}

//! What is in the account of assets beside WAY: put there for channels, and left there when these end.

use byway_peer::wallet::Wish;
use byway_primitives::{Amount, AssetId};
use byway_records::Value;
use byway_records::call::{AccountsCall, Call};

use super::Actor;
use super::books::{Errand, Order};
use crate::api::{Answer, ApiError};

impl Actor {
    /// What pays into this node's account, of whatever asset.
    pub(super) fn deposit_of(&self, value: Value) -> Order {
        let call = Call::Accounts(AccountsCall::Deposit { to: self.me() });
        Order::unsigned(Wish { call: Some(call), pays: Some(value), ..Wish::default() })
    }

    /// What announces that so much of an asset leaves the account, beside what is leaving already. It goes to this wallet.
    pub(super) fn asset_withdrawal(&self, value: Value) -> Answer<Order> {
        let record = self.asset_record(value.asset).ok_or_else(|| ApiError::asset_not_found(value.asset))?;
        if value.amount.is_zero() {
            return Err(ApiError::invalid_params("amount", "it must be more than 0"));
        }
        let account = self.account_in(value.asset);
        let leaving = account.withdrawal.map_or(Amount::ZERO, |withdrawal| withdrawal.amount);
        let all = leaving.checked_add(value.amount).filter(|all| *all <= account.balance);
        let available = account.balance.saturating_sub(leaving);
        let symbol = record.terms.symbol;
        let all = all.ok_or_else(|| ApiError::insufficient_asset_account(&symbol, value.amount, available))?;
        Ok(Order::signed(self.announcing_of(value.asset, all)))
    }

    /// Pays out what was announced long enough ago.
    pub(super) fn tend_asset_withdrawals(&mut self) {
        let clock = self.ledger_clock();
        for record in self.asset_records() {
            let (asset, step) = (record.terms.id(), record.terms.decimals.step());
            let account = self.account_in(asset);
            let ready = account.withdrawal.filter(|withdrawal| withdrawal.ready.passed(clock.time, clock.commits));
            let Some(withdrawal) = ready.filter(|withdrawal| !withdrawal.amount.is_zero()) else { continue };
            let units = withdrawal.amount.min(account.balance).units();
            // What a channel has divided finer than the asset is counted stays in the account.
            let amount = Amount::from_units(units - units % step.units().max(1));
            let wish = if amount.is_zero() {
                self.announcing_of(asset, Amount::ZERO)
            } else {
                let call = Some(Call::Accounts(AccountsCall::Withdraw { from: self.me() }));
                Wish { call, draws: Some(Value { asset, amount }), ..Wish::default() }
            };
            self.run_errand(Errand::WithdrawAsset(asset), Order::signed(wish));
        }
    }

    fn announcing_of(&self, asset: AssetId, amount: Amount) -> Wish {
        let call = AccountsCall::AnnounceWithdrawal { from: self.me(), asset, amount };
        Wish { call: Some(Call::Accounts(call)), ..Wish::default() }
    }
}

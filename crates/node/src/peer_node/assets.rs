//! Assets beside WAY as this node knows them from the ledger, and what it does with them.

use byway_peer::wallet::{Balance, Grains, Payee, Recipient, Wish};
use byway_primitives::{Amount, AssetId, Decode, IdentityId};
use byway_records::asset::{AssetTerms, Decimals};
use byway_records::call::{AssetsCall, Call};
use byway_records::state::{Account, AssetRecord, Control, account_key, asset_key};
use byway_records::{ProgramId, Value};

use super::Actor;
use super::books::Order;
use crate::api::*;

impl Actor {
    pub(super) fn asset_record(&self, asset: AssetId) -> Option<AssetRecord> {
        self.ledger.follower().tree(ProgramId::ASSETS)?.read(&asset_key(asset))
    }

    pub(super) fn asset_records(&self) -> Vec<AssetRecord> {
        let Some(tree) = self.ledger.follower().tree(ProgramId::ASSETS) else { return Vec::new() };
        tree.iter_prefix(&[0]).filter_map(|(_, value)| AssetRecord::from_bytes(value).ok()).collect()
    }

    /// Every asset there is beside WAY, by symbol.
    pub(super) fn assets(&self) -> Vec<Asset> {
        let me = self.me();
        let mut assets: Vec<Asset> = self.asset_records().into_iter().map(|record| asset(record, me)).collect();
        assets.sort_by(|a, b| (&a.symbol, a.asset).cmp(&(&b.symbol, b.asset)));
        assets
    }

    /// How an asset is called; `None` for WAY.
    pub(super) fn asset_tag(&self, asset: AssetId) -> Option<AssetTag> {
        let record = self.asset_record(asset)?;
        Some(AssetTag { asset, symbol: record.terms.symbol })
    }

    /// What we have of each asset beside WAY.
    pub(super) fn asset_balances(&self) -> Vec<AssetBalance> {
        let wallet = self.wallet.balances();
        let balance = |record: AssetRecord| {
            let asset = record.terms.id();
            let Balance { free, held } = wallet.get(&asset).copied().unwrap_or_default();
            let AssetTerms { symbol, name, decimals, .. } = record.terms;
            let (account, decimals) = (self.account_in(asset).balance, decimals.get());
            AssetBalance { asset, symbol, name, decimals, wallet: free, account, pending: held }
        };
        let balances = self.asset_records().into_iter().map(balance);
        balances.filter(|b| !(b.wallet.is_zero() && b.account.is_zero() && b.pending.is_zero())).collect()
    }

    pub(super) fn account_in(&self, asset: AssetId) -> Account {
        self.account_of(self.me(), asset)
    }

    pub(super) fn account_of(&self, holder: IdentityId, asset: AssetId) -> Account {
        let tree = self.ledger.follower().tree(ProgramId::ACCOUNTS);
        tree.and_then(|tree| tree.read(&account_key(holder, asset))).unwrap_or_default()
    }

    /// How small and fine the outputs of a transaction may be.
    pub(super) fn grains(&self, wish: &Wish) -> Grains {
        let values = wish.payees.iter().map(|payee| payee.value).chain(wish.pays).chain(wish.draws);
        let steps =
            values.filter_map(|value| Some((value.asset, self.asset_record(value.asset)?.terms.decimals.step())));
        Grains { output_min: self.config.genesis.parameters.output_min, steps: steps.collect() }
    }

    /// An amount of an asset that exists, no finer than it is counted.
    pub(super) fn value_of(&self, asset: AssetId, amount: Amount) -> Answer<Value> {
        let value = Value { asset, amount };
        if asset == AssetId::WAY {
            return Ok(value);
        }
        let record = self.asset_record(asset).ok_or_else(|| ApiError::asset_not_found(asset))?;
        if record.terms.decimals.fits(amount) { Ok(value) } else { Err(ApiError::amount_too_fine(&record.terms)) }
    }

    /// What registers an asset of this node's identity.
    pub(super) fn asset_registration(&self, request: &AssetRegister) -> Answer<Order> {
        let decimals = Decimals::new(request.decimals);
        let decimals = decimals.ok_or_else(|| ApiError::invalid_params("decimals", "it must lie in 0 to 18"))?;
        let (symbol, name) = (request.symbol.clone(), request.name.clone());
        let terms = AssetTerms { issuer: self.me(), symbol, name, decimals };
        if self.asset_record(terms.id()).is_some() {
            return Err(ApiError::asset_exists(&terms.symbol));
        }
        let fee = self.config.genesis.parameters.call_prices.asset_register;
        let call = Some(Call::Assets(AssetsCall::Register { terms }));
        Ok(Order::signed(Wish { call, fee, ..Wish::default() }))
    }

    /// What makes new units of an asset, for `payee` or this wallet.
    pub(super) fn issue(&self, value: Value, payee: Option<Recipient>) -> Answer<Order> {
        let order = self.asset_order(AssetsCall::Issue, value)?;
        let payees = payee.into_iter().map(|to| Payee { to, value }).collect();
        Ok(Order { wish: Wish { draws: Some(value), payees, ..order.wish }, ..order })
    }

    /// What destroys units of an asset that this wallet has.
    pub(super) fn burn(&self, value: Value) -> Answer<Order> {
        let order = self.asset_order(AssetsCall::Burn, value)?;
        Ok(Order { wish: Wish { pays: Some(value), ..order.wish }, ..order })
    }

    /// A call about an asset of which this node may make and burn that much.
    fn asset_order(&self, call: AssetsCall, value: Value) -> Answer<Order> {
        let record = self.asset_record(value.asset).ok_or_else(|| ApiError::asset_not_found(value.asset))?;
        let fee = self.config.genesis.parameters.call_prices.other;
        let wish = Wish { call: Some(Call::Assets(call.clone())), fee, ..Wish::default() };
        match record.control {
            Control::Issuer if record.terms.issuer == self.me() => Ok(Order::signed(wish)),
            Control::Issuer => Err(ApiError::not_the_issuer(&record.terms)),
            Control::Anyone { issue_max } if call == AssetsCall::Issue && value.amount > issue_max => {
                Err(ApiError::faucet_limit(&record.terms, issue_max))
            }
            Control::Anyone { .. } => Ok(Order::unsigned(wish)),
        }
    }
}

fn asset(record: AssetRecord, me: IdentityId) -> Asset {
    let (asset, ours) = (record.terms.id(), record.terms.issuer == me);
    let AssetTerms { issuer, symbol, name, decimals } = record.terms;
    let faucet_max = match record.control {
        Control::Issuer => None,
        Control::Anyone { issue_max } => Some(issue_max),
    };
    Asset { asset, symbol, name, decimals: decimals.get(), issuer, supply: record.supply, faucet_max, ours }
}

//! Assets beside WAY in channels: putting some in, paying with them, and showing what there is.

use byway_channel::{Change, ChannelKey, ContractPurse, Purse, purse_payment};
use byway_peer::market::OwnChannel;
use byway_primitives::{Amount, AssetId};
use byway_records::channel::{AssetParts, ChannelAssets, ChannelTerms, Side};
use byway_vm::{Address, purse_of};

use super::Actor;
use crate::api::{Answer, ApiError, ChannelAssetDeposit, ChannelPurse, ContractPurseRecord};

impl Actor {
    /// What both are to put in beside WAY. We propose the channel.
    pub(super) fn channel_assets(&self, deposits: &[ChannelAssetDeposit]) -> Answer<ChannelAssets> {
        for deposit in deposits {
            self.value_of(deposit.asset, deposit.ours)?;
            self.value_of(deposit.asset, deposit.theirs)?;
        }
        let rows = deposits.iter().map(|one| AssetParts { asset: one.asset, parts: [one.ours, one.theirs] });
        ChannelAssets::new(rows).ok_or_else(|| {
            ApiError::invalid_params("assets", "at most four, each once, none of them WAY, and something of each")
        })
    }

    /// Whether both accounts hold what they are to put in beside WAY.
    pub(super) fn check_asset_deposits(&self, terms: &ChannelTerms) -> Answer<()> {
        let [ours, theirs] = if terms.parties[0] == self.me() { [0, 1] } else { [1, 0] };
        for AssetParts { asset, parts } in terms.assets.iter().copied() {
            let record = self.asset_record(asset).ok_or_else(|| ApiError::asset_not_found(asset))?;
            let symbol = record.terms.symbol;
            let has = |side: usize| self.account_of(terms.parties[side], asset).balance;
            if has(ours) < parts[ours] {
                return Err(ApiError::insufficient_asset_account(&symbol, parts[ours], has(ours)));
            }
            if has(theirs) < parts[theirs] {
                let (has, wanted) = (has(theirs), parts[theirs]);
                return Err(ApiError::channel_not_opened(format_args!(
                    "the peer's account holds {has} {symbol}, and it is to put in {wanted} {symbol}"
                )));
            }
        }
        Ok(())
    }

    /// What there is of other assets in a channel.
    pub(super) fn purses_of(&self, channel: &OwnChannel) -> Vec<ChannelPurse> {
        let (ours, theirs) = (channel.side().index(), channel.side().other().index());
        let shown = channel.purses().into_iter().map(|Purse { asset, contract, owned, rest }| ChannelPurse {
            asset,
            symbol: self.asset_tag(asset).map(|tag| tag.symbol),
            contract: format!("0x{}", hex::encode(contract.0)),
            ours: owned[ours],
            theirs: owned[theirs],
            contracts: rest,
        });
        shown.collect()
    }

    /// What a contract has of them, and may take of what the two have or will have.
    pub(super) fn purses_of_contract(&self, channel: &OwnChannel, contract: Address) -> Vec<ContractPurseRecord> {
        let (ours, theirs) = (channel.side().index(), channel.side().other().index());
        let rows =
            channel.contract_purses(contract).into_iter().map(|ContractPurse { asset, purse, has, may_take }| {
                let symbol = asset.and_then(|asset| self.asset_tag(asset)).map(|tag| tag.symbol);
                let purse = format!("0x{}", hex::encode(purse.0));
                let [takes_ours, takes_theirs] = [ours, theirs].map(|side| may_take[side]);
                ContractPurseRecord { asset, symbol, purse, has, takes_ours, takes_theirs }
            });
        rows.collect()
    }

    /// The same of a channel whose journal can't be read: what each has put in is all that the ledger says.
    pub(super) fn purses_put_in(&self, assets: &ChannelAssets, side: Side) -> Vec<ChannelPurse> {
        let (ours, theirs) = (side.index(), side.other().index());
        let shown = assets.iter().map(|row| ChannelPurse {
            asset: row.asset,
            symbol: self.asset_tag(row.asset).map(|tag| tag.symbol),
            contract: format!("0x{}", hex::encode(purse_of(row.asset).0)),
            ours: row.parts[ours],
            theirs: row.parts[theirs],
            contracts: Amount::ZERO,
        });
        shown.collect()
    }

    /// A payment of an asset that is in the channel.
    pub(super) fn purse_change(&self, key: ChannelKey, asset: AssetId, amount: Amount) -> Answer<Change> {
        let channel = self.market.channels().get(key).ok_or_else(|| ApiError::channel_not_ready("it is closed"))?;
        self.value_of(asset, amount)?;
        let purse = channel.purses().into_iter().find(|purse| purse.asset == asset);
        let purse = purse.ok_or_else(|| ApiError::channel_not_ready("there is none of this asset in it"))?;
        let has = purse.owned[channel.side().index()];
        if has < amount {
            return Err(ApiError::update_refused(format_args!("of this asset {has} are ours")));
        }
        Ok(Change::Call(purse_payment(channel.side(), asset, Address::from(key.peer), amount)))
    }
}

//! Assets beside WAY in a channel: its first state, what both have, how one pays the other, and how they part.
//!
//! An asset is in its purse ([`byway_vm::purse_of`]), an ordinary contract to all updates. So a peer's call takes nothing of ours there unless
//! we have approved that, by a call of our own: what an update is worth to a side is judged by its WAY alone. What the ledger would
//! do for nobody, changing a purse or taking it away, no side signs.
//!
//! What goes in or out later is moved in the purse by both sides, beside all calls, in the state that they sign for the ledger (`machine::funding`). So
//! nothing in the contract lets anybody do that.

use byway_primitives::{Amount, AssetId};
use byway_records::Value;
use byway_records::channel::{AssetParts, ChannelAssets, Movement, Position, Side};
use byway_vm::{Address, State, Target, purse_of};

use crate::change::{ChangeError, ContractCall, Ground};
use crate::fund::Moved;
use crate::journal::Life;
use crate::machine::ChannelMachine;
use crate::signer::Signer;

/// `transfer(address,uint256)`.
const TRANSFER: [u8; 4] = [0xa9, 0x05, 0x9c, 0xbb];
/// The most that paying out of a purse takes.
const TRANSFER_GAS: u64 = 100_000;

/// What there is of an asset in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purse {
    pub asset: AssetId,
    /// The contract's address.
    pub contract: Address,
    /// What each party has.
    pub owned: [Amount; 2],
    /// What contracts have.
    pub rest: Amount,
}

/// What a contract has of an asset in a channel, and what it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContractPurse {
    /// `None` where there is nothing of it in the channel now. The purse is there still, and so is what was approved.
    pub asset: Option<AssetId>,
    /// The purse's address.
    pub purse: Address,
    pub has: Amount,
    /// How much each party lets it take of what that party has in the purse, or will have: the most there can be for more than that.
    pub may_take: [Amount; 2],
}

/// The call by which a side pays `to` out of what it has of an asset.
pub fn purse_payment(from: Side, asset: AssetId, to: Address, amount: Amount) -> ContractCall {
    let words = [[&[0; 12][..], &to.0].concat(), [&[0; 16][..], &amount.units().to_be_bytes()].concat()];
    let input = [&TRANSFER[..], &words.concat()].concat();
    let target = Target::Contract(purse_of(asset));
    ContractCall { caller: from, target, value: Amount::ZERO, input, gas: TRANSFER_GAS, evidence: Vec::new() }
}

impl Ground {
    /// The first state with these balances: that of a channel in which nothing was called yet, where each has of the assets what it has put in.
    pub(crate) fn first_state(&self, balances: [Amount; 2], assets: &ChannelAssets) -> State {
        let [initiator, responder] = self.addresses();
        State::opening([(initiator, balances[0]), (responder, balances[1])], assets)
    }

    /// The state and the position after a side has put something of an asset in, or taken some out: what it has in the purse is so much more or less.
    pub(crate) fn funded_in_purse(
        &self,
        state: &State,
        base: &Position,
        round: u64,
        moved: &Moved,
    ) -> Result<(State, Position), ChangeError> {
        let (Value { asset, amount }, owner) = (moved.value, self.addresses()[moved.side.index()]);
        if amount.is_zero() {
            return Err(ChangeError::NothingMoved);
        }
        let mut state = state.clone();
        let is_moved = match moved.movement {
            Movement::Deposit => state.put_in_purse(asset, owner, amount),
            Movement::Withdraw => state.take_from_purse(asset, owner, amount),
            Movement::Leave { .. } => false,
        };
        let root = state.root();
        if is_moved { Ok((state, Position { round, root, ..*base })) } else { Err(ChangeError::NotInPurse) }
    }

    /// What there is in each purse. Where a purse says what can't be, contracts have it all, as the ledger takes it.
    pub(crate) fn purses(&self, state: &State, assets: &ChannelAssets) -> impl Iterator<Item = Purse> {
        assets.iter().map(|row| {
            let (asset, total) = (row.asset, row.total().unwrap_or_default());
            let [one, other] = self.addresses().map(|party| state.in_purse(asset, party));
            let owned = one.zip(other).map(|(one, other)| [one, other]);
            let rest = owned.and_then(|owned| total.checked_sub(Amount::checked_sum(owned)?));
            let (owned, rest) = owned.zip(rest).unwrap_or(([Amount::ZERO; 2], total));
            Purse { asset, contract: purse_of(asset), owned, rest }
        })
    }

    /// What each gets of every asset where the two part: what it has, and its share of what contracts have.
    pub(crate) fn split(&self, state: &State, assets: &ChannelAssets) -> Option<ChannelAssets> {
        let rows = self.purses(state, assets).map(|Purse { asset, owned, rest, .. }| {
            let shares = self.terms.remainder.shares(rest);
            let [one, other] = [0, 1].map(|side: usize| owned[side].checked_add(shares[side]));
            Some(AssetParts { asset, parts: [one?, other?] })
        });
        ChannelAssets::new(rows.collect::<Option<Vec<_>>>()?)
    }
}

impl<S: Signer> ChannelMachine<S> {
    /// What a contract has in purses, and may take there: its code decides over that, too. Also of assets that the channel has none of now, since some may come in later. Of purses in
    /// which it has nothing and may take none there is no row.
    pub fn contract_purses(&self, contract: Address) -> Vec<ContractPurse> {
        let (state, parties, assets) = (self.state(), self.ground().addresses(), &self.held().assets);
        let rows = state.purses().map(|purse| ContractPurse {
            asset: assets.iter().map(|row| row.asset).find(|asset| purse_of(*asset) == purse),
            purse,
            has: state.in_purse_at(purse, contract).unwrap_or_default(),
            may_take: parties.map(|party| state.approved_at(purse, party, contract)),
        });
        rows.filter(|row| !row.has.is_zero() || row.may_take.iter().any(|amount| !amount.is_zero())).collect()
    }

    /// What there is of assets beside WAY; before the channel is open, what there will be. Nothing where this side does not know the newest state.
    pub fn purses(&self) -> Vec<Purse> {
        let ground = self.ground();
        match self.life() {
            Life::Initialized | Life::Accepted | Life::HalfSigned | Life::Signed => {
                let assets = &ground.terms.assets;
                ground.purses(&ground.first_state(ground.terms.deposits, assets), assets).collect()
            }
            Life::Open | Life::Closing | Life::Closed if self.state().root() != self.position().root => Vec::new(),
            Life::Open | Life::Closing | Life::Closed => ground.purses(self.state(), &self.held().assets).collect(),
        }
    }
}

//! Assets beside WAY in a channel: its first state, what both have, how one pays the other, and how they part.
//!
//! An asset is in its purse ([`byway_vm::purse_of`]), an ordinary contract to all updates. So a peer's call takes nothing of ours there unless
//! we have approved that, by a call of our own: what an update is worth to a side is judged by its WAY alone. What the ledger would
//! do for nobody, changing a purse or taking it away, no side signs.

use byway_primitives::{Amount, AssetId};
use byway_records::channel::{AssetParts, ChannelAssets, Side};
use byway_vm::{Address, State, Target, purse_of};

use crate::change::{ContractCall, Ground};
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

/// The call by which a side pays `to` out of what it has of an asset.
pub fn purse_payment(from: Side, asset: AssetId, to: Address, amount: Amount) -> ContractCall {
    let words = [[&[0; 12][..], &to.0].concat(), [&[0; 16][..], &amount.units().to_be_bytes()].concat()];
    let input = [&TRANSFER[..], &words.concat()].concat();
    let target = Target::Contract(purse_of(asset));
    ContractCall { caller: from, target, value: Amount::ZERO, input, gas: TRANSFER_GAS }
}

impl Ground {
    /// The first state with these balances: that of a channel in which nothing was called yet.
    pub(crate) fn first_state(&self, balances: [Amount; 2]) -> State {
        let [initiator, responder] = self.addresses();
        State::opening([(initiator, balances[0]), (responder, balances[1])], &self.terms.assets)
    }

    pub(crate) fn is_purse(&self, contract: Address) -> bool {
        self.terms.assets.iter().any(|row| purse_of(row.asset) == contract)
    }

    /// Whether a contract has anything in a purse, or may take a party's. Another could later be at its address, which would have that.
    pub(crate) fn is_in_purses(&self, state: &State, contract: Address) -> bool {
        let may_take =
            |asset| self.addresses().into_iter().any(|party| state.may_take_from_purse(asset, party, contract));
        let has = |asset| state.in_purse(asset, contract).is_some_and(|amount| !amount.is_zero());
        self.terms.assets.iter().any(|row| has(row.asset) || may_take(row.asset))
    }

    /// What there is in each purse. Where a purse says what can't be, contracts have it all, as the ledger takes it.
    pub(crate) fn purses(&self, state: &State) -> impl Iterator<Item = Purse> {
        self.terms.assets.iter().map(|row| {
            let (asset, total) = (row.asset, row.total().unwrap_or_default());
            let [one, other] = self.addresses().map(|party| state.in_purse(asset, party));
            let owned = one.zip(other).map(|(one, other)| [one, other]);
            let rest = owned.and_then(|owned| total.checked_sub(Amount::checked_sum(owned)?));
            let (owned, rest) = owned.zip(rest).unwrap_or(([Amount::ZERO; 2], total));
            Purse { asset, contract: purse_of(asset), owned, rest }
        })
    }

    /// What each gets of every asset where the two part: what it has, and its share of what contracts have.
    pub(crate) fn split(&self, state: &State) -> Option<ChannelAssets> {
        let rows = self.purses(state).map(|Purse { asset, owned, rest, .. }| {
            let shares = self.terms.remainder.shares(rest);
            let [one, other] = [0, 1].map(|side: usize| owned[side].checked_add(shares[side]));
            Some(AssetParts { asset, parts: [one?, other?] })
        });
        ChannelAssets::new(rows.collect::<Option<Vec<_>>>()?)
    }
}

impl<S: Signer> ChannelMachine<S> {
    /// What there is of assets beside WAY; before the channel is open, what there will be. Nothing where this side does not know the newest state.
    pub fn purses(&self) -> Vec<Purse> {
        let ground = self.ground();
        match self.life() {
            Life::Initialized | Life::Accepted | Life::HalfSigned | Life::Signed => {
                ground.purses(&ground.first_state(ground.terms.deposits)).collect()
            }
            Life::Open | Life::Closing | Life::Closed if self.state().root() != self.position().root => Vec::new(),
            Life::Open | Life::Closing | Life::Closed => ground.purses(self.state()).collect(),
        }
    }
}

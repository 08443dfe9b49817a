//! Purses: what a channel has of assets beside the network's own coin (`examples/contracts/Purse.sol`).
//!
//! A purse is in a channel's first state, with both deposits in its storage: it follows from the terms, so nobody has to show it. Of an asset that goes
//! in or out later the two change what its owner has there and sign that ([`State::put_in_purse`]). Nothing
//! that runs in a channel can put another contract at its address, change its code or write into its storage; so what it says
//! is what went in, moved by whoever had it. Only both parties together can sign a state of another kind: one where the purse is gone, has
//! other code, or says more than there is. It is then as if nobody had anything in it.

use std::sync::LazyLock;

use byway_primitives::hash::Context;
use byway_primitives::{Amount, AssetId, Hash};
use byway_records::channel::ChannelAssets;

use crate::account::{Account, Address, code_hash as hash_of};
use crate::execute::{Missing, Shown, Word};
use crate::state::State;
use crate::witness::Witness;

const PURSE: Context = Context("byway 1 purse");
const COMPILED: &str = include_str!("../../../examples/contracts/compiled/Purse.json");
/// Where the compiler has laid out what each owner has, what it lets others take of that, and the sum of it.
const BALANCES: u8 = 0;
const ALLOWANCES: u8 = 1;
const SUPPLY: u8 = 2;

static CODE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let hex = COMPILED.split("\"run\": \"").nth(1).and_then(|rest| rest.split('"').next());
    let code = hex.and_then(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).ok());
    code.expect("the compiled contract is there")
});
static HASH: LazyLock<Hash> = LazyLock::new(|| hash_of(&CODE));

/// Where an asset's purse is in a channel that has one.
pub fn purse_of(asset: AssetId) -> Address {
    let digest = PURSE.hash(&[&asset.0.0]);
    Address(std::array::from_fn(|index| digest.0[index]))
}

/// What purses run. It need not be registered: whoever executes calls of channels has it.
pub fn purse_code() -> &'static [u8] {
    &CODE
}

pub(crate) fn code_hash() -> Hash {
    *HASH
}

/// The slot that says what an owner has.
fn slot_of(owner: Address) -> Word {
    let mut key = [0; 64];
    key[12..32].copy_from_slice(&owner.0);
    key[63] = BALANCES;
    hash_of(&key).0
}

/// The slot that says how much of an owner's a spender may take.
fn slot_of_allowance(owner: Address, spender: Address) -> Word {
    let mut of_owner = [0; 64];
    of_owner[12..32].copy_from_slice(&owner.0);
    of_owner[63] = ALLOWANCES;
    let mut key = [0; 64];
    key[12..32].copy_from_slice(&spender.0);
    key[32..].copy_from_slice(&hash_of(&of_owner).0);
    hash_of(&key).0
}

/// The slot that says how much there is in all.
fn supply_slot() -> Word {
    let mut slot = [0; 32];
    slot[31] = SUPPLY;
    slot
}

fn number(amount: Amount) -> Word {
    let mut word = [0; 32];
    word[16..].copy_from_slice(&amount.units().to_be_bytes());
    word
}

fn amount(word: &Word) -> Option<Amount> {
    let (high, low) = word.split_first_chunk::<16>()?;
    let units = u128::from_be_bytes(*low.first_chunk()?);
    (*high == [0; 16]).then_some(Amount::from_units(units))
}

/// What shows what these have in the purses: of a purse that is none its account alone.
pub(crate) fn shown(
    assets: &ChannelAssets,
    owners: [Address; 2],
    account: impl Fn(Address) -> Option<Account>,
) -> Shown {
    let purses = || assets.iter().map(|row| purse_of(row.asset));
    let there = purses().filter(|purse| account(*purse).is_some_and(is_purse));
    Shown::new(purses(), there.flat_map(|purse| owners.map(|owner| (purse, slot_of(owner)))))
}

/// Whether that is the account of a purse: of one that runs what purses run.
fn is_purse(account: Account) -> bool {
    account.contract.is_some_and(|contract| contract.code == code_hash())
}

impl State {
    /// The first state of a channel: what both parties have, and the purses.
    pub fn opening(parties: [(Address, Amount); 2], assets: &ChannelAssets) -> Self {
        let mut state = Self::new(parties);
        for row in assets.iter() {
            let owned = parties.iter().zip(row.parts).map(|((party, _), part)| (slot_of(*party), number(part)));
            let total = row.total().expect("no assets are named of which there is too much");
            let slots = owned.chain([(supply_slot(), number(total))]);
            state.put_contract(purse_of(row.asset), purse_code().to_vec(), slots);
        }
        state
    }

    /// What an owner has in an asset's purse; `None` where there is no purse.
    pub fn in_purse(&self, asset: AssetId, owner: Address) -> Option<Amount> {
        self.in_purse_at(purse_of(asset), owner)
    }

    /// The same of the purse at an address.
    pub fn in_purse_at(&self, purse: Address, owner: Address) -> Option<Amount> {
        let code = self.account(purse)?.contract?.code;
        amount(&self.stored(purse, &slot_of(owner))).filter(|_| code == code_hash())
    }

    /// How much the purse at an address lets `spender` take of an owner's: nothing where there is no purse, and the most there can be for more than that.
    pub fn approved_at(&self, purse: Address, owner: Address, spender: Address) -> Amount {
        let approved = || self.stored(purse, &slot_of_allowance(owner, spender));
        if self.is_purse(purse) { amount(&approved()).unwrap_or(Amount::MAX) } else { Amount::ZERO }
    }

    /// Whether a contract runs what purses run.
    pub fn is_purse(&self, contract: Address) -> bool {
        self.account(contract).is_some_and(is_purse)
    }

    /// All contracts that run what purses run, also those in which there is nothing now.
    pub fn purses(&self) -> impl Iterator<Item = Address> {
        self.contracts().filter(|(_, contract)| contract.code == code_hash()).map(|(purse, _)| purse)
    }

    /// Whether a contract has anything in a purse, or may take there what one of these has.
    pub fn is_in_purses(&self, contract: Address, owners: [Address; 2]) -> bool {
        let approved = owners.map(|owner| slot_of_allowance(owner, contract));
        self.purses()
            .any(|purse| approved.iter().chain([&slot_of(contract)]).any(|slot| self.stored(purse, slot) != [0; 32]))
    }

    /// Puts so much into what an owner has in an asset's purse, for what comes into the channel: no call does that. A channel that has had nothing of
    /// the asset has a purse from then on. Whether it could be put there.
    #[must_use]
    pub fn put_in_purse(&mut self, asset: AssetId, owner: Address, amount: Amount) -> bool {
        self.change_purse(asset, owner, |owned| owned.checked_add(amount))
    }

    /// Takes so much out of what an owner has in an asset's purse, for what goes out of the channel. Whether it was there.
    #[must_use]
    pub fn take_from_purse(&mut self, asset: AssetId, owner: Address, amount: Amount) -> bool {
        self.change_purse(asset, owner, |owned| owned.checked_sub(amount))
    }

    /// Changes what an owner has, and the sum of all, by as much. The last receipt is gone with its round.
    fn change_purse(&mut self, asset: AssetId, owner: Address, change: impl Fn(Amount) -> Option<Amount>) -> bool {
        let purse = purse_of(asset);
        let is_other = self.account(purse).is_some_and(|account| account.contract.is_some()) && !self.is_purse(purse);
        let after = |slot: &Word| amount(&self.stored(purse, slot)).and_then(&change);
        let (of_owner, of_all) = (slot_of(owner), supply_slot());
        let (Some(owned), Some(all)) = (after(&of_owner), after(&of_all)) else { return false };
        if is_other {
            return false;
        }
        self.put_contract(purse, purse_code().to_vec(), [(of_owner, number(owned)), (of_all, number(all))]);
        self.forget_receipt();
        true
    }

    /// The part of the state that shows what these have in the purses of the assets, or that there are none.
    pub fn witness_of_purses(&self, assets: &ChannelAssets, owners: [Address; 2]) -> Witness {
        self.part(&shown(assets, owners, |address| self.account(address)))
    }
}

impl Witness {
    /// What each owner has in an asset's purse; `None` where there certainly is no purse, or none that runs what purses run.
    ///
    /// # Errors
    /// If that is not shown.
    pub fn in_purse(&self, asset: AssetId, owners: [Address; 2]) -> Result<Option<[Amount; 2]>, Missing> {
        let purse = purse_of(asset);
        let contract = self.account(purse)?.and_then(|account| account.contract);
        if contract.is_none_or(|contract| contract.code != code_hash()) {
            return Ok(None);
        }
        let [one, other] = owners.map(|owner| self.stored(purse, &slot_of(owner)));
        Ok(amount(&one?).zip(amount(&other?)).map(|(one, other)| [one, other]))
    }
}

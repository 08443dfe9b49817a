//! The part of a state that one call touches.
//!
//! **How large.** Storage is a binary tree of a depth of about log2 of its entries, and a level costs 35 bytes of a witness. A
//! contract with 1 GB of state has some 2^24 entries of 64 bytes, so a slot costs about 24 × 35 + 70 = 910 bytes, and less
//! where ways are shared from the root down. The accounts' tree has as many entries as the channel has accounts: few
//! levels. So eight slots of such a contract fit into 8 KiB, which calls of most contracts need fewer than; a call that
//! touches more needs more, up to [`WITNESS_BYTES_MAX`]. What shows a channel's purses has a bound of its own, [`PURSES_BYTES_MAX`]: a party
//! that chooses whom it pays can make the ways to them longer.

use std::collections::BTreeMap;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Hash, NetworkId};
use byway_records::channel::ChannelAssets;
use byway_records::tree::PartialTree;

use crate::account::{Account, Address, account_key, short, word};
use crate::call::{Call, Environment, Outcome};
use crate::execute::{ExecuteError, Execution, Missing, Shown, Source, Word, execute};
use crate::purse::{self, purse_code};

pub use byway_records::call::channels::{PURSES_BYTES_MAX, WITNESS_BYTES_MAX};

/// Contracts whose storage is shown.
const STORAGES_MAX: usize = 64;

/// Some accounts, and some storage of some contracts, under the root of a state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Witness {
    accounts: PartialTree,
    storages: BTreeMap<Address, PartialTree>,
}

/// Why a witness is not of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    #[error("the witness is of a state with another root")]
    Root,
    #[error("the witness shows storage of {0:?} that is not what its account names")]
    Storage(Address),
}

/// What came of a call on a witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forced {
    pub execution: Execution,
    /// The root of the state after the call; that before it where the call did not return.
    pub root: Hash,
    after: Witness,
}

impl Witness {
    pub(crate) fn new(accounts: PartialTree, storages: impl IntoIterator<Item = (Address, PartialTree)>) -> Self {
        Self { accounts, storages: storages.into_iter().collect() }
    }

    /// Whether everything in it stands under `root`.
    pub fn check(&self, root: Hash) -> Result<(), WitnessError> {
        if self.accounts.root() != root {
            return Err(WitnessError::Root);
        }
        for (address, part) in &self.storages {
            let account = self.account(*address).ok().flatten();
            let named = account.and_then(|account| account.contract).map(|contract| contract.storage);
            if named != Some(part.root()) {
                return Err(WitnessError::Storage(*address));
            }
        }
        Ok(())
    }

    /// Whether all of it is needed by this call, which was executed on it, or to show the accounts of `parties`.
    pub fn is_needed_by(&self, execution: &Execution, parties: &[Address]) -> bool {
        *self == self.only(&execution.touched.shown(parties))
    }

    /// Whether it shows what the owners have in the purses of the assets, or that there are none, and nothing else.
    pub fn is_of_purses(&self, assets: &ChannelAssets, owners: [Address; 2]) -> bool {
        let account = |address| self.account(address).ok().flatten();
        *self == self.only(&purse::shown(assets, owners, account))
    }

    /// The part of it that shows this.
    fn only(&self, shown: &Shown) -> Self {
        let nothing = PartialTree::default();
        let storages = shown.slots.iter().filter_map(|(address, slots)| {
            let part = self.storages.get(address).filter(|part| **part != nothing)?;
            Some((*address, part.only(slots)))
        });
        Self { accounts: self.accounts.only(&shown.entries), storages: storages.collect() }
    }

    /// The account under an address; `None` where there certainly is none.
    pub fn account(&self, address: Address) -> Result<Option<Account>, Missing> {
        let value = self.accounts.value(&account_key(address)).map_err(|_| Missing::Account(address))?;
        value.map(|bytes| Account::from_bytes(bytes).map_err(|_| Missing::Damaged(address))).transpose()
    }

    /// What an account has: nothing, where there certainly is none.
    pub fn balance(&self, address: Address) -> Result<Amount, Missing> {
        self.account(address).map(|account| account.unwrap_or_default().balance)
    }

    /// What a contract has stored at a slot; nothing where there certainly is no such contract.
    pub(crate) fn stored(&self, address: Address, slot: &Word) -> Result<Word, Missing> {
        let contract = self.account(address)?.and_then(|account| account.contract);
        let Some(contract) = contract else { return Ok([0; 32]) };
        let hidden = PartialTree::hidden(contract.storage);
        let part = self.storages.get(&address).unwrap_or(&hidden);
        let value = part.value(short(slot)).map_err(|_| Missing::Slot(address))?;
        value.map_or(Ok([0; 32]), |value| word(value).ok_or(Missing::Damaged(address)))
    }

    /// Executes a call on a witness that was [checked](Self::check). `code` knows code by its hash, and is believed.
    ///
    /// # Errors
    /// [`ExecuteError::Missing`] where the call needs more than the witness shows.
    pub fn execute(
        &self,
        network: NetworkId,
        environment: Environment,
        call: &Call,
        code: &dyn Fn(Hash) -> Option<Vec<u8>>,
    ) -> Result<Forced, ExecuteError> {
        let execution = execute(&Part { witness: self, code }, network, environment, call)?;
        let mut after = self.clone();
        if execution.outcome == Outcome::Returned {
            after.apply(self, &execution)?;
        }
        Ok(Forced { root: after.accounts.root(), execution, after })
    }

    fn apply(&mut self, before: &Self, execution: &Execution) -> Result<(), Missing> {
        let account = |address| before.account(address);
        let entries = execution.changes.entries(account, &execution.receipt, |address, root, slots| {
            let part = self.storages.entry(address).or_insert_with(|| PartialTree::hidden(root));
            let changes = slots.iter().map(|(slot, value)| {
                let value = short(value);
                (short(slot).to_vec(), (!value.is_empty()).then(|| value.to_vec()))
            });
            part.apply(&changes.collect()).map_err(|_| Missing::Slot(address))?;
            Ok(part.root())
        })?;
        self.accounts.apply(&entries).map_err(|_| Missing::Receipt)
    }
}

impl Forced {
    /// What an account has after the call.
    pub fn balance(&self, address: Address) -> Result<Amount, Missing> {
        self.after.balance(address)
    }
}

/// A witness, and whoever knows the code that it names.
struct Part<'a> {
    witness: &'a Witness,
    code: &'a dyn Fn(Hash) -> Option<Vec<u8>>,
}

impl Source for Part<'_> {
    fn account(&self, address: Address) -> Result<Option<Account>, Missing> {
        self.witness.account(address)
    }

    fn slot(&self, address: Address, slot: &Word) -> Result<Word, Missing> {
        self.witness.stored(address, slot)
    }

    fn code(&self, hash: Hash) -> Result<Vec<u8>, Missing> {
        let built_in = || (hash == purse::code_hash()).then(|| purse_code().to_vec());
        (self.code)(hash).or_else(built_in).ok_or(Missing::Code(hash))
    }
}

/// The accounts, then the storages in order of their addresses.
impl Encode for Witness {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.accounts);
        out.varint(self.storages.len() as u64);
        for (address, part) in &self.storages {
            out.value(address);
            out.value(part);
        }
    }
}

impl Decode for Witness {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if input.remaining() > PURSES_BYTES_MAX {
            return Err(DecodeError::TooLong { length: input.remaining() as u64, limit: PURSES_BYTES_MAX as u64 });
        }
        let accounts = input.value()?;
        let count = input.u64()?;
        if count > STORAGES_MAX as u64 {
            return Err(DecodeError::TooLong { length: count, limit: STORAGES_MAX as u64 });
        }
        let mut storages = BTreeMap::new();
        for _ in 0..count {
            let address: Address = input.value()?;
            if storages.last_key_value().is_some_and(|(last, _)| *last >= address) {
                return Err(DecodeError::Invalid("storages of a witness are in order"));
            }
            storages.insert(address, input.value()?);
        }
        Ok(Self { accounts, storages })
    }
}

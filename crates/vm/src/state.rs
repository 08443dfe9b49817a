//! A whole state, as the two peers of a channel keep it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use byway_primitives::{Amount, Decode, Hash, NetworkId};
use byway_records::tree::{PartialTree, StateTree};

use crate::account::{ACCOUNTS, Account, Address, Contract, Receipt, account_key, code_hash, receipt_key, short, word};
use crate::alone::WholeAlone;
use crate::call::{Call, Environment, Outcome};
use crate::execute::{ExecuteError, Execution, Missing, Shown, Source, Word, execute, least_gas};
use crate::witness::Witness;

/// Bytes of code that count as one entry: about what a slot and its value have.
pub const CODE_BYTES_PER_ENTRY: usize = 64;

/// Accounts, storages, and the code that they name. A copy shares storages and code with what it is of; a call copies the storages
/// that it writes, if they are shared.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub(crate) tree: StateTree,
    /// Of contracts that have any.
    pub(crate) storages: BTreeMap<Address, Arc<StateTree>>,
    pub(crate) codes: BTreeMap<Hash, Arc<[u8]>>,
}

impl State {
    /// A state in which these have so much, and nothing was ever called.
    pub fn new(balances: impl IntoIterator<Item = (Address, Amount)>) -> Self {
        let mut state = Self::default();
        for (address, balance) in balances {
            state.put(address, &Account { balance, ..Account::default() });
        }
        state.tree.rehash();
        state
    }

    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// How much there is to copy and to keep: entries, those of the storages too, and one for each [`CODE_BYTES_PER_ENTRY`] of code.
    pub fn size(&self) -> u64 {
        let slots: usize = self.storages.values().map(|storage| storage.len()).sum();
        let code: usize = self.codes.values().map(|code| code.len().div_ceil(CODE_BYTES_PER_ENTRY)).sum();
        (self.tree.len() + slots + code) as u64
    }

    pub fn account(&self, address: Address) -> Option<Account> {
        self.tree.read(&account_key(address))
    }

    pub fn receipt(&self) -> Option<Receipt> {
        self.tree.read(&receipt_key())
    }

    pub fn code(&self, hash: Hash) -> Option<&[u8]> {
        self.codes.get(&hash).map(|code| &**code)
    }

    /// What a contract has stored at a slot, as a big-endian number.
    pub fn stored(&self, contract: Address, slot: &[u8; 32]) -> [u8; 32] {
        Source::slot(self, contract, slot).unwrap_or_default()
    }

    /// Sets what an account has: for updates that are no calls. Its last receipt is gone with the round that it was of.
    pub fn set_balance(&mut self, address: Address, balance: Amount) {
        let account = Account { balance, ..self.account(address).unwrap_or_default() };
        self.put(address, &account);
        self.forget_receipt();
    }

    /// After a change that is no call: the last receipt is gone with the round that it was of.
    pub(crate) fn forget_receipt(&mut self) {
        self.tree.remove(&receipt_key());
        self.tree.rehash();
    }

    /// Puts a contract there that runs `code` and has stored this already: without running what would create it.
    pub fn put_contract(&mut self, address: Address, code: Vec<u8>, storage: impl IntoIterator<Item = (Word, Word)>) {
        let tree = Arc::make_mut(self.storages.entry(address).or_default());
        for (slot, value) in storage {
            set_slot(tree, &slot, &value);
        }
        let contract = Contract { code: code_hash(&code), storage: tree.rehash() };
        self.codes.insert(contract.code, code.into());
        let account = self.account(address).unwrap_or_default();
        self.put(address, &Account { nonce: account.nonce.max(1), contract: Some(contract), ..account });
        self.tree.rehash();
    }

    /// Replaces a contract's code. What it has and has stored stays. Whether there is such a contract.
    pub fn set_code(&mut self, address: Address, code: &[u8]) -> bool {
        let Some(account) = self.account(address) else { return false };
        let Some(contract) = account.contract else { return false };
        let hash = code_hash(code);
        self.codes.insert(hash, code.into());
        self.put(address, &Account { contract: Some(Contract { code: hash, ..contract }), ..account });
        self.end_change(contract.code);
        true
    }

    /// Takes a contract away, with all that it has stored; gives the account that it was.
    pub fn remove_contract(&mut self, address: Address) -> Option<Account> {
        let account = self.account(address)?;
        let contract = account.contract?;
        self.storages.remove(&address);
        self.tree.remove(&account_key(address));
        self.end_change(contract.code);
        Some(account)
    }

    /// The part of the state that shows a contract, and takes it away: with the last receipt, which goes with it.
    pub fn part_of_contract(&self, address: Address) -> PartialTree {
        self.tree.part(&BTreeSet::from([account_key(address), receipt_key()]))
    }

    /// A contract as it would be without the rest.
    pub fn alone(&self, address: Address) -> Option<WholeAlone> {
        let account = self.account(address)?;
        let code = self.code(account.contract?.code)?.to_vec();
        let storage = self.storages.get(&address).map(|storage| StateTree::clone(storage)).unwrap_or_default();
        Some(WholeAlone { address, account, storage, code })
    }

    /// After a change that is no call: the last receipt is gone with its round, and so is code that no contract has any more.
    fn end_change(&mut self, before: Hash) {
        if !self.contracts().any(|(_, contract)| contract.code == before) {
            self.codes.remove(&before);
        }
        self.forget_receipt();
    }

    /// Contracts, in the order of their addresses.
    pub fn contracts(&self) -> impl Iterator<Item = (Address, Contract)> {
        let accounts = self.tree.iter_prefix(&ACCOUNTS);
        accounts.filter_map(|(key, value)| {
            let address = Address(*key.get(ACCOUNTS.len()..)?.first_chunk()?);
            Some((address, Account::from_bytes(value).ok()?.contract?))
        })
    }

    /// Executes a call without changing anything.
    pub fn look(&self, network: NetworkId, environment: Environment, call: &Call) -> Result<Execution, ExecuteError> {
        execute(self, network, environment, call)
    }

    /// Executes a call. If it returned, the state is then the one after it.
    pub fn execute(
        &mut self,
        network: NetworkId,
        environment: Environment,
        call: &Call,
    ) -> Result<Execution, ExecuteError> {
        let execution = execute(&*self, network, environment, call)?;
        if execution.outcome == Outcome::Returned {
            self.apply(&execution);
        }
        Ok(execution)
    }

    /// Executes a call without changing anything, and gives the part of the state that others need to do the same. Shows the
    /// accounts of `parties` in any case.
    pub fn witness(
        &self,
        network: NetworkId,
        environment: Environment,
        call: &Call,
        parties: &[Address],
    ) -> Result<(Witness, Execution), ExecuteError> {
        let execution = execute(self, network, environment, call)?;
        Ok((self.part(&execution.touched.shown(parties)), execution))
    }

    /// The least gas with which a call does what it does with all that it names, or little more than that; all of that where it does not
    /// return.
    pub fn least_gas(&self, network: NetworkId, environment: Environment, call: &Call) -> Result<u64, ExecuteError> {
        least_gas(self, network, environment, call)
    }

    pub(crate) fn part(&self, shown: &Shown) -> Witness {
        let storages = shown.slots.iter().filter_map(|(address, slots)| {
            let tree = self.storages.get(address).filter(|tree| !tree.is_empty())?;
            Some((*address, tree.part(slots)))
        });
        Witness::new(self.tree.part(&shown.entries), storages.collect::<Vec<(Address, PartialTree)>>())
    }

    fn put(&mut self, address: Address, account: &Account) {
        self.tree.insert(account_key(address), byway_primitives::Encode::to_bytes(account));
    }

    fn apply(&mut self, execution: &Execution) {
        let changes = &execution.changes;
        let account = |address| Ok(self.tree.read(&account_key(address)));
        let entries = changes.entries(account, &execution.receipt, |address, _, slots| {
            let tree = Arc::make_mut(self.storages.entry(address).or_default());
            slots.iter().for_each(|(slot, value)| set_slot(tree, slot, value));
            Ok(tree.rehash())
        });
        for (key, value) in entries.expect("a whole state lacks nothing") {
            self.tree.set(key, value);
        }
        self.tree.rehash();
        self.codes.extend(changes.codes.iter().map(|(hash, code)| (*hash, code.as_slice().into())));
    }
}

/// A slot that is zero has no entry.
pub(crate) fn set_slot(tree: &mut StateTree, slot: &Word, value: &Word) {
    let value = short(value);
    tree.set(short(slot).to_vec(), (!value.is_empty()).then(|| value.to_vec()));
}

impl Source for State {
    fn account(&self, address: Address) -> Result<Option<Account>, Missing> {
        Ok(State::account(self, address))
    }

    fn slot(&self, address: Address, slot: &Word) -> Result<Word, Missing> {
        let value = self.storages.get(&address).and_then(|tree| tree.value(short(slot)));
        value.map_or(Ok([0; 32]), |value| word(value).ok_or(Missing::Damaged(address)))
    }

    fn code(&self, hash: Hash) -> Result<Vec<u8>, Missing> {
        self.codes.get(&hash).map(|code| code.to_vec()).ok_or(Missing::Code(hash))
    }
}

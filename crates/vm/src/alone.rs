//! A contract on its own: one that has left the state in which it was made, and is called where there are no other contracts.
//!
//! It keeps its address, what it has and what it has stored. Whoever calls it, or is paid by it, is an address beside it of which it
//! sees nothing but what goes back and forth: the caller has what it sends, everybody else nothing. So what others have in the end is
//! what they are paid.

use std::collections::BTreeMap;

use byway_primitives::{Amount, Hash, NetworkId};
use byway_records::tree::{PartialTree, StateTree};

use crate::account::{Account, Address, short, word};
use crate::call::{Call, Environment, Outcome, Target};
use crate::execute::{ExecuteError, Execution, Missing, Source, Word, execute};
use crate::state::set_slot;
use crate::witness::WitnessError;

/// A contract alone, of whose storage some is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alone {
    pub address: Address,
    pub account: Account,
    storage: PartialTree,
}

/// A contract alone with all that it has stored, as those keep it who call it.
#[derive(Debug, Clone)]
pub struct WholeAlone {
    pub address: Address,
    pub account: Account,
    pub(crate) storage: StateTree,
    pub(crate) code: Vec<u8>,
}

/// What came of a call of a contract alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AloneCall {
    pub outcome: Outcome,
    pub gas_used: u64,
    /// What was returned; of a call that reverted, its reason.
    pub output: Vec<u8>,
    /// Only of one that returned.
    pub after: Option<AloneAfter>,
}

/// How a call that returned leaves things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AloneAfter {
    pub account: Account,
    /// What others have: the caller what is left of what it sent, and what it was paid.
    pub paid: BTreeMap<Address, Amount>,
}

impl Alone {
    /// # Errors
    /// If the part is not of the storage that the account names.
    pub fn new(address: Address, account: Account, storage: PartialTree) -> Result<Self, WitnessError> {
        let named = account.contract.map(|contract| contract.storage);
        if named != Some(storage.root()) {
            return Err(WitnessError::Storage(address));
        }
        Ok(Self { address, account, storage })
    }

    /// Executes a call. `code` knows code by its hash, and is believed.
    ///
    /// # Errors
    /// [`ExecuteError::Missing`] where the call needs more than is shown.
    pub fn execute(
        &self,
        network: NetworkId,
        environment: Environment,
        call: &Call,
        code: &dyn Fn(Hash) -> Option<Vec<u8>>,
    ) -> Result<AloneCall, ExecuteError> {
        let slot = |slot: &Word| {
            let value = self.storage.value(short(slot)).map_err(|_| Missing::Slot(self.address))?;
            value.map_or(Ok([0; 32]), |value| word(value).ok_or(Missing::Damaged(self.address)))
        };
        let surroundings = Surroundings { address: self.address, account: self.account, call, slot: &slot, code };
        let execution = surroundings.execute(network, environment)?;
        let mut storage = self.storage.clone();
        surroundings.end(execution, |slots| {
            let changes = slots.iter().map(|(slot, value)| {
                let value = short(value);
                (short(slot).to_vec(), (!value.is_empty()).then(|| value.to_vec()))
            });
            storage.apply(&changes.collect()).map_err(|_| Missing::Slot(self.address))?;
            Ok(storage.root())
        })
    }
}

impl WholeAlone {
    /// What a call would do, and the part of the storage that shows it to others.
    pub fn look(
        &self,
        network: NetworkId,
        environment: Environment,
        call: &Call,
    ) -> Result<(AloneCall, PartialTree), ExecuteError> {
        let mut after = self.clone();
        after.run(network, environment, call)
    }

    /// Executes a call. If it returned, the contract is then the one after it.
    pub fn execute(
        &mut self,
        network: NetworkId,
        environment: Environment,
        call: &Call,
    ) -> Result<AloneCall, ExecuteError> {
        self.run(network, environment, call).map(|(made, _)| made)
    }

    pub fn code(&self) -> &[u8] {
        &self.code
    }

    fn run(
        &mut self,
        network: NetworkId,
        environment: Environment,
        call: &Call,
    ) -> Result<(AloneCall, PartialTree), ExecuteError> {
        let slot = |slot: &Word| {
            let value = self.storage.value(short(slot));
            value.map_or(Ok([0; 32]), |value| word(value).ok_or(Missing::Damaged(self.address)))
        };
        let code = |_| Some(self.code.clone());
        let surroundings =
            Surroundings { address: self.address, account: self.account, call, slot: &slot, code: &code };
        let execution = surroundings.execute(network, environment)?;
        let slots = execution.touched.slots.iter().filter(|(address, _)| *address == self.address);
        let part = self.storage.part(&slots.map(|(_, slot)| short(slot).to_vec()).collect());
        let mut storage = self.storage.clone();
        let made = surroundings.end(execution, |slots| {
            slots.iter().for_each(|(slot, value)| set_slot(&mut storage, slot, value));
            Ok(storage.rehash())
        })?;
        if let Some(after) = &made.after {
            (self.account, self.storage) = (after.account, storage);
        }
        Ok((made, part))
    }
}

/// One call, and all that there is around it.
struct Surroundings<'a> {
    address: Address,
    account: Account,
    call: &'a Call,
    slot: &'a dyn Fn(&Word) -> Result<Word, Missing>,
    code: &'a dyn Fn(Hash) -> Option<Vec<u8>>,
}

impl Surroundings<'_> {
    fn execute(&self, network: NetworkId, environment: Environment) -> Result<Execution, ExecuteError> {
        let is_here = self.call.target == Target::Contract(self.address) && self.call.caller != self.address;
        if !is_here || self.account.contract.is_none() {
            return Err(ExecuteError::Refused);
        }
        execute(self, network, environment, self.call)
    }

    /// What is left of all. A call that makes another contract does what none may here: there would be no place for it.
    fn end(
        &self,
        execution: Execution,
        storage: impl FnOnce(&BTreeMap<Word, Word>) -> Result<Hash, Missing>,
    ) -> Result<AloneCall, ExecuteError> {
        let Execution { outcome, gas_used, output, changes, .. } = execution;
        let ended = |outcome, output| AloneCall { outcome, gas_used, output, after: None };
        if outcome != Outcome::Returned {
            return Ok(ended(outcome, output));
        }
        let (mut account, mut paid) = (self.account, BTreeMap::new());
        for (address, after) in &changes.accounts {
            match after {
                Some((nonce, balance, _)) if *address == self.address => {
                    (account.nonce, account.balance) = (*nonce, *balance);
                }
                // Whoever did not call and has made calls came into being by this one.
                Some((nonce, balance, None)) if *nonce == 0 || *address == self.call.caller => {
                    paid.insert(*address, *balance);
                }
                None if *address != self.address => {}
                _ => return Ok(ended(Outcome::Halted, Vec::new())),
            }
        }
        paid.retain(|_, amount| !amount.is_zero());
        if !self.is_all_there(account.balance, &paid) {
            return Ok(ended(Outcome::Halted, Vec::new()));
        }
        if let (Some(slots), Some(contract)) = (changes.slots.get(&self.address), account.contract.as_mut()) {
            contract.storage = storage(slots)?;
        }
        let after = Some(AloneAfter { account, paid });
        Ok(AloneCall { outcome, gas_used, output, after })
    }
}

impl Surroundings<'_> {
    /// Whether what there was is somewhere still. A contract that is made and destroys itself in one call takes what it has out of
    /// the world.
    fn is_all_there(&self, kept: Amount, paid: &BTreeMap<Address, Amount>) -> bool {
        let before = self.account.balance.checked_add(self.call.value);
        let after = paid.values().try_fold(kept, |sum, amount| sum.checked_add(*amount));
        before.is_some() && before == after
    }
}

impl Source for Surroundings<'_> {
    fn account(&self, address: Address) -> Result<Option<Account>, Missing> {
        let caller = || Account { balance: self.call.value, ..Account::default() };
        Ok(match address {
            _ if address == self.address => Some(self.account),
            _ if address == self.call.caller => Some(caller()),
            _ => None,
        })
    }

    fn slot(&self, address: Address, slot: &Word) -> Result<Word, Missing> {
        if address == self.address { (self.slot)(slot) } else { Ok([0; 32]) }
    }

    fn code(&self, hash: Hash) -> Result<Vec<u8>, Missing> {
        (self.code)(hash).ok_or(Missing::Code(hash))
    }
}

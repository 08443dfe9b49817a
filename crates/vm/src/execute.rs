//! Running one call on whatever knows the state: all of it, or a part.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::{Amount, Encode, Hash, NetworkId};
use byway_records::tree::PartialTree;
use revm::context::result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction, Output};
use revm::context::{BlockEnv, Context, TxEnv};
use revm::database_interface::DBErrorMarker;
use revm::primitives::hardfork::SpecId;
use revm::primitives::{Address as EvmAddress, B256, Bytes, KECCAK_EMPTY, TxKind, U256};
use revm::state::{Account as EvmAccount, AccountInfo, Bytecode, EvmState};
use revm::{Database, ExecuteEvm, MainBuilder, MainContext};

use crate::account::{Account, Address, Contract, Receipt, account_key, code_hash, receipt_key, short};
use crate::call::{Call, Environment, Outcome, Target, chain_id};
use crate::precompiled::precompiled;

pub(crate) type Word = [u8; 32];

/// The upgrade of Ethereum whose rules hold.
pub(crate) const RULES: SpecId = SpecId::CANCUN;

/// How often a call is executed to find the least gas that is enough, and how near to that is near enough: one in a hundred of what any call
/// about a channel costs.
const LEAST_GAS_TRIES: usize = 10;
const LEAST_GAS_PRECISION: u64 = 1_000;

/// What an execution needs and is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    #[error("the account {0:?} is neither shown nor shown to be absent")]
    Account(Address),
    #[error("a slot of {0:?} is neither shown nor shown to be absent")]
    Slot(Address),
    #[error("the code {0} is not known")]
    Code(Hash),
    #[error("the last call's receipt is neither shown nor shown to be absent")]
    Receipt,
    #[error("what stands under {0:?} can't be read")]
    Damaged(Address),
}

impl DBErrorMarker for Missing {}

/// Why a call was not executed. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExecuteError {
    #[error(transparent)]
    Missing(#[from] Missing),
    #[error("the caller does not have what the call is to pay")]
    Funds,
    #[error("the gas does not suffice to begin")]
    Gas,
    #[error("no such call can be made")]
    Refused,
    #[error("amounts overflow")]
    Overflow,
}

/// How a call went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    pub outcome: Outcome,
    pub gas_used: u64,
    /// With less it would have come to no such end; of it some may have been given back.
    pub(crate) gas_spent: u64,
    /// What was returned; of a call that reverted, its reason.
    pub output: Vec<u8>,
    pub receipt: Receipt,
    pub(crate) changes: Changes,
    pub(crate) touched: Touched,
}

/// What a call that returned changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Changes {
    /// Nonce, balance and code, or the end of an account.
    pub accounts: BTreeMap<Address, Option<(u64, Amount, Option<Hash>)>>,
    pub slots: BTreeMap<Address, BTreeMap<Word, Word>>,
    /// Code that came into being.
    pub codes: BTreeMap<Hash, Vec<u8>>,
}

/// What a call has looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Touched {
    pub accounts: BTreeSet<Address>,
    pub slots: BTreeSet<(Address, Word)>,
}

/// What a witness is to show: entries of the state's own tree, and of contracts' storages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Shown {
    pub entries: BTreeSet<Vec<u8>>,
    pub slots: BTreeMap<Address, BTreeSet<Vec<u8>>>,
}

impl Shown {
    /// These accounts, and these slots with the accounts that name them.
    pub fn new(accounts: impl IntoIterator<Item = Address>, slots: impl IntoIterator<Item = (Address, Word)>) -> Self {
        let entries = accounts.into_iter().map(account_key).collect();
        let mut shown = Self { entries, ..Self::default() };
        for (address, slot) in slots {
            shown.entries.insert(account_key(address));
            shown.slots.entry(address).or_default().insert(short(&slot).to_vec());
        }
        shown
    }
}

impl Touched {
    /// What whoever executes the call again must be shown, and the accounts of `parties`.
    pub fn shown(&self, parties: &[Address]) -> Shown {
        let mut shown = Shown::new(self.accounts.iter().chain(parties).copied(), self.slots.iter().copied());
        shown.entries.insert(receipt_key());
        shown
    }
}

/// Whoever knows the state, or a part of it.
pub(crate) trait Source {
    fn account(&self, address: Address) -> Result<Option<Account>, Missing>;
    fn slot(&self, address: Address, slot: &Word) -> Result<Word, Missing>;
    /// Believed: to digest it again for each call would take more than running what most calls run.
    fn code(&self, hash: Hash) -> Result<Vec<u8>, Missing>;
}

/// What the virtual machine reads from, and what it has read.
struct Reading<'a, S> {
    source: &'a S,
    touched: Touched,
}

impl<S: Source> Database for Reading<'_, S> {
    type Error = Missing;

    fn basic(&mut self, address: EvmAddress) -> Result<Option<AccountInfo>, Missing> {
        let address = Address(address.into_array());
        self.touched.accounts.insert(address);
        let account = self.source.account(address)?;
        Ok(account.map(|account| AccountInfo {
            balance: U256::from(account.balance.units()),
            nonce: account.nonce,
            code_hash: account.contract.map_or(KECCAK_EMPTY, |contract| B256::from(contract.code.0)),
            code: None,
            ..AccountInfo::default()
        }))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Missing> {
        if hash == KECCAK_EMPTY {
            return Ok(Bytecode::default());
        }
        let code = self.source.code(Hash(hash.0))?;
        Ok(Bytecode::new_legacy(code.into()))
    }

    fn storage(&mut self, address: EvmAddress, slot: U256) -> Result<U256, Missing> {
        let (address, slot) = (Address(address.into_array()), slot.to_be_bytes());
        self.touched.slots.insert((address, slot));
        self.source.slot(address, &slot).map(U256::from_be_bytes)
    }

    fn block_hash(&mut self, _: u64) -> Result<B256, Missing> {
        Ok(B256::ZERO)
    }
}

/// Executes a call, and says what it changes.
pub(crate) fn execute<S: Source>(
    source: &S,
    network: NetworkId,
    environment: Environment,
    call: &Call,
) -> Result<Execution, ExecuteError> {
    let nonce = source.account(call.caller)?.unwrap_or_default().nonce;
    let chain_id = chain_id(network);
    let context = Context::mainnet().with_db(Reading { source, touched: Touched::default() });
    let context = context.modify_cfg_chained(|cfg| {
        cfg.set_spec_and_mainnet_gas_params(RULES);
        cfg.chain_id = chain_id;
    });
    let evm = context.with_block(block(environment)).build_mainnet();
    let mut evm = evm.with_precompiles(precompiled(&call.evidence));
    let result = evm.transact_one(transaction(call, nonce, chain_id));
    let state = evm.finalize();
    let mut touched = std::mem::take(&mut evm.ctx.journaled_state.database.touched);
    touched.accounts.insert(call.caller);
    let result = result.map_err(refusal)?;
    let (outcome, output, created) = ended(&result);
    let changes = if outcome == Outcome::Returned { changes(&state)? } else { Changes::default() };
    let contract = match call.target {
        Target::Contract(contract) => contract,
        Target::Create => created.unwrap_or(Address([0; 20])),
    };
    let (gas_used, gas_spent) = (result.tx_gas_used(), result.gas().total_gas_spent());
    let receipt = Receipt { caller: call.caller, contract, outcome, gas_used, output: code_hash(&output) };
    Ok(Execution { outcome, gas_used, gas_spent, output, receipt, changes, touched })
}

/// The least gas with which a call does what it does with all that it names; all of that where it does not return. Some more than the least where
/// that would take long to find: calls in it may be given a part of what there is, and code may look at how much that is.
pub(crate) fn least_gas<S: Source>(
    source: &S,
    network: NetworkId,
    environment: Environment,
    call: &Call,
) -> Result<u64, ExecuteError> {
    let with_all = execute(source, network, environment, call)?;
    if with_all.outcome != Outcome::Returned {
        return Ok(call.gas);
    }
    let is_enough = |gas| {
        let made = execute(source, network, environment, &Call { gas, ..call.clone() });
        made.is_ok_and(|made| (made.outcome, &made.changes) == (with_all.outcome, &with_all.changes))
    };
    let mut too_little = with_all.gas_spent;
    if is_enough(too_little) {
        return Ok(too_little);
    }
    // A slot is written only where a certain amount is left.
    let (mut enough, mut next) = (call.gas, too_little.saturating_add(too_little / 32 + 2_500));
    for _ in 0..LEAST_GAS_TRIES {
        if enough.saturating_sub(too_little) <= LEAST_GAS_PRECISION {
            break;
        }
        if next < enough && is_enough(next) {
            enough = next;
        } else {
            too_little = next.min(enough);
        }
        next = too_little + (enough - too_little) / 2;
    }
    Ok(enough)
}

fn block(environment: Environment) -> BlockEnv {
    BlockEnv {
        number: U256::from(environment.height),
        beneficiary: EvmAddress::ZERO,
        timestamp: U256::from(environment.time.0 / 1000),
        gas_limit: u64::MAX,
        basefee: 0,
        difficulty: U256::ZERO,
        prevrandao: Some(B256::ZERO),
        ..BlockEnv::default()
    }
}

fn transaction(call: &Call, nonce: u64, chain_id: u64) -> TxEnv {
    TxEnv {
        caller: EvmAddress::from(call.caller.0),
        gas_limit: call.gas,
        gas_price: 0,
        kind: match call.target {
            Target::Contract(contract) => TxKind::Call(EvmAddress::from(contract.0)),
            Target::Create => TxKind::Create,
        },
        value: U256::from(call.value.units()),
        data: Bytes::from(call.input.clone()),
        nonce,
        chain_id: Some(chain_id),
        ..TxEnv::default()
    }
}

fn refusal(error: EVMError<Missing>) -> ExecuteError {
    match error {
        EVMError::Database(missing) => ExecuteError::Missing(missing),
        EVMError::Transaction(InvalidTransaction::LackOfFundForMaxFee { .. }) => ExecuteError::Funds,
        EVMError::Transaction(InvalidTransaction::CallGasCostMoreThanGasLimit { .. }) => ExecuteError::Gas,
        _ => ExecuteError::Refused,
    }
}

/// The outcome, the output, and the contract that was created.
fn ended(result: &ExecutionResult) -> (Outcome, Vec<u8>, Option<Address>) {
    match result {
        ExecutionResult::Success { output: Output::Call(output), .. } => (Outcome::Returned, output.to_vec(), None),
        ExecutionResult::Success { output: Output::Create(_, created), .. } => {
            (Outcome::Returned, Vec::new(), created.map(|created| Address(created.into_array())))
        }
        ExecutionResult::Revert { output, .. } => (Outcome::Reverted, output.to_vec(), None),
        ExecutionResult::Halt { reason: HaltReason::OutOfGas(_), .. } => (Outcome::OutOfGas, Vec::new(), None),
        ExecutionResult::Halt { .. } => (Outcome::Halted, Vec::new(), None),
    }
}

fn changes(state: &EvmState) -> Result<Changes, ExecuteError> {
    let mut changes = Changes::default();
    for (address, account) in state.iter().filter(|(_, account)| account.is_touched()) {
        let address = Address(address.into_array());
        let is_gone = account.is_selfdestructed() || account.info.is_empty();
        changes.accounts.insert(address, if is_gone { None } else { Some(after(account)?) });
        if is_gone {
            continue;
        }
        let slots = account.storage.iter().filter(|(_, slot)| slot.is_changed());
        let slots: BTreeMap<Word, Word> =
            slots.map(|(slot, value)| (slot.to_be_bytes(), value.present_value.to_be_bytes())).collect();
        if !slots.is_empty() {
            changes.slots.insert(address, slots);
        }
        if let Some(code) = account.info.code.as_ref().filter(|_| account.is_created()) {
            changes.codes.insert(Hash(account.info.code_hash.0), code.original_byte_slice().to_vec());
        }
    }
    Ok(changes)
}

/// Nonce, balance and code of an account.
fn after(account: &EvmAccount) -> Result<(u64, Amount, Option<Hash>), ExecuteError> {
    let info = &account.info;
    let balance = u128::try_from(info.balance).map_err(|_| ExecuteError::Overflow)?;
    let code = (info.code_hash != KECCAK_EMPTY).then_some(Hash(info.code_hash.0));
    Ok((info.nonce, Amount::from_units(balance), code))
}

impl Changes {
    /// The changes of the state's own tree. `account` knows the accounts before; `storage` changes a contract's storage from the root that
    /// it is told, and gives the new root.
    pub fn entries(
        &self,
        account: impl Fn(Address) -> Result<Option<Account>, Missing>,
        receipt: &Receipt,
        mut storage: impl FnMut(Address, Hash, &BTreeMap<Word, Word>) -> Result<Hash, Missing>,
    ) -> Result<BTreeMap<Vec<u8>, Option<Vec<u8>>>, Missing> {
        let mut entries = BTreeMap::from([(receipt_key(), Some(receipt.to_bytes()))]);
        let nothing = BTreeMap::new();
        for (address, after) in &self.accounts {
            let entry = match after {
                None => None,
                Some((nonce, balance, code)) => {
                    let before = account(*address)?.and_then(|account| account.contract);
                    let root = before.map_or_else(|| PartialTree::default().root(), |contract| contract.storage);
                    let slots = self.slots.get(address).unwrap_or(&nothing);
                    let root = if slots.is_empty() { root } else { storage(*address, root, slots)? };
                    let contract = code.map(|code| Contract { code, storage: root });
                    Some(Account { nonce: *nonce, balance: *balance, contract }.to_bytes())
                }
            };
            entries.insert(account_key(*address), entry);
        }
        Ok(entries)
    }
}

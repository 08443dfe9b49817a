//! Contracts that leave their channel for the ledger, and calls of them.
//!
//! **Leaving** is a withdrawal by a contract: both have signed the state without it, which divides what is left. The ledger is shown
//! the part of the state before that has the contract, takes the contract out of it, and must come to the root that both signed. So
//! what it has, and has stored, is proved and not told.
//!
//! **A call** shows the part of the storage that it touches, as a forced call does. The contract sees the time of the commit, so the caller
//! does not know exactly what it will need and touch: it may name and show somewhat more, and pays for all of that. The
//! caller's account pays that and what it sends; whom the contract pays gets it into the account of the identity with that
//! address. Nobody gets an account by being paid, but for the parties of the channel; whoever has called it has one. Where somebody else has
//! none, or is no person (the zero address, built-in code, another contract of the channel's that has left), the call has done what none
//! may, and changes nothing.
//!
//! **What others need.** Followers see entries and no transactions, so the entry has the last calls
//! ([`LedgerContract::room_for`]): whoever had the storage executes them, and has it again.

use byway_primitives::{Amount, AssetId, Decode, Hash, IdentityId};
use byway_records::call::channels::{WITNESS_BYTE_GAS, WITNESS_BYTES_MAX};
use byway_records::call::{CallContract, ContractLeave};
use byway_records::channel::contract::contract_key;
use byway_records::channel::entry::{Code, channel_key, code_key};
use byway_records::channel::{
    CallOutcome, Channel, Environment, FORCED_GAS_MAX, FundingChange, LedgerContract, MadeCall, MadeReceipt, Movement,
};
use byway_records::state::account_key as balance_key;
use byway_records::tree::PartialTree;
use byway_records::{ProgramId, Reject, Value, VerifiedTransaction};
use byway_vm::{
    Account, Address, Alone, AloneAfter, Call, Contract, ExecuteError, Outcome, Target, account_key, code_hash,
    receipt_key,
};

use super::forcing::COMMIT_GAS_MAX;
use super::purses::is_purse;
use super::{is_paid, opening};
use crate::programs::accounts::{credit, debit};
use crate::programs::system::pay_pool;
use crate::programs::{Moment, authorised};
use crate::state::View;

/// The most gas of a call of a contract on the ledger.
pub const CONTRACT_GAS_MAX: u64 = 1_500_000;
/// What contracts on the ledger may use of a commit's gas: a forced call of the longest still fits beside them, so they keep no dispute
/// from being decided.
pub const CONTRACTS_GAS_MAX: u64 = COMMIT_GAS_MAX - 2_200_000;

const _: () = {
    let longest = FORCED_GAS_MAX + WITNESS_BYTE_GAS * WITNESS_BYTES_MAX as u64;
    assert!(CONTRACTS_GAS_MAX + longest <= COMMIT_GAS_MAX);
};

pub(super) fn leave(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    leave: &ContractLeave,
) -> Result<(), Reject> {
    let FundingChange { state, movement, value: Value { asset, amount }, .. } = leave.change.body;
    let Movement::Leave { contract: address, base } = movement else { return Err(Reject::ContractProof) };
    let channel: Option<Channel> = view.load(ProgramId::CHANNELS, &channel_key(state.channel));
    if channel.is_some_and(|channel| is_purse(&channel.assets, Address(address))) {
        return Err(Reject::PurseLeaves);
    }
    let (account, contract, root) = leaving(&leave.part, Address(address), base).ok_or(Reject::ContractProof)?;
    // There is no contract on the ledger that has nothing.
    if asset != AssetId::WAY || amount.is_zero() || account.balance != amount || root != state.position.root {
        return Err(Reject::ContractProof);
    }
    if code_of(view, contract.code).is_none() {
        return Err(Reject::CodeUnknown);
    }
    let key = contract_key(state.channel, address);
    if view.load::<LedgerContract>(ProgramId::CHANNELS, &key).is_some() {
        return Err(Reject::ContractKnown);
    }
    opening::fund_by(view, now, transaction, &leave.change)?;
    let entry = LedgerContract {
        parties: leave.change.parties,
        nonce: account.nonce,
        balance: amount,
        code: contract.code,
        storage: contract.storage,
        receipt: None,
        calls: Vec::new(),
    };
    view.store(ProgramId::CHANNELS, key, &entry);
    Ok(())
}

/// The contract in a part of a state with this root, and the root without it.
fn leaving(part: &[u8], address: Address, base: Hash) -> Option<(Account, Contract, Hash)> {
    let keys = [account_key(address), receipt_key()];
    let part = PartialTree::from_bytes(part).ok().filter(|part| part.root() == base)?;
    // Nothing is shown that is not needed.
    let mut part = Some(part).filter(|part| *part == part.only(&keys.clone().into()))?;
    let account = Account::from_bytes(part.value(&account_key(address)).ok()??).ok()?;
    let gone = keys.map(|key| (key, None));
    part.apply(&gone.into()).ok()?;
    Some((account, account.contract?, part.root()))
}

pub(super) fn call(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    call: &CallContract,
) -> Result<(), Reject> {
    authorised(transaction, call.caller)?;
    let key = contract_key(call.channel, call.contract);
    let mut entry: LedgerContract = view.load(ProgramId::CHANNELS, &key).ok_or(Reject::ContractUnknown)?;
    if call.gas > CONTRACT_GAS_MAX {
        return Err(Reject::ContractCall);
    }
    let made = made(now, call, &entry);
    let oldest = entry.room_for(&made).ok_or(Reject::ContractBusy)?;
    if now.forced_gas.saturating_add(call.gas_taken()) > CONTRACTS_GAS_MAX {
        return Err(Reject::ContractBusy);
    }
    let alone = check(call, &entry)?;
    let price = now.parameters.call_prices.of_gas(call.gas_taken()).ok_or(Reject::ChannelFee)?;
    let is_paid = is_paid(transaction, price);
    let needed = if is_paid { Some(call.value) } else { price.checked_add(call.value) };
    if needed.is_none_or(|needed| needed > balance(view, call.caller)) {
        return Err(Reject::BalanceTooSmall);
    }
    let (receipt, after) = run(view, now, call, &entry, &alone)?;
    if !is_paid {
        take(view, call.caller, price)?;
        pay_pool(view, price);
    }
    if let Some(AloneAfter { account, paid }) = after {
        take(view, call.caller, call.value)?;
        // A contract may know its callers from then on, and pay them.
        credit(view, call.caller, Value::way(Amount::ZERO));
        paid.into_iter().for_each(|(address, amount)| credit(view, IdentityId(address.0), Value::way(amount)));
        let contract = account.contract.expect("a contract stays one");
        let before = (entry.nonce, entry.balance, entry.storage);
        (entry.nonce, entry.balance, entry.storage) = (account.nonce, account.balance, contract.storage);
        // Whoever follows the contract needs no call that leaves it as it was.
        if before != (entry.nonce, entry.balance, entry.storage) {
            entry.calls.drain(..oldest);
            entry.calls.push(made);
        }
    }
    entry.receipt = Some(receipt);
    view.store(ProgramId::CHANNELS, key, &entry);
    Ok(())
}

/// What a contract sees: the last checkpoint, and the time of the commit.
fn environment(now: Moment<'_>) -> Environment {
    Environment { time: now.time, height: now.height.0.saturating_sub(1) }
}

/// The call as it is kept where it returns.
fn made(now: Moment<'_>, call: &CallContract, entry: &LedgerContract) -> MadeCall {
    MadeCall {
        number: entry.made().saturating_add(1),
        height: now.height.0,
        caller: call.caller,
        value: call.value,
        input: call.input.clone(),
        gas: call.gas,
        environment: environment(now),
    }
}

fn check(call: &CallContract, entry: &LedgerContract) -> Result<Alone, Reject> {
    let contract = Some(Contract { code: entry.code, storage: entry.storage });
    let account = Account { nonce: entry.nonce, balance: entry.balance, contract };
    let storage = PartialTree::from_bytes(&call.witness).map_err(|_| Reject::ContractState)?;
    Alone::new(Address(call.contract), account, storage).map_err(|_| Reject::ContractState)
}

/// Executes the call: what became of it, and how it leaves things, if it returned.
fn run(
    view: &View<'_>,
    now: Moment<'_>,
    call: &CallContract,
    entry: &LedgerContract,
    alone: &Alone,
) -> Result<(MadeReceipt, Option<AloneAfter>), Reject> {
    let target = Target::Contract(Address(call.contract));
    let (caller, input) = (Address::from(call.caller), call.input.clone());
    let vm_call = Call { caller, target, value: call.value, input, gas: call.gas, evidence: Vec::new() };
    let number = entry.made().saturating_add(1);
    let receipt = |outcome, gas_used, output: &[u8]| MadeReceipt {
        number,
        caller: call.caller,
        outcome,
        gas_used,
        output: code_hash(output),
    };
    let made = match alone.execute(now.network, environment(now), &vm_call, &|hash| code_of(view, hash)) {
        Ok(made) => made,
        Err(ExecuteError::Missing(_) | ExecuteError::Overflow) => {
            return Ok((receipt(CallOutcome::Missing, call.gas, &[]), None));
        }
        Err(ExecuteError::Funds | ExecuteError::Gas | ExecuteError::Refused) => return Err(Reject::ContractCall),
    };
    let outcome = match made.outcome {
        Outcome::Returned => CallOutcome::Returned,
        Outcome::Reverted => CallOutcome::Reverted,
        Outcome::OutOfGas => CallOutcome::OutOfGas,
        Outcome::Halted => CallOutcome::Halted,
    };
    let can_be_paid = |address: &Address| {
        let id = IdentityId(address.0);
        if is_nobody(*address)
            || view.load::<LedgerContract>(ProgramId::CHANNELS, &contract_key(call.channel, address.0)).is_some()
        {
            return false;
        }
        id == call.caller || entry.parties.contains(&id) || has_account(view, id)
    };
    match made.after {
        Some(after) if !after.paid.keys().all(can_be_paid) => {
            Ok((receipt(CallOutcome::Halted, made.gas_used, &[]), None))
        }
        after => Ok((receipt(outcome, made.gas_used, &made.output), after)),
    }
}

/// The zero address, and those at which code is built in or may be one day: no identity has them, and what they get is gone.
fn is_nobody(address: Address) -> bool {
    address.0[..19] == [0; 19]
}

fn code_of(view: &View<'_>, hash: Hash) -> Option<Vec<u8>> {
    view.load::<Code>(ProgramId::CHANNELS, &code_key(hash)).map(|code| code.0)
}

fn holds(view: &View<'_>, id: IdentityId) -> Option<byway_records::state::Account> {
    view.load(ProgramId::ACCOUNTS, &balance_key(id, AssetId::WAY))
}

fn has_account(view: &View<'_>, id: IdentityId) -> bool {
    holds(view, id).is_some()
}

fn balance(view: &View<'_>, id: IdentityId) -> Amount {
    holds(view, id).map_or(Amount::ZERO, |account| account.balance)
}

/// Takes from an account that has so much. Whoever has none pays nothing: what has run must not fail for that.
fn take(view: &mut View<'_>, id: IdentityId, amount: Amount) -> Result<(), Reject> {
    if amount.is_zero() { Ok(()) } else { debit(view, id, Value::way(amount)) }
}

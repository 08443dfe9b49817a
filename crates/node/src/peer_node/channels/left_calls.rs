//! Calls of contracts on the ledger.
//!
//! A call shows the part of what the contract has stored that it touches, so it is for the contract as it is: whoever comes second in a
//! commit is refused, costs nothing, and is handed in anew for the contract after the first. A call that would not return now is not
//! handed in at all, since the ledger would charge its gas: all that the call names, and what reading its witness takes.

use byway_channel::LeftContract;
use byway_ledger::CONTRACT_GAS_MAX;
use byway_peer::wallet::Wish;
use byway_primitives::{Amount, AssetId, IdentityId};
use byway_records::call::channels::WITNESS_BYTES_MAX;
use byway_records::call::{CallContract, ChannelsCall};
use byway_records::channel::{CallOutcome, Environment, FORCED_INPUT_BYTES_MAX, LedgerContract, MadeCall};
use byway_records::state::account_key;
use byway_records::{Call, ProgramId, Reject, TransactionId};
use byway_vm::{AloneAfter, AloneCall, Outcome, code_hash};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::super::PeerNode;
use super::super::books::{Fate, Order};
use super::super::once::Once;
use super::Actor;
use super::arbiter::why_not_forced;
use super::calls::VERDICT_WAIT;
use super::left::{Name, address_text};
use super::updating::why_not;
use crate::api::*;

/// How often a call is handed in anew that others came before.
const ATTEMPTS_MAX: usize = 8;
/// Beside half as much again as a call takes now: more may be needed when the ledger executes it.
const GAS_SPARE: u64 = 20_000;

/// A call that is with the ledger.
struct Handed {
    id: TransactionId,
    name: Name,
    /// Calls that had changed the contract before, where that is known.
    made_before: Option<u64>,
    /// What it returned when it was looked at.
    output: Vec<u8>,
}

impl PeerNode {
    /// Has the ledger execute a call, once for each key, and waits until it has.
    pub(in super::super) async fn call_on_ledger(&self, request: ContractInvoke) -> Answer<ContractCalled> {
        let once = Once::new("contract_call", &request.idempotency_key, &request);
        for _ in 0..ATTEMPTS_MAX {
            let (wanted, key) = (request.clone(), once.clone());
            let (handed, fate) = self.ask(move |actor| actor.hand_in_call(&wanted, &key)).await?;
            match timeout(VERDICT_WAIT, fate).await {
                Ok(Ok(Fate::Final)) => return self.ask(move |actor| actor.called(&request, &handed)).await,
                Ok(Ok(Fate::Rejected(Reject::ContractState | Reject::ContractBusy))) => {}
                Ok(Ok(Fate::Rejected(reject))) => return Err(ApiError::contract_not_called(reject)),
                Ok(Ok(Fate::Refused(why))) => return Err(ApiError::not_taken(&why)),
                _ => return Err(ApiError::contract_not_called("there is no answer yet; it may still do it")),
            }
        }
        Err(ApiError::contract_not_called("others have called it again and again; try again"))
    }
}

impl Actor {
    /// What a call would return now.
    pub(in super::super) fn look_on_ledger(&self, request: &ContractLook) -> Answer<ContractOutput> {
        let ContractLook { contract, input, value } = request;
        let (name, _) = self.contract_named(contract)?;
        let (made, _) = self.try_on_ledger(self.contract_here(name)?, *value, &input.0, CONTRACT_GAS_MAX)?;
        let returned = made.outcome == Outcome::Returned;
        Ok(ContractOutput { output: ContractBytes(made.output), gas_used: made.gas_used, returned })
    }

    /// What a call would do if the ledger executed it now, at this node's time.
    fn try_on_ledger(
        &self,
        contract: &LeftContract,
        value: Amount,
        input: &[u8],
        gas: u64,
    ) -> Answer<(AloneCall, CallContract)> {
        if input.len() > FORCED_INPUT_BYTES_MAX {
            let why = format_args!("the ledger takes at most {FORCED_INPUT_BYTES_MAX} bytes");
            return Err(ApiError::invalid_params("input", why));
        }
        if gas > CONTRACT_GAS_MAX {
            return Err(ApiError::invalid_params("gas", format_args!("the ledger gives at most {CONTRACT_GAS_MAX}")));
        }
        let tip = self.ledger.follower().tip().ok_or_else(ApiError::kernel_unreachable)?;
        let environment = Environment { time: self.clock.now().max(tip.time), height: tip.height.0 };
        contract.call(environment, self.me(), value, input.to_vec(), gas).map_err(ApiError::call_failed)
    }

    /// The call as it is handed in, and what it returns.
    fn call_for_ledger(&self, name: Name, request: &ContractInvoke) -> Answer<(CallContract, Vec<u8>)> {
        let ContractInvoke { input, value, gas, .. } = request;
        let contract = self.contract_here(name)?;
        let look = |gas| -> Answer<_> {
            let (made, call) = self.try_on_ledger(contract, *value, &input.0, gas)?;
            let after = made.after.filter(|_| made.outcome == Outcome::Returned);
            let after = after.ok_or_else(|| ApiError::call_failed(why_not(made.outcome, &made.output)))?;
            Ok((call, after, made.gas_used, made.output))
        };
        let (mut call, after, used, output) = look(gas.unwrap_or(CONTRACT_GAS_MAX))?;
        if gas.is_none() {
            let enough = (used + used / 2 + GAS_SPARE).min(CONTRACT_GAS_MAX);
            // A contract may look at what it is given.
            call = look(enough).map_or(call, |(call, ..)| call);
        }
        if call.witness.len() > WITNESS_BYTES_MAX {
            return Err(ApiError::call_failed("it touches more of what is stored than the ledger can be shown"));
        }
        self.check_paid(name, &after)?;
        Ok((call, output))
    }

    /// Whether the ledger would let the contract pay all these.
    fn check_paid(&self, name: Name, after: &AloneAfter) -> Answer<()> {
        let parties = self.contract_entry(name).map(|entry| entry.parties);
        let accounts = self.ledger.follower().tree(ProgramId::ACCOUNTS);
        let has_account =
            |id: IdentityId| accounts.is_some_and(|tree| tree.value(&account_key(id, AssetId::WAY)).is_some());
        let is_paid =
            |id: IdentityId| id == self.me() || parties.is_some_and(|parties| parties.contains(&id)) || has_account(id);
        match after.paid.keys().find(|address| !is_paid(IdentityId(address.0))) {
            Some(nobody) => Err(ApiError::call_failed(format_args!(
                "it pays {}, which has no account on the ledger",
                address_text(*nobody)
            ))),
            None => Ok(()),
        }
    }

    /// Hands a call in, unless that was done before under its key.
    fn hand_in_call(&mut self, request: &ContractInvoke, once: &Once) -> Answer<(Handed, oneshot::Receiver<Fate>)> {
        let (name, entry) = self.contract_named(&request.contract)?;
        if let Some(before) = self.handed_before(name, once)? {
            return Ok(before);
        }
        let (call, output) = self.call_for_ledger(name, request)?;
        let fee = self.fee_of_call(&call)?;
        let call = Some(Call::Channels(ChannelsCall::CallContract(Box::new(call))));
        let made = self.transact(Order::signed(Wish { call, fee, ..Wish::default() }), Some(once));
        let id = made.map_err(|error| self.build_error(error))?;
        let made_before = Some(entry.made());
        Ok((Handed { id, name, made_before, output }, self.watch(id)))
    }

    /// The call that was handed in under this key, if there is none of which it is known that the ledger has not executed it.
    fn handed_before(&mut self, name: Name, once: &Once) -> Answer<Option<(Handed, oneshot::Receiver<Fate>)>> {
        let known = self.once.find(once, self.clock.now())?.and_then(|ids| ids.last().copied());
        let Some(id) = known else { return Ok(None) };
        let is_pending = self.wallet.pending().any(|(pending, _)| pending == id);
        let fate = match self.entry_of(id).map(|entry| entry.stage) {
            _ if is_pending => self.watch(id),
            Some(Stage::Rejected) => return Ok(None),
            Some(_) => {
                let (answer, answered) = oneshot::channel();
                // It is received right away.
                let _ = answer.send(Fate::Final);
                answered
            }
            None => return Err(ApiError::update_unsure()),
        };
        Ok(Some((Handed { id, name, made_before: None, output: Vec::new() }, fate)))
    }

    /// The fee of the transaction where the account does not hold what the gas costs: the wallet pays for it then, and for nothing else.
    fn fee_of_call(&self, call: &CallContract) -> Answer<Amount> {
        let gas = self.config.genesis.parameters.call_prices.of_gas(call.gas_taken());
        let gas = gas.ok_or_else(|| ApiError::invalid_params("gas", "nobody could pay for it"))?;
        let balance = self.account(self.me()).balance;
        if call.value > balance {
            return Err(ApiError::insufficient_account(call.value, balance));
        }
        let covers = call.value.checked_add(gas).is_some_and(|most| most <= balance);
        Ok(if covers { Amount::ZERO } else { gas })
    }

    /// What came of a call that the ledger has taken.
    fn called(&self, request: &ContractInvoke, handed: &Handed) -> Answer<ContractCalled> {
        let name = handed.name;
        let entry = self.contract_entry(name).ok_or_else(|| ApiError::contract_not_found(&request.contract))?;
        let receipt = entry.receipt.clone().filter(|receipt| receipt.caller == self.me());
        let made = self.made_call(&entry, request, handed).map(|made| made.number);
        let receipt = match (made, receipt) {
            (Some(number), receipt) => receipt.filter(|receipt| receipt.number == number),
            (None, Some(receipt)) if receipt.outcome == CallOutcome::Returned => Some(receipt),
            (None, Some(receipt)) => return Err(ApiError::contract_not_called(why_not_forced(receipt.outcome))),
            (None, None) => {
                return Err(ApiError::contract_not_called(
                    "the ledger has taken it, and does not show what came of it, since others have called the contract",
                ));
            }
        };
        let is_output = receipt.as_ref().is_some_and(|receipt| receipt.output == code_hash(&handed.output));
        Ok(ContractCalled {
            transaction_id: handed.id,
            output: is_output.then(|| ContractBytes(handed.output.clone())),
            gas_used: receipt.map(|receipt| receipt.gas_used),
            record: self.contract_record(name, &entry),
        })
    }

    /// The call as the ledger shows it, if it changed the contract: this very one, or where it was handed in before a restart one that is
    /// the same.
    fn made_call<'a>(
        &self,
        entry: &'a LedgerContract,
        request: &ContractInvoke,
        handed: &Handed,
    ) -> Option<&'a MadeCall> {
        let before = handed.made_before.unwrap_or_default();
        let wanted = (self.me(), request.value, &request.input.0);
        entry.calls.iter().find(|made| made.number > before && (made.caller, made.value, &made.input) == wanted)
    }
}

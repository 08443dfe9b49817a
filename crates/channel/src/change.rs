//! What an update does to a channel's state. Both sides execute it, and sign only what both come to.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, AssetId, NetworkId};
use byway_records::Value;
use byway_records::call::channels::CODE_BYTES_MAX;
use byway_records::channel::{
    ChannelOutcome, ChannelTerms, EVIDENCE_MAX, Environment, FORCED_GAS_MAX, Lane, Movement, Position, Side,
};
use byway_records::state::Settled;
use byway_vm::{Address, Call, ExecuteError, Execution, Outcome, State, Target, code_hash};

use crate::fund::Moved;
use crate::guarantee::contract as guarantee;
use crate::routing::conduit;

/// Bytes of a call's input: what creates the largest contract, as on Ethereum.
pub const INPUT_BYTES_MAX: usize = 48 * 1024;
/// The most gas of a call: as much as the ledger executes when a call is forced, so that every call can be.
pub const CALL_GAS_MAX: u64 = FORCED_GAS_MAX;
/// The most gas that creating a contract takes: enough for the largest.
pub const CREATE_GAS_MAX: u64 = 10_000_000;

/// One update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The earlier state under a higher round: cancels every update that was proposed since.
    Nothing,
    Transfer {
        from: Side,
        amount: Amount,
    },
    /// Puts so much into one's own lane in all, out of the balance or back into it.
    Lane {
        side: Side,
        capacity: Amount,
    },
    /// Moves what a promise claims out of the payer's lane into the payee's balance.
    Absorb {
        payer: Side,
        promise: Settled,
    },
    Call(ContractCall),
    /// What only both together do to a contract: neither could have the ledger do it.
    Contract(ContractChange),
}

/// What happens to a contract other than that it is called. It needs the consent of both, for this very change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContractChange {
    /// Other code under the same address. What the contract has, and has stored, stays.
    Upgrade { contract: Address, code: Vec<u8> },
    /// The contract goes, and all that it has stored. What it has is divided so, or where that is not said, as the
    /// parties agreed when they opened the channel.
    Remove { contract: Address, shares: Option<[Amount; 2]> },
}

/// A call of a contract, or the creation of one, by one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractCall {
    pub caller: Side,
    pub target: Target,
    pub value: Amount,
    pub input: Vec<u8>,
    pub gas: u64,
    /// What became of virtual channels, for contracts that ask. Whoever is to sign the call knows it from the ledger too.
    pub evidence: Vec<ChannelOutcome>,
}

/// Why a change leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    #[error("a side would have less than the reserve")]
    Reserve,
    #[error("the contracts' time would go back, or is ahead of the ledger's")]
    Environment,
    #[error("the call asks for more gas, or has a longer input, than a channel's calls may")]
    Limits,
    #[error("the call did not return: {0:?}")]
    Call(Outcome),
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    #[error("the promise claims nothing that is not absorbed")]
    Absorbed,
    #[error("there is no such contract")]
    NoContract,
    #[error("no contract can have this code, or it has it already")]
    Code,
    #[error("what the contract has is divided into more or less than that")]
    Shares,
    #[error("what holds an asset of the channel is neither changed nor removed, and does not leave")]
    Purse,
    #[error(
        "this contract has something of an asset of the channel, or a party lets it take some; it is removed or leaves once it has paid that and both have taken back what they approved"
    )]
    InPurses,
    #[error(
        "payments over several channels are on their way in this contract, or virtual channels are guaranteed by it; wait until they are through"
    )]
    OnTheirWay,
    #[error("a deposit or a withdrawal of nothing, or a contract that leaves with nothing")]
    NothingMoved,
    #[error("the side does not have so much of the asset in the channel")]
    NotInPurse,
    #[error("there is not so much in the channel, or would be too much, or more than four assets beside WAY")]
    Held,
    #[error("contracts would have stored more than a channel's may; have them store less")]
    TooLarge,
    #[error("rounds are used up")]
    Rounds,
}

/// What of a channel an update needs to know and never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ground {
    pub network: NetworkId,
    pub terms: ChannelTerms,
}

impl Change {
    /// Whose doing it is; cancelling and absorbing is anyone's, and what is done to a contract is both's.
    pub fn by(&self) -> Option<Side> {
        match self {
            Change::Nothing | Change::Absorb { .. } | Change::Contract(_) => None,
            Change::Lane { side, .. } => Some(*side),
            Change::Transfer { from, .. } => Some(*from),
            Change::Call(call) => Some(call.caller),
        }
    }
}

/// Whether that is a contract of payments over several channels, or of guarantees.
fn is_for_others(state: &State, contract: Address) -> bool {
    conduit::all(state).chain(guarantee::all(state)).any(|one| one == contract)
}

impl ContractChange {
    pub fn contract(&self) -> Address {
        match self {
            ContractChange::Upgrade { contract, .. } | ContractChange::Remove { contract, .. } => *contract,
        }
    }
}

impl Ground {
    fn address(&self, side: Side) -> Address {
        Address::from(self.terms.parties[side.index()])
    }

    /// All that is in the channel at first.
    pub fn first_total(&self) -> Amount {
        Amount::checked_sum(self.terms.deposits).expect("terms whose deposits don't fit are never agreed to")
    }

    pub fn addresses(&self) -> [Address; 2] {
        Side::BOTH.map(|side| self.address(side))
    }

    /// What the virtual machine is told of a call.
    pub fn vm_call(&self, call: &ContractCall) -> Call {
        let (caller, input) = (self.address(call.caller), call.input.clone());
        Call { caller, target: call.target, value: call.value, input, gas: call.gas, evidence: call.evidence.clone() }
    }

    /// The state and the position after a change. The environment is that of `base` unless a contract is called.
    pub fn after(
        &self,
        state: &State,
        base: &Position,
        round: u64,
        change: &Change,
        environment: Environment,
    ) -> Result<(State, Position), ChangeError> {
        let (mut state, mut lanes) = (state.clone(), base.lanes);
        match change {
            Change::Nothing => return Ok((state, Position { round, ..*base })),
            Change::Transfer { from, amount } => self.transfer(&mut state, base, *from, *amount)?,
            Change::Lane { side, capacity } => {
                let lane = &mut lanes[side.index()];
                let owned = base.balances[side.index()].checked_add(lane.capacity).ok_or(ChangeError::Reserve)?;
                state.set_balance(self.address(*side), owned.checked_sub(*capacity).ok_or(ChangeError::Reserve)?);
                lane.capacity = *capacity;
            }
            Change::Absorb { payer, promise } => {
                let (lane, payee) = (&mut lanes[payer.index()], payer.other());
                let due = lane.due(*promise);
                if due.is_zero() {
                    return Err(ChangeError::Absorbed);
                }
                let got = base.balances[payee.index()].checked_add(due).ok_or(ChangeError::Reserve)?;
                state.set_balance(self.address(payee), got);
                *lane = Lane { capacity: lane.capacity.saturating_sub(due), absorbed: *promise };
            }
            Change::Call(call) => self.call(&mut state, base, call, environment)?,
            Change::Contract(change) => self.change_contract(&mut state, change)?,
        }
        let balances = self.addresses().map(|party| state.account(party).unwrap_or_default().balance);
        if balances.iter().any(|balance| *balance < self.terms.reserve) {
            return Err(ChangeError::Reserve);
        }
        let is_call = matches!(change, Change::Call(_));
        let environment = if is_call { environment } else { base.environment };
        let position = Position { round, balances, lanes, root: state.root(), environment };
        Ok((state, position))
    }

    /// The state and the position after a deposit or a withdrawal: the side's balance is so much more or less. Where a contract
    /// leaves, it is what has so much, and is not there any more.
    pub fn funded(
        &self,
        state: &State,
        base: &Position,
        round: u64,
        moved: &Moved,
    ) -> Result<(State, Position), ChangeError> {
        let Moved { side, movement, value: Value { asset, amount } } = *moved;
        if asset != AssetId::WAY {
            return self.funded_in_purse(state, base, round, moved);
        }
        let (mut state, mut balances) = (state.clone(), base.balances);
        let balance = &mut balances[side.index()];
        let after = match movement {
            Movement::Deposit => balance.checked_add(amount),
            Movement::Withdraw => balance.checked_sub(amount),
            Movement::Leave { contract, base: root } => {
                let contract = Address(contract);
                let account = state.account(contract).filter(|account| account.contract.is_some());
                let account = account.ok_or(ChangeError::NoContract)?;
                if state.is_purse(contract) {
                    return Err(ChangeError::Purse);
                }
                if state.is_in_purses(contract, self.addresses()) {
                    return Err(ChangeError::InPurses);
                }
                if amount.is_zero() {
                    return Err(ChangeError::NothingMoved);
                }
                if account.balance != amount || state.root() != root {
                    return Err(ChangeError::Shares);
                }
                if is_for_others(&state, contract) {
                    return Err(ChangeError::OnTheirWay);
                }
                state.remove_contract(contract);
                let root = state.root();
                return Ok((state, Position { round, root, ..*base }));
            }
        };
        *balance = after.filter(|after| *after >= self.terms.reserve).ok_or(ChangeError::Reserve)?;
        if amount.is_zero() {
            return Err(ChangeError::NothingMoved);
        }
        state.set_balance(self.address(side), *balance);
        let root = state.root();
        Ok((state, Position { round, balances, root, ..*base }))
    }

    /// What a call would do.
    pub fn try_call(
        &self,
        state: &State,
        call: &ContractCall,
        environment: Environment,
    ) -> Result<Execution, ChangeError> {
        let gas_max = if call.target == Target::Create { CREATE_GAS_MAX } else { CALL_GAS_MAX };
        if call.gas > gas_max || call.input.len() > INPUT_BYTES_MAX || call.evidence.len() > EVIDENCE_MAX {
            return Err(ChangeError::Limits);
        }
        Ok(state.look(self.network, environment, &self.vm_call(call))?)
    }

    fn change_contract(&self, state: &mut State, change: &ContractChange) -> Result<(), ChangeError> {
        let account = state.account(change.contract()).ok_or(ChangeError::NoContract)?;
        let before = account.contract.ok_or(ChangeError::NoContract)?;
        if state.is_purse(change.contract()) {
            return Err(ChangeError::Purse);
        }
        if is_for_others(state, change.contract()) && !account.balance.is_zero() {
            return Err(ChangeError::OnTheirWay);
        }
        match change {
            ContractChange::Upgrade { contract, code } => {
                if !can_be_code(code) || code_hash(code) == before.code {
                    return Err(ChangeError::Code);
                }
                state.set_code(*contract, code);
            }
            ContractChange::Remove { contract, shares } => {
                // Another contract could later be at its address, which would have that.
                if state.is_in_purses(*contract, self.addresses()) {
                    return Err(ChangeError::InPurses);
                }
                let shares = shares.unwrap_or_else(|| self.terms.remainder.shares(account.balance));
                if Amount::checked_sum(shares) != Some(account.balance) {
                    return Err(ChangeError::Shares);
                }
                state.remove_contract(*contract);
                for (party, share) in self.addresses().into_iter().zip(shares) {
                    let balance = state.account(party).unwrap_or_default().balance;
                    state.set_balance(party, balance.checked_add(share).ok_or(ChangeError::Reserve)?);
                }
            }
        }
        Ok(())
    }

    fn transfer(&self, state: &mut State, base: &Position, from: Side, amount: Amount) -> Result<(), ChangeError> {
        let (payer, payee) = (from.index(), from.other().index());
        let left = base.balances[payer].checked_sub(amount).ok_or(ChangeError::Reserve)?;
        let got = base.balances[payee].checked_add(amount).ok_or(ChangeError::Reserve)?;
        state.set_balance(self.address(from), left);
        state.set_balance(self.address(from.other()), got);
        Ok(())
    }

    fn call(
        &self,
        state: &mut State,
        base: &Position,
        call: &ContractCall,
        environment: Environment,
    ) -> Result<(), ChangeError> {
        let gas_max = if call.target == Target::Create { CREATE_GAS_MAX } else { CALL_GAS_MAX };
        if call.gas > gas_max || call.input.len() > INPUT_BYTES_MAX || call.evidence.len() > EVIDENCE_MAX {
            return Err(ChangeError::Limits);
        }
        if environment.time < base.environment.time || environment.height < base.environment.height {
            return Err(ChangeError::Environment);
        }
        let execution = state.execute(self.network, environment, &self.vm_call(call))?;
        match execution.outcome {
            Outcome::Returned => Ok(()),
            other => Err(ChangeError::Call(other)),
        }
    }
}

/// Whether the ledger would register it, so that calls of the contract can be forced. Ethereum gives no contract code that begins
/// with this byte.
fn can_be_code(code: &[u8]) -> bool {
    code.len() <= CODE_BYTES_MAX && code.first().is_some_and(|first| *first != 0xef)
}

impl Encode for Change {
    fn encode(&self, out: &mut Writer) {
        match self {
            Change::Nothing => out.byte(0),
            Change::Transfer { from, amount } => {
                out.byte(1);
                out.value(from);
                out.value(amount);
            }
            Change::Call(call) => {
                out.byte(2);
                out.value(call);
            }
            Change::Lane { side, capacity } => {
                out.byte(3);
                out.value(side);
                out.value(capacity);
            }
            Change::Absorb { payer, promise } => {
                out.byte(4);
                out.value(payer);
                out.value(promise);
            }
            Change::Contract(ContractChange::Upgrade { contract, code }) => {
                out.byte(5);
                out.value(contract);
                out.bytes(code);
            }
            Change::Contract(ContractChange::Remove { contract, shares }) => {
                out.byte(6);
                out.value(contract);
                out.flag(shares.is_some());
                shares.iter().flatten().for_each(|share| out.value(share));
            }
        }
    }
}

impl Decode for Change {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Change::Nothing),
            1 => Ok(Change::Transfer { from: input.value()?, amount: input.value()? }),
            2 => Ok(Change::Call(input.value()?)),
            3 => Ok(Change::Lane { side: input.value()?, capacity: input.value()? }),
            4 => Ok(Change::Absorb { payer: input.value()?, promise: input.value()? }),
            5 => {
                let (contract, code) = (input.value()?, input.bytes(CODE_BYTES_MAX)?.to_vec());
                Ok(Change::Contract(ContractChange::Upgrade { contract, code }))
            }
            6 => {
                let contract = input.value()?;
                let shares = if input.flag()? { Some([input.value()?, input.value()?]) } else { None };
                Ok(Change::Contract(ContractChange::Remove { contract, shares }))
            }
            other => Err(DecodeError::UnknownVariant { kind: "change", value: other.into() }),
        }
    }
}

impl Encode for ContractCall {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.caller);
        out.option(match &self.target {
            Target::Contract(contract) => Some(contract),
            Target::Create => None,
        });
        out.value(&self.value);
        out.bytes(&self.input);
        out.varint(self.gas);
        out.list(&self.evidence);
    }
}

impl Decode for ContractCall {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            caller: input.value()?,
            target: input.option()?.map_or(Target::Create, Target::Contract),
            value: input.value()?,
            input: input.bytes(INPUT_BYTES_MAX)?.to_vec(),
            gas: input.u64()?,
            evidence: input.list(EVIDENCE_MAX)?,
        })
    }
}

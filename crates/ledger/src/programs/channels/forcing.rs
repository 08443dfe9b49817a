//! A call that the ledger executes in the place of two who don't agree.
//!
//! Whoever forces shows the state that the call builds on, by its round and its root, and the part of it that the call
//! touches. The ledger executes the call in the same virtual machine as the parties do. If it returns, that makes the next
//! round; in every other case nothing of the state changes. Either way it is paid for, and a receipt says how it went.
//!
//! **What it pays** is all that it takes out of a commit: the gas that it names, used or not, and the bytes of its witness. Otherwise
//! whoever names much and uses little would keep others out of commits for next to nothing. The forcer knows the state that the call
//! is executed on and the time that it sees, so it knows the least that is enough, and names that.
//!
//! **What is refused outright**, and so costs nothing, is decided before anything runs. What is only found out by
//! running the call (that the witness lacks something, or shows what the call does not need) is charged like any other: otherwise anyone
//! could make the ledger work for nothing.
//!
//! **Time.** A contract sees the time and height that the forcer names. They never go back from the state that is built on, are
//! not ahead of the ledger's, and the time is at most [`ENVIRONMENT_AGE_MAX`] old, the height by no more checkpoints than come
//! in that time at the fastest. So the forcer knows the result before it asks
//! for it, and nobody can act today as if a deadline of last week were not over.
//!
//! **What the other side needs.** It sees entries and no transactions. So the channel's entry keeps the calls that made the last
//! rounds, at least those of the newest checkpoint ([`Channel::room_for`]): whoever goes from checkpoint to checkpoint executes
//! them too, and has the same state.

use byway_primitives::time::Span;
use byway_primitives::{Decode, Hash};
use byway_records::call::ForceProgress;
use byway_records::channel::entry::{Code, code_key};
use byway_records::channel::{
    CallOutcome, Channel, FORCED_GAS_MAX, ForcedCall, ForcedReceipt, ForcedRound, Phase, Position, Side, Turn,
};
use byway_records::{ProgramId, Reject, VerifiedTransaction};
use byway_vm::{Address, Call, ExecuteError, Forced, Outcome, Target, Witness, code_hash};

use super::guaranteed::check_evidence;
use super::{
    By, acts_for, charge, chargeable, check_balances, is_ahead, is_locked, is_paid, load, prolonged, put, shown,
};
use crate::programs::{Moment, authorised};
use crate::state::View;

/// The most gas of all forced calls of a commit, by what each may use, and with what reading their witnesses takes: a commit full of
/// them takes some tens of milliseconds at the worst (docs/channels.md).
pub const COMMIT_GAS_MAX: u64 = 4_000_000;
/// How old the time that a contract sees may be when the call is executed.
pub const ENVIRONMENT_AGE_MAX: Span = Span::minutes(2);

pub(super) fn force_progress(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    force: &ForceProgress,
) -> Result<(), Reject> {
    let call = &force.call.call;
    let mut channel = load(view, transaction, call.channel)?;
    let side = Side::BOTH.into_iter().find(|side| channel.parties[side.index()] == call.caller);
    let side = side.ok_or(Reject::ChannelParties)?;
    may_force(now, transaction, &channel, side, force)?;
    let known = channel.signed;
    if let Some(state) = &force.state {
        if state.body.channel != call.channel {
            return Err(Reject::ChannelParties);
        }
        channel = shown(now, channel, state)?;
    }
    let phase = prolonged(now, &channel, side, By::Forcing).ok_or(Reject::ChannelStreak)?;
    check_evidence(view, &call.evidence)?;
    let witness = check(now, &channel, force)?;
    let made = made(now, side, force);
    let oldest = channel.room_for(&made).ok_or(Reject::ChannelBusy)?;
    let price = now.parameters.call_prices.of_gas(force.gas_taken()).ok_or(Reject::ChannelFee)?;
    // Whether a delegate shows a good witness the party can't know, so it does not pay for a bad one.
    let is_party = transaction.is_authorised_by(channel.parties[side.index()]);
    if !is_paid(transaction, price) && (!is_party || price > chargeable(now, transaction, &channel, side)) {
        return Err(Reject::ChannelFee);
    }
    let (receipt, position) = run(view, now, &channel, force, &witness)?;
    charge(view, now, transaction, &mut channel, side, price)?;
    let is_new = position.is_some() || channel.signed > known;
    channel.phase = if is_new { phase } else { channel.phase };
    if position.is_some() && channel.phase == Phase::Active {
        channel.turn = Some(Turn { after: side, until: now.after(channel.lock) });
    }
    if let Some(position) = position {
        channel.position = position;
        channel.rounds.drain(..oldest);
        channel.rounds.push(made);
    }
    channel.forced[side.index()] = now.commit;
    channel.receipt = Some(receipt);
    put(view, call.channel, &channel);
    Ok(())
}

/// The party itself may as long as the lock period is not over, and no two rounds in a row while the channel is active; its
/// delegates only while it is closing. A side forces one call in a commit, and all together no more than a commit has gas for.
fn may_force(
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    channel: &Channel,
    side: Side,
    force: &ForceProgress,
) -> Result<(), Reject> {
    if force.call.call.gas > FORCED_GAS_MAX {
        return Err(Reject::ChannelCall);
    }
    if channel.forced[side.index()] == now.commit || now.forced_gas.saturating_add(force.gas_taken()) > COMMIT_GAS_MAX {
        return Err(Reject::ChannelBusy);
    }
    let waits = channel.turn.is_some_and(|turn| turn.after == side && !now.passed(turn.until));
    match channel.phase {
        Phase::Active if waits => Err(Reject::ChannelTurn),
        Phase::Active => authorised(transaction, channel.parties[side.index()]),
        Phase::Closing { .. } if is_locked(now, channel.phase) => Err(Reject::ChannelPhase),
        Phase::Closing { .. } => acts_for(transaction, channel, side),
    }
}

/// All that can be said against a forced call without executing it. Gives the witness.
fn check(now: Moment<'_>, channel: &Channel, force: &ForceProgress) -> Result<Witness, Reject> {
    let (call, environment) = (&force.call.call, force.environment);
    let base = &channel.position;
    if now.time > call.expires {
        return Err(Reject::ChannelExpired);
    }
    if base.round.checked_add(1) != Some(call.round) || call.base != base.root {
        return Err(Reject::ChannelCall);
    }
    let goes_back = environment.time < base.environment.time || environment.height < base.environment.height;
    // As many checkpoints as come in that time at the fastest.
    let delay = now.parameters.checkpoint_delay.0.max(1);
    let is_low = now.height.0.saturating_sub(environment.height) > ENVIRONMENT_AGE_MAX.0 / delay;
    let is_old = is_low || now.time.since(environment.time) > ENVIRONMENT_AGE_MAX;
    if goes_back || is_ahead(now, environment) || is_old {
        return Err(Reject::ChannelEnvironment);
    }
    let witness = Witness::from_bytes(&force.witness).map_err(|_| Reject::ChannelWitness)?;
    witness.check(base.root).map_err(|_| Reject::ChannelWitness)?;
    for (party, balance) in channel.parties.iter().zip(base.balances) {
        if witness.balance(Address::from(*party)) != Ok(balance) {
            return Err(Reject::ChannelWitness);
        }
    }
    Ok(witness)
}

/// The call as it is kept where it makes a round.
fn made(now: Moment<'_>, caller: Side, force: &ForceProgress) -> ForcedRound {
    let ForcedCall { round, contract, value, ref input, gas, ref evidence, .. } = force.call.call;
    let (height, input, environment) = (now.height.0, input.clone(), force.environment);
    ForcedRound { round, height, caller, contract, value, input, gas, environment, evidence: evidence.clone() }
}

/// Executes the call: what became of it, and the position that it leads to, if any.
fn run(
    view: &View<'_>,
    now: Moment<'_>,
    channel: &Channel,
    force: &ForceProgress,
    witness: &Witness,
) -> Result<(ForcedReceipt, Option<Position>), Reject> {
    let ForcedCall { round, caller, contract, value, gas, .. } = force.call.call;
    let call = Call {
        caller: Address::from(caller),
        target: Target::Contract(Address(contract)),
        value,
        input: force.call.call.input.clone(),
        gas,
        evidence: force.call.call.evidence.clone(),
    };
    let code = |hash: Hash| view.load::<Code>(ProgramId::CHANNELS, &code_key(hash)).map(|code| code.0);
    let receipt = ForcedReceipt { round, caller, outcome: CallOutcome::Missing, gas_used: gas, output: code_hash(&[]) };
    match witness.execute(now.network, force.environment, &call, &code) {
        Ok(forced) if !witness.is_needed_by(&forced.execution, &channel.parties.map(Address::from)) => {
            Ok((receipt, None))
        }
        Ok(forced) => Ok(judge(channel, force, &forced, receipt)),
        Err(ExecuteError::Missing(_) | ExecuteError::Overflow) => Ok((receipt, None)),
        Err(ExecuteError::Funds | ExecuteError::Gas | ExecuteError::Refused) => Err(Reject::ChannelCall),
    }
}

/// Whether a call that ran makes a round.
fn judge(
    channel: &Channel,
    force: &ForceProgress,
    forced: &Forced,
    receipt: ForcedReceipt,
) -> (ForcedReceipt, Option<Position>) {
    let execution = &forced.execution;
    let outcome = match execution.outcome {
        Outcome::Returned => CallOutcome::Returned,
        Outcome::Reverted => CallOutcome::Reverted,
        Outcome::OutOfGas => CallOutcome::OutOfGas,
        Outcome::Halted => CallOutcome::Halted,
    };
    let receipt = ForcedReceipt { gas_used: execution.gas_used, output: execution.receipt.output, ..receipt };
    if outcome != CallOutcome::Returned {
        return (ForcedReceipt { outcome, ..receipt }, None);
    }
    let balances = channel.parties.map(|party| forced.balance(Address::from(party)).ok());
    let [Some(initiator), Some(responder)] = balances else { return (receipt, None) };
    let position = Position {
        round: receipt.round,
        balances: [initiator, responder],
        lanes: channel.position.lanes,
        root: forced.root,
        environment: force.environment,
    };
    match check_balances(channel, &position, channel.total) {
        Ok(()) => (ForcedReceipt { outcome, ..receipt }, Some(position)),
        Err(_) => (ForcedReceipt { outcome: CallOutcome::Balances, ..receipt }, None),
    }
}

//! Channels (rows C1, C3): two parties' money, and whose it is by the last state that the ledger was shown.
//!
//! | phase | what it is | what may be called |
//! | --- | --- | --- |
//! | *active* | nobody is closing it | fund, leave, snapshot, close (solo, mutual), force progress, delegates |
//! | *closing* | one side began to close, the other may answer | slash, claim, close mutual, force progress, delegates |
//! | *locked* | the lock period is over, in time and in commits | settle, slash, claim, close mutual, delegates |
//! | *closed* | there is no entry any more, and the id never comes back | |
//!
//! **Rounds.** A co-signed state is taken where its round is higher than that of the last co-signed state that the ledger was
//! shown ([`Channel::accepts`]), whatever was forced since: forced rounds count on from a co-signed one, so a co-signed state
//! of the same round or a later one was signed by both instead of them. The rule is one function and holds for the
//! state in every call, a forced one included. No two states of one round are ever both taken.
//!
//! **Money.** A channel is funded from the parties' [accounts](super::accounts) and pays into them. What states divide is its
//! *total*. What the ledger charges a side for a call is taken out of that side's part at the end; it is never more than
//! the reserve, which every state leaves both sides, so that it is always there ([`charge`]). Half of the least that it may be is kept for
//! when the channel closes, and for the party itself ([`chargeable`]). Delegates pay for calls that they force with their transaction's fee,
//! and so does whoever has no reserve left. At the end, what contracts hold goes to the parties as they agreed when they
//! opened the channel. What is in a *lane* goes to the payee as far as it has shown a promise for it, and back to the payer
//! beyond that. So a channel always pays out exactly what went into it, less what was charged.
//!
//! **Lock.** Whatever changes the state while the channel is closing gives the other side a whole lock period to answer. A
//! side may do so [`STREAK_MAX`] times with states and promises, and as often with calls that it forces, before the other acts, so nobody
//! alone can put off the end for long. The two are counted for themselves: what a side is shown, and shows in turn, must not take the calls from
//! it with which it gets what contracts hold. Beyond that it forces nothing more; but a newer co-signed state of its and its claims
//! are still taken, and only give no more time. A watchful other side has had several lock periods to show its newest state, and nothing beats
//! that.
//!
//! **Virtual channels** have no money here (`guaranteed`).
//!
//! **Other assets than WAY** are taken in at the opening or later, are in contracts of the state, and are paid out as the last state says,
//! or as both agree when they part (`purses`).
//!
//! **Contracts.** One may leave its channel, and is then an entry of its own that anyone calls (`leaving`).
//!
//! **Turns.** While the channel is active, a side that has forced a round forces no other until the other party has acted, or
//! has had a whole lock period to ([`Turn`]): otherwise calls that do nothing would take every round from the other's. And a
//! side forces one call in a commit, so that each is executed on its own for both.

use byway_primitives::{Amount, AssetId};
use byway_records::call::ChannelsCall;
use byway_records::channel::entry::channel_key;
use byway_records::channel::{Channel, ChannelState, Cosigned, Environment, Phase, Position, Side, Turn};
pub use byway_records::channel::{LOCK_MAX, LOCK_MIN};
use byway_records::genesis::CallPrices;
use byway_records::promise::ChannelId;
use byway_records::{Call, ProgramId, Reject, Value, VerifiedTransaction};
pub use leaving::CONTRACT_GAS_MAX;

use super::accounts::credit;
use super::system::pay_pool;
use super::{Moment, authorised};
use crate::state::View;

mod closing;
mod forcing;
mod guaranteed;
mod leaving;
mod opening;
mod purses;

/// How often a side may prolong a closing before the other acts, by states and promises, and as often again by calls that it forces: a call
/// for each guarantee or lock that a channel holds, or one for several.
pub const STREAK_MAX: u8 = 4;
/// How many calls a reserve pays for at the least: to close, to answer and to be settled, some times over.
pub const RESERVE_CALLS: u64 = 8;

const KIB: u64 = 1024;

/// What a call must bring as its transaction's fee. What is done with a channel it can pay for itself.
pub(crate) fn price(prices: &CallPrices, call: &ChannelsCall) -> Amount {
    match call {
        ChannelsCall::RegisterCode { code } => {
            let kib = (code.len() as u64).div_ceil(KIB).max(1);
            Amount::cost(prices.channel, kib, 1).unwrap_or(Amount::MAX)
        }
        _ => Amount::ZERO,
    }
}

/// What a transaction has taken of the gas that a commit has for forced calls.
pub(crate) fn forced_gas(transaction: &VerifiedTransaction) -> u64 {
    match transaction.call() {
        Some(Call::Channels(ChannelsCall::ForceProgress(force))) => force.gas_taken(),
        Some(Call::Channels(ChannelsCall::CallContract(call))) => call.gas_taken(),
        Some(Call::Channels(ChannelsCall::Settle { witness, .. })) => purses::gas_of(witness),
        _ => 0,
    }
}

pub(crate) fn execute(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    call: &ChannelsCall,
) -> Result<(), Reject> {
    match call {
        ChannelsCall::Create { terms } => opening::create(view, now, transaction, terms),
        ChannelsCall::Fund(change) => opening::fund(view, now, transaction, change),
        ChannelsCall::SetDelegates { channel, side, delegates } => {
            opening::set_delegates(view, now, transaction, *channel, *side, delegates)
        }
        ChannelsCall::SnapshotSolo { side, state } => closing::snapshot(view, now, transaction, *side, state),
        ChannelsCall::CloseSolo { channel, side, secret, state } => {
            closing::close_solo(view, now, transaction, *channel, *side, *secret, state.as_ref())
        }
        ChannelsCall::Slash { side, state } => closing::slash(view, now, transaction, *side, state),
        ChannelsCall::ForceProgress(force) => forcing::force_progress(view, now, transaction, force),
        ChannelsCall::Claim { side, promise } => closing::claim(view, now, transaction, *side, promise),
        ChannelsCall::Settle { channel, witness } => closing::settle(view, now, transaction, *channel, witness),
        ChannelsCall::CloseMutual(close) => closing::close_mutual(view, now, transaction, close),
        ChannelsCall::RegisterCode { code } => opening::register_code(view, code),
        ChannelsCall::Leave(leave) => leaving::leave(view, now, transaction, leave),
        ChannelsCall::CallContract(call) => leaving::call(view, now, transaction, call),
        ChannelsCall::RegisterVirtual(terms) => guaranteed::register(view, now, transaction, terms),
        ChannelsCall::EndVirtual { channel, state } => {
            guaranteed::end(view, now, transaction, *channel, state.as_ref())
        }
        ChannelsCall::CloseVirtual(certificate) => guaranteed::close(view, now, transaction, certificate),
    }
}

/// A channel as it is after a transaction's signers have shown that they are there: whoever acts has had its turn.
fn load(view: &View<'_>, transaction: &VerifiedTransaction, id: ChannelId) -> Result<Channel, Reject> {
    let channel: Channel = view.load(ProgramId::CHANNELS, &channel_key(id)).ok_or(Reject::ChannelUnknown)?;
    let awaited = |turn: &Turn| channel.parties[turn.after.other().index()];
    let turn = channel.turn.filter(|turn| !transaction.is_authorised_by(awaited(turn)));
    Ok(Channel { turn, ..channel })
}

fn put(view: &mut View<'_>, id: ChannelId, channel: &Channel) {
    view.store(ProgramId::CHANNELS, channel_key(id), channel);
}

/// Refuses a transaction that neither the side's party nor a delegate of it signed.
fn acts_for(transaction: &VerifiedTransaction, channel: &Channel, side: Side) -> Result<(), Reject> {
    let is_delegate = channel.delegates[side.index()].iter().any(|delegate| transaction.is_authorised_by(*delegate));
    if is_delegate { Ok(()) } else { authorised(transaction, channel.parties[side.index()]) }
}

/// The position that a co-signed state puts the channel in, where it is new and of what is in the channel.
fn accept(now: Moment<'_>, channel: &Channel, state: &Cosigned<ChannelState>) -> Result<Position, Reject> {
    let ChannelState { position, total, fundings, .. } = state.body;
    if state.parties != channel.parties {
        return Err(Reject::ChannelParties);
    }
    if !channel.accepts(position.round) {
        return Err(Reject::ChannelRound);
    }
    if (total, fundings) != (channel.total, channel.fundings) {
        return Err(Reject::ChannelTotal);
    }
    check_balances(channel, &position, total)?;
    if is_ahead(now, position.environment) { Err(Reject::ChannelEnvironment) } else { Ok(position) }
}

/// The channel with a state to go on from: a newer one, or that which it is in. The other side may have shown the same state
/// just before, and must not thwart by that what comes with it.
fn shown(now: Moment<'_>, channel: Channel, state: &Cosigned<ChannelState>) -> Result<Channel, Reject> {
    let ChannelState { total, fundings, position, .. } = state.body;
    let is_there = channel.signed == position.round && channel.position == position;
    if is_there && (state.parties, total, fundings) == (channel.parties, channel.total, channel.fundings) {
        return Ok(channel);
    }
    let position = accept(now, &channel, state)?;
    Ok(signed(channel, position))
}

/// Whether both parties keep the reserve and have no more than there is: while the channel is open as much as at its end.
fn check_balances(channel: &Channel, position: &Position, total: Amount) -> Result<(), Reject> {
    if position.balances.iter().any(|balance| *balance < channel.reserve) {
        return Err(Reject::ChannelReserve);
    }
    position.rest(total).map(|_| ()).ok_or(Reject::ChannelTotal)
}

/// Whether a contract would see a time that the ledger has not reached, or a checkpoint that there isn't yet.
fn is_ahead(now: Moment<'_>, environment: Environment) -> bool {
    environment.time > now.time || environment.height >= now.height.0
}

/// The channel with a co-signed position: what was forced before is no part of it.
fn signed(channel: Channel, position: Position) -> Channel {
    Channel { signed: position.round, position, rounds: Vec::new(), ..channel }
}

/// What a side prolongs a closing by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// A state, or a promise.
    Showing,
    Forcing,
}

/// The phase after `side` has shown the ledger something new: where the channel is closing, the other side has a whole lock
/// period again, unless this one has prolonged it as often as it may. None in that case.
fn prolonged(now: Moment<'_>, channel: &Channel, side: Side, with: By) -> Option<Phase> {
    let Phase::Closing { by, last, streak, calls, .. } = channel.phase else { return Some(channel.phase) };
    let (streak, calls) = if last == side { (streak, calls) } else { (0, 0) };
    let (streak, calls) = match with {
        By::Showing => (streak.saturating_add(1), calls),
        By::Forcing => (streak, calls.saturating_add(1)),
    };
    let is_within = streak.max(calls) <= STREAK_MAX;
    is_within.then(|| Phase::Closing { by, until: guaranteed::lock_from(now, channel), last: side, streak, calls })
}

fn is_locked(now: Moment<'_>, phase: Phase) -> bool {
    matches!(phase, Phase::Closing { until, .. } if now.passed(until))
}

/// Whether the transaction's own fee pays this much.
fn is_paid(transaction: &VerifiedTransaction, price: Amount) -> bool {
    transaction.transaction().body.fee >= price
}

/// Takes the price of what a side has done out of its part, unless the transaction pays for it.
fn charge(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    channel: &mut Channel,
    side: Side,
    price: Amount,
) -> Result<(), Reject> {
    if is_paid(transaction, price) {
        return Ok(());
    }
    if price > chargeable(now, transaction, channel, side) {
        return Err(Reject::ChannelFee);
    }
    take(view, channel, side, price);
    Ok(())
}

/// What a side can be charged for what a transaction does: its reserve but for half of the least that a reserve may be, with which the
/// party can close, answer, claim and settle; and only the party itself may use that, once the channel is closing. So nothing that happens
/// before keeps anybody from closing, and every state leaves each what that costs.
fn chargeable(now: Moment<'_>, transaction: &VerifiedTransaction, channel: &Channel, side: Side) -> Amount {
    let is_party = transaction.is_authorised_by(channel.parties[side.index()]);
    let is_closing = channel.phase != Phase::Active;
    let kept = match Amount::cost(now.parameters.call_prices.channel, RESERVE_CALLS / 2, 1) {
        _ if is_party && is_closing => Amount::ZERO,
        kept => kept.unwrap_or(channel.reserve),
    };
    uncharged(channel, side).saturating_sub(kept)
}

/// What of a side's reserve is not charged yet. The ledger has nothing of a virtual channel to charge.
fn uncharged(channel: &Channel, side: Side) -> Amount {
    if channel.guaranteed.is_some() {
        return Amount::ZERO;
    }
    channel.reserve.saturating_sub(channel.charged[side.index()])
}

/// Takes what a side is charged, or what is left of its reserve, into the pool: for what must not fail for its price.
fn take(view: &mut View<'_>, channel: &mut Channel, side: Side, price: Amount) {
    let taken = price.min(uncharged(channel, side));
    let charged = &mut channel.charged[side.index()];
    *charged = charged.checked_add(taken).expect("no more than the reserve");
    pay_pool(view, taken);
}

/// Pays everything that the channel holds into the parties' accounts, and forgets it; of a virtual channel it keeps what it would pay.
fn pay_out(view: &mut View<'_>, id: ChannelId, channel: &Channel) {
    let paid = parts(channel);
    if channel.guaranteed.is_some() {
        return guaranteed::finish(view, id, paid);
    }
    for (party, amount) in channel.parties.into_iter().zip(paid) {
        if !amount.is_zero() {
            credit(view, party, Value { asset: AssetId::WAY, amount });
        }
    }
    view.remove(ProgramId::CHANNELS, channel_key(id));
}

/// What each party has in the end. Together it is all that the channel holds.
fn parts(channel: &Channel) -> [Amount; 2] {
    let position = &channel.position;
    let rest = position.rest(channel.total).expect("no state is taken that divides more than the total");
    let (shares, due) = (channel.remainder.shares(rest), channel.due());
    Side::BOTH.map(|side| {
        let (side, other) = (side.index(), side.other().index());
        let left = position.balances[side].checked_sub(channel.charged[side]).expect("every state leaves the reserve");
        let kept = position.lanes[side].capacity.checked_sub(due[side]).expect("no more is due than a lane covers");
        Amount::checked_sum([left, shares[side], kept, due[other]]).expect("parts of a total that fits")
    })
}

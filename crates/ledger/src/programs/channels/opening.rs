//! How channels begin, how money goes in and out while they are open, and who acts for whom.

use byway_primitives::{Amount, AssetId, IdentityId};
use byway_records::channel::entry::{Code, code_key};
use byway_records::channel::{
    Channel, ChannelTerms, Cosigned, Environment, FundingChange, Held, Lane, Movement, Phase, Position, Side, is_lock,
};
use byway_records::promise::ChannelId;
use byway_records::{ProgramId, Reject, Value, VerifiedTransaction};
use byway_vm::{Address, State, code_hash};

use super::{RESERVE_CALLS, accept, charge, load, purses, put, signed};
use crate::programs::accounts::{credit, debit};
use crate::programs::{Moment, authorised};
use crate::state::View;

pub(super) fn create(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    terms: &ChannelTerms,
) -> Result<(), Reject> {
    let ChannelTerms { parties, deposits, reserve, lock, .. } = *terms;
    parties.iter().try_for_each(|party| authorised(transaction, *party))?;
    let price = now.parameters.call_prices.channel;
    let reserve_min = Amount::cost(price, RESERVE_CALLS, 1).ok_or(Reject::ChannelTerms)?;
    let total = Amount::checked_sum(deposits).ok_or(Reject::ChannelTerms)?;
    if parties[0] == parties[1] || reserve < reserve_min || !is_lock(lock) {
        return Err(Reject::ChannelTerms);
    }
    if deposits.iter().any(|deposit| *deposit < reserve) {
        return Err(Reject::ChannelReserve);
    }
    for (party, deposit) in parties.into_iter().zip(deposits) {
        debit(view, party, Value::way(deposit))?;
    }
    purses::collect(view, terms)?;
    let accounts = [0, 1].map(|side| (Address::from(parties[side]), deposits[side]));
    let environment = Environment { time: now.time, height: now.height.0.saturating_sub(1) };
    let (lanes, root) = ([Lane::default(); 2], State::opening(accounts, &terms.assets).root());
    let position = Position { round: 0, balances: deposits, lanes, root, environment };
    let mut channel = Channel::opened(terms, total, position);
    charge(view, now, transaction, &mut channel, Side::Initiator, price)?;
    put(view, ChannelId(transaction.id().0), &channel);
    Ok(())
}

pub(super) fn fund(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    change: &Cosigned<FundingChange>,
) -> Result<(), Reject> {
    match change.body.movement {
        // The contract must be shown.
        Movement::Leave { .. } => Err(Reject::ContractProof),
        Movement::Deposit | Movement::Withdraw => fund_by(view, now, transaction, change),
    }
}

/// What moves money into the channel or out of it. The state that comes with it is then the last: one that was signed before is of no use any more,
/// whatever its round. What is in the purse of an asset that was moved the ledger does not look at: at the end exactly what there is is paid out,
/// whatever was signed.
pub(super) fn fund_by(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    change: &Cosigned<FundingChange>,
) -> Result<(), Reject> {
    let FundingChange { state, side, movement, value, expires } = change.body;
    let channel = load(view, transaction, state.channel)?;
    if channel.guaranteed.is_some() {
        return Err(Reject::VirtualMoney);
    }
    if channel.phase != Phase::Active {
        return Err(Reject::ChannelPhase);
    }
    if now.time > expires {
        return Err(Reject::ChannelExpired);
    }
    let party = channel.parties[side.index()];
    if movement == Movement::Deposit {
        authorised(transaction, party)?;
    }
    let refusal = if value.asset == AssetId::WAY { Reject::ChannelTotal } else { Reject::PurseSplit };
    let Held { total, assets, fundings } = Held::of(&channel).after(side, movement, value).ok_or(refusal)?;
    let mut channel = Channel { total, assets, fundings, ..channel };
    let shown = Cosigned { body: state, parties: change.parties, signatures: change.signatures };
    let position = accept(now, &channel, &shown)?;
    match movement {
        Movement::Deposit => debit(view, party, value)?,
        Movement::Withdraw => credit(view, party, value),
        // The contract has it.
        Movement::Leave { .. } => {}
    }
    charge(view, now, transaction, &mut channel, side, now.parameters.call_prices.channel)?;
    put(view, state.channel, &signed(channel, position));
    Ok(())
}

pub(super) fn set_delegates(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    id: ChannelId,
    side: Side,
    delegates: &[IdentityId],
) -> Result<(), Reject> {
    let mut channel = load(view, transaction, id)?;
    authorised(transaction, channel.parties[side.index()])?;
    charge(view, now, transaction, &mut channel, side, now.parameters.call_prices.channel)?;
    channel.delegates[side.index()] = delegates.to_vec();
    put(view, id, &channel);
    Ok(())
}

/// Keeps a contract's code for good. Whoever wants it there pays for its length, with the transaction's fee.
pub(super) fn register_code(view: &mut View<'_>, code: &[u8]) -> Result<(), Reject> {
    // Ethereum gives no contract code that begins with this byte: it is kept for other formats.
    if code.is_empty() || code[0] == 0xef {
        return Err(Reject::CodeBad);
    }
    let key = code_key(code_hash(code));
    if view.load::<Code>(ProgramId::CHANNELS, &key).is_some() {
        return Err(Reject::CodeKnown);
    }
    view.store(ProgramId::CHANNELS, key, &Code(code.to_vec()));
    Ok(())
}

//! How the ledger is shown states, and how channels end.

use byway_primitives::{Amount, AssetId};
use byway_records::channel::{
    Channel, ChannelState, Closer, Cosigned, Lane, MutualClose, Phase, Position, Side, WatchSecret,
};
use byway_records::promise::{ChannelId, Promise, SignedPromise};
use byway_records::state::Settled;
use byway_records::{Backing, Reject, VerifiedTransaction};

use super::guaranteed::closing;
use super::{
    By, accept, acts_for, charge, check_balances, is_locked, is_paid, load, pay_out, prolonged, purses, put, shown,
    signed, take,
};
use crate::programs::{Moment, authorised};
use crate::state::View;

pub(super) fn snapshot(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    side: Side,
    state: &Cosigned<ChannelState>,
) -> Result<(), Reject> {
    let id = state.body.channel;
    let mut channel = load(view, transaction, id)?;
    acts_for(transaction, &channel, side)?;
    if channel.phase != Phase::Active {
        return Err(Reject::ChannelPhase);
    }
    let position = accept(now, &channel, state)?;
    charge(view, now, transaction, &mut channel, side, now.parameters.call_prices.channel)?;
    put(view, id, &signed(channel, position));
    Ok(())
}

pub(super) fn close_solo(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    id: ChannelId,
    side: Side,
    secret: WatchSecret,
    state: Option<&Cosigned<ChannelState>>,
) -> Result<(), Reject> {
    let mut channel = load(view, transaction, id)?;
    authorised(transaction, channel.parties[side.index()])?;
    if channel.phase != Phase::Active {
        return Err(Reject::ChannelPhase);
    }
    if secret.digest() != channel.secrets[side.index()] {
        return Err(Reject::ChannelSecret);
    }
    if let Some(state) = state {
        if state.body.channel != id {
            return Err(Reject::ChannelParties);
        }
        channel = shown(now, channel, state)?;
    }
    check_balances(&channel, &channel.position, channel.total)?;
    let mut channel = closing(now, channel, Closer::Party { side, secret });
    charge(view, now, transaction, &mut channel, side, now.parameters.call_prices.channel)?;
    put(view, id, &channel);
    Ok(())
}

/// Shows a newer state to a channel that is closing; also once the lock period is over, as long as nobody has settled.
pub(super) fn slash(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    side: Side,
    state: &Cosigned<ChannelState>,
) -> Result<(), Reject> {
    let id = state.body.channel;
    let mut channel = load(view, transaction, id)?;
    acts_for(transaction, &channel, side)?;
    if channel.phase == Phase::Active {
        return Err(Reject::ChannelPhase);
    }
    let position = accept(now, &channel, state)?;
    let phase = prolonged(now, &channel, side, By::Showing).unwrap_or(channel.phase);
    charge(view, now, transaction, &mut channel, side, now.parameters.call_prices.channel)?;
    put(view, id, &Channel { phase, ..signed(channel, position) });
    Ok(())
}

/// Shows a promise out of the other side's lane. What of it a state has absorbed is not paid again, so a newer state may still
/// answer it.
pub(super) fn claim(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    side: Side,
    signed: &SignedPromise,
) -> Result<(), Reject> {
    let Promise { series, serial, amount, .. } = signed.promise;
    let Backing::Channel(id) = series.backing else { return Err(Reject::PromiseBacking) };
    let mut channel = load(view, transaction, id)?;
    acts_for(transaction, &channel, side)?;
    let (payee, payer) = (side.index(), side.other().index());
    if (series.payer, series.payee, series.asset) != (channel.parties[payer], channel.parties[payee], AssetId::WAY) {
        return Err(Reject::ChannelParties);
    }
    if channel.phase == Phase::Active {
        return Err(Reject::ChannelPhase);
    }
    let claim = Settled { serial, amount };
    // Of several the one counts that makes most due: a promise of a late serial and next to nothing, handed in by a delegate of the
    // payee's, must not void what is really owed.
    let due = channel.position.lanes[payer].due(claim);
    if due <= channel.due()[payer] {
        return Err(Reject::ChannelClaim);
    }
    let phase = prolonged(now, &channel, side, By::Showing).unwrap_or(channel.phase);
    charge(view, now, transaction, &mut channel, side, now.parameters.call_prices.channel)?;
    channel.claims[payer] = Some(claim);
    put(view, id, &Channel { phase, ..channel });
    Ok(())
}

pub(super) fn settle(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    id: ChannelId,
    witness: &[u8],
) -> Result<(), Reject> {
    let mut channel = load(view, transaction, id)?;
    let Phase::Closing { by, .. } = channel.phase else { return Err(Reject::ChannelPhase) };
    if !is_locked(now, channel.phase) {
        return Err(Reject::ChannelLocked);
    }
    let assets = purses::shown(now, &channel, witness)?;
    let price = now.parameters.call_prices.of_gas(purses::gas_of(witness)).unwrap_or(Amount::MAX);
    if !is_paid(transaction, price) {
        // Only a party closes a channel whose money is here.
        let Closer::Party { side, .. } = by else { return Err(Reject::ChannelFee) };
        if channel.guaranteed.is_some() {
            return Err(Reject::ChannelFee);
        }
        take(view, &mut channel, side, price);
    }
    purses::pay(view, &channel, &assets);
    pay_out(view, id, &channel);
    Ok(())
}

pub(super) fn close_mutual(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    close: &Cosigned<MutualClose>,
) -> Result<(), Reject> {
    let MutualClose { channel: id, balances, expires, .. } = close.body;
    let mut channel = load(view, transaction, id)?;
    if channel.guaranteed.is_some() {
        return Err(Reject::VirtualHub);
    }
    if close.parties != channel.parties {
        return Err(Reject::ChannelParties);
    }
    if now.time > expires {
        return Err(Reject::ChannelExpired);
    }
    // Both agree what each has in the end, lanes included.
    let position = Position { balances, lanes: [Lane::default(); 2], ..channel.position };
    check_balances(&channel, &position, channel.total)?;
    if position.rest(channel.total) != Some(Amount::ZERO) {
        return Err(Reject::ChannelTotal);
    }
    purses::check_split(&channel, &close.body)?;
    let price = now.parameters.call_prices.channel;
    if !is_paid(transaction, price) {
        let half = Amount::from_units(price.units() / 2);
        take(view, &mut channel, Side::Initiator, price.saturating_sub(half));
        take(view, &mut channel, Side::Responder, half);
    }
    purses::pay(view, &channel, &close.body.assets);
    pay_out(view, id, &Channel { position, ..channel });
    Ok(())
}

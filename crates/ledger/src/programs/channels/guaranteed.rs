//! Virtual channels: the ledger decides what becomes of one, and has none of its money.
//!
//! A virtual channel is *registered* with the terms that both parties signed, by anyone, where something is in dispute. From then on it
//! goes as any other channel does, but for this:
//!
//! - Nothing is put in or taken out, and nothing is charged: every call about it is paid for by its transaction.
//! - Its hub may close it as a party may ([`end`]): what the hub has in the parents must not wait for two who are silent.
//! - **It ends.** The parents' lock periods must outlast the dispute, so once it is closing no act of either side goes beyond its end.
//!   A side has shown its newest state long before; what it would still force comes by then or not at all.
//! - It ends with an [`Outcome`], which stays for good, instead of payments. The parts add up to all that was in the channel. There is one
//!   outcome at the most for each channel, so both parents pay alike.
//! - Both parties' word is not enough to close it mutually: they could sign two closes, one for each parent. The hub signs one only, and
//!   brings it here where the channel is registered, before the lock period is over.

use byway_primitives::Amount;
use byway_records::channel::entry::channel_key;
use byway_records::channel::guaranteed::outcome_key;
use byway_records::channel::{
    CertifiedClose, Channel, ChannelOutcome, ChannelState, Closer, Cosigned, Outcome, Phase, Side, VirtualTerms,
    is_dispute, is_lock,
};
use byway_records::promise::ChannelId;
use byway_records::state::Deadline;
use byway_records::{ProgramId, Reject, VerifiedTransaction};
use byway_vm::{Address, State};

use super::{is_ahead, is_paid, load, put, shown};
use crate::programs::{Moment, authorised};
use crate::state::View;

pub(super) fn register(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    signed: &Cosigned<VirtualTerms>,
) -> Result<(), Reject> {
    let VirtualTerms { terms, hub, dispute, environment, .. } = signed.body;
    let id = signed.body.id();
    if signed.parties != terms.parties {
        return Err(Reject::ChannelParties);
    }
    if view.load::<Channel>(ProgramId::CHANNELS, &channel_key(id)).is_some() || outcome(view, id).is_some() {
        return Err(Reject::VirtualKnown);
    }
    let total = signed.body.total().ok_or(Reject::ChannelTerms)?;
    let is_three = terms.parties[0] != terms.parties[1] && !terms.parties.contains(&hub);
    // Purses are paid out into accounts, which nothing comes from here.
    if !terms.assets.is_empty() || !is_three || !is_lock(terms.lock) || !is_dispute(dispute, terms.lock) {
        return Err(Reject::ChannelTerms);
    }
    if terms.deposits.iter().any(|deposit| *deposit < terms.reserve) {
        return Err(Reject::ChannelReserve);
    }
    if is_ahead(now, environment) {
        return Err(Reject::ChannelEnvironment);
    }
    pays(now, transaction)?;
    let accounts = [0, 1].map(|side| (Address::from(terms.parties[side]), terms.deposits[side]));
    put(view, id, &Channel::registered(&signed.body, total, State::new(accounts).root()));
    Ok(())
}

/// The hub begins to close a channel. It has no states of its own, but may show one; the parties have a lock period for theirs.
pub(super) fn end(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    id: ChannelId,
    state: Option<&Cosigned<ChannelState>>,
) -> Result<(), Reject> {
    let mut channel = load(view, transaction, id)?;
    let guaranteed = channel.guaranteed.ok_or(Reject::VirtualOnly)?;
    authorised(transaction, guaranteed.hub)?;
    if channel.phase != Phase::Active {
        return Err(Reject::ChannelPhase);
    }
    pays(now, transaction)?;
    if let Some(state) = state {
        if state.body.channel != id {
            return Err(Reject::ChannelParties);
        }
        channel = shown(now, channel, state)?;
    }
    put(view, id, &closing(now, channel, Closer::Hub));
    Ok(())
}

/// The channel as somebody begins to close it. Where that was the hub, neither side has shown anything yet.
pub(super) fn closing(now: Moment<'_>, mut channel: Channel, by: Closer) -> Channel {
    let (last, streak) = match by {
        Closer::Party { side, .. } => (side, 1),
        Closer::Hub => (Side::Initiator, 0),
    };
    if let Some(guaranteed) = &mut channel.guaranteed {
        guaranteed.end = Some(now.after(guaranteed.dispute));
    }
    let until = lock_from(now, &channel);
    Channel { phase: Phase::Closing { by, until, last, streak, calls: 0 }, ..channel }
}

/// When a lock period that begins now is over: not after the end, where there is one.
pub(super) fn lock_from(now: Moment<'_>, channel: &Channel) -> Deadline {
    let until = now.after(channel.lock);
    let end = channel.guaranteed.and_then(|guaranteed| guaranteed.end);
    end.map_or(until, |end| Deadline { time: until.time.min(end.time), commits: until.commits.min(end.commits) })
}

pub(super) fn close(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    certificate: &CertifiedClose,
) -> Result<(), Reject> {
    let CertifiedClose { close, hub, .. } = certificate;
    let id = close.body.channel;
    let channel = load(view, transaction, id)?;
    let guaranteed = channel.guaranteed.ok_or(Reject::VirtualOnly)?;
    if close.parties != channel.parties || *hub != guaranteed.hub {
        return Err(Reject::ChannelParties);
    }
    // Nothing else may be wrong with it: the parents' contracts ask for no more, and this is to be their outcome.
    if Amount::checked_sum(close.body.paid) != Some(channel.total) {
        return Err(Reject::ChannelTotal);
    }
    pays(now, transaction)?;
    finish(view, id, close.body.paid);
    Ok(())
}

/// Keeps what became of a virtual channel instead of the channel.
pub(super) fn finish(view: &mut View<'_>, id: ChannelId, paid: [Amount; 2]) {
    view.remove(ProgramId::CHANNELS, channel_key(id));
    view.store(ProgramId::CHANNELS, outcome_key(id), &Outcome { paid });
}

/// Refuses a call that brings outcomes which the ledger does not have.
pub(super) fn check_evidence(view: &View<'_>, evidence: &[ChannelOutcome]) -> Result<(), Reject> {
    let is_so = |one: &ChannelOutcome| outcome(view, one.channel).is_some_and(|outcome| outcome.paid == one.paid);
    if evidence.iter().all(is_so) { Ok(()) } else { Err(Reject::ChannelEvidence) }
}

fn outcome(view: &View<'_>, id: ChannelId) -> Option<Outcome> {
    view.load(ProgramId::CHANNELS, &outcome_key(id))
}

/// Nothing of the ledger's is in the channel that it could be charged to.
fn pays(now: Moment<'_>, transaction: &VerifiedTransaction) -> Result<(), Reject> {
    if is_paid(transaction, now.parameters.call_prices.channel) { Ok(()) } else { Err(Reject::ChannelFee) }
}

//! What this node sees of a channel: whether it can be used, and what has become of a lock in it.

use byway_primitives::{Amount, IdentityId, Time};
use byway_records::channel::Side;
use byway_records::promise::ChannelId;
use byway_vm::Address;

use super::conduit::{self, Lock, LockId};
use super::router::FORCE_BEFORE;
use crate::change::Change;
use crate::channels::Channels;
use crate::journal::{Health, Life};
use crate::machine::{ChannelMachine, position_digest};
use crate::message::Proposal;
use crate::signer::Signer;

/// A lock that is looked for: the other side could make one of the same id, or put a second contract into the channel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sought {
    pub id: LockId,
    /// Who has made it.
    pub by: Side,
    /// The contract that it is in, where that is known.
    pub conduit: Option<Address>,
}

/// What has become of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It can't be said: the contracts' state is not known, or the channel's journal can't be read.
    Unknown,
    There(Address, Lock),
    /// It is not there, but what this side has half-signed may still bring it, or bring it back; or the peer, which was not heard since the start,
    /// may know of it.
    Unsettled,
    /// It is not there, and nothing that this side has signed brings it.
    Gone,
    /// Its channel has paid out, and with it whatever was in it.
    Over,
}

pub(crate) fn machine<S: Signer + Clone>(channels: &Channels<S>, id: ChannelId) -> Option<&ChannelMachine<S>> {
    channels.get(channels.key_of(id)?)
}

/// A lock in a channel; one that is over has none.
pub(super) fn find<S: Signer + Clone>(channels: &Channels<S>, channel: ChannelId, lock: Sought) -> Found {
    machine(channels, channel).map_or_else(|| none_of(channels, channel), |machine| find_in(machine, lock))
}

/// What can be said of a lock in a channel that this node does not follow.
pub(super) fn none_of<S: Signer + Clone>(channels: &Channels<S>, channel: ChannelId) -> Found {
    let is_unreadable = channels.unreadable().any(|(unreadable, _)| unreadable == channel);
    if is_unreadable { Found::Unknown } else { Found::Over }
}

pub(super) fn find_in<S: Signer>(machine: &ChannelMachine<S>, Sought { id, by, conduit }: Sought) -> Found {
    if machine.life() == Life::Closed {
        return Found::Over;
    }
    let state = machine.state();
    if matches!(machine.health(), Health::Recovering) || state.root() != machine.position().root {
        return Found::Unknown;
    }
    let payer = Address::from(machine.terms().parties[by.index()]);
    let places = conduit::all(state).filter(|place| conduit.is_none_or(|conduit| conduit == *place));
    let found = places.filter_map(|place| Some((place, conduit::read(state, place, id)?)));
    if let Some((place, lock)) = found.into_iter().find(|(_, lock)| lock.payer() == payer) {
        return Found::There(place, lock);
    }
    let newest = position_digest(machine.position());
    let leaves_it_out = |released: &Proposal| match &released.change {
        Change::Call(call) if conduit::makes(call, id) => false,
        Change::Call(call) if conduit::resolves(call, id) => true,
        _ => released.base == newest,
    };
    // A side that was not heard may be of another time than the journal of payments, and than its peer.
    let is_settled = machine.is_heard() && machine.released().iter().all(leaves_it_out);
    if is_settled { Found::Gone } else { Found::Unsettled }
}

/// Whether updates can be made in it now or soon. What is in a virtual channel is guaranteed in others, for a dispute of a bounded time: nothing of others'
/// is put there.
pub(crate) fn is_usable<S: Signer>(machine: &ChannelMachine<S>) -> bool {
    let is_real = machine.virtual_terms().is_none();
    is_real && machine.life() == Life::Open && *machine.health() == Health::Sound && machine.is_connected()
}

/// What this side can lock in it.
pub(crate) fn room<S: Signer>(machine: &ChannelMachine<S>) -> Amount {
    machine.balance().saturating_sub(machine.terms().reserve)
}

/// Until when a lock in it may stand. Whoever closes the channel begins a lock period of which all is left; a lock that ends within it is
/// opened or taken back, by force, before the channel pays out what its contracts hold; taking back begins at its end, and needs time.
pub(super) fn until_max<S: Signer>(machine: &ChannelMachine<S>) -> Time {
    machine.environment().time + machine.terms().lock.millis - FORCE_BEFORE
}

pub(super) fn us<S: Signer>(machine: &ChannelMachine<S>) -> Address {
    Address::from(machine.terms().parties[machine.side().index()])
}

/// The usable channels with a peer, and what this side can lock in each.
pub(super) fn rooms_with<S: Signer + Clone>(
    channels: &Channels<S>,
    peer: IdentityId,
) -> impl Iterator<Item = (ChannelId, Amount)> {
    let usable = channels.iter().filter(move |(key, machine)| key.peer == peer && is_usable(*machine));
    usable.filter_map(|(_, machine)| Some((machine.id()?, room(machine))))
}

/// The usable channel with a peer that has most room.
pub(crate) fn widest_with<S: Signer + Clone>(
    channels: &Channels<S>,
    peer: IdentityId,
) -> Option<(ChannelId, &ChannelMachine<S>)> {
    let usable = channels.with_peer(peer).filter(|(_, machine)| is_usable(*machine));
    let named = usable.filter_map(|(_, machine)| Some((machine.id()?, machine)));
    named.max_by_key(|(_, machine)| room(*machine))
}

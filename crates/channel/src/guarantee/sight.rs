//! What this node sees of a guarantee in a channel.

use byway_records::promise::ChannelId;
use byway_vm::{Address, State};

use super::contract::{self, Guarantee, Stage};
use crate::change::Change;
use crate::channels::Channels;
use crate::journal::{Health, Life};
use crate::machine::{ChannelMachine, position_digest};
use crate::message::Proposal;
use crate::signer::Signer;

/// What has become of a guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// It can't be said: the contracts' state is not known, or the channel's journal can't be read.
    Unknown,
    There {
        contract: Address,
        guarantee: Guarantee,
        /// Nothing that this side has half-signed takes it back.
        is_settled: bool,
    },
    /// It is not there, but what this side has half-signed may still bring it, or bring it back.
    Unsettled,
    /// It is not there, and nothing that this side has signed brings it.
    Gone,
}

/// A guarantee that is looked for. The other side could offer one of the same id, and either could put a second contract into the channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sought {
    pub id: ChannelId,
    /// Who has offered it.
    pub by: Address,
    /// The contract that it is in, where that is known.
    pub place: Option<Address>,
}

/// A guarantee in a channel; one that is over has none.
pub(crate) fn find<S: Signer + Clone>(channels: &Channels<S>, parent: ChannelId, sought: Sought) -> Found {
    match channels.key_of(parent).and_then(|key| channels.get(key)) {
        Some(machine) => find_in(machine, sought),
        None if channels.unreadable().any(|(unreadable, _)| unreadable == parent) => Found::Unknown,
        None => Found::Gone,
    }
}

pub(crate) fn find_in<S: Signer>(machine: &ChannelMachine<S>, sought: Sought) -> Found {
    if machine.life() == Life::Closed {
        return Found::Gone;
    }
    let state = machine.state();
    if matches!(machine.health(), Health::Recovering) || state.root() != machine.position().root {
        return Found::Unknown;
    }
    let newest = position_digest(machine.position());
    let found = read(state, sought);
    let same_beneath = machine.fork().is_some_and(|(_, beneath)| read(beneath, sought) == found);
    let beneath = machine.fork().map(|(position, _)| position_digest(position));
    let offers =
        |released: &Proposal| matches!(&released.change, Change::Call(call) if contract::offers(call, sought.id));
    let accepts = |released: &Proposal| found.is_some_and(|(place, _)| accepts(released, place, sought.id));
    let is_accepted = found.is_some_and(|(_, guarantee)| guarantee.stage == Stage::Accepted);
    let keeps = |released: &Proposal| match is_accepted {
        // An acceptance that was forced, and that the peer may still sign too, is the same either way.
        true if accepts(released) => true,
        false if accepts(released) => false,
        _ => released.base == newest || (same_beneath && Some(released.base) == beneath),
    };
    let is_settled = machine.released().iter().all(|released| keeps(released) && !offers(released));
    match found {
        Some((contract, guarantee)) => Found::There { contract, guarantee, is_settled },
        // The peer may know of it as long as it was not heard since the start.
        None if is_settled && machine.is_heard() => Found::Gone,
        None => Found::Unsettled,
    }
}

/// Whether nothing of this side's is half-signed in the channel that would undo the acceptance of an offer which is forced now.
pub(crate) fn is_clear<S: Signer>(machine: &ChannelMachine<S>, place: Address, id: ChannelId) -> bool {
    machine.released().iter().all(|released| accepts(released, place, id))
}

fn accepts(released: &Proposal, place: Address, id: ChannelId) -> bool {
    matches!(&released.change, Change::Call(call) if contract::accepts(call, place, id))
}

fn read(state: &State, Sought { id, by, place }: Sought) -> Option<(Address, Guarantee)> {
    let places = contract::all(state).filter(|found| place.is_none_or(|place| place == *found));
    let found = places.filter_map(|place| Some((place, contract::read(state, place, id)?)));
    found.into_iter().find(|(_, guarantee)| guarantee.party == by)
}

//! What this node sees of a guarantee in a channel.

use byway_records::promise::ChannelId;
use byway_vm::{Address, State};

use super::contract::{self, Guarantee};
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

/// A guarantee in a channel; one that is over has none. It is looked for by who has offered it: the other side could offer one of the
/// same id, and put a second contract into the channel.
pub(crate) fn find<S: Signer + Clone>(channels: &Channels<S>, parent: ChannelId, id: ChannelId, by: Address) -> Found {
    match channels.key_of(parent).and_then(|key| channels.get(key)) {
        Some(machine) => find_in(machine, id, by),
        None if channels.unreadable().any(|(unreadable, _)| unreadable == parent) => Found::Unknown,
        None => Found::Gone,
    }
}

pub(crate) fn find_in<S: Signer>(machine: &ChannelMachine<S>, id: ChannelId, by: Address) -> Found {
    if machine.life() == Life::Closed {
        return Found::Gone;
    }
    let state = machine.state();
    if matches!(machine.health(), Health::Recovering) || state.root() != machine.position().root {
        return Found::Unknown;
    }
    let newest = position_digest(machine.position());
    let found = read(state, id, by);
    let same_beneath = machine.fork().is_some_and(|(_, beneath)| read(beneath, id, by) == found);
    let beneath = machine.fork().map(|(position, _)| position_digest(position));
    let keeps = |released: &Proposal| released.base == newest || (same_beneath && Some(released.base) == beneath);
    let offers = |released: &Proposal| matches!(&released.change, Change::Call(call) if contract::offers(call, id));
    let is_settled = machine.released().iter().all(|released| keeps(released) && !offers(released));
    match found {
        Some((contract, guarantee)) => Found::There { contract, guarantee, is_settled },
        None if is_settled => Found::Gone,
        None => Found::Unsettled,
    }
}

fn read(state: &State, id: ChannelId, by: Address) -> Option<(Address, Guarantee)> {
    let found = contract::all(state).filter_map(|place| Some((place, contract::read(state, place, id)?)));
    found.into_iter().find(|(_, guarantee)| guarantee.party == by)
}

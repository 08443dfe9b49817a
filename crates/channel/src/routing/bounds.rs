//! What may be on its way at the same time: no more than could be resolved by force, and no more than a hub wants to have out.

use std::collections::BTreeMap;

use byway_primitives::{Amount, IdentityId};
use byway_records::promise::ChannelId;
use byway_vm::Address;

use super::conduit::{self, RESOLVED_MAX};
use super::message::Reason;
use super::passage::{Incoming, LockRef, Passage, Stage};
use super::router::Router;
use super::sight::{self, Found, Sought};
use super::terms::{CALLS_MAX, PEER_PAYMENTS_MAX};
use crate::channels::Channels;
use crate::machine::ChannelMachine;
use crate::signer::Signer;

/// What is on its way with one peer, in either direction.
struct Load {
    come: Vec<Amount>,
    go: Vec<Amount>,
}

impl Router {
    /// What is let go of needs no call; all else may need one.
    fn kept(&self) -> impl Iterator<Item = &Passage> {
        self.passages.values().filter(|passage| !matches!(passage.stage, Stage::Failing(_)))
    }

    fn load_with<S: Signer + Clone>(&self, channels: &Channels<S>, peer: IdentityId) -> Load {
        let is_with = |lock: LockRef| channels.key_of(lock.channel).is_some_and(|key| key.peer == peer);
        let coming = self.kept().filter_map(|passage| passage.incoming).filter(|incoming| is_with(incoming.lock));
        let going = self.kept().filter_map(|passage| passage.outgoing.as_ref());
        let going = going.filter(|outgoing| is_with(outgoing.lock));
        Load { come: coming.map(|lock| lock.amount).collect(), go: going.map(|lock| lock.amount).collect() }
    }

    /// Whether a lock that came in could be resolved by force beside all else that is on its way with that peer, and in that channel.
    pub(super) fn judge_load<S: Signer + Clone>(
        &self,
        channels: &Channels<S>,
        machine: &ChannelMachine<S>,
        incoming: &Incoming,
    ) -> Result<(), Reason> {
        let load = self.load_with(channels, machine.peer());
        let is_full = load.come.len() + load.go.len() >= PEER_PAYMENTS_MAX;
        let calls = self.calls_with(machine, incoming.lock.channel, Some(incoming.conduit), 1);
        if is_full || calls > CALLS_MAX { Err(Reason::Exposure) } else { Ok(()) }
    }

    /// Whether so many more locks could be made in a channel, and taken back by force.
    pub(super) fn can_lock<S: Signer + Clone>(&self, channels: &Channels<S>, channel: ChannelId, more: usize) -> bool {
        let machine = sight::machine(channels, channel);
        machine.is_some_and(|machine| self.calls_with(machine, channel, None, more) <= CALLS_MAX)
    }

    /// How many calls it takes to resolve all that is locked in a channel, and so many locks more in that contract, or in the one that this side
    /// locks in: a call is for locks in one contract.
    fn calls_with<S: Signer + Clone>(
        &self,
        machine: &ChannelMachine<S>,
        channel: ChannelId,
        place: Option<Address>,
        more: usize,
    ) -> usize {
        let mut held = self.held(machine, channel);
        let own = self.place_in(machine, channel);
        if let Some(unmade) = held.remove(&None) {
            *held.entry(own).or_default() += unmade;
        }
        *held.entry(place.or(own)).or_default() += more;
        held.values().map(|locks| locks.div_ceil(RESOLVED_MAX)).sum()
    }

    /// How many locks each contract of a channel holds; those that this side is about to make are in none yet.
    fn held<S: Signer + Clone>(
        &self,
        machine: &ChannelMachine<S>,
        channel: ChannelId,
    ) -> BTreeMap<Option<Address>, usize> {
        let mut held = BTreeMap::new();
        for passage in self.kept() {
            if let Some(incoming) = passage.incoming.filter(|incoming| incoming.lock.channel == channel) {
                *held.entry(Some(incoming.conduit)).or_default() += 1;
            }
            if let Some(outgoing) = passage.outgoing.as_ref().filter(|outgoing| outgoing.lock.channel == channel) {
                let sought = Sought { id: outgoing.lock.id, by: machine.side(), conduit: None };
                let place = match sight::find_in(machine, sought) {
                    Found::There(place, _) => Some(place),
                    _ => None,
                };
                *held.entry(place).or_default() += 1;
            }
        }
        held
    }

    /// Where this side makes its locks: beside those that are there, so that they go into few calls however many contracts the peer has put
    /// into the channel.
    pub(super) fn place_in<S: Signer + Clone>(
        &self,
        machine: &ChannelMachine<S>,
        channel: ChannelId,
    ) -> Option<Address> {
        let held = self.held(machine, channel).into_iter().filter_map(|(place, locks)| Some((place?, locks)));
        let most = held.max_by_key(|(_, locks)| *locks).map(|(place, _)| place);
        most.or_else(|| conduit::all(machine.state()).next())
    }

    /// What is on its way already bounds what is sent on. Locks with one peer count in either direction, since opening and taking back share
    /// the few calls that can be forced in a channel.
    pub(super) fn judge_exposure<S: Signer + Clone>(
        &self,
        channels: &Channels<S>,
        (peer, incoming): (IdentityId, Amount),
        (next, outgoing): (IdentityId, Amount),
    ) -> Result<(), Reason> {
        let terms = self.terms.ok_or(Reason::NoHub)?;
        let fits = |amounts: Vec<Amount>, more: Amount, most: Amount| {
            Amount::checked_sum(amounts.into_iter().chain([more])).is_some_and(|sum| sum <= most)
        };
        for (peer, is_from, more) in [(peer, true, incoming), (next, false, outgoing)] {
            let Load { come, go } = self.load_with(channels, peer);
            let is_full = come.len() + go.len() >= terms.per_peer.payments;
            if is_full || !fits(if is_from { come } else { go }, more, terms.per_peer.amount) {
                return Err(Reason::Exposure);
            }
        }
        let sent_on = self.passages.values().filter(|passage| passage.outgoing.is_some());
        let sent_on: Vec<_> = sent_on.filter_map(|passage| Some(passage.incoming?.amount)).collect();
        if sent_on.len() >= terms.in_all.payments || !fits(sent_on, incoming, terms.in_all.amount) {
            return Err(Reason::Exposure);
        }
        Ok(())
    }
}

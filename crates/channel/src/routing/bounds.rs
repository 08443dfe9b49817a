//! What may be on its way at the same time: no more than could be resolved by force, and no more than a hub wants to have out.

use std::collections::BTreeMap;

use byway_primitives::{Amount, IdentityId, Time};
use byway_records::promise::ChannelId;
use byway_vm::Address;

use super::conduit::{self, LockId, RESOLVED_MAX};
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

/// A lock that may have to be resolved by force, and its time; none where it is not there yet.
#[derive(Debug, Clone, Copy)]
struct Held(Option<(LockId, Time)>);

impl Held {
    const UNMADE: Self = Self(None);

    fn of(incoming: &Incoming) -> Self {
        Self(Some((incoming.lock.id, incoming.until)))
    }
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
        if load.come.len() + load.go.len() >= PEER_PAYMENTS_MAX {
            return Err(Reason::Exposure);
        }
        let mut held = self.held(machine, incoming.lock.channel);
        held.entry(Some(incoming.conduit)).or_default().push(Held::of(incoming));
        self.judge_calls(machine, held, incoming.lock.channel)
    }

    /// Whether so many more locks could be made in a channel, and taken back by force.
    pub(super) fn can_lock<S: Signer + Clone>(&self, channels: &Channels<S>, channel: ChannelId, more: usize) -> bool {
        let Some(machine) = sight::machine(channels, channel) else { return false };
        let mut held = self.held(machine, channel);
        held.entry(None).or_default().extend(std::iter::repeat_n(Held::UNMADE, more));
        self.judge_calls(machine, held, channel).is_ok()
    }

    /// Whether all that is locked in a channel could be resolved by the calls that are sure to be forced there. A call is for so many locks in one
    /// contract, and for fewer where the peer has made what shows them too long.
    fn judge_calls<S: Signer + Clone>(
        &self,
        machine: &ChannelMachine<S>,
        mut held: BTreeMap<Option<Address>, Vec<Held>>,
        channel: ChannelId,
    ) -> Result<(), Reason> {
        // Those that this side is about to make come to where it locks.
        let unmade = held.remove(&None).unwrap_or_default();
        if !unmade.is_empty() {
            held.entry(self.place_in(machine, channel)).or_default().extend(unmade);
        }
        let counted = |locks: &Vec<Held>| locks.len().div_ceil(RESOLVED_MAX);
        if held.values().map(counted).sum::<usize>() > CALLS_MAX {
            return Err(Reason::Exposure);
        }
        let shown = |(place, locks): (&Option<Address>, &Vec<Held>)| calls_that_show(machine, *place, locks);
        let calls = held.iter().map(shown).try_fold(0, |sum: usize, calls| Some(sum + calls?));
        if calls.is_some_and(|calls| calls <= CALLS_MAX) { Ok(()) } else { Err(Reason::Shape) }
    }

    /// The locks that each contract of a channel holds; those that this side is about to make are in none yet.
    fn held<S: Signer + Clone>(
        &self,
        machine: &ChannelMachine<S>,
        channel: ChannelId,
    ) -> BTreeMap<Option<Address>, Vec<Held>> {
        let mut held: BTreeMap<_, Vec<Held>> = BTreeMap::new();
        for passage in self.kept() {
            if let Some(incoming) = passage.incoming.filter(|incoming| incoming.lock.channel == channel) {
                held.entry(Some(incoming.conduit)).or_default().push(Held::of(&incoming));
            }
            if let Some(outgoing) = passage.outgoing.as_ref().filter(|outgoing| outgoing.lock.channel == channel) {
                let sought = Sought { id: outgoing.lock.id, by: machine.side(), conduit: None };
                let (place, lock) = match sight::find_in(machine, sought) {
                    Found::There(place, _) => (Some(place), Held(Some((outgoing.lock.id, outgoing.until)))),
                    _ => (None, Held::UNMADE),
                };
                held.entry(place).or_default().push(lock);
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
        let most = held.max_by_key(|(_, locks)| locks.len()).map(|(place, _)| place);
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

/// How many calls it takes to resolve these locks of one contract, as it is now; none where one of them can't be shown at all. What shows those that are
/// not there yet is not known: where it matters they take calls of their own.
fn calls_that_show<S: Signer>(machine: &ChannelMachine<S>, place: Option<Address>, held: &[Held]) -> Option<usize> {
    let least = held.len().div_ceil(RESOLVED_MAX);
    let there: Vec<(LockId, Time)> = held.iter().filter_map(|held| held.0).collect();
    let Some(place) = place.filter(|_| !there.is_empty()) else { return Some(least) };
    // All can be resolved then, which touches most: the peer's are let go of, and ours are taken back.
    let last = there.iter().map(|(_, until)| *until).max().unwrap_or_default();
    let fits = |locks: &[(LockId, Time)]| {
        let locks: Vec<_> = locks.iter().map(|(id, _)| (*id, None)).collect();
        machine.fits_forced(&conduit::resolve(machine.side(), place, &locks), last)
    };
    // As many as are tried by force, where whichever comes together fits.
    let mut counts = std::iter::successors(Some(RESOLVED_MAX), |most| Some(most / 2)).take_while(|most| *most > 0);
    let most = counts.find(|most| there.chunks(*most).all(fits))?;
    if most == RESOLVED_MAX {
        return Some(least);
    }
    Some(there.len().div_ceil(most) + (held.len() - there.len()).div_ceil(RESOLVED_MAX))
}

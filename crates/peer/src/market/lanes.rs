//! Paying peers out of lanes: what the payments want promised, the channels promise.
//!
//! ```text
//! payments ── LaneWanted ──► the channel promises it, writes, says it ──► the peer's channel writes it
//!     ▲                                │                                          │
//!     └──── counted as promised ◄──────┘      counted as received, the gate opens ◄┘
//! ```
//!
//! The channel's journal leads, and the payments count what it says: after each write of it, and at the start. So whatever is lost
//! between the two writes is made up for, and nothing counts twice.
//!
//! *A lane that runs dry* is filled up out of the balance in good time: when less is left in it than two windows, so that the
//! session goes on during the round which that takes. By how much: eight windows, or a quarter of what is free where that is
//! more, so that a round is a rare thing and the rest stays free for other uses. Whatever stands against it (an update that is open,
//! the peer's turn, a dialogue that is down), it is tried again when that has changed. Only where the lane and the balance are
//! both used up the payments are told so, which is [`OverLimit::Lane`]; and [`OverLimit::LaneUnsigned`] where the peer leaves
//! that update unanswered and the lane is used up meanwhile.
//!
//! *What the peer has promised* is taken into the balance once it is half of its lane: so it can be spent, and is in what a
//! watchtower has.
//!
//! *Which lane*, where there are several channels with a peer: the one out of which it was paid most, of those out of which
//! something can be promised now, or else of those in which there is anything. So no choice has to be kept.

use std::collections::BTreeSet;

use byway_channel::{Change, ChannelKey, Health, Life};
use byway_dialogue::payment::{LaneGiven, LaneTaken, LaneTotals, OverLimit, PayFrom};
use byway_primitives::{Amount, IdentityId, Store, Time};
use byway_records::promise::ChannelId;

use super::pair::Pair;
use super::{Market, OwnChannel};

/// A lane is filled up when less than so many windows are left in it.
const LOW_WINDOWS: u128 = 2;
/// By so many windows at the least.
const FILL_WINDOWS: u128 = 8;
/// And by one part in this many of what is free.
const FILL_PARTS: u128 = 4;

impl Market {
    /// Pays `peer` from there from now on; said before a session is asked for, which may be promised something for at once. What
    /// was promised stays promised.
    pub fn pay_from(&mut self, now: Time, peer: IdentityId, pay_from: PayFrom, store: &impl Store) {
        // A journal that can't be read is told of where something is asked of the peer.
        if self.restore_pair(now, peer, store).is_err() {
            return;
        }
        self.step(now, peer, |pair, step| pair.pay_from(now, pay_from, step));
        self.pump(now, store);
    }

    /// The channel out of whose lane `peer` is paid, or would be.
    pub fn lane_to(&self, peer: IdentityId) -> Option<ChannelKey> {
        let pair = self.pairs.get(&peer);
        let ids: Vec<ChannelId> = self.channels.own.with_peer(peer).filter_map(|(_, channel)| channel.id()).collect();
        let can_pay = |channel: &OwnChannel| {
            let is_counted = channel.id().is_some_and(|id| pair.is_none_or(|pair| pair.counts_lane(id, &ids)));
            channel.life() == Life::Open && *channel.health() == Health::Sound && is_counted
        };
        let usable = self.channels.own.with_peer(peer).filter(|(_, channel)| can_pay(channel));
        let best = usable.max_by_key(|(key, channel)| {
            let left = left_in(channel);
            (!channel.lane_room().is_zero(), !left.is_zero(), channel.services(channel.side()), left, *key)
        });
        best.map(|(key, _)| key)
    }

    /// What can still be promised to `peer` out of that channel's lane, once it is filled up.
    pub fn lane_left(&self, peer: IdentityId) -> Amount {
        self.lane_to(peer).and_then(|key| self.channels.own.get(key)).map_or(Amount::ZERO, left_in)
    }

    /// Has a channel promise what the payments with `peer` want, as far as its lane goes.
    pub(super) fn pay_by_lane(&mut self, now: Time, peer: IdentityId) {
        let Some(wanted) = self.pairs.get_mut(&peer).and_then(Pair::take_lane_wish) else { return };
        let Some(key) = self.lane_to(peer) else { return self.over_lane(now, peer, OverLimit::NoLane) };
        let (window, ahead) = self.pairs.get(&peer).map_or_else(Default::default, |pair| (pair.window(), pair.ahead()));
        let over = self.channels.own.with(key, |channel| {
            let more = wanted.min(channel.lane_room());
            let ahead = ahead.checked_add(more).unwrap_or(Amount::MAX);
            let is_promised = !more.is_zero() && channel.promise_for_services(more, ahead).is_ok();
            fill_lane(now, channel, window);
            if is_promised {
                None
            } else if is_filling(channel) {
                (channel.is_connected() && channel.is_stalled()).then_some(OverLimit::LaneUnsigned)
            } else {
                left_in(channel).is_zero().then_some(OverLimit::Lane { missing: wanted })
            }
        });
        self.carry_channels(now);
        self.note_lanes(now, peer);
        if let Some(over) = over.flatten() {
            self.over_lane(now, peer, over);
        }
    }

    fn over_lane(&mut self, now: Time, peer: IdentityId, over: OverLimit) {
        self.step(now, peer, |pair, step| pair.note_over_lane(now, over, step));
    }

    /// Counts what the lanes of the channels with `peer` say.
    fn note_lanes(&mut self, now: Time, peer: IdentityId) {
        let mut totals = LaneTotals::default();
        for (_, channel) in self.channels.own.with_peer(peer) {
            let (Some(id), side) = (channel.id(), channel.side()) else { continue };
            let given = LaneGiven { total: channel.services(side), reminded: channel.services_reminded() };
            let (total, ahead) = (channel.services(side.other()), channel.services_ahead(side.other()));
            totals.given.insert(id, given);
            totals.taken.insert(id, LaneTaken { total, ahead });
        }
        if !totals.given.is_empty() {
            self.step(now, peer, |pair, step| pair.note_lanes(now, &totals, step));
        }
    }

    /// What a crash left uncounted.
    pub(super) fn note_all_lanes(&mut self, now: Time) {
        let peers: BTreeSet<IdentityId> = self.channels.own.iter().map(|(key, _)| key.peer).collect();
        peers.into_iter().for_each(|peer| self.note_lanes(now, peer));
    }

    /// Something happened to a channel with `peer`: it may have promised something, or there may be more in its lane.
    pub(super) fn lanes_moved(&mut self, now: Time, peer: IdentityId) {
        self.note_lanes(now, peer);
        self.absorb_lanes(now, peer);
        self.try_lane_again(now, peer);
    }

    /// Takes into the balance what the peer has promised, where it is much.
    fn absorb_lanes(&mut self, now: Time, peer: IdentityId) {
        let due = |channel: &OwnChannel| {
            let is_ready = channel.is_connected() && channel.is_free() && *channel.health() == Health::Sound;
            is_ready && channel.life() == Life::Open && is_half_promised(channel)
        };
        let keys: Vec<ChannelKey> =
            self.channels.own.with_peer(peer).filter(|(_, channel)| due(channel)).map(|(key, _)| key).collect();
        for key in &keys {
            self.channels.own.with(*key, |channel| {
                // Where it can't be proposed now, it is after the next promise.
                channel.absorption().map(|absorption| channel.propose(now, absorption))
            });
        }
        if !keys.is_empty() {
            self.carry_channels(now);
        }
    }

    pub(super) fn try_lanes_again(&mut self, now: Time) {
        self.peers().into_iter().for_each(|peer| self.try_lane_again(now, peer));
    }

    pub(super) fn try_lane_again(&mut self, now: Time, peer: IdentityId) {
        if self.pairs.get(&peer).is_some_and(|pair| pair.pays_from() == PayFrom::Lane) {
            self.step(now, peer, |pair, step| pair.try_lane_again(now, step));
        }
    }
}

/// What a channel can still promise, if all that is free goes into its lane.
fn left_in(channel: &OwnChannel) -> Amount {
    channel.lane_left().checked_add(channel.free_balance()).unwrap_or(Amount::MAX)
}

/// Whether half of the peer's lane is promised to us.
fn is_half_promised(channel: &OwnChannel) -> bool {
    let payer = channel.side().other();
    let lane = channel.position().lanes[payer.index()];
    let due = lane.due(channel.promised(payer)).units();
    due != 0 && due.saturating_mul(2) >= lane.capacity.units()
}

/// Whether a larger lane is proposed and the peer has not signed it.
fn is_filling(channel: &OwnChannel) -> bool {
    let capacity = channel.position().lanes[channel.side().index()].capacity;
    let is_larger = |change: &Change| matches!(change, Change::Lane { side, capacity: after } if *side == channel.side() && *after > capacity);
    channel.released().iter().any(|released| is_larger(&released.change))
}

/// Puts more into our lane where little is left in it.
fn fill_lane(now: Time, channel: &mut OwnChannel, window: Amount) {
    let windows = |count: u128| Amount::from_units(window.units().saturating_mul(count));
    let (side, free) = (channel.side(), channel.free_balance());
    if channel.lane_room() >= windows(LOW_WINDOWS) || free.is_zero() || !channel.is_free() {
        return;
    }
    let more = windows(FILL_WINDOWS).max(Amount::from_units(free.units() / FILL_PARTS)).min(free);
    let before = channel.position().lanes[side.index()].capacity;
    if let Some(capacity) = before.checked_add(more) {
        // Where the peer is not there, it is tried again when it is.
        let _ = channel.propose(now, Change::Lane { side, capacity });
    }
}

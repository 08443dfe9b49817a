//! Paying out of the lane of a channel instead of an account (row C3).
//!
//! A promise out of a lane is the channel's: it signs it, keeps it, and sees to it that it arrives. Here it is only *counted*. The
//! payer says what is to be promised ([`PaymentNews::LaneWanted`]), and both sides are told what has been promised for services
//! out of each channel's lane, *in all*. What that is more than is known is promised or received, in the same write. So telling it
//! again changes nothing, and a crash between the channel's write and this one is made up for by telling it at the start: nothing
//! is lost and nothing counted twice.
//!
//! What else bounds a payer holds for lanes as well: windows, the limit of the day. What bounds a payee does not: a lane can't
//! bounce, so that no exposure, minimum or kind of backing limits it; and it is never part of a settlement, as the channel
//! absorbs it or claims it.
//!
//! *An old disk.* What the peer has to tell a payer of its own promises is used up long since, or nearly: it is counted as
//! promised *and* used, so that the payer asks for a window anew rather than waiting for what it will never use. A payee that is
//! told much more than what the payer is ahead serves for no more than that. Either costs a window or two, once, whoever lies.
//!
//! A channel that is over is forgotten here once there are too many. What came out of its lane stays counted.

use std::collections::BTreeMap;

use byway_primitives::{Amount, Time};
use byway_records::promise::ChannelId;

use super::journal::{LANES_MAX, Lanes, PayFrom};
use super::news::{OverLimit, PaymentNews};
use super::outbox::Outbox;
use super::payee::Payee;
use super::payer::{Credit, Payer, Talk};
use super::{PaymentEffect, Payments};

/// What was promised for services out of the lanes of every channel with the peer that there is: by us, and by the peer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LaneTotals {
    pub given: BTreeMap<ChannelId, LaneGiven>,
    pub taken: BTreeMap<ChannelId, LaneTaken>,
}

/// What we promised out of one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneGiven {
    /// In all.
    pub total: Amount,
    /// Up to here our journal had lost it, and the peer told us.
    pub reminded: Amount,
}

/// What the peer promised out of one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneTaken {
    /// In all.
    pub total: Amount,
    /// How far ahead of what it had used the peer was with that, by its own count.
    pub ahead: Amount,
}

impl Payments {
    /// Pays the peer from there from now on. What was promised stays promised.
    pub fn pay_from(&mut self, now: Time, pay_from: PayFrom) -> Vec<PaymentEffect> {
        self.run(|payer, _, out| payer.pay_from(now, pay_from, out))
    }

    pub fn pays_from(&self) -> PayFrom {
        self.payer.record.pay_from
    }

    /// Whether what is promised out of the lane of `channel` can be counted, where `channels` are all that there are.
    pub fn counts_lane(&self, channel: ChannelId, channels: &[ChannelId]) -> bool {
        let known = &self.payer.record.lanes;
        let others = known.keys().filter(|known| **known != channel && channels.contains(known));
        others.count() < LANES_MAX
    }

    /// Counts what lanes say; said at the start, and whenever something may have changed.
    pub fn note_lanes(&mut self, now: Time, totals: &LaneTotals) -> Vec<PaymentEffect> {
        self.run(|payer, payee, out| {
            payer.note_lanes(now, &totals.given, out);
            payee.note_lanes(&totals.taken, out);
        })
    }

    /// Says again what is wanted of a lane, if anything is: there may be more in it now.
    pub fn try_lane_again(&mut self, now: Time) -> Vec<PaymentEffect> {
        self.run(|payer, _, out| payer.top_up(now, out))
    }

    /// No lane covers what is wanted, and nothing can be put into one.
    pub fn note_over_lane(&mut self, over: OverLimit) -> Vec<PaymentEffect> {
        self.run(|payer, _, out| payer.say_over_lane(over, out))
    }
}

impl Payer {
    fn pay_from(&mut self, now: Time, pay_from: PayFrom, out: &mut Outbox) {
        // Who asks for a session is told again what stands against paying for it.
        self.said = None;
        if self.record.pay_from != pay_from {
            self.record.pay_from = pay_from;
            self.save(out);
        }
        self.top_up(now, out);
    }

    /// Whether, and how much, is to be promised out of a lane: up to a window ahead, whatever the payee has room for.
    pub(super) fn top_up_by_lane(&mut self, now: Time, out: &mut Outbox) {
        let (Some(window), false) = (self.window, self.talk == Talk::Silent) else { return };
        let Some(wanted) = self.wanted(window) else { return };
        let raise = wanted.saturating_sub(self.record.promised);
        if let Some(more) = self.within_day(now, raise, out) {
            out.notify(PaymentNews::LaneWanted { more });
        }
    }

    /// How much is missing changes with each byte that is still used, and is said once.
    fn say_over_lane(&mut self, over: OverLimit, out: &mut Outbox) {
        if !matches!(self.said, Some(PaymentNews::OverLimit(OverLimit::Lane { .. }))) {
            self.say(PaymentNews::OverLimit(over), out);
        }
    }

    fn note_lanes(&mut self, now: Time, given: &BTreeMap<ChannelId, LaneGiven>, out: &mut Outbox) {
        let mut more = Amount::ZERO;
        let mut is_new = false;
        for (channel, LaneGiven { total, reminded }) in given {
            let Some(raise) = count(&mut self.record.lanes, *channel, *total, |known| given.contains_key(known)) else {
                continue;
            };
            is_new = true;
            // Of what is new here, that above what we were reminded of.
            more = plus(more, raise.min(total.saturating_sub(*reminded)));
        }
        if !is_new {
            return;
        }
        self.turn_day(now);
        self.record.promised = plus(self.record.promised, more);
        self.record.day_promised = plus(self.record.day_promised, more);
        // The payee needs no room for it.
        self.accepted = plus(self.accepted, more);
        if let Talk::Open { promised_max, .. } = &mut self.talk {
            *promised_max = plus(*promised_max, more);
        }
        self.said = None;
        if !more.is_zero() {
            self.credit = Credit::Left;
        }
        self.save(out);
        out.notify(PaymentNews::PromisedByLane { promised: self.record.promised });
    }
}

impl Payee {
    fn note_lanes(&mut self, taken: &BTreeMap<ChannelId, LaneTaken>, out: &mut Outbox) {
        let mut is_new = false;
        for (channel, LaneTaken { total, ahead }) in taken {
            let Some(raise) = count(&mut self.record.lanes, *channel, *total, |known| taken.contains_key(known)) else {
                continue;
            };
            is_new = true;
            // What the payer has not heard of being used may lie between its count and ours, and is no more than it is ahead.
            let is_old = raise > plus(*ahead, *ahead);
            let raise = if is_old { ahead.saturating_sub(self.remainder()) } else { raise };
            self.record.received = plus(self.record.received, raise);
        }
        if !is_new {
            return;
        }
        let token = self.save(out);
        self.pending.push_back((token, self.record.received));
        self.advise(None, out);
    }
}

/// Takes over what a lane says, which never goes back; how much more that is than was known. `None` where nothing is new, or there
/// is no room for it, also without those channels that are no more.
fn count(
    known: &mut Lanes,
    channel: ChannelId,
    total: Amount,
    is_there: impl Fn(&ChannelId) -> bool,
) -> Option<Amount> {
    let counted = known.get(&channel).copied().unwrap_or_default();
    if total <= counted {
        return None;
    }
    if !has_room_for(known, channel) {
        known.retain(|known, _| is_there(known));
    }
    has_room_for(known, channel).then(|| {
        known.insert(channel, total);
        total.saturating_sub(counted)
    })
}

fn has_room_for(known: &Lanes, channel: ChannelId) -> bool {
    known.len() < LANES_MAX || known.contains_key(&channel)
}

fn plus(one: Amount, other: Amount) -> Amount {
    one.checked_add(other).unwrap_or(Amount::MAX)
}

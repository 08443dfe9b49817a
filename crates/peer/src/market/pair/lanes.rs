//! Paying the peer out of the lane of a channel.

use byway_dialogue::payment::{LaneTotals, OverLimit, PayFrom};
use byway_primitives::{Amount, Time};
use byway_records::promise::ChannelId;

use super::{Pair, Pending};
use crate::market::step::Step;

impl Pair {
    pub fn pays_from(&self) -> PayFrom {
        self.payments.pays_from()
    }

    pub fn pay_from(&mut self, now: Time, pay_from: PayFrom, step: &mut Step) {
        let effects = self.payments.pay_from(now, pay_from);
        self.pass_on(now, step, effects.into_iter().map(Pending::payment));
    }

    /// What is to be promised out of a lane; asked for once.
    pub fn take_lane_wish(&mut self) -> Option<Amount> {
        self.lane_wish.take()
    }

    pub fn counts_lane(&self, channel: ChannelId, channels: &[ChannelId]) -> bool {
        self.payments.counts_lane(channel, channels)
    }

    pub fn note_lanes(&mut self, now: Time, totals: &LaneTotals, step: &mut Step) {
        let effects = self.payments.note_lanes(now, totals);
        self.pass_on(now, step, effects.into_iter().map(Pending::payment));
    }

    pub fn try_lane_again(&mut self, now: Time, step: &mut Step) {
        let effects = self.payments.try_lane_again(now);
        self.pass_on(now, step, effects.into_iter().map(Pending::payment));
    }

    pub fn note_over_lane(&mut self, now: Time, over: OverLimit, step: &mut Step) {
        let effects = self.payments.note_over_lane(over);
        self.pass_on(now, step, effects.into_iter().map(Pending::payment));
    }

    /// Promised to the peer and not yet used.
    pub fn ahead(&self) -> Amount {
        self.payments.ahead()
    }

    /// How far ahead of what is used the peer is promised.
    pub fn window(&self) -> Amount {
        self.payments.window()
    }
}

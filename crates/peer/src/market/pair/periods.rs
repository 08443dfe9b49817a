//! Paying the peer for what is spent ahead: periods of watching our channels and of holding for us, answers of its bot.

use byway_dialogue::payment::{Ahead, Spender};
use byway_primitives::{Amount, Time};

use super::{Pair, Pending};
use crate::market::step::Step;

impl Pair {
    /// What is spent on having the peer watch in all, at this price for a period.
    pub fn spend_on_watching(&mut self, now: Time, total: Amount, price: Amount, step: &mut Step) {
        self.watch_price = price;
        self.spend_on_period(now, (Spender::WATCHING, total), step);
    }

    /// What watching for the peer has earned in all.
    pub fn earn_by_watching(&mut self, now: Time, total: Amount, step: &mut Step) {
        let effects = self.payments.earn(Spender::WATCHING, total);
        self.pass_on(now, step, effects.into_iter().map(Pending::payment));
    }

    /// What is spent on having the peer hold in all, of which so much for the next days.
    pub fn spend_on_holding(&mut self, now: Time, total: Amount, price: Amount, step: &mut Step) {
        self.hold_price = price;
        self.spend_on_period(now, (Spender::HOLDING, total), step);
    }

    /// What holding for the peer has earned in all.
    pub fn earn_by_holding(&mut self, now: Time, total: Amount, step: &mut Step) {
        let effects = self.payments.earn(Spender::HOLDING, total);
        self.pass_on(now, step, effects.into_iter().map(Pending::payment));
    }

    /// What is spent on answers of the peer's bot in all, at this price for each.
    pub fn spend_on_answers(&mut self, now: Time, total: Amount, price: Amount, step: &mut Step) {
        self.answer_price = price;
        self.spend_on_period(now, (Spender::ANSWERS, total), step);
    }

    /// What answers to the peer have earned in all.
    pub fn earn_by_answers(&mut self, now: Time, total: Amount, step: &mut Step) {
        let effects = self.payments.earn(Spender::ANSWERS, total);
        self.pass_on(now, step, effects.into_iter().map(Pending::payment));
    }

    fn spend_on_period(&mut self, now: Time, (spender, total): (Spender, Amount), step: &mut Step) {
        let ahead = self.payments.stay_ahead(now, self.ahead_in_force());
        let spent = self.payments.spend(now, spender, total);
        self.pass_on(now, step, ahead.into_iter().chain(spent).map(Pending::payment));
    }

    /// A period is spent before it begins, so that next to nothing more has to be ahead.
    pub(super) fn ahead_in_force(&self) -> Ahead {
        let price = self.watch_price.max(self.hold_price).max(self.answer_price);
        if self.ahead != Ahead::NOTHING || price.is_zero() {
            return self.ahead;
        }
        let start = Amount::from_units((price.units() / 24).max(1));
        Ahead { start, need: start, ceiling: price }
    }
}

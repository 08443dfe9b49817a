//! When a settlement at leisure is worth its cost (row A6).
//!
//! Settling costs the same however much it moves: the price of the call, and that everyone sees who paid whom. Waiting
//! costs more the more is unsettled and the longer, because the payer may leave in the meantime. So it is worth waiting
//! until what waiting is expected to cost comes to what settling costs:
//!
//! ```text
//! wait = cost ÷ (unsettled × loss per hour × pressure)     at most wait_max
//! pressure = 1 + 3 × unsettled ÷ what may be unsettled      from 1 to 4: the closer to the bound, the sooner
//! ```
//!
//! It is a proportion of what is unsettled and not a number of bytes, so a small debt is left for long and a large one is
//! settled soon. Where money is seen to leave the payer's account there is no waiting at all; see
//! [`settlement`](super::settlement).

use byway_primitives::{Amount, Span};

const HOUR_MILLIS: u128 = 3_600_000;
const MILLION: u128 = 1_000_000;
/// The pressure at the bound is this much more than at nothing.
const PRESSURE_PARTS: u128 = 3;

/// What waiting and settling cost the payee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Risk {
    /// What a settlement is taken to cost, however much it moves.
    pub cost: Amount,
    /// How much of what is unsettled is expected to be lost in an hour, in millionths.
    pub loss_ppm_per_hour: u32,
    /// Nothing waits longer than this.
    pub wait_max: Span,
}

impl Default for Risk {
    /// A thousandth of a coin, a fifth of a percent an hour, a day: half a coin of credit that is used up waits for a
    /// quarter of an hour, and a hundredth of that for the whole day.
    fn default() -> Self {
        let cost = Amount::from_units(byway_primitives::amount::ONE / 1000);
        Self { cost, loss_ppm_per_hour: 2000, wait_max: Span::days(1) }
    }
}

impl Risk {
    /// Nothing is settled for having waited.
    pub const NEVER: Risk = Risk { cost: Amount::MAX, loss_ppm_per_hour: 0, wait_max: Span(u64::MAX) };

    /// How long what is `unsettled` may wait where no more than `unsettled_max` may be; never longer than
    /// [`wait_max`](Self::wait_max).
    pub fn wait(&self, unsettled: Amount, unsettled_max: Amount) -> Span {
        // A thousand parts are fine enough, and keep the numbers small.
        let used = unsettled.min(unsettled_max).mul_div_ceil(1000, unsettled_max.units()).unwrap_or(Amount::ZERO);
        let pressure = 1000 + PRESSURE_PARTS * used.units();
        let lost = unsettled.units().saturating_mul(u128::from(self.loss_ppm_per_hour) * pressure);
        let millis = self.cost.mul_div_ceil(HOUR_MILLIS * MILLION * 1000, lost).unwrap_or(Amount::MAX).units();
        Span(u64::try_from(millis).unwrap_or(u64::MAX)).min(self.wait_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_waiting_costs_is_weighed_against_what_settling_costs() {
        let coin = |thousandths: u128| Amount::from_units(byway_primitives::amount::ONE / 1000 * thousandths);
        let risk = Risk::default();
        for (unsettled, unsettled_max, minutes) in
            [(500, 500, 15), (250, 500, 48), (250, 500_000, 120), (0, 500, 1440), (5, 500, 1440)]
        {
            let wait = risk.wait(coin(unsettled), coin(unsettled_max));
            assert_eq!(wait.0.div_ceil(60_000), minutes, "{unsettled} of {unsettled_max}");
        }
        assert_eq!(Risk::NEVER.wait(Amount::MAX, Amount::ZERO), Span(u64::MAX));
    }

    proptest! {
        #[test]
        fn more_at_risk_never_waits_longer(
            unsettled in 0u128..1 << 90, more in 0u128..1 << 90, unsettled_max in 1u128..1 << 90, cost in 1u128..1 << 70,
        ) {
            let risk = Risk { cost: Amount::from_units(cost), ..Risk::default() };
            let (less, most) = (Amount::from_units(unsettled), Amount::from_units(unsettled_max));
            let larger = Amount::from_units(unsettled + more);
            prop_assert!(risk.wait(larger, most) <= risk.wait(less, most));
            prop_assert!(risk.wait(less, most) <= risk.wait_max);
            let narrower = Amount::from_units(unsettled_max / 2);
            prop_assert!(risk.wait(less, narrower) <= risk.wait(less, most), "the closer to the bound, the sooner");
        }
    }
}

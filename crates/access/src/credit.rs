//! How much credit a client gets, and whether it may try a service for nothing (row A6).
//!
//! Credit is bounded by what a cheat would lose and by what there is to take, and both are on the ledger: half of the
//! registration pledge by default, and never more than the account holds beside what is about to be withdrawn. Who still
//! owes a promise that bounced, to whomever, gets none: its next settlement would bounce as well. What a client owes to
//! *other* providers is not on the ledger; they
//! tell each other ([`crate::warning`]).
//!
//! The bound is of what is unsettled, net of what is owed the other way; that is reckoned where the promises are
//! (`byway_dialogue::payment`). When it falls, because money leaves the account or a withdrawal is announced, whatever is
//! unsettled is settled at once.
//!
//! A *free trial* is off unless the operator grants one. Its client needs no registration, only an account that holds
//! something, so that trying costs at least one deposit; each identity gets it once in a span, and it is a count of bytes.

use byway_primitives::{Amount, Span};

use crate::score::History;

/// The whole of a pledge, in the parts in which a policy counts.
const PARTS: u128 = 1000;

/// What an operator grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreditPolicy {
    /// Credit in thousandths of the registration pledge; at most all of it.
    pub pledge_parts: u16,
    /// Instead of that, the same for everyone who is registered.
    pub exposure_max: Option<Amount>,
    /// No credit below this score.
    pub score_min: u16,
    /// `None` grants no trial.
    pub trial: Option<Trial>,
}

/// A free trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// Up and down together.
    pub bytes: u64,
    /// One identity gets one trial in this span.
    pub every: Span,
}

impl Default for CreditPolicy {
    fn default() -> Self {
        Self { pledge_parts: 500, exposure_max: None, score_min: 0, trial: None }
    }
}

impl CreditPolicy {
    /// The most of a client's `Account` promises that may be unsettled, net.
    pub fn exposure(&self, history: &History, score: u16) -> Amount {
        let Some(registered) = history.registered else { return Amount::ZERO };
        if history.owing > 0 || score < self.score_min {
            return Amount::ZERO;
        }
        let (pledge, parts) = (registered.pledge.units(), u128::from(self.pledge_parts).min(PARTS));
        // Whole thousands and the rest apart, so that nothing overflows.
        let share = Amount::from_units(pledge / PARTS * parts + pledge % PARTS * parts / PARTS);
        self.exposure_max.unwrap_or(share).min(history.staying())
    }

    /// The trial that a client with this history may have.
    pub fn trial(&self, history: &History) -> Option<Trial> {
        self.trial.filter(|trial| trial.bytes > 0 && !history.staying().is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Registered;
    use byway_primitives::Time;
    use proptest::prelude::*;

    fn registered(pledge: u64, balance: u64) -> History {
        let registered = Registered { since: Time::ZERO, pledge: Amount::from_coins(pledge) };
        History { registered: Some(registered), balance: Amount::from_coins(balance), ..History::default() }
    }

    #[test]
    fn credit_is_half_the_pledge_and_no_more_than_stays_in_the_account() {
        let policy = CreditPolicy::default();
        let coins = Amount::from_coins;
        let rich = registered(10, 100);
        for (history, expected) in [
            (rich, coins(5)),
            (registered(10, 3), coins(3)),
            (History { withdrawing: coins(98), ..rich }, coins(2)),
            (History { withdrawing: coins(200), ..rich }, Amount::ZERO),
            (History { owing: 1, ..rich }, Amount::ZERO),
            (History { registered: None, ..rich }, Amount::ZERO),
        ] {
            assert_eq!(policy.exposure(&history, 500), expected, "{history:?}");
        }
        assert_eq!(CreditPolicy { exposure_max: Some(coins(7)), ..policy }.exposure(&rich, 500), coins(7));
        assert_eq!(CreditPolicy { score_min: 501, ..policy }.exposure(&rich, 500), Amount::ZERO);
    }

    #[test]
    fn a_trial_is_off_unless_granted_and_needs_something_in_the_account() {
        let trial = Trial { bytes: 1_000_000, every: Span::days(30) };
        let granting = CreditPolicy { trial: Some(trial), ..CreditPolicy::default() };
        let stranger = History { balance: Amount::from_units(1), ..History::default() };
        assert_eq!(CreditPolicy::default().trial(&registered(1, 1)), None);
        assert_eq!(granting.trial(&stranger), Some(trial));
        assert_eq!(granting.trial(&History::default()), None);
        assert_eq!(granting.trial(&History { withdrawing: Amount::from_units(1), ..stranger }), None);
    }

    proptest! {
        #[test]
        fn credit_never_passes_what_stays_and_a_notice_of_withdrawal_never_raises_it(
            pledge in any::<u128>(), balance in any::<u128>(), withdrawing in any::<u128>(), parts in 0u16..=1000,
        ) {
            let policy = CreditPolicy { pledge_parts: parts, ..CreditPolicy::default() };
            let units = Amount::from_units;
            let registered = Registered { since: Time::ZERO, pledge: units(pledge) };
            let staying = History { registered: Some(registered), balance: units(balance), ..History::default() };
            let leaving = History { withdrawing: units(withdrawing), ..staying };
            let (before, after) = (policy.exposure(&staying, 500), policy.exposure(&leaving, 500));
            prop_assert!(after <= before && after <= leaving.staying() && before <= units(pledge));
        }
    }
}

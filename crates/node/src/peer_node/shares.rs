//! What is left of the day and of budgets, dealt out to the sessions that are open (row A10).
//!
//! The limit of a day and the budget of a sub-account hold for sessions together, and each session stops at a limit of its
//! own. So what is left is dealt: a session may cost what it has cost and a share of that, and all shares together are no more than
//! there is. It is dealt anew whenever a session begins, has used half of its share, or a limit is another, and from time to time, so
//! that what some don't use is there for those that do.

use std::collections::BTreeSet;

use byway_access::session::{SessionId, SessionState};
use byway_primitives::{Amount, IdentityId};

use super::Actor;
use super::ways::{Connection, Stage, WayId};
use crate::api::AccountNumber;

/// Who gets a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claimant {
    Session(IdentityId, SessionId),
    /// A way that asks for a session.
    Way(WayId),
    /// A relay that is asked for a session.
    Relay(IdentityId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claim {
    of: Claimant,
    payer: Option<AccountNumber>,
    cost: Amount,
    /// What it may cost beyond that by limits that are its own.
    most: Amount,
}

/// What a session had cost, and could cost beyond that, when it was last told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Share {
    cost: Amount,
    more: Amount,
}

impl Share {
    fn is_half_used(self, cost: Amount) -> bool {
        cost.saturating_sub(self.cost).units() > self.more.units() / 2
    }
}

/// Each gets what it asks for, or as much as everyone else who asks for more than there is.
fn deal(left: Amount, asked: &[Amount]) -> Vec<Amount> {
    if left == Amount::MAX {
        return asked.to_vec();
    }
    let mut places: Vec<usize> = (0..asked.len()).collect();
    places.sort_by_key(|place| asked[*place]);
    let (mut shares, mut left, mut others) = (vec![Amount::ZERO; asked.len()], left, asked.len() as u128);
    for place in places {
        shares[place] = asked[place].min(Amount::from_units(left.units() / others));
        left = left.saturating_sub(shares[place]);
        others -= 1;
    }
    shares
}

impl Actor {
    /// All that may still cost something: sessions, and requests for some.
    fn claims(&self) -> Vec<Claim> {
        let session_max = self.limits.session_max.unwrap_or(Amount::MAX);
        let used = self.market.used_sessions(self.clock.now()).into_iter();
        let used = used.filter(|(_, view)| view.state != SessionState::Stopping).map(|(provider, view)| {
            let way = self.ways.of_session(view.id).and_then(|way| self.ways.get(way));
            let own_max = way.and_then(|way| way.cost_max).unwrap_or(Amount::MAX);
            let most = session_max.min(own_max).saturating_sub(view.cost);
            Claim { of: Claimant::Session(provider, view.id), payer: self.payer_of(view.id), cost: view.cost, most }
        });
        let asking = self.ways.iter().filter_map(|(id, way)| match &way.connection {
            Connection::Connecting(c) if matches!(c.stage, Stage::Opening(_)) && c.session.is_none() => {
                let most = session_max.min(way.cost_max.unwrap_or(Amount::MAX));
                Some(Claim { of: Claimant::Way(id), payer: way.payer, cost: Amount::ZERO, most })
            }
            _ => None,
        });
        let relays = self.relays_asked().map(|relay| Claim {
            of: Claimant::Relay(relay),
            payer: self.ways.main.payer,
            cost: Amount::ZERO,
            most: session_max,
        });
        used.chain(asking).chain(relays).collect()
    }

    /// Who may cost how much more.
    fn shares(&self) -> Vec<(Claim, Amount)> {
        let mut claims = self.claims();
        let payers: BTreeSet<AccountNumber> = claims.iter().filter_map(|claim| claim.payer).collect();
        for payer in payers {
            let of_payer = || claims.iter().filter(|claim| claim.payer == Some(payer));
            let shares = deal(self.budget_left(payer), &of_payer().map(|claim| claim.most).collect::<Vec<_>>());
            let of_payer = claims.iter_mut().filter(|claim| claim.payer == Some(payer));
            of_payer.zip(shares).for_each(|(claim, share)| claim.most = share);
        }
        let shares = deal(self.day_left(), &claims.iter().map(|claim| claim.most).collect::<Vec<_>>());
        claims.into_iter().zip(shares).collect()
    }

    /// The most that a session may cost which is asked for now.
    pub(super) fn cost_max_of(&self, asks: Claimant) -> Amount {
        let found = self.shares().into_iter().find(|(claim, _)| claim.of == asks);
        found.map_or(Amount::ZERO, |(_, share)| share)
    }

    /// Deals out what is left.
    pub(super) fn share_out(&mut self) {
        let now = self.clock.now();
        for (_, view) in self.market.used_sessions(now) {
            self.count_cost(view.id, view.cost);
        }
        for (claim, more) in self.shares() {
            let Claimant::Session(provider, session) = claim.of else { continue };
            if let Some(using) = self.using.get_mut(&session) {
                using.share = Share { cost: claim.cost, more };
            }
            let cost_max = claim.cost.checked_add(more).unwrap_or(Amount::MAX);
            self.market.limit_using(now, provider, session, cost_max, &self.market_journal);
        }
    }

    /// A session has used more: if that is half of its share, it may be that others need less than theirs.
    pub(super) fn look_after_share(&mut self, session: SessionId) {
        let sessions = self.market.used_sessions(self.clock.now());
        let Some((_, view)) = sessions.into_iter().find(|(_, view)| view.id == session) else { return };
        if self.using.get(&session).is_some_and(|using| using.share.is_half_used(view.cost)) {
            self.share_out();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(left: Amount, asked: &[Amount], expected: &[Amount]) {
        let shares = deal(left, asked);
        assert_eq!(shares, expected, "{left} for {asked:?}");
        assert!(Amount::checked_sum(shares).is_none_or(|sum| sum <= left));
    }

    #[test]
    fn no_more_is_dealt_than_there_is_and_what_one_does_not_ask_for_the_others_get() {
        let units = |units: &[u128]| units.iter().map(|units| Amount::from_units(*units)).collect::<Vec<_>>();
        let max = Amount::MAX;
        check(Amount::from_units(90), &[max, max, max], &units(&[30, 30, 30]));
        check(Amount::from_units(90), &[max, Amount::from_units(10), max], &units(&[40, 10, 40]));
        check(Amount::from_units(90), &units(&[20, 10]), &units(&[20, 10]));
        check(Amount::from_units(1), &[max, max], &units(&[0, 1]));
        check(Amount::ZERO, &[max], &units(&[0]));
        check(Amount::from_units(5), &[], &[]);
        check(max, &[max, Amount::from_units(7), max], &[max, Amount::from_units(7), max]);
    }

    #[test]
    fn a_share_is_dealt_anew_when_half_of_it_is_used() {
        let share = Share { cost: Amount::from_units(100), more: Amount::from_units(40) };
        for (cost, is_half_used) in [(90, false), (100, false), (120, false), (121, true), (140, true)] {
            assert_eq!(share.is_half_used(Amount::from_units(cost)), is_half_used, "{cost}");
        }
    }
}

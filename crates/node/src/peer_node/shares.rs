//! What is left of the day and of budgets, dealt out to the sessions that are open (row A10).
//!
//! The limit of a day and the budget of a sub-account hold for sessions together, and each session stops at a limit of its
//! own. So what is left is dealt: a session may cost what it has cost and a share of that, and all shares together are no more than
//! there is. What a session has cost is here what it costs if all comes to be acknowledged that was carried ([`carried_cost`]), as where
//! it is held to its limit: that may happen whatever the session is told then. It is dealt anew whenever a session begins, has used
//! half of its share, or a limit is another, and from time to time, so that what some don't use is there for those that do.
//!
//! [`carried_cost`]: byway_access::session::SessionView::carried_cost

use std::collections::BTreeSet;

use byway_access::session::{SessionId, SessionState};
use byway_primitives::{Amount, IdentityId};

use super::Actor;
use super::ways::{Connection, Stage, Way, WayId};
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
    /// With what was carried and is not acknowledged.
    cost: Amount,
    unacknowledged: Amount,
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

impl Claim {
    /// Of what has cost nothing yet.
    fn of_newcomer(of: Claimant, payer: Option<AccountNumber>, most: Amount) -> Self {
        Self { of, payer, cost: Amount::ZERO, unacknowledged: Amount::ZERO, most }
    }
}

/// Deals the budgets to what they pay for, and then the day to all. What may come to be acknowledged is in neither any more.
fn deal_out(
    mut claims: Vec<Claim>,
    day_left: Amount,
    budget_left: impl Fn(AccountNumber) -> Amount,
) -> Vec<(Claim, Amount)> {
    let payers: BTreeSet<AccountNumber> = claims.iter().filter_map(|claim| claim.payer).collect();
    for payer in payers {
        let of_payer: Vec<Claim> = claims.iter().filter(|claim| claim.payer == Some(payer)).copied().collect();
        let shares = deal_once(&of_payer, budget_left(payer));
        let of_payer = claims.iter_mut().filter(|claim| claim.payer == Some(payer));
        of_payer.zip(shares).for_each(|(claim, share)| claim.most = share);
    }
    let shares = deal_once(&claims, day_left);
    claims.into_iter().zip(shares).collect()
}

/// `left` is by what was acknowledged; all of it where there is no limit.
fn deal_once(claims: &[Claim], left: Amount) -> Vec<Amount> {
    let pending = Amount::checked_sum(claims.iter().map(|claim| claim.unacknowledged)).unwrap_or(Amount::MAX);
    let left = if left == Amount::MAX { left } else { left.saturating_sub(pending) };
    deal(left, &claims.iter().map(|claim| claim.most).collect::<Vec<_>>())
}

impl Actor {
    /// All that may still cost something: sessions, and requests for some.
    fn claims(&self) -> Vec<Claim> {
        let session_max = self.limits.session_max.unwrap_or(Amount::MAX);
        let used = self.market.used_sessions(self.clock.now()).into_iter();
        let used = used.filter(|(_, view)| view.state != SessionState::Stopping).map(|(provider, view)| {
            let way = self.ways.of_session(view.id).and_then(|way| self.ways.get(way));
            let own_max = way.and_then(|way| way.cost_max).unwrap_or(Amount::MAX);
            let (cost, most) = (view.carried_cost, session_max.min(own_max).saturating_sub(view.carried_cost));
            let unacknowledged = cost.saturating_sub(view.cost);
            let of = Claimant::Session(provider, view.id);
            Claim { of, payer: self.payer_of(view.id), cost, unacknowledged, most }
        });
        let asking = self.ways.iter().filter_map(|(id, way)| match &way.connection {
            Connection::Connecting(c) if matches!(c.stage, Stage::Opening(_)) && c.session.is_none() => {
                Some(self.claim_of_way(id, way))
            }
            _ => None,
        });
        let relays = self
            .relays_asked()
            .map(|relay| Claim::of_newcomer(Claimant::Relay(relay), self.ways.main.payer, session_max));
        used.chain(asking).chain(relays).collect()
    }

    fn claim_of_way(&self, id: WayId, way: &Way) -> Claim {
        let session_max = self.limits.session_max.unwrap_or(Amount::MAX);
        Claim::of_newcomer(Claimant::Way(id), way.payer, session_max.min(way.cost_max.unwrap_or(Amount::MAX)))
    }

    fn dealt(&self, claims: Vec<Claim>) -> Vec<(Claim, Amount)> {
        deal_out(claims, self.day_left(), |payer| self.budget_left(payer))
    }

    /// Who may cost how much more.
    fn shares(&self) -> Vec<(Claim, Amount)> {
        self.dealt(self.claims())
    }

    /// What a way that asks for nothing now would get if it did; `None` where nobody else has a share, so that it would get all
    /// there is.
    pub(super) fn share_beside_others(&self, id: WayId) -> Option<Amount> {
        let others = self.claims_of_others(id);
        (!others.is_empty()).then(|| self.share_if_asked(id, others))
    }

    /// What a way that asks for nothing now would get if it did.
    pub(super) fn share_now(&self, id: WayId) -> Amount {
        self.share_if_asked(id, self.claims_of_others(id))
    }

    fn claims_of_others(&self, id: WayId) -> Vec<Claim> {
        // The tunnel goes over its relays, and the main way over its hops: what these have is the main way's, not another's.
        let is_own = |way: WayId| way == id || (id == WayId::MAIN && self.is_hop(way));
        let mut claims = self.claims();
        claims.retain(|claim| match claim.of {
            Claimant::Way(way) => !is_own(way),
            Claimant::Relay(_) => id != WayId::MAIN,
            Claimant::Session(_, session) => {
                let is_own_relay = id == WayId::MAIN && self.is_relay(session);
                !is_own_relay && !self.ways.of_session(session).is_some_and(is_own)
            }
        });
        claims
    }

    fn share_if_asked(&self, id: WayId, mut claims: Vec<Claim>) -> Amount {
        let Some(way) = self.ways.get(id) else { return Amount::ZERO };
        claims.push(self.claim_of_way(id, way));
        self.dealt(claims).pop().map_or(Amount::ZERO, |(_, share)| share)
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
        if self.using.get(&session).is_some_and(|using| using.share.is_half_used(view.carried_cost)) {
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

    #[test]
    fn no_more_is_dealt_than_the_limit_whatever_comes_to_be_acknowledged() {
        let units = Amount::from_units;
        let session = |last: u8, payer: Option<u32>, cost: u128, unacknowledged: u128| Claim {
            of: Claimant::Session(IdentityId([last; 20]), SessionId([last; 16])),
            payer: payer.map(AccountNumber),
            cost: units(cost),
            unacknowledged: units(unacknowledged),
            most: Amount::MAX,
        };
        let claims = vec![session(1, None, 40, 30), session(2, None, 10, 0), session(3, Some(1), 25, 20)];
        // Of a day of 100, 10 and 10 and 5 were acknowledged; of a budget of 50 the last of these.
        let dealt = deal_out(claims, units(75), |_| units(45));
        let most =
            |dealt: &[(Claim, Amount)]| dealt.iter().map(|(claim, more)| claim.cost.units() + more.units()).sum();
        let all: u128 = most(&dealt);
        assert_eq!(all, 100, "{dealt:?}");
        let of_budget: u128 = most(&dealt[2..]);
        assert!(of_budget <= 50, "{dealt:?}");
        let alone = deal_out(vec![session(3, Some(1), 25, 20)], Amount::MAX, |_| units(45));
        assert_eq!(alone[0].1, units(25), "what its budget has beyond what was carried");
    }
}

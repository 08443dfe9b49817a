//! What the user is willing to spend, and asking when that is reached (row A10).
//!
//! A session costs at most its own limit and its share of what is left of the day ([`shares`](super::shares)), and the day's limit holds
//! for all ways together. A way that reaches one of them, with a session or on the way to one, is *stopped* ([`stops`](super::stops)): its
//! session ends, its programs wait, and the user is asked. It goes on by the user's word (`spending_allow`, another limit or, where a session
//! was at its own, another `connect`), and after the limit of a day also when the day is over (UTC), or when it was stopped at its share and
//! others have given theirs back. Nothing else moves it on: a
//! program that tries again does not open the next session behind the user's back, and a `connect` that finds nobody leaves the question.
//!
//! Sub-accounts have budgets of their own ([`accounts`](super::accounts)), within these limits.

use std::fmt;

use byway_access::session::SessionId;
use byway_primitives::{Amount, Span, Time};
use serde::{Deserialize, Serialize};

use super::Actor;
use super::ways::{Connection, WayId};
use crate::api::{AccountNumber, Answer, ApiError, LimitKind, Session, Spending, SpendingAllow, SpendingLimits};

/// What whoever used a sub-account's budget up is told.
pub(super) const BUDGET_SPENT: &str = "the sub-account's budget is used up";

/// What the user has allowed on one day beyond its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// Since 1970, UTC.
    day: u64,
    amount: Amount,
}

impl Default for Allowed {
    fn default() -> Self {
        Self { day: 0, amount: Amount::ZERO }
    }
}

/// What sessions had cost when a day began in which they went on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Yesterday {
    /// The day that began, since 1970, UTC.
    day: u64,
    costs: Vec<(String, Amount)>,
}

/// What sessions have cost on one day that are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Since 1970, UTC.
    day: u64,
    cost: Amount,
}

impl Default for Ended {
    fn default() -> Self {
        Self { day: 0, cost: Amount::ZERO }
    }
}

impl Ended {
    fn on(self, day: u64) -> Amount {
        if self.day == day { self.cost } else { Amount::ZERO }
    }

    fn count(&mut self, day: u64, cost: Amount) {
        *self = Self { day, cost: self.on(day).checked_add(cost).unwrap_or(Amount::MAX) };
    }
}

impl Yesterday {
    /// What a session had cost when this day began.
    fn cost_before(&self, day: u64, session: &str) -> Option<Amount> {
        let known = self.costs.iter().filter(|_| self.day == day).find(|(id, _)| id == session);
        known.map(|(_, cost)| *cost)
    }

    fn knows(&self, day: u64, session: &str) -> bool {
        self.cost_before(day, session).is_some()
    }

    /// What of a session's cost is of this day. Until the day was begun here, all of it was of the one before.
    fn cost_since(&self, day: u64, session: &str, cost: Amount) -> Amount {
        if self.day != 0 && self.day < day {
            return Amount::ZERO;
        }
        cost.saturating_sub(self.cost_before(day, session).unwrap_or(Amount::ZERO))
    }
}

/// The limit that stopped a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Over {
    pub which: LimitKind,
    pub limit: Amount,
    #[serde(default)]
    pub reached_by: ReachedBy,
}

/// Whose session was at a limit, or would have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) enum ReachedBy {
    #[default]
    Exit,
    /// One of those that the tunnel goes over.
    Relay,
}

impl Over {
    pub fn day(limit: Amount) -> Self {
        Self { which: LimitKind::Day, limit, reached_by: ReachedBy::Exit }
    }

    fn session(limit: Amount) -> Self {
        Self { which: LimitKind::Session, ..Self::day(limit) }
    }

    /// What whoever waits for a session is told.
    pub fn error(self, spent_today: Amount) -> ApiError {
        match (self.which, self.reached_by) {
            (LimitKind::Session, ReachedBy::Exit) => ApiError::session_limit(self.limit),
            (LimitKind::Session, ReachedBy::Relay) => ApiError::relay_limit("session", self.limit, Amount::ZERO),
            (LimitKind::Day, ReachedBy::Exit) => ApiError::spending_limit("day", self.limit, spent_today),
            (LimitKind::Day, ReachedBy::Relay) => ApiError::relay_limit("day", self.limit, spent_today),
        }
    }
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit;
        match self.which {
            LimitKind::Session => write!(f, "the limit of {limit} WAY per session is reached")?,
            LimitKind::Day => write!(f, "today's spending limit of {limit} WAY is reached")?,
        }
        if self.reached_by == ReachedBy::Relay {
            write!(f, " by a relay of the tunnel")?;
        }
        write!(f, "; `byway limit allow` goes on for as much again")
    }
}

pub(super) fn day_of(time: Time) -> u64 {
    time.0 / Span::days(1).0
}

impl Actor {
    pub(super) fn spending(&self) -> Spending {
        Spending {
            session_max: self.limits.session_max,
            day_max: self.limits.day_max,
            day_allowed: Some(self.allowed_today()).filter(|allowed| !allowed.is_zero()),
            day_spent: self.spent_today(),
            asks: self.spending_asks(),
        }
    }

    /// What the sessions have cost that are open or began today (UTC).
    pub(super) fn spent_today(&self) -> Amount {
        let now = self.clock.now();
        let day = day_of(now);
        let open = self.market.used_sessions(now).into_iter();
        let open = open.map(|(_, view)| self.limits.yesterday.cost_since(day, &view.id.to_string(), view.cost));
        Amount::checked_sum(open.chain([self.limits.ended.on(day)])).unwrap_or(Amount::MAX)
    }

    /// A session has ended, or is known to have.
    pub(super) fn count_ended(&mut self, session: &Session) {
        let day = day_of(self.clock.now());
        let began_before = day_of(session.started_ms) < day;
        if session.client.is_some() || (began_before && !self.limits.yesterday.knows(day, &session.id.0)) {
            return;
        }
        let cost = self.limits.yesterday.cost_since(day, &session.id.0, session.cost);
        self.limits.ended.count(day, cost);
    }

    /// A day begins: what open sessions have cost so far was spent before it.
    fn turn_day(&mut self) {
        let today = day_of(self.clock.now());
        if self.limits.yesterday.day >= today {
            return;
        }
        let open = self.market.used_sessions(self.clock.now());
        let costs = open.into_iter().map(|(_, view)| (view.id.to_string(), view.cost)).collect();
        // Nothing is known of the day before at a node's first look.
        let is_known = self.limits.yesterday.day != 0;
        self.limits.yesterday = Yesterday { day: today, costs: if is_known { costs } else { Vec::new() } };
        self.keep_yesterday();
    }

    fn allowed_today(&self) -> Amount {
        let Allowed { day, amount } = self.limits.allowed;
        if day == day_of(self.clock.now()) { amount } else { Amount::ZERO }
    }

    /// The limit of this day, with what was allowed beyond it.
    pub(super) fn day_max(&self) -> Option<Amount> {
        let max = self.limits.day_max?;
        Some(max.checked_add(self.allowed_today()).unwrap_or(Amount::MAX))
    }

    /// What may still be spent today, of all ways and sub-accounts together.
    pub(super) fn day_left(&self) -> Amount {
        self.day_max().map_or(Amount::MAX, |max| max.saturating_sub(self.spent_today()))
    }

    /// The day's limit, where it is reached.
    pub(super) fn day_over(&self) -> Option<Amount> {
        self.day_max().filter(|_| self.day_left().is_zero())
    }

    /// Every peer's promises are held to the day's limit, too.
    pub(super) fn tell_day_max(&mut self) {
        let (now, day_max) = (self.clock.now(), self.day_max().unwrap_or(Amount::MAX));
        self.market.set_day_max(now, day_max, &self.market_journal);
    }

    pub(super) fn limit_spending(&mut self, request: SpendingLimits) -> Spending {
        if let Some(session_max) = request.session_max {
            self.limits.session_max = session_max;
        }
        if let Some(day_max) = request.day_max {
            self.limits.day_max = day_max;
            self.limits.allowed = Allowed::default();
            self.keep_allowed();
            self.tell_day_max();
        }
        self.keep_choices();
        self.go_on_within_limits();
        self.share_out();
        self.spending()
    }

    /// The user says yes to what was asked, or ahead of it.
    pub(super) fn allow_spending(&mut self, request: SpendingAllow) -> Answer<Spending> {
        let (asks_day, asks_session) = (self.is_asked(LimitKind::Day), self.is_asked(LimitKind::Session));
        match (request.amount, self.limits.day_max) {
            (Some(_), None) => {
                let why = "there is no limit for the day; leave it out to go on after the limit of a session";
                return Err(ApiError::invalid_params("amount", why));
            }
            (None, _) if !asks_day && !asks_session => return Err(ApiError::nothing_to_allow()),
            (amount, Some(max)) if asks_day || amount.is_some() => {
                let more = amount.unwrap_or(max);
                let amount = self.allowed_today().checked_add(more).unwrap_or(Amount::MAX);
                self.limits.allowed = Allowed { day: day_of(self.clock.now()), amount };
                self.keep_allowed();
                self.tell_day_max();
            }
            _ => {}
        }
        for id in self.ways.ids(|way| matches!(way.connection, Connection::Stopped(_))) {
            self.go_on(id);
        }
        self.share_out();
        Ok(self.spending())
    }

    /// A session has cost as much as it may.
    pub(super) fn limit_reached(&mut self, session: SessionId, limit: Amount) {
        // A relay's is the tunnel's, which the main way has.
        let of_relay = self.is_relay(session).then_some(WayId::MAIN);
        let reached_by = if of_relay.is_some() { ReachedBy::Relay } else { ReachedBy::Exit };
        let Some(way) = self.ways.of_session(session).or(of_relay) else { return };
        if self.ways.get(way).is_some_and(|way| way.cost_max.is_some()) {
            return self.end_of_budget(way, "it has cost what it may");
        }
        match self.limit_of_user(self.payer_of(session), limit) {
            Some(over) => self.stop_way(way, Over { reached_by, ..over }),
            None => self.end_of_budget(way, BUDGET_SPENT),
        }
    }

    /// What is left is too little for a relay of the tunnel that is about to be built. No other exit would change that, and
    /// hardly another relay.
    pub(super) fn relay_over_limit(&mut self, cost_max: Amount) {
        let payer = self.ways.main.payer;
        match (self.limit_of_user(payer, cost_max), payer) {
            (None, Some(payer)) => {
                let error = self.budget_spent(payer);
                self.give_up(WayId::MAIN, &error);
            }
            (over, _) => {
                let over = over.unwrap_or(Over::day(cost_max));
                self.stop_way(WayId::MAIN, Over { reached_by: ReachedBy::Relay, ..over });
            }
        }
        self.drop_slice_relays();
    }

    /// The user's limit that leaves a session no more than this; none where it is the budget of whoever pays.
    pub(super) fn limit_of_user(&self, payer: Option<AccountNumber>, cost_max: Amount) -> Option<Over> {
        // One that had cost more when its limit was lowered is left what it has cost.
        if let Some(limit) = self.limits.session_max.filter(|max| *max <= cost_max) {
            return Some(Over::session(limit));
        }
        let is_budget = payer.is_some_and(|number| self.budget_left(number) <= self.day_left());
        (!is_budget).then(|| Over::day(self.day_max().unwrap_or(cost_max)))
    }

    /// Stops what goes beyond the day's limit, and lets go on what a limit holds back no more.
    pub(super) fn look_after_limits(&mut self) {
        self.turn_day();
        if let Some(limit) = self.day_over() {
            let connected = self.ways.ids(|way| matches!(way.connection, Connection::Connected(_)));
            connected.into_iter().for_each(|way| self.stop_way(way, Over::day(limit)));
        }
        if self.limits.allowed != Allowed::default() && self.allowed_today().is_zero() {
            self.limits.allowed = Allowed::default();
            self.keep_allowed();
            self.tell_day_max();
        }
        self.go_on_within_limits();
        self.share_out();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_session_cost_before_midnight_is_not_of_the_day_after() {
        let (three, five) = (Amount::from_units(3), Amount::from_units(5));
        let first_look = Yesterday::default();
        assert_eq!(first_look.cost_since(20_000, "a", three), three);
        let before = Yesterday { day: 20_000, costs: vec![("a".to_owned(), three)] };
        assert_eq!(before.cost_since(20_000, "a", five), Amount::from_units(2));
        assert_eq!(before.cost_since(20_000, "b", five), five);
        assert_eq!(before.cost_since(20_001, "b", five), Amount::ZERO, "the day was not begun here yet");
    }
}

//! What the user is willing to spend, and asking when that is reached (row A10).
//!
//! A session costs at most its own limit and what is left of the day, and the day's limit holds for all ways together. A way that
//! reaches one of them is *stopped*: its session ends, its programs wait, and the user is asked. It goes on by the user's word
//! (`spending_allow`, or another limit), and after the limit of a day also when the day is over (UTC). Nothing else moves it on: a program
//! that tries again does not open the next session behind the user's back.
//!
//! Sub-accounts have budgets of their own ([`accounts`](super::accounts)), within these limits.

use std::fmt;

use byway_access::session::SessionId;
use byway_primitives::{Amount, Span, Time};
use byway_records::OfferId;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::Actor;
use super::ways::{Connection, Stopped, WayId};
use crate::api::{
    AccountNumber, Answer, ApiError, ConnectTarget, LimitKind, Spending, SpendingAllow, SpendingAsk, SpendingLimits,
    Unit,
};

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

impl Yesterday {
    fn costs_before(&self, day: u64) -> &[(String, Amount)] {
        if self.day == day { &self.costs } else { &[] }
    }
}

/// The limit that stopped a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Over {
    pub which: LimitKind,
    pub limit: Amount,
}

impl Over {
    pub fn day(limit: Amount) -> Self {
        Self { which: LimitKind::Day, limit }
    }
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit;
        match self.which {
            LimitKind::Session => write!(f, "the limit of {limit} WAY per session is reached")?,
            LimitKind::Day => write!(f, "today's spending limit of {limit} WAY is reached")?,
        }
        write!(f, "; `byway limit allow` goes on for as much again")
    }
}

fn day_of(time: Time) -> u64 {
    time.0 / Span::days(1).0
}

impl Actor {
    pub(super) fn spending(&self) -> Spending {
        let asks = self.ways.iter().filter_map(|(id, way)| match &way.connection {
            Connection::Stopped(Stopped { since, over, .. }) => Some(SpendingAsk {
                proxy: self.proxy_ports.of_way(id),
                which: over.which,
                limit: over.limit,
                since_ms: *since,
            }),
            _ => None,
        });
        Spending {
            session_max: self.limits.session_max,
            day_max: self.limits.day_max,
            day_allowed: Some(self.allowed_today()).filter(|allowed| !allowed.is_zero()),
            day_spent: self.spent_today(),
            asks: asks.collect(),
        }
    }

    /// What the sessions have cost that are open or began today (UTC).
    pub(super) fn spent_today(&self) -> Amount {
        let now = self.clock.now();
        let today = Time(day_of(now) * Span::days(1).0);
        let before = self.limits.yesterday.costs_before(day_of(now));
        let used = self.session_records(usize::MAX).into_iter().filter(|session| session.client.is_none());
        let costs = used.filter_map(|session| match before.iter().find(|(id, _)| *id == session.id.0) {
            Some((_, cost)) => Some(session.cost.saturating_sub(*cost)),
            None => (session.started_ms >= today || session.state.is_open()).then_some(session.cost),
        });
        Amount::checked_sum(costs).unwrap_or(Amount::MAX)
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

    /// The most that a session may cost whoever pays for it.
    pub(super) fn session_cost_max(&self, payer: Option<AccountNumber>) -> Amount {
        let own = self.limits.session_max.unwrap_or(Amount::MAX).min(self.day_left());
        payer.map_or(own, |number| own.min(self.budget_left(number)))
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
        self.spending()
    }

    /// The user says yes to what was asked, or ahead of it.
    pub(super) fn allow_spending(&mut self, request: SpendingAllow) -> Answer<Spending> {
        let is_asked = |which: LimitKind| {
            let stopped =
                |connection: &Connection| matches!(connection, Connection::Stopped(s) if s.over.which == which);
            !self.ways.ids(|way| stopped(&way.connection)).is_empty()
        };
        let (asks_day, asks_session) = (is_asked(LimitKind::Day), is_asked(LimitKind::Session));
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
        Ok(self.spending())
    }

    /// A session has cost as much as it may.
    pub(super) fn limit_reached(&mut self, session: SessionId, limit: Amount) {
        let Some(way) = self.ways.of_session(session) else { return };
        if self.ways.get(way).is_some_and(|way| way.cost_max.is_some()) {
            return self.end_of_budget(way, "it has cost what it may");
        }
        let is_own = self.limits.session_max == Some(limit);
        match (self.payer_of(session), self.day_over()) {
            _ if is_own => self.stop_way(way, Over { which: LimitKind::Session, limit }),
            (None, _) => self.stop_way(way, Over::day(self.day_max().unwrap_or(limit))),
            (Some(_), Some(limit)) => self.stop_way(way, Over::day(limit)),
            (Some(_), None) => self.end_of_budget(way, "the sub-account's budget is used up"),
        }
    }

    /// Ends a way's session, and has it wait for the user.
    pub(super) fn stop_way(&mut self, id: WayId, over: Over) {
        let Some(connected) = self.ways.connected(id) else { return };
        let offer = OfferId::of(connected.offer.provider, connected.offer.serial);
        let again = match &connected.filter {
            Some(filter) => ConnectTarget::Cheapest(filter.clone()),
            None => ConnectTarget::Offer { offer_id: offer, unit: self.unit_of(connected.session).map(Unit::from) },
        };
        tracing::info!(%over, "a spending limit is reached");
        if self.stop_paying(id) {
            self.wait_for_word(id, over, again);
        }
    }

    /// A program wants out, and nothing may be spent today.
    pub(super) fn wait_for_word(&mut self, id: WayId, over: Over, again: ConnectTarget) {
        // What this node does by itself asks nobody.
        if self.ways.get(id).is_some_and(|way| way.cost_max.is_some()) {
            return self.fail_connection(id, over.to_string());
        }
        let since = self.clock.now();
        if let Some(way) = self.ways.get_mut(id) {
            way.connection = Connection::Stopped(Stopped { since, over, again });
        }
        self.publish_exit(id);
    }

    /// Ends a way's session for good; whether there was one.
    pub(super) fn stop_paying(&mut self, id: WayId) -> bool {
        let Some(connected) = self.ways.connected(id) else { return false };
        let (provider, session) = (connected.offer.provider, connected.session);
        self.report_used(provider, session);
        self.market.stop_using(self.clock.now(), provider, session, &self.market_journal);
        true
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
    }

    fn go_on_within_limits(&mut self) {
        let is_day_over = self.day_over().is_some();
        let session_max = self.limits.session_max;
        let (today, day_max) = (day_of(self.clock.now()), self.day_max());
        let is_free = |stopped: &Stopped| match stopped.over {
            // What is left of a day may be too little for anything.
            Over { which: LimitKind::Day, limit } => {
                let is_raised = day_max.is_none_or(|max| max > limit);
                !is_day_over && (is_raised || day_of(stopped.since) != today)
            }
            Over { which: LimitKind::Session, limit } => !is_day_over && session_max.is_none_or(|max| max > limit),
        };
        let free = self.ways.ids(|way| matches!(&way.connection, Connection::Stopped(s) if is_free(s)));
        free.into_iter().for_each(|id| self.go_on(id));
    }

    fn go_on(&mut self, id: WayId) {
        let Some(way) = self.ways.get(id) else { return };
        let Connection::Stopped(stopped) = &way.connection else { return };
        let again = stopped.again.clone();
        match self.check_payer(way.payer) {
            Ok(()) => {
                let (answer, _) = oneshot::channel();
                self.connect(id, again, answer);
            }
            Err(error) => match self.day_over() {
                // The limit of a session was lifted on a day that is used up.
                Some(limit) => self.wait_for_word(id, Over::day(limit), again),
                None => self.fail_connection(id, error.to_string()),
            },
        }
    }
}

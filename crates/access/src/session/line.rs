//! One session in the provider's books: what was given, what of it the client has acknowledged, and how far it may go.
//!
//! The same holds for bytes and for time, in bytes and in milliseconds. What differs is who sees to the limit. Bytes are held
//! back by the data plane, beside the machine, so a limit that is lowered counts only once that has confirmed it. Time is seen
//! to by the machine itself: while it runs the data plane may carry whatever comes, and nothing otherwise.

use byway_primitives::{Amount, Span, Time};

use super::news::{Counters, Limit};
use super::usage::{Count, Traffic};
use super::{Measure, Tariff, Usage};

/// One session's counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub tariff: Tariff,
    /// The first so many bytes or milliseconds of what is sold cost nothing.
    free: u64,
    pub acknowledged: Usage,
    count: Count,
    /// How much may be given of what is sold, in the count since the data plane was started.
    limit: u64,
    /// The highest limit that may still be in use, in the same count.
    held: u64,
    /// What the data plane was told last.
    told: Limit,
    /// Whether it had to drop something under that.
    is_short: bool,
    /// When it was last seen to be in use; `None` before its data channel was there.
    used_at: Option<Time>,
}

impl Line {
    /// A session of which `acknowledged` is known and whose data plane starts from zero.
    pub(super) fn new(tariff: Tariff, acknowledged: Usage) -> Self {
        let (count, told) = (Count::new(acknowledged), Limit::default());
        Self { tariff, free: 0, acknowledged, count, limit: 0, held: 0, told, is_short: false, used_at: None }
    }

    /// The same, of which the first part costs nothing.
    pub(super) fn with_free(self, free: u64) -> Self {
        Self { free, ..self }
    }

    /// What was given, acknowledged or not.
    pub(super) fn given(&self) -> Usage {
        self.count.total()
    }

    pub(super) fn cost(&self) -> Amount {
        self.tariff.cost_beyond(self.free, self.acknowledged)
    }

    pub(super) fn cost_given(&self) -> Amount {
        self.tariff.cost_beyond(self.free, self.given())
    }

    /// What was given costs so much more than what was acknowledged.
    pub(super) fn unacknowledged(&self) -> Amount {
        self.cost_given().saturating_sub(self.cost())
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// What was given since the data plane was started, in the count of the limit.
    pub(super) fn used(&self) -> u64 {
        self.count.since(self.tariff.measure)
    }

    /// Something was carried, or is about to be.
    pub(super) fn note_use(&mut self, now: Time) {
        self.used_at = Some(now);
    }

    /// Whether nothing was carried for this long. Time that is sold is always in use.
    pub(super) fn is_idle(&self, now: Time, after: Span) -> bool {
        self.tariff.measure == Measure::Bytes && self.used_at.is_some_and(|at| now >= at + after)
    }

    /// Whether the limit is used up, or the data plane needs more than is left of it.
    pub(super) fn is_exhausted(&self) -> bool {
        self.used() >= self.limit || self.is_short
    }

    /// When time that is sold will be used up, if it runs.
    pub(super) fn exhausted_at(&self) -> Option<Time> {
        let left = self.limit.saturating_sub(self.used());
        if self.tariff.measure == Measure::Time { self.count.after(left) } else { None }
    }

    /// The data plane has counted. What it says of an earlier limit says nothing of this one, however many bytes both allow.
    pub(super) fn report(&mut self, counters: Counters) {
        self.count.report(counters.traffic);
        if self.tariff.measure == Measure::Bytes && counters.limit == self.told.number {
            self.held = counters.bound.max(self.limit);
            self.is_short = counters.is_short;
        }
    }

    /// Counts the time up to `now`: of time that is sold no more than was paid for, since whoever looks too late at the clock
    /// can't hold that against the client.
    pub(super) fn run(&mut self, now: Time) {
        let left = match self.tariff.measure {
            Measure::Bytes => Span(u64::MAX),
            Measure::Time => Span(self.limit.saturating_sub(self.used())),
        };
        self.count.run(now, |span| span.min(left));
    }

    /// Time runs from `now` on, if it doesn't yet.
    pub(super) fn start(&mut self, now: Time) {
        self.count.start(now);
    }

    /// Time runs no more.
    pub(super) fn stop(&mut self) {
        self.count.stop();
    }

    pub(super) fn limit_to(&mut self, limit: u64) {
        self.limit = limit;
        self.held = match self.tariff.measure {
            Measure::Bytes => self.held.max(limit),
            Measure::Time => limit,
        };
    }

    /// What the data plane is to be told, where that is news.
    pub(super) fn tell(&mut self) -> Option<Limit> {
        let bytes = match self.tariff.measure {
            Measure::Bytes => self.limit,
            Measure::Time if self.count.is_running() && !self.is_exhausted() => u64::MAX,
            Measure::Time => 0,
        };
        if bytes == self.told.bytes {
            return None;
        }
        self.told = Limit { number: self.told.number + 1, bytes };
        self.is_short = false;
        Some(self.told)
    }

    /// What the data plane was told last.
    pub(super) fn told(&self) -> Limit {
        self.told
    }

    /// The client has acknowledged this much in all; what it cost more than before. An acknowledgement beyond what we know to
    /// have given is of what was given before a crash, or by a clock that is faster than ours.
    pub(super) fn acknowledge(&mut self, usage: Usage) -> Amount {
        let before = self.cost();
        self.acknowledged = self.acknowledged.max(usage);
        self.count.remember(self.acknowledged.minus(self.given()));
        self.cost().saturating_sub(before)
    }

    /// The cost of all that was given or still may be.
    pub(super) fn cost_held(&self) -> Amount {
        let measure = self.tariff.measure;
        let count = self.count.before(measure).saturating_add(self.held).max(self.given().count(measure));
        self.tariff.cost_of(count.saturating_sub(self.free))
    }

    /// The limit that `coin` in all pays for.
    pub(super) fn limit_bought(&self, coin: Amount) -> u64 {
        let bought = self.tariff.bought(coin).saturating_add(self.free);
        bought.saturating_sub(self.count.before(self.tariff.measure))
    }

    /// The traffic that was received from the client.
    pub(super) fn received_up(&self) -> u64 {
        let Traffic { up, .. } = self.given().traffic;
        up
    }
}

//! What was used of a session, and how one side counts it: bytes by its data plane, time by its own clock.
//!
//! Nothing here depends on what the session is sold by: both are always counted, and the [tariff](super::Tariff) says which
//! of them costs. Clocks are only ever compared with themselves, so that it doesn't matter what they show; one that is
//! set forward while a session runs counts as much more.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Span, Time};

use super::{Measure, Tariff};

/// Bytes each way, cumulative. *Up* is from the client to the exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    pub up: u64,
    pub down: u64,
}

/// What was used of a session, cumulative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    pub traffic: Traffic,
    /// In which the session ran.
    pub time: Span,
}

/// What one side has counted of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    /// What was used before this side's data plane was started.
    offset: Usage,
    /// Since then.
    reported: Usage,
    /// Up to when time is counted, while it runs.
    counted_to: Option<Time>,
}

impl Traffic {
    pub fn new(up: u64, down: u64) -> Self {
        Self { up, down }
    }

    pub fn total(self) -> u64 {
        self.up.saturating_add(self.down)
    }

    /// What it costs where bytes are sold.
    pub fn cost(self, price_per_mb: Amount) -> Amount {
        Tariff::per_mb(price_per_mb).cost(self.into())
    }

    fn zip(self, other: Self, join: impl Fn(u64, u64) -> u64) -> Self {
        Self { up: join(self.up, other.up), down: join(self.down, other.down) }
    }
}

/// In no time.
impl From<Traffic> for Usage {
    fn from(traffic: Traffic) -> Self {
        Self { traffic, time: Span::ZERO }
    }
}

impl Usage {
    /// How much of it there is of what is sold: bytes, or milliseconds.
    pub fn count(self, measure: Measure) -> u64 {
        match measure {
            Measure::Bytes => self.traffic.total(),
            Measure::Time => self.time.0,
        }
    }

    /// Whether nothing of it is more than in `other`.
    pub(super) fn is_within(self, other: Self) -> bool {
        self.max(other) == other
    }

    /// The larger of each.
    pub(super) fn max(self, other: Self) -> Self {
        self.zip(other, u64::max)
    }

    pub(super) fn plus(self, other: Self) -> Self {
        self.zip(other, u64::saturating_add)
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.zip(other, u64::saturating_sub)
    }

    fn zip(self, other: Self, join: impl Fn(u64, u64) -> u64) -> Self {
        Self { traffic: self.traffic.zip(other.traffic, &join), time: Span(join(self.time.0, other.time.0)) }
    }
}

impl Count {
    /// Of a session of which `before` is known and whose data plane starts from zero.
    pub(super) fn new(before: Usage) -> Self {
        Self { offset: before, reported: Usage::default(), counted_to: None }
    }

    pub(super) fn total(&self) -> Usage {
        self.offset.plus(self.reported)
    }

    /// What was used before the data plane was started, in bytes or milliseconds.
    pub(super) fn before(&self, measure: Measure) -> u64 {
        self.offset.count(measure)
    }

    /// What was used since.
    pub(super) fn since(&self, measure: Measure) -> u64 {
        self.reported.count(measure)
    }

    /// More was used before than was known.
    pub(super) fn remember(&mut self, forgotten: Usage) {
        self.offset = self.offset.plus(forgotten);
    }

    /// The data plane has carried this much.
    pub(super) fn report(&mut self, traffic: Traffic) {
        self.reported = self.reported.max(traffic.into());
    }

    /// Time runs from `now` on, if it doesn't yet.
    pub(super) fn start(&mut self, now: Time) {
        self.counted_to.get_or_insert(now);
    }

    /// Time runs no more. What went by since it was last counted is not.
    pub(super) fn stop(&mut self) {
        self.counted_to = None;
    }

    pub(super) fn is_running(&self) -> bool {
        self.counted_to.is_some()
    }

    /// The time that went by since it was last counted, which is counted as far as `counts` says.
    pub(super) fn run(&mut self, now: Time, counts: impl Fn(Span) -> Span) {
        if let Some(from) = &mut self.counted_to {
            let span = counts(now.since(*from));
            *from = now.max(*from);
            self.reported.time.0 = self.reported.time.0.saturating_add(span.0);
        }
    }

    /// The time that went by since it was last counted.
    pub(super) fn uncounted(&self, now: Time) -> Span {
        self.counted_to.map_or(Span::ZERO, |from| now.since(from))
    }

    /// When so much time more will have gone by, if it runs.
    pub(super) fn after(&self, millis: u64) -> Option<Time> {
        self.counted_to?.0.checked_add(millis).map(Time)
    }
}

impl Encode for Traffic {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.up);
        out.varint(self.down);
    }
}

impl Decode for Traffic {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { up: input.u64()?, down: input.u64()? })
    }
}

impl Encode for Usage {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.traffic);
        out.value(&self.time);
    }
}

impl Decode for Usage {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { traffic: input.value()?, time: input.value()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_counts_while_it_runs_and_as_far_as_is_said() {
        let mut count = Count::new(Usage { traffic: Traffic::new(1, 2), time: Span(100) });
        let all = |span| span;
        count.run(Time(50), all);
        count.start(Time(1_000));
        count.start(Time(1_500));
        count.run(Time(2_000), all);
        assert_eq!((count.total().time, count.uncounted(Time(2_300))), (Span(1_100), Span(300)));
        assert_eq!(count.after(700), Some(Time(2_700)));
        count.run(Time(9_000), |span| if span > Span(5_000) { Span::ZERO } else { span });
        count.run(Time(9_001), all);
        count.stop();
        count.run(Time(20_000), all);
        assert_eq!((count.total().time, count.is_running()), (Span(1_101), false));
        assert_eq!(count.total().traffic, Traffic::new(1, 2));
        count.start(Time(30_000));
        count.run(Time(20_000), all);
        count.run(Time(30_000), all);
        assert_eq!(count.total().time, Span(1_101), "a clock that goes back counts nothing twice");
    }
}

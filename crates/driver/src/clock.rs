//! Wall time that never goes back.
//!
//! Machines compare times they were told, so time must not run backwards under them. While the wall clock goes forward
//! it is what [`Clock::now`] says; when it is set back, time goes on from the last value at the pace of the monotonic
//! clock until the wall clock has caught up. A clock set forward is believed at once. What a wrong clock does to others
//! is bounded elsewhere: the ledger's time is a median of many. Who follows the ledger learns from it, too, that a clock
//! is behind ([`Clock::not_before`]).

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use byway_primitives::{Span, Time};

/// The clock of a process. Shared by reference.
pub struct Clock {
    wall: Box<dyn Fn() -> Time + Send + Sync>,
    started: Instant,
    state: Mutex<Monotone>,
}

impl Clock {
    /// A clock that starts no earlier than `not_before`: the newest time known from before (the last one journaled),
    /// so that time doesn't go back across a restart either.
    pub fn starting(not_before: Time) -> Self {
        Self::over(not_before, || {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Time(since_epoch.as_millis() as u64)
        })
    }

    /// A clock over another wall clock than the system's, such as one that is wrong.
    pub fn over(not_before: Time, wall: impl Fn() -> Time + Send + Sync + 'static) -> Self {
        let state = Mutex::new(Monotone::starting(not_before));
        Self { wall: Box::new(wall), started: Instant::now(), state }
    }

    pub fn now(&self) -> Time {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance((self.wall)(), self.started.elapsed())
    }

    /// It is at least `time`, as somebody knows who can be believed: where the clock is behind, it goes on from there.
    pub fn not_before(&self, time: Time) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.raise(time, self.started.elapsed());
    }

    /// The moment of the runtime's timer at which this clock will say `time`, for waking a machine.
    pub fn instant_of(&self, time: Time) -> tokio::time::Instant {
        tokio::time::Instant::now() + Duration::from_millis(time.since(self.now()).0)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("state", &self.state).finish_non_exhaustive()
    }
}

/// The rule, without the clocks.
#[derive(Debug)]
struct Monotone {
    last: Time,
    /// When, by the monotonic clock, `last` was.
    at: Duration,
    /// So that a clock set back is told once, not at every reading until it has caught up.
    behind: bool,
}

impl Monotone {
    fn starting(not_before: Time) -> Self {
        Self { last: not_before, at: Duration::ZERO, behind: false }
    }

    fn raise(&mut self, to: Time, monotonic: Duration) {
        if to > self.last {
            (self.last, self.at) = (to, monotonic);
        }
    }

    fn advance(&mut self, wall: Time, monotonic: Duration) -> Time {
        let passed = Span(monotonic.saturating_sub(self.at).as_millis() as u64);
        if wall >= self.last {
            self.behind = false;
            (self.last, self.at) = (wall, monotonic);
        } else {
            if !self.behind {
                let by = self.last.since(wall);
                tracing::warn!(?by, "the clock was set back; going on from the last time until it has caught up");
                self.behind = true;
            }
            self.last = self.last + passed;
            // What is less than a millisecond stays for the next reading.
            self.at += Duration::from_millis(passed.0);
        }
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_clock_set_back_goes_on_from_the_last_value() {
        let mut clock = Monotone::starting(Time(500));
        for (wall, monotonic, expected) in [
            (400, 0, 500), // behind what is known from before
            (410, 10, 510),
            (1000, 20, 1000), // caught up
            (1010, 30, 1010),
            (200, 40, 1020), // set back
            (205, 45, 1025),
            (2000, 50, 2000), // set forward
        ] {
            assert_eq!(clock.advance(Time(wall), Duration::from_millis(monotonic)), Time(expected), "wall {wall}");
        }
    }

    #[test]
    fn a_clock_that_is_behind_goes_on_from_what_is_known() {
        let mut clock = Monotone::starting(Time(500));
        clock.raise(Time(400), Duration::ZERO);
        assert_eq!(clock.advance(Time(600), Duration::from_millis(10)), Time(600), "what is earlier changes nothing");
        clock.raise(Time(9000), Duration::from_millis(20));
        for (wall, monotonic, expected) in [(620, 30, 9010), (640, 50, 9030), (9500, 60, 9500)] {
            assert_eq!(clock.advance(Time(wall), Duration::from_millis(monotonic)), Time(expected), "wall {wall}");
        }
    }

    #[test]
    fn parts_of_a_millisecond_add_up() {
        let mut clock = Monotone::starting(Time(1000));
        let last = (1..=10).map(|i| clock.advance(Time(0), Duration::from_micros(400 * i))).last();
        assert_eq!(last, Some(Time(1004)));
    }

    proptest! {
        #[test]
        fn time_never_goes_back(readings in proptest::collection::vec((0u64..10_000, 0u64..1_000), 1..50)) {
            let mut clock = Monotone::starting(Time::ZERO);
            let (mut last, mut monotonic) = (Time::ZERO, Duration::ZERO);
            for (wall, step) in readings {
                monotonic += Duration::from_millis(step);
                let now = clock.advance(Time(wall), monotonic);
                prop_assert!(now >= last && now >= Time(wall));
                last = now;
            }
        }
    }
}

//! Which way is gone first, by what was seen lately. Pure: the time is told.
//!
//! As long as nothing is known against it the plain way is tried first, and where it gives nothing within
//! [`PLAIN_WAIT`] the disguised one. That is then gone first for [`DISGUISED_FOR`]; after that the plain way is tried beside
//! the stream that is in use, which is given up if the plain way is there again. A plain stream that ends within
//! [`LASTING`] was cut by somebody who saw what it is, so it counts as none.

use std::time::{Duration, Instant};

/// How long the plain way may take to answer where there is another one.
pub(super) const PLAIN_WAIT: Duration = Duration::from_secs(4);
/// How long any way may take. The endpoint of the links gives up after ten seconds.
pub(super) const WAIT: Duration = Duration::from_secs(9);
/// How long the disguised way is gone first.
pub(super) const DISGUISED_FOR: Duration = Duration::from_secs(600);
/// A stream that lasted this long was not cut for what it is.
pub(super) const LASTING: Duration = Duration::from_secs(20);

/// What the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The plain way, and where it can't be had the disguised one.
    #[default]
    Auto,
    /// Only the disguised way, so that the plain one is never seen.
    Always,
}

/// One of the two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Plain,
    Disguised,
}

/// The way that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InUse {
    #[default]
    None,
    Plain,
    Disguised,
}

/// What is known of the ways to one target.
#[derive(Debug)]
pub(super) struct Choice {
    mode: Mode,
    /// Until then the disguised way is gone first.
    disguised_until: Option<Instant>,
}

impl Choice {
    pub(super) fn new(mode: Mode) -> Self {
        Self { mode, disguised_until: None }
    }

    /// The ways to try in turn, each with the time that it may take.
    pub(super) fn order(&self, now: Instant) -> Vec<(Which, Duration)> {
        match (self.mode, self.disguised_until) {
            (Mode::Always, _) => vec![(Which::Disguised, WAIT)],
            (Mode::Auto, Some(until)) if now < until => vec![(Which::Disguised, WAIT), (Which::Plain, PLAIN_WAIT)],
            (Mode::Auto, _) => vec![(Which::Plain, PLAIN_WAIT), (Which::Disguised, WAIT - PLAIN_WAIT)],
        }
    }

    /// A way gave a stream, after others before it in the order gave none.
    pub(super) fn opened(&mut self, which: Which, now: Instant) {
        match (which, self.disguised_until) {
            (Which::Plain, _) => self.disguised_until = None,
            (Which::Disguised, Some(until)) if now < until => {}
            (Which::Disguised, _) => self.disguised_until = Some(now + DISGUISED_FOR),
        }
    }

    /// A stream ended that lasted so long.
    pub(super) fn ended(&mut self, which: Which, lasted: Duration, now: Instant) {
        if which == Which::Plain && lasted < LASTING {
            self.disguised_until = Some(now + DISGUISED_FOR);
        }
    }

    /// When the plain way is to be tried beside a disguised stream. `None` for never.
    pub(super) fn look_again(&self) -> Option<Instant> {
        self.disguised_until.filter(|_| self.mode == Mode::Auto)
    }

    /// It was tried, and is there or not.
    pub(super) fn looked(&mut self, is_there: bool, now: Instant) {
        self.disguised_until = if is_there { None } else { Some(now + DISGUISED_FOR) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(choice: &Choice, now: Instant) -> Which {
        choice.order(now)[0].0
    }

    #[test]
    fn the_disguise_is_put_on_when_the_plain_way_fails_and_taken_off_when_it_is_back() {
        let start = Instant::now();
        let mut choice = Choice::new(Mode::Auto);
        assert_eq!(first(&choice, start), Which::Plain);
        assert_eq!(choice.look_again(), None);
        choice.opened(Which::Disguised, start);
        assert_eq!(first(&choice, start), Which::Disguised);
        let again = choice.look_again().unwrap();
        assert_eq!(again, start + DISGUISED_FOR);
        // Another stream meanwhile doesn't put the look off.
        choice.opened(Which::Disguised, start + LASTING);
        assert_eq!(choice.look_again(), Some(again));
        assert_eq!(first(&choice, again), Which::Plain, "after a while it is tried first again");
        choice.looked(false, again);
        assert_eq!(first(&choice, again), Which::Disguised);
        choice.looked(true, again + DISGUISED_FOR);
        assert_eq!((first(&choice, again), choice.look_again()), (Which::Plain, None));
    }

    #[test]
    fn a_plain_stream_that_is_soon_cut_counts_as_none() {
        let start = Instant::now();
        let mut choice = Choice::new(Mode::Auto);
        choice.opened(Which::Plain, start);
        choice.ended(Which::Plain, LASTING, start + LASTING);
        assert_eq!(first(&choice, start + LASTING), Which::Plain);
        choice.ended(Which::Plain, LASTING / 2, start + LASTING);
        assert_eq!(first(&choice, start + LASTING), Which::Disguised);
    }

    #[test]
    fn always_means_that_the_plain_way_is_never_seen() {
        let start = Instant::now();
        let mut choice = Choice::new(Mode::Always);
        choice.opened(Which::Disguised, start);
        assert_eq!(choice.look_again(), None);
        for now in [start, start + DISGUISED_FOR * 2] {
            assert!(choice.order(now).iter().all(|(which, _)| *which == Which::Disguised));
        }
    }
}

//! How often those who are not known may ask.
//!
//! Each has some tries at once, and gets one more after a time; so have all of them together, those apart who cost their maker
//! something. Nothing of it is kept over restarts: how many wait for an answer is bounded by itself.

use std::collections::BTreeMap;

use byway_primitives::{IdentityId, Span, Time};

use crate::people::{ASKING_MAX, ASKING_REGISTERED_MAX};

/// What one may do at once, and one more each time that so long has passed.
#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: u64,
    every: Span,
}

/// One identity: as often as somebody tries who mistypes an amount, and then a few times an hour.
const EACH: Rate = Rate { burst: 8, every: Span::minutes(10) };
/// All of those together whom it costs nothing: as many as may wait, and then one a minute.
const FREE: Rate = Rate { burst: ASKING_MAX as u64, every: Span::minutes(1) };
/// All of those who are registered, pay or were introduced: as many as may wait, and then one every five seconds.
const BACKED: Rate = Rate { burst: ASKING_REGISTERED_MAX as u64, every: Span::seconds(5) };
/// Identities that are counted by themselves. Those beyond count among all.
const COUNTED_MAX: usize = 1024;

/// When the last of what was done would have been due, had it been done evenly.
#[derive(Debug, Clone, Copy, Default)]
struct Level(Time);

impl Level {
    /// # Errors
    /// After how long there is room again.
    fn take(&mut self, rate: Rate, now: Time) -> Result<(), Span> {
        let ahead = self.0.since(now);
        let ahead_max = Span(rate.every.0 * (rate.burst - 1));
        if ahead > ahead_max {
            return Err(Span(ahead.0 - ahead_max.0));
        }
        self.0 = now + ahead + rate.every;
        Ok(())
    }
}

/// How often has been asked lately.
#[derive(Debug, Default)]
pub(super) struct AskRates {
    each: BTreeMap<IdentityId, Level>,
    free: Level,
    backed: Level,
}

impl AskRates {
    /// One asks.
    ///
    /// # Errors
    /// After how long they may again.
    pub fn by(&mut self, peer: IdentityId, now: Time) -> Result<(), Span> {
        if !self.each.contains_key(&peer) && self.each.len() >= COUNTED_MAX {
            self.each.retain(|_, level| level.0 > now);
            if self.each.len() >= COUNTED_MAX {
                return Ok(());
            }
        }
        self.each.entry(peer).or_default().take(EACH, now)
    }

    /// One more is to wait for an answer.
    ///
    /// # Errors
    /// After how long there may be another.
    pub fn among_all(&mut self, is_backed: bool, now: Time) -> Result<(), Span> {
        if is_backed { self.backed.take(BACKED, now) } else { self.free.take(FREE, now) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_000_000_000);

    fn peer(number: u64) -> IdentityId {
        let mut bytes = [7; 20];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        IdentityId(bytes)
    }

    #[test]
    fn one_who_asks_too_often_is_told_when_they_may_again_and_then_may_once() {
        let mut rates = AskRates::default();
        assert!((0..EACH.burst).all(|_| rates.by(peer(1), NOW).is_ok()));
        assert_eq!(rates.by(peer(1), NOW), Err(EACH.every));
        assert_eq!(rates.by(peer(1), NOW + Span(EACH.every.0 - 1)), Err(Span(1)));
        assert_eq!(rates.by(peer(2), NOW), Ok(()), "another is not meant");
        let later = NOW + EACH.every;
        assert_eq!((rates.by(peer(1), later), rates.by(peer(1), later)), (Ok(()), Err(EACH.every)));
        // A clock that went back lets nobody in before their time.
        assert!(rates.by(peer(1), Time(0)).is_err());
    }

    #[test]
    fn a_flood_of_those_whom_it_costs_nothing_takes_nothing_from_the_others() {
        let mut rates = AskRates::default();
        let taken = (0..10_000).filter(|_| rates.among_all(false, NOW).is_ok()).count();
        assert_eq!(taken as u64, FREE.burst);
        assert_eq!(rates.among_all(false, NOW), Err(FREE.every));
        assert_eq!(rates.among_all(true, NOW), Ok(()));
    }

    #[test]
    fn no_more_are_counted_by_themselves_than_there_is_room_for() {
        let mut rates = AskRates::default();
        (0..COUNTED_MAX as u64 + 100).for_each(|number| rates.by(peer(number), NOW).unwrap());
        assert_eq!(rates.each.len(), COUNTED_MAX);
        // Those who have not asked for long make room.
        rates.by(peer(9_999_999), NOW + EACH.every).unwrap();
        assert_eq!(rates.each.len(), 1);
    }
}

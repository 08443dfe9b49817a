//! What this node saw of providers itself, in bounded space.
//!
//! One [`Measurement`] for each provider and service: an offer's serial changes with its price, and what is measured is who
//! stands behind it. It holds counts and two spreads, not events: nothing in it says when something was fetched, beyond the
//! days of the first and the last use.
//!
//! **Decay.** With each day that passes every count loses a tenth: half of it is gone in a week, and a provider that was bad
//! a month ago has nearly its whole chance again. Counts are fixed-point, 256 to one, so that the rounding is below what is
//! told.

use std::collections::BTreeMap;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{IdentityId, Span, Time};
use byway_records::offer::Service;

use super::figures::{BUCKETS, Figures, PARTS, latency_bucket, throughput_bucket, tries_bucket};

/// Providers and services of which something is kept; the one that was used the longest ago makes room. Some 200 bytes each.
pub const MEASURED_MAX: usize = 4096;
/// One event, in what counts count.
const ONE: u32 = 256;
/// Days after which nothing is left of any count.
const FORGOTTEN_DAYS: u64 = 220;
/// A false bill counts until so little of it is left: some two weeks.
const CHEATED_MIN: u32 = ONE / 4;
/// Fewer failures than this may be chance, or the network's.
const FAILURES_MIN: u32 = 3 * ONE;
const DAY: Span = Span::days(1);

/// Something that was seen of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A session began.
    Opened,
    /// None could be had, and that was not our doing.
    Unreached,
    /// A round trip.
    Latency(Span),
    /// The best rate over a second, in bytes per second, of a span in which there was demand.
    Throughput(u64),
    /// A session went on until we ended it.
    Kept,
    /// It ended against our wish, or served nothing.
    Broken,
    /// A bill was false.
    Cheated,
}

/// What was seen of one provider's service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Measurement {
    /// The day, since the beginning of 1970, of the first use that still counts.
    from_day: u32,
    /// The day of the last, up to which counts are decayed.
    until_day: u32,
    opened: u32,
    unreached: u32,
    kept: u32,
    broken: u32,
    cheated: u32,
    latency: Spread,
    throughput: Spread,
}

/// How often each bucket was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Spread([u32; BUCKETS as usize]);

/// All that this node has seen.
#[derive(Debug, Clone, Default)]
pub struct Measurements(BTreeMap<(IdentityId, Service), Measurement>);

/// The day of a moment, counted from the beginning of 1970.
pub(super) fn day_of(time: Time) -> u32 {
    u32::try_from(time.0 / DAY.0).unwrap_or(u32::MAX)
}

impl Measurement {
    pub fn note(&mut self, now: Time, seen: Seen) {
        let today = day_of(now);
        if self.tries() == 0 {
            self.from_day = today;
        }
        *self = self.at(now);
        self.until_day = self.until_day.max(today);
        let count = match seen {
            Seen::Opened => &mut self.opened,
            Seen::Unreached => &mut self.unreached,
            Seen::Latency(latency) => &mut self.latency.0[usize::from(latency_bucket(latency))],
            Seen::Throughput(rate) => &mut self.throughput.0[usize::from(throughput_bucket(rate))],
            Seen::Kept => &mut self.kept,
            Seen::Broken => &mut self.broken,
            Seen::Cheated => &mut self.cheated,
        };
        *count = count.saturating_add(ONE);
    }

    /// What is left of it by `now`.
    pub fn at(&self, now: Time) -> Self {
        let days = u64::from(day_of(now).saturating_sub(self.until_day));
        let mut left = self.clone();
        if days > 0 {
            left.counts_mut().for_each(|count| *count = decayed(*count, days));
            left.until_day = day_of(now);
        }
        left
    }

    /// Sessions that were tried, as far as they still count.
    pub fn tries(&self) -> u32 {
        self.opened.saturating_add(self.unreached).div_ceil(ONE)
    }

    /// The days between which it was measured.
    pub fn days(&self) -> (u32, u32) {
        (self.from_day, self.until_day)
    }

    /// `None` where it was not tried.
    pub fn figures(&self) -> Option<Figures> {
        (self.tries() > 0).then(|| Figures {
            tries: tries_bucket(self.tries()),
            reached: parts(self.opened, self.unreached),
            latency: self.latency.median(),
            throughput: self.throughput.median(),
            kept: parts(self.kept, self.broken),
            cheated: self.cheated >= CHEATED_MIN,
        })
    }

    /// Whether it fails so often that whoever pays ahead for its service had better have another: it was caught cheating, breaks off more than
    /// every fourth time, or is there less often than it is not.
    pub fn is_failing(&self) -> bool {
        let kept = self.kept.saturating_add(self.broken);
        let breaks = self.broken >= FAILURES_MIN && self.broken > kept / 4;
        let is_away = self.unreached > FAILURES_MIN && self.unreached > self.opened;
        self.cheated >= CHEATED_MIN || breaks || is_away
    }

    fn counts_mut(&mut self) -> impl Iterator<Item = &mut u32> {
        let Self { opened, unreached, kept, broken, cheated, latency, throughput, .. } = self;
        let single = [opened, unreached, kept, broken, cheated];
        single.into_iter().chain(&mut latency.0).chain(&mut throughput.0)
    }
}

impl Spread {
    /// The lowest bucket that at least half of what was seen reaches.
    fn median(&self) -> Option<u8> {
        let all: u64 = self.0.iter().map(|count| u64::from(*count)).sum();
        let mut below = 0;
        let reaches_half = |count: &u32| {
            below += u64::from(*count);
            below * 2 >= all
        };
        let found = self.0.iter().position(reaches_half);
        found.filter(|_| all > 0).map(|bucket| bucket as u8)
    }
}

/// The share of `good`, rounded to the nearest part; all of it where nothing was seen.
fn parts(good: u32, bad: u32) -> u8 {
    let (good, all, parts) = (u64::from(good), u64::from(good) + u64::from(bad), u64::from(PARTS));
    match all {
        0 => PARTS,
        all => ((2 * good * parts + all) / (2 * all)) as u8,
    }
}

fn decayed(count: u32, days: u64) -> u32 {
    match days {
        FORGOTTEN_DAYS.. => 0,
        days => (0..days).fold(u64::from(count), |left, _| left * 9 / 10) as u32,
    }
}

impl Measurements {
    /// Those that were written down.
    pub fn restore(kept: impl Iterator<Item = ((IdentityId, Service), Measurement)>) -> Self {
        Self(kept.take(MEASURED_MAX).collect())
    }

    /// Takes note of what was seen. Gives what stands now, to be written down, and whose place it took, to be erased.
    pub fn note(
        &mut self,
        now: Time,
        of: (IdentityId, Service),
        seen: Seen,
    ) -> (&Measurement, Option<(IdentityId, Service)>) {
        let is_full = self.0.len() >= MEASURED_MAX && !self.0.contains_key(&of);
        let oldest = || self.0.iter().min_by_key(|(of, known)| (known.until_day, **of)).map(|(of, _)| *of);
        let gone = is_full.then(oldest).flatten();
        if let Some(gone) = gone {
            self.0.remove(&gone);
        }
        let known = self.0.entry(of).or_default();
        known.note(now, seen);
        (known, gone)
    }

    /// What is left of it by `now`.
    pub fn of(&self, now: Time, of: (IdentityId, Service)) -> Option<Measurement> {
        self.0.get(&of).map(|known| known.at(now))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&(IdentityId, Service), &Measurement)> {
        self.0.iter()
    }
}

impl Encode for Spread {
    fn encode(&self, out: &mut Writer) {
        self.0.iter().for_each(|count| out.varint(*count));
    }
}

impl Decode for Spread {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut spread = Self::default();
        spread.0.iter_mut().try_for_each(|count| input.u32().map(|read| *count = read))?;
        Ok(spread)
    }
}

/// As it stands in a node's journal.
impl Encode for Measurement {
    fn encode(&self, out: &mut Writer) {
        let Self { from_day, until_day, opened, unreached, kept, broken, cheated, .. } = *self;
        [from_day, until_day, opened, unreached, kept, broken, cheated].iter().for_each(|count| out.varint(*count));
        out.value(&self.latency);
        out.value(&self.throughput);
    }
}

impl Decode for Measurement {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            from_day: input.u32()?,
            until_day: input.u32()?,
            opened: input.u32()?,
            unreached: input.u32()?,
            kept: input.u32()?,
            broken: input.u32()?,
            cheated: input.u32()?,
            latency: input.value()?,
            throughput: input.value()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Time = Time(20_000 * DAY.0);

    fn measured(seen: &[Seen]) -> Measurement {
        let mut measurement = Measurement::default();
        seen.iter().for_each(|seen| measurement.note(START, *seen));
        measurement
    }

    #[test]
    fn figures_say_what_was_seen() {
        assert_eq!(Measurement::default().figures(), None);
        let seen = [
            Seen::Opened,
            Seen::Opened,
            Seen::Opened,
            Seen::Unreached,
            Seen::Latency(Span::millis(10)),
            Seen::Latency(Span::millis(100)),
            Seen::Latency(Span::millis(9000)),
            Seen::Throughput(1 << 20),
            Seen::Kept,
            Seen::Kept,
            Seen::Broken,
        ];
        let expected =
            Figures { tries: 2, reached: 12, latency: Some(4), throughput: Some(7), kept: 11, cheated: false };
        assert_eq!(measured(&seen).figures(), Some(expected));
        assert_eq!(measured(&seen).days(), (20_000, 20_000));
        let unreached = measured(&[Seen::Unreached]).figures().expect("it was tried");
        assert_eq!((unreached.reached, unreached.quality()), (0, 0));
    }

    #[test]
    fn who_fails_seldom_or_was_hardly_tried_is_not_failing() {
        let check = |times: &[(Seen, usize)], expected| {
            let seen: Vec<Seen> = times.iter().flat_map(|(seen, times)| vec![*seen; *times]).collect();
            assert_eq!(measured(&seen).is_failing(), expected, "{times:?}");
        };
        check(&[], false);
        check(&[(Seen::Broken, 2)], false);
        check(&[(Seen::Broken, 3)], true);
        check(&[(Seen::Broken, 3), (Seen::Kept, 8)], true);
        check(&[(Seen::Broken, 3), (Seen::Kept, 9)], false);
        check(&[(Seen::Unreached, 3)], false);
        check(&[(Seen::Unreached, 4)], true);
        check(&[(Seen::Unreached, 4), (Seen::Opened, 4)], false);
        check(&[(Seen::Cheated, 1), (Seen::Kept, 100)], true);
        let failing = measured(&[Seen::Broken; 3]);
        assert!(!failing.at(START + Span::days(1)).is_failing(), "it is forgiven");
    }

    #[test]
    fn half_is_gone_in_a_week_and_a_false_bill_is_forgotten_after_two() {
        let mut measurement = measured(&[Seen::Opened; 100]);
        measurement.note(START, Seen::Cheated);
        let later = |days| measurement.at(START + Span::days(days));
        assert_eq!(later(0).tries(), 100);
        assert!((45..55).contains(&later(7).tries()), "{}", later(7).tries());
        assert!(later(7).figures().expect("tried").cheated);
        assert!(!later(15).figures().expect("tried").cheated);
        assert_eq!(later(400).figures(), None);
        assert_eq!(later(400).at(START).tries(), 0, "a clock that goes back brings nothing back");
    }

    #[test]
    fn who_was_used_the_longest_ago_makes_room() {
        let mut all = Measurements::default();
        let of = |number: usize| {
            let mut id = [0; 20];
            id[..8].copy_from_slice(&number.to_be_bytes());
            (IdentityId(id), Service::SOCKS)
        };
        for number in 0..MEASURED_MAX {
            let day = Span::days(if number == 7 { 0 } else { 1 });
            assert_eq!(all.note(START + day, of(number), Seen::Opened).1, None);
        }
        let (_, gone) = all.note(START + Span::days(1), of(MEASURED_MAX), Seen::Opened);
        assert_eq!((gone, all.iter().count()), (Some(of(7)), MEASURED_MAX));
        assert!(all.of(START, of(7)).is_none());
        assert!(all.of(START, of(MEASURED_MAX)).is_some());
    }

    proptest! {
        #[test]
        fn what_is_written_down_comes_back(times in proptest::collection::vec((0u64..30, 0u8..7, any::<u64>()), 0..40)) {
            let mut measurement = Measurement::default();
            for (day, kind, value) in times {
                let all = [
                    Seen::Opened, Seen::Unreached, Seen::Latency(Span(value)), Seen::Throughput(value), Seen::Kept,
                    Seen::Broken, Seen::Cheated,
                ];
                measurement.note(START + Span::days(day), all[usize::from(kind)]);
            }
            prop_assert_eq!(Measurement::from_bytes(&measurement.to_bytes()), Ok(measurement.clone()));
            if let Some(figures) = measurement.figures() {
                prop_assert_eq!(Figures::from_bytes(&figures.to_bytes()), Ok(figures));
                prop_assert!(figures.quality() <= super::super::QUALITY_MAX);
            }
        }
    }
}

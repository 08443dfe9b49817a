//! What words are worth, and how good a provider is by all that is known (row A2).
//!
//! # The problem
//!
//! Words are cheap, identities nearly so: one costs a pledge, which is not lost. A group of them can praise its own exits and
//! slander the others, and any mean of words follows whoever has more of them or exaggerates more.
//!
//! # The idea
//!
//! Only what was registered counts. It is split in two: *established* attesters, whose identity is old enough and stands
//! above a newcomer by its history on the ledger, and *fresh* ones, who together never weigh more than [`FRESH_WEIGHT_MAX`].
//! Of each group the weighted **median** is taken and not the mean: whoever exaggerates moves it no further than whoever says
//! a little less, and it does not move at all as long as more than half of the weight speaks truly. Both are pulled to the middle by
//! a weight of their own, so that few words say little and newcomers get their chance.
//!
//! # The formula
//!
//! ```text
//! weight of an attester = score in the ledger (at most 1000) × agreement with us ÷ 1000, half where it has never paid the provider
//! established = (500 × 4000 + median × their weight) ÷ (4000 + their weight)
//! others      = (established × (4000 + their weight) + median of the fresh × w) ÷ (4000 + their weight + w)
//!               w = weight of the fresh, at most 1000
//! quality     = (own × n + others × 4) ÷ (n + 4),      n = sessions that we tried ourselves and that still count
//! ```
//!
//! *Agreement*: over all providers that both know, how far its figures are from ours; all is well within
//! [`AGREEMENT_SLACK`] points, since places differ, and nothing is believed any more at half the scale.
//!
//! *Having paid* is seen on the ledger, as a settlement. It costs a slanderer what the provider asks, and a flatterer the fee.
//!
//! # The bounds
//!
//! `w ≤ 1000` against at least 4000: fresh identities alone move nothing by more than 1000 × 1000 ÷ 5000 = 200 points, and
//! from the middle, where whoever nobody speaks of stands, by no more than 100. Both times 4 ÷ (n + 4).

use super::figures::Figures;
use super::{QUALITY_MAX, measurement::Measurement};
use byway_primitives::Span;

/// Where stands what is not known.
pub const MIDDLE: u16 = QUALITY_MAX / 2;
/// What pulls to the middle: the weight of four attesters of the best standing, or of eight newcomers.
const MIDDLE_WEIGHT: u64 = 4 * WEIGHT_MAX;
/// The most that one attester weighs.
const WEIGHT_MAX: u64 = QUALITY_MAX as u64;
/// The most that fresh identities weigh, all together.
pub const FRESH_WEIGHT_MAX: u64 = MIDDLE_WEIGHT / 4;
/// What others say counts as much as so many own sessions.
const OTHERS_SESSIONS: u64 = 4;
/// An identity is fresh for so long, whatever it does.
pub const FRESH_FOR: Span = Span::days(30);
/// Points by which two honest nodes may differ: one is next door to the exit, the other across an ocean.
const AGREEMENT_SLACK: u16 = 200;
/// The furthest that fresh identities alone can move a provider, whatever they say and however many they are.
pub const FRESH_SHIFT_MAX: u16 = 200;

/// What is known of whoever says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attester {
    /// By what the ledger says of it ([`crate::score`]).
    pub score: u16,
    /// Since it was registered.
    pub age: Span,
    /// Whether the ledger has settled a promise of it to the provider.
    pub has_paid: bool,
    /// See [`agreement`].
    pub agreement: u16,
}

/// How good a provider is, and by how many words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rating {
    /// Points from 0 to [`QUALITY_MAX`].
    pub quality: u16,
    /// Sessions of our own that count.
    pub own_sessions: u32,
    /// Who else has said something that weighs anything.
    pub attesters: u32,
}

impl Attester {
    fn weight(&self) -> u64 {
        let paid = if self.has_paid { 2 } else { 1 };
        let agreement = u64::from(self.agreement.min(QUALITY_MAX));
        u64::from(self.score).min(WEIGHT_MAX) * agreement * paid / (2 * u64::from(QUALITY_MAX))
    }

    fn is_fresh(&self) -> bool {
        self.age < FRESH_FOR || self.score <= crate::score::NEWCOMER
    }
}

/// How far an attester can be believed, in points of [`QUALITY_MAX`], by what it and we say of the same providers: pairs of
/// its quality and ours.
pub fn agreement(both: impl Iterator<Item = (u16, u16)>) -> u16 {
    let (mut count, mut apart) = (0u64, 0u64);
    for (theirs, ours) in both {
        count += 1;
        apart += u64::from(theirs.abs_diff(ours));
    }
    let mean = apart.checked_div(count).unwrap_or(0);
    let beyond = mean.saturating_sub(AGREEMENT_SLACK.into());
    let whole = u64::from(QUALITY_MAX / 2 - AGREEMENT_SLACK);
    // At most the whole.
    (u64::from(QUALITY_MAX) * (whole - beyond.min(whole)) / whole) as u16
}

/// How good a provider is by what we measured and others say of it.
pub fn rate(own: Option<&Measurement>, words: impl Iterator<Item = (Attester, Figures)>) -> Rating {
    let (mut established, mut fresh) = (Vec::new(), Vec::new());
    for (attester, figures) in words {
        let said = (figures.quality(), attester.weight());
        match (said.1 > 0, attester.is_fresh()) {
            (false, _) => {}
            (true, true) => fresh.push(said),
            (true, false) => established.push(said),
        }
    }
    let attesters = u32::try_from(established.len() + fresh.len()).unwrap_or(u32::MAX);
    let mut weight = MIDDLE_WEIGHT;
    let mut others = u64::from(MIDDLE);
    for (mut words, most) in [(established, u64::MAX), (fresh, FRESH_WEIGHT_MAX)] {
        let more = words.iter().map(|(_, weight)| weight).sum::<u64>().min(most);
        if let Some(median) = median(&mut words) {
            others = (others * weight + median * more) / (weight + more);
            weight += more;
        }
    }
    let measured = own.and_then(|own| Some((own.figures()?.quality(), own.tries())));
    let (own, sessions) = measured.unwrap_or((0, 0));
    let (own, n) = (u64::from(own), u64::from(sessions));
    // Between what was measured and what was said, which are at most the whole.
    let quality = ((own * n + others * OTHERS_SESSIONS) / (n + OTHERS_SESSIONS)) as u16;
    Rating { quality, own_sessions: sessions, attesters }
}

/// The lowest value that at least half of the weight does not exceed.
fn median(words: &mut [(u16, u64)]) -> Option<u64> {
    words.sort_unstable();
    let all: u64 = words.iter().map(|(_, weight)| weight).sum();
    let mut below = 0;
    let reaches_half = |(_, weight): &&(u16, u64)| {
        below += weight;
        below * 2 >= all
    };
    words.iter().find(reaches_half).map(|(quality, _)| u64::from(*quality))
}

#[cfg(test)]
mod tests {
    use super::super::measurement::Seen;
    use super::*;
    use byway_primitives::Time;
    use proptest::prelude::*;

    const OLD: Attester = Attester { score: 800, age: Span::days(100), has_paid: true, agreement: 1000 };
    const FRESH: Attester = Attester { score: 500, age: Span::days(1), has_paid: true, agreement: 1000 };

    fn figures(throughput: u8) -> Figures {
        let latency = Some(2);
        Figures { tries: 3, reached: 16, latency, throughput: Some(throughput), kept: 16, cheated: throughput == 0 }
    }

    /// As fast as can be.
    fn good() -> Figures {
        figures(10)
    }

    /// Caught cheating.
    fn bad() -> Figures {
        figures(0)
    }

    fn measured(sessions: usize, rate: u64) -> Measurement {
        let mut own = Measurement::default();
        for _ in 0..sessions {
            for seen in [Seen::Opened, Seen::Latency(Span::millis(20)), Seen::Throughput(rate), Seen::Kept] {
                own.note(Time(0), seen);
            }
        }
        own
    }

    fn check(own: usize, words: &[(Attester, Figures, usize)], expected: u16) {
        let own = measured(own, 16 << 20);
        let all = words.iter().flat_map(|(attester, figures, count)| vec![(*attester, *figures); *count]);
        assert_eq!(rate(Some(&own), all).quality, expected, "{words:?}");
    }

    #[test]
    fn words_count_by_standing_and_own_measurements_the_more_there_are() {
        check(0, &[], MIDDLE);
        check(0, &[(OLD, good(), 1)], 583);
        check(0, &[(OLD, good(), 10)], 833);
        check(0, &[(OLD, good(), 10), (OLD, bad(), 9)], 895);
        check(0, &[(OLD, good(), 9), (OLD, bad(), 10)], 104);
        check(4, &[], 750);
        check(12, &[(OLD, bad(), 100)], 755);
        check(0, &[(Attester { has_paid: false, ..OLD }, good(), 1)], 545);
        check(0, &[(Attester { agreement: 0, ..OLD }, good(), 1)], MIDDLE);
        check(0, &[(Attester { score: 0, ..OLD }, good(), 1)], MIDDLE);
    }

    #[test]
    fn fresh_identities_count_a_little_however_many_they_are() {
        check(0, &[(FRESH, good(), 1)], 555);
        check(0, &[(FRESH, good(), 2)], 600);
        check(0, &[(FRESH, good(), 1000)], 600);
        check(0, &[(FRESH, bad(), 1000)], 400);
        check(0, &[(OLD, good(), 10), (FRESH, bad(), 1000)], 768);
        check(0, &[(Attester { age: Span::days(400), ..FRESH }, bad(), 1000)], 400);
        check(0, &[(Attester { score: 900, ..FRESH }, bad(), 1000)], 400);
    }

    #[test]
    fn who_agrees_with_us_is_believed() {
        for (both, expected) in [
            (&[][..], 1000),
            (&[(500, 500), (900, 700)], 1000),
            (&[(900, 550)], 500),
            (&[(1000, 0), (0, 900)], 0),
            (&[(1000, 500)], 0),
        ] {
            assert_eq!(agreement(both.iter().copied()), expected, "{both:?}");
        }
    }

    fn any_figures() -> impl Strategy<Value = Figures> {
        (0u8..=16, proptest::option::of(0u8..16), proptest::option::of(0u8..16), 0u8..=16, any::<bool>()).prop_map(
            |(reached, latency, throughput, kept, cheated)| Figures {
                tries: 1,
                reached,
                latency,
                throughput,
                kept,
                cheated,
            },
        )
    }

    fn any_attester() -> impl Strategy<Value = Attester> {
        (0u16..=1000, 0u64..400, any::<bool>(), 0u16..=1000).prop_map(|(score, days, has_paid, agreement)| Attester {
            score,
            age: Span::days(days),
            has_paid,
            agreement,
        })
    }

    proptest! {
        /// The bound that the module states, and that of one attester.
        #[test]
        fn nobody_moves_a_rating_beyond_the_bounds(
            others in proptest::collection::vec((any_attester(), any_figures()), 0..12),
            sybils in proptest::collection::vec((any_attester(), any_figures()), 1..200),
            (sessions, speed) in (0usize..20, 0u64..1 << 25),
        ) {
            let own = measured(sessions, speed);
            let fresh = |(attester, figures): (Attester, Figures)| (Attester { age: Span::days(1), ..attester }, figures);
            let established = |(attester, _): &(Attester, Figures)| !attester.is_fresh();
            let honest: Vec<_> = others.into_iter().filter(established).collect();
            let before = rate(Some(&own), honest.iter().copied());
            let after = rate(Some(&own), honest.iter().copied().chain(sybils.iter().copied().map(fresh)));
            // Whole numbers are rounded down twice.
            let most = u64::from(FRESH_SHIFT_MAX) * OTHERS_SESSIONS / (sessions as u64 + OTHERS_SESSIONS) + 2;
            prop_assert!(u64::from(before.quality.abs_diff(after.quality)) <= most, "{before:?} {after:?}");
            prop_assert!(after.quality <= QUALITY_MAX);
            let alone = rate(None, sybils[..1].iter().copied());
            prop_assert!(alone.quality.abs_diff(MIDDLE) <= 100, "{alone:?}");
        }

        #[test]
        fn the_order_of_words_does_not_matter(
            words in proptest::collection::vec((any_attester(), any_figures()), 0..20)
                .prop_flat_map(|words| (Just(words.clone()), Just(words).prop_shuffle())),
        ) {
            prop_assert_eq!(rate(None, words.0.into_iter()), rate(None, words.1.into_iter()));
        }
    }
}

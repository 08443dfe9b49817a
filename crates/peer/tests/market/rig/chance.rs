//! The one source of chance in a story.

use std::ops::RangeInclusive;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// Gives the same numbers for the same seed.
pub struct Chance(ChaCha20Rng);

impl Chance {
    pub fn of(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (first, last) = range.into_inner();
        if last <= first { first } else { first + self.0.next_u64() % (last - first + 1) }
    }

    /// True once in `times`; never for zero.
    pub fn one_in(&mut self, times: u64) -> bool {
        times > 0 && self.within(1..=times) == 1
    }
}

//! The one source of chance in a run.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// A generator that gives the same numbers for the same seed, for ever and on every machine.
#[derive(Debug, Clone)]
pub struct Random(ChaCha20Rng);

impl Random {
    pub fn from_seed(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(ChaCha20Rng::from_seed(bytes))
    }

    /// A number below `bound`; zero if that is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The bias of the remainder is below 2⁻⁴⁰ for the bounds in use, and no test depends on it.
        if bound == 0 { 0 } else { self.0.next_u64() % bound }
    }

    /// True once in `times`.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

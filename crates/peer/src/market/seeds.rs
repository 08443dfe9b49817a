//! Secrets for what is done on what peers say: each new, all from the fresh randomness that came with frames.

use byway_primitives::hash::Context;
use zeroize::Zeroizing;

const STIR: Context = Context("byway 1 market seeds: stirred in");
const DRAW: Context = Context("byway 1 market seeds: drawn");
const NEXT: Context = Context("byway 1 market seeds: next");

pub(super) struct Seeds(Zeroizing<[u8; 32]>);

impl Seeds {
    pub fn new(seed: &[u8; 32]) -> Self {
        Self(Zeroizing::new(STIR.hash(&[seed]).0))
    }

    /// Takes fresh randomness in; what was known before helps to guess nothing from here on.
    pub fn stir(&mut self, seed: &[u8; 32]) {
        self.0 = Zeroizing::new(STIR.hash(&[&*self.0, seed]).0);
    }

    /// A seed for one use, from which none before and none after follow.
    pub fn draw(&mut self) -> [u8; 32] {
        let drawn = DRAW.hash(&[&*self.0]).0;
        self.0 = Zeroizing::new(NEXT.hash(&[&*self.0]).0);
        drawn
    }
}

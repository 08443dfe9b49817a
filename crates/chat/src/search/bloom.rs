//! By what a block is passed over in which a term can't stand: a Bloom filter (1970) of one hash function.
//!
//! Each run of two, three and five bytes that is in the block's texts sets a bit, the same for the same run. What stands somewhere in the
//! block has all its runs there; so where a bit of a term is missing, the block needn't be looked through. A bit that is set may be another
//! run's, or that of a text that is gone.

/// Bits of a block: a quarter of the bytes that its texts have. A tenth to a third of them are set where it is full.
const BITS: usize = 1 << 16;
/// Lengths of runs: two letters, a character of Chinese, and what tells words apart that are made of the same syllables.
const RUNS: [usize; 3] = [2, 3, 5];

#[derive(Debug, Clone)]
pub(super) struct Bloom(Box<[u64]>);

impl Default for Bloom {
    fn default() -> Self {
        Self(vec![0; BITS / 64].into())
    }
}

impl Bloom {
    pub fn add(&mut self, text: &str) {
        each_bit(text.as_bytes(), |bit| self.0[bit as usize / 64] |= 1 << (bit % 64));
    }

    /// Whether a term with these bits may be in one of its texts.
    pub fn has(&self, bits: &[u32]) -> bool {
        bits.iter().all(|bit| self.0[*bit as usize / 64] & (1 << (bit % 64)) != 0)
    }

    pub fn bytes(&self) -> usize {
        self.0.len() * 8
    }
}

/// The bits of a term.
pub(super) fn bits(term: &str) -> Vec<u32> {
    let mut bits = Vec::new();
    each_bit(term.as_bytes(), |bit| bits.push(bit));
    // What is rarest is most likely the longest run.
    bits.reverse();
    bits
}

fn each_bit(text: &[u8], mut what: impl FnMut(u32)) {
    let mut last = 0u64;
    for (at, byte) in text.iter().enumerate() {
        last = (last << 8) | u64::from(*byte);
        for length in RUNS.into_iter().filter(|length| at + 1 >= *length) {
            let run = last & ((1 << (8 * length)) - 1);
            // No run looks like one of another length. The upper bits of a product with a large odd number depend on all of the other
            // factor (Knuth, 6.4).
            let mixed = (run | (length as u64) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            what((mixed >> (u64::BITS - BITS.ilog2())) as u32);
        }
    }
}

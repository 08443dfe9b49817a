//! A homomorphic hash of a set: LtHash over BLAKE3 (Lewi, Kim, Maykov, Weis: "Securing Update Propagation with
//! Homomorphic Hashing", 2019).
//!
//! Each element expands to 1,024 lanes of 16 bits; a set's hash is the lane-wise sum. Adding and removing an element
//! are one vector addition, in any order, so the set of unspent outputs has a running digest without a tree over it.
//! With these parameters a collision costs over 2^200 work by the paper's estimate.

use byway_primitives::Hash;
use byway_primitives::hash::Context;

const ELEMENT: Context = Context("byway 1 output set: element");
const DIGEST: Context = Context("byway 1 output set: digest");
const LANES: usize = 1024;

/// The running sum. Two sets are equal (but for negligible chance) exactly if their sums are.
#[derive(Clone, PartialEq, Eq)]
pub struct MultisetHash(Box<[u16; LANES]>);

impl Default for MultisetHash {
    fn default() -> Self {
        Self(Box::new([0; LANES]))
    }
}

impl MultisetHash {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn add(&mut self, element: &[u8]) {
        let lanes = expand(element);
        for (sum, lane) in self.0.iter_mut().zip(lanes.as_chunks::<2>().0) {
            *sum = sum.wrapping_add(u16::from_le_bytes(*lane));
        }
    }

    /// Removes an element that was added before.
    pub fn remove(&mut self, element: &[u8]) {
        let lanes = expand(element);
        for (sum, lane) in self.0.iter_mut().zip(lanes.as_chunks::<2>().0) {
            *sum = sum.wrapping_sub(u16::from_le_bytes(*lane));
        }
    }

    /// 32 bytes that stand for the set.
    pub fn digest(&self) -> Hash {
        DIGEST.hash(&[&self.to_bytes()])
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|lane| lane.to_le_bytes()).collect()
    }

    /// `None` unless there are exactly 2,048 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (lanes, rest) = bytes.as_chunks::<2>();
        if lanes.len() != LANES || !rest.is_empty() {
            return None;
        }
        let mut sum = Self::default();
        for (lane, bytes) in sum.0.iter_mut().zip(lanes) {
            *lane = u16::from_le_bytes(*bytes);
        }
        Some(sum)
    }
}

fn expand(element: &[u8]) -> [u8; 2 * LANES] {
    let mut lanes = [0; 2 * LANES];
    ELEMENT.expand(&[element], &mut lanes);
    lanes
}

impl std::fmt::Debug for MultisetHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MultisetHash({:?})", self.digest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn order_does_not_matter_and_removal_undoes(mut items in proptest::collection::vec(any::<u32>(), 0..12)) {
            let of = |items: &[u32]| {
                let mut sum = MultisetHash::new();
                items.iter().for_each(|item| sum.add(&item.to_le_bytes()));
                sum
            };
            let forward = of(&items);
            items.reverse();
            prop_assert_eq!(&forward, &of(&items));
            let mut more = forward.clone();
            more.add(b"extra");
            prop_assert_ne!(more.digest(), forward.digest());
            more.remove(b"extra");
            prop_assert_eq!(more.digest(), forward.digest());
            prop_assert_eq!(MultisetHash::from_bytes(&forward.to_bytes()), Some(forward));
        }
    }
}

//! Append-only ranges: what stands at which place of a list, provable against one hash.
//!
//! The shape is that of RFC 6962 (section 2.1): perfect binary trees over the leaves stand side by side, one per set bit
//! of the count, highest first; the lowest two tops (*peaks*) are joined, that with the next, and so on up to the highest.
//! The root digests the count and what this gives. A proof so has one hash a level, and one more at the most, whatever
//! the count is; and appending touches only peaks. The ledger keeps a range over all final transactions, which grows;
//! each snapshot has a small one over its own.

use byway_primitives::Hash;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;

use crate::transaction::TransactionId;

const LEAF: Context = Context("byway 1 range: leaf");
const NODE: Context = Context("byway 1 range: node");
const ROOT: Context = Context("byway 1 range: root");

/// Hashes of a proof: the count of leaves has so many bits.
pub const RANGE_DEPTH_MAX: usize = 64;

/// Shows that a leaf stands at a position of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeProof {
    pub position: u64,
    /// The other side of each join on the way from the leaf up. Position and count say on which side it is.
    pub path: Vec<Hash>,
}

impl RangeProof {
    /// The proof of a leaf under peak number `own`: its siblings up to that peak, and all peaks, highest first.
    pub fn under(position: u64, siblings: Vec<Hash>, peaks: &[Hash], own: usize) -> Self {
        let mut path = siblings;
        path.extend(joined(&peaks[own + 1..]));
        path.extend(peaks[..own].iter().rev());
        Self { position, path }
    }

    /// Whether `id` stands at the proof's position in the range of `count` final transactions with this root.
    pub fn verify(&self, id: TransactionId, count: u64, root: Hash) -> bool {
        self.root(leaf_hash(id), count) == Some(root)
    }

    /// The root of the range of `count` leaves in which `leaf` stands at the proof's position; `None` where the proof
    /// does not have the shape of one for that count.
    pub fn root(&self, leaf: Hash, count: u64) -> Option<Hash> {
        let (own, level) = mountain_of(count, self.position)?;
        let (siblings, above) = self.path.split_at_checked(usize::from(level))?;
        let climb = |below: Hash, (level, sibling): (usize, &Hash)| match (self.position >> level) & 1 {
            0 => node_hash(&below, sibling),
            _ => node_hash(sibling, &below),
        };
        let peak = siblings.iter().enumerate().fold(leaf, climb);
        let is_lowest = own + 1 == count.count_ones() as usize;
        let (lower, higher) =
            above.split_at_checked(usize::from(!is_lowest)).filter(|(_, higher)| higher.len() == own)?;
        let from_own = lower.first().map_or(peak, |lower| node_hash(&peak, lower));
        let top = higher.iter().fold(from_own, |lower, peak| node_hash(peak, &lower));
        Some(root_under(count, Some(top)))
    }
}

/// The root over a list of leaves.
pub fn root_over(leaves: &[Hash]) -> Hash {
    let peaks: Vec<Hash> = trees(leaves).map(tree_over).collect();
    root_of(leaves.len() as u64, &peaks)
}

/// The proof for the leaf at `position` of a list; `None` where there is no such.
pub fn prove_over(leaves: &[Hash], position: usize) -> Option<RangeProof> {
    let (own, level) = mountain_of(leaves.len() as u64, position as u64)?;
    let sibling = |level: u8| {
        let first = ((position >> level) ^ 1) << level;
        tree_over(&leaves[first..first + (1 << level)])
    };
    let siblings = (0..level).map(sibling).collect();
    let peaks: Vec<Hash> = trees(leaves).map(tree_over).collect();
    Some(RangeProof::under(position as u64, siblings, &peaks, own))
}

/// Level and index of each perfect tree of a range of `count`, highest first.
pub fn mountains(count: u64) -> impl Iterator<Item = (u8, u64)> {
    (0..64u8).rev().filter(move |level| count >> level & 1 == 1).map(move |level| (level, (count >> level) - 1))
}

/// Which mountain `position` is under, counted from the highest, and its level.
pub fn mountain_of(count: u64, position: u64) -> Option<(usize, u8)> {
    let (own, (level, _)) = mountains(count).enumerate().find(|(_, (level, index))| position >> level == *index)?;
    Some((own, level))
}

/// The leaf of a final transaction.
pub fn leaf_hash(id: TransactionId) -> Hash {
    LEAF.hash(&[&id.0.0])
}

/// The node over two others.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    NODE.hash(&[&left.0, &right.0])
}

/// The root over `count` leaves with these peaks, highest first.
pub fn root_of(count: u64, peaks: &[Hash]) -> Hash {
    root_under(count, joined(peaks))
}

/// What peaks give, joined from the lowest up.
fn joined(peaks: &[Hash]) -> Option<Hash> {
    peaks.iter().rev().copied().reduce(|lower, peak| node_hash(&peak, &lower))
}

fn root_under(count: u64, top: Option<Hash>) -> Hash {
    let mut out = Writer::new();
    out.varint(count);
    top.iter().for_each(|top| out.value(top));
    ROOT.hash(&[&out.into_bytes()])
}

/// The leaves of each perfect tree, highest first.
fn trees(leaves: &[Hash]) -> impl Iterator<Item = &[Hash]> {
    mountains(leaves.len() as u64).map(|(level, index)| {
        let first = (index as usize) << level;
        &leaves[first..first + (1 << level)]
    })
}

/// The top of the perfect tree over leaves whose number is a power of two.
fn tree_over(leaves: &[Hash]) -> Hash {
    let mut nodes = leaves.to_vec();
    while let [_, _, ..] = nodes[..] {
        nodes = nodes.as_chunks().0.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    nodes[0]
}

impl Encode for RangeProof {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.position);
        out.list(&self.path);
    }
}

impl Decode for RangeProof {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { position: input.u64()?, path: input.list(RANGE_DEPTH_MAX)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|number| leaf_hash(TransactionId(Hash([number as u8; 32])))).collect()
    }

    #[test]
    fn every_leaf_of_a_list_is_provable_at_its_place_alone() {
        for count in 0..20 {
            let leaves = leaves(count);
            let root = root_over(&leaves);
            assert_eq!(prove_over(&leaves, count), None);
            for at in 0..count {
                let proof = prove_over(&leaves, at).expect("in the list");
                for (other, leaf) in leaves.iter().enumerate() {
                    assert_eq!(proof.root(*leaf, count as u64) == Some(root), other == at, "{at} of {count}");
                    let moved = RangeProof { position: other as u64, ..proof.clone() };
                    assert_eq!(moved.root(leaves[at], count as u64) == Some(root), other == at, "{at} of {count}");
                }
                assert_ne!(proof.root(leaves[at], count as u64 + 1), Some(root));
                assert!(proof.path.len() <= count.next_power_of_two().ilog2() as usize, "{at} of {count}");
                let cut = RangeProof { path: proof.path[..proof.path.len().saturating_sub(1)].to_vec(), ..proof };
                assert_eq!(cut.root(leaves[at], count as u64) == Some(root), count == 1);
            }
        }
    }
}

//! Append-only ranges (Merkle mountain ranges): what stands at which place of a list, provable against one hash.
//!
//! Perfect binary trees over the leaves stand side by side, one per set bit of the count, highest first; the root digests
//! the count and their tops (*peaks*). The ledger keeps one over all final transactions, which grows; each snapshot has a
//! small one over its own.

use byway_primitives::Hash;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;

use crate::transaction::TransactionId;

const LEAF: Context = Context("byway 1 range: leaf");
const NODE: Context = Context("byway 1 range: node");
const ROOT: Context = Context("byway 1 range: root");

/// Siblings or peaks of a proof: the count of leaves has so many bits.
pub const RANGE_DEPTH_MAX: usize = 64;

/// Shows that a leaf stands at a position of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeProof {
    pub position: u64,
    /// From the leaf up to its peak.
    pub siblings: Vec<Hash>,
    /// All other peaks, highest first.
    pub peaks: Vec<Hash>,
}

impl RangeProof {
    /// Whether `id` stands at the proof's position in the range of `count` final transactions with this root.
    pub fn verify(&self, id: TransactionId, count: u64, root: Hash) -> bool {
        self.root(leaf_hash(id), count) == Some(root)
    }

    /// The root of the range of `count` leaves in which `leaf` stands at the proof's position; `None` where the proof
    /// does not have the shape of one for that count.
    pub fn root(&self, leaf: Hash, count: u64) -> Option<Hash> {
        let (own, level) = mountain_of(count, self.position)?;
        if self.siblings.len() != usize::from(level) || self.peaks.len() + 1 != count.count_ones() as usize {
            return None;
        }
        let climb = |below: Hash, (level, sibling): (usize, &Hash)| match (self.position >> level) & 1 {
            0 => node_hash(&below, sibling),
            _ => node_hash(sibling, &below),
        };
        let peak = self.siblings.iter().enumerate().fold(leaf, climb);
        let mut peaks = self.peaks.clone();
        peaks.insert(own, peak);
        Some(root_of(count, &peaks))
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
    let mut peaks: Vec<Hash> = trees(leaves).map(tree_over).collect();
    peaks.remove(own);
    Some(RangeProof { position: position as u64, siblings, peaks })
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

/// The root over `count` leaves with these peaks.
pub fn root_of(count: u64, peaks: &[Hash]) -> Hash {
    let mut out = Writer::new();
    out.varint(count);
    out.list(peaks);
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
        out.list(&self.siblings);
        out.list(&self.peaks);
    }
}

impl Decode for RangeProof {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { position: input.u64()?, siblings: input.list(RANGE_DEPTH_MAX)?, peaks: input.list(RANGE_DEPTH_MAX)? })
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
            }
        }
    }
}

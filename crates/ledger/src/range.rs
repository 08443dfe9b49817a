//! The append-only range of all final transactions (see [`byway_records::range`]).
//!
//! Leaves are the ids of final transactions in the order of their execution. Appending touches only peaks, and a root over
//! fewer leaves stays provable for ever.
//!
//! **On disk** are all leaves, one record for the leaves of a commit, and all inner nodes from [`STORED_LEVEL`] up. Nodes
//! below are computed from at most 2^8 leaves when a proof asks for them. So a transaction costs no record of its own,
//! and a proof reads no more than the records over a few hundred leaves. A record of leaves stands under the position of
//! its *last*, so that the one with a given leaf is the first from that leaf's position on.

use byway_primitives::{Batch, Decode, Hash, Store};
use byway_records::TransactionId;
use byway_records::range::{leaf_hash, mountain_of, mountains, node_hash, root_of};

pub use byway_records::range::RangeProof;

use crate::stored::RANGE;

/// Inner nodes are stored from this level up (leaves are level 0).
pub const STORED_LEVEL: u8 = 8;

/// The count and the peaks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransactionRange {
    count: u64,
    /// Highest first.
    peaks: Vec<Hash>,
}

impl TransactionRange {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn root(&self) -> Hash {
        root_of(self.count, &self.peaks)
    }

    /// Appends a transaction and gives its position. The inner nodes that it completes go into the batch; its leaf does
    /// with those of the same commit, by [`write`](Self::write).
    pub fn append(&mut self, id: TransactionId, batch: &mut Batch) -> u64 {
        let position = self.count;
        let (mut hash, mut level, mut index) = (leaf_hash(id), 0, position);
        while index & 1 == 1 {
            let left = self.peaks.pop().expect("a set bit of the count stands for a peak");
            hash = node_hash(&left, &hash);
            level += 1;
            index >>= 1;
            if level >= STORED_LEVEL {
                batch.put(RANGE, node_key(level, index), hash.0);
            }
        }
        self.peaks.push(hash);
        self.count += 1;
        position
    }

    /// Writes the leaves that were appended last.
    pub fn write(&self, ids: &[TransactionId], batch: &mut Batch) {
        if let Some(last) = self.count.checked_sub(1).filter(|_| !ids.is_empty()) {
            batch.put(RANGE, node_key(0, last), ids.iter().flat_map(|id| id.0.0).collect::<Vec<u8>>());
        }
    }

    /// The range over the first `count` stored transactions; `None` where a record is missing.
    pub fn load(count: u64, store: &dyn Store) -> Option<Self> {
        let peaks = mountains(count).map(|(level, index)| node(level, index, store)).collect::<Option<_>>()?;
        Some(Self { count, peaks })
    }

    /// The stored transaction at a position.
    pub fn at(position: u64, store: &dyn Store) -> Option<TransactionId> {
        leaves(position, 1, store)?.pop()
    }

    /// The proof for the transaction at `position` in this range; `None` where there is no such.
    pub fn prove(&self, position: u64, store: &dyn Store) -> Option<RangeProof> {
        if position >= self.count {
            return None;
        }
        let (own, level) = mountain_of(self.count, position)?;
        let siblings = (0..level).map(|l| node(l, (position >> l) ^ 1, store)).collect::<Option<_>>()?;
        Some(RangeProof::under(position, siblings, &self.peaks, own))
    }
}

/// The node over leaves `index << level ..`.
fn node(level: u8, index: u64, store: &dyn Store) -> Option<Hash> {
    if level >= STORED_LEVEL {
        return Hash::from_bytes(&store.load(RANGE, &node_key(level, index))?).ok();
    }
    let mut nodes: Vec<Hash> = leaves(index << level, 1 << level, store)?.into_iter().map(leaf_hash).collect();
    while let [_, _, ..] = nodes[..] {
        nodes = nodes.as_chunks().0.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    nodes.pop()
}

/// `count` stored leaves from position `first` on.
fn leaves(first: u64, count: usize, store: &dyn Store) -> Option<Vec<TransactionId>> {
    let mut found = Vec::with_capacity(count);
    while found.len() < count {
        let next = first + found.len() as u64;
        let (key, value) = store.scan(RANGE, &node_key(0, next), 1).pop()?;
        let last = leaf_position(&key)?;
        let (ids, rest) = value.as_chunks::<32>();
        let begin = (last + 1).checked_sub(ids.len() as u64).filter(|_| rest.is_empty())?;
        let skipped = usize::try_from(next.checked_sub(begin)?).ok()?;
        let ids = ids.get(skipped..).filter(|ids| !ids.is_empty())?;
        found.extend(ids.iter().take(count - found.len()).map(|id| TransactionId(Hash(*id))));
    }
    Some(found)
}

/// The position in the key of a record of leaves; `None` in that of an inner node.
fn leaf_position(key: &[u8]) -> Option<u64> {
    match key.split_first()? {
        (0, position) => Some(u64::from_be_bytes(position.try_into().ok()?)),
        _ => None,
    }
}

fn node_key(level: u8, index: u64) -> Vec<u8> {
    [&[level][..], &index.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use byway_primitives::hash::Context;
    use byway_primitives::{Encode, MemoryStore};
    use proptest::prelude::*;

    use super::*;

    fn id(number: u64) -> TransactionId {
        TransactionId(Context("byway test transaction").hash(&[&number.to_le_bytes()]))
    }

    fn range_of(count: u64) -> (TransactionRange, MemoryStore) {
        let (mut range, mut store, mut batch) = (TransactionRange::new(), MemoryStore::new(), Batch::new());
        // In commits of one, two, three … leaves.
        let (mut commit, mut size) = (Vec::new(), 1);
        for number in 0..count {
            assert_eq!(range.append(id(number), &mut batch), number);
            commit.push(id(number));
            if commit.len() == size || number + 1 == count {
                range.write(&std::mem::take(&mut commit), &mut batch);
                size += 1;
            }
        }
        store.apply(&batch);
        (range, store)
    }

    /// The root computed a second time, recursively as RFC 6962 defines it.
    fn root_by_definition(count: u64) -> Hash {
        fn tree(from: u64, to: u64) -> Hash {
            match to - from {
                1 => leaf_hash(id(from)),
                size => {
                    let middle = from + size.next_power_of_two() / 2;
                    node_hash(&tree(from, middle), &tree(middle, to))
                }
            }
        }
        root_of(count, &(0..count).next().map(|_| tree(0, count)).into_iter().collect::<Vec<_>>())
    }

    #[test]
    fn every_size_has_its_own_root_and_reloads() {
        let mut roots = std::collections::BTreeSet::new();
        for count in (0..40).chain([255, 256, 257, 511, 512, 513, 1000]) {
            let (range, store) = range_of(count);
            assert_eq!(range.root(), root_by_definition(count), "{count}");
            assert_eq!(TransactionRange::load(count, &store), Some(range.clone()), "{count}");
            assert!(roots.insert(range.root()));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_is_in_the_range_is_provable_and_nothing_else(count in 1u64..1500, at: u64, other: u64, damage: u8) {
            let (range, store) = range_of(count);
            let (at, other) = (at % count, other % count);
            let proof = range.prove(at, &store).expect("in range");
            prop_assert_eq!(RangeProof::from_bytes(&proof.to_bytes()), Ok(proof.clone()));
            prop_assert!(proof.verify(id(at), count, range.root()));
            prop_assert_eq!(proof.verify(id(other), count, range.root()), at == other);
            prop_assert!(!proof.verify(id(at), count + 1, range.root()));
            prop_assert!(range.prove(count, &store).is_none());
            let mut moved = proof.clone();
            moved.position = other;
            prop_assert_eq!(moved.verify(id(at), count, range.root()), at == other);
            let mut bad = proof;
            if !bad.path.is_empty() {
                let which = usize::from(damage) % bad.path.len();
                bad.path[which].0[0] ^= 1;
                prop_assert!(!bad.verify(id(at), count, range.root()));
            }
        }

        #[test]
        fn an_old_root_stays_provable(old in 1u64..600, more in 0u64..600, at: u64) {
            let (before, _) = range_of(old);
            let (_, store) = range_of(old + more);
            let old_range = TransactionRange::load(old, &store).expect("stored");
            prop_assert_eq!(&old_range, &before);
            let proof = old_range.prove(at % old, &store).expect("in range");
            prop_assert!(proof.verify(id(at % old), old, before.root()));
        }
    }
}

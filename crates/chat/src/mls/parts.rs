//! Trees of keys in parts, so that epochs of one room keep once what they have in common.
//!
//! Each epoch has a tree of its own, and from one to the next a commit changes few of its nodes: what is on the way from one leaf to the
//! root. In a room of a thousand that is ten nodes of two thousand. A tree is cut where its bytes say, wherever in it they stand, so what
//! does not change is cut into the same parts again, and each part is kept once under its digest.
//!
//! Which parts an epoch has, and which of them another one has as well, [`branch`](super::branch) knows. A tree is nothing secret; what is
//! secret is never kept in parts.

use std::collections::BTreeSet;

use byway_primitives::hash::Context;
use byway_primitives::{Batch, Store};

use super::{ROOMS, RoomId};

/// A tree that is shorter, in bytes, is kept whole.
pub(crate) const CUT_MIN: usize = 16 * 1024;

/// Bytes of the shortest part but the last, and of the longest.
const PART_MIN: usize = 256;
const PART_MAX: usize = 8 * 1024;

/// A part ends where so many bits of what rolls over its bytes are zero: after a kilobyte at the middle.
const ENDS_BITS: u32 = 10;

const PART: Context = Context("byway 1 hash: part of a tree of keys");

/// Bytes of a part's name. Members choose what is in trees, so it is one of which nobody finds two alike.
const ID_BYTES: usize = 32;

/// Names a part of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PartId([u8; ID_BYTES]);

impl PartId {
    fn of(part: &[u8]) -> Self {
        Self(PART.hash(&[part]).0)
    }
}

/// The parts that a tree is cut into, in order.
pub(crate) fn cut(mut tree: &[u8]) -> Vec<(PartId, &[u8])> {
    let mut parts = Vec::new();
    while !tree.is_empty() {
        let (part, rest) = tree.split_at(end_of_part(tree));
        parts.push((PartId::of(part), part));
        tree = rest;
    }
    parts
}

/// How long the first part is.
fn end_of_part(bytes: &[u8]) -> usize {
    let mut rolling = 0_u64;
    for (place, byte) in bytes.iter().enumerate().take(PART_MAX) {
        // Sixty-four bytes later nothing of this one is left.
        rolling = (rolling << 1).wrapping_add(spread(*byte));
        if place + 1 >= PART_MIN && rolling >> (u64::BITS - ENDS_BITS) == 0 {
            return place + 1;
        }
    }
    bytes.len().min(PART_MAX)
}

/// A number of many bits for each byte (the finisher of SplitMix64).
fn spread(byte: u8) -> u64 {
    let mut bits = (u64::from(byte) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Writes a tree: its parts, but those that are kept already, and gives the names of all of them.
pub(crate) fn put(room: RoomId, tree: &[u8], kept: &BTreeSet<PartId>, batch: &mut Batch) -> Vec<PartId> {
    let parts = cut(tree);
    for (id, part) in parts.iter().filter(|(id, _)| !kept.contains(id)) {
        batch.put(ROOMS, part_key(room, *id), part.to_vec());
    }
    parts.into_iter().map(|(id, _)| id).collect()
}

/// Deletes of these parts those that are not kept any more.
pub(crate) fn delete(room: RoomId, parts: &[PartId], kept: &BTreeSet<PartId>, batch: &mut Batch) {
    for part in parts.iter().filter(|part| !kept.contains(part)) {
        batch.delete(ROOMS, part_key(room, *part));
    }
}

/// A tree as it was. `None` if a part is missing.
pub(crate) fn join(room: RoomId, parts: &[PartId], store: &impl Store) -> Option<Vec<u8>> {
    let mut tree = Vec::new();
    for part in parts {
        tree.extend(store.load(ROOMS, &part_key(room, *part))?);
    }
    Some(tree)
}

/// The names of parts, as an epoch keeps them.
pub(crate) fn names(parts: &[PartId]) -> Vec<u8> {
    parts.iter().flat_map(|part| part.0).collect()
}

pub(crate) fn read_names(bytes: &[u8]) -> Vec<PartId> {
    bytes.as_chunks().0.iter().map(|name| PartId(*name)).collect()
}

fn part_key(room: RoomId, part: PartId) -> Vec<u8> {
    [&[3][..], &room.0, &part.0].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that follow from a seed.
    fn bytes(seed: u64, length: usize) -> Vec<u8> {
        let next = |state: &mut u64| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Some((*state >> 56) as u8)
        };
        let mut state = seed;
        std::iter::from_fn(|| next(&mut state)).take(length).collect()
    }

    #[test]
    fn what_was_put_in_changes_the_parts_around_it_alone() {
        let one = bytes(1, 300_000);
        let mut two = one.clone();
        // A node is put in the place of nothing, another is changed.
        two.splice(70_000..70_001, bytes(2, 150));
        two[200_000..200_100].copy_from_slice(&bytes(3, 100));
        let (one, two) = (cut(&one), cut(&two));
        assert_eq!(one.iter().flat_map(|(_, part)| part.to_vec()).count(), 300_000);
        let before: BTreeSet<PartId> = one.iter().map(|(id, _)| *id).collect();
        let new = two.iter().filter(|(id, _)| !before.contains(id)).count();
        assert!((2..=8).contains(&new), "{new} of {} are new", two.len());
        assert!((150..600).contains(&two.len()), "{}", two.len());
    }

    #[test]
    fn bytes_that_are_all_alike_are_cut_as_well() {
        let zeros = vec![0; 100_000];
        let parts = cut(&zeros);
        assert!(parts.iter().all(|(_, part)| part.len() <= PART_MAX));
        assert_eq!(parts.iter().map(|(_, part)| part.len()).sum::<usize>(), zeros.len());
    }
}

//! Part of a provable tree: some entries, and digests in place of all others.
//!
//! What it shows it shows for certain: an entry with its value, or that there is none under a key. What it hides it says
//! so, by [`Unknown`], and never takes for absent. Entries that are shown, there or absent, can be changed, and the root
//! is then that of the whole tree after the same changes: where an entry is removed, what stood beside it takes the place
//! of both, and its digest is all that this needs.
//!
//! **Order of changes.** An entry is put in beside the one at which the way of its key ends. That one is shown too as long as
//! it isn't removed before, so [`PartialTree::apply`] puts in first and removes afterwards; the tree that comes out does
//! not depend on the order.
//!
//! **Soundness** is that of a [`StateProof`](super::StateProof): for a root that was made of a well-formed tree.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use byway_primitives::Hash;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

use super::{EMPTY, Leaf, Node, ProofLeaf, bit_of, insert, path_of, remove};

/// Bytes of a key in a part.
pub const PART_KEY_BYTES_MAX: usize = 256;
/// Bytes of a value in a part.
pub const PART_VALUE_BYTES_MAX: usize = 4 * 1024;

/// The part does not show this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("that part of the tree is hidden")]
pub struct Unknown;

/// Some entries of a tree under its root.
#[derive(Debug, Clone, Default)]
pub struct PartialTree {
    /// The keys of entries that are there, so that they can be encoded again, by their paths.
    keys: BTreeMap<Hash, Vec<u8>>,
    top: Option<Arc<Node>>,
}

impl PartialTree {
    /// Nothing but the root of a tree.
    pub fn hidden(root: Hash) -> Self {
        let top = (root != EMPTY.hash(&[])).then(|| Arc::new(Node::Hidden(root)));
        Self { keys: BTreeMap::new(), top }
    }

    pub(super) fn of(top: Option<&Arc<Node>>, keys: &BTreeSet<Vec<u8>>) -> Self {
        let mut wanted: Vec<_> = keys.iter().map(|key| (path_of(key), key.clone())).collect();
        wanted.sort_unstable();
        let mut part = Self::default();
        part.top = top.map(|top| part.copy(top, &wanted));
        part
    }

    /// The part of what is below `node` that shows the wanted paths, all of which lead there.
    fn copy(&mut self, node: &Node, wanted: &[(Hash, Vec<u8>)]) -> Arc<Node> {
        Arc::new(match node {
            _ if wanted.is_empty() => Node::Hidden(node.hash()),
            Node::Hidden(hash) => Node::Hidden(*hash),
            Node::Leaf(leaf) => {
                let found = wanted.iter().find(|(path, _)| *path == leaf.leaf.path);
                if let Some((path, key)) = found {
                    self.keys.insert(*path, key.clone());
                }
                let value = leaf.value.clone().filter(|_| found.is_some());
                Node::Leaf(Leaf { value, ..leaf.clone() })
            }
            Node::Branch { bit, sides, .. } => {
                let of_side = |side| wanted.iter().filter(|(path, _)| bit_of(path, *bit) == side).cloned().collect();
                let split: [Vec<_>; 2] = [of_side(0), of_side(1)];
                let sides = [0, 1].map(|side| self.copy(&sides[side], &split[side]));
                Node::Branch { bit: *bit, hash: Some(node.hash()), sides }
            }
        })
    }

    /// What of it shows these keys: all of it, and no other part, where nothing in it is for anything else.
    #[must_use]
    pub fn only(&self, keys: &BTreeSet<Vec<u8>>) -> Self {
        Self::of(self.top.as_ref(), keys)
    }

    pub fn root(&self) -> Hash {
        self.top.as_ref().map_or_else(|| EMPTY.hash(&[]), |top| top.hash())
    }

    /// The value under `key`; `None` where there certainly is none.
    pub fn value(&self, key: &[u8]) -> Result<Option<&[u8]>, Unknown> {
        let Some(top) = &self.top else { return Ok(None) };
        let path = path_of(key);
        let leaf = top.closest(&path)?;
        if leaf.leaf.path != path {
            return Ok(None);
        }
        leaf.value.as_deref().map(Some).ok_or(Unknown)
    }

    /// Sets (`Some`) and removes (`None`) entries that are shown.
    ///
    /// # Errors
    /// The part is then of no use any more.
    pub fn apply(&mut self, changes: &BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Result<(), Unknown> {
        for (key, value) in changes {
            let Some(value) = value else { continue };
            insert(&mut self.top, Leaf::new(key, value.clone().into()))?;
            self.keys.insert(path_of(key), key.clone());
        }
        for key in changes.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key) {
            let path = path_of(key);
            let is_there =
                self.top.as_ref().is_some_and(|top| top.closest(&path).is_ok_and(|leaf| leaf.leaf.path == path));
            if is_there {
                remove(&mut self.top, &path);
                self.keys.remove(&path);
            } else {
                self.value(key)?;
            }
        }
        Ok(())
    }

    fn encode_node(&self, node: &Node, out: &mut Writer) {
        match node {
            Node::Hidden(hash) => {
                out.byte(0);
                out.value(hash);
            }
            Node::Leaf(leaf) => match (&leaf.value, self.keys.get(&leaf.leaf.path)) {
                (Some(value), Some(key)) => {
                    out.byte(1);
                    out.bytes(key);
                    out.bytes(value);
                }
                _ => {
                    out.byte(2);
                    out.value(&leaf.leaf);
                }
            },
            Node::Branch { bit, sides, .. } => {
                out.byte(3);
                out.byte(*bit);
                sides.iter().for_each(|side| self.encode_node(side, out));
            }
        }
    }

    /// Reads a node below branches that decide by bits before `bit_min`. Bits ascend, so it ends after 256 of them.
    fn decode_node(&mut self, bit_min: usize, input: &mut Reader<'_>) -> Result<Node, DecodeError> {
        match input.byte()? {
            0 => Ok(Node::Hidden(input.value()?)),
            1 => {
                let key = input.bytes(PART_KEY_BYTES_MAX)?;
                let value = input.bytes(PART_VALUE_BYTES_MAX)?;
                self.keys.insert(path_of(key), key.to_vec());
                Ok(Node::Leaf(Leaf::new(key, value.into())))
            }
            2 => {
                let leaf: ProofLeaf = input.value()?;
                Ok(Node::Leaf(Leaf { leaf, hash: leaf.hash(), value: None }))
            }
            3 => {
                let bit = input.byte()?;
                if usize::from(bit) < bit_min {
                    return Err(DecodeError::Invalid("the branches of a tree in part are not in order"));
                }
                let below = usize::from(bit) + 1;
                let left = self.decode_node(below, input)?;
                let right = self.decode_node(below, input)?;
                let mut node = Node::Branch { bit, hash: None, sides: [Arc::new(left), Arc::new(right)] };
                let digest = node.hash();
                if let Node::Branch { hash, .. } = &mut node {
                    *hash = Some(digest);
                }
                Ok(node)
            }
            other => Err(DecodeError::UnknownVariant { kind: "node", value: other.into() }),
        }
    }
}

/// Whether there is anything; then, from the top: 0 and a digest for what is hidden, 1 with key and value for an entry, 2 with
/// path and digest for one whose value is not shown, 3 with the bit and both sides for a branch.
impl Encode for PartialTree {
    fn encode(&self, out: &mut Writer) {
        out.flag(self.top.is_some());
        if let Some(top) = &self.top {
            self.encode_node(top, out);
        }
    }
}

impl Decode for PartialTree {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut part = Self::default();
        if input.flag()? {
            part.top = Some(Arc::new(part.decode_node(0, input)?));
        }
        Ok(part)
    }
}

/// Two parts are equal that show the same.
impl PartialEq for PartialTree {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}

impl Eq for PartialTree {}

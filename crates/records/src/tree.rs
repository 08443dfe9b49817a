//! A provable map: a program's entries under one root.
//!
//! **Shape.** Each entry's *path* is the digest of its key, 256 bits. The tree is a binary radix tree over the paths
//! with every node that has only one child left out, so it has one leaf per entry, one branch fewer, and a depth of
//! about log2 of the number of entries (paths are digests, nobody can pile entries up). A branch knows the number of
//! the first bit in which the paths below it differ.
//!
//! ```text
//! leaf   = H(path ‖ digest of the value)
//! branch = H(bit number ‖ left ‖ right)        left: that bit is 0
//! ```
//!
//! The shape, and so the root, follows from the set of entries alone; the order in which they came does not matter.
//!
//! **Proofs.** Following a key's bits from the root ends at exactly one leaf. Is it the key's own, the entry is there;
//! is it another's, the key is absent. So one kind of proof, the branches on that way, shows both.
//!
//! **Cost.** A change marks the branches above it; [`StateTree::rehash`] digests only those. The entries themselves are
//! also kept in the order of their raw keys, for reading by prefix. Nodes are shared: a [`FrozenTree`] costs nothing when
//! it is taken, and afterwards what changes in the tree is copied first, one node a level.
//!
//! **Parts.** Whoever knows some entries only keeps a [`PartialTree`]: the same tree, in which what isn't needed is *hidden*
//! behind its digest.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use byway_primitives::Hash;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;

pub mod partial;

pub use partial::{PartialTree, Unknown};

const PATH: Context = Context("byway 1 state: path");
const VALUE: Context = Context("byway 1 state: value");
const LEAF: Context = Context("byway 1 state: leaf");
const BRANCH: Context = Context("byway 1 state: branch");
const EMPTY: Context = Context("byway 1 state: empty");

/// Steps of a proof: a path has so many bits.
pub const PROOF_STEPS_MAX: usize = 256;

/// A map from byte strings to byte strings with a root digest.
#[derive(Debug, Clone, Default)]
pub struct StateTree {
    entries: BTreeMap<Vec<u8>, Arc<[u8]>>,
    top: Option<Arc<Node>>,
}

/// A tree as it stood at a moment, to prove its entries while the tree goes on. It shares with the tree what has not
/// changed since.
#[derive(Debug, Clone, Default)]
pub struct FrozenTree {
    top: Option<Arc<Node>>,
}

/// Shows that an entry is, or is not, under a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateProof {
    /// From the root down.
    pub steps: Vec<ProofStep>,
    /// Where the way ends; `None` only in an empty tree.
    pub leaf: Option<ProofLeaf>,
}

/// A branch on the way: the bit it decides by, and the digest of the side not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProofStep {
    pub bit: u8,
    pub sibling: Hash,
}

/// A leaf as it is digested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProofLeaf {
    pub path: Hash,
    pub value: Hash,
}

/// Why a proof shows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("the proof's branches are not in order")]
    Order,
    #[error("the proof ends at another entry than it should")]
    Leaf,
    #[error("the proof does not lead to the certified root")]
    Root,
}

#[derive(Debug, Clone)]
enum Node {
    Leaf(Leaf),
    Branch {
        bit: u8,
        hash: Option<Hash>,
        sides: [Arc<Node>; 2],
    },
    /// Something of this digest; only in a [`PartialTree`].
    Hidden(Hash),
}

#[derive(Debug, Clone)]
struct Leaf {
    leaf: ProofLeaf,
    hash: Hash,
    /// `None` where only its digest is known, which a [`PartialTree`] alone has.
    value: Option<Arc<[u8]>>,
}

impl StateTree {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value under `key`.
    pub fn value(&self, key: &[u8]) -> Option<&[u8]> {
        self.entries.get(key).map(|value| &**value)
    }

    /// The decoded value under `key`; `None` also where it is of another type.
    pub fn read<T: Decode>(&self, key: &[u8]) -> Option<T> {
        T::from_bytes(self.value(key)?).ok()
    }

    /// All entries in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|(key, value)| (key.as_slice(), &**value))
    }

    /// The entries whose key starts with `prefix`, in order.
    pub fn iter_prefix<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.iter_from(prefix).take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// The entries with `key >= from`, in order.
    pub fn iter_from<'a>(&'a self, from: &[u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let range = self.entries.range::<[u8], _>((Bound::Included(from), Bound::Unbounded));
        range.map(|(key, value)| (key.as_slice(), &**value))
    }

    /// Sets an entry and gives back what was there.
    pub fn insert(&mut self, key: Vec<u8>, value: Vec<u8>) -> Option<Vec<u8>> {
        let value: Arc<[u8]> = value.into();
        let whole = insert(&mut self.top, Leaf::new(&key, value.clone()));
        whole.expect("a whole tree hides nothing");
        self.entries.insert(key, value).map(|before| before.to_vec())
    }

    /// Removes an entry and gives back what was there.
    pub fn remove(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let value = self.entries.remove(key)?;
        remove(&mut self.top, &path_of(key));
        Some(value.to_vec())
    }

    /// Sets or removes.
    pub fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) -> Option<Vec<u8>> {
        match value {
            Some(value) => self.insert(key, value),
            None => self.remove(&key),
        }
    }

    /// The root. Changes since the last [`rehash`](Self::rehash) are digested anew at every call.
    pub fn root(&self) -> Hash {
        self.top.as_ref().map_or_else(|| EMPTY.hash(&[]), |top| top.hash())
    }

    /// Digests what changed, remembers it, and gives the root.
    pub fn rehash(&mut self) -> Hash {
        self.top.as_mut().map_or_else(|| EMPTY.hash(&[]), rehash)
    }

    /// The proof that `key` is there with its value, or is absent.
    pub fn prove(&self, key: &[u8]) -> StateProof {
        prove(self.top.as_deref(), key).0
    }

    /// The part of the tree that shows these keys, there or absent, and hides the rest.
    pub fn part(&self, keys: &BTreeSet<Vec<u8>>) -> PartialTree {
        PartialTree::of(self.top.as_ref(), keys)
    }

    /// The tree as it stands now. To be taken after a [`rehash`](Self::rehash), or every proof digests anew.
    pub fn frozen(&self) -> FrozenTree {
        FrozenTree { top: self.top.clone() }
    }
}

impl FrozenTree {
    pub fn root(&self) -> Hash {
        self.top.as_ref().map_or_else(|| EMPTY.hash(&[]), |top| top.hash())
    }

    /// The proof that `key` is there with its value, or is absent; and the value.
    pub fn prove(&self, key: &[u8]) -> (StateProof, Option<Arc<[u8]>>) {
        prove(self.top.as_deref(), key)
    }
}

/// Follows the bits of `key` from `top` to the leaf where they end.
fn prove(top: Option<&Node>, key: &[u8]) -> (StateProof, Option<Arc<[u8]>>) {
    let path = path_of(key);
    let mut steps = Vec::new();
    let mut node = top;
    while let Some(Node::Branch { bit, sides, .. }) = node {
        let side = bit_of(&path, *bit);
        steps.push(ProofStep { bit: *bit, sibling: sides[1 - side].hash() });
        node = Some(&sides[side]);
    }
    let Some(Node::Leaf(leaf)) = node else { return (StateProof { steps, leaf: None }, None) };
    let value = leaf.value.clone().filter(|_| leaf.leaf.path == path);
    (StateProof { steps, leaf: Some(leaf.leaf) }, value)
}

impl StateProof {
    /// Checks that under `root` the entry `key` has `value`, or is absent where that is `None`.
    ///
    /// Sound for a root that an honest ledger made: in such a tree every key is found by following its bits, so a way
    /// that ends elsewhere shows that it is not there.
    pub fn verify(&self, root: Hash, key: &[u8], value: Option<&[u8]>) -> Result<(), ProofError> {
        if self.root(key, value)? == root { Ok(()) } else { Err(ProofError::Root) }
    }

    /// The root of the tree in which the entry `key` has `value`, or is absent where that is `None`.
    pub fn root(&self, key: &[u8], value: Option<&[u8]>) -> Result<Hash, ProofError> {
        if !self.steps.is_sorted_by(|a, b| a.bit < b.bit) {
            return Err(ProofError::Order);
        }
        let path = path_of(key);
        let fits = match (value, self.leaf) {
            (Some(value), Some(leaf)) => leaf == ProofLeaf::of(key, value),
            (Some(_), None) => false,
            (None, Some(leaf)) => leaf.path != path,
            (None, None) => self.steps.is_empty(),
        };
        if !fits {
            return Err(ProofError::Leaf);
        }
        let end = self.leaf.map_or_else(|| EMPTY.hash(&[]), |leaf| leaf.hash());
        Ok(self.steps.iter().rev().fold(end, |below, step| match bit_of(&path, step.bit) {
            0 => branch_hash(step.bit, &below, &step.sibling),
            _ => branch_hash(step.bit, &step.sibling, &below),
        }))
    }
}

impl ProofLeaf {
    /// The leaf of an entry.
    pub fn of(key: &[u8], value: &[u8]) -> Self {
        Self { path: path_of(key), value: VALUE.hash(&[value]) }
    }

    fn hash(&self) -> Hash {
        LEAF.hash(&[&self.path.0, &self.value.0])
    }
}

impl Leaf {
    fn new(key: &[u8], value: Arc<[u8]>) -> Self {
        let leaf = ProofLeaf::of(key, &value);
        Self { leaf, hash: leaf.hash(), value: Some(value) }
    }
}

/// Puts a leaf into the tree below `top`; refused where what it would stand beside is hidden.
fn insert(top: &mut Option<Arc<Node>>, leaf: Leaf) -> Result<(), Unknown> {
    match top {
        None => *top = Some(Arc::new(Node::Leaf(leaf))),
        Some(top) => {
            let path = leaf.leaf.path;
            let fork = first_difference(&top.closest(&path)?.leaf.path, &path);
            Arc::make_mut(top).insert(leaf, fork);
        }
    }
    Ok(())
}

/// Removes the leaf of `path`, which is there, from the tree below `top`.
fn remove(top: &mut Option<Arc<Node>>, path: &Hash) {
    match top {
        Some(top) if matches!(**top, Node::Branch { .. }) => Arc::make_mut(top).remove(path),
        top => *top = None,
    }
}

impl Node {
    /// The leaf at which following `path` ends.
    fn closest(&self, path: &Hash) -> Result<&Leaf, Unknown> {
        let mut node = self;
        loop {
            match node {
                Node::Leaf(leaf) => return Ok(leaf),
                Node::Branch { bit, sides, .. } => node = &sides[bit_of(path, *bit)],
                Node::Hidden(_) => return Err(Unknown),
            }
        }
    }

    /// Puts `leaf` where its path leaves all others at bit `fork`, or over the leaf of the same path.
    fn insert(&mut self, leaf: Leaf, fork: Option<u8>) {
        match self {
            Node::Branch { bit, hash, sides } if fork.is_none_or(|fork| *bit < fork) => {
                *hash = None;
                Arc::make_mut(&mut sides[bit_of(&leaf.leaf.path, *bit)]).insert(leaf, fork);
            }
            _ => self.split(leaf, fork),
        }
    }

    /// Makes this node a branch at `fork` over itself and `leaf`; without a fork, the leaf itself.
    fn split(&mut self, leaf: Leaf, fork: Option<u8>) {
        let side = fork.map(|bit| (bit, bit_of(&leaf.leaf.path, bit)));
        let new = Node::Leaf(leaf);
        let Some((bit, side)) = side else {
            *self = new;
            return;
        };
        let (new, old) = (Arc::new(new.clone()), Arc::new(std::mem::replace(self, new)));
        let sides = if side == 0 { [new, old] } else { [old, new] };
        *self = Node::Branch { bit, hash: None, sides };
    }

    /// Removes the leaf of `path`, which is below this branch.
    fn remove(&mut self, path: &Hash) {
        let Node::Branch { bit, hash, sides } = self else { return };
        let side = bit_of(path, *bit);
        if matches!(*sides[side], Node::Branch { .. }) {
            *hash = None;
            return Arc::make_mut(&mut sides[side]).remove(path);
        }
        // The branch goes with its leaf; the other side takes its place.
        let other = sides[1 - side].clone();
        *self = Arc::unwrap_or_clone(other);
    }

    fn hash(&self) -> Hash {
        match self {
            Node::Leaf(Leaf { hash, .. }) | Node::Branch { hash: Some(hash), .. } | Node::Hidden(hash) => *hash,
            Node::Branch { bit, hash: None, sides: [left, right] } => branch_hash(*bit, &left.hash(), &right.hash()),
        }
    }
}

/// Digests what changed. What did not is left alone: it may be shared.
fn rehash(node: &mut Arc<Node>) -> Hash {
    if let Node::Branch { hash: None, .. } = **node
        && let Node::Branch { bit, hash, sides: [left, right] } = Arc::make_mut(node)
    {
        *hash = Some(branch_hash(*bit, &rehash(left), &rehash(right)));
    }
    node.hash()
}

fn path_of(key: &[u8]) -> Hash {
    PATH.hash(&[key])
}

fn branch_hash(bit: u8, left: &Hash, right: &Hash) -> Hash {
    BRANCH.hash(&[&[bit], &left.0, &right.0])
}

/// Bit number `bit` of a path, counted from the highest bit of its first byte.
fn bit_of(path: &Hash, bit: u8) -> usize {
    usize::from(path.0[usize::from(bit / 8)] >> (7 - bit % 8) & 1)
}

/// The first bit in which two paths differ.
fn first_difference(a: &Hash, b: &Hash) -> Option<u8> {
    let byte = a.0.iter().zip(&b.0).position(|(a, b)| a != b)?;
    let bit = (a.0[byte] ^ b.0[byte]).leading_zeros() as usize;
    u8::try_from(byte * 8 + bit).ok()
}

impl Encode for ProofStep {
    fn encode(&self, out: &mut Writer) {
        out.byte(self.bit);
        out.value(&self.sibling);
    }
}

impl Decode for ProofStep {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { bit: input.byte()?, sibling: input.value()? })
    }
}

impl Encode for ProofLeaf {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.path);
        out.value(&self.value);
    }
}

impl Decode for ProofLeaf {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { path: input.value()?, value: input.value()? })
    }
}

impl Encode for StateProof {
    fn encode(&self, out: &mut Writer) {
        out.list(&self.steps);
        out.option(self.leaf.as_ref());
    }
}

impl Decode for StateProof {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { steps: input.list(PROOF_STEPS_MAX)?, leaf: input.option()? })
    }
}

//! The BLAKE3 tree of a sealed file, as far down as its groups. BLAKE3 is a tree of digests already: a group of a power of two of its
//! chunks is a subtree, whose value the library gives. All groups' values together make the root, which is the file's name; so who
//! has checked them once against it checks each group by itself (verified streaming, O'Connor et al., 2020).

use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use byway_primitives::Hash;

use super::SIZE_BYTES_MAX;

/// Bytes of a group but the last. A file of 2 GiB has 8,192 of them, whose values have 256 KiB.
pub const GROUP_BYTES: usize = 256 * 1024;
/// Groups of a file.
pub const GROUPS_MAX: usize = (SIZE_BYTES_MAX / GROUP_BYTES as u64) as usize;

/// Bytes of a group's value.
pub const VALUE_BYTES: usize = 32;

/// The values of a file's groups, which were found to make up its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    root: Hash,
    size: u64,
    /// None where there is one group: that is checked against the root.
    values: Vec<ChainingValue>,
}

/// What somebody says to be a file is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Untrue {
    #[error("a file has from 1 byte to {SIZE_BYTES_MAX} when it is sealed")]
    Size,
    #[error("the digests of its parts are not those of that file")]
    Values,
    #[error("part {0} is not of that file")]
    Group(u32),
}

impl Groups {
    /// Of the file of `size` bytes named `root`, from the values that somebody gives: [`values_of`] `size` of them.
    ///
    /// # Errors
    /// [`Untrue`] where no file of that name and size has groups of these values.
    pub fn new(root: Hash, size: u64, values: Vec<ChainingValue>) -> Result<Self, Untrue> {
        if !(1..=SIZE_BYTES_MAX).contains(&size) {
            return Err(Untrue::Size);
        }
        if values.len() != values_of(size) || top(&values).is_some_and(|top| top != root) {
            return Err(Untrue::Values);
        }
        Ok(Self { root, size, values })
    }

    pub fn count(&self) -> u32 {
        groups_of(self.size)
    }

    /// Bytes of a group; none past the end.
    pub fn bytes_of(&self, group: u32) -> usize {
        let left = self.size.saturating_sub(u64::from(group) * GROUP_BYTES as u64);
        usize::try_from(left).map_or(GROUP_BYTES, |left| left.min(GROUP_BYTES))
    }

    /// Checks that these are the bytes of a group.
    ///
    /// # Errors
    /// [`Untrue::Group`].
    pub fn check(&self, group: u32, bytes: &[u8]) -> Result<(), Untrue> {
        let is_so = bytes.len() == self.bytes_of(group)
            && match (self.values.get(group as usize), group) {
                (Some(value), _) => value_of(group, bytes) == *value,
                (None, 0) => blake3::hash(bytes) == self.root.0,
                (None, _) => false,
            };
        if is_so { Ok(()) } else { Err(Untrue::Group(group)) }
    }

    /// As they are sent and kept: one after the other.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.values.concat()
    }

    /// From what [`to_bytes`](Self::to_bytes) gave, or somebody sent.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_bytes(root: Hash, size: u64, bytes: &[u8]) -> Result<Self, Untrue> {
        let (values, rest) = bytes.as_chunks::<VALUE_BYTES>();
        if rest.is_empty() { Self::new(root, size, values.to_vec()) } else { Err(Untrue::Values) }
    }
}

/// How many groups a file of `size` bytes has, at most [`GROUPS_MAX`] where it may be.
pub fn groups_of(size: u64) -> u32 {
    u32::try_from(size.div_ceil(GROUP_BYTES as u64)).unwrap_or(u32::MAX)
}

/// How many values are given of a file of `size` bytes.
pub fn values_of(size: u64) -> usize {
    if size <= GROUP_BYTES as u64 { 0 } else { groups_of(size) as usize }
}

/// Names a file that comes in parts of any size.
#[derive(Debug, Clone, Default)]
pub struct Naming {
    group: Hasher,
    /// Bytes of the group that is being read.
    held: usize,
    size: u64,
    values: Vec<ChainingValue>,
}

impl Naming {
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            // What is last is not known before more comes: the root of one group is no group's value.
            if self.held == GROUP_BYTES {
                self.values.push(self.group.finalize_non_root());
                self.group = group_hasher(self.values.len());
                self.held = 0;
            }
            let (now, later) = bytes.split_at(bytes.len().min(GROUP_BYTES - self.held));
            self.group.update(now);
            (self.held, self.size, bytes) = (self.held + now.len(), self.size + now.len() as u64, later);
        }
    }

    /// The name and the groups of all that was pushed. `None` of nothing, and of more than [`SIZE_BYTES_MAX`].
    pub fn finish(mut self) -> Option<(Hash, Groups)> {
        if !(1..=SIZE_BYTES_MAX).contains(&self.size) {
            return None;
        }
        if self.values.is_empty() {
            let root = Hash(*self.group.finalize().as_bytes());
            return Some((root, Groups { root, size: self.size, values: Vec::new() }));
        }
        self.values.push(self.group.finalize_non_root());
        let root = top(&self.values)?;
        Some((root, Groups { root, size: self.size, values: self.values }))
    }
}

fn group_hasher(group: usize) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.set_input_offset(group as u64 * GROUP_BYTES as u64);
    hasher
}

/// The value of a group that is not the only one.
fn value_of(group: u32, bytes: &[u8]) -> ChainingValue {
    group_hasher(group as usize).update(bytes).finalize_non_root()
}

/// What two values or more make up. The left side is the largest power of two of groups that leaves something for the right one.
fn top(values: &[ChainingValue]) -> Option<Hash> {
    let (left, right) = halves(values)?;
    Some(Hash(*merge_subtrees_root(&joined(left), &joined(right), Mode::Hash).as_bytes()))
}

fn joined(values: &[ChainingValue]) -> ChainingValue {
    match (halves(values), values) {
        (Some((left, right)), _) => merge_subtrees_non_root(&joined(left), &joined(right), Mode::Hash),
        (None, [value, ..]) => *value,
        (None, []) => unreachable!("halves of two or more values have one or more"),
    }
}

fn halves(values: &[ChainingValue]) -> Option<(&[ChainingValue], &[ChainingValue])> {
    (values.len() > 1).then(|| values.split_at(values.len().div_ceil(2).next_power_of_two()))
}

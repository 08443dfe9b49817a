//! What followers are given of the programs' state, and how they check it.
//!
//! The *state root* in a checkpoint is a digest of the list of all programs' roots. A follower keeps whole trees of the
//! programs that it cares about and for each checkpoint takes a [`ProgramDifference`] per program: the entries that
//! changed, and the roots of all other programs. Applied to the follower's tree it must give the root that, together
//! with the others, digests to the certified state root. Who sent it need not be trusted.

use byway_primitives::Hash;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_records::ProgramId;

use crate::tree::StateTree;

const STATE_ROOT: Context = Context("byway 1 state: root of all programs");
const GROUP_ROOT: Context = Context("byway 1 state: root of a group of programs");

/// Numbers of programs whose roots are digested together.
const GROUP_PROGRAMS: u16 = 4;

/// Programs that a ledger can have. There are four; the list is sent with every difference.
pub const PROGRAMS_MAX: usize = 64;
/// Bytes of an entry's key. The longest, a series, has about 130.
pub const ENTRY_KEY_BYTES_MAX: usize = 256;
/// Bytes of an entry's value. The longest, an offer, fits a call of 16 KiB and a little around it.
pub const ENTRY_VALUE_BYTES_MAX: usize = 32 * 1024;
/// Entries of one program that change between two checkpoints: more than a kernel at its limit changes.
pub const CHANGES_MAX: usize = 1 << 20;

/// An entry's new value, or its removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// The root of one program's tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgramRoot {
    pub program: ProgramId,
    pub root: Hash,
}

/// What changed in one program since the checkpoint before, in the order of the keys, and its root afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramChanges {
    pub program: ProgramId,
    pub root: Hash,
    pub entries: Vec<Change>,
}

/// What changed in every program since the checkpoint before: one element per program, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateChanges {
    pub programs: Vec<ProgramChanges>,
}

/// What a follower of one program takes per checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramDifference {
    pub program: ProgramId,
    pub entries: Vec<Change>,
    /// The roots of all other programs, in order.
    pub sibling_roots: Vec<ProgramRoot>,
}

/// A difference that doesn't lead to the certified state. Whoever sent it is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DifferenceError {
    #[error("the difference's entries or roots are not in order")]
    Order,
    #[error("the difference does not lead to the certified state root")]
    Root,
}

/// The digest of all programs' roots. They must be in the order of their programs.
///
/// Roots are digested in groups of [`GROUP_PROGRAMS`] numbers, and then the groups, so that a proof of one entry does not
/// grow with every program that there comes to be.
pub fn state_root(roots: &[ProgramRoot]) -> Hash {
    root_of_groups(
        &roots.chunk_by(|a, b| group_of(a.program) == group_of(b.program)).map(group_root).collect::<Vec<_>>(),
    )
}

/// Which group a program's root is digested in.
pub(crate) fn group_of(program: ProgramId) -> usize {
    usize::from(program.0 / GROUP_PROGRAMS)
}

/// The digest of one group's roots, in order.
pub(crate) fn group_root(roots: &[ProgramRoot]) -> Hash {
    let mut out = Writer::new();
    out.list(roots);
    GROUP_ROOT.hash(&[&out.into_bytes()])
}

/// The digest of all groups, in order.
fn root_of_groups(groups: &[Hash]) -> Hash {
    let mut out = Writer::new();
    out.list(groups);
    STATE_ROOT.hash(&[&out.into_bytes()])
}

impl StateChanges {
    pub fn roots(&self) -> Vec<ProgramRoot> {
        self.programs.iter().map(|p| ProgramRoot { program: p.program, root: p.root }).collect()
    }

    pub fn state_root(&self) -> Hash {
        state_root(&self.roots())
    }

    /// What a follower of `program` needs of this; `None` for a program that the ledger doesn't have.
    pub fn difference(&self, program: ProgramId) -> Option<ProgramDifference> {
        let own = self.programs.iter().find(|changes| changes.program == program)?;
        let sibling_roots = self.roots().into_iter().filter(|root| root.program != program).collect();
        Some(ProgramDifference { program, entries: own.entries.clone(), sibling_roots })
    }
}

impl ProgramDifference {
    /// Applies the difference to a copy of the program's tree as it was at the checkpoint before.
    ///
    /// # Errors
    /// The tree is then as it was before the call.
    pub fn apply(&self, tree: &mut StateTree, certified: Hash) -> Result<(), DifferenceError> {
        if !self.entries.is_sorted_by(|a, b| a.key < b.key) {
            return Err(DifferenceError::Order);
        }
        let before: Vec<_> =
            self.entries.iter().map(|change| tree.set(change.key.clone(), change.value.clone())).collect();
        let root = tree.rehash();
        let checked = check_root(self.program, root, &self.sibling_roots, certified);
        if checked.is_err() {
            for (change, value) in self.entries.iter().zip(before) {
                tree.set(change.key.clone(), value);
            }
            tree.rehash();
        }
        checked
    }
}

/// Whether `root` of `program`, the roots of the others in its group and the digests of the other groups come to the
/// certified state root.
pub(crate) fn check_root_in_group(
    program: ProgramId,
    root: Hash,
    sibling_roots: &[ProgramRoot],
    other_groups: &[Hash],
    certified: Hash,
) -> Result<(), DifferenceError> {
    let mut roots = sibling_roots.to_vec();
    roots.push(ProgramRoot { program, root });
    roots.sort_by_key(|root| root.program);
    let group = group_of(program);
    let is_one_group = roots.iter().all(|root| group_of(root.program) == group);
    let is_ordered = roots.is_sorted_by(|a, b| a.program < b.program);
    if !is_one_group || !is_ordered || group > other_groups.len() {
        return Err(DifferenceError::Order);
    }
    let mut groups = other_groups.to_vec();
    groups.insert(group, group_root(&roots));
    if root_of_groups(&groups) == certified { Ok(()) } else { Err(DifferenceError::Root) }
}

/// Whether `root` of `program` and the roots of the others digest to the certified state root.
pub fn check_root(
    program: ProgramId,
    root: Hash,
    sibling_roots: &[ProgramRoot],
    certified: Hash,
) -> Result<(), DifferenceError> {
    let mut roots = sibling_roots.to_vec();
    roots.push(ProgramRoot { program, root });
    roots.sort_by_key(|root| root.program);
    if roots.windows(2).any(|pair| pair[0].program == pair[1].program) {
        return Err(DifferenceError::Order);
    }
    if state_root(&roots) == certified { Ok(()) } else { Err(DifferenceError::Root) }
}

impl Encode for Change {
    fn encode(&self, out: &mut Writer) {
        out.bytes(&self.key);
        out.flag(self.value.is_some());
        if let Some(value) = &self.value {
            out.bytes(value);
        }
    }
}

impl Decode for Change {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let key = input.bytes(ENTRY_KEY_BYTES_MAX)?.to_vec();
        let value = if input.flag()? { Some(input.bytes(ENTRY_VALUE_BYTES_MAX)?.to_vec()) } else { None };
        Ok(Self { key, value })
    }
}

impl Encode for ProgramRoot {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.program);
        out.value(&self.root);
    }
}

impl Decode for ProgramRoot {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { program: input.value()?, root: input.value()? })
    }
}

impl Encode for ProgramChanges {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.program);
        out.value(&self.root);
        out.list(&self.entries);
    }
}

impl Decode for ProgramChanges {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { program: input.value()?, root: input.value()?, entries: input.list(CHANGES_MAX)? })
    }
}

impl Encode for StateChanges {
    fn encode(&self, out: &mut Writer) {
        out.list(&self.programs);
    }
}

impl Decode for StateChanges {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { programs: input.list(PROGRAMS_MAX)? })
    }
}

impl Encode for ProgramDifference {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.program);
        out.list(&self.entries);
        out.list(&self.sibling_roots);
    }
}

impl Decode for ProgramDifference {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            program: input.value()?,
            entries: input.list(CHANGES_MAX)?,
            sibling_roots: input.list(PROGRAMS_MAX)?,
        })
    }
}

//! Proving a single entry of the programs' state to someone who keeps none of it (row K6).
//!
//! The *state root* in a checkpoint digests the roots of all programs, a few at a time. An [`EntryProof`] leads from an entry, or
//! from the place where it would be, over its program's root, those of the others in its group, and the other groups to the
//! state root.
//!
//! Execution runs ahead of checkpoints, and checkpoints ahead of their certificates. What is proved must be certified, so a
//! [`ProvableState`] keeps the trees as they stood at a checkpoint; it shares with the ledger's all that has not changed
//! since.

use std::collections::BTreeMap;

use byway_primitives::Hash;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_records::ProgramId;

use crate::difference::{
    DifferenceError, ENTRY_VALUE_BYTES_MAX, PROGRAMS_MAX, ProgramRoot, check_root_in_group, group_of, group_root,
};
use crate::ledger::Ledger;
use crate::tree::{FrozenTree, PROOF_STEPS_MAX, ProofError, ProofLeaf, ProofStep, StateProof};

/// All programs' state at a checkpoint.
#[derive(Debug, Clone, Default)]
pub struct ProvableState {
    trees: BTreeMap<ProgramId, FrozenTree>,
}

/// Shows an entry of a program, or that there is none, to whoever knows the state root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryProof {
    /// From the program's root down.
    pub steps: Vec<ProofStep>,
    pub end: WayEnd,
    /// The roots of the other programs in its group, in order.
    pub sibling_roots: Vec<ProgramRoot>,
    /// The digests of the other groups, in order.
    pub other_groups: Vec<Hash>,
}

/// Where the way of a key ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WayEnd {
    /// At its entry, with this value.
    Present(Vec<u8>),
    /// At another entry, or in a program without entries.
    Absent(Option<ProofLeaf>),
}

/// Why an [`EntryProof`] shows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryProofError {
    #[error(transparent)]
    Proof(#[from] ProofError),
    #[error(transparent)]
    Roots(#[from] DifferenceError),
}

impl ProvableState {
    pub(crate) fn new(trees: BTreeMap<ProgramId, FrozenTree>) -> Self {
        Self { trees }
    }

    /// Every program's root, in order.
    pub fn roots(&self) -> Vec<ProgramRoot> {
        self.trees.iter().map(|(program, tree)| ProgramRoot { program: *program, root: tree.root() }).collect()
    }

    /// The proof of an entry; `None` for a program that there isn't.
    pub fn prove(&self, program: ProgramId, key: &[u8]) -> Option<EntryProof> {
        let (StateProof { steps, leaf }, value) = self.trees.get(&program)?.prove(key);
        let end = value.map_or(WayEnd::Absent(leaf), |value| WayEnd::Present(value.to_vec()));
        let (mut sibling_roots, mut other_groups) = (Vec::new(), Vec::new());
        for group in self.roots().chunk_by(|a, b| group_of(a.program) == group_of(b.program)) {
            if group_of(group[0].program) == group_of(program) {
                sibling_roots = group.iter().copied().filter(|root| root.program != program).collect();
            } else {
                other_groups.push(group_root(group));
            }
        }
        Some(EntryProof { steps, end, sibling_roots, other_groups })
    }
}

impl EntryProof {
    /// The value that the entry certainly has under the certified state root; `None` where it certainly isn't there.
    pub fn verify(&self, program: ProgramId, key: &[u8], certified: Hash) -> Result<Option<&[u8]>, EntryProofError> {
        let (value, leaf) = match &self.end {
            WayEnd::Present(value) => (Some(value.as_slice()), Some(ProofLeaf::of(key, value))),
            WayEnd::Absent(leaf) => (None, *leaf),
        };
        let root = StateProof { steps: self.steps.clone(), leaf }.root(key, value)?;
        check_root_in_group(program, root, &self.sibling_roots, &self.other_groups, certified)?;
        Ok(value)
    }
}

impl Ledger {
    /// The programs' state at the last checkpoint; at genesis before the first.
    pub fn provable_state(&self) -> &ProvableState {
        self.programs.checkpointed()
    }
}

impl Encode for EntryProof {
    fn encode(&self, out: &mut Writer) {
        out.list(&self.steps);
        match &self.end {
            WayEnd::Present(value) => {
                out.byte(1);
                out.bytes(value);
            }
            WayEnd::Absent(leaf) => {
                out.byte(0);
                out.option(leaf.as_ref());
            }
        }
        out.list(&self.sibling_roots);
        out.list(&self.other_groups);
    }
}

impl Decode for EntryProof {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let steps = input.list(PROOF_STEPS_MAX)?;
        let end = match input.flag()? {
            true => WayEnd::Present(input.bytes(ENTRY_VALUE_BYTES_MAX)?.to_vec()),
            false => WayEnd::Absent(input.option()?),
        };
        Ok(Self { steps, end, sibling_roots: input.list(PROGRAMS_MAX)?, other_groups: input.list(PROGRAMS_MAX)? })
    }
}

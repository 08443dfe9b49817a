//! What light clients are proved of the programs' state: the trees as they stood at the newest certified checkpoint.

use std::collections::BTreeMap;

use byway_ledger::{EntryProof, ProvableState};
use byway_primitives::Store;
use byway_records::{Certificate, Height, ProgramId};

use super::Kernel;
use crate::archive;

/// Checkpoints that wait for their certificate: as many as votes are counted ahead for. Of later ones no entry is proved
/// before the next that has room.
const OPEN_MAX: usize = 64;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Provable {
    certified: Option<(Certificate, ProvableState)>,
    /// Executed here, and not certified.
    open: BTreeMap<Height, ProvableState>,
}

impl Provable {
    /// Where a restarted node stands: with its last checkpoint, certified or not.
    pub fn resume(height: Height, state: &ProvableState, store: &dyn Store) -> Self {
        let mut provable = Self::default();
        provable.executed(height, state);
        if let Some(certificate) = archive::stored_certificate(store, height) {
            provable.certified(&certificate);
        }
        provable
    }

    pub fn executed(&mut self, height: Height, state: &ProvableState) {
        if self.open.len() < OPEN_MAX {
            self.open.insert(height, state.clone());
        }
    }

    /// Of several certified checkpoints the newest is kept.
    pub fn certified(&mut self, certificate: &Certificate) {
        let height = certificate.checkpoint.height;
        let Some(state) = self.open.remove(&height) else { return };
        self.open = self.open.split_off(&height);
        self.certified = Some((certificate.clone(), state));
    }
}

impl Kernel {
    /// The proof of an entry, or that there is none, and the newest certificate that it is under; `None` for a program
    /// that there isn't, and after a restart until a checkpoint is certified.
    pub fn prove_entry(&self, program: ProgramId, key: &[u8]) -> Option<(Certificate, EntryProof)> {
        let (certificate, state) = self.provable.certified.as_ref()?;
        Some((certificate.clone(), state.prove(program, key)?))
    }
}

//! Consolidation: many small outputs into one, without telling more than it must (rows I3, K2).
//!
//! Outputs that are spent together are seen to belong together. So by default only outputs are merged that *one
//! transaction* made: their payer knows anyway that they went to one person, and whoever reads the ledger learns no
//! more than that of these outputs. Merging what came from different payers would tell each of them, and everyone else,
//! that they pay the same person; that is done only by whoever asks for it ([`Mixing::Everything`]).
//!
//! Each merge is a transaction of its own. When it is sent is up to the caller, who should spread them: transactions at
//! one moment from one node link what their contents don't.

use std::collections::BTreeMap;

use byway_primitives::AssetId;
use byway_records::OutputId;

use super::Wallet;

/// Outputs merged by one transaction: it stays far below a transaction's longest.
pub const MERGE_INPUTS_MAX: usize = 64;

/// Which outputs may be spent together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mixing {
    /// Only those that one transaction made.
    OnePayment,
    /// Any of one asset. Links payers.
    Everything,
}

impl Wallet {
    /// Free outputs to be merged, one list per transaction to be made ([`Wish::merge`](super::Wish::merge)). Each has at
    /// least two.
    pub fn mergeable(&self, mixing: Mixing) -> Vec<Vec<OutputId>> {
        let held = self.held();
        let mut together: BTreeMap<_, Vec<OutputId>> = BTreeMap::new();
        let own = self.owned.iter().filter(|(_, owned)| owned.group.is_none());
        for (id, owned) in own.filter(|(id, _)| !held.contains_key(id)) {
            let asset: AssetId = owned.output.value.asset;
            let origin = match mixing {
                Mixing::OnePayment => Some(id.transaction),
                Mixing::Everything => None,
            };
            together.entry((asset, origin)).or_default().push(*id);
        }
        let parts = together.values().flat_map(|outputs| outputs.chunks(MERGE_INPUTS_MAX));
        parts.filter(|part| part.len() > 1).map(<[_]>::to_vec).collect()
    }
}

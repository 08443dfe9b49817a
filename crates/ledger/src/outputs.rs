//! Unspent outputs within one commit (row K1).
//!
//! Outputs live in the store, of which there may be far more than fit in memory. While a commit is executed this holds
//! what the commit itself made and spent; at its end the difference goes into the batch and into the homomorphic sum.
//! An output that is made and spent within one commit touches neither.

use std::borrow::Cow;
use std::collections::BTreeMap;

use byway_crypto::multiset::MultisetHash;
use byway_primitives::{Batch, Decode, Encode, Store};
use byway_records::{Output, OutputId};

use crate::stored::OUTPUTS;

pub(crate) struct Outputs<'a> {
    store: &'a dyn Store,
    made: BTreeMap<OutputId, &'a Output>,
    /// Taken out of the store.
    spent: BTreeMap<OutputId, Output>,
}

impl<'a> Outputs<'a> {
    pub fn new(store: &'a dyn Store) -> Self {
        Self { store, made: BTreeMap::new(), spent: BTreeMap::new() }
    }

    /// The output, if it exists and is not spent.
    pub fn unspent(&self, id: OutputId) -> Option<Cow<'a, Output>> {
        if let Some(made) = self.made.get(&id) {
            return Some(Cow::Borrowed(made));
        }
        if self.spent.contains_key(&id) {
            return None;
        }
        stored_output(self.store, id).map(Cow::Owned)
    }

    /// Spends an output that [`unspent`](Self::unspent) gave.
    pub fn spend(&mut self, id: OutputId, output: Cow<'a, Output>) {
        if self.made.remove(&id).is_none() {
            self.spent.insert(id, output.into_owned());
        }
    }

    pub fn make(&mut self, id: OutputId, output: &'a Output) {
        self.made.insert(id, output);
    }

    /// Writes what changed, and brings the sum of unspent outputs up to date. Whether anything changed.
    pub fn finish(self, sum: &mut MultisetHash, batch: &mut Batch) -> bool {
        let changed = !self.spent.is_empty() || !self.made.is_empty();
        for (id, output) in self.spent {
            sum.remove(&output.set_element(id).0);
            batch.delete(OUTPUTS, id.to_bytes());
        }
        for (id, output) in self.made {
            sum.add(&output.set_element(id).0);
            batch.put(OUTPUTS, id.to_bytes(), output.to_bytes());
        }
        changed
    }
}

/// The unspent output of this id.
pub(crate) fn stored_output(store: &dyn Store, id: OutputId) -> Option<Output> {
    let bytes = store.load(OUTPUTS, &id.to_bytes())?;
    Some(
        Output::from_bytes(&bytes).expect("the store holds outputs as the ledger wrote them, which opening it checked"),
    )
}

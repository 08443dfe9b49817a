//! A store with writes on top that have not been handed out yet.
//!
//! Within one input the machine may execute several commits, each of which reads what those before it wrote, while its
//! `Persist` comes only at the end.

use std::collections::BTreeMap;

use byway_primitives::store::Entry;
use byway_primitives::{Space, Store, Write};

/// Reads `base` through the writes absorbed.
pub struct Overlay<'a> {
    base: &'a dyn Store,
    writes: BTreeMap<Space, BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
}

impl<'a> Overlay<'a> {
    pub fn new(base: &'a dyn Store) -> Self {
        Self { base, writes: BTreeMap::new() }
    }

    /// Puts later writes on top.
    pub fn absorb(&mut self, writes: &[Write]) {
        for write in writes {
            self.writes.entry(write.space).or_default().insert(write.key.clone(), write.value.clone());
        }
    }
}

impl Store for Overlay<'_> {
    fn load(&self, space: Space, key: &[u8]) -> Option<Vec<u8>> {
        match self.writes.get(&space).and_then(|writes| writes.get(key)) {
            Some(value) => value.clone(),
            None => self.base.load(space, key),
        }
    }

    fn scan(&self, space: Space, from: &[u8], limit: usize) -> Vec<Entry> {
        let Some(writes) = self.writes.get(&space) else { return self.base.scan(space, from, limit) };
        let on_top: Vec<_> = writes.range(from.to_vec()..).collect();
        // Every write on top hides at most one entry below, so this many from below are enough.
        let below = self.base.scan(space, from, limit.saturating_add(on_top.len()));
        let is_complete = below.len() < limit.saturating_add(on_top.len());
        let end = below.last().map(|(key, _)| key.clone());
        let mut merged: BTreeMap<Vec<u8>, Option<Vec<u8>>> =
            below.into_iter().map(|(key, value)| (key, Some(value))).collect();
        let in_reach = |key: &Vec<u8>| is_complete || end.as_ref().is_some_and(|end| key <= end);
        merged.extend(on_top.into_iter().filter(|(key, _)| in_reach(key)).map(|(k, v)| (k.clone(), v.clone())));
        merged.into_iter().filter_map(|(key, value)| Some((key, value?))).take(limit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byway_primitives::{Batch, MemoryStore};
    use proptest::prelude::*;

    const SPACE: Space = Space("test");

    fn batch(writes: &[(u8, Option<u8>)]) -> Batch {
        let mut batch = Batch::new();
        for (key, value) in writes {
            match value {
                Some(value) => batch.put(SPACE, [*key], [*value]),
                None => batch.delete(SPACE, [*key]),
            }
        }
        batch
    }

    proptest! {
        /// Reading through the overlay is reading after the writes.
        #[test]
        fn an_overlay_reads_as_if_written(
            below: Vec<(u8, Option<u8>)>,
            above: Vec<(u8, Option<u8>)>,
            from: u8,
            limit in 0usize..20,
        ) {
            let mut base = MemoryStore::new();
            base.apply(&batch(&below));
            let mut overlay = Overlay::new(&base);
            overlay.absorb(&batch(&above).writes);
            let mut written = base.clone();
            written.apply(&batch(&above));
            prop_assert_eq!(overlay.scan(SPACE, &[from], limit), written.scan(SPACE, &[from], limit));
            prop_assert_eq!(overlay.load(SPACE, &[from]), written.load(SPACE, &[from]));
        }
    }
}

//! What a machine may read from disk, and a store in memory for tests and the simulator.

use std::collections::BTreeMap;

use crate::effect::Batch;

/// A named, separately ordered part of a store. The name is also what it is called on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Space(pub &'static str);

/// Key and value as stored.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Synchronous reads that already show the machine's own pending writes (see [`effect`](crate::effect)).
///
/// There is no error: an implementation that can't read stops the node, because a machine that went on without what it
/// wrote would break its promises.
pub trait Store {
    fn load(&self, space: Space, key: &[u8]) -> Option<Vec<u8>>;

    /// Up to `limit` entries with `key >= from`, in key order.
    fn scan(&self, space: Space, from: &[u8], limit: usize) -> Vec<Entry>;

    /// The keys of what [`scan`](Self::scan) gives, for whoever has no use for the values, which may be large.
    fn scan_keys(&self, space: Space, from: &[u8], limit: usize) -> Vec<Vec<u8>> {
        self.scan(space, from, limit).into_iter().map(|(key, _)| key).collect()
    }

    fn contains(&self, space: Space, key: &[u8]) -> bool {
        self.load(space, key).is_some()
    }

    /// Every entry whose key starts with `prefix`, in key order. For parts known to be small enough for memory.
    fn scan_prefix(&self, space: Space, prefix: &[u8]) -> Vec<Entry> {
        const PAGE: usize = 1024;
        let mut found = Vec::new();
        let mut from = prefix.to_vec();
        loop {
            let page = self.scan(space, &from, PAGE);
            let full = page.len() == PAGE;
            let inside = page.into_iter().take_while(|(key, _)| key.starts_with(prefix));
            let before = found.len();
            found.extend(inside);
            if !full || found.len() - before < PAGE {
                return found;
            }
            // The successor of the last key is the key with a zero byte behind it.
            from = found.last().map(|(key, _)| key.clone()).unwrap_or_default();
            from.push(0);
        }
    }
}

/// A store as it will be once a batch is written.
pub struct Pending<'a, S> {
    pub store: &'a S,
    pub batch: &'a Batch,
}

impl<S: Store> Store for Pending<'_, S> {
    fn load(&self, space: Space, key: &[u8]) -> Option<Vec<u8>> {
        let written = self.batch.writes.iter().rev().find(|write| write.space == space && write.key == key);
        match written {
            Some(write) => write.value.clone(),
            None => self.store.load(space, key),
        }
    }

    fn scan(&self, space: Space, from: &[u8], limit: usize) -> Vec<Entry> {
        let mut found: BTreeMap<_, _> = BTreeMap::new();
        // What the batch deletes makes room for as many more.
        let deleted = self.batch.writes.iter().filter(|write| write.space == space && write.value.is_none()).count();
        found.extend(self.store.scan(space, from, limit.saturating_add(deleted)));
        for write in self.batch.writes.iter().filter(|write| write.space == space && write.key.as_slice() >= from) {
            match &write.value {
                Some(value) => found.insert(write.key.clone(), value.clone()),
                None => found.remove(&write.key),
            };
        }
        found.into_iter().take(limit).collect()
    }
}

/// Everything in memory, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryStore {
    spaces: BTreeMap<Space, BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn apply(&mut self, batch: &Batch) {
        for write in &batch.writes {
            let space = self.spaces.entry(write.space).or_default();
            match &write.value {
                Some(value) => space.insert(write.key.clone(), value.clone()),
                None => space.remove(&write.key),
            };
        }
    }
}

impl Store for MemoryStore {
    fn load(&self, space: Space, key: &[u8]) -> Option<Vec<u8>> {
        self.spaces.get(&space)?.get(key).cloned()
    }

    fn scan(&self, space: Space, from: &[u8], limit: usize) -> Vec<Entry> {
        let Some(entries) = self.spaces.get(&space) else { return Vec::new() };
        entries.range(from.to_vec()..).take(limit).map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    fn scan_keys(&self, space: Space, from: &[u8], limit: usize) -> Vec<Vec<u8>> {
        let entries = self.spaces.get(&space).into_iter().flat_map(|entries| entries.range(from.to_vec()..));
        entries.take(limit).map(|(key, _)| key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_scanned_across_pages() {
        const SPACE: Space = Space("test");
        let mut store = MemoryStore::new();
        let mut batch = Batch::new();
        for i in 0u16..3000 {
            batch.put(SPACE, [&[1][..], &i.to_be_bytes()].concat(), [1]);
        }
        batch.put(SPACE, [0], [0]);
        batch.put(SPACE, [2], [2]);
        store.apply(&batch);
        let found = store.scan_prefix(SPACE, &[1]);
        assert_eq!(found.len(), 3000);
        assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(store.scan_prefix(SPACE, &[]).len(), 3002);
        let keys =
            |from: &[u8], limit| store.scan(SPACE, from, limit).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        for (from, limit) in [(&[][..], 3), (&[1, 0, 7], 2000), (&[2], 5), (&[3], 5)] {
            assert_eq!(store.scan_keys(SPACE, from, limit), keys(from, limit));
        }
    }

    #[test]
    fn a_later_write_wins() {
        const SPACE: Space = Space("test");
        let mut store = MemoryStore::new();
        let mut batch = Batch::new();
        batch.put(SPACE, [1], [1]);
        batch.put(SPACE, [1], [2]);
        batch.put(SPACE, [3], [3]);
        batch.delete(SPACE, [3]);
        store.apply(&batch);
        assert_eq!(store.load(SPACE, &[1]), Some(vec![2]));
        assert!(!store.contains(SPACE, &[3]));
    }
}

//! What a journal has written and the engine doesn't have yet.
//!
//! A read looks here first. An entry leaves only after the engine shows it, so between the two nothing is ever missing,
//! and what is here is never older than what the engine has.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use byway_primitives::store::Entry;
use byway_primitives::{Batch, Space, Token};
use tokio::sync::watch;

use super::engine::Engine;
use super::{DiskError, Durability};

pub(super) struct Overlay {
    journal: String,
    spaces: RwLock<BTreeMap<Space, Pending>>,
    announce: watch::Sender<Durability>,
    last_token: Mutex<Option<Token>>,
}

/// A write on its way to the engine: space, key, value.
pub(super) struct QueuedWrite {
    pub space: Space,
    pub name: Arc<str>,
    pub key: Bytes,
    pub value: Option<Bytes>,
}

/// The pending entries of one space.
struct Pending {
    /// What the engine calls the space.
    name: Arc<str>,
    entries: BTreeMap<Bytes, Latest>,
}

/// The latest value of a key, and the place in the queue of the batch that wrote it.
struct Latest {
    value: Option<Bytes>,
    order: u64,
}

impl Overlay {
    pub(super) fn new(journal: &str, announce: watch::Sender<Durability>) -> Self {
        Self { journal: journal.to_owned(), spaces: RwLock::default(), announce, last_token: Mutex::default() }
    }

    /// Checks that the journal's tokens rise.
    pub(super) fn advance(&self, token: Token) {
        let mut last = self.last_token.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(last.is_none_or(|last| token > last), "token {token:?} of {} after {last:?}", self.journal);
        *last = Some(token);
    }

    /// Shows the writes of the batch that is at `order` in the queue, and gives them for the queue.
    pub(super) fn insert(&self, batch: Batch, order: u64) -> Vec<QueuedWrite> {
        let mut spaces = self.write();
        let mut queued = Vec::with_capacity(batch.writes.len());
        for write in batch.writes {
            let pending = spaces.entry(write.space).or_insert_with(|| Pending {
                name: format!("{}/{}", self.journal, write.space.0).into(),
                entries: BTreeMap::new(),
            });
            let (key, value) = (Bytes::from(write.key), write.value.map(Bytes::from));
            pending.entries.insert(key.clone(), Latest { value: value.clone(), order });
            queued.push(QueuedWrite { space: write.space, name: pending.name.clone(), key, value });
        }
        queued
    }

    /// Lets go of writes that the engine has, up to `order` in the queue.
    pub(super) fn release(&self, writes: &[QueuedWrite], order: u64) {
        let mut spaces = self.write();
        for write in writes {
            let Some(pending) = spaces.get_mut(&write.space) else { continue };
            if pending.entries.get(&write.key).is_some_and(|latest| latest.order <= order) {
                pending.entries.remove(&write.key);
            }
        }
    }

    pub(super) fn announce_durable(&self, token: Token) {
        self.announce.send_modify(|now| now.token = Some(token));
    }

    pub(super) fn announce_failure(&self, error: &DiskError) {
        self.announce.send_modify(|now| {
            now.failed.get_or_insert_with(|| error.clone());
        });
    }

    pub(super) fn load(&self, engine: &Engine, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError> {
        {
            let spaces = self.read();
            if let Some(latest) = spaces.get(&space).and_then(|pending| pending.entries.get(key)) {
                return Ok(latest.value.as_ref().map(|value| value.to_vec()));
            }
        }
        engine.load(&self.name(space), key)
    }

    /// Merges both, in key order. The lock is held throughout, so that no entry can move from one to the other unseen.
    pub(super) fn scan(
        &self,
        engine: &Engine,
        space: Space,
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<Entry>, DiskError> {
        let spaces = self.read();
        let mut pending = spaces
            .get(&space)
            .into_iter()
            .flat_map(|pending| pending.entries.range::<[u8], _>((Bound::Included(from), Bound::Unbounded)))
            .peekable();
        let mut stored = engine.range(&self.name(space), from)?.peekable();
        let mut found = Vec::new();
        while found.len() < limit {
            let next_stored = match stored.peek() {
                Some(Err(error)) => return Err(error.clone()),
                Some(Ok((key, _))) => Some(&key[..]),
                None => None,
            };
            match (pending.peek(), next_stored) {
                (None, None) => break,
                (Some((key, latest)), other) if other.is_none_or(|other| key[..] <= *other) => {
                    // The pending value hides the stored one.
                    if other == Some(&key[..]) {
                        stored.next();
                    }
                    found.extend(latest.value.as_ref().map(|value| (key.to_vec(), value.to_vec())));
                    pending.next();
                }
                _ => found.extend(stored.next().transpose()?),
            }
        }
        Ok(found)
    }

    fn name(&self, space: Space) -> String {
        format!("{}/{}", self.journal, space.0)
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Space, Pending>> {
        self.spaces.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Space, Pending>> {
        self.spaces.write().unwrap_or_else(PoisonError::into_inner)
    }
}

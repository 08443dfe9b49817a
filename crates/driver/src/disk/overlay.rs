//! What a journal has written and the engine doesn't have yet.
//!
//! A read looks here first. An entry leaves only after the engine shows it, so between the two nothing is ever missing,
//! and what is here is never older than what the engine has.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

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

/// A write on its way to the engine. Overlay and queue share it.
pub(super) struct QueuedWrite {
    space: Space,
    /// What the engine calls the space.
    pub name: Arc<str>,
    pub key: Vec<u8>,
    /// `None` deletes.
    pub value: Option<Vec<u8>>,
    /// The place in the queue of its batch.
    order: u64,
}

/// The pending entries of one space.
struct Pending {
    name: Arc<str>,
    /// The latest of each key.
    entries: BTreeSet<ByKey>,
}

struct ByKey(Arc<QueuedWrite>);

impl QueuedWrite {
    /// The order in which the engine has entries: by space and key.
    pub(super) fn cmp_place(&self, other: &Self) -> Ordering {
        let names = if Arc::ptr_eq(&self.name, &other.name) { Ordering::Equal } else { self.name.cmp(&other.name) };
        names.then_with(|| self.key.cmp(&other.key))
    }
}

impl Borrow<[u8]> for ByKey {
    fn borrow(&self) -> &[u8] {
        &self.0.key
    }
}

impl Ord for ByKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.key.cmp(&other.0.key)
    }
}

impl PartialOrd for ByKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}

impl Eq for ByKey {}

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
    pub(super) fn insert(&self, batch: Batch, order: u64) -> Vec<Arc<QueuedWrite>> {
        let mut spaces = self.write();
        let mut queued = Vec::with_capacity(batch.writes.len());
        for write in batch.writes {
            let pending = spaces.entry(write.space).or_insert_with(|| Pending {
                name: format!("{}/{}", self.journal, write.space.0).into(),
                entries: BTreeSet::new(),
            });
            let (space, name) = (write.space, pending.name.clone());
            let write = Arc::new(QueuedWrite { space, name, key: write.key, value: write.value, order });
            pending.entries.replace(ByKey(write.clone()));
            queued.push(write);
        }
        queued
    }

    /// Lets go of writes that the engine has, up to `order` in the queue.
    pub(super) fn release(&self, writes: &[Arc<QueuedWrite>], order: u64) {
        let mut spaces = self.write();
        for write in writes {
            let Some(pending) = spaces.get_mut(&write.space) else { continue };
            if pending.entries.get(&write.key[..]).is_some_and(|latest| latest.0.order <= order) {
                pending.entries.remove(&write.key[..]);
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
                return Ok(latest.0.value.clone());
            }
        }
        engine.load(&self.name(space), key)
    }

    /// Merges both, in key order, with that of the values which `take` takes: to copy a value is what a large one costs. The
    /// lock is held throughout, so that no entry can move from one to the other unseen.
    pub(super) fn scan<V>(
        &self,
        engine: &Engine,
        space: Space,
        from: &[u8],
        limit: usize,
        take: impl Fn(&[u8]) -> V,
    ) -> Result<Vec<(Vec<u8>, V)>, DiskError> {
        let spaces = self.read();
        let mut pending = spaces
            .get(&space)
            .into_iter()
            .flat_map(|pending| pending.entries.range::<[u8], _>((Bound::Included(from), Bound::Unbounded)))
            .map(|ByKey(latest)| latest)
            .peekable();
        let mut stored = engine.range(&self.name(space), from, &take)?.peekable();
        let mut found = Vec::new();
        while found.len() < limit {
            let next_stored = match stored.peek() {
                Some(Err(error)) => return Err(error.clone()),
                Some(Ok((key, _))) => Some(&key[..]),
                None => None,
            };
            match (pending.peek(), next_stored) {
                (None, None) => break,
                (Some(latest), other) if other.is_none_or(|other| latest.key[..] <= *other) => {
                    // The pending value hides the stored one.
                    if other == Some(&latest.key[..]) {
                        stored.next();
                    }
                    found.extend(latest.value.as_deref().map(|value| (latest.key.clone(), take(value))));
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

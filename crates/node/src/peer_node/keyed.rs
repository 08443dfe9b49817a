//! What is known under the idempotency keys of calls, on disk: for a day, and no more keys than a node can remember.

use std::collections::BTreeMap;

use byway_primitives::{Batch, Hash, Space, Span, Store, Time};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::api::ApiError;

/// How long a key is remembered: the day that `docs/formats/rpc.md` promises, and an hour for clocks that jump.
pub(super) const KEPT_FOR: Span = Span::minutes(25 * 60);
/// Keys of one kind that are remembered, about 200 bytes each; beyond it the oldest go.
pub(super) const KEYS_MAX: usize = 4096;

/// Keys of one kind of call, and what each led to.
#[derive(Debug)]
pub(super) struct Keyed<T> {
    space: Space,
    records: BTreeMap<String, Record<T>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record<T> {
    /// Of the method and all parameters.
    call: Hash,
    at: Time,
    #[serde(flatten)]
    known: T,
}

impl<T: Serialize + DeserializeOwned> Keyed<T> {
    pub fn new(space: Space) -> Self {
        Self { space, records: BTreeMap::new() }
    }

    pub fn open(space: Space, store: &impl Store) -> Self {
        let stored = store.scan_prefix(space, &[]).into_iter();
        let read = |(key, value): (Vec<u8>, Vec<u8>)| {
            Some((String::from_utf8(key).ok()?, serde_json::from_slice(&value).ok()?))
        };
        Self { space, records: stored.filter_map(read).collect() }
    }

    /// What this call led to; `None` if it is new.
    ///
    /// # Errors
    /// The key was used for another call.
    pub fn find(&self, key: &str, call: Hash, now: Time) -> Result<Option<&T>, ApiError> {
        match self.records.get(key).filter(|record| now < record.at + KEPT_FOR) {
            Some(record) if record.call != call => Err(ApiError::idempotency_conflict()),
            known => Ok(known.map(|record| &record.known)),
        }
    }

    /// Notes what a call led to, and lets go of keys that are too old or too many.
    pub fn note(&mut self, key: &str, call: Hash, now: Time, known: T) -> Batch {
        let mut batch = Batch::new();
        let is_known = |record: &&Record<T>| record.call == call && now < record.at + KEPT_FOR;
        let at = self.records.get(key).filter(is_known).map(|record| record.at);
        if at.is_none() {
            self.forget(now, &mut batch);
        }
        let record = Record { call, at: at.unwrap_or(now), known };
        let value = serde_json::to_vec(&record).expect("what is known under a key has a JSON form");
        batch.put(self.space, key.as_bytes(), value);
        self.records.insert(key.to_owned(), record);
        batch
    }

    /// Notes that something else is known under the first key of which that is so.
    pub fn change(&mut self, is_it: impl Fn(&T) -> bool, known: T) -> Batch {
        let mut batch = Batch::new();
        if let Some((key, record)) = self.records.iter_mut().find(|(_, record)| is_it(&record.known)) {
            record.known = known;
            let value = serde_json::to_vec(record).expect("what is known under a key has a JSON form");
            batch.put(self.space, key.as_bytes(), value);
        }
        batch
    }

    /// The key is free again.
    pub fn free(&mut self, key: &str) -> Batch {
        let mut batch = Batch::new();
        if self.records.remove(key).is_some() {
            batch.delete(self.space, key.as_bytes());
        }
        batch
    }

    fn forget(&mut self, now: Time, batch: &mut Batch) {
        let is_old = |record: &Record<T>| now >= record.at + KEPT_FOR;
        let mut gone: Vec<String> =
            self.records.iter().filter(|(_, record)| is_old(record)).map(|(key, _)| key.clone()).collect();
        if gone.is_empty() && self.records.len() >= KEYS_MAX {
            gone.extend(self.records.iter().min_by_key(|(_, record)| record.at).map(|(key, _)| key.clone()));
        }
        for key in gone {
            batch.delete(self.space, key.as_bytes());
            self.records.remove(&key);
        }
    }
}

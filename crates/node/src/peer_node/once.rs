//! Idempotency keys of writing calls, for a day and across restarts.
//!
//! A key is journaled in the same write as the transaction that its call led to, so that there is never one without the
//! other. The same call again is given that transaction as it stands now; another call under the same key is refused. A
//! call that failed before anything was written leaves its key free.

use std::collections::BTreeMap;

use byway_primitives::hash::Context;
use byway_primitives::{Batch, Hash, Space, Span, Store, Time};
use byway_records::TransactionId;
use serde::{Deserialize, Serialize};

use crate::api::ApiError;
use crate::api::params::IdempotencyKey;

const KEYS: Space = Space("idempotency-keys");
const CALL: Context = Context("byway 1 node: call under an idempotency key");
/// How long a key is remembered: the day that `docs/formats/rpc.md` promises, and an hour for clocks that jump.
const KEPT_FOR: Span = Span::minutes(25 * 60);
/// Keys that are remembered, about 200 bytes each; beyond it the oldest go.
const KEYS_MAX: usize = 4096;

/// A call that shall be carried out once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Once {
    key: String,
    /// Of the method and all parameters.
    call: Hash,
}

/// The calls that were carried out.
#[derive(Debug, Default)]
pub(super) struct OnceLog(BTreeMap<String, Record>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    call: Hash,
    at: Time,
    transactions: Vec<TransactionId>,
}

impl Once {
    pub fn new(method: &'static str, key: &IdempotencyKey, request: &impl Serialize) -> Self {
        let request = serde_json::to_vec(request).expect("requests of the local API have a JSON form");
        Self { key: key.as_str().to_owned(), call: CALL.hash(&[method.as_bytes(), &request]) }
    }
}

impl OnceLog {
    pub fn open(store: &impl Store) -> Self {
        let stored = store.scan_prefix(KEYS, &[]).into_iter();
        let read = |(key, value): (Vec<u8>, Vec<u8>)| {
            Some((String::from_utf8(key).ok()?, serde_json::from_slice(&value).ok()?))
        };
        Self(stored.filter_map(read).collect())
    }

    /// The transactions that this call led to; `None` if it is new.
    ///
    /// # Errors
    /// The key was used for another call.
    pub fn find(&self, once: &Once, now: Time) -> Result<Option<&[TransactionId]>, ApiError> {
        match self.0.get(&once.key).filter(|record| now < record.at + KEPT_FOR) {
            Some(record) if record.call != once.call => Err(ApiError::idempotency_conflict()),
            known => Ok(known.map(|record| record.transactions.as_slice())),
        }
    }

    /// Notes that a call led to a transaction, and lets go of keys that are too old or too many.
    pub fn note(&mut self, once: &Once, transaction: TransactionId, now: Time) -> Batch {
        let mut batch = Batch::new();
        self.forget(now, &mut batch);
        let fresh = || Record { call: once.call, at: now, transactions: Vec::new() };
        let record = self.0.entry(once.key.clone()).or_insert_with(fresh);
        record.transactions.push(transaction);
        let value = serde_json::to_vec(record).expect("a record of hashes and times has a JSON form");
        batch.put(KEYS, once.key.as_bytes(), value);
        batch
    }

    fn forget(&mut self, now: Time, batch: &mut Batch) {
        let mut gone: Vec<String> =
            self.0.iter().filter(|(_, record)| now >= record.at + KEPT_FOR).map(|(key, _)| key.clone()).collect();
        if gone.is_empty() && self.0.len() >= KEYS_MAX {
            gone.extend(self.0.iter().min_by_key(|(_, record)| record.at).map(|(key, _)| key.clone()));
        }
        for key in gone {
            batch.delete(KEYS, key.as_bytes());
            self.0.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use byway_primitives::MemoryStore;

    use super::*;

    fn once(key: &str, request: &str) -> Once {
        Once::new("wallet_send", &key.parse().unwrap(), &request)
    }

    fn transaction(number: u64) -> TransactionId {
        TransactionId(CALL.hash(&[&number.to_be_bytes()]))
    }

    #[test]
    fn a_call_is_known_again_after_a_restart_and_for_a_day() {
        let (mut log, mut store) = (OnceLog::default(), MemoryStore::default());
        let now = Time(1_000);
        store.apply(&log.note(&once("k", "5"), transaction(1), now));
        store.apply(&log.note(&once("k", "5"), transaction(2), now));
        let log = OnceLog::open(&store);
        assert_eq!(log.find(&once("k", "5"), now).unwrap(), Some(&[transaction(1), transaction(2)][..]));
        assert_eq!(log.find(&once("l", "5"), now).unwrap(), None);
        assert_eq!(log.find(&once("k", "6"), now).unwrap_err(), ApiError::idempotency_conflict());
        let day = now + Span::days(1);
        assert!(log.find(&once("k", "5"), day).unwrap().is_some());
        assert_eq!(log.find(&once("k", "6"), day + Span::minutes(60)).unwrap(), None);
    }

    #[test]
    fn what_is_remembered_is_bounded_on_disk_too() {
        let (mut log, mut store) = (OnceLog::default(), MemoryStore::default());
        let last = KEYS_MAX as u64 + 1;
        for number in 0..=last {
            store.apply(&log.note(&once(&number.to_string(), ""), transaction(number), Time(number)));
        }
        assert_eq!(store.scan_prefix(KEYS, &[]).len(), KEYS_MAX);
        let known =
            |log: &OnceLog, number: u64| log.find(&once(&number.to_string(), ""), Time(last)).unwrap().is_some();
        assert!(known(&log, last) && known(&log, 2) && !known(&log, 1) && !known(&log, 0));
        let later = Time(0) + KEPT_FOR + KEPT_FOR;
        store.apply(&log.note(&once("x", ""), transaction(0), later));
        assert_eq!(store.scan_prefix(KEYS, &[]).len(), 1);
    }
}

//! Idempotency keys of writing calls, for a day and across restarts.
//!
//! A key is journaled in the same write as the transaction that its call led to, so that there is never one without the
//! other. The same call again is given that transaction as it stands now; another call under the same key is refused. A
//! call that failed before anything was written leaves its key free.

use byway_primitives::hash::Context;
use byway_primitives::{Batch, Hash, Space, Store, Time};
use byway_records::TransactionId;
use serde::{Deserialize, Serialize};

use super::keyed::Keyed;
use crate::api::ApiError;
use crate::api::params::IdempotencyKey;

const KEYS: Space = Space("idempotency-keys");
const CALL: Context = Context("byway 1 node: call under an idempotency key");

/// A call that shall be carried out once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Once {
    key: String,
    /// Of the method and all parameters.
    call: Hash,
}

/// The calls that were carried out.
#[derive(Debug)]
pub(super) struct OnceLog(Keyed<Led>);

/// What a call led to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Led {
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
        Self(Keyed::open(KEYS, store))
    }

    /// The transactions that this call led to; `None` if it is new.
    ///
    /// # Errors
    /// The key was used for another call.
    pub fn find(&self, once: &Once, now: Time) -> Result<Option<&[TransactionId]>, ApiError> {
        Ok(self.0.find(&once.key, once.call, now)?.map(|led| led.transactions.as_slice()))
    }

    /// Notes that a call led to a transaction.
    pub fn note(&mut self, once: &Once, transaction: TransactionId, now: Time) -> Batch {
        let mut led = self.0.find(&once.key, once.call, now).ok().flatten().cloned().unwrap_or_default();
        led.transactions.push(transaction);
        self.0.note(&once.key, once.call, now, led)
    }
}

#[cfg(test)]
mod tests {
    use byway_primitives::{MemoryStore, Span};

    use super::super::keyed::{KEPT_FOR, KEYS_MAX};
    use super::*;

    fn once(key: &str, request: &str) -> Once {
        Once::new("wallet_send", &key.parse().unwrap(), &request)
    }

    fn transaction(number: u64) -> TransactionId {
        TransactionId(CALL.hash(&[&number.to_be_bytes()]))
    }

    #[test]
    fn a_call_is_known_again_after_a_restart_and_for_a_day() {
        let (mut log, mut store) = (OnceLog::open(&MemoryStore::default()), MemoryStore::default());
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
        let (mut log, mut store) = (OnceLog::open(&MemoryStore::default()), MemoryStore::default());
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

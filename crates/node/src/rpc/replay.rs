//! Calls with an idempotency key: the same key does nothing twice.
//!
//! While the first call of a key runs, further ones wait for its result; afterwards they are given it again. This holds
//! for the life of the process, for the last [`REPLAYS_MAX`] keys; the node journals keys with their effects for what
//! lies beyond. A failed call frees its key.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use crate::api::{Answer, ApiError};

/// Keys that are remembered, about 1 KB each.
pub const REPLAYS_MAX: usize = 4096;

type Outcome = Option<Answer<Value>>;

/// What keyed calls led to.
#[derive(Default)]
pub struct Replays(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    by_key: BTreeMap<String, Record>,
    /// Finished keys, oldest first.
    finished: VecDeque<String>,
}

struct Record {
    request: Request,
    outcome: watch::Receiver<Outcome>,
}

/// Method and parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub method: &'static str,
    pub params: Value,
}

/// What is to be done with a keyed call.
pub enum Begin {
    /// Run it and report to [`Replays::finish`].
    Run(Ticket),
    /// It ran or runs already: its outcome is or will be here.
    Joined(watch::Receiver<Outcome>),
    /// The key belongs to another request.
    Conflict,
}

/// The duty to report the outcome of one key.
pub struct Ticket {
    key: String,
    outcome: watch::Sender<Outcome>,
}

impl Replays {
    pub fn begin(&self, key: &str, request: &Request) -> Begin {
        let mut inner = self.lock();
        if let Some(record) = inner.by_key.get(key) {
            return if record.request == *request { Begin::Joined(record.outcome.clone()) } else { Begin::Conflict };
        }
        let (sender, receiver) = watch::channel(None);
        inner.by_key.insert(key.to_owned(), Record { request: request.clone(), outcome: receiver });
        Begin::Run(Ticket { key: key.to_owned(), outcome: sender })
    }

    pub fn finish(&self, ticket: Ticket, outcome: Answer<Value>) {
        let mut inner = self.lock();
        if outcome.is_err() {
            inner.by_key.remove(&ticket.key);
        } else {
            inner.finished.push_back(ticket.key);
            while inner.finished.len() > REPLAYS_MAX
                && let Some(oldest) = inner.finished.pop_front()
            {
                inner.by_key.remove(&oldest);
            }
        }
        ticket.outcome.send_replace(Some(outcome));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No call runs under the lock, so a panic elsewhere can't have left the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The outcome of a joined call.
pub async fn joined(mut outcome: watch::Receiver<Outcome>) -> Answer<Value> {
    match outcome.wait_for(Option::is_some).await {
        Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(ApiError::internal())),
        // The call that ran was lost to a panic; nobody knows what it did.
        Err(_) => Err(ApiError::internal()),
    }
}

/// Puts the present state of each transaction into a repeated result, where `entries` knows it.
pub fn refresh(result: &mut Value, entries: &[Value]) {
    match result {
        Value::Object(members) if members.contains_key("transaction_id") => {
            let id = &members["transaction_id"];
            if let Some(entry) = entries.iter().find(|entry| entry["transaction_id"] == *id) {
                *result = entry.clone();
            }
        }
        Value::Object(members) => members.values_mut().for_each(|member| refresh(member, entries)),
        Value::Array(items) => items.iter_mut().for_each(|item| refresh(item, entries)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(amount: &str) -> Request {
        Request { method: "wallet_deposit", params: json!({ "amount": amount }) }
    }

    fn run(replays: &Replays, key: &str, amount: &str, outcome: Answer<Value>) {
        let Begin::Run(ticket) = replays.begin(key, &request(amount)) else { panic!("{key} is new") };
        replays.finish(ticket, outcome);
    }

    #[tokio::test]
    async fn a_key_runs_once_and_a_failure_frees_it() {
        let replays = Replays::default();
        run(&replays, "a", "1", Err(ApiError::kernel_unreachable()));
        let Begin::Run(ticket) = replays.begin("a", &request("1")) else { panic!("freed") };
        let Begin::Joined(early) = replays.begin("a", &request("1")) else { panic!("joined") };
        assert!(matches!(replays.begin("a", &request("2")), Begin::Conflict));
        replays.finish(ticket, Ok(json!(7)));
        let Begin::Joined(late) = replays.begin("a", &request("1")) else { panic!("joined") };
        assert_eq!((joined(early).await, joined(late).await), (Ok(json!(7)), Ok(json!(7))));
    }

    #[test]
    fn only_so_many_are_remembered() {
        let replays = Replays::default();
        for number in 0..=REPLAYS_MAX {
            run(&replays, &number.to_string(), "1", Ok(json!(number)));
        }
        assert!(matches!(replays.begin("0", &request("1")), Begin::Run(_)));
        assert!(matches!(replays.begin("1", &request("1")), Begin::Joined(_)));
    }

    #[test]
    fn a_repeated_result_has_the_stage_as_of_now() {
        let now = [json!({"transaction_id": "a", "stage": "final"})];
        let old = json!({"transaction_id": "a", "stage": "sent"});
        for (mut result, expected) in [
            (old.clone(), now[0].clone()),
            (json!({"entries": [old.clone()], "asked": true}), json!({"entries": [now[0]], "asked": true})),
            (json!({"transaction_id": "b"}), json!({"transaction_id": "b"})),
        ] {
            refresh(&mut result, &now);
            assert_eq!(result, expected);
        }
    }
}

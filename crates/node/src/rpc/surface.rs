//! What a server carries.

use std::collections::BTreeSet;
use std::future::Future;

use byway_records::TransactionId;
use serde_json::Value;

use super::Right;
use crate::api::{AccountNumber, Answer, Event, Events, KernelTransactionRecord, PhoneId, Topic};

/// Calls and events of a node, by name and as JSON. Cheap to clone.
pub trait Surface: Clone + Send + Sync + 'static {
    /// Runs a call to its end.
    fn run(&self, right: Right, method: String, params: Option<Value>) -> impl Future<Output = Answer<Value>> + Send;

    /// The sub-account that a token opens, where there are any.
    fn bearer(&self, _token: &str) -> Option<AccountNumber> {
        None
    }

    /// The phone that a token opens the door for phones to, where there are any.
    fn phone(&self, _token: &str) -> Option<PhoneId> {
        None
    }

    /// Whether what a connection was let in with still holds.
    fn holds(&self, _right: Right) -> bool {
        true
    }

    /// Whatever changes from now on.
    fn events(&self) -> Events;

    /// The topics that can be subscribed to with this right.
    fn topics(&self, right: Right) -> &'static [Topic];

    /// What a subscriber of `topic` is told first.
    fn state(&self, topic: Topic) -> impl Future<Output = Answer<Vec<Event>>> + Send;

    /// What is known of a transaction that a subscription watches.
    fn watched(&self, id: TransactionId) -> impl Future<Output = Answer<KernelTransactionRecord>> + Send;
}

/// What a subscription is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interest {
    pub topics: BTreeSet<Topic>,
    /// For [`Topic::Transaction`].
    pub transactions: BTreeSet<TransactionId>,
}

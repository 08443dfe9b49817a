//! Transactions submitted here that have no verdict yet.
//!
//! They wait in a queue for the next own snapshot, then are in flight in it. If that snapshot falls below the horizon
//! without having been committed, they return to the queue; so what was accepted here gets a verdict in the end.

use std::collections::{BTreeMap, VecDeque};

use byway_primitives::{Span, Time};
use byway_records::{TransactionId, VerifiedTransaction};

use crate::news::SubmitError;

/// See the [module](self).
#[derive(Debug)]
pub struct Pool {
    transactions_max: usize,
    bytes_max: usize,
    queue: VecDeque<VerifiedTransaction>,
    queued_bytes: usize,
    /// Everything without a verdict, queued or in flight, and when it came.
    submitted: BTreeMap<TransactionId, Time>,
}

impl Pool {
    pub fn new(transactions_max: usize, bytes_max: usize) -> Self {
        Self { transactions_max, bytes_max, queue: VecDeque::new(), queued_bytes: 0, submitted: BTreeMap::new() }
    }

    /// Whether nothing waits for a snapshot.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many have no verdict yet.
    pub fn pending(&self) -> usize {
        self.submitted.len()
    }

    /// Bytes of those that wait for a snapshot.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    pub fn submit(&mut self, now: Time, transaction: VerifiedTransaction) -> Result<(), SubmitError> {
        if self.submitted.contains_key(&transaction.id()) {
            return Err(SubmitError::Known);
        }
        let is_full = self.submitted.len() >= self.transactions_max
            || self.queued_bytes.saturating_add(transaction.size()) > self.bytes_max;
        if is_full {
            return Err(SubmitError::Full);
        }
        self.submitted.insert(transaction.id(), now);
        self.queued_bytes += transaction.size();
        self.queue.push_back(transaction);
        Ok(())
    }

    /// Notes a transaction that is in flight since before a restart.
    pub fn in_flight(&mut self, now: Time, id: TransactionId) {
        self.submitted.entry(id).or_insert(now);
    }

    /// The next transactions for a snapshot, oldest first, within a number and a size.
    ///
    /// What is `hopeless` is dropped.
    pub fn take(
        &mut self,
        count_max: usize,
        bytes_max: usize,
        hopeless: impl Fn(&VerifiedTransaction) -> bool,
    ) -> Vec<VerifiedTransaction> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while taken.len() < count_max
            && let Some(next) = self.queue.front()
            && bytes + next.size() <= bytes_max
        {
            let Some(next) = self.queue.pop_front() else { break };
            self.queued_bytes -= next.size();
            // It may have got its verdict through another node's snapshot.
            if !self.submitted.contains_key(&next.id()) {
                continue;
            }
            if hopeless(&next) {
                self.submitted.remove(&next.id());
            } else {
                bytes += next.size();
                taken.push(next);
            }
        }
        taken
    }

    /// Lets go of what has its verdict and of what is `hopeless`.
    pub fn purge(&mut self, hopeless: impl Fn(&VerifiedTransaction) -> bool) {
        for transaction in std::mem::take(&mut self.queue) {
            if self.submitted.contains_key(&transaction.id()) && !hopeless(&transaction) {
                self.queue.push_back(transaction);
            } else {
                self.queued_bytes -= transaction.size();
                self.submitted.remove(&transaction.id());
            }
        }
    }

    /// What waits for a snapshot, oldest first.
    pub fn queued(&self) -> impl Iterator<Item = &VerifiedTransaction> {
        self.queue.iter().filter(|transaction| self.submitted.contains_key(&transaction.id()))
    }

    /// Takes back what was in flight in a snapshot that will never be committed.
    pub fn restore(&mut self, transactions: &[VerifiedTransaction]) {
        for transaction in transactions.iter().rev() {
            if self.submitted.contains_key(&transaction.id()) {
                self.queued_bytes += transaction.size();
                self.queue.push_front(transaction.clone());
            }
        }
    }

    /// Forgets a transaction that got its verdict. How long that took, if it was submitted here.
    pub fn decided(&mut self, now: Time, id: &TransactionId) -> Option<Span> {
        self.submitted.remove(id).map(|since| now.since(since))
    }
}

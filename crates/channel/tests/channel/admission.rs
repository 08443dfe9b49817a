//! The way into the ledger as kernel nodes make it: what is handed in waits in the pool of one of them, shares the room of its snapshots
//! by turns with what others hand in, and is executed with the snapshot that it is in. What the pool has no room for is handed in again.

use std::collections::BTreeMap;

use byway_kernel::config::Config;
use byway_kernel::machine::HEADER_BYTES_MAX;
use byway_kernel::pool::Pool;
use byway_kernel::pool::claim::Stakes;
use byway_kernel::snapshot::SNAPSHOT_TRANSACTIONS_MAX;
use byway_kernel::{Source, SubmitError};
use byway_ledger::Verdict;
use byway_primitives::{Span, Time};
use byway_records::{TransactionId, VerifiedTransaction};

use crate::world::World;

/// From one commit to the next: as long as a round takes between continents. Nodes that are near each other need a tenth of it.
pub const COMMIT_INTERVAL: Span = Span::millis(100);
/// When a node hands in again what was not taken.
const AGAIN: Span = Span::seconds(5);

pub struct Admission {
    pool: Pool,
    snapshot_bytes_max: usize,
    again: Vec<(Time, Source, VerifiedTransaction)>,
    /// What is in the pool, and whose.
    waiting: BTreeMap<TransactionId, (Source, VerifiedTransaction)>,
    /// How often the pool had no room.
    pub refused: usize,
}

impl Admission {
    /// With the bounds that operators have who change nothing.
    pub fn new() -> Self {
        let Config { pool_transactions_max, pool_bytes_max, snapshot_bytes_max, .. } =
            Config::new(byway_crypto::NodeSecret::from_seed(&[1; 32]));
        let pool = Pool::new(pool_transactions_max, pool_bytes_max);
        Self { pool, snapshot_bytes_max, again: Vec::new(), waiting: BTreeMap::new(), refused: 0 }
    }

    pub fn hand_in(&mut self, now: Time, source: Source, transaction: VerifiedTransaction) {
        let mut gave_way = Vec::new();
        match self.pool.submit(now, source, Stakes::new(now).claim(), transaction.clone(), &mut gave_way) {
            Ok(()) => drop(self.waiting.insert(transaction.id(), (source, transaction))),
            Err(SubmitError::Known) => {}
            Err(_) => {
                self.refused += 1;
                self.again.push((now + AGAIN, source, transaction));
            }
        }
        for (source, transaction) in gave_way.iter().filter_map(|id| self.waiting.remove(id)) {
            self.again.push((now + AGAIN, source, transaction));
        }
    }

    /// The next commit, with what one node's snapshot has room for.
    pub fn commit(&mut self, world: &mut World) -> Vec<(VerifiedTransaction, Verdict)> {
        world.time = world.time + Span(COMMIT_INTERVAL.0 - 1);
        let now = world.time;
        let (due, again): (Vec<_>, _) = std::mem::take(&mut self.again).into_iter().partition(|(at, _, _)| *at <= now);
        self.again = again;
        due.into_iter().for_each(|(_, source, transaction)| self.hand_in(now, source, transaction));
        let room = self.snapshot_bytes_max - HEADER_BYTES_MAX;
        let taken = self.pool.take(now, SNAPSHOT_TRANSACTIONS_MAX, room, |_| false);
        let verdicts = world.commit(&taken);
        for transaction in &taken {
            self.waiting.remove(&transaction.id());
            self.pool.decided(now, &transaction.id());
        }
        taken.into_iter().zip(verdicts).collect()
    }
}

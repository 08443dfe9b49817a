//! How far transactions that were handed in here have come, before the ledger has a verdict on them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use byway_kernel::follower::protocol::StageClaim;
use byway_primitives::Time;
use byway_records::TransactionId;

/// Transactions remembered: more than the pool holds, since those in snapshots count too.
const REMEMBERED: usize = 1 << 17;

/// Shared by the machine's task and by those that look at what clients hand in: what is known here need not be verified
/// again.
#[derive(Debug, Clone, Default)]
pub(super) struct Stages(Arc<Mutex<Remembered>>);

#[derive(Debug, Default)]
struct Remembered {
    /// With the time at which it came.
    known: BTreeMap<TransactionId, (StageClaim, Time)>,
    order: VecDeque<TransactionId>,
}

impl Stages {
    /// It waits for a snapshot. One that is known already stays where it is, unless it gave way.
    pub fn pooled(&self, now: Time, id: TransactionId) {
        self.lock().pooled(now, id);
    }

    /// q(n) nodes have built on a snapshot with it.
    pub fn included(&self, id: &TransactionId) {
        self.lock().put(id, StageClaim::Included);
    }

    /// It is not here any more.
    pub fn gave_way(&self, id: &TransactionId) {
        self.lock().put(id, StageClaim::GaveWay);
    }

    /// The ledger has a verdict, which is asked for there. Gives when the transaction came.
    pub fn decided(&self, id: &TransactionId) -> Option<Time> {
        self.lock().known.remove(id).map(|(_, since)| since)
    }

    pub fn of(&self, id: &TransactionId) -> StageClaim {
        self.lock().known.get(id).map_or(StageClaim::Unknown, |(stage, _)| *stage)
    }

    /// Whether it is on its way to a verdict here.
    pub fn is_here(&self, id: &TransactionId) -> bool {
        matches!(self.of(id), StageClaim::Pooled | StageClaim::Included)
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    fn pooled(&mut self, now: Time, id: TransactionId) {
        match self.known.get_mut(&id) {
            Some((stage, _)) if *stage == StageClaim::GaveWay => *stage = StageClaim::Pooled,
            Some(_) => {}
            None => {
                self.known.insert(id, (StageClaim::Pooled, now));
                self.order.push_back(id);
            }
        }
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }

    fn put(&mut self, id: &TransactionId, reached: StageClaim) {
        if let Some((stage, _)) = self.known.get_mut(id) {
            *stage = reached;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byway_primitives::Hash;

    fn id(number: u32) -> TransactionId {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        TransactionId(Hash(bytes))
    }

    #[test]
    fn a_transaction_goes_forward_only() {
        let stages = Stages::default();
        stages.included(&id(1));
        assert_eq!(stages.of(&id(1)), StageClaim::Unknown, "what was not handed in here is not kept");
        stages.pooled(Time(5), id(1));
        assert_eq!(stages.of(&id(1)), StageClaim::Pooled);
        stages.included(&id(1));
        stages.pooled(Time(5), id(1));
        assert_eq!(stages.of(&id(1)), StageClaim::Included, "handed in again");
        assert_eq!(stages.decided(&id(1)), Some(Time(5)));
        assert_eq!(stages.of(&id(1)), StageClaim::Unknown);
        stages.pooled(Time(5), id(1));
        stages.gave_way(&id(1));
        assert_eq!((stages.of(&id(1)), stages.is_here(&id(1))), (StageClaim::GaveWay, false));
        stages.pooled(Time(9), id(1));
        assert_eq!((stages.of(&id(1)), stages.is_here(&id(1))), (StageClaim::Pooled, true), "handed in anew");
    }

    #[test]
    fn memory_is_bounded() {
        let stages = Stages::default();
        (0..REMEMBERED as u32 + 3).for_each(|number| stages.pooled(Time(5), id(number)));
        let count = stages.lock().known.len();
        assert_eq!((count, stages.of(&id(2))), (REMEMBERED, StageClaim::Unknown));
    }
}

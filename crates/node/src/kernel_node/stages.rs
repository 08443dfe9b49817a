//! How far transactions that were handed in here have come, before the ledger has a verdict on them.

use std::collections::{BTreeMap, VecDeque};

use byway_kernel::follower::protocol::StageClaim;
use byway_primitives::Time;
use byway_records::TransactionId;

/// Transactions remembered: more than the pool holds, since those in snapshots count too.
const REMEMBERED: usize = 1 << 17;

#[derive(Debug, Default)]
pub(super) struct Stages {
    /// With the time at which it came.
    known: BTreeMap<TransactionId, (StageClaim, Time)>,
    order: VecDeque<TransactionId>,
}

impl Stages {
    /// It waits for a snapshot. One that is known already stays where it is.
    pub fn pooled(&mut self, now: Time, id: TransactionId) {
        if self.known.contains_key(&id) {
            return;
        }
        self.known.insert(id, (StageClaim::Pooled, now));
        self.order.push_back(id);
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }

    /// q(n) nodes have built on a snapshot with it.
    pub fn included(&mut self, id: &TransactionId) {
        if let Some((stage, _)) = self.known.get_mut(id) {
            *stage = StageClaim::Included;
        }
    }

    /// It is not here any more.
    pub fn gave_way(&mut self, id: &TransactionId) {
        self.known.remove(id);
    }

    /// The ledger has a verdict, which is asked for there. Gives when the transaction came.
    pub fn decided(&mut self, id: &TransactionId) -> Option<Time> {
        self.known.remove(id).map(|(_, since)| since)
    }

    pub fn of(&self, id: &TransactionId) -> StageClaim {
        self.known.get(id).map_or(StageClaim::Unknown, |(stage, _)| *stage)
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
        let mut stages = Stages::default();
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
        assert_eq!(stages.of(&id(1)), StageClaim::Unknown);
    }

    #[test]
    fn memory_is_bounded() {
        let mut stages = Stages::default();
        (0..REMEMBERED as u32 + 3).for_each(|number| stages.pooled(Time(5), id(number)));
        assert_eq!((stages.known.len(), stages.of(&id(2))), (REMEMBERED, StageClaim::Unknown));
    }
}

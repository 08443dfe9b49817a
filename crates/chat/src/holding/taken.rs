//! Which parcels were taken, so that one that comes again by another way is known.
//!
//! On disk alone, [`TAKEN_MAX`] of each sender: twice what may wait for one person at its sender's, so that what comes again is among them
//! unless that many came in between.

use byway_primitives::codec::{Decode, Encode};
use byway_primitives::{Batch, IdentityId, Pending, Space, Store};

use crate::delivery::ParcelId;
use crate::delivery::outbox::WAITING_MAX;

/// Key is the sender and the parcel.
const TAKEN: Space = Space("hold-taken");
/// In which order they came: key is the sender and a number that goes round.
const ORDER: Space = Space("hold-taken-order");
/// How many were taken: key is the sender.
const COUNT: Space = Space("hold-taken-count");

/// Parcels of one sender that are known again.
pub const TAKEN_MAX: u64 = 2 * WAITING_MAX as u64;

/// The parcels that were taken, in a store and what is to be written to it.
pub struct Taken<'a, S> {
    pub store: &'a S,
    pub batch: &'a mut Batch,
}

impl<S: Store> Taken<'_, S> {
    pub fn contains(&self, sender: IdentityId, parcel: ParcelId) -> bool {
        self.pending().contains(TAKEN, &key(sender, parcel))
    }

    /// A parcel is taken to heart, with the rest of the batch. `false` where it was before.
    pub fn take(&mut self, sender: IdentityId, parcel: ParcelId) -> bool {
        if self.contains(sender, parcel) {
            return false;
        }
        let count = self.pending().load(COUNT, &sender.0).and_then(|bytes| u64::from_bytes(&bytes).ok()).unwrap_or(0);
        let slot = [&sender.0[..], &(count % TAKEN_MAX).to_be_bytes()].concat();
        if let Some(oldest) = self.pending().load(ORDER, &slot).and_then(|bytes| ParcelId::from_bytes(&bytes).ok()) {
            self.batch.delete(TAKEN, key(sender, oldest));
        }
        self.batch.put(TAKEN, key(sender, parcel), []);
        self.batch.put(ORDER, slot, parcel.to_bytes());
        self.batch.put(COUNT, sender.to_bytes(), (count + 1).to_bytes());
        true
    }

    fn pending(&self) -> Pending<'_, S> {
        Pending { store: self.store, batch: self.batch }
    }
}

fn key(sender: IdentityId, parcel: ParcelId) -> Vec<u8> {
    [&sender.0[..], &parcel.0.0].concat()
}

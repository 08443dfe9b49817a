//! What came, or went, by way of those who hold for somebody ([`holding`](crate::holding)).

use byway_primitives::{IdentityId, Store, Time};

use super::heard::Opened;
use super::{Call, ChatFault, Chats};
use crate::delivery::letter::PART_MAX;
use crate::delivery::{Outbox, ParcelId};
use crate::holding::{Arrived, Taking};
use crate::people::Standing;

impl Chats {
    /// A parcel came that was held for us: as if its sender had brought it, but without a receipt to the sender. It is new: the
    /// [`HeldClient`](crate::holding::HeldClient) knows those again that came before, by whatever way. What this writes is to be durable
    /// with what that one does. `false` where it can't be taken yet, as a direct one would stay with its sender.
    pub fn handle_held(&mut self, now: Time, seed: [u8; 32], taking: &Taking, store: &impl Store) -> bool {
        let call = Call::new(now, seed, store);
        let standing = self.people.get(taking.sender).map(|person| &person.standing);
        let is_short = taking.bytes.len() <= PART_MAX;
        let opened = match standing {
            // What strangers have to say is short.
            None | Some(Standing::Asking { .. }) if !is_short && !self.is_heard(taking.sender) => {
                self.fault(taking.sender, ChatFault::Unasked(taking.sender));
                Opened::Done
            }
            _ => self.open(&call, taking.sender, &taking.bytes),
        };
        self.share_people();
        self.give_due(store);
        let there: Vec<IdentityId> = self.outbox.there().collect();
        there.into_iter().for_each(|peer| self.send_due(peer, store));
        if let Opened::Refused(refusal) = opened {
            // They hear of it only if they are there.
            self.refuse(taking.sender, ParcelId::of(&taking.bytes), refusal);
        }
        opened != Opened::NotNow
    }

    /// Somebody has a parcel, by the receipt that they gave their holder.
    pub fn handle_held_receipt(&mut self, now: Time, arrived: Arrived, store: &impl Store) {
        let Arrived { client, parcel } = arrived;
        self.outbox.handle_receipt(client, &[parcel], &mut self.step.batch);
        self.note_arrived(now, client, parcel, store);
        self.give_due(store);
        self.send_due(client, store);
    }

    /// What waits for somebody, by name.
    pub fn waiting_parcels(&self, peer: IdentityId) -> impl Iterator<Item = ParcelId> {
        self.outbox.waiting(peer)
    }

    /// The bytes of what waits for somebody.
    pub fn waiting_bytes(&self, parcel: ParcelId, store: &impl Store) -> Option<Vec<u8>> {
        Outbox::parcel(parcel, store)
    }

    /// What waits for somebody, to be brought to their holders: names and bytes.
    pub fn waiting(&self, peer: IdentityId, store: &impl Store) -> Vec<(ParcelId, Vec<u8>)> {
        let named = |parcel| Some((parcel, Outbox::parcel(parcel, store)?));
        self.outbox.waiting(peer).filter_map(named).collect()
    }
}

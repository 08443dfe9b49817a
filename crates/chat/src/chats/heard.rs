//! What peers bring.

use byway_primitives::codec::decode_exact;
use byway_primitives::{IdentityId, Store, Time};

use super::{Call, ChatFault, Chats};
use crate::delivery::Gathered;
use crate::delivery::letter::{ChatMessage, GOT_EVERY, Letter, ParcelId};
use crate::holding::Taken;
use crate::people::Standing;

impl Chats {
    /// Something came from a peer.
    pub fn handle_message(
        &mut self,
        now: Time,
        seed: [u8; 32],
        peer: IdentityId,
        message: ChatMessage,
        store: &impl Store,
    ) {
        let call = Call::new(now, seed, store);
        match message {
            ChatMessage::Part { parcel, index, count, bytes } => {
                self.part_came(&call, peer, parcel, (index, count), bytes)
            }
            ChatMessage::Receipt { parcels } => {
                self.outbox.handle_receipt(peer, &parcels, &mut self.step.batch);
                parcels.into_iter().for_each(|parcel| self.note_arrived(now, peer, parcel, store));
            }
            ChatMessage::Got { parcel, next } => self.outbox.handle_got(peer, parcel, next),
            ChatMessage::Passing { frame } => {
                if !self.people.is_blocked(peer) {
                    self.passing(&call, peer, &frame);
                }
            }
        }
        let there: Vec<IdentityId> = self.outbox.there().collect();
        there.into_iter().for_each(|peer| self.send_due(peer, store));
    }

    fn part_came<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        peer: IdentityId,
        parcel: ParcelId,
        (index, count): (u16, u16),
        bytes: Vec<u8>,
    ) {
        // What strangers have to say is short.
        let standing = self.people.get(peer).map(|person| &person.standing);
        if count > 1 && !matches!(standing, Some(Standing::Contact | Standing::Asked)) {
            return self.fault(peer, ChatFault::Unasked(peer));
        }
        match self.inbox.handle_part(peer, parcel, (index, count), bytes) {
            Ok(Gathered::Part) if (index + 1) % GOT_EVERY == 0 => {
                self.step.sends.push((peer, ChatMessage::Got { parcel, next: index + 1 }));
            }
            Ok(Gathered::Part) => {}
            Ok(Gathered::Again(parcel)) => self.receipts.entry(peer).or_default().push(parcel),
            Ok(Gathered::Whole(parcel, bytes)) => {
                // It may have come by way of a holder before.
                let is_new = Taken { store: call.store, batch: &mut self.step.batch }.take(peer, parcel);
                // Whoever is blocked learns nothing from having no receipt.
                if is_new && !self.people.is_blocked(peer) {
                    self.open(call, peer, &bytes);
                }
                self.inbox.take(peer, parcel, &mut self.step.batch);
                self.receipts.entry(peer).or_default().push(parcel);
            }
            Err(fault) => self.fault(peer, fault.into()),
        }
    }

    /// What was in a parcel. What makes no sense is done with as well: it would make no more sense a second time.
    pub(super) fn open<S: Store>(&mut self, call: &Call<'_, S>, peer: IdentityId, parcel: &[u8]) {
        let done = match decode_exact(parcel) {
            Ok(Letter::Ask(ask)) => {
                self.asked(call, peer, ask);
                Ok(())
            }
            Ok(Letter::Welcome { name, invitation, tree }) => self.welcomed(call, peer, name, (&invitation, &tree)),
            Ok(Letter::Sealed(frame)) => self.frame_came(call, peer, &frame),
            Err(error) => Err(ChatFault::Letter(error)),
        };
        if let Err(fault) = done {
            self.fault(peer, fault);
        }
    }
}

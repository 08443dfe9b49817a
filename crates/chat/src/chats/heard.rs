//! What peers bring.

use byway_primitives::codec::decode_exact;
use byway_primitives::{IdentityId, Store, Time};

use super::{Call, ChatFault, ChatNews, Chats};
use crate::delivery::Gathered;
use crate::delivery::letter::{ChatMessage, GOT_EVERY, Letter, ParcelId};
use crate::delivery::refusal::AskRefusal;
use crate::holding::Taken;
use crate::people::Standing;

/// Those who are told when what they have is taken, at most; whoever is not hears of it with the next dialogue.
const TURNED_AWAY_MAX: usize = 1024;

/// What became of a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened {
    /// It was taken to heart, kept, or makes no sense: receipted.
    Done,
    /// It can't be taken yet, and stays with its sender.
    NotNow,
    /// Who asks is not heard, and told why.
    Refused(AskRefusal),
    /// Who asks is heard or not, by what the ledger says of them; until then it stays with its sender.
    Unjudged,
}

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
                if self.is_link_refused(peer) {
                    self.tell(ChatNews::Devices);
                }
                // That their node has heard of it is all that there is to be seen of having asked.
                if self.people.get(peer).is_some_and(|person| person.standing == Standing::Asked) {
                    self.tell(ChatNews::Person { peer });
                }
                parcels.into_iter().for_each(|parcel| self.note_arrived(now, peer, parcel, store));
                self.make_up(&call, peer);
            }
            ChatMessage::Got { parcel, next } => self.outbox.handle_got(peer, parcel, next),
            ChatMessage::Passing { frame } => {
                if !self.is_blocked(peer) {
                    self.passing(&call, peer, &frame);
                }
            }
            ChatMessage::Resend => self.outbox.handle_resend(peer, now),
            ChatMessage::NotNow { parcel } => self.not_now(&call, peer, parcel),
            ChatMessage::Refused { parcel, refusal } => self.ask_refused(now, peer, parcel, refusal),
        }
        self.share_people();
        self.give_due(store);
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
        let is_known = matches!(standing, Some(Standing::Contact | Standing::Asked));
        if count > 1 && !is_known && !self.is_heard(peer) {
            if index == 0 {
                self.turn_away(peer, parcel);
                self.fault(peer, ChatFault::Unasked(peer));
            }
            return;
        }
        if !self.has_room {
            if index == 0 {
                self.turn_away(peer, parcel);
            }
            return;
        }
        match self.inbox.handle_part(peer, parcel, (index, count), bytes) {
            Ok(Gathered::Part) if (index + 1) % GOT_EVERY == 0 => {
                self.step.sends.push((peer, ChatMessage::Got { parcel, next: index + 1 }));
            }
            Ok(Gathered::Part) => {}
            Ok(Gathered::Again(parcel)) => self.receipts.entry(peer).or_default().push(parcel),
            Ok(Gathered::Whole(parcel, bytes)) => {
                // It may have come by way of a holder before.
                let came_before = Taken { store: call.store, batch: &mut self.step.batch }.contains(peer, parcel);
                match if came_before { Opened::Done } else { self.open(call, peer, &bytes) } {
                    Opened::Done => {
                        // What strangers have to say comes to the same a second time.
                        if self.people.get(peer).is_some() || self.is_heard(peer) {
                            Taken { store: call.store, batch: &mut self.step.batch }.take(peer, parcel);
                            self.inbox.take(peer, parcel, &mut self.step.batch);
                        }
                        self.receipts.entry(peer).or_default().push(parcel);
                    }
                    Opened::NotNow => self.turn_away(peer, parcel),
                    Opened::Refused(refusal) => self.refuse(peer, parcel, refusal),
                    Opened::Unjudged => {}
                }
            }
            Err(fault) => self.fault(peer, fault.into()),
        }
    }

    /// What was in a parcel. What makes no sense is done with as well: it would make no more sense a second time.
    pub(super) fn open<S: Store>(&mut self, call: &Call<'_, S>, peer: IdentityId, parcel: &[u8]) -> Opened {
        let letter = decode_exact(parcel);
        // Whoever is blocked learns nothing from having no receipt. In a group the room goes on with what they do to it.
        if self.is_blocked(peer) && !matches!(letter, Ok(Letter::Sealed(_) | Letter::Group(_))) {
            return Opened::Done;
        }
        let done = match letter {
            Ok(Letter::Ask(ask)) => Ok(self.asked(call, peer, ask, ParcelId::of(parcel))),
            Ok(Letter::Welcome { name, invitation, tree }) => self.welcomed(call, peer, name, (&invitation, &tree)),
            Ok(Letter::Sealed(frame)) => self.frame_came(call, peer, &frame),
            Ok(Letter::Group(letter)) => self.matter_came(call, peer, letter.what).map(|()| Opened::Done),
            Ok(Letter::Own(letter)) => self.own_came(call, peer, *letter),
            Err(error) => Err(ChatFault::Letter(error)),
        };
        done.unwrap_or_else(|fault| {
            self.fault(peer, fault);
            Opened::Done
        })
    }

    pub fn has_room(&self) -> bool {
        self.has_room
    }

    /// Whether the disk has room for what others say. While it has not they keep it, and then they may send it again.
    pub fn set_has_room(&mut self, has_room: bool) {
        if !std::mem::replace(&mut self.has_room, has_room) && has_room {
            let away = std::mem::take(&mut self.turned_away);
            self.step.sends.extend(away.into_iter().map(|peer| (peer, ChatMessage::Resend)));
        }
    }

    /// Somebody keeps what they have for us until they may send it again.
    fn turn_away(&mut self, peer: IdentityId, parcel: ParcelId) {
        self.step.sends.push((peer, ChatMessage::NotNow { parcel }));
        if self.turned_away.len() < TURNED_AWAY_MAX {
            self.turned_away.insert(peer);
        }
    }
}

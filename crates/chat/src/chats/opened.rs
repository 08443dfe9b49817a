//! Frames of conversations: what is in them, and those that have to wait for others.

use byway_primitives::codec::{Decode, Encode, Reader, Writer, decode_exact};
use byway_primitives::{DecodeError, IdentityId, Pending, Space, Store};

use super::{Call, ChatFault, ChatNews, Chats};
use crate::content::{Author, Content, Sender};
use crate::mls::wire::Frame;
use crate::mls::{Received, RoomId};

/// Frames that came before what they need: key is the room and a number that grows.
const EARLY: Space = Space("chat-early");
/// How many of them are kept of one room.
const EARLY_MAX: u64 = 1024;
/// How many are kept of rooms that we are not in, or not yet.
const UNKNOWN_MAX: usize = 256;
/// Bytes of one: what a parcel carries.
const FRAME_MAX: usize = crate::delivery::letter::PARCEL_MAX;

/// A frame that waits, and who brought it.
struct Waiting {
    peer: IdentityId,
    frame: Vec<u8>,
}

impl Encode for Waiting {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.peer);
        out.bytes(&self.frame);
    }
}

impl Decode for Waiting {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { peer: input.value()?, frame: input.bytes(FRAME_MAX)?.to_vec() })
    }
}

impl Chats {
    /// A frame of a conversation came.
    pub(super) fn frame_came<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        peer: IdentityId,
        frame: &[u8],
    ) -> Result<(), ChatFault> {
        let room = Frame::room_of(frame).map_err(ChatFault::Letter)?;
        let Some(talk) = self.talks.get_mut(&room) else {
            // The welcome may still be on its way, from somebody else.
            return self.keep_early(call, room, peer, frame);
        };
        match talk.room.receive(call.now, &call.draw(), frame, &mut self.step.batch) {
            Ok(Received::Content(content)) => {
                let author = Author { identity: content.from.identity, device: content.from.index };
                self.said(call, room, author, &content.content)
            }
            Ok(Received::Changed(_)) => {
                self.tell(ChatNews::Room { room });
                self.try_early(call, room);
                Ok(())
            }
            Ok(Received::Early(_)) => self.keep_early(call, room, peer, frame),
            Ok(Received::Outranked(_) | Received::Leaving(_) | Received::Known) => Ok(()),
            Err(refused) => Err(ChatFault::Refused(refused)),
        }
    }

    fn said<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        room: RoomId,
        author: Author,
        bytes: &[u8],
    ) -> Result<(), ChatFault> {
        let content: Content = decode_exact(bytes).map_err(ChatFault::Content)?;
        if content.kind.is_volatile() {
            return Err(ChatFault::Passing);
        }
        self.apply(call, room, author, &content)
    }

    fn apply<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        room: RoomId,
        author: Author,
        content: &Content,
    ) -> Result<(), ChatFault> {
        let sender: Sender = self.sender(room, author);
        let is_ours = author.identity == self.me();
        let Some(talk) = self.talks.get_mut(&room) else { return Err(ChatFault::NoRoom(room)) };
        let news =
            talk.apply(&sender, content, is_ours, call.store, &mut self.step.batch).map_err(ChatFault::Change)?;
        news.into_iter().for_each(|news| self.tell(news));
        Ok(())
    }

    /// What is true for a moment: never kept, and lost where it comes too early.
    pub(super) fn passing<S: Store>(&mut self, call: &Call<'_, S>, peer: IdentityId, frame: &[u8]) {
        let Some(talk) = Frame::room_of(frame).ok().and_then(|room| self.talks.get_mut(&room)) else { return };
        let room = talk.room.id();
        let received = talk.room.receive(call.now, &call.draw(), frame, &mut self.step.batch);
        let Ok(Received::Content(sealed)) = received else { return };
        let author = Author { identity: sealed.from.identity, device: sealed.from.index };
        let done = match decode_exact::<Content>(&sealed.content) {
            Ok(content) if content.kind.is_volatile() => self.apply(call, room, author, &content),
            Ok(_) => Err(ChatFault::Passing),
            Err(error) => Err(ChatFault::Content(error)),
        };
        if let Err(fault) = done {
            self.fault(peer, fault);
        }
    }

    fn keep_early<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        room: RoomId,
        peer: IdentityId,
        frame: &[u8],
    ) -> Result<(), ChatFault> {
        let number = match self.talks.get_mut(&room) {
            Some(talk) if talk.record.early < EARLY_MAX => {
                talk.record.early += 1;
                talk.put(&mut self.step.batch);
                talk.record.early
            }
            Some(_) => return Err(ChatFault::TooEarly),
            None => {
                // Only who is a contact may have something kept of a conversation that nobody here has heard of.
                let pending = Pending { store: call.store, batch: &self.step.batch };
                let known =
                    pending.scan_keys(EARLY, &[], UNKNOWN_MAX + usize::try_from(EARLY_MAX).unwrap_or(usize::MAX));
                let unknown = known.iter().filter(|key| !self.is_talk(key)).count();
                if !self.people.is_contact(peer) || unknown >= UNKNOWN_MAX {
                    return Err(ChatFault::NoRoom(room));
                }
                unknown as u64 + 1
            }
        };
        let key = [&room.0[..], &number.to_be_bytes(), &call.draw()[..8]].concat();
        self.step.batch.put(EARLY, key, Waiting { peer, frame: frame.to_vec() }.to_bytes());
        Ok(())
    }

    fn is_talk(&self, key: &[u8]) -> bool {
        key.first_chunk().is_some_and(|room| self.talks.contains_key(&RoomId(*room)))
    }

    /// Tries anew what came early in a conversation, now that it has moved on.
    pub(super) fn try_early<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        let waiting = Pending { store: call.store, batch: &self.step.batch }.scan_prefix(EARLY, &room.0);
        if waiting.is_empty() {
            return;
        }
        for (key, _) in &waiting {
            self.step.batch.delete(EARLY, key.clone());
        }
        if let Some(talk) = self.talks.get_mut(&room) {
            talk.record.early = 0;
            talk.put(&mut self.step.batch);
        }
        for (_, bytes) in waiting {
            // Nothing else writes here.
            let Ok(Waiting { peer, frame }) = Waiting::from_bytes(&bytes) else { continue };
            if let Err(fault) = self.frame_came(call, peer, &frame) {
                self.fault(peer, fault);
            }
        }
    }
}

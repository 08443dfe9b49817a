//! Frames of conversations: what is in them, and those that have to wait for others.

use std::collections::BTreeSet;

use byway_primitives::codec::{Decode, Encode, Reader, Writer, decode_exact};
use byway_primitives::{DecodeError, IdentityId, Pending, Space, Store};

use super::heard::Opened;
use super::{Call, ChatFault, Chats};
use crate::content::{Author, Content, Sender};
use crate::mls::wire::{Body, Frame};
use crate::mls::{Early, Received, Refused, RoomId};

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

/// What a frame came to.
enum Read {
    Done,
    /// The room has moved on.
    Moved,
    /// It waits for others.
    Early,
    /// What it was sealed with is not kept any more.
    Unreadable,
}

impl Chats {
    /// A frame of a conversation came.
    pub(super) fn frame_came<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        peer: IdentityId,
        frame: &[u8],
    ) -> Result<Opened, ChatFault> {
        let room = Frame::room_of(frame).map_err(ChatFault::Letter)?;
        if !self.talks.contains_key(&room) {
            // The welcome may still be on its way, from somebody else.
            return Ok(self.keep_early(call, room, peer, frame));
        }
        match self.read_frame(call, room, peer, frame)? {
            Read::Done => {}
            Read::Moved => self.try_early(call, room),
            Read::Early => return Ok(self.keep_early(call, room, peer, frame)),
            Read::Unreadable => self.cannot_read(call, room, peer, frame),
        }
        Ok(Opened::Done)
    }

    fn read_frame<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        room: RoomId,
        peer: IdentityId,
        frame: &[u8],
    ) -> Result<Read, ChatFault> {
        let Some(talk) = self.talks.get_mut(&room) else { return Err(ChatFault::NoRoom(room)) };
        match talk.room.receive(call.now, &call.draw(), frame, &mut self.step.batch) {
            Ok(Received::Content(content)) => {
                let author = Author { identity: content.from.identity, device: content.from.index };
                self.heard_of(room, author)?;
                self.said(call, room, author, &content.content)?;
                Ok(Read::Done)
            }
            Ok(Received::Changed(changed)) => {
                self.moved_on(call, room, changed);
                Ok(Read::Moved)
            }
            Ok(Received::Outranked(summary)) => {
                if summary.is_entry {
                    let aside = talk.room.aside();
                    self.say_gone(call, room, aside, BTreeSet::from([summary.by.identity]));
                }
                // What was sealed on the branch can be read.
                Ok(Read::Moved)
            }
            Ok(Received::Early(Early::Aside { .. })) | Err(Refused::Forked { .. }) => {
                self.compare_with(call, room, peer);
                Ok(Read::Early)
            }
            Ok(Received::Early(_)) => Ok(Read::Early),
            Ok(Received::Leaving(_)) => {
                self.asked_to_leave(call, room);
                Ok(Read::Done)
            }
            Ok(Received::Known) => Ok(Read::Done),
            Err(Refused::Forgotten { .. } | Refused::TooLate | Refused::TooFarAhead) => Ok(Read::Unreadable),
            Err(refused) => Err(ChatFault::Refused(refused)),
        }
    }

    /// Of a group nobody is heard who is blocked, or is not in it any more.
    fn heard_of(&self, room: RoomId, author: Author) -> Result<(), ChatFault> {
        let talk = self.talks.get(&room).filter(|talk| talk.is_group() && talk.is_in());
        let is_out = talk.is_some_and(|talk| !talk.has(author.identity));
        if is_out || self.people.is_blocked(author.identity) {
            return Err(ChatFault::Refused(Refused::NotMember));
        }
        Ok(())
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

    /// What is true for a moment: never kept, and lost where it comes too early. What somebody passes on that is to last counts as well, since
    /// having been read it is not read again when its parcel comes. By commits a room moves on in parcels alone.
    pub(super) fn passing<S: Store>(&mut self, call: &Call<'_, S>, peer: IdentityId, frame: &[u8]) {
        let Ok(Frame { body: Body::Content(_), room, .. }) = decode_exact::<Frame>(frame) else { return };
        let Some(talk) = self.talks.get_mut(&room) else { return };
        let received = talk.room.receive(call.now, &call.draw(), frame, &mut self.step.batch);
        let Ok(Received::Content(sealed)) = received else { return };
        let author = Author { identity: sealed.from.identity, device: sealed.from.index };
        let done = self.heard_of(room, author).and_then(|()| {
            let content = decode_exact::<Content>(&sealed.content).map_err(ChatFault::Content)?;
            self.apply(call, room, author, &content)
        });
        if let Err(fault) = done {
            self.fault(peer, fault);
        }
    }

    /// Keeps a frame that has to wait, if there is room for one of whoever brings it.
    fn keep_early<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId, peer: IdentityId, frame: &[u8]) -> Opened {
        let is_contact = self.people.is_contact(peer);
        let number = match self.talks.get_mut(&room) {
            Some(talk) if (is_contact || talk.has(peer)) && talk.record.early < EARLY_MAX => {
                talk.record.early += 1;
                talk.mending.early_since.get_or_insert(call.now);
                talk.put(&mut self.step.batch);
                talk.record.early
            }
            Some(_) => return Opened::NotNow,
            None => {
                // Only who is a contact may have something kept of a conversation that nobody here has heard of.
                let pending = Pending { store: call.store, batch: &self.step.batch };
                let known =
                    pending.scan_keys(EARLY, &[], UNKNOWN_MAX + usize::try_from(EARLY_MAX).unwrap_or(usize::MAX));
                let unknown = known.iter().filter(|key| !self.is_talk(key)).count();
                if !is_contact || unknown >= UNKNOWN_MAX {
                    self.fault(peer, ChatFault::NoRoom(room));
                    return Opened::NotNow;
                }
                unknown as u64 + 1
            }
        };
        let key = [&room.0[..], &number.to_be_bytes(), &call.draw()[..8]].concat();
        self.step.batch.put(EARLY, key, Waiting { peer, frame: frame.to_vec() }.to_bytes());
        Opened::Done
    }

    fn is_talk(&self, key: &[u8]) -> bool {
        key.first_chunk().is_some_and(|room| self.talks.contains_key(&RoomId(*room)))
    }

    /// Those who brought what waits in a conversation.
    pub(super) fn early_from<S: Store>(&self, call: &Call<'_, S>, room: RoomId) -> BTreeSet<IdentityId> {
        let waiting = Pending { store: call.store, batch: &self.step.batch }.scan_prefix(EARLY, &room.0);
        waiting.iter().filter_map(|(_, bytes)| Waiting::from_bytes(bytes).ok()).map(|waiting| waiting.peer).collect()
    }

    /// Tries anew what came early in a conversation, now that it has moved on, until it moves no more.
    pub(super) fn try_early<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        while self.try_early_once(call, room) {}
    }

    /// Whether the room has moved on.
    fn try_early_once<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) -> bool {
        let waiting = Pending { store: call.store, batch: &self.step.batch }.scan_prefix(EARLY, &room.0);
        for (key, _) in &waiting {
            self.step.batch.delete(EARLY, key.clone());
        }
        let Some(talk) = self.talks.get_mut(&room).filter(|_| !waiting.is_empty()) else { return false };
        talk.record.early = 0;
        talk.mending.early_since = None;
        talk.put(&mut self.step.batch);
        let mut has_moved = false;
        for (_, bytes) in waiting {
            // Nothing else writes here.
            let Ok(Waiting { peer, frame }) = Waiting::from_bytes(&bytes) else { continue };
            match self.read_frame(call, room, peer, &frame) {
                Ok(Read::Done) => {}
                Ok(Read::Moved) => has_moved = true,
                Ok(Read::Early) => drop(self.keep_early(call, room, peer, &frame)),
                Ok(Read::Unreadable) => self.cannot_read(call, room, peer, &frame),
                Err(fault) => self.fault(peer, fault),
            }
        }
        has_moved
    }
}

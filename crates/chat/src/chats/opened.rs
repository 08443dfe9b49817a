//! Frames of conversations: what is in them, and those that have to wait for others.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::codec::{Decode, Encode, Reader, Writer, decode_exact};
use byway_primitives::{DecodeError, IdentityId, Pending, Space, Store};

use super::heard::Opened;
use super::talk::Talk;
use super::{Call, ChatFault, ChatNews, Chats};
use crate::content::{Author, Content, MessageRef, Sender};
use crate::mls::wire::{Body, FRAME_BYTES_MAX, Frame};
use crate::mls::{Early, Received, Refused, RoomId};

/// Frames that came before what they need: key is the room and a number that grows.
const FRAMES: Space = Space("chat-early");
/// How much of them is kept of one room: a device that was away for long is brought the commits of many, and then what was said.
const EARLY: Bounds = Bounds {
    frames: 1024,
    bytes: 32 << 20,
    each: Share { frames: 512, bytes: 8 << 20 },
    own: Share { frames: 16, bytes: 128 << 10 },
};
/// How much is kept of all rooms that we are not in, or not yet.
const UNKNOWN: Bounds = Bounds {
    frames: 256,
    bytes: 32 << 20,
    each: Share { frames: 64, bytes: 8 << 20 },
    own: Share { frames: 8, bytes: 64 << 10 },
};

/// How much may wait: all in all, and of one who brings it.
struct Bounds {
    frames: usize,
    bytes: usize,
    each: Share,
    /// What there is room for of everybody, however much others have brought.
    own: Share,
}

struct Share {
    frames: usize,
    bytes: usize,
}

impl Share {
    /// Whether one more has room in it beside so many frames, which have so many bytes.
    fn has_room(&self, (frames, bytes): (usize, usize), more: usize) -> bool {
        frames < self.frames && bytes + more <= self.bytes
    }
}

/// How many frames wait, and how many bytes they have, by who brought them.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<IdentityId, (usize, usize)>);

impl Tally {
    /// Counts one more, if there is room for it.
    fn add(&mut self, peer: IdentityId, bytes: usize, bounds: &Bounds) -> bool {
        let (frames, all) = self.0.values().fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        let its = self.0.get(&peer).copied().unwrap_or_default();
        let has_room = frames < bounds.frames && all + bytes <= bounds.bytes;
        let is_added = (has_room && bounds.each.has_room(its, bytes)) || bounds.own.has_room(its, bytes);
        if is_added {
            self.0.insert(peer, (its.0 + 1, its.1 + bytes));
        }
        is_added
    }

    fn remove(&mut self, peer: IdentityId, bytes: usize) {
        if let Some(its) = self.0.get_mut(&peer) {
            *its = (its.0.saturating_sub(1), its.1.saturating_sub(bytes));
            if its.0 == 0 {
                self.0.remove(&peer);
            }
        }
    }
}

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
        Ok(Self { peer: input.value()?, frame: input.bytes(FRAME_BYTES_MAX)?.to_vec() })
    }
}

impl Chats {
    /// Counts what waits on the disk.
    pub(super) fn count_early(&mut self, store: &impl Store) {
        let mut from = Vec::new();
        // One by one: each may be long.
        while let Some((key, bytes)) = store.scan(FRAMES, &from, 1).pop() {
            if let (Some(room), Ok(waiting)) = (key.first_chunk(), Waiting::from_bytes(&bytes)) {
                let (tally, bounds) = match self.talks.get_mut(&RoomId(*room)) {
                    Some(talk) => (&mut talk.mending.early, &EARLY),
                    None => (&mut self.early_unknown, &UNKNOWN),
                };
                tally.add(waiting.peer, waiting.frame.len(), bounds);
            }
            from = [&key[..], &[0]].concat();
        }
    }
}

/// The messages that news are of.
pub(super) fn touched(news: &[ChatNews]) -> Vec<MessageRef> {
    news.iter().filter_map(|news| if let ChatNews::Item { of, .. } = news { Some(*of) } else { None }).collect()
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
                let touched = self.said(call, room, author, &content.content)?;
                self.owe_devices(room, (content.epoch, content.place), &touched);
                Ok(Read::Done)
            }
            Ok(Received::Changed(changed)) => {
                self.moved_on(call, room, changed);
                Ok(Read::Moved)
            }
            Ok(Received::Outranked(summary)) => {
                if summary.is_entry {
                    let aside = talk.room.aside();
                    self.entered_aside(call, room, aside, BTreeSet::from([summary.by.identity]));
                }
                self.doubt_anew(call, room);
                // What was sealed on the branch can be read.
                Ok(Read::Moved)
            }
            Ok(Received::Early(Early::Aside { .. })) | Err(Refused::Forked { .. }) => {
                self.compare_with(call, room, peer);
                Ok(Read::Early)
            }
            Ok(Received::Early(Early::Until(at))) => {
                let until = &mut talk.mending.early_until;
                *until = Some(until.map_or(at, |before| before.min(at)));
                Ok(Read::Early)
            }
            Ok(Received::Early(Early::Ahead { .. })) => Ok(Read::Early),
            Ok(Received::Leaving(_)) => {
                self.asked_to_leave(call, room);
                Ok(Read::Done)
            }
            Ok(Received::Known) => Ok(Read::Done),
            Err(Refused::Forgotten { .. } | Refused::TooLate | Refused::TooFarAhead) => Ok(Read::Unreadable),
            Err(refused) => Err(ChatFault::Refused(refused)),
        }
    }

    /// Of a group nobody is heard who is blocked, or is not in it any more, nor is a device that was taken away.
    fn heard_of(&self, room: RoomId, author: Author) -> Result<(), ChatFault> {
        // Of two none is removed but a linked device.
        let can_be_out = |talk: &&Talk| talk.is_in() && (talk.is_group() || talk.has(author.identity));
        let talk = self.talks.get(&room).filter(can_be_out);
        let is_out = talk.is_some_and(|talk| !talk.has_device(author.identity, author.device));
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
    ) -> Result<Vec<MessageRef>, ChatFault> {
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
    ) -> Result<Vec<MessageRef>, ChatFault> {
        let sender: Sender = self.sender(room, author);
        let is_ours = author.identity == self.me();
        let Some(talk) = self.talks.get_mut(&room) else { return Err(ChatFault::NoRoom(room)) };
        let news =
            talk.apply(&sender, content, is_ours, call.store, &mut self.step.batch).map_err(ChatFault::Change)?;
        let touched = touched(&news);
        news.into_iter().for_each(|news| self.tell(news));
        Ok(touched)
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
            let touched = self.apply(call, room, author, &content)?;
            self.owe_devices(room, (sealed.epoch, sealed.place), &touched);
            Ok(())
        });
        if let Err(fault) = done {
            self.fault(peer, fault);
        }
    }

    /// Keeps a frame that has to wait, if there is room for one of whoever brings it.
    fn keep_early<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId, peer: IdentityId, frame: &[u8]) -> Opened {
        let is_contact = self.own.has(peer) || self.people.is_contact(self.person_of(peer));
        if frame.len() > FRAME_BYTES_MAX {
            // None is as long as that.
            return Opened::Done;
        }
        let number = match self.talks.get_mut(&room) {
            Some(talk) => {
                if !(is_contact || talk.has_node(peer)) || !talk.mending.early.add(peer, frame.len(), &EARLY) {
                    return Opened::NotNow;
                }
                talk.record.early += 1;
                talk.mending.early_since.get_or_insert(call.now);
                talk.put(&mut self.step.batch);
                talk.record.early
            }
            None => {
                // Only who is a contact may have something kept of a conversation that nobody here has heard of.
                if !is_contact || !self.early_unknown.add(peer, frame.len(), &UNKNOWN) {
                    self.fault(peer, ChatFault::NoRoom(room));
                    return Opened::NotNow;
                }
                self.early_unknown.0.values().map(|(frames, _)| *frames as u64).sum()
            }
        };
        let key = [&room.0[..], &number.to_be_bytes(), &call.draw()[..8]].concat();
        self.step.batch.put(FRAMES, key, Waiting { peer, frame: frame.to_vec() }.to_bytes());
        Opened::Done
    }

    /// Those who brought what waits in a conversation.
    pub(super) fn early_from<S: Store>(&self, call: &Call<'_, S>, room: RoomId) -> BTreeSet<IdentityId> {
        let waiting = Pending { store: call.store, batch: &self.step.batch }.scan_prefix(FRAMES, &room.0);
        waiting.iter().filter_map(|(_, bytes)| Waiting::from_bytes(bytes).ok()).map(|waiting| waiting.peer).collect()
    }

    /// Tries anew what came early in a conversation, now that it has moved on, until it moves no more.
    pub(super) fn try_early<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        while self.try_early_once(call, room) {}
    }

    /// Whether the room has moved on.
    fn try_early_once<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) -> bool {
        let waiting = Pending { store: call.store, batch: &self.step.batch }.scan_prefix(FRAMES, &room.0);
        for (key, _) in &waiting {
            self.step.batch.delete(FRAMES, key.clone());
        }
        let Some(talk) = self.talks.get_mut(&room).filter(|_| !waiting.is_empty()) else { return false };
        // Those that came before the room was known were counted with all such.
        let was_unknown = talk.record.early == 0;
        talk.record.early = 0;
        (talk.mending.early, talk.mending.early_since) = (Tally::default(), None);
        talk.mending.early_until = None;
        talk.put(&mut self.step.batch);
        let mut has_moved = false;
        for (_, bytes) in waiting {
            // Nothing else writes here.
            let Ok(Waiting { peer, frame }) = Waiting::from_bytes(&bytes) else { continue };
            if was_unknown {
                self.early_unknown.remove(peer, frame.len());
            }
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

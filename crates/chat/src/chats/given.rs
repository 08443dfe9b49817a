//! What a linked device is given of what was said before it was in a conversation: the other side of [`giving`](super::giving).
//!
//! A *head* says how many places the messages of before take at the first device; so many are kept free here, and each message comes to
//! stand where it stands there, in whatever order they come. What came otherwise stays, and has from the copy what it lacks: nothing is
//! put in its place. Messages for which no place is kept, since they were said after the head and before this device was in the room,
//! are put in order among those behind the kept places once all is there.
//!
//! A conversation whose room is not here is one without its room ([`lost`](super::lost)), until a device lets this one in.

use std::collections::BTreeSet;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Batch, Pending, Space, Store};

use super::files::note_files;
use super::giving::Progress;
use super::heard::Opened;
use super::history::{forget_place, is_taken, keep_message, load, move_message, put};
use super::lost::Lost;
use super::{Call, ChatNews, Chats, ChatsDamaged, Shown};
use crate::backup::{BackupRecord, BackupTalk};
use crate::content::limits::{LAMPORT_MAX, WAITING_MAX};
use crate::content::{Item, MessageRef};
use crate::mls::RoomId;

/// How far this device was given what was said.
const GIVEN: Space = Space("chat-given");
/// The key of the one there is. Disks take no empty one.
const ONLY: [u8; 1] = [0];
/// Places that are kept in a room: key is the room.
const KEPT: Space = Space("chat-given-places");

/// Places that are kept in one conversation, at most: more messages than there can be.
const PLACES_MAX: u64 = 1 << 48;
/// Messages that are moved at a time.
const PAGE: u64 = 256;

/// How far this device was given what was said.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    pub progress: Progress,
}

/// What is kept free in one room.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    /// Places before this one are those of the first device.
    before: u64,
    /// Behind it are messages that may belong between others.
    is_mixed: bool,
}

impl Given {
    pub fn load(store: &impl Store) -> Result<Option<Self>, ChatsDamaged> {
        let progress = store.load(GIVEN, &ONLY).map(|bytes| Progress::from_bytes(&bytes));
        Ok(progress.transpose().map_err(ChatsDamaged::Devices)?.map(|progress| Self { progress }))
    }
}

impl Kept {
    fn load(room: RoomId, store: &impl Store) -> Option<Self> {
        // Nothing else writes here.
        Self::from_bytes(&store.load(KEPT, &room.0)?).ok()
    }

    fn put(&self, room: RoomId, batch: &mut Batch) {
        batch.put(KEPT, room.0, self.to_bytes());
    }
}

impl Chats {
    /// The first device gives a part of what was said.
    pub(super) fn history_came<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        progress: Progress,
        records: Vec<BackupRecord>,
    ) -> Opened {
        let mut known: BTreeSet<RoomId> = self.all_rooms().into_iter().collect();
        let is_at_hand = records.iter().all(|record| {
            if let BackupRecord::Talk(head) = record {
                known.insert(head.room);
            }
            !matches!(record, BackupRecord::Message { room, .. } if !known.contains(room))
        });
        if !is_at_hand {
            // The head is still on its way.
            return Opened::NotNow;
        }
        let mut touched = BTreeSet::new();
        for record in records {
            match record {
                BackupRecord::Talk(head) => touched.extend(self.head_came(call, head)),
                BackupRecord::Message { room, shown } => touched.extend(self.message_given(call, room, shown)),
                // These come otherwise.
                BackupRecord::Head { .. }
                | BackupRecord::Person { .. }
                | BackupRecord::Card { .. }
                | BackupRecord::Device(_)
                | BackupRecord::Own(_) => {}
            }
        }
        if progress.is_whole {
            touched.extend(self.put_tails_in_order(call));
        }
        for room in touched {
            self.put_record_of(room);
            self.tell(ChatNews::Room { room });
            self.tell(ChatNews::Given { room });
        }
        self.step.batch.put(GIVEN, ONLY, progress.to_bytes());
        self.given = Some(Given { progress });
        self.tell(ChatNews::Devices);
        Opened::Done
    }

    /// A conversation of the first device: which room has changed by it.
    fn head_came<S: Store>(&mut self, call: &Call<'_, S>, mut head: BackupTalk) -> Option<RoomId> {
        let room = head.room;
        head.lamport = head.lamport.min(LAMPORT_MAX);
        head.next = head.next.min(PLACES_MAX);
        (head.read, head.unread) = (head.read.min(head.next), head.unread.min(head.next));
        let kept = Kept::load(room, &Pending { store: call.store, batch: &self.step.batch });
        if kept.is_none() {
            Kept { before: head.next, is_mixed: false }.put(room, &mut self.step.batch);
        }
        if self.record_of(room).is_none() {
            let lost = Lost::of(head);
            lost.put(room, &mut self.step.batch);
            self.lost.insert(room, lost);
            return Some(room);
        }
        if kept.is_none() {
            self.make_places(call, room, &head);
        }
        if let Some(lost) = self.lost.get_mut(&room) {
            lost.head_came(&head);
            lost.put(room, &mut self.step.batch);
        }
        let record = self.record_mut(room)?;
        record.about.join(&head.about);
        record.lamport = record.lamport.max(head.lamport);
        Some(room)
    }

    /// What is here of a conversation moves behind what was said before.
    fn make_places<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId, head: &BackupTalk) {
        let Some(count) = self.record_of(room).map(|record| record.next) else { return };
        let mut before = count;
        while before > 0 {
            let from = before.saturating_sub(PAGE);
            let page =
                self.page(room, Some(before), PAGE as usize, &Pending { store: call.store, batch: &self.step.batch });
            for Shown { place, item } in page.into_iter().filter(|shown| shown.place >= from) {
                forget_place(room, place, &mut self.step.batch);
                move_message(room, &item.of, place + head.next, call.store, &mut self.step.batch);
            }
            before = from;
        }
        let Some(record) = self.record_mut(room) else { return };
        let was_read = record.read > 0;
        record.next = count + head.next;
        record.read = if was_read { record.read + head.next } else { head.read };
        // What both have heard already is among those of the first.
        record.unread = if was_read { record.unread } else { record.unread.max(head.unread) };
    }

    /// A message of before: which room has it, if it is new or not as it was.
    fn message_given<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId, given: Shown) -> Option<RoomId> {
        if given.item.is_waiting() {
            return None;
        }
        let view = Pending { store: call.store, batch: &self.step.batch };
        let (kept, old) = (Kept::load(room, &view).unwrap_or_default(), load(&view, room, &given.item.of));
        let is_known = old.as_ref().is_some_and(|old| !old.item.is_waiting());
        let was_waiting = old.as_ref().is_some_and(|old| old.item.is_waiting());
        // At the first device messages may have been put in another order meanwhile.
        let has_place = given.place < kept.before && !is_taken(room, given.place, &view);
        let item = joined(old.as_ref().map(|old| &old.item), given.item);
        let is_ours = item.of.author == self.me();
        let record = self.record_mut(room)?;
        let place = match &old {
            Some(old) if is_known => old.place,
            _ if has_place => given.place,
            _ => {
                record.next += 1;
                record.unread += u64::from(!is_ours && !item.is_gone());
                record.next - 1
            }
        };
        record.waiting = record.waiting.saturating_sub(u64::from(was_waiting));
        let is_read = record.read_ahead.take_if(|ahead| *ahead == item.of).is_some();
        if place >= kept.before && !is_known {
            Kept { is_mixed: true, ..kept }.put(room, &mut self.step.batch);
        }
        // Nobody fetches by themselves what came long ago, and what is gone is gone at the first device too.
        let before = old.map(|old| old.item).filter(|_| is_known);
        let mut gone = Vec::new();
        note_files(room, before.as_ref(), &item, call.store, &mut self.step.batch, &mut gone);
        gone.into_iter().for_each(|news| self.tell(news));
        let (of, thread) = (item.of, item.place().and_then(|place| place.thread));
        keep_message(room, &Shown { place, item }, &mut self.step.batch);
        if let Some(thread) = thread.filter(|_| !is_known) {
            self.count_reply(call, room, thread);
        }
        if is_read {
            self.put_record_of(room);
            self.read_elsewhere(call, room, of);
        }
        Some(room)
    }

    /// The message with which a thread begins has one reply more; also where it is still to come.
    fn count_reply<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId, thread: MessageRef) {
        let first = load(&Pending { store: call.store, batch: &self.step.batch }, room, &thread);
        let Some(record) = self.record_mut(room) else { return };
        let mut first = match first {
            Some(first) => first,
            // Where there is no room to wait, the count is of less than there is.
            None if record.waiting >= WAITING_MAX as u64 => return,
            None => {
                record.waiting += 1;
                Shown { place: 0, item: Item::waiting(thread) }
            }
        };
        first.item.count_reply();
        if first.item.is_waiting() {
            put(room, &first, &mut self.step.batch);
        } else {
            keep_message(room, &first, &mut self.step.batch);
        }
    }

    /// All was given: what stands behind the kept places, and may belong between others there, is put in order.
    fn put_tails_in_order<S: Store>(&mut self, call: &Call<'_, S>) -> Vec<RoomId> {
        let view = Pending { store: call.store, batch: &self.step.batch };
        let kept = view.scan_prefix(KEPT, &[]).into_iter();
        let read =
            |(key, value): (Vec<u8>, Vec<u8>)| Some((RoomId(key.try_into().ok()?), Kept::from_bytes(&value).ok()?));
        let mixed: Vec<(RoomId, Kept)> = kept.filter_map(read).filter(|(_, kept)| kept.is_mixed).collect();
        for (room, kept) in &mixed {
            self.put_in_order_from(call, *room, kept.before);
            Kept { is_mixed: false, ..*kept }.put(*room, &mut self.step.batch);
        }
        mixed.into_iter().map(|(room, _)| room).collect()
    }
}

/// What is known here and there of a message. How many replies it has is counted here, as they come.
fn joined(old: Option<&Item>, given: Item) -> Item {
    let mut item = old.cloned().unwrap_or_else(|| Item::waiting(given.of));
    item.join(&given);
    item
}

impl Encode for Kept {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.before);
        out.flag(self.is_mixed);
    }
}

impl Decode for Kept {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { before: input.u64()?, is_mixed: input.flag()? })
    }
}

//! Messages as they stand now, on disk: each under its reference, and the order in which they came.

use byway_primitives::codec::{Decode, Encode, Reader, Writer};
use byway_primitives::{Batch, IdentityId, Pending, Space, Store};

use super::files::note_files;
use super::talk::Talk;
use super::{ChatNews, Chats};
use crate::content::book::{self, BookEntry};
use crate::content::{Change, Content, Item, Items, MessageRef, Refusal, Sender, apply};
use crate::mls::RoomId;

/// Items: key is the room and the message's reference.
const ITEMS: Space = Space("chat-items");
/// The reference of each message: key is the room, and its place counted down, so that the newest comes first.
const ORDER: Space = Space("chat-order");

/// What the address book of a room says: key is the room and the person.
const BOOKS: Space = Space("chat-book");

/// A message with its place in the conversation, on this device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub place: u64,
    pub item: Item,
}

/// The messages of one room.
struct OfRoom<'a, S> {
    room: RoomId,
    waiting: u64,
    store: &'a S,
}

impl<S: Store> Items for OfRoom<'_, S> {
    fn item(&self, of: &MessageRef) -> Option<Item> {
        load(self.store, self.room, of).map(|shown| shown.item)
    }

    fn waiting(&self) -> usize {
        usize::try_from(self.waiting).unwrap_or(usize::MAX)
    }

    fn in_book(&self, who: IdentityId) -> Option<BookEntry> {
        // Nothing else writes here.
        book::entry_from(&self.store.load(BOOKS, &book_key(self.room, who))?).ok()
    }

    fn book_count(&self) -> usize {
        self.store.scan_prefix(BOOKS, &self.room.0).len()
    }
}

pub(super) fn load(store: &impl Store, room: RoomId, of: &MessageRef) -> Option<Shown> {
    shown(&store.load(ITEMS, &item_key(room, of))?)
}

fn shown(bytes: &[u8]) -> Option<Shown> {
    let mut input = Reader::new(bytes);
    // Nothing else writes here. What can't be read is as if it had not come.
    Some(Shown { place: input.u64().ok()?, item: Item::decode(&mut input).ok()? })
}

/// Writes a message as it is kept. For whoever has messages that nobody has said, as tests and measurements do.
pub fn keep_message(room: RoomId, shown: &Shown, batch: &mut Batch) {
    batch.put(ORDER, order_key(room, shown.place), shown.item.of.to_bytes());
    put(room, shown, batch);
}

/// Whether a message stands in a place.
pub(super) fn is_taken(room: RoomId, place: u64, store: &impl Store) -> bool {
    store.load(ORDER, &order_key(room, place)).is_some()
}

/// Nothing stands in a place any more.
pub(super) fn forget_place(room: RoomId, place: u64, batch: &mut Batch) {
    batch.delete(ORDER, order_key(room, place));
}

/// A message stands elsewhere.
pub(super) fn move_message(room: RoomId, of: &MessageRef, place: u64, store: &impl Store, batch: &mut Batch) {
    if let Some(Shown { item, .. }) = load(&Pending { store, batch }, room, of) {
        keep_message(room, &Shown { place, item }, batch);
    }
}

pub(super) fn put(room: RoomId, shown: &Shown, batch: &mut Batch) {
    let mut out = Writer::new();
    out.varint(shown.place);
    out.value(&shown.item);
    batch.put(ITEMS, item_key(room, &shown.item.of), out.into_bytes());
}

/// Up to `limit` messages of all conversations as they are kept, in no order that means anything, from a key on; and the key to go on
/// from, if there are more. What can't be read is left out, and what waits for its message as well.
pub(crate) fn kept_messages(store: &impl Store, from: &[u8], limit: usize) -> (Vec<(RoomId, Shown)>, Option<Vec<u8>>) {
    let entries = store.scan(ITEMS, from, limit);
    let last = entries.last().filter(|_| entries.len() == limit);
    let next = last.map(|(key, _)| [&key[..], &[0]].concat());
    let read = |(key, value): (Vec<u8>, Vec<u8>)| {
        let room = RoomId(*key.first_chunk()?);
        Some((room, shown(&value)?)).filter(|(_, shown)| !shown.item.is_waiting())
    };
    (entries.into_iter().filter_map(read).collect(), next)
}

fn item_key(room: RoomId, of: &MessageRef) -> Vec<u8> {
    [&room.0[..], &of.author.0, &of.id.0].concat()
}

fn book_key(room: RoomId, who: IdentityId) -> Vec<u8> {
    [&room.0[..], &who.0].concat()
}

fn order_key(room: RoomId, place: u64) -> Vec<u8> {
    [&room.0[..], &(u64::MAX - place).to_be_bytes()].concat()
}

impl Talk {
    /// Applies a content to what is shown, and gives what is to be told.
    pub(super) fn apply(
        &mut self,
        sender: &Sender,
        content: &Content,
        is_ours: bool,
        store: &impl Store,
        batch: &mut Batch,
    ) -> Result<Vec<ChatNews>, Refusal> {
        let room = self.room.id();
        let changes = {
            let pending = Pending { store, batch };
            let items = OfRoom { room, waiting: self.record.waiting, store: &pending };
            apply(&items, &self.record.about, sender, content)?
        };
        self.record.lamport = self.record.lamport.max(content.lamport);
        let mut news = Vec::new();
        for change in changes {
            match change {
                Change::Item(item) => self.put_item(*item, is_ours, store, batch, &mut news),
                Change::Forgotten(of) => {
                    if load(&Pending { store, batch }, room, &of).is_some_and(|old| old.item.is_waiting()) {
                        self.record.waiting = self.record.waiting.saturating_sub(1);
                    }
                    batch.delete(ITEMS, item_key(room, &of));
                }
                Change::Book { who, entry } => {
                    batch.put(BOOKS, book_key(room, who), book::entry_bytes(&entry));
                    let told = ChatNews::Book { room };
                    news.extend((!news.contains(&told)).then_some(told));
                }
                Change::Typing { .. } | Change::Presence { .. } => news.push(ChatNews::Sign { room, change }),
                change => {
                    self.record.about.take(&change);
                    news.push(ChatNews::Room { room });
                }
            }
        }
        self.put(batch);
        Ok(news)
    }

    fn put_item(&mut self, item: Item, is_ours: bool, store: &impl Store, batch: &mut Batch, news: &mut Vec<ChatNews>) {
        let room = self.room.id();
        let old = load(&Pending { store, batch }, room, &item.of);
        note_files(room, old.as_ref().map(|old| &old.item), &item, store, batch, news);
        let was_waiting = old.as_ref().is_some_and(|old| old.item.is_waiting());
        let is_new = !item.is_waiting() && old.as_ref().is_none_or(|old| old.item.is_waiting());
        self.record.waiting += u64::from(item.is_waiting());
        self.record.waiting -= u64::from(was_waiting);
        let place = if is_new { self.record.next } else { old.map_or(0, |old| old.place) };
        if is_new {
            self.record.next += 1;
            self.record.unread += u64::from(!is_ours && !item.is_gone());
            if self.record.read_ahead.take_if(|ahead| *ahead == item.of).is_some() {
                (self.record.read, self.record.unread) = (place + 1, 0);
            }
            batch.put(ORDER, order_key(room, place), item.of.to_bytes());
        }
        let of = item.of;
        put(room, &Shown { place, item }, batch);
        news.push(ChatNews::Item { room, of, is_new });
    }
}

impl Chats {
    pub fn item(&self, room: RoomId, of: &MessageRef, store: &impl Store) -> Option<Shown> {
        load(store, room, of).filter(|shown| !shown.item.is_waiting())
    }

    /// What the address book of a conversation says, in the order of the people's identities; those who were taken out as well.
    pub fn book(&self, room: RoomId, store: &impl Store) -> Vec<(IdentityId, BookEntry)> {
        let read = |(key, value): (Vec<u8>, Vec<u8>)| {
            let who = IdentityId(key.get(room.0.len()..)?.try_into().ok()?);
            Some((who, book::entry_from(&value).ok()?))
        };
        store.scan_prefix(BOOKS, &room.0).into_iter().filter_map(read).collect()
    }

    /// Up to `limit` messages before a place, or the newest: the newest first.
    pub fn page(&self, room: RoomId, before: Option<u64>, limit: usize, store: &impl Store) -> Vec<Shown> {
        let newest = match before {
            None => u64::MAX,
            Some(0) => return Vec::new(),
            Some(before) => before - 1,
        };
        let lines = store.scan(ORDER, &order_key(room, newest), limit);
        let of_room = lines.into_iter().take_while(|(key, _)| key.starts_with(&room.0));
        of_room.filter_map(|(_, of)| load(store, room, &MessageRef::from_bytes(&of).ok()?)).collect()
    }
}

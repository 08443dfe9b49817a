//! Finding messages again, by what people type ([`query`](crate::content::query)).
//!
//! The index is the folded text of every message, in memory, in the order in which they were sent. It is looked through from the newest
//! on, block by block, with a search for bytes that is about as fast as memory, until there are enough; blocks in which a word can't stand
//! are passed over. What that finds is what stands there: parts of
//! words, one letter, any writing; nothing has to be cut into words beforehand.
//!
//! Nothing of it is on a disk, where it would have to be sealed and kept in step with the messages. It is [gathered](Gathering) from
//! those when it is first needed, a page at a time, and kept up with each message that is new or changes ([`Index::put`]).
//!
//! A copy of an index shares its blocks with it, so whoever searches takes one and disturbs nobody.
//!
//! Not here: who is called what ([`Sought`] has people and conversations as such).

mod block;
mod bloom;
mod gathering;
mod marks;
mod numbers;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use byway_primitives::{IdentityId, Time};

use crate::chats::Shown;
use crate::content::index::Indexed;
use crate::content::query::HasSet;
use crate::mls::RoomId;
use block::{Block, Place, Row, Term, Wanted};
pub use gathering::Gathering;
pub use marks::{MARKS_MAX, marks};
use numbers::Numbers;

/// All messages of one device, as they are found.
#[derive(Clone, Default)]
pub struct Index {
    rooms: Arc<Numbers<RoomId>>,
    people: Arc<Numbers<IdentityId>>,
    /// In order, none of them empty.
    blocks: Vec<Arc<Block>>,
}

/// What is looked for, all of which has to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sought {
    /// Folded.
    pub terms: Vec<String>,
    /// In one of these conversations; anywhere where there are none to choose from.
    pub within: Option<BTreeSet<RoomId>>,
    /// Written by one of these.
    pub from: Option<BTreeSet<IdentityId>>,
    /// Sent earlier than this.
    pub before: Option<Time>,
    /// Sent at this time or later.
    pub after: Option<Time>,
    pub has: HasSet,
}

/// Where a message stands that was found. They are ordered from the oldest to the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// By its author's clock, and never later than it was first seen.
    pub sent: Time,
    pub place: u64,
    pub room: RoomId,
}

/// Some of what was found, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    pub found: Vec<Found>,
    /// Whether there are older ones.
    pub is_cut: bool,
}

/// This is no place in what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no place where an earlier page has ended")]
pub struct NotAPlace;

impl Index {
    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Bytes of memory that all of it takes.
    pub fn bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.bytes()).sum()
    }

    /// Has a message be found as it stands now, or not at all where it is gone. `is_new` where it has just come, at the time `now`.
    pub fn put(&mut self, now: Time, room: RoomId, shown: &Shown, is_new: bool) {
        if shown.item.is_waiting() {
            return;
        }
        let room = self.number_of_room(room);
        let sent = shown.item.place().map(|place| place.sent.min(now));
        let old = if is_new { None } else { self.place_of(room, shown.place, sent) };
        let Some((sent, indexed)) = sent.zip(Indexed::of(&shown.item)) else {
            old.into_iter().for_each(|place| self.remove(place));
            return;
        };
        if let Some((block, row)) = old {
            if !self.blocks[block].is_as(row, &indexed) {
                Arc::make_mut(&mut self.blocks[block]).replace(row, &indexed);
            }
            return;
        }
        let author = self.number_of_person(shown.item.of.author);
        let place = Place { sent, place: shown.place, room };
        self.insert(&Row { place, author, has: indexed.has, end: 0 }, &indexed.text);
    }

    /// Up to `limit` messages that are older than `before`.
    pub fn find(&self, sought: &Sought, before: Option<&Found>, limit: usize) -> Page {
        let wanted = Wanted {
            terms: sought.terms.iter().map(|term| Term::new(term)).collect(),
            rooms: sought.within.as_ref().map(|rooms| self.rooms.chosen(rooms)),
            authors: sought.from.as_ref().map(|people| self.people.chosen(people)),
            has: sought.has,
            before: sought.before,
            after: sought.after,
        };
        let mut page = Page::default();
        for block in self.blocks.iter().rev() {
            if before.is_some_and(|before| block.first().sent > before.sent) || block.is_later(sought.before) {
                continue;
            }
            if block.is_earlier(sought.after) {
                break;
            }
            for row in block.find(&wanted).into_iter().rev() {
                let Place { sent, place, room } = block.row(row).place;
                let found = Found { sent, place, room: self.rooms.of(room) };
                if before.is_some_and(|before| found >= *before) {
                    continue;
                }
                if page.found.len() == limit {
                    page.is_cut = true;
                    return page;
                }
                page.found.push(found);
            }
        }
        page
    }

    fn number_of_room(&mut self, room: RoomId) -> u32 {
        self.rooms.find(&room).unwrap_or_else(|| Arc::make_mut(&mut self.rooms).add(room))
    }

    fn number_of_person(&mut self, person: IdentityId) -> u32 {
        self.people.find(&person).unwrap_or_else(|| Arc::make_mut(&mut self.people).add(person))
    }

    /// How the order goes: by time, then by place, and by room where both are the same.
    fn key(&self, place: &Place) -> Found {
        Found { sent: place.sent, place: place.place, room: self.rooms.of(place.room) }
    }

    /// The block that `place` belongs into, and where in it.
    fn position(&self, place: &Place) -> (usize, Result<usize, usize>) {
        let key = self.key(place);
        let behind = self.blocks.partition_point(|block| self.key(block.first()) <= key);
        let block = behind.saturating_sub(1);
        let at = self.blocks.get(block).map_or(Err(0), |rows| rows.position(|row| self.key(row).cmp(&key)));
        (block, at)
    }

    /// Where a message stands: at its time, or, where that is not what it was taken for when it came, or is not known any more, anywhere.
    fn place_of(&self, room: u32, place: u64, sent: Option<Time>) -> Option<(usize, usize)> {
        if let Some(sent) = sent
            && let (block, Ok(row)) = self.position(&Place { sent, place, room })
        {
            return Some((block, row));
        }
        let in_block = |(number, block): (usize, &Arc<Block>)| Some((number, block.place_of(room, place)?));
        self.blocks.iter().enumerate().rev().find_map(in_block)
    }

    fn insert(&mut self, row: &Row, text: &str) {
        let (number, position) = self.position(&row.place);
        let Err(at) = position else { return };
        let is_at_the_end = number + 1 >= self.blocks.len();
        match self.blocks.get_mut(number) {
            // What is new goes behind all else: blocks are filled one after the other.
            Some(block) if !(is_at_the_end && at == block.len() && block.is_full()) => {
                let block = Arc::make_mut(block);
                block.insert(at, row, text);
                if block.is_overfull() {
                    let behind = block.split();
                    self.blocks.insert(number + 1, Arc::new(behind));
                }
            }
            _ => {
                let mut block = Block::default();
                block.insert(0, row, text);
                self.blocks.push(Arc::new(block));
            }
        }
    }

    fn remove(&mut self, (number, row): (usize, usize)) {
        let block = Arc::make_mut(&mut self.blocks[number]);
        block.remove(row);
        if block.len() == 0 {
            self.blocks.remove(number);
        }
    }
}

/// For whoever asks for the page behind it.
impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.sent.0, self.place, hex::encode(self.room.0))
    }
}

impl FromStr for Found {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let mut parts = text.splitn(3, '-');
        let mut next = || parts.next().ok_or(NotAPlace);
        let sent = Time(next()?.parse().map_err(|_| NotAPlace)?);
        let place = next()?.parse().map_err(|_| NotAPlace)?;
        let mut room = [0; 32];
        hex::decode_to_slice(next()?, &mut room).map_err(|_| NotAPlace)?;
        Ok(Self { sent, place, room: RoomId(room) })
    }
}

//! Task lists and shared lists: what is said about them, and what they are when it has all come together.
//!
//! Everyone who has a list may change it, and nobody waits for anybody. So a list is joined from pieces that come in any order, and
//! more than once (a state-based CRDT; Shapiro et al., 2011): its entries are an *add-wins set*, which a change takes an entry off
//! only as far as its sender had seen it put there; what an entry says is a *register* each for text, place, done and assignee, of
//! which the highest [`Stamp`] stands; and places are fractions, so that there is always one between two others.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::IdentityId;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

use super::bounded::{BoundedList, BoundedText, fields};
use super::envelope::{Author, MessageRef, Stamp};
use super::limits::*;

pub use super::position::{NoRoom, Position};

/// A list as it is put into a conversation, with its first entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    pub title: BoundedText<LINE_BYTES_MAX>,
    pub style: ListStyle,
    pub changes: BoundedList<ListChange, LIST_CHANGES_MAX>,
}

/// What a list's entries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListStyle {
    /// Things to be done by somebody.
    Tasks,
    /// Things.
    Shared,
}

/// Changes that are made to a list at once, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListChanges {
    pub list: MessageRef,
    pub changes: BoundedList<ListChange, LIST_CHANGES_MAX>,
}

/// Names an entry: 16 random bytes, drawn by whoever puts it on the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub [u8; 16]);

/// One time that an entry was put on its list: the digest in the stamp of the content that did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryTag(pub [u8; 16]);

/// A change of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListChange {
    /// On the list, again if it was taken off.
    Put {
        entry: EntryId,
        place: Position,
        text: BoundedText<LINE_BYTES_MAX>,
    },
    Write {
        entry: EntryId,
        text: BoundedText<LINE_BYTES_MAX>,
    },
    Done {
        entry: EntryId,
        is_done: bool,
    },
    Assign {
        entry: EntryId,
        to: Option<IdentityId>,
    },
    Move {
        entry: EntryId,
        place: Position,
    },
    /// Off the list, as often as its sender has seen it put there.
    TakeOff {
        entry: EntryId,
        seen: BoundedList<EntryTag, ENTRY_TAGS_MAX>,
    },
}

impl ListChange {
    pub fn entry(&self) -> EntryId {
        match self {
            Self::Put { entry, .. }
            | Self::Write { entry, .. }
            | Self::Done { entry, .. }
            | Self::Assign { entry, .. }
            | Self::Move { entry, .. }
            | Self::TakeOff { entry, .. } => *entry,
        }
    }
}

/// A value, of which the highest stamp stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register<T> {
    pub stamp: Stamp,
    pub value: T,
}

/// Puts the value there unless one with a higher stamp is. Of one content, the later value stands: so equal stamps replace.
pub(super) fn set<T>(slot: &mut Option<Register<T>>, stamp: Stamp, value: T) {
    if slot.as_ref().is_none_or(|old| old.stamp <= stamp) {
        *slot = Some(Register { stamp, value });
    }
}

/// The higher of the two stands.
pub(super) fn join<T: Clone>(slot: &mut Option<Register<T>>, other: Option<&Register<T>>) {
    if let Some(Register { stamp, value }) = other {
        set(slot, *stamp, value.clone());
    }
}

/// An entry, with all that was ever said about it. It is on the list while a tag of it was not taken off.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    pub(super) put: BTreeSet<EntryTag>,
    pub(super) taken_off: BTreeSet<EntryTag>,
    pub(super) text: Option<Register<BoundedText<LINE_BYTES_MAX>>>,
    pub(super) place: Option<Register<Position>>,
    pub(super) is_done: Option<Register<bool>>,
    pub(super) assignee: Option<Register<Option<IdentityId>>>,
}

impl Entry {
    /// Whether it is on the list.
    pub fn is_there(&self) -> bool {
        !self.put.is_subset(&self.taken_off)
    }

    pub fn text(&self) -> &str {
        self.text.as_ref().map_or("", |text| &text.value)
    }

    pub fn place(&self) -> Option<&Position> {
        self.place.as_ref().map(|place| &place.value)
    }

    pub fn is_done(&self) -> bool {
        self.is_done.as_ref().is_some_and(|done| done.value)
    }

    pub fn assignee(&self) -> Option<IdentityId> {
        self.assignee.as_ref().and_then(|assignee| assignee.value)
    }

    fn change(&mut self, change: &ListChange, stamp: Stamp) {
        match change {
            ListChange::Put { place, text, .. } => {
                self.put.insert(EntryTag(stamp.digest));
                set(&mut self.place, stamp, place.clone());
                set(&mut self.text, stamp, text.clone());
            }
            ListChange::Write { text, .. } => set(&mut self.text, stamp, text.clone()),
            ListChange::Done { is_done, .. } => set(&mut self.is_done, stamp, *is_done),
            ListChange::Assign { to, .. } => set(&mut self.assignee, stamp, *to),
            ListChange::Move { place, .. } => set(&mut self.place, stamp, place.clone()),
            ListChange::TakeOff { seen, .. } => self.taken_off.extend(seen.iter()),
        }
    }

    fn join(&mut self, other: &Self) {
        self.put.extend(&other.put);
        self.taken_off.extend(&other.taken_off);
        join(&mut self.text, other.text.as_ref());
        join(&mut self.place, other.place.as_ref());
        join(&mut self.is_done, other.is_done.as_ref());
        join(&mut self.assignee, other.assignee.as_ref());
    }

    fn is_full(&self) -> bool {
        self.put.len() > ENTRY_TAGS_MAX || self.taken_off.len() > ENTRY_TAGS_MAX
    }
}

/// All that was said about a list's entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entries(pub(super) BTreeMap<EntryId, Entry>);

/// A list holds no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the list is full, with what was taken off it; begin a new one")]
pub struct ListFull;

impl Entries {
    /// Makes the changes that a content with this stamp asks for, all or none. Making them again changes nothing.
    ///
    /// # Errors
    /// [`ListFull`] where there would be too many entries, or one would have been put there too often.
    pub fn change(&mut self, changes: &[ListChange], stamp: Stamp) -> Result<(), ListFull> {
        let mut piece = Self::default();
        for change in changes {
            piece.0.entry(change.entry()).or_default().change(change, stamp);
        }
        self.join(&piece)
    }

    /// Makes changes as their list will have them once they are said, to see where what follows them has its place: what is said now
    /// has the last word here.
    ///
    /// # Errors
    /// [`ListFull`].
    pub fn foresee(&mut self, changes: &[ListChange]) -> Result<(), ListFull> {
        let highest = |entry: &Entry| {
            let stamps = [
                entry.text.as_ref().map(|register| register.stamp),
                entry.place.as_ref().map(|register| register.stamp),
                entry.is_done.as_ref().map(|register| register.stamp),
                entry.assignee.as_ref().map(|register| register.stamp),
            ];
            stamps.into_iter().flatten().max()
        };
        let last = self.0.values().filter_map(highest).max();
        let author = Author { identity: IdentityId([0; 20]), device: 0 };
        let lamport = last.map_or(0, |stamp| stamp.lamport) + 1;
        self.change(changes, Stamp { lamport, author, digest: [0; 16] })
    }

    /// Takes in all that another copy of the list knows: commutative, associative and idempotent, as far as there is room.
    ///
    /// # Errors
    /// [`ListFull`], and nothing is changed.
    pub fn join(&mut self, other: &Self) -> Result<(), ListFull> {
        let mut joined = Vec::with_capacity(other.0.len());
        for (id, entry) in &other.0 {
            let mut mine = self.0.get(id).cloned().unwrap_or_default();
            mine.join(entry);
            if mine.is_full() {
                return Err(ListFull);
            }
            joined.push((*id, mine));
        }
        let added = other.0.keys().filter(|id| !self.0.contains_key(id)).count();
        if self.0.len() + added > LIST_ENTRIES_MAX {
            return Err(ListFull);
        }
        self.0.extend(joined);
        Ok(())
    }

    /// What is on the list, from its top to its end.
    pub fn shown(&self) -> Vec<(EntryId, &Entry)> {
        let mut shown: Vec<_> =
            self.0.iter().filter(|(_, entry)| entry.is_there()).map(|(id, entry)| (*id, entry)).collect();
        shown.sort_by_key(|(id, entry)| (entry.place(), *id));
        shown
    }

    pub fn get(&self, entry: EntryId) -> Option<&Entry> {
        self.0.get(&entry)
    }

    /// The change that takes `entry` off the list, as it is known here.
    pub fn take_off(&self, entry: EntryId) -> Option<ListChange> {
        let found = self.0.get(&entry).filter(|entry| entry.is_there())?;
        let seen: Vec<_> = found.put.difference(&found.taken_off).copied().collect();
        Some(ListChange::TakeOff { entry, seen: BoundedList::new(seen).ok()? })
    }

    /// A place right behind `entry`, or at the top. Behind several that others have put at one and the same place: behind them all.
    ///
    /// # Errors
    /// [`NoRoom`] after hundreds of insertions at one place: whoever wants more moves what is there.
    pub fn place_behind(&self, entry: Option<EntryId>) -> Result<Position, NoRoom> {
        let shown = self.shown();
        let lower = entry.and_then(|entry| self.get(entry)).and_then(Entry::place);
        let upper =
            shown.iter().filter_map(|(_, entry)| entry.place()).find(|place| lower.is_none_or(|lower| *place > lower));
        Position::between(lower, upper)
    }
}

impl Encode for EntryId {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for EntryId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array().map(Self)
    }
}

impl Encode for EntryTag {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for EntryTag {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array().map(Self)
    }
}

impl Encode for ListStyle {
    fn encode(&self, out: &mut Writer) {
        out.flag(*self == Self::Shared);
    }
}

impl Decode for ListStyle {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(if input.flag()? { Self::Shared } else { Self::Tasks })
    }
}

impl Encode for ListChange {
    fn encode(&self, out: &mut Writer) {
        let (number, entry) = match self {
            Self::Put { entry, .. } => (0, entry),
            Self::Write { entry, .. } => (1, entry),
            Self::Done { entry, .. } => (2, entry),
            Self::Assign { entry, .. } => (3, entry),
            Self::Move { entry, .. } => (4, entry),
            Self::TakeOff { entry, .. } => (5, entry),
        };
        out.byte(number);
        out.value(entry);
        match self {
            Self::Put { place, text, .. } => {
                out.value(place);
                out.value(text);
            }
            Self::Write { text, .. } => out.value(text),
            Self::Done { is_done, .. } => out.flag(*is_done),
            Self::Assign { to, .. } => out.option(to.as_ref()),
            Self::Move { place, .. } => out.value(place),
            Self::TakeOff { seen, .. } => out.value(seen),
        }
    }
}

impl Decode for ListChange {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (number, entry) = (input.byte()?, input.value()?);
        Ok(match number {
            0 => Self::Put { entry, place: input.value()?, text: input.value()? },
            1 => Self::Write { entry, text: input.value()? },
            2 => Self::Done { entry, is_done: input.flag()? },
            3 => Self::Assign { entry, to: input.option()? },
            4 => Self::Move { entry, place: input.value()? },
            5 => Self::TakeOff { entry, seen: input.value()? },
            other => return Err(DecodeError::UnknownVariant { kind: "change of a list", value: other.into() }),
        })
    }
}

fields! {
    List { title: value, style: value, changes: value }
    ListChanges { list: value, changes: value }
}

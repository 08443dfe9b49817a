//! The address book of a group: people whom its members make known to each other.
//!
//! It belongs to the conversation and not to any message of it. Of each person it has one entry, a *register* of which the highest
//! [`Stamp`](super::envelope::Stamp) stands ([`lists`](super::lists)); to take somebody out is to write nothing there. So it is the same at all
//! who have heard the same, in whatever order. Everyone in the conversation may write in it, as on a list.
//!
//! What stands there its writer says, and nobody has checked it. By what name the ledger knows somebody is looked up there and not here.

use byway_primitives::IdentityId;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

use super::bounded::{BoundedBytes, BoundedList, BoundedText, fields};
use super::limits::{BOOK_CHANGES_MAX, BOOK_NOTE_BYTES_MAX, BOOK_PLACES_BYTES_MAX, NAME_BYTES_MAX};
use super::lists::Register;

/// What a group's book says of somebody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BookCard {
    pub name: BoundedText<NAME_BYTES_MAX>,
    pub note: BoundedText<BOOK_NOTE_BYTES_MAX>,
    /// Where they are reached, as whoever looks after that reads it; nothing where it is empty.
    pub places: BoundedBytes<BOOK_PLACES_BYTES_MAX>,
}

/// One person, in the place of what was said of them; without a card they are taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookChange {
    pub who: IdentityId,
    pub card: Option<BookCard>,
}

/// Changes that are made to a book at once, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookChanges(pub BoundedList<BookChange, BOOK_CHANGES_MAX>);

/// What was said last of somebody; nothing where they were taken out.
pub type BookEntry = Register<Option<BookCard>>;

impl Encode for BookChanges {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.0);
    }
}

impl Decode for BookChanges {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.value().map(Self)
    }
}

/// As it is kept on disk.
pub(crate) fn entry_bytes(entry: &BookEntry) -> Vec<u8> {
    let mut out = Writer::new();
    out.value(&entry.stamp);
    out.option(entry.value.as_ref());
    out.into_bytes()
}

pub(crate) fn entry_from(bytes: &[u8]) -> Result<BookEntry, DecodeError> {
    let mut input = Reader::new(bytes);
    let entry = Register { stamp: input.value()?, value: input.option()? };
    input.finish()?;
    Ok(entry)
}

fields! {
    BookCard { name: value, note: value, places: value }
    BookChange { who: value, card: option }
}

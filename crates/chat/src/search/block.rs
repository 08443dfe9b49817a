//! Some messages one after another: their texts in one piece, which is searched as a whole, and a row for each.

use std::cmp::Ordering;

use byway_primitives::Time;
use memchr::memmem::Finder;

use super::bloom::{self, Bloom};
use crate::content::index::Indexed;
use crate::content::query::HasSet;

/// Messages of a block, and bytes of their texts, before the next is begun. Small, so that a word that is rare is in few of them and a copy
/// is quick, which a change makes while somebody searches; large enough that a million messages have a few thousand.
const ROWS_MAX: usize = 256;
const BYTES_MAX: usize = 32 * 1024;
/// Stands behind each text. Folded text and terms have none in them, so nothing is found across it.
const END: char = '\n';

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub sent: Time,
    pub place: u64,
    pub room: u32,
}

/// A message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub place: Place,
    pub author: u32,
    /// Where its text ends in the block's.
    pub end: u32,
    pub has: HasSet,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    rows: Vec<Row>,
    text: String,
    bloom: Bloom,
}

/// Something that stands in a text.
pub(super) struct Term<'a> {
    finder: Finder<'a>,
    bits: Vec<u32>,
}

impl<'a> Term<'a> {
    pub fn new(term: &'a str) -> Self {
        Self { finder: Finder::new(term.as_bytes()), bits: bloom::bits(term) }
    }
}

/// What is looked for, with the numbers that this index has for rooms and people.
pub(super) struct Wanted<'a> {
    pub terms: Vec<Term<'a>>,
    pub rooms: Option<Vec<bool>>,
    pub authors: Option<Vec<bool>>,
    pub has: HasSet,
    pub before: Option<Time>,
    pub after: Option<Time>,
}

impl Wanted<'_> {
    /// Whether all holds but for the text.
    fn fits(&self, row: &Row) -> bool {
        let is_chosen = |chosen: &Option<Vec<bool>>, number: u32| {
            chosen.as_ref().is_none_or(|chosen| chosen.get(number as usize).copied().unwrap_or(false))
        };
        is_chosen(&self.rooms, row.place.room)
            && is_chosen(&self.authors, row.author)
            && row.has.has_all(self.has)
            && self.before.is_none_or(|before| row.place.sent < before)
            && self.after.is_none_or(|after| row.place.sent >= after)
    }
}

impl Block {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_full(&self) -> bool {
        self.rows.len() >= ROWS_MAX || self.text.len() >= BYTES_MAX
    }

    /// Whether it is to be split. What comes in order never makes it so.
    pub fn is_overfull(&self) -> bool {
        self.rows.len() > 1 && (self.rows.len() >= 2 * ROWS_MAX || self.text.len() >= 2 * BYTES_MAX)
    }

    pub fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<Row>() + self.text.capacity() + self.bloom.bytes() + size_of::<Self>()
    }

    pub fn first(&self) -> &Place {
        &self.rows[0].place
    }

    pub fn row(&self, row: usize) -> &Row {
        &self.rows[row]
    }

    pub fn is_later(&self, than: Option<Time>) -> bool {
        than.is_some_and(|than| self.first().sent >= than)
    }

    pub fn is_earlier(&self, than: Option<Time>) -> bool {
        than.zip(self.rows.last()).is_some_and(|(than, last)| last.place.sent < than)
    }

    pub fn position(&self, order: impl Fn(&Place) -> Ordering) -> Result<usize, usize> {
        self.rows.binary_search_by(|row| order(&row.place))
    }

    pub fn place_of(&self, room: u32, place: u64) -> Option<usize> {
        self.rows.iter().position(|row| row.place.place == place && row.place.room == room)
    }

    pub fn is_as(&self, row: usize, indexed: &Indexed) -> bool {
        self.rows[row].has == indexed.has && self.text[self.start(row)..self.rows[row].end as usize] == indexed.text
    }

    pub fn insert(&mut self, at: usize, row: &Row, text: &str) {
        let start = self.start(at);
        self.text.insert(start, END);
        self.text.insert_str(start, text);
        self.rows.insert(at, Row { end: offset(start + text.len()), ..*row });
        self.shift(at + 1, text.len() as isize + 1);
        self.bloom.add(text);
    }

    pub fn replace(&mut self, at: usize, indexed: &Indexed) {
        let (start, end) = (self.start(at), self.rows[at].end as usize);
        self.text.replace_range(start..end, &indexed.text);
        self.rows[at].has = indexed.has;
        self.bloom.add(&indexed.text);
        self.shift(at, indexed.text.len() as isize - (end - start) as isize);
    }

    pub fn remove(&mut self, at: usize) {
        let (start, end) = (self.start(at), self.rows[at].end as usize + 1);
        self.text.replace_range(start..end, "");
        self.rows.remove(at);
        self.shift(at, start as isize - end as isize);
    }

    /// Keeps the older half, and gives the newer one.
    pub fn split(&mut self) -> Self {
        let half = self.rows.len() / 2;
        let start = self.start(half);
        let text = self.text.split_off(start);
        let mut behind = Self { rows: self.rows.split_off(half), text, bloom: Bloom::default() };
        behind.shift(0, -(start as isize));
        self.bloom = Bloom::default();
        for block in [&mut *self, &mut behind] {
            block.text.split(END).for_each(|text| block.bloom.add(text));
        }
        behind
    }

    /// The rows of all messages that are wanted.
    ///
    /// What is wanted goes through the block in turns, each to the first row that it fits at or behind where the one before it has come
    /// to. So no part of it is looked at oftener than what is rarest asks for.
    pub fn find(&self, wanted: &Wanted<'_>) -> Vec<usize> {
        let mut found = Vec::new();
        if !wanted.terms.iter().all(|term| self.bloom.has(&term.bits)) {
            return found;
        }
        let mut at = 0;
        'rows: while at < self.rows.len() {
            let Some(fits) = self.rows[at..].iter().position(|row| wanted.fits(row)) else { break };
            at += fits;
            for term in &wanted.terms {
                match self.next(at, &term.finder) {
                    None => break 'rows,
                    Some(next) if next > at => {
                        at = next;
                        continue 'rows;
                    }
                    Some(_) => {}
                }
            }
            found.push(at);
            at += 1;
        }
        found
    }

    /// The first row from `at` on in which a term stands.
    fn next(&self, at: usize, term: &Finder<'_>) -> Option<usize> {
        let start = self.start(at);
        let found = offset(start + term.find(&self.text.as_bytes()[start..])?);
        // Most often it is near.
        let near = self.rows[at..].iter().take(4).position(|row| row.end > found);
        Some(near.map_or_else(|| self.rows.partition_point(|row| row.end <= found), |near| at + near))
    }

    /// Where the text of a row begins.
    fn start(&self, row: usize) -> usize {
        row.checked_sub(1).map_or(0, |before| self.rows[before].end as usize + 1)
    }

    fn shift(&mut self, from: usize, by: isize) {
        for row in &mut self.rows[from..] {
            row.end = row.end.wrapping_add_signed(by as i32);
        }
    }
}

/// A place in a block's text, which is a few hundred kilobytes.
fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("a block is split long before")
}

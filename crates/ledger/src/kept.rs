//! What is kept of a transaction: its verdict, and its outputs that are not spent (row K1).
//!
//! All of it lives in the store, of which there may be far more than fits in memory. While a commit is executed [`Kept`]
//! holds what the commit looked at and changed; at its end the difference goes into the batch and into the homomorphic
//! sum of unspent outputs. An output that is made and spent within one commit touches neither.
//!
//! **Grouped**, because what the store does costs by the entry and hardly by the byte: the verdict and the first
//! [`GROUP`] outputs are one entry, every further [`GROUP`] another. An ordinary payment makes one entry and rewrites one
//! for each input, and what an entry holds at most bounds what spending one output out of many costs.
//!
//! **Damage.** The store's own checksums find what a disk garbled. What someone edited is found when it is spent, if not
//! by an audit before: taking a false output out of the sum leaves one that no other node has.

use std::borrow::Cow;
use std::collections::BTreeMap;

use byway_crypto::multiset::MultisetHash;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Batch, Hash, Store};
use byway_records::{Output, OutputId, TransactionId};

use crate::stored::{TRANSACTIONS, TransactionRecord, stream};

/// Outputs in one entry. What a wallet makes in one payment fits.
pub const GROUP: u32 = 8;

/// An entry as stored: the record in the first group of its transaction, and unspent outputs by their place in the group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Group<'a> {
    pub record: Option<TransactionRecord>,
    unspent: Vec<(u8, Cow<'a, Output>)>,
}

/// Which entry: a transaction's `number`th group of outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupId {
    transaction: TransactionId,
    number: u32,
}

/// What one commit sees and changes.
pub(crate) struct Kept<'a> {
    store: &'a dyn Store,
    /// As they were when the commit began, but for what it spent and decided.
    groups: BTreeMap<GroupId, Looked<'a>>,
    /// By this commit, and not spent by it.
    made: BTreeMap<OutputId, &'a Output>,
    /// Taken out of the store's.
    spent: Vec<(OutputId, Cow<'a, Output>)>,
}

/// A group that was looked at.
#[derive(Default)]
struct Looked<'a> {
    group: Group<'a>,
    is_changed: bool,
}

impl<'a> Kept<'a> {
    pub fn new(store: &'a dyn Store) -> Self {
        Self { store, groups: BTreeMap::new(), made: BTreeMap::new(), spent: Vec::new() }
    }

    /// Whether the transaction has its verdict, from before or from this commit.
    pub fn has_verdict(&mut self, id: TransactionId) -> bool {
        self.look_at(GroupId::first(id)).group.record.is_some()
    }

    /// Gives a transaction that has none its verdict.
    pub fn decide(&mut self, id: TransactionId, record: TransactionRecord) {
        let first = self.look_at(GroupId::first(id));
        first.group.record = Some(record);
        first.is_changed = true;
    }

    /// Reads what tells whether the output is unspent.
    pub fn look_up(&mut self, id: OutputId) {
        if !self.made.contains_key(&id) {
            self.look_at(GroupId::of(id));
        }
    }

    /// The output, if it exists and is not spent; it was [looked up](Self::look_up).
    pub fn unspent(&self, id: OutputId) -> Option<&Output> {
        self.made.get(&id).copied().or_else(|| self.groups.get(&GroupId::of(id))?.group.output(id))
    }

    /// Spends an output that [`unspent`](Self::unspent) gave.
    pub fn spend(&mut self, id: OutputId) {
        if self.made.remove(&id).is_some() {
            return;
        }
        let looked = self.look_at(GroupId::of(id));
        let taken = looked.group.take(id).expect("an output is spent once, and judged before");
        looked.is_changed = true;
        self.spent.push((id, taken));
    }

    pub fn make(&mut self, id: OutputId, output: &'a Output) {
        self.made.insert(id, output);
    }

    /// Writes what changed, and brings the sum of unspent outputs up to date. Whether that changed.
    pub fn finish(mut self, sum: &mut MultisetHash, batch: &mut Batch) -> bool {
        let changed = !self.spent.is_empty() || !self.made.is_empty();
        for (id, output) in self.spent {
            sum.remove(&output.set_element(id).0);
        }
        for (id, output) in self.made {
            sum.add(&output.set_element(id).0);
            let looked = self.groups.entry(GroupId::of(id)).or_default();
            looked.group.unspent.push((place(id), Cow::Borrowed(output)));
            looked.is_changed = true;
        }
        for (id, looked) in self.groups.into_iter().filter(|(_, looked)| looked.is_changed) {
            batch.put(TRANSACTIONS, id.key(), looked.group.to_bytes());
        }
        changed
    }

    fn look_at(&mut self, id: GroupId) -> &mut Looked<'a> {
        let store = self.store;
        let read = || Looked { group: stored_group(store, id).unwrap_or_default(), is_changed: false };
        self.groups.entry(id).or_insert_with(read)
    }
}

impl Group<'_> {
    pub fn output(&self, id: OutputId) -> Option<&Output> {
        self.unspent.iter().find(|(at, _)| *at == place(id)).map(|(_, output)| &**output)
    }

    /// The unspent outputs of the group `id`, which this is.
    pub fn outputs(&self, id: GroupId) -> impl Iterator<Item = (OutputId, &Output)> {
        self.unspent.iter().map(move |(at, output)| (id.output(*at), &**output))
    }
}

impl<'a> Group<'a> {
    fn take(&mut self, id: OutputId) -> Option<Cow<'a, Output>> {
        let at = self.unspent.iter().position(|(at, _)| *at == place(id))?;
        Some(self.unspent.remove(at).1)
    }
}

impl GroupId {
    fn first(transaction: TransactionId) -> Self {
        Self { transaction, number: 0 }
    }

    pub fn of(id: OutputId) -> Self {
        Self { transaction: id.transaction, number: id.index / GROUP }
    }

    fn output(self, place: u8) -> OutputId {
        OutputId { transaction: self.transaction, index: self.number * GROUP + u32::from(place) }
    }

    /// The transaction's id, and behind it the number if it isn't the first.
    fn key(self) -> Vec<u8> {
        let number = if self.number == 0 { &[][..] } else { &self.number.to_be_bytes() };
        [&self.transaction.0.0, number].concat()
    }

    /// The inverse of [`key`](Self::key).
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let (transaction, number) = key.split_first_chunk()?;
        let number = if number.is_empty() { 0 } else { u32::from_be_bytes(number.try_into().ok()?) };
        (number <= u32::MAX / GROUP).then_some(Self { transaction: TransactionId(Hash(*transaction)), number })
    }
}

fn place(id: OutputId) -> u8 {
    (id.index % GROUP) as u8
}

fn stored_group(store: &dyn Store, id: GroupId) -> Option<Group<'static>> {
    let bytes = store.load(TRANSACTIONS, &id.key())?;
    Some(Group::from_bytes(&bytes).expect("the store holds groups as the ledger wrote them, or finds that it doesn't"))
}

/// The unspent output of this id.
pub(crate) fn stored_output(store: &dyn Store, id: OutputId) -> Option<Output> {
    stored_group(store, GroupId::of(id))?.output(id).cloned()
}

/// The output if it is unspent, and the record of the transaction that made it if it has a verdict.
pub(crate) fn stored_origin(store: &dyn Store, id: OutputId) -> (Option<Output>, Option<TransactionRecord>) {
    let group = stored_group(store, GroupId::of(id)).unwrap_or_default();
    let record = match GroupId::of(id).number {
        0 => group.record,
        _ => stored_transaction(store, id.transaction),
    };
    (group.output(id).cloned(), record)
}

/// Calls `each` with every unspent output; stops at the first error, and with `damaged` at what is no group.
pub(crate) fn stream_outputs<E>(
    store: &dyn Store,
    damaged: impl Fn() -> E,
    mut each: impl FnMut(OutputId, &Output) -> Result<(), E>,
) -> Result<(), E> {
    stream(store, TRANSACTIONS, |key, value| {
        let id = GroupId::from_key(key).ok_or_else(&damaged)?;
        let group = Group::from_bytes(value).map_err(|_| damaged())?;
        group.outputs(id).try_for_each(|(id, output)| each(id, output))
    })
}

/// The record of a transaction that has a verdict.
pub fn stored_transaction(store: &dyn Store, id: TransactionId) -> Option<TransactionRecord> {
    let bytes = store.load(TRANSACTIONS, &GroupId::first(id).key())?;
    Reader::new(&bytes).option().ok()?
}

/// The record if there is one, then the number of outputs, and each with its place before it.
impl Encode for Group<'_> {
    fn encode(&self, out: &mut Writer) {
        out.option(self.record.as_ref());
        out.varint(self.unspent.len() as u64);
        for (at, output) in &self.unspent {
            out.byte(*at);
            out.value(&**output);
        }
    }
}

struct Placed(u8, Output);

impl Decode for Placed {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.byte()?, input.value()?))
    }
}

impl Decode for Group<'static> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let record = input.option()?;
        let unspent: Vec<Placed> = input.list(GROUP as usize)?;
        if !unspent.is_sorted_by(|a, b| a.0 < b.0) || unspent.last().is_some_and(|last| u32::from(last.0) >= GROUP) {
            return Err(DecodeError::Invalid("places of outputs"));
        }
        Ok(Self { record, unspent: unspent.into_iter().map(|Placed(at, output)| (at, Cow::Owned(output))).collect() })
    }
}

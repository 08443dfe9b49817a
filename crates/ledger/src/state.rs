//! The programs' state: a tree per program, what changed since the last checkpoint, and the view of one call.
//!
//! A call works on a [`View`]: it reads through it and writes into it, and only if it succeeds are its writes applied,
//! so a refused call leaves no trace (but for what it explicitly keeps, see [`View::keep`]).
//!
//! [`Programs`] remembers of every entry that changed since the last checkpoint what it was there. From that come the
//! changes of the next checkpoint (each entry once, and not at all if it is back at what it was), and the trees as they
//! stood at the last checkpoint for followers who start late (see [`page`](crate::page)).

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::codec::{Decode, Encode, Writer};
use byway_primitives::{Batch, Hash, Time};
use byway_records::names::{self, Commitment};
use byway_records::state::{Conviction, Deadline, PublishedOffer};
use byway_records::{Delegates, ProgramId, Roll};

use crate::content;
use crate::difference::{
    Change, DifferenceError, ENTRY_VALUE_BYTES_MAX, ProgramChanges, ProgramDifference, ProgramRoot, StateChanges,
    state_root,
};
use crate::entry::ProvableState;
use crate::stored::{STATE, UNDO, entry_key};
use crate::tree::StateTree;

/// The programs there are, in order.
pub(crate) const PROGRAMS: [ProgramId; 9] = [
    ProgramId::SYSTEM,
    ProgramId::REGISTRY,
    ProgramId::OFFERS,
    ProgramId::ACCOUNTS,
    ProgramId::ASSETS,
    ProgramId::KERNEL,
    ProgramId::CHANNELS,
    ProgramId::HOLDERS,
    ProgramId::NAMES,
];

/// A program and the key of an entry in it.
pub(crate) type EntryId = (ProgramId, Vec<u8>);
/// New values, or removals.
pub(crate) type Writes = BTreeMap<EntryId, Option<Vec<u8>>>;

#[derive(Debug, Clone)]
pub(crate) struct Programs {
    trees: BTreeMap<ProgramId, StateTree>,
    /// What entries that changed since the last checkpoint were there.
    before: Writes,
    /// How much those entries are now.
    changed_bytes: u64,
    /// The part of `before` that no batch holds yet.
    before_unwritten: BTreeSet<EntryId>,
    /// Entries that changed in this commit.
    touched: BTreeSet<EntryId>,
    /// As they stood at the last checkpoint.
    checkpointed: ProvableState,
    /// Entries of each kind in the order in which they expire. Within a kind all have the same time to live, so both parts
    /// of a deadline only grow from one to the next, and the first that has not passed ends the search. Names live for one year or
    /// more: one that waits for its commits keeps those behind it, which changes nothing but when they are removed.
    expiries: BTreeMap<Expiring, BTreeSet<(Deadline, Vec<u8>)>>,
}

/// Kinds of entries that expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Expiring {
    Offer,
    /// Who counted in an epoch that is over.
    Roll,
    /// The time to appeal, or an appeal.
    Conviction,
    /// Who holds for an identity.
    Delegates,
    /// A name that anyone can take.
    Name,
    /// A commitment to a name.
    Commitment,
}

/// The state as one call sees and changes it.
pub(crate) struct View<'a> {
    programs: &'a Programs,
    writes: Writes,
    kept: Writes,
}

impl Programs {
    pub fn new() -> Self {
        let trees: BTreeMap<_, _> = PROGRAMS.into_iter().map(|program| (program, StateTree::new())).collect();
        let mut programs = Self {
            trees,
            before: Writes::new(),
            changed_bytes: 0,
            before_unwritten: BTreeSet::new(),
            touched: BTreeSet::new(),
            checkpointed: ProvableState::default(),
            expiries: BTreeMap::new(),
        };
        programs.checkpointed = programs.frozen();
        programs
    }

    pub fn tree(&self, program: ProgramId) -> Option<&StateTree> {
        self.trees.get(&program)
    }

    pub fn view(&self) -> View<'_> {
        View { programs: self, writes: Writes::new(), kept: Writes::new() }
    }

    /// Applies what a call wrote.
    pub fn apply(&mut self, writes: Writes) {
        for ((program, key), value) in writes {
            let now_bytes = content::of_change(&key, value.as_deref());
            let before = self.set(program, key.clone(), value);
            let id = (program, key);
            self.changed_bytes += now_bytes;
            if self.before.contains_key(&id) {
                self.changed_bytes -= content::of_change(&id.1, before.as_deref());
            } else {
                self.before.insert(id.clone(), before);
                self.before_unwritten.insert(id.clone());
            }
            self.touched.insert(id);
        }
    }

    /// Sets an entry as it comes from the store, or at genesis: without remembering what was there.
    /// `None` where there is no such program.
    pub fn restore(&mut self, program: ProgramId, key: Vec<u8>, value: Vec<u8>) -> Option<()> {
        self.trees.contains_key(&program).then(|| drop(self.set(program, key, Some(value))))
    }

    /// Takes the undo records and roots of the last checkpoint as they come from the store.
    ///
    /// The two must agree: undoing what changed must give those roots, or this gives `None`.
    pub fn restore_checkpoint(&mut self, before: Writes, checkpointed: Vec<ProgramRoot>) -> Option<()> {
        let undone = before.iter().map(|((program, key), value)| {
            let tree = self.trees.get_mut(program)?;
            Some((*program, key.clone(), tree.set(key.clone(), value.clone())))
        });
        let undone: Vec<_> = undone.collect::<Option<_>>()?;
        let at_checkpoint = self.frozen();
        let agree = at_checkpoint.roots() == checkpointed;
        for (program, key, value) in undone {
            self.trees.get_mut(&program)?.set(key, value);
        }
        self.rehash();
        self.before = before;
        self.changed_bytes = self.count_changed();
        self.checkpointed = at_checkpoint;
        agree.then_some(())
    }

    fn set(&mut self, program: ProgramId, key: Vec<u8>, value: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let tree = self.trees.get_mut(&program).expect("calls write only into programs that exist");
        let expiry = |key: &[u8], value: Option<&[u8]>| expiry_of(program, key, value?);
        let added = expiry(&key, value.as_deref());
        let before = tree.set(key.clone(), value);
        if let Some((kind, deadline)) = expiry(&key, before.as_deref()) {
            self.expiries.entry(kind).or_default().remove(&(deadline, key.clone()));
        }
        if let Some((kind, deadline)) = added {
            self.expiries.entry(kind).or_default().insert((deadline, key));
        }
        before
    }

    /// The keys of up to `limit` entries whose time is over, in order.
    pub fn expired(&self, kind: Expiring, time: Time, commits: u64, limit: usize) -> Vec<Vec<u8>> {
        let all = self.expiries.get(&kind).into_iter().flatten();
        let passed = all.take_while(|(deadline, _)| deadline.passed(time, commits));
        passed.take(limit).map(|(_, key)| key.clone()).collect()
    }

    /// Digests what changed and gives every program's root.
    pub fn rehash(&mut self) -> Vec<ProgramRoot> {
        let root =
            |(program, tree): (&ProgramId, &mut StateTree)| ProgramRoot { program: *program, root: tree.rehash() };
        self.trees.iter_mut().map(root).collect()
    }

    /// Digests what changed, and gives the state as it stands, to be proved later.
    fn frozen(&mut self) -> ProvableState {
        self.rehash();
        ProvableState::new(self.trees.iter().map(|(program, tree)| (*program, tree.frozen())).collect())
    }

    /// The state at the last checkpoint.
    pub fn checkpointed(&self) -> &ProvableState {
        &self.checkpointed
    }

    /// How much is to be told of what changed since the last checkpoint, at most.
    pub fn changed_bytes(&self) -> u64 {
        self.changed_bytes
    }

    fn count_changed(&self) -> u64 {
        let changed = self.before.keys().map(|(program, key)| content::of_change(key, self.trees[program].value(key)));
        changed.sum()
    }

    /// What entries of `program` from `from` on, that changed since the last checkpoint, were there.
    pub fn before<'a>(
        &'a self,
        program: ProgramId,
        from: &[u8],
    ) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let range = self.before.range((program, from.to_vec())..).take_while(move |((p, _), _)| *p == program);
        range.map(|((_, key), value)| (key.as_slice(), value.as_deref()))
    }

    /// Goes back to the last checkpoint and takes the changes to the next one, whose state root is `certified`.
    ///
    /// # Errors
    /// Everything is then as it was.
    pub fn follow(&mut self, differences: &[ProgramDifference], certified: Hash) -> Result<(), DifferenceError> {
        let is_ordered = differences.iter().map(|difference| difference.program).eq(PROGRAMS)
            && differences.iter().all(|difference| difference.entries.is_sorted_by(|a, b| a.key < b.key));
        if !is_ordered {
            return Err(DifferenceError::Order);
        }
        let (before, unwritten) = (self.before.clone(), self.before_unwritten.clone());
        let changes = differences.iter().flat_map(|difference| {
            let change = |change: &Change| ((difference.program, change.key.clone()), change.value.clone());
            difference.entries.iter().map(change)
        });
        let changes: Writes = changes.collect();
        let ids = before.keys().chain(changes.keys());
        let present = ids.map(|id| (id.clone(), self.trees[&id.0].value(&id.1).map(<[u8]>::to_vec)));
        let present: Writes = present.collect();
        for ((program, key), value) in before.clone() {
            self.set(program, key.clone(), value);
            self.touched.insert((program, key));
        }
        let (counted, gone_back) = (self.changed_bytes, self.count_changed());
        self.changed_bytes = gone_back;
        self.apply(changes);
        if state_root(&self.rehash()) == certified {
            return Ok(());
        }
        for ((program, key), value) in present {
            self.set(program, key, value);
        }
        self.rehash();
        (self.before, self.before_unwritten, self.changed_bytes) = (before, unwritten, counted);
        self.touched.clear();
        Err(DifferenceError::Root)
    }

    /// Digests what changed and writes the entries of this commit. Gives the state root.
    pub fn finish_commit(&mut self, batch: &mut Batch) -> Hash {
        for (program, key) in std::mem::take(&mut self.touched) {
            let stored = entry_key(program, &key);
            match self.trees[&program].value(&key) {
                Some(value) => batch.put(STATE, stored, value),
                None => batch.delete(STATE, stored),
            }
        }
        state_root(&self.rehash())
    }

    /// Writes the undo records of this commit, where no checkpoint ends it.
    pub fn write_undo(&mut self, batch: &mut Batch) {
        for id in std::mem::take(&mut self.before_unwritten) {
            let value = undo_bytes(self.before[&id].as_deref());
            batch.put(UNDO, entry_key(id.0, &id.1), value);
        }
    }

    /// Everything that changed since the last checkpoint, where one ends this commit; from here on undo starts anew.
    pub fn take_changes(&mut self, batch: &mut Batch) -> StateChanges {
        let unwritten = std::mem::take(&mut self.before_unwritten);
        self.changed_bytes = 0;
        self.checkpointed = self.frozen();
        let roots = self.checkpointed.roots().into_iter();
        let mut programs: Vec<_> =
            roots.map(|root| ProgramChanges { program: root.program, root: root.root, entries: Vec::new() }).collect();
        for (id, before) in std::mem::take(&mut self.before) {
            if !unwritten.contains(&id) {
                batch.delete(UNDO, entry_key(id.0, &id.1));
            }
            let value = self.trees[&id.0].value(&id.1);
            if value == before.as_deref() {
                continue;
            }
            let changes = programs.iter_mut().find(|changes| changes.program == id.0);
            let changes = changes.expect("every program has a root");
            changes.entries.push(Change { value: value.map(<[u8]>::to_vec), key: id.1 });
        }
        StateChanges { programs }
    }
}

impl<'a> View<'a> {
    /// The entry under `key`.
    pub fn load<T: Decode>(&self, program: ProgramId, key: &[u8]) -> Option<T> {
        // Writes of one call are few: a search is cheaper than the copy of the key that a look-up needs.
        let written = self.writes.iter().find(|((p, k), _)| *p == program && k == key);
        let bytes = match written {
            Some((_, value)) => value.as_deref()?,
            None => self.programs.tree(program)?.value(key)?,
        };
        Some(T::from_bytes(bytes).expect("entries are as the ledger wrote them, which opening it checked"))
    }

    /// Sets an entry if the call succeeds.
    pub fn store(&mut self, program: ProgramId, key: Vec<u8>, value: &impl Encode) {
        let bytes = value.to_bytes();
        debug_assert!(bytes.len() <= ENTRY_VALUE_BYTES_MAX, "entries fit what followers accept");
        self.writes.insert((program, key), Some(bytes));
    }

    /// Removes an entry if the call succeeds.
    pub fn remove(&mut self, program: ProgramId, key: Vec<u8>) {
        self.writes.insert((program, key), None);
    }

    /// Sets an entry though the call is refused: for the record of the refusal itself.
    pub fn keep(&mut self, program: ProgramId, key: Vec<u8>, value: &impl Encode) {
        self.kept.insert((program, key), Some(value.to_bytes()));
    }

    /// Removes an entry though the call is refused.
    pub fn keep_removal(&mut self, program: ProgramId, key: Vec<u8>) {
        self.kept.insert((program, key), None);
    }

    /// What to apply if the call succeeded.
    pub fn into_writes(self) -> Writes {
        self.writes
    }

    /// What to apply if the call was refused.
    pub fn into_kept(self) -> Writes {
        self.kept
    }
}

/// The undo record of an entry that had this value, or none.
fn undo_bytes(before: Option<&[u8]>) -> Vec<u8> {
    let mut out = Writer::new();
    out.flag(before.is_some());
    out.raw(before.unwrap_or_default());
    out.into_bytes()
}

/// The inverse of [`undo_bytes`].
pub(crate) fn undo_value(bytes: &[u8]) -> Option<Option<Vec<u8>>> {
    match bytes.split_first()? {
        (0, []) => Some(None),
        (1, value) => Some(Some(value.to_vec())),
        _ => None,
    }
}

/// When an entry expires, if it does.
fn expiry_of(program: ProgramId, key: &[u8], value: &[u8]) -> Option<(Expiring, Deadline)> {
    match (program, key.first()?) {
        (ProgramId::OFFERS, 0) => Some((Expiring::Offer, PublishedOffer::from_bytes(value).ok()?.expires)),
        (ProgramId::KERNEL, 1) => Some((Expiring::Roll, Roll::from_bytes(value).ok()?.forgotten?)),
        (ProgramId::KERNEL, 2) => Some((Expiring::Conviction, Conviction::from_bytes(value).ok()?.ends)),
        (ProgramId::HOLDERS, 0) => Some((Expiring::Delegates, Delegates::from_bytes(value).ok()?.expires)),
        (ProgramId::NAMES, 0) => Some((Expiring::Name, names::free_of(value)?)),
        (ProgramId::NAMES, 2) => Some((Expiring::Commitment, Commitment::from_bytes(value).ok()?.ends)),
        _ => None,
    }
}

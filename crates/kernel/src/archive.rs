//! What the kernel keeps in its store, and how it is laid out there.
//!
//! | space          | key                 | value                                                      |
//! | -------------- | ------------------- | ---------------------------------------------------------- |
//! | `snapshots`    | round, author, hash | an accepted snapshot as it was signed                      |
//! | `commits`      | commit              | [`CommitRecord`]                                           |
//! | `certificates` | height              | the certificate of a checkpoint                            |
//! | `uncertified`  | height              | nothing: a checkpoint executed here, not yet certified     |
//! | `epochs`       | epoch               | [`EpochRecord`]: who its members are, and after what it began |
//! | `own`          | `last`              | the reference of the newest snapshot that this node signed |
//! | `own`          | `new`               | nothing: the key was made with the store, and nothing was signed with it yet |
//! | `own`          | `restored`          | nothing: the store was put back from a copy, and the node has not recovered yet |
//! | `own`          | `stepping`          | nothing: the ledger has gone on by steps and is ahead of the graph until the epoch turns |
//!
//! Numbers in keys are big-endian, so that keys sort as the numbers do.

use std::sync::Arc;

use byway_primitives::{Batch, Decode, DecodeError, Encode, Reader, Space, Store, Time, Writer};
use byway_records::{Certificate, Epoch, Height};

use crate::committee::MemberIndex;
use crate::news::OpenError;
use crate::snapshot::Reference;
use crate::verified::VerifiedSnapshot;

pub const SNAPSHOTS: Space = Space("snapshots");
pub const COMMITS: Space = Space("commits");
pub const CERTIFICATES: Space = Space("certificates");
pub const UNCERTIFIED: Space = Space("uncertified");
pub const EPOCHS: Space = Space("epochs");
pub const OWN: Space = Space("own");

/// Every space that the kernel writes, beside those of its ledger.
pub const SPACES: [Space; 6] = [SNAPSHOTS, COMMITS, CERTIFICATES, UNCERTIFIED, EPOCHS, OWN];

const OWN_LAST_KEY: &[u8] = b"last";
const OWN_NEW_KEY: &[u8] = b"new";
const OWN_RESTORED_KEY: &[u8] = b"restored";
const OWN_STEPPING_KEY: &[u8] = b"stepping";
/// Entries of each kind that are deleted at once.
const PRUNE_PAGE: usize = 16;
/// Snapshots of one commit: the horizon's rounds, each with two snapshots of fifty nodes, and room.
const COMMIT_SNAPSHOTS_MAX: usize = 1 << 17;
/// Snapshots read from the store at once, each of up to a MiB.
const PAGE: usize = 16;

/// What was committed, so that a restarted node goes on where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitRecord {
    pub leader: Reference,
    pub time: Time,
    /// In the order of execution.
    pub snapshots: Vec<Reference>,
}

/// An epoch and where it began. Epoch 0 is the genesis' and has no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochRecord {
    pub epoch: Epoch,
    /// The checkpoint that closed the epoch before.
    pub after: Height,
    /// The last commit of the epoch before.
    pub after_commit: u64,
}

pub(crate) fn snapshot_key(reference: &Reference) -> Vec<u8> {
    let mut key = Vec::with_capacity(41);
    key.extend_from_slice(&reference.round.to_be_bytes());
    key.push(reference.author.0);
    key.extend_from_slice(&reference.hash.0);
    key
}

pub(crate) fn put_snapshot(snapshot: &VerifiedSnapshot, batch: &mut Batch) {
    batch.put(SNAPSHOTS, snapshot_key(&snapshot.reference()), snapshot.bytes().to_vec());
}

pub(crate) fn put_own_last(reference: &Reference, batch: &mut Batch) {
    batch.put(OWN, OWN_LAST_KEY, reference.to_bytes());
    batch.delete(OWN, OWN_NEW_KEY);
}

/// Notes that nothing was ever signed.
pub(crate) fn put_new(batch: &mut Batch) {
    batch.put(OWN, OWN_NEW_KEY, []);
}

pub(crate) fn is_new(store: &dyn Store) -> bool {
    store.contains(OWN, OWN_NEW_KEY)
}

/// Notes that the store was put back from a copy.
pub(crate) fn put_restored(batch: &mut Batch) {
    batch.put(OWN, OWN_RESTORED_KEY, []);
}

pub(crate) fn delete_restored(batch: &mut Batch) {
    batch.delete(OWN, OWN_RESTORED_KEY);
}

pub(crate) fn is_restored(store: &dyn Store) -> bool {
    store.contains(OWN, OWN_RESTORED_KEY)
}

/// Notes that the ledger goes on by steps, and the graph of its epoch is of no use any more.
pub(crate) fn put_stepping(batch: &mut Batch) {
    batch.put(OWN, OWN_STEPPING_KEY, []);
}

pub(crate) fn delete_stepping(batch: &mut Batch) {
    batch.delete(OWN, OWN_STEPPING_KEY);
}

pub(crate) fn is_stepping(store: &dyn Store) -> bool {
    store.contains(OWN, OWN_STEPPING_KEY)
}

/// Where deleting what is old has come to: a store is slow to walk over what was deleted in it just now.
#[derive(Debug, Default)]
pub(crate) struct PruneCursor {
    snapshots: Vec<u8>,
    commits: Vec<u8>,
}

impl PruneCursor {
    /// Snapshots of rounds before this one are deleted.
    pub fn round(&self) -> u64 {
        self.snapshots.first_chunk().map_or(0, |round| u64::from_be_bytes(*round))
    }
}

/// Deletes the next snapshots of rounds before `round`, and the next records of commits up to `commit`. Whether none
/// are left.
pub(crate) fn prune(store: &dyn Store, round: u64, commit: u64, cursor: &mut PruneCursor, batch: &mut Batch) -> bool {
    let mut delete = |space, from: &mut Vec<u8>, end: u64| {
        let old = store.scan_keys(space, from, PRUNE_PAGE);
        let is_old = |key: &&Vec<u8>| key.first_chunk().is_some_and(|number| u64::from_be_bytes(*number) < end);
        let old: Vec<_> = old.iter().take_while(is_old).collect();
        old.iter().for_each(|key| batch.delete(space, key.as_slice()));
        if let Some(last) = old.last() {
            *from = [last.as_slice(), &[0]].concat();
        }
        old.len() < PRUNE_PAGE
    };
    let no_snapshots = delete(SNAPSHOTS, &mut cursor.snapshots, round);
    let no_commits = delete(COMMITS, &mut cursor.commits, commit + 1);
    no_snapshots && no_commits
}

pub(crate) fn put_commit(index: u64, record: &CommitRecord, batch: &mut Batch) {
    batch.put(COMMITS, index.to_be_bytes(), record.to_bytes());
}

pub(crate) fn put_uncertified(height: Height, batch: &mut Batch) {
    batch.put(UNCERTIFIED, height.0.to_be_bytes(), []);
}

pub(crate) fn put_certificate(certificate: &Certificate, batch: &mut Batch) {
    let key = certificate.checkpoint.height.0.to_be_bytes();
    batch.put(CERTIFICATES, key, certificate.to_bytes());
    batch.delete(UNCERTIFIED, key);
}

pub(crate) fn put_epoch(record: &EpochRecord, batch: &mut Batch) {
    batch.put(EPOCHS, record.epoch.number.to_be_bytes(), record.to_bytes());
}

/// The record of an epoch that has begun here, but the first.
pub fn stored_epoch(store: &dyn Store, number: u32) -> Option<EpochRecord> {
    EpochRecord::from_bytes(&store.load(EPOCHS, &number.to_be_bytes())?).ok()
}

/// The certificate of the checkpoint that closed the epoch in which the one of height `from` was made, where that is over
/// and `present` the number of the one in force.
pub(crate) fn closing_certificate(store: &dyn Store, from: Height, present: u32) -> Option<Certificate> {
    let closed = |number: u32| stored_epoch(store, number).map(|record| record.after);
    // Epochs begin one after the other: the first that began at or after this height.
    let (mut low, mut high) = (1, present.checked_add(1)?);
    while low < high {
        let middle = low + (high - low) / 2;
        if closed(middle)? >= from { high = middle } else { low = middle + 1 }
    }
    if low > present { None } else { stored_certificate(store, closed(low)?) }
}

/// The encoded snapshot, if it is stored.
pub fn stored_snapshot(store: &dyn Store, reference: &Reference) -> Option<Arc<[u8]>> {
    store.load(SNAPSHOTS, &snapshot_key(reference)).map(Arc::from)
}

/// The record of a commit, if it was executed here.
pub fn stored_commit(store: &dyn Store, index: u64) -> Option<CommitRecord> {
    CommitRecord::from_bytes(&store.load(COMMITS, &index.to_be_bytes())?).ok()
}

/// The certificate of a checkpoint, if it is certified here.
pub fn stored_certificate(store: &dyn Store, height: Height) -> Option<Certificate> {
    Certificate::from_bytes(&store.load(CERTIFICATES, &height.0.to_be_bytes())?).ok()
}

/// The newest checkpoint that is certified here.
pub fn newest_certificate(store: &dyn Store, executed: Height) -> Option<Certificate> {
    let heights = (1..=executed.0).rev();
    heights.into_iter().find_map(|height| stored_certificate(store, Height(height)))
}

pub(crate) fn stored_uncertified(store: &dyn Store) -> Vec<Height> {
    let entries = store.scan_prefix(UNCERTIFIED, &[]).into_iter();
    entries.filter_map(|(key, _)| key.try_into().ok()).map(|key| Height(u64::from_be_bytes(key))).collect()
}

/// The lowest checkpoint that was executed here and is not certified.
pub(crate) fn lowest_uncertified(store: &dyn Store) -> Option<Height> {
    let key = store.scan_keys(UNCERTIFIED, &[], 1).pop()?;
    Some(Height(u64::from_be_bytes(*key.first_chunk()?)))
}

pub(crate) fn stored_own_last(store: &dyn Store) -> Result<Option<Reference>, OpenError> {
    let Some(bytes) = store.load(OWN, OWN_LAST_KEY) else { return Ok(None) };
    Reference::from_bytes(&bytes).map(Some).map_err(|_| OpenError::Own)
}

/// Walks the stored snapshots from `round` upwards, in the order of their references.
pub(crate) fn stored_from(store: &dyn Store, round: u64) -> impl Iterator<Item = (Reference, Arc<[u8]>)> + '_ {
    let mut from = Some(round.to_be_bytes().to_vec());
    let pages = std::iter::from_fn(move || {
        let page = store.scan(SNAPSHOTS, from.as_ref()?, PAGE);
        from = page.last().filter(|_| page.len() == PAGE).map(|(key, _)| [key.as_slice(), &[0]].concat());
        Some(page)
    });
    pages.flatten().filter_map(|(key, value)| Some((parse_key(&key)?, Arc::from(value))))
}

fn parse_key(key: &[u8]) -> Option<Reference> {
    let (round, rest) = key.split_first_chunk::<8>()?;
    let (author, hash) = rest.split_first()?;
    let hash = byway_primitives::Hash(hash.try_into().ok()?);
    Some(Reference { round: u64::from_be_bytes(*round), author: MemberIndex(*author), hash })
}

impl Encode for EpochRecord {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.epoch);
        out.value(&self.after);
        out.varint(self.after_commit);
    }
}

impl Decode for EpochRecord {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { epoch: input.value()?, after: input.value()?, after_commit: input.u64()? })
    }
}

impl Encode for CommitRecord {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.leader);
        out.value(&self.time);
        out.list(&self.snapshots);
    }
}

impl Decode for CommitRecord {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { leader: input.value()?, time: input.value()?, snapshots: input.list(COMMIT_SNAPSHOTS_MAX)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byway_primitives::{Hash, MemoryStore};

    #[test]
    fn stored_snapshots_are_walked_across_pages_in_order() {
        let mut store = MemoryStore::new();
        let mut batch = Batch::new();
        let reference = |number: u64| Reference {
            round: number / 7,
            author: MemberIndex((number % 7) as u8),
            hash: Hash([number as u8; 32]),
        };
        for number in 0..500 {
            batch.put(SNAPSHOTS, snapshot_key(&reference(number)), [number as u8]);
        }
        store.apply(&batch);
        let walked: Vec<_> = stored_from(&store, 10).map(|(reference, _)| reference).collect();
        assert_eq!(walked, (70..500).map(reference).collect::<Vec<_>>());
    }

    #[test]
    fn a_commit_record_comes_back() {
        let reference = Reference { round: 3, author: MemberIndex(1), hash: Hash([5; 32]) };
        let record = CommitRecord { leader: reference, time: Time(77), snapshots: vec![reference; 3] };
        assert_eq!(CommitRecord::from_bytes(&record.to_bytes()), Ok(record));
    }
}

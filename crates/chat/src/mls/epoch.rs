//! One epoch of a conversation, in memory and on disk.
//!
//! What `openmls` keeps of it are [`Entries`]; the group that they are is loaded when it is needed, and stays loaded. An operation
//! works on a copy of nothing: it either comes to an end, and then what it changed is written, or the group is loaded anew. A large tree
//! of keys is on disk in [`parts`], which epochs share.

use std::collections::BTreeSet;

use byway_primitives::{Batch, Decode, DecodeError, Encode, Hash, Reader, Store, Time, Writer};
use openmls::group::{GroupId, MlsGroup};

use super::change::Summary;
use super::line::Rank;
use super::member::Member;
use super::parts::{self, CUT_MIN, PartId};
use super::provider::{Changes, Entries, Overlay, Provider, is_tree, tree_key, without_decryption_keys};
use super::wire::{FRAME_BYTES_MAX, LEAVE_BYTES_MAX};
use super::{BrokenRoom, DEVICES_MAX, EpochTag, ROOMS, RoomId, TREE};

const VERSION: u8 = 1;

/// What can be done in an epoch that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Commits on it are followed, and content is read.
    All,
    /// Content is read.
    Reading,
}

/// Somebody has asked to leave.
#[derive(Debug, Clone)]
pub(crate) struct Leaving {
    pub member: Member,
    /// The request as it was sent.
    pub message: Vec<u8>,
    /// The same, as `openmls` has checked it.
    pub proposal: Vec<u8>,
}

/// The commit that began an epoch.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub parent: EpochTag,
    pub rank: Rank,
    pub summary: Summary,
    pub is_own: bool,
    /// The frame with the commit.
    pub frame: Vec<u8>,
}

impl Begun {
    /// Whether it removes others. Who enters anew takes out its own former leaf, and removes nobody.
    pub fn removes(&self) -> bool {
        !self.summary.is_entry && !self.summary.removed.is_empty()
    }
}

/// An epoch that is kept.
pub(crate) struct Epoch {
    pub tag: EpochTag,
    pub number: u64,
    /// `None` where the device came into the room, or where what was before is not kept any more.
    pub begun: Option<Begun>,
    /// When another epoch was followed instead; `None` for the head.
    pub left_at: Option<Time>,
    pub keys: Keys,
    pub leaving: Vec<Leaving>,
    pub entries: Entries,
    /// Those that its tree is kept in, where it is not kept whole.
    pub parts: Vec<PartId>,
    group: Option<Box<MlsGroup>>,
}

impl Epoch {
    pub fn new(room: RoomId, group: MlsGroup, entries: Entries, begun: Option<Begun>) -> Self {
        Self {
            tag: begun.as_ref().map_or_else(|| tag_of(room, &group), |begun| begun.rank.tag),
            number: group.epoch().as_u64(),
            begun,
            left_at: None,
            keys: Keys::All,
            leaving: Vec::new(),
            entries,
            parts: Vec::new(),
            group: Some(Box::new(group)),
        }
    }

    /// The group, loaded where it isn't.
    pub fn group(&mut self, room: RoomId) -> Result<&MlsGroup, BrokenRoom> {
        let group = self.take(room)?;
        Ok(self.group.insert(group))
    }

    /// The group, if it is loaded.
    pub fn loaded(&self) -> Option<&MlsGroup> {
        self.group.as_deref()
    }

    fn take(&mut self, room: RoomId) -> Result<Box<MlsGroup>, BrokenRoom> {
        match self.group.take() {
            Some(group) => Ok(group),
            None => load(room, &self.entries),
        }
    }

    /// Works on the group. If `work` fails nothing has happened.
    pub fn operate<T, E: From<BrokenRoom>>(
        &mut self,
        room: RoomId,
        seed: &[u8; 32],
        work: impl FnOnce(&mut MlsGroup, &Provider<'_>) -> Result<T, E>,
    ) -> Result<(T, Changes), E> {
        let mut group = self.take(room)?;
        let provider = Provider::new(seed, &self.entries);
        let done = work(&mut group, &provider);
        let changes = provider.into_changes();
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                self.group = Some(load(room, &self.entries)?);
                return Err(error);
            }
        };
        self.entries.apply(&changes);
        self.group = Some(group);
        Ok((done, changes))
    }

    /// The group anew, as the entries have it, for what turns it into that of another epoch. Commits and requests to leave are always read
    /// from there, so that reading one of them uses up nothing: a member may send different ones under one key.
    pub fn afresh(&self, room: RoomId) -> Result<MlsGroup, BrokenRoom> {
        load(room, &self.entries).map(|group| *group)
    }

    /// Lets go of the group, which is in the entries.
    pub fn unload(&mut self) {
        self.group = None;
    }

    /// Deletes what decrypts commits on this epoch.
    pub fn keep_reading_only(&mut self, room: RoomId, batch: &mut Batch) {
        let changes = without_decryption_keys(&self.entries);
        self.entries.apply(&changes);
        self.group = None;
        self.keys = Keys::Reading;
        self.leaving.clear();
        self.put_changes(room, &changes, batch);
        self.put_header(room, batch);
    }

    /// Writes all of it, but the parts of its tree that are `kept` already.
    pub fn put(&mut self, room: RoomId, kept: &BTreeSet<PartId>, batch: &mut Batch) {
        self.put_header(room, batch);
        for (key, value) in self.entries.iter() {
            if is_tree(key) && value.len() >= CUT_MIN {
                self.parts = parts::put(room, value, kept, batch);
                batch.put(ROOMS, parts_key(room, self.tag), parts::names(&self.parts));
            } else {
                batch.put(ROOMS, entry_key(room, self.tag, key), value.to_vec());
            }
        }
    }

    pub fn put_header(&self, room: RoomId, batch: &mut Batch) {
        batch.put(ROOMS, header_key(room, self.tag), Header::of(self));
    }

    pub fn put_changes(&self, room: RoomId, changes: &Changes, batch: &mut Batch) {
        for (key, value) in &changes.0 {
            assert!(!is_tree(key), "the tree of an epoch does not change");
            let key = entry_key(room, self.tag, key);
            match value {
                Some(value) => batch.put(ROOMS, key, value.to_vec()),
                None => batch.delete(ROOMS, key),
            }
        }
    }

    /// Deletes all of it, but the parts of its tree that are `kept` for others.
    pub fn delete(&self, room: RoomId, kept: &BTreeSet<PartId>, batch: &mut Batch) {
        batch.delete(ROOMS, header_key(room, self.tag));
        for (key, _) in self.entries.iter() {
            batch.delete(ROOMS, entry_key(room, self.tag, key));
        }
        if !self.parts.is_empty() {
            batch.delete(ROOMS, parts_key(room, self.tag));
            parts::delete(room, &self.parts, kept, batch);
        }
    }

    /// All epochs of a room that are kept.
    pub fn load_all(store: &impl Store, room: RoomId) -> Result<Vec<Self>, BrokenRoom> {
        let headers = store.scan_prefix(ROOMS, &headers_prefix(room));
        let read = headers.into_iter().map(|(_, bytes)| {
            let mut epoch = Header::read(&bytes).map_err(|cause| BrokenRoom::Unreadable { room, cause })?;
            let prefix = entry_key(room, epoch.tag, &[]);
            for (key, value) in store.scan_prefix(ROOMS, &prefix) {
                epoch.entries.insert(key[prefix.len()..].to_vec(), value);
            }
            if let Some(names) = store.load(ROOMS, &parts_key(room, epoch.tag)) {
                epoch.parts = parts::read_names(&names);
                let tree = parts::join(room, &epoch.parts, store);
                let tree = tree.ok_or_else(|| BrokenRoom::State { room, cause: "a part is missing".to_owned() })?;
                epoch.entries.insert(tree_key(), tree);
            }
            Ok(epoch)
        });
        read.collect()
    }
}

pub(crate) fn tag_of(room: RoomId, group: &MlsGroup) -> EpochTag {
    use openmls::prelude::tls_codec::Serialize;
    let tag = group.confirmation_tag().tls_serialize_detached();
    EpochTag::of(room, &tag.expect("a tag is 32 bytes"))
}

pub(crate) fn tree_of(group: &MlsGroup) -> Hash {
    TREE.hash(&[group.public_group().group_context().tree_hash()])
}

fn load(room: RoomId, entries: &Entries) -> Result<Box<MlsGroup>, BrokenRoom> {
    let group = MlsGroup::load(&Overlay::new(entries), &GroupId::from_slice(&room.0));
    let group = group.map_err(|cause| BrokenRoom::State { room, cause: cause.to_string() })?;
    group.map(Box::new).ok_or_else(|| BrokenRoom::State { room, cause: "an entry is missing".to_owned() })
}

fn headers_prefix(room: RoomId) -> Vec<u8> {
    [&[1][..], &room.0].concat()
}

fn header_key(room: RoomId, tag: EpochTag) -> Vec<u8> {
    [&headers_prefix(room)[..], &tag.0.0].concat()
}

fn entry_key(room: RoomId, tag: EpochTag, key: &[u8]) -> Vec<u8> {
    [&[2][..], &room.0, &tag.0.0, key].concat()
}

fn parts_key(room: RoomId, tag: EpochTag) -> Vec<u8> {
    [&[4][..], &room.0, &tag.0.0].concat()
}

/// What is kept of an epoch beside its entries.
struct Header;

impl Header {
    fn of(epoch: &Epoch) -> Vec<u8> {
        let mut out = Writer::new();
        out.byte(VERSION);
        out.value(&epoch.tag);
        out.varint(epoch.number);
        out.option(epoch.begun.as_ref());
        out.option(epoch.left_at.as_ref());
        out.flag(epoch.keys == Keys::All);
        out.list(&epoch.leaving);
        out.into_bytes()
    }

    fn read(bytes: &[u8]) -> Result<Epoch, DecodeError> {
        let mut input = Reader::new(bytes);
        match input.byte()? {
            VERSION => {}
            other => return Err(DecodeError::UnknownVariant { kind: "kept epoch version", value: other.into() }),
        }
        let epoch = Epoch {
            tag: input.value()?,
            number: input.u64()?,
            begun: input.option()?,
            left_at: input.option()?,
            keys: if input.flag()? { Keys::All } else { Keys::Reading },
            leaving: input.list(DEVICES_MAX)?,
            entries: Entries::default(),
            parts: Vec::new(),
            group: None,
        };
        input.finish()?;
        Ok(epoch)
    }
}

impl Encode for Begun {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.parent);
        out.value(&self.rank);
        out.value(&self.summary);
        out.flag(self.is_own);
        out.bytes(&self.frame);
    }
}

impl Decode for Begun {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            parent: input.value()?,
            rank: input.value()?,
            summary: input.value()?,
            is_own: input.flag()?,
            frame: input.bytes(FRAME_BYTES_MAX)?.to_vec(),
        })
    }
}

impl Encode for Leaving {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.member);
        out.bytes(&self.message);
        out.bytes(&self.proposal);
    }
}

impl Decode for Leaving {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            member: input.value()?,
            message: input.bytes(LEAVE_BYTES_MAX)?.to_vec(),
            proposal: input.bytes(2 * LEAVE_BYTES_MAX)?.to_vec(),
        })
    }
}

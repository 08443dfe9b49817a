//! Files of messages: who may have which, and which are still to be fetched.
//!
//! Whoever is in a conversation may have the files of its messages, from anybody in it who has them. A file lies at a [`FilePlace`],
//! which the key in the message is part of: a message that names a file of another conversation, without having its key, names none.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Batch, Hash, IdentityId, Pending, Space, Store};

use super::{ChatError, ChatNews, Chats};
use crate::attachment::FilePlace;
use crate::content::post::Attachment;
use crate::content::{Item, Kind, MessageRef};
use crate::mls::RoomId;

/// Which messages have a file: key is its name and the [`FileRef`].
const FILES: Space = Space("chat-files");
/// The same by where a file lies: key is its [`FilePlace`] and the [`FileRef`].
const PLACES: Space = Space("chat-places");
/// Files that are to be fetched: key is the [`FileRef`].
const WANTED: Space = Space("chat-wanted");

/// Files that wait to be fetched, at most.
pub const WANTED_MAX: usize = 4096;

/// Messages of one author in one conversation that are looked at for one file. Who names it under false keys hides nothing that others name.
const NAMED_EACH_MAX: usize = 4;
/// Bytes of an author in a key.
const AUTHOR_BYTES: usize = 20;
/// Authors whose messages are looked at.
const AUTHORS_MAX: usize = 1024;

/// A file of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileRef {
    pub room: RoomId,
    pub of: MessageRef,
    /// Its place among the message's files.
    pub number: u8,
}

impl Encode for FileRef {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.room);
        out.value(&self.of);
        out.byte(self.number);
    }
}

impl Decode for FileRef {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { room: input.value()?, of: input.value()?, number: input.byte()? })
    }
}

pub(super) fn load_wanted(store: &impl Store) -> BTreeSet<FileRef> {
    // Nothing else writes here. What can't be read is asked for anew.
    store.scan_prefix(WANTED, &[]).into_iter().filter_map(|(key, _)| FileRef::from_bytes(&key).ok()).collect()
}

/// The files of a message as it stands now.
pub fn files_of(item: &Item) -> &[Attachment] {
    match item.content().map(|content| &content.kind) {
        Some(Kind::Post(post)) => &post.attachments,
        Some(Kind::Voice(voice)) => std::slice::from_ref(&voice.recording),
        _ => &[],
    }
}

/// Keeps in mind which files a message has, or has no more.
pub(super) fn note_files(
    room: RoomId,
    old: Option<&Item>,
    new: &Item,
    store: &impl Store,
    batch: &mut Batch,
    news: &mut Vec<ChatNews>,
) {
    let (before, now) = (old.map_or(&[][..], files_of), files_of(new));
    if before.len() == now.len() {
        return;
    }
    let numbered = |files: &[Attachment]| -> BTreeMap<u8, Attachment> { (0u8..).zip(files.iter().cloned()).collect() };
    for (number, file) in numbered(now) {
        let of = FileRef { room, of: new.of, number };
        batch.put(FILES, file_key(&file.root, &of), Vec::new());
        batch.put(PLACES, file_key(&FilePlace::of(&file).0, &of), Vec::new());
    }
    for (number, file) in numbered(before) {
        let of = FileRef { room, of: new.of, number };
        batch.delete(FILES, file_key(&file.root, &of));
        batch.delete(WANTED, of.to_bytes());
        let place = FilePlace::of(&file);
        batch.delete(PLACES, file_key(&place.0, &of));
        let others = Pending { store, batch }.scan_keys(PLACES, &place.0.0, 1);
        if others.iter().all(|key| !key.starts_with(&place.0.0)) {
            news.push(ChatNews::FileGone { place });
        }
    }
}

fn file_key(name: &Hash, of: &FileRef) -> Vec<u8> {
    [&name.0[..], &of.to_bytes()].concat()
}

/// The messages of a conversation that name a file: the first few of each author.
fn named_in(room: RoomId, root: &Hash, store: &impl Store) -> Vec<FileRef> {
    let prefix = [&root.0[..], &room.0].concat();
    let (mut named, mut from) = (Vec::new(), prefix.clone());
    for _ in 0..AUTHORS_MAX {
        let keys = store.scan_keys(FILES, &from, NAMED_EACH_MAX);
        let Some(author) =
            keys.first().filter(|key| key.starts_with(&prefix)).and_then(|key| key.get(..prefix.len() + AUTHOR_BYTES))
        else {
            break;
        };
        // Behind all that this one has named.
        from = [author, &[0xff; 32]].concat();
        let of_them = keys.iter().take_while(|key| key.starts_with(author));
        named.extend(of_them.filter_map(|key| FileRef::from_bytes(key.get(root.0.len()..)?).ok()));
    }
    named
}

impl Chats {
    /// A file of a message that is here.
    pub fn file(&self, file: &FileRef, store: &impl Store) -> Option<Attachment> {
        let shown = self.item(file.room, &file.of, store)?;
        files_of(&shown.item).get(usize::from(file.number)).cloned()
    }

    /// The files of that name which the node `peer` may have, since they are in a conversation that it is in. Several only where messages
    /// give one file several keys.
    pub fn file_for(&self, peer: IdentityId, root: &Hash, store: &impl Store) -> Vec<Attachment> {
        if self.is_blocked(peer) {
            return Vec::new();
        }
        // A device of our own may have all, also of conversations that it is not in yet, or that are over.
        let rooms = self.all_rooms().into_iter().filter(|room| self.own.has(peer) || self.is_in(*room, peer));
        let named = rooms.flat_map(|room| named_in(room, root, store));
        let files = named.filter_map(|file| self.file(&file, store));
        let mut places = BTreeSet::new();
        files.filter(|file| places.insert(FilePlace::of(file))).collect()
    }

    fn is_in(&self, room: RoomId, peer: IdentityId) -> bool {
        let talk = self.talks.get(&room).filter(|talk| talk.room.is_member());
        talk.is_some_and(|talk| talk.has_node(peer))
    }

    /// The nodes that a file may be fetched from: those of its author first, then the others in the conversation.
    pub fn sources_of(&self, file: &FileRef) -> Vec<IdentityId> {
        let Some(talk) = self.talks.get(&file.room) else { return self.own.nodes() };
        let mut others = talk.nodes(self.node());
        others.retain(|node| !self.is_blocked(*node));
        others.sort_by_key(|node| talk.known.get(node) != Some(&file.of.author));
        others
    }

    /// Files that are to be fetched.
    pub fn wanted_files(&self) -> impl Iterator<Item = FileRef> {
        self.wanted.iter().copied()
    }

    pub fn is_wanted(&self, file: &FileRef) -> bool {
        self.wanted.contains(file)
    }

    /// A file is to be fetched, until [`unwant_file`](Self::unwant_file).
    ///
    /// # Errors
    /// [`ChatError::TooManyFiles`].
    pub fn want_file(&mut self, file: FileRef) -> Result<(), ChatError> {
        if !self.wanted.contains(&file) {
            if self.wanted.len() >= WANTED_MAX {
                return Err(ChatError::TooManyFiles);
            }
            self.wanted.insert(file);
            self.step.batch.put(WANTED, file.to_bytes(), Vec::new());
            self.tell(ChatNews::Item { room: file.room, of: file.of, is_new: false });
        }
        Ok(())
    }

    /// A file has come, or is to be fetched no more.
    pub fn unwant_file(&mut self, file: &FileRef) {
        if self.wanted.remove(file) {
            self.step.batch.delete(WANTED, file.to_bytes());
        }
        self.tell(ChatNews::Item { room: file.room, of: file.of, is_new: false });
    }
}

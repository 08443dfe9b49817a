//! Files beside messages: how one is sealed, named by what is in it, and checked piece by piece while it comes.
//!
//! A file is sealed under a key of its own, which stands in the message ([`seal`]). What travels, and what lies on disks, is the
//! sealed file alone; it is named by its BLAKE3 digest. Whoever fetches it gets the digests of its groups first ([`tree`]), which
//! either make up that name or are refused, and then checks each group as it comes: no group that was not checked is kept, so that
//! what is on the disk after a cut or a crash is a prefix from which to go on. [`wire`] is what is said on the stream that brings it.
//!
//! Not here: disks, streams, and who may have a file ([`Chats::file_for`](crate::chats::Chats::file_for) says that). Bytes:
//! docs/formats/attachments.md.

pub mod seal;
pub mod tree;
pub mod wire;

use byway_primitives::Hash;
use byway_primitives::hash::Context;

use crate::content::post::{Attachment, AttachmentKey};

/// Bytes of a sealed file: two videos of an hour as telephones make them, and what a group's number of 32 bits leaves room for.
pub const SIZE_BYTES_MAX: u64 = 2 << 30;

const PLACE: Context = Context("byway 1 hash: place of a file of a conversation");

/// Where a node keeps a file. It has the key in it, so that whoever names a file of others without having its key names nothing; and the
/// size, so that whoever says that it has another spoils nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePlace(pub Hash);

impl FilePlace {
    pub fn new(root: &Hash, size: u64, key: &AttachmentKey) -> Self {
        Self(PLACE.hash(&[&root.0, &size.to_be_bytes(), &key.0]))
    }

    pub fn of(attachment: &Attachment) -> Self {
        Self::new(&attachment.root, attachment.size, &attachment.key)
    }
}

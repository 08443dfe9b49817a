//! Copies of a kernel node's state: made while it is stopped, checked file by file when they are put back.
//!
//! A copy is a folder with the files of the node's store and a list of them with their digests. It holds no secret: keys
//! come back from the seed phrase. What a copy can't say is what the node signed after it was made; so putting it back
//! leaves a note in the store, and the node asks the others what they hold of it before it signs again.

use std::io;
use std::path::{Path, PathBuf};

use byway_driver::disk::{Disk, DiskError};
use byway_primitives::hash::Context;
use byway_primitives::{Batch, Hash, NetworkId, Time, Token};
use serde::{Deserialize, Serialize};

use crate::directory::{Directory, DirectoryError, read_json, write_json};
use crate::files;

const FILE: Context = Context("byway 1 backup: file");
const LIST_FILE: &str = "backup.json";
const FILES_FOLDER: &str = "store";
/// The version that this code writes and reads.
const VERSION: u32 = 1;

/// What a copy says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    pub version: u32,
    pub network: NetworkId,
    pub network_name: String,
    /// The kernel node's name.
    pub node: String,
    pub made: Time,
    pub files: Vec<Entry>,
}

/// One file, by its path in the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    pub path: String,
    pub bytes: u64,
    pub digest: Hash,
}

/// Why a copy can't be made or put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("{path} can't be used: {source}; check that it exists, who owns it, and that the disk has room")]
    Io { path: PathBuf, source: io::Error },
    #[error("there is nothing to copy in {0}: the node has never run with this directory")]
    Empty(PathBuf),
    #[error("{0} exists already; choose a new folder, so that no copy is overwritten")]
    Exists(PathBuf),
    #[error(
        "{0} holds a node's state already; a copy never replaces one. If that state is lost for good, move the folder away \
         first"
    )]
    HasState(PathBuf),
    #[error("{0} is no backup: it has no {LIST_FILE}")]
    NoList(PathBuf),
    #[error("this backup has version {0}; use a newer byway")]
    Version(u32),
    #[error("this is a backup of the network {theirs}, and the node's is {ours}; use the backup of this network")]
    Network { ours: NetworkId, theirs: NetworkId },
    #[error("{0} is not as it was when the backup was made; use another backup")]
    Damaged(PathBuf),
}

/// Copies the state of a node that is stopped (its `directory` must be locked by the caller) to the new folder `to`.
pub fn make(directory: &Directory, to: &Path, about: List) -> Result<List, BackupError> {
    let store = directory.store_folder();
    if !store.is_dir() {
        return Err(BackupError::Empty(directory.root().to_owned()));
    }
    if to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    // Opened once, so that what a crash left behind is put in order, and a damaged state is not copied.
    drop(Disk::open(&store)?);
    let target = to.join(FILES_FOLDER);
    files::create_private_folder(&target).map_err(|source| BackupError::Io { path: target.clone(), source })?;
    let mut entries = Vec::new();
    for path in paths(&store, Path::new(""))? {
        let digest = copy(&store.join(&path), &target.join(&path))?;
        let bytes = size(&target.join(&path))?;
        entries.push(Entry { path: written(&path), bytes, digest });
    }
    let list = List { version: VERSION, files: entries, ..about };
    // The list is written last: a folder without one is no backup.
    write_json(&to.join(LIST_FILE), &list)?;
    Ok(list)
}

/// Puts the copy in `from` into the directory of a node that has no state, and notes in it that it was put back.
pub fn restore(directory: &Directory, from: &Path, network: NetworkId) -> Result<List, BackupError> {
    let list: List = read_json(&from.join(LIST_FILE))?.ok_or_else(|| BackupError::NoList(from.to_owned()))?;
    if list.version != VERSION {
        return Err(BackupError::Version(list.version));
    }
    if list.network != network {
        return Err(BackupError::Network { ours: network, theirs: list.network });
    }
    let store = directory.store_folder();
    if store.exists() {
        return Err(BackupError::HasState(directory.root().to_owned()));
    }
    // Checked as a whole first, so that nothing is put back of a copy that is damaged.
    for entry in &list.files {
        let path =
            from.join(FILES_FOLDER).join(safe(&entry.path).ok_or_else(|| BackupError::Damaged(from.to_owned()))?);
        let content = std::fs::read(&path).map_err(|source| BackupError::Io { path: path.clone(), source })?;
        if content.len() as u64 != entry.bytes || FILE.hash(&[&content]) != entry.digest {
            return Err(BackupError::Damaged(path));
        }
    }
    let unfinished = directory.root().join("store.restoring");
    let io = |source| BackupError::Io { path: unfinished.clone(), source };
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished).map_err(io)?;
    }
    files::create_private_folder(&unfinished).map_err(io)?;
    for entry in &list.files {
        copy(&from.join(FILES_FOLDER).join(&entry.path), &unfinished.join(&entry.path))?;
    }
    note_restored(&unfinished)?;
    std::fs::rename(&unfinished, &store).map_err(io)?;
    Ok(list)
}

/// Notes in a kernel node's store that it was put back from a copy.
fn note_restored(store: &Path) -> Result<(), BackupError> {
    let disk = Disk::open(store)?;
    let journal = disk.journal(crate::kernel_node::JOURNAL)?;
    let mut batch = Batch::new();
    byway_kernel::mark_restored(&mut batch);
    journal.write(batch, Token(0))?;
    journal.flush()?;
    Ok(())
}

/// The paths of all files below a folder, in order, without those that only a running node has.
fn paths(root: &Path, below: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let folder = root.join(below);
    let io = |source| BackupError::Io { path: folder.clone(), source };
    let mut found = Vec::new();
    let mut entries: Vec<_> = std::fs::read_dir(&folder).map_err(io)?.collect::<Result<_, _>>().map_err(io)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = below.join(entry.file_name());
        match entry.file_type().map_err(io)?.is_dir() {
            true => found.append(&mut paths(root, &path)?),
            false => found.push(path),
        }
    }
    Ok(found)
}

/// A path as a list has it, the same on every system.
fn written(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

/// A path that stays within the folder it is joined to.
fn safe(path: &str) -> Option<&Path> {
    let path = Path::new(path);
    path.components().all(|part| matches!(part, std::path::Component::Normal(_))).then_some(path)
}

/// Copies a file whole and durably; gives its digest.
fn copy(from: &Path, to: &Path) -> Result<Hash, BackupError> {
    let content = std::fs::read(from).map_err(|source| BackupError::Io { path: from.to_owned(), source })?;
    let io = |source| BackupError::Io { path: to.to_owned(), source };
    if let Some(folder) = to.parent() {
        files::create_private_folder(folder).map_err(io)?;
    }
    files::write_secret(to, &content).map_err(io)?;
    Ok(FILE.hash(&[&content]))
}

fn size(path: &Path) -> Result<u64, BackupError> {
    let metadata = std::fs::metadata(path);
    Ok(metadata.map_err(|source| BackupError::Io { path: path.to_owned(), source })?.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use byway_primitives::{Space, Store};

    fn about(network: u8) -> List {
        List {
            version: 0,
            network: NetworkId(Hash([network; 32])),
            network_name: "test".to_owned(),
            node: "k1".to_owned(),
            made: Time(5),
            files: Vec::new(),
        }
    }

    /// A node's directory with something in its store.
    fn node(folder: &Path) -> Directory {
        let directory = Directory::new(folder);
        let disk = Disk::open(&directory.store_folder()).unwrap();
        let journal = disk.journal(crate::kernel_node::JOURNAL).unwrap();
        let mut batch = Batch::new();
        batch.put(Space("own"), b"last", b"round 7");
        journal.write(batch, Token(0)).unwrap();
        journal.flush().unwrap();
        directory
    }

    fn stored(directory: &Directory, key: &[u8]) -> Option<Vec<u8>> {
        let disk = Disk::open(&directory.store_folder()).unwrap();
        disk.journal(crate::kernel_node::JOURNAL).unwrap().load(Space("own"), key)
    }

    #[test]
    fn what_was_copied_comes_back_and_says_that_it_did() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let first = node(&path("first"));
        let list = make(&first, &path("copy"), about(1)).unwrap();
        assert!(!list.files.is_empty());
        assert_eq!(stored(&first, b"restored"), None, "a copy changes nothing");
        let second = Directory::new(path("second"));
        second.create().unwrap();
        assert_eq!(restore(&second, &path("copy"), list.network).unwrap(), list);
        assert_eq!(stored(&second, b"last").as_deref(), Some(&b"round 7"[..]));
        assert_eq!(stored(&second, b"restored"), Some(Vec::new()));
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_damaged_is_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let first = node(&path("first"));
        let list = make(&first, &path("copy"), about(1)).unwrap();
        let empty = Directory::new(path("empty"));
        empty.create().unwrap();
        let network = list.network;
        assert!(matches!(make(&empty, &path("other"), about(1)), Err(BackupError::Empty(_))));
        assert!(matches!(make(&first, &path("copy"), about(1)), Err(BackupError::Exists(_))));
        assert!(matches!(restore(&first, &path("copy"), network), Err(BackupError::HasState(_))));
        assert!(matches!(restore(&empty, &path("first"), network), Err(BackupError::NoList(_))));
        let other = NetworkId(Hash([2; 32]));
        assert!(matches!(restore(&empty, &path("copy"), other), Err(BackupError::Network { .. })));
        let file = list.files.iter().find(|entry| entry.bytes > 0).unwrap();
        let damaged = path("copy").join(FILES_FOLDER).join(&file.path);
        let mut content = std::fs::read(&damaged).unwrap();
        content[0] ^= 1;
        std::fs::write(&damaged, &content).unwrap();
        assert!(matches!(restore(&empty, &path("copy"), network), Err(BackupError::Damaged(path)) if path == damaged));
        assert!(!empty.store_folder().exists());
        let outside = List { files: vec![Entry { path: "../x".to_owned(), ..file.clone() }], ..list };
        write_json(&path("copy").join(LIST_FILE), &outside).unwrap();
        assert!(matches!(restore(&empty, &path("copy"), network), Err(BackupError::Damaged(_))));
    }
}

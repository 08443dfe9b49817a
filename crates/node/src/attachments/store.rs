//! The folder of files. Each lies under its [`FilePlace`]; beside it, with the ending `tree`, are the values of its groups where it
//! has several. `part` is what was checked of one that is still coming, `up` what is being sealed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use byway_chat::attachment::tree::{GROUP_BYTES, Groups, Untrue};
use byway_chat::attachment::{FilePlace, seal};
use byway_chat::content::post::Attachment;
use byway_primitives::Hash;

use super::uploads::Upload;

pub(super) const PART: &str = "part";
pub(super) const TREE: &str = "tree";
const UPLOAD: &str = "up";

/// Why something can't be done with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("the disk failed: {0}")]
    Disk(#[from] io::Error),
    /// No more is kept of files of conversations.
    #[error("files of conversations have no more room: {0} bytes are kept at most")]
    Full(u64),
    #[error("{0}")]
    Untrue(#[from] Untrue),
    #[error("the file is not here")]
    NotHere,
    /// What lies on the disk is not what was put there.
    #[error("the file on the disk is damaged")]
    Damaged,
    #[error(transparent)]
    TooLarge(#[from] seal::TooLarge),
    #[error("the next part of it begins at byte {0}")]
    Gap(u64),
}

/// Clones share it.
#[derive(Clone)]
pub struct FileStore(Arc<Shared>);

struct Shared {
    folder: PathBuf,
    kept_bytes_max: u64,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    here: BTreeSet<FilePlace>,
    kept_bytes: u64,
    pub(super) uploads: BTreeMap<String, Upload>,
    /// Counts what was done with uploads: of too many the one that was left alone longest goes.
    pub(super) turns: u64,
}

impl FileStore {
    /// Looks at what is in `folder`, of which at most `kept_bytes_max` are kept.
    ///
    /// # Errors
    /// Where the folder can't be made or read.
    pub fn open(folder: PathBuf, kept_bytes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let mut state = State::default();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (name, path) = (entry.file_name(), entry.path());
            let ending = Path::new(&name).extension().map(|ending| ending.to_string_lossy().into_owned());
            if ending.as_deref() == Some(UPLOAD) {
                // Whoever was sealing it has lost its key.
                fs::remove_file(path)?;
                continue;
            }
            state.kept_bytes += entry.metadata()?.len();
            if let (None, Some(place)) = (ending, name.to_str().and_then(|name| name.parse::<Hash>().ok())) {
                state.here.insert(FilePlace(place));
            }
        }
        Ok(Self(Arc::new(Shared { folder, kept_bytes_max, state: Mutex::new(state) })))
    }

    pub fn has(&self, place: FilePlace) -> bool {
        self.state().here.contains(&place)
    }

    /// Bytes that files take.
    pub fn kept_bytes(&self) -> u64 {
        self.state().kept_bytes
    }

    /// Whether so much more may be kept.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.state().kept_bytes.saturating_add(bytes) <= self.0.kept_bytes_max
    }

    /// No message has this file any more.
    pub fn forget(&self, place: FilePlace) {
        self.state().here.remove(&place);
        for ending in ["", TREE, PART] {
            let path = self.path(place, ending);
            let length = fs::metadata(&path).map_or(0, |data| data.len());
            // What is not there is gone as well.
            if fs::remove_file(&path).is_ok() {
                self.release(length);
            }
        }
    }

    /// What is in the piece of a file with this number, and whether it is the last one.
    ///
    /// # Errors
    /// [`FileError::NotHere`], [`FileError::Damaged`], [`FileError::Disk`].
    pub fn read_piece(&self, file: &Attachment, number: u32) -> Result<Vec<u8>, FileError> {
        let place = FilePlace::of(file);
        if !self.has(place) {
            return Err(FileError::NotHere);
        }
        let Some((start, length)) = seal::piece_at(file.size, number) else { return Ok(Vec::new()) };
        let mut piece = vec![0; length];
        read_at(&self.path(place, ""), start, &mut piece)?;
        seal::open(&file.key, file.size, number, &piece).ok_or(FileError::Damaged)
    }

    /// A file that is here, to be given to somebody.
    ///
    /// # Errors
    /// [`FileError::NotHere`], [`FileError::Untrue`], [`FileError::Disk`].
    pub(super) fn outgoing(&self, file: &Attachment) -> Result<(File, Groups), FileError> {
        let place = FilePlace::of(file);
        if !self.has(place) {
            return Err(FileError::NotHere);
        }
        let groups = self.groups(file)?;
        Ok((File::open(self.path(place, ""))?, groups))
    }

    /// The values of a file's groups, as they were kept.
    pub(super) fn groups(&self, file: &Attachment) -> Result<Groups, FileError> {
        let values =
            if file.size > GROUP_BYTES as u64 { fs::read(self.path(FilePlace::of(file), TREE))? } else { Vec::new() };
        Ok(Groups::from_bytes(file.root, file.size, &values)?)
    }

    pub(super) fn path(&self, place: FilePlace, ending: &str) -> PathBuf {
        self.0.folder.join(place.0.to_string()).with_extension(ending)
    }

    /// Where what is sealed under that name lies meanwhile.
    pub(super) fn upload_path(&self, number: u64) -> PathBuf {
        self.0.folder.join(number.to_string()).with_extension(UPLOAD)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves it as it was: nothing is changed in more than one step.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps room for so much more.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), FileError> {
        let mut state = self.state();
        let kept = state.kept_bytes.saturating_add(bytes);
        if kept > self.0.kept_bytes_max {
            return Err(FileError::Full(self.0.kept_bytes_max));
        }
        state.kept_bytes = kept;
        Ok(())
    }

    pub(super) fn release(&self, bytes: u64) {
        let mut state = self.state();
        state.kept_bytes = state.kept_bytes.saturating_sub(bytes);
    }

    /// A whole file takes its place, for good: it is on the disk when this returns, and so are the values of its groups.
    pub(super) fn put(&self, place: FilePlace, file: &File, from: &Path, groups: &Groups) -> Result<(), FileError> {
        self.put_groups(place, groups)?;
        file.sync_all()?;
        fs::rename(from, self.path(place, ""))?;
        File::open(&self.0.folder)?.sync_all()?;
        self.state().here.insert(place);
        Ok(())
    }

    /// The values of a file's groups stay here. Who reads them checks them anew.
    pub(super) fn put_groups(&self, place: FilePlace, groups: &Groups) -> Result<(), FileError> {
        let (values, path) = (groups.to_bytes(), self.path(place, TREE));
        let old = fs::read(&path).unwrap_or_default();
        if old == values {
            return Ok(());
        }
        // What a crash has left half written is of no use.
        self.release(old.len() as u64);
        self.reserve(values.len() as u64)?;
        let written = fs::write(&path, &values).and_then(|()| File::open(&path)?.sync_all());
        if let Err(error) = written {
            // What is there of them is of no use.
            let _ = fs::remove_file(&path);
            self.release(values.len() as u64);
            return Err(error.into());
        }
        Ok(())
    }
}

fn read_at(path: &Path, start: u64, into: &mut [u8]) -> Result<(), FileError> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(into).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => FileError::Damaged,
        _ => error.into(),
    })
}

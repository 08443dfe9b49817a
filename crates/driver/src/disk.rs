//! Durable storage: what a machine's `Persist` becomes.
//!
//! **What.** A [`Disk`] is one directory. Each machine that lives in it has a [`Journal`]: its own named part with its
//! own sequence of [`Token`]s. [`Journal::write`] returns at once and what was written can be read at once
//! ([`Store`]); [`Journal::durable`] tells later, for many writes together, that they will survive a crash. This is the
//! contract of [`byway_primitives::effect`].
//!
//! **How.** Writes land in an overlay in memory and in a queue. One thread takes the whole queue, makes it one *group*,
//! and hands that to the engine (an LSM store, [`engine`]) as one atomic write with one fsync; so however many batches
//! came in while the last fsync ran, the next covers them all; and an fsync begins only when somebody waits for one
//! ([`Journal::hurry`]), or a moment has passed. Only then are their tokens announced and the overlay let
//! go of them. Groups are numbered; what survives a crash is therefore a prefix of what was written, whole batches only.
//!
//! **Damage.** Every block of the engine's tables carries a checksum that is verified when it is read. Its log does not
//! protect itself well enough, so each group ends with a seal of ours, and the log is inspected before the engine may
//! touch it ([`inspect`]); a [`mark`] beside the log says how far it must reach at least. Neither do its manifests, whose
//! structure is checked too ([`manifest`]). Damage surfaces as [`DiskError::Damaged`] with the place, never as other
//! data.
//!
//! **Fail-stop.** After the first failed write or fsync nothing is acknowledged any more, whatever a retry would say:
//! the operating system may have dropped the pages. Every later call answers [`DiskError::Stopped`] with the cause.
//!
//! **Sealed.** A journal opened with a key ([`Disk::sealed_journal`]) keeps its values sealed ([`seal`]).
//!
//! **Elsewhere.** What is long to read is read in another thread ([`Journal::reader`]).
//!
//! **What not.** No transactions across journals, no snapshots, no bulk data (files have their own chunk store).

mod engine;
mod error;
mod flusher;
mod inspect;
mod lock;
mod manifest;
mod mark;
mod overlay;
mod reader;
mod seal;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use byway_primitives::store::Entry;
use byway_primitives::{Batch, Space, Store, Token};
use tokio::sync::watch;

use engine::Engine;
use flusher::{Flusher, Queue};
use overlay::Overlay;
use seal::Seal;

pub use error::DiskError;
pub use lock::DirectoryLock;
pub use reader::JournalReader;
pub use seal::SealKey;

/// The longest name of a journal, in bytes: leaves room for the space's name in what the engine allows (255).
pub const JOURNAL_NAME_MAX: usize = 64;
/// The longest key, in bytes: what the engine's log can carry.
pub const KEY_MAX: usize = u16::MAX as usize;
/// The longest value, in bytes: far above any record, so that a runaway value is caught here.
pub const VALUE_MAX: usize = 64 << 20;

const FORMAT_FILE: &str = "format";
const FORMAT: &str = "byway disk 1\n";
/// Beside a sealed journal's name: the journal that tells whether a key is the right one.
const CHECK_SUFFIX: &str = "seal";
const STORE_FOLDER: &str = "store";

/// One directory of durable storage. Clones share it; it is closed, with everything written, when the last clone, the last [`Journal`]
/// and the last [`JournalReader`] are gone.
#[derive(Clone)]
pub struct Disk(Arc<Shared>);

/// One machine's part of a disk. Its tokens are its own.
pub struct Journal {
    reader: JournalReader,
    durable: watch::Receiver<Durability>,
}

/// How far a journal's writes are durable, in this run of the process.
#[derive(Debug, Clone, Default)]
pub struct Durability {
    /// The highest token whose batch, with all before it, is durable; `None` before the first.
    pub token: Option<Token>,
    /// Set when storage has stopped: `token` will never rise again.
    pub failed: Option<DiskError>,
}

impl Durability {
    /// Whether the batch of `token` is durable.
    pub fn covers(&self, token: Token) -> bool {
        self.token.is_some_and(|highest| highest >= token)
    }
}

impl Disk {
    /// Opens the directory, creating it if it is not there.
    pub fn open(directory: &Path) -> Result<Disk, DiskError> {
        fs::create_dir_all(directory).map_err(|e| DiskError::io("create the folder", directory, e))?;
        let lock = DirectoryLock::acquire(directory)?;
        let store = directory.join(STORE_FOLDER);
        let (mark, at_least) = if establish_format(directory)? {
            mark::Mark::open(directory)?
        } else {
            // What is there of a store was never finished: its first group can't have been acknowledged.
            (mark::Mark::create(directory)?, 0)
        };
        finish_format(directory)?;
        let (engine, last_group) = Engine::open(&store, at_least)?;
        let queue = Arc::new(Queue::default());
        let flusher = Flusher::new(engine.clone(), queue.clone(), mark, last_group);
        let thread = thread::Builder::new()
            .name("disk flusher".to_owned())
            .spawn(move || flusher.run())
            .map_err(|e| DiskError::io("start the flusher thread for", directory, e))?;
        Ok(Disk(Arc::new(Shared {
            directory: directory.to_owned(),
            engine,
            queue,
            thread: Mutex::new(Some(thread)),
            journals: Mutex::default(),
            _lock: lock,
        })))
    }

    /// The part called `name`. At most one handle to it may exist at a time, because its tokens have one source.
    pub fn journal(&self, name: &str) -> Result<Journal, DiskError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > JOURNAL_NAME_MAX || !name.bytes().all(plain) {
            return Err(DiskError::JournalName { name: name.to_owned() });
        }
        if !self.0.journals().insert(name.to_owned()) {
            return Err(DiskError::JournalTaken { name: name.to_owned() });
        }
        let (announce, durable) = watch::channel(Durability::default());
        let overlay = Arc::new(Overlay::new(name, announce));
        self.0.queue.register(&overlay);
        let reader = JournalReader { name: name.to_owned(), overlay, seal: None, shared: self.0.clone() };
        Ok(Journal { reader, durable })
    }

    /// The same, with its values sealed under `key`, with which it must be opened ever after. Waits for the disk the first time.
    ///
    /// # Errors
    /// [`DiskError::WrongKey`] if it was sealed with another key.
    pub fn sealed_journal(&self, name: &str, key: &SealKey) -> Result<Journal, DiskError> {
        let mut journal = self.journal(name)?;
        let seal = Seal::new(key, name, self.directory());
        // Beside the journal, since its tokens are its machine's alone.
        let checks = self.journal(&format!("{name}.{CHECK_SUFFIX}"))?;
        match checks.try_load(seal::CHECK, seal::CHECK_KEY)? {
            Some(found) => seal.verify(&found)?,
            // Its check was taken away: whoever did that would have it written on under another key.
            None if self.0.engine.has_journal(name) => {
                return Err(DiskError::WrongKey { place: format!("{} ({name})", self.directory().display()) });
            }
            None => {
                checks.write(seal.check(), Token(0))?;
                checks.flush()?;
            }
        }
        journal.reader.seal = Some(Arc::new(seal));
        Ok(journal)
    }

    /// Reads everything there is, so that every checksum is checked; gives the number of entries.
    pub fn verify(&self) -> Result<u64, DiskError> {
        self.0.engine.verify()
    }

    pub fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// Why storage has stopped, if it has.
    pub fn failure(&self) -> Option<DiskError> {
        self.0.queue.failure()
    }
}

impl Journal {
    /// Writes `batch`: visible to reads at once, durable soon, when [`Journal::durable`] covers `token`.
    ///
    /// Waits while too much is pending (64 MiB), so that a machine can't outrun its disk without bound.
    ///
    /// # Panics
    ///
    /// If `token` is not above the last one, a key is empty, or a key or value is longer than [`KEY_MAX`], [`VALUE_MAX`]: the machine
    /// that does so is broken.
    pub fn write(&self, batch: Batch, token: Token) -> Result<(), DiskError> {
        self.write_lazily(batch, token)?;
        self.hurry();
        Ok(())
    }

    /// Like [`Journal::write`], but the write may wait up to 50 ms in memory for others to share its fsync with, unless
    /// [`Journal::hurry`] is called. For a machine most of whose writes hold nothing up.
    pub fn write_lazily(&self, batch: Batch, token: Token) -> Result<(), DiskError> {
        for write in &batch.writes {
            assert!(!write.key.is_empty(), "an empty key in {}, which the engine would lose", write.space.0);
            assert!(write.key.len() <= KEY_MAX, "a key of {} bytes in {}", write.key.len(), write.space.0);
            let length = write.value.as_ref().map_or(0, Vec::len);
            assert!(length <= VALUE_MAX, "a value of {length} bytes in {}", write.space.0);
        }
        let batch = match &self.reader.seal {
            Some(seal) => seal.batch(batch),
            None => batch,
        };
        self.reader.shared.queue.push(&self.reader.overlay, batch, token)
    }

    /// Something waits for what was written so far: it is made durable as soon as the disk can.
    pub fn hurry(&self) {
        self.reader.shared.queue.want();
    }

    /// Follows how far this journal is durable.
    pub fn durable(&self) -> watch::Receiver<Durability> {
        self.durable.clone()
    }

    /// Waits until the batch of `token` is durable.
    pub async fn wait(&self, token: Token) -> Result<(), DiskError> {
        self.hurry();
        let mut durable = self.durable();
        let reached = durable.wait_for(|now| now.covers(token) || now.failed.is_some()).await;
        match reached.map(|now| (now.covers(token), now.failed.clone())) {
            Ok((true, _)) => Ok(()),
            Ok((false, Some(failed))) => Err(failed),
            Ok((false, None)) | Err(_) => unreachable!("the overlay, which announces, lives as long as its journal"),
        }
    }

    /// Blocks the thread until everything written so far is durable.
    pub fn flush(&self) -> Result<(), DiskError> {
        self.reader.shared.queue.drain()
    }

    /// [`Store::load`] with its error.
    pub fn try_load(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError> {
        self.reader.try_load(space, key)
    }

    /// [`Store::scan`] with its error.
    pub fn try_scan(&self, space: Space, from: &[u8], limit: usize) -> Result<Vec<Entry>, DiskError> {
        self.reader.try_scan(space, from, limit)
    }

    /// [`Store::scan_keys`] with its error.
    pub fn try_scan_keys(&self, space: Space, from: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, DiskError> {
        self.reader.try_scan_keys(space, from, limit)
    }

    /// For whoever reads in another thread. What is written meanwhile it may see or not.
    pub fn reader(&self) -> JournalReader {
        self.reader.clone()
    }
}

/// Reads that fail stop the disk and panic, as the contract of [`Store`] asks; [`Journal::try_load`] and
/// [`Journal::try_scan`] return the error instead.
impl Store for Journal {
    fn load(&self, space: Space, key: &[u8]) -> Option<Vec<u8>> {
        self.reader.load(space, key)
    }

    fn scan(&self, space: Space, from: &[u8], limit: usize) -> Vec<Entry> {
        self.reader.scan(space, from, limit)
    }

    fn scan_keys(&self, space: Space, from: &[u8], limit: usize) -> Vec<Vec<u8>> {
        self.reader.scan_keys(space, from, limit)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.reader.shared.journals().remove(&self.reader.name);
    }
}

struct Shared {
    directory: PathBuf,
    engine: Engine,
    queue: Arc<Queue>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
    /// Names of the journals that have a handle now.
    journals: Mutex<BTreeSet<String>>,
    /// Last, so that the directory is free for others only when all else is closed.
    _lock: DirectoryLock,
}

impl Shared {
    fn journals(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.journals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(directory = %self.directory.display(), "the disk's flusher thread panicked");
        }
    }
}

/// Whether the directory already holds a finished disk of this format.
fn establish_format(directory: &Path) -> Result<bool, DiskError> {
    let file = directory.join(FORMAT_FILE);
    match fs::read(&file) {
        Ok(found) if found == FORMAT.as_bytes() => Ok(true),
        Ok(found) => {
            let found = String::from_utf8_lossy(&found[..found.len().min(64)]).trim().to_owned();
            Err(DiskError::Format { file, found, known: FORMAT.trim() })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // The format file is written before the store, so a store without it has lost it.
            if directory.join(STORE_FOLDER).exists() {
                return Err(DiskError::damaged(file, "the file is missing although the store is there"));
            }
            Ok(false)
        }
        Err(error) => Err(DiskError::io("read", &file, error)),
    }
}

/// Writes the format file, whole or not at all, after the mark and before the store.
fn finish_format(directory: &Path) -> Result<(), DiskError> {
    let file = directory.join(FORMAT_FILE);
    if file.exists() {
        return Ok(());
    }
    let unfinished = directory.join("format.new");
    let written = fs::File::create(&unfinished)
        .and_then(|mut out| out.write_all(FORMAT.as_bytes()).and_then(|()| out.sync_all()))
        .and_then(|()| fs::rename(&unfinished, &file));
    written.map_err(|e| DiskError::io("write", &file, e))?;
    sync_folder(directory)
}

/// Makes the names in a folder durable.
fn sync_folder(directory: &Path) -> Result<(), DiskError> {
    if cfg!(windows) {
        // Folders can't be opened as files there; the file system journals their changes.
        return Ok(());
    }
    fs::File::open(directory).and_then(|f| f.sync_all()).map_err(|e| DiskError::io("sync the folder", directory, e))
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Disk({})", self.0.directory.display())
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Journal({} in {})", self.reader.name, self.reader.shared.directory.display())
    }
}

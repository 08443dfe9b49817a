//! The LSM store beneath a disk (fjall 3), and nothing of it outside this module but its errors.
//!
//! Spaces are its keyspaces, named `journal/space` and created when first written. The space [`OWN`] holds the seal of
//! the last group, which is its number too. Compression is off: what is stored is mostly hashes, keys and signatures.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::DiskError;
use super::inspect::{SEAL_KEY, SealedItem, inspect, seal, sealed_number};
use super::manifest::inspect_spaces;
use super::overlay::QueuedWrite;

/// Cannot be `journal/space`, so it collides with none.
const OWN: &str = "disk";
/// Where the engine keeps that a store was created at all.
const VERSION_FILE: &str = "version";
/// Memory for blocks read, in bytes. Several nodes may share one machine.
const CACHE_BYTES: u64 = 32 << 20;
/// Memory of one space for what isn't in tables yet, in bytes; there can be a few of these at a time.
const MEMTABLE_BYTES: u64 = 16 << 20;
/// All log files together, in bytes: bounds what is read and replayed at the start, which is what a start takes. The least
/// that the engine allows.
const LOG_BYTES_MAX: u64 = 64 << 20;
/// Threads that write tables and compact them.
const WORKERS: usize = 2;

#[derive(Clone)]
pub(super) struct Engine(Arc<Inner>);

struct Inner {
    database: Database,
    own: Keyspace,
    spaces: RwLock<BTreeMap<Arc<str>, Keyspace>>,
    path: PathBuf,
}

impl Engine {
    /// Opens the store at `path`, whose last group must be `at_least`. Gives the number of the last group too.
    pub(super) fn open(path: &Path, at_least: u64) -> Result<(Self, u64), DiskError> {
        let logged = prepare(path, at_least)?;
        // The engine's recovery panics on some kinds of damage.
        let opened = catch_unwind(AssertUnwindSafe(|| open_database(path)));
        let (database, own) = opened
            .map_err(|_| DiskError::damaged(path, "the storage engine can't read it"))?
            .map_err(|e| DiskError::engine(path, e))?;
        let engine = Self(Arc::new(Inner { database, own, spaces: RwLock::default(), path: path.to_owned() }));
        let last = engine.last_group()?;
        if last < at_least || logged.is_some_and(|logged| logged != last) {
            let expected = logged.unwrap_or(at_least).max(at_least);
            let reason = format!("group {expected} had been written, but {last} is the last one there");
            return Err(DiskError::damaged(path, reason));
        }
        Ok((engine, last))
    }

    pub(super) fn load(&self, space: &str, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError> {
        let Some(space) = self.existing(space)? else { return Ok(None) };
        let value = space.get(key).map_err(|e| DiskError::engine(space.path(), e))?;
        Ok(value.map(|value| value.to_vec()))
    }

    /// Entries with `key >= from`, in key order, with that of their values which `take` takes.
    pub(super) fn range<V, F: Fn(&[u8]) -> V>(
        &self,
        space: &str,
        from: &[u8],
        take: F,
    ) -> Result<impl Iterator<Item = Result<(Vec<u8>, V), DiskError>> + use<V, F>, DiskError> {
        let space = self.existing(space)?;
        let entries = space.map(|space| {
            let path = space.path().to_owned();
            space.range(from..).map(move |entry| {
                let (key, value) = entry.into_inner().map_err(|e| DiskError::engine(&path, e))?;
                Ok((key.to_vec(), take(&value)))
            })
        });
        Ok(entries.into_iter().flatten())
    }

    /// Writes `group`, one write to each key and those of one space together, as number `number`; returns when it is
    /// durable.
    pub(super) fn commit(&self, number: u64, group: &[&QueuedWrite]) -> Result<(), DiskError> {
        let mut batch = self.0.database.batch().durability(Some(PersistMode::SyncData));
        let mut sealed = Vec::with_capacity(group.len());
        for of_space in group.chunk_by(|one, next| Arc::ptr_eq(&one.name, &next.name)) {
            let space = self.created(&of_space[0].name)?;
            for QueuedWrite { key, value, .. } in of_space {
                match value {
                    Some(value) => batch.insert(&space, &key[..], &value[..]),
                    None => batch.remove(&space, &key[..]),
                }
                sealed.push(SealedItem { keyspace: space.id(), key, value: value.as_deref() });
            }
        }
        batch.insert(&self.0.own, SEAL_KEY, &seal(number, sealed.into_iter())[..]);
        batch.commit().map_err(|e| DiskError::engine(&self.0.path, e))
    }

    /// Whether anything has ever been written to a space of this journal.
    pub(super) fn has_journal(&self, journal: &str) -> bool {
        let spaces = format!("{journal}/");
        self.0.database.list_keyspace_names().iter().any(|name| name.starts_with(&spaces))
    }

    /// Reads every entry of every space.
    pub(super) fn verify(&self) -> Result<u64, DiskError> {
        let mut count = 0;
        for name in self.0.database.list_keyspace_names() {
            for entry in self.range(&name, &[], |_| ())? {
                entry?;
                count += 1;
            }
        }
        Ok(count)
    }

    fn last_group(&self) -> Result<u64, DiskError> {
        let place = self.0.own.path();
        let Some(value) = self.0.own.get(SEAL_KEY).map_err(|e| DiskError::engine(place, e))? else { return Ok(0) };
        sealed_number(&value).ok_or_else(|| DiskError::damaged(place, "the last seal is malformed"))
    }

    /// The space, unless nothing has ever been written to it.
    fn existing(&self, name: &str) -> Result<Option<Keyspace>, DiskError> {
        if let Some(space) = self.spaces_read(name) {
            return Ok(Some(space));
        }
        if !self.0.database.keyspace_exists(name) {
            return Ok(None);
        }
        self.created(name).map(Some)
    }

    fn created(&self, name: &str) -> Result<Keyspace, DiskError> {
        if let Some(space) = self.spaces_read(name) {
            return Ok(space);
        }
        let space = self.0.database.keyspace(name, options).map_err(|e| DiskError::engine(&self.0.path, e))?;
        let mut spaces = self.0.spaces.write().unwrap_or_else(PoisonError::into_inner);
        spaces.insert(name.into(), space.clone());
        Ok(space)
    }

    fn spaces_read(&self, name: &str) -> Option<Keyspace> {
        self.0.spaces.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// Checks what is there before the engine may touch it. Gives the last group in the log.
fn prepare(path: &Path, at_least: u64) -> Result<Option<u64>, DiskError> {
    let version = path.join(VERSION_FILE);
    if version.exists() {
        inspect_spaces(path)?;
        return inspect(path, at_least);
    }
    if at_least > 0 {
        return Err(DiskError::damaged(version, "the file is missing"));
    }
    if path.exists() {
        // Creating it was cut off, so it holds nothing, and the engine would stumble over the remains.
        fs::remove_dir_all(path).map_err(|e| DiskError::io("clear", path, e))?;
    }
    Ok(None)
}

fn open_database(path: &Path) -> fjall::Result<(Database, Keyspace)> {
    let database = Database::builder(path)
        .cache_size(CACHE_BYTES)
        .max_journaling_size(LOG_BYTES_MAX)
        .worker_threads(WORKERS)
        .open()?;
    let own = database.keyspace(OWN, options)?;
    Ok((database, own))
}

fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)
}

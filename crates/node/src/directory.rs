//! A node's directory: what lies where, which one is meant, and the lock that keeps a second node out.
//!
//! ```text
//! D/keystore.byway   seed phrase and identities, encrypted      D/rpc.token   opens the local API
//! D/passphrase       only where a program made the keystore     D/run.json    ports of the running node
//! D/network.json     the genesis file of its network            D/lock        held while it runs
//! D/config.toml      the configuration, where `join` made it
//! D/ports.json       ports chosen by the node itself            D/store/      ledger view, journals
//! D/member.json      a kernel node's public keys                D/log/        logs, if to a file
//! D/front.secret     lets through a relay's front              D/claims.json invites that were accepted
//! ```

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::files;

/// Names the directory where `--dir` is not given.
pub const DIR_VARIABLE: &str = "BYWAY_DIR";

/// A command that only looks whether a node runs holds the lock for an instant, so a start tries again a few times.
const LOCK_ATTEMPTS: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// The directory of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory(PathBuf);

/// Held while a node runs; ends with the process, however that ends.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

/// Where a running node listens: `run.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    pub pid: u32,
    /// `host:port` of the SOCKS proxy.
    pub proxy: String,
    /// `host:port` of the web page.
    pub web: String,
    /// `host:port` of the local API.
    pub rpc: String,
    pub token_file: PathBuf,
}

/// Why a directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error("another node runs in {0}; stop it first, or use another --dir")]
    Locked(PathBuf),
    #[error("{path} can't be used: {source}; check that it exists and who owns it")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} is damaged ({why}); delete it, it is made anew at the next start")]
    Damaged { path: PathBuf, why: String },
    #[error("your user's data folder is unknown (HOME is not set); say which directory to use with --dir")]
    NoHome,
}

impl Directory {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// The directory that a command without `--dir` means: `BYWAY_DIR`, else `…/byway` in the user's data folder.
    pub fn standard() -> Result<Self, DirectoryError> {
        if let Some(path) = variable(DIR_VARIABLE) {
            return Ok(Self::new(path));
        }
        data_folder().map(|folder| Self(folder.join("byway"))).ok_or(DirectoryError::NoHome)
    }

    /// The directory of `byway up` without `--dir`.
    pub fn standard_local() -> Result<Self, DirectoryError> {
        let Self(root) = Self::standard()?;
        // Whoever names a directory means exactly that one.
        Ok(Self(if variable(DIR_VARIABLE).is_some() { root } else { root.join("local") }))
    }

    /// The directory of the node that a command is about: `--dir`, else the standard one, else that of `byway up` where
    /// only that one has a node.
    pub fn of_running(dir: Option<&Path>) -> Result<Self, DirectoryError> {
        if let Some(dir) = dir {
            return Ok(Self::new(dir));
        }
        let (standard, local) = (Self::standard()?, Self::standard_local()?);
        Ok(Self::choose(standard, local))
    }

    /// The one that has a running node, else the one that has a keystore; `first` where neither or both have.
    fn choose(first: Self, second: Self) -> Self {
        let signs = [Self::run_file, Self::keystore_file];
        let found = signs.iter().find_map(|sign| match (sign(&first).exists(), sign(&second).exists()) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        });
        if found == Some(false) { second } else { first }
    }

    /// Makes the folder if need be, readable by its owner alone.
    pub fn create(&self) -> Result<(), DirectoryError> {
        files::create_private_folder(&self.0).map_err(|source| self.io(&self.0, source))
    }

    /// Keeps other nodes out until the lock is dropped.
    pub fn lock(&self) -> Result<DirectoryLock, DirectoryError> {
        for attempt in 1.. {
            match self.try_lock()? {
                Some(lock) => return Ok(lock),
                None if attempt < LOCK_ATTEMPTS => std::thread::sleep(LOCK_PAUSE),
                None => break,
            }
        }
        Err(DirectoryError::Locked(self.0.clone()))
    }

    /// Whether a node runs here right now.
    pub fn is_in_use(&self) -> Result<bool, DirectoryError> {
        Ok(self.lock_file().exists() && self.try_lock()?.is_none())
    }

    fn try_lock(&self) -> Result<Option<DirectoryLock>, DirectoryError> {
        let path = self.lock_file();
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|source| self.io(&path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(DirectoryLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(self.io(&path, source)),
        }
    }

    /// `None` where no node has written one, or the last one stopped cleanly.
    pub fn read_run_file(&self) -> Result<Option<RunFile>, DirectoryError> {
        read_json(&self.run_file())
    }

    pub fn write_run_file(&self, run: &RunFile) -> Result<(), DirectoryError> {
        write_json(&self.run_file(), run)
    }

    /// For a clean stop.
    pub fn remove_run_file(&self) -> Result<(), DirectoryError> {
        let path = self.run_file();
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(self.io(&path, source)),
            _ => Ok(()),
        }
    }

    pub fn root(&self) -> &Path {
        &self.0
    }

    pub fn keystore_file(&self) -> PathBuf {
        self.0.join("keystore.byway")
    }

    pub fn passphrase_file(&self) -> PathBuf {
        self.0.join("passphrase")
    }

    pub fn network_file(&self) -> PathBuf {
        self.0.join("network.json")
    }

    /// Invites that were accepted.
    pub fn claims_file(&self) -> PathBuf {
        self.0.join("claims.json")
    }

    /// The configuration that is meant where none is named.
    pub fn config_file(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    /// The directory of a kernel node's owner, where both are made in one place.
    pub fn owner(&self) -> Self {
        Self(self.0.join("owner"))
    }

    pub fn member_file(&self) -> PathBuf {
        self.0.join("member.json")
    }

    pub fn token_file(&self) -> PathBuf {
        self.0.join(crate::rpc::TOKEN_FILE)
    }

    pub fn front_secret_file(&self) -> PathBuf {
        self.0.join("front.secret")
    }

    pub fn run_file(&self) -> PathBuf {
        self.0.join("run.json")
    }

    pub fn ports_file(&self) -> PathBuf {
        self.0.join("ports.json")
    }

    pub fn store_folder(&self) -> PathBuf {
        self.0.join("store")
    }

    pub fn log_folder(&self) -> PathBuf {
        self.0.join("log")
    }

    fn lock_file(&self) -> PathBuf {
        self.0.join("lock")
    }

    fn io(&self, path: &Path, source: io::Error) -> DirectoryError {
        DirectoryError::Io { path: path.to_owned(), source }
    }
}

/// Reads a JSON file; `None` where there is none.
pub(crate) fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Option<T>, DirectoryError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(DirectoryError::Io { path: path.to_owned(), source }),
    };
    let damaged = |error: serde_json::Error| DirectoryError::Damaged { path: path.to_owned(), why: error.to_string() };
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

/// Writes a JSON file whole or not at all.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), DirectoryError> {
    let mut text = serde_json::to_string_pretty(value).expect("our own files have string keys");
    text.push('\n');
    files::write_atomic(path, text.as_bytes()).map_err(|source| DirectoryError::Io { path: path.to_owned(), source })
}

/// An environment variable that is set to something.
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[cfg(target_os = "macos")]
fn data_folder() -> Option<PathBuf> {
    variable("HOME").map(|home| home.join("Library/Application Support"))
}

#[cfg(windows)]
fn data_folder() -> Option<PathBuf> {
    variable("APPDATA")
}

#[cfg(not(any(target_os = "macos", windows)))]
fn data_folder() -> Option<PathBuf> {
    // The XDG rules tell to ignore a path that is not absolute.
    variable("XDG_DATA_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| variable("HOME").map(|home| home.join(".local/share")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_node_per_directory() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::new(folder.path());
        assert!(!directory.is_in_use().unwrap());
        let lock = directory.lock().unwrap();
        assert!(directory.is_in_use().unwrap());
        let refusal = directory.lock().unwrap_err();
        assert!(matches!(refusal, DirectoryError::Locked(_)), "{refusal}");
        drop(lock);
        assert!(directory.lock().is_ok());
    }

    #[test]
    fn a_command_means_the_directory_that_has_a_node() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (Directory::new(folder.path().join("a")), Directory::new(folder.path().join("b")));
        let chosen = || Directory::choose(first.clone(), second.clone());
        first.create().unwrap();
        second.create().unwrap();
        assert_eq!(chosen(), first);
        std::fs::write(second.keystore_file(), "").unwrap();
        assert_eq!(chosen(), second);
        std::fs::write(first.keystore_file(), "").unwrap();
        assert_eq!(chosen(), first);
        std::fs::write(second.run_file(), "").unwrap();
        assert_eq!(chosen(), second);
    }

    #[test]
    fn a_run_file_comes_back_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::new(folder.path());
        assert_eq!(directory.read_run_file().unwrap(), None);
        let run = RunFile {
            pid: 7,
            proxy: "127.0.0.1:1080".into(),
            web: "127.0.0.1:7070".into(),
            rpc: "127.0.0.1:7071".into(),
            token_file: directory.token_file(),
        };
        directory.write_run_file(&run).unwrap();
        assert_eq!(directory.read_run_file().unwrap(), Some(run));
        std::fs::write(directory.run_file(), "{").unwrap();
        assert!(matches!(directory.read_run_file(), Err(DirectoryError::Damaged { .. })));
        directory.remove_run_file().unwrap();
        directory.remove_run_file().unwrap();
    }
}

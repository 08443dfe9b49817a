//! One process per directory.
//!
//! The lock is the operating system's, on an open file: it goes away with the process however that ends, so a stale
//! lock can't exist. The file also holds the process id, only for the message that someone else gets.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::DiskError;

const LOCK_FILE: &str = "lock";
const WAIT_MAX: Duration = Duration::from_secs(2);
const WAIT_STEP: Duration = Duration::from_millis(50);

/// Holds a directory until dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the directory, which must exist, or says which process has it. Waits for two seconds if one has: one that was
    /// just killed holds it until its last write to the disk returns, and a program that this process starts has all of this
    /// process's files until it runs.
    pub fn acquire(directory: &Path) -> Result<Self, DiskError> {
        let path = directory.join(LOCK_FILE);
        let failed = |e| DiskError::io("lock", &path, e);
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(failed)?;
        let give_up = Instant::now() + WAIT_MAX;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    let pid = read_pid(&mut file);
                    if Instant::now() >= give_up {
                        return Err(DiskError::Locked { directory: directory.to_owned(), pid });
                    }
                    thread::sleep(WAIT_STEP);
                }
                Err(TryLockError::Error(e)) => return Err(failed(e)),
            }
        }
        let written = file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0)));
        written.and_then(|_| writeln!(file, "{}", std::process::id())).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// The holder's process id, if it can be read (not where locks are mandatory).
fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

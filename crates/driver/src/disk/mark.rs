//! How far the log must reach at least.
//!
//! The engine takes a damaged end of its log for a write that was cut off by a crash, and drops it. So the number of the
//! last durable group is noted here, after its fsync and without one of its own: a killed process leaves the exact
//! number, a power cut one that may be older, and either is a lower bound. A log that ends below it is damaged.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use byway_primitives::hash::Context;

use super::DiskError;

const MARK_FILE: &str = "mark";
const MARK: Context = Context("byway 1 disk: mark");
/// The number and its digest; small enough that a disk writes it whole or not at all.
const MARK_LENGTH: usize = 8 + 32;

pub(super) struct Mark {
    file: File,
    path: PathBuf,
}

impl Mark {
    pub(super) fn create(directory: &Path) -> Result<Self, DiskError> {
        let path = directory.join(MARK_FILE);
        let file = File::create(&path).map_err(|e| DiskError::io("create", &path, e))?;
        let mut mark = Self { file, path };
        mark.set(0)?;
        mark.sync()?;
        Ok(mark)
    }

    /// The mark of an existing disk, and what it says.
    pub(super) fn open(directory: &Path) -> Result<(Self, u64), DiskError> {
        let path = directory.join(MARK_FILE);
        let mut bytes = Vec::new();
        let file = OpenOptions::new().read(true).write(true).open(&path).and_then(|mut file| {
            (&mut file).take(MARK_LENGTH as u64 + 1).read_to_end(&mut bytes)?;
            Ok(file)
        });
        let file = match file {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(DiskError::damaged(path, "the file is missing although the store is there"));
            }
            Err(e) => return Err(DiskError::io("read", &path, e)),
        };
        let Some((number, _)) = bytes.split_first_chunk::<8>().filter(|(number, _)| encoded(**number) == bytes[..])
        else {
            return Err(DiskError::damaged(path, "its checksum does not match"));
        };
        let number = u64::from_le_bytes(*number);
        Ok((Self { file, path }, number))
    }

    pub(super) fn set(&mut self, group: u64) -> Result<(), DiskError> {
        let bytes = encoded(group.to_le_bytes());
        let written = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.write_all(&bytes));
        written.map_err(|e| DiskError::io("write", &self.path, e))
    }

    pub(super) fn sync(&mut self) -> Result<(), DiskError> {
        self.file.sync_all().map_err(|e| DiskError::io("sync", &self.path, e))
    }
}

fn encoded(number: [u8; 8]) -> [u8; MARK_LENGTH] {
    let mut bytes = [0; MARK_LENGTH];
    bytes[..8].copy_from_slice(&number);
    bytes[8..].copy_from_slice(&MARK.hash(&[&number]).0);
    bytes
}

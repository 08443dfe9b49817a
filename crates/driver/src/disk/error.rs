//! What can go wrong with storage, told to a person.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why storage can't be opened, read or written. Cheap to clone: everyone who waits for a write gets a copy.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DiskError {
    #[error("{} is in use by {}; stop that process, or choose another folder", directory.display(), holder(*pid))]
    Locked { directory: PathBuf, pid: Option<u32> },

    #[error("{}: the format is \"{found}\", this program knows \"{known}\"; use the version that wrote it", file.display())]
    Format { file: PathBuf, found: String, known: &'static str },

    #[error(
        "{place} is damaged: {reason}; before you put a backup or an empty folder in its place, read \
         what that loses in docs/guide/several-machines.md (\"One key, one disk\", \"Backups\")"
    )]
    Damaged { place: String, reason: String },

    #[error(
        "{place} is sealed with another key; use the keystore that it was made with (`keystore` beside it, or your backup of it)"
    )]
    WrongKey { place: String },

    #[error("there is no room left to write at {place} ({reason}); free some space and start again")]
    Full { place: String, reason: String },

    #[error("can't {what} {place}: {source}")]
    Io { what: &'static str, place: String, source: Arc<io::Error> },

    #[error("storage at {place} failed: {reason}")]
    Engine { place: String, reason: String },

    #[error("storage has stopped, because: {cause}")]
    Stopped { cause: Arc<DiskError> },

    #[error("the part \"{name}\" of the disk is already in use")]
    JournalTaken { name: String },

    #[error("\"{name}\" can't name a part of the disk: 1 to 64 letters, digits, - _ . are needed")]
    JournalName { name: String },
}

impl DiskError {
    pub(super) fn damaged(place: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Damaged { place: place.as_ref().display().to_string(), reason: reason.into() }
    }

    /// An error of the operating system; a lack of space is told apart.
    pub(super) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        let place = path.display().to_string();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::Full { place, reason: source.to_string() }
            }
            _ => Self::Io { what, place, source: Arc::new(source) },
        }
    }

    /// An error of the engine, met at `place`.
    pub(super) fn engine(place: impl AsRef<Path>, error: fjall::Error) -> Self {
        use fjall::{Error, LsmError};
        let path = place.as_ref();
        let place = path.display().to_string();
        match error {
            Error::Io(e) | Error::Storage(LsmError::Io(e)) => match e.kind() {
                // A file that ends too early, or is gone, is one that someone else has changed.
                ErrorKind::UnexpectedEof | ErrorKind::NotFound | ErrorKind::InvalidData => {
                    Self::Damaged { place, reason: e.to_string() }
                }
                _ => Self::io("use", path, e),
            },
            Error::Poisoned => Self::Engine {
                place,
                reason: "an earlier write in the background failed; is the disk full or failing?".to_owned(),
            },
            Error::Locked => Self::Locked { directory: path.to_owned(), pid: None },
            Error::Storage(_)
            | Error::JournalRecovery(_)
            | Error::InvalidVersion(_)
            | Error::Decompress(_)
            | Error::InvalidTrailer
            | Error::InvalidTag(_)
            | Error::Unrecoverable => Self::Damaged { place, reason: error.to_string() },
            error => Self::Engine { place, reason: error.to_string() },
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_space_is_told_apart_wherever_it_comes_from() {
        let place = Path::new("d");
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge] {
            for error in [
                DiskError::io("write", place, kind.into()),
                DiskError::engine(place, fjall::Error::Io(kind.into())),
                DiskError::engine(place, fjall::Error::Storage(fjall::LsmError::Io(kind.into()))),
            ] {
                assert!(matches!(error, DiskError::Full { .. }), "{kind}: {error}");
            }
        }
        let other = DiskError::io("write", place, ErrorKind::PermissionDenied.into());
        assert!(matches!(other, DiskError::Io { .. }), "{other}");
    }

    #[test]
    fn messages_name_the_place_and_the_remedy() {
        let locked = DiskError::Locked { directory: "/x/y".into(), pid: Some(42) };
        assert_eq!(locked.to_string(), "/x/y is in use by process 42; stop that process, or choose another folder");
    }
}

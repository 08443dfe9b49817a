//! Writing small files so that a crash leaves the old content or the new, never half of it.

#[cfg(any(windows, test))]
mod rights;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Replaces `path` by `content`: temporary file beside it, fsync, rename, fsync of the folder.
pub fn write_atomic(path: &Path, content: &[u8]) -> io::Result<()> {
    let (temporary, folder) = begin(path)?;
    let temporary = fill(temporary, content)?;
    temporary.persist(path)?;
    sync_folder(folder)
}

/// As [`write_atomic`], readable by the owner alone.
pub fn write_secret(path: &Path, content: &[u8]) -> io::Result<()> {
    let (temporary, folder) = begin(path)?;
    keep_to_owner(temporary.path())?;
    let temporary = fill(temporary, content)?;
    temporary.persist(path)?;
    sync_folder(folder)
}

/// As [`write_secret`], but fails with `AlreadyExists` where there is such a file.
pub fn create_secret(path: &Path, content: &[u8]) -> io::Result<()> {
    let (temporary, folder) = begin(path)?;
    keep_to_owner(temporary.path())?;
    let temporary = fill(temporary, content)?;
    temporary.persist_noclobber(path)?;
    sync_folder(folder)
}

/// Makes a folder that only its owner can enter; one that is there is left as it is.
#[cfg(not(windows))]
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Makes a folder that only its owner can enter; one that is there is left as it is.
#[cfg(windows)]
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        create_private_folder(above)?;
    }
    match fs::create_dir(path) {
        // Somebody else was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        made => made?,
    }
    rights::restrict(path, rights::Kind::Folder).inspect_err(|_| {
        // Nothing is in it yet, and it is not to be taken for a private one the next time.
        let _ = fs::remove_dir(path);
    })
}

/// A temporary file beside `path`, and the folder of both.
fn begin(path: &Path) -> io::Result<(tempfile::NamedTempFile, &Path)> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    Ok((tempfile::Builder::new().prefix(".writing-").tempfile_in(folder)?, folder))
}

fn fill(mut temporary: tempfile::NamedTempFile, content: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    temporary.write_all(content)?;
    temporary.as_file().sync_all()?;
    Ok(temporary)
}

/// Keeps others from a temporary file that is still empty; renaming it changes nothing about that.
#[cfg(windows)]
fn keep_to_owner(path: &Path) -> io::Result<()> {
    rights::restrict(path, rights::Kind::File)
}

/// A temporary file has mode 0600 already.
#[cfg(not(windows))]
fn keep_to_owner(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes a rename durable. Windows can't open a folder and makes renames durable by itself.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Bytes that are left on the disk of a folder; `None` where nobody says.
#[cfg(unix)]
pub(crate) fn disk_free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

#[cfg(not(unix))]
pub(crate) fn disk_free(_: &Path) -> Option<u64> {
    None
}

//! Writing small files so that a crash leaves the old content or the new, never half of it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Replaces `path` by `content`: temporary file beside it, fsync, rename, fsync of the folder.
pub fn write_atomic(path: &Path, content: &[u8]) -> io::Result<()> {
    let (temporary, folder) = prepare(path, content)?;
    temporary.persist(path)?;
    sync_folder(folder)
}

/// As [`write_atomic`], readable by the owner alone.
pub fn write_secret(path: &Path, content: &[u8]) -> io::Result<()> {
    // A temporary file has mode 0600 already, and the rename keeps it.
    write_atomic(path, content)
}

/// As [`write_secret`], but fails with `AlreadyExists` where there is such a file.
pub fn create_secret(path: &Path, content: &[u8]) -> io::Result<()> {
    let (temporary, folder) = prepare(path, content)?;
    temporary.persist_noclobber(path)?;
    sync_folder(folder)
}

/// Makes a folder that only its owner can enter; one that is there is left as it is.
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

fn prepare<'a>(path: &'a Path, content: &[u8]) -> io::Result<(tempfile::NamedTempFile, &'a Path)> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut temporary = tempfile::Builder::new().prefix(".writing-").tempfile_in(folder)?;
    temporary.write_all(content)?;
    temporary.as_file().sync_all()?;
    Ok((temporary, folder))
}

/// Makes a rename durable. Windows can't open a folder and makes renames durable by itself.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

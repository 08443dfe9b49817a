//! What this node's user attaches: it comes in parts, is sealed as it comes, and never lies on the disk in the clear.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use byway_chat::attachment::FilePlace;
use byway_chat::attachment::seal::Sealer;
use byway_chat::attachment::tree::Naming;
use byway_chat::content::files::HEAD_BYTES;
use byway_chat::content::post::AttachmentKey;
use byway_primitives::Hash;

use super::{FileError, FileStore};

/// Files that are being sealed at one time.
const UPLOADS_MAX: usize = 32;

/// One that is being sealed.
pub(super) struct Upload {
    path: PathBuf,
    file: File,
    sealer: Sealer,
    naming: Naming,
    sealed_bytes: u64,
    head: Vec<u8>,
    turn: u64,
}

/// One that is sealed and has its place.
#[derive(Debug, Clone)]
pub struct Uploaded {
    /// Bytes of it, sealed.
    pub size: u64,
    pub root: Hash,
    pub key: AttachmentKey,
    /// Its first bytes, from which it is seen what it is.
    pub head: Vec<u8>,
}

impl FileStore {
    /// Takes the part of an upload that begins at byte `at`, and says how many bytes there are now. One that begins at 0 begins anew;
    /// a part that is there already is not written twice. `key` seals it, where it begins.
    ///
    /// # Errors
    /// [`FileError::Gap`] where another part is next, [`FileError::TooLarge`], [`FileError::Full`], [`FileError::Disk`].
    pub fn write_upload(
        &self,
        name: &str,
        at: u64,
        bytes: &[u8],
        key: impl FnOnce() -> AttachmentKey,
    ) -> Result<u64, FileError> {
        let known = self.state().uploads.remove(name);
        let mut upload = match known {
            Some(upload) if at > 0 => upload,
            other => {
                self.drop_upload(other);
                if at > 0 {
                    return Err(FileError::Gap(0));
                }
                self.begin_upload(key())?
            }
        };
        let size = upload.sealer.size();
        let is_known = at + bytes.len() as u64 <= size;
        let written = match at == size {
            true => self.push(&mut upload, bytes),
            false if is_known => Ok(()),
            false => Err(FileError::Gap(size)),
        };
        match written {
            Ok(()) | Err(FileError::Gap(_)) => {
                let size = upload.sealer.size();
                self.keep_upload(name, upload);
                written.map(|()| size)
            }
            Err(error) => {
                self.drop_upload(Some(upload));
                Err(error)
            }
        }
    }

    /// Ends an upload, and gives what a message has to say of it. It is on the disk when this returns.
    ///
    /// # Errors
    /// [`FileError::NotHere`] where there is none of that name, [`FileError::Full`], [`FileError::Disk`].
    pub fn finish_upload(&self, name: &str) -> Result<Uploaded, FileError> {
        let known = self.state().uploads.remove(name);
        let mut upload = known.ok_or(FileError::NotHere)?;
        let done = self.finish(&mut upload);
        if done.is_err() {
            self.drop_upload(Some(upload));
        }
        done
    }

    fn finish(&self, upload: &mut Upload) -> Result<Uploaded, FileError> {
        let key = upload.sealer.key().clone();
        let sealer = std::mem::replace(&mut upload.sealer, Sealer::new(key.clone()));
        let end = sealer.finish();
        self.append(upload, &end)?;
        let naming = std::mem::take(&mut upload.naming);
        let (root, groups) = naming.finish().expect("what is sealed is never empty, and was never too large");
        self.put(FilePlace::new(&root, upload.sealed_bytes, &key), &upload.file, &upload.path, &groups)?;
        Ok(Uploaded { size: upload.sealed_bytes, root, key, head: std::mem::take(&mut upload.head) })
    }

    fn begin_upload(&self, key: AttachmentKey) -> Result<Upload, FileError> {
        let turn = self.next_turn();
        let path = self.upload_path(turn);
        let file = File::create(&path)?;
        let (sealer, naming) = (Sealer::new(key), Naming::default());
        Ok(Upload { path, file, sealer, naming, sealed_bytes: 0, head: Vec::new(), turn })
    }

    fn push(&self, upload: &mut Upload, bytes: &[u8]) -> Result<(), FileError> {
        let missing = HEAD_BYTES.saturating_sub(upload.head.len()).min(bytes.len());
        upload.head.extend_from_slice(&bytes[..missing]);
        let sealed = upload.sealer.push(bytes)?;
        self.append(upload, &sealed)
    }

    fn append(&self, upload: &mut Upload, sealed: &[u8]) -> Result<(), FileError> {
        self.reserve(sealed.len() as u64)?;
        upload.sealed_bytes += sealed.len() as u64;
        upload.naming.push(sealed);
        Ok(upload.file.write_all(sealed)?)
    }

    fn next_turn(&self) -> u64 {
        let mut state = self.state();
        state.turns += 1;
        state.turns
    }

    fn keep_upload(&self, name: &str, mut upload: Upload) {
        upload.turn = self.next_turn();
        let mut state = self.state();
        state.uploads.insert(name.to_owned(), upload);
        let oldest = state.uploads.iter().min_by_key(|(_, upload)| upload.turn).map(|(name, _)| name.clone());
        let surplus = oldest.filter(|_| state.uploads.len() > UPLOADS_MAX).and_then(|name| state.uploads.remove(&name));
        drop(state);
        self.drop_upload(surplus);
    }

    fn drop_upload(&self, upload: Option<Upload>) {
        if let Some(upload) = upload {
            self.release(upload.sealed_bytes);
            // What stays is removed at the next start.
            let _ = fs::remove_file(&upload.path);
        }
    }
}

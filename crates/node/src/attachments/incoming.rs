//! A file that is being fetched: what was checked of it lies on the disk, and after a cut or a crash it goes on from there.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};

use byway_chat::attachment::FilePlace;
use byway_chat::attachment::tree::{GROUP_BYTES, Groups, Untrue, values_of};
use byway_chat::content::post::Attachment;

use super::store::PART;
use super::{FileError, FileStore};

/// One that is being fetched. Room for all of it is kept for as long as this is there.
pub struct Incoming {
    store: FileStore,
    attachment: Attachment,
    place: FilePlace,
    file: File,
    /// None before they were given.
    groups: Option<Groups>,
    /// The next group, by its number.
    next: u32,
    /// Bytes of it that are on the disk.
    length: u64,
    is_done: bool,
}

impl Incoming {
    /// Takes up what is here of a file, as far as it is what it should be.
    ///
    /// # Errors
    /// [`FileError::Untrue`] where there is no file of that size, [`FileError::Full`], [`FileError::Disk`].
    pub fn open(store: &FileStore, attachment: &Attachment) -> Result<Self, FileError> {
        let place = FilePlace::of(attachment);
        let path = store.path(place, PART);
        let before = fs::metadata(&path).map_or(0, |data| data.len());
        store.reserve(attachment.size.saturating_sub(before))?;
        let mut incoming = match OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path) {
            Ok(file) => Self {
                store: store.clone(),
                attachment: attachment.clone(),
                place,
                file,
                groups: None,
                next: 0,
                length: before,
                is_done: false,
            },
            Err(error) => {
                store.release(attachment.size.saturating_sub(before));
                return Err(error.into());
            }
        };
        // Groups that nobody has given yet, or whose values were lost, are asked for anew.
        if values_of(attachment.size) > 0 && before > 0 {
            incoming.groups = store.groups(attachment).ok();
        }
        incoming.check_prefix()?;
        Ok(incoming)
    }

    /// The file once more, to be synced while it is written.
    pub fn handle(&self) -> std::io::Result<File> {
        self.file.try_clone()
    }

    /// The first group that is not here.
    pub fn next(&self) -> u32 {
        self.next
    }

    /// Bytes that are here.
    pub fn fetched(&self) -> u64 {
        self.length
    }

    /// Bytes of the values of groups, which come first.
    pub fn values_bytes(&self) -> usize {
        values_of(self.attachment.size) * byway_chat::attachment::tree::VALUE_BYTES
    }

    /// The values came.
    ///
    /// # Errors
    /// [`FileError::Untrue`], [`FileError::Full`], [`FileError::Disk`].
    pub fn take_values(&mut self, values: &[u8]) -> Result<(), FileError> {
        let groups = Groups::from_bytes(self.attachment.root, self.attachment.size, values)?;
        self.store.put_groups(self.place, &groups)?;
        self.groups = Some(groups);
        Ok(())
    }

    /// Whether all groups are here.
    pub fn is_whole(&self) -> bool {
        self.groups.as_ref().is_some_and(|groups| self.next == groups.count())
    }

    /// Bytes of each group that is not here, in order.
    pub fn missing(&self) -> Vec<usize> {
        let groups = self.groups.iter();
        groups.flat_map(|groups| (self.next..groups.count()).map(|group| groups.bytes_of(group))).collect()
    }

    /// The next group came.
    ///
    /// # Errors
    /// [`FileError::Untrue`] where it is not that of the file, and nothing of it is kept; [`FileError::Disk`].
    pub fn take_group(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let groups = self.groups.as_ref().ok_or(Untrue::Values)?;
        groups.check(self.next, bytes)?;
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        self.next += 1;
        Ok(())
    }

    /// All groups are here: the file takes its place.
    ///
    /// # Errors
    /// [`FileError::Disk`].
    pub fn finish(mut self) -> Result<(), FileError> {
        let groups = self.groups.clone().filter(|_| self.is_whole()).ok_or(Untrue::Values)?;
        self.store.put(self.place, &self.file, &self.store.path(self.place, PART), &groups)?;
        self.is_done = true;
        Ok(())
    }

    /// Keeps what is here as far as it is what it should be: what was written last before a crash may be half there.
    fn check_prefix(&mut self) -> Result<(), FileError> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut bytes = Vec::with_capacity(GROUP_BYTES);
        while let Some(groups) = &self.groups
            && self.next < groups.count()
        {
            bytes.clear();
            (&self.file).take(groups.bytes_of(self.next) as u64).read_to_end(&mut bytes)?;
            if groups.check(self.next, &bytes).is_err() {
                break;
            }
            self.next += 1;
        }
        let kept = (u64::from(self.next) * GROUP_BYTES as u64).min(self.attachment.size);
        self.file.set_len(kept)?;
        self.file.seek(SeekFrom::Start(kept))?;
        // The room for it was counted as taken, and is kept for what comes in its place.
        if self.length > self.attachment.size {
            self.store.release(self.length - self.attachment.size);
        }
        self.length = kept;
        Ok(())
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.is_done {
            self.store.release(self.attachment.size.saturating_sub(self.length));
        }
    }
}

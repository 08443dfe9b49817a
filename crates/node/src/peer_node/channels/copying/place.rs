//! The place itself: a file for each channel, looked at, read and written one at a time.
//!
//! **Nothing is written over that was not read.** A share or a disk may be mounted only after the start, above a folder that was empty by then; a folder may
//! be put back, or another node may write there. So of each file it is remembered what this life has read or written last, and what is something else by now
//! is read first.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use byway_channel::{ChannelCopy, CopyMark};
use byway_crypto::CopyKey;
use byway_crypto::copy::{COPY_BYTES_MAX, COPY_FILE_BYTES_MAX, CopySealError};
use byway_driver::entropy;
use byway_primitives::Span;
use byway_primitives::codec::{DecodeError, decode_exact};
use byway_records::promise::ChannelId;

use crate::files;

/// At the end of a file.
const CHECKSUM_BYTES: u64 = 32;

/// The folder, and what this life has seen there.
pub(super) struct Place {
    key: CopyKey,
    folder: PathBuf,
    /// Each file as it was last, none where there was none. Locked as long as something is done: one file at a time.
    seen: Mutex<Seen>,
}

type Seen = BTreeMap<ChannelId, Option<Stamp>>;

/// Tells a file from another that was put in its place: its length, and the checksum at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp(u64, Vec<u8>);

/// What is to be done with one file.
pub(super) enum Job {
    Read,
    Write(CopyMark, Box<ChannelCopy>),
    /// Whether it is still the one that this life has seen.
    Look,
    Remove,
}

/// What has become of one file.
pub(in super::super::super) enum CopyDone {
    /// None where there is no such file.
    Read(Result<Option<Box<ChannelCopy>>, ReadFailed>),
    /// How many states there was no room for.
    Written(CopyMark, Result<usize, WriteFailed>),
    Looked(Result<(), WriteFailed>),
    Removed,
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub(in super::super::super) enum ReadFailed {
    #[error("{0}")]
    Place(String),
    /// It may be of use to another version.
    #[error("{0}; start the version that wrote it, or remove the file")]
    Version(String),
    #[error("{0}")]
    Content(String),
}

/// Why nothing was written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in super::super::super) enum WriteFailed {
    #[error("{0}; check that the folder of `channels.copies` exists, is mounted and has room")]
    Place(String),
    /// Of this channel alone.
    #[error("what its contracts have stored is more than the {} MiB that a copy holds", COPY_BYTES_MAX >> 20)]
    TooLong,
    /// Another file is there than this life has seen: it is to be read first.
    #[error("somebody else has put a file there")]
    Changed,
}

impl Stamp {
    fn of(file: &mut File) -> io::Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(CHECKSUM_BYTES)))?;
        let mut checksum = Vec::new();
        file.take(CHECKSUM_BYTES).read_to_end(&mut checksum)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Self(length, checksum))
    }
}

impl Place {
    pub fn new(key: CopyKey, folder: PathBuf) -> Arc<Self> {
        Arc::new(Self { key, folder, seen: Mutex::default() })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn file(&self, channel: ChannelId) -> PathBuf {
        self.folder.join(format!("{}.copy", self.key.name(&channel.0.0)))
    }

    /// Does it once all before is done.
    pub fn do_job(&self, channel: ChannelId, job: Job) -> CopyDone {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match job {
            Job::Read => CopyDone::Read(self.read(&mut seen, channel)),
            Job::Write(mark, copy) => CopyDone::Written(mark, self.write(&mut seen, channel, &copy)),
            Job::Look => CopyDone::Looked(self.look(&seen, channel)),
            Job::Remove => {
                // Whoever finds it later takes it for what it is: a copy of a channel that is over.
                let _ = fs::remove_file(self.file(channel));
                seen.remove(&channel);
                CopyDone::Removed
            }
        }
    }

    /// The same, waited for so long at the most; none where it takes longer.
    pub fn do_within(self: &Arc<Self>, channel: ChannelId, job: Job, wait: Span) -> Option<CopyDone> {
        let (tell, told) = mpsc::sync_channel(1);
        let place = self.clone();
        // Nobody listens any more where it has taken too long.
        thread::spawn(move || drop(tell.send(place.do_job(channel, job))));
        told.recv_timeout(Duration::from_millis(wait.0)).ok()
    }

    /// The file, and none where there is none.
    fn open(&self, channel: ChannelId) -> io::Result<Option<(File, Stamp)>> {
        match File::open(self.file(channel)) {
            Ok(mut file) => Stamp::of(&mut file).map(|stamp| Some((file, stamp))),
            // Where the folder itself is missing the place is not there: perhaps it is not mounted.
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::metadata(&self.folder).map(|_| None),
            Err(error) => Err(error),
        }
    }

    fn look(&self, seen: &Seen, channel: ChannelId) -> Result<(), WriteFailed> {
        let there = self.open(channel).map_err(|error| WriteFailed::Place(error.to_string()))?;
        let is_same = seen.get(&channel) == Some(&there.map(|(_, stamp)| stamp));
        if is_same { Ok(()) } else { Err(WriteFailed::Changed) }
    }

    fn write(&self, seen: &mut Seen, channel: ChannelId, copy: &ChannelCopy) -> Result<usize, WriteFailed> {
        self.look(seen, channel)?;
        let (first, second) = (entropy::seed(), entropy::number());
        let mut nonce = [0; 24];
        nonce[..16].copy_from_slice(&first[..16]);
        nonce[16..].copy_from_slice(&second.to_le_bytes());
        let (bytes, left_out) = copy.to_bytes_within(COPY_BYTES_MAX).ok_or(WriteFailed::TooLong)?;
        let sealed = self.key.seal(&bytes, nonce).map_err(|_| WriteFailed::TooLong)?;
        files::write_secret(&self.file(channel), &sealed).map_err(|error| WriteFailed::Place(error.to_string()))?;
        let checksum = sealed[sealed.len().saturating_sub(CHECKSUM_BYTES as usize)..].to_vec();
        seen.insert(channel, Some(Stamp(sealed.len() as u64, checksum)));
        Ok(left_out)
    }

    fn read(&self, seen: &mut Seen, channel: ChannelId) -> Result<Option<Box<ChannelCopy>>, ReadFailed> {
        let place = |error: io::Error| {
            ReadFailed::Place(format!("{error}; check that the folder of `channels.copies` exists and can be read"))
        };
        let Some((file, stamp)) = self.open(channel).map_err(place)? else {
            seen.insert(channel, None);
            return Ok(None);
        };
        let mut sealed = Vec::new();
        // One byte more than may be there, so that a longer file is seen to be one.
        file.take(COPY_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut sealed).map_err(place)?;
        seen.insert(channel, Some(stamp));
        let bytes = self.key.open(&sealed).map_err(|error| match error {
            CopySealError::Version(_) => ReadFailed::Version(error.to_string()),
            _ => ReadFailed::Content(error.to_string()),
        })?;
        let copy: ChannelCopy = decode_exact(&bytes).map_err(|error| match error {
            DecodeError::UnknownVariant { kind: ChannelCopy::VERSION_KIND, .. } => {
                ReadFailed::Version(error.to_string())
            }
            _ => ReadFailed::Content(error.to_string()),
        })?;
        Ok(Some(Box::new(copy)))
    }
}

#[cfg(test)]
mod tests {
    use byway_crypto::phrase::Phrase;
    use byway_primitives::{Hash, NetworkId};
    use byway_vm::State;

    use super::*;

    const CHANNEL: ChannelId = ChannelId(Hash([3; 32]));

    fn place(folder: &Path) -> Arc<Place> {
        let phrase = Phrase::from_entropy(&[5; 32]).seed();
        Place::new(phrase.copy_key(), folder.to_owned())
    }

    fn copy() -> ChannelCopy {
        let (network, states) = (NetworkId(Hash([1; 32])), vec![State::default()]);
        ChannelCopy { network, channel: CHANNEL, agreed: None, states }
    }

    fn read(place: &Place) -> Result<Option<Box<ChannelCopy>>, ReadFailed> {
        place.read(&mut place.seen.lock().unwrap(), CHANNEL)
    }

    fn write(place: &Place) -> Result<usize, WriteFailed> {
        place.write(&mut place.seen.lock().unwrap(), CHANNEL, &copy())
    }

    fn look(place: &Place) -> Result<(), WriteFailed> {
        place.look(&place.seen.lock().unwrap(), CHANNEL)
    }

    /// Of a life before, or another node: the place was mounted above this folder after the first look, or put back.
    #[test]
    fn a_file_that_this_life_has_not_seen_is_not_written_over_before_it_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, others) = (place(folder.path()), place(folder.path()));
        assert!(matches!(write(&ours), Err(WriteFailed::Changed)), "nothing is written before it was looked at");
        assert!(read(&ours).unwrap().is_none());
        assert!(read(&others).unwrap().is_none());
        write(&others).unwrap();
        let theirs = fs::read(others.file(CHANNEL)).unwrap();
        assert_eq!((look(&ours), write(&ours)), (Err(WriteFailed::Changed), Err(WriteFailed::Changed)));
        assert_eq!(fs::read(ours.file(CHANNEL)).unwrap(), theirs);
        assert!(read(&ours).unwrap().is_some());
        assert_eq!((look(&ours), write(&ours)), (Ok(()), Ok(0)));
        assert_eq!((look(&ours), write(&ours)), (Ok(()), Ok(0)), "what it has written itself it knows");
        assert_eq!(write(&others), Err(WriteFailed::Changed));
    }

    #[test]
    fn a_file_or_a_folder_that_is_gone_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let ours = place(&folder.path().join("mounted"));
        assert!(matches!(read(&ours), Err(ReadFailed::Place(_))));
        fs::create_dir(ours.folder()).unwrap();
        assert!(read(&ours).unwrap().is_none());
        write(&ours).unwrap();
        fs::remove_file(ours.file(CHANNEL)).unwrap();
        assert_eq!(look(&ours), Err(WriteFailed::Changed));
        assert!(read(&ours).unwrap().is_none());
        write(&ours).unwrap();
        fs::remove_dir_all(ours.folder()).unwrap();
        assert!(matches!(look(&ours), Err(WriteFailed::Place(_))));
        assert!(matches!(write(&ours), Err(WriteFailed::Place(_))));
    }

    #[test]
    fn what_another_version_wrote_is_told_from_what_is_of_no_use() {
        let folder = tempfile::tempdir().unwrap();
        let ours = place(folder.path());
        let mut other = copy_bytes();
        other[0] = 200;
        fs::write(ours.file(CHANNEL), ours.key.seal(&other, [1; 24]).unwrap()).unwrap();
        assert!(matches!(read(&ours), Err(ReadFailed::Version(_))));
        fs::write(ours.file(CHANNEL), b"short").unwrap();
        assert!(matches!(read(&ours), Err(ReadFailed::Content(_))));
        assert_eq!(write(&ours), Ok(0), "nobody can use what was there");
    }

    fn copy_bytes() -> Vec<u8> {
        copy().to_bytes_within(COPY_BYTES_MAX).unwrap().0
    }

    /// What is being done does not come to an end, as where a share does not answer.
    #[test]
    fn a_place_that_hangs_is_not_waited_for_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let ours = place(folder.path());
        let hangs = ours.seen.lock().unwrap();
        assert!(ours.do_within(CHANNEL, Job::Read, Span::millis(1)).is_none());
        drop(hangs);
        assert!(matches!(ours.do_within(CHANNEL, Job::Read, Span::minutes(1)), Some(CopyDone::Read(Ok(None)))));
    }
}

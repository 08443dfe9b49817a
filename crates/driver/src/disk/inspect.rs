//! Reads the engine's log before the engine does.
//!
//! **Why.** The engine (fjall 3) takes the first thing in its log that it can't parse for a write cut off by a crash,
//! and truncates the file there; a flipped bit in a length would so erase durable groups without a word. Its checksum
//! also leaves the sequence number of a batch uncovered, and makes it refuse a log whose last batch reached the disk
//! only in parts, which is what a power cut leaves.
//!
//! **How.** Every group of ours is one batch of that log and ends with a *seal*: an item that holds the group's number
//! and a digest of the number and of all items before it. The log is sound as far as batches are well formed, seals
//! match, group numbers follow each other and sequence numbers rise. Where that ends in the newest file, what follows
//! is an unfinished write if the [`mark`](super::mark) doesn't promise more groups, and is cut off here; otherwise, and
//! in any older file, it is damage, and nothing is touched.
//!
//! **What not.** Tables are not read here: their blocks are checked by the engine whenever they are read.
//!
//! Format (little endian): `1 count:u32 sequence:u64`, then `count` items
//! `2 kind:u8 compression:u8 keyspace:u64 key_length:u16 length:u32 stored_length:u32 key value`, then
//! `3 checksum:u64 "FJL" 3`. After the last batch a file is filled with zeros.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use byway_primitives::hash::Context;
use byway_primitives::{DecodeError, Reader};

use super::DiskError;

/// The key of the seal, which is the last item of each group.
pub(super) const SEAL_KEY: &[u8] = b"group";
/// A group's number and its digest.
pub(super) const SEAL_LENGTH: usize = 8 + 32;

const SEAL: Context = Context("byway 1 disk: group");
const LOG_EXTENSION: &str = "jnl";
/// Where the last unfinished write that was cut off is kept.
const CUT_FILE: &str = "cut";
const TAG_START: u8 = 1;
const TAG_ITEM: u8 = 2;
const TAG_END: u8 = 3;
const END_MAGIC: [u8; 4] = *b"FJL\x03";
/// Between two groups the engine uses a few sequence numbers itself; a leap over this many is damage.
const SEQUENCE_LEAP_MAX: u64 = 1 << 32;

/// An item as the seal covers it.
#[derive(Debug, Clone, Copy)]
pub(super) struct SealedItem<'a> {
    pub keyspace: u64,
    pub key: &'a [u8],
    /// `None` deletes.
    pub value: Option<&'a [u8]>,
}

/// The value of the seal of group `number`.
pub(super) fn seal<'a>(number: u64, items: impl Iterator<Item = SealedItem<'a>>) -> [u8; SEAL_LENGTH] {
    let mut covered = number.to_le_bytes().to_vec();
    for item in items {
        covered.push(u8::from(item.value.is_some()));
        covered.extend_from_slice(&item.keyspace.to_le_bytes());
        for part in [item.key, item.value.unwrap_or_default()] {
            covered.extend_from_slice(&(part.len() as u64).to_le_bytes());
            covered.extend_from_slice(part);
        }
    }
    let mut value = [0; SEAL_LENGTH];
    value[..8].copy_from_slice(&number.to_le_bytes());
    value[8..].copy_from_slice(&SEAL.hash(&[&covered]).0);
    value
}

/// The number in the value of a seal.
pub(super) fn sealed_number(value: &[u8]) -> Option<u64> {
    (value.len() == SEAL_LENGTH).then(|| value.first_chunk().map(|number| u64::from_le_bytes(*number)))?
}

/// Checks the log in `store`, which must reach group `at_least`, and cuts off an unfinished end. Gives the number of
/// the last group in it, if it has any.
pub(super) fn inspect(store: &Path, at_least: u64) -> Result<Option<u64>, DiskError> {
    let files = log_files(store)?;
    let mut position = Position::default();
    for (index, file) in files.iter().enumerate() {
        let bytes = fs::read(file).map_err(|e| DiskError::io("read", file, e))?;
        let Err(broken) = position.walk(&bytes) else { continue };
        let promised = position.group.is_some_and(|last| last < at_least);
        if promised || index + 1 < files.len() {
            let reason = format!("at byte {} {}", broken.offset, broken.reason);
            return Err(DiskError::damaged(file, reason));
        }
        // If nothing before it says how far the log goes, this may turn out to be damage after all: keep it.
        let kept = store.with_file_name(CUT_FILE);
        fs::write(&kept, without_filler(&bytes[broken.offset..])).map_err(|e| DiskError::io("write", &kept, e))?;
        tracing::warn!(file = %file.display(), offset = broken.offset, "cutting off an unfinished write");
        let cut = OpenOptions::new().write(true).open(file).and_then(|log| {
            log.set_len(broken.offset as u64)?;
            log.sync_all()
        });
        cut.map_err(|e| DiskError::io("cut", file, e))?;
    }
    if let (Some(last), Some(file)) = (position.group.filter(|last| *last < at_least), files.last()) {
        let reason = format!("it ends with group {last}, but group {at_least} had been written");
        return Err(DiskError::damaged(file, reason));
    }
    Ok(position.group)
}

/// The log's files, oldest first.
fn log_files(store: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let failed = |e| DiskError::io("list", store, e);
    let mut files = Vec::new();
    for entry in fs::read_dir(store).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_none_or(|extension| extension != LOG_EXTENSION) {
            continue;
        }
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<u64>().ok());
        let Some(number) = number else {
            return Err(DiskError::damaged(path, "the name of a log file must be a number"));
        };
        files.push((number, path));
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// Where the sound part of the log ends, and what is wrong there.
#[derive(Debug, PartialEq, Eq)]
struct Broken {
    offset: usize,
    reason: &'static str,
}

/// What has been read of the log so far.
#[derive(Debug, Default)]
struct Position {
    group: Option<u64>,
    sequence: Option<u64>,
}

impl Position {
    /// Walks one file to its end, or to the first batch that isn't sound.
    fn walk(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut input = Reader::new(bytes);
        loop {
            let offset = bytes.len() - input.remaining();
            if is_zero(&bytes[offset..]) {
                return Ok(());
            }
            let (sequence, number) = read_batch(&mut input).map_err(|reason| Broken { offset, reason })?;
            if self.group.is_some_and(|last| number != last + 1) {
                return Err(Broken { offset, reason: "a group is missing" });
            }
            let rises = |last: u64| sequence > last && sequence - last <= SEQUENCE_LEAP_MAX;
            if sequence > i64::MAX as u64 || self.sequence.is_some_and(|last| !rises(last)) {
                return Err(Broken { offset, reason: "a sequence number is wrong" });
            }
            (self.group, self.sequence) = (Some(number), Some(sequence));
        }
    }
}

/// One batch: its sequence number and the number in its seal.
fn read_batch(input: &mut Reader<'_>) -> Result<(u64, u64), &'static str> {
    const CUT: &str = "a group is cut short or a length is wrong";
    let cut = |_: DecodeError| CUT;
    if input.byte().map_err(cut)? != TAG_START {
        return Err("a group doesn't start where it should");
    }
    let count = u32::from_le_bytes(input.array().map_err(cut)?) as usize;
    let sequence = u64::from_le_bytes(input.array().map_err(cut)?);
    if count == 0 || count > input.remaining() {
        return Err(CUT);
    }
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(read_item(input)?);
    }
    let end = input.byte().map_err(cut)?;
    let _checked_by_the_engine: [u8; 8] = input.array().map_err(cut)?;
    if end != TAG_END || input.array::<4>().map_err(cut)? != END_MAGIC {
        return Err("a group doesn't end where it should");
    }
    let last = items.pop().filter(|item| item.key == SEAL_KEY).and_then(|item| item.value);
    let Some((value, number)) = last.and_then(|value| Some((value, sealed_number(value)?))) else {
        return Err("a group has no seal");
    };
    if seal(number, items.into_iter())[..] != *value {
        return Err("the seal of a group does not match");
    }
    Ok((sequence, number))
}

fn read_item<'a>(input: &mut Reader<'a>) -> Result<SealedItem<'a>, &'static str> {
    const CUT: &str = "an item is cut short or a length is wrong";
    const KIND: &str = "an item is of an unknown kind";
    let cut = |_: DecodeError| CUT;
    let [tag, kind, compression] = input.array().map_err(cut)?;
    if tag != TAG_ITEM || kind > 1 || compression != 0 {
        return Err(KIND);
    }
    let keyspace = u64::from_le_bytes(input.array().map_err(cut)?);
    let key_length = u16::from_le_bytes(input.array().map_err(cut)?);
    let length = u32::from_le_bytes(input.array().map_err(cut)?);
    let stored_length = u32::from_le_bytes(input.array().map_err(cut)?);
    let key = input.raw(key_length.into()).map_err(cut)?;
    let value = input.raw(stored_length as usize).map_err(cut)?;
    let deletes = kind == 1;
    if length != stored_length || (deletes && length != 0) {
        return Err(CUT);
    }
    Ok(SealedItem { keyspace, key, value: (!deletes).then_some(value) })
}

fn without_filler(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &bytes[..end]
}

/// In blocks, because the filler is up to 64 MiB long.
fn is_zero(bytes: &[u8]) -> bool {
    const ZERO: [u8; 4096] = [0; 4096];
    bytes.chunks(ZERO.len()).all(|chunk| chunk == &ZERO[..chunk.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
        out.extend([TAG_ITEM, 0, 0]);
        out.extend(1u64.to_le_bytes());
        out.extend((key.len() as u16).to_le_bytes());
        out.extend((value.len() as u32).to_le_bytes());
        out.extend((value.len() as u32).to_le_bytes());
        out.extend(key);
        out.extend(value);
    }

    fn batch(sequence: u64, number: u64) -> Vec<u8> {
        let sealed = SealedItem { keyspace: 1, key: b"key", value: Some(b"value") };
        let mut out = vec![TAG_START];
        out.extend(2u32.to_le_bytes());
        out.extend(sequence.to_le_bytes());
        item(&mut out, b"key", b"value");
        item(&mut out, SEAL_KEY, &seal(number, [sealed].into_iter()));
        out.push(TAG_END);
        out.extend([7; 8]);
        out.extend(END_MAGIC);
        out
    }

    fn check(log: &[u8], last: Option<u64>, broken: Option<(usize, &'static str)>) {
        let mut position = Position::default();
        let found = position.walk(log).err().map(|broken| (broken.offset, broken.reason));
        assert_eq!((position.group, found), (last, broken));
    }

    #[test]
    fn a_log_is_sound_up_to_what_is_wrong_with_it() {
        let one = batch(10, 1);
        let size = one.len();
        check(&[], None, None);
        check(&[0; 9000], None, None);
        check(&[one.clone(), batch(12, 2), vec![0; 5000]].concat(), Some(2), None);
        check(&[one.clone(), batch(12, 3)].concat(), Some(1), Some((size, "a group is missing")));
        check(&[one.clone(), batch(10, 2)].concat(), Some(1), Some((size, "a sequence number is wrong")));
        check(&[one.clone(), batch(1 << 40, 2)].concat(), Some(1), Some((size, "a sequence number is wrong")));
        check(&batch(1 << 63, 1), None, Some((0, "a sequence number is wrong")));
        check(
            &[one.clone(), vec![0; 5000], one.clone()].concat(),
            Some(1),
            Some((size, "a group doesn't start where it should")),
        );
    }

    #[test]
    fn any_flipped_bit_but_of_the_sequence_and_the_engines_checksum_breaks_a_group() {
        let log = [batch(10, 1), batch(11, 2)].concat();
        let size = log.len() / 2;
        for at in size..log.len() {
            for bit in 0..8 {
                let mut flipped = log.clone();
                flipped[at] ^= 1 << bit;
                let mut position = Position::default();
                let sound = position.walk(&flipped).is_ok();
                let sequence = (size + 5..size + 13).contains(&at);
                let checksum = (log.len() - 12..log.len() - 4).contains(&at);
                // The keyspace of the seal itself, which the engine's checksum covers.
                let seal_item = log.len() - 13 - SEAL_LENGTH - SEAL_KEY.len() - 21;
                let keyspace = (seal_item + 3..seal_item + 11).contains(&at);
                assert!(!sound || sequence || checksum || keyspace, "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn a_log_that_stops_anywhere_is_broken_there() {
        let log = [batch(10, 1), batch(11, 2)].concat();
        let size = log.len() / 2;
        for length in size + 1..log.len() {
            let mut position = Position::default();
            assert_eq!(position.walk(&log[..length]).err().map(|broken| broken.offset), Some(size), "{length}");
            assert_eq!(position.group, Some(1));
        }
    }
}

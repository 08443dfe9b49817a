//! Checks the structure of the engine's manifests and of the ends of its tables before the engine reads them.
//!
//! **Why.** The blocks of a table have checksums, and so do the tables of contents of its files. But the engine
//! allocates by a count in such a table of contents before it has checked it, and doesn't check the manifest that says
//! which tables a space has: a flipped bit there aborts the process, or loses a table, whose file it then deletes.
//!
//! **How.** A manifest has no room for a mistake that keeps its structure: its parts must fill it exactly, every table
//! it names must be there once, and numbers that only occur in uses of the engine that aren't ours must be zero. The
//! checksums it records are not of use to us, and to the engine neither.
//!
//! Format (little endian). Both kinds of file end with `"TOC!" count:u32` and `count` of
//! `position:u64 length:u64 name_length:u16 name`, then `"SFA!" 1 0 checksum:u128 contents_position:u64
//! contents_length:u64`. A manifest's section `tables` is `levels:u8`, for each `runs:u8`, for each `tables:u32`, for
//! each `id:u64 0 checksum:u128 global_sequence:u64`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use byway_primitives::{DecodeError, Reader};

use super::DiskError;

const SPACES_FOLDER: &str = "keyspaces";
const TABLES_FOLDER: &str = "tables";
const CURRENT_FILE: &str = "current";
/// The engine's own space, whose tables it makes in a way of its own.
const ENGINE_SPACE: &str = "0";
/// Version of the manifest, its checksum, the kind of checksum.
const CURRENT_LENGTH: usize = 8 + 16 + 1;
const TRAILER_LENGTH: usize = 4 + 2 + 16 + 8 + 8;
/// A table of contents longer than this is damage; real ones have ten entries or so.
const CONTENTS_LENGTH_MAX: u64 = 1 << 16;

const STRUCTURE: &str = "its structure is broken";

/// Checks all spaces of the store.
pub(super) fn inspect_spaces(store: &Path) -> Result<(), DiskError> {
    let spaces = store.join(SPACES_FOLDER);
    let Some(entries) = list(&spaces)? else { return Ok(()) };
    for name in entries {
        let space = spaces.join(&name);
        if space.is_dir() {
            inspect_space(&space, name == ENGINE_SPACE)?;
        }
    }
    Ok(())
}

fn inspect_space(space: &Path, engines_own: bool) -> Result<(), DiskError> {
    let tables = space.join(TABLES_FOLDER);
    let current = space.join(CURRENT_FILE);
    let bytes = match fs::read(&current) {
        Ok(bytes) => bytes,
        // The engine was interrupted while creating the space, unless there is something in it already.
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return match list(&tables)? {
                Some(files) if !files.is_empty() => Err(DiskError::damaged(current, "the file is missing")),
                _ => Ok(()),
            };
        }
        Err(e) => return Err(DiskError::io("read", &current, e)),
    };
    let Some((version, _)) = bytes.split_first_chunk().filter(|_| bytes.len() == CURRENT_LENGTH) else {
        return Err(DiskError::damaged(current, "its length is wrong"));
    };
    let manifest = space.join(format!("v{}", u64::from_le_bytes(*version)));
    let bytes = match fs::read(&manifest) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(DiskError::damaged(manifest, "the file is missing"));
        }
        Err(e) => return Err(DiskError::io("read", &manifest, e)),
    };
    let listed = read_manifest(&bytes, engines_own).map_err(|_| DiskError::damaged(&manifest, STRUCTURE))?;
    for id in listed {
        inspect_table(&tables.join(id.to_string()))?;
    }
    Ok(())
}

/// The ids of the tables in a manifest.
fn read_manifest(bytes: &[u8], engines_own: bool) -> Result<BTreeSet<u64>, DecodeError> {
    let (start, end) = contents_of(bytes, bytes.len() as u64)?;
    let offset = usize::try_from(start).map_err(|_| DecodeError::OutOfRange)?;
    let sections = read_contents(bytes.get(offset..end).ok_or(DecodeError::Truncated)?, start)?;
    let section = |name: &[u8]| {
        let found = sections.iter().find(|section| section.name == name).ok_or(DecodeError::Truncated)?;
        bytes.get(found.position as usize..(found.position + found.length) as usize).ok_or(DecodeError::Truncated)
    };
    // What our use of the engine has at all times: its format 3, a plain tree, its hash, no values kept apart.
    let constant: [(&[u8], &[u8]); 5] = [
        (b"format_version", &[3]),
        (b"tree_type", &[0]),
        (b"filter_hash_type", &[0]),
        (b"blob_files", &[0; 4]),
        (b"blob_gc_stats", &[0; 4]),
    ];
    for (name, expected) in constant {
        if section(name)? != expected {
            return Err(DecodeError::Invalid("manifest"));
        }
    }
    read_tables(section(b"tables")?, section(b"level_count")?, engines_own)
}

fn read_tables(bytes: &[u8], level_count: &[u8], engines_own: bool) -> Result<BTreeSet<u64>, DecodeError> {
    let mut input = Reader::new(bytes);
    let mut ids = BTreeSet::new();
    let levels = input.byte()?;
    if *level_count != [levels] {
        return Err(DecodeError::Invalid("number of levels"));
    }
    for _ in 0..levels {
        for _ in 0..input.byte()? {
            for _ in 0..u32::from_le_bytes(input.array()?) {
                let id = u64::from_le_bytes(input.array()?);
                let checksum_kind = input.byte()?;
                let _checksum: [u8; 16] = input.array()?;
                let global_sequence = u64::from_le_bytes(input.array()?);
                let ingested = global_sequence != 0 && !engines_own;
                if checksum_kind != 0 || ingested || !ids.insert(id) {
                    return Err(DecodeError::Invalid("table"));
                }
            }
        }
    }
    input.finish()?;
    Ok(ids)
}

/// Reads only the end of a table: its blocks are checked when they are used.
fn inspect_table(table: &Path) -> Result<(), DiskError> {
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => DiskError::damaged(table, "the file is missing"),
        _ => DiskError::io("read", table, e),
    };
    let broken = |_: DecodeError| DiskError::damaged(table, STRUCTURE);
    let mut file = File::open(table).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let tail = (length).min(CONTENTS_LENGTH_MAX + TRAILER_LENGTH as u64);
    file.seek(SeekFrom::Start(length - tail)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed)?;
    let (start, end) = contents_of(&bytes, length).map_err(broken)?;
    let offset = usize::try_from(start - (length - tail)).map_err(|_| broken(DecodeError::OutOfRange))?;
    let contents = bytes.get(offset..end).ok_or_else(|| broken(DecodeError::Truncated))?;
    read_contents(contents, start).map_err(broken)?;
    Ok(())
}

struct Section<'a> {
    name: &'a [u8],
    position: u64,
    length: u64,
}

/// Where the table of contents begins in a file of `length` bytes, and where it ends in `tail`, its last bytes.
fn contents_of(tail: &[u8], length: u64) -> Result<(u64, usize), DecodeError> {
    let end = tail.len().checked_sub(TRAILER_LENGTH).ok_or(DecodeError::Truncated)?;
    let mut input = Reader::new(&tail[end..]);
    if input.array()? != *b"SFA!\x01\x00" {
        return Err(DecodeError::Invalid("trailer"));
    }
    let _checksum: [u8; 16] = input.array()?;
    let position = u64::from_le_bytes(input.array()?);
    let contents_length = u64::from_le_bytes(input.array()?);
    let fits = position.checked_add(contents_length).and_then(|end| end.checked_add(TRAILER_LENGTH as u64));
    if fits != Some(length) || contents_length > CONTENTS_LENGTH_MAX || contents_length > end as u64 {
        return Err(DecodeError::Invalid("trailer"));
    }
    Ok((position, end))
}

/// The sections, which must lie before `start`, where the table of contents itself begins.
fn read_contents(bytes: &[u8], start: u64) -> Result<Vec<Section<'_>>, DecodeError> {
    let mut input = Reader::new(bytes);
    if input.array()? != *b"TOC!" {
        return Err(DecodeError::Invalid("table of contents"));
    }
    let count = u32::from_le_bytes(input.array()?);
    let mut sections = Vec::new();
    for _ in 0..count {
        let position = u64::from_le_bytes(input.array()?);
        let length = u64::from_le_bytes(input.array()?);
        let name_length = u16::from_le_bytes(input.array()?);
        let name = input.raw(name_length.into())?;
        if position.checked_add(length).is_none_or(|end| end > start) {
            return Err(DecodeError::OutOfRange);
        }
        sections.push(Section { name, position, length });
    }
    input.finish()?;
    Ok(sections)
}

/// The names in a folder; `None` if it isn't there.
fn list(folder: &Path) -> Result<Option<Vec<String>>, DiskError> {
    let failed = |e| DiskError::io("list", folder, e);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    Ok(Some(names))
}

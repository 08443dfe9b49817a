//! Bits that flip, files that go missing, writes that were cut off.

use std::fs;
use std::path::{Path, PathBuf};

use byway_driver::disk::{Disk, DiskError};
use byway_primitives::store::Entry;
use byway_primitives::{Batch, Space, Token};

const SPACE: Space = Space("space");
const LOG: &str = "store/0.jnl";

/// A closed disk with `groups` groups, each of which overwrites a counter and adds a key; its log without filler.
fn written(groups: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), 1..=groups);
    // Opening it again drops the filler, so that copies are small.
    contents(folder.path()).expect("sound");
    folder
}

fn write(folder: &Path, groups: impl Iterator<Item = u64>) {
    let disk = Disk::open(folder).expect("opens");
    let journal = disk.journal("machine").expect("a journal");
    for group in groups {
        let mut batch = Batch::new();
        batch.put(SPACE, *b"counter", group.to_be_bytes());
        batch.put(SPACE, group.to_be_bytes(), vec![group as u8; 20]);
        journal.write(batch, Token(group)).expect("writes");
        journal.flush().expect("durable");
    }
}

fn contents(folder: &Path) -> Result<Vec<Entry>, DiskError> {
    let disk = Disk::open(folder)?;
    let found = disk.journal("machine")?.try_scan(SPACE, &[], usize::MAX);
    disk.verify()?;
    found
}

fn copy(from: &Path) -> tempfile::TempDir {
    fn copy_into(from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("creates");
        for entry in fs::read_dir(from).expect("lists") {
            let path = entry.expect("an entry").path();
            let target = to.join(path.file_name().expect("a name"));
            if path.is_dir() {
                copy_into(&path, &target);
            } else {
                fs::copy(&path, &target).expect("copies");
            }
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    copy_into(from, folder.path());
    folder
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).expect("reads");
    bytes[at] ^= 1 << (at % 8);
    fs::write(file, bytes).expect("writes");
}

/// The disk doesn't open, and the message names `place`.
fn check_damaged(folder: &Path, place: &str) {
    let error = contents(folder).expect_err("it is damaged");
    assert!(matches!(error, DiskError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains(place), "{error} should name {place}");
}

#[test]
fn a_flipped_bit_in_the_log_is_told_or_harmless_never_believed() {
    let sound = written(6);
    let expected = contents(sound.path()).expect("sound");
    let length = fs::metadata(sound.path().join(LOG)).expect("a log").len() as usize;
    let mut told = 0;
    let positions: Vec<usize> = (0..length).step_by(5).collect();
    for at in &positions {
        let folder = copy(sound.path());
        flip(&folder.path().join(LOG), *at);
        match contents(folder.path()) {
            Ok(found) => assert_eq!(found, expected, "byte {at} of {length}"),
            Err(error) => {
                assert!(matches!(error, DiskError::Damaged { .. }), "byte {at}: {error}");
                assert!(error.to_string().contains("store"), "byte {at}: {error}");
                told += 1;
                let size = |file: &str| fs::metadata(folder.path().join(file)).map_or(0, |m| m.len() as usize);
                assert_eq!(size(LOG) + size("cut"), length, "what is damaged must not be destroyed: byte {at}");
            }
        }
    }
    // Only some flips in sequence numbers keep their order and so change nothing.
    assert!(told * 10 > positions.len() * 9, "{told} of {}", positions.len());
}

#[test]
fn a_log_that_ends_too_early_is_damaged() {
    let sound = written(4);
    let length = fs::metadata(sound.path().join(LOG)).expect("a log").len();
    for keep in [0, 1, length / 2, length - 1] {
        let folder = copy(sound.path());
        fs::OpenOptions::new().write(true).open(folder.path().join(LOG)).expect("opens").set_len(keep).expect("cuts");
        check_damaged(folder.path(), "store");
    }
    let folder = copy(sound.path());
    fs::remove_file(folder.path().join(LOG)).expect("removes");
    check_damaged(folder.path(), "store");
}

#[test]
fn a_write_that_a_power_cut_tore_is_cut_off() {
    let folder = written(4);
    let mark = fs::read(folder.path().join("mark")).expect("a mark");
    let whole = fs::metadata(folder.path().join(LOG)).expect("a log").len() as usize;
    write(folder.path(), 5..=5);
    drop(contents(folder.path()).expect("sound"));
    let log = fs::read(folder.path().join(LOG)).expect("a log");
    let four = contents(written(4).path()).expect("sound");
    // The end reached the disk but the middle did not; or only the beginning did.
    let mut hollow = log.clone();
    hollow[whole + 40..whole + 60].fill(0);
    for torn in [&hollow[..], &log[..whole + 30], &log[..log.len() - 1]] {
        let cut = copy(folder.path());
        fs::write(cut.path().join(LOG), torn).expect("writes");
        check_damaged(copy(cut.path()).path(), LOG);
        // A power cut leaves an older mark, which doesn't promise the last group.
        fs::write(cut.path().join("mark"), &mark).expect("writes");
        assert_eq!(contents(cut.path()).expect("the rest is sound"), four);
        write(cut.path(), 5..=6);
        assert_eq!(contents(cut.path()).expect("sound").len(), 7);
    }
}

#[test]
fn other_files_are_missed_and_checked() {
    let sound = written(3);
    for (file, place) in [("mark", "mark"), ("format", "format"), ("store/version", "store/version")] {
        let folder = copy(sound.path());
        fs::remove_file(folder.path().join(file)).expect("removes");
        check_damaged(folder.path(), place);
    }
    for at in 0..40 {
        let folder = copy(sound.path());
        flip(&folder.path().join("mark"), at);
        check_damaged(folder.path(), "mark");
    }
}

/// All files of tables, manifests and what belongs to them.
fn table_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.join("store/keyspaces")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("lists") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// A closed disk with at least one table of a machine's, and its contents.
fn written_with_tables() -> (tempfile::TempDir, Vec<Entry>) {
    let folder = tempfile::tempdir().expect("a folder");
    {
        let disk = Disk::open(folder.path()).expect("opens");
        let journal = disk.journal("machine").expect("a journal");
        let has_table = || table_files(folder.path()).iter().any(|f| fs::metadata(f).is_ok_and(|m| m.len() > 1 << 20));
        let mut token = 0;
        // The engine writes tables in its own time: go on until there is one.
        while !has_table() {
            token += 1;
            assert!(token < 1000, "no table after {token} MiB");
            let mut batch = Batch::new();
            for i in 0..64u64 {
                let value: Vec<u8> = (0..16_384u64).map(|j| (token * 31 + i * 7 + j * j) as u8).collect();
                batch.put(SPACE, (i % 7 * 1000 + token % 20).to_be_bytes(), value);
            }
            journal.write(batch, Token(token)).expect("writes");
            journal.flush().expect("durable");
        }
    }
    let expected = contents(folder.path()).expect("sound");
    (folder, expected)
}

#[test]
fn a_flipped_bit_in_a_table_is_told_or_harmless_never_believed() {
    let (sound, expected) = written_with_tables();
    let (mut told, mut tried) = (0, 0);
    let files = table_files(sound.path());
    for file in &files {
        let length = fs::metadata(file).expect("a file").len() as usize;
        for i in 0..12 {
            let at = length * i / 12 + i % 3;
            if at >= length {
                continue;
            }
            let folder = copy(sound.path());
            let name = file.strip_prefix(sound.path()).expect("inside");
            flip(&folder.path().join(name), at);
            tried += 1;
            match contents(folder.path()) {
                Ok(found) => assert!(found == expected, "{} byte {at} of {length}", name.display()),
                Err(error) => {
                    assert!(matches!(error, DiskError::Damaged { .. }), "{} byte {at}: {error}", name.display());
                    assert!(error.to_string().contains("store"), "{error}");
                    told += 1;
                }
            }
        }
    }
    assert!(told > 0, "none of {tried} flips was told");
}

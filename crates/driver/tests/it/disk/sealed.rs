//! Journals whose values are sealed.

use byway_driver::disk::SealKey;

use super::*;

const SAID: &[u8] = b"meet me at the old mill at nine";

fn key(number: u8) -> SealKey {
    SealKey::new([number; 32])
}

/// All bytes of all files under a folder.
fn bytes_of(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        all.extend(if path.is_dir() { bytes_of(&path) } else { fs::read(&path).expect("a file") });
    }
    all
}

fn holds(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_closed_folder_shows_no_value_and_the_key_reads_all() {
    for is_sealed in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let open_journal = |disk: &Disk| {
            if is_sealed { disk.sealed_journal("machine", &key(1)) } else { disk.journal("machine") }
        };
        {
            let disk = open(folder.path());
            let journal = open_journal(&disk).expect("a journal");
            journal.write(batch(&[(ONE, b"a", Some(SAID)), (TWO, b"a", Some(b""))]), Token(0)).expect("writes");
            assert_eq!(journal.load(ONE, b"a"), Some(SAID.to_vec()), "before it is durable");
            journal.flush().expect("durable");
        }
        assert_eq!(holds(&bytes_of(folder.path()), SAID), !is_sealed);
        let disk = open(folder.path());
        let journal = open_journal(&disk).expect("a journal");
        assert_eq!(journal.load(ONE, b"a"), Some(SAID.to_vec()));
        assert_eq!(journal.scan(ONE, b"", 9), [(b"a".to_vec(), SAID.to_vec())]);
        assert_eq!(journal.scan_keys(TWO, b"", 9), [b"a".to_vec()]);
        assert_eq!(journal.load(TWO, b"a"), Some(Vec::new()));
    }
}

#[test]
fn another_key_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    {
        let disk = open(folder.path());
        let journal = disk.sealed_journal("machine", &key(1)).expect("a journal");
        journal.write(batch(&[(ONE, b"a", Some(SAID))]), Token(0)).expect("writes");
        journal.flush().expect("durable");
    }
    let disk = open(folder.path());
    let refused = disk.sealed_journal("machine", &key(2));
    assert!(matches!(refused, Err(DiskError::WrongKey { .. })), "{refused:?}");
    disk.sealed_journal("machine", &key(1)).expect("the refusal has changed nothing");
}

#[test]
fn what_is_not_known_to_be_sealed_is_opened_by_no_key() {
    let folder = tempfile::tempdir().expect("a folder");
    {
        let disk = open(folder.path());
        let journal = disk.journal("machine").expect("a journal");
        journal.write(batch(&[(ONE, b"a", Some(SAID))]), Token(0)).expect("writes");
        journal.flush().expect("durable");
    }
    let disk = open(folder.path());
    let refused = disk.sealed_journal("machine", &key(1));
    assert!(matches!(refused, Err(DiskError::WrongKey { .. })), "{refused:?}");
}

#[test]
fn what_was_flipped_or_put_in_anothers_place_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = open(folder.path());
    let journal = disk.sealed_journal("machine", &key(1)).expect("a journal");
    journal
        .write(batch(&[(ONE, b"a", Some(SAID)), (ONE, b"b", Some(SAID)), (TWO, b"a", Some(SAID))]), Token(0))
        .expect("writes");
    journal.flush().expect("durable");
    drop(journal);
    // As somebody writes who has the folder alone: without the key, and with all checksums right.
    let bare = disk.journal("machine").expect("a journal");
    let sealed = bare.load(ONE, b"a").expect("it is there");
    assert_ne!(sealed, bare.load(ONE, b"b").expect("it is there"), "nobody sees that two are alike");
    let cases = [0, 23, 24, sealed.len() - 1].map(|at| {
        let mut flipped = sealed.clone();
        flipped[at] ^= 1;
        (ONE, &b"a"[..], flipped)
    });
    let moved = [(ONE, &b"b"[..], sealed.clone()), (TWO, &b"a"[..], sealed.clone()), (ONE, &b"a"[..], Vec::new())];
    drop(bare);
    for (space, at, value) in cases.into_iter().chain(moved) {
        let bare = disk.journal("machine").expect("a journal");
        bare.write(batch(&[(space, at, Some(&value))]), Token(0)).expect("writes");
        bare.flush().expect("durable");
        drop(bare);
        let journal = disk.sealed_journal("machine", &key(1)).expect("a journal");
        let (loaded, scanned) = (journal.try_load(space, at), journal.try_scan(space, b"", 9));
        assert!(matches!(loaded, Err(DiskError::Damaged { .. })), "{loaded:?}");
        assert!(matches!(scanned, Err(DiskError::Damaged { .. })), "{scanned:?}");
    }
}

#[test]
fn another_thread_reads_what_was_written_and_keeps_the_disk_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = open(folder.path());
    let journal = disk.sealed_journal("machine", &key(1)).expect("a journal");
    journal.write(batch(&[(ONE, b"a", Some(SAID))]), Token(0)).expect("writes");
    let reader = journal.reader();
    drop((journal, disk));
    assert!(matches!(Disk::open(folder.path()), Err(DiskError::Locked { .. })), "it is still open");
    let read =
        std::thread::spawn(move || (reader.load(ONE, b"a"), reader.scan(ONE, b"", 9), reader.scan_keys(ONE, b"", 9)));
    let (loaded, scanned, keys) = read.join().expect("it reads");
    assert_eq!(loaded, Some(SAID.to_vec()));
    assert_eq!((scanned, keys), (vec![(b"a".to_vec(), SAID.to_vec())], vec![b"a".to_vec()]));
    assert_eq!(
        open(folder.path()).sealed_journal("machine", &key(1)).expect("a journal").load(ONE, b"a"),
        Some(SAID.to_vec())
    );
}

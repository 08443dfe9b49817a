//! The contract of storage, as a machine relies on it.

mod crash;
mod damage;
mod sealed;

use std::fs;
use std::path::Path;

use byway_driver::disk::{Disk, DiskError, Journal};
use byway_primitives::{Batch, MemoryStore, Space, Store, Token};
use proptest::prelude::*;

const ONE: Space = Space("one");
const TWO: Space = Space("two");

/// Space, key, and the value or a deletion.
type Entry<'a> = (Space, &'a [u8], Option<&'a [u8]>);

fn batch(writes: &[Entry<'_>]) -> Batch {
    let mut batch = Batch::new();
    for (space, key, value) in writes {
        match value {
            Some(value) => batch.put(*space, *key, *value),
            None => batch.delete(*space, *key),
        }
    }
    batch
}

fn open(directory: &Path) -> Disk {
    Disk::open(directory).expect("the disk opens")
}

fn journal(disk: &Disk) -> Journal {
    disk.journal("machine").expect("a journal")
}

#[tokio::test]
async fn what_is_written_is_read_at_once_and_survives() {
    let folder = tempfile::tempdir().expect("a folder");
    {
        let disk = open(folder.path());
        let journal = journal(&disk);
        journal.write(batch(&[(ONE, b"a", Some(b"1")), (TWO, b"a", Some(b"2"))]), Token(1)).expect("writes");
        journal.write(batch(&[(ONE, b"a", Some(b"3")), (TWO, b"a", None)]), Token(2)).expect("writes");
        assert_eq!(journal.load(ONE, b"a"), Some(b"3".to_vec()));
        assert_eq!(journal.load(TWO, b"a"), None);
        journal.wait(Token(2)).await.expect("durable");
        assert_eq!(journal.load(ONE, b"a"), Some(b"3".to_vec()));
        assert!(disk.verify().expect("sound") > 0);
    }
    let disk = open(folder.path());
    let journal = journal(&disk);
    assert_eq!(journal.load(ONE, b"a"), Some(b"3".to_vec()));
    assert_eq!(journal.load(TWO, b"a"), None);
}

#[tokio::test]
async fn tokens_are_announced_in_order_and_none_too_many() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = open(folder.path());
    let journal = journal(&disk);
    let mut durable = journal.durable();
    assert!(!durable.borrow().covers(Token(0)), "nothing was written yet");
    // A batch without a write has a token too; it must not overtake those before it.
    journal.write(Batch::new(), Token(0)).expect("writes");
    for i in 1..=200u64 {
        journal.write(batch(&[(ONE, &i.to_be_bytes(), Some(b"x"))]), Token(i)).expect("writes");
    }
    let mut last = None;
    while last != Some(Token(200)) {
        durable.changed().await.expect("the disk is there");
        let now = durable.borrow_and_update().token;
        assert!(now > last && now <= Some(Token(200)), "{now:?} after {last:?}");
        last = now;
    }
}

/// A lazy write needs nobody who waits: it becomes durable by itself, and with whatever is hurried after it.
#[tokio::test]
async fn lazy_writes_become_durable_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = open(folder.path());
    let journal = journal(&disk);
    let mut durable = journal.durable();
    journal.write_lazily(batch(&[(ONE, b"a", Some(b"1"))]), Token(0)).expect("writes");
    assert_eq!(journal.load(ONE, b"a"), Some(b"1".to_vec()), "visible at once");
    durable.wait_for(|now| now.covers(Token(0))).await.expect("the disk is there");
    // A crash can't leave a later write without the earlier one, so what is waited for takes along what is not.
    journal.write_lazily(batch(&[(ONE, b"a", Some(b"2"))]), Token(1)).expect("writes");
    journal.write(batch(&[(TWO, b"b", Some(b"3"))]), Token(2)).expect("writes");
    journal.wait(Token(2)).await.expect("durable");
    assert!(journal.durable().borrow().covers(Token(1)));
    journal.write_lazily(batch(&[(ONE, b"a", Some(b"4"))]), Token(3)).expect("writes");
    drop((journal, disk));
    let disk = open(folder.path());
    assert_eq!(self::journal(&disk).load(ONE, b"a"), Some(b"4".to_vec()), "closing writes what is pending");
}

#[tokio::test]
async fn machines_on_one_disk_do_not_see_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = open(folder.path());
    let (a, b) = (disk.journal("a").expect("a"), disk.journal("b").expect("b"));
    a.write(batch(&[(ONE, b"k", Some(b"a"))]), Token(7)).expect("writes");
    b.write(batch(&[(ONE, b"k", Some(b"b"))]), Token(1)).expect("writes");
    a.wait(Token(7)).await.expect("durable");
    b.wait(Token(1)).await.expect("durable");
    assert_eq!((a.load(ONE, b"k"), b.load(ONE, b"k")), (Some(b"a".to_vec()), Some(b"b".to_vec())));
    assert!(!b.durable().borrow().covers(Token(2)), "tokens are each machine's own");
    assert!(matches!(disk.journal("a"), Err(DiskError::JournalTaken { .. })));
    assert!(matches!(disk.journal("a/b"), Err(DiskError::JournalName { .. })));
    drop(a);
    assert_eq!(disk.journal("a").expect("free again").load(ONE, b"k"), Some(b"a".to_vec()));
}

#[test]
#[should_panic(expected = "token")]
fn a_token_that_does_not_rise_is_a_bug() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = open(folder.path());
    let journal = journal(&disk);
    journal.write(Batch::new(), Token(3)).expect("writes");
    let _ = journal.write(Batch::new(), Token(3));
}

#[test]
fn a_directory_is_used_by_one_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = open(folder.path());
    let error = Disk::open(folder.path()).expect_err("it is in use");
    assert!(matches!(error, DiskError::Locked { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    // The journal keeps the disk open.
    let journal = journal(&disk);
    drop(disk);
    assert!(Disk::open(folder.path()).is_err());
    drop(journal);
    open(folder.path());
}

#[test]
fn another_format_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(open(folder.path()));
    fs::write(folder.path().join("format"), "byway disk 2\n").expect("writes");
    let error = Disk::open(folder.path()).expect_err("another format");
    assert!(matches!(&error, DiskError::Format { found, .. } if found == "byway disk 2"), "{error}");
}

#[test]
fn a_creation_cut_off_at_any_point_is_taken_up() {
    for remains in [&[][..], &["mark"], &["format.new", "mark"], &["format", "mark"]] {
        let folder = tempfile::tempdir().expect("a folder");
        drop(open(folder.path()));
        for entry in fs::read_dir(folder.path()).expect("lists") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
            if path.is_dir() {
                // What a creation cut off early leaves of the store.
                fs::remove_dir_all(&path).expect("removes");
                if remains.contains(&"format") {
                    fs::create_dir(&path).expect("creates");
                    fs::write(path.join("0.jnl"), [0; 100]).expect("writes");
                }
            } else if !remains.contains(&name) {
                fs::remove_file(&path).expect("removes");
            }
        }
        let disk = open(folder.path());
        let journal = journal(&disk);
        journal.write(batch(&[(ONE, b"a", Some(b"1"))]), Token(1)).expect("writes");
        journal.flush().expect("durable");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Write(Vec<(u8, u8, Option<u8>)>),
    Flush,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let write = (0u8..2, 0u8..12, proptest::option::of(any::<u8>()));
    prop_oneof![
        8 => proptest::collection::vec(write, 0..5).prop_map(Step::Write),
        2 => Just(Step::Flush),
        1 => Just(Step::Reopen),
    ]
}

fn compare(journal: &Journal, model: &MemoryStore) {
    for space in [ONE, TWO] {
        for key in 0..12u8 {
            assert_eq!(journal.load(space, &[key]), model.load(space, &[key]));
            for limit in [0, 1, 3, 100] {
                let expected = model.scan(space, &[key], limit);
                assert_eq!(journal.scan(space, &[key], limit), expected);
                let keys: Vec<_> = expected.into_iter().map(|(key, _)| key).collect();
                assert_eq!(journal.scan_keys(space, &[key], limit), keys);
            }
        }
        assert_eq!(journal.scan_prefix(space, &[]), model.scan_prefix(space, &[]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_journal_is_a_map_whatever_is_pending(steps in proptest::collection::vec(step(), 1..30)) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut model = MemoryStore::new();
        let mut disk = open(folder.path());
        let mut journal = journal(&disk);
        let mut token = 0;
        for step in steps {
            match step {
                Step::Write(writes) => {
                    let mut batch = Batch::new();
                    for (space, key, value) in writes {
                        let space = if space == 0 { ONE } else { TWO };
                        match value {
                            Some(value) => batch.put(space, [key], [value]),
                            None => batch.delete(space, [key]),
                        }
                    }
                    token += 1;
                    model.apply(&batch);
                    journal.write(batch, Token(token)).expect("writes");
                }
                Step::Flush => journal.flush().expect("flushes"),
                Step::Reopen => {
                    drop(journal);
                    drop(disk);
                    disk = open(folder.path());
                    journal = self::journal(&disk);
                }
            }
            compare(&journal, &model);
        }
    }
}

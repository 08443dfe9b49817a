//! Processes that are killed, and one that runs out of room.
//!
//! A child is this test binary again, told to run one test only; what it is to do stands in its environment. Without
//! that, the children's tests check the same code in this process.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[cfg(unix)]
use byway_driver::disk::DiskError;
use byway_driver::disk::{Disk, Journal};
use byway_primitives::{Batch, Space, Store, Token};

const FOLDER: &str = "BYWAY_TEST_DISK";
const NUMBERS: Space = Space("numbers");
const STATE: Space = Space("state");

/// What batch `number` holds: a value that is only right for it, of a length that varies.
fn value(number: u64) -> Vec<u8> {
    let length = (number * 37 % 1500) as usize;
    number.to_be_bytes().into_iter().cycle().take(length + 8).collect()
}

fn write(journal: &Journal, number: u64) {
    let mut batch = Batch::new();
    batch.put(NUMBERS, number.to_be_bytes(), value(number));
    batch.put(STATE, *b"last", number.to_be_bytes());
    journal.write(batch, Token(number)).expect("writes");
}

fn last(journal: &Journal) -> u64 {
    let value = journal.load(STATE, b"last").unwrap_or_else(|| vec![0; 8]);
    u64::from_be_bytes(value.try_into().expect("8 bytes"))
}

/// Whole batches 1..=last, nothing else. Gives the last.
fn check_prefix(folder: &Path) -> u64 {
    let disk = Disk::open(folder).expect("opens after a crash");
    let journal = disk.journal("numbers").expect("a journal");
    let last = last(&journal);
    let entries = journal.scan_prefix(NUMBERS, &[]);
    assert_eq!(entries.len() as u64, last);
    for (number, (key, found)) in (1..).zip(entries) {
        assert_eq!(key, u64::to_be_bytes(number));
        assert_eq!(found, value(number), "batch {number}");
    }
    last
}

/// Batches that may be written and not yet durable: some for each fsync, not all there are.
const AHEAD_MAX: u64 = 100;

/// Writes numbered batches from where the disk stands, and says which are durable, until `until`.
fn write_on(folder: &Path, until: u64, mut say: impl FnMut(u64)) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let disk = Disk::open(folder).expect("opens");
    let journal = disk.journal("numbers").expect("a journal");
    let first = last(&journal) + 1;
    let durable = journal.durable();
    let mut said = None;
    for number in first..=until {
        write(&journal, number);
        if number >= first + AHEAD_MAX {
            let durable = journal.wait(Token(number - AHEAD_MAX));
            runtime.block_on(durable).expect("durable");
        }
        let now = durable.borrow().token;
        if now != said {
            said = now;
            say(now.expect("it rises").0);
        }
    }
    journal.flush().expect("durable");
}

#[test]
fn child_writes_numbers() {
    match env::var_os(FOLDER) {
        Some(folder) => write_on(Path::new(&folder), u64::MAX, |durable| {
            println!("durable {durable}");
            std::io::stdout().flush().expect("the parent listens");
        }),
        None => {
            let folder = tempfile::tempdir().expect("a folder");
            write_on(folder.path(), 50, |_| {});
            assert_eq!(check_prefix(folder.path()), 50);
        }
    }
}

/// This binary again, to run the test `name` of this module on `folder`; `shell` is prepended.
fn child(shell: &str, name: &str, folder: &Path) -> Command {
    let program: PathBuf = env::current_exe().expect("a program");
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{shell} exec \"$0\" \"$@\"")])
        .arg(program)
        .args(["--exact", "--nocapture", &format!("disk::crash::{name}")])
        .env(FOLDER, folder);
    command
}

#[test]
fn whatever_was_durable_survives_a_kill_at_any_moment() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    for round in 0..10 {
        // A different number of reports to wait for in each round; where in its work that finds the child is chance.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let reports = (state >> 33) % 60;
        let mut child =
            child("", "child_writes_numbers", folder.path()).stdout(Stdio::piped()).spawn().expect("a child");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut lines = lines
            .map_while(Result::ok)
            .filter_map(|line| line.rsplit_once("durable ").and_then(|(_, number)| number.parse::<u64>().ok()));
        let mut durable = 0;
        for _ in 0..=reports {
            durable = lines.next().expect("the child writes on");
        }
        child.kill().expect("kills");
        child.wait().expect("is gone");
        // What it had said before it died counts too.
        durable = lines.last().unwrap_or(durable);
        let last = check_prefix(folder.path());
        assert!(last >= durable, "round {round}: {durable} was durable, {last} is there");
    }
}

#[cfg(unix)]
#[test]
fn child_runs_out_of_room() {
    let Some(folder) = env::var_os(FOLDER) else { return full_disk_stops_all() };
    let disk = Disk::open(Path::new(&folder)).expect("opens");
    let journal = disk.journal("numbers").expect("a journal");
    write(&journal, 1);
    journal.flush().expect("durable");
    let mut large = Batch::new();
    for i in 0..80u64 {
        large.put(NUMBERS, (i + 2).to_be_bytes(), vec![7; 1 << 20]);
    }
    journal.write(large, Token(2)).expect("is queued");
    let error = journal.flush().expect_err("no room");
    assert!(matches!(&error, DiskError::Stopped { cause } if matches!(**cause, DiskError::Full { .. })), "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
    // Nothing is acknowledged any more, though there may be room for this one.
    let error = journal.write(Batch::new(), Token(3)).expect_err("it has stopped");
    assert!(matches!(error, DiskError::Stopped { .. }), "{error}");
    let durable = journal.durable().borrow().clone();
    assert_eq!(durable.token, Some(Token(1)));
    assert!(durable.failed.is_some() && disk.failure().is_some());
    println!("stopped as it should");
}

/// A limit on the size of a file stands for a full disk: both fail a write half way through.
#[cfg(unix)]
fn full_disk_stops_all() {
    let folder = tempfile::tempdir().expect("a folder");
    // 70 MB in blocks of 512 bytes: above the 64 MiB that a log file begins with. The signal would kill the child.
    let shell = "trap '' XFSZ; ulimit -f 137000;";
    let output = child(shell, "child_runs_out_of_room", folder.path()).output().expect("a child");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("stopped as it should"), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    // With room again, all that was acknowledged is there, and nothing of what was not.
    assert_eq!(check_prefix(folder.path()), 1);
    write_on(folder.path(), 5, |_| {});
    assert_eq!(check_prefix(folder.path()), 5);
}

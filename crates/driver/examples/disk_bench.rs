//! How fast is a disk? Prints one JSON object a line: `cargo run -p byway-driver --example disk_bench [FOLDER]`.
//!
//! A batch is what a transfer costs a kernel node, roughly: two outputs of 150 bytes under hashed keys and one of 60
//! that is overwritten. `in_flight` batches may be written and not yet durable; 1 is a machine that waits for each.

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use byway_driver::disk::{Disk, Journal};
use byway_primitives::hash::Context;
use byway_primitives::{Batch, Space, Token};

const OUTPUTS: Space = Space("outputs");
const STATE: Space = Space("state");
const KEY: Context = Context("byway 1 bench: key");
const EACH: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = given.unwrap_or_else(|| std::env::temp_dir().join(format!("disk_bench.{}", std::process::id())));
    let disk = Disk::open(&folder)?;
    let journal = disk.journal("bench")?;
    let mut token = 0;
    for in_flight in [1, 10, 100, 1_000, 10_000] {
        measure(&journal, in_flight, &mut token).await?;
    }
    drop((journal, disk));
    let started = Instant::now();
    let disk = Disk::open(&folder)?;
    let reopened = started.elapsed();
    let started = Instant::now();
    let entries = disk.verify()?;
    println!(
        r#"{{"entries": {entries}, "reopen_ms": {}, "verify_ms": {}}}"#,
        reopened.as_millis(),
        started.elapsed().as_millis()
    );
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

async fn measure(journal: &Journal, in_flight: u64, token: &mut u64) -> Result<(), Box<dyn Error>> {
    let first = *token + 1;
    let mut durable = journal.durable();
    let mut groups = 0;
    let mut waits = Vec::new();
    let started = Instant::now();
    while started.elapsed() < EACH {
        *token += 1;
        journal.write(batch(*token), Token(*token))?;
        if durable.has_changed()? {
            durable.mark_unchanged();
            groups += 1;
        }
        if *token >= first + in_flight - 1 {
            let since = Instant::now();
            journal.wait(Token(*token + 1 - in_flight)).await?;
            waits.push(since.elapsed());
        }
    }
    journal.flush()?;
    let micros = started.elapsed().as_micros() as u64;
    let batches = *token + 1 - first;
    waits.sort();
    let at = |percent: usize| waits.get(waits.len() * percent / 100).map_or(0, Duration::as_micros);
    println!(
        r#"{{"in_flight": {in_flight}, "batches_per_s": {}, "groups_seen": {groups}, "wait_us_p50": {}, "wait_us_p99": {}}}"#,
        batches * 1_000_000 / micros.max(1),
        at(50),
        at(99)
    );
    Ok(())
}

fn batch(number: u64) -> Batch {
    let mut batch = Batch::new();
    for output in 0..2u8 {
        let key = KEY.hash(&[&number.to_le_bytes(), &[output]]);
        batch.put(OUTPUTS, key.0, [key.0[0]; 150]);
    }
    batch.put(STATE, *b"position", [number as u8; 60]);
    batch
}

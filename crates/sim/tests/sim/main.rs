//! The simulator's scenarios. CI runs a sample of the seeds; with `BYWAY_TEST_LONG=1` all of them run, and with
//! `BYWAY_TEST_SEEDS=17` or `=1..=500` those.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, available_parallelism};

use mimalloc::MiMalloc;

mod away;
mod dealing;
mod epochs;
mod fairness;
mod hoarding;
mod kernel;
mod leaders;
mod pruning;
mod quality;
mod recovery;
mod storm;
mod upgrades;
mod whole;

/// As the node has it: a simulation allocates more than anything else.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Runs a scenario with some seeds: `sampled` of them usually, `all` in a long run, on all processors. A failure names its
/// seed, and the end names all that failed.
fn seeds(sampled: u64, all: u64, scenario: impl Fn(u64) + Sync) {
    let count = if is_long() { all } else { sampled };
    let asked_for = asked_for().unwrap_or(1..=count);
    let (next, failed) = (AtomicU64::new(*asked_for.start()), Mutex::new(BTreeSet::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > *asked_for.end() {
                return;
            }
            if catch_unwind(AssertUnwindSafe(|| scenario(seed))).is_err() {
                failed.lock().expect("nobody panics with it").insert(seed);
            }
        }
    };
    let workers = available_parallelism().map_or(1, NonZero::get) as u64;
    thread::scope(|scope| (0..workers.min(count)).for_each(|_| drop(scope.spawn(work))));
    let failed = failed.into_inner().expect("nobody panics with it");
    assert!(failed.is_empty(), "seeds {failed:?} of {asked_for:?} failed");
}

/// The seeds that `BYWAY_TEST_SEEDS` names, as `17` or `1..=500`.
fn asked_for() -> Option<RangeInclusive<u64>> {
    let text = std::env::var("BYWAY_TEST_SEEDS").ok()?;
    let (first, last) = text.split_once("..=").unwrap_or((&text, &text));
    let number = |text: &str| text.parse().expect("BYWAY_TEST_SEEDS is a seed, or FIRST..=LAST");
    Some(number(first)..=number(last))
}

fn is_long() -> bool {
    std::env::var_os("BYWAY_TEST_LONG").is_some_and(|value| value == "1")
}

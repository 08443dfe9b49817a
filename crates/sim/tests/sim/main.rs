//! The simulator's scenarios. CI runs a sample of the seeds; with `BYWAY_TEST_LONG=1` all of them run, and with
//! `BYWAY_TEST_SEEDS=17` or `=1..=500` those.

use std::ops::RangeInclusive;

mod dealing;
mod epochs;
mod fairness;
mod hoarding;
mod kernel;
mod leaders;
mod pruning;
mod recovery;
mod storm;
mod whole;

/// Runs a scenario with some seeds: `sampled` of them usually, `all` in a long run. A failure names its seed.
fn seeds(sampled: u64, all: u64, scenario: impl Fn(u64)) {
    let count = if is_long() { all } else { sampled };
    asked_for().unwrap_or(1..=count).for_each(scenario);
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

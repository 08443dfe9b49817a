//! The simulator's scenarios. CI runs a sample of the seeds; with `BYWAY_TEST_LONG=1` all of them run.

mod epochs;
mod fairness;
mod kernel;
mod leaders;
mod pruning;
mod recovery;
mod whole;

/// Runs a scenario with some seeds: `sampled` of them usually, `all` in a long run. A failure names its seed.
fn seeds(sampled: u64, all: u64, scenario: impl Fn(u64)) {
    let count = if is_long() { all } else { sampled };
    (1..=count).for_each(scenario);
}

fn is_long() -> bool {
    std::env::var_os("BYWAY_TEST_LONG").is_some_and(|value| value == "1")
}

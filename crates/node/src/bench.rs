//! Benchmarks that print one JSON object each: `byway bench …`.
//!
//! They run the real thing (sockets, disk, fsync, signatures) in one process, and beside each result measure in the same
//! run the limit or the peer to compare with, because machines differ and are noisy.

pub mod kernel;
mod network;
pub mod scan;
pub mod socks;

use std::time::Duration;

/// Processor time that this process has used so far, all threads together; `None` where the system doesn't say.
fn processor_time() -> Option<Duration> {
    /// Clock ticks per second in /proc, the same on every Linux that Rust supports.
    const TICKS_PER_SECOND: u64 = 100;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold spaces, so counting starts behind it; user and system time are fields 14 and 15.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// The value below which `percent` of the sorted values lie; zero of none.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or(0.0)
}

//! Benchmarks that print one JSON object each: `byway bench …`.
//!
//! They run the real thing (sockets, disk, fsync, signatures) in one process, and beside each result measure in the same
//! run the limit or the peer to compare with, because machines differ and are noisy.

pub mod channel;
pub mod chat;
#[cfg(target_os = "linux")]
pub mod clients;
#[cfg(target_os = "linux")]
pub mod connect;
pub mod discovery;
pub mod kernel;
mod market;
mod network;
#[cfg(target_os = "linux")]
mod process;
pub mod restart;
pub mod scan;
pub mod shaping;
pub mod slices;
pub mod socks;
#[cfg(target_os = "linux")]
pub mod tunnel;

use std::path::Path;
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

/// Memory that this process has now; `None` where the system doesn't say.
fn resident_bytes() -> Option<u64> {
    resident_bytes_of("self")
}

/// The same of a process.
fn resident_bytes_of(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Bytes that the files under `folder` take on the disk; what was only reserved does not count.
fn disk_bytes(folder: &Path) -> std::io::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // A table that a running node has just merged into another.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        sum += if metadata.is_dir() { disk_bytes(&entry.path())? } else { taken(&metadata) };
    }
    Ok(sum)
}

#[cfg(unix)]
fn taken(metadata: &std::fs::Metadata) -> u64 {
    /// What the system counts in, whatever the file system's own blocks are.
    const BLOCK: u64 = 512;
    std::os::unix::fs::MetadataExt::blocks(metadata) * BLOCK
}

#[cfg(not(unix))]
fn taken(metadata: &std::fs::Metadata) -> u64 {
    metadata.len()
}

/// The value below which `percent` of the sorted values lie; zero of none.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or(0.0)
}

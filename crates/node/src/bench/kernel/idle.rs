//! What a network costs that has nothing to do.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::transfers::genesis;
use crate::bench::network::Seats;
use crate::bench::{processor_time, resident_bytes};
use crate::genesis::Leaders;

/// Until what the start has left to do is done.
const SETTLE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Serialize)]
pub struct IdleReport {
    pub nodes: usize,
    pub seconds: u64,
    /// Of one core, all nodes together.
    pub cpu_percent: f64,
    pub cpu_us_per_second_per_node: f64,
    /// Of the whole process.
    pub resident_bytes: u64,
}

/// Runs `nodes` without load for `seconds`, with their state under `directory`.
pub async fn run(nodes: usize, leaders: Leaders, seconds: u64, directory: &Path) -> anyhow::Result<IdleReport> {
    let mut seats = Seats::take(nodes).await?;
    let genesis = genesis(seats.members.clone(), leaders, 1)?;
    let running = seats.start(&genesis, directory).await?;
    tokio::time::sleep(SETTLE).await;
    let before = processor_time();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let used = processor_time().zip(before).map_or(0.0, |(after, before)| (after - before).as_secs_f64());
    let resident_bytes = resident_bytes().unwrap_or(0);
    for node in &running {
        node.stop().await;
    }
    let share = used / seconds as f64;
    Ok(IdleReport {
        nodes,
        seconds,
        cpu_percent: share * 100.0,
        cpu_us_per_second_per_node: share * 1e6 / nodes as f64,
        resident_bytes,
    })
}

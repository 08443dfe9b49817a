//! `byway bench channel`: what a processor core does for channels (rows C1 to C3), beside what it could do at most.
//!
//! Both sides run in this process: the production machines, each side's on a disk of its own with one journal and group
//! commit, messages encoded and decoded, and sent once what they tell of is durable. Rates are per second of processor time of
//! all threads together, so whatever the disk lets wait for does not count, and writing to it does.
//!
//! | | measured | its limit |
//! | --- | --- | --- |
//! | updates | proposed, signed and written by both sides, all channels in step | the same bytes signed twice and verified twice |
//! | lane payments | what the payee does with a promise: it is decoded, checked and written | its signature verified |
//! | calls | a call that writes a slot, on the provable state, to the new root | the same on `revm` and its own database in memory |
//! | payments over a [`hub`] | what the hub does with one, beside many channels in which nothing happens | the six updates that it makes, signed and verified by one side |
//!
//! The [`latency`] of one channel is over a real connection. What an [`idle`] channel takes is the memory of one side.

mod hub;
mod idle;
mod latency;
mod limits;
mod pairs;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use byway_channel::Change;
use byway_primitives::Amount;
use byway_records::channel::Side;
use serde::Serialize;

use super::{percentile, processor_time, resident_bytes};
use pairs::Pairs;

/// Promises of each channel that are received one after another, before more are made.
const PROMISES: usize = 20;
/// What is paid at a time.
const UNIT: Amount = Amount::from_units(1);

/// Rates are per second and core.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub updates_per_s_per_core: f64,
    pub updates_limit_per_s_per_core: f64,
    pub updates_ratio: f64,
    pub lane_payments_per_s_per_core: f64,
    pub lane_limit_per_s_per_core: f64,
    pub lane_ratio: f64,
    /// From a proposal to the other's signature under it.
    pub latency_ms: Percentiles,
    pub bytes_per_idle_channel: u64,
    pub calls_per_s_per_core: f64,
    pub calls_limit_per_s_per_core: f64,
    pub calls_ratio: f64,
    /// Channels that the hub has.
    pub hub_channels: usize,
    pub hub_payments_per_s_per_core: f64,
    pub hub_limit_per_s_per_core: f64,
    pub hub_ratio: f64,
    /// The same over a hub that has no channels but those that pay.
    pub hub_payments_with_few_channels_per_s_per_core: f64,
    /// What an update has to wait for: a message there and back over the same connection, …
    pub round_trip_ms: Percentiles,
    /// … and twice a write that is alone on the disk.
    pub group_commit_ms: Percentiles,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Percentiles {
    pub p50: f64,
    pub p99: f64,
}

impl Percentiles {
    pub(super) fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        Self { p50: percentile(&values, 50), p99: percentile(&values, 99) }
    }
}

/// Runs the benchmark with so many channels, and so many idle ones, with the disks under `directory`. Each rate is measured for `each` of
/// processor time at the least.
pub async fn run(channels: usize, idle_channels: usize, each: Duration, directory: &Path) -> anyhow::Result<Report> {
    ensure!(channels > 0 && idle_channels > 0, "nothing to measure: there must be channels");
    let before = limits::Limits::measure(each)?;
    let mut pairs = Pairs::open(channels, &directory.join("pairs")).await?;
    let updates_per_s_per_core = updates(&mut pairs, each).await?;
    let lane_payments_per_s_per_core = lane_payments(&mut pairs, each).await?;
    drop(pairs);
    let limits = before.mean(&limits::Limits::measure(each)?);
    let latency = latency::measure(&directory.join("latency")).await?;
    let calls_per_s_per_core = limits::calls(each)?;
    let hub = hub::measure(idle_channels, each, &directory.join("hub")).await?;
    // A side signs and verifies once for an update; the limit of updates has both sides' work.
    let hub_limit = 2.0 * limits.updates / hub::UPDATES_PER_PAYMENT;
    let bytes_per_idle_channel = idle::measure(idle_channels, &directory.join("idle")).await?;
    Ok(Report {
        updates_per_s_per_core,
        updates_limit_per_s_per_core: limits.updates,
        updates_ratio: updates_per_s_per_core / limits.updates,
        lane_payments_per_s_per_core,
        lane_limit_per_s_per_core: limits.lane_payments,
        lane_ratio: lane_payments_per_s_per_core / limits.lane_payments,
        latency_ms: latency.update,
        bytes_per_idle_channel,
        calls_per_s_per_core,
        calls_limit_per_s_per_core: limits.calls,
        calls_ratio: calls_per_s_per_core / limits.calls,
        hub_channels: idle_channels.max(hub::FEW),
        hub_payments_per_s_per_core: hub.payments,
        hub_limit_per_s_per_core: hub_limit,
        hub_ratio: hub.payments / hub_limit,
        hub_payments_with_few_channels_per_s_per_core: hub.payments_with_few,
        round_trip_ms: latency.round_trip,
        group_commit_ms: latency.group_commit,
    })
}

/// Processor time of this process, which these measurements are made in.
fn processor() -> anyhow::Result<Duration> {
    processor_time().context("this system does not say how much processor time a process has used")
}

/// Rounds in which every channel makes an update, in turns by either side.
async fn updates(pairs: &mut Pairs, each: Duration) -> anyhow::Result<f64> {
    pairs.update(0, |_| Change::Transfer { from: Side::Initiator, amount: UNIT }).await?;
    let (begun, mut count, mut turns) = (processor()?, 0, [(1, Side::Responder), (0, Side::Initiator)].iter().cycle());
    while processor()? - begun < each {
        let Some((by, from)) = turns.next().copied() else { break };
        pairs.update(by, |_| Change::Transfer { from, amount: UNIT }).await?;
        count += pairs.len();
    }
    pairs.flush()?;
    Ok(count as f64 / (processor()? - begun).as_secs_f64())
}

/// Promises of the initiators, received by the responders. What the payers do is not measured.
async fn lane_payments(pairs: &mut Pairs, each: Duration) -> anyhow::Result<f64> {
    let capacity = Amount::from_units(pairs::DEPOSIT / 2);
    pairs.update(0, |_| Change::Lane { side: Side::Initiator, capacity }).await?;
    let (mut spent, mut count) = (Duration::ZERO, 0);
    while spent < each {
        let promises = pairs.promise(PROMISES, UNIT).await?;
        let begun = processor()?;
        count += promises.len();
        pairs.receive(promises).await?;
        pairs.flush()?;
        spent += processor()? - begun;
    }
    Ok(count as f64 / spent.as_secs_f64())
}

//! `byway bench kernel`: how many transfers a kernel settles, how fast, and at what cost.
//!
//! All nodes run in this process over real TCP on loopback, each with its own disk and group fsync; every node verifies
//! every signature and applies every transfer. The load ([`transfers`]) is signed beforehand and handed to the nodes in
//! turns at the offered rate. Finality is measured at the node that a transfer was handed to, from hand-over to verdict.
//! What is handed over in the first second is not measured: connections, caches and the first checkpoint are new then.
//! Beside it stands the [`limit`] of this machine, measured before and after.
//!
//! [`idle`] runs the same network without load.

mod idle;
mod limit;
mod transfers;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use byway_ledger::Verdict;
use byway_primitives::{Encode, NetworkId};
use byway_records::verified::verify_all;
use byway_records::{Transaction, TransactionId};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use super::network::Seats;
use super::{disk_bytes, percentile, processor_time};
use crate::genesis::Leaders;
use crate::kernel_node::{Heard, KernelNode};

pub use idle::run as run_idle;
pub use limit::Limits;
use limit::Sample;
pub use transfers::Shape;
pub(super) use transfers::genesis;

/// Transfers are handed over in slices of this length, each slice to one node.
const SLICE: Duration = Duration::from_millis(5);
/// Load before what is measured, in seconds.
const WARM_UP_SECONDS: u64 = 1;
/// How long after the last hand-over verdicts may still come.
const DRAIN: Duration = Duration::from_secs(10);

/// What to measure.
#[derive(Debug, Clone)]
pub struct Load {
    pub nodes: usize,
    pub shape: Shape,
    pub leaders: Leaders,
    /// Transfers per second offered.
    pub rate: u64,
    pub seconds: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub nodes: usize,
    pub shape: Shape,
    pub leaders: Leaders,
    /// Of one transfer's encoding.
    pub bytes_per_tx: usize,
    pub offered_tps: f64,
    pub committed_tps: f64,
    pub finality_ms: Finality,
    pub cpu_us_per_tx_per_node: f64,
    pub wire_bytes_per_tx: f64,
    /// What one node's folder has grown by.
    pub disk_bytes_per_tx: f64,
    /// Transfers per second if nothing had to be done but to verify signatures and decompress output keys, at all nodes
    /// on all cores, measured in this run.
    pub limit_tps: f64,
    /// The same and its processor time, for every shape.
    pub limits: Limits,
    /// `committed_tps` of `limit_tps`.
    pub ratio: f64,
    /// The limit's processor time of all that was spent: the ratio as it is on a machine that does nothing else.
    pub cpu_ratio: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Finality {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
}

/// What the network did with the load.
struct Measured {
    offered_for: Duration,
    /// From the first hand-over to the last verdict.
    settled_in: Duration,
    /// Sorted.
    latencies_ms: Vec<f64>,
    cpu: Duration,
    wire_bytes: u64,
}

/// Runs the benchmark with the nodes' state under `directory`.
pub async fn run(load: &Load, directory: &Path) -> anyhow::Result<Report> {
    let count = usize::try_from(load.rate * load.seconds)?;
    anyhow::ensure!(count > 0, "nothing to measure: --rate and --seconds must be above zero");
    let mut seats = Seats::take(load.nodes).await?;
    let warm_up = usize::try_from(load.rate * WARM_UP_SECONDS)?;
    let genesis = genesis(seats.members.clone(), load.leaders, warm_up + count)?;
    let mut first = transfers::transfers(&genesis, load.shape, warm_up + count);
    let transfers = first.split_off(warm_up);
    let bytes_per_tx = transfers[0].to_bytes().len();
    let sample = Sample::new(&genesis);
    let before = sample.measure(load.nodes);
    let nodes = seats.start(&genesis, directory).await?;
    offer(load, genesis.network(), &nodes, first).await.context("warming up")?;
    let disk_before = disk_bytes(directory)?;
    let measured = offer(load, genesis.network(), &nodes, transfers).await;
    for node in &nodes {
        node.stop().await;
    }
    let measured = measured?;
    let disk = disk_bytes(directory)?.saturating_sub(disk_before);
    let limits = before.mean(sample.measure(load.nodes));
    let limit = limits.of(load.shape);
    let committed = measured.latencies_ms.len() as f64;
    let per_node = |total: f64| total / committed / load.nodes as f64;
    let committed_tps = committed / measured.settled_in.as_secs_f64();
    let cpu_us_per_tx_per_node = per_node(measured.cpu.as_secs_f64() * 1e6);
    Ok(Report {
        nodes: load.nodes,
        shape: load.shape,
        leaders: load.leaders,
        bytes_per_tx,
        offered_tps: count as f64 / measured.offered_for.as_secs_f64(),
        committed_tps,
        finality_ms: Finality {
            p50: percentile(&measured.latencies_ms, 50),
            p90: percentile(&measured.latencies_ms, 90),
            p99: percentile(&measured.latencies_ms, 99),
        },
        cpu_us_per_tx_per_node,
        wire_bytes_per_tx: measured.wire_bytes as f64 / committed,
        disk_bytes_per_tx: per_node(disk as f64),
        limit_tps: limit.tps,
        limits,
        ratio: committed_tps / limit.tps,
        cpu_ratio: limit.cpu_us_per_tx / cpu_us_per_tx_per_node,
    })
}

/// When transfers became final at one node.
type Finals = mpsc::UnboundedReceiver<(TransactionId, Instant)>;

/// Passes on final transfers of a node with the moment at which they were heard.
fn listen(node: &KernelNode) -> Finals {
    let (send, finals) = mpsc::unbounded_channel();
    let mut heard = node.listen();
    tokio::spawn(async move {
        loop {
            let verdicts = match heard.recv().await {
                Ok(Heard::Verdicts(verdicts)) => verdicts,
                Ok(_) | Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            };
            let now = Instant::now();
            for (id, verdict) in verdicts.iter() {
                if *verdict == Verdict::Final && send.send((*id, now)).is_err() {
                    return;
                }
            }
        }
    });
    finals
}

async fn offer(
    load: &Load,
    network: NetworkId,
    nodes: &[KernelNode],
    transfers: Vec<Transaction>,
) -> anyhow::Result<Measured> {
    let mut finals: Vec<Finals> = nodes.iter().map(listen).collect();
    let (cpu_before, wire_before) = (processor_time(), wire_bytes(nodes));
    let begin = Instant::now();
    let handed = hand_over(load.rate, network, nodes, transfers).await?;
    let offered_for = begin.elapsed();
    let mut latencies_ms = Vec::new();
    let mut last_final = begin;
    let deadline = tokio::time::Instant::now() + DRAIN;
    for (finals, mut handed) in finals.iter_mut().zip(handed) {
        while !handed.is_empty() {
            let Ok(Some((id, at))) = tokio::time::timeout_at(deadline, finals.recv()).await else { break };
            if let Some(since) = handed.remove(&id) {
                latencies_ms.push(at.duration_since(since).as_secs_f64() * 1000.0);
                last_final = last_final.max(at);
            }
        }
    }
    anyhow::ensure!(!latencies_ms.is_empty(), "no transfer became final");
    latencies_ms.sort_unstable_by(f64::total_cmp);
    Ok(Measured {
        offered_for,
        settled_in: last_final.duration_since(begin),
        latencies_ms,
        cpu: processor_time().zip(cpu_before).map_or(Duration::ZERO, |(after, before)| after - before),
        wire_bytes: wire_bytes(nodes) - wire_before,
    })
}

/// Hands the transfers over at `rate`; gives which node got which, and when.
async fn hand_over(
    rate: u64,
    network: NetworkId,
    nodes: &[KernelNode],
    transfers: Vec<Transaction>,
) -> anyhow::Result<Vec<BTreeMap<TransactionId, Instant>>> {
    let mut handed = vec![BTreeMap::new(); nodes.len()];
    let (total, begin) = (transfers.len(), Instant::now());
    let mut transfers = transfers.into_iter();
    let mut turns = (0..nodes.len()).cycle();
    while transfers.len() > 0 {
        let due = ((begin.elapsed().as_secs_f64() * rate as f64) as usize).min(total);
        let handed_over = total - transfers.len();
        let slice: Vec<Transaction> = transfers.by_ref().take(due - handed_over).collect();
        if let Some(node) = turns.next().filter(|_| !slice.is_empty()) {
            let at = Instant::now();
            let verified = verify_all(network, slice).map_err(|(_, reason)| reason)?;
            handed[node].extend(verified.iter().map(|transaction| (transaction.id(), at)));
            nodes[node].submit(verified).await;
        }
        tokio::time::sleep(SLICE).await;
    }
    Ok(handed)
}

/// Bytes that all nodes have sent each other.
fn wire_bytes(nodes: &[KernelNode]) -> u64 {
    nodes.iter().map(KernelNode::sent_bytes).sum()
}

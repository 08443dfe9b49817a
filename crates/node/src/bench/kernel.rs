//! `byway bench kernel`: how many transfers a kernel settles, how fast, and at what cost.
//!
//! All nodes run in this process over real TCP on loopback, each with its own disk and group fsync; every node verifies
//! every signature and applies every transfer. The load is transfers of one input and one output, signed beforehand, each
//! handed to one node at the offered rate. Finality is measured at that node, from hand-over to verdict.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use byway_crypto::ghost::{TransactionSecret, spend_check};
use byway_crypto::{BatchVerifier, GhostKey, WalletSecret};
use byway_ledger::Verdict;
use byway_primitives::{Amount, AssetId, NetworkId, Time};
use byway_records::transaction::{KeySignature, Value};
use byway_records::verified::verify_all;
use byway_records::{
    Body, Genesis, Input, Lock, Member, MemberSet, Output, OutputId, Parameters, Transaction, TransactionId, Witness,
};
use serde::Serialize;
use tokio::sync::mpsc;

use super::network::{Seats, seed};
use super::{percentile, processor_time};
use crate::kernel_node::{Heard, KernelNode};

/// Transfers are handed over in slices of this length.
const SLICE: Duration = Duration::from_millis(5);
/// How long after the last hand-over verdicts may still come.
const DRAIN: Duration = Duration::from_secs(10);
/// Signatures per batch where the limit is measured: what a busy snapshot holds.
const LIMIT_BATCH: usize = 256;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Load {
    pub nodes: usize,
    /// Transfers per second offered.
    pub rate: u64,
    pub seconds: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub nodes: usize,
    pub offered_tps: f64,
    pub committed_tps: f64,
    pub finality_ms: Finality,
    pub cpu_us_per_tx_per_node: f64,
    pub wire_bytes_per_tx: f64,
    /// Transfers per second if nothing had to be done but to verify signatures and decompress output keys, at all nodes
    /// on all cores, measured in this run.
    pub limit_tps: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Finality {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
}

/// Runs the benchmark with the nodes' state under `directory`.
pub async fn run(load: &Load, directory: &Path) -> anyhow::Result<Report> {
    let count = usize::try_from(load.rate * load.seconds)?;
    anyhow::ensure!(count > 0, "nothing to measure: --rate and --seconds must be above zero");
    let seats = Seats::take(load.nodes).await?;
    let genesis = Arc::new(genesis(seats.members.clone(), count)?);
    let transfers = transfers(&genesis, count);
    let limit_tps = limit(&genesis, &transfers, load.nodes);
    let nodes = seats.start(&genesis, directory).await?;
    let measured = offer(load, genesis.network(), &nodes, transfers).await;
    for node in &nodes {
        node.stop().await;
    }
    let mut report = measured?;
    report.limit_tps = limit_tps;
    Ok(report)
}

fn genesis(members: Vec<Member>, outputs: usize) -> anyhow::Result<Genesis> {
    let funding = TransactionSecret::from_seed(&seed(&[b"funding"]));
    let address = payer().address();
    let outputs = (0..outputs as u32).map(|index| {
        let (key, tag) = funding.derive(&address, index);
        Output { lock: Lock::single(key), view_tags: vec![tag], value: value() }
    });
    let genesis = Genesis {
        name: "bench".to_owned(),
        time: Time(1),
        test: true,
        parameters: Parameters::standard(),
        members: MemberSet::new(members),
        pool: Amount::ZERO,
        ghost: funding.public(),
        outputs: outputs.collect(),
    };
    genesis.validate().context("the bench's own genesis")?;
    Ok(genesis)
}

fn payer() -> WalletSecret {
    WalletSecret::from_seed(&seed(&[b"payer"]))
}

fn value() -> Value {
    Value { asset: AssetId::WAY, amount: Amount::from_coins(1) }
}

/// One transfer per genesis output, each to a key of its own.
fn transfers(genesis: &Genesis, count: usize) -> Vec<Transaction> {
    let (payer, payee) = (payer(), WalletSecret::from_seed(&seed(&[b"payee"])).address());
    let (network, made_by) = (genesis.network(), genesis.transaction());
    let transfer = |index: u32| {
        let spent = &genesis.outputs[index as usize];
        let secret = TransactionSecret::from_seed(&seed(&[b"transfer", &index.to_le_bytes()]));
        let (key, tag) = secret.derive(&payee, 0);
        let body = Body {
            inputs: vec![Input { spent: OutputId { transaction: made_by, index }, lock: spent.lock.clone() }],
            outputs: vec![Output { lock: Lock::single(key), view_tags: vec![tag], value: value() }],
            ghost: Some(secret.public()),
            call: None,
            fee: Amount::ZERO,
            expires: Time::ZERO,
        };
        let key = payer.spend_secret(genesis.ghost, index, spent.lock.keys[0]).expect("it was made for this wallet");
        let signature = KeySignature { key: 0, signature: key.sign(network, &body.id().0.0) };
        Transaction { body, witness: Witness { spends: vec![vec![signature]], authorisations: Vec::new() } }
    };
    (0..count as u32).map(transfer).collect()
}

/// What one listener found out: when each transfer handed to its node was final.
type Finals = mpsc::UnboundedReceiver<(TransactionId, Instant)>;

/// Passes on final transfers of a node with the moment at which they were heard.
fn listen(node: &KernelNode) -> Finals {
    let (send, finals) = mpsc::unbounded_channel();
    let mut heard = node.listen();
    tokio::spawn(async move {
        while let Ok(news) = heard.recv().await {
            let Heard::Verdicts(verdicts) = news else { continue };
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
) -> anyhow::Result<Report> {
    let mut finals: Vec<Finals> = nodes.iter().map(listen).collect();
    let total = transfers.len();
    let (cpu_before, wire_before) = (processor_time(), wire_bytes(nodes));
    let begin = Instant::now();
    let mut handed: Vec<BTreeMap<TransactionId, Instant>> = vec![BTreeMap::new(); nodes.len()];
    let mut transfers = transfers.into_iter();
    let mut offered = 0usize;
    let mut turn = 0;
    while offered < total {
        let due = ((begin.elapsed().as_secs_f64() * load.rate as f64) as usize).min(total);
        let slice: Vec<Transaction> = transfers.by_ref().take(due - offered).collect();
        offered = due;
        let per_node = slice.len().div_ceil(nodes.len()).max(1);
        for chunk in slice.chunks(per_node) {
            let node = turn % nodes.len();
            turn += 1;
            let at = Instant::now();
            let verified = verify_all(network, chunk.to_vec()).map_err(|(_, reason)| reason)?;
            handed[node].extend(verified.iter().map(|transaction| (transaction.id(), at)));
            nodes[node].submit(verified).await;
        }
        tokio::time::sleep(SLICE).await;
    }
    let offered_for = begin.elapsed();
    let mut latencies = Vec::with_capacity(total);
    let mut last_final = begin;
    let deadline = tokio::time::Instant::now() + DRAIN;
    for (finals, handed) in finals.iter_mut().zip(&mut handed) {
        while !handed.is_empty() {
            let Ok(Some((id, at))) = tokio::time::timeout_at(deadline, finals.recv()).await else { break };
            if let Some(since) = handed.remove(&id) {
                latencies.push(at.duration_since(since).as_secs_f64() * 1000.0);
                last_final = last_final.max(at);
            }
        }
    }
    let cpu = processor_time().zip(cpu_before).map_or(0.0, |(after, before)| (after - before).as_secs_f64());
    let wire = wire_bytes(nodes) - wire_before;
    let committed = latencies.len();
    anyhow::ensure!(committed > 0, "no transfer became final");
    latencies.sort_unstable_by(f64::total_cmp);
    let span = last_final.duration_since(begin).as_secs_f64();
    Ok(Report {
        nodes: nodes.len(),
        offered_tps: offered as f64 / offered_for.as_secs_f64(),
        committed_tps: committed as f64 / span,
        finality_ms: Finality {
            p50: percentile(&latencies, 50),
            p90: percentile(&latencies, 90),
            p99: percentile(&latencies, 99),
        },
        cpu_us_per_tx_per_node: cpu * 1e6 / committed as f64 / nodes.len() as f64,
        wire_bytes_per_tx: wire as f64 / committed as f64,
        limit_tps: 0.0,
    })
}

/// Bytes that all nodes have sent each other.
fn wire_bytes(nodes: &[KernelNode]) -> u64 {
    nodes.iter().map(KernelNode::sent_bytes).sum()
}

/// Transfers per second with verification and decompression alone, on all cores, for all nodes.
fn limit(genesis: &Genesis, transfers: &[Transaction], nodes: usize) -> f64 {
    let network = genesis.network();
    let sample = &transfers[..transfers.len().min(8 * LIMIT_BATCH)];
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| sample.chunks(LIMIT_BATCH).for_each(|batch| assert!(verifies(network, batch))));
        }
    });
    (sample.len() * cores) as f64 / begin.elapsed().as_secs_f64() / nodes as f64
}

fn verifies(network: NetworkId, transfers: &[Transaction]) -> bool {
    let mut batch = BatchVerifier::new();
    for transfer in transfers {
        let digest = transfer.body.spend_digest(network);
        for (input, signatures) in transfer.body.inputs.iter().zip(&transfer.witness.spends) {
            batch.extend(signatures.iter().map(|s| spend_check(input.lock.keys[0], digest, s.signature)));
        }
    }
    let keys = |t: &Transaction| t.body.ghost.iter().chain(&t.body.outputs[0].lock.keys).all(GhostKey::is_valid);
    transfers.iter().all(keys) && batch.all_verify()
}

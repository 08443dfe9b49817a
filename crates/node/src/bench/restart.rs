//! `byway bench restart`: how soon a node with many unspent outputs votes again, and what they cost in memory and on disk.
//!
//! A small network fills itself: each transaction spends what the one before left and makes as many outputs as fit. Then
//! one node is stopped and started again while the others go on, and what is measured ends with its first new snapshot.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use byway_crypto::ghost::TransactionSecret;
use byway_crypto::{GhostKey, SpendSecret, WalletSecret};
use byway_primitives::{Amount, AssetId, Time};
use byway_records::transaction::{KeySignature, OUTPUTS_MAX, Value};
use byway_records::verified::verify_all;
use byway_records::{
    Body, Genesis, Input, Lock, Member, MemberSet, Output, OutputId, Parameters, Transaction, Witness,
};
use serde::Serialize;

use super::network::{Seats, seed};
use super::{disk_bytes, processor_time, resident_bytes};
use crate::kernel_node::KernelNode;

/// As few as still agree while one is down.
const NODES: usize = 4;
/// Transactions handed over at once, and how many may wait for their verdicts.
const AT_ONCE: usize = 32;
const PENDING_MAX: usize = 4 * AT_ONCE;
const POLL: Duration = Duration::from_millis(1);
/// How long the node may take to vote again.
const VOTE_WAIT: Duration = Duration::from_secs(120);
/// What a transaction gives to each output but the one that goes on: dust, so that the coins last.
const DUST: Amount = Amount::from_units(1_000_000_000_000);

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub outputs: u64,
    /// Until the node has opened its store and its port.
    pub open_ms: f64,
    /// Until it has signed a new snapshot, from the same moment on.
    pub voting_ms: f64,
    /// Processor time until then, of the whole process, whose other nodes have little to do meanwhile.
    pub cpu_ms: f64,
    /// Memory of one node afterwards: its share of the process.
    pub resident_bytes: u64,
    pub resident_bytes_per_million_outputs: f64,
    /// Of one node's folder, transactions and scan data included.
    pub disk_bytes: u64,
    pub disk_bytes_per_output: f64,
    pub disk_bytes_per_tx: f64,
}

/// Runs the benchmark with `outputs` unspent outputs and the nodes' state under `directory`.
pub async fn run(outputs: u64, directory: &Path) -> anyhow::Result<Report> {
    let mut seats = Seats::take(NODES).await?;
    let filler = Filler::new();
    let genesis = filler.genesis(seats.members.clone())?;
    let mut nodes = seats.start(&genesis, directory).await?;
    let transactions = filler.fill(&genesis, outputs, &nodes[0]).await?;
    let stopped = nodes.pop().context("there are nodes")?;
    let index = nodes.len();
    let round = stopped.status().await.context("the node ended")?.own_round;
    stopped.stop().await;
    drop(stopped);
    let listener = seats.listen_again(index).await?;
    let (begin, cpu_before) = (Instant::now(), processor_time());
    let node = seats.restart(index, &genesis, directory, listener).await?;
    let open_ms = begin.elapsed().as_secs_f64() * 1000.0;
    while node.status().await.context("the node ended")?.own_round <= round {
        ensure!(begin.elapsed() < VOTE_WAIT, "the restarted node does not vote");
        tokio::time::sleep(POLL).await;
    }
    let voting_ms = begin.elapsed().as_secs_f64() * 1000.0;
    let cpu = processor_time().zip(cpu_before).map_or(Duration::ZERO, |(after, before)| after - before);
    let resident = resident_bytes().unwrap_or(0) / NODES as u64;
    node.stop().await;
    for node in &nodes {
        node.stop().await;
    }
    let disk = disk_bytes(directory)? / NODES as u64;
    Ok(Report {
        outputs,
        open_ms,
        voting_ms,
        cpu_ms: cpu.as_secs_f64() * 1000.0,
        resident_bytes: resident,
        resident_bytes_per_million_outputs: resident as f64 * 1e6 / outputs as f64,
        disk_bytes: disk,
        disk_bytes_per_output: disk as f64 / outputs as f64,
        disk_bytes_per_tx: disk as f64 / transactions as f64,
    })
}

/// Makes transactions that only make outputs, all under one key: a ledger doesn't care, and a wallet isn't measured.
struct Filler {
    ghost: GhostKey,
    key: SpendSecret,
    view_tag: u8,
}

impl Filler {
    fn new() -> Self {
        let secret = TransactionSecret::from_seed(&seed(&[b"filler"]));
        let wallet = WalletSecret::from_seed(&seed(&[b"filled"]));
        let (key, view_tag) = secret.derive(&wallet.address(), 0);
        let key = wallet.spend_secret(secret.public(), 0, key).expect("it was made for this wallet");
        Self { ghost: secret.public(), key, view_tag }
    }

    fn genesis(&self, members: Vec<Member>) -> anyhow::Result<Arc<Genesis>> {
        let genesis = Genesis {
            name: "bench".to_owned(),
            time: Time(1),
            test: true,
            parameters: Parameters::standard(),
            members: MemberSet::new(members),
            pool: Amount::ZERO,
            ghost: self.ghost,
            outputs: vec![self.output(Amount::from_coins(900_000))],
        };
        genesis.validate().context("the bench's own genesis")?;
        Ok(Arc::new(genesis))
    }

    fn output(&self, amount: Amount) -> Output {
        let lock = Lock::single(self.key.public());
        Output { lock, view_tags: vec![self.view_tag], value: Value { asset: AssetId::WAY, amount } }
    }

    /// Fills the ledger through `node`; gives how many transactions that took.
    async fn fill(&self, genesis: &Genesis, outputs: u64, node: &KernelNode) -> anyhow::Result<u64> {
        let mut left = OutputId { transaction: genesis.transaction(), index: 0 };
        let mut amount = genesis.outputs[0].value.amount;
        // Each but the first makes one less than it has outputs, since it spends one.
        let count = outputs.div_ceil(OUTPUTS_MAX as u64 - 1);
        let mut made = 0;
        while made < count {
            let mut batch = Vec::new();
            while batch.len() < AT_ONCE && made < count {
                let given = Amount::from_units(DUST.units() * (OUTPUTS_MAX as u128 - 1));
                amount = amount.checked_sub(given).context("so many outputs would take more than all coins")?;
                let transaction = self.transaction(genesis, left, amount);
                left = OutputId { transaction: transaction.id(), index: 0 };
                batch.push(transaction);
                made += 1;
            }
            let expected = batch.len();
            let verified = verify_all(genesis.network(), batch).map_err(|(_, reason)| reason)?;
            ensure!(node.submit(verified).await == expected, "the node did not take the bench's transactions");
            while node.status().await.context("the node ended")?.transactions_pending > PENDING_MAX {
                tokio::time::sleep(POLL).await;
            }
        }
        while node.status().await.context("the node ended")?.transactions_pending > 0 {
            tokio::time::sleep(POLL).await;
        }
        Ok(count)
    }

    /// Spends `spent`, leaves `rest` in output 0 and dust in all others.
    fn transaction(&self, genesis: &Genesis, spent: OutputId, rest: Amount) -> Transaction {
        let dust = std::iter::repeat_n(self.output(DUST), OUTPUTS_MAX - 1);
        let body = Body {
            inputs: vec![Input { spent, lock: Lock::single(self.key.public()) }],
            outputs: std::iter::once(self.output(rest)).chain(dust).collect(),
            ghost: Some(self.ghost),
            call: None,
            fee: Amount::ZERO,
            expires: Time::ZERO,
        };
        let signature = KeySignature { key: 0, signature: self.key.sign(genesis.network(), &body.id().0.0) };
        Transaction { body, witness: Witness { spends: vec![vec![signature]], authorisations: Vec::new() } }
    }
}

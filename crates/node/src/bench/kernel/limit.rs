//! What the machine could settle if nothing had to be done but to check signatures and keys.
//!
//! The limit of a shape is what all cores together verify of it (every signature, in batches as large as pay, and every
//! key that an output or the transaction publishes decompressed) divided by the number of nodes, since each verifies
//! everything.

use std::time::Instant;

use byway_crypto::ghost::spend_check;
use byway_crypto::{BatchVerifier, GhostKey};
use byway_primitives::NetworkId;
use byway_records::{Genesis, Transaction};
use serde::Serialize;

use super::transfers::{Shape, transfers};
use crate::bench::processor_time;

/// Signatures per batch: what a busy snapshot holds.
const BATCH: usize = 256;
/// Transfers verified by each core.
const SAMPLE: usize = 32 * BATCH;

/// Of each shape.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Limits {
    #[serde(rename = "1-1")]
    pub one_to_one: Limit,
    pub ghost: Limit,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Limit {
    /// Transfers per second, by the clock on the wall.
    pub tps: f64,
    /// Processor time of one transfer at one node, which other programs on the machine hardly change.
    pub cpu_us_per_tx: f64,
}

/// What is measured once the load is made: samples of both shapes.
pub struct Sample {
    network: NetworkId,
    one_to_one: Vec<Transaction>,
    ghost: Vec<Transaction>,
}

impl Limits {
    pub fn of(&self, shape: Shape) -> Limit {
        match shape {
            Shape::OneToOne => self.one_to_one,
            Shape::Ghost => self.ghost,
        }
    }

    /// The mean of two measurements.
    pub fn mean(self, other: Self) -> Self {
        Self { one_to_one: self.one_to_one.mean(other.one_to_one), ghost: self.ghost.mean(other.ghost) }
    }
}

impl Limit {
    fn mean(self, other: Self) -> Self {
        let mean = |a: f64, b: f64| (a + b) / 2.0;
        Self { tps: mean(self.tps, other.tps), cpu_us_per_tx: mean(self.cpu_us_per_tx, other.cpu_us_per_tx) }
    }
}

impl Sample {
    pub fn new(genesis: &Genesis) -> Self {
        let count = SAMPLE.min(genesis.outputs.len());
        let of = |shape| transfers(genesis, shape, count);
        Self { network: genesis.network(), one_to_one: of(Shape::OneToOne), ghost: of(Shape::Ghost) }
    }

    /// For a network of `nodes`. Nothing else may run in this process meanwhile.
    pub fn measure(&self, nodes: usize) -> Limits {
        let of = |transfers: &[Transaction]| limit(self.network, transfers, nodes);
        Limits { one_to_one: of(&self.one_to_one), ghost: of(&self.ghost) }
    }
}

fn limit(network: NetworkId, transfers: &[Transaction], nodes: usize) -> Limit {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (begin, cpu_before) = (Instant::now(), processor_time());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| transfers.chunks(BATCH).for_each(|batch| assert!(verifies(network, batch))));
        }
    });
    let verified = (transfers.len() * cores) as f64;
    let cpu = processor_time().zip(cpu_before).map_or(0.0, |(after, before)| (after - before).as_secs_f64());
    Limit { tps: verified / begin.elapsed().as_secs_f64() / nodes as f64, cpu_us_per_tx: cpu * 1e6 / verified }
}

fn verifies(network: NetworkId, transfers: &[Transaction]) -> bool {
    let mut batch = BatchVerifier::new();
    for transfer in transfers {
        let digest = transfer.body.spend_digest(network);
        for (input, signatures) in transfer.body.inputs.iter().zip(&transfer.witness.spends) {
            batch.extend(signatures.iter().map(|s| spend_check(input.lock.keys[0], digest, s.signature)));
        }
    }
    let published = |t: &Transaction| {
        let outputs = t.body.outputs.iter().flat_map(|output| &output.lock.keys);
        t.body.ghost.iter().chain(outputs).all(GhostKey::is_valid)
    };
    transfers.iter().all(published) && batch.all_verify()
}

//! How long transactions take, in units of the network's delay.
//!
//! Every message takes δ and every node gets transactions at random moments, often enough that rounds follow each other
//! as fast as messages do. A write takes next to nothing: the simulated disk makes them durable one after the other, where
//! a driver takes all that wait together, and with fifty nodes that would be what is measured. Measured is from receipt by
//! a node to the verdict at that node, under virtual time: so it says what the protocol costs, and nothing about a machine.

use byway_primitives::Span;
use byway_records::genesis::{LeaderKind, LeaderRule, faults_tolerated};

use super::{KernelSim, Setup};
use crate::network::{Latency, Link};
use crate::world::Act;

/// The one-way delay. Long against the millisecond that nodes' clocks are precise to.
pub const DELTA_US: u64 = 50_000;

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct LatencyPlan {
    pub seed: u64,
    pub nodes: usize,
    pub rule: LeaderRule,
    /// f nodes are down.
    pub is_crashed: bool,
    /// Transactions, over `span_ms`.
    pub transactions: u64,
    pub span_ms: u64,
}

/// Latencies of many transactions, in microseconds, rising.
#[derive(Debug, Clone)]
pub struct Latencies(Vec<u64>);

impl LatencyPlan {
    /// Rules with everybody a leader in every round: what is decided soonest.
    pub const fn everybody(kind: LeaderKind) -> LeaderRule {
        LeaderRule { kind, leaders_per_round: 50 }
    }

    /// Runs it. Fails if a transaction does not become final.
    pub fn run(self) -> Latencies {
        let link = Link { latency: Latency::between_us(DELTA_US, DELTA_US), loss_ppm: 0 };
        let coins = u32::try_from(self.transactions).unwrap_or(u32::MAX);
        let setup = Setup {
            nodes: self.nodes,
            link,
            leader_rule: self.rule,
            coins,
            disk: Latency::between_us(1, 4),
            snapshot_interval_min: Span::millis(6),
            ..Setup::local(self.seed)
        };
        let mut sim = setup.build();
        let down = if self.is_crashed { faults_tolerated(self.nodes) } else { 0 };
        let up = self.nodes - down;
        sim.run_until_coin();
        sim.run_ms(1_000);
        for node in up..self.nodes {
            sim.world.act_in(0, Act::Crash { node });
        }
        sim.run_ms(1_000);
        self.submit(&mut sim, up);
        sim.run_ms(self.span_ms + 3_000);
        sim.assert_settled();
        let mut latencies = sim.checks().latencies_us.clone();
        latencies.sort_unstable();
        Latencies(latencies)
    }

    fn submit(&self, sim: &mut KernelSim, up: usize) {
        for number in 0..self.transactions {
            let at_us = sim.world.random().below(self.span_ms * 1000);
            sim.pay_in(at_us, number as usize % up);
        }
    }
}

impl Latencies {
    /// The latency that so many percent don't exceed, in hundredths of δ.
    pub fn percentile_centideltas(&self, percent: usize) -> u64 {
        let place = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(place).map_or(0, |latency| latency * 100 / DELTA_US)
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }
}

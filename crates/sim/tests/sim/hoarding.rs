//! Members that withhold full snapshots and show them all at once make a commit of hundreds of them. It is cut into
//! checkpoints that fit, so that everybody gets past: who executes, who follows and who steps.

use std::collections::BTreeMap;

use byway_kernel::archive::stored_certificate;
use byway_kernel::follower::{Follower, PROGRAMS, serve};
use byway_primitives::{Amount, Encode, MemoryStore, Span};
use byway_records::genesis::Wait;
use byway_records::{Height, TransactionId};
use byway_sim::kernel::Conduct;
use byway_sim::{Act, KernelSim, Setup};

use crate::kernel::{assert_all_certified, warm};
use crate::seeds;

const BOUND: u64 = 8 << 10;
const HOARDERS: [usize; 2] = [8, 9];
/// Rounds that they sign for in secret: nearly all from which a snapshot can still be committed.
const ROUNDS: usize = 40;
const PER_SNAPSHOT: usize = 4;
/// Outputs of each of their transactions.
const OUTPUTS: u128 = 32;

/// Follows from genesis by what a node keeps. How far that leads, and the largest step.
fn follow(sim: &KernelSim, node: usize) -> (Height, usize) {
    let store = sim.world.disk(node).visible();
    let mut follower = Follower::open(sim.setup.genesis(), &PROGRAMS, &MemoryStore::new()).expect("nothing is stored");
    let mut largest = 0;
    loop {
        let next = follower.next_height();
        let steps = serve::steps(store, stored_certificate, next, &PROGRAMS, serve::ANSWER_BYTES_MAX);
        if steps.is_empty() {
            return (follower.tip().expect("it got somewhere").height, largest);
        }
        for step in steps {
            largest = largest.max(step.to_bytes().len());
            follower.advance(step).expect("an honest node's steps are true");
        }
    }
}

/// How many checkpoints the commit was cut into that made the most.
fn most_at_once(sim: &KernelSim, node: usize) -> usize {
    let store = sim.world.disk(node).visible();
    let mut by_time = BTreeMap::new();
    for certificate in (1..).map_while(|height| stored_certificate(store, Height(height))) {
        *by_time.entry(certificate.checkpoint.time).or_insert(0) += 1;
    }
    by_time.into_values().max().unwrap_or(0)
}

/// Hands each of them enough to fill its snapshots with.
fn feed(sim: &mut KernelSim) -> Vec<TransactionId> {
    let part = Amount::from_units(Amount::from_coins(1).units() / OUTPUTS);
    let mut handed = Vec::new();
    for node in HOARDERS {
        for _ in 0..ROUNDS * PER_SNAPSHOT {
            let split = sim.fresh_split(&[part; OUTPUTS as usize]);
            handed.push(split.id());
            sim.submit_in(0, node, split);
        }
    }
    handed
}

#[test]
fn everyone_gets_past_what_was_withheld_and_shown_at_once() {
    seeds(1, 30, |seed| {
        let hoarder = Conduct::Hoarder { rounds: ROUNDS, transactions: PER_SNAPSHOT };
        let mut sim = warm(Setup {
            nodes: 10,
            adversaries: HOARDERS.map(|node| (node, hoarder)).to_vec(),
            coins: 400,
            round_horizon: 48,
            checkpoint_bytes: BOUND,
            epoch_life: Wait { millis: Span::seconds(2), commits: 20 },
            epochs_kept: Some(1),
            ..Setup::local(seed)
        });
        let handed = feed(&mut sim);
        sim.run_ms(100);
        sim.world.act_in(0, Act::Crash { node: 7 });
        sim.pay_steadily(&[0, 1, 2, 3], 60, 6_000);
        sim.run_ms(6_000);
        let at_once = most_at_once(&sim, 0);
        assert!(at_once > 20, "seed {seed}: {at_once} checkpoints of one commit");
        let finals = handed.iter().filter(|id| sim.checks().verdict(id).is_some()).count();
        assert!(finals > handed.len() / 2, "seed {seed}: {finals} of {}", handed.len());
        sim.restart_in(0, 1, 50);
        sim.world.act_in(0, Act::Start { node: 7 });
        sim.run_ms(5_000);
        assert!(sim.checks().progress[7].stepped > 0, "seed {seed}: it went by steps");
        sim.assert_settled();
        assert_all_certified(&sim);
        let certified = sim.checks().progress[0].certified;
        let (reached, largest) = follow(&sim, 0);
        assert_eq!(reached, certified, "seed {seed}: followers get there too");
        // A transaction with that many outputs, the certificate, the end of an epoch.
        assert!(largest < BOUND as usize + (8 << 10), "seed {seed}: {largest} bytes");
    });
}

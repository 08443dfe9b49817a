//! Everything at once, drawn by the seed: up to f adversaries, nodes that crash, lose their disks or are cut off, bad
//! links, clocks that are off, epochs that end, and clients that spend their coins twice.
//!
//! This is the scenario of the long run: 100,000 seeds with seven nodes, 10,000 with ten and 1,000 with fifty. What
//! `KernelChecks` watches holds in all of them; in the end what was paid is final, and no honest node is marked.

use byway_ledger::Verdict;
use byway_primitives::{MemoryStore, Span};
use byway_records::genesis::Wait;
use byway_records::{Standing, TransactionId};
use byway_sim::kernel::Conduct;
use byway_sim::network::Link;
use byway_sim::random::Random;
use byway_sim::{Act, KernelSim, Setup};

use crate::epochs::standing;
use crate::kernel::{assert_all_certified, warm};
use crate::seeds;

const CONDUCTS: [Conduct; 13] = [
    Conduct::Equivocator,
    Conduct::OldCheckpoint,
    Conduct::FutureCheckpoint,
    Conduct::FalseVoter,
    Conduct::DoubleSpender,
    Conduct::Withholder,
    Conduct::IllSigner,
    Conduct::Silent,
    Conduct::Boaster,
    Conduct::FarSigner,
    Conduct::FalseStepper,
    Conduct::IdleStepper,
    Conduct::Unhelpful,
];

/// As many as clients spend at most.
const COINS: u32 = 40;

#[test]
fn seven_nodes_in_a_storm() {
    seeds(8, 100_000, |seed| storm(7, seed));
}

#[test]
fn ten_nodes_in_a_storm() {
    seeds(2, 10_000, |seed| storm(10, seed));
}

#[test]
fn fifty_nodes_in_a_storm() {
    seeds(1, 1_000, |seed| storm(50, seed));
}

fn storm(nodes: usize, seed: u64) {
    let mut chance = Random::from_seed(seed);
    let setup = drawn(nodes, seed, &mut chance);
    let mut sim = warm(setup);
    let honest = sim.honest();
    // Who is handed what must become final stays up; of what others were handed only what was in a snapshot does.
    let (reliable, shaken) = honest.split_at(honest.len() - 1);
    sim.pay_steadily(reliable, 10 + chance.below(20), 2_000);
    let mut doubles = Vec::new();
    for number in 0..4 {
        let pair = (pick(&mut chance, &honest), pick(&mut chance, &honest));
        doubles.push(sim.pay_twice_in(number * 300_000, pair));
    }
    let has_room = sim.setup.adversaries.len() < (nodes - 1) / 3;
    if has_room {
        shake(&mut sim, shaken[0], &mut chance);
    }
    sim.run_ms(2_000);
    // The first coins once more, now that they are spent: before, the second transfer could be the one that is final.
    sim.run_until_final(5_000);
    for coin in 0..4 {
        let again = sim.purse.spend(coin, 3);
        sim.submit_in(chance.below(300_000), chance.below(nodes as u64) as usize, again);
    }
    sim.run_ms(if nodes > 10 { 3_000 } else { 5_000 });
    sim.run_until_level(1_000);
    sim.assert_settled();
    assert_all_certified(&sim);
    assert_honest_are_unharmed(&sim, &doubles);
}

/// A network and what is wrong with it from the beginning.
fn drawn(nodes: usize, seed: u64, chance: &mut Random) -> Setup {
    let link = match chance.below(3) {
        0 => Link::LOCAL,
        1 => Link::LOCAL.with_loss_ppm(20_000),
        // Fifty nodes that are far from each other take too long for a sample.
        _ if nodes > 10 => Link::LOCAL.with_loss_ppm(5_000),
        _ => Link::WIDE.with_loss_ppm(5_000),
    };
    let bad = chance.below((nodes as u64 - 1) / 3 + 1) as usize;
    let first = chance.below((nodes - bad) as u64) as usize;
    let adversaries =
        (first..first + bad).map(|node| (node, CONDUCTS[chance.below(CONDUCTS.len() as u64) as usize])).collect();
    let standard = Setup::local(seed);
    let epoch_life =
        if chance.one_in(2) { Wait { millis: Span::millis(700), commits: 20 } } else { standard.epoch_life };
    Setup {
        nodes,
        coins: COINS,
        link,
        adversaries,
        epoch_life,
        epochs_kept: (!chance.one_in(3)).then_some(1),
        skew_max_ms: chance.below(100),
        snapshot_interval_min: Span::millis(if nodes > 10 { 50 } else { 10 }),
        ..standard
    }
}

/// Does something to an honest node, which counts as one that is faulty meanwhile.
fn shake(sim: &mut KernelSim, node: usize, chance: &mut Random) {
    let (from_ms, span_ms) = (chance.below(800), 50 + chance.below(1_500));
    match chance.below(3) {
        0 => sim.restart_in(from_ms, node, span_ms),
        1 => sim.partition_in(from_ms, &[node], span_ms),
        _ => {
            sim.world.act_in(from_ms * 1_000, Act::Crash { node });
            sim.run_ms(from_ms + 1);
            sim.world.replace_disk(node, MemoryStore::new());
            sim.world.act_in(span_ms * 1_000, Act::Start { node });
        }
    }
}

fn assert_honest_are_unharmed(sim: &KernelSim, doubles: &[[TransactionId; 2]]) {
    let seed = sim.setup.seed;
    for node in sim.honest() {
        let counts = standing(sim, sim.honest()[0], node) == Some(Standing::Counting);
        assert!(counts, "seed {seed}: honest node {node} of {} was convicted", sim.setup.nodes);
    }
    for pair in doubles {
        let finals = pair.iter().filter(|id| sim.checks().verdict(id) == Some(Verdict::Final)).count();
        assert!(finals <= 1, "seed {seed}: two transfers of one coin are final");
    }
}

fn pick(chance: &mut Random, nodes: &[usize]) -> usize {
    nodes[chance.below(nodes.len() as u64) as usize]
}

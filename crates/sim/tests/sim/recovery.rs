//! Nodes whose disk was lost or put back from a copy take part again, and never sign a round twice. That they don't is
//! watched by `KernelChecks`, over all their lives.

use byway_kernel::mark_restored;
use byway_primitives::{Batch, MemoryStore};
use byway_sim::kernel::Conduct;
use byway_sim::network::Link;
use byway_sim::{Act, KernelSim, Setup};

use crate::kernel::{assert_all_certified, warm};
use crate::{is_long, seeds};

/// What became of a node's disk while the node was down.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// Nothing is left.
    Wiped,
    /// A copy is put back, and the node is told so.
    Restored,
    /// A copy is put back, and nobody tells.
    Swapped,
}

/// Takes `node` down with everything that it has not written, replaces its disk, and starts it again after `down_ms`.
fn lose(sim: &mut KernelSim, node: usize, copy: &MemoryStore, loss: Loss, down_ms: u64) {
    sim.world.act_in(0, Act::Crash { node });
    sim.run_ms(1);
    let disk = match loss {
        Loss::Wiped => MemoryStore::new(),
        Loss::Swapped => copy.clone(),
        Loss::Restored => {
            let (mut disk, mut batch) = (copy.clone(), Batch::new());
            mark_restored(&mut batch);
            disk.apply(&batch);
            disk
        }
    };
    sim.world.replace_disk(node, disk);
    sim.run_ms(down_ms);
    sim.world.act_in(0, Act::Start { node });
}

/// Fails unless `node` has recovered once for each loss, and signed since.
fn assert_recovered(sim: &KernelSim, node: usize, losses: usize) {
    let progress = &sim.checks().progress[node];
    let seed = sim.setup.seed;
    assert_eq!(progress.recoveries, losses, "seed {seed}");
    assert!(!sim.kernel(node).is_recovering(), "seed {seed}");
    assert_eq!(sim.kernel(node).status().fatal, None, "seed {seed}");
}

#[test]
fn a_node_takes_part_again_whatever_became_of_its_disk() {
    for loss in [Loss::Wiped, Loss::Restored, Loss::Swapped] {
        seeds(3, 200, |seed| {
            let link = if seed % 3 == 0 { Link::LOCAL.with_loss_ppm(20_000) } else { Link::LOCAL };
            let mut sim = warm(Setup { link, ..Setup::local(seed) });
            sim.pay_steadily(&[0, 1, 2], 60, 3_000);
            sim.run_ms(200 + seed % 300);
            let copy = sim.world.disk(6).durable().clone();
            sim.run_ms(100 + seed % 500);
            lose(&mut sim, 6, &copy, loss, seed % 200);
            sim.run_ms(1_500);
            let signed = sim.checks().progress[6].snapshots;
            sim.run_ms(2_500);
            sim.assert_settled();
            assert_all_certified(&sim);
            assert_recovered(&sim, 6, 1);
            assert!(sim.checks().progress[6].snapshots > signed, "seed {seed}, {loss:?}: it signs again");
        });
    }
}

#[test]
fn f_nodes_may_lose_their_disks_at_once() {
    seeds(2, 100, |seed| {
        let mut sim = warm(Setup::local(seed));
        sim.pay_steadily(&[0, 1, 2], 60, 3_000);
        sim.run_ms(300);
        let copy = sim.world.disk(5).durable().clone();
        sim.run_ms(200);
        lose(&mut sim, 5, &copy, Loss::Restored, 0);
        lose(&mut sim, 6, &copy, Loss::Wiped, 50);
        sim.run_ms(4_500);
        sim.assert_settled();
        assert_all_certified(&sim);
        assert_recovered(&sim, 5, 1);
        assert_recovered(&sim, 6, 1);
    });
}

#[test]
fn nobody_can_keep_a_node_from_recovering_or_make_it_sign_twice() {
    for conduct in [Conduct::Equivocator, Conduct::Withholder, Conduct::Boaster, Conduct::FarSigner] {
        seeds(2, 100, |seed| {
            let mut sim = warm(Setup { adversaries: vec![(3, conduct)], ..Setup::local(seed) });
            sim.pay_steadily(&[0, 1, 2], 60, 3_000);
            sim.run_ms(600);
            lose(&mut sim, 6, &MemoryStore::new(), Loss::Wiped, seed % 100);
            sim.run_ms(if is_long() { 8_000 } else { 5_000 });
            sim.assert_settled();
            assert_recovered(&sim, 6, 1);
        });
    }
}

#[test]
fn without_enough_others_it_waits_and_goes_on_when_they_are_back() {
    seeds(2, 50, |seed| {
        let mut sim = warm(Setup::local(seed));
        sim.pay_steadily(&[0, 1, 2], 20, 500);
        sim.run_ms(1_000);
        // With it and two others gone there are four: neither a quorum nor enough to ask.
        sim.world.act_in(0, Act::Crash { node: 4 });
        sim.world.act_in(0, Act::Crash { node: 5 });
        lose(&mut sim, 6, &MemoryStore::new(), Loss::Wiped, 0);
        sim.run_ms(3_000);
        assert!(sim.kernel(6).is_recovering(), "seed {seed}: four have shown theirs, five are needed");
        sim.world.act_in(0, Act::Start { node: 4 });
        sim.run_ms(3_000);
        assert!(!sim.kernel(6).is_recovering(), "seed {seed}");
        sim.pay_steadily(&[0, 1, 6], 20, 500);
        sim.run_ms(2_000);
        sim.assert_settled();
    });
}

#[test]
fn a_network_whose_nodes_all_lose_power_goes_on_without_asking() {
    seeds(2, 50, |seed| {
        let mut sim = warm(Setup::local(seed));
        sim.pay_steadily(&[0, 1, 2], 40, 1_000);
        sim.run_ms(500);
        for node in 0..7 {
            sim.restart_in(seed % 7, node, 100 + 30 * node as u64);
        }
        sim.run_ms(4_000);
        sim.pay_steadily(&[3, 4], 10, 300);
        sim.run_ms(2_000);
        let recoveries: usize = sim.checks().progress.iter().map(|progress| progress.recoveries).sum();
        assert_eq!(recoveries, 0, "seed {seed}");
        assert_all_certified(&sim);
    });
}

#[test]
fn a_crash_while_it_recovers_or_just_after_makes_it_recover_again() {
    seeds(6, 300, |seed| {
        let mut sim = warm(Setup::local(seed));
        sim.pay_steadily(&[0, 1, 2], 80, 4_000);
        sim.run_ms(200 + seed % 200);
        let copy = sim.world.disk(6).durable().clone();
        sim.run_ms(300);
        let loss = if seed % 2 == 0 { Loss::Wiped } else { Loss::Swapped };
        lose(&mut sim, 6, &copy, loss, 0);
        // Twice, at moments that differ from seed to seed.
        sim.restart_in(3 + seed * 7 % 90, 6, 5);
        sim.restart_in(110 + seed * 13 % 250, 6, 5);
        sim.run_ms(6_000);
        sim.assert_settled();
        assert_all_certified(&sim);
        assert!(!sim.kernel(6).is_recovering(), "seed {seed}");
        assert!(sim.checks().progress[6].recoveries > 0, "seed {seed}");
    });
}

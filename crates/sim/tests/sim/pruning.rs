//! Epochs end by themselves, what led to their ends is deleted, and nodes that were away get along without it. That they
//! all come to the same is watched by `KernelChecks`.

use byway_kernel::archive::{COMMITS, SNAPSHOTS};
use byway_primitives::{MemoryStore, Span, Store};
use byway_records::Standing;
use byway_records::epoch::first_round;
use byway_records::genesis::Wait;
use byway_sim::kernel::Conduct;
use byway_sim::network::Link;
use byway_sim::{Act, CrashAtPersist, KernelSim, Setup};

use crate::epochs::{pledge, standing};
use crate::kernel::{assert_all_certified, warm};
use crate::seeds;

/// Epochs of half a second, of which the last two are kept.
fn short_epochs(seed: u64) -> Setup {
    let epoch_life = Wait { millis: Span::millis(500), commits: 20 };
    Setup { epoch_life, epochs_kept: Some(2), coins: 400, ..Setup::local(seed) }
}

/// The rounds and commits of which a node still has something, from the first on.
fn oldest(sim: &KernelSim, node: usize) -> (u64, u64) {
    let first = |space| {
        let (key, _) = sim.world.disk(node).visible().scan(space, &[], 1).pop().expect("it has some");
        u64::from_be_bytes(*key.first_chunk().expect("a number"))
    };
    (first(SNAPSHOTS), first(COMMITS))
}

#[test]
fn what_led_to_the_end_of_old_epochs_is_deleted() {
    seeds(2, 100, |seed| {
        let mut sim = warm(short_epochs(seed));
        sim.pay_steadily(&[0, 1, 2, 3, 4, 5, 6], 200, 5_000);
        sim.run_ms(6_000);
        for node in 0..7 {
            let epoch = sim.checks().progress[node].epoch;
            assert!(epoch >= 5, "seed {seed}: epoch {epoch}");
            let (round, commit) = oldest(&sim, node);
            assert!(round >= first_round(epoch - 2), "seed {seed}: round {round} in epoch {epoch}");
            assert!(commit > 100, "seed {seed}: commit {commit}");
        }
        sim.assert_settled();
        assert_all_certified(&sim);
        // Opening needs nothing of what is gone.
        for node in 0..7 {
            sim.restart_in(node as u64 * 200, node, 50);
        }
        sim.run_ms(1_700);
        sim.pay_steadily(&[0, 1, 2, 3, 4, 5, 6], 40, 500);
        sim.run_ms(1_500);
        sim.assert_settled();
    });
}

#[test]
fn who_was_away_for_epochs_goes_on_by_steps() {
    for wiped in [false, true] {
        seeds(3, 200, |seed| {
            let link = if seed % 3 == 0 { Link::LOCAL.with_loss_ppm(20_000) } else { Link::LOCAL };
            let mut sim = warm(Setup { link, ..short_epochs(seed) });
            // Some are handed to the node that goes away, just before it does.
            sim.pay_steadily(&[0, 1, 2, 6], 30, 400);
            sim.pay_steadily(&[0, 1, 2, 3], 200, 8_000);
            sim.run_ms(300 + seed % 300);
            sim.world.act_in(0, Act::Crash { node: 5 });
            sim.run_ms(1);
            if wiped {
                sim.world.replace_disk(5, MemoryStore::new());
            }
            sim.run_ms(4_000);
            sim.world.act_in(0, Act::Start { node: 5 });
            sim.run_ms(5_000);
            let progress = &sim.checks().progress[5];
            assert!(progress.stepped > 0, "seed {seed}");
            assert!(!sim.kernel(5).is_stepping() && !sim.kernel(5).is_recovering(), "seed {seed}");
            let signed = progress.snapshots;
            // What is handed to it becomes final like anything else.
            sim.pay_in(0, 5);
            sim.run_ms(1_500);
            assert!(sim.checks().progress[5].snapshots > signed, "seed {seed}: it takes part again");
            sim.assert_settled();
            assert_all_certified(&sim);
        });
    }
}

#[test]
fn a_crash_at_any_write_while_stepping_does_no_harm() {
    seeds(6, 600, |seed| {
        let mut sim = warm(short_epochs(seed));
        sim.pay_steadily(&[0, 1, 2, 3], 60, 5_000);
        sim.run_ms(400);
        sim.world.act_in(0, Act::Crash { node: 5 });
        sim.run_ms(2_500);
        let persist = sim.world.disk(5).persists() + seed;
        sim.world.crash_at(CrashAtPersist { node: 5, persist, survives: seed % 2 == 0, down_for_us: 150_000 });
        sim.world.act_in(0, Act::Start { node: 5 });
        sim.restart_in(700, 5, 100);
        sim.run_ms(4_000);
        assert!(!sim.kernel(5).is_stepping(), "seed {seed}");
        sim.assert_settled();
        assert_all_certified(&sim);
    });
}

#[test]
fn false_steps_are_refused_and_others_asked() {
    seeds(3, 200, |seed| {
        let adversaries = vec![(1, Conduct::FalseStepper), (2, Conduct::Silent)];
        let mut sim = warm(Setup { nodes: 8, adversaries, ..short_epochs(seed) });
        sim.pay_steadily(&[0, 3, 4], 150, 7_000);
        sim.run_ms(400);
        sim.world.act_in(0, Act::Crash { node: 6 });
        sim.run_ms(1);
        sim.world.replace_disk(6, MemoryStore::new());
        sim.run_ms(3_500);
        sim.world.act_in(0, Act::Start { node: 6 });
        sim.run_ms(7_000);
        assert!(sim.checks().progress[6].stepped > 0, "seed {seed}");
        assert!(!sim.kernel(6).is_stepping(), "seed {seed}: {:?}", sim.kernel(6).status());
        sim.assert_settled();
    });
}

/// Those who take part and don't help are f, and the one that steps is needed when they fall silent.
#[test]
fn who_stepped_counts_though_f_others_never_help() {
    seeds(2, 100, |seed| {
        let adversaries = vec![(1, Conduct::Unhelpful), (2, Conduct::Unhelpful)];
        let mut sim = warm(Setup { adversaries, ..short_epochs(seed) });
        sim.pay_steadily(&[0, 3, 4], 100, 4_000);
        sim.run_ms(400);
        sim.world.act_in(0, Act::Crash { node: 6 });
        sim.run_ms(3_000);
        sim.world.act_in(0, Act::Start { node: 6 });
        sim.run_ms(3_000);
        assert!(sim.checks().progress[6].stepped > 0, "seed {seed}");
        for node in [1, 2] {
            sim.world.act_in(0, Act::Crash { node });
        }
        sim.pay_steadily(&[0, 3, 4, 5, 6], 20, 500);
        sim.run_ms(4_000);
        sim.assert_settled();
    });
}

/// Epochs end by commits. While f nodes that never vote and f that are away keep checkpoints from being certified, those who
/// are away will have to execute.
#[test]
fn nothing_is_deleted_that_nobody_could_step_over() {
    seeds(2, 100, |seed| {
        // They take part and put no votes into their snapshots.
        let adversaries = vec![(1, Conduct::DoubleSpender), (2, Conduct::DoubleSpender)];
        let mut sim = warm(Setup { adversaries, epochs_kept: Some(1), ..short_epochs(seed) });
        sim.pay_steadily(&[0, 3, 4], 100, 4_000);
        sim.run_ms(400);
        for node in [5, 6] {
            sim.world.act_in(0, Act::Crash { node });
        }
        sim.run_ms(3_500);
        assert!(sim.checks().progress[0].epoch >= 3, "seed {seed}: epochs go on");
        let (round, _) = oldest(&sim, 0);
        assert!(round < first_round(2), "seed {seed}: round {round}");
        for node in [5, 6] {
            sim.world.act_in(0, Act::Start { node });
        }
        sim.run_ms(6_000);
        sim.assert_settled();
        assert_all_certified(&sim);
        let epoch = sim.checks().progress[0].epoch;
        let (round, _) = oldest(&sim, 0);
        assert!(round >= first_round(epoch - 2), "seed {seed}: deleted once certified, {round}");
    });
}

#[test]
fn steps_that_lead_nowhere_hold_nobody_up() {
    seeds(2, 100, |seed| {
        // In the lowest seats, which are asked first.
        let adversaries = vec![(0, Conduct::IdleStepper), (1, Conduct::IdleStepper)];
        let mut sim = warm(Setup { adversaries, ..short_epochs(seed) });
        sim.pay_steadily(&[2, 3, 4], 100, 4_000);
        sim.run_ms(400);
        sim.world.act_in(0, Act::Crash { node: 6 });
        sim.run_ms(3_000);
        sim.world.act_in(0, Act::Start { node: 6 });
        sim.run_ms(4_000);
        assert!(sim.checks().progress[6].stepped > 0 && !sim.kernel(6).is_stepping(), "seed {seed}");
        sim.assert_settled();
    });
}

/// Whoever has to be waited for is waited for beside the others.
#[test]
fn those_who_never_answer_cost_no_time_of_their_own() {
    seeds(2, 100, |seed| {
        // In the lowest seats, which are asked first.
        let adversaries = vec![(0, Conduct::Unhelpful), (1, Conduct::Unhelpful), (2, Conduct::Unhelpful)];
        let mut sim = warm(Setup { nodes: 10, adversaries, ..short_epochs(seed) });
        sim.pay_steadily(&[3, 4, 5], 100, 4_000);
        sim.run_ms(400);
        sim.world.act_in(0, Act::Crash { node: 9 });
        sim.run_ms(3_000);
        sim.world.act_in(0, Act::Start { node: 9 });
        // Less than one after the other would take.
        sim.run_ms(1_500);
        assert!(sim.checks().progress[9].stepped > 0 && !sim.kernel(9).is_stepping(), "seed {seed}");
        assert!(sim.checks().progress[9].epoch + 1 >= sim.checks().progress[3].epoch, "seed {seed}");
        sim.run_ms(1_500);
        sim.assert_settled();
    });
}

#[test]
fn a_node_joins_a_network_that_has_forgotten_its_beginning() {
    seeds(2, 100, |seed| {
        let mut sim = warm(Setup { nodes: 8, founders: Some(7), ..short_epochs(seed) });
        sim.pay_steadily(&[0, 1, 2, 3], 200, 9_000);
        sim.world.act_in(0, Act::Crash { node: 7 });
        sim.run_ms(3_000);
        pledge(&mut sim, 399, 7);
        sim.run_ms(1_000);
        sim.world.act_in(0, Act::Start { node: 7 });
        sim.run_ms(6_000);
        assert!(sim.checks().progress[7].stepped > 0, "seed {seed}");
        assert_eq!(standing(&sim, 0, 7), Some(Standing::Counting), "seed {seed}");
        sim.run_ms(1_000);
        assert!(sim.checks().progress[7].snapshots > 0, "seed {seed}: it signs");
        sim.assert_settled();
        assert_all_certified(&sim);
    });
}

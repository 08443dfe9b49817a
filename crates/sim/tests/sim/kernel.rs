//! Kernel nodes under faults. What holds in every run is checked by `KernelChecks`; what a scenario is about is
//! asserted here.

use byway_kernel::archive::stored_certificate;
use byway_ledger::Verdict;
use byway_primitives::Span;
use byway_records::Height;
use byway_sim::kernel::Conduct;
use byway_sim::network::{Latency, Link};
use byway_sim::{Act, CrashAtPersist, KernelSim, Setup};

use crate::{is_long, seeds};

/// Long enough for every node to be up and in touch.
pub const WARM_UP_MS: u64 = 300;

pub fn warm(setup: Setup) -> KernelSim {
    let mut sim = setup.build();
    sim.run_ms(WARM_UP_MS);
    sim
}

/// Fails unless every honest node that is up holds the certificate of every checkpoint, but perhaps the newest.
pub fn assert_all_certified(sim: &KernelSim) {
    let seed = sim.setup.seed;
    let newest = sim.checks().progress.iter().map(|progress| progress.certified.0).max().unwrap_or(0);
    assert!(newest > 0, "seed {seed}: nothing is certified");
    for node in sim.honest_up() {
        let lacks = |height: &u64| stored_certificate(sim.world.disk(node).visible(), Height(*height)).is_none();
        let lacking: Vec<u64> = (1..newest).filter(lacks).collect();
        assert!(lacking.is_empty(), "seed {seed}: node {node} lacks certificates {lacking:?} of {newest}");
    }
}

/// The longest time from submission to verdict among the newest transfers at any honest node.
fn slowest(sim: &KernelSim) -> Span {
    let nodes = sim.honest_up().into_iter().map(|node| sim.kernel(node));
    nodes.flat_map(|node| node.recent_finality()).max().expect("something became final")
}

#[test]
fn honest_nodes_finalise_and_certify() {
    for nodes in [4, 7, 8, 9, 10] {
        seeds(1, 6, |seed| {
            let mut sim = warm(Setup { nodes, ..Setup::local(seed) });
            let honest = sim.honest();
            sim.pay_steadily(&honest, 60, 600);
            sim.run_ms(1_500);
            sim.assert_settled();
            assert_all_certified(&sim);
            assert!(slowest(&sim) <= Span::millis(150), "{:?}", slowest(&sim));
            let included: usize = sim.checks().progress.iter().map(|progress| progress.included).sum();
            assert!(included > 30, "most transfers are seen to be included before they are final: {included}");
        });
    }
}

#[test]
fn fifty_nodes_agree() {
    let mut sim = warm(Setup { nodes: 50, snapshot_interval_min: Span::millis(50), ..Setup::local(1) });
    sim.pay_steadily(&[0, 17, 49], 6, 100);
    sim.run_ms(if is_long() { 3_000 } else { 1_000 });
    sim.assert_settled();
}

#[test]
fn a_seed_is_a_run() {
    let run = |seed| {
        let mut sim = Setup { link: Link::WIDE.with_loss_ppm(20_000), ..Setup::local(seed) }.build();
        sim.pay_steadily(&[0, 1, 2], 20, 500);
        sim.restart_in(400, 3, 200);
        sim.run_ms(1_500);
        sim.world.trace()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn idle_nodes_do_not_spin() {
    seeds(1, 4, |seed| {
        let mut sim = warm(Setup::local(seed));
        sim.pay_steadily(&[0], 3, 10);
        sim.run_ms(2_000);
        let before: Vec<u64> = sim.checks().progress.iter().map(|progress| progress.snapshots).collect();
        sim.run_ms(60_000);
        for (node, before) in before.iter().enumerate() {
            let signed = sim.checks().progress[node].snapshots - before;
            assert!(
                (50..=70).contains(&signed),
                "seed {seed}: node {node} signed {signed} snapshots in an idle minute"
            );
        }
    });
}

#[test]
fn two_of_seven_stopped_cost_no_timeouts() {
    seeds(2, 8, |seed| {
        let mut sim = warm(Setup::local(seed));
        sim.world.act_in(0, Act::Crash { node: 2 });
        sim.world.act_in(0, Act::Crash { node: 5 });
        sim.run_ms(3_000);
        sim.pay_steadily(&[0, 1, 3, 4, 6], 100, 2_000);
        sim.run_ms(3_000);
        sim.assert_settled();
        // A transfer takes five rounds or so; while others' slots are skipped, some more.
        assert!(slowest(&sim) <= Span::millis(250), "seed {seed}: {:?}", slowest(&sim));
    });
}

#[test]
fn wide_and_lossy_links_only_slow_things_down() {
    for (link, patience_ms) in
        [(Link::WIDE, 2_000), (Link::WIDE.with_loss_ppm(20_000), 5_000), (Link::LOCAL.with_loss_ppm(200_000), 8_000)]
    {
        seeds(2, 10, |seed| {
            let mut sim = warm(Setup { link, ..Setup::local(seed) });
            let honest = sim.honest();
            sim.pay_steadily(&honest, 40, 1_000);
            sim.run_ms(1_000 + patience_ms);
            sim.assert_settled();
        });
    }
}

/// Nobody is spoken to but by others' heartbeats, so a wake that one of them doesn't ask for again is missed.
#[test]
fn a_quiet_network_goes_on() {
    for (nodes, skew_max_ms) in [(4, 0), (7, 0), (7, 50)] {
        seeds(2, 100, |seed| {
            let mut sim = warm(Setup { nodes, skew_max_ms, ..Setup::local(seed) });
            for _ in 0..60 {
                let before: Vec<u64> = sim.checks().progress.iter().map(|progress| progress.snapshots).collect();
                sim.run_ms(1_100);
                for (node, before) in before.into_iter().enumerate() {
                    let signed = sim.checks().progress[node].snapshots - before;
                    assert!(signed > 0, "seed {seed}: node {node} of {nodes} has slept for more than a second");
                }
            }
            sim.assert_settled();
        });
    }
}

#[test]
fn clocks_may_be_wrong() {
    seeds(2, 10, |seed| {
        let mut sim = warm(Setup { skew_max_ms: 200, ..Setup::local(seed) });
        let honest = sim.honest();
        sim.pay_steadily(&honest, 40, 1_000);
        sim.run_ms(2_500);
        sim.assert_settled();
        assert_all_certified(&sim);
    });
}

#[test]
fn a_node_whose_clock_is_minutes_off_neither_harms_nor_is_lost() {
    for skew_ms in [-300_000i64, 300_000] {
        seeds(1, 4, |seed| {
            let mut sim = Setup::local(seed).build();
            sim.world.set_skew_ms(6, skew_ms);
            sim.run_ms(WARM_UP_MS);
            sim.pay_steadily(&[0, 1, 2, 3, 4, 5], 40, 1_000);
            sim.run_ms(3_000);
            sim.assert_settled();
            let (time, now) = (sim.kernel(0).status().time, sim.world.now_us() / 1000);
            assert!(time.0.abs_diff(now) < 2_000, "seed {seed}: the ledger's time is {time:?} at {now}");
        });
    }
}

/// What is shown to two nodes at a time comes to the others late, and then they need all of it at once.
#[test]
fn what_is_withheld_leaves_nobody_behind() {
    seeds(3, 100, |seed| {
        let adversaries = vec![(0, Conduct::DoubleSpender), (1, Conduct::Withholder)];
        let mut sim = warm(Setup { adversaries, ..Setup::local(seed) });
        sim.pay_steadily(&[2, 3, 4, 5, 6], 100, 4_000);
        for _ in 0..200 {
            sim.run_ms(20);
            for node in sim.honest() {
                let status = sim.kernel(node).status();
                assert!(!status.is_behind, "seed {seed}: node {node} is left behind: {status:?}");
            }
        }
    });
}

#[test]
fn nothing_is_lost_in_a_partition() {
    // Who is cut off, and whether the others have a quorum meanwhile.
    for (cut_off, goes_on) in [(vec![0, 6], true), (vec![1, 3, 5], false), (vec![0, 1, 2, 3], false)] {
        seeds(1, 8, |seed| {
            let mut sim = warm(Setup::local(seed));
            let honest = sim.honest();
            sim.partition_in(200, &cut_off, 2_000);
            sim.pay_steadily(&honest, 60, 1_500);
            sim.run_ms(2_000);
            let in_partition = sim.checks().commits();
            sim.run_ms(100);
            assert!(goes_on == (sim.checks().commits() > in_partition) || goes_on, "no quorum, no commits");
            sim.run_ms(4_900);
            sim.assert_settled();
            assert_all_certified(&sim);
        });
    }
}

#[test]
fn nodes_come_and_go() {
    seeds(3, 30, |seed| {
        let mut sim = warm(Setup::local(seed));
        // Everyone but node 0 is down now and then, never more than two at once.
        for turn in 0..6 {
            let node = 1 + (seed as usize + turn) % 6;
            sim.restart_in(200 + 400 * turn as u64, node, 300 + 100 * (seed % 3));
        }
        sim.pay_steadily(&[0], 60, 2_500);
        sim.run_ms(6_000);
        sim.assert_settled();
        assert_all_certified(&sim);
    });
}

#[test]
fn all_nodes_lose_power_at_once() {
    seeds(2, 20, |seed| {
        let mut sim = warm(Setup { disk: Latency::between_us(500, 8_000), ..Setup::local(seed) });
        let honest = sim.honest();
        sim.pay_steadily(&honest, 30, 500);
        sim.run_ms(520 + seed * 7 % 50);
        let verdicts = sim.checks().commits();
        for node in 0..7 {
            sim.restart_in(0, node, 100 + 10 * node as u64);
        }
        sim.run_ms(4_000);
        // Transfers that were in no durable snapshot are gone; nobody was told otherwise. What was committed is not.
        assert!(sim.checks().commits() > verdicts, "seed {seed}: it goes on");
        sim.pay_steadily(&honest, 20, 200);
        sim.run_ms(2_000);
        let newest = sim.checks().commits();
        for node in honest {
            let progress = &sim.checks().progress[node];
            assert!(
                progress.commits + sim.few_commits() >= newest,
                "seed {seed}: node {node} has {progress:?} of {newest}"
            );
        }
    });
}

#[test]
fn a_crash_at_any_write_loses_nothing_that_was_promised() {
    let last = if is_long() { 120 } else { 24 };
    for persist in 1..=last {
        for survives in [false, true] {
            // In a sample, each write is tried with one outcome, and a different node each time.
            if !is_long() && survives == (persist % 2 == 0) {
                continue;
            }
            let persist = if is_long() { persist } else { persist * 5 };
            let mut sim = Setup::local(persist).build();
            let node = persist as usize % 7;
            sim.world.crash_at(CrashAtPersist { node, persist, survives, down_for_us: 150_000 });
            sim.run_ms(WARM_UP_MS);
            let others: Vec<usize> = (0..7).filter(|other| *other != node).collect();
            sim.pay_steadily(&others, 24, 300);
            sim.run_ms(2_500);
            assert!(sim.world.disk(node).persists() > persist, "the crash took place: {persist}");
            sim.assert_settled();
            assert_all_certified(&sim);
        }
    }
}

#[test]
fn slow_disks_delay_only_their_nodes() {
    seeds(1, 6, |seed| {
        let mut sim = warm(Setup::local(seed));
        for node in [2, 4] {
            sim.world.act_in(0, Act::DiskLatency { node, latency: Latency::between_us(100_000, 300_000) });
        }
        sim.pay_steadily(&[0, 1, 3, 5, 6], 50, 1_000);
        sim.run_ms(3_000);
        sim.assert_settled();
        // Their leader slots are skipped or waited for; nobody else waits for their disks.
        assert!(slowest(&sim) <= Span::millis(500), "seed {seed}: {:?}", slowest(&sim));
    });
}

#[test]
fn a_long_sleeper_catches_up_from_beyond_the_horizon() {
    seeds(1, 8, |seed| {
        let mut sim = Setup { round_horizon: 24, ..Setup::local(seed) }.build();
        // Down before anything was committed, and again later: it replays from genesis, then from where it was.
        sim.restart_in(20, 6, 4_000);
        sim.restart_in(6_000, 5, 3_000);
        sim.run_ms(WARM_UP_MS);
        sim.pay_steadily(&[0, 1, 2, 3], 150, 7_000);
        sim.run_ms(3_600);
        assert_eq!(sim.checks().progress[6].commits, 0, "seed {seed}: it was down all the time");
        sim.run_ms(8_000);
        sim.assert_settled();
        assert_all_certified(&sim);
        let rounds = sim.kernel(0).status().quorum_round;
        assert!(rounds > 10 * 24, "seed {seed}: {rounds} rounds are far more than the horizon");
        // And it takes part again.
        sim.pay_steadily(&[6, 5], 10, 100);
        sim.run_ms(1_000);
        sim.assert_settled();
    });
}

#[test]
fn a_far_node_is_heard_while_the_others_are_busy() {
    seeds(1, 8, |seed| {
        let mut sim = Setup::local(seed).build();
        let far = Link { latency: Latency::between_us(60_000, 70_000), loss_ppm: 0 };
        for other in 0..6 {
            sim.world.network().set_link(6, other, far);
            sim.world.network().set_link(other, 6, far);
        }
        sim.run_ms(WARM_UP_MS);
        sim.pay_steadily(&[0, 1, 2, 3], 150, 3_000);
        for number in 0..10 {
            sim.pay_in(500_000 + number * 100_000, 6);
        }
        sim.run_ms(2_500);
        // Its snapshots are too late for their rounds; weak references bring them in.
        let from_afar: Vec<_> = sim.kernel(6).recent_finality().collect();
        assert_eq!(from_afar.len(), 10, "seed {seed}");
        assert!(from_afar.iter().all(|took| *took <= Span::millis(600)), "seed {seed}: {from_afar:?}");
        sim.run_ms(2_500);
        sim.assert_settled();
    });
}

#[test]
fn what_fell_below_the_horizon_is_proposed_again() {
    seeds(1, 8, |seed| {
        let mut sim = warm(Setup { round_horizon: 24, ..Setup::local(seed) });
        sim.partition_in(100, &[3], 3_000);
        // Some of its clients' transfers go into a snapshot that nobody else gets in time.
        for number in 0..30 {
            sim.pay_in(80_000 + number * 2_000, 3);
        }
        sim.pay_steadily(&[0, 1, 2], 100, 3_000);
        sim.run_ms(6_000);
        sim.assert_settled();
    });
}

#[test]
fn adversaries_up_to_f_change_nothing() {
    use Conduct::*;
    let pairs = [
        [Equivocator, Equivocator],
        [Withholder, Withholder],
        [IllSigner, IllSigner],
        [Silent, Silent],
        [Boaster, Boaster],
        [Equivocator, Withholder],
        [IllSigner, Equivocator],
        [OldCheckpoint, OldCheckpoint],
        [FutureCheckpoint, FutureCheckpoint],
        [OldCheckpoint, FutureCheckpoint],
    ];
    for [first, second] in pairs {
        seeds(1, 12, |seed| {
            let adversaries = vec![(1, first), (4, second)];
            let mut sim = warm(Setup { adversaries, ..Setup::local(seed) });
            let honest = sim.honest();
            sim.pay_steadily(&honest, 40, 1_000);
            let doubles: Vec<_> = (0..6).map(|n| sim.pay_twice_in(n * 100_000, (honest[n as usize % 5], 1))).collect();
            sim.run_ms(4_000);
            sim.assert_settled();
            // Withholders make slots that only later leaders decide, and in turn two of them can stand three rounds apart.
            assert!(slowest(&sim) <= Span::millis(1_500), "seed {seed}: {first:?} {second:?} {:?}", slowest(&sim));
            assert_all_certified(&sim);
            for pair in doubles {
                let finals = pair.iter().filter(|id| sim.checks().verdict(id) == Some(Verdict::Final)).count();
                assert_eq!(finals, 1, "seed {seed}: of two transfers of one coin one is final");
            }
            let is_seen = sim.checks().equivocations_seen > 0;
            let equivocates = |conduct| matches!(conduct, Equivocator | OldCheckpoint | FutureCheckpoint);
            assert_eq!(is_seen, equivocates(first) || equivocates(second), "seed {seed}");
            let is_refused = sim.checks().refusals > 0;
            assert_eq!(is_refused, first == IllSigner || second == IllSigner, "seed {seed}");
        });
    }
}

#[test]
fn adversaries_and_faults_together_change_nothing() {
    use Conduct::*;
    for conduct in [Equivocator, Withholder, IllSigner, Boaster, OldCheckpoint, FutureCheckpoint] {
        seeds(1, 12, |seed| {
            let adversaries = vec![(2, conduct)];
            let link = Link::LOCAL.with_loss_ppm(20_000);
            let mut sim = warm(Setup { adversaries, link, round_horizon: 48, ..Setup::local(seed) });
            sim.restart_in(200, 5, 2_000);
            sim.restart_in(2_600, 0, 300);
            sim.partition_in(3_200, &[6], 600);
            sim.pay_steadily(&[1, 3, 4], 60, 4_000);
            sim.run_ms(9_000);
            sim.assert_settled();
            assert_all_certified(&sim);
        });
    }
}

#[test]
fn once_the_network_is_good_again_everything_becomes_final() {
    seeds(2, 20, |seed| {
        let link =
            Link { latency: Latency { least_us: 1_000, jitter_us: 400_000, slow_one_in: 20 }, loss_ppm: 300_000 };
        let mut sim = Setup { link, ..Setup::local(seed) }.build();
        sim.run_ms(1_000);
        let honest = sim.honest();
        sim.pay_steadily(&honest, 40, 3_000);
        sim.world.act_in(4_000_000, Act::Links(Link::LOCAL));
        sim.run_ms(4_000);
        sim.run_ms(3_000);
        sim.assert_settled();
    });
}

//! Leader rules: how fast they are, what they withstand, and what they don't.

use byway_records::genesis::{LeaderKind, LeaderRule};
use byway_sim::kernel::Conduct;
use byway_sim::kernel::latency::LatencyPlan;
use byway_sim::network::{Latency, Link};
use byway_sim::{Act, KernelSim, Setup};

use crate::{is_long, seeds};

const KINDS: [LeaderKind; 2] = [LeaderKind::RoundRobin, LeaderKind::CommonCoin];

fn warm(setup: Setup) -> KernelSim {
    let mut sim = setup.build();
    sim.run_until_coin();
    sim.run_ms(300);
    sim
}

#[test]
fn any_number_of_leaders_agrees_through_crashes_and_equivocation() {
    for kind in KINDS {
        for leaders_per_round in [1, 2, 3, 50] {
            let leader_rule = LeaderRule { kind, leaders_per_round };
            seeds(1, 12, |seed| {
                let adversaries = vec![(3, Conduct::Equivocator)];
                let link = Link::LOCAL.with_loss_ppm(20_000);
                let mut sim = warm(Setup { leader_rule, adversaries, link, ..Setup::local(seed) });
                sim.restart_in(300, 5, 400);
                sim.restart_in(900, 0, 200);
                sim.pay_steadily(&[1, 2, 4, 6], 60, 1_500);
                sim.world.act_in(4_000_000, Act::Links(Link::LOCAL));
                sim.run_ms(5_000);
                sim.assert_settled();
            });
        }
    }
}

#[test]
fn all_nodes_lose_power_at_once_and_the_coin_opens_again() {
    seeds(2, 12, |seed| {
        let leader_rule = LatencyPlan::everybody(LeaderKind::CommonCoin);
        let mut sim = warm(Setup { leader_rule, ..Setup::local(seed) });
        sim.pay_steadily(&[0, 1, 2], 30, 500);
        sim.run_ms(520);
        (0..7).for_each(|node| sim.restart_in(0, node, 100 + 10 * node as u64));
        sim.run_ms(3_000);
        let before = sim.checks().commits();
        sim.pay_steadily(&[4, 5, 6], 20, 200);
        sim.run_ms(2_000);
        assert!(sim.checks().commits() > before, "seed {seed}");
        let newest = sim.checks().commits();
        let few = sim.few_commits();
        assert!(sim.checks().progress.iter().all(|progress| progress.commits + few >= newest), "seed {seed}");
    });
}

#[test]
fn false_shares_of_the_coin_are_found_and_change_nothing() {
    seeds(1, 12, |seed| {
        let leader_rule = LeaderRule { kind: LeaderKind::CommonCoin, leaders_per_round: 2 };
        let adversaries = vec![(1, Conduct::FalseSharer), (4, Conduct::FalseSharer)];
        let mut sim = warm(Setup { leader_rule, adversaries, ..Setup::local(seed) });
        let honest = sim.honest();
        sim.pay_steadily(&honest, 40, 1_000);
        sim.run_ms(3_000);
        sim.assert_settled();
        assert!(sim.checks().false_shares_seen > 0, "seed {seed}");
        for node in honest {
            let seats = &sim.kernel(node).ledger().epoch().seats;
            let counting: Vec<u8> = seats.counting().map(|(seat, _)| seat).collect();
            assert_eq!(counting, [0, 2, 3, 5, 6], "seed {seed}: who shares falsely is marked, and nobody else");
        }
    });
}

/// Transfers of four seconds that are final one second later, and the commits meanwhile.
fn throughput(seed: u64, leader_rule: LeaderRule, is_attacked: bool) -> (usize, u64) {
    // All messages take equally long but for those that are kept back.
    let link = Link { latency: Latency::between_us(20_000, 20_000), loss_ppm: 0 };
    let mut sim = warm(Setup { leader_rule, link, ..Setup::local(seed) });
    if is_attacked {
        sim.show_leaders_late();
    }
    sim.run_ms(2_000);
    let before = sim.checks().commits();
    sim.pay_steadily(&[0, 1, 2, 3, 4, 5, 6], 100, 4_000);
    sim.run_ms(5_000);
    (sim.finals(), sim.checks().commits() - before)
}

#[test]
fn leaders_shown_late_starve_round_robin_and_not_the_coin() {
    seeds(1, 6, |seed| {
        for leaders_per_round in [1, 50] {
            let [turns, coin] = KINDS.map(|kind| {
                let rule = LeaderRule { kind, leaders_per_round };
                (throughput(seed, rule, false), throughput(seed, rule, true))
            });
            let ((free, free_commits), (starved, starved_commits)) = turns;
            assert!(starved * 10 <= free, "seed {seed}, {leaders_per_round} leaders: {starved} of {free} transfers");
            assert!(starved_commits * 10 <= free_commits, "seed {seed}: {starved_commits} of {free_commits} commits");
            let ((free, free_commits), (kept, kept_commits)) = coin;
            assert!(kept * 2 >= free, "seed {seed}, {leaders_per_round} leaders: {kept} of {free} transfers");
            assert!(kept_commits * 2 >= free_commits, "seed {seed}: {kept_commits} of {free_commits} commits");
        }
    });
}

/// Fails unless the median is within the bound, in hundredths of δ, and f crashed nodes at most double the slowest.
fn check_latency(nodes: usize, kind: LeaderKind, p50_max: u64) {
    let rule = LatencyPlan::everybody(kind);
    let run = |is_crashed| LatencyPlan { seed: 1, nodes, rule, is_crashed, transactions: 200, span_ms: 2_000 }.run();
    let (free, crashed) = (run(false), run(true));
    let p50 = free.percentile_centideltas(50);
    assert!(p50 <= p50_max, "{nodes} nodes, {kind:?}: the median is {p50} hundredths of the delay");
    let [free, crashed] = [free, crashed].map(|latencies| latencies.percentile_centideltas(99));
    assert!(crashed <= 2 * free, "{nodes} nodes, {kind:?}: p99 is {free}, and {crashed} with f down");
}

#[test]
fn latency_is_within_its_bounds() {
    let sizes: &[usize] = if is_long() { &[7, 10, 22, 50] } else { &[7, 10] };
    for nodes in sizes {
        check_latency(*nodes, LeaderKind::RoundRobin, 370);
        check_latency(*nodes, LeaderKind::CommonCoin, 570);
    }
}

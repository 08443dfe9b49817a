//! Prints how long transactions take, in units of the one-way delay δ, as one JSON object per line.
//!
//! `cargo run --release -p byway-sim --example latency [n …]`: for these numbers of nodes; 7, 10, 22 and 50 if none.

use byway_records::genesis::{LeaderKind, LeaderRule};
use byway_sim::kernel::latency::LatencyPlan;

fn main() {
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|number| number.parse().ok()).collect();
    let sizes = if asked.is_empty() { vec![7, 10, 22, 50] } else { asked };
    for nodes in sizes {
        for kind in [LeaderKind::RoundRobin, LeaderKind::CommonCoin] {
            for leaders_per_round in [1, 2, 50] {
                for is_crashed in [false, true] {
                    print(nodes, LeaderRule { kind, leaders_per_round }, is_crashed);
                }
            }
        }
    }
}

fn print(nodes: usize, rule: LeaderRule, is_crashed: bool) {
    let plan = LatencyPlan { seed: 1, nodes, rule, is_crashed, transactions: 300, span_ms: 4_000 };
    let latencies = plan.run();
    let [p50, p99] = [50, 99].map(|percent| latencies.percentile_centideltas(percent));
    let leaders = usize::from(rule.leaders_per_round).min(nodes);
    println!(
        "{{\"nodes\":{nodes},\"rule\":\"{:?}\",\"leaders\":{leaders},\"f_down\":{is_crashed},\"count\":{},\
         \"p50_delta\":{}.{:02},\"p99_delta\":{}.{:02}}}",
        rule.kind,
        latencies.count(),
        p50 / 100,
        p50 % 100,
        p99 / 100,
        p99 % 100
    );
}

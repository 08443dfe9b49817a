//! Honest nodes on bad links, on slow disks, and without power.

use byway_primitives::Amount;
use byway_sim::network::{Latency, Link};
use byway_sim::peer::PeerCommand;
use byway_sim::peer::links::Wire;
use byway_sim::whole::PRICE;
use byway_sim::{Act, Plan};

use super::{CLIENT, MB, PATIENCE_MS, PROVIDER, browse};
use crate::{is_long, seeds};

#[test]
fn links_may_be_far_and_uneven() {
    seeds(1, 20, |seed| {
        let access = Link { latency: Latency { least_us: 40_000, jitter_us: 40_000, slow_one_in: 40 }, loss_ppm: 0 };
        browse(&mut Plan { access, ..Plan::market(seed) }.build(), 3 * MB);
    });
}

/// What a stream loses for good breaks it; the dialogue goes on over the next.
#[test]
fn links_may_break_again_and_again() {
    seeds(2, 30, |seed| {
        let mut sim = Plan::market(seed).build();
        sim.want(CLIENT, 8 * MB);
        sim.run_until_begun();
        for cut in 0..8 {
            let end = if (seed + cut) % 2 == 0 { CLIENT } else { PROVIDER };
            sim.command_in(900 + 400 * cut, end, PeerCommand::CutLinks);
        }
        browse(&mut sim, 2 * MB);
    });
}

#[test]
fn datagrams_may_be_lost_and_overtake_each_other() {
    seeds(1, 20, |seed| {
        let access = Link { latency: Latency::between_us(5_000, 25_000), loss_ppm: 20_000 };
        let wire = Wire::Datagrams { mtu: 1200 };
        browse(&mut Plan { access, wire, ..Plan::market(seed) }.build(), 3 * MB);
    });
}

#[test]
fn the_market_goes_on_when_kernel_nodes_are_cut_off() {
    seeds(1, 20, |seed| {
        for cut_off in [vec![0, 6], vec![0, 1, 2], vec![3]] {
            let mut sim = Plan::market(seed).build();
            sim.run_until_begun();
            sim.partition_in(400 + 300 * seed % 2_000, &cut_off, 3_000);
            browse(&mut sim, 3 * MB);
        }
    });
}

/// A provider that can't hear its client goes on into the void, by what it was paid ahead. Nobody loses more than the
/// window; once the two hear each other again the download goes on, and both follow the ledger.
#[test]
fn market_nodes_that_are_cut_off_lose_a_window_at_most_and_go_on() {
    seeds(3, 20, |seed| {
        let cases = [(vec![8], 600), (vec![8], 3_000), (vec![7], 600), (vec![7], 15_000), (vec![7, 8], 15_000)];
        for (cut_off, span_ms) in cases {
            let mut sim = Plan::market(seed).build();
            sim.want(CLIENT, 3 * MB);
            sim.run_until(20_000, "the first bytes", |sim| sim.bytes_arrived(CLIENT, PROVIDER) > 0);
            sim.partition_in(37 * seed % 150, &cut_off, span_ms);
            sim.run_ms(span_ms);
            // Cut off together, the two still hear each other.
            let is_apart = cut_off.len() == 1;
            assert_eq!(sim.still_wanted(CLIENT) > 0, is_apart, "seed {seed}, {cut_off:?}");
            browse(&mut sim, MB);
            let newest = sim.checks().kernel.certified().keys().max().map_or(0, |height| height.0);
            for peer in [PROVIDER, CLIENT] {
                let height = sim.checks().followers.height(peer).0;
                assert!(height + 2 >= newest, "seed {seed}, {cut_off:?}: node {peer} is at {height} of {newest}");
            }
        }
    });
}

#[test]
fn slow_disks_delay_and_harm_nobody() {
    seeds(1, 10, |seed| {
        let mut sim = Plan::market(seed).build();
        for node in [1, sim.node_of(PROVIDER), sim.node_of(CLIENT)] {
            sim.world.act_in(0, Act::DiskLatency { node, latency: Latency::between_us(20_000, 60_000) });
        }
        browse(&mut sim, 3 * MB);
    });
}

/// Each write of each node in turn, with either outcome; in a sample, some of them.
#[test]
fn a_crash_at_any_write_loses_nothing_that_was_promised() {
    // Node, how often it writes in this scenario at least, and which of these writes are tried.
    for (node, writes, all, sampled) in [(7, 130u64, 1, 13), (8, 190, 1, 19), (3, 160, 4, 50)] {
        for persist in (1..=writes).step_by(if is_long() { all } else { sampled }) {
            for survives in [false, true] {
                if !is_long() && survives == persist.is_multiple_of(2) {
                    continue;
                }
                let mut sim = Plan::market(persist).build();
                sim.crash_at_persist(node, persist, survives);
                browse(&mut sim, 3 * MB);
                let written = sim.world.disk(node).persists();
                assert!(written > persist, "the crash took place: node {node}, write {persist} of {written}");
            }
        }
    }
}

/// Two journals of a market node survive up to points of their own, and several nodes are down at once.
#[test]
fn nodes_come_and_go() {
    seeds(3, 60, |seed| {
        let mut sim = Plan::market(seed).build();
        sim.want(CLIENT, 6 * MB);
        sim.run_until_begun();
        for turn in 0..6 {
            let at = 300 + 700 * turn + seed * 37 % 500;
            let market = sim.node_of(if (seed + turn) % 2 == 0 { CLIENT } else { PROVIDER });
            sim.restart_in(at, market, 100 + 50 * (seed % 5));
            sim.restart_in(at + 100, ((seed + turn) % 7) as usize, 400);
        }
        sim.run_ms(6_000);
        browse(&mut sim, 2 * MB);
    });
}

#[test]
fn all_nodes_lose_power_at_once() {
    seeds(1, 20, |seed| {
        let mut sim = Plan::market(seed).build();
        sim.want(CLIENT, 6 * MB);
        sim.run_until_begun();
        sim.run_ms(1_400 + seed * 83 % 900);
        for node in 0..9 {
            sim.restart_in(0, node, 100 + 20 * node as u64);
        }
        sim.run_ms(1_000);
        browse(&mut sim, 2 * MB);
    });
}

/// Ten times what a newcomer may owe: it goes on because settlements make room.
#[test]
fn a_long_download_settles_on_the_way() {
    seeds(1, 6, |seed| {
        let mut sim = Plan::market(seed).build();
        sim.download(CLIENT, 30 * MB, PATIENCE_MS);
        let settled = sim.checks().promises.marks(CLIENT, PROVIDER).settled.1;
        assert!(settled > Amount::from_units(PRICE.units() * 4), "seed {seed}: {settled} was settled on the way");
        browse(&mut sim, MB);
    });
}

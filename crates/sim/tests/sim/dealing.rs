//! The members deal the coin's key over their own ledger, whatever happens meanwhile.

use byway_crypto::threshold::ceremony::Phase;
use byway_primitives::MemoryStore;
use byway_records::call::Call;
use byway_records::call::kernel::{KernelCall, MemberEntry};
use byway_records::genesis::LeaderKind;
use byway_sim::kernel::Conduct;
use byway_sim::kernel::latency::LatencyPlan;
use byway_sim::network::Link;
use byway_sim::{Act, KernelSim, Setup};

use crate::kernel::assert_all_certified;
use crate::seeds;

fn with_coin(seed: u64) -> Setup {
    Setup { leader_rule: LatencyPlan::everybody(LeaderKind::CommonCoin), ..Setup::local(seed) }
}

/// The network goes on by the coin.
fn assert_goes_on(sim: &mut KernelSim) {
    let nodes = sim.honest_up();
    sim.pay_steadily(&nodes, 20, 400);
    sim.run_ms(2_000);
    sim.assert_settled();
    assert_all_certified(sim);
}

fn excluded(sim: &KernelSim, node: usize) -> Vec<u8> {
    let ceremony = sim.kernel(node).ledger().ceremony_head().expect("the network has a coin");
    assert_eq!(ceremony.phase(), Phase::Done);
    ceremony.excluded().collect()
}

#[test]
fn the_key_is_dealt_under_loss_and_transfers_go_on_meanwhile() {
    seeds(2, 100, |seed| {
        let mut sim = Setup { link: Link::WIDE.with_loss_ppm(30_000), ..with_coin(seed) }.build();
        sim.run_ms(10);
        sim.pay_steadily(&[0, 1, 2, 3, 4, 5, 6], 60, 3_000);
        sim.run_until_coin();
        sim.run_ms(6_000);
        sim.assert_settled();
        assert_eq!(excluded(&sim, 0), [0u8; 0]);
        assert!(sim.checks().turned_us.len() == 1, "seed {seed}: one change, to the coin");
    });
}

/// Each node is taken down several times while the key is dealt, once with its disk lost.
#[test]
fn crashes_at_any_write_and_a_lost_disk_do_not_stop_it() {
    seeds(3, 300, |seed| {
        let mut sim = Setup { link: Link::LOCAL.with_loss_ppm(10_000), ..with_coin(seed) }.build();
        for step in 0..12u64 {
            let node = ((step + seed) % 7) as usize;
            let at_us = 3_000 + step * (11_000 + seed * 137 % 9_000);
            sim.world.act_in(at_us, Act::Crash { node });
            sim.world.act_in(at_us + 8_000, Act::Start { node });
        }
        sim.run_ms(120);
        let lost = (seed % 7) as usize;
        sim.world.act_in(0, Act::Crash { node: lost });
        sim.run_ms(1);
        sim.world.replace_disk(lost, MemoryStore::new());
        sim.world.act_in(0, Act::Start { node: lost });
        sim.run_until_coin();
        assert_eq!(excluded(&sim, 0), [0u8; 0], "seed {seed}");
        // Also who begins anew, and who opens what it had stored, goes by the coin.
        sim.restart_in(0, (lost + 1) % 7, 50);
        sim.run_ms(500);
        assert_goes_on(&mut sim);
    });
}

#[test]
fn f_silent_members_do_not_stop_it() {
    seeds(1, 30, |seed| {
        let adversaries = vec![(2, Conduct::Silent), (5, Conduct::Silent)];
        let mut sim = Setup { adversaries, ..with_coin(seed) }.build();
        sim.run_until_coin();
        assert_goes_on(&mut sim);
    });
}

#[test]
fn who_is_false_in_it_is_excluded_and_the_others_end_up_with_a_key() {
    // Over slow links the dealing of a false dealer comes too late to be one of the first q(n).
    for (conduct, link, expected) in [
        (Conduct::FalseDealer { victim: 4 }, Link::LOCAL, 1),
        (Conduct::FalseComplainer { of: 0 }, Link::WIDE, 1),
        (Conduct::IllSigner, Link::WIDE, 0),
    ] {
        seeds(1, 50, |seed| {
            let mut sim = Setup { adversaries: vec![(1, conduct)], link, ..with_coin(seed) }.build();
            sim.run_until_coin();
            assert_eq!(excluded(&sim, 0), vec![1; expected], "seed {seed}, {conduct:?}");
            assert_goes_on(&mut sim);
        });
    }
}

/// A ninth node joins while the first key is dealt, and another member leaves when the second one is.
#[test]
fn members_change_during_and_after_it() {
    seeds(2, 100, |seed| {
        let mut sim = Setup { nodes: 9, founders: Some(8), ..with_coin(seed) }.build();
        sim.run_ms(20 + seed % 40);
        sim.pay_steadily(&[0, 1, 2, 3, 4, 5, 6], 60, 6_000);
        let entry = MemberEntry::sign(Setup::member(8), &Setup::secret(8), sim.purse.network());
        let pledge = sim.purse.pay_in(199, &Call::Kernel(KernelCall::Pledge { entry }), &Setup::owner(8));
        sim.submit_in(0, 0, pledge);
        sim.run_ms(4_000);
        sim.run_until_coin();
        let members = |sim: &KernelSim| {
            let ceremony = sim.kernel(0).ledger().ceremony_head().expect("there is a coin");
            ceremony.members().collect::<Vec<_>>()
        };
        assert_eq!(members(&sim), (0..9).collect::<Vec<_>>(), "seed {seed}");
        let leave = sim.purse.call(&Call::Kernel(KernelCall::Leave { seat: 7 }), 7, &Setup::owner(7));
        sim.submit_in(0, 1, leave);
        sim.run_ms(1_500);
        sim.run_until_coin();
        assert_eq!(members(&sim), [0, 1, 2, 3, 4, 5, 6, 8], "seed {seed}");
        assert_goes_on(&mut sim);
    });
}

//! Members come, go and change their keys while transfers go on.

use byway_ledger::Verdict;
use byway_primitives::MemoryStore;
use byway_records::call::kernel::{KernelCall, MemberEntry};
use byway_records::{Call, Standing};
use byway_sim::kernel::Conduct;
use byway_sim::network::Link;
use byway_sim::{Act, KernelSim, Setup};

use crate::kernel::{assert_all_certified, warm};
use crate::seeds;

/// The one-way delay δ of [`Link::LOCAL`], at most.
const DELAY_US: u64 = 1_000;

pub fn pledge(sim: &mut KernelSim, coin: u32, node: usize) {
    pledge_at(sim, 0, coin, node);
}

/// Hands the pledge for `node` to `at`.
pub fn pledge_at(sim: &mut KernelSim, at: usize, coin: u32, node: usize) {
    let entry = MemberEntry::sign(Setup::member(node), &Setup::secret(node), sim.purse.network());
    let call = Call::Kernel(KernelCall::Pledge { entry });
    let transaction = sim.purse.pay_in(coin, &call, &Setup::owner(node));
    sim.submit_in(0, at, transaction);
}

fn leave(sim: &mut KernelSim, node: usize) {
    let call = Call::Kernel(KernelCall::Leave { seat: node as u8 });
    let transaction = sim.purse.call(&call, node as u64, &Setup::owner(node));
    sim.submit_in(0, 1, transaction.clone());
    sim.run_ms(600);
    assert_eq!(sim.checks().verdict(&transaction.id()), Some(Verdict::Final), "seed {}", sim.setup.seed);
}

pub fn standing(sim: &KernelSim, at: usize, seat: usize) -> Option<Standing> {
    sim.kernel(at).ledger().epoch().seats.get(seat as u8).map(|seat| seat.standing)
}

#[test]
fn a_node_joins_catches_up_and_counts() {
    seeds(3, 300, |seed| {
        let link = if seed % 3 == 0 { Link::LOCAL.with_loss_ppm(20_000) } else { Link::LOCAL };
        let mut sim = warm(Setup { nodes: 8, founders: Some(7), link, ..Setup::local(seed) });
        sim.pay_steadily(&[0, 1, 2, 3, 4, 5, 6], 80, 6_000);
        sim.run_ms(1_000);
        pledge(&mut sim, 199, 7);
        sim.run_ms(3_000);
        for node in 0..8 {
            assert_eq!(standing(&sim, node, 7), Some(Standing::Counting), "seed {seed}, at node {node}");
        }
        let signed = sim.checks().progress[7].snapshots;
        sim.run_ms(3_500);
        assert!(sim.checks().progress[7].snapshots > signed, "seed {seed}: it takes part");
        sim.assert_settled();
        assert_all_certified(&sim);
        // A payment handed to it becomes final like any other.
        sim.pay_in(0, 7);
        sim.run_ms(1_000);
        sim.assert_settled();
    });
}

#[test]
fn a_node_leaves_and_its_transactions_are_not_lost() {
    seeds(3, 300, |seed| {
        let mut sim = warm(Setup { nodes: 8, ..Setup::local(seed) });
        // Handed to the one that leaves, all the while.
        sim.pay_steadily(&[7, 0], 80, 3_000);
        sim.run_ms(500 + seed % 400);
        leave(&mut sim, 7);
        sim.run_ms(4_000);
        assert_eq!(standing(&sim, 0, 7), Some(Standing::Left), "seed {seed}");
        sim.assert_settled();
        assert_all_certified(&sim);
    });
}

#[test]
fn a_change_of_members_pauses_commits_for_four_delays_at_most() {
    seeds(3, 300, |seed| {
        let mut sim = warm(Setup { nodes: 8, coins: 400, ..Setup::local(seed) });
        sim.pay_steadily(&[0, 1, 2, 3], 300, 2_000);
        sim.run_ms(700);
        leave(&mut sim, 7);
        sim.run_ms(1_200);
        let (pause_us, usual_us) = sim.checks().pause_at_turn_us(1);
        // Nodes end an epoch within a delay of each other, and a commit needs three more; a snapshot is signed no more often
        // than its interval allows, and written before it is sent.
        let per_delay = DELAY_US + sim.setup.snapshot_interval_min.0 * 1000 + 400;
        assert!(pause_us <= 4 * per_delay + usual_us, "seed {seed}: {pause_us} us, usually {usual_us}");
        sim.assert_settled();
    });
}

#[test]
fn four_of_a_small_network_become_three_no_more() {
    let mut sim = warm(Setup { nodes: 4, ..Setup::local(1) });
    let call = Call::Kernel(KernelCall::Leave { seat: 3 });
    let transaction = sim.purse.call(&call, 0, &Setup::owner(3));
    sim.submit_in(0, 1, transaction.clone());
    sim.run_ms(800);
    assert!(matches!(sim.checks().verdict(&transaction.id()), Some(Verdict::Rejected(_))));
    assert_eq!(sim.checks().progress[0].epoch, 0);
}

#[test]
fn the_checkpoint_that_closes_an_epoch_is_certified_though_most_of_its_voters_leave() {
    seeds(2, 200, |seed| {
        // Ten count, seven certify. Three leave at once and one is down: six of those that voted are left.
        let mut sim = warm(Setup { nodes: 10, ..Setup::local(seed) });
        sim.pay_steadily(&[0, 1, 2], 60, 4_000);
        sim.run_ms(500);
        sim.world.act_in(0, Act::Crash { node: 6 });
        for node in 7..10 {
            let call = Call::Kernel(KernelCall::Leave { seat: node as u8 });
            let transaction = sim.purse.call(&call, node as u64, &Setup::owner(node));
            sim.submit_in(0, 1, transaction);
        }
        sim.run_ms(2_000);
        sim.restart_in(0, 6, 1);
        sim.run_ms(4_000);
        assert!((7..10).all(|node| standing(&sim, 0, node) == Some(Standing::Left)), "seed {seed}");
        sim.assert_settled();
        assert_all_certified(&sim);
    });
}

#[test]
fn nodes_that_were_away_while_members_changed_find_their_way() {
    seeds(2, 200, |seed| {
        let mut sim = warm(Setup { nodes: 9, founders: Some(8), round_horizon: 48, ..Setup::local(seed) });
        sim.pay_steadily(&[0, 1, 2, 3], 100, 8_000);
        sim.run_ms(500);
        sim.world.act_in(0, Act::Crash { node: 5 });
        sim.run_ms(100);
        pledge(&mut sim, 199, 8);
        sim.run_ms(3_000);
        leave(&mut sim, 7);
        sim.run_ms(500);
        // One comes back where it was, one has lost everything.
        sim.world.act_in(0, Act::Crash { node: 6 });
        sim.run_ms(1);
        sim.world.replace_disk(6, MemoryStore::new());
        sim.world.act_in(0, Act::Start { node: 6 });
        sim.world.act_in(0, Act::Start { node: 5 });
        sim.run_ms(7_000);
        for node in [5, 6] {
            assert_eq!(sim.checks().progress[node].epoch, sim.checks().progress[0].epoch, "seed {seed}, node {node}");
        }
        sim.assert_settled();
        assert_all_certified(&sim);
        assert!(!sim.kernel(6).is_recovering(), "seed {seed}");
    });
}

#[test]
fn members_change_whatever_adversaries_and_faults_there_are() {
    // No equivocators: theirs would be the seat that the joining node takes.
    for conduct in [Conduct::Withholder, Conduct::IllSigner, Conduct::Boaster] {
        seeds(1, 60, |seed| {
            let link = Link::LOCAL.with_loss_ppm(20_000);
            let setup =
                Setup { nodes: 9, founders: Some(8), adversaries: vec![(2, conduct)], link, ..Setup::local(seed) };
            let mut sim = warm(setup);
            sim.pay_steadily(&[0, 1, 3], 60, 7_000);
            sim.run_ms(300);
            pledge(&mut sim, 199, 8);
            sim.restart_in(300, 4, 500);
            sim.run_ms(4_000);
            leave(&mut sim, 7);
            sim.run_ms(6_000);
            assert_eq!(standing(&sim, 0, 8), Some(Standing::Counting), "seed {seed}, {conduct:?}");
            sim.assert_settled();
            assert_all_certified(&sim);
        });
    }
}

#[test]
fn who_signs_twice_is_marked_then_removed_and_loses_its_pledge() {
    for conduct in [Conduct::Equivocator, Conduct::OldCheckpoint] {
        seeds(2, 100, |seed| {
            let mut sim = warm(Setup { nodes: 8, adversaries: vec![(3, conduct)], ..Setup::local(seed) });
            let honest = sim.honest();
            sim.pay_steadily(&honest, 80, 4_000);
            sim.run_ms(6_000);
            // Its second offence takes its seat.
            assert_eq!(standing(&sim, 0, 3), None, "seed {seed}, {conduct:?}");
            for node in honest {
                assert_eq!(standing(&sim, node, node), Some(Standing::Counting), "seed {seed}: node {node} is honest");
            }
            sim.assert_settled();
            assert_all_certified(&sim);
        });
    }
}

/// Once marked it has no vote that could be false.
#[test]
fn who_votes_for_what_nobody_executed_is_marked() {
    seeds(2, 100, |seed| {
        let mut sim = warm(Setup { nodes: 8, adversaries: vec![(3, Conduct::FalseVoter)], ..Setup::local(seed) });
        let honest = sim.honest();
        sim.pay_steadily(&honest, 60, 2_000);
        sim.run_ms(3_500);
        assert_eq!(standing(&sim, 0, 3), Some(Standing::Marked), "seed {seed}");
        for node in honest {
            assert_eq!(standing(&sim, node, node), Some(Standing::Counting), "seed {seed}: node {node} is honest");
        }
        sim.assert_settled();
        assert_all_certified(&sim);
    });
}

/// What was spent long before, and what was spent just under the checkpoint that is named.
#[test]
fn who_signs_for_what_it_must_know_to_be_spent_is_marked() {
    for old in [true, false] {
        seeds(2, 100, |seed| {
            let adversaries = vec![(3, Conduct::DoubleSpender)];
            let mut sim = warm(Setup { nodes: 8, adversaries, ..Setup::local(seed) });
            let honest = sim.honest();
            let spent = sim.purse.spend(150, 0);
            sim.submit_in(0, 0, spent.clone());
            sim.pay_steadily(&honest, 60, if old { 4_000 } else { 1_000 });
            sim.run_ms(if old { 4_000 } else { 900 });
            assert_eq!(sim.checks().verdict(&spent.id()), Some(Verdict::Final), "seed {seed}");
            // Two clients whose payments cross are nobody's fault.
            sim.pay_twice_in(0, (0, 1));
            let again = sim.purse.spend(150, 1);
            sim.submit_in(0, 3, again);
            sim.pay_steadily(&honest, 20, 1_000);
            sim.run_ms(2_000);
            assert_eq!(standing(&sim, 0, 3), Some(Standing::Marked), "seed {seed}, old: {old}");
            for node in honest {
                assert_eq!(standing(&sim, node, node), Some(Standing::Counting), "seed {seed}: node {node} is honest");
            }
            sim.assert_settled();
        });
    }
}

/// Clients hand conflicting payments to different nodes, long after one of them is final and at the same time.
#[test]
fn no_honest_node_is_marked_whatever_clients_hand_in() {
    seeds(4, 2_000, |seed| {
        let link = if seed % 2 == 0 { Link::LOCAL.with_loss_ppm(10_000) } else { Link::WIDE };
        let adversaries = if seed % 3 == 0 { vec![(2, Conduct::IllSigner)] } else { Vec::new() };
        let mut sim = warm(Setup { link, adversaries, ..Setup::local(seed) });
        let honest = sim.honest();
        for number in 0..30u64 {
            let pair =
                (honest[number as usize % honest.len()], honest[(number * 3 + 1 + seed) as usize % honest.len()]);
            sim.pay_twice_in(number * 40_000, pair);
        }
        sim.run_ms(1_500);
        // The same coins once more, now that they are spent.
        for coin in 0..30u32 {
            let transaction = sim.purse.spend(coin, 3);
            sim.submit_in(u64::from(coin) * 20_000, honest[coin as usize % honest.len()], transaction);
        }
        sim.run_ms(3_000);
        for node in honest {
            assert_eq!(standing(&sim, node, node), Some(Standing::Counting), "seed {seed}: node {node}");
        }
        assert_all_certified(&sim);
    });
}

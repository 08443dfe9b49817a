//! A node comes back when fewer than f + 1 of those that it knew are left. What it is shown of later epochs, by anyone, leads
//! it on.

use byway_kernel::light::Unproven;
use byway_primitives::Span;
use byway_records::call::KernelCall;
use byway_records::genesis::Wait;
use byway_records::{Call, Standing};
use byway_sim::{Act, KernelSim, Setup};

use crate::epochs::{pledge_at, standing};
use crate::kernel::{assert_all_certified, warm};
use crate::seeds;

const AWAY: usize = 6;
/// One that the node knows stays, which is less than f + 1 of seven.
const STAYS: usize = 5;
const LEAVERS: [usize; 5] = [0, 1, 2, 3, 4];
const JOINERS: [usize; 5] = [7, 8, 9, 10, 11];

const LONG: Wait = Wait { millis: Span::minutes(10), commits: 2 };

fn leave(sim: &mut KernelSim, leaver: usize) {
    let call = Call::Kernel(KernelCall::Leave { seat: leaver as u8 });
    let transaction = sim.purse.call(&call, leaver as u64, &Setup::owner(leaver));
    sim.submit_in(0, STAYS, transaction);
    sim.run_ms(600);
}

/// Twelve nodes; the first seven found the network. One of them goes away, and comes back when five others, one after the
/// other, have left to new ones and are switched off.
fn with_other_members(seed: u64, pledge_lock: Wait, has_seat: bool) -> KernelSim {
    let mut sim = warm(Setup { nodes: 12, founders: Some(7), coins: 400, pledge_lock, ..Setup::local(seed) });
    sim.pay_steadily(&[STAYS, 7], 170, 19_000);
    sim.run_ms(400);
    sim.world.act_in(0, Act::Crash { node: AWAY });
    // More than a peer would show it of the end of its epoch unasked.
    sim.run_ms(3_000);
    let counts = |sim: &KernelSim, seat: &usize| standing(sim, STAYS, *seat) == Some(Standing::Counting);
    for (coin, (joiner, leaver)) in (390..).zip(JOINERS.into_iter().zip(LEAVERS)) {
        pledge_at(&mut sim, STAYS, coin, joiner);
        sim.run_ms(1_500);
        assert!(counts(&sim, &joiner), "seed {seed}: {joiner}");
        leave(&mut sim, leaver);
    }
    if !has_seat {
        leave(&mut sim, AWAY);
    }
    assert!(!LEAVERS.iter().any(|leaver| counts(&sim, leaver)), "seed {seed}");
    LEAVERS.into_iter().for_each(|node| sim.world.act_in(0, Act::Crash { node }));
    sim.world.act_in(0, Act::Start { node: AWAY });
    sim.run_ms(1_500);
    assert_eq!(sim.checks().progress[AWAY].epoch, 0, "seed {seed}: the one that it knows is not enough");
    sim
}

#[test]
fn a_node_that_knows_too_few_of_the_members_is_shown_the_way() {
    seeds(2, 60, |seed| {
        let mut sim = with_other_members(seed, LONG, true);
        // By one that it has never heard of.
        assert!(sim.show_epochs(9, AWAY), "seed {seed}: it wants to know");
        sim.run_ms(4_000);
        assert!(sim.checks().progress[AWAY].stepped > 0 && !sim.kernel(AWAY).is_stepping(), "seed {seed}");
        assert_eq!(sim.checks().progress[AWAY].epoch, sim.checks().progress[STAYS].epoch, "seed {seed}");
        let signed = sim.checks().progress[AWAY].snapshots;
        sim.pay_in(0, AWAY);
        sim.run_ms(1_500);
        assert!(sim.checks().progress[AWAY].snapshots > signed, "seed {seed}: it takes part again");
        assert!(!sim.show_epochs(9, AWAY), "seed {seed}: it knows all there is");
        sim.assert_settled();
        assert_all_certified(&sim);
    });
}

/// Nobody listens to it any more, so it must know why.
#[test]
fn a_node_without_a_seat_learns_that_it_has_none() {
    seeds(1, 30, |seed| {
        let mut sim = with_other_members(seed, LONG, false);
        assert_eq!(sim.kernel(AWAY).status().newest.epoch, 0);
        assert!(sim.show_epochs(9, AWAY), "seed {seed}");
        sim.run_ms(1_000);
        let newest = sim.kernel(AWAY).status().newest;
        assert_eq!(newest.epoch, sim.checks().progress[STAYS].epoch, "seed {seed}");
        assert!(!newest.counts, "seed {seed}: it has left");
        assert_eq!(sim.kernel(STAYS).status().newest.epoch, newest.epoch, "seed {seed}");
        assert!(sim.kernel(STAYS).status().newest.counts, "seed {seed}");
    });
}

/// Members whose pledges are not locked any more could show it anything.
#[test]
fn what_old_keys_have_signed_leads_nowhere() {
    seeds(1, 30, |seed| {
        let mut sim = with_other_members(seed, Wait { millis: Span::seconds(2), commits: 2 }, true);
        assert!(sim.show_epochs(9, AWAY), "seed {seed}");
        sim.run_ms(2_000);
        let progress = &sim.checks().progress[AWAY];
        assert!(matches!(progress.unproven, Some(Unproven::OldKeys(_))), "seed {seed}: {:?}", progress.unproven);
        assert!(sim.kernel(AWAY).status().newest.epoch < sim.checks().progress[STAYS].epoch, "seed {seed}");
    });
}

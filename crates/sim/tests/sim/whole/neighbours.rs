//! Two market nodes that sell to each other and owe each other: they settle the net. That nothing promised is forgotten or
//! settled beyond what was promised, either way, and that supply is constant, `NetworkChecks` sees to.

use byway_peer::market::MarketNews;
use byway_primitives::Amount;
use byway_records::call::AccountsCall;
use byway_sim::peer::{Conduct, PeerCommand, PeerNews};
use byway_sim::whole::DEPOSIT;
use byway_sim::{Plan, WholeSim};

use super::{MB, PATIENCE_MS};
use crate::{is_long, seeds};

const ONE: usize = 0;
const OTHER: usize = 1;

/// What one of the two has asked its shell to hand in: calls that settle both promises, and all.
fn handed_in(sim: &WholeSim, who: usize) -> (usize, usize) {
    let calls = sim.checks().said[who].iter().filter_map(|news| match news {
        PeerNews::Market(news) => match &**news {
            MarketNews::Submit { call, .. } => Some(matches!(**call, AccountsCall::SettlePair(_))),
            _ => None,
        },
        _ => None,
    });
    calls.fold((0, 0), |(net, all), is_net| (net + usize::from(is_net), all + 1))
}

/// Each downloads from the other.
fn trade(sim: &mut WholeSim, bytes: [u64; 2]) {
    for who in [ONE, OTHER] {
        sim.want(who, bytes[who]);
    }
    sim.run_until(PATIENCE_MS, "both downloads", |sim| (0..2).all(|who| sim.still_wanted(who) == 0));
}

/// Settles what `payee` is owed, and what it owes, and waits until both see all of it settled.
fn settle(sim: &mut WholeSim, payee: usize) {
    for attempt in 0..10 {
        // Of two that are left over each settles its own.
        let (by, peer) = if attempt % 2 == 0 { (payee, 1 - payee) } else { (1 - payee, payee) };
        let peer = sim.id(peer);
        sim.command_in(attempt * 3_000, by, PeerCommand::Settle { peer });
    }
    sim.run_until(60_000, "the settlement", |sim| {
        [(ONE, OTHER), (OTHER, ONE)].into_iter().all(|(payer, payee)| {
            let promised = sim.checks().promises.marks(payer, payee).promised;
            let settled = |at: usize| sim.peer(at)?.settled_of(sim.id(payer), sim.id(payee));
            (0..2).all(|at| settled(at).unwrap_or_default().amount == promised)
        })
    });
}

/// Each has what it is owed, but for the fee on what has moved.
fn assert_paid(sim: &WholeSim) {
    let promised = [ONE, OTHER].map(|who| sim.checks().promises.marks(who, 1 - who).promised.units());
    let ppm = u128::from(sim.scene.genesis.parameters.settlement_fee_ppm);
    let fee_max = (promised[ONE] + promised[OTHER]) * ppm / 1_000_000;
    for who in [ONE, OTHER] {
        let due = DEPOSIT.units() + promised[1 - who] - promised[who];
        let balance = sim.account(who).balance.units();
        assert!(balance <= due && balance + fee_max >= due, "seed {}: {balance} of {due}", sim.seed());
    }
    assert!(sim.checks().promises.compared > 0, "seed {}: the checks had something to do", sim.seed());
}

#[test]
fn two_who_owe_each_other_settle_the_net() {
    seeds(2, 30, |seed| {
        let mut sim = Plan::neighbours(seed).build();
        trade(&mut sim, [6 * MB, 5 * MB]);
        settle(&mut sim, ONE);
        assert_paid(&sim);
        let (one, other) = (handed_in(&sim, ONE), handed_in(&sim, OTHER));
        assert!(one.0 + other.0 > 0, "seed {seed}: {one:?} and {other:?} settled the net");
        let both = [ONE, OTHER].map(|who| sim.account(who).balance.units());
        let gone = 2 * DEPOSIT.units() - both[ONE] - both[OTHER];
        let promised = Amount::checked_sum((0..2).map(|who| sim.checks().promises.marks(who, 1 - who).promised));
        assert!(gone * 1000 < promised.expect("small").units(), "seed {seed}: {gone} of fees for {promised:?}");
    });
}

#[test]
fn a_node_that_hands_nothing_in_holds_up_nobody() {
    seeds(2, 20, |seed| {
        let mut sim = Plan::neighbours(seed).with_conduct(OTHER, Conduct::Withholder).build();
        trade(&mut sim, [6 * MB, 5 * MB]);
        let owed = |sim: &WholeSim| sim.checks().promises.marks(OTHER, ONE);
        let peer = sim.id(OTHER);
        for attempt in 0..10 {
            sim.command_in(attempt * 3_000, ONE, PeerCommand::Settle { peer });
        }
        sim.run_until(40_000, "the settlement", |sim| owed(sim).settled.1 == owed(sim).promised);
        let fees = owed(&sim).promised.units() / 1000;
        let paid = sim.checks().promises.marks(ONE, OTHER).settled.1;
        let due = DEPOSIT.units() + owed(&sim).promised.units() - paid.units();
        let balance = sim.account(ONE).balance.units();
        assert!(balance <= due && balance + fees + 100 >= due, "seed {seed}: {balance} of {due}");
    });
}

#[test]
fn power_and_links_may_fail_while_the_net_is_settled() {
    seeds(2, 30, |seed| {
        let rounds = if is_long() { 12 } else { 4 };
        for round in 0..rounds {
            let mut sim = Plan::neighbours(seed).build();
            trade(&mut sim, [3 * MB, 2 * MB]);
            let (who, peer) = ((round % 2) as usize, sim.id((round as usize + 1) % 2));
            sim.command_in(0, who, PeerCommand::Settle { peer });
            let moment = 17 * (seed * 7 + round) % 500;
            match round % 4 {
                0 | 1 => {
                    let node = sim.node_of(ONE);
                    sim.restart_in(moment, node, 400);
                }
                2 => sim.command_in(moment, OTHER, PeerCommand::CutLinks),
                _ => {
                    let node = sim.node_of(OTHER);
                    sim.partition_in(moment, &[node], 4_000);
                }
            }
            sim.run_ms(6_000);
            trade(&mut sim, [2 * MB, MB]);
            settle(&mut sim, who);
            assert_paid(&sim);
        }
    });
}

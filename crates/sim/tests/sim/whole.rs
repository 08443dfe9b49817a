//! Whole networks. What holds in every run is checked by `NetworkChecks`; what a scenario is about is asserted here.

mod adversaries;
mod channels;
mod faults;
mod neighbours;
mod warnings;

use byway_primitives::Amount;
use byway_sim::peer::{PeerPlan, Role};
use byway_sim::whole::PRICE;
use byway_sim::{Plan, WholeSim};

use crate::seeds;

/// Market nodes of `Plan::market`.
const PROVIDER: usize = 0;
const CLIENT: usize = 1;
const MB: u64 = 1_000_000;
/// Longer than any download here takes, with what goes wrong on the way.
const PATIENCE_MS: u64 = 120_000;

/// From two funded wallets to a download that is paid for and settled.
fn browse(sim: &mut WholeSim, bytes: u64) {
    sim.download(CLIENT, bytes, PATIENCE_MS);
    sim.settle(CLIENT, PROVIDER);
    sim.assert_paid(CLIENT, PROVIDER);
    let compared = sim.checks().followers.compared;
    assert!(compared > 0 && sim.checks().promises.compared > 0, "seed {}: the checks had something to do", sim.seed());
}

#[test]
fn a_wallet_pays_another_and_both_see_it_certified() {
    seeds(2, 20, |seed| {
        let peers = vec![PeerPlan::new(Role::Wallet), PeerPlan::new(Role::Wallet)];
        let mut sim = Plan { peers, ..Plan::kernel_only(seed) }.build();
        sim.pay_in(500, 0, 1, Amount::from_coins(3));
        let paid = Some((Amount::from_coins(7), Amount::from_coins(13)));
        sim.run_until(5_000, "the payment", |sim| sim.free(0).zip(sim.free(1)) == paid);
        assert!(sim.checks().followers.compared > 0, "seed {seed}: followed ledgers were compared");
    });
}

#[test]
fn a_stranger_registers_browses_and_pays() {
    seeds(2, 30, |seed| {
        let mut sim = Plan::market(seed).build();
        browse(&mut sim, 5 * MB);
        let marks = sim.checks().promises.marks(CLIENT, PROVIDER);
        let window = Amount::from_units(PRICE.units() / 2);
        let least = Amount::from_units(PRICE.units() * 5);
        let most = least.checked_add(window).expect("small");
        assert!((least..=most).contains(&marks.promised), "seed {seed}: {marks:?}");
        assert_eq!(marks.provider_risked_most, Amount::ZERO, "seed {seed}: the client went first");
    });
}

#[test]
fn a_client_takes_the_cheapest_and_pays_each_of_two_providers_its_own() {
    seeds(1, 20, |seed| {
        let dear = Amount::from_units(PRICE.units() * 2);
        let mut sim = Plan::market(seed).with_provider(dear).build();
        sim.run_until(20_000, "both offers", |sim| sim.offers_known(CLIENT) == 2);
        browse(&mut sim, 2 * MB);
        assert_eq!(sim.bytes_arrived(CLIENT, 2), 0, "seed {seed}: nothing was bought from the dear one");
        let down = sim.node_of(PROVIDER);
        sim.world.act_in(0, byway_sim::Act::Crash { node: down });
        sim.run_ms(200);
        sim.download(CLIENT, 2 * MB, PATIENCE_MS);
        assert!(sim.bytes_arrived(CLIENT, 2) >= 2 * MB, "seed {seed}: the next best was taken");
    });
}

#[test]
fn a_seed_is_a_run() {
    let run = |seed| {
        let mut sim = Plan::market(seed).build();
        sim.want(CLIENT, 3 * MB);
        sim.run_until_begun();
        sim.restart_in(1_500, sim.node_of(PROVIDER), 200);
        sim.restart_in(2_000, 2, 200);
        sim.run_ms(4_500);
        sim.world.trace()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

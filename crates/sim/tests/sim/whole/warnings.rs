//! A client that promises everyone everything, and providers that tell each other.

use byway_access::warning::WarningConfig;
use byway_dialogue::payment::WINDOW_START_BYTES;
use byway_primitives::{Amount, Span};
use byway_sim::peer::{Buying, PeerCommand, PeerPlan, Role, Selling};
use byway_sim::whole::PRICE;
use byway_sim::{Plan, WholeSim};

use super::{CLIENT, MB};
use crate::seeds;

/// What is in the client's account, and so the most that one provider lets it owe.
const BALANCE: Amount = Amount::from_units(PRICE.units() * 4);
/// The cheapest first, as a client takes them.
const PROVIDERS: [usize; 3] = [0, 2, 3];

fn price(turn: usize) -> Amount {
    Amount::from_units(PRICE.units() * (10 + turn as u128) / 10)
}

/// Providers that settle late, and a client that goes to the next one when it gets no more.
fn overcommit(seed: u64, warnings: Option<WarningConfig>) -> WholeSim {
    let selling = |turn| Selling {
        price_per_mb: price(turn),
        settle_at: Amount::from_coins(1),
        settle_delay_max: Span::seconds(2),
    };
    let peers = vec![
        PeerPlan::new(Role::Provider(selling(0))),
        PeerPlan::new(Role::Client(Buying { deposit: BALANCE })),
        PeerPlan::new(Role::Provider(selling(1))),
        PeerPlan::new(Role::Provider(selling(2))),
    ];
    let mut sim = Plan { peers, warnings, ..Plan::market(seed) }.build();
    sim.run_until(30_000, "all offers", |sim| sim.offers_known(CLIENT) == PROVIDERS.len());
    sim.want(CLIENT, 1_000 * MB);
    for _ in PROVIDERS {
        sim.run_ms(25_000);
        sim.command_in(0, CLIENT, PeerCommand::LeaveProvider);
    }
    sim.run_ms(1_000);
    sim
}

fn received(sim: &WholeSim) -> [Amount; 3] {
    PROVIDERS.map(|provider| sim.checks().promises.marks(CLIENT, provider).received)
}

#[test]
fn an_overcommitting_client_gains_no_more_than_one_window_from_the_second_provider_on() {
    seeds(2, 20, |seed| {
        let sim = overcommit(seed, Some(WarningConfig::default()));
        let [first, others @ ..] = received(&sim);
        assert_eq!(first, BALANCE, "seed {seed}: the first gives credit for all that there is");
        for (turn, received) in others.into_iter().enumerate() {
            let window = Amount::cost_of_bytes(price(turn + 1), WINDOW_START_BYTES).expect("small");
            assert!(!received.is_zero(), "seed {seed}: it was let in");
            assert!(received <= window, "seed {seed}: {received} of a first window of {window}");
        }
    });
}

/// Else the scenario shows nothing.
#[test]
fn providers_that_tell_each_other_nothing_are_owed_more_than_there_is() {
    seeds(1, 5, |seed| {
        let received = received(&overcommit(seed, None));
        assert_eq!(received, [BALANCE; 3], "seed {seed}");
    });
}

/// Providers that ask each other come and go, and so does the client; nobody honest is the worse for being asked about.
#[test]
fn an_honest_client_gets_its_credit_while_providers_come_and_go() {
    seeds(2, 20, |seed| {
        let plan = Plan::market(seed).with_provider(price(1));
        let mut sim = Plan { warnings: Some(WarningConfig::default()), ..plan }.build();
        sim.run_until(30_000, "both offers", |sim| sim.offers_known(CLIENT) == 2);
        sim.want(CLIENT, 6 * MB);
        for turn in 0..4 {
            let node = sim.node_of([0, 2, CLIENT, 0][(seed + turn) as usize % 4]);
            sim.restart_in(700 + 1_700 * turn, node, 300);
        }
        sim.run_ms(8_000);
        sim.download(CLIENT, 2 * MB, super::PATIENCE_MS);
        let arrived: u64 = [0, 2].map(|provider| sim.bytes_arrived(CLIENT, provider)).iter().sum();
        assert!(arrived >= 8 * MB, "seed {seed}: {arrived}");
    });
}

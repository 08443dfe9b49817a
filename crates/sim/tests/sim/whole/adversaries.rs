//! Nodes that cheat, by name: market nodes, kernel nodes that lie to clients, and kernel nodes that break the kernel's
//! rules. Nobody honest loses more than the window in force, which `NetworkChecks` sees to.

use byway_access::session::{ClientNews, OpenError, ProviderNews, StopReason};
use byway_peer::market::MarketNews;
use byway_primitives::Amount;
use byway_sim::Plan;
use byway_sim::kernel::Conduct as KernelConduct;
use byway_sim::network::{Latency, Link};
use byway_sim::peer::{Conduct, PeerNews};
use byway_sim::whole::{CEILING, Lie, PRICE};

use super::{CLIENT, MB, PATIENCE_MS, PROVIDER, browse};
use crate::seeds;

fn said(sim: &byway_sim::WholeSim, peer: usize, what: impl Fn(&MarketNews) -> bool) -> usize {
    let market = sim.checks().said[peer].iter().filter_map(|news| match news {
        PeerNews::Market(news) => Some(news),
        _ => None,
    });
    market.filter(|news| what(news)).count()
}

#[test]
fn a_provider_that_asks_for_more_than_its_offer_says_is_left_for_the_next_best() {
    seeds(2, 20, |seed| {
        let dear = Amount::from_units(PRICE.units() * 3);
        let plan = Plan::market(seed).with_conduct(PROVIDER, Conduct::Overcharger).with_provider(dear);
        let mut sim = plan.build();
        sim.run_until(20_000, "both offers", |sim| sim.offers_known(CLIENT) == 2);
        sim.download(CLIENT, 4 * MB, PATIENCE_MS);
        let is_too_dear = |news: &MarketNews| {
            let MarketNews::Using { news: ClientNews::OpenFailed { error, .. }, .. } = news else { return false };
            matches!(error, OpenError::TooDear { .. })
        };
        assert!(said(&sim, CLIENT, is_too_dear) > 0, "seed {seed}: the price is not what was agreed to");
        assert!(sim.bytes_arrived(CLIENT, 2) > 3 * MB, "seed {seed}: the honest one was taken");
        let risked = sim.checks().promises.marks(CLIENT, PROVIDER).client_risked_most;
        assert!(risked <= CEILING, "seed {seed}: {risked}");
    });
}

#[test]
fn a_provider_that_forges_settlements_gets_what_was_promised_once() {
    seeds(1, 20, |seed| {
        let mut sim = Plan::market(seed).with_conduct(PROVIDER, Conduct::Forger).build();
        browse(&mut sim, 4 * MB);
        let refused = sim.checks().said[PROVIDER].iter().filter(|news| matches!(news, PeerNews::Refused { .. }));
        assert!(refused.count() > 0, "seed {seed}: kernel nodes don't take what is forged");
        // What was claimed again has its verdict by now.
        sim.run_ms(5_000);
        sim.assert_paid(CLIENT, PROVIDER);
    });
}

#[test]
fn a_client_that_stops_paying_gets_what_it_has_paid_for() {
    let after = Amount::from_units(PRICE.units() * 2);
    seeds(2, 20, |seed| {
        let mut sim = Plan::market(seed).with_conduct(CLIENT, Conduct::StopsPaying { after }).build();
        sim.want(CLIENT, 20 * MB);
        sim.run_ms(90_000);
        let remainder_zero = |news: &MarketNews| {
            let over = StopReason::RemainderZero;
            matches!(news, MarketNews::Serving { news: ProviderNews::Ended { reason, .. }, .. } if *reason == over)
        };
        assert!(said(&sim, PROVIDER, remainder_zero) > 0, "seed {seed}: the session was ended");
        let marks = sim.checks().promises.marks(CLIENT, PROVIDER);
        assert_eq!(marks.received, after, "seed {seed}");
        assert_eq!(marks.provider_risked_most, Amount::ZERO, "seed {seed}: nothing was given for nothing");
        sim.settle(CLIENT, PROVIDER);
        sim.assert_paid(CLIENT, PROVIDER);
    });
}

#[test]
fn a_client_that_stops_acknowledging_gains_a_window_at_most() {
    seeds(2, 20, |seed| {
        let conduct = Conduct::StopsAcknowledging { after_bytes: 2 * MB };
        let mut sim = Plan::market(seed).with_conduct(CLIENT, conduct).build();
        sim.want(CLIENT, 20 * MB);
        sim.run_ms(90_000);
        let arrived = sim.bytes_arrived(CLIENT, PROVIDER);
        assert!((2 * MB..4 * MB).contains(&arrived), "seed {seed}: {arrived}");
        sim.settle(CLIENT, PROVIDER);
        sim.assert_paid(CLIENT, PROVIDER);
    });
}

#[test]
fn kernel_nodes_that_lie_to_followers_are_caught_or_left() {
    use Lie::*;
    for lie in [FalseEntry, HiddenPayment, ForgedSignature, LoneSigner, Withholder, Swallower, Mute] {
        seeds(1, 12, |seed| {
            let mut sim = Plan::market(seed).with_liar(2, lie).with_liar(5, lie).build();
            browse(&mut sim, 2 * MB);
            let accused = &sim.checks().followers.accused;
            let is_caught = accused.iter().all(|liars| liars.contains(&5));
            assert_eq!(is_caught, lie.is_provable(), "seed {seed}, {lie:?}: {accused:?}");
        });
    }
}

#[test]
fn the_market_goes_on_while_kernel_nodes_break_the_rules() {
    use KernelConduct::*;
    for pair in
        [[Equivocator, Equivocator], [Withholder, IllSigner], [Silent, Boaster], [OldCheckpoint, FutureCheckpoint]]
    {
        seeds(1, 8, |seed| {
            let plan = Plan::market(seed).with_adversaries(&[(1, pair[0]), (4, pair[1])]);
            browse(&mut plan.build(), 2 * MB);
        });
    }
}

/// Everything at once: an equivocator and a liar among the kernel nodes, a forger, an overcharger or a client that does not
/// pay among the market nodes, all of them come and go, and the links between them break.
///
/// Links lose no more than this: what they swallow beyond what a provider forgives comes back only with the refill of its
/// purse after ten minutes, longer than the scenario's patience.
#[test]
fn adversaries_and_faults_together_change_nothing() {
    seeds(3, 40, |seed| {
        let lies = [Lie::FalseEntry, Lie::HiddenPayment, Lie::ForgedSignature, Lie::Withholder, Lie::Swallower];
        let half = Amount::from_units(PRICE.units() / 2);
        let plan = Plan::market(seed)
            .with_adversaries(&[(1, KernelConduct::Equivocator)])
            .with_liar(4, lies[seed as usize % lies.len()]);
        let plan = match seed % 3 {
            0 => plan.with_provider(half).with_conduct(2, Conduct::Forger),
            2 => plan.with_provider(half).with_conduct(2, Conduct::Overcharger),
            _ => plan.with_client().with_conduct(2, Conduct::StopsPaying { after: half }),
        };
        let access =
            Link { latency: Latency { least_us: 5_000, jitter_us: 30_000, slow_one_in: 100 }, loss_ppm: 1_000 };
        let mut sim = Plan { access, ..plan }.build();
        sim.want(CLIENT, 6 * MB);
        if seed % 3 == 1 {
            sim.want(2, 6 * MB);
        }
        sim.run_until_begun();
        for turn in 0..4 {
            let market = sim.node_of((seed + turn) as usize % 3);
            sim.restart_in(900 + 1_300 * turn, market, 300);
            sim.restart_in(1_400 + 1_500 * turn, [0, 2, 3, 5, 6][(seed + turn) as usize % 5], 400);
        }
        sim.run_ms(8_000);
        sim.download(CLIENT, MB, PATIENCE_MS);
        let (dear, cheap) = (sim.bytes_arrived(CLIENT, PROVIDER), sim.bytes_arrived(CLIENT, 2));
        assert!(dear + cheap >= 7 * MB, "seed {seed}: {dear} and {cheap}");
    });
}

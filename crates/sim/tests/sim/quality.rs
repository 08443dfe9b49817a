//! Bad providers that a crowd of fresh identities praises.

use byway_access::quality::FRESH_SHIFT_MAX;
use byway_sim::quality::{QualityPlan, QualitySim, Serving};

use crate::seeds;

const DAYS: usize = 14;
/// Two of the ten providers are bad; see [`QualitySim`].
const GOOD: usize = 8;
const CLIENTS: usize = 8;
/// More than all others together, and more than anyone keeps of one provider.
const CROWD: usize = 40;

fn after_two_weeks(seed: u64) -> QualitySim {
    let mut sim = QualitySim::new(QualityPlan { seed, good: GOOD, clients: CLIENTS, crowd: CROWD });
    let cheapest = (0..CLIENTS).all(|client| sim.serving(sim.choice(client)) != Serving::Well);
    assert!(cheapest, "seed {seed}: the bad ones are the cheapest, so that everyone begins there");
    let days: Vec<Vec<Serving>> = (0..DAYS).map(|_| sim.day()).collect();
    let bad = |day: &Vec<Serving>| day.iter().filter(|serving| **serving != Serving::Well).count();
    let last_week: usize = days[DAYS / 2..].iter().map(bad).sum();
    // A good provider whose line breaks at the first use makes its client look around, at the cheap ones, too.
    let most = CLIENTS * (DAYS - DAYS / 2) / 10;
    assert!(last_week <= most, "seed {seed}: {last_week} of {most}, {days:?}");
    sim
}

#[test]
fn clients_end_up_with_providers_that_serve_well_whatever_a_crowd_says() {
    seeds(2, 20, |seed| drop(after_two_weeks(seed)));
}

#[test]
fn a_crowd_of_fresh_identities_moves_nobody_beyond_the_bound() {
    seeds(2, 20, |seed| {
        let sim = after_two_weeks(seed);
        let mut heard = 0;
        for client in 0..CLIENTS {
            for provider in 0..sim.providers() {
                let (with, without) = sim.ratings(client, provider);
                let shift = with.quality.abs_diff(without.quality);
                assert!(shift <= FRESH_SHIFT_MAX, "seed {seed}: {without:?} became {with:?}");
                heard += with.attesters - without.attesters;
            }
        }
        assert!(heard > 0, "seed {seed}: else the scenario shows nothing");
    });
}

//! Either side is killed at any moment, again and again, also while it recovers: the credit window bounds what that costs.
//!
//! A [`Story`] is a client that uses a provider, with sizes, rates, losses, delays and disks drawn at random, and so are the
//! kills: whose, at which moment or write, how much of what is being written gets to the disk, and how long it stays away.
//! [`Checks`](checks::Checks) look at every millisecond in which anything happens, or [`TimeChecks`](seconds::TimeChecks) where
//! time is sold.
//!
//! What a kill costs at most: a client, coin that it promised and has not used, within the window under which it last promised;
//! a provider, bytes that were of use and are never paid, within the larger window of both sides for each kill. What a provider may have to carry once
//! more, since nobody acknowledged it for good, is no more than was paid ahead and what it takes for lost, its own window.
//!
//! A sample runs usually and 10,000 kills of each kind with `BYWAY_TEST_LONG=1`. A story that fails names its seed;
//! `BYWAY_TEST_SEEDS=17` or `=1..=500` runs those.

mod checks;
mod seconds;
mod story;

use std::ops::RangeInclusive;

use checks::Worst;
use story::{KILLS, Kind, Story};

/// Stories of each kind usually, and in a long run: 10,000 kills.
const SAMPLED: u64 = 8;
const ALL: u64 = 10_000 / KILLS;

fn stories() -> RangeInclusive<u64> {
    let Ok(text) = std::env::var("BYWAY_TEST_SEEDS") else {
        let is_long = std::env::var_os("BYWAY_TEST_LONG").is_some();
        return 1..=if is_long { ALL } else { SAMPLED };
    };
    let (first, last) = text.split_once("..=").unwrap_or((&text, &text));
    let number = |text: &str| text.parse().expect("BYWAY_TEST_SEEDS is a seed, or FIRST..=LAST");
    number(first)..=number(last)
}

fn check(kind: Kind) {
    let mut worst = Worst::default();
    for seed in stories() {
        worst.join(&Story::new(seed, kind).run());
    }
    println!("{kind:?}, seeds {:?}: {worst:?}", stories());
    assert!(worst.client_ppm > 0 && worst.provider_ppm > 0, "kills cost nothing: there was nothing to lose");
}

#[test]
fn kills_cost_streams_no_more_than_a_window() {
    check(Kind::Streams);
}

#[test]
fn kills_cost_a_session_by_the_second_no_more_than_a_window() {
    check(Kind::Seconds);
}

#[test]
fn kills_cost_a_tunnel_no_more_than_a_window() {
    check(Kind::Tunnel);
}

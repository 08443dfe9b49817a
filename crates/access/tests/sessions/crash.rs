//! Crashes at every write of either side, and links that break at any moment.

use byway_access::session::{SessionMessage, Traffic};
use byway_primitives::Span;

use crate::node::*;
use crate::pair::*;

const UP: u64 = 100_000;
const DOWN: u64 = 900_000;

fn scenario(crash: Option<Crash>) -> Pair {
    let mut pair = Pair::browsing(UP, DOWN);
    pair.crash = crash;
    pair.run_until_moved(Span::seconds(60));
    pair.stop_all();
    pair
}

fn check_end(pair: &Pair, label: &str) {
    let (billed, earned) = (pair.client().spent(), pair.provider().earned());
    assert_eq!(earned, billed, "{label}: both sides agree on the bill");
    let (promised, received) = (pair.nodes[CLIENT].payments.promised(), pair.nodes[PROVIDER].payments.received());
    assert_eq!(promised, received, "{label}: and on what was promised");
    assert!(pair.sessions().is_empty() && pair.provider().sessions(pair.now).is_empty(), "{label}: all is over");
    // What a crash swallows is under way at that moment: bounded by a window, and not billed.
    let unbilled = pair.truth.arrived.cost(PRICE).saturating_sub(billed);
    assert!(unbilled <= CEILING, "{label}: {unbilled} arrived and was not billed");
}

#[test]
fn a_crash_at_any_write_loses_at_most_a_window_and_no_agreement() {
    let whole = scenario(None);
    check_end(&whole, "no crash");
    assert_eq!(whole.client().spent(), whole.truth.arrived.cost(PRICE));
    for node in [CLIENT, PROVIDER] {
        let writes = whole.nodes[node].writes;
        assert!(writes > 15, "{writes} writes are too few to be worth crashing");
        for at_write in 1..=writes {
            for when in [When::BeforeDurable, When::AfterDurable] {
                let crash = Crash { node, at_write, when };
                let pair = scenario(Some(crash));
                check_end(&pair, &format!("{crash:?}"));
                // Before the session is in the client's journal there is none to take up; the user opens another.
                let taken_up = pair.wanted == Traffic::default();
                assert!(taken_up || pair.truth.arrived == Traffic::default(), "{crash:?}: the session lived on");
            }
        }
    }
}

#[test]
fn a_link_that_breaks_is_taken_up_again() {
    for at in (0..1500).step_by(100) {
        let mut pair = Pair::browsing(UP, DOWN);
        pair.run(Span::millis(at));
        pair.break_link();
        pair.run_until_moved(Span::seconds(60));
        assert_eq!(pair.wanted, Traffic::default(), "broken at {at} ms: {:?}", pair.sessions());
        pair.stop_all();
        check_end(&pair, &format!("broken at {at} ms"));
        assert_eq!(pair.client().spent(), pair.truth.arrived.cost(PRICE), "broken at {at} ms");
    }
}

/// A link that died without a word swallows a window; what is forgiven before the client is heard again would be
/// swallowed as well, and then neither would go on for ever.
#[test]
fn a_link_that_was_dead_for_long_before_it_broke_is_taken_up_again() {
    for dead in 1..12 {
        let mut pair = Pair::browsing(UP, 3 * DOWN);
        pair.run_until_moved(Span::seconds(60));
        // Until everything is acknowledged: the client is ahead by a whole window.
        pair.run(Span::seconds(3));
        pair.wanted = Traffic::new(0, 5 * DOWN);
        pair.void = true;
        pair.run(Span::seconds(dead));
        pair.break_link();
        pair.run_until_moved(Span::seconds(60));
        assert_eq!(pair.wanted, Traffic::default(), "dead for {dead} s: {:?}", pair.sessions());
        pair.stop_all();
        check_end(&pair, &format!("dead for {dead} s"));
    }
}

/// A provider that starts again has forgotten what it carried and was never acknowledged. What it forgave of that is no
/// coin to carry more for, though no acknowledgement comes to tell it so.
#[test]
fn what_was_forgiven_before_a_crash_buys_nothing_after_it() {
    let mut pair = Pair::browsing(0, 6 * DOWN);
    pair.loss_one_in = 20;
    pair.run_until_moved(Span::seconds(300));
    pair.run(Span::seconds(3));
    pair.tamper = Some(Box::new(|_, message| match message {
        Message::Session(SessionMessage::Acknowledge { .. }) => None,
        message => Some(message),
    }));
    pair.crash_now(PROVIDER);
    pair.run(Span::seconds(1));
    let limits = pair.nodes[PROVIDER].planes.values().map(|plane| plane.limit).collect::<Vec<_>>();
    let prepaid = pair.nodes[PROVIDER].payments.received().saturating_sub(pair.provider().earned());
    assert_eq!(limits, [pair.tariff.bought(prepaid)], "what is paid ahead, and no more");
}

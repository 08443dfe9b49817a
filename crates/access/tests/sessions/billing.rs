//! Honest peers: what is billed is what arrived.

use byway_access::session::{ClientNews, OpenError, OpenRefusal, ProviderNews, SessionState, StopReason};
use byway_access::{ResponseId, SessionMessage, Tariff, Traffic, Usage};
use byway_primitives::{Amount, Span};
use byway_records::OfferId;

use crate::node::*;
use crate::pair::*;

#[test]
fn what_arrived_is_billed_to_the_byte() {
    let mut pair = Pair::browsing(700_001, 3_000_003);
    pair.run_until_moved(Span::seconds(60));
    assert_eq!(pair.wanted, Traffic::default(), "everything moved: {:?}", pair.sessions());
    pair.stop_all();
    let bills = pair.final_bills();
    assert_eq!(bills.len(), 1);
    let (Usage { traffic: billed, .. }, cost) = *bills.values().next().unwrap();
    assert_eq!(billed, Traffic::new(700_001, 3_000_003));
    assert_eq!(billed, pair.truth.arrived);
    assert_eq!(cost, billed.cost(PRICE), "of the cumulative count, rounded up once");
    assert_eq!(pair.provider().earned(), cost);
    assert_eq!(pair.client().spent(), cost);
    let (promised, received) = (pair.nodes[CLIENT].payments.promised(), pair.nodes[PROVIDER].payments.received());
    assert_eq!(promised, received);
    assert_eq!(pair.nodes[PROVIDER].payments.remainder(), received.saturating_sub(cost), "the rest stays as credit");
    assert!(pair.sessions().is_empty());
}

#[test]
fn the_window_grows_to_full_speed() {
    let mut pair = Pair::browsing(0, 20_000_000);
    pair.run(Span::seconds(2));
    let early = pair.truth.arrived.down;
    pair.run(Span::seconds(2));
    let late = pair.truth.arrived.down - early;
    assert!(pair.nodes[CLIENT].payments.window() > Amount::from_units(3 * 65_536));
    assert!(late > early, "{early} bytes in the first seconds, {late} in the next");
}

/// A client learns from its provider's bills what came of its uploads, and acknowledges no more than that.
#[test]
fn uploads_do_not_wait_for_the_time_of_the_next_bill() {
    let seconds = |up, down| {
        let mut pair = Pair::browsing(up, down);
        let begun = pair.now;
        pair.run_until_moved(Span::seconds(300));
        assert_eq!(pair.wanted, Traffic::default());
        pair.now.since(begun).0 / 1_000
    };
    let (up, down) = (seconds(20_000_000, 0), seconds(0, 20_000_000));
    assert!(up <= down + 2, "{up} s for what is downloaded in {down} s");
}

#[test]
fn credit_that_is_left_is_used_by_the_next_session() {
    let mut pair = Pair::browsing(0, 50_000);
    pair.run_until_moved(Span::seconds(5));
    pair.stop_all();
    let promised = pair.nodes[CLIENT].payments.promised();
    let left = pair.nodes[PROVIDER].payments.remainder();
    assert!(!left.is_zero());
    pair.open(ResponseId(2), request());
    pair.wanted = Traffic::new(0, left.bytes_bought(PRICE) / 4);
    pair.run_until_moved(Span::seconds(5));
    pair.stop_all();
    assert_eq!(pair.wanted, Traffic::default());
    let needed = pair.client().spent();
    assert!(pair.nodes[CLIENT].payments.promised() <= promised.max(needed.checked_add(CEILING).unwrap()));
    assert_eq!(pair.final_bills().len(), 2);
}

#[test]
fn several_sessions_share_one_credit() {
    let mut pair = Pair::browsing(0, 2_000_000);
    pair.open(ResponseId(2), request());
    pair.run(Span::millis(300));
    assert_eq!(pair.sessions().len(), 2);
    pair.run_until_moved(Span::seconds(60));
    assert_eq!(pair.wanted, Traffic::default());
    pair.stop_all();
    let bills = pair.final_bills();
    let total = bills.values().fold(0, |sum, (billed, _)| sum + billed.traffic.total());
    assert_eq!(total, pair.truth.arrived.total());
    assert!(bills.values().all(|(billed, _)| billed.traffic.total() > 100_000), "neither starved: {bills:?}");
}

#[test]
fn a_line_that_loses_data_goes_on_and_lost_bytes_are_not_billed() {
    let mut pair = Pair::browsing(0, 5_000_000);
    pair.loss_one_in = 50;
    pair.run_until_moved(Span::seconds(120));
    assert_eq!(pair.wanted, Traffic::default(), "{:?}", pair.sessions());
    pair.stop_all();
    let (Usage { traffic: billed, .. }, cost) = *pair.final_bills().values().next().unwrap();
    assert_eq!(billed, pair.truth.arrived);
    assert!(billed.down < 5_000_000);
    assert_eq!(cost, billed.cost(PRICE));
}

/// What was carried and lost leaves less of the budget than a packet, and not nothing: so no byte more is ever carried, and
/// none is ever acknowledged, unless that counts as used up.
#[test]
fn packets_go_on_when_a_window_of_them_was_lost() {
    let mut pair = Pair::browsing(0, 3_000_000);
    (pair.packet, pair.loss_one_in) = (1_420, 1);
    pair.run(Span::seconds(1));
    assert_eq!(pair.truth.arrived.down, 0);
    pair.loss_one_in = 0;
    pair.run_until_moved(Span::seconds(60));
    assert_eq!(pair.wanted, Traffic::default(), "{:?}", pair.sessions());
}

#[test]
fn a_session_is_refused_with_the_reason() {
    let mut pair = Pair::new();
    let unknown = byway_access::session::OpenRequest { offer: OfferId(byway_primitives::Hash([9; 32])), ..request() };
    pair.open(ResponseId(7), unknown);
    pair.run(Span::seconds(1));
    let error = OpenError::Refused(OpenRefusal::OfferUnknown);
    assert!(pair.client_said(|news| *news == ClientNews::OpenFailed { response: ResponseId(7), error }));
    assert!(pair.sessions().is_empty());
}

#[test]
fn opening_is_idempotent() {
    let mut pair = Pair::browsing(0, 0);
    pair.run(Span::seconds(1));
    let data = vec![1];
    let again = SessionMessage::Open { offer: OFFER, response: ResponseId(1), tariff: Tariff::per_mb(PRICE), data };
    for _ in 0..3 {
        pair.nodes[PROVIDER].handle(pair.now, Message::Session(again.clone()));
        pair.run(Span::millis(200));
    }
    assert_eq!(pair.provider().sessions(pair.now).len(), 1);
    assert_eq!(pair.sessions().len(), 1);
    assert_eq!(pair.sessions()[0].state, SessionState::Running);
}

#[test]
fn the_spending_limit_of_a_session_ends_it() {
    let mut pair = Pair::new();
    let cost_max = Amount::from_units(3 * 300_000);
    pair.open(ResponseId(1), byway_access::session::OpenRequest { cost_max, ..request() });
    pair.wanted = Traffic::new(0, 5_000_000);
    pair.run(Span::seconds(40));
    assert!(pair.client_said(|news| matches!(news, ClientNews::OverLimit { limit, .. } if *limit == cost_max)));
    let ended = StopReason::SpendingLimit;
    assert!(pair.client_said(|news| matches!(news, ClientNews::Ended { reason, .. } if *reason == ended)));
    assert!(pair.nodes[CLIENT].payments.promised() <= cost_max);
    assert!(pair.truth.arrived.down > 290_000, "nearly all of it was of use: {}", pair.truth.arrived.down);
}

#[test]
fn a_limit_may_be_told_anew_while_a_session_is_open() {
    let mut pair = Pair::new();
    let limits = [3 * 300_000, 3 * 2_000_000, 3 * 1_000_000].map(Amount::from_units);
    pair.open(ResponseId(1), byway_access::session::OpenRequest { cost_max: limits[0], ..request() });
    pair.run(Span::seconds(1));
    let (now, session) = (pair.now, pair.sessions()[0].id);
    for (limit, bytes) in [(limits[1], 2_000_000), (limits[2], 1_000_000)] {
        pair.nodes[CLIENT].client(now, |client| client.limit(now, session, limit));
        assert!(pair.client_said(|news| *news == ClientNews::Limited { session, limit: bytes }));
    }
    pair.wanted = Traffic::new(0, 5_000_000);
    pair.run(Span::seconds(60));
    assert!(pair.client_said(|news| matches!(news, ClientNews::OverLimit { limit, .. } if *limit == limits[2])));
    assert!(!pair.client_said(|news| matches!(news, ClientNews::OverLimit { limit, .. } if *limit != limits[2])));
    assert!(pair.nodes[CLIENT].payments.promised() <= limits[2]);
    assert!(pair.truth.arrived.down > 900_000, "nearly all of it was of use: {}", pair.truth.arrived.down);
}

#[test]
fn a_limit_below_what_a_session_has_cost_ends_it_at_once() {
    let mut pair = Pair::browsing(0, 500_000);
    pair.run(Span::seconds(20));
    let (now, session) = (pair.now, pair.sessions()[0].id);
    pair.nodes[CLIENT].client(now, |client| client.limit(now, session, Amount::from_units(1)));
    let limit = Amount::from_units(1);
    assert!(pair.client_said(|news| *news == ClientNews::OverLimit { session, limit }));
    pair.run(Span::seconds(10));
    assert!(pair.sessions().is_empty());
}

#[test]
fn what_buys_nothing_asks_for_no_session() {
    let mut pair = Pair::new();
    let (now, tariff) = (pair.now, request().tariff);
    for (bytes, is_too_low) in [(0, true), (2_000, true), (2_100, false)] {
        let cost_max = tariff.cost_of(bytes);
        let wanted = byway_access::session::OpenRequest { cost_max, ..request() };
        pair.nodes[CLIENT].client(now, |client| {
            let asked = client.open(now, ResponseId(bytes), wanted.clone());
            assert_eq!(
                matches!(asked, Err(OpenError::LimitTooLow { left, .. }) if left == cost_max),
                is_too_low,
                "{bytes}"
            );
            asked.unwrap_or_default()
        });
    }
}

#[test]
fn the_provider_may_end_a_session_and_sessions_end_with_the_dialogue() {
    let mut pair = Pair::browsing(0, 500_000);
    pair.run(Span::seconds(1));
    let (now, session) = (pair.now, pair.sessions()[0].id);
    pair.nodes[PROVIDER].provider(now, |provider| provider.stop(now, session, StopReason::ProviderWish));
    pair.run(Span::seconds(8));
    assert!(pair.sessions().is_empty() && pair.provider().sessions(pair.now).is_empty());
    let wish = StopReason::ProviderWish;
    assert!(pair.client_said(|news| matches!(news, ClientNews::Ended { reason, .. } if *reason == wish)));
    assert_eq!(pair.client().spent(), pair.provider().earned());

    let mut pair = Pair::browsing(0, 500_000);
    pair.run(Span::seconds(1));
    pair.go_dark();
    let now = pair.now;
    pair.nodes[CLIENT].client(now, |client| client.handle_dialogue_ended(now));
    pair.nodes[PROVIDER].provider(now, |provider| provider.handle_dialogue_ended(now));
    assert!(pair.sessions().is_empty() && pair.provider().sessions(pair.now).is_empty());
    let over = StopReason::DialogueEnded;
    assert!(pair.provider_said(|news| matches!(news, ProviderNews::Ended { reason, .. } if *reason == over)));
}

//! How far a session by the second is paid ahead, and how often that is said and written down.

use byway_access::session::{ClientNews, OpenError, OpenRequest};
use byway_access::{ResponseId, Tariff, Traffic};
use byway_dialogue::payment::{Ahead, WINDOW_START_BYTES, WINDOW_START_TIME};
use byway_primitives::{Amount, Span};

use crate::node::*;
use crate::pair::*;

fn at(price: Amount) -> OpenRequest {
    OpenRequest { tariff: Tariff::per_second(price), price_max: price, ..request() }
}

/// The price of a second where so many milliseconds may be paid ahead.
fn ahead_for(millis: u128) -> Amount {
    Amount::from_units(CEILING.units() * 1_000 / millis)
}

/// With a provider that asks so much for a second.
fn selling_at(price: Amount) -> Pair {
    let mut pair = Pair::new();
    pair.tariff = Tariff::per_second(price);
    let now = pair.now;
    let sale = byway_access::session::Sale::at(byway_records::offer::Service::SOCKS, pair.tariff);
    pair.nodes[PROVIDER].provider(now, |provider| {
        provider.sell([(OFFER, sale)].into());
        Vec::new()
    });
    pair
}

fn pauses(pair: &Pair) -> usize {
    pair.nodes[CLIENT].client_news.iter().filter(|news| matches!(news, ClientNews::Paused { .. })).count()
}

#[test]
fn a_window_that_may_not_be_as_large_as_usual_is_smaller_and_the_session_goes_on_all_the_same() {
    for millis in [3_000, 3_500, 4_000, 5_000, 6_000, 8_000] {
        let price = ahead_for(millis);
        let mut pair = selling_at(price);
        pair.open(ResponseId(1), at(price));
        pair.run(Span::seconds(60));
        assert_eq!(pauses(&pair), 0, "{millis} ms ahead");
        assert!(pair.truth.usable >= Span::seconds(59), "{millis} ms ahead: {:?}", pair.truth.usable);
        pair.stop_all();
        let ahead = pair.nodes[CLIENT].payments.promised().saturating_sub(pair.client().spent());
        assert!(ahead <= CEILING, "{millis} ms ahead: {ahead}");
    }
}

#[test]
fn a_second_that_costs_more_than_may_be_paid_ahead_is_refused_and_why_is_said() {
    let price = ahead_for(2_990);
    let tariff = Tariff::per_second(price);
    let mut pair = selling_at(price);
    let now = pair.now;
    let least = tariff.cost_of(3_000);
    let refused = |left| OpenError::AheadTooLow { left, least, tariff };
    pair.nodes[CLIENT].client(now, |client| {
        assert_eq!(client.open(now, ResponseId(1), at(price)), Err(refused(CEILING)));
        Vec::new()
    });
    // The same where that comes out only by haggling, and nothing is promised for it.
    let cheap = Amount::from_units(price.units() / 2);
    pair.open(ResponseId(2), OpenRequest { tariff: Tariff::per_second(cheap), ..at(price) });
    pair.run(Span::seconds(2));
    let failed = ClientNews::OpenFailed { response: ResponseId(2), error: refused(CEILING) };
    assert!(pair.client_said(|news| *news == failed));
    assert!(pair.sessions().is_empty() && pair.provider().sessions(pair.now).is_empty());
    // Bytes are bought one by one, at any price.
    let dear = OpenRequest { tariff: Tariff::per_mb(Amount::from_coins(1)), ..request() };
    pair.nodes[CLIENT].client(now, |client| {
        assert!(client.open(now, ResponseId(3), dear).is_ok());
        Vec::new()
    });
}

#[test]
fn sessions_share_what_may_be_paid_ahead_and_one_for_which_nothing_is_left_is_refused() {
    let price = ahead_for(7_000);
    let tariff = Tariff::per_second(price);
    let mut pair = selling_at(price);
    pair.open(ResponseId(1), at(price));
    pair.run(Span::seconds(2));
    pair.open(ResponseId(2), at(price));
    let now = pair.now;
    let (left, least) = (CEILING.saturating_sub(tariff.cost_of(6_000)), tariff.cost_of(3_000));
    pair.nodes[CLIENT].client(now, |client| {
        let error = OpenError::AheadTooLow { left, least, tariff };
        assert_eq!(client.open(now, ResponseId(3), at(price)), Err(error));
        Vec::new()
    });
}

#[test]
fn sessions_of_both_kinds_are_paid_ahead_for_what_each_needs() {
    let per_second = Tariff::per_second(Amount::from_units(20_000));
    let mut pair = Pair::new();
    let now = pair.now;
    pair.nodes[CLIENT].client(now, |client| client.open(now, ResponseId(1), request()).unwrap());
    pair.nodes[CLIENT].client(now, |client| client.open(now, ResponseId(2), at(per_second.price)).unwrap());
    let last = pair.nodes[CLIENT].client_news.iter().rev().find_map(|news| match news {
        ClientNews::PayAhead(ahead) => Some(*ahead),
        _ => None,
    });
    let first = Tariff::per_mb(PRICE).cost_of(WINDOW_START_BYTES);
    // Twice what the bytes take for a round trip and commits, and the whole window of time.
    let path = Tariff::per_mb(PRICE).cost_of(2 * 2_000_000 * 80 / 1_000);
    let time = per_second.cost_of(WINDOW_START_TIME.0);
    let (start, need) = (first.checked_add(time).unwrap(), path.checked_add(time).unwrap());
    assert_eq!(last, Some(Ahead { start, need, ceiling: CEILING }));
}

#[test]
fn a_session_by_the_second_goes_on_beside_one_that_carries_all_it_can() {
    let mut pair = Pair::renting([0, 0]);
    pair.open(ResponseId(2), request());
    pair.run(Span::seconds(1));
    pair.wanted = Traffic::new(0, 60_000_000);
    // The harness moves bytes in whichever session has room, so its laws, which are of one tariff, don't hold here.
    (0..6_000).for_each(|_| pair.advance());
    assert_eq!(pair.wanted, Traffic::default());
    let (time, now) = (pair.sessions().into_iter().find(|view| view.tariff == pair.tariff).unwrap().id, pair.now);
    let of_time = |news: &&ClientNews| matches!(news, ClientNews::Paused { session } if *session == time);
    let stood = pair.nodes[CLIENT].client_news.iter().filter(of_time).count();
    pair.nodes[CLIENT].client(now, |client| client.stop(now, time));
    (0..200).for_each(|_| pair.advance());
    let (billed, _) = pair.final_bills()[&time];
    assert!(stood <= 2 && billed.time >= Span::millis(30_800), "{billed:?} of 31 s, it stood still {stood} times");
}

#[test]
fn time_is_acknowledged_where_a_promise_is_due_and_not_more_often() {
    for open in [1, 3] {
        let mut pair = Pair::renting([0, 0]);
        for more in 1..open {
            pair.run(Span::millis(700));
            pair.open(ResponseId(1 + more), at(Amount::from_units(PER_SECOND.units() / 10)));
        }
        pair.run(Span::seconds(10));
        let before = pair.nodes[CLIENT].writes;
        (0..12_000).for_each(|_| pair.advance());
        let writes = pair.nodes[CLIENT].writes - before;
        // A promise and an acknowledgement in 4 s, for each session.
        assert!(writes <= 16 + 16 * open, "{writes} writes in a minute of {open} sessions");
        assert_eq!(pauses(&pair), 0, "and nothing waits for them");
        let promised = pair.nodes[CLIENT].payments.promised();
        let received = pair.nodes[PROVIDER].payments.received();
        assert_eq!(promised, received);
    }
}

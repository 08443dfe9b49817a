//! Sessions that are sold by the second: what is billed is the time in which they could be used.

use byway_access::credit::Trial;
use byway_access::session::{
    ClientNews, Measure, Metering, MeteringFault, OpenError, OpenRefusal, OpenRequest, ProviderNews, Sale,
    SessionState, StopReason,
};
use byway_access::{ResponseId, SessionMessage, Tariff, Traffic, Usage};
use byway_dialogue::payment::PaymentMessage;
use byway_primitives::{Amount, Span};
use byway_records::offer::Service;

use crate::node::*;
use crate::pair::*;

/// What a first window is worth, in milliseconds.
const WINDOW: u64 = 8_000;

fn bill(pair: &Pair) -> (Usage, Amount) {
    let bills = pair.final_bills();
    assert_eq!(bills.len(), 1, "{bills:?}");
    *bills.values().next().unwrap()
}

fn is_near(found: Span, expected: Span, tolerance: u64) -> bool {
    found.0.abs_diff(expected.0) <= tolerance
}

fn state(pair: &Pair) -> Option<SessionState> {
    pair.sessions().first().map(|session| session.state)
}

fn pays(message: &Message) -> bool {
    matches!(message, Message::Payment(PaymentMessage::Offer(_)))
}

#[test]
fn the_time_that_a_session_ran_is_billed_whatever_it_carried() {
    for wanted in [Traffic::default(), Traffic::new(100_001, 40_000_003)] {
        let mut pair = Pair::renting([0, 0]);
        pair.wanted = wanted;
        pair.run(Span::seconds(60));
        pair.stop_all();
        let (billed, cost) = bill(&pair);
        assert!(is_near(billed.time, pair.truth.usable, 200), "{billed:?} of {:?}", pair.truth.usable);
        assert!(is_near(billed.time, Span::seconds(63), 200), "{billed:?}");
        assert_eq!(billed.traffic, wanted, "the bytes are told, too");
        assert_eq!(cost, Tariff::per_second(PER_SECOND).cost(billed), "of the cumulative count, rounded up once");
        assert_eq!((pair.provider().earned(), pair.client().spent()), (cost, cost));
        assert!(!pair.client_said(|news| matches!(news, ClientNews::Paused { .. } | ClientNews::Fault { .. })));
        let promised = pair.nodes[CLIENT].payments.promised();
        assert!(promised.saturating_sub(cost) <= Tariff::per_second(PER_SECOND).cost_of(WINDOW), "one window ahead");
    }
}

#[test]
fn clocks_that_go_at_different_rates_lead_to_no_quarrel() {
    // A hundred times what the clock of a computer goes wrong by.
    for clocks_ppm in [[10_000, 0], [0, 10_000], [-10_000, 10_000], [10_000, -10_000]] {
        let mut pair = Pair::renting(clocks_ppm);
        pair.run(Span::minutes(20));
        assert!(matches!(state(&pair), Some(SessionState::Running | SessionState::Paused)), "{clocks_ppm:?}");
        assert!(is_near(pair.truth.usable, Span::minutes(20), 30_000), "{clocks_ppm:?}: {:?}", pair.truth.usable);
        pair.stop_all();
        let (billed, _) = bill(&pair);
        let elapsed = i128::from(pair.truth.usable.0) * i128::from(1_000_000 + clocks_ppm[CLIENT]) / 1_000_000;
        assert!(is_near(billed.time, Span(elapsed as u64), 2_000), "{clocks_ppm:?}: by the client's clock, {billed:?}");
        assert!(!pair.client_said(|news| matches!(news, ClientNews::Fault { .. })), "{clocks_ppm:?}");
    }
}

#[test]
fn nothing_is_given_beyond_what_was_paid_and_a_pause_costs_nothing() {
    let mut pair = Pair::renting([0, 0]);
    pair.wanted = Traffic::new(0, 1_000_000_000);
    pair.run(Span::seconds(10));
    pair.tamper = Some(Box::new(|who, message| (who != CLIENT || !pays(&message)).then_some(message)));
    pair.run(Span::seconds(12));
    assert_eq!(state(&pair), Some(SessionState::Paused));
    let (open, carried) = (pair.truth.open, pair.truth.carried);
    pair.run(Span::seconds(5));
    assert_eq!((pair.truth.open, pair.truth.carried), (open, carried), "the gate is shut");
    let received = pair.nodes[PROVIDER].payments.received();
    assert!(Tariff::per_second(PER_SECOND).cost_of(open.0) <= received, "{open:?} for {received}");
    // What was lost is said again over the next link.
    pair.tamper = None;
    pair.break_link();
    pair.run(Span::seconds(10));
    assert_eq!(state(&pair), Some(SessionState::Running));
    assert!(pair.truth.carried.down > carried.down);
    pair.stop_all();
    let (billed, _) = bill(&pair);
    assert!(is_near(billed.time, pair.truth.usable, pair.tolerance()), "{billed:?} of {:?}", pair.truth.usable);
}

#[test]
fn whoever_does_not_pay_gets_nothing_and_whoever_acknowledges_nothing_one_window() {
    let mut pair = Pair::renting([0, 0]);
    pair.tamper = Some(Box::new(|who, message| (who != CLIENT || !pays(&message)).then_some(message)));
    pair.run(Span::seconds(40));
    assert_eq!(pair.truth.open, Span::ZERO);
    assert!(pair.provider().sessions(pair.now).is_empty());

    let mut pair = Pair::renting([0, 0]);
    pair.tamper = Some(Box::new(|_, message| match message {
        Message::Session(SessionMessage::Acknowledge { .. }) => None,
        other => Some(other),
    }));
    for response in 2..5 {
        pair.run(Span::seconds(60));
        pair.open(ResponseId(response), request_of_time());
    }
    let received = pair.nodes[PROVIDER].payments.received();
    let gained = Tariff::per_second(PER_SECOND).cost_of(pair.truth.open.0).saturating_sub(received);
    assert!(gained <= Tariff::per_second(PER_SECOND).cost_of(WINDOW), "{gained} beyond {received}");
}

#[test]
fn an_outage_is_not_billed() {
    for dark in [1, 7, 60] {
        let mut pair = Pair::renting([0, 0]);
        pair.run(Span::seconds(20));
        pair.go_dark();
        pair.run(Span::seconds(dark));
        assert!(is_near(pair.truth.open, Span::seconds(20), 200), "the gate is shut: {:?}", pair.truth.open);
        pair.break_link();
        pair.run(Span::seconds(20));
        assert_eq!(state(&pair), Some(SessionState::Running), "dark for {dark} s");
        pair.stop_all();
        let (billed, _) = bill(&pair);
        // The client has last heard of the provider up to a metering before.
        assert!(is_near(billed.time, Span::seconds(43), 2_500), "dark for {dark} s: {billed:?}");
        assert!(billed.time.0 <= pair.truth.usable.0 + pair.tolerance(), "dark for {dark} s: {billed:?}");
    }
}

#[test]
fn time_begins_when_the_channel_is_up_also_after_a_crash() {
    let mut pair = Pair::renting([0, 0]);
    pair.run(Span::seconds(10));
    let session = pair.sessions()[0].id;
    pair.nodes[CLIENT].is_quick = false;
    pair.crash_now(CLIENT);
    let open = pair.truth.open;
    pair.run(Span::seconds(5));
    assert_eq!(pair.truth.open, open, "nothing could be carried");
    let now = pair.clock(CLIENT);
    pair.nodes[CLIENT].client(now, |client| client.handle_channel(now, session, Ok::<(), ()>(())));
    pair.run(Span::seconds(10));
    pair.stop_all();
    let (billed, _) = bill(&pair);
    assert!(is_near(billed.time, Span::seconds(23), 2_500), "{billed:?}");
    assert!(billed.time.0 <= pair.truth.usable.0 + pair.tolerance(), "{billed:?} of {:?}", pair.truth.usable);
}

#[test]
fn time_on_a_link_that_was_dead_before_it_broke_is_not_billed() {
    for dead in 1..14 {
        let mut pair = Pair::renting([0, 0]);
        pair.run(Span::seconds(100));
        pair.void = true;
        pair.run(Span::seconds(dead));
        pair.break_link();
        pair.run(Span::seconds(30));
        assert_eq!(state(&pair), Some(SessionState::Running), "dead for {dead} s");
        pair.stop_all();
        let (billed, _) = bill(&pair);
        assert!(billed.time.0 <= pair.truth.usable.0 + pair.tolerance(), "dead for {dead} s: {billed:?}");
        assert!(is_near(billed.time, pair.truth.usable, 2_500), "dead for {dead} s: {billed:?}");
    }
}

#[test]
fn a_silence_that_is_too_long_is_not_billed_where_the_link_comes_to_life_again() {
    for (silent, counts) in [(2, true), (9, false)] {
        let mut pair = Pair::renting([0, 0]);
        pair.run(Span::seconds(100));
        pair.void = true;
        pair.run(Span::seconds(silent));
        pair.void = false;
        // That nothing arrived meanwhile nobody knows for sure, so the harness's laws are more than can be asked for.
        (0..4_000).for_each(|_| pair.advance());
        let (session, now) = (pair.sessions()[0].id, pair.clock(CLIENT));
        pair.nodes[CLIENT].client(now, |client| client.stop(now, session));
        (0..1_000).for_each(|_| pair.advance());
        let ((billed, _), without) = (bill(&pair), pair.truth.usable);
        assert_eq!(billed.time.0 > without.0 + 1_000, counts, "silent for {silent} s: {billed:?} of {without:?}");
    }
}

fn scenario(crash: Option<Crash>) -> Pair {
    let mut pair = Pair::renting([0, 0]);
    pair.crash = crash;
    pair.run(Span::seconds(16));
    pair.stop_all();
    if !pair.sessions().is_empty() {
        // The user's wish was lost in the crash.
        pair.stop_all();
    }
    pair
}

#[test]
fn a_crash_at_any_write_loses_at_most_a_window_and_no_agreement() {
    let whole = scenario(None);
    for node in [CLIENT, PROVIDER] {
        let writes = whole.nodes[node].writes;
        assert!(writes > 10, "{writes} writes are too few to be worth crashing");
        for at_write in 1..=writes {
            for when in [When::BeforeDurable, When::AfterDurable] {
                let crash = Crash { node, at_write, when };
                let pair = scenario(Some(crash));
                let (billed, earned) = (pair.client().spent(), pair.provider().earned());
                assert_eq!(earned, billed, "{crash:?}: both sides agree on the bill");
                let promised = pair.nodes[CLIENT].payments.promised();
                assert_eq!(promised, pair.nodes[PROVIDER].payments.received(), "{crash:?}");
                assert!(pair.sessions().is_empty() && pair.provider().sessions(pair.now).is_empty(), "{crash:?}");
                let unbilled = Tariff::per_second(PER_SECOND).cost(pair.used()).saturating_sub(billed);
                let window = Tariff::per_second(PER_SECOND).cost_of(WINDOW);
                assert!(unbilled <= window, "{crash:?}: {unbilled} was of use and not billed");
            }
        }
    }
}

/// How a provider's bill is falsified.
type Cheat = fn(&mut Metering);
/// Whether it was found out for what it is.
type Finds = fn(&MeteringFault) -> bool;

#[test]
fn a_provider_that_bills_time_that_its_client_did_not_see_is_caught() {
    let tariff = Tariff::per_second(PER_SECOND);
    let cases: [(&str, Cheat, Finds); 3] = [
        (
            "a millisecond that was never acknowledged",
            |bill| {
                bill.billed.time.0 += 1;
                bill.cost = Tariff::per_second(PER_SECOND).cost(bill.billed);
            },
            |fault| matches!(fault, MeteringFault::BilledUnacknowledged { .. }),
        ),
        (
            "a higher price",
            |bill| bill.cost = Tariff::per_second(PER_SECOND.checked_add(PRICE).unwrap()).cost(bill.billed),
            |fault| matches!(fault, MeteringFault::WrongCost { .. }),
        ),
        (
            "bytes",
            |bill| bill.cost = Tariff::per_mb(PRICE).cost(bill.billed),
            |fault| matches!(fault, MeteringFault::WrongCost { .. }),
        ),
    ];
    for (label, change, is_expected) in cases {
        let mut pair = Pair::renting([0, 0]);
        pair.wanted = Traffic::new(0, 1_000_000);
        pair.run(Span::seconds(5));
        pair.tamper = Some(Box::new(move |_, message| match message {
            Message::Session(SessionMessage::Metering(mut metering)) => {
                change(&mut metering);
                Some(Message::Session(SessionMessage::Metering(metering)))
            }
            other => Some(other),
        }));
        pair.run(Span::seconds(15));
        let caught = |news: &ClientNews| matches!(news, ClientNews::Fault { fault, .. } if is_expected(fault));
        assert!(pair.client_said(caught), "{label}");
        let over = StopReason::OverBilled;
        assert!(
            pair.client_said(|news| matches!(news, ClientNews::Ended { reason, .. } if *reason == over)),
            "{label}"
        );
        let lost = pair.nodes[CLIENT].payments.promised().saturating_sub(tariff.cost(pair.used()));
        assert!(lost <= tariff.cost_of(WINDOW), "{label}: {lost} is lost");
    }
}

#[test]
fn the_spending_limit_of_a_session_ends_it_in_time() {
    let tariff = Tariff::per_second(PER_SECOND);
    let mut pair = Pair::new();
    pair.tariff = tariff;
    let cost_max = tariff.cost_of(30_000);
    pair.open(ResponseId(1), OpenRequest { cost_max, ..request_of_time() });
    pair.run(Span::seconds(45));
    assert!(pair.client_said(|news| matches!(news, ClientNews::OverLimit { limit, .. } if *limit == cost_max)));
    let ended = StopReason::SpendingLimit;
    assert!(pair.client_said(|news| matches!(news, ClientNews::Ended { reason, .. } if *reason == ended)));
    assert!(pair.nodes[CLIENT].payments.promised() <= cost_max);
    let (billed, cost) = bill(&pair);
    assert!(cost <= cost_max && billed.time >= Span::seconds(28), "nearly all of it was of use: {billed:?}");

    let too_little = OpenRequest { cost_max: tariff.cost_of(999), ..request_of_time() };
    let now = pair.now;
    pair.nodes[CLIENT].client(now, |client| {
        let asked = client.open(now, ResponseId(2), too_little);
        assert!(matches!(asked, Err(OpenError::LimitTooLow { tariff: named, .. }) if named == tariff));
        Vec::new()
    });
}

#[test]
fn price_and_unit_are_agreed_on_before_a_session() {
    let half = Amount::from_units(PER_SECOND.units() / 2);
    let asks = |tariff, price_max| OpenRequest { tariff, price_max, ..request() };
    let mut pair = Pair::new();
    pair.tariff = Tariff::per_second(PER_SECOND);
    pair.open(ResponseId(1), asks(Tariff::per_second(half), PER_SECOND));
    pair.run(Span::seconds(1));
    assert!(pair.client_said(|news| matches!(news, ClientNews::Countered { price, .. } if *price == PER_SECOND)));
    assert_eq!(pair.sessions()[0].tariff, Tariff::per_second(PER_SECOND));
    assert_eq!(pair.provider().sessions(pair.now)[0].tariff, Tariff::per_second(PER_SECOND));

    let now = pair.now;
    pair.nodes[PROVIDER].provider(now, |provider| {
        provider.sell([(OFFER, Sale::at(Service::SOCKS, Tariff::per_mb(PRICE)))].into());
        Vec::new()
    });
    pair.open(ResponseId(2), request_of_time());
    pair.nodes[CLIENT].client(now, |client| client.ask(now, ResponseId(3), (OFFER, Measure::Time)).unwrap());
    pair.run(Span::seconds(1));
    let error = OpenError::Refused(OpenRefusal::NotByThat);
    assert!(pair.client_said(|news| *news == ClientNews::OpenFailed { response: ResponseId(2), error }));
    assert!(pair.client_said(|news| *news == ClientNews::AskFailed { response: ResponseId(3), error }));
}

#[test]
fn a_trial_is_of_bytes_alone() {
    let mut pair = Pair::renting([0, 0]);
    let now = pair.now;
    pair.nodes[PROVIDER].provider(now, |provider| {
        provider.grant_trial(Some(Trial { bytes: 100_000, every: Span::days(30) }));
        Vec::new()
    });
    pair.run(Span::seconds(1));
    pair.nodes[CLIENT].client(now, |client| client.ask(now, ResponseId(2), (OFFER, Measure::Time)).unwrap());
    pair.nodes[CLIENT].client(now, |client| client.ask(now, ResponseId(3), (OFFER, Measure::Bytes)).unwrap());
    pair.run(Span::seconds(1));
    let quoted: Vec<(Measure, u64)> = pair.nodes[CLIENT]
        .client_news
        .iter()
        .filter_map(|news| match news {
            ClientNews::Quoted { quote, .. } => Some((quote.tariff.measure, quote.free)),
            _ => None,
        })
        .collect();
    assert_eq!(quoted, [(Measure::Time, 0), (Measure::Bytes, 100_000)]);
    assert_eq!(pair.sessions()[0].free, 0);
}

#[test]
fn sessions_of_both_kinds_share_one_credit() {
    let mut pair = Pair::renting([0, 0]);
    pair.open(ResponseId(2), request());
    pair.wanted = Traffic::new(0, 1_500_000);
    // The harness moves bytes in whichever session has room, so what is of use is reckoned by session here.
    for _ in 0..4_000 {
        pair.advance();
    }
    let bills: Vec<_> = pair.sessions().iter().map(|view| (view.tariff, view.billed, view.cost)).collect();
    for (tariff, billed, cost) in &bills {
        assert_eq!(tariff.cost(*billed), *cost);
    }
    let of = |measure| bills.iter().find(|(tariff, ..)| tariff.measure == measure).unwrap().1;
    assert!(of(Measure::Time).time >= Span::seconds(15), "{bills:?}");
    let moved = bills.iter().fold(0, |sum, (_, billed, _)| sum + billed.traffic.total());
    assert_eq!(moved, pair.truth.arrived.total(), "{bills:?}");
    assert_eq!(pair.wanted, Traffic::default(), "neither starved");
    let due = |pair: &Pair| pair.client().spent().checked_add(CEILING).unwrap();
    assert!(pair.nodes[CLIENT].payments.promised() <= due(&pair));
    assert!(!pair.provider_said(|news| matches!(news, ProviderNews::Ended { .. })));
}

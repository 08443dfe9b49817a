//! Peers that cheat, by name. Each gets at most the window in force.

use std::cell::Cell;
use std::rc::Rc;

use byway_access::session::{
    Accepted, ClientNews, Metering, MeteringFault, OpenError, ProviderNews, SessionId, Sides, StopReason, Traffic,
};
use byway_access::{ResponseId, SessionMessage};
use byway_dialogue::payment::PaymentMessage;
use byway_primitives::{Amount, Span, Time};

use crate::node::*;
use crate::pair::*;

const START: Amount = Amount::from_units(3 * 65_536);

/// How a provider's agreement is falsified.
type Falsify = Box<dyn Fn(&mut Accepted)>;

/// How a provider's bill is falsified.
type Cheat = fn(&mut Metering);

fn over_bills(change: Cheat) -> Pair {
    let mut pair = Pair::browsing(50_000, 50_000_000);
    let begun = pair.now;
    let now = Rc::new(Cell::new(begun));
    let clock = now.clone();
    pair.tamper = Some(Box::new(move |who, message| match message {
        Message::Session(SessionMessage::Metering(mut metering))
            if who == PROVIDER && clock.get() > begun + Span::seconds(3) =>
        {
            change(&mut metering);
            Some(Message::Session(SessionMessage::Metering(metering)))
        }
        other => Some(other),
    }));
    while pair.now < begun + Span::seconds(15) {
        now.set(pair.now);
        pair.step();
    }
    pair
}

#[test]
fn an_over_billing_provider_is_caught_and_paid_no_more() {
    let cases: [(&str, Cheat); 3] = [
        ("bytes never acknowledged", |m| {
            m.billed.traffic.down *= 2;
            m.cost = m.billed.traffic.cost(PRICE);
        }),
        ("uploads never sent", |m| {
            m.billed.traffic.up = 1 << 40;
            m.cost = m.billed.traffic.cost(PRICE);
        }),
        ("a higher price", |m| m.cost = m.cost.checked_add(m.cost).unwrap()),
    ];
    for (label, change) in cases {
        let pair = over_bills(change);
        assert!(pair.client_said(|news| matches!(news, ClientNews::Fault { .. })), "{label}");
        let ended = StopReason::OverBilled;
        assert!(
            pair.client_said(|news| matches!(news, ClientNews::Ended { reason, .. } if *reason == ended)),
            "{label}"
        );
        let paid_ahead = pair.nodes[CLIENT].payments.promised().saturating_sub(pair.client().spent());
        assert!(paid_ahead <= CEILING, "{label}: {paid_ahead} is lost");
    }
    let pair = over_bills(|m| m.cost = Amount::ZERO);
    assert!(pair.client_said(|news| matches!(news, ClientNews::Fault { fault: MeteringFault::WrongCost { .. }, .. })));
}

#[test]
fn uploads_that_the_provider_makes_up_are_not_billed() {
    let mut pair = Pair::browsing(10_000, 1_000_000);
    pair.tamper = Some(Box::new(|who, message| match message {
        Message::Session(SessionMessage::Metering(mut metering)) if who == PROVIDER => {
            metering.received_up = 1 << 40;
            Some(Message::Session(SessionMessage::Metering(metering)))
        }
        other => Some(other),
    }));
    pair.run_until_moved(Span::seconds(30));
    pair.stop_all();
    let (billed, _) = *pair.final_bills().values().next().unwrap();
    assert_eq!(billed.traffic, Traffic::new(10_000, 1_000_000));
}

/// Lets `keep` judge each message of the client from `after` on.
fn client_turns_bad(after: Span, keep: fn(&Message) -> bool) -> Pair {
    let mut pair = Pair::browsing(0, 500_000_000);
    pair.run(after);
    pair.tamper = Some(Box::new(move |who, message| (who != CLIENT || keep(&message)).then_some(message)));
    pair
}

#[test]
fn a_client_that_stops_paying_is_paused_and_then_ended() {
    let stops = |message: &Message| !matches!(message, Message::Payment(PaymentMessage::Offer(_)));
    let mut pair = client_turns_bad(Span::seconds(2), stops);
    pair.run(Span::seconds(40));
    assert!(pair.client_said(|news| matches!(news, ClientNews::Paused { .. })));
    let ended = StopReason::RemainderZero;
    assert!(pair.provider_said(|news| matches!(news, ProviderNews::Ended { reason, .. } if *reason == ended)));
    let received = pair.nodes[PROVIDER].payments.received();
    assert!(pair.truth.carried.cost(PRICE) <= received, "nothing was carried that was not promised");
}

#[test]
fn a_client_that_never_pays_gets_nothing() {
    let stops = |message: &Message| !matches!(message, Message::Payment(PaymentMessage::Offer(_)));
    let mut pair = client_turns_bad(Span::millis(0), stops);
    pair.run(Span::seconds(40));
    assert_eq!(pair.truth.carried, Traffic::default());
    assert!(pair.provider().sessions(pair.now).is_empty());
}

#[test]
fn a_client_that_never_acknowledges_gains_one_first_window_however_often_it_opens() {
    let mut pair = Pair::browsing(0, 500_000_000);
    // It pays once, so that there is something to live off.
    let mut offers = 0;
    pair.tamper = Some(Box::new(move |who, message| {
        offers += u32::from(matches!(message, Message::Payment(PaymentMessage::Offer(_))));
        let kept = match message {
            Message::Payment(PaymentMessage::Offer(_)) => offers == 1,
            Message::Session(SessionMessage::Acknowledge { .. }) => false,
            _ => true,
        };
        (who != CLIENT || kept).then_some(message)
    }));
    for response in 2..6 {
        pair.run(Span::seconds(40));
        pair.open(ResponseId(response), request());
    }
    pair.run(Span::seconds(40));
    let received = pair.nodes[PROVIDER].payments.received();
    let gained = pair.truth.carried.cost(PRICE).saturating_sub(received);
    assert!(gained <= START, "{gained}");
    assert_eq!(pair.provider().earned(), Amount::ZERO);
    assert_eq!(received, START, "and the provider holds a promise for the rest");
    let opened = pair.nodes[PROVIDER].provider_news.iter().filter(|news| matches!(news, ProviderNews::Serve { .. }));
    assert_eq!(opened.count(), 5);
}

#[test]
fn a_client_that_acknowledges_and_then_stops_gains_at_most_the_window_in_force() {
    let silent = |message: &Message| {
        !matches!(
            message,
            Message::Session(SessionMessage::Acknowledge { .. }) | Message::Payment(PaymentMessage::Offer(_))
        )
    };
    let mut pair = client_turns_bad(Span::seconds(4), silent);
    pair.run(Span::seconds(60));
    let received = pair.nodes[PROVIDER].payments.received();
    let gained = pair.truth.carried.cost(PRICE).saturating_sub(received);
    assert!(gained <= pair.provider().window(), "{gained}");
}

#[test]
fn a_provider_that_vanishes_keeps_at_most_the_window_in_force() {
    for after in [0, 50, 200, 1000, 4000] {
        let mut pair = Pair::browsing(0, 500_000_000);
        pair.run(Span::millis(after));
        pair.tamper = Some(Box::new(|who, message| (who != PROVIDER).then_some(message)));
        let mut window = START;
        let end = pair.now + Span::seconds(30);
        while pair.now < end {
            pair.nodes[PROVIDER].planes.clear();
            pair.step();
            window = window.max(pair.nodes[CLIENT].payments.window());
        }
        let lost = pair.nodes[CLIENT].payments.promised().saturating_sub(pair.truth.arrived.cost(PRICE));
        assert!(lost <= window, "after {after} ms: {lost} of a window of {window}");
        assert!(pair.sessions().is_empty(), "after {after} ms the client has given up");
        let gave_up = pair.client_said(|news| match news {
            ClientNews::OpenFailed { error, .. } => *error == OpenError::NoAnswer,
            ClientNews::Ended { reason, .. } => *reason == StopReason::Silence,
            _ => false,
        });
        assert!(gave_up, "after {after} ms");
    }
}

#[test]
fn a_session_under_an_id_that_is_not_its_own_is_refused() {
    let other = SessionId::of(sides(), ResponseId(2), Time(1_000_030));
    let elsewhere = SessionId::of(Sides { provider: id(CLIENT), ..sides() }, ResponseId(1), Time(1_000_030));
    let falsify: [(&str, Falsify); 3] = [
        ("another session's", Box::new(move |accepted| accepted.session = other)),
        ("another provider's", Box::new(move |accepted| accepted.session = elsewhere)),
        ("that of another time", Box::new(|accepted| accepted.asked = accepted.asked + Span::millis(1))),
    ];
    for (label, change) in falsify {
        let mut pair = Pair::new();
        pair.tamper = Some(Box::new(move |_, message| match message {
            Message::Session(SessionMessage::Accepted(mut accepted)) => {
                change(&mut accepted);
                Some(Message::Session(SessionMessage::Accepted(accepted)))
            }
            other => Some(other),
        }));
        pair.open(ResponseId(1), request());
        pair.run(Span::seconds(1));
        let failed = ClientNews::OpenFailed { response: ResponseId(1), error: OpenError::WrongId };
        assert!(pair.client_said(|news| *news == failed), "{label}");
        assert!(pair.sessions().is_empty(), "{label}");
    }
}

#[test]
fn flooding_a_client_costs_it_nothing() {
    let mut pair = Pair::browsing(0, 100_000);
    pair.run_until_moved(Span::seconds(10));
    pair.run(Span::seconds(2));
    let spent = pair.client().spent();
    assert_eq!(spent, pair.truth.arrived.cost(PRICE));
    // What nobody asked for fails the tunnel's authentication and is never counted at the client; the provider counts it
    // as carried for all it likes.
    for _ in 0..50 {
        for plane in pair.nodes[PROVIDER].planes.values_mut() {
            plane.counted.down = plane.limit;
        }
        pair.run(Span::millis(200));
    }
    assert_eq!(pair.client().spent(), spent);
    assert_eq!(pair.provider().earned(), spent);
}

//! Before a session: haggling over its price, questions, and trials (rows A6, A8).

use std::cell::Cell;
use std::rc::Rc;

use byway_access::credit::Trial;
use byway_access::session::{
    Accepted, COUNTERS_MAX, ClientNews, Measure, OpenError, OpenRefusal, OpenRequest, ProviderNews, SessionView,
    Traffic,
};
use byway_access::{ResponseId, SessionMessage, Tariff};
use byway_dialogue::payment::{BackingKind, PaymentMessage};
use byway_primitives::{Amount, Span};

use crate::node::*;
use crate::pair::*;

const TRIAL: Trial = Trial { bytes: 100_000, every: Span::days(30) };

fn units(units: u128) -> Amount {
    Amount::from_units(units)
}

/// A client that expects one price and agrees to another at most, where the provider asks [`PRICE`].
fn haggle(expected: u128, agreed: u128) -> Pair {
    let mut pair = Pair::new();
    pair.open(
        ResponseId(1),
        OpenRequest { tariff: Tariff::per_mb(units(expected)), price_max: units(agreed), ..request() },
    );
    pair.run(Span::seconds(1));
    pair
}

fn open_failed(pair: &Pair) -> Option<OpenError> {
    pair.nodes[CLIENT].client_news.iter().find_map(|news| match news {
        ClientNews::OpenFailed { error, .. } => Some(*error),
        _ => None,
    })
}

#[test]
fn a_session_begins_at_the_price_that_both_have_named() {
    let price = PRICE.units();
    for (expected, agreed) in [(price, price), (price / 2, price), (price - 1, price * 9), (price * 2, price * 2)] {
        let mut pair = haggle(expected, agreed);
        let views = [pair.client().sessions(pair.now), pair.provider().sessions(pair.now)];
        for view in &views {
            assert_eq!(
                view.iter().map(|view| view.tariff.price).collect::<Vec<_>>(),
                [PRICE],
                "{expected} of {agreed}"
            );
        }
        let countered = pair.client_said(|news| matches!(news, ClientNews::Countered { .. }));
        assert_eq!(countered, expected != price);
        pair.wanted = Traffic::new(0, 300_000);
        pair.run_until_moved(Span::seconds(20));
        pair.stop_all();
        assert_eq!(pair.provider().earned(), Traffic::new(0, 300_000).cost(PRICE));
        assert_eq!(pair.client().spent(), pair.provider().earned());
    }
}

#[test]
fn a_price_that_was_not_agreed_to_ends_it_and_costs_a_first_window_at_most() {
    let price = PRICE.units();
    for agreed in [price - 1, price / 2, 0] {
        let pair = haggle(price / 2, agreed);
        assert_eq!(
            open_failed(&pair),
            Some(OpenError::TooDear { asked: Tariff::per_mb(PRICE), agreed: units(agreed) })
        );
        assert!(pair.sessions().is_empty() && pair.provider().sessions(pair.now).is_empty());
        let first = Traffic::new(0, 65_536).cost(PRICE);
        assert!(pair.nodes[CLIENT].payments.promised() <= first);
        assert_eq!(pair.client().spent(), Amount::ZERO);
    }
}

/// Whatever the provider wants to answer to a request for a session, the client hears this.
fn answers_every_open_with(counter: impl Fn(Amount) -> Amount + 'static) -> Pair {
    let mut pair = Pair::new();
    let named = Rc::new(Cell::new(Amount::ZERO));
    pair.tamper = Some(Box::new(move |_, message| match message {
        Message::Session(SessionMessage::Open { tariff, .. }) => {
            named.set(tariff.price);
            Some(message)
        }
        Message::Session(
            SessionMessage::Accepted(Accepted { response, .. }) | SessionMessage::Counter { response, .. },
        ) => {
            let (named, price) = (named.get(), counter(named.get()));
            Some(Message::Session(SessionMessage::Counter { response, named, price }))
        }
        other => Some(other),
    }));
    pair.open(ResponseId(1), OpenRequest { price_max: Amount::MAX, ..request() });
    pair.run(Span::seconds(5));
    pair
}

#[test]
fn a_provider_that_asks_for_more_each_time_is_left() {
    let pair = answers_every_open_with(|named| named.checked_add(units(1)).unwrap());
    let countered = pair.nodes[CLIENT].client_news.iter().filter(|news| matches!(news, ClientNews::Countered { .. }));
    assert_eq!(countered.count(), usize::from(COUNTERS_MAX));
    assert!(matches!(open_failed(&pair), Some(OpenError::TooDear { .. })));
    assert!(pair.sessions().is_empty());
}

#[test]
fn old_counters_and_counters_after_the_session_began_say_nothing() {
    let mut pair = haggle(PRICE.units() / 2, PRICE.units() * 4);
    let half = units(PRICE.units() / 2);
    let dear = units(PRICE.units() * 3);
    let before = pair.sessions();
    for (response, named) in [(1, half), (1, PRICE), (2, PRICE)] {
        let replayed = SessionMessage::Counter { response: ResponseId(response), named, price: dear };
        let now = pair.now;
        pair.nodes[CLIENT].handle(now, Message::Session(replayed));
        pair.run(Span::seconds(1));
    }
    let price = |sessions: &[SessionView]| sessions.iter().map(|view| (view.id, view.tariff.price)).collect::<Vec<_>>();
    assert_eq!(price(&pair.sessions()), price(&before));
    // While the request at the provider's price is open, the counter to the one before is old.
    let mut pair = Pair::new();
    pair.open(ResponseId(7), OpenRequest { tariff: Tariff::per_mb(half), price_max: dear, ..request() });
    pair.tamper = Some(Box::new(|who, message| (who == CLIENT).then_some(message)));
    let now = pair.now;
    let counter = |named, price| SessionMessage::Counter { response: ResponseId(7), named, price };
    pair.nodes[CLIENT].handle(now, Message::Session(counter(half, PRICE)));
    pair.nodes[CLIENT].handle(now, Message::Session(counter(half, dear)));
    let agreed = pair.nodes[CLIENT].client_news.iter().filter_map(|news| match news {
        ClientNews::Countered { price, .. } => Some(*price),
        _ => None,
    });
    assert_eq!(agreed.collect::<Vec<_>>(), [PRICE]);
}

#[test]
fn a_provider_that_bills_at_a_higher_price_than_was_agreed_to_is_accused() {
    let mut pair = haggle(PRICE.units() / 2, PRICE.units());
    pair.tamper = Some(Box::new(|_, message| match message {
        Message::Session(SessionMessage::Metering(mut metering)) => {
            metering.cost = metering.billed.traffic.cost(units(PRICE.units() * 2));
            Some(Message::Session(SessionMessage::Metering(metering)))
        }
        other => Some(other),
    }));
    pair.wanted = Traffic::new(0, 3_000_000);
    pair.run(Span::seconds(10));
    assert!(pair.client_said(|news| matches!(news, ClientNews::Fault { .. })));
    assert!(pair.sessions().is_empty());
}

#[test]
fn questions_are_answered_for_nothing_and_not_without_end() {
    let mut pair = Pair::new();
    grant(&mut pair);
    let now = pair.now;
    pair.nodes[PROVIDER].provider(now, |provider| {
        provider.note_credit(units(700), BackingKind::Account);
        Vec::new()
    });
    let ask = |pair: &mut Pair, response, offer| {
        let now = pair.now;
        pair.nodes[CLIENT]
            .client(now, |client| client.ask(now, ResponseId(response), (offer, Measure::Bytes)).unwrap());
        pair.run(Span::millis(200));
        pair.nodes[CLIENT].client_news.pop().unwrap()
    };
    let ClientNews::Quoted { quote, offer, .. } = ask(&mut pair, 1, OFFER) else { panic!("no answer") };
    assert_eq!((offer, quote.tariff.price, quote.credit, quote.free), (OFFER, PRICE, units(700), TRIAL.bytes));
    let unknown = byway_records::OfferId(byway_primitives::Hash([9; 32]));
    let refused =
        |response, reason: OpenRefusal| ClientNews::AskFailed { response: ResponseId(response), error: reason.into() };
    assert_eq!(ask(&mut pair, 2, unknown), refused(2, OpenRefusal::OfferUnknown));
    let answers: Vec<_> = (3..20).map(|response| ask(&mut pair, response, OFFER)).collect();
    let answered = answers.iter().filter(|news| matches!(news, ClientNews::Quoted { .. })).count();
    assert_eq!(answered, 6, "eight at once, of which two are asked already, and none yet that came back");
    assert_eq!(answers[16], refused(19, OpenRefusal::TooManyQuestions));
    pair.run(Span::seconds(6));
    assert!(matches!(ask(&mut pair, 30, OFFER), ClientNews::Quoted { .. }), "and one more after a while");
    assert_eq!(pair.nodes[CLIENT].payments.promised(), Amount::ZERO);
}

#[test]
fn a_question_without_an_answer_is_given_up() {
    let mut pair = Pair::new();
    pair.tamper = Some(Box::new(|who, message| (who == CLIENT).then_some(message)));
    let now = pair.now;
    pair.nodes[CLIENT].client(now, |client| client.ask(now, ResponseId(1), (OFFER, Measure::Bytes)).unwrap());
    pair.run(Span::seconds(11));
    let failed = ClientNews::AskFailed { response: ResponseId(1), error: OpenError::NoAnswer };
    assert!(pair.client_said(|news| *news == failed));
}

fn grant(pair: &mut Pair) {
    let now = pair.now;
    pair.nodes[PROVIDER].provider(now, |provider| {
        provider.grant_trial(Some(TRIAL));
        Vec::new()
    });
}

#[test]
fn a_trial_is_free_and_what_follows_is_paid() {
    let mut pair = Pair::new();
    grant(&mut pair);
    pair.open(ResponseId(1), request());
    pair.wanted = Traffic::new(30_000, 470_000);
    pair.run_until_moved(Span::seconds(30));
    pair.stop_all();
    assert_eq!(pair.wanted, Traffic::default());
    let expected = Traffic::new(0, 500_000 - TRIAL.bytes).cost(PRICE);
    assert_eq!(pair.client().spent(), expected);
    assert_eq!(pair.provider().earned(), expected);
    assert!(!pair.client_said(|news| matches!(news, ClientNews::Fault { .. })));
}

/// Opens and closes again and again, after crashes too, and never pays.
#[test]
fn a_client_that_harvests_trials_gets_one() {
    let mut pair = Pair::new();
    pair.tamper = Some(Box::new(|who, message| {
        let pays = matches!(message, Message::Payment(PaymentMessage::Offer(_)));
        (who != CLIENT || !pays).then_some(message)
    }));
    pair.wanted = Traffic::new(0, 50_000_000);
    for response in 1..8 {
        grant(&mut pair);
        pair.open(ResponseId(response), request());
        pair.run(Span::seconds(3));
        pair.stop_all();
        if response % 2 == 0 {
            pair.crash_now(PROVIDER);
        }
    }
    assert_eq!(pair.truth.carried.total(), TRIAL.bytes);
    assert_eq!(pair.nodes[PROVIDER].payments.received(), Amount::ZERO);
    let served = pair.nodes[PROVIDER].provider_news.iter().filter(|news| matches!(news, ProviderNews::Serve { .. }));
    assert_eq!(served.count(), 7);
}

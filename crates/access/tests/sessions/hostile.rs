//! Whatever a peer says, in whatever order: no machine breaks and no law is broken.

use byway_access::session::{Accepted, Measure, Metering, OpenRefusal, StopReason};
use byway_access::{ResponseId, SessionId, SessionMessage, Tariff, Traffic, Usage};
use byway_primitives::{Amount, Span, Time};
use proptest::prelude::*;

use crate::node::*;
use crate::pair::*;

/// A message whose session is the real one where `real`, or else made up.
type Say = fn(SessionId, u64, u64) -> SessionMessage;

const FROM_PROVIDER: [Say; 10] = [
    |session, a, b| {
        let (response, data) = (ResponseId(a % 3), vec![1, 8]);
        SessionMessage::Accepted(Accepted { response, session, asked: Time(b), free: a, data })
    },
    |_, a, _| SessionMessage::Refused { response: ResponseId(a % 3), reason: OpenRefusal::Full },
    |session, a, b| SessionMessage::Metering(metering(session, a, b)),
    |session, _, _| SessionMessage::Pause { session },
    |session, _, _| SessionMessage::Resume { session },
    |session, _, _| SessionMessage::Stop { session, reason: StopReason::UnknownSession },
    |session, a, b| SessionMessage::Stopped(metering(session, a, b)),
    |session, _, _| SessionMessage::ChannelUp { session },
    |_, a, b| {
        let price = |number| Amount::from_units(u128::from(number));
        SessionMessage::Counter { response: ResponseId(a % 3), named: price(a), price: price(b) }
    },
    |session, _, _| SessionMessage::Stop { session, reason: StopReason::RemainderZero },
];

const FROM_CLIENT: [Say; 7] = [
    |_, a, _| {
        let tariff = if a % 2 == 0 { Tariff::per_mb(PRICE) } else { Tariff::per_second(PER_SECOND) };
        SessionMessage::Open { offer: OFFER, response: ResponseId(a % 40), tariff, data: vec![1] }
    },
    |session, _, _| SessionMessage::ChannelUp { session },
    |session, _, _| SessionMessage::ChannelFailed { session },
    |session, a, b| SessionMessage::Acknowledge {
        session,
        usage: Usage { traffic: Traffic::new(a, b), time: Span(a) },
    },
    |session, _, _| SessionMessage::Stop { session, reason: StopReason::ClientWish },
    |session, _, _| SessionMessage::Stop { session, reason: StopReason::UnknownSession },
    |session, a, b| SessionMessage::Metering(metering(session, a, b)),
];

fn metering(session: SessionId, a: u64, b: u64) -> Metering {
    let billed = Usage { traffic: Traffic::new(a, b), time: Span(a) };
    let tariff = if b.is_multiple_of(2) { Tariff::per_mb(PRICE) } else { Tariff::per_second(PER_SECOND) };
    Metering { session, cost: tariff.cost(billed), billed, received_up: b, duration: Span(a) }
}

fn measures() -> impl Strategy<Value = Measure> {
    prop_oneof![Just(Measure::Bytes), Just(Measure::Time)]
}

/// With a session that is sold by the one or the other, and something to move.
fn using(measure: Measure) -> Pair {
    let mut pair = match measure {
        Measure::Bytes => Pair::browsing(20_000, 400_000),
        Measure::Time => Pair::renting([0, 0]),
    };
    pair.wanted = Traffic::new(20_000, 400_000);
    pair.run(Span::millis(300));
    pair
}

/// How many steps go by before the next is said: mostly few, and now and then a good part of a window of time.
fn steps() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 0u64..4, 1 => 0u64..1_200]
}

/// What a provider of which only the limits are known has given at most, in coin.
#[derive(Default)]
struct Given {
    time: u64,
}

impl Given {
    /// So much time goes by.
    fn run(&mut self, pair: &mut Pair, steps: u64) {
        for _ in 0..steps {
            pair.advance();
            let open = pair.nodes[PROVIDER].planes.values().filter(|plane| plane.limit == u64::MAX);
            self.time += open.count() as u64 * STEP.0;
        }
    }

    /// All bytes that may pass where bytes are sold, and the time in which anything could pass where time is.
    fn cost(&self, pair: &Pair) -> Option<Amount> {
        let limits = pair.nodes[PROVIDER].planes.values().map(|plane| plane.limit);
        let bytes = limits.filter(|limit| *limit < u64::MAX).map(|limit| Traffic::new(0, limit).cost(PRICE));
        Amount::checked_sum(bytes)?.checked_add(Tariff::per_second(PER_SECOND).cost_of(self.time))
    }
}

fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..100_000, any::<u64>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_hostile_provider_never_raises_the_bill(
        measure in measures(),
        script in proptest::collection::vec((0..FROM_PROVIDER.len(), any::<bool>(), numbers(), numbers(), steps()), 1..30),
    ) {
        let mut pair = using(measure);
        let (real, begun) = (pair.sessions()[0].id, pair.now);
        for (kind, known, a, b, steps) in script {
            let session = if known { real } else { SessionId([9; 16]) };
            pair.nodes[CLIENT].handle(pair.now, Message::Session(FROM_PROVIDER[kind](session, a, b)));
            // The laws of an honest provider don't hold for time, which a provider can say that it gives.
            (0..=steps).for_each(|_| pair.advance());
            let most = match measure {
                Measure::Bytes => pair.truth.arrived.cost(PRICE),
                Measure::Time => pair.tariff.cost_of(pair.now.since(begun).0 + 300),
            };
            prop_assert!(pair.client().spent() <= most, "{} of {most}", pair.client().spent());
            let ahead = pair.nodes[CLIENT].payments.promised().saturating_sub(pair.client().spent());
            prop_assert!(ahead <= CEILING);
        }
    }

    #[test]
    fn a_hostile_provider_never_bills_time_that_did_not_go_by(
        script in proptest::collection::vec((0..FROM_PROVIDER.len(), any::<bool>(), numbers(), numbers()), 1..30),
    ) {
        let mut pair = Pair::renting([0, 0]);
        pair.run(Span::millis(300));
        let (real, begun) = (pair.sessions()[0].id, pair.now);
        for (kind, known, a, b) in script {
            let session = if known { real } else { SessionId([9; 16]) };
            let mut message = FROM_PROVIDER[kind](session, a, b);
            if let SessionMessage::Metering(bill) | SessionMessage::Stopped(bill) = &mut message {
                bill.billed.time = Span(a % 400);
                bill.billed.traffic = Traffic::default();
                bill.cost = pair.tariff.cost(bill.billed);
            }
            pair.nodes[CLIENT].handle(pair.now, Message::Session(message));
            pair.advance();
            let elapsed = pair.now.since(begun).0 + 300;
            prop_assert!(pair.client().spent() <= pair.tariff.cost_of(elapsed));
            let ahead = pair.nodes[CLIENT].payments.promised().saturating_sub(pair.client().spent());
            prop_assert!(ahead <= CEILING);
        }
    }

    #[test]
    fn a_hostile_client_never_gets_more_than_it_promised(
        measure in measures(),
        script in proptest::collection::vec((0..FROM_CLIENT.len(), any::<bool>(), numbers(), numbers(), steps()), 1..60),
    ) {
        let mut pair = using(measure);
        let real = pair.sessions()[0].id;
        let mut given = Given { time: pair.truth.open.0 * u64::from(measure == Measure::Time) };
        for (kind, known, a, b, steps) in script {
            let session = if known { real } else { SessionId([9; 16]) };
            pair.nodes[PROVIDER].handle(pair.now, Message::Session(FROM_CLIENT[kind](session, a, b)));
            // The laws of an honest client don't hold here, so the harness's checks stay out of it.
            pair.nodes[PROVIDER].report(pair.now);
            given.run(&mut pair, steps);
            let received = pair.nodes[PROVIDER].payments.received();
            let cost = given.cost(&pair);
            prop_assert!(cost.is_some_and(|most| most <= received.checked_add(CEILING).unwrap()), "{cost:?} of {received}");
            prop_assert!(pair.provider().sessions(pair.now).len() <= byway_access::session::SESSIONS_MAX);
        }
    }
}

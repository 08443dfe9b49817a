//! Peers that cheat, by name.

use byway_primitives::{AssetId, Effect, Hash, NetworkId, Span};
use byway_records::promise::ReservationId;
use byway_records::{Backing, Promise, SignedPromise};

use super::pair::*;
use crate::payment::*;

fn promise(serial: u64, units: u128) -> Promise {
    let series = parties(CLIENT).given(Backing::Account);
    Promise { network: NETWORK, series, serial, amount: amount(units) }
}

/// A provider that holds a promise of serial 2 for 500.
fn provider() -> Pair {
    let mut pair = Pair::new(give(), take());
    for (serial, units) in [(1, 100), (2, 500)] {
        let offer = promise(serial, units).sign(&secret(1));
        pair.act(PROVIDER, |machine, now| machine.handle_message(now, PaymentMessage::Offer(offer)));
    }
    pair.run(3);
    assert_eq!(pair.nodes[PROVIDER].machine.received(), amount(600));
    pair
}

/// What the provider answers to `offer`, which must not change what it has received.
fn refusal(offer: SignedPromise) -> Refusal {
    let mut pair = provider();
    let effects = pair.nodes[PROVIDER].machine.handle_message(pair.now, PaymentMessage::Offer(offer));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Persist { .. })), "nothing is journaled");
    pair.act(PROVIDER, |_, _| effects.clone());
    pair.run(3);
    assert_eq!(pair.nodes[PROVIDER].machine.received(), amount(600), "nothing is credited");
    let answer = effects.into_iter().find_map(|effect| match effect {
        Effect::Send { message: PaymentMessage::Refused { reason, .. }, .. } => Some(reason),
        _ => None,
    });
    answer.expect("refused with a reason")
}

#[test]
fn a_promise_that_is_not_good_is_refused_with_the_reason() {
    let client = secret(1);
    let sign = |change: fn(&mut Promise)| {
        let mut made = promise(2, 600);
        change(&mut made);
        made.sign(&client)
    };
    let minimum = amount(10);
    for (label, offer, expected) in [
        ("other network", sign(|p| p.network = NetworkId(Hash([9; 32]))), Refusal::WrongNetwork),
        ("other payee", sign(|p| p.series.payee = secret(9).id()), Refusal::WrongParties),
        ("other payer", sign(|p| p.series.payer = secret(9).id()), Refusal::WrongParties),
        ("other asset", sign(|p| p.series.asset = AssetId(Hash([5; 32]))), Refusal::WrongAsset),
        (
            "unknown reservation",
            sign(|p| p.series.backing = Backing::Reservation(ReservationId(Hash([5; 32])))),
            Refusal::WrongBacking,
        ),
        ("signed by another", promise(2, 600).sign(&secret(9)), Refusal::Signature),
        (
            "signature of a lower amount",
            SignedPromise { promise: promise(2, 600), ..promise(2, 500).sign(&client) },
            Refusal::Signature,
        ),
        ("lower amount", sign(|p| p.amount = amount(499)), Refusal::NotHigher { last: amount(500) }),
        ("old serial", sign(|p| p.serial = 1), Refusal::SerialOld { last: 2 }),
        ("replay of an old promise", promise(1, 100).sign(&client), Refusal::SerialOld { last: 2 }),
        ("old serial raised", sign(|p| (p.serial, p.amount) = (1, amount(900))), Refusal::SerialOld { last: 2 }),
        ("below the minimum", sign(|p| (p.serial, p.amount) = (3, amount(9))), Refusal::BelowMinimum { minimum }),
        (
            "over the exposure",
            sign(|p| (p.serial, p.amount) = (3, amount(99_401))),
            Refusal::OverExposure { room: amount(99_400) },
        ),
    ] {
        assert_eq!(refusal(offer), expected, "{label}");
    }
}

#[test]
fn the_same_promise_again_is_acknowledged_and_counts_once() {
    let mut pair = provider();
    for _ in 0..3 {
        let offer = promise(2, 500).sign(&secret(1));
        let effects = pair.nodes[PROVIDER].machine.handle_message(pair.now, PaymentMessage::Offer(offer));
        assert!(matches!(&effects[..], [Effect::Send { message: PaymentMessage::Accepted { .. }, .. }]), "{effects:?}");
    }
    pair.run(3);
    assert_eq!(pair.nodes[PROVIDER].machine.received(), amount(600));
}

#[test]
fn credit_waits_for_the_disk() {
    let mut pair = Pair::new(give(), take());
    let offer = promise(1, 100).sign(&secret(1));
    let effects = pair.nodes[PROVIDER].machine.handle_message(pair.now, PaymentMessage::Offer(offer));
    assert_eq!(pair.nodes[PROVIDER].machine.received(), amount(0), "not durable, not credited");
    let token = effects.iter().find_map(|effect| match effect {
        Effect::Persist { token, .. } => Some(*token),
        _ => None,
    });
    for effect in &effects {
        if let Effect::Send { after, .. } = effect {
            assert_eq!(*after, token, "and not acknowledged either");
        }
    }
    pair.nodes[PROVIDER].machine.handle_durable(token.unwrap());
    assert_eq!(pair.nodes[PROVIDER].machine.received(), amount(100));
}

#[test]
fn a_payee_cannot_forge_a_copy() {
    let mine = parties(CLIENT).given(Backing::Account);
    let theirs = promise(9, 90_000).sign(&secret(2));
    let turned = Promise { series: parties(PROVIDER).given(Backing::Account), ..promise(9, 90_000) }.sign(&secret(2));
    let abroad = Promise { network: NetworkId(Hash([9; 32])), ..promise(9, 90_000) }.sign(&secret(1));
    let terms = Terms {
        asset: AssetId::WAY,
        amount_min: amount(1),
        backing: BackingKind::Account,
        update: true,
        room: amount(1_000_000),
    };
    for copy in [theirs, turned, abroad] {
        let mut pair = Pair::new(give(), take());
        let advice = Advice { remainder: amount(0), terms, copy: Some(copy), settling: None };
        pair.act(CLIENT, |machine, now| machine.handle_message(now, PaymentMessage::Advice(advice)));
        assert!(pair.news(CLIENT, |news| *news == PaymentNews::Fault(PaymentFault::ForgedCopy)));
        pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
        pair.run(10);
        let last = pair.nodes[CLIENT].machine.last_promise().unwrap().promise;
        assert_eq!((last.series, last.serial, last.amount), (mine, 1, amount(100)));
    }
}

#[test]
fn a_payee_that_delivers_nothing_gets_one_first_window() {
    let mut pair = Pair::new(give(), take());
    pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
    // It keeps telling that nothing is left.
    for _ in 0..200 {
        let effects = pair.nodes[PROVIDER].machine.attach(pair.now);
        pair.act(PROVIDER, |_, _| effects);
        pair.step();
    }
    assert_eq!(pair.nodes[CLIENT].machine.promised(), amount(100));
}

#[test]
fn the_limit_of_the_day_holds_until_it_is_raised_or_the_day_is_over() {
    let day_max = amount(1000);
    let mut pair = Pair::new(GiveConfig { day_max }, take());
    pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
    let browse = |pair: &mut Pair| {
        for _ in 0..200 {
            pair.use_service(50);
            pair.step();
        }
    };
    browse(&mut pair);
    assert_eq!(pair.nodes[CLIENT].machine.promised(), day_max);
    let over = PaymentNews::OverLimit(OverLimit::Day { limit: day_max });
    assert_eq!(pair.nodes[CLIENT].news.iter().filter(|news| **news == over).count(), 1, "said once");
    pair.crash_now(CLIENT);
    pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
    browse(&mut pair);
    assert_eq!(pair.nodes[CLIENT].machine.promised(), day_max, "a restart opens no second day");
    pair.act(CLIENT, |machine, now| machine.set_day_max(now, amount(1500)));
    browse(&mut pair);
    assert_eq!(pair.nodes[CLIENT].machine.promised(), amount(1500));
    pair.now = pair.now + Span::days(1);
    browse(&mut pair);
    assert!(pair.nodes[CLIENT].machine.promised() > amount(2000));
}

#[test]
fn a_minimum_over_the_ceiling_is_said_and_nothing_is_promised() {
    let mut pair = Pair::new(give(), TakeConfig { amount_min: amount(6000), ..take() });
    pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
    pair.run(20);
    assert_eq!(pair.nodes[CLIENT].machine.promised(), amount(0));
    let over = OverLimit::Ceiling { minimum: amount(6000), ceiling: amount(5000) };
    assert!(pair.news(CLIENT, |news| *news == PaymentNews::OverLimit(over)));
}

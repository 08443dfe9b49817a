//! When advice is said (row A9), and when a settlement does not wait (row A6).

use byway_primitives::{Amount, MemoryStore, Span};
use byway_records::Backing;
use byway_records::call::Take;

use super::pair::*;
use crate::payment::*;

/// What the provider has advised since it was last asked.
fn advised(pair: &mut Pair) -> Vec<Advice> {
    let sent = std::mem::take(&mut pair.sent);
    let advice = sent.into_iter().filter_map(|message| match message {
        PaymentMessage::Advice(advice) => Some(advice),
        _ => None,
    });
    advice.collect()
}

/// A client with one promise of 100 that the provider has taken. Nothing more is promised by itself.
fn with_promise(take: TakeConfig) -> Pair {
    let mut pair = Pair::new(give(), take);
    pair.run(10);
    pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
    pair.run(10);
    pair.act(CLIENT, |machine, now| machine.stay_ahead(now, Ahead::NOTHING));
    advised(&mut pair);
    pair
}

fn earn(pair: &mut Pair, units: u128) {
    pair.act(PROVIDER, |machine, _| machine.earn(Spender::SESSIONS, amount(units)));
    pair.run(10);
}

#[test]
fn each_new_and_each_raised_promise_is_advised_with_a_copy_of_it() {
    let mut pair = Pair::new(give(), take());
    pair.run(10);
    let opening = advised(&mut pair);
    assert_eq!(opening.len(), 2, "each side on opening");
    pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
    pair.run(10);
    let first = advised(&mut pair);
    let position = |advice: &[Advice]| advice[0].copy.map(|copy| (copy.promise.serial, copy.promise.amount));
    assert_eq!((first.len(), position(&first)), (1, Some((1, amount(100)))));
    assert_eq!(first[0].remainder, amount(100));
    pair.used = amount(60);
    pair.act(CLIENT, |machine, now| machine.spend(now, Spender::SESSIONS, amount(60)));
    pair.run(10);
    let raised = advised(&mut pair);
    assert_eq!((raised.len(), position(&raised)), (1, Some((1, amount(160)))));
}

#[test]
fn a_remainder_that_moved_by_more_than_a_tenth_is_advised_and_one_that_reached_zero() {
    let mut pair = with_promise(take());
    for (used, expected) in [(10, None), (11, Some(89)), (19, None), (20, Some(80)), (100, Some(0)), (100, None)] {
        earn(&mut pair, used);
        let advice: Vec<_> = advised(&mut pair).iter().map(|advice| advice.remainder).collect();
        assert_eq!(advice, expected.map(amount).into_iter().collect::<Vec<_>>(), "{used} of 100 used");
    }
}

#[test]
fn a_settlement_is_advised_and_waits_for_the_payer_to_note_it() {
    let mut pair = with_promise(take());
    pair.settle(Reach::Peer, Take::Whole).unwrap();
    let advice = advised(&mut pair);
    assert_eq!(advice.iter().map(|advice| advice.settling).collect::<Vec<_>>(), [Some(1)]);
    assert_eq!(pair.ledger.handed_in, 0, "not before the payer has it");
    pair.run(10);
    assert_eq!(pair.ledger.handed_in, 1);
    assert!(advised(&mut pair).is_empty());
    pair.execute();
    pair.run(10);
    let after = advised(&mut pair);
    assert_eq!(after.len(), 1, "there is room again, and that is a term");
    assert_eq!(after[0].terms.room, amount(100_000));
}

#[test]
fn nothing_else_is_advised() {
    let mut pair = with_promise(take());
    for _ in 0..3 {
        pair.act(PROVIDER, |machine, now| machine.admit(now, Backing::Account, amount(100_000)));
        let last = *pair.nodes[CLIENT].machine.last_promise().unwrap();
        pair.act(PROVIDER, |machine, now| machine.handle_message(now, PaymentMessage::Offer(last)));
        pair.act(PROVIDER, |machine, now| machine.handle_wake(now));
        pair.run(100);
    }
    assert!(advised(&mut pair).is_empty());
    pair.act(PROVIDER, |machine, now| machine.admit(now, Backing::Account, amount(99_999)));
    pair.run(10);
    assert_eq!(advised(&mut pair).len(), 1, "but the terms are when they change");
}

#[test]
fn without_the_request_to_raise_it_there_is_no_copy_and_the_next_promise_is_a_new_one() {
    for update in [true, false] {
        let mut pair = with_promise(TakeConfig { update, ..take() });
        pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
        pair.act(CLIENT, |machine, now| machine.spend(now, Spender::SESSIONS, amount(60)));
        pair.run(10);
        let advice = advised(&mut pair);
        assert_eq!(advice.len(), 1);
        assert_eq!((advice[0].terms.update, advice[0].copy.is_some()), (update, update));
        let last = pair.nodes[CLIENT].machine.last_promise().unwrap().promise;
        assert_eq!((last.serial, last.amount), if update { (1, amount(160)) } else { (2, amount(60)) });
    }
}

/// A provider with promises of 1,000, of which it may have 100,000 unsettled.
fn with_credit() -> Pair {
    let mut pair = Pair::new(give(), take());
    pair.act(CLIENT, |machine, now| machine.stay_ahead(now, Ahead { start: amount(1000), ..ahead() }));
    pair.run(10);
    pair.act(CLIENT, |machine, now| machine.stay_ahead(now, Ahead::NOTHING));
    assert_eq!(pair.ledger.handed_in, 0);
    pair
}

#[test]
fn money_that_leaves_the_payers_account_is_followed_by_a_settlement_at_once() {
    let mut pair = with_credit();
    pair.act(PROVIDER, |machine, now| machine.admit(now, Backing::Account, amount(90_000)));
    pair.run(10);
    assert_eq!(pair.ledger.handed_in, 1, "although there is room for much more");
    pair.execute();
    pair.run(10);
    assert_eq!(pair.nodes[PROVIDER].machine.room(Backing::Account), amount(90_000), "and the credit has shrunk");
}

#[test]
fn what_our_own_settlement_takes_out_is_no_reason_to_settle_again() {
    let mut pair = with_credit();
    pair.settle(Reach::Nobody, Take::Whole).unwrap();
    pair.execute();
    pair.act(CLIENT, |machine, now| machine.stay_ahead(now, Ahead { start: amount(2000), ..ahead() }));
    pair.run(10);
    pair.act(PROVIDER, |machine, now| machine.admit(now, Backing::Account, amount(99_000)));
    pair.run(10);
    assert_eq!(pair.ledger.handed_in, 1, "the fall of 1,000 is ours");
    pair.act(PROVIDER, |machine, now| machine.admit(now, Backing::Account, amount(98_000)));
    pair.run(10);
    assert_eq!(pair.ledger.handed_in, 2, "the next one is not");
}

#[test]
fn what_has_waited_as_long_as_it_is_worth_is_due_once() {
    let risk = Risk { cost: amount(1), loss_ppm_per_hour: 1000, wait_max: Span::days(1) };
    let mut pair = with_promise(TakeConfig { risk, ..take() });
    let due = |pair: &Pair| {
        let news = pair.nodes[PROVIDER].news.iter();
        news.filter(|news| matches!(news, PaymentNews::SettlementDue { .. })).count()
    };
    // 100 × 0.1 % an hour comes to 1 in ten hours, or a little sooner.
    let hours = |pair: &mut Pair, hours: u64| {
        pair.now = pair.now + Span::minutes(60 * hours);
        pair.run(1);
    };
    hours(&mut pair, 5);
    assert_eq!(due(&pair), 0);
    hours(&mut pair, 6);
    assert_eq!(due(&pair), 1);
    hours(&mut pair, 100);
    pair.act(PROVIDER, |machine, now| machine.handle_wake(now));
    assert_eq!(due(&pair), 1);
    assert_eq!(pair.ledger.handed_in, 0, "the shell waits for a random while first");
}

#[test]
fn one_identity_on_two_nodes_pays_each_thing_once_and_gains_nothing() {
    let mut pair = Pair::new(give(), take());
    let mut other = MemoryStore::new();
    let mut received = Amount::ZERO;
    for turn in 0..12 {
        pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
        for _ in 0..20 {
            pair.run(5);
            pair.use_service(40);
        }
        let machine = &pair.nodes[PROVIDER].machine;
        assert!(machine.received() >= received && machine.received() >= pair.used, "turn {turn}");
        received = machine.received();
        // The other node, which knows only what it has seen itself.
        std::mem::swap(&mut pair.nodes[CLIENT].disk, &mut other);
        pair.crash_now(CLIENT);
    }
    assert!(pair.used > amount(2000), "it goes on working: {}", pair.used);
    pair.settle(Reach::Nobody, Take::Whole).unwrap();
    pair.execute();
    assert_eq!(pair.ledger.paid, received, "what was received is what the promises say");
}

//! Settlement, exposure and advice.

use byway_primitives::{Amount, Effect, Hash, Span, Token};
use byway_records::call::Take;
use byway_records::promise::ReservationId;
use byway_records::state::Settled;
use byway_records::{Backing, Promise, Reject};

use super::pair::*;
use crate::payment::*;

fn browse(pair: &mut Pair, steps: usize) {
    pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
    for _ in 0..steps {
        pair.use_service(60);
        pair.step();
    }
}

#[test]
fn the_payer_is_advised_before_a_settlement_and_cannot_put_it_off() {
    for silent in [false, true] {
        let mut pair = Pair::new(give(), take());
        browse(&mut pair, 50);
        pair.run(10);
        pair.settle(Reach::Peer, Take::Whole).unwrap();
        assert_eq!(pair.settle(Reach::Peer, Take::Whole), Err(SettleError::UnderWay));
        assert!(pair.ledger.queue.is_empty(), "nothing is submitted before the advice was noted");
        if silent {
            pair.detach();
        }
        pair.run(20);
        assert_eq!(pair.ledger.queue.is_empty(), silent);
        if silent {
            pair.now = pair.now + Span::seconds(5);
            pair.run(2);
            assert_eq!(pair.ledger.queue.len(), 1, "a payer that does not answer can't stop it");
        }
        pair.execute();
        assert_eq!(pair.ledger.paid, pair.nodes[PROVIDER].machine.received());
        assert_eq!(pair.settle(Reach::Nobody, Take::Whole), Err(SettleError::Nothing));
    }
}

#[test]
fn what_is_raised_while_a_settlement_is_in_flight_settles_next_time() {
    let mut pair = Pair::new(give(), take());
    browse(&mut pair, 50);
    pair.settle(Reach::Nobody, Take::Whole).unwrap();
    browse(&mut pair, 50);
    pair.run(10);
    pair.execute();
    let (paid, received) = (pair.ledger.paid, pair.nodes[PROVIDER].machine.received());
    assert!(paid < received);
    let open = pair.nodes[PROVIDER].machine.unsettled();
    assert_eq!(open.len(), 1);
    assert_eq!(paid.checked_add(open[0].unsettled), Some(received), "the difference is what is open");
    pair.settle(Reach::Nobody, Take::Whole).unwrap();
    pair.execute();
    assert_eq!(pair.ledger.paid, received);
}

#[test]
fn a_bounce_ends_credit_until_it_is_made_good() {
    let mut pair = Pair::new(give(), take());
    browse(&mut pair, 50);
    pair.ledger.balance = amount(200);
    pair.settle(Reach::Nobody, Take::Whole).unwrap();
    pair.execute();
    assert!(pair.news(PROVIDER, |news| matches!(news, PaymentNews::Bounced { .. })));
    assert_eq!(pair.ledger.paid, amount(0), "nothing moved");
    browse(&mut pair, 100);
    let received = pair.nodes[PROVIDER].machine.received();
    browse(&mut pair, 100);
    assert_eq!(pair.nodes[PROVIDER].machine.received(), received, "no further credit");
    assert!(pair.used <= received);
    // The payer deposits less than it owes, then enough; the provider hears of it from the ledger and tries again.
    for (balance, tried) in [(300, 0), (100_000, 1)] {
        pair.ledger.balance = amount(balance);
        let before = pair.ledger.handed_in;
        pair.act(PROVIDER, |machine, now| machine.admit(now, Backing::Account, amount(balance)));
        pair.run(10);
        assert_eq!(pair.ledger.handed_in - before, tried, "with {balance} in the account");
        pair.execute();
    }
    browse(&mut pair, 100);
    assert!(pair.nodes[PROVIDER].machine.received() > received, "credit is back");
    assert_eq!(pair.nodes[PROVIDER].machine.received(), pair.nodes[CLIENT].machine.promised());
}

#[test]
fn the_payee_may_take_what_is_there() {
    let mut pair = Pair::new(give(), take());
    browse(&mut pair, 50);
    pair.run(10);
    pair.ledger.balance = amount(200);
    pair.settle(Reach::Nobody, Take::WhatIsThere).unwrap();
    pair.execute();
    assert_eq!(pair.ledger.paid, amount(200));
    let lost = pair.nodes[PROVIDER].machine.received().saturating_sub(amount(200));
    assert!(pair.news(PROVIDER, |n| matches!(n, PaymentNews::Settled { given_up, .. } if *given_up == lost)));
    assert!(pair.nodes[PROVIDER].machine.unsettled().is_empty());
}

/// What a payee does about settlement when promises of `amounts` have come, one after the other.
#[derive(Debug, PartialEq, Eq)]
enum Policy {
    Waits,
    SaysDue,
    SettlesAtOnce,
}

fn policy(unsettled_max: u128, settle_at: u128, amounts: &[u128]) -> Policy {
    let config = TakeConfig { exposure_max: amount(unsettled_max), settle_at: amount(settle_at), ..take() };
    let mut pair = Pair::new(give(), config);
    // Nobody is there to be advised, so what is settled is handed in without a wait.
    pair.detach();
    for (step, promised) in amounts.iter().enumerate() {
        let series = parties(CLIENT).given(Backing::Account);
        let promise = Promise { network: NETWORK, series, serial: 1, amount: amount(*promised) };
        let offer = PaymentMessage::Offer(promise.sign(&secret(1)));
        pair.act(PROVIDER, |machine, now| machine.handle_message(now, offer));
        pair.run(1);
        assert!(step + 1 == amounts.len() || pair.ledger.handed_in == 0, "settled before the last promise");
    }
    let said = pair.nodes[PROVIDER].news.iter().filter(|n| matches!(n, PaymentNews::SettlementDue { .. })).count();
    match (pair.ledger.handed_in, said) {
        (0, 0) => Policy::Waits,
        (0, 1) => Policy::SaysDue,
        (1, 0 | 1) => Policy::SettlesAtOnce,
        other => panic!("handed in and said: {other:?}"),
    }
}

#[test]
fn settlement_waits_while_there_is_room_and_not_longer() {
    for (unsettled_max, settle_at, amounts, expected) in [
        // Plenty of room: at leisure, from `settle_at` on.
        (10_000, 1000, &[100, 999][..], Policy::Waits),
        (10_000, 1000, &[100, 1000], Policy::SaysDue),
        (10_000, 1000, &[100, 1000, 1100, 1200], Policy::SaysDue),
        // Half of the room is used up.
        (10_000, 1000, &[1000, 2000, 3000, 4000, 5000], Policy::SaysDue),
        (10_000, 1000, &[1000, 2000, 3000, 4000, 5001], Policy::SettlesAtOnce),
        // There would be a maximum below `settle_at`, which never comes.
        (1000, 5000, &[100, 200, 300, 400, 500], Policy::Waits),
        (1000, 5000, &[100, 200, 300, 400, 501], Policy::SettlesAtOnce),
        // Twice the last raise does not fit any more, though half is free.
        (10_000, 100_000, &[3333], Policy::Waits),
        (10_000, 100_000, &[3334], Policy::SettlesAtOnce),
        // Not worth it: under a 64th of `settle_at`.
        (1000, 64_000, &[500, 900, 999], Policy::Waits),
        (1000, 64_000, &[500, 900, 1000], Policy::SettlesAtOnce),
    ] {
        assert_eq!(policy(unsettled_max, settle_at, amounts), expected, "{amounts:?} of {unsettled_max}, {settle_at}");
    }
}

/// Whoever runs the provider never asks for a settlement here.
#[test]
fn a_payer_without_room_goes_on_when_the_settlement_is_final() {
    let mut pair = Pair::new(give(), TakeConfig { exposure_max: amount(1000), settle_at: amount(600), ..take() });
    for round in 1..=5 {
        browse(&mut pair, 200);
        let room_left = amount(1000).saturating_sub(sum_unsettled(&pair));
        assert_eq!(room_left, amount(0), "round {round}: the ledger is slow, and the room is used up");
        assert_eq!(pair.used, pair.nodes[PROVIDER].machine.received(), "all that was promised can be used");
        assert_eq!(pair.ledger.queue.len(), 1, "round {round}: one settlement is under way");
        pair.execute();
    }
    assert!(pair.used >= amount(4000), "{}", pair.used);
    assert!(!pair.news(CLIENT, |news| matches!(news, PaymentNews::Refused { .. })), "the payer keeps to the room");
}

#[test]
fn a_settlement_that_was_due_before_a_crash_is_due_after_it() {
    for (settle_at, crashes) in [(100_000, true), (100_000, false)] {
        // Nothing is settled before the maximum is lowered to what is unsettled; then no further promise fits.
        let mut pair = Pair::new(give(), TakeConfig { settle_at: amount(settle_at), ..take() });
        browse(&mut pair, 150);
        pair.detach();
        let max = sum_unsettled(&pair);
        assert!(max > amount(settle_at / 64) && pair.ledger.handed_in == 0);
        if crashes {
            pair.crash_now(PROVIDER);
        } else {
            pair.attach();
        }
        pair.act(PROVIDER, |machine, now| machine.admit(now, Backing::Account, max));
        pair.run(20);
        assert_eq!(pair.ledger.handed_in, 1, "crash: {crashes}");
    }
}

#[test]
fn the_ledger_is_never_paid_with_what_the_payee_could_forget() {
    let mut pair = Pair::new(give(), take());
    let series = parties(CLIENT).given(Backing::Account);
    let promise = Promise { network: NETWORK, series, serial: 1, amount: amount(500) }.sign(&secret(1));
    let machine = &mut pair.nodes[PROVIDER].machine;
    let taken = machine.handle_message(pair.now, PaymentMessage::Offer(promise));
    let settled = machine.settle(pair.now, Backing::Account, Reach::Nobody, Take::Whole).unwrap();
    let writes = [&taken[..], &settled[..]].concat();
    let tokens = writes.iter().filter_map(|effect| match effect {
        Effect::Persist { token, .. } => Some(*token),
        _ => None,
    });
    let tokens: Vec<Token> = tokens.collect();
    let submits = |effects: &[PaymentEffect]| {
        effects.iter().filter(|effect| matches!(effect, Effect::Notify(PaymentNews::Submit { .. }))).count()
    };
    assert_eq!(submits(&writes), 0, "neither promise nor settlement is on disk");
    assert_eq!(submits(&machine.handle_durable(tokens[0])), 0, "the promise is, the settlement is not");
    assert_eq!(submits(&machine.handle_durable(tokens[1])), 1);
}

#[test]
fn what_the_ledger_turns_down_is_not_handed_in_over_and_over() {
    let mut pair = Pair::new(give(), TakeConfig { exposure_max: amount(1000), settle_at: amount(600), ..take() });
    browse(&mut pair, 200);
    let Some(HandedIn { promise, .. }) = pair.ledger.queue.pop_front() else { panic!("one is under way") };
    let outcome = Outcome::Rejected(Reject::NoAccount);
    pair.act(PROVIDER, |machine, now| machine.handle_settlement(now, promise, outcome));
    assert_eq!(pair.ledger.handed_in, 1);
    // It was raised while it was under way; that one is turned down, too.
    pair.act(PROVIDER, |machine, now| machine.admit(now, Backing::Account, amount(1000)));
    pair.run(10);
    let Some(HandedIn { promise, .. }) = pair.ledger.queue.pop_front() else { panic!("the raise is new") };
    pair.act(PROVIDER, |machine, now| machine.handle_settlement(now, promise, outcome));
    for _ in 0..5 {
        pair.act(PROVIDER, |machine, now| machine.admit(now, Backing::Account, amount(1000)));
        browse(&mut pair, 20);
    }
    assert_eq!(pair.ledger.handed_in, 2, "nothing has changed, so nothing is tried");
    pair.settle(Reach::Nobody, Take::Whole).unwrap();
    pair.execute();
    assert_eq!(pair.ledger.paid, amount(1000), "but whoever asks is served");
}

fn sum_unsettled(pair: &Pair) -> Amount {
    Amount::checked_sum(pair.nodes[PROVIDER].machine.unsettled().iter().map(|taken| taken.unsettled)).unwrap()
}

#[test]
fn exposure_counts_net_of_what_is_owed_the_other_way() {
    let mut pair = Pair::new(give(), TakeConfig { exposure_max: amount(1000), ..take() });
    // The provider uses something of the client's too.
    pair.act(PROVIDER, |machine, now| machine.stay_ahead(now, Ahead { start: amount(400), ..ahead() }));
    pair.run(10);
    assert_eq!(pair.nodes[CLIENT].machine.received(), amount(400));
    browse(&mut pair, 200);
    assert_eq!(pair.nodes[PROVIDER].machine.received(), amount(1400));
}

#[test]
fn a_reservation_is_taken_up_to_what_is_in_it() {
    let backing = Backing::Reservation(ReservationId(Hash([3; 32])));
    let mut pair = Pair::new(give(), TakeConfig { backing: BackingKind::Reservation, ..take() });
    browse(&mut pair, 10);
    assert!(pair.news(CLIENT, |news| *news == PaymentNews::BackingWanted(BackingKind::Reservation)));
    assert_eq!(pair.nodes[CLIENT].machine.promised(), amount(0));
    pair.act(PROVIDER, |machine, now| machine.admit(now, backing, amount(900)));
    pair.act(CLIENT, |machine, now| machine.use_backing(now, backing));
    browse(&mut pair, 200);
    assert_eq!(pair.nodes[PROVIDER].machine.unsettled().len(), 1);
    assert!(pair.used > amount(0));
    assert!(pair.nodes[PROVIDER].machine.received() <= amount(900));
}

#[test]
fn when_a_bounce_is_made_good_every_promise_is_settled_by_itself() {
    let mut pair = Pair::new(give(), TakeConfig { update: false, ..take() });
    browse(&mut pair, 30);
    pair.act(CLIENT, |machine, now| machine.stay_ahead(now, Ahead::NOTHING));
    pair.run(10);
    assert!(pair.nodes[PROVIDER].machine.unsettled().len() > 2, "each promise has a serial of its own");
    pair.ledger.balance = amount(0);
    pair.settle(Reach::Nobody, Take::Whole).unwrap();
    pair.execute();
    assert!(pair.news(PROVIDER, |news| matches!(news, PaymentNews::Bounced { .. })));
    pair.ledger.balance = amount(100_000);
    pair.act(PROVIDER, |machine, now| machine.admit(now, Backing::Account, amount(100_000)));
    for _ in 0..20 {
        pair.run(10);
        pair.execute();
    }
    assert!(pair.nodes[PROVIDER].machine.unsettled().is_empty());
    assert_eq!(pair.ledger.paid, pair.nodes[PROVIDER].machine.received());
}

#[test]
fn the_payee_may_ask_for_a_new_promise() {
    let mut pair = Pair::new(give(), take());
    browse(&mut pair, 50);
    let before = pair.nodes[CLIENT].machine.last_promise().unwrap().promise.serial;
    pair.act(PROVIDER, |machine, _| machine.ask_new_promise());
    browse(&mut pair, 100);
    assert_eq!(pair.nodes[CLIENT].machine.last_promise().unwrap().promise.serial, before + 1, "one new, then raised");
    let serials: Vec<u64> =
        pair.nodes[PROVIDER].machine.unsettled().iter().map(|taken| taken.promise.promise.serial).collect();
    assert_eq!(serials, [before, before + 1], "lower serials settle first");
}

#[test]
fn what_the_ledger_says_is_settled_never_goes_back() {
    let mut pair = Pair::new(give(), take());
    browse(&mut pair, 50);
    let open = pair.nodes[PROVIDER].machine.unsettled()[0];
    for settled in [(1, 150), (1, 100), (0, 900)] {
        let settled = Settled { serial: settled.0, amount: amount(settled.1) };
        pair.act(PROVIDER, |machine, now| machine.note_settled(now, Backing::Account, Some(settled), None));
        let left = pair.nodes[PROVIDER].machine.unsettled()[0].unsettled;
        assert_eq!(left, open.unsettled.saturating_sub(amount(150)));
    }
}

#[test]
fn advice_is_sent_when_the_remainder_moves_by_more_than_a_tenth_or_reaches_zero() {
    let mut pair = Pair::new(give(), take());
    pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
    pair.run(10);
    pair.act(CLIENT, |machine, now| machine.stay_ahead(now, Ahead::NOTHING));
    let mut earn = |units| {
        let effects = pair.nodes[PROVIDER].machine.earn(Spender::SESSIONS, amount(units));
        !effects.is_empty()
    };
    for (used, advised) in [(5, false), (10, false), (11, true), (15, false), (19, false), (20, true), (20, false)] {
        assert_eq!(earn(used), advised, "{used} of 100 used");
    }
    assert!(earn(100), "nothing is left");
    assert!(!earn(100));
}

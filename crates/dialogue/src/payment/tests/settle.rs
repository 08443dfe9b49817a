//! Settlement, exposure and advice.

use byway_primitives::{Hash, Span};
use byway_records::Backing;
use byway_records::call::Take;
use byway_records::promise::ReservationId;
use byway_records::state::Settled;

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
    // The payer deposits, the provider tries again.
    pair.ledger.balance = amount(100_000);
    pair.settle(Reach::Nobody, Take::Whole).unwrap();
    pair.execute();
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

#[test]
fn exposure_stops_credit_and_settlement_opens_it() {
    let mut pair = Pair::new(give(), TakeConfig { exposure_max: amount(1000), settle_at: amount(600), ..take() });
    browse(&mut pair, 200);
    assert_eq!(pair.nodes[PROVIDER].machine.received(), amount(1000));
    assert_eq!(pair.used, amount(1000), "all that was promised can be used");
    assert!(!pair.news(CLIENT, |news| matches!(news, PaymentNews::Refused { .. })), "the payer keeps to the room");
    assert!(pair.news(PROVIDER, |news| matches!(news, PaymentNews::SettlementDue { .. })));
    pair.settle(Reach::Peer, Take::Whole).unwrap();
    pair.run(10);
    pair.execute();
    browse(&mut pair, 100);
    assert_eq!(pair.nodes[PROVIDER].machine.received(), amount(2000));
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
    pair.act(PROVIDER, |machine, _| machine.admit(backing, amount(900)));
    pair.act(CLIENT, |machine, now| machine.use_backing(now, backing));
    browse(&mut pair, 200);
    assert_eq!(pair.nodes[PROVIDER].machine.unsettled().len(), 1);
    assert!(pair.used > amount(0));
    assert!(pair.nodes[PROVIDER].machine.received() <= amount(900));
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
        pair.act(PROVIDER, |machine, _| machine.note_taken_settled(Backing::Account, settled));
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

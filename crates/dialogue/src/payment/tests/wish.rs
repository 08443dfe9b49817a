//! What is asked for while something is under way is settled after it, and everyone hears what became of it.

use byway_primitives::{Hash, Span};
use byway_records::Backing;
use byway_records::call::Take;
use byway_records::promise::ReservationId;
use byway_records::state::Settled;

use super::net::*;
use super::pair::*;
use crate::payment::*;

fn set_net_max(pair: &mut Pair, who: usize) {
    pair.act(who, |machine, _| {
        machine.set_net_max(Amount::MAX);
        Vec::new()
    });
}

/// The client has proposed the net, the provider agreed, and the pair is on its way.
fn agreed() -> Pair {
    let mut pair = both_owe();
    set_net_max(&mut pair, CLIENT);
    pair.settle_by(CLIENT, Reach::Peer, Take::Whole).unwrap();
    pair.run(20);
    assert_eq!(on_its_way(&pair), [true]);
    pair
}

/// How often this side heard that something was settled.
fn heard(pair: &Pair, who: usize) -> usize {
    pair.nodes[who].news.iter().filter(|news| matches!(news, PaymentNews::Settled { .. })).count()
}

#[test]
fn what_was_raised_while_one_was_under_way_is_settled_after_it_if_that_was_asked_for() {
    for (is_raised, is_asked) in [(true, true), (true, false), (false, true)] {
        let mut pair = both_owe();
        pair.settle(Reach::Nobody, Take::Whole).unwrap();
        if is_raised {
            let before = open(&pair, PROVIDER);
            browse(&mut pair, 80);
            assert!(open(&pair, PROVIDER) > before);
        }
        if is_asked {
            assert_eq!(pair.settle(Reach::Peer, Take::Whole), Err(SettleError::UnderWay));
        }
        assert_eq!(on_its_way(&pair), [false]);
        pair.execute();
        pair.run(20);
        let rest = pair.ledger.queue.len();
        assert_eq!(rest == 1, is_raised && is_asked, "raised: {is_raised}, asked: {is_asked}");
    }
}

#[test]
fn what_a_net_leaves_of_what_was_asked_for_is_settled_after_it() {
    let mut pair = agreed();
    browse(&mut pair, 80);
    for who in [CLIENT, PROVIDER] {
        pair.act(who, |machine, now| machine.stay_ahead(now, Ahead::NOTHING));
    }
    pair.run(10);
    assert_eq!(pair.settle(Reach::Peer, Take::Whole), Err(SettleError::UnderWay));
    pair.execute();
    pair.follow();
    assert!(!open(&pair, PROVIDER).is_zero());
    pair.run(20);
    pair.execute();
    check_settled(&mut pair, "the rest");
}

#[test]
fn money_that_leaves_while_a_settlement_is_under_way_has_the_rest_settled_after_it() {
    let mut pair = both_owe();
    pair.act(PROVIDER, |machine, now| machine.admit(now, Backing::Account, amount(100_000)));
    pair.settle(Reach::Nobody, Take::Whole).unwrap();
    browse(&mut pair, 80);
    let in_flight = pair.ledger.queue[0].promise.amount;
    // More than the settlement takes.
    let fallen = in_flight.checked_add(amount(1)).unwrap();
    let left = amount(100_000).saturating_sub(fallen);
    pair.act(PROVIDER, |machine, now| machine.admit(now, Backing::Account, left));
    pair.execute();
    pair.run(20);
    assert_eq!(pair.ledger.queue.len(), 1);
    assert!(pair.ledger.queue[0].promise.amount > in_flight);
}

#[test]
fn a_settlement_elsewhere_ends_no_agreement_and_forgets_no_wish() {
    let mut pair = agreed();
    pair.ledger.queue.clear();
    assert_eq!(pair.settle(Reach::Peer, Take::Whole), Err(SettleError::UnderWay));
    let elsewhere = Backing::Reservation(ReservationId(Hash([3; 32])));
    let position = Some(Settled { serial: 1, amount: amount(5) });
    pair.act(PROVIDER, |machine, now| machine.note_settled(now, elsewhere, position, None));
    pair.run(20);
    assert_eq!(on_its_way(&pair), NOTHING, "what was agreed to stands");
    pair.now = pair.now + Span::seconds(5);
    pair.run(20);
    assert_eq!(on_its_way(&pair), [false], "and what was wanted meanwhile is made up for");
}

#[test]
fn what_the_ledger_turned_down_is_not_wished_for_any_longer() {
    let mut pair = both_owe();
    pair.ledger.balance = amount(0);
    pair.settle(Reach::Nobody, Take::Whole).unwrap();
    browse(&mut pair, 80);
    assert_eq!(pair.settle(Reach::Peer, Take::Whole), Err(SettleError::UnderWay));
    pair.execute();
    for _ in 0..3 {
        pair.now = pair.now + Span::seconds(5);
        pair.act(PROVIDER, |machine, now| machine.handle_wake(now));
        pair.run(20);
    }
    assert_eq!(on_its_way(&pair), NOTHING);
    assert!(pair.news(PROVIDER, |news| matches!(news, PaymentNews::Bounced { .. })));
}

/// Whoever owes the net had too little, and the other's claim is none the worse for it.
#[test]
fn a_net_that_we_could_not_pay_is_followed_by_settling_alone() {
    let mut pair = agreed();
    pair.ledger.balance = amount(0);
    pair.execute();
    pair.run(5);
    assert_eq!(on_its_way(&pair), [false]);
    let claim = open(&pair, CLIENT);
    pair.execute();
    assert_eq!((pair.ledger.paid_back, pair.ledger.bounces), (claim, 1));
    assert!(!pair.news(CLIENT, |news| matches!(news, PaymentNews::Bounced { .. })));
}

#[test]
fn both_hear_once_of_a_net_whoever_handed_it_in_and_whichever_word_comes_first() {
    for is_verdict_first in [true, false] {
        let mut pair = agreed();
        let handed = pair.ledger.queue.pop_front().unwrap();
        let outcome = pair.ledger.execute(handed.call);
        let verdict = |pair: &mut Pair| {
            pair.act(CLIENT, |machine, now| machine.handle_settlement(now, handed.promise, outcome));
        };
        if is_verdict_first {
            verdict(&mut pair);
        }
        pair.follow();
        if !is_verdict_first {
            verdict(&mut pair);
        }
        assert_eq!([heard(&pair, CLIENT), heard(&pair, PROVIDER)], [1, 1], "verdict first: {is_verdict_first}");
    }
}

#[test]
fn what_a_net_would_take_is_set_aside_until_it_is_settled_or_given_up() {
    let set_aside = |pair: &Pair, who: usize| pair.nodes[who].machine.set_aside();
    let mut pair = both_owe();
    let net = open(&pair, PROVIDER).saturating_sub(open(&pair, CLIENT));
    set_net_max(&mut pair, CLIENT);
    assert_eq!([set_aside(&pair, CLIENT), set_aside(&pair, PROVIDER)], [amount(0); 2]);
    pair.settle_by(CLIENT, Reach::Peer, Take::Whole).unwrap();
    assert_eq!(set_aside(&pair, CLIENT), net, "proposed");
    pair.run(20);
    assert_eq!(on_its_way(&pair), [true]);
    assert_eq!([set_aside(&pair, CLIENT), set_aside(&pair, PROVIDER)], [net, amount(0)], "on its way");
    pair.execute();
    assert_eq!(set_aside(&pair, CLIENT), amount(0), "settled");

    let mut pair = both_owe();
    pair.settle(Reach::Peer, Take::Whole).unwrap();
    pair.run(20);
    assert_eq!(set_aside(&pair, CLIENT), net, "agreed to");
    pair.ledger.queue.clear();
    pair.now = pair.now + Span::seconds(5);
    pair.run(20);
    assert_eq!(set_aside(&pair, CLIENT), amount(0), "given up");
}

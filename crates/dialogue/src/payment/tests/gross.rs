//! What we owe the peer gives it credit, and is no reason to settle later: the peer can collect it alone.

use byway_records::Backing;
use byway_records::call::{AccountsCall, Take};

use super::net::*;
use super::pair::*;
use crate::payment::*;

/// The provider may have 1,000 of the client's unsettled, and owes it 400.
fn provider_owes() -> Pair {
    let config = TakeConfig { exposure_max: amount(1000), settle_at: amount(10_000), ..take() };
    let mut pair = Pair::new(give(), config);
    pair.ledger.provider_balance = amount(1_000_000);
    // The client is in no hurry to be paid.
    pair.act(CLIENT, |machine, now| machine.admit(now, Backing::Account, amount(100_000)));
    pair.act(PROVIDER, |machine, now| machine.stay_ahead(now, Ahead { start: amount(400), ..ahead() }));
    pair.run(10);
    pair.act(PROVIDER, |machine, now| machine.stay_ahead(now, Ahead::NOTHING));
    assert_eq!(open(&pair, CLIENT), amount(400));
    pair
}

fn offer(pair: &mut Pair, promised: u128) {
    let series = parties(CLIENT).given(Backing::Account);
    let promise = Promise { network: NETWORK, series, serial: 1, amount: amount(promised) };
    let offer = PaymentMessage::Offer(promise.sign(&secret(1)));
    pair.act(PROVIDER, |machine, now| machine.handle_message(now, offer));
    pair.run(1);
}

/// The ledger settles what the provider owes, alone.
fn collect_by_client(pair: &mut Pair) {
    let promise = *pair.nodes[PROVIDER].machine.last_promise().unwrap();
    let payee = promise.promise.countersign(Take::Whole, &secret(1));
    pair.ledger.execute(AccountsCall::Settle { promise, payee, take: Take::Whole });
    pair.follow();
}

#[test]
fn what_we_owe_gives_credit_and_puts_no_settlement_off() {
    let mut pair = provider_owes();
    // Nobody is there to be advised, so what is settled is handed in without a wait.
    pair.detach();
    for (promised, handed_in) in [(100, 0), (200, 0), (300, 0), (400, 0), (500, 0), (501, 1)] {
        offer(&mut pair, promised);
        assert_eq!(pair.ledger.handed_in, handed_in, "with {promised} promised");
    }
    // The bound itself is of the difference.
    for (promised, received) in [(1401, 501), (1400, 1400)] {
        offer(&mut pair, promised);
        assert_eq!(pair.nodes[PROVIDER].machine.received(), amount(received), "{promised} offered");
    }
}

#[test]
fn a_peer_that_collects_what_we_owe_has_less_room_and_is_told() {
    let mut pair = provider_owes();
    offer(&mut pair, 300);
    pair.run(10);
    pair.sent.clear();
    collect_by_client(&mut pair);
    pair.run(1);
    let told = |room| {
        pair.sent.iter().any(|message| matches!(message, PaymentMessage::Advice(advice) if advice.terms.room == room))
    };
    assert_eq!(pair.nodes[PROVIDER].machine.room(Backing::Account), amount(700));
    assert!(told(amount(700)));
}

#[test]
fn who_agreed_and_sees_the_peer_collect_alone_settles_at_once() {
    let mut pair = both_owe();
    pair.act(CLIENT, |machine, _| {
        machine.set_net_max(Amount::MAX);
        Vec::new()
    });
    pair.settle_by(CLIENT, Reach::Peer, Take::Whole).unwrap();
    pair.run(20);
    assert_eq!(on_its_way(&pair), [true]);
    assert_eq!(pair.settle(Reach::Peer, Take::Whole), Err(SettleError::UnderWay), "the provider agreed");
    pair.ledger.queue.clear();
    collect_by_client(&mut pair);
    pair.run(1);
    assert_eq!(on_its_way(&pair), [false], "what was agreed to can't be kept any more");
    pair.execute();
    check_settled(&mut pair, "collected alone");
}

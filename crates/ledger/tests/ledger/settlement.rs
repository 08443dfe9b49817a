//! Accounts, settlement and reservations (rows A3, A5).

use byway_ledger::Verdict::{self, Final, Rejected};
use byway_primitives::Span;
use byway_records::call::Take;
use byway_records::promise::{ChannelId, ReservationId};
use byway_records::state::{Bounces, Reservation, Settled, bounces_key, reservation_key, settled_key};
use byway_records::{Backing, ProgramId, Reject};

use crate::world::{ALICE, BOB, CAROL, NOTICE, World};

/// A world in which Alice has this much in her account.
fn with_account(balance: u128) -> World {
    let mut world = World::new();
    let deposit = world.deposit(world.coin(ALICE), ALICE, balance);
    world.must(&deposit);
    world
}

/// Alice promises, Bob settles.
fn settle(world: &mut World, serial: u64, amount: u128, take: Take) -> Verdict {
    settle_on(world, Backing::Account, serial, amount, take)
}

fn settle_on(world: &mut World, backing: Backing, serial: u64, amount: u128, take: Take) -> Verdict {
    let promise = world.promise(ALICE, BOB, backing, serial, amount);
    let draft = world.settle(ALICE, BOB, promise, take);
    world.run(&draft)
}

fn settled(world: &World) -> Option<(u64, u128)> {
    let series = world.promise(ALICE, BOB, Backing::Account, 0, 0).series;
    let settled: Option<Settled> = world.ledger.tree(ProgramId::ACCOUNTS)?.read(&settled_key(&series));
    settled.map(|settled| (settled.serial, settled.amount.units()))
}

fn bounces(world: &World) -> u64 {
    let tree = world.ledger.tree(ProgramId::ACCOUNTS).expect("accounts");
    tree.read::<Bounces>(&bounces_key(world.id(ALICE))).map_or(0, |bounces| bounces.count)
}

#[test]
fn what_is_due_follows_from_what_was_settled() {
    let already = Rejected(Reject::PromiseSettled);
    // (serial, amount, verdict, balance of Alice afterwards, balance of Bob afterwards)
    let table = [
        (1, 10_000, Final, 990_000, 9_990),
        (1, 10_000, already, 990_000, 9_990),
        (1, 9_999, already, 990_000, 9_990),
        (1, 12_500, Final, 987_500, 12_488),
        (0, 900_000, already, 987_500, 12_488),
        (3, 1_000, Final, 986_500, 13_487),
        (2, 500_000, already, 986_500, 13_487),
        (1, 500_000, already, 986_500, 13_487),
        (3, 1_001, Final, 986_499, 13_488),
        (9, 0, Final, 986_499, 13_488),
        (9, 0, already, 986_499, 13_488),
        (8, 1, already, 986_499, 13_488),
    ];
    let mut world = with_account(1_000_000);
    for (serial, amount, verdict, alice, bob) in table {
        assert_eq!(settle(&mut world, serial, amount, Take::Whole), verdict, "serial {serial}, amount {amount}");
        assert_eq!((world.balance(ALICE), world.balance(BOB)), (alice, bob), "serial {serial}, amount {amount}");
    }
    assert_eq!(settled(&world), Some((9, 0)));
}

#[test]
fn a_bounce_is_rejected_recorded_once_and_leaves_the_promise_valid() {
    let mut world = with_account(5_000);
    let before = world.ledger.supply(&world.store);
    let bounced = Rejected(Reject::BalanceTooSmall);
    for (serial, amount, count) in
        [(1, 6_000, 1), (1, 6_000, 1), (1, 5_500, 1), (1, 7_000, 2), (2, 5_001, 3), (1, 9_000, 3), (2, 5_001, 3)]
    {
        assert_eq!(settle(&mut world, serial, amount, Take::Whole), bounced);
        assert_eq!(bounces(&world), count, "serial {serial}, amount {amount}");
        assert_eq!(settled(&world), None);
    }
    assert_eq!(world.ledger.supply(&world.store), before, "nothing moved");
    world.must(&world.deposit(world.coin(ALICE), ALICE, 10_000));
    assert_eq!(settle(&mut world, 2, 5_001, Take::Whole), Final);
    assert_eq!(settle(&mut world, 2, 5_001, Take::Whole), Rejected(Reject::PromiseSettled));
    assert_eq!(bounces(&world), 3);
}

#[test]
fn the_payee_may_take_what_is_there_and_gives_up_the_rest() {
    let mut world = with_account(5_000);
    assert_eq!(settle(&mut world, 1, 6_000, Take::WhatIsThere), Final);
    assert_eq!((world.balance(ALICE), world.balance(BOB), bounces(&world)), (0, 4_995, 0));
    assert_eq!(settled(&world), Some((1, 6_000)));
    assert_eq!(settle(&mut world, 1, 6_000, Take::Whole), Rejected(Reject::PromiseSettled));
    // With nothing there nothing is given up.
    assert_eq!(settle(&mut world, 1, 7_000, Take::WhatIsThere), Rejected(Reject::BalanceTooSmall));
    assert_eq!((settled(&world), bounces(&world)), (Some((1, 6_000)), 1));
}

#[test]
fn an_emptied_account_still_bounces() {
    let mut world = with_account(5_000);
    world.must(&world.announce(ALICE, 5_000));
    world.wait(NOTICE);
    world.must(&world.withdraw(ALICE, 5_000));
    assert_eq!(settle(&mut world, 1, 1, Take::Whole), Rejected(Reject::BalanceTooSmall));
    assert_eq!(bounces(&world), 1);
}

#[test]
fn one_can_settle_with_oneself() {
    let mut world = with_account(100_000);
    let promise = world.promise(ALICE, ALICE, Backing::Account, 1, 50_000);
    world.must(&world.settle(ALICE, ALICE, promise, Take::Whole));
    assert_eq!(world.balance(ALICE), 99_950);
}

#[test]
fn a_withdrawal_takes_notice_and_settlements_reach_it_until_then() {
    let mut world = with_account(100_000);
    assert_eq!(world.run(&world.withdraw(ALICE, 10_000)), Rejected(Reject::WithdrawalNotAnnounced));
    world.must(&world.announce(ALICE, 60_000));
    let early = Rejected(Reject::WithdrawalTooEarly);
    assert_eq!(world.run(&world.withdraw(ALICE, 10_000)), early);
    world.time = world.time + NOTICE.millis;
    assert_eq!(world.run(&world.withdraw(ALICE, 10_001)), early, "time alone is not enough");
    assert_eq!(settle(&mut world, 1, 50_000, Take::Whole), Final);
    world.wait(NOTICE);
    assert_eq!(world.run(&world.withdraw(ALICE, 60_000)), Rejected(Reject::BalanceTooSmall));
    assert_eq!(world.run(&world.withdraw(ALICE, 60_001)), Rejected(Reject::WithdrawalNotAnnounced));
    world.must(&world.withdraw(ALICE, 20_000));
    world.must(&world.withdraw(ALICE, 25_000));
    let account = world.account(ALICE).expect("kept");
    assert_eq!(account.balance.units(), 5_000);
    assert_eq!(account.withdrawal.map(|withdrawal| withdrawal.amount.units()), Some(15_000));
    world.must(&world.announce(ALICE, 0));
    assert_eq!(world.account(ALICE).expect("kept").withdrawal, None);
}

#[test]
fn a_new_announcement_starts_the_notice_anew() {
    let mut world = with_account(100_000);
    world.must(&world.announce(ALICE, 50_000));
    world.wait(NOTICE);
    world.must(&world.announce(ALICE, 60_000));
    assert_eq!(world.run(&world.withdraw(ALICE, 10_000)), Rejected(Reject::WithdrawalTooEarly));
}

/// Alice sets aside 20,000 of 100,000 for Bob, for a minute.
fn with_reservation() -> (World, ReservationId) {
    let mut world = with_account(100_000);
    let id = world.must(&world.reserve(ALICE, BOB, 20_000, world.time + Span::minutes(1)));
    assert_eq!(world.balance(ALICE), 80_000);
    (world, ReservationId(id.0))
}

#[test]
fn a_reservation_pays_even_when_the_account_is_empty() {
    let (mut world, id) = with_reservation();
    let promise = world.promise(ALICE, CAROL, Backing::Account, 1, 80_000);
    world.must(&world.settle(ALICE, CAROL, promise, Take::Whole));
    let on = Backing::Reservation(id);
    assert_eq!(settle_on(&mut world, on, 0, 15_000, Take::Whole), Final);
    assert_eq!(settle_on(&mut world, on, 0, 20_001, Take::Whole), Rejected(Reject::BalanceTooSmall));
    assert_eq!(bounces(&world), 0, "promises on a reservation don't bounce");
    assert_eq!(settle_on(&mut world, on, 0, 21_000, Take::WhatIsThere), Final);
    assert_eq!(world.balance(BOB), 14_985 + 4_995);
    assert_eq!(settle_on(&mut world, on, 0, 21_000, Take::Whole), Rejected(Reject::PromiseSettled));
}

#[test]
fn a_reservation_is_released_by_the_payee_at_once_and_by_the_payer_after_its_time() {
    let (mut world, id) = with_reservation();
    assert_eq!(world.run(&world.release(CAROL, id)), Rejected(Reject::NotAuthorised));
    assert_eq!(world.run(&world.release(ALICE, id)), Rejected(Reject::ReservationActive));
    world.must(&world.release(BOB, id));
    assert_eq!(world.balance(ALICE), 100_000);
    assert_eq!(world.run(&world.release(BOB, id)), Rejected(Reject::ReservationUnknown));
    assert_eq!(
        settle_on(&mut world, Backing::Reservation(id), 0, 1, Take::Whole),
        Rejected(Reject::ReservationUnknown)
    );

    let (mut world, id) = with_reservation();
    world.time = world.time + Span::minutes(2);
    let release = world.release(ALICE, id);
    assert_eq!(world.run(&release), Rejected(Reject::ReservationActive), "a stalled kernel expires nothing");
    world.wait(NOTICE);
    // Its time is over, but as long as nobody released it, it pays.
    assert_eq!(settle_on(&mut world, Backing::Reservation(id), 0, 5_000, Take::Whole), Final);
    world.must(&release);
    assert_eq!((world.balance(ALICE), world.balance(BOB)), (95_000, 4_995));
    let tree = world.ledger.tree(ProgramId::ACCOUNTS).expect("accounts");
    assert_eq!(tree.read::<Reservation>(&reservation_key(id)), None);
}

#[test]
fn a_promise_must_fit_its_backing() {
    let (mut world, id) = with_reservation();
    let channel = Backing::Channel(ChannelId(id.0));
    assert_eq!(settle_on(&mut world, channel, 0, 1, Take::Whole), Rejected(Reject::PromiseBacking));
    let promise = world.promise(ALICE, CAROL, Backing::Reservation(id), 0, 1);
    let draft = world.settle(ALICE, CAROL, promise, Take::Whole);
    assert_eq!(world.run(&draft), Rejected(Reject::ReservationMismatch));
    let past = world.reserve(ALICE, BOB, 1, world.time);
    assert_eq!(world.run(&past), Rejected(Reject::ReservationTime));
}

/// A settlement needs no signature on the transaction, so anyone may wrap one again: the series guards itself.
#[test]
fn a_settlement_wrapped_again_pays_nothing_more() {
    let mut world = with_account(100_000);
    let promise = world.promise(ALICE, BOB, Backing::Account, 1, 10_000);
    let mut draft = world.settle(ALICE, BOB, promise, Take::Whole);
    world.must(&draft);
    for minute in 1..4 {
        draft.expires = world.time + Span::minutes(minute);
        assert_eq!(world.run(&draft), Rejected(Reject::PromiseSettled));
    }
    assert_eq!(world.balance(ALICE), 90_000);
}

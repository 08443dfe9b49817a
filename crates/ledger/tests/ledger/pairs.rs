//! Two who owe each other settle the net (row A5).

use byway_ledger::Verdict::{self, Final, Rejected};
use byway_records::call::Take;
use byway_records::state::{Bounces, Settled, bounces_key, settled_key};
use byway_records::{Backing, ProgramId, Reject};

use crate::world::{ALICE, BOB, World};

/// A promise by serial and amount.
type Owed = (u64, u128);

/// Alice and Bob have this much in their accounts; who has nothing has no account.
fn with_accounts(alice: u128, bob: u128) -> World {
    let mut world = World::new();
    for (who, balance) in [(ALICE, alice), (BOB, bob)] {
        if balance > 0 {
            let deposit = world.deposit(world.coin(who), who, balance);
            world.must(&deposit);
        }
    }
    world
}

fn settle_pair(world: &mut World, by_alice: Owed, by_bob: Owed) -> Verdict {
    let draft = world.settle_pair([ALICE, BOB], by_alice, by_bob);
    world.run(&draft)
}

fn settle(world: &mut World, payer: usize, payee: usize, (serial, amount): Owed) -> Verdict {
    let promise = world.promise(payer, payee, Backing::Account, serial, amount);
    let draft = world.settle(payer, payee, promise, Take::Whole);
    world.run(&draft)
}

fn settled(world: &World, payer: usize, payee: usize) -> Option<Owed> {
    let series = world.promise(payer, payee, Backing::Account, 0, 0).series;
    let settled: Option<Settled> = world.ledger.tree(ProgramId::ACCOUNTS)?.read(&settled_key(&series));
    settled.map(|settled| (settled.serial, settled.amount.units()))
}

fn bounces(world: &World, who: usize) -> u64 {
    let Some(tree) = world.ledger.tree(ProgramId::ACCOUNTS) else { return 0 };
    tree.read::<Bounces>(&bounces_key(world.id(who))).map_or(0, |bounces| bounces.count)
}

#[test]
fn only_the_net_of_what_is_newly_due_moves() {
    let already = Rejected(Reject::PromiseSettled);
    // (Alice's promise, Bob's, verdict, balance of Alice afterwards, balance of Bob afterwards)
    let table = [
        // Alice owes 6,000 more; 6 of them are the fee.
        ((1, 10_000), (1, 4_000), Final, 94_000, 105_994),
        ((1, 10_000), (1, 4_000), already, 94_000, 105_994),
        // Both were raised: 1,000 against 3,000.
        ((1, 11_000), (1, 7_000), Final, 95_998, 103_994),
        // One of the two is settled already: neither counts.
        ((1, 11_000), (1, 8_000), already, 95_998, 103_994),
        ((1, 12_000), (1, 7_000), already, 95_998, 103_994),
        ((0, 90_000), (1, 8_000), already, 95_998, 103_994),
        // A later serial starts at zero.
        ((3, 2_000), (1, 7_500), Final, 94_498, 105_493),
        ((2, 50_000), (1, 7_501), already, 94_498, 105_493),
        // Both owe the same.
        ((4, 5_000), (2, 5_000), Final, 94_498, 105_493),
        // One promises nothing under its new serial.
        ((5, 0), (3, 1_000), Final, 95_497, 104_493),
    ];
    let mut world = with_accounts(100_000, 100_000);
    for (by_alice, by_bob, verdict, alice, bob) in table {
        let case = format!("{by_alice:?} against {by_bob:?}");
        assert_eq!(settle_pair(&mut world, by_alice, by_bob), verdict, "{case}");
        assert_eq!((world.balance(ALICE), world.balance(BOB)), (alice, bob), "{case}");
    }
    assert_eq!((settled(&world, ALICE, BOB), settled(&world, BOB, ALICE)), (Some((5, 0)), Some((3, 1_000))));
}

/// What each has in the end is what it would have after both settlements, but for the fees on what did not have to move.
#[test]
fn nobody_has_less_than_after_two_settlements() {
    for (by_alice, by_bob) in [(10_000, 4_000), (4_000, 10_000), (7_777, 7_777), (1, 50_000), (50_000, 1)] {
        let (mut together, mut apart) = (with_accounts(60_000, 60_000), with_accounts(60_000, 60_000));
        assert_eq!(settle_pair(&mut together, (1, by_alice), (1, by_bob)), Final);
        assert_eq!(settle(&mut apart, ALICE, BOB, (1, by_alice)), Final);
        assert_eq!(settle(&mut apart, BOB, ALICE, (1, by_bob)), Final);
        for who in [ALICE, BOB] {
            assert!(together.balance(who) >= apart.balance(who), "{by_alice} against {by_bob}");
            let other = ALICE + BOB - who;
            assert_eq!(settled(&together, who, other), settled(&apart, who, other));
        }
    }
}

#[test]
fn a_net_that_is_not_there_moves_nothing_and_bounces_for_the_one_who_owes_it() {
    let mut world = with_accounts(5_000, 1_000);
    let before = world.ledger.supply(&world.store);
    let bounced = Rejected(Reject::BalanceTooSmall);
    for (by_alice, by_bob, verdict, of_alice, of_bob) in [
        ((1, 9_000), (1, 3_000), bounced, 1, 0),
        ((1, 9_000), (1, 3_000), bounced, 1, 0),
        // More is owed back, and still it is too little; the promise that bounced is the same.
        ((1, 9_000), (1, 3_999), bounced, 1, 0),
        ((1, 3_000), (1, 4_001), bounced, 1, 1),
        ((2, 9_000), (1, 3_000), bounced, 2, 1),
    ] {
        assert_eq!(settle_pair(&mut world, by_alice, by_bob), verdict, "{by_alice:?} against {by_bob:?}");
        assert_eq!((bounces(&world, ALICE), bounces(&world, BOB)), (of_alice, of_bob));
        assert_eq!((settled(&world, ALICE, BOB), settled(&world, BOB, ALICE)), (None, None));
    }
    assert_eq!(world.ledger.supply(&world.store), before, "nothing moved");
    // Alone, the same promise bounces no second time.
    assert_eq!(settle(&mut world, ALICE, BOB, (2, 9_000)), bounced);
    assert_eq!(bounces(&world, ALICE), 2);
    // What Alice has is enough for the net, though not for what she owes.
    assert_eq!(settle_pair(&mut world, (2, 9_000), (1, 4_000)), Final);
    assert_eq!((world.balance(ALICE), world.balance(BOB)), (0, 5_995));
}

#[test]
fn who_owes_no_net_needs_no_account() {
    let mut world = with_accounts(5_000, 0);
    assert_eq!(settle_pair(&mut world, (1, 1_000), (1, 1_001)), Rejected(Reject::NoAccount));
    assert_eq!(settle_pair(&mut world, (1, 1_000), (1, 1_000)), Final);
    assert!(world.account(BOB).is_none());
    assert_eq!(settle_pair(&mut world, (1, 2_000), (1, 1_001)), Final);
    assert_eq!((world.balance(ALICE), world.balance(BOB)), (4_001, 999));
}

#[test]
fn alone_and_together_a_promise_is_paid_once() {
    let already = Rejected(Reject::PromiseSettled);
    let mut world = with_accounts(50_000, 50_000);
    let pair = world.settle_pair([ALICE, BOB], (1, 10_000), (1, 4_000));
    assert_eq!(settle(&mut world, BOB, ALICE, (1, 4_000)), Final);
    assert_eq!(world.run(&pair), already, "the net would pay Alice a second time");
    assert_eq!(settled(&world, ALICE, BOB), None, "so Bob's claim is as it was");
    assert_eq!(settle(&mut world, ALICE, BOB, (1, 10_000)), Final);

    let mut world = with_accounts(50_000, 50_000);
    world.must(&pair);
    assert_eq!(settle(&mut world, BOB, ALICE, (1, 4_000)), already);
    assert_eq!(settle(&mut world, ALICE, BOB, (1, 10_000)), already);
    // What was raised before the net was settled is the difference.
    assert_eq!(settle(&mut world, ALICE, BOB, (1, 11_000)), Final);
    assert_eq!(world.balance(ALICE), 43_000);
}

//! Becoming a kernel node, changing its keys, and stopping to be one.

use byway_ledger::Ledger;
use byway_primitives::Span;
use byway_records::genesis::Wait;
use byway_records::{Reject, Standing};

use crate::world::{ALICE, BOB, CAROL, Draft, KERNEL_PLEDGE, PLEDGE_LOCK, ROTATION_PAUSE, World, owner_of, units};

/// Somebody's standing after the next checkpoint.
fn standing(world: &World, seat: u8) -> Option<Standing> {
    world.ledger.epoch().seats.get(seat).map(|seat| seat.standing)
}

#[test]
fn a_member_goes_all_the_way_and_gets_its_pledge_back() {
    let mut world = World::new();
    world.commit(&[]);
    world.must(&world.pledge(world.coin(CAROL), CAROL, 9));
    assert_eq!(standing(&world, 4), None, "an epoch's members don't change");
    world.turn();
    assert_eq!(standing(&world, 4), Some(Standing::Candidate));
    assert_eq!(world.ledger.epoch().seats.count(), 4, "a candidate does not count");

    world.must(&world.ready(4, 9, 1));
    world.turn();
    assert_eq!(standing(&world, 4), Some(Standing::Counting));
    assert_eq!(world.ledger.epoch().number, 2);

    world.must(&world.leave(CAROL, 4));
    world.refuses(&world.reclaim(CAROL, 4), Reject::PledgeLocked);
    world.turn();
    assert_eq!((standing(&world, 4), world.ledger.epoch().seats.count()), (Some(Standing::Left), 4));
    world.time = world.time + PLEDGE_LOCK.millis;
    world.refuses(&world.reclaim(CAROL, 4), Reject::PledgeLocked);
    world.wait(PLEDGE_LOCK);
    world.refuses(&Draft { signers: vec![BOB], ..world.reclaim(CAROL, 4) }, Reject::NotAuthorised);
    let pledges = world.ledger.supply(&world.store).way().pledges;
    world.must(&world.reclaim(CAROL, 4));
    assert_eq!(Some(world.ledger.supply(&world.store).way().pledges), pledges.checked_sub(units(KERNEL_PLEDGE)));
    world.turn();
    assert_eq!(standing(&world, 4), None);
}

/// What led to the end of an epoch need not be kept, so each ends, and not only when members change.
#[test]
fn an_epoch_ends_though_nobody_comes_or_goes() {
    let mut genesis = crate::world::genesis();
    genesis.parameters.epoch_life = Wait { millis: Span::seconds(5), commits: 20 };
    let life = genesis.parameters.epoch_life;
    let mut world = World::with(genesis);
    let members = world.ledger.epoch().seats.clone();
    (0..life.commits + 8).for_each(|_| drop(world.commit(&[])));
    assert_eq!(world.ledger.epoch().number, 0, "commits alone end none");
    for number in 1..4 {
        world.time = world.time + life.millis;
        (0..8).for_each(|_| drop(world.commit(&[])));
        assert_eq!(world.ledger.epoch().number, number);
        assert_eq!(world.ledger.epoch().seats, members);
        (0..life.commits).for_each(|_| drop(world.commit(&[])));
        assert_eq!(world.ledger.epoch().number, number);
    }
    world.time = world.time + life.millis;
    (0..8).for_each(|_| drop(world.commit(&[])));
    world.time = world.time + life.millis;
    (0..8).for_each(|_| drop(world.commit(&[])));
    assert_eq!(world.ledger.epoch().number, 4, "nor does time alone");
}

/// The lock begins when the member can sign no more, and not when it asked to leave.
#[test]
fn a_pledge_is_locked_from_the_end_of_the_last_epoch_on() {
    let mut world = World::new();
    world.must(&world.pledge(world.coin(CAROL), CAROL, 9));
    world.turn();
    world.must(&world.leave(CAROL, 4));
    world.time = world.time + PLEDGE_LOCK.millis;
    world.turn();
    (0..PLEDGE_LOCK.commits).for_each(|_| drop(world.commit(&[])));
    world.refuses(&world.reclaim(CAROL, 4), Reject::PledgeLocked);
    world.time = world.time + PLEDGE_LOCK.millis;
    world.must(&world.reclaim(CAROL, 4));
}

#[test]
fn a_seat_that_is_given_up_is_not_used_again_in_the_same_epoch() {
    let mut world = World::new();
    world.must(&world.pledge(world.coin(CAROL), CAROL, 9));
    world.turn();
    world.must(&world.leave(CAROL, 4));
    world.turn();
    world.wait(PLEDGE_LOCK);
    world.must(&world.reclaim(CAROL, 4));
    world.must(&world.pledge(world.coin(BOB), BOB, 10));
    world.turn();
    assert_eq!((standing(&world, 4), standing(&world, 5)), (None, Some(Standing::Candidate)));
    world.must(&world.pledge(world.coin(BOB), BOB, 11));
    world.turn();
    assert_eq!(standing(&world, 4), Some(Standing::Candidate));
}

#[test]
fn what_one_member_signed_does_not_serve_another_in_its_seat() {
    let mut world = World::new();
    world.must(&world.pledge(world.coin(CAROL), CAROL, 9));
    world.turn();
    let of_the_first = world.ready(4, 9, 1);
    world.must(&world.leave(CAROL, 4));
    world.turn();
    world.refuses(&of_the_first, Reject::SeatStanding);
    world.wait(PLEDGE_LOCK);
    world.must(&world.reclaim(CAROL, 4));
    world.turn();
    world.must(&world.pledge(world.coin(CAROL), CAROL, 9));
    world.turn();
    let since = world.ledger.epoch().number;
    world.refuses(&world.ready(4, 9, 1), Reject::NodeSignature);
    world.refuses(&world.ready(4, 8, since), Reject::NodeSignature);
    world.refuses(&world.ready(5, 9, since), Reject::SeatEmpty);
    world.must(&world.ready(4, 9, since));
}

#[test]
fn never_are_too_few_left() {
    let mut world = World::new();
    world.refuses(&world.leave(owner_of(0), 0), Reject::TooFewMembers);
    for node in 4..6 {
        world.must(&world.pledge(world.coin(ALICE), ALICE, node));
    }
    world.turn();
    for node in 4..6 {
        world.must(&world.ready(node, node, 1));
    }
    world.turn();
    // Two at once are judged together.
    world.must(&world.leave(owner_of(0), 0));
    world.must(&world.leave(owner_of(1), 1));
    world.refuses(&world.leave(owner_of(2), 2), Reject::TooFewMembers);
    world.turn();
    assert_eq!((world.ledger.epoch().seats.count(), world.ledger.epoch().seats.quorum()), (4, 3));
    world.refuses(&world.leave(owner_of(0), 0), Reject::SeatStanding);
}

#[test]
fn the_kernel_has_fifty_seats() {
    let mut world = World::new();
    world.fill_kernel();
    assert_eq!(world.ledger.epoch().seats.iter().count(), 50);
    world.refuses(&world.pledge(world.coin(BOB), BOB, 120), Reject::KernelFull);
}

#[test]
fn keys_change_with_the_next_epoch_and_not_too_often() {
    let mut world = World::new();
    world.commit(&[]);
    let owner = owner_of(0);
    world.must(&world.rotate(owner, 0, 20));
    world.refuses(&world.rotate(owner, 0, 21), Reject::RotatedLately);
    world.refuses(&world.rotate(owner_of(1), 1, 20), Reject::MemberKeyTaken);
    world.refuses(&Draft { signers: vec![CAROL], ..world.rotate(owner_of(1), 1, 21) }, Reject::NotAuthorised);
    let key = |world: &World| world.ledger.epoch().seats.get(0).map(|seat| seat.member.key);
    let before = key(&world);
    world.turn();
    assert_ne!(key(&world), before);
    assert_eq!(world.ledger.epoch().seats.count(), 4, "with other keys it goes on counting");
    world.wait(Wait { commits: 0, ..ROTATION_PAUSE });
    world.refuses(&world.rotate(owner, 0, 21), Reject::RotatedLately);
    world.wait(ROTATION_PAUSE);
    // The key it had is free again.
    world.must(&world.rotate(owner, 0, 0));
}

#[test]
fn a_reopened_ledger_goes_on_from_the_same_members() {
    let mut world = World::new();
    world.commit(&[]);
    world.must(&world.pledge(world.coin(CAROL), CAROL, 9));
    for _ in 0..2 {
        // Once with the epoch prepared, once with it in force.
        let reopened = Ledger::open(&world.genesis, &world.store).expect("undamaged").expect("there");
        assert_eq!(reopened.epoch(), world.ledger.epoch());
        world.ledger = reopened;
        world.turn();
    }
    let checkpoint = world.checkpoints.last().expect("the epoch turned");
    assert_eq!(checkpoint.checkpoint.epoch_next, world.ledger.epoch().digest());
    assert_eq!(checkpoint.epoch.as_ref(), Some(world.ledger.epoch()));
    world.must(&world.ready(4, 9, 1));
}

//! The market (row A1) and the registry (row I2).

use byway_ledger::Verdict::{Final, Rejected};
use byway_records::state::{PublishedOffer, offer_key};
use byway_records::{ProgramId, Reject};

use crate::world::{ALICE, BOB, KERNEL_PLEDGE, OFFER_LIFE, World};

fn with_provider() -> World {
    let mut world = World::new();
    world.must(&world.register(world.coin(BOB), BOB));
    world
}

fn published(world: &World, serial: u64) -> Option<PublishedOffer> {
    world.ledger.tree(ProgramId::OFFERS)?.read(&offer_key(world.id(BOB), serial))
}

#[test]
fn a_pledge_counts_in_the_supply_and_is_paid_once() {
    let mut world = with_provider();
    let pledges = world.ledger.supply(&world.store).way().pledges;
    assert_eq!(pledges.units(), 4 * KERNEL_PLEDGE + 1_000_000);
    assert_eq!(world.run(&world.register(world.coin(BOB), BOB)), Rejected(Reject::AlreadyRegistered));
    // Anyone may pay for it, but the identity must agree.
    let mut paid_by_alice = world.register(world.coin(BOB), ALICE);
    paid_by_alice.signers = vec![BOB];
    assert_eq!(world.run(&paid_by_alice), Rejected(Reject::NotAuthorised));
}

#[test]
fn serials_only_rise_and_terms_never_change() {
    let old = Rejected(Reject::OfferSerialOld);
    // (serial, price, contact, verdict)
    let table = [
        (5, 100, "a", Final),
        (5, 100, "b", Final),
        (5, 101, "b", Rejected(Reject::OfferTermsChanged)),
        (4, 101, "b", old),
        (6, 101, "c", Final),
        (5, 100, "d", Final),
        (0, 1, "", old),
    ];
    let mut world = with_provider();
    for (serial, price, contact, verdict) in table {
        let draft = world.publish(world.coin(BOB), BOB, world.offer(BOB, serial, price, contact));
        assert_eq!(world.run(&draft), verdict, "serial {serial}, price {price}, contact {contact}");
    }
    let contact = |serial| published(&world, serial).map(|offer| offer.offer.offer.contacts[0].data.clone());
    assert_eq!((contact(5), contact(6)), (Some(b"d".to_vec()), Some(b"c".to_vec())));
}

#[test]
fn a_withdrawn_serial_is_used_up() {
    let mut world = with_provider();
    world.must(&world.publish(world.coin(BOB), BOB, world.offer(BOB, 1, 100, "a")));
    let mut foreign = world.withdraw_offer(BOB, 1);
    foreign.signers = vec![ALICE];
    assert_eq!(world.run(&foreign), Rejected(Reject::NotAuthorised));
    world.must(&world.withdraw_offer(BOB, 1));
    assert_eq!(published(&world, 1), None);
    let again = world.publish(world.coin(BOB), BOB, world.offer(BOB, 1, 100, "a"));
    assert_eq!(world.run(&again), Rejected(Reject::OfferSerialOld));
}

/// Named adversary: someone copies an old record from the ledger to put a provider's old contacts back.
#[test]
fn the_replayer_cant_put_old_contacts_back() {
    let mut world = with_provider();
    let first = world.offer(BOB, 1, 100, "old");
    // The first publication may be paid for by anyone: the offer's signature is enough.
    let mut copy = world.publish(world.coin(ALICE), BOB, first);
    copy.signers = Vec::new();
    world.must(&copy);
    world.must(&world.publish(world.coin(BOB), BOB, world.offer(BOB, 1, 100, "new")));
    let replay = world.funded(
        world.coin(ALICE),
        crate::world::Draft { call: copy.call.clone(), fee: copy.fee, signers: vec![ALICE], ..Default::default() },
    );
    assert_eq!(world.run(&replay), Rejected(Reject::NotAuthorised));
    assert_eq!(published(&world, 1).expect("there").offer.offer.contacts[0].data, b"new");
}

#[test]
fn an_offer_expires_after_time_and_commits_unless_published_again() {
    let mut world = with_provider();
    for serial in [1, 2] {
        world.must(&world.publish(world.coin(BOB), BOB, world.offer(BOB, serial, 100, "a")));
    }
    world.time = world.time + OFFER_LIFE.millis;
    world.commit(&[]);
    assert!(published(&world, 1).is_some(), "a stalled kernel expires nothing");
    world.must(&world.publish(world.coin(BOB), BOB, world.offer(BOB, 2, 100, "a")));
    (0..OFFER_LIFE.commits).for_each(|_| drop(world.commit(&[])));
    assert_eq!(published(&world, 1), None);
    assert!(published(&world, 2).is_some(), "published again");
    world.time = world.time + OFFER_LIFE.millis;
    world.commit(&[]);
    assert_eq!(published(&world, 2), None);
    let again = world.publish(world.coin(BOB), BOB, world.offer(BOB, 2, 100, "a"));
    assert_eq!(world.run(&again), Rejected(Reject::OfferSerialOld));
}

#[test]
fn expiry_is_bounded_per_commit() {
    let mut genesis = crate::world::genesis();
    genesis.parameters.call_prices.offer_publish = crate::world::units(0);
    let mut world = World::with(genesis);
    world.must(&world.register(world.coin(BOB), BOB));
    let offers: Vec<_> = (0..300)
        .map(|serial| {
            let mut draft = world.publish(world.coin(BOB), BOB, world.offer(BOB, serial, 100, "a"));
            (draft.inputs, draft.outputs, draft.fee) = (Vec::new(), Vec::new(), crate::world::units(0));
            world.sign(&draft)
        })
        .collect();
    assert!(world.commit(&offers).iter().all(|verdict| *verdict == Final));
    let left = |world: &World| world.ledger.tree(ProgramId::OFFERS).expect("offers").iter_prefix(&[0]).count();
    assert_eq!(left(&world), 300);
    world.wait(byway_records::genesis::Wait { commits: OFFER_LIFE.commits - 1, ..OFFER_LIFE });
    world.commit(&[]);
    assert_eq!(left(&world), 300 - 256);
    world.commit(&[]);
    assert_eq!(left(&world), 0);
}

//! Transfers (row K1): spent once, and never twice, within a commit and across commits.

use byway_ledger::Verdict::{Final, Rejected, Repeated};
use byway_ledger::stored_transaction;
use byway_records::Reject;

use crate::world::{ALICE, BOB, CAROL, World};

#[test]
fn a_transfer_moves_money_and_the_range_grows() {
    let mut world = World::new();
    let draft = world.transfer(world.coin(ALICE), BOB, 400);
    assert_eq!(world.run(&draft), Rejected(Reject::OutputTooSmall));
    let coin = world.coin(ALICE);
    let id = world.must(&world.transfer(coin.clone(), BOB, 400_000));
    assert!(world.ledger.output(&world.store, coin.id).is_none());
    assert!(world.coins_of(BOB).iter().any(|coin| coin.output.value.amount.units() == 400_000));
    assert_eq!(world.ledger.verdict(&world.store, id), Some(Final));
    let range = world.ledger.transactions();
    let proof = range.prove(0, &world.store).expect("one is final");
    assert!(proof.verify(id, range.count(), range.root()));
}

#[test]
fn an_output_made_in_a_commit_can_be_spent_in_it() {
    let mut world = World::new();
    let first = world.sign(&world.transfer(world.coin(ALICE), BOB, 1_000_000_000));
    // Bob's wallet learns of the output before it is final.
    let mut ahead = World::new();
    ahead.commit(std::slice::from_ref(&first));
    let made = ahead.coins.iter().find(|coin| coin.id.transaction == first.id()).expect("bob's").clone();
    let second = world.sign(&world.transfer(made.clone(), CAROL, 1_000_000_000));
    let third = world.sign(&world.transfer(made, BOB, 1_000_000_000));
    assert_eq!(world.commit(&[first, second, third]), [Final, Final, Rejected(Reject::UnknownInput)]);
    assert_eq!(world.coin(CAROL).output.value.amount.units(), 1_000_000_000);
}

#[test]
fn a_double_spend_is_rejected_within_a_commit_and_later() {
    let mut world = World::new();
    let coin = world.coin(ALICE);
    let drafts = [BOB, CAROL, BOB].map(|to| world.transfer(coin.clone(), to, 5_000_000));
    let [a, b, c] = drafts.map(|draft| world.sign(&draft));
    assert_eq!(world.commit(&[a, b]), [Final, Rejected(Reject::UnknownInput)]);
    assert_eq!(world.commit(&[c]), [Rejected(Reject::UnknownInput)]);
}

#[test]
fn a_verdict_is_for_good() {
    let mut world = World::new();
    let good = world.sign(&world.transfer(world.coin(ALICE), BOB, 5_000_000));
    assert_eq!(world.commit(&[good.clone(), good.clone()]), [Final, Repeated]);
    assert_eq!(world.commit(std::slice::from_ref(&good)), [Repeated]);
    // Rejected for a balance that is there later: the same transaction stays rejected, another one passes.
    let early = world.sign(&world.announce(BOB, 1));
    assert_eq!(world.commit(&[early.clone(), early.clone()]), [Rejected(Reject::NoAccount), Repeated]);
    world.must(&world.deposit(world.coin(ALICE), BOB, 1_000_000));
    assert_eq!(world.commit(std::slice::from_ref(&early)), [Repeated]);
    let record = stored_transaction(&world.store, early.id()).expect("remembered");
    assert_eq!((record.verdict(), record.commit), (Rejected(Reject::NoAccount), 3));
    world.must(&world.announce(BOB, 1));
}

#[test]
fn fees_go_to_the_pool() {
    let mut world = World::new();
    let pool = |world: &World| world.ledger.supply(&world.store).way().pool.units();
    let before = pool(&world);
    let draft =
        world.funded(world.coin(ALICE), crate::world::Draft { fee: crate::world::units(77), ..Default::default() });
    world.must(&draft);
    assert_eq!(pool(&world), before + 77);
}

//! When a commit ends with a checkpoint, and how checkpoints hang together.

use byway_primitives::Span;
use byway_records::genesis::Wait;
use byway_records::{Height, ProgramId};

use crate::world::{ALICE, BOB, World};

const EIGHT: Wait = Wait { millis: Span::millis(0), commits: 8 };

#[test]
fn empty_commits_make_one_every_so_often() {
    let mut world = World::new();
    world.wait(Wait { commits: 7, ..EIGHT });
    assert!(world.checkpoints.is_empty() && !world.ledger.has_unchecked_content());
    world.commit(&[]);
    assert_eq!(world.ledger.last_checkpoint().map(|checkpoint| checkpoint.commits), Some(8));
    world.wait(Wait { commits: 16, ..EIGHT });
    let commits: Vec<_> = world.checkpoints.iter().map(|made| made.checkpoint.commits).collect();
    assert_eq!(commits, [8, 16, 24]);
}

#[test]
fn content_waits_no_longer_than_the_delay() {
    let mut world = World::new();
    assert_eq!(world.ledger.checkpoint_due_at(), None);
    world.must(&world.transfer(world.coin(ALICE), BOB, 5_000_000));
    let due = world.time + world.genesis.parameters.checkpoint_delay;
    assert_eq!(world.ledger.checkpoint_due_at(), Some(due));
    world.must(&world.transfer(world.coin(ALICE), BOB, 5_000_000));
    assert_eq!(world.ledger.checkpoint_due_at(), Some(due), "the first content counts");
    // `commit` executes a millisecond later.
    world.time = due - Span::millis(2);
    world.commit(&[]);
    assert!(world.checkpoints.is_empty() && world.ledger.has_unchecked_content());
    world.commit(&[]);
    assert_eq!((world.checkpoints.len(), world.ledger.has_unchecked_content()), (1, false));
    assert_eq!(world.checkpoints[0].scan.finals.len(), 2);
    world.time = world.time + Span::minutes(1);
    world.commit(&[]);
    assert_eq!(world.checkpoints.len(), 1, "nothing new to cover");
}

/// A rejection is content too: whoever sent it is waiting for the proof.
#[test]
fn a_rejection_is_covered_and_a_repetition_is_not() {
    let mut world = World::new();
    let rejected = world.sign(&world.announce(ALICE, 1));
    world.commit(std::slice::from_ref(&rejected));
    assert!(world.ledger.has_unchecked_content());
    world.wait(EIGHT);
    assert_eq!(world.checkpoints[0].scan.rejected, [(rejected.id(), byway_records::Reject::NoAccount)]);
    world.commit(&[rejected]);
    assert!(!world.ledger.has_unchecked_content());
}

#[test]
fn each_names_the_one_before_and_the_first_the_network() {
    let mut world = World::new();
    for _ in 0..3 {
        world.must(&world.transfer(world.coin(ALICE), BOB, 5_000_000));
        world.wait(EIGHT);
    }
    let mut previous = world.network.0;
    for (height, made) in (1u64..).zip(&world.checkpoints) {
        let checkpoint = made.checkpoint;
        assert_eq!((checkpoint.height, checkpoint.previous), (Height(height), previous));
        assert_eq!(checkpoint.members_next, world.genesis.members.digest());
        previous = checkpoint.digest();
    }
    let last = world.checkpoints.last().expect("some").checkpoint;
    assert_eq!((last.transactions, last.outputs_digest), (3, world.ledger.outputs_digest()));
    assert_eq!(last.transactions_root, world.ledger.transactions().root());
}

#[test]
fn an_entry_that_is_back_at_what_it_was_is_no_change() {
    let mut world = World::new();
    world.must(&world.deposit(world.coin(ALICE), ALICE, 10_000));
    world.wait(EIGHT);
    world.must(&world.announce(ALICE, 5_000));
    world.must(&world.announce(ALICE, 0));
    let before = world.checkpoints.len();
    world.wait(EIGHT);
    let changes = &world.checkpoints[before].changes;
    let accounts = changes.programs.iter().find(|changes| changes.program == ProgramId::ACCOUNTS).expect("accounts");
    assert_eq!(accounts.entries, []);
}

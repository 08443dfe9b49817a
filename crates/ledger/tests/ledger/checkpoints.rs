//! When a commit ends with a checkpoint, and how checkpoints hang together.

use byway_primitives::Span;
use byway_records::genesis::Wait;
use byway_records::{Height, ProgramId};

use crate::world::{ALICE, BOB, World};

const EIGHT: Wait = Wait { millis: Span::millis(0), commits: 8 };

/// A world whose first commit, an empty one, has made its checkpoint.
fn begun() -> World {
    let mut world = World::new();
    world.commit(&[]);
    world
}

/// Without one nobody could follow; it says what genesis says if nothing else has happened.
#[test]
fn the_first_commit_makes_one_whatever_is_in_it() {
    let mut world = World::new();
    assert_eq!((world.ledger.last_checkpoint(), world.ledger.checkpoint_due_at()), (None, None));
    let (founded, outputs) = (world.ledger.state_root(), world.ledger.outputs_digest());
    world.commit(&[]);
    let checkpoint = world.checkpoints[0].checkpoint;
    assert_eq!(world.ledger.last_checkpoint(), Some(&checkpoint));
    assert_eq!((checkpoint.height, checkpoint.commits, checkpoint.time), (Height(1), 1, world.time));
    assert_eq!((checkpoint.previous, checkpoint.transactions), (world.network.0, 0));
    assert_eq!((checkpoint.state_root, checkpoint.outputs_digest), (founded, outputs));
    world.commit(&[]);
    assert_eq!(world.checkpoints.len(), 1, "the second commit makes none by itself");

    let mut world = World::new();
    let transfer = world.must(&world.transfer(world.coin(ALICE), BOB, 5_000_000));
    assert_eq!((world.checkpoints.len(), world.checkpoints[0].checkpoint.transactions), (1, 1));
    assert_eq!(world.checkpoints[0].scan.finals[0].id, transfer);
    assert!(!world.ledger.has_unchecked_content() && world.ledger.checkpoint_due_at().is_none());
}

#[test]
fn empty_commits_make_one_every_so_often() {
    let mut world = begun();
    world.wait(Wait { commits: 7, ..EIGHT });
    assert!(world.checkpoints.len() == 1 && !world.ledger.has_unchecked_content());
    world.commit(&[]);
    assert_eq!(world.ledger.last_checkpoint().map(|checkpoint| checkpoint.commits), Some(9));
    world.wait(Wait { commits: 16, ..EIGHT });
    let commits: Vec<_> = world.checkpoints.iter().map(|made| made.checkpoint.commits).collect();
    assert_eq!(commits, [1, 9, 17, 25]);
}

#[test]
fn content_waits_no_longer_than_the_delay() {
    let mut world = begun();
    assert_eq!(world.ledger.checkpoint_due_at(), None);
    world.must(&world.transfer(world.coin(ALICE), BOB, 5_000_000));
    let due = world.time + world.genesis.parameters.checkpoint_delay;
    assert_eq!(world.ledger.checkpoint_due_at(), Some(due));
    world.must(&world.transfer(world.coin(ALICE), BOB, 5_000_000));
    assert_eq!(world.ledger.checkpoint_due_at(), Some(due), "the first content counts");
    // `commit` executes a millisecond later.
    world.time = due - Span::millis(2);
    world.commit(&[]);
    assert!(world.checkpoints.len() == 1 && world.ledger.has_unchecked_content());
    world.commit(&[]);
    assert_eq!((world.checkpoints.len(), world.ledger.has_unchecked_content()), (2, false));
    assert_eq!(world.checkpoints[1].scan.finals.len(), 2);
    world.time = world.time + Span::seconds(29);
    world.commit(&[]);
    assert_eq!(world.checkpoints.len(), 2, "nothing new to cover");
    world.time = world.time + Span::seconds(1);
    world.commit(&[]);
    assert_eq!(world.checkpoints.len(), 3, "the last is old");
}

/// A rejection is content too: whoever sent it is waiting for the proof.
#[test]
fn a_rejection_is_covered_and_a_repetition_is_not() {
    let mut world = begun();
    let rejected = world.sign(&world.announce(ALICE, 1));
    world.commit(std::slice::from_ref(&rejected));
    assert!(world.ledger.has_unchecked_content());
    world.wait(EIGHT);
    assert_eq!(world.checkpoints[1].scan.rejected, [(rejected.id(), byway_records::Reject::NoAccount)]);
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
    assert!(world.checkpoints.len() > 3);
    let mut previous = world.network.0;
    for (height, made) in (1u64..).zip(&world.checkpoints) {
        let checkpoint = made.checkpoint;
        assert_eq!((checkpoint.height, checkpoint.previous), (Height(height), previous));
        assert_eq!(checkpoint.epoch_next, world.genesis.epoch().digest());
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

//! A ledger moved on by what followers are given is the one that executed the commits.

use byway_ledger::stored::{CHANGES, CHECKPOINTS, LEDGER, STATE, UNDO};
use byway_ledger::{FollowError, Ledger, NewCheckpoint, ProgramDifference, TransactionRange, audit, stored_scan};
use byway_primitives::{Hash, MemoryStore, Store};
use byway_records::scan::ScanData;
use byway_records::{Checkpoint, Height, Reject, TransactionId};

use crate::reopen::{assert_same, lived_in};
use crate::world::World;

/// A ledger that has executed so many commits of the world's history, and its store.
fn after(world: &World, commits: usize) -> (Ledger, MemoryStore) {
    let mut store = MemoryStore::new();
    world.batches[..=commits].iter().for_each(|batch| store.apply(batch));
    let ledger = Ledger::open(&world.genesis, &store).expect("undamaged").expect("stored");
    (ledger, store)
}

fn differences(step: &NewCheckpoint) -> Vec<ProgramDifference> {
    let programs = step.changes.programs.iter();
    programs.map(|changes| step.changes.difference(changes.program).expect("it is there")).collect()
}

/// Steps after the ledger's last checkpoint.
fn ahead<'a>(world: &'a World, ledger: &Ledger) -> &'a [NewCheckpoint] {
    &world.checkpoints[ledger.last_checkpoint().map_or(0, |last| last.height.0 as usize)..]
}

fn follow(ledger: &mut Ledger, store: &mut MemoryStore, step: &NewCheckpoint) {
    let followed = ledger.follow(&step.checkpoint, &differences(step), step.scan.clone(), store).expect("it is true");
    assert_eq!(followed.checkpoint, *step);
    store.apply(&followed.batch);
}

#[test]
fn whatever_was_executed_before_it_ends_where_the_others_are() {
    let mut world = lived_in();
    world.wait(crate::world::OFFER_LIFE);
    let last = world.checkpoints.last().expect("some").checkpoint;
    let (executed, executed_store) = after(&world, last.commits as usize);
    for commits in 0..last.commits as usize {
        let (mut ledger, mut store) = after(&world, commits);
        for step in ahead(&world, &ledger).to_vec() {
            follow(&mut ledger, &mut store, &step);
            let reopened = Ledger::open(&world.genesis, &store).expect("undamaged").expect("stored");
            assert_same(&ledger, &reopened);
        }
        assert_same(&ledger, &executed);
        for space in [LEDGER, STATE, UNDO, CHANGES, CHECKPOINTS] {
            assert_eq!(store.scan_prefix(space, &[]), executed_store.scan_prefix(space, &[]), "{space:?}");
        }
        for height in 1..=last.height.0 {
            assert_eq!(stored_scan(&store, Height(height)), stored_scan(&executed_store, Height(height)));
        }
        for position in 0..last.transactions {
            assert_eq!(TransactionRange::at(position, &store), TransactionRange::at(position, &executed_store));
            assert_eq!(ledger.transactions().prove(position, &store), executed.transactions().prove(position, &store));
        }
        assert!(audit(&store, &world.genesis, &last).is_ok(), "after {commits} commits");
        // It goes on like the others, and remembers every verdict.
        for (number, commit) in world.commits.iter().enumerate().skip(last.commits as usize) {
            let outcome = ledger.execute(&commit.as_commit(), &store);
            store.apply(&outcome.batch);
            assert_eq!(outcome.checkpoint, None, "commit {}", number + 1);
        }
        assert_same(&ledger, &world.ledger);
        for transaction in world.commits.iter().flat_map(|commit| &commit.transactions) {
            let id = transaction.id();
            assert_eq!(ledger.verdict(&store, id), world.ledger.verdict(&world.store, id));
        }
    }
}

/// What a liar changes of a step, and what is said about it.
type Lie = (fn(&mut Checkpoint, &mut Vec<ProgramDifference>, &mut ScanData), fn(&FollowError) -> bool);

#[test]
fn a_lie_changes_nothing() {
    let world = lived_in();
    let lies: [Lie; 8] = [
        (|_, _, scan| drop(scan.finals.pop()), |error| *error == FollowError::Scan),
        (|_, _, scan| scan.rejected.push((TransactionId(Hash::ZERO), Reject::Expired)), |e| *e == FollowError::Scan),
        (|_, differences, _| drop(differences.pop()), |error| matches!(error, FollowError::State(_))),
        (|_, differences, _| differences.reverse(), |error| matches!(error, FollowError::State(_))),
        (|_, d, _| d.iter_mut().for_each(|d| d.entries.clear()), |error| matches!(error, FollowError::State(_))),
        (
            |_, d, _| d.iter_mut().flat_map(|d| &mut d.entries).for_each(|entry| entry.key.push(0)),
            |error| matches!(error, FollowError::State(_)),
        ),
        (|checkpoint, _, _| checkpoint.height = checkpoint.height.next(), |e| matches!(e, FollowError::Next(_))),
        (|checkpoint, _, _| checkpoint.commits = 0, |error| matches!(error, FollowError::Next(_))),
    ];
    // In the middle of a checkpoint, so that there is something to go back from.
    for commits in [2, 5, 12] {
        let (mut ledger, mut store) = after(&world, commits);
        let before = ledger.clone();
        let step = ahead(&world, &ledger)[0].clone();
        for (number, (change, is_expected)) in lies.iter().enumerate() {
            let (mut checkpoint, mut differences, mut scan) = (step.checkpoint, differences(&step), step.scan.clone());
            change(&mut checkpoint, &mut differences, &mut scan);
            let error = ledger.follow(&checkpoint, &differences, scan, &store).expect_err("a lie");
            assert!(is_expected(&error), "lie {number}: {error}");
            assert_same(&ledger, &before);
        }
        follow(&mut ledger, &mut store, &step);
    }
}

#[test]
fn damage_here_is_not_taken_for_a_lie() {
    let world = lived_in();
    let (mut ledger, store) = after(&world, 5);
    let step = &ahead(&world, &ledger)[0];
    // The checkpoint spends what this store lost.
    let empty = MemoryStore::new();
    let error = ledger.follow(&step.checkpoint, &differences(step), step.scan.clone(), &empty).expect_err("damaged");
    assert_eq!(error, FollowError::Divergence(step.checkpoint.height));
    assert!(ledger.follow(&step.checkpoint, &differences(step), step.scan.clone(), &store).is_ok());
}

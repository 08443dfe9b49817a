//! A checkpoint gives followers no more than the network's bound and a little, whatever the kernel commits at once.

use byway_ledger::{Ledger, NewCheckpoint, ProgramDifference, Verdict};
use byway_primitives::{Encode, MemoryStore, Span};
use byway_records::genesis::Wait;
use byway_records::{Genesis, VerifiedTransaction};

use crate::world::{ALICE, BOB, Draft, World, genesis, way};

const BOUND: u64 = 1_500;

fn bounded() -> Genesis {
    let mut genesis = genesis();
    genesis.parameters.checkpoint_bytes = BOUND;
    // Long after a checkpoint is full.
    genesis.parameters.checkpoint_commits = 1_000;
    genesis.validate().expect("within the limits");
    genesis
}

/// A world whose first checkpoint is made, and where Alice has many coins.
fn with_coins(coins: usize) -> World {
    let mut world = World::with(bounded());
    world.commit(&[]);
    let coin = world.coin(ALICE);
    let part = coin.output.value.amount.units() / coins as u128;
    let mut outputs = vec![(ALICE, way(part)); coins];
    outputs[0] = (ALICE, way(coin.output.value.amount.units() - part * (coins as u128 - 1)));
    world.must(&Draft { inputs: vec![coin], outputs, ..Draft::default() });
    world.wait(Wait { millis: Span::seconds(1), commits: 2 });
    world
}

/// So many transfers of different coins, and accounts that they open.
fn transfers(world: &mut World, count: usize) -> Vec<VerifiedTransaction> {
    let coins = world.coins_of(ALICE).into_iter().take(count);
    let drafts = coins.enumerate().map(|(number, coin)| match number % 3 {
        0 => world.deposit(coin, BOB, 5_000),
        _ => world.transfer(coin, BOB, 5_000),
    });
    let drafts: Vec<_> = drafts.collect();
    drafts.iter().map(|draft| world.sign(draft)).collect()
}

fn differences(made: &NewCheckpoint) -> Vec<ProgramDifference> {
    let programs = made.changes.programs.iter();
    programs.map(|changes| made.changes.difference(changes.program).expect("it is there")).collect()
}

fn step_bytes(made: &NewCheckpoint) -> u64 {
    (made.scan.to_bytes().len() + made.changes.to_bytes().len()) as u64
}

#[test]
fn what_has_no_room_is_the_next_commits() {
    let mut world = with_coins(60);
    let (before, commits) = (world.checkpoints.len(), world.ledger.commits());
    let transactions = transfers(&mut world, 60);
    assert_eq!(world.commit(&transactions), vec![Verdict::Final; 60]);
    let made = &world.checkpoints[before..];
    assert!(made.len() > 2, "{} checkpoints", made.len());
    // Each transaction adds less than 600 bytes; lengths and roots are there once.
    let sizes: Vec<u64> = made.iter().map(step_bytes).collect();
    assert!(sizes.iter().all(|bytes| (BOUND..BOUND + 900).contains(bytes)), "{sizes:?}");
    // One checkpoint for each commit but perhaps the last, all of one time.
    let parts = world.ledger.commits() - commits;
    assert!(parts - made.len() as u64 <= 1);
    assert!(made.iter().all(|made| made.checkpoint.time == world.time));
    let finals = made.iter().flat_map(|made| &made.scan.finals).map(|transaction| transaction.id);
    let ids = transactions.iter().map(VerifiedTransaction::id).take(finals.clone().count());
    assert!(finals.eq(ids), "in order, each once");
}

/// The same content as it comes bit by bit, in commits of their own.
#[test]
fn content_of_several_commits_fills_a_checkpoint() {
    let mut world = with_coins(60);
    let before = world.checkpoints.len();
    for transaction in transfers(&mut world, 20) {
        world.commit(&[transaction]);
    }
    let made = &world.checkpoints[before..];
    assert!(!made.is_empty());
    assert!(made.iter().all(|made| (BOUND..BOUND + 900).contains(&step_bytes(made))));
}

#[test]
fn a_rejection_takes_room_and_a_repetition_none() {
    let mut world = with_coins(4);
    let before = world.checkpoints.len();
    let spent = world.coin(ALICE);
    let first = world.sign(&world.transfer(spent.clone(), BOB, 5_000));
    world.commit(std::slice::from_ref(&first));
    let void: Vec<_> = (0..60).map(|_| world.sign(&world.transfer(spent.clone(), BOB, 5_000))).collect();
    world.commit(&void);
    // 33 bytes each.
    assert_eq!(world.checkpoints.len() - before, 1);
    let rejected = world.checkpoints[before].scan.rejected.len() as u64;
    assert!(((BOUND - 500) / 33..=BOUND / 33).contains(&rejected), "{rejected}");
    let commits = world.ledger.commits();
    assert!(world.commit(&void).iter().all(|verdict| *verdict == Verdict::Repeated));
    assert_eq!((world.ledger.commits(), world.checkpoints.len()), (commits + 1, before + 1));
}

/// What the kernel commits at once belongs to one epoch, however many checkpoints that takes.
#[test]
fn an_epoch_ends_with_the_last_part() {
    let mut genesis = bounded();
    genesis.parameters.epoch_life = Wait { millis: Span::millis(1), commits: 4 };
    let mut world = World::with(genesis);
    world.commit(&[]);
    let coin = world.coin(ALICE);
    let parts = vec![(ALICE, way(coin.output.value.amount.units() / 40)); 40];
    world.must(&Draft { inputs: vec![coin], outputs: parts, ..Draft::default() });
    world.commit(&[]);
    let before = world.checkpoints.len();
    let transactions = transfers(&mut world, 40);
    world.time = world.time + world.genesis.parameters.checkpoint_idle;
    world.commit(&transactions);
    let (last, earlier) = world.checkpoints[before..].split_last().expect("some");
    assert!(earlier.len() > 1 && earlier.iter().all(|made| made.epoch.is_none()));
    assert!(last.epoch.is_some());
}

/// Whoever reopens or follows in the middle finds the same places to cut.
#[test]
fn the_cuts_are_where_they_are_for_all() {
    let mut world = with_coins(90);
    for _ in 0..9 {
        let transactions = transfers(&mut world, 7);
        world.commit(&transactions);
    }
    assert!(world.checkpoints.len() > 4);
    let last = world.checkpoints.last().expect("some").checkpoint;
    let mut store = MemoryStore::new();
    for (commit, batches) in world.commits.iter().zip(world.batches.windows(2)) {
        store.apply(&batches[0]);
        let reopened = Ledger::open(&world.genesis, &store).expect("undamaged").expect("stored");
        let executed = reopened.clone().execute(&commit.as_commit(), &store);
        assert_eq!(executed.batch, batches[1], "commit {}", commit.index);
        // From here to the next checkpoint as others follow, and then by execution again.
        let Some(made) = world.checkpoints.iter().find(|made| made.checkpoint.commits >= commit.index) else {
            continue;
        };
        let (mut ledger, mut own) = (reopened, store.clone());
        let followed = ledger.follow(&made.checkpoint, &differences(made), made.scan.clone(), &own).expect("true");
        own.apply(&followed.batch);
        for commit in &world.commits[made.checkpoint.commits as usize..last.commits as usize] {
            own.apply(&ledger.execute(&commit.as_commit(), &own).batch);
        }
        assert_eq!(ledger.last_checkpoint(), Some(&last), "after {} commits", commit.index - 1);
    }
}

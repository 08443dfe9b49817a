//! What is stored is the ledger: it reopens at every commit, goes on the same, and damage is found.

use byway_ledger::stored::SPACES;
use byway_ledger::{AuditError, Ledger, LedgerDamaged, Verdict, audit};
use byway_primitives::{Batch, MemoryStore, Store};
use byway_records::call::Take;
use byway_records::{Backing, Height, ProgramId};

use crate::world::{ALICE, BOB, CAROL, World};

/// A world with something of everything in it, some of it since the last checkpoint.
pub fn lived_in() -> World {
    let mut world = World::new();
    // The first commit makes a checkpoint, whatever is in it.
    world.commit(&[]);
    world.must(&world.deposit(world.coin(ALICE), ALICE, 100_000));
    world.must(&world.register(world.coin(BOB), BOB));
    for serial in 0..6 {
        world.must(&world.publish(world.coin(BOB), BOB, world.offer(BOB, serial, 100, "a")));
        world.must(&world.transfer(world.coin(CAROL), ALICE, 10_000));
    }
    world.must(&world.withdraw_offer(BOB, 2));
    let until = world.time + byway_primitives::Span::days(1);
    world.must(&world.reserve(ALICE, BOB, 5_000, until));
    let promise = world.promise(ALICE, BOB, Backing::Account, 1, 1_000);
    world.must(&world.settle(ALICE, BOB, promise, Take::Whole));
    assert_eq!(world.run(&world.announce(CAROL, 5)), Verdict::Rejected(byway_records::Reject::NoAccount));
    assert!(world.ledger.has_unchecked_content() && world.checkpoints.len() == 3);
    world
}

pub fn assert_same(a: &Ledger, b: &Ledger) {
    assert_eq!((a.commits(), a.time(), a.last_checkpoint()), (b.commits(), b.time(), b.last_checkpoint()));
    assert_eq!((a.state_root(), a.outputs_digest()), (b.state_root(), b.outputs_digest()));
    assert_eq!(a.transactions(), b.transactions());
    assert_eq!(a.checkpoint_due_at(), b.checkpoint_due_at());
    for program in [ProgramId::SYSTEM, ProgramId::REGISTRY, ProgramId::OFFERS, ProgramId::ACCOUNTS] {
        let (a, b) = (a.tree(program).expect("a tree"), b.tree(program).expect("a tree"));
        assert!(a.iter().eq(b.iter()) && a.root() == b.root());
    }
    for program in [ProgramId::OFFERS, ProgramId::ACCOUNTS] {
        assert_eq!(a.page(program, &[]), b.page(program, &[]));
    }
}

/// The whole history once more: at every batch a node crashes, reopens, and must end up where the others are. The
/// batches are those of the first run, so executing again must give the very same ones.
#[test]
fn a_crash_at_every_persist_changes_nothing() {
    let genesis = crate::world::genesis();
    let world = replay_source();
    let mut store = MemoryStore::new();
    assert!(matches!(Ledger::open(&genesis, &store), Ok(None)));
    store.apply(&world.batches[0]);
    for (number, commit) in world.commits.iter().enumerate() {
        let mut ledger = Ledger::open(&genesis, &store).expect("undamaged").expect("stored");
        // Executed, but crashed before it was durable: nothing of it is left.
        drop(ledger.clone().execute(&commit.as_commit(), &store));
        let mut again = Ledger::open(&genesis, &store).expect("undamaged").expect("stored");
        assert_same(&ledger, &again);
        let (a, b) = (ledger.execute(&commit.as_commit(), &store), again.execute(&commit.as_commit(), &store));
        assert_eq!(a.batch, b.batch);
        assert_eq!(a.checkpoint, b.checkpoint);
        assert_eq!(a.batch, world.batches[number + 1], "commit {}", number + 1);
        store.apply(&a.batch);
        let reopened = Ledger::open(&genesis, &store).expect("undamaged").expect("stored");
        assert_same(&ledger, &reopened);
    }
}

struct Source {
    batches: Vec<Batch>,
    commits: Vec<crate::world::Recorded>,
}

fn replay_source() -> Source {
    let mut world = lived_in();
    world.wait(crate::world::OFFER_LIFE);
    Source { batches: world.batches, commits: world.commits }
}

#[test]
fn scan_data_and_changes_are_kept_by_height() {
    let mut world = lived_in();
    world.wait(crate::world::OFFER_LIFE);
    for made in &world.checkpoints {
        let height = made.checkpoint.height;
        assert_eq!(byway_ledger::stored_checkpoint(&world.store, height), Some(made.checkpoint));
        assert_eq!(byway_ledger::stored_scan(&world.store, height).as_ref(), Some(&made.scan));
        assert_eq!(byway_ledger::stored_changes(&world.store, height).as_ref(), Some(&made.changes));
        assert_eq!(made.scan.root(), made.checkpoint.scan_root);
        assert_eq!(made.changes.state_root(), made.checkpoint.state_root);
    }
    let next = world.checkpoints.last().expect("some").checkpoint.height.next();
    assert_eq!(byway_ledger::stored_scan(&world.store, next), None);
}

/// Every stored byte that reopening relies on is covered by some digest.
#[test]
fn damage_anywhere_is_found_and_named() {
    let world = lived_in();
    let mut named = std::collections::BTreeSet::new();
    for space in SPACES.into_iter().filter(|space| !["transactions", "changes", "checkpoints"].contains(&space.0)) {
        for (key, value) in world.store.scan(space, &[], usize::MAX) {
            let covered = space.0 == "scan" && key[..8] != 4u64.to_be_bytes();
            if covered {
                continue;
            }
            let mut store = world.store.clone();
            let mut damage = Batch::new();
            let mut bad = value.clone();
            let at = bad.len() / 2;
            bad[at] ^= 0x40;
            damage.put(space, key.clone(), bad);
            store.apply(&damage);
            match Ledger::open(&world.genesis, &store) {
                Err(damaged) => drop(named.insert(damaged.to_string())),
                Ok(_) => panic!("damage in {} was not found", space.0),
            }
        }
    }
    for part in ["head record", "unspent outputs", "program state", "changes since", "scan data", "final transactions"]
    {
        assert!(named.iter().any(|text| text.contains(part)), "{part} in {named:?}");
    }
}

#[test]
fn a_missing_or_foreign_ledger_is_named() {
    let world = lived_in();
    let mut other = world.genesis.clone();
    other.name = "other".into();
    assert_eq!(Ledger::open(&other, &world.store).err(), Some(LedgerDamaged::OtherNetwork));
    let mut store = world.store.clone();
    let mut damage = Batch::new();
    damage.delete(byway_ledger::stored::CHECKPOINTS, 3u64.to_be_bytes());
    store.apply(&damage);
    assert_eq!(Ledger::open(&world.genesis, &store).err(), Some(LedgerDamaged::Checkpoint(Height(3))));
}

#[test]
fn an_audit_counts_the_checkpoint_though_execution_ran_ahead() {
    let world = lived_in();
    let last = world.checkpoints.last().expect("some");
    let supply = audit(&world.store, &world.genesis, &last.checkpoint).expect("balanced");
    assert_eq!(supply.way().total(), world.genesis.supply());
    assert_ne!(supply, world.ledger.supply(&world.store), "more has happened since");
    let old = &world.checkpoints[0].checkpoint;
    assert_eq!(audit(&world.store, &world.genesis, old), Err(AuditError::NotNewest { newest: Height(3) }));
}

/// Named adversary: an operator who gives himself money by editing his store.
#[test]
fn the_forger_does_not_pass_an_audit() {
    let world = lived_in();
    let checkpoint = world.checkpoints.last().expect("some").checkpoint;
    for space in [byway_ledger::stored::TRANSACTIONS, byway_ledger::stored::STATE, byway_ledger::stored::UNDO] {
        for (key, value) in world.store.scan(space, &[], usize::MAX) {
            let mut forged = Batch::new();
            let mut bad = value.clone();
            *bad.last_mut().expect("not empty") ^= 1;
            forged.put(space, key, bad);
            let mut store = world.store.clone();
            store.apply(&forged);
            assert!(audit(&store, &world.genesis, &checkpoint).is_err(), "forged in {}", space.0);
        }
    }
    let mut poorer = world.genesis.clone();
    poorer.pool = byway_primitives::Amount::ZERO;
    assert_eq!(audit(&world.store, &poorer, &checkpoint), Err(AuditError::NoLedger));
}

/// Opening reads no outputs, of which there may be millions; an audit misses those that are gone.
#[test]
fn an_output_that_was_taken_away_is_missed_by_an_audit() {
    let world = lived_in();
    let first_made = world.genesis.transaction().0.0;
    let (key, _) = world.store.scan(byway_ledger::stored::TRANSACTIONS, &first_made, 1).swap_remove(0);
    assert_eq!(key[..32], first_made);
    let mut removed = Batch::new();
    removed.delete(byway_ledger::stored::TRANSACTIONS, key);
    let mut store = world.store.clone();
    store.apply(&removed);
    let opened = Ledger::open(&world.genesis, &store).expect("not looked at").expect("stored");
    assert_same(&opened, &world.ledger);
    let checkpoint = world.checkpoints.last().expect("some").checkpoint;
    assert_eq!(audit(&store, &world.genesis, &checkpoint), Err(AuditError::Outputs));
}

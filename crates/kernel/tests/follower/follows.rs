//! An honest node is followed, and what was followed is found again.

use byway_kernel::follower::{Follower, FollowerDamaged, PROGRAMS};
use byway_primitives::{Batch, MemoryStore, Space, Store};
use byway_records::{Height, ProgramId};

use crate::history::{CHANGES, CLOSING, FOREIGN, HEIGHTS, HISTORY, QUORUM};

const TIP: Space = Space("follower-tip");
const ENTRIES: Space = Space("follower-entries");

/// Whether the follower has exactly the ledger's state at `height`.
fn assert_at(follower: &Follower, programs: &[ProgramId], height: u64) {
    let tip = height.checked_sub(1).map(|before| &HISTORY.checkpoints[before as usize]);
    assert_eq!((follower.tip(), follower.next_height()), (tip, Height(height + 1)));
    assert_eq!(follower.programs().collect::<Vec<_>>(), programs);
    for program in programs {
        let (copy, ledger) = (follower.tree(*program).expect("followed"), &HISTORY.trees[height as usize][program]);
        assert_eq!(copy.root(), ledger.root(), "{program:?} at {height}");
        assert!(copy.iter().eq(ledger.iter()), "{program:?} at {height}");
    }
}

fn follow(programs: &[ProgramId]) -> (Follower, MemoryStore) {
    let mut store = MemoryStore::new();
    let mut follower = Follower::open(HISTORY.genesis.clone(), programs, &store).expect("an empty store");
    assert_at(&follower, programs, 0);
    for height in 1..=HEIGHTS {
        let step = HISTORY.steps(follower.next_height(), programs).swap_remove(0);
        let (scan, before) = (step.scan.clone(), &HISTORY.trees[height as usize - 1]);
        let advance = follower.advance(step).expect("true");
        assert_at(&follower, programs, height);
        assert_eq!(advance.checkpoint, HISTORY.checkpoints[height as usize - 1]);
        assert_eq!((advance.scan, advance.signers), (scan, (0..QUORUM).collect()));
        for (program, keys) in advance.changed {
            let differs =
                |key: &&Vec<u8>| before[&program].value(key) == HISTORY.trees[height as usize][&program].value(key);
            assert_eq!(keys.iter().find(differs), None, "a key that did not change was told as changed");
        }
        store.apply(&advance.batch);
        // A crash after any step loses nothing.
        let reopened = Follower::open(HISTORY.genesis.clone(), programs, &store).expect("undamaged");
        assert_at(&reopened, programs, height);
    }
    (follower, store)
}

#[test]
fn a_follower_has_the_ledgers_state_at_every_height_and_after_every_restart() {
    follow(&PROGRAMS);
}

#[test]
fn a_follower_of_some_programs_has_those() {
    follow(&[ProgramId::SYSTEM, ProgramId::OFFERS]);
    follow(&[ProgramId::SYSTEM, ProgramId::REGISTRY, ProgramId::ACCOUNTS]);
    follow(&[ProgramId::SYSTEM]);
}

#[test]
fn who_certified_what_is_known_of_every_epoch_that_was_followed() {
    let mut store = MemoryStore::new();
    let mut follower = Follower::open(CHANGES.genesis.clone(), &[], &store).expect("an empty store");
    for height in 1..=HEIGHTS {
        let step = CHANGES.steps(Height(height), &[ProgramId::SYSTEM]).swap_remove(0);
        let advance = follower.advance(step).expect("true");
        assert_eq!(advance.epoch_turned, CLOSING.contains(&height));
        store.apply(&advance.batch);
        let reopened = Follower::open(CHANGES.genesis.clone(), &[], &store).expect("undamaged");
        for known in [&follower, &reopened] {
            for before in 1..=height {
                let epoch = &CHANGES.epochs[before as usize - 1];
                assert_eq!(known.epoch_at(Height(before), &store).as_ref(), Some(epoch), "{before} at {height}");
            }
        }
    }
}

#[test]
fn who_signs_is_followed_unasked() {
    let follower = Follower::open(HISTORY.genesis.clone(), &[], &MemoryStore::new()).expect("an empty store");
    assert_at(&follower, &[ProgramId::SYSTEM], 0);
}

#[test]
fn one_answer_holds_many_steps_and_none_before_they_are_certified() {
    let steps = HISTORY.steps(Height(1), &PROGRAMS);
    assert_eq!(steps.len(), HEIGHTS as usize);
    let heights = steps.iter().map(|step| step.certificate.checkpoint.height);
    assert!(heights.eq((1..=HEIGHTS).map(Height)));
    assert_eq!(HISTORY.steps(Height(HEIGHTS + 1), &PROGRAMS), []);
    assert_eq!(HISTORY.steps(Height(0), &PROGRAMS), [], "genesis is in nobody's certificates");
    assert_eq!(HISTORY.steps(Height(1), &[ProgramId(9)]), [], "no such program");
    assert_eq!(HISTORY.steps(Height(1), &[ProgramId::OFFERS; 32]), [], "one program many times");
}

#[test]
fn every_damaged_entry_is_detected() {
    let (_, store) = follow(&PROGRAMS);
    let open = |damage: &Batch| {
        let mut damaged = store.clone();
        damaged.apply(damage);
        Follower::open(HISTORY.genesis.clone(), &PROGRAMS, &damaged).err()
    };
    let entries = store.scan_prefix(ENTRIES, &[]);
    assert!(entries.len() > 10, "there is something to damage");
    for (key, value) in entries {
        let mut flipped = value.clone();
        flipped[value.len() / 2] ^= 1;
        let (mut changed, mut lost) = (Batch::new(), Batch::new());
        changed.put(ENTRIES, key.clone(), flipped);
        lost.delete(ENTRIES, key.clone());
        assert_eq!(open(&changed), Some(FollowerDamaged::State));
        assert_eq!(open(&lost), Some(FollowerDamaged::State));
    }
    let mut added = Batch::new();
    added.put(ENTRIES, [&ProgramId::OFFERS.0.to_be_bytes()[..], b"more"].concat(), [1]);
    assert_eq!(open(&added), Some(FollowerDamaged::State));
    assert_eq!(open(&Batch::new()), None);
}

/// Taken for true, a damaged checkpoint would make liars of all honest nodes.
#[test]
fn every_damaged_byte_of_the_tip_is_detected() {
    let (_, store) = follow(&PROGRAMS);
    let (key, value) = store.scan_prefix(TIP, &[]).swap_remove(0);
    let open = |value: &[u8]| {
        let (mut damaged, mut batch) = (store.clone(), Batch::new());
        batch.put(TIP, key.clone(), value);
        damaged.apply(&batch);
        Follower::open(HISTORY.genesis.clone(), &PROGRAMS, &damaged).err()
    };
    for at in 0..value.len() {
        let mut flipped = value.clone();
        flipped[at] ^= 0x10;
        assert_eq!(open(&flipped), Some(FollowerDamaged::Tip), "byte {at}");
        assert_eq!(open(&value[..at]), Some(FollowerDamaged::Tip), "cut at {at}");
    }
    assert_eq!(open(&value), None);
}

#[test]
fn the_store_of_another_network_is_not_taken_for_ones_own() {
    let (_, store) = follow(&PROGRAMS);
    let opened = Follower::open(FOREIGN.genesis.clone(), &PROGRAMS, &store);
    assert_eq!(opened.err(), Some(FollowerDamaged::Tip));
}

#[test]
fn a_store_of_other_programs_is_not_enough() {
    let (_, store) = follow(&[ProgramId::SYSTEM, ProgramId::OFFERS]);
    let opened = Follower::open(HISTORY.genesis.clone(), &PROGRAMS, &store);
    assert_eq!(opened.err(), Some(FollowerDamaged::State));
}

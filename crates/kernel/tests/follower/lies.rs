//! Every lie is refused for what it is, and nothing of it is kept.

use std::collections::BTreeSet;

use byway_kernel::follower::{Follower, Lie, PROGRAMS, Step};
use byway_primitives::{Decode, Encode, MemoryStore, Store};
use byway_records::{Height, ProgramId};

use crate::history::{HEIGHTS, HISTORY};
use crate::liars::{LIARS, Liar, first_lie};

/// Follows the truth, and at every height hears the lie first. Gives how often there was one.
fn check(liar: &Liar) -> usize {
    let mut follower = Follower::open(HISTORY.genesis.clone(), &PROGRAMS, &MemoryStore::new()).expect("an empty store");
    let mut lies = 0;
    for height in 1..=HEIGHTS {
        if let Some((step, expected)) = (liar.lie)(HISTORY.step(height)) {
            let before = HISTORY.trees[height as usize - 1].clone();
            let tip = follower.tip().copied();
            assert_eq!(follower.advance(step).err(), Some(expected), "{} at {height}", liar.name);
            assert_eq!(follower.tip(), tip.as_ref());
            for (program, tree) in before {
                let copy = follower.tree(program).expect("followed");
                assert_eq!(copy.root(), tree.root(), "{} at {height}: {program:?}", liar.name);
                assert!(copy.iter().eq(tree.iter()), "{} at {height}: {program:?}", liar.name);
            }
            lies += 1;
        }
        follower.advance(HISTORY.step(height)).expect("the truth after a lie");
    }
    lies
}

#[test]
fn every_liar_is_caught_and_nothing_is_kept() {
    for liar in LIARS {
        assert!(check(liar) > 0, "{} never lied", liar.name);
    }
}

/// The table must not fall behind the enum.
#[test]
fn every_kind_of_lie_has_a_liar() {
    let kind = |lie: &Lie| match lie {
        Lie::Height { .. } => 0,
        Lie::Chain => 1,
        Lie::Certificate(_) => 2,
        Lie::Programs => 3,
        Lie::Difference { .. } => 4,
        Lie::Scan => 5,
        Lie::Epoch => 6,
    };
    let kinds: BTreeSet<_> = LIARS.iter().map(|liar| kind(&first_lie(liar).2)).collect();
    assert_eq!(kinds.len(), 7);
}

/// What survives the way over the wire is as false as before.
#[test]
fn lies_are_not_told_apart_by_their_form() {
    for liar in LIARS {
        let (_, step, _) = first_lie(liar);
        assert_eq!(Step::from_bytes(&step.to_bytes()), Ok(step), "{}", liar.name);
    }
}

#[test]
fn an_old_step_is_no_next_step() {
    let mut follower = Follower::open(HISTORY.genesis.clone(), &PROGRAMS, &MemoryStore::new()).expect("an empty store");
    (1..=2).for_each(|height| drop(follower.advance(HISTORY.step(height)).expect("true")));
    let lie = Lie::Height { expected: Height(3), got: Height(2) };
    assert_eq!(follower.advance(HISTORY.step(2)).err(), Some(lie));
}

#[test]
fn a_follower_of_two_programs_takes_neither_one_nor_three() {
    let asked = [ProgramId::SYSTEM, ProgramId::OFFERS];
    let open = || Follower::open(HISTORY.genesis.clone(), &asked, &MemoryStore::new()).expect("an empty store");
    for sent in [&asked[..1], &PROGRAMS[1..], &[ProgramId::SYSTEM, ProgramId::ACCOUNTS], &PROGRAMS[..3]] {
        let step = HISTORY.steps(Height(1), sent).swap_remove(0);
        assert_eq!(open().advance(step).err(), Some(Lie::Programs), "{sent:?}");
    }
    open().advance(HISTORY.steps(Height(1), &asked).swap_remove(0)).expect("what was asked for");
}

/// A refused step leaves nothing that a later write could carry to disk.
#[test]
fn what_is_stored_after_a_lie_is_the_truth() {
    let (mut store, mut untroubled) = (MemoryStore::new(), MemoryStore::new());
    let open = |store: &dyn Store| Follower::open(HISTORY.genesis.clone(), &PROGRAMS, store).expect("undamaged");
    let (mut lied_to, mut other) = (open(&store), open(&untroubled));
    for height in 1..=HEIGHTS {
        for (step, _) in LIARS.iter().filter_map(|liar| (liar.lie)(HISTORY.step(height))) {
            assert!(lied_to.advance(step).is_err());
        }
        store.apply(&lied_to.advance(HISTORY.step(height)).expect("true").batch);
        untroubled.apply(&other.advance(HISTORY.step(height)).expect("true").batch);
        assert_eq!(store, untroubled);
    }
}

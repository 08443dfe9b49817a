//! What followers are given: differences that lead to certified roots, and pages for those who start late.

use byway_ledger::{CopyError, DifferenceError, Ledger, ProgramDifference, StateTree, TreeCopy, TreePage};
use byway_primitives::{Decode, Encode, Hash, Span};
use byway_records::{Height, ProgramId};

use crate::world::{ALICE, BOB, CAROL, OFFER_LIFE, World};

const PROGRAMS: [ProgramId; 7] = [
    ProgramId::SYSTEM,
    ProgramId::REGISTRY,
    ProgramId::OFFERS,
    ProgramId::ACCOUNTS,
    ProgramId::ASSETS,
    ProgramId::HOLDERS,
    ProgramId::NAMES,
];

fn busy(world: &mut World, rounds: u64) {
    for round in 0..rounds {
        world.must(&world.deposit(world.coin(ALICE), (round % 3) as usize, 1_000 + u128::from(round)));
        world.must(&world.publish(world.coin(BOB), BOB, world.offer(BOB, world.ledger.commits(), 100, "a")));
        world.must(&world.transfer(world.coin(CAROL), ALICE, 10_000));
        let serial = world.ledger.commits();
        world.must(&world.set_holders(world.coin(CAROL), CAROL, serial, &[(BOB, Span::seconds(1 + round))]));
        world.run(&world.commit_to(world.coin(BOB), BOB, "alice", round as u8));
    }
}

fn busy_world() -> World {
    let mut world = World::new();
    world.must(&world.register(world.coin(BOB), BOB));
    busy(&mut world, 8);
    world.wait(OFFER_LIFE);
    busy(&mut world, 9);
    world
}

fn genesis_tree(world: &World, program: ProgramId) -> StateTree {
    Ledger::genesis(&world.genesis).0.tree(program).expect("a program").clone()
}

#[test]
fn a_follower_from_the_start_arrives_at_every_certified_root() {
    let world = busy_world();
    assert!(world.checkpoints.len() > 4);
    for program in PROGRAMS {
        let mut tree = genesis_tree(&world, program);
        for made in &world.checkpoints {
            let difference = made.changes.difference(program).expect("a program");
            let sent = ProgramDifference::from_bytes(&difference.to_bytes()).expect("its own encoding");
            assert_eq!(sent.apply(&mut tree, made.checkpoint.state_root), Ok(()));
        }
    }
}

/// Named adversary: a kernel node that leaves out, adds or changes an entry for a follower.
#[test]
fn a_liar_is_caught_and_the_copy_is_unharmed() {
    let world = busy_world();
    let program = ProgramId::OFFERS;
    let mut tree = genesis_tree(&world, program);
    for made in &world.checkpoints {
        let honest = made.changes.difference(program).expect("a program");
        let certified = made.checkpoint.state_root;
        let root = tree.root();
        let mut lies = Vec::new();
        for at in 0..honest.entries.len() {
            let mut omitted = honest.clone();
            omitted.entries.remove(at);
            let mut changed = honest.clone();
            changed.entries[at].value = Some(vec![1]);
            lies.extend([omitted, changed]);
        }
        let mut added = honest.clone();
        added.entries.push(byway_ledger::Change { key: vec![0xff], value: Some(vec![1]) });
        let mut sibling = honest.clone();
        sibling.sibling_roots[0].root = Hash([1; 32]);
        let mut missing = honest.clone();
        missing.sibling_roots.pop();
        let mut own = honest.clone();
        own.sibling_roots.push(byway_ledger::ProgramRoot { program, root });
        lies.extend([added, sibling, missing, own]);
        for lie in lies {
            assert!(lie.apply(&mut tree, certified).is_err());
            assert_eq!(tree.root(), root);
        }
        assert_eq!(honest.apply(&mut tree, certified), Ok(()));
    }
}

#[test]
fn entries_out_of_order_are_refused() {
    let world = busy_world();
    let mut tree = genesis_tree(&world, ProgramId::OFFERS);
    // The first checkpoint is the first commit's, with no offer in it yet.
    let first = world.checkpoints[0].changes.difference(ProgramId::OFFERS).expect("a program");
    assert_eq!(first.apply(&mut tree, world.checkpoints[0].checkpoint.state_root), Ok(()));
    let made = &world.checkpoints[1];
    let mut difference = made.changes.difference(ProgramId::OFFERS).expect("a program");
    assert!(difference.entries.len() > 1);
    difference.entries.reverse();
    assert_eq!(difference.apply(&mut tree, made.checkpoint.state_root), Err(DifferenceError::Order));
}

/// Cuts a page short, so that small trees take several.
fn cut(page: TreePage) -> TreePage {
    let mut page = TreePage::from_bytes(&page.to_bytes()).expect("its own encoding");
    if page.entries.len() > 2 {
        page.next = Some(page.entries[2].key.clone());
        page.entries.truncate(2);
    }
    page
}

/// Fetches a whole tree while the ledger goes on; gives the copy and what was replayed.
fn copy(world: &mut World, program: ProgramId) -> TreeCopy {
    let mut copy = TreeCopy::new(program);
    while let Some(from) = copy.wanted().map(<[u8]>::to_vec) {
        let page = cut(world.ledger.page(program, &from).expect("a program"));
        copy.add(page).expect("what was wanted");
        busy(world, 1);
        world.time = world.time + Span::seconds(15);
    }
    copy
}

#[test]
fn a_late_follower_gets_the_tree_of_the_last_page_though_the_ledger_goes_on() {
    for program in PROGRAMS {
        let mut world = busy_world();
        let mut copy = copy(&mut world, program);
        let first = copy.heights().expect("all pages are there");
        while let Some((_, Some(wanted))) = copy.heights() {
            let changes = &world.checkpoints[wanted.0 as usize - 1].changes;
            copy.replay(wanted, &changes.difference(program).expect("a program")).expect("what was wanted");
        }
        let (last, _) = copy.heights().expect("all pages are there");
        assert!(program != ProgramId::OFFERS || first.1.is_some(), "the ledger did go on");
        let certified = world.checkpoints[last.0 as usize - 1].checkpoint.state_root;
        let mut tree = copy.finish(certified).expect("the certified tree");
        for made in &world.checkpoints[last.0 as usize..] {
            let difference = made.changes.difference(program).expect("a program");
            assert_eq!(difference.apply(&mut tree, made.checkpoint.state_root), Ok(()));
        }
    }
}

#[test]
fn pages_show_the_last_checkpoint_though_execution_ran_ahead() {
    let mut world = busy_world();
    let certified = world.checkpoints.last().expect("some").checkpoint;
    while world.ledger.last_checkpoint() == Some(&certified) {
        let page = world.ledger.page(ProgramId::OFFERS, &[]).expect("a program");
        assert_eq!((page.height, page.next.is_none()), (certified.height, true));
        let mut copy = TreeCopy::new(ProgramId::OFFERS);
        copy.add(page).expect("wanted");
        copy.finish(certified.state_root).expect("the certified tree");
        busy(&mut world, 1);
    }
}

#[test]
fn a_page_that_lies_is_caught_at_the_end_and_one_that_does_not_fit_at_once() {
    let world = busy_world();
    let last = world.checkpoints.last().expect("some").checkpoint;
    let page = world.ledger.page(ProgramId::OFFERS, &[]).expect("a program");
    assert_eq!(page.height, last.height);
    let mut lie = page.clone();
    lie.entries.pop();
    let mut copy = TreeCopy::new(ProgramId::OFFERS);
    copy.add(lie).expect("well-formed");
    assert_eq!(copy.finish(last.state_root).err(), Some(CopyError::Difference(DifferenceError::Root)));

    let refused = |page: TreePage| TreeCopy::new(ProgramId::OFFERS).add(page).err();
    assert_eq!(refused(TreePage { program: ProgramId::REGISTRY, ..page.clone() }), Some(CopyError::NotNext));
    let mut reversed = page.clone();
    reversed.entries.reverse();
    assert_eq!(refused(reversed), Some(CopyError::Order));
    let stuck = TreePage { entries: Vec::new(), next: Some(vec![1]), ..page.clone() };
    assert_eq!(refused(stuck), Some(CopyError::Order));
    let mut removal = page.clone();
    removal.entries[0].value = None;
    assert_eq!(refused(removal), Some(CopyError::Order));

    let mut back = TreeCopy::new(ProgramId::OFFERS);
    back.add(cut(page.clone())).expect("wanted");
    let from = back.wanted().expect("more").to_vec();
    let earlier = TreePage { height: Height(0), ..world.ledger.page(ProgramId::OFFERS, &from).expect("a program") };
    assert_eq!(back.add(earlier).err(), Some(CopyError::NotNext));
    assert_eq!(back.add(page).err(), Some(CopyError::Order), "a page from before what was wanted");
    assert_eq!(back.finish(last.state_root).err(), Some(CopyError::Incomplete));
}

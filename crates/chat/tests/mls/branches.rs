//! Several commits on one epoch, in whatever order they are brought.

use byway_chat::mls::wire::FRAME_BYTES_MAX;
use byway_chat::mls::{
    BRANCH_EPOCHS, BRANCHES_MAX, Change, Comparison, Early, Line, PAST_SPAN, Place, Received, Refused, Role, Roles,
    Room,
};
use byway_primitives::{Batch, Decode, Encode, Span};

use crate::adversary::Adversary;
use crate::world::{START, Side, assert_agreed, id, room_of, room_with};

/// Brings all frames to a side, and again those that were early, until none helps any more.
fn bring(side: &mut Side, frames: &[&Vec<u8>]) {
    let mut waiting: Vec<&Vec<u8>> = frames.to_vec();
    loop {
        let before = waiting.len();
        waiting.retain(|frame| matches!(side.receive(frame), Ok(Received::Early(_))));
        if waiting.len() == before {
            return;
        }
    }
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(count - 1);
    let insert = |order: &Vec<usize>, at: usize| [&order[..at], &[count - 1], &order[at..]].concat();
    shorter.iter().flat_map(|order| (0..count).map(move |at| insert(order, at))).collect()
}

#[test]
fn of_two_commits_on_one_epoch_all_follow_the_same() {
    let mut sides = room_of(4);
    let (one, two) = (sides[1].update(), sides[2].update());
    let (first, second) = (sides[1].seal(b"on one").bytes, sides[2].seal(b"on two").bytes);
    let told: Vec<_> = [(1, &two), (2, &one)].map(|(side, rival)| sides[side].receive(&rival.commit).unwrap()).into();
    bring(&mut sides[0], &[&one.commit, &two.commit]);
    bring(&mut sides[3], &[&two.commit, &one.commit]);
    assert_agreed(&sides);
    let turned: Vec<_> = told.iter().filter(|told| matches!(told, Received::Changed(_))).collect();
    let [Received::Changed(changed)] = turned[..] else { panic!("one of both turns back: {told:?}") };
    let turned_back = changed.turned_back.as_ref().expect("it had followed its own");
    assert_eq!(turned_back.epochs.len(), 1);
    assert!(turned_back.lost == [one.summary.clone()] || turned_back.lost == [two.summary.clone()]);
    for side in [0, 3] {
        let places: Vec<_> = [&first, &second].map(|frame| sides[side].read(frame).place).into();
        assert!(places.contains(&Place::Head) && places.contains(&Place::Aside), "{places:?}");
    }
    sides.iter_mut().for_each(Side::restart);
    assert_agreed(&sides);
}

#[test]
fn founders_go_before_admins_and_admins_before_members() {
    for (high, low) in [(0, 1), (1, 2), (0, 2)] {
        let mut roles = Roles::group(id(0));
        roles.admins.insert(id(1));
        let mut sides = room_with(4, &roles);
        let (winner, loser) = (sides[high].update(), sides[low].update());
        let on_loser = sides[low].update();
        assert_eq!(sides[low].follow(&winner.commit).turned_back.map(|back| back.lost.len()), Some(2));
        assert!(matches!(sides[high].receive(&loser.commit), Ok(Received::Outranked(_))));
        assert!(matches!(sides[high].receive(&on_loser.commit), Ok(Received::Outranked(_))));
        bring(&mut sides[3], &[&loser.commit, &on_loser.commit, &winner.commit]);
        let other = 3 - high - low;
        bring(&mut sides[other], &[&winner.commit, &on_loser.commit, &loser.commit]);
        assert_agreed(&sides);
        let winner = sides[high].room().epoch().tag;
        assert!(sides.iter().all(|side| side.room().epoch().tag == winner));
    }
}

/// Three at once on one epoch, two on each of these, in all 120 orders of five and more.
#[test]
fn every_order_of_concurrent_commits_comes_to_the_same() {
    let mut sides = room_of(5);
    let mut commits: Vec<Vec<u8>> = (1..4).map(|side| sides[side].update().commit).collect();
    commits.push(sides[1].update().commit);
    commits.push(sides[2].update().commit);
    for side in &mut sides[1..4] {
        bring(side, &commits.iter().collect::<Vec<_>>());
    }
    assert_agreed(&sides[1..4]);
    let expected = sides[1].view();
    let store = sides[4].store.clone();
    for order in permutations(commits.len()) {
        sides[4].store = store.clone();
        sides[4].restart();
        bring(&mut sides[4], &order.iter().map(|at| &commits[*at]).collect::<Vec<_>>());
        assert_eq!(sides[4].view(), expected, "{order:?}");
    }
}

#[test]
fn every_order_with_a_removal_comes_to_the_same_also_for_the_removed() {
    let mut sides = room_of(5);
    let out = Change { remove: vec![sides[4].device.secret.key()], ..Change::default() };
    let commits =
        [sides[0].change(&out).commit, sides[1].update().commit, sides[2].update().commit, sides[0].update().commit];
    let stores: Vec<_> = sides.iter().map(|side| side.store.clone()).collect();
    for order in permutations(commits.len()) {
        let frames: Vec<_> = order.iter().map(|at| &commits[*at]).collect();
        for (side, store) in sides.iter_mut().zip(&stores) {
            side.store = store.clone();
            side.restart();
            bring(side, &frames);
        }
        assert_agreed(&sides[..4]);
        assert!(!sides[4].room().is_member(), "{order:?}");
    }
}

#[test]
fn a_removal_that_loses_is_undone_for_the_removed() {
    let mut roles = Roles::group(id(0));
    roles.admins.insert(id(1));
    let mut sides = room_with(4, &roles);
    let out = Change { remove: vec![sides[3].device.secret.key()], ..Change::default() };
    let (winner, removal) = (sides[0].update(), sides[1].change(&out));
    sides[3].follow(&removal.commit);
    assert!(!sides[3].room().is_member());
    let back = sides[3].follow(&winner.commit);
    assert!(back.turned_back.is_some() && sides[3].room().is_member());
    for side in [1, 2] {
        bring(&mut sides[side], &[&removal.commit, &winner.commit]);
    }
    assert_agreed(&sides);
}

/// Both commits are made under one key, so that who has read one can't read the other unless nothing was used up.
#[test]
fn who_sends_different_commits_to_different_members_gains_nothing() {
    let mut sides = room_of(4);
    let mut adversary = Adversary::of(&sides[1]);
    let one = adversary.commit(START, |commit| commit);
    let two = adversary.commit(START, |commit| commit);
    assert_ne!(one, two);
    sides[0].follow(&one);
    sides[2].follow(&two);
    sides[3].follow(&two);
    let content = sides[2].seal(b"on the other side").bytes;
    assert!(matches!(sides[0].receive(&content), Ok(Received::Early(Early::Aside { epoch: 2, .. }))));
    let line = sides[2].room().line();
    assert!(matches!(sides[0].room().compare(&line), Comparison::Parted { .. }));
    let Comparison::Parted { from } = sides[2].room().compare(&sides[0].room().line()) else { panic!("parted") };
    for frame in sides[2].room().commits_since(from) {
        sides[0].receive(&frame).unwrap();
    }
    for frame in sides[0].room().commits_since(from) {
        sides[2].receive(&frame).unwrap();
    }
    bring(&mut sides[3], &[&one]);
    assert_agreed(&[sides.remove(0), sides.remove(1), sides.remove(1)]);
}

#[test]
fn a_flood_of_commits_is_bounded_and_changes_nothing() {
    let mut sides = room_of(3);
    let mut adversary = Adversary::of(&sides[1]);
    let commits: Vec<_> = (0..4 * BRANCHES_MAX).map(|_| adversary.commit(START, |commit| commit)).collect();
    bring(&mut sides[0], &commits.iter().collect::<Vec<_>>());
    bring(&mut sides[2], &commits.iter().rev().collect::<Vec<_>>());
    assert_agreed(&[sides.remove(0), sides.remove(1)]);
    let mut sides = room_of(3);
    bring(&mut sides[0], &commits.iter().collect::<Vec<_>>());
    let kept = byway_primitives::Store::scan_keys(&sides[0].store, byway_chat::mls::ROOMS, &[1], 1000);
    let headers = kept.iter().filter(|key| key[0] == 1).count();
    // The founder's first epoch, the one that all are on, and those that begin on it.
    assert_eq!(headers, 2 + BRANCHES_MAX);
}

#[test]
fn a_line_that_parted_too_long_ago_is_a_fork_and_is_healed() {
    let mut sides = room_of(4);
    // 0 and 2 don't hear of 1 and 3.
    for _ in 0..=BRANCH_EPOCHS {
        for (by, other) in [(0, 2), (1, 3)] {
            let update = sides[by].update();
            sides[other].follow(&update.commit);
        }
    }
    let lines: Vec<Line> = sides.iter().map(|side| Line::from_bytes(&side.room().line().to_bytes()).unwrap()).collect();
    assert_eq!(sides[0].room().compare(&lines[2]), Comparison::Same);
    assert_eq!(sides[0].room().compare(&lines[1]), Comparison::Forked { ours_stays: true }, "the founder's");
    assert_eq!(sides[1].room().compare(&lines[0]), Comparison::Forked { ours_stays: false });
    let head = sides[1].seal(b"at the head").bytes;
    assert!(matches!(sides[0].receive(&head), Ok(Received::Early(Early::Aside { .. }))));
    let old = sides[1].room().commits_since(lines[1].steps[1].tag);
    assert!(!old.is_empty());
    assert!(matches!(sides[0].receive(&old[0]), Err(Refused::Forked { .. })), "{:?}", sides[0].receive(&old[0]));
    for side in [1, 3] {
        let seed = sides[0].seed();
        let info = sides[0].room.as_mut().unwrap().group_info(&seed).unwrap();
        let (seed, mut batch) = (sides[side].seed(), Batch::new());
        sides[side].room.take().unwrap().forget(&mut batch);
        let made = Room::enter_by_external_commit(&sides[side].device, (&info.0, &info.1), &seed, START, &mut batch);
        let (room, frame) = made.unwrap();
        sides[side].store.apply(&batch);
        sides[side].room = Some(room);
        for other in (0..4).filter(|other| *other != side && (side == 3 || *other != 3)) {
            sides[other].follow(&frame);
        }
    }
    assert_agreed(&sides);
    let content = sides[3].seal(b"one room again").bytes;
    assert_eq!(sides[2].read(&content).content, b"one room again");
    assert!(frame_is_bounded(&content));
}

fn frame_is_bounded(frame: &[u8]) -> bool {
    frame.len() <= FRAME_BYTES_MAX
}

#[test]
fn who_lacks_commits_is_given_them() {
    let mut sides = room_of(3);
    for _ in 0..4 {
        let update = sides[0].update();
        sides[1].follow(&update.commit);
    }
    let line = sides[0].room().line();
    let Comparison::Behind { from } = sides[2].room().compare(&line) else { panic!("behind") };
    assert_eq!(sides[0].room().compare(&sides[2].room().line()), Comparison::Ahead { from });
    for frame in sides[0].room().commits_since(from) {
        sides[2].follow(&frame);
    }
    assert_agreed(&sides);
    assert_eq!(sides[2].room().role(id(0)), Some(Role::Founder));
    assert_eq!(sides[2].room().compare(&sides[0].room().line()), Comparison::Same);
}

/// The member has commits ready on the epoch before, until one has a lower rank than that on which it is removed; and one more on that.
#[test]
fn who_is_removed_has_no_way_back_by_commits_of_lower_rank_it_had_ready() {
    let mut sides = room_of(4);
    let store = sides[3].store.clone();
    let renewal = sides[1].update();
    let rank = |side: &Side| side.room().line().steps.last().unwrap().rank.unwrap();
    let to_beat = rank(&sides[1]);
    let (ready, on_ready) = loop {
        sides[3].store = store.clone();
        sides[3].restart();
        let ready = sides[3].update().commit;
        if rank(&sides[3]) < to_beat {
            break (ready, sides[3].update().commit);
        }
    };
    sides[0].follow(&renewal.commit);
    let out = Change { remove: vec![sides[3].device.secret.key()], ..Change::default() };
    let removal = sides[0].change(&out).commit;
    let commits = [renewal.commit, removal, ready, on_ready];
    let stores: Vec<_> = sides.iter().map(|side| side.store.clone()).collect();
    for order in permutations(commits.len()) {
        let frames: Vec<_> = order.iter().map(|at| &commits[*at]).collect();
        for (side, store) in sides.iter_mut().zip(&stores) {
            side.store = store.clone();
            side.restart();
            bring(side, &frames);
        }
        assert_agreed(&sides[..3]);
        assert_eq!(sides[0].room().members().len(), 3, "{order:?}");
        assert!(!sides[3].room().is_member(), "{order:?}");
    }
}

/// An admin, whom the founder removes, has removed the one on whose commit that stands: the founder's goes before.
#[test]
fn of_two_who_are_removed_in_each_others_branches_all_come_to_the_same() {
    let mut roles = Roles::group(id(0));
    roles.admins.insert(id(1));
    let mut sides = room_with(4, &roles);
    let out = |side: &Side| Change { remove: vec![side.device.secret.key()], ..Change::default() };
    let by_admin = out(&sides[2]);
    let by_admin = sides[1].change(&by_admin).commit;
    let renewal = sides[2].update().commit;
    sides[0].follow(&renewal);
    let by_founder = out(&sides[1]);
    let by_founder = sides[0].change(&by_founder).commit;
    let commits = [by_admin, renewal, by_founder];
    let stores: Vec<_> = sides.iter().map(|side| side.store.clone()).collect();
    for order in permutations(commits.len()) {
        let frames: Vec<_> = order.iter().map(|at| &commits[*at]).collect();
        for (side, store) in sides.iter_mut().zip(&stores) {
            side.store = store.clone();
            side.restart();
            bring(side, &frames);
        }
        let views: Vec<_> = [0, 2, 3].map(|side| sides[side].view()).into();
        assert!(views.iter().all(|view| *view == views[0]) && views[0].2.len() == 3, "{order:?}: {views:?}");
        assert!(!sides[1].room().is_member() && sides[2].room().is_member(), "{order:?}");
    }
}

/// The founder removes an admin, whose commit on the epoch before that goes before the one on which it was removed. Then too much happens
/// on both lines for them to turn back.
#[test]
fn of_lines_that_parted_too_long_ago_that_stays_on_which_somebody_was_removed() {
    let mut roles = Roles::group(id(0));
    roles.admins.extend([id(1), id(2)]);
    for removes_as_well in [false, true] {
        let mut sides = room_with(5, &roles);
        let store = sides[2].store.clone();
        let renewal = sides[1].update().commit;
        let rank = |side: &Side| side.room().line().steps.last().unwrap().rank.unwrap();
        let to_beat = rank(&sides[1]);
        let other = loop {
            sides[2].store = store.clone();
            sides[2].restart();
            let other = sides[2].update().commit;
            if rank(&sides[2]) < to_beat {
                break other;
            }
        };
        sides[0].follow(&renewal);
        sides[3].follow(&other);
        let out = |side: &Side| Change { remove: vec![side.device.secret.key()], ..Change::default() };
        let (removed, member) = (out(&sides[2]), out(&sides[4]));
        let removal = sides[0].change(&removed).commit;
        sides[1].follow(&removal);
        // An admin's removal counts less than the founder's.
        let theirs = if removes_as_well { sides[2].change(&member) } else { sides[2].update() };
        sides[3].follow(&theirs.commit);
        for _ in 0..BRANCH_EPOCHS {
            for (by, other) in [(1, 0), (2, 3)] {
                let update = sides[by].update();
                sides[other].follow(&update.commit);
            }
        }
        let lines: Vec<Line> =
            sides.iter().map(|side| Line::from_bytes(&side.room().line().to_bytes()).unwrap()).collect();
        for (ours, theirs) in [(0, 2), (0, 3), (1, 3)] {
            let compared = [(ours, theirs), (theirs, ours)].map(|(one, two)| sides[one].room().compare(&lines[two]));
            let expected = [true, false].map(|ours_stays| Comparison::Forked { ours_stays });
            assert_eq!(compared, expected, "{ours} and {theirs}");
            assert!(lines[ours].goes_before(&lines[theirs]) && !lines[theirs].goes_before(&lines[ours]));
        }
    }
}

#[test]
fn a_room_that_was_silent_for_weeks_after_several_commits_goes_on() {
    let mut sides = room_of(2);
    for _ in 0..4 {
        let update = sides[0].update();
        sides[1].follow(&update.commit);
    }
    sides.iter_mut().for_each(|side| side.now = side.now + PAST_SPAN + Span::days(1));
    for _ in 0..2 {
        let update = sides[1].update();
        sides[0].follow(&update.commit);
    }
    assert_agreed(&sides);
    sides.iter_mut().for_each(Side::restart);
    let hello = sides[0].seal(b"hello").bytes;
    assert_eq!(sides[1].read(&hello).content, b"hello");
}

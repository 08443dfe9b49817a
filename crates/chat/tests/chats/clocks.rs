//! People whose clocks differ.

use byway_primitives::Span;

use super::groups::{DAVE, five};
use super::rig::World;
use super::{ALICE, BOB, CAROL};

const ERIN: usize = 4;

fn minutes(minutes: i64) -> i64 {
    minutes * 60_000
}

/// Everyone in a group says something, and all have all of it once.
fn all_are_heard(world: &mut World, group: byway_chat::mls::RoomId, who: &[usize], round: &str) {
    for person in who {
        world.say(*person, group, &format!("{round} {person}"));
    }
    world.settle();
    for person in who {
        let said = world.said(*person, group);
        for other in who {
            let text = format!("{round} {other}");
            assert_eq!(said.iter().filter(|one| **one == text).count(), 1, "{text:?} at {person}: {said:?}");
        }
    }
}

#[test]
fn whose_clocks_differ_by_most_of_an_hour_are_in_groups_as_everybody_else() {
    let mut world = five();
    world.ahead = vec![0, minutes(25), minutes(-25), minutes(10), minutes(-5)];
    let group = world.found(ALICE, &[BOB, CAROL, DAVE, ERIN]);
    world.settle();
    all_are_heard(&mut world, group, &[ALICE, BOB, CAROL, DAVE, ERIN], "first");
    // Each makes commits by its own clock.
    for founder in [BOB, CAROL] {
        let own = world.found(founder, &[ALICE]);
        world.settle();
        all_are_heard(&mut world, own, &[founder, ALICE], "own");
    }
    world.now = world.now + Span::days(8);
    world.settle();
    all_are_heard(&mut world, group, &[ALICE, BOB, CAROL, DAVE, ERIN], "with keys of a week later");
}

#[test]
fn whose_clock_is_days_ahead_is_heard_once_it_is_set_right() {
    let mut world = World::new(&["alice", "bob"]);
    let room = world.acquaint(ALICE, BOB);
    world.ahead = vec![0, minutes(2 * 24 * 60)];
    world.say(BOB, room, "from the day after tomorrow");
    world.carry();
    world.say(ALICE, room, "really?");
    world.settle();
    // What is said needs no commit, so both are heard, and stand in the order in which they came.
    let texts: Vec<String> = world.people[ALICE].texts(room).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["from the day after tomorrow", "really?"]);
    // A commit from so far ahead waits, and what is said under its keys with it.
    world.now = world.now + Span::days(8);
    world.settle();
    world.say(BOB, room, "with new keys");
    world.settle();
    world.ahead.clear();
    world.crash(ALICE);
    world.now = world.now + Span::days(3);
    world.settle();
    for who in [ALICE, BOB] {
        assert_eq!(world.said(who, room).iter().filter(|text| *text == "with new keys").count(), 1, "{who}");
    }
    world.say(ALICE, room, "well then");
    world.settle();
    assert!(world.said(BOB, room).iter().any(|text| text == "well then"));
}

#[test]
fn what_is_said_under_keys_of_a_clock_that_is_far_ahead_comes_as_time_goes_by() {
    let mut world = five();
    world.ahead = vec![0, minutes(50), minutes(-50), 0, 0];
    let group = world.found(ALICE, &[BOB, CAROL, DAVE, ERIN]);
    world.now = world.now + Span::days(8);
    world.settle();
    for person in [ALICE, BOB, CAROL, DAVE, ERIN] {
        world.say(person, group, &format!("by {person}"));
    }
    world.settle();
    // A commit of Bob's is a hundred minutes ahead of Carol, who takes none that is more than sixty.
    world.now = world.now + Span::minutes(100);
    world.settle();
    for person in [ALICE, BOB, CAROL, DAVE, ERIN] {
        let said = world.said(person, group);
        assert_eq!(said, (0..5).map(|of| format!("by {of}")).collect::<Vec<_>>(), "{person}");
    }
}

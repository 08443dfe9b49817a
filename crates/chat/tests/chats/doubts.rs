//! Who can't tell by itself whether it is in a group hears so.

use byway_chat::delivery::group_letter::{GroupLetter, GroupMatter};
use byway_chat::delivery::letter::Letter;
use byway_chat::mls::{Room, RoomId};
use byway_primitives::Time;

use crate::groups::{DAVE, five};
use crate::rig::World;
use crate::{ALICE, BOB, CAROL, bring};

const ERIN: usize = 4;

impl World {
    /// All that is on its way from one to another comes, and what comes of it between others does not yet.
    fn deliver_between(&mut self, from: usize, to: usize) {
        while let Some(place) = self.wire.iter().position(|(one, other, _)| (*one, *other) == (from, to)) {
            let message = self.wire.remove(place).unwrap();
            self.wire.push_front(message);
            self.deliver_one();
        }
    }
}

/// A group of the first four, of whom Bob and Carol are admins.
fn with_admins() -> (World, RoomId) {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL, DAVE]);
    for who in [BOB, CAROL] {
        world.role(ALICE, room, who, true).unwrap();
        world.carry();
    }
    (world, room)
}

#[test]
fn who_is_let_in_late_by_what_was_undone_meanwhile_is_out() {
    let (mut world, room) = with_admins();
    world.cut(CAROL, ERIN);
    world.add(CAROL, room, ERIN).unwrap();
    world.carry();
    world.remove(ALICE, room, ERIN).unwrap();
    world.carry();
    world.add(ALICE, room, ERIN).unwrap();
    world.carry();
    assert!(world.is_in(ERIN, room));
    world.remove(ALICE, room, ERIN).unwrap();
    world.carry();
    assert!(!world.is_in(ERIN, room));
    // Carol's invitation is of before all that.
    world.settle();
    assert!(!world.is_in(ERIN, room));
    assert_eq!(world.members(ALICE, room), [ALICE, BOB, CAROL, DAVE]);
    assert_eq!(world.people[CAROL].chats.waiting_for(world.id(ERIN)), 0);
}

#[test]
fn who_is_let_in_again_by_somebody_whose_role_was_taken_meanwhile_is_out() {
    let (mut world, room) = with_admins();
    world.remove(BOB, room, DAVE).unwrap();
    world.deliver_between(BOB, CAROL);
    world.role(ALICE, room, CAROL, false).unwrap();
    world.cut(BOB, CAROL);
    world.add(CAROL, room, DAVE).unwrap();
    world.settle();
    assert_eq!(world.members(ALICE, room), [ALICE, BOB, CAROL]);
    assert!(!world.is_in(DAVE, room), "Bob has removed Dave, and Carol may not let him in any more");
    let waiting: Vec<usize> = (0..4).map(|who| world.people[who].chats.awaited().count()).collect();
    assert_eq!(waiting, [0; 4]);
}

#[test]
fn who_holds_itself_to_be_out_and_is_in_again_hears_so() {
    let (mut world, room) = with_admins();
    world.remove(BOB, room, DAVE).unwrap();
    world.deliver_between(BOB, DAVE);
    assert!(!world.is_in(DAVE, room));
    // Bob may not, by what Alice does at the same moment and goes before.
    world.role(ALICE, room, BOB, false).unwrap();
    world.settle();
    assert!(world.is_in(DAVE, room));
    assert_eq!(world.authenticator(DAVE, room), world.authenticator(ALICE, room));
}

/// One says to another that it is in for nothing.
fn says_gone(world: &mut World, room: RoomId, from: usize, to: usize, number: u64) {
    let person = &world.people[to];
    let state = Room::load(&person.disk, room, person.chats.device().clone()).unwrap().unwrap();
    let what = GroupMatter::Gone { room, epochs: vec![state.epoch().tag] };
    bring(world, from, to, &Letter::Group(GroupLetter { at: Time(number), what }));
}

#[test]
fn who_is_told_by_an_admin_that_it_is_not_in_hears_from_the_founder_or_another_admin_that_it_is() {
    let (mut world, room) = with_admins();
    for who in [ALICE, CAROL, BOB] {
        world.cut(DAVE, who);
    }
    world.connect(BOB, DAVE);
    says_gone(&mut world, room, BOB, DAVE, 1);
    assert!(!world.is_in(DAVE, room), "nobody else is there");
    world.connect(CAROL, DAVE);
    world.now = world.now + byway_primitives::Span::minutes(2);
    world.tick();
    world.carry();
    assert!(world.is_in(DAVE, room), "Carol knows better");
    // And so does Dave now.
    says_gone(&mut world, room, BOB, DAVE, 2);
    assert!(world.is_in(DAVE, room));
    world.connect(ALICE, DAVE);
    says_gone(&mut world, room, BOB, DAVE, 3);
    world.settle();
    assert_eq!(world.members(DAVE, room), [ALICE, BOB, CAROL, DAVE]);
    world.say(DAVE, room, "here");
    world.carry();
    assert_eq!([ALICE, BOB, CAROL].map(|who| world.said(who, room)), [["here"], ["here"], ["here"]]);
}

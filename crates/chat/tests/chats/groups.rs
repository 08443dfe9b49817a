//! Groups: who comes and goes, and what all have in the end.

use byway_chat::chats::ChatError;
use byway_chat::chats::affairs::{RENEW_MESSAGES, RENEW_SPAN};
use byway_chat::delivery::group_letter::{GroupLetter, GroupMatter};
use byway_chat::delivery::letter::Letter;
use byway_chat::mls::{EpochTag, Line, Role, Room, RoomId};
use byway_primitives::{Hash, IdentityId, Span, Time};

use crate::bring;
use crate::rig::{World, text};

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;
pub const DAVE: usize = 3;
const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

/// Five of whom all know each other.
pub fn five() -> World {
    let mut world = World::new(&NAMES);
    world.acquaint_all();
    world
}

impl World {
    pub fn id(&self, who: usize) -> IdentityId {
        self.people[who].id()
    }

    pub fn add(&mut self, by: usize, room: RoomId, who: usize) -> Result<(), ChatError> {
        let who = [self.id(who)];
        self.with(by, |chats, now, seed, store| chats.add_to_group(now, seed, room, &who, store))
    }

    pub fn remove(&mut self, by: usize, room: RoomId, who: usize) -> Result<(), ChatError> {
        let who = [self.id(who)];
        self.with(by, |chats, now, seed, store| chats.remove_from_group(now, seed, room, &who, store))
    }

    pub fn leave(&mut self, who: usize, room: RoomId) -> Result<(), ChatError> {
        self.with(who, |chats, now, seed, store| chats.leave_group(now, seed, room, store))
    }

    pub fn role(&mut self, by: usize, room: RoomId, who: usize, is_admin: bool) -> Result<(), ChatError> {
        let of = self.id(who);
        self.with(by, |chats, now, seed, store| chats.set_group_role(now, seed, room, (of, is_admin), store))
    }

    pub fn try_say(&mut self, who: usize, room: RoomId, what: &str) -> Result<(), ChatError> {
        self.with(who, |chats, now, seed, store| chats.say(now, seed, room, text(what), store)).map(drop)
    }

    pub fn authenticator(&self, who: usize, room: RoomId) -> Vec<u8> {
        self.people[who].chats.talk(room).unwrap().authenticator
    }

    /// What was said in a room, as one has it, whatever the order.
    pub fn said(&self, who: usize, room: RoomId) -> Vec<String> {
        let mut texts: Vec<String> = self.people[who].texts(room).into_iter().map(|(_, text)| text).collect();
        texts.sort();
        texts
    }

    pub fn faults(&self) -> Vec<String> {
        self.people.iter().flat_map(|person| person.faults()).collect()
    }
}

#[test]
fn a_group_is_founded_with_contacts_and_all_hear_all() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL, DAVE]);
    for (who, name) in NAMES.iter().enumerate().take(4) {
        world.say(who, room, name);
    }
    world.carry();
    for who in 0..4 {
        assert_eq!(world.said(who, room), NAMES[..4], "{who}");
        assert_eq!(world.members(who, room), [0, 1, 2, 3]);
        let view = world.people[who].chats.talk(room).unwrap();
        assert_eq!((view.title.as_deref(), view.is_group, view.direct), (Some("five"), true, None));
        assert_eq!(view.roles[&world.id(ALICE)], Role::Founder);
        assert_eq!(view.roles[&world.id(BOB)], Role::Member);
        assert!((0..4).all(|other| view.names[&world.id(other)] == NAMES[other]), "{:?}", view.names);
        assert_eq!(view.authenticator, world.authenticator(ALICE, room));
    }
    assert!(world.people[4].chats.talk(room).is_none());
    assert_eq!(world.faults(), Vec::<String>::new());
    assert!(world.people.iter().all(|person| person.chats.awaited().count() == 0));
}

#[test]
fn whoever_is_added_later_reads_from_there_on_and_whoever_is_removed_up_to_there() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL]);
    world.say(BOB, room, "1");
    world.carry();
    world.add(ALICE, room, DAVE).unwrap();
    world.carry();
    world.say(CAROL, room, "2");
    world.carry();
    world.remove(ALICE, room, BOB).unwrap();
    world.carry();
    world.say(DAVE, room, "3");
    world.carry();
    assert_eq!(world.said(ALICE, room), ["1", "2", "3"]);
    assert_eq!(world.said(DAVE, room), ["2", "3"]);
    assert_eq!(world.said(BOB, room), ["1", "2"]);
    assert!(!world.people[BOB].chats.talk(room).unwrap().is_member);
    assert!(world.try_say(BOB, room, "4").is_err());
    assert_eq!(world.people[DAVE].chats.talk(room).unwrap().title.as_deref(), Some("five"));
    // And is brought back.
    world.add(ALICE, room, BOB).unwrap();
    world.carry();
    world.say(CAROL, room, "5");
    world.say(BOB, room, "6");
    world.carry();
    assert_eq!(world.said(BOB, room), ["1", "2", "5", "6"]);
    assert_eq!(world.said(DAVE, room), ["2", "3", "5", "6"]);
    assert_eq!(world.faults(), Vec::<String>::new());
}

#[test]
fn what_somebody_says_who_does_not_know_yet_that_they_are_removed_is_not_shown() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL]);
    world.cut(ALICE, BOB);
    world.remove(ALICE, room, BOB).unwrap();
    world.carry();
    world.say(BOB, room, "I am still here");
    world.carry();
    assert_eq!((world.said(CAROL, room), world.said(BOB, room).len()), (vec![], 1));
    world.say(CAROL, room, "secret");
    world.settle();
    assert_eq!(world.said(BOB, room), ["I am still here"]);
    assert_eq!(world.said(ALICE, room), ["secret"]);
    assert!(!world.people[BOB].chats.talk(room).unwrap().is_member);
}

#[test]
fn roles_say_who_may_do_what() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL]);
    assert_eq!(world.add(BOB, room, DAVE), Err(ChatError::MayNot));
    assert_eq!(world.remove(BOB, room, CAROL), Err(ChatError::MayNot));
    assert_eq!(world.role(BOB, room, BOB, true), Err(ChatError::MayNot));
    assert_eq!(world.role(ALICE, room, ALICE, false), Err(ChatError::MayNot));
    let rename = |world: &mut World, who| {
        world.with(who, |chats, now, seed, store| chats.rename_group(now, seed, room, "six", store))
    };
    assert_eq!(rename(&mut world, BOB), Err(ChatError::MayNot));
    world.role(ALICE, room, BOB, true).unwrap();
    world.carry();
    assert_eq!(world.people[CAROL].chats.talk(room).unwrap().roles[&world.id(BOB)], Role::Admin);
    world.add(BOB, room, DAVE).unwrap();
    rename(&mut world, BOB).unwrap();
    world.carry();
    world.remove(BOB, room, CAROL).unwrap();
    world.carry();
    assert_eq!(world.members(DAVE, room), [ALICE, BOB, DAVE]);
    assert_eq!(world.people[DAVE].chats.talk(room).unwrap().title.as_deref(), Some("six"));
    assert_eq!(world.remove(BOB, room, ALICE), Err(ChatError::MayNot));
    world.role(ALICE, room, BOB, false).unwrap();
    world.carry();
    assert_eq!(world.remove(BOB, room, DAVE), Err(ChatError::MayNot));
    assert_eq!(world.faults(), Vec::<String>::new());
}

#[test]
fn nobody_is_added_but_contacts_and_by_nobody_but_contacts() {
    let mut world = World::new(&NAMES);
    for other in [BOB, CAROL] {
        world.acquaint(ALICE, other);
    }
    let room = world.found(ALICE, &[BOB]);
    assert_eq!(world.add(ALICE, room, DAVE), Err(ChatError::NotContact(world.id(DAVE))));
    let direct = world.people[ALICE].direct(world.id(BOB)).unwrap();
    assert_eq!(world.add(ALICE, direct, CAROL), Err(ChatError::NotGroup));
    assert_eq!(world.add(ALICE, RoomId([9; 32]), CAROL), Err(ChatError::NoRoom));
    assert_eq!(world.remove(ALICE, room, CAROL), Err(ChatError::NotInGroup(world.id(CAROL))));
    // Carol forgets Alice, who adds her with the keys that she has.
    let alice = world.id(ALICE);
    world.with(CAROL, |chats, now, _, _| chats.set_blocked(now, alice, true));
    world.add(ALICE, room, CAROL).unwrap();
    world.carry();
    assert!(world.people[CAROL].chats.talk(room).is_none());
}

#[test]
fn members_who_are_no_contacts_of_each_other_hear_each_other_whatever_comes_first() {
    let mut world = World::new(&NAMES);
    for other in [BOB, CAROL] {
        world.acquaint(ALICE, other);
    }
    let room = world.found(ALICE, &[BOB]);
    world.connect(BOB, CAROL);
    // What Bob says to Carol comes before she knows of the group.
    world.cut(ALICE, CAROL);
    world.add(ALICE, room, CAROL).unwrap();
    world.carry();
    let long = "b".repeat(16_384);
    world.say(BOB, room, "before");
    world.say(BOB, room, &long);
    world.carry();
    assert!(world.people[CAROL].chats.talk(room).is_none());
    assert_eq!(world.people[BOB].chats.waiting_for(world.id(CAROL)), 3, "and by which name he goes");
    world.connect(ALICE, CAROL);
    world.carry();
    assert_eq!(world.said(CAROL, room), [long.as_str(), "before"]);
    world.say(CAROL, room, "here");
    world.carry();
    assert_eq!(world.said(BOB, room).len(), 3);
    assert_eq!(world.people[BOB].chats.awaited().count(), 0);
    // A stranger, or a member, says nothing in another conversation.
    assert!(!world.people[CAROL].chats.people().is_contact(world.id(BOB)));
}

#[test]
fn who_leaves_is_removed_by_whoever_is_there() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL, DAVE]);
    (0..4).filter(|who| *who != ALICE).for_each(|who| world.cut(ALICE, who));
    world.leave(BOB, room).unwrap();
    assert_eq!(world.try_say(BOB, room, "?"), Err(ChatError::Leaving));
    world.carry();
    assert_eq!(world.members(CAROL, room), [ALICE, CAROL, DAVE]);
    assert!(!world.people[BOB].chats.talk(room).unwrap().is_member);
    world.settle();
    world.say(ALICE, room, "gone?");
    world.carry();
    assert_eq!(world.said(DAVE, room), ["gone?"]);
    assert!(world.said(BOB, room).is_empty());
    assert_eq!(world.leave(BOB, room), Err(ChatError::NotMember));
    assert_eq!(world.faults(), Vec::<String>::new());
}

#[test]
fn who_leaves_while_the_first_of_the_others_does_nothing_is_removed_after_a_while() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL]);
    world.leave(BOB, room).unwrap();
    // Carol hears of it, and takes Alice to be there.
    while world.wire.iter().any(|(_, to, _)| *to == CAROL) {
        let place = world.wire.iter().position(|(_, to, _)| *to == CAROL).unwrap();
        let message = world.wire.remove(place).unwrap();
        world.wire.push_front(message);
        world.deliver_one();
    }
    assert_eq!(world.members(CAROL, room), [ALICE, BOB, CAROL]);
    world.now = world.now + Span::minutes(2);
    world.with(CAROL, |chats, now, seed, store| chats.handle_time(now, seed, store));
    assert_eq!(world.members(CAROL, room), [ALICE, CAROL]);
    world.settle();
    assert_eq!(world.members(ALICE, room), [ALICE, CAROL]);
}

#[test]
fn what_two_change_at_once_is_so_in_the_end() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL]);
    for who in [BOB, CAROL] {
        world.role(ALICE, room, who, true).unwrap();
        world.carry();
    }
    // Both add somebody before they hear of each other, and say something.
    world.add(BOB, room, DAVE).unwrap();
    world.add(CAROL, room, 4).unwrap();
    world.say(BOB, room, "dave is here");
    world.say(CAROL, room, "erin is here");
    world.settle();
    let expected = ["dave is here", "erin is here"];
    for who in 0..5 {
        assert_eq!(world.members(who, room), [0, 1, 2, 3, 4], "{who}");
        assert_eq!(world.authenticator(who, room), world.authenticator(ALICE, room));
    }
    (0..3).for_each(|who| assert_eq!(world.said(who, room), expected));
    world.say(4, room, "thanks");
    world.carry();
    (0..5).for_each(|who| assert!(world.said(who, room).contains(&"thanks".to_owned()), "{who}"));
}

#[test]
fn a_room_that_parted_for_hours_is_one_again() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL, DAVE, 4]);
    world.role(ALICE, room, BOB, true).unwrap();
    world.carry();
    // Two sides that hear nothing of each other, and both change the room.
    for one in [ALICE, CAROL] {
        [BOB, DAVE, 4].into_iter().for_each(|other| world.cut(one, other));
    }
    world.remove(BOB, room, 4).unwrap();
    world.carry();
    world.say(BOB, room, "b");
    world.role(ALICE, room, CAROL, true).unwrap();
    world.say(CAROL, room, "c");
    world.carry();
    world.now = world.now + Span::minutes(90);
    for round in 0..3 {
        world.say(BOB, room, &format!("b{round}"));
        world.say(CAROL, room, &format!("c{round}"));
        world.carry();
        world.now = world.now + Span::minutes(90);
    }
    world.settle();
    for who in [BOB, CAROL, DAVE] {
        assert_eq!(world.authenticator(who, room), world.authenticator(ALICE, room), "{who}");
    }
    let expected = ["b", "b0", "b1", "b2", "c", "c0", "c1", "c2"];
    (0..4).for_each(|who| assert_eq!(world.said(who, room), expected, "{who}"));
}

#[test]
fn what_was_sealed_too_long_ago_is_sealed_anew() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL, DAVE]);
    (0..4).filter(|who| *who != DAVE).for_each(|who| world.cut(DAVE, who));
    world.say(DAVE, room, "from the desert");
    // More epochs than are kept.
    for round in 0..12 {
        world.role(ALICE, room, BOB, round % 2 == 0).unwrap();
        world.carry();
    }
    world.settle();
    for who in 0..4 {
        assert_eq!(world.said(who, room), ["from the desert"], "{who}");
    }
    assert_eq!(world.authenticator(DAVE, room), world.authenticator(ALICE, room));
}

#[test]
fn keys_are_renewed_after_so_many_messages_and_after_so_long() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL]);
    let direct = world.people[ALICE].direct(world.id(BOB)).unwrap();
    let epoch = |world: &World, room| world.people[ALICE].chats.talk(room).unwrap().epoch;
    world.settle();
    let before = epoch(&world, room);
    for number in 0..RENEW_MESSAGES {
        assert_eq!(epoch(&world, room), before, "{number}");
        world.say(BOB, room, &number.to_string());
        world.carry();
    }
    world.now = world.now + Span::minutes(1);
    world.tick();
    world.carry();
    assert_eq!(epoch(&world, room), before + 1, "Bob has new keys");
    let after = [epoch(&world, room), epoch(&world, direct)];
    world.now = world.now + RENEW_SPAN;
    world.settle();
    assert!(epoch(&world, room) > after[0] && epoch(&world, direct) > after[1]);
    assert_eq!(world.authenticator(CAROL, room), world.authenticator(ALICE, room));
    assert_eq!(world.faults(), Vec::<String>::new());
}

#[test]
fn who_has_been_away_renews_no_keys_before_it_follows_the_others() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL]);
    [ALICE, CAROL].into_iter().for_each(|other| world.cut(BOB, other));
    world.now = world.now + RENEW_SPAN;
    let before = world.authenticator(BOB, room);
    world.with(BOB, |chats, now, seed, store| chats.handle_time(now, seed, store));
    assert_eq!(world.authenticator(BOB, room), before);
}

#[test]
fn who_is_not_in_a_group_says_nothing_of_it() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL]);
    world.say(BOB, room, "ours");
    world.carry();
    let before = world.authenticator(ALICE, room);
    let (epoch, line) = (EpochTag(Hash([1; 32])), Line::default());
    let foreign = world.people[BOB].seed();
    let (package, _) = Room::key_package(world.people[BOB].chats.device(), &foreign).unwrap();
    let matters = [
        GroupMatter::Again { room, epoch },
        GroupMatter::Line { room, line: line.clone(), asks: true },
        GroupMatter::Info { room, line, invitation: vec![1; 90], tree: vec![2; 90] },
        GroupMatter::Gone { room, epochs: vec![epoch] },
        GroupMatter::Packages { packages: vec![package] },
    ];
    for (number, what) in matters.into_iter().enumerate() {
        bring(&mut world, 4, ALICE, &Letter::Group(GroupLetter { at: Time(number as u64), what }));
        assert_eq!(world.people[ALICE].faults().len(), number + 1, "{:?}", world.people[ALICE].faults());
    }
    assert_eq!((world.authenticator(ALICE, room), world.members(ALICE, room)), (before, vec![ALICE, BOB, CAROL]));
    // Nor does a member bring somebody into another line, or out of this one, by saying so.
    let line = Line::default();
    for what in [
        GroupMatter::Info { room, line, invitation: vec![1; 90], tree: vec![2; 90] },
        GroupMatter::Gone { room, epochs: vec![epoch] },
    ] {
        bring(&mut world, CAROL, BOB, &Letter::Group(GroupLetter { at: Time(9), what }));
    }
    world.say(BOB, room, "still ours");
    world.carry();
    assert_eq!(world.said(ALICE, room), ["ours", "still ours"]);
}

#[test]
fn who_is_blocked_is_not_heard_in_a_group_which_goes_on_with_what_they_do() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL]);
    world.role(ALICE, room, BOB, true).unwrap();
    world.carry();
    let bob = world.id(BOB);
    world.with(CAROL, |chats, now, _, _| chats.set_blocked(now, bob, true));
    world.add(BOB, room, DAVE).unwrap();
    world.say(BOB, room, "not for Carol");
    world.carry();
    world.say(DAVE, room, "for all");
    world.carry();
    assert_eq!(world.members(CAROL, room), [ALICE, BOB, CAROL, DAVE]);
    assert_eq!(world.said(CAROL, room), ["for all"]);
    assert_eq!(world.said(ALICE, room), ["for all", "not for Carol"]);
}

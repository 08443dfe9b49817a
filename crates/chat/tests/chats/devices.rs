//! A person on two machines: how the second becomes one, what is the same on both, and what is left to a thief of it.

use std::collections::BTreeSet;

use byway_chat::chats::ChatError;
use byway_chat::delivery::own_letter::LinkToken;
use byway_chat::mls::{Change, Room, RoomId};
use byway_chat::people::Standing;
use byway_primitives::{Batch, IdentityId, Span};

use crate::rig::{Person, World};
use crate::said;

pub const ALICE: usize = 0;
pub const BOB: usize = 1;
/// Alice's second one.
pub const PHONE: usize = 2;
pub const CAROL: usize = 3;
/// In Carol's place, where there is a fourth device.
const TABLET: usize = 3;
pub const NAMES: [&str; 4] = ["alice", "bob", "phone", "carol"];

impl World {
    pub fn offer(&mut self, node: usize) -> LinkToken {
        self.with(node, |chats, now, seed, _| chats.offer_link(now, seed.first_chunk().unwrap())).unwrap()
    }

    pub fn call(&mut self, first: usize, node: usize, token: LinkToken) -> Result<(), ChatError> {
        let of = self.people[node].id();
        self.with(first, |chats, now, _, store| chats.link_device(now, of, token, "phone", store))
    }

    /// Begins to link, has one of them lose its memory after so many messages, and goes on.
    pub fn link_with_a_crash(&mut self, first: usize, node: usize, (messages, who): (usize, usize)) {
        let token = self.offer(node);
        self.call(first, node, token).unwrap();
        for _ in 0..messages {
            self.deliver_one();
        }
        self.crash(who);
        self.settle();
    }

    /// Makes one node a device of another's person. They have a link.
    pub fn link(&mut self, first: usize, node: usize) {
        if !self.is_linked(first, node) {
            self.connect(first, node);
        }
        let token = self.offer(node);
        self.call(first, node, token).unwrap();
        self.carry();
    }

    pub fn unlink(&mut self, first: usize, node: usize) -> Result<(), ChatError> {
        let of = self.people[node].id();
        self.with(first, |chats, now, seed, store| chats.unlink_device(now, seed, of, store))
    }

    pub fn is_in(&self, who: usize, room: RoomId) -> bool {
        self.people[who].chats.talk(room).is_some_and(|talk| talk.is_member)
    }

    pub fn texts(&self, who: usize, room: RoomId) -> Vec<(bool, String)> {
        self.people[who].texts(room)
    }

    pub fn unread(&self, who: usize, room: RoomId) -> u64 {
        self.people[who].chats.talk(room).unwrap().unread
    }

    fn read(&mut self, who: usize, room: RoomId) {
        self.with(who, |chats, now, seed, store| chats.mark_read(now, seed, room, false, store)).unwrap();
    }
}

/// Alice and Bob are contacts, and Alice has a phone that both have a link with.
pub fn with_phone() -> (World, RoomId) {
    let mut world = World::new(&NAMES);
    let room = world.acquaint(ALICE, BOB);
    world.link(ALICE, PHONE);
    world.connect(PHONE, BOB);
    world.carry();
    (world, room)
}

#[test]
fn what_a_contact_says_reaches_both_devices_and_what_either_says_is_ones_own_on_both() {
    let mut world = World::new(&NAMES);
    let room = world.acquaint(ALICE, BOB);
    world.say(BOB, room, "before");
    world.carry();
    world.link(ALICE, PHONE);
    world.connect(PHONE, BOB);
    world.carry();
    world.say(BOB, room, "hello");
    world.carry();
    world.say(ALICE, room, "from the desk");
    world.carry();
    world.say(PHONE, room, "from the phone");
    world.carry();
    let after = [(false, "hello"), (true, "from the desk"), (true, "from the phone")];
    for device in [ALICE, PHONE] {
        assert_eq!(world.texts(device, room), said(&[&[(false, "before")][..], &after].concat()), "{device}");
    }
    let at_bobs: Vec<(bool, &str)> = after.iter().map(|(is_hers, text)| (!is_hers, *text)).collect();
    assert_eq!(world.texts(BOB, room), said(&[&[(true, "before")][..], &at_bobs].concat()));

    // It is one person in one conversation of two, and Bob has one contact.
    let alice = world.people[ALICE].id();
    for who in [ALICE, BOB, PHONE] {
        let view = world.people[who].chats.talk(room).unwrap();
        assert_eq!((view.members.len(), view.roles.len(), view.is_group), (3, 2, false), "{who}");
        assert_eq!(view.authenticator, world.authenticator(ALICE, room));
    }
    assert_eq!(world.people[PHONE].chats.me(), alice);
    assert_eq!(world.people[PHONE].direct(world.people[BOB].id()), Some(room));
    assert_eq!(world.people[BOB].chats.people().iter().map(|(who, _)| who).collect::<Vec<_>>(), [alice]);
    assert_eq!(world.faults(), [""; 0]);
    assert!(world.people.iter().all(|person| person.chats.awaited().count() == 0));
}

#[test]
fn linking_goes_on_whoever_crashes_at_whatever_moment() {
    // After each number of messages one of the two loses its memory and the link.
    for crash in 0..24 {
        for who in [ALICE, PHONE] {
            let mut world = World::new(&NAMES);
            let room = world.acquaint(ALICE, BOB);
            world.connect(ALICE, PHONE);
            world.link_with_a_crash(ALICE, PHONE, (crash, who));
            world.say(BOB, room, "hello");
            world.say(PHONE, room, "here");
            world.carry();
            for device in [ALICE, PHONE] {
                let mut texts = world.texts(device, room);
                texts.sort();
                assert_eq!(texts, said(&[(false, "hello"), (true, "here")]), "{crash} {who} {device}");
            }
            assert_eq!(world.faults(), [""; 0], "{crash} {who}");
        }
    }
}

#[test]
fn a_device_that_was_away_is_brought_what_was_said_also_after_all_have_restarted() {
    let (mut world, room) = with_phone();
    world.cut(PHONE, BOB);
    world.cut(PHONE, ALICE);
    for number in 0..3 {
        world.say(BOB, room, &format!("b{number}"));
        world.say(ALICE, room, &format!("a{number}"));
        world.carry();
    }
    [ALICE, BOB, PHONE].into_iter().for_each(|who| world.crash(who));
    assert_eq!(world.people[PHONE].chats.me(), world.people[ALICE].id());
    assert!(!world.people[PHONE].chats.is_first());
    world.settle();
    assert_eq!(world.texts(PHONE, room).len(), 6);
    assert_eq!(world.said(PHONE, room), world.said(ALICE, room));
}

#[test]
fn rooms_that_either_makes_or_is_let_into_are_on_both() {
    let (mut world, _) = with_phone();
    let own = world.people[ALICE].chats.own_room().unwrap();
    assert_eq!(world.people[PHONE].chats.own_room(), Some(own), "notes to oneself");
    world.say(PHONE, own, "buy milk");
    world.carry();
    assert_eq!(world.texts(ALICE, own), said(&[(true, "buy milk")]));

    // A new contact, made by the first device.
    let two = world.acquaint(ALICE, CAROL);
    world.connect(PHONE, CAROL);
    world.carry();
    assert_eq!(world.people[PHONE].direct(world.people[CAROL].id()), Some(two));
    // Groups: of Alice, of her phone, and of another.
    let of_alice = world.found(ALICE, &[BOB, CAROL]);
    let of_phone = world.found(PHONE, &[BOB, CAROL]);
    world.acquaint(BOB, CAROL);
    let of_bob = world.found(BOB, &[ALICE, CAROL]);
    for (name, room) in [("alice", of_alice), ("phone", of_phone), ("bob", of_bob), ("two", two)] {
        for who in [PHONE, CAROL, ALICE] {
            assert!(world.is_in(who, room), "{name} at {who}");
            world.say(who, room, &format!("{name} {who}"));
            world.carry();
        }
        let expected = [ALICE, PHONE, CAROL].map(|who| format!("{name} {who}"));
        for who in [ALICE, PHONE, CAROL] {
            assert_eq!(world.said(who, room), expected, "{name} at {who}");
            assert_eq!(world.authenticator(who, room), world.authenticator(ALICE, room), "{name} at {who}");
        }
    }
    let view = world.people[PHONE].chats.talk(of_phone).unwrap();
    assert_eq!((view.title.as_deref(), view.roles.len(), view.members.len()), (Some("five"), 3, 4));
    assert_eq!(world.faults(), [""; 0]);
}

#[test]
fn two_who_have_phones_become_contacts_and_all_four_hear_all() {
    for order in 0..8 {
        let mut world = World::new(&["alice", "bob", "phone", "tablet"]);
        world.link(ALICE, PHONE);
        world.link(BOB, TABLET);
        for (one, other) in [(PHONE, BOB), (TABLET, ALICE), (PHONE, TABLET)] {
            world.connect(one, other);
        }
        // Both add their second one to the room as soon as they are in it, and what is on its way comes in another order each time.
        let token = world.with(BOB, |chats, now, seed, _| {
            chats.invite(now, seed.first_chunk().unwrap(), now + Span::days(1), "").unwrap()
        });
        world.connect(ALICE, BOB);
        let bob = world.id(BOB);
        world.with(ALICE, |chats, now, seed, store| chats.ask(now, seed, bob, Some(token), store)).unwrap();
        for step in 0..200 {
            world.deliver_picked(step * order);
        }
        world.settle();
        let room = world.people[ALICE].direct(bob).unwrap();
        for who in [ALICE, BOB, PHONE, TABLET] {
            assert!(world.is_in(who, room), "{order} {who}");
            assert_eq!(world.authenticator(who, room), world.authenticator(ALICE, room), "{order} {who}");
            world.say(who, room, &who.to_string());
            world.carry();
        }
        for who in [ALICE, BOB, PHONE, TABLET] {
            assert_eq!(world.said(who, room), ["0", "1", "2", "3"], "{order} {who}");
            assert!(!world.people[who].chats.talk(room).unwrap().is_group, "{order} {who}");
        }
    }
}

#[test]
fn a_third_device_has_all_as_well_also_what_the_second_does() {
    let mut world = World::new(&["alice", "bob", "phone", "tablet"]);
    let room = world.acquaint(ALICE, BOB);
    world.link(ALICE, PHONE);
    world.link(ALICE, TABLET);
    for (one, other) in [(PHONE, BOB), (TABLET, BOB), (PHONE, TABLET)] {
        world.connect(one, other);
    }
    world.carry();
    let group = world.found(PHONE, &[BOB]);
    for (number, room) in [room, group].into_iter().enumerate() {
        for who in [BOB, PHONE, TABLET, ALICE] {
            world.say(who, room, &format!("{number} {who}"));
            world.carry();
        }
        for who in [BOB, PHONE, TABLET, ALICE] {
            assert_eq!(world.said(who, room).len(), 4, "{number} {who}");
        }
        world.say(BOB, room, "read this");
        world.carry();
        world.read(PHONE, room);
        world.carry();
        assert_eq!([ALICE, PHONE, TABLET].map(|who| world.unread(who, room)), [0; 3]);
    }
    let index = |who: usize| world.people[who].chats.device().certificate.index;
    assert_eq!([ALICE, PHONE, TABLET].map(index), [0, 1, 2]);
    world.unlink(ALICE, PHONE).unwrap();
    world.settle();
    assert_eq!([ALICE, PHONE, TABLET].map(|who| world.is_in(who, group)), [true, false, true]);
    assert_eq!(world.faults(), [""; 0]);
}

#[test]
fn contacts_names_and_who_is_blocked_are_the_same_on_both() {
    let (mut world, _) = with_phone();
    world.acquaint(ALICE, CAROL);
    world.carry();
    let [bob, carol] = [BOB, CAROL].map(|who| world.people[who].id());
    let known = |world: &World, who: usize, of: IdentityId| {
        let person = world.people[who].chats.people().get(of)?;
        Some((person.standing.clone(), person.shown_name().to_owned()))
    };
    world.with(ALICE, |chats, _, _, _| chats.set_nickname(bob, Some("Bobby".to_owned()))).unwrap();
    world.with(PHONE, |chats, _, _, _| chats.set_nickname(carol, Some("Caz".to_owned()))).unwrap();
    world.settle();
    for who in [ALICE, PHONE] {
        assert_eq!(known(&world, who, bob), Some((Standing::Contact, "Bobby".to_owned())), "{who}");
        assert_eq!(known(&world, who, carol), Some((Standing::Contact, "Caz".to_owned())), "{who}");
    }
    world.with(PHONE, |chats, now, _, _| chats.set_blocked(now, carol, true));
    world.settle();
    for who in [ALICE, PHONE] {
        assert_eq!(known(&world, who, carol), Some((Standing::Blocked, "Caz".to_owned())), "{who}");
    }
    world.with(ALICE, |chats, now, _, _| chats.set_blocked(now, carol, false));
    world.settle();
    assert_eq!([ALICE, PHONE].map(|who| known(&world, who, carol)), [None, None]);
}

#[test]
fn what_was_read_on_one_is_read_on_the_other_in_whatever_order_it_hears_of_it() {
    let (mut world, room) = with_phone();
    world.say(BOB, room, "1");
    world.carry();
    assert_eq!([ALICE, PHONE].map(|who| world.unread(who, room)), [1, 1]);
    world.read(PHONE, room);
    world.carry();
    assert_eq!([ALICE, PHONE].map(|who| world.unread(who, room)), [0, 0]);
    // The phone hears that it was read before it hears what, and what was said after that.
    world.cut(PHONE, BOB);
    world.say(BOB, room, "2");
    world.carry();
    world.read(ALICE, room);
    world.carry();
    world.say(BOB, room, "3");
    world.carry();
    world.people[PHONE].restart();
    world.cut(PHONE, ALICE);
    world.connect(PHONE, BOB);
    world.carry();
    assert_eq!((world.texts(PHONE, room).len(), world.unread(PHONE, room)), (3, 1));

    // What one says oneself comes to the other behind what was heard there before, and the other way round.
    world.cut(PHONE, BOB);
    world.say(PHONE, room, "4");
    world.say(BOB, room, "5");
    world.carry();
    world.connect(PHONE, ALICE);
    world.connect(PHONE, BOB);
    world.carry();
    assert_eq!([ALICE, PHONE].map(|who| world.texts(who, room).pop().unwrap().1), ["4", "5"]);
    world.read(ALICE, room);
    world.carry();
    assert_eq!([ALICE, PHONE].map(|who| world.unread(who, room)), [0, 0]);
}

#[test]
fn who_leaves_a_group_leaves_it_with_all_devices() {
    let (mut world, _) = with_phone();
    world.acquaint(ALICE, CAROL);
    world.acquaint(BOB, CAROL);
    world.connect(PHONE, CAROL);
    let room = world.found(BOB, &[ALICE, CAROL]);
    assert!(world.is_in(PHONE, room));
    world.leave(PHONE, room).unwrap();
    world.settle();
    assert_eq!([ALICE, PHONE].map(|who| world.is_in(who, room)), [false, false]);
    assert_eq!(world.members(BOB, room), [BOB, CAROL]);
    world.add(BOB, room, ALICE).unwrap();
    world.settle();
    assert_eq!([ALICE, PHONE].map(|who| world.is_in(who, room)), [true, true]);
    world.remove(BOB, room, ALICE).unwrap();
    world.settle();
    assert_eq!([ALICE, PHONE].map(|who| world.is_in(who, room)), [false, false]);
    assert_eq!(world.faults(), [""; 0]);
}

#[test]
fn a_device_that_is_taken_away_reads_nothing_more_and_is_heard_by_nobody() {
    let (mut world, room) = with_phone();
    world.acquaint(ALICE, CAROL);
    world.connect(PHONE, CAROL);
    let group = world.found(ALICE, &[BOB, CAROL]);
    world.say(PHONE, room, "mine");
    world.carry();
    // A thief has it, and hears of nothing but what others bring; it speaks before they know.
    world.cut(ALICE, PHONE);
    world.cut(CAROL, PHONE);
    world.unlink(ALICE, PHONE).unwrap();
    world.say(PHONE, group, "send money");
    world.say(PHONE, room, "send more");
    world.carry();
    world.connect(CAROL, PHONE);
    world.carry();
    for rooms in [room, group] {
        world.say(BOB, rooms, "secret");
        world.say(ALICE, rooms, "secret too");
        world.carry();
    }
    world.connect(ALICE, PHONE);
    world.settle();
    assert_eq!(world.said(CAROL, group), ["secret", "secret too"]);
    assert_eq!(world.said(ALICE, room), ["mine", "secret", "secret too"]);
    assert!(!world.said(PHONE, room).iter().chain(&world.said(PHONE, group)).any(|text| text.starts_with("secret")));
    assert!([room, group].iter().all(|room| !world.is_in(PHONE, *room)));
    assert!(world.try_say(PHONE, room, "still me").is_err());
    assert_eq!(world.people[ALICE].chats.devices().count(), 0);
    // It is known for good, and the next one has another number.
    world.people[ALICE].restart();
    world.people[PHONE] = Person::new("tablet");
    world.crash(PHONE);
    world.settle();
    world.link(ALICE, PHONE);
    assert_eq!(world.people[PHONE].chats.device().certificate.index, 2);
    assert_eq!(world.unlink(ALICE, BOB), Err(ChatError::NoDevice(world.id(BOB))));
}

#[test]
fn what_waits_for_a_device_that_was_taken_away_waits_no_more() {
    let (mut world, room) = with_phone();
    let phone = world.id(PHONE);
    world.cut(PHONE, BOB);
    world.cut(PHONE, ALICE);
    world.say(BOB, room, "1");
    world.say(ALICE, room, "2");
    world.carry();
    assert!([ALICE, BOB].iter().all(|who| world.people[*who].chats.waiting_for(phone) > 0));
    world.unlink(ALICE, PHONE).unwrap();
    world.carry();
    // But for what tells it.
    assert_eq!([ALICE, BOB].map(|who| world.people[who].chats.waiting_for(phone) > 2), [false, false]);
    assert_eq!(world.people[BOB].chats.waiting_for(phone), 0);
    world.people[BOB].restart();
    assert_eq!(world.people[BOB].chats.awaited().count(), 0);
}

#[test]
fn who_leaves_a_group_is_rid_there_of_a_device_that_does_not_hear_of_it() {
    let (mut world, _) = with_phone();
    world.acquaint(BOB, CAROL);
    let room = world.found(BOB, &[ALICE, CAROL]);
    assert!(world.is_in(PHONE, room));
    [ALICE, BOB].into_iter().for_each(|other| world.cut(PHONE, other));
    world.leave(ALICE, room).unwrap();
    world.carry();
    let left: Vec<IdentityId> = world.people[BOB].chats.talk(room).unwrap().members.iter().map(|of| of.node).collect();
    assert_eq!(BTreeSet::from_iter(left), BTreeSet::from([world.id(BOB), world.id(CAROL)]));
    world.settle();
    assert_eq!([ALICE, PHONE].map(|who| world.is_in(who, room)), [false, false]);
}

#[test]
fn a_thief_of_a_linked_device_throws_out_no_other_of_its_person() {
    let (world, room) = with_phone();
    let alice = world.people[ALICE].chats.device().certificate.key;
    let phone = &world.people[PHONE];
    let mut stolen = Room::load(&phone.disk, room, phone.chats.device().clone()).unwrap().unwrap();
    let change = Change { remove: vec![alice], ..Change::default() };
    let made = stolen.change(&[7; 32], world.now, &change, &mut Batch::new());
    assert!(made.unwrap_err().to_string().contains("removes no other device"));
    // Nor does it certify any, or make contacts.
    let mut world = world;
    let token = LinkToken(zeroize::Zeroizing::new([1; 16]));
    let carol = world.id(CAROL);
    assert_eq!(world.call(PHONE, CAROL, token), Err(ChatError::NotFirst));
    let asked = world.with(PHONE, |chats, now, seed, store| chats.ask(now, seed, carol, None, store));
    assert_eq!(asked, Err(ChatError::NotFirst));
    assert_eq!(world.unlink(PHONE, ALICE), Err(ChatError::NotFirst));
    let invited = world.with(PHONE, |chats, now, seed, _| chats.invite(now, seed.first_chunk().unwrap(), now, ""));
    assert_eq!(invited.unwrap_err(), ChatError::NotFirst);
}

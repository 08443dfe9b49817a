//! What a linked device is given of what was said before it was one.

use std::collections::BTreeSet;

use byway_chat::backup::{BackupRecord, BackupTalk};
use byway_chat::chats::{ChatNews, Progress, Shown};
use byway_chat::content::post::{Deletion, Emoji, Reaction};
use byway_chat::content::{Kind, MessageRef};
use byway_chat::delivery::letter::Letter;
use byway_chat::delivery::own_letter::{OwnLetter, OwnMatter};
use byway_chat::mls::RoomId;

use crate::devices::{ALICE, BOB, CAROL, NAMES, PHONE};
use crate::rig::{World, text};
use crate::{bring, said};

impl World {
    fn history(&self, at: usize, of: usize) -> Option<Progress> {
        self.people[at].chats.history(self.id(of))
    }

    /// All of a conversation, oldest first.
    fn shown(&self, who: usize, room: RoomId) -> Vec<Shown> {
        let person = &self.people[who];
        let mut shown = person.chats.page(room, None, 100_000, &person.disk);
        shown.reverse();
        shown
    }

    fn react(&mut self, who: usize, room: RoomId, of: MessageRef) {
        let react = Kind::Reaction(Reaction { of, emoji: Emoji::new("👍").unwrap(), is_there: true });
        self.with(who, |chats, now, seed, store| chats.say(now, seed, room, react.into(), store)).unwrap();
    }

    fn reply(&mut self, who: usize, room: RoomId, thread: MessageRef, what: &str) -> MessageRef {
        let draft = byway_chat::chats::Draft { thread: Some(thread), ..text(what) };
        self.with(who, |chats, now, seed, store| chats.say(now, seed, room, draft, store)).unwrap()
    }

    /// Both have the same, in the same order; of what each has heard for itself when it came there.
    fn check_same(&self, room: RoomId, why: &str) {
        let of = |who: usize| -> Vec<_> {
            let shown = self.shown(who, room);
            let told = |shown: &Shown| {
                let item = &shown.item;
                let reactions: usize = item.reactions().iter().map(|(_, people)| people.len()).sum();
                (item.of, item.text().map(|text| text.source.to_string()), reactions, item.replies(), item.is_gone())
            };
            shown.iter().map(told).collect()
        };
        assert_eq!(of(PHONE), of(ALICE), "{why}");
    }
}

/// Alice has said and heard something in a conversation of two, in a group, in one that is over, and in her notes.
fn with_history(count: usize) -> (World, [RoomId; 4]) {
    let mut world = World::new(&NAMES);
    let two = world.acquaint(ALICE, BOB);
    world.acquaint(ALICE, CAROL);
    world.acquaint(BOB, CAROL);
    let group = world.found(ALICE, &[BOB, CAROL]);
    let over = world.found(BOB, &[ALICE, CAROL]);
    let own = world.with(ALICE, |chats, now, seed, store| chats.found_own_room(now, seed, store)).unwrap();
    for number in 0..count {
        for (room, name) in [(two, "two"), (group, "group"), (over, "over")] {
            world.say([ALICE, BOB][number % 2], room, &format!("{name} {number}"));
            world.carry();
        }
        world.say(ALICE, own, &format!("note {number}"));
    }
    world.remove(BOB, over, ALICE).unwrap();
    world.carry();
    (world, [two, group, over, own])
}

#[test]
fn a_linked_device_has_what_was_said_before_in_its_order_and_what_comes_later_behind() {
    let (mut world, [two, group, over, own]) = with_history(5);
    let first = world.say(BOB, two, "thread");
    world.carry();
    world.reply(ALICE, two, first, "answer");
    world.react(BOB, two, first);
    let wrong = world.say(BOB, two, "oops");
    let gone = Kind::Deletion(Deletion { of: wrong });
    world.with(BOB, |chats, now, seed, store| chats.say(now, seed, two, gone.into(), store)).unwrap();
    world.carry();
    let unread = world.unread(ALICE, two);
    assert!(unread > 0);
    world.people[PHONE].news.clear();
    world.link(ALICE, PHONE);
    for other in [BOB, CAROL] {
        world.connect(PHONE, other);
    }
    world.carry();
    for (room, name) in [(two, "two"), (group, "group"), (over, "over"), (own, "own")] {
        world.check_same(room, name);
        assert_eq!(world.unread(PHONE, room), world.unread(ALICE, room), "{name}");
        assert!(world.people[PHONE].news.contains(&ChatNews::Given { room }), "{name}");
        assert!(!world.people[PHONE].chats.talk(room).unwrap().is_lost, "{name}");
    }
    let total = world.people[ALICE].chats.talks().map(|talk| talk.messages).sum();
    let whole = Some(Progress { total, given: total, is_whole: true });
    assert_eq!([world.history(ALICE, PHONE), world.history(PHONE, ALICE)], [whole, whole]);
    assert_eq!(world.history(ALICE, BOB), None);
    assert_eq!([over, group].map(|room| world.is_in(PHONE, room)), [false, true]);
    // All goes on behind it.
    world.say(PHONE, two, "from the phone");
    world.carry();
    world.say(BOB, two, "later");
    world.reply(BOB, two, first, "answer too");
    world.react(PHONE, two, wrong_of(&world, two));
    world.carry();
    world.check_same(two, "later");
    let texts: Vec<_> =
        world.shown(PHONE, two).iter().rev().take(3).filter_map(|one| one.item.text().cloned()).collect();
    assert_eq!(texts.iter().map(|text| &*text.source).collect::<Vec<_>>(), ["answer too", "later", "from the phone"]);
    let at_phone = world.people[PHONE].chats.item(two, &first, &world.people[PHONE].disk).unwrap();
    assert_eq!((at_phone.item.replies(), at_phone.item.reactions().len()), (2, 1));
    assert_eq!(world.faults(), [""; 0]);
    assert!(world.people.iter().all(|person| person.chats.awaited().count() == 0));
}

/// A message that Bob has sent before.
fn wrong_of(world: &World, room: RoomId) -> MessageRef {
    let bob = world.id(BOB);
    world.shown(ALICE, room).iter().find(|shown| shown.item.of.author == bob).unwrap().item.of
}

#[test]
fn giving_goes_on_whoever_crashes_at_whatever_moment_and_nothing_comes_twice() {
    // At each moment of the linking, and at some of what is given, which are several parts of up to three pieces.
    for crash in (0..30).chain((30..90).step_by(4)) {
        for who in [ALICE, PHONE] {
            let (mut world, rooms) = with_history(3);
            for _ in 0..20 {
                world.say(ALICE, rooms[0], &"long ".repeat(3_000));
            }
            world.carry();
            world.connect(ALICE, PHONE);
            world.connect(PHONE, BOB);
            world.link_with_a_crash(ALICE, PHONE, (crash, who));
            world.say(BOB, rooms[0], "later");
            world.carry();
            for room in rooms {
                world.check_same(room, &format!("{crash} {who}"));
            }
            assert!(world.history(ALICE, PHONE).unwrap().is_whole);
            assert_eq!(world.faults(), [""; 0], "{crash} {who}");
        }
    }
}

#[test]
fn of_long_conversations_the_newest_messages_come_first_and_all_of_them_in_the_end() {
    let (mut world, rooms) = with_history(250);
    world.connect(ALICE, PHONE);
    let token = world.offer(PHONE);
    world.call(ALICE, PHONE, token).unwrap();
    let mut seen = BTreeSet::new();
    let count = |world: &World, room| world.shown(PHONE, room).len();
    while world.deliver_one() {
        seen.insert(rooms.map(|room| count(&world, room)));
    }
    // When the rest of the first one begins to come, there are a hundred of each.
    let first_rest = seen.iter().find(|counts| counts.iter().any(|count| *count > 100)).unwrap();
    assert!(first_rest.iter().all(|count| *count >= 100), "{first_rest:?}");
    assert!(seen.len() >= 3, "they come in parts: {seen:?}");
    rooms.into_iter().for_each(|room| world.check_same(room, "all"));
    assert_eq!(count(&world, rooms[0]), 250);
    let progress = world.history(PHONE, ALICE).unwrap();
    assert_eq!((progress.total, progress.given, progress.is_whole), (1000, 1000, true));
}

#[test]
fn what_is_said_by_those_who_have_not_heard_of_the_device_comes_by_way_of_the_first() {
    let (mut world, [two, group, ..]) = with_history(2);
    let first = wrong_of(&world, two);
    // Bob hears nothing of the device for long; what he says is sealed for those whom he knows of.
    world.cut(ALICE, BOB);
    world.link(ALICE, PHONE);
    assert!(world.history(ALICE, PHONE).unwrap().is_whole);
    let said = ["one", "two", "three"].map(|what| world.say(BOB, two, what));
    world.say(BOB, group, "in the group");
    world.react(BOB, two, first);
    world.say(ALICE, two, "meanwhile");
    world.carry();
    // Alice hears it before he hears of the device.
    world.links.push([ALICE, BOB]);
    let bob = world.id(BOB);
    world.with(ALICE, |chats, _, _, _| chats.handle_disconnected(bob));
    let alice = world.id(ALICE);
    world.with(BOB, |chats, _, _, store| chats.handle_connected(alice, store));
    world.carry();
    for of in said {
        assert!(world.people[PHONE].chats.item(two, &of, &world.people[PHONE].disk).is_some());
    }
    world.settle();
    world.say(BOB, two, "to all");
    world.carry();
    world.check_same(group, "group");
    // Of what was said at one time each has what it heard first before the other; what was given is in the order in which it was said.
    assert_eq!(world.said(PHONE, two), world.said(ALICE, two));
    let stamps: Vec<_> = world.shown(PHONE, two).iter().map(|shown| shown.item.place().unwrap().stamp).collect();
    assert!(stamps.is_sorted(), "{stamps:?}");
    let reactions =
        |who: usize| world.people[who].chats.item(two, &first, &world.people[who].disk).unwrap().item.reactions().len();
    assert_eq!([reactions(ALICE), reactions(PHONE)], [1, 1]);
    assert_eq!(world.faults(), [""; 0]);
}

#[test]
fn a_device_that_was_never_given_any_keeps_what_it_has_and_gets_the_rest_before_it() {
    // As if both had been linked before there was any giving.
    let (mut world, [two, ..]) = with_history(4);
    let (giving, given) = (byway_primitives::Space("chat-giving"), byway_primitives::Space("chat-given-places"));
    world.link(ALICE, PHONE);
    world.connect(PHONE, BOB);
    world.carry();
    let phone = world.id(PHONE);
    let mut batch = byway_primitives::Batch::new();
    batch.delete(giving, phone.0.to_vec());
    world.people[ALICE].disk.apply(&batch);
    let mut fresh = byway_primitives::Batch::new();
    for space in ["chat-items", "chat-order", "chat-talks"] {
        use byway_primitives::Store;
        let space = byway_primitives::Space(space);
        for (key, _) in world.people[PHONE].disk.scan_prefix(space, &two.0) {
            fresh.delete(space, key);
        }
    }
    fresh.delete(given, two.0.to_vec());
    world.people[PHONE].disk.apply(&fresh);
    [ALICE, PHONE].into_iter().for_each(|who| world.crash(who));
    for (one, other) in [(ALICE, BOB), (PHONE, BOB)] {
        world.connect(one, other);
    }
    world.carry();
    let since = world.say(BOB, two, "since then");
    world.carry();
    assert_eq!(world.texts(PHONE, two), said(&[(false, "since then")]));
    world.react(PHONE, two, since);
    world.settle();
    world.check_same(two, "two");
    assert_eq!(world.unread(PHONE, two), world.unread(ALICE, two));
}

#[test]
fn nothing_more_is_given_to_a_device_that_is_taken_away() {
    let (mut world, [two, ..]) = with_history(200);
    world.connect(ALICE, PHONE);
    let token = world.offer(PHONE);
    world.call(ALICE, PHONE, token).unwrap();
    while world.history(ALICE, PHONE).is_none_or(|progress| progress.given == 0) {
        assert!(world.deliver_one());
    }
    assert!(!world.history(ALICE, PHONE).unwrap().is_whole, "it is not given at once");
    // What is on its way comes; nothing follows it.
    world.unlink(ALICE, PHONE).unwrap();
    let has = |world: &World| world.people[PHONE].chats.talks().map(|talk| world.shown(PHONE, talk.room).len()).sum();
    world.carry();
    let had: usize = has(&world);
    let all: usize = world.people[ALICE].chats.talks().map(|talk| world.shown(ALICE, talk.room).len()).sum();
    assert!(had < all, "{had} of {all}");
    world.crash(ALICE);
    world.settle();
    assert_eq!((has(&world), world.history(ALICE, PHONE)), (had, None));
    assert!(!world.is_in(PHONE, two));
    assert!(world.people[PHONE].chats.talks().all(|talk| !talk.is_lost), "nobody lets it in");
}

#[test]
fn what_the_first_device_makes_up_of_history_harms_nothing_and_nobody_else_gives_any() {
    let (mut world, [two, ..]) = with_history(2);
    world.link(ALICE, PHONE);
    world.connect(PHONE, BOB);
    world.connect(PHONE, CAROL);
    world.carry();
    let texts = world.texts(PHONE, two);
    let shown = world.shown(PHONE, two).remove(0);
    let head = BackupTalk {
        room: RoomId([9; 32]),
        direct: None,
        members: vec![world.id(BOB)],
        roles: None,
        is_in: true,
        since: world.now,
        lamport: u64::MAX,
        next: u64::MAX,
        read: u64::MAX,
        unread: u64::MAX,
        about: Default::default(),
    };
    let history = |records: Vec<BackupRecord>| OwnMatter::History { total: 0, given: u64::MAX, is_last: true, records };
    let letter = |number, records| Letter::Own(Box::new(OwnLetter { number, what: history(records) }));
    let record = |room, place| BackupRecord::Message { room, shown: Shown { place, item: shown.item.clone() } };
    // By others, and from a linked one to the first.
    let made_up = letter(1, vec![record(two, 0)]);
    for (from, to) in [(BOB, PHONE), (CAROL, PHONE), (BOB, ALICE), (PHONE, ALICE)] {
        bring(&mut world, from, to, &made_up);
        assert!(world.people[to].faults().last().unwrap().contains("what only devices"), "{from} {to}");
    }
    // By the first: of a room that it does not name, with places that can't be, in the place of others.
    bring(&mut world, ALICE, PHONE, &letter(77, vec![record(RoomId([8; 32]), 0)]));
    assert!(world.people[PHONE].chats.talk(RoomId([8; 32])).is_none());
    let all = vec![BackupRecord::Talk(head), record(RoomId([9; 32]), u64::MAX), record(two, 3), record(two, u64::MAX)];
    bring(&mut world, ALICE, PHONE, &letter(78, all));
    assert_eq!(world.texts(PHONE, two), texts);
    assert_eq!(world.shown(PHONE, RoomId([9; 32])).len(), 1);
    let bob = world.say(BOB, two, "goes on");
    world.carry();
    assert!(world.people[PHONE].chats.item(two, &bob, &world.people[PHONE].disk).is_some());
}

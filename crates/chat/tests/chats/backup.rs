//! What was said comes back from a backup, and conversations go on.

use byway_chat::backup::{BackupPart, BackupRecord};
use byway_chat::chats::{BackupPlace, ChatError, ForeignBackup, Restored};
use byway_chat::content::Kind;
use byway_chat::content::post::{Emoji, Reaction};
use byway_primitives::codec::{Encode, decode_exact};
use byway_primitives::{NetworkId, Span};

use super::rig::{Person, World};
use super::{ALICE, BOB, CAROL, said};
use crate::groups::{DAVE, five};

/// All that somebody has, in parts as they are sealed.
pub fn back_up(world: &World, who: usize) -> Vec<Vec<u8>> {
    let person = &world.people[who];
    let head = BackupPart(vec![person.chats.backup_head(world.now)]);
    let (mut parts, mut next) = (vec![head.to_bytes()], Some(BackupPlace::People(None)));
    while let Some(place) = next {
        assert_eq!(decode_exact::<BackupPlace>(&place.to_bytes()).unwrap(), place);
        let (records, behind) = person.chats.back_up(&place, &person.disk);
        parts.push(BackupPart(records).to_bytes());
        next = behind;
    }
    parts
}

pub fn restore(world: &mut World, who: usize, parts: &[Vec<u8>]) -> Restored {
    let mut all = Restored::default();
    for part in parts {
        let BackupPart(records) = decode_exact(part).unwrap();
        let part = world.with(who, |chats, now, seed, store| chats.restore(now, seed, records, store));
        all.people += part.people;
        all.conversations += part.conversations;
        all.messages += part.messages;
        all.known += part.known;
    }
    world.with(who, |chats, now, seed, store| chats.finish_restoring(now, seed, store));
    all
}

/// One's disk is lost, and so is what was on its way.
pub fn lose(world: &mut World, who: usize, name: &'static str) {
    for other in 0..world.people.len() {
        if other != who && world.is_linked(who, other) {
            world.cut(who, other);
        }
    }
    world.people[who] = Person::new(name);
}

#[test]
fn what_was_said_comes_back_and_the_two_go_on_in_the_same_conversation() {
    let mut world = World::new(&["alice", "bob"]);
    let room = world.acquaint(ALICE, BOB);
    let [alice, bob] = [ALICE, BOB].map(|who| world.people[who].id());
    let first = world.say(ALICE, room, "one");
    world.say(BOB, room, "two");
    world.carry();
    let react = Kind::Reaction(Reaction { of: first, emoji: Emoji::new("👍").unwrap(), is_there: true });
    world.with(BOB, |chats, now, seed, store| chats.say(now, seed, room, react.into(), store)).unwrap();
    world.with(ALICE, |chats, _, _, _| chats.set_nickname(bob, Some("Robert".to_owned()))).unwrap();
    world.carry();
    let before = world.people[ALICE].chats.page(room, None, 10, &world.people[ALICE].disk);
    let parts = back_up(&world, ALICE);

    lose(&mut world, ALICE, "alice");
    world.say(BOB, room, "three, while you were away");
    let restored = restore(&mut world, ALICE, &parts);
    assert_eq!(restored, Restored { people: 1, conversations: 1, messages: 2, known: 0 });
    assert_eq!(world.people[ALICE].chats.page(room, None, 10, &world.people[ALICE].disk), before);
    let view = world.people[ALICE].chats.talk(room).unwrap();
    assert!(view.is_lost && !view.is_member && view.direct == Some(bob) && view.unread == 1);
    assert_eq!(world.people[ALICE].chats.people().get(bob).unwrap().shown_name(), "Robert");
    let too_early =
        world.with(ALICE, |chats, now, seed, store| chats.say(now, seed, room, super::rig::text("too early"), store));
    assert_eq!(too_early, Err(ChatError::NotBack));
    world.people[ALICE].restart();
    assert_eq!(restore(&mut world, ALICE, &parts), Restored { known: 2, ..Restored::default() }, "nothing comes twice");

    world.settle();
    let view = world.people[ALICE].chats.talk(room).unwrap();
    assert!(view.is_member && !view.is_lost && view.direct == Some(bob));
    world.say(ALICE, room, "four");
    world.say(BOB, room, "five");
    world.carry();
    let texts = world.people[ALICE].texts(room);
    assert_eq!(texts[..2], said(&[(true, "one"), (false, "two")]));
    let mut rest = texts[2..].to_vec();
    rest.sort();
    assert_eq!(rest, said(&[(false, "five"), (false, "three, while you were away"), (true, "four")]));
    assert!(world.people[BOB].texts(room).contains(&(false, "four".to_owned())));
    assert_eq!(world.people[BOB].direct(alice), Some(room), "it is the same conversation for the other one too");
    assert_eq!(world.people[BOB].chats.talks().count(), 1);
    assert_eq!(restore(&mut world, ALICE, &parts), Restored { known: 2, ..Restored::default() });
    assert_eq!(world.people[ALICE].texts(room), texts);
    let nothing: [String; 0] = [];
    assert_eq!([world.people[ALICE].faults(), world.people[BOB].faults()], [nothing.to_vec(), nothing.to_vec()]);
    // The other one can add the device to groups, by keys that are good.
    let group = world.found(BOB, &[ALICE]);
    assert!(world.people[ALICE].chats.talk(group).unwrap().is_member);
    // And it can add the other one, who has given it keys anew.
    let group = world.found(ALICE, &[BOB]);
    assert!(world.people[BOB].chats.talk(group).unwrap().is_member);
}

#[test]
fn a_group_is_entered_anew_where_one_is_in_it_and_shown_where_one_was_removed() {
    let mut world = World::new(&["alice", "bob", "carol"]);
    world.acquaint_all();
    let [alice, carol] = [ALICE, CAROL].map(|who| world.people[who].id());
    let [stays, removed] = [0, 1].map(|_| world.found(BOB, &[ALICE, CAROL]));
    world.say(CAROL, stays, "in the one");
    world.say(CAROL, removed, "in the other");
    world.carry();
    let parts = back_up(&world, ALICE);
    lose(&mut world, ALICE, "alice");
    world.with(BOB, |chats, now, seed, store| chats.remove_from_group(now, seed, removed, &[alice], store)).unwrap();
    world.carry();
    let restored = restore(&mut world, ALICE, &parts);
    assert_eq!((restored.people, restored.conversations), (2, 4));
    world.settle();
    let view = |world: &World, room| world.people[ALICE].chats.talk(room).unwrap();
    assert!(view(&world, stays).is_member && !view(&world, removed).is_member);
    assert_eq!(world.members(CAROL, stays), [ALICE, BOB, CAROL]);
    world.say(ALICE, stays, "back");
    world.carry();
    for who in [BOB, CAROL] {
        assert!(world.people[who].texts(stays).contains(&(false, "back".to_owned())));
    }
    assert_eq!(world.people[ALICE].texts(stays)[0], (false, "in the one".to_owned()));
    assert_eq!(world.people[ALICE].texts(removed), said(&[(false, "in the other")]));
    // An admin adds them again, and what was said is there still.
    world.with(BOB, |chats, now, seed, store| chats.add_to_group(now, seed, removed, &[alice], store)).unwrap();
    world.settle();
    assert!(view(&world, removed).is_member);
    world.say(CAROL, removed, "again");
    world.carry();
    assert_eq!(world.people[ALICE].texts(removed), said(&[(false, "in the other"), (false, "again")]));
    assert!(world.people[ALICE].chats.people().is_contact(carol));
}

/// Carol has lost her disk and has a backup, and hears of nobody yet; of her group Dave was removed since, and does not know.
fn with_a_backup_of_before() -> (World, byway_chat::mls::RoomId) {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL, DAVE]);
    let parts = back_up(&world, CAROL);
    (0..5).filter(|other| *other != DAVE).for_each(|other| world.cut(other, DAVE));
    lose(&mut world, CAROL, "carol");
    world.remove(ALICE, room, DAVE).unwrap();
    world.carry();
    restore(&mut world, CAROL, &parts);
    (world, room)
}

fn pass(world: &mut World, minutes: u64) {
    for _ in 0..minutes {
        world.now = world.now + Span::minutes(1);
        world.tick();
        world.carry();
    }
}

#[test]
fn who_was_removed_since_a_backup_has_nobody_enter_a_line_that_the_others_have_left() {
    let (mut world, room) = with_a_backup_of_before();
    world.connect(CAROL, DAVE);
    pass(&mut world, 30);
    assert!(!world.is_in(CAROL, room), "Dave has no say");
    world.connect(CAROL, ALICE);
    pass(&mut world, 2);
    assert!(world.is_in(CAROL, room));
    assert_eq!(world.members(CAROL, room), [ALICE, BOB, CAROL]);
    world.say(CAROL, room, "back");
    world.settle();
    assert_eq!([ALICE, BOB, DAVE].map(|who| world.said(who, room).len()), [1, 1, 0]);
}

#[test]
fn a_group_out_of_a_backup_goes_on_without_its_founder() {
    // With an admin, after a minute; with most of the others, at once; with one of them, after an hour.
    for (is_admin, there, minutes) in [(true, &[BOB][..], 4), (false, &[BOB, DAVE], 2), (false, &[BOB], 64)] {
        let mut world = five();
        let room = world.found(ALICE, &[BOB, CAROL, DAVE]);
        world.role(ALICE, room, BOB, is_admin).unwrap();
        world.carry();
        let parts = back_up(&world, CAROL);
        lose(&mut world, CAROL, "carol");
        restore(&mut world, CAROL, &parts);
        there.iter().for_each(|who| world.connect(CAROL, *who));
        world.carry();
        assert!(!world.is_in(CAROL, room));
        pass(&mut world, minutes);
        assert!(world.is_in(CAROL, room), "{there:?}");
        world.settle();
        for who in [BOB, CAROL, DAVE] {
            assert_eq!(world.authenticator(who, room), world.authenticator(ALICE, room));
        }
    }
}

#[test]
fn what_is_missing_is_added_between_what_is_there() {
    let mut world = World::new(&["alice", "bob"]);
    let room = world.acquaint(ALICE, BOB);
    for number in 0..600 {
        world.say(BOB, room, &format!("number {number}"));
    }
    world.carry();
    let whole = back_up(&world, ALICE);
    let mut holed = Vec::new();
    for part in &whole {
        let BackupPart(records) = decode_exact(part).unwrap();
        let is_kept = |record: &BackupRecord| match record {
            BackupRecord::Message { shown, .. } => shown.place % 3 != 1,
            _ => true,
        };
        holed.push(BackupPart(records.into_iter().filter(is_kept).collect()).to_bytes());
    }
    let expected = world.people[ALICE].texts(room);
    let all = |world: &World| {
        let mut texts = Vec::new();
        for before in [200, 400, 600] {
            let mut page = world.people[ALICE].chats.page(room, Some(before), 200, &world.people[ALICE].disk);
            page.reverse();
            texts.extend(page.iter().map(|shown| shown.item.text().unwrap().source.to_string()));
        }
        texts
    };
    lose(&mut world, ALICE, "alice");
    assert_eq!(restore(&mut world, ALICE, &holed).messages, 400);
    world.settle();
    assert_eq!(restore(&mut world, ALICE, &whole), Restored { messages: 200, known: 400, ..Restored::default() });
    assert_eq!(all(&world), expected.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>());
    let view = world.people[ALICE].chats.talk(room).unwrap();
    assert_eq!((view.messages, view.unread), (600, 600));
}

#[test]
fn a_backup_of_somebody_else_is_known_as_one() {
    let mut world = World::new(&["alice", "bob"]);
    world.acquaint(ALICE, BOB);
    let [alices, bobs] = [ALICE, BOB].map(|who| world.people[who].chats.backup_head(world.now));
    let check = |record: Option<&BackupRecord>| world.people[ALICE].chats.check_backup(record);
    assert_eq!(check(Some(&alices)), Ok(()));
    assert!(matches!(check(Some(&bobs)), Err(ForeignBackup::Identity { .. })));
    let BackupRecord::Head { identity, made, .. } = alices else { panic!("it is the head") };
    let elsewhere = BackupRecord::Head { network: NetworkId(byway_primitives::Hash([9; 32])), identity, made };
    assert!(matches!(check(Some(&elsewhere)), Err(ForeignBackup::Network { .. })));
    assert_eq!(check(None), Err(ForeignBackup::Nobody));
}

#[test]
fn memos_blocks_and_questions_come_back_too() {
    let mut world = World::new(&["alice", "bob", "carol"]);
    let [alice, bob, carol] = [ALICE, BOB, CAROL].map(|who| world.people[who].id());
    let own = world.with(ALICE, |chats, now, seed, store| chats.found_own_room(now, seed, store)).unwrap();
    world.say(ALICE, own, "bread");
    world.with(ALICE, |chats, now, _, _| chats.set_blocked(now, carol, true));
    world.with(ALICE, |chats, now, seed, store| chats.ask(now, seed, bob, None, store)).unwrap();
    let parts = back_up(&world, ALICE);
    lose(&mut world, ALICE, "alice");
    let restored = restore(&mut world, ALICE, &parts);
    assert_eq!(restored, Restored { people: 2, conversations: 1, messages: 1, known: 0 });
    let own = world.people[ALICE].chats.own_room().unwrap();
    assert_eq!(world.people[ALICE].texts(own), said(&[(true, "bread")]));
    assert_eq!(restore(&mut world, ALICE, &parts), Restored { known: 1, ..Restored::default() });
    assert!(world.people[ALICE].chats.people().is_blocked(carol));
    world.connect(ALICE, BOB);
    world.carry();
    world.now = world.now + Span::minutes(1);
    let room = world.with(BOB, |chats, now, seed, store| chats.accept(now, seed, alice, store)).unwrap();
    world.carry();
    assert!(world.people[ALICE].chats.talk(room).unwrap().is_member);
}

#[test]
fn a_folder_that_is_older_is_noticed_and_a_backup_mends_it() {
    let mut world = World::new(&["alice", "bob"]);
    let room = world.acquaint(ALICE, BOB);
    world.say(ALICE, room, "one");
    world.carry();
    let old = world.people[ALICE].disk.clone();
    // Long enough for both to renew their keys.
    world.now = world.now + Span::days(8);
    for _ in 0..3 {
        world.now = world.now + Span::minutes(1);
        world.tick();
        world.carry();
    }
    world.say(ALICE, room, "two");
    world.carry();
    world.people[ALICE].disk = old;
    world.crash(ALICE);
    world.people[ALICE].news.clear();
    world.say(BOB, room, "three");
    world.settle();
    let is_noticed = |fault: &String| fault.contains("older than what it had");
    assert!(world.people[ALICE].faults().iter().any(is_noticed), "{:?}", world.people[ALICE].faults());
    let parts = back_up(&world, ALICE);
    lose(&mut world, ALICE, "alice");
    restore(&mut world, ALICE, &parts);
    world.settle();
    world.say(BOB, room, "four");
    world.say(ALICE, room, "five");
    world.carry();
    assert!(world.people[ALICE].texts(room).contains(&(false, "four".to_owned())));
    assert!(world.people[BOB].texts(room).contains(&(false, "five".to_owned())));
}

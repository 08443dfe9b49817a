//! Files of messages: who may have which, and which are wanted; and the conversation with oneself.

use byway_chat::attachment::FilePlace;
use byway_chat::attachment::tree::Naming;
use byway_chat::chats::{ChatNews, Draft, FileRef};
use byway_chat::content::Kind;
use byway_chat::content::bounded::{BoundedList, BoundedText};
use byway_chat::content::post::{Attachment, AttachmentKey, Deletion, Post};

use super::rig::World;
use super::{ALICE, BOB, CAROL, said};

/// A message with a file of these bytes, under this key.
fn with_file(name: &str, bytes: &[u8], key: u8) -> (Draft, Attachment) {
    let mut naming = Naming::default();
    naming.push(bytes);
    let (root, _) = naming.finish().unwrap();
    let attachment = Attachment {
        name: BoundedText::new(name).unwrap(),
        media_type: BoundedText::new("image/png").unwrap(),
        size: bytes.len() as u64,
        root,
        key: AttachmentKey([key; 32]),
        shape: None,
        duration: None,
        thumbnail: None,
    };
    let post = Post { attachments: BoundedList::new(vec![attachment.clone()]).unwrap(), ..Post::default() };
    (Kind::Post(post).into(), attachment)
}

#[test]
fn whoever_is_in_a_conversation_may_have_its_files_and_nobody_else() {
    let mut world = World::new(&["alice", "bob", "carol"]);
    let room = world.acquaint(ALICE, BOB);
    let with_carol = world.acquaint(ALICE, CAROL);
    let [alice, bob, carol] = [ALICE, BOB, CAROL].map(|who| world.people[who].id());
    let (draft, file) = with_file("map.png", b"a map", 1);
    let of = world.with(ALICE, |chats, now, seed, store| chats.say(now, seed, room, draft, store)).unwrap();
    world.carry();
    let has =
        |world: &World, who: usize, peer| world.people[who].chats.file_for(peer, &file.root, &world.people[who].disk);
    assert_eq!(has(&world, ALICE, bob), std::slice::from_ref(&file));
    assert_eq!(has(&world, BOB, alice), std::slice::from_ref(&file), "whoever has it from others may give it on");
    assert!(has(&world, ALICE, carol).is_empty(), "it is in no conversation with her");

    // She has heard of it, and says so herself, without its key.
    let (draft, named) = with_file("mine.png", b"a map", 9);
    world.with(CAROL, |chats, now, seed, store| chats.say(now, seed, with_carol, draft, store)).unwrap();
    world.carry();
    assert_eq!(has(&world, ALICE, carol), std::slice::from_ref(&named));
    assert_ne!(FilePlace::of(&named), FilePlace::of(&file), "what lies here is another one's");

    // Whoever is blocked has nothing more; and once the message is deleted, nobody has.
    world.with(ALICE, |chats, now, _, _| chats.set_blocked(now, carol, true));
    assert!(has(&world, ALICE, carol).is_empty());
    let delete = Kind::Deletion(Deletion { of });
    world.with(ALICE, |chats, now, seed, store| chats.say(now, seed, room, delete.into(), store)).unwrap();
    world.carry();
    assert!(has(&world, ALICE, bob).is_empty() && has(&world, BOB, alice).is_empty());
    let gone = ChatNews::FileGone { place: FilePlace::of(&file) };
    assert!(world.people[BOB].news.contains(&gone));
    assert!(world.people[ALICE].news.contains(&gone), "Carol's message names another place");
}

#[test]
fn a_file_goes_with_the_last_message_that_names_its_place() {
    let mut world = World::new(&["alice", "bob"]);
    let room = world.acquaint(ALICE, BOB);
    let say = |world: &mut World, who: usize, draft| {
        world.with(who, |chats, now, seed, store| chats.say(now, seed, room, draft, store)).unwrap()
    };
    let (draft, file) = with_file("map.png", b"a map", 1);
    let (other_draft, other) = with_file("map.png", b"a map", 2);
    let said =
        [say(&mut world, ALICE, draft.clone()), say(&mut world, ALICE, draft), say(&mut world, ALICE, other_draft)];
    let gone = |world: &World, file| {
        let gone = ChatNews::FileGone { place: FilePlace::of(file) };
        [ALICE, BOB].map(|who| world.people[who].news.contains(&gone))
    };
    let mut seen = Vec::new();
    for of in said {
        say(&mut world, ALICE, Kind::Deletion(Deletion { of }).into());
        world.carry();
        seen.push((gone(&world, &file), gone(&world, &other)));
    }
    let expected = [([false; 2], [false; 2]), ([true; 2], [false; 2]), ([true; 2], [true; 2])];
    assert_eq!(seen, expected);
}

#[test]
fn who_names_a_file_under_false_keys_hides_nothing() {
    let mut world = World::new(&["alice", "bob"]);
    let room = world.acquaint(ALICE, BOB);
    // Whose messages come first in the order of the disk.
    let (first, last) = if world.people[ALICE].id() < world.people[BOB].id() { (ALICE, BOB) } else { (BOB, ALICE) };
    let (draft, file) = with_file("map.png", b"a map", 200);
    world.with(last, |chats, now, seed, store| chats.say(now, seed, room, draft, store)).unwrap();
    for key in 0..100 {
        let (draft, _) = with_file("map.png", b"a map", key);
        world.with(first, |chats, now, seed, store| chats.say(now, seed, room, draft, store)).unwrap();
    }
    world.carry();
    let (here, peer) = (&world.people[last], world.people[first].id());
    let named = here.chats.file_for(peer, &file.root, &here.disk);
    assert!(named.contains(&file) && named.len() <= 8, "{}", named.len());
}

#[test]
fn what_is_wanted_is_wanted_after_a_restart_until_it_is_here_or_deleted() {
    let mut world = World::new(&["alice", "bob"]);
    let room = world.acquaint(ALICE, BOB);
    let mut said = Vec::new();
    for number in 0..2u8 {
        let (draft, _) = with_file("map.png", &[number], number);
        said.push(world.with(ALICE, |chats, now, seed, store| chats.say(now, seed, room, draft, store)).unwrap());
    }
    world.carry();
    let files = [0, 1].map(|at| FileRef { room, of: said[at], number: 0 });
    for file in files {
        world.with(BOB, |chats, _, _, _| chats.want_file(file)).unwrap();
    }
    world.people[BOB].restart();
    assert_eq!(world.people[BOB].chats.wanted_files().count(), 2);
    assert_eq!(world.people[BOB].chats.sources_of(&files[0]), [world.people[ALICE].id()]);
    world.with(BOB, |chats, _, _, _| chats.unwant_file(&files[0]));
    world.cut(ALICE, BOB);
    world.connect(ALICE, BOB);
    let delete = Kind::Deletion(Deletion { of: said[1] });
    world.with(ALICE, |chats, now, seed, store| chats.say(now, seed, room, delete.into(), store)).unwrap();
    world.carry();
    world.people[BOB].restart();
    assert_eq!(world.people[BOB].chats.wanted_files().count(), 0);
}

#[test]
fn a_memo_is_in_a_conversation_with_oneself_and_waits_for_nobody() {
    let mut world = World::new(&["alice"]);
    let found = |world: &mut World| world.with(ALICE, |chats, now, seed, store| chats.found_own_room(now, seed, store));
    let room = found(&mut world).unwrap();
    assert_eq!(found(&mut world), Ok(room));
    world.say(ALICE, room, "buy bread");
    world.people[ALICE].restart();
    assert_eq!((world.people[ALICE].chats.own_room(), found(&mut world)), (Some(room), Ok(room)));
    assert_eq!(world.people[ALICE].texts(room), said(&[(true, "buy bread")]));
    let view = world.people[ALICE].chats.talk(room).unwrap();
    assert_eq!((view.unread, view.direct), (0, Some(world.people[ALICE].id())));
    assert_eq!(world.people[ALICE].chats.awaited().count(), 0);
}

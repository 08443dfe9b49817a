//! People become contacts and talk, whatever is lost on the way and whoever crashes.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, in its helpers too")]

mod abuse;
mod admission;
mod backup;
mod book;
mod clocks;
mod courses;
mod devices;
mod doubts;
mod files;
mod found;
mod groups;
mod held;
mod history;
mod linking;
mod rig;
mod safety;

use byway_chat::chats::{ChatError, ChatNews};
use byway_chat::content::signs::Typing;
use byway_chat::content::{Change, Kind};
use byway_chat::delivery::letter::{Ask, Letter, part};
use byway_chat::delivery::{ChatMessage, InviteToken};
use byway_chat::mls::Room;
use byway_chat::people::Standing;
use byway_primitives::Span;
use byway_primitives::codec::{Encode, decode_exact};
use proptest::prelude::*;
use rig::{World, text};
use zeroize::Zeroizing;

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

pub fn said(texts: &[(bool, &str)]) -> Vec<(bool, String)> {
    texts.iter().map(|(is_ours, text)| (*is_ours, (*text).to_owned())).collect()
}

#[test]
fn two_become_contacts_by_an_invite_and_talk() {
    let mut world = World::new(&["alice", "bob"]);
    let room = world.acquaint(ALICE, BOB);
    let [alice, bob] = [ALICE, BOB].map(|who| world.people[who].id());
    assert_eq!((world.people[ALICE].direct(bob), world.people[BOB].direct(alice)), (Some(room), Some(room)));
    assert!(world.people[ALICE].chats.people().is_contact(bob) && world.people[BOB].chats.people().is_contact(alice));
    assert_eq!(world.people[ALICE].chats.people().get(bob).unwrap().shown_name(), "bob");
    assert_eq!(world.people[BOB].chats.people().get(alice).unwrap().shown_name(), "alice");
    assert_eq!(world.people[ALICE].chats.invites().count(), 0, "it is used up");

    let hello = world.say(ALICE, room, "hello");
    world.carry();
    world.say(BOB, room, "and you");
    world.carry();
    assert_eq!(world.people[ALICE].texts(room), said(&[(true, "hello"), (false, "and you")]));
    assert_eq!(world.people[BOB].texts(room), said(&[(false, "hello"), (true, "and you")]));
    let views = [ALICE, BOB].map(|who| world.people[who].chats.talk(room).unwrap());
    assert_eq!(views[0].authenticator, views[1].authenticator);
    assert_eq!((views[0].unread, views[1].unread, views[0].direct), (1, 1, Some(bob)));

    // Of what has arrived, and was looked at, its author hears.
    let reached = |world: &World| {
        let shown = world.people[ALICE].chats.item(room, &hello, &world.people[ALICE].disk).unwrap();
        let reached = shown.item.reached().get(&bob).copied().unwrap_or_default();
        (reached.received.is_some(), reached.read.is_some())
    };
    assert_eq!(reached(&world), (true, false));
    world.with(BOB, |chats, now, seed, store| chats.mark_read(now, seed, room, true, store)).unwrap();
    world.carry();
    assert_eq!((reached(&world), world.people[BOB].chats.talk(room).unwrap().unread), ((true, true), 0));
    assert!(world.people.iter().all(|person| person.faults().is_empty() && person.chats.awaited().count() == 0));
}

#[test]
fn whoever_keeps_read_marks_to_themselves_tells_nobody() {
    let mut world = World::new(&["alice", "bob"]);
    let room = world.acquaint(ALICE, BOB);
    world.say(ALICE, room, "hello");
    world.carry();
    world.with(BOB, |chats, now, seed, store| chats.mark_read(now, seed, room, false, store)).unwrap();
    assert!(world.wire.is_empty());
    assert_eq!(world.people[BOB].chats.talk(room).unwrap().unread, 0);
}

#[test]
fn who_was_not_invited_waits_for_the_answer() {
    let mut world = World::new(&["alice", "bob"]);
    let [alice, bob] = [ALICE, BOB].map(|who| world.people[who].id());
    world.connect(ALICE, BOB);
    world.with(BOB, |chats, now, seed, store| chats.ask(now, seed, alice, None, store)).unwrap();
    world.carry();
    let asking = world.people[ALICE].chats.people().get(bob).unwrap();
    assert!(matches!(asking.standing, Standing::Asking { .. }) && asking.name == "bob");
    assert_eq!(world.people[BOB].chats.people().get(alice).unwrap().standing, Standing::Asked);
    world.people[ALICE].restart();
    let room = world.with(ALICE, |chats, now, seed, store| chats.accept(now, seed, bob, store)).unwrap();
    // It had forgotten who is there.
    world.cut(ALICE, BOB);
    world.connect(ALICE, BOB);
    world.carry();
    world.say(BOB, room, "thanks");
    world.carry();
    assert_eq!(world.people[ALICE].texts(room), said(&[(false, "thanks")]));
    let again = world.with(ALICE, |chats, now, seed, store| chats.accept(now, seed, bob, store));
    assert_eq!(again, Err(ChatError::NotAsking(bob)));
}

#[test]
fn two_who_ask_each_other_at_once_have_one_conversation() {
    let mut world = World::new(&["alice", "bob"]);
    let [alice, bob] = [ALICE, BOB].map(|who| world.people[who].id());
    world.connect(ALICE, BOB);
    for (who, peer) in [(ALICE, bob), (BOB, alice)] {
        world.with(who, |chats, now, seed, store| chats.ask(now, seed, peer, None, store)).unwrap();
    }
    world.carry();
    let rooms = [world.people[ALICE].direct(bob), world.people[BOB].direct(alice)];
    assert!(rooms[0].is_some() && rooms[0] == rooms[1]);
    assert!(world.people.iter().all(|person| person.chats.talks().count() == 1 && person.faults().is_empty()));
}

#[test]
fn an_invite_is_worth_one_contact_and_not_for_ever() {
    let mut world = World::new(&["alice", "bob", "carol"]);
    let alice = world.people[ALICE].id();
    let token = world.with(ALICE, |chats, now, seed, _| {
        chats.invite(now, seed.first_chunk().unwrap(), now + Span::days(1), "for bob").unwrap()
    });
    for who in [BOB, CAROL] {
        world.connect(ALICE, who);
        let token = Some(token.clone());
        world.with(who, |chats, now, seed, store| chats.ask(now, seed, alice, token, store)).unwrap();
        world.carry();
    }
    let is_contact = |world: &World, who: usize| world.people[ALICE].chats.people().is_contact(world.people[who].id());
    assert!(is_contact(&world, BOB) && !is_contact(&world, CAROL));

    let late = world.with(ALICE, |chats, now, seed, _| {
        chats.invite(now, seed.first_chunk().unwrap(), now + Span::days(1), "").unwrap()
    });
    world.now = world.now + Span::days(1);
    for token in [late, InviteToken(Zeroizing::new([0; 16]))] {
        world.with(CAROL, |chats, now, seed, store| chats.ask(now, seed, alice, Some(token), store)).unwrap();
        world.carry();
        assert!(!is_contact(&world, CAROL));
    }
}

#[test]
fn what_was_said_to_somebody_who_is_away_arrives_once_after_all_have_restarted() {
    let mut world = World::new(&["alice", "bob"]);
    let room = world.acquaint(ALICE, BOB);
    world.cut(ALICE, BOB);
    for number in 0..5 {
        world.say(ALICE, room, &format!("{number}"));
        world.people[ALICE].restart();
    }
    assert_eq!(world.people[ALICE].chats.awaited().collect::<Vec<_>>(), [world.people[BOB].id()]);
    world.people[BOB].restart();
    for _ in 0..2 {
        world.connect(ALICE, BOB);
        world.carry();
        world.cut(ALICE, BOB);
    }
    let texts: Vec<String> = (0..5).map(|number| number.to_string()).collect();
    assert_eq!(world.people[BOB].texts(room).into_iter().map(|(_, text)| text).collect::<Vec<_>>(), texts);
    assert_eq!(world.people[ALICE].chats.awaited().count(), 0);
}

#[test]
fn who_is_blocked_is_not_heard_and_not_told() {
    let mut world = World::new(&["alice", "bob"]);
    let room = world.acquaint(ALICE, BOB);
    let bob = world.people[BOB].id();
    world.with(ALICE, |chats, now, _, _| chats.set_blocked(now, bob, true));
    world.say(BOB, room, "hello?");
    world.carry();
    assert_eq!(world.people[BOB].chats.awaited().count(), 0, "it has its receipt");
    assert!(world.people[ALICE].texts(room).is_empty());
    world.with(ALICE, |chats, now, _, _| chats.set_blocked(now, bob, false));
    assert!(world.people[ALICE].chats.people().get(bob).is_none());
}

#[test]
fn who_has_lost_everything_asks_again_and_both_go_on_in_a_new_conversation() {
    let mut world = World::new(&["alice", "bob"]);
    let old = world.acquaint(ALICE, BOB);
    world.say(ALICE, old, "before");
    world.carry();
    world.cut(ALICE, BOB);
    world.people[BOB] = rig::Person::new("bob");
    world.say(ALICE, old, "meanwhile");
    world.connect(ALICE, BOB);
    world.carry();
    let alice = world.people[ALICE].id();
    // One that asks over and over has nothing of it.
    let ask = |world: &mut World, byte: u8| {
        world.with(BOB, |chats, now, _, store| chats.ask(now, [byte; 32], alice, None, store)).unwrap();
        world.carry();
        world.people[ALICE].chats.talks().count()
    };
    assert_eq!(ask(&mut world, 1), 1, "that is too soon");
    world.now = world.now + Span::minutes(1);
    assert_eq!(ask(&mut world, 2), 2);
    let room = world.people[BOB].direct(alice).unwrap();
    assert!(room != old && world.people[ALICE].direct(world.people[BOB].id()) == Some(room));
    world.say(ALICE, room, "after");
    world.carry();
    assert_eq!(world.people[BOB].texts(room), said(&[(false, "after")]));
    assert_eq!(world.people[ALICE].texts(old), said(&[(true, "before"), (true, "meanwhile")]));
}

#[test]
fn what_passes_by_is_kept_nowhere() {
    let mut world = World::new(&["alice", "bob"]);
    let room = world.acquaint(ALICE, BOB);
    let typing = || Kind::Typing(Typing { is_typing: true }).into();
    world.with(ALICE, |chats, now, seed, store| chats.say(now, seed, room, typing(), store)).unwrap();
    assert_eq!(world.wire.len(), 1);
    world.carry();
    let is_typing =
        |news: &ChatNews| matches!(news, ChatNews::Sign { change: Change::Typing { is_typing: true, .. }, .. });
    assert!(world.people[BOB].news.iter().any(is_typing));
    world.cut(ALICE, BOB);
    world.with(ALICE, |chats, now, seed, store| chats.say(now, seed, room, typing(), store)).unwrap();
    assert_eq!(world.people[ALICE].chats.awaited().count(), 0);
    assert!(world.people[BOB].texts(room).is_empty());
}

/// Brings a letter from one to another as if it had been sent.
pub fn bring(world: &mut World, from: usize, to: usize, letter: &Letter) {
    let (parcel, bytes) = letter.pack();
    world.wire.push_back((from, to, part(parcel, &bytes, 0).to_bytes()));
    world.carry();
}

#[test]
fn what_makes_no_sense_is_named_and_changes_nothing() {
    let mut world = World::new(&["alice", "bob", "carol"]);
    let room = world.acquaint(ALICE, BOB);
    world.acquaint(BOB, CAROL);
    world.connect(ALICE, CAROL);
    let [alice, bob, carol] = [ALICE, BOB, CAROL].map(|who| world.people[who].id());

    // A message of somebody else's conversation, by somebody who is no contact.
    world.cut(ALICE, BOB);
    world.say(BOB, room, "for alice");
    let frame = [room.0.as_slice(), &[1; 8]].concat();
    bring(&mut world, CAROL, ALICE, &Letter::Sealed(frame));
    bring(
        &mut world,
        CAROL,
        ALICE,
        &Letter::Welcome { name: String::new(), invitation: vec![1; 80], tree: vec![2; 80] },
    );
    // A part that is none.
    let parcel = Letter::Sealed(Vec::new()).pack().0;
    let wrong = ChatMessage::Part { parcel, index: 0, count: 2, bytes: vec![1] };
    world.wire.push_back((CAROL, ALICE, wrong.to_bytes()));
    world.carry();
    let faults = world.people[ALICE].faults();
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(world.people[ALICE].chats.people().get(carol).is_none());
    assert_eq!(world.people[ALICE].texts(room), []);

    // Bob's key package, shown by Carol, who knows an invite.
    let token = world.with(ALICE, |chats, now, seed, _| {
        chats.invite(now, seed.first_chunk().unwrap(), now + Span::days(1), "").unwrap()
    });
    let seed = world.people[BOB].seed();
    let (package, _) = Room::key_package(world.people[BOB].chats.device(), &seed).unwrap();
    bring(
        &mut world,
        CAROL,
        ALICE,
        &Letter::Ask(Ask { token: Some(token), package, name: "bob".to_owned(), payment: Vec::new(), group: None }),
    );
    let faults = world.people[ALICE].faults();
    assert!(faults.last().unwrap().contains(&carol.to_string()), "{faults:?}");
    assert!(!world.people[ALICE].chats.people().is_contact(carol));
    assert!(world.people[ALICE].chats.people().is_contact(bob) && world.people[BOB].chats.people().is_contact(alice));
    assert_eq!(world.people[ALICE].chats.talks().count(), 1);
    // What waited arrives all the same.
    world.connect(ALICE, BOB);
    world.carry();
    assert_eq!(world.people[ALICE].texts(room), said(&[(false, "for alice")]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Links break, messages on them are lost, and either side loses its memory at any moment: in the end both have all that was said,
    /// once, in the order of each sender.
    #[test]
    fn nothing_is_lost_and_nothing_comes_twice(steps in prop::collection::vec(0..8u8, 1..80)) {
        let mut world = World::new(&["alice", "bob"]);
        let room = world.acquaint(ALICE, BOB);
        let mut said = [0, 0];
        for step in steps {
            match step {
                0 | 1 => {
                    let who = usize::from(step);
                    world.say(who, room, &format!("{who}:{}", said[who]));
                    said[who] += 1;
                }
                2 => world.cut(ALICE, BOB),
                3 if world.links.is_empty() => world.connect(ALICE, BOB),
                4 | 5 => {
                    // Its memory is gone, and with it the link.
                    if !world.links.is_empty() {
                        world.cut(ALICE, BOB);
                    }
                    world.people[usize::from(step - 4)].restart();
                }
                _ => {
                    world.deliver_one();
                    world.now = world.now + Span::seconds(1);
                }
            }
        }
        if world.links.is_empty() {
            world.connect(ALICE, BOB);
        }
        world.carry();
        for who in [ALICE, BOB] {
            prop_assert_eq!(world.people[who].faults(), Vec::<String>::new());
            let texts = world.people[who].texts(room);
            for from in [ALICE, BOB] {
                let is_ours = from == who;
                let theirs: Vec<&String> = texts.iter().filter(|(ours, _)| *ours == is_ours).map(|(_, text)| text).collect();
                let expected: Vec<String> = (0..said[from]).map(|number| format!("{from}:{number}")).collect();
                prop_assert_eq!(theirs, expected.iter().collect::<Vec<_>>());
            }
            prop_assert_eq!(world.people[who].chats.awaited().count(), 0);
        }
    }
}

#[test]
fn nobody_talks_with_oneself_or_where_there_is_no_conversation() {
    let mut world = World::new(&["alice"]);
    let alice = world.people[ALICE].id();
    let asked = world.with(ALICE, |chats, now, seed, store| chats.ask(now, seed, alice, None, store));
    assert_eq!(asked, Err(ChatError::Oneself));
    let room = byway_chat::mls::RoomId([9; 32]);
    let said = world.with(ALICE, |chats, now, seed, store| chats.say(now, seed, room, text("hello"), store));
    assert_eq!(said.unwrap_err(), ChatError::NoRoom);
}

#[test]
fn what_somebody_passes_on_before_its_parcel_comes_is_not_lost() {
    let mut world = World::new(&["alice", "bob"]);
    let room = world.acquaint(ALICE, BOB);
    world.say(ALICE, room, "hello");
    let (_, _, bytes) = world.wire.front().unwrap();
    let Ok(ChatMessage::Part { bytes, .. }) = decode_exact(bytes) else { panic!("it is one part") };
    let Ok(Letter::Sealed(frame)) = decode_exact(&bytes) else { panic!("it is sealed") };
    let alice = world.people[ALICE].id();
    let passing = ChatMessage::Passing { frame };
    world.with(BOB, |chats, now, seed, store| chats.handle_message(now, seed, alice, passing, store));
    assert_eq!(world.people[BOB].texts(room), said(&[(false, "hello")]));
    world.carry();
    assert_eq!(world.people[BOB].texts(room), said(&[(false, "hello")]));
    assert_eq!(world.people[BOB].faults(), [""; 0]);
}

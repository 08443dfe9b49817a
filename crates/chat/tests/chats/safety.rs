//! What two people compare is theirs for good, and that they have compared it is kept.

use byway_chat::chats::{ChatError, Safety};
use byway_chat::people::Person;
use byway_primitives::codec::{Decode, Encode};
use byway_primitives::hash::Hash;
use byway_primitives::{IdentityId, NetworkId, Span, Time};

use super::backup::{back_up, lose, restore};
use super::devices::{PHONE, with_phone};
use super::rig::World;
use super::{ALICE, BOB, CAROL};

fn safety(world: &World, who: usize, of: usize) -> Safety {
    world.people[who].chats.safety(world.people[of].id())
}

fn verified(world: &World, who: usize, of: IdentityId) -> Option<Time> {
    world.people[who].chats.people().get(of)?.verified
}

#[test]
fn both_see_the_same_and_whoever_else_or_wherever_else_sees_another() {
    let (network, elsewhere) = (NetworkId(Hash([1; 32])), NetworkId(Hash([2; 32])));
    let [one, other, third] = [1, 2, 3].map(|byte| IdentityId([byte; 20]));
    let seen = Safety::of(network, one, other);
    assert_eq!(Safety::of(network, other, one), seen);
    let groups: Vec<&str> = seen.number.split(' ').collect();
    assert!(groups.len() == 12 && groups.iter().all(|group| group.len() == 5 && group.parse::<u32>().is_ok()));
    assert_eq!(seen.words.split(' ').count(), 12);
    for foreign in
        [Safety::of(network, one, third), Safety::of(network, third, other), Safety::of(elsewhere, one, other)]
    {
        assert!(foreign.number != seen.number && foreign.words != seen.words);
    }
    // What people have written down has to be the same with every later version.
    assert_eq!((seen.number.as_str(), seen.words.as_str()), FROZEN);
}

const FROZEN: (&str, &str) = (
    "13463 85268 37837 36507 51962 73467 63872 77631 14332 85915 50745 73722",
    "file trial december dress inner fiscal connect goddess miss elbow lend impulse",
);

#[test]
fn it_stays_while_keys_are_renewed_and_after_a_restore_and_is_remembered() {
    let mut world = World::new(&["alice", "bob", "carol"]);
    let before = safety(&world, ALICE, BOB);
    let room = world.acquaint(ALICE, BOB);
    let bob = world.id(BOB);
    assert_eq!(safety(&world, BOB, ALICE), before);
    let compared = world.now;
    world.with(ALICE, |chats, now, _, _| chats.set_verified(bob, Some(now))).unwrap();
    assert_eq!(verified(&world, ALICE, bob), Some(compared));
    let unknown = world.id(CAROL);
    let nobody = world.with(ALICE, |chats, now, _, _| chats.set_verified(unknown, Some(now)));
    assert_eq!(nobody, Err(ChatError::Unknown(unknown)));

    let epoch = world.people[ALICE].chats.talk(room).unwrap().epoch;
    let authenticator = world.authenticator(ALICE, room);
    world.now = world.now + Span::days(8);
    for _ in 0..3 {
        world.now = world.now + Span::minutes(1);
        world.tick();
        world.carry();
    }
    assert!(world.people[ALICE].chats.talk(room).unwrap().epoch > epoch);
    assert_ne!(world.authenticator(ALICE, room), authenticator);
    assert_eq!([safety(&world, ALICE, BOB), safety(&world, BOB, ALICE)], [before.clone(), before.clone()]);

    world.people[ALICE].restart();
    assert_eq!(verified(&world, ALICE, bob), Some(compared), "a restart forgets nothing");
    let parts = back_up(&world, ALICE);
    lose(&mut world, ALICE, "alice");
    assert_eq!(verified(&world, ALICE, bob), None);
    restore(&mut world, ALICE, &parts);
    assert!(world.people[ALICE].chats.talk(room).unwrap().is_lost, "nobody has let it in yet");
    assert_eq!((safety(&world, ALICE, BOB), verified(&world, ALICE, bob)), (before.clone(), Some(compared)));
    world.settle();
    assert_eq!((safety(&world, ALICE, BOB), verified(&world, ALICE, bob)), (before, Some(compared)));
    assert_eq!(world.faults(), Vec::<String>::new());
}

#[test]
fn who_asks_anew_stays_verified_and_who_is_known_no_more_does_not() {
    let mut world = World::new(&["alice", "bob"]);
    world.acquaint(ALICE, BOB);
    let bob = world.id(BOB);
    world.with(ALICE, |chats, now, _, _| chats.set_verified(bob, Some(now))).unwrap();
    let compared = verified(&world, ALICE, bob);
    world.with(ALICE, |chats, now, _, _| chats.set_blocked(now, bob, true));
    assert!(compared.is_some() && verified(&world, ALICE, bob) == compared, "somebody blocked is the same one");
    world.with(ALICE, |chats, now, _, _| chats.set_blocked(now, bob, false));
    assert!(world.people[ALICE].chats.people().get(bob).is_none());
    world.now = world.now + Span::days(1);
    world.acquaint(BOB, ALICE);
    world.settle();
    assert!(world.people[ALICE].chats.people().is_contact(bob));
    assert_eq!(verified(&world, ALICE, bob), None);
}

#[test]
fn it_is_the_same_on_all_devices_whichever_it_was_noted_on() {
    let (mut world, _) = with_phone();
    let bob = world.id(BOB);
    assert_eq!(safety(&world, PHONE, BOB), safety(&world, BOB, ALICE));
    for noted_on in [PHONE, ALICE] {
        let at = world.now;
        world.with(noted_on, |chats, now, _, _| chats.set_verified(bob, Some(now))).unwrap();
        world.settle();
        assert_eq!([ALICE, PHONE].map(|who| verified(&world, who, bob)), [Some(at); 2], "{noted_on}");
        world.with(noted_on, |chats, _, _, _| chats.set_verified(bob, None)).unwrap();
        world.settle();
        assert_eq!([ALICE, PHONE].map(|who| verified(&world, who, bob)), [None; 2], "{noted_on}");
        world.now = world.now + Span::minutes(1);
    }
}

/// Who was written down before it was kept is read as not compared with.
#[test]
fn people_who_were_written_before_are_read() {
    let mut world = World::new(&["alice", "bob"]);
    world.acquaint(ALICE, BOB);
    let person = world.people[ALICE].chats.people().get(world.id(BOB)).unwrap().clone();
    let before = person.to_bytes();
    let known = Person { verified: Some(Time(7)), ..person.clone() };
    let after = known.to_bytes();
    assert_eq!((before[0], after[0]), (2, 0x82));
    assert_eq!((&after[1..before.len()], after.len()), (&before[1..], before.len() + Time(7).to_bytes().len()));
    assert_eq!((Person::from_bytes(&before), Person::from_bytes(&after)), (Ok(person), Ok(known)));
}

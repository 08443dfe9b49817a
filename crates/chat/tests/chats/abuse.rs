//! People who keep to the protocol's letter and mean others ill: what they come to.

use byway_chat::chats::ChatError;
use byway_chat::chats::affairs::RENEW_SPAN;
use byway_chat::content::limits::LAMPORT_MAX;
use byway_chat::content::{Content, Kind, MessageId};
use byway_chat::delivery::ParcelId;
use byway_chat::delivery::group_letter::{GroupLetter, GroupMatter};
use byway_chat::delivery::letter::{Ask, ChatMessage, Letter};
use byway_chat::delivery::outbox::WAITING_MAX;
use byway_chat::mls::wire::{Body, Frame};
use byway_chat::mls::{Change, EpochTag, Role, Roles, Room, RoomId};
use byway_chat::people::ASKING_MAX;
use byway_primitives::codec::{Encode, decode_exact};
use byway_primitives::{Batch, Hash, IdentityId, Space, Span, Store, Time};

use super::groups::{DAVE, five};
use super::rig::{World, text};
use super::{ALICE, BOB, CAROL, bring, said};

const ERIN: usize = 4;

impl World {
    /// The frame that goes to somebody last.
    fn last_frame_to(&self, who: usize) -> Frame {
        let (.., bytes) = self.wire.iter().rev().find(|(_, to, _)| *to == who).unwrap();
        let Ok(ChatMessage::Part { bytes, .. }) = decode_exact(bytes) else { panic!("it is one part") };
        let Ok(Letter::Sealed(frame)) = decode_exact(&bytes) else { panic!("it is sealed") };
        decode_exact(&frame).unwrap()
    }

    /// The epoch that one is in.
    fn epoch_of(&self, who: usize, room: RoomId) -> EpochTag {
        let person = &self.people[who];
        Room::load(&person.disk, room, person.chats.device().clone()).unwrap().unwrap().epoch().tag
    }

    fn rows(&self, who: usize, space: &'static str, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.people[who].disk.scan_prefix(Space(space), prefix)
    }
}

fn matter(at: u64, what: GroupMatter) -> Letter {
    Letter::Group(GroupLetter { at: Time(at), what })
}

#[test]
fn nobody_is_sealed_anew_what_was_said_before_they_were_in() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL]);
    world.say(ALICE, room, "before");
    let before = world.last_frame_to(BOB).tag;
    world.carry();
    world.add(ALICE, room, DAVE).unwrap();
    world.carry();
    world.say(ALICE, room, "after");
    world.carry();
    bring(&mut world, DAVE, ALICE, &matter(1, GroupMatter::Again { room, epoch: before }));
    assert_eq!(world.said(DAVE, room), ["after"]);
    // Nor where it was sealed once more for somebody who was in, in an epoch that Dave was in as well.
    let since = world.epoch_of(ALICE, room);
    bring(&mut world, BOB, ALICE, &matter(2, GroupMatter::Again { room, epoch: before }));
    world.role(ALICE, room, CAROL, true).unwrap();
    world.carry();
    world.crash(ALICE);
    world.settle();
    for (at, epoch) in [(3, before), (4, since)] {
        bring(&mut world, DAVE, ALICE, &matter(at, GroupMatter::Again { room, epoch }));
    }
    assert_eq!(world.said(DAVE, room), ["after"]);
    // Who is removed and comes back has what was said while they were in, and nothing from in between.
    let within = world.epoch_of(ALICE, room);
    world.cut(ALICE, DAVE);
    world.say(ALICE, room, "lost on the way");
    world.remove(ALICE, room, DAVE).unwrap();
    world.say(ALICE, room, "meanwhile");
    let meanwhile = world.last_frame_to(BOB).tag;
    world.add(ALICE, room, DAVE).unwrap();
    world.settle();
    for (at, epoch) in [(5, within), (6, meanwhile)] {
        bring(&mut world, DAVE, ALICE, &matter(at, GroupMatter::Again { room, epoch }));
    }
    assert_eq!(world.said(DAVE, room), ["after", "lost on the way"]);
}

/// A room of Bob's own making, further on than the group whose id it has; lets Carol in with a package that she has given him.
fn own_making(world: &World, room: RoomId, roles: &Roles) -> Letter {
    let carol = world.id(CAROL);
    let package = world.rows(BOB, "chat-stock", &carol.0).pop().unwrap().1;
    let (bob, now, mut batch) = (&world.people[BOB], world.now, Batch::new());
    let mut made = Room::found(bob.chats.device(), room, roles, &[1; 32], now, &mut batch).unwrap();
    for round in 2..20 {
        let change = Change { roles: (round == 2).then(|| roles.clone()), ..Change::default() };
        // Where Bob may not, he has nothing to show for his role but that room.
        let _ = made.change(&[round; 32], now, &change, &mut batch);
    }
    let add = Change { add: vec![package], ..Change::default() };
    let welcome = made.change(&[99; 32], now, &add, &mut batch).unwrap().welcome.unwrap();
    Letter::Welcome { name: "bob".to_owned(), invitation: welcome.invitation, tree: welcome.tree }
}

#[test]
fn no_member_brings_another_into_a_room_of_its_own_making() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL]);
    let mut as_founded = Roles::group(world.id(ALICE));
    as_founded.admins.insert(world.id(BOB));
    for roles in [Roles::group(world.id(BOB)), as_founded.clone()] {
        let letter = own_making(&world, room, &roles);
        bring(&mut world, BOB, CAROL, &letter);
        assert_eq!(world.members(CAROL, room), [ALICE, BOB, CAROL]);
        assert_eq!(world.authenticator(CAROL, room), world.authenticator(ALICE, room));
        assert_eq!(world.people[CAROL].chats.talk(room).unwrap().roles[&world.id(BOB)], Role::Member);
    }
    // Nor one who was removed, into a room that somebody else has founded, or in which the founder has made nobody an admin.
    world.remove(ALICE, room, CAROL).unwrap();
    world.carry();
    for roles in [Roles::group(world.id(BOB)), as_founded] {
        let letter = own_making(&world, room, &roles);
        bring(&mut world, BOB, CAROL, &letter);
        assert!(!world.people[CAROL].chats.talk(room).unwrap().is_member);
    }
}

#[test]
fn who_was_removed_is_let_in_again_by_whoever_was_made_an_admin_since() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL, DAVE]);
    let removes = |world: &mut World, by| {
        world.remove(by, room, DAVE).unwrap();
        world.carry();
        assert!(!world.is_in(DAVE, room));
    };
    removes(&mut world, ALICE);
    world.role(ALICE, room, BOB, true).unwrap();
    world.carry();
    world.add(BOB, room, DAVE).unwrap();
    world.carry();
    assert!(world.is_in(DAVE, room), "{:?}", world.people[DAVE].faults());
    // Where the founder has left, admins make others such ones; Dave knows none of them.
    world.role(ALICE, room, BOB, false).unwrap();
    world.carry();
    removes(&mut world, ALICE);
    world.role(ALICE, room, BOB, true).unwrap();
    world.carry();
    world.leave(ALICE, room).unwrap();
    world.carry();
    world.role(BOB, room, CAROL, true).unwrap();
    world.carry();
    world.add(CAROL, room, DAVE).unwrap();
    world.carry();
    assert_eq!(world.members(DAVE, room), [BOB, CAROL, DAVE]);
    assert_eq!(world.authenticator(DAVE, room), world.authenticator(CAROL, room));
}

#[test]
fn what_is_turned_away_holds_up_nothing_else() {
    let mut world = World::new(&["alice", "bob", "carol"]);
    world.acquaint(ALICE, BOB);
    world.acquaint(ALICE, CAROL);
    let known = world.found(ALICE, &[BOB, CAROL]);
    let unknown = world.found(ALICE, &[BOB]);
    world.connect(BOB, CAROL);
    world.cut(ALICE, CAROL);
    world.add(ALICE, unknown, CAROL).unwrap();
    world.carry();
    // Carol does not know of that group yet, and Bob is no contact of hers.
    let texts: Vec<String> = (0..300).map(|number| format!("{number:03}")).collect();
    for text in &texts {
        world.say(BOB, unknown, text);
    }
    world.carry();
    world.say(BOB, known, "hello");
    world.carry();
    assert_eq!(world.said(CAROL, known), ["hello"]);
    assert!(world.people[CAROL].chats.talk(unknown).is_none());
    world.connect(ALICE, CAROL);
    world.carry();
    let came: Vec<String> = world.people[CAROL].texts(unknown).into_iter().map(|(_, text)| text).collect();
    assert_eq!(came, texts, "in their order");
    assert_eq!(world.people[BOB].chats.awaited().count(), 0);
}

#[test]
fn what_was_turned_away_is_tried_again_less_and_less_often() {
    let mut world = World::new(&["alice", "bob", "carol"]);
    world.acquaint(ALICE, BOB);
    world.acquaint(ALICE, CAROL);
    let unknown = world.found(ALICE, &[BOB]);
    world.connect(BOB, CAROL);
    world.cut(ALICE, CAROL);
    world.add(ALICE, unknown, CAROL).unwrap();
    world.carry();
    world.say(BOB, unknown, "hello");
    world.carry();
    let mut tried = Vec::new();
    for minute in 1..=60 {
        world.now = world.now + Span::minutes(1);
        world.with(BOB, |chats, now, seed, store| chats.handle_time(now, seed, store));
        if world.wire.iter().any(|(from, to, _)| (*from, *to) == (BOB, CAROL)) {
            tried.push(minute);
        }
        world.carry();
    }
    assert_eq!(tried, [1, 3, 7, 15, 31]);
}

#[test]
fn a_member_for_whom_too_much_waits_silences_nobody() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL]);
    let carol = world.id(CAROL);
    world.cut(ALICE, CAROL);
    let mut batch = Batch::new();
    let named = |number: u64| ParcelId(Hash([number.to_be_bytes(); 4].concat().try_into().unwrap()));
    let stuffing: Vec<ParcelId> = (0..WAITING_MAX as u64).map(named).collect();
    for (number, parcel) in (0u64..).zip(&stuffing) {
        batch.put(Space("chat-outbox"), [&carol.0[..], &number.to_be_bytes()].concat(), parcel.to_bytes());
    }
    world.people[ALICE].disk.apply(&batch);
    world.cut(ALICE, BOB);
    world.people[ALICE].restart();
    world.connect(ALICE, BOB);
    world.try_say(ALICE, room, "hello").unwrap();
    world.try_say(ALICE, room, "again").unwrap();
    world.carry();
    assert_eq!(world.said(BOB, room), ["again", "hello"]);
    // To her alone nothing more can be said.
    let direct = world.people[ALICE].direct(carol).unwrap();
    assert!(matches!(world.try_say(ALICE, direct, "and you?"), Err(ChatError::Outbox(_))));
    // She is back, and has what waited; then what did not.
    world.crash(ALICE);
    world.connect(ALICE, CAROL);
    let receipt = ChatMessage::Receipt { parcels: stuffing };
    world.with(ALICE, |chats, now, seed, store| chats.handle_message(now, seed, carol, receipt, store));
    world.carry();
    assert_eq!(world.said(CAROL, room), ["again", "hello"]);
    assert_eq!(world.people[ALICE].chats.waiting_for(carol), 0);
}

#[test]
fn what_one_may_have_anew_is_bounded() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL]);
    let line = world.people[BOB].disk.clone();
    let line = Room::load(&line, room, world.people[BOB].chats.device().clone()).unwrap().unwrap().line();
    for round in 0..6 {
        world.role(ALICE, room, CAROL, round % 2 == 0).unwrap();
    }
    world.carry();
    // Bob says over and over that he has none of it.
    let mut brought = 0;
    for at in 0..200 {
        let letter = matter(at, GroupMatter::Line { room, line: line.clone(), asks: true });
        let (parcel, bytes) = letter.pack();
        let part = byway_chat::delivery::letter::part(parcel, &bytes, 0);
        let bob = world.id(BOB);
        world.with(ALICE, |chats, now, seed, store| chats.handle_message(now, seed, bob, part, store));
        brought += world.wire.iter().filter(|(from, to, bytes)| (*from, *to) == (ALICE, BOB) && bytes[0] == 0).count();
        world.carry();
    }
    assert!((6..=6 * 32).contains(&brought), "{brought}");
}

/// A frame of an epoch that nobody has heard of.
fn early(room: RoomId, number: u16, length: usize) -> Letter {
    let mut content = vec![3; length];
    content[..2].copy_from_slice(&number.to_be_bytes());
    let tag = EpochTag(Hash([8; 32]));
    Letter::Sealed(Frame { room, epoch: 1000, tag, body: Body::Content(content) }.to_bytes())
}

#[test]
fn what_one_brings_too_early_leaves_room_for_others() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL]);
    let unknown = RoomId([6; 32]);
    let send = |world: &mut World, from: usize, letter: &Letter| {
        let (parcel, bytes) = letter.pack();
        for index in 0..byway_chat::delivery::letter::part_count(bytes.len()) {
            let part = byway_chat::delivery::letter::part(parcel, &bytes, index);
            world.wire.push_back((from, ALICE, part.to_bytes()));
        }
        world.carry();
    };
    for room in [room, unknown] {
        for number in 0..200 {
            send(&mut world, BOB, &early(room, number, 65_000));
        }
        for number in 200..1300 {
            send(&mut world, BOB, &early(room, number, 300));
        }
        let bytes =
            |world: &World| world.rows(ALICE, "chat-early", &room.0).iter().map(|row| row.1.len()).sum::<usize>();
        let before = bytes(&world);
        assert!(before <= 9 << 20, "{before}");
        send(&mut world, CAROL, &early(room, 0, 65_001));
        assert!(bytes(&world) > before, "there is room for hers");
        // And what is counted is counted after a restart.
        world.crash(ALICE);
        world.connect_all();
        world.carry();
        let before = bytes(&world);
        for number in 1300..1400 {
            send(&mut world, BOB, &early(room, number, 65_000));
        }
        assert_eq!(bytes(&world), before);
    }
}

#[test]
fn members_who_fill_the_room_for_what_comes_early_keep_nobody_elses_out() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL, DAVE, ERIN]);
    world.role(ALICE, room, BOB, true).unwrap();
    world.carry();
    for who in [BOB, CAROL] {
        (0..600).for_each(|number| bring(&mut world, who, ALICE, &early(room, number, 300)));
    }
    assert_eq!(world.rows(ALICE, "chat-early", &room.0).len(), 1024, "it is full");
    // Bob removes Dave, and Erin has followed it when Alice hears of her and not of him yet.
    world.cut(ALICE, BOB);
    world.cut(ALICE, CAROL);
    world.remove(BOB, room, DAVE).unwrap();
    world.cut(ALICE, DAVE);
    world.carry();
    for number in 0..3 {
        world.say(ERIN, room, &format!("{number}"));
    }
    world.carry();
    assert_eq!(world.people[ERIN].chats.waiting_for(world.id(ALICE)), 0, "what she says waits at Alice's");
    world.settle();
    assert_eq!(world.said(ALICE, room), ["0", "1", "2"]);
}

#[test]
fn who_brings_what_can_never_be_read_keeps_nobody_from_renewing_keys() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL]);
    world.settle();
    bring(&mut world, BOB, ALICE, &early(room, 1, 300));
    world.now = world.now + RENEW_SPAN;
    let before = world.people[ALICE].chats.talk(room).unwrap().epoch;
    for _ in 0..70 {
        world.now = world.now + Span::minutes(1);
        world.with(ALICE, |chats, now, seed, store| chats.handle_time(now, seed, store));
        world.carry();
    }
    assert_eq!(world.people[ALICE].chats.talk(room).unwrap().epoch, before + 1);
}

#[test]
fn keys_that_one_uses_up_are_those_that_one_was_given() {
    let mut world = five();
    let garbage = |number: u8| Letter::Welcome { name: String::new(), invitation: vec![number; 80], tree: vec![1; 80] };
    for number in 0..100 {
        bring(&mut world, BOB, ALICE, &garbage(number));
    }
    assert!(world.rows(ALICE, "chat-packages", &[]).len() <= 3 * 3 + 32, "of Carol, Dave and Erin, and Bob's");
    world.found(CAROL, &[ALICE]);
    world.found(BOB, &[ALICE]);
    assert_eq!(world.people[ALICE].chats.talks().filter(|talk| talk.is_group).count(), 2);
}

#[test]
fn a_contact_begins_so_many_conversations_with_one_and_no_more() {
    let mut world = World::new(&["alice", "bob"]);
    world.acquaint(ALICE, BOB);
    for _ in 0..300 {
        world.found(BOB, &[ALICE]);
    }
    assert_eq!(world.people[ALICE].chats.talks().filter(|talk| talk.is_group).count(), 256);
    assert!(world.people[ALICE].faults().iter().any(|fault| fault.contains("256")));
}

#[test]
fn who_may_remove_nobody_any_more_makes_nobody_believe_that_they_are_out() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL]);
    world.role(ALICE, room, BOB, true).unwrap();
    world.carry();
    world.add(BOB, room, DAVE).unwrap();
    world.carry();
    let entered = world.epoch_of(DAVE, room);
    world.role(ALICE, room, BOB, false).unwrap();
    world.carry();
    bring(&mut world, BOB, DAVE, &matter(1, GroupMatter::Gone { room, epochs: vec![entered] }));
    assert!(world.people[DAVE].chats.talk(room).unwrap().is_member);
    world.say(DAVE, room, "still here");
    world.carry();
    assert_eq!(world.said(ALICE, room), ["still here"]);
}

#[test]
fn who_says_the_last_number_there_is_has_not_the_last_word() {
    let mut world = World::new(&["alice", "bob"]);
    let room = world.acquaint(ALICE, BOB);
    let Kind::Post(post) = text("the last").kind else { panic!("a post") };
    let content = Content::new(MessageId([5; 16]), world.now, LAMPORT_MAX, Kind::Post(post)).pack().unwrap();
    let bob = &world.people[BOB];
    let mut of_bob = Room::load(&bob.disk, room, bob.chats.device().clone()).unwrap().unwrap();
    let frame = of_bob.seal(&[1; 32], &content, &mut Batch::new()).unwrap().bytes;
    bring(&mut world, BOB, ALICE, &Letter::Sealed(frame));
    world.say(ALICE, room, "and I");
    world.say(ALICE, room, "and I again");
    world.carry();
    assert_eq!(world.said(ALICE, room), ["and I", "and I again", "the last"]);
    assert_eq!(world.said(BOB, room), ["and I", "and I again"]);
}

#[test]
fn strangers_leave_nothing_on_the_disk() {
    let mut world = World::new(&["alice", "bob", "mallory"]);
    world.acquaint(ALICE, BOB);
    let room = world.people[ALICE].direct(world.id(BOB)).unwrap();
    world.connect(ALICE, 2);
    let before = world.people[ALICE].disk.clone();
    for number in 0..20 {
        let welcome = Letter::Welcome { name: String::new(), invitation: vec![number; 80], tree: vec![1; 80] };
        bring(&mut world, 2, ALICE, &welcome);
        bring(&mut world, 2, ALICE, &early(room, number.into(), 300));
    }
    assert_eq!(world.people[ALICE].disk, before);
}

#[test]
fn who_entered_a_group_anew_has_no_wish_to_remove_itself() {
    // Two sides that hear nothing of each other for hours; of whichever enters anew no wish is left that takes it out again.
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL, DAVE]);
    [ALICE, CAROL].into_iter().for_each(|one| [BOB, DAVE].into_iter().for_each(|other| world.cut(one, other)));
    for _ in 0..2 {
        world.now = world.now + RENEW_SPAN;
        for (one, other) in [(ALICE, CAROL), (BOB, DAVE)] {
            for who in [one, other, one, other] {
                world.now = world.now + Span::minutes(1);
                world.with(who, |chats, now, seed, store| chats.handle_time(now, seed, store));
                world.carry();
            }
        }
    }
    assert_ne!(world.authenticator(ALICE, room), world.authenticator(BOB, room), "they have parted");
    world.settle();
    // Entries that were lost to others are no removals.
    for who in [ALICE, BOB, CAROL, DAVE] {
        assert_eq!(world.members(who, room), [ALICE, BOB, CAROL, DAVE], "{who}");
        assert_eq!(world.authenticator(who, room), world.authenticator(ALICE, room));
    }
    assert!(world.people[ERIN].chats.talk(room).is_none());
}

#[test]
fn a_crowd_of_made_up_identities_keeps_out_nobody_who_is_registered() {
    let mut world = World::new(&["alice", "bob", "carol"]);
    let (bob, carol) = (world.id(BOB), world.id(CAROL));
    let ask = Letter::Ask(Ask {
        token: None,
        package: vec![1; 80],
        name: "stranger".to_owned(),
        payment: Vec::new(),
        group: None,
    })
    .to_bytes();
    let asks = |world: &mut World, peer: IdentityId| {
        let (now, parcel) = (world.now, ParcelId::of(&ask));
        let part = ChatMessage::Part { parcel, index: 0, count: 1, bytes: ask.clone() };
        world.people[ALICE].with(|chats, seed, store| chats.handle_message(now, seed, peer, part, store));
    };
    for number in 0..ASKING_MAX + 10 {
        let mut made_up = [9; 20];
        made_up[..8].copy_from_slice(&number.to_be_bytes());
        asks(&mut world, IdentityId(made_up));
    }
    let asking = |world: &World| world.people[ALICE].chats.people().asking().count();
    assert_eq!(asking(&world), ASKING_MAX);
    world.connect(ALICE, BOB);
    world.connect(ALICE, CAROL);
    asks(&mut world, bob);
    assert_eq!(asking(&world), ASKING_MAX, "one more stranger");
    world.with(ALICE, |chats, _, _, _| chats.set_registered(carol, true));
    asks(&mut world, carol);
    assert_eq!(asking(&world), ASKING_MAX + 1);
    assert!(world.people[ALICE].chats.people().asking().any(|peer| peer == carol));
    // It is remembered of her while she asks, and makes no room for strangers.
    world.cut(ALICE, CAROL);
    asks(&mut world, bob);
    assert_eq!(asking(&world), ASKING_MAX + 1);
    // Of those who neither ask nor are there nothing is kept, whatever is said.
    world.with(ALICE, |chats, _, _, _| chats.set_registered(bob, true));
    world.cut(ALICE, BOB);
    asks(&mut world, bob);
    assert_eq!(asking(&world), ASKING_MAX + 1);
}

#[test]
fn while_the_disk_is_nearly_full_what_others_say_stays_with_them() {
    let mut world = World::new(&["alice", "bob"]);
    let room = world.acquaint(ALICE, BOB);
    let bob = world.people[BOB].id();
    world.with(BOB, |chats, _, _, _| chats.set_has_room(false));
    world.say(ALICE, room, "is there room?");
    world.carry();
    assert_eq!((world.people[BOB].texts(room), world.people[ALICE].chats.waiting_for(bob)), (vec![], 1));
    // What its own user says goes out all the same.
    world.say(BOB, room, "hardly");
    world.carry();
    assert_eq!(world.people[ALICE].texts(room), said(&[(true, "is there room?"), (false, "hardly")]));

    world.with(BOB, |chats, _, _, _| chats.set_has_room(true));
    world.carry();
    assert_eq!(world.people[BOB].texts(room).last(), Some(&(false, "is there room?".to_owned())));
    assert_eq!(world.people[ALICE].chats.waiting_for(bob), 0);
}

//! How a node becomes a device, and what of it is refused.

use byway_chat::chats::{ChatError, ChatNews, DEVICES_MAX, LINK_SPAN, Stage};
use byway_chat::delivery::letter::Letter;
use byway_chat::delivery::own_letter::{Keeping, LinkToken, OwnLetter, OwnMatter};
use byway_chat::device::{DeviceCertificate, DeviceConsent};
use byway_primitives::{IdentityId, Span};

use crate::devices::{ALICE, BOB, CAROL, NAMES, PHONE, with_phone};
use crate::rig::{NETWORK, Person, START, World};
use crate::{bring, said};

/// What one device says to another of its person.
fn own(number: u64, what: OwnMatter) -> Letter {
    Letter::Own(Box::new(OwnLetter { number, what }))
}

#[test]
fn a_token_counts_once_for_ten_minutes_and_only_at_a_new_node() {
    let mut world = World::new(&NAMES);
    world.connect(ALICE, PHONE);
    world.connect(BOB, PHONE);
    let first = world.offer(PHONE);
    let second = world.offer(PHONE);
    let offered = |world: &World| world.people[PHONE].chats.devices().count();
    world.call(ALICE, PHONE, first).unwrap();
    let (alice, phone) = (ALICE, world.id(PHONE));
    assert!(!world.people[alice].chats.is_link_refused(phone), "it has not been heard");
    world.people[alice].news.clear();
    world.carry();
    assert_eq!(offered(&world), 0, "what was offered before counts no more");
    assert!(world.people[alice].chats.is_link_refused(phone));
    assert!(world.people[alice].news.contains(&ChatNews::Devices), "whoever waits for the answer is told");
    world.now = world.now + LINK_SPAN;
    world.call(ALICE, PHONE, second).unwrap();
    world.carry();
    assert_eq!(offered(&world), 0, "it is too late");
    let third = world.offer(PHONE);
    world.call(ALICE, PHONE, third.clone()).unwrap();
    world.call(BOB, PHONE, third).unwrap();
    world.carry();
    assert_eq!(world.people[PHONE].chats.me(), world.id(ALICE), "the first who calls has it");
    assert!(!world.people[ALICE].chats.is_link_refused(phone));
    assert!(world.people[BOB].chats.is_link_refused(phone));
    assert!(matches!(world.people[BOB].chats.devices().next().unwrap().1.stage, Stage::Called { .. }));
    // Who knows people is somebody already.
    let room = world.acquaint(ALICE, BOB);
    for who in [ALICE, BOB, PHONE] {
        let offered = world.with(who, |chats, now, seed, _| chats.offer_link(now, seed.first_chunk().unwrap()));
        assert_eq!(offered.unwrap_err(), ChatError::NotFresh, "{who}");
    }
    let token = LinkToken(zeroize::Zeroizing::new([1; 16]));
    assert_eq!(world.call(ALICE, BOB, token.clone()), Err(ChatError::IsPerson(world.id(BOB))));
    assert_eq!(world.call(ALICE, ALICE, token.clone()), Err(ChatError::Oneself));
    assert_eq!(world.call(ALICE, PHONE, token.clone()), Err(ChatError::Oneself));
    assert!(world.is_in(PHONE, room));
    for number in 0..DEVICES_MAX {
        let node = IdentityId([number as u8 + 1; 20]);
        let token = token.clone();
        let called = world.people[ALICE].with(|chats, _, store| chats.link_device(START, node, token, "", store)).0;
        assert_eq!(called, if number + 1 < DEVICES_MAX { Ok(()) } else { Err(ChatError::TooManyDevices) }, "{number}");
    }
}

#[test]
fn who_is_no_device_says_nothing_of_what_only_devices_say() {
    let (mut world, room) = with_phone();
    world.say(BOB, room, "hello");
    world.carry();
    let [alice, bob, carol] = [ALICE, BOB, CAROL].map(|who| world.id(who));
    world.connect(CAROL, ALICE);
    world.connect(CAROL, PHONE);
    let of = world.people[ALICE].chats.page(room, None, 1, &world.people[ALICE].disk)[0].item.of;
    let secret = world.people[BOB].secret.clone();
    let consent = DeviceConsent::give(&secret, NETWORK, alice, world.people[BOB].chats.device().secret.key());
    let now = world.now;
    let forged =
        DeviceCertificate::issue_linked(&world.people[CAROL].secret, NETWORK, (&consent, 1), now, now + Span::days(1));
    assert!(forged.is_err(), "the consent is to be one of Alice's");
    let certificate = world.people[PHONE].chats.device().certificate.clone();
    let matters = [
        OwnMatter::Call { token: LinkToken(zeroize::Zeroizing::new([0; 16])) },
        OwnMatter::Consent { consent },
        OwnMatter::Certificate { certificate, name: "me".to_owned() },
        OwnMatter::People { people: vec![(bob, None)] },
        OwnMatter::Block { who: bob, is_blocked: true },
        OwnMatter::Nickname { who: bob, nickname: None },
        OwnMatter::Add { room, who: carol },
        OwnMatter::Read { room, of },
        OwnMatter::Leave { room },
        OwnMatter::Farewell,
        OwnMatter::History { total: 0, given: 0, is_last: true, records: Vec::new() },
        OwnMatter::Keep(Keeping { room, at: START, is_pinned: true, muted_until: None, is_marked_unread: true }),
        OwnMatter::Verified { who: bob, at: Some(START) },
    ];
    for (number, what) in matters.iter().enumerate() {
        for (from, to) in [(CAROL, ALICE), (CAROL, PHONE), (BOB, ALICE), (BOB, PHONE)] {
            let before = world.people[to].faults().len();
            bring(&mut world, from, to, &own(number as u64, what.clone()));
            let faults = world.people[to].faults();
            // The same fault by the same one is told once in a step; each is a step of its own.
            assert_eq!(faults.len(), before + 1, "{what:?} {from} {to} {faults:?}");
            assert!(faults.last().unwrap().contains("what only devices"), "{faults:?}");
        }
    }
    // Nor does a linked device say what only the first does.
    for what in [OwnMatter::Farewell, OwnMatter::People { people: vec![(bob, None)] }] {
        bring(&mut world, PHONE, ALICE, &own(99, what));
        assert!(world.people[ALICE].faults().last().unwrap().contains("what only devices"));
    }
    for device in [ALICE, PHONE] {
        assert!(world.people[device].chats.people().is_contact(bob), "{device}");
        assert_eq!((world.unread(device, room), world.is_in(device, room)), (1, true), "{device}");
    }
}

#[test]
fn certificates_are_renewed_while_the_devices_talk() {
    let (mut world, room) = with_phone();
    let before = world.people[PHONE].chats.device().certificate.until;
    world.now = world.now + Span::days(60);
    world.settle();
    let after = world.people[PHONE].chats.device().certificate.until;
    assert!(after > before + Span::days(50));
    world.crash(PHONE);
    assert_eq!(world.people[PHONE].chats.device().certificate.until, after);
    world.settle();
    world.now = world.now + Span::days(60);
    world.settle();
    // Past the end of the first one: the rooms have the new one.
    let members = world.people[BOB].chats.talk(room).unwrap().members;
    let phone = members.iter().find(|member| member.node == world.people[PHONE].id()).unwrap();
    assert!(phone.until > world.now);
    world.say(PHONE, room, "still here");
    world.carry();
    assert_eq!(world.faults(), [""; 0]);
    assert_eq!(world.texts(BOB, room), said(&[(false, "still here")]));
}

#[test]
fn a_linked_certificate_needs_the_word_of_both() {
    let [alice, bob, phone] = [ALICE, BOB, PHONE].map(|who| Person::new(NAMES[who]));
    let key = phone.chats.device().secret.key();
    let (since, until) = (START, START + Span::days(1));
    let issue =
        |consent: &DeviceConsent| DeviceCertificate::issue_linked(&alice.secret, NETWORK, (consent, 1), since, until);
    let consent = DeviceConsent::give(&phone.secret, NETWORK, alice.id(), key);
    let certificate = issue(&consent).unwrap();
    assert!(certificate.is_linked() && certificate.verify(NETWORK).is_ok());
    assert_eq!(certificate.consent(), Some(consent.clone()));
    // The word to somebody else, for another key, by another node, or by oneself.
    let other = bob.chats.device().secret.key();
    assert!(issue(&DeviceConsent::give(&phone.secret, NETWORK, bob.id(), key)).is_err());
    let (mut of_key, mut of_node) = (consent.clone(), consent);
    (of_key.key, of_node.node) = (other, bob.id());
    assert!(issue(&of_key).is_err() && issue(&of_node).is_err());
    assert!(issue(&DeviceConsent::give(&alice.secret, NETWORK, alice.id(), key)).is_err());
    // Whatever is changed in it afterwards.
    let changes: [fn(&mut DeviceCertificate, &Person); 5] = [
        |certificate, bob| certificate.node = bob.id(),
        |certificate, bob| certificate.identity = bob.id(),
        |certificate, bob| certificate.key = bob.chats.device().secret.key(),
        |certificate, _| certificate.index = 0,
        |certificate, _| certificate.until = certificate.until + Span::days(1),
    ];
    for change in changes {
        let mut changed = certificate.clone();
        change(&mut changed, &bob);
        assert!(changed.verify(NETWORK).is_err(), "{changed:?}");
    }
}

#[test]
fn nobody_blocks_a_device_of_ones_own() {
    let (mut world, room) = with_phone();
    for of in [world.id(ALICE), world.id(PHONE)] {
        bring(&mut world, PHONE, ALICE, &own(99, OwnMatter::Block { who: of, is_blocked: true }));
        world.with(ALICE, |chats, now, _, _| chats.set_blocked(now, of, true));
        assert!(!world.people[ALICE].chats.people().is_blocked(of));
    }
    world.say(PHONE, room, "still heard");
    world.carry();
    assert_eq!(world.texts(ALICE, room), said(&[(true, "still heard")]));
}

#[test]
fn whoever_asks_a_linked_device_or_has_an_old_invite_of_it_gets_no_contact() {
    let mut world = World::new(&NAMES);
    world.acquaint(ALICE, BOB);
    let token = world.with(PHONE, |chats, now, seed, _| {
        chats.invite(now, seed.first_chunk().unwrap(), now + Span::days(1), "").unwrap()
    });
    world.link(ALICE, PHONE);
    world.connect(CAROL, PHONE);
    let phone = world.id(PHONE);
    world.with(CAROL, |chats, now, seed, store| chats.ask(now, seed, phone, Some(token), store)).unwrap();
    world.carry();
    let carol = world.id(CAROL);
    assert!([ALICE, PHONE].iter().all(|who| world.people[*who].chats.people().get(carol).is_none()));
    assert!(!world.people[CAROL].chats.people().is_contact(phone));
}

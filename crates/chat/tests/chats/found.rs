//! A first device that has lost its disk, and goes on with the linked ones.

use byway_chat::chats::Stage;

use crate::backup::{back_up, lose, restore};
use crate::devices::{ALICE, BOB, PHONE, with_phone};
use crate::rig::World;

const TABLET: usize = 3;

/// How far each of the first device's others is: whether it is linked.
fn devices(world: &World) -> Vec<(usize, bool, String)> {
    let of = |node| world.people.iter().position(|person| person.id() == node).unwrap();
    let all = world.people[ALICE].chats.devices();
    let mut all: Vec<_> = all
        .map(|(node, device)| (of(node), matches!(device.stage, Stage::Linked { .. }), device.name.clone()))
        .collect();
    all.sort();
    all
}

#[test]
fn a_first_device_out_of_a_backup_goes_on_with_the_linked_ones_it_finds_in_conversations() {
    let (mut world, two) = with_phone();
    world.say(ALICE, two, "one");
    world.say(PHONE, two, "two");
    world.carry();
    let parts = back_up(&world, ALICE);
    // Linked after the backup.
    world.link(ALICE, TABLET);
    world.connect(TABLET, BOB);
    world.connect(TABLET, PHONE);
    world.carry();
    lose(&mut world, ALICE, "alice");
    world.say(BOB, two, "while she was away");
    world.carry();
    restore(&mut world, ALICE, &parts);
    assert_eq!(devices(&world), [(PHONE, false, "phone".to_owned())], "what a backup says is old");
    world.crash(ALICE);
    assert_eq!(devices(&world), [(PHONE, false, "phone".to_owned())]);
    world.settle();
    // The other may have been taken away since as well: it is put out, wherever it is.
    assert_eq!(devices(&world), [(PHONE, true, "phone".to_owned())]);
    let tablet = world.people[TABLET].id();
    for who in [ALICE, PHONE, BOB] {
        let members = world.people[who].chats.talk(two).unwrap().members;
        assert!(members.iter().all(|member| member.node != tablet), "{who} {members:?}");
    }
    for who in [ALICE, PHONE, BOB] {
        world.say(who, two, &format!("from {who}"));
        world.carry();
    }
    assert!(!world.said(TABLET, two).iter().any(|text| text.starts_with("from")));
    for who in [ALICE, PHONE, BOB] {
        let texts = world.said(who, two);
        assert!([ALICE, PHONE, BOB].iter().all(|of| texts.contains(&format!("from {of}"))), "{who} {texts:?}");
        assert!(texts.contains(&"one".to_owned()) && texts.contains(&"two".to_owned()), "{who} {texts:?}");
    }
    // Each adds the others to what it makes, by keys that are good.
    for founder in [ALICE, PHONE] {
        let group = world.found(founder, &[BOB]);
        world.settle();
        assert!([ALICE, PHONE, BOB].iter().all(|who| world.is_in(*who, group)), "{founder}");
    }
    let own = world.people[ALICE].chats.own_room().unwrap();
    world.say(PHONE, own, "note");
    world.carry();
    assert!([ALICE, PHONE].iter().all(|who| world.people[*who].chats.own_room() == Some(own)));
    assert_eq!(world.said(ALICE, own), ["note"]);
    // One that was found is taken away as ever, and is not found again in what comes back later.
    world.unlink(ALICE, PHONE).unwrap();
    world.settle();
    assert!(!world.is_in(PHONE, two));
    assert_eq!(devices(&world), []);
    // What the other one still does as a device is refused.
    assert!(world.faults().iter().all(|fault| fault.contains("by whoever is not in it")), "{:?}", world.faults());
}

#[test]
fn a_device_that_was_taken_away_after_the_backup_is_not_one_again_by_it() {
    let (mut world, two) = with_phone();
    let parts = back_up(&world, ALICE);
    world.unlink(ALICE, PHONE).unwrap();
    world.settle();
    lose(&mut world, ALICE, "alice");
    restore(&mut world, ALICE, &parts);
    world.settle();
    assert!(world.is_in(ALICE, two));
    assert_eq!(devices(&world), [(PHONE, false, "phone".to_owned())]);
    world.say(BOB, two, "secret");
    world.say(ALICE, two, "secret too");
    world.carry();
    assert!(!world.is_in(PHONE, two));
    assert!(!world.said(PHONE, two).iter().any(|text| text.contains("secret")));
    // Nor does it become one by asking to be.
    world.say(ALICE, two, "and this");
    world.settle();
    assert_eq!(devices(&world), [(PHONE, false, "phone".to_owned())]);
    world.unlink(ALICE, PHONE).unwrap();
    assert_eq!(devices(&world), []);
    assert!(world.people[BOB].faults().is_empty());
}

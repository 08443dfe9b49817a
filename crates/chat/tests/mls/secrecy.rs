//! What a stolen state is good for.

use byway_chat::mls::{BRANCH_SPAN, PAST_SPAN, Place, Received, Refused};
use byway_primitives::Span;

use crate::world::{Side, room_of};

/// Whoever has copied the disk of `side`.
fn thief_of(side: &Side) -> Side {
    let mut thief = Side::new(0, 0);
    thief.device = side.device.clone();
    thief.store = side.store.clone();
    thief.now = side.now;
    thief.restart();
    thief
}

#[test]
fn a_state_does_not_read_what_was_read_before() {
    let mut sides = room_of(2);
    let first = sides[0].seal(b"first").bytes;
    sides[1].read(&first);
    let update = sides[0].update();
    sides[1].follow(&update.commit);
    let second = sides[0].seal(b"second").bytes;
    sides[1].read(&second);
    let mut thief = thief_of(&sides[1]);
    for frame in [&first, &second] {
        assert_eq!(thief.receive(frame), Ok(Received::Known), "its key is gone");
    }
    let mut sender = thief_of(&sides[0]);
    for frame in [&first, &second] {
        assert_eq!(sender.receive(frame), Ok(Received::Known), "a sender keeps no keys of what it sent");
    }
}

#[test]
fn a_stolen_state_follows_others_but_not_past_an_update_of_its_own_device() {
    let mut sides = room_of(3);
    let mut thief = thief_of(&sides[1]);
    let update = sides[0].update();
    for side in &mut sides[1..] {
        side.follow(&update.commit);
    }
    thief.follow(&update.commit);
    let content = sides[0].seal(b"not healed yet").bytes;
    assert_eq!(thief.read(&content).content, b"not healed yet");
    let healing = sides[1].update();
    sides[0].follow(&healing.commit);
    sides[2].follow(&healing.commit);
    assert_eq!(thief.receive(&healing.commit), Err(Refused::OldState));
    let content = sides[0].seal(b"healed").bytes;
    assert!(matches!(thief.receive(&content), Ok(Received::Early(_))));
    let later = sides[2].update();
    assert!(matches!(thief.receive(&later.commit), Ok(Received::Early(_))));
    sides[1].follow(&later.commit);
}

#[test]
fn after_an_hour_an_epoch_that_was_left_is_only_read() {
    let mut sides = room_of(3);
    let late = sides[2].seal(b"held for a day").bytes;
    let update = sides[0].update();
    sides[1].follow(&update.commit);
    sides[1].now = sides[1].now + BRANCH_SPAN + Span::millis(1);
    let rival = sides[2].update();
    assert_eq!(sides[1].receive(&rival.commit), Err(Refused::Forgotten { epoch: 1 }));
    let read = sides[1].read(&late);
    assert_eq!((&read.content[..], read.place), (&b"held for a day"[..], Place::Past));
    sides[1].restart();
    assert_eq!(sides[1].receive(&late), Ok(Received::Known));
}

#[test]
fn after_two_weeks_an_epoch_that_was_left_is_forgotten() {
    let mut sides = room_of(2);
    let late = sides[0].seal(b"held too long").bytes;
    let update = sides[0].update();
    sides[1].follow(&update.commit);
    sides[1].now = sides[1].now + PAST_SPAN + Span::millis(1);
    assert_eq!(sides[1].receive(&late), Err(Refused::Forgotten { epoch: 1 }));
    sides[1].restart();
    assert_eq!(sides[1].receive(&late), Err(Refused::Forgotten { epoch: 1 }));
    let content = sides[0].seal(b"in time").bytes;
    assert_eq!(sides[1].read(&content).content, b"in time");
}

#[test]
fn secrets_of_an_epoch_are_the_same_for_all_in_it_and_differ_between_epochs() {
    let mut sides = room_of(3);
    let before = sides[0].room().epoch().tag;
    let export = |side: &mut Side, epoch, label: &str| {
        side.room.as_mut().unwrap().export(epoch, label, 32).map(|secret| secret.to_vec())
    };
    let secrets: Vec<_> = sides.iter_mut().map(|side| export(side, before, "attachment").unwrap()).collect();
    assert!(secrets.windows(2).all(|pair| pair[0] == pair[1]));
    assert_ne!(export(&mut sides[0], before, "other").unwrap(), secrets[0]);
    let update = sides[0].update();
    sides[1].follow(&update.commit);
    let after = sides[0].room().epoch().tag;
    assert_ne!(export(&mut sides[0], after, "attachment").unwrap(), secrets[0]);
    assert_eq!(export(&mut sides[1], before, "attachment").unwrap(), secrets[0], "while the epoch is kept");
    assert!(export(&mut sides[2], after, "attachment").is_err());
}

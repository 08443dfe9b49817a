//! Content between devices of a room.

use byway_chat::mls::{Early, Place, Received, Refused};

use crate::world::{assert_agreed, room_of};

#[test]
fn two_talk() {
    let mut sides = room_of(2);
    assert_agreed(&sides);
    let hello = sides[0].seal(b"hello");
    let read = sides[1].read(&hello.bytes);
    assert_eq!((&read.content[..], read.place), (&b"hello"[..], Place::Head));
    assert_eq!(read.from.device, sides[0].device.secret.key());
    let answer = sides[1].seal(b"and you");
    assert_eq!(sides[0].read(&answer.bytes).content, b"and you");
    assert_eq!(sides[0].receive(&answer.bytes), Ok(Received::Known));
    assert_eq!(sides[0].receive(&hello.bytes), Ok(Received::Known));
}

#[test]
fn content_is_read_in_any_order_and_once() {
    let mut sides = room_of(2);
    let frames: Vec<_> = (0..40u8).map(|i| sides[0].seal(&[i]).bytes).collect();
    for (i, frame) in frames.iter().enumerate().rev() {
        assert_eq!(sides[1].read(frame).content, [i as u8]);
    }
    for frame in &frames {
        assert_eq!(sides[1].receive(frame), Ok(Received::Known));
    }
}

#[test]
fn content_of_an_epoch_not_reached_yet_waits() {
    let mut sides = room_of(2);
    let update = sides[0].update();
    let content = sides[0].seal(b"after");
    assert_eq!(sides[1].receive(&content.bytes), Ok(Received::Early(Early::Ahead { epoch: 2 })));
    sides[1].follow(&update.commit);
    assert_agreed(&sides);
    assert_eq!(sides[1].read(&content.bytes).content, b"after");
}

#[test]
fn a_changed_byte_is_refused() {
    let mut sides = room_of(2);
    let frame = sides[0].seal(b"whole").bytes;
    for at in 0..frame.len() {
        let mut changed = frame.clone();
        changed[at] ^= 1;
        let received = sides[1].receive(&changed);
        let is_unread = matches!(received, Err(_) | Ok(Received::Early(_)));
        assert!(is_unread, "{at}: {received:?}");
    }
    assert_eq!(
        sides[1].receive(&frame[..frame.len() - 1]).map_err(|error| matches!(error, Refused::Malformed(_))),
        Err(true)
    );
    assert_eq!(sides[1].read(&frame).content, b"whole");
}

#[test]
fn a_restart_loses_nothing() {
    let mut sides = room_of(3);
    for round in 0..3u8 {
        let frame = sides[0].seal(&[round]).bytes;
        sides.iter_mut().for_each(crate::world::Side::restart);
        assert_eq!(sides[1].read(&frame).content, [round]);
        sides[1].restart();
        assert_eq!(sides[1].receive(&frame), Ok(Received::Known));
        let update = sides[1].update();
        sides.iter_mut().for_each(crate::world::Side::restart);
        sides[0].follow(&update.commit);
        sides[2].follow(&update.commit);
        assert_agreed(&sides);
    }
}

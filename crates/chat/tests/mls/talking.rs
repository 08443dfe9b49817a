//! Content between devices of a room.

use byway_chat::mls::wire::{Body, COMMIT_BYTES_MAX, CONTENT_BYTES_MAX, CONTENT_MAX, Frame, LEAVE_BYTES_MAX};
use byway_chat::mls::{
    Change, Early, FORWARD_MAX, LEAVES_MAX, OUT_OF_ORDER_MAX, Place, Received, Refused, RoomId, SealError,
};
use byway_primitives::{Batch, DecodeError, Encode};

use crate::world::{ROOM, Side, assert_agreed, id, room_of};

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

/// Everything happens twice: once for nothing, as the machine stops before the batch is written, and once for good.
#[test]
fn what_was_not_written_down_is_done_again() {
    let mut sides = room_of(4);
    sides.iter_mut().for_each(|side| side.stops_first = true);
    for round in 0..3u8 {
        let (content, update) = (sides[1].seal(&[round]).bytes, sides[2].update().commit);
        for side in [0, 3] {
            assert_eq!(sides[side].read(&content).content, [round]);
            sides[side].follow(&update);
        }
        sides[1].follow(&update);
        assert_eq!(sides[2].read(&content).place, Place::Past);
        assert_agreed(&sides);
    }
    let request = sides[3].leave();
    assert!(matches!(sides[0].receive(&request), Ok(Received::Leaving(_))));
    let rival = sides[1].update().commit;
    let removal = sides[0].update().commit;
    for side in &mut sides[2..] {
        side.receive(&rival).unwrap();
    }
    for side in &mut sides[1..] {
        side.follow(&removal);
    }
    assert!(matches!(sides[0].receive(&rival), Ok(Received::Outranked(_))));
    assert!(!sides[3].room().is_member());
    assert_agreed(&sides[..3]);
}

#[test]
fn contents_of_like_length_are_frames_of_one_length() {
    let mut sides = room_of(2);
    let mut length = |content: usize| sides[0].seal(&vec![b'x'; content]).bytes.len();
    let sizes: Vec<usize> = [0, 1, 100, 168].into_iter().map(&mut length).collect();
    assert!(sizes.windows(2).all(|pair| pair[0] == pair[1]), "{sizes:?}");
    assert!(length(169) > sizes[0]);
    assert_eq!(length(169), length(900));
    let longest = vec![b'x'; CONTENT_MAX];
    let frame = sides[0].seal(&longest).bytes;
    assert_eq!(sides[1].read(&frame).content, longest);
    let mut batch = Batch::new();
    let room = sides[0].room.as_mut().unwrap();
    let over = room.seal(&[1; 32], &vec![0; CONTENT_MAX + 1], &mut batch);
    assert_eq!(over, Err(SealError::TooLong { length: CONTENT_MAX + 1 }));
    assert!(batch.is_empty());
}

#[test]
fn commits_are_of_one_length_whatever_few_of_them_do() {
    let mut sides = room_of(12);
    let length = |made: byway_chat::mls::Made| made.commit.len();
    let mut lengths = vec![length(sides[0].update())];
    for count in 1..=4 {
        let add = (0..count).map(|person| Side::new(100 * count + person, 0).package().0).collect();
        lengths.push(length(sides[0].change(&Change { add, ..Change::default() })));
        let remove = sides.drain(sides.len() - 2..).map(|side| side.device.secret.key()).collect();
        lengths.push(length(sides[0].change(&Change { remove, ..Change::default() })));
    }
    let mut roles = sides[0].room().roles().unwrap();
    roles.admins.insert(id(1));
    lengths.push(length(sides[0].change(&Change { roles: Some(roles), ..Change::default() })));
    assert!(lengths.iter().all(|length| length.abs_diff(lengths[0]) <= 1), "{lengths:?}");
    // Content and requests to leave are not padded to that.
    assert!(sides[0].seal(b"short").bytes.len() < 1024);
    let add = (0..64).map(|person| Side::new(1000 + person, 0).package().0).collect();
    let large = length(sides[0].change(&Change { add, ..Change::default() }));
    assert!((64 << 10..66 << 10).contains(&large), "{large}");
}

#[test]
fn what_is_oversized_is_refused_by_its_length() {
    let mut sides = room_of(2);
    let view = sides[0].room().epoch();
    let (room, epoch, tag) = (ROOM, view.number, view.tag);
    for body in [
        Body::Content(vec![0; CONTENT_BYTES_MAX + 1]),
        Body::Leave(vec![0; LEAVE_BYTES_MAX + 1]),
        Body::Entry(vec![0; COMMIT_BYTES_MAX + 1]),
        Body::Commit { leaves: vec![], commit: vec![0; COMMIT_BYTES_MAX + 1] },
        Body::Commit { leaves: vec![vec![]; LEAVES_MAX + 1], commit: vec![] },
    ] {
        let frame = Frame { room, epoch, tag, body }.to_bytes();
        assert!(matches!(sides[1].receive(&frame), Err(Refused::Malformed(DecodeError::TooLong { .. }))));
    }
    let other = Frame { room: RoomId([1; 32]), epoch, tag, body: Body::Content(vec![]) }.to_bytes();
    assert_eq!(sides[1].receive(&other), Err(Refused::OtherRoom));
    let number = Frame { room, epoch: epoch + 1, tag, body: Body::Content(vec![]) }.to_bytes();
    assert!(matches!(sides[1].receive(&number), Err(Refused::Malformed(_))));
}

#[test]
fn what_is_missing_is_bounded() {
    let mut sides = room_of(2);
    let first = sides[0].seal(b"first").bytes;
    let frames: Vec<_> = (0..=OUT_OF_ORDER_MAX).map(|_| sides[0].seal(b"later").bytes).collect();
    sides[1].read(frames.last().unwrap());
    assert_eq!(sides[1].receive(&first), Err(Refused::TooLate));
    for _ in 0..=FORWARD_MAX {
        sides[0].seal(b"lost");
    }
    let after = sides[0].seal(b"after too many").bytes;
    assert_eq!(sides[1].receive(&after), Err(Refused::TooFarAhead));
    sides[1].read(&frames[frames.len() - 2]);
    let update = sides[0].update();
    sides[1].follow(&update.commit);
    let content = sides[0].seal(b"a new epoch mends it").bytes;
    sides[1].read(&content);
}

//! Parcels reach whom they are for, once, whatever is lost on their way.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, in its helpers too")]

mod matters;

use byway_chat::delivery::letter::{PARCEL_MAX, PART_MAX, part, part_count};
use byway_chat::delivery::outbox::{WAITING_MAX, WINDOW, WINDOW_PARCELS};
use byway_chat::delivery::{ChatMessage, Gathered, Inbox, Letter, NotPosted, Outbox, OutboxFull, ParcelId, PartFault};
use byway_primitives::codec::{Encode, decode_exact};
use byway_primitives::{Batch, Hash, IdentityId, MemoryStore, Span, Time};
use proptest::prelude::*;

const ALICE: IdentityId = IdentityId([1; 20]);
const BOB: IdentityId = IdentityId([2; 20]);
const CAROL: IdentityId = IdentityId([3; 20]);
const START: Time = Time(1_000_000);

fn letter(number: u64, length: usize) -> Letter {
    let bytes = number.to_be_bytes().into_iter().cycle().take(length.max(8)).collect();
    Letter::Sealed(bytes)
}

/// A machine's writes are on its disk as soon as they are made.
#[derive(Default)]
struct Disk(MemoryStore);

impl Disk {
    fn with<T>(&mut self, what: impl FnOnce(&mut Batch) -> T) -> T {
        let mut batch = Batch::new();
        let done = what(&mut batch);
        self.0.apply(&batch);
        done
    }
}

/// What came whole, receipts for it, and how much there is of what did not.
type Taken = (Vec<Letter>, Vec<ParcelId>, Vec<(ParcelId, u16)>);

/// Takes what is due to a peer, in order.
fn take(inbox: &mut Inbox, disk: &mut Disk, messages: Vec<ChatMessage>) -> Taken {
    let (mut letters, mut receipts, mut got) = (Vec::new(), Vec::new(), Vec::new());
    for message in messages {
        let ChatMessage::Part { parcel, index, count, bytes } = message else { panic!("{message:?}") };
        match inbox.handle_part(ALICE, parcel, (index, count), bytes).unwrap() {
            Gathered::Part => got.push((parcel, index + 1)),
            Gathered::Again(parcel) => receipts.push(parcel),
            Gathered::Whole(parcel, bytes) => {
                disk.with(|batch| inbox.take(ALICE, parcel, batch));
                letters.push(decode_exact(&bytes).unwrap());
                receipts.push(parcel);
            }
        }
    }
    (letters, receipts, got)
}

#[test]
fn a_parcel_is_kept_until_all_have_it_and_written_once() {
    let (mut outbox, mut disk) = (Outbox::default(), Disk::default());
    let parcel = disk.with(|batch| {
        let parcel = outbox.put(&letter(1, 100), [BOB, CAROL], batch).unwrap();
        assert_eq!(batch.writes.len(), 3, "itself, and a line for each");
        parcel
    });
    assert!(outbox.due(BOB, &disk.0).is_empty(), "nobody is there");
    outbox.handle_connected(BOB);
    assert_eq!(outbox.due(BOB, &disk.0).len(), 1);
    assert!(outbox.due(BOB, &disk.0).is_empty(), "it is under way");
    assert!(disk.with(|batch| outbox.handle_receipt(BOB, &[parcel], batch)).is_empty() && !outbox.has_arrived(parcel));
    assert_eq!(outbox.awaited().collect::<Vec<_>>(), [CAROL]);
    // A receipt of somebody for whom it does not wait changes nothing.
    assert!(disk.with(|batch| outbox.handle_receipt(BOB, &[parcel], batch)).is_empty() && !outbox.has_arrived(parcel));
    assert_eq!(disk.with(|batch| outbox.handle_receipt(CAROL, &[parcel], batch)), [parcel]);
    assert!(outbox.has_arrived(parcel));
    assert_eq!(Outbox::load(&disk.0).awaited().count(), 0);
}

#[test]
fn it_survives_a_restart_and_goes_again_whenever_the_peer_comes_back() {
    let (mut outbox, mut disk) = (Outbox::default(), Disk::default());
    let letters: Vec<Letter> = (0..5).map(|number| letter(number, 10)).collect();
    for letter in &letters {
        disk.with(|batch| outbox.put(letter, [BOB], batch).unwrap());
    }
    let (mut inbox, mut bobs) = (Inbox::default(), Disk::default());
    outbox.handle_connected(BOB);
    let due = outbox.due(BOB, &disk.0);
    let (came, ..) = take(&mut inbox, &mut bobs, due[..2].to_vec());
    assert_eq!(came, letters[..2]);

    // Both lose their memory, and the receipts were lost with the link.
    let (mut outbox, mut inbox) = (Outbox::load(&disk.0), Inbox::load(&bobs.0));
    outbox.handle_connected(BOB);
    let (came, receipts, _) = take(&mut inbox, &mut bobs, outbox.due(BOB, &disk.0));
    assert_eq!((came.as_slice(), receipts.len()), (&letters[2..], 5));
    disk.with(|batch| outbox.handle_receipt(BOB, &receipts, batch));
    assert_eq!((outbox.waiting_for(BOB), Outbox::load(&disk.0).awaited().count()), (0, 0));
}

#[test]
fn no_more_is_under_way_than_the_window() {
    let (mut outbox, mut disk) = (Outbox::default(), Disk::default());
    for number in 0..WINDOW_PARCELS as u64 + 10 {
        disk.with(|batch| outbox.put(&letter(number, 10), [BOB], batch).unwrap());
    }
    outbox.handle_connected(BOB);
    let due = outbox.due(BOB, &disk.0);
    assert_eq!(due.len(), WINDOW_PARCELS);
    let (_, receipts, _) = take(&mut Inbox::default(), &mut Disk::default(), due);
    disk.with(|batch| outbox.handle_receipt(BOB, &receipts[..4], batch));
    assert_eq!(outbox.due(BOB, &disk.0).len(), 4);

    // Of one that is longer than the window, more follows as the peer says that it has what came.
    let (mut outbox, mut disk) = (Outbox::default(), Disk::default());
    let parcel = disk.with(|batch| outbox.put(&letter(1, 3 * WINDOW), [BOB], batch).unwrap());
    outbox.handle_connected(BOB);
    let in_window = (WINDOW / PART_MAX) as u16;
    assert_eq!(outbox.due(BOB, &disk.0).len(), usize::from(in_window));
    outbox.handle_got(BOB, ParcelId(Hash([1; 32])), 3);
    outbox.handle_got(CAROL, parcel, 3);
    assert_eq!(outbox.due(BOB, &disk.0).len(), 0, "that was of another, or by another");
    outbox.handle_got(BOB, parcel, 3);
    assert_eq!(outbox.due(BOB, &disk.0).len(), 3);
    outbox.handle_got(BOB, parcel, u16::MAX);
    assert_eq!(outbox.due(BOB, &disk.0).len(), usize::from(in_window), "nobody has what was not sent");
}

#[test]
fn of_what_was_turned_away_some_are_tried_at_one_time_in_turns() {
    let (mut outbox, mut disk) = (Outbox::default(), Disk::default());
    let count = 3 * WINDOW_PARCELS as u64;
    let names: Vec<ParcelId> =
        (0..count).map(|number| disk.with(|batch| outbox.put(&letter(number, 10), [BOB], batch).unwrap())).collect();
    outbox.handle_connected(BOB);
    let parcel_of = |message: &ChatMessage| match message {
        ChatMessage::Part { parcel, .. } => *parcel,
        other => panic!("{other:?}"),
    };
    let mut now = START;
    let turn_away = |outbox: &mut Outbox, disk: &Disk, now: Time| {
        let mut tried = Vec::new();
        loop {
            let due = outbox.due(BOB, &disk.0);
            if due.is_empty() {
                return tried;
            }
            due.iter().map(parcel_of).for_each(|parcel| outbox.handle_not_now(BOB, parcel, now));
            tried.extend(due.iter().map(parcel_of));
        }
    };
    assert_eq!(turn_away(&mut outbox, &disk, now), names, "one after the other");
    let mut tried = Vec::new();
    for minutes in [1, 2, 4] {
        now = now + Span::minutes(minutes);
        outbox.handle_time(now);
        let again = turn_away(&mut outbox, &disk, now);
        assert_eq!(again.len(), WINDOW_PARCELS);
        tried.extend(again);
    }
    assert_eq!(tried, names, "each had its turn");
    // A peer that says over and over that it would take them is believed once.
    outbox.handle_resend(BOB, now);
    assert_eq!(turn_away(&mut outbox, &disk, now), names);
    outbox.handle_resend(BOB, now);
    assert_eq!(outbox.due(BOB, &disk.0).len(), 0);
    // Where one is taken all are tried.
    now = now + Span::minutes(1);
    outbox.handle_time(now);
    let first = parcel_of(&outbox.due(BOB, &disk.0)[0]);
    disk.with(|batch| outbox.handle_receipt(BOB, &[first], batch));
    assert_eq!(outbox.due(BOB, &disk.0).len(), 1, "as far as the window goes");
    assert_eq!(turn_away(&mut outbox, &disk, now).len(), 0, "which is full");
    names.iter().for_each(|parcel| drop(disk.with(|batch| outbox.handle_receipt(BOB, &[*parcel], batch))));
    assert_eq!((outbox.waiting_for(BOB), Outbox::load(&disk.0).awaited().count()), (0, 0));
}

#[test]
fn nobody_fills_a_disk_by_staying_away() {
    let (mut outbox, mut disk) = (Outbox::default(), Disk::default());
    for number in 0..WAITING_MAX as u64 {
        disk.with(|batch| outbox.put(&letter(number, 8), [BOB], batch).unwrap());
    }
    let more = disk.with(|batch| outbox.put(&letter(WAITING_MAX as u64, 8), [CAROL, BOB], batch));
    assert_eq!(more, Err(NotPosted::Full(OutboxFull(BOB))));
    assert_eq!(outbox.waiting_for(CAROL), 0, "all or nothing");
    disk.with(|batch| outbox.forget(BOB, batch));
    assert_eq!(Outbox::load(&disk.0).awaited().count(), 0);
}

#[test]
fn what_is_longer_than_a_parcel_is_refused_and_nothing_of_it_kept() {
    let (mut outbox, mut disk) = (Outbox::default(), Disk::default());
    let put = |outbox: &mut Outbox, disk: &mut Disk, length| {
        disk.with(|batch| outbox.put(&Letter::Sealed(vec![1; length]), [BOB], batch))
    };
    // With its number and the length in front.
    assert!(put(&mut outbox, &mut disk, PARCEL_MAX - 5).is_ok());
    assert_eq!(put(&mut outbox, &mut disk, PARCEL_MAX - 4), Err(NotPosted::TooLong(PARCEL_MAX + 1)));
    assert_eq!(outbox.waiting_for(BOB), 1);
}

#[test]
fn parts_that_are_wrong_are_named() {
    let (parcel, bytes) = letter(1, 2 * PART_MAX).pack();
    assert_eq!(part_count(bytes.len()), 3);
    assert!(matches!(part(parcel, &bytes, 2), ChatMessage::Part { index: 2, count: 3, bytes, .. } if bytes.len() < 10));
    let feed = |parts: &[(u16, u16, usize)]| {
        let mut inbox = Inbox::default();
        let mut last = Ok(Gathered::Part);
        for (index, count, length) in parts {
            last = inbox.handle_part(ALICE, parcel, (*index, *count), vec![0; *length]);
        }
        last
    };
    let many = (PARCEL_MAX / PART_MAX + 2) as u16;
    assert_eq!(feed(&[(0, 0, 1)]), Err(PartFault::Count(0)));
    assert_eq!(feed(&[(0, many, PART_MAX)]), Err(PartFault::Count(many)));
    assert_eq!(feed(&[(1, 3, PART_MAX)]), Err(PartFault::Order { index: 1, expected: 0 }));
    assert_eq!(feed(&[(0, 3, PART_MAX), (2, 3, 1)]), Err(PartFault::Order { index: 2, expected: 1 }));
    assert_eq!(feed(&[(0, 3, PART_MAX), (1, 2, 1)]), Err(PartFault::Order { index: 1, expected: 0 }));
    assert_eq!(feed(&[(u16::MAX, 1, 5)]), Err(PartFault::Length));
    assert_eq!(feed(&[(3, 3, PART_MAX)]), Err(PartFault::Length));
    assert_eq!(feed(&[(0, 2, 5)]), Err(PartFault::Length));
    assert_eq!(feed(&[(0, 2, PART_MAX), (1, 2, 0)]), Err(PartFault::Length));
    assert_eq!(feed(&[(0, 1, 5)]), Err(PartFault::Hash));
    assert_eq!(feed(&[(u16::MAX, u16::MAX, 5)]), Err(PartFault::Count(u16::MAX)));
}

proptest! {
    /// Links break and either side loses its memory at any moment; in the end all is there, once, in order.
    #[test]
    fn all_arrive_once_and_in_order(lengths in prop::collection::vec(1..3 * PART_MAX, 1..12), breaks in prop::collection::vec(0..40usize, 0..6)) {
        let (mut outbox, mut disk) = (Outbox::default(), Disk::default());
        let (mut inbox, mut bobs) = (Inbox::default(), Disk::default());
        let letters: Vec<Letter> = lengths.iter().enumerate().map(|(number, length)| letter(number as u64, *length)).collect();
        for letter in &letters {
            disk.with(|batch| outbox.put(letter, [BOB], batch).unwrap());
        }
        let mut came = Vec::new();
        for until in breaks.into_iter().map(Some).chain([None]) {
            outbox.handle_connected(BOB);
            inbox.forget_parts(ALICE);
            let mut left = until.unwrap_or(usize::MAX);
            loop {
                let mut due = outbox.due(BOB, &disk.0);
                due.truncate(left);
                if due.is_empty() {
                    break;
                }
                left -= due.len();
                let (letters, receipts, got) = take(&mut inbox, &mut bobs, due);
                came.extend(letters);
                // A receipt is lost where the link breaks.
                if left > 0 {
                    disk.with(|batch| outbox.handle_receipt(BOB, &receipts, batch));
                    got.into_iter().for_each(|(parcel, next)| outbox.handle_got(BOB, parcel, next));
                }
            }
            outbox.handle_disconnected(BOB);
            (outbox, inbox) = (Outbox::load(&disk.0), Inbox::load(&bobs.0));
        }
        prop_assert_eq!(came, letters);
        prop_assert_eq!(outbox.waiting_for(BOB), 0);
    }

    #[test]
    fn a_parcel_s_name_is_that_of_its_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let message = ChatMessage::Receipt { parcels: vec![ParcelId::of(&bytes), ParcelId(Hash([9; 32]))] };
        prop_assert_eq!(decode_exact::<ChatMessage>(&message.to_bytes()), Ok(message));
    }
}

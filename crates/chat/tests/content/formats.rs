//! Encodings frozen by digest, what comes from later versions, and bytes that are no content.

use byway_chat::backup::BackupPart;
use byway_chat::content::book::BookChange;
use byway_chat::content::bounded::{BoundedBytes, BoundedList, BoundedText};
use byway_chat::content::limits::*;
use byway_chat::content::post::{Attachment, Post};
use byway_chat::content::{Content, Kind};
use byway_primitives::codec::decode_exact;
use byway_primitives::hash::Context;
use byway_primitives::{Decode, DecodeError, Encode};
use proptest::prelude::*;

use crate::fixed::{self, backup};

const FROZEN: Context = Context("byway test frozen encoding");

#[test]
fn contents_are_frozen() {
    let line = |(name, content): &(&str, Content)| {
        let bytes = content.to_bytes();
        assert_eq!(Content::from_bytes(&bytes).as_ref(), Ok(content), "{name}");
        format!("{name}: {} {}", bytes.len(), &FROZEN.hash(&[&bytes]).to_string()[..16])
    };
    let found: Vec<_> = fixed::contents().iter().map(line).collect();
    assert_eq!(found, FROZEN_CONTENTS);
}

/// What a program does not know, it keeps whole, and says so.
#[test]
fn what_comes_from_a_later_version_is_kept() {
    let [(_, unknown), (_, longer)] = &fixed::from_later()[..] else { panic!("there are two") };
    assert_eq!((unknown.kind.number(), unknown.kind.name()), (90, "a message of a newer kind"));
    assert!(unknown.kind.is_message() && !unknown.kind.is_volatile());
    assert!(matches!(longer.kind, Kind::Post(_)));
    assert_eq!((&longer.later.of_kind[..], &longer.later.of_envelope[..]), (&[1, 2][..], &[3][..]));
    let mut volatile = unknown.to_bytes();
    let number_at = volatile.len() - 5;
    volatile[number_at] = 200;
    let volatile = Content::from_bytes(&volatile).unwrap();
    assert!(volatile.kind.is_volatile() && !volatile.kind.is_message());
}

#[test]
fn kinds_of_a_moment_are_volatile_and_no_others() {
    for (name, content) in fixed::contents() {
        assert_eq!(content.kind.is_volatile(), matches!(name, "typing" | "presence"), "{name}");
    }
}

/// A value at its bound is read, one past it is refused; `change` makes bytes of the length at its argument.
fn refused_above(limit: usize, bytes: impl Fn(usize) -> Vec<u8>) {
    assert!(Content::from_bytes(&bytes(limit)).is_ok(), "{limit}");
    let over = Content::from_bytes(&bytes(limit + 1));
    assert!(matches!(over, Err(DecodeError::TooLong { .. } | DecodeError::OutOfRange)), "{limit}: {over:?}");
}

/// A content with a body that its sender's program does not bound.
fn with_body(number: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = fixed::content(1, fixed::post("")).to_bytes();
    let number_at = bytes.len() - 5;
    bytes.truncate(number_at);
    let mut out = byway_primitives::Writer::new();
    out.byte(number);
    out.bytes(body);
    bytes.extend(out.into_bytes());
    bytes
}

#[test]
fn what_is_over_its_bound_is_refused() {
    let written = |write: &dyn Fn(&mut byway_primitives::Writer)| {
        let mut out = byway_primitives::Writer::new();
        write(&mut out);
        out.into_bytes()
    };
    let people = |count: usize| vec![fixed::person(1); count];
    refused_above(TEXT_BYTES_MAX, |length| {
        with_body(1, &[written(&|out| out.text(&"x".repeat(length))), vec![0, 0]].concat())
    });
    refused_above(MENTIONS_MAX, |count| {
        with_body(1, &[vec![0], written(&|out| out.list(&people(count))), vec![0]].concat())
    });
    refused_above(ATTACHMENTS_MAX, |count| {
        let few = Attachment { thumbnail: None, ..fixed::attachment() };
        with_body(1, &[vec![0, 0], written(&|out| out.list(&vec![few.clone(); count]))].concat())
    });
    refused_above(RECEIPTS_MAX, |count| with_body(5, &written(&|out| out.list(&vec![fixed::message(1, 2); count]))));
    refused_above(POLL_OPTIONS_MAX, |count| {
        let options = vec![BoundedText::<9>::default(); count];
        with_body(8, &[vec![0], written(&|out| out.list(&options)), vec![1, 0]].concat())
    });
    refused_above(EMOJI_BYTES_MAX, |length| {
        let of = fixed::message(1, 2).to_bytes();
        with_body(4, &[of, written(&|out| out.text(&"x".repeat(length))), vec![1]].concat())
    });
    refused_above(BOOK_CHANGES_MAX, |count| {
        let change = BookChange { who: fixed::person(1), card: None };
        with_body(16, &written(&|out| out.list(&vec![change.clone(); count])))
    });
    refused_above(BOOK_NOTE_BYTES_MAX, |length| {
        let who = fixed::person(1).to_bytes();
        with_body(16, &[vec![1], who, vec![1, 0], written(&|out| out.text(&"x".repeat(length))), vec![0]].concat())
    });
    refused_above(BOOK_PLACES_BYTES_MAX, |length| {
        let who = fixed::person(1).to_bytes();
        with_body(16, &[vec![1], who, vec![1, 0, 0], written(&|out| out.bytes(&vec![1; length]))].concat())
    });
    refused_above(LAMPORT_MAX as usize, |lamport| {
        let mut content = fixed::content(1, fixed::post(""));
        content.lamport = lamport as u64;
        content.to_bytes()
    });
    let envelope = fixed::content(1, fixed::post("")).to_bytes().len();
    refused_above(CONTENT_BYTES_MAX, |length| {
        let mut content = fixed::content(1, fixed::post(""));
        content.later.of_envelope = vec![1; length - envelope];
        content.to_bytes()
    });
}

#[test]
fn what_is_too_long_to_send_is_not_packed() {
    let thumbnail = BoundedBytes::new(vec![0; THUMBNAIL_BYTES_MAX]).unwrap();
    let large = Attachment { thumbnail: Some(thumbnail), ..fixed::attachment() };
    for (count, is_packed) in [(1, true), (2, false)] {
        let attachments = BoundedList::new(vec![large.clone(); count]).unwrap();
        let content = fixed::content(1, Kind::Post(Post { text: fixed::text(""), attachments }));
        assert_eq!(content.pack().is_ok(), is_packed, "{count}");
    }
    assert!(BoundedText::<4>::new("12345").is_err() && BoundedList::<u8, 1>::new([1, 2]).is_err());
}

#[test]
fn what_means_nothing_is_refused() {
    let of = fixed::message(1, 2).to_bytes();
    let table: [(&str, u8, &[u8]); 9] = [
        ("a flag of two", 4, &[&of[..], &[1, b'x', 2]].concat()),
        ("a text that is not UTF-8", 1, &[1, 0xff, 0, 0]),
        ("a poll of one option", 8, &[0, 1, 0, 1, 0]),
        ("a poll in which nobody can choose", 8, &[0, 2, 0, 0, 0, 0]),
        ("a poll in which one chooses more than there is", 8, &[0, 2, 0, 0, 3, 0]),
        ("a vote for the 21st option", 9, &[&of[..], &[0x80, 0x80, 0x40]].concat()),
        ("a place that ends in 0", 12, &[&of[..], &[1, 4], &[7; 16], &[2, 1, 0]].concat()),
        ("a change of a list that is none", 12, &[&of[..], &[1, 6], &[7; 16]].concat()),
        ("a presence that is none", 129, &[3]),
    ];
    for (name, number, body) in table {
        assert!(Content::from_bytes(&with_body(number, body)).is_err(), "{name}");
    }
    assert!(Content::from_bytes(&with_body(8, &[0, 2, 0, 0, 2, 0])).is_ok());
    let mut other_version = fixed::content(1, fixed::post("")).to_bytes();
    other_version[0] = 2;
    assert!(matches!(Content::from_bytes(&other_version), Err(DecodeError::UnknownVariant { .. })));
}

#[test]
fn every_shorter_piece_of_a_content_is_refused() {
    for (name, content) in fixed::contents().into_iter().filter(|(name, _)| !name.ends_with("to come")) {
        let bytes = content.to_bytes();
        for length in 0..bytes.len() {
            assert!(Content::from_bytes(&bytes[..length]).is_err(), "{name}: {length}");
        }
    }
}

#[test]
fn no_key_is_written_to_a_log() {
    let logged = format!("{:?}", fixed::attachment());
    assert!(logged.contains("AttachmentKey(…)") && !logged.contains("[4, 4"), "{logged}");
}

proptest! {
    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let contents = fixed::contents();
        let mut bytes = contents[which.index(contents.len())].1.to_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(content) = Content::from_bytes(&bytes) {
            prop_assert_eq!(content.to_bytes(), bytes);
        }
    }
}

#[test]
fn a_backup_is_frozen_and_comes_back() {
    let part = backup();
    let bytes = part.to_bytes();
    assert_eq!(decode_exact::<BackupPart>(&bytes), Ok(part));
    assert_eq!(format!("{} {}", bytes.len(), &FROZEN.hash(&[&bytes]).to_string()[..16]), FROZEN_BACKUP);
    for end in 1..bytes.len() {
        // Where a record ends a part may end.
        if let Ok(shorter) = decode_exact::<BackupPart>(&bytes[..end]) {
            assert_eq!(shorter.to_bytes(), bytes[..end]);
        }
    }
    assert!(decode_exact::<BackupPart>(&[9]).is_err() && decode_exact::<BackupPart>(&[0, 2]).is_err());
}

const FROZEN_BACKUP: &str = "3418 5d2412a0c5641feb";

const FROZEN_CONTENTS: [&str; 24] = [
    "text: 44 ba0b5844c03d722f",
    "text, called: 133 608fac6b7e81e667",
    "files: 226 fbc9d695666c8834",
    "edit: 71 4126d63816722468",
    "deletion: 64 9e465274db4d64a5",
    "reaction: 74 7c11312efce36ba8",
    "reaction taken back: 74 f489ba529d1865a6",
    "voice note: 122 23c16da0f87a29b5",
    "poll: 59 7d61fc99e9d35da4",
    "vote: 65 a5a3606cea36b139",
    "close of a poll: 64 59aacc4daa6f959a",
    "memo: 44 980ce90ec8a5e91f",
    "receipt: 101 3402a7f2b3e7161c",
    "read mark: 101 f9b7e4642e7bc40d",
    "list: 201 90191bcad63e149a",
    "changes of a list: 227 73726fee8ac0257a",
    "profile: 37 061c72f7a849b82a",
    "settings: 39 29ff82701474728d",
    "changes of the address book: 114 381f5ae9febffbac",
    "typing: 29 45b0ab10e3e891ac",
    "presence: 29 175f859507caea0d",
    "answer in a thread: 106 9c313e1ad29e58fc",
    "a kind to come: 31 23dd8aa517201a79",
    "fields to come: 39 7297a3cac8a2c715",
];

//! The letters that keep groups together, as bytes.

use byway_chat::delivery::ChatMessage;
use byway_chat::delivery::group_letter::{GroupLetter, GroupMatter, PACKAGES_GIVEN_MAX};
use byway_chat::delivery::letter::Letter;
use byway_chat::mls::{EpochTag, Line, RoomId};
use byway_primitives::codec::{Encode, decode_exact};
use byway_primitives::{DecodeError, Hash, Time};

fn letter(what: GroupMatter) -> Letter {
    Letter::Group(GroupLetter { at: Time(1), what })
}

fn packages(count: usize) -> Letter {
    letter(GroupMatter::Packages { packages: vec![vec![7; 3]; count] })
}

#[test]
fn each_matter_is_read_as_it_was_written_and_nothing_else_is() {
    let (room, epoch) = (RoomId([5; 32]), EpochTag(Hash([6; 32])));
    let line = Line::default();
    let matters = [
        (0, packages(2)),
        (1, letter(GroupMatter::Again { room, epoch })),
        (2, letter(GroupMatter::Line { room, line: line.clone(), asks: true })),
        (3, letter(GroupMatter::Info { room, line, invitation: vec![1], tree: vec![2; 300] })),
        (4, letter(GroupMatter::Gone { room, epochs: vec![epoch; 3] })),
    ];
    for (number, letter) in matters {
        let bytes = letter.to_bytes();
        assert_eq!(&bytes[..3], [3, 1, number]);
        assert_eq!(decode_exact::<Letter>(&bytes), Ok(letter));
        (0..bytes.len()).for_each(|end| assert!(decode_exact::<Letter>(&bytes[..end]).is_err(), "{number} {end}"));
    }
    assert!(matches!(decode_exact::<Letter>(&[3, 1, 5]), Err(DecodeError::UnknownVariant { value: 5, .. })));
    assert_eq!(decode_exact::<ChatMessage>(&[4]), Ok(ChatMessage::Resend));
    let parcel = byway_chat::delivery::ParcelId(Hash([9; 32]));
    let not_now = ChatMessage::NotNow { parcel };
    assert_eq!(not_now.to_bytes(), [&[5][..], &[9; 32]].concat());
    assert_eq!(decode_exact::<ChatMessage>(&not_now.to_bytes()), Ok(not_now));
}

#[test]
fn no_more_packages_come_in_one_letter_than_are_kept() {
    assert!(decode_exact::<Letter>(&packages(PACKAGES_GIVEN_MAX).to_bytes()).is_ok());
    let over = decode_exact::<Letter>(&packages(PACKAGES_GIVEN_MAX + 1).to_bytes());
    assert!(matches!(over, Err(DecodeError::TooLong { .. })), "{over:?}");
}

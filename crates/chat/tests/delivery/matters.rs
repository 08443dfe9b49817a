//! The letters that keep groups together, and those of devices of one person, as bytes.

use byway_chat::delivery::group_letter::{GroupLetter, GroupMatter, PACKAGES_GIVEN_MAX};
use byway_chat::delivery::letter::{Letter, NAME_MAX, PAYMENT_MAX};
use byway_chat::delivery::own_letter::{Keeping, LinkToken, OwnLetter, OwnMatter, PEOPLE_MAX};
use byway_chat::delivery::{Ask, AskRefusal, ChatMessage, PaymentFault};
use byway_chat::device::DeviceCertificate;
use byway_chat::mls::{EpochTag, Line, RoomId};
use byway_chat::people::{Person, Standing};
use byway_crypto::IdentitySecret;
use byway_primitives::codec::{Encode, decode_exact};
use byway_primitives::{Amount, DecodeError, Hash, IdentityId, NetworkId, Span, Time};

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
fn each_refusal_is_read_as_it_was_written_and_nothing_else_is() {
    let parcel = byway_chat::delivery::ParcelId(Hash([9; 32]));
    let faults = [PaymentFault::Unreadable, PaymentFault::Foreign, PaymentFault::Unbacked, PaymentFault::Short];
    let refusals = [
        AskRefusal::Price { price: Amount::from_units(300) },
        AskRefusal::Later { after: Span::seconds(600) },
        AskRefusal::Full,
    ];
    for refusal in refusals.into_iter().chain(faults.map(AskRefusal::Payment)) {
        let message = ChatMessage::Refused { parcel, refusal };
        let bytes = message.to_bytes();
        assert_eq!(bytes[0], 6);
        assert_eq!(decode_exact::<ChatMessage>(&bytes), Ok(message));
        (0..bytes.len())
            .for_each(|end| assert!(decode_exact::<ChatMessage>(&bytes[..end]).is_err(), "{refusal} {end}"));
    }
    for wrong in [&[4][..], &[3, 4]] {
        let bytes = [&[6][..], &[9; 32], wrong].concat();
        assert!(matches!(decode_exact::<ChatMessage>(&bytes), Err(DecodeError::UnknownVariant { value: 4, .. })));
    }
    let ask = |payment| {
        let (token, group) = (None, Some(RoomId([5; 32])));
        Letter::Ask(Ask { token, package: vec![1; 80], name: "bob".to_owned(), payment, group })
    };
    let most = ask(vec![7; PAYMENT_MAX]);
    assert_eq!(decode_exact::<Letter>(&most.to_bytes()), Ok(most));
    let over = decode_exact::<Letter>(&ask(vec![7; PAYMENT_MAX + 1]).to_bytes());
    assert!(matches!(over, Err(DecodeError::TooLong { .. })), "{over:?}");
}

#[test]
fn no_more_packages_come_in_one_letter_than_are_kept() {
    assert!(decode_exact::<Letter>(&packages(PACKAGES_GIVEN_MAX).to_bytes()).is_ok());
    let over = decode_exact::<Letter>(&packages(PACKAGES_GIVEN_MAX + 1).to_bytes());
    assert!(matches!(over, Err(DecodeError::TooLong { .. })), "{over:?}");
}

fn own(what: OwnMatter) -> Letter {
    Letter::Own(Box::new(OwnLetter { number: 1, what }))
}

fn people(count: usize) -> Letter {
    let person = Person {
        standing: Standing::Contact,
        name: "b".repeat(NAME_MAX),
        nickname: Some("c".repeat(NAME_MAX)),
        since: Time(1),
        direct: Some(RoomId([5; 32])),
        verified: Some(Time(u64::MAX)),
    };
    own(OwnMatter::People { people: vec![(IdentityId([1; 20]), Some(person)); count] })
}

#[test]
fn what_devices_of_one_person_say_is_read_as_it_was_written_and_nothing_else_is() {
    let [person, node] = [1, 2].map(|byte| IdentitySecret::from_bytes(&[byte; 32]).unwrap());
    let network = NetworkId(Hash([3; 32]));
    let key = byway_chat::device::DeviceSecret::from_seed(&[4; 32]).key();
    let consent = byway_chat::device::DeviceConsent::give(&node, network, person.id(), key);
    let (since, until) = (Time(1), Time(1) + Span::days(1));
    let certificate = DeviceCertificate::issue_linked(&person, network, (&consent, 1), since, until).unwrap();
    assert_eq!(decode_exact::<DeviceCertificate>(&certificate.to_bytes()), Ok(certificate.clone()));
    let (room, who) = (RoomId([5; 32]), IdentityId([6; 20]));
    let of = byway_chat::content::MessageRef { author: who, id: byway_chat::content::MessageId([7; 16]) };
    let head = byway_chat::backup::BackupRecord::Head { network, identity: who, made: Time(1) };
    let matters = [
        OwnMatter::Call { token: LinkToken(zeroize::Zeroizing::new([8; 16])) },
        OwnMatter::Consent { consent },
        OwnMatter::Certificate { certificate, name: "alice".to_owned() },
        OwnMatter::People { people: vec![(who, None)] },
        OwnMatter::Block { who, is_blocked: true },
        OwnMatter::Nickname { who, nickname: Some("bob".to_owned()) },
        OwnMatter::Add { room, who },
        OwnMatter::Read { room, of },
        OwnMatter::Leave { room },
        OwnMatter::Farewell,
        OwnMatter::History { total: 5, given: 2, is_last: false, records: vec![head] },
        OwnMatter::Keep(Keeping {
            room,
            at: Time(2),
            is_pinned: true,
            muted_until: Some(Time(3)),
            is_marked_unread: false,
        }),
        OwnMatter::Verified { who, at: Some(Time(4)) },
    ];
    for (number, matter) in (0..).zip(matters) {
        let letter = own(matter);
        let bytes = letter.to_bytes();
        assert_eq!(&bytes[..3], [4, 1, number]);
        assert_eq!(decode_exact::<Letter>(&bytes), Ok(letter));
        (0..bytes.len()).for_each(|end| assert!(decode_exact::<Letter>(&bytes[..end]).is_err(), "{number} {end}"));
    }
    assert!(matches!(decode_exact::<Letter>(&[4, 1, 99]), Err(DecodeError::UnknownVariant { value: 99, .. })));
}

#[test]
fn no_more_people_come_in_one_letter_than_go() {
    assert!(decode_exact::<Letter>(&people(PEOPLE_MAX).to_bytes()).is_ok());
    let over = decode_exact::<Letter>(&people(PEOPLE_MAX + 1).to_bytes());
    assert!(matches!(over, Err(DecodeError::TooLong { .. })), "{over:?}");
}

//! What devices of a conversation send each other.

use std::sync::LazyLock;

use byway_chat::delivery::letter::part;
use byway_chat::delivery::own_letter::{LinkToken, OwnLetter, OwnMatter};
use byway_chat::delivery::{Ask, AskRefusal, ChatMessage, InviteToken, Letter, PaymentFault};
use byway_chat::mls::{Room, in_turn};
use byway_chat::people::{Person, Standing};
use byway_primitives::{Amount, Batch, Decode, Encode, IdentityId, Span};

use super::Samples;
use super::rooms::{Fixed, NOW, ROOM, fixed, linked};

static FIXED: LazyLock<Fixed> = LazyLock::new(fixed);

pub(crate) fn device_certificate() -> Samples {
    vec![FIXED.device.certificate.to_bytes(), linked().to_bytes()]
}

pub(crate) fn chat_letter() -> Samples {
    let (who, certificate) = (IdentityId([6; 20]), linked());
    let (name, nickname) = ("bob".to_owned(), Some("Bobby".to_owned()));
    let person =
        Person { standing: Standing::Contact, name, nickname, since: NOW, direct: Some(ROOM), verified: Some(NOW) };
    let consent = certificate.consent().expect("it is linked");
    let head = byway_chat::backup::BackupRecord::Person { peer: who, person: person.clone() };
    let matters = [
        OwnMatter::Call { token: LinkToken::from_bytes(&[8; 16]).expect("16 bytes") },
        OwnMatter::Consent { consent },
        OwnMatter::Certificate { certificate, name: "alice".to_owned() },
        OwnMatter::People { people: vec![(who, Some(person)), (who, None)] },
        OwnMatter::Leave { room: ROOM },
        OwnMatter::Verified { who, at: Some(NOW) },
        OwnMatter::History { total: 5, given: 2, is_last: true, records: vec![head] },
    ];
    let own = matters.into_iter().map(|what| Letter::Own(Box::new(OwnLetter { number: 1, what })));
    let frames = FIXED.frames.iter().map(|(_, frame)| Letter::Sealed(frame.clone()));
    own.chain(frames).chain(asks()).map(|letter| letter.to_bytes()).collect()
}

/// With all that somebody may show, and with nothing of it.
fn asks() -> [Letter; 2] {
    let bare = Ask { token: None, package: vec![9; 40], name: String::new(), payment: Vec::new(), group: None };
    let token = Some(InviteToken::from_bytes(&[8; 16]).expect("16 bytes"));
    [
        Letter::Ask(Ask { token, name: "bob".to_owned(), payment: vec![7; 30], group: Some(ROOM), ..bare.clone() }),
        Letter::Ask(bare),
    ]
}

pub(crate) fn chat_message() -> Samples {
    let (parcel, bytes) = asks()[0].pack();
    let refusals = [
        AskRefusal::Price { price: Amount::from_units(300) },
        AskRefusal::Later { after: Span::seconds(600) },
        AskRefusal::Full,
        AskRefusal::Payment(PaymentFault::Short),
    ];
    let messages = [
        part(parcel, &bytes, 0),
        ChatMessage::Receipt { parcels: vec![parcel] },
        ChatMessage::Got { parcel, next: 4 },
        ChatMessage::Passing { frame: vec![1; 20] },
        ChatMessage::Resend,
        ChatMessage::NotNow { parcel },
    ];
    let refused = refusals.into_iter().map(|refusal| ChatMessage::Refused { parcel, refusal });
    messages.into_iter().chain(refused).map(|message| message.to_bytes()).collect()
}

pub(crate) fn room_frame() -> Samples {
    FIXED.frames.iter().map(|(_, frame)| frame.clone()).collect()
}

pub(crate) fn room_invitation() -> Samples {
    vec![FIXED.invitation.clone(), FIXED.info.clone()]
}

pub(crate) fn room_roles() -> Samples {
    vec![FIXED.roles.to_bytes()]
}

pub(crate) fn room_line() -> Samples {
    vec![FIXED.line.to_bytes()]
}

pub(crate) fn kept_package() -> Samples {
    vec![FIXED.kept.to_bytes()]
}

pub(crate) fn room_received() -> Samples {
    let is_next = |name: &str| ["content", "commit", "entry"].contains(&name);
    FIXED.frames.iter().filter(|(name, _)| is_next(name)).map(|(_, frame)| frame.clone()).collect()
}

/// A device that was just added takes a frame.
pub(crate) fn receive(bytes: &[u8]) -> bool {
    let room = Room::load(&FIXED.store, ROOM, FIXED.device.clone()).expect("was just written");
    room.expect("is there").receive(NOW, &[20; 32], bytes, &mut Batch::new()).is_ok()
}

pub(crate) fn room_welcome() -> Samples {
    vec![FIXED.invitation.clone()]
}

/// A device takes an invitation.
pub(crate) fn enter(bytes: &[u8]) -> bool {
    let kept = std::slice::from_ref(&FIXED.kept);
    Room::enter(&FIXED.device, (bytes, &FIXED.tree), kept, (&[21; 32], NOW, in_turn), &mut Batch::new()).is_ok()
}

pub(crate) fn room_tree() -> Samples {
    vec![FIXED.tree.clone()]
}

/// A device takes the tree of keys beside an invitation.
pub(crate) fn enter_tree(bytes: &[u8]) -> bool {
    let kept = std::slice::from_ref(&FIXED.kept);
    Room::enter(&FIXED.device, (&FIXED.invitation, bytes), kept, (&[21; 32], NOW, in_turn), &mut Batch::new()).is_ok()
}

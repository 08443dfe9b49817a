//! One content of each kind, and one record of each kind of a backup, with fixed bytes.

use byway_chat::backup::{BackupOwn, BackupPart, BackupRecord, BackupTalk};
use byway_chat::content::book::{BookCard, BookChange, BookChanges};
use byway_chat::content::bounded::{BoundedBytes, BoundedList, BoundedText};
use byway_chat::content::lists::{EntryId, EntryTag, List, ListChange, ListChanges, ListStyle, Position};
use byway_chat::content::poll::{Choices, Poll, PollClose, Vote};
use byway_chat::content::post::{
    Attachment, AttachmentKey, Deletion, Edit, Emoji, Memo, Post, Reaction, Shape, Text, Voice,
};
use byway_chat::content::signs::{Presence, Profile, ReadMark, Receipt, Settings, Typing};
use byway_chat::content::{Author, Content, Kind, MessageId, MessageRef, Rights, Sender, Shown};
use byway_chat::mls::{Roles, RoomId};
use byway_chat::people::{Person, Standing};
use byway_primitives::{Decode, Encode, Hash, IdentityId, NetworkId, Span, Time};

pub const TIME: Time = Time(1_800_000_000_000);

pub fn person(number: u8) -> IdentityId {
    IdentityId([number; 20])
}

pub fn message(author: u8, id: u8) -> MessageRef {
    MessageRef { author: person(author), id: MessageId([id; 16]) }
}

pub fn text(source: &str) -> Text {
    Text { source: BoundedText::new(source).expect("within its bounds"), mentions: BoundedList::default() }
}

pub fn post(source: &str) -> Kind {
    Kind::Post(Post { text: text(source), attachments: BoundedList::default() })
}

pub fn attachment() -> Attachment {
    Attachment {
        name: BoundedText::new("map.png").expect("within its bounds"),
        media_type: BoundedText::new("image/png").expect("within its bounds"),
        size: 70_000,
        root: Hash([3; 32]),
        key: AttachmentKey([4; 32]),
        shape: Some(Shape { width: 640, height: 480 }),
        duration: None,
        thumbnail: Some(BoundedBytes::new([0x89, b'P', b'N', b'G']).expect("within its bounds")),
    }
}

pub fn put(entry: u8, place: &Position, text: &str) -> ListChange {
    ListChange::Put {
        entry: EntryId([entry; 16]),
        place: place.clone(),
        text: BoundedText::new(text).expect("within its bounds"),
    }
}

fn list_changes() -> Vec<ListChange> {
    let entry = EntryId([8; 16]);
    let place = Position::between(None, None).expect("within its bounds");
    vec![
        put(8, &place, "bread"),
        ListChange::Write { entry, text: BoundedText::new("rye bread").expect("within its bounds") },
        ListChange::Done { entry, is_done: true },
        ListChange::Assign { entry, to: Some(person(2)) },
        ListChange::Move { entry, place: Position::between(Some(&place), None).expect("within its bounds") },
        ListChange::TakeOff { entry, seen: BoundedList::new([EntryTag([9; 16])]).expect("within its bounds") },
    ]
}

/// The kinds that make up messages and what is said about them.
fn posted() -> Vec<(&'static str, Kind)> {
    let of = message(1, 7);
    let mentions = BoundedList::new([person(2), person(3)]).expect("within its bounds");
    let called = Text { mentions, ..text("hello [@Ada](mention:0202020202020202020202020202020202020202)") };
    let recording = Attachment { duration: Some(Span::seconds(12)), shape: None, thumbnail: None, ..attachment() };
    vec![
        ("text", post("hello *world*")),
        ("text, called", Kind::Post(Post { text: called, attachments: BoundedList::default() })),
        (
            "files",
            Kind::Post(Post {
                text: text(""),
                attachments: BoundedList::new([attachment(), attachment()]).expect("within its bounds"),
            }),
        ),
        ("edit", Kind::Edit(Edit { of, text: text("hello") })),
        ("deletion", Kind::Deletion(Deletion { of })),
        (
            "reaction",
            Kind::Reaction(Reaction { of, emoji: Emoji::new("👍🏽").expect("within its bounds"), is_there: true }),
        ),
        (
            "reaction taken back",
            Kind::Reaction(Reaction { of, emoji: Emoji::new("👍🏽").expect("within its bounds"), is_there: false }),
        ),
        (
            "voice note",
            Kind::Voice(Voice { recording, levels: BoundedBytes::new([0, 90, 255]).expect("within its bounds") }),
        ),
        (
            "poll",
            Kind::Poll(
                Poll::new("When?", &["Friday", "Saturday"], 2, Some(TIME + Span::days(1))).expect("within its bounds"),
            ),
        ),
        ("vote", Kind::Vote(Vote { poll: of, choices: Choices::new([0, 1]).expect("within its bounds") })),
        ("close of a poll", Kind::PollClose(PollClose { poll: of })),
        ("memo", Kind::Memo(Memo { text: text("buy rye"), remind: Some(TIME) })),
    ]
}

/// One person is written into a book, and another taken out.
fn book() -> Kind {
    let card = BookCard {
        name: BoundedText::new("Ada").expect("within its bounds"),
        note: BoundedText::new("knows about bread").expect("within its bounds"),
        places: BoundedBytes::new([7; 20]).expect("within its bounds"),
    };
    let changes = [BookChange { who: person(2), card: Some(card) }, BookChange { who: person(3), card: None }];
    Kind::Book(BookChanges(BoundedList::new(changes).expect("within its bounds")))
}

/// All others.
fn beside() -> Vec<(&'static str, Kind)> {
    let title = BoundedText::new("shopping").expect("within its bounds");
    let changes = BoundedList::new(list_changes()).expect("within its bounds");
    let messages = BoundedList::new([message(1, 7), message(2, 7)]).expect("within its bounds");
    let picture = Some(BoundedBytes::new([0xff, 0xd8, 0xff]).expect("within its bounds"));
    let name = BoundedText::new("Ada").expect("within its bounds");
    vec![
        ("receipt", Kind::Receipt(Receipt { messages: messages.clone() })),
        ("read mark", Kind::ReadMark(ReadMark { messages })),
        ("list", Kind::List(List { title, style: ListStyle::Shared, changes: changes.clone() })),
        ("changes of a list", Kind::ListChanges(ListChanges { list: message(1, 7), changes })),
        ("profile", Kind::Profile(Profile { nickname: name.clone(), picture })),
        ("settings", Kind::Settings(Settings { title: Some(name), disappearing: Some(Span::days(7)) })),
        ("changes of the address book", book()),
        ("typing", Kind::Typing(Typing { is_typing: true })),
        ("presence", Kind::Presence(Presence::Busy)),
    ]
}

pub fn content(id: u8, kind: Kind) -> Content {
    Content::new(MessageId([id; 16]), TIME, 5, kind)
}

/// What a version to come might send: a kind that is not known here, and fields at both ends of one that is.
pub fn from_later() -> Vec<(&'static str, Content)> {
    let mut unknown = content(1, post("")).to_bytes();
    let kind_at = unknown.len() - 5;
    unknown.splice(kind_at.., [90, 3, 1, 2, 3]);
    let unknown = Content::from_bytes(&unknown).expect("within its bounds");
    let mut longer = content(1, post("hello"));
    longer.later.of_kind = vec![1, 2];
    longer.later.of_envelope = vec![3];
    vec![("a kind to come", unknown), ("fields to come", longer)]
}

pub fn contents() -> Vec<(&'static str, Content)> {
    let mut answer = content(1, post("yes"));
    (answer.thread, answer.reply) = (Some(message(1, 7)), Some(message(2, 8)));
    let kinds = posted().into_iter().chain(beside());
    let all = kinds.map(|(name, kind)| (name, content(1, kind)));
    all.chain([("answer in a thread", answer)]).chain(from_later()).collect()
}

/// One record of each kind, with all messages as they stand once everything was said.
pub fn backup() -> BackupPart {
    let (mut shown, room) = (Shown::default(), RoomId([8; 32]));
    let rights = Rights { deletes_others: true, changes_settings: true };
    let sender = Sender { author: Author { identity: person(1), device: 0 }, rights };
    for (id, (_, content)) in (1..).zip(contents()) {
        // Some are about messages of others.
        let _ = shown.apply(&sender, &Content { id: MessageId([id; 16]), ..content });
    }
    let member = Person {
        standing: Standing::Contact,
        name: "Ada".into(),
        nickname: None,
        since: TIME,
        direct: Some(room),
        verified: None,
    };
    let asking =
        Person { standing: Standing::Asking { package: vec![9; 40] }, nickname: Some("Bo".into()), ..member.clone() };
    let talk = BackupTalk {
        room,
        direct: None,
        members: vec![person(1), person(2)],
        roles: Some(Roles::group(person(1))),
        is_in: true,
        since: TIME,
        lamport: 700,
        next: 5,
        read: 3,
        unread: 2,
        about: shown.about.clone(),
    };
    let draft = BoundedText::new("half a sen").expect("within its bounds");
    let own = BackupOwn { room, draft, is_pinned: true, muted_until: Some(TIME), is_marked_unread: true };
    let messages = (0u64..).zip(shown.items.into_values()).map(|(place, item)| {
        let shown = byway_chat::chats::Shown { place, item };
        BackupRecord::Message { room, shown }
    });
    let records = [
        BackupRecord::Head { network: NetworkId(Hash([3; 32])), identity: person(1), made: TIME },
        BackupRecord::Person { peer: person(2), person: member },
        BackupRecord::Person { peer: person(3), person: asking },
        BackupRecord::Card { peer: person(2), card: vec![7; 20] },
        BackupRecord::Talk(talk),
        BackupRecord::Own(own),
    ];
    BackupPart(records.into_iter().chain(messages).collect())
}

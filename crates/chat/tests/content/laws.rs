//! In whatever order contents come, and however often, what is shown in the end is the same.

use byway_chat::content::book::{BookCard, BookChange, BookChanges};
use byway_chat::content::bounded::{BoundedList, BoundedText};
use byway_chat::content::lists::{Entries, EntryId, EntryTag, List, ListChange, ListChanges, ListStyle, Position};
use byway_chat::content::poll::{Choices, Poll, PollClose, Vote};
use byway_chat::content::post::{Deletion, Edit, Emoji, Memo, Reaction};
use byway_chat::content::signs::{Profile, ReadMark, Receipt, Settings};
use byway_chat::content::{About, Author, Content, Item, Kind, MessageId, MessageRef, Rights, Sender, Shown, Stamp};
use byway_primitives::{Decode, Encode, Span, Time};
use proptest::prelude::*;

use crate::fixed;

/// Few of everything, so that contents meet: three people of two devices each, of whom the first is an admin.
fn sender() -> impl Strategy<Value = Sender> {
    (0u8..3, 0u32..2).prop_map(|(person, device)| Sender {
        author: Author { identity: fixed::person(person), device },
        rights: Rights { deletes_others: person == 0, changes_settings: person < 2 },
    })
}

fn message() -> impl Strategy<Value = MessageRef> {
    (0u8..3, 0u8..4).prop_map(|(author, id)| fixed::message(author, id))
}

fn position() -> impl Strategy<Value = Position> {
    (0usize..4).prop_map(|steps| {
        let first = Position::between(None, None).expect("within its bounds");
        (0..steps).fold(first, |place, _| Position::between(Some(&place), None).expect("within its bounds"))
    })
}

pub fn list_change() -> impl Strategy<Value = ListChange> {
    let entry = || (0u8..3).prop_map(|entry| EntryId([entry; 16]));
    let line = || "[a-c]{0,2}".prop_map(|text| BoundedText::new(text).expect("within its bounds"));
    let tag = (0u8..4).prop_map(|tag| EntryTag([tag; 16]));
    let tags = prop::collection::vec(tag, 0..3).prop_map(|tags| BoundedList::new(tags).expect("within its bounds"));
    prop_oneof![
        (entry(), position(), line()).prop_map(|(entry, place, text)| ListChange::Put { entry, place, text }),
        (entry(), line()).prop_map(|(entry, text)| ListChange::Write { entry, text }),
        (entry(), any::<bool>()).prop_map(|(entry, is_done)| ListChange::Done { entry, is_done }),
        (entry(), prop::option::of(0u8..3))
            .prop_map(|(entry, to)| ListChange::Assign { entry, to: to.map(fixed::person) }),
        (entry(), position()).prop_map(|(entry, place)| ListChange::Move { entry, place }),
        (entry(), tags).prop_map(|(entry, seen)| ListChange::TakeOff { entry, seen }),
    ]
}

fn list_changes() -> impl Strategy<Value = Vec<ListChange>> {
    prop::collection::vec(list_change(), 0..4)
}

fn posted() -> impl Strategy<Value = Kind> {
    let poll = |max: u8| Kind::Poll(Poll::new("?", &["a", "b"], max, Some(Time(2))).expect("within its bounds"));
    let list = |changes: Vec<ListChange>| {
        let changes = BoundedList::new(changes).expect("within its bounds");
        Kind::List(List { title: BoundedText::default(), style: ListStyle::Tasks, changes })
    };
    prop_oneof![
        "[ab]".prop_map(|source| fixed::post(&source)),
        "[ab]".prop_map(|source| Kind::Memo(Memo { text: fixed::text(&source), remind: None })),
        (1u8..=2).prop_map(poll),
        list_changes().prop_map(list),
        Just(fixed::from_later()[0].1.kind.clone()),
    ]
}

fn about_one() -> impl Strategy<Value = Kind> {
    let emoji = |text: String| Emoji::new(&text).expect("within its bounds");
    let choices =
        prop::collection::vec(0usize..3, 0..3).prop_map(|places| Choices::new(places).expect("within its bounds"));
    prop_oneof![
        (message(), "[cd]").prop_map(|(of, source)| Kind::Edit(Edit { of, text: fixed::text(&source) })),
        message().prop_map(|of| Kind::Deletion(Deletion { of })),
        (message(), "[xyz]", any::<bool>()).prop_map(move |(of, text, is_there)| Kind::Reaction(Reaction {
            of,
            emoji: emoji(text),
            is_there
        })),
        (message(), choices).prop_map(|(poll, choices)| Kind::Vote(Vote { poll, choices })),
        message().prop_map(|poll| Kind::PollClose(PollClose { poll })),
        (message(), list_changes()).prop_map(|(list, changes)| {
            Kind::ListChanges(ListChanges { list, changes: BoundedList::new(changes).expect("within its bounds") })
        }),
    ]
}

fn beside() -> impl Strategy<Value = Kind> {
    let name = || "[AB]".prop_map(|name| BoundedText::new(name).expect("within its bounds"));
    let messages = || {
        prop::collection::vec(message(), 0..4)
            .prop_map(|messages| BoundedList::new(messages).expect("within its bounds"))
    };
    prop_oneof![
        messages().prop_map(|messages| Kind::Receipt(Receipt { messages })),
        messages().prop_map(|messages| Kind::ReadMark(ReadMark { messages })),
        name().prop_map(|nickname| Kind::Profile(Profile { nickname, picture: None })),
        (prop::option::of(name()), prop::option::of(0u64..3))
            .prop_map(|(title, days)| Kind::Settings(Settings { title, disappearing: days.map(Span::days) })),
        prop::collection::vec((0u8..3, prop::option::of(name())), 0..4).prop_map(|people| {
            let card = |name| BookCard { name, ..BookCard::default() };
            let changes =
                people.into_iter().map(|(who, name)| BookChange { who: fixed::person(who), card: name.map(card) });
            Kind::Book(BookChanges(BoundedList::new(changes.collect::<Vec<_>>()).expect("within its bounds")))
        }),
    ]
}

fn sent() -> impl Strategy<Value = (Sender, Content)> {
    let kind = prop_oneof![3 => posted(), 6 => about_one(), 2 => beside()];
    let place = (0u8..4, 0u64..4, 0u64..3);
    (sender(), place, prop::option::of(message()), kind).prop_map(|(sender, (id, sent, lamport), thread, kind)| {
        let mut content = Content::new(MessageId([id; 16]), Time(sent), lamport, kind);
        content.thread = thread;
        (sender, content)
    })
}

fn shown<'a>(all: impl IntoIterator<Item = &'a (Sender, Content)>) -> Shown {
    let mut shown = Shown::default();
    for (sender, content) in all {
        // What is refused in one order may be forgotten in another: only what is left in the end counts.
        let _ = shown.apply(sender, content);
    }
    shown
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_order_shows_the_same(
        (all, mixed) in prop::collection::vec(sent(), 1..24)
            .prop_flat_map(|all| { let mixed = Just([all.clone(), all.clone()].concat()).prop_shuffle(); (Just(all), mixed) }),
    ) {
        let (once, mixed) = (shown(&all), shown(&mixed));
        prop_assert_eq!(&once, &mixed);
        prop_assert_eq!(once, shown(all.iter().rev()));
    }

    /// What an item shows is never more than its people said: nothing that is looked at fails.
    #[test]
    fn everything_can_be_looked_at(all in prop::collection::vec(sent(), 1..24)) {
        for item in shown(&all).items.values() {
            prop_assert!(item.reactions().iter().all(|(_, people)| (1..=3).contains(&people.len())));
            prop_assert!(item.tally().is_none_or(|tally| tally.chosen.iter().all(|people| people.len() <= 3)));
            prop_assert!(!item.is_gone() || (item.content().is_none() && item.text().is_none()));
            let entries = item.entries().shown();
            prop_assert!(entries.windows(2).all(|pair| (pair[0].1.place(), pair[0].0) < (pair[1].1.place(), pair[1].0)));
        }
    }

    /// What is kept on disk comes back as it was, and goes on alike.
    #[test]
    fn what_is_kept_is_what_was_shown(all in prop::collection::vec(sent(), 1..24), more in sent()) {
        let mut kept = shown(&all);
        for item in kept.items.values_mut() {
            let read = Item::from_bytes(&item.to_bytes()).expect("it was written here");
            prop_assert_eq!(&read, &*item);
            *item = read;
        }
        kept.about = About::from_bytes(&kept.about.to_bytes()).expect("it was written here");
        let mut before = shown(&all);
        prop_assert_eq!(before.apply(&more.0, &more.1), kept.apply(&more.0, &more.1));
        prop_assert_eq!(before, kept);
    }

    /// Two devices of a person have heard some of it each. How many replies there are each counts for itself.
    #[test]
    fn what_two_have_heard_joins_to_what_one_who_has_heard_all_has(
        all in prop::collection::vec((sent(), 1u8..4), 1..24),
    ) {
        let all: Vec<_> = all.into_iter().map(|((sender, mut content), heard_by)| {
            content.thread = None;
            ((sender, content), heard_by)
        }).collect();
        let heard = |device: u8| shown(all.iter().filter(|(_, by)| by & device != 0).map(|(sent, _)| sent));
        let (one, other, both) = (heard(1), heard(2), shown(all.iter().map(|(sent, _)| sent)));
        let join = |one: &Shown, other: &Shown| {
            let mut joined = one.items.clone();
            for (of, item) in &other.items {
                joined.entry(*of).or_insert_with(|| item.clone()).join(item);
            }
            let mut about = one.about.clone();
            about.join(&other.about);
            (joined, about)
        };
        let expected = (both.items.clone(), both.about.clone());
        prop_assert_eq!(join(&one, &other), expected.clone());
        prop_assert_eq!(join(&other, &one), expected.clone());
        prop_assert_eq!(join(&both, &one), expected);
    }

    #[test]
    fn lists_join_alike_however_they_meet(a in said_of_a_list(), b in said_of_a_list(), c in said_of_a_list()) {
        let join = |one: &Entries, other: &Entries| {
            let mut joined = one.clone();
            joined.join(other).expect("there is room");
            joined
        };
        prop_assert_eq!(join(&a, &b), join(&b, &a));
        prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
        prop_assert_eq!(&join(&a, &a), &a);
        prop_assert_eq!(join(&join(&a, &b), &b), join(&a, &b));
    }
}

/// A copy of a list as one device may have it. Equal stamps are of equal contents, so they differ here where anything does.
fn said_of_a_list() -> impl Strategy<Value = Entries> {
    prop::collection::vec((0u64..3, 0u8..3, list_changes()), 0..6).prop_map(|said| {
        let mut entries = Entries::default();
        for (lamport, person, changes) in said {
            let list = fixed::message(0, 0);
            let kind = Kind::ListChanges(ListChanges {
                list,
                changes: BoundedList::new(changes.clone()).expect("within its bounds"),
            });
            let author = Author { identity: fixed::person(person), device: 0 };
            let stamp: Stamp = Content::new(MessageId([0; 16]), Time(0), lamport, kind).stamp(author);
            entries.change(&changes, stamp).expect("there is room");
        }
        entries
    })
}

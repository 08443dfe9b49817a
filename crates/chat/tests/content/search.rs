//! Finding messages again.

use std::collections::{BTreeMap, BTreeSet};

use byway_chat::chats::{Shown, keep_message};
use byway_chat::content::post::{Deletion, Edit};
use byway_chat::content::query::{Has, fold};
use byway_chat::content::{Author, Content, Item, Kind, MessageId, MessageRef, Rights, Sender, Shown as All};
use byway_chat::mls::RoomId;
use byway_chat::search::{Found, Gathering, Index, MARKS_MAX, NotAPlace, Sought, marks};
use byway_primitives::{Batch, IdentityId, MemoryStore, Time};
use proptest::prelude::*;

use crate::fixed;

const NOW: Time = fixed::TIME;

fn room(number: u8) -> RoomId {
    RoomId([number; 32])
}

/// What was said, and where it stands.
#[derive(Debug, Clone)]
struct Said {
    room: u8,
    place: u64,
    author: u8,
    sent: u64,
    text: String,
}

impl Said {
    fn of(&self) -> MessageRef {
        let mut id = [self.room; 16];
        id[8..].copy_from_slice(&self.place.to_be_bytes());
        MessageRef { author: fixed::person(self.author), id: MessageId(id) }
    }

    /// The message after what was said of it by its author.
    fn after(&self, more: impl IntoIterator<Item = Kind>) -> Item {
        let sender =
            Sender { author: Author { identity: fixed::person(self.author), device: 0 }, rights: Rights::default() };
        let mut all = All::default();
        let post = Content::new(self.of().id, Time(self.sent), 5, fixed::post(&self.text));
        all.apply(&sender, &post).expect("nothing is there that it could not stand beside");
        for (number, kind) in (0u8..).zip(more) {
            let content = Content::new(MessageId([number; 16]), NOW, 6 + u64::from(number), kind);
            all.apply(&sender, &content).expect("its author may say it");
        }
        all.items.remove(&self.of()).expect("it was said")
    }

    fn shown(&self) -> Shown {
        Shown { place: self.place, item: self.after([]) }
    }

    fn found(&self) -> Found {
        Found { sent: Time(self.sent), place: self.place, room: room(self.room) }
    }
}

fn said(room: u8, place: u64, author: u8, sent: u64, text: &str) -> Said {
    Said { room, place, author, sent, text: text.to_owned() }
}

fn words(terms: &[&str]) -> Sought {
    Sought { terms: terms.iter().map(|term| fold(term)).collect(), ..Sought::default() }
}

fn index(all: &[Said]) -> Index {
    let mut index = Index::default();
    all.iter().for_each(|said| index.put(NOW, room(said.room), &said.shown(), true));
    index
}

/// What is found of all, by its places.
fn places(index: &Index, sought: &Sought) -> Vec<u64> {
    index.find(sought, None, 100).found.iter().map(|found| found.place).collect()
}

#[test]
fn what_stands_in_a_message_is_found_whatever_it_is() {
    let all = [
        said(1, 0, 1, 10, "The **budget** for next year"),
        said(1, 1, 2, 20, "Ein Café an der Straße"),
        said(1, 2, 1, 30, "東京都に行きます"),
        said(1, 3, 2, 40, "안녕하세요 여러분"),
        said(1, 4, 1, 50, "next"),
        said(1, 5, 1, 60, "year"),
        said(1, 6, 1, 70, "naïve\nsecond line, x"),
    ];
    let index = index(&all);
    for (terms, expected) in [
        (&["budget"][..], &[0][..]),
        (&["udge"], &[0]),
        (&["NEXT"], &[4, 0]),
        (&["next", "year"], &[0]),
        (&["next year"], &[0]),
        (&["year for"], &[]),
        (&["cafe"], &[1]),
        (&["ß"], &[1]),
        (&["京"], &[2]),
        (&["京都"], &[2]),
        (&["東京都"], &[2]),
        (&["녕하"], &[3]),
        (&["x"], &[6, 4, 0]),
        (&["naive second"], &[6]),
        (&["next\nyear"], &[0]),
        (&[], &[6, 5, 4, 3, 2, 1, 0]),
        (&["nothing"], &[]),
    ] {
        assert_eq!(places(&index, &words(terms)), expected, "{terms:?}");
    }
}

#[test]
fn filters_hold_together_with_words() {
    let mut all = vec![said(1, 0, 1, 10, "a word"), said(2, 0, 2, 20, "a word"), said(1, 1, 2, 30, "another word")];
    all.push(said(2, 1, 1, 40, "https://a.example"));
    let index = index(&all);
    let rooms = |numbers: &[u8]| Some(numbers.iter().map(|number| room(*number)).collect::<BTreeSet<_>>());
    let people =
        |numbers: &[u8]| Some(numbers.iter().map(|number| fixed::person(*number)).collect::<BTreeSet<IdentityId>>());
    let word = words(&["word"]);
    let sent = |sought: &Sought| -> Vec<u64> {
        index.find(sought, None, 100).found.iter().map(|found| found.sent.0).collect()
    };
    assert_eq!(sent(&Sought { within: rooms(&[1]), ..word.clone() }), [30, 10]);
    assert_eq!(sent(&Sought { within: rooms(&[1, 2]), from: people(&[2]), ..word.clone() }), [30, 20]);
    assert_eq!(sent(&Sought { within: rooms(&[]), ..word.clone() }), [0u64; 0], "in none of them");
    assert_eq!(sent(&Sought { from: people(&[9]), ..word.clone() }), [0u64; 0]);
    assert_eq!(sent(&Sought { before: Some(Time(30)), ..word.clone() }), [20, 10]);
    assert_eq!(sent(&Sought { after: Some(Time(20)), before: Some(Time(30)), ..word.clone() }), [20]);
    assert_eq!(sent(&Sought { has: [Has::Link].into_iter().collect(), ..Sought::default() }), [40]);
    assert_eq!(sent(&Sought { has: [Has::Link].into_iter().collect(), ..word }), [0u64; 0]);
}

#[test]
fn edited_text_is_found_by_its_new_form_and_what_is_gone_not_at_all() {
    let all = [said(1, 0, 1, 10, "the first"), said(1, 1, 1, 20, "the old one"), said(1, 2, 1, 30, "the last")];
    let mut index = index(&all);
    let edit = Kind::Edit(Edit { of: all[1].of(), text: fixed::text("a much longer new one") });
    index.put(NOW, room(1), &Shown { place: 1, item: all[1].after([edit.clone()]) }, false);
    assert_eq!(places(&index, &words(&["old"])), [0u64; 0]);
    assert_eq!(places(&index, &words(&["longer"])), [1]);
    assert_eq!(places(&index, &words(&["the"])), [2, 0], "its neighbours are as they were");
    let deletion = Kind::Deletion(Deletion { of: all[1].of() });
    index.put(NOW, room(1), &Shown { place: 1, item: all[1].after([edit, deletion]) }, false);
    assert_eq!(places(&index, &words(&["longer"])), [0u64; 0]);
    assert_eq!((places(&index, &words(&[])), index.len()), (vec![2, 0], 2));

    // Two different messages under one id are neither: nothing says any more when either was sent.
    let other = said(1, 2, 1, 99, "another");
    let mut both = All::default();
    let author = Author { identity: fixed::person(1), device: 0 };
    for (lamport, said) in [(5, &all[2]), (6, &other)] {
        let post = Content::new(all[2].of().id, Time(said.sent), lamport, fixed::post(&said.text));
        both.apply(&Sender { author, rights: Rights::default() }, &post).unwrap();
    }
    let item = both.items.remove(&all[2].of()).unwrap();
    assert!(item.is_disputed());
    index.put(NOW, room(1), &Shown { place: 2, item }, false);
    assert_eq!(places(&index, &words(&[])), [0]);
    index.put(
        NOW,
        room(1),
        &Shown { place: 0, item: all[0].after([Kind::Deletion(Deletion { of: all[0].of() })]) },
        false,
    );
    assert!(index.is_empty());
}

#[test]
fn whose_clock_is_ahead_does_not_stand_above_what_comes_later() {
    let ahead = said(1, 0, 1, NOW.0 + 1_000_000, "from the future");
    let mut index = index(std::slice::from_ref(&ahead));
    let later = said(1, 1, 2, NOW.0 + 10, "after that, from now");
    index.put(Time(NOW.0 + 10), room(1), &later.shown(), true);
    assert_eq!(places(&index, &words(&["from"])), [1, 0]);
    let edit = Kind::Edit(Edit { of: ahead.of(), text: fixed::text("from then") });
    index.put(Time(NOW.0 + 20), room(1), &Shown { place: 0, item: ahead.after([edit]) }, false);
    assert_eq!((places(&index, &words(&["from"])), index.len()), (vec![1, 0], 2), "it is one message");
}

#[test]
fn places_go_through_text_and_back() {
    let found = Found { sent: Time(7), place: 8, room: room(9) };
    assert_eq!(found.to_string().parse(), Ok(found));
    for text in ["", "7", "7-8", "7-8-", "7-8-00", "-1-8-00", "x-8-09", "7-8-9"] {
        assert_eq!(text.parse::<Found>(), Err(NotAPlace), "{text}");
    }
}

/// Many more than a block has, of several rooms, in an order of their own.
fn crowd() -> Vec<Said> {
    const COUNT: u64 = 5_000;
    let all = (0..COUNT).map(|number| {
        // Each number below it once: 4,999 and 5,000 have no common divisor.
        let sent = number * 4_999 % COUNT;
        let rare = if sent.is_multiple_of(97) { "rare" } else { "often" };
        said((number % 7) as u8, number / 7, (sent % 5) as u8, sent, &format!("message {sent} is {rare} seen"))
    });
    all.collect()
}

#[test]
fn pages_follow_one_another_and_leave_nothing_out() {
    let all = crowd();
    let index = index(&all);
    assert_eq!(index.len(), all.len());
    let mut expected: Vec<Found> = all.iter().filter(|said| said.text.contains("rare")).map(Said::found).collect();
    expected.sort_unstable_by(|one, other| other.cmp(one));
    let sought = words(&["rare", "is"]);
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let page = index.find(&sought, before.as_ref(), 10);
        assert!(page.found.len() == 10 || !page.is_cut);
        found.extend(page.found);
        before = found.last().copied();
        if !page.is_cut {
            break;
        }
    }
    assert_eq!(found, expected);
    let exact = index.find(&sought, None, expected.len());
    assert!(!exact.is_cut, "nothing is behind the last one");
}

#[test]
fn what_is_gathered_of_a_disk_is_what_was_put_one_by_one() {
    let all = crowd();
    let (mut disk, mut batch) = (MemoryStore::new(), Batch::new());
    for said in &all {
        keep_message(room(said.room), &said.shown(), &mut batch);
    }
    let gone = said(9, 0, 1, 7, "this is rare and gone");
    let deleted = Shown { place: 0, item: gone.after([Kind::Deletion(Deletion { of: gone.of() })]) };
    keep_message(room(9), &deleted, &mut batch);
    disk.apply(&batch);
    for page in [5_001, 64] {
        let mut gathering = Gathering::default();
        let mut pages = 1;
        while gathering.read(NOW, &disk, page) {
            pages += 1;
        }
        assert_eq!(pages, 5_001 / page + 1);
        let gathered = gathering.finish();
        let put = index(&all);
        for sought in [words(&[]), words(&["rare"]), words(&["often", "1"])] {
            assert_eq!(gathered.find(&sought, None, 10_000), put.find(&sought, None, 10_000));
        }
        assert_eq!(gathered.len(), all.len());
    }
}

#[test]
fn whoever_searches_sees_nothing_of_what_comes_meanwhile() {
    let all = crowd();
    let mut index = index(&all);
    let before = index.clone();
    let edit = Kind::Edit(Edit { of: all[0].of(), text: fixed::text("changed") });
    index.put(NOW, room(0), &Shown { place: 0, item: all[0].after([edit]) }, false);
    index.put(NOW, room(8), &said(8, 0, 1, 9_999, "new").shown(), true);
    assert_eq!(places(&index, &words(&["changed"])), [0]);
    assert_eq!(places(&before, &words(&["changed"])), [0u64; 0]);
    assert_eq!((index.len(), before.len()), (all.len() + 1, all.len()));
}

#[test]
fn what_was_looked_for_is_marked_where_it_stands() {
    let of = |source: &str, terms: &[&str]| marks(source, &terms.iter().map(|term| fold(term)).collect::<Vec<_>>());
    for (source, terms, expected) in [
        ("a budget, a Budget", &["budget"][..], &[[2, 8], [12, 18]][..]),
        ("aaa", &["a"], &[[0, 3]]),
        ("one two three", &["two", "wo th"], &[[4, 10]]),
        ("👍 Cafe\u{301} noir", &["café"], &[[3, 8]]),
        ("two\n\n  words", &["two words"], &[[0, 12]]),
        ("ﬁne", &["i"], &[[0, 1]]),
        ("ｶﾞｽ", &["ガ"], &[[0, 2]]),
        ("한국", &["한"], &[[0, 1]]),
        ("a\u{200b}b", &["ab"], &[[0, 3]]),
        ("  spaced", &["spaced"], &[[2, 8]]),
        ("hel**lo**", &["hello"], &[]),
        ("", &["a"], &[]),
        ("text", &[], &[]),
    ] {
        assert_eq!(of(source, terms), expected, "{source:?} {terms:?}");
    }
    assert_eq!(of(&"a ".repeat(1_000), &["a"]).len(), MARKS_MAX);
}

fn some_said() -> impl Strategy<Value = Vec<Said>> {
    let one = (0u8..3, 0u8..3, 0u64..20, "[ab京 ]{0,6}");
    proptest::collection::vec(one, 0..40).prop_map(|all| {
        let mut next: BTreeMap<u8, u64> = BTreeMap::new();
        let place = |room: u8, next: &mut BTreeMap<u8, u64>| {
            let place = next.entry(room).or_default();
            *place += 1;
            *place - 1
        };
        let all = all.into_iter();
        all.map(|(room, author, sent, text)| said(room, place(room, &mut next), author, sent, &text)).collect()
    })
}

proptest! {
    /// It finds what comparing each message by itself finds, in the order that is said.
    #[test]
    fn all_that_fits_is_found(all in some_said(), terms in proptest::collection::vec("[ab京]{1,2}", 0..3), author in 0u8..4) {
        let from = (author < 3).then(|| BTreeSet::from([fixed::person(author)]));
        let sought = Sought { terms: terms.clone(), from, ..Sought::default() };
        let fits = |said: &&Said| {
            let text = fold(&said.text);
            (author == 3 || said.author == author) && terms.iter().all(|term| text.contains(term))
        };
        let mut expected: Vec<Found> = all.iter().filter(fits).map(Said::found).collect();
        expected.sort_unstable_by(|one, other| other.cmp(one));
        let page = index(&all).find(&sought, None, 100);
        prop_assert_eq!(page.found, expected);
    }

    /// Marks lie in the text, in order and apart, and begin and end between characters.
    #[test]
    fn marks_are_parts_of_the_text(source in "\\PC{0,40}", term in "\\PC{1,2}") {
        let units: Vec<u16> = source.encode_utf16().collect();
        let mut last = None;
        for [start, end] in marks(&source, &[fold(&term)]) {
            prop_assert!(last.is_none_or(|last| last < start) && start < end);
            prop_assert!(String::from_utf16(&units[start as usize..end as usize]).is_ok());
            last = Some(end);
        }
    }
}

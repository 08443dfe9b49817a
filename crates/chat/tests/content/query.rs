//! What people type to find messages.

use byway_chat::content::bounded::{BoundedList, BoundedText};
use byway_chat::content::index::Indexed;
use byway_chat::content::lists::{List, ListStyle, Position};
use byway_chat::content::poll::Poll;
use byway_chat::content::post::{Deletion, Edit, Post};
use byway_chat::content::query::{Has, QUERY_PARTS_MAX, Query, QueryError, fold};
use byway_chat::content::{Author, Kind, Rights, Sender, Shown};
use byway_primitives::Time;
use proptest::prelude::*;

use crate::fixed;

const DAY: u64 = 86_400_000;

#[test]
fn a_query_is_words_phrases_and_filters() {
    let text =
        r#"Budget "Next  Year" from:Ada from:"Bob B" in:office after:2026-03 before:2026-05-02 has:file HAS:link"#;
    let query = Query::parse(text, 0).unwrap();
    assert_eq!(query.terms, ["budget", "next year"]);
    assert_eq!(
        (&query.from[..], &query.within[..]),
        (&["ada".to_owned(), "bob b".to_owned()][..], &["office".to_owned()][..])
    );
    assert_eq!(query.after, Some(Time(20_544 * DAY)), "from the first of April on");
    assert_eq!(query.before, Some(Time(20_575 * DAY)));
    assert_eq!(query.has, [Has::File, Has::Link].into_iter().collect());
    assert_eq!(Query::parse("  ", 0), Ok(Query::default()));
    assert_eq!(Query::parse("10:30 https://a.example", 0).unwrap().terms, ["10:30", "https://a.example"]);
    assert_eq!(Query::parse("x 日 \u{200b}", 0).unwrap().terms, ["x", "日"], "one letter is looked for, none is not");
}

#[test]
fn days_begin_where_the_clock_says_midnight() {
    let times = |text: &str, offset| {
        let query = Query::parse(text, offset).unwrap();
        (query.after.map(|time| time.0), query.before.map(|time| time.0))
    };
    for (text, offset, after, before) in [
        ("after:1970", 0, Some(365 * DAY), None),
        ("before:1970-01-02", 0, None, Some(DAY)),
        ("before:1970-01-02", 60, None, Some(DAY - 3_600_000)),
        ("before:1970-01-01", 60, None, Some(0)),
        ("after:1972-02", 0, Some(790 * DAY), None),
        ("after:1972-02-29", 0, Some(790 * DAY), None),
        ("before:2000-12-31 before:2000-12-30", 0, None, Some(11_321 * DAY)),
        ("after:1999-12", -90, Some(10_957 * DAY + 90 * 60_000), None),
    ] {
        assert_eq!(times(text, offset), (after, before), "{text}");
    }
}

#[test]
fn what_can_not_be_looked_for_says_why() {
    for (text, error) in [
        ("\"open", "a quotation mark opens a phrase that does not end; close it, or leave the mark out"),
        ("from:", "\"from:\" needs something behind it, such as from:ada"),
        ("in:\"\"", "\"in:\" needs something behind it, such as in:\"the office\""),
        (
            "has:cake",
            "\"has:cake\" is not known; there are has:link, has:file, has:picture, has:poll, has:list and has:voice",
        ),
        ("before:yesterday", "\"yesterday\" is no date; write before:2026-03-14, before:2026-03 or before:2026"),
        ("after:2026-02-29", "\"2026-02-29\" is no date; write after:2026-03-14, after:2026-03 or after:2026"),
        ("after:2026-13", "\"2026-13\" is no date; write after:2026-03-14, after:2026-03 or after:2026"),
    ] {
        assert_eq!(Query::parse(text, 0).unwrap_err().to_string(), error, "{text}");
    }
    let word = |text: &str| Query::parse(text, 0).unwrap_err().word();
    assert_eq!(word("Has:cake a").as_deref(), Some("has:cake"));
    assert_eq!(word("before:yesterday").as_deref(), Some("before:yesterday"));
    assert_eq!((word("from:").as_deref(), word("\"open")), (Some("from:"), None));
    assert_eq!(Query::parse(&"x ".repeat(QUERY_PARTS_MAX + 1), 0), Err(QueryError::TooMany));
    assert_eq!(Query::parse(&"x".repeat(513), 0), Err(QueryError::TooLong));
}

#[test]
fn a_message_is_found_by_all_that_is_read_of_it() {
    let mut shown = Shown::default();
    let sender = Sender { author: Author { identity: fixed::person(1), device: 0 }, rights: Rights::default() };
    let mut indexed = |id: u8, kind: Kind| {
        shown.apply(&sender, &fixed::content(id, kind)).unwrap();
        Indexed::of(&shown.items[&fixed::message(1, id)])
    };
    let found = |text: &str, has: &[Has]| Some(Indexed { text: text.into(), has: has.iter().copied().collect() });
    let post = Post {
        text: fixed::text("**Bon** https://a.example 日本"),
        attachments: BoundedList::new([fixed::attachment()]).unwrap(),
    };
    let all = found("bon https://a.example 日本 map.png", &[Has::Link, Has::File, Has::Picture]);
    assert_eq!(indexed(1, Kind::Post(post)), all);
    let poll = Kind::Poll(Poll::new("When?", &["Fri", "Sat"], 1, None).unwrap());
    assert_eq!(indexed(2, poll), found("when? fri sat", &[Has::Poll]));
    assert_eq!(indexed(3, fixed::post("`https://a.example`")), found("https://a.example", &[]));
    let voice = fixed::contents().into_iter().find(|(name, _)| *name == "voice note").unwrap().1.kind;
    assert_eq!(indexed(6, voice), found("map.png", &[Has::File, Has::Picture, Has::Voice]));
    let place = Position::between(None, None).unwrap();
    let changes = BoundedList::new([fixed::put(1, &place, "rye  bread")]).unwrap();
    let title = BoundedText::new("Shopping").unwrap();
    let list = List { title, style: ListStyle::Tasks, changes };
    assert_eq!(indexed(7, Kind::List(list)), found("shopping rye bread", &[Has::List]));
    let edit = Kind::Edit(Edit { of: fixed::message(1, 3), text: fixed::text("new") });
    shown.apply(&sender, &fixed::content(4, edit)).unwrap();
    assert_eq!(Indexed::of(&shown.items[&fixed::message(1, 3)]), found("new", &[]));
    let deletion = Kind::Deletion(Deletion { of: fixed::message(1, 3) });
    shown.apply(&sender, &fixed::content(5, deletion)).unwrap();
    assert_eq!(Indexed::of(&shown.items[&fixed::message(1, 3)]), None);
}

#[test]
fn texts_are_folded_as_the_index_has_them() {
    for (text, folded) in [
        ("Café", "cafe"),
        ("ＦＵＬＬ　width", "full width"),
        ("İstanbul", "istanbul"),
        ("Ёлка", "елка"),
        ("ﬁn\nal", "fin al"),
        ("が", "が"),
        ("한국", "한국"),
        ("ΟΔΟΣ", "οδοσ"),
        ("Tab\tand\u{b}more", "tab and more"),
        ("a\u{200b}b\u{202e}c", "abc"),
    ] {
        assert_eq!(fold(text), folded, "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_folded_stays_so(text in "\\PC{0,40}") {
        let folded = fold(&text);
        prop_assert_eq!(fold(&folded), folded);
    }
}

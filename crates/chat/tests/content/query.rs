//! What people type to find messages.

use byway_chat::content::bounded::BoundedList;
use byway_chat::content::index::Indexed;
use byway_chat::content::poll::Poll;
use byway_chat::content::post::{Deletion, Edit, Post};
use byway_chat::content::query::{Has, QUERY_PARTS_MAX, Query, QueryError, Term, fold, pairs};
use byway_chat::content::{Author, Kind, Rights, Sender, Shown};
use byway_primitives::Time;
use proptest::prelude::*;

use crate::fixed;

const DAY: u64 = 86_400_000;

fn trigrams(text: &str) -> Term {
    Term::Trigrams(text.to_owned())
}

#[test]
fn a_query_is_words_phrases_and_filters() {
    let text =
        r#"Budget "Next  Year" from:Ada from:"Bob B" in:office after:2026-03 before:2026-05-02 has:file HAS:link"#;
    let query = Query::parse(text, 0).unwrap();
    assert_eq!(query.terms, [trigrams("budget"), trigrams("next year")]);
    assert_eq!(
        (&query.from[..], &query.within[..]),
        (&["ada".to_owned(), "bob b".to_owned()][..], &["office".to_owned()][..])
    );
    assert_eq!(query.after, Some(Time(20_544 * DAY)), "from the first of April on");
    assert_eq!(query.before, Some(Time(20_575 * DAY)));
    assert_eq!(query.has, [Has::File, Has::Link].into());
    assert_eq!(query.trigrams().as_deref(), Some(r#""budget" AND "next year""#));
    assert_eq!(Query::parse("  ", 0), Ok(Query::default()));
    assert_eq!(
        Query::parse("10:30 https://a.example", 0).unwrap().terms,
        [trigrams("10:30"), trigrams("https://a.example")]
    );
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
        ("has:cake", "\"has:cake\" is not known; there are has:link, has:file, has:picture and has:poll"),
        ("before:yesterday", "\"yesterday\" is no date; write before:2026-03-14, before:2026-03 or before:2026"),
        ("after:2026-02-29", "\"2026-02-29\" is no date; write after:2026-03-14, after:2026-03 or after:2026"),
        ("after:2026-13", "\"2026-13\" is no date; write after:2026-03-14, after:2026-03 or after:2026"),
        ("ab", "\"ab\" alone is too short to look for; type three letters or more"),
    ] {
        assert_eq!(Query::parse(text, 0).unwrap_err().to_string(), error, "{text}");
    }
    assert_eq!(Query::parse(&"x ".repeat(QUERY_PARTS_MAX + 1), 0), Err(QueryError::TooMany));
    assert_eq!(Query::parse(&"x".repeat(513), 0), Err(QueryError::TooLong));
}

#[test]
fn each_term_goes_to_the_index_that_has_it() {
    for (text, term) in [
        ("abc", trigrams("abc")),
        ("ÄÖÜ", trigrams("aou")),
        ("日本語", trigrams("日本語")),
        ("日本", Term::Pair("日本".into())),
        ("日", Term::PairStart('日')),
        ("안녕", Term::Pair("안녕".into())),
        ("ｶﾞ", Term::PairStart('ガ')),
    ] {
        assert_eq!(Query::parse(text, 0).unwrap().terms, [term], "{text}");
    }
    let query = Query::parse("ab 日本 語 abc \"d\"\"e\"", 0).unwrap();
    assert_eq!(query.terms[0], Term::Compare("ab".into()));
    assert_eq!(query.pairs().as_deref(), Some("\"日本\" AND \"語\" *"));
    let hostile = Query::parse("a\"b*OR", 0).unwrap();
    assert_eq!(hostile.trigrams().as_deref(), Some("\"a\"\"b*or\""));
    assert!(Query::parse("ab from:ada", 0).is_ok(), "compared with what is from her");
}

#[test]
fn the_index_of_pairs_has_each_character_at_the_beginning_of_a_token() {
    assert_eq!(pairs("日本語 abc 京x都"), ["日本", "本語", "語", "京", "都"]);
    assert!(pairs("abc").is_empty());
}

#[test]
fn a_message_is_found_by_all_that_is_read_of_it() {
    let mut shown = Shown::default();
    let sender = Sender { author: Author { identity: fixed::person(1), device: 0 }, rights: Rights::default() };
    let mut indexed = |id: u8, kind: Kind| {
        shown.apply(&sender, &fixed::content(id, kind)).unwrap();
        Indexed::of(&shown.items[&fixed::message(1, id)])
    };
    let found = |text: &str, pairs: &str, has: &[Has]| {
        Some(Indexed { text: text.into(), pairs: pairs.into(), has: has.iter().copied().collect() })
    };
    let post = Post {
        text: fixed::text("**Bon** https://a.example 日本"),
        attachments: BoundedList::new([fixed::attachment()]).unwrap(),
    };
    let all = found("bon https://a.example 日本 map.png", "日本 本", &[Has::Link, Has::File, Has::Picture]);
    assert_eq!(indexed(1, Kind::Post(post)), all);
    let poll = Kind::Poll(Poll::new("When?", &["Fri", "Sat"], 1, None).unwrap());
    assert_eq!(indexed(2, poll), found("when? fri sat", "", &[Has::Poll]));
    assert_eq!(indexed(3, fixed::post("`https://a.example`")), found("https://a.example", "", &[]));
    let edit = Kind::Edit(Edit { of: fixed::message(1, 3), text: fixed::text("new") });
    shown.apply(&sender, &fixed::content(4, edit)).unwrap();
    assert_eq!(Indexed::of(&shown.items[&fixed::message(1, 3)]), found("new", "", &[]));
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

    /// Whatever is typed, what goes to the index are strings joined by AND: each mark of a string is doubled or ends it.
    #[test]
    fn no_query_speaks_the_indexs_language(text in "([a-z日本\"*:^(){}+ -]|AND|OR|NOT|NEAR|from:|has:){0,40}") {
        let Ok(query) = Query::parse(&text, 0) else { return Ok(()) };
        for expression in [query.trigrams(), query.pairs()].into_iter().flatten() {
            let strings = expression.replace("\"\"", "");
            let outside: String = strings.split('"').step_by(2).collect();
            prop_assert!(outside.replace(" AND ", "").trim_matches([' ', '*']).is_empty() , "{}", expression);
        }
    }
}

//! What a name may be, what is said about others, and which look alike.

use byway_primitives::codec::{Decode, DecodeError, Encode, Writer};
use byway_primitives::hash::Context;
use byway_records::names::name::{NAME_CHARS_MAX, NAME_CHARS_MIN, RESERVED};
use byway_records::names::{Name, NameError, NameKey};
use proptest::prelude::*;

fn name(text: &str) -> Name {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_name_is_written_in_one_way_and_typed_in_many() {
    for (typed, written) in [
        ("alice", "alice"),
        (" Alice ", "alice"),
        ("ＡＬＩＣＥ", "alice"),
        ("r2-d2", "r2-d2"),
        ("1984", "1984"),
        ("e\u{301}mile", "émile"),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευσ"),
        ("οδυσσεύς", "οδυσσεύς"),
        ("Жанна-7", "жанна-7"),
        ("Straße", "straße"),
        ("さくら", "さくら"),
        ("ﾗｰﾒﾝ屋", "ラーメン屋"),
        ("日本語-2", "日本語-2"),
        ("佐々木", "佐々木"),
        ("한국漢字", "한국漢字"),
        ("ㄅㄆ漢", "ㄅㄆ漢"),
    ] {
        assert_eq!(name(typed).as_str(), written, "{typed}");
        assert_eq!(Name::exact(written), Ok(name(typed)), "{typed}");
    }
}

#[test]
fn what_people_say_they_are_called_looks_like_names() {
    let (alice, tea) = (name("alice").key(), name("ada-tea").key());
    for text in [
        "Alice",
        "  ALICE ",
        "аlісе",
        "a1ice",
        "ali\u{200b}ce",
        "\u{2068}Alice\u{2069}",
        "Alice!",
        "-alice-",
        "🌱 Alice",
    ] {
        assert_eq!(NameKey::of_text(text), alice, "{text:?}");
    }
    for text in ["Ada Tea", "ada - tea", "ada\n\tTEA", "Ada-Tea", "ada  tеа"] {
        assert_eq!(NameKey::of_text(text), tea, "{text:?}");
    }
    for text in ["alices", "al ice", "", " ", &"alice".repeat(10_000)] {
        assert_ne!(NameKey::of_text(text), alice, "{text:?}");
    }
}

#[test]
fn what_is_no_name_is_told_why() {
    let long = "a".repeat(33);
    for (text, error) in [
        ("", NameError::Length(0)),
        ("ab", NameError::Length(2)),
        (&long, NameError::Length(33)),
        ("al ice", NameError::Character(' ')),
        ("al_ice", NameError::Character('_')),
        ("alice.eth", NameError::Character('.')),
        ("ali\u{200d}ce", NameError::Character('\u{200d}')),
        ("\u{202e}alice", NameError::Character('\u{202e}')),
        ("x\u{32d}yz", NameError::Character('\u{32d}')),
        ("al·ice", NameError::Character('·')),
        ("ta-da\u{2019}s", NameError::Character('\u{2019}')),
        ("שלום", NameError::Character('ש')),
        ("كتاب", NameError::Character('ك')),
        ("smile🙂", NameError::Character('🙂')),
        ("ラー・メン", NameError::Character('・')),
        ("٣٤٥", NameError::Character('٣')),
        ("-alice", NameError::Hyphen),
        ("alice-", NameError::Hyphen),
        ("xn--alice", NameError::Hyphen),
        ("---", NameError::Hyphen),
        ("p\u{430}ypal", NameError::Script('\u{430}')),
        ("alice漢字", NameError::Script('漢')),
        ("かな한국", NameError::Script('한')),
        ("ㄅㄆかな", NameError::Script('か')),
        ("byway", NameError::Reserved),
        ("Support", NameError::Reserved),
        ("supp0rt", NameError::Reserved),
        ("adrnin", NameError::Reserved),
        ("byway-help", NameError::Reserved),
        ("the-byway-team", NameError::Reserved),
    ] {
        assert_eq!(text.parse::<Name>(), Err(error), "{text}");
    }
    let endless = "a".repeat(1 << 20);
    assert_eq!(endless.parse::<Name>(), Err(NameError::Length(1 << 20)));
    // What is written in another way than its own is not read from the wire.
    for text in ["Alice", "ＡＬＩＣＥ", "e\u{301}mile", "alice "] {
        assert!(Name::exact(text).is_err(), "{text}");
        let mut out = Writer::new();
        out.text(text);
        assert_eq!(Name::from_bytes(&out.into_bytes()), Err(DecodeError::Invalid("name")), "{text}");
    }
}

#[test]
fn names_that_look_alike_are_one() {
    for [one, other] in [
        ["paypal", "paypa1"],
        ["bob", "b0b"],
        ["modern", "modem"],
        ["cop", "сор"],
        ["ace", "асе"],
        ["100", "loo"],
        ["οδος", "οδοσ"],
        ["へへへ", "ヘヘヘ"],
        ["卜卜卜", "トトト"],
    ] {
        assert_eq!(name(one).key(), name(other).key(), "{one} and {other}");
    }
    for [one, other] in [["alice", "alicia"], ["emile", "émile"], ["a-b", "ab1"], ["bob", "bobo"], ["さくら", "さらく"]]
    {
        assert_ne!(name(one).key(), name(other).key(), "{one} and {other}");
    }
}

#[test]
fn what_looks_like_a_reserved_word_is_one() {
    assert!(RESERVED.is_sorted());
    for word in RESERVED {
        assert_eq!(word.parse::<Name>(), Err(NameError::Reserved), "{word}");
        let alike = word.replace('o', "0").replace('l', "1").replace('m', "rn");
        assert_eq!(alike.parse::<Name>(), Err(NameError::Reserved), "{alike}");
    }
}

/// All characters up to one of which a name can be made.
fn characters(last: char) -> impl Iterator<Item = (char, Name)> {
    (char::MIN..=last).filter_map(|c| Some((c, Name::exact(&String::from_iter([c; 3])).ok()?)))
}

/// Kernel nodes that were built with other tables would not agree on what a name is. This is what they must agree on: every
/// character, with whose it can stand together, and what it looks like.
#[test]
fn the_rule_is_frozen_for_every_character() {
    let mut out = Writer::new();
    let mut counts = [0u32; 6];
    for (c, name) in characters(char::MAX) {
        out.varint(u32::from(c));
        out.value(&name.key());
        for (count, other) in counts.iter_mut().zip(["ab", "αβ", "жд", "かな", "한국", "ㄅㄆ"]) {
            let stands_with = Name::exact(&format!("{other}{c}")).is_ok();
            out.flag(stands_with);
            *count += u32::from(stands_with);
        }
    }
    let digest = Context("byway test frozen rule of names").hash(&[&out.into_bytes()]).to_string();
    assert_eq!((counts, &digest[..16]), FROZEN_RULE);
}

/// Characters that stand with Latin, Greek, Cyrillic, Kana, Hangul and Bopomofo, the ten digits among each, and a digest over all.
const FROZEN_RULE: ([u32; 6], &str) = ([349, 163, 132, 97886, 108864, 97766], "284acade789acf8a");

fn text() -> impl Strategy<Value = String> {
    let letters: Vec<char> = characters('\u{3200}').map(|(c, _)| c).collect();
    let one = prop_oneof![
        4 => proptest::sample::select(letters),
        1 => proptest::char::range('0', '9'),
        1 => Just('-'),
        1 => any::<char>(),
        4 => proptest::char::range('A', 'z'),
    ];
    proptest::collection::vec(one, 0..12).prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #[test]
    fn whatever_is_read_is_written_in_its_one_way(text in text()) {
        if let Ok(name) = text.parse::<Name>() {
            prop_assert_eq!(Name::exact(name.as_str()), Ok(name.clone()));
            prop_assert_eq!(Name::from_bytes(&name.to_bytes()), Ok(name.clone()));
            prop_assert!((NAME_CHARS_MIN..=NAME_CHARS_MAX).contains(&name.chars()));
        }
    }
}

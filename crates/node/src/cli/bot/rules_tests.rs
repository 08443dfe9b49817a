use super::super::pretend;
use super::*;

const ME: IdentityId = IdentityId([7; 20]);

fn rules(within: In, may: &[May], mentions_only: bool) -> Rules {
    Rules { within, may: spelled_out(may), mentions_only, name: "keyword".to_owned(), me: ME }
}

fn talk(byte: &str, title: &str, peer: Option<IdentityId>) -> ChatConversation {
    ChatConversation { conversation: byte.repeat(32), title: title.to_owned(), peer, ..pretend::conversation() }
}

#[test]
fn a_bot_is_let_into_what_was_named_and_nothing_else() {
    let bob = IdentityId([5; 20]);
    let mut talks = vec![talk("b0", "Bob", Some(bob)), talk("c0", "Carol", None), talk("aa", "Notes", Some(ME))];
    let within = In::these(&["bob".to_owned()], &talks).unwrap();
    for (name, finds) in [("Bob", true), (&*bob.to_string(), true), ("Carol", false), (&*"c0".repeat(32), false)] {
        assert_eq!(rules(within.clone(), &[], false).find(name, &talks).is_some(), finds, "{name}");
    }
    let all = rules(In::All, &[], false);
    for (name, finds) in [("Bob", true), ("Carol", true), ("Notes", false), ("", false)] {
        assert_eq!(all.find(name, &talks).is_some(), finds, "{name}");
    }
    assert_eq!(In::these(&["Dave".to_owned()], &talks), Err(Unnamed::Nobody("Dave".to_owned())));
    // Who calls themselves Bob later is not let in, nor are they taken for him.
    talks.push(talk("d0", "BOB", None));
    assert!(!rules(within, &[], false).is_within(&talks[3]));
    assert_eq!(In::these(&["Bob".to_owned()], &talks), Err(Unnamed::Several("Bob".to_owned())));
    assert_eq!(all.find("Bob", &talks), None);
    // Nor does a title that looks like an id stand before the id.
    talks.insert(0, talk("e0", &"c0".repeat(32), None));
    assert_eq!(all.find(&"c0".repeat(32), &talks).unwrap().title, "Carol");
}

#[test]
fn a_bot_hears_others_and_with_mentions_only_those_who_address_it() {
    let item = |text: &str, reply: Option<String>| ChatItem {
        text: text.to_owned(),
        reply,
        author: IdentityId([5; 20]),
        ..pretend::item("")
    };
    let (all, addressed) = (rules(In::All, &[May::Answer], false), rules(In::All, &[May::Answer], true));
    for (text, is_addressed) in [
        ("hello", false),
        ("@keyword hello", true),
        ("hello (@Keyword)", true),
        ("@keywords", false),
        ("me@keyword", false),
        ("@keyword-x @keyword.", true),
    ] {
        assert!(all.is_for_it(&item(text, None)));
        assert_eq!(addressed.is_for_it(&item(text, None)), is_addressed, "{text}");
    }
    assert!(addressed.is_for_it(&item("", Some(format!("{ME}/00")))));
    assert!(!addressed.is_for_it(&item("", Some(format!("{}/00", IdentityId([5; 20]))))));
    assert!(!all.is_for_it(&ChatItem { author: ME, ..item("@keyword", None) }), "what we say ourselves");
    assert!(!all.is_for_it(&ChatItem { deleted: true, ..item("@keyword", None) }));
    assert!(!rules(In::All, &[May::Send], false).is_for_it(&item("hello", None)), "it may not read");
}

#[test]
fn so_much_a_minute_in_each_conversation() {
    let mut rate = Rate::new(2);
    let at = |seconds: u64| Time(1_000_000) + Span::seconds(seconds);
    for (conversation, seconds, expected) in [
        ("a", 0, Ok(())),
        ("a", 10, Ok(())),
        ("a", 20, Err(Span::seconds(40))),
        ("b", 20, Ok(())),
        ("a", 60, Ok(())),
        ("a", 61, Err(Span::seconds(9))),
    ] {
        assert_eq!(rate.count(conversation, at(seconds)), expected, "{conversation} {seconds}");
    }
}

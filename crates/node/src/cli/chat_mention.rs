//! Who is called by name in a text: `@Alice` as it is typed and read, `[@Alice](mention:IDENTITY)` as it is said.

use std::collections::BTreeMap;

use byway_primitives::IdentityId;

use crate::api::*;
use crate::client::Client;

/// What stands between a mention's name and whom it calls.
const TO: &str = "](mention:";
/// Hex digits of an identity.
const DIGITS: usize = 40;

/// A text that our person typed, with each `@NAME` of somebody in that conversation as a mention of them.
///
/// # Errors
/// The node can't be asked.
pub async fn typed(client: &Client, to: &str, text: String) -> anyhow::Result<String> {
    if !text.contains('@') {
        return Ok(text);
    }
    let talks: Vec<ChatConversation> = client.call("chat_conversations", &Nothing {}).await?;
    let people: Vec<ChatPerson> = client.call("chat_people", &Nothing {}).await?;
    Ok(match conversation(to.trim(), &talks, &people) {
        Some(talk) => called(&text, &names(talk, &people)),
        None => text,
    })
}

/// The conversation that is meant. Where there is none or there are several, the node says so once it is asked to say something there.
fn conversation<'a>(to: &str, talks: &'a [ChatConversation], people: &[ChatPerson]) -> Option<&'a ChatConversation> {
    let registered = people.iter().find(|person| person.primary_name.as_deref() == Some(to));
    let peer = to.parse().ok().or_else(|| registered.map(|person| person.identity));
    let is_it = |talk: &&ChatConversation| {
        talk.conversation == to || (peer.is_some() && talk.peer == peer) || talk.title.eq_ignore_ascii_case(to)
    };
    talks.iter().find(is_it)
}

/// What those in a conversation are called: by our person, by themselves, and in the directory.
fn names(talk: &ChatConversation, people: &[ChatPerson]) -> Vec<(String, IdentityId)> {
    let members = talk.group.iter().flat_map(|group| &group.members);
    let mut names: Vec<_> = members.map(|member| (member.name.clone(), member.identity)).collect();
    for person in people.iter().filter(|person| talk.members.contains(&person.identity)) {
        let ChatPerson { name, claimed, primary_name, identity, .. } = person;
        let all = [Some(name), claimed.as_ref(), primary_name.as_ref()];
        names.extend(all.into_iter().flatten().map(|name| (name.clone(), *identity)));
    }
    names.retain(|(name, _)| !name.is_empty());
    names
}

/// Makes mentions of names after an `@` that begins a word, outside of code and without a `\` before it. Of several names the longest
/// is meant; what several people are called stays as it is.
fn called(text: &str, names: &[(String, IdentityId)]) -> String {
    let (mut out, mut is_code, mut before, mut rest) = (String::new(), false, None, text);
    while let Some(c) = rest.chars().next() {
        is_code ^= c == '`';
        let begins = !before.is_some_and(|c: char| c.is_alphanumeric() || matches!(c, '\\' | '[' | '@'));
        let found = if c == '@' && begins && !is_code { named(&rest[1..], names) } else { None };
        let length = if let Some((name, identity)) = found {
            out.push_str(&format!("[@{}{TO}{identity})", escaped(name)));
            1 + name.len()
        } else {
            out.push(c);
            c.len_utf8()
        };
        before = rest[..length].chars().next_back();
        rest = &rest[length..];
    }
    out
}

/// The longest name that a text begins with, and whose it is, if it is one person's.
fn named<'a>(text: &'a str, names: &[(String, IdentityId)]) -> Option<(&'a str, IdentityId)> {
    let goes_on = |end: usize| text[end..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let ends = names.iter().filter_map(|(name, identity)| Some((beginning(text, name)?, *identity)));
    let found: Vec<(usize, IdentityId)> = ends.filter(|(end, _)| !goes_on(*end)).collect();
    let (end, identity) = *found.iter().max()?;
    let is_one = found.iter().all(|(other, who)| *other < end || *who == identity);
    is_one.then(|| (&text[..end], identity))
}

/// Where a name ends with which a text begins, in whatever case.
fn beginning(text: &str, name: &str) -> Option<usize> {
    let mut rest = text.chars();
    let is_there = name.chars().all(|of| rest.next().is_some_and(|c| c.to_lowercase().eq(of.to_lowercase())));
    is_there.then(|| text.len() - rest.as_str().len())
}

fn escaped(name: &str) -> String {
    let mark = |c: char| if c.is_ascii_punctuation() { format!("\\{c}") } else { c.to_string() };
    name.chars().map(mark).collect()
}

/// A text as it is read, with `@` and what whoever is called is called here for each mention. Its author's name for them is not believed.
pub fn shown(text: &str, names: &BTreeMap<IdentityId, String>) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(TO) {
        let after = &rest[at + TO.len()..];
        let digits = after.get(..DIGITS).filter(|_| after[DIGITS..].starts_with(')'));
        let identity: Option<IdentityId> = digits.and_then(|digits| digits.parse().ok());
        if let (Some(identity), Some(begin)) = (identity, label(&rest[..at])) {
            let name = names.get(&identity).cloned().unwrap_or_else(|| identity.to_string());
            out.push_str(&format!("{}@{name}", &rest[..begin]));
            rest = &after[DIGITS + 1..];
        } else {
            out.push_str(&rest[..at + TO.len()]);
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// Where the bracket stands that a label at the end of a text begins with.
fn label(text: &str) -> Option<usize> {
    let is_escaped = |at: usize| text[..at].chars().rev().take_while(|c| *c == '\\').count() % 2 == 1;
    let (at, bracket) = text.rmatch_indices(['[', ']']).find(|(at, _)| !is_escaped(*at))?;
    (bracket == "[").then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: IdentityId = IdentityId([1; 20]);
    const BOB: IdentityId = IdentityId([2; 20]);
    const ZOE: IdentityId = IdentityId([3; 20]);

    #[test]
    fn names_of_one_person_become_mentions_and_all_else_stays() {
        let names = [("Alice", ALICE), ("alice", ALICE), ("Bob", BOB), ("Bob [work]", ZOE), ("Kim", BOB), ("Kim", ZOE)];
        let names = names.map(|(name, identity)| (name.to_owned(), identity));
        for (typed, said) in [
            ("hello @Alice", format!("hello [@Alice](mention:{ALICE})")),
            ("@ALICE, (@bob)!", format!("[@ALICE](mention:{ALICE}), ([@bob](mention:{BOB}))!")),
            ("@Bob [work] and @Bob", format!(r"[@Bob \[work\]](mention:{ZOE}) and [@Bob](mention:{BOB})")),
            ("@Kim", "@Kim".to_owned()),
            ("@Alicea @Carol @ @@Alice", "@Alicea @Carol @ @@Alice".to_owned()),
            (r"me@Alice \@Alice", r"me@Alice \@Alice".to_owned()),
            ("`@Alice` é@Alice", "`@Alice` é@Alice".to_owned()),
            (&format!("[@Alice](mention:{BOB})"), format!("[@Alice](mention:{BOB})")),
        ] {
            assert_eq!(called(typed, &names), said, "{typed}");
        }
    }

    #[test]
    fn mentions_are_read_by_the_name_that_is_known_here() {
        let names = BTreeMap::from([(ALICE, "Al".to_owned())]);
        for (said, read) in [
            (format!("[a] [@Eve](mention:{ALICE})!"), "[a] @Al!".to_owned()),
            (format!(r"[@B \[w\]](mention:{BOB})"), format!("@{BOB}")),
            ("[@Eve](mention:01)".to_owned(), "[@Eve](mention:01)".to_owned()),
            (format!("[a] b](mention:{ALICE})"), format!("[a] b](mention:{ALICE})")),
            (format!("[é](mention:{}", "é".repeat(30)), format!("[é](mention:{}", "é".repeat(30))),
        ] {
            assert_eq!(shown(&said, &names), read);
        }
    }
}

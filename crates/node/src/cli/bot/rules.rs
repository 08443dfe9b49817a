//! What a bot may do, and where: nothing that was not said.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use byway_primitives::{IdentityId, Span, Time};
use clap::ValueEnum;

use crate::api::{ChatConversation, ChatItem};

/// How long what a bot has done counts against its rate.
const RATE_SPAN: Span = Span::minutes(1);

/// Something that a bot may do in its conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum May {
    /// See what is said, and what was said
    Read,
    /// Say something
    Send,
    /// React to messages
    React,
    /// Get the files of messages, as far as they are here
    Files,
    /// Make links by which people become contacts of yours
    Invite,
    /// The same as read,send
    Answer,
}

/// The conversations that a bot was let into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum In {
    /// Their ids.
    These(BTreeSet<String>),
    /// All with others, those that begin later too. One's notes to oneself are none of them.
    All,
    /// Those with whoever has hired it, by their ids, and of each the places that are paid for: from the first on, before the second.
    Hired(BTreeMap<String, (u64, u64)>),
}

/// What one bot may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    pub within: In,
    pub may: BTreeSet<May>,
    /// It sees only messages that mention it or answer our person.
    pub mentions_only: bool,
    /// What it is called, and mentioned by.
    pub name: String,
    /// Our person, in whose name it speaks.
    pub me: IdentityId,
}

/// Why a name leads to no conversation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unnamed {
    #[error("no conversation is called `{0}`; `byway chat conversations` shows them")]
    Nobody(String),
    #[error("several conversations are called `{0}`; say which by its id (`byway chat conversations --json`)")]
    Several(String),
}

impl In {
    /// The conversations of these names, ids or identities, as they are now: who is called so later is not let in.
    ///
    /// # Errors
    /// A name leads to none, or to several.
    pub fn these(names: &[String], talks: &[ChatConversation]) -> Result<Self, Unnamed> {
        let one = |name: &String| {
            let found = named(name, talks.iter());
            found.map(|talk| talk.conversation.clone())
        };
        names.iter().map(one).collect::<Result<_, _>>().map(Self::These)
    }
}

/// What [`May::Answer`] stands for is named by itself.
pub fn spelled_out(may: &[May]) -> BTreeSet<May> {
    let each = |may: &May| if *may == May::Answer { vec![May::Read, May::Send] } else { vec![*may] };
    may.iter().flat_map(each).collect()
}

impl Rules {
    pub fn may(&self, may: May) -> bool {
        self.may.contains(&may)
    }

    pub fn is_within(&self, talk: &ChatConversation) -> bool {
        match &self.within {
            In::These(ids) => ids.contains(&talk.conversation),
            In::All => talk.peer != Some(self.me),
            In::Hired(paid) => paid.contains_key(&talk.conversation),
        }
    }

    /// The places of a conversation that a bot may see: from the first on, before the second.
    pub fn places(&self, conversation: &str) -> (u64, u64) {
        match &self.within {
            In::These(_) | In::All => (0, u64::MAX),
            In::Hired(paid) => paid.get(conversation).copied().unwrap_or_default(),
        }
    }

    /// Whether whoever speaks to it pays for that.
    pub const fn is_hired(&self) -> bool {
        matches!(self.within, In::Hired(_))
    }

    /// The conversation that a bot means, among those that it was let into.
    pub fn find<'a>(&self, name: &str, talks: &'a [ChatConversation]) -> Option<&'a ChatConversation> {
        named(name, talks.iter().filter(|talk| self.is_within(talk))).ok()
    }

    /// Whether a bot hears of a message: never of our person's own, and so never of what it said itself.
    pub fn is_for_it(&self, item: &ChatItem) -> bool {
        let is_heard = self.may(May::Read) && item.author != self.me && !item.deleted;
        is_heard && (!self.mentions_only || self.is_addressed(item))
    }

    fn is_addressed(&self, item: &ChatItem) -> bool {
        let answers_us = item.reply.as_ref().and_then(|of| of.split_once('/'));
        answers_us.is_some_and(|(author, _)| author.parse() == Ok(self.me)) || mentions(&item.text, &self.name)
    }
}

/// Whether `@name` stands in a text as a word of its own, in whatever case.
fn mentions(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), format!("@{}", name.to_lowercase()));
    let in_a_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    text.match_indices(&name).any(|(at, found)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + found.len()..].chars().next());
        !before.is_some_and(in_a_word) && !after.is_some_and(in_a_word)
    })
}

fn named<'a>(name: &str, talks: impl Iterator<Item = &'a ChatConversation>) -> Result<&'a ChatConversation, Unnamed> {
    let all: Vec<&ChatConversation> = talks.collect();
    let peer: Option<IdentityId> = name.parse().ok();
    // An id is nobody's title: whoever is called like one does not stand before it.
    let exact = |talk: &&&ChatConversation| talk.conversation == name || (peer.is_some() && talk.peer == peer);
    if let Some(talk) = all.iter().find(exact) {
        return Ok(talk);
    }
    let mut called = all.iter().filter(|talk| !name.is_empty() && talk.title.eq_ignore_ascii_case(name));
    match (called.next(), called.next()) {
        (Some(talk), None) => Ok(talk),
        (None, _) => Err(Unnamed::Nobody(name.to_owned())),
        (Some(_), Some(_)) => Err(Unnamed::Several(name.to_owned())),
    }
}

/// How much a bot has done lately in each conversation, so that two of them don't answer each other for ever.
#[derive(Debug)]
pub struct Rate {
    per_minute: usize,
    done: BTreeMap<String, VecDeque<Time>>,
}

impl Rate {
    pub fn new(per_minute: usize) -> Self {
        Self { per_minute, done: BTreeMap::new() }
    }

    /// Counts one more thing that is done in a conversation.
    ///
    /// # Errors
    /// It would be too many in a minute; how long to wait.
    pub fn count(&mut self, conversation: &str, now: Time) -> Result<(), Span> {
        let done = self.done.entry(conversation.to_owned()).or_default();
        while done.front().is_some_and(|first| now.since(*first) >= RATE_SPAN) {
            done.pop_front();
        }
        match done.front() {
            Some(first) if done.len() >= self.per_minute => Err(Span(RATE_SPAN.0 - now.since(*first).0)),
            _ => {
                done.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;

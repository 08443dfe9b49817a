//! A message as it stands now: what was posted, and all that was said about it since.
//!
//! An item is joined from contents of several people, which come in any order: an edit before its message, a reaction after its
//! deletion. So each part of it is one that joins alike in every order. Of registers the highest stamp stands, sets only grow, and
//! what is bounded keeps its newest by stamp. Deletion has the last word: whatever came before it is forgotten, and whatever comes
//! after it is refused. So has a *dispute*: two different messages of one author under one id, of which neither is shown, since
//! others may have got only the other one.

use std::collections::BTreeMap;

use byway_primitives::{IdentityId, Time};

use super::envelope::{Content, MessageRef, Stamp};
use super::kind::Kind;
use super::limits::{PEOPLE_MAX, REACTIONS_EACH_MAX, VERSIONS_MAX, VOTES_EACH_MAX};
use super::lists::{Entries, Register, set};
use super::poll::Choices;
use super::post::{Emoji, Post, Text};

/// A message as it stands now; or what waits for one that has not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub of: MessageRef,
    pub(super) posted: Posted,
    /// Who has deleted it: of several, the first by stamp.
    pub(super) deleted: Option<Stamp>,
    /// Messages of the thread that begins here, with those that were deleted.
    pub(super) replies: u32,
    pub(super) said: Said,
}

/// What came under an item's id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Posted {
    #[default]
    Nothing,
    One(Box<Original>),
    /// Two different ones.
    Disputed,
}

/// Where a message stands, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Original {
    pub place: Place,
    /// None once it was deleted.
    pub content: Option<Content>,
}

/// Where a message stands in its conversation. Stays when it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub stamp: Stamp,
    pub sent: Time,
    pub thread: Option<MessageRef>,
    pub reply: Option<MessageRef>,
}

/// A text that was put in the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub sent: Time,
    pub text: Text,
}

/// Since when a person has a message and has read it, as they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reached {
    pub received: Option<Time>,
    pub read: Option<Time>,
}

/// A poll's votes, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// For each option in turn, who has chosen it.
    pub chosen: Vec<Vec<IdentityId>>,
    /// Closed by its author; whether its time is over, the clock says.
    pub is_closed: bool,
}

/// What was said about a message by others than its first content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Said {
    pub versions: BTreeMap<Stamp, Version>,
    pub reactions: BTreeMap<IdentityId, BTreeMap<Emoji, Register<bool>>>,
    pub votes: BTreeMap<IdentityId, BTreeMap<Stamp, (Time, Choices)>>,
    /// The first close by stamp.
    pub closed: Option<Stamp>,
    pub entries: Entries,
    pub reached: BTreeMap<IdentityId, Reached>,
}

/// What became of a message that was posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    New,
    Known,
    /// Another one is here already, which belonged to this thread.
    Disputed {
        thread: Option<MessageRef>,
    },
    /// There were two already.
    StillDisputed,
}

/// Something has no more room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Item {
    pub(crate) fn waiting(of: MessageRef) -> Self {
        Self { of, posted: Posted::Nothing, deleted: None, replies: 0, said: Said::default() }
    }

    /// Nothing was posted under its id yet.
    pub fn is_waiting(&self) -> bool {
        self.posted == Posted::Nothing
    }

    /// Its author has sent two different messages under its id.
    pub fn is_disputed(&self) -> bool {
        self.posted == Posted::Disputed
    }

    /// Who has deleted it.
    pub fn deleted_by(&self) -> Option<IdentityId> {
        self.deleted.map(|stamp| stamp.author.identity)
    }

    /// Nothing is shown of it any more, for good.
    pub fn is_gone(&self) -> bool {
        self.deleted.is_some() || self.is_disputed()
    }

    /// None while it waits, and where it is disputed.
    pub fn place(&self) -> Option<&Place> {
        match &self.posted {
            Posted::One(original) => Some(&original.place),
            Posted::Nothing | Posted::Disputed => None,
        }
    }

    /// What was posted first. None while it waits, and once it is gone.
    pub fn content(&self) -> Option<&Content> {
        match &self.posted {
            Posted::One(original) => original.content.as_ref(),
            Posted::Nothing | Posted::Disputed => None,
        }
    }

    /// The text as it stands, of what has one that can be edited.
    pub fn text(&self) -> Option<&Text> {
        let first = first_text(&self.content()?.kind)?;
        Some(self.said.versions.last_key_value().map_or(first, |(_, version)| &version.text))
    }

    /// What the text was before and is now, in order; the first is what was posted, as far as the newest [`VERSIONS_MAX`] go.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        self.said.versions.values()
    }

    /// Each reaction with who had it, in the order of whoever was first.
    pub fn reactions(&self) -> Vec<(&Emoji, Vec<IdentityId>)> {
        let all = self.said.reactions.iter().flat_map(|(person, theirs)| theirs.iter().map(move |one| (person, one)));
        let mut stamped: Vec<_> = all
            .filter(|(_, (_, register))| register.value)
            .map(|(person, (emoji, register))| (register.stamp, *person, emoji))
            .collect();
        stamped.sort();
        let mut reactions: Vec<(&Emoji, Vec<IdentityId>)> = Vec::new();
        for (_, person, emoji) in stamped {
            match reactions.iter_mut().find(|(known, _)| *known == emoji) {
                Some((_, people)) => people.push(person),
                None => reactions.push((emoji, vec![person])),
            }
        }
        reactions
    }

    /// The votes of a poll. Of each person the newest one counts that was sent in time, by the voter's clock, and is stamped no later
    /// than the close.
    pub fn tally(&self) -> Option<Tally> {
        let Kind::Poll(poll) = &self.content()?.kind else { return None };
        let mut chosen = vec![Vec::new(); poll.options().len()];
        let in_time = |stamp: &Stamp, sent: &Time| {
            poll.closes().is_none_or(|closes| *sent <= closes)
                && self.said.closed.is_none_or(|closed| stamp.lamport <= closed.lamport)
        };
        for (person, votes) in &self.said.votes {
            let newest = votes.iter().rev().find(|(stamp, (sent, _))| in_time(stamp, sent));
            for place in newest.into_iter().flat_map(|(_, (_, choices))| choices.places()) {
                if let Some(people) = chosen.get_mut(place) {
                    people.push(*person);
                }
            }
        }
        Some(Tally { chosen, is_closed: self.said.closed.is_some() })
    }

    /// What is on a list.
    pub fn entries(&self) -> &Entries {
        &self.said.entries
    }

    /// How many messages its thread has.
    pub fn replies(&self) -> u32 {
        self.replies
    }

    /// How far it has got with each person who says so.
    pub fn reached(&self) -> &BTreeMap<IdentityId, Reached> {
        &self.said.reached
    }

    pub(super) fn post(&mut self, stamp: Stamp, content: &Content) -> Arrival {
        match &self.posted {
            Posted::Nothing => {
                let place = Place { stamp, sent: content.sent, thread: content.thread, reply: content.reply };
                let content = self.deleted.is_none().then(|| content.clone());
                if let Some(content) = &content {
                    self.said.keep_fitting(&content.kind);
                    self.said.begin(stamp, &content.kind);
                }
                self.posted = Posted::One(Box::new(Original { place, content }));
                Arrival::New
            }
            Posted::One(original) if original.place.stamp == stamp => Arrival::Known,
            Posted::One(original) => {
                let thread = original.place.thread;
                self.posted = Posted::Disputed;
                self.said = Said::default();
                Arrival::Disputed { thread }
            }
            Posted::Disputed => Arrival::StillDisputed,
        }
    }

    pub(super) fn delete(&mut self, stamp: Stamp) {
        self.deleted = Some(self.deleted.map_or(stamp, |first| first.min(stamp)));
        self.said = Said::default();
        if let Posted::One(original) = &mut self.posted {
            original.content = None;
        }
    }
}

/// The text that is edited where a message is.
fn first_text(kind: &Kind) -> Option<&Text> {
    match kind {
        Kind::Post(Post { text, .. }) => Some(text),
        Kind::Memo(memo) => Some(&memo.text),
        _ => None,
    }
}

/// Whether `what` can be said about a message of the kind `of`. What is newer than this version may be anything.
pub(super) fn fits(what: &Kind, of: &Kind) -> bool {
    match (what, of) {
        (_, Kind::Future(_)) => true,
        (Kind::Edit(_), _) => first_text(of).is_some(),
        (Kind::Vote(vote), Kind::Poll(poll)) => vote.choices.fits(poll),
        (Kind::PollClose(_), Kind::Poll(_)) | (Kind::ListChanges(_), Kind::List(_)) => true,
        (Kind::Vote(_) | Kind::PollClose(_) | Kind::ListChanges(_), _) => false,
        _ => true,
    }
}

/// The one of a person's own, if there is room for one more person.
pub(super) fn own<V: Default>(all: &mut BTreeMap<IdentityId, V>, person: IdentityId) -> Result<&mut V, Full> {
    if !all.contains_key(&person) && all.len() >= PEOPLE_MAX {
        return Err(Full);
    }
    Ok(all.entry(person).or_default())
}

impl Said {
    pub fn edit(&mut self, stamp: Stamp, sent: Time, text: &Text) {
        self.versions.insert(stamp, Version { sent, text: text.clone() });
        keep_newest(&mut self.versions, VERSIONS_MAX);
    }

    pub fn react(&mut self, stamp: Stamp, emoji: &Emoji, is_there: bool) -> Result<(), Full> {
        let theirs = own(&mut self.reactions, stamp.author.identity)?;
        let mut slot = theirs.remove(emoji);
        set(&mut slot, stamp, is_there);
        theirs.extend(slot.map(|register| (emoji.clone(), register)));
        if theirs.len() > REACTIONS_EACH_MAX {
            let oldest = theirs.iter().min_by_key(|(_, register)| register.stamp).map(|(emoji, _)| emoji.clone());
            oldest.and_then(|oldest| theirs.remove(&oldest));
        }
        Ok(())
    }

    pub fn vote(&mut self, stamp: Stamp, sent: Time, choices: Choices) -> Result<(), Full> {
        let theirs = own(&mut self.votes, stamp.author.identity)?;
        theirs.insert(stamp, (sent, choices));
        keep_newest(theirs, VOTES_EACH_MAX);
        Ok(())
    }

    pub fn close(&mut self, stamp: Stamp) {
        self.closed = Some(self.closed.map_or(stamp, |first| first.min(stamp)));
    }

    pub fn reach(&mut self, person: IdentityId, sent: Time, is_read: bool) -> Result<(), Full> {
        let reached = own(&mut self.reached, person)?;
        let since = if is_read { &mut reached.read } else { &mut reached.received };
        *since = Some(since.map_or(sent, |first| first.min(sent)));
        Ok(())
    }

    /// What a message says about itself.
    fn begin(&mut self, stamp: Stamp, kind: &Kind) {
        if let Kind::List(list) = kind {
            // A full list is one whose changes came first; what it began with has no more room than they.
            let _ = self.entries.change(&list.changes, stamp);
        }
    }

    /// Drops what can't be said about a message of this kind, and came before it.
    pub(super) fn keep_fitting(&mut self, kind: &Kind) {
        if matches!(kind, Kind::Future(_)) {
            return;
        }
        if first_text(kind).is_none() {
            self.versions.clear();
        }
        if !matches!(kind, Kind::List(_)) {
            self.entries = Entries::default();
        }
        if let Kind::Poll(poll) = kind {
            self.votes.values_mut().for_each(|votes| votes.retain(|_, (_, choices)| choices.fits(poll)));
            self.votes.retain(|_, votes| !votes.is_empty());
        } else {
            self.votes.clear();
            self.closed = None;
        }
    }
}

pub(super) fn keep_newest<V>(all: &mut BTreeMap<Stamp, V>, count_max: usize) {
    while all.len() > count_max {
        all.pop_first();
    }
}

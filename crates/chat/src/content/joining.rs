//! Two copies of a message become one that has all that either knows, as if the contents of both had come to one place.
//!
//! Joining is commutative and idempotent, within the bounds of [`limits`](super::limits). Only how many
//! [replies](super::Item::replies) there are is not joined: each copy counts those that came to it, so whoever joins counts.

use super::apply::About;
use super::item::{Full, Item, Posted, Said, keep_newest, own};
use super::limits::{PEOPLE_MAX, VERSIONS_MAX, VOTES_EACH_MAX};
use super::lists::join;

impl Item {
    /// Takes in what another copy of the same message knows, but for how many replies it has. That for which there is no room is left out.
    pub fn join(&mut self, other: &Self) {
        assert_eq!(self.of, other.of, "both are of one message");
        self.deleted = self.deleted.into_iter().chain(other.deleted).min();
        self.posted = match (std::mem::take(&mut self.posted), &other.posted) {
            (Posted::Nothing, posted) => posted.clone(),
            (posted, Posted::Nothing) => posted,
            (Posted::One(one), Posted::One(another)) if one.place.stamp == another.place.stamp => Posted::One(one),
            _ => Posted::Disputed,
        };
        if self.is_gone() {
            self.said = Said::default();
            if let Posted::One(original) = &mut self.posted {
                original.content = None;
            }
            return;
        }
        self.said.join(&other.said);
        if let Posted::One(original) = &self.posted
            && let Some(content) = &original.content
        {
            self.said.keep_fitting(&content.kind);
        }
    }
}

impl Item {
    /// A message of the thread that begins here has come otherwise than by [`apply`](super::apply()).
    pub(crate) fn count_reply(&mut self) {
        self.replies = self.replies.saturating_add(1);
    }
}

impl Said {
    fn join(&mut self, other: &Self) {
        self.versions.extend(other.versions.iter().map(|(stamp, version)| (*stamp, version.clone())));
        keep_newest(&mut self.versions, VERSIONS_MAX);
        // Whose they are, their stamps say. Who has no room is left out.
        for (emoji, register) in other.reactions.values().flatten() {
            let _: Result<(), Full> = self.react(register.stamp, emoji, register.value);
        }
        for (person, theirs) in &other.votes {
            let Ok(ours) = own(&mut self.votes, *person) else { continue };
            ours.extend(theirs.iter().map(|(stamp, vote)| (*stamp, *vote)));
            keep_newest(ours, VOTES_EACH_MAX);
        }
        self.closed = self.closed.into_iter().chain(other.closed).min();
        let _ = self.entries.join(&other.entries);
        for (person, theirs) in &other.reached {
            let times = [(theirs.received, false), (theirs.read, true)];
            for (since, is_read) in times.into_iter().filter_map(|(since, is_read)| Some((since?, is_read))) {
                let _ = self.reach(*person, since, is_read);
            }
        }
    }
}

impl About {
    /// Takes in what is known elsewhere of the same conversation.
    pub fn join(&mut self, other: &Self) {
        join(&mut self.title, other.title.as_ref());
        join(&mut self.disappearing, other.disappearing.as_ref());
        for (who, profile) in &other.profiles {
            if self.profiles.contains_key(who) || self.profiles.len() < PEOPLE_MAX {
                let mut ours = self.profiles.remove(who);
                join(&mut ours, Some(profile));
                self.profiles.extend(ours.map(|profile| (*who, profile)));
            }
        }
    }
}

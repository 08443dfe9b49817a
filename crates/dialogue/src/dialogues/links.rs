//! The links that frames may come from, and whom the handshakes on each are with.

use std::collections::BTreeMap;

use byway_primitives::{IdentityId, Time};

use crate::config::{HALF_OPEN_SPAN, HELLOS_PER_LINK_MAX, LINKS_MAX, SESSIONS_PER_LINK_MAX};
use crate::frame::Tag;
use crate::link::{Link, LinkId};

/// Links by number.
#[derive(Debug, Default)]
pub(super) struct Links(BTreeMap<LinkId, Entry>);

#[derive(Debug)]
struct Entry {
    link: Link,
    /// Handshakes with the peers they are with, oldest first.
    sessions: Vec<(Tag, IdentityId)>,
    hellos_since: Time,
    hellos: u32,
}

impl Links {
    /// Whether the link was taken; not where it is known already, or there are too many.
    pub fn insert(&mut self, link: Link) -> bool {
        if self.0.len() >= LINKS_MAX || self.0.contains_key(&link.id) {
            return false;
        }
        let entry = Entry { link, sessions: Vec::new(), hellos_since: Time::ZERO, hellos: 0 };
        self.0.insert(entry.link.id, entry);
        true
    }

    pub fn link(&self, id: LinkId) -> Option<&Link> {
        self.0.get(&id).map(|entry| &entry.link)
    }

    /// Forgets a link, and gives the peers that there were handshakes with.
    pub fn remove(&mut self, id: LinkId) -> Vec<IdentityId> {
        let Some(entry) = self.0.remove(&id) else { return Vec::new() };
        entry.sessions.into_iter().map(|(_, peer)| peer).collect()
    }

    /// Counts an opening; false when there were too many of late.
    pub fn admits_hello(&mut self, id: LinkId, now: Time) -> bool {
        let Some(entry) = self.0.get_mut(&id) else { return false };
        if now >= entry.hellos_since + HALF_OPEN_SPAN {
            (entry.hellos_since, entry.hellos) = (now, 0);
        }
        entry.hellos += 1;
        entry.hellos <= HELLOS_PER_LINK_MAX
    }

    /// Remembers whom a handshake is with. The oldest is forgotten where there are too many: frames of that one then
    /// count as of an unknown handshake, and its side opens anew.
    pub fn insert_session(&mut self, id: LinkId, tag: Tag, peer: IdentityId) {
        let Some(entry) = self.0.get_mut(&id) else { return };
        if entry.sessions.len() >= SESSIONS_PER_LINK_MAX {
            entry.sessions.remove(0);
        }
        entry.sessions.push((tag, peer));
    }

    /// A handshake is over.
    pub fn remove_session(&mut self, id: LinkId, tag: Tag) {
        if let Some(entry) = self.0.get_mut(&id) {
            entry.sessions.retain(|(other, _)| *other != tag);
        }
    }

    pub fn peer(&self, id: LinkId, tag: Tag) -> Option<IdentityId> {
        let entry = self.0.get(&id)?;
        entry.sessions.iter().find(|(other, _)| *other == tag).map(|(_, peer)| *peer)
    }
}

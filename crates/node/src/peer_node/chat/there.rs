//! Who is there, and how much waits for each: whoever watches is told when that changes.
//!
//! It is looked at with each tick, and not with each link and parcel: of what changes many times meanwhile the last is told.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::IdentityId;

use super::super::Actor;
use super::called::Alike;
use crate::api::*;

/// What has changed since it was looked at last, and what there was then.
#[derive(Default)]
pub(in super::super) struct ThereDesk {
    /// Nodes to which a link has come, or from which it has gone.
    moved: BTreeSet<IdentityId>,
    /// Parcels, by the node that they are for.
    waiting: BTreeMap<IdentityId, usize>,
}

impl Actor {
    /// A link to a node has come or gone.
    pub(in super::super) fn note_moved(&mut self, node: IdentityId) {
        self.there.moved.insert(node);
    }

    /// Tells of those who have come or gone, and of those for whom more or less waits than before.
    pub(in super::super) fn tend_there(&mut self) {
        let chats = self.chats();
        let waiting: BTreeMap<_, _> = chats.awaited().map(|node| (node, chats.waiting_for(node))).collect();
        let before = std::mem::replace(&mut self.there.waiting, waiting);
        let waiting = &self.there.waiting;
        let differ = |node: &&IdentityId| before.get(*node) != waiting.get(*node);
        let changed = before.keys().chain(waiting.keys()).filter(differ).copied();
        let nodes: BTreeSet<IdentityId> = changed.chain(std::mem::take(&mut self.there.moved)).collect();
        if nodes.is_empty() {
            return;
        }
        let chats = self.chats();
        let is_known = |peer: &IdentityId| chats.people().get(*peer).is_some();
        let people: BTreeSet<IdentityId> =
            nodes.into_iter().map(|node| chats.person_of(node)).filter(is_known).collect();
        if people.is_empty() {
            return;
        }
        let alike = Alike::of(chats.people());
        let known = people.into_iter().filter_map(|peer| Some((peer, chats.people().get(peer)?)));
        for (peer, person) in known {
            self.tell(Event::ChatPerson(self.person(peer, person, &alike)));
        }
    }
}

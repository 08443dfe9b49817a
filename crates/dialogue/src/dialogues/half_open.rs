//! Answered openings whose initiator has not yet proved to be live.

use std::collections::VecDeque;

use byway_primitives::{IdentityId, Time};

use crate::certificate::StaticCertificate;
use crate::config::{HALF_OPEN_MAX, HALF_OPEN_PER_PEER_MAX, HALF_OPEN_SPAN};
use crate::frame::Tag;
use crate::handshake::{DialogueId, Incarnation};
use crate::link::LinkId;
use crate::session::Session;

/// One of them. It commits us to nothing.
#[derive(Debug)]
pub(super) struct HalfOpen {
    pub peer: IdentityId,
    /// The one that it showed, which is good.
    pub certificate: StaticCertificate,
    pub session: Session,
    pub dialogue: DialogueId,
    pub incarnation: Incarnation,
    /// Our answer, given again to the same Hello.
    pub welcome: Vec<u8>,
    pub since: Time,
}

/// All of them, oldest first; few, and each short-lived, so they are searched in order.
#[derive(Debug, Default)]
pub(super) struct HalfOpens(VecDeque<HalfOpen>);

impl HalfOpens {
    pub fn is_full(&self) -> bool {
        self.0.len() >= HALF_OPEN_MAX
    }

    /// Adds one, at the cost of the peer's oldest where it has too many.
    pub fn insert(&mut self, half_open: HalfOpen) {
        let peer = half_open.peer;
        if self.0.iter().filter(|other| other.peer == peer).count() >= HALF_OPEN_PER_PEER_MAX
            && let Some(oldest) = self.0.iter().position(|other| other.peer == peer)
        {
            self.0.remove(oldest);
        }
        self.0.push_back(half_open);
    }

    pub fn find(&mut self, link: LinkId, tag: Tag) -> Option<&mut HalfOpen> {
        self.0.iter_mut().find(|half_open| half_open.session.link == link && half_open.session.tag == tag)
    }

    /// Takes one out, and with it the older ones of that peer: an initiator makes one attempt at a time, so it has given
    /// those up.
    pub fn take(&mut self, link: LinkId, tag: Tag) -> Option<HalfOpen> {
        let index =
            self.0.iter().position(|half_open| half_open.session.link == link && half_open.session.tag == tag)?;
        let taken = self.0.remove(index)?;
        let mut position = 0;
        self.0.retain(|other| {
            let is_older = position < index;
            position += 1;
            !(is_older && other.peer == taken.peer)
        });
        Some(taken)
    }

    pub fn drop_peer(&mut self, peer: IdentityId) {
        self.0.retain(|half_open| half_open.peer != peer);
    }

    pub fn drop_link(&mut self, link: LinkId) {
        self.0.retain(|half_open| half_open.session.link != link);
    }

    pub fn expire(&mut self, now: Time) {
        self.0.retain(|half_open| half_open.since + HALF_OPEN_SPAN > now);
    }

    pub fn deadline(&self) -> Option<Time> {
        self.0.front().map(|half_open| half_open.since + HALF_OPEN_SPAN)
    }
}

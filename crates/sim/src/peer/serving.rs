//! The data plane at both ends: bytes that programs want, limits that they obey, counters that the market hears of.

use std::collections::BTreeMap;

use byway_access::session::{Counters, Limit, ProviderNews, SessionId, Traffic};
use byway_dialogue::LinkId;
use byway_primitives::{IdentityId, Span, Time};

use super::links::Cargo;
use super::{At, PeerNode};

/// The exit gives up to [`STEP_BYTES`] this often: 8 MB/s.
const STEP: Span = Span::millis(5);
const STEP_BYTES: u64 = 40_000;
/// Wants that may wait for their session to be served.
const EARLY_MAX: usize = 16;

/// A session that is served.
#[derive(Debug)]
pub(super) struct Plane {
    client: IdentityId,
    /// What it may carry, in the count since it was started.
    limit: Limit,
    carried: u64,
    /// What programs at the client wait for, on this link.
    wanted: u64,
    link: Option<LinkId>,
}

/// All sessions that are served.
#[derive(Debug, Default)]
pub(super) struct Planes {
    served: BTreeMap<SessionId, Plane>,
    /// Programs may be quicker than the word that the session's channel is up.
    early: BTreeMap<SessionId, (LinkId, u64)>,
    pub(super) step_at: Option<Time>,
}

impl PeerNode {
    pub(super) fn serving_news(&mut self, client: IdentityId, news: &ProviderNews) {
        match news {
            ProviderNews::Serve { session, limit, .. } => {
                let plane = Plane { client, limit: *limit, carried: 0, wanted: 0, link: None };
                self.planes.served.insert(*session, plane);
                if let Some((link, bytes)) = self.planes.early.remove(session) {
                    self.wanted(link, *session, bytes);
                }
            }
            ProviderNews::Limit { session, limit } => {
                if let Some(plane) = self.planes.served.get_mut(session) {
                    plane.limit = *limit;
                }
            }
            ProviderNews::Halt { session } => {
                self.planes.served.remove(session);
            }
            // The market has passed the one on to the payments; the other is for showing.
            // Nothing that plugs in is sold here.
            ProviderNews::Earned { .. }
            | ProviderNews::Ended { .. }
            | ProviderNews::Judge { .. }
            | ProviderNews::Unjudged { .. } => {}
        }
        self.plan_step();
    }

    /// A program at the client's wants bytes: it must be a session of the identity that talks on this link.
    pub(super) fn wanted(&mut self, link: LinkId, session: SessionId, bytes: u64) {
        let talking = self.market.peer_on(link);
        match self.planes.served.get_mut(&session) {
            Some(plane) if Some(plane.client) == talking => (plane.wanted, plane.link) = (bytes, Some(link)),
            Some(_) => {}
            None if self.planes.early.len() < EARLY_MAX => {
                self.planes.early.insert(session, (link, bytes));
            }
            None => {}
        }
        self.plan_step();
    }

    /// Streams end with their link.
    pub(super) fn streams_gone(&mut self, link: LinkId) {
        for plane in self.planes.served.values_mut().filter(|plane| plane.link == Some(link)) {
            (plane.wanted, plane.link) = (0, None);
        }
        self.planes.early.retain(|_, (early, _)| *early != link);
    }

    /// Lets the exit give what is due.
    pub(super) fn step_planes(&mut self, at: At<'_>) {
        if self.planes.step_at.is_none_or(|due| at.now < due) {
            return;
        }
        self.planes.step_at = None;
        let mut moved = Vec::new();
        for (session, plane) in &mut self.planes.served {
            let count = STEP_BYTES.min(plane.wanted).min(plane.limit.bytes.saturating_sub(plane.carried));
            let Some(link) = plane.link.filter(|_| count > 0) else { continue };
            plane.carried += count;
            plane.wanted -= count;
            let (traffic, Limit { number: limit, bytes }) = (Traffic::new(0, plane.carried), plane.limit);
            let counters = Counters { traffic, limit, bound: bytes.max(plane.carried), is_short: false };
            moved.push((*session, plane.client, link, count, counters));
        }
        for (session, client, link, count, counters) in moved {
            if let Some(truth) = self.scene.outside.borrow_mut().sessions.get_mut(&session) {
                truth.carried += count;
            }
            self.links.send(at.now, link, Cargo::Bytes { session, count });
            self.market.handle_served(at.now, client, session, counters, &at.store);
        }
        self.plan_step();
    }

    fn plan_step(&mut self) {
        let is_moving = |plane: &Plane| plane.link.is_some() && plane.wanted > 0 && plane.carried < plane.limit.bytes;
        if self.planes.step_at.is_none() && self.planes.served.values().any(is_moving) {
            let due = self.now + STEP;
            self.planes.step_at = Some(due);
            self.wake_at(due);
        }
    }
}

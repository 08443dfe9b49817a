//! Staying with an exit, and leaving it.
//!
//! **When a provider is left.** The user pays for a way out and wants one now, so no provider holds a client for long:
//!
//! - One that ends the session is left at once: it says so also when it stops in an orderly way.
//! - One that vanishes is noticed when its link is silent for 10 s, the longest that a change of network usually takes.
//!   It is dialled again for [`RETURN_MAX`], in which a provider that was only restarted is back; then it is left. All
//!   that is less than programs wait for a way out, so that they still get the next one. Behind a hop that carries nothing
//!   that time doesn't run, and nobody is blamed.
//! - One that serves nothing, saying that nothing was paid, is left after [`PAUSE_MAX`] where another offer matches: an
//!   honest one resumes within a round trip of the promise that it waits for.
//! - One that reaches nothing any more is left where another offer matches ([`outage`](super::outage)).
//!
//! Whoever was left comes after all others for a minute. What it is owed it settles: our last word on the session
//! waits in the dialogue, and reaches it if the dialogue goes on within its life.

use byway_access::session::{SessionId, StopReason};
use byway_primitives::{IdentityId, Span, Time};
use byway_records::OfferId;

use super::Actor;
use super::ways::{Connection, Flow, LinkLost, WayId};

/// Pause between two attempts to dial the provider of a session whose link was lost.
const REDIAL_PAUSE: Span = Span::seconds(1);
/// A provider that has not come back this long after its link was lost is left.
const RETURN_MAX: Span = Span::seconds(6);
/// A provider that has paused the session for this long is left for another one: many round trips, and a fraction of the
/// minute after which it may end the session itself.
const PAUSE_MAX: Span = Span::seconds(10);

impl Actor {
    /// The session of the main way.
    pub(super) fn session_in_use(&self) -> Option<SessionId> {
        self.ways.connected(WayId::MAIN).map(|connected| connected.session)
    }

    /// Lets go of the session in use, with everything that arrived acknowledged.
    pub(super) fn leave_exit(&mut self, id: WayId) {
        let Some(connected) = self.ways.connected(id) else { return };
        let (provider, session) = (connected.offer.provider, connected.session);
        self.report_used(provider, session);
        self.market.stop_using(self.clock.now(), provider, session, &self.market_journal);
        let since = self.clock.now();
        if let Some(way) = self.ways.get_mut(id) {
            way.connection = Connection::Idle { since };
        }
        // Whatever else leads there goes on from the account.
        self.pay_as_chosen(provider);
    }

    /// The session in use has ended against the user's wish, or was left: its provider comes after all others for a while,
    /// and the next best takes its place, if there is one.
    pub(super) fn lose_exit(&mut self, id: WayId, why: &str) {
        let Some(connected) = self.ways.connected(id) else { return };
        let (provider, filter) = (connected.offer.provider, connected.filter.clone());
        self.failed_lately.insert(provider, self.clock.now());
        let next = match self.place_in_chain(id) {
            Some(at) => self.other_hops(at, filter.as_ref()),
            None => self.untried(filter.as_ref(), self.pay_of(id)),
        };
        tracing::info!(%provider, why, others = next.len(), "the exit is lost");
        if next.is_empty() {
            self.fail_connection(id, format!("the session ended: {why}; choose another offer, or try again later"));
        } else {
            self.try_in_order(id, next, filter, Vec::new());
        }
    }

    /// Ends the session in use because its provider doesn't serve it; `reason` is what is remembered of it.
    pub(super) fn leave_provider(&mut self, id: WayId, reason: StopReason) {
        let Some(connected) = self.ways.connected(id) else { return };
        let (provider, session) = (connected.offer.provider, connected.session);
        self.report_used(provider, session);
        if let Some(using) = self.using.get_mut(&session) {
            using.left = Some(reason);
        }
        self.market.stop_using(self.clock.now(), provider, session, &self.market_journal);
        self.lose_exit(id, &reason.to_string());
    }

    pub(super) fn detached(&mut self, peer: IdentityId) {
        self.note_moved(peer);
        let with_peer =
            |connection: &Connection| matches!(connection, Connection::Connected(c) if c.offer.provider == peer);
        for id in self.ways.ids(|way| with_peer(&way.connection)) {
            self.publish_exit(id);
            self.stay_connected(id);
        }
        // What a relay is owed is promised over its link.
        if let Some(offer) = self.slice_relay_offer(peer) {
            self.dial(&offer);
        }
    }

    /// What is done about connections from time to time.
    pub(super) fn look_after_connections(&mut self) {
        let now = self.clock.now();
        self.sample_rates(now);
        self.measure_rates(now);
        self.look_after_tunnel();
        self.look_after_slice_relays();
        self.end_retired();
        self.ways.ids(|_| true).into_iter().for_each(|id| self.stay_connected(id));
    }

    /// Dials the provider again while the session is there and its link isn't; leaves one that doesn't come back, or that
    /// serves nothing.
    fn stay_connected(&mut self, id: WayId) {
        let now = self.clock.now();
        let Some(provider) = self.ways.connected(id).map(|connected| connected.offer.provider) else { return };
        if self.leads_as_it_should(id, provider) {
            return self.look_after_flow(now, id);
        }
        if self.is_left_hop(id) {
            // It ends soon in any case.
            return;
        }
        let is_cut_off = self.is_cut_off(provider);
        let Some(connected) = self.ways.connected_mut(id) else { return };
        let lost = connected.lost.get_or_insert(LinkLost { since: now, dialled: None });
        if is_cut_off {
            // It may be there, and waits for a hop as this node does.
            lost.since = now;
        }
        if now >= lost.since + RETURN_MAX {
            return self.leave_provider(id, StopReason::Silence);
        }
        if lost.dialled.is_some_and(|at| now < at + REDIAL_PAUSE) {
            return;
        }
        lost.dialled = Some(now);
        let offer = connected.offer.clone();
        self.permit_hops();
        // The provider may have published new contacts since.
        let newest = self.index.offer(OfferId::of(offer.provider, offer.serial)).map(|o| o.offer.offer.clone());
        self.reach_by_route(&newest.unwrap_or(offer));
    }

    fn look_after_flow(&mut self, now: Time, id: WayId) {
        let Some(connected) = self.ways.connected(id) else { return };
        if let Flow::Paused { since } = connected.flow
            && now >= since + PAUSE_MAX
            && self.another_fits(id)
        {
            self.leave_provider(id, StopReason::RemainderZero);
        }
    }

    /// Whether somebody else's offer fits the wish that led to the exit in use.
    pub(super) fn another_fits(&self, id: WayId) -> bool {
        let Some(connected) = self.ways.connected(id) else { return false };
        let others = self.untried(connected.filter.as_ref(), self.pay_of(id));
        let is_another = |provider: IdentityId| provider != connected.offer.provider && !self.is_taken(id, provider);
        others.iter().any(|candidate| is_another(candidate.offer.offer.provider))
    }
}

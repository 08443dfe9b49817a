//! Choosing, connecting and leaving the hops of a chain.

use std::collections::BTreeMap;

use byway_access::discovery::Candidate;
use byway_access::session::{SessionId, StopReason};
use byway_access::slices::{Occupied, choose};
use byway_primitives::IdentityId;
use byway_records::Offer;

use super::super::Actor;
use super::super::reaching::Whereabouts;
use super::super::tunnelling::contact;
use super::super::ways::{Connection, LinkLost, Stage, WayId};
use super::DOUBTED_MAX;
use crate::api::{AccountNumber, ApiError, HopWish, OfferFilter, Pay};

/// Offers that are tried for one hop.
const TRIED_MAX: usize = 16;

impl Actor {
    /// Somebody is to be dialled behind a hop that carries nothing.
    pub(super) fn rouse_hop(&mut self, way: WayId) {
        let why = match self.ways.get(way).map(|way| &way.connection) {
            Some(Connection::Idle { .. }) => return self.connect_hop(way),
            Some(Connection::Failed { reason, .. }) => reason.clone(),
            Some(Connection::Stopped(stopped)) => stopped.over.to_string(),
            Some(Connection::Disconnected { .. }) => "it was disconnected; `byway connect` connects it".to_owned(),
            _ => return,
        };
        self.hop_failed(way, &why);
    }

    /// Hops that failed are tried again for whoever wants out now.
    pub(in super::super) fn permit_hops(&mut self) {
        let since = self.clock.now();
        for at in 0..self.chain.places.len() {
            let way = self.ways.get_mut(self.chain.places[at].way);
            if let Some(way) = way
                && matches!(way.connection, Connection::Failed { .. })
            {
                way.connection = Connection::Idle { since };
            }
        }
    }

    /// The user has answered, and the main way goes on: so do hops, unless the day's limit still stops them.
    pub(in super::super) fn permit_stopped_hops(&mut self) {
        for id in self.ways.ids(|way| matches!(way.connection, Connection::Stopped(_))) {
            if self.is_hop(id) && self.held_back(id).is_none() {
                self.permit_stopped(id);
            }
        }
    }

    /// The user has answered for a hop that a spending limit has stopped.
    pub(in super::super) fn permit_stopped(&mut self, id: WayId) {
        let since = self.clock.now();
        if let Some(way) = self.ways.get_mut(id) {
            way.connection = Connection::Idle { since };
        }
        self.publish_exit(id);
    }

    /// Hops are on the main way's bill: sessions that are on another are left, and come anew.
    pub(in super::super) fn bill_hops(&mut self, payer: Option<AccountNumber>) {
        let is_other = |way: &WayId| {
            let session = self.ways.connected(*way).map(|connected| connected.session);
            session.is_some_and(|session| self.payer_of(session) != payer)
        };
        let others: Vec<WayId> = self.chain.places.iter().map(|place| place.way).filter(is_other).collect();
        others.into_iter().for_each(|way| self.leave_exit(way));
    }

    fn connect_hop(&mut self, id: WayId) {
        let Some(at) = self.chain.place_of(id) else { return };
        let wish = self.chain.places[at].wish;
        let payer = self.ways.main.payer;
        if let Some(way) = self.ways.get_mut(id) {
            way.payer = payer;
        }
        let candidates = self.hop_candidates(at);
        if candidates.is_empty() {
            return self.fail_connection(id, "nobody who sells `socks` by the MB fits it".to_owned());
        }
        // A provider that was named is that one or none.
        let filter = Some(self.hop_filter(wish)).filter(|_| !matches!(wish, HopWish::Provider(_)));
        self.try_in_order(id, candidates, filter, Vec::new());
    }

    /// Who may be this hop, the best first: none that is another hop or the exit, and where it is the choice of this node as
    /// far from those as can be.
    pub(in super::super) fn hop_candidates(&self, at: usize) -> Vec<Candidate> {
        let Some(place) = self.chain.places.get(at) else { return Vec::new() };
        let filter = self.hop_filter(place.wish);
        if let HopWish::Provider(provider) = place.wish {
            let found = self.index.candidates(self.query(&filter), self.ledger_clock());
            return found
                .filter(|found| found.offer.offer.provider == provider && is_reached(at, &found.offer.offer))
                .collect();
        }
        let found = self.other_hops(at, Some(&filter));
        if !found.is_empty() {
            return found;
        }
        // One that failed may be the only one there is.
        self.far_apart(at, self.index.candidates(self.query(&filter), self.ledger_clock()).collect())
    }

    /// Who may be this hop in place of one that is lost.
    pub(in super::super) fn other_hops(&self, at: usize, filter: Option<&OfferFilter>) -> Vec<Candidate> {
        self.far_apart(at, self.untried(filter, Pay::Auto))
    }

    /// Those of the candidates for a hop who are nothing else in the chain, the farthest from the rest first.
    fn far_apart(&self, at: usize, mut found: Vec<Candidate>) -> Vec<Candidate> {
        let Some(place) = self.chain.places.get(at) else { return Vec::new() };
        found.retain(|found| {
            let offer = &found.offer.offer;
            !self.is_taken(place.way, offer.provider) && is_reached(at, offer)
        });
        let is_other = |id: WayId| id != place.way && !self.is_left_hop(id);
        let others = self.ways.iter().filter(|(id, _)| is_other(*id)).filter_map(|(_, way)| way.connection.offer());
        let others = others.map(|offer| Occupied { provider: offer.provider, place: Some(offer.exit) });
        choose(found.into_iter(), TRIED_MAX, others.collect::<Vec<_>>())
    }

    /// A hop carries, perhaps in place of another: what is behind it is dialled through it.
    pub(in super::super) fn hop_up(&mut self, way: WayId) {
        let Some(at) = self.chain.place_of(way) else { return };
        tracing::info!(hop = at + 1, "a hop carries");
        let place = &mut self.chain.places[at];
        (place.is_proved, place.is_silent) = (false, false);
        let is_through = |peer: &IdentityId| {
            let link = self.market.link_to(*peer);
            link.is_some_and(|link| self.chain.through.get(&link) == Some(&way))
        };
        let stale: Vec<IdentityId> = self.talking_on.keys().copied().filter(is_through).collect();
        stale.into_iter().for_each(|peer| self.leave_link(peer));
        // What was lost with the hop before is looked for from now on.
        let now = self.clock.now();
        for id in self.ways.ids(|_| true) {
            let provider = self.ways.connected(id).map(|connected| connected.offer.provider);
            if provider.is_some_and(|provider| self.before(provider) > at)
                && let Some(lost) = self.ways.connected_mut(id).and_then(|connected| connected.lost.as_mut())
            {
                *lost = LinkLost { since: now, dialled: None };
            }
        }
        let waiting: Vec<IdentityId> = self.chain.waiting.keys().copied().collect();
        for provider in waiting {
            if self.way_before(provider) == Some(way)
                && let Some(offer) = self.chain.waiting.remove(&provider)
            {
                self.dial(offer);
            }
        }
    }

    /// Nobody answered through a session with a hop. Whether that says nothing of the provider, which is dialled again: the
    /// session is over by now, or it is the hop that is to blame.
    pub(in super::super) fn dialled_in_vain(
        &mut self,
        provider: IdentityId,
        (way, session): (WayId, SessionId),
    ) -> bool {
        let is_in_use = self.ways.connected(way).is_some_and(|connected| connected.session == session);
        if is_in_use && self.chain.place_of(way).is_some() {
            return self.doubt_hop(way, provider);
        }
        let Some(offer) = self.offer_reached_for(provider).or_else(|| self.offer_to_inquire(provider)) else {
            return false;
        };
        self.dial(&offer);
        true
    }

    /// The place of the hop before a provider, if nothing has come through that yet.
    pub(in super::super) fn silent_before(&self, provider: IdentityId) -> Option<usize> {
        let at = self.before(provider).checked_sub(1)?;
        let place = &self.chain.places[at];
        (place.is_silent && !place.is_proved && self.ways.connected(place.way).is_some()).then_some(at)
    }

    /// Nobody is left who could be tried behind a hop: one through which nothing has come is paid no more. Gives what is to
    /// be said of it.
    pub(in super::super) fn leave_silent_hop(&mut self, provider: IdentityId) -> Option<ApiError> {
        let at = self.silent_before(provider)?;
        let (wish, way) = (self.chain.places[at].wish, self.chain.places[at].way);
        let (hop, session) = self.ways.connected(way).map(|hop| (hop.offer.provider, hop.session))?;
        self.failed_lately.insert(hop, self.clock.now());
        if let Some(using) = self.using.get_mut(&session) {
            using.left = Some(StopReason::ChannelFailed);
        }
        let why = "nothing came through it";
        // Which of the two it was can't be told: where a hop is behind it, both are named.
        let broken = match self.chain.places.get(at + 1).map(|next| next.wish) {
            Some(next) if self.before(provider) == at + 1 => {
                let why = format!("nothing came from it through the hop before ({wish})");
                ApiError::chain_broken(at + 2, next, &why)
            }
            _ => ApiError::chain_broken(at + 1, wish, why),
        };
        self.stop_paying(way);
        self.broken_at(at, &broken);
        self.fail_connection(way, why.to_owned());
        Some(broken)
    }

    /// A hop has no session any more, and nobody takes its place.
    pub(in super::super) fn hop_failed(&mut self, way: WayId, why: &str) {
        let Some(at) = self.chain.place_of(way) else { return };
        self.broken_at(at, &ApiError::chain_broken(at + 1, self.chain.places[at].wish, why));
    }

    /// What is behind a hop, or waits for it, ends for this reason.
    fn broken_at(&mut self, at: usize, error: &ApiError) {
        let (behind, others): (BTreeMap<_, _>, _) =
            std::mem::take(&mut self.chain.waiting).into_iter().partition(|(provider, _)| self.before(*provider) > at);
        self.chain.waiting = others;
        for (provider, _) in behind {
            self.ways.trying(provider).into_iter().for_each(|id| self.give_up(id, error));
            self.not_inquired(provider, &error.to_string());
        }
        let is_behind = |id: &WayId| {
            let provider = self.ways.connected(*id).map(|connected| connected.offer.provider);
            !self.is_left_hop(*id) && provider.is_some_and(|provider| self.before(provider) > at)
        };
        let (hops, out): (Vec<_>, Vec<_>) =
            self.ways.ids(|_| true).into_iter().filter(is_behind).partition(|id| self.is_hop(*id));
        out.into_iter().chain(hops).for_each(|id| self.cut_off(id, error));
    }

    /// Ends a session whose provider is not to blame for that nothing comes from it.
    fn cut_off(&mut self, id: WayId, error: &ApiError) {
        let session = self.ways.connected(id).map(|connected| connected.session);
        if let Some(using) = session.and_then(|session| self.using.get_mut(&session)) {
            using.is_excused = true;
        }
        if self.stop_paying(id) {
            self.fail_connection(id, error.to_string());
        }
    }

    /// The offer for whose sake a provider is being reached.
    fn offer_reached_for(&self, provider: IdentityId) -> Option<Offer> {
        self.ways.trying(provider).into_iter().find_map(|id| {
            let connecting = self.ways.connecting(id).filter(|connecting| connecting.stage == Stage::Reaching)?;
            Some(connecting.current.offer.offer.clone())
        })
    }

    /// Whether this hop is left for another, through which the provider is dialled again.
    fn doubt_hop(&mut self, way: WayId, provider: IdentityId) -> bool {
        let Some(at) = self.chain.place_of(way) else { return false };
        self.chain.places[at].is_silent = true;
        let is_doubtful = !self.chain.places[at].is_proved && self.chain.doubted < DOUBTED_MAX;
        let reached_for = self.offer_reached_for(provider).filter(|_| is_doubtful && self.another_fits(way));
        let Some(offer) = reached_for else { return false };
        self.chain.doubted += 1;
        self.chain.waiting.insert(provider, Whereabouts::from(&offer));
        self.leave_provider(way, StopReason::ChannelFailed);
        true
    }
}

/// Whether an offer's provider can be dialled where this hop is.
fn is_reached(at: usize, offer: &Offer) -> bool {
    contact(offer).is_some_and(|contact| at == 0 || !contact.addresses().is_empty())
}

//! Chains of hops (row A12): what this node dials as a client, it dials through the hops that the user has chosen.
//!
//! ```text
//! this node ── link ──► hop 1 ── UDP ──► hop 2 ── UDP ──► exit
//!           ═══════ session with hop 1 ═╗
//!                     ╚═ link ═ session with hop 2 ═╗
//!                                        ╚═ link ═ session with the exit: proxy, tunnel
//! ```
//!
//! A hop is a way of its own ([`ways`](super::ways)), with an ordinary proxy session at an ordinary exit; what is behind it is
//! dialled through an endpoint whose datagrams go through that session ([`through`]), and nowhere else. The exit of the main
//! way, and of all others, is behind the last hop.
//!
//! **One place decides** how a provider is dialled: [`Actor::dial`]. While there is a chain, a provider is dialled through the
//! hop before it, or not at all. A link to it that came about otherwise, as one that it opened by itself, is left before
//! anything is asked or said on it ([`Actor::wanted_by_another_route`]); a client of this node is no exit behind hops.
//!
//! **When a hop fails** the next best one that the user's wish fits takes its place, and links through it are made anew. While
//! there is none, nothing is sent; the ways behind it wait, and fail with its reason.
//!
//! **Who is to blame** when nothing is heard through a hop can't be told: it or the node behind it. A hop through which no
//! link has come about yet is left for another, if one fits, before what is behind it is given up; [`DOUBTED_MAX`] times in a
//! row.

mod hops;
mod through;

use std::collections::{BTreeMap, BTreeSet};

use byway_access::discovery::Candidate;
use byway_access::session::SessionId;
use byway_dialogue::LinkId;
use byway_driver::link::{ConnectError, Link};
use byway_primitives::{IdentityId, Span, Time};
use byway_records::Offer;
use byway_records::offer::Service;

use super::reaching::Whereabouts;
use super::ways::{Connection, Flow, Stage, Way, WayId};
use super::{Actor, Arrival};
use crate::api::{AccountNumber, ApiError, Connect, ConnectTarget, Hop, HopWish, OfferFilter, chain_problem};
use through::Through;

/// Why a provider is passed over behind hops.
pub(super) const SERVED: &str = "it is a client of this node, whose link doesn't go through the hops";
/// Hops that are left in a row because nothing came through them.
const DOUBTED_MAX: usize = 2;
/// How long the sessions of a chain that was left may go on, so that what is behind hears that it is over.
const RETIRING_MAX: Span = Span::seconds(5);

/// The chain, and what is left of those before it.
#[derive(Default)]
pub(super) struct Chain {
    places: Vec<Place>,
    /// Who is dialled once the hop before is there.
    waiting: BTreeMap<IdentityId, Whereabouts>,
    /// Which hop's way each link goes through, of those that go through one.
    through: BTreeMap<LinkId, WayId>,
    retired: Vec<(Time, Vec<Place>)>,
    /// Hops left since a link last came about through one.
    doubted: usize,
    /// Whom this node dialled straight for the sake of these hops: they know its address.
    straight: BTreeSet<IdentityId>,
}

struct Place {
    wish: HopWish,
    way: WayId,
    through: Through,
    /// Whether a link through it has come about, and has not fallen silent since.
    is_proved: bool,
    /// Whether somebody was dialled through it in vain before that.
    is_silent: bool,
}

impl Chain {
    fn wishes(&self) -> Vec<HopWish> {
        self.places.iter().map(|place| place.wish).collect()
    }

    fn place_of(&self, way: WayId) -> Option<usize> {
        self.places.iter().position(|place| place.way == way)
    }

    /// Whether a way is a hop's, of this chain or of one that was left.
    fn has(&self, way: WayId) -> bool {
        let retired = self.retired.iter().flat_map(|(_, places)| places);
        self.places.iter().chain(retired).any(|place| place.way == way)
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// A link is no more.
    pub fn link_down(&mut self, link: LinkId) {
        let way = self.through.remove(&link);
        if let Some(place) = way.and_then(|way| self.places.iter_mut().find(|place| place.way == way)) {
            place.is_proved = false;
        }
    }

    /// Somebody wants out anew: hops may be doubted as often as ever.
    pub fn trust_again(&mut self) {
        self.doubted = 0;
    }

    /// A provider is not to be dialled any more.
    pub fn forget(&mut self, provider: IdentityId) {
        self.waiting.remove(&provider);
    }

    /// A dialogue is on this link.
    pub fn talking(&mut self, link: LinkId) {
        let way = self.through.get(&link);
        if let Some(place) = self.places.iter_mut().find(|place| Some(&place.way) == way) {
            (place.is_proved, place.is_silent) = (true, false);
            self.doubted = 0;
        }
    }
}

impl Actor {
    /// Over which hops a connect is to go: those that it names, or those that there are. Nothing is changed yet.
    ///
    /// The chain is the node's and everybody's on it, so that a sub-account has no say in it.
    pub(super) fn wanted_chain(
        &self,
        account: Option<AccountNumber>,
        connect: &Connect,
    ) -> Result<Vec<HopWish>, ApiError> {
        let via = connect.via.clone().unwrap_or_else(|| self.chain.wishes());
        let invalid = |why: &str| Err(ApiError::invalid_params("via", why));
        if connect.via.is_some() && account.is_some() {
            return invalid("the hops are for the node's owner to choose, not for a sub-account");
        }
        if let Some(problem) = chain_problem(&via) {
            return invalid(&problem);
        }
        if via.contains(&HopWish::Provider(self.me())) {
            return invalid("this node is no hop of its own");
        }
        if let ConnectTarget::Offer { offer_id, .. } = &connect.target
            && let Some(published) = self.index.offer(*offer_id)
            && via.contains(&HopWish::Provider(published.offer.offer.provider))
        {
            return invalid("whose offer this is would be hop and exit, and know who goes where");
        }
        let is_in_slices = self.config.outside_tunnel.shape().ok().flatten().is_some();
        if !via.is_empty() && is_in_slices && self.wants_tunnel(&connect.target) {
            return invalid(
                "a tunnel goes through hops or in slices over relays; `byway tunnel set --relays 0` ends the latter",
            );
        }
        if via != self.chain.wishes() {
            // Where nobody is to be connected to, everything stays as it is.
            self.candidates(&connect.target, connect.pay.unwrap_or(self.ways.main.pay))?;
        }
        Ok(via)
    }

    /// The user connects over these hops.
    pub(super) fn choose_chain(&mut self, via: Vec<HopWish>) {
        if via != self.chain.wishes() {
            self.chain.straight.clear();
            return self.set_chain(via);
        }
        // Who asks for a way out at the limit of a session is answered as without hops.
        self.permit_stopped_hops();
    }

    /// From now on everything goes over these hops. They are connected when somebody is to be dialled behind them.
    pub(super) fn set_chain(&mut self, via: Vec<HopWish>) {
        self.retire_chain();
        let now = self.clock.now();
        for wish in via {
            let way = Way::new(now, OfferFilter::default(), Vec::new(), None);
            let through = Through::new(self.links.clone(), way.exits.subscribe());
            let way = self.ways.open(way);
            self.chain.places.push(Place { wish, way, through, is_proved: false, is_silent: false });
        }
        self.keep_chain(&self.chain.wishes());
        self.leave_other_routes();
    }

    /// Ways beside the main one go on over the hops that there are now.
    fn leave_other_routes(&mut self) {
        let beside = self.ways.iter().filter(|(id, _)| *id != WayId::MAIN && !self.is_hop(*id));
        let providers: Vec<IdentityId> =
            beside.filter_map(|(_, way)| way.connection.offer()).map(|offer| offer.provider).collect();
        for provider in providers {
            if self.market.is_talking_to(provider) && !self.is_on_route(provider) {
                self.leave_link(provider);
            }
        }
        let is_reaching =
            |way: &Way| matches!(&way.connection, Connection::Connecting(c) if c.stage == Stage::Reaching);
        let reaching = self.ways.ids(is_reaching);
        reaching.into_iter().filter(|id| *id != WayId::MAIN).for_each(|id| self.reach(id));
    }

    /// The hops there were are left, once what is behind them knows that it is over.
    fn retire_chain(&mut self) {
        let places = std::mem::take(&mut self.chain.places);
        self.chain.waiting.clear();
        self.chain.doubted = 0;
        for place in &places {
            match self.ways.get_mut(place.way).map(|way| &mut way.connection) {
                // Nothing takes the place of one that is lost now.
                Some(Connection::Connected(connected)) => connected.filter = None,
                _ => self.hang_up_way(place.way),
            }
        }
        if !places.is_empty() {
            self.chain.retired.push((self.clock.now(), places));
        }
    }

    /// Ends all sessions of hops; the chain stays what the user wants.
    pub(super) fn hang_up_chain(&mut self) {
        let (via, since) = (self.chain.wishes(), self.clock.now());
        if via.is_empty() {
            return;
        }
        self.set_chain(via);
        for place in &self.chain.places {
            if let Some(way) = self.ways.get_mut(place.way) {
                way.connection = Connection::Disconnected { since };
            }
        }
    }

    /// Ends the sessions of hops that were left, the last of a chain first, once nobody behind needs them.
    pub(super) fn end_retired(&mut self) {
        let now = self.clock.now();
        for (since, mut places) in std::mem::take(&mut self.chain.retired) {
            while let Some(last) = places.last()
                && (now >= since + RETIRING_MAX || !self.carries_sessions(last.way))
            {
                self.close_way(last.way);
                places.pop();
            }
            if !places.is_empty() {
                self.chain.retired.push((since, places));
            }
        }
    }

    fn carries_sessions(&self, way: WayId) -> bool {
        let is_through = |link: &LinkId| self.chain.through.get(link) == Some(&way);
        self.using.values().any(|using| self.market.link_to(using.provider).as_ref().is_some_and(is_through))
    }

    /// Whether a way leads to others, and not out.
    pub(super) fn is_hop(&self, way: WayId) -> bool {
        self.chain.has(way)
    }

    /// How many hops are before a provider: all, unless it is one of them.
    fn before(&self, provider: IdentityId) -> usize {
        let is_it = |place: &Place| self.hop_provider(place) == Some(provider);
        self.chain.places.iter().position(is_it).unwrap_or(self.chain.places.len())
    }

    pub(super) fn is_hop_provider(&self, provider: IdentityId) -> bool {
        self.before(provider) < self.chain.places.len()
    }

    fn hop_provider(&self, place: &Place) -> Option<IdentityId> {
        match place.wish {
            HopWish::Provider(provider) => Some(provider),
            _ => self.ways.get(place.way)?.connection.offer().map(|offer| offer.provider),
        }
    }

    /// The way of the hop that a provider is reached through, if it is to be reached through one.
    pub(super) fn way_before(&self, provider: IdentityId) -> Option<WayId> {
        let before = self.before(provider).checked_sub(1)?;
        Some(self.chain.places[before].way)
    }

    /// Whether the dialogue with a provider is on a link that goes where it should.
    pub(super) fn is_on_route(&self, provider: IdentityId) -> bool {
        let link = self.market.link_to(provider);
        link.is_some_and(|link| self.chain.through.get(&link).copied() == self.way_before(provider))
    }

    /// Whether a way's provider is talked with on a link that goes where that way does, which may be a hop of a chain that was
    /// left.
    pub(super) fn leads_as_it_should(&self, id: WayId, provider: IdentityId) -> bool {
        let before_retired = self.chain.retired.iter().find_map(|(_, places)| {
            let at = places.iter().position(|place| place.way == id)?;
            Some(at.checked_sub(1).map(|before| places[before].way))
        });
        let before = before_retired.unwrap_or_else(|| self.way_before(provider));
        let link = self.market.link_to(provider);
        link.is_some_and(|link| self.chain.through.get(&link).copied() == before)
    }

    /// The offer for whose sake a peer is used, tried or asked, where it has come by a link that goes elsewhere than that should.
    ///
    /// Whoever knows this node's address can dial it, and a dialogue is where its peer opened it last.
    pub(super) fn wanted_by_another_route(&self, peer: IdentityId) -> Option<Offer> {
        if self.chain.is_empty() || !self.market.is_talking_to(peer) || self.is_on_route(peer) {
            return None;
        }
        let ways = self.ways.iter().filter(|(id, _)| !self.is_left_hop(*id));
        let mut offers = ways.filter_map(|(_, way)| way.connection.offer());
        offers.find(|offer| offer.provider == peer).cloned().or_else(|| self.offer_to_inquire(peer))
    }

    /// Whether a link has a dialogue that should go through hops: nothing of it is said there.
    pub(super) fn is_past_hops(&self, link: LinkId) -> bool {
        if self.chain.is_empty() {
            return false;
        }
        let peer = self.market.peer_on(link);
        peer.is_some_and(|peer| self.wanted_by_another_route(peer).is_some())
    }

    /// Whether a provider is a client of this node that is not to be had behind hops: it comes by a link of its own, and a
    /// dialogue has one.
    pub(super) fn is_served_behind_hops(&self, provider: IdentityId) -> bool {
        let is_served = || self.market.served_sessions(self.clock.now()).iter().any(|(client, _)| *client == provider);
        self.way_before(provider).is_some() && is_served()
    }

    /// Whether a provider can be asked something at once; it is dialled if not, and left where it came by another way.
    pub(super) fn reach_by_route(&mut self, to: impl Into<Whereabouts>) -> bool {
        let to = to.into();
        // A link through a hop that is gone may not have fallen silent yet.
        if self.is_on_route(to.peer) && !self.is_cut_off(to.peer) {
            return true;
        }
        if self.market.is_talking_to(to.peer) {
            self.leave_link(to.peer);
        }
        self.dial(to);
        false
    }

    /// Whether a provider can be asked without connecting a hop for it, or taking a link away from it.
    pub(super) fn is_reached_for_nothing(&self, provider: IdentityId) -> bool {
        let is_there = |way: WayId| self.ways.connected(way).is_some();
        match self.market.is_talking_to(provider) {
            true => self.is_on_route(provider),
            false => self.way_before(provider).is_none_or(is_there),
        }
    }

    /// Behind the first hop, those who were dialled straight come last: they would know from where and to where.
    pub(super) fn strangers_first(&self, id: WayId, candidates: &mut [Candidate]) {
        if !self.chain.is_empty() && self.chain.place_of(id) != Some(0) {
            candidates.sort_by_key(|candidate| self.chain.straight.contains(&candidate.offer.offer.provider));
        }
    }

    /// Which hop of the chain a way is.
    pub(super) fn place_in_chain(&self, way: WayId) -> Option<usize> {
        self.chain.place_of(way)
    }

    /// Whether a way is a hop's of a chain that was left.
    pub(super) fn is_left_hop(&self, way: WayId) -> bool {
        self.is_hop(way) && self.chain.place_of(way).is_none()
    }

    /// Whether nothing can be heard of a provider because a hop before it carries nothing.
    pub(super) fn is_cut_off(&self, provider: IdentityId) -> bool {
        let carries = |place: &Place| {
            let connected = self.ways.connected(place.way).filter(|connected| connected.flow != Flow::Ending);
            connected.is_some_and(|connected| self.is_on_route(connected.offer.provider))
        };
        !self.chain.places.iter().take(self.before(provider)).all(carries)
    }

    /// Whether a provider is another hop already, or what a hop leads to: nobody is to be two of them.
    pub(super) fn is_taken(&self, id: WayId, provider: IdentityId) -> bool {
        let is_hop = |place: &Place| place.way != id && self.hop_provider(place) == Some(provider);
        let exits = self.ways.iter().filter(|(other, _)| *other != id && !self.is_hop(*other));
        let mut exits = exits.filter_map(|(_, way)| way.connection.offer());
        self.chain.places.iter().any(is_hop) || (self.is_hop(id) && exits.any(|offer| offer.provider == provider))
    }

    /// Dials a peer, through the hop before it if there is one; once that is there, if it isn't yet.
    pub(super) fn dial(&mut self, to: impl Into<Whereabouts>) {
        let to = to.into();
        let provider = to.peer;
        let Some(contact) = to.link() else {
            return self.passed_by(provider, "the offer names no way to reach its provider");
        };
        let before = self.before(provider).checked_sub(1).map(|at| &self.chain.places[at]);
        let Some(Place { way, through, .. }) = before else {
            let links = self.links.clone();
            if !self.chain.is_empty() {
                self.chain.straight.insert(provider);
            }
            return self.dial_with(provider, None, async move { links.connect(&contact).await });
        };
        if contact.addresses().is_empty() {
            return self.passed_by(provider, "it is reached over its relay alone, where hops don't lead");
        }
        let (way, through) = (*way, through.clone());
        if let Some(session) = self.ways.connected(way).map(|connected| connected.session) {
            self.dial_with(provider, Some((way, session)), async move { through.connect(&contact).await });
        } else {
            self.chain.waiting.insert(provider, to);
            self.rouse_hop(way);
        }
    }

    fn dial_with(
        &self,
        provider: IdentityId,
        through: Option<(WayId, SessionId)>,
        connecting: impl Future<Output = Result<Link, ConnectError>> + Send + 'static,
    ) {
        let arrive = self.arrive.clone();
        tokio::spawn(async move {
            let result = connecting.await;
            let _ = arrive.send(Arrival::Dialled { provider, through, result }).await;
        });
    }

    /// A link to a provider came about through this hop, or past all. Whether that is the way that it should be reached by now.
    pub(super) fn link_through(&mut self, provider: IdentityId, link: LinkId, through: Option<WayId>) -> bool {
        if let Some(way) = through {
            self.chain.through.insert(link, way);
        }
        self.way_before(provider) == through
    }

    /// Whether hops are chosen.
    pub(super) fn has_chain(&self) -> bool {
        !self.chain.is_empty()
    }

    /// The hops as they are, for showing.
    pub(super) fn hop_views(&self) -> Vec<Hop> {
        let sessions = self.market.used_sessions(self.clock.now());
        let hops = self.chain.places.iter().filter_map(|place| {
            let view = self.connection_view(self.ways.get(place.way)?);
            let session = self.ways.connected(place.way).map(|connected| connected.session);
            let cost = sessions.iter().find(|(_, used)| Some(used.id) == session);
            Some(Hop {
                wish: place.wish,
                state: view.state,
                provider: view.provider,
                country: view.country,
                asn: view.asn,
                session_id: view.session_id,
                cost: cost.map(|(_, used)| used.cost).unwrap_or_default(),
                reason: view.reason,
            })
        });
        hops.collect()
    }

    /// The service of which hops are: whoever sells it brings datagrams anywhere that its rules allow.
    fn hop_filter(&self, wish: HopWish) -> OfferFilter {
        let country = match wish {
            HopWish::Country(country) => Some(country),
            HopWish::Best | HopWish::Provider(_) => None,
        };
        let max_price = self.config.buying.max_price_per_mb();
        OfferFilter { service: Some(Service::SOCKS), country, max_price, ..OfferFilter::default() }
    }
}

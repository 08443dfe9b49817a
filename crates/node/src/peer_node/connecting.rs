//! Getting a way out to its exit.
//!
//! ```text
//! idle ── a program or the user wants out ──► connecting ── session open ──► connected ◄──► paused
//!                                              │  ▲                            │ link lost: dial again,
//!                                 nobody left  │  │ next best                  │ the session lives on
//!                                              ▼  └── session ended or left ◄──┘
//!                                            failed             disconnected: by the user, until `connect`
//! ```
//!
//! Programs on the proxy wait while the node connects and are refused with a proper reply where there is no way out.
//!
//!
//! When a connection is left again is a matter of [`staying`](super::staying).

use std::collections::VecDeque;

use byway_access::discovery::Candidate;
use byway_access::session::{OpenError, ResponseId, SessionId};
use byway_driver::entropy;
use byway_driver::link::{ConnectError, Link};
use byway_peer::market::MarketError;
use byway_primitives::IdentityId;
use tokio::sync::oneshot;

use super::Actor;
use super::chain::SERVED;
use super::limits::Over;
use super::reaching::Whereabouts;
use super::shares::Claimant;
use super::ways::{Connecting, Connection, Flow, Stage, WayId};
use crate::api::{ApiError, ConnectTarget, OfferFilter};

type Asker = oneshot::Sender<Result<SessionId, ApiError>>;

impl Actor {
    /// A program wants out.
    pub(super) fn ensure_connected(&mut self, id: WayId) {
        let Some(way) = self.ways.get(id) else { return };
        match way.connection {
            Connection::Idle { .. } | Connection::Failed { .. } => match self.check_payer(way.payer) {
                _ if let Some(limit) = self.day_over() => {
                    let again = ConnectTarget::Cheapest(way.wish.clone());
                    self.wait_for_word(id, Over::day(limit), again);
                }
                Ok(()) => {
                    let (answer, _) = oneshot::channel();
                    self.connect(id, ConnectTarget::Cheapest(way.wish.clone()), answer);
                }
                Err(error) => self.fail_connection(id, error.to_string()),
            },
            // Said again, for the program that asked while this was already so.
            _ => self.publish_exit(id),
        }
    }

    /// Connects to what is asked for; the answer comes when a session is open, or nobody is left to try.
    pub(super) fn connect(&mut self, id: WayId, target: ConnectTarget, answer: Asker) {
        if let Some(over) = self.held_back(id) {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(Err(over.error(self.spent_today())));
            return;
        }
        let candidates = match self.candidates(&target, self.pay_of(id)) {
            Ok(candidates) => candidates,
            Err(error) => {
                // What is in use stays so, and a question that was put to the user is still to be answered.
                let is_stopped = self.ways.get(id).is_some_and(|way| matches!(way.connection, Connection::Stopped(_)));
                if self.ways.connected(id).is_none() && !is_stopped {
                    self.fail_connection(id, error.to_string());
                }
                // Whoever asked may have stopped waiting.
                let _ = answer.send(Err(error));
                return;
            }
        };
        if let (Some(connected), Some(first)) = (self.ways.connected(id), candidates.first())
            && connected.offer.provider == first.offer.offer.provider
            && connected.offer.serial == first.offer.offer.serial
            && connected.flow != Flow::Ending
            && self.unit_of(connected.session) == Some(first.unit)
            && self.is_on_route(connected.offer.provider)
        {
            let (provider, session) = (connected.offer.provider, connected.session);
            self.pay_as_chosen(provider);
            let _ = answer.send(Ok(session));
            return;
        }
        self.leave_exit(id);
        self.chain.trust_again();
        self.permit_hops();
        if id == WayId::MAIN {
            self.permit_ways();
            match self.wants_tunnel(&target) {
                true => self.shape_next_tunnel(),
                false => self.open_machine(),
            }
        }
        if let Some(before) = self.ways.connecting_mut(id) {
            before.answer_all(&Err(ApiError::superseded()));
        }
        let filter = match target {
            ConnectTarget::Offer { .. } => None,
            ConnectTarget::Cheapest(filter) => Some(filter),
        };
        self.try_in_order(id, candidates, filter, vec![answer]);
    }

    /// Tries these, in order. Nothing happens where there are none.
    pub(super) fn try_in_order(
        &mut self,
        id: WayId,
        mut candidates: Vec<Candidate>,
        filter: Option<OfferFilter>,
        askers: Vec<Asker>,
    ) {
        self.strangers_first(id, &mut candidates);
        let (since, mut others) = (self.clock.now(), VecDeque::from(candidates));
        let (Some(current), Some(way)) = (others.pop_front(), self.ways.get_mut(id)) else { return };
        let (stage, session, tried) = (Stage::Reaching, None, 1);
        way.connection =
            Connection::Connecting(Connecting { since, current, others, filter, stage, session, tried, askers });
        self.publish_exit(id);
        self.reach(id);
    }

    /// Ends all sessions and refuses programs until the next `connect`. A machine that was closed around a tunnel is open
    /// again.
    pub(super) fn disconnect(&mut self) {
        self.hang_up();
        self.open_machine();
    }

    /// Ends all sessions and refuses programs until the next `connect`.
    pub(super) fn hang_up(&mut self) {
        for id in self.ways.ids(|_| true) {
            if !self.is_hop(id) {
                self.hang_up_way(id);
            }
        }
        self.hang_up_chain();
    }

    pub(super) fn hang_up_way(&mut self, id: WayId) {
        self.leave_exit(id);
        if let Some(connecting) = self.ways.connecting_mut(id) {
            connecting.answer_all(&Err(ApiError::superseded()));
        }
        let since = self.clock.now();
        if let Some(way) = self.ways.get_mut(id) {
            way.connection = Connection::Disconnected { since };
        }
        self.publish_exit(id);
    }

    /// Ways beside the main one that the user had ended serve programs again.
    fn permit_ways(&mut self) {
        let since = self.clock.now();
        let ended = self.ways.ids(|way| matches!(way.connection, Connection::Disconnected { .. }));
        for id in ended.into_iter().filter(|id| *id != WayId::MAIN) {
            if let Some(way) = self.ways.get_mut(id) {
                way.connection = Connection::Idle { since };
            }
            self.publish_exit(id);
        }
    }

    /// Makes sure of a dialogue with the current candidate.
    pub(super) fn reach(&mut self, id: WayId) {
        let Some(connecting) = self.ways.connecting(id) else { return };
        let provider = connecting.provider();
        if self.is_taken(id, provider) {
            return self.try_next(id, "it is another hop of the chain, or what that leads to");
        }
        if self.is_served_behind_hops(provider) {
            return self.try_next(id, SERVED);
        }
        let offer = connecting.current.offer.offer.clone();
        if self.reach_by_route(&offer) {
            self.ask_for_session(id);
        }
    }

    /// A provider that is being reached may have moved: it is dialled where it is now.
    pub(super) fn follow_contacts(&mut self) {
        let reaching =
            |connection: &Connection| matches!(connection, Connection::Connecting(c) if c.stage == Stage::Reaching);
        for id in self.ways.ids(|way| reaching(&way.connection)) {
            let Some(connecting) = self.ways.connecting_mut(id) else { continue };
            let Some(newest) = self.index.offer(connecting.current.id) else { continue };
            if newest.offer.offer.contacts != connecting.current.offer.offer.contacts {
                connecting.current.offer = newest.offer.clone();
                let offer = newest.offer.offer.clone();
                self.dial(&offer);
            }
        }
    }

    pub(super) fn dialled(
        &mut self,
        provider: IdentityId,
        through: Option<(WayId, SessionId)>,
        result: Result<Link, ConnectError>,
    ) {
        // Several attempts may have been under way.
        let is_late = self.is_on_route(provider);
        let link = match result {
            Ok(link) => link,
            Err(error) => {
                tracing::debug!(%provider, ?error, is_late, "not dialled");
                if !is_late && !through.is_some_and(|through| self.dialled_in_vain(provider, through)) {
                    self.not_reached(provider, &error.to_string());
                }
                return;
            }
        };
        let id = byway_dialogue::LinkId(link.id().0);
        let is_as_wanted = self.link_through(provider, id, through.map(|(way, _)| way));
        self.link_up(link);
        let is_elsewhere = self.market.is_talking_to(provider);
        let offer = self
            .ways
            .offer_of(provider)
            .cloned()
            .or_else(|| self.slice_relay_offer(provider))
            .or_else(|| self.offer_to_inquire(provider))
            // For that no link is taken away.
            .or_else(|| self.offer_to_ask(provider).filter(|_| !is_elsewhere));
        let dialled = offer.as_ref().map(Whereabouts::from);
        let Some(dialled) = dialled
            .or_else(|| self.channel_peer(provider).filter(|_| !is_elsewhere))
            .filter(|_| !is_late && is_as_wanted)
        else {
            return self.close_link(id);
        };
        let Some(certificate) = dialled.certificate() else {
            return self.not_reached(provider, "the offer holds no certificate of the provider's dialogue key");
        };
        if is_elsewhere {
            self.leave_link(provider);
        }
        // What is wanted of the provider is said along with the first words, which spares a round trip.
        self.ask_of(provider);
        let now = self.clock.now();
        let opened = self.market.converse(now, provider, &certificate, id, entropy::seed(), &self.market_journal);
        if let Err(error) = opened {
            self.not_reached(provider, &error.to_string());
        }
    }

    /// Gives up a link on which the provider says nothing any more; the next use dials anew.
    pub(super) fn leave_link(&mut self, provider: IdentityId) {
        if let Some(link) = self.market.link_to(provider) {
            self.close_link(link);
            self.market.handle_link_down(self.clock.now(), link, &self.market_journal);
        }
    }

    /// Whoever tries this provider tries the next best.
    pub(super) fn not_reached(&mut self, provider: IdentityId, why: &str) {
        tracing::debug!(%provider, why, "provider not reached");
        let trying = self.ways.trying(provider);
        // Seen once, however many ways it was tried for.
        if let Some(connecting) = trying.first().and_then(|id| self.ways.connecting(*id)) {
            let offer = connecting.current.offer.offer.clone();
            self.saw_unreached(&offer);
        }
        self.chain.forget(provider);
        trying.into_iter().for_each(|id| self.next_best(id, why));
        self.slice_relay_lost(provider, why);
        self.not_inquired(provider, why);
        self.channel_peer_not_reached(provider, why);
    }

    /// One way found no session with the provider that it tried.
    pub(super) fn not_served(&mut self, id: WayId, why: &str) {
        let Some(connecting) = self.ways.connecting(id) else { return };
        let offer = connecting.current.offer.offer.clone();
        self.saw_unreached(&offer);
        self.next_best(id, why);
    }

    /// There is no session with a provider that did nothing wrong.
    pub(super) fn passed_by(&mut self, provider: IdentityId, why: &str) {
        self.channel_peer_not_reached(provider, why);
        self.ways.trying(provider).into_iter().for_each(|id| self.next_best(id, why));
        self.slice_relay_lost(provider, why);
        self.not_inquired(provider, why);
    }

    pub(super) fn talking(&mut self, peer: IdentityId, link: byway_dialogue::LinkId) {
        self.note_moved(peer);
        if let Some(offer) = self.wanted_by_another_route(peer) {
            tracing::debug!(%peer, ?link, "what is wanted of it goes through hops, and not over its own link");
            self.leave_link(peer);
            // Whoever is connected dials again by itself.
            if !self.ways.trying(peer).is_empty() || self.offer_to_inquire(peer).is_some() {
                self.dial(&offer);
            }
            return;
        }
        self.note_peer(peer);
        if let Some(before) = self.talking_on.insert(peer, link)
            && before != link
        {
            // Connections on a link that was left hold on to credit which those on the new one need.
            self.close_link(before);
        }
        self.chain.talking(link);
        self.tunnel_follows(peer, link);
        self.slice_relay_talking(peer);
        self.ask_of(peer);
        self.inquire(peer);
        self.channel_peer_is_there(peer);
        for id in self.ways.ids(|way| matches!(&way.connection, Connection::Connected(c) if c.offer.provider == peer)) {
            let Some(connected) = self.ways.connected_mut(id) else { continue };
            connected.lost = None;
            if let Flow::Paused { .. } = connected.flow {
                // The provider says it again if it is still so.
                connected.flow = Flow::Open;
            }
            tracing::debug!(?link, "the session goes on over a new link");
            self.publish_exit(id);
        }
    }

    /// Asks a provider for a session for each way that has got as far as it.
    fn ask_of(&mut self, provider: IdentityId) {
        for id in self.ways.trying(provider) {
            if self.ways.connecting(id).is_some_and(|connecting| connecting.stage == Stage::Reaching) {
                self.ask_for_session(id);
            }
        }
    }

    fn ask_for_session(&mut self, id: WayId) {
        let (now, response) = (self.clock.now(), ResponseId(entropy::number()));
        // Its budget may have been used up, or its token revoked, or the day's limit reached, since somebody asked.
        let payer = self.ways.get(id).and_then(|way| way.payer);
        if let Err(error) = self.check_payer(payer) {
            if let Some(limit) = self.day_over() {
                return self.stop_way(id, Over::day(limit));
            }
            return self.give_up(id, &error);
        }
        let Some(way) = self.ways.get_mut(id) else { return };
        let Connection::Connecting(connecting) = &mut way.connection else { return };
        connecting.stage = Stage::Opening(response);
        let (provider, candidate) = (connecting.provider(), connecting.current.clone());
        let price_max = connecting.filter.as_ref().and_then(|filter| filter.max_price);
        let (data, own_max) = (way.data.clone(), way.cost_max);
        let cost_max = self.cost_max_of(Claimant::Way(id));
        let request = self.session_request(&candidate, price_max, cost_max, data);
        self.session_asked_for(provider);
        self.pay_as_chosen(provider);
        match self.market.open_session(now, provider, response, request, &self.market_journal) {
            Ok(()) => {}
            // No provider's fault, and for whoever pays to say more.
            Err(MarketError::Session(OpenError::LimitTooLow { .. })) if own_max != Some(cost_max) => {
                match (self.limit_of_user(payer, cost_max), payer) {
                    (None, Some(payer)) => self.give_up(id, &self.budget_spent(payer)),
                    (over, _) => self.stop_way(id, over.unwrap_or(Over::day(cost_max))),
                }
            }
            Err(error) => self.next_best(id, &error.to_string()),
        }
    }

    /// There is nothing to pay for a session with, whoever would give it.
    pub(super) fn give_up(&mut self, id: WayId, error: &ApiError) {
        self.stop_trying(id, error);
        self.fail_connection(id, error.to_string());
    }

    pub(super) fn next_best(&mut self, id: WayId, why: &str) {
        let now = self.clock.now();
        let Some(connecting) = self.ways.connecting(id) else { return };
        let provider = connecting.provider();
        // Where nothing came through the hop before, that says nothing of it.
        if self.silent_before(provider).is_none() {
            self.failed_lately.insert(provider, now);
        }
        self.try_next(id, why);
    }

    fn try_next(&mut self, id: WayId, why: &str) {
        let Some(connecting) = self.ways.connecting_mut(id) else { return };
        let failed = connecting.provider();
        match connecting.others.pop_front() {
            Some(next) => {
                tracing::info!(provider = %failed, why, "trying the next best offer");
                (connecting.current, connecting.stage, connecting.session) = (next, Stage::Reaching, None);
                connecting.tried += 1;
                self.reach(id);
            }
            None => {
                let unreachable = ApiError::provider_unreachable(failed, connecting.tried, why);
                let broken = self.leave_silent_hop(failed);
                let reason = match &broken {
                    Some(error) => error.to_string(),
                    None => format!("{why}; choose another offer, or try again later"),
                };
                if let Some(connecting) = self.ways.connecting_mut(id) {
                    connecting.answer_all(&Err(broken.unwrap_or(unreachable)));
                }
                self.fail_connection(id, reason);
            }
        }
    }

    pub(super) fn fail_connection(&mut self, id: WayId, reason: String) {
        let since = self.clock.now();
        if let Some(way) = self.ways.get_mut(id) {
            way.connection = Connection::Failed { since, reason: reason.clone() };
        }
        self.publish_exit(id);
        self.hop_failed(id, &reason);
    }

    pub(super) fn dialogue_closed(&mut self, peer: IdentityId, why: &str) {
        self.note_moved(peer);
        self.talking_on.remove(&peer);
        self.not_reached(peer, why);
    }

    pub(super) fn dialogue_refused(&mut self, peer: IdentityId, why: &str) {
        self.not_reached(peer, why);
    }
}

//! The client's side: choosing an exit, getting there, staying there.
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
//! **When a provider is left.** The user pays for a way out and wants one now, so no provider holds a client for long:
//!
//! - One that ends the session is left at once: it says so also when it stops in an orderly way.
//! - One that vanishes is noticed when its link is silent for 10 s, the longest that a change of network usually takes.
//!   It is dialled again for [`RETURN_MAX`], in which a provider that was only restarted is back; then it is left. All
//!   that is less than programs wait for a way out, so that they still get the next one.
//! - One that serves nothing, saying that nothing was paid, is left after [`PAUSE_MAX`] where another offer matches: an
//!   honest one resumes within a round trip of the promise that it waits for.
//! - One that reaches nothing any more is left where another offer matches ([`outage`](super::outage)).
//!
//! Whoever was left comes after all others for [`FAILED_FOR`]. What it is owed it settles: our last word on the session
//! waits in the dialogue, and reaches it if the dialogue goes on within its life.

use std::collections::VecDeque;

use byway_access::discovery::Candidate;
use byway_access::session::{ResponseId, SessionId, StopReason};
use byway_driver::entropy;
use byway_driver::link::{ConnectError, Link, LinkContact};
use byway_primitives::{IdentityId, Span, Time};
use byway_records::{Offer, OfferId};
use tokio::sync::oneshot;

use super::{Actor, Arrival};
use crate::api::{ApiError, ConnectTarget, OfferFilter};

/// Pause between two attempts to dial the provider of a session whose link was lost.
const REDIAL_PAUSE: Span = Span::seconds(1);
/// A provider that has not come back this long after its link was lost is left.
const RETURN_MAX: Span = Span::seconds(6);
/// A provider that has paused the session for this long is left for another one: many round trips, and a fraction of the
/// minute after which it may end the session itself.
const PAUSE_MAX: Span = Span::seconds(10);

/// Where the node stands with its exit.
pub(super) enum Connection {
    Idle {
        since: Time,
    },
    /// The user said so; programs are refused until the user says otherwise.
    Disconnected {
        since: Time,
    },
    Connecting(Connecting),
    Connected(Connected),
    Failed {
        since: Time,
        reason: String,
    },
}

pub(super) struct Connecting {
    pub since: Time,
    pub current: Candidate,
    /// Tried next, in order.
    others: VecDeque<Candidate>,
    /// What was asked for; `None` where it was one offer and no other.
    pub filter: Option<OfferFilter>,
    pub stage: Stage,
    /// The one that the current provider has agreed to, while its data channel is built.
    pub session: Option<SessionId>,
    tried: u64,
    /// Who asked and waits for the outcome.
    pub askers: Vec<oneshot::Sender<Result<SessionId, ApiError>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Getting a link, and a dialogue on it.
    Reaching,
    /// Asked for a session.
    Opening,
}

pub(super) struct Connected {
    pub since: Time,
    pub offer: Offer,
    pub session: SessionId,
    /// Under what the next best is looked for; `None`: it is this offer or none.
    pub filter: Option<OfferFilter>,
    pub flow: Flow,
    pub lost: Option<LinkLost>,
}

/// Whether the session lets bytes pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Open,
    /// The provider says that what it was promised is used up.
    Paused {
        since: Time,
    },
    /// No more; the last bill is awaited.
    Ending,
}

/// The provider's link is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LinkLost {
    since: Time,
    /// When it was last dialled.
    dialled: Option<Time>,
}

impl Connected {
    pub fn new(since: Time, offer: Offer, session: SessionId, filter: Option<OfferFilter>) -> Self {
        Self { since, offer, session, filter, flow: Flow::Open, lost: None }
    }
}

impl Actor {
    /// A program wants out.
    pub(super) fn ensure_connected(&mut self) {
        match self.connection {
            Connection::Idle { .. } | Connection::Failed { .. } => {
                let (answer, _) = oneshot::channel();
                self.connect(ConnectTarget::Cheapest(self.config.buying.clone()), answer);
            }
            // Said again, for the program that asked while this was already so.
            _ => self.publish_exit(),
        }
    }

    /// Connects to what is asked for; the answer comes when a session is open, or nobody is left to try.
    pub(super) fn connect(&mut self, target: ConnectTarget, answer: oneshot::Sender<Result<SessionId, ApiError>>) {
        let candidates = match self.candidates(&target) {
            Ok(candidates) => candidates,
            Err(error) => {
                if !matches!(self.connection, Connection::Connected(_)) {
                    self.fail_connection(error.to_string());
                }
                // Whoever asked may have stopped waiting.
                let _ = answer.send(Err(error));
                return;
            }
        };
        if let (Connection::Connected(connected), Some(first)) = (&self.connection, candidates.first())
            && connected.offer.provider == first.offer.offer.provider
            && connected.offer.serial == first.offer.offer.serial
            && connected.flow != Flow::Ending
        {
            let _ = answer.send(Ok(connected.session));
            return;
        }
        self.leave_exit();
        if !self.wants_tunnel(&target) {
            self.open_machine();
        }
        if let Connection::Connecting(before) = &mut self.connection {
            for asker in before.askers.drain(..) {
                let _ = asker.send(Err(ApiError::superseded()));
            }
        }
        let filter = match target {
            ConnectTarget::Offer { .. } => None,
            ConnectTarget::Cheapest(filter) => Some(filter),
        };
        self.try_in_order(candidates, filter, vec![answer]);
    }

    /// Tries these, in order. Nothing happens where there are none.
    fn try_in_order(
        &mut self,
        candidates: Vec<Candidate>,
        filter: Option<OfferFilter>,
        askers: Vec<oneshot::Sender<Result<SessionId, ApiError>>>,
    ) {
        let (since, mut others) = (self.clock.now(), VecDeque::from(candidates));
        let Some(current) = others.pop_front() else { return };
        let stage = Stage::Reaching;
        self.connection = Connection::Connecting(Connecting {
            since,
            current,
            others,
            filter,
            stage,
            session: None,
            tried: 1,
            askers,
        });
        self.publish_exit();
        self.reach();
    }

    /// Ends the session and refuses programs until the next `connect`. A machine that was closed around a tunnel is open again.
    pub(super) fn disconnect(&mut self) {
        self.hang_up();
        self.open_machine();
    }

    /// Ends the session and refuses programs until the next `connect`.
    pub(super) fn hang_up(&mut self) {
        self.leave_exit();
        if let Connection::Connecting(connecting) = &mut self.connection {
            for asker in connecting.askers.drain(..) {
                let _ = asker.send(Err(ApiError::superseded()));
            }
        }
        self.connection = Connection::Disconnected { since: self.clock.now() };
        self.publish_exit();
    }

    pub(super) fn session_in_use(&self) -> Option<SessionId> {
        match &self.connection {
            Connection::Connected(connected) => Some(connected.session),
            _ => None,
        }
    }

    /// Lets go of the session in use, with everything that arrived acknowledged.
    pub(super) fn leave_exit(&mut self) {
        let Connection::Connected(connected) = &self.connection else { return };
        let (provider, session) = (connected.offer.provider, connected.session);
        self.report_used(provider, session);
        self.market.stop_using(self.clock.now(), provider, session, &self.market_journal);
        self.connection = Connection::Idle { since: self.clock.now() };
    }

    /// The session in use has ended against the user's wish, or was left: its provider comes after all others for a while,
    /// and the next best takes its place, if there is one.
    pub(super) fn lose_exit(&mut self, why: &str) {
        let Connection::Connected(connected) = &self.connection else { return };
        let (provider, filter) = (connected.offer.provider, connected.filter.clone());
        self.failed_lately.insert(provider, self.clock.now());
        let next = self.untried(filter.as_ref());
        tracing::info!(%provider, why, others = next.len(), "the exit is lost");
        if next.is_empty() {
            self.fail_connection(format!("the session ended: {why}; choose another offer, or try again later"));
        } else {
            self.try_in_order(next, filter, Vec::new());
        }
    }

    /// Ends the session in use because its provider doesn't serve it; `reason` is what is remembered of it.
    pub(super) fn leave_provider(&mut self, reason: StopReason) {
        let Connection::Connected(connected) = &self.connection else { return };
        let (provider, session) = (connected.offer.provider, connected.session);
        self.report_used(provider, session);
        if let Some(using) = self.using.get_mut(&session) {
            using.left = Some(reason);
        }
        self.market.stop_using(self.clock.now(), provider, session, &self.market_journal);
        self.lose_exit(&reason.to_string());
    }

    /// Makes sure of a dialogue with the current candidate.
    fn reach(&mut self) {
        let Connection::Connecting(connecting) = &self.connection else { return };
        let provider = connecting.current.offer.offer.provider;
        if self.market.is_talking_to(provider) {
            self.ask_for_session(provider);
        } else {
            let offer = connecting.current.offer.offer.clone();
            self.dial(&offer);
        }
    }

    pub(super) fn dial(&mut self, offer: &Offer) {
        let provider = offer.provider;
        let Some(contact) = offer.contacts.iter().find_map(|contact| LinkContact::from_offer(contact).ok()) else {
            return self.next_best("the offer names no way to reach its provider");
        };
        let (links, arrive) = (self.links.clone(), self.arrive.clone());
        tokio::spawn(async move {
            let result = links.connect(&contact).await;
            let _ = arrive.send(Arrival::Dialled { provider, result }).await;
        });
    }

    /// A provider that is being reached may have moved: it is dialled where it is now.
    pub(super) fn follow_contacts(&mut self) {
        let Connection::Connecting(connecting) = &mut self.connection else { return };
        let Some(newest) = self.index.offer(connecting.current.id) else { return };
        let has_moved = newest.offer.offer.contacts != connecting.current.offer.offer.contacts;
        if connecting.stage == Stage::Reaching && has_moved {
            connecting.current.offer = newest.offer.clone();
            let offer = newest.offer.offer.clone();
            self.dial(&offer);
        }
    }

    pub(super) fn dialled(&mut self, provider: IdentityId, result: Result<Link, ConnectError>) {
        let link = match result {
            Ok(link) => link,
            Err(error) => {
                tracing::debug!(%provider, ?error, "not dialled");
                return self.not_reached(provider, &error.to_string());
            }
        };
        let id = byway_dialogue::LinkId(link.id().0);
        self.link_up(link);
        // Several attempts may have been under way.
        let is_late = self.market.is_talking_to(provider);
        let Some(offer) = self
            .wanted_offer(provider)
            .or_else(|| self.hop_offer(provider))
            .or_else(|| self.offer_to_ask(provider))
            .filter(|_| !is_late)
        else {
            return self.close_link(id);
        };
        let Some(certificate) = Self::certificate_of(&offer) else {
            return self.not_reached(provider, "the offer holds no certificate of the provider's dialogue key");
        };
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

    /// The offer for whose sake we want to talk to `provider`.
    pub(super) fn wanted_offer(&self, provider: IdentityId) -> Option<Offer> {
        let offer = match &self.connection {
            Connection::Connecting(connecting) => &connecting.current.offer.offer,
            Connection::Connected(connected) => &connected.offer,
            _ => return None,
        };
        (offer.provider == provider).then(|| offer.clone())
    }

    pub(super) fn not_reached(&mut self, provider: IdentityId, why: &str) {
        tracing::debug!(%provider, why, "provider not reached");
        if let Connection::Connecting(connecting) = &self.connection
            && connecting.current.offer.offer.provider == provider
        {
            let offer = connecting.current.offer.offer.clone();
            self.saw_unreached(&offer);
            self.next_best(why);
        }
        self.hop_lost(provider, why);
    }

    /// There is no session with a provider that did nothing wrong.
    pub(super) fn passed_by(&mut self, provider: IdentityId, why: &str) {
        if matches!(&self.connection, Connection::Connecting(c) if c.current.offer.offer.provider == provider) {
            self.next_best(why);
        }
        self.hop_lost(provider, why);
    }

    pub(super) fn talking(&mut self, peer: IdentityId, link: byway_dialogue::LinkId) {
        self.note_peer(peer);
        if let Some(before) = self.talking_on.insert(peer, link)
            && before != link
        {
            // Connections on a link that was left hold on to credit which those on the new one need.
            self.close_link(before);
        }
        self.tunnel_follows(peer, link);
        self.hop_talking(peer);
        match &mut self.connection {
            Connection::Connecting(connecting)
                if connecting.current.offer.offer.provider == peer && connecting.stage == Stage::Reaching =>
            {
                self.ask_for_session(peer);
            }
            Connection::Connected(connected) if connected.offer.provider == peer => {
                connected.lost = None;
                if let Flow::Paused { .. } = connected.flow {
                    // The provider says it again if it is still so.
                    connected.flow = Flow::Open;
                }
                tracing::debug!(?link, "the session goes on over a new link");
                self.publish_exit();
            }
            _ => {}
        }
    }

    fn ask_for_session(&mut self, provider: IdentityId) {
        let Connection::Connecting(connecting) = &mut self.connection else { return };
        connecting.stage = Stage::Opening;
        let candidate = connecting.current.clone();
        let price_max = connecting.filter.as_ref().and_then(|filter| filter.max_price);
        let request = self.session_request(&candidate, price_max, self.service_data.clone());
        let (now, response) = (self.clock.now(), ResponseId(entropy::number()));
        self.session_asked_for(provider);
        if let Err(error) = self.market.open_session(now, provider, response, request, &self.market_journal) {
            self.next_best(&error.to_string());
        }
    }

    pub(super) fn detached(&mut self, peer: IdentityId) {
        if matches!(&self.connection, Connection::Connected(connected) if connected.offer.provider == peer) {
            self.publish_exit();
            self.look_after_connection();
        }
        // What a relay is owed is promised over its link.
        if let Some(offer) = self.hop_offer(peer) {
            self.dial(&offer);
        }
    }

    pub(super) fn dialogue_closed(&mut self, peer: IdentityId, why: &str) {
        self.talking_on.remove(&peer);
        self.not_reached(peer, why);
    }

    pub(super) fn dialogue_refused(&mut self, peer: IdentityId, why: &str) {
        self.not_reached(peer, why);
    }

    /// Dials the provider again while the session is there and its link isn't; leaves one that doesn't come back, or that
    /// serves nothing.
    pub(super) fn look_after_connection(&mut self) {
        let now = self.clock.now();
        self.sample_rates(now);
        self.measure_rates(now);
        self.look_after_tunnel();
        self.look_after_hops();
        let Connection::Connected(connected) = &mut self.connection else { return };
        if self.market.is_talking_to(connected.offer.provider) {
            return self.look_after_flow(now);
        }
        let lost = connected.lost.get_or_insert(LinkLost { since: now, dialled: None });
        if now >= lost.since + RETURN_MAX {
            return self.leave_provider(StopReason::Silence);
        }
        if lost.dialled.is_some_and(|at| now < at + REDIAL_PAUSE) {
            return;
        }
        lost.dialled = Some(now);
        let offer = connected.offer.clone();
        // The provider may have published new contacts since.
        let newest = self.index.offer(OfferId::of(offer.provider, offer.serial)).map(|o| o.offer.offer.clone());
        self.dial(&newest.unwrap_or(offer));
    }

    fn look_after_flow(&mut self, now: Time) {
        let Connection::Connected(connected) = &self.connection else { return };
        if let Flow::Paused { since } = connected.flow
            && now >= since + PAUSE_MAX
            && self.is_in_use_and_another_fits(connected.session)
        {
            self.leave_provider(StopReason::RemainderZero);
        }
    }

    /// Whether this is the session in use, and somebody else's offer fits its user's wish.
    pub(super) fn is_in_use_and_another_fits(&self, session: SessionId) -> bool {
        let Connection::Connected(connected) = &self.connection else { return false };
        let others = self.untried(connected.filter.as_ref());
        connected.session == session && others.iter().any(|c| c.offer.offer.provider != connected.offer.provider)
    }

    fn next_best(&mut self, why: &str) {
        let now = self.clock.now();
        let Connection::Connecting(connecting) = &mut self.connection else { return };
        let failed = connecting.current.offer.offer.provider;
        self.failed_lately.insert(failed, now);
        match connecting.others.pop_front() {
            Some(next) => {
                tracing::info!(provider = %failed, why, "trying the next best offer");
                (connecting.current, connecting.stage, connecting.session) = (next, Stage::Reaching, None);
                connecting.tried += 1;
                self.reach();
            }
            None => {
                for asker in connecting.askers.drain(..) {
                    let _ = asker.send(Err(ApiError::provider_unreachable(failed, connecting.tried, why)));
                }
                self.fail_connection(format!("{why}; choose another offer, or try again later"));
            }
        }
    }

    pub(super) fn fail_connection(&mut self, reason: String) {
        self.connection = Connection::Failed { since: self.clock.now(), reason };
        self.publish_exit();
    }
}

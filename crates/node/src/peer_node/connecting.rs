//! The client's side: choosing an exit, getting there, staying there.
//!
//! ```text
//! idle ── a program or the user wants out ──► connecting ── session open ──► connected ◄──► paused
//!   ▲                                          │   ▲ next best   │ link lost: dial again, the session lives on
//!   │                                          ▼   └─────────────┘
//!   └── session ended ── failed: nobody left     disconnected: by the user, until `connect`
//! ```
//!
//! Programs on the proxy wait while the node connects and are refused with a proper reply where there is no way out.

use std::collections::VecDeque;
use std::time::Duration;

use byway_access::discovery::{Candidate, Place, Query};
use byway_access::session::{
    ClientNews, OpenError, OpenRequest, ResponseId, SessionId, SessionView, StopReason, Traffic,
};
use byway_driver::entropy;
use byway_driver::link::{ConnectError, Link, LinkContact};
use byway_driver::socks::{CloseReason, Metered, Reply, SocksRequest, carry};
use byway_primitives::{Amount, IdentityId, Span, Time};
use byway_records::offer::Service;
use byway_records::{Offer, OfferId};
use tokio::sync::{mpsc, oneshot, watch};

use super::books::NEWCOMER;
use super::data_plane::{Plane, Report};
use super::{Actor, Arrival};
use crate::api::{ApiError, ConnectTarget, Event, OfferFilter, Reason, SessionState};

/// How long a program waits for an exit before it is refused.
const EXIT_WAIT: Duration = Duration::from_secs(30);
/// A provider that failed comes after all others for this long. It may be the only one there is.
const FAILED_FOR: Span = Span::seconds(60);
/// Rates are means over at least this long; a little less than two ticks.
const RATE_SPAN: Span = Span::millis(900);
/// Pause between two attempts to dial the provider of a session whose link was lost.
const REDIAL_PAUSE: Span = Span::seconds(1);

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
    stage: Stage,
    tried: u64,
    /// Who asked and waits for the outcome.
    askers: Vec<oneshot::Sender<Result<SessionId, ApiError>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Getting a link, and a dialogue on it.
    Reaching,
    /// Asked for a session.
    Opening,
}

pub(super) struct Connected {
    pub since: Time,
    pub offer: Offer,
    pub session: SessionId,
    pub is_paused: bool,
    /// When the provider was last dialled, while the link is lost.
    redialled: Option<Time>,
}

/// A session that this node uses, for its data plane and for showing.
pub(super) struct Using {
    pub provider: IdentityId,
    pub plane: Plane,
    pub started: Time,
    /// The last look at the counters, for rates.
    pub sampled: (Time, Metered),
    pub rate: (u64, u64),
    /// The last view of it, kept when it has ended.
    pub last: Option<SessionView>,
}

/// The reason as a stable word.
pub(super) fn reason_word(reason: StopReason) -> &'static str {
    match reason {
        StopReason::ClientWish => "client_wish",
        StopReason::ProviderWish => "provider_wish",
        StopReason::RemainderZero => "remainder_zero",
        StopReason::SpendingLimit => "spending_limit",
        StopReason::OverBilled => "over_billed",
        StopReason::ChannelFailed => "channel_failed",
        StopReason::Silence => "silence",
        StopReason::DialogueEnded => "dialogue_ended",
        StopReason::UnknownSession => "unknown_session",
    }
}

/// What programs on the proxy are told.
#[derive(Clone)]
pub(super) enum ExitState {
    /// No exit yet, but one will be looked for.
    Idle,
    Connecting,
    Ready(Exit),
    /// By the user's wish.
    Closed,
    Failed,
}

/// A way out.
#[derive(Clone)]
pub(super) struct Exit {
    link: Link,
    session: SessionId,
    plane: Plane,
}

impl ExitState {
    /// Whether a program may hope.
    pub fn is_open(&self) -> bool {
        !matches!(self, ExitState::Closed)
    }
}

/// Serves one program on the proxy: waits for an exit if need be, and carries the connection through it.
pub(super) async fn serve_request(
    request: SocksRequest,
    mut exits: watch::Receiver<ExitState>,
    arrive: mpsc::Sender<Arrival>,
) {
    let found = tokio::time::timeout(EXIT_WAIT, find_exit(&mut exits, &arrive)).await;
    match found {
        Ok(Ok(exit)) => {
            let outcome = carry(request, &exit.link, exit.session.0, &exit.plane.gate, &exit.plane.meter).await;
            tracing::trace!(?outcome, "connection ended");
        }
        Ok(Err(reply)) => request.refuse(reply).await,
        Err(_) => request.refuse(Reply::TtlExpired).await,
    }
}

async fn find_exit(exits: &mut watch::Receiver<ExitState>, arrive: &mpsc::Sender<Arrival>) -> Result<Exit, Reply> {
    let mut has_asked = false;
    loop {
        let state = exits.borrow_and_update().clone();
        match state {
            ExitState::Ready(exit) => return Ok(exit),
            ExitState::Closed => return Err(Reply::NotAllowed),
            // What failed before is tried again for a new program, once.
            ExitState::Failed if has_asked => return Err(Reply::NetworkUnreachable),
            ExitState::Idle | ExitState::Failed => {
                has_asked = true;
                arrive.send(Arrival::Wanted).await.map_err(|_| Reply::GeneralFailure)?;
            }
            ExitState::Connecting => {}
        }
        exits.changed().await.map_err(|_| Reply::GeneralFailure)?;
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
                    self.fail_connection(error.message.clone());
                }
                // Whoever asked may have stopped waiting.
                let _ = answer.send(Err(error));
                return;
            }
        };
        let mut others = VecDeque::from(candidates);
        let Some(current) = others.pop_front() else { return };
        if let Connection::Connected(connected) = &self.connection
            && connected.offer.provider == current.offer.offer.provider
            && connected.offer.serial == current.offer.offer.serial
        {
            let _ = answer.send(Ok(connected.session));
            return;
        }
        self.leave_exit();
        let since = self.clock.now();
        let askers = vec![answer];
        if let Connection::Connecting(before) = &mut self.connection {
            for asker in before.askers.drain(..) {
                let _ = asker.send(Err(ApiError::superseded()));
            }
        }
        self.connection =
            Connection::Connecting(Connecting { since, current, others, stage: Stage::Reaching, tried: 1, askers });
        self.publish_exit();
        self.reach();
    }

    /// Ends the session and refuses programs until the next `connect`.
    pub(super) fn disconnect(&mut self) {
        self.leave_exit();
        if let Connection::Connecting(connecting) = &mut self.connection {
            for asker in connecting.askers.drain(..) {
                let _ = asker.send(Err(ApiError::superseded()));
            }
        }
        self.connection = Connection::Disconnected { since: self.clock.now() };
        self.publish_exit();
    }

    /// Lets go of the session in use, with everything that arrived acknowledged.
    pub(super) fn leave_exit(&mut self) {
        let Connection::Connected(connected) = &self.connection else { return };
        let (provider, session) = (connected.offer.provider, connected.session);
        self.report_used(provider, session);
        self.market.stop_using(self.clock.now(), provider, session, &self.market_journal);
        self.connection = Connection::Idle { since: self.clock.now() };
    }

    fn candidates(&self, target: &ConnectTarget) -> Result<Vec<Candidate>, ApiError> {
        let clock = self.ledger_clock();
        match target {
            ConnectTarget::Offer { offer_id } => {
                let published = self.index.offer(*offer_id).ok_or_else(|| ApiError::offer_not_found(*offer_id))?;
                if published.expires.passed(clock.time, clock.commits) {
                    return Err(ApiError::offer_expired(*offer_id));
                }
                let offer = published.offer.clone();
                let unit = byway_records::offer::Unit::Mb;
                let price = offer.offer.price(unit, byway_primitives::AssetId::WAY, NEWCOMER);
                let price = price.ok_or_else(|| ApiError::offer_not_found(*offer_id))?;
                Ok(vec![Candidate { id: *offer_id, offer, price }])
            }
            ConnectTarget::Cheapest(filter) => {
                let found = self.index.candidates(&self.query(filter), clock);
                let (mut found, failed): (Vec<_>, Vec<_>) =
                    found.partition(|candidate| !self.has_failed_lately(candidate));
                found.extend(failed);
                if found.is_empty() { Err(ApiError::no_offer_matches()) } else { Ok(found) }
            }
        }
    }

    pub(super) fn query(&self, filter: &OfferFilter) -> Query {
        let mut query = Query::by_megabyte(filter.service.unwrap_or(Service::SOCKS));
        if let Some(unit) = filter.unit {
            query.unit = unit.into();
        }
        query.price_max = filter.max_price;
        query.bandwidth_min_bps = filter.min_bandwidth_bps.unwrap_or(0);
        query.exit = Place { country: filter.country, asn: filter.asn };
        query.reputation = NEWCOMER;
        query.preferred = self.preferred.clone();
        query.excluded = [self.me()].into();
        query
    }

    fn has_failed_lately(&self, candidate: &Candidate) -> bool {
        let failed = self.failed_lately.get(&candidate.offer.offer.provider);
        failed.is_some_and(|at| self.clock.now() < *at + FAILED_FOR)
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

    fn dial(&mut self, offer: &Offer) {
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
            Err(error) => return self.not_reached(provider, &error.to_string()),
        };
        let id = byway_dialogue::LinkId(link.id().0);
        self.link_up(link);
        // Several attempts may have been under way.
        let is_late = self.market.is_talking_to(provider);
        let Some(offer) = self.wanted_offer(provider).filter(|_| !is_late) else { return self.close_link(id) };
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
    fn leave_link(&mut self, provider: IdentityId) {
        if let Some(link) = self.market.link_to(provider) {
            self.close_link(link);
            self.market.handle_link_down(self.clock.now(), link, &self.market_journal);
        }
    }

    /// The offer for whose sake we want to talk to `provider`.
    fn wanted_offer(&self, provider: IdentityId) -> Option<Offer> {
        let offer = match &self.connection {
            Connection::Connecting(connecting) => &connecting.current.offer.offer,
            Connection::Connected(connected) => &connected.offer,
            _ => return None,
        };
        (offer.provider == provider).then(|| offer.clone())
    }

    fn not_reached(&mut self, provider: IdentityId, why: &str) {
        tracing::debug!(%provider, why, "provider not reached");
        if matches!(&self.connection, Connection::Connecting(c) if c.current.offer.offer.provider == provider) {
            self.next_best(why);
        }
    }

    pub(super) fn talking(&mut self, peer: IdentityId, link: byway_dialogue::LinkId) {
        self.note_peer(peer);
        if let Some(before) = self.talking_on.insert(peer, link)
            && before != link
        {
            // Connections on a link that was left hold on to credit which those on the new one need.
            self.close_link(before);
        }
        match &mut self.connection {
            Connection::Connecting(connecting)
                if connecting.current.offer.offer.provider == peer && connecting.stage == Stage::Reaching =>
            {
                self.ask_for_session(peer);
            }
            Connection::Connected(connected) if connected.offer.provider == peer => {
                connected.redialled = None;
                tracing::debug!(?link, "the session goes on over a new link");
                self.publish_exit();
            }
            _ => {}
        }
    }

    fn ask_for_session(&mut self, provider: IdentityId) {
        let Connection::Connecting(connecting) = &mut self.connection else { return };
        connecting.stage = Stage::Opening;
        let offer = &connecting.current.offer.offer;
        let request = OpenRequest {
            offer: connecting.current.id,
            service: offer.service,
            price: connecting.current.price,
            bandwidth_bps: offer.bandwidth_bps,
            cost_max: self.limits.session_max.unwrap_or(Amount::MAX),
        };
        let (now, response) = (self.clock.now(), ResponseId(entropy::number()));
        if let Err(error) = self.market.open_session(now, provider, response, request, &self.market_journal) {
            self.next_best(&error.to_string());
        }
    }

    pub(super) fn using_news(&mut self, provider: IdentityId, news: ClientNews) {
        match news {
            ClientNews::Connect { session, .. } => self.session_open(provider, session),
            ClientNews::OpenFailed { error, .. } => {
                if error == OpenError::NoAnswer {
                    self.leave_link(provider);
                }
                self.not_reached(provider, &error.to_string());
            }
            ClientNews::Paused { session } => self.set_paused(session, true),
            ClientNews::Resumed { session } => self.set_paused(session, false),
            ClientNews::Halt { session } => self.session_over(session, CloseReason::Ended),
            ClientNews::OverLimit { limit, .. } => {
                self.over_limit(&format!("the session's limit of {limit} is reached"))
            }
            ClientNews::Fault { fault, .. } => {
                tracing::warn!(%provider, %fault, "the provider's bill is wrong; leaving it");
                self.failed_lately.insert(provider, self.clock.now());
            }
            ClientNews::Ended { session, reason, billed, cost } => {
                tracing::info!(%session, %reason, "session ended");
                if reason == StopReason::Silence {
                    self.leave_link(provider);
                }
                self.remember_session(session, reason, billed, cost);
                self.session_ended(session, &reason.to_string());
            }
            ClientNews::Metered(_) => {}
            // The market has passed these on to the payments.
            ClientNews::Spent { .. } | ClientNews::PayAhead(_) => {}
        }
        self.publish_sessions(provider);
    }

    fn session_open(&mut self, provider: IdentityId, session: SessionId) {
        let now = self.clock.now();
        // The client pays for what arrives, so its own gate holds nothing back; it is there to be closed.
        let plane = Plane::new(u64::MAX);
        let (watched, arrive) = (plane.clone(), self.arrive.clone());
        tokio::spawn(async move {
            watched
                .watch(|report| {
                    let arrive = arrive.clone();
                    async move { arrive.send(Arrival::Used { provider, session, report }).await.is_ok() }
                })
                .await;
        });
        let using =
            Using { provider, plane, started: now, sampled: (now, Metered::default()), rate: (0, 0), last: None };
        self.using.insert(session, using);
        self.market.handle_channel(now, provider, session, Ok(()), &self.market_journal);
        let Connection::Connecting(connecting) = &mut self.connection else {
            return self.adopt(provider, session);
        };
        if connecting.current.offer.offer.provider != provider {
            return;
        }
        for asker in connecting.askers.drain(..) {
            let _ = asker.send(Ok(session));
        }
        let offer = connecting.current.offer.offer.clone();
        self.connection =
            Connection::Connected(Connected { since: now, offer, session, is_paused: false, redialled: None });
        self.publish_exit();
    }

    /// A session of before a restart: it is gone on with if nothing else is wanted by now.
    fn adopt(&mut self, provider: IdentityId, session: SessionId) {
        let now = self.clock.now();
        let view = self.market.used_sessions(now).into_iter().find(|(_, view)| view.id == session);
        let offer = view.and_then(|(_, view)| self.index.offer(view.offer)).map(|o| o.offer.offer.clone());
        match (&self.connection, offer) {
            (Connection::Idle { .. }, Some(offer)) => {
                self.connection =
                    Connection::Connected(Connected { since: now, offer, session, is_paused: false, redialled: None });
                self.publish_exit();
            }
            _ => self.market.stop_using(now, provider, session, &self.market_journal),
        }
    }

    fn set_paused(&mut self, session: SessionId, paused: bool) {
        if let Connection::Connected(connected) = &mut self.connection
            && connected.session == session
        {
            connected.is_paused = paused;
        }
    }

    /// Closes the data plane of a session.
    fn session_over(&mut self, session: SessionId, reason: CloseReason) {
        let now = self.clock.now();
        let view = self.market.used_sessions(now).into_iter().find(|(_, view)| view.id == session);
        if let Some(using) = self.using.get_mut(&session) {
            using.plane.gate.close(reason);
            using.last = view.map(|(_, view)| view).or(using.last);
        }
    }

    /// Keeps an ended session in the list.
    fn remember_session(&mut self, session: SessionId, reason: StopReason, billed: Traffic, cost: Amount) {
        let Some(using) = self.using.get(&session) else { return };
        let (provider, started) = (using.provider, using.started);
        let Some(mut view) = using.last else { return };
        let now = self.clock.now();
        (view.billed, view.cost, view.duration) = (billed, cost, now.since(started));
        let mut ended = self.session(provider, &view);
        let failed = matches!(
            reason,
            StopReason::OverBilled | StopReason::ChannelFailed | StopReason::Silence | StopReason::DialogueEnded
        );
        ended.state = if failed { SessionState::Failed } else { SessionState::Closed };
        ended.reason = Some(Reason::new(reason_word(reason), reason.to_string()));
        (ended.paid, ended.ended_ms, ended.started_ms) = (cost, Some(now), started);
        self.tell(Event::Session(ended.clone()));
        self.keep_session(ended);
    }

    fn session_ended(&mut self, session: SessionId, reason: &str) {
        self.session_over(session, CloseReason::Ended);
        self.using.remove(&session);
        if matches!(&self.connection, Connection::Connected(connected) if connected.session == session) {
            tracing::debug!(reason, "no exit any more");
            self.connection = Connection::Idle { since: self.clock.now() };
            self.publish_exit();
        }
    }

    pub(super) fn detached(&mut self, peer: IdentityId) {
        if matches!(&self.connection, Connection::Connected(connected) if connected.offer.provider == peer) {
            self.publish_exit();
            self.look_after_connection();
        }
    }

    pub(super) fn dialogue_closed(&mut self, peer: IdentityId, why: &str) {
        self.talking_on.remove(&peer);
        self.not_reached(peer, why);
    }

    pub(super) fn dialogue_refused(&mut self, peer: IdentityId, why: &str) {
        self.not_reached(peer, why);
    }

    /// Dials the provider again while the session is there and its link isn't.
    pub(super) fn look_after_connection(&mut self) {
        let now = self.clock.now();
        self.sample_rates(now);
        let Connection::Connected(connected) = &mut self.connection else { return };
        let provider = connected.offer.provider;
        if self.market.is_talking_to(provider) || connected.redialled.is_some_and(|at| now < at + REDIAL_PAUSE) {
            return;
        }
        connected.redialled = Some(now);
        let offer = connected.offer.clone();
        // The provider may have published new contacts since.
        let newest = self.index.offer(OfferId::of(offer.provider, offer.serial)).map(|o| o.offer.offer.clone());
        self.dial(&newest.unwrap_or(offer));
    }

    fn sample_rates(&mut self, now: Time) {
        for using in self.using.values_mut() {
            let (then, before) = using.sampled;
            let elapsed = now.since(then).0;
            if elapsed < RATE_SPAN.0 {
                continue;
            }
            let counted = using.plane.meter.read();
            let rate = |now: u64, before: u64| now.saturating_sub(before).saturating_mul(8_000) / elapsed;
            using.rate = (rate(counted.down, before.down), rate(counted.up, before.up));
            using.sampled = (now, counted);
        }
    }

    fn next_best(&mut self, why: &str) {
        let now = self.clock.now();
        let Connection::Connecting(connecting) = &mut self.connection else { return };
        let failed = connecting.current.offer.offer.provider;
        self.failed_lately.insert(failed, now);
        match connecting.others.pop_front() {
            Some(next) => {
                tracing::info!(provider = %failed, why, "trying the next best offer");
                (connecting.current, connecting.stage) = (next, Stage::Reaching);
                connecting.tried += 1;
                self.reach();
            }
            None => {
                for asker in connecting.askers.drain(..) {
                    let _ = asker.send(Err(ApiError::provider_unreachable(failed, connecting.tried)));
                }
                self.fail_connection(why.to_owned());
            }
        }
    }

    fn fail_connection(&mut self, reason: String) {
        self.connection = Connection::Failed { since: self.clock.now(), reason };
        self.publish_exit();
    }

    pub(super) fn over_limit(&mut self, why: &str) {
        tracing::info!(why, "a spending limit is reached");
        if let Connection::Connected(connected) = &self.connection {
            let (provider, session) = (connected.offer.provider, connected.session);
            self.market.stop_using(self.clock.now(), provider, session, &self.market_journal);
            self.fail_connection(why.to_owned());
        }
    }

    pub(super) fn used(&mut self, provider: IdentityId, session: SessionId, report: Report) {
        if self.using.contains_key(&session) {
            let traffic = Traffic::new(report.metered.up, report.metered.down);
            self.market.handle_used(self.clock.now(), provider, session, traffic, &self.market_journal);
        }
    }

    /// Reads the counters one last time.
    fn report_used(&mut self, provider: IdentityId, session: SessionId) {
        if let Some(using) = self.using.get(&session) {
            let report = using.plane.report();
            self.used(provider, session, report);
        }
    }

    /// Tells the programs on the proxy where things stand.
    fn publish_exit(&mut self) {
        let state = match &self.connection {
            Connection::Idle { .. } => ExitState::Idle,
            Connection::Disconnected { .. } => ExitState::Closed,
            Connection::Failed { .. } => ExitState::Failed,
            Connection::Connecting(_) => ExitState::Connecting,
            Connection::Connected(connected) => self.way_out(connected).map_or(ExitState::Connecting, ExitState::Ready),
        };
        self.exits.send_replace(state);
        self.publish_status();
    }

    fn way_out(&self, connected: &Connected) -> Option<Exit> {
        let link = self.link_handles.get(&self.market.link_to(connected.offer.provider)?)?.clone();
        let plane = self.using.get(&connected.session)?.plane.clone();
        Some(Exit { link, session: connected.session, plane })
    }
}

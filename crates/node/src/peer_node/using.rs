//! Sessions that this node uses: their data plane, their news, and the record that stays of each.

use byway_access::quality::Seen;
use byway_access::session::{ClientNews, OpenError, ResponseId, SessionId, SessionView, StopReason, Traffic, Usage};
use byway_driver::gate::CloseReason;
use byway_driver::meter::Metered;
use byway_primitives::{Amount, IdentityId, Span, Time};
use byway_records::Offer;
use byway_records::offer::Service;

use super::data_plane::{Plane, Report};
use super::shares::Share;
use super::ways::{Connected, Connection, Flow, Way, WayId};
use super::{Actor, Arrival};
use crate::api::{Event, OfferFilter, Reason, SessionState};

/// Rates are means over at least this long; a little less than two ticks.
const RATE_SPAN: Span = Span::millis(900);

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
    pub share: Share,
    /// Why this node left it, where that was the provider's doing.
    pub left: Option<StopReason>,
    /// What ended it is before the provider, which is not to blame.
    pub is_excused: bool,
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
        StopReason::ServiceFailed => "service_failed",
        StopReason::MonthSpent => "month_spent",
    }
}

impl Actor {
    pub(super) fn using_news(&mut self, provider: IdentityId, news: ClientNews) {
        match news {
            ClientNews::Connect { session, response, service, limit, answer } => {
                self.session_agreed(provider, (session, response), (service, limit), &answer);
            }
            ClientNews::OpenFailed { response, error } => self.open_failed(provider, response, error),
            ClientNews::Paused { session } => {
                self.pauses += 1;
                self.set_flow(session, Flow::Paused { since: self.clock.now() });
            }
            ClientNews::Resumed { session } => self.set_flow(session, Flow::Open),
            ClientNews::Halt { session } => {
                self.session_over(session, CloseReason::Ended);
                self.set_flow(session, Flow::Ending);
                if let Some(way) = self.ways.of_session(session) {
                    self.publish_exit(way);
                }
            }
            ClientNews::Limited { session, limit } => {
                if let Some(using) = self.using.get(&session) {
                    using.plane.gate.limit_to(0, limit);
                }
            }
            ClientNews::OverLimit { session, limit } => self.limit_reached(session, limit),
            ClientNews::Fault { fault, session } => {
                let service = self.offer_of(session).map_or(Service::SOCKS, |offer| offer.service);
                tracing::warn!(%provider, %fault, "the provider's bill is wrong; leaving it");
                self.failed_lately.insert(provider, self.clock.now());
                self.saw((provider, service), Seen::Cheated);
            }
            ClientNews::Ended { session, reason, billed, cost } => {
                tracing::info!(%session, %reason, "session ended");
                if reason == StopReason::Silence {
                    self.leave_link(provider);
                }
                self.count_cost(session, cost);
                let using = self.using.get(&session);
                let reason = using.and_then(|using| using.left).unwrap_or(reason);
                if let Some(view) = using.and_then(|using| using.last) {
                    self.saw_end((provider, view.service), session, reason);
                }
                self.remember_session(session, reason, billed, cost);
                self.session_ended(session, &reason.to_string());
            }
            ClientNews::Metered(_) => {}
            ClientNews::Countered { price, .. } => {
                tracing::info!(%provider, %price, "the provider names another price")
            }
            ClientNews::Quoted { response, offer, quote } => self.quoted(response, offer, quote),
            ClientNews::AskFailed { response, error } => self.not_quoted(response, &error.to_string()),
            // The market has passed these on to the payments.
            ClientNews::Spent { .. } | ClientNews::PayAhead(_) => {}
        }
        self.publish_sessions(provider);
    }

    /// A provider has agreed to a session: its data plane is opened and its data channel built.
    fn session_agreed(
        &mut self,
        provider: IdentityId,
        (session, response): (SessionId, ResponseId),
        (service, limit): (Service, u64),
        answer: &[u8],
    ) {
        let way = self.ways.asking(response);
        // That of a relay carries the main way's tunnel.
        let payer = match way {
            Some(way) => self.ways.get(way).and_then(|way| way.payer),
            None if service == Service::RELAY => self.ways.main.payer,
            None => None,
        };
        if self.payer_of(session).is_none() {
            self.bill_session(session, payer);
        }
        if let Some(connecting) = way.and_then(|way| self.ways.connecting_mut(way)) {
            connecting.session = Some(session);
        }
        let plane = self.session_open(provider, session, limit);
        self.session_accepted((provider, service));
        match service {
            Service::TUNNEL => self.build_tunnel(provider, (session, response), answer, plane),
            Service::RELAY => self.relay_open(provider, session, answer, plane),
            _ => self.channel_up(provider, session),
        }
    }

    /// No session came of a request: that of a way, or of a relay.
    fn open_failed(&mut self, provider: IdentityId, response: ResponseId, error: OpenError) {
        let asking = self.ways.asking(response);
        if error == OpenError::NoAnswer {
            self.leave_link(provider);
        }
        let why = error.to_string();
        match (asking, error) {
            (None, _) => self.slice_relay_lost(provider, &why),
            // By our own limits, or because both see this node otherwise.
            (
                Some(way),
                OpenError::TooDear { .. }
                | OpenError::AheadTooLow { .. }
                | OpenError::ServiceUnknown
                | OpenError::TooManySessions
                | OpenError::TooManyQuestions,
            ) => self.next_best(way, &why),
            (Some(way), _) => self.not_served(way, &why),
        }
    }

    fn session_open(&mut self, provider: IdentityId, session: SessionId, limit: u64) -> Plane {
        let now = self.clock.now();
        // The client pays for what arrives: its own gate holds back what it doesn't want to pay for.
        let plane = Plane::new(limit);
        let (watched, arrive) = (plane.clone(), self.arrive.clone());
        tokio::spawn(async move {
            watched
                .watch(|report| {
                    let arrive = arrive.clone();
                    async move { arrive.send(Arrival::Used { provider, session, report }).await.is_ok() }
                })
                .await;
        });
        let sampled = (now, Metered::default());
        // However it ends, it was there.
        let last =
            self.market.used_sessions(now).into_iter().find(|(_, view)| view.id == session).map(|(_, view)| view);
        let (kept, left, share) = (plane.clone(), None, Share::default());
        let using =
            Using { provider, plane: kept, started: now, sampled, rate: (0, 0), last, share, left, is_excused: false };
        self.using.insert(session, using);
        self.share_out();
        plane
    }

    /// The data channel of a session is there.
    pub(super) fn channel_up(&mut self, provider: IdentityId, session: SessionId) {
        let now = self.clock.now();
        self.market.handle_channel(now, provider, session, Ok(()), &self.market_journal);
        let Some(id) = self.ways.of_session(session) else { return self.adopt(provider, session) };
        let Some(connecting) = self.ways.connecting_mut(id) else { return };
        connecting.answer_all(&Ok(session));
        let (offer, filter) = (connecting.current.offer.offer.clone(), connecting.filter.take());
        self.saw((offer.provider, offer.service), Seen::Opened);
        if let Some(way) = self.ways.get_mut(id) {
            way.connection = Connection::Connected(Connected::new(now, offer, session, filter));
        }
        if id == WayId::MAIN {
            self.keep_main_session();
        }
        self.publish_exit(id);
        self.hop_up(id);
    }

    /// A session of before a restart is gone on with by a way that has nothing else by now; one that was asked for before, and
    /// came too late, ends.
    fn adopt(&mut self, provider: IdentityId, session: SessionId) {
        let now = self.clock.now();
        let offer = self.offer_of(session).filter(|_| self.ways.restored.remove(&session));
        let adopting = offer.and_then(|offer| Some((self.way_for(session, &offer)?, offer)));
        let Some(((id, filter), offer)) = adopting else {
            return self.market.stop_using(now, provider, session, &self.market_journal);
        };
        let payer = self.payer_of(session);
        if let Some(way) = self.ways.get_mut(id) {
            way.connection = Connection::Connected(Connected::new(now, offer, session, filter));
            way.payer = payer;
        }
        self.publish_exit(id);
    }

    /// The way for a session of before a restart, and under what the next best is looked for there: the main one for its own,
    /// and for another a proxy port that it fits.
    fn way_for(&self, session: SessionId, offer: &Offer) -> Option<(WayId, Option<OfferFilter>)> {
        let is_idle = |way: &Way| matches!(way.connection, Connection::Idle { .. });
        if self.market.link_to(offer.provider).is_some() && !self.is_on_route(offer.provider) {
            // It was reached in another way then, or the provider has come by another now.
            return None;
        }
        if let Some(filter) = self.was_main_session(session) {
            return is_idle(&self.ways.main).then_some((WayId::MAIN, filter));
        }
        if self.is_hop_provider(offer.provider) {
            return None;
        }
        let fits = |wish: &OfferFilter| {
            wish.country.is_none_or(|country| country == offer.exit.country)
                && wish.asn.is_none_or(|asn| asn == offer.exit.asn)
                && offer.service == Service::SOCKS
        };
        let fitting = self.ways.iter().filter(|(id, _)| *id != WayId::MAIN);
        let mut fitting = fitting.filter(|(_, way)| is_idle(way) && fits(&way.wish));
        fitting.next().map(|(id, way)| (id, Some(way.wish.clone())))
    }

    /// The offer of a session that is used.
    pub(super) fn offer_of(&self, session: SessionId) -> Option<Offer> {
        let sessions = self.market.used_sessions(self.clock.now());
        let (_, view) = sessions.into_iter().find(|(_, view)| view.id == session)?;
        self.index.offer(view.offer).map(|published| published.offer.offer.clone())
    }

    fn set_flow(&mut self, session: SessionId, flow: Flow) {
        let way = self.ways.of_session(session);
        if let Some(connected) = way.and_then(|way| self.ways.connected_mut(way))
            && connected.flow != Flow::Ending
        {
            connected.flow = flow;
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
        self.tunnel_over(session);
    }

    /// Keeps an ended session in the list.
    fn remember_session(&mut self, session: SessionId, reason: StopReason, billed: Usage, cost: Amount) {
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
        self.slice_relay_ended(session, reason);
        self.end_retired();
        let Some(way) = self.ways.of_session(session) else { return };
        if self.ways.connected(way).is_some() {
            self.lose_exit(way, reason);
        } else {
            // Its data channel took too long, or the provider thought better of it.
            self.next_best(way, reason);
        }
    }

    pub(super) fn used(&mut self, provider: IdentityId, session: SessionId, report: Report) {
        if self.using.contains_key(&session) {
            let traffic = Traffic::new(report.metered.up, report.metered.down);
            self.market.handle_used(self.clock.now(), provider, session, traffic, &self.market_journal);
            self.look_after_share(session);
        }
    }

    /// Reads the counters one last time.
    pub(super) fn report_used(&mut self, provider: IdentityId, session: SessionId) {
        if let Some(using) = self.using.get(&session) {
            let report = using.plane.report();
            self.used(provider, session, report);
        }
    }

    pub(super) fn sample_rates(&mut self, now: Time) {
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
}

//! The client's side of the sessions in one dialogue.

mod limiting;
mod opening;

use std::collections::BTreeMap;

use byway_dialogue::payment::{Ahead, Path, Window};
use byway_primitives::{Amount, Batch, Span, Store, Time};

use self::opening::{Asking, Opening};
use super::client_session::{Phase, Session};
use super::config::ClientConfig;
use super::journal::{ClosedRecord, Journal, Role, SessionJournalError, SessionRecord};
use super::message::{Metering, SessionMessage};
use super::news::{ClientEffect, ClientNews, MeteringFault};
use super::outbox::Outbox;
use super::reasons::StopReason;
use super::{Link, Measure, ResponseId, SessionId, SessionView, Sides, Traffic, plus};
use crate::service::Services;

/// An acknowledgement is due when this part of a window has arrived since the last.
const ACKNOWLEDGE_PARTS: u128 = 8;
/// The client's machine for one provider.
///
/// Call order: [`restore`](Self::restore), then [`start`](Self::start) once, then anything. Tokens count from zero in
/// each run.
pub struct Client {
    sides: Sides,
    config: ClientConfig,
    services: Services,
    journal: Journal,
    closed: ClosedRecord,
    opening: BTreeMap<ResponseId, Opening>,
    asking: BTreeMap<ResponseId, Asking>,
    sessions: BTreeMap<SessionId, Session>,
    link: Link,
    /// The payer's window as we reckon it, for how often to acknowledge.
    window: Option<Window>,
    ahead: Ahead,
    /// What was last said to be spent.
    spent: Amount,
    /// What is promised beyond that, as the payer says.
    ahead_now: Amount,
    out: Outbox<ClientNews>,
}

impl Client {
    pub fn restore(
        sides: Sides,
        config: ClientConfig,
        services: Services,
        now: Time,
        store: &impl Store,
    ) -> Result<Self, SessionJournalError> {
        let journal = Journal { role: Role::Client, peer: sides.provider };
        let (closed, records) = journal.load(store)?;
        let phase = Phase::Connecting { until: None };
        let sessions = records.into_iter().map(|record| (record.id, Session::new(record, phase, now, config)));
        Ok(Self {
            sides,
            config,
            services,
            journal,
            closed,
            opening: BTreeMap::new(),
            asking: BTreeMap::new(),
            sessions: sessions.collect(),
            link: Link::Down,
            window: None,
            ahead: Ahead::NOTHING,
            spent: Amount::ZERO,
            ahead_now: Amount::ZERO,
            out: Outbox::new(sides.provider),
        })
    }

    /// Takes up the sessions of before: their data channels are to be built again.
    pub fn start(&mut self, now: Time) -> Vec<ClientEffect> {
        for session in self.sessions.values() {
            self.out.notify(session.connect());
        }
        self.finish(now)
    }

    pub fn sessions(&self, now: Time) -> Vec<SessionView> {
        self.sessions.values().map(|session| session.view(now)).collect()
    }

    /// How much is promised and not used now, by [`Payments::ahead`](byway_dialogue::payment::Payments::ahead). Whoever never
    /// says so has time acknowledged more often than there is need.
    pub fn note_ahead(&mut self, ahead: Amount) {
        self.ahead_now = ahead;
    }

    /// What all sessions have cost so far.
    pub fn spent(&self) -> Amount {
        self.sessions.values().fold(self.closed.spent, |sum, session| plus(sum, session.cost()))
    }

    /// Whether the data channel of `session` could be built.
    pub fn handle_channel<E>(&mut self, now: Time, session: SessionId, built: Result<(), E>) -> Vec<ClientEffect> {
        if let Some(state) = self.sessions.get_mut(&session)
            && matches!(state.phase, Phase::Connecting { .. })
        {
            match built {
                Ok(()) => {
                    state.phase = Phase::Running;
                    state.heard = now;
                    state.run_over(self.link, now);
                    self.out.send(SessionMessage::ChannelUp { session });
                }
                Err(_) => {
                    self.out.send(SessionMessage::ChannelFailed { session });
                    self.wait_for_bill(now, session, StopReason::ChannelFailed);
                }
            }
        }
        self.finish(now)
    }

    /// The data plane of `session` has counted.
    pub fn handle_counters(&mut self, now: Time, session: SessionId, traffic: Traffic) -> Vec<ClientEffect> {
        if let Some(state) = self.sessions.get_mut(&session) {
            state.report(traffic);
        }
        self.acknowledge_if_due(now, session);
        self.finish(now)
    }

    /// The round trip and commit times of the path, as measured.
    pub fn handle_path(&mut self, now: Time, round_trip: Span, commits: Span) -> Vec<ClientEffect> {
        (self.config.round_trip, self.config.commits) = (round_trip, commits);
        self.finish(now)
    }

    pub fn handle_message(&mut self, now: Time, message: SessionMessage) -> Vec<ClientEffect> {
        match message {
            SessionMessage::Accepted(accepted) => self.accepted(now, accepted),
            SessionMessage::Refused { response, reason } => self.refused(response, reason.into()),
            SessionMessage::Counter { response, named, price } => self.countered(now, response, named, price),
            SessionMessage::Quoted { response, quote } => self.quoted(response, quote),
            SessionMessage::Metering(metering) => self.metered(now, metering),
            SessionMessage::Pause { session } => self.paused(now, session),
            SessionMessage::Resume { session } => {
                if let Some(state) = self.heard(now, session)
                    && state.phase == Phase::Paused
                {
                    state.phase = Phase::Running;
                    state.run_over(Link::Up, now);
                    self.out.notify(ClientNews::Resumed { session });
                }
            }
            SessionMessage::Stop { session, reason } => self.stopped_by_provider(now, session, reason),
            SessionMessage::Stopped(metering) => self.final_bill(metering),
            // Only a client says these; from a provider they mean nothing and cost nothing.
            SessionMessage::Open { .. }
            | SessionMessage::Ask { .. }
            | SessionMessage::ChannelUp { .. }
            | SessionMessage::ChannelFailed { .. }
            | SessionMessage::Acknowledge { .. } => {}
        }
        self.finish(now)
    }

    /// A dialogue is open, or goes on over another link: asks again what was not answered, and says where we stand.
    pub fn handle_attached(&mut self, now: Time) -> Vec<ClientEffect> {
        self.link = Link::Up;
        self.ask_again();
        for id in self.ids() {
            self.acknowledge(id);
            let Some(session) = self.sessions.get_mut(&id) else { continue };
            session.heard = now;
            self.out.send(SessionMessage::Acknowledge { session: id, usage: session.record.acknowledged });
            match session.phase {
                Phase::Connecting { .. } => {
                    session.phase = Phase::Connecting { until: Some(now + self.config.channel_wait) };
                }
                Phase::Running | Phase::Paused => {
                    session.phase = Phase::Running;
                    session.run_over(Link::Up, now);
                    self.out.send(SessionMessage::ChannelUp { session: id });
                }
                Phase::Stopping { reason, .. } => self.out.send(SessionMessage::Stop { session: id, reason }),
            }
        }
        self.finish(now)
    }

    /// The link is gone; the dialogue is not.
    pub fn handle_detached(&mut self, now: Time) -> Vec<ClientEffect> {
        self.link = Link::Down;
        self.sessions.values_mut().for_each(|session| session.run_over(Link::Down, now));
        self.finish(now)
    }

    /// The dialogue has ended, and all its sessions with it.
    pub fn handle_dialogue_ended(&mut self, now: Time) -> Vec<ClientEffect> {
        self.link = Link::Down;
        self.give_up_all();
        for id in self.ids() {
            self.close(id, StopReason::DialogueEnded);
        }
        self.finish(now)
    }

    /// Ends a session. Let the data plane report once more before, so that all that arrived is paid for.
    pub fn stop(&mut self, now: Time, session: SessionId) -> Vec<ClientEffect> {
        self.begin_stop(now, session, StopReason::ClientWish);
        self.finish(now)
    }

    pub fn handle_wake(&mut self, now: Time) -> Vec<ClientEffect> {
        self.give_up_late(now);
        for id in self.ids() {
            self.wake(now, id);
        }
        self.finish(now)
    }

    fn ids(&self) -> Vec<SessionId> {
        self.sessions.keys().copied().collect()
    }

    /// The session, noting that its provider is alive. One that we don't know we have forgotten, and the provider is told.
    fn heard(&mut self, now: Time, id: SessionId) -> Option<&mut Session> {
        let Some(session) = self.sessions.get_mut(&id) else {
            self.out.send(SessionMessage::Stop { session: id, reason: StopReason::UnknownSession });
            return None;
        };
        session.heard = now;
        session.run(now);
        Some(session)
    }

    fn metered(&mut self, now: Time, metering: Metering) {
        let Some(session) = self.heard(now, metering.session) else { return };
        if let Err(fault) = session.judge(&metering) {
            return self.accuse(now, metering.session, fault);
        }
        session.received_up = session.received_up.max(metering.received_up);
        self.out.notify(ClientNews::Metered(metering));
        self.acknowledge_in_time(metering.session);
    }

    fn paused(&mut self, now: Time, id: SessionId) {
        let Some(session) = self.heard(now, id) else { return };
        if session.phase == Phase::Running {
            session.phase = Phase::Paused;
            session.run_over(Link::Up, now);
            self.out.notify(ClientNews::Paused { session: id });
        }
        self.acknowledge(id);
        self.repeat_acknowledgement(id);
        self.stop_at_limit(now, id);
    }

    /// Says again where we stand, so that the other side knows what to count as lost.
    fn repeat_acknowledgement(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get(&id).filter(|session| session.is_open()) {
            let usage = session.record.acknowledged;
            self.out.send(SessionMessage::Acknowledge { session: id, usage });
        }
    }

    /// The provider ends it: the last acknowledgement, and our agreement.
    fn stopped_by_provider(&mut self, now: Time, id: SessionId, reason: StopReason) {
        let Some(session) = self.sessions.get(&id) else { return };
        if reason == StopReason::UnknownSession {
            let reason = match session.phase {
                Phase::Stopping { reason, .. } => reason,
                _ => reason,
            };
            return self.close(id, reason);
        }
        self.begin_stop(now, id, reason);
    }

    fn final_bill(&mut self, metering: Metering) {
        // After a crash the provider may send it again for a session that we have closed.
        let Some(session) = self.sessions.get(&metering.session) else { return };
        let reason = match session.phase {
            Phase::Stopping { reason, .. } => reason,
            _ => StopReason::ProviderWish,
        };
        match session.judge(&metering) {
            Ok(()) => self.out.notify(ClientNews::Metered(metering)),
            Err(fault) => self.out.notify(ClientNews::Fault { session: metering.session, fault }),
        }
        self.close(metering.session, reason);
    }

    /// Stops paying a provider that cheats: nothing more is acknowledged, nothing more is promised.
    fn accuse(&mut self, now: Time, id: SessionId, fault: MeteringFault) {
        self.out.notify(ClientNews::Fault { session: id, fault });
        self.out.send(SessionMessage::Stop { session: id, reason: StopReason::OverBilled });
        self.wait_for_bill(now, id, StopReason::OverBilled);
    }

    fn begin_stop(&mut self, now: Time, id: SessionId, reason: StopReason) {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| session.is_open()) else { return };
        // To the last moment, unless nobody was heard for long.
        session.run(now);
        self.acknowledge(id);
        self.out.send(SessionMessage::Stop { session: id, reason });
        self.wait_for_bill(now, id, reason);
    }

    fn wait_for_bill(&mut self, now: Time, id: SessionId, reason: StopReason) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.phase = Phase::Stopping { reason, until: now + self.config.stop_wait };
        session.run_over(self.link, now);
        self.out.notify(ClientNews::Halt { session: id });
    }

    /// What is owed is entered among the closed and the session is forgotten, in one write.
    fn close(&mut self, id: SessionId, reason: StopReason) {
        let Some(session) = self.sessions.remove(&id) else { return };
        if session.is_open() {
            self.out.notify(ClientNews::Halt { session: id });
        }
        let cost = session.cost();
        self.closed.spent = plus(self.closed.spent, cost);
        let mut batch = Batch::new();
        self.journal.delete_session(&mut batch, id);
        self.journal.put_closed(&mut batch, &self.closed);
        self.out.persist(batch);
        let billed = session.record.acknowledged;
        self.out.notify(ClientNews::Ended { session: id, reason, billed, cost });
    }

    fn wake(&mut self, now: Time, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let silent = self.link == Link::Up && now >= session.heard + self.config.silence_max;
        match session.phase {
            Phase::Connecting { until: Some(until) } if now >= until => {
                self.out.send(SessionMessage::ChannelFailed { session: id });
                self.wait_for_bill(now, id, StopReason::ChannelFailed);
            }
            Phase::Stopping { reason, until } if now >= until => self.close(id, reason),
            Phase::Running | Phase::Paused if silent => self.begin_stop(now, id, StopReason::Silence),
            Phase::Running | Phase::Paused if now >= session.acknowledge_at => {
                self.acknowledge_in_time(id);
                self.stop_at_limit(now, id);
            }
            _ => {}
        }
        if let Some(session) = self.sessions.get_mut(&id)
            && now >= session.acknowledge_at
        {
            session.acknowledge_at = now + self.config.acknowledge_every;
        }
    }

    fn acknowledge_if_due(&mut self, now: Time, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        if session.unacknowledged().units() > self.window().units() / ACKNOWLEDGE_PARTS {
            self.acknowledge_in_time(id);
            self.stop_at_limit(now, id);
        }
    }

    /// Acknowledges what has arrived; of time, as late as does no harm. Each acknowledgement is a write, here and at the provider,
    /// and time never stands still.
    ///
    /// What it is for is the next promise, which is a write, too, and due when half of a window was used. Until then the
    /// provider has been promised what it gives, so nothing waits for an acknowledgement; and it is said at once where
    /// something does: at a pause, over a new link, and at the end. What this run of the client counted and did not acknowledge is lost
    /// with it in a crash, and the provider's loss. That is half a window, and what comes with the next metering.
    fn acknowledge_in_time(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let is_due = match session.record.tariff.measure {
            Measure::Bytes => true,
            Measure::Time => self.is_promise_due() || session.has_run_for_long(),
        };
        if is_due {
            self.acknowledge(id);
        }
    }

    /// Whether no more than half of a window is left of what was promised, with what is not acknowledged yet: then the payer
    /// promises more as soon as it knows.
    fn is_promise_due(&self) -> bool {
        let more = self.sessions.values().fold(Amount::ZERO, |sum, session| plus(sum, session.unacknowledged()));
        self.ahead_now.saturating_sub(more).units() <= self.window().units() / 2
    }

    fn window(&self) -> Amount {
        self.window.map_or(Amount::ZERO, |window| window.in_force())
    }

    /// Acknowledges what has arrived, if it is more than before. The journal comes first: after a crash we must not say
    /// less than we said.
    fn acknowledge(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let usage = session.arrived();
        if !session.is_open() || session.is_acknowledged(usage) {
            return;
        }
        let before = session.cost();
        session.record.acknowledged = usage;
        let more = session.cost().saturating_sub(before);
        let record = session.record.clone();
        self.save(&record);
        self.out.send(SessionMessage::Acknowledge { session: id, usage });
        if let Some(window) = &mut self.window {
            window.honour(more);
        }
    }

    fn save(&mut self, record: &SessionRecord) {
        let mut batch = Batch::new();
        self.journal.put_session(&mut batch, record);
        self.out.persist(batch);
    }

    /// How far ahead to pay for all that is open, within the limits of each and the ceiling of all.
    fn wish(&self) -> Ahead {
        let path = |rate_bytes_per_second| Path {
            rate_bytes_per_second,
            round_trip: self.config.round_trip,
            commits: self.config.commits,
        };
        let opening = self.opening.values().map(|opening| {
            let request = &opening.request;
            request.tariff.ahead(path(request.bandwidth_bps / 8), request.cost_max)
        });
        let paid = self.sessions.values().filter(|session| session.is_open() && session.is_to_be_paid());
        let open = paid.map(|session| {
            let left = session.record.cost_max.saturating_sub(session.cost());
            session.record.tariff.ahead(path(session.record.rate_bytes_per_second), left)
        });
        let all = opening.chain(open).fold(Ahead::NOTHING, |sum, ahead| Ahead {
            start: plus(sum.start, ahead.start),
            // Each has what it needs beside the others, a first window at least: what bytes need is of no use to time.
            need: plus(sum.need, ahead.need.max(ahead.start)),
            ceiling: plus(sum.ceiling, ahead.ceiling),
        });
        Ahead { ceiling: all.ceiling.min(self.config.ceiling), ..all }
    }

    fn finish(&mut self, now: Time) -> Vec<ClientEffect> {
        let ahead = self.wish();
        if ahead != self.ahead {
            self.ahead = ahead;
            match &mut self.window {
                Some(window) => window.retarget(ahead),
                None => self.window = Some(Window::new(ahead)),
            }
            self.out.notify(ClientNews::PayAhead(ahead));
        }
        // After the wish, which may have become smaller: else the payer would go by the old one once more.
        let total = self.spent();
        if total > self.spent {
            self.spent = total;
            self.out.notify(ClientNews::Spent { total });
        }
        let opening = self.opening.values().map(|opening| opening.until);
        let asking = self.asking.values().map(|asking| asking.until);
        let sessions = self.sessions.values().map(|session| session.deadline(self.config, self.link));
        if let Some(next) = opening.chain(asking).chain(sessions).min() {
            self.out.wake_at(next.max(now));
        }
        self.out.drain()
    }
}

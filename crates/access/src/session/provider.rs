//! The provider's side of the sessions in one dialogue.

mod door;
mod judging;
mod session;

use std::collections::BTreeMap;

use byway_primitives::{Amount, Batch, Store, Time};
use byway_records::OfferId;

use self::door::Door;
use self::judging::Judging;
use self::session::{Channel, Loss, Phase, Session};
use super::books::{Books, Share};
use super::config::{ProviderConfig, Sale};
use super::journal::{Journal, Role, SessionJournalError, SessionRecord};
use super::line::Line;
use super::message::SessionMessage;
use super::news::{Counters, ProviderEffect, ProviderNews};
use super::outbox::Outbox;
use super::reasons::StopReason;
use super::{SessionId, SessionView, Sides, Usage};
use crate::service::Services;

/// A bill is due when uploads of this part of a window have come since the last: the client acknowledges no more of them than
/// it was told of.
const METERED_PARTS: u128 = 8;

/// The provider's machine for one client.
///
/// Call order: [`restore`](Self::restore), then [`start`](Self::start) once, then anything. Tokens count from zero in
/// each run.
pub struct Provider {
    sides: Sides,
    config: ProviderConfig,
    services: Services,
    sale: Sales,
    door: Door,
    journal: Journal,
    sessions: BTreeMap<SessionId, Session>,
    books: Books,
    earned: Amount,
    out: Outbox<ProviderNews>,
}

/// Whether anything is sold.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sales {
    Open(BTreeMap<OfferId, Sale>),
    Full,
    MonthSpent,
    Closing,
}

impl Provider {
    pub fn restore(
        sides: Sides,
        config: ProviderConfig,
        services: Services,
        now: Time,
        store: &impl Store,
    ) -> Result<Self, SessionJournalError> {
        let journal = Journal { role: Role::Provider, peer: sides.client };
        let (closed, records) = journal.load(store)?;
        let mut books = Books::new(closed, now);
        let (phase, channel) = (Phase::Offered, Channel::NoLink);
        let mut sessions = BTreeMap::new();
        for record in records {
            if let Some(kind) = services.kind(record.service) {
                kind.resume(record.id, &record.request, &record.answer);
            }
            books.open(record.tariff, config.path, config.ceiling);
            let line = Line::new(record.tariff, record.acknowledged).with_free(record.free);
            let metered_up = line.received_up();
            sessions.insert(record.id, Session { record, line, phase, channel, metering_at: now, metered_up });
        }
        // What was forgiven is kept, what it was forgiven for is not: it would buy the same once more.
        books.settle_forgiven(sessions.values().map(|session: &Session| &session.line));
        let sale = Sales::Open(BTreeMap::new());
        let (earned, out) = (Amount::ZERO, Outbox::new(sides.client));
        let door = Door::new(now);
        Ok(Self { sides, config, services, sale, door, journal, sessions, books, earned, out })
    }

    /// Takes up the sessions of before: their clients come back, or their time for it runs out.
    pub fn start(&mut self, now: Time) -> Vec<ProviderEffect> {
        self.say_earned();
        self.finish(now)
    }

    pub fn sessions(&self, now: Time) -> Vec<SessionView> {
        self.sessions.values().map(|session| session.view(now)).collect()
    }

    /// What all sessions have cost so far.
    pub fn earned(&self) -> Amount {
        self.books.spent(self.sessions.values().map(|session| &session.line))
    }

    /// The most that may be forgiven now, and that a client can take by never acknowledging.
    pub fn window(&self) -> Amount {
        self.books.window()
    }

    /// What is sold to this client from now on. Open sessions keep their price.
    pub fn sell(&mut self, sale: BTreeMap<OfferId, Sale>) {
        self.sale = Sales::Open(sale);
    }

    /// Nothing is sold for now: the node is at its capacity.
    pub fn be_full(&mut self) {
        self.sale = Sales::Full;
    }

    /// Nothing is sold until the next month: the node has carried what it wants to carry.
    pub fn be_spent(&mut self) {
        self.sale = Sales::MonthSpent;
    }

    /// Whether the client has a session.
    pub fn is_serving(&self) -> bool {
        !self.sessions.is_empty()
    }

    /// Nothing is sold any more: the node shuts down.
    pub fn be_closing(&mut self) {
        self.sale = Sales::Closing;
    }

    /// `received` coin from this client in all, durably; from
    /// [`PaymentNews::Credited`](byway_dialogue::payment::PaymentNews::Credited).
    pub fn handle_credit(&mut self, now: Time, received: Amount) -> Vec<ProviderEffect> {
        self.run(now);
        self.books.received = self.books.received.max(received);
        self.save_all();
        self.rebalance(now);
        self.finish(now)
    }

    /// The data plane of `session` has counted.
    pub fn handle_counters(&mut self, now: Time, session: SessionId, counters: Counters) -> Vec<ProviderEffect> {
        self.run(now);
        let unmetered_max = Amount::from_units(self.books.window().units() / METERED_PARTS);
        if let Some(session) = self.sessions.get_mut(&session) {
            let before = session.line.used();
            session.line.report(counters);
            if session.line.used() != before || counters.is_short {
                session.line.note_use(now);
            }
            if session.unmetered() > unmetered_max {
                self.out.send(SessionMessage::Metering(session.bill(now)));
            }
        }
        self.rebalance(now);
        self.finish(now)
    }

    pub fn handle_message(&mut self, now: Time, message: SessionMessage) -> Vec<ProviderEffect> {
        self.run(now);
        match message {
            SessionMessage::Open { offer, response, tariff, data } => self.open(now, offer, response, tariff, data),
            SessionMessage::Ask { response, offer, measure } => self.asked(now, response, offer, measure),
            SessionMessage::ChannelUp { session } => self.channel_up(now, session),
            SessionMessage::ChannelFailed { session } => {
                self.stopped_by_client(session, StopReason::ChannelFailed, now)
            }
            SessionMessage::Acknowledge { session, usage } => self.acknowledged(now, session, usage),
            SessionMessage::Stop { session, reason } => self.stopped_by_client(session, reason, now),
            // Only a provider says these; from a client they mean nothing and cost nothing.
            SessionMessage::Accepted(_)
            | SessionMessage::Refused { .. }
            | SessionMessage::Quoted { .. }
            | SessionMessage::Counter { .. }
            | SessionMessage::Metering(_)
            | SessionMessage::Pause { .. }
            | SessionMessage::Resume { .. }
            | SessionMessage::Stopped(_) => {}
        }
        self.finish(now)
    }

    /// The dialogue goes on over another link, or after a crash: says where its sessions stand.
    pub fn handle_attached(&mut self, now: Time) -> Vec<ProviderEffect> {
        self.run(now);
        for (id, session) in &mut self.sessions {
            session.channel = Channel::Awaited { until: now + self.config.channel_wait };
            match session.phase {
                Phase::Offered | Phase::Running => {}
                Phase::Paused { .. } => self.out.send(SessionMessage::Pause { session: *id }),
                Phase::Stopping { reason, .. } => self.out.send(SessionMessage::Stop { session: *id, reason }),
            }
            self.out.send(SessionMessage::Metering(session.bill(now)));
        }
        self.rebalance(now);
        self.finish(now)
    }

    /// The link is gone; the dialogue is not. Until a client says over another that its channel is up nothing is given where time
    /// is sold, and no time runs.
    pub fn handle_detached(&mut self, now: Time) -> Vec<ProviderEffect> {
        self.run(now);
        self.sessions.values_mut().for_each(|session| session.channel = Channel::NoLink);
        self.rebalance(now);
        self.finish(now)
    }

    /// The dialogue has ended, and all its sessions with it.
    pub fn handle_dialogue_ended(&mut self, now: Time) -> Vec<ProviderEffect> {
        self.run(now);
        self.forget_all_judging();
        for id in self.ids() {
            self.close(now, id, StopReason::DialogueEnded);
        }
        self.finish(now)
    }

    /// Ends a session.
    pub fn stop(&mut self, now: Time, session: SessionId, reason: StopReason) -> Vec<ProviderEffect> {
        self.run(now);
        self.begin_stop(now, session, reason);
        self.finish(now)
    }

    pub fn handle_wake(&mut self, now: Time) -> Vec<ProviderEffect> {
        self.run(now);
        self.refuse_unjudged(now);
        for id in self.ids() {
            self.wake(now, id);
        }
        self.rebalance(now);
        self.finish(now)
    }

    fn ids(&self) -> Vec<SessionId> {
        self.sessions.keys().copied().collect()
    }

    /// Counts the time that has gone by in the sessions that run.
    fn run(&mut self, now: Time) {
        self.sessions.values_mut().for_each(|session| session.line.run(now));
    }

    fn channel_up(&mut self, now: Time, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return self.unknown(id) };
        session.channel = Channel::Up;
        session.line.note_use(now);
        // A client says it again over each link, and when it came back after a crash.
        if session.phase != Phase::Offered {
            return self.rebalance(now);
        }
        session.phase = Phase::Running;
        session.metering_at = now + session.metering_every(&self.config);
        // The limit is in the news that starts the data plane, so it is not told twice.
        self.share(now);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.run_or_stop(now);
            session.line.tell();
            let SessionRecord { service, request, answer, .. } = session.record.clone();
            let limit = session.line.told();
            self.out.notify(ProviderNews::Serve { session: id, service, request, answer, limit });
        }
        self.rebalance(now);
    }

    fn acknowledged(&mut self, now: Time, id: SessionId, usage: Usage) {
        let Some(session) = self.sessions.get_mut(&id) else { return self.unknown(id) };
        let more = session.line.acknowledge(usage);
        session.record.acknowledged = session.line.acknowledged;
        if let Phase::Paused { loss, .. } = &mut session.phase
            && (*loss == Loss::Unheard || matches!(loss, Loss::JudgedAt(_)) && !more.is_zero())
        {
            *loss = Loss::JudgedAt(now + self.config.loss_wait);
        }
        self.books.honour(more);
        self.books.settle_forgiven(self.sessions.values().map(|session| &session.line));
        self.say_earned();
        self.rebalance(now);
    }

    /// The client talks of a session that we don't know: one that ended while it could not hear of it.
    fn unknown(&mut self, session: SessionId) {
        self.out.send(SessionMessage::Stop { session, reason: StopReason::UnknownSession });
    }

    fn stopped_by_client(&mut self, id: SessionId, reason: StopReason, now: Time) {
        match self.sessions.get(&id).map(|session| session.phase) {
            Some(Phase::Stopping { reason, .. }) => self.close(now, id, reason),
            Some(_) => self.close(now, id, reason),
            None if reason == StopReason::UnknownSession => {}
            None => self.unknown(id),
        }
    }

    fn begin_stop(&mut self, now: Time, id: SessionId, reason: StopReason) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if matches!(session.phase, Phase::Stopping { .. }) {
            return;
        }
        session.phase = Phase::Stopping { reason, until: now + self.config.stop_wait };
        session.line.stop();
        self.out.notify(ProviderNews::Halt { session: id });
        self.out.send(SessionMessage::Stop { session: id, reason });
    }

    /// The last word: what is owed is entered in the books and the session is forgotten, in one write.
    fn close(&mut self, now: Time, id: SessionId, reason: StopReason) {
        let Some(session) = self.sessions.remove(&id) else { return };
        if !matches!(session.phase, Phase::Stopping { .. }) {
            self.out.notify(ProviderNews::Halt { session: id });
        }
        if let Some(kind) = self.services.kind(session.record.service) {
            kind.release(id);
        }
        self.books.close(&session.line);
        let mut batch = Batch::new();
        self.journal.delete_session(&mut batch, id);
        self.journal.put_closed(&mut batch, &self.books.closed);
        self.out.persist(batch);
        let metering = session.metering(now);
        self.out.send(SessionMessage::Stopped(metering));
        self.say_earned();
        self.out.notify(ProviderNews::Ended { reason, metering });
        self.rebalance(now);
    }

    fn wake(&mut self, now: Time, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match session.phase {
            Phase::Offered | Phase::Running | Phase::Paused { .. } if session.channel.is_late(now) => {
                self.begin_stop(now, id, StopReason::ChannelFailed)
            }
            Phase::Paused { until, .. } if now >= until => self.begin_stop(now, id, StopReason::RemainderZero),
            Phase::Stopping { reason, until } if now >= until => self.close(now, id, reason),
            Phase::Paused { until, loss: Loss::JudgedAt(at) } if now >= at => {
                session.phase = Phase::Paused { until, loss: Loss::Judged };
                self.books.forgive(now, self.sessions.values().map(|session| &session.line));
            }
            _ => {}
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if matches!(session.phase, Phase::Running | Phase::Paused { .. }) && now >= session.metering_at {
            session.metering_at = now + session.metering_every(&self.config);
            self.out.send(SessionMessage::Metering(session.bill(now)));
        }
    }

    /// Shares the budget, tells the data planes, and pauses or resumes whoever has none left or some again.
    fn rebalance(&mut self, now: Time) {
        self.share(now);
        for (id, session) in &mut self.sessions {
            let exhausted = session.line.is_exhausted();
            match session.phase {
                Phase::Running if exhausted => {
                    session.phase = Phase::Paused { until: now + self.config.pause_grace, loss: Loss::Unheard };
                    if !session.unmetered().is_zero() {
                        // What it has not heard of it could only leave to be forgiven.
                        self.out.send(SessionMessage::Metering(session.bill(now)));
                    }
                    self.out.send(SessionMessage::Pause { session: *id });
                }
                Phase::Paused { .. } if !exhausted => {
                    session.phase = Phase::Running;
                    self.out.send(SessionMessage::Resume { session: *id });
                }
                _ => {}
            }
            session.run_or_stop(now);
            if session.is_served()
                && let Some(limit) = session.line.tell()
            {
                self.out.notify(ProviderNews::Limit { session: *id, limit });
            }
        }
    }

    fn share(&mut self, now: Time) {
        let lines = self.sessions.values_mut().map(|session| {
            let share = if session.is_served() { Share::Wanted } else { Share::Nothing };
            (share, &mut session.line)
        });
        self.books.share(now, &mut lines.collect::<Vec<_>>());
    }

    /// Counters reach the disk with each promise: often enough that a crash costs less than a window, and no write of
    /// their own.
    fn save_all(&mut self) {
        if self.sessions.is_empty() {
            return;
        }
        let mut batch = Batch::new();
        for session in self.sessions.values() {
            self.journal.put_session(&mut batch, &session.record);
        }
        self.journal.put_closed(&mut batch, &self.books.closed);
        self.out.persist(batch);
    }

    fn say_earned(&mut self) {
        let total = self.earned();
        if total > self.earned {
            self.earned = total;
            self.out.notify(ProviderNews::Earned { total });
        }
    }

    fn finish(&mut self, now: Time) -> Vec<ProviderEffect> {
        let judging = self.door.judging.values().map(Judging::until);
        if let Some(next) = self.sessions.values().flat_map(Session::deadlines).chain(judging).min() {
            self.out.wake_at(next.max(now));
        }
        self.out.drain()
    }
}

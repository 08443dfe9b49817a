//! Before a session: what a client may ask for nothing, at which price it is let in, and whether it may try (row A8).

use std::collections::BTreeMap;

use byway_dialogue::payment::BackingKind;
use byway_primitives::{Amount, Batch, Span, Time};
use byway_records::OfferId;
use byway_records::offer::Service;

use super::super::config::Sale;
use super::super::journal::SessionRecord;
use super::super::line::Line;
use super::super::message::{Quote, SessionMessage};
use super::super::reasons::OpenRefusal;
use super::super::{Measure, ResponseId, SESSIONS_MAX, SessionId, Tariff, Usage};
use super::judging::Judging;
use super::{Channel, Phase, Provider, Sales, Session};
use crate::allowance::Allowance;
use crate::credit::Trial;

/// Questions that a client may ask at once …
const QUESTIONS_MAX: u64 = 8;
/// … and one more with each such span. An answer costs a look into a table.
const QUESTION_EVERY: Span = Span::seconds(5);

/// What the provider says before a session.
#[derive(Debug, Clone)]
pub(super) struct Door {
    trial: Option<Trial>,
    credit: Amount,
    backing: BackingKind,
    questions: Allowance,
    /// What a service was asked about and has not judged yet.
    pub(super) judging: BTreeMap<ResponseId, Judging>,
}

/// Why a session is not opened.
pub(super) enum Turned {
    Refused(OpenRefusal),
    /// By the same measure at another price.
    Counter(Amount),
    /// Not yet: the service is to be asked.
    Unjudged,
}

/// A request for a session.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// Of the session that it may come to.
    pub id: SessionId,
    pub asked: Time,
    pub offer: OfferId,
    pub response: ResponseId,
    pub tariff: Tariff,
    pub data: Vec<u8>,
}

impl Door {
    pub(super) fn new(now: Time) -> Self {
        let questions = Allowance::new(QUESTIONS_MAX, QUESTION_EVERY, now);
        let judging = BTreeMap::new();
        Self { trial: None, credit: Amount::ZERO, backing: BackingKind::Account, questions, judging }
    }
}

impl Provider {
    /// The trial that this client may have from now on, if it has not had it lately.
    pub fn grant_trial(&mut self, trial: Option<Trial>) {
        self.door.trial = trial;
    }

    /// What the answers to questions say of credit: how much more would be taken, and what must stand behind it.
    pub fn note_credit(&mut self, credit: Amount, backing: BackingKind) {
        (self.door.credit, self.door.backing) = (credit, backing);
    }

    pub(super) fn asked(&mut self, now: Time, response: ResponseId, offer: OfferId, measure: Measure) {
        if !self.door.questions.take(now) {
            return self.refuse(response, OpenRefusal::TooManyQuestions);
        }
        let tariff = self.sale_of(offer).and_then(|sale| sale.tariff(measure).ok_or(OpenRefusal::NotByThat));
        match tariff {
            Ok(tariff) => {
                let (credit, backing) = (self.door.credit, self.door.backing);
                let quote = Quote { tariff, credit, free: self.free(now, tariff), backing };
                self.out.send(SessionMessage::Quoted { response, quote });
            }
            Err(reason) => self.refuse(response, reason),
        }
    }

    pub(super) fn open(&mut self, now: Time, offer: OfferId, response: ResponseId, tariff: Tariff, data: Vec<u8>) {
        if let Some(session) = self.sessions.values().find(|session| session.record.response == response) {
            // Asked again because our answer was lost with the link.
            return self.out.send(SessionMessage::Accepted(session.accepted()));
        }
        if self.door.judging.get(&response).is_some_and(|judging| judging.request.tariff == tariff) {
            // Asked again while the service thinks.
            return;
        }
        let request =
            Request { id: SessionId::of(self.sides, response, now), asked: now, offer, response, tariff, data };
        match self.consider(&request) {
            Ok((service, answer)) => self.begin(now, request, answer, service),
            Err(Turned::Unjudged) => self.ask_service(request),
            Err(turned) => self.turn_away(response, tariff.price, turned),
        }
    }

    /// What a client that named `price` is told.
    pub(super) fn turn_away(&mut self, response: ResponseId, price: Amount, turned: Turned) {
        match turned {
            Turned::Refused(reason) => self.refuse(response, reason),
            Turned::Counter(asked) => {
                self.out.send(SessionMessage::Counter { response, named: price, price: asked });
            }
            Turned::Unjudged => {}
        }
    }

    pub(super) fn sale_of(&self, offer: OfferId) -> Result<Sale, OpenRefusal> {
        match &self.sale {
            Sales::Open(sale) => sale.get(&offer).copied().ok_or(OpenRefusal::OfferUnknown),
            Sales::Full => Err(OpenRefusal::Full),
            Sales::MonthSpent => Err(OpenRefusal::MonthSpent),
            Sales::Closing => Err(OpenRefusal::Closing),
        }
    }

    fn consider(&self, request: &Request) -> Result<(Service, Vec<u8>), Turned> {
        // Before the service is asked, which may set something aside for the session.
        let service = self.service_at(request)?;
        if service.is_plugged() {
            return Err(Turned::Unjudged);
        }
        let kind = self.services.kind(service).ok_or(Turned::Refused(OpenRefusal::ServiceUnknown))?;
        let answer = kind.accept(request.id, &request.data).map_err(|refused| Turned::Refused(refused.into()))?;
        Ok((service, answer))
    }

    /// The service that a client may be sold at the price it names, whatever the service itself says.
    pub(super) fn service_at(&self, request: &Request) -> Result<Service, Turned> {
        let sale = self.sale_of(request.offer).map_err(Turned::Refused)?;
        let sessions_max = self.config.sessions_max.min(SESSIONS_MAX);
        if self.sessions.len() >= sessions_max || self.sessions.contains_key(&request.id) {
            return Err(Turned::Refused(OpenRefusal::TooManySessions));
        }
        let tariff = sale.tariff(request.tariff.measure).ok_or(Turned::Refused(OpenRefusal::NotByThat))?;
        if request.tariff == tariff { Ok(sale.service) } else { Err(Turned::Counter(tariff.price)) }
    }

    /// How many bytes of a session that begins now cost nothing. A trial is in bytes, so one that is sold by time has none.
    fn free(&self, now: Time, tariff: Tariff) -> u64 {
        let is_tried = tariff.measure == Measure::Bytes && !tariff.price.is_zero();
        let Some(Trial { bytes, every }) = self.door.trial.filter(|_| is_tried) else { return 0 };
        let is_due = self.books.closed.trial_at.is_none_or(|last| now >= last + every);
        if is_due { bytes } else { 0 }
    }

    /// Journals a session, and that it uses a trial up, and says that it begins.
    pub(super) fn begin(&mut self, now: Time, request: Request, answer: Vec<u8>, service: Service) {
        let Request { id, asked, offer, response, tariff, data } = request;
        self.books.open(tariff, self.config.path, self.config.ceiling);
        let free = self.free(now, tariff);
        if free > 0 {
            self.books.closed.trial_at = Some(now);
        }
        let record = SessionRecord {
            id,
            response,
            offer,
            service,
            tariff,
            request: data,
            answer,
            opened: asked,
            acknowledged: Usage::default(),
            cost_max: Amount::ZERO,
            rate_bytes_per_second: 0,
            free,
        };
        let mut batch = Batch::new();
        self.journal.put_session(&mut batch, &record);
        self.journal.put_closed(&mut batch, &self.books.closed);
        self.out.persist(batch);
        let (phase, channel) = (Phase::Offered, Channel::Awaited { until: now + self.config.channel_wait });
        let line = Line::new(tariff, Usage::default()).with_free(free);
        let session = Session { record, line, phase, channel, metering_at: now, metered_up: 0 };
        self.out.send(SessionMessage::Accepted(session.accepted()));
        self.sessions.insert(id, session);
    }

    pub(super) fn refuse(&mut self, response: ResponseId, reason: OpenRefusal) {
        self.out.send(SessionMessage::Refused { response, reason });
    }
}

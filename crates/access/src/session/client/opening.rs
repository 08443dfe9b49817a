//! Before a session: questions, the request, and haggling over its price (row A8).

use byway_primitives::{Amount, Time};
use byway_records::OfferId;

use super::super::client_session::{Phase, Session};
use super::super::config::OpenRequest;
use super::super::journal::SessionRecord;
use super::super::message::{Accepted, Quote, SessionMessage};
use super::super::news::{ClientEffect, ClientNews, OpenError};
use super::super::reasons::StopReason;
use super::super::{COUNTERS_MAX, Measure, ResponseId, SESSIONS_MAX, SessionId, Tariff, Usage, plus};
use super::Client;

/// Questions to one provider at one time.
const QUESTIONS_MAX: usize = 8;

/// A session that was asked for.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    pub request: OpenRequest,
    data: Vec<u8>,
    pub until: Time,
    /// How often the provider's price was agreed to.
    counters: u8,
}

/// A question without an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking {
    offer: OfferId,
    measure: Measure,
    pub until: Time,
}

impl Opening {
    fn message(&self, response: ResponseId) -> SessionMessage {
        let OpenRequest { offer, tariff, .. } = self.request;
        SessionMessage::Open { offer, response, tariff, data: self.data.clone() }
    }
}

impl Client {
    /// Asks for a session. `response` is drawn at random.
    pub fn open(
        &mut self,
        now: Time,
        response: ResponseId,
        request: OpenRequest,
    ) -> Result<Vec<ClientEffect>, OpenError> {
        let data = match request.service.is_plugged() {
            true => request.data.clone(),
            false => self.services.kind(request.service).ok_or(OpenError::ServiceUnknown)?.request_data(response),
        };
        if self.opening.len() + self.sessions.len() >= SESSIONS_MAX {
            return Err(OpenError::TooManySessions);
        }
        if request.cost_max < request.tariff.least_cost() {
            return Err(OpenError::LimitTooLow { left: request.cost_max, tariff: request.tariff });
        }
        self.check_ahead(request.tariff, None)?;
        let until = now + self.config.open_wait;
        let opening = Opening { request, data, until, counters: 0 };
        self.out.send(opening.message(response));
        self.opening.insert(response, opening);
        Ok(self.finish(now))
    }

    /// Whether enough may be paid ahead for what is open and a session at `tariff`, in place of the request `but`.
    fn check_ahead(&self, tariff: Tariff, but: Option<ResponseId>) -> Result<(), OpenError> {
        let opening = self.opening.iter().filter(|(response, _)| Some(**response) != but);
        let opening = opening.map(|(_, opening)| opening.request.tariff);
        let open = self.sessions.values().filter(|session| session.is_open()).map(|session| session.record.tariff);
        let taken = opening.chain(open).fold(Amount::ZERO, |sum, other| plus(sum, other.least_ahead()));
        let (left, least) = (self.config.ceiling.saturating_sub(taken), tariff.least_ahead());
        if least > left { Err(OpenError::AheadTooLow { left, least, tariff }) } else { Ok(()) }
    }

    /// Asks on what terms an offer would be sold to us by a measure. It costs nothing. `response` is drawn at random.
    pub fn ask(
        &mut self,
        now: Time,
        response: ResponseId,
        (offer, measure): (OfferId, Measure),
    ) -> Result<Vec<ClientEffect>, OpenError> {
        if self.asking.len() >= QUESTIONS_MAX {
            return Err(OpenError::TooManyQuestions);
        }
        self.out.send(SessionMessage::Ask { response, offer, measure });
        self.asking.insert(response, Asking { offer, measure, until: now + self.config.open_wait });
        Ok(self.finish(now))
    }

    /// A request that was not answered, to be said along with the opening of the dialogue. It is said again when that is open.
    pub fn early(&self) -> Option<SessionMessage> {
        self.opening.iter().next().map(|(response, opening)| opening.message(*response))
    }

    /// What was not answered over the link before is asked again.
    pub(super) fn ask_again(&mut self) {
        for (response, opening) in &self.opening {
            self.out.send(opening.message(*response));
        }
        for (response, Asking { offer, measure, .. }) in &self.asking {
            self.out.send(SessionMessage::Ask { response: *response, offer: *offer, measure: *measure });
        }
    }

    pub(super) fn give_up_all(&mut self) {
        let responses: Vec<_> = self.opening.keys().chain(self.asking.keys()).copied().collect();
        responses.into_iter().for_each(|response| self.refused(response, OpenError::DialogueEnded));
    }

    pub(super) fn give_up_late(&mut self, now: Time) {
        let openings = self.opening.iter().map(|(response, opening)| (*response, opening.until));
        let questions = self.asking.iter().map(|(response, asking)| (*response, asking.until));
        let late: Vec<_> = openings.chain(questions).filter(|(_, until)| now >= *until).collect();
        late.into_iter().for_each(|(response, _)| self.refused(response, OpenError::NoAnswer));
    }

    /// Nothing comes of a request or a question.
    pub(super) fn refused(&mut self, response: ResponseId, error: OpenError) {
        if self.opening.remove(&response).is_some() {
            self.out.notify(ClientNews::OpenFailed { response, error });
        } else if self.asking.remove(&response).is_some() {
            self.out.notify(ClientNews::AskFailed { response, error });
        }
    }

    pub(super) fn quoted(&mut self, response: ResponseId, quote: Quote) {
        if let Some(Asking { offer, .. }) = self.asking.remove(&response) {
            self.out.notify(ClientNews::Quoted { response, offer, quote });
        }
    }

    /// The provider names another price. One that answers what we named before is old; one that the user did not agree to
    /// ends it.
    pub(super) fn countered(&mut self, now: Time, response: ResponseId, named: Amount, price: Amount) {
        let Some(opening) = self.opening.get(&response) else { return };
        if named != opening.request.tariff.price {
            return;
        }
        let (asked, agreed) = (Tariff { price, ..opening.request.tariff }, opening.request.price_max);
        if price > agreed || opening.counters >= COUNTERS_MAX {
            return self.refused(response, OpenError::TooDear { asked, agreed });
        }
        if let Err(error) = self.check_ahead(asked, Some(response)) {
            return self.refused(response, error);
        }
        let Some(opening) = self.opening.get_mut(&response) else { return };
        opening.counters += 1;
        opening.request.tariff = asked;
        opening.until = now + self.config.open_wait;
        let message = opening.message(response);
        self.out.send(message);
        self.out.notify(ClientNews::Countered { response, price });
    }

    pub(super) fn accepted(&mut self, now: Time, accepted: Accepted) {
        let Accepted { response, session: id, asked, free, data } = accepted;
        if id != SessionId::of(self.sides, response, asked) {
            return self.refused(response, OpenError::WrongId);
        }
        if self.sessions.contains_key(&id) {
            return;
        }
        let Some(opening) = self.opening.remove(&response) else {
            return self.out.send(SessionMessage::Stop { session: id, reason: StopReason::UnknownSession });
        };
        let request = opening.request;
        let judged = self.services.kind(request.service).map(|kind| kind.check_accepted(&data));
        if !request.service.is_plugged() && !matches!(judged, Some(Ok(()))) {
            self.out.send(SessionMessage::ChannelFailed { session: id });
            return self.out.notify(ClientNews::OpenFailed { response, error: OpenError::ServiceData });
        }
        let record = SessionRecord {
            id,
            response,
            offer: request.offer,
            service: request.service,
            tariff: request.tariff,
            request: opening.data,
            answer: data,
            opened: now,
            acknowledged: Usage::default(),
            cost_max: request.cost_max,
            rate_bytes_per_second: request.bandwidth_bps / 8,
            free,
        };
        self.save(&record);
        let phase = Phase::Connecting { until: Some(now + self.config.channel_wait) };
        let session = Session::new(record, phase, now, self.config);
        self.out.notify(session.connect());
        self.sessions.insert(id, session);
    }
}

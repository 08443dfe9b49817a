//! Sessions that a service which plugs in has to judge: the client's request is kept until its program has said yes or no.
//!
//! The program is outside and may be slow, so the machine goes on meanwhile. What applies when the answer comes may be other
//! than what applied when it was asked (the offer is withdrawn, the price is another): the request is looked at anew then.

use byway_primitives::{Span, Time};
use byway_records::OfferId;
use byway_records::offer::Service;

use super::super::news::{ProviderEffect, ProviderNews};
use super::super::reasons::OpenRefusal;
use super::super::{ResponseId, SESSIONS_MAX, SessionId};
use super::Provider;
use super::door::{Request, Turned};
use crate::service::SERVICE_DATA_MAX;
use crate::service::reason::ReasonText;

/// How long a service may take; less than a client waits.
const JUDGED_WITHIN: Span = Span::seconds(8);

/// A request that a service was asked about.
#[derive(Debug, Clone)]
pub(super) struct Judging {
    pub request: Request,
    service: Service,
}

impl Judging {
    pub(super) fn until(&self) -> Time {
        self.request.asked + JUDGED_WITHIN
    }
}

impl Provider {
    pub(super) fn ask_service(&mut self, request: Request) {
        let Some(service) = self.service_of(request.offer) else { return };
        let (session, response) = (request.id, request.response);
        // The same request at another price, after haggling, is not another one.
        let is_known = self.door.judging.contains_key(&response);
        if !is_known && self.door.judging.len() + self.sessions.len() >= self.config.sessions_max.min(SESSIONS_MAX) {
            return self.refuse(response, OpenRefusal::TooManySessions);
        }
        self.out.notify(ProviderNews::Judge { session, service, request: request.data.clone() });
        self.door.judging.insert(response, Judging { request, service });
    }

    /// What the service says to a request: the data that the client is to have, at most [`SERVICE_DATA_MAX`] bytes, or why it
    /// doesn't serve it. A verdict that comes too late has no effect.
    pub fn handle_judged(
        &mut self,
        now: Time,
        session: SessionId,
        verdict: Result<Vec<u8>, ReasonText>,
    ) -> Vec<ProviderEffect> {
        let of_session = self.door.judging.iter().find(|(_, judging)| judging.request.id == session);
        if let Some(response) = of_session.map(|(response, _)| *response)
            && let Some(Judging { request, .. }) = self.door.judging.remove(&response)
        {
            let answer = verdict.and_then(|data| match data.len() <= SERVICE_DATA_MAX {
                true => Ok(data),
                false => Err(ReasonText::of("its answer is too long")),
            });
            let answer = answer.map_err(|reason| Turned::Refused(OpenRefusal::ByService(reason)));
            match answer.and_then(|answer| Ok((self.service_at(&request)?, answer))) {
                Ok((service, answer)) => self.begin(now, request, answer, service),
                Err(turned) => self.turn_away(response, request.tariff.price, turned),
            }
        }
        self.finish(now)
    }

    /// Refuses what the service has thought about for too long.
    pub(super) fn refuse_unjudged(&mut self, now: Time) {
        let late = self.door.judging.iter().filter(|(_, judging)| now >= judging.until());
        let late: Vec<ResponseId> = late.map(|(response, _)| *response).collect();
        for response in late {
            self.forget_judging(response, true);
            self.refuse(response, OpenRefusal::ByService(ReasonText::of("it did not answer in time")));
        }
    }

    /// Nobody waits for verdicts any more.
    pub(super) fn forget_all_judging(&mut self) {
        let waiting: Vec<ResponseId> = self.door.judging.keys().copied().collect();
        waiting.into_iter().for_each(|response| self.forget_judging(response, false));
    }

    fn forget_judging(&mut self, response: ResponseId, is_late: bool) {
        if let Some(Judging { request, service }) = self.door.judging.remove(&response) {
            let session = request.id;
            self.out.notify(ProviderNews::Unjudged { session, service, is_late });
        }
    }

    fn service_of(&self, offer: OfferId) -> Option<Service> {
        self.sale_of(offer).ok().map(|sale| sale.service)
    }
}

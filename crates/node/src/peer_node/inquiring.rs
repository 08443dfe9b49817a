//! Questions before a session (row A8): on what terms a provider would sell an offer to this node. They cost nothing, and
//! whoever is reached only to be asked is left again.

use std::collections::BTreeMap;
use std::time::Duration;

use byway_access::session::{Measure, Quote, ResponseId};
use byway_driver::entropy;
use byway_primitives::{AssetId, IdentityId};
use byway_records::{Offer, OfferId};
use tokio::sync::oneshot;

use super::chain::SERVED;
use super::warned::LEAVE_AFTER;
use super::{Actor, PeerNode};
use crate::api::{Answer, ApiError, OfferTerms, OfferTermsAsk, Price};

/// Questions under way at one time.
const INQUIRIES_MAX: usize = 32;
/// How long a provider may take, from being dialled to its answer.
const ANSWER_WAIT: Duration = Duration::from_secs(20);

type Asker = oneshot::Sender<Answer<OfferTerms>>;

/// What somebody wants to know.
struct Inquiry {
    offer: Offer,
    measure: Measure,
    asker: Asker,
}

/// Questions under way.
#[derive(Default)]
pub(super) struct Inquiries {
    /// Once their providers are reached.
    to_ask: Vec<Inquiry>,
    asked: BTreeMap<ResponseId, Inquiry>,
}

impl PeerNode {
    pub(super) async fn ask_terms(&self, request: OfferTermsAsk) -> Answer<OfferTerms> {
        let (asker, answered) = oneshot::channel();
        let provider = self.ask(move |actor| actor.ask_terms(request, asker)).await?;
        match tokio::time::timeout(ANSWER_WAIT, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(ApiError::provider_unreachable(provider, 1, "it did not answer in time")),
        }
    }
}

impl Actor {
    /// Asks the provider of an offer, and says who that is; the answer comes later.
    fn ask_terms(&mut self, request: OfferTermsAsk, asker: Asker) -> Answer<IdentityId> {
        let OfferTermsAsk { offer_id, unit } = request;
        self.forget_inquiries();
        if self.inquiries.to_ask.len() + self.inquiries.asked.len() >= INQUIRIES_MAX {
            return Err(ApiError::busy("questions to providers"));
        }
        let published = self.index.offer(offer_id).ok_or_else(|| ApiError::offer_not_found(offer_id))?;
        let clock = self.ledger_clock();
        if published.expires.passed(clock.time, clock.commits) {
            return Err(ApiError::offer_expired(offer_id));
        }
        let offer = published.offer.offer.clone();
        let sold_by = |measure: &Measure| offer.prices.iter().any(|price| price.unit == measure.unit());
        let wanted = unit.and_then(|unit| Measure::of_unit(unit.into()));
        let measure = match unit {
            Some(_) => wanted.filter(sold_by),
            None => Measure::ALL.into_iter().find(sold_by),
        };
        let measure = measure.ok_or_else(|| ApiError::invalid_params("unit", "the offer has no price in it"))?;
        let provider = offer.provider;
        if self.is_served_behind_hops(provider) {
            return Err(ApiError::provider_unreachable(provider, 1, SERVED));
        }
        self.inquiries.to_ask.push(Inquiry { offer: offer.clone(), measure, asker });
        if self.is_on_route(provider) {
            self.inquire(provider);
        } else {
            self.asking.leave_at.insert(provider, self.clock.now() + LEAVE_AFTER);
            self.reach_by_route(&offer);
        }
        Ok(provider)
    }

    /// Whoever asked has stopped waiting.
    fn forget_inquiries(&mut self) {
        self.inquiries.to_ask.retain(|inquiry| !inquiry.asker.is_closed());
        self.inquiries.asked.retain(|_, inquiry| !inquiry.asker.is_closed());
    }

    /// The offer of a provider that is dialled only for a question, or has not answered it yet.
    pub(super) fn offer_to_inquire(&self, provider: IdentityId) -> Option<Offer> {
        let mut all = self.inquiries.to_ask.iter().chain(self.inquiries.asked.values());
        let inquiry = all.find(|inquiry| inquiry.offer.provider == provider && !inquiry.asker.is_closed())?;
        Some(inquiry.offer.clone())
    }

    /// A provider that was to be asked is there.
    pub(super) fn inquire(&mut self, provider: IdentityId) {
        if !self.is_on_route(provider) {
            return;
        }
        let all = std::mem::take(&mut self.inquiries.to_ask);
        let (its, others): (Vec<Inquiry>, _) = all.into_iter().partition(|inquiry| inquiry.offer.provider == provider);
        self.inquiries.to_ask = others;
        for inquiry in its {
            let (now, response) = (self.clock.now(), ResponseId(entropy::number()));
            let what = (inquiry.offer.id(), inquiry.measure);
            match self.market.ask_terms(now, provider, response, what, &self.market_journal) {
                Ok(()) => drop(self.inquiries.asked.insert(response, inquiry)),
                Err(error) => unanswered(inquiry, &error.to_string()),
            }
        }
    }

    pub(super) fn quoted(&mut self, response: ResponseId, offer: OfferId, quote: Quote) {
        let Some(inquiry) = self.inquiries.asked.remove(&response) else { return };
        let Quote { tariff, credit, free, backing } = quote;
        let unit = tariff.measure.unit().into();
        let price = Price { unit, amount: tariff.price, asset: AssetId::WAY, min_reputation: 0 };
        let terms = OfferTerms {
            offer_id: offer,
            provider: inquiry.offer.provider,
            price,
            credit,
            free,
            backing: backing.into(),
        };
        // Whoever asked may have stopped waiting.
        let _ = inquiry.asker.send(Ok(terms));
    }

    pub(super) fn not_quoted(&mut self, response: ResponseId, why: &str) {
        if let Some(inquiry) = self.inquiries.asked.remove(&response) {
            unanswered(inquiry, why);
        }
    }

    /// A provider can't be reached.
    pub(super) fn not_inquired(&mut self, provider: IdentityId, why: &str) {
        let all = std::mem::take(&mut self.inquiries.to_ask);
        let (its, others): (Vec<Inquiry>, _) = all.into_iter().partition(|inquiry| inquiry.offer.provider == provider);
        self.inquiries.to_ask = others;
        its.into_iter().for_each(|inquiry| unanswered(inquiry, why));
    }
}

fn unanswered(inquiry: Inquiry, why: &str) {
    let error = ApiError::provider_unreachable(inquiry.offer.provider, 1, why);
    // Whoever asked may have stopped waiting.
    let _ = inquiry.asker.send(Err(error));
}

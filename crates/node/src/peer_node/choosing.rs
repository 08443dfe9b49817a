//! Which offers are tried for a wish, and in which order (row A2).

use byway_access::discovery::{Candidate, Place, Query};
use byway_access::quality::Sort;
use byway_access::session::{Measure, OpenRequest, SessionId, Tariff};
use byway_driver::host_network::{self, HostNetworkError};
use byway_primitives::{Amount, AssetId, Span};
use byway_records::offer::{Service, Unit};

use super::Actor;
use super::forwarding::FORWARD_PROTOCOL;
use crate::api::{self as contract, ApiError, ConnectTarget, OfferFilter, Pay};

/// A provider that failed comes after all others for this long. It may be the only one there is.
const FAILED_FOR: Span = Span::seconds(60);
/// Offers that are tried for one wish, the best first.
const TRIED_MAX: usize = 100;
/// What comes first where nobody says otherwise: until something is known of providers this is the price.
const SORT: Sort = Sort::Both;

impl Actor {
    /// Who passes the filter and has not failed lately, the best first.
    pub(super) fn untried(&self, filter: Option<&OfferFilter>, pay: Pay) -> Vec<Candidate> {
        let Some(filter) = filter else { return Vec::new() };
        let found = self.index.candidates(self.query(filter), self.ledger_clock());
        let found = found.filter(|candidate| self.can_be_paid(pay, candidate));
        found.filter(|candidate| !self.has_failed_lately(candidate)).take(TRIED_MAX).collect()
    }

    /// Who passes and can be paid so, those last that have failed lately.
    pub(super) fn candidates(&self, target: &ConnectTarget, pay: Pay) -> Result<Vec<Candidate>, ApiError> {
        let clock = self.ledger_clock();
        if !host_network::IS_SUPPORTED && self.wants_tunnel(target) {
            // Before anything is paid for one.
            return Err(ApiError::tunnel_impossible(&HostNetworkError::Unsupported.to_string()));
        }
        match target {
            ConnectTarget::Offer { offer_id, unit } => {
                let published = self.index.offer(*offer_id).ok_or_else(|| ApiError::offer_not_found(*offer_id))?;
                if published.expires.passed(clock.time, clock.commits) {
                    return Err(ApiError::offer_expired(*offer_id));
                }
                let offer = published.offer.clone();
                let price_by =
                    |unit: Unit| Some((unit, offer.offer.price(unit, AssetId::WAY, self.score_of(self.me()))?));
                let found = match unit {
                    Some(unit) => price_by(sold_by(*unit)?.unit()),
                    None => Measure::ALL.into_iter().find_map(|measure| price_by(measure.unit())),
                };
                let (unit, price) = found.ok_or_else(|| ApiError::offer_not_found(*offer_id))?;
                let candidate = Candidate { id: *offer_id, offer, price, unit };
                if !self.can_be_paid(pay, &candidate) {
                    return Err(self.cannot_be_paid(&[candidate]));
                }
                Ok(vec![candidate])
            }
            ConnectTarget::Cheapest(filter) => {
                filter.unit.map(sold_by).transpose()?;
                let all = || self.index.candidates(self.query(filter), clock);
                let found = all().filter(|candidate| self.can_be_paid(pay, candidate)).take(TRIED_MAX);
                let (mut found, failed): (Vec<_>, Vec<_>) =
                    found.partition(|candidate| !self.has_failed_lately(candidate));
                found.extend(failed);
                if !found.is_empty() {
                    return Ok(found);
                }
                let others: Vec<_> = all().take(TRIED_MAX).collect();
                if others.is_empty() { Err(ApiError::no_offer_matches()) } else { Err(self.cannot_be_paid(&others)) }
            }
        }
    }

    /// What a session is asked for with, where whoever pays for it pays `price_max` at most for a unit, and `cost_max` in all.
    pub(super) fn session_request(
        &self,
        candidate: &Candidate,
        price_max: Option<Amount>,
        cost_max: Amount,
        data: Vec<u8>,
    ) -> OpenRequest {
        let offer = &candidate.offer.offer;
        let price_highest = offer.price_highest(candidate.unit, AssetId::WAY).unwrap_or(candidate.price);
        // What has another unit is no candidate for a session.
        let measure = Measure::of_unit(candidate.unit).unwrap_or(Measure::Bytes);
        OpenRequest {
            offer: candidate.id,
            service: offer.service,
            tariff: Tariff { measure, price: candidate.price },
            // Where the provider sees us otherwise, what the offer asks of anyone.
            price_max: price_highest.min(price_max.unwrap_or(Amount::MAX)),
            bandwidth_bps: offer.bandwidth_bps,
            cost_max,
            data,
        }
    }

    pub(super) fn query(&self, filter: &OfferFilter) -> Query {
        let mut query = Query::by_megabyte(filter.service.unwrap_or(Service::SOCKS));
        if let Some(unit) = filter.unit {
            query.unit = unit.into();
        }
        query.price_max = filter.max_price;
        query.bandwidth_min_bps = filter.min_bandwidth_bps.unwrap_or(0);
        query.contact = filter.forwards.then_some(FORWARD_PROTOCOL);
        query.exit = Place { country: filter.country, asn: filter.asn };
        query.reputation = self.score_of(self.me());
        query.sort = filter.sort.or(self.config.buying.sort).unwrap_or(SORT);
        query.preferred = self.preferred.clone();
        query.excluded = [self.me()].into();
        query
    }

    /// What a session is paid for.
    pub(super) fn unit_of(&self, session: SessionId) -> Option<Unit> {
        let sessions = self.market.used_sessions(self.clock.now());
        let (_, view) = sessions.into_iter().find(|(_, view)| view.id == session)?;
        Some(view.tariff.measure.unit())
    }

    fn has_failed_lately(&self, candidate: &Candidate) -> bool {
        let failed = self.failed_lately.get(&candidate.offer.offer.provider);
        failed.is_some_and(|at| self.clock.now() < *at + FAILED_FOR)
    }
}

/// What of the units that offers have sessions are paid for by.
fn sold_by(unit: contract::Unit) -> Result<Measure, ApiError> {
    let measure = Measure::of_unit(unit.into());
    measure.ok_or_else(|| ApiError::invalid_params("unit", "sessions are sold by `mb` and by `second`"))
}

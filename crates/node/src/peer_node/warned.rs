//! Asking other providers about clients, and what the ledger says of the answers (row A6).
//!
//! Whom to ask is drawn anew each time: those who are there already first, then others on the market, of whom each is left
//! again soon after. So what it costs does not grow with the market, and a client can't know whom its provider will ask.

use std::collections::{BTreeMap, BTreeSet};

use byway_access::warning::ASKED_MAX;
use byway_dialogue::Goodbye;
use byway_driver::entropy;
use byway_primitives::{IdentityId, Span, Time};
use byway_records::Offer;

use super::Actor;

/// A provider that was reached only to be asked is left after this.
pub(super) const LEAVE_AFTER: Span = Span::seconds(20);

/// Whom this node is about to ask, or has asked.
#[derive(Default)]
pub(super) struct Asking {
    /// Providers that are to be asked about a client once they are reached, and until when.
    to_ask: BTreeMap<(IdentityId, IdentityId), Time>,
    /// When to leave a provider that was reached only to be asked.
    pub(super) leave_at: BTreeMap<IdentityId, Time>,
}

impl Actor {
    /// Asks other providers about a client, those that are there at once and others when they are reached.
    pub(super) fn warnings_wanted(&mut self, issuer: IdentityId) {
        let now = self.clock.now();
        let mut others = self.others_to_ask(issuer);
        // A client of ours has no hop paid for, and nobody is asked past the hops that there are.
        others.retain(|offer| self.is_reached_for_nothing(offer.provider));
        if others.is_empty() {
            return self.market.nobody_to_ask(now, issuer, &self.market_journal);
        }
        let start = entropy::number() as usize % others.len();
        others.rotate_left(start);
        others.sort_by_key(|offer| !self.market.is_talking_to(offer.provider));
        for offer in others.into_iter().take(ASKED_MAX) {
            if self.market.is_talking_to(offer.provider) {
                self.ask_about(issuer, offer.provider);
            } else {
                self.asking.to_ask.insert((offer.provider, issuer), now + LEAVE_AFTER);
                self.dial(&offer);
            }
        }
    }

    /// One offer of everyone else who sells something.
    fn others_to_ask(&self, issuer: IdentityId) -> Vec<Offer> {
        let clock = self.ledger_clock();
        let sold = self.index.of_service(byway_records::offer::Service::SOCKS);
        let valid = sold.filter(|published| !published.expires.passed(clock.time, clock.commits));
        let mut seen = BTreeSet::from([self.me(), issuer]);
        valid.map(|published| &published.offer.offer).filter(|offer| seen.insert(offer.provider)).cloned().collect()
    }

    /// The offer of a provider that is dialled only to be asked.
    pub(super) fn offer_to_ask(&self, provider: IdentityId) -> Option<Offer> {
        let is_asked = self.asking.to_ask.keys().any(|(asked, _)| *asked == provider);
        let mut offers = self.index.of_service(byway_records::offer::Service::SOCKS);
        offers.find(|found| is_asked && found.offer.offer.provider == provider).map(|found| found.offer.offer.clone())
    }

    /// A provider that was to be asked is there.
    pub(super) fn ask_what_was_to_be_asked(&mut self, provider: IdentityId) {
        let (now, rest): (BTreeMap<_, _>, _) =
            std::mem::take(&mut self.asking.to_ask).into_iter().partition(|((peer, _), _)| *peer == provider);
        self.asking.to_ask = rest;
        if !now.is_empty() {
            self.asking.leave_at.insert(provider, self.clock.now() + LEAVE_AFTER);
        }
        now.into_keys().for_each(|(peer, issuer)| self.ask_about(issuer, peer));
    }

    fn ask_about(&mut self, issuer: IdentityId, provider: IdentityId) {
        if !self.is_on_route(provider) {
            return;
        }
        let now = self.clock.now();
        if let Err(error) = self.market.ask_about(now, issuer, provider, &self.market_journal) {
            tracing::debug!(%provider, %error, "not asked about a client");
        }
    }

    /// Leaves those who were reached only to be asked, and forgets who could not be reached.
    pub(super) fn tend_asked(&mut self) {
        let now = self.clock.now();
        self.asking.to_ask.retain(|_, until| now < *until);
        let over: Vec<IdentityId> =
            self.asking.leave_at.iter().filter(|(_, at)| now >= **at).map(|(provider, _)| *provider).collect();
        for provider in over {
            self.asking.leave_at.remove(&provider);
            let is_with = |(peer, _): &(IdentityId, _)| *peer == provider;
            let is_used = self.market.used_sessions(now).iter().any(is_with);
            if !is_used && !self.market.served_sessions(now).iter().any(is_with) {
                self.market.part(now, provider, Goodbye::Done, &self.market_journal);
            }
        }
    }

    /// What the ledger says of what others hold of a client.
    pub(super) fn look_up_warnings(&mut self, issuer: IdentityId) {
        for series in self.market.warned_series(issuer) {
            let settled = self.settled_of(series.payer, series.payee);
            let now = self.clock.now();
            self.market.note_settled_elsewhere(now, series, settled, &self.market_journal);
        }
    }
}

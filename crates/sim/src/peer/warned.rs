//! Whom a provider asks about its clients, and what the ledger says of the answers.

use std::collections::BTreeSet;

use byway_access::warning::ASKED_MAX;
use byway_primitives::{Decode, IdentityId};
use byway_records::Offer;
use byway_records::offer::Service;

use super::books::LINK_PROTOCOL;
use super::{At, PeerNode};

impl PeerNode {
    /// Asks other providers about a client, those that are there at once and others when they are reached.
    pub(super) fn warnings_wanted(&mut self, at: At<'_>, issuer: IdentityId) {
        let offers = self.index.of_service(Service::SOCKS).map(|published| published.offer.offer.clone());
        let others = offers.filter(|offer| offer.provider != self.id() && offer.provider != issuer);
        let others: Vec<Offer> = others.take(ASKED_MAX).collect();
        if others.is_empty() {
            return self.market.nobody_to_ask(at.now, issuer, &at.store);
        }
        for offer in others {
            if self.market.is_talking_to(offer.provider) {
                // It may be gone by the time.
                let _ = self.market.ask_about(at.now, issuer, offer.provider, &at.store);
            } else if let Some(node) = node_of(&offer) {
                self.to_ask.insert((offer.provider, issuer));
                if !self.links.is_dialling(node) {
                    let link = self.draw_number();
                    self.links.dial(at.now, node, link);
                }
            }
        }
    }

    /// The offer of a provider that is to be asked, whose node this is.
    pub(super) fn to_ask_at(&self, node: usize) -> Option<&Offer> {
        let providers: BTreeSet<IdentityId> = self.to_ask.iter().map(|(provider, _)| *provider).collect();
        let offers = self.index.of_service(Service::SOCKS).map(|published| &published.offer.offer);
        offers.into_iter().find(|offer| providers.contains(&offer.provider) && node_of(offer) == Some(node))
    }

    /// A provider that was to be asked is there.
    pub(super) fn ask_what_was_to_be_asked(&mut self, at: At<'_>, provider: IdentityId) {
        let (now, rest) = std::mem::take(&mut self.to_ask).into_iter().partition(|(peer, _)| *peer == provider);
        self.to_ask = rest;
        for (peer, issuer) in now {
            // It may be gone again.
            let _ = self.market.ask_about(at.now, issuer, peer, &at.store);
        }
    }

    /// What the ledger says of what others hold of a client.
    pub(super) fn look_up_warnings(&mut self, at: At<'_>, issuer: IdentityId) {
        for series in self.market.warned_series(issuer) {
            let settled = self.settled_of(series.payer, series.payee).unwrap_or_default();
            self.market.note_settled_elsewhere(at.now, series, settled, &at.store);
        }
    }
}

fn node_of(offer: &Offer) -> Option<usize> {
    let contact = offer.contacts.iter().find(|contact| contact.protocol == LINK_PROTOCOL)?;
    u64::from_bytes(&contact.data).ok().map(|node| node as usize)
}

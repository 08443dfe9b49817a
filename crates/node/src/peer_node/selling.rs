//! This node's offer: on the ledger while the node sells, under its present terms and contacts, and never expired.

use std::collections::BTreeMap;

use byway_access::session::Listing;
use byway_driver::exit::Exit;
use byway_driver::link::LinkContact;
use byway_peer::wallet::Wish;
use byway_primitives::{Encode, Span};
use byway_records::call::{Call, OffersCall};
use byway_records::offer::{Contact, Location, Service};
use byway_records::state::{self, PublishedOffer, offer_serial_key};
use byway_records::{Offer, OfferId, ProgramId, TransactionId};

use super::books::{Errand, Order};
use super::history::Note;
use super::{Actor, SellingConfig, serving};
use crate::api::{self as contract, ApiError};

/// The name of the contact that holds the dialogue's certificate.
pub(super) const CERTIFICATE_PROTOCOL: &str = "byway-dialogue/1";
/// How long the node's addresses must have been the same before its offer is published by itself.
const CONTACT_STEADY: Span = Span::seconds(1);

/// Of one's own serials, how many are looked through for the newest offer of a service; each change of terms takes one.
const SERIALS_LOOKED_AT: usize = 256;

/// What is to be sold, and the way out for it.
pub(super) struct Terms {
    /// Of which the call speaks.
    pub service: Service,
    pub selling: SellingConfig,
    exit: Exit,
}

impl Actor {
    /// A provider registers itself and keeps its offer on the market.
    pub(super) fn tend_offer(&mut self) {
        if self.config.selling.is_none() {
            return self.tend_listings();
        }
        if !self.is_registered(self.me()) {
            self.run_errand(Errand::Register, self.registration());
        } else if self.is_contact_steady()
            && let Some(selling) = self.config.selling.as_ref()
            // One after the other.
            && let Some(order) = selling.services.iter().find_map(|service| self.publication(selling, *service))
        {
            self.run_errand(Errand::Publish, order);
        } else {
            self.tend_listings();
        }
    }

    /// How others reach this node's links.
    fn link_contact(&self) -> Option<LinkContact> {
        self.links.contact_with(self.certificate.static_key, &self.config.link_public)
    }

    /// Whether the way to this node has been the same for a while: after a start, and when a network goes away and comes
    /// back, its addresses become known one by one, and each publication has its price.
    pub(super) fn is_contact_steady(&mut self) -> bool {
        let now = self.clock.now();
        let contact = self.link_contact();
        if self.contact.as_ref().is_none_or(|(known, _)| *known != contact) {
            self.contact = Some((contact, now));
        }
        self.contact.as_ref().is_some_and(|(_, since)| now >= *since + CONTACT_STEADY)
    }

    /// What publishes this node's offer of a service under these terms, if it is not on the ledger as it should be.
    pub(super) fn publication(&self, selling: &SellingConfig, service: Service) -> Option<Order> {
        // After a withdrawal that failed the offer is there still, and the node does not sell it.
        let is_sold = self.config.selling.as_ref().is_some_and(|selling| selling.services.contains(&service));
        let offer = self.selling_offer(selling, service)?;
        self.unpublished(offer, !is_sold).map(|offer| self.publishing(offer))
    }

    /// What puts an offer on the ledger.
    pub(super) fn publishing(&self, offer: Offer) -> Order {
        let fee = self.config.genesis.parameters.call_prices.offer_publish;
        let offer = offer.sign(&self.config.identity, self.network);
        let note = Note { offer_id: Some(OfferId::of(self.me(), offer.offer.serial)), ..Note::default() };
        let wish = Wish { call: Some(Call::Offers(OffersCall::Publish { offer })), fee, ..Wish::default() };
        Order { note, ..Order::signed(wish) }
    }

    /// Whether others can open a link to this node.
    pub(super) fn can_be_reached(&self) -> bool {
        self.link_contact().is_some()
    }

    /// The terms of a call, checked and completed: what is left out stays as it is. Nothing is sold under them yet.
    pub(super) fn terms_to_sell_under(&self, terms: &contract::OfferPublish) -> Result<Terms, ApiError> {
        let known = self.config.selling.as_ref();
        // What the tunnel needs is made when the node starts.
        let service = terms.service.unwrap_or(Service::SOCKS);
        if service != Service::SOCKS && !known.is_some_and(|known| known.services.contains(&service)) {
            return Err(ApiError::not_supported(
                "service to sell but socks, and those in [provider] of its configuration",
            ));
        }
        let missing = |field: &str| ApiError::invalid_params(field, "it is needed for a first offer");
        let country = terms.country.or(known.map(|s| s.location.country)).ok_or_else(|| missing("country"))?;
        // The number that is given is the exit's; whoever has named none before is at the same place.
        let asn = known.map(|s| s.location.asn).or(terms.asn).ok_or_else(|| missing("asn"))?;
        let exit_asn = terms.asn.or(known.map(|s| s.exit.asn)).unwrap_or(asn);
        let own = terms.price_per_mb.filter(|_| !service.is_plugged());
        let price_per_mb = own.or(known.and_then(|s| s.price_per_mb));
        let price_per_second = terms.price_per_second.or(known.and_then(|s| s.price_per_second));
        if service.is_plugged() && terms.price_per_second.is_some() {
            return Err(ApiError::invalid_params("price_per_second", "a service that plugs in is sold by the MB"));
        }
        if price_per_mb.or(price_per_second).is_none() {
            return Err(missing("price_per_mb"));
        }
        let mut plugged = known.map(|s| s.plugged.clone()).unwrap_or_default();
        if let (Some(plugged), Some(price)) = (plugged.get_mut(&service), terms.price_per_mb) {
            plugged.price_per_mb = price;
        }
        let bandwidth = terms.bandwidth_bps.or(known.map(|s| s.bandwidth_bps));
        // An exit that was declared in another country than the provider stays there when the provider moves.
        let apart = known.filter(|s| s.exit.country != s.location.country).map(|s| s.exit.country);
        let mut services = known.map(|s| s.services.clone()).unwrap_or_default();
        services.insert(service);
        let selling = SellingConfig {
            services,
            location: Location { country, asn },
            exit: Location { country: terms.exit_country.or(apart).unwrap_or(country), asn: exit_asn },
            bandwidth_bps: bandwidth.ok_or_else(|| missing("bandwidth_bps"))?,
            price_per_mb,
            price_per_second,
            allow: known.map(|s| s.allow.clone()).unwrap_or_default(),
            exit_lists: known.map(|s| s.exit_lists.clone()).unwrap_or_default(),
            caps: known.map(|s| s.caps).unwrap_or_default(),
            judging: known.map(|s| s.judging.clone()).unwrap_or_default(),
            settle_at: known.map_or(SellingConfig::SETTLE_AT, |s| s.settle_at),
            settle_delay_max: known.map_or(SellingConfig::SETTLE_DELAY_MAX, |s| s.settle_delay_max),
            forwarding: known.and_then(|s| s.forwarding.clone()),
            tunnel: known.map(|s| s.tunnel.clone()).unwrap_or_default(),
            plugged,
        };
        let exit = match &self.exit {
            Some(exit) => exit.clone(),
            None => serving::exit(&selling, &self.links, self.provision.lists()).map_err(ApiError::storage_failed)?,
        };
        Ok(Terms { service, selling, exit })
    }

    /// Sells under these terms from now on; `publication` is the transaction that puts them on the ledger.
    pub(super) fn sell_under(&mut self, terms: Terms, publication: TransactionId) {
        self.config.selling = Some(terms.selling);
        self.exit = Some(terms.exit);
        // Until its verdict nothing is published by itself: it would be paid for twice.
        self.tending.insert(Errand::Publish);
        self.errands.insert(publication, Errand::Publish);
    }

    /// Its offer is taken off the market.
    pub(super) fn sell_no_more(&mut self, service: Service) {
        if let Some(selling) = &mut self.config.selling {
            selling.services.remove(&service);
        }
        self.config.selling.take_if(|selling| selling.services.is_empty());
    }

    /// The offer of a service that is sold under these terms.
    fn selling_offer(&self, selling: &SellingConfig, service: Service) -> Option<Offer> {
        let more = self.name_contact(service).into_iter().chain(self.forward_contact(selling, service));
        Some(Offer {
            provider: self.me(),
            serial: 0,
            service,
            location: selling.location,
            exit: selling.exit,
            bandwidth_bps: selling.bandwidth_bps,
            prices: selling.prices_of(service),
            exit_policy: Vec::new(),
            contacts: self.contacts()?.into_iter().chain(more).collect(),
        })
    }

    /// By what others reach this node, if they can.
    pub(super) fn contacts(&self) -> Option<[Contact; 2]> {
        let certificate = Contact { protocol: CERTIFICATE_PROTOCOL.to_owned(), data: self.certificate.to_bytes() };
        Some([self.link_contact()?.to_offer(), certificate])
    }

    /// The offer with its serial, if it is not on the ledger as it should be: with these terms and contacts, and not about to expire; or
    /// if it `is_anew`, whatever is there.
    pub(super) fn unpublished(&self, mut offer: Offer, is_anew: bool) -> Option<Offer> {
        let service = offer.service;
        let tree = self.ledger.follower().tree(ProgramId::OFFERS)?;
        let highest: Option<u64> = tree.read(&offer_serial_key(self.me()));
        let Some(highest) = highest else { return Some(offer) };
        let published = |serial: u64| -> Option<PublishedOffer> { tree.read(&state::offer_key(self.me(), serial)) };
        let is_of_service = |published: &PublishedOffer| published.offer.offer.service == service;
        let looked_at = (0..=highest).rev().take(SERIALS_LOOKED_AT);
        let newest = looked_at.filter_map(published).find(is_of_service);
        match newest {
            Some(published) => {
                offer.serial = published.offer.offer.serial;
                if published.offer.offer.terms() != offer.terms() {
                    offer.serial = highest + 1;
                    return Some(offer);
                }
                let life = self.config.genesis.parameters.offer_life.millis;
                let half_over = self.ledger_clock().time.0 + life.0 / 2 > published.expires.time.0;
                let moved = !same_contacts(&published.offer.offer.contacts, &offer.contacts);
                (half_over || moved || is_anew).then_some(offer)
            }
            None => {
                offer.serial = highest + 1;
                Some(offer)
            }
        }
    }

    /// Tells the market what this node sells: its offers that are on the ledger, and nothing once they are withdrawn.
    pub(super) fn sell(&mut self) {
        let Some(selling) = &self.config.selling else { return self.market.sell(BTreeMap::new()) };
        let (me, clock) = (self.me(), self.ledger_clock());
        let sold = selling.services.iter().flat_map(|service| self.index.of_service(*service));
        let own = sold.filter(|published| published.offer.offer.provider == me);
        let valid = own.filter(|published| !published.expires.passed(clock.time, clock.commits));
        let listings = valid.map(|published| {
            let Offer { service, ref prices, .. } = published.offer.offer;
            (published.id(), Listing { service, prices: prices.clone() })
        });
        let listings = listings.collect();
        self.market.sell(listings);
    }
}

/// Whether two lists of contacts lead to the same place. Certificates differ at every start and are renewed with the
/// offer; a change of key is a change of place.
fn same_contacts(a: &[Contact], b: &[Contact]) -> bool {
    let places = |contacts: &[Contact]| -> Vec<Contact> {
        contacts.iter().filter(|contact| contact.protocol != CERTIFICATE_PROTOCOL).cloned().collect()
    };
    places(a) == places(b)
}

//! Offers of what is no session: that this node sends payments on, watches channels, holds for others, or has a bot (rows C4, C5, M6, A1).
//!
//! Others find a hub, a watchtower, a holder or a bot by them, and reach it by their contacts; what it asks for in the end it says itself. They are on
//! the ledger while the user wants them there and the node does what they say, and are withdrawn otherwise.

use std::collections::BTreeSet;

use byway_channel::Life;
use byway_peer::wallet::Wish;
use byway_primitives::{Amount, AssetId, IdentityId};
use byway_records::call::{Call, OffersCall};
use byway_records::offer::{Country, Location, Price, Service, Unit};
use byway_records::state::PublishedOffer;
use byway_records::{Offer, OfferId};

use super::Actor;
use super::books::{Errand, Order};
use super::history::Note;
use crate::api::{HubOffer, WatchOffer};

/// What can be listed, and what its price counts: a payment, a day, a day of 10^6 bytes, and an answer.
const LISTED: [(Service, Unit); 4] = [
    (Service::HUB, Unit::Call),
    (Service::WATCH, Unit::Fixed),
    (Service::HOLD, Unit::Fixed),
    (Service::BOT, Unit::Call),
];
/// The code that stands for no country (ISO 3166 leaves it to its users): a payment leaves nowhere.
const NOWHERE: &str = "ZZ";

impl Actor {
    /// Says whether the market is to have an offer of this; `None`: as before.
    pub(super) fn list(&mut self, service: Service, publish: Option<bool>) {
        match publish {
            Some(true) => drop(self.config.listed.insert(service)),
            Some(false) => drop(self.config.listed.remove(&service)),
            None => {}
        }
    }

    /// Keeps these offers on the ledger, one after the other.
    pub(super) fn tend_listings(&mut self) {
        let wanted = LISTED.map(|(service, unit)| (service, unit, self.listed_price(service)));
        if wanted.iter().all(|(.., price)| price.is_none()) && self.own_listing().is_none() {
            return;
        }
        if !self.is_registered(self.me()) {
            return self.run_errand(Errand::Register, self.registration());
        }
        if !self.is_contact_steady() {
            return;
        }
        let published = wanted.into_iter().find_map(|(service, unit, price)| {
            let offer = self.listing(service, unit, price?)?;
            self.unpublished(offer, false)
        });
        if let Some(offer) = published {
            self.run_errand(Errand::List, self.publishing(offer));
        } else if let Some(serial) = self.own_listing() {
            let call = Some(Call::Offers(OffersCall::Withdraw { provider: self.me(), serial }));
            let note = Note { offer_id: Some(OfferId::of(self.me(), serial)), ..Note::default() };
            self.run_errand(Errand::List, Order { note, ..Order::signed(Wish { call, ..Wish::default() }) });
        }
    }

    /// What this costs, where it is done and to be listed.
    fn listed_price(&self, service: Service) -> Option<Amount> {
        let price = match service {
            // A bot that is offered is offered on the market.
            Service::BOT => return self.bot_price(),
            Service::HUB => self.market.router().terms().map(|terms| terms.fee_base),
            Service::HOLD => self.hold_price(),
            _ => self.market.watchtower().terms().map(|terms| terms.price),
        };
        price.filter(|_| self.config.listed.contains(&service))
    }

    fn listing(&self, service: Service, unit: Unit, amount: Amount) -> Option<Offer> {
        let nowhere = Location { country: NOWHERE.parse::<Country>().ok()?, asn: 0 };
        let place = self.config.selling.as_ref().map_or(nowhere, |selling| selling.location);
        let card = if service == Service::BOT { self.bot_contact() } else { None };
        let prices = vec![Price { unit, amount, asset: AssetId::WAY, reputation_min: 0 }];
        Some(Offer {
            provider: self.me(),
            serial: 0,
            service,
            location: place,
            exit: place,
            bandwidth_bps: 0,
            prices,
            exit_policy: Vec::new(),
            contacts: self.contacts()?.into_iter().chain(card).collect(),
        })
    }

    /// The serial of an offer of ours on the ledger that should not be there any more: of what is not done, or with terms of before.
    fn own_listing(&self) -> Option<u64> {
        LISTED.iter().find_map(|(service, _)| {
            let own = self.listings(*service).filter(|(peer, _)| *peer == self.me());
            let mut serials: Vec<u64> = own.map(|(_, published)| published.offer.offer.serial).collect();
            serials.sort_unstable();
            if self.listed_price(*service).is_some() {
                serials.pop();
            }
            serials.first().copied()
        })
    }

    /// Who offers this, by valid offers.
    fn listings(&self, service: Service) -> impl Iterator<Item = (IdentityId, &PublishedOffer)> {
        let clock = self.ledger_clock();
        let valid = self.index.of_service(service).filter(move |it| !it.expires.passed(clock.time, clock.commits));
        valid.map(|published| (published.offer.offer.provider, published))
    }

    /// The same but for this node, each with its price, the cheapest first.
    pub(super) fn priced(&self, service: Service) -> Vec<(IdentityId, Amount)> {
        let unit = LISTED.iter().find(|(listed, _)| *listed == service).map_or(Unit::Fixed, |(_, unit)| *unit);
        let others = self.listings(service).filter(|(peer, _)| *peer != self.me());
        let priced = others
            .filter_map(|(peer, published)| Some((peer, published.offer.offer.price_highest(unit, AssetId::WAY)?)));
        let mut priced: Vec<_> = priced.collect();
        priced.sort_by_key(|(peer, price)| (*price, *peer));
        let mut seen = BTreeSet::new();
        priced.retain(|(peer, _)| seen.insert(*peer));
        priced
    }

    pub(super) fn hub_offers(&self) -> Vec<HubOffer> {
        let offer = |(hub, fee_base): (IdentityId, Amount)| HubOffer {
            hub,
            fee_base,
            connected: self.market.is_talking_to(hub),
            channels: self.market.channels().with_peer(hub).filter(|(_, channel)| channel.life() == Life::Open).count(),
        };
        self.priced(Service::HUB).into_iter().map(offer).collect()
    }

    pub(super) fn watch_offers(&self) -> Vec<WatchOffer> {
        let watched = |tower: IdentityId| self.market.watched().iter().filter(|(_, by, _)| *by == tower).count();
        let offer = |(tower, price_per_day): (IdentityId, Amount)| WatchOffer {
            tower,
            price_per_day,
            channels: watched(tower),
        };
        self.priced(Service::WATCH).into_iter().map(offer).collect()
    }

    /// The cheapest watchtower on the market but for these, if it asks for no more than that.
    pub(super) fn cheapest_watchtower(&self, price_max: Amount, but: &[IdentityId]) -> Option<IdentityId> {
        let offers = self.priced(Service::WATCH).into_iter();
        let mut cheap = offers.filter(|(tower, price)| *price <= price_max && !but.contains(tower));
        cheap.next().map(|(tower, _)| tower)
    }
}

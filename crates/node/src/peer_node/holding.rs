//! Holding (row M6): for others, being held for, and having what waits for somebody who is away brought to those who hold for them. All
//! that there is to do is done by [`byway_chat::holding`], which the market carries; whom to reach, what the ledger is told, and who is
//! away are said here.

use std::collections::{BTreeMap, BTreeSet};

use byway_access::Sort;
use byway_access::quality::MIDDLE;
use byway_chat::holding::{HoldRefusal, HolderNews, HolderTerms, Plan, UseView};
use byway_peer::link::PeerCard;
use byway_peer::market::{Absent, Holding, Market};
use byway_peer::wallet::Wish;
use byway_primitives::{Amount, IdentityId, Span, Time};
use byway_records::call::HoldersCall;
use byway_records::holders::{DELEGATES_MAX, Delegate, holders_serial_key};
use byway_records::offer::Service;
use byway_records::{Call, ProgramId};

use super::Actor;
use super::books::{Errand, Order};
use super::holders::HolderDesk;
use crate::api::{
    Answer, ApiError, Event, HoldClient, HoldLeave, HoldOffer, HoldRecord, HoldStatus, HoldUse, HolderOffer,
};
use crate::config::HoldConfig;

/// Whoever something waits for, and who is not there for so long, has it brought to their holders: longer than reaching somebody takes
/// who is there.
const AWAY_AFTER: Span = Span::seconds(5);
/// What is paid for ahead where nobody says how much.
const MEGABYTES_DEFAULT: u64 = 10;
const DAYS_DEFAULT: u64 = 30;
/// The most of either that is paid for ahead.
const AHEAD_MAX: u64 = 3_650;
/// What a person is told of a holder that is not changed for another by itself.
const FAILS: &str = "it fails: it did not hand over what others did, gave what it can't have been given, or is not there; have another hold \
     (`byway hold use`), then `byway hold leave` this one";
const RUNS_OUT: &str = "little is left of what was paid ahead; have it hold more megabytes (`byway hold use`)";
/// Bytes of a megabyte, as prices have it.
const MB: u64 = 1_000_000;

/// What the task knows of holding beside what the market does.
#[derive(Default)]
pub(super) struct HoldDesk {
    pub(super) holders: HolderDesk,
    /// What subscribers were told last.
    told: Option<HoldStatus>,
    /// For whom something waits who is not there, and since when.
    away: BTreeMap<IdentityId, Time>,
    /// Whether somebody was let go here, so that the ledger's list may end up empty.
    has_left: bool,
}

impl Actor {
    pub(super) fn holding(&self) -> &Holding {
        self.market.holding().expect("it was opened with it")
    }

    pub(super) fn offer_holding(&mut self, request: &HoldOffer) -> Answer<HoldStatus> {
        let known = self.hold_terms();
        let bytes = |field: &str, mb: Option<u64>, known: u64| match mb {
            Some(0) => Err(ApiError::invalid_params(field, "it must be one at the least")),
            Some(mb) => Ok(mb.saturating_mul(MB)),
            None => Ok(known),
        };
        let terms = HolderTerms {
            price: request.price.unwrap_or(known.price),
            bytes_max: bytes("room_mb", request.room_mb, known.bytes_max)?,
            client_bytes_max: bytes("client_mb", request.client_mb, known.client_bytes_max)?,
            ..known
        };
        self.market.hold_for_others(request.accept.then_some(terms));
        self.list(Service::HOLD, request.publish);
        Ok(self.hold_status())
    }

    fn hold_terms(&self) -> HolderTerms {
        let known = self.holding().holder().terms().or(self.config.holding);
        known.unwrap_or_else(|| HoldConfig::default().terms())
    }

    /// What it costs to be held for here, if others are.
    pub(super) fn hold_price(&self) -> Option<Amount> {
        self.holding().holder().terms().map(|terms| terms.price)
    }

    /// Has somebody hold for us; senders hear of it by the ledger once they do.
    pub(super) fn use_holder(&mut self, request: &HoldUse) -> Answer<HoldStatus> {
        let price_max = request.price_max.unwrap_or_else(|| HoldConfig::default().price_per_mb_day);
        let (holder, card) = match &request.holder {
            Some(holder) => self.peer_named(holder).map_err(|error| of_holder(&error))?,
            None => (self.best_holder(price_max).ok_or_else(ApiError::no_holder)?, None),
        };
        if holder == self.me() {
            return Err(ApiError::invalid_params("holder", "that is this node itself"));
        }
        let ahead = |field: &str, asked: Option<u64>, usual: u64| {
            let number = asked.unwrap_or(usual);
            let is_fine = (1..=AHEAD_MAX).contains(&number);
            let why = format_args!("it must be from 1 to {AHEAD_MAX}");
            if is_fine { Ok(number) } else { Err(ApiError::invalid_params(field, why)) }
        };
        let megabytes = ahead("megabytes", request.megabytes, MEGABYTES_DEFAULT)?;
        let days = ahead("days", request.days, DAYS_DEFAULT)?;
        let plan = Plan { price_max, megabytes, days, is_replaceable: request.holder.is_none() };
        let others = self.holding().client().uses().filter(|of| of.holder != holder && !of.is_leaving).count();
        if others >= DELEGATES_MAX {
            return Err(ApiError::hold_full(DELEGATES_MAX));
        }
        if !self.is_registered(holder) {
            return Err(ApiError::holder_unregistered(holder));
        }
        if !self.market.is_talking_to(holder) && card.is_none() && self.whereabouts(holder).is_none() {
            return Err(ApiError::peer_unreachable(holder, "it has no offer on the market, and its card is not known"));
        }
        let now = self.clock.now();
        self.market.use_holder(now, holder, plan, &self.market_journal);
        card.into_iter().for_each(|card| self.keep_card(card));
        self.reach_channel_peers();
        Ok(self.hold_status())
    }

    pub(super) fn leave_holder(&mut self, request: &HoldLeave) -> Answer<HoldStatus> {
        let holder = request.holder;
        if !self.holding().client().uses().any(|of| of.holder == holder && !of.is_leaving) {
            return Err(ApiError::not_held_by(holder));
        }
        self.holding.has_left = true;
        self.market.leave_holder(self.clock.now(), holder, &self.market_journal);
        Ok(self.hold_status())
    }

    pub(super) fn fetch_held(&mut self) -> HoldStatus {
        self.market.fetch_held(self.clock.now(), &self.market_journal);
        self.hold_status()
    }

    pub(super) fn hold_status(&self) -> HoldStatus {
        let (holding, terms) = (self.holding(), self.hold_terms());
        let client = |(client, bill): (IdentityId, byway_chat::holding::Bill)| HoldClient {
            client,
            held: bill.count,
            bytes: bill.bytes,
            used: bill.used,
        };
        let named = self.named_holders();
        HoldStatus {
            accepts: holding.holder().terms().is_some(),
            price: terms.price,
            room_mb: terms.bytes_max / MB,
            client_mb: terms.client_bytes_max / MB,
            clients: holding.holder().clients().map(client).collect(),
            earned: holding.holder().earned(),
            holders: holding.client().uses().map(|of| self.hold_record(&of, &named)).collect(),
            bringing: holding.sending().parcels().count(),
        }
    }

    fn hold_record(&self, of: &UseView, named: &[Delegate]) -> HoldRecord {
        let price = of.bill.map(|bill| bill.price);
        let dear = price.is_some_and(|price| price > of.plan.price_max);
        let problem = match of.refusal {
            _ if of.is_leaving => Some("it has not heard yet that it need not hold any more".to_owned()),
            Some(refusal) => Some(refusal.to_string()),
            None if dear => Some("it asks for more than is to be paid".to_owned()),
            None if !self.is_found(of.holder) => {
                Some("senders don't find it: it has no offer on the market".to_owned())
            }
            None if !of.plan.is_replaceable && self.is_failing((of.holder, Service::HOLD)) => Some(FAILS.to_owned()),
            None if is_running_out(of) => Some(RUNS_OUT.to_owned()),
            None => None,
        };
        HoldRecord {
            holder: of.holder,
            holding: holds(of),
            named: named.iter().any(|delegate| delegate.holder == of.holder),
            price_max: of.plan.price_max,
            megabytes: of.plan.megabytes,
            days: of.plan.days,
            spent: of.spent,
            price,
            left: of.bill.map(|bill| of.spent.saturating_sub(bill.used)),
            handed_over: of.given,
            missed: of.missed,
            faults: of.faults,
            failing: self.is_failing((of.holder, Service::HOLD)),
            replaceable: of.plan.is_replaceable,
            problem,
        }
    }

    /// Whether those who send to us find somebody, who know no more of them than the ledger says.
    pub(super) fn is_found(&self, holder: IdentityId) -> bool {
        self.index.of_provider(holder).next().is_some()
    }

    pub(super) fn holder_offers(&self) -> Vec<HolderOffer> {
        let used: BTreeSet<IdentityId> = self.holding().client().uses().map(|of| of.holder).collect();
        let offer = |(holder, price)| HolderOffer {
            holder,
            price,
            used: used.contains(&holder),
            quality: self.rating_of((holder, Service::HOLD)),
            failing: self.is_failing((holder, Service::HOLD)),
        };
        let mut offers: Vec<HolderOffer> = self.priced(Service::HOLD).into_iter().map(offer).collect();
        offers.sort_by_key(place_of);
        offers
    }

    /// The first of those who offer it for no more than that, don't hold for us yet, and don't fail.
    pub(super) fn best_holder(&self, price_max: Amount) -> Option<IdentityId> {
        let mut offers = self.holder_offers().into_iter();
        offers.find(|offer| !offer.used && !offer.failing && offer.price <= price_max).map(|offer| offer.holder)
    }

    /// Those who hold for us, and those to whom something is to be brought for others: they are to be reached.
    pub(super) fn hold_peers(&self) -> BTreeSet<IdentityId> {
        let own = self.holding().client().uses().map(|of| of.holder);
        own.chain(self.market.holders_wanted(self.clock.now())).collect()
    }

    /// Has what waits for those who are away brought to their holders, and the ledger name ours.
    pub(super) fn tend_holding(&mut self) {
        let now = self.clock.now();
        let market = &self.market;
        let awaited: Vec<IdentityId> = market.chats().into_iter().flat_map(|chats| chats.awaited()).collect();
        let absent: BTreeSet<IdentityId> = awaited.into_iter().filter(|peer| !market.is_talking_to(*peer)).collect();
        self.holding.away.retain(|peer, _| absent.contains(peer));
        for peer in absent {
            self.holding.away.entry(peer).or_insert(now);
        }
        let away = self.holding.away.iter().filter(|(_, since)| **since + AWAY_AFTER <= now);
        let away: Vec<Absent> = away.filter_map(|(peer, _)| self.absent(*peer, now)).collect();
        self.market.bring_to_holders(now, &away, &self.market_journal);
        self.tend_holders(now);
        self.name_holders();
        self.tell_of_holding();
    }

    /// Whoever subscribes hears of each change once.
    fn tell_of_holding(&mut self) {
        let status = self.hold_status();
        if self.holding.told.as_ref() != Some(&status) {
            self.holding.told = Some(status.clone());
            self.tell(Event::Holding(Box::new(status)));
        }
    }

    /// Who holds for somebody, and the key under which it is sealed for them.
    fn absent(&self, peer: IdentityId, now: Time) -> Option<Absent> {
        let holders = self.ledger.follower().delegates_of(peer, now).into_iter().map(|delegate| delegate.holder);
        let holders: Vec<IdentityId> = holders.filter(|holder| *holder != self.me()).collect();
        if holders.is_empty() {
            return None;
        }
        let certificate = self.whereabouts(peer)?.certificate()?;
        // Whoever is away for long may have had no time to renew it, and has the same key when they do.
        let checked = certificate.verify(self.network, now.min(certificate.not_after));
        let is_theirs = certificate.identity == peer && checked.is_ok();
        is_theirs.then_some(Absent { peer, key: certificate.static_key, holders })
    }

    /// Whoever came to us as a contact, and may be gone before their node has told its card, is sealed for by the certificate that it showed
    /// when it came.
    pub(super) fn keep_shown_certificate(&mut self, peer: IdentityId) {
        if !self.is_chat_peer(peer) || self.whereabouts(peer).is_some() {
            return;
        }
        if let Some(certificate) = self.market.certificate_shown(peer) {
            self.keep_card(PeerCard { certificate, contacts: Vec::new() });
        }
    }

    fn named_holders(&self) -> Vec<Delegate> {
        self.ledger.follower().delegates_of(self.me(), self.clock.now())
    }

    /// Those who hold for us are on the ledger, as long as they do.
    pub(super) fn name_holders(&mut self) {
        let Some(tip) = self.ledger.follower().tip().map(|tip| tip.time) else { return };
        let (me, named, life) = (self.me(), self.named_holders(), self.config.genesis.parameters.holders_life.millis);
        let before: BTreeSet<IdentityId> = named.iter().map(|delegate| delegate.holder).collect();
        // Whoever was named stays so over restarts, before they are talked to.
        let uses = self.holding().client().uses().filter(|of| !of.is_leaving);
        let wanted: BTreeSet<IdentityId> =
            uses.filter(|of| holds(of) || before.contains(&of.holder)).map(|of| of.holder).collect();
        let is_fresh = named.iter().all(|delegate| tip + Span(life.0 / 2) < delegate.until);
        let is_unknown = wanted.is_empty() && !self.holding.has_left;
        if (wanted == before && is_fresh) || is_unknown {
            return;
        }
        let tree = self.ledger.follower().tree(ProgramId::HOLDERS);
        let last: Option<u64> = tree.and_then(|tree| tree.read(&holders_serial_key(me)));
        let serial = last.map_or(0, |last| last.saturating_add(1));
        let until = tip + life;
        let delegates = wanted.into_iter().map(|holder| Delegate { holder, until }).collect();
        let call = Some(Call::Holders(HoldersCall::Set { identity: me, serial, delegates }));
        let fee = self.config.genesis.parameters.call_prices.holders_set;
        self.run_errand(Errand::NameHolders, Order::signed(Wish { call, fee, ..Wish::default() }));
    }

    pub(super) fn holding_news(&mut self, news: HolderNews) {
        match news {
            HolderNews::Earned { .. } => {}
            HolderNews::Dropped { client, refusal } => {
                tracing::info!(%client, %refusal, "somebody is held for no more");
            }
            HolderNews::ForgedReceipt { peer } => {
                tracing::warn!(%peer, "a peer shows a receipt that whom it is of has not signed");
            }
        }
    }
}

/// Has a market hold and be held for.
pub(super) fn open(
    market: &mut Market,
    config: &super::PeerNodeConfig,
    now: Time,
    store: &impl byway_primitives::Store,
) -> Result<(), byway_chat::holding::HoldingDamaged> {
    market.have_holding(now, config.dialogue_secret.clone(), store)?;
    market.hold_for_others(config.holding);
    Ok(())
}

/// Those that fail last; the others by what their price is worth at their quality, which stands in the middle where nothing is known.
fn place_of(offer: &HolderOffer) -> (bool, (u16, Amount), Amount, IdentityId) {
    let place = Sort::Both.place(offer.price, offer.quality.unwrap_or(MIDDLE));
    (offer.failing, place, offer.price, offer.holder)
}

/// Whether little is left of what was paid ahead: it would have been filled up long before if it could be.
fn is_running_out(of: &UseView) -> bool {
    let Some(bill) = of.bill.filter(|bill| !bill.price.is_zero()) else { return false };
    let ahead = bill.price.mul_div_ceil(u128::from(of.plan.megabytes) * u128::from(of.plan.days), 1);
    let left = of.spent.saturating_sub(bill.used).units();
    !of.spent.is_zero() && ahead.is_some_and(|ahead| left < ahead.units() / 8)
}

/// Whether it has said that it holds. Who has no room for more does.
pub(super) fn holds(of: &UseView) -> bool {
    of.bill.is_some() && !of.is_leaving && matches!(of.refusal, None | Some(HoldRefusal::ClientFull))
}

fn of_holder(error: &ApiError) -> ApiError {
    if error.details.get("field").is_some_and(|field| field == "peer") {
        return ApiError::invalid_params("holder", "it is neither an identity (40 hex digits) nor a good card");
    }
    error.clone()
}

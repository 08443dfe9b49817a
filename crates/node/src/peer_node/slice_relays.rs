//! The relays of a tunnel that goes in slices (row A12): as many as were asked for, each with its own dialogue, session and
//! promise, from the exit's acceptance until the tunnel is over.
//!
//! ```text
//! exit accepts ─► choose n relays ─► each: reach ─► ask for a session ─► carries ─┐
//!                     ▲                                                           ├─► enough carry: build the tunnel
//!                     └──── one fails, ends, or is silent while others are not ◄──┘
//! ```
//!
//! The tunnel is built when all carry, or when no other can be found and as many do as are needed. A relay that is lost
//! later is replaced while the tunnel goes on over the others.

use std::net::SocketAddr;

use byway_access::discovery::Candidate;
use byway_access::service::relay::RelayAnswer;
use byway_access::session::{OpenError, ResponseId, SessionId};
use byway_access::slices::{Occupied, PATHS_MAX, Shape, Silence, choose};
use byway_driver::entropy;
use byway_driver::slices::{Relay, Token};
use byway_peer::market::MarketError;
use byway_primitives::{IdentityId, Span, Time};
use byway_records::Offer;
use byway_records::offer::Service;

use super::Actor;
use super::data_plane::Plane;
use super::shares::Claimant;
use super::tunnel::{GuestError, GuestOrder};
use super::tunnelling::contact;
use super::ways::WayId;
use crate::api::OfferFilter;

/// Offers of relays that are looked at, the cheapest first. Links to them may leave a machine that is closed.
pub(super) const RELAYS_LOOKED_AT: usize = 24;
/// How long a relay may take until it carries. The exit waits meanwhile, for ten seconds in all.
const HOP_WAIT: Span = Span::seconds(4);

/// The relays of one tunnel.
pub(super) struct Hops {
    /// With the exit.
    pub session: SessionId,
    exit: Occupied,
    /// Where the exit takes slices.
    target: SocketAddr,
    shape: Shape,
    /// What the tunnel is built from; gone once that has begun.
    order: Option<GuestOrder>,
    /// By path.
    hops: Vec<Option<Hop>>,
    silence: Silence,
}

/// One relay.
struct Hop {
    candidate: Candidate,
    since: Time,
    stage: Stage,
}

enum Stage {
    /// Getting a link, and a dialogue on it.
    Reaching,
    /// Asked for a session.
    Opening,
    Carrying {
        session: SessionId,
        relay: Relay,
    },
}

impl Hop {
    fn provider(&self) -> IdentityId {
        self.candidate.offer.offer.provider
    }

    fn carries(&self) -> bool {
        matches!(self.stage, Stage::Carrying { .. })
    }

    fn is_late(&self, now: Time) -> bool {
        !self.carries() && now >= self.since + HOP_WAIT
    }
}

impl Actor {
    /// The exit has accepted a tunnel in slices: looks for relays to it.
    pub(super) fn begin_hops(&mut self, exit: &Offer, session: SessionId, order: GuestOrder) {
        let provider = exit.provider;
        let (Some(slices), Some(shape)) = (order.answer.slices, self.tunnelling.shape.get()) else {
            return self.tunnel_failed(provider, session, GuestError::NoSlices);
        };
        let Some(address) = order.provider.first() else {
            return self.tunnel_failed(provider, session, GuestError::NoPath);
        };
        self.drop_hops();
        self.tunnelling.hops = Some(Hops {
            session,
            exit: Occupied { provider, place: Some(exit.location) },
            target: SocketAddr::new(*address, slices.port),
            shape,
            order: Some(order),
            hops: (0..shape.paths()).map(|_| None).collect(),
            silence: Silence::new(self.clock.now(), shape.paths()),
        });
        self.fill_hops();
    }

    /// What may be paid for relaying, which is by the MB, is what may be paid for an exit; where a relay is doesn't matter to
    /// whom it reaches.
    pub(super) fn relay_candidates(&self) -> Vec<Candidate> {
        let max_price = self.config.buying.max_price_per_mb();
        let filter = OfferFilter { service: Some(Service::RELAY), max_price, ..OfferFilter::default() };
        let found = self.untried(Some(&filter)).into_iter();
        found.filter(|candidate| contact(&candidate.offer.offer).is_some()).take(RELAYS_LOOKED_AT).collect()
    }

    /// Finds a relay for each path that has none, as far as there are any.
    fn fill_hops(&mut self) {
        let (candidates, now) = (self.relay_candidates(), self.clock.now());
        let Some(hops) = &mut self.tunnelling.hops else { return };
        let missing: Vec<usize> = (0..hops.hops.len()).filter(|path| hops.hops[*path].is_none()).collect();
        let place = |hop: &Hop| Occupied { provider: hop.provider(), place: Some(hop.candidate.offer.offer.location) };
        let occupied = hops.hops.iter().flatten().map(place).chain([hops.exit]);
        let chosen = choose(candidates.into_iter(), missing.len(), occupied.collect::<Vec<_>>());
        let offers: Vec<Offer> = chosen.iter().map(|candidate| candidate.offer.offer.clone()).collect();
        for (path, candidate) in missing.into_iter().zip(chosen) {
            hops.hops[path] = Some(Hop { candidate, since: now, stage: Stage::Reaching });
        }
        if !offers.is_empty() {
            self.allow_hops();
        }
        for offer in offers {
            if self.market.is_talking_to(offer.provider) {
                self.hop_talking(offer.provider);
            } else {
                self.dial(&offer);
            }
        }
        self.build_over_hops();
    }

    /// Builds the tunnel once all relays carry, or once it is clear that no more will and these are enough.
    fn build_over_hops(&mut self) {
        let Some(hops) = &mut self.tunnelling.hops else { return };
        let are_coming = hops.hops.iter().flatten().any(|hop| !hop.carries());
        if are_coming {
            return;
        }
        let Some(mut order) = hops.order.take() else { return };
        let carrying = hops.hops.iter().enumerate().filter_map(|(path, hop)| match &hop.as_ref()?.stage {
            Stage::Carrying { relay, .. } => Some((path, relay.clone())),
            _ => None,
        });
        let relays: Vec<_> = carrying.collect();
        let (found, needed, session, provider) = (relays.len(), hops.shape.needed(), hops.session, hops.exit.provider);
        if found < needed {
            return self.tunnel_failed(provider, session, GuestError::FewRelays { found, needed });
        }
        if let Some(slices) = &mut order.slices {
            slices.relays = relays;
        }
        self.start_building(provider, session, order);
    }

    /// The offer for whose sake a relay is talked to.
    pub(super) fn hop_offer(&self, provider: IdentityId) -> Option<Offer> {
        let hops = self.tunnelling.hops.as_ref()?;
        let hop = hops.hops.iter().flatten().find(|hop| hop.provider() == provider)?;
        Some(hop.candidate.offer.offer.clone())
    }

    pub(super) fn hop_offers(&self) -> Vec<Offer> {
        let hops = self.tunnelling.hops.iter().flat_map(|hops| hops.hops.iter().flatten());
        hops.map(|hop| hop.candidate.offer.offer.clone()).collect()
    }

    fn hop_mut(&mut self, provider: IdentityId) -> Option<(usize, &mut Hop)> {
        let hops = self.tunnelling.hops.as_mut()?.hops.iter_mut().enumerate();
        hops.filter_map(|(path, hop)| Some((path, hop.as_mut()?))).find(|(_, hop)| hop.provider() == provider)
    }

    /// Relays that are asked for a session.
    pub(super) fn relays_asked(&self) -> impl Iterator<Item = IdentityId> {
        let hops = self.tunnelling.hops.iter().flat_map(|hops| hops.hops.iter().flatten());
        hops.filter(|hop| matches!(hop.stage, Stage::Opening)).map(Hop::provider)
    }

    /// There is a dialogue with a peer: if it is to be a relay, it is asked for a session.
    pub(super) fn hop_talking(&mut self, provider: IdentityId) {
        let Some(target) = self.tunnelling.hops.as_ref().map(|hops| hops.target) else { return };
        let Some((_, hop)) = self.hop_mut(provider).filter(|(_, hop)| matches!(hop.stage, Stage::Reaching)) else {
            return;
        };
        hop.stage = Stage::Opening;
        let candidate = hop.candidate.clone();
        let price_max = self.config.buying.max_price_per_mb();
        let cost_max = self.cost_max_of(Claimant::Relay(provider));
        let request = self.session_request(&candidate, price_max, cost_max, Vec::new());
        let (now, response) = (self.clock.now(), ResponseId(entropy::number()));
        self.tunnelling.wishes.note(response, target);
        match self.market.open_session(now, provider, response, request, &self.market_journal) {
            Ok(()) => {}
            // No provider's fault. A tunnel that is there goes on over the relays that it has.
            Err(MarketError::Session(OpenError::LimitTooLow { .. })) if self.ways.connecting(WayId::MAIN).is_some() => {
                self.relay_over_limit(cost_max);
            }
            Err(error) => self.hop_lost(provider, &error.to_string()),
        }
    }

    /// A relay has accepted a session.
    pub(super) fn relay_open(&mut self, provider: IdentityId, session: SessionId, answer: &[u8], plane: Plane) {
        let now = self.clock.now();
        let Some((path, hop)) = self.hop_mut(provider).filter(|(_, hop)| matches!(hop.stage, Stage::Opening)) else {
            // Of a tunnel that is over, or of before a restart.
            return self.market.stop_using(now, provider, session, &self.market_journal);
        };
        let at = contact(&hop.candidate.offer.offer).and_then(|contact| contact.addresses().first().copied());
        let (Some(at), Ok(answer)) = (at, RelayAnswer::open(answer)) else {
            self.market.handle_channel(now, provider, session, Err(()), &self.market_journal);
            return self.hop_lost(provider, "its answer makes no sense to this node");
        };
        let address = SocketAddr::new(at.ip(), answer.port);
        let relay = Relay { address, token: Token(answer.token), gate: plane.gate, meter: plane.meter };
        hop.stage = Stage::Carrying { session, relay: relay.clone() };
        self.market.handle_channel(now, provider, session, Ok(()), &self.market_journal);
        tracing::info!(%provider, %session, path, "a relay carries");
        if let Some((_, guest)) = &mut self.tunnelling.guest {
            if let Err(error) = guest.set_path(path, relay) {
                tracing::warn!(%error, "a relay can't be used");
            }
            self.note_replaced(path);
        }
        self.build_over_hops();
    }

    /// A relay can't be had, or is no more.
    pub(super) fn hop_lost(&mut self, provider: IdentityId, why: &str) {
        let now = self.clock.now();
        let Some(hops) = &mut self.tunnelling.hops else { return };
        let is_it = |hop: &Option<Hop>| hop.as_ref().is_some_and(|hop| hop.provider() == provider);
        let Some(path) = hops.hops.iter().position(is_it) else { return };
        tracing::info!(%provider, path, why, "a relay is lost");
        let lost = hops.hops[path].take();
        self.failed_lately.insert(provider, now);
        if let Some(Hop { stage: Stage::Carrying { session, .. }, .. }) = lost {
            self.stop_relay(provider, session);
        }
        if let Some((_, guest)) = &self.tunnelling.guest {
            guest.clear_path(path);
        }
        self.fill_hops();
    }

    /// Whose session this is, if it is one of the tunnel's relays.
    fn relay_with(&self, session: SessionId) -> Option<IdentityId> {
        let mut hops = self.tunnelling.hops.iter().flat_map(|hops| hops.hops.iter().flatten());
        let is_it = |hop: &&Hop| matches!(&hop.stage, Stage::Carrying { session: of, .. } if *of == session);
        hops.find(is_it).map(Hop::provider)
    }

    pub(super) fn is_relay(&self, session: SessionId) -> bool {
        self.relay_with(session).is_some()
    }

    /// A session has ended; perhaps a relay's.
    pub(super) fn hop_ended(&mut self, session: SessionId, why: &str) {
        if let Some(provider) = self.relay_with(session) {
            self.hop_lost(provider, why);
        }
    }

    /// Looks for relays that take too long, for those that carry nothing while others do, and for relays in place of those
    /// that are missing.
    pub(super) fn look_after_hops(&mut self) {
        let now = self.clock.now();
        let hops = self.tunnelling.hops.iter().flat_map(|hops| hops.hops.iter().flatten());
        let late: Vec<IdentityId> = hops.filter(|hop| hop.is_late(now)).map(Hop::provider).collect();
        for provider in late {
            self.hop_lost(provider, "it takes too long");
        }
        let Some(carried) = self.slices_carried() else { return };
        let Some(hops) = &mut self.tunnelling.hops else { return };
        let silent = hops.silence.handle_counts(now, &carried);
        let silent = silent.into_iter().filter_map(|path| hops.hops.get(path)?.as_ref());
        // One in place of a silent one begins with a clean slate once it carries.
        let silent: Vec<IdentityId> = silent.filter(|hop| hop.carries()).map(Hop::provider).collect();
        let are_missing = hops.hops.iter().any(Option::is_none);
        for provider in &silent {
            self.hop_lost(*provider, "it carries nothing while others do");
        }
        if are_missing && silent.is_empty() {
            self.fill_hops();
        }
    }

    fn slices_carried(&self) -> Option<[u64; PATHS_MAX]> {
        let (_, guest) = self.tunnelling.guest.as_ref()?;
        let mut carried = [0; PATHS_MAX];
        carried.iter_mut().zip(guest.carried()).for_each(|(place, count)| *place = count);
        Some(carried)
    }

    fn note_replaced(&mut self, path: usize) {
        let now = self.clock.now();
        if let (Some(carried), Some(hops)) = (self.slices_carried(), &mut self.tunnelling.hops) {
            hops.silence.replaced(now, path, &carried);
        }
    }

    /// Nothing came of a tunnel over these relays: others are tried before them. False if it didn't go over relays.
    pub(super) fn blame_hops(&mut self) -> bool {
        let now = self.clock.now();
        let hops = self.tunnelling.hops.iter().flat_map(|hops| hops.hops.iter().flatten());
        self.failed_lately.extend(hops.map(|hop| (hop.provider(), now)));
        self.tunnelling.hops.is_some()
    }

    /// The tunnel is over, or was never built: no relay is needed any more.
    pub(super) fn drop_hops(&mut self) {
        let Some(hops) = self.tunnelling.hops.take() else { return };
        for hop in hops.hops.into_iter().flatten() {
            let provider = hop.provider();
            if let Stage::Carrying { session, .. } = hop.stage {
                self.stop_relay(provider, session);
            }
        }
    }

    fn stop_relay(&mut self, provider: IdentityId, session: SessionId) {
        self.report_used(provider, session);
        self.market.stop_using(self.clock.now(), provider, session, &self.market_journal);
    }
}

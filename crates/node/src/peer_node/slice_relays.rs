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
use crate::api::{OfferFilter, Pay};

/// Offers of relays that are looked at, the cheapest first. Links to them may leave a machine that is closed.
pub(super) const RELAYS_LOOKED_AT: usize = 24;
/// How long a relay may take until it carries. The exit waits meanwhile, for ten seconds in all.
const RELAY_WAIT: Span = Span::seconds(4);

/// The relays of one tunnel.
pub(super) struct SliceRelays {
    /// With the exit.
    pub session: SessionId,
    exit: Occupied,
    /// Where the exit takes slices.
    target: SocketAddr,
    shape: Shape,
    /// What the tunnel is built from; gone once that has begun.
    order: Option<GuestOrder>,
    by_path: Vec<Option<SliceRelay>>,
    silence: Silence,
}

/// One relay.
struct SliceRelay {
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

impl SliceRelay {
    fn provider(&self) -> IdentityId {
        self.candidate.offer.offer.provider
    }

    fn carries(&self) -> bool {
        matches!(self.stage, Stage::Carrying { .. })
    }

    fn is_late(&self, now: Time) -> bool {
        !self.carries() && now >= self.since + RELAY_WAIT
    }
}

impl Actor {
    /// The exit has accepted a tunnel in slices: looks for relays to it.
    pub(super) fn begin_slice_relays(&mut self, exit: &Offer, session: SessionId, order: GuestOrder) {
        let provider = exit.provider;
        let (Some(slices), Some(shape)) = (order.answer.slices, self.tunnelling.shape.get()) else {
            return self.tunnel_failed(provider, session, GuestError::NoSlices);
        };
        let Some(address) = order.provider.first() else {
            return self.tunnel_failed(provider, session, GuestError::NoPath);
        };
        self.drop_slice_relays();
        self.tunnelling.slice_relays = Some(SliceRelays {
            session,
            exit: Occupied { provider, place: Some(exit.location) },
            target: SocketAddr::new(*address, slices.port),
            shape,
            order: Some(order),
            by_path: (0..shape.paths()).map(|_| None).collect(),
            silence: Silence::new(self.clock.now(), shape.paths()),
        });
        self.fill_slice_relays();
    }

    /// What may be paid for relaying, which is by the MB, is what may be paid for an exit; where a relay is doesn't matter to
    /// whom it reaches.
    pub(super) fn relay_candidates(&self) -> Vec<Candidate> {
        let max_price = self.config.buying.max_price_per_mb();
        let filter = OfferFilter { service: Some(Service::RELAY), max_price, ..OfferFilter::default() };
        let found = self.untried(Some(&filter), Pay::Auto).into_iter();
        found.filter(|candidate| contact(&candidate.offer.offer).is_some()).take(RELAYS_LOOKED_AT).collect()
    }

    /// Finds a relay for each path that has none, as far as there are any.
    fn fill_slice_relays(&mut self) {
        let (candidates, now) = (self.relay_candidates(), self.clock.now());
        let Some(relays) = &mut self.tunnelling.slice_relays else { return };
        let missing: Vec<usize> = (0..relays.by_path.len()).filter(|path| relays.by_path[*path].is_none()).collect();
        let place = |relay: &SliceRelay| Occupied {
            provider: relay.provider(),
            place: Some(relay.candidate.offer.offer.location),
        };
        let occupied = relays.by_path.iter().flatten().map(place).chain([relays.exit]);
        let chosen = choose(candidates.into_iter(), missing.len(), occupied.collect::<Vec<_>>());
        let offers: Vec<Offer> = chosen.iter().map(|candidate| candidate.offer.offer.clone()).collect();
        for (path, candidate) in missing.into_iter().zip(chosen) {
            relays.by_path[path] = Some(SliceRelay { candidate, since: now, stage: Stage::Reaching });
        }
        if !offers.is_empty() {
            self.allow_slice_relays();
        }
        for offer in offers {
            if self.market.is_talking_to(offer.provider) {
                self.slice_relay_talking(offer.provider);
            } else {
                self.dial(&offer);
            }
        }
        self.build_over_slice_relays();
    }

    /// Builds the tunnel once all relays carry, or once it is clear that no more will and these are enough.
    fn build_over_slice_relays(&mut self) {
        let Some(relays) = &mut self.tunnelling.slice_relays else { return };
        let are_coming = relays.by_path.iter().flatten().any(|relay| !relay.carries());
        if are_coming {
            return;
        }
        let Some(mut order) = relays.order.take() else { return };
        let carrying = relays.by_path.iter().enumerate().filter_map(|(path, relay)| match &relay.as_ref()?.stage {
            Stage::Carrying { relay, .. } => Some((path, relay.clone())),
            _ => None,
        });
        let ready: Vec<_> = carrying.collect();
        let (found, needed, session, provider) =
            (ready.len(), relays.shape.needed(), relays.session, relays.exit.provider);
        if found < needed {
            return self.tunnel_failed(provider, session, GuestError::FewRelays { found, needed });
        }
        if let Some(slices) = &mut order.slices {
            slices.relays = ready;
        }
        self.start_building(provider, session, order);
    }

    /// The offer for whose sake a relay is talked to.
    pub(super) fn slice_relay_offer(&self, provider: IdentityId) -> Option<Offer> {
        let relays = self.tunnelling.slice_relays.as_ref()?;
        let relay = relays.by_path.iter().flatten().find(|relay| relay.provider() == provider)?;
        Some(relay.candidate.offer.offer.clone())
    }

    pub(super) fn slice_relay_offers(&self) -> Vec<Offer> {
        let relays = self.tunnelling.slice_relays.iter().flat_map(|relays| relays.by_path.iter().flatten());
        relays.map(|relay| relay.candidate.offer.offer.clone()).collect()
    }

    fn slice_relay_mut(&mut self, provider: IdentityId) -> Option<(usize, &mut SliceRelay)> {
        let relays = self.tunnelling.slice_relays.as_mut()?.by_path.iter_mut().enumerate();
        relays.filter_map(|(path, relay)| Some((path, relay.as_mut()?))).find(|(_, relay)| relay.provider() == provider)
    }

    /// Relays that are asked for a session.
    pub(super) fn relays_asked(&self) -> impl Iterator<Item = IdentityId> {
        let relays = self.tunnelling.slice_relays.iter().flat_map(|relays| relays.by_path.iter().flatten());
        relays.filter(|relay| matches!(relay.stage, Stage::Opening)).map(SliceRelay::provider)
    }

    /// There is a dialogue with a peer: if it is to be a relay, it is asked for a session.
    pub(super) fn slice_relay_talking(&mut self, provider: IdentityId) {
        let Some(target) = self.tunnelling.slice_relays.as_ref().map(|relays| relays.target) else { return };
        let Some((_, relay)) =
            self.slice_relay_mut(provider).filter(|(_, relay)| matches!(relay.stage, Stage::Reaching))
        else {
            return;
        };
        relay.stage = Stage::Opening;
        let candidate = relay.candidate.clone();
        let price_max = self.config.buying.max_price_per_mb();
        let cost_max = self.cost_max_of(Claimant::Relay(provider));
        let request = self.session_request(&candidate, price_max, cost_max, Vec::new());
        let (now, response) = (self.clock.now(), ResponseId(entropy::number()));
        self.tunnelling.wishes.note(response, target);
        self.pay_as_chosen(provider);
        match self.market.open_session(now, provider, response, request, &self.market_journal) {
            Ok(()) => {}
            // No provider's fault. A tunnel that is there goes on over the relays that it has.
            Err(MarketError::Session(OpenError::LimitTooLow { .. })) if self.ways.connecting(WayId::MAIN).is_some() => {
                self.relay_over_limit(cost_max);
            }
            Err(error) => self.slice_relay_lost(provider, &error.to_string()),
        }
    }

    /// A relay has accepted a session.
    pub(super) fn relay_open(&mut self, provider: IdentityId, session: SessionId, answer: &[u8], plane: Plane) {
        let now = self.clock.now();
        let Some((path, asked)) =
            self.slice_relay_mut(provider).filter(|(_, asked)| matches!(asked.stage, Stage::Opening))
        else {
            // Of a tunnel that is over, or of before a restart.
            return self.market.stop_using(now, provider, session, &self.market_journal);
        };
        let at = contact(&asked.candidate.offer.offer).and_then(|contact| contact.addresses().first().copied());
        let (Some(at), Ok(answer)) = (at, RelayAnswer::open(answer)) else {
            self.market.handle_channel(now, provider, session, Err(()), &self.market_journal);
            return self.slice_relay_lost(provider, "its answer makes no sense to this node");
        };
        let address = SocketAddr::new(at.ip(), answer.port);
        let relay = Relay { address, token: Token(answer.token), gate: plane.gate, meter: plane.meter };
        asked.stage = Stage::Carrying { session, relay: relay.clone() };
        self.market.handle_channel(now, provider, session, Ok(()), &self.market_journal);
        tracing::info!(%provider, %session, path, "a relay carries");
        if let Some((_, guest)) = &mut self.tunnelling.guest {
            if let Err(error) = guest.set_path(path, relay) {
                tracing::warn!(%error, "a relay can't be used");
            }
            self.note_replaced(path);
        }
        self.build_over_slice_relays();
    }

    /// A relay can't be had, or is no more.
    pub(super) fn slice_relay_lost(&mut self, provider: IdentityId, why: &str) {
        let now = self.clock.now();
        let Some(relays) = &mut self.tunnelling.slice_relays else { return };
        let is_it = |relay: &Option<SliceRelay>| relay.as_ref().is_some_and(|relay| relay.provider() == provider);
        let Some(path) = relays.by_path.iter().position(is_it) else { return };
        tracing::info!(%provider, path, why, "a relay is lost");
        let lost = relays.by_path[path].take();
        self.failed_lately.insert(provider, now);
        if let Some(SliceRelay { stage: Stage::Carrying { session, .. }, .. }) = lost {
            self.stop_relay(provider, session);
        }
        if let Some((_, guest)) = &self.tunnelling.guest {
            guest.clear_path(path);
        }
        self.fill_slice_relays();
    }

    /// Whose session this is, if it is one of the tunnel's relays.
    fn relay_with(&self, session: SessionId) -> Option<IdentityId> {
        let mut relays = self.tunnelling.slice_relays.iter().flat_map(|relays| relays.by_path.iter().flatten());
        let is_it = |relay: &&SliceRelay| matches!(&relay.stage, Stage::Carrying { session: of, .. } if *of == session);
        relays.find(is_it).map(SliceRelay::provider)
    }

    pub(super) fn is_relay(&self, session: SessionId) -> bool {
        self.relay_with(session).is_some()
    }

    /// A session has ended; perhaps a relay's.
    pub(super) fn slice_relay_ended(&mut self, session: SessionId, why: &str) {
        if let Some(provider) = self.relay_with(session) {
            self.slice_relay_lost(provider, why);
        }
    }

    /// Looks for relays that take too long, for those that carry nothing while others do, and for relays in place of those
    /// that are missing.
    pub(super) fn look_after_slice_relays(&mut self) {
        let now = self.clock.now();
        let relays = self.tunnelling.slice_relays.iter().flat_map(|relays| relays.by_path.iter().flatten());
        let late: Vec<IdentityId> = relays.filter(|relay| relay.is_late(now)).map(SliceRelay::provider).collect();
        for provider in late {
            self.slice_relay_lost(provider, "it takes too long");
        }
        let Some(carried) = self.slices_carried() else { return };
        let Some(relays) = &mut self.tunnelling.slice_relays else { return };
        let silent = relays.silence.handle_counts(now, &carried);
        let silent = silent.into_iter().filter_map(|path| relays.by_path.get(path)?.as_ref());
        // One in place of a silent one begins with a clean slate once it carries.
        let silent: Vec<IdentityId> = silent.filter(|relay| relay.carries()).map(SliceRelay::provider).collect();
        let are_missing = relays.by_path.iter().any(Option::is_none);
        for provider in &silent {
            self.slice_relay_lost(*provider, "it carries nothing while others do");
        }
        if are_missing && silent.is_empty() {
            self.fill_slice_relays();
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
        if let (Some(carried), Some(relays)) = (self.slices_carried(), &mut self.tunnelling.slice_relays) {
            relays.silence.replaced(now, path, &carried);
        }
    }

    /// Nothing came of a tunnel over these relays: others are tried before them. False if it didn't go over relays.
    pub(super) fn blame_slice_relays(&mut self) -> bool {
        let now = self.clock.now();
        let relays = self.tunnelling.slice_relays.iter().flat_map(|relays| relays.by_path.iter().flatten());
        self.failed_lately.extend(relays.map(|relay| (relay.provider(), now)));
        self.tunnelling.slice_relays.is_some()
    }

    /// The tunnel is over, or was never built: no relay is needed any more.
    pub(super) fn drop_slice_relays(&mut self) {
        let Some(relays) = self.tunnelling.slice_relays.take() else { return };
        for relay in relays.by_path.into_iter().flatten() {
            let provider = relay.provider();
            if let Stage::Carrying { session, .. } = relay.stage {
                self.stop_relay(provider, session);
            }
        }
    }

    fn stop_relay(&mut self, provider: IdentityId, session: SessionId) {
        self.report_used(provider, session);
        self.market.stop_using(self.clock.now(), provider, session, &self.market_journal);
    }
}

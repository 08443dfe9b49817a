//! A market node's tunnels (row A11): as a provider, whose packets are served; as a client, the tunnel of the session in use,
//! and the machine closed around it from the first one on until the user disconnects.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use byway_access::service::tunnel::{TunnelAnswer, TunnelKeys};
use byway_access::session::{ResponseId, SessionId, StopReason};
use byway_driver::host_network::{Allowed, ClientPlan, Sender, Transport};
use byway_driver::link::{LinkContact, RelayUrl};
use byway_driver::tunnel::detour::Detours;
use byway_primitives::{IdentityId, Span};
use byway_records::Offer;
use byway_records::offer::Service;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::data_plane::Plane;
use super::relay::{RelayHost, RelayKind, Wishes};
use super::slice_relays::SliceRelays;
use super::tunnel::{self, Guard, Guest, GuestError, GuestOrder, InSlices, NextShape, TunnelHost, TunnelKind};
use super::ways::{Connection, WayId};
use super::{Actor, Arrival};
use crate::api::{ApiError, ConnectTarget, OfferFilter};

/// Providers whose links stay possible while the machine is closed: those that would be tried next.
const PROVIDERS_ALLOWED: usize = 16;
/// While the machine is closed and there is no way out, one is looked for so often.
const LOOK_EVERY: Span = Span::seconds(5);

/// The node's tunnels, on both sides.
pub(super) struct Tunnelling {
    pub keys: TunnelKeys,
    /// Where tunnels are sold.
    pub host: Option<Arc<TunnelHost>>,
    /// Where relaying is sold.
    pub relay_host: Option<Arc<RelayHost>>,
    pub wishes: Wishes,
    /// How this node's own tunnels go over relays, if they do.
    pub shape: NextShape,
    pub slice_relays: Option<SliceRelays>,
    pub guard: Guard,
    /// The machine is closed to everything outside the tunnel, now or in a moment.
    pub is_closed: bool,
    pub guest: Option<(SessionId, Guest)>,
    pub detours: Arc<Detours>,
    /// Addresses of the links' relays that were looked up while that was possible.
    link_relays: BTreeSet<SocketAddr>,
    /// The end of the tunnel before.
    ending: Option<JoinHandle<()>>,
}

impl Tunnelling {
    pub fn new(keys: TunnelKeys, guard: Guard, is_closed: bool) -> Self {
        let (host, relay_host, wishes, shape, slice_relays) =
            (None, None, Wishes::default(), NextShape::default(), None);
        let (guest, detours, link_relays, ending) = (None, Arc::default(), BTreeSet::new(), None);
        Self {
            keys,
            host,
            relay_host,
            wishes,
            shape,
            slice_relays,
            guard,
            is_closed,
            guest,
            detours,
            link_relays,
            ending,
        }
    }

    /// Sells tunnels from now on.
    pub fn sell(&mut self, host: TunnelHost) {
        self.detours = host.detours();
        self.host = Some(Arc::new(host));
    }

    /// Relaying as a kind of service.
    pub fn relay_kind(&self) -> RelayKind {
        RelayKind { wishes: self.wishes.clone(), host: self.relay_host.clone() }
    }

    /// The tunnel as a kind of service.
    pub fn kind(&self) -> TunnelKind {
        TunnelKind { keys: self.keys.clone(), host: self.host.clone(), shape: self.shape.clone() }
    }
}

impl Actor {
    /// Builds the tunnel of a session that was accepted.
    pub(super) fn build_tunnel(
        &mut self,
        provider: IdentityId,
        (session, response): (SessionId, ResponseId),
        answer: &[u8],
        plane: Plane,
    ) {
        let offer = self.tunnel_offer(provider, session);
        // Behind hops it is where the link leads, and nowhere else.
        let straight = offer.as_ref().filter(|_| self.way_before(provider).is_none()).and_then(contact);
        let provider_at = straight.iter().flat_map(|contact| contact.addresses()).map(SocketAddr::ip).collect();
        let Ok(answer) = TunnelAnswer::open(answer) else {
            return self.tunnel_failed(provider, session, GuestError::Answer);
        };
        let link = self.market.link_to(provider).filter(|_| self.is_on_route(provider));
        let link = link.and_then(|link| self.link_handles.get(&link)).cloned();
        let order = GuestOrder {
            secret: self.tunnelling.keys.of_session(response),
            answer,
            session,
            link,
            detours: self.tunnelling.detours.clone(),
            link_relays: self.relays_of(straight.as_ref()),
            provider: provider_at,
            plane,
            guard: self.tunnelling.guard.clone(),
            plan: self.closed_plan(offer.as_ref()),
            is_closed: self.tunnelling.is_closed,
            slices: self.tunnelling.shape.get().map(|shape| InSlices {
                now: self.clock.now(),
                shape,
                secret: self.tunnelling.keys.of_slices(response),
                relays: Vec::new(),
            }),
            before: self.tunnelling.ending.take(),
        };
        match (offer, self.tunnelling.shape.get()) {
            (Some(exit), Some(_)) => self.begin_slice_relays(&exit, session, order),
            _ => self.start_building(provider, session, order),
        }
    }

    pub(super) fn start_building(&mut self, provider: IdentityId, session: SessionId, mut order: GuestOrder) {
        // Relays were chosen since.
        order.plan = self.closed_plan(self.tunnel_offer(provider, session).as_ref());
        let arrive = self.arrive.clone();
        tokio::spawn(async move {
            let result = tunnel::build(order).await.map(Box::new);
            let _ = arrive.send(Arrival::TunnelBuilt { provider, session, result }).await;
        });
    }

    fn tunnel_offer(&self, provider: IdentityId, session: SessionId) -> Option<Offer> {
        let wanted = self.ways.main.connection.offer().filter(|offer| offer.provider == provider);
        wanted.cloned().or_else(|| self.offer_of(session))
    }

    pub(super) fn tunnel_built(
        &mut self,
        provider: IdentityId,
        session: SessionId,
        result: Result<Box<Guest>, GuestError>,
    ) {
        match result {
            Ok(guest) if self.using.contains_key(&session) => {
                self.tunnelling.is_closed = true;
                self.tunnelling.link_relays.extend(&guest.link_relays);
                let (failed, arrive) = (guest.failed(), self.arrive.clone());
                tokio::spawn(async move {
                    let why = failed.await;
                    let _ = arrive.send(Arrival::TunnelFailed { session, why }).await;
                });
                self.tunnelling.guest = Some((session, *guest));
                if let Some(link) = self.market.link_to(provider) {
                    // The dialogue may have gone on to another while the tunnel was built.
                    self.tunnel_follows(provider, link);
                }
                self.channel_up(provider, session);
            }
            // The user has gone on to something else, which opens or closes the machine as it should be.
            Ok(guest) => self.tunnelling.ending = Some(tokio::spawn(guest.close())),
            Err(error) => self.tunnel_failed(provider, session, error),
        }
    }

    pub(super) fn tunnel_failed(&mut self, provider: IdentityId, session: SessionId, error: GuestError) {
        // Of what goes wrong over relays the exit is the last to blame.
        let is_of_relays = error.is_of_the_way() && self.blame_slice_relays();
        self.drop_slice_relays();
        let (now, why) = (self.clock.now(), error.to_string());
        self.market.handle_channel(now, provider, session, Err(()), &self.market_journal);
        let Some(way) = self.ways.of_session(session) else { return };
        match self.ways.connecting_mut(way) {
            // No other provider would do better.
            Some(connecting) if error.is_of_this_machine() => {
                connecting.answer_all(&Err(ApiError::tunnel_impossible(&why)));
                self.fail_connection(way, why);
            }
            _ if is_of_relays => self.next_best(way, &why),
            _ => self.not_served(way, &why),
        }
    }

    /// A tunnel carries nothing any more: somebody has taken its interface away. Its session is left for another.
    pub(super) fn tunnel_lost(&mut self, session: SessionId, why: std::io::ErrorKind) {
        if self.tunnelling.guest.as_ref().is_none_or(|(of, _)| *of != session) {
            // It was closed, and this is the end of it.
            return;
        }
        tracing::warn!(%why, "the tunnel's interface is gone; another tunnel takes its place");
        self.tunnel_over(session);
        if self.session_in_use() == Some(session) {
            self.leave_provider(WayId::MAIN, StopReason::ChannelFailed);
        }
    }

    /// A dialogue goes on over another link, and so does its tunnel.
    pub(super) fn tunnel_follows(&self, peer: IdentityId, link: byway_dialogue::LinkId) {
        if let Some((session, guest)) = &self.tunnelling.guest
            && self.using.get(session).is_some_and(|using| using.provider == peer)
            && self.is_on_route(peer)
            && let Some(link) = self.link_handles.get(&link)
        {
            guest.link_changed(link.clone());
        }
    }

    /// The relays over which a provider is reached, ours and its own, as `host:port`.
    fn relays_of(&self, contact: Option<&LinkContact>) -> Vec<String> {
        let own = self.config.relay.as_ref().map(|relay| relay.url.clone());
        let theirs = contact.and_then(|contact| contact.relay().cloned());
        let front = self.kernel.disguise().map(|disguise| disguise.front().to_string());
        let relays: BTreeSet<String> = own.iter().chain(&theirs).filter_map(relay_host).chain(front).collect();
        relays.into_iter().collect()
    }

    /// A session's data plane is closed; if it was a tunnel's, nothing leaves until there is another.
    pub(super) fn tunnel_over(&mut self, session: SessionId) {
        if self.tunnelling.slice_relays.as_ref().is_some_and(|relays| relays.session == session) {
            self.drop_slice_relays();
        }
        let Some((_, guest)) = self.tunnelling.guest.take_if(|(of, _)| *of == session) else { return };
        self.tunnelling.ending = Some(tokio::spawn(guest.close()));
        if self.tunnelling.is_closed {
            let plan = self.closed_plan(None);
            self.tunnelling.guard.change(plan);
        }
    }

    /// Relays that were chosen since can be reached, also while the machine is closed.
    pub(super) fn allow_slice_relays(&mut self) {
        if self.tunnelling.is_closed && self.tunnelling.guest.is_none() {
            let plan = self.closed_plan(None);
            self.tunnelling.guard.change(plan);
        }
    }

    /// The user wants no tunnel any more.
    pub(super) fn open_machine(&mut self) {
        if std::mem::take(&mut self.tunnelling.is_closed) {
            self.tunnelling.guard.release();
        }
    }

    /// Looks for a way out of a machine that is closed.
    pub(super) fn look_after_tunnel(&mut self) {
        let now = self.clock.now();
        let since = match &self.ways.main.connection {
            Connection::Idle { since } | Connection::Failed { since, .. } => *since,
            _ => return,
        };
        if self.tunnelling.is_closed && now >= since + LOOK_EVERY {
            let filter = OfferFilter { service: Some(Service::TUNNEL), ..self.config.buying.clone() };
            let (answer, _) = oneshot::channel();
            self.connect(WayId::MAIN, ConnectTarget::Cheapest(filter), answer);
        }
    }

    /// The tunnel that is asked for next goes over as many relays as the user wishes now.
    pub(super) fn shape_next_tunnel(&mut self) {
        // What can't be cut was refused when it was read or set.
        self.tunnelling.shape.set(self.config.outside_tunnel.shape().ok().flatten());
    }

    /// Whether this is what a tunnel is asked for with.
    pub(super) fn wants_tunnel(&self, target: &ConnectTarget) -> bool {
        let service = match target {
            ConnectTarget::Offer { offer_id, .. } => self.index.offer(*offer_id).map(|offer| offer.offer.offer.service),
            ConnectTarget::Cheapest(filter) => filter.service,
        };
        service == Some(Service::TUNNEL)
    }

    /// What may leave while there is no tunnel: the node's own links to providers that it would use, and its questions to
    /// kernel nodes.
    fn closed_plan(&self, in_use: Option<&Offer>) -> ClientPlan {
        let filter = OfferFilter { service: Some(Service::TUNNEL), ..self.config.buying.clone() };
        let candidates = self.index.candidates(self.query(&filter), self.ledger_clock());
        let chosen = self.ways.iter().filter_map(|(_, way)| way.connection.offer().cloned());
        let next = candidates.take(PROVIDERS_ALLOWED).map(|candidate| candidate.offer.offer);
        let relays = match self.tunnelling.shape.get() {
            Some(_) => self.relay_candidates(),
            None => Vec::new(),
        };
        let relays = self.slice_relay_offers().into_iter().chain(relays.into_iter().map(|relay| relay.offer.offer));
        let offers = in_use.cloned().into_iter().chain(chosen).chain(relays).chain(next);
        let first_hop = self.hop_candidates(0).into_iter().map(|candidate| candidate.offer.offer);
        let offers: Vec<Offer> = match self.chain.is_empty() {
            true => offers.collect(),
            // All others are behind it.
            false => offers.filter(|offer| self.way_before(offer.provider).is_none()).chain(first_hop).collect(),
        };
        let contacts = offers.iter().filter_map(contact);
        let places: Vec<SocketAddr> = contacts.flat_map(|contact| contact.addresses().to_vec()).collect();
        let ports: Vec<u16> = self.links.bound().iter().map(SocketAddr::port).collect();
        let links = places.iter().flat_map(|to| {
            let to_place = |port: &u16| Allowed { transport: Transport::Udp, to: *to, sender: Sender::Port(*port) };
            ports.iter().map(to_place).collect::<Vec<_>>()
        });
        // Those that are named by a host name can be asked once there is a tunnel.
        let kernel = self.kernel.addresses().into_iter().filter_map(|address| address.parse().ok());
        let kernel = kernel.map(|to| Allowed { transport: Transport::Tcp, to, sender: Sender::Anyone });
        let to_relay = |to: &SocketAddr| Allowed { transport: Transport::Tcp, to: *to, sender: Sender::Anyone };
        let relays = self.tunnelling.link_relays.iter().map(to_relay).chain(self.allowed_for_disguise());
        let mut allowed: Vec<Allowed> = kernel.chain(relays).chain(links).collect();
        allowed.truncate(byway_driver::host_network::ALLOWED_MAX / 2);
        ClientPlan { allowed, ..self.config.outside_tunnel.plan() }
    }
}

pub(super) fn contact(offer: &Offer) -> Option<LinkContact> {
    offer.contacts.iter().find_map(|contact| LinkContact::from_offer(contact).ok())
}

/// A relay as `host:port`.
fn relay_host(relay: &RelayUrl) -> Option<String> {
    Some(format!("{}:{}", relay.host_str()?, relay.port_or_known_default()?))
}

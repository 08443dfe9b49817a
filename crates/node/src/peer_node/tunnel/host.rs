//! A provider's end of the tunnels that it sells.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use byway_access::exit_policy::ExitPolicy;
use byway_access::service::tunnel::{
    MTU, SlicesAnswer, SlicesRequest, Slot, Slots, TunnelAnswer, TunnelKeys, TunnelRequest,
};
use byway_access::session::SessionId;
use byway_access::slices::{End, Joiner, Label, SliceKeys, Splitter};
use byway_crypto::noise::StaticKey;
use byway_driver::clock::Clock;
use byway_driver::exit::name_server;
use byway_driver::exit::own;
use byway_driver::host_network::{HostNetwork, HostNetworkError, InterfaceName, NameError, SharingPlan};
use byway_driver::meter::Side;
use byway_driver::names;
use byway_driver::slices::Hub;
use byway_driver::tunnel::detour::Detours;
use byway_driver::tunnel::{Interface, Peer, Prefix, PublicKey, Secret, Terms, Tunnel, TunnelError};
use byway_primitives::Time;

use super::shared::{ExitRules, Keeper};
use super::{Cutting, Joining, SLICE_BYTES_MAX, WIREGUARD_BYTES, inner_networks};
use crate::peer_node::data_plane::Plane;

/// The interface that clients' packets come out of.
const INTERFACE: &str = "byway-exit";

/// Serves tunnels until it is closed. Its clients are its own: who may have a slot, and what it costs, is decided elsewhere.
pub struct TunnelHost {
    tunnel: Tunnel,
    /// Where tunnels come in slices.
    hub: Hub,
    clock: Clock,
    network: Arc<dyn HostNetwork>,
    keeper: Keeper,
    port: u16,
    key: StaticKey,
    clients: Mutex<Clients>,
    detours: Arc<Detours>,
    _names: Vec<names::Server>,
}

#[derive(Default)]
struct Clients {
    slots: Slots,
    served: BTreeMap<SessionId, Client>,
}

struct Client {
    key: PublicKey,
    label: Option<Label>,
    plane: Plane,
}

/// Why a provider can't serve tunnels.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("no UDP socket for tunnels can be opened at {address}: {error}; set provider.tunnel_listen to a free port")]
    Socket { address: SocketAddr, error: std::io::Error },
    #[error("no UDP socket for slices can be opened at {address}: {error}; set provider.slices_listen to a free port")]
    Slices { address: SocketAddr, error: std::io::Error },
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    #[error(transparent)]
    Network(#[from] HostNetworkError),
    #[error("names can't be resolved for clients of the tunnel: {0}")]
    Names(#[source] std::io::Error),
    #[error("no interface leads to the internet: there is no default route; set provider.tunnel_uplinks")]
    NoUplink,
    #[error("provider.tunnel_uplinks: {0}")]
    Uplink(#[from] NameError),
}

/// What a provider's configuration says of tunnels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunnelSelling {
    /// Where WireGuard hears.
    pub listen: SocketAddr,
    /// The interfaces towards the internet; those of the default routes where there are none.
    pub uplinks: Vec<String>,
    /// Where tunnels in slices are heard.
    pub slices: SocketAddr,
    /// Where datagrams are relayed from, if that is sold.
    pub relay: SocketAddr,
}

impl Default for TunnelSelling {
    fn default() -> Self {
        let everywhere = |port| SocketAddr::from(([0, 0, 0, 0], port));
        let (listen, slices, relay) = (everywhere(51_820), everywhere(51_821), everywhere(51_822));
        Self { listen, uplinks: Vec::new(), slices, relay }
    }
}

impl TunnelHost {
    /// Makes the interface, closes this machine to clients but for the way out, and hears for them.
    pub(in crate::peer_node) async fn open(
        selling: &TunnelSelling,
        rules: ExitRules,
        keys: &TunnelKeys,
        network: Arc<dyn HostNetwork>,
    ) -> Result<Self, HostError> {
        let cant_bind = |error| HostError::Socket { address: selling.listen, error };
        let socket = UdpSocket::bind(selling.listen).map_err(cant_bind)?;
        let port = socket.local_addr().map_err(cant_bind)?.port();
        let cant_slice = |error| HostError::Slices { address: selling.slices, error };
        let wireguard = SocketAddr::new(selling.listen.ip(), port);
        let hub = Hub::open(selling.slices, wireguard, |slice| Label::of(slice).map(|label| label.0));
        let hub = hub.map_err(cant_slice)?;
        let own_networks = own::read().await;
        let inner = inner_networks();
        let addresses = inner.map(|network| (network.address, network.prefix));
        let interface = Interface::create(INTERFACE, &addresses, MTU)?;
        let mut uplinks = selling.uplinks.iter().map(|name| name.parse()).collect::<Result<Vec<InterfaceName>, _>>()?;
        if uplinks.is_empty() {
            uplinks.push(own::uplink().await.ok_or(HostError::NoUplink)?.parse()?);
        }
        let resolvers: Vec<IpAddr> = vec![Slot::PROVIDER.v4().into(), Slot::PROVIDER.v6().into()];
        let policy = ExitPolicy { operator_allows: rules.allow, own_networks, rules: Vec::new() };
        let plan = SharingPlan {
            interface: interface.name().parse()?,
            inner: inner.to_vec(),
            uplinks,
            denied: policy.denied_blocks(),
            allowed: Vec::new(),
            refused: Vec::new(),
            blocked: Vec::new(),
            denied_ports: byway_access::exit_policy::MAIL_PORTS.to_vec(),
            resolvers: resolvers.clone(),
        };
        // Before anyone can come.
        let keeper = Keeper::start(network.clone(), plan, rules.lists.clone()).await?;
        let servers = name_server::system_servers().map_err(HostError::Names)?;
        let mut name_servers = Vec::new();
        for address in resolvers {
            let lists = rules.lists.clone();
            let hides = Arc::new(move |name: &str| lists.borrow().hides(name));
            let server = name_server::start(SocketAddr::new(address, names::PORT), servers.clone(), hides).await;
            name_servers.push(server.map_err(HostError::Names)?);
        }
        let secret = keys.of_provider();
        let tunnel = Tunnel::open(Secret::from_bytes(&secret), Side::Provider, socket, interface)?;
        let key = StaticKey::of(&secret);
        let (clock, clients, detours) = (Clock::starting(Time::ZERO), Mutex::default(), Arc::default());
        Ok(Self { tunnel, hub, clock, network, keeper, port, key, clients, detours, _names: name_servers })
    }

    /// A slot for a session that is accepted; nothing passes yet. `None` if there is no room, or the key is somebody's.
    pub fn slot(&self, session: SessionId, request: TunnelRequest) -> Option<TunnelAnswer> {
        let mut clients = self.clients();
        let slot = clients.slots.assign(session)?;
        if !self.let_in(&mut clients, session, &request, slot) {
            clients.slots.release(session);
            return None;
        }
        let port = self.hub.local_address().port();
        let slices = request.slices.as_ref().map(|_| SlicesAnswer { port, label: slot.label() });
        let mtu = request.slices.as_ref().map_or(MTU, |slices| {
            let datagram = slices.shape.packet_max(SLICE_BYTES_MAX);
            MTU.min(datagram.saturating_sub(WIREGUARD_BYTES) as u16)
        });
        Some(TunnelAnswer { key: self.key, port: self.port, slot, mtu, slices })
    }

    /// A session of before a restart has its slot again.
    pub fn keep(&self, session: SessionId, request: TunnelRequest, answer: TunnelAnswer) {
        let mut clients = self.clients();
        clients.slots.keep(session, answer.slot);
        self.let_in(&mut clients, session, &request, answer.slot);
    }

    fn let_in(&self, clients: &mut Clients, session: SessionId, request: &TunnelRequest, slot: Slot) -> bool {
        let label = request.slices.as_ref().map(|_| slot.label());
        if let Some(slices) = &request.slices
            && let Err(error) = self.take_slices(slot.label(), slices)
        {
            tracing::warn!(%session, %error, "a client's slices can't be taken");
            return false;
        }
        let (key, plane) = (PublicKey(request.key.0), Plane::new(0));
        let added = self.tunnel.add(Peer {
            key,
            preshared: None,
            endpoint: None,
            addresses: vec![Prefix::host(slot.v4().into()), Prefix::host(slot.v6().into())],
            terms: Terms::Paid { gate: plane.gate.clone(), meter: plane.meter.clone() },
            keepalive: None,
        });
        match added {
            Ok(()) => {
                clients.served.insert(session, Client { key, label, plane });
                self.detours.admit(session.0, self.tunnel.local_address());
                true
            }
            Err(error) => {
                tracing::warn!(%session, %error, "a client of the tunnel can't be let in");
                false
            }
        }
    }

    fn take_slices(&self, label: Label, slices: &SlicesRequest) -> std::io::Result<()> {
        let (shape, keys) = (slices.shape, SliceKeys::new(&slices.secret));
        let cutting = Cutting(Splitter::new(self.clock.now(), shape, &keys, End::Exit, label));
        let joining = Joining(Joiner::new(shape, &keys, End::Exit, label));
        self.hub.add(label.0, shape.paths(), Box::new(cutting), Box::new(joining))
    }

    pub fn release(&self, session: SessionId) {
        let mut clients = self.clients();
        clients.slots.release(session);
        if let Some(client) = clients.served.remove(&session) {
            self.tunnel.remove(&client.key);
            self.detours.remove(&session.0);
            if let Some(label) = client.label {
                self.hub.remove(label.0);
            }
        }
    }

    /// The ways by which clients come over their links.
    pub fn detours(&self) -> Arc<Detours> {
        self.detours.clone()
    }

    /// What a session's packets are counted and held back by.
    pub fn plane(&self, session: SessionId) -> Option<Plane> {
        self.clients().served.get(&session).map(|client| client.plane.clone())
    }

    /// Takes back what was done to this machine's network.
    pub async fn close(&self) {
        self.keeper.end().await;
        if let Err(error) = self.network.unshare().await {
            tracing::error!(%error, "the address translation for clients is left; `byway firewall reset` removes it");
        }
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        // Each change behind the lock is whole before anything can fail.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

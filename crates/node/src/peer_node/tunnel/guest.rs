//! A client's end of the tunnel that it uses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use byway_access::service::tunnel::{Slot, TunnelAnswer};
use byway_driver::host_network::{
    self, Allowed, ClientPlan, HostNetworkError, InterfaceName, NameError, Sender, Transport,
};
use byway_driver::meter::Side;
use byway_driver::tunnel::{Interface, Peer, Prefix, PublicKey, Secret, Terms, Tunnel, TunnelError};
use byway_records::offer::Network;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::Guard;
use crate::peer_node::data_plane::Plane;

/// The interface that this machine's packets go into.
const INTERFACE: &str = "byway";
/// How long a provider may take to answer a handshake at one of its addresses.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(3);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(10);
/// So that a router on the way keeps the path open.
const KEEPALIVE: Duration = Duration::from_secs(25);

/// What a tunnel is built from.
pub struct GuestOrder {
    /// Of this session.
    pub secret: Zeroizing<[u8; 32]>,
    pub answer: TunnelAnswer,
    /// Where the provider may be, the likeliest first.
    pub provider: Vec<IpAddr>,
    pub plane: Plane,
    pub guard: Guard,
    /// What may leave the machine beside the tunnel.
    pub plan: ClientPlan,
    /// Whether the machine is closed already.
    pub is_closed: bool,
    /// The end of the tunnel before, whose interface has the same name.
    pub before: Option<JoinHandle<()>>,
}

/// A tunnel that is up. Its interface is gone when this is dropped.
pub struct Guest(Tunnel);

impl Guest {
    /// Takes the tunnel down; done when its interface is gone.
    pub async fn close(self) {
        self.0.close().await;
    }
}

/// Why a tunnel is not up.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    #[error("no UDP socket for the tunnel can be opened: {0}")]
    Socket(#[from] std::io::Error),
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Network(#[from] HostNetworkError),
    #[error("the provider can be reached only over a relay, and this version's tunnel needs a direct path")]
    NoPath,
    #[error("the provider's answer makes no sense to this node; one side may need an update")]
    Answer,
    #[error("the provider's tunnel does not answer; its port may be closed on the way")]
    Silent,
}

impl GuestError {
    /// Whether it would be the same with any other provider.
    pub fn is_of_this_machine(&self) -> bool {
        matches!(self, Self::Socket(_) | Self::Tunnel(TunnelError::Interface(_)) | Self::Network(_))
    }
}

/// Builds the tunnel, waits until the provider has answered, and closes the machine around it.
pub async fn build(order: GuestOrder) -> Result<Guest, GuestError> {
    let GuestOrder { secret, answer, provider, plane, guard, mut plan, is_closed, before } = order;
    if let Some(before) = before {
        // It ends one way or another.
        let _ = before.await;
    }
    // One socket, and so one family: that of the likeliest address.
    let is_v4 = provider.first().ok_or(GuestError::NoPath)?.is_ipv4();
    if answer.port == 0 {
        return Err(GuestError::NoPath);
    }
    let places = provider.iter().filter(|address| address.is_ipv4() == is_v4);
    let places: Vec<SocketAddr> = places.map(|address| SocketAddr::new(*address, answer.port)).collect();
    let any: IpAddr = if is_v4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    let own = [IpAddr::from(answer.slot.v4()), answer.slot.v6().into()];
    let alone = own.map(|own| (own, Prefix::host(own).length()));
    let interface = Interface::create(INTERFACE, &alone, answer.mtu)?;
    let name = interface.name().parse()?;
    let tunnel = Tunnel::open(Secret::from_bytes(&secret), Side::Client, socket, interface)?;
    let sender = Sender::Port(tunnel.local_address().port());
    plan.allowed.extend(places.iter().map(|to| Allowed { transport: Transport::Udp, to: *to, sender }));
    if is_closed {
        guard.protect(plan.clone()).await?;
    }
    let key = PublicKey(answer.key.0);
    tunnel.add(Peer {
        key,
        preshared: None,
        endpoint: places.first().copied(),
        addresses: vec![Prefix::ALL_V4, Prefix::ALL_V6],
        terms: Terms::Paid { gate: plane.gate, meter: plane.meter },
        keepalive: Some(KEEPALIVE),
    })?;
    for endpoint in places {
        tunnel.set_endpoint(&key, endpoint);
        if has_answered(&tunnel, &key).await {
            plan.tunnel = Some(inside(name, answer.slot));
            guard.protect(plan).await?;
            return Ok(Guest(tunnel));
        }
    }
    Err(GuestError::Silent)
}

async fn has_answered(tunnel: &Tunnel, key: &PublicKey) -> bool {
    let until = Instant::now() + HANDSHAKE_WAIT;
    while Instant::now() < until {
        if tunnel.stats(key).is_some_and(|stats| stats.handshake_age.is_some()) {
            return true;
        }
        sleep(LOOK).await;
    }
    false
}

/// The tunnel as the machine's network is to see it.
fn inside(interface: InterfaceName, slot: Slot) -> host_network::Tunnel {
    let host = |address: IpAddr| Network { address, prefix: if address.is_ipv4() { 32 } else { 128 } };
    host_network::Tunnel {
        interface,
        addresses: vec![host(slot.v4().into()), host(slot.v6().into())],
        resolvers: vec![Slot::PROVIDER.v4().into(), Slot::PROVIDER.v6().into()],
    }
}

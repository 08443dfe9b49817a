//! A client's end of the tunnel that it uses.
//!
//! The provider is greeted at all of its addresses and over the link at once; the way by which it answers is the way that
//! is used, and the tunnel changes it while it runs ([`Places`]).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use byway_access::service::tunnel::{Slot, TunnelAnswer};
use byway_access::session::SessionId;
use byway_access::slices::{End, Joiner, Shape, SliceKeys, Splitter};
use byway_driver::host_network::{
    self, Allowed, ClientPlan, HostNetworkError, InterfaceName, NameError, Sender, Transport,
};
use byway_driver::link::Link;
use byway_driver::meter::Side;
use byway_driver::slices::{Relay, Slicer};
use byway_driver::tunnel::detour::{Detour, Detours};
use byway_driver::tunnel::{Interface, Peer, Places, Prefix, PublicKey, Secret, Terms, Tunnel, TunnelError};
use byway_primitives::Time;
use byway_records::offer::Network;
use tokio::net::lookup_host;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use zeroize::Zeroizing;

use super::{Cutting, Guard, Joining};
use crate::peer_node::data_plane::Plane;

/// The interface that this machine's packets go into.
const INTERFACE: &str = "byway";
/// How long a provider may take to answer a greeting.
const ANSWER_WAIT: Duration = Duration::from_secs(1);
/// So often it is greeted. Every second time over the link alone: the answer to what came by its own address may be what
/// is lost on the way.
const GREETINGS: usize = 4;
/// The same over relays, which carry only once they have been promised something.
const GREETINGS_OVER_RELAYS: usize = 12;
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(10);
/// How long looking up a relay's name may take.
const NAME_WAIT: Duration = Duration::from_secs(3);
/// So that a router on the way keeps the path open.
const KEEPALIVE: Duration = Duration::from_secs(25);

/// What a tunnel is built from.
pub struct GuestOrder {
    /// Of this session.
    pub secret: Zeroizing<[u8; 32]>,
    pub answer: TunnelAnswer,
    pub session: SessionId,
    /// Where the provider may be, the likeliest first.
    pub provider: Vec<IpAddr>,
    /// What the session is on, where it is up.
    pub link: Option<Link>,
    pub detours: Arc<Detours>,
    /// Relays, as `host:port`, that the link needs.
    pub link_relays: Vec<String>,
    pub plane: Plane,
    pub guard: Guard,
    /// What may leave the machine beside the tunnel.
    pub plan: ClientPlan,
    /// Whether the machine is closed already.
    pub is_closed: bool,
    /// Over relays, where it goes over some.
    pub slices: Option<InSlices>,
    /// The end of the tunnel before, whose interface has the same name.
    pub before: Option<JoinHandle<()>>,
}

/// How a tunnel goes over relays.
pub struct InSlices {
    pub now: Time,
    pub shape: Shape,
    pub secret: Zeroizing<[u8; 32]>,
    /// With the number of its path; perhaps not all that there are to be.
    pub relays: Vec<(usize, Relay)>,
}

/// A tunnel that is up. Its interface is gone when this is dropped.
pub struct Guest {
    tunnel: Tunnel,
    provider: PublicKey,
    detour: Option<Detour>,
    slicer: Option<Slicer>,
    guard: Guard,
    /// What is in force.
    plan: ClientPlan,
    /// The addresses of the links' relays that were asked about.
    pub link_relays: Vec<SocketAddr>,
}

impl Guest {
    /// The session goes on over another link.
    pub fn link_changed(&self, link: Link) {
        if let Some(detour) = &self.detour {
            detour.move_to(link);
        }
    }

    /// Whether its packets go over relays that this node chose.
    pub fn is_over_relays(&self) -> bool {
        self.slicer.is_some()
    }

    /// Whether its packets go over the link of the two nodes.
    pub fn is_over_link(&self) -> bool {
        let place = self.tunnel.stats(&self.provider).and_then(|stats| stats.endpoint);
        self.detour.as_ref().is_some_and(|detour| Some(detour.address()) == place)
    }

    /// Resolves when it carries nothing any more.
    pub fn failed(&self) -> impl Future<Output = io::ErrorKind> + Send + 'static {
        self.tunnel.failed()
    }

    /// Takes the tunnel down; done when its interface is gone.
    pub async fn close(self) {
        self.tunnel.close().await;
    }

    /// Slices that came over each path so far; none where there are none.
    pub fn carried(&self) -> Vec<u64> {
        self.slicer.as_ref().map(Slicer::carried).unwrap_or_default()
    }

    /// Uses this relay for a path, from now on.
    pub fn set_path(&mut self, path: usize, relay: Relay) -> io::Result<()> {
        if let Some(slicer) = &self.slicer {
            let to = relay.address;
            let sender = Sender::Port(slicer.set_path(path, relay)?);
            self.plan.allowed.push(Allowed { transport: Transport::Udp, to, sender });
            self.guard.change(self.plan.clone());
        }
        Ok(())
    }

    /// Sends nothing over a path any more.
    pub fn clear_path(&self, path: usize) {
        if let Some(slicer) = &self.slicer {
            slicer.clear_path(path);
        }
    }
}

/// Why a tunnel is not up.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    #[error("no UDP socket for the tunnel can be opened: {0}")]
    Socket(#[from] io::Error),
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Network(#[from] HostNetworkError),
    #[error("the provider says nowhere where its tunnel is, and the link to it is down")]
    NoPath,
    #[error("the provider does not take tunnels in slices; it may need an update")]
    NoSlices,
    #[error("{found} relays could be reached, and {needed} are needed; fewer may be asked for in [tunnel]")]
    FewRelays { found: usize, needed: usize },
    #[error("the provider's answer makes no sense to this node; one side may need an update")]
    Answer,
    #[error("the provider's tunnel does not answer, neither at its addresses nor over the link to it")]
    Silent,
}

impl GuestError {
    /// Whether it would be the same with any other provider.
    pub fn is_of_this_machine(&self) -> bool {
        matches!(self, Self::Socket(_) | Self::Tunnel(TunnelError::Interface(_)) | Self::Network(_))
    }

    /// Whether it may have to do with how the provider was reached.
    pub fn is_of_the_way(&self) -> bool {
        matches!(self, Self::Silent { .. } | Self::FewRelays { .. })
    }
}

/// Builds the tunnel, waits until the provider has answered, and closes the machine around it.
pub async fn build(order: GuestOrder) -> Result<Guest, GuestError> {
    let GuestOrder {
        secret,
        answer,
        session,
        provider,
        link,
        detours,
        link_relays,
        plane,
        guard,
        mut plan,
        is_closed,
        slices,
        before,
    } = order;
    if let Some(before) = before {
        // It ends one way or another.
        let _ = before.await;
    }
    let link_relays = look_up(link_relays).await;
    let to_relay = |to: &SocketAddr| Allowed { transport: Transport::Tcp, to: *to, sender: Sender::Anyone };
    plan.allowed.extend(link_relays.iter().map(to_relay));
    let Way { socket, slicer, detour, places } = match slices {
        Some(slices) => over_relays(answer, slices, &mut plan)?,
        None => over_link_or_directly(answer, provider, link.map(|link| (session, link, detours)), &mut plan)?,
    };
    let own = [IpAddr::from(answer.slot.v4()), answer.slot.v6().into()];
    let alone = own.map(|own| (own, Prefix::host(own).length()));
    let interface = Interface::create(INTERFACE, &alone, answer.mtu)?;
    let name = interface.name().parse()?;
    let mut tunnel = Tunnel::open(Secret::from_bytes(&secret), Side::Client, socket, interface)?;
    if is_closed {
        guard.protect(plan.clone()).await?;
    }
    let key = PublicKey(answer.key.0);
    tunnel.add(Peer {
        key,
        preshared: None,
        endpoint: None,
        addresses: vec![Prefix::ALL_V4, Prefix::ALL_V6],
        terms: Terms::Paid { gate: plane.gate, meter: plane.meter },
        keepalive: Some(KEEPALIVE),
    })?;
    let greetings = if slicer.is_some() { GREETINGS_OVER_RELAYS } else { GREETINGS };
    greet(&tunnel, &key, &places, greetings).await?;
    tunnel.keep_way(key, places);
    plan.tunnel = Some(inside(name, answer.slot));
    guard.protect(plan.clone()).await?;
    Ok(Guest { tunnel, provider: key, detour, slicer, guard, plan, link_relays })
}

/// A socket for all of these, or as many as the system allows with one; for none, one that nothing leaves the machine by.
fn bind(places: &[IpAddr]) -> io::Result<UdpSocket> {
    if places.is_empty() {
        return UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
    }
    let any: IpAddr =
        if places.iter().all(IpAddr::is_ipv4) { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // A machine without IPv6 has no such socket.
    UdpSocket::bind((any, 0)).or_else(|_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))
}

/// The addresses of those that are known by now; a name that can't be looked up is one that can't be used either.
async fn look_up(hosts: Vec<String>) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for host in hosts {
        if let Ok(Ok(addresses)) = timeout(NAME_WAIT, lookup_host(host)).await {
            found.extend(addresses);
        }
    }
    found
}

/// Waits until the provider has answered at one of these places.
async fn greet(tunnel: &Tunnel, key: &PublicKey, places: &Places, greetings: usize) -> Result<(), GuestError> {
    for greeting in 0..greetings {
        match places.detour {
            Some(detour) if greeting % 2 == 1 => tunnel.greet(key, &[detour]),
            _ => tunnel.greet(key, &places.all()),
        };
        let until = Instant::now() + ANSWER_WAIT;
        while Instant::now() < until {
            if tunnel.stats(key).is_some_and(|stats| stats.handshake_age.is_some()) {
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }
    Err(GuestError::Silent)
}

/// WireGuard's socket, what is between it and the provider, and where it is to send.
struct Way {
    socket: UdpSocket,
    slicer: Option<Slicer>,
    detour: Option<Detour>,
    places: Places,
}

/// What goes to the provider itself is allowed to leave.
fn over_link_or_directly(
    answer: TunnelAnswer,
    provider: Vec<IpAddr>,
    link: Option<(SessionId, Link, Arc<Detours>)>,
    plan: &mut ClientPlan,
) -> Result<Way, GuestError> {
    let direct = if answer.port == 0 { Vec::new() } else { provider };
    let socket = bind(&direct)?;
    let direct: Vec<SocketAddr> = direct.into_iter().map(|address| SocketAddr::new(address, answer.port)).collect();
    let wireguard = socket.local_addr()?;
    let detour = link.map(|(session, link, detours)| detours.open(session.0, wireguard, link)).transpose()?;
    let places = Places { direct, detour: detour.as_ref().map(Detour::address) };
    if places.all().is_empty() {
        return Err(GuestError::NoPath);
    }
    let sender = Sender::Port(wireguard.port());
    plan.allowed.extend(places.direct.iter().map(|to| Allowed { transport: Transport::Udp, to: *to, sender }));
    Ok(Way { socket, slicer: None, detour, places })
}

/// What goes to relays is allowed to leave.
fn over_relays(answer: TunnelAnswer, slices: InSlices, plan: &mut ClientPlan) -> Result<Way, GuestError> {
    let label = answer.slices.ok_or(GuestError::NoSlices)?.label;
    // It never leaves this machine.
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let (shape, keys) = (slices.shape, SliceKeys::new(&slices.secret));
    let cutting = Box::new(Cutting(Splitter::new(slices.now, shape, &keys, End::Client, label)));
    let joining = Box::new(Joining(Joiner::new(shape, &keys, End::Client, label)));
    let slicer = Slicer::open(socket.local_addr()?, shape.paths(), cutting, joining)?;
    for (path, relay) in slices.relays {
        let to = relay.address;
        let sender = Sender::Port(slicer.set_path(path, relay)?);
        plan.allowed.push(Allowed { transport: Transport::Udp, to, sender });
    }
    let places = Places { direct: Vec::new(), detour: Some(slicer.endpoint()) };
    Ok(Way { socket, slicer: Some(slicer), detour: None, places })
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

//! The endpoint: its sockets, its relay, opening and accepting links.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use byway_crypto::noise::StaticKey;
use iroh::dns::DnsResolver;
use iroh::endpoint::{Builder, Incoming, NetReportConfig, PortmapperConfig, QuicTransportConfig, VarInt, presets};
use iroh::tls::CaTlsConfig;
use iroh::{Endpoint, EndpointId, RelayConfig, RelayMap, RelayMode, RelayUrl, SecretKey, Watcher};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connection::{Link, LinkId, establish, serve};
use super::contact::LinkContact;
use super::{DownReason, EVENTS_QUEUED_MAX, Event};
use crate::nested::{self, Passage};

/// What both sides must speak; a change of the link's protocol changes this.
const ALPN: &[u8] = b"byway-link/1";
/// How long opening a link may take, over all addresses and the relay.
const CONNECT_WAIT: Duration = Duration::from_secs(15);
/// The largest window of a stream, in bytes. Beyond it the transport's reassembly gives up: it ends a connection whose
/// received ranges of one stream have too many gaps, and the more may be under way the more gaps loss and reordering make.
/// With 2 MiB there can't be too many, whatever the path does.
pub const STREAM_WINDOW_BYTES_MAX: u32 = 2 << 20;
/// Incoming handshakes under way; more are refused. Each costs a signature and some kilobytes.
const HANDSHAKES_MAX: usize = 256;

/// What an endpoint needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Addresses to bind, at most one per family. None: the endpoint is reachable through its relay only.
    pub bind: Vec<SocketAddr>,
    /// A relay of one's own, or of someone one trusts with seeing who talks to whom.
    pub relay: Option<RelayAccess>,
    /// The seed of the endpoint's key. A fresh one makes a new endpoint that nobody can connect with the old one.
    pub seed: [u8; 32],
    pub limits: Limits,
}

/// A relay and how its certificate is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayAccess {
    /// `https://…`, or `http://…` inside one machine or a private network.
    pub url: RelayUrl,
    pub roots: TlsRoots,
    /// Where it is reached, if not at its URL.
    pub through: Option<Through>,
}

/// A loopback port that leads to a relay, under `http` ([`crate::disguise`]). Others still name the relay by its URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Through {
    pub port: SocketAddr,
    pub beside: Beside,
}

/// What an endpoint does beside a relay that it reaches through a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// Direct links, and relays that others name.
    Everything,
    /// Nothing: no socket is bound, and nobody is spoken to but the port.
    Nothing,
}

/// Who may vouch for a relay's certificate. A relay under `http://` has none, and either will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsRoots {
    /// The public certificate authorities, as compiled in.
    Public,
    /// Only these, in DER; at least one.
    Own(Vec<Vec<u8>>),
}

/// Bounds of an endpoint and its links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Links at a time, in both directions together.
    pub links_max: usize,
    /// Streams that the peer of a link may have open at a time.
    pub streams_max: u32,
    /// Bytes of one stream that may be under way or unread; at most [`STREAM_WINDOW_BYTES_MAX`].
    pub stream_window_bytes: u32,
    /// Bytes of all streams of one link that may be under way or unread.
    pub link_window_bytes: u32,
    /// A link is down after so long a silence.
    pub idle_max: Duration,
    /// How often an idle link sends a sign of life.
    pub keep_alive: Duration,
}

/// An open endpoint.
#[derive(Debug)]
pub struct Links {
    endpoint: Endpoint,
    reach: Reach,
    limits: Limits,
    events: mpsc::Sender<Event>,
    ids: Arc<AtomicU64>,
    room: Arc<Semaphore>,
}

/// How an endpoint gets to others.
#[derive(Debug)]
enum Reach {
    /// By its sockets, and a relay if it has one.
    Own(Option<RelayAccess>),
    /// Inside a session, and in no other way.
    Nested,
}

#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("the link address {0} can't be used: {1}")]
    Address(SocketAddr, String),
    #[error("the link limits are out of range: {0}")]
    Limits(String),
    #[error("a stream window of {asked} bytes is too large; set it to {STREAM_WINDOW_BYTES_MAX} or less")]
    StreamWindow { asked: u32 },
    #[error("no socket for links can be opened: {0}; if the port is taken, choose another")]
    Endpoint(String),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    #[error("too many links are open here; end some sessions first")]
    Full,
    /// With what the transport says, for the log.
    #[error("nobody answers at its addresses; it may be switched off, or have moved")]
    Unreachable(String),
    #[error("nobody answered within {} s; it may be switched off, or a firewall may be in between", CONNECT_WAIT.as_secs())]
    TimedOut,
    #[error("what answers there is not a node of this kind: {0}")]
    Refused(DownReason),
}

impl Default for Limits {
    /// For a node at home: a stream can move 10 MB/s over a round trip of 200 ms.
    fn default() -> Self {
        Self {
            links_max: 1024,
            streams_max: 1024,
            stream_window_bytes: STREAM_WINDOW_BYTES_MAX,
            link_window_bytes: 16 << 20,
            idle_max: Duration::from_secs(30),
            keep_alive: Duration::from_secs(5),
        }
    }
}

impl RelayAccess {
    /// Whether nobody else is spoken to.
    pub(super) fn is_alone(&self) -> bool {
        self.through.is_some_and(|through| through.beside == Beside::Nothing)
    }

    /// By what URL the endpoint itself knows a relay that others know as `url`. `None` for one that it doesn't speak to.
    pub(super) fn as_reached(&self, url: &RelayUrl) -> Option<RelayUrl> {
        match self.through {
            Some(through) if *url == self.url => {
                Some(format!("http://{}", through.port).parse().expect("a socket address makes a URL"))
            }
            Some(Through { beside: Beside::Nothing, .. }) => None,
            _ => Some(url.clone()),
        }
    }
}

impl Links {
    /// Opens the endpoint. Drops of the receiver close all links.
    pub async fn bind(mut config: Config) -> Result<(Self, mpsc::Receiver<Event>), BindError> {
        let limits = config.limits;
        let relay = config.relay.clone();
        if relay.as_ref().is_some_and(RelayAccess::is_alone) {
            config.bind.clear();
        }
        let endpoint = builder(config)?.bind().await.map_err(|error| BindError::Endpoint(format!("{error:#}")))?;
        let (events, receiver) = mpsc::channel(EVENTS_QUEUED_MAX);
        let room = Arc::new(Semaphore::new(limits.links_max.min(Semaphore::MAX_PERMITS)));
        let links = Self { endpoint, reach: Reach::Own(relay), limits, events, ids: Arc::default(), room };
        tokio::spawn(accept(links.endpoint.clone(), links.events.clone(), links.ids.clone(), links.room.clone()));
        Ok((links, receiver))
    }

    /// Another endpoint under a key that is thrown away with it, whose links go inside sessions that carry its [`Passage`], and
    /// nowhere else. It opens links and accepts none. Its events come with those of this one, and its links count among them.
    pub async fn nested(&self, seed: [u8; 32]) -> Result<(Self, Passage), BindError> {
        let (nest, passage) = nested::passage();
        let config = Config { bind: Vec::new(), relay: None, seed, limits: self.limits };
        let builder = builder(config)?.alpns(Vec::new()).add_custom_transport(Arc::new(nest));
        let endpoint = builder.bind().await.map_err(|error| BindError::Endpoint(format!("{error:#}")))?;
        let hearing = endpoint.clone();
        // Whoever carries could begin links in anybody's name, and they would wait for somebody to take them.
        tokio::spawn(async move {
            while let Some(incoming) = hearing.accept().await {
                incoming.ignore();
            }
        });
        let (events, ids, room) = (self.events.clone(), self.ids.clone(), self.room.clone());
        Ok((Self { endpoint, reach: Reach::Nested, limits: self.limits, events, ids, room }, passage))
    }

    pub fn id(&self) -> EndpointId {
        self.endpoint.id()
    }

    /// The addresses of the sockets.
    pub fn bound(&self) -> Vec<SocketAddr> {
        self.endpoint.bound_sockets()
    }

    /// The addresses that this endpoint knows itself by at present: of its interfaces, and those that others see.
    pub fn known_addresses(&self) -> Vec<IpAddr> {
        self.endpoint.addr().ip_addrs().map(|address| address.ip()).collect()
    }

    /// Resolves once the relay has let this endpoint in, so that others can reach it there.
    pub async fn online(&self) {
        self.endpoint.online().await;
    }

    /// The relay by which others reach this endpoint, and whether it has let it in.
    pub fn relay(&self) -> Option<(&RelayUrl, bool)> {
        let is_in = || self.endpoint.home_relay_status().get().iter().any(|status| status.is_connected());
        self.own_relay().map(|relay| (&relay.url, is_in()))
    }

    fn own_relay(&self) -> Option<&RelayAccess> {
        match &self.reach {
            Reach::Own(relay) => relay.as_ref(),
            Reach::Nested => None,
        }
    }

    /// How others reach this endpoint: the addresses known at present and the relay.
    pub fn contact(&self, dialogue: StaticKey) -> Option<LinkContact> {
        self.contact_with(dialogue, &[])
    }

    /// The same with addresses that a person knows of, before all others: a router forwards them.
    pub fn contact_with(&self, dialogue: StaticKey, public: &[SocketAddr]) -> Option<LinkContact> {
        let address = self.endpoint.addr();
        let known = self.bound().into_iter().chain(address.ip_addrs().copied());
        let relay = self.own_relay().map(|relay| relay.url.clone());
        LinkContact::new(self.id(), dialogue, public.iter().copied().chain(known), relay)
    }

    /// Opens a link. The same link is announced as [`Event::Up`] before anything else of it.
    pub async fn connect(&self, contact: &LinkContact) -> Result<Link, ConnectError> {
        let permit = self.room.clone().try_acquire_owned().map_err(|_| ConnectError::Full)?;
        let to = match &self.reach {
            Reach::Own(relay) => contact.to_dial(relay.as_ref()),
            Reach::Nested => contact.to_dial_nested(),
        };
        let connecting = timeout(CONNECT_WAIT, self.endpoint.connect(to, ALPN)).await;
        let connection = connecting.map_err(|_| ConnectError::TimedOut)?;
        let connection = connection.map_err(|error| ConnectError::Unreachable(format!("{error:#}")))?;
        let established = establish(next(&self.ids), connection).await.map_err(ConnectError::Refused)?;
        let link = established.link.clone();
        tokio::spawn(serve(established, self.events.clone(), permit));
        Ok(link)
    }

    /// Closes all links and the sockets, telling the peers.
    pub async fn close(&self) {
        self.endpoint.close().await;
    }
}

fn next(ids: &AtomicU64) -> LinkId {
    LinkId(ids.fetch_add(1, Ordering::Relaxed))
}

fn builder(config: Config) -> Result<Builder, BindError> {
    let resolver = DnsResolver::builder().with_system_defaults().disable_fallback().build();
    let mut builder = Endpoint::builder(presets::Minimal)
        .secret_key(SecretKey::from_bytes(&config.seed))
        .alpns(vec![ALPN.to_vec()])
        .transport_config(transport(&config.limits)?)
        .clear_address_lookup()
        .portmapper_config(PortmapperConfig::Disabled)
        .dns_resolver(resolver)
        .clear_ip_transports();
    for address in config.bind {
        builder = builder.bind_addr(address).map_err(|error| BindError::Address(address, format!("{error:#}")))?;
    }
    // The only probes left are those by which the endpoint finds its own relay.
    let mut probes = NetReportConfig::minimal();
    probes.https_probes = config.relay.is_some();
    builder = builder.net_report_config(probes);
    let Some(relay) = config.relay else { return Ok(builder.relay_mode(RelayMode::Disabled)) };
    let reached = relay.as_reached(&relay.url).unwrap_or_else(|| relay.url.clone());
    let roots = match relay.roots {
        TlsRoots::Public => CaTlsConfig::embedded(),
        TlsRoots::Own(roots) => CaTlsConfig::custom_roots(roots.into_iter().map(Into::into)),
    };
    let map = RelayMap::from(RelayConfig::new(reached, None));
    Ok(builder.relay_mode(RelayMode::Custom(map)).ca_tls_config(roots))
}

fn transport(limits: &Limits) -> Result<QuicTransportConfig, BindError> {
    if limits.stream_window_bytes > STREAM_WINDOW_BYTES_MAX {
        return Err(BindError::StreamWindow { asked: limits.stream_window_bytes });
    }
    let idle = limits.idle_max.try_into().map_err(|_| BindError::Limits("idle_max is too long".to_owned()))?;
    // One more stream than the peer may use for data: the control stream.
    let streams = limits.streams_max.saturating_add(1);
    Ok(QuicTransportConfig::builder()
        .max_concurrent_bidi_streams(VarInt::from_u32(streams))
        // How far the peer has read (`progress`).
        .max_concurrent_uni_streams(VarInt::from_u32(1))
        .stream_receive_window(VarInt::from_u32(limits.stream_window_bytes))
        .receive_window(VarInt::from_u32(limits.link_window_bytes))
        .send_window(u64::from(limits.link_window_bytes))
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(limits.keep_alive)
        .build())
}

/// Accepts links until the endpoint is closed.
async fn accept(endpoint: Endpoint, events: mpsc::Sender<Event>, ids: Arc<AtomicU64>, room: Arc<Semaphore>) {
    let mut handshakes = JoinSet::new();
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            _ = events.closed() => None,
            Some(_) = handshakes.join_next() => continue,
        };
        let Some(incoming) = incoming else { break };
        let permit = room.clone().try_acquire_owned();
        match permit {
            Ok(permit) if handshakes.len() < HANDSHAKES_MAX => {
                handshakes.spawn(welcome(incoming, events.clone(), next(&ids), permit));
            }
            _ => incoming.refuse(),
        }
    }
    endpoint.close().await;
}

async fn welcome(incoming: Incoming, events: mpsc::Sender<Event>, id: LinkId, permit: OwnedSemaphorePermit) {
    // Whatever fails up to here was sent by whoever can reach the port, and says nothing about this side.
    let Ok(accepting) = incoming.accept() else { return };
    let Ok(Ok(connection)) = timeout(CONNECT_WAIT, accepting).await else { return };
    match establish(id, connection).await {
        Ok(established) => drop(tokio::spawn(serve(established, events, permit))),
        Err(reason) => tracing::debug!(link = id.0, %reason, "link not established"),
    }
}

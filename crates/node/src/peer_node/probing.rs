//! Probes (row A2): now and then an ordinary session with a provider that this node knows little of, to measure it.
//!
//! A provider has nothing to tell a probe by. It is a session of this node's only identity, at a random time, opened and paid for as all are,
//! and what is fetched is a page that the user names, through a proxy port as any program would. What comes of it is measured where
//! everything is ([`quality`](super::quality)).
//!
//! None unless the user wants them, since they cost money; each at most what the user says, all within the limit of the day.

use std::net::Ipv4Addr;
use std::time::Duration;

use byway_driver::entropy;
use byway_primitives::{Amount, AssetId, Span, Time};
use byway_records::OfferId;
use byway_records::offer::{Service, Unit};
use byway_records::state::PublishedOffer;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::opened::Listening;
use super::ways::{Connection, Way, WayId};
use super::{Actor, Arrival};
use crate::api::{ConnectTarget, OfferFilter};
use crate::fetch::{self, Route, Url};

/// How much of a page is read: enough to see how fast a line is.
const READ_MAX: u64 = 4 << 20;
/// How long a probe may take.
const PROBE_WAIT: Duration = Duration::from_secs(60);
/// Of so many drawn at random the one is probed of which least is known.
const DRAWN: usize = 8;

/// What the user wants of probes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeConfig {
    pub per_day: u32,
    /// The most that one may cost.
    pub cost_max: Amount,
    /// Pages of which one is fetched, at random; none: only whether there is a session, and how soon.
    pub urls: Vec<Url>,
}

/// Probes under way and to come.
#[derive(Default)]
pub(super) struct Probing {
    /// Drawn when the one before is over.
    next: Option<Time>,
    running: Option<Probe>,
}

struct Probe {
    way: WayId,
    _listening: Listening,
}

impl Actor {
    /// Begins a probe when its time has come.
    pub(super) fn tend_probes(&mut self) {
        let Some(config) = self.config.quality.probes.clone() else { return };
        let now = self.clock.now();
        let mean = Span(Span::days(1).0 / u64::from(config.per_day.max(1)));
        let next = *self.probing.next.get_or_insert_with(|| now + Span(entropy::number() % (2 * mean.0 + 1)));
        if now < next || self.probing.running.is_some() {
            return;
        }
        self.probing.next = None;
        // Around a tunnel everything goes through that, and a user who disconnects means all of it.
        let is_off = matches!(self.ways.main.connection, Connection::Disconnected { .. });
        // What fails for want of money says nothing of a provider.
        let can_pay = self.balance().account >= config.cost_max;
        if self.tunnelling.is_closed || is_off || !can_pay || self.day_over().is_some() || self.stopping.is_some() {
            return;
        }
        if let Some(offer) = self.offer_to_probe(&config) {
            self.begin_probe(&config, offer);
        }
    }

    /// An offer at random, that of the provider of which least is known among a few.
    fn offer_to_probe(&self, config: &ProbeConfig) -> Option<OfferId> {
        let (me, clock, score) = (self.me(), self.ledger_clock(), self.score_of(self.me()));
        let price_max = self.config.buying.max_price.unwrap_or(Amount::MAX).min(config.cost_max);
        let fits = |published: &&PublishedOffer| {
            let offer = &published.offer.offer;
            let price = offer.price(Unit::Mb, AssetId::WAY, score);
            offer.provider != me
                && !published.expires.passed(clock.time, clock.commits)
                && price.is_some_and(|price| price <= price_max)
        };
        let all: Vec<&PublishedOffer> = self.index.of_service(Service::SOCKS).filter(fits).collect();
        let drawn = (0..DRAWN).filter_map(|_| all.get(entropy::number() as usize % all.len().max(1)));
        let least = drawn.min_by_key(|published| {
            let known = self.quality_view(&published.offer.offer);
            known.map_or(0, |known| known.own_sessions)
        });
        least.map(|published| published.id())
    }

    fn begin_probe(&mut self, config: &ProbeConfig, offer_id: OfferId) {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.and_then(|listener| {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        });
        let Ok(listener) = listener else { return };
        let Ok(proxy) = listener.local_addr() else { return };
        // What takes the place of an exit that failed is not what was to be measured.
        let nothing_else = OfferFilter { max_price: Some(Amount::ZERO), ..OfferFilter::default() };
        let way = Way { cost_max: Some(config.cost_max), ..Way::new(self.clock.now(), nothing_else, Vec::new(), None) };
        let way = self.ways.open(way);
        let Ok(listening) = self.serve_port(listener, way) else { return self.close_way(way) };
        self.probing.running = Some(Probe { way, _listening: listening });
        tracing::info!(offer = %offer_id, "measuring an exit");
        let (answer, connected) = oneshot::channel();
        self.connect(way, ConnectTarget::Offer { offer_id, unit: Some(Unit::Mb.into()) }, answer);
        let url = config.urls.get(entropy::number() as usize % config.urls.len().max(1)).cloned();
        let arrive = self.arrive.clone();
        tokio::spawn(async move {
            let probed = timeout(PROBE_WAIT, async {
                if let (Ok(Ok(_)), Some(url)) = (connected.await, url) {
                    read(&proxy.to_string(), &url).await;
                }
            });
            // However far it came, it is over.
            let _ = probed.await;
            let _ = arrive.send(Arrival::Probed(way)).await;
        });
    }

    pub(super) fn probed(&mut self, way: WayId) {
        self.probing.running.take_if(|probe| probe.way == way);
        self.close_way(way);
    }
}

/// Reads a page by a proxy. What is wrong with it is the page's matter: that its exit brought it is seen in the session.
async fn read(proxy: &str, url: &Url) {
    let Ok(route) = Route::new(proxy, None) else { return };
    let mut left = READ_MAX;
    let fetched = fetch::fetch_to_sink(&route, url, |block| {
        left = left.checked_sub(block.len() as u64).ok_or_else(|| std::io::Error::other("enough was read"))?;
        Ok(())
    });
    if let Err(error) = fetched.await {
        tracing::debug!(%error, "a probe's page");
    }
}

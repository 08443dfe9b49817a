//! `byway bench connect`: how long a user waits for a way out, with a long line between.
//!
//! ```text
//! user's node ── line ═══ so many milliseconds each way ═══ line ── provider's node, kernel
//!  └────── namespace ──────┘                   └──────── namespace ────────┘
//! ```
//!
//! Both ends of the line are processes that carry each packet between an interface in their namespace and the other's, and let
//! it wait on the way. Everything else is real. What is timed is the call `connect`, until the session is open and its
//! data channel there: to a proxy, and to a tunnel; *cold*, with no link to the provider, and *warm*, with a
//! dialogue from before. The user's node is started anew for each cold one.

mod line;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use byway_records::Genesis;
use byway_records::offer::Service;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::timeout;

use super::market::{self, failed, peer, prepare, selling};
use super::network::Seats;
use super::percentile;
use super::process::{Process, READY_WAIT, ip, say_ready, until_told};
use crate::api::{ConnectTarget, NodeApi, OfferFilter, OfferList, Role as ApiRole};
use crate::peer_node::PeerNode;
use crate::{genesis, kernel_node};

const KERNEL_NODES: usize = 4;
const USER: Ipv4Addr = Ipv4Addr::new(10, 92, 0, 1);
const PROVIDER: Ipv4Addr = Ipv4Addr::new(10, 92, 0, 2);
/// What row A10's users may wait, at the 95th percentile.
const LIMIT_MS: f64 = 500.0;
/// How long the kernel and the provider may take over a long line, and the user to see the provider's offers.
const MARKET_WAIT: Duration = Duration::from_secs(120);
/// More than any connection takes that is not lost.
const CONNECT_WAIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
const NETWORK_FILE: &str = "network.json";

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Connections of each kind.
    pub samples: u32,
    /// How long each packet is on its way.
    pub one_way: Duration,
}

/// Milliseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Waits {
    pub p50_ms: f64,
    pub p95_ms: f64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Report {
    pub one_way_ms: u64,
    pub samples: u32,
    pub proxy_cold: Waits,
    pub proxy_warm: Waits,
    pub tunnel_cold: Waits,
    pub tunnel_warm: Waits,
    pub limit_ms: f64,
}

/// What a process of the benchmark does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    NearLine,
    FarLine,
    Provider,
    User,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::NearLine => "near-line",
            Self::FarLine => "far-line",
            Self::Provider => "provider",
            Self::User => "user",
        }
    }

    fn namespace(self) -> String {
        let side = if matches!(self, Self::NearLine | Self::User) { "near" } else { "far" };
        format!("byway-bench-{}-{side}", std::process::id())
    }
}

/// Runs the benchmark with the nodes' state under `folder`.
pub async fn run(load: Load, folder: &Path) -> anyhow::Result<Report> {
    ensure!(load.samples > 0, "nothing to measure: --samples must be above zero");
    let namespaces = Namespaces::create().await?;
    let start = async |role, wait| Process::start(command(role, load, folder)?, role.name(), wait).await;
    let far = start(Role::FarLine, READY_WAIT).await?;
    let near = start(Role::NearLine, READY_WAIT).await?;
    let provider = start(Role::Provider, MARKET_WAIT).await?;
    let mut user = start(Role::User, MARKET_WAIT).await?;
    let found = user.line(CONNECT_WAIT * load.samples.saturating_mul(4)).await?;
    for process in [user, provider, near, far] {
        process.stop().await?;
    }
    drop(namespaces);
    serde_json::from_str(&found).with_context(|| format!("the user said \"{found}\""))
}

fn command(role: Role, load: Load, folder: &Path) -> anyhow::Result<Command> {
    let program = std::env::current_exe().context("this program's own file can't be found")?;
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &role.namespace()]).arg(program);
    command.args(["bench", "connect", "--role", role.name(), "--samples", &load.samples.to_string()]);
    command.args(["--one-way-ms", &load.one_way.as_millis().to_string(), "--folder"]).arg(folder);
    Ok(command)
}

/// Plays a role in this process's own namespace until its input ends.
pub async fn play(role: Role, load: Load, folder: PathBuf) -> anyhow::Result<()> {
    match role {
        Role::NearLine => line::carry(USER, load.one_way, &folder.join("near"), &folder.join("far")).await,
        Role::FarLine => line::carry(PROVIDER, load.one_way, &folder.join("far"), &folder.join("near")).await,
        Role::Provider => provide(&folder).await,
        Role::User => use_it(load, &folder).await,
    }
}

/// The kernel and the provider, until told to end.
async fn provide(folder: &Path) -> anyhow::Result<()> {
    let mut seats = Seats::take_at(PROVIDER.into(), KERNEL_NODES).await?;
    let genesis = Arc::new(market::genesis(&seats)?);
    genesis::save(&genesis, &folder.join(NETWORK_FILE))?;
    let kernels = seats.start(&genesis, folder).await?;
    let mut config = peer("provider", ApiRole::Provider, &genesis, folder)?;
    config.selling = Some(selling([Service::SOCKS, Service::TUNNEL].into())?);
    config.link_bind = vec![(PROVIDER, 0).into()];
    let provider = PeerNode::start(config, None).await?;
    say_ready();
    until_told().await?;
    provider.stop().await;
    futures::future::join_all(kernels.iter().map(kernel_node::KernelNode::stop)).await;
    Ok(())
}

/// The user, who connects again and again and says how long it took.
async fn use_it(load: Load, folder: &Path) -> anyhow::Result<()> {
    let genesis = Arc::new(genesis::load(&folder.join(NETWORK_FILE))?);
    let user = User { genesis, folder: folder.to_owned() };
    let node = user.start().await?;
    prepare(&node).await?;
    node.stop().await;
    say_ready();
    let (proxy_cold, proxy_warm) = user.connections(Service::SOCKS, load.samples).await?;
    let (tunnel_cold, tunnel_warm) = user.connections(Service::TUNNEL, load.samples).await?;
    let report = Report {
        one_way_ms: load.one_way.as_millis() as u64,
        samples: load.samples,
        proxy_cold,
        proxy_warm,
        tunnel_cold,
        tunnel_warm,
        limit_ms: LIMIT_MS,
    };
    println!("{}", serde_json::to_string(&report)?);
    until_told().await
}

struct User {
    genesis: Arc<Genesis>,
    folder: PathBuf,
}

impl User {
    async fn start(&self) -> anyhow::Result<PeerNode> {
        let mut config = peer("user", ApiRole::User, &self.genesis, &self.folder)?;
        config.link_bind = vec![(USER, 0).into()];
        Ok(PeerNode::start(config, None).await?)
    }

    /// Connects so often to a service, cold and warm.
    async fn connections(&self, service: Service, samples: u32) -> anyhow::Result<(Waits, Waits)> {
        let filter = OfferFilter { service: Some(service), ..OfferFilter::default() };
        let (mut cold, mut warm) = (Vec::new(), Vec::new());
        for _ in 0..samples {
            let node = self.start().await?;
            timeout(MARKET_WAIT, sees_offer(&node, &filter)).await.context("the user sees no offer")??;
            cold.push(connect(&node, &filter).await?);
            warm.push(connect(&node, &filter).await?);
            node.stop().await;
        }
        Ok((waits(cold), waits(warm)))
    }
}

async fn sees_offer(node: &PeerNode, filter: &OfferFilter) -> anyhow::Result<()> {
    let request = OfferList { filter: filter.clone(), limit: 1 };
    while node.offer_list(request.clone()).await.map_err(failed)?.is_empty() {
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// Milliseconds until there is a way out; it is left again.
async fn connect(node: &PeerNode, filter: &OfferFilter) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let connecting = node.connect(ConnectTarget::Cheapest(filter.clone()).into());
    timeout(CONNECT_WAIT, connecting).await.context("connecting takes too long")?.map_err(failed)?;
    let waited = begun.elapsed();
    node.disconnect().await.map_err(failed)?;
    Ok(waited.as_secs_f64() * 1000.0)
}

fn waits(mut samples: Vec<f64>) -> Waits {
    samples.sort_unstable_by(f64::total_cmp);
    Waits { p50_ms: percentile(&samples, 50), p95_ms: percentile(&samples, 95) }
}

/// The two namespaces of one run, deleted with it.
struct Namespaces;

impl Namespaces {
    async fn create() -> anyhow::Result<Self> {
        let rights = "`byway bench connect` makes network namespaces, so it takes root's rights and `ip` (iproute2)";
        // Made first, so that what there is of it is deleted if the rest fails.
        let namespaces = Self;
        for role in [Role::User, Role::Provider] {
            ip(&["netns", "add", &role.namespace()]).await.context(rights)?;
            ip(&["-n", &role.namespace(), "link", "set", "lo", "up"]).await.context(rights)?;
        }
        Ok(namespaces)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for role in [Role::User, Role::Provider] {
            // What isn't there needn't be deleted.
            let _ = std::process::Command::new("ip").args(["netns", "del", &role.namespace()]).output();
        }
    }
}

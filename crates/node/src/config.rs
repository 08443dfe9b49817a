//! Configuration: one TOML file, one struct per component, checked when it is loaded.
//!
//! `config.example.toml` at the root of the source shows every key. Keys that don't exist are refused, so that a typing
//! error can't switch something off unnoticed. Relative paths count from the folder of the file. Consensus parameters
//! are not here: they are part of a network's genesis file.

mod backup;
mod buying;
mod channels;
mod chat;
mod forwarding;
mod hold;
mod hub;
mod kernel;
mod ledger;
mod link;
mod log;
mod plugged;
mod provider;
mod proxy;
mod quality;
mod score;
mod system;
mod tunnel;
mod watch;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use byway_access::exit_policy::Destination;
use byway_primitives::Amount;
use byway_records::offer::{Country, Service};
use serde::Deserialize;

use crate::peer_node::BetterPrice;
use system::System;

pub use backup::BackupConfig;
pub use buying::BuyingConfig;
pub use channels::ChannelsConfig;
pub use chat::ChatConfig;
pub use forwarding::ForwardingConfig;
pub use hold::HoldConfig;
pub use hub::{HubConfig, forced_price};
pub use kernel::{KeepEpochs, KernelConfig, KernelRpcAccess, KernelRpcConfig, MetricsConfig};
pub use ledger::{KernelAddress, LedgerConfig};
pub use link::{DisguiseChoice, FrontConfig, LinkConfig, RelayConfig, RelayText};
pub use log::{LogConfig, LogTarget};
pub use plugged::PluggedConfig;
pub use proxy::{ProxyConfig, ProxyPortConfig};
pub use quality::QualityConfig;
pub use score::{ScoreConfig, TrialConfig};
pub use tunnel::{ASKS_ITSELF, ProgramsInside, TunnelConfig};
pub use watch::WatchConfig;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Browses, and sells if there is a `[provider]` section.
    Peer,
    /// One of the nodes that order and execute transactions.
    Kernel,
    /// Lets peers that can't reach each other meet.
    Relay,
}

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub role: Role,
    /// The node's directory; `--dir` overrides it.
    pub dir: Option<PathBuf>,
    /// The genesis file. A relay needs none.
    pub network: Option<PathBuf>,
    #[serde(default)]
    pub ledger: LedgerConfig,
    pub kernel: Option<KernelConfig>,
    #[serde(default)]
    pub link: LinkConfig,
    #[serde(default)]
    pub proxy: ProxyConfig,
    #[serde(default)]
    pub rpc: RpcConfig,
    #[serde(default)]
    pub page: PageConfig,
    #[serde(default)]
    pub buying: BuyingConfig,
    #[serde(default)]
    pub channels: ChannelsConfig,
    #[serde(default)]
    pub chat: ChatConfig,
    /// Whether, and on what terms, it sends payments on (row C4).
    pub hub: Option<HubConfig>,
    #[serde(default)]
    pub watch: WatchConfig,
    #[serde(default)]
    pub hold: HoldConfig,
    #[serde(default)]
    pub quality: QualityConfig,
    #[serde(default)]
    pub tunnel: TunnelConfig,
    #[serde(default)]
    pub spending: SpendingConfig,
    pub provider: Option<ProviderConfig>,
    /// Where a peer shows figures to Prometheus; nowhere when left out. A kernel node has `[kernel.metrics]`.
    pub metrics: Option<MetricsConfig>,
    /// Where a peer's books of payment are exported to by themselves (row A4).
    pub backup: Option<BackupConfig>,
    pub relay: Option<RelayConfig>,
    #[serde(default)]
    pub log: LogConfig,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RpcConfig {
    pub enabled: bool,
    pub listen: SocketAddr,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PageConfig {
    pub enabled: bool,
    pub listen: SocketAddr,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpendingConfig {
    pub session_max: Option<Amount>,
    pub day_max: Option<Amount>,
}

/// What this node sells.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    #[serde(default = "socks")]
    pub services: Vec<Service>,
    pub country: Country,
    pub asn: u32,
    /// `country` and `asn` when left out.
    pub exit_country: Option<Country>,
    pub exit_asn: Option<u32>,
    /// One of the two, or both: then clients choose what they pay for.
    pub price_per_mb: Option<Amount>,
    pub price_per_second: Option<Amount>,
    /// Per session.
    pub bandwidth_bps: u64,
    /// Addresses that the exit may reach although the default policy denies them, and what is let off `exit_deny`.
    #[serde(default)]
    pub exit_allow: Vec<Destination>,
    /// Addresses, ports and domains that it doesn't go to.
    #[serde(default)]
    pub exit_deny: Vec<Destination>,
    /// Bytes in a calendar month (UTC), both ways together; as many as come when left out.
    pub month_max_bytes: Option<u64>,
    /// Clients with a session at one time.
    pub clients_max: Option<usize>,
    /// Bits per second each way, of all clients together.
    pub rate_max_bps: Option<u64>,
    /// Bits per second each way, of each client.
    pub client_rate_max_bps: Option<u64>,
    /// UDP socket of the tunnel's WireGuard. It stays the same over restarts, since clients were told of it.
    #[serde(default = "tunnel::tunnel_listen")]
    pub tunnel_listen: SocketAddr,
    /// UDP socket where tunnels in slices are heard (row A12).
    #[serde(default = "tunnel::slices_listen")]
    pub slices_listen: SocketAddr,
    /// UDP socket of relaying, where that is sold (row A12).
    #[serde(default = "tunnel::relay_listen")]
    pub relay_listen: SocketAddr,
    /// The interfaces towards the internet; that of the default route when left out.
    #[serde(default)]
    pub tunnel_uplinks: Vec<String>,
    /// The most that a client may owe without it being settled; half the registration pledge when left out (row A6).
    pub exposure_max: Option<Amount>,
    /// No credit below this reputation, 0 to 1000 (row A6).
    #[serde(default)]
    pub min_reputation: u16,
    /// Other prices for clients of a higher reputation; at most 15.
    #[serde(default)]
    pub better_prices: Vec<BetterPrice>,
    /// Free bytes for whoever has something in its account; none when left out.
    pub trial: Option<TrialConfig>,
    /// Whether other providers are asked what a client has promised them.
    #[serde(default = "yes")]
    pub ask_others: bool,
    /// What counts how much in a client's reputation.
    #[serde(default)]
    pub score: ScoreConfig,
    /// Ports of this machine that clients may have; none when left out (row A11).
    pub forwarding: Option<ForwardingConfig>,
    /// Services that programs of your own provide.
    #[serde(default)]
    pub plugged: Vec<PluggedConfig>,
}

/// What is wrong with a configuration file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration {path} can't be read: {source}; `config.example.toml` is one to start from")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is not a valid configuration. {error}`config.example.toml` shows every key.")]
    Syntax { path: PathBuf, error: toml::de::Error },
    #[error("{path}: `{key}` = {value} can't be used: {why}; {remedy}")]
    Value { path: PathBuf, key: &'static str, value: String, why: &'static str, remedy: &'static str },
}

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let config = Self::parse(&text, path)?;
        config.check_system(System::HERE).map_err(|problem| problem.in_file(path))?;
        Ok(config)
    }

    /// As [`load`](Self::load) for a text that was read from `path`, on whatever operating system.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut config: Config =
            toml::from_str(text).map_err(|error| ConfigError::Syntax { path: path.to_owned(), error })?;
        config.check().map_err(|problem| problem.in_file(path))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for file in [&mut config.dir, &mut config.network].into_iter().flatten() {
            *file = folder.join(&*file);
        }
        if let Some(copies) = &mut config.channels.copies {
            *copies = folder.join(&*copies);
        }
        if let Some(backup) = &mut config.backup {
            backup.file = folder.join(&backup.file);
        }
        if let Some(front) = config.relay.as_mut().and_then(|relay| relay.front.as_mut()) {
            front.place(folder);
        }
        let plugged = config.provider.iter_mut().flat_map(|provider| &mut provider.plugged);
        plugged.for_each(|plugged| plugged.resolve(folder));
        Ok(config)
    }

    fn check(&self) -> Result<(), Problem> {
        self.check_role()?;
        self.check_sockets()?;
        if let Some(provider) = &self.provider {
            provider.check()?;
        }
        if self.tunnel.shape().is_err() {
            let why = "packets are cut into 1 to 8 slices, one for each relay, of which 1 to all are needed";
            return Err(problem(
                "tunnel.needed",
                format!("{:?}", self.tunnel.needed),
                why,
                "write 2 of 3, to begin with",
            ));
        }
        if self.buying.min_bandwidth_bps == Some(0) {
            return Err(problem("buying.min_bandwidth_bps", 0, "no offer is that slow", "leave it out"));
        }
        self.buying.check_prices()?;
        self.buying.check_via()?;
        self.channels.check()?;
        self.chat.check()?;
        self.watch.check()?;
        self.hold.check()?;
        self.hub.as_ref().map_or(Ok(()), HubConfig::check)?;
        self.link.check()?;
        self.quality.check()?;
        self.tunnel.check()?;
        if crate::logs::filter(&self.log.level).is_none() {
            return Err(problem("log.level", &self.log.level, "it is no level", "write info or debug"));
        }
        Ok(())
    }

    fn check_role(&self) -> Result<(), Problem> {
        let kernel = self.kernel.is_some();
        let (key, why, remedy) = match self.role {
            Role::Kernel if !kernel => ("kernel", "a kernel node needs to know where to listen", "add [kernel]"),
            Role::Peer | Role::Relay if kernel => {
                ("kernel", "only a kernel node has this section", "remove it or set role = \"kernel\"")
            }
            Role::Relay if self.relay.is_none() => ("relay", "a relay needs to know where to listen", "add [relay]"),
            Role::Peer | Role::Kernel if self.relay.is_some() => {
                ("relay", "only a relay has this section", "remove it or set role = \"relay\"")
            }
            Role::Kernel | Role::Relay if self.backup.is_some() => (
                "backup",
                "only a peer has books to export",
                "remove the section; `byway kernel backup` copies kernel nodes",
            ),
            Role::Kernel | Role::Relay if self.provider.is_some() => {
                ("provider", "only a peer sells", "remove the section or set role = \"peer\"")
            }
            Role::Peer | Role::Kernel if self.network.is_none() => {
                ("network", "the node must know its network", "set it to the genesis file")
            }
            _ => return Ok(()),
        };
        let is_there = [
            ("kernel", kernel),
            ("relay", self.relay.is_some()),
            ("provider", self.provider.is_some()),
            ("backup", self.backup.is_some()),
        ];
        let is_there = is_there.contains(&(key, true));
        Err(problem(key, if is_there { "(present)" } else { "(missing)" }, why, remedy))
    }

    fn check_sockets(&self) -> Result<(), Problem> {
        if self.role == Role::Relay {
            return Ok(());
        }
        if let Some(kernel) = &self.kernel {
            return kernel.check();
        }
        const UNUSED: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
        const EXPOSED: &str = "whoever reaches it can spend this node's money";
        let ports = self.proxy.ports.iter().map(|port| ("proxy.port.listen", true, port.listen));
        let local: Vec<(&str, bool, SocketAddr)> = [
            ("proxy.listen", self.proxy.enabled, self.proxy.listen),
            ("rpc.listen", self.rpc.enabled, self.rpc.listen),
            ("page.listen", self.page.enabled, self.page.listen),
            // What a node does and what it holds is nobody else's business.
            ("metrics.listen", self.metrics.is_some(), self.metrics.as_ref().map_or(UNUSED, |metrics| metrics.listen)),
        ]
        .into_iter()
        .chain(ports)
        .collect();
        if let Some(port) = self.proxy.ports.iter().find(|port| port.listen.port() == 0) {
            let why = "programs are told which port leads where, so that it has to stay the same";
            return Err(problem("proxy.port.listen", port.listen, why, "choose a port, such as 127.0.0.1:1081"));
        }
        for (index, (key, enabled, address)) in local.iter().enumerate() {
            if *enabled && !address.ip().is_loopback() {
                return Err(problem(key, address, EXPOSED, "use 127.0.0.1"));
            }
            let is_same = |(_, other_enabled, other): &(_, bool, SocketAddr)| *other_enabled && other == address;
            if *enabled && address.port() != 0 && local[..index].iter().any(is_same) {
                return Err(problem(key, address, "another section listens there", "choose another port"));
            }
        }
        Ok(())
    }
}

impl ProviderConfig {
    fn check(&self) -> Result<(), Problem> {
        let is_unknown = |service: &&Service| !SOLD.contains(service);
        if let Some(service) = self.services.iter().find(is_unknown) {
            let why = "this version can't provide it";
            return Err(problem(
                "provider.services",
                service,
                why,
                "write \"socks\", \"tunnel\", \"relay\" or several",
            ));
        }
        self.plugged.iter().try_for_each(PluggedConfig::check)?;
        let mut names: Vec<&str> = self.plugged.iter().map(|plugged| plugged.service.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|two| two[0] == two[1]) {
            return Err(problem("provider.plugged.service", twice[0], "it is there twice", "remove one of them"));
        }
        if self.services.is_empty() && self.plugged.is_empty() {
            let remedy = "remove the section, or leave `services` out to sell socks";
            return Err(problem("provider.services", "[]", "nothing would be sold", remedy));
        }
        if self.bandwidth_bps == 0 {
            let why = "an offer without bandwidth is worth nothing";
            return Err(problem("provider.bandwidth_bps", 0, why, "write bits per second, such as 100000000"));
        }
        self.check_prices()?;
        self.check_lists()?;
        self.forwarding.as_ref().map_or(Ok(()), ForwardingConfig::check)?;
        self.check_caps()
    }
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self { enabled: true, listen: SocketAddr::from(([127, 0, 0, 1], 7071)) }
    }
}

impl Default for PageConfig {
    fn default() -> Self {
        Self { enabled: true, listen: SocketAddr::from(([127, 0, 0, 1], 7070)) }
    }
}

/// What a node can sell.
const SOLD: [Service; 3] = [Service::SOCKS, Service::TUNNEL, Service::RELAY];

fn yes() -> bool {
    true
}

fn socks() -> Vec<Service> {
    vec![Service::SOCKS]
}

struct Problem {
    key: &'static str,
    value: String,
    why: &'static str,
    remedy: &'static str,
}

impl Problem {
    fn in_file(self, path: &Path) -> ConfigError {
        let Self { key, value, why, remedy } = self;
        ConfigError::Value { path: path.to_owned(), key, value, why, remedy }
    }
}

fn problem(key: &'static str, value: impl fmt::Display, why: &'static str, remedy: &'static str) -> Problem {
    Problem { key, value: value.to_string(), why, remedy }
}

#[cfg(test)]
mod tests;

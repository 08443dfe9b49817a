//! A market node as a program: with local API, page and proxy.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use byway_access::CreditPolicy;
use byway_access::credit::Trial;
use byway_channel::guarantee::VIRTUAL_LOCK_MIN;
use byway_primitives::hash::Context as HashContext;
use byway_primitives::{Amount, Span};
use byway_records::Genesis;
use byway_records::offer::{Location, Service};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{open_keystore, told_to_stop};
use crate::api::{OfferFilter, Role as ApiRole};
use crate::cli::{Globals, Outcome};
use crate::config::{
    BackupConfig, BuyingConfig, Config, ForwardingConfig, HubConfig, LinkConfig, MetricsConfig, PluggedConfig,
    ProviderConfig, ProxyPortConfig, RelayText, TunnelConfig,
};
use crate::directory::{Directory, RunFile};
use crate::keystore::Keystore;
use crate::peer_node::{
    Judging, KnownIdentity, PeerNode, PeerNodeConfig, RelaySettings, SellingConfig, SpendingConfig, TunnelSelling,
};
use crate::phone::DoorState;
use crate::phone::door::{self, Patience};
use crate::ports::{self, PortChoice, Ports, Purpose};
use crate::rpc::{Settings, Token};
use crate::{claims, genesis, metrics, page, rpc};

const LINK_SEED: HashContext = HashContext("byway 1 derive: link endpoint");
/// The most that is promised ahead to one provider: at usual prices some seconds of a fast line.
const AHEAD_MAX: Amount = Amount::from_units(byway_primitives::amount::ONE / 50);

/// Sockets that people and programs on this machine use.
#[derive(Default)]
pub(super) struct Front {
    pub proxy: Option<TcpListener>,
    pub rpc: Option<TcpListener>,
    pub page: Option<TcpListener>,
    pub phone: Option<TcpListener>,
    /// What became of that.
    pub phone_door: DoorState,
}

/// A market node and its servers.
pub(super) struct Hosted {
    pub node: PeerNode,
    pub run: RunFile,
    stop: watch::Sender<bool>,
    servers: Vec<tokio::task::JoinHandle<std::io::Result<()>>>,
}

pub(super) async fn run(
    globals: &Globals,
    config: &Config,
    directory: &Directory,
    choice: PortChoice,
) -> anyhow::Result<Outcome> {
    let _lock = directory.lock()?;
    let keystore = open_keystore(globals, directory)?;
    let network = config.network.as_ref().context("the configuration names no network file")?;
    let genesis = Arc::new(genesis::load(network)?);
    let mut ports = Ports::load(directory, choice)?;
    let front = Front::bind(config, &mut ports).await?;
    let door_state = front.phone_door;
    let hosted = Hosted::start(settings(config, &keystore, genesis, directory)?, directory, front).await?;
    let hosted = hosted.with_metrics(config.metrics.as_ref()).await?;
    directory.write_run_file(&hosted.run)?;
    match door_state {
        DoorState::Off => {}
        DoorState::NoAddress => {
            println!("phones: no private address in a local network; see [phone] in the configuration")
        }
        DoorState::Open(address) => println!("phones https://{address} (`byway phone link`)"),
    }
    println!("ready: proxy {}, page http://{}, api {}", hosted.run.proxy, hosted.run.web, hosted.run.rpc);
    let ended = tokio::select! {
        ended = hosted.node.ended() => ended.context("the node has stopped"),
        () = told_to_stop() => Ok(()),
    };
    hosted.stop().await;
    directory.remove_run_file()?;
    ended.map(|()| Outcome::Done)
}

/// The settings of the node that a configuration describes.
///
/// # Errors
/// The keystore has no identity for what the node does, or a value of the configuration can't be used.
pub fn settings(
    config: &Config,
    keystore: &Keystore,
    genesis: Arc<Genesis>,
    directory: &Directory,
) -> anyhow::Result<PeerNodeConfig> {
    let mut settings = node_config(keystore, genesis, directory, config.provider.is_some())?;
    settings.link_bind = vec![ports::link_address(directory, config.link.listen)?];
    settings.link_public.clone_from(&config.link.public);
    settings.relay = relay(&config.link)?;
    settings.selling = config.provider.as_ref().map(selling);
    settings.buying = buying(&config.buying);
    settings.via.clone_from(&config.buying.via);
    settings.pay = config.buying.pay.unwrap_or_default();
    settings.proxy_ports = config.proxy.ports.iter().map(ProxyPortConfig::port).collect();
    settings.outside_tunnel = config.tunnel.clone();
    settings.quality = config.quality.settings();
    settings.exports = config.backup.as_ref().map(BackupConfig::settings);
    settings.trusted = config.ledger.checkpoint;
    let elsewhere = config.ledger.addresses.iter();
    settings.kernel_addresses = elsewhere.map(|at| (at.name.clone(), at.address.clone())).collect();
    settings.channels = config.channels.settings();
    settings.chat_name.clone_from(&config.chat.name);
    settings.chat = config.chat.settings();
    settings.copies.clone_from(&config.channels.copies);
    settings.watching = config.watch.accept.then(|| config.watch.terms());
    settings.holding = config.hold.accept.then(|| config.hold.terms());
    let prices = &settings.genesis.parameters.call_prices;
    settings.hub = config.hub.as_ref().map(|hub| hub.terms(prices));
    settings.rebalance_per_million = config.hub.as_ref().and_then(|hub| hub.rebalance_per_million);
    settings.guaranteeing = config.hub.as_ref().filter(|hub| hub.guarantee).map(HubConfig::guarantee_terms);
    if let Some(hub) = &config.hub {
        settings.guarantee_lock_min = Span::seconds(hub.guarantee_lock_min_seconds);
    }
    settings.listed.extend(config.hold.publish.then_some(Service::HOLD));
    settings.listed.extend(config.watch.publish.then_some(Service::WATCH));
    settings.listed.extend(config.hub.as_ref().is_some_and(|hub| hub.publish).then_some(Service::HUB));
    settings.limits.session_max = config.spending.session_max;
    settings.limits.day_max = config.spending.day_max;
    Ok(settings)
}

/// The settings of a node that neither sells nor is reached by others, from its keystore.
pub(super) fn node_config(
    keystore: &Keystore,
    genesis: Arc<Genesis>,
    directory: &Directory,
    sells: bool,
) -> anyhow::Result<PeerNodeConfig> {
    let identity = keystore.working(sells).context("the keystore has no identity for this; `byway identity new`")?;
    let dialogue_secret = keystore.dialogue_static(identity);
    Ok(PeerNodeConfig {
        genesis,
        role: if sells { ApiRole::Provider } else { ApiRole::User },
        name: identity.name.clone(),
        identities: identities(keystore),
        identity: keystore.secret(identity),
        signer: None,
        owner: keystore.kernel_owner(),
        link_seed: LINK_SEED.hash(&[&*dialogue_secret]).0,
        dialogue_secret,
        wallet: keystore.wallet(),
        directory: directory.store_folder(),
        root: directory.root().to_owned(),
        proxy_address: String::new(),
        phone_door: DoorState::Off,
        link_bind: Vec::new(),
        link_public: Vec::new(),
        relay: None,
        trusted: None,
        kernel_addresses: BTreeMap::new(),
        claims: claims::load(directory)?,
        buying: OfferFilter::default(),
        via: Vec::new(),
        pay: Default::default(),
        proxy_ports: Vec::new(),
        outside_tunnel: TunnelConfig::default(),
        quality: Default::default(),
        selling: None,
        channels: Default::default(),
        chat_name: String::new(),
        chat: Default::default(),
        watching: None,
        holding: None,
        hub: None,
        guaranteeing: None,
        guarantee_lock_min: VIRTUAL_LOCK_MIN,
        listed: BTreeSet::new(),
        rebalance_per_million: None,
        limits: SpendingConfig {
            session_max: None,
            day_max: None,
            allowed: Default::default(),
            yesterday: Default::default(),
            ended: Default::default(),
            ahead_max: AHEAD_MAX,
        },
        journals_key: keystore.journals_key(),
        export_key: keystore.export_key(),
        exports: None,
        chat_backup_key: keystore.chat_backup_key(),
        copy_key: keystore.copy_key(),
        copies: None,
    })
}

/// All identities of a keystore, as the local API lists them.
fn identities(keystore: &Keystore) -> Vec<KnownIdentity> {
    let known = keystore.identities().iter().map(|identity| KnownIdentity {
        id: keystore.id(identity),
        name: identity.name.clone(),
        number: identity.number,
        purpose: identity.purpose,
    });
    known.collect()
}

fn relay(config: &LinkConfig) -> anyhow::Result<Option<RelaySettings>> {
    let Some(address) = config.relay.as_ref().map(RelayText::address).transpose().context("link.relay")? else {
        return Ok(None);
    };
    Ok(Some(RelaySettings { url: address.url, front: address.front.zip(config.mode()) }))
}

fn buying(config: &BuyingConfig) -> OfferFilter {
    OfferFilter {
        country: config.country,
        asn: config.asn,
        unit: config.per.map(Into::into),
        max_price: config.max_price(),
        min_bandwidth_bps: config.min_bandwidth_bps,
        sort: config.sort,
        ..OfferFilter::default()
    }
}

fn judging(provider: &ProviderConfig) -> Judging {
    let trial = provider.trial.map(|trial| Trial { bytes: trial.bytes, every: Span::days(trial.every_days) });
    let credit = CreditPolicy {
        exposure_max: provider.exposure_max,
        score_min: provider.min_reputation,
        trial,
        ..CreditPolicy::default()
    };
    Judging {
        weights: provider.score.weights(),
        credit,
        better_prices: provider.better_prices.clone(),
        asks_others: provider.ask_others,
    }
}

fn selling(provider: &ProviderConfig) -> SellingConfig {
    let location = Location { country: provider.country, asn: provider.asn };
    let plugged: BTreeMap<_, _> = provider.plugged.iter().filter_map(PluggedConfig::selling).collect();
    SellingConfig {
        services: provider.services.iter().chain(plugged.keys()).copied().collect(),
        location,
        exit: Location {
            country: provider.exit_country.unwrap_or(provider.country),
            asn: provider.exit_asn.unwrap_or(provider.asn),
        },
        bandwidth_bps: provider.bandwidth_bps,
        price_per_mb: provider.price_per_mb,
        price_per_second: provider.price_per_second,
        allow: provider.allowed_networks(),
        exit_lists: provider.exit_lists(),
        caps: provider.caps(),
        judging: judging(provider),
        settle_at: SellingConfig::SETTLE_AT,
        settle_delay_max: SellingConfig::SETTLE_DELAY_MAX,
        forwarding: provider.forwarding.as_ref().map(ForwardingConfig::settings),
        tunnel: TunnelSelling {
            listen: provider.tunnel_listen,
            uplinks: provider.tunnel_uplinks.clone(),
            slices: provider.slices_listen,
            relay: provider.relay_listen,
        },
        plugged,
    }
}

impl Front {
    async fn bind(config: &Config, ports: &mut Ports) -> anyhow::Result<Self> {
        let mut listener = async |enabled: bool, purpose: Purpose, wanted: SocketAddr| match enabled {
            true => ports.bind(purpose, wanted).await.map(Some),
            false => Ok(None),
        };
        let mut front = Self {
            proxy: listener(config.proxy.enabled, Purpose::PROXY, config.proxy.listen).await?,
            rpc: listener(config.rpc.enabled, Purpose::RPC, config.rpc.listen).await?,
            page: listener(config.page.enabled, Purpose::PAGE, config.page.listen).await?,
            ..Self::default()
        };
        if config.phone.enabled {
            front.phone_door = DoorState::NoAddress;
            if let Some(address) = config.phone.address().await {
                let listener = ports.bind(Purpose::PHONE, address).await?;
                front.phone_door = DoorState::Open(listener.local_addr()?);
                front.phone = Some(listener);
            }
        }
        Ok(front)
    }
}

impl Hosted {
    /// Starts a node and its servers.
    pub async fn start(mut config: PeerNodeConfig, directory: &Directory, front: Front) -> anyhow::Result<Self> {
        let token = Token::load_or_create(&directory.token_file())?;
        let address = |listener: &Option<TcpListener>| -> anyhow::Result<String> {
            let bound = listener.as_ref().map(TcpListener::local_addr).transpose()?;
            Ok(bound.map_or_else(String::new, |bound| bound.to_string()))
        };
        let run = RunFile {
            pid: std::process::id(),
            proxy: address(&front.proxy)?,
            web: address(&front.page)?,
            rpc: address(&front.rpc)?,
            token_file: directory.token_file(),
        };
        config.proxy_address = run.proxy.clone();
        config.phone_door = front.phone_door;
        let port = |listener: &Option<TcpListener>| -> std::io::Result<u16> {
            Ok(listener.as_ref().map(TcpListener::local_addr).transpose()?.map_or(0, |bound| bound.port()))
        };
        let (page_port, rpc_port) = (port(&front.page)?, port(&front.rpc)?);
        let node = PeerNode::start(config, front.proxy).await?;
        let (stop, stopped) = watch::channel(false);
        let mut servers = Vec::new();
        if let Some(listener) = front.rpc {
            let settings = Settings { token, page_port };
            servers.push(tokio::spawn(rpc::serve(listener, settings, Arc::new(node.clone()), stopped.clone())));
        }
        if let Some(listener) = front.page {
            servers.push(tokio::spawn(page::serve(listener, rpc_port, stopped.clone())));
        }
        if let Some(listener) = front.phone {
            let certificate = node.phone_certificate().await.context("the node has stopped")??;
            let api = Arc::new(node.clone());
            let serving = async move { door::serve(listener, &certificate, api, Patience::default(), stopped).await };
            servers.push(tokio::spawn(serving));
        }
        Ok(Self { node, run, stop, servers })
    }

    /// Shows the node's figures too, where that is wanted.
    async fn with_metrics(mut self, metrics: Option<&MetricsConfig>) -> anyhow::Result<Self> {
        if let Some(MetricsConfig { listen }) = metrics {
            let bound = TcpListener::bind(listen).await;
            let listener = bound.with_context(|| format!("metrics.listen = {listen} can't be listened on"))?;
            println!("metrics http://{}/metrics", listener.local_addr()?);
            let serving = metrics::serve(listener, self.node.clone(), self.stop.subscribe());
            self.servers.push(tokio::spawn(serving));
        }
        Ok(self)
    }

    pub async fn stop(self) {
        self.node.stop().await;
        self.stop.send_replace(true);
        for server in self.servers {
            if let Ok(Err(error)) = server.await {
                tracing::warn!(%error, "a server ended badly");
            }
        }
    }
}

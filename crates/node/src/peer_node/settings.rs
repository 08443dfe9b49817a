//! What a market node is told before it starts: keys, places, what it buys and sells, and what it may spend.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use byway_access::exit_policy::ExitLists;
use byway_access::{CreditPolicy, Weights};
use byway_channel::SharedSigner;
use byway_channel::watching::TowerTerms;
use byway_chat::holding::HolderTerms;
use byway_crypto::{ChatBackupKey, CopyKey, ExportKey, IdentitySecret, WalletSecret};
use byway_driver::disk::SealKey;
use byway_kernel::light::TrustedCheckpoint;
use byway_primitives::{Amount, AssetId, IdentityId, Span};
use byway_records::Genesis;
use byway_records::offer::{Location, Network, PRICES_MAX, Price, Service, Unit};
use zeroize::Zeroizing;

use super::{
    Allowed, Caps, ChannelSettings, Ended, ExportSettings, Forwarding, ProbeConfig, RelaySettings, TunnelSelling,
    Yesterday,
};
use crate::api as contract;
use crate::claims::Claim;
use crate::config::TunnelConfig;
use crate::keystore::IdentityPurpose;
use crate::phone::DoorState;
use crate::plugged::PluggedSelling;

/// What a market node needs to run.
pub struct PeerNodeConfig {
    pub genesis: Arc<Genesis>,
    pub role: contract::Role,
    pub name: String,
    /// All identities of its keystore, the one it uses among them; only for showing.
    pub identities: Vec<KnownIdentity>,
    pub identity: IdentitySecret,
    /// Signs in its channels, if that isn't the secret itself.
    pub signer: Option<SharedSigner>,
    /// The identity that owns kernel nodes (row K4).
    pub owner: IdentitySecret,
    pub dialogue_secret: Zeroizing<[u8; 32]>,
    pub wallet: WalletSecret,
    /// Where its state is kept.
    pub directory: PathBuf,
    /// Where it is kept what was done to the machine's own network: the folder that `byway firewall` looks at.
    pub root: PathBuf,
    /// Where its proxy listens, for showing.
    pub proxy_address: String,
    /// Where phones find it, for showing.
    pub phone_door: DoorState,
    /// UDP addresses of its links; empty for relayed links only.
    pub link_bind: Vec<SocketAddr>,
    /// Where others reach these beside the machine's own addresses.
    pub link_public: Vec<SocketAddr>,
    pub link_seed: [u8; 32],
    pub relay: Option<RelaySettings>,
    /// A checkpoint that a person has named: what leads there is followed whoever has left since.
    pub trusted: Option<TrustedCheckpoint>,
    /// Where kernel nodes are reached, by name, if elsewhere than genesis says.
    pub kernel_addresses: BTreeMap<String, String>,
    /// Invites that were accepted for it.
    pub claims: Vec<Claim>,
    /// What the first connection through the proxy asks the market for.
    pub buying: contract::OfferFilter,
    /// The hops over which it asks where the user says nothing else.
    pub via: Vec<contract::HopWish>,
    /// Out of what sessions are paid where the user says nothing else.
    pub pay: contract::Pay,
    /// Proxy ports beside the main one; each names where it listens.
    pub proxy_ports: Vec<contract::ProxyPortOpen>,
    /// What stays outside the tunnel while the machine is closed around it.
    pub outside_tunnel: TunnelConfig,
    pub quality: QualityConfig,
    /// What it sells, if anything.
    pub selling: Option<SellingConfig>,
    pub limits: SpendingConfig,
    /// By which its user goes, to whom it asks to be a contact.
    pub chat_name: String,
    /// What it does about conversations by itself.
    pub chat: ChatSettings,
    /// What channels it agrees to by itself.
    pub channels: ChannelSettings,
    /// On what terms it watches channels of others, if it does.
    pub watching: Option<TowerTerms>,
    /// On what terms it holds for others who are away, if it does.
    pub holding: Option<HolderTerms>,
    /// On what terms it sends payments on; not at all where there are none.
    pub hub: Option<byway_channel::routing::HubTerms>,
    /// On what terms it guarantees virtual channels of others; not at all where there are none.
    pub guaranteeing: Option<byway_channel::guarantee::GuaranteeTerms>,
    /// The shortest lock period of such a channel.
    pub guarantee_lock_min: Span,
    /// Which of these the market has offers of, while they are done.
    pub listed: BTreeSet<Service>,
    /// What it may spend on balancing its channels by itself, of each million that is moved.
    pub rebalance_per_million: Option<u64>,
    /// Seals the journals: what was said, promised and paid.
    pub journals_key: SealKey,
    /// Seals what leaves the node of its books.
    pub export_key: ExportKey,
    /// Seals backups of conversations.
    pub chat_backup_key: ChatBackupKey,
    /// Where they are exported to by themselves, if they are.
    pub exports: Option<ExportSettings>,
    /// Seals what is kept of channels in a second place.
    pub copy_key: CopyKey,
    /// The folder where that is, if it is.
    pub copies: Option<PathBuf>,
}

/// An identity of the keystore, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownIdentity {
    pub id: IdentityId,
    /// What its owner calls it.
    pub name: String,
    /// Which key of the seed phrase it is.
    pub number: u32,
    pub purpose: IdentityPurpose,
}

/// What becomes of what this node measures of providers (row A2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualityConfig {
    /// Whether others are told how providers served that the ledger shows this node to have paid.
    pub share: bool,
    /// Whether exits that aren't in use are measured now and then.
    pub probes: Option<ProbeConfig>,
}

impl Default for QualityConfig {
    fn default() -> Self {
        Self { share: true, probes: None }
    }
}

/// What is sold: the same at the same price by every service but those that plug in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SellingConfig {
    /// One offer for each.
    pub services: BTreeSet<Service>,
    pub location: Location,
    pub exit: Location,
    pub bandwidth_bps: u64,
    /// At least one of the two, of which a client chooses.
    pub price_per_mb: Option<Amount>,
    pub price_per_second: Option<Amount>,
    /// Blocks that the exit may connect to although the standard policy denies them.
    pub allow: Vec<Network>,
    /// What else it connects to or not; nothing is in the list of what is blocked.
    pub exit_lists: ExitLists,
    pub caps: Caps,
    /// How clients are judged, and what follows from it.
    pub judging: Judging,
    /// The unsettled amount at which a client's promise is settled.
    pub settle_at: Amount,
    /// Settlements wait a random time up to this, so that they say little about when a client was here.
    pub settle_delay_max: Span,
    /// The ports that clients are given, if they are.
    pub forwarding: Option<Forwarding>,
    /// Where tunnels are served, if they are.
    pub tunnel: TunnelSelling,
    /// Services that plug in, which are among `services` too, each at a price of its own.
    pub plugged: BTreeMap<Service, PluggedSelling>,
}

/// How clients are judged by what the ledger says of them, and what they get for it (row A6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judging {
    pub weights: Weights,
    pub credit: CreditPolicy,
    /// Other prices, for clients of some reputation.
    pub better_prices: Vec<BetterPrice>,
    /// Whether other providers are asked what a client has promised them.
    pub asks_others: bool,
}

impl Default for Judging {
    fn default() -> Self {
        let (weights, credit) = (Weights::default(), CreditPolicy::default());
        Self { weights, credit, better_prices: Vec::new(), asks_others: true }
    }
}

/// A price for clients whose reputation is at least so high, 0 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BetterPrice {
    pub min_reputation: u16,
    pub price_per_mb: Option<Amount>,
    pub price_per_second: Option<Amount>,
}

impl SellingConfig {
    /// A promise is settled when this much of it is open: a tenth of what a newcomer may owe.
    pub const SETTLE_AT: Amount = Amount::from_units(byway_primitives::amount::ONE / 20);
    /// Settlements wait up to this long.
    pub const SETTLE_DELAY_MAX: Span = Span::minutes(5);

    /// What a service costs, the prices for anyone first. Reputation has its prices in what they are named for; a service that
    /// plugs in has one price.
    pub fn prices_of(&self, service: Service) -> Vec<Price> {
        let price = |unit, amount: Option<Amount>, reputation_min| {
            amount.map(|amount| Price { unit, amount, asset: AssetId::WAY, reputation_min })
        };
        if let Some(plugged) = self.plugged.get(&service) {
            return price(Unit::Mb, Some(plugged.price_per_mb), 0).into_iter().collect();
        }
        let general = [price(Unit::Mb, self.price_per_mb, 0), price(Unit::Second, self.price_per_second, 0)];
        let better = self.judging.better_prices.iter().flat_map(|better| {
            let reputation = better.min_reputation;
            [price(Unit::Mb, better.price_per_mb, reputation), price(Unit::Second, better.price_per_second, reputation)]
        });
        general.into_iter().chain(better).flatten().take(PRICES_MAX).collect()
    }
}

/// What the user is willing to spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendingConfig {
    pub session_max: Option<Amount>,
    pub day_max: Option<Amount>,
    /// Of today, beyond `day_max`.
    pub allowed: Allowed,
    pub yesterday: Yesterday,
    /// What sessions have cost today that are over.
    pub ended: Ended,
    /// The most that may be promised ahead to one provider.
    pub ahead_max: Amount,
}

/// What a node does about conversations by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChatSettings {
    /// How much is kept of files of conversations.
    pub attachments_bytes_max: u64,
    /// Whether pictures are fetched before anybody has asked for them.
    pub fetch_pictures: bool,
    /// What a first message costs whoever is not registered and was not introduced.
    pub ask_price: Amount,
    /// What others are told, as long as the user has chosen nothing else.
    pub tells: contract::ChatTells,
}

impl Default for ChatSettings {
    fn default() -> Self {
        let tells = contract::ChatTells::default();
        Self { attachments_bytes_max: 10 << 30, fetch_pictures: true, ask_price: Amount::ZERO, tells }
    }
}

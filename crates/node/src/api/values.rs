//! What calls answer with. Field by field the tables of `docs/formats/rpc.md`.

use byway_primitives::{Amount, AssetId, IdentityId, NetworkId, Time};
use byway_records::offer::{self, Country, OfferId, Service};
use byway_records::{Height, TransactionId};
use serde::{Deserialize, Serialize};

use super::money::{AssetAudit, AssetBalance, AssetTag};
use super::params::Serial;

/// Why something is as it is: a stable word in snake_case and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub code: String,
    pub message: String,
}

impl Reason {
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    pub version: String,
    pub network: NetworkId,
    pub network_name: String,
    pub role: Role,
    pub uptime_seconds: u64,
    pub ledger: LedgerView,
    pub identity: Identity,
    pub balance: Balance,
    pub proxy: Proxy,
    pub connection: Connection,
    pub spending: Spending,
}

/// What a node mainly is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    User,
    Provider,
    Kernel,
}

/// How a node sees the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerView {
    pub height: u64,
    pub commits: u64,
    pub time_ms: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<u64>,
    pub kernel_nodes: Vec<KernelNode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finality_ms_p50: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelNode {
    pub index: u8,
    pub name: String,
    pub reachable: bool,
    pub round: u64,
}

/// An identity of this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub id: IdentityId,
    pub name: String,
    pub registered: bool,
    /// Left out in `node_status`, as is `number`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<crate::keystore::IdentityPurpose>,
    /// Which key of the seed phrase it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Balance {
    pub wallet: Amount,
    pub account: Amount,
    pub reserved: Amount,
    pub pending: Amount,
    pub withdrawing: Vec<Withdrawing>,
    /// What there is of other assets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assets: Vec<AssetBalance>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawing {
    pub amount: Amount,
    pub available_ms: Time,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxy {
    pub address: String,
    pub accepting: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    Idle,
    Connecting,
    Connected,
    Paused,
    Disconnected,
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    pub state: ConnectionState,
    pub since_ms: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer_id: Option<OfferId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<IdentityId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    pub rate_down_bps: u64,
    pub rate_up_bps: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spending {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_max: Option<Amount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day_max: Option<Amount>,
    pub day_spent: Amount,
}

/// What a price counts; on this wire in snake_case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Mb,
    Second,
    Cell,
    ByteHour,
    Call,
    Fixed,
}

impl From<offer::Unit> for Unit {
    fn from(unit: offer::Unit) -> Self {
        match unit {
            offer::Unit::Mb => Unit::Mb,
            offer::Unit::Second => Unit::Second,
            offer::Unit::Cell => Unit::Cell,
            offer::Unit::ByteHour => Unit::ByteHour,
            offer::Unit::Call => Unit::Call,
            offer::Unit::Fixed => Unit::Fixed,
        }
    }
}

impl From<Unit> for offer::Unit {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::Mb => offer::Unit::Mb,
            Unit::Second => offer::Unit::Second,
            Unit::Cell => offer::Unit::Cell,
            Unit::ByteHour => offer::Unit::ByteHour,
            Unit::Call => offer::Unit::Call,
            Unit::Fixed => offer::Unit::Fixed,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    pub unit: Unit,
    pub amount: Amount,
    pub asset: AssetId,
    pub min_reputation: u16,
}

impl From<offer::Price> for Price {
    fn from(price: offer::Price) -> Self {
        let offer::Price { unit, amount, asset, reputation_min } = price;
        Self { unit: unit.into(), amount, asset, min_reputation: reputation_min }
    }
}

/// An offer on the market (row A1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    pub offer_id: OfferId,
    pub provider: IdentityId,
    pub serial: Serial,
    pub service: Service,
    pub country: Country,
    pub exit_country: Country,
    pub asn: u32,
    pub bandwidth_bps: u64,
    pub prices: Vec<Price>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    pub exit_policy: Vec<String>,
    pub contacts: Vec<Contact>,
    pub published_ms: Time,
    pub expires_ms: Time,
    pub preferred: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    pub protocol: String,
    pub data: String,
}

/// An offer that was sent to the ledger, and the payment for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    pub offer_id: OfferId,
    pub entry: Entry,
}

/// Names a session: lower-case hex of a length not to be relied upon.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub String);

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    Opening,
    Active,
    Paused,
    Closed,
    Failed,
}

impl SessionState {
    /// Whether the session may still move bytes.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Opening | Self::Active | Self::Paused)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    pub offer_id: OfferId,
    pub provider: IdentityId,
    /// Who uses it, where this node is the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<IdentityId>,
    pub service: Service,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    pub bytes_up: u64,
    pub bytes_down: u64,
    pub seconds: u64,
    pub price: Price,
    pub cost: Amount,
    pub paid: Amount,
    pub state: SessionState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    pub started_ms: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// We pay.
    Out,
    /// We are paid.
    In,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackingKind {
    Account,
    Reservation,
    Channel,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    pub direction: Direction,
    pub counterparty: IdentityId,
    pub serial: Serial,
    pub amount: Amount,
    pub settled: Amount,
    pub backing: BackingKind,
    pub updated_ms: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_ms: Option<Time>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromiseSettlement {
    pub entries: Vec<Entry>,
    pub asked: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletAddress {
    pub address: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    Receive,
    Send,
    Deposit,
    Withdraw,
    SettleOut,
    SettleIn,
    Pledge,
    Publish,
    Fee,
    Funding,
    Consolidate,
    AssetRegister,
    Issue,
    Burn,
    GroupSend,
    /// The pledge for a kernel node, and the same drawn again.
    NodePledge,
    NodeReclaim,
    /// Whatever else is said of a kernel node: that it leaves, or has other keys.
    NodeCall,
}

/// How far a transaction has come. Only `Final` is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Sent,
    Included,
    Final,
    Rejected,
}

/// A line of the wallet's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub transaction_id: TransactionId,
    pub time_ms: Time,
    pub kind: EntryKind,
    pub amount: Amount,
    /// What the amount is in; WAY when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetTag>,
    pub fee: Amount,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counterparty: Option<String>,
    pub stage: Stage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// The kernel at work; nothing is decided on it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct KernelPulse {
    pub snapshots: Vec<PulseSnapshot>,
    pub commits: Vec<PulseCommit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<PulseCheckpoint>,
    pub finality_ms: Finality,
    /// Final transactions per second.
    pub tps: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PulseSnapshot {
    pub author: u8,
    pub round: u64,
    pub time_ms: Time,
    pub transactions: u64,
    pub hash: String,
    /// Authors of the snapshots of the round before that it references.
    pub references: Vec<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PulseCommit {
    pub index: u64,
    pub time_ms: Time,
    pub transactions: u64,
    pub leader: u8,
    pub round: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PulseCheckpoint {
    pub height: u64,
    pub time_ms: Time,
    pub signers: Vec<u8>,
    pub size: u64,
    pub quorum: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Finality {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<u64>,
}

/// All coins there are, recomputed from a checkpoint that was verified against its roots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    pub height: u64,
    pub time_ms: Time,
    /// What genesis made.
    pub supply: Amount,
    pub outputs: Amount,
    pub accounts: Amount,
    pub reservations: Amount,
    pub pledges: Amount,
    pub pool: Amount,
    /// Whether the parts add up to the supply, of this and of every other asset.
    pub balanced: bool,
    /// Of every other asset.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assets: Vec<AssetAudit>,
}

impl Audit {
    /// Adds the parts up and compares. An overflow is not balanced.
    pub fn of(height: Height, time: Time, supply: Amount, parts: AuditParts) -> Self {
        let AuditParts { outputs, accounts, reservations, pledges, pool } = parts;
        let sum = Amount::checked_sum([outputs, accounts, reservations, pledges, pool]);
        let balanced = sum == Some(supply);
        Self {
            height: height.0,
            time_ms: time,
            supply,
            outputs,
            accounts,
            reservations,
            pledges,
            pool,
            balanced,
            assets: Vec::new(),
        }
    }

    /// Adds the other assets.
    pub fn with_assets(self, assets: Vec<AssetAudit>) -> Self {
        Self { balanced: self.balanced && assets.iter().all(|asset| asset.balanced), assets, ..self }
    }
}

/// Where coins can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditParts {
    pub outputs: Amount,
    pub accounts: Amount,
    pub reservations: Amount,
    pub pledges: Amount,
    pub pool: Amount,
}

/// What this node knows of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionRecord {
    pub transaction_id: TransactionId,
    pub stage: Stage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Whether the kernel's certificate proves the stage to this node. What is not certified is this node's own word on its
    /// own transaction.
    pub certified: bool,
    /// The checkpoint that made it final or recorded its rejection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<Time>,
    /// Outputs spent and made; left out while the node hasn't seen it final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<u64>,
}

/// What the ledger holds about an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityRecord {
    pub id: IdentityId,
    pub registered: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pledge: Option<Amount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<Time>,
    pub account: Amount,
    pub withdrawing: Vec<Withdrawing>,
    pub offers: Vec<OfferId>,
    /// Settlements that failed for lack of balance.
    pub bounces: u64,
}

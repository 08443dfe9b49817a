//! What calls answer with about the node itself and its money. Field by field the tables of `docs/formats/rpc.md`, as are
//! the modules beside this.

use byway_primitives::{Amount, IdentityId, NetworkId, Time};
use byway_records::TransactionId;
use byway_records::offer::{Country, OfferId};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::backup::BackupView;
use super::chain::Hop;
use super::market::SessionId;
use super::money::{AssetBalance, AssetTag};
use super::spending::Spending;

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
    /// In whose name the node talks, where it is a linked device: not in that of its own identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<IdentityId>,
    pub balance: Balance,
    pub proxy: Proxy,
    pub connection: Connection,
    /// The hops that the exit is reached over, the first one first; none: straight.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<Hop>,
    /// The relay by which others reach the node, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<RelayView>,
    pub spending: Spending,
    /// Exports of the books that the node makes by itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupView>,
}

impl NodeStatus {
    /// In whose name the node talks.
    pub fn talks_as(&self) -> IdentityId {
        self.person.unwrap_or(self.identity.id)
    }
}

/// A relay, and how the node reaches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayView {
    pub url: String,
    pub way: RelayWay,
}

/// The way to a relay that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelayWay {
    /// It isn't reached.
    None,
    Plain,
    /// Through its front.
    Disguised,
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
    /// An address that it is paid out to; the wallet of the account's holder where it is missing, or where only the holder's node knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Path>,
    pub rate_down_bps: u64,
    pub rate_up_bps: u64,
}

/// By which way the bytes of a session go at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// From one node to the other.
    Direct,
    /// Through a relay, which sees who talks to whom and how much.
    Relayed,
    /// Inside the session of the last hop before.
    Nested,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletAddress {
    pub address: String,
}

/// Whoever has it sees every payment of the wallet for ever, and can't spend (row I3).
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
pub struct WalletViewKey {
    pub view_key: String,
    pub address: String,
}

impl std::fmt::Debug for WalletViewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WalletViewKey")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    Receive,
    Send,
    Deposit,
    Withdraw,
    /// What was to leave the account stays in it.
    WithdrawCancel,
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

//! The kernel as anyone may look at it: the calls `kernel_*`, which kernel nodes and market nodes answer alike.
//!
//! `docs/formats/openrpc.json` describes them, and tests hold it and this module together.

use std::future::Future;

use byway_crypto::{GhostKey, NodeKey};
use byway_primitives::{Amount, AssetId, Hash, IdentityId, NetworkId, Time};
use byway_records::{OutputId, TransactionId};
use serde::{Deserialize, Serialize};

use super::ledger::Outcome;
use super::params::Params;
use super::pulse::{Finality, KernelPulse};
use super::requests::Request;
use super::values::{Reason, Stage};
use super::{Answer, ApiError, Event, Events, Topic};

/// Snapshots of one answer, and how many there are without a wish.
pub const SNAPSHOTS_MAX: u64 = byway_kernel::follower::explore::SNAPSHOTS_MAX as u64;
pub const SNAPSHOTS_DEFAULT: u64 = 70;
/// Checkpoints of one answer, and how many there are without a wish.
pub const CHECKPOINTS_MAX: u64 = byway_kernel::follower::explore::CERTIFICATES_MAX as u64;
pub const CHECKPOINTS_DEFAULT: u64 = 20;
/// Outputs that may be asked for at once.
pub const OUTPUTS_MAX: usize = byway_kernel::follower::explore::OUTPUTS_MAX;
/// Transactions that one subscription may watch.
pub const WATCHED_MAX: usize = 64;

/// A node that answers about the kernel.
pub trait KernelApi: Send + Sync + 'static {
    /// Whatever changes from now on; of a kernel node's topics only [`Topic::KERNEL`].
    fn kernel_events(&self) -> Events;

    fn kernel_status(&self) -> impl Future<Output = Answer<KernelStatus>> + Send;
    fn kernel_members(&self) -> impl Future<Output = Answer<Vec<KernelMember>>> + Send;
    fn kernel_send(&self, request: KernelSend) -> impl Future<Output = Answer<KernelSent>> + Send;
    fn kernel_transaction(
        &self,
        request: KernelTransaction,
    ) -> impl Future<Output = Answer<KernelTransactionRecord>> + Send;
    fn kernel_outputs(&self, request: KernelOutputs) -> impl Future<Output = Answer<Vec<OutputRecord>>> + Send;
    fn kernel_snapshots(&self, request: KernelSnapshots) -> impl Future<Output = Answer<Vec<SnapshotRecord>>> + Send;
    fn kernel_checkpoints(
        &self,
        request: KernelCheckpoints,
    ) -> impl Future<Output = Answer<Vec<CheckpointRecord>>> + Send;
    fn kernel_evidence(&self) -> impl Future<Output = Answer<Vec<EvidenceRecord>>> + Send;
    fn kernel_pulse(&self) -> impl Future<Output = Answer<KernelPulse>> + Send;
}

/// What a subscriber of one of the kernel's topics is told first.
pub async fn state<A: KernelApi>(api: &A, topic: Topic) -> Answer<Vec<Event>> {
    Ok(match topic {
        Topic::Pulse => vec![Event::Pulse(api.kernel_pulse().await?)],
        Topic::Checkpoint => {
            let newest = api.kernel_checkpoints(KernelCheckpoints { from: None, limit: 1 }).await?;
            newest.into_iter().map(Event::Checkpoint).collect()
        }
        _ => Vec::new(),
    })
}

/// A signed transaction to be taken into a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KernelSend {
    /// Its encoding in hex.
    pub transaction: HexBytes,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KernelTransaction {
    pub transaction_id: TransactionId,
    /// Whether the proof itself is wanted.
    pub proof: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KernelOutputs {
    pub outputs: Vec<OutputName>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KernelSnapshots {
    /// The first round; the newest rounds when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    pub limit: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KernelCheckpoints {
    /// The first height; the newest ones when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    pub limit: usize,
}

/// The kernel at a glance. Of its height and commits one node is believed, for showing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelStatus {
    /// Of the node that answers.
    pub version: String,
    pub network: NetworkId,
    pub network_name: String,
    pub height: u64,
    pub commits: u64,
    pub time_ms: Time,
    /// Kernel nodes, and how many of them make a quorum.
    pub size: u64,
    pub quorum: u64,
    pub finality_ms: Finality,
    /// The time of the newest checkpoint that is certified, and was checked to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certified_ms: Option<Time>,
    /// What is wrong with the kernel, and with the kernel node that answers.
    pub troubles: Vec<Reason>,
    /// Which kernel node answers; absent from a market node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<OwnHealth>,
}

/// A kernel node's word on itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnHealth {
    /// Its seat, and how it stands there; absent while it has none, as far as it has read the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    pub name: String,
    /// The newest round it signed for, and the newest of which it has a quorum.
    pub round: u64,
    pub quorum_round: u64,
    /// Whether it fetches old rounds instead of taking part.
    pub is_behind: bool,
    /// Other kernel nodes it is connected to.
    pub connected: u64,
    /// Transactions handed in here that have no verdict yet.
    pub transactions_pending: u64,
    /// How full its pool is, in percent, and of how many sources something is in it.
    pub pool_percent: u64,
    pub pool_sources: u64,
    /// Bits of work that it asks for now before it looks at a transaction of a source that has nothing there.
    pub stamp_bits: u64,
    /// Snapshots that wait for others.
    pub snapshots_waiting: u64,
    /// The newest epoch that is proved to it, which may be later than the one that it is in, and whether it counts there.
    pub newest_epoch: u32,
    pub counts_there: bool,
}

/// How a kernel node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It has pledged and catches up.
    Candidate,
    /// Its snapshots count.
    Counting,
    /// It was convicted once, and counts for nothing.
    Marked,
    /// It takes no part any more; its pledge is locked for a time.
    Left,
}

impl From<byway_records::Standing> for Standing {
    fn from(standing: byway_records::Standing) -> Self {
        match standing {
            byway_records::Standing::Candidate => Self::Candidate,
            byway_records::Standing::Counting => Self::Counting,
            byway_records::Standing::Marked => Self::Marked,
            byway_records::Standing::Left => Self::Left,
        }
    }
}

/// A kernel node with its pledge, and how it seems to do, seen from the node that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelMember {
    /// Its seat.
    pub index: u8,
    pub name: String,
    pub key: NodeKey,
    /// Who pledged for it and decides about it.
    pub owner: IdentityId,
    pub address: String,
    pub standing: Standing,
    /// The epoch with which it took the seat.
    pub since_epoch: u32,
    pub pledge: Amount,
    /// Of one that has left: from when on, and from which commit on, its pledge can be reclaimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlocks_ms: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlocks_commits: Option<u64>,
    /// From when on its keys and address can be changed again, where they were changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changeable_ms: Option<Time>,
    pub reachable: bool,
    /// The newest round seen of it, and how many rounds that is behind the newest of all.
    pub round: u64,
    pub rounds_behind: u64,
    /// From asking to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// How many others it says it is connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<u64>,
    /// Whether its signature is on the newest checkpoint.
    pub signed_last: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelSent {
    pub transaction_id: TransactionId,
    pub stage: Stage,
}

/// What became of a transaction, proved where it is certified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelTransactionRecord {
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Its place among all final transactions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofRecord>,
}

/// Encodings in hex, as in `docs/formats`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofRecord {
    pub certificate: HexBytes,
    pub range: HexBytes,
}

/// One node's word on an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputRecord {
    pub output: OutputName,
    /// False for one that is spent, and for one that was never made.
    pub unspent: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<GhostKey>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRecord {
    pub author: u8,
    pub round: u64,
    pub hash: Hash,
    pub time_ms: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<SnapshotName>,
    /// Of the round before.
    pub references: Vec<SnapshotName>,
    pub weak_references: Vec<SnapshotName>,
    /// The newest checkpoint that its author had executed.
    pub checkpoint: u64,
    pub transactions: u64,
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotName {
    pub author: u8,
    pub round: u64,
    pub hash: Hash,
}

/// A certified checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRecord {
    pub height: u64,
    pub commits: u64,
    pub time_ms: Time,
    pub digest: Hash,
    pub previous: Hash,
    /// Final transactions since genesis.
    pub transactions: u64,
    pub transactions_root: Hash,
    pub state_root: Hash,
    pub outputs_digest: Hash,
    pub scan_root: Hash,
    pub epoch_next: Hash,
    pub signers: Vec<u8>,
}

/// What a kernel node was caught at, as far as one node saw, or convicted of on the ledger, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRecord {
    pub kind: EvidenceKind,
    pub member: u8,
    /// Where it was done: a round of snapshots, or the height of a vote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// The two snapshots, and when one node saw the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Hash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<Hash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_ms: Option<Time>,
    /// What came of it on the ledger, as long as it can be appealed or is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conviction: Option<ConvictionRecord>,
}

/// A conviction on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvictionRecord {
    /// The epoch with which the convicted member took its seat.
    pub since_epoch: u32,
    pub offence: Offence,
    pub owner: IdentityId,
    pub forfeited: Amount,
    pub appealed: bool,
    /// When the time to appeal is over, or that of the appeal.
    pub ends_ms: Time,
}

/// The first marks, the second costs the pledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Offence {
    First,
    Second,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// Two snapshots for one round.
    SignedTwice,
    /// Something that the ledger judged and this node did not see.
    Judged,
}

/// Names an output: the transaction's id, a colon, and the output's number in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutputName(pub OutputId);

/// Bytes that are hex digits on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HexBytes(pub Vec<u8>);

impl std::fmt::Display for OutputName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.0.transaction, self.0.index)
    }
}

impl std::str::FromStr for OutputName {
    type Err = byway_primitives::DecodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || byway_primitives::DecodeError::Invalid("output: TRANSACTION:NUMBER is needed");
        let (transaction, index) = text.split_once(':').ok_or_else(wrong)?;
        Ok(Self(OutputId { transaction: transaction.parse()?, index: index.parse().map_err(|_| wrong())? }))
    }
}

impl std::fmt::Display for HexBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl std::str::FromStr for HexBytes {
    type Err = byway_primitives::DecodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        hex::decode(text).map(Self).map_err(|_| byway_primitives::DecodeError::Invalid("bytes: hex digits are needed"))
    }
}

byway_primitives::serde_as_text!(OutputName, HexBytes);

impl Request for KernelSend {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { transaction: params.required("transaction")? })
    }
}

impl Request for KernelTransaction {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            transaction_id: params.required("transaction_id")?,
            proof: params.optional("proof")?.unwrap_or(false),
        })
    }
}

impl Request for KernelOutputs {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let outputs: Vec<OutputName> = params.required("outputs")?;
        if outputs.is_empty() || outputs.len() > OUTPUTS_MAX {
            return Err(ApiError::invalid_params("outputs", format_args!("1 to {OUTPUTS_MAX} can be asked for")));
        }
        Ok(Self { outputs })
    }
}

impl Request for KernelSnapshots {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { from: params.optional("from")?, limit: params.limit_within(SNAPSHOTS_DEFAULT, SNAPSHOTS_MAX)? })
    }
}

impl Request for KernelCheckpoints {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { from: params.optional("from")?, limit: params.limit_within(CHECKPOINTS_DEFAULT, CHECKPOINTS_MAX)? })
    }
}

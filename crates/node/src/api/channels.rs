//! Channels, as calls ask for and answer them (rows C1, C2, C3).

use byway_channel::INPUT_BYTES_MAX;
use byway_primitives::{Amount, AssetId, IdentityId, Time};
use byway_records::asset::Symbol;
use serde::{Deserialize, Serialize};

use super::guarantees::{ChannelCloser, ChannelGuarantee};
use super::values::Reason;

/// The gas that a call in a channel may use where nothing is said.
pub const CALL_GAS_DEFAULT: u64 = 2_000_000;

/// What contracts take and return, in hex behind `0x`, which may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ContractBytes(pub Vec<u8>);

/// What can be between two sides of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelState {
    /// A peer proposes it, and this node has not answered.
    Proposed,
    /// This node proposes it, and the peer has not answered.
    Asked,
    /// Both agree, and the transaction that opens it is being signed.
    Accepted,
    /// The ledger does not have it yet.
    Opening,
    Open,
    /// The two are parting, or one of them has begun to close it on the ledger.
    Closing,
    /// The lock period is over, and it is about to be paid out.
    Locked,
    Closed,
}

/// Whether this node knows what it needs to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelHealth {
    Sound,
    /// The journal was an old one, or is lost; the peer is asked for what this node lacks.
    Recovering,
    /// Its journal can't be read: this node can't act in it. What is shown is what the ledger has.
    Unreadable,
    /// There are two signed states of one round. Nothing is signed any more.
    Frozen,
}

/// Whose what contracts still hold is when a channel ends, as this node sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelRemainder {
    Ours,
    Theirs,
    #[default]
    Halves,
}

/// Which way one's own money goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelMovement {
    Deposit,
    Withdraw,
}

/// How it stands with what is kept of a channel in a second place (`channels.copies`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelCopyState {
    /// No place is named: a lost disk takes what is in contracts and of other assets along, if the peer wants that.
    Off,
    /// It is being written.
    Behind,
    Kept,
    /// The place can't be used: it is tried again, and payments go on.
    Failing,
}

/// A channel, as this side has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelRecord {
    /// Its name on both sides: 32 hex digits.
    pub channel: String,
    /// The ledger's id of it: that of the transaction that opened it. Missing before one has signed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub peer: IdentityId,
    /// Whether this node proposed it.
    pub initiated: bool,
    pub state: ChannelState,
    pub connected: bool,
    pub health: ChannelHealth,
    /// All that is in it.
    pub total: Amount,
    pub ours: Amount,
    pub theirs: Amount,
    pub our_lane: ChannelLaneRecord,
    pub their_lane: ChannelLaneRecord,
    /// What contracts hold.
    pub contracts: Amount,
    /// What there is of other assets than WAY.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purses: Vec<ChannelPurse>,
    /// What each side keeps in every state.
    pub reserve: Amount,
    /// Of the newest state that is agreed.
    pub round: u64,
    /// The round of an update of ours that the peer has not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u64>,
    /// How long each side has to answer what the other shows the ledger.
    pub lock_ms: u64,
    pub lock_commits: u64,
    /// While it is closing on the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispute: Option<ChannelDispute>,
    /// By whom it is guaranteed, where it is virtual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guaranteed: Option<ChannelGuarantee>,
    /// Who watches it and has the newest state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watched_by: Vec<IdentityId>,
    /// Until when the last of them does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched_until_ms: Option<Time>,
    /// Whether what is in it is kept in a second place; missing where there is nothing to keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<ChannelCopyState>,
    /// Why it can't be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_problem: Option<String>,
}

/// Money that one side has set aside for promises to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChannelLaneRecord {
    pub capacity: Amount,
    /// What of it is promised.
    pub promised: Amount,
}

/// What is in a channel of an asset beside WAY.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelPurse {
    pub asset: AssetId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Symbol>,
    /// The contract that it is in, which is called as an ERC-20 token is: 40 hex digits behind `0x`.
    pub contract: String,
    pub ours: Amount,
    pub theirs: Amount,
    /// What contracts hold of it.
    pub contracts: Amount,
}

/// What both are to put in of an asset beside WAY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelAssetDeposit {
    pub asset: AssetId,
    #[serde(default)]
    pub ours: Amount,
    #[serde(default)]
    pub theirs: Amount,
}

/// A channel that is being closed on the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelDispute {
    /// Whether this side began it, and who did.
    pub ours: bool,
    pub by: ChannelCloser,
    /// The round that the ledger knows.
    pub round: u64,
    /// It is paid out once both are reached.
    pub until_ms: Time,
    pub until_commits: u64,
    /// So many commits the ledger has now.
    pub commits: u64,
    /// Where it has other assets than WAY: it is not paid out before somebody has shown the ledger what both have of these. Nobody has yet, and from
    /// then on each gets back what it put in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purses_until_ms: Option<Time>,
}

/// A contract in a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractRecord {
    /// 40 hex digits behind `0x`.
    pub contract: String,
    pub balance: Amount,
    /// keccak256 of its code.
    pub code: String,
    pub code_bytes: u64,
}

/// What is done to a contract, or comes into the channel, only where both want it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContractWishKind {
    Upgrade,
    Remove,
    Leave,
    /// An asset comes in of which there is nothing in the channel.
    Admit,
}

/// What one side's user wants to be done to a contract, and the other's has not asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelConsent {
    /// Whether it is this side's.
    pub ours: bool,
    pub wish: ContractWishKind,
    /// Of an asset its purse.
    pub contract: String,
    /// What is to come in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    /// keccak256 of the code that it is to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What of its balance is to go to this side; by the channel's rule where neither is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_us: Option<Amount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_peer: Option<Amount>,
    /// What the contract has of other assets than WAY, and may take: whoever gives it other code lets that decide over it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purses: Vec<ContractPurseRecord>,
    /// It counts until then, by the ledger's time, and as long as the contract is not called.
    pub until_ms: Time,
}

/// What a contract has of an asset, and may take of what the two have of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractPurseRecord {
    /// None where there is nothing of it in the channel now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Symbol>,
    /// The address of its purse.
    pub purse: String,
    pub has: Amount,
    /// What this side approved, of what it has there or will have; the greatest amount is all.
    pub takes_ours: Amount,
    pub takes_theirs: Amount,
}

/// What each side gets of all that is in a channel, where both have lost its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSplit {
    pub ours: Amount,
    pub theirs: Amount,
    /// Of each asset beside WAY that is in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assets: Vec<ChannelAssetDeposit>,
}

/// A split that one side's user has named: it is signed once the other's names the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSplitWish {
    /// Whether it is this side's user.
    pub by_us: bool,
    #[serde(flatten)]
    pub split: ChannelSplit,
    /// It counts until then.
    pub until_ms: Time,
}

/// Something that happened to a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelLogEntry {
    pub time_ms: Time,
    pub channel: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u64>,
    /// A stable word, and a sentence.
    pub what: Reason,
    /// What was said, where that is what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<ChannelSaid>,
}

/// What one side's user or program says to the other's, beside the channel's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSaid {
    /// Whether this node said it.
    pub ours: bool,
    /// For people, as it was said: also letters that are not printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// For programs: what they agree that it means, and the bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<ContractBytes>,
}

/// A message of the protocol, without what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelMessageRecord {
    pub time_ms: Time,
    /// Whether this node said it.
    pub ours: bool,
    /// Its name, as in docs/formats/channel-messages.md.
    pub message: String,
    /// The round that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u64>,
    pub bytes: u64,
    /// How many there were in a row; of promises only.
    pub times: u64,
}

/// What happened in a channel and what both said, since the node started; the newest last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelLog {
    pub channel: String,
    pub state: ChannelState,
    pub log: Vec<ChannelLogEntry>,
    pub messages: Vec<ChannelMessageRecord>,
}

/// A rule that one side says the other has broken. Nothing follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelFaultRecord {
    /// Whether the peer says that it was this side.
    pub ours: bool,
    /// Where whoever says so stood.
    pub round: u64,
    pub what: Reason,
}

/// A channel, with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelDetail {
    #[serde(flatten)]
    pub record: ChannelRecord,
    pub remainder: ChannelRemainder,
    pub deployed: Vec<ContractRecord>,
    /// What waits for the other side to want it too.
    #[serde(default)]
    pub consents: Vec<ChannelConsent>,
    /// How two who have both lost the state are to part, as each side's user has named it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub splits: Vec<ChannelSplitWish>,
    /// The last that each side has found in the other, since the node started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<ChannelFaultRecord>,
    /// What happened lately, oldest first; since the node started.
    pub log: Vec<ChannelLogEntry>,
}

/// An update that both have signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelUpdated {
    /// That of the update; the channel may be further by now.
    #[serde(rename = "update_round")]
    pub round: u64,
    /// The contract that was created or called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// What it returned, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<ContractBytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gas_used: Option<u64>,
    #[serde(flatten)]
    pub record: ChannelRecord,
}

/// What a call of a contract would return now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractOutput {
    pub output: ContractBytes,
    pub gas_used: u64,
    /// Whether it would return; if not, `output` says why.
    pub returned: bool,
}

/// How this node is reached by somebody who knows nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityCard {
    pub card: String,
    /// It leads nowhere after this.
    pub expires_ms: Time,
}

impl From<ContractBytes> for String {
    fn from(bytes: ContractBytes) -> Self {
        format!("0x{}", hex::encode(bytes.0))
    }
}

impl TryFrom<String> for ContractBytes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        if digits.len() > 2 * INPUT_BYTES_MAX {
            return Err(format!("a contract takes at most {INPUT_BYTES_MAX} bytes"));
        }
        hex::decode(digits).map(Self).map_err(|_| "it must be hex digits, two for each byte".to_owned())
    }
}

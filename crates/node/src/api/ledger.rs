//! What `ledger_*` answers: the coins there are, and what the ledger holds of one transaction or identity.

use byway_primitives::{Amount, IdentityId, Time};
use byway_records::{Checkpoint, Height, OfferId, Reject, TransactionId};
use serde::{Deserialize, Serialize};

use super::money::AssetAudit;
use super::values::{Reason, Stage, Withdrawing};

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
    /// Of channels, with what their contracts hold.
    pub channels: Amount,
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
        let AuditParts { outputs, accounts, reservations, pledges, channels, pool } = parts;
        let sum = Amount::checked_sum([outputs, accounts, reservations, pledges, channels, pool]);
        let balanced = sum == Some(supply);
        Self {
            height: height.0,
            time_ms: time,
            supply,
            outputs,
            accounts,
            reservations,
            pledges,
            channels,
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
    /// Of channels, with what their contracts hold.
    pub channels: Amount,
    pub pool: Amount,
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub transaction_id: TransactionId,
    pub stage: Stage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Whether the kernel's certificate proves the stage to this node. What is not certified is one node's word.
    pub certified: bool,
    /// The checkpoint that made it final or recorded its rejection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<Time>,
}

impl Outcome {
    /// What one node says.
    pub fn claimed(transaction_id: TransactionId, stage: Stage) -> Self {
        Self { transaction_id, stage, reason: None, certified: false, height: None, time_ms: None }
    }

    /// What a checkpoint proves that is certified itself.
    pub fn proved(transaction_id: TransactionId, reject: Option<Reject>, checkpoint: &Checkpoint) -> Self {
        Self {
            transaction_id,
            stage: if reject.is_some() { Stage::Rejected } else { Stage::Final },
            reason: reject.map(|reject| Reason::new(reject.word(), reject.to_string())),
            certified: true,
            height: Some(checkpoint.height.0),
            time_ms: Some(checkpoint.time),
        }
    }
}

/// What this node knows of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionRecord {
    #[serde(flatten)]
    pub outcome: Outcome,
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

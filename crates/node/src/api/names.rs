//! Names of identities, in the ledger's directory (program `names`).

use byway_primitives::{Amount, IdentityId, Time};
use byway_records::TransactionId;
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::params::{IdempotencyKey, Params};
use super::requests::Request;

/// Where a name stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameStanding {
    /// Whoever commits to it can have it.
    Free,
    /// It is taken, and somebody who committed to it earlier can still come; it leads nowhere.
    Contested,
    /// It leads to its owner.
    InUse,
    /// Its time is over, and its owner alone can renew it; it leads nowhere.
    InGrace,
}

/// A name as the directory has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameShown {
    /// In the form in which it is written.
    pub name: String,
    pub standing: NameStanding,
    /// The name that is taken and looks like this one; then this one can't be taken, and leads nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks_like: Option<String>,
    /// Of the name that is taken, this one or the one that looks like it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<IdentityId>,
    /// When nobody can contest it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settles_ms: Option<Time>,
    /// When it leads nowhere any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<Time>,
    /// When anyone can take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_ms: Option<Time>,
    /// Whether its owner is called by it.
    pub primary: bool,
    /// What a year of it costs.
    pub price_year: Amount,
    /// What the commitment costs, before it is taken.
    pub price_commit: Amount,
}

/// How far this node is with taking a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameStage {
    /// The commitment is on its way; nobody else knows which name it is.
    Committing,
    /// The name is on its way.
    Revealing,
    /// It is ours, and may still be contested.
    Contested,
    Failed,
}

/// A name that this node takes for its identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameWanted {
    pub name: String,
    pub years: u8,
    pub stage: NameStage,
    pub began_ms: Time,
    /// The newest transaction of it.
    pub transaction_id: TransactionId,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The names of this node's identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameList {
    pub own: Vec<NameShown>,
    pub wanted: Vec<NameWanted>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NameShow {
    pub name: String,
}

/// Takes a name: commits to it, and reveals it as soon as that is on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NameRegister {
    pub name: String,
    pub years: u8,
    pub idempotency_key: IdempotencyKey,
}

/// Adds years to a name, whosever it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NameRenew {
    pub name: String,
    pub years: u8,
    pub idempotency_key: IdempotencyKey,
}

/// Gives a name of one's own to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NameTransfer {
    pub name: String,
    pub to: IdentityId,
    pub idempotency_key: IdempotencyKey,
}

/// Gives a name of one's own up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NameRelease {
    pub name: String,
    pub idempotency_key: IdempotencyKey,
}

/// Is called by a name of one's own, or by none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamePrimary {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub idempotency_key: IdempotencyKey,
}

impl Request for NameShow {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { name: params.required("name")? })
    }
}

impl Request for NameRegister {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let years = params.optional("years")?.unwrap_or(1);
        Ok(Self { name: params.required("name")?, years, idempotency_key: params.required_key()? })
    }
}

impl Request for NameRenew {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let years = params.optional("years")?.unwrap_or(1);
        Ok(Self { name: params.required("name")?, years, idempotency_key: params.required_key()? })
    }
}

impl Request for NameTransfer {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { name: params.required("name")?, to: params.required("to")?, idempotency_key: params.required_key()? })
    }
}

impl Request for NameRelease {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { name: params.required("name")?, idempotency_key: params.required_key()? })
    }
}

impl Request for NamePrimary {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { name: params.optional("name")?, idempotency_key: params.required_key()? })
    }
}

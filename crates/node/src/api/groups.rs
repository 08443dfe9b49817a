//! m-of-n groups: what calls about them take and answer (row K2).

use byway_primitives::{Amount, AssetId, Time};
use byway_records::asset::Symbol;
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::params::{IdempotencyKey, Params};
use super::requests::{Request, positive};

/// How long a proposal can be signed and sent, where nothing else is said: a day.
pub const PROPOSAL_SECONDS: u64 = 24 * 60 * 60;
/// Longest that it can be.
pub const PROPOSAL_SECONDS_MAX: u64 = 30 * 24 * 60 * 60;

/// A group that the wallet has joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// What one gives to be paid.
    pub address: String,
    pub threshold: u8,
    pub members: u64,
    /// This wallet's number among them, from 0; left out where it only looks on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u8>,
    pub balances: Vec<AmountOf>,
}

/// An amount and what it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmountOf {
    pub amount: Amount,
    pub asset: AssetId,
    /// Left out for WAY.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Symbol>,
}

/// A payment out of a group on its way from member to member, and what it does, which the node has checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupProposal {
    /// What goes to the next member.
    pub proposal: String,
    pub group: String,
    pub payees: Vec<GroupPayee>,
    /// What goes back to the group.
    pub change: Vec<AmountOf>,
    pub fee: Amount,
    pub expires_ms: Time,
    /// Numbers of the members who have signed.
    pub signed: Vec<u8>,
    pub threshold: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPayee {
    pub to: String,
    #[serde(flatten)]
    pub value: AmountOf,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupJoin {
    /// The group's view key.
    pub key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupPropose {
    /// The group's address.
    pub group: String,
    pub to: String,
    pub amount: Amount,
    /// WAY when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_seconds: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupLook {
    pub proposal: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupSubmit {
    /// Copies of one proposal, whose signatures are put together.
    pub proposals: Vec<String>,
    pub idempotency_key: IdempotencyKey,
}

impl Request for GroupJoin {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { key: params.required("key")? })
    }
}

impl Request for GroupPropose {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let within_seconds = params.optional("within_seconds")?;
        if within_seconds.is_some_and(|seconds| !(1..=PROPOSAL_SECONDS_MAX).contains(&seconds)) {
            let why = format_args!("it must lie in 1 to {PROPOSAL_SECONDS_MAX}");
            return Err(ApiError::invalid_params("within_seconds", why));
        }
        Ok(Self {
            group: params.required("group")?,
            to: params.required("to")?,
            amount: positive(params)?,
            asset: params.optional("asset")?,
            within_seconds,
        })
    }
}

impl Request for GroupLook {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { proposal: params.required("proposal")? })
    }
}

impl Request for GroupSubmit {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { proposals: params.required("proposals")?, idempotency_key: params.required_key()? })
    }
}

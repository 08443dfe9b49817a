//! Sub-accounts, as calls ask for and answer them (row A13): budgets within one node, for whoever resells its services.

use byway_primitives::{Amount, Time};
use serde::{Deserialize, Serialize};

use super::params::Params;
use super::requests::Request;
use super::{ApiError, ErrorKind};

/// Characters of a sub-account's name.
pub const ACCOUNT_NAME_MAX: usize = 40;
/// What the bearer of a sub-account's token may call, and nothing else.
pub const ACCOUNT_METHODS: [&str; 7] =
    ["sub_account_show", "offer_list", "connect", "disconnect", "session_list", "service_open", "service_close"];

/// Names a sub-account within its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountNumber(pub u32);

/// When a budget is full again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// At midnight (UTC).
    Day,
    Never,
}

/// A budget within this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubAccount {
    pub name: String,
    /// WAY that may be spent in a period.
    pub limit: Amount,
    pub per: Period,
    /// In the period that runs.
    pub spent: Amount,
    pub spent_in_all: Amount,
    pub created_ms: Time,
    pub revoked: bool,
}

/// A new sub-account, and the only time that its token is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubAccountCreated {
    pub account: SubAccount,
    pub token: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubAccountCreate {
    pub name: String,
    pub limit: Amount,
    pub per: Period,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubAccountRevoke {
    pub name: String,
}

fn name_of(params: &mut Params) -> Result<String, ApiError> {
    let name: String = params.required("name")?;
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    match is_plain && (1..=ACCOUNT_NAME_MAX).contains(&name.len()) {
        true => Ok(name),
        false => Err(ApiError::invalid_params("name", "1 to 40 letters, digits, `-`, `_` and `.` are needed")),
    }
}

impl Request for SubAccountCreate {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let (name, limit) = (name_of(params)?, params.required_amount("limit")?);
        Ok(Self { name, limit, per: params.optional("per")?.unwrap_or(Period::Never) })
    }
}

impl Request for SubAccountRevoke {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { name: name_of(params)? })
    }
}

impl ApiError {
    pub fn account_spent(limit: Amount) -> Self {
        Self::new(
            ErrorKind::AccountSpent,
            format!("This sub-account's budget of {limit} WAY is used up."),
            "Wait for the next day if it is one by the day, or ask whoever runs the node for a larger one.",
        )
        .with("limit", serde_json::json!(limit))
    }

    pub fn account_revoked() -> Self {
        Self::new(ErrorKind::BadToken, "This sub-account was revoked.", "Ask whoever runs the node for another one.")
    }

    pub fn not_allowed(method: &str) -> Self {
        let shown: String = method.chars().take(64).collect();
        Self::new(
            ErrorKind::NotAllowed,
            format!("The token of a sub-account does not open {shown:?}."),
            format!("It opens {}.", ACCOUNT_METHODS.join(", ")),
        )
    }
}

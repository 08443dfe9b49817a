//! What may be spent without being asked, as calls ask for and answer it (row A10).

use std::net::SocketAddr;

use byway_primitives::{Amount, Time};
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::params::Params;
use super::requests::Request;

/// Limits, and what was spent today (UTC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spending {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_max: Option<Amount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day_max: Option<Amount>,
    /// Allowed today beyond `day_max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day_allowed: Option<Amount>,
    pub day_spent: Amount,
    /// What a limit has stopped, and waits for the user's word.
    pub asks: Vec<SpendingAsk>,
}

/// A way that a limit has stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendingAsk {
    /// The proxy port whose way it is; the main one, or an opened service, where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<SocketAddr>,
    pub which: LimitKind,
    pub limit: Amount,
    pub since_ms: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    Session,
    Day,
}

/// Per field: `None` leaves it as it is, `Some(None)` removes the limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpendingLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_max: Option<Option<Amount>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_max: Option<Option<Amount>>,
}

/// The user's yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SpendingAllow {
    /// How much more may be spent today, where the limit of the day is meant; as much again as that when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
}

impl Request for SpendingLimits {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { session_max: params.nullable_amount("session_max")?, day_max: params.nullable_amount("day_max")? })
    }
}

impl Request for SpendingAllow {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let amount = params.amount("amount")?;
        if amount.is_some_and(Amount::is_zero) {
            return Err(ApiError::amount_too_small("amount", Amount::from_units(1)));
        }
        Ok(Self { amount })
    }
}

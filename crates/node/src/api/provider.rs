//! What a provider asks of its node beside offers: what it has earned and carried, and which destinations it blocks.

use byway_access::exit_policy::Destination;
use byway_primitives::{Amount, Span, Time};
use byway_records::offer::Service;
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::params::Params;
use super::requests::Request;

/// Characters of a block's note.
const NOTE_CHARACTERS_MAX: usize = 500;

/// By what earnings are summed up, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EarningsBy {
    Day,
    Month,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MarketEarnings {
    pub by: EarningsBy,
    /// The newest periods.
    pub limit: usize,
}

/// What a provider has earned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderEarnings {
    pub by: EarningsBy,
    /// The newest first; those in which nothing happened are left out.
    pub periods: Vec<EarningsPeriod>,
    /// Promised to this node and not settled yet.
    pub unsettled: Amount,
    pub usage: ProviderUsage,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarningsPeriod {
    /// `2026-11-27` or `2026-11`.
    pub period: String,
    pub from_ms: Time,
    /// Sessions that began.
    pub sessions: u64,
    pub bytes_up: u64,
    pub bytes_down: u64,
    /// What acknowledged bytes cost.
    pub earned: Amount,
    /// What the ledger has moved, its fee included.
    pub settled: Amount,
    pub fees: Amount,
    /// What it has not, for want of money in the payer's account.
    pub bounced: Amount,
    pub services: Vec<ServiceEarnings>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEarnings {
    pub service: Service,
    pub sessions: u64,
    pub bytes_up: u64,
    pub bytes_down: u64,
    pub earned: Amount,
}

/// What a provider carries now, and how much it wants to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderUsage {
    /// `2026-11`.
    pub month: String,
    /// Of this month, both ways together.
    pub month_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month_max_bytes: Option<u64>,
    /// Clients with a session.
    pub clients: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients_max: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_max_bps: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_rate_max_bps: Option<u64>,
}

/// Blocks a destination, for a time or for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MarketBlock {
    pub destination: Destination,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MarketUnblock {
    pub destination: Destination,
}

/// A destination to which no client gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderBlock {
    pub destination: Destination,
    pub since_ms: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Request for MarketEarnings {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { by: params.optional("by")?.unwrap_or(EarningsBy::Day), limit: params.limit()? })
    }
}

impl Request for MarketBlock {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let note: Option<String> = params.optional("note")?;
        if note.as_ref().is_some_and(|note| note.chars().count() > NOTE_CHARACTERS_MAX) {
            let why = format_args!("it is longer than {NOTE_CHARACTERS_MAX} characters");
            return Err(ApiError::invalid_params("note", why));
        }
        let for_ms = params.optional::<u64>("for_ms")?.map(Span::millis);
        Ok(Self { destination: params.required("destination")?, for_ms, note })
    }
}

impl Request for MarketUnblock {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { destination: params.required("destination")? })
    }
}

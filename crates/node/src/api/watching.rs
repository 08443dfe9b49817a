//! Having channels watched, and watching those of others (row C5).

use byway_primitives::{Amount, IdentityId, Time};
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::params::Params;
use super::requests::Request;

/// Watches for others until the node stops, or stops taking on more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WatchRun {
    pub accept: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_per_day: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels_max: Option<usize>,
    /// Whether the market has an offer of it; as it was when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<bool>,
}

/// A watchtower that has an offer on the market.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchOffer {
    pub tower: IdentityId,
    /// For one channel.
    pub price_per_day: Amount,
    /// Channels of ours that it watches.
    pub channels: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WatchAdd {
    pub channel: String,
    /// An identity, or a card; the cheapest that has an offer on the market when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tower: Option<String>,
    /// The most that is paid a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_max: Option<Amount>,
    /// How many days are paid ahead, and paid again when half of them are over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WatchRemove {
    pub channel: String,
    pub tower: IdentityId,
}

/// One watchtower of one channel of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchRecord {
    /// The ledger's id of it.
    pub channel: String,
    pub tower: IdentityId,
    /// Whether it watches now.
    pub watching: bool,
    pub price_max: Amount,
    /// So many are paid ahead, where it takes so many.
    pub days: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Amount>,
    /// Until when it is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<Time>,
    /// When it last showed the ledger what it had, since the channel closed with something older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_ms: Option<Time>,
    /// Why it does not, or has an old state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchStatus {
    /// Whether channels of others are taken on.
    pub accepts: bool,
    pub price_per_day: Amount,
    pub channels_max: usize,
    /// The most days that are taken ahead.
    pub days_max: u64,
    /// What is added to an answer out of this node's wallet at the most.
    pub fee_max: Amount,
    /// Channels of others that are watched now.
    pub kept: usize,
    /// What that has earned in all.
    pub earned: Amount,
    /// Answers of the last 90 days that the ledger has taken.
    pub answered: usize,
    /// Our own channels, and who watches them.
    pub watched: Vec<WatchRecord>,
}

impl Request for WatchRun {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            accept: params.required("accept")?,
            price_per_day: params.amount("price_per_day")?,
            channels_max: params.optional("channels_max")?,
            publish: params.optional("publish")?,
        })
    }
}

impl Request for WatchAdd {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            channel: params.required("channel")?,
            tower: params.optional("tower")?,
            price_max: params.amount("price_max")?,
            days: params.optional("days")?,
        })
    }
}

impl Request for WatchRemove {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { channel: params.required("channel")?, tower: params.required("tower")? })
    }
}

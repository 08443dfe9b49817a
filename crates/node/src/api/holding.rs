//! Being held for while one is away, and holding for others (row M6).

use byway_primitives::{Amount, IdentityId};
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::params::Params;
use super::requests::Request;

/// Holds for others until the node stops, or takes nothing new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoldOffer {
    pub accept: bool,
    /// What 10^6 bytes cost for a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Amount>,
    /// How many 10^6 bytes are held, of all clients, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_mb: Option<u64>,
    /// … and of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_mb: Option<u64>,
    /// Whether the market has an offer of it; as it was when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<bool>,
}

/// Has somebody hold for this node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HoldUse {
    /// An identity, or a card; the cheapest on the market that does not hold for us yet when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// The most that is paid for 10^6 bytes and a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_max: Option<Amount>,
    /// For so many 10^6 bytes, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub megabytes: Option<u64>,
    /// … and so many days, is paid ahead, and again when half of that is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u64>,
}

/// Has somebody hold for this node no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoldLeave {
    pub holder: IdentityId,
}

/// Somebody who offers on the market to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderOffer {
    pub holder: IdentityId,
    /// Of 10^6 bytes for a day.
    pub price: Amount,
    /// Whether it holds for this node.
    pub used: bool,
    /// How well it holds by what this node has seen and others say, from 0 to 1000; nothing where nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<u16>,
    /// Whether this node has seen it fail so often that it takes others.
    pub failing: bool,
}

/// Somebody for whom this node holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldClient {
    pub client: IdentityId,
    /// Parcels that are held for them now.
    pub held: u64,
    pub bytes: u64,
    /// What all that was ever held for them costs.
    pub used: Amount,
}

/// Somebody who holds for this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRecord {
    pub holder: IdentityId,
    /// Whether it said so when it was talked to last, since this node was started.
    pub holding: bool,
    /// Whether the ledger has it, so that senders bring it what is for this node.
    pub named: bool,
    pub price_max: Amount,
    pub megabytes: u64,
    pub days: u64,
    /// On it in all.
    pub spent: Amount,
    /// What it asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Amount>,
    /// What of that is not used yet, by its word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Amount>,
    /// Parcels that it has handed over since this node was started.
    pub handed_over: u64,
    /// Those that others have handed over, and it should have and did not.
    pub missed: u64,
    /// How often it handed over what it can't have been given.
    pub faults: u64,
    /// Whether it fails so often that another is to hold.
    pub failing: bool,
    /// Whether another takes its place then by itself: nobody has said that it should be this one.
    pub replaceable: bool,
    /// Why it does not hold, or is not found by senders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldStatus {
    /// Whether others are held for.
    pub accepts: bool,
    pub price: Amount,
    pub room_mb: u64,
    pub client_mb: u64,
    pub clients: Vec<HoldClient>,
    /// What that has earned in all.
    pub earned: Amount,
    /// Who holds for this node.
    pub holders: Vec<HoldRecord>,
    /// Parcels for others that are brought to those who hold for them, and that they have not signed for.
    pub bringing: usize,
}

impl Request for HoldOffer {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            accept: params.required("accept")?,
            price: params.amount("price")?,
            room_mb: params.optional("room_mb")?,
            client_mb: params.optional("client_mb")?,
            publish: params.optional("publish")?,
        })
    }
}

impl Request for HoldUse {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            holder: params.optional("holder")?,
            price_max: params.amount("price_max")?,
            megabytes: params.optional("megabytes")?,
            days: params.optional("days")?,
        })
    }
}

impl Request for HoldLeave {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { holder: params.required("holder")? })
    }
}

//! Virtual channels: by whom they are guaranteed, and who ends them (row C4).

use byway_primitives::{Amount, IdentityId, Time};
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::params::Params;
use super::requests::Request;
use super::values::Reason;

/// Who began to close a channel on the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelCloser {
    Us,
    Peer,
    /// That of a virtual channel.
    Hub,
}

/// What a virtual channel has instead of money on the ledger: a guarantee in a channel with a hub that the peer has one with too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelGuarantee {
    pub hub: IdentityId,
    /// The two part then, or the hub ends it.
    pub until_ms: Time,
    pub state: ChannelGuaranteeState,
}

/// Where a guarantee stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelGuaranteeState {
    /// The hub has not given it yet.
    Awaited,
    Stands,
    /// Both have signed how they part, or are about to; the hub is to sign too.
    Parting,
    /// The channel is on the ledger, which decides what comes out of it.
    OnLedger,
    /// It is decided what each is paid, and not paid yet in the channel with the hub.
    Decided,
    /// What was in it is in the channels with the hub.
    Over,
}

/// Asks a hub what it takes for guaranteeing a virtual channel; what is left out is as `channel_open` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HubAsk {
    /// An identity or a card.
    pub hub: String,
    /// What this node is to put in, and the peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deposit: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub their_deposit: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u64>,
}

/// What a hub takes for a guarantee as of now, and what there is room for. Nobody is bound by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubQuote {
    pub hub: IdentityId,
    /// What it takes from this node; the peer pays its own.
    pub fee: Amount,
    /// The most that this node pays for a guarantee, as it is configured.
    pub fee_max: Amount,
    /// What this node can put in, out of the channel with the hub, with the fee.
    pub available: Amount,
    /// How long the hub guarantees a channel, and how much it puts in with one peer.
    pub days_max: u64,
    pub amount_max: Amount,
    /// Why such a channel would not come about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfit: Option<Reason>,
}

impl Request for HubAsk {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            hub: params.required("hub")?,
            deposit: params.amount("deposit")?,
            their_deposit: params.amount("their_deposit")?,
            days: params.optional("days")?,
        })
    }
}

//! Bringing others into the network: its link, and invites with coins (row I2).

use byway_primitives::{Amount, NetworkId, Time};
use byway_records::TransactionId;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::params::{IdempotencyKey, Params};
use super::requests::Request;
use super::{ApiError, ErrorKind};

/// A network, and the link by which others join it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInvitation {
    pub link: String,
    pub network: NetworkId,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct NetworkLinkShow {
    /// A relay that whoever joins may use; the node's own where it holds no secret and this is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay: Option<String>,
}

/// Names an invite among those that a node gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InviteNumber(pub u32);

/// How far an invite is that this node gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InviteStage {
    /// Its payment is not final yet, and it has no link.
    Paying,
    /// Whoever has the link can take it.
    Open,
    Taken,
    TakingBack,
    TakenBack,
    /// The payment did not become final; the coins are where they were.
    Failed,
}

/// An invite that this node gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenInvite {
    pub number: InviteNumber,
    /// For browsing.
    pub coins: Amount,
    /// For the pledge that registers an identity.
    pub pledge: Amount,
    pub created_ms: Time,
    /// The node draws it back then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<Time>,
    pub stage: InviteStage,
    /// When it was taken or taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<Time>,
    /// The payment that its coins came by.
    pub transaction_id: TransactionId,
}

/// An invite with its link, which is money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteLink {
    pub invite: GivenInvite,
    /// While it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// How far an invite is that this node accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimStage {
    Claiming,
    /// The coins are in the wallet, and go from there to the payment account.
    Depositing,
    Done,
    Lost,
}

/// An invite that this node accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedInvite {
    /// The payment that its coins came by.
    pub transaction_id: TransactionId,
    /// All of its coins.
    pub amount: Amount,
    pub accepted_ms: Time,
    pub stage: ClaimStage,
    /// Why it is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Invites given and accepted, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteList {
    pub given: Vec<GivenInvite>,
    pub accepted: Vec<AcceptedInvite>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InviteNew {
    pub coins: Amount,
    /// Whether it carries what the pledge takes, too.
    pub pledge: bool,
    /// How long it can be taken; for ever when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_seconds: Option<u64>,
    pub idempotency_key: IdempotencyKey,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InviteShow {
    pub number: InviteNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InviteTakeBack {
    pub number: InviteNumber,
    pub idempotency_key: IdempotencyKey,
}

impl Request for NetworkLinkShow {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { relay: params.optional("relay")? })
    }
}

impl Request for InviteNew {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let coins = params.required_amount("coins")?;
        let pledge = params.optional("pledge")?.unwrap_or(true);
        let within_seconds = params.optional("within_seconds")?;
        Ok(Self { coins, pledge, within_seconds, idempotency_key: params.required_key()? })
    }
}

impl Request for InviteShow {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { number: params.required("number")?, relay: params.optional("relay")? })
    }
}

impl Request for InviteTakeBack {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { number: params.required("number")?, idempotency_key: params.required_key()? })
    }
}

impl ApiError {
    pub fn invite_not_found(number: InviteNumber) -> Self {
        Self::new(
            ErrorKind::InviteNotFound,
            format!("This node gave no invite {}.", number.0),
            "`byway invite list` shows those there are.",
        )
    }

    /// It can't be taken back, as it is taken, taken back, or was never paid.
    pub fn invite_not_open(invite: &GivenInvite) -> Self {
        let (why, remedy) = match invite.stage {
            InviteStage::Taken => ("was taken", "Its coins are whose it is now."),
            InviteStage::TakenBack => ("was taken back", "Its coins are in the wallet."),
            InviteStage::Paying => ("is not paid for yet", "Try again in a moment."),
            InviteStage::Open | InviteStage::TakingBack | InviteStage::Failed => {
                ("has no coins", "They never left the wallet.")
            }
        };
        Self::new(ErrorKind::InviteNotOpen, format!("Invite {} {why}.", invite.number.0), remedy)
            .with("stage", json!(invite.stage))
    }

    pub fn too_many_invites(max: usize) -> Self {
        Self::new(
            ErrorKind::TooManyInvites,
            format!("This node has given {max} invites, and keeps no more."),
            "Give further ones from another node.",
        )
    }
}

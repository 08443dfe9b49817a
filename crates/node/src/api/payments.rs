//! Payment requests, as calls ask for and answer them (row A13).

use byway_peer::wallet::LinkError;
use byway_primitives::{Amount, AssetId, NetworkId, Time};
use serde::{Deserialize, Serialize};

use super::params::{IdempotencyKey, Params};
use super::requests::Request;
use super::{ApiError, ErrorKind};

/// A request for a payment, and its link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentLink {
    pub link: String,
    pub to: String,
    /// The payer says how much where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    pub asset: AssetId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<Time>,
}

/// What is to be paid to this wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WalletRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<Time>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WalletLink {
    pub link: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WalletPay {
    pub link: String,
    /// Where the link leaves it to the payer, and nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    pub idempotency_key: IdempotencyKey,
}

impl Request for WalletRequest {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let amount = params.amount("amount")?;
        if amount.is_some_and(Amount::is_zero) {
            return Err(ApiError::amount_too_small("amount", Amount::from_units(1)));
        }
        let (asset, note) = (params.optional("asset")?, params.optional("note")?);
        Ok(Self { amount, asset, note, expires_ms: params.optional("expires_ms")? })
    }
}

impl Request for WalletLink {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { link: params.required("link")? })
    }
}

impl Request for WalletPay {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let (link, amount) = (params.required("link")?, params.amount("amount")?);
        Ok(Self { link, amount, idempotency_key: params.required_key()? })
    }
}

impl ApiError {
    pub fn link_refused(why: LinkError) -> Self {
        Self::new(
            ErrorKind::LinkRefused,
            format!("That link asks for no payment: {why}."),
            "Copy the whole link again, or ask for a new one.",
        )
    }

    pub fn link_of_other_network(theirs: NetworkId) -> Self {
        Self::new(
            ErrorKind::LinkRefused,
            format!("The link asks for a payment in the network {theirs}, which is not this node's."),
            "Pay it from a node of that network.",
        )
    }

    pub fn link_expired(expires: Time) -> Self {
        Self::new(ErrorKind::LinkExpired, "The time of this payment link is over.", "Ask for a new one.")
            .with("expires_ms", expires.0.into())
    }
}

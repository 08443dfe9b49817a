//! Assets beside WAY, and consolidation: what calls about them take and answer (rows I3, K1, K2).

use byway_primitives::{Amount, AssetId, IdentityId, Time};
use byway_records::asset::{AssetName, Symbol};
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::params::{IdempotencyKey, Params};
use super::requests::{Request, positive};

/// Longest span over which consolidations are spread.
pub const CONSOLIDATE_SECONDS_MAX: u64 = 7 * 24 * 60 * 60;

/// Which asset an amount is in, where it is not WAY.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetTag {
    pub asset: AssetId,
    pub symbol: Symbol,
}

/// An asset on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    pub asset: AssetId,
    pub symbol: Symbol,
    pub name: AssetName,
    pub decimals: u8,
    pub issuer: IdentityId,
    pub supply: Amount,
    /// Everyone may draw this much at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faucet_max: Option<Amount>,
    /// Whether this node's identity is the issuer.
    pub ours: bool,
}

/// What we have of an asset beside WAY.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetBalance {
    pub asset: AssetId,
    pub symbol: Symbol,
    pub name: AssetName,
    pub decimals: u8,
    pub wallet: Amount,
    pub account: Amount,
    pub pending: Amount,
}

/// All there is of an asset beside WAY, recomputed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetAudit {
    pub asset: AssetId,
    /// Left out where units exist of an asset that was never registered, which is never balanced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Symbol>,
    pub supply: Amount,
    pub outputs: Amount,
    pub accounts: Amount,
    pub reservations: Amount,
    /// In channels that are not closed.
    pub channels: Amount,
    pub balanced: bool,
}

/// Transactions that will merge outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consolidation {
    /// How many transactions are to be sent.
    pub transactions: u64,
    /// How many outputs they spend.
    pub outputs: u64,
    /// When the last of them is sent.
    pub until_ms: Time,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssetRegister {
    pub symbol: Symbol,
    pub name: AssetName,
    pub decimals: u8,
    pub idempotency_key: IdempotencyKey,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssetIssue {
    pub asset: AssetId,
    pub amount: Amount,
    /// An address; the own wallet when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    pub idempotency_key: IdempotencyKey,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssetBurn {
    pub asset: AssetId,
    pub amount: Amount,
    pub idempotency_key: IdempotencyKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WalletConsolidate {
    /// Whether outputs of different payments may be merged.
    pub mix: bool,
    /// The transactions are sent at random times within this long.
    pub within_seconds: u64,
}

impl Request for AssetRegister {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            symbol: params.required("symbol")?,
            name: params.required("name")?,
            decimals: params.required("decimals")?,
            idempotency_key: params.required_key()?,
        })
    }
}

impl Request for AssetIssue {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            asset: params.required("asset")?,
            amount: positive(params)?,
            to: params.optional("to")?,
            idempotency_key: params.required_key()?,
        })
    }
}

impl Request for AssetBurn {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            asset: params.required("asset")?,
            amount: positive(params)?,
            idempotency_key: params.required_key()?,
        })
    }
}

impl Request for WalletConsolidate {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let within_seconds = params.optional("within_seconds")?.unwrap_or(0);
        if within_seconds > CONSOLIDATE_SECONDS_MAX {
            let why = format_args!("it must lie in 0 to {CONSOLIDATE_SECONDS_MAX}");
            return Err(ApiError::invalid_params("within_seconds", why));
        }
        Ok(Self { mix: params.optional("mix")?.unwrap_or(false), within_seconds })
    }
}

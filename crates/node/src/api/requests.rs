//! What calls take. Each request reads itself out of [`Params`] on the server and serialises on the client.

use byway_access::Sort;
use byway_primitives::{Amount, AssetId, IdentityId, Time};
use byway_records::TransactionId;
use byway_records::offer::{Country, OfferId, Service};
use serde::{Deserialize, Serialize};

use super::params::{IdempotencyKey, Params};
use super::{ApiError, Connect, Unit};

/// A request that can be read from the parameters of a call.
pub trait Request: Sized {
    fn read(params: &mut Params) -> Result<Self, ApiError>;
}

/// No parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Nothing {}

/// What an offer must have; all fields are joined by _and_.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OfferFilter {
    /// `socks` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    /// MB when left out. Sessions are sold by the MB and by the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// Per `unit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_price: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_bandwidth_bps: Option<u64>,
    /// What comes first; as the node is configured when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
    /// Only exits that forward ports.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub forwards: bool,
}

impl OfferFilter {
    /// The highest price per MB, which says nothing where it is of another unit.
    pub fn max_price_per_mb(&self) -> Option<Amount> {
        self.max_price.filter(|_| self.unit.is_none_or(|unit| unit == Unit::Mb))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfferList {
    #[serde(flatten)]
    pub filter: OfferFilter,
    pub limit: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfferPrefer {
    pub provider: IdentityId,
    pub preferred: bool,
}

/// Terms of an offer; what is left out is as in the node's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfferPublish {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_country: Option<Country>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_per_mb: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_per_second: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth_bps: Option<u64>,
    pub idempotency_key: IdempotencyKey,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfferWithdraw {
    pub offer_id: OfferId,
    pub idempotency_key: IdempotencyKey,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdentityRegister {
    /// The one that the node browses or sells with, when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<IdentityId>,
    pub idempotency_key: IdempotencyKey,
}

/// What to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ConnectTarget {
    /// Exactly this offer, by this unit; by the MB if it is sold so and nothing is said.
    Offer {
        offer_id: OfferId,
        #[serde(skip_serializing_if = "Option::is_none")]
        unit: Option<Unit>,
    },
    /// The cheapest match; the next best on failure.
    Cheapest(OfferFilter),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SessionList {
    pub limit: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PromiseSettle {
    pub counterparty: IdentityId,
    /// Whether to wait for what becomes of it; `true` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WalletHistory {
    pub limit: usize,
    /// Only entries before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_ms: Option<Time>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WalletSend {
    /// An address as text; whether it is one is for the node to say ([`ApiError::invalid_address`]).
    pub to: String,
    pub amount: Amount,
    /// WAY when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    pub idempotency_key: IdempotencyKey,
}

/// The view key can't be taken back, so nobody gets it who didn't say that they know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WalletViewKeyShow {
    pub understood: bool,
}

/// Between the wallet and the own account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WalletMove {
    pub amount: Amount,
    /// WAY when left out. Other assets are put into channels out of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    pub idempotency_key: IdempotencyKey,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WalletWithdraw {
    pub amount: Amount,
    /// WAY when left out; others go to this wallet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    /// An address that it is paid out to; this wallet when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    pub idempotency_key: IdempotencyKey,
}

/// Calls off all that is announced and not paid out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WalletWithdrawCancel {
    pub idempotency_key: IdempotencyKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LedgerTransaction {
    pub transaction_id: TransactionId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LedgerIdentity {
    pub id: IdentityId,
}

impl Default for OfferList {
    fn default() -> Self {
        Self { filter: OfferFilter::default(), limit: super::params::LIMIT_DEFAULT as usize }
    }
}

impl Request for Nothing {
    fn read(_: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {})
    }
}

impl Request for OfferFilter {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            service: params.optional("service")?,
            country: params.optional("country")?,
            asn: params.optional("asn")?,
            unit: params.optional("unit")?,
            max_price: params.amount("max_price")?,
            min_bandwidth_bps: params.optional("min_bandwidth_bps")?,
            sort: params.optional("sort")?,
            forwards: params.optional("forwards")?.unwrap_or_default(),
        })
    }
}

impl Request for OfferList {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let filter = OfferFilter::read(params)?;
        let sort = filter.sort.or(Some(Sort::Price));
        Ok(Self { filter: OfferFilter { sort, ..filter }, limit: params.limit()? })
    }
}

impl Request for OfferPrefer {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { provider: params.required("provider")?, preferred: params.required("preferred")? })
    }
}

impl Request for OfferPublish {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            service: params.optional("service")?,
            country: params.optional("country")?,
            exit_country: params.optional("exit_country")?,
            asn: params.optional("asn")?,
            price_per_mb: params.amount("price_per_mb")?,
            price_per_second: params.amount("price_per_second")?,
            bandwidth_bps: params.optional("bandwidth_bps")?,
            idempotency_key: params.required_key()?,
        })
    }
}

impl Request for OfferWithdraw {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { offer_id: params.required("offer_id")?, idempotency_key: params.required_key()? })
    }
}

impl Request for IdentityRegister {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { id: params.optional("id")?, idempotency_key: params.required_key()? })
    }
}

impl Request for ConnectTarget {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let offer_id = params.optional("offer_id")?;
        let filter = OfferFilter::read(params)?;
        match offer_id {
            None => Ok(Self::Cheapest(filter)),
            Some(offer_id) => {
                let unit = filter.unit;
                let is_alone = OfferFilter { unit: None, ..filter } == OfferFilter::default();
                let alone = is_alone.then_some(Self::Offer { offer_id, unit });
                alone.ok_or_else(|| ApiError::invalid_params("offer_id", "it can't be joined with filters"))
            }
        }
    }
}

impl Request for Connect {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { via: params.optional("via")?, pay: params.optional("pay")?, target: ConnectTarget::read(params)? })
    }
}

impl Request for SessionList {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { limit: params.limit()? })
    }
}

impl Request for PromiseSettle {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            counterparty: params.required("counterparty")?,
            wait: params.optional("wait")?,
            idempotency_key: params.key()?,
        })
    }
}

impl Request for WalletHistory {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { limit: params.limit()?, before_ms: params.optional("before_ms")? })
    }
}

impl Request for WalletSend {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            to: params.required("to")?,
            amount: positive(params)?,
            asset: params.optional("asset")?,
            idempotency_key: params.required_key()?,
        })
    }
}

impl Request for WalletViewKeyShow {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let understood: bool = params.required("understood")?;
        if !understood {
            let why = "it must be true: whoever has the key sees every payment of this wallet, for ever";
            return Err(ApiError::invalid_params("understood", why));
        }
        Ok(Self { understood })
    }
}

impl Request for WalletWithdraw {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let (amount, asset): (_, Option<AssetId>) = (positive(params)?, params.optional("asset")?);
        let to: Option<String> = params.optional("to")?;
        if to.is_some() && asset.is_some_and(|asset| asset != AssetId::WAY) {
            return Err(ApiError::invalid_params(
                "to",
                "assets beside WAY go to this wallet, from which they can be sent",
            ));
        }
        Ok(Self { amount, asset, to, idempotency_key: params.required_key()? })
    }
}

impl Request for WalletWithdrawCancel {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { idempotency_key: params.required_key()? })
    }
}

impl Request for WalletMove {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let (amount, asset) = (positive(params)?, params.optional("asset")?);
        Ok(Self { amount, asset, idempotency_key: params.required_key()? })
    }
}

impl Request for LedgerTransaction {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { transaction_id: params.required("transaction_id")? })
    }
}

impl Request for LedgerIdentity {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { id: params.required("id")? })
    }
}

/// `amount`, which may not be zero.
pub(super) fn positive(params: &mut Params) -> Result<Amount, ApiError> {
    let amount = params.required_amount("amount")?;
    if amount.is_zero() {
        return Err(ApiError::amount_too_small("amount", Amount::from_units(1)));
    }
    Ok(amount)
}

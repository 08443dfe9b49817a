//! What calls about channels ask for (rows C1, C2, C3).

use byway_primitives::{Amount, AssetId};
use serde::Serialize;

use super::ApiError;
use super::channels::{ChannelAssetDeposit, ChannelMovement, ChannelRemainder, ChannelSplit, ContractBytes};
use super::params::{IdempotencyKey, Params};
use super::requests::{Request, positive};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelOpen {
    /// An identity that sells something, and so can be reached; or the card of one that doesn't.
    pub peer: String,
    pub deposit: Amount,
    /// What the peer is to put in; as much as the reserve when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub their_deposit: Option<Amount>,
    /// 0.01 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserve: Option<Amount>,
    /// An hour when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_seconds: Option<u64>,
    pub remainder: ChannelRemainder,
    /// What both put in of other assets than WAY, at most four.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assets: Vec<ChannelAssetDeposit>,
    /// A hub that both have a channel with: it is to guarantee a virtual channel, of which the ledger hears nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// How long such a channel goes on; a week when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u64>,
    pub idempotency_key: IdempotencyKey,
}

/// A channel by its name, the ledger's id of it, or the beginning of either if that is the only one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelNamed {
    pub channel: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelPay {
    pub channel: String,
    pub amount: Amount,
    /// An asset that is in the channel; WAY when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    /// By a promise out of our lane, which takes no round; by an update when left out. Of WAY only.
    pub lane: bool,
    pub idempotency_key: IdempotencyKey,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelLane {
    pub channel: String,
    /// So much in all is set aside for promises.
    pub capacity: Amount,
}

/// What is promised by either side becomes part of the balances; and so much is in our lane, where that is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelUpdate {
    pub channel: String,
    /// So much in all is set aside for promises; as it is when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lane: Option<Amount>,
}

/// Something to say to the peer beside the state: a text, or bytes of some kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelMessageSay {
    pub channel: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<ContractBytes>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelFund {
    pub channel: String,
    pub movement: ChannelMovement,
    /// Nothing, in a deposit of another asset than WAY, lets the peer bring that in.
    pub amount: Amount,
    /// WAY when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    pub idempotency_key: IdempotencyKey,
}

/// A channel whose journal is lost, or can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelRestore {
    pub channel: String,
    /// The peer's card, where it has no offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelClose {
    pub channel: String,
    /// Without the peer, on the ledger.
    pub alone: bool,
    /// Where both have lost the state: by these numbers, once the peer's user names the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<ChannelSplit>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelDeploy {
    pub channel: String,
    /// What creates the contract, with the arguments of its constructor behind it.
    pub code: ContractBytes,
    pub value: Amount,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gas: Option<u64>,
    pub idempotency_key: IdempotencyKey,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelCall {
    pub channel: String,
    pub contract: String,
    /// Selector and arguments.
    pub input: ContractBytes,
    pub value: Amount,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gas: Option<u64>,
    pub idempotency_key: IdempotencyKey,
}

/// Other code for a contract, which both sides have to ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelUpgrade {
    pub channel: String,
    pub contract: String,
    /// What the contract is to run: not what creates it.
    pub code: ContractBytes,
}

/// The end of a contract, which both sides have to ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelRemove {
    pub channel: String,
    pub contract: String,
    /// What of its balance goes to whom; by the channel's rule where neither is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ours: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theirs: Option<Amount>,
}

/// A call that changes nothing and is told nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelLook {
    pub channel: String,
    pub contract: String,
    pub input: ContractBytes,
}

impl Request for ChannelOpen {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let lock_seconds: Option<u64> = params.optional("lock_seconds")?;
        if lock_seconds == Some(0) {
            return Err(ApiError::invalid_params("lock_seconds", "nobody could answer in no time"));
        }
        let (via, days): (Option<String>, Option<u64>) = (params.optional("via")?, params.optional("days")?);
        if days == Some(0) {
            return Err(ApiError::invalid_params("days", "it would be over at once"));
        }
        Ok(Self {
            peer: params.required("peer")?,
            deposit: params.required_amount("deposit")?,
            their_deposit: params.amount("their_deposit")?,
            reserve: params.amount("reserve")?,
            lock_seconds,
            remainder: params.optional("remainder")?.unwrap_or_default(),
            assets: params.optional("assets")?.unwrap_or_default(),
            via,
            days,
            idempotency_key: params.required_key()?,
        })
    }
}

impl Request for ChannelNamed {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { channel: params.required("channel")? })
    }
}

impl Request for ChannelPay {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let (asset, lane): (Option<AssetId>, bool) =
            (params.optional("asset")?, params.optional("lane")?.unwrap_or_default());
        if lane && asset.is_some_and(|asset| asset != AssetId::WAY) {
            return Err(ApiError::invalid_params("lane", "promises are made in WAY only"));
        }
        Ok(Self {
            channel: params.required("channel")?,
            amount: positive(params)?,
            asset,
            lane,
            idempotency_key: params.required_key()?,
        })
    }
}

impl Request for ChannelLane {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { channel: params.required("channel")?, capacity: params.required_amount("capacity")? })
    }
}

impl Request for ChannelUpdate {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { channel: params.required("channel")?, lane: params.amount("lane")? })
    }
}

impl Request for ChannelMessageSay {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let (channel, text, data) = (params.required("channel")?, params.optional("text")?, params.optional("data")?);
        let kind: Option<u16> = params.optional("kind")?;
        let text: Option<String> = text;
        let data: Option<ContractBytes> = data;
        if text.is_some() == data.is_some() || data.is_some() != kind.is_some() {
            return Err(ApiError::invalid_params("text", "say a text, or data with its kind"));
        }
        Ok(Self { channel, text, kind, data })
    }
}

impl Request for ChannelFund {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let (channel, movement) = (params.required("channel")?, params.required("movement")?);
        let asset: Option<AssetId> = params.optional("asset")?;
        let lets_in = movement == ChannelMovement::Deposit && asset.is_some_and(|asset| asset != AssetId::WAY);
        let amount = if lets_in { params.required_amount("amount")? } else { positive(params)? };
        Ok(Self { channel, movement, amount, asset, idempotency_key: params.required_key()? })
    }
}

impl Request for ChannelRestore {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { channel: params.required("channel")?, peer: params.optional("peer")? })
    }
}

impl Request for ChannelClose {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let (alone, split) = (params.optional("alone")?.unwrap_or_default(), params.optional("split")?);
        if alone && split.is_some() {
            return Err(ApiError::invalid_params("split", "a split takes both; alone is without the peer"));
        }
        Ok(Self { channel: params.required("channel")?, alone, split })
    }
}

impl Request for ChannelDeploy {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            channel: params.required("channel")?,
            code: params.required("code")?,
            value: params.amount("value")?.unwrap_or_default(),
            gas: params.optional("gas")?,
            idempotency_key: params.required_key()?,
        })
    }
}

impl Request for ChannelCall {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            channel: params.required("channel")?,
            contract: params.required("contract")?,
            input: params.required("input")?,
            value: params.amount("value")?.unwrap_or_default(),
            gas: params.optional("gas")?,
            idempotency_key: params.required_key()?,
        })
    }
}

impl Request for ChannelUpgrade {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            channel: params.required("channel")?,
            contract: params.required("contract")?,
            code: params.required("code")?,
        })
    }
}

impl Request for ChannelRemove {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            channel: params.required("channel")?,
            contract: params.required("contract")?,
            ours: params.amount("ours")?,
            theirs: params.amount("theirs")?,
        })
    }
}

impl Request for ChannelLook {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            channel: params.required("channel")?,
            contract: params.required("contract")?,
            input: params.required("input")?,
        })
    }
}

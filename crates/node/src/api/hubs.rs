//! Payments over several channels, and the hub that a node is (row C4).

use byway_primitives::{Amount, IdentityId, Time};
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::params::{IdempotencyKey, Params};
use super::requests::{Request, positive};
use super::values::Reason;

/// What this node asks to be paid over channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelInvoice {
    /// What the payer is given: `byway:pay/…`.
    pub invoice: String,
    /// 64 hex digits that name the payment.
    pub hash: String,
    pub amount: Amount,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub expires_ms: Time,
}

/// How far a payment of this node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoicePaymentState {
    OnItsWay,
    Paid,
}

/// A payment of this node over channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoicePayment {
    pub hash: String,
    pub payee: IdentityId,
    pub amount: Amount,
    /// What it is for, in the payee's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub state: InvoicePaymentState,
    /// The hubs that it goes over, the nearest first: for each part that it goes in.
    pub ways: Vec<Vec<IdentityId>>,
    /// What the hubs take, or took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<Amount>,
    /// When what is on its way comes back if nobody takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<Time>,
    /// 64 hex digits that only the payee knew: they show that it was paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preimage: Option<String>,
}

/// On what terms this node sends payments on, or would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubTermsRecord {
    pub fee_base: Amount,
    pub fee_per_million: u64,
    pub amount_min: Amount,
    /// What may be on its way from one peer, and in all.
    pub peer_amount_max: Amount,
    pub amount_max: Amount,
    /// Whether it guarantees virtual channels, what it takes for one from each of the two and of each million that it puts in, and how long
    /// one may go on.
    pub guarantees: bool,
    pub guarantee_fee_base: Amount,
    pub guarantee_fee_per_million: u64,
    pub guarantee_days_max: u64,
}

/// A virtual channel of two others that this node guarantees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubGuarantee {
    /// The id of the virtual channel.
    pub channel: String,
    /// The two whose it is, and what this node has put in for each towards the other: what the other owned at first.
    pub peers: [IdentityId; 2],
    pub amounts: [Amount; 2],
    /// Whether it is accepted on both sides.
    pub stands: bool,
    /// The two part then; if they don't, this node ends it on the ledger.
    pub until_ms: Time,
}

/// A peer with whom this node has open channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubPeer {
    pub peer: IdentityId,
    pub connected: bool,
    pub channels: usize,
    /// The most that can be sent on to it at once.
    pub to_peer: Amount,
    /// The most that can come from it at once.
    pub from_peer: Amount,
    /// The same for each channel.
    pub rooms: Vec<HubRoom>,
}

/// What goes through a channel at once, each way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubRoom {
    /// The ledger's id of the channel.
    pub channel: String,
    pub to_peer: Amount,
    pub from_peer: Amount,
}

/// Money that is locked for a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubLock {
    /// The ledger's id of the channel.
    pub channel: String,
    /// Missing where the channel is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IdentityId>,
    pub amount: Amount,
    /// When it goes back to its payer.
    pub until_ms: Time,
}

/// How a payment stands that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HubPaymentState {
    /// The lock for the next one is made.
    Locking,
    /// The next one has not opened its lock yet.
    Locked,
    /// It ends here and is a part; the others are not all there.
    Waiting,
    /// The next one was paid; what came in is being opened.
    Opened,
    /// What came in is given back.
    Failing,
}

/// A payment on its way through this node, from it, or to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubPayment {
    pub hash: String,
    pub state: HubPaymentState,
    /// Nothing came in where it begins here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incoming: Option<HubLock>,
    /// Nothing goes out where it ends here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outgoing: Option<HubLock>,
}

/// A payment that was not sent on, a question for a way that had no answer, or a virtual channel that was not guaranteed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubRefusal {
    pub at_ms: Time,
    /// Who wanted to pay, or to know, or has offered the guarantee.
    pub peer: IdentityId,
    /// Of a virtual channel all that would be in it.
    pub amount: Amount,
    pub reason: Reason,
}

/// What this node does for payments of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubStatus {
    /// Whether it sends payments on.
    pub runs: bool,
    /// Why it takes none now, though it runs or would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unready: Option<Reason>,
    pub terms: HubTermsRecord,
    /// Payments that it has sent on, and what those came to.
    pub forwarded: u64,
    pub amount: Amount,
    /// What it got for that, and for guaranteeing virtual channels, ever.
    pub fees: Amount,
    pub peers: Vec<HubPeer>,
    pub on_their_way: Vec<HubPayment>,
    /// Virtual channels of others that it guarantees.
    pub guarantees: Vec<HubGuarantee>,
    /// The last refusals since it started, the newest first.
    pub refused: Vec<HubRefusal>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelInvoiceMake {
    pub amount: Amount,
    /// What it is for, which the payer is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How long it can be paid; an hour when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_seconds: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelInvoicePay {
    pub invoice: String,
    /// What hubs may take in all; a hundredth of the amount and 0.001 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee_max: Option<Amount>,
}

/// Sends payments of others on until the node stops, or does so no more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HubRun {
    pub run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee_base: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee_per_million: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_min: Option<Amount>,
    /// Whether it guarantees virtual channels too, and what for; as it was when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guarantee: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guarantee_fee_base: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guarantee_fee_per_million: Option<u64>,
    /// Whether the market has an offer of it; as it was when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<bool>,
}

/// A hub that has an offer on the market.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubOffer {
    pub hub: IdentityId,
    /// For each payment; what it takes of the amount beside that it says when it is asked for a way.
    pub fee_base: Amount,
    /// Whether it is connected.
    pub connected: bool,
    /// Open channels with it.
    pub channels: usize,
}

/// Has this node pay itself over other hubs, out over one channel and in over another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HubRebalance {
    /// The channels; when left out the two between which most would move until they are even.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What brings those two near each other when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// What hubs may take in all; a hundredth of the amount and 0.001 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee_max: Option<Amount>,
    pub idempotency_key: IdempotencyKey,
}

/// What hubs may take for so much unless it is said: a hundredth, and a little for small payments.
pub fn hub_fee_default(amount: Amount) -> Amount {
    let (share, least) = (amount.mul_div_ceil(1, 100), Amount::cost(Amount::from_coins(1), 1, 1_000));
    share.zip(least).and_then(|(share, least)| share.checked_add(least)).unwrap_or(amount)
}

impl Request for HubRebalance {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            from: params.optional("from")?,
            to: params.optional("to")?,
            amount: params.amount("amount")?,
            fee_max: params.amount("fee_max")?,
            idempotency_key: params.required_key()?,
        })
    }
}

impl Request for ChannelInvoiceMake {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            amount: positive(params)?,
            note: params.optional("note")?,
            expires_seconds: params.optional("expires_seconds")?,
        })
    }
}

impl Request for ChannelInvoicePay {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { invoice: params.required("invoice")?, fee_max: params.amount("fee_max")? })
    }
}

impl Request for HubRun {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            run: params.required("run")?,
            fee_base: params.amount("fee_base")?,
            fee_per_million: params.optional("fee_per_million")?,
            amount_min: params.amount("amount_min")?,
            guarantee: params.optional("guarantee")?,
            guarantee_fee_base: params.amount("guarantee_fee_base")?,
            guarantee_fee_per_million: params.optional("guarantee_fee_per_million")?,
            publish: params.optional("publish")?,
        })
    }
}

//! What a first message costs, and asking somebody by it.

use byway_primitives::{Amount, IdentityId, Span, Time};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::params::Params;
use super::requests::Request;
use super::{ApiError, ErrorKind};

/// Asks somebody to be a contact, or agrees where they have asked, and waits a moment for what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatAsk {
    /// A link that they gave, their card, their identity, or their name in the ledger's directory.
    pub who: String,
    /// What is set aside for them, where they ask for that of those whom they do not know: theirs if they block us, and else given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pay: Option<Amount>,
    /// The group that both are in, or whose book they stand in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// What a first message costs whoever is not registered, shows no invite and is in no group with us. Says what it costs where it is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatPriceSet {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Amount>,
}

/// What it costs now; nothing where it is zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatPrice {
    pub price: Amount,
}

/// Why somebody whom we asked does not hear us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatRefusal {
    pub reason: ChatRefusalReason,
    /// What a first message costs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Amount>,
    /// When it may be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_ms: Option<Time>,
    /// As a sentence.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatRefusalReason {
    /// Less came with it than a first message costs.
    Price,
    /// Too often, or by too many.
    Later,
    /// As many wait for an answer there as can.
    Full,
    /// What came with it is no payment.
    Payment,
}

impl Request for ChatAsk {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { who: params.required("who")?, pay: params.amount("pay")?, from: params.optional("from")? })
    }
}

impl Request for ChatPriceSet {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { price: params.amount("price")? })
    }
}

impl ApiError {
    /// Somebody who was asked does not hear us.
    pub fn chat_ask_refused(peer: IdentityId, called: &str, refusal: &ChatRefusal, now: Time) -> Self {
        let error = match (refusal.reason, refusal.price, refusal.again_ms) {
            (ChatRefusalReason::Price, Some(price), _) => Self::new(
                ErrorKind::ChatAskCosts,
                format!("{called} asks {price} WAY for a first message from somebody whom they do not know."),
                format!(
                    "`byway chat ask {peer} --pay {price}` sets that aside for them: it is theirs if they block you, and given back \
                     after a week if not. The ledger shows that you did. Whoever is registered (`byway identity register`), \
                     was invited, or is in a group with them pays nothing."
                ),
            )
            .with("price", json!(price)),
            (ChatRefusalReason::Later, _, Some(again)) => Self::new(
                ErrorKind::ChatAskLater,
                format!("{called} was asked too often. Ask again after {}.", spoken(again.since(now))),
                "Nothing else is to be done meanwhile.",
            )
            .with("again_ms", json!(again)),
            (ChatRefusalReason::Payment, ..) => Self::new(
                ErrorKind::ChatAskPayment,
                format!("What was paid does not count there: {}.", refusal.text),
                "Ask again with `--pay`, and with as much as they ask.",
            ),
            _ => Self::new(
                ErrorKind::ChatAskFull,
                format!("Too many wait for an answer by {called}."),
                "Ask again later, or by an invite (`byway chat invite` there).",
            ),
        };
        error.with("peer", peer.to_string().into())
    }

    /// What was to be set aside for a first message was not.
    pub fn chat_ask_unpaid(reason: &str) -> Self {
        Self::new(
            ErrorKind::ChatAskUnpaid,
            format!("Nothing could be set aside for a first message: {reason}."),
            "Nobody was asked. `byway wallet balance` shows what there is.",
        )
    }
}

fn spoken(span: Span) -> String {
    match span.0.div_ceil(1000) {
        seconds if seconds < 120 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}

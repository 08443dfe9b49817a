//! On what terms a provider would sell, as calls ask for and answer it (row A8).

use byway_dialogue::payment;
use byway_primitives::{Amount, IdentityId};
use byway_records::offer::OfferId;
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::market::{BackingKind, Price, Unit};
use super::params::Params;
use super::requests::Request;

/// What the provider of an offer says to this node, and to nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferTerms {
    pub offer_id: OfferId,
    pub provider: IdentityId,
    /// At the reputation that it sees in this node.
    pub price: Price,
    /// How much more it would take in promises before it settles.
    pub credit: Amount,
    /// How many bytes of a session, or milliseconds where time is sold, cost nothing.
    pub free: u64,
    /// What must stand behind promises.
    pub backing: BackingKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OfferTermsAsk {
    pub offer_id: OfferId,
    /// By the MB if it is sold so when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
}

impl Request for OfferTermsAsk {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { offer_id: params.required("offer_id")?, unit: params.optional("unit")? })
    }
}

impl From<payment::BackingKind> for BackingKind {
    fn from(kind: payment::BackingKind) -> Self {
        match kind {
            payment::BackingKind::Account => Self::Account,
            payment::BackingKind::Reservation => Self::Reservation,
            payment::BackingKind::Channel => Self::Channel,
        }
    }
}

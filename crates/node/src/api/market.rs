//! What is bought and sold, as calls answer it: offers, sessions, and the promises that pay for them.

use byway_primitives::{Amount, AssetId, IdentityId, Time};
use byway_records::offer::{self, Country, OfferId, Service};
use serde::{Deserialize, Serialize};

use super::params::Serial;
use super::values::{Entry, Reason};

/// What a price counts; on this wire in snake_case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Mb,
    Second,
    Cell,
    ByteHour,
    Call,
    Fixed,
}

impl From<offer::Unit> for Unit {
    fn from(unit: offer::Unit) -> Self {
        match unit {
            offer::Unit::Mb => Unit::Mb,
            offer::Unit::Second => Unit::Second,
            offer::Unit::Cell => Unit::Cell,
            offer::Unit::ByteHour => Unit::ByteHour,
            offer::Unit::Call => Unit::Call,
            offer::Unit::Fixed => Unit::Fixed,
        }
    }
}

impl From<Unit> for offer::Unit {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::Mb => offer::Unit::Mb,
            Unit::Second => offer::Unit::Second,
            Unit::Cell => offer::Unit::Cell,
            Unit::ByteHour => offer::Unit::ByteHour,
            Unit::Call => offer::Unit::Call,
            Unit::Fixed => offer::Unit::Fixed,
        }
    }
}

/// What sessions are paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoldBy {
    #[default]
    Mb,
    Second,
}

impl std::str::FromStr for SoldBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "mb" => Ok(Self::Mb),
            "second" => Ok(Self::Second),
            _ => Err("write `mb` or `second`".to_owned()),
        }
    }
}

impl From<SoldBy> for Unit {
    fn from(sold: SoldBy) -> Self {
        match sold {
            SoldBy::Mb => Self::Mb,
            SoldBy::Second => Self::Second,
        }
    }
}

/// Out of what sessions are paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pay {
    /// The lane of a channel with the provider where there is one with something left in it, and the account otherwise.
    #[default]
    Auto,
    Account,
    /// The lane of a channel with the provider, and nothing else.
    Channel,
}

impl Pay {
    /// Whether it need not be said.
    pub(super) fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

impl std::str::FromStr for Pay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "account" => Ok(Self::Account),
            "channel" => Ok(Self::Channel),
            _ => Err("write `auto`, `account` or `channel`".to_owned()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    pub unit: Unit,
    pub amount: Amount,
    pub asset: AssetId,
    pub min_reputation: u16,
}

/// As people say it: `0.01 WAY per MB`.
impl std::fmt::Display for Price {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = match self.unit {
            Unit::Mb => "MB",
            Unit::Second => "second",
            Unit::Cell => "cell",
            Unit::ByteHour => "byte and hour",
            Unit::Call => "call",
            Unit::Fixed => return write!(f, "{} WAY", self.amount),
        };
        write!(f, "{} WAY per {unit}", self.amount)
    }
}

impl From<offer::Price> for Price {
    fn from(price: offer::Price) -> Self {
        let offer::Price { unit, amount, asset, reputation_min } = price;
        Self { unit: unit.into(), amount, asset, min_reputation: reputation_min }
    }
}

/// An offer on the market (row A1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    pub offer_id: OfferId,
    pub provider: IdentityId,
    pub serial: Serial,
    pub service: Service,
    /// Of a service that plugs in, as the offer gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    pub country: Country,
    pub exit_country: Country,
    pub asn: u32,
    pub bandwidth_bps: u64,
    pub prices: Vec<Price>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    pub exit_policy: Vec<String>,
    pub contacts: Vec<Contact>,
    pub published_ms: Time,
    pub expires_ms: Time,
    pub preferred: bool,
    /// Whether its exit gives clients ports (row A11).
    pub forwards: bool,
    /// How well the provider serves, if anything is known (row A2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
}

/// How well a provider serves: points from 0 to 1000, 500 for whoever nothing is known of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quality {
    /// By all that is known; what offers are sorted by.
    pub score: u16,
    /// Sessions of this node that count in it.
    pub own_sessions: u32,
    /// Others that have said something that weighs anything.
    pub attesters: u32,
    /// By what this node measured alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_score: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    pub protocol: String,
    pub data: String,
}

/// An offer that was sent to the ledger, and the payment for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    pub offer_id: OfferId,
    pub entry: Entry,
}

/// Names a session: lower-case hex of a length not to be relied upon.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub String);

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    Opening,
    Active,
    Paused,
    Closed,
    Failed,
}

impl SessionState {
    /// Whether the session may still move bytes.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Opening | Self::Active | Self::Paused)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    pub offer_id: OfferId,
    pub provider: IdentityId,
    /// Who uses it, where this node is the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<IdentityId>,
    pub service: Service,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    pub bytes_up: u64,
    pub bytes_down: u64,
    /// Since it was asked for.
    pub seconds: u64,
    /// In which it ran, as far as that was acknowledged: what is billed where it is sold by the second.
    pub seconds_served: u64,
    pub price: Price,
    pub cost: Amount,
    pub paid: Amount,
    /// The channel out of whose lane it is paid, where it isn't paid from the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    pub state: SessionState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    pub started_ms: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// We pay.
    Out,
    /// We are paid.
    In,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackingKind {
    Account,
    Reservation,
    Channel,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    pub direction: Direction,
    pub counterparty: IdentityId,
    pub serial: Serial,
    pub amount: Amount,
    pub settled: Amount,
    pub backing: BackingKind,
    pub updated_ms: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_ms: Option<Time>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromiseSettlement {
    pub entries: Vec<Entry>,
    pub asked: bool,
}

//! Bots on the market: offering one, and hiring those of others (rows A1, M11).

use byway_primitives::{Amount, IdentityId};
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::params::Params;
use super::requests::Request;

/// Offers this node's bot on the market, until it is withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BotOfferMake {
    pub name: String,
    /// What it does, in a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Words that it answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// Of one answer.
    pub price: Amount,
}

/// Those who offer a bot on the market.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BotFind {
    /// Stands in the bot's name, in what is said of it, or in its commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub word: Option<String>,
}

/// Hires a bot, or changes what is paid for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BotHireMake {
    /// Who offers it.
    pub bot: IdentityId,
    /// The most that is paid for one answer; what its offer asks for when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_max: Option<Amount>,
    /// The most that is spent on it in all, with what was before; ten answers more when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Amount>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BotDismiss {
    pub bot: IdentityId,
}

/// A bot that somebody offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotOffer {
    pub bot: IdentityId,
    pub name: String,
    pub about: String,
    pub commands: Vec<String>,
    /// Of one answer.
    pub price: Amount,
    /// What the ledger knows of whoever offers it, from 0 to 1000.
    pub score: u16,
    /// Whether it is hired here.
    pub hired: bool,
}

/// The bot that this node offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotOffered {
    pub name: String,
    pub about: String,
    pub commands: Vec<String>,
    pub price: Amount,
    /// Whether the market has the offer.
    pub listed: bool,
}

/// Somebody who has hired this node's bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotClient {
    pub client: IdentityId,
    /// None where it has not begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// The bot is given messages from this place on, …
    pub begins: u64,
    /// … up to before this one.
    pub released: u64,
    /// Messages that it is not given yet.
    pub waiting: u64,
    /// Answers that were earned.
    pub answered: u64,
    pub earned: Amount,
}

/// A bot that is hired here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotHire {
    pub bot: IdentityId,
    /// As it is offered, or as its host calls themselves.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// Whether it is given what is said to it, as far as is known.
    pub served: bool,
    pub price_max: Amount,
    /// What is spent on it in all at the most.
    pub limit: Amount,
    pub spent: Amount,
    /// What it asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Amount>,
    /// Messages that were said to it, and answers that were paid.
    pub asked: u64,
    pub answered: u64,
    /// Messages that it was not given yet, as its host said last.
    pub waiting: u64,
    /// Answers that its host wants to be paid for and has not given.
    pub overcharged: u64,
    /// Why it is given nothing: `unwilling`, `too_dear`, `unpaid`, `full`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The bot that this node offers, and those that it has hired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<BotOffered>,
    pub clients: Vec<BotClient>,
    /// What all answers have earned.
    pub earned: Amount,
    pub hired: Vec<BotHire>,
}

impl Request for BotOfferMake {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            name: params.required("name")?,
            about: params.optional("about")?,
            commands: params.optional("commands")?.unwrap_or_default(),
            price: params.required_amount("price")?,
        })
    }
}

impl Request for BotFind {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { word: params.optional("word")? })
    }
}

impl Request for BotHireMake {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            bot: params.required("bot")?,
            price_max: params.amount("price_max")?,
            limit: params.amount("limit")?,
        })
    }
}

impl Request for BotDismiss {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { bot: params.required("bot")? })
    }
}

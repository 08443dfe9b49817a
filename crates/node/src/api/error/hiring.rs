//! What goes wrong with bots on the market.

use byway_primitives::{Amount, IdentityId};

use super::{ApiError, ErrorKind};

impl ApiError {
    pub fn bot_not_found(bot: IdentityId) -> Self {
        Self::new(
            ErrorKind::BotNotFound,
            format!("{bot} offers no bot on the market."),
            "`byway bot find` lists those that are offered.",
        )
        .with("bot", bot.to_string().into())
    }

    pub fn bot_not_hired(bot: IdentityId) -> Self {
        Self::new(
            ErrorKind::BotNotHired,
            format!("No bot of {bot} is hired here."),
            "`byway bot hired` lists those that are.",
        )
        .with("bot", bot.to_string().into())
    }

    pub fn bot_too_dear(bot: IdentityId, price: Amount) -> Self {
        Self::new(
            ErrorKind::BotTooDear,
            format!("The bot of {bot} asks for {price} WAY an answer, which is more than you would pay."),
            "Allow that with `--price-max`, or hire another: `byway bot find`.",
        )
        .with("bot", bot.to_string().into())
        .with("price", price.to_string().into())
    }

    pub fn too_many_bots(most: usize) -> Self {
        Self::new(
            ErrorKind::TooManyBots,
            format!("{most} bots are hired here already, which is as many as may be."),
            "Dismiss one first: `byway bot hired`, `byway bot dismiss`.",
        )
    }

    pub fn no_bot_offered() -> Self {
        Self::new(
            ErrorKind::NoBotOffered,
            "This node offers no bot.",
            "Offer it first: `byway bot offer NAME --price AMOUNT`.",
        )
    }
}

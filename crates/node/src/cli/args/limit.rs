//! What can be typed about spending limits.

use std::str::FromStr;

use byway_primitives::Amount;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum LimitCommand {
    /// Show the limits, what was spent today, and what waits for your word
    Show,
    /// Change the limits; what is left out stays as it is
    Set(LimitSetArgs),
    /// Let go on what a limit has stopped
    Allow {
        /// So much more today, in WAY [default: as much again as the limit]
        amount: Option<Amount>,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct LimitSetArgs {
    /// Of a day (UTC), all exits together; `none` for no limit
    #[arg(long, value_name = "WAY")]
    pub day: Option<Limit>,
    /// Of a session; `none` for no limit
    #[arg(long, value_name = "WAY")]
    pub session: Option<Limit>,
}

/// An amount, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub Option<Amount>);

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self(None)),
            amount => {
                amount.parse().map(|amount| Self(Some(amount))).map_err(|error| format!("{error}; or write `none`"))
            }
        }
    }
}

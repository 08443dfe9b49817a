//! What can be typed about sub-accounts.

use byway_primitives::Amount;
use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Make a sub-account; its token is printed once and never again
    Create {
        /// Up to 40 letters, digits, -, _ and .
        name: String,
        /// WAY that it may spend
        #[arg(long, value_name = "WAY")]
        limit: Amount,
        /// When the budget is full again
        #[arg(long, value_enum, default_value = "never")]
        per: PeriodArg,
    },
    /// Show all sub-accounts and what they have spent
    List,
    /// Let a sub-account's token open nothing any more
    Revoke {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PeriodArg {
    /// At midnight (UTC)
    Day,
    Never,
}

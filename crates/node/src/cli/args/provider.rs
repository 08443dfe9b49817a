//! What a provider types.

use std::time::Duration;

use byway_access::exit_policy::Destination;
use byway_primitives::Amount;
use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub enum ProviderCommand {
    /// Show what was carried, earned and settled
    Earnings(EarningsArgs),
    /// Settle what is owed and move the account's balance to the wallet
    CashOut {
        /// How much; all there is when left out
        amount: Option<Amount>,
    },
    /// Keep clients from a destination, at once and whatever runs there
    Block(BlockArgs),
    /// Let clients go there again
    Unblock { destination: Destination },
    /// Show what is blocked
    Blocks,
}

#[derive(Debug, Args)]
pub struct EarningsArgs {
    /// What to sum up by (UTC)
    #[arg(long, value_enum, default_value = "day")]
    pub by: By,
    /// Print lines for a spreadsheet
    #[arg(long)]
    pub csv: bool,
    /// Most periods to show
    #[arg(long, default_value_t = 31, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub limit: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    Day,
    Month,
}

#[derive(Debug, Args)]
pub struct BlockArgs {
    /// A domain, an address or a network, each with or without :PORT; *:PORT for a port of all hosts
    pub destination: Destination,
    /// How long, such as 12h or 30d; for good when left out
    #[arg(long = "for", value_name = "TIME", value_parser = span)]
    pub time: Option<Duration>,
    /// What it is about, for yourself
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}

/// Minutes, hours or days.
fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time; write 30m, 12h or 30d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    // A century is for good.
    number
        .checked_mul(seconds)
        .filter(|total| (1..=36_525 * 86_400).contains(total))
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        for (text, seconds) in [("30m", 1_800), ("12h", 43_200), ("30d", 2_592_000)] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "30", "d", "0d", "-1d", "5w", "99999999999999999999d", "40000d", "3é"] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}

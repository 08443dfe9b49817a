//! What can be typed about watching channels.

use byway_primitives::{Amount, IdentityId};
use clap::Subcommand;

use super::ChannelName;

#[derive(Debug, Subcommand)]
pub enum WatchCommand {
    /// Watch channels of others for money, until the node stops; the section [watch] of its configuration is for good
    #[command(after_help = "Example:\n  byway watch run --price 0.002")]
    Run {
        /// For one channel a day, in WAY
        #[arg(long)]
        price: Option<Amount>,
        /// How many are watched at a time
        #[arg(long, value_name = "COUNT")]
        channels: Option<usize>,
        /// Put an offer on the market, so that others find it; that costs what an offer costs
        #[arg(long)]
        publish: bool,
    },
    /// Watchtowers that have an offer on the market, the cheapest first
    #[command(after_help = "Example:\n  byway watch find")]
    Find,
    /// Take on no more channels of others; what was paid for is watched to its end
    #[command(after_help = "Example:\n  byway watch stop")]
    Stop,
    /// Have somebody watch a channel while you are away
    #[command(after_help = "Example:\n  byway watch add 3f2a byway:peer/… --price-max 0.002 --days 30")]
    Add {
        #[command(flatten)]
        name: ChannelName,
        /// Who: an identity, or a card as `byway identity card` prints one [default: the cheapest on the market]
        tower: Option<String>,
        /// The most to pay a day, in WAY
        #[arg(long)]
        price_max: Option<Amount>,
        /// How many days are paid ahead; when half of them are over, they are filled up
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=3650))]
        days: Option<u64>,
    },
    /// Have it watched by somebody no more
    #[command(after_help = "Example:\n  byway watch remove 3f2a 1b2c…9f")]
    Remove {
        #[command(flatten)]
        name: ChannelName,
        tower: IdentityId,
    },
    /// Which channels are watched, and by whom
    #[command(after_help = "Example:\n  byway watch list")]
    List,
    /// What this node watches for others, and what that has earned
    #[command(after_help = "Example:\n  byway watch status --json")]
    Status,
}

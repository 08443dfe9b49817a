//! What can be typed about holding.

use byway_primitives::{Amount, IdentityId};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum HoldCommand {
    /// Hold for others what is sent to them while they are away, for money, until the node stops; the section [hold] of its
    /// configuration is for good
    #[command(after_help = "Example:\n  byway hold offer --price 0.00001 --publish")]
    Offer {
        /// For 10^6 bytes a day, in WAY
        #[arg(long)]
        price: Option<Amount>,
        /// How many megabytes are held, of all together
        #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u64).range(1..))]
        room: Option<u64>,
        /// How many megabytes are held for one
        #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u64).range(1..))]
        client: Option<u64>,
        /// Put an offer on the market, without which senders don't find this node; that costs what an offer costs
        #[arg(long)]
        publish: bool,
    },
    /// Take nothing new for others; what is held is handed over
    #[command(after_help = "Example:\n  byway hold stop")]
    Stop,
    /// Those who offer on the market to hold, the cheapest first
    #[command(after_help = "Example:\n  byway hold find")]
    Find,
    /// Have somebody hold what is sent to you while you are away; up to four do, and more than one is wise
    #[command(
        after_help = "Example:\n  byway hold use\n  byway hold use 1b2c…9f --price-max 0.00002 --mb 20 --days 30"
    )]
    Use {
        /// Who: an identity, or a card as `byway identity card` prints one [default: the cheapest on the market]
        holder: Option<String>,
        /// The most to pay for 10^6 bytes a day, in WAY
        #[arg(long)]
        price_max: Option<Amount>,
        /// For how many megabytes is paid ahead
        #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u64).range(1..=3650))]
        mb: Option<u64>,
        /// For how many days is paid ahead; filled up when half of that is used
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=3650))]
        days: Option<u64>,
    },
    /// Have somebody hold for you no more; what they hold is lost there, and its senders still have it
    #[command(after_help = "Example:\n  byway hold leave 1b2c…9f")]
    Leave { holder: IdentityId },
    /// Look now whether something is held
    #[command(after_help = "Example:\n  byway hold fetch")]
    Fetch,
    /// Who holds for you, and what you hold for others
    #[command(after_help = "Example:\n  byway hold status --json")]
    Status,
}

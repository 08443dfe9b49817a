//! What can be typed about hubs.

use byway_primitives::Amount;
use clap::Subcommand;

use super::channel::KeyArg;

#[derive(Debug, Subcommand)]
pub enum HubCommand {
    /// Send payments of others on for a fee, and guarantee virtual channels if asked to, until the node stops; the section [hub] of its configuration is for good
    #[command(after_help = "Example:\n  byway hub run --fee-base 0.0002")]
    Run {
        /// For each payment, in WAY
        #[arg(long, value_name = "AMOUNT")]
        fee_base: Option<Amount>,
        /// And of each million that is sent on
        #[arg(long, value_name = "COUNT")]
        fee_per_million: Option<u64>,
        /// Less is not sent on
        #[arg(long, value_name = "AMOUNT")]
        amount_min: Option<Amount>,
        /// Guarantee virtual channels between peers too, which ties money up as long as they go on
        #[arg(long)]
        guarantee: bool,
        /// For each of the two, in WAY
        #[arg(long, value_name = "AMOUNT", requires = "guarantee")]
        guarantee_fee_base: Option<Amount>,
        /// And of each million that this node puts in
        #[arg(long, value_name = "COUNT", requires = "guarantee")]
        guarantee_fee_per_million: Option<u64>,
        /// Put an offer on the market, so that others find it; that costs what an offer costs
        #[arg(long)]
        publish: bool,
    },
    /// Hubs that have an offer on the market, the cheapest first
    #[command(after_help = "Example:\n  byway hub list")]
    List,
    /// What a hub takes for guaranteeing a virtual channel, and whether it would
    #[command(
        after_help = "Example:\n  byway hub ask 77abab9e8c1d2f3a4b5c6d7e8f90112233445566 --deposit 1 --theirs 0.5 --days 7"
    )]
    Ask {
        /// Its identity or its card
        hub: String,
        /// What you would put in, in WAY
        #[arg(long, value_name = "AMOUNT")]
        deposit: Option<Amount>,
        /// What the peer would put in
        #[arg(long, value_name = "AMOUNT")]
        theirs: Option<Amount>,
        /// How long it is to go on; 7 when left out
        #[arg(long, value_name = "COUNT")]
        days: Option<u64>,
    },
    /// Move money from one channel into another by paying yourself over other hubs, so that there is room again where it has run out
    #[command(
        after_help = "Examples:\n  byway hub rebalance\n  byway hub rebalance 0.5 --from 3f2a --to 77c0 --fee-max 0.002"
    )]
    Rebalance {
        /// In WAY; what brings the two channels near each other when left out
        amount: Option<Amount>,
        /// The channel that it goes out over; the one with most to send when left out
        #[arg(long, value_name = "CHANNEL")]
        from: Option<String>,
        /// The channel that it comes in over; the one with least to send when left out
        #[arg(long, value_name = "CHANNEL")]
        to: Option<String>,
        /// What hubs may take in all; a hundredth of the amount and 0.001 when left out
        #[arg(long, value_name = "AMOUNT")]
        fee_max: Option<Amount>,
        #[command(flatten)]
        key: KeyArg,
    },
    /// Send no more on; what is on its way goes on
    #[command(after_help = "Example:\n  byway hub stop")]
    Stop,
    /// Whom payments can come from and go to, what is on its way and guaranteed, what was earned, and what was refused
    #[command(after_help = "Example:\n  byway hub status")]
    Status,
}

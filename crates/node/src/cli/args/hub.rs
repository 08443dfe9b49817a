//! What can be typed about hubs.

use byway_primitives::Amount;
use clap::Subcommand;

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
    /// Send no more on; what is on its way goes on
    #[command(after_help = "Example:\n  byway hub stop")]
    Stop,
    /// Whom payments can come from and go to, what is on its way and guaranteed, what was earned, and what was refused
    #[command(after_help = "Example:\n  byway hub status")]
    Status,
}

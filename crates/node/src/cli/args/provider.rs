//! What a provider types.

use std::time::Duration;

use byway_access::exit_policy::Destination;
use byway_primitives::Amount;
use clap::{Args, Subcommand, ValueEnum};

use crate::calendar::span_of;

#[derive(Debug, Subcommand)]
pub enum ProviderCommand {
    /// Show what was carried, earned and settled
    Earnings(EarningsArgs),
    /// Settle what is owed and move the account's balance to the wallet, or to an address
    CashOut {
        /// How much; all there is when left out
        amount: Option<Amount>,
        /// Pay it out to this address instead of the wallet
        #[arg(long, value_name = "ADDRESS")]
        to: Option<String>,
    },
    /// Keep clients from a destination, at once and whatever runs there
    Block(BlockArgs),
    /// Let clients go there again
    Unblock { destination: Destination },
    /// Show what is blocked
    Blocks,
    /// Show the ports that clients have here
    Ports {
        #[command(subcommand)]
        command: Option<PortsCommand>,
    },
}

#[derive(Debug, Subcommand)]
pub enum PortsCommand {
    /// Take a port back, with all that goes on there; its client gets none for a day
    Close {
        port: u16,
        /// Which of the two ports of this number, where two clients have them
        #[arg(long, value_enum)]
        protocol: Option<PortProtocol>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PortProtocol {
    Tcp,
    Udp,
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
    #[arg(long = "for", value_name = "TIME", value_parser = span_of)]
    pub time: Option<Duration>,
    /// What it is about, for yourself
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}

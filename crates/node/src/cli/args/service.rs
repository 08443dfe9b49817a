//! What can be typed about services that plug in.

use std::net::SocketAddr;

use byway_primitives::Amount;
use byway_records::offer::{Country, Service};
use clap::{Args, Subcommand};

use crate::api::Pay;

#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Show the services that plug in here: those sold, and those opened
    List,
    /// Connect to a service of the market and open it for programs on this machine
    Open(ServiceOpenArgs),
    /// Close what was opened, and end its session
    Close {
        /// Where it listens
        listen: SocketAddr,
    },
}

#[derive(Debug, Args)]
pub struct ServiceOpenArgs {
    /// The service's name, such as http-fetch
    pub service: Service,
    /// Listen here, on loopback [default: a free port]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "stdio")]
    pub listen: Option<SocketAddr>,
    /// Join one connection to standard input and output, and close when it ends
    #[arg(long)]
    pub stdio: bool,
    /// What the service is told of what is wanted; its documentation says what to write
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub data: String,
    /// Where the provider's exit is, such as DE
    #[arg(long, value_name = "CC")]
    pub country: Option<Country>,
    /// Most WAY per megabyte
    #[arg(long, value_name = "WAY")]
    pub max_price: Option<Amount>,
    /// Out of what it is paid: account, channel, or auto: a channel where there is one
    #[arg(long, value_name = "SOURCE", default_value = "auto")]
    pub pay: Pay,
}

//! What can be typed about proxy ports that lead elsewhere than the main one.

use std::net::SocketAddr;

use clap::{Args, Subcommand};

use super::FilterArgs;
use crate::api::Pay;
use byway_records::offer::Country;

#[derive(Debug, Subcommand)]
pub enum ProxyCommand {
    /// Show where this node's proxies listen and lead
    List,
    /// Open a proxy that leads to one country, now and after every restart
    Open(ProxyOpenArgs),
    /// Close one that `open` opened
    Close {
        /// Where it listens
        listen: SocketAddr,
    },
}

#[derive(Debug, Args)]
pub struct ProxyOpenArgs {
    /// Where traffic leaves, such as DE
    #[arg(value_name = "CC", conflicts_with = "country")]
    pub to: Option<Country>,
    /// Listen here, on loopback [default: a free port]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Out of what its exits are paid: account, channel, or auto: a channel where there is one
    #[arg(long, value_name = "SOURCE", default_value = "auto")]
    pub pay: Pay,
}

//! What can be typed about ports at the exit.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::str::FromStr;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum ForwardCommand {
    /// Show the ports, where they are and where they lead
    List,
    /// Ask the exit for a port that leads to a program here, now and after every restart
    Open(ForwardOpenArgs),
    /// Give a port back
    Close {
        /// Where it leads: a port of this machine, or ADDRESS:PORT
        to: Program,
        /// The one for UDP
        #[arg(long)]
        udp: bool,
    },
}

#[derive(Debug, Args)]
pub struct ForwardOpenArgs {
    /// Where the program listens: a port of this machine, or ADDRESS:PORT
    pub to: Program,
    /// The port at the exit [default: one that it gives, the same for as long as the exit stays]
    #[arg(long, value_name = "PORT")]
    pub port: Option<NonZeroU16>,
    /// A port for UDP instead of TCP
    #[arg(long)]
    pub udp: bool,
    /// Tell the program in a first line where each visitor comes from (PROXY protocol, version 1)
    #[arg(long, conflicts_with = "udp")]
    pub proxy_protocol: bool,
}

/// Where a program listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program(pub SocketAddr);

impl FromStr for Program {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(port) = text.parse::<NonZeroU16>() {
            return Ok(Self((Ipv4Addr::LOCALHOST, port.get()).into()));
        }
        let address = text
            .parse()
            .map_err(|_| "write a port, such as 8080, or an address with a port, such as 192.168.1.5:80")?;
        Ok(Self(address))
    }
}

//! What can be typed about the tunnel.

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;

use byway_records::Domain;
use byway_records::offer::Network;
use clap::{Args, Subcommand, ValueEnum};

use crate::config::ProgramsInside;

#[derive(Debug, Subcommand)]
pub enum TunnelCommand {
    /// Show what goes past it or through it alone, and over how many relays it goes
    Show,
    /// Change it, from the next tunnel on; what is left out stays as it is
    Set(TunnelSetArgs),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct TunnelSetArgs {
    /// Networks past the tunnel, such as 192.0.2.0/24, with commas between; `none` for none
    #[arg(long, value_name = "NETWORKS")]
    pub outside: Option<List<Network>>,
    /// Domains past the tunnel, such as example.com, with all below them
    #[arg(long, value_name = "DOMAINS")]
    pub outside_domains: Option<List<Domain>>,
    /// Networks through the tunnel alone; the rest of the machine is then outside
    #[arg(long, value_name = "NETWORKS")]
    pub inside: Option<List<Network>>,
    /// Domains through the tunnel alone; the rest of the machine is then outside
    #[arg(long, value_name = "DOMAINS")]
    pub inside_domains: Option<List<Domain>>,
    /// Who is asked for names past the tunnel, where domains decide; `none`: the machine's own name servers
    #[arg(long, value_name = "ADDRESSES")]
    pub name_servers: Option<List<IpAddr>>,
    /// Which programs it is for, as told by `byway exec`
    #[arg(long)]
    pub programs: Option<ProgramsChoice>,
    /// Printers, file servers and screens of the local network
    #[arg(long, value_name = "ON|OFF")]
    pub local_network: Option<Switch>,
    /// Relays that it goes over in slices, up to 8; 0: straight to the exit
    #[arg(long, value_name = "N")]
    pub relays: Option<u8>,
    /// Slices that give a packet [default: all but one]
    #[arg(long, value_name = "K", requires = "relays")]
    pub needed: Option<u8>,
}

/// Values with commas between; `none` for an empty list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

impl<T: FromStr<Err: Display>> FromStr for List<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        let read = |part: &str| part.trim().parse().map_err(|error| format!("\"{part}\": {error}; or write `none`"));
        text.split(',').map(read).collect::<Result<_, _>>().map(Self)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgramsChoice {
    All,
    AllButOutside,
    OnlyInside,
}

impl From<ProgramsChoice> for ProgramsInside {
    fn from(choice: ProgramsChoice) -> Self {
        match choice {
            ProgramsChoice::All => Self::All,
            ProgramsChoice::AllButOutside => Self::AllButOutside,
            ProgramsChoice::OnlyInside => Self::OnlyInside,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_written_with_commas() {
        let read = |text: &str| text.parse::<List<Domain>>().map(|list| list.0.len());
        assert_eq!((read("none"), read("a.example, *.b.example")), (Ok(0), Ok(2)));
        assert!(read("").is_err() && read("a.example,,").is_err());
    }
}

//! What can be typed to make a network and to run the nodes of one.

use std::path::PathBuf;

use byway_records::offer::Network;
use clap::{Args, Subcommand};

use crate::genesis::{Funding, Leaders, MemberText};
use crate::ports::PortChoice;

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct UpArgs {
    /// How many kernel nodes
    #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u8).range(4..=50))]
    pub kernel_nodes: u8,
    /// How many providers, each with its own country and price
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub providers: u8,
    /// Let the exits reach this block although their policy denies it; can be repeated
    #[arg(long, value_name = "CIDR")]
    pub exit_allow: Vec<Network>,
    /// Without Robin and the guide, who are there to be talked to
    #[arg(long)]
    pub alone: bool,
    /// What to do when port 1080, 7070 or 7071 is taken
    #[arg(long, value_enum, default_value_t, value_name = "CHOICE")]
    pub ports: PortChoice,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct RunArgs {
    /// The configuration; config.example.toml shows every key
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// What to do when a port is taken
    #[arg(long, value_enum, default_value_t, value_name = "CHOICE")]
    pub ports: PortChoice,
}

/// As [`RunArgs`], for a node whose folder `join` made.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct RunNodeArgs {
    /// The configuration; config.example.toml shows every key [default: config.toml in the node's directory]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do when a port is taken
    #[arg(long, value_enum, default_value_t, value_name = "CHOICE")]
    pub ports: PortChoice,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct JoinArgs {
    /// The network file, or a link from somebody who is in the network: `byway:net/…`, or `byway:invite/…` with coins. With - it
    /// is read from standard input, so that no other user of this machine sees it
    #[arg(value_name = "NETWORK-FILE-OR-LINK")]
    pub network: String,
    /// Which of your devices this is, for a new keystore
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub device: u32,
    /// Go straight on to `byway run`
    #[arg(long)]
    pub run: bool,
    /// With --run: what to do when a port is taken
    #[arg(long, value_enum, default_value_t, value_name = "CHOICE")]
    pub ports: PortChoice,
}

#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    /// Print a link by which others join the network
    Link(NetworkLinkArgs),
}

#[derive(Debug, Args)]
pub struct NetworkLinkArgs {
    /// The network file [default: ask the running node, which knows who the kernel nodes are now]
    #[arg(value_name = "NETWORK-FILE")]
    pub file: Option<PathBuf>,
    /// A relay that whoever joins may use, as peers write it into `relay`; one with a secret makes the link one, too
    #[arg(long, value_name = "ADDRESS")]
    pub relay: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum RelayCommand {
    /// Run a relay
    Run(RunArgs),
    /// Print what peers write into `relay` to reach a relay behind a front. It holds the front's secret
    Address(RelayAddressArgs),
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct RelayAddressArgs {
    /// The relay's configuration
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Name the certificate's key, so that peers need no authority to vouch for it. A new key makes a new address
    #[arg(long)]
    pub pin: bool,
}

#[derive(Debug, Subcommand)]
pub enum GenesisCommand {
    /// Make the genesis file that a network is
    New(GenesisNewArgs),
}

#[derive(Debug, Args)]
pub struct GenesisNewArgs {
    /// The network's name
    #[arg(long)]
    pub name: String,
    /// A kernel node: member.json of `kernel init`, or the line NAME=HOST:PORT,KEY,MESH,DEALING,OWNER it printed; once per node
    #[arg(long, required = true, value_name = "NODE")]
    pub kernel: Vec<MemberText>,
    /// Who gets coins: ADDRESS=AMOUNT, or ADDRESS=rest; can be repeated
    #[arg(long, value_name = "ADDRESS=AMOUNT")]
    pub fund: Vec<Funding>,
    /// Allow fewer than seven kernel nodes
    #[arg(long)]
    pub test: bool,
    /// Who names the leaders of rounds; fixed for good
    #[arg(long, value_enum, default_value_t, value_name = "WHO")]
    pub leaders: Leaders,
    /// Where to write it; never over an existing file
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

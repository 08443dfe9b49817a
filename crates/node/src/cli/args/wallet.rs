//! What can be typed about money: the wallet, groups that hold money together, assets beside WAY.

use std::path::PathBuf;

use byway_primitives::{Amount, AssetId};
use byway_records::asset::{self, Symbol};
use clap::{Args, Subcommand};

use crate::api::params::IdempotencyKey;

#[derive(Debug, Subcommand)]
pub enum WalletCommand {
    /// Show what there is, and where
    Balance,
    /// Show the address to be paid at
    Address,
    /// Print the view key: whoever has it sees every payment of this wallet for ever, and can't spend
    ViewKey,
    /// Watch a wallet with its view key alone; needs no node and can't spend
    Watch(WatchArgs),
    /// Pay an address
    Send {
        /// The address
        to: String,
        /// In WAY, or in the asset
        amount: Amount,
        /// Another asset than WAY: its symbol, or its id
        #[arg(long, value_name = "ASSET")]
        asset: Option<AssetName>,
        #[command(flatten)]
        once: OnceArgs,
    },
    /// Ask to be paid: prints a link that others pay with `byway wallet pay`
    Request {
        /// In WAY, or in the asset; the payer says how much when left out
        amount: Option<Amount>,
        /// Another asset than WAY: its symbol, or its id
        #[arg(long, value_name = "ASSET")]
        asset: Option<AssetName>,
        /// What it is for: up to 80 plain characters
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        /// How long it may be paid: 30s, 20m, 8h, 2d
        #[arg(long, value_name = "SPAN")]
        within: Option<Within>,
    },
    /// Pay what a link asks for
    Pay {
        /// byway:pay?…
        link: String,
        /// Where the link leaves it to you
        amount: Option<Amount>,
        /// Only say what the link asks for
        #[arg(long)]
        show: bool,
        #[command(flatten)]
        once: OnceArgs,
    },
    /// Move from the wallet to the payment account, from which promises are paid
    Deposit {
        /// In WAY, or in the asset that is named
        amount: Amount,
        /// Another asset than WAY, to put it into channels: its symbol or id
        #[arg(long, value_name = "ASSET")]
        asset: Option<AssetName>,
        #[command(flatten)]
        once: OnceArgs,
    },
    /// Move from the payment account to the wallet, after the notice period
    Withdraw {
        /// In WAY, or in the asset that is named
        amount: Amount,
        /// Another asset than WAY: its symbol or id
        #[arg(long, value_name = "ASSET", conflicts_with = "to")]
        asset: Option<AssetName>,
        /// Pay it out to this address instead of the wallet
        #[arg(long, value_name = "ADDRESS")]
        to: Option<String>,
        #[command(flatten)]
        once: OnceArgs,
    },
    /// Call off what is to leave the payment account and was not paid out yet
    CancelWithdrawal {
        #[command(flatten)]
        once: OnceArgs,
    },
    /// Money that several people hold together and any m of n of them can spend
    #[command(subcommand)]
    Group(GroupCommand),
    /// Merge outputs of the wallet into fewer, without linking more than must be
    Consolidate {
        /// Merge what different payers sent too; they and everyone else then see that it went to one person
        #[arg(long)]
        mix: bool,
        /// Send the transactions at random moments within this long: 30s, 20m, 8h, 2d
        #[arg(long, default_value = "1h", value_name = "SPAN")]
        within: Within,
    },
    /// Show what came and went, newest first
    History {
        /// Most entries to show
        #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
        limit: u64,
    },
}

#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// Set a group up; needs no running node
    New {
        /// How many members must sign
        #[arg(long, value_name = "M", value_parser = clap::value_parser!(u8).range(1..=16))]
        threshold: u8,
        /// The members' addresses, in any order
        #[arg(required = true, num_args = 2..=16, value_name = "ADDRESS")]
        members: Vec<String>,
        /// Where to write the group's key, which every member needs; never over an existing file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Have this wallet find what the group is paid from now on
    Join {
        /// The group's key
        key_file: PathBuf,
    },
    /// Show the groups joined, their addresses, and what they hold
    List,
    /// Propose a payment and sign it; the file then goes to the other members
    Propose {
        /// The group's address, or its beginning
        group: String,
        /// Who is paid
        to: String,
        /// In WAY, or in the asset
        amount: Amount,
        /// Another asset than WAY: its symbol, or its id
        #[arg(long, value_name = "ASSET")]
        asset: Option<AssetName>,
        /// How long it can be signed and sent [default: 1d]
        #[arg(long, value_name = "SPAN")]
        within: Option<Within>,
        /// Where to write the proposal
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show what a proposal does, checked by this node
    Show { file: PathBuf },
    /// Sign a proposal, after checking that it does what it says
    Sign {
        file: PathBuf,
        /// Where to write it [default: over the file]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Send what enough members have signed; signatures of several copies are put together
    Submit {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        once: OnceArgs,
    },
}

#[derive(Debug, Clone, Args)]
pub struct WatchArgs {
    /// The network's genesis file
    #[arg(long, value_name = "FILE")]
    pub network: PathBuf,
    /// Read the view key from a file [default: ask, or standard input]
    #[arg(long, value_name = "FILE")]
    pub view_key_file: Option<PathBuf>,
    /// Show what there is by now, and end
    #[arg(long)]
    pub once: bool,
}

#[derive(Debug, Subcommand)]
pub enum AssetCommand {
    /// Show the assets there are beside WAY
    List,
    /// Register an asset that this node's identity will issue; costs what genesis says
    Register {
        /// 2 to 12 of A-Z and 0-9
        symbol: Symbol,
        /// What it is called
        #[arg(long)]
        name: asset::AssetName,
        /// Digits after the point
        #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=18))]
        decimals: u8,
        #[command(flatten)]
        once: OnceArgs,
    },
    /// Make new units of an asset that this node's identity has registered
    Issue {
        /// Its symbol, or its id
        asset: AssetName,
        amount: Amount,
        /// For this address; the own wallet when left out
        #[arg(long, value_name = "ADDRESS")]
        to: Option<String>,
        #[command(flatten)]
        once: OnceArgs,
    },
    /// Destroy units that are in the wallet, of an asset that this node's identity has registered
    Burn {
        /// Its symbol, or its id
        asset: AssetName,
        amount: Amount,
        #[command(flatten)]
        once: OnceArgs,
    },
    /// Draw from the faucet of a test network
    Faucet {
        #[arg(default_value = "100")]
        amount: Amount,
        #[command(flatten)]
        once: OnceArgs,
    },
}

/// How a person names an asset: by id, or by a symbol that may be ambiguous.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssetName {
    Id(AssetId),
    Symbol(Symbol),
}

impl std::str::FromStr for AssetName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        let symbol = text.parse().map(Self::Symbol);
        symbol.map_err(|_| "WAY, a symbol such as TEST, or an id of 64 hex digits is needed".to_owned())
    }
}

/// A span as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Within {
    pub seconds: u64,
}

impl std::str::FromStr for Within {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [("s", 1u64), ("m", 60), ("h", 3600), ("d", 86_400)];
        let found = units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
        let span = found.and_then(|(digits, seconds)| digits.parse::<u64>().ok()?.checked_mul(*seconds));
        span.map(|seconds| Self { seconds }).ok_or_else(|| "a span such as 30s, 20m, 8h or 2d is needed".to_owned())
    }
}

#[derive(Debug, Args)]
pub struct OnceArgs {
    /// Do nothing if this key was used before: for scripts that may run twice
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Wait until it is final or rejected, however long that takes; exit code 1 if it is rejected
    #[arg(long)]
    pub wait: bool,
}

//! What can be typed. `clap` makes help, errors and exit code 2 out of it.

mod kernel;

use std::path::PathBuf;

use byway_primitives::{Amount, AssetId, IdentityId};
use byway_records::TransactionId;
use byway_records::asset::{self, Symbol};
use byway_records::offer::{Country, Network, OfferId, Service};
use clap::{Args, Parser, Subcommand};

pub use kernel::*;

use super::{Globals, LightArgs};
use crate::api::OfferFilter;
use crate::api::params::IdempotencyKey;
use crate::bench::kernel::Shape;
use crate::fetch::Url;
use crate::genesis::{Funding, Leaders, MemberText};
use crate::keystore::IdentityPurpose;
use crate::ports::PortChoice;

/// Browse through exits that strangers run, and pay them by the megabyte.
#[derive(Debug, Parser)]
#[command(name = "byway", version, propagate_version = true, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    pub globals: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Try it on this machine:
  byway up                                    a whole local network, with a funded wallet
  curl -x socks5h://127.0.0.1:1080 http://…   goes out through an exit, and is paid for
  byway status                                what it cost, and how the node is

Join a network:
  byway identity new && byway run --config config.toml

`byway COMMAND --help` says more about each command.";

#[derive(Debug, Args)]
pub struct GlobalArgs {
    /// The node's directory [default: BYWAY_DIR, or `byway` in your data folder]
    #[arg(long, global = true, value_name = "D", help_heading = "Everywhere")]
    dir: Option<PathBuf>,
    /// Print JSON for programs
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(super) json: bool,
    /// Read the keystore's passphrase from a file [default: BYWAY_PASSPHRASE, or ask]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    passphrase_file: Option<PathBuf>,
}

impl From<GlobalArgs> for Globals {
    fn from(args: GlobalArgs) -> Self {
        Self { dir: args.dir, json: args.json, passphrase_file: args.passphrase_file }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a whole local network on this machine: kernel, providers, and your own node
    Up(UpArgs),
    /// Show how the node is: exit, speed, cost, balance, ledger
    Status(StatusArgs),
    /// Fetch a URL through the market, with a receipt
    Fetch(FetchArgs),
    /// Choose an exit: one offer, or the cheapest that fits
    Connect(ConnectArgs),
    /// End the session; the proxy refuses connections until `connect`
    Disconnect,
    /// What is for sale, and selling
    #[command(subcommand)]
    Offer(OfferCommand),
    /// What was used and what it cost
    #[command(subcommand)]
    Session(SessionCommand),
    /// Money: balance, address, sending, the payment account
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// What is owed, and settling it on the ledger
    #[command(subcommand)]
    Promise(PromiseCommand),
    /// Assets beside WAY
    #[command(subcommand)]
    Asset(AssetCommand),
    /// The keystore and its identities
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// Look into the ledger and check it
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Verify payments and entries of the ledger, without a node and without trusting anyone
    Light(LightArgs),
    /// Run a node of an existing network
    Run(RunArgs),
    /// Run a kernel node
    #[command(subcommand)]
    Kernel(KernelCommand),
    /// Run a relay for peers that can't reach each other
    #[command(subcommand)]
    Relay(RelayCommand),
    /// Make a new network
    #[command(subcommand)]
    Genesis(GenesisCommand),
    /// Measure this machine; prints one JSON object
    #[command(subcommand)]
    Bench(BenchCommand),
}

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

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print only the link to the web page; it holds the token, so don't share it
    #[arg(long)]
    pub link: bool,
}

#[derive(Debug, Args)]
pub struct FetchArgs {
    /// https://host/path or http://host/path
    pub url: Url,
    /// Write to a file; a cut download is taken up again. Without it the content goes to standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Trust these certificate authorities too: a file in PEM form
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// What an offer must have.
#[derive(Debug, Clone, Default, Args)]
pub struct FilterArgs {
    /// Kind of service
    #[arg(long, value_name = "NAME")]
    service: Option<Service>,
    /// Where traffic leaves, such as DE
    #[arg(long, value_name = "CC")]
    country: Option<Country>,
    /// Autonomous system of the exit
    #[arg(long, value_name = "NUMBER")]
    asn: Option<u32>,
    /// Most WAY per megabyte
    #[arg(long, value_name = "WAY")]
    max_price: Option<Amount>,
    /// Least bandwidth in bits per second
    #[arg(long, value_name = "BPS")]
    min_bandwidth: Option<u64>,
}

impl FilterArgs {
    pub fn filter(self) -> OfferFilter {
        OfferFilter {
            service: self.service,
            country: self.country,
            asn: self.asn,
            unit: None,
            max_price: self.max_price,
            min_bandwidth_bps: self.min_bandwidth,
        }
    }
}

#[derive(Debug, Args)]
pub struct ConnectArgs {
    /// Exactly this offer
    #[arg(long, value_name = "ID", conflicts_with_all = ["service", "country", "asn", "max_price", "min_bandwidth"])]
    pub offer: Option<OfferId>,
    #[command(flatten)]
    pub filter: FilterArgs,
}

#[derive(Debug, Subcommand)]
pub enum OfferCommand {
    /// Show the market, cheapest first
    List(OfferListArgs),
    /// Publish what this node sells; what is left out is as in its configuration
    Publish(OfferPublishArgs),
    /// Take an offer off the market
    Withdraw {
        /// The offer's id
        offer: OfferId,
    },
}

#[derive(Debug, Args)]
pub struct OfferListArgs {
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Most offers to show
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub limit: u64,
}

#[derive(Debug, Args)]
pub struct OfferPublishArgs {
    /// Kind of service
    #[arg(long, value_name = "NAME")]
    pub service: Option<Service>,
    /// Where the provider is
    #[arg(long, value_name = "CC")]
    pub country: Option<Country>,
    /// Where traffic leaves
    #[arg(long, value_name = "CC")]
    pub exit_country: Option<Country>,
    /// Autonomous system of the exit
    #[arg(long, value_name = "NUMBER")]
    pub asn: Option<u32>,
    /// WAY per megabyte
    #[arg(long, value_name = "WAY")]
    pub price: Option<Amount>,
    /// Bits per second of one session
    #[arg(long, value_name = "BPS")]
    pub bandwidth: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// Show sessions, newest first
    List {
        /// Most sessions to show
        #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
        limit: u64,
    },
}

#[derive(Debug, Subcommand)]
pub enum PromiseCommand {
    /// Show what is owed, newest change first
    List,
    /// Settle what we are owed, and wait for the ledger; what we owe only the one who is paid can settle
    Settle {
        /// With whom; everyone when left out
        counterparty: Option<IdentityId>,
        /// Don't wait for the ledger
        #[arg(long)]
        no_wait: bool,
    },
}

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
    /// Move from the wallet to the payment account, from which promises are paid
    Deposit {
        /// In WAY
        amount: Amount,
        #[command(flatten)]
        once: OnceArgs,
    },
    /// Move from the payment account to the wallet, after the notice period
    Withdraw {
        /// In WAY
        amount: Amount,
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

#[derive(Debug, Subcommand)]
pub enum IdentityCommand {
    /// Make a keystore, or add an identity to the one there is
    New {
        /// Name of the new identity; needed when there is a keystore already
        name: Option<String>,
        /// What the new identity is for
        #[arg(long, value_enum, default_value = "browsing")]
        purpose: IdentityPurpose,
        /// Which of your devices this is, for a new keystore
        #[arg(long, default_value_t = 0, value_name = "N")]
        device: u32,
    },
    /// Show the identities of this node
    List,
    /// Show one identity, and the wallet's address
    Show {
        /// Name or id
        #[arg(default_value = "browsing")]
        identity: String,
    },
    /// Lock the pledge that makes an identity trustworthy
    Register {
        /// The one this node uses when left out
        id: Option<IdentityId>,
        #[command(flatten)]
        once: OnceArgs,
    },
    /// Show the seed phrase, which is everything: whoever has it has your money
    Export,
    /// Make a keystore from a seed phrase
    Restore {
        /// Read the words from a file [default: ask, or standard input]
        #[arg(long, value_name = "FILE")]
        phrase_file: Option<PathBuf>,
        /// Which of your devices this is; the same number on two devices in use would endanger both
        #[arg(long, default_value_t = 0, value_name = "N")]
        device: u32,
    },
}

#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Recompute the supply from a verified checkpoint; exit code 1 if it is not balanced
    Audit,
    /// Show what this node knows of a transaction
    Transaction {
        /// The transaction's id
        id: TransactionId,
    },
    /// Show what the ledger holds about an identity
    Identity {
        /// The identity's id
        id: IdentityId,
    },
}

#[derive(Debug, Subcommand)]
pub enum RelayCommand {
    /// Run a relay
    Run(RunArgs),
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

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum BenchCommand {
    /// Transfers through a kernel on this machine, over loopback
    Kernel {
        /// Kernel nodes
        #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u8).range(4..=50))]
        nodes: u8,
        /// Transfers offered per second
        #[arg(long, default_value_t = 4000, value_name = "R")]
        rate: u32,
        /// How long
        #[arg(long, default_value_t = 10, value_name = "S", value_parser = clap::value_parser!(u32).range(1..=3600))]
        seconds: u32,
        /// What the transfers look like
        #[arg(long, value_enum, default_value_t = Shape::OneToOne, value_name = "SHAPE")]
        shape: Shape,
        /// Who names the leaders of rounds
        #[arg(long, value_enum, default_value_t, value_name = "WHO")]
        leaders: Leaders,
        /// Offer nothing: measure what an idle network costs
        #[arg(long, conflicts_with_all = ["rate", "shape"])]
        idle: bool,
    },
    /// How soon a kernel node with many unspent outputs votes again after a restart
    Restart {
        /// Unspent outputs
        #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
        outputs: u64,
    },
    /// Finding one's outputs with the view key, on one core
    Scan {
        /// Transactions of six outputs each
        #[arg(long, default_value_t = 5000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        transactions: u32,
    },
    /// One stream through a paid exit, against a bare one
    Socks {
        /// Megabytes to move
        #[arg(long, default_value_t = 1000, value_name = "MB")]
        megabytes: u32,
    },
}

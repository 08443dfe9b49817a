//! What can be typed. `clap` makes help, errors and exit code 2 out of it.

mod account;
mod backup;
mod bench;
mod bot;
mod channel;
mod chat;
mod chat_book;
mod chat_content;
mod chat_group;
mod chat_search;
mod contract;
mod device;
mod firewall;
mod forward;
mod holding;
mod hub;
mod invite;
mod kernel;
mod limit;
mod market;
mod name;
mod network;
mod phone;
mod provider;
mod proxy;
mod service;
mod tunnel;
mod wallet;
mod watching;

use std::path::PathBuf;

use byway_primitives::IdentityId;
use byway_records::TransactionId;
use clap::{Args, Parser, Subcommand};

pub use account::*;
pub use backup::*;
pub use bench::*;
pub use bot::*;
pub use channel::*;
pub use chat::*;
pub use chat_book::*;
pub use chat_content::*;
pub use chat_group::*;
pub use chat_search::*;
pub use contract::*;
pub use device::*;
pub use firewall::*;
pub use forward::*;
pub use holding::*;
pub use hub::*;
pub use invite::*;
pub use kernel::*;
pub use limit::*;
pub use market::*;
pub use name::*;
pub use network::*;
pub use phone::*;
pub use provider::*;
pub use proxy::*;
pub use service::*;
pub use tunnel::*;
pub use wallet::*;
pub use watching::*;

use super::{Globals, LightArgs};
use crate::keystore::IdentityPurpose;

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

Join a network, with its file or a link that somebody sent you:
  byway join byway:net/… && byway run

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
    /// Say what keeps others from reaching this peer, and what to do; exit code 1 if something is wrong
    Doctor(DoctorArgs),
    /// Fetch a URL through the market, with a receipt
    Fetch(FetchArgs),
    /// Choose an exit: one offer, or the cheapest that fits
    Connect(ConnectArgs),
    /// End the session; the proxy refuses connections until `connect`
    Disconnect,
    /// Proxies that lead to one country, beside the main one
    #[command(subcommand)]
    Proxy(ProxyCommand),
    /// Ports at the exit that lead to a program here
    #[command(subcommand)]
    Forward(ForwardCommand),
    /// What may be spent without being asked, and your word when that is reached
    #[command(subcommand)]
    Limit(LimitCommand),
    /// What goes past the tunnel or through it alone, and over how many relays it goes
    #[command(subcommand)]
    Tunnel(TunnelCommand),
    /// The kill switch and all else that is changed on this machine; needs root, and no running node
    #[command(subcommand)]
    Firewall(FirewallCommand),
    /// Run a program past the tunnel, or inside it
    Exec(ExecArgs),
    /// What is for sale, and selling
    #[command(subcommand)]
    Offer(OfferCommand),
    /// Earnings, cash-out, and destinations that clients don't get to
    #[command(subcommand)]
    Provider(ProviderCommand),
    /// What was used and what it cost
    #[command(subcommand)]
    Session(SessionCommand),
    /// Money and contracts between you and one peer, with the ledger as arbiter
    #[command(subcommand)]
    Channel(ChannelCommand),
    /// Contracts that have left their channels for the ledger
    #[command(subcommand)]
    Contract(LedgerContractCommand),
    /// Having what is sent to you held while you are away, and holding for others
    #[command(subcommand)]
    Hold(HoldCommand),
    /// Having channels watched while you are away, and watching those of others
    #[command(subcommand)]
    Watch(WatchCommand),
    /// Send payments of others on from one channel into another
    #[command(subcommand)]
    Hub(HubCommand),
    /// Messages between people, with no server in the middle
    #[command(subcommand)]
    Chat(ChatCommand),
    /// Programs that take part in conversations
    #[command(subcommand)]
    Bot(BotCommand),
    /// Services that programs of your own, or of others, provide
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Money: balance, address, sending, the payment account
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Budgets within this node, for whoever resells
    #[command(subcommand)]
    Account(AccountCommand),
    /// A phone's browser on this node, over the local network
    #[command(subcommand)]
    Phone(PhoneCommand),
    /// Other nodes that talk in your name
    #[command(subcommand)]
    Device(DeviceCommand),
    /// What is owed, and settling it on the ledger
    #[command(subcommand)]
    Promise(PromiseCommand),
    /// Assets beside WAY
    #[command(subcommand)]
    Asset(AssetCommand),
    /// What identities are called in the ledger's directory
    #[command(subcommand)]
    Name(NameCommand),
    /// The keystore and its identities
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// What a lost disk would cost, as a file that only your seed phrase opens
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Look into the ledger and check it
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Verify payments and entries of the ledger, without a node and without trusting anyone
    Light(LightArgs),
    /// First coins for somebody else, as a link by which they join
    #[command(subcommand)]
    Invite(InviteCommand),
    /// Make a folder ready for a node of an existing network
    Join(JoinArgs),
    /// Run a node of an existing network
    Run(RunNodeArgs),
    /// Links by which others join
    #[command(subcommand)]
    Network(NetworkCommand),
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

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The peer's configuration; it may run or not
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print only the link to the web page; it holds the token, so don't share it
    #[arg(long)]
    pub link: bool,
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
    /// Print the card by which others reach this node, to open a channel with it
    #[command(after_help = "Example:\n  byway identity card > card.txt")]
    Card,
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

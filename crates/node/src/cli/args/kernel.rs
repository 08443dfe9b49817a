//! What can be typed after `byway kernel`.

use std::path::PathBuf;

use byway_primitives::IdentityId;
use clap::{Args, Subcommand};

use super::RunArgs;
use crate::api::params::IdempotencyKey;

#[derive(Debug, Subcommand)]
pub enum KernelCommand {
    /// Make the keys of a kernel node and print its line for `genesis new`
    Init(KernelInitArgs),
    /// Run a kernel node
    Run(RunArgs),
    /// Show how a kernel node is; exit code 1 if it is not healthy
    Status(KernelStatusArgs),
    /// Copy the state of a stopped kernel node
    Backup(KernelBackupArgs),
    /// Put a copy back, into a directory without state
    Restore(KernelRestoreArgs),
    /// On the server: print what the node's owner takes a seat for it with, or changes its keys or address with
    Entry(KernelEntryArgs),
    /// Print the identity that this keystore owns kernel nodes with, for `init` and `entry`; needs no running node
    Owner,
    /// Show the kernel nodes of the network, with their standing and pledges
    Members,
    /// On the owner's node: pledge for a kernel node and give it a seat
    Join {
        /// What `kernel entry` printed, or the file that it wrote
        #[arg(value_name = "ENTRY")]
        entry: EntryText,
        #[command(flatten)]
        act: ActArgs,
    },
    /// On the owner's node: have a kernel node take no part any more; its pledge is locked for a time from then on
    Leave {
        /// Its seat; the only one that you own when left out
        seat: Option<u8>,
        #[command(flatten)]
        act: ActArgs,
    },
    /// On the owner's node: draw the pledge of a node that has left, once it is unlocked
    Reclaim {
        /// Its seat; the only one that you own when left out
        seat: Option<u8>,
        #[command(flatten)]
        act: ActArgs,
    },
    /// On the owner's node: give a seat other keys, another address, name or owner
    Rotate {
        seat: u8,
        /// What `kernel entry` printed, or the file that it wrote
        #[arg(value_name = "ENTRY")]
        entry: EntryText,
        #[command(flatten)]
        act: ActArgs,
    },
    /// On the owner's node: bring a conviction before those who govern the network
    Appeal {
        seat: u8,
        /// Which of its convictions; the newest when left out
        #[arg(long, value_enum)]
        offence: Option<OffenceName>,
        #[command(flatten)]
        act: ActArgs,
    },
    /// On the owner's node: agree to another version of the kernel's protocol from a height on
    Upgrade {
        /// Its seat; the only one that you own when left out
        seat: Option<u8>,
        /// The version
        #[arg(long, value_name = "N")]
        protocol: u16,
        /// The height of the checkpoint that it begins with
        #[arg(long, value_name = "HEIGHT")]
        height: u64,
        #[command(flatten)]
        act: ActArgs,
    },
}

/// How a call about a seat is made.
#[derive(Debug, Args)]
pub struct ActArgs {
    /// Don't ask before it is signed
    #[arg(long)]
    pub yes: bool,
    /// Do nothing if this key was used before: for scripts that may run twice
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<IdempotencyKey>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OffenceName {
    First,
    Second,
}

/// An entry, read from its file where that is what was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryText(pub String);

impl std::str::FromStr for EntryText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.parse::<byway_records::SignedEntry>().is_ok() {
            return Ok(Self(text.to_owned()));
        }
        match std::fs::read_to_string(text) {
            Ok(content) => Ok(Self(content.trim().to_owned())),
            // What is neither is told by the node, with the remedy.
            Err(_) => Ok(Self(text.to_owned())),
        }
    }
}

#[derive(Debug, Args)]
pub struct KernelEntryArgs {
    /// The node's configuration; its genesis file says for which network
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Who owns the node: what `kernel owner` prints where its owner's keystore is [default: as `kernel init` noted]
    #[arg(long, value_name = "IDENTITY")]
    pub owner: Option<IdentityId>,
    /// Another name than `kernel init` noted
    #[arg(long)]
    pub name: Option<String>,
    /// Another address than `kernel init` noted: host:port
    #[arg(long, value_name = "HOST:PORT")]
    pub address: Option<String>,
    /// Write it to a file too
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct KernelStatusArgs {
    /// The node's configuration
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Another kernel node of the network, by name, at the address that genesis has
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
}

#[derive(Debug, Args)]
pub struct KernelBackupArgs {
    /// The node's configuration
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// A new folder for the copy
    #[arg(long, value_name = "FOLDER")]
    pub to: PathBuf,
}

#[derive(Debug, Args)]
pub struct KernelRestoreArgs {
    /// The node's configuration
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The folder of the copy
    #[arg(long, value_name = "FOLDER")]
    pub from: PathBuf,
}

#[derive(Debug, Args)]
pub struct KernelInitArgs {
    /// The node's name in the network
    #[arg(long)]
    pub name: String,
    /// Where others reach it: host:port
    #[arg(long, value_name = "HOST:PORT")]
    pub address: String,
    /// The cold identity that pledges for the node and decides about it; made in the folder `owner` where none is named
    #[arg(long, value_name = "IDENTITY")]
    pub owner: Option<IdentityId>,
}

//! What can be typed about contracts on the ledger.

use std::path::PathBuf;

use byway_primitives::Amount;
use clap::{Args, Subcommand};

use super::channel::{CallArgs, KeyArg};

#[derive(Debug, Subcommand)]
pub enum LedgerContractCommand {
    /// Show those that this node follows, or has left a channel of
    #[command(after_help = "Example:\n  byway contract list --json")]
    List,
    /// Show one: what it has, who called it lately
    #[command(after_help = "Example:\n  byway contract show 0x91")]
    Show(LedgerContractName),
    /// Have the ledger execute a call, paid from the account
    #[command(after_help = CALL_EXAMPLE)]
    Call(LedgerCallArgs),
    /// Show what a call would return; changes nothing, and nobody hears of it
    #[command(after_help = "Example:\n  byway contract look 0x91 'due()(uint256)'")]
    Look {
        #[command(flatten)]
        call: CallArgs,
        /// As if the contract were paid so much, in WAY
        #[arg(long, default_value = "0", value_name = "A")]
        value: Amount,
    },
    /// Write what a contract has stored into a file, for somebody who is to call it too
    #[command(after_help = "Example:\n  byway contract export 0x91 pot.contract")]
    Export {
        #[command(flatten)]
        name: LedgerContractName,
        file: PathBuf,
    },
    /// Follow a contract from such a file on, if that is what the ledger has the root of
    #[command(after_help = "Example:\n  byway contract import pot.contract")]
    Import { file: PathBuf },
}

const CALL_EXAMPLE: &str = "\
Examples:
  byway contract call 0x91 'take()'
  byway contract call 3f2a/0x91 'pay()' --value 0.5

`me` stands for this node's address, `peer` for the other party's of the channel that the contract has left. A second
parenthesis holds the types of what it returns.";

/// Which contract.
#[derive(Debug, Args)]
pub struct LedgerContractName {
    /// Its address, or the beginning; behind its channel's id and a slash where several have the same
    pub contract: String,
}

#[derive(Debug, Args)]
pub struct LedgerCallArgs {
    #[command(flatten)]
    pub call: CallArgs,
    /// Pay the contract so much out of our account, in WAY
    #[arg(long, default_value = "0", value_name = "A")]
    pub value: Amount,
    /// Stop the call after this much gas [default: half as much again as it takes now]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub gas: Option<u64>,
    #[command(flatten)]
    pub key: KeyArg,
}

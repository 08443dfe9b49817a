//! What can be typed about invites.

use byway_primitives::Amount;
use clap::{Args, Subcommand};

use super::{OnceArgs, Within};
use crate::api::params::IdempotencyKey;

#[derive(Debug, Subcommand)]
pub enum InviteCommand {
    /// Pay coins to whoever comes with a link, and print the link. It is money: whoever has it can take them
    New(InviteNewArgs),
    /// Show invites given and accepted, and what became of them
    List,
    /// Print the link of an open invite again
    Show {
        /// Its number in `invite list`
        number: u32,
        /// As for `new`
        #[arg(long, value_name = "ADDRESS")]
        relay: Option<String>,
    },
    /// Draw back the coins of an invite that nobody has taken
    TakeBack {
        /// Its number in `invite list`
        number: u32,
        #[command(flatten)]
        once: OnceArgs,
    },
}

#[derive(Debug, Args)]
pub struct InviteNewArgs {
    /// WAY to begin with, beside the pledge
    #[arg(long, value_name = "WAY")]
    pub coins: Amount,
    /// Without what registering an identity takes: for somebody who is registered
    #[arg(long)]
    pub without_pledge: bool,
    /// How long it can be taken: 20m, 8h, 30d. Then your node draws it back
    #[arg(long, default_value = "30d", value_name = "SPAN")]
    pub within: Within,
    /// A relay that the newcomer may use, if not your node's
    #[arg(long, value_name = "ADDRESS")]
    pub relay: Option<String>,
    /// Do nothing if this key was used before: for scripts that may run twice
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<IdempotencyKey>,
}

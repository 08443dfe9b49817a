//! `byway bot`.

use clap::{Args, Subcommand};

use crate::cli::bot::name;
use crate::cli::bot::rules::May;

/// Programs that take part in conversations
#[derive(Debug, Subcommand)]
pub enum BotCommand {
    /// Run a bot until it is stopped: a program that speaks lines of JSON (docs/guide/bots.md)
    #[command(after_help = RUN_EXAMPLES)]
    Run(BotRunArgs),
    /// Tell a program a message that nobody said, and show what it would do; exit code 1 if that would be refused
    Check(BotCheckArgs),
    /// The guide of a local network, as a program for `run`
    #[command(hide = true)]
    Guide,
}

const RUN_EXAMPLES: &str = "\
Example, which answers Bob, and nobody else:
  byway bot run --in Bob --may answer examples/bots/keyword.py";

#[derive(Debug, Args)]
pub struct BotRunArgs {
    /// A conversation that it is let into, by its name, its id, or the other one's identity; may be said more than once
    #[arg(long = "in", value_name = "CONVERSATION", required_unless_present = "in_all")]
    pub within: Vec<String>,
    /// Let it into all conversations, those that begin later too
    #[arg(long, conflicts_with = "within")]
    pub in_all: bool,
    /// What it may do there
    #[arg(long, value_name = "WHAT", required = true, value_delimiter = ',')]
    pub may: Vec<May>,
    /// It sees only messages that have `@` and its name, or answer you
    #[arg(long)]
    pub mentions_only: bool,
    /// What it is called [default: like the program]
    #[arg(long, value_parser = name)]
    pub name: Option<String>,
    /// How much it says in a conversation within a minute
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=600))]
    pub per_minute: u16,
    /// End when the program ends, instead of starting it again
    #[arg(long)]
    pub once: bool,
    /// The program and its arguments
    #[arg(value_name = "PROGRAM", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

#[derive(Debug, Args)]
pub struct BotCheckArgs {
    /// What the message says
    #[arg(long, default_value = "hello")]
    pub text: String,
    /// How long to wait for what it does
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=600))]
    pub seconds: u16,
    /// End as soon as it has asked for so much
    #[arg(long, value_name = "N")]
    pub requests: Option<u32>,
    /// The program and its arguments
    #[arg(value_name = "PROGRAM", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

//! `byway bot`.

use byway_primitives::{Amount, IdentityId};
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
    #[command(flatten)]
    Market(BotMarketCommand),
    /// The guide of a local network, as a program for `run`
    #[command(hide = true)]
    Guide,
}

/// Bots on the market
#[derive(Debug, Subcommand)]
pub enum BotMarketCommand {
    /// Offer a bot on the market, until it is withdrawn; `byway bot run --hired` runs it. That costs what an offer costs
    #[command(after_help = OFFER_EXAMPLES)]
    Offer {
        /// What it is called
        #[arg(value_parser = name)]
        name: String,
        /// For an answer, in WAY
        #[arg(long)]
        price: Amount,
        /// What it does, in a line
        #[arg(long, value_name = "TEXT")]
        about: Option<String>,
        /// A word that it answers; may be said more than once
        #[arg(long = "command", value_name = "WORD")]
        commands: Vec<String>,
    },
    /// Offer it no more; whoever has hired it is told so
    #[command(after_help = "Example:\n  byway bot withdraw")]
    Withdraw,
    /// Bots on the market, the cheapest first
    #[command(after_help = "Example:\n  byway bot find weather")]
    Find {
        /// Stands in its name, in what is said of it, or in its commands
        word: Option<String>,
    },
    /// Hire a bot: its host becomes a contact, and each answer is paid
    #[command(after_help = "Example:\n  byway bot hire 1b2c…9f --limit 0.5")]
    Hire {
        /// Who offers it, as `byway bot find` shows
        bot: IdentityId,
        /// The most to pay for an answer, in WAY [default: what it is offered for]
        #[arg(long)]
        price_max: Option<Amount>,
        /// The most to spend on it in all, with what was before, in WAY [default: ten answers more]
        #[arg(long)]
        limit: Option<Amount>,
    },
    /// Which bots are hired, what each has cost, and what your own has earned
    #[command(after_help = "Example:\n  byway bot hired --json")]
    Hired,
    /// Hire a bot no more; its host stays a contact
    #[command(after_help = "Example:\n  byway bot dismiss 1b2c…9f")]
    Dismiss { bot: IdentityId },
}

const RUN_EXAMPLES: &str = "\
Example, which answers Bob, and nobody else:
  byway bot run --in Bob --may answer examples/bots/keyword.py";
const OFFER_EXAMPLES: &str = "\
Example, which answers whoever pays:
  byway bot offer keyword --price 0.01 --about 'Says when we are open.' --command hours
  byway bot run --hired --may answer examples/bots/keyword.py";

#[derive(Debug, Args)]
pub struct BotRunArgs {
    /// A conversation that it is let into, by its name, its id, or the other one's identity; may be said more than once
    #[arg(long = "in", value_name = "CONVERSATION", required_unless_present_any = ["in_all", "hired"])]
    pub within: Vec<String>,
    /// Let it into all conversations, those that begin later too
    #[arg(long, conflicts_with = "within")]
    pub in_all: bool,
    /// Let it answer those who have hired it (`byway bot offer`), as far as they have paid
    #[arg(long, conflicts_with_all = ["within", "in_all"])]
    pub hired: bool,
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

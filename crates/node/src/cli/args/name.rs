//! `byway name`.

use clap::Subcommand;

use super::OnceArgs;

/// What identities are called in the ledger's directory
#[derive(Debug, Subcommand)]
pub enum NameCommand {
    /// The names of this node, and those that it is about to take
    List,
    /// Whose a name is, until when, which name it looks like, and what it costs
    Show { name: String },
    /// Take a name for this node's identity; the node does it in two steps, which take some seconds
    Register {
        name: String,
        /// For how long
        #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
        years: u8,
        /// Pay without being asked
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        key: super::KeyArg,
    },
    /// Add years to a name
    Renew {
        name: String,
        /// How many
        #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
        years: u8,
        /// Pay without being asked
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        once: OnceArgs,
    },
    /// Give a name of yours to another registered identity
    Transfer {
        name: String,
        /// Their identity, or a name of theirs
        #[arg(value_name = "WHO")]
        to: String,
        /// Do it without being asked
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        once: OnceArgs,
    },
    /// Give a name of yours up; what was paid for it is gone
    Release {
        name: String,
        /// Do it without being asked
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        once: OnceArgs,
    },
    /// Be called by a name of yours, or by none when it is left out
    Primary {
        name: Option<String>,
        #[command(flatten)]
        once: OnceArgs,
    },
}

//! `byway chat book`.

use clap::Subcommand;

/// The address book of a group, which everyone in it may write in
#[derive(Debug, Subcommand)]
pub enum ChatBookCommand {
    /// Who is in it; `byway chat ask IDENTITY --from GROUP` asks one of them
    Show {
        #[arg(value_name = "GROUP")]
        group: String,
    },
    /// Put somebody in, or write something else of them
    Add {
        #[arg(value_name = "GROUP")]
        group: String,
        /// A contact's name, an identity, a card, or a name in the ledger's directory
        #[arg(value_name = "WHO")]
        who: String,
        /// What they are called there; what you call them when left out
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Take somebody out, for all
    Remove {
        #[arg(value_name = "GROUP")]
        group: String,
        #[arg(value_name = "WHO")]
        who: String,
    },
}

//! What can be typed after `byway backup`.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Write the promises of the running node into a file, sealed under its seed phrase
    Export {
        file: PathBuf,
        /// Write over a file that is there
        #[arg(long)]
        replace: bool,
    },
    /// Show what is in such a file
    Show {
        file: PathBuf,
        /// Open it with the words in this file [default: the keystore of the node's directory]
        #[arg(long, value_name = "FILE")]
        phrase_file: Option<PathBuf>,
    },
    /// Put such a file back, after `byway identity restore` and before the node runs
    Restore {
        file: PathBuf,
        /// The node's configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The folder was put back from an older copy of itself: take serials anew even if the file holds nothing new
        #[arg(long)]
        rolled_back: bool,
    },
}

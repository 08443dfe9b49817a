//! What can be typed about phones.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum PhoneCommand {
    /// Show the QR code by which a phone in the same local network opens this node, once, within five minutes
    Link {
        /// What the phone will be called
        #[arg(long)]
        name: Option<String>,
    },
    /// Show the phones that are linked
    List,
    /// Let a phone open this node no more
    Unlink {
        /// Its name
        name: String,
    },
}

//! What can be typed about other devices of the same person.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// On a new node: show the token that makes it a device of whoever types it in at their first one, once, within ten minutes
    Token,
    /// On your first node: make a node of yours a device too, by the token that it shows. It reads what you are told from then on, and
    /// speaks in your name: type in no token that somebody else gave you
    Link {
        /// What `byway device token` shows there
        token: String,
        /// What the device will be called
        #[arg(long)]
        name: Option<String>,
    },
    /// Show in whose name this node talks, and the other devices
    List,
    /// Take a device away: out of all conversations, and it is told nothing more
    Remove {
        /// Its name, or the identity of its node
        device: String,
    },
}

//! What a side knows of the ledger.

use byway_records::Channel;
use byway_records::channel::Environment;

/// The ledger at its newest final checkpoint, as far as a channel is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LedgerView {
    pub environment: Environment,
    pub commits: u64,
    /// The channel's entry.
    pub entry: Option<Channel>,
}

//! What a node's operator decides. Consensus parameters are not here: they are part of the genesis.

use byway_crypto::NodeSecret;
use byway_primitives::Span;
use byway_records::epoch::PROTOCOL_FIRST;

/// The newest version of the kernel's protocol that is written here.
pub const PROTOCOL_KNOWN: u16 = PROTOCOL_FIRST;

/// Transactions of a round that make the time to the next snapshot a millisecond longer: about as many as seven nodes on two
/// cores verify and execute in it.
pub const INTERVAL_TRANSACTIONS: u64 = 20;

/// A kernel node's settings. Nodes with different ones work together.
#[derive(Debug, Clone)]
pub struct Config {
    /// The hot key, from which its part of a coin's key derives too. The node takes part in epochs in which a counting seat
    /// has it, and only follows in others.
    pub secret: NodeSecret,
    /// The shortest time between two own snapshots; what arrives meanwhile shares the next one. Shorter costs more
    /// signatures and messages, longer costs latency: a transaction is final after four to five rounds.
    pub snapshot_interval_min: Span,
    /// What that time grows to as rounds fill up (by a millisecond for every [`INTERVAL_TRANSACTIONS`] of the last one):
    /// a busy network gains more from larger batches than it loses by waiting for them.
    pub snapshot_interval_busy: Span,
    /// Bytes of an own snapshot, at least 128 KiB and no more than the protocol's limit. What doesn't fit goes into the next.
    /// So much that a round is verified well within `resend_after` even if all nodes have as much to say: else an
    /// overloaded network sends everything twice, and gets slower by it.
    pub snapshot_bytes_max: usize,
    /// Time between two own snapshots when there is nothing to do.
    pub heartbeat: Span,
    /// The longest wait for a round's leader, however slow leaders were.
    pub leader_timeout_max: Span,
    /// How long a peer has to answer before another is asked.
    pub request_timeout: Span,
    /// How long a round may lack its quorum before what was sent is sent again.
    pub resend_after: Span,
    /// Epochs before the one in force whose snapshots are kept, at least one; all if absent. An epoch lasts a day at most
    /// ([`Parameters::epoch_life`](byway_records::Parameters::epoch_life)). Who needs older ones goes on by steps.
    pub epochs_kept: Option<u32>,
    /// How far a snapshot's time may be ahead of our clock before it has to wait. Bounds how far f nodes with false
    /// clocks can push the ledger's time.
    pub clock_ahead_max: Span,
    /// Transactions that wait for an own snapshot or for their verdict; more are refused. A few seconds of work: who is
    /// refused at once can ask another node, who waits for a minute can't.
    pub pool_transactions_max: usize,
    /// Bytes of transactions that wait for an own snapshot.
    pub pool_bytes_max: usize,
    /// The newest version of the kernel's protocol that this program speaks. Where the network decides on a newer one the
    /// node stops. Another than [`PROTOCOL_KNOWN`] is for trying what happens then.
    pub protocol_known: u16,
}

impl Config {
    pub fn new(secret: NodeSecret) -> Self {
        Self {
            secret,
            snapshot_interval_min: Span::millis(2),
            snapshot_interval_busy: Span::millis(8),
            snapshot_bytes_max: 128 * 1024,
            heartbeat: Span::seconds(1),
            leader_timeout_max: Span::seconds(1),
            request_timeout: Span::millis(250),
            resend_after: Span::millis(500),
            epochs_kept: None,
            clock_ahead_max: Span::millis(500),
            pool_transactions_max: 20_000,
            pool_bytes_max: 64 * 1024 * 1024,
            protocol_known: PROTOCOL_KNOWN,
        }
    }
}

//! What goes wrong between this node and the ledger: kernel nodes that refuse or do not answer, books that do not prove themselves.

use super::{ApiError, ErrorKind};

impl ApiError {
    /// The kernel's nodes ask for more work than is done for a transaction.
    pub fn kernel_busy(bits: u8) -> Self {
        Self::new(
            ErrorKind::Busy,
            format!("The kernel's nodes are busy: even the least busy asks for work of {bits} bits for a transaction."),
            "Try again in a minute.",
        )
    }

    pub fn kernel_unreachable() -> Self {
        Self::new(
            ErrorKind::KernelUnreachable,
            "No kernel node answers, and nothing was sent.",
            "Check the network connection and try again.",
        )
    }

    /// A transaction that is written down and that the kernel refused, with the reason that f + 1 of its nodes gave.
    pub fn not_taken(reason: &str) -> Self {
        Self::new(
            ErrorKind::TransactionRefused,
            format!("The kernel did not take the transaction: {reason}."),
            "It is handed in again for two minutes; `byway wallet history` shows how it ends. Don't repeat it before.",
        )
    }

    /// A transaction that one kernel node refused, and that nothing was done with.
    pub fn refused_here(reason: &str) -> Self {
        Self::new(
            ErrorKind::TransactionRefused,
            format!("This kernel node did not take the transaction: {reason}."),
            "Correct it, or hand it to another kernel node.",
        )
    }

    /// A call that changes something, to a server that anyone may read from.
    pub fn read_only() -> Self {
        Self::new(
            ErrorKind::NotSupported,
            "This server is open to everyone for reading only.",
            "Send the token of its node, or hand the transaction to a node of your own.",
        )
    }

    /// The outputs that an audit found are not those that the kernel certified at `height`.
    pub fn ledger_mismatch(height: u64) -> Self {
        Self::new(
            ErrorKind::LedgerMismatch,
            format!(
                "The ledger's outputs do not match the certified digest at height {height}: either a quorum of kernel \
                 nodes certified books that don't add up, or this node reckons wrongly."
            ),
            "Audit again from another node with current software; if it fails there too, don't rely on this ledger, and \
             tell the network's operators the height.",
        )
        .with("height", height.into())
    }

    /// No kernel node shows a checkpoint of `height` that proves itself.
    pub fn ledger_unproved(height: u64) -> Self {
        Self::new(
            ErrorKind::LedgerUnproved,
            format!(
                "The audit stopped at height {height}: what kernel nodes sent for it is not what a quorum certified, and \
                 no other node answers."
            ),
            "Check that this node runs current software and has the right genesis file, then audit again; its log names \
             the kernel nodes.",
        )
        .with("height", height.into())
    }

    pub fn transaction_not_found() -> Self {
        Self::new(
            ErrorKind::TransactionNotFound,
            "This node has seen no such transaction.",
            "Check the id; one that was only just sent appears within a second.",
        )
    }
}

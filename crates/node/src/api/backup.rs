//! Exports of the books of payment: what comes back after a lost disk (row A4).

use byway_primitives::{Amount, IdentityId, Span, Time};
use serde::{Deserialize, Serialize};

/// The books as a file's content, sealed under the seed phrase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupExport {
    pub made_ms: Time,
    pub identity: IdentityId,
    /// With whom there are promises.
    pub peers: u64,
    /// Those that did not fit, with whom least is unsettled.
    pub left_out: u64,
    /// Promised to this node and not settled.
    pub unsettled: Amount,
    /// What to write into a file, two hexadecimal digits for each byte.
    pub content: String,
}

/// How exports that the node makes by itself get on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupView {
    pub file: String,
    pub every_ms: Span,
    /// When the file was last as the books are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_ms: Option<Time>,
    /// What keeps the node from writing it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

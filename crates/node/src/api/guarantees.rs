//! Virtual channels: by whom they are guaranteed, and who ends them (row C4).

use byway_primitives::{IdentityId, Time};
use serde::{Deserialize, Serialize};

/// Who began to close a channel on the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelCloser {
    Us,
    Peer,
    /// That of a virtual channel.
    Hub,
}

/// What a virtual channel has instead of money on the ledger: a guarantee in a channel with a hub that the peer has one with too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelGuarantee {
    pub hub: IdentityId,
    /// The two part then, or the hub ends it.
    pub until_ms: Time,
    pub state: ChannelGuaranteeState,
}

/// Where a guarantee stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelGuaranteeState {
    /// The hub has not given it yet.
    Awaited,
    Stands,
    /// Both have signed how they part, or are about to; the hub is to sign too.
    Parting,
    /// The channel is on the ledger, which decides what comes out of it.
    OnLedger,
    /// It is decided what each is paid, and not paid yet in the channel with the hub.
    Decided,
    /// What was in it is in the channels with the hub.
    Over,
}

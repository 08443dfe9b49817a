//! What is the matter with channels, and what to do about it.

use byway_primitives::Span;
use serde::Serialize;

use super::{Verdict, note, wrong};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// What is the matter with a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelFindings {
    pub channel: String,
    pub trouble: ChannelTrouble,
    /// Until when something can be done about it, where that is known: in milliseconds from when this was found.
    pub left_ms: Option<Span>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelTrouble {
    /// There are two signed states of one round.
    Frozen,
    /// Its journal can't be read.
    Unreadable,
    /// The peer is asked for what the journal has lost.
    Recovering,
    /// This machine's clock and the peer's are more than an hour apart.
    ClocksApart,
    /// The peer closes it on the ledger.
    Dispute,
    /// It could be paid out, and nobody has shown the ledger what both have of its other assets.
    PursesAwaited,
    /// It has contracts or other assets, and nothing of it is kept in a second place.
    NotCopied,
    /// The second place can't be used.
    CopyFails,
}

pub(super) fn channel(findings: &ChannelFindings) -> Verdict {
    let name = &findings.channel;
    match findings.trouble {
        ChannelTrouble::Frozen => wrong(
            "channel_frozen",
            format!("Channel {name} is frozen: there are two signed states of one round."),
            format!("Nothing more is signed in it; close it (`byway channel close {name} --alone`)."),
        ),
        ChannelTrouble::Unreadable => wrong(
            "channel_unreadable",
            format!("The journal of channel {name} can't be read, so this node can't answer for it."),
            format!("Let the peer help (`byway channel restore {name}`), or put back a disk that can be read."),
        ),
        ChannelTrouble::Recovering => note(
            "channel_recovering",
            format!("The journal of channel {name} was an old one or is lost; its peer has not shown the rest yet."),
            "Leave the node running until the peer was there.",
        ),
        ChannelTrouble::ClocksApart => wrong(
            "channel_clocks_apart",
            format!("Channel {name} stands still: this machine's clock and its peer's are more than an hour apart."),
            "Set this machine's clock, if that is the one that is wrong (`clock_behind` or `clock_ahead` is said here then) and start the node \
             anew; else tell the peer's user.",
        ),
        ChannelTrouble::Dispute => note(
            "channel_dispute",
            format!("The peer is closing channel {name} on the ledger."),
            "Leave the node running: it answers what is older than what it knows. `byway channel show` says how long it takes.",
        ),
        ChannelTrouble::PursesAwaited => wrong(
            "channel_assets_awaited",
            format!(
                "Channel {name} waits for somebody to show the ledger what both have of its other assets. Nobody has yet, and in {} \
                 days each gets back what it put in.",
                findings.left_ms.unwrap_or_default().0.div_ceil(DAY_MS)
            ),
            format!(
                "Leave the node running until the peer was there, give it the copy (`channels.copies`), or name with the peer how to part (`byway channel close \
                 {name} --split …`)."
            ),
        ),
        ChannelTrouble::NotCopied => note(
            "channel_not_copied",
            format!("What is in contracts and of other assets in channel {name} is on this disk alone."),
            "Name a folder on another disk: `copies` in the section `[channels]` of the configuration.",
        ),
        ChannelTrouble::CopyFails => wrong(
            "channel_copy_fails",
            format!("What is in channel {name} can't be kept in the second place that the configuration names."),
            format!(
                "Check that `channels.copies` exists, is mounted and has room; `byway channel show {name}` says what is wrong."
            ),
        ),
    }
}

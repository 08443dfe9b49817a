//! What goes wrong with channels.

use byway_primitives::{Amount, IdentityId};

use super::{ApiError, ErrorKind};

impl ApiError {
    pub fn channel_not_found(name: &str) -> Self {
        Self::new(
            ErrorKind::ChannelNotFound,
            format!("There is no channel `{name}`, or more than one begins with it."),
            "`byway channel list` shows all of them.",
        )
    }

    pub fn channel_not_opened(why: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorKind::ChannelNotOpened,
            format!("The channel was not opened: {why}."),
            "No money has moved; ask the peer, or propose other terms.",
        )
    }

    /// `why` is of the channel, or of the peer.
    pub fn update_refused(why: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorKind::UpdateRefused,
            format!("The update was not made: {why}."),
            "The state before it is still good; correct it and try again.",
        )
    }

    pub fn channel_not_ready(why: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorKind::ChannelNotReady,
            format!("The channel can't do that now: {why}."),
            "`byway channel show` says how it stands.",
        )
    }

    pub fn peer_unreachable(peer: IdentityId, why: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorKind::PeerUnreachable,
            format!("{peer} can't be reached: {why}."),
            "Ask for its card (`byway identity card` there), or wait until it is back.",
        )
        .with("peer", peer.to_string().into())
    }

    pub fn watch_full(most: usize) -> Self {
        Self::new(
            ErrorKind::WatchFull,
            format!("The channel has {most} delegates already, which is as many as may be."),
            "Take one back first: `byway watch list`, `byway watch remove`.",
        )
    }

    pub fn no_watchtower() -> Self {
        Self::new(
            ErrorKind::NoWatchtower,
            "No watchtower on the market watches for so little.",
            "Allow a higher price, or name somebody: an identity, or a card as `byway identity card` prints one.",
        )
    }

    pub fn not_watched(tower: IdentityId) -> Self {
        Self::new(
            ErrorKind::NotWatched,
            format!("{tower} does not watch that channel."),
            "`byway watch list` shows who does.",
        )
        .with("tower", tower.to_string().into())
    }

    pub fn peer_silent(round: u64) -> Self {
        Self::new(
            ErrorKind::PeerSilent,
            format!("The peer has not signed round {round} in time; it may still do so."),
            "Wait, take it back (`byway channel cancel`), have the ledger execute it (`byway channel force`), or close.",
        )
        .with("round", round.into())
    }

    /// What was asked for under a key began before the node stopped, and nobody knows how that ended.
    pub fn update_unsure() -> Self {
        Self::new(
            ErrorKind::UpdateUnsure,
            "What was asked for under this key may have been done before the node stopped.",
            "`byway channel show` says how the channel stands; ask under a new key if it was not done.",
        )
    }

    pub fn call_failed(why: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorKind::CallFailed,
            format!("The contract does not return: {why}."),
            "Nothing was sent; correct the call and try again.",
        )
    }

    pub fn lane_too_small() -> Self {
        Self::new(
            ErrorKind::LaneTooSmall,
            "The lane does not cover it.",
            "Put more into it (`byway channel lane`), or pay by an update.",
        )
    }

    /// There is no channel to pay a session out of: with `provider`, or with anyone whose offer fits.
    pub fn no_channel_with(provider: Option<IdentityId>) -> Self {
        let who = provider.map_or_else(|| "a provider whose offer fits".to_owned(), |provider| provider.to_string());
        let open = provider.map_or_else(|| "PROVIDER".to_owned(), |provider| provider.to_string());
        let error = Self::new(
            ErrorKind::NoChannelWith,
            format!("There is no open channel with {who} to pay out of."),
            format!("Open one (`byway channel open {open}`), or pay from the account (`byway connect --pay account`)."),
        );
        match provider {
            Some(provider) => error.with("provider", provider.to_string().into()),
            None => error,
        }
    }

    /// A channel has less left to pay with than what is `missing` beside it.
    pub fn channel_empty(channel: &str, missing: Option<Amount>) -> Self {
        let how_much = missing.map_or_else(String::new, |missing| format!("; {missing} WAY is missing to go on"));
        let error = Self::new(
            ErrorKind::ChannelEmpty,
            format!("Channel {channel} has nothing left to pay with{how_much}."),
            format!(
                "Put more into it (`byway channel deposit {channel}`), or pay from the account (`byway connect --pay account`)."
            ),
        );
        let error = error.with("channel", channel.into());
        match missing {
            Some(missing) => error.with("missing", missing.to_string().into()),
            None => error,
        }
    }

    /// The provider leaves unanswered that more is put into the lane.
    pub fn lane_unsigned(channel: &str) -> Self {
        Self::new(
            ErrorKind::LaneUnsigned,
            format!("The provider does not agree to put more into the lane of channel {channel}, which is used up."),
            format!(
                "Take it back (`byway channel cancel {channel}`) and pay from the account (`byway connect --pay account`), or choose another provider."
            ),
        )
        .with("channel", channel.into())
    }

    pub fn call_not_forced(why: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorKind::CallNotForced,
            format!("The ledger did not execute the call: {why}."),
            "`byway channel show` says how the channel stands.",
        )
    }
}

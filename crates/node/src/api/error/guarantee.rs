//! What goes wrong with virtual channels.

use byway_primitives::{Amount, IdentityId};

use super::{ApiError, ErrorKind};

impl ApiError {
    pub fn no_channel_with_hub(hub: IdentityId) -> Self {
        Self::new(
            ErrorKind::NoChannelWithHub,
            format!("There is no open channel with {hub} in which a virtual one could be guaranteed."),
            format!("Open one (`byway channel open {hub} AMOUNT`); the peer needs one too."),
        )
        .with("hub", hub.to_string().into())
    }

    pub fn too_little_with_hub(needed: Amount, available: Amount) -> Self {
        Self::new(
            ErrorKind::TooLittleWithHub,
            format!(
                "The channel with the hub has {available} WAY to put in, and {needed} WAY and the hub's fee are needed."
            ),
            "Put more into it (`byway channel deposit`), or less into the virtual one.",
        )
        .with("needed", needed.to_string().into())
        .with("available", available.to_string().into())
    }

    pub fn hub_guarantees_none(hub: IdentityId) -> Self {
        Self::new(
            ErrorKind::HubGuaranteesNone,
            format!("{hub} guarantees no virtual channels."),
            "Choose another hub, or have its operator allow it (`byway hub run --guarantee`).",
        )
        .with("hub", hub.to_string().into())
    }

    /// `why` completes "The hub does not guarantee the channel: …".
    pub fn not_guaranteed(why: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorKind::NotGuaranteed,
            format!("The hub does not guarantee the channel: {why}."),
            "What was put in comes back by itself; propose other terms, or choose another hub.",
        )
    }

    pub fn guarantee_too_dear(fee: Amount, fee_max: Amount) -> Self {
        Self::new(
            ErrorKind::GuaranteeTooDear,
            format!(
                "The hub takes {fee} WAY for guaranteeing the channel, and this node pays {fee_max} WAY at the most."
            ),
            "Choose another hub, or allow more: `guarantee_fee_max` in the section [channels] of the configuration.",
        )
        .with("fee", fee.to_string().into())
    }

    /// `what` is said of virtual channels.
    pub fn channel_is_virtual(what: &str) -> Self {
        Self::new(
            ErrorKind::ChannelIsVirtual,
            format!("The channel is virtual, its money is in those with the hub: {what}."),
            "Close it and open another (`byway channel close`).",
        )
    }
}

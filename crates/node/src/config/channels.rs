//! To which channels a node agrees by itself (`[channels]`).

use std::path::PathBuf;

use byway_primitives::{Amount, Span};
use serde::Deserialize;

use super::{Problem, problem};
use crate::peer_node::ChannelSettings;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelsConfig {
    /// The most that this node puts in without its user being asked, in all channels that others have proposed; when left out, the user is always asked.
    pub accept_max: Option<Amount>,
    /// The most that it pays a hub for guaranteeing a virtual channel; 0.01 when left out.
    pub guarantee_fee_max: Amount,
    /// The longest lock period of such a channel; a day when left out.
    pub lock_max_seconds: u64,
    /// A folder on another disk, in which what is in channels with contracts or other assets is kept too; nowhere when left out.
    pub copies: Option<PathBuf>,
}

impl Default for ChannelsConfig {
    fn default() -> Self {
        let ChannelSettings { accept_max, lock_max, guarantee_fee_max } = ChannelSettings::default();
        Self { accept_max, guarantee_fee_max, lock_max_seconds: lock_max.0 / 1000, copies: None }
    }
}

impl ChannelsConfig {
    pub fn settings(&self) -> ChannelSettings {
        ChannelSettings {
            accept_max: self.accept_max,
            lock_max: Span::seconds(self.lock_max_seconds),
            guarantee_fee_max: self.guarantee_fee_max,
        }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.lock_max_seconds == 0 {
            let remedy = "write how long you would wait for your money at the most, or leave it out";
            return Err(problem("channels.lock_max_seconds", 0, "no channel has so short a lock period", remedy));
        }
        Ok(())
    }
}

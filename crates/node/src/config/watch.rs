//! Whether this node watches channels of others, and for how much (`[watch]`).

use byway_channel::watching::{DAYS_MAX, TowerTerms};
use byway_primitives::Amount;
use serde::Deserialize;

use super::{Problem, problem};

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WatchConfig {
    /// Whether channels of others are taken on; `byway watch run` does the same until the node stops.
    pub accept: bool,
    /// Whether the market has an offer of it, so that others find it; that costs what an offer costs.
    pub publish: bool,
    /// What one channel costs a day; a thousandth of a WAY when left out.
    pub price_per_day: Amount,
    /// How many are watched at a time, of all clients.
    pub channels_max: usize,
    /// How many days are taken ahead for one channel.
    pub days_max: u64,
    /// What is added to an answer out of this node's wallet where the channel's reserve is used up; never more for a client in all than it
    /// has paid.
    pub fee_max: Amount,
}

impl Default for WatchConfig {
    fn default() -> Self {
        let thousandth = Amount::from_units(1_000_000_000_000_000);
        Self {
            accept: false,
            publish: false,
            price_per_day: thousandth,
            channels_max: 10_000,
            days_max: 90,
            fee_max: thousandth,
        }
    }
}

impl WatchConfig {
    pub fn terms(&self) -> TowerTerms {
        let Self { price_per_day: price, channels_max, days_max, fee_max, .. } = *self;
        TowerTerms { price, channels_max, days_max, fee_max }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.accept && self.channels_max == 0 {
            let remedy = "write how many you would watch, or leave it out";
            return Err(problem("watch.channels_max", 0, "no channel could be watched", remedy));
        }
        if self.days_max == 0 || self.days_max > DAYS_MAX {
            let remedy = "write between 1 and 3650 days, or leave it out";
            return Err(problem("watch.days_max", self.days_max, "nobody could pay for that", remedy));
        }
        Ok(())
    }
}

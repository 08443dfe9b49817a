//! Whether this node watches channels of others, and for how much (`[watch]`).

use byway_channel::watching::TowerTerms;
use byway_primitives::Amount;
use serde::Deserialize;

use super::{Problem, problem};

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WatchConfig {
    /// Whether channels of others are taken on; `byway watch run` does the same until the node stops.
    pub accept: bool,
    /// What one channel costs a day; a thousandth of a WAY when left out.
    pub price_per_day: Amount,
    /// How many are watched at a time, of all clients.
    pub channels_max: usize,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self { accept: false, price_per_day: Amount::from_units(1_000_000_000_000_000), channels_max: 10_000 }
    }
}

impl WatchConfig {
    pub fn terms(&self) -> TowerTerms {
        TowerTerms { price: self.price_per_day, channels_max: self.channels_max }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.accept && self.channels_max == 0 {
            let remedy = "write how many you would watch, or leave it out";
            return Err(problem("watch.channels_max", 0, "no channel could be watched", remedy));
        }
        Ok(())
    }
}

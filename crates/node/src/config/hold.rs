//! Whether this node holds for others what is sent to them while they are away, and for how much (`[hold]`).

use byway_chat::holding::{HOLD_TIME_MAX, HolderTerms};
use byway_primitives::Amount;
use serde::Deserialize;

use super::{Problem, problem};

/// What a megabyte is: that of prices.
const MB: u64 = 1_000_000;
/// More has no bytes that could be counted.
const MB_MAX: u64 = 1 << 40;
/// What is held for one client by number, whatever its size: what is known of each is in memory.
const ENVELOPES_MAX: u64 = 65_536;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HoldConfig {
    /// Whether others are held for; `byway hold offer` does the same until the node stops.
    pub accept: bool,
    /// Whether the market has an offer of it, without which senders don't find this node; that costs what an offer costs.
    pub publish: bool,
    /// What 10^6 bytes cost for a day; a hundred-thousandth of a WAY when left out.
    pub price_per_mb_day: Amount,
    /// How many 10^6 bytes are held, of all clients.
    pub room_mb: u64,
    /// How many of them of one client; one sender fills a quarter of that.
    pub client_mb: u64,
    /// How many clients there are at a time.
    pub clients_max: usize,
}

impl Default for HoldConfig {
    fn default() -> Self {
        Self {
            accept: false,
            publish: false,
            price_per_mb_day: Amount::from_units(10_000_000_000_000),
            room_mb: 1_000,
            client_mb: 50,
            clients_max: 1_000,
        }
    }
}

impl HoldConfig {
    pub fn terms(&self) -> HolderTerms {
        let Self { price_per_mb_day: price, room_mb, client_mb, clients_max, .. } = *self;
        HolderTerms {
            price,
            clients_max,
            bytes_max: room_mb.saturating_mul(MB),
            client_bytes_max: client_mb.saturating_mul(MB),
            client_count_max: ENVELOPES_MAX,
            time_max: HOLD_TIME_MAX,
        }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        for (key, value) in [("hold.room_mb", self.room_mb), ("hold.client_mb", self.client_mb)] {
            if value == 0 || value > MB_MAX {
                let remedy = "write how many megabytes you would hold, or leave it out";
                return Err(problem(key, value, "nothing could be held, or no disk holds so much", remedy));
            }
        }
        if self.clients_max == 0 {
            let remedy = "write for how many you would hold, or leave it out";
            return Err(problem("hold.clients_max", 0, "nobody could be held for", remedy));
        }
        Ok(())
    }
}

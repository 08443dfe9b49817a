//! Watching, as the fake node knows it.

use byway_node::api::*;
use byway_primitives::{Amount, IdentityId, Time};

use super::fake_channels::FakeChannels;

pub const TOWER: IdentityId = IdentityId([0x77; 20]);

pub fn status() -> WatchStatus {
    WatchStatus {
        accepts: true,
        price_per_day: Amount::from_units(1_000_000_000_000_000),
        channels_max: 100,
        days_max: 90,
        fee_max: Amount::from_units(1_000_000_000_000_000),
        kept: 2,
        earned: Amount::from_units(5_000_000_000_000_000),
        answered: 1,
        watched: vec![WatchRecord {
            channel: "a1".repeat(32),
            tower: TOWER,
            watching: true,
            price_max: Amount::from_units(2_000_000_000_000_000),
            days: 30,
            price: Some(Amount::from_units(1_000_000_000_000_000)),
            until_ms: Some(Time(1_700_000_000_000)),
            answered_ms: None,
            problem: None,
        }],
    }
}

pub fn offers() -> Vec<WatchOffer> {
    vec![WatchOffer { tower: TOWER, price_per_day: status().price_per_day, channels: 1 }]
}

impl FakeChannels {
    pub fn run_watch(&self, request: &WatchRun) -> Answer<WatchStatus> {
        let known = status();
        let price_per_day = request.price_per_day.unwrap_or(known.price_per_day);
        let channels_max = request.channels_max.unwrap_or(known.channels_max);
        Ok(WatchStatus { accepts: request.accept, price_per_day, channels_max, ..known })
    }

    pub fn add_watch(&self, request: &WatchAdd) -> Answer<WatchStatus> {
        self.show(&request.channel)?;
        match request.tower.as_deref() {
            Some("full") => Err(ApiError::watch_full(4)),
            None if request.price_max == Some(Amount::ZERO) => Err(ApiError::no_watchtower()),
            _ => Ok(status()),
        }
    }

    pub fn remove_watch(&self, request: &WatchRemove) -> Answer<WatchStatus> {
        self.show(&request.channel)?;
        if request.tower == TOWER { Ok(status()) } else { Err(ApiError::not_watched(request.tower)) }
    }
}

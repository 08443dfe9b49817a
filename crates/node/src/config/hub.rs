//! On what terms a node sends payments on from one of its channels into another (`[hub]`).

use byway_channel::routing::{Exposure, HubTerms};
use byway_primitives::{Amount, Span};
use serde::Deserialize;

use super::{Problem, problem};

/// A node is a hub if its configuration has this section, even an empty one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HubConfig {
    /// For each payment.
    pub fee_base: Amount,
    /// Of what is sent on.
    pub fee_per_million: u64,
    /// Less is not sent on.
    pub amount_min: Amount,
    /// What may be on its way from one peer, and from all.
    pub peer_amount_max: Amount,
    pub peer_payments_max: usize,
    pub amount_max: Amount,
    pub payments_max: usize,
    /// How much longer what comes in is locked than what goes out.
    pub delta_seconds: u64,
}

/// So many thousandths of a WAY.
fn thousandths(count: u64) -> Amount {
    Amount::cost(Amount::from_coins(1), count, 1_000).expect("little enough")
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            fee_base: Amount::cost(thousandths(1), 1, 10).expect("little enough"),
            fee_per_million: 1_000,
            amount_min: thousandths(1),
            peer_amount_max: Amount::from_coins(5),
            peer_payments_max: 32,
            amount_max: Amount::from_coins(50),
            payments_max: 256,
            delta_seconds: byway_channel::routing::DELTA_DEFAULT.0 / 1000,
        }
    }
}

impl HubConfig {
    pub fn terms(&self) -> HubTerms {
        HubTerms {
            fee_base: self.fee_base,
            fee_per_million: self.fee_per_million,
            amount_min: self.amount_min,
            delta: Span::seconds(self.delta_seconds),
            per_peer: Exposure { amount: self.peer_amount_max, payments: self.peer_payments_max },
            in_all: Exposure { amount: self.amount_max, payments: self.payments_max },
        }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        let least = byway_channel::routing::DELTA_DEFAULT.0 / 1000;
        if self.delta_seconds < least {
            let remedy = "write 600 or more, or leave it out";
            let why = "there would be no time to take a lock back and to open the other by force";
            return Err(problem("hub.delta_seconds", self.delta_seconds, why, remedy));
        }
        Ok(())
    }
}

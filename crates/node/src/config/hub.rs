//! On what terms a node sends payments on from one of its channels into another (`[hub]`).

use byway_channel::guarantee::{GuaranteeTerms, VIRTUAL_LOCK_MIN};
use byway_channel::routing::conduit::RESOLVE_ONE_GAS;
use byway_channel::routing::{DELTA_DEFAULT, DELTA_MAX, Exposure, HubTerms, PEER_PAYMENTS_MAX};
use byway_primitives::{Amount, Span};
use byway_records::call::channels::{WITNESS_BYTE_GAS, WITNESS_BYTES_MAX};
use byway_records::genesis::CallPrices;
use serde::Deserialize;

use super::{Problem, problem};

/// A node is a hub if its configuration has this section, even an empty one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HubConfig {
    /// Whether the market has an offer of it, so that others find it; that costs what an offer costs.
    pub publish: bool,
    /// For each payment.
    pub fee_base: Amount,
    /// Of what is sent on.
    pub fee_per_million: u64,
    /// Less is not sent on. Where it is left out, what two forced calls cost: with less at stake it would not pay to have a lock taken back and
    /// another one opened.
    pub amount_min: Option<Amount>,
    /// What may be on its way from one peer or to it, and in all; the number is that of both together.
    pub peer_amount_max: Amount,
    pub peer_payments_max: usize,
    pub amount_max: Amount,
    pub payments_max: usize,
    /// How much longer what comes in is locked than what goes out.
    pub delta_seconds: u64,
    /// What balancing its channels may cost, of each million that is moved; it balances none by itself where this is left out.
    pub rebalance_per_million: Option<u64>,
    /// Whether it guarantees virtual channels between its peers, up to the same amounts: that ties its money up for as long as they go on.
    pub guarantee: bool,
    /// From each of the two …
    pub guarantee_fee_base: Amount,
    /// … and of what the hub puts in on that side.
    pub guarantee_fee_per_million: u64,
    /// How long such a channel may go on.
    pub guarantee_days_max: u64,
    /// The shortest lock period that it may have: what this node has signed of it has to reach the ledger within.
    pub guarantee_lock_min_seconds: u64,
}

/// The most that the ledger takes for a call that resolves one lock: with the longest witness, since how long that is is the peer's making.
pub fn forced_price(prices: &CallPrices) -> Amount {
    prices.of_gas(RESOLVE_ONE_GAS + WITNESS_BYTE_GAS * WITNESS_BYTES_MAX as u64).unwrap_or(Amount::MAX)
}

const DAYS_MAX: u64 = 3_650;

/// So many thousandths of a WAY.
fn thousandths(count: u64) -> Amount {
    Amount::cost(Amount::from_coins(1), count, 1_000).expect("little enough")
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            publish: false,
            fee_base: Amount::cost(thousandths(1), 1, 10).expect("little enough"),
            fee_per_million: 1_000,
            amount_min: None,
            peer_amount_max: Amount::from_coins(5),
            peer_payments_max: 16,
            amount_max: Amount::from_coins(50),
            payments_max: 256,
            delta_seconds: DELTA_DEFAULT.0 / 1000,
            rebalance_per_million: None,
            guarantee: false,
            guarantee_fee_base: thousandths(1),
            guarantee_fee_per_million: 1_000,
            guarantee_days_max: 30,
            guarantee_lock_min_seconds: VIRTUAL_LOCK_MIN.0 / 1000,
        }
    }
}

impl HubConfig {
    pub fn terms(&self, prices: &CallPrices) -> HubTerms {
        let least = || Amount::cost(forced_price(prices), 2, 1).unwrap_or(Amount::MAX);
        HubTerms {
            fee_base: self.fee_base,
            fee_per_million: self.fee_per_million,
            amount_min: self.amount_min.unwrap_or_else(least),
            delta: Span::seconds(self.delta_seconds),
            per_peer: Exposure { amount: self.peer_amount_max, payments: self.peer_payments_max },
            in_all: Exposure { amount: self.amount_max, payments: self.payments_max },
        }
    }

    pub fn guarantee_terms(&self) -> GuaranteeTerms {
        GuaranteeTerms {
            fee_base: self.guarantee_fee_base,
            fee_per_million: self.guarantee_fee_per_million,
            time_max: Span::days(self.guarantee_days_max),
            per_peer: self.peer_amount_max,
            in_all: self.amount_max,
        }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        let [least, most] = [DELTA_DEFAULT, DELTA_MAX].map(|delta| delta.0 / 1000);
        if self.delta_seconds < least {
            let remedy = "write 600 or more, or leave it out";
            let why = "there would be no time to take a lock back and to open the other by force";
            return Err(problem("hub.delta_seconds", self.delta_seconds, why, remedy));
        }
        if self.delta_seconds > most {
            let remedy = "write 3600 or less, or leave it out";
            let why = "nobody takes a way on which money may be kept for so long";
            return Err(problem("hub.delta_seconds", self.delta_seconds, why, remedy));
        }
        if !(1..=DAYS_MAX).contains(&self.guarantee_days_max) {
            let remedy = "write between 1 and 3650, or leave it out";
            let why = "no channel goes on for no time, or for so long";
            return Err(problem("hub.guarantee_days_max", self.guarantee_days_max, why, remedy));
        }
        if self.peer_payments_max > PEER_PAYMENTS_MAX {
            let remedy = "write 24 or less, or leave it out";
            let why = "so many locks could not all be opened by force before their time has come";
            return Err(problem("hub.peer_payments_max", self.peer_payments_max, why, remedy));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use byway_records::Parameters;
    use byway_records::channel::FORCED_GAS_MAX;

    use super::*;

    /// Whatever the peer has done to the ways to what the call touches.
    #[test]
    fn what_is_kept_for_a_forced_call_pays_for_the_longest_witness() {
        let (channel, gas) = (Amount::from_units(1_000), Amount::from_units(3));
        let prices = CallPrices { channel, gas, ..Parameters::standard().call_prices };
        // 12 KiB at 16 gas a byte.
        let longest = RESOLVE_ONE_GAS + 196_608;
        assert!(longest <= FORCED_GAS_MAX);
        assert_eq!(forced_price(&prices), Amount::from_units(1_000 + 3 * u128::from(longest)));
    }
}

//! On what terms the two trade.

use byway_access::session::Measure;
use byway_primitives::{Amount, Span};

/// Per MB.
pub const PRICE: Amount = Amount::from_units(byway_primitives::amount::ONE / 1000);
/// The most that either side lets the other run ahead.
pub const WINDOW_CEILING: Amount = Amount::from_units(byway_primitives::amount::ONE / 2000);

/// On what terms the two trade, and how fast the ledger is.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// What is sold.
    pub measure: Measure,
    /// Per MB or second.
    pub price: Amount,
    /// The most that either side lets the other run ahead.
    pub window_ceiling: Amount,
    /// The most of the client's promises that may be unsettled.
    pub exposure_max: Amount,
    pub settle_at: Amount,
    /// From a submission to its result.
    pub settlement: Span,
    /// What becomes of it when the provider wants to ask others about the client.
    pub others: Others,
    /// What the client expects to pay for the same.
    pub expected: Amount,
}

/// Other providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// The provider asks nobody.
    NotAsked,
    /// It finds nobody to ask.
    Nobody,
    /// They were asked and don't answer.
    Silent,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            measure: Measure::Bytes,
            price: PRICE,
            window_ceiling: WINDOW_CEILING,
            exposure_max: Amount::from_coins(1),
            settle_at: Amount::MAX,
            settlement: Span::ZERO,
            others: Others::NotAsked,
            expected: PRICE,
        }
    }
}

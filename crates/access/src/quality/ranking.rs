//! In which order offers come: by price, by quality, or by both (row A2).
//!
//! - *Price*: cheapest first, whatever they are worth.
//! - *Quality*: best first, and cheapest first among equals.
//! - *Both*: by what a price is worth, `price × 750 ÷ (250 + quality)`: an offer of the middle quality counts at its price, the
//!   best at three fifths of it, and one that never works at three times its price. An offer for nothing comes first.
//!
//! Then, in all of them, the faster one by its own word, and the id; so the order is total, and the same wherever the same is known.

use std::fmt;
use std::str::FromStr;

use byway_primitives::Amount;

use super::{MIDDLE, QUALITY_MAX};

/// What quality is added to before a price is divided by it: how much worse than useless costs.
const WORTH_MIN: u16 = QUALITY_MAX / 4;

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub enum Sort {
    #[default]
    Price,
    Quality,
    Both,
}

impl Sort {
    const NAMES: [(Sort, &'static str); 3] = [(Sort::Price, "price"), (Sort::Quality, "quality"), (Sort::Both, "both")];

    /// The place of an offer at `price` from a provider of this quality: the lowest comes first. It never falls when the price
    /// rises.
    pub fn place(self, price: Amount, quality: u16) -> (u16, Amount) {
        match self {
            Sort::Price => (0, price),
            Sort::Quality => (QUALITY_MAX.saturating_sub(quality), price),
            Sort::Both => (0, worth(price, quality)),
        }
    }
}

/// A price as it counts beside those of the middle quality.
fn worth(price: Amount, quality: u16) -> Amount {
    let (times, by) = (u128::from(WORTH_MIN + MIDDLE), u128::from(WORTH_MIN + quality.min(QUALITY_MAX)));
    // Whole parts and the rest apart, so that nothing overflows but what is beyond all that exists.
    let (whole, rest) = (price.units() / by, price.units() % by);
    let worth = whole.checked_mul(times).and_then(|whole| whole.checked_add(rest * times / by));
    Amount::from_units(worth.unwrap_or(u128::MAX))
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(sort, _)| sort == self).map(|(_, name)| *name);
        f.pad(name.unwrap_or_default())
    }
}

/// Not the name of an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no order of offers; write price, quality or both")]
pub struct NotASort(String);

impl FromStr for Sort {
    type Err = NotASort;

    fn from_str(text: &str) -> Result<Self, NotASort> {
        let found = Self::NAMES.iter().find(|(_, name)| *name == text);
        found.map(|(sort, _)| *sort).ok_or_else(|| NotASort(text.to_owned()))
    }
}

byway_primitives::serde_as_text!(Sort);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_price_counts_by_what_is_had_for_it() {
        for (quality, expected) in [(0, 3000), (500, 1000), (1000, 600), (800, 714)] {
            assert_eq!(worth(Amount::from_units(1000), quality).units(), expected, "{quality}");
        }
        assert_eq!(worth(Amount::ZERO, 0), Amount::ZERO);
        assert_eq!(worth(Amount::MAX, 500), Amount::MAX);
    }

    #[test]
    fn names_come_back() {
        for sort in [Sort::Price, Sort::Quality, Sort::Both] {
            assert_eq!(sort.to_string().parse(), Ok(sort));
        }
        assert!("cheapest".parse::<Sort>().is_err());
    }

    proptest! {
        #[test]
        fn a_higher_price_or_a_lower_quality_never_comes_earlier(
            (price, more) in (any::<u128>(), any::<u128>()), (quality, worse) in (0u16..=1000, 0u16..=1000),
        ) {
            let (price, dearer) = (Amount::from_units(price.min(more)), Amount::from_units(price.max(more)));
            let (worse, quality) = (quality.min(worse), quality.max(worse));
            for sort in [Sort::Price, Sort::Quality, Sort::Both] {
                prop_assert!(sort.place(price, quality) <= sort.place(dearer, quality));
                prop_assert!(sort.place(price, quality) <= sort.place(price, worse));
            }
        }
    }
}

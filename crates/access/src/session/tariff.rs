//! What a session is sold by, and at which price.

use std::fmt;

use byway_dialogue::payment::{Ahead, Path, WINDOW_START_BYTES, WINDOW_START_TIME};
use byway_primitives::amount::{BYTES_PER_MB, MILLIS_PER_SECOND};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Span};
use byway_records::offer::Unit;

use super::Usage;

/// Of time: a metering takes 2 s, and what follows from it less than another where anything can be sold by the second.
const AHEAD_LEAST: Span = Span::seconds(3);

/// What of a session's usage is billed: the others of an offer's units are of no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Bytes, up and down together, by the MB.
    Bytes,
    /// Milliseconds in which the session ran, by the second.
    Time,
}

/// A price, and what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tariff {
    pub measure: Measure,
    /// Of one unit: a MB or a second.
    pub price: Amount,
}

impl Measure {
    pub const ALL: [Self; 2] = [Self::Bytes, Self::Time];

    pub fn of_unit(unit: Unit) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.unit() == unit)
    }

    pub fn unit(self) -> Unit {
        match self {
            Self::Bytes => Unit::Mb,
            Self::Time => Unit::Second,
        }
    }

    /// The parts of a unit that are counted.
    fn per_unit(self) -> u128 {
        match self {
            Self::Bytes => BYTES_PER_MB,
            Self::Time => MILLIS_PER_SECOND,
        }
    }

    /// What the first window is worth.
    pub(super) fn first_window(self) -> u64 {
        match self {
            Self::Bytes => WINDOW_START_BYTES,
            Self::Time => WINDOW_START_TIME.0,
        }
    }

    /// What gets a line going again whose purse is empty, now and then: the bytes of a first window, or a quarter of the time of
    /// one, which is as long as a metering takes.
    fn refill(self) -> u64 {
        match self {
            Self::Bytes => WINDOW_START_BYTES,
            Self::Time => WINDOW_START_TIME.0 / 4,
        }
    }

    /// What is not worth a session: bytes that are less than a packet of a tunnel, or the time between two looks at the clock.
    pub(super) fn least(self) -> u64 {
        match self {
            Self::Bytes => 2048,
            Self::Time => 1000,
        }
    }
}

impl Tariff {
    pub const fn per_mb(price: Amount) -> Self {
        Self { measure: Measure::Bytes, price }
    }

    pub const fn per_second(price: Amount) -> Self {
        Self { measure: Measure::Time, price }
    }

    /// What usage costs: of the cumulative count, rounded up once.
    pub fn cost(self, usage: Usage) -> Amount {
        self.cost_beyond(0, usage)
    }

    /// What it costs where the first `free` bytes or milliseconds cost nothing.
    pub fn cost_beyond(self, free: u64, usage: Usage) -> Amount {
        self.cost_of(usage.count(self.measure).saturating_sub(free))
    }

    /// What so many bytes or milliseconds cost.
    pub fn cost_of(self, count: u64) -> Amount {
        Amount::cost(self.price, count, self.measure.per_unit()).unwrap_or(Amount::MAX)
    }

    /// How many bytes or milliseconds `coin` buys; without end where they cost nothing.
    pub fn bought(self, coin: Amount) -> u64 {
        coin.bought(self.price, self.measure.per_unit())
    }

    /// A session that may cost less than this is none.
    pub(super) fn least_cost(self) -> Amount {
        self.cost_of(self.measure.least())
    }

    /// What a first window costs: what a stranger may take at most.
    pub fn first_window(self) -> Amount {
        self.cost_of(self.measure.first_window())
    }

    /// What a purse is refilled with.
    pub(super) fn refill(self) -> Amount {
        self.cost_of(self.measure.refill())
    }

    /// What has to be paid ahead for a session that doesn't stand still again and again. Bytes wait for coin one by one, and time
    /// is used up while the next metering, the acknowledgement and the promise are on their way.
    pub(super) fn least_ahead(self) -> Amount {
        match self.measure {
            Measure::Bytes => Amount::ZERO,
            Measure::Time => self.cost_of(AHEAD_LEAST.0),
        }
    }

    /// How far ahead to pay over `path`.
    pub(super) fn ahead(self, path: Path, ceiling: Amount) -> Ahead {
        match self.measure {
            Measure::Bytes => Ahead::for_bytes(self.price, path, ceiling),
            Measure::Time => Ahead::for_time(self.price, path, ceiling),
        }
    }
}

/// With the coin, as in `0.01 WAY per MB`.
impl fmt::Display for Tariff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.measure {
            Measure::Bytes => "MB",
            Measure::Time => "second",
        };
        write!(f, "{} WAY per {unit}", self.price)
    }
}

impl Encode for Measure {
    fn encode(&self, out: &mut Writer) {
        out.byte(match self {
            Self::Bytes => 0,
            Self::Time => 1,
        });
    }
}

impl Decode for Measure {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Self::Bytes),
            1 => Ok(Self::Time),
            other => Err(DecodeError::UnknownVariant { kind: "measure of a session", value: other.into() }),
        }
    }
}

impl Encode for Tariff {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.measure);
        out.value(&self.price);
    }
}

impl Decode for Tariff {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { measure: input.value()?, price: input.value()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_costs_its_price_rounded_up_once() {
        let three = Amount::from_units(3);
        let second_and_a_bit = Usage { time: Span(1_001), ..Usage::default() };
        assert_eq!(Tariff::per_second(three).cost(second_and_a_bit), Amount::from_units(4));
        assert_eq!(Tariff::per_second(three).cost_beyond(1_001, second_and_a_bit), Amount::ZERO);
        assert_eq!(Tariff::per_mb(three).cost(second_and_a_bit), Amount::ZERO, "time is not what it is sold by");
        assert_eq!(Tariff::per_second(three).bought(Amount::from_units(4)), 1_333);
        assert_eq!(Tariff::per_second(Amount::ZERO).bought(Amount::ZERO), u64::MAX);
    }

    #[test]
    fn measures_have_the_units_of_offers() {
        let measures = Unit::ALL.map(|unit| Measure::of_unit(unit).map(Measure::unit));
        assert_eq!(measures, [Some(Unit::Mb), Some(Unit::Second), None, None, None, None]);
    }
}

//! Integer money.
//!
//! An [`Amount`] counts the smallest unit of an asset, 10^-18 of it. Arithmetic is checked everywhere: an overflow is a
//! refusal, never a wrap. There is no conversion to or from floating point.

use std::fmt;
use std::str::FromStr;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};

/// Decimals of every asset: one whole coin is `10^DECIMALS` units.
pub const DECIMALS: u32 = 18;

/// One whole coin in units.
pub const ONE: u128 = 10u128.pow(DECIMALS);

/// Bytes in the MB that prices are quoted in (10^6, not 2^20).
pub const BYTES_PER_MB: u128 = 1_000_000;

/// Milliseconds in the second that prices are quoted in.
pub const MILLIS_PER_SECOND: u128 = 1_000;

/// A quantity of one asset in units of 10^-18.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(u128);

impl Amount {
    pub const ZERO: Amount = Amount(0);
    pub const MAX: Amount = Amount(u128::MAX);

    /// From the smallest unit.
    pub const fn from_units(units: u128) -> Self {
        Self(units)
    }

    /// From whole coins. Every `u64` fits.
    pub const fn from_coins(coins: u64) -> Self {
        Self(coins as u128 * ONE)
    }

    /// The count of smallest units.
    pub const fn units(self) -> u128 {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// `self − other`, or zero where `other` is larger.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The sum, or `None` on overflow.
    pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }

    /// `ceil(self × numerator ÷ denominator)`, exact for every input by 256-bit intermediate; `None` where the result
    /// overflows or the denominator is zero.
    pub fn mul_div_ceil(self, numerator: u128, denominator: u128) -> Option<Self> {
        if denominator == 0 {
            return None;
        }
        let (high, low) = widening_mul(self.0, numerator);
        let (quotient, remainder) = div_wide(high, low, denominator)?;
        let rounded = if remainder == 0 { quotient } else { quotient.checked_add(1)? };
        Some(Self(rounded))
    }

    /// What `bytes` cost at `price_per_mb`: `ceil(bytes × price ÷ 10^6)`, taken of a cumulative count so that rounding
    /// never adds up.
    pub fn cost_of_bytes(price_per_mb: Self, bytes: u64) -> Option<Self> {
        Self::cost(price_per_mb, bytes, BYTES_PER_MB)
    }

    /// What `count` costs where `per` of them are sold at `price`, rounded up once.
    pub fn cost(price: Self, count: u64, per: u128) -> Option<Self> {
        price.mul_div_ceil(u128::from(count), per)
    }

    /// How many bytes `self` buys at `price_per_mb`: the largest `n` with `cost_of_bytes(price, n) <= self`. Free
    /// service buys without bound.
    pub fn bytes_bought(self, price_per_mb: Self) -> u64 {
        self.bought(price_per_mb, BYTES_PER_MB)
    }

    /// How many `self` buys where `per` of them are sold at `price`; see [`cost`](Self::cost).
    pub fn bought(self, price: Self, per: u128) -> u64 {
        if price.is_zero() {
            return u64::MAX;
        }
        let (high, low) = widening_mul(self.0, per);
        match div_wide(high, low, price.0) {
            Some((quotient, _)) => u64::try_from(quotient).unwrap_or(u64::MAX),
            None => u64::MAX,
        }
    }
}

/// The 256-bit product as (high, low) halves.
fn widening_mul(a: u128, b: u128) -> (u128, u128) {
    const MASK: u128 = u64::MAX as u128;
    let (a1, a0) = (a >> 64, a & MASK);
    let (b1, b0) = (b >> 64, b & MASK);
    let low = a0 * b0;
    let mid1 = a1 * b0;
    let mid2 = a0 * b1;
    let carry = (low >> 64) + (mid1 & MASK) + (mid2 & MASK);
    let high = a1 * b1 + (mid1 >> 64) + (mid2 >> 64) + (carry >> 64);
    (high, (carry << 64) | (low & MASK))
}

/// `(high·2^128 + low) ÷ divisor` as (quotient, remainder); `None` where the quotient needs more than 128 bits.
fn div_wide(high: u128, low: u128, divisor: u128) -> Option<(u128, u128)> {
    if high == 0 {
        return Some((low / divisor, low % divisor));
    }
    if high >= divisor {
        return None;
    }
    let mut remainder = high;
    let mut quotient = 0u128;
    for bit in (0..128).rev() {
        let carry = remainder >> 127;
        remainder = (remainder << 1) | ((low >> bit) & 1);
        quotient <<= 1;
        if carry == 1 || remainder >= divisor {
            remainder = remainder.wrapping_sub(divisor);
            quotient |= 1;
        }
    }
    Some((quotient, remainder))
}

/// Decimal coins, without trailing zeros: `1`, `0.05`, `12.5`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / ONE, self.0 % ONE);
        if fraction == 0 {
            return f.pad(&whole.to_string());
        }
        let digits = format!("{fraction:018}");
        f.pad(&format!("{whole}.{}", digits.trim_end_matches('0')))
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Amount({self})")
    }
}

/// Why a text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    #[error("an amount is a decimal number such as 12.5, with digits and at most one point")]
    NotANumber,
    #[error("an amount has at most {DECIMALS} digits after the point")]
    TooPrecise,
    #[error("the amount is larger than any that can exist")]
    TooLarge,
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(AmountError::NotANumber),
            None => (text, ""),
        };
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return Err(AmountError::NotANumber);
        }
        if fraction.len() > DECIMALS as usize {
            return Err(AmountError::TooPrecise);
        }
        let whole: u128 = whole.parse().map_err(|_| AmountError::TooLarge)?;
        let padded: u128 = format!("{fraction:0<18}").parse().map_err(|_| AmountError::NotANumber)?;
        let units = whole.checked_mul(ONE).and_then(|w| w.checked_add(padded));
        units.map(Self).ok_or(AmountError::TooLarge)
    }
}

impl Encode for Amount {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.0);
    }
}

impl Decode for Amount {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.varint().map(Self)
    }
}

crate::serde_as_text!(Amount);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_has_one_form() {
        for (text, units) in
            [("0", 0), ("1", ONE), ("0.5", ONE / 2), ("12.000000000000000001", 12 * ONE + 1), ("0.1", ONE / 10)]
        {
            assert_eq!(text.parse::<Amount>().map(Amount::units), Ok(units), "{text}");
            assert_eq!(Amount::from_units(units).to_string(), text);
        }
    }

    #[test]
    fn text_that_is_no_amount_is_refused() {
        for (text, error) in [
            ("", AmountError::NotANumber),
            (".5", AmountError::NotANumber),
            ("5.", AmountError::NotANumber),
            ("-1", AmountError::NotANumber),
            ("1e3", AmountError::NotANumber),
            ("1.2.3", AmountError::NotANumber),
            ("0.0000000000000000001", AmountError::TooPrecise),
            ("340282366920938463464", AmountError::TooLarge),
        ] {
            assert_eq!(text.parse::<Amount>(), Err(error), "{text}");
        }
    }

    #[test]
    fn small_traffic_is_never_free() {
        let price = "0.00001".parse().expect("a price");
        assert_eq!(Amount::cost_of_bytes(price, 0), Some(Amount::ZERO));
        assert_eq!(Amount::cost_of_bytes(price, 1), Some(Amount::from_units(10_000_000)));
        assert_eq!(Amount::cost_of_bytes(Amount::from_units(1), 1), Some(Amount::from_units(1)));
    }

    proptest! {
        #[test]
        fn display_and_parse_are_inverse(units: u128) {
            let amount = Amount::from_units(units);
            prop_assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
        }

        #[test]
        fn wide_division_undoes_wide_multiplication(a: u128, b in 1u128.., r: u128) {
            let (high, low) = widening_mul(a, b);
            let r = r % b;
            let (low, carry) = low.overflowing_add(r);
            prop_assert_eq!(div_wide(high + u128::from(carry), low, b), Some((a, r)));
        }

        #[test]
        fn what_was_bought_is_affordable_and_one_byte_more_is_not(money in 0u128..1 << 100, price in 1u128..1 << 80) {
            let (money, price) = (Amount::from_units(money), Amount::from_units(price));
            let bytes = money.bytes_bought(price);
            if bytes < u64::MAX {
                prop_assert!(Amount::cost_of_bytes(price, bytes).expect("fits") <= money);
                prop_assert!(Amount::cost_of_bytes(price, bytes + 1).expect("fits") > money);
            }
        }

        #[test]
        fn cost_never_shrinks_as_bytes_grow(price in 0u128..1 << 90, a: u32, b: u32) {
            let price = Amount::from_units(price);
            let (low, high) = (a.min(b), a.max(b));
            let cost = |bytes: u32| Amount::cost_of_bytes(price, u64::from(bytes)).expect("fits");
            prop_assert!(cost(low) <= cost(high));
        }
    }
}

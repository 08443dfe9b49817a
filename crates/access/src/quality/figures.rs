//! Figures of quality, coarse on purpose: shares in sixteenths, times and rates in powers of two.
//!
//! They are what is signed and told, so they say as little as serves: a median that doubles is seen, a single download is not.
//! There are no fractions but these, and no floats.
//!
//! ```text
//! quality = speed × (reached ÷ 16)² × (kept ÷ 16)²,  0 for whoever was caught cheating
//! speed   = mean of the points for latency (1000 under 32 ms, 125 less with each doubling)
//!           and for throughput (100 for 16 KiB/s, 100 more with each doubling); the middle for what is not known
//! ```
//!
//! Squares, because a provider that fails every other time is worth much less than half.

use byway_primitives::Span;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

use super::{MIDDLE, QUALITY_MAX};

/// Shares are told in so many parts.
pub(super) const PARTS: u8 = 16;
/// Buckets of a time or a rate; the last is without end.
pub(super) const BUCKETS: u8 = 16;
/// Counts are told as powers of two up to this one.
const TRIES_MAX: u8 = 16;

/// The upper end of the first bucket of latency, in milliseconds; the lower end of the others doubles from there.
const LATENCY_FIRST_MS: u64 = 8;
/// The upper end of the first bucket of throughput, in bytes per second.
const THROUGHPUT_FIRST: u64 = 16 * 1024;
/// The last bucket of latency that is as good as can be.
const LATENCY_BEST: u16 = 2;
const LATENCY_STEP: u16 = 125;
const THROUGHPUT_STEP: u16 = 100;

/// How a provider served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Figures {
    /// At least two to this power times it was tried.
    pub tries: u8,
    /// How often a session began, in sixteenths of the tries.
    pub reached: u8,
    /// The bucket of the median round trip of a request for a session.
    pub latency: Option<u8>,
    /// The bucket of the median throughput while there was demand.
    pub throughput: Option<u8>,
    /// How many sessions ended as the client wished, in sixteenths.
    pub kept: u8,
    /// Whether a bill was false.
    pub cheated: bool,
}

impl Figures {
    /// Points from 0 to [`QUALITY_MAX`].
    pub fn quality(&self) -> u16 {
        if self.cheated {
            return 0;
        }
        let latency = self.latency.map_or(MIDDLE, |bucket| {
            QUALITY_MAX.saturating_sub(LATENCY_STEP * u16::from(bucket).saturating_sub(LATENCY_BEST))
        });
        let throughput =
            self.throughput.map_or(MIDDLE, |bucket| (THROUGHPUT_STEP * u16::from(bucket)).min(QUALITY_MAX));
        let speed = u64::from(latency + throughput) / 2;
        let (reached, kept) = (u64::from(self.reached.min(PARTS)), u64::from(self.kept.min(PARTS)));
        let whole = u64::from(PARTS).pow(4);
        // At most what `speed` is, and that fits.
        (speed * reached * reached * kept * kept / whole) as u16
    }
}

/// The bucket of a time.
pub(super) fn latency_bucket(latency: Span) -> u8 {
    bucket(latency.0 / LATENCY_FIRST_MS)
}

/// The bucket of a rate in bytes per second.
pub(super) fn throughput_bucket(rate: u64) -> u8 {
    bucket(rate / THROUGHPUT_FIRST)
}

/// The power of two that a count reaches.
pub(super) fn tries_bucket(count: u32) -> u8 {
    (count.max(1).ilog2() as u8).min(TRIES_MAX)
}

/// 0 for 0, 1 for 1, 2 for 2 and 3, …
fn bucket(units: u64) -> u8 {
    let bits = u64::BITS - units.leading_zeros();
    (bits as u8).min(BUCKETS - 1)
}

/// One byte for a bucket; 255 for none.
const NO_BUCKET: u8 = 255;

impl Encode for Figures {
    fn encode(&self, out: &mut Writer) {
        out.byte(self.tries);
        out.byte(self.reached);
        out.byte(self.latency.unwrap_or(NO_BUCKET));
        out.byte(self.throughput.unwrap_or(NO_BUCKET));
        out.byte(self.kept);
        out.flag(self.cheated);
    }
}

impl Decode for Figures {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bounded = |value: u8, most: u8| if value <= most { Ok(value) } else { Err(DecodeError::OutOfRange) };
        let bucket = |value: u8| match value {
            NO_BUCKET => Ok(None),
            value => bounded(value, BUCKETS - 1).map(Some),
        };
        Ok(Self {
            tries: bounded(input.byte()?, TRIES_MAX)?,
            reached: bounded(input.byte()?, PARTS)?,
            latency: bucket(input.byte()?)?,
            throughput: bucket(input.byte()?)?,
            kept: bounded(input.byte()?, PARTS)?,
            cheated: input.flag()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Figures =
        Figures { tries: 4, reached: 16, latency: Some(3), throughput: Some(9), kept: 16, cheated: false };

    fn check(change: impl FnOnce(&mut Figures), expected: u16) {
        let mut figures = GOOD;
        change(&mut figures);
        assert_eq!(figures.quality(), expected, "{figures:?}");
    }

    #[test]
    fn quality_is_as_the_formula_says() {
        check(|_| {}, 887);
        check(|f| f.latency = Some(0), 950);
        check(|f| f.latency = Some(15), 450);
        check(|f| f.throughput = Some(15), 937);
        check(|f| f.throughput = Some(0), 437);
        check(|f| (f.latency, f.throughput) = (None, None), 500);
        check(|f| f.reached = 8, 221);
        check(|f| f.kept = 12, 498);
        check(|f| f.reached = 0, 0);
        check(|f| f.cheated = true, 0);
    }

    #[test]
    fn buckets_double() {
        for (ms, expected) in [(0, 0), (7, 0), (8, 1), (15, 1), (16, 2), (31, 2), (32, 3), (1000, 7), (u64::MAX, 15)] {
            assert_eq!(latency_bucket(Span(ms)), expected, "{ms} ms");
        }
        for (rate, expected) in [(0, 0), (16_383, 0), (16_384, 1), (1 << 20, 7), (16 << 20, 11), (u64::MAX, 15)] {
            assert_eq!(throughput_bucket(rate), expected, "{rate} bytes per second");
        }
        for (count, expected) in [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (u32::MAX, 16)] {
            assert_eq!(tries_bucket(count), expected, "{count}");
        }
    }
}

//! Time as machines are told it.

use std::fmt;
use std::ops::{Add, Sub};

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};

/// A moment, in milliseconds since the Unix epoch. On the ledger it is the committed leader's median time; in a
/// machine it is what the driver or the simulator says it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Time(pub u64);

/// A length of time in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Span(pub u64);

impl Span {
    pub const ZERO: Span = Span(0);

    pub const fn millis(millis: u64) -> Self {
        Self(millis)
    }

    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds * 1000)
    }

    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes * 60)
    }

    pub const fn days(days: u64) -> Self {
        Self::seconds(days * 86_400)
    }
}

impl Time {
    pub const ZERO: Time = Time(0);

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Time {
    type Output = Time;

    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Time {
    type Output = Time;

    fn sub(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

impl Encode for Time {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.0);
    }
}

impl Decode for Time {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.u64().map(Self)
    }
}

impl Encode for Span {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.0);
    }
}

impl Decode for Span {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.u64().map(Self)
    }
}

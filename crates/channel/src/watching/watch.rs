//! One watchtower of one channel, as its client knows it.

use byway_primitives::codec::{DecodeError, Reader, Writer};
use byway_primitives::{Amount, Time};

use super::FREE_TIME;
use super::message::{Bill, WatchRefusal};
use super::packet::Packet;
use crate::machine::SUBMIT_AGAIN;

/// One watchtower of one channel, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The most that is paid for a period.
    pub price_max: Amount,
    /// For how many periods ahead it is paid.
    pub days: u64,
    /// What the watchtower asks, once it has said so.
    pub bill: Option<Bill>,
    /// Until when it watches.
    pub until: Option<Time>,
    /// Why it does not.
    pub refusal: Option<WatchRefusal>,
    /// When it last showed the ledger what it had.
    pub answered: Option<Time>,
    pub(super) has: Has,
    /// The packet that is on its way, and since when.
    pub(super) sent: Option<(u64, Time)>,
    pub(super) asked: Option<Time>,
    /// Until when it is paid, by our own clock and whatever the watchtower says.
    pub(super) paid_until: Time,
}

/// What a watchtower has, as far as it has said so on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "one for each watchtower of a channel: a box would cost more than it saves"
)]
pub(super) enum Has {
    Unknown,
    Nothing,
    /// What it was given earlier, and whether that was looked into.
    Shown {
        packet: Packet,
        is_told: bool,
    },
    /// The packet of ours with that number.
    Ours(u64),
}

impl Watch {
    pub(super) fn new() -> Self {
        Self {
            price_max: Amount::ZERO,
            days: 1,
            bill: None,
            until: None,
            refusal: None,
            answered: None,
            has: Has::Unknown,
            sent: None,
            asked: None,
            paid_until: Time::ZERO,
        }
    }

    pub(super) fn is_watching(&self, now: Time) -> bool {
        self.refusal.is_none() && self.until.is_some_and(|until| until > now)
    }

    /// Until when it was paid, if it refuses all the same.
    pub fn refuses_though_paid(&self, now: Time) -> Option<Time> {
        (self.refusal.is_some() && self.paid_until > now).then_some(self.paid_until)
    }

    /// Until when it watches, as far as it was paid: what it says beyond that is worth nothing. With a lost disk its word is all there is.
    pub fn watches_until(&self) -> Option<Time> {
        let is_paid = self.paid_until > Time::ZERO;
        self.until.map(|until| if is_paid { until.min(self.paid_until + FREE_TIME) } else { until })
    }

    /// What is written of it, and the number of the last packet.
    pub(super) fn bytes(&self, last: u64) -> Vec<u8> {
        let mut out = Writer::new();
        out.value(&self.price_max);
        out.varint(last);
        out.value(&self.paid_until);
        out.varint(self.days);
        out.into_bytes()
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<(Self, u64), DecodeError> {
        let (price_max, last, paid_until) = (input.value()?, input.u64()?, input.value()?);
        Ok((Self { price_max, paid_until, days: input.u64()?, ..Self::new() }, last))
    }
}

/// Whether what was said then is said again.
pub(super) fn is_time(said: Option<Time>, now: Time) -> bool {
    said.is_none_or(|at| now.since(at) >= SUBMIT_AGAIN)
}

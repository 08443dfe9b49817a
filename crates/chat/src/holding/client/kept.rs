//! What is kept of a holder.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Time};

/// What one is ready to pay a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// For 10^6 bytes and a day.
    pub price_max: Amount,
    /// For so many 10^6 bytes, and so many days, is paid ahead; and again when half of that is used, half of the days later at the earliest.
    pub megabytes: u64,
    pub days: u64,
    /// Whether another may take its place where it fails: nobody has said that it should be this one.
    pub is_replaceable: bool,
}

/// What is kept of a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    pub plan: Plan,
    /// On it in all: by our books, and by what it was told, which may be more where ours are of an old disk.
    pub spent: Amount,
    pub said: Amount,
    pub paid_at: Option<Time>,
    /// Since when it has said that it holds, without having said otherwise.
    pub since: Option<Time>,
    pub is_leaving: bool,
}

impl Kept {
    pub fn new(plan: Plan) -> Self {
        Self { plan, spent: Amount::ZERO, said: Amount::ZERO, paid_at: None, since: None, is_leaving: false }
    }
}

impl Encode for Kept {
    fn encode(&self, out: &mut Writer) {
        let Plan { price_max, megabytes, days, is_replaceable } = self.plan;
        out.value(&price_max);
        out.varint(megabytes);
        out.varint(days);
        out.flag(is_replaceable);
        out.value(&self.spent);
        out.value(&self.said);
        out.option(self.paid_at.as_ref());
        out.option(self.since.as_ref());
        out.flag(self.is_leaving);
    }
}

impl Decode for Kept {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (price_max, megabytes, days) = (input.value()?, input.u64()?, input.u64()?);
        let plan = Plan { price_max, megabytes, days, is_replaceable: input.flag()? };
        let (spent, said) = (input.value()?, input.value()?);
        let (paid_at, since) = (input.option()?, input.option()?);
        Ok(Self { plan, spent, said, paid_at, since, is_leaving: input.flag()? })
    }
}

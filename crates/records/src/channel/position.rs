//! Whose the money of a channel is, and what its contracts are, in one round.

use std::cmp::Ordering;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Hash, Time};

use super::{pair, put_pair};
use crate::state::Settled;

/// When contracts believe it is: a final checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Environment {
    pub time: Time,
    pub height: u64,
}

/// What a channel's state says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub round: u64,
    /// What each party has, lanes not counted. What is in neither is held by contracts.
    pub balances: [Amount; 2],
    /// What each party has set aside to pay the other by promises.
    pub lanes: [Lane; 2],
    /// The root of the accounts, contracts and the last call.
    pub root: Hash,
    pub environment: Environment,
}

/// Money of one party that it pays to the other by promises with the channel as their backing (row C3). Contracts don't see it, so
/// what it covers is there when it is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lane {
    /// All that is set aside.
    pub capacity: Amount,
    /// The promise that the balances already say paid.
    pub absorbed: Settled,
}

impl Position {
    /// What contracts hold where the channel has `total`; `None` where the parties would have more than there is.
    pub fn rest(&self, total: Amount) -> Option<Amount> {
        let lanes = self.lanes.map(|lane| lane.capacity);
        total.checked_sub(Amount::checked_sum(self.balances.into_iter().chain(lanes))?)
    }
}

impl Lane {
    /// What a promise claims beyond what was absorbed, as far as the lane covers it.
    pub fn due(&self, promise: Settled) -> Amount {
        let claimed = match promise.serial.cmp(&self.absorbed.serial) {
            Ordering::Less => Amount::ZERO,
            Ordering::Equal => promise.amount.saturating_sub(self.absorbed.amount),
            Ordering::Greater => promise.amount,
        };
        claimed.min(self.capacity)
    }
}

impl Encode for Environment {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.time);
        out.varint(self.height);
    }
}

impl Decode for Environment {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { time: input.value()?, height: input.u64()? })
    }
}

impl Encode for Lane {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.capacity);
        out.value(&self.absorbed);
    }
}

impl Decode for Lane {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { capacity: input.value()?, absorbed: input.value()? })
    }
}

impl Encode for Position {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.round);
        put_pair(&self.balances, out);
        put_pair(&self.lanes, out);
        out.value(&self.root);
        out.value(&self.environment);
    }
}

impl Decode for Position {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            round: input.u64()?,
            balances: pair(input)?,
            lanes: pair(input)?,
            root: input.value()?,
            environment: input.value()?,
        })
    }
}

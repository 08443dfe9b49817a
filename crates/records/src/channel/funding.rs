//! What is in a channel, and what goes in and out while it is open (row C3).
//!
//! A state is of what was in the channel when it was signed: of so much WAY, and of so many *fundings*, the deposits, withdrawals and leavings of
//! contracts that the ledger had executed by then. The ledger takes none of another number. So whatever was signed before one counts no more after it,
//! though what is in the channel may be as much as before, or another asset may have moved, of which the state says nothing.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, AssetId, Hash, Time};

use super::{AssetParts, Channel, ChannelAssets, ChannelState, Side};
use crate::transaction::Value;

/// What is in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// What states divide: WAY deposited less what was withdrawn.
    pub total: Amount,
    /// What each has put in of other assets, less what it has taken out.
    pub assets: ChannelAssets,
    /// How often something has gone in or out since the opening.
    pub fundings: u64,
}

/// Which way a [`FundingChange`] moves money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// From the side's account into the channel.
    Deposit,
    /// Out of the channel into the side's account.
    Withdraw,
    /// Out of the channel with a contract, which is on the ledger from then on with all that it has: WAY alone.
    Leave {
        contract: [u8; 20],
        /// The root of the contracts' state before: the ledger is shown that the contract is in it as it leaves.
        base: Hash,
    },
}

/// A deposit, a withdrawal or the leaving of a contract, and the state after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FundingChange {
    pub state: ChannelState,
    pub side: Side,
    pub movement: Movement,
    pub value: Value,
    /// Not executed after this.
    pub expires: Time,
}

impl Held {
    /// What the ledger has in a channel.
    pub fn of(channel: &Channel) -> Self {
        Self { total: channel.total, assets: channel.assets, fundings: channel.fundings }
    }

    /// What there is after a side has moved so much; `None` where there is not so much, or would be too much or of too many assets. Nothing of an asset
    /// is moved by nobody.
    pub fn after(&self, side: Side, movement: Movement, value: Value) -> Option<Self> {
        let fundings = self.fundings.checked_add(1)?;
        if value.asset != AssetId::WAY {
            let assets = match movement {
                Movement::Deposit => self.assets.with(side, value)?,
                Movement::Withdraw => self.assets.without(side, value)?,
                Movement::Leave { .. } => return None,
            };
            return Some(Self { assets, fundings, ..*self });
        }
        let total = match movement {
            Movement::Deposit => self.total.checked_add(value.amount),
            Movement::Withdraw | Movement::Leave { .. } => self.total.checked_sub(value.amount),
        };
        Some(Self { total: total?, fundings, ..*self })
    }
}

impl ChannelAssets {
    /// With so much more that a side has put in; `None` where that is nothing, or they would be too many or too much.
    fn with(&self, side: Side, value: Value) -> Option<Self> {
        let Value { asset, amount } = value;
        let mut parts = self.of(asset).map_or([Amount::ZERO; 2], |row| row.parts);
        parts[side.index()] = parts[side.index()].checked_add(amount).filter(|_| !amount.is_zero())?;
        self.replaced(AssetParts { asset, parts })
    }

    /// With so much less: of what the side has put in, and of the other's what goes beyond that. `None` where that is nothing, or there is not so much.
    fn without(&self, side: Side, value: Value) -> Option<Self> {
        let Value { asset, amount } = value;
        let (mut parts, own) = (self.of(asset)?.parts, side.index());
        let beyond = amount.saturating_sub(parts[own]);
        parts[own] = parts[own].saturating_sub(amount);
        parts[1 - own] = parts[1 - own].checked_sub(beyond).filter(|_| !amount.is_zero())?;
        self.replaced(AssetParts { asset, parts })
    }

    /// With this row; without one of the asset, where there is nothing in it.
    fn replaced(&self, row: AssetParts) -> Option<Self> {
        let is_there = row.total()? != Amount::ZERO;
        let others = self.iter().copied().filter(|other| other.asset != row.asset);
        Self::new(others.chain(is_there.then_some(row)))
    }
}

impl Encode for Movement {
    fn encode(&self, out: &mut Writer) {
        match self {
            Movement::Deposit => out.byte(0),
            Movement::Withdraw => out.byte(1),
            Movement::Leave { contract, base } => {
                out.byte(2);
                out.raw(contract);
                out.value(base);
            }
        }
    }
}

impl Decode for Movement {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Movement::Deposit),
            1 => Ok(Movement::Withdraw),
            2 => Ok(Movement::Leave { contract: input.array()?, base: input.value()? }),
            other => Err(DecodeError::UnknownVariant { kind: "movement", value: other.into() }),
        }
    }
}

impl Encode for FundingChange {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.state);
        out.value(&self.side);
        out.value(&self.movement);
        out.value(&self.value);
        out.value(&self.expires);
    }
}

impl Decode for FundingChange {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            state: input.value()?,
            side: input.value()?,
            movement: input.value()?,
            value: input.value()?,
            expires: input.value()?,
        })
    }
}

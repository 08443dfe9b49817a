//! What a side's user wants to be done to a contract, as it is kept until the other side's wants the same.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_vm::{Account, Address, State};

use crate::change::{Change, ContractChange};

/// What only both together do to a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContractWish {
    /// By an update.
    Change(ContractChange),
    /// It leaves the channel for the ledger, with what it has and has stored.
    Leave { contract: Address },
}

/// Consent to one wish, for one contract as it was when the consent was given: a contract that was called since is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Consent {
    pub wish: ContractWish,
    account: Account,
}

impl ContractWish {
    /// What an update needs consent to, if it does.
    pub(crate) fn of(change: &Change) -> Option<Self> {
        match change {
            Change::Contract(change) => Some(Self::Change(change.clone())),
            _ => None,
        }
    }

    pub fn contract(&self) -> Address {
        match self {
            ContractWish::Change(change) => change.contract(),
            ContractWish::Leave { contract } => *contract,
        }
    }
}

impl Consent {
    /// `None` where there is no such contract.
    pub fn new(wish: ContractWish, state: &State) -> Option<Self> {
        let account = state.account(wish.contract()).filter(|account| account.contract.is_some())?;
        Some(Self { wish, account })
    }

    /// Whether this is what was consented to.
    pub fn is_to(&self, wish: &ContractWish, state: &State) -> bool {
        self.wish == *wish && state.account(wish.contract()) == Some(self.account)
    }
}

impl Encode for Consent {
    fn encode(&self, out: &mut Writer) {
        match &self.wish {
            ContractWish::Change(change) => {
                out.byte(0);
                out.value(&Change::Contract(change.clone()));
            }
            ContractWish::Leave { contract } => {
                out.byte(1);
                out.value(contract);
            }
        }
        out.value(&self.account);
    }
}

impl Decode for Consent {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let wish = match input.byte()? {
            0 => ContractWish::of(&input.value()?)
                .ok_or(DecodeError::Invalid("what needs consent changes a contract"))?,
            1 => ContractWish::Leave { contract: input.value()? },
            other => return Err(DecodeError::UnknownVariant { kind: "consent", value: other.into() }),
        };
        Ok(Self { wish, account: input.value()? })
    }
}

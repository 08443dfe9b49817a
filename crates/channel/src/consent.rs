//! What a side's user wants to be done to a contract, as it is kept until the other side's wants the same.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_vm::{Account, State};

use crate::change::{Change, ContractChange};

/// Consent to one change of one contract as it was when the consent was given: a contract that was called since is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Consent {
    pub change: ContractChange,
    account: Account,
}

impl Consent {
    /// `None` where there is no such contract.
    pub fn new(change: &ContractChange, state: &State) -> Option<Self> {
        let account = state.account(change.contract())?;
        Some(Self { change: change.clone(), account })
    }

    /// Whether this is what was consented to.
    pub fn is_to(&self, change: &ContractChange, state: &State) -> bool {
        self.change == *change && state.account(change.contract()) == Some(self.account)
    }
}

impl Encode for Consent {
    fn encode(&self, out: &mut Writer) {
        out.value(&Change::Contract(self.change.clone()));
        out.value(&self.account);
    }
}

impl Decode for Consent {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.value()? {
            Change::Contract(change) => Ok(Self { change, account: input.value()? }),
            _ => Err(DecodeError::Invalid("only changes of contracts are consented to")),
        }
    }
}

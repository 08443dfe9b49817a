//! Entries of a state, and their keys.

use std::fmt;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Hash, IdentityId};
use revm::primitives::keccak256;

use crate::call::Outcome;

/// Who owns an account: a party, under its identity's id, or a contract.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub [u8; 20]);

/// What a state holds under an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// How many calls it has made, or contracts it has created.
    pub nonce: u64,
    pub balance: Amount,
    pub contract: Option<Contract>,
}

/// What makes an account a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contract {
    /// keccak256 of its code.
    pub code: Hash,
    /// The root of its storage.
    pub storage: Hash,
}

/// What the state remembers of the last call; that of the round before is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    pub caller: Address,
    /// The contract that was called or created.
    pub contract: Address,
    pub outcome: Outcome,
    pub gas_used: u64,
    /// keccak256 of what was returned.
    pub output: Hash,
}

/// What the keys of all accounts begin with.
pub(crate) const ACCOUNTS: [u8; 1] = [0];

/// Key of an account in the state's tree.
pub fn account_key(address: Address) -> Vec<u8> {
    [&ACCOUNTS[..], &address.0].concat()
}

/// Key of the last call's receipt in the state's tree.
pub fn receipt_key() -> Vec<u8> {
    vec![1]
}

/// What a contract's code is named by.
pub fn code_hash(code: &[u8]) -> Hash {
    Hash(keccak256(code).0)
}

/// A slot or a value of a contract's storage as it stands in the tree: without the zeros before it.
pub(crate) fn short(word: &[u8; 32]) -> &[u8] {
    let zeros = word.iter().take_while(|byte| **byte == 0).count();
    &word[zeros..]
}

/// The inverse of [`short`]; `None` for what that never gives.
pub(crate) fn word(short: &[u8]) -> Option<[u8; 32]> {
    let mut word = [0; 32];
    let start = word.len().checked_sub(short.len())?;
    word[start..].copy_from_slice(short);
    (short.first() != Some(&0)).then_some(word)
}

impl From<IdentityId> for Address {
    fn from(id: IdentityId) -> Self {
        Self(id.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&IdentityId(self.0), f)
    }
}

impl Encode for Address {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for Address {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array().map(Self)
    }
}

impl Encode for Contract {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.code);
        out.value(&self.storage);
    }
}

impl Decode for Contract {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { code: input.value()?, storage: input.value()? })
    }
}

impl Encode for Account {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.nonce);
        out.value(&self.balance);
        out.option(self.contract.as_ref());
    }
}

impl Decode for Account {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { nonce: input.u64()?, balance: input.value()?, contract: input.option()? })
    }
}

impl Encode for Receipt {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.caller);
        out.value(&self.contract);
        out.value(&self.outcome);
        out.varint(self.gas_used);
        out.value(&self.output);
    }
}

impl Decode for Receipt {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            caller: input.value()?,
            contract: input.value()?,
            outcome: input.value()?,
            gas_used: input.u64()?,
            output: input.value()?,
        })
    }
}

//! Program `channels`: a contract that has left its channel, under [`contract_key`].
//!
//! The ledger has its code's digest and the root of what it has stored, and not what that is. Whoever calls it shows the part
//! that the call touches. So that everybody who saw the contract leave can go on showing it, the entry has the last calls:
//! whoever goes from checkpoint to checkpoint executes them too.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Hash, IdentityId};

use super::{CallOutcome, Environment, FORCED_INPUT_BYTES_MAX, pair, put_pair};
use crate::promise::ChannelId;

/// Bytes of the calls that an entry has: two of the longest.
pub const MADE_CALLS_BYTES_MAX: usize = 5 * 1024;
/// Calls that fit into that; none is shorter than 32 bytes.
pub const MADE_CALLS_MAX: usize = MADE_CALLS_BYTES_MAX / 32;

/// A contract on the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerContract {
    /// Of the channel that it was in. It pays these whether they have an account or not.
    pub parties: [IdentityId; 2],
    pub nonce: u64,
    pub balance: Amount,
    /// keccak256 of its code, which is registered.
    pub code: Hash,
    /// The root of its storage.
    pub storage: Hash,
    /// Of the last call, whether it returned or not.
    pub receipt: Option<MadeReceipt>,
    /// The last calls that returned and changed it, in order.
    pub calls: Vec<MadeCall>,
}

/// A call that returned and changed the contract, as whoever follows the contract executes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeCall {
    /// Counted from one, since it left the channel.
    pub number: u64,
    /// Of the first checkpoint that shows it.
    pub height: u64,
    pub caller: IdentityId,
    pub value: Amount,
    pub input: Vec<u8>,
    pub gas: u64,
    /// What the contract saw.
    pub environment: Environment,
}

/// What became of the last call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeReceipt {
    /// The number that it was to have; has, if it returned and changed the contract.
    pub number: u64,
    pub caller: IdentityId,
    pub outcome: CallOutcome,
    pub gas_used: u64,
    /// keccak256 of what it returned.
    pub output: Hash,
}

impl LedgerContract {
    /// How many calls have returned and changed it.
    pub fn made(&self) -> u64 {
        self.calls.last().map_or(0, |call| call.number)
    }

    /// How many of the oldest calls make room for this one; `None` where one would go that no checkpoint shows yet. Of what no checkpoint
    /// shows, strangers have half at the most, and each of them one call: the other half is the parties'.
    pub fn room_for(&self, next: &MadeCall) -> Option<usize> {
        let bytes = |call: &MadeCall| call.to_bytes().len();
        let is_stranger = |call: &&MadeCall| !self.parties.contains(&call.caller);
        if is_stranger(&next) {
            let new = || self.calls.iter().filter(|call| call.height >= next.height).filter(is_stranger);
            let strangers = new().map(bytes).sum::<usize>() + bytes(next);
            if strangers > MADE_CALLS_BYTES_MAX / 2 || new().any(|call| call.caller == next.caller) {
                return None;
            }
        }
        let mut sum = self.calls.iter().map(bytes).sum::<usize>() + bytes(next);
        let mut oldest = 0;
        while sum > MADE_CALLS_BYTES_MAX {
            let call = self.calls.get(oldest).filter(|call| call.height < next.height)?;
            sum -= bytes(call);
            oldest += 1;
        }
        Some(oldest)
    }
}

/// Contracts of several channels may have one address.
pub fn contract_key(channel: ChannelId, contract: [u8; 20]) -> Vec<u8> {
    [contract_prefix(), &channel.0.0, &contract].concat()
}

/// What the keys of all contracts on the ledger begin with.
pub fn contract_prefix() -> &'static [u8] {
    &[2]
}

/// The contract that an entry's key names, and the channel that it was in; nothing where the key is of something else.
pub fn contract_of_key(key: &[u8]) -> Option<(ChannelId, [u8; 20])> {
    let (channel, contract) = key.strip_prefix(contract_prefix())?.split_first_chunk()?;
    Some((ChannelId(Hash(*channel)), contract.try_into().ok()?))
}

impl Encode for MadeCall {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.number);
        out.varint(self.height);
        out.value(&self.caller);
        out.value(&self.value);
        out.bytes(&self.input);
        out.varint(self.gas);
        out.value(&self.environment);
    }
}

impl Decode for MadeCall {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            number: input.u64()?,
            height: input.u64()?,
            caller: input.value()?,
            value: input.value()?,
            input: input.bytes(FORCED_INPUT_BYTES_MAX)?.to_vec(),
            gas: input.u64()?,
            environment: input.value()?,
        })
    }
}

impl Encode for MadeReceipt {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.number);
        out.value(&self.caller);
        out.value(&self.outcome);
        out.varint(self.gas_used);
        out.value(&self.output);
    }
}

impl Decode for MadeReceipt {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            number: input.u64()?,
            caller: input.value()?,
            outcome: input.value()?,
            gas_used: input.u64()?,
            output: input.value()?,
        })
    }
}

impl Encode for LedgerContract {
    fn encode(&self, out: &mut Writer) {
        put_pair(&self.parties, out);
        out.varint(self.nonce);
        out.value(&self.balance);
        out.value(&self.code);
        out.value(&self.storage);
        out.option(self.receipt.as_ref());
        out.list(&self.calls);
    }
}

impl Decode for LedgerContract {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            parties: pair(input)?,
            nonce: input.u64()?,
            balance: input.value()?,
            code: input.value()?,
            storage: input.value()?,
            receipt: input.option()?,
            calls: input.list(MADE_CALLS_MAX)?,
        })
    }
}

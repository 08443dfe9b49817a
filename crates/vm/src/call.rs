//! What is executed, in which surroundings, and how it ends.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, NetworkId};
use byway_records::channel::ChannelOutcome;
pub use byway_records::channel::Environment;

use crate::account::Address;

/// One call of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub caller: Address,
    pub target: Target,
    /// What goes from the caller to the contract first.
    pub value: Amount,
    /// Selector and arguments, as the contract's compiler lays them out.
    pub input: Vec<u8>,
    /// The most gas that it may use.
    pub gas: u64,
    /// What became of virtual channels, for contracts that ask (`precompiled`). Whoever executes the call vouches for it.
    pub evidence: Vec<ChannelOutcome>,
}

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Contract(Address),
    /// A new contract: the input is what creates it.
    Create,
}

/// How a call ended. Only one that returned changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Returned,
    /// The contract took everything back, and says why in its output.
    Reverted,
    OutOfGas,
    /// The code did what no code may.
    Halted,
}

/// What `CHAINID` gives in a network: six bytes of its id, so that it fits wherever such numbers are kept.
pub fn chain_id(network: NetworkId) -> u64 {
    network.0.0[..6].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

impl Encode for Outcome {
    fn encode(&self, out: &mut Writer) {
        out.byte(match self {
            Outcome::Returned => 0,
            Outcome::Reverted => 1,
            Outcome::OutOfGas => 2,
            Outcome::Halted => 3,
        });
    }
}

impl Decode for Outcome {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Outcome::Returned),
            1 => Ok(Outcome::Reverted),
            2 => Ok(Outcome::OutOfGas),
            3 => Ok(Outcome::Halted),
            other => Err(DecodeError::UnknownVariant { kind: "outcome", value: other.into() }),
        }
    }
}

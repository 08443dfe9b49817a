//! Calls about channels (rows C1, C3).

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, IdentityId, NetworkId};

use super::unknown;
use crate::channel::{
    Agreed, CertifiedClose, ChannelState, ChannelTerms, Cosigned, DELEGATES_MAX, Environment, FORCED_INPUT_BYTES_MAX,
    FundingChange, MutualClose, Side, SignedForcedCall, VirtualTerms, WatchSecret,
};
use crate::genesis::CallPrices;
use crate::promise::{ChannelId, SignedPromise};
use crate::reject::IllFormed;

/// Bytes of a contract's code, as on Ethereum.
pub const CODE_BYTES_MAX: usize = 24 * 1024;
/// Bytes of the body of a call about channels: what shows the purses of one is the longest.
pub const CHANNELS_CALL_BYTES_MAX: usize = PURSES_BYTES_MAX + 64;
/// Bytes of a state witness.
pub const WITNESS_BYTES_MAX: usize = 12 * 1024;
/// Bytes of what shows the purses of a channel: of four, with seventy levels above each account and each number. Whoever wants them to be
/// deeper has to find keys whose digests agree in more bits.
pub const PURSES_BYTES_MAX: usize = 32 * 1024;

/// What reading a byte of a witness counts as, in gas: as a byte of input does on Ethereum.
pub const WITNESS_BYTE_GAS: u64 = 16;

/// What can be asked about channels. Where a side acts, its party or one of its delegates authorises the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one call per transaction: a box would cost more than it saves")]
pub enum ChannelsCall {
    /// Opens a channel out of both accounts; its id is that of the transaction. Authorised by both.
    Create {
        terms: ChannelTerms,
    },
    /// Puts money in or takes some out. A deposit is authorised by whose account it comes from.
    Fund(Cosigned<FundingChange>),
    /// Says who may act for a party. Authorised by that.
    SetDelegates {
        channel: ChannelId,
        side: Side,
        delegates: Vec<IdentityId>,
    },
    /// Shows a co-signed state while the channel is active.
    SnapshotSolo {
        side: Side,
        state: Cosigned<ChannelState>,
    },
    /// Begins to close: with the state that is shown, or with the one that the ledger knows. Authorised by the party itself.
    CloseSolo {
        channel: ChannelId,
        side: Side,
        secret: WatchSecret,
        state: Option<Cosigned<ChannelState>>,
    },
    /// Shows a newer co-signed state while the channel is closing.
    Slash {
        side: Side,
        state: Cosigned<ChannelState>,
    },
    ForceProgress(Box<ForceProgress>),
    /// Pays out once the lock period is over. Anyone's to call.
    Settle {
        channel: ChannelId,
        /// The part of the last state that shows what both have of the channel's assets; empty where it has none, or nobody knows.
        witness: Vec<u8>,
    },
    /// Pays out as both agreed. Anyone's to call.
    CloseMutual(Cosigned<MutualClose>),
    /// Shows a promise out of the other side's lane while the channel is closing. `side` is the payee's.
    Claim {
        side: Side,
        promise: SignedPromise,
    },
    /// Keeps the code of a contract, so that calls of it can be forced.
    RegisterCode {
        code: Vec<u8>,
    },
    /// Lets a contract leave an active channel, with what it has. Anyone's to call: both have signed the state after it.
    Leave(Box<ContractLeave>),
    /// Calls a contract that has left its channel. Authorised by the caller.
    CallContract(Box<CallContract>),
    /// Has the ledger know a virtual channel, whose money it does not have. Anyone's to call: both have signed the terms.
    RegisterVirtual(Cosigned<VirtualTerms>),
    /// Begins to close a virtual channel, as `CloseSolo` does. Authorised by its hub.
    EndVirtual {
        channel: ChannelId,
        state: Option<Cosigned<ChannelState>>,
    },
    /// Ends a virtual channel as both parties and its hub agreed. Anyone's to call.
    CloseVirtual(CertifiedClose),
}

/// A contract leaves its channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractLeave {
    pub change: Cosigned<FundingChange>,
    /// The part of the contracts' state before that shows the contract.
    pub part: Vec<u8>,
}

/// Has the ledger execute one call of a contract that is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallContract {
    /// The channel that it has left.
    pub channel: ChannelId,
    pub contract: [u8; 20],
    pub caller: IdentityId,
    /// From the caller's account.
    pub value: Amount,
    pub input: Vec<u8>,
    pub gas: u64,
    /// The part of what it has stored that the call touches.
    pub witness: Vec<u8>,
}

/// Has the ledger execute one call of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForceProgress {
    /// What the call builds on; where none is given, what the ledger knows.
    pub state: Option<Cosigned<ChannelState>>,
    pub call: SignedForcedCall,
    /// What the contract sees: not before that of the state it builds on, and a short while old at the most.
    pub environment: Environment,
    /// The part of the state that the call touches, with its proofs.
    pub witness: Vec<u8>,
}

impl ForceProgress {
    /// The gas that it takes out of a commit, and pays for: what the call names, and what reading the witness counts as.
    pub fn gas_taken(&self) -> u64 {
        gas_taken(self.call.call.gas, &self.witness)
    }
}

impl CallContract {
    /// The gas that it takes out of a commit, and pays for: what the call names, and what reading the witness counts as.
    pub fn gas_taken(&self) -> u64 {
        gas_taken(self.gas, &self.witness)
    }
}

impl CallPrices {
    /// What a call costs that takes so much gas.
    pub fn of_gas(&self, gas: u64) -> Option<Amount> {
        Amount::cost(self.gas, gas, 1)?.checked_add(self.channel)
    }
}

fn gas_taken(named: u64, witness: &[u8]) -> u64 {
    named.saturating_add(WITNESS_BYTE_GAS * witness.len() as u64)
}

impl ChannelsCall {
    /// The gas that a transaction has to pay for with this call, beside the price of any: so that what is shown at the end is not charged to
    /// who has closed, either.
    pub fn gas_taken(&self) -> u64 {
        match self {
            ChannelsCall::ForceProgress(force) => force.gas_taken(),
            ChannelsCall::CallContract(call) => call.gas_taken(),
            ChannelsCall::Settle { witness, .. } => gas_taken(0, witness),
            _ => 0,
        }
    }

    /// Checks the signatures inside.
    pub fn verify(&self, network: NetworkId) -> Result<(), IllFormed> {
        match self {
            ChannelsCall::Fund(change) => cosigned(change, network),
            ChannelsCall::SnapshotSolo { state, .. } | ChannelsCall::Slash { state, .. } => cosigned(state, network),
            ChannelsCall::CloseSolo { state, .. } | ChannelsCall::EndVirtual { state, .. } => {
                state.as_ref().map_or(Ok(()), |state| cosigned(state, network))
            }
            ChannelsCall::CloseMutual(close) => cosigned(close, network),
            ChannelsCall::Claim { promise, .. } => {
                if promise.promise.network != network {
                    return Err(IllFormed::WrongNetwork);
                }
                promise.verify().map_err(|_| IllFormed::Signature)
            }
            ChannelsCall::ForceProgress(force) => {
                force.state.as_ref().map_or(Ok(()), |state| cosigned(state, network))?;
                if force.call.call.network != network {
                    return Err(IllFormed::WrongNetwork);
                }
                force.call.verify().map_err(|_| IllFormed::Signature)
            }
            ChannelsCall::Create { .. }
            | ChannelsCall::SetDelegates { .. }
            | ChannelsCall::Settle { .. }
            | ChannelsCall::RegisterCode { .. }
            | ChannelsCall::CallContract(_) => Ok(()),
            ChannelsCall::Leave(leave) => cosigned(&leave.change, network),
            ChannelsCall::RegisterVirtual(terms) => cosigned(terms, network),
            ChannelsCall::CloseVirtual(certificate) => {
                if certificate.close.body.network != network {
                    return Err(IllFormed::WrongNetwork);
                }
                certificate.verify().map_err(|_| IllFormed::Signature)
            }
        }
    }
}

fn cosigned<T: Agreed>(signed: &Cosigned<T>, network: NetworkId) -> Result<(), IllFormed> {
    if signed.body.network() != network {
        return Err(IllFormed::WrongNetwork);
    }
    signed.verify().map_err(|_| IllFormed::Signature)
}

impl Encode for ForceProgress {
    fn encode(&self, out: &mut Writer) {
        out.option(self.state.as_ref());
        out.value(&self.call);
        out.value(&self.environment);
        out.bytes(&self.witness);
    }
}

impl Decode for ForceProgress {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            state: input.option()?,
            call: input.value()?,
            environment: input.value()?,
            witness: input.bytes(WITNESS_BYTES_MAX)?.to_vec(),
        })
    }
}

impl Encode for ContractLeave {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.change);
        out.bytes(&self.part);
    }
}

impl Decode for ContractLeave {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { change: input.value()?, part: input.bytes(WITNESS_BYTES_MAX)?.to_vec() })
    }
}

impl Encode for CallContract {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.channel.0);
        out.raw(&self.contract);
        out.value(&self.caller);
        out.value(&self.value);
        out.bytes(&self.input);
        out.varint(self.gas);
        out.bytes(&self.witness);
    }
}

impl Decode for CallContract {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            channel: ChannelId(input.value()?),
            contract: input.array()?,
            caller: input.value()?,
            value: input.value()?,
            input: input.bytes(FORCED_INPUT_BYTES_MAX)?.to_vec(),
            gas: input.u64()?,
            witness: input.bytes(WITNESS_BYTES_MAX)?.to_vec(),
        })
    }
}

/// What a call says that is one record.
fn put(out: &mut Writer, number: u8, record: &impl Encode) {
    out.byte(number);
    out.value(record);
}

impl Encode for ChannelsCall {
    fn encode(&self, out: &mut Writer) {
        match self {
            ChannelsCall::Create { terms } => put(out, 0, terms),
            ChannelsCall::Fund(change) => put(out, 1, change),
            ChannelsCall::SetDelegates { channel, side, delegates } => {
                out.byte(2);
                out.value(&channel.0);
                out.value(side);
                out.list(delegates);
            }
            ChannelsCall::SnapshotSolo { side, state } => {
                out.byte(3);
                out.value(side);
                out.value(state);
            }
            ChannelsCall::CloseSolo { channel, side, secret, state } => {
                out.byte(4);
                out.value(&channel.0);
                out.value(side);
                out.value(secret);
                out.option(state.as_ref());
            }
            ChannelsCall::Slash { side, state } => {
                out.byte(5);
                out.value(side);
                out.value(state);
            }
            ChannelsCall::ForceProgress(force) => put(out, 6, &**force),
            ChannelsCall::Settle { channel, witness } => {
                out.byte(7);
                out.value(&channel.0);
                out.bytes(witness);
            }
            ChannelsCall::CloseMutual(close) => put(out, 8, close),
            ChannelsCall::RegisterCode { code } => {
                out.byte(9);
                out.bytes(code);
            }
            ChannelsCall::Claim { side, promise } => {
                out.byte(10);
                out.value(side);
                out.value(promise);
            }
            ChannelsCall::Leave(leave) => put(out, 11, &**leave),
            ChannelsCall::CallContract(call) => put(out, 12, &**call),
            ChannelsCall::RegisterVirtual(terms) => put(out, 13, terms),
            ChannelsCall::EndVirtual { channel, state } => {
                out.byte(14);
                out.value(&channel.0);
                out.option(state.as_ref());
            }
            ChannelsCall::CloseVirtual(certificate) => put(out, 15, certificate),
        }
    }
}

impl Decode for ChannelsCall {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => ChannelsCall::Create { terms: input.value()? },
            1 => ChannelsCall::Fund(input.value()?),
            2 => ChannelsCall::SetDelegates {
                channel: ChannelId(input.value()?),
                side: input.value()?,
                delegates: input.list(DELEGATES_MAX)?,
            },
            3 => ChannelsCall::SnapshotSolo { side: input.value()?, state: input.value()? },
            4 => ChannelsCall::CloseSolo {
                channel: ChannelId(input.value()?),
                side: input.value()?,
                secret: input.value()?,
                state: input.option()?,
            },
            5 => ChannelsCall::Slash { side: input.value()?, state: input.value()? },
            6 => ChannelsCall::ForceProgress(Box::new(input.value()?)),
            7 => ChannelsCall::Settle {
                channel: ChannelId(input.value()?),
                witness: input.bytes(PURSES_BYTES_MAX)?.to_vec(),
            },
            8 => ChannelsCall::CloseMutual(input.value()?),
            9 => ChannelsCall::RegisterCode { code: input.bytes(CODE_BYTES_MAX)?.to_vec() },
            10 => ChannelsCall::Claim { side: input.value()?, promise: input.value()? },
            11 => ChannelsCall::Leave(Box::new(input.value()?)),
            12 => ChannelsCall::CallContract(Box::new(input.value()?)),
            13 => ChannelsCall::RegisterVirtual(input.value()?),
            14 => ChannelsCall::EndVirtual { channel: ChannelId(input.value()?), state: input.option()? },
            15 => ChannelsCall::CloseVirtual(input.value()?),
            other => return unknown("channels call", other),
        })
    }
}

//! Calls to the ledger's programs.
//!
//! On the wire a call is an envelope: which program, what value goes in and out, and bytes that only that program reads.
//! [`Call`] is the decoded form. Adding a program adds a variant and leaves every other encoding as it was.

use byway_crypto::{IdentityPublic, IdentitySignature, Purpose};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, AssetId, IdentityId, Time};
use serde::{Deserialize, Serialize};

use crate::asset::AssetTerms;
use crate::offer::SignedOffer;
use crate::pair::CountersignedPair;
use crate::promise::{ReservationId, SignedPromise};
use crate::transaction::Value;

pub mod channels;
pub mod dealing;
pub mod holders;
pub mod kernel;
pub mod names;

pub use channels::{CallContract, ChannelsCall, ContractLeave, ForceProgress};
pub use dealing::Contribution;
pub use holders::HoldersCall;
pub use kernel::{KernelCall, MemberEntry};
pub use names::NamesCall;

/// Bytes of a call's body.
pub const CALL_BYTES_MAX: usize = 16 * 1024;
/// Bytes of the body of a call about kernel nodes: evidence may hold whole transactions. Leaves room for the rest of a
/// transaction.
pub const KERNEL_CALL_BYTES_MAX: usize = 60 * 1024;

/// A program of the ledger. Numbers are fixed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProgramId(pub u16);

impl ProgramId {
    pub const REGISTRY: ProgramId = ProgramId(1);
    pub const OFFERS: ProgramId = ProgramId(2);
    pub const ACCOUNTS: ProgramId = ProgramId(3);
    pub const ASSETS: ProgramId = ProgramId(4);
    pub const KERNEL: ProgramId = ProgramId(5);
    pub const CHANNELS: ProgramId = ProgramId(6);
    pub const HOLDERS: ProgramId = ProgramId(7);
    pub const NAMES: ProgramId = ProgramId(8);
    /// The pool, the epoch and other entries that the ledger itself keeps.
    pub const SYSTEM: ProgramId = ProgramId(0);
}

/// A call as it stands in a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallEnvelope {
    pub program: ProgramId,
    /// From the transaction's inputs into the program.
    pub pays: Option<Value>,
    /// From the program into the transaction's outputs.
    pub draws: Option<Value>,
    pub body: Vec<u8>,
}

/// A decoded call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one call per transaction: a box would cost more than it saves")]
pub enum Call {
    Registry(RegistryCall),
    Offers(OffersCall),
    Accounts(AccountsCall),
    Assets(AssetsCall),
    Kernel(KernelCall),
    Channels(ChannelsCall),
    Holders(HoldersCall),
    Names(NamesCall),
}

/// Row I2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryCall {
    /// Registers the identity of this key. Pays the pledge; authorised by the identity.
    Register { key: IdentityPublic },
}

/// Row A1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OffersCall {
    /// Publishes an offer, or publishes it again.
    Publish { offer: SignedOffer },
    /// Takes an offer off the market. Authorised by the provider.
    Withdraw { provider: IdentityId, serial: u64 },
}

/// Rows A3, A5.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one call per transaction: a box would cost more than it saves")]
pub enum AccountsCall {
    /// Pays into anyone's account.
    Deposit { to: IdentityId },
    /// Announces a withdrawal; the amount leaves the balance that settlements can still reach only after the notice
    /// period. Authorised by the holder. Replaces an earlier announcement for the same asset; zero cancels it.
    AnnounceWithdrawal { from: IdentityId, asset: AssetId, amount: Amount },
    /// Draws up to what was announced, once the notice period is over. Authorised by the holder.
    Withdraw { from: IdentityId },
    /// Settles a promise. `payee` is the beneficiary's signature over the promise ([`Take::purpose`]).
    Settle { promise: SignedPromise, payee: IdentitySignature, take: Take },
    /// Sets part of an account aside for one payee until a time. Authorised by the payer.
    Reserve { payer: IdentityId, payee: IdentityId, value: Value, until: Time },
    /// Gives a reservation back: by the payee at any time, by the payer after its time.
    Release { reservation: ReservationId },
    /// Settles two promises, one each way: only the net moves. Both payees signed for it ([`Purpose::SettlePair`]).
    SettlePair(Box<CountersignedPair>),
}

/// Rows K1, K7.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssetsCall {
    /// Registers an asset, of which nothing exists yet. Authorised by its issuer.
    Register { terms: AssetTerms },
    /// Makes new units: what the call draws. Authorised by whoever the asset's record names.
    Issue,
    /// Takes units out of the world: what the call pays. Authorised likewise.
    Burn,
}

/// What a settlement does where the balance is too small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// Nothing moves, a bounce is recorded, and the promise stays valid.
    Whole,
    /// Take what is there and give up the rest.
    WhatIsThere,
}

impl Take {
    /// What the payee signs a promise for, so that nobody else decides what it gives up.
    pub fn purpose(self) -> Purpose {
        match self {
            Take::Whole => Purpose::Settle,
            Take::WhatIsThere => Purpose::SettleWhatIsThere,
        }
    }
}

impl Call {
    pub fn program(&self) -> ProgramId {
        match self {
            Call::Registry(_) => ProgramId::REGISTRY,
            Call::Offers(_) => ProgramId::OFFERS,
            Call::Accounts(_) => ProgramId::ACCOUNTS,
            Call::Assets(_) => ProgramId::ASSETS,
            Call::Kernel(_) => ProgramId::KERNEL,
            Call::Channels(_) => ProgramId::CHANNELS,
            Call::Holders(_) => ProgramId::HOLDERS,
            Call::Names(_) => ProgramId::NAMES,
        }
    }

    /// The envelope of this call.
    pub fn envelope(&self, pays: Option<Value>, draws: Option<Value>) -> CallEnvelope {
        let body = match self {
            Call::Registry(call) => call.to_bytes(),
            Call::Offers(call) => call.to_bytes(),
            Call::Accounts(call) => call.to_bytes(),
            Call::Assets(call) => call.to_bytes(),
            Call::Kernel(call) => call.to_bytes(),
            Call::Channels(call) => call.to_bytes(),
            Call::Holders(call) => call.to_bytes(),
            Call::Names(call) => call.to_bytes(),
        };
        CallEnvelope { program: self.program(), pays, draws, body }
    }

    /// Decodes the body of an envelope.
    pub fn open(envelope: &CallEnvelope) -> Result<Self, DecodeError> {
        let body = &envelope.body;
        match envelope.program {
            ProgramId::REGISTRY => Decode::from_bytes(body).map(Call::Registry),
            ProgramId::OFFERS => Decode::from_bytes(body).map(Call::Offers),
            ProgramId::ACCOUNTS => Decode::from_bytes(body).map(Call::Accounts),
            ProgramId::ASSETS => Decode::from_bytes(body).map(Call::Assets),
            ProgramId::KERNEL => Decode::from_bytes(body).map(Call::Kernel),
            ProgramId::CHANNELS => Decode::from_bytes(body).map(Call::Channels),
            ProgramId::HOLDERS => Decode::from_bytes(body).map(Call::Holders),
            ProgramId::NAMES => Decode::from_bytes(body).map(Call::Names),
            other => Err(DecodeError::UnknownVariant { kind: "program", value: other.0.into() }),
        }
    }
}

fn unknown<T>(kind: &'static str, value: u8) -> Result<T, DecodeError> {
    Err(DecodeError::UnknownVariant { kind, value: value.into() })
}

impl Encode for ProgramId {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.0);
    }
}

impl Decode for ProgramId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.u16().map(Self)
    }
}

impl Encode for CallEnvelope {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.program);
        out.option(self.pays.as_ref());
        out.option(self.draws.as_ref());
        out.bytes(&self.body);
    }
}

impl Decode for CallEnvelope {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let program = input.value()?;
        let limit = match program {
            ProgramId::KERNEL => KERNEL_CALL_BYTES_MAX,
            ProgramId::CHANNELS => channels::CHANNELS_CALL_BYTES_MAX,
            _ => CALL_BYTES_MAX,
        };
        Ok(Self { program, pays: input.option()?, draws: input.option()?, body: input.bytes(limit)?.to_vec() })
    }
}

impl Encode for RegistryCall {
    fn encode(&self, out: &mut Writer) {
        match self {
            RegistryCall::Register { key } => {
                out.byte(0);
                out.value(key);
            }
        }
    }
}

impl Decode for RegistryCall {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(RegistryCall::Register { key: input.value()? }),
            other => unknown("registry call", other),
        }
    }
}

impl Encode for OffersCall {
    fn encode(&self, out: &mut Writer) {
        match self {
            OffersCall::Publish { offer } => {
                out.byte(0);
                out.value(offer);
            }
            OffersCall::Withdraw { provider, serial } => {
                out.byte(1);
                out.value(provider);
                out.varint(*serial);
            }
        }
    }
}

impl Decode for OffersCall {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(OffersCall::Publish { offer: input.value()? }),
            1 => Ok(OffersCall::Withdraw { provider: input.value()?, serial: input.u64()? }),
            other => unknown("offers call", other),
        }
    }
}

impl Encode for AccountsCall {
    fn encode(&self, out: &mut Writer) {
        match self {
            AccountsCall::Deposit { to } => {
                out.byte(0);
                out.value(to);
            }
            AccountsCall::AnnounceWithdrawal { from, asset, amount } => {
                out.byte(1);
                out.value(from);
                out.value(asset);
                out.value(amount);
            }
            AccountsCall::Withdraw { from } => {
                out.byte(2);
                out.value(from);
            }
            AccountsCall::Settle { promise, payee, take } => {
                out.byte(3);
                out.value(promise);
                out.value(payee);
                out.flag(*take == Take::WhatIsThere);
            }
            AccountsCall::Reserve { payer, payee, value, until } => {
                out.byte(4);
                out.value(payer);
                out.value(payee);
                out.value(value);
                out.value(until);
            }
            AccountsCall::Release { reservation } => {
                out.byte(5);
                out.value(reservation);
            }
            AccountsCall::SettlePair(pair) => {
                out.byte(6);
                out.value(&**pair);
            }
        }
    }
}

impl Decode for AccountsCall {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(AccountsCall::Deposit { to: input.value()? }),
            1 => Ok(AccountsCall::AnnounceWithdrawal {
                from: input.value()?,
                asset: input.value()?,
                amount: input.value()?,
            }),
            2 => Ok(AccountsCall::Withdraw { from: input.value()? }),
            3 => Ok(AccountsCall::Settle {
                promise: input.value()?,
                payee: input.value()?,
                take: if input.flag()? { Take::WhatIsThere } else { Take::Whole },
            }),
            4 => Ok(AccountsCall::Reserve {
                payer: input.value()?,
                payee: input.value()?,
                value: input.value()?,
                until: input.value()?,
            }),
            5 => Ok(AccountsCall::Release { reservation: input.value()? }),
            6 => Ok(AccountsCall::SettlePair(Box::new(input.value()?))),
            other => unknown("accounts call", other),
        }
    }
}

impl Encode for AssetsCall {
    fn encode(&self, out: &mut Writer) {
        match self {
            AssetsCall::Register { terms } => {
                out.byte(0);
                out.value(terms);
            }
            AssetsCall::Issue => out.byte(1),
            AssetsCall::Burn => out.byte(2),
        }
    }
}

impl Decode for AssetsCall {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(AssetsCall::Register { terms: input.value()? }),
            1 => Ok(AssetsCall::Issue),
            2 => Ok(AssetsCall::Burn),
            other => unknown("assets call", other),
        }
    }
}

//! Channels: what two parties sign between them, and what the ledger believes (rows C1, C3).
//!
//! A channel is money of two parties, locked on the ledger, and a state of theirs that says whose it is. They replace that
//! state as often as they like without telling the ledger, each by one of a higher *round* that both sign: it is
//! **co-signed**. The ledger pays by the last state that it is shown.
//!
//! Four things are signed, each under a purpose of its own, so that none passes for another ([`guaranteed`] has those of virtual channels):
//!
//! | record | signed by | lets the ledger |
//! | --- | --- | --- |
//! | [`ChannelState`] | both | believe that state, where it knows no newer one |
//! | [`FundingChange`] | both | take a deposit in or pay a withdrawal out, which makes the state in it the last |
//! | [`MutualClose`] | both | pay out at once |
//! | [`ForcedCall`] | one | execute that call on the state of the round before |
//!
//! What is signed about the ledger carries a time limit: whoever holds it can't keep it until it hurts.

use byway_crypto::identity::SignatureError;
use byway_crypto::{IdentitySecret, IdentitySignature, Purpose};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Hash, IdentityId, NetworkId, Time};

use crate::genesis::Wait;
use crate::promise::ChannelId;

pub mod assets;
pub mod contract;
pub mod entry;
pub mod funding;
pub mod guaranteed;
pub mod position;
pub mod secret;
pub mod times;

pub use assets::{ABANDONED_AFTER, AssetParts, CHANNEL_ASSETS_MAX, ChannelAssets};
pub use contract::{LedgerContract, MadeCall, MadeReceipt};
pub use entry::{CallOutcome, Channel, Closer, ForcedReceipt, ForcedRound, Phase, Turn};
pub use funding::{FundingChange, Held, Movement};
pub use guaranteed::{CertifiedClose, ChannelOutcome, EVIDENCE_MAX, Guaranteed, Outcome, VirtualClose, VirtualTerms};
pub use position::{Environment, Lane, Position};
pub use secret::WatchSecret;
pub use times::{LOCK_MAX, LOCK_MIN, is_dispute, is_lock};

/// Bytes of a forced call's input: with a witness it fits into the body of a ledger call.
pub const FORCED_INPUT_BYTES_MAX: usize = 2 * 1024;
/// The most gas of a forced call: some tens of milliseconds at the worst (docs/channels.md).
pub const FORCED_GAS_MAX: u64 = 2_000_000;
/// Identities that may act for one party.
pub const DELEGATES_MAX: usize = 4;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Who proposed the channel.
    Initiator,
    Responder,
}

/// What two agree on when they open a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelTerms {
    pub parties: [IdentityId; 2],
    /// What each of them puts in, from its account.
    pub deposits: [Amount; 2],
    /// What each keeps in every state: from it the ledger takes what it charges a side.
    pub reserve: Amount,
    /// How long either has to answer what the other shows the ledger.
    pub lock: Wait,
    pub remainder: Remainder,
    /// The digests of the [`WatchSecret`]s: of what each shows when it closes alone.
    pub secrets: [Hash; 2],
    /// What each puts in of other assets than WAY, from its accounts.
    pub assets: ChannelAssets,
}

/// Whose it is what contracts still hold when a channel is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remainder {
    Initiator,
    Responder,
    /// Half each; an odd unit is the initiator's.
    Halves,
}

/// A state of a channel, as both parties sign it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelState {
    pub network: NetworkId,
    pub channel: ChannelId,
    /// All that is in the channel of WAY.
    pub total: Amount,
    /// How often something had gone in or out ([`Held`]): of a state that was signed before a deposit or a withdrawal another number.
    pub fundings: u64,
    pub position: Position,
}

/// How both want to part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MutualClose {
    pub network: NetworkId,
    pub channel: ChannelId,
    /// All that is in the channel, before what the ledger has charged.
    pub balances: [Amount; 2],
    /// All of the other assets.
    pub assets: ChannelAssets,
    /// Not executed after this.
    pub expires: Time,
}

/// A call that one party has the ledger execute, because the other does not sign what it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForcedCall {
    pub network: NetworkId,
    pub channel: ChannelId,
    /// The round that it makes …
    pub round: u64,
    /// … of the state with this root, and of no other of the round before.
    pub base: Hash,
    /// Not executed after this, and so shown no later time either.
    pub expires: Time,
    pub caller: IdentityId,
    pub contract: [u8; 20],
    pub value: Amount,
    pub input: Vec<u8>,
    pub gas: u64,
    /// What became of virtual channels, for contracts that ask. Not executed where the ledger does not have it so.
    pub evidence: Vec<ChannelOutcome>,
}

/// Something that both parties sign.
pub trait Agreed: Encode + Decode {
    const PURPOSE: Purpose;

    fn network(&self) -> NetworkId;
}

/// With both signatures (not yet checked).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cosigned<T> {
    pub body: T,
    pub parties: [IdentityId; 2],
    pub signatures: [IdentitySignature; 2],
}

/// With its caller's signature (not yet checked).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedForcedCall {
    pub call: ForcedCall,
    pub signature: IdentitySignature,
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::Initiator, Side::Responder];

    pub fn index(self) -> usize {
        match self {
            Side::Initiator => 0,
            Side::Responder => 1,
        }
    }

    pub fn other(self) -> Side {
        match self {
            Side::Initiator => Side::Responder,
            Side::Responder => Side::Initiator,
        }
    }
}

impl Remainder {
    /// What of the rest goes to each party.
    pub fn shares(self, rest: Amount) -> [Amount; 2] {
        let half = Amount::from_units(rest.units() / 2);
        match self {
            Remainder::Initiator => [rest, Amount::ZERO],
            Remainder::Responder => [Amount::ZERO, rest],
            Remainder::Halves => [rest.saturating_sub(half), half],
        }
    }
}

impl Agreed for ChannelState {
    const PURPOSE: Purpose = Purpose::ChannelState;

    fn network(&self) -> NetworkId {
        self.network
    }
}

impl Agreed for FundingChange {
    const PURPOSE: Purpose = Purpose::ChannelFunding;

    fn network(&self) -> NetworkId {
        self.state.network
    }
}

impl Agreed for MutualClose {
    const PURPOSE: Purpose = Purpose::ChannelClose;

    fn network(&self) -> NetworkId {
        self.network
    }
}

impl<T: Agreed> Cosigned<T> {
    /// What one party signs.
    pub fn sign_one(body: &T, party: &IdentitySecret) -> IdentitySignature {
        party.sign(T::PURPOSE, body.network(), &body.to_bytes())
    }

    pub fn sign(body: T, parties: [&IdentitySecret; 2]) -> Self {
        let signatures = parties.map(|party| Self::sign_one(&body, party));
        Self { body, parties: parties.map(IdentitySecret::id), signatures }
    }

    /// Whether the parties that it names signed it.
    pub fn verify(&self) -> Result<(), SignatureError> {
        let message = self.body.to_bytes();
        for (party, signature) in self.parties.iter().zip(&self.signatures) {
            signature.verify(*party, T::PURPOSE, self.body.network(), &message)?;
        }
        Ok(())
    }
}

impl ForcedCall {
    pub fn sign(self, caller: &IdentitySecret) -> SignedForcedCall {
        let signature = caller.sign(Purpose::ChannelCall, self.network, &self.to_bytes());
        SignedForcedCall { call: self, signature }
    }
}

impl SignedForcedCall {
    pub fn verify(&self) -> Result<(), SignatureError> {
        let call = &self.call;
        self.signature.verify(call.caller, Purpose::ChannelCall, call.network, &call.to_bytes())
    }
}

/// The codec of enumerations without content: a byte each.
macro_rules! byte_codec {
    ($($name:ident $kind:literal { $($byte:literal $variant:ident),* })*) => {$(
        impl Encode for $name {
            fn encode(&self, out: &mut Writer) {
                out.byte(match self { $($name::$variant => $byte,)* });
            }
        }
        impl Decode for $name {
            fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                match input.byte()? {
                    $($byte => Ok($name::$variant),)*
                    other => Err(DecodeError::UnknownVariant { kind: $kind, value: other.into() }),
                }
            }
        }
    )*};
}
pub(crate) use byte_codec;

byte_codec! {
    Side "side" { 0 Initiator, 1 Responder }
    Remainder "remainder" { 0 Initiator, 1 Responder, 2 Halves }
}

fn put_pair(pair: &[impl Encode; 2], out: &mut Writer) {
    pair.iter().for_each(|one| out.value(one));
}

fn pair<T: Decode>(input: &mut Reader<'_>) -> Result<[T; 2], DecodeError> {
    Ok([input.value()?, input.value()?])
}

impl Encode for ChannelTerms {
    fn encode(&self, out: &mut Writer) {
        put_pair(&self.parties, out);
        put_pair(&self.deposits, out);
        out.value(&self.reserve);
        out.value(&self.lock);
        out.value(&self.remainder);
        self.secrets.iter().for_each(|secret| out.value(secret));
        out.value(&self.assets);
    }
}

impl Decode for ChannelTerms {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            parties: pair(input)?,
            deposits: pair(input)?,
            reserve: input.value()?,
            lock: input.value()?,
            remainder: input.value()?,
            secrets: [input.value()?, input.value()?],
            assets: input.value()?,
        })
    }
}

impl Encode for ChannelState {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.network);
        out.value(&self.channel.0);
        out.value(&self.total);
        out.varint(self.fundings);
        out.value(&self.position);
    }
}

impl Decode for ChannelState {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            network: input.value()?,
            channel: ChannelId(input.value()?),
            total: input.value()?,
            fundings: input.u64()?,
            position: input.value()?,
        })
    }
}

impl Encode for MutualClose {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.network);
        out.value(&self.channel.0);
        put_pair(&self.balances, out);
        out.value(&self.assets);
        out.value(&self.expires);
    }
}

impl Decode for MutualClose {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            network: input.value()?,
            channel: ChannelId(input.value()?),
            balances: pair(input)?,
            assets: input.value()?,
            expires: input.value()?,
        })
    }
}

impl Encode for ForcedCall {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.network);
        out.value(&self.channel.0);
        out.varint(self.round);
        out.value(&self.base);
        out.value(&self.expires);
        out.value(&self.caller);
        out.raw(&self.contract);
        out.value(&self.value);
        out.bytes(&self.input);
        out.varint(self.gas);
        out.list(&self.evidence);
    }
}

impl Decode for ForcedCall {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            network: input.value()?,
            channel: ChannelId(input.value()?),
            round: input.u64()?,
            base: input.value()?,
            expires: input.value()?,
            caller: input.value()?,
            contract: input.array()?,
            value: input.value()?,
            input: input.bytes(FORCED_INPUT_BYTES_MAX)?.to_vec(),
            gas: input.u64()?,
            evidence: input.list(EVIDENCE_MAX)?,
        })
    }
}

impl<T: Encode> Encode for Cosigned<T> {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.body);
        put_pair(&self.parties, out);
        put_pair(&self.signatures, out);
    }
}

impl<T: Decode> Decode for Cosigned<T> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { body: input.value()?, parties: pair(input)?, signatures: pair(input)? })
    }
}

impl Encode for SignedForcedCall {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.call);
        out.value(&self.signature);
    }
}

impl Decode for SignedForcedCall {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { call: input.value()?, signature: input.value()? })
    }
}

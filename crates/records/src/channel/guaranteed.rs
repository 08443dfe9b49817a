//! Virtual channels: channels whose money is not on the ledger but *guaranteed* in two others (row C4).
//!
//! The two have no channel with each other, but each has one, its *parent*, with the same *hub*. In both parents a contract holds all
//! that is in the virtual channel: the party's own part, and the other's, which the hub has put in. What each is paid in the end is the
//! same in both, so the hub gets from one parent what it gives in the other. Opening, updates and the end touch no ledger; only where
//! somebody is silent is the channel *registered*, and the ledger decides what becomes of it as of any other. It pays nobody: what it
//! would have paid is kept for good as an [`ChannelOutcome`], and calls of contracts in the parents bring it as evidence.
//!
//! | record | signed by | lets |
//! | --- | --- | --- |
//! | [`VirtualTerms`] | both parties | the ledger register the channel; anyone may have it do so |
//! | [`VirtualClose`] | both parties, then the hub | the parents' contracts pay it out, and the ledger close it |
//!
//! The hub signs one close of a channel, ever: two could be used in a parent each. Nothing that is signed here has a time limit. A party
//! that has signed a close goes on with nothing else in that channel; where the others don't sign, the ledger ends it.

use byway_crypto::identity::SignatureError;
use byway_crypto::{IdentitySecret, IdentitySignature, Purpose};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Amount, Hash, IdentityId, NetworkId, Time};

use super::{Agreed, ChannelTerms, Cosigned, Environment, pair, put_pair};
use crate::genesis::Wait;
use crate::promise::ChannelId;
use crate::state::Deadline;

const VIRTUAL: Context = Context("byway 1 virtual channel");

/// Outcomes that a call brings as evidence: as many as a channel has guarantees at the most.
pub const EVIDENCE_MAX: usize = 4;
/// Bytes of a number as contracts read it.
const WORD_BYTES: usize = 32;

/// What two agree on when they open a virtual channel. All of its first state follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualTerms {
    pub network: NetworkId,
    /// As of any channel; what is deposited is guaranteed. The ledger takes nothing from the reserve.
    pub terms: ChannelTerms,
    /// With whom both have their parents. It may close the channel on the ledger at any time, though it has no part in it.
    pub hub: IdentityId,
    /// How long it takes at the most from when the ledger begins to close it until it can be settled, whatever either side does.
    pub dispute: Wait,
    /// From then on the hub has it end. No hub takes up a channel whose time is over, so none comes again.
    pub ends: Time,
    /// What contracts see at first: not ahead of the ledger.
    pub environment: Environment,
    /// So that two channels of the same terms are two.
    pub nonce: u64,
}

/// What the ledger keeps of the terms of a virtual channel beside what it keeps of any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guaranteed {
    pub hub: IdentityId,
    pub dispute: Wait,
    /// Once it is closing: from then on it can be settled, however often either side has prolonged it.
    pub end: Option<Deadline>,
}

/// How both want a virtual channel to end, and what its parents' contracts then pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualClose {
    pub network: NetworkId,
    pub channel: ChannelId,
    /// All that is in the channel.
    pub paid: [Amount; 2],
}

/// A close with the hub's signature beside those of both parties: a *certificate* (not yet checked).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertifiedClose {
    pub close: Cosigned<VirtualClose>,
    pub hub: IdentityId,
    pub signature: IdentitySignature,
}

/// What became of a virtual channel that the ledger has closed, as a call says it. The ledger executes no call that says it wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelOutcome {
    pub channel: ChannelId,
    /// What each party would have been paid: all that was in the channel.
    pub paid: [Amount; 2],
}

/// Program `channels`: what became of a virtual channel, under [`outcome_key`]. It stays for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    pub paid: [Amount; 2],
}

/// The key of a virtual channel's outcome.
pub fn outcome_key(channel: ChannelId) -> Vec<u8> {
    [&[3][..], &channel.0.0].concat()
}

/// The channel whose outcome is under this key.
pub fn channel_of_outcome_key(key: &[u8]) -> Option<ChannelId> {
    let id = key.strip_prefix(&[3])?;
    Some(ChannelId(Hash(id.try_into().ok()?)))
}

impl VirtualTerms {
    /// The channel's id. No transaction has it, for those are digested under another context.
    pub fn id(&self) -> ChannelId {
        ChannelId(VIRTUAL.hash_value(self))
    }

    /// All that is in the channel; `None` where that can't be counted.
    pub fn total(&self) -> Option<Amount> {
        Amount::checked_sum(self.terms.deposits)
    }
}

impl Agreed for VirtualTerms {
    const PURPOSE: Purpose = Purpose::VirtualTerms;

    fn network(&self) -> NetworkId {
        self.network
    }
}

impl Agreed for VirtualClose {
    const PURPOSE: Purpose = Purpose::VirtualClose;

    fn network(&self) -> NetworkId {
        self.network
    }
}

impl CertifiedClose {
    /// With the hub's signature; whether both parties have signed is the hub's to check before.
    pub fn sign(close: Cosigned<VirtualClose>, hub: &IdentitySecret) -> Self {
        let signature = Cosigned::sign_one(&close.body, hub);
        Self { close, hub: hub.id(), signature }
    }

    /// Whether all three that it names signed it.
    pub fn verify(&self) -> Result<(), SignatureError> {
        self.close.verify()?;
        let body = &self.close.body;
        self.signature.verify(self.hub, VirtualClose::PURPOSE, body.network, &body.to_bytes())
    }
}

impl Encode for VirtualTerms {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.network);
        out.value(&self.terms);
        out.value(&self.hub);
        out.value(&self.dispute);
        out.value(&self.ends);
        out.value(&self.environment);
        out.varint(self.nonce);
    }
}

impl Decode for VirtualTerms {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            network: input.value()?,
            terms: input.value()?,
            hub: input.value()?,
            dispute: input.value()?,
            ends: input.value()?,
            environment: input.value()?,
            nonce: input.u64()?,
        })
    }
}

impl Encode for Guaranteed {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.hub);
        out.value(&self.dispute);
        out.option(self.end.as_ref());
    }
}

impl Decode for Guaranteed {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { hub: input.value()?, dispute: input.value()?, end: input.option()? })
    }
}

/// Contracts digest it as well, so every part is a word, as they have them.
impl Encode for VirtualClose {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.network);
        out.value(&self.channel.0);
        for paid in self.paid {
            let mut word = [0; WORD_BYTES];
            word[WORD_BYTES / 2..].copy_from_slice(&paid.units().to_be_bytes());
            out.raw(&word);
        }
    }
}

impl Decode for VirtualClose {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            network: input.value()?,
            channel: ChannelId(input.value()?),
            paid: [amount_of_word(input)?, amount_of_word(input)?],
        })
    }
}

fn amount_of_word(input: &mut Reader<'_>) -> Result<Amount, DecodeError> {
    let (above, units): ([u8; WORD_BYTES / 2], _) = (input.array()?, input.array()?);
    if above != [0; WORD_BYTES / 2] {
        return Err(DecodeError::Invalid("an amount has no more than 16 bytes"));
    }
    Ok(Amount::from_units(u128::from_be_bytes(units)))
}

impl Encode for CertifiedClose {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.close);
        out.value(&self.hub);
        out.value(&self.signature);
    }
}

impl Decode for CertifiedClose {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { close: input.value()?, hub: input.value()?, signature: input.value()? })
    }
}

impl Encode for ChannelOutcome {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.channel.0);
        put_pair(&self.paid, out);
    }
}

impl Decode for ChannelOutcome {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { channel: ChannelId(input.value()?), paid: pair(input)? })
    }
}

impl Encode for Outcome {
    fn encode(&self, out: &mut Writer) {
        put_pair(&self.paid, out);
    }
}

impl Decode for Outcome {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { paid: pair(input)? })
    }
}

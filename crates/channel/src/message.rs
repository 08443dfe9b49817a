//! What the two sides of a channel say to each other. Bytes: docs/formats/channel-messages.md.

use byway_crypto::IdentitySignature;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Hash, NetworkId, Time};
use byway_records::SignedPromise;
use byway_records::channel::{ChannelTerms, FundingChange, MutualClose, Position, VirtualTerms, WatchSecret};
use byway_records::promise::ChannelId;

use crate::beside::{Inband, SaidError};
use crate::change::Change;

/// Bytes of a whole state, which a peer is given that has lost its own: one message of a dialogue carries no more than 64 KiB.
pub const STATE_BYTES_MAX: usize = 60 * 1024;

/// One message within a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one at a time: a box would cost more than it saves")]
pub enum ChannelMessage {
    /// The initiator wants a channel on these terms, in which the digest of the responder's secret is left open.
    Open { network: NetworkId, terms: ChannelTerms },
    /// The responder agrees to them.
    AcceptOpening { secret: Hash },
    /// The initiator's authorisation of the transaction that opens the channel, dead after `expires`.
    FundingCreated { expires: Time, authorisation: IdentitySignature },
    /// The responder's.
    FundingSigned { authorisation: IdentitySignature },
    /// The first thing said on every connection once the ledger has the channel.
    Reestablish(Reestablish),
    /// An update that its sender has signed.
    Propose(Proposal),
    /// The other signature under the update of that round.
    Accept { round: u64, signature: IdentitySignature },
    /// The sender has lost its state of the contracts and asks for that of this round.
    Fetch { round: u64 },
    /// A whole state of the contracts.
    Whole { round: u64, state: Vec<u8> },
    /// The sender makes no more updates and wants to part.
    Shutdown,
    /// The sender's signature under the close that follows from the last co-signed state.
    ClosingSigned { expires: Time, signature: IdentitySignature },
    /// The sender asks for a deposit from its account, or a withdrawal into it; nobody has signed it yet.
    ProposeFunding(FundingChange),
    /// The sender's signature under what the receiver asked for.
    AcceptFunding { change: FundingChange, signature: IdentitySignature },
    /// The sender has not signed what was asked for at that round.
    RefuseFunding { round: u64, refusal: Refusal },
    /// The sender's highest promise out of its lane; or the receiver's own, which an old journal may have forgotten.
    Promise(LanePromise),
    /// The sender opens no channel on these terms, or stops opening it.
    Decline,
    /// The sender proposes to open a virtual channel; the responder's secret is not in its terms yet.
    OpenVirtual { terms: VirtualTerms },
    /// How the sender's user wants to part where both have lost the state; and the sender's signature, once it knows that the receiver's wants the same.
    /// It names the channel by its id: two who have both lost it have no handle in common.
    Split { close: MutualClose, signature: Option<IdentitySignature> },
    /// The receiver has broken the protocol, as the sender sees it. Nothing follows from it.
    Error(SaidError),
    /// Something beside the state.
    Inband(Inband),
}

/// Where a side stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reestablish {
    /// Which channel it is, for a side that has lost the handle.
    pub channel: ChannelId,
    /// What the sender shows when it closes alone.
    pub secret: WatchSecret,
    /// The newest position that it knows as agreed.
    pub position: Position,
    /// All that this divides.
    pub total: Amount,
    /// How often something had gone in or out.
    pub fundings: u64,
    /// Both signatures under it; none where the ledger alone made it.
    pub signatures: Option<[IdentitySignature; 2]>,
    /// The highest round that it has signed.
    pub signed: u64,
    /// The highest round that it has seen signed by the other.
    pub seen: u64,
}

/// A promise out of a lane, and the payer's own word on what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LanePromise {
    pub promise: SignedPromise,
    /// How much of all that it promises is for services of the payee's. Nobody signs that: it takes nothing from the payee, who
    /// serves for it.
    pub services: Amount,
    /// How far ahead of what it has used the payer was with this promise, by its own count: what a payee can have left to serve for
    /// that finds here much that its old journal does not have.
    pub ahead: Amount,
}

/// A half-signed update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The round that it builds on …
    pub base_round: u64,
    /// … and its digest ([`position_digest`](crate::position_digest)).
    pub base: Hash,
    pub change: Change,
    pub position: Position,
    pub signature: IdentitySignature,
    /// The round that it refuses, and why.
    pub refuses: Option<(u64, Refusal)>,
}

/// Why an update is not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("it takes from the other side, who did not propose it")]
    Unwanted,
    #[error("the other side comes to another result")]
    Differs,
    #[error("it can't be executed, or leaves less than the reserve")]
    Impossible,
    #[error("the other side has already signed a state of this round or a later one")]
    Round,
    #[error("it builds on a state that is not the last")]
    Base,
    #[error("it was withdrawn by who proposed it")]
    Withdrawn,
    #[error(
        "an update, a deposit or a withdrawal is still open on the other side, or it executes no more now; try again in a moment"
    )]
    Busy,
    #[error("both have to want it: the other side's user is asked, and it is done once they ask for the same")]
    Asked,
    #[error("contracts would have stored more than a channel's may; have them store less")]
    TooLarge,
}

impl Proposal {
    pub fn round(&self) -> u64 {
        self.position.round
    }
}

impl ChannelMessage {
    /// What it is called, for people who look at what is said.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::AcceptOpening { .. } => "accept_opening",
            Self::FundingCreated { .. } => "funding_created",
            Self::FundingSigned { .. } => "funding_signed",
            Self::Reestablish(_) => "reestablish",
            Self::Propose(_) => "propose",
            Self::Accept { .. } => "accept",
            Self::Fetch { .. } => "fetch",
            Self::Whole { .. } => "whole",
            Self::Shutdown => "shutdown",
            Self::ClosingSigned { .. } => "closing_signed",
            Self::ProposeFunding(_) => "propose_funding",
            Self::AcceptFunding { .. } => "accept_funding",
            Self::RefuseFunding { .. } => "refuse_funding",
            Self::Promise(_) => "promise",
            Self::Decline => "decline",
            Self::OpenVirtual { .. } => "open_virtual",
            Self::Split { .. } => "split",
            Self::Error(_) => "error",
            Self::Inband(_) => "inband",
        }
    }

    /// The round that it is about, where it is about one.
    pub fn round(&self) -> Option<u64> {
        match self {
            Self::Reestablish(stands) => Some(stands.position.round),
            Self::Propose(proposal) => Some(proposal.round()),
            Self::ProposeFunding(change) | Self::AcceptFunding { change, .. } => Some(change.state.position.round),
            Self::Accept { round, .. }
            | Self::Fetch { round }
            | Self::Whole { round, .. }
            | Self::RefuseFunding { round, .. }
            | Self::Error(SaidError { round, .. }) => Some(*round),
            _ => None,
        }
    }
}

macro_rules! refusals {
    ($($byte:literal $variant:ident),*) => {
        impl Encode for Refusal {
            fn encode(&self, out: &mut Writer) {
                out.byte(match self { $(Refusal::$variant => $byte,)* });
            }
        }
        impl Decode for Refusal {
            fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                match input.byte()? {
                    $($byte => Ok(Refusal::$variant),)*
                    other => Err(DecodeError::UnknownVariant { kind: "refusal", value: other.into() }),
                }
            }
        }
    };
}
refusals! { 0 Unwanted, 1 Differs, 2 Impossible, 3 Round, 4 Base, 5 Withdrawn, 6 Busy, 7 Asked, 8 TooLarge }

fn put_signatures(signatures: Option<&[IdentitySignature; 2]>, out: &mut Writer) {
    out.flag(signatures.is_some());
    signatures.into_iter().flatten().for_each(|signature| out.value(signature));
}

fn signatures(input: &mut Reader<'_>) -> Result<Option<[IdentitySignature; 2]>, DecodeError> {
    if input.flag()? { Ok(Some([input.value()?, input.value()?])) } else { Ok(None) }
}

impl Encode for Reestablish {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.channel.0);
        out.value(&self.secret);
        out.value(&self.position);
        out.value(&self.total);
        out.varint(self.fundings);
        put_signatures(self.signatures.as_ref(), out);
        out.varint(self.signed);
        out.varint(self.seen);
    }
}

impl Decode for Reestablish {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (channel, secret) = (ChannelId(input.value()?), input.value()?);
        let (position, total, fundings) = (input.value()?, input.value()?, input.u64()?);
        let (signatures, signed, seen) = (signatures(input)?, input.u64()?, input.u64()?);
        Ok(Self { channel, secret, position, total, fundings, signatures, signed, seen })
    }
}

impl Encode for LanePromise {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.promise);
        out.value(&self.services);
        out.value(&self.ahead);
    }
}

impl Decode for LanePromise {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { promise: input.value()?, services: input.value()?, ahead: input.value()? })
    }
}

impl Encode for Proposal {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.base_round);
        out.value(&self.base);
        out.value(&self.change);
        out.value(&self.position);
        out.value(&self.signature);
        out.flag(self.refuses.is_some());
        if let Some((round, refusal)) = &self.refuses {
            out.varint(*round);
            out.value(refusal);
        }
    }
}

impl Decode for Proposal {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            base_round: input.u64()?,
            base: input.value()?,
            change: input.value()?,
            position: input.value()?,
            signature: input.value()?,
            refuses: if input.flag()? { Some((input.u64()?, input.value()?)) } else { None },
        })
    }
}

/// A message that is one record.
fn put_one(kind: u8, record: &impl Encode, out: &mut Writer) {
    out.byte(kind);
    out.value(record);
}

impl Encode for ChannelMessage {
    fn encode(&self, out: &mut Writer) {
        match self {
            ChannelMessage::Open { network, terms } => {
                out.byte(0);
                out.value(network);
                out.value(terms);
            }
            ChannelMessage::AcceptOpening { secret } => {
                out.byte(1);
                out.value(secret);
            }
            ChannelMessage::FundingCreated { expires, authorisation } => {
                out.byte(2);
                out.value(expires);
                out.value(authorisation);
            }
            ChannelMessage::FundingSigned { authorisation } => {
                out.byte(3);
                out.value(authorisation);
            }
            ChannelMessage::Reestablish(reestablish) => put_one(4, reestablish, out),
            ChannelMessage::Propose(proposal) => put_one(5, proposal, out),
            ChannelMessage::Accept { round, signature } => {
                out.byte(6);
                out.varint(*round);
                out.value(signature);
            }
            ChannelMessage::Fetch { round } => {
                out.byte(7);
                out.varint(*round);
            }
            ChannelMessage::Whole { round, state } => {
                out.byte(8);
                out.varint(*round);
                out.bytes(state);
            }
            ChannelMessage::Shutdown => out.byte(9),
            ChannelMessage::ClosingSigned { expires, signature } => {
                out.byte(10);
                out.value(expires);
                out.value(signature);
            }
            ChannelMessage::Decline => out.byte(11),
            ChannelMessage::Promise(promise) => put_one(12, promise, out),
            ChannelMessage::ProposeFunding(change) => put_one(13, change, out),
            ChannelMessage::AcceptFunding { change, signature } => {
                out.byte(14);
                out.value(change);
                out.value(signature);
            }
            ChannelMessage::RefuseFunding { round, refusal } => {
                out.byte(15);
                out.varint(*round);
                out.value(refusal);
            }
            ChannelMessage::OpenVirtual { terms } => put_one(16, terms, out),
            ChannelMessage::Split { close, signature } => {
                out.byte(17);
                out.value(close);
                out.option(signature.as_ref());
            }
            ChannelMessage::Error(error) => put_one(18, error, out),
            ChannelMessage::Inband(inband) => put_one(19, inband, out),
        }
    }
}

impl Decode for ChannelMessage {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => ChannelMessage::Open { network: input.value()?, terms: input.value()? },
            1 => ChannelMessage::AcceptOpening { secret: input.value()? },
            2 => ChannelMessage::FundingCreated { expires: input.value()?, authorisation: input.value()? },
            3 => ChannelMessage::FundingSigned { authorisation: input.value()? },
            4 => ChannelMessage::Reestablish(input.value()?),
            5 => ChannelMessage::Propose(input.value()?),
            6 => ChannelMessage::Accept { round: input.u64()?, signature: input.value()? },
            7 => ChannelMessage::Fetch { round: input.u64()? },
            8 => ChannelMessage::Whole { round: input.u64()?, state: input.bytes(STATE_BYTES_MAX)?.to_vec() },
            9 => ChannelMessage::Shutdown,
            10 => ChannelMessage::ClosingSigned { expires: input.value()?, signature: input.value()? },
            11 => ChannelMessage::Decline,
            12 => ChannelMessage::Promise(input.value()?),
            13 => ChannelMessage::ProposeFunding(input.value()?),
            14 => ChannelMessage::AcceptFunding { change: input.value()?, signature: input.value()? },
            15 => ChannelMessage::RefuseFunding { round: input.u64()?, refusal: input.value()? },
            16 => ChannelMessage::OpenVirtual { terms: input.value()? },
            17 => ChannelMessage::Split { close: input.value()?, signature: input.option()? },
            18 => ChannelMessage::Error(input.value()?),
            19 => ChannelMessage::Inband(input.value()?),
            other => return Err(DecodeError::UnknownVariant { kind: "channel message", value: other.into() }),
        })
    }
}

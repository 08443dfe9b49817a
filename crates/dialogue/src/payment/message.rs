//! What two peers say to each other about payment (row A9).
//!
//! Canonical codec, first byte the kind. The dialogue below is reliable and ordered, so nothing here is numbered.

use std::fmt;
use std::str::FromStr;

use byway_crypto::IdentitySignature;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, AssetId};
use byway_records::{Backing, PromisePair, SignedPromise};

/// One message of the payment protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentMessage {
    Advice(Advice),
    /// Here is a promise.
    Offer(SignedPromise),
    /// The promise of this serial and amount is in the journal.
    Accepted {
        serial: u64,
        amount: Amount,
    },
    /// The promise of this serial and amount was turned down.
    Refused {
        serial: u64,
        amount: Amount,
        reason: Refusal,
    },
    /// The advice that this serial is about to be settled was read.
    Noted {
        serial: u64,
    },
    /// Shall these two settle together? With the sender's signature for it, instead of the advice that a settlement is
    /// about to begin.
    Net {
        pair: Box<PromisePair>,
        signature: IdentitySignature,
    },
    /// Yes: the receiver's signature for the pair in which the sender's promise has this serial and amount.
    Netted {
        serial: u64,
        amount: Amount,
        signature: IdentitySignature,
    },
    /// No, to the same pair.
    NetRefused {
        serial: u64,
        amount: Amount,
        reason: NetRefusal,
    },
}

/// Where the payee stands and what it takes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// Received but not yet spent.
    pub remainder: Amount,
    pub terms: Terms,
    /// The last promise received, so that a payer that lost its journal goes on from it. There on opening, where it may
    /// be raised ([`Terms::update`]), and where a promise below it was refused.
    pub copy: Option<SignedPromise>,
    /// The serial about to be settled.
    pub settling: Option<u64>,
}

/// What the payee asks of new promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub asset: AssetId,
    /// The smallest promise taken.
    pub amount_min: Amount,
    pub backing: BackingKind,
    /// Whether the last promise shall be raised; otherwise the next is a new one.
    pub update: bool,
    /// How much more than what was received would be taken now.
    pub room: Amount,
}

/// A kind of [`Backing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BackingKind {
    Account,
    Reservation,
    Channel,
}

/// Why a promise was turned down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the promise is for another network")]
    WrongNetwork,
    #[error("the promise is between other parties")]
    WrongParties,
    #[error("the promise is in another asset than the terms ask for")]
    WrongAsset,
    #[error("the promise has a backing that the payee does not take; see its terms")]
    WrongBacking,
    #[error("the payer's signature is wrong")]
    Signature,
    #[error("a promise of serial {last} was already received; go on from that one")]
    SerialOld { last: u64 },
    #[error("{last} was already promised under this serial; only a higher amount is taken")]
    NotHigher { last: Amount },
    #[error("the promise is below the payee's minimum of {minimum}")]
    BelowMinimum { minimum: Amount },
    #[error("only {room} more is taken before something is settled")]
    OverExposure { room: Amount },
    #[error("an earlier promise bounced; credit resumes once it is settled")]
    Bounced,
    #[error("too many promises of earlier serials are unsettled")]
    TooManyUnsettled,
}

/// Why the net is not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetRefusal {
    #[error("the promises are not of this network and asset")]
    OtherPair,
    #[error("a signature is wrong")]
    Signature,
    #[error("the payer's promise is not the one that settles next")]
    NotNext,
    #[error("the other promise is settled already")]
    Settled,
    #[error("another settlement is under way")]
    UnderWay,
}

impl BackingKind {
    pub fn of(backing: Backing) -> Self {
        match backing {
            Backing::Account => BackingKind::Account,
            Backing::Reservation(_) => BackingKind::Reservation,
            Backing::Channel(_) => BackingKind::Channel,
        }
    }
}

impl fmt::Display for BackingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            BackingKind::Account => "account",
            BackingKind::Reservation => "reservation",
            BackingKind::Channel => "channel",
        })
    }
}

impl FromStr for BackingKind {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let all = [BackingKind::Account, BackingKind::Reservation, BackingKind::Channel];
        let found = all.into_iter().find(|kind| kind.to_string() == text);
        found.ok_or(DecodeError::Invalid("backing: account, reservation or channel is needed"))
    }
}

byway_primitives::serde_as_text!(BackingKind);

impl Encode for BackingKind {
    fn encode(&self, out: &mut Writer) {
        out.byte(*self as u8);
    }
}

impl Decode for BackingKind {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Self::Account),
            1 => Ok(Self::Reservation),
            2 => Ok(Self::Channel),
            other => Err(DecodeError::UnknownVariant { kind: "backing kind", value: other.into() }),
        }
    }
}

impl Encode for Terms {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.asset);
        out.value(&self.amount_min);
        out.value(&self.backing);
        out.flag(self.update);
        out.value(&self.room);
    }
}

impl Decode for Terms {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            asset: input.value()?,
            amount_min: input.value()?,
            backing: input.value()?,
            update: input.flag()?,
            room: input.value()?,
        })
    }
}

impl Encode for Advice {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.remainder);
        out.value(&self.terms);
        out.option(self.copy.as_ref());
        out.option(self.settling.as_ref());
    }
}

impl Decode for Advice {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { remainder: input.value()?, terms: input.value()?, copy: input.option()?, settling: input.option()? })
    }
}

impl Encode for Refusal {
    fn encode(&self, out: &mut Writer) {
        match self {
            Refusal::WrongNetwork => out.byte(0),
            Refusal::WrongParties => out.byte(1),
            Refusal::WrongAsset => out.byte(2),
            Refusal::WrongBacking => out.byte(3),
            Refusal::Signature => out.byte(4),
            Refusal::SerialOld { last } => {
                out.byte(5);
                out.varint(*last);
            }
            Refusal::NotHigher { last } => {
                out.byte(6);
                out.value(last);
            }
            Refusal::BelowMinimum { minimum } => {
                out.byte(7);
                out.value(minimum);
            }
            Refusal::OverExposure { room } => {
                out.byte(8);
                out.value(room);
            }
            Refusal::Bounced => out.byte(9),
            Refusal::TooManyUnsettled => out.byte(10),
        }
    }
}

impl Decode for Refusal {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => Refusal::WrongNetwork,
            1 => Refusal::WrongParties,
            2 => Refusal::WrongAsset,
            3 => Refusal::WrongBacking,
            4 => Refusal::Signature,
            5 => Refusal::SerialOld { last: input.u64()? },
            6 => Refusal::NotHigher { last: input.value()? },
            7 => Refusal::BelowMinimum { minimum: input.value()? },
            8 => Refusal::OverExposure { room: input.value()? },
            9 => Refusal::Bounced,
            10 => Refusal::TooManyUnsettled,
            other => return Err(DecodeError::UnknownVariant { kind: "refusal of a promise", value: other.into() }),
        })
    }
}

impl Encode for NetRefusal {
    fn encode(&self, out: &mut Writer) {
        out.byte(*self as u8);
    }
}

impl Decode for NetRefusal {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => NetRefusal::OtherPair,
            1 => NetRefusal::Signature,
            2 => NetRefusal::NotNext,
            3 => NetRefusal::Settled,
            4 => NetRefusal::UnderWay,
            other => return Err(DecodeError::UnknownVariant { kind: "refusal of the net", value: other.into() }),
        })
    }
}

impl Encode for PaymentMessage {
    fn encode(&self, out: &mut Writer) {
        match self {
            PaymentMessage::Advice(advice) => {
                out.byte(0);
                out.value(advice);
            }
            PaymentMessage::Offer(promise) => {
                out.byte(1);
                out.value(promise);
            }
            PaymentMessage::Accepted { serial, amount } => {
                out.byte(2);
                out.varint(*serial);
                out.value(amount);
            }
            PaymentMessage::Refused { serial, amount, reason } => {
                out.byte(3);
                out.varint(*serial);
                out.value(amount);
                out.value(reason);
            }
            PaymentMessage::Noted { serial } => {
                out.byte(4);
                out.varint(*serial);
            }
            PaymentMessage::Net { pair, signature } => {
                out.byte(5);
                out.value(&**pair);
                out.value(signature);
            }
            PaymentMessage::Netted { serial, amount, signature } => {
                out.byte(6);
                out.varint(*serial);
                out.value(amount);
                out.value(signature);
            }
            PaymentMessage::NetRefused { serial, amount, reason } => {
                out.byte(7);
                out.varint(*serial);
                out.value(amount);
                out.value(reason);
            }
        }
    }
}

impl Decode for PaymentMessage {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => PaymentMessage::Advice(input.value()?),
            1 => PaymentMessage::Offer(input.value()?),
            2 => PaymentMessage::Accepted { serial: input.u64()?, amount: input.value()? },
            3 => PaymentMessage::Refused { serial: input.u64()?, amount: input.value()?, reason: input.value()? },
            4 => PaymentMessage::Noted { serial: input.u64()? },
            5 => PaymentMessage::Net { pair: Box::new(input.value()?), signature: input.value()? },
            6 => PaymentMessage::Netted { serial: input.u64()?, amount: input.value()?, signature: input.value()? },
            7 => PaymentMessage::NetRefused { serial: input.u64()?, amount: input.value()?, reason: input.value()? },
            other => return Err(DecodeError::UnknownVariant { kind: "payment message", value: other.into() }),
        })
    }
}

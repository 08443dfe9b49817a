//! What peers say to each other about payments over several channels. Bytes: docs/formats/routing.md.

use byway_crypto::noise::StaticKey;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, IdentityId, Span};
use byway_records::promise::ChannelId;

use super::conduit::LockId;

/// Hubs that a payment goes over at the most.
pub const HUBS_MAX: usize = 4;
/// Bytes of an order, sealed for as many hubs as there can be.
pub const ORDER_BYTES_MAX: usize = 2_048;

/// Names a question; drawn at random by the payer, and the same on all of its ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuestionId(pub [u8; 16]);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutingMessage {
    /// By which way could the hub `to` be had send so much on to somebody, over no more than `hubs` hubs, `to` among them?
    Ask { id: QuestionId, to: IdentityId, amount: Amount, hubs: u8 },
    /// The hubs of the way, the receiver's peer first; none if there is no way.
    Tell { id: QuestionId, legs: Vec<Leg> },
    /// What to do with a lock that the sender has made in a channel of both.
    Order { channel: ChannelId, lock: LockId, sealed: Vec<u8> },
    /// The sender lets go of a lock that the receiver has made.
    Failed { channel: ChannelId, lock: LockId, failure: Failure },
}

/// What a hub asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    pub hub: IdentityId,
    /// What its orders are sealed for.
    pub key: StaticKey,
    /// What is to be locked for it, its fee included.
    pub amount: Amount,
    /// How much longer that lock has to stand than the one that it makes.
    pub delta: Span,
}

/// Why a payment was not made, and where: 0 is who says it, 1 the next one, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason}, at hop {hop}")]
pub struct Failure {
    pub reason: Reason,
    pub hop: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("the order can't be read")]
    Order,
    #[error("it is no hub")]
    NoHub,
    #[error("there is no open channel with the next one, or it is away")]
    NoChannel,
    #[error("the channel with the next one has not enough in it")]
    Room,
    #[error("as much is on its way already as may be")]
    Exposure,
    #[error("the amount or the fee is too small")]
    Fee,
    #[error("the times of the locks leave too little between them, or exceed the lock period")]
    Time,
    #[error("nobody asked for that payment")]
    Unknown,
    #[error("it is not the amount that was asked for")]
    Amount,
    #[error("it is too late for it")]
    Late,
    #[error("it was paid already")]
    Paid,
    #[error("the next one let go of it, or its time passed, without a reason")]
    Downstream,
    #[error("its other parts did not come in time")]
    Parts,
    #[error("it can't have the ledger execute a lock now")]
    Unready,
    #[error("its channel was paid out before it was known to be taken or to be back")]
    PaidOut,
    #[error("what shows the ledger the locks of its channel would be too long for the calls that can be forced")]
    Shape,
    #[error("it is so little that to have it by force would cost more")]
    Dust,
}

impl Failure {
    pub fn here(reason: Reason) -> Self {
        Self { reason, hop: 0 }
    }

    /// The same as whoever is one nearer to the payer says it.
    pub fn passed_on(self) -> Self {
        Self { hop: self.hop.saturating_add(1), ..self }
    }
}

macro_rules! reasons {
    ($($byte:literal $variant:ident),*) => {
        impl Encode for Reason {
            fn encode(&self, out: &mut Writer) {
                out.byte(match self { $(Reason::$variant => $byte,)* });
            }
        }
        impl Decode for Reason {
            fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                match input.byte()? {
                    $($byte => Ok(Reason::$variant),)*
                    other => Err(DecodeError::UnknownVariant { kind: "reason", value: other.into() }),
                }
            }
        }
    };
}
reasons! {
    0 Order, 1 NoHub, 2 NoChannel, 3 Room, 4 Exposure, 5 Fee, 6 Time, 7 Unknown, 8 Amount, 9 Late, 10 Paid, 11 Downstream,
    12 Parts, 13 Unready, 14 PaidOut, 15 Shape, 16 Dust
}

impl Encode for QuestionId {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for QuestionId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.array()?))
    }
}

impl Encode for Failure {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.reason);
        out.byte(self.hop);
    }
}

impl Decode for Failure {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { reason: input.value()?, hop: input.byte()? })
    }
}

impl Encode for Leg {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.hub);
        out.raw(&self.key.0);
        out.value(&self.amount);
        out.varint(self.delta.0);
    }
}

impl Decode for Leg {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (hub, key) = (input.value()?, StaticKey(input.array()?));
        Ok(Self { hub, key, amount: input.value()?, delta: Span(input.u64()?) })
    }
}

impl Encode for RoutingMessage {
    fn encode(&self, out: &mut Writer) {
        match self {
            RoutingMessage::Ask { id, to, amount, hubs } => {
                out.byte(0);
                out.value(id);
                out.value(to);
                out.value(amount);
                out.byte(*hubs);
            }
            RoutingMessage::Tell { id, legs } => {
                out.byte(1);
                out.value(id);
                out.list(legs);
            }
            RoutingMessage::Order { channel, lock, sealed } => {
                out.byte(2);
                out.value(&channel.0);
                out.value(lock);
                out.bytes(sealed);
            }
            RoutingMessage::Failed { channel, lock, failure } => {
                out.byte(3);
                out.value(&channel.0);
                out.value(lock);
                out.value(failure);
            }
        }
    }
}

impl Decode for RoutingMessage {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => Self::Ask { id: input.value()?, to: input.value()?, amount: input.value()?, hubs: input.byte()? },
            1 => Self::Tell { id: input.value()?, legs: input.list(HUBS_MAX)? },
            2 => {
                let (channel, lock) = (ChannelId(input.value()?), input.value()?);
                Self::Order { channel, lock, sealed: input.bytes(ORDER_BYTES_MAX)?.to_vec() }
            }
            3 => Self::Failed { channel: ChannelId(input.value()?), lock: input.value()?, failure: input.value()? },
            other => return Err(DecodeError::UnknownVariant { kind: "routing message", value: other.into() }),
        })
    }
}

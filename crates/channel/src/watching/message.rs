//! What a client and its watchtower say to each other. Bytes: docs/formats/watching.md.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Time};
use byway_records::promise::ChannelId;

use super::packet::Packet;

/// One message, of either.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one at a time: a box would cost more than it saves")]
pub enum WatchMessage {
    /// The client's newest packet for a channel, and what it has spent in all on this watchtower.
    Keep { channel: ChannelId, spent: Amount, packet: Packet },
    /// The client wants that channel watched no more.
    Forget { channel: ChannelId },
    /// The packet of that number, or a later one, is kept until then; another period costs `price`.
    Kept { channel: ChannelId, number: u64, until: Time, price: Amount },
    /// The channel is not watched.
    Refused { channel: ChannelId, refusal: WatchRefusal },
}

/// Why a channel is not watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WatchRefusal {
    #[error("it does not watch for others")]
    Unwilling,
    #[error("it watches as many channels as it may")]
    Full,
    #[error("the ledger has no channel of yours with this watchtower as your delegate")]
    NotDelegate,
    #[error("it was not paid")]
    Unpaid,
    /// A packet with a number below this one's is kept by nobody.
    #[error("it has a later packet")]
    Old { number: u64 },
}

impl Encode for WatchRefusal {
    fn encode(&self, out: &mut Writer) {
        match self {
            WatchRefusal::Unwilling => out.byte(0),
            WatchRefusal::Full => out.byte(1),
            WatchRefusal::NotDelegate => out.byte(2),
            WatchRefusal::Unpaid => out.byte(3),
            WatchRefusal::Old { number } => {
                out.byte(4);
                out.varint(*number);
            }
        }
    }
}

impl Decode for WatchRefusal {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => WatchRefusal::Unwilling,
            1 => WatchRefusal::Full,
            2 => WatchRefusal::NotDelegate,
            3 => WatchRefusal::Unpaid,
            4 => WatchRefusal::Old { number: input.u64()? },
            other => return Err(DecodeError::UnknownVariant { kind: "refusal of watching", value: other.into() }),
        })
    }
}

impl Encode for WatchMessage {
    fn encode(&self, out: &mut Writer) {
        match self {
            WatchMessage::Keep { channel, spent, packet } => {
                out.byte(0);
                out.value(&channel.0);
                out.value(spent);
                out.value(packet);
            }
            WatchMessage::Forget { channel } => {
                out.byte(1);
                out.value(&channel.0);
            }
            WatchMessage::Kept { channel, number, until, price } => {
                out.byte(2);
                out.value(&channel.0);
                out.varint(*number);
                out.value(until);
                out.value(price);
            }
            WatchMessage::Refused { channel, refusal } => {
                out.byte(3);
                out.value(&channel.0);
                out.value(refusal);
            }
        }
    }
}

impl Decode for WatchMessage {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = input.byte()?;
        let channel = ChannelId(input.value()?);
        Ok(match kind {
            0 => WatchMessage::Keep { channel, spent: input.value()?, packet: input.value()? },
            1 => WatchMessage::Forget { channel },
            2 => WatchMessage::Kept { channel, number: input.u64()?, until: input.value()?, price: input.value()? },
            3 => WatchMessage::Refused { channel, refusal: input.value()? },
            other => return Err(DecodeError::UnknownVariant { kind: "watch message", value: other.into() }),
        })
    }
}

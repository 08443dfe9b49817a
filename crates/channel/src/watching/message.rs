//! What a client and its watchtower say to each other. Bytes: docs/formats/watching.md.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Time};
use byway_records::promise::ChannelId;

use super::packet::Packet;

/// One message, of either.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one at a time: a box would cost more than it saves")]
pub enum WatchMessage {
    /// The client wants to know what is kept of a channel.
    Ask { channel: ChannelId, pays: Pays },
    /// The client's newest packet for a channel.
    Keep { channel: ChannelId, pays: Pays, packet: Packet },
    /// The client wants that channel watched no more; said again until that is [`Forgotten`](Self::Forgotten).
    Forget { channel: ChannelId },
    /// What was asked for: the packet that is kept, which its client alone can read, and when the ledger was last shown what is in one.
    Has { channel: ChannelId, packet: Option<Packet>, answered: Option<Time> },
    /// The packet of that number is kept until then.
    Kept { channel: ChannelId, number: u64, until: Time, bill: Bill },
    /// The channel is not watched.
    Refused { channel: ChannelId, refusal: WatchRefusal, bill: Bill },
    /// Nothing is kept of that channel any more.
    Forgotten { channel: ChannelId, answered: Option<Time> },
}

/// What a client pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pays {
    /// On this watchtower in all.
    pub spent: Amount,
    /// For so many days ahead, of this channel.
    pub days: u64,
}

/// Where a client stands with its watchtower, and on what terms it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bill {
    /// What the client has used in all, also if it has forgotten that.
    pub used: Amount,
    /// Of one channel for one day.
    pub price: Amount,
    /// The most days that are paid for ahead.
    pub days_max: u64,
    /// What the watchtower adds to an answer out of its own pocket where the channel's reserve is used up.
    pub fee_max: Amount,
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

impl Encode for Pays {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.spent);
        out.varint(self.days);
    }
}

impl Decode for Pays {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { spent: input.value()?, days: input.u64()? })
    }
}

impl Encode for Bill {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.used);
        out.value(&self.price);
        out.varint(self.days_max);
        out.value(&self.fee_max);
    }
}

impl Decode for Bill {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (used, price) = (input.value()?, input.value()?);
        Ok(Self { used, price, days_max: input.u64()?, fee_max: input.value()? })
    }
}

impl Encode for WatchMessage {
    fn encode(&self, out: &mut Writer) {
        let (kind, channel) = match self {
            WatchMessage::Ask { channel, .. } => (0, channel),
            WatchMessage::Keep { channel, .. } => (1, channel),
            WatchMessage::Forget { channel } => (2, channel),
            WatchMessage::Has { channel, .. } => (3, channel),
            WatchMessage::Kept { channel, .. } => (4, channel),
            WatchMessage::Refused { channel, .. } => (5, channel),
            WatchMessage::Forgotten { channel, .. } => (6, channel),
        };
        out.byte(kind);
        out.value(&channel.0);
        match self {
            WatchMessage::Ask { pays, .. } => out.value(pays),
            WatchMessage::Keep { pays, packet, .. } => {
                out.value(pays);
                out.value(packet);
            }
            WatchMessage::Forget { .. } => {}
            WatchMessage::Has { packet, answered, .. } => {
                out.option(packet.as_ref());
                out.option(answered.as_ref());
            }
            WatchMessage::Kept { number, until, bill, .. } => {
                out.varint(*number);
                out.value(until);
                out.value(bill);
            }
            WatchMessage::Refused { refusal, bill, .. } => {
                out.value(refusal);
                out.value(bill);
            }
            WatchMessage::Forgotten { answered, .. } => out.option(answered.as_ref()),
        }
    }
}

impl Decode for WatchMessage {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = input.byte()?;
        let channel = ChannelId(input.value()?);
        Ok(match kind {
            0 => WatchMessage::Ask { channel, pays: input.value()? },
            1 => WatchMessage::Keep { channel, pays: input.value()?, packet: input.value()? },
            2 => WatchMessage::Forget { channel },
            3 => WatchMessage::Has { channel, packet: input.option()?, answered: input.option()? },
            4 => {
                let (number, until) = (input.u64()?, input.value()?);
                WatchMessage::Kept { channel, number, until, bill: input.value()? }
            }
            5 => WatchMessage::Refused { channel, refusal: input.value()?, bill: input.value()? },
            6 => WatchMessage::Forgotten { channel, answered: input.option()? },
            other => return Err(DecodeError::UnknownVariant { kind: "watch message", value: other.into() }),
        })
    }
}

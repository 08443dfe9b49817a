//! Messages: what the layers above say to each other.

use byway_primitives::{Decode, DecodeError, Encode, IdentityId, Reader, Writer};

use crate::config::MESSAGE_MAX;
use crate::handshake::DialogueId;

/// Bytes of a message's encoding beside its payload, at most: durability, ordinal, protocol.
const HEADER_MAX: usize = 1 + 10 + 3;
/// Bytes of a whole message as it is cut into segments.
pub(crate) const ENCODED_MAX: usize = HEADER_MAX + MESSAGE_MAX;

/// Which protocol inside the dialogue a message belongs to. Numbers are fixed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolId(pub u16);

impl ProtocolId {
    /// Payment advice and payment offers (row A9).
    pub const PAYMENT: ProtocolId = ProtocolId(1);
    /// Opening, metering and ending sessions (row A10).
    pub const SESSION: ProtocolId = ProtocolId(2);
    /// What providers tell each other of an issuer (row A6).
    pub const WARNING: ProtocolId = ProtocolId(3);
    /// What peers tell each other of how providers serve (row A2).
    pub const QUALITY: ProtocolId = ProtocolId(4);
    /// Channels between the two (rows C1, C3).
    pub const CHANNEL: ProtocolId = ProtocolId(5);
    /// Watching channels for others (row C5).
    pub const WATCHING: ProtocolId = ProtocolId(6);
    /// Payments over several channels: `byway_channel::routing`.
    pub const ROUTING: ProtocolId = ProtocolId(7);
    /// Guarantees of virtual channels: `byway_channel::guarantee`.
    pub const GUARANTEE: ProtocolId = ProtocolId(8);
    /// Where whoever speaks is reached: `byway_peer::link::PeerCard`.
    pub const WHEREABOUTS: ProtocolId = ProtocolId(9);
    /// Conversations between people: `byway_chat::delivery`.
    pub const CHAT: ProtocolId = ProtocolId(10);
    /// Holding for who is away (row M6): `byway_chat::holding`.
    pub const HOLDING: ProtocolId = ProtocolId(11);
    /// Hiring bots (rows A1, M11): `byway_chat::hiring`.
    pub const HIRING: ProtocolId = ProtocolId(13);
}

/// What a message is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// Survives crashes of both sides: delivered, and taken to heart, exactly once.
    Durable,
    /// Lives in memory only: delivered at most once per run of the receiver, and lost if the sender crashes first. For
    /// metering, probes, hints: what the next one makes stale.
    Volatile,
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    pub protocol: ProtocolId,
    pub bytes: Vec<u8>,
    pub durability: Durability,
}

/// Names a delivered message, to confirm it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Receipt {
    pub peer: IdentityId,
    pub dialogue: DialogueId,
    pub durability: Durability,
    /// Counts the messages of this durability, from 1.
    pub ordinal: u64,
}

/// A message that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub receipt: Receipt,
    pub protocol: ProtocolId,
    pub bytes: Vec<u8>,
}

/// A message with its place in the order, as it is kept, cut into segments and put together again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub durability: Durability,
    pub ordinal: u64,
    pub protocol: ProtocolId,
    pub bytes: Vec<u8>,
}

/// Not [`Outgoing`]'s payload with a length: the payload is all that follows, since the last segment ends it.
impl Encode for Message {
    fn encode(&self, out: &mut Writer) {
        out.flag(self.durability == Durability::Durable);
        out.varint(self.ordinal);
        out.varint(self.protocol.0);
        out.raw(&self.bytes);
    }
}

impl Decode for Message {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let durability = if input.flag()? { Durability::Durable } else { Durability::Volatile };
        let (ordinal, protocol) = (input.u64()?, ProtocolId(input.u16()?));
        let bytes = input.raw(input.remaining())?.to_vec();
        match (ordinal, bytes.len()) {
            (0, _) => Err(DecodeError::Invalid("message: without an ordinal")),
            (_, length) if length > MESSAGE_MAX => {
                Err(DecodeError::TooLong { length: length as u64, limit: MESSAGE_MAX as u64 })
            }
            _ => Ok(Self { durability, ordinal, protocol, bytes }),
        }
    }
}

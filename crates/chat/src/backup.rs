//! What a backup of conversations holds ([bytes](../../../docs/formats/chat-backup.md)), before it is sealed: a list of records, in parts.
//!
//! [`chats`](crate::chats) makes them of what it has, and takes them on another disk. The state of MLS groups is not among them: an old one
//! that is put back encrypts two things under one key. How a conversation goes on is said at [`Chats::restore`](crate::chats::Chats::restore).

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{IdentityId, NetworkId, Time};

use crate::chats::Shown;
use crate::content::bounded::BoundedText;
use crate::content::limits::TEXT_BYTES_MAX;
use crate::content::{About, Item};
use crate::delivery::letter::NAME_MAX;
use crate::device::DeviceCertificate;
use crate::mls::{Roles, RoomId};
use crate::people::Person;

/// The version of what is in the records.
const VERSION: u8 = 1;
/// A part is full with so many bytes: what is longer is one record alone.
pub const PART_BYTES: usize = 128 * 1024;
/// Bytes of what says where somebody is reached: the card that they gave.
pub const CARD_BYTES_MAX: usize = 8 * 1024;
/// People of one conversation, with those who came and went.
const MEMBERS_MAX: usize = crate::mls::DEVICES_MAX;

/// One thing that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupRecord {
    /// Whose conversations these are. The first record, and no other.
    Head { network: NetworkId, identity: IdentityId, made: Time },
    /// Somebody who is known, as long as they were at [`made`](Self::Head).
    Person { peer: IdentityId, person: Person },
    /// Where somebody is reached, in bytes of whoever carries conversations.
    Card { peer: IdentityId, card: Vec<u8> },
    /// A conversation without its messages.
    Talk(BackupTalk),
    /// What our person keeps of a conversation for itself.
    Own(BackupOwn),
    /// A linked device of the person.
    Device(BackupDevice),
    /// A message as it stood.
    Message { room: RoomId, shown: Shown },
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupTalk {
    pub room: RoomId,
    /// The other one, where it is of two.
    pub direct: Option<IdentityId>,
    /// Who was in it, with us.
    pub members: Vec<IdentityId>,
    pub roles: Option<Roles>,
    /// Whether this device was in it, and wanted to be.
    pub is_in: bool,
    pub since: Time,
    pub lamport: u64,
    /// The place of the next message.
    pub next: u64,
    pub read: u64,
    pub unread: u64,
    pub about: About,
}

/// A linked device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupDevice {
    pub name: String,
    pub since: Time,
    /// It names the node.
    pub certificate: DeviceCertificate,
}

/// What nobody else hears of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupOwn {
    pub room: RoomId,
    pub draft: BoundedText<TEXT_BYTES_MAX>,
    pub is_pinned: bool,
    pub muted_until: Option<Time>,
    pub is_marked_unread: bool,
}

/// The records of one part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BackupPart(pub Vec<BackupRecord>);

impl Encode for BackupPart {
    fn encode(&self, out: &mut Writer) {
        self.0.iter().for_each(|record| out.value(record));
    }
}

impl Decode for BackupPart {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut records = Vec::new();
        // Each has a byte at the least, and a part is bounded.
        while input.remaining() > 0 {
            records.push(input.value()?);
        }
        Ok(Self(records))
    }
}

impl Encode for BackupRecord {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Head { network, identity, made } => {
                out.byte(0);
                out.byte(VERSION);
                out.value(network);
                out.value(identity);
                out.value(made);
            }
            Self::Person { peer, person } => {
                out.byte(1);
                out.value(peer);
                out.value(person);
            }
            Self::Card { peer, card } => {
                out.byte(2);
                out.value(peer);
                out.bytes(card);
            }
            Self::Talk(talk) => {
                out.byte(3);
                out.value(talk);
            }
            Self::Own(own) => {
                out.byte(4);
                out.value(own);
            }
            Self::Device(device) => {
                out.byte(6);
                out.value(device);
            }
            Self::Message { room, shown } => {
                out.byte(5);
                out.value(room);
                out.varint(shown.place);
                out.value(&shown.item);
            }
        }
    }
}

impl Decode for BackupRecord {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => {
                match input.byte()? {
                    VERSION => {}
                    other => {
                        return Err(DecodeError::UnknownVariant { kind: "version of a backup", value: other.into() });
                    }
                }
                Self::Head { network: input.value()?, identity: input.value()?, made: input.value()? }
            }
            1 => Self::Person { peer: input.value()?, person: input.value()? },
            2 => Self::Card { peer: input.value()?, card: input.bytes(CARD_BYTES_MAX)?.to_vec() },
            3 => Self::Talk(input.value()?),
            4 => Self::Own(input.value()?),
            5 => {
                let (room, place) = (input.value()?, input.u64()?);
                Self::Message { room, shown: Shown { place, item: Item::decode(input)? } }
            }
            6 => Self::Device(input.value()?),
            other => return Err(DecodeError::UnknownVariant { kind: "record of a backup", value: other.into() }),
        })
    }
}

impl Encode for BackupTalk {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.room);
        out.option(self.direct.as_ref());
        out.list(&self.members);
        out.option(self.roles.as_ref());
        out.flag(self.is_in);
        out.value(&self.since);
        for number in [self.lamport, self.next, self.read, self.unread] {
            out.varint(number);
        }
        out.value(&self.about);
    }
}

impl Decode for BackupTalk {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            room: input.value()?,
            direct: input.option()?,
            members: input.list(MEMBERS_MAX)?,
            roles: input.option()?,
            is_in: input.flag()?,
            since: input.value()?,
            lamport: input.u64()?,
            next: input.u64()?,
            read: input.u64()?,
            unread: input.u64()?,
            about: input.value()?,
        })
    }
}

impl Encode for BackupDevice {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.name);
        out.value(&self.since);
        out.value(&self.certificate);
    }
}

impl Decode for BackupDevice {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { name: input.text(NAME_MAX)?, since: input.value()?, certificate: input.value()? })
    }
}

impl Encode for BackupOwn {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.room);
        out.value(&self.draft);
        out.flag(self.is_pinned);
        out.option(self.muted_until.as_ref());
        out.flag(self.is_marked_unread);
    }
}

impl Decode for BackupOwn {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            room: input.value()?,
            draft: input.value()?,
            is_pinned: input.flag()?,
            muted_until: input.option()?,
            is_marked_unread: input.flag()?,
        })
    }
}

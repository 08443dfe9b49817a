//! What two nodes say to each other for their people. Bytes: docs/formats/chat-delivery.md.

use byway_primitives::Hash;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::group_letter::GroupLetter;
use super::own_letter::OwnLetter;
use super::refusal::AskRefusal;
use crate::mls::RoomId;

const PARCEL: Context = Context("byway 1 chat parcel");

/// Bytes of one part: it has to fit into one message of a dialogue (64 KiB), with what stands around it.
pub const PART_MAX: usize = 48 * 1024;
/// Bytes of a parcel: the tree of a conversation of 1,000 devices, with room.
pub const PARCEL_MAX: usize = 4 * 1024 * 1024;
/// After so many parts of a parcel the receiver says that it has them.
pub const GOT_EVERY: u16 = 4;
/// Parcels that one receipt is for.
pub const RECEIPTS_MAX: usize = 256;
/// Bytes of a key package: one of ours has some 600.
pub const PACKAGE_MAX: usize = 4 * 1024;
/// Bytes of the name by which somebody goes.
pub const NAME_MAX: usize = 64;
/// Bytes of what somebody pays with for being heard: a promise has some 250.
pub const PAYMENT_MAX: usize = 512;

/// Names a parcel: the hash of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParcelId(pub Hash);

/// What whoever was invited shows. It is worth one contact, so it is secret.
#[derive(Clone)]
pub struct InviteToken(pub Zeroizing<[u8; 16]>);

/// One message between two nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatMessage {
    /// A piece of a parcel. They come in order, and every piece but the last has [`PART_MAX`] bytes.
    Part { parcel: ParcelId, index: u16, count: u16, bytes: Vec<u8> },
    /// These parcels are on disk over here.
    Receipt { parcels: Vec<ParcelId> },
    /// The parts before this one have come; said every [`GOT_EVERY`] parts, so that more of a long parcel may follow.
    Got { parcel: ParcelId, next: u16 },
    /// A frame of a conversation that is worth nothing a moment later: in no parcel, and without a receipt.
    Passing { frame: Vec<u8> },
    /// What has no receipt may come again: it was turned away before, and would be taken now.
    Resend,
    /// This one can't be taken yet, and stays with its sender, who goes on with others.
    NotNow { parcel: ParcelId },
    /// Who asked in this one is not heard, for that reason. It is done with.
    Refused { parcel: ParcelId, refusal: AskRefusal },
}

/// What is in a parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Letter {
    /// Wants to be a contact.
    Ask(Ask),
    /// Lets a device into a conversation.
    Welcome {
        /// By which whoever lets it in goes; nobody has checked it.
        name: String,
        invitation: Vec<u8>,
        tree: Vec<u8>,
    },
    /// A [frame](crate::mls::wire::Frame) of a conversation, which only those who are in it can open.
    Sealed(Vec<u8>),
    /// What keeps groups together.
    Group(GroupLetter),
    /// What devices of one person say to each other.
    Own(Box<OwnLetter>),
}

/// What somebody says who wants to be a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Where there was an invite.
    pub token: Option<InviteToken>,
    /// By which the device can be let into a conversation; it also says whose device it is.
    pub package: Vec<u8>,
    /// By which that person goes; nobody has checked it.
    pub name: String,
    /// What they pay with for being heard, as whoever looks after money reads it; nothing where it is empty.
    pub payment: Vec<u8>,
    /// The group that they say both are in, and by which they know whom they ask.
    pub group: Option<RoomId>,
}

impl Letter {
    /// The parcel, and its name.
    #[must_use]
    pub fn pack(&self) -> (ParcelId, Vec<u8>) {
        let bytes = self.to_bytes();
        (ParcelId::of(&bytes), bytes)
    }
}

impl ParcelId {
    /// The lowest.
    pub const FIRST: Self = Self(Hash([0; 32]));

    pub fn of(parcel: &[u8]) -> Self {
        Self(PARCEL.hash(&[parcel]))
    }
}

impl PartialEq for InviteToken {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl Eq for InviteToken {}

impl std::fmt::Debug for InviteToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InviteToken")
    }
}

/// How many parts a parcel of so many bytes has.
pub fn part_count(length: usize) -> u16 {
    u16::try_from(length.div_ceil(PART_MAX).max(1)).expect("a parcel of at most PARCEL_MAX has fewer parts")
}

/// One part of a parcel.
pub fn part(parcel: ParcelId, bytes: &[u8], index: u16) -> ChatMessage {
    let from = usize::from(index) * PART_MAX;
    let to = bytes.len().min(from + PART_MAX);
    ChatMessage::Part { parcel, index, count: part_count(bytes.len()), bytes: bytes[from..to].to_vec() }
}

impl Encode for ParcelId {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.0);
    }
}

impl Decode for ParcelId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.value().map(Self)
    }
}

impl Encode for InviteToken {
    fn encode(&self, out: &mut Writer) {
        out.raw(&*self.0);
    }
}

impl Decode for InviteToken {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(Zeroizing::new(input.array()?)))
    }
}

impl Encode for ChatMessage {
    fn encode(&self, out: &mut Writer) {
        match self {
            ChatMessage::Part { parcel, index, count, bytes } => {
                out.byte(0);
                out.value(parcel);
                out.varint(*index);
                out.varint(*count);
                out.bytes(bytes);
            }
            ChatMessage::Receipt { parcels } => {
                out.byte(1);
                out.list(parcels);
            }
            ChatMessage::Got { parcel, next } => {
                out.byte(2);
                out.value(parcel);
                out.varint(*next);
            }
            ChatMessage::Passing { frame } => {
                out.byte(3);
                out.bytes(frame);
            }
            ChatMessage::Resend => out.byte(4),
            ChatMessage::NotNow { parcel } => {
                out.byte(5);
                out.value(parcel);
            }
            ChatMessage::Refused { parcel, refusal } => {
                out.byte(6);
                out.value(parcel);
                out.value(refusal);
            }
        }
    }
}

impl Decode for ChatMessage {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => ChatMessage::Part {
                parcel: input.value()?,
                index: input.u16()?,
                count: input.u16()?,
                bytes: input.bytes(PART_MAX)?.to_vec(),
            },
            1 => ChatMessage::Receipt { parcels: input.list(RECEIPTS_MAX)? },
            2 => ChatMessage::Got { parcel: input.value()?, next: input.u16()? },
            3 => ChatMessage::Passing { frame: input.bytes(PART_MAX)?.to_vec() },
            4 => ChatMessage::Resend,
            5 => ChatMessage::NotNow { parcel: input.value()? },
            6 => ChatMessage::Refused { parcel: input.value()?, refusal: input.value()? },
            other => return Err(DecodeError::UnknownVariant { kind: "chat message", value: other.into() }),
        })
    }
}

impl Encode for Ask {
    fn encode(&self, out: &mut Writer) {
        out.option(self.token.as_ref());
        out.bytes(&self.package);
        out.text(&self.name);
        out.bytes(&self.payment);
        out.option(self.group.as_ref());
    }
}

impl Decode for Ask {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            token: input.option()?,
            package: input.bytes(PACKAGE_MAX)?.to_vec(),
            name: input.text(NAME_MAX)?,
            payment: input.bytes(PAYMENT_MAX)?.to_vec(),
            group: input.option()?,
        })
    }
}

impl Encode for Letter {
    fn encode(&self, out: &mut Writer) {
        match self {
            Letter::Ask(ask) => {
                out.byte(0);
                out.value(ask);
            }
            Letter::Welcome { name, invitation, tree } => {
                out.byte(1);
                out.text(name);
                out.bytes(invitation);
                out.bytes(tree);
            }
            Letter::Sealed(frame) => {
                out.byte(2);
                out.bytes(frame);
            }
            Letter::Group(letter) => {
                out.byte(3);
                out.value(letter);
            }
            Letter::Own(letter) => {
                out.byte(4);
                out.value(&**letter);
            }
        }
    }
}

impl Decode for Letter {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => Letter::Ask(input.value()?),
            1 => Letter::Welcome {
                name: input.text(NAME_MAX)?,
                invitation: input.bytes(PARCEL_MAX)?.to_vec(),
                tree: input.bytes(PARCEL_MAX)?.to_vec(),
            },
            2 => Letter::Sealed(input.bytes(PARCEL_MAX)?.to_vec()),
            3 => Letter::Group(input.value()?),
            4 => Letter::Own(Box::new(input.value()?)),
            other => return Err(DecodeError::UnknownVariant { kind: "letter", value: other.into() }),
        })
    }
}

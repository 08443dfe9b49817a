//! What nodes say to each other so that a room stays one: keys to be added with, and how each stands to the others' epochs.
//! Bytes: docs/formats/chat-delivery.md.

use byway_primitives::Time;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

use super::letter::{PACKAGE_MAX, PARCEL_MAX};
use crate::mls::{BRANCH_EPOCHS, EpochTag, LINE_STEPS, Line, RoomId};

/// Key packages in one letter.
pub const PACKAGES_GIVEN_MAX: usize = 8;

/// Such a letter. Its time keeps two that say the same apart: of parcels that are alike the second is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLetter {
    pub at: Time,
    pub what: GroupMatter,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupMatter {
    /// With these a contact adds this device to groups, each time with another.
    Packages { packages: Vec<Vec<u8>> },
    /// What the reader of this sealed in that epoch can't be read here: it is to be sealed anew.
    Again { room: RoomId, epoch: EpochTag },
    /// The epochs that were followed here; where `asks`, the reader says its own if it is not ahead.
    Line { room: RoomId, line: Line, asks: bool },
    /// By this a device that is on another line enters this one anew.
    Info { room: RoomId, line: Line, invitation: Vec<u8>, tree: Vec<u8> },
    /// These epochs are followed no more: whoever its writer let in with one of them is not in.
    Gone { room: RoomId, epochs: Vec<EpochTag> },
}

impl Encode for GroupLetter {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.at);
        match &self.what {
            GroupMatter::Packages { packages } => {
                out.byte(0);
                out.varint(packages.len() as u64);
                packages.iter().for_each(|package| out.bytes(package));
            }
            GroupMatter::Again { room, epoch } => {
                out.byte(1);
                out.value(room);
                out.value(epoch);
            }
            GroupMatter::Line { room, line, asks } => {
                out.byte(2);
                out.value(room);
                out.value(line);
                out.flag(*asks);
            }
            GroupMatter::Info { room, line, invitation, tree } => {
                out.byte(3);
                out.value(room);
                out.value(line);
                out.bytes(invitation);
                out.bytes(tree);
            }
            GroupMatter::Gone { room, epochs } => {
                out.byte(4);
                out.value(room);
                out.list(epochs);
            }
        }
    }
}

impl Decode for GroupLetter {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.value()?;
        let what = match input.byte()? {
            0 => {
                let count = input.u64()?;
                if count > PACKAGES_GIVEN_MAX as u64 {
                    return Err(DecodeError::TooLong { length: count, limit: PACKAGES_GIVEN_MAX as u64 });
                }
                let packages = (0..count).map(|_| input.bytes(PACKAGE_MAX).map(<[u8]>::to_vec));
                GroupMatter::Packages { packages: packages.collect::<Result<_, _>>()? }
            }
            1 => GroupMatter::Again { room: input.value()?, epoch: input.value()? },
            2 => GroupMatter::Line { room: input.value()?, line: input.value()?, asks: input.flag()? },
            3 => GroupMatter::Info {
                room: input.value()?,
                line: input.value()?,
                invitation: input.bytes(PARCEL_MAX)?.to_vec(),
                tree: input.bytes(PARCEL_MAX)?.to_vec(),
            },
            4 => GroupMatter::Gone { room: input.value()?, epochs: input.list(LINE_STEPS + BRANCH_EPOCHS + 1)? },
            other => return Err(DecodeError::UnknownVariant { kind: "letter of a group", value: other.into() }),
        };
        Ok(Self { at, what })
    }
}

//! What devices of one person say to each other: how a node becomes a device, and what is to be the same on all of them.
//! Bytes: docs/formats/chat-delivery.md.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer, decode_exact};
use byway_primitives::{IdentityId, Time};
use zeroize::Zeroizing;

use super::letter::{NAME_MAX, PARCEL_MAX};
use crate::backup::{BackupPart, BackupRecord};
use crate::content::MessageRef;
use crate::device::{DeviceCertificate, DeviceConsent};
use crate::mls::RoomId;
use crate::people::Person;

/// People in one letter.
pub const PEOPLE_MAX: usize = 256;

/// What a node shows that is to become a device of somebody: it counts once. Secret.
#[derive(Clone)]
pub struct LinkToken(pub Zeroizing<[u8; 16]>);

/// Such a letter. Its number, of which each device uses every one once, keeps two that say the same apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnLetter {
    pub number: u64,
    pub what: OwnMatter,
}

/// How our person has a conversation shown. Of several the latest stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeping {
    pub room: RoomId,
    /// When it was said, by the clock of the device at which it was.
    pub at: Time,
    pub is_pinned: bool,
    pub muted_until: Option<Time>,
    pub is_marked_unread: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnMatter {
    /// From a first device to a node: it is to be a device of the sender's person.
    Call { token: LinkToken },
    /// The node agrees.
    Consent { consent: DeviceConsent },
    /// It is one, or its certificate is renewed; its person goes by that name.
    Certificate { certificate: DeviceCertificate, name: String },
    /// How these stand with their person, from the first device; `None` where nothing is known of them any more.
    People { people: Vec<(IdentityId, Option<Person>)> },
    /// To the first device: somebody is not to be heard, or to be heard again.
    Block { who: IdentityId, is_blocked: bool },
    /// To the first device: somebody is to be called so.
    Nickname { who: IdentityId, nickname: Option<String> },
    /// To the first device, which has their keys: somebody is to be added to a group.
    Add { room: RoomId, who: IdentityId },
    /// Their person has read a conversation up to this message.
    Read { room: RoomId, of: MessageRef },
    /// Their person has left a group.
    Leave { room: RoomId },
    /// From the first device: the reader is no device of their person any more.
    Farewell,
    /// From the first device: conversations and messages that the reader may not have, as a [backup](crate::backup) has them. `given` of
    /// `total` messages came with this one and those before; where `is_last`, that is all for now.
    History { total: u64, given: u64, is_last: bool, records: Vec<BackupRecord> },
    /// How their person has a conversation shown.
    Keep(Keeping),
    /// To the first device: their person has compared with somebody that nobody is between them, or is not sure any more.
    Verified { who: IdentityId, at: Option<Time> },
}

impl PartialEq for LinkToken {
    fn eq(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq;
        self.0.ct_eq(&*other.0).into()
    }
}

impl Eq for LinkToken {}

impl std::fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkToken")
    }
}

impl Encode for LinkToken {
    fn encode(&self, out: &mut Writer) {
        out.raw(&*self.0);
    }
}

impl Decode for LinkToken {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(Zeroizing::new(input.array()?)))
    }
}

impl Encode for OwnLetter {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.number);
        match &self.what {
            OwnMatter::Call { token } => {
                out.byte(0);
                out.value(token);
            }
            OwnMatter::Consent { consent } => {
                out.byte(1);
                out.value(consent);
            }
            OwnMatter::Certificate { certificate, name } => {
                out.byte(2);
                out.value(certificate);
                out.text(name);
            }
            OwnMatter::People { people } => {
                out.byte(3);
                out.varint(people.len() as u64);
                for (who, person) in people {
                    out.value(who);
                    out.option(person.as_ref());
                }
            }
            OwnMatter::Block { who, is_blocked } => {
                out.byte(4);
                out.value(who);
                out.flag(*is_blocked);
            }
            OwnMatter::Nickname { who, nickname } => {
                out.byte(5);
                out.value(who);
                out.flag(nickname.is_some());
                nickname.iter().for_each(|nickname| out.text(nickname));
            }
            OwnMatter::Add { room, who } => {
                out.byte(6);
                out.value(room);
                out.value(who);
            }
            OwnMatter::Read { room, of } => {
                out.byte(7);
                out.value(room);
                out.value(of);
            }
            OwnMatter::Leave { room } => {
                out.byte(8);
                out.value(room);
            }
            OwnMatter::Farewell => out.byte(9),
            OwnMatter::History { total, given, is_last, records } => {
                out.byte(10);
                out.varint(*total);
                out.varint(*given);
                out.flag(*is_last);
                out.bytes(&BackupPart(records.clone()).to_bytes());
            }
            OwnMatter::Keep(Keeping { room, at, is_pinned, muted_until, is_marked_unread }) => {
                out.byte(11);
                out.value(room);
                out.value(at);
                out.flag(*is_pinned);
                out.option(muted_until.as_ref());
                out.flag(*is_marked_unread);
            }
            OwnMatter::Verified { who, at } => {
                out.byte(12);
                out.value(who);
                out.option(at.as_ref());
            }
        }
    }
}

impl Decode for OwnLetter {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let number = input.u64()?;
        let what = match input.byte()? {
            0 => OwnMatter::Call { token: input.value()? },
            1 => OwnMatter::Consent { consent: input.value()? },
            2 => OwnMatter::Certificate { certificate: input.value()?, name: input.text(NAME_MAX)? },
            3 => OwnMatter::People { people: people(input)? },
            4 => OwnMatter::Block { who: input.value()?, is_blocked: input.flag()? },
            5 => OwnMatter::Nickname {
                who: input.value()?,
                nickname: if input.flag()? { Some(input.text(NAME_MAX)?) } else { None },
            },
            6 => OwnMatter::Add { room: input.value()?, who: input.value()? },
            7 => OwnMatter::Read { room: input.value()?, of: input.value()? },
            8 => OwnMatter::Leave { room: input.value()? },
            9 => OwnMatter::Farewell,
            10 => OwnMatter::History {
                total: input.u64()?,
                given: input.u64()?,
                is_last: input.flag()?,
                records: decode_exact::<BackupPart>(input.bytes(PARCEL_MAX)?)?.0,
            },
            11 => OwnMatter::Keep(Keeping {
                room: input.value()?,
                at: input.value()?,
                is_pinned: input.flag()?,
                muted_until: input.option()?,
                is_marked_unread: input.flag()?,
            }),
            12 => OwnMatter::Verified { who: input.value()?, at: input.option()? },
            other => return Err(DecodeError::UnknownVariant { kind: "letter between devices", value: other.into() }),
        };
        Ok(Self { number, what })
    }
}

fn people(input: &mut Reader<'_>) -> Result<Vec<(IdentityId, Option<Person>)>, DecodeError> {
    let count = input.u64()?;
    if count > PEOPLE_MAX as u64 {
        return Err(DecodeError::TooLong { length: count, limit: PEOPLE_MAX as u64 });
    }
    (0..count).map(|_| Ok((input.value()?, input.option()?))).collect()
}

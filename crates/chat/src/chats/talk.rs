//! One conversation: the room, and what is known of it beside its messages.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Batch, IdentityId, Space, Store, Time};

use super::ChatsDamaged;
use crate::content::About;
use crate::mls::{Member, Room, RoomId};

/// What is known of conversations: key is the room.
const TALKS: Space = Space("chat-talks");

/// A conversation.
pub(super) struct Talk {
    pub room: Room,
    pub record: Record,
}

/// What is kept of a conversation beside its room and its messages.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    /// The other one, where it is of two.
    pub direct: Option<IdentityId>,
    pub since: Time,
    /// The highest that was seen.
    pub lamport: u64,
    /// How many messages there have been: the next one's place.
    pub next: u64,
    /// How many items wait for their message.
    pub waiting: u64,
    /// Messages of others before this place have been looked at.
    pub read: u64,
    pub unread: u64,
    /// Frames that came before what they need.
    pub early: u64,
    pub about: About,
}

/// A conversation, to be shown.
#[derive(Debug, Clone)]
pub struct TalkView {
    pub room: RoomId,
    pub direct: Option<IdentityId>,
    pub title: Option<String>,
    pub since: Time,
    /// Devices, of which a person may have several.
    pub members: Vec<Member>,
    /// Whether this device is still in it.
    pub is_member: bool,
    /// How many messages there have been.
    pub messages: u64,
    pub unread: u64,
    /// What the people in it compare, to know that nobody is between them.
    pub authenticator: Vec<u8>,
    pub epoch: u64,
}

impl Talk {
    pub fn new(room: Room, direct: Option<IdentityId>, since: Time) -> Self {
        Self { room, record: Record { direct, since, ..Record::default() } }
    }

    pub fn load(room: Room, store: &impl Store) -> Result<Self, ChatsDamaged> {
        let record = store.load(TALKS, &room.id().0).map(|bytes| Record::from_bytes(&bytes));
        Ok(Self { room, record: record.transpose().map_err(ChatsDamaged::Talk)?.unwrap_or_default() })
    }

    pub fn put(&self, batch: &mut Batch) {
        batch.put(TALKS, self.room.id().0, self.record.to_bytes());
    }

    /// Everyone in it but `me`, once each.
    pub fn others(&self, me: IdentityId) -> Vec<IdentityId> {
        let mut others: Vec<IdentityId> = self.room.members().iter().map(|member| member.identity).collect();
        others.retain(|member| *member != me);
        others.sort_unstable();
        others.dedup();
        others
    }

    pub fn view(&self) -> TalkView {
        let Record { direct, since, next, unread, about, .. } = &self.record;
        let epoch = self.room.epoch();
        TalkView {
            room: self.room.id(),
            direct: *direct,
            title: about.title.as_ref().map(|title| title.value.to_string()),
            since: *since,
            members: self.room.members(),
            is_member: self.room.is_member(),
            messages: *next,
            unread: *unread,
            authenticator: epoch.authenticator,
            epoch: epoch.number,
        }
    }
}

impl Encode for Record {
    fn encode(&self, out: &mut Writer) {
        out.option(self.direct.as_ref());
        out.value(&self.since);
        for number in [self.lamport, self.next, self.waiting, self.read, self.unread, self.early] {
            out.varint(number);
        }
        out.value(&self.about);
    }
}

impl Decode for Record {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            direct: input.option()?,
            since: input.value()?,
            lamport: input.u64()?,
            next: input.u64()?,
            waiting: input.u64()?,
            read: input.u64()?,
            unread: input.u64()?,
            early: input.u64()?,
            about: input.value()?,
        })
    }
}

//! One conversation: the room, and what is known of it beside its messages.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Batch, IdentityId, Space, Store, Time};

use super::ChatsDamaged;
use super::affairs::{Affairs, Wish};
use super::opened::Tally;
use crate::content::{About, MessageRef};
use crate::delivery::ParcelId;
use crate::mls::{EpochTag, Member, Role, Room, RoomId};

/// What is known of conversations: key is the room.
const TALKS: Space = Space("chat-talks");

/// A conversation.
pub(super) struct Talk {
    pub room: Room,
    /// The nodes of those who were in it when that was last noted, and whose each is.
    pub known: BTreeMap<IdentityId, IdentityId>,
    pub record: Record,
    pub mending: Mending,
}

/// How a fork, or a gap, is being mended. Not kept: who has forgotten it begins anew.
#[derive(Default)]
pub(super) struct Mending {
    /// When each of the others was last told our line, and how often since the room moved on.
    pub told: BTreeMap<IdentityId, (Time, u32)>,
    /// Frames that wait for what comes before them.
    pub early: Tally,
    /// Since when.
    pub early_since: Option<Time>,
    /// When the first of those can be read that come from a clock which is ahead.
    pub early_until: Option<Time>,
    /// Since when some have waited whenever the machine looked at the clock.
    pub waits_since: Option<Time>,
    /// What was sealed anew for each of the others.
    pub sealed_anew: BTreeMap<IdentityId, Granted>,
    /// Since when, and how often, each of the others was answered that told its line.
    pub answered: BTreeMap<IdentityId, (Time, u32)>,
    /// Those who could say whether this device is in, and have not yet.
    pub doubt: BTreeSet<IdentityId>,
    /// Those who have said that they are where this device is, and at which epoch that was.
    pub agreed: BTreeMap<IdentityId, EpochTag>,
    /// At which epoch this device was when each of the others last said that it is not in.
    pub said_gone: BTreeMap<IdentityId, EpochTag>,
    /// Of those, whom it believes.
    pub out_by: Option<IdentityId>,
    /// With which two heads, theirs and ours, each of the others was answered last that told its line.
    pub answers: BTreeMap<IdentityId, (Option<EpochTag>, EpochTag)>,
    /// Those whom this device has told that they are not in.
    pub gone: BTreeSet<IdentityId>,
    /// With what each of the others was last told how to enter anew.
    pub infos: BTreeMap<IdentityId, ParcelId>,
}

/// What somebody was sealed anew since a time: of which epochs, and how many contents.
pub(super) struct Granted {
    pub since: Time,
    pub epochs: BTreeSet<EpochTag>,
    pub contents: usize,
}

impl Granted {
    pub fn since(since: Time) -> Self {
        Self { since, epochs: BTreeSet::new(), contents: 0 }
    }
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
    pub affairs: Affairs,
    /// Our person has read up to this message on another device, and it is still to come here.
    pub read_ahead: Option<MessageRef>,
}

impl Record {
    pub fn load(room: RoomId, store: &impl Store) -> Result<Self, ChatsDamaged> {
        let record = store.load(TALKS, &room.0).map(|bytes| Self::from_bytes(&bytes));
        Ok(record.transpose().map_err(ChatsDamaged::Talk)?.unwrap_or_default())
    }

    pub fn put(&self, room: RoomId, batch: &mut Batch) {
        batch.put(TALKS, room.0, self.to_bytes());
    }
}

/// A conversation, to be shown.
#[derive(Debug, Clone)]
pub struct TalkView {
    pub room: RoomId,
    pub direct: Option<IdentityId>,
    pub title: Option<String>,
    /// Whether it is a group, to which people are added.
    pub is_group: bool,
    pub since: Time,
    /// Devices, of which a person may have several.
    pub members: Vec<Member>,
    /// What everyone in it is, once each.
    pub roles: BTreeMap<IdentityId, Role>,
    /// By which they say that they go in it.
    pub names: BTreeMap<IdentityId, String>,
    /// Those who are to be added as soon as there are keys of theirs.
    pub awaited: Vec<IdentityId>,
    /// Whether this device is still in it.
    pub is_member: bool,
    /// Whether what was said is here, out of a backup or given by the first device, and the others have yet to let this device in.
    pub is_lost: bool,
    /// Whether it has asked to be removed.
    pub is_leaving: bool,
    /// How many messages there have been.
    pub messages: u64,
    /// Messages of others before this place have been looked at.
    pub read: u64,
    pub unread: u64,
    /// By the keys of the epoch: alike at all devices that are in it. Each commit changes it.
    pub authenticator: Vec<u8>,
    pub epoch: u64,
}

impl Talk {
    pub fn new(room: Room, direct: Option<IdentityId>, since: Time) -> Self {
        let affairs = Affairs { renewed: since, ..Affairs::default() };
        let record = Record { direct, since, affairs, ..Record::default() };
        Self { known: known(&room), room, record, mending: Mending::default() }
    }

    pub fn load(room: Room, store: &impl Store) -> Result<Self, ChatsDamaged> {
        let record = Record::load(room.id(), store)?;
        // What waits is looked at once after a start.
        let early_until = (record.early > 0).then_some(Time(0));
        Ok(Self { known: known(&room), room, record, mending: Mending { early_until, ..Mending::default() } })
    }

    pub fn put(&self, batch: &mut Batch) {
        self.record.put(self.room.id(), batch);
    }

    /// Whether it is a group, to which people are added.
    pub fn is_group(&self) -> bool {
        self.record.direct.is_none()
    }

    /// Whether this device is in it, as far as it knows.
    pub fn is_in(&self) -> bool {
        self.room.is_member() && !self.record.affairs.is_out
    }

    pub fn has(&self, identity: IdentityId) -> bool {
        self.room.members().iter().any(|member| member.identity == identity)
    }

    /// Whether a device at that node is in it.
    pub fn has_node(&self, node: IdentityId) -> bool {
        self.room.members().iter().any(|member| member.node == node)
    }

    /// Whether that device of that person is in it.
    pub fn has_device(&self, identity: IdentityId, index: u32) -> bool {
        self.room.members().iter().any(|member| (member.identity, member.index) == (identity, index))
    }

    /// The nodes to which goes what is for all in it, but for the `own` one, once each.
    pub fn nodes(&self, own: IdentityId) -> Vec<IdentityId> {
        let nodes: BTreeSet<IdentityId> = self.room.members().iter().map(|member| member.node).collect();
        nodes.into_iter().filter(|node| *node != own).collect()
    }

    /// Whether a linked device is in it.
    pub fn has_linked(&self) -> bool {
        self.known.iter().any(|(node, person)| node != person)
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
        let Record { direct, since, next, read, unread, about, affairs, .. } = &self.record;
        let (epoch, members) = (self.room.epoch(), self.room.members());
        let roles = self.room.roles();
        let role = |member: &Member| roles.as_ref().map_or(Role::Member, |roles| roles.role(member.identity));
        let awaited =
            affairs.wishes.iter().filter_map(|wish| if let Wish::Add(who) = wish { Some(*who) } else { None });
        let names = about.profiles.iter().map(|(who, profile)| (*who, profile.value.nickname.to_string()));
        TalkView {
            room: self.room.id(),
            direct: *direct,
            title: about.title.as_ref().map(|title| title.value.to_string()),
            is_group: self.is_group(),
            since: *since,
            roles: members.iter().map(|member| (member.identity, role(member))).collect(),
            names: names.collect(),
            awaited: awaited.collect(),
            members,
            is_member: self.is_in(),
            is_lost: false,
            is_leaving: affairs.is_leaving && self.is_in(),
            messages: *next,
            read: *read,
            unread: *unread,
            authenticator: epoch.authenticator,
            epoch: epoch.number,
        }
    }
}

pub(super) fn known(room: &Room) -> BTreeMap<IdentityId, IdentityId> {
    room.members().iter().map(|member| (member.node, member.identity)).collect()
}

/// The other one of a conversation of two, to which nobody is added; `me` where nobody else is in it.
pub(super) fn two_of(room: &Room, me: IdentityId) -> Option<IdentityId> {
    let others: BTreeSet<IdentityId> =
        room.members().iter().map(|member| member.identity).filter(|member| *member != me).collect();
    let is_closed = room.roles().is_some_and(|roles| roles.adding.is_none());
    (is_closed && others.len() <= 1).then(|| others.first().copied().unwrap_or(me))
}

impl Encode for Record {
    fn encode(&self, out: &mut Writer) {
        out.option(self.direct.as_ref());
        out.value(&self.since);
        for number in [self.lamport, self.next, self.waiting, self.read, self.unread, self.early] {
            out.varint(number);
        }
        out.value(&self.about);
        out.value(&self.affairs);
        out.option(self.read_ahead.as_ref());
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
            affairs: input.value()?,
            read_ahead: input.option()?,
        })
    }
}

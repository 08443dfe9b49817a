//! Giving all that is known and was said to a [backup](crate::backup), a part at a time.

use std::collections::BTreeSet;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{IdentityId, Store, Time};

use super::talk::Record;
use super::{Chats, Talk};
use crate::backup::{BackupRecord, BackupTalk, PART_BYTES};
use crate::mls::RoomId;

/// Messages that are read at a time.
const PAGE: u64 = 256;

/// How far a backup has got: what comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupPlace {
    /// People behind this one, or all.
    People(Option<IdentityId>),
    /// Conversations behind this one, or all.
    Talks(Option<RoomId>),
    /// Messages of a conversation from a place on, and all of those behind it.
    Messages { room: RoomId, place: u64 },
}

/// Records up to a size.
pub(super) struct Part {
    pub records: Vec<BackupRecord>,
    bytes: usize,
    /// A longer record is left out.
    record_max: usize,
}

impl Part {
    pub fn new(record_max: usize) -> Self {
        Self { records: Vec::new(), bytes: 0, record_max }
    }

    /// Whether there is room for another one. The first one always fits.
    pub fn add(&mut self, record: BackupRecord) -> bool {
        self.add_all(vec![record])
    }

    /// Whether there is room for all of these.
    pub fn add_all(&mut self, mut records: Vec<BackupRecord>) -> bool {
        let length = |record: &BackupRecord| record.to_bytes().len();
        records.retain(|record| length(record) <= self.record_max);
        let bytes: usize = records.iter().map(length).sum();
        if !self.records.is_empty() && self.bytes + bytes > PART_BYTES {
            return false;
        }
        self.bytes += bytes;
        self.records.extend(records);
        true
    }
}

impl Chats {
    /// What a backup begins with.
    pub fn backup_head(&self, now: Time) -> BackupRecord {
        let (network, identity) = (self.device.certificate.network, self.me());
        BackupRecord::Head { network, identity, made: now }
    }

    /// What stands at a place, and the place behind it; none where that was all. What changes meanwhile may be in it or not.
    pub fn back_up(&self, from: &BackupPlace, store: &impl Store) -> (Vec<BackupRecord>, Option<BackupPlace>) {
        let mut part = Part::new(usize::MAX);
        let next = match from {
            BackupPlace::People(behind) => Some(self.back_up_people(*behind, &mut part)),
            BackupPlace::Talks(behind) => self.back_up_talks(*behind, &mut part),
            BackupPlace::Messages { room, place } => self.back_up_messages(*room, *place, &mut part, store),
        };
        (part.records, next)
    }

    fn back_up_people(&self, behind: Option<IdentityId>, part: &mut Part) -> BackupPlace {
        if behind.is_none() {
            // There are few.
            part.add_all(self.backup_devices().map(BackupRecord::Device).collect());
        }
        let mut last = behind;
        for (peer, person) in self.people.iter().filter(|(peer, _)| behind.is_none_or(|behind| *peer > behind)) {
            if !part.add(BackupRecord::Person { peer, person: person.clone() }) {
                return BackupPlace::People(last);
            }
            last = Some(peer);
        }
        BackupPlace::Talks(None)
    }

    fn back_up_talks(&self, behind: Option<RoomId>, part: &mut Part) -> Option<BackupPlace> {
        let rooms = self.all_rooms();
        let mut last = behind;
        for room in rooms.iter().copied().filter(|room| behind.is_none_or(|behind| *room > behind)) {
            let Some(talk) = self.backup_talk(room) else { continue };
            if !part.add(BackupRecord::Talk(talk)) {
                return Some(BackupPlace::Talks(last));
            }
            last = Some(room);
        }
        rooms.first().map(|room| BackupPlace::Messages { room: *room, place: 0 })
    }

    fn back_up_messages(&self, room: RoomId, place: u64, part: &mut Part, store: &impl Store) -> Option<BackupPlace> {
        let count = self.record_of(room).map_or(0, |record| record.next);
        if let Some(place) = self.messages_between(room, (place, count), part, store) {
            return Some(BackupPlace::Messages { room, place });
        }
        let next = self.all_rooms().into_iter().find(|other| *other > room);
        next.map(|room| BackupPlace::Messages { room, place: 0 })
    }

    /// The messages of a conversation that stand from one place up to, without it, another, in order. The place of the first that had no
    /// room in the part; none where all had.
    pub(super) fn messages_between(
        &self,
        room: RoomId,
        (mut from, to): (u64, u64),
        part: &mut Part,
        store: &impl Store,
    ) -> Option<u64> {
        while from < to {
            let before = from.saturating_add(PAGE).min(to);
            let page = self.page(room, Some(before), PAGE as usize, store);
            for shown in page.into_iter().rev().filter(|shown| shown.place >= from) {
                let place = shown.place;
                if !part.add(BackupRecord::Message { room, shown }) {
                    return Some(place);
                }
            }
            from = before;
        }
        None
    }

    /// All conversations, in the order of their ids.
    pub(super) fn all_rooms(&self) -> Vec<RoomId> {
        let mut rooms: Vec<RoomId> = self.talks.keys().chain(self.lost.keys()).copied().collect();
        rooms.sort_unstable();
        rooms
    }

    pub(super) fn record_of(&self, room: RoomId) -> Option<&Record> {
        self.talks.get(&room).map(|talk| &talk.record).or_else(|| self.lost.get(&room).map(|lost| &lost.record))
    }

    pub(super) fn backup_talk(&self, room: RoomId) -> Option<BackupTalk> {
        let (record, members, roles, is_in) = match self.talks.get(&room) {
            Some(talk) => {
                let members: BTreeSet<IdentityId> = talk.known.values().copied().collect();
                (&talk.record, members.into_iter().collect(), talk.room.roles(), is_wanted(talk))
            }
            None => {
                let lost = self.lost.get(&room)?;
                (&lost.record, lost.members.iter().copied().collect(), lost.roles.clone(), !lost.is_over)
            }
        };
        let Record { direct, since, lamport, next, read, unread, about, .. } = record;
        let (direct, since, about) = (*direct, *since, about.clone());
        let [lamport, next, read, unread] = [*lamport, *next, *read, *unread];
        Some(BackupTalk { room, direct, members, roles, is_in, since, lamport, next, read, unread, about })
    }
}

fn is_wanted(talk: &Talk) -> bool {
    talk.is_in() && !talk.record.affairs.is_leaving
}

impl Encode for BackupPlace {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::People(behind) => {
                out.byte(0);
                out.option(behind.as_ref());
            }
            Self::Talks(behind) => {
                out.byte(1);
                out.option(behind.as_ref());
            }
            Self::Messages { room, place } => {
                out.byte(2);
                out.value(room);
                out.varint(*place);
            }
        }
    }
}

impl Decode for BackupPlace {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => Self::People(input.option()?),
            1 => Self::Talks(input.option()?),
            2 => Self::Messages { room: input.value()?, place: input.u64()? },
            other => return Err(DecodeError::UnknownVariant { kind: "place in a backup", value: other.into() }),
        })
    }
}

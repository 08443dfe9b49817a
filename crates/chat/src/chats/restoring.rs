//! Taking a [backup](crate::backup): what is in it is added to what is here, and nothing that is here is changed by it.
//!
//! A backup is taken a part at a time, and each part is a step of its own. What was taken before is known, so a backup that is taken again,
//! after a cut or for good measure, changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::{IdentityId, NetworkId, Pending, Store, Time};

use super::files::note_files;
use super::history::{forget_place, keep_message, load, move_message};
use super::lost::Lost;
use super::talk::Record;
use super::{Call, ChatNews, Chats, Shown};
use crate::backup::{BackupRecord, BackupTalk};
use crate::content::MessageRef;
use crate::mls::RoomId;
use crate::people::{Person, Standing};

/// Messages that are read at a time.
const PAGE: u64 = 256;

/// What has come of a backup, or a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restored {
    /// People, conversations and messages that were not here.
    pub people: u64,
    pub conversations: u64,
    pub messages: u64,
    /// Messages that were here.
    pub known: u64,
}

/// A backup is not one of this identity's conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForeignBackup {
    #[error("it is of the network {theirs}, and this node's is {ours}")]
    Network { ours: NetworkId, theirs: NetworkId },
    #[error("it is of the identity {theirs}, and this node works under {ours}")]
    Identity { ours: IdentityId, theirs: IdentityId },
    #[error("it does not say whose it is")]
    Nobody,
}

/// What a backup that is being taken has done so far.
#[derive(Default)]
pub(super) struct Restoring {
    /// Contacts who were not known here, and those who were asked.
    contacts: BTreeSet<IdentityId>,
    asked: BTreeSet<IdentityId>,
    /// Conversations that were not here.
    fresh: BTreeSet<RoomId>,
    /// Conversations that were here, with messages that were not: these may belong between others.
    mixed: BTreeSet<RoomId>,
    /// Our own conversation goes by another id here.
    own: BTreeMap<RoomId, RoomId>,
}

impl Chats {
    /// Whether a backup that begins so is of these conversations.
    ///
    /// # Errors
    /// [`ForeignBackup`].
    pub fn check_backup(&self, first: Option<&BackupRecord>) -> Result<(), ForeignBackup> {
        let Some(BackupRecord::Head { network, identity, .. }) = first else { return Err(ForeignBackup::Nobody) };
        if *network != self.device.certificate.network {
            return Err(ForeignBackup::Network { ours: self.device.certificate.network, theirs: *network });
        }
        if *identity != self.me() {
            return Err(ForeignBackup::Identity { ours: self.me(), theirs: *identity });
        }
        Ok(())
    }

    /// Takes a part of a backup: people who are not known, conversations that are not here, and messages that are not in them. A
    /// conversation is shown from then on, and goes on as soon as others in it have let this device in anew.
    pub fn restore(&mut self, now: Time, seed: [u8; 32], records: Vec<BackupRecord>, store: &impl Store) -> Restored {
        let (call, mut restored) = (Call::new(now, seed, store), Restored::default());
        let mut touched = BTreeSet::new();
        for record in records {
            match record {
                BackupRecord::Person { peer, person } => self.restore_person(peer, person, &mut restored),
                BackupRecord::Device(device) => self.restore_device(now, device),
                BackupRecord::Talk(talk) => self.restore_talk(&call, talk, &mut restored),
                BackupRecord::Message { room, shown } => {
                    touched.extend(self.restore_message(&call, room, shown, &mut restored));
                }
                // Whose it is was looked at; and the rest is for whoever carries conversations.
                BackupRecord::Head { .. } | BackupRecord::Card { .. } | BackupRecord::Own(_) => {}
            }
        }
        for room in touched {
            self.put_record_of(room);
        }
        restored
    }

    /// All parts were taken: whoever was a contact is told that this device has lost its disk.
    pub fn finish_restoring(&mut self, now: Time, seed: [u8; 32], store: &impl Store) {
        let call = Call::new(now, seed, store);
        let Restoring { contacts, asked, mixed, .. } = std::mem::take(&mut self.restoring);
        for room in mixed {
            self.put_in_order_from(&call, room, 0);
        }
        // Linked devices get what was added, and where it stands.
        self.give_anew();
        self.tell_of_lost(&call);
        for peer in contacts {
            // What they have of ours has no private halves any more.
            self.stock_up(&call, peer);
        }
        for peer in asked {
            // They had a key package whose private half is gone. Whoever has too much waiting is asked anew by our person.
            let _ = self.ask(now, *call.draw(), peer, None, store);
        }
        let rooms: Vec<RoomId> = self.talks.keys().chain(self.lost.keys()).copied().collect();
        rooms.into_iter().for_each(|room| self.tell(ChatNews::Room { room }));
    }

    /// What conversation of this device a backup's is.
    pub fn restored_as(&self, room: RoomId) -> Option<RoomId> {
        let room = self.restoring.own.get(&room).copied().unwrap_or(room);
        self.record_of(room).map(|_| room)
    }

    fn restore_person(&mut self, peer: IdentityId, person: Person, restored: &mut Restored) {
        match self.people.get(peer) {
            _ if peer == self.me() => {}
            None => {
                restored.people += 1;
                match person.standing {
                    Standing::Contact => drop(self.restoring.contacts.insert(peer)),
                    Standing::Asked => drop(self.restoring.asked.insert(peer)),
                    Standing::Asking { .. } | Standing::Blocked => {}
                }
                self.put_person(peer, person);
            }
            // What they can't say themselves: what we call them, and that they were compared with.
            Some(known) => {
                let nickname = known.nickname.clone().or(person.nickname);
                let restored = Person { nickname, verified: known.verified.or(person.verified), ..known.clone() };
                if restored != *known {
                    self.put_person(peer, restored);
                }
            }
        }
    }

    fn restore_talk<S: Store>(&mut self, call: &Call<'_, S>, talk: BackupTalk, restored: &mut Restored) {
        let (me, room) = (self.me(), talk.room);
        if self.record_of(room).is_some() {
            return;
        }
        if talk.direct == Some(me) {
            // Nobody else is in it, so a new room does.
            restored.conversations += u64::from(self.own_room().is_none());
            if let Ok(own) = self.found_own_room(call.now, *call.draw(), call.store) {
                self.restoring.own.insert(room, own);
            }
            return;
        }
        restored.conversations += 1;
        let lost = Lost::of(talk);
        lost.put(room, &mut self.step.batch);
        self.lost.insert(room, lost);
        self.restoring.fresh.insert(room);
        self.tell(ChatNews::Room { room });
    }

    /// Which conversation has a message more.
    fn restore_message<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        room: RoomId,
        shown: Shown,
        restored: &mut Restored,
    ) -> Option<RoomId> {
        let room = self.restored_as(room)?;
        let is_fresh = self.restoring.fresh.contains(&room);
        let Shown { place, item } = shown;
        let old = load(&Pending { store: call.store, batch: &self.step.batch }, room, &item.of);
        if item.is_waiting() || old.as_ref().is_some_and(|old| !old.item.is_waiting()) {
            restored.known += u64::from(!item.is_waiting());
            return None;
        }
        if !is_fresh {
            self.restoring.mixed.insert(room);
        }
        let record = self.record_mut(room)?;
        // In a conversation that is all from the backup each stands where it stood.
        let place = if is_fresh && place < record.next { place } else { record.next };
        record.next = record.next.max(place.saturating_add(1));
        record.waiting = record.waiting.saturating_sub(u64::from(old.is_some()));
        // Nobody fetches by themselves what came long ago, and no file is gone by something that is added.
        note_files(room, None, &item, call.store, &mut self.step.batch, &mut Vec::new());
        keep_message(room, &Shown { place, item }, &mut self.step.batch);
        restored.messages += 1;
        Some(room)
    }

    pub(super) fn record_mut(&mut self, room: RoomId) -> Option<&mut Record> {
        match self.talks.get_mut(&room) {
            Some(talk) => Some(&mut talk.record),
            None => self.lost.get_mut(&room).map(|lost| &mut lost.record),
        }
    }

    pub(super) fn put_record_of(&mut self, room: RoomId) {
        let record = self.talks.get(&room).map(|talk| &talk.record);
        let record = record.or_else(|| self.lost.get(&room).map(|lost| &lost.record));
        if let Some(record) = record {
            record.put(room, &mut self.step.batch);
        }
    }

    /// Messages of a conversation in which some were added stand in the order in which they were said, from a place on.
    pub(super) fn put_in_order_from<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId, first: u64) {
        let Some(count) = self.record_of(room).map(|record| record.next) else { return };
        let store = Pending { store: call.store, batch: &self.step.batch };
        let (mut order, mut last): (Vec<(_, u64, MessageRef)>, _) = (Vec::new(), None);
        let mut from = first;
        while from < count {
            let before = from.saturating_add(PAGE).min(count);
            let page = self.page(room, Some(before), PAGE as usize, &store);
            for Shown { place, item } in page.into_iter().rev().filter(|shown| shown.place >= from) {
                // Of what nobody knows when it was said, it is when it came.
                last = item.place().map(|place| place.stamp).or(last);
                order.push((last, place, item.of));
            }
            from = before;
        }
        let count = first + order.len() as u64;
        let unused = order.iter().map(|(_, place, _)| *place).filter(|place| *place >= count);
        for place in unused.collect::<Vec<_>>() {
            forget_place(room, place, &mut self.step.batch);
        }
        order.sort_unstable();
        let moved = (first..).zip(order).filter(|(place, (_, was, _))| place != was);
        for (place, (_, _, of)) in moved {
            move_message(room, &of, place, call.store, &mut self.step.batch);
        }
        if let Some(record) = self.record_mut(room) {
            (record.next, record.unread) = (count, record.unread.min(count));
            if record.read >= first {
                record.read = (count - record.unread).max(first);
            }
        }
        self.put_record_of(room);
    }
}

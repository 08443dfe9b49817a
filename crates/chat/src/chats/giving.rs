//! What the first device gives a linked one of what was said: all of it, in parts.
//!
//! With its certificate the device gets the heads of all conversations; in these it keeps places for what is to come. Then follow the
//! newest messages of each conversation, and then the rest, oldest first, as a [backup](crate::backup) has them. A part is a letter in a
//! parcel, and is put out with how far that is; the next one follows once the device has one of those before. So it goes on after a crash
//! of either, and no more waits than a few parts.
//!
//! Until a device is in a room it can't read what is said there, and what somebody says who has not heard of it yet it can't read either.
//! Such a message is *owed*: it is given as it stands, when all else was.
//!
//! Not here: what the device does with it ([`given`](super::given)).

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Batch, IdentityId, Pending, Space, Store};

use super::backup::Part;
use super::devices::Stage;
use super::history::load;
use super::{ChatNews, Chats, ChatsDamaged};
use crate::backup::{BackupRecord, BackupTalk};
use crate::content::MessageRef;
use crate::delivery::ParcelId;
use crate::delivery::letter::{Letter, PARCEL_MAX};
use crate::delivery::own_letter::{OwnLetter, OwnMatter};
use crate::mls::{EpochTag, Place, RoomId};

/// How far a device was given what was said: key is its node.
const GIVING: Space = Space("chat-giving");
/// What it is owed beyond that: key is its node, the room, and the message.
const OWED: Space = Space("chat-giving-owed");

/// So many of the newest messages of each conversation go first: what people see of it when they open it.
const RECENT: u64 = 100;
/// Parts that are under way to one device: one on its way while the other is written.
const UNDER_WAY_MAX: usize = 2;
/// Messages that one device is owed, at most. Of more it is given all anew.
const OWED_MAX: usize = 4096;
/// Bytes of a record that is given: a longer one has no room in a parcel.
const RECORD_MAX: usize = PARCEL_MAX - 1024;
/// Bytes of what people in a conversation say of themselves that are given along with it.
const PROFILES_MAX: usize = 1 << 20;

/// How far giving has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Messages that there were when it began.
    pub total: u64,
    /// Messages that were given.
    pub given: u64,
    /// All of them were.
    pub is_whole: bool,
}

/// What comes next: messages of a room from a place on, of the recent ones or of the rest, and then those of the rooms behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Next {
    is_recent: bool,
    room: RoomId,
    from: u64,
}

/// What one device was given.
#[derive(Debug, Clone, Default)]
pub(super) struct Giving {
    pub progress: Progress,
    /// None where all was put out.
    next: Option<Next>,
    /// Parts without a receipt, the last ones.
    under_way: Vec<ParcelId>,
    /// What came to be known here and not there. Kept by itself.
    owed: BTreeSet<(RoomId, MessageRef)>,
    /// More was owed than is kept: all is to be given anew.
    is_anew: bool,
}

pub(super) type Givings = BTreeMap<IdentityId, Giving>;

pub(super) fn load_givings(store: &impl Store) -> Result<Givings, ChatsDamaged> {
    let mut givings = Givings::new();
    for (key, value) in store.scan_prefix(GIVING, &[]) {
        let node = IdentityId::from_bytes(&key).map_err(ChatsDamaged::Devices)?;
        givings.insert(node, Giving::from_bytes(&value).map_err(ChatsDamaged::Devices)?);
    }
    for (key, _) in store.scan_prefix(OWED, &[]) {
        let mut input = Reader::new(&key);
        let read = |input: &mut Reader<'_>| Ok((input.value()?, (input.value()?, input.value()?)));
        let (node, owed) = read(&mut input).map_err(ChatsDamaged::Devices)?;
        givings.entry(node).or_default().owed.insert(owed);
    }
    Ok(givings)
}

fn owed_key(node: IdentityId, (room, of): &(RoomId, MessageRef)) -> Vec<u8> {
    [&node.0[..], &room.to_bytes(), &of.to_bytes()].concat()
}

impl Giving {
    fn put(&self, node: IdentityId, batch: &mut Batch) {
        batch.put(GIVING, node.to_bytes(), self.to_bytes());
    }

    fn is_done(&self) -> bool {
        self.next.is_none() && self.owed.is_empty() && self.progress.is_whole && !self.is_anew
    }
}

impl Chats {
    /// How far a linked device was given what was said before it was linked; at a linked one, how far this one was, by its first.
    pub fn history(&self, node: IdentityId) -> Option<Progress> {
        match self.own.get(node).map(|device| &device.stage) {
            Some(Stage::Linked { .. }) => self.givings.get(&node).map(|giving| giving.progress),
            Some(Stage::First) => self.given.as_ref().map(|given| given.progress),
            _ => None,
        }
    }

    /// Begins to give a device what was said: it hears of all conversations.
    pub(super) fn begin_giving(&mut self, node: IdentityId, store: &impl Store) {
        self.forget_giving(node);
        self.tell(ChatNews::Linked { node });
        let rooms = self.all_rooms();
        let total = rooms.iter().filter_map(|room| self.record_of(*room)).map(|record| record.next).sum();
        let next = rooms.first().map(|room| Next { is_recent: true, room: *room, from: 0 });
        let progress = Progress { total, given: 0, is_whole: false };
        let mut giving = Giving { progress, next, ..Giving::default() };
        let mut heads: Vec<BackupRecord> =
            rooms.into_iter().filter_map(|room| self.given_head(room)).map(BackupRecord::Talk).collect();
        heads.reverse();
        while !heads.is_empty() {
            let mut part = Part::new(RECORD_MAX);
            while let Some(head) = heads.pop() {
                if !part.add(head.clone()) {
                    heads.push(head);
                    break;
                }
            }
            if !self.give_part(node, &mut giving, part.records, false) {
                giving.is_anew = true;
                break;
            }
        }
        giving.put(node, &mut self.step.batch);
        self.givings.insert(node, giving);
        self.give(node, store);
    }

    /// There is more than there was: it is given anew.
    pub(super) fn give_anew(&mut self) {
        for (node, giving) in &mut self.givings {
            giving.is_anew = true;
            giving.put(*node, &mut self.step.batch);
        }
    }

    /// Nothing more is given to a device.
    pub(super) fn forget_giving(&mut self, node: IdentityId) {
        let Some(giving) = self.givings.remove(&node) else { return };
        self.outbox.handle_receipt(node, &giving.under_way, &mut self.step.batch);
        self.step.batch.delete(GIVING, node.to_bytes());
        for owed in giving.owed {
            self.step.batch.delete(OWED, owed_key(node, &owed));
        }
    }

    /// Devices that are linked and were given nothing yet get it from here on.
    pub(super) fn begin_due_givings(&mut self, store: &impl Store) {
        if self.is_first() {
            let nodes = self.own.nodes();
            let due = nodes.into_iter().filter(|node| self.givings.get(node).is_none_or(|giving| giving.is_anew));
            due.collect::<Vec<_>>().into_iter().for_each(|node| self.begin_giving(node, store));
        }
    }

    /// All devices that are there get what is next.
    pub(super) fn give_due(&mut self, store: &impl Store) {
        let due = self.givings.iter().filter(|(_, giving)| !giving.is_done()).map(|(node, _)| *node);
        due.collect::<Vec<_>>().into_iter().for_each(|node| self.give(node, store));
    }

    fn give(&mut self, node: IdentityId, store: &impl Store) {
        if !self.outbox.is_there(node) || !self.own.has(node) {
            return;
        }
        let Some(mut giving) = self.givings.remove(&node) else { return };
        // What is to be given anew begins with the next look at the clock.
        while !giving.is_anew && !giving.is_done() {
            giving.under_way.retain(|parcel| self.outbox.waits(node, *parcel));
            if giving.under_way.len() >= UNDER_WAY_MAX {
                break;
            }
            let before = giving.clone();
            let (records, is_last) = self.next_records(&mut giving, store);
            if !self.give_part(node, &mut giving, records, is_last) {
                // Too much waits for it.
                giving = before;
                break;
            }
            for owed in before.owed.difference(&giving.owed) {
                self.step.batch.delete(OWED, owed_key(node, owed));
            }
            giving.put(node, &mut self.step.batch);
            self.tell(ChatNews::Devices);
        }
        self.givings.insert(node, giving);
        self.send_due(node, store);
    }

    /// Puts a part out; whether there was room for it.
    fn give_part(&mut self, node: IdentityId, giving: &mut Giving, records: Vec<BackupRecord>, is_last: bool) -> bool {
        let Progress { total, given, .. } = giving.progress;
        let what = OwnMatter::History { total, given, is_last, records };
        let letter = Letter::Own(Box::new(OwnLetter { number: self.own.record.written, what }));
        let Ok(parcel) = self.outbox.put(&letter, [node], &mut self.step.batch) else { return false };
        self.own.record.written += 1;
        self.own.put_record(&mut self.step.batch);
        giving.under_way.push(parcel);
        true
    }

    /// What is given next, and whether that is all there is by now.
    fn next_records(&self, giving: &mut Giving, store: &impl Store) -> (Vec<BackupRecord>, bool) {
        let view = Pending { store, batch: &self.step.batch };
        let mut part = Part::new(RECORD_MAX);
        while let Some(next) = giving.next {
            let count = self.record_of(next.room).map_or(0, |record| record.next);
            let recent = count.saturating_sub(RECENT);
            let (first, last) = if next.is_recent { (recent, count) } else { (0, recent) };
            match self.messages_between(next.room, (next.from.max(first), last), &mut part, &view) {
                Some(from) => {
                    giving.next = Some(Next { from, ..next });
                    break;
                }
                None => giving.next = self.behind(next),
            }
        }
        giving.progress.given += part.records.len() as u64;
        if giving.next.is_some() {
            return (part.records, false);
        }
        let mut told = BTreeSet::new();
        while let Some((room, of)) = giving.owed.first().copied() {
            let mut records: Vec<BackupRecord> = Vec::new();
            // The device may know the conversation not yet, or not as it is now.
            let head = self.given_head(room).filter(|_| !told.contains(&room));
            records.extend(head.map(BackupRecord::Talk));
            let shown = load(&view, room, &of).filter(|shown| !shown.item.is_waiting());
            records.extend(shown.map(|shown| BackupRecord::Message { room, shown }));
            if !part.add_all(records) {
                return (part.records, false);
            }
            told.insert(room);
            giving.owed.pop_first();
        }
        giving.progress.is_whole = true;
        (part.records, true)
    }

    /// A conversation as it stands, without what people say of themselves if that is too much to give along.
    fn given_head(&self, room: RoomId) -> Option<BackupTalk> {
        let mut head = self.backup_talk(room)?;
        if head.about.profiles.values().map(|profile| profile.value.to_bytes().len()).sum::<usize>() > PROFILES_MAX {
            head.about.profiles.clear();
        }
        Some(head)
    }

    /// What comes behind the end of a room.
    fn behind(&self, next: Next) -> Option<Next> {
        let rooms = self.all_rooms();
        let behind = rooms.iter().find(|room| **room > next.room).map(|room| Next { room: *room, from: 0, ..next });
        let rest = rooms.first().filter(|_| next.is_recent);
        behind.or(rest.map(|room| Next { is_recent: false, room: *room, from: 0 }))
    }

    /// Devices of our person that were not in an epoch could not read what was sealed in it: the messages that it was about are owed to
    /// them.
    pub(super) fn owe_devices(&mut self, room: RoomId, sealed: (EpochTag, Place), touched: &[MessageRef]) {
        if touched.is_empty() || self.givings.is_empty() {
            return;
        }
        let Some(talk) = self.talks.get(&room) else { return };
        let let_in = if sealed.1 == Place::Head { Vec::new() } else { talk.room.let_in_since(Some(sealed.0)) };
        let was_in = |node: &IdentityId| {
            talk.known.contains_key(node) && sealed.1 != Place::Aside && !let_in.iter().any(|(_, came)| came == node)
        };
        let without: Vec<IdentityId> = self.givings.keys().copied().filter(|node| !was_in(node)).collect();
        for node in without {
            let Some(giving) = self.givings.get_mut(&node) else { continue };
            for of in touched {
                let owed = (room, *of);
                if giving.owed.len() >= OWED_MAX {
                    giving.is_anew = true;
                } else if giving.owed.insert(owed) {
                    self.step.batch.put(OWED, owed_key(node, &owed), Vec::new());
                }
            }
            giving.put(node, &mut self.step.batch);
        }
    }
}

impl Encode for Next {
    fn encode(&self, out: &mut Writer) {
        out.flag(self.is_recent);
        out.value(&self.room);
        out.varint(self.from);
    }
}

impl Decode for Next {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { is_recent: input.flag()?, room: input.value()?, from: input.u64()? })
    }
}

impl Encode for Progress {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.total);
        out.varint(self.given);
        out.flag(self.is_whole);
    }
}

impl Decode for Progress {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { total: input.u64()?, given: input.u64()?, is_whole: input.flag()? })
    }
}

impl Encode for Giving {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.progress);
        out.option(self.next.as_ref());
        out.list(&self.under_way);
        out.flag(self.is_anew);
    }
}

impl Decode for Giving {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            progress: input.value()?,
            next: input.option()?,
            under_way: input.list(crate::delivery::outbox::WAITING_MAX)?,
            owed: BTreeSet::new(),
            is_anew: input.flag()?,
        })
    }
}

//! What is the same on all devices of our person: whom it knows, what it has read and left, and the conversations themselves.
//!
//! People are written down by the first device. A linked one has a copy, and asks the first for what it changes; it shows the change
//! at once, and the first has the last word.

use byway_primitives::{Batch, IdentityId, Store};

use super::giving::Progress;
use super::heard::Opened;
use super::{Call, ChatFault, ChatNews, Chats, Wish};
use crate::content::MessageRef;
use crate::delivery::own_letter::{Keeping, OwnMatter, PEOPLE_MAX};
use crate::mls::{Entered, Room, RoomId};
use crate::people::{Person, Standing};

impl Chats {
    /// What our devices say to each other that are linked.
    pub(super) fn own_matter_came<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        peer: IdentityId,
        what: OwnMatter,
    ) -> Result<Opened, ChatFault> {
        let is_first = self.is_first();
        match what {
            OwnMatter::People { people } if !is_first => people.into_iter().for_each(|(who, known)| {
                self.person_came(who, known);
            }),
            OwnMatter::Farewell if !is_first => self.farewell(peer),
            OwnMatter::Block { who, is_blocked } if is_first => self.set_blocked(call.now, who, is_blocked),
            OwnMatter::Nickname { who, nickname } if is_first => {
                // Whoever is not known any more has no name.
                let _ = self.set_nickname(who, nickname);
            }
            OwnMatter::Verified { who, at } if is_first => {
                let _ = self.set_verified(who, at);
            }
            OwnMatter::Add { room, who } if is_first => return self.asked_to_add(call, room, who),
            OwnMatter::Read { room, of } => {
                self.read_elsewhere(call, room, of);
                self.write_to_devices(call, &OwnMatter::Read { room, of }, Some(peer));
            }
            OwnMatter::Leave { room } => {
                self.left_elsewhere(call, room);
                self.write_to_devices(call, &OwnMatter::Leave { room }, Some(peer));
            }
            OwnMatter::History { total, given, is_last, records } if !is_first => {
                return Ok(self.history_came(call, Progress { total, given, is_whole: is_last }, records));
            }
            // The first device knows all conversations: of others a thief could name as many as there is room for.
            OwnMatter::Keep(keeping) if !is_first || self.record_of(keeping.room).is_some() => {
                self.tell(ChatNews::Kept(keeping));
                self.write_to_devices(call, &OwnMatter::Keep(keeping), Some(peer));
            }
            _ => return Err(ChatFault::NotOurDevice(peer)),
        }
        Ok(Opened::Done)
    }

    /// Our person has a conversation shown otherwise: the other devices hear of it, or the one at that node alone.
    pub fn tell_kept(&mut self, keeping: Keeping, node: Option<IdentityId>, store: &impl Store) {
        let others = self.own.nodes().into_iter().filter(|of| node.is_none_or(|node| node == *of));
        for node in others.collect::<Vec<_>>() {
            self.write_to(node, OwnMatter::Keep(keeping));
            self.send_due(node, store);
        }
    }

    /// A linked device hears of everyone.
    pub(super) fn tell_all_people(&mut self, node: IdentityId) {
        let all: Vec<_> = self.people.iter().filter_map(|(who, known)| Some((who, shared(Some(known))?))).collect();
        for people in all.chunks(PEOPLE_MAX) {
            self.write_to(node, OwnMatter::People { people: people.to_vec() });
        }
    }

    /// The linked devices hear of those who stand otherwise than before.
    pub(super) fn share_people(&mut self) {
        let changed = std::mem::take(&mut self.people_changed);
        if !self.is_first() {
            return;
        }
        let all: Vec<_> = changed.into_iter().filter_map(|who| Some((who, shared(self.people.get(who))?))).collect();
        for node in self.own.nodes() {
            for people in all.chunks(PEOPLE_MAX) {
                self.write_to(node, OwnMatter::People { people: people.to_vec() });
            }
        }
    }

    fn person_came(&mut self, who: IdentityId, known: Option<Person>) {
        match known {
            Some(person) if matches!(person.standing, Standing::Contact | Standing::Blocked) => {
                self.put_person(who, person);
            }
            Some(_) => {}
            None => {
                self.people.remove(who, &mut self.step.batch);
                self.tell(ChatNews::Person { peer: who });
            }
        }
    }

    /// A linked device wants somebody in a group, whose keys are here.
    fn asked_to_add<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        room: RoomId,
        who: IdentityId,
    ) -> Result<Opened, ChatFault> {
        match self.talks.get(&room) {
            // It comes in with a letter that may still be on its way.
            None => Ok(Opened::NotNow),
            Some(talk) if !talk.is_group() || talk.record.affairs.is_leaving => Err(ChatFault::NoRoom(room)),
            Some(_) => {
                self.wish_in(call, room, [Wish::Add(who)]);
                Ok(Opened::Done)
            }
        }
    }

    /// Our person has read a conversation on another device.
    pub(super) fn read_elsewhere<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId, of: MessageRef) {
        let pending = byway_primitives::Pending { store: call.store, batch: &self.step.batch };
        let place = self.item(room, &of, &pending).map(|shown| shown.place);
        let newer = place.map(|place| {
            let shown = self.page(room, None, super::saying::UNREAD_MAX, &pending);
            let me = self.me();
            shown
                .iter()
                .filter(|shown| shown.place > place && shown.item.of.author != me && !shown.item.is_gone())
                .count()
        });
        let Some(talk) = self.talks.get_mut(&room) else { return };
        match (place, newer) {
            (Some(place), Some(newer)) if place >= talk.record.read => {
                (talk.record.read, talk.record.unread) = (place + 1, newer as u64);
            }
            (Some(_), _) => return,
            // It is still to come here.
            (None, _) => talk.record.read_ahead = Some(of),
        }
        talk.put(&mut self.step.batch);
        self.tell(ChatNews::Room { room });
    }

    /// Our person has left a group on another device.
    fn left_elsewhere<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        let Some(talk) = self.talks.get_mut(&room).filter(|talk| talk.is_group() && talk.is_in()) else { return };
        talk.record.affairs.is_leaving = true;
        talk.record.affairs.wishes.clear();
        talk.put(&mut self.step.batch);
        // Asked again as soon as the room moves on.
        let _ = self.ask_to_leave(call, room);
        self.tell(ChatNews::Room { room });
    }

    /// This is no device of our person any more: what it has it keeps, and it says nothing.
    fn farewell(&mut self, first: IdentityId) {
        self.own.remove(first, &mut self.step.batch);
        for talk in self.talks.values_mut() {
            talk.record.affairs.is_out = true;
            talk.record.affairs.wishes.clear();
            talk.put(&mut self.step.batch);
        }
        for (room, lost) in &mut self.lost {
            lost.is_over = true;
            lost.put(*room, &mut self.step.batch);
        }
        self.all_rooms().into_iter().for_each(|room| self.tell(ChatNews::Room { room }));
        self.tell(ChatNews::Devices);
    }

    /// Another device of our person lets this one into a room.
    pub(super) fn let_in_by_own<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        peer: IdentityId,
        way_in: (&[u8], &[u8]),
    ) -> Result<Opened, ChatFault> {
        let mut batch = Batch::new();
        let kept = &self.packages.kept;
        let entered = Room::enter(&self.device, way_in, kept, (&call.draw(), call.now, self.beside), &mut batch);
        let Entered { room, used, .. } = match entered {
            Ok(entered) if entered.by.node == peer && entered.by.identity == self.me() => entered,
            wrong => {
                self.give_packages(call, peer, 1);
                return Err(wrong.map_or_else(ChatFault::Invitation, |_| ChatFault::Unasked(peer)));
            }
        };
        let used = self.packages.number(used);
        self.use_package(call, used, peer);
        let epoch = room.epoch();
        let is_here = self.talks.get(&room.id()).is_some_and(|talk| {
            let is_known = talk.room.line().steps.iter().any(|step| step.tag == epoch.tag);
            is_known || (talk.is_in() && epoch.number <= talk.room.epoch().number)
        });
        if !is_here {
            self.take_room(call, room, batch, peer);
        }
        Ok(Opened::Done)
    }
}

/// What linked devices hear of somebody: of those who ask, or were asked, nothing, since the first device answers them.
fn shared(known: Option<&Person>) -> Option<Option<Person>> {
    match known {
        None => Some(None),
        Some(person) => matches!(person.standing, Standing::Contact | Standing::Blocked).then(|| Some(person.clone())),
    }
}

//! The conversation with oneself, where memos are.

use byway_primitives::{Batch, Store, Time};

use super::talk::Talk;
use super::{Call, ChatError, ChatNews, Chats};
use crate::mls::{Roles, Room, RoomId};

impl Chats {
    /// The conversation in which nobody else is, if there is one.
    pub fn own_room(&self) -> Option<RoomId> {
        let me = self.me();
        let notes = || self.talks.values().filter(|talk| talk.record.direct == Some(me));
        notes().find(|talk| talk.is_in()).or_else(|| notes().next()).map(|talk| talk.room.id())
    }

    /// The same, which is founded where there is none.
    ///
    /// # Errors
    /// [`ChatError::Change`], [`ChatError::NotFirst`].
    pub fn found_own_room(&mut self, now: Time, seed: [u8; 32], store: &impl Store) -> Result<RoomId, ChatError> {
        if let Some(room) = self.own_room() {
            return Ok(room);
        }
        // It comes with the first device.
        self.check_first()?;
        self.found_own(&Call::new(now, seed, store))
    }

    /// Founds it where there is none, for the devices of our person that are to be in it.
    pub(super) fn own_room_for_devices<S: Store>(&mut self, call: &Call<'_, S>) -> Result<(), ChatError> {
        if self.own_room().is_none() { self.found_own(call).map(drop) } else { Ok(()) }
    }

    /// The first device has lost its disk, and with it the room of the notes: it lets this one into another.
    pub(super) fn leave_other_notes(&mut self, room: RoomId) {
        let me = self.me();
        for talk in self.talks.values_mut().filter(|talk| talk.record.direct == Some(me) && talk.room.id() != room) {
            talk.record.affairs.is_out = true;
            talk.put(&mut self.step.batch);
        }
    }

    fn found_own<S: Store>(&mut self, call: &Call<'_, S>) -> Result<RoomId, ChatError> {
        let (id, me) = (RoomId(*call.draw()), self.me());
        let roles = Roles::new(me, None);
        let mut batch = Batch::new();
        let room = Room::found(&self.device, id, &roles, &call.draw(), call.now, &mut batch)?;
        self.step.batch.append(batch);
        let talk = Talk::new(room, Some(me), call.now);
        talk.put(&mut self.step.batch);
        self.talks.insert(id, talk);
        self.tell(ChatNews::Room { room: id });
        self.want_devices(call, id);
        Ok(id)
    }
}

//! The conversation with oneself, where memos are.

use std::collections::BTreeSet;

use byway_primitives::{Batch, Store, Time};

use super::talk::Talk;
use super::{Call, ChatError, ChatNews, Chats};
use crate::mls::{Roles, Room, RoomId};

impl Chats {
    /// The conversation in which nobody else is, if there is one.
    pub fn own_room(&self) -> Option<RoomId> {
        let me = self.me();
        self.talks.values().find(|talk| talk.record.direct == Some(me)).map(|talk| talk.room.id())
    }

    /// The same, which is founded where there is none.
    ///
    /// # Errors
    /// [`ChatError::Change`].
    pub fn found_own_room(&mut self, now: Time, seed: [u8; 32], store: &impl Store) -> Result<RoomId, ChatError> {
        if let Some(room) = self.own_room() {
            return Ok(room);
        }
        let call = Call::new(now, seed, store);
        let (id, me) = (RoomId(*call.draw()), self.me());
        let roles = Roles { founder: me, admins: BTreeSet::new(), adding: None };
        let mut batch = Batch::new();
        let room = Room::found(&self.device, id, &roles, &call.draw(), now, &mut batch)?;
        self.step.batch.append(batch);
        let talk = Talk::new(room, Some(me), now);
        talk.put(&mut self.step.batch);
        self.talks.insert(id, talk);
        self.tell(ChatNews::Room { room: id });
        Ok(id)
    }
}

//! What our person keeps of a conversation for itself: a draft, whether it is pinned or muted, and that it is still to be read. Nobody
//! else hears of it.

use std::collections::BTreeMap;

use byway_chat::content::limits::TEXT_BYTES_MAX;
use byway_chat::mls::RoomId;
use byway_driver::disk::Journal;
use byway_primitives::{Batch, Space, Store, Time};
use serde::{Deserialize, Serialize};

use super::super::Actor;
use crate::api::*;

/// Key is the room; as JSON.
const OWN: Space = Space("chat-own");

/// Of one conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Own {
    pub draft: String,
    pub pinned: bool,
    /// Until when nobody is to be disturbed by it.
    pub muted_until: Option<Time>,
    /// It is shown as unread, although it was read.
    pub marked_unread: bool,
}

/// Of all conversations of which there is anything to be kept.
pub(in super::super) struct OwnDesk(BTreeMap<RoomId, Own>);

impl OwnDesk {
    pub fn open(journal: &Journal) -> Self {
        let read = |(key, value): (Vec<u8>, Vec<u8>)| {
            let room = RoomId(key.try_into().ok()?);
            // Nothing else writes here. What can't be read is as if nothing had been kept.
            Some((room, serde_json::from_slice(&value).ok()?))
        };
        Self(journal.scan_prefix(OWN, &[]).into_iter().filter_map(read).collect())
    }

    pub(super) fn of(&self, room: RoomId) -> Own {
        self.0.get(&room).cloned().unwrap_or_default()
    }
}

impl Actor {
    pub(in super::super) fn keep_of_chat(&mut self, request: &ChatKeep) -> Answer<ChatConversation> {
        let room = self.room_named(&request.to)?;
        let mut own = self.chat_own.of(room);
        if let Some(draft) = &request.draft {
            if draft.len() > TEXT_BYTES_MAX {
                return Err(ApiError::invalid_params(
                    "draft",
                    format_args!("it is longer than {TEXT_BYTES_MAX} bytes"),
                ));
            }
            own.draft.clone_from(draft);
        }
        own.pinned = request.pinned.unwrap_or(own.pinned);
        own.marked_unread = request.marked_unread.unwrap_or(own.marked_unread);
        match request.muted_until_ms {
            // What is over is none.
            Some(until) if until > self.clock.now() => own.muted_until = Some(until),
            Some(_) => own.muted_until = None,
            None => {}
        }
        self.put_chat_own(room, own);
        let view = self.chats().talk(room).ok_or_else(ApiError::chat_not_found)?;
        let conversation = self.conversation(&view);
        self.tell(Event::ChatConversation(Box::new(conversation.clone())));
        Ok(conversation)
    }

    /// It was read.
    pub(super) fn unmark_unread(&mut self, room: RoomId) {
        let own = self.chat_own.of(room);
        if own.marked_unread {
            self.put_chat_own(room, Own { marked_unread: false, ..own });
        }
    }

    pub(super) fn put_chat_own(&mut self, room: RoomId, own: Own) {
        if own == self.chat_own.of(room) {
            return;
        }
        let mut batch = Batch::new();
        if own == Own::default() {
            batch.delete(OWN, room.0);
            self.chat_own.0.remove(&room);
        } else {
            batch.put(OWN, room.0, serde_json::to_vec(&own).expect("texts and numbers have a JSON form"));
            self.chat_own.0.insert(room, own);
        }
        self.write_ledger(batch);
    }
}

//! What our person keeps of a conversation for itself: a draft, whether it is pinned or muted, and that it is still to be read. Nobody
//! else hears of it.

use std::collections::BTreeMap;

use byway_chat::content::limits::TEXT_BYTES_MAX;
use byway_chat::delivery::own_letter::Keeping;
use byway_chat::mls::RoomId;
use byway_driver::disk::Journal;
use byway_primitives::{Batch, IdentityId, Space, Span, Store, Time};
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
    /// When all but the draft was said last, on whichever device.
    pub at: Time,
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

impl Own {
    /// Whether it is pinned, until when it is muted, and whether it is marked unread: what is the same on all devices.
    fn shown_so(&self) -> (bool, Option<Time>, bool) {
        (self.pinned, self.muted_until, self.marked_unread)
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
        let before = self.chat_own.of(room);
        if own.shown_so() != before.shown_so() {
            own.at = self.clock.now().max(before.at + Span(1));
            self.tell_kept(room, &own, None);
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
            let at = self.clock.now().max(own.at + Span(1));
            let own = Own { marked_unread: false, at, ..own };
            self.tell_kept(room, &own, None);
            self.put_chat_own(room, own);
        }
    }

    /// The other devices of our person hear how a conversation is shown, or that at one node.
    fn tell_kept(&mut self, room: RoomId, own: &Own, node: Option<IdentityId>) {
        let (is_pinned, muted_until, is_marked_unread) = own.shown_so();
        let keeping = Keeping { room, at: own.at, is_pinned, muted_until, is_marked_unread };
        self.with_chats(|chats, _, _, store| chats.tell_kept(keeping, node, store));
    }

    /// A device that was linked hears how all conversations are shown.
    pub(super) fn tell_all_kept(&mut self, node: IdentityId) {
        let all: Vec<(RoomId, Own)> = self.chat_own.0.iter().map(|(room, own)| (*room, own.clone())).collect();
        for (room, own) in all.into_iter().filter(|(_, own)| own.shown_so() != Own::default().shown_so()) {
            self.tell_kept(room, &own, Some(node));
        }
    }

    /// Our person has said on another device how a conversation is shown. The latest word stands.
    pub(super) fn kept_elsewhere(&mut self, keeping: Keeping) {
        let Keeping { room, at, is_pinned, muted_until, is_marked_unread } = keeping;
        // A clock that is ahead, or says so, has the last word no longer than others.
        let (own, at) = (self.chat_own.of(room), at.min(self.clock.now()));
        if (at, (is_pinned, muted_until, is_marked_unread)) <= (own.at, own.shown_so()) {
            return;
        }
        self.put_chat_own(room, Own { pinned: is_pinned, muted_until, marked_unread: is_marked_unread, at, ..own });
        if let Some(view) = self.chats().talk(room) {
            self.tell(Event::ChatConversation(Box::new(self.conversation(&view))));
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

//! A conversation that is none, for dry runs.

use byway_primitives::{IdentityId, Time};

use crate::api::{ChatConversation, ChatItem};

/// Who speaks in it.
const SOMEBODY: IdentityId = IdentityId([0x55; 20]);

pub fn conversation() -> ChatConversation {
    ChatConversation {
        conversation: "a5".repeat(32),
        title: "Somebody".to_owned(),
        peer: Some(SOMEBODY),
        members: vec![SOMEBODY],
        member: true,
        restored: false,
        since_ms: Time::ZERO,
        messages: 1,
        unread: 1,
        mentioned: false,
        newest: None,
        draft: String::new(),
        pinned: false,
        muted_until_ms: None,
        marked_unread: false,
        group: None,
    }
}

pub fn item(text: &str) -> ChatItem {
    ChatItem {
        conversation: "a5".repeat(32),
        message: format!("{SOMEBODY}/{}", "b6".repeat(16)),
        author: SOMEBODY,
        place: 0,
        sent_ms: Time::ZERO,
        kind: "text".to_owned(),
        text: text.to_owned(),
        mentions_me: false,
        edited: false,
        deleted: false,
        reply: None,
        thread: None,
        reactions: Vec::new(),
        attachments: Vec::new(),
        levels: Vec::new(),
        poll: None,
        list: None,
        remind_ms: None,
        received: Vec::new(),
        read: Vec::new(),
    }
}
